/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem_shm.c - guest memory in a shared-memory file: memfd, POSIX shm, hugetlbfs, any file.
 * vhost-user specification, "Memory region description".
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "mem/gmem.h"
#include "mem/sigbus.h"

const struct sandbox_call gmem_shm_calls[] = {
	{.name = "fstat", .why = "the size of the guest's memory"},
	{.name = "fstatfs", .why = "the page size of the guest's memory"},
	{0},
};

struct shm_region {
	struct sigbus_range range; /* all that is mapped: the region, rounded out to pages */
};

/* The page size of mappings of fd: hugetlbfs has its own. */
static size_t file_page_size(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == (__typeof__(fs.f_type))HUGETLBFS_MAGIC)
		return (size_t)fs.f_bsize;
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Whether the file has all of the region now; SIGBUS would tell later otherwise. */
static int check_file(const struct gmem_desc *desc)
{
	struct stat st;
	uint64_t end;

	if (desc->fd < 0)
		return -EBADF;
	if (fstat(desc->fd, &st) < 0)
		return -errno;
	if (__builtin_add_overflow(desc->offset, desc->size, &end))
		return -EINVAL;
	if (S_ISREG(st.st_mode) && end > (uint64_t)st.st_size)
		return -EINVAL;
	return 0;
}

static int shm_map(const struct gmem_backend *self, const struct gmem_desc *desc, void **base, void **priv,
		   uint64_t *fault)
{
	int err = check_file(desc);
	size_t page, len;
	uint64_t lead;

	if (err)
		return err;
	page = file_page_size(desc->fd);
	lead = desc->offset % page;
	if (__builtin_add_overflow(desc->size, lead, &len) || __builtin_add_overflow(len, page - 1, &len))
		return -EINVAL;
	len -= len % page;

	struct shm_region *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, desc->fd,
		       (off_t)(desc->offset - lead));
	if (p == MAP_FAILED) {
		err = -errno;
		free(r);
		return err;
	}
	r->range.start = (uintptr_t)p;
	r->range.end = (uintptr_t)p + len;
	r->range.page = page;
	sigbus_watch(&r->range);
	*base = (char *)p + lead;
	*priv = r;
	return 0;
}

static void shm_unmap(void *priv)
{
	struct shm_region *r = priv;

	sigbus_forget(&r->range);
	munmap((void *)r->range.start, r->range.end - r->range.start);
	free(r);
}

static bool shm_lost(const void *priv)
{
	const struct shm_region *r = priv;

	return r->range.lost;
}

static void shm_range(const void *priv, void **start, size_t *len)
{
	const struct shm_region *r = priv;

	*start = (void *)r->range.start;
	*len = r->range.end - r->range.start;
}

const struct gmem_backend gmem_shm = {
	.name = "shared memory",
	.map = shm_map,
	.unmap = shm_unmap,
	.lost = shm_lost,
	.range = shm_range,
};
