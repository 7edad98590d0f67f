/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock.h - the inside of the socket device.  Its files call one way, from the end of this list to its beginning:
 *
 *	vsock_conn.c   a connection as the protocol sees it
 *	vsock_rules.c  which ports may be connected to, and where they lead
 *	vsock_pool.c   memory for what waits
 *	vsock_rx.c     packets into buffers of the rx queue
 *	vsock_line.c   the lines by which programs of the host and other guests ask for a port
 *	vsock_data.c   payload between guest memory and sockets; says what came of it (enum vsock_io)
 *	vsock_host.c   where connections of the guest's lead; vsock_sim.c: into this process
 *	vsock_link.c   a connection with its socket
 *	vsock_door.c   sockets at which the host asks for connections to the guest
 *	vsock.c        queues, configuration space, options
 *
 * Theory of operation.  A link is a connection of the guest's with a non-blocking socket of the host's.
 *
 * Guest to host: the payload is written to the socket from guest memory.  What the socket does not take is copied into the
 * link's buffer, which has room for all that the guest may send before it is told of more (buf_alloc), so a chain of the tx
 * queue is always given back in the turn in which it came, whatever the host does.  A link gets a
 * buffer when it needs one first; where the host has no memory for that, the connection is reset.
 *
 * Host to guest: the socket is read into guest memory, and only when there is credit and a buffer.  Where there is no credit, the
 * link waits for a packet that brings some; where there is no buffer, it stands in the line of those that wait for the rx
 * queue (ready), first come, first served.  A link is given one portion (VSOCK_PORTION) at a time, so a bulk transfer does
 * not hold up a short question.
 */
#ifndef VDEVD_DEVICES_VSOCK_VSOCK_H
#define VDEVD_DEVICES_VSOCK_VSOCK_H

#include <ev.h>

#include "core/device.h"
#include "core/list.h"
#include "core/listener.h"
#include "core/unix_socket.h"
#include "devices/lib/events.h"
#include "devices/vsock/vsock_conn.h"
#include "devices/vsock/vsock_pool.h"
#include "devices/vsock/vsock_rules.h"
#include "transport/chain.h"

#define VIRTIO_VSOCK_F_STREAM            0
#define VIRTIO_VSOCK_F_SEQPACKET         1
#define VIRTIO_VSOCK_F_NO_IMPLIED_STREAM 2

#define VSOCK_CID_HOST 2

/* Ports of connections to the guest: above those that services have, and many more than there are links. */
#define VSOCK_FIRST_PORT 0x40000000u
#define VSOCK_PORTS      0x40000000u

#define VSOCK_RX    0
#define VSOCK_TX    1
#define VSOCK_EVENT 2

#define VSOCK_PORTION   65536u /* bytes read for a link at a time */
#define VSOCK_RX_CHAINS 64     /* buffers filled by one read; kept */
#define VSOCK_TX_CHAINS 64     /* packets written by one write */
#define VSOCK_IOV       512    /* pieces of guest memory in one read or write */
#define VSOCK_LINE      64     /* the longest line that asks for a port, its end included */
#define VSOCK_ASKING    64     /* programs that have not said what they want */
#define VSOCK_RESETS    256    /* answers to packets of no connection that wait for a buffer */

struct vsock;

/* The host's side of a link. */
enum vsock_side {
	VSOCK_SIDE_NONE,      /* no socket */
	VSOCK_SIDE_ASKING,    /* accepted, has not said which port it wants */
	VSOCK_SIDE_WAITING,   /* has said it; the guest is asked */
	VSOCK_SIDE_DIALLING,  /* a connect(2) is under way */
	VSOCK_SIDE_REDIALLING,/* the listener's backlog was full: tried again soon */
	VSOCK_SIDE_GREETING,  /* another guest's vdevd was told which port is wanted */
	VSOCK_SIDE_OPEN,
	VSOCK_SIDE_LINGERING, /* the guest has left; what it sent is still to be written */
};

/* Where programs of the host knock. */
struct vsock_door {
	struct vsock *v;
	const char *name;
	uint16_t type;
	bool direct;           /* all who come want the same port */
	bool sibling;          /* for guests, not programs of the host */
	uint32_t port;
	struct unix_listener socket;
	struct listener listener;
};

#define VSOCK_LISTENS 16
#define VSOCK_GROUPS  8
#define VSOCK_DOORS   (2 + 2 * VSOCK_GROUPS + VSOCK_LISTENS)

/* Where guests meet. */
struct vsock_group {
	const char *dir;
	char paths[2][108]; /* of our own sockets in it, by type */
};

/* A port to listen at. */
struct vsock_listen {
	uint32_t port;
	uint16_t type;
};

struct vsock_link {
	struct vsock *v;
	struct vsock_door *door;    /* through which it came, or NULL */
	struct vsock_conn conn;
	enum vsock_side side;
	int fd;
	struct ev_io readable, writable;
	struct ev_timer timer;      /* of what the link waits for */
	double deadline;            /* of a connect(2) that is tried again */
	bool hashed;
	bool stalled;               /* not read for want of credit */
	bool want_read;             /* in the line to be read, not only to be told something */
	bool ended;                 /* the host's bytes have ended, or nobody wants them */
	bool deaf;                  /* the host takes no more bytes */
	uint8_t *buf;               /* bytes for the host: a ring of v->ring_size; or NULL: there were none yet */
	size_t head, fill;
	uint64_t *eom, *eor;        /* of SEQPACKET: a bit for each byte of it, where messages and records end */
	size_t ends;                /* messages in it that are whole */
	uint8_t *msg;               /* a message of the host's, of which the guest has msg_at bytes; or NULL */
	size_t msg_len, msg_at;     /* msg_len 0: none */
	uint32_t msg_flags;         /* VSOCK_SEQ_... */
	unsigned int burst;         /* messages read since the socket was watched */
	struct vsock_link *next;    /* of the same hash, or unused */
	char line[VSOCK_LINE];      /* what has come of it, line_len bytes */
	size_t line_len;
	double redial;              /* s, until the next connect(2) */
	struct list list;           /* in v->ready or v->asking */
};

/* Guest memory for what a link is read into. */
struct vsock_portion {
	unsigned int n, niov;
	uint32_t room[VSOCK_RX_CHAINS]; /* for payload, of the first n rx buffers */
	struct iovec iov[VSOCK_IOV];
};

/* Where the guest's connections go. */
struct vsock_host_ops {
	const char *name;
	/* What connect does, by the options alone. */
	void (*needs)(const struct vsock *v, struct sandbox *s);
	/* Takes what it needs.  Returns 0, or -errno after a line that says why.  Both may be NULL. */
	int (*open)(struct vsock *v);
	void (*close)(struct vsock *v);
	/*
	 * Connects to a port.  Returns a non-blocking socket, with *pending where connect(2) is still under way;
	 * -EAGAIN: to be tried again; or another -errno: refused.
	 */
	int (*connect)(struct vsock *v, uint32_t port, uint16_t type, bool *pending);
};

extern const struct vsock_host_ops vsock_unix_ops, vsock_forward_ops, vsock_sim_ops;

/* Payloads that go to the same socket with one write. */
struct vsock_batch {
	struct vsock_link *link; /* NULL: empty */
	struct chain *chains[VSOCK_TX_CHAINS];
	uint32_t lens[VSOCK_TX_CHAINS];
	unsigned int n, niov;
	struct iovec iov[VSOCK_IOV];
};

struct vsock {
	struct vdev d;
	/* options */
	uint64_t guest_cid, buf_size, max_links, connect_timeout;
	const char *uds_path, *uds_seqpacket;
	struct vsock_group groups[VSOCK_GROUPS];
	unsigned int ngroups;
	unsigned int backend;       /* --backend, as a word of its table */
	const struct vsock_host_ops *host;
	uint64_t forward_cid;       /* 0: none */
	uint64_t queue_size;        /* of the replaced daemon; nothing comes of it */
	struct vsock_listen listen[VSOCK_LISTENS];
	unsigned int nlisten;
	struct vsock_rules rules;
	/* links */
	struct vsock_link *links;   /* max_links, of which the first nlinks have been used */
	size_t nlinks;
	struct vsock_link *unused;  /* of these, those that are not in use */
	struct list ready;
	struct list asking;         /* links of VSOCK_SIDE_ASKING, in the order in which they came */
	unsigned int nasking;
	/* The last link was taken (false), or one is free again.  May be NULL. */
	void (*room)(struct vsock *v, bool there_is);
	struct vsock_link **hash;   /* by port and guest port */
	size_t nhash;               /* a power of two */
	uint64_t hash_key[2];       /* random: the guest chooses the ports */
	unsigned int redials;       /* connect(2)s tried again in this turn of the loop */
	struct vsock_pool bufs, marks, msgs; /* for links' buf, eom and eor, msg */
	size_t ring_size;           /* buf_size in whole pages */
	uint32_t next_port;         /* of a connection to the guest */
	/* rings */
	struct chain *spare[VSOCK_RX_CHAINS]; /* popped from rx, nothing written yet, in order */
	unsigned int nspare;
	bool rx_turn;               /* rx may be popped */
	bool rx_left;               /* it was not found empty: there may be more */
	struct vsock_packet resets[VSOCK_RESETS];
	unsigned int reset_first, nresets;
	bool tx_waits;              /* there was no room for an answer */
	struct events events;       /* TRANSPORT_RESET */
	uint64_t met;               /* queues seen since the last reset, as bits */
	struct vsock_batch batch;
	struct ev_prepare turn_end; /* of the loop: packets that the host has caused leave */
	/* host */
	struct vsock_door doors[VSOCK_DOORS];
	unsigned int ndoors;
	void *sim;
};

/* What a line asks for. */
struct vsock_call {
	uint32_t port;
	uint32_t from_cid, from_port; /* of "CONNECT PORT CID PORT\n", or 0 */
};

/* What came of reading or writing a link's socket, for the link to act upon. */
enum vsock_io {
	VSOCK_IO_GOOD,        /* there is nothing to do */
	VSOCK_IO_READ_LATER,  /* when the socket has bytes */
	VSOCK_IO_WRITE_LATER, /* when it takes some */
	VSOCK_IO_DRAINED,     /* the host has all that the guest has sent */
	VSOCK_IO_END,         /* the host's bytes have ended */
	VSOCK_IO_DEAF,        /* the host takes no more bytes */
	VSOCK_IO_LOST,        /* the connection is to be reset */
};

/* ---- vsock_rx.c */

/*
 * The rx queue's turn begins, or ends: as many buffers are kept as there is place for.  Between the two more are popped as
 * they are wanted.
 */
void vsock_rx_turn(struct vsock *v, bool begins);

/* The next rx buffer with room for a header, or NULL; it stays first in line until vsock_rx_push. */
struct chain *vsock_rx_chain(struct vsock *v);

/* Writes the header into the first rx buffer and gives it to the guest. */
void vsock_rx_push(struct vsock *v, const struct vsock_packet *p);

/*
 * Lists the room for at most want bytes of payload in the rx buffers there are; there is one (vsock_rx_chain).
 * Returns false when the first has none.
 */
bool vsock_rx_gather(struct vsock *v, struct vsock_portion *p, size_t want);

/* len bytes were read into a portion: gives them to the guest as packets of the connection; flags: of the last one. */
void vsock_rx_deliver(struct vsock *v, const struct vsock_portion *p, struct vsock_conn *c, size_t len, uint32_t flags);

/* Gives the buffers of rx back unused. */
void vsock_rx_return(struct vsock *v);

/* ---- vsock_line.c */

/*
 * Reads "CONNECT PORT\n" of len bytes, or for a sibling "CONNECT PORT CID PORT\n".  The word may be in any case, there may be
 * blanks wherever there is one and at both ends, and a carriage return before the newline.  Returns 0 or -EINVAL.
 */
int vsock_line_parse(const char *line, size_t len, bool sibling, struct vsock_call *call);

/*
 * The socket of a link that came through a door has bytes: those of its line.
 * Returns 0: it is whole, *call is what it asks for; -EAGAIN: there is more to come; -EPIPE, -EINVAL: it will never be one.
 */
int vsock_line_asked(struct vsock_link *l, struct vsock_call *call);

/* Whether the rules let the link's program connect to the guest's port; says who that is, for those who want to know. */
bool vsock_line_may(struct vsock_link *l, uint32_t port);

/* The guest has accepted: tells the host. */
void vsock_line_accept(struct vsock_link *l);

/* Says to another guest's vdevd which port is wanted.  Returns 0 or -errno. */
int vsock_line_greet(struct vsock_link *l);

/* It has bytes: those of its answer.  Returns 0: it has accepted; -EAGAIN: there is more to come; -ECONNREFUSED. */
int vsock_line_greeted(struct vsock_link *l);

/* The socket in a group's directory of the guest with this CID, where type is wanted.  Returns false where its name is too long. */
bool vsock_group_path(const char *dir, uint64_t cid, uint16_t type, char *path, size_t size);

/* ---- vsock_data.c */

/* Whether there is something in the link's buffer that can be written; writes it; drops it. */
bool vsock_buffer_waits(const struct vsock_link *l);
enum vsock_io vsock_buffer_write(struct vsock_link *l);
void vsock_buffer_drop(struct vsock_link *l);

/* Drops the message that the host has sent, too. */
void vsock_message_drop(struct vsock_link *l);

/*
 * Payload of the guest's for the host.  Gives the chain back, now or when the batch is written; the batch must not be
 * full, nor another link's.
 */
enum vsock_io vsock_data_put(struct vsock_link *l, struct chain *c, const struct vsock_packet *p);

/* Whether the batch has no room for a packet. */
bool vsock_batch_full(const struct vsock *v);

/* Writes the batch, which is not empty, to its socket, and gives its chains back. */
enum vsock_io vsock_batch_write(struct vsock *v);

/* Reads of the host's bytes what the guest has credit for, at least a byte's; there is an rx buffer. */
enum vsock_io vsock_data_read(struct vsock_link *l, uint32_t credit);

/* ---- vsock_host.c */

/* The type of the host's sockets for one of the guest's. */
int vsock_socket_type(uint16_t type);

/* Connects to what the guest wants, wherever it leads, if that is allowed; as vsock_host_ops. */
int vsock_host_connect(struct vsock *v, const struct vsock_conn *c, bool *pending);

/* ---- vsock_link.c */

/* Makes the table of links.  Returns 0 or -ENOMEM. */
int vsock_links_open(struct vsock *v);
void vsock_links_close(struct vsock *v);

/* Ends all connections the guest knows or was asked for. */
void vsock_links_reset(struct vsock *v);

struct vsock_link *vsock_link_find(struct vsock *v, const struct vsock_packet *p);

/* The guest asks for a connection.  Returns false where there is no room. */
bool vsock_link_dial(struct vsock *v, const struct vsock_packet *p);

/* A socket was accepted at a door: it will say which port it wants, unless the door does.  fd is the link's. */
void vsock_link_adopt(struct vsock_door *door, int fd);

/* A packet of the guest's for this link; its payload is what is left to read in the chain.  Gives the chain back. */
void vsock_link_receive(struct vsock_link *l, const struct vsock_packet *p, struct chain *c);

/* Writes what waits to be written with one call (vsock_batch), if anything does. */
void vsock_links_flush(struct vsock *v);

/* Lets every link that waits for the rx queue have its turn, as far as there are buffers. */
void vsock_links_serve(struct vsock *v);

/* ---- vsock_door.c */

/* Listens for connections to the guest.  Returns 0, or -errno after a line. */
int vsock_doors_open(struct vsock *v);
void vsock_doors_close(struct vsock *v);

/* ---- what remains to be done once a device serves: vsock_data.c, vsock_host.c, vsock_door.c */

void vsock_links_need(struct sandbox *s);
void vsock_rules_need(const struct vsock *v, struct sandbox *s);
void vsock_doors_need(const struct vsock *v, struct sandbox *s);

#endif
