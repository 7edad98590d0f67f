/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_attr.c - names and attributes of files: LOOKUP, FORGET, GETATTR, STATX, SETATTR, READLINK, ACCESS, STATFS; see
 * fs.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices/fs/fs.h"

int fs_name_check(const char *name)
{
	size_t len = strlen(name);

	if (!len || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	return len > FS_NAME_MAX ? -ENAMETOOLONG : 0;
}

/* Linux' form of a device number in FUSE: new_encode_dev(). */
static uint32_t encode_dev(uint32_t ma, uint32_t mi)
{
	return (mi & 0xff) | ma << 8 | (mi & ~0xffu) << 12;
}

void fs_attr(const struct fs *f, const struct fs_stat *st, struct fuse_attr *a, bool submount)
{
	*a = (struct fuse_attr){
		.ino = fs64(f, st->stx_ino),
		.size = fs64(f, st->stx_size),
		.blocks = fs64(f, st->stx_blocks),
		.atime = fs64(f, (uint64_t)st->stx_atime.tv_sec),
		.mtime = fs64(f, (uint64_t)st->stx_mtime.tv_sec),
		.ctime = fs64(f, (uint64_t)st->stx_ctime.tv_sec),
		.atimensec = fs32(f, st->stx_atime.tv_nsec),
		.mtimensec = fs32(f, st->stx_mtime.tv_nsec),
		.ctimensec = fs32(f, st->stx_ctime.tv_nsec),
		.mode = fs32(f, st->stx_mode),
		.nlink = fs32(f, st->stx_nlink),
		.uid = fs32(f, fs_id_to_guest(&f->uids, st->stx_uid)),
		.gid = fs32(f, fs_id_to_guest(&f->gids, st->stx_gid)),
		.rdev = fs32(f, encode_dev(st->stx_rdev_major, st->stx_rdev_minor)),
		.blksize = fs32(f, st->stx_blksize),
		.flags = fs32(f, submount && f->flags & FUSE_SUBMOUNTS ? FUSE_ATTR_SUBMOUNT : 0),
	};
}

/* Whether the file is the root of a file system of its own in its folder. */
static bool is_submount(const struct fs *f, const struct fs_inode *n)
{
	return n->parent && fs_index(f, n) != FUSE_ROOT_ID && n->type == S_IFDIR >> 12 &&
	       f->inodes[n->parent].mount != n->mount;
}

void fs_entry(struct fs *f, const struct fs_stat *st, const struct fs_inode *n, const struct fs_inode *parent,
	      struct fuse_entry_out *e)
{
	memset(e, 0, sizeof(*e));
	e->nodeid = fs64(f, fs_number(f, n));
	fs_seconds(f, f->entry_timeout, &e->entry_valid, &e->entry_valid_nsec);
	fs_seconds(f, f->attr_timeout, &e->attr_valid, &e->attr_valid_nsec);
	fs_attr(f, st, &e->attr, n->mount != parent->mount && n->type == S_IFDIR >> 12);
}

/* There is no such file, and the guest may remember that. */
static int absent(struct fs *f, struct fs_req *r)
{
	struct fuse_entry_out e = {0};

	if (f->negative_timeout <= 0.)
		return -ENOENT;
	fs_seconds(f, f->negative_timeout, &e.entry_valid, &e.entry_valid_nsec);
	return fs_put(r, &e, sizeof(e));
}

int fs_lookup(struct fs *f, struct fs_req *r)
{
	struct fs_inode *parent, *n;
	struct fuse_entry_out e;
	struct fs_stat st;
	int pfd, err = fs_name_check(r->name[0]);

	if (err)
		return err;
	pfd = fs_dir_fd(f, r->node, &parent);
	if (pfd < 0)
		return pfd;
	err = fs_stat(pfd, r->name[0], &st);
	if (err == -ENOENT)
		return absent(f, r);
	if (!err)
		err = fs_learn(f, parent, pfd, r->name[0], &st, &n);
	if (err)
		return err;
	fs_entry(f, &st, n, parent, &e);
	err = fs_put(r, &e, sizeof(e));
	if (err)
		fs_inode_unuse(f, n);
	else
		fs_looked_up(f, r, n);
	return err;
}

static void forget_one(struct fs *f, const struct fs_req *r, uint64_t node, uint64_t lookups)
{
	struct fs_inode *n = fs_node(f, node);

	if (n && node != FUSE_ROOT_ID)
		fs_forgotten(f, r, n, lookups);
}

int fs_forget(struct fs *f, struct fs_req *r)
{
	const struct fuse_forget_in *in = r->arg;

	forget_one(f, r, r->node, fs64(f, in->nlookup));
	return FS_SILENT;
}

int fs_batch_forget(struct fs *f, struct fs_req *r)
{
	const struct fuse_batch_forget_in *in = r->arg;
	struct fuse_forget_one one;
	struct fs_now *now = &f->kept->now;
	uint32_t n = fs32(f, in->count);

	/* A process that was killed has done the first of them. */
	for (; now->value < n && (now->value + 1) * sizeof(one) <= r->nrest; now->value++) {
		memcpy(&one, r->rest + now->value * sizeof(one), sizeof(one));
		forget_one(f, r, fs64(f, one.nodeid), fs64(f, one.nlookup));
	}
	return FS_SILENT;
}

/* A descriptor to ask for attributes by: of the open file, where the guest names one. */
static int attr_fd(struct fs *f, const struct fs_req *r, struct fs_inode **n, bool has_fh, uint64_t fh)
{
	struct fs_open *o;

	*n = fs_node(f, r->node);
	if (!*n)
		return -ESTALE;
	if (!has_fh)
		return fs_fd(f, *n);
	o = fs_opened(f, fh, r->node, (*n)->type == S_IFDIR >> 12);
	return o ? o->fd : -EBADF;
}

int fs_getattr(struct fs *f, struct fs_req *r)
{
	const struct fuse_getattr_in *in = r->arg;
	struct fuse_attr_out out = {0};
	struct fs_inode *n;
	struct fs_stat st;
	int fd = attr_fd(f, r, &n, fs32(f, in->getattr_flags) & FUSE_GETATTR_FH, fs64(f, in->fh)), err;

	if (fd < 0)
		return fd;
	err = fs_stat(fd, "", &st);
	if (err)
		return err;
	fs_seconds(f, f->attr_timeout, &out.attr_valid, &out.attr_valid_nsec);
	fs_attr(f, &st, &out.attr, is_submount(f, n));
	return fs_put(r, &out, sizeof(out));
}

static struct fuse_sx_time sx_time(const struct fs *f, struct fs_time t)
{
	return (struct fuse_sx_time){.tv_sec = (int64_t)fs64(f, (uint64_t)t.tv_sec), .tv_nsec = fs32(f, t.tv_nsec)};
}

int fs_statx(struct fs *f, struct fs_req *r)
{
	const struct fuse_statx_in *in = r->arg;
	struct fuse_statx_out out = {0};
	uint32_t known = STATX_BASIC_STATS | STATX_BTIME;
	struct fs_inode *n;
	struct fs_stat st;
	int fd = attr_fd(f, r, &n, fs32(f, in->getattr_flags) & FUSE_GETATTR_FH, fs64(f, in->fh)), err;

	if (fd < 0)
		return fd;
	err = fs_stat(fd, "", &st);
	if (err)
		return err;
	fs_seconds(f, f->attr_timeout, &out.attr_valid, &out.attr_valid_nsec);
	out.stat = (struct fuse_statx){
		.mask = fs32(f, st.stx_mask & known),
		.blksize = fs32(f, st.stx_blksize),
		.attributes = fs64(f, st.stx_attributes),
		.nlink = fs32(f, st.stx_nlink),
		.uid = fs32(f, fs_id_to_guest(&f->uids, st.stx_uid)),
		.gid = fs32(f, fs_id_to_guest(&f->gids, st.stx_gid)),
		.mode = fs16(f, st.stx_mode),
		.ino = fs64(f, st.stx_ino),
		.size = fs64(f, st.stx_size),
		.blocks = fs64(f, st.stx_blocks),
		.attributes_mask = fs64(f, st.stx_attributes_mask),
		.atime = sx_time(f, st.stx_atime),
		.btime = sx_time(f, st.stx_btime),
		.ctime = sx_time(f, st.stx_ctime),
		.mtime = sx_time(f, st.stx_mtime),
		.rdev_major = fs32(f, st.stx_rdev_major),
		.rdev_minor = fs32(f, st.stx_rdev_minor),
	};
	return fs_put(r, &out, sizeof(out));
}

/* ---- SETATTR */

static int set_owner(struct fs *f, int fd, uint32_t valid, const struct fuse_setattr_in *in)
{
	uint32_t uid = UINT32_MAX, gid = UINT32_MAX;

	if (valid & FATTR_UID && !fs_id_to_host(&f->uids, fs32(f, in->uid), &uid))
		return -EPERM;
	if (valid & FATTR_GID && !fs_id_to_host(&f->gids, fs32(f, in->gid), &gid))
		return -EPERM;
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int set_mode(struct fs *f, int fd, const struct fs_inode *n, uint32_t mode)
{
	struct fs_proc p;

	/* Through /proc a symbolic link's mode would be refused or, on old kernels, set. */
	if (n->type == S_IFLNK >> 12)
		return -EOPNOTSUPP;
	return fchmodat(f->proc_fd, fs_proc(&p, fd), mode & 07777, 0) < 0 ? -errno : 0;
}

static int set_size(struct fs *f, struct fs_inode *n, struct fs_open *o, uint64_t size)
{
	int fd = o ? o->fd : -1, err = 0;

	if (size > INT64_MAX)
		return -EFBIG;
	if (!o)
		fd = fs_reopen(f, n, O_WRONLY);
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)size) < 0)
		err = -errno;
	if (!o)
		close(fd);
	return err;
}

static struct timespec time_of(const struct fs *f, uint32_t valid, uint32_t set, uint32_t now, uint64_t s, uint32_t ns)
{
	struct timespec t = {.tv_nsec = UTIME_OMIT};

	if (valid & now)
		t.tv_nsec = UTIME_NOW;
	else if (valid & set)
		t = (struct timespec){.tv_sec = (time_t)fs64(f, s), .tv_nsec = (long)fs32(f, ns)};
	return t;
}

static int set_times(struct fs *f, int fd, uint32_t valid, const struct fuse_setattr_in *in)
{
	const struct timespec t[2] = {
		time_of(f, valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		time_of(f, valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};
	struct fs_proc p;
	int ret;

	if (fs32(f, in->atimensec) > 999999999 || fs32(f, in->mtimensec) > 999999999)
		return -EINVAL;
	ret = utimensat(fd, "", t, AT_EMPTY_PATH);
	/* Older than Linux 5.8. */
	if (ret < 0 && errno == EINVAL)
		ret = utimensat(f->proc_fd, fs_proc(&p, fd), t, 0);
	return ret < 0 ? -errno : 0;
}

/* The guest's kernel leaves it to us to take set-user-id and set-group-id away (HANDLE_KILLPRIV_V2). */
int fs_kill_suid(struct fs *f, int fd, const struct fs_inode *n)
{
	struct fs_stat st;
	int err = fs_stat(fd, "", &st);
	mode_t mode = st.stx_mode & 07777;

	if (err || n->type != S_IFREG >> 12)
		return err;
	mode &= ~(mode_t)S_ISUID;
	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		mode &= ~(mode_t)S_ISGID;
	return mode == (st.stx_mode & 07777) ? 0 : set_mode(f, fd, n, mode);
}

static int setattr_all(struct fs *f, struct fs_inode *n, struct fs_open *o, int fd, const struct fuse_setattr_in *in)
{
	uint32_t valid = fs32(f, in->valid);
	int err = 0;

	/* The mode last of the two: a change of the owner takes bits of it away. */
	if (valid & (FATTR_UID | FATTR_GID)) {
		err = set_owner(f, fd, valid, in);
		fs_drop_mapped_caps(f, fd);
	}
	if (!err && valid & FATTR_MODE)
		err = set_mode(f, fd, n, fs32(f, in->mode));
	if (!err && valid & FATTR_SIZE) {
		err = set_size(f, n, o, fs64(f, in->size));
		if (!err && valid & FATTR_KILL_SUIDGID)
			err = fs_kill_suid(f, fd, n);
		fs_drop_mapped_caps(f, fd);
	} else if (!err && valid & FATTR_KILL_SUIDGID && !(valid & FATTR_MODE)) {
		err = fs_kill_suid(f, fd, n);
	}
	if (!err && valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW))
		err = set_times(f, fd, valid, in);
	return err;
}

int fs_setattr(struct fs *f, struct fs_req *r)
{
	const struct fuse_setattr_in *in = r->arg;
	bool has_fh = fs32(f, in->valid) & FATTR_FH;
	struct fs_open *o = NULL;
	struct fuse_attr_out out = {0};
	struct fs_inode *n;
	struct fs_stat st;
	int fd = attr_fd(f, r, &n, has_fh, fs64(f, in->fh)), err;

	if (fd < 0)
		return fd;
	if (has_fh)
		o = fs_opened(f, fs64(f, in->fh), r->node, n->type == S_IFDIR >> 12);
	err = setattr_all(f, n, o, fd, in);
	if (!err)
		err = fs_stat(fd, "", &st);
	if (err)
		return err;
	fs_seconds(f, f->attr_timeout, &out.attr_valid, &out.attr_valid_nsec);
	fs_attr(f, &st, &out.attr, is_submount(f, n));
	return fs_put(r, &out, sizeof(out));
}

/* ---- others */

int fs_readlink(struct fs *f, struct fs_req *r)
{
	struct fs_inode *n = fs_node(f, r->node);
	int fd = n ? fs_fd(f, n) : -ESTALE;
	ssize_t len;

	if (fd < 0)
		return fd;
	if (n->type != S_IFLNK >> 12)
		return -EINVAL;
	len = readlinkat(fd, "", (char *)f->out, FS_LINK_MAX);
	return len < 0 ? -errno : fs_put(r, f->out, (size_t)len);
}

/* The guest's kernel decides itself (default_permissions); where one asks all the same, the mode tells. */
int fs_access(struct fs *f, struct fs_req *r)
{
	const struct fuse_access_in *in = r->arg;
	uint32_t mask = fs32(f, in->mask), granted, uid, gid;
	struct fs_inode *n = fs_node(f, r->node);
	int fd = n ? fs_fd(f, n) : -ESTALE, err;
	struct fs_stat st;

	if (fd < 0)
		return fd;
	err = fs_stat(fd, "", &st);
	if (err || mask == F_OK)
		return err;
	if (mask & ~7u || !fs_id_to_host(&f->uids, r->uid, &uid) || !fs_id_to_host(&f->gids, r->gid, &gid))
		return mask & ~7u ? -EINVAL : -EACCES;
	if (uid == 0)
		granted = R_OK | W_OK | (S_ISDIR(st.stx_mode) || st.stx_mode & 0111 ? X_OK : 0);
	else
		granted = (uint32_t)st.stx_mode >> (uid == st.stx_uid ? 6 : gid == st.stx_gid ? 3 : 0);
	return mask & ~granted ? -EACCES : 0;
}

int fs_statfs(struct fs *f, struct fs_req *r)
{
	struct fs_inode *n = fs_node(f, r->node);
	int fd = n ? fs_fd(f, n) : -ESTALE;
	struct fuse_statfs_out out = {0};
	struct statvfs v;

	if (fd < 0)
		return fd;
	if (fstatvfs(fd, &v) < 0)
		return -errno;
	out.st = (struct fuse_kstatfs){
		.blocks = fs64(f, v.f_blocks),
		.bfree = fs64(f, v.f_bfree),
		.bavail = fs64(f, v.f_bavail),
		.files = fs64(f, v.f_files),
		.ffree = fs64(f, v.f_ffree),
		.bsize = fs32(f, (uint32_t)v.f_bsize),
		.namelen = fs32(f, (uint32_t)v.f_namemax),
		.frsize = fs32(f, (uint32_t)v.f_frsize),
	};
	return fs_put(r, &out, sizeof(out));
}
