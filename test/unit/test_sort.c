/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sort.c - sorting in place: core/sort.h.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/sort.h"
#include "test/lib/random.h"
#include "test/unit/suites.h"

Suite *suite_sort(void);

/* Of a size that is no power of two. */
struct item {
	uint32_t key;
	uint32_t serial;
	uint8_t rest[3];
};

static unsigned int compared;

static int by_key(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	compared++;
	return (x->key > y->key) - (x->key < y->key);
}

/* Sorts n items, whose keys are below range, and looks whether all are there, in order, whole. */
static void try_sort(unsigned int n, uint32_t range, uint32_t seed)
{
	struct item *items = calloc(n + 2, sizeof(*items));
	uint8_t *seen = calloc(n + 1, 1);
	unsigned int depth = 1;

	ck_assert(items && seen);
	for (unsigned int i = 0; i < n; i++) {
		items[1 + i] = (struct item){random_next(&seed) % range, i, {0}};
		items[1 + i].rest[2] = (uint8_t)(items[1 + i].key ^ i);
	}
	items[0].key = items[n + 1].key = UINT32_MAX;
	compared = 0;
	sort_items(items + 1, n, sizeof(*items), by_key);
	for (unsigned int i = 1; i <= n; i++) {
		ck_assert(i == 1 || items[i - 1].key <= items[i].key);
		ck_assert_uint_lt(items[i].serial, n);
		ck_assert_uint_eq(seen[items[i].serial]++, 0);
		ck_assert_uint_eq(items[i].rest[2], (uint8_t)(items[i].key ^ items[i].serial));
	}
	ck_assert(items[0].key == UINT32_MAX && items[n + 1].key == UINT32_MAX);
	while (n >> depth)
		depth++;
	ck_assert_uint_le(compared, 3 * n * depth);
	free(items);
	free(seen);
}

START_TEST(sorts)
{
	for (unsigned int n = 0; n < 40; n++) {
		try_sort(n, UINT32_MAX, n);
		try_sort(n, 3, n);
		try_sort(n, 1, n);
	}
	try_sort(32768, UINT32_MAX, 1);
	try_sort(32768, 2, 1);
}
END_TEST

/* What quicksort is slow with. */
START_TEST(sorted_already)
{
	enum { N = 4096 };
	static struct item items[N];

	for (unsigned int up = 0; up < 2; up++) {
		for (uint32_t i = 0; i < N; i++)
			items[i].key = up ? i : N - i;
		compared = 0;
		sort_items(items, N, sizeof(*items), by_key);
		for (unsigned int i = 1; i < N; i++)
			ck_assert_uint_lt(items[i - 1].key, items[i].key);
		ck_assert_uint_le(compared, 3 * N * 13);
	}
}
END_TEST

Suite *suite_sort(void)
{
	Suite *s = suite_create("sort");
	TCase *tc = tcase_create("sort");

	tcase_add_test(tc, sorts);
	tcase_add_test(tc, sorted_already);
	suite_add_tcase(s, tc);
	return s;
}
