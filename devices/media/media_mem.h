/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_mem.h - memory of a buffer: a file that the front-end can map, counted against what a guest may have.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_MEM_H
#define VDEVD_DEVICES_MEDIA_MEDIA_MEM_H

#include "core/sandbox.h"

/* What all buffers of a guest may take together; those that are mapped count until they are not. */
struct media_pool {
	uint64_t used, max; /* bytes */
	unsigned int n;	    /* of them: each has a descriptor, so that there are at most MEDIA_MEMS_MAX */
};

#define MEDIA_MEMS_MAX 512

/* Its members are to be read; the last reference that is put frees it. */
struct media_mem {
	unsigned int refs;
	struct media_pool *pool;
	int fd;		 /* its own */
	uint8_t *va;	 /* here, or NULL */
	size_t len;	 /* bytes; a multiple of the page size */
	size_t size;	 /* of the buffer in it, bytes: what QUERYBUF says */
};

/*
 * Makes memory of at least len bytes, all zero, in a file that nobody can cut short.
 * Returns it with one reference, or NULL: -ENOMEM.
 */
struct media_mem *media_mem_new(struct media_pool *pool, size_t len);

/* The same in a file that only this process can write to: others, who are given it, can look. */
struct media_mem *media_mem_new_shown(struct media_pool *pool, size_t len);

/*
 * The same of memory that is there: fd becomes the memory's own, also where NULL is returned.
 */
struct media_mem *media_mem_adopt(struct media_pool *pool, int fd, size_t len);

struct media_mem *media_mem_get(struct media_mem *m);
/* NULL is allowed. */
void media_mem_put(struct media_mem *m);

/* What media_mem_new takes. */
extern const struct sandbox_call media_mem_calls[];

#endif
