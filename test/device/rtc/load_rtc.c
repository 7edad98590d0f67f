/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_rtc.c - keeps an RTC device busy with questions: test/lib/guest_load.h.
 */
#include "test/lib/guest_load.h"
#include "test/lib/random.h"

static void rtc_submit(struct load *l)
{
	static const uint8_t cfg[8] = {0, 0x10};

	/* The answer ends with a reserved byte, which is 0. */
	while (random_next(&l->random) % 8 && load_request(l, cfg, sizeof(cfg), 16, 2, 0))
		;
}

const struct load_kind load_rtc = {
	.name = "rtc",
	.device = "rtc",
	.args = {"--backend=sim", "--features=+ring_packed,+log_all,+pagefault"},
	.nqueues = 2,
	.begin = load_requests_begin,
	.submit = rtc_submit,
	.reap = load_requests_reap,
	.end = load_requests_end,
};
