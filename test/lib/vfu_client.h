/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfu_client.h - a client of vfio-user, and a driver of virtio PCI on top of it, for tests: all in one process with the server,
 * whose loop runs while the client waits.
 *
 * All functions assert: what is not said to be returned as an error ends the test.
 */
#ifndef VDEVD_TEST_LIB_VFU_CLIENT_H
#define VDEVD_TEST_LIB_VFU_CLIENT_H

#include <ev.h>

#include "core/device.h"
#include "transport/driver/driver_ring.h"
#include "transport/vfio_user/vfu_wire.h"

/* Guest memory: where it begins, bytes, and where in it the rings (one each) and the buffers are. */
#define VFUC_MEM_AT   UINT64_C(0x40000000)
#define VFUC_MEM_SIZE (8u << 20)
#define VFUC_RING_AT(q) ((q) * 0x40000u)
#define VFUC_BUFFERS_AT (4u << 20)

/* The most queues that are driven. */
#define VFUC_QUEUES 4

/* Registers: VIRTIO 1.4, section 4.1.4.3, and where the server's capabilities must say the structures are. */
enum {
	VFUC_DEVICE_FEATURE_SELECT = 0x00,
	VFUC_DEVICE_FEATURE = 0x04,
	VFUC_DRIVER_FEATURE_SELECT = 0x08,
	VFUC_DRIVER_FEATURE = 0x0c,
	VFUC_CONFIG_VECTOR = 0x10,
	VFUC_NUM_QUEUES = 0x12,
	VFUC_STATUS = 0x14,
	VFUC_GENERATION = 0x15,
	VFUC_QUEUE_SELECT = 0x16,
	VFUC_QUEUE_SIZE = 0x18,
	VFUC_QUEUE_VECTOR = 0x1a,
	VFUC_QUEUE_ENABLE = 0x1c,
	VFUC_QUEUE_NOTIFY_OFF = 0x1e,
	VFUC_QUEUE_DESC = 0x20,
	VFUC_QUEUE_DRIVER = 0x28,
	VFUC_QUEUE_DEVICE = 0x30,
	VFUC_QUEUE_RESET = 0x3a,
};

/* device_status */
#define VFUC_ACKNOWLEDGE 1u
#define VFUC_DRIVER	 2u
#define VFUC_DRIVER_OK	 4u
#define VFUC_FEATURES_OK 8u
#define VFUC_NEEDS_RESET 0x40u

struct vfuc {
	struct ev_loop *loop;
	int sock;
	uint16_t id;
	/* The last answer. */
	struct vfu_header h;
	uint8_t in[sizeof(struct vfu_access) + VFU_XFER_MAX];
	/* The driver. */
	int mem_fd;
	uint8_t *mem;
	uint64_t features;
	struct driver_ring *rings[VFUC_QUEUES];
	int vectors[VFUC_QUEUES + 1]; /* eventfds; -1: none */
	/* Where capabilities say that the structures are: bar and offset. */
	struct {
		uint8_t bar;
		uint32_t offset, length;
	} common, isr, device, notify;
	uint32_t notify_step;
	uint8_t msix_at, pci_cfg_at;
};

/* A client on this socket, which nothing was said on; its end.  sock is its own from now on. */
void vfuc_init(struct vfuc *c, struct ev_loop *loop, int sock);
void vfuc_fini(struct vfuc *c);

/* Lets the server's loop run a few times. */
void vfuc_idle(struct vfuc *c);

/* Sends a message of these bytes, with descriptors that stay the caller's.  flags: VFU_NO_REPLY or 0. */
void vfuc_send(struct vfuc *c, unsigned int command, uint32_t flags, const void *payload, size_t size, const int *fds,
	       unsigned int nfds);
/* Waits for the answer.  Returns bytes of payload in c->in; -errno: that error; -EPIPE: the connection ended. */
int vfuc_reply(struct vfuc *c);
/* Whether an answer, or the end, has come by now. */
bool vfuc_answered(struct vfuc *c);
/* Both. */
int vfuc_ask(struct vfuc *c, unsigned int command, const void *payload, size_t size);

/* VERSION with all capabilities; and DMA_MAP of the memory. */
void vfuc_hello(struct vfuc *c);
int vfuc_map(struct vfuc *c, uint64_t at, uint64_t size, uint64_t offset, uint32_t flags, int fd);
int vfuc_unmap(struct vfuc *c, uint64_t at, uint64_t size, uint32_t flags);

/* Accesses; of at most 8 bytes.  The second returns 0 or -errno. */
uint64_t vfuc_read(struct vfuc *c, uint32_t region, uint64_t off, size_t len);
int vfuc_write(struct vfuc *c, uint32_t region, uint64_t off, uint64_t value, size_t len);
/* To the common configuration. */
uint64_t vfuc_get(struct vfuc *c, unsigned int reg, size_t len);
void vfuc_put(struct vfuc *c, unsigned int reg, uint64_t value, size_t len);

/* Sets eventfds for count interrupts of an index from start on. */
int vfuc_set_fds(struct vfuc *c, uint32_t index, uint32_t start, const int *fds, uint32_t count);
int vfuc_set_irqs(struct vfuc *c, uint32_t flags, uint32_t index, uint32_t start, uint32_t count);

/* Follows the capability list. */
void vfuc_find(struct vfuc *c);

/*
 * As a driver does it, from the reset to DRIVER_OK: memory, vectors (msix), features less those refused, nqueues queues of num
 * entries.  Before it: vfuc_hello.
 */
void vfuc_drive(struct vfuc *c, unsigned int nqueues, unsigned int num, uint64_t refuse, bool msix);
/* A ring of num entries for a queue, which is enabled then. */
void vfuc_queue(struct vfuc *c, unsigned int q, unsigned int num);

/* Puts a request into a ring and notifies, not waiting for an answer: out is read by the device; in_len bytes it may write. */
void vfuc_submit(struct vfuc *c, unsigned int q, const void *out, size_t out_len, size_t in_len);
/* Waits until the device has used one; returns the bytes written. */
uint32_t vfuc_used(struct vfuc *c, unsigned int q);
/* Both; the answer is what was sent, as of the echo device. */
void vfuc_echo(struct vfuc *c, unsigned int q);

/* Interrupts that have come on a vector since this was last asked, after the loop has run a while; waits for one. */
uint64_t vfuc_irqs(struct vfuc *c, int fd);
uint64_t vfuc_irq_wait(struct vfuc *c, int fd);

#endif
