/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_gpio.c - keeps a GPIO device busy, whose lines are wired so that outputs make interrupts: test/lib/guest_load.h.
 */
#include <check.h>
#include <string.h>

#include "test/lib/guest_load.h"
#include "test/lib/random.h"

/* A GPIO line that is driven, and one wired to it whose interrupts are waited for. */
struct wire {
	uint8_t out, in;
	struct load_slot *arming;  /* the request that asks for its interrupts */
	bool armed;
	uint8_t level;
	struct frontend_buf line, status;
	bool in_flight;
	unsigned int edges, interrupts;
};

#define WIRES 2u

struct gpio_load {
	struct load_requests requests;
	struct wire wires[WIRES];
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

static struct load_slot *gpio_send(struct load *l, uint8_t type, uint8_t line, uint8_t value)
{
	const uint8_t out[8] = {type, 0, line, 0, value};
	struct load_slot *s = load_request(l, out, sizeof(out), 2, 1, LOAD_ANY);

	ck_assert_ptr_nonnull(s);
	return s;
}

static void gpio_begin(struct load *l)
{
	struct gpio_load *r;

	load_requests_begin(l);
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
	struct gpio_load *r = l->priv;

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
		load_requests_reap(l, q, token, used);
}

/* Whether the wire has an interrupt in a device that remembers. */
static bool wire_used(const struct load *l, const struct gpio_load *r, const struct wire *w)
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
	const struct gpio_load *r = l->priv;

	for (unsigned int i = 0; i < WIRES; i++) {
		if (r->wires[i].edges != r->wires[i].interrupts)
			return false;
	}
	return true;
}

static void gpio_submit(struct load *l)
{
	struct gpio_load *r = l->priv;
	struct load_slot *s;

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
	while (!l->draining && random_next(&l->random) % 8 && load_slots_free(l) >= 3 &&
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
	.size = sizeof(struct gpio_load),
	.name = "gpio",
	.device = "gpio",
	.args = {"--backend=sim", "--sim-wire=0-1,2-3", "--features=+ring_packed,+log_all,+pagefault"},
	.features = BIT(0),
	.nqueues = 2,
	.remembers = true,
	.begin = gpio_begin,
	.submit = gpio_submit,
	.reap = gpio_reap,
	.over = gpio_over,
	.end = load_requests_end,
};
