/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_inflight.c - the records of chains in flight that a front-end keeps for us: QEMU docs/interop/vhost-user.rst,
 * "Inflight I/O tracking".
 *
 * The layout of that memory is the back end's own matter, and a front-end keeps all of it.  So the device has its own
 * memory at the end: what a driver has told it, and would not tell again to a vdevd that takes the place of one that
 * was killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transport/ring/inflight.h"
#include "transport/vhost_user/vu_session.h"

static size_t queue_bytes(const struct vu_backend *b, const struct vu_inflight *about)
{
	return inflight_queue_bytes(b->features & BIT(VIRTIO_F_RING_PACKED), about->queue_size);
}

/* Stands before the device's memory; in the host's byte order. */
struct memory_head {
	uint32_t mark; /* MEMORY_MARK, once all of the memory is written; 0: nothing is there yet */
	uint32_t virtio_id;
	uint32_t size; /* of the memory, bytes */
	uint32_t unused;
};

_Static_assert(sizeof(struct memory_head) == 16, "aligned to 8 is what follows it");

/* Another form of the memory has another mark. */
#define MEMORY_MARK 0x316d6576u

/* Of the device's memory with its head; it ends where the whole does. */
static size_t memory_bytes(const struct vdev *d)
{
	return d->face.memory_size ? (sizeof(struct memory_head) + d->face.memory_size + 63) / 64 * 64 : 0;
}

static bool sane(const struct vu_backend *b, const struct vu_inflight *about)
{
	return about->nqueues && about->nqueues <= b->nqueues && about->queue_size && about->queue_size <= VIRTQ_MAX_SIZE;
}

int vu_inflight_make(const struct vu_backend *b, struct vu_inflight *about)
{
	int fd, err;

	if (!sane(b, about))
		return -EINVAL;
	about->size = queue_bytes(b, about) * about->nqueues + memory_bytes(b->d);
	about->offset = 0;
	fd = memfd_create("vdevd-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)about->size) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* A device is fresh before its first ring. */
static bool fresh(const struct vu_backend *b)
{
	for (unsigned int i = 0; i < b->nqueues; i++) {
		if (b->queues[i].stopped)
			return false;
	}
	return true;
}

/* Gives the device its memory.  The front-end has it, too: what is in it is copied before it is looked at. */
static void remember(struct vu_backend *b)
{
	struct vdev *d = b->d;
	struct memory_head *head = (struct memory_head *)((char *)b->inflight.seg.va + b->inflight.records);
	const struct memory_head have = *(volatile struct memory_head *)head;
	void *old = NULL;

	if (have.mark == MEMORY_MARK && fresh(b)) {
		const bool ours = have.virtio_id == d->class->virtio_id && have.size == d->face.memory_size;

		old = ours ? malloc(d->face.memory_size) : NULL;
		if (old)
			memcpy(old, head + 1, d->face.memory_size);
		else
			log_guest(&d->log, "what the device was told before is lost (%s): it begins as a fresh one",
				  ours ? strerror(ENOMEM) : "it is of another set-up");
	}
	__atomic_store_n(&head->mark, 0, __ATOMIC_RELEASE);
	head->virtio_id = d->class->virtio_id;
	head->size = (uint32_t)d->face.memory_size;
	vdev_remember(d, head + 1, old);
	__atomic_store_n(&head->mark, MEMORY_MARK, __ATOMIC_RELEASE);
	free(old);
}

int vu_inflight_set(struct vu_backend *b, const struct vu_inflight *about, int fd)
{
	const struct gmem_desc desc = {.size = about->size, .offset = about->offset, .fd = fd};
	const size_t memory = memory_bytes(b->d);
	struct gmem_seg seg;
	struct gmem *mem;
	int err;

	if (!sane(b, about) || about->size / about->nqueues < queue_bytes(b, about))
		return -EINVAL;
	err = gmem_new(&gmem_shm, &mem);
	if (err)
		return err;
	err = gmem_add(mem, &desc);
	if (!err)
		err = gmem_pin(mem, GMEM_GUEST, 0, about->size, GMEM_WRITE, &seg, 1);
	if (err < 0) {
		gmem_free(mem);
		return err;
	}
	vu_inflight_drop(b);
	b->inflight.mem = mem;
	b->inflight.seg = seg;
	b->inflight.about = *about;
	b->inflight.records = seg.len;
	/* A record that another back end has made has no room for it. */
	if (memory && seg.len - queue_bytes(b, about) * about->nqueues >= memory &&
	    ((uintptr_t)seg.va + seg.len - memory) % sizeof(uint64_t) == 0) {
		b->inflight.records -= memory;
		remember(b);
	}
	return 0;
}

void vu_inflight_share(struct vu_queue *q)
{
	const struct vu_backend *b = q->b;
	size_t bytes = queue_bytes(b, &b->inflight.about), begin = q->index * bytes;

	if (!b->inflight.mem || q->index >= b->inflight.about.nqueues)
		virtq_share_record(q->vq, NULL, 0);
	else if (b->inflight.records >= begin && b->inflight.records - begin >= bytes)
		virtq_share_record(q->vq, (char *)b->inflight.seg.va + begin, bytes);
	else
		/* It was measured for the other layout.  With a record too short the ring does not start. */
		virtq_share_record(q->vq, b->inflight.seg.va, 0);
}

void vu_inflight_drop(struct vu_backend *b)
{
	for (unsigned int i = 0; i < b->nqueues; i++)
		virtq_share_record(b->queues[i].vq, NULL, 0);
	if (!b->inflight.mem)
		return;
	vdev_remember(b->d, NULL, NULL);
	gmem_unpin(&b->inflight.seg);
	gmem_free(b->inflight.mem);
	b->inflight.mem = NULL;
}
