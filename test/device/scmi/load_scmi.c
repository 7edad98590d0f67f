/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_scmi.c - keeps an SCMI device busy with questions: test/lib/guest_load.h.
 */
#include "test/lib/guest_load.h"
#include "test/lib/random.h"

static void scmi_submit(struct load *l)
{
	/* Base protocol, PROTOCOL_MESSAGE_ATTRIBUTES of PROTOCOL_VERSION: its answer ends with zeros. */
	static const uint8_t request[8] = {0x02, 0x40};

	while (random_next(&l->random) % 8 && load_request(l, request, sizeof(request), 12, 2, 0))
		;
}

const struct load_kind load_scmi = {
	.name = "scmi",
	.device = "scmi",
	.args = {"--device=board", "--features=+ring_packed,+log_all,+pagefault"},
	.nqueues = 2,
	.begin = load_requests_begin,
	.submit = scmi_submit,
	.reap = load_requests_reap,
	.end = load_requests_end,
};
