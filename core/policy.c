/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * policy.c - sets of numbers and rates; see policy.h.
 *
 * A bucket is counted in tokens times the time they come in.  So each nanosecond adds the rate's number, and a token
 * costs the time: whole numbers, nothing is lost by rounding, and long idling is full, not an overflow.
 */
#include "core/policy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/opt.h"

/* ---- sets */

static int bad_item(const struct word *w, uint64_t max, char *why, size_t why_size)
{
	snprintf(why, why_size, "'%.*s': a number up to %" PRIu64 ", FIRST-LAST, NUMBER/MASK or all is wanted", WORD_SHOWN(*w),
		 max);
	return -EINVAL;
}

int policy_item_parse(const struct word *w, uint64_t max, struct policy_item *item, char *why, size_t why_size)
{
	struct word a = *w, b;
	bool range, mask;

	*item = (struct policy_item){.last = max};
	if (word_is(w, "all"))
		return 0;
	range = word_cut(&a, '-', &b);
	mask = !range && word_cut(&a, '/', &b);
	if (word_number(&a, &item->first) || item->first > max)
		return bad_item(w, max, why, why_size);
	item->last = item->first;
	if (range && (word_number(&b, &item->last) || item->last > max))
		return bad_item(w, max, why, why_size);
	if (mask && (word_number(&b, &item->mask) || item->mask > max))
		return bad_item(w, max, why, why_size);
	if (item->last < item->first) {
		snprintf(why, why_size, "'%.*s': the last number is below the first", WORD_SHOWN(*w));
		return -EINVAL;
	}
	if (mask && !item->mask) {
		snprintf(why, why_size, "'%.*s': a mask of 0 would be all", WORD_SHOWN(*w));
		return -EINVAL;
	}
	return 0;
}

struct growing {
	struct policy_set *set;
	uint64_t max;
};

static int item_add(void *arg, struct word w, char *why, size_t why_size)
{
	const struct growing *g = arg;
	struct policy_set *s = g->set;
	int err;

	if (s->n == POLICY_ITEMS) {
		snprintf(why, why_size, "'%.*s' is one too many (%u at most)", WORD_SHOWN(w), POLICY_ITEMS);
		return -EINVAL;
	}
	err = policy_item_parse(&w, g->max, &s->items[s->n], why, why_size);
	s->n += !err;
	return err;
}

int policy_set_parse(struct policy_set *s, const char *value, uint64_t max, char *why, size_t why_size)
{
	struct growing g = {s, max};

	return words_each(value, ',', item_add, &g, why, why_size);
}

bool policy_item_has(const struct policy_item *item, uint64_t n)
{
	if (item->mask)
		return !((n ^ item->first) & item->mask);
	return n >= item->first && n <= item->last;
}

bool policy_set_has(const struct policy_set *s, uint64_t n)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (policy_item_has(&s->items[i], n))
			return true;
	return false;
}

/* ---- rates */

#define NS UINT64_C(1000000000)

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {{"s", NS}, {"min", 60 * NS}, {"h", 3600 * NS}};

/* A number of tokens, at least 1. */
static bool parse_tokens(const struct word *w, uint64_t *n)
{
	char text[32];

	return word_copy(w, text, sizeof(text)) && opt_parse_number(text, true, n) == 0 && *n;
}

int policy_rate_parse(struct policy_rate *r, const char *value, char *why, size_t why_size)
{
	struct word w = word_of(value), unit, burst;
	bool has_burst = word_cut(&w, ':', &burst), sound = word_cut(&w, '/', &unit);
	uint64_t full;

	*r = (struct policy_rate){0};
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (word_is(&unit, units[i].name))
			r->per_ns = units[i].ns;
	sound = sound && r->per_ns && parse_tokens(&w, &r->count);
	r->burst = r->count;
	if (!sound || (has_burst && !parse_tokens(&burst, &r->burst))) {
		snprintf(why, why_size, "'%.40s': a rate such as 100/s, 6000/min or 1M/h:2M is wanted", value);
		return -EINVAL;
	}
	if (__builtin_mul_overflow(r->burst, r->per_ns, &full) || full > INT64_MAX) {
		snprintf(why, why_size, "'%.40s': no more than %" PRIu64 " can be saved up in this time", value,
			 INT64_MAX / r->per_ns);
		return -EINVAL;
	}
	r->credit = (int64_t)full;
	return 0;
}

/* What there is at a moment. */
static int64_t credit_at(const struct policy_rate *r, uint64_t now)
{
	const int64_t full = (int64_t)(r->burst * r->per_ns);
	uint64_t missing = (uint64_t)full - (uint64_t)r->credit, elapsed = now > r->since ? now - r->since : 0;

	/* Long enough for all that is missing; less is no overflow then. */
	if (elapsed > missing / r->count)
		return full;
	return (int64_t)((uint64_t)r->credit + elapsed * r->count);
}

/* What must be there for n tokens. */
static int64_t credit_wanted(const struct policy_rate *r, uint64_t n)
{
	return (int64_t)(min_u64(n, r->burst) * r->per_ns);
}

bool policy_rate_take(struct policy_rate *r, uint64_t n, uint64_t now)
{
	int64_t credit, cost;

	if (!r->count || !n)
		return true;
	credit = credit_at(r, now);
	if (credit < credit_wanted(r, n))
		return false;
	/* A debt has an end, too: that of the numbers. */
	if (__builtin_mul_overflow(n, r->per_ns, &cost))
		cost = INT64_MAX;
	r->credit = credit - cost;
	r->since = now > r->since ? now : r->since;
	return true;
}

uint64_t policy_rate_wait(const struct policy_rate *r, uint64_t n, uint64_t now)
{
	int64_t credit, wanted;

	if (!r->count || !n)
		return 0;
	credit = credit_at(r, now);
	wanted = credit_wanted(r, n);
	if (credit >= wanted)
		return 0;
	/* Rounded up: it is there by then. */
	return ((uint64_t)wanted - (uint64_t)credit - 1) / r->count + 1;
}
