/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_scsi.c - keeps a SCSI disk busy: places of its own are written again and again, and read back; see
 * test/lib/guest_load.h.
 *
 * A place has one command at a time, so what is read is what was written last: all of it, and of nothing else.  A back
 * end that is another one tells of it by a unit attention; then the same command is sent again, as drivers do.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "test/lib/guest_load.h"
#include "test/lib/load_disk.h"
#include "test/lib/random.h"

#define REQUESTQ 2u
#define HEAD	 51u  /* a command with a CDB of 32 bytes */
#define RESP	 108u /* a response with 96 bytes of sense data */

enum { READ = 0x28, WRITE = 0x2a, SYNC = 0x35 };

struct place {
	struct frontend_buf out, in;
	uint32_t at, written; /* what every word of it says: which place, which writing */
	uint8_t opcode;
	bool in_flight, again;
};

static void scsi_begin(struct load *l)
{
	struct place *p = calloc(LOAD_PLACES, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	for (unsigned int i = 0; i < LOAD_PLACES; i++) {
		load_alloc(l, false, HEAD + LOAD_PLACE_BYTES, &p[i].out);
		load_alloc(l, true, RESP + LOAD_PLACE_BYTES, &p[i].in);
		p[i].at = i;
	}
	l->priv = p;
}

static uint8_t opcode_choose(struct load *l)
{
	if (random_next(&l->random) & 1)
		return READ;
	return random_next(&l->random) % 16 ? WRITE : SYNC;
}

static void place_use(struct load *l, struct place *p)
{
	uint8_t head[HEAD] = {[0] = 1,
			      [2] = 0x40,
			      [8] = (uint8_t)p->at,
			      [19] = p->opcode,
			      [24] = (uint8_t)(p->at * (LOAD_PLACE_BYTES / 512)),
			      [27] = LOAD_PLACE_BYTES / 512};
	uint32_t out_len = HEAD, in_len = RESP;

	if (!p->again) {
		p->opcode = head[19] = opcode_choose(l);
		p->written += p->opcode == WRITE;
	}
	memcpy(p->out.va, head, sizeof(head));
	if (p->opcode == WRITE)
		load_disk_put((char *)p->out.va + HEAD, load_disk_word(p->at, p->written));
	out_len += p->opcode == WRITE ? LOAD_PLACE_BYTES : 0;
	in_len += p->opcode == READ ? LOAD_PLACE_BYTES : 0;
	/* What the device writes to is left alone: in a migration the driver's writes there would not be in the log. */
	if (!load_add(l, REQUESTQ, &p->out, out_len, &p->in, in_len, 2, p)) {
		p->written -= p->opcode == WRITE && !p->again;
		return;
	}
	p->again = false;
	p->in_flight = true;
	l->submitted++;
}

/* What is to be sent again is, also at the end: until then the place is not done. */
static void scsi_submit(struct load *l)
{
	struct place *p = l->priv;

	for (unsigned int i = 0; i < LOAD_PLACES; i++) {
		if (!p[i].in_flight && (p[i].again || (!l->draining && random_next(&l->random) % 4)))
			place_use(l, &p[i]);
	}
}

static bool scsi_over(const struct load *l)
{
	const struct place *p = l->priv;
	bool again = false;

	for (unsigned int i = 0; i < LOAD_PLACES; i++)
		again |= p[i].again;
	return !again;
}

static void scsi_reap(struct load *l, unsigned int q, void *token, uint32_t used)
{
	struct place *p = token;
	const uint8_t *in = p->in.va;
	bool attention = in[11] == 0 && in[10] == 2 && (in[14] & 15) == 6;
	uint32_t len = p->opcode == READ && !attention ? LOAD_PLACE_BYTES : 0;

	/* Too often for ck_assert, which writes each time. */
	if (!p->in_flight || used != RESP + len || in[11] != 0 || (in[10] != 0 && !attention))
		ck_abort_msg("used, in flight: %d, opcode 0x%02x, %u bytes, response %d, status %d", p->in_flight,
			     p->opcode, used, in[11], in[10]);
	if (len)
		load_disk_check(in + RESP, p->at, load_disk_word(p->at, p->written));
	p->in_flight = false;
	p->again = attention;
	l->completed++;
}

static void scsi_end(struct load *l)
{
	free(l->priv);
}

const struct load_kind load_scsi = {
	.name = "scsi",
	.device = "scsi",
	.args = {"--lun=0:path=%T/disk", "--share", "--num-queues=1", "--features=+ring_packed,+log_all,+pagefault"},
	.nqueues = 3,
	.prepare = load_disk_prepare,
	.begin = scsi_begin,
	.submit = scsi_submit,
	.reap = scsi_reap,
	.over = scsi_over,
	.end = scsi_end,
};
