/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_mem.c - memory of a buffer; see media_mem.h.
 *
 * The file is sealed against being cut short: the front-end has it, too, and a frame that is painted into pages that have gone
 * would end the process.  Its pages are taken when it is made, so that a host without memory shows as ENOMEM of REQBUFS.
 */
#include "devices/media/media_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Not in every C library's header. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

const struct sandbox_call media_mem_calls[] = {
	{.name = "memfd_create", .why = "memory of buffers"},
	{.name = "fallocate", .why = "memory of buffers"},
	{.name = "fcntl", .why = "memory of buffers that nobody can cut short", .checks = {{1, SANDBOX_IS, F_ADD_SEALS}}},
	{0},
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Rounds up to pages.  Returns 0 where that is too much, or more than the pool has. */
static size_t pool_take(struct media_pool *pool, size_t len)
{
	size_t page = page_size(), whole;

	if (!len || __builtin_add_overflow(len, page - 1, &whole))
		return 0;
	whole -= whole % page;
	if (whole > pool->max - pool->used || pool->n == MEDIA_MEMS_MAX)
		return 0;
	pool->used += whole;
	pool->n++;
	return whole;
}

static void pool_give(struct media_pool *pool, size_t len)
{
	pool->used -= len;
	pool->n--;
}

static struct media_mem *mem_make(struct media_pool *pool, int fd, size_t len, size_t size)
{
	struct media_mem *m = fd < 0 ? NULL : calloc(1, sizeof(*m));

	if (m)
		*m = (struct media_mem){.refs = 1, .pool = pool, .fd = fd, .len = len, .size = size};
	else
		pool_give(pool, len);
	if (!m && fd >= 0)
		close(fd);
	return m;
}

static struct media_mem *mem_new(struct media_pool *pool, size_t len, int seals)
{
	size_t whole = pool_take(pool, len);
	struct media_mem *m;
	void *va;

	if (!whole)
		return NULL;
	m = mem_make(pool, memfd_create("vdevd-media", MFD_CLOEXEC | MFD_ALLOW_SEALING), whole, len);
	if (!m)
		return NULL;
	if (fallocate(m->fd, 0, 0, (off_t)whole) < 0)
		goto put;
	va = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (va == MAP_FAILED)
		goto put;
	m->va = va;
	if (fcntl(m->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | seals) < 0)
		goto put;
	return m;
put:
	media_mem_put(m);
	return NULL;
}

struct media_mem *media_mem_new(struct media_pool *pool, size_t len)
{
	return mem_new(pool, len, 0);
}

struct media_mem *media_mem_new_shown(struct media_pool *pool, size_t len)
{
	return mem_new(pool, len, F_SEAL_FUTURE_WRITE);
}

struct media_mem *media_mem_adopt(struct media_pool *pool, int fd, size_t len)
{
	size_t whole = pool_take(pool, len);

	if (whole)
		return mem_make(pool, fd, whole, len);
	close(fd);
	return NULL;
}

struct media_mem *media_mem_get(struct media_mem *m)
{
	m->refs++;
	return m;
}

void media_mem_put(struct media_mem *m)
{
	if (!m || --m->refs)
		return;
	if (m->va)
		munmap(m->va, m->len);
	close(m->fd);
	pool_give(m->pool, m->len);
	free(m);
}
