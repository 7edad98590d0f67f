/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sort.h - sorting without memory of its own, and so where a device serves: qsort(3) of glibc takes some, and asks the
 * kernel how much there is.
 */
#ifndef VDEVD_CORE_SORT_H
#define VDEVD_CORE_SORT_H

#include <stddef.h>

/*
 * Sorts n items of size bytes each, as qsort(3): compare returns less than 0 where a comes first.  Which of two that
 * are alike comes first is left open.  In the worst case n * log(n) steps.
 */
void sort_items(void *items, size_t n, size_t size, int (*compare)(const void *a, const void *b));

#endif
