/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_pool.h - buffers of one size for connections, as many as there can be connections: mmap(2).
 *
 * What is there at first is address space that the kernel counts as no memory.  Buffers become memory one after the other, when
 * they are first taken; the host can refuse that (vm.overcommit_memory=2).  One that is given back keeps its claim, but
 * no page of it.
 */
#ifndef VDEVD_DEVICES_VSOCK_VSOCK_POOL_H
#define VDEVD_DEVICES_VSOCK_VSOCK_POOL_H

#include "core/base.h"

/* Its members are the functions' own. */
struct vsock_pool {
	uint8_t *base;
	size_t stride;        /* from buffer to buffer, bytes */
	size_t most, made;    /* buffers there can be, and have been */
	void **unused;        /* a stack of those that were given back */
	size_t nunused;
};

/* Makes a pool of at most `most` buffers of size bytes.  Returns 0 or -ENOMEM; then vsock_pool_close may be called. */
int vsock_pool_open(struct vsock_pool *p, size_t most, size_t size);

/* Gives all back; a zeroed struct is allowed. */
void vsock_pool_close(struct vsock_pool *p);

/* Takes a buffer of zeros, at the beginning of a page.  Returns NULL where the host has no memory, or all are taken. */
void *vsock_pool_take(struct vsock_pool *p);

/* Gives a buffer back.  NULL is allowed. */
void vsock_pool_give(struct vsock_pool *p, void *buf);

#endif
