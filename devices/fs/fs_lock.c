/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_lock.c - locks that hold on the host, too: GETLK, SETLK, SETLKW; see fs.h.
 *
 * flock(2) locks belong to an open file, and so they do here.  Locks of fcntl(2) belong to a process and a file: each
 * such pair has a descriptor of its own, whose open file description holds its locks (F_OFD_SETLK).  All of them go
 * when the process closes any descriptor of the file (FLUSH), as POSIX has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "devices/fs/fs.h"

/* Those that wait at once. */
#define WAITERS_MAX 16

static struct fs_owner *owner_find(struct fs *f, uint32_t inode, uint64_t owner)
{
	for (unsigned int i = 0; i < f->nowners; i++) {
		struct fs_owner *w = &f->owners[i];

		if (w->inode == inode && w->owner == owner && !w->dead)
			return w;
	}
	return NULL;
}

static struct fs_owner *owner_new(struct fs *f, struct fs_inode *n, uint64_t owner, int *err)
{
	struct fs_owner *w = NULL;
	int fd;

	for (unsigned int i = 0; i < f->nowners && !w; i++)
		w = f->owners[i].inode ? NULL : &f->owners[i];
	if (!w && f->nowners < FS_OWNERS)
		w = &f->owners[f->nowners++];
	*err = -ENOLCK;
	if (!w)
		return NULL;
	fd = f->readonly ? -EROFS : fs_reopen(f, n, O_RDWR);
	/* To be locked for reading alone. */
	if (fd == -EACCES || fd == -EROFS || fd == -EPERM || fd == -ETXTBSY)
		fd = fs_reopen(f, n, O_RDONLY);
	*err = fd < 0 ? fd : 0;
	if (fd < 0)
		return NULL;
	*w = (struct fs_owner){.owner = owner, .inode = fs_index(f, n), .fd = fd};
	return w;
}

static void owner_close(struct fs_owner *w)
{
	close(w->fd);
	*w = (struct fs_owner){0};
}

void fs_owner_put(struct fs *f, struct fs_owner *w)
{
	(void)f;
	if (w->dead && !w->busy)
		owner_close(w);
}

static void owner_end(struct fs *f, struct fs_owner *w)
{
	w->dead = true;
	if (w->busy)
		fs_jobs_interrupt(f, 0, w);
	fs_owner_put(f, w);
}

void fs_owner_end(struct fs *f, uint32_t inode, uint64_t owner)
{
	struct fs_owner *w = f->posix_lock ? owner_find(f, inode, owner) : NULL;

	if (w)
		owner_end(f, w);
}

/* Of a file that is forgotten, or of all (0). */
void fs_owners_end(struct fs *f, uint32_t inode)
{
	for (unsigned int i = 0; i < f->nowners; i++) {
		struct fs_owner *w = &f->owners[i];

		if (w->inode && !w->dead && (!inode || w->inode == inode))
			owner_end(f, w);
	}
	if (!inode)
		f->nowners = 0;
}

/* The guest's range; its last byte may be the last there is. */
static int range_of(const struct fs *f, const struct fuse_file_lock *lk, struct flock *l)
{
	uint64_t start = fs64(f, lk->start), end = fs64(f, lk->end);

	*l = (struct flock){.l_type = (short)fs32(f, lk->type), .l_whence = SEEK_SET, .l_start = (off_t)start};
	if (start > INT64_MAX || end > INT64_MAX || end < start || fs32(f, lk->type) > 2)
		return -EINVAL;
	l->l_len = end == INT64_MAX ? 0 : (off_t)(end - start + 1);
	return 0;
}

int fs_getlk(struct fs *f, struct fs_req *r)
{
	const struct fuse_lk_in *in = r->arg;
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, false);
	struct fuse_lk_out out = {0};
	struct fs_owner *w;
	struct flock l;
	int err;

	if (!f->posix_lock)
		return -ENOSYS;
	if (!o)
		return -EBADF;
	err = range_of(f, &in->lk, &l);
	if (err)
		return err;
	w = owner_find(f, o->inode, fs64(f, in->owner));
	if (fcntl(w ? w->fd : o->fd, F_OFD_GETLK, &l) < 0)
		return -errno;
	out.lk.type = fs32(f, (uint32_t)l.l_type);
	if (l.l_type != F_UNLCK) {
		out.lk.start = fs64(f, (uint64_t)l.l_start);
		out.lk.end = fs64(f, l.l_len ? (uint64_t)(l.l_start + l.l_len - 1) : INT64_MAX);
	}
	return fs_put(r, &out, sizeof(out));
}

static int job_flock(struct fs_job *j)
{
	while (flock(j->fd, (int)j->flags) < 0) {
		if (errno != EINTR || work_interrupted(&j->work))
			return -errno;
	}
	return 0;
}

static int job_setlk(struct fs_job *j)
{
	struct flock l = {.l_type = (short)j->flags, .l_whence = SEEK_SET, .l_start = j->off, .l_len = (off_t)j->len};

	while (fcntl(j->fd, F_OFD_SETLKW, &l) < 0) {
		if (errno != EINTR || work_interrupted(&j->work))
			return -errno;
	}
	return 0;
}

static int wait_for(struct fs *f, struct fs_req *r, struct fs_open *o, struct fs_job **j)
{
	if (f->waiting_locks >= WAITERS_MAX || !f->lock_work || !f->free_job) {
		log_guest(&f->d.log, "more than %d locks are waited for at once", WAITERS_MAX);
		return -ENOLCK;
	}
	*j = fs_job_new(f, r);
	(*j)->waits = true;
	(*j)->o = o;
	return 0;
}

static int set_flock(struct fs *f, struct fs_req *r, struct fs_open *o, uint32_t type)
{
	int op = type == F_RDLCK ? LOCK_SH : type == F_WRLCK ? LOCK_EX : LOCK_UN, err;
	struct fs_job *j;

	if (!f->flock)
		return -ENOSYS;
	if (type > 2)
		return -EINVAL;
	o->flocked = true;
	if (flock(o->fd, op | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK || r->opcode == FUSE_SETLK)
		return -errno;
	err = wait_for(f, r, o, &j);
	if (err)
		return err;
	j->run = job_flock;
	j->fd = o->fd;
	j->flags = (uint32_t)op;
	return fs_job_begin(j);
}

static int set_posix(struct fs *f, struct fs_req *r, struct fs_open *o, const struct fuse_lk_in *in)
{
	struct fs_owner *w = owner_find(f, o->inode, fs64(f, in->owner));
	struct fs_job *j;
	struct flock l;
	int err;

	if (!f->posix_lock)
		return -ENOSYS;
	err = range_of(f, &in->lk, &l);
	if (err || (!w && l.l_type == F_UNLCK))
		return err;
	if (!w)
		w = owner_new(f, &f->inodes[o->inode], fs64(f, in->owner), &err);
	if (!w)
		return err;
	if (fcntl(w->fd, F_OFD_SETLK, &l) == 0)
		return 0;
	if ((errno != EAGAIN && errno != EACCES) || r->opcode == FUSE_SETLK)
		return errno == EACCES ? -EAGAIN : -errno;
	err = wait_for(f, r, o, &j);
	if (err)
		return err;
	j->run = job_setlk;
	j->owner = w;
	j->fd = w->fd;
	j->off = l.l_start;
	j->len = (uint64_t)l.l_len;
	j->flags = (uint32_t)l.l_type;
	return fs_job_begin(j);
}

int fs_setlk(struct fs *f, struct fs_req *r)
{
	const struct fuse_lk_in *in = r->arg;
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, false);

	if (!o)
		return -EBADF;
	return fs32(f, in->lk_flags) & FUSE_LK_FLOCK ? set_flock(f, r, o, fs32(f, in->lk.type))
						     : set_posix(f, r, o, in);
}
