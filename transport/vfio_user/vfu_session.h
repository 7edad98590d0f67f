/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfu_session.h - the inside of the vfio-user server: what vfio_user.c (its life), vfu_conn.c (connection), vfu_request.c
 * (messages), vfu_irq.c (interrupts), vfu_memory.c (guest memory) and vfu_migrate.c (migration) share.
 *
 * Theory of operation.  All runs on the loop of the device.  A connection is read message by message, and none is read before
 * the last is answered.  An access to a region goes to the function's registers (virtio_pci.h), which answer at once.  What needs the rings to
 * stop (DEVICE_RESET, DMA_UNMAP of memory in use, the end of the connection) pauses the function, which may have to wait for a host
 * operation; meanwhile no message is read, but the end of the connection is seen.
 *
 * A notification of the driver comes as a REGION_WRITE: nobody hands out an eventfd for it (DEVICE_GET_REGION_IO_FDS, which QEMU 11.1
 * does not send).  The queue has its turn when the message was answered, if it wants an answer.
 */
#ifndef VDEVD_TRANSPORT_VFIO_USER_VFU_SESSION_H
#define VDEVD_TRANSPORT_VFIO_USER_VFU_SESSION_H

#include <ev.h>

#include "core/loop.h"
#include "transport/ring/served.h"
#include "transport/vfio_user/vfio_user.h"
#include "transport/vfio_user/vfu_wire.h"
#include "transport/virtio_pci/virtio_pci.h"

/* Memory that cannot be reached: it came without a descriptor, or may only be read. */
struct vfu_range {
	uint64_t address, size;
};

struct vfu_backend {
	struct vdev *d;
	struct vpci *function;
	const struct gmem_backend *mem_backend;
	struct gmem *mem; /* NULL: no client is there */
	void (*closed)(void *arg);
	void *arg;
	struct ev_prepare flush;
	bool trace; /* VDEVD_TRACE */

	struct vfu_range unreached[VFU_DMA_MAPS_MAX];
	unsigned int nunreached;
	bool remapping;         /* memory that rings used has gone, and perhaps comes again: the function is paused */
	struct ev_timer remapped;

	/* The connection: vfu_conn.c. */
	struct {
		int sock; /* -1: none */
		struct ev_io io;
		struct hangup hangup; /* watched while io is not */
		bool known;	      /* VERSION came */
		bool replying;	      /* the socket was full: nothing is read before the reply is out */
		bool paused;	      /* the message waits for the rings */
		bool closing;
		/* What is read: got bytes of it are there. */
		struct vfu_header h;
		size_t got;
		int fds[VFU_FDS_MAX];
		unsigned int nfds;
		/* And what is sent. */
		struct vfu_header reply_h;
		size_t reply_done;
	} conn;
	/* Migration: vfu_migrate.c. */
	struct {
		uint32_t state;        /* enum vfu_mig */
		struct state bytes;    /* being read, done of them so far; or being written */
		size_t done;
		struct dirty_log *log; /* NULL: nothing is logged */
		uint8_t *bits;	       /* the same memory */
		size_t bits_len;
	} mig;
	uint8_t *in, *out; /* payloads, of VFU_PAYLOAD_MAX bytes */

	/* Interrupts: vfu_irq.c.  Where the client hears of each; fd -1: nowhere. */
	struct {
		struct notify_fd intx, err, req;
		struct notify_fd *vectors; /* as many as the function has */
		bool intx_masked;
	} irq;
};

/* vfu_conn.c */

/* Serves a client on this socket.  Returns 0 or -errno. */
int vfu_conn_open(struct vfu_backend *b, int sock);
/* Ends the connection; why: a sentence part for the log, or NULL. */
void vfu_close(struct vfu_backend *b, const char *why);
/* Answers the message that was read last: len bytes of out, or an error (-errno).  The next is read then. */
void vfu_answer(struct vfu_backend *b, int err, size_t len);
/* Answers later: no message is read before vfu_answer. */
void vfu_conn_pause(struct vfu_backend *b);
void vfu_readable(struct ev_loop *loop, struct ev_io *w, int revents);
void vfu_hung_up(struct hangup *h);
/* Closes the descriptors that came with the message and were not taken. */
void vfu_drop_fds(struct vfu_backend *b);

/* vfu_request.c */

const char *vfu_command_name(unsigned int command);
/* A whole message is in conn.h and in. */
void vfu_handle(struct vfu_backend *b);

/* vfu_irq.c */

int vfu_irqs_new(struct vfu_backend *b);
/* Closes all that the client gave. */
void vfu_irqs_clear(struct vfu_backend *b);
void vfu_irqs_free(struct vfu_backend *b);
/* The function's events. */
extern const struct vpci_events vfu_function_events;
/* DEVICE_GET_IRQ_INFO, DEVICE_SET_IRQS: size bytes of payload are in b->in.  Return the length of the answer, or -errno. */
int vfu_irq_info(struct vfu_backend *b, size_t size);
int vfu_irq_set(struct vfu_backend *b, size_t size);

/* vfu_memory.c */

/* DMA_MAP, DMA_UNMAP; likewise; VFU_LATER: answered later. */
int vfu_dma_map(struct vfu_backend *b, size_t size);
int vfu_dma_unmap(struct vfu_backend *b, size_t size);
void vfu_memory_init(struct vfu_backend *b);
/* Memory is as it is to be, since something else is said: rings go on.  A message comes, or the connection ends (gone). */
void vfu_memory_settled(struct vfu_backend *b, bool gone);

/* vfu_migrate.c */

/* DEVICE_FEATURE, MIG_DATA_READ, MIG_DATA_WRITE; likewise. */
int vfu_feature(struct vfu_backend *b, size_t size);
int vfu_mig_read(struct vfu_backend *b, size_t size);
int vfu_mig_write(struct vfu_backend *b, size_t size);
/* The device runs, and what was under way is forgotten; the log ends. */
void vfu_migrate_reset(struct vfu_backend *b);
void vfu_log_stop(struct vfu_backend *b);

#define VFU_LATER INT32_MAX

#endif
