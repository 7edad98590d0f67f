/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_rng.c - keeps an entropy device busy: test/lib/guest_load.h.
 */
#include "test/lib/guest_load.h"
#include "test/lib/random.h"

static void rng_submit(struct load *l)
{
	while (random_next(&l->random) % 8 && load_request(l, NULL, 0, LOAD_IN_MAX, 2, LOAD_ANY))
		;
}

const struct load_kind load_rng = {
	.name = "rng",
	.device = "rng",
	.args = {"--max-bytes=1000", "--period=1", "--features=+ring_packed,+log_all,+pagefault"},
	.nqueues = 1,
	.begin = load_requests_begin,
	.submit = rng_submit,
	.reap = load_requests_reap,
	.end = load_requests_end,
};
