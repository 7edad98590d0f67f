/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_shared.c - the front-end's part in shared memory regions and shared objects: QEMU docs/interop/vhost-user.rst,
 * SHMEM_MAP, SHMEM_UNMAP, SHARED_OBJECT_ADD, _REMOVE, _LOOKUP.
 */
#include "transport/frontend/frontend_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int frontend_back_channel(const struct frontend *fe)
{
	return fe->back;
}

void frontend_hold_back_channel(struct frontend *fe, bool hold)
{
	fe->back_held = hold;
}

int frontend_get_shmem_config(struct frontend *fe, struct vu_shmem_config *config)
{
	struct vu_msg msg = frontend_msg(VU_GET_SHMEM_CONFIG, 0), answer;
	int err = frontend_ask(fe, &msg, &answer);

	if (err)
		return err;
	vu_msg_close_fds(&answer);
	if (answer.h.size != sizeof(*config))
		return fe_fail(fe, -EPROTO, "the answer to GET_SHMEM_CONFIG has %u bytes, not %zu", answer.h.size,
			       sizeof(*config));
	*config = fe->shared.config = answer.p.shmem;
	return 0;
}

int frontend_get_object(struct frontend *fe, const struct vu_object *object, int *fd)
{
	struct vu_msg msg = frontend_msg(VU_GET_SHARED_OBJECT, sizeof(msg.p.object)), answer;
	int err;

	msg.p.object = *object;
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	if (answer.nfds != 1) {
		vu_msg_close_fds(&answer);
		return fe_fail(fe, -EREMOTEIO, "GET_SHARED_OBJECT was answered without a descriptor");
	}
	*fd = answer.fds[0];
	return 0;
}

/* Whether two parts of regions share a byte. */
static bool overlap(const struct vu_mapping *a, const struct vu_mapping *b)
{
	return a->shmid == b->shmid && a->offset < b->offset + b->len && b->offset < a->offset + a->len;
}

static uint64_t map(struct fe_shared *s, const struct vu_msg *msg)
{
	const struct vu_mapping *m = &msg->p.mapping;
	const int prot = PROT_READ | ((m->flags & VU_MAPPING_WRITABLE) ? PROT_WRITE : 0);
	size_t room = FE_MAX_SHARED;
	uint64_t end;
	void *va;

	if (msg->nfds != 1 || (m->flags & ~(uint64_t)VU_MAPPING_WRITABLE) || !m->len || m->len > SIZE_MAX ||
	    __builtin_add_overflow(m->offset, m->len, &end) || end > s->config.sizes[m->shmid])
		return 1;
	for (size_t i = 0; i < FE_MAX_SHARED; i++) {
		if (!s->mappings[i].va)
			room = i;
		else if (overlap(&s->mappings[i].what, m))
			return 1;
	}
	if (room == FE_MAX_SHARED)
		return 1;
	va = mmap(NULL, (size_t)m->len, prot, MAP_SHARED, msg->fds[0], (off_t)m->fd_offset);
	if (va == MAP_FAILED)
		return 1;
	s->mappings[room].what = *m;
	s->mappings[room].va = va;
	return 0;
}

static uint64_t unmap(struct fe_shared *s, const struct vu_msg *msg)
{
	const struct vu_mapping *m = &msg->p.mapping;

	for (size_t i = 0; i < FE_MAX_SHARED; i++) {
		const struct vu_mapping *have = &s->mappings[i].what;

		if (!s->mappings[i].va || have->shmid != m->shmid || have->offset != m->offset || have->len != m->len)
			continue;
		munmap(s->mappings[i].va, (size_t)have->len);
		s->mappings[i].va = NULL;
		return 0;
	}
	return 1;
}

/* The place of an object, or FE_MAX_SHARED. */
static size_t object_find(const struct fe_shared *s, const struct vu_object *object)
{
	size_t i = 0;

	while (i < FE_MAX_SHARED &&
	       (!s->objects[i].there || memcmp(&s->objects[i].what, object, sizeof(*object)) != 0))
		i++;
	return i;
}

/* Puts an object, which must not be there.  Returns 0, -EEXIST or -ENOSPC. */
static int object_put(struct fe_shared *s, const struct vu_object *object, int fd)
{
	size_t i = 0;

	if (object_find(s, object) < FE_MAX_SHARED)
		return -EEXIST;
	while (i < FE_MAX_SHARED && s->objects[i].there)
		i++;
	if (i == FE_MAX_SHARED)
		return -ENOSPC;
	s->objects[i].there = true;
	s->objects[i].what = *object;
	s->objects[i].fd = fd;
	return 0;
}

static uint64_t handle_object(struct fe_shared *s, const struct vu_msg *msg, int *fd)
{
	size_t i = object_find(s, &msg->p.object);
	bool there = i < FE_MAX_SHARED, ours = there && s->objects[i].fd >= 0;

	if (msg->h.request == VU_BACKEND_SHARED_OBJECT_ADD)
		return object_put(s, &msg->p.object, -1) != 0;
	if (msg->h.request == VU_BACKEND_SHARED_OBJECT_LOOKUP) {
		*fd = ours ? s->objects[i].fd : -1;
		return !ours;
	}
	/* Only the one who added it may remove it. */
	if (!there || ours)
		return 1;
	s->objects[i].there = false;
	return 0;
}

uint64_t fe_shared_handle(struct frontend *fe, const struct vu_msg *msg, int *fd)
{
	struct fe_shared *s = &fe->shared;
	bool memory = msg->h.request == VU_BACKEND_SHMEM_MAP || msg->h.request == VU_BACKEND_SHMEM_UNMAP;
	uint64_t result;

	if (msg->h.size != (memory ? sizeof(msg->p.mapping) : sizeof(msg->p.object)))
		result = 1;
	else if (!memory)
		result = handle_object(s, msg, fd);
	else
		result = msg->h.request == VU_BACKEND_SHMEM_MAP ? map(s, msg) : unmap(s, msg);
	fe->back_errors += result != 0;
	return result;
}

void *frontend_mapped(struct frontend *fe, uint8_t shmid, uint64_t offset, uint64_t len)
{
	for (size_t i = 0; i < FE_MAX_SHARED; i++) {
		const struct vu_mapping *m = &fe->shared.mappings[i].what;

		if (fe->shared.mappings[i].va && m->shmid == shmid && offset >= m->offset &&
		    offset - m->offset <= m->len && len <= m->len - (offset - m->offset))
			return (char *)fe->shared.mappings[i].va + (offset - m->offset);
	}
	return NULL;
}

int frontend_share_object(struct frontend *fe, const struct vu_object *object, int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), err;

	if (own < 0)
		return -errno;
	err = object_put(&fe->shared, object, own);
	if (err)
		close(own);
	return err;
}

bool frontend_object_added(const struct frontend *fe, const struct vu_object *object)
{
	size_t i = object_find(&fe->shared, object);

	return i < FE_MAX_SHARED && fe->shared.objects[i].fd < 0;
}

void fe_shared_reset(struct frontend *fe, bool all)
{
	struct fe_shared *s = &fe->shared;

	for (size_t i = 0; i < FE_MAX_SHARED; i++) {
		if (s->mappings[i].va)
			munmap(s->mappings[i].va, (size_t)s->mappings[i].what.len);
		s->mappings[i].va = NULL;
		if (!s->objects[i].there || (s->objects[i].fd >= 0 && !all))
			continue;
		if (s->objects[i].fd >= 0)
			close(s->objects[i].fd);
		s->objects[i].there = false;
	}
}
