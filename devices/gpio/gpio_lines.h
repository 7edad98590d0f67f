/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_lines.h - which lines of which chips the guest gets, how they are named and used: the options --chip,
 * --lines, --rename, --input-only and their like.
 */
#ifndef VDEVD_DEVICES_GPIO_GPIO_LINES_H
#define VDEVD_DEVICES_GPIO_GPIO_LINES_H

#include "devices/gpio/gpio_host.h"

#define GPIO_MAX_CHIPS 16
#define GPIO_MAX_RULES 64

/* "le16 ngpio" */
#define GPIO_MAX_LINES 65535

enum gpio_rule_kind {
	GPIO_RULE_LINES, /* the only one without which the others concern all lines */
	GPIO_RULE_RENAME,
	GPIO_RULE_INPUT_ONLY,
	GPIO_RULE_OUTPUT_ONLY,
	GPIO_RULE_ACTIVE_LOW,
	GPIO_RULE_BIAS,
	GPIO_RULE_DRIVE,
	GPIO_RULE_DEBOUNCE,
};

/* One option about lines: which they are, and what of them. */
struct gpio_rule {
	enum gpio_rule_kind kind;
	unsigned int chip; /* the one it is about */
	const char *text;  /* as given */
	size_t list_len;   /* bytes of text that list lines; 0: all the chip's that are offered */
	const char *value; /* what follows the list, or NULL */
	uint32_t number;   /* value as an enum gpio_bias or gpio_drive, or microseconds */
};

/* What the options say. */
struct gpio_plan {
	const char *chips[GPIO_MAX_CHIPS];
	unsigned int nchips;
	struct gpio_rule rules[GPIO_MAX_RULES];
	unsigned int nrules;
};

/* A line as the guest gets it. */
struct gpio_offer {
	unsigned int chip;	   /* index */
	unsigned int offset;	   /* in the chip */
	char name[GPIO_NAME_SIZE]; /* the guest's; empty: none */
	bool input_only, output_only;
	struct gpio_settings settings; /* the electrical part */
};

/* Adds a chip (NULL: the only one there is).  text stays valid.  Returns 0, or -EINVAL with a reason in why. */
int gpio_plan_chip(struct gpio_plan *p, const char *text, char *why, size_t why_size);

/* Adds a rule about lines of the last chip.  text stays valid.  Returns 0, or -EINVAL with a reason in why. */
int gpio_plan_rule(struct gpio_plan *p, enum gpio_rule_kind kind, const char *text, char *why, size_t why_size);

/* Whether there is a rule of this kind. */
bool gpio_plan_has(const struct gpio_plan *p, enum gpio_rule_kind kind);

/*
 * Works the plan out.  chips: the p->nchips chips, open.
 * Returns 0, *offers (an array to be freed) and *count; or -errno after it has logged why.
 */
int gpio_plan_offers(const struct gpio_plan *p, const struct gpio_host_ops *ops, struct gpio_chip *const *chips,
		     struct log *log, struct gpio_offer **offers, unsigned int *count);

#endif
