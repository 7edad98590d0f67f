/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio_pci.h - a device as a virtio PCI function: its configuration space, its registers, its rings.
 * VIRTIO 1.4, section 4.1 "Virtio Over PCI Bus"; no legacy interface.
 *
 * It stands apart from what carries accesses to it (the wire): that hands reads and writes of regions in, and is told of interrupts.
 *
 * Theory of operation.  Registers answer at once.  What stops rings (a reset, a pause) may have to wait for chains that the
 * device holds: device_status stays what it was, and queue_reset 1, until the last has come back, as the standard lets it; a
 * pause calls back.  While rings are stopping for a reset, writes of the driver are without effect.
 */
#ifndef VDEVD_TRANSPORT_VIRTIO_PCI_VIRTIO_PCI_H
#define VDEVD_TRANSPORT_VIRTIO_PCI_VIRTIO_PCI_H

#include "core/device.h"
#include "mem/gmem.h"

struct vpci;

/* The parts of a function that can be read and written. */
enum vpci_region {
	VPCI_BAR0,   /* the structures that the capabilities name */
	VPCI_BAR1,   /* MSI-X: table and pending bits */
	VPCI_CONFIG, /* its configuration space */
	VPCI_REGIONS,
};

/* The most MSI-X vectors: one each for the queues, and one for configuration changes. */
#define VPCI_VECTORS_MAX (VDEV_QUEUES_MAX + 1)

/* What a function tells its wire. */
struct vpci_events {
	/* An MSI-X message is due: vector is below vpci_vectors.  Returns false: there is nowhere to send it; it stays pending. */
	bool (*message)(void *arg, unsigned int vector);
	/* The interrupt pin is asserted now, and was not before: see vpci_intx. */
	void (*intx)(void *arg);
};

/* Makes the function of a device and attaches its queues.  arg is handed to ev.  Returns 0 and *out, or -ENOMEM. */
int vpci_new(struct vdev *d, const struct vpci_events *ev, void *arg, struct vpci **out);

/* Detaches and frees it; its rings are stopped.  NULL is allowed. */
void vpci_free(struct vpci *p);

/* The memory its rings are in from now on; NULL: none, and no ring can start.  It stays the caller's. */
void vpci_set_memory(struct vpci *p, struct gmem *mem);

/* Bytes of a region. */
uint64_t vpci_size(enum vpci_region region);

/* Shows each chain that the device answers as a line. */
void vpci_trace(struct vpci *p);

/* MSI-X vectors of the function. */
unsigned int vpci_vectors(const struct vpci *p);

/*
 * Reads or writes len bytes at off of a region, of any size and alignment.  What lies between registers reads as zero.
 * Returns 0, or -EINVAL: not inside the region.
 */
int vpci_read(struct vpci *p, enum vpci_region region, uint64_t off, void *buf, size_t len);
int vpci_write(struct vpci *p, enum vpci_region region, uint64_t off, const void *buf, size_t len);

/*
 * Gives the queue that was notified last its turn, others have theirs from the loop: to be called after each vpci_write
 * or several that came together, best when they were acknowledged.
 */
void vpci_turn(struct vpci *p);

/* The end of a turn of the loop: as served_flush, for all queues. */
bool vpci_flush(struct vpci *p, bool serve);

/* Whether the interrupt pin is asserted. */
bool vpci_intx(const struct vpci *p);

/* The wire masks a vector, or no longer: what came meanwhile comes then. */
void vpci_mask(struct vpci *p, unsigned int vector, bool masked);

/* There is somewhere to send messages now: what is pending is sent. */
void vpci_send_pending(struct vpci *p);

/*
 * Stops all rings and then calls stopped(arg): at once, or when the last chain has come back.  One at a time.
 * Nothing touches guest memory from then on until vpci_resume.
 */
void vpci_pause(struct vpci *p, void (*stopped)(void *arg));

/* Rings go on where they were.  One that cannot, since its memory has gone, is broken. */
void vpci_resume(struct vpci *p);

/* Resets the function, its configuration space included, while it is paused: it is as vpci_new has made it. */
void vpci_reset(struct vpci *p);

/* Pages that the device writes are marked in this log from now on; NULL: are not.  It stays the caller's. */
struct dirty_log;
void vpci_log(struct vpci *p, struct dirty_log *log);

/* What the driver has made of a function that is paused; errors are in s->err, and it is to be freed with state_free. */
void vpci_save(const struct vpci *p, struct state *s);

/* The same into one that is paused.  Returns 0, or -EINVAL: no such state, or one of another device; it is reset then. */
int vpci_load(struct vpci *p, const struct state *s);

#endif
