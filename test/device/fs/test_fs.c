/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_fs.c - the file system device: VIRTIO 1.4, section "File System Device"; linux/fuse.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "test/device/fs/fs_client.h"
#include "test/unit/suites.h"

#define ROOT FUSE_ROOT_ID

/* ---- the session */

static void session(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fuse_init_out out;
	const struct fuse_init_in future = {.major = 8}, past = {.major = 6, .minor = 99},
				  old = {.major = 7, .minor = 26};

	ck_assert(f->flags & FUSE_BIG_WRITES && f->flags & FUSE_MAX_PAGES && f->flags & FUSE_ALLOW_IDMAP);
	/* What was not asked for by an option, and what no server has. */
	ck_assert(!(f->flags &
		    (FUSE_POSIX_ACL | FUSE_FLOCK_LOCKS | FUSE_POSIX_LOCKS | FUSE_SPLICE_READ | FUSE_PASSTHROUGH)));
	ck_assert_int_eq(fs_call(f, FUSE_INIT, 0, &future, sizeof(future), NULL, NULL, sizeof(out)), 0);
	memcpy(&out, f->out, sizeof(out));
	ck_assert_uint_eq(out.major, 7);
	ck_assert_int_eq(fs_call(f, FUSE_INIT, 0, &past, sizeof(past), NULL, NULL, sizeof(out)), -EPROTO);
	ck_assert_int_eq(fs_call(f, FUSE_INIT, 0, &old, sizeof(old), NULL, NULL, sizeof(out)), -EPROTO);
	/* None of these has begun one. */
	ck_assert_int_eq(fs_call(f, FUSE_STATFS, ROOT, NULL, 0, NULL, NULL, sizeof(struct fuse_statfs_out)), -EIO);
	ck_assert_int_eq(fs_init_with(f, 7, 31, 0), 0);
	ck_assert_uint_eq(f->flags, 0);
	ck_assert_int_eq(fs_call(f, FUSE_STATFS, ROOT, NULL, 0, NULL, NULL, sizeof(struct fuse_statfs_out)), 0);
	ck_assert_int_eq(fs_call(f, FUSE_DESTROY, 0, NULL, 0, NULL, NULL, 0), 0);
	ck_assert_int_eq(fs_call(f, FUSE_STATFS, ROOT, NULL, 0, NULL, NULL, sizeof(struct fuse_statfs_out)), -EIO);
}

/* A new session knows nothing of the old one's numbers. */
static void session_again(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	struct fuse_open_out o;
	struct fuse_attr a;

	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	f = fs_mount(c);
	ck_assert_int_eq(fs_attr_of(f, node, &a), -ESTALE);
	ck_assert_int_eq(fs_read_at(f, node, o.fh, 0, 10), -EBADF);
	ck_assert_int_eq(fs_attr_of(f, ROOT, &a), 0);
	carrier_reset(c);
	ck_assert_int_eq(fs_attr_of(f, ROOT, &a), -EIO);
	f = fs_mount(c);
	ck_assert_uint_ne(fs_walk(f, ROOT, "hello"), node);
}

/* ---- names and attributes */

static void lookup(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fuse_entry_out e, again;
	struct fuse_attr a;
	struct stat st;

	ck_assert_int_eq(stat(fs_share(c, "hello"), &st), 0);
	ck_assert_int_eq(fs_look(f, ROOT, "hello", &e), 0);
	ck_assert_uint_eq(e.attr.ino, st.st_ino);
	ck_assert_uint_eq(e.attr.size, 13);
	ck_assert_uint_eq(e.attr.mode, st.st_mode);
	ck_assert_uint_eq(e.attr.mtime, (uint64_t)st.st_mtime);
	ck_assert_uint_eq(e.attr.mtimensec, (uint32_t)st.st_mtim.tv_nsec);
	ck_assert_uint_eq(e.attr.nlink, 1);
	ck_assert_uint_eq(e.entry_valid, 1);
	ck_assert_int_eq(fs_look(f, ROOT, "hello", &again), 0);
	ck_assert_uint_eq(again.nodeid, e.nodeid);
	ck_assert_int_eq(fs_attr_of(f, e.nodeid, &a), 0);
	ck_assert_uint_eq(a.ino, st.st_ino);
	/* That a name is not there can be remembered. */
	ck_assert_int_eq(fs_call(f, FUSE_LOOKUP, ROOT, NULL, 0, "none", NULL, sizeof(e)), 0);
	memcpy(&e, f->out, sizeof(e));
	ck_assert_uint_eq(e.nodeid, 0);
	ck_assert_uint_eq(e.entry_valid, 1);
	ck_assert_int_eq(fs_look(f, fs_walk(f, ROOT, "d"), "in", &e), 0);
	ck_assert_int_eq(fs_look(f, again.nodeid, "x", &e), -ENOTDIR);
}

static const char *const never_args[] = {"--shared-dir=%T/share", "--cache=never", NULL};

static void cache_never(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fuse_entry_out e;
	struct fuse_open_out o;

	ck_assert_int_eq(fs_look(f, ROOT, "hello", &e), 0);
	ck_assert_uint_eq(e.entry_valid + e.attr_valid + e.entry_valid_nsec + e.attr_valid_nsec, 0);
	ck_assert_int_eq(fs_call(f, FUSE_LOOKUP, ROOT, NULL, 0, "none", NULL, sizeof(e)), -ENOENT);
	ck_assert_int_eq(fs_open_at(f, e.nodeid, O_RDONLY, &o), 0);
	ck_assert(o.open_flags & FOPEN_DIRECT_IO);
	ck_assert(!(f->flags & FUSE_DO_READDIRPLUS));
}

static const char *const times_args[] = {"--shared-dir=%T/share", "--cache=always", "--entry-timeout=2.5",
					 "--negative-timeout=0", NULL};

static void cache_always(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fuse_entry_out e;
	struct fuse_open_out o;

	ck_assert_int_eq(fs_look(f, ROOT, "hello", &e), 0);
	ck_assert_uint_eq(e.entry_valid, 2);
	ck_assert_uint_eq(e.entry_valid_nsec / 1000000, 500);
	ck_assert_uint_eq(e.attr_valid, 86400);
	ck_assert_int_eq(fs_call(f, FUSE_LOOKUP, ROOT, NULL, 0, "none", NULL, sizeof(e)), -ENOENT);
	ck_assert_int_eq(fs_open_at(f, e.nodeid, O_RDONLY, &o), 0);
	ck_assert(o.open_flags & FOPEN_KEEP_CACHE);
}

/* What was cached stays good while the file is as it was when it was opened before. */
static void cache_auto(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct fuse_open_out o;

	/* It takes its time. */
	if (carrier_kind(c) != CARRIER_DIRECT)
		return;
	/* The file's change is too young to be told from the next. */
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	ck_assert(!(o.open_flags & FOPEN_KEEP_CACHE));
	ck_assert(o.open_flags & FOPEN_NOFLUSH);
	ck_assert_int_eq(utimensat(AT_FDCWD, fs_share(c, "hello"), old, 0), 0);
	/* That has changed it just now, and so the time of its change tells. */
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	ck_assert(!(o.open_flags & FOPEN_KEEP_CACHE));
	carrier_idle(c, 2100);
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	ck_assert(!(o.open_flags & FOPEN_KEEP_CACHE));
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	ck_assert(o.open_flags & FOPEN_KEEP_CACHE);
	fs_host_write(c, "hello", "another");
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	ck_assert(!(o.open_flags & FOPEN_KEEP_CACHE));
}

static void statx_of(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	const struct fuse_statx_in in = {.sx_mask = STATX_BASIC_STATS | STATX_BTIME};
	struct fuse_statx_out out;
	struct stat st;

	ck_assert_int_eq(stat(fs_share(c, "hello"), &st), 0);
	ck_assert_int_eq(fs_call(f, FUSE_STATX, fs_walk(f, ROOT, "hello"), &in, sizeof(in), NULL, NULL, sizeof(out)),
			 0);
	ck_assert_uint_eq(f->out_len, sizeof(out));
	memcpy(&out, f->out, sizeof(out));
	ck_assert_uint_eq(out.stat.ino, st.st_ino);
	ck_assert_uint_eq(out.stat.size, 13);
	ck_assert_uint_eq(out.stat.mode, st.st_mode);
	ck_assert_uint_eq(out.stat.mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
}

static int setattr(struct fs_client *f, uint64_t node, struct fuse_setattr_in *in, struct fuse_attr *a)
{
	struct fuse_attr_out out;
	int err = fs_call(f, FUSE_SETATTR, node, in, sizeof(*in), NULL, NULL, sizeof(out));

	if (err)
		return err;
	memcpy(&out, f->out, sizeof(out));
	*a = out.attr;
	return 0;
}

static void attributes_set(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello"), link = fs_walk(f, fs_walk(f, ROOT, "d"), "link");
	struct fuse_setattr_in mode = {.valid = FATTR_MODE, .mode = S_IFREG | 0640},
			       size = {.valid = FATTR_SIZE, .size = 5};
	struct fuse_setattr_in times = {
		.valid = FATTR_ATIME | FATTR_MTIME, .atime = 11, .atimensec = 5, .mtime = 12, .mtimensec = 6};
	struct fuse_setattr_in now = {.valid = FATTR_MTIME | FATTR_MTIME_NOW},
			       huge = {.valid = FATTR_SIZE, .size = UINT64_MAX};
	struct fuse_setattr_in odd = {.valid = FATTR_MTIME, .mtimensec = 1000000000};
	struct fuse_attr a;
	struct stat st;

	ck_assert_int_eq(setattr(f, node, &mode, &a), 0);
	ck_assert_uint_eq(a.mode, S_IFREG | 0640);
	ck_assert_int_eq(setattr(f, node, &size, &a), 0);
	ck_assert_uint_eq(a.size, 5);
	fs_host_is(c, "hello", "hello");
	ck_assert_int_eq(setattr(f, node, &times, &a), 0);
	ck_assert_int_eq(stat(fs_share(c, "hello"), &st), 0);
	ck_assert(st.st_atim.tv_sec == 11 && st.st_atim.tv_nsec == 5 && st.st_mtim.tv_sec == 12 &&
		  st.st_mtim.tv_nsec == 6);
	ck_assert_int_eq(setattr(f, node, &now, &a), 0);
	ck_assert_int_eq(stat(fs_share(c, "hello"), &st), 0);
	ck_assert(st.st_atim.tv_sec == 11 && st.st_mtim.tv_sec > 1000000);
	ck_assert_int_eq(setattr(f, node, &huge, &a), -EFBIG);
	ck_assert_int_eq(setattr(f, node, &odd, &a), -EINVAL);
	/* A link's own, and never what it leads to. */
	ck_assert_int_eq(setattr(f, link, &mode, &a), -EOPNOTSUPP);
	ck_assert_int_eq(setattr(f, link, &size, &a), -ELOOP);
	ck_assert_int_eq(setattr(f, link, &times, &a), 0);
	ck_assert_int_eq(lstat(fs_share(c, "d/link"), &st), 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, 12);
	ck_assert_int_eq(stat(carrier_path(c, "outside"), &st), 0);
	ck_assert(st.st_mtim.tv_sec > 1000000 && st.st_size == 7);
}

/* Set-user-id goes where the guest's kernel leaves that to the server, and set-group-id where the group may execute. */
static void killpriv(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fuse_write_in in = {.size = 1, .write_flags = FUSE_WRITE_KILL_SUIDGID};
	struct fuse_setattr_in size = {.valid = FATTR_SIZE | FATTR_KILL_SUIDGID, .size = 2};
	const struct fuse_create_in create = {.flags = O_RDWR | O_CREAT | O_TRUNC,
					      .mode = S_IFREG | 0644,
					      .open_flags = FUSE_OPEN_KILL_SUIDGID};
	struct fs_message *m = malloc(sizeof(*m));
	uint64_t node = fs_walk(f, ROOT, "hello");
	struct fuse_open_out o;
	struct fuse_attr a;

	ck_assert(f->flags & FUSE_HANDLE_KILLPRIV_V2);
	ck_assert_int_eq(chmod(fs_share(c, "hello"), 06755), 0);
	ck_assert_int_eq(fs_open_at(f, node, O_WRONLY, &o), 0);
	in.fh = o.fh;
	fs_begin(f, m, FUSE_WRITE, node);
	fs_add(m, &in, sizeof(in));
	fs_add(m, "H", 1);
	ck_assert_int_eq(fs_send(f, m, sizeof(struct fuse_write_out)), 0);
	ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
	ck_assert_uint_eq(a.mode & 07777, 0755);
	ck_assert_int_eq(chmod(fs_share(c, "hello"), 06745), 0);
	ck_assert_int_eq(setattr(f, node, &size, &a), 0);
	ck_assert_uint_eq(a.mode & 07777, 02745);
	free(m);
	/* Also where a file that is there is created anew. */
	ck_assert_int_eq(chmod(fs_share(c, "hello"), 06755), 0);
	ck_assert_int_eq(fs_call(f, FUSE_CREATE, ROOT, &create, sizeof(create), "hello", NULL,
				 sizeof(struct fuse_entry_out) + sizeof(o)),
			 0);
	ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
	ck_assert_uint_eq(a.mode & 07777, 0755);
	ck_assert_uint_eq(a.size, 0);
}

static void readlink_of(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t d = fs_walk(f, ROOT, "d"), link = fs_walk(f, d, "link");

	ck_assert_int_eq(fs_call(f, FUSE_READLINK, link, NULL, 0, NULL, NULL, 4096), 0);
	ck_assert_uint_eq(f->out_len, 13);
	ck_assert_mem_eq(f->out, "../../outside", 13);
	ck_assert_int_eq(fs_call(f, FUSE_READLINK, d, NULL, 0, NULL, NULL, 4096), -EINVAL);
	ck_assert_int_eq(fs_call(f, FUSE_READLINK, link, NULL, 0, NULL, NULL, 5), -EINVAL);
}

static void access_of(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fuse_access_in in = {.mask = R_OK};
	uint64_t node = fs_walk(f, ROOT, "hello");

	ck_assert_int_eq(chmod(fs_share(c, "hello"), 0640), 0);
	ck_assert_int_eq(fs_call(f, FUSE_ACCESS, node, &in, sizeof(in), NULL, NULL, 0), 0);
	f->uid = f->gid = 12345;
	ck_assert_int_eq(fs_call(f, FUSE_ACCESS, node, &in, sizeof(in), NULL, NULL, 0), -EACCES);
	in.mask = 8;
	ck_assert_int_eq(fs_call(f, FUSE_ACCESS, node, &in, sizeof(in), NULL, NULL, 0), -EINVAL);
}

static void statfs_of(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fuse_statfs_out out;

	ck_assert_int_eq(fs_call(f, FUSE_STATFS, ROOT, NULL, 0, NULL, NULL, sizeof(out)), 0);
	memcpy(&out, f->out, sizeof(out));
	ck_assert_uint_eq(out.st.namelen, 255);
	ck_assert_uint_gt(out.st.blocks, 0);
}

/* ---- FORGET */

static void forget(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello"), d = fs_walk(f, ROOT, "d"), in = fs_walk(f, d, "in");
	struct {
		struct fuse_batch_forget_in head;
		struct fuse_forget_one one[2];
	} batch = {.head = {.count = 2}};
	struct fuse_open_out o;
	struct fuse_attr a;

	fs_walk(f, ROOT, "hello");
	fs_forget_node(f, node, 1);
	ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
	/* Open, it goes on; its number does not. */
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	fs_forget_node(f, node, 1000);
	ck_assert_int_eq(fs_attr_of(f, node, &a), -ESTALE);
	ck_assert_int_eq(fs_read_at(f, node, o.fh, 0, 5), 5);
	ck_assert_int_eq(fs_close_at(f, node, o.fh, false), 0);
	/* The root stays. */
	fs_forget_node(f, ROOT, UINT64_MAX);
	ck_assert_int_eq(fs_attr_of(f, ROOT, &a), 0);
	/* A folder is forgotten before what is in it. */
	fs_forget_node(f, d, 1);
	ck_assert_int_eq(fs_attr_of(f, d, &a), -ESTALE);
	ck_assert_int_eq(fs_attr_of(f, in, &a), 0);
	d = fs_walk(f, ROOT, "d");
	batch.one[0] = (struct fuse_forget_one){d, 1};
	batch.one[1] = (struct fuse_forget_one){in, 1};
	fs_tell(f, FUSE_BATCH_FORGET, 0, &batch, sizeof(batch));
	ck_assert_int_eq(fs_attr_of(f, d, &a), -ESTALE);
	ck_assert_int_eq(fs_attr_of(f, in, &a), -ESTALE);
	/* More than there are. */
	batch.head.count = UINT32_MAX;
	fs_tell(f, FUSE_BATCH_FORGET, 0, &batch, sizeof(batch));
	ck_assert_uint_ne(fs_walk(f, ROOT, "hello"), node);
}

/* ---- files */

static void read_and_write(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	struct fuse_open_out r, w;

	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &r), 0);
	ck_assert_int_eq(fs_read_at(f, node, r.fh, 0, 4096), 13);
	ck_assert_mem_eq(f->out, "hello, world\n", 13);
	ck_assert_int_eq(fs_read_at(f, node, r.fh, 7, 5), 5);
	ck_assert_mem_eq(f->out, "world", 5);
	ck_assert_int_eq(fs_read_at(f, node, r.fh, 13, 100), 0);
	ck_assert_int_eq(fs_read_at(f, node, r.fh, UINT64_MAX, 100), -EINVAL);
	ck_assert_int_eq(fs_write_at(f, node, r.fh, 0, "x", 1, 0), -EBADF);
	ck_assert_int_eq(fs_open_at(f, node, O_RDWR, &w), 0);
	ck_assert_uint_ne(w.fh, r.fh);
	ck_assert_int_eq(fs_write_at(f, node, w.fh, 0, "HELLO", 5, 0), 5);
	/* At its end, wherever the guest takes that to be. */
	ck_assert_int_eq(fs_write_at(f, node, w.fh, 3, "more", 4, O_APPEND), 4);
	ck_assert_int_eq(fs_write_at(f, node, w.fh, UINT64_MAX - 1, "x", 1, 0), -EINVAL);
	ck_assert_int_eq(fs_write_at(f, node, w.fh, 0, NULL, 0, 0), 0);
	fs_host_is(c, "hello", "HELLO, world\nmore");
	ck_assert_int_eq(fs_close_at(f, node, w.fh, false), 0);
	ck_assert_int_eq(fs_close_at(f, node, w.fh, false), -EBADF);
	ck_assert_int_eq(fs_write_at(f, node, w.fh, 0, "x", 1, 0), -EBADF);
	ck_assert_int_eq(fs_open_at(f, node, O_WRONLY | O_TRUNC, &w), 0);
	fs_host_is(c, "hello", "");
	ck_assert_int_eq(fs_open_at(f, node, O_ACCMODE, &w), -EINVAL);
	ck_assert_int_eq(fs_open_at(f, ROOT, O_RDONLY, &w), -EISDIR);
}

static void large(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	static uint8_t bytes[65536];
	uint64_t node, fh;
	uint8_t *host = malloc(sizeof(bytes));
	int fd;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	ck_assert_int_eq(fs_make_file(f, ROOT, "large", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(fs_write_at(f, node, fh, 0, bytes, 65000, 0), 65000);
	ck_assert_int_eq(fs_read_at(f, node, fh, 0, 65536), 65000);
	ck_assert_mem_eq(f->out, bytes, 65000);
	fd = open(fs_share(c, "large"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, host, sizeof(bytes)), 65000);
	ck_assert_mem_eq(host, bytes, 65000);
	/* Where it is not in memory any more (tmpfs keeps it) a thread reads it, or the loop, in however many pieces. */
	ck_assert_int_eq(fdatasync(fd), 0);
	ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	ck_assert_int_eq(fs_read_at(f, node, fh, 0, 65536), 65000);
	ck_assert_mem_eq(f->out, bytes, 65000);
	close(fd);
	free(host);
}

/* What waits for a disk ends on a thread. */
static void kept(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	const struct fuse_syncfs_in sync = {0};
	struct fuse_fsync_in in = {0};
	uint64_t node, fh, dir;
	struct fuse_flush_in flush = {0};

	ck_assert_int_eq(fs_make_file(f, ROOT, "new", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(fs_write_at(f, node, fh, 0, "abc", 3, O_DSYNC), 3);
	in.fh = flush.fh = fh;
	ck_assert_int_eq(fs_call(f, FUSE_FSYNC, node, &in, sizeof(in), NULL, NULL, 0), 0);
	in.fsync_flags = FUSE_FSYNC_FDATASYNC;
	ck_assert_int_eq(fs_call(f, FUSE_FSYNC, node, &in, sizeof(in), NULL, NULL, 0), 0);
	ck_assert_int_eq(fs_call(f, FUSE_FSYNCDIR, node, &in, sizeof(in), NULL, NULL, 0), -EBADF);
	ck_assert_int_eq(fs_call(f, FUSE_FLUSH, node, &flush, sizeof(flush), NULL, NULL, 0), 0);
	ck_assert_int_eq(fs_opendir_at(f, ROOT, &dir), 0);
	in.fh = dir;
	ck_assert_int_eq(fs_call(f, FUSE_FSYNCDIR, ROOT, &in, sizeof(in), NULL, NULL, 0), 0);
	ck_assert_int_eq(fs_call(f, FUSE_SYNCFS, ROOT, &sync, sizeof(sync), NULL, NULL, 0), 0);
	fs_host_is(c, "new", "abc");
}

static void shape(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fuse_fallocate_in in = {.length = 8192};
	struct fuse_lseek_in seek = {.whence = SEEK_DATA};
	struct fuse_copy_file_range_in copy = {.len = 5};
	uint64_t node, fh, node2, fh2;
	struct fuse_attr a;
	uint64_t at;

	ck_assert_int_eq(fs_make_file(f, ROOT, "a", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(fs_make_file(f, ROOT, "b", O_RDWR, 0600, &node2, &fh2), 0);
	in.fh = seek.fh = copy.fh_in = fh;
	ck_assert_int_eq(fs_call(f, FUSE_FALLOCATE, node, &in, sizeof(in), NULL, NULL, 0), 0);
	ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
	ck_assert_uint_eq(a.size, 8192);
	in.mode = 0x80000000;
	ck_assert_int_eq(fs_call(f, FUSE_FALLOCATE, node, &in, sizeof(in), NULL, NULL, 0), -EOPNOTSUPP);
	in.mode = 0;
	in.offset = INT64_MAX;
	ck_assert_int_eq(fs_call(f, FUSE_FALLOCATE, node, &in, sizeof(in), NULL, NULL, 0), -EINVAL);
	ck_assert_int_eq(fs_write_at(f, node, fh, 0, "12345", 5, 0), 5);
	ck_assert_int_eq(fs_call(f, FUSE_LSEEK, node, &seek, sizeof(seek), NULL, NULL, 8), 0);
	memcpy(&at, f->out, 8);
	ck_assert_uint_eq(at, 0);
	seek.whence = 77;
	ck_assert_int_eq(fs_call(f, FUSE_LSEEK, node, &seek, sizeof(seek), NULL, NULL, 8), -EINVAL);
	copy.fh_out = fh2;
	copy.nodeid_out = node2;
	ck_assert_int_eq(fs_call(f, FUSE_COPY_FILE_RANGE, node, &copy, sizeof(copy), NULL, NULL, 8), 0);
	ck_assert_uint_eq(*(uint32_t *)(void *)f->out, 5);
	copy.off_out = 5;
	ck_assert_int_eq(fs_call(f, FUSE_COPY_FILE_RANGE_64, node, &copy, sizeof(copy), NULL, NULL, 8), 0);
	memcpy(&at, f->out, 8);
	ck_assert_uint_eq(at, 5);
	fs_host_is(c, "b", "1234512345");
	copy.nodeid_out = node;
	ck_assert_int_eq(fs_call(f, FUSE_COPY_FILE_RANGE, node, &copy, sizeof(copy), NULL, NULL, 8), -EBADF);
}

/* ---- folders */

/* Reads a folder in pieces of this many bytes; how often each of n names "fN" was seen. */
static unsigned int list(struct fs_client *f, uint64_t node, uint64_t fh, uint32_t size, bool plus, unsigned int *seen,
			 unsigned int n)
{
	struct fuse_read_in in = {.fh = fh, .size = size};
	unsigned int entries = 0, number;

	for (;;) {
		const uint32_t op = plus ? FUSE_READDIRPLUS : FUSE_READDIR;
		size_t head = plus ? sizeof(struct fuse_entry_out) : 0, at = 0;

		ck_assert_int_eq(fs_call(f, op, node, &in, sizeof(in), NULL, NULL, size), 0);
		if (!f->out_len)
			return entries;
		while (at < f->out_len) {
			struct fuse_dirent d;
			char name[256] = "";

			memcpy(&d, f->out + at + head, sizeof(d));
			memcpy(name, f->out + at + head + sizeof(d), d.namelen);
			if (sscanf(name, "f%u", &number) == 1 && number < n)
				seen[number]++;
			if (plus && *name != '.') {
				struct fuse_entry_out e;

				memcpy(&e, f->out + at, sizeof(e));
				ck_assert_uint_ne(e.nodeid, 0);
				ck_assert_uint_eq(e.attr.ino, d.ino);
			}
			at += head + FUSE_REC_ALIGN(sizeof(d) + d.namelen);
			in.offset = d.off;
			entries++;
		}
		ck_assert_uint_eq(at, f->out_len);
	}
}

static void folders(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	unsigned int n = 300, seen[300];
	uint64_t d = fs_walk(f, ROOT, "d"), fh;
	struct fuse_read_in in = {.size = 40};
	char name[32];

	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "d/f%u", i);
		fs_host_write(c, name, "");
	}
	ck_assert_int_eq(fs_opendir_at(f, d, &fh), 0);
	for (unsigned int round = 0; round < 4; round++) {
		memset(seen, 0, sizeof(seen));
		/* ., .., in, link */
		ck_assert_uint_eq(list(f, d, fh, round & 1 ? 4096 : 500, round & 2, seen, n), n + 4);
		for (unsigned int i = 0; i < n; i++)
			ck_assert_uint_eq(seen[i], 1);
	}
	in.fh = fh;
	in.offset = UINT64_MAX;
	ck_assert_int_eq(fs_call(f, FUSE_READDIR, d, &in, sizeof(in), NULL, NULL, 40), -EINVAL);
	/* No room for an entry with its attributes. */
	in.offset = 0;
	ck_assert_int_eq(fs_call(f, FUSE_READDIRPLUS, d, &in, sizeof(in), NULL, NULL, 40), -EINVAL);
	ck_assert_int_eq(fs_read_at(f, d, fh, 0, 10), -EBADF);
	ck_assert_int_eq(fs_close_at(f, d, fh, false), -EBADF);
	ck_assert_int_eq(fs_close_at(f, d, fh, true), 0);
	ck_assert_int_eq(fs_opendir_at(f, fs_walk(f, ROOT, "hello"), &fh), -ENOTDIR);
}

/* ---- making and removing */

static void make_names(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	const struct fuse_mknod_in fifo = {.mode = S_IFIFO | 0600};
	struct fuse_link_in link = {.oldnodeid = fs_walk(f, ROOT, "hello")};
	uint64_t node, fh, dir;
	struct fuse_entry_out e;
	struct stat st;
	char target[100] = "";

	ck_assert_int_eq(fs_make_dir(f, ROOT, "new", 0750, &dir), 0);
	ck_assert_int_eq(fs_make_dir(f, ROOT, "new", 0750, &dir), -EEXIST);
	ck_assert_int_eq(stat(fs_share(c, "new"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0750);
	ck_assert_int_eq(fs_make_file(f, dir, "file", O_RDWR | O_EXCL, 0666, &node, &fh), 0);
	/* As asked for, whatever the umask is here. */
	ck_assert_int_eq(stat(fs_share(c, "new/file"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0666);
	ck_assert_uint_eq(st.st_uid, getuid());
	ck_assert_int_eq(fs_make_file(f, dir, "file", O_RDWR | O_EXCL, 0600, &node, &fh), -EEXIST);
	ck_assert_int_eq(fs_make_file(f, dir, "file", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(fs_write_at(f, node, fh, 0, "x", 1, 0), 1);
	ck_assert_int_eq(fs_call(f, FUSE_MKNOD, dir, &fifo, sizeof(fifo), "fifo", NULL, sizeof(e)), 0);
	ck_assert_int_eq(stat(fs_share(c, "new/fifo"), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFIFO | 0600);
	ck_assert_int_eq(fs_call(f, FUSE_SYMLINK, dir, NULL, 0, "sym", "/etc/passwd", sizeof(e)), 0);
	ck_assert_int_eq(readlink(fs_share(c, "new/sym"), target, sizeof(target)), 11);
	ck_assert_str_eq(target, "/etc/passwd");
	ck_assert_int_eq(fs_call(f, FUSE_SYMLINK, dir, NULL, 0, "sym2", "", sizeof(e)), -ENOENT);
	ck_assert_int_eq(fs_call(f, FUSE_LINK, dir, &link, sizeof(link), "hard", NULL, sizeof(e)), 0);
	memcpy(&e, f->out, sizeof(e));
	ck_assert_uint_eq(e.nodeid, link.oldnodeid);
	ck_assert_uint_eq(e.attr.nlink, 2);
	link.oldnodeid = dir;
	ck_assert_int_eq(fs_call(f, FUSE_LINK, dir, &link, sizeof(link), "hard2", NULL, sizeof(e)), -EPERM);
	ck_assert_int_eq(fs_call(f, FUSE_RMDIR, ROOT, NULL, 0, "new", NULL, 0), -ENOTEMPTY);
	ck_assert_int_eq(fs_call(f, FUSE_UNLINK, ROOT, NULL, 0, "new", NULL, 0), -EISDIR);
	ck_assert_int_eq(fs_call(f, FUSE_RMDIR, dir, NULL, 0, "file", NULL, 0), -ENOTDIR);
	for (const char *const *p = (const char *const[]){"file", "fifo", "sym", "hard", NULL}; *p; p++)
		ck_assert_int_eq(fs_call(f, FUSE_UNLINK, dir, NULL, 0, *p, NULL, 0), 0);
	ck_assert_int_eq(fs_call(f, FUSE_UNLINK, dir, NULL, 0, "file", NULL, 0), -ENOENT);
	ck_assert_int_eq(fs_call(f, FUSE_RMDIR, ROOT, NULL, 0, "new", NULL, 0), 0);
	ck_assert_int_eq(stat(fs_share(c, "new"), &st), -1);
}

static void renames(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t d = fs_walk(f, ROOT, "d"), in = fs_walk(f, d, "in"), hello = fs_walk(f, ROOT, "hello");
	struct fuse_rename_in to = {.newdir = ROOT};
	struct fuse_rename2_in two = {.newdir = d};
	struct fuse_attr a;

	ck_assert_int_eq(fs_call(f, FUSE_RENAME, d, &to, sizeof(to), "in", "out", 0), 0);
	fs_host_is(c, "out", "inside\n");
	ck_assert_int_eq(fs_attr_of(f, in, &a), 0);
	ck_assert_uint_eq(fs_walk(f, ROOT, "out"), in);
	two.flags = 1; /* RENAME_NOREPLACE */
	ck_assert_int_eq(fs_call(f, FUSE_RENAME2, ROOT, &two, sizeof(two), "out", "link", 0), -EEXIST);
	two.newdir = ROOT;
	two.flags = 2; /* RENAME_EXCHANGE */
	ck_assert_int_eq(fs_call(f, FUSE_RENAME2, ROOT, &two, sizeof(two), "out", "hello", 0), 0);
	fs_host_is(c, "hello", "inside\n");
	ck_assert_uint_eq(fs_walk(f, ROOT, "out"), hello);
	two.flags = 8;
	ck_assert_int_eq(fs_call(f, FUSE_RENAME2, ROOT, &two, sizeof(two), "out", "x", 0), -EINVAL);
	to.newdir = hello;
	ck_assert_int_eq(fs_call(f, FUSE_RENAME, ROOT, &to, sizeof(to), "out", "x", 0), -ENOTDIR);
}

static void tmpfile_of(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	const struct fuse_create_in in = {.flags = O_RDWR | O_CREAT, .mode = S_IFREG | 0600};
	struct fuse_link_in link;
	struct fuse_entry_out e;
	struct fuse_open_out o;
	struct fuse_attr a;
	int err = fs_call(f, FUSE_TMPFILE, ROOT, &in, sizeof(in), "#tmp", NULL, sizeof(e) + sizeof(o));

	if (err == -EOPNOTSUPP)
		return;
	ck_assert_int_eq(err, 0);
	memcpy(&e, f->out, sizeof(e));
	memcpy(&o, f->out + sizeof(e), sizeof(o));
	ck_assert_uint_eq(e.attr.nlink, 0);
	ck_assert_int_eq(fs_write_at(f, e.nodeid, o.fh, 0, "late", 4, 0), 4);
	link.oldnodeid = e.nodeid;
	ck_assert_int_eq(fs_call(f, FUSE_LINK, ROOT, &link, sizeof(link), "named", NULL, sizeof(e)), 0);
	fs_host_is(c, "named", "late");
	ck_assert_int_eq(fs_close_at(f, e.nodeid, o.fh, false), 0);
	ck_assert_int_eq(fs_attr_of(f, e.nodeid, &a), 0);
}

/* A file without a name goes on while it is open. */
static void unlinked(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fuse_setattr_in mode = {.valid = FATTR_MODE, .mode = S_IFREG | 0600};
	uint64_t node, fh;
	struct fuse_attr a;

	ck_assert_int_eq(fs_make_file(f, ROOT, "gone", O_RDWR, 0644, &node, &fh), 0);
	ck_assert_int_eq(fs_call(f, FUSE_UNLINK, ROOT, NULL, 0, "gone", NULL, 0), 0);
	ck_assert_int_eq(fs_write_at(f, node, fh, 0, "still", 5, 0), 5);
	ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
	ck_assert_uint_eq(a.nlink, 0);
	ck_assert_uint_eq(a.size, 5);
	ck_assert_int_eq(setattr(f, node, &mode, &a), 0);
	ck_assert_int_eq(fs_read_at(f, node, fh, 0, 100), 5);
}

/* ---- the host changes things */

static void host_changes(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello"), d = fs_walk(f, ROOT, "d"), in = fs_walk(f, d, "in"), fh;
	struct fuse_entry_out e;
	struct fuse_attr a;

	/* Another file in the place of one. */
	fs_host_write(c, "new", "newer");
	ck_assert_int_eq(rename(fs_share(c, "new"), fs_share(c, "hello")), 0);
	ck_assert_int_eq(fs_look(f, ROOT, "hello", &e), 0);
	ck_assert_uint_ne(e.nodeid, node);
	ck_assert_uint_eq(e.attr.size, 5);
	/* A folder is renamed: what is in it is looked up again, and is what it was. */
	ck_assert_int_eq(rename(fs_share(c, "d"), fs_share(c, "e")), 0);
	ck_assert_int_eq(fs_look(f, ROOT, "d", &e), -ENOENT);
	ck_assert_uint_eq(fs_walk(f, ROOT, "e"), d);
	ck_assert_uint_eq(fs_walk(f, d, "in"), in);
	/* A file is removed while its folder is read. */
	ck_assert_int_eq(fs_opendir_at(f, d, &fh), 0);
	ck_assert_int_eq(unlink(fs_share(c, "e/in")), 0);
	ck_assert_int_eq(fs_look(f, d, "in", &e), -ENOENT);
	fs_forget_node(f, in, 100);
	ck_assert_int_eq(fs_attr_of(f, in, &a), -ESTALE);
	ck_assert_int_eq(fs_attr_of(f, ROOT, &a), 0);
}

/* With one kept descriptor for many files: each is found again. */
static void found_again(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t nodes[200], ino[200], dir = fs_walk(f, ROOT, "d"), deep[12];
	struct fuse_attr a;
	char name[32];

	for (unsigned int i = 0; i < ARRAY_SIZE(nodes); i++) {
		struct fuse_entry_out e;

		snprintf(name, sizeof(name), "d/f%u", i);
		fs_host_write(c, name, "");
		ck_assert_int_eq(fs_look(f, dir, name + 2, &e), 0);
		nodes[i] = e.nodeid;
		ino[i] = e.attr.ino;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(deep); i++)
		ck_assert_int_eq(fs_make_dir(f, i ? deep[i - 1] : ROOT, "below", 0755, &deep[i]), 0);
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(nodes); i++) {
			ck_assert_int_eq(fs_attr_of(f, nodes[i], &a), 0);
			ck_assert_uint_eq(a.ino, ino[i]);
		}
		ck_assert_int_eq(fs_attr_of(f, deep[11], &a), 0);
	}
	/* One whose name the host has given to another. */
	ck_assert_int_eq(unlink(fs_share(c, "d/f0")), 0);
	ck_assert_int_eq(rename(fs_share(c, "d/f1"), fs_share(c, "d/f0")), 0);
	for (unsigned int i = 2; i < 150; i++)
		ck_assert_int_eq(fs_attr_of(f, nodes[i], &a), 0);
	ck_assert_int_eq(fs_attr_of(f, nodes[0], &a), -ESTALE);
	ck_assert_uint_eq(fs_walk(f, dir, "f0"), nodes[1]);
	ck_assert_int_eq(fs_attr_of(f, nodes[1], &a), 0);
}

static const char *const by_name_args[] = {"--shared-dir=%T/share", "--inode-file-handles=never", "--fd-cache=64",
					   NULL};
static const char *const by_handle_args[] = {"--shared-dir=%T/share", "--fd-cache=64", NULL};

/* ---- extended attributes */

static int set_xattr(struct fs_client *f, uint64_t node, const char *name, const char *value)
{
	const struct fuse_setxattr_in in = {.size = (uint32_t)strlen(value)};
	struct fs_message *m = malloc(sizeof(*m));
	int err;

	fs_begin(f, m, FUSE_SETXATTR, node);
	fs_add(m, &in, f->flags & FUSE_SETXATTR_EXT ? sizeof(in) : FUSE_COMPAT_SETXATTR_IN_SIZE);
	fs_add_name(m, name);
	fs_add(m, value, strlen(value));
	err = fs_send(f, m, 0);
	free(m);
	return err;
}

static int get_xattr(struct fs_client *f, uint64_t node, const char *name, uint32_t size)
{
	const struct fuse_getxattr_in in = {.size = size};
	int err = fs_call(f, name ? FUSE_GETXATTR : FUSE_LISTXATTR, node, &in, sizeof(in), name, NULL, size ? size : 8);

	return err ? err : (int)f->out_len;
}

static const char *const xattr_args[] = {"--shared-dir=%T/share", "--xattr", NULL};

/* Whether the file system below has any. */
static bool has_xattrs(struct carrier *c)
{
	return setxattr(fs_share(c, "hello"), "user.probe", "x", 1, 0) == 0 &&
	       removexattr(fs_share(c, "hello"), "user.probe") == 0;
}

static void xattrs(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	char value[16] = "";

	if (!has_xattrs(c))
		return;
	ck_assert_int_eq(set_xattr(f, node, "user.a", "value"), 0);
	ck_assert_int_eq(getxattr(fs_share(c, "hello"), "user.a", value, sizeof(value)), 5);
	ck_assert_str_eq(value, "value");
	ck_assert_int_eq(get_xattr(f, node, "user.a", 0), 8);
	ck_assert_uint_eq(*(uint32_t *)(void *)f->out, 5);
	ck_assert_int_eq(get_xattr(f, node, "user.a", 100), 5);
	ck_assert_mem_eq(f->out, "value", 5);
	ck_assert_int_eq(get_xattr(f, node, "user.a", 2), -ERANGE);
	ck_assert_int_eq(get_xattr(f, node, "user.b", 100), -ENODATA);
	ck_assert_int_eq(get_xattr(f, node, "", 100), -EINVAL);
	ck_assert_int_eq(get_xattr(f, node, NULL, 1000), 7);
	ck_assert_mem_eq(f->out, "user.a", 7);
	ck_assert_int_eq(set_xattr(f, node, "system.posix_acl_access", "x"), -EOPNOTSUPP);
	ck_assert_int_eq(fs_call(f, FUSE_REMOVEXATTR, node, NULL, 0, "user.a", NULL, 0), 0);
	ck_assert_int_eq(get_xattr(f, node, NULL, 0), 8);
	ck_assert_uint_eq(*(uint32_t *)(void *)f->out, 0);
}

static const char *const xattrmap_args[] = {"--shared-dir=%T/share", "--xattrmap=:map::user.vm.:", NULL};

static void xattr_names(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	char value[16] = "";

	if (!has_xattrs(c))
		return;
	ck_assert_int_eq(setxattr(fs_share(c, "hello"), "user.host", "h", 1, 0), 0);
	ck_assert_int_eq(set_xattr(f, node, "trusted.x", "kept"), 0);
	ck_assert_int_eq(getxattr(fs_share(c, "hello"), "user.vm.trusted.x", value, sizeof(value)), 4);
	ck_assert_int_eq(get_xattr(f, node, "trusted.x", 10), 4);
	ck_assert_int_eq(get_xattr(f, node, "user.host", 10), -ENODATA);
	ck_assert_int_eq(get_xattr(f, node, NULL, 1000), 10);
	ck_assert_mem_eq(f->out, "trusted.x", 10);
	/* Capabilities of the guest's are kept under a name that the host's kernel does not know. */
	ck_assert_int_eq(set_xattr(f, node, "security.capability", "caps"), 0);
	ck_assert_int_eq(get_xattr(f, node, "security.capability", 10), 4);
	struct fuse_open_out o;

	ck_assert_int_eq(fs_open_at(f, node, O_RDWR, &o), 0);
	ck_assert_int_eq(fs_write_at(f, node, o.fh, 0, "x", 1, 0), 1);
	ck_assert_int_eq(get_xattr(f, node, "security.capability", 10), -ENODATA);
}

static void no_xattrs(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);

	ck_assert_int_eq(get_xattr(f, ROOT, "user.a", 0), -ENOSYS);
	ck_assert_int_eq(set_xattr(f, ROOT, "user.a", "x"), -ENOSYS);
	ck_assert_int_eq(get_xattr(f, ROOT, NULL, 0), -ENOSYS);
}

/* ---- locks */

/* ---- file systems in the folder */

static const char *const dev_args[] = {"--shared-dir=/dev", "--readonly", NULL};

static unsigned int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* What the guest has forgotten the host can unmount. */
static void submounts(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct stat dev, shm;
	unsigned int before;

	if (stat("/dev", &dev) < 0 || stat("/dev/shm", &shm) < 0 || dev.st_dev == shm.st_dev)
		return;
	before = open_files();
	for (unsigned int i = 0; i < 300; i++) {
		struct fuse_entry_out e;

		ck_assert_int_eq(fs_look(f, ROOT, "shm", &e), 0);
		ck_assert(e.attr.flags & FUSE_ATTR_SUBMOUNT);
		ck_assert_uint_gt(open_files(), before);
		fs_forget_node(f, e.nodeid, 1);
		ck_assert_uint_eq(open_files(), before);
	}
}

/* ---- flags of files */

/* FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of a guest of 32 bits, and of one of 64. */
#define GETFLAGS_32 ((uint32_t)_IOR('f', 1, int32_t))
#define GETFLAGS_64 ((uint32_t)_IOR('f', 1, int64_t))
#define SETFLAGS_32 ((uint32_t)_IOW('f', 2, int32_t))
#define SETFLAGS_64 ((uint32_t)_IOW('f', 2, int64_t))

static int file_ioctl(struct fs_client *f, uint64_t node, uint64_t fh, uint32_t cmd, uint32_t flags, const void *bytes, size_t len,
		      size_t room)
{
	const struct fuse_ioctl_in in = {.fh = fh,
					 .cmd = cmd,
					 .flags = flags,
					 .in_size = (uint32_t)len,
					 .out_size = (uint32_t)room};
	struct fs_message *m = malloc(sizeof(*m));
	int err;

	ck_assert_ptr_nonnull(m);
	fs_begin(f, m, FUSE_IOCTL, node);
	fs_add(m, &in, sizeof(in));
	fs_add(m, bytes, len);
	err = fs_send(f, m, sizeof(struct fuse_ioctl_out) + room);
	free(m);
	if (!err)
		ck_assert_uint_eq(f->out_len, sizeof(struct fuse_ioctl_out) + room);
	return err;
}

/* The host's flags of a file.  Returns false: its file system has none. */
static bool host_flags(struct carrier *c, const char *name, unsigned int *flags)
{
	long word = 0;
	int fd = open(fs_share(c, name), O_RDONLY | O_CLOEXEC), ret;

	ck_assert_int_ge(fd, 0);
	ret = ioctl(fd, FS_IOC_GETFLAGS, &word);
	close(fd);
	memcpy(flags, &word, sizeof(*flags));
	return ret == 0;
}

static void ioctls(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello"), d = fs_walk(f, ROOT, "d"), dir;
	unsigned int flags, got, wrong;
	struct fuse_open_out o;
	struct fsxattr a;

	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	ck_assert_int_eq(fs_opendir_at(f, d, &dir), 0);
	ck_assert_int_eq(file_ioctl(f, node, o.fh, 0x5401, 0, NULL, 0, 0), -ENOTTY);
	ck_assert_int_eq(file_ioctl(f, node, o.fh, FIONREAD, 0, NULL, 0, 4), -ENOTTY);
	ck_assert_int_eq(file_ioctl(f, node, 99, GETFLAGS_64, 0, NULL, 0, 4), -EBADF);
	ck_assert_int_eq(file_ioctl(f, node, o.fh, GETFLAGS_64, FUSE_IOCTL_DIR, NULL, 0, 4), -EBADF);
	if (!host_flags(c, "hello", &flags)) {
		ck_assert_int_lt(file_ioctl(f, node, o.fh, GETFLAGS_64, 0, NULL, 0, 4), 0);
		return;
	}
	ck_assert_int_eq(file_ioctl(f, node, o.fh, GETFLAGS_64, 0, NULL, 0, 4), 0);
	memcpy(&got, f->out + sizeof(struct fuse_ioctl_out), sizeof(got));
	ck_assert_uint_eq(got, flags);
	/* A guest of 32 bits. */
	ck_assert_int_eq(file_ioctl(f, node, o.fh, GETFLAGS_32, 0, NULL, 0, 4), 0);
	ck_assert_int_eq(file_ioctl(f, d, dir, GETFLAGS_64, FUSE_IOCTL_DIR, NULL, 0, 4), 0);
	ck_assert_int_eq(file_ioctl(f, node, o.fh, GETFLAGS_64, 0, NULL, 0, 5), -EINVAL);
	got = flags ^ FS_NODUMP_FL;
	ck_assert_int_eq(file_ioctl(f, node, o.fh, SETFLAGS_64, 0, &got, sizeof(got), 0), 0);
	ck_assert(host_flags(c, "hello", &got));
	ck_assert_uint_eq(got, flags ^ FS_NODUMP_FL);
	/* The number of the other width, at which the guest's kernel has not looked. */
	wrong = got ^ FS_NODUMP_FL;
	ck_assert_int_eq(file_ioctl(f, node, o.fh, SETFLAGS_32, 0, &wrong, sizeof(wrong), 0), -ENOTTY);
	ck_assert_int_eq(file_ioctl(f, node, o.fh, SETFLAGS_64, FUSE_IOCTL_32BIT, &wrong, sizeof(wrong), 0), -ENOTTY);
	/* Who is neither its owner nor root. */
	f->uid = 12345;
	ck_assert_int_eq(file_ioctl(f, node, o.fh, SETFLAGS_64, 0, &wrong, sizeof(wrong), 0), -EPERM);
	if (file_ioctl(f, node, o.fh, (uint32_t)FS_IOC_FSGETXATTR, 0, NULL, 0, sizeof(a)) == 0) {
		memcpy(&a, f->out + sizeof(struct fuse_ioctl_out), sizeof(a));
		ck_assert_int_eq(file_ioctl(f, node, o.fh, (uint32_t)FS_IOC_FSSETXATTR, 0, &a, sizeof(a), 0), -EPERM);
	}
	/* None of these has changed anything.  A guest of 32 bits, and one that does not say who asks, do. */
	f->uid = getuid();
	ck_assert(host_flags(c, "hello", &got));
	ck_assert_uint_eq(got, flags ^ FS_NODUMP_FL);
	ck_assert_int_eq(file_ioctl(f, node, o.fh, SETFLAGS_32, FUSE_IOCTL_32BIT, &flags, sizeof(flags), 0), 0);
	f->uid = FUSE_INVALID_UIDGID;
	ck_assert_int_eq(file_ioctl(f, node, o.fh, SETFLAGS_64, 0, &got, sizeof(got), 0), 0);
	f->uid = getuid();
	ck_assert(host_flags(c, "hello", &got));
	ck_assert_uint_eq(got, flags ^ FS_NODUMP_FL);
	/* Not of the project's; not what is too short. */
	wrong = got ^ FS_PROJINHERIT_FL;
	ck_assert_int_eq(file_ioctl(f, node, o.fh, SETFLAGS_64, 0, &wrong, sizeof(wrong), 0), -EPERM);
	ck_assert_int_eq(file_ioctl(f, node, o.fh, SETFLAGS_64, 0, &got, 3, 0), -EINVAL);
	if (file_ioctl(f, node, o.fh, (uint32_t)FS_IOC_FSGETXATTR, 0, NULL, 0, sizeof(a)) < 0)
		return;
	memcpy(&a, f->out + sizeof(struct fuse_ioctl_out), sizeof(a));
	ck_assert_uint_eq(!!(a.fsx_xflags & FS_XFLAG_NODUMP), !!(got & FS_NODUMP_FL));
	a.fsx_xflags ^= FS_XFLAG_NODUMP;
	ck_assert_int_eq(file_ioctl(f, node, o.fh, (uint32_t)FS_IOC_FSSETXATTR, 0, &a, sizeof(a), 0), 0);
	ck_assert(host_flags(c, "hello", &got));
	ck_assert_uint_eq(got, flags);
	a.fsx_projid++;
	ck_assert_int_eq(file_ioctl(f, node, o.fh, (uint32_t)FS_IOC_FSSETXATTR, 0, &a, sizeof(a), 0), -EPERM);
}

static const char *const lock_args[] = {"--shared-dir=%T/share", "--flock", "--posix-lock", NULL};

struct lock_request {
	struct fuse_in_header h;
	struct fuse_lk_in in;
};

static struct lock_request lock_request(struct fs_client *f, uint32_t op, uint64_t node, uint64_t fh, uint64_t owner,
					uint32_t type, bool flock)
{
	return (struct lock_request){
		.h = {.len = sizeof(struct lock_request), .opcode = op, .nodeid = node, .unique = f->unique += 2},
		.in = {.fh = fh,
		       .owner = owner,
		       .lk = {.start = 0, .end = flock ? INT64_MAX : 9, .type = type},
		       .lk_flags = flock ? FUSE_LK_FLOCK : 0},
	};
}

static int lock(struct fs_client *f, uint32_t op, uint64_t node, uint64_t fh, uint64_t owner, uint32_t type, bool flock)
{
	const struct lock_request r = lock_request(f, op, node, fh, owner, type, flock);

	return fs_call(f, op, node, &r.in, sizeof(r.in), NULL, NULL, op == FUSE_GETLK ? sizeof(struct fuse_lk_out) : 0);
}

/* Whether the host can have it; then it has. */
static bool host_flock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void flocks(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	int fd = open(fs_share(c, "hello"), O_RDWR | O_CLOEXEC);
	struct frontend_request *req;
	struct fuse_out_header out;
	struct fuse_open_out a, b;
	struct lock_request r;

	ck_assert(f->flags & FUSE_FLOCK_LOCKS && f->flags & FUSE_POSIX_LOCKS);
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &a), 0);
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &b), 0);
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, a.fh, 1, F_WRLCK, true), 0);
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, b.fh, 2, F_RDLCK, true), -EAGAIN);
	ck_assert(!host_flock(fd));
	ck_assert_int_eq(fs_close_at(f, node, a.fh, false), 0);
	ck_assert(host_flock(fd));
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, b.fh, 2, F_WRLCK, true), -EAGAIN);
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, b.fh, 2, 7, true), -EINVAL);
	/* Waited for; the ring stops in between, and others are served. */
	r = lock_request(f, FUSE_SETLKW, node, b.fh, 2, F_WRLCK, true);
	req = carrier_submit(c, REQUESTS, &r, sizeof(r), sizeof(out));
	carrier_stays(c, REQUESTS, 20);
	carrier_start(c, REQUESTS, carrier_stop(c, REQUESTS));
	fs_walk(f, ROOT, "hello");
	ck_assert_int_eq(flock(fd, LOCK_UN), 0);
	ck_assert_uint_eq(carrier_await(c, REQUESTS, req, &out), sizeof(out));
	ck_assert_int_eq(out.error, 0);
	ck_assert(!host_flock(fd));
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, b.fh, 2, F_UNLCK, true), 0);
	ck_assert(host_flock(fd));
	/* The front-end goes while one waits. */
	carrier_submit(c, REQUESTS, &r, sizeof(r), sizeof(out));
	carrier_stays(c, REQUESTS, 20);
	carrier_reconnect(c);
	fs_walk(fs_mount(c), ROOT, "hello");
	close(fd);
}

static void interrupted(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	int fd = open(fs_share(c, "hello"), O_RDWR | O_CLOEXEC);
	struct fuse_interrupt_in in;
	struct frontend_request *req;
	struct fuse_out_header out;
	struct lock_request r;
	struct fuse_open_out o;

	ck_assert(host_flock(fd));
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	r = lock_request(f, FUSE_SETLKW, node, o.fh, 2, F_WRLCK, true);
	in.unique = r.h.unique;
	req = carrier_submit(c, REQUESTS, &r, sizeof(r), sizeof(out));
	carrier_stays(c, REQUESTS, 20);
	fs_tell(f, FUSE_INTERRUPT, 0, &in, sizeof(in));
	ck_assert_uint_eq(carrier_await(c, REQUESTS, req, &out), sizeof(out));
	ck_assert_int_eq(out.error, -EINTR);
	close(fd);
}

/* Whether a process of the host's can lock the first ten bytes. */
static bool host_can_lock(struct carrier *c)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
	int fd = open(fs_share(c, "hello"), O_RDWR | O_CLOEXEC);
	bool can = fcntl(fd, F_OFD_SETLK, &l) == 0;

	close(fd);
	return can;
}

static void posix_locks(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	struct fuse_flush_in flush = {.lock_owner = 1};
	struct fuse_open_out o;
	struct fuse_lk_out out;

	ck_assert_int_eq(fs_open_at(f, node, O_RDWR, &o), 0);
	flush.fh = o.fh;
	ck_assert(!(o.open_flags & FOPEN_NOFLUSH));
	ck_assert(host_can_lock(c));
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, o.fh, 1, F_WRLCK, false), 0);
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, o.fh, 1, F_WRLCK, false), 0);
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, o.fh, 2, F_RDLCK, false), -EAGAIN);
	ck_assert(!host_can_lock(c));
	ck_assert_int_eq(lock(f, FUSE_GETLK, node, o.fh, 2, F_RDLCK, false), 0);
	memcpy(&out, f->out, sizeof(out));
	ck_assert_uint_eq(out.lk.type, F_WRLCK);
	ck_assert_uint_eq(out.lk.end, 9);
	ck_assert_int_eq(lock(f, FUSE_GETLK, node, o.fh, 1, F_WRLCK, false), 0);
	memcpy(&out, f->out, sizeof(out));
	ck_assert_uint_eq(out.lk.type, F_UNLCK);
	/* The process has closed the file once, by whatever descriptor. */
	ck_assert_int_eq(fs_call(f, FUSE_FLUSH, node, &flush, sizeof(flush), NULL, NULL, 0), 0);
	ck_assert(host_can_lock(c));
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, o.fh, 2, F_RDLCK, false), 0);
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, o.fh, 3, F_RDLCK, false), 0);
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, o.fh, 2, F_UNLCK, false), 0);
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, o.fh, 3, F_UNLCK, false), 0);
	ck_assert(host_can_lock(c));
	/* A guest that goes lets go. */
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, o.fh, 2, F_WRLCK, false), 0);
	carrier_reset(c);
	ck_assert(host_can_lock(c));
}

/* More processes than there may be. */
static void lock_limits(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	struct fuse_open_out o;
	unsigned int n = 0;
	int err = 0;

	ck_assert_int_eq(fs_open_at(f, node, O_RDWR, &o), 0);
	while (n < 2000 && !(err = lock(f, FUSE_SETLK, node, o.fh, n + 1, F_RDLCK, false)))
		n++;
	ck_assert_int_eq(err, -ENOLCK);
	ck_assert_uint_eq(n, 1024);
	fs_mount(c);
	ck_assert(host_can_lock(c));
}

static void no_locks(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello");
	struct fuse_open_out o;

	ck_assert_int_eq(fs_open_at(f, node, O_RDWR, &o), 0);
	ck_assert_int_eq(lock(f, FUSE_SETLK, node, o.fh, 1, F_WRLCK, false), -ENOSYS);
	ck_assert_int_eq(lock(f, FUSE_SETLKW, node, o.fh, 1, F_WRLCK, true), -ENOSYS);
	ck_assert_int_eq(lock(f, FUSE_GETLK, node, o.fh, 1, F_WRLCK, false), -ENOSYS);
}

/* ---- whose it is */

static const char *const ids_args[] = {"--shared-dir=%T/share",
				       "--translate-uid=map:0:0:1",
				       "--translate-uid=map:1000:70000:10",
				       "--translate-uid=forbid-guest:2000:10",
				       "--translate-gid=squash-guest:0:77:65536",
				       "--translate-gid=squash-host:77:5:1",
				       NULL};

static void ids(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node, fh;
	struct fuse_attr a;
	struct stat st;

	if (getuid() != 0)
		return;
	f->uid = 1003;
	f->gid = 1003;
	ck_assert_int_eq(fs_make_file(f, ROOT, "mine", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(stat(fs_share(c, "mine"), &st), 0);
	ck_assert_uint_eq(st.st_uid, 70003);
	ck_assert_uint_eq(st.st_gid, 77);
	ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
	ck_assert_uint_eq(a.uid, 1003);
	ck_assert_uint_eq(a.gid, 5);
	f->uid = 2005;
	ck_assert_int_eq(fs_make_file(f, ROOT, "not", O_RDWR, 0600, &node, &fh), -EPERM);
	/* Nor is it a way around the rules to say nobody. */
	f->uid = FUSE_INVALID_UIDGID;
	ck_assert_int_eq(fs_make_file(f, ROOT, "not", O_RDWR, 0600, &node, &fh), -EPERM);
	f->uid = 1003;
	f->gid = FUSE_INVALID_UIDGID;
	ck_assert_int_eq(fs_make_dir(f, ROOT, "not", 0700, &node), -EPERM);
	ck_assert_int_eq(stat(fs_share(c, "not"), &st), -1);
	struct fuse_setattr_in own = {.valid = FATTR_UID, .uid = 1001};

	ck_assert_int_eq(setattr(f, fs_walk(f, ROOT, "hello"), &own, &a), 0);
	ck_assert_uint_eq(a.uid, 1001);
	ck_assert_int_eq(stat(fs_share(c, "hello"), &st), 0);
	ck_assert_uint_eq(st.st_uid, 70001);
}

static void owners(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node, fh;
	struct stat st;

	if (getuid() != 0)
		return;
	f->uid = 1234;
	f->gid = 4321;
	ck_assert_int_eq(chmod(fs_share(c, "d"), 0700), 0);
	ck_assert_int_eq(fs_make_file(f, fs_walk(f, ROOT, "d"), "mine", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(fs_make_dir(f, ROOT, "ours", 0700, &node), 0);
	ck_assert_int_eq(stat(fs_share(c, "d/mine"), &st), 0);
	ck_assert(st.st_uid == 1234 && st.st_gid == 4321);
	ck_assert_int_eq(stat(fs_share(c, "ours"), &st), 0);
	ck_assert(st.st_uid == 1234 && st.st_gid == 4321);
	/* What comes next is not affected. */
	f->uid = f->gid = 0;
	ck_assert_int_eq(fs_make_file(f, ROOT, "roots", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(stat(fs_share(c, "roots"), &st), 0);
	ck_assert(st.st_uid == 0 && st.st_gid == 0);
}

/* ---- options */

static const char *const readonly_args[] = {"--shared-dir=%T/share", "--readonly", NULL};

static void readonly(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello"), fh;
	struct fuse_setattr_in mode = {.valid = FATTR_MODE, .mode = 0};
	struct fuse_open_out o;
	struct fuse_attr a;

	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), 0);
	ck_assert_int_eq(fs_read_at(f, node, o.fh, 0, 5), 5);
	ck_assert_int_eq(fs_write_at(f, node, o.fh, 0, "x", 1, 0), -EROFS);
	ck_assert_int_eq(fs_open_at(f, node, O_WRONLY, &o), -EROFS);
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY | O_TRUNC, &o), -EROFS);
	ck_assert_int_eq(fs_make_file(f, ROOT, "new", O_RDWR, 0600, &node, &fh), -EROFS);
	ck_assert_int_eq(fs_make_dir(f, ROOT, "new", 0700, &node), -EROFS);
	ck_assert_int_eq(setattr(f, node, &mode, &a), -EROFS);
	ck_assert_int_eq(fs_call(f, FUSE_UNLINK, ROOT, NULL, 0, "hello", NULL, 0), -EROFS);
	fs_host_is(c, "hello", "hello, world\n");
}

static const char *const few_args[] = {"--shared-dir=%T/share", "--max-inodes=20", "--max-open=16", NULL};

static void limits(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello"), nodes[30];
	struct fuse_open_out o[20];
	unsigned int n = 0, got = 0;
	char name[16];
	int err = 0;

	while (n < 20 && !(err = fs_open_at(f, node, O_RDONLY, &o[n])))
		n++;
	ck_assert_int_eq(err, -ENFILE);
	ck_assert_uint_eq(n, 16);
	ck_assert_int_eq(fs_close_at(f, node, o[3].fh, false), 0);
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o[3]), 0);
	for (unsigned int i = 0; i < 30; i++) {
		struct fuse_entry_out e;

		snprintf(name, sizeof(name), "f%u", i);
		fs_host_write(c, name, "");
		err = fs_look(f, ROOT, name, &e);
		if (err)
			break;
		nodes[got++] = e.nodeid;
	}
	ck_assert_int_eq(err, -ENFILE);
	ck_assert_uint_ge(got, 15);
	fs_forget_node(f, nodes[0], 1);
	fs_walk(f, ROOT, name);
}

static const char *const tag_args[] = {"--shared-dir=%T/share", "--tag=a folder", "--num-queues=3", NULL};

static void tag(struct carrier *c)
{
	struct {
		char tag[36];
		le32 queues;
	} __attribute__((packed)) config;

	memset(&config, 0xee, sizeof(config));
	carrier_config_read(c, 0, &config, sizeof(config));
	ck_assert_str_eq(config.tag, "a folder");
	for (size_t i = 8; i < 36; i++)
		ck_assert_int_eq(config.tag[i], 0);
	ck_assert_uint_eq(le32toh(config.queues), 3);
}

/* A guest of the other byte order. */
static void other_order(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct {
		struct fuse_in_header h;
		struct fuse_init_in in;
	} init = {.h = {.len = __builtin_bswap32(sizeof(init)),
			.opcode = __builtin_bswap32(FUSE_INIT),
			.unique = __builtin_bswap64(9)},
		  .in = {.major = __builtin_bswap32(7), .minor = __builtin_bswap32(40)}};
	struct {
		struct fuse_out_header h;
		struct fuse_init_out out;
	} answer;
	struct {
		struct fuse_in_header h;
		char name[6];
	} __attribute__((packed)) look = {.h = {.len = __builtin_bswap32(46),
						.opcode = __builtin_bswap32(FUSE_LOOKUP),
						.nodeid = __builtin_bswap64(1)},
					  .name = "hello"};
	struct {
		struct fuse_out_header h;
		struct fuse_entry_out e;
	} entry;

	ck_assert_uint_eq(carrier_request(c, REQUESTS, &init, sizeof(init), &answer, sizeof(answer)), sizeof(answer));
	ck_assert_uint_eq(answer.h.len, __builtin_bswap32(sizeof(answer)));
	ck_assert_uint_eq(answer.h.unique, __builtin_bswap64(9));
	ck_assert_uint_eq(answer.out.minor, __builtin_bswap32(40));
	ck_assert_uint_eq(carrier_request(c, REQUESTS, &look, 46, &entry, sizeof(entry)), sizeof(entry));
	ck_assert_int_eq(entry.h.error, 0);
	ck_assert_uint_eq(entry.e.attr.size, __builtin_bswap64(13));
	ck_assert_uint_eq(entry.e.entry_valid, __builtin_bswap64(1));
	/* And back. */
	ck_assert_int_eq(fs_init_with(f, 7, 45, UINT64_MAX), 0);
	fs_walk(f, ROOT, "hello");
}

/* ---- the guest moves to another host that has the same folder */

static void moves(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t d = fs_walk(f, ROOT, "d"), in = fs_walk(f, d, "in"), hello = fs_walk(f, ROOT, "hello"), node, fh, dir;
	struct fuse_open_out r, w;
	struct fuse_attr a;

	ck_assert_int_eq(fs_open_at(f, in, O_RDONLY, &r), 0);
	ck_assert_int_eq(fs_make_file(f, d, "new", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(fs_open_at(f, hello, O_WRONLY, &w), 0);
	ck_assert_int_eq(fs_close_at(f, hello, w.fh, false), 0);
	ck_assert_int_eq(fs_opendir_at(f, d, &dir), 0);
	ck_assert_int_eq(fs_write_at(f, node, fh, 0, "before ", 7, 0), 7);
	/* What is forgotten stays so; its number is not given to another. */
	fs_forget_node(f, hello, 1);
	carrier_move(c);
	ck_assert_int_eq(fs_attr_of(f, hello, &a), -ESTALE);
	ck_assert_uint_ne(fs_walk(f, ROOT, "hello"), hello);
	ck_assert_int_eq(fs_attr_of(f, in, &a), 0);
	ck_assert_uint_eq(a.size, 7);
	ck_assert_uint_eq(fs_walk(f, d, "in"), in);
	ck_assert_int_eq(fs_read_at(f, in, r.fh, 0, 100), 7);
	ck_assert_int_eq(fs_write_at(f, in, r.fh, 0, "x", 1, 0), -EBADF);
	ck_assert_int_eq(fs_write_at(f, node, fh, 7, "after", 5, 0), 5);
	fs_host_is(c, "d/new", "before after");
	ck_assert_uint_eq(list(f, d, dir, 4096, true, NULL, 0), 5);
	ck_assert_int_eq(fs_close_at(f, node, fh, false), 0);
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &w), 0);
	ck_assert_uint_ne(w.fh, fh);
	/* Looked up here, and there, and in the list. */
	fs_forget_node(f, in, 2);
	ck_assert_int_eq(fs_attr_of(f, in, &a), 0);
	fs_forget_node(f, in, 1);
	ck_assert_int_eq(fs_attr_of(f, in, &a), -ESTALE);
}

static const char *const guest_error_args[] = {"--shared-dir=%T/share", "--migration-on-error=guest-error", NULL};

/* What is lost on the way is lost, and only that. */
static void moves_without(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t hello = fs_walk(f, ROOT, "hello"), in = fs_walk(f, fs_walk(f, ROOT, "d"), "in"), node, fh;
	struct fuse_open_out o;
	struct fuse_attr a;

	ck_assert_int_eq(fs_make_file(f, ROOT, "gone", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(fs_call(f, FUSE_UNLINK, ROOT, NULL, 0, "gone", NULL, 0), 0);
	ck_assert_int_eq(fs_open_at(f, hello, O_RDONLY, &o), 0);
	carrier_move(c);
	ck_assert_int_eq(fs_attr_of(f, node, &a), -ESTALE);
	ck_assert_int_eq(fs_read_at(f, node, fh, 0, 1), -EBADF);
	ck_assert_int_eq(fs_read_at(f, hello, o.fh, 0, 5), 5);
	ck_assert_int_eq(fs_attr_of(f, in, &a), 0);
}

static const char *const args[] = {"--shared-dir=%T/share", "--tag=shared", NULL};

static const struct device_case cases[] = {
	{.name = "session", .run = session, .flags = CASE_ONCE},
	{.name = "session again", .run = session_again, .flags = CASE_ONCE},
	{.name = "other byte order", .run = other_order},
	{.name = "lookup", .run = lookup},
	{.name = "cache never", .run = cache_never, .args = never_args, .flags = CASE_ONCE},
	{.name = "cache always", .run = cache_always, .args = times_args, .flags = CASE_ONCE},
	{.name = "cache auto", .run = cache_auto, .flags = CASE_ONCE},
	{.name = "statx", .run = statx_of, .flags = CASE_ONCE},
	{.name = "setattr", .run = attributes_set, .flags = CASE_ONCE},
	{.name = "killpriv", .run = killpriv, .flags = CASE_ONCE},
	{.name = "readlink", .run = readlink_of, .flags = CASE_ONCE},
	{.name = "access", .run = access_of, .flags = CASE_ONCE},
	{.name = "statfs", .run = statfs_of, .flags = CASE_ONCE},
	{.name = "forget", .run = forget},
	{.name = "read and write", .run = read_and_write},
	{.name = "large", .run = large},
	{.name = "fsync", .run = kept},
	{.name = "shape", .run = shape, .flags = CASE_ONCE},
	{.name = "folders", .run = folders, .flags = CASE_ONCE},
	{.name = "make and remove", .run = make_names, .flags = CASE_ONCE},
	{.name = "rename", .run = renames, .flags = CASE_ONCE},
	{.name = "rename, by name", .run = renames, .args = by_name_args, .flags = CASE_ONCE},
	{.name = "tmpfile", .run = tmpfile_of, .flags = CASE_ONCE},
	{.name = "unlinked", .run = unlinked, .flags = CASE_ONCE},
	{.name = "host changes", .run = host_changes, .flags = CASE_ONCE},
	{.name = "host changes, by name", .run = host_changes, .args = by_name_args, .flags = CASE_ONCE},
	{.name = "found again by name", .run = found_again, .args = by_name_args, .flags = CASE_ONCE},
	{.name = "found again", .run = found_again, .args = by_handle_args, .flags = CASE_ONCE},
	{.name = "xattr", .run = xattrs, .args = xattr_args, .flags = CASE_ONCE},
	{.name = "xattr names", .run = xattr_names, .args = xattrmap_args, .flags = CASE_ONCE},
	{.name = "no xattr", .run = no_xattrs, .flags = CASE_ONCE},
	{.name = "submounts", .run = submounts, .args = dev_args, .flags = CASE_ONCE | CASE_NOT_BINARY},
	{.name = "ioctl", .run = ioctls, .flags = CASE_ONCE},
	{.name = "flock", .run = flocks, .args = lock_args, .flags = CASE_ONCE},
	{.name = "interrupted", .run = interrupted, .args = lock_args, .flags = CASE_ONCE},
	{.name = "posix locks", .run = posix_locks, .args = lock_args, .flags = CASE_ONCE},
	{.name = "lock limits", .run = lock_limits, .args = lock_args, .flags = CASE_ONCE},
	{.name = "no locks", .run = no_locks, .flags = CASE_ONCE},
	{.name = "ids", .run = ids, .args = ids_args, .flags = CASE_ONCE},
	{.name = "owners", .run = owners, .flags = CASE_ONCE},
	{.name = "readonly", .run = readonly, .args = readonly_args, .flags = CASE_ONCE},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
	{.name = "moves, by name", .run = moves, .args = by_name_args, .flags = CASE_ONCE},
	{.name = "moves without a file", .run = moves_without, .args = guest_error_args, .flags = CASE_ONCE},
	{.name = "limits", .run = limits, .args = few_args, .flags = CASE_ONCE},
	{.name = "tag", .run = tag, .args = tag_args, .flags = CASE_CONFIG | CASE_ONCE},
};

static const struct device_suite fs = {
	.device = "fs",
	.args = args,
	.prepare = fs_prepare,
	DEVICE_CASES(cases),
};

Suite *suite_fs(void)
{
	Suite *s = suite_create("fs");

	suite_add_device(s, &fs);
	return s;
}
