/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_spi.c - keeps an SPI controller busy, with registers that remember what is written: test/lib/guest_load.h.
 */
#include <check.h>
#include <string.h>

#include "test/lib/guest_load.h"
#include "test/lib/random.h"

struct spi_load {
	struct load_requests requests;
	uint8_t told[3]; /* what the registers were told last */
};

#define SPI_HEAD 32u

/* VIRTIO 1.4, section "SPI Controller Device": the header, then the register, 0x80 for a read, and what is written. */
static struct load_slot *spi_send(struct load *l, bool read, const uint8_t *value)
{
	uint8_t out[SPI_HEAD + 4] = {0, 8, 1};

	/* With a delay it is made by the worker thread. */
	out[12] = random_next(&l->random) % 4 == 0;
	out[SPI_HEAD] = read ? 0x80 : 0;
	if (value)
		memcpy(out + SPI_HEAD + 1, value, 3);
	return load_request(l, out, sizeof(out), read ? 5 : 1, read ? 2 : 1, 0);
}

static void spi_submit(struct load *l)
{
	struct spi_load *r = l->priv;
	struct load_slot *s;

	while (random_next(&l->random) % 8 && load_slots_free(l) >= 2 && driver_ring_free_descs(frontend_ring(l->fe, 0)) >= 6) {
		uint8_t want[4] = {0};

		if (random_next(&l->random) & 1) {
			for (unsigned int i = 0; i < 3 && !++r->told[i]; i++)
				;
			ck_assert_ptr_nonnull(spi_send(l, false, r->told));
		}
		s = spi_send(l, true, NULL);
		ck_assert_ptr_nonnull(s);
		memcpy(want + 1, r->told, sizeof(r->told));
		memcpy(&s->want, want, sizeof(want));
		s->wants = sizeof(want);
	}
}

const struct load_kind load_spi = {
	.size = sizeof(struct spi_load),
	.name = "spi",
	.device = "spi",
	.args = {"--sim=regs:size=16", "--cs-change=standard", "--features=+ring_packed,+log_all,+pagefault"},
	.nqueues = 1,
	.begin = load_requests_begin,
	.submit = spi_submit,
	.reap = load_requests_reap,
	.end = load_requests_end,
};
