/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_conn.h - one connection as the protocol sees it: its state, its credit in both directions, the packets it
 * owes the guest.  VIRTIO 1.4, section 5.10.6.  No socket, no ring, no clock.
 */
#ifndef VDEVD_DEVICES_VSOCK_VSOCK_CONN_H
#define VDEVD_DEVICES_VSOCK_VSOCK_CONN_H

#include "core/base.h"

/* Section 5.10.6, struct virtio_vsock_hdr. */
struct vsock_hdr {
	le64 src_cid;
	le64 dst_cid;
	le32 src_port;
	le32 dst_port;
	le32 len;
	le16 type;
	le16 op;
	le32 flags;
	le32 buf_alloc;
	le32 fwd_cnt;
} __attribute__((packed));

enum vsock_op {
	VSOCK_OP_INVALID,
	VSOCK_OP_REQUEST,
	VSOCK_OP_RESPONSE,
	VSOCK_OP_RST,
	VSOCK_OP_SHUTDOWN,
	VSOCK_OP_RW,
	VSOCK_OP_CREDIT_UPDATE,
	VSOCK_OP_CREDIT_REQUEST,
};

#define VSOCK_TYPE_STREAM    1
#define VSOCK_TYPE_SEQPACKET 2

#define VSOCK_SEQ_EOM 1u /* flags of RW: the message ends here */
#define VSOCK_SEQ_EOR 2u /* and so does the record */

#define VSOCK_SHUTDOWN_RECEIVE 1u /* of SHUTDOWN: the sender will not receive any more */
#define VSOCK_SHUTDOWN_SEND    2u /* will not send any more */
#define VSOCK_SHUTDOWN_BOTH    3u

/* A header in the host's byte order. */
struct vsock_packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
};

enum vsock_state {
	VSOCK_NONE,     /* the guest knows of no connection */
	VSOCK_DIALLING, /* its REQUEST waits for the host */
	VSOCK_ASKED,    /* our REQUEST waits for its RESPONSE */
	VSOCK_OPEN,
	VSOCK_ENDING,   /* neither side will send; a RST is to come from the guest */
	VSOCK_DEAD,     /* our RST is on its way */
};

/* What a packet of the guest's means for the host side. */
enum vsock_verdict {
	VSOCK_NOTHING,
	VSOCK_ACCEPTED, /* RESPONSE: the connection is open */
	VSOCK_DATA,     /* its payload is to be forwarded */
	VSOCK_HALF,     /* peer_shutdown has changed */
	VSOCK_GONE,     /* the guest knows of no connection any more */
	VSOCK_WRONG,    /* against the protocol: the connection is to be reset */
};

/* Packets owed to the guest, as bits of pending. */
enum {
	VSOCK_OWES_REQUEST = 1,
	VSOCK_OWES_RESPONSE = 2,
	VSOCK_OWES_UPDATE = 4,  /* CREDIT_UPDATE */
	VSOCK_OWES_ASKING = 8,  /* CREDIT_REQUEST */
	VSOCK_OWES_SHUTDOWN = 16,
	VSOCK_OWES_RST = 32,
};

struct vsock_conn {
	uint64_t cid, guest_cid;  /* ours, the guest's */
	uint32_t port, guest_port;
	uint16_t type;
	uint8_t state;            /* enum vsock_state */
	uint8_t pending;          /* VSOCK_OWES_... */
	uint8_t peer_shutdown;    /* what the guest will not do any more */
	uint8_t told_shutdown;    /* what we have told that we will not */
	bool asked;               /* CREDIT_REQUEST was sent since there was credit last */
	/* guest to host; the counters run freely, section 5.10.6.3 */
	uint32_t buf_alloc;       /* bytes we can hold */
	uint32_t rx_cnt;          /* payload bytes that came */
	uint32_t fwd_cnt;         /* of these, forwarded */
	uint32_t told_fwd;        /* of these, told to the guest */
	/* host to guest */
	uint32_t peer_alloc, peer_fwd, tx_cnt;
};

/* Reads and writes the header's wire form. */
void vsock_packet_get(struct vsock_packet *p, const struct vsock_hdr *h);
void vsock_packet_put(const struct vsock_packet *p, struct vsock_hdr *h);

/* The RST that answers a packet which belongs to no connection. */
void vsock_packet_reset(const struct vsock_packet *in, struct vsock_packet *out);

/* Begins a connection that the guest asks for with REQUEST p; buf_alloc: bytes that can be held for the host. */
void vsock_conn_dial(struct vsock_conn *c, const struct vsock_packet *p, uint32_t buf_alloc);

/* Begins a connection from cid, port to the guest's: it owes a REQUEST. */
void vsock_conn_ask(struct vsock_conn *c, uint64_t cid, uint32_t port, uint64_t guest_cid, uint32_t guest_port,
		    uint16_t type, uint32_t buf_alloc);

/* The host has taken the guest's connection: it owes a RESPONSE. */
void vsock_conn_respond(struct vsock_conn *c);

/*
 * A packet of the guest's for this connection.  Afterwards the credit is as it says, and answers are owed.
 * DATA: p->len bytes are counted as held until vsock_conn_forwarded.
 */
enum vsock_verdict vsock_conn_receive(struct vsock_conn *c, const struct vsock_packet *p);

/* len held bytes are with the host, or dropped; the guest is told when it is worth a packet. */
void vsock_conn_forwarded(struct vsock_conn *c, uint32_t len);

/*
 * Payload bytes the guest has room for now; when there is none, it is asked once.  0, and nothing is asked, where the
 * connection is not open or one side has ended this direction.
 */
uint32_t vsock_conn_credit(struct vsock_conn *c);

/* The header of a packet with len bytes of payload, at most the credit; they count as sent. */
void vsock_conn_send(struct vsock_conn *c, uint32_t len, uint32_t flags, struct vsock_packet *out);

/* We will not do this any more (VSOCK_SHUTDOWN_...): it owes a SHUTDOWN where that is news. */
void vsock_conn_shutdown(struct vsock_conn *c, unsigned int flags);

/* The connection is over: it owes a RST and nothing else. */
void vsock_conn_reset(struct vsock_conn *c);

/*
 * Takes the next packet that is owed.  Returns whether there was one.  After a RST the state is VSOCK_NONE.
 */
bool vsock_conn_next(struct vsock_conn *c, struct vsock_packet *out);

#endif
