/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * can_sim.c - a simulated CAN bus: the guest's node, a node that echoes (--sim-echo), and the operator's, who sends frames
 * and makes errors at the control socket; with --sim-bus those of other vdevds.
 *
 * Each turn of the loop is the time of one frame.  Of the frames that nodes want to send, the one with the lowest
 * arbitration field goes first (ISO 11898-1); a node's own frames keep their order.
 *
 * Where the bus is another vdevd's (can_bus.h), what wins here is put there, and was on the bus when that one says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "core/loop.h"
#include "devices/can/can_bus.h"

/* Frames that a node can have ready for the bus. */
#define NODE_QUEUE 64

/* Behind them those of other vdevds, by their links. */
enum { NODE_GUEST, NODE_ECHO, NODE_OPERATOR, NODE_LINKS, NODES = NODE_LINKS + CAN_BUS_LINKS };

/* What comes from a node says which one, and with the guest's in which start of its controller: see from_of. */
#define FROM_NODES 4

struct sim_node {
	struct can_msg queue[NODE_QUEUE]; /* a ring */
	uint8_t from[NODE_QUEUE];
	unsigned int first, waiting;
};

struct can_host {
	const struct can_host_args *args;
	bool up, off;	     /* off: bus-off is due */
	unsigned int starts; /* of the guest's controller */
	struct sim_node nodes[NODES];
	struct loop_again turn;
	struct can_bus bus; /* path NULL: there is none */
};

static int node_add(struct can_host *h, unsigned int i, const struct can_msg *m, uint8_t from)
{
	struct sim_node *n = &h->nodes[i];
	unsigned int at = (n->first + n->waiting) % NODE_QUEUE;

	if (n->waiting == NODE_QUEUE)
		return -EAGAIN;
	n->queue[at] = *m;
	n->from[at] = from;
	n->waiting++;
	loop_again_start(&h->turn, h->args->d->loop);
	return 0;
}

/*
 * Where a frame of ours is from.  The guest's controller may stop and start again while a frame is on its way: that this one was
 * on the bus is not said of an equal one that the guest has sent since.
 */
static uint8_t from_of(const struct can_host *h, unsigned int i)
{
	return (uint8_t)(i == NODE_GUEST ? h->starts * FROM_NODES : i);
}

static int node_put(struct can_host *h, unsigned int i, const struct can_msg *m)
{
	return node_add(h, i, m, from_of(h, i));
}

/* The bits of a frame in the order in which they win: 11 bits of id, RTR or SRR, IDE, 18 bits of id, RTR. */
static uint32_t arbitration(const struct can_msg *m)
{
	uint32_t rtr = m->flags & CAN_FLAG_RTR ? 1 : 0;

	if (m->flags & CAN_FLAG_EXTENDED)
		return (m->id >> 18) << 21 | 1u << 20 | 1u << 19 | (m->id & 0x3ffff) << 1 | rtr;
	return m->id << 21 | rtr << 20;
}

/*
 * The node whose frame wins the bus; NODES: nobody has one.  While the echo node has no room for another answer it holds
 * the others off, as overload frames do.
 */
static unsigned int bus_winner(const struct can_host *h)
{
	unsigned int winner = NODES;
	uint32_t best = 0;

	if (h->nodes[NODE_ECHO].waiting == NODE_QUEUE)
		return NODE_ECHO;
	for (unsigned int i = 0; i < NODES; i++) {
		const struct sim_node *n = &h->nodes[i];
		uint32_t bits = n->waiting ? arbitration(&n->queue[n->first]) : 0;

		if (!n->waiting || (winner < NODES && bits >= best))
			continue;
		winner = i;
		best = bits;
	}
	return winner;
}

static void echo_answer(struct can_host *h, struct can_msg m)
{
	m.id = (m.id + 1) & (m.flags & CAN_FLAG_EXTENDED ? CAN_ID_EXTENDED_MAX : CAN_ID_MAX);
	for (unsigned int i = 0; i < m.len && !(m.flags & CAN_FLAG_RTR); i++)
		m.data[i]++;
	/* There is room: bus_winner has seen to that. */
	(void)node_put(h, NODE_ECHO, &m);
}

/* A frame is on the bus: its own nodes here hear of it; own: it is of the guest of this vdevd. */
static void bus_tell(struct can_host *h, const struct can_msg *m, bool own, uint8_t from)
{
	const struct can_user_ops *tell = h->args->ops;

	if (own && from == from_of(h, NODE_GUEST))
		tell->sent(h->args->user, m);
	else if (!own && h->up)
		tell->received(h->args->user, m);
	if (h->args->sim_echo && from % FROM_NODES != NODE_ECHO)
		echo_answer(h, *m);
}

/* Other vdevds hear of it, and the one whose it is. */
static void bus_pass(struct can_host *h, unsigned int winner, const struct can_msg *m, uint8_t from)
{
	for (unsigned int i = 0; i < CAN_BUS_LINKS; i++) {
		const bool own = NODE_LINKS + i == winner;

		can_bus_send(&h->bus, &h->bus.links[i], own && from % FROM_NODES == NODE_GUEST ? CAN_BUS_DONE : CAN_BUS_SEEN, from, m);
	}
	if (winner >= NODE_LINKS)
		can_bus_resume(&h->bus, &h->bus.links[winner - NODE_LINKS]);
}

/* Takes the frame that wins the bus.  Returns its node; NODES: nobody has one. */
static unsigned int bus_take(struct can_host *h, struct can_msg *m, uint8_t *from)
{
	unsigned int i = bus_winner(h);
	struct sim_node *n = &h->nodes[i];

	if (i == NODES)
		return i;
	*m = n->queue[n->first];
	*from = n->from[n->first];
	n->first = (n->first + 1) % NODE_QUEUE;
	n->waiting--;
	return i;
}

static void bus_turn(struct loop_again *again)
{
	struct can_host *h = container_of(again, struct can_host, turn);
	struct can_msg m;
	unsigned int i;
	uint8_t from;

	if (h->off) {
		h->off = false;
		h->args->ops->bus_off(h->args->user);
	}
	/* Called again when it is: drained. */
	if (h->bus.path && !can_bus_ready(&h->bus))
		return;
	i = bus_take(h, &m, &from);
	if (i == NODES)
		return;
	loop_again_start(&h->turn, h->args->d->loop);
	if (h->bus.path && !can_bus_is_here(&h->bus)) {
		can_bus_send(&h->bus, NULL, CAN_BUS_PUT, from, &m);
		can_bus_resume(&h->bus, NULL);
		return;
	}
	if (h->bus.path)
		bus_pass(h, i, &m, from);
	bus_tell(h, &m, i == NODE_GUEST, from);
}

/* ---- the bus of several vdevds */

static bool bus_came(struct can_bus *b, struct can_bus_link *link, enum can_bus_kind kind, uint8_t from, const struct can_msg *m)
{
	struct can_host *h = container_of(b, struct can_host, bus);

	if (link) {
		const unsigned int node = NODE_LINKS + link->index;

		/* There was room: the link waits when the last place is taken. */
		(void)node_add(h, node, m, from);
		return h->nodes[node].waiting < NODE_QUEUE;
	}
	bus_tell(h, m, kind == CAN_BUS_DONE, from);
	return h->nodes[NODE_ECHO].waiting < NODE_QUEUE;
}

static void bus_left(struct can_bus *b, struct can_bus_link *link)
{
	container_of(b, struct can_host, bus)->nodes[NODE_LINKS + link->index].waiting = 0;
}

static void bus_drained(struct can_bus *b)
{
	struct can_host *h = container_of(b, struct can_host, bus);

	loop_again_start(&h->turn, h->args->d->loop);
}

/* What was put there, and not seen on the bus, is lost. */
static void bus_gone(struct can_bus *b)
{
	struct can_host *h = container_of(b, struct can_host, bus);

	h->nodes[NODE_GUEST].waiting = 0;
	if (h->up)
		h->args->ops->down(h->args->user, -ENETDOWN);
}

/* ---- the operator */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_id(const char *text, size_t digits, struct can_msg *m)
{
	if (digits != 3 && digits != 8)
		return false;
	m->flags = digits == 8 ? CAN_FLAG_EXTENDED : 0;
	for (size_t i = 0; i < digits; i++) {
		if (hex_digit(text[i]) < 0)
			return false;
		m->id = m->id << 4 | (uint32_t)hex_digit(text[i]);
	}
	return true;
}

/* Reads a frame as cansend(1) has it: 123#1122, 12345678#, 123#R4, 123##0112233. */
static bool parse_frame(const char *text, struct can_msg *m)
{
	const char *mark = strchr(text, '#'), *at = mark + 1;

	*m = (struct can_msg){0};
	if (!mark || !parse_id(text, (size_t)(mark - text), m))
		return false;
	if (*at == '#') {
		if (hex_digit(at[1]) < 0)
			return false;
		m->flags |= CAN_FLAG_FD;
		at += 2;
	} else if (*at == 'R') {
		m->flags |= CAN_FLAG_RTR;
		if (at[1] < '0' || at[1] > '8' || at[2])
			return at[1] == '\0';
		m->len = (uint8_t)(at[1] - '0');
		return true;
	}
	for (; *at && m->len < CAN_FD_MAX; at += 2) {
		int high = hex_digit(at[0]), low = high < 0 ? -1 : hex_digit(at[1]);

		if (low < 0)
			return false;
		m->data[m->len++] = (uint8_t)(high << 4 | low);
	}
	return !*at && can_msg_valid(m);
}

static int run_send(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct can_msg m;

	if (!parse_frame(argv[0], &m) || !can_msg_valid(&m)) {
		snprintf(why, why_size, "'%.80s': a frame is wanted: 123#1122, 12345678#, 123#R4, 123##0112233", argv[0]);
		return -EINVAL;
	}
	if (!node_put(arg, NODE_OPERATOR, &m))
		return 0;
	snprintf(why, why_size, "%d frames wait for the bus already", NODE_QUEUE);
	return -EAGAIN;
}

static int run_bus_off(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct can_host *h = arg;

	if (!h->up) {
		snprintf(why, why_size, "the controller is not started");
		return -EINVAL;
	}
	h->off = true;
	loop_again_start(&h->turn, h->args->d->loop);
	return 0;
}

static int run_error(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct can_host *h = arg;

	h->args->ops->error(h->args->user, argv[0]);
	return 0;
}

static int run_errors(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct can_host *h = arg;
	uint64_t n[2];

	for (unsigned int i = 0; i < 2; i++) {
		if (opt_parse_number(argv[i], false, &n[i]) == 0 && n[i] <= 255)
			continue;
		snprintf(why, why_size, "'%.80s': a number from 0 to 255 is wanted; bus-off is a command of its own", argv[i]);
		return -EINVAL;
	}
	h->args->ops->counters(h->args->user, can_state_of((unsigned int)(n[0] > n[1] ? n[0] : n[1])), (unsigned int)n[0],
			       (unsigned int)n[1]);
	return 0;
}

static int run_nodes(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct can_host *h = arg;

	if (!h->bus.path)
		control_say(c, "bus of this vdevd alone");
	else if (can_bus_is_here(&h->bus))
		control_say(c, "bus here, %u other nodes", can_bus_nodes(&h->bus));
	else
		control_say(c, "bus %s", h->bus.up.fd >= 0 ? "of another vdevd" : "away");
	return 0;
}

static const struct control_command sim_commands[] = {
	{"nodes", "", "shows where the bus of --sim-bus is, and how many are on it", 0, 0, run_nodes},
	{"send", "FRAME", "another node sends a frame: 123#1122, 12345678#, 123#R4, 123##0112233", 1, 1, run_send},
	{"bus-off", "", "the controller has too many errors and leaves the bus", 0, 0, run_bus_off},
	{"error", "TEXT", "an error on the bus", 1, 1, run_error},
	{"errors", "TX RX", "sets the error counters", 2, 2, run_errors},
	{0},
};

/* ---- as a host */

static void sim_needs(const struct can_host_args *args, struct sandbox *s)
{
	/* Without a bus of several the loop alone. */
	if (args->sim_bus)
		can_bus_needs(args->sim_bus, s);
}

static int sim_start(const struct can_host_args *args, struct can_host **out, bool *fd)
{
	struct can_host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->args = args;
	loop_again_init(&h->turn, bus_turn);
	h->bus = (struct can_bus){.came = bus_came, .left = bus_left, .drained = bus_drained, .gone = bus_gone};
	err = args->sim_bus ? can_bus_open(&h->bus, args, args->sim_bus) : 0;
	if (err) {
		free(h);
		return err;
	}
	control_add(args->d->control, sim_commands, h);
	*out = h;
	*fd = true;
	return 0;
}

static void sim_stop(struct can_host *h)
{
	loop_again_stop(&h->turn, h->args->d->loop);
	if (h->bus.path)
		can_bus_close(&h->bus);
	free(h);
}

static int sim_up(struct can_host *h)
{
	h->starts += !h->up;
	h->up = true;
	return 0;
}

static void sim_down(struct can_host *h)
{
	h->up = h->off = false;
	h->nodes[NODE_GUEST].waiting = 0;
}

static int sim_send(struct can_host *h, const struct can_msg *m)
{
	return node_put(h, NODE_GUEST, m);
}

const struct can_host_ops can_sim_ops = {
	.needs = sim_needs,
	.start = sim_start,
	.stop = sim_stop,
	.up = sim_up,
	.down = sim_down,
	.send = sim_send,
};
