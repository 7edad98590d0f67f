/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_open.c - files that the guest has open; see fs.h.
 */
#include <errno.h>
#include <unistd.h>

#include "devices/fs/fs.h"

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

/* A free record, or 0. */
static uint32_t take(struct fs *f)
{
	uint32_t i = f->free_open;

	if (i) {
		f->free_open = f->opens[i].next;
	} else if (f->fresh_open < f->max_open &&
		   fs_region_fresh(f, FS_REGION_OPENS, ((uint64_t)f->fresh_open + 1) * sizeof(*f->opens),
				   ((uint64_t)f->fresh_open + 2) * sizeof(*f->opens)) == 0) {
		i = ++f->fresh_open;
		f->kept->fresh_open = i;
	}
	return i;
}

/* What a process that was killed has opened for this request. */
static bool opened_before(struct fs *f, const struct fs_req *r, const struct fs_inode *n, int fd, uint64_t *fh)
{
	for (uint32_t i = n->opens; i && r->again; i = f->opens[i].next) {
		struct fs_open *o = &f->opens[i];

		if (o->unique != r->unique)
			continue;
		if (o->fd >= 0)
			close(o->fd);
		o->fd = fd;
		*fh = (uint64_t)o->gen << 32 | i;
		return true;
	}
	return false;
}

int fs_open_new(struct fs *f, const struct fs_req *r, struct fs_inode *n, int fd, bool dir, uint64_t *fh)
{
	struct fs_open *o;
	uint32_t i;

	if (opened_before(f, r, n, fd, fh))
		return 0;
	i = take(f);
	if (!i) {
		f->count.full++;
		log_guest(&f->d.log, "the guest has %u files open, which is the most there may be (--max-open)",
			  f->nopens);
		close(fd);
		return -ENFILE;
	}
	o = &f->opens[i];
	*o = (struct fs_open){.fd = fd, .gen = fs_gen_next(f), .refs = 1, .dir = dir, .unique = r->unique};
	fs_settle();
	o->inode = fs_index(f, n);
	f->nopens++;
	list_in(f, o, n);
	*fh = (uint64_t)o->gen << 32 | i;
	return 0;
}

int fs_opens_reserve(struct fs *f, uint32_t last)
{
	int err = fs_region_fresh(f, FS_REGION_OPENS, ((uint64_t)f->kept->fresh_open + 1) * sizeof(*f->opens),
				  ((uint64_t)last + 1) * sizeof(*f->opens));

	if (!err)
		f->kept->fresh_open = last;
	return err;
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

void fs_opens_resume(struct fs *f)
{
	f->fresh_open = f->kept->fresh_open;
	f->nopens = f->free_open = 0;
	for (uint32_t i = f->fresh_open; i; i--) {
		struct fs_open *o = &f->opens[i];
		struct fs_inode *n = &f->inodes[o->inode < f->fresh ? o->inode : 0];

		if (!o->inode || !n->type || !o->gen || o->closing || o->dir != (n->type == S_IFDIR >> 12)) {
			*o = (struct fs_open){.next = f->free_open};
			f->free_open = i;
			continue;
		}
		o->fd = -1;
		o->refs = 1;
		o->flocked = o->lock != 0;
		o->flags &= FS_OPEN_FLAGS;
		o->at = o->dir ? UINT64_MAX : 0;
		f->nopens++;
		list_in(f, o, n);
	}
}

struct fs_open *fs_open_record(struct fs *f, uint64_t fh, uint64_t node, bool dir)
{
	uint32_t i = (uint32_t)fh;
	struct fs_open *o = &f->opens[i > f->fresh_open ? 0 : i];

	if (!i || !o->inode || o->closing || o->gen != fh >> 32 || o->dir != dir)
		return NULL;
	if (node && fs_number(f, &f->inodes[o->inode]) != node)
		return NULL;
	return o;
}

struct fs_open *fs_opened(struct fs *f, uint64_t fh, uint64_t node, bool dir)
{
	struct fs_open *o = fs_open_record(f, fh, node, dir);

	if (!o || o->fd >= 0)
		return o;
	/* Another process has opened it. */
	o->fd = fs_reopen(f, &f->inodes[o->inode], (int)o->flags);
	if (o->fd >= 0)
		return o;
	o->fd = -1;
	f->lost = true;
	return NULL;
}

void fs_open_put(struct fs *f, struct fs_open *o)
{
	struct fs_inode *n = &f->inodes[o->inode];

	if (--o->refs)
		return;
	if (o->fd >= 0)
		close(o->fd);
	list_out(f, o, n);
	o->inode = 0;
	fs_settle();
	*o = (struct fs_open){.next = f->free_open};
	f->free_open = index_of(f, o);
	f->nopens--;
	fs_inode_unuse(f, n);
}

void fs_opens_end(struct fs *f)
{
	for (uint32_t i = 1; i <= f->fresh_open; i++) {
		if (f->opens[i].inode && f->opens[i].fd >= 0)
			close(f->opens[i].fd);
		f->opens[i] = (struct fs_open){0};
	}
	f->free_open = f->fresh_open = f->nopens = 0;
	f->kept->fresh_open = 0;
}
