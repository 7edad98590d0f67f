/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rig.c - one virtqueue and the memory around it; see rig.h.
 */
#include "test/lib/rig.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct rig *owner(struct virtq *vq)
{
	return virtq_owner(vq);
}

static void on_call(struct virtq *vq)
{
	owner(vq)->calls++;
}

static void on_broken(struct virtq *vq, const char *why)
{
	owner(vq)->brokens++;
	owner(vq)->why = why;
}

static void on_drained(struct virtq *vq)
{
	owner(vq)->drains++;
}

static void on_again(struct virtq *vq)
{
	owner(vq)->agains++;
}

static const struct virtq_events events = {
	.call = on_call,
	.broken = on_broken,
	.drained = on_drained,
	.again = on_again,
};

void rig_init(struct rig *r, const struct gmem_backend *backend)
{
	struct gmem_desc desc = {.guest_addr = RIG_GUEST, .size = RIG_SIZE, .user_addr = RIG_USER};

	memset(r, 0, sizeof(*r));
	r->fd = memfd_create("rig", MFD_CLOEXEC);
	ck_assert_int_ge(r->fd, 0);
	ck_assert_int_eq(ftruncate(r->fd, RIG_SIZE), 0);
	r->va = mmap(NULL, RIG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	ck_assert_ptr_ne(r->va, MAP_FAILED);
	r->desc = (void *)(r->va + RIG_DESC);
	r->avail = (void *)(r->va + RIG_AVAIL);
	r->used = (void *)(r->va + RIG_USED);
	r->table = (void *)(r->va + RIG_TABLE);
	r->buffer = r->va + RIG_BUFFER;
	ck_assert_int_eq(gmem_new(backend, &r->mem), 0);
	desc.fd = r->fd;
	ck_assert_int_eq(gmem_add(r->mem, &desc), 0);
	ck_assert_int_eq(virtq_new(5, &events, r, &r->vq), 0);
	ck_assert_uint_eq(virtq_index(r->vq), 5);
}

void rig_fini(struct rig *r)
{
	if (virtq_started(r->vq))
		rig_stop(r);
	virtq_free(r->vq);
	gmem_free(r->mem);
	munmap(r->va, RIG_SIZE);
	close(r->fd);
}

int rig_restart(struct rig *r, uint32_t base)
{
	const struct virtq_addrs addrs = {
		.space = GMEM_USER,
		.desc = RIG_USER + RIG_DESC,
		.avail = RIG_USER + RIG_AVAIL,
		.used = RIG_USER + RIG_USED,
	};

	return virtq_start(r->vq, r->mem, r->num, r->features, &addrs, base);
}

void rig_start(struct rig *r, unsigned int num, uint64_t features, uint16_t base)
{
	r->num = num;
	r->features = features;
	memset(r->va, 0, RIG_BUFFER);
	r->avail->idx = r->used->idx = htole16(base);
	ck_assert_int_eq(rig_restart(r, base), 0);
	virtq_enable(r->vq, true);
}

uint32_t rig_stop(struct rig *r)
{
	virtq_stopping(r->vq);
	ck_assert_uint_eq(virtq_in_flight(r->vq), 0);
	return virtq_stop(r->vq);
}

struct chain *rig_pop(struct rig *r)
{
	struct chain *c;

	virtq_turn_begin(r->vq);
	c = virtq_pop(r->vq);
	virtq_turn_end(r->vq);
	return c;
}

void rig_desc(struct virtq_desc *d, uint64_t addr, uint32_t len, unsigned int flags, unsigned int next)
{
	*d = (struct virtq_desc){
		.addr = htole64(addr),
		.len = htole32(len),
		.flags = htole16((uint16_t)flags),
		.next = htole16((uint16_t)next),
	};
}

void rig_publish(struct rig *r, uint16_t head)
{
	uint16_t idx = le16toh(r->avail->idx);

	r->avail->ring[idx & (r->num - 1)] = htole16(head);
	__atomic_store_n(&r->avail->idx, htole16((uint16_t)(idx + 1)), __ATOMIC_RELEASE);
}

void rig_simple(struct rig *r, uint16_t head, uint32_t off, uint32_t len, bool writable)
{
	rig_desc(&r->desc[head], rig_addr(off), len, writable ? VIRTQ_DESC_F_WRITE : 0, 0);
	rig_publish(r, head);
}

uint16_t rig_used_idx(const struct rig *r)
{
	return le16toh(r->used->idx);
}

struct virtq_used_elem rig_used(const struct rig *r, uint16_t idx)
{
	const struct virtq_used_elem *e = &r->used->ring[idx & (r->num - 1)];

	return (struct virtq_used_elem){.id = le32toh(e->id), .len = le32toh(e->len)};
}

le16 *rig_used_event(struct rig *r)
{
	return &r->avail->ring[r->num];
}

le16 *rig_avail_event(struct rig *r)
{
	return (le16 *)(void *)&r->used->ring[r->num];
}
