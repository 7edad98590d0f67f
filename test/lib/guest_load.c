/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guest_load.c - a driver that keeps a device busy; see guest_load.h.  Devices that answer requests: rng, gpio, i2c.
 */
#include "test/lib/guest_load.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/random.h"
#include "test/lib/vdevd_process.h"

#define SLOTS	24u /* requests in flight */
#define OUT_MAX 16u
#define IN_MAX	64u
#define ANY	(-1)

/* A request. */
struct slot {
	struct frontend_buf out, in;
	bool in_flight;
	uint32_t in_len;
	uint32_t want;     /* the first bytes of the answer, */
	unsigned int wants; /* so many */
	int status;        /* its last byte; ANY: it has none, and may be shorter */
};

/* A GPIO line that is driven, and one wired to it whose interrupts are waited for. */
struct wire {
	uint8_t out, in;
	struct slot *arming;  /* the request that asks for its interrupts */
	bool armed;
	uint8_t level;
	struct frontend_buf line, status;
	bool in_flight;
	unsigned int edges, interrupts;
};

#define WIRES 2u

struct requests {
	struct slot slots[SLOTS];
	uint32_t told; /* what the device was told last */
	struct wire wires[WIRES];
};

const struct load_kind *const load_kinds[LOAD_KINDS] = {&load_rng, &load_gpio, &load_i2c, &load_vsock};

void load_alloc(struct load *l, bool in, size_t len, struct frontend_buf *buf)
{
	size_t pad = in && l->lasting ? random_next(&l->random) % 4096 : 0;

	ck_assert_int_eq(frontend_mem_alloc(frontend_mem(l->fe), in ? l->in_region : l->out_region, pad + len, 8, buf), 0);
	buf->va = (char *)buf->va + pad;
	buf->guest += pad;
	buf->user += pad;
	buf->len = len;
}

bool load_add(struct load *l, unsigned int q, const struct frontend_buf *out, uint32_t out_len, const struct frontend_buf *in,
	      uint32_t in_len, unsigned int pieces, void *token)
{
	struct driver_buf bufs[3];
	uint32_t first = pieces > 1 ? 1 + random_next(&l->random) % (in_len - 1) : in_len;
	unsigned int n = 0;

	if (out_len)
		bufs[n++] = (struct driver_buf){out->guest, out_len, false};
	if (in_len)
		bufs[n++] = (struct driver_buf){in->guest, first, true};
	if (in_len > first)
		bufs[n++] = (struct driver_buf){in->guest + first, in_len - first, true};
	return driver_ring_add(frontend_ring(l->fe, q), bufs, n, NULL, token) == 0;
}

void load_begin(struct load *l, const struct load_kind *kind, struct frontend *fe, const char *dir, int out_region, int in_region,
		bool lasting)
{
	*l = (struct load){.kind = kind, .fe = fe, .dir = dir, .out_region = out_region, .in_region = in_region,
			   .lasting = lasting};
	l->random = (uint32_t)getpid();
	kind->begin(l);
}

void load_end(struct load *l)
{
	if (l->kind)
		l->kind->end(l);
	l->kind = NULL;
}

void load_submit(struct load *l)
{
	l->kind->submit(l);
	for (unsigned int q = 0; q < l->kind->nqueues; q++) {
		if (driver_ring_publish(frontend_ring(l->fe, q)))
			ck_assert_int_eq(frontend_kick(l->fe, q), 0);
	}
}

void load_reap(struct load *l)
{
	for (unsigned int q = 0; q < l->kind->nqueues; q++) {
		struct driver_ring *ring = frontend_ring(l->fe, q);
		struct driver_used used;
		int got;

		while ((got = driver_ring_take(ring, &used)) > 0)
			l->kind->reap(l, q, used.token, used.len);
		if (got)
			ck_abort_msg("queue %u: %s", q, driver_ring_error(ring));
	}
	if (l->kind->turn)
		l->kind->turn(l);
}

void load_taken_over(struct load *l)
{
	load_reap(l);
	if (l->kind->taken_over)
		l->kind->taken_over(l);
}

void load_drain(struct load *l)
{
	uint64_t deadline = process_now_us() + PROCESS_PATIENCE * 1000u;

	l->draining = true;
	while (l->completed != l->submitted || (l->kind->over && !l->kind->over(l))) {
		ck_assert_msg(process_now_us() < deadline, "%s: %u requests were lost", l->kind->name,
			      (unsigned int)(l->submitted - l->completed));
		for (unsigned int q = 0; q < l->kind->nqueues; q++)
			driver_ring_interrupts(frontend_ring(l->fe, q), true);
		usleep(100);
		load_reap(l);
		/* Of those who wait for something to come only. */
		if (l->kind->over)
			load_submit(l);
	}
	l->draining = false;
}

/* ---- requests */

static void requests_begin(struct load *l)
{
	struct requests *r = calloc(1, sizeof(*r));

	ck_assert_ptr_nonnull(r);
	for (unsigned int i = 0; i < SLOTS; i++) {
		load_alloc(l, false, OUT_MAX, &r->slots[i].out);
		load_alloc(l, true, IN_MAX, &r->slots[i].in);
	}
	l->priv = r;
}

static void requests_end(struct load *l)
{
	free(l->priv);
}

static void requests_reap(struct load *l, unsigned int q, void *token, uint32_t used)
{
	struct slot *s = token;
	const uint8_t *in = s->in.va;

	/* Too often for ck_assert, which writes each time. */
	if (!s->in_flight || !used || (s->status != ANY && (used != s->in_len || in[used - 1] != s->status)))
		ck_abort_msg("used, in flight: %d, %u bytes of %u, status %d", s->in_flight, used, s->in_len, in[s->in_len - 1]);
	if (l->lasting && memcmp(in, &s->want, s->wants) != 0)
		ck_abort_msg("the device says %02x %02x %02x %02x, and was told 0x%08x", in[0], in[1], in[2], in[3], s->want);
	s->in_flight = false;
	l->completed++;
}

/* A free slot, or NULL. */
static struct slot *slot_free(struct load *l)
{
	struct requests *r = l->priv;

	for (unsigned int i = 0; i < SLOTS; i++) {
		if (!r->slots[i].in_flight)
			return &r->slots[i];
	}
	return NULL;
}

static unsigned int slots_free(const struct load *l)
{
	const struct requests *r = l->priv;
	unsigned int n = 0;

	for (unsigned int i = 0; i < SLOTS; i++)
		n += !r->slots[i].in_flight;
	return n;
}

/* Sends a request of these bytes.  Returns its slot, or NULL where there is no room. */
static struct slot *send(struct load *l, const void *out, uint32_t out_len, uint32_t in_len, unsigned int pieces, int status)
{
	struct slot *s = slot_free(l);

	if (!s)
		return NULL;
	if (out_len)
		memcpy(s->out.va, out, out_len);
	if (!load_add(l, 0, &s->out, out_len, &s->in, in_len, pieces, s))
		return NULL;
	s->in_len = in_len;
	s->status = status;
	s->wants = 0;
	s->in_flight = true;
	l->submitted++;
	return s;
}

static void rng_submit(struct load *l)
{
	while (random_next(&l->random) % 8 && send(l, NULL, 0, IN_MAX, 2, ANY))
		;
}

const struct load_kind load_rng = {
	.name = "rng",
	.device = "rng",
	.args = {"--max-bytes=1000", "--period=1", "--features=+ring_packed,+log_all,+pagefault"},
	.nqueues = 1,
	.begin = requests_begin,
	.submit = rng_submit,
	.reap = requests_reap,
	.end = requests_end,
};

/* VIRTIO 1.4, section 5.15: type, line, value. */
enum {
	GPIO_SET_DIRECTION = 3,
	GPIO_GET_VALUE = 4,
	GPIO_SET_VALUE = 5,
	GPIO_SET_IRQ_TYPE = 6,
};

#define GPIO_EVENTQ 1
#define GPIO_RISING 1

/* Edges that may be ahead of the interrupts that tell of them. */
#define EDGES_AHEAD 64

static struct slot *gpio_send(struct load *l, uint8_t type, uint8_t line, uint8_t value)
{
	const uint8_t out[8] = {type, 0, line, 0, value};
	struct slot *s = send(l, out, sizeof(out), 2, 1, ANY);

	ck_assert_ptr_nonnull(s);
	return s;
}

static void gpio_begin(struct load *l)
{
	struct requests *r;

	requests_begin(l);
	r = l->priv;
	for (unsigned int i = 0; i < WIRES; i++) {
		struct wire *w = &r->wires[i];

		w->out = (uint8_t)(2 * i);
		w->in = (uint8_t)(2 * i + 1);
		load_alloc(l, false, 2, &w->line);
		load_alloc(l, true, 1, &w->status);
		memcpy(w->line.va, &w->in, 1);
	}
}

static void gpio_reap(struct load *l, unsigned int q, void *token, uint32_t used)
{
	struct requests *r = l->priv;

	for (unsigned int i = 0; i < WIRES; i++) {
		struct wire *w = &r->wires[i];

		w->armed |= w->arming == token && q == 0;
		if (q != GPIO_EVENTQ || w != token)
			continue;
		if (!w->in_flight || used != 1 || *(uint8_t *)w->status.va != 1 || w->interrupts == w->edges)
			ck_abort_msg("an interrupt of %u bytes, status %u, after %u of %u edges", used,
				     *(uint8_t *)w->status.va, w->interrupts, w->edges);
		w->in_flight = false;
		w->interrupts++;
	}
	if (q == 0)
		requests_reap(l, q, token, used);
}

/* Whether the wire has an interrupt in a device that remembers. */
static bool wire_used(const struct load *l, const struct requests *r, const struct wire *w)
{
	/* The second is overtaken by the first. */
	return l->lasting && (l->recorded || w == r->wires);
}

static void wire_set(struct load *l, struct wire *w, bool high)
{
	if (wire_used(l, l->priv, w) && high && !w->level) {
		high = w->armed && w->edges - w->interrupts < EDGES_AHEAD;
		w->edges += high;
	}
	w->level = high;
	gpio_send(l, GPIO_SET_VALUE, w->out, high);
}

/* Every edge is told of once, in a buffer of the line's. */
static bool gpio_over(const struct load *l)
{
	const struct requests *r = l->priv;

	for (unsigned int i = 0; i < WIRES; i++) {
		if (r->wires[i].edges != r->wires[i].interrupts)
			return false;
	}
	return true;
}

static void gpio_submit(struct load *l)
{
	struct requests *r = l->priv;
	struct slot *s;

	for (unsigned int i = 0; i < WIRES; i++) {
		struct wire *w = &r->wires[i];

		if (!w->arming) {
			w->arming = gpio_send(l, GPIO_SET_DIRECTION, w->out, 1);
			if (wire_used(l, r, w))
				w->arming = gpio_send(l, GPIO_SET_IRQ_TYPE, w->in, GPIO_RISING);
		}
		if (w->armed && !w->in_flight && wire_used(l, r, w))
			w->in_flight = load_add(l, GPIO_EVENTQ, &w->line, 2, &w->status, 1, 1, w);
	}
	while (!l->draining && random_next(&l->random) % 8 && slots_free(l) >= 3 &&
	       driver_ring_free_descs(frontend_ring(l->fe, 0)) >= 6) {
		if (random_next(&l->random) & 1)
			wire_set(l, &r->wires[0], random_next(&l->random) & 1);
		if (random_next(&l->random) % 64 == 0)
			wire_set(l, &r->wires[1], !r->wires[1].level);
		s = gpio_send(l, GPIO_GET_VALUE, r->wires[0].out, 0);
		s->want = (uint32_t)r->wires[0].level << 8; /* behind a status of 0 */
		s->wants = 2;
	}
}

const struct load_kind load_gpio = {
	.name = "gpio",
	.device = "gpio",
	.args = {"--backend=sim", "--sim-wire=0-1,2-3", "--features=+ring_packed,+log_all,+pagefault"},
	.features = BIT(0),
	.nqueues = 2,
	.begin = gpio_begin,
	.submit = gpio_submit,
	.reap = gpio_reap,
	.over = gpio_over,
	.end = requests_end,
};

/* VIRTIO 1.4, section 5.16: address, padding, flags, then the register and what is written. */
static struct slot *i2c_send(struct load *l, uint8_t flags, const uint32_t *value, unsigned int room)
{
	uint8_t out[13] = {0x20 << 1, 0, 0, 0, flags};

	if (value)
		memcpy(out + 9, value, sizeof(*value));
	return send(l, out, room ? 8 : value ? 13 : 9, room + 1, 1, 0);
}

#define I2C_FAIL_NEXT 1
#define I2C_READ      2

static void i2c_submit(struct load *l)
{
	struct requests *r = l->priv;
	struct slot *s;

	while (random_next(&l->random) % 8 && slots_free(l) >= 3 && driver_ring_free_descs(frontend_ring(l->fe, 0)) >= 6) {
		if (random_next(&l->random) & 1) {
			r->told++;
			ck_assert_ptr_nonnull(i2c_send(l, 0, &r->told, 0));
		}
		ck_assert_ptr_nonnull(i2c_send(l, I2C_FAIL_NEXT, NULL, 0));
		/* The rest of a group comes when it likes. */
		if (random_next(&l->random) % 16 == 0 && driver_ring_publish(frontend_ring(l->fe, 0)))
			ck_assert_int_eq(frontend_kick(l->fe, 0), 0);
		s = i2c_send(l, I2C_READ, NULL, sizeof(r->told));
		ck_assert_ptr_nonnull(s);
		s->want = r->told;
		s->wants = sizeof(r->told);
	}
}

const struct load_kind load_i2c = {
	.name = "i2c",
	.device = "i2c",
	.args = {"--sim=regs@0x20:16", "--features=+ring_packed,+log_all,+pagefault"},
	.features = BIT(0),
	.nqueues = 1,
	.begin = requests_begin,
	.submit = i2c_submit,
	.reap = requests_reap,
	.end = requests_end,
};
