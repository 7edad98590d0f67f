/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * policy.h - what an operator allows a guest: sets of numbers and rates, in one syntax for all devices.
 *
 * What the operator does not name, the guest does not get.  Both structs are data of a device instance, filled by its
 * options: nothing to be freed.
 */
#ifndef VDEVD_CORE_POLICY_H
#define VDEVD_CORE_POLICY_H

#include "core/words.h"

/* Sentences for the man page of an option that takes one. */
#define POLICY_SET_MAN \
	"Numbers are decimal or 0x hexadecimal, parted by commas: 3 is one number, 0-7 are all from the first to the last, " \
	"0x50/0x7f are those that are like 0x50 in the bits of 0x7f, all are all."
#define POLICY_RATE_MAN \
	"A rate is a number in a time: 100/s, 6000/min, 1M/h; K, M and G multiply by 1024. What was not used is saved up, to as much as the " \
	"rate's number; 100/s:500 saves up to 500."

/* Ranges and masks in one set. */
#define POLICY_ITEMS 32

/* Numbers from first to last; or, where there is a mask, those that are like first in the mask's bits. */
struct policy_item {
	uint64_t first, last, mask;
};

/* A set of numbers.  Zeroed it is empty. */
struct policy_set {
	struct policy_item items[POLICY_ITEMS];
	unsigned int n;
};

/*
 * Reads one range or mask ("3", "0-7", "0x50/0x7f", "all") of numbers up to max.
 * Returns 0 and *item; -EINVAL with a reason in why, which names the word and says what would be right.
 */
int policy_item_parse(const struct word *w, uint64_t max, struct policy_item *item, char *why, size_t why_size);

/* Adds what a value names, several parted by commas.  Returns 0; -EINVAL with a reason in why. */
int policy_set_parse(struct policy_set *s, const char *value, uint64_t max, char *why, size_t why_size);

bool policy_item_has(const struct policy_item *item, uint64_t n);
bool policy_set_has(const struct policy_set *s, uint64_t n);

/* How often, or how much: a bucket of tokens that fills at a steady rate.  Zeroed it lets all through. */
struct policy_rate {
	uint64_t count;  /* tokens in a time; 0: no limit */
	uint64_t per_ns; /* the time */
	uint64_t burst;  /* tokens, the most that are saved up; at least 1 */
	/* The functions' own: tokens times per_ns, below 0 where more was taken than there was; and when that was so. */
	int64_t credit;
	uint64_t since;
};

/* Reads "100/s", "6000/min", "1M/h", "100/s:500".  The bucket is full.  Returns 0; -EINVAL with a reason in why. */
int policy_rate_parse(struct policy_rate *r, const char *value, char *why, size_t why_size);

/*
 * Takes n tokens at the moment now (clock_now(CLOCK_MONOTONIC)), where they are there.  A request for more than the
 * bucket holds is let through when it is full, and paid off afterwards: it takes its time, but never for ever.
 * Returns false, and takes nothing, where they are not.
 */
bool policy_rate_take(struct policy_rate *r, uint64_t n, uint64_t now);

/* How long from now on, ns, until policy_rate_take(r, n) will succeed if nothing else is taken; 0: it does. */
uint64_t policy_rate_wait(const struct policy_rate *r, uint64_t n, uint64_t now);

#endif
