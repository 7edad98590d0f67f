/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_pool.c - buffers for connections of the socket device; see vsock_pool.h.
 */
#include "devices/vsock/vsock_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int vsock_pool_open(struct vsock_pool *p, size_t most, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), all;
	void *base;

	*p = (struct vsock_pool){.most = most};
	if (__builtin_add_overflow(size, page - 1, &p->stride))
		return -ENOMEM;
	p->stride &= ~(page - 1);
	if (__builtin_mul_overflow(p->stride, most, &all))
		return -ENOMEM;
	p->unused = calloc(most, sizeof(*p->unused));
	if (!p->unused)
		return -ENOMEM;
	base = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -ENOMEM;
	p->base = base;
	return 0;
}

void vsock_pool_close(struct vsock_pool *p)
{
	if (p->base)
		munmap(p->base, p->stride * p->most);
	free(p->unused);
	*p = (struct vsock_pool){0};
}

void *vsock_pool_take(struct vsock_pool *p)
{
	uint8_t *next = p->base + p->stride * p->made;

	if (p->nunused)
		return p->unused[--p->nunused];
	if (p->made == p->most || mprotect(next, p->stride, PROT_READ | PROT_WRITE) < 0)
		return NULL;
	p->made++;
	return next;
}

void vsock_pool_give(struct vsock_pool *p, void *buf)
{
	if (!buf)
		return;
	madvise(buf, p->stride, MADV_DONTNEED);
	p->unused[p->nunused++] = buf;
}
