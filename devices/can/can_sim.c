/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * can_sim.c - a simulated CAN bus: the guest's node, a node that echoes (--sim-echo), and the operator's, who sends frames
 * and makes errors at the control socket.
 *
 * Each turn of the loop is the time of one frame.  Of the frames that nodes want to send, the one with the lowest
 * arbitration field goes first (ISO 11898-1); a node's own frames keep their order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "core/loop.h"
#include "devices/can/can_host.h"

/* Frames that a node can have ready for the bus. */
#define NODE_QUEUE 64

enum { NODE_GUEST, NODE_ECHO, NODE_OPERATOR, NODES };

struct sim_node {
	struct can_msg queue[NODE_QUEUE]; /* a ring */
	unsigned int first, waiting;
};

struct can_host {
	const struct can_host_args *args;
	bool up, off; /* off: bus-off is due */
	struct sim_node nodes[NODES];
	struct loop_again turn;
};

static int node_put(struct can_host *h, unsigned int i, const struct can_msg *m)
{
	struct sim_node *n = &h->nodes[i];

	if (n->waiting == NODE_QUEUE)
		return -EAGAIN;
	n->queue[(n->first + n->waiting++) % NODE_QUEUE] = *m;
	loop_again_start(&h->turn, h->args->d->loop);
	return 0;
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

static void bus_turn(struct loop_again *again)
{
	struct can_host *h = container_of(again, struct can_host, turn);
	const struct can_user_ops *tell = h->args->ops;
	unsigned int i = bus_winner(h);
	struct can_msg m;

	if (h->off) {
		h->off = false;
		tell->bus_off(h->args->user);
		i = bus_winner(h);
	}
	if (i == NODES)
		return;
	m = h->nodes[i].queue[h->nodes[i].first];
	h->nodes[i].first = (h->nodes[i].first + 1) % NODE_QUEUE;
	h->nodes[i].waiting--;
	loop_again_start(&h->turn, h->args->d->loop);
	if (i == NODE_GUEST)
		tell->sent(h->args->user, &m);
	else if (h->up)
		tell->received(h->args->user, &m);
	if (h->args->sim_echo && i != NODE_ECHO)
		echo_answer(h, m);
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

/* ISO 11898-1: from 96 on a warning, from 128 on passive. */
static int run_errors(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct can_host *h = arg;
	uint64_t n[2], most;

	for (unsigned int i = 0; i < 2; i++) {
		if (opt_parse_number(argv[i], false, &n[i]) == 0 && n[i] <= 255)
			continue;
		snprintf(why, why_size, "'%.80s': a number from 0 to 255 is wanted; bus-off is a command of its own", argv[i]);
		return -EINVAL;
	}
	most = n[0] > n[1] ? n[0] : n[1];
	h->args->ops->counters(h->args->user,
			       most < 96    ? CAN_ERROR_ACTIVE
			       : most < 128 ? CAN_ERROR_WARNING
					    : CAN_ERROR_PASSIVE,
			       (unsigned int)n[0], (unsigned int)n[1]);
	return 0;
}

static const struct control_command sim_commands[] = {
	{"send", "FRAME", "another node sends a frame: 123#1122, 12345678#, 123#R4, 123##0112233", 1, 1, run_send},
	{"bus-off", "", "the controller has too many errors and leaves the bus", 0, 0, run_bus_off},
	{"error", "TEXT", "an error on the bus", 1, 1, run_error},
	{"errors", "TX RX", "sets the error counters", 2, 2, run_errors},
	{0},
};

/* ---- as a host */

static void sim_needs(const struct can_host_args *args, struct sandbox *s)
{
	/* The loop alone. */
}

static int sim_start(const struct can_host_args *args, struct can_host **out, bool *fd)
{
	struct can_host *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->args = args;
	loop_again_init(&h->turn, bus_turn);
	control_add(args->d->control, sim_commands, h);
	*out = h;
	*fd = true;
	return 0;
}

static void sim_stop(struct can_host *h)
{
	loop_again_stop(&h->turn, h->args->d->loop);
	free(h);
}

static int sim_up(struct can_host *h)
{
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
