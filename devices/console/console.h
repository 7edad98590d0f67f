/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console.h - what the files of the console device share: the instance, its options, its commands.
 */
#ifndef VDEVD_DEVICES_CONSOLE_CONSOLE_H
#define VDEVD_DEVICES_CONSOLE_CONSOLE_H

#include "core/control.h"
#include "devices/console/console_ctl.h"
#include "devices/console/console_ring.h"
#include "devices/console/console_side.h"
#include "devices/lib/events.h"
#include "transport/chain.h"

#define VIRTIO_CONSOLE_F_SIZE	     0
#define VIRTIO_CONSOLE_F_MULTIPORT   1
#define VIRTIO_CONSOLE_F_EMERG_WRITE 2

/* Port 0 has queues 0 and 1; port N, from 1 on, 2N + 2 and 2N + 3. */
enum { CONTROL_RX = 2, CONTROL_TX = 3 };

#define CONTROL_ROOM	256 /* messages that wait for the driver */
#define CONTROL_RESERVE 128 /* of them, for what is no answer: each port opened, resized, plugged */

#define CONSOLE_BUFFER_MAX (128 << 10) /* bytes; a state has room for those of all ports */

struct console_config {
	le16 cols, rows;
	le32 max_nr_ports;
	le32 emerg_wr;
} __attribute__((packed));

_Static_assert(sizeof(struct console_config) == 12, "VIRTIO 1.4: struct virtio_console_config");

struct console;

struct console_port {
	struct console *n;
	unsigned int id;
	char name[CONSOLE_NAME_MAX + 1];
	const struct console_side_ops *ops;
	struct console_side_args args;
	struct console_side *side;
	struct console_ring out; /* of the guest, for the other side */
	struct chain *tx;	 /* there was not room for all of it; tx_len: its bytes at first */
	size_t tx_len;
	size_t skip, skip_of;	 /* a chain of skip_of bytes was given back, and so many of it have been taken */
	struct chain *rx;	 /* waits for the other side */
	struct {
		uint64_t tx, written, dropped, rx, emergency; /* bytes */
	} count;
};

enum { CONSOLE_OVERFLOW_AUTO, CONSOLE_OVERFLOW_DROP, CONSOLE_OVERFLOW_HOLD };

struct console {
	struct vdev d;
	/* options */
	uint64_t buffer, tcp_port, max_queue_size;
	unsigned int overflow, backend;
	bool no_escape, rows_first;
	char tcp_value[32];
	/* */
	struct vdev_queue_desc queues[2 * (CONSOLE_PORTS + 1)];
	char queue_names[2 * (CONSOLE_PORTS + 1)][40];
	struct console_ctl ctl;
	struct console_port ports[CONSOLE_PORTS];
	struct events events;
	bool control_held; /* messages of the driver wait until there is room for answers */
	uint8_t bounce[4096];
};

extern const struct opt console_opts[];
extern const struct control_command console_commands[];

int console_check(struct vdev *d);
int console_fit(struct vdev *d, unsigned int i, unsigned int count);

/* The consoles have this size from now on: the driver is told. */
void console_resize(struct console *n, uint16_t cols, uint16_t rows);

/* Reads "80x24".  Returns false where it is none. */
bool console_parse_size(const char *value, uint16_t *cols, uint16_t *rows);

#endif
