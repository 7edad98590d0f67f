/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * can_bus.h - how simulated buses are joined (--sim-bus): a Unix socket of whole packets.
 *
 * The first vdevd that comes makes the socket and is the bus; the others are nodes of it.  Where the bus ends, the first node
 * that notices makes it anew.  A packet is a frame: PUT is a node's that wants to send it; SEEN tells a node that
 * another one has sent it, DONE that its own was on the bus.  Nothing is lost between them: a node whose socket is full holds the bus,
 * as overload frames do, for CAN_BUS_PATIENCE parts at most in which it reads nothing; then it is dropped.
 */
#ifndef VDEVD_DEVICES_CAN_CAN_BUS_H
#define VDEVD_DEVICES_CAN_CAN_BUS_H

#include "core/listener.h"
#include "core/unix_socket.h"
#include "devices/can/can_host.h"

#define CAN_BUS_LINKS	 8   /* nodes besides that of the bus itself */
#define CAN_BUS_QUEUE	 4   /* packets that wait for a node: the bus goes on when none does */
#define CAN_BUS_PART	 0.1 /* s */
#define CAN_BUS_PATIENCE 20  /* parts */

enum can_bus_kind {
	CAN_BUS_PUT = 1,
	CAN_BUS_SEEN,
	CAN_BUS_DONE,
};

struct can_bus_packet {
	uint8_t kind;
	uint8_t from; /* bits 0-1: which of the sender's, 0 its guest, 1 one that answers each frame; the rest comes back in DONE */
	le16 flags;
	le32 id;
	uint8_t len;
	uint8_t reserved[3];
	uint8_t data[CAN_FD_MAX];
} __attribute__((packed));

_Static_assert(sizeof(struct can_bus_packet) == 76, "what vdevds of different hosts and versions agree on");

struct can_bus_link;

struct can_bus {
	const struct can_host_args *args;
	const char *path;
	/* A packet has come: on a link of the bus (PUT), or from the bus (link is NULL).  Returns false: no room; the link waits for can_bus_resume. */
	bool (*came)(struct can_bus *b, struct can_bus_link *link, enum can_bus_kind kind, uint8_t from, const struct can_msg *m);
	/* A link is gone; all links have room again; the bus is gone, and what was put is lost. */
	void (*left)(struct can_bus *b, struct can_bus_link *link);
	void (*drained)(struct can_bus *b);
	void (*gone)(struct can_bus *b);
	struct unix_listener socket; /* fd -1: this is a node */
	struct listener door;
	struct can_bus_link {
		struct can_bus *bus;
		unsigned int index;
		int fd; /* -1: free */
		struct ev_io read, write;
		struct ev_timer patience;
		struct can_bus_packet out[CAN_BUS_QUEUE]; /* a ring */
		unsigned int first, waiting;
		unsigned int waited; /* parts since a packet went */
	} links[CAN_BUS_LINKS], up; /* up: to the bus, of a node */
	struct ev_timer retry;
};

/*
 * Makes the bus at path (not copied), or joins it.  b: zeroed but for what is told.  Returns 0, or -errno after a line that
 * says why; then nothing is to be closed.
 */
int can_bus_open(struct can_bus *b, const struct can_host_args *args, const char *path);
void can_bus_close(struct can_bus *b);

/* What that takes once it was opened. */
void can_bus_needs(const char *path, struct sandbox *s);

/* Whether this vdevd is the bus. */
static inline bool can_bus_is_here(const struct can_bus *b)
{
	return b->socket.fd >= 0;
}

/* Links of the bus. */
unsigned int can_bus_nodes(const struct can_bus *b);

/* Whether a packet can be sent up now; of the bus: whether all links have room. */
bool can_bus_ready(const struct can_bus *b);

/* Sends a packet: on a link, or up (NULL), where there must be room. */
void can_bus_send(struct can_bus *b, struct can_bus_link *link, enum can_bus_kind kind, uint8_t from, const struct can_msg *m);

/* There is room again for what comes on a link, or from the bus (NULL). */
void can_bus_resume(struct can_bus *b, struct can_bus_link *link);

#endif
