/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_dir.c - what is in folders: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR; see fs.h.
 *
 * The guest's place in a folder is the host's.  Where it goes on where the descriptor stands, nothing is sought.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/fs/fs.h"

/* getdents64(2) */
struct host_dirent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
} __attribute__((packed));

int fs_opendir(struct fs *f, struct fs_req *r)
{
	struct fs_inode *n = fs_node(f, r->node);
	struct fuse_open_out out = {0};
	uint64_t fh;
	int fd, err;

	if (!n)
		return -ESTALE;
	if (n->type != S_IFDIR >> 12)
		return -ENOTDIR;
	fd = fs_reopen(f, n, O_RDONLY);
	if (fd < 0)
		return fd;
	out.open_flags = fs32(f, fs_open_flags(f, n, fd, true));
	err = fs_open_new(f, r, n, fd, true, &fh);
	if (err)
		return err;
	out.fh = fs64(f, fh);
	err = fs_put(r, &out, sizeof(out));
	if (err)
		fs_open_put(f, fs_opened(f, fh, 0, true));
	return err;
}

int fs_releasedir(struct fs *f, struct fs_req *r)
{
	const struct fuse_release_in *in = r->arg;
	struct fs_open *o = fs_open_record(f, fs64(f, in->fh), r->node, true);

	if (!o)
		return r->again ? 0 : -EBADF;
	o->closing = true;
	fs_open_put(f, o);
	return 0;
}

/* A folder's entries on their way to the guest. */
struct listing {
	struct fs *f;
	struct fs_open *o;
	bool plus;
	size_t len, room;
};

/* What READDIRPLUS tells of an entry beyond its name; nothing, where that fails: the guest asks then. */
static struct fs_inode *plus_entry(struct listing *l, const struct host_dirent *h, struct fuse_entry_out *e)
{
	struct fs_inode *parent = &l->f->inodes[l->o->inode], *n = NULL;
	struct fs_stat st;

	memset(e, 0, sizeof(*e));
	if (strcmp(h->name, ".") == 0 || strcmp(h->name, "..") == 0)
		return NULL;
	if (fs_stat(l->o->fd, h->name, &st) < 0 || fs_learn(l->f, parent, l->o->fd, h->name, &st, &n) < 0)
		return NULL;
	fs_entry(l->f, &st, n, parent, e);
	return n;
}

/* Adds an entry.  Returns false where it does not fit. */
static bool add(struct listing *l, const struct host_dirent *h)
{
	struct fs *f = l->f;
	size_t head = l->plus ? sizeof(struct fuse_entry_out) : 0, len = strlen(h->name);
	size_t size = head + FUSE_REC_ALIGN(sizeof(struct fuse_dirent) + len);
	uint8_t *at = f->out + l->len;
	struct fuse_dirent d = {
		.ino = fs64(f, h->ino),
		.off = fs64(f, (uint64_t)h->off),
		.namelen = fs32(f, (uint32_t)len),
		.type = fs32(f, h->type),
	};

	if (size > l->room - l->len)
		return false;
	/* Where the shared folder lies is nobody's business. */
	if (strcmp(h->name, "..") == 0 && l->o->inode == FUSE_ROOT_ID)
		d.ino = fs64(f, f->inodes[FUSE_ROOT_ID].ino);
	if (l->plus) {
		struct fuse_entry_out e;
		struct fs_inode *n = plus_entry(l, h, &e);

		memcpy(at, &e, sizeof(e));
		if (n)
			n->lookups++;
		if (n)
			d.ino = e.attr.ino;
	}
	memset(at + size - 8, 0, 8);
	memcpy(at + head, &d, sizeof(d));
	memcpy(at + head + sizeof(d), h->name, len);
	l->len += size;
	return true;
}

/* Reads entries of the host's once.  Returns 1: there may be more room and more entries; 0: there is one or the other
 * not; -errno. */
static int fill(struct listing *l)
{
	struct fs *f = l->f;
	size_t want = (l->room - l->len) / (l->plus ? 5 : 1);
	const struct host_dirent *h;
	long got;

	/* One of the longest names must fit. */
	want = want < 512 ? 512 : min_size(want, FS_DIRENTS);
	got = syscall(SYS_getdents64, l->o->fd, f->dirents, want);
	if (got <= 0)
		return got < 0 ? -errno : 0;
	for (size_t at = 0; at < (size_t)got; at += h->reclen) {
		h = (const struct host_dirent *)(const void *)(f->dirents + at);
		if (!add(l, h)) {
			/* The descriptor is beyond this one. */
			l->o->at = UINT64_MAX;
			return 0;
		}
		l->o->at = (uint64_t)h->off;
	}
	return 1;
}

int fs_readdir(struct fs *f, struct fs_req *r)
{
	const struct fuse_read_in *in = r->arg;
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, true);
	struct listing l = {.f = f, .o = o, .plus = r->opcode == FUSE_READDIRPLUS};
	uint64_t off = fs64(f, in->offset);
	int more = 1;

	if (!o)
		return -EBADF;
	l.room = min_size(min_size(fs32(f, in->size), FS_MAX_WRITE), fs_room(r));
	if (off > INT64_MAX)
		return -EINVAL;
	if (off != o->at) {
		if (lseek(o->fd, (off_t)off, SEEK_SET) < 0)
			return -errno;
		o->at = off;
	}
	while (more > 0 && l.room - l.len > sizeof(struct fuse_dirent))
		more = fill(&l);
	if (more < 0 && !l.len)
		return more;
	/* An entry that does not fit alone would be the end of the folder to the guest. */
	if (!l.len && o->at == UINT64_MAX)
		return -EINVAL;
	return fs_put(r, f->out, l.len);
}
