/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_ctl.h - the control messages of a console with several ports, as a machine without sockets, rings or clock:
 * VIRTIO 1.4, section 5.3.6.2 "Multiport Device Operation".
 *
 *	               plugged                PORT_READY 1               PORT_OPEN 1
 *	absent -------------------> added ----------------> ready --------------------> open
 *	   ^    (PORT_ADD is sent)                            (CONSOLE_PORT, PORT_NAME,  (the driver's side)
 *	   +---- unplugged (PORT_REMOVE), from any             PORT_OPEN, RESIZE are sent)
 *
 * Nothing is sent before the driver has said DEVICE_READY.
 */
#ifndef VDEVD_DEVICES_CONSOLE_CONSOLE_CTL_H
#define VDEVD_DEVICES_CONSOLE_CONSOLE_CTL_H

#include "core/base.h"

#define CONSOLE_PORTS 31 /* the most; Linux' User-Mode port has 64 queues at most */
#define CONSOLE_NAME_MAX 63 /* bytes of a port's name */

enum console_event {
	VIRTIO_CONSOLE_DEVICE_READY,
	VIRTIO_CONSOLE_PORT_ADD,
	VIRTIO_CONSOLE_PORT_REMOVE,
	VIRTIO_CONSOLE_PORT_READY,
	VIRTIO_CONSOLE_CONSOLE_PORT,
	VIRTIO_CONSOLE_RESIZE,
	VIRTIO_CONSOLE_PORT_OPEN,
	VIRTIO_CONSOLE_PORT_NAME,
};

/* struct virtio_console_control. */
struct console_control {
	le32 id;
	le16 event;
	le16 value;
} __attribute__((packed));

_Static_assert(sizeof(struct console_control) == 8, "VIRTIO 1.4: struct virtio_console_control");

/* The longest message, bytes: one with a name. */
#define CONSOLE_CONTROL_MAX (sizeof(struct console_control) + CONSOLE_NAME_MAX)

/* The most messages that one of the driver's is answered with. */
#define CONSOLE_ANSWERS_MAX CONSOLE_PORTS

struct console_ctl_port {
	const char *name;  /* at most CONSOLE_NAME_MAX bytes; NULL: none.  Not copied */
	bool console;      /* hvc: CONSOLE_PORT is said of it */
	bool plugged;      /* the operator's: there is such a port */
	bool host_open;    /* somebody is at the other side */
	bool ready;        /* the driver has it */
	bool guest_open;   /* a program of the guest has it open */
};

struct console_ctl {
	struct console_ctl_port ports[CONSOLE_PORTS];
	unsigned int nports;
	bool ready;        /* DEVICE_READY was said */
	bool sizes;        /* VIRTIO_CONSOLE_F_SIZE is negotiated: RESIZE is sent */
	bool rows_first;   /* RESIZE has rows before columns, as drivers before Linux 6.15 read it */
	uint16_t cols, rows; /* of all consoles */
	/* Sends a message of at most CONSOLE_CONTROL_MAX bytes, copied.  replaces: an older one of this port and event is out of date. */
	void (*send)(void *user, const void *message, size_t len, bool replaces);
	void *user;
};

/*
 * A message of the driver.
 * Returns NULL, or what is wrong with it: then nothing happened.
 */
const char *console_ctl_message(struct console_ctl *m, const struct console_control *message);

/* The operator plugs or unplugs port id, below nports.  Returns 0; -EALREADY: it is so. */
int console_ctl_plug(struct console_ctl *m, unsigned int id, bool plugged);

/* Somebody is at the other side of port id from now on, or nobody.  May be called when it is so already. */
void console_ctl_host_open(struct console_ctl *m, unsigned int id, bool open);

/* The consoles have this size from now on, in characters. */
void console_ctl_resize(struct console_ctl *m, uint16_t cols, uint16_t rows);

/* Forgets what the driver has said. */
void console_ctl_reset(struct console_ctl *m);

#endif
