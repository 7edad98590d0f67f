/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock.h - the inside of the socket device: what the virtio side (vsock.c, vsock_rings.c), connections (vsock_link.c) and the
 * host sides (vsock_unix.c, vsock_sim.c) share.
 *
 * Theory of operation.  A link is a connection of the guest's with a non-blocking socket of the host's.
 *
 * Guest to host: the payload is written to the socket from guest memory.  What the socket does not take is copied into the
 * link's buffer, which has room for all that the guest may send before it is told of more (buf_alloc), so a chain of the tx
 * queue is always given back in the turn in which it came, whatever the host does.
 *
 * Host to guest: the socket is read into guest memory, and only when there is credit and a buffer.  Where there is no credit, the
 * link waits for a packet that brings some; where there is no buffer, it stands in the line of those that wait for the rx
 * queue (ready), first come, first served.  A link is given one portion (VSOCK_PORTION) at a time, so a bulk transfer does
 * not hold up a short question.
 */
#ifndef VDEVD_DEVICES_VSOCK_VSOCK_H
#define VDEVD_DEVICES_VSOCK_VSOCK_H

#include <ev.h>
#include <sys/queue.h>

#include "core/device.h"
#include "core/unix_socket.h"
#include "devices/vsock/vsock_conn.h"
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
#define VSOCK_RX_CHAINS 64     /* buffers filled by one read */
#define VSOCK_TX_CHAINS 64     /* packets written by one write */
#define VSOCK_IOV       512    /* pieces of guest memory in one read or write */
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
	struct unix_listener listener;
	struct ev_io acceptable;
	struct ev_timer retry; /* when there was no descriptor or memory for a connection */
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
	bool hashed, queued;
	bool stalled;               /* not read for want of credit */
	bool want_read;             /* in the line to be read, not only to be told something */
	bool ended;                 /* the host's bytes have ended, or nobody wants them */
	bool deaf;                  /* the host takes no more bytes */
	uint8_t *buf;               /* bytes for the host: a ring of v->ring_size */
	size_t head, fill;
	uint64_t *eom, *eor;        /* of SEQPACKET: a bit for each byte of it, where messages and records end */
	size_t ends;                /* messages in it that are whole */
	uint8_t *msg;               /* a message of the host's, of which the guest has msg_at bytes */
	size_t msg_len, msg_at;     /* msg_len 0: none */
	uint32_t msg_flags;         /* VSOCK_SEQ_... */
	unsigned int burst;         /* messages read since the socket was watched */
	bool touched;               /* the buffers have pages */
	struct vsock_link *next;    /* of the same hash */
	TAILQ_ENTRY(vsock_link) list;
};

TAILQ_HEAD(vsock_links, vsock_link);

/* Guest memory for what a link is read into. */
struct vsock_portion {
	unsigned int n, niov;
	uint32_t room[VSOCK_RX_CHAINS]; /* for payload, of the first n rx buffers */
	struct iovec iov[VSOCK_IOV];
};

/* Where the guest's connections go. */
struct vsock_host_ops {
	const char *name;
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
	const struct vsock_host_ops *host;
	uint64_t forward_cid;       /* 0: none */
	uint64_t queue_size;        /* of the replaced daemon; nothing comes of it */
	struct vsock_listen listen[VSOCK_LISTENS];
	unsigned int nlisten;
	struct vsock_rules rules;
	/* links */
	struct vsock_link *links;
	struct vsock_link **hash;   /* by port and guest port */
	size_t nhash;               /* a power of two */
	struct vsock_links unused, ready;
	uint8_t *pool;              /* the links' buffers */
	size_t pool_size, stride;   /* of all; from link to link */
	size_t ring_size;           /* buf_size in whole pages */
	uint32_t next_port;         /* of a connection to the guest */
	/* rings */
	struct chain *spare[VSOCK_RX_CHAINS]; /* popped from rx, nothing written yet, in order */
	unsigned int nspare;
	struct vsock_packet resets[VSOCK_RESETS];
	unsigned int reset_first, nresets;
	bool tx_waits;              /* there was no room for an answer */
	struct chain *event;        /* popped from event, nothing written yet */
	bool event_due;             /* TRANSPORT_RESET */
	uint64_t met;               /* queues seen since the last reset, as bits */
	struct vsock_batch batch;
	/* host */
	struct vsock_door doors[VSOCK_DOORS];
	unsigned int ndoors;
	void *sim;
};

/* ---- vsock_rings.c */

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

/* Lets every link that waits for the rx queue have its turn, as far as there are buffers. */
void vsock_pump(struct vsock *v);

/* The rx queue has buffers; the tx queue has packets: works them off. */
void vsock_rx(struct vsock *v);
void vsock_tx(struct vsock *v);

/* Gives the buffers of rx back unused. */
void vsock_rx_return(struct vsock *v);

/* ---- vsock_data.c */

/* Payload of the guest's for the host.  Gives the chain back, now or when the batch is flushed. */
void vsock_link_data(struct vsock_link *l, struct chain *c, const struct vsock_packet *p);

/* Writes the batch to its socket and gives its chains back. */
void vsock_batch_flush(struct vsock *v);

/* Whether there is something in the link's buffer that can be written; writes it; drops it. */
bool vsock_buffer_waits(const struct vsock_link *l);
void vsock_buffer_flush(struct vsock_link *l);
void vsock_buffer_drop(struct vsock_link *l);

/* Reads of the host's bytes what the guest has credit for, at least a byte's; there is an rx buffer. */
void vsock_link_read(struct vsock_link *l, uint32_t credit);

/* ---- vsock_link.c */

/* Makes the table of links.  Returns 0 or -ENOMEM. */
int vsock_links_open(struct vsock *v);
void vsock_links_close(struct vsock *v);

/* Ends all connections the guest knows or was asked for. */
void vsock_links_reset(struct vsock *v);

struct vsock_link *vsock_link_find(struct vsock *v, const struct vsock_packet *p);

/* A link that is not in use, or NULL. */
struct vsock_link *vsock_link_new(struct vsock *v);

/* Ends the link at once; the guest is told nothing. */
void vsock_link_free(struct vsock_link *l);

/* The guest asks for a connection.  Returns false where there is no room. */
bool vsock_link_dial(struct vsock *v, const struct vsock_packet *p);

/* The host asks for a connection to a port of the guest's. */
void vsock_link_ask(struct vsock_link *l, uint32_t guest_port, uint16_t type);

/* Another guest, from this port of its.  Returns false where there is such a connection. */
bool vsock_link_ask_from(struct vsock_link *l, uint32_t guest_port, uint16_t type, uint64_t cid, uint32_t port);

/* Another guest has accepted, or not. */
void vsock_link_greeted(struct vsock_link *l, bool accepted);

/* A socket was accepted at a door: it will say which port it wants. */
void vsock_link_adopt(struct vsock_link *l, struct vsock_door *door, int fd);

/* A packet of the guest's for this link; its payload is what is left to read in the chain.  Gives the chain back. */
void vsock_link_receive(struct vsock_link *l, const struct vsock_packet *p, struct chain *c);

/* A write to the host's socket has failed; has made progress; has emptied the buffer. */
void vsock_link_write_failed(struct vsock_link *l, int err);
void vsock_link_progress(struct vsock_link *l);
void vsock_link_drained(struct vsock_link *l);

/* The host's bytes have ended: by half, or, where its socket has gone, in both directions. */
void vsock_link_end(struct vsock_link *l);

/* Resets the connection: the guest will get a RST, the host sees its socket closed. */
void vsock_link_abort(struct vsock_link *l);

/* The link's turn at the rx queue, where there is a buffer.  Returns false when it needs another buffer. */
bool vsock_link_serve(struct vsock_link *l);

/* Puts the link in the line for the rx queue. */
void vsock_link_queue(struct vsock_link *l);

/* Gives what the link waits for so many seconds. */
void vsock_link_patience(struct vsock_link *l, double s);

/* ---- vsock_host.c */

/* The type of the host's sockets for one of the guest's. */
int vsock_socket_type(uint16_t type);

/* Connects to what the guest wants, wherever it leads, if that is allowed; as vsock_host_ops. */
int vsock_host_connect(struct vsock *v, const struct vsock_conn *c, bool *pending);

/* ---- vsock_unix.c */

/* Listens for connections to the guest.  Returns 0, or -errno after a line. */
int vsock_doors_open(struct vsock *v);
void vsock_doors_close(struct vsock *v);

/* A link is free again: connections that wait can be taken. */
void vsock_unix_resume(struct vsock *v);

/* An accepted socket has bytes: those of the line that says which port it wants. */
void vsock_unix_asking(struct vsock_link *l);

/* The guest has accepted: tells the host.  Returns false when it is gone. */
bool vsock_unix_accepted(struct vsock_link *l);

/* The socket in a group's directory of the guest with this CID, where type is wanted.  Returns false where its name is too long. */
bool vsock_group_path(const char *dir, uint64_t cid, uint16_t type, char *path, size_t size);

/* Says to another guest's vdevd which port is wanted.  Returns 0 or -errno. */
int vsock_unix_greet(struct vsock_link *l);

/* It has bytes: those of its answer. */
void vsock_unix_greeting(struct vsock_link *l);

/* What a line asks for. */
struct vsock_call {
	uint32_t port;
	uint32_t from_cid, from_port; /* of "CONNECT PORT CID PORT\n", or 0 */
};

/* Reads "CONNECT PORT\n" of len bytes, or for a sibling "CONNECT PORT CID PORT\n".  Returns 0 or -EINVAL. */
int vsock_unix_parse(const char *line, size_t len, bool sibling, struct vsock_call *call);

#endif
