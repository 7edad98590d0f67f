/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * can_host.h - what the CAN device wants of a host: a bus to put frames on.  Two implementations: SocketCAN
 * (can_socket.c) and a simulator (can_sim.c).
 *
 * A host tells its user of what happens from the loop, never from inside a call of the user's.
 */
#ifndef VDEVD_DEVICES_CAN_CAN_HOST_H
#define VDEVD_DEVICES_CAN_CAN_HOST_H

#include <ev.h>

#include "core/device.h"
#include "core/policy.h"

/* The most data of a frame, bytes: of a classic one, of CAN FD. */
#define CAN_CLASSIC_MAX 8
#define CAN_FD_MAX	64

/* The bits of can_msg.flags: VIRTIO_CAN_FLAGS_... */
#define CAN_FLAG_RTR	  0x2000u
#define CAN_FLAG_FD	  0x4000u
#define CAN_FLAG_EXTENDED 0x8000u
#define CAN_FLAGS	  (CAN_FLAG_RTR | CAN_FLAG_FD | CAN_FLAG_EXTENDED)

/* The largest identifiers of 11 and 29 bits; and what an operator's number has added for the latter, as SocketCAN has. */
#define CAN_ID_MAX	    0x7ffu
#define CAN_ID_EXTENDED_MAX 0x1fffffffu
#define CAN_ID_EXTENDED	    0x80000000u

/* A frame.  Bytes of data behind len are 0; a remote frame (RTR) has a length and no data. */
struct can_msg {
	uint32_t id;
	uint16_t flags;
	uint8_t len; /* of data, bytes */
	uint8_t padding;
	uint8_t data[CAN_FD_MAX];
};

/* The states of a controller: ISO 11898-1. */
enum can_state {
	CAN_ERROR_ACTIVE,
	CAN_ERROR_WARNING,
	CAN_ERROR_PASSIVE,
};

/* The state with these errors, of sending or receiving, whichever are more: from 96 on a warning, from 128 on passive. */
static inline enum can_state can_state_of(unsigned int errors)
{
	return errors < 96 ? CAN_ERROR_ACTIVE : errors < 128 ? CAN_ERROR_WARNING : CAN_ERROR_PASSIVE;
}

/* The number that an operator knows a frame by. */
static inline uint32_t can_msg_number(const struct can_msg *m)
{
	return m->id | (m->flags & CAN_FLAG_EXTENDED ? CAN_ID_EXTENDED : 0);
}

/* Whether a frame can be: its identifier, its length, its flags. */
bool can_msg_valid(const struct can_msg *m);

/* What a host tells. */
struct can_user_ops {
	/* A frame of another node has come. */
	void (*received)(void *user, const struct can_msg *m);
	/* A frame of ours has been on the bus, and was acknowledged. */
	void (*sent)(void *user, const struct can_msg *m);
	/* So many frames from the bus were lost before they came here; echoes of ours may be among them. */
	void (*lost)(void *user, uint64_t n);
	/* The controller has left the bus. */
	void (*bus_off)(void *user);
	/* The bus is not to be reached: frames under way are lost.  err: -ENETDOWN, -ENODEV. */
	void (*down)(void *user, int err);
	/* Something went wrong on the bus. */
	void (*error)(void *user, const char *what);
	/* The controller's error counters, and the state that follows from them. */
	void (*counters)(void *user, enum can_state state, unsigned int tx, unsigned int rx);
};

struct can_host_args {
	struct vdev *d;	       /* its loop, log and control socket */
	const char *interface; /* SocketCAN's; NULL: none */
	uint32_t bitrate, data_bitrate; /* bit/s: the interface is brought up with these; 0: it is the host's to see to */
	bool brs;	       /* CAN FD frames are sent with the fast bit rate */
	uint64_t priority;     /* SO_PRIORITY of what is sent */
	const struct policy_set *allow_rx, *allow_tx; /* empty: all */
	bool sim_echo;
	const char *sim_bus;   /* path of the bus of several vdevds; NULL: none */
	const struct can_user_ops *ops;
	void *user;
};

struct can_host;

struct can_host_ops {
	/* What it does with the host after start, by the arguments alone. */
	void (*needs)(const struct can_host_args *args, struct sandbox *s);
	/*
	 * Makes the host; args must stay.  *fd: whether it knows CAN FD.
	 * Returns 0 and *out (end with stop), or -errno after it has logged why.
	 */
	int (*start)(const struct can_host_args *args, struct can_host **out, bool *fd);
	void (*stop)(struct can_host *h);
	/* Takes part in the bus from now on.  Returns 0, -ENETDOWN or another -errno.  Stays where it is already. */
	int (*up)(struct can_host *h);
	/* Takes no part any more: nothing is told.  What was handed on may still reach the bus. */
	void (*down)(struct can_host *h);
	/* Sends a frame.  Returns 0: sent is told; -EAGAIN: not now; or another -errno. */
	int (*send)(struct can_host *h, const struct can_msg *m);
};

extern const struct can_host_ops can_socket_ops, can_sim_ops;

#endif
