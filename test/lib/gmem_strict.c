/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem_strict.c - guest memory that can be reached between pin and unpin alone; see gmem_strict.h.
 */
#include "test/lib/gmem_strict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct strict_region {
	int fd;
	uint64_t offset; /* of the region in fd */
};

struct range {
	void *start;
	size_t len;
};

/* Addresses nobody may use: a stale pointer must not find another pin's bytes. */
static struct range quarantine[GMEM_STRICT_QUARANTINE];
static unsigned int quarantine_next;
static unsigned int pins;

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int strict_map(const struct gmem_backend *self, const struct gmem_desc *desc, void **base, void **priv,
		      uint64_t *fault)
{
	struct strict_region *r;
	struct stat st;
	uint64_t end;

	if (fstat(desc->fd, &st) < 0)
		return -errno;
	if (__builtin_add_overflow(desc->offset, desc->size, &end) || end > (uint64_t)st.st_size)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->fd = fcntl(desc->fd, F_DUPFD_CLOEXEC, 0);
	if (r->fd < 0) {
		int err = -errno;

		free(r);
		return err;
	}
	r->offset = desc->offset;
	*base = NULL;
	*priv = r;
	return 0;
}

static void strict_unmap(void *priv)
{
	struct strict_region *r = priv;

	close(r->fd);
	free(r);
}

/* The pages around len bytes at va. */
static struct range pages_of(void *va, size_t len)
{
	size_t page = page_size();
	size_t lead = (uintptr_t)va % page;

	return (struct range){(char *)va - lead, (lead + len + page - 1) / page * page};
}

static int strict_pin(void *priv, uint64_t off, size_t len, enum gmem_access access, struct gmem_seg *seg)
{
	const struct strict_region *r = priv;
	uint64_t at = r->offset + off;
	size_t lead = (size_t)(at % page_size());
	int prot = access == GMEM_READ ? PROT_READ : PROT_READ | PROT_WRITE;
	void *p = mmap(NULL, len + lead, prot, MAP_SHARED, r->fd, (off_t)(at - lead));

	if (p == MAP_FAILED)
		return -errno;
	seg->va = (char *)p + lead;
	pins++;
	return 0;
}

static void strict_unpin(void *priv, struct gmem_seg *seg)
{
	struct range *old = &quarantine[quarantine_next++ % GMEM_STRICT_QUARANTINE];
	struct range r = pages_of(seg->va, seg->len);

	if (mmap(r.start, r.len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) ==
	    MAP_FAILED)
		abort();
	if (old->start)
		munmap(old->start, old->len);
	*old = r;
	pins--;
}

unsigned int gmem_strict_pins(void)
{
	return pins;
}

const struct gmem_backend gmem_strict = {
	.name = "strict",
	.map = strict_map,
	.unmap = strict_unmap,
	.pin = strict_pin,
	.unpin = strict_unpin,
};
