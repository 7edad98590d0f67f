/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * iotlb.c - translations of I/O virtual addresses; see iotlb.h.
 */
#include "mem/iotlb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	uint64_t first, last; /* bytes of the range */
	uint64_t addr;
	unsigned int perm;
	bool used;            /* since the hand came by */
};

struct iotlb {
	unsigned int count, hand;
	struct iotlb_miss missed;
	struct entry entries[IOTLB_MAX]; /* by address; none overlaps another */
};

int iotlb_new(struct iotlb **out)
{
	struct iotlb *t = malloc(sizeof(*t));

	*out = NULL;
	if (!t)
		return -ENOMEM;
	/* The entries are touched only as far as they are needed. */
	t->count = t->hand = 0;
	t->missed = (struct iotlb_miss){0};
	*out = t;
	return 0;
}

void iotlb_free(struct iotlb *t)
{
	free(t);
}

/* The first entry that ends at addr or later. */
static unsigned int lower_bound(const struct iotlb *t, uint64_t addr)
{
	unsigned int low = 0, high = t->count;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (t->entries[mid].last < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void entries_drop(struct iotlb *t, unsigned int at, unsigned int n)
{
	memmove(t->entries + at, t->entries + at + n, (t->count - at - n) * sizeof(t->entries[0]));
	t->count -= n;
}

void iotlb_invalidate(struct iotlb *t, uint64_t first, uint64_t last)
{
	unsigned int at = lower_bound(t, first), end = at;

	while (end < t->count && t->entries[end].first <= last)
		end++;
	entries_drop(t, at, end - at);
}

/* Makes room for one: the hand goes round, and the first that was not used since it last came by goes. */
static void evict(struct iotlb *t)
{
	for (;; t->hand++) {
		t->hand %= t->count;
		if (!t->entries[t->hand].used)
			break;
		t->entries[t->hand].used = false;
	}
	entries_drop(t, t->hand, 1);
}

int iotlb_update(struct iotlb *t, uint64_t iova, uint64_t size, uint64_t addr, unsigned int perm)
{
	uint64_t last, end;
	unsigned int at;

	if (!size || __builtin_add_overflow(iova, size - 1, &last) || __builtin_add_overflow(addr, size - 1, &end))
		return -EINVAL;
	if (!perm || perm > (IOTLB_READ | IOTLB_WRITE))
		return -EINVAL;
	iotlb_invalidate(t, iova, last);
	if (t->count == IOTLB_MAX)
		evict(t);
	at = lower_bound(t, iova);
	memmove(t->entries + at + 1, t->entries + at, (t->count - at) * sizeof(t->entries[0]));
	t->entries[at] = (struct entry){.first = iova, .last = last, .addr = addr, .perm = perm, .used = true};
	t->count++;
	return 0;
}

int iotlb_find(struct iotlb *t, uint64_t iova, uint64_t len, unsigned int perm, uint64_t *addr, uint64_t *run)
{
	unsigned int at = lower_bound(t, iova);
	struct entry *e = &t->entries[at];

	if (at == t->count || e->first > iova || (e->perm & perm) != perm) {
		t->missed = (struct iotlb_miss){.iova = iova, .perm = perm};
		return -EAGAIN;
	}
	e->used = true;
	*addr = e->addr + (iova - e->first);
	/* The range may be all there is: its length need not be a number. */
	*run = len - 1 < e->last - iova ? len : e->last - iova + 1;
	return 0;
}

struct iotlb_miss iotlb_missed(const struct iotlb *t)
{
	return t->missed;
}
