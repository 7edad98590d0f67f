/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_blk.c - keeps a disk busy: places of its own are written again and again, and read back; see
 * test/lib/guest_load.h.
 *
 * A place has one request at a time, so what is read is what was written last: all of it, and of nothing else.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "test/lib/guest_load.h"
#include "test/lib/load_disk.h"
#include "test/lib/random.h"

enum { IN = 0, OUT = 1, FLUSH = 4 };

struct place {
	struct frontend_buf out, in;
	uint32_t at, written; /* what every word of it says: which place, which writing */
	uint32_t type;
	bool in_flight;
};

struct head {
	le32 type, reserved;
	le64 sector;
} __attribute__((packed));

static void blk_begin(struct load *l)
{
	struct place *p = calloc(LOAD_PLACES, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	for (unsigned int i = 0; i < LOAD_PLACES; i++) {
		load_alloc(l, false, sizeof(struct head) + LOAD_PLACE_BYTES, &p[i].out);
		load_alloc(l, true, LOAD_PLACE_BYTES + 1, &p[i].in);
		p[i].at = i;
	}
	l->priv = p;
}

static void place_use(struct load *l, struct place *p)
{
	uint32_t out_len = sizeof(struct head), in_len = 1;
	struct head h = {.sector = htole64(p->at * (LOAD_PLACE_BYTES / 512))};

	p->type = random_next(&l->random) & 1 ? IN : random_next(&l->random) % 16 ? OUT : FLUSH;
	h.type = htole32(p->type);
	memcpy(p->out.va, &h, sizeof(h));
	if (p->type == OUT) {
		p->written++;
		load_disk_put((char *)p->out.va + sizeof(h), load_disk_word(p->at, p->written));
		out_len += LOAD_PLACE_BYTES;
	} else if (p->type == IN) {
		in_len += LOAD_PLACE_BYTES;
	}
	/* What the device writes to is left alone: in a migration the driver's writes there would not be in the log. */
	if (!load_add(l, p->at % 2, &p->out, out_len, &p->in, in_len, in_len > 1 ? 2 : 1, p)) {
		p->written -= p->type == OUT;
		return;
	}
	p->in_flight = true;
	l->submitted++;
}

static void blk_submit(struct load *l)
{
	struct place *p = l->priv;

	for (unsigned int i = 0; i < LOAD_PLACES; i++) {
		if (!p[i].in_flight && random_next(&l->random) % 4)
			place_use(l, &p[i]);
	}
}

static void blk_reap(struct load *l, unsigned int q, void *token, uint32_t used)
{
	struct place *p = token;
	const uint8_t *in = p->in.va;
	uint32_t len = p->type == IN ? LOAD_PLACE_BYTES : 0;

	/* Too often for ck_assert, which writes each time. */
	if (!p->in_flight || used != len + 1 || in[len] != 0)
		ck_abort_msg("used, in flight: %d, type %u, %u bytes, status %d", p->in_flight, p->type, used, in[len]);
	if (len)
		load_disk_check(in, p->at, load_disk_word(p->at, p->written));
	p->in_flight = false;
	l->completed++;
}

static void blk_end(struct load *l)
{
	free(l->priv);
}

const struct load_kind load_blk = {
	.name = "blk",
	.device = "blk",
	.args = {"--file=%T/disk", "--share", "--num-queues=2", "--features=+ring_packed,+log_all,+pagefault"},
	.nqueues = 2,
	.prepare = load_disk_prepare,
	.begin = blk_begin,
	.submit = blk_submit,
	.reap = blk_reap,
	.end = blk_end,
};
