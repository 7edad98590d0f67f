/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_open.c - files that the guest has open; see fs.h.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/fs/fs.h"

static size_t records(const struct fs *f)
{
	return (size_t)f->max_open + 1;
}

int fs_opens_open(struct fs *f)
{
	void *p = mmap(NULL, records(f) * sizeof(*f->opens), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	f->opens = p;
	return 0;
}

void fs_opens_close(struct fs *f)
{
	if (f->opens)
		munmap(f->opens, records(f) * sizeof(*f->opens));
	f->opens = NULL;
}

static uint32_t index_of(const struct fs *f, const struct fs_open *o)
{
	return (uint32_t)(o - f->opens);
}

/* The first of a file's list is index 0's for nobody. */
static void list_in(struct fs *f, struct fs_open *o, struct fs_inode *n)
{
	o->prev = 0;
	o->next = n->opens;
	if (n->opens)
		f->opens[n->opens].prev = index_of(f, o);
	n->opens = index_of(f, o);
}

static void list_out(struct fs *f, struct fs_open *o, struct fs_inode *n)
{
	if (o->prev)
		f->opens[o->prev].next = o->next;
	else
		n->opens = o->next;
	if (o->next)
		f->opens[o->next].prev = o->prev;
}

int fs_open_new(struct fs *f, struct fs_inode *n, int fd, bool dir, uint64_t *fh)
{
	uint32_t i = f->free_open;
	struct fs_open *o;

	if (i)
		f->free_open = f->opens[i].next;
	else if (f->fresh_open < f->max_open)
		i = ++f->fresh_open;
	if (!i) {
		f->count.full++;
		log_guest(&f->d.log, "the guest has %u files open, which is the most there may be (--max-open)",
			  f->nopens);
		close(fd);
		return -ENFILE;
	}
	o = &f->opens[i];
	*o = (struct fs_open){.fd = fd, .gen = f->gen, .inode = fs_index(f, n), .refs = 1, .dir = dir};
	f->gen = f->gen == UINT32_MAX ? 1 : f->gen + 1;
	f->nopens++;
	list_in(f, o, n);
	*fh = (uint64_t)o->gen << 32 | i;
	return 0;
}

void fs_open_at_number(struct fs *f, struct fs_inode *n, int fd, bool dir, uint64_t number, uint32_t flags)
{
	uint32_t i = (uint32_t)number;
	struct fs_open *o = &f->opens[i];

	*o = (struct fs_open){
		.fd = fd,
		.gen = (uint32_t)(number >> 32),
		.inode = fs_index(f, n),
		.refs = 1,
		.flags = flags,
		.dir = dir,
		.at = dir ? UINT64_MAX : 0,
	};
	if (i > f->fresh_open)
		f->fresh_open = i;
	f->nopens++;
	list_in(f, o, n);
}

void fs_opens_loaded(struct fs *f, uint32_t last)
{
	f->fresh_open = last;
	for (uint32_t i = last; i; i--) {
		if (f->opens[i].inode)
			continue;
		f->opens[i].next = f->free_open;
		f->free_open = i;
	}
}

struct fs_open *fs_opened(struct fs *f, uint64_t fh, uint64_t node, bool dir)
{
	uint32_t i = (uint32_t)fh;
	struct fs_open *o = &f->opens[i > f->fresh_open ? 0 : i];

	if (!i || !o->inode || o->closing || o->gen != fh >> 32 || o->dir != dir)
		return NULL;
	if (node && fs_number(f, &f->inodes[o->inode]) != node)
		return NULL;
	return o;
}

void fs_open_put(struct fs *f, struct fs_open *o)
{
	struct fs_inode *n = &f->inodes[o->inode];

	if (--o->refs)
		return;
	close(o->fd);
	list_out(f, o, n);
	*o = (struct fs_open){.next = f->free_open};
	f->free_open = index_of(f, o);
	f->nopens--;
	fs_inode_unuse(f, n);
}

void fs_opens_end(struct fs *f)
{
	for (uint32_t i = 1; i <= f->fresh_open; i++) {
		if (f->opens[i].inode)
			close(f->opens[i].fd);
		f->opens[i] = (struct fs_open){0};
	}
	f->free_open = f->fresh_open = f->nopens = 0;
}
