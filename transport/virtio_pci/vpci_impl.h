/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vpci_impl.h - the inside of a virtio PCI function: what virtio_pci.c (its life, rings), vpci_config.c (configuration space),
 * vpci_common.c (common configuration), vpci_irq.c (interrupts) and vpci_state.c (migration) share.
 */
#ifndef VDEVD_TRANSPORT_VIRTIO_PCI_VPCI_IMPL_H
#define VDEVD_TRANSPORT_VIRTIO_PCI_VPCI_IMPL_H

#include "transport/ring/served.h"
#include "transport/virtio_pci/virtio_pci.h"

/* Where the structures are in VPCI_BAR0. */
#define VPCI_COMMON_AT	 0x0000u
#define VPCI_ISR_AT	 0x1000u
#define VPCI_DEVICE_AT	 0x2000u
#define VPCI_NOTIFY_AT	 0x3000u
#define VPCI_BAR0_SIZE	 0x4000u
#define VPCI_COMMON_SIZE 0x40u

/* Bytes from one queue's notification address to the next. */
#define VPCI_NOTIFY_STEP 4u

/* In VPCI_BAR1. */
#define VPCI_TABLE_AT	0x0000u
#define VPCI_PENDING_AT 0x2000u
#define VPCI_BAR1_SIZE	0x4000u
#define VPCI_TABLE_ENTRY 16u

#define VPCI_CONFIG_SIZE 256u

#define VIRTIO_MSI_NO_VECTOR 0xffffu

/* ISR status: VIRTIO 1.4, section 4.1.4.5. */
#define VPCI_ISR_QUEUE	1u
#define VPCI_ISR_CONFIG 2u

/* A queue as the driver has set it up: VIRTIO 1.4, section 4.1.4.3. */
struct vpci_queue {
	struct served served;
	struct vpci *p;
	unsigned int index;
	uint16_t size, vector;
	uint64_t desc, driver, device;
	bool enabled;   /* queue_enable */
	bool resetting; /* queue_reset, and chains are still out */
	uint32_t base;  /* where the ring goes on */
};

struct vpci {
	struct vdev *d;
	struct vdev_transport_ops ops; /* what the device has of us */
	const struct vpci_events *ev;
	void *arg;
	struct gmem *mem;
	struct dirty_log *log; /* NULL: nothing is logged */
	struct vpci_queue *queues;
	struct virtq **vqs;
	unsigned int nqueues;

	/* Common configuration. */
	uint32_t device_feature_select, driver_feature_select;
	uint64_t driver_features;
	uint16_t config_vector, queue_select;
	uint8_t status, generation;

	/* Interrupts. */
	uint8_t isr;
	bool intx_was;
	uint8_t table[VPCI_VECTORS_MAX * VPCI_TABLE_ENTRY];
	uint64_t pending[(VPCI_VECTORS_MAX + 63) / 64];
	uint64_t masked[(VPCI_VECTORS_MAX + 63) / 64]; /* by the wire */

	uint8_t config[VPCI_CONFIG_SIZE], writable[VPCI_CONFIG_SIZE];

	unsigned int notified;            /* the queue whose turn is due; nqueues: none */
	bool resetting;                   /* the driver wrote 0, and chains are still out */
	bool paused;
	void (*stopped)(void *arg);       /* a pause that waits */
	struct loop_again drained;
};

/* virtio_pci.c */

/* Starts the ring of a queue that is enabled.  What keeps it from that is told, and the device needs a reset. */
void vpci_queue_start(struct vpci_queue *q);
/* Stops it, and forgets what the driver said of it. */
void vpci_queue_reset(struct vpci_queue *q);
/* The driver is ready, or not: rings give chains when it is. */
void vpci_gate(struct vpci *p);
/* The driver wrote 0 to device_status. */
void vpci_driver_reset(struct vpci *p);
/* The device has failed the driver: DEVICE_NEEDS_RESET. */
void vpci_needs_reset(struct vpci *p);

/* vpci_common.c */

void vpci_common_read(const struct vpci *p, size_t off, uint8_t *buf, size_t len);
void vpci_common_write(struct vpci *p, size_t off, const uint8_t *buf, size_t len);

/* vpci_config.c */

void vpci_config_init(struct vpci *p);
void vpci_config_read(struct vpci *p, size_t off, uint8_t *buf, size_t len);
void vpci_config_write(struct vpci *p, size_t off, const uint8_t *buf, size_t len);
bool vpci_msix_enabled(const struct vpci *p);
bool vpci_msix_masked(const struct vpci *p);
bool vpci_intx_disabled(const struct vpci *p);

/* vpci_irq.c */

/* A queue has used buffers, or the configuration changed: cause is a bit of the ISR status. */
void vpci_interrupt(struct vpci *p, uint8_t cause, uint16_t vector);
void vpci_irq_reset(struct vpci *p);
uint8_t vpci_isr_take(struct vpci *p);
void vpci_msix_read(const struct vpci *p, size_t off, uint8_t *buf, size_t len);
void vpci_msix_write(struct vpci *p, size_t off, const uint8_t *buf, size_t len);

#endif
