/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_rng.c - the entropy device: VIRTIO 1.4, section 5.4.
 */
#include <string.h>

#include "test/lib/carrier.h"
#include "test/unit/suites.h"

#define REQUESTQ 0

/* The default source: full, and never the same twice. */
static void default_source(struct carrier *c)
{
	uint8_t a[32] = {0}, b[32] = {0};

	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, a, sizeof(a)), sizeof(a));
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, b, sizeof(b)), sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
}

static const struct device_case cases[] = {
	{.name = "default source", .run = default_source},
};

static const struct device_suite rng = {
	.device = "rng",
	.sample = {.queue = REQUESTQ, .in_len = 16},
	DEVICE_CASES(cases),
};

Suite *suite_rng(void)
{
	Suite *s = suite_create("rng");

	suite_add_device(s, &rng);
	return s;
}
