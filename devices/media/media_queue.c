/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_queue.c - the buffers of a device that vdevd makes up; see media_queue.h.
 */
#include "devices/media/media_queue.h"

#include <errno.h>
#include <string.h>

/* Offsets of buffers: multiples of any page size. */
#define OFFSET_SHIFT 16

#define CAPABILITIES (MEDIA_BUF_CAP_MMAP | MEDIA_BUF_CAP_ORPHANED)

bool media_queue_busy(const struct media_queue *q, const void *file)
{
	return q->owner && q->owner != file;
}

/* Buffers that are mapped keep their memory. */
static void slots_free(struct media_queue *q)
{
	for (unsigned int i = 0; i < q->n; i++)
		media_mem_put(q->slots[i].mem);
	q->n = q->nqueued = 0;
}

/* Appends up to count buffers.  Returns how many. */
static unsigned int slots_make(struct media_queue *q, unsigned int count, uint32_t size)
{
	unsigned int made = 0;

	while (made < count && q->n < q->max) {
		struct media_mem *m = media_mem_new(q->pool, size);

		if (!m)
			break;
		q->slots[q->n++] = (struct media_slot){.mem = m};
		made++;
	}
	return made;
}

static void streaming_end(struct media_queue *q)
{
	q->streaming = false;
	q->nqueued = 0;
	for (unsigned int i = 0; i < q->n; i++)
		q->slots[i].queued = q->slots[i].prepared = false;
}

static int reqbufs(struct media_queue *q, const void *file, struct media_payload *p)
{
	struct media_requestbuffers r;
	unsigned int made = 0;

	memcpy(&r, p->bytes, sizeof(r));
	if (q->streaming)
		return -EBUSY;
	slots_free(q);
	if (le32toh(r.count)) {
		made = slots_make(q, le32toh(r.count), q->size);
		q->owner = made ? file : NULL;
		if (!made)
			return -ENOMEM;
	} else {
		q->owner = NULL;
	}
	r.count = htole32(made);
	r.capabilities = htole32(CAPABILITIES);
	r.flags = 0;
	memset(r.reserved, 0, sizeof(r.reserved));
	memcpy(p->bytes, &r, sizeof(r));
	return 0;
}

static int create_bufs(struct media_queue *q, const void *file, struct media_payload *p)
{
	struct media_create_buffers r;
	unsigned int made = 0;
	uint32_t size;

	memcpy(&r, p->bytes, sizeof(r));
	size = le32toh(r.format.pix.sizeimage);
	r.index = htole32(q->n);
	if (le32toh(r.count)) {
		if (size < q->size)
			return -EINVAL;
		if (q->n == q->max)
			return -ENOBUFS;
		made = slots_make(q, le32toh(r.count), size);
		if (!made)
			return -ENOMEM;
		q->owner = file;
	}
	r.count = htole32(made);
	r.capabilities = htole32(CAPABILITIES);
	r.flags = 0;
	r.max_num_buffers = 0;
	memset(r.reserved, 0, sizeof(r.reserved));
	memcpy(p->bytes, &r, sizeof(r));
	return 0;
}

static void slot_show(const struct media_queue *q, unsigned int i, struct media_buffer *b)
{
	const struct media_slot *s = &q->slots[i];
	uint32_t flags = (q->copies_time ? MEDIA_BUF_FLAG_TIMESTAMP_COPY : MEDIA_BUF_FLAG_TIMESTAMP_MONOTONIC) | s->flags;

	flags |= s->mem->refs > 1 ? MEDIA_BUF_FLAG_MAPPED : 0;
	flags |= s->queued ? MEDIA_BUF_FLAG_QUEUED : 0;
	flags |= s->prepared ? MEDIA_BUF_FLAG_PREPARED : 0;
	*b = (struct media_buffer){
		.index = htole32(i),
		.type = htole32(q->type),
		.bytesused = htole32(s->bytesused),
		.flags = htole32(flags),
		.field = htole32(MEDIA_FIELD_NONE),
		.sec = htole64(s->sec),
		.usec = htole64(s->usec),
		.sequence = htole32(s->sequence),
		.memory = htole32(MEDIA_MEMORY_MMAP),
		.m = htole64(q->base + ((uint64_t)i << OFFSET_SHIFT)),
		.length = htole32((uint32_t)s->mem->size),
	};
}

/* The slot a request is about, or -EINVAL. */
static int slot_index(const struct media_queue *q, const struct media_payload *p)
{
	uint32_t index = media_word(p, offsetof(struct media_buffer, index));

	return index < q->n ? (int)index : -EINVAL;
}

/* A buffer of the driver's for the device: what it has in it.  Returns 0, or -EINVAL: more than it can have. */
static int slot_take(const struct media_queue *q, struct media_slot *s, const struct media_payload *p)
{
	struct media_buffer b;

	s->bytesused = s->sequence = s->flags = 0;
	s->sec = s->usec = 0;
	if (q->type != MEDIA_OUTPUT)
		return 0;
	memcpy(&b, p->bytes, sizeof(b));
	if (le32toh(b.bytesused) > s->mem->size)
		return -EINVAL;
	/* None said is all, as V4L2 has it. */
	s->bytesused = b.bytesused ? le32toh(b.bytesused) : (uint32_t)s->mem->size;
	s->sec = le64toh(b.sec);
	s->usec = le64toh(b.usec);
	return 0;
}

static int buffer_ioctl(struct media_queue *q, uint32_t code, struct media_payload *p)
{
	struct media_buffer b;
	int i = slot_index(q, p);
	struct media_slot *s = i < 0 ? NULL : &q->slots[i];

	if (!s)
		return -EINVAL;
	if (code == MEDIA_PREPARE_BUF) {
		if (s->queued || s->prepared)
			return -EINVAL;
		s->prepared = true;
	} else if (code == MEDIA_QBUF) {
		if (s->queued || slot_take(q, s, p) < 0)
			return -EINVAL;
		s->queued = true;
		s->prepared = false;
		q->fifo[q->nqueued++] = (unsigned int)i;
	}
	slot_show(q, (unsigned int)i, &b);
	memcpy(p->bytes, &b, sizeof(b));
	return 0;
}

int media_queue_ioctl(struct media_queue *q, const void *file, uint32_t code, struct media_payload *p)
{
	if (code == MEDIA_QUERYBUF)
		return buffer_ioctl(q, code, p);
	if (media_queue_busy(q, file))
		return -EBUSY;
	switch (code) {
	case MEDIA_REQBUFS:
		return reqbufs(q, file, p);
	case MEDIA_CREATE_BUFS:
		return create_bufs(q, file, p);
	case MEDIA_QBUF:
	case MEDIA_PREPARE_BUF:
		return buffer_ioctl(q, code, p);
	case MEDIA_STREAMON:
		if (!q->n)
			return -EINVAL;
		q->streaming = true;
		return 0;
	default:
		streaming_end(q);
		return 0;
	}
}

struct media_slot *media_queue_first(struct media_queue *q)
{
	return q->streaming && q->nqueued ? &q->slots[q->fifo[0]] : NULL;
}

void media_queue_done(struct media_queue *q, struct media_buffer *b)
{
	unsigned int i = q->fifo[0];

	memmove(&q->fifo[0], &q->fifo[1], --q->nqueued * sizeof(q->fifo[0]));
	q->slots[i].queued = false;
	slot_show(q, i, b);
}

struct media_mem *media_queue_mmap(struct media_queue *q, uint32_t offset)
{
	uint32_t i = (offset - q->base) >> OFFSET_SHIFT;

	if (offset < q->base || i >= q->n || offset & ((1u << OFFSET_SHIFT) - 1))
		return NULL;
	return media_mem_get(q->slots[i].mem);
}

void media_queue_close(struct media_queue *q, const void *file)
{
	if (q->owner != file)
		return;
	streaming_end(q);
	slots_free(q);
	q->owner = NULL;
}
