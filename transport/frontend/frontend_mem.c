/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_mem.c - the memory a front-end shares with a back end: vhost-user "Memory region description".
 */
#include "transport/frontend/frontend_mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is taken of a region, in address order: offsets from its beginning. */
struct extent {
	uint64_t begin, end;
};

struct area {
	struct frontend_region region;
	struct extent *taken;
	size_t ntaken, room;
};

struct frontend_mem {
	const struct frontend_mem_ops *ops;
	struct area *areas;
	unsigned int count;
};

/* The mapping begins at the page of the region's first byte; va may lie inside that page. */
static size_t page_slack(const struct frontend_region *r)
{
	return (size_t)(r->offset & ((uint64_t)sysconf(_SC_PAGESIZE) - 1));
}

/* Of a region that memfd_map has taken. */
static size_t mapped_bytes(const struct frontend_region *r)
{
	return (size_t)r->size + page_slack(r);
}

static int memfd_map(struct frontend_region *r)
{
	size_t slack = page_slack(r);
	uint64_t end;
	void *base;
	int err;

	if (__builtin_add_overflow(r->offset, r->size, &end) || end > INT64_MAX || r->size > SIZE_MAX - slack)
		return -EINVAL;

	r->fd = memfd_create("vdevd-frontend", MFD_CLOEXEC);
	if (r->fd < 0)
		return -errno;
	if (ftruncate(r->fd, (off_t)end)) {
		err = -errno;
		goto close_fd;
	}
	base = mmap(NULL, mapped_bytes(r), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)(r->offset - slack));
	if (base == MAP_FAILED) {
		err = -errno;
		goto close_fd;
	}
	r->va = (char *)base + slack;
	return 0;

close_fd:
	close(r->fd);
	r->fd = -1;
	return err;
}

static void memfd_unmap(struct frontend_region *r)
{
	size_t slack = page_slack(r);

	munmap((char *)r->va - slack, mapped_bytes(r));
	close(r->fd);
}

const struct frontend_mem_ops frontend_mem_memfd = {
	.name = "memfd",
	.map = memfd_map,
	.unmap = memfd_unmap,
};

int frontend_mem_new(const struct frontend_mem_ops *ops, const struct frontend_region *regions, unsigned int count,
		     struct frontend_mem **out)
{
	struct frontend_mem *m = calloc(1, sizeof(*m));

	*out = NULL;
	if (!m)
		return -ENOMEM;
	m->ops = ops;
	for (unsigned int i = 0; i < count; i++) {
		int err = frontend_mem_add(m, &regions[i]);

		if (err < 0) {
			frontend_mem_free(m);
			return err;
		}
	}
	*out = m;
	return 0;
}

void frontend_mem_free(struct frontend_mem *m)
{
	if (!m)
		return;
	while (m->count)
		frontend_mem_drop(m);
	free(m->areas);
	free(m);
}

int frontend_mem_add(struct frontend_mem *m, const struct frontend_region *region)
{
	struct area *areas = realloc(m->areas, (m->count + 1) * sizeof(*areas));

	if (!areas)
		return -ENOMEM;
	m->areas = areas;

	struct area *a = &areas[m->count];

	memset(a, 0, sizeof(*a));
	a->region = *region;
	a->region.fd = -1;

	int err = m->ops->map(&a->region);

	if (err)
		return err;
	if (!a->region.user_addr)
		a->region.user_addr = (uintptr_t)a->region.va;
	return (int)m->count++;
}

void frontend_mem_drop(struct frontend_mem *m)
{
	struct area *a = &m->areas[--m->count];

	m->ops->unmap(&a->region);
	free(a->taken);
}

int frontend_mem_replace(struct frontend_mem *m, unsigned int i, int fd)
{
	struct frontend_region *r = &m->areas[i].region;
	size_t slack = page_slack(r);
	int old = r->fd;

	if (m->ops != &frontend_mem_memfd)
		return -EOPNOTSUPP;
	if (mmap((char *)r->va - slack, mapped_bytes(r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)(r->offset - slack)) == MAP_FAILED)
		return -errno;
	r->fd = fd;
	return old;
}

unsigned int frontend_mem_count(const struct frontend_mem *m)
{
	return m->count;
}

const struct frontend_region *frontend_mem_region(const struct frontend_mem *m, unsigned int i)
{
	return &m->areas[i].region;
}

/* Notes [begin, end) as taken, at place i of the list.  Returns 0 or -ENOMEM. */
static int area_take(struct area *a, size_t i, uint64_t begin, uint64_t end)
{
	if (a->ntaken == a->room) {
		size_t room = a->room ? 2 * a->room : 16;
		struct extent *taken = realloc(a->taken, room * sizeof(*taken));

		if (!taken)
			return -ENOMEM;
		a->taken = taken;
		a->room = room;
	}
	memmove(&a->taken[i + 1], &a->taken[i], (a->ntaken - i) * sizeof(a->taken[0]));
	a->taken[i] = (struct extent){begin, end};
	a->ntaken++;
	return 0;
}

/* Takes the first gap that fits. */
static int area_alloc(struct area *a, size_t len, size_t align, struct frontend_buf *buf)
{
	const struct frontend_region *r = &a->region;
	uint64_t from = 0;

	for (size_t i = 0; i <= a->ntaken; i++) {
		uint64_t gap_end = i < a->ntaken ? a->taken[i].begin : r->size;
		uint64_t begin = from + (-(r->guest_addr + from) & (align - 1));

		if (begin <= gap_end && gap_end - begin >= len) {
			if (area_take(a, i, begin, begin + len))
				return -ENOMEM;
			*buf = (struct frontend_buf){
				.va = (char *)r->va + begin,
				.guest = r->guest_addr + begin,
				.user = r->user_addr + begin,
				.len = len,
			};
			memset(buf->va, 0, len);
			return 0;
		}
		if (i < a->ntaken)
			from = a->taken[i].end;
	}
	return -ENOMEM;
}

int frontend_mem_alloc(struct frontend_mem *m, int region, size_t len, size_t align, struct frontend_buf *buf)
{
	for (unsigned int i = 0; i < m->count; i++) {
		if ((region == FRONTEND_MEM_ANY || region == (int)i) && !area_alloc(&m->areas[i], len, align, buf))
			return 0;
	}
	return -ENOMEM;
}

/* The area a guest address is in, or NULL. */
static struct area *mem_find(const struct frontend_mem *m, uint64_t guest)
{
	for (unsigned int i = 0; i < m->count; i++) {
		const struct frontend_region *r = &m->areas[i].region;

		if (guest >= r->guest_addr && guest - r->guest_addr < r->size)
			return &m->areas[i];
	}
	return NULL;
}

void frontend_mem_release(struct frontend_mem *m, struct frontend_buf *buf)
{
	struct area *a = buf->va ? mem_find(m, buf->guest) : NULL;

	for (size_t i = 0; a && i < a->ntaken; i++) {
		/* An empty piece may share its address with the one behind it. */
		if (a->taken[i].begin != buf->guest - a->region.guest_addr ||
		    a->taken[i].end - a->taken[i].begin != buf->len)
			continue;
		a->ntaken--;
		memmove(&a->taken[i], &a->taken[i + 1], (a->ntaken - i) * sizeof(a->taken[0]));
		break;
	}
	memset(buf, 0, sizeof(*buf));
}

/* Where the bytes at this guest address are, and at *len how many of them at most; NULL: nowhere. */
static void *mem_at(const struct frontend_mem *m, uint64_t guest, size_t *len)
{
	const struct area *a = mem_find(m, guest);
	uint64_t off;

	if (!a)
		return NULL;
	off = guest - a->region.guest_addr;
	*len = (size_t)min_u64(*len, a->region.size - off);
	return (char *)a->region.va + off;
}

int frontend_mem_write(struct frontend_mem *m, uint64_t guest, const void *from, size_t len)
{
	for (size_t done = 0, n; done < len; done += n) {
		n = len - done;

		void *at = mem_at(m, guest + done, &n);

		if (!at)
			return -EFAULT;
		memcpy(at, (const char *)from + done, n);
	}
	return 0;
}

int frontend_mem_read(const struct frontend_mem *m, uint64_t guest, void *to, size_t len)
{
	for (size_t done = 0, n; done < len; done += n) {
		n = len - done;

		const void *at = mem_at(m, guest + done, &n);

		if (!at)
			return -EFAULT;
		memcpy((char *)to + done, at, n);
	}
	return 0;
}
