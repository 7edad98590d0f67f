/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio.c - GPIO device: VIRTIO 1.4, section 5.18.
 *
 * A line is taken from the host when the guest activates it (a direction, an interrupt type) and given back when it
 * is deactivated.  A line with an interrupt has a descriptor in the loop: no thread, nothing runs while nothing
 * happens.
 *
 * Interrupts.  A buffer in the eventq unmasks a line's interrupt, returning it masks it.
 *   Edges that come while the line is masked are latched, and counted: each is told with a buffer of its own, in order,
 *   until the type becomes NONE.  At GPIO_LATCH_MAX the host's queue keeps the rest: a wild signal costs nothing then.
 *   A driver of both edges reads the line to learn which one it was told.  If more came meanwhile, that read, the first
 *   after the interrupt, is answered with the value that edge left: so order is kept however late the guest is.
 *   A level is not latched.  Hosts have edges only, so it is looked at when the line is unmasked, and after that the
 *   edge that makes it active is awaited.
 *   A type that the host refused (the line is in use) is remembered: Linux does not look at that answer, and would
 *   queue a buffer returned as INVALID again at once, for ever.  It is held until the next type.
 *
 * A chip that has gone is looked for when the host says that it may be back; the lines then are made what the guest
 * made them.  Meanwhile requests get ERR and interrupts wait.
 *
 * What the guest has made of the lines is kept outside the process, where the front-end or a relay keeps the record of
 * what is in flight (vdev.memory): a vdevd that is started in the place of one that was killed has each line as it was.
 * It is written after a request is done and before it is answered, and after an interrupt is told.  So a request may be
 * done twice, and an edge be told of twice.
 *
 * Nothing is allocated here while requests are served; libgpiod allocates the few bytes of a line it requests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "core/device.h"
#include "core/loop.h"
#include "core/policy.h"
#include "devices/gpio/gpio_host.h"
#include "devices/gpio/gpio_lines.h"
#include "devices/lib/rate_gate.h"
#include "transport/chain.h"

#define GPIO_REQUESTQ 0
#define GPIO_EVENTQ   1

#define GPIO_F_IRQ 0

/* Edges of a masked line that are remembered here. */
#define GPIO_LATCH_MAX 1024

/* Edges taken from the host at once. */
#define GPIO_EDGES_MAX 64

/* How often old edges are looked for: more than any host keeps for a line. */
#define GPIO_DRAIN_TURNS 32

enum {
	GPIO_MSG_GET_LINE_NAMES = 1,
	GPIO_MSG_GET_DIRECTION,
	GPIO_MSG_SET_DIRECTION,
	GPIO_MSG_GET_VALUE,
	GPIO_MSG_SET_VALUE,
	GPIO_MSG_SET_IRQ_TYPE,
};

enum {
	GPIO_STATUS_OK,
	GPIO_STATUS_ERR,
};

enum {
	GPIO_DIRECTION_NONE,
	GPIO_DIRECTION_OUT,
	GPIO_DIRECTION_IN,
};

enum {
	GPIO_IRQ_TYPE_NONE = 0,
	GPIO_IRQ_TYPE_EDGE_BOTH = 3, /* one bit for each edge */
	GPIO_IRQ_TYPE_LEVEL_HIGH = 4,
	GPIO_IRQ_TYPE_LEVEL_LOW = 8,
};

enum {
	GPIO_IRQ_STATUS_INVALID,
	GPIO_IRQ_STATUS_VALID,
};

struct gpio_config {
	le16 ngpio;
	uint8_t padding[2];
	le32 gpio_names_size;
} __attribute__((packed));

struct gpio_request {
	le16 type;
	le16 gpio;
	le32 value;
} __attribute__((packed));

struct gpio_response {
	uint8_t status;
	uint8_t value;
};

/*
 * What the guest has made of a line: the record "line" of a state, one after the other, behind "lines", which says how
 * many there are; and one after the other in the device's memory.
 */
struct gpio_line_state {
	uint8_t direction, irq_type, value;
	uint8_t flags; /* LINE_... */
	le32 latched;
};

enum {
	LINE_TOLD = 1,
	LINE_IRQ_REFUSED = 2,
};

/* The words of --backend. */
enum {
	BACKEND_GPIOD,
	BACKEND_SIM,
};

struct gpio;

/* A chip while the device runs. */
struct chip {
	const char *spec;
	struct gpio_chip *host; /* NULL: it is away */
	char label[GPIO_NAME_SIZE];
	unsigned int nlines;
};

/* A line of the guest's. */
struct line {
	struct gpio *g;
	struct gpio_offer o;
	/* what the guest has made of it */
	uint8_t direction;
	uint8_t irq_type;
	bool value;		/* of an output, now or later */
	bool irq_refused;	/* the last interrupt type was answered with ERR */
	unsigned int latched;	/* edges not yet told */
	bool told;		/* of one of both edges, and has neither read the value nor unmasked since */
	struct chain *unmasked; /* the eventq's buffer */
	/* the host's side */
	bool held;	 /* it is ours */
	bool complained; /* since it last worked */
	struct ev_io edges;
};

struct gpio {
	struct vdev d;
	/* options */
	unsigned int backend;
	const char *device_list; /* NULL: none, or shared out */
	struct gpio_plan plan;
	struct rate_gate gate; /* --rate: of requests */
	uint64_t sim_lines;
	const char *sim_names, *sim_wire;
	char listed_chip[16]; /* of the device list */
	/* host */
	const struct gpio_host_ops *ops;
	struct gpio_host *host;
	struct chip chips[GPIO_MAX_CHIPS];
	struct ev_io returned;	/* a chip may be back */
	struct loop_again look; /* or may have been for long */
	/* lines */
	struct line *lines;
	unsigned int nlines, loaded;
	char *names; /* the gpio-names memory block */
	size_t names_size;
};

static struct gpio *to_gpio(struct vdev *d)
{
	return container_of(d, struct gpio, d);
}

static unsigned int line_number(const struct line *l)
{
	return (unsigned int)(l - l->g->lines);
}

static struct chip *line_chip(const struct line *l)
{
	return &l->g->chips[l->o.chip];
}

static bool irq_is_level(uint8_t type)
{
	return type & (GPIO_IRQ_TYPE_LEVEL_HIGH | GPIO_IRQ_TYPE_LEVEL_LOW);
}

static struct gpio_line_state line_state(const struct line *l)
{
	return (struct gpio_line_state){
		.direction = l->direction,
		.irq_type = l->irq_type,
		.value = l->value,
		.flags = (uint8_t)((l->told ? LINE_TOLD : 0) | (l->irq_refused ? LINE_IRQ_REFUSED : 0)),
		.latched = htole32((uint32_t)min_u64(l->latched, GPIO_LATCH_MAX)),
	};
}

/* The memory has what the guest has made of the line.  Each store leaves it in a state that could have been. */
static void line_remember(const struct line *l)
{
	const struct gpio_line_state state = line_state(l);
	uint32_t *kept = l->g->d.memory, words[2];

	_Static_assert(sizeof(words) == sizeof(state), "two stores");
	if (!kept)
		return;
	kept += 2 * (size_t)line_number(l);
	memcpy(words, &state, sizeof(words));
	__atomic_store_n(&kept[0], words[0], __ATOMIC_RELEASE);
	__atomic_store_n(&kept[1], words[1], __ATOMIC_RELEASE);
}

/*
 * The host's side of a line.
 */

/* Waits for edges while they matter: there is room to latch them, or a level's buffer. */
static void line_watch(struct line *l)
{
	bool wanted = l->held && l->irq_type &&
		      (irq_is_level(l->irq_type) ? l->unmasked != NULL : l->latched < GPIO_LATCH_MAX);

	if (wanted)
		ev_io_start(l->g->d.loop, &l->edges);
	else
		ev_io_stop(l->g->d.loop, &l->edges);
}

static void line_drop(struct line *l)
{
	ev_io_stop(l->g->d.loop, &l->edges);
	if (l->held)
		l->g->ops->line_release(line_chip(l)->host, l->o.offset);
	l->held = false;
}

/* The chip has gone: its lines are nobody's until it is back. */
static void chip_lost(struct gpio *g, struct chip *c)
{
	int fd;

	for (unsigned int i = 0; i < g->nlines; i++) {
		if (line_chip(&g->lines[i]) == c)
			line_drop(&g->lines[i]);
	}
	g->ops->chip_close(c->host);
	c->host = NULL;
	log_guest(&g->d.log, "chip %s is gone; its lines fail until it is back", c->label);
	fd = g->ops->wait_begin(g->host, c->spec);
	if (fd < 0) {
		log_guest(&g->d.log, "chip %s: cannot wait for it: %s", c->label, strerror(-fd));
	} else if (!ev_is_active(&g->returned)) {
		ev_io_set(&g->returned, fd, EV_READ);
		ev_io_start(g->d.loop, &g->returned);
	}
	/* We may hear late of it, after it came back. */
	loop_again_start(&g->look, g->d.loop);
}

/* The host refused something, or the chip has gone: one line until the line works again.  Returns err. */
static int line_failed(struct line *l, const char *what, int err)
{
	struct chip *c = line_chip(l);

	if (err == -ENODEV && c->host)
		chip_lost(l->g, c);
	else if (!l->complained && c->host)
		log_guest(&l->g->d.log, "line %u (%s line %u%s%s): %s: %s", line_number(l), c->label, l->o.offset,
			  l->o.name[0] ? ", " : "", l->o.name, what,
			  err == -EBUSY ? "in use by somebody else" : strerror(-err));
	l->complained = true;
	/* Where nothing tells of its return, requests are the time to look. */
	if (!c->host && !ev_is_active(&l->g->returned))
		loop_again_start(&l->g->look, l->g->d.loop);
	return err;
}

/* Makes the host's line what the guest has made of it.  Returns 0 or -errno. */
static int line_apply(struct line *l)
{
	struct chip *c = line_chip(l);
	struct gpio_settings s = l->o.settings;
	int err = -ENODEV;

	ev_io_stop(l->g->d.loop, &l->edges);
	if (l->direction == GPIO_DIRECTION_NONE && l->irq_type == GPIO_IRQ_TYPE_NONE) {
		line_drop(l);
		return 0;
	}
	s.output = l->direction == GPIO_DIRECTION_OUT;
	s.value = l->value;
	s.edges = l->irq_type & GPIO_IRQ_TYPE_EDGE_BOTH;
	if (irq_is_level(l->irq_type))
		s.edges = l->irq_type == GPIO_IRQ_TYPE_LEVEL_HIGH ? GPIO_EDGE_RISING : GPIO_EDGE_FALLING;
	if (c->host) {
		/* Whatever comes of it, it has to be released. */
		l->held = true;
		err = l->g->ops->line_request(c->host, l->o.offset, &s);
	}
	if (err) {
		if (c->host)
			line_drop(l);
		return line_failed(l, "cannot be had", err);
	}
	l->complained = false;
	if (s.edges)
		ev_io_set(&l->edges, l->g->ops->line_fd(c->host, l->o.offset), EV_READ);
	line_watch(l);
	return 0;
}

/* Has the line as the guest made it, though it may have been lost meanwhile.  Returns 0 or -errno. */
static int line_hold(struct line *l)
{
	if (l->held)
		return 0;
	if (l->direction == GPIO_DIRECTION_NONE && l->irq_type == GPIO_IRQ_TYPE_NONE)
		return -EINVAL;
	return line_apply(l);
}

/* Changes what the guest has made of a line, or nothing at all.  Returns 0 or -errno. */
static int line_change(struct line *l, uint8_t direction, uint8_t irq_type)
{
	uint8_t old_direction = l->direction, old_type = l->irq_type;
	int err;

	l->direction = direction;
	l->irq_type = irq_type;
	err = line_apply(l);
	if (!err)
		return 0;
	l->direction = old_direction;
	l->irq_type = old_type;
	line_apply(l);
	return err;
}

/* Takes what edges there are, at most max.  Returns their number, or -errno: the line is lost. */
static int line_edges(struct line *l, unsigned int max)
{
	int n = l->g->ops->line_edges(line_chip(l)->host, l->o.offset, max);

	if (n >= 0)
		return n;
	line_failed(l, "edges", n);
	line_drop(l);
	return n;
}

/* Takes all edges there are, as far as they have an end, and latches them when they count.  Returns as line_edges. */
static int line_drain(struct line *l, bool count)
{
	int all = 0, n = 1;

	for (unsigned int i = 0; i < GPIO_DRAIN_TURNS && n > 0; i++) {
		n = line_edges(l, GPIO_EDGES_MAX);
		all += n;
		l->latched += count && n > 0 ? (unsigned int)n : 0;
	}
	return n < 0 ? n : all;
}

/* The line's value, 0 or 1, or -errno: then the line may be lost. */
static int line_get(struct line *l)
{
	int value = l->g->ops->line_get(line_chip(l)->host, l->o.offset);

	return value < 0 ? line_failed(l, "value", value) : value;
}

/*
 * Interrupts.
 */

/* Returns the eventq's buffer, which masks the interrupt. */
static void irq_return(struct line *l, uint8_t status)
{
	struct chain *c = l->unmasked;

	if (!c)
		return;
	l->unmasked = NULL;
	chain_put(c, &status, sizeof(status));
	virtq_push(c);
}

/* Tells the guest of a latched edge when it can be told. */
static void irq_deliver(struct line *l)
{
	if (l->unmasked && l->latched) {
		l->latched--;
		l->told = l->irq_type == GPIO_IRQ_TYPE_EDGE_BOTH;
		irq_return(l, GPIO_IRQ_STATUS_VALID);
	}
	line_remember(l);
	line_watch(l);
}

/*
 * A level interrupt is unmasked, or there may be something new about its line: it is told when the line is active.  An
 * edge says only that it is time to look; it may be an old one.
 */
static void irq_look(struct line *l)
{
	int value;

	if (!l->unmasked || !l->held)
		return;
	value = line_drain(l, false);
	if (value >= 0)
		value = line_get(l);
	if (value == (l->irq_type == GPIO_IRQ_TYPE_LEVEL_HIGH))
		irq_return(l, GPIO_IRQ_STATUS_VALID);
	line_watch(l);
}

/* The interrupt goes on after a change on either side of it. */
static void irq_resume(struct line *l)
{
	if (irq_is_level(l->irq_type))
		irq_look(l);
	else
		irq_deliver(l);
}

static void edges_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct line *l = container_of(w, struct line, edges);

	int n = irq_is_level(l->irq_type) ? 0 : line_edges(l, GPIO_EDGES_MAX);

	l->latched += n > 0 ? (unsigned int)n : 0;
	irq_resume(l);
}

/* The interrupt is disabled. */
static void irq_off(struct line *l)
{
	l->irq_type = GPIO_IRQ_TYPE_NONE;
	l->irq_refused = l->told = false;
	l->latched = 0;
	irq_return(l, GPIO_IRQ_STATUS_INVALID);
}

/* The chip is back with all it had: its lines become what they were. */
static void chip_returned(struct gpio *g, struct chip *c)
{
	log_guest_info(&g->d.log, "chip %s is back", c->label);
	for (unsigned int i = 0; i < g->nlines && c->host; i++) {
		struct line *l = &g->lines[i];

		if (line_chip(l) == c && line_apply(l) == 0)
			irq_resume(l);
	}
}

/* Looks for chips that are away. */
static void chips_look(struct gpio *g)
{
	bool away = false;

	for (unsigned int i = 0; i < g->plan.nchips; i++) {
		struct chip *c = &g->chips[i];

		if (!c->host && g->ops->chip_open(g->host, c->spec, c->label, &c->host) == 0) {
			if (g->ops->chip_lines(c->host) == c->nlines) {
				chip_returned(g, c);
			} else {
				g->ops->chip_close(c->host);
				c->host = NULL;
			}
		}
		away |= !c->host;
	}
	if (away || !ev_is_active(&g->returned))
		return;
	ev_io_stop(g->d.loop, &g->returned);
	g->ops->wait_end(g->host);
}

static void returned_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct gpio *g = container_of(w, struct gpio, returned);

	g->ops->wait_drain(g->host);
	chips_look(g);
}

static void look_run(struct loop_again *again)
{
	chips_look(container_of(again, struct gpio, look));
}

/*
 * Requests about one line: each returns 0 or -errno, and may set the answer's value.
 */

static int get_direction(struct line *l, uint32_t arg, uint8_t *value)
{
	*value = l->direction;
	return 0;
}

static int set_direction(struct line *l, uint32_t arg, uint8_t *value)
{
	if (arg == GPIO_DIRECTION_NONE) {
		irq_off(l);
		l->direction = GPIO_DIRECTION_NONE;
		l->value = false;
		return line_apply(l);
	}
	if (arg == GPIO_DIRECTION_OUT) {
		/* "MUST NOT send IRQ messages for a GPIO line configured for output" */
		if (l->o.input_only || l->irq_type)
			return -EPERM;
	} else if (arg != GPIO_DIRECTION_IN) {
		return -EINVAL;
	} else if (l->o.output_only) {
		return -EPERM;
	}
	if (l->held && l->direction == arg)
		return 0;
	return line_change(l, (uint8_t)arg, l->irq_type);
}

/*
 * The value as the edge left it that the guest was told of last: the present one, turned round by each edge since.
 * Edges that come while it is read are read for once more.
 */
static int value_told(struct line *l)
{
	unsigned int turns = GPIO_DRAIN_TURNS;
	int late = line_drain(l, true), value;

	l->told = false;
	do {
		value = late < 0 ? late : line_get(l);
		if (value < 0)
			return value;
		late = line_drain(l, true);
	} while (late && --turns);
	return value ^ (int)(l->latched & 1);
}

static int get_value(struct line *l, uint32_t arg, uint8_t *value)
{
	int ret = line_hold(l);

	if (ret < 0)
		return ret;
	ret = l->told ? value_told(l) : line_get(l);
	if (ret < 0)
		return ret;
	*value = (uint8_t)ret;
	return 0;
}

/* "The line may already be configured for output or may get configured to output later." */
static int set_value(struct line *l, uint32_t arg, uint8_t *value)
{
	int err;

	if (arg > 1)
		return -EINVAL;
	if (l->o.input_only)
		return -EPERM;
	if (l->direction == GPIO_DIRECTION_OUT) {
		err = line_hold(l);
		if (!err)
			err = l->g->ops->line_set(line_chip(l)->host, l->o.offset, arg);
		if (err)
			return line_failed(l, "value", err);
	}
	l->value = arg;
	return 0;
}

static int set_irq_type(struct line *l, uint32_t arg, uint8_t *value)
{
	int err;

	if (!(l->g->d.features & BIT(GPIO_F_IRQ)))
		return -EPERM;
	if (arg == GPIO_IRQ_TYPE_NONE) {
		irq_off(l);
		line_apply(l);
		return 0;
	}
	if (arg > GPIO_IRQ_TYPE_EDGE_BOTH && arg != GPIO_IRQ_TYPE_LEVEL_HIGH && arg != GPIO_IRQ_TYPE_LEVEL_LOW)
		return -EINVAL;
	if (l->held && l->irq_type == arg)
		return 0;
	/* Linux changes the type of an enabled interrupt without disabling it first: its buffer stays. */
	if (l->direction == GPIO_DIRECTION_OUT || l->o.output_only)
		err = -EPERM;
	else
		err = line_change(l, l->direction, (uint8_t)arg);
	l->irq_refused = err;
	if (err)
		return err;
	/* The host keeps edges that nobody took. */
	line_drain(l, false);
	l->latched = 0;
	l->told = false;
	irq_resume(l);
	return 0;
}

static int (*const line_requests[])(struct line *l, uint32_t arg, uint8_t *value) = {
	[GPIO_MSG_GET_DIRECTION] = get_direction, [GPIO_MSG_SET_DIRECTION] = set_direction,
	[GPIO_MSG_GET_VALUE] = get_value,	  [GPIO_MSG_SET_VALUE] = set_value,
	[GPIO_MSG_SET_IRQ_TYPE] = set_irq_type,
};

/*
 * The queues.
 */

/* GET_LINE_NAMES.  Returns false when it cannot be answered. */
static bool names_serve(struct gpio *g, struct chain *c)
{
	uint8_t status = GPIO_STATUS_OK;

	if (!g->names_size || chain_writable(c) <= g->names_size)
		return false;
	chain_put(c, &status, sizeof(status));
	chain_put(c, g->names, g->names_size);
	return true;
}

static void request_serve(struct gpio *g, struct chain *c)
{
	struct gpio_response res = {.status = GPIO_STATUS_ERR};
	struct gpio_request req;
	unsigned int type, gpio;

	if (chain_readable(c) != sizeof(req) || chain_writable(c) < sizeof(res)) {
		log_guest(&g->d.log, "request of %zu bytes with room for %zu", chain_readable(c), chain_writable(c));
		goto answer;
	}
	chain_get(c, &req, sizeof(req));
	type = le16toh(req.type);
	gpio = le16toh(req.gpio);
	if (type == GPIO_MSG_GET_LINE_NAMES) {
		if (names_serve(g, c))
			return;
		log_guest(&g->d.log, "names asked for with room for %zu bytes", chain_writable(c));
	} else if (type >= ARRAY_SIZE(line_requests) || !line_requests[type]) {
		log_guest(&g->d.log, "request of unknown type %u", type);
	} else if (gpio >= g->nlines) {
		log_guest(&g->d.log, "request %u for line %u of %u", type, gpio, g->nlines);
	} else {
		if (line_requests[type](&g->lines[gpio], le32toh(req.value), &res.value) == 0)
			res.status = GPIO_STATUS_OK;
		line_remember(&g->lines[gpio]);
	}
answer:
	chain_put(c, &res, min_size(sizeof(res), chain_writable(c)));
}

/* A buffer of the eventq unmasks the interrupt of a line, or is returned. */
static void event_serve(struct gpio *g, struct chain *c)
{
	uint8_t status = GPIO_IRQ_STATUS_INVALID;
	struct line *l = NULL;
	le16 gpio;

	if (chain_readable(c) != sizeof(gpio) || chain_writable(c) < sizeof(status)) {
		log_guest(&g->d.log, "event buffer of %zu bytes with room for %zu", chain_readable(c),
			  chain_writable(c));
	} else {
		chain_get(c, &gpio, sizeof(gpio));
		if (le16toh(gpio) < g->nlines)
			l = &g->lines[le16toh(gpio)];
		else
			log_guest(&g->d.log, "event buffer for line %u of %u", le16toh(gpio), g->nlines);
	}
	if (l && !l->unmasked && (l->irq_type || l->irq_refused)) {
		l->unmasked = c;
		l->told = false;
		irq_resume(l);
		return;
	}
	chain_put(c, &status, min_size(sizeof(status), chain_writable(c)));
	virtq_push(c);
}

static void gpio_kick(struct vdev *d, unsigned int q)
{
	struct gpio *g = to_gpio(d);
	struct chain *c;

	while (q == GPIO_EVENTQ && (c = virtq_pop(vdev_queue(d, q))))
		event_serve(g, c);
	while (q == GPIO_REQUESTQ && rate_gate_open(&g->gate) && (c = virtq_pop(vdev_queue(d, q)))) {
		rate_gate_pass(&g->gate);
		request_serve(g, c);
		virtq_push(c);
	}
}

static void gpio_quiesce(struct vdev *d, unsigned int q)
{
	struct gpio *g = to_gpio(d);

	if (q == GPIO_REQUESTQ)
		rate_gate_stop(&g->gate);
	for (unsigned int i = 0; q == GPIO_EVENTQ && i < g->nlines; i++) {
		struct line *l = &g->lines[i];

		if (!l->unmasked)
			continue;
		virtq_requeue(l->unmasked);
		l->unmasked = NULL;
		line_watch(l);
	}
}

static void gpio_reset(struct vdev *d)
{
	struct gpio *g = to_gpio(d);
	uint8_t none;

	for (unsigned int i = 0; i < g->nlines; i++) {
		set_direction(&g->lines[i], GPIO_DIRECTION_NONE, &none);
		line_remember(&g->lines[i]);
	}
	g->loaded = 0;
}

static void gpio_save(struct vdev *d, struct state *s)
{
	struct gpio *g = to_gpio(d);
	const le16 n = htole16((uint16_t)g->nlines);

	state_put(s, "lines", &n, sizeof(n));
	for (unsigned int i = 0; i < g->nlines; i++) {
		struct line *l = &g->lines[i];

		/* Edges that the host has kept for us go along. */
		if (l->held && l->irq_type && !irq_is_level(l->irq_type))
			line_drain(l, true);
		line_remember(l);
		const struct gpio_line_state state = line_state(l);

		state_put(s, "line", &state, sizeof(state));
	}
}

/* Whether a guest could have made this of the line. */
static bool line_possible(const struct line *l, const struct gpio_line_state *s)
{
	if (s->direction > GPIO_DIRECTION_IN || s->value > 1 || s->flags > (LINE_TOLD | LINE_IRQ_REFUSED) ||
	    le32toh(s->latched) > GPIO_LATCH_MAX)
		return false;
	if (s->irq_type > GPIO_IRQ_TYPE_EDGE_BOTH && s->irq_type != GPIO_IRQ_TYPE_LEVEL_HIGH &&
	    s->irq_type != GPIO_IRQ_TYPE_LEVEL_LOW)
		return false;
	if (s->flags & LINE_TOLD && s->irq_type != GPIO_IRQ_TYPE_EDGE_BOTH)
		return false;
	if (s->direction == GPIO_DIRECTION_OUT)
		return !l->o.input_only && !s->irq_type;
	return !l->o.output_only || (s->direction == GPIO_DIRECTION_NONE && !s->irq_type);
}

/*
 * Makes of a line what a guest has made of it elsewhere.  A line of this host that cannot be had now fails when the
 * guest uses it, as one that is in use by somebody else.
 */
static void line_become(struct line *l, const struct gpio_line_state *s)
{
	l->direction = s->direction;
	l->irq_type = s->irq_type;
	l->value = s->value;
	line_apply(l);
	/* What lies before is of the other host, or time. */
	if (l->held && l->irq_type)
		line_drain(l, false);
	/* A process that was killed between two stores may have left those of an interrupt that was off already. */
	l->latched = l->irq_type & GPIO_IRQ_TYPE_EDGE_BOTH ? le32toh(s->latched) : 0;
	l->told = s->flags & LINE_TOLD;
	l->irq_refused = s->flags & LINE_IRQ_REFUSED;
	line_remember(l);
}

static int gpio_load(struct vdev *d, const struct state_record *r)
{
	struct gpio *g = to_gpio(d);
	struct gpio_line_state s;
	struct line *l;
	le16 n;

	if (strcmp(r->name, "lines") == 0 && r->len == sizeof(n)) {
		memcpy(&n, r->bytes, sizeof(n));
		if (le16toh(n) == g->nlines)
			return 0;
		log_guest(&d->log, "the state is of %u lines, and here are %u: the same --lines are wanted", le16toh(n), g->nlines);
		return -EINVAL;
	}
	if (strcmp(r->name, "line") != 0 || r->len != sizeof(s) || g->loaded == g->nlines)
		return -EINVAL;
	memcpy(&s, r->bytes, sizeof(s));
	l = &g->lines[g->loaded++];
	if (!line_possible(l, &s))
		return -EINVAL;
	line_become(l, &s);
	return 0;
}

static void gpio_recall(struct vdev *d, const void *old)
{
	const struct gpio_line_state *states = old;
	struct gpio *g = to_gpio(d);

	for (unsigned int i = 0; i < g->nlines; i++) {
		struct line *l = &g->lines[i];

		if (states && line_possible(l, &states[i]))
			line_become(l, &states[i]);
		else
			line_remember(l);
	}
}

static void gpio_config(struct vdev *d, void *buf)
{
	struct gpio *g = to_gpio(d);
	struct gpio_config config = {
		.ngpio = htole16((uint16_t)g->nlines),
		.gpio_names_size = htole32((uint32_t)g->names_size),
	};

	memcpy(buf, &config, sizeof(config));
}

/*
 * Start and end.
 */

/* Opens the chips of the plan. */
static int chips_open(struct gpio *g)
{
	struct log *log = &g->d.log;

	for (unsigned int i = 0; i < g->plan.nchips; i++) {
		struct chip *c = &g->chips[i];
		int err;

		c->spec = g->plan.chips[i];
		err = g->ops->chip_open(g->host, c->spec, NULL, &c->host);
		if (err) {
			char chips[GPIO_TOLD_SIZE] = "is one";

			if (g->ops->chips_tell)
				g->ops->chips_tell(chips, sizeof(chips));
			log_error(log, "--chip=%s: %s (a GPIO chip's path, number, name or label is wanted; there %s)",
				  c->spec, err == -ENODEV ? "no such chip" : strerror(-err), chips);
			return err;
		}
		snprintf(c->label, sizeof(c->label), "%s", g->ops->chip_label(c->host));
		c->nlines = g->ops->chip_lines(c->host);
	}
	return 0;
}

/* Makes the gpio-names memory block: nothing when no line has a name. */
static int names_make(struct gpio *g)
{
	size_t size = 0;
	bool any = false;
	char *at;

	for (unsigned int i = 0; i < g->nlines; i++) {
		size += strlen(g->lines[i].o.name) + 1;
		any |= g->lines[i].o.name[0] != '\0';
	}
	if (!any)
		return 0;
	at = g->names = malloc(size);
	if (!at)
		return -ENOMEM;
	g->names_size = size;
	for (unsigned int i = 0; i < g->nlines; i++)
		at = stpcpy(at, g->lines[i].o.name) + 1;
	return 0;
}

/* Makes the lines of the plan. */
static int lines_make(struct gpio *g)
{
	struct gpio_chip *chips[GPIO_MAX_CHIPS];
	struct gpio_offer *offers;
	unsigned int count;
	int err;

	for (unsigned int i = 0; i < g->plan.nchips; i++)
		chips[i] = g->chips[i].host;
	err = gpio_plan_offers(&g->plan, g->ops, chips, &g->d.log, &offers, &count);
	if (err)
		return err;
	g->lines = calloc(count, sizeof(*g->lines));
	for (unsigned int i = 0; g->lines && i < count; i++) {
		struct line *l = &g->lines[i];

		l->g = g;
		l->o = offers[i];
		ev_init(&l->edges, edges_ready);
	}
	g->nlines = g->lines ? count : 0;
	free(offers);
	return g->lines ? names_make(g) : -ENOMEM;
}

static struct gpio_host_args host_args(const struct gpio *g)
{
	return (struct gpio_host_args){
		.loop = g->d.loop,
		.log = (struct log *)&g->d.log,
		.sim_lines = (unsigned int)g->sim_lines,
		.sim_names = g->sim_names,
		.sim_wire = g->sim_wire,
		.control = g->d.control,
	};
}

static const struct gpio_host_ops *host_ops(const struct gpio *g)
{
	return g->backend == BACKEND_SIM ? &gpio_host_sim : &gpio_host_gpiod;
}

/* Whether an item of a device list has stood before. */
static bool listed_before(const char *list, const struct word *item)
{
	struct word other;

	while (word_next(&list, ':', &other) && other.text != item->text) {
		if (other.len == item->len && memcmp(other.text, item->text, item->len) == 0)
			return true;
	}
	return false;
}

/*
 * Copies item number `which` of "0:3:s8", chip numbers and simulated chips.  Returns how many items there are, 0 when
 * one is wrong or there twice.
 */
static unsigned int list_pick(const char *list, unsigned int which, char *out, size_t size)
{
	const char *rest = list;
	unsigned int n = 0;
	struct word w;

	for (; word_next(&rest, ':', &w); n++) {
		size_t skip = w.len && *w.text == 's';

		if (w.len == skip || w.len >= size || strspn(w.text + skip, "0123456789") < w.len - skip)
			return 0;
		if (!skip && listed_before(list, &w))
			return 0;
		if (n == which)
			word_copy(&w, out, size);
	}
	return n;
}

/* vhost-device-gpio: "-l 0:3" gives each socket a chip of its own; "s8" is a simulated one of eight lines. */
static int gpio_fit(struct vdev *d, unsigned int i, unsigned int count)
{
	struct gpio *g = to_gpio(d);
	bool other = g->plan.nchips || g->backend == BACKEND_SIM, right = false;
	const char *list = g->device_list ? g->device_list : "";

	if (!g->device_list && other && count == 1)
		return 0;
	if (!other)
		right = list_pick(list, i, g->listed_chip, sizeof(g->listed_chip)) == count;
	if (right && g->listed_chip[0] == 's') {
		g->backend = BACKEND_SIM;
		right = opt_parse_number(g->listed_chip + 1, false, &g->sim_lines) == 0 && g->sim_lines &&
			g->sim_lines <= GPIO_SIM_MAX_LINES;
	} else if (right) {
		g->plan.chips[g->plan.nchips++] = g->listed_chip;
	}
	g->device_list = NULL;
	if (right)
		return 0;
	log_usage(&d->log,
		  "--device-list=%s: numbers of %u different GPIO chips, separated by colons, are wanted "
		  "(s8: 8 simulated lines)%s",
		  list, count, other ? ", with no --chip or --backend=sim beside them" : "");
	return -EINVAL;
}

static int gpio_check(struct vdev *d)
{
	struct gpio *g = to_gpio(d);
	const char *wrong = NULL;

	if (g->device_list && gpio_fit(d, 0, 1) < 0)
		return -EINVAL;
	const struct gpio_host_args args = host_args(g);
	const struct gpio_host_ops *ops = host_ops(g);
	bool sim = g->backend == BACKEND_SIM;

	if (sim && g->plan.nchips)
		wrong = "--chip goes with --backend=gpiod only";
	else if (!sim && (g->sim_names || g->sim_wire))
		wrong = "--sim-names and --sim-wire go with --backend=sim only";
	else if (!ops->start)
		wrong = "this build is without libgpiod and can only simulate: --backend=sim is wanted";
	else if (!sim && !g->plan.nchips)
		wrong = "no chip: --chip=/dev/gpiochipN, a number or a label is wanted, or --backend=sim";
	else if (!ops->debounces && gpio_plan_has(&g->plan, GPIO_RULE_DEBOUNCE))
		wrong = "--debounce-us: this build cannot (libgpiod 2 can)";
	if (!wrong)
		return ops->check ? ops->check(&args) : 0;
	log_usage(&d->log, "%s", wrong);
	return -EINVAL;
}

static void gpio_needs(const struct vdev *d, struct sandbox *s)
{
	const struct gpio *g = container_of(d, struct gpio, d);
	const struct gpio_host_args args = host_args(g);

	if (host_ops(g)->needs)
		host_ops(g)->needs(&args, g->plan.chips, g->plan.nchips, s);
}

static int gpio_open(struct vdev *d)
{
	struct gpio *g = to_gpio(d);
	const struct gpio_host_args args = host_args(g);
	int err;

	ev_init(&g->returned, returned_ready);
	loop_again_init(&g->look, look_run);
	rate_gate_init(&g->gate, d, GPIO_REQUESTQ);
	g->ops = host_ops(g);
	if (g->backend == BACKEND_SIM)
		gpio_plan_chip(&g->plan, NULL, NULL, 0);
	err = g->ops->start(&args, &g->host);
	if (!err)
		err = chips_open(g);
	if (!err)
		err = lines_make(g);
	d->face.memory_size = g->nlines * sizeof(struct gpio_line_state);
	return err;
}

static void gpio_close(struct vdev *d)
{
	struct gpio *g = to_gpio(d);

	for (unsigned int i = 0; i < g->nlines; i++)
		line_drop(&g->lines[i]);
	for (unsigned int i = 0; i < g->plan.nchips; i++) {
		if (g->chips[i].host)
			g->ops->chip_close(g->chips[i].host);
	}
	loop_again_stop(&g->look, d->loop);
	rate_gate_stop(&g->gate);
	if (ev_is_active(&g->returned)) {
		ev_io_stop(d->loop, &g->returned);
		g->ops->wait_end(g->host);
	}
	if (g->host)
		g->ops->stop(g->host);
	free(g->lines);
	free(g->names);
}

/*
 * Options.
 */

static int set_chip(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return gpio_plan_chip(&((struct gpio *)obj)->plan, value, why, why_size);
}

static int set_rate(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return rate_gate_set(&((struct gpio *)obj)->gate, value, why, why_size);
}

/* Options about lines: their kind is the rule's. */
static int set_rule(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return gpio_plan_rule(&((struct gpio *)obj)->plan, (enum gpio_rule_kind)o->kind, value, why, why_size);
}

static const struct vdev_queue_desc gpio_queues[] = {
	{.name = "requestq", .size = 256, .max = 1024},
	{.name = "eventq", .size = 256, .max = 1024},
};

static const struct vdev_feature gpio_features[] = {
	{GPIO_F_IRQ, "irq"},
	{0},
};

#define OFF(member) offsetof(struct gpio, member)

static const char *const backend_words[] = {[BACKEND_GPIOD] = "gpiod", [BACKEND_SIM] = "sim", NULL};

static const struct opt gpio_opts[] = {
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = OFF(backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "gpiod",
		.help = "gpiod (real chips) or sim (a simulated one)",
		.man = MAN("Where the lines are: gpiod, chips of this machine through libgpiod; sim, a simulated chip "
			   "in this process."),
	},
	{
		.name = "chip",
		.type = OPT_CALL,
		.set = set_chip,
		.arg = "CHIP",
		.help = "path, number, name or label of a GPIO chip",
		.man = MAN(
			"A chip whose lines the guest gets: /dev/gpiochip0, or 0, or its name or label as gpiodetect "
			"shows them.  Can be given up to 16 times: the guest sees one chip with the lines of all, in "
			"this "
			"order.  The options about lines are about the chip before them, or the first one.  Where "
			"they want LINES, these are the chip's own offsets, and names: 0-3,7,LED_RED. "
			" " POLICY_SET_MAN),
	},
	{
		.name = "lines",
		.type = OPT_CALL,
		.set = set_rule,
		.kind = GPIO_RULE_LINES,
		.arg = "LINES",
		.help = "lines the guest gets, in this order (all)",
		.man = MAN("Lines of the chip that the guest gets, in this order; it sees them numbered from 0, or "
			   "from where the chip before has ended.  Without the option these are all.  The other "
			   "options about lines still name them as the chip does."),
	},
	{
		.name = "rename",
		.type = OPT_CALL,
		.set = set_rule,
		.kind = GPIO_RULE_RENAME,
		.arg = "LINE:NAME",
		.help = "the guest sees the line by this name",
		.man = MAN("The name by which the guest sees the line, up to 31 characters of ASCII; an empty one "
			   "takes the name away."),
	},
	{
		.name = "input-only",
		.type = OPT_CALL,
		.set = set_rule,
		.kind = GPIO_RULE_INPUT_ONLY,
		.arg = "LINES",
		.help = "the guest can read, but not drive these",
		.man = MAN("The guest can read these lines, but not make outputs of them."),
	},
	{
		.name = "output-only",
		.type = OPT_CALL,
		.set = set_rule,
		.kind = GPIO_RULE_OUTPUT_ONLY,
		.arg = "LINES",
		.help = "the guest can use these as outputs only",
		.man = MAN("The guest can make nothing but outputs of these lines."),
	},
	{
		.name = "active-low",
		.type = OPT_CALL,
		.set = set_rule,
		.kind = GPIO_RULE_ACTIVE_LOW,
		.arg = "LINES",
		.help = "these are inverted: low is 1, high is 0",
		.man = MAN("Lines that are inverted: low is 1 to the guest, high is 0."),
	},
	{
		.name = "bias",
		.type = OPT_CALL,
		.set = set_rule,
		.kind = GPIO_RULE_BIAS,
		.arg = "[LINES:]BIAS",
		.help = "pull-up, pull-down or disabled",
		.man = MAN("The resistor the chip connects to these lines, or to all that the guest gets: pull-up, "
			   "pull-down or disabled.  Without the option it stays as it is."),
	},
	{
		.name = "drive",
		.rare = true,
		.type = OPT_CALL,
		.set = set_rule,
		.kind = GPIO_RULE_DRIVE,
		.arg = "[LINES:]DRIVE",
		.help = "push-pull, open-drain or open-source",
		.man = MAN("How these lines, or all that the guest gets, are driven when they are outputs: push-pull, "
			   "which is the default, open-drain or open-source."),
	},
	{
		.name = "debounce-us",
		.rare = true,
		.type = OPT_CALL,
		.set = set_rule,
		.kind = GPIO_RULE_DEBOUNCE,
		.arg = "[LINES:]US",
		.help = "ignore changes shorter than this (libgpiod 2)",
		.man = MAN("Microseconds for which a level must last on these lines, or on all that the guest gets, "
			   "before it counts.  Needs a build with libgpiod 2; the simulated chip takes it and does "
			   "nothing."),
	},
	{
		.name = "rate",
		.type = OPT_CALL,
		.set = set_rate,
		.arg = "RATE",
		.help = "how many requests the guest may make: 1000/s",
		.man = MAN("How many requests the guest may make, interrupts not counted; those beyond wait. "
			   " " POLICY_RATE_MAN "  Without the option there is no limit."),
	},
	{
		.name = "sim-lines",
		.type = OPT_UINT,
		.off = OFF(sim_lines),
		.arg = "N",
		.def = "8",
		.min = 1,
		.max = GPIO_SIM_MAX_LINES,
		.help = "lines of the simulated chip",
		.man = MAN("How many lines the simulated chip has, at most 256."),
	},
	{
		.name = "sim-names",
		.rare = true,
		.type = OPT_TEXT,
		.off = OFF(sim_names),
		.arg = "NAME,...",
		.help = "names of the simulated lines",
		.man = MAN("Names of the simulated lines, in order; an empty one leaves a line nameless."),
	},
	{
		.name = "sim-wire",
		.rare = true,
		.type = OPT_TEXT,
		.off = OFF(sim_wire),
		.arg = "A-B,...",
		.help = "line B has line A's level from outside",
		.man = MAN("Wires between simulated lines, by number: in each pair the second is driven from outside "
			   "with the level of the first, so that a guest can see its own outputs."),
	},
	{
		.name = "device-list",
		.rare = true,
		.type = OPT_TEXT,
		.off = OFF(device_list),
		.arg = "LIST",
		.help = "a chip's number, or s8: 8 simulated lines",
		.man = MAN("The chip as vhost-device-gpio takes it: N for /dev/gpiochipN, sN for a simulated chip of N "
			   "lines.  Under that name it is a list, one for each socket, separated by colons."),
		.compat = "l,device-list",
	},
	{0},
};

/* VIRTIO 1.4, section 5.18.6; type, line and value.  To ask for a direction changes nothing, nor does an input drive anything. */
static const uint8_t sample_get_direction[sizeof(struct gpio_request)] = {2};
static const uint8_t sample_set_input[sizeof(struct gpio_request)] = {3, [4] = 2};
static const uint8_t sample_get_value[sizeof(struct gpio_request)] = {4};

static const char *sample_check(const uint8_t *in, uint32_t used, uint8_t max)
{
	if (used != sizeof(struct gpio_response))
		return "not the two bytes of a response";
	if (in[0] != 0)
		return "an error";
	return in[1] <= max ? NULL : "a value that there is not";
}

static const char *sample_direction_check(const uint8_t *in, uint32_t used)
{
	return sample_check(in, used, 2);
}

static const char *sample_value_check(const uint8_t *in, uint32_t used)
{
	return sample_check(in, used, 1);
}

#define SAMPLE(bytes) .out = (bytes), .out_len = sizeof(bytes), .in_len = sizeof(struct gpio_response)

static const struct vdev_sample gpio_samples[] = {
	{.what = "GET_DIRECTION", SAMPLE(sample_get_direction), .check = sample_direction_check},
	{
		.what = "GET_VALUE of an input",
		SAMPLE(sample_get_value),
		.check = sample_value_check,
		.before = sample_set_input,
		.vary = {.at = 2, .first = 0, .last = 255, .step = 1}, /* the first line that can be read */
	},
	{.what = "GET_DIRECTION", SAMPLE(sample_get_direction), .check = sample_direction_check},
	{0},
};

static const struct vdev_compat gpio_compat = {
	.suffix = true,
	.count = true,
	.fit = gpio_fit,
};

static const char *const gpio_examples[] = {
	"vdevd gpio --socket-path=/run/gpio.sock --chip=/dev/gpiochip0",
	"vdevd gpio --socket-path=/run/gpio.sock --chip=0 --lines=0-3,LED_RED --input-only=0-3 --active-low=LED_RED",
	"vhost-device-gpio -s /run/gpio.sock -c 2 -l 0:3",
	"",
	"# a guest under QEMU lights a lamp, which is seen outside; somebody presses a button",
	"vdevd gpio --socket-path=/run/gpio.sock --backend=sim --sim-names=LAMP,BUTTON --control=/run/gpio.ctl &",
	"qemu-system-x86_64 -m 512M -M q35,memory-backend=mem -object memory-backend-memfd,id=mem,size=512M,share=on \\",
	"    -chardev socket,id=gpio,path=/run/gpio.sock -device vhost-user-gpio-pci,chardev=gpio ...",
	"guest# gpioset --mode=signal gpiochip0 0=1 &",
	"vdevd ctl /run/gpio.ctl get LAMP",
	"1",
	"vdevd ctl /run/gpio.ctl set BUTTON 1",
	"guest# gpioget gpiochip0 1",
	"1",
	NULL,
};

const struct vdev_class vdev_gpio_class = {
	.name = "gpio",
	.summary = "GPIO device",
	.about = MAN(
		"Gives a guest general purpose input/output lines: of one or more chips of this machine, or simulated "
		"ones.\n"
		"\n"
		"A line is taken when the guest uses it and given back when the guest lets go of it.  While somebody "
		"else "
		"has it the guest's requests for it fail, which is logged once; everything else goes on.  When a chip "
		"is "
		"unplugged its lines fail until it is back (the same label, the same number of lines), and are then "
		"made "
		"what the guest made them.\n"
		"\n"
		"Interrupts are edges, rising, falling or both, and levels.  Edges that come while the guest has the "
		"interrupt masked, for instance while it still handles the one before, are kept, up to 1024 for a "
		"line and "
		"then as many as the host keeps, and are told one by one: none is lost, and none is told before the "
		"guest "
		"asks for it.  Of an interrupt on both edges, the guest's first read of the line after it tells which "
		"edge "
		"it was, even if the line has changed again since.  Levels are made from edges: an interrupt is told "
		"when "
		"the guest unmasks it and the line is active, or as soon as it becomes active.  QEMU before version 9 "
		"hides the interrupts (VIRTIO_GPIO_F_IRQ) from its guests.\n"
		"\n"
		"Commands on the socket of --control play the world around a simulated chip: list and get show lines, "
		"set and pull act "
		"on them from outside, watch tells each change as it happens, take and leave play somebody else who "
		"has a line, "
		"unplug and plug take the chip away and bring it back.\n"
		"\n"
		"When a vdevd that was killed is replaced under a guest that goes on (INFLIGHT_SHMFD, vdevd relay), "
		"lines are what "
		"the guest made them: directions, levels of outputs, interrupt types.  In between the host has them, "
		"an output may change, "
		"and edges are not seen; one may be told twice.  They go by their order; where there are more or fewer "
		"than before, nothing is taken over.\n"
		"\n"
		"With a guest that moves to another host (live migration) goes what it has made of the lines, by "
		"their order, and the edges "
		"that it was not told.  The interrupts it waits for go along where the front-end moves the record of "
		"what is in flight "
		"(INFLIGHT_SHMFD and GET_VRING_BASE_SKIP_DRAIN), or else where none that was asked for later has come "
		"before them; those that "
		"cannot go along are lost to the guest, and the log of the other host says so."),
	.virtio_id = 41,
	.face.features = BIT(GPIO_F_IRQ),
	.feature_names = gpio_features,
	.face.queues = gpio_queues,
	.face.nqueues = ARRAY_SIZE(gpio_queues),
	.face.any_order = true, /* a line's interrupt does not wait for another's */
	.face.config_size = sizeof(struct gpio_config),
	.opts = gpio_opts,
	.inst_size = sizeof(struct gpio),
	.samples = gpio_samples,
	.compat = &gpio_compat,
	.examples = MAN(gpio_examples),
	.check = gpio_check,
	.open = gpio_open,
	.needs = gpio_needs,
	.kick = gpio_kick,
	.quiesce = gpio_quiesce,
	.reset = gpio_reset,
	.save = gpio_save,
	.load = gpio_load,
	.recall = gpio_recall,
	.config = gpio_config,
	.close = gpio_close,
};
