/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_sound.c - keeps a sound device busy: questions, and a stream that plays: test/lib/guest_load.h.
 */
#include <check.h>
#include <string.h>

#include "test/lib/guest_load.h"
#include "test/lib/random.h"

#define SOUND_TXQ 2

/* VIRTIO 1.4, section 5.14. */
enum { PCM_INFO = 0x100, SET_PARAMS, PREPARE, START = 0x104 };
enum { S_OK = 0x8000, S_BAD_MSG, S_IO_ERR = 0x8003 };

#define FRAMES	 64u /* bytes of a message; the stream's buffer and period */
#define MESSAGES 12u

struct part {
	struct frontend_buf out, in;
	bool in_flight;
};

struct sound_load {
	struct load_requests requests;
	struct part asks[3]; /* what makes the stream play, in their order */
	struct part messages[MESSAGES];
	bool asked, plays;
	unsigned int played; /* messages */
};

static void words_put(void *at, const uint32_t *w, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const le32 wire = htole32(w[i]);

		memcpy((char *)at + (size_t)4 * i, &wire, sizeof(wire));
	}
}

static uint32_t status_of(const struct part *p)
{
	le32 wire;

	memcpy(&wire, p->in.va, sizeof(wire));
	return le32toh(wire);
}

/* S16, two channels, 48 kHz. */
static const uint32_t asks[3][6] = {{SET_PARAMS, 0, FRAMES, FRAMES, 0, 2 | 5 << 8 | 7 << 16}, {PREPARE, 0}, {START, 0}};
static const unsigned int ask_bytes[3] = {24, 8, 8};

static void sound_begin(struct load *l)
{
	struct sound_load *r;

	load_requests_begin(l);
	r = l->priv;
	for (unsigned int i = 0; i < 3; i++) {
		load_alloc(l, false, ask_bytes[i], &r->asks[i].out);
		load_alloc(l, true, 4, &r->asks[i].in);
		words_put(r->asks[i].out.va, asks[i], ask_bytes[i] / 4);
	}
	for (unsigned int i = 0; i < MESSAGES; i++) {
		load_alloc(l, false, 4 + FRAMES, &r->messages[i].out);
		load_alloc(l, true, 8, &r->messages[i].in);
		memset(r->messages[i].out.va, 0, 4 + FRAMES);
	}
}

static void part_send(struct load *l, unsigned int q, struct part *p, uint32_t out_len, uint32_t in_len)
{
	p->in_flight = load_add(l, q, &p->out, out_len, &p->in, in_len, 1, p);
	l->submitted += p->in_flight;
}

/* All three at once, when none of the last time is under way. */
static void stream_begin(struct load *l, struct sound_load *r)
{
	bool free = driver_ring_free_descs(frontend_ring(l->fe, 0)) >= 6;

	for (unsigned int i = 0; i < 3; i++)
		free &= !r->asks[i].in_flight;
	if (!free)
		return;
	for (unsigned int i = 0; i < 3; i++)
		part_send(l, 0, &r->asks[i], ask_bytes[i], 4);
	r->asked = true;
}

static void sound_submit(struct load *l)
{
	static const uint32_t info[4] = {PCM_INFO, 0, 1, 32};
	struct sound_load *r = l->priv;
	uint8_t out[16];

	if (!r->asked)
		stream_begin(l, r);
	words_put(out, info, 4);
	while (random_next(&l->random) % 8) {
		/* The answer ends with padding, which is 0. */
		struct load_slot *s = load_request(l, out, sizeof(out), 36, 2, 0);
		const le32 ok = htole32(S_OK);

		if (!s)
			break;
		memcpy(&s->want, &ok, sizeof(ok));
		s->wants = sizeof(ok);
	}
	for (unsigned int i = 0; i < MESSAGES && r->plays; i++) {
		if (!r->messages[i].in_flight && random_next(&l->random) % 4)
			part_send(l, SOUND_TXQ, &r->messages[i], 4 + FRAMES, 8);
	}
}

static bool is_among(const struct part *parts, unsigned int n, const void *token)
{
	for (unsigned int i = 0; i < n; i++) {
		if (&parts[i] == token)
			return true;
	}
	return false;
}

/* A device that remembers goes on to play; one that was killed says that it does not, until it is asked again. */
static void sound_reap(struct load *l, unsigned int q, void *token, uint32_t used)
{
	struct sound_load *r = l->priv;
	struct part *p = token;
	uint32_t status;

	if (!is_among(r->asks, 3, token) && !is_among(r->messages, MESSAGES, token)) {
		load_requests_reap(l, q, token, used);
		return;
	}
	status = status_of(p);
	if (!p->in_flight || used != (q ? 8 : 4) || status < S_OK || status > S_IO_ERR ||
	    (l->lasting && status != S_OK))
		ck_abort_msg("queue %u: used, in flight: %d, %u bytes, status %#x", q, p->in_flight, used, status);
	p->in_flight = false;
	l->completed++;
	r->plays |= p == &r->asks[2];
	r->played += q && status == S_OK;
}

static void sound_taken_over(struct load *l)
{
	struct sound_load *r = l->priv;

	r->asked = l->lasting;
}

static void sound_end(struct load *l)
{
	const struct sound_load *r = l->priv;

	/* Where a busy machine let each life be too short for a stream, little else was done, either. */
	ck_assert(r->played > 0 || l->completed < 1000);
	load_requests_end(l);
}

const struct load_kind load_sound = {
	.name = "sound",
	.device = "sound",
	.args = {"--backend=null", "--pace=free", "--features=+ring_packed,+log_all,+pagefault"},
	.nqueues = 3,
	.size = sizeof(struct sound_load),
	.begin = sound_begin,
	.submit = sound_submit,
	.reap = sound_reap,
	.taken_over = sound_taken_over,
	.end = sound_end,
};
