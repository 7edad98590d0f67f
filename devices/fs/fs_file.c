/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_file.c - bytes of files: OPEN, READ, WRITE, FLUSH, RELEASE, FSYNC, FALLOCATE, LSEEK, COPY_FILE_RANGE, SYNCFS; see
 * fs.h.
 *
 * Bytes go between the file and guest memory without a copy.  A read of what is in the host's memory is done at once;
 * for what is not a thread waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "devices/fs/fs.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x08
#endif
#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif

#define HEAD sizeof(struct fuse_out_header)

/* Not every C library has these. */
static ssize_t fs_preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	return syscall(SYS_preadv2, fd, iov, (unsigned long)n, (unsigned long)off, (unsigned long)((uint64_t)off >> 32),
		       flags);
}

static ssize_t fs_pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	return syscall(SYS_pwritev2, fd, iov, (unsigned long)n, (unsigned long)off,
		       (unsigned long)((uint64_t)off >> 32), flags);
}

/* Bytes that are copied at once: as many as the shorter answer can tell, and as the host copies. */
#define COPY_MAX 0x7ffff000u

/* Younger than this, a file may be written to again within a tick of its clock: its times do not tell all of its states
 * apart. */
#define SETTLED_NS INT64_C(2000000000)

int fs_host_flags(const struct fs *f, uint32_t flags)
{
	int host = (int)(flags & (FS_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC));

	/* The guest's kernel reads what it is to write a part of. */
	if (f->flags & FUSE_WRITEBACK_CACHE && (flags & FS_ACCMODE) == O_WRONLY)
		host = (host & ~FS_ACCMODE) | O_RDWR;
	if (f->direct_io)
		host |= (int)(flags & O_DIRECT);
	if (f->noatime)
		host |= (int)(flags & O_NOATIME);
	return host;
}

/* The state of a file's bytes, as a number; 0: it cannot be told. */
static uint32_t state_of(int fd)
{
	struct timespec now;
	struct fs_stat st;
	uint64_t h;

	if (fs_stat(fd, "", &st) < 0 || clock_gettime(CLOCK_REALTIME, &now) < 0)
		return 0;
	for (unsigned int i = 0; i < 2; i++) {
		const struct fs_time *t = i ? &st.stx_ctime : &st.stx_mtime;
		int64_t age = (now.tv_sec - t->tv_sec) * INT64_C(1000000000) + now.tv_nsec - t->tv_nsec;

		if (t->tv_sec < now.tv_sec - 3600)
			continue;
		if (age < SETTLED_NS)
			return 0;
	}
	h = (uint64_t)st.stx_mtime.tv_sec * 1000003 + st.stx_mtime.tv_nsec;
	h = h * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)st.stx_ctime.tv_sec * 1000003 + st.stx_ctime.tv_nsec;
	h = h * UINT64_C(0x9e3779b97f4a7c15) + st.stx_size;
	return (uint32_t)(h >> 32) | 1;
}

uint32_t fs_open_flags(struct fs *f, struct fs_inode *n, int fd, bool dir)
{
	uint32_t flags = !dir && !f->remote && !f->posix_lock && !f->flush ? FOPEN_NOFLUSH : 0, before = n->kept;

	switch (f->cache) {
	case FS_CACHE_NEVER:
		return flags | (dir ? 0 : FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES);
	case FS_CACHE_METADATA:
		return flags |
		       (dir ? FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR : FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES);
	case FS_CACHE_ALWAYS:
		return flags | FOPEN_KEEP_CACHE | (dir ? FOPEN_CACHE_DIR : 0);
	default:
		break;
	}
	n->kept = state_of(fd);
	if (dir)
		flags |= FOPEN_CACHE_DIR;
	return flags | (n->kept && n->kept == before ? FOPEN_KEEP_CACHE : 0);
}

void fs_truncated(struct fs *f, int fd, const struct fs_inode *n, uint32_t open_flags)
{
	if (open_flags & FUSE_OPEN_KILL_SUIDGID)
		fs_kill_suid(f, fd, n);
	fs_drop_mapped_caps(f, fd);
}

int fs_open_file(struct fs *f, struct fs_req *r)
{
	const struct fuse_open_in *in = r->arg;
	uint32_t flags = fs32(f, in->flags);
	struct fs_inode *n = fs_node(f, r->node);
	struct fuse_open_out out = {0};
	uint64_t fh;
	int fd, err;

	if (!n)
		return -ESTALE;
	if (n->type != S_IFREG >> 12)
		return n->type == S_IFDIR >> 12 ? -EISDIR : -ENXIO;
	if ((flags & FS_ACCMODE) == FS_ACCMODE)
		return -EINVAL;
	if (f->readonly && ((flags & FS_ACCMODE) != O_RDONLY || flags & O_TRUNC))
		return -EROFS;
	fd = fs_reopen(f, n, fs_host_flags(f, flags));
	if (fd < 0)
		return fd;
	if (flags & O_TRUNC)
		fs_truncated(f, fd, n, fs32(f, in->open_flags));
	out.open_flags = fs32(f, fs_open_flags(f, n, fd, false));
	err = fs_open_new(f, r, n, fd, false, &fh);
	if (err)
		return err;
	fs_opened(f, fh, 0, false)->flags = (uint32_t)(fs_host_flags(f, flags) & ~O_TRUNC);
	out.fh = fs64(f, fh);
	err = fs_put(r, &out, sizeof(out));
	if (err)
		fs_open_put(f, fs_opened(f, fh, 0, false));
	return err;
}

/* ---- READ and WRITE */

static int job_read(struct fs_job *j)
{
	while (j->result < j->len) {
		ssize_t got = preadv(j->fd, j->iov, (int)j->niov, j->off);

		if (got < 0 && errno == EINTR && !work_interrupted(&j->work))
			continue;
		if (got < 0)
			return j->result ? 0 : -errno;
		j->result += (uint64_t)got;
		/* Shorter than asked for is the end of a file: more was not there. */
		return 0;
	}
	return 0;
}

/* What is in memory now (RWF_NOWAIT), or all.  Returns 0, or -errno; -EAGAIN: there is more, which takes its time. */
static ssize_t read_now(struct fs_req *r, struct fs_open *o, uint64_t off, size_t want, size_t *done, int flags)
{
	struct iovec iov[FS_JOB_IOV];

	while (*done < want) {
		unsigned int n = chain_iov(r->c, CHAIN_WRITE, HEAD + *done, iov, FS_JOB_IOV, want - *done);
		off_t at = (off_t)(off + *done);
		ssize_t got = flags ? fs_preadv2(o->fd, iov, (int)n, at, flags) : preadv(o->fd, iov, (int)n, at);

		if (got < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
			got = preadv(o->fd, iov, (int)n, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		*done += (size_t)got;
	}
	return 0;
}

int fs_read(struct fs *f, struct fs_req *r)
{
	const struct fuse_read_in *in = r->arg;
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, false);
	uint64_t off = fs64(f, in->offset);
	size_t want = fs32(f, in->size), done = 0;
	struct fs_job *j;
	ssize_t err;

	if (!o)
		return -EBADF;
	if (want > FS_MAX_WRITE || want > fs_room(r) || off > INT64_MAX - FS_MAX_WRITE)
		return -EINVAL;
	err = read_now(r, o, off, want, &done, f->threads ? RWF_NOWAIT : 0);
	/* A job has room for so many pieces; a guest that sends more waits here. */
	if (err == -EAGAIN && chain_iov(r->c, CHAIN_WRITE, HEAD + done, f->jobs[FS_JOBS].iov, FS_JOB_IOV, want - done) ==
				      FS_JOB_IOV)
		err = read_now(r, o, off, want, &done, 0);
	if (err == -EAGAIN) {
		j = fs_job_new(f, r);
		j->run = job_read;
		j->o = o;
		j->fd = o->fd;
		j->off = (int64_t)(off + done);
		j->len = want;
		j->result = done;
		j->answer = FS_ANSWER_DATA;
		j->niov = chain_iov(r->c, CHAIN_WRITE, HEAD + done, j->iov, FS_JOB_IOV, want - done);
		return fs_job_begin(j);
	}
	if (err < 0 && !done)
		return (int)err;
	r->answer = done;
	return 0;
}

static int job_write(struct fs_job *j)
{
	ssize_t got;

	do
		got = fs_pwritev2(j->fd, j->iov, (int)j->niov, j->off, (int)j->flags);
	while (got < 0 && errno == EINTR && !work_interrupted(&j->work));
	if (got < 0)
		return -errno;
	j->result = (uint64_t)got;
	return 0;
}

/* Writes all in as many calls as it takes.  Returns 0, or -errno where nothing was written. */
static int write_now(struct fs_req *r, struct fs_open *o, uint64_t off, size_t want, int flags, size_t *done)
{
	struct iovec iov[FS_JOB_IOV];

	while (*done < want) {
		unsigned int n = chain_iov(r->c, CHAIN_READ, *done, iov, FS_JOB_IOV, want - *done);
		ssize_t got = flags ? fs_pwritev2(o->fd, iov, (int)n, (off_t)(off + *done), flags)
				    : pwritev(o->fd, iov, (int)n, (off_t)(off + *done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && !*done)
			return -errno;
		if (got <= 0)
			break;
		*done += (size_t)got;
	}
	return 0;
}

/*
 * What must not be done twice and changes the length of a file: whether a process that was killed has done it.  Its length
 * before is kept for the next one.
 */
static bool length_done(struct fs *f, const struct fs_req *r, int fd, int64_t by)
{
	struct fs_now *now = &f->kept->now;
	struct fs_stat st;

	if (f->session_fd < 0 || fs_stat(fd, "", &st) < 0)
		return false;
	if (r->again && now->value)
		return by < 0 ? st.stx_size < now->value - 1 : st.stx_size >= now->value - 1 + (uint64_t)by;
	now->value = st.stx_size + 1;
	fs_settle();
	return false;
}

int fs_write(struct fs *f, struct fs_req *r)
{
	const struct fuse_write_in *in = r->arg;
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, false);
	uint32_t how = fs32(f, in->write_flags), flags = fs32(f, in->flags);
	uint64_t off = fs64(f, in->offset);
	size_t want = fs32(f, in->size), done = 0;
	struct fuse_write_out out = {0};
	bool append = flags & O_APPEND && !(how & FUSE_WRITE_CACHE);
	struct fs_job *j;
	int err;

	if (!o)
		return -EBADF;
	if (want > FS_MAX_WRITE || want != chain_readable(r->c) || off > INT64_MAX - FS_MAX_WRITE ||
	    fs_room(r) < sizeof(out))
		return -EINVAL;
	if (how & FUSE_WRITE_KILL_SUIDGID)
		fs_kill_suid(f, o->fd, &f->inodes[o->inode]);
	fs_drop_mapped_caps(f, o->fd);
	/* What is synchronous waits for a disk, what is far for a network. */
	if (f->work && !(append && f->session_fd >= 0) && (f->remote || flags & (O_SYNC | O_DSYNC | O_DIRECT)) &&
	    (r->opcode == FUSE_WRITE &&
	     chain_iov(r->c, CHAIN_READ, 0, f->jobs[FS_JOBS].iov, FS_JOB_IOV, want) < FS_JOB_IOV)) {
		j = fs_job_new(f, r);
		j->run = job_write;
		j->o = o;
		j->fd = o->fd;
		j->off = (int64_t)off;
		j->flags = append ? RWF_APPEND : 0;
		j->answer = FS_ANSWER_WRITE;
		j->niov = chain_iov(r->c, CHAIN_READ, 0, j->iov, FS_JOB_IOV, want);
		return fs_job_begin(j);
	}
	err = 0;
	if (append && want && length_done(f, r, o->fd, (int64_t)want))
		done = want;
	else
		err = write_now(r, o, off, want, append ? RWF_APPEND : 0, &done);
	if (err)
		return err;
	out.size = fs32(f, (uint32_t)done);
	return fs_put(r, &out, sizeof(out));
}

/* ---- the end of files */

int fs_flush(struct fs *f, struct fs_req *r)
{
	const struct fuse_flush_in *in = r->arg;
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, false);
	int fd;

	if (!o)
		return -EBADF;
	fs_owner_end(f, o->inode, fs64(f, in->lock_owner));
	if (!f->remote && !f->flush)
		return 0;
	/* A network's file system tells at close what went wrong. */
	fd = dup(o->fd);
	return fd < 0 || close(fd) < 0 ? -errno : 0;
}

int fs_release(struct fs *f, struct fs_req *r)
{
	const struct fuse_release_in *in = r->arg;
	struct fs_open *o = fs_open_record(f, fs64(f, in->fh), r->node, false);

	if (!o)
		return r->again ? 0 : -EBADF;
	if (f->posix_lock && fs32(f, in->release_flags) & FUSE_RELEASE_FLUSH)
		fs_owner_end(f, o->inode, fs64(f, in->lock_owner));
	if (o->flocked && o->fd >= 0)
		flock(o->fd, LOCK_UN);
	o->closing = true;
	fs_open_put(f, o);
	return 0;
}

static int job_fsync(struct fs_job *j)
{
	return (j->flags ? fdatasync(j->fd) : fsync(j->fd)) < 0 ? -errno : 0;
}

int fs_fsync(struct fs *f, struct fs_req *r)
{
	const struct fuse_fsync_in *in = r->arg;
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, r->opcode == FUSE_FSYNCDIR);
	struct fs_job *j;

	if (!o)
		return -EBADF;
	j = fs_job_new(f, r);
	j->run = job_fsync;
	j->o = o;
	j->fd = o->fd;
	j->flags = fs32(f, in->fsync_flags) & FUSE_FSYNC_FDATASYNC;
	return fs_job_begin(j);
}

static int job_syncfs(struct fs_job *j)
{
	return syncfs(j->fd) < 0 ? -errno : 0;
}

int fs_syncfs(struct fs *f, struct fs_req *r)
{
	struct fs_inode *n = fs_node(f, r->node);
	struct fs_job *j;

	if (!n)
		return -ESTALE;
	j = fs_job_new(f, r);
	j->run = job_syncfs;
	j->mount = n->mount;
	j->fd = f->mounts[n->mount].fd >= 0 ? f->mounts[n->mount].fd : f->root_fd;
	return fs_job_begin(j);
}

/* ---- the shape of files */

static int job_fallocate(struct fs_job *j)
{
	return fallocate(j->fd, (int)j->flags, j->off, (off_t)j->len) < 0 ? -errno : 0;
}

int fs_fallocate(struct fs *f, struct fs_req *r)
{
	const uint32_t known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
			       FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;
	const struct fuse_fallocate_in *in = r->arg;
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, false);
	uint64_t off = fs64(f, in->offset), len = fs64(f, in->length);
	struct fs_job *j;

	if (!o)
		return -EBADF;
	if (fs32(f, in->mode) & ~known)
		return -EOPNOTSUPP;
	if (!len || off > INT64_MAX || len > INT64_MAX - off)
		return -EINVAL;
	fs_drop_mapped_caps(f, o->fd);
	if (f->session_fd >= 0 && fs32(f, in->mode) & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		bool less = fs32(f, in->mode) & FALLOC_FL_COLLAPSE_RANGE;

		if (length_done(f, r, o->fd, less ? -(int64_t)len : (int64_t)len))
			return 0;
		return fallocate(o->fd, (int)fs32(f, in->mode), (off_t)off, (off_t)len) < 0 ? -errno : 0;
	}
	j = fs_job_new(f, r);
	j->run = job_fallocate;
	j->o = o;
	j->fd = o->fd;
	j->off = (int64_t)off;
	j->len = len;
	j->flags = fs32(f, in->mode);
	return fs_job_begin(j);
}

int fs_lseek(struct fs *f, struct fs_req *r)
{
	const struct fuse_lseek_in *in = r->arg;
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, false);
	uint32_t whence = fs32(f, in->whence);
	struct fuse_lseek_out out;
	off_t at;

	if (!o)
		return -EBADF;
	if (whence != SEEK_DATA && whence != SEEK_HOLE && whence != SEEK_END)
		return -EINVAL;
	at = lseek(o->fd, (off_t)fs64(f, in->offset), (int)whence);
	if (at < 0)
		return -errno;
	out.offset = fs64(f, (uint64_t)at);
	return fs_put(r, &out, sizeof(out));
}

static int job_copy(struct fs_job *j)
{
	off64_t in = j->off, out = j->off2;
	ssize_t got = copy_file_range(j->fd, &in, j->fd2, &out, (size_t)j->len, 0);

	if (got < 0)
		return -errno;
	j->result = (uint64_t)got;
	return 0;
}

int fs_copy_file_range(struct fs *f, struct fs_req *r)
{
	const struct fuse_copy_file_range_in *in = r->arg;
	struct fs_open *a = fs_opened(f, fs64(f, in->fh_in), r->node, false);
	struct fs_open *b = fs_opened(f, fs64(f, in->fh_out), fs64(f, in->nodeid_out), false);
	uint64_t from = fs64(f, in->off_in), to = fs64(f, in->off_out), len = fs64(f, in->len);
	bool wide = r->opcode == FUSE_COPY_FILE_RANGE_64;
	struct fs_job *j;

	if (!a || !b || !in->nodeid_out)
		return -EBADF;
	if (in->flags || from > INT64_MAX || to > INT64_MAX || fs_room(r) < sizeof(struct fuse_write_out))
		return -EINVAL;
	fs_drop_mapped_caps(f, b->fd);
	j = fs_job_new(f, r);
	j->run = job_copy;
	j->o = a;
	j->o2 = b;
	j->fd = a->fd;
	j->fd2 = b->fd;
	j->off = (int64_t)from;
	j->off2 = (int64_t)to;
	j->len = min_u64(len, COPY_MAX);
	j->answer = wide ? FS_ANSWER_OFFSET : FS_ANSWER_WRITE;
	return fs_job_begin(j);
}
