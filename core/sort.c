/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sort.c - heapsort; see sort.h.
 */
#include "core/sort.h"

static void swap(char *a, char *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		const char byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

/* The items behind at are a heap: none comes before one of the two below it.  Moves that at at down until it is one,
 * too. */
static void sift(char *items, size_t at, size_t n, size_t size, int (*compare)(const void *a, const void *b))
{
	while (2 * at + 1 < n) {
		size_t child = 2 * at + 1;

		if (child + 1 < n && compare(items + child * size, items + (child + 1) * size) < 0)
			child++;
		if (compare(items + at * size, items + child * size) >= 0)
			return;
		swap(items + at * size, items + child * size, size);
		at = child;
	}
}

void sort_items(void *items, size_t n, size_t size, int (*compare)(const void *a, const void *b))
{
	for (size_t at = n / 2; at-- > 0;)
		sift(items, at, n, size, compare);
	for (size_t left = n; left-- > 1;) {
		swap(items, (char *)items + left * size, size);
		sift(items, 0, left, size, compare);
	}
}
