/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_inflight.c - the records of chains in flight that a front-end keeps for us: QEMU docs/interop/vhost-user.rst,
 * "Inflight I/O tracking".
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transport/ring/inflight.h"
#include "transport/vhost_user/vu_session.h"

static size_t queue_bytes(const struct vu_backend *b, const struct vu_inflight *about)
{
	return inflight_queue_bytes(b->features & BIT(VIRTIO_F_RING_PACKED), about->queue_size);
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
	about->size = queue_bytes(b, about) * about->nqueues;
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

int vu_inflight_set(struct vu_backend *b, const struct vu_inflight *about, int fd)
{
	const struct gmem_desc desc = {.size = about->size, .offset = about->offset, .fd = fd};
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
	return 0;
}

void vu_inflight_share(struct vu_queue *q)
{
	const struct vu_backend *b = q->b;
	size_t bytes = queue_bytes(b, &b->inflight.about), begin = q->index * bytes;

	if (!b->inflight.mem || q->index >= b->inflight.about.nqueues)
		virtq_share_record(q->vq, NULL, 0);
	else if (b->inflight.seg.len >= begin && b->inflight.seg.len - begin >= bytes)
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
	gmem_unpin(&b->inflight.seg);
	gmem_free(b->inflight.mem);
	b->inflight.mem = NULL;
}
