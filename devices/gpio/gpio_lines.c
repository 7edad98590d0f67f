/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_lines.c - from the options about lines to the lines the guest gets (VIRTIO 1.4, section 5.18); see gpio_lines.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/opt.h"
#include "core/policy.h"
#include "core/sort.h"
#include "devices/gpio/gpio_lines.h"

/* A kernel's limit, too: the period is a 32-bit number of microseconds; an hour is no bouncing any more. */
#define DEBOUNCE_MAX_US 3600000000u

struct value_word {
	const char *word;
	uint32_t number;
};

static const struct value_word bias_words[] = {
	{"disabled", GPIO_BIAS_DISABLED},
	{"pull-up", GPIO_BIAS_PULL_UP},
	{"pull-down", GPIO_BIAS_PULL_DOWN},
	{0},
};

static const struct value_word drive_words[] = {
	{"push-pull", GPIO_DRIVE_PUSH_PULL},
	{"open-drain", GPIO_DRIVE_OPEN_DRAIN},
	{"open-source", GPIO_DRIVE_OPEN_SOURCE},
	{0},
};

/* The options, by enum gpio_rule_kind. */
static const struct {
	const char *name;
	const char *wanted;
	const struct value_word *words; /* what the value may be */
	bool has_value;
} rule_kinds[] = {
	[GPIO_RULE_LINES] = {"lines", "lines such as 0-3,7,LED_RED are wanted", NULL, false},
	[GPIO_RULE_RENAME] = {"rename", "a line and its name, OFFSET:NAME, are wanted", NULL, true},
	[GPIO_RULE_INPUT_ONLY] = {"input-only", "lines such as 0-3,7,LED_RED are wanted", NULL, false},
	[GPIO_RULE_OUTPUT_ONLY] = {"output-only", "lines such as 0-3,7,LED_RED are wanted", NULL, false},
	[GPIO_RULE_ACTIVE_LOW] = {"active-low", "lines such as 0-3,7,LED_RED are wanted", NULL, false},
	[GPIO_RULE_BIAS] = {"bias", "[LINES:]pull-up, pull-down or disabled is wanted", bias_words, true},
	[GPIO_RULE_DRIVE] = {"drive", "[LINES:]push-pull, open-drain or open-source is wanted", drive_words, true},
	[GPIO_RULE_DEBOUNCE] = {"debounce-us", "[LINES:]MICROSECONDS is wanted", NULL, true},
};

/* Lines that are being worked out, one chip at a time. */
struct build {
	const struct gpio_host_ops *ops;
	struct log *log;
	struct gpio_offer *offers;
	unsigned int count;
	/* the chip at work */
	unsigned int chip;
	struct gpio_chip *host;
	unsigned int nlines;
	char (*names)[GPIO_NAME_SIZE];
	unsigned int *where; /* offset to the index of its offer plus 1; 0: not offered */
	unsigned int first;  /* its first offer */
};

int gpio_plan_chip(struct gpio_plan *p, const char *text, char *why, size_t why_size)
{
	if (text && *text == '\0') {
		snprintf(why, why_size, "empty (a path, a number or a label is wanted)");
		return -EINVAL;
	}
	if (p->nchips == GPIO_MAX_CHIPS) {
		snprintf(why, why_size, "too many chips (%u at most)", GPIO_MAX_CHIPS);
		return -EINVAL;
	}
	p->chips[p->nchips++] = text;
	return 0;
}

/* Whether a list has no empty items. */
static bool list_sound(const char *list, size_t len)
{
	return len && list[0] != ',' && list[len - 1] != ',' && !memmem(list, len, ",,", 2);
}

/* Whether the guest can be told a name: "encoded in 7-bit ASCII". */
static bool name_sound(const char *name)
{
	const char *p = name;

	while (*p >= ' ' && *p <= '~')
		p++;
	return *p == '\0' && p - name < GPIO_NAME_SIZE;
}

/* Reads a rule's value.  Returns whether it is one. */
static bool rule_value(struct gpio_rule *r)
{
	const struct value_word *w = rule_kinds[r->kind].words;
	uint64_t us;

	if (r->kind == GPIO_RULE_RENAME)
		return name_sound(r->value);
	if (r->kind == GPIO_RULE_DEBOUNCE) {
		if (opt_parse_number(r->value, false, &us) < 0 || us > DEBOUNCE_MAX_US)
			return false;
		r->number = (uint32_t)us;
		return true;
	}
	while (w->word && strcmp(w->word, r->value))
		w++;
	r->number = w->number;
	return w->word;
}

int gpio_plan_rule(struct gpio_plan *p, enum gpio_rule_kind kind, const char *text, char *why, size_t why_size)
{
	struct gpio_rule r = {.kind = kind, .text = text, .chip = p->nchips ? p->nchips - 1 : 0};
	const char *colon = kind == GPIO_RULE_RENAME ? strchr(text, ':') : strrchr(text, ':');

	if (!rule_kinds[kind].has_value) {
		r.list_len = strlen(text);
	} else if (colon) {
		r.list_len = (size_t)(colon - text);
		r.value = colon + 1;
	} else {
		r.value = text;
	}
	/* A rename is of one line. */
	if (((r.value != text) && !list_sound(text, r.list_len)) || (r.value && !rule_value(&r)) ||
	    (kind == GPIO_RULE_RENAME && (!colon || memchr(text, ',', r.list_len)))) {
		snprintf(why, why_size, "%s", rule_kinds[kind].wanted);
		return -EINVAL;
	}
	if (p->nrules == GPIO_MAX_RULES) {
		snprintf(why, why_size, "too many options about lines (%u at most)", GPIO_MAX_RULES);
		return -EINVAL;
	}
	p->rules[p->nrules++] = r;
	return 0;
}

bool gpio_plan_has(const struct gpio_plan *p, enum gpio_rule_kind kind)
{
	for (unsigned int i = 0; i < p->nrules; i++) {
		if (p->rules[i].kind == kind)
			return true;
	}
	return false;
}

/* Reads one item of a list: offsets (core/policy.h), or a name.  Returns 0 or -ENOENT. */
static int item_resolve(const struct build *b, const struct word *w, struct policy_item *item)
{
	char unsaid[1];

	if (b->nlines && policy_item_parse(w, b->nlines - 1, item, unsaid, sizeof(unsaid)) == 0)
		return 0;
	for (unsigned int i = 0; w->len && i < b->nlines; i++) {
		if (word_is(w, b->names[i])) {
			*item = (struct policy_item){.first = i, .last = i};
			return 0;
		}
	}
	return -ENOENT;
}

/* Offers a line of the chip at work. */
static int offer_add(struct build *b, const struct gpio_rule *r, unsigned int offset)
{
	struct gpio_offer *o = &b->offers[b->count];

	if (b->where[offset]) {
		log_error(b->log, "--lines=%s: line %u is there twice", r->text, offset);
		return -EINVAL;
	}
	if (b->count == GPIO_MAX_LINES) {
		log_error(b->log, "more than %u lines: --lines picks some", GPIO_MAX_LINES);
		return -E2BIG;
	}
	*o = (struct gpio_offer){.chip = b->chip, .offset = offset};
	memcpy(o->name, b->names[offset], sizeof(o->name));
	b->where[offset] = ++b->count;
	return 0;
}

/* Applies a rule other than GPIO_RULE_LINES to an offered line. */
static int offer_change(struct build *b, const struct gpio_rule *r, unsigned int offset)
{
	struct gpio_offer *o = b->offers + b->where[offset] - 1;

	if (!b->where[offset]) {
		log_error(b->log, "--%s=%s: line %u is not among --lines", rule_kinds[r->kind].name, r->text, offset);
		return -EINVAL;
	}
	switch (r->kind) {
	case GPIO_RULE_RENAME:
		memcpy(o->name, r->value, strlen(r->value) + 1);
		break;
	case GPIO_RULE_INPUT_ONLY:
		o->input_only = true;
		break;
	case GPIO_RULE_OUTPUT_ONLY:
		o->output_only = true;
		break;
	case GPIO_RULE_ACTIVE_LOW:
		o->settings.active_low = true;
		break;
	case GPIO_RULE_BIAS:
		o->settings.bias = (enum gpio_bias)r->number;
		break;
	case GPIO_RULE_DRIVE:
		o->settings.drive = (enum gpio_drive)r->number;
		break;
	case GPIO_RULE_DEBOUNCE:
		o->settings.debounce_us = r->number;
		break;
	case GPIO_RULE_LINES:
		return offer_add(b, r, offset);
	}
	if (!o->input_only || !o->output_only)
		return 0;
	log_error(b->log, "--%s=%s: line %u is to be both input only and output only", rule_kinds[r->kind].name,
		  r->text, offset);
	return -EINVAL;
}

/* Says that there is no such line, and which there are: as many names as a line of the log has room for. */
static void log_no_line(const struct build *b, const struct gpio_rule *r, const struct word *w)
{
	char names[256] = "";
	size_t at = 0;

	for (unsigned int i = 0; i < b->nlines && at + GPIO_NAME_SIZE + 8 < sizeof(names); i++) {
		if (b->names[i][0])
			at += (size_t)snprintf(names + at, sizeof(names) - at, "%s %s",
					       at ? "," : "; names:", b->names[i]);
	}
	log_error(b->log, "--%s=%s: chip %s has no line '%.*s' (it has %u, from 0 on%s)", rule_kinds[r->kind].name,
		  r->text, b->ops->chip_label(b->host), WORD_SHOWN(*w), b->nlines, names);
}

/* Applies a rule to all lines of its list. */
static int rule_apply(struct build *b, const struct gpio_rule *r)
{
	int (*apply)(struct build *, const struct gpio_rule *, unsigned int) =
		r->kind == GPIO_RULE_LINES ? offer_add : offer_change;
	struct word w, rest = {r->text, r->list_len};
	int err = 0;

	for (unsigned int i = b->first; !r->list_len && i < b->count && !err; i++)
		err = apply(b, r, b->offers[i].offset);
	while (!err && rest.len) {
		struct policy_item item;

		w = rest;
		word_cut(&w, ',', &rest);
		if (item_resolve(b, &w, &item) < 0) {
			log_no_line(b, r, &w);
			return -ENOENT;
		}
		for (unsigned int i = 0; i < b->nlines && !err; i++) {
			if (policy_item_has(&item, i))
				err = apply(b, r, i);
		}
	}
	return err;
}

/* Adds the lines of the chip at work. */
static int chip_offers(struct build *b, const struct gpio_plan *p)
{
	static const struct gpio_rule all = {.kind = GPIO_RULE_LINES, .text = ""};
	bool picked = false;
	int err = 0;

	for (unsigned int i = 0; i < b->nlines && !err; i++) {
		err = b->ops->line_name(b->host, i, b->names[i]);
		if (!name_sound(b->names[i]))
			b->names[i][0] = '\0';
	}
	if (err) {
		log_error(b->log, "chip %s: %s", b->ops->chip_label(b->host), strerror(-err));
		return err;
	}
	for (unsigned int i = 0; i < p->nrules && !err; i++) {
		if (p->rules[i].chip == b->chip && p->rules[i].kind == GPIO_RULE_LINES) {
			picked = true;
			err = rule_apply(b, &p->rules[i]);
		}
	}
	for (unsigned int i = 0; !picked && i < b->nlines && !err; i++)
		err = offer_add(b, &all, i);
	for (unsigned int i = 0; i < p->nrules && !err; i++) {
		if (p->rules[i].chip == b->chip && p->rules[i].kind != GPIO_RULE_LINES)
			err = rule_apply(b, &p->rules[i]);
	}
	return err;
}

/* Makes room for the chip at work, and adds its lines. */
static int chip_build(struct build *b, const struct gpio_plan *p)
{
	struct gpio_offer *offers;
	int err = -ENOMEM;

	b->nlines = b->ops->chip_lines(b->host);
	b->first = b->count;
	b->names = calloc(b->nlines + 1, sizeof(*b->names));
	b->where = calloc(b->nlines + 1, sizeof(*b->where));
	offers = reallocarray(b->offers, (size_t)b->count + b->nlines + 1, sizeof(*offers));
	if (offers)
		b->offers = offers;
	if (b->names && b->where && offers)
		err = chip_offers(b, p);
	free(b->names);
	free(b->where);
	return err;
}

static int by_name(const void *a, const void *b)
{
	const struct gpio_offer *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);

	return order ? order : (*x > *y) - (*x < *y);
}

/* "the name must be unique within a GPIO Device": the first line of a name keeps it. */
static int names_unique(struct build *b)
{
	struct gpio_offer **sorted = calloc(b->count + 1, sizeof(*sorted)), *keeper = NULL;

	if (!sorted)
		return -ENOMEM;
	for (unsigned int i = 0; i < b->count; i++)
		sorted[i] = &b->offers[i];
	sort_items(sorted, b->count, sizeof(*sorted), by_name);
	for (unsigned int i = 0; i < b->count; i++) {
		struct gpio_offer *o = sorted[i];

		if (o->name[0] == '\0')
			continue;
		if (!keeper || strcmp(keeper->name, o->name)) {
			keeper = o;
			continue;
		}
		log_warn(b->log, "line %u is nameless to the guest: line %u is '%s' already (--rename can help)",
			 (unsigned int)(o - b->offers), (unsigned int)(keeper - b->offers), o->name);
		o->name[0] = '\0';
	}
	free(sorted);
	return 0;
}

int gpio_plan_offers(const struct gpio_plan *p, const struct gpio_host_ops *ops, struct gpio_chip *const *chips,
		     struct log *log, struct gpio_offer **offers, unsigned int *count)
{
	struct build b = {.ops = ops, .log = log};
	int err = 0;

	for (b.chip = 0; b.chip < p->nchips && !err; b.chip++) {
		b.host = chips[b.chip];
		err = chip_build(&b, p);
	}
	if (!err)
		err = names_unique(&b);
	if (!err && !b.count) {
		log_error(log, "there are no lines to serve");
		err = -ENOENT;
	}
	if (err) {
		free(b.offers);
		return err;
	}
	*offers = b.offers;
	*count = b.count;
	return 0;
}
