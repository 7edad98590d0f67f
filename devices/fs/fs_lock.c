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

/* ---- what is locked, for the next process */

static void range_add(struct fs *f, const struct fs_range *new)
{
	for (unsigned int i = 0; i < FS_RANGES; i++) {
		struct fs_range *g = &f->kept->ranges[i];

		if (g->inode)
			continue;
		*g = (struct fs_range){new->owner, new->start, new->end, 0, new->type};
		fs_settle();
		g->inode = new->inode;
		f->nranges++;
		return;
	}
}

/* Forgets what a process has locked of these bytes.  Where a hole comes to be in a range the rest is another one. */
static void range_clear(struct fs *f, uint32_t inode, uint64_t owner, uint64_t start, uint64_t end)
{
	struct fs_range *ranges = f->kept->ranges;

	for (unsigned int i = 0, rest = f->nranges; i < FS_RANGES && rest; i++) {
		struct fs_range *g = &ranges[i];
		struct fs_range old = *g;

		rest -= old.inode != 0;
		if (old.inode != inode || old.owner != owner || old.start > end || old.end < start)
			continue;
		if (old.start < start)
			g->end = start - 1;
		else if (old.end > end)
			g->start = end + 1;
		else
			g->inode = 0;
		f->nranges -= !g->inode;
		if (old.start < start && old.end > end)
			range_add(f, &(struct fs_range){owner, end + 1, old.end, inode, old.type});
	}
}

static uint64_t last_byte(const struct flock *l)
{
	return l->l_len ? (uint64_t)l->l_start + (uint64_t)l->l_len - 1 : INT64_MAX;
}

/* Whether there is room for what a lock, or its end, leaves behind, besides those that are waited for. */
static bool range_fits(const struct fs *f, const struct fs_owner *w, const struct flock *l)
{
	uint64_t start = (uint64_t)l->l_start, end = last_byte(l);
	unsigned int more = 2; /* one range at most becomes three */

	if (f->session_fd < 0)
		return true;
	if (l->l_type == F_UNLCK) {
		more = 0;
		for (unsigned int i = 0; i < FS_RANGES && !more; i++) {
			const struct fs_range *g = &f->kept->ranges[i];

			more = g->inode == w->inode && g->owner == w->owner && g->start < start && g->end > end;
		}
	}
	return !more || f->nranges + more + f->waiting_locks * 2 <= FS_RANGES;
}

static void range_set(struct fs *f, const struct fs_owner *w, const struct flock *l)
{
	uint64_t start = (uint64_t)l->l_start, end = last_byte(l);

	if (f->session_fd < 0)
		return;
	range_clear(f, w->inode, w->owner, start, end);
	if (l->l_type != F_UNLCK)
		range_add(f, &(struct fs_range){w->owner, start, end, w->inode, (uint32_t)l->l_type});
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
	if (f->nranges && !f->leaving)
		range_clear(f, w->inode, w->owner, 0, INT64_MAX);
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

static void flock_well(struct fs_job *j)
{
	j->o->lock = (uint8_t)j->flags;
}

static void setlk_well(struct fs_job *j)
{
	const struct flock l = {.l_type = (short)j->flags, .l_start = j->off, .l_len = (off_t)j->len};

	if (!j->owner->dead)
		range_set(j->f, j->owner, &l);
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
	if (flock(o->fd, op | LOCK_NB) == 0) {
		o->lock = (uint8_t)op;
		return 0;
	}
	if (errno != EWOULDBLOCK || r->opcode == FUSE_SETLK)
		return -errno;
	err = wait_for(f, r, o, &j);
	if (err)
		return err;
	j->run = job_flock;
	j->well = flock_well;
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
	if (!range_fits(f, w, &l)) {
		log_guest(&f->d.log, "more than %d ranges are locked", FS_RANGES);
		return -ENOLCK;
	}
	if (fcntl(w->fd, F_OFD_SETLK, &l) == 0) {
		range_set(f, w, &l);
		return 0;
	}
	if ((errno != EAGAIN && errno != EACCES) || r->opcode == FUSE_SETLK)
		return errno == EACCES ? -EAGAIN : -errno;
	err = wait_for(f, r, o, &j);
	if (err)
		return err;
	j->run = job_setlk;
	j->well = setlk_well;
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

/* ---- after another process */

static bool take_range(struct fs *f, const struct fs_range *g)
{
	struct fs_inode *n = g->inode < f->fresh ? &f->inodes[g->inode] : NULL;
	struct flock l = {.l_type = (short)g->type, .l_whence = SEEK_SET, .l_start = (off_t)g->start};
	struct fs_owner *w;
	int err;

	if (!f->posix_lock || !n || n->type != S_IFREG >> 12 || g->start > g->end || g->end > INT64_MAX || g->type > 2)
		return false;
	l.l_len = g->end == INT64_MAX ? 0 : (off_t)(g->end - g->start + 1);
	w = owner_find(f, g->inode, g->owner);
	if (!w)
		w = owner_new(f, n, g->owner, &err);
	return w && fcntl(w->fd, F_OFD_SETLK, &l) == 0;
}

void fs_locks_resume(struct fs *f)
{
	unsigned int lost = 0;

	for (uint32_t i = 1; i <= f->fresh_open; i++) {
		struct fs_open *o = &f->opens[i];

		if (!o->inode || (o->lock != LOCK_SH && o->lock != LOCK_EX))
			continue;
		o = fs_opened(f, (uint64_t)o->gen << 32 | i, 0, false);
		if (!f->flock || !o || flock(o->fd, o->lock | LOCK_NB) < 0)
			lost++;
	}
	for (unsigned int i = 0; i < FS_RANGES && f->nranges; i++) {
		struct fs_range *g = &f->kept->ranges[i];

		if (!g->inode || take_range(f, g))
			continue;
		g->inode = 0;
		f->nranges--;
		lost++;
	}
	if (lost)
		log_guest(&f->d.log, "%u locks of the guest's could not be taken again", lost);
}
