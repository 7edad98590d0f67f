/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_queue.h - the buffers of a device that vdevd makes up: V4L2's streaming I/O with MMAP memory and one plane
 * (Documentation/userspace-api/media/v4l/mmap.rst, buffer.rst).
 *
 * The first file that asks for buffers owns the queue until it gives them up or is closed; to others it is busy.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_QUEUE_H
#define VDEVD_DEVICES_MEDIA_MEDIA_QUEUE_H

#include "devices/media/media_host.h"

struct media_slot {
	struct media_mem *mem;
	bool queued, prepared;
	uint32_t bytesused, sequence, flags;
	uint64_t sec, usec;
};

/* Its owner sets all above the slots before anything else. */
struct media_queue {
	uint32_t type;	   /* MEDIA_CAPTURE, MEDIA_OUTPUT */
	uint32_t max;	   /* buffers, at most MEDIA_BUFFERS_MAX */
	uint32_t base;	   /* of its offsets: a device with two queues has two */
	bool copies_time;  /* times are those of the OUTPUT buffer, not of a clock */
	uint32_t size;	   /* of a picture in the format that is set, bytes */
	struct media_pool *pool;
	struct media_slot slots[MEDIA_BUFFERS_MAX];
	unsigned int n;
	unsigned int fifo[MEDIA_BUFFERS_MAX]; /* those queued, the oldest first */
	unsigned int nqueued;
	bool streaming;
	const void *owner; /* a file, or NULL */
};

/*
 * The ioctls REQBUFS, CREATE_BUFS, QUERYBUF, QBUF, PREPARE_BUF, STREAMON, STREAMOFF of a file; p is of the queue's type.
 * Returns 0, -EINVAL, -EBUSY or -ENOMEM.
 */
int media_queue_ioctl(struct media_queue *q, const void *file, uint32_t code, struct media_payload *p);

/* Whether it is another file's. */
bool media_queue_busy(const struct media_queue *q, const void *file);

/* The buffer to be filled next; NULL: none is queued, or nothing streams. */
struct media_slot *media_queue_first(struct media_queue *q);

/* It is done: its bytesused, sequence and time were filled in.  *b: as DQBUF has it. */
void media_queue_done(struct media_queue *q, struct media_buffer *b);

/* The memory of the buffer at an offset of QUERYBUF, a reference; or NULL. */
struct media_mem *media_queue_mmap(struct media_queue *q, uint32_t offset);

/* The file is closed: what it owned is free. */
void media_queue_close(struct media_queue *q, const void *file);

#endif
