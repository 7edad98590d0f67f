/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_job.c - requests that can block, on threads; see fs.h.
 *
 * What is in memory is done on the loop at once; a thread costs more than that.  Locks that are waited for have threads
 * of their own, so that they hold up nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/fs/fs.h"

#define LOCK_THREADS 16
#define PATIENCE_MS  2000

int fs_jobs_open(struct fs *f)
{
	const struct work_opts o = {.threads = (unsigned int)f->threads}, locks = {.threads = LOCK_THREADS};

	f->jobs = calloc(FS_JOBS + 1, sizeof(*f->jobs));
	if (!f->jobs)
		return -ENOMEM;
	/* The last one is for what finds no other. */
	for (unsigned int i = 0; i < FS_JOBS; i++) {
		f->jobs[i].next = f->free_job;
		f->free_job = &f->jobs[i];
	}
	if (f->threads && work_queue_new(f->d.loop, &o, &f->work) < 0)
		return -ENOMEM;
	if ((f->flock || f->posix_lock) && work_queue_new(f->d.loop, &locks, &f->lock_work) < 0)
		return -ENOMEM;
	return 0;
}

bool fs_jobs_close(struct fs *f)
{
	bool ended = true;

	if (f->work)
		ended = work_queue_free(f->work, PATIENCE_MS);
	if (f->lock_work)
		ended = work_queue_free(f->lock_work, PATIENCE_MS) && ended;
	if (ended)
		free(f->jobs);
	f->work = f->lock_work = NULL;
	f->jobs = NULL;
	return ended;
}

struct fs_job *fs_job_new(struct fs *f, struct fs_req *r)
{
	struct fs_job *j = f->free_job ? f->free_job : &f->jobs[FS_JOBS];

	if (f->free_job)
		f->free_job = j->next;
	j->f = f;
	j->c = r->c;
	j->unique = r->unique;
	j->o = j->o2 = NULL;
	j->owner = NULL;
	j->well = NULL;
	j->mount = 0;
	j->off = j->off2 = 0;
	j->len = j->result = 0;
	j->flags = j->niov = 0;
	j->fd = j->fd2 = -1;
	j->waits = j->requeue = false;
	j->answer = FS_ANSWER_NONE;
	return j;
}

/* What it has come to, as the guest is told. */
static void job_answer(struct fs_job *j)
{
	struct fs *f = j->f;
	const struct fuse_write_out w = {.size = fs32(f, (uint32_t)j->result)};
	const uint64_t offset = fs64(f, j->result);
	size_t len = 0;

	if (!j->err && j->answer == FS_ANSWER_DATA)
		len = (size_t)j->result;
	else if (!j->err && j->answer == FS_ANSWER_WRITE)
		len = chain_put_at(j->c, sizeof(struct fuse_out_header), &w, sizeof(w)) ? sizeof(w) : 0;
	else if (!j->err && j->answer == FS_ANSWER_OFFSET)
		len = chain_put_at(j->c, sizeof(struct fuse_out_header), &offset, sizeof(offset)) ? sizeof(offset) : 0;
	fs_finish(f, j->c, j->unique, j->err, len);
}

/* Gives back what a job has held.  Its chain is another matter. */
static void job_free(struct fs_job *j)
{
	struct fs *f = j->f;

	j->c = NULL;
	if (j->o)
		fs_open_put(f, j->o);
	if (j->o2)
		fs_open_put(f, j->o2);
	if (j->owner) {
		j->owner->busy--;
		fs_owner_put(f, j->owner);
	}
	f->mounts[j->mount].users--;
	fs_mount_unuse(f, j->mount);
	if (j->waits)
		f->waiting_locks--;
	if (j == &f->jobs[FS_JOBS])
		return;
	j->next = f->free_job;
	f->free_job = j;
}

static void job_end(struct fs_job *j)
{
	if (!j->err && j->well)
		j->well(j);
	if (j->requeue && j->err == -EINTR)
		virtq_requeue(j->c);
	else
		job_answer(j);
	job_free(j);
}

static void job_run(struct work *w)
{
	struct fs_job *j = container_of(w, struct fs_job, work);

	j->err = j->run(j);
}

static void job_done(struct work *w)
{
	job_end(container_of(w, struct fs_job, work));
}

int fs_job_begin(struct fs_job *j)
{
	struct fs *f = j->f;
	struct work_queue *wq = j->waits ? f->lock_work : f->work;

	if (j->o)
		j->o->refs++;
	if (j->o2)
		j->o2->refs++;
	if (j->owner)
		j->owner->busy++;
	f->mounts[j->mount].users++;
	if (j->waits)
		f->waiting_locks++;
	j->work = (struct work){.run = job_run, .done = job_done};
	if (j != &f->jobs[FS_JOBS] && wq && work_submit(wq, &j->work) == 0) {
		f->count.blocked++;
		return FS_LATER;
	}
	/* On the loop nothing can be waited for. */
	j->err = j->waits ? -ENOLCK : j->run(j);
	job_end(j);
	return FS_LATER;
}

void fs_jobs_interrupt(struct fs *f, uint64_t unique, const struct fs_owner *owner)
{
	for (unsigned int i = 0; i < FS_JOBS; i++) {
		struct fs_job *j = &f->jobs[i];

		if (j->c && j->waits && (owner ? j->owner == owner : j->unique == unique))
			work_interrupt(f->lock_work, &j->work);
	}
}

void fs_jobs_quiesce(struct fs *f, unsigned int q)
{
	for (unsigned int i = 0; i < FS_JOBS; i++) {
		struct fs_job *j = &f->jobs[i];
		struct work_queue *wq = j->waits ? f->lock_work : f->work;

		if (!j->c || virtq_index(chain_queue(j->c)) != q)
			continue;
		if (work_cancel(wq, &j->work)) {
			virtq_requeue(j->c);
			job_free(j);
		} else if (j->waits) {
			j->requeue = true;
			work_interrupt(wq, &j->work);
		}
	}
}

bool fs_jobs_idle(const struct fs *f)
{
	for (unsigned int i = 0; i < FS_JOBS; i++) {
		if (f->jobs[i].c)
			return false;
	}
	return true;
}
