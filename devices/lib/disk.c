/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * disk.c - disks for devices: what files and simulated ones have in common; see disk.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/lib/disk_impl.h"

const char *const disk_cache_words[] = {
	[DISK_WRITEBACK] = "writeback",
	[DISK_DIRECT] = "none",
	NULL,
};

const char *const disk_aio_words[] = {
	[DISK_AIO_AUTO] = "auto",
	[DISK_AIO_URING] = "io_uring",
	[DISK_AIO_THREADS] = "threads",
	NULL,
};

/* Threads where there is no io_uring: as many requests are with the host at once. */
#define THREADS 16

int disk_ring_new(struct vdev *d, enum disk_aio aio, struct uring **out)
{
	const struct uring_opts opts = {.threads = THREADS, .no_kernel = aio == DISK_AIO_THREADS};
	int err = uring_new(d->loop, &opts, out);

	if (err)
		return err;
	if (aio == DISK_AIO_URING && !uring_native(*out)) {
		log_error(&d->log, "--aio=io_uring: this host does not allow it (--aio=auto takes threads then)");
		uring_free(*out, 0);
		*out = NULL;
		return -ENOSYS;
	}
	return 0;
}

void disk_complain(const struct disk *d, const char *fmt, ...)
{
	char why[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_error(&d->args.d->log, "%s%s%s: %s", d->args.what, d->args.path ? "=" : "",
		  d->args.path ? d->args.path : "", why);
}

static void tell_run(struct loop_again *again)
{
	struct disk *d = container_of(again, struct disk, tell);
	struct list ended, *first;

	list_init(&ended);
	list_take(&ended, &d->early);
	while ((first = list_first(&ended))) {
		struct disk_req *r = container_of(first, struct disk_req, way.queue);

		list_remove(first);
		r->done(r, r->way.err);
	}
}

int disk_open(const struct disk_args *args, struct disk **out)
{
	struct disk *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	d->args = *args;
	d->ops = args->path ? &disk_file_ops : &disk_sim_ops;
	list_init(&d->early);
	loop_again_init(&d->tell, tell_run);
	err = d->ops->open(d);
	if (err) {
		free(d);
		return err;
	}
	disk_watch_add(d);
	*out = d;
	return 0;
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	disk_watch_remove(d);
	loop_again_stop(&d->tell, d->args.d->loop);
	d->ops->close(d);
	free(d);
}

const struct disk_info *disk_info(const struct disk *d)
{
	return &d->info;
}

void disk_ended(struct disk_req *r, int err)
{
	struct disk *d = r->way.d;

	r->way.state = DISK_ENDED;
	if (!d->beginning) {
		r->done(r, err);
		return;
	}
	r->way.err = err;
	list_put_last(&d->early, &r->way.queue);
	loop_again_start(&d->tell, d->args.d->loop);
}

/* What is wrong with a request, or 0: its owner has told the guest already, or the disk has shrunk since. */
static int request_check(const struct disk *d, const struct disk_req *r)
{
	if (r->what == DISK_FLUSH)
		return 0;
	if (r->what != DISK_READ && r->what != DISK_EXTENTS && d->info.read_only)
		return -EROFS;
	if (r->what == DISK_ERASE && !d->info.erases)
		return -EOPNOTSUPP;
	if (r->chain && r->what <= DISK_WRITE) {
		size_t room = r->what == DISK_READ ? chain_writable(r->chain) : chain_readable(r->chain);

		if (r->at > room || r->len > room - r->at)
			return -EFAULT;
	}
	return r->len <= d->info.size && r->off <= d->info.size - r->len ? 0 : -EIO;
}

void disk_begin(struct disk *d, struct disk_req *r)
{
	int err = request_check(d, r);
	bool outer = d->beginning;

	list_init(&r->way.queue);
	r->way.d = d;
	r->way.moved = 0;
	r->way.bounce = NULL;
	r->way.cancelled = false;
	r->way.state = 0;
	d->beginning = true;
	if (err || (r->what != DISK_FLUSH && !r->len)) {
		disk_ended(r, err);
	} else if (r->what == DISK_EXTENTS && !(d->args.path && d->args.work)) {
		*(struct disk_extent *)r->buf = (struct disk_extent){r->off, r->len, true};
		r->nextents = 1;
		disk_ended(r, 0);
	} else {
		d->ops->begin(d, r);
	}
	d->beginning = outer;
}

void disk_cancel(struct disk_req *r)
{
	struct disk *d = r->way.d;
	bool outer = d->beginning;

	if (r->way.cancelled || r->way.state == DISK_ENDED)
		return;
	r->way.cancelled = true;
	d->beginning = true;
	d->ops->cancel(d, r);
	d->beginning = outer;
}

bool disk_look(struct disk *d)
{
	uint64_t size = d->ops->size(d) / DISK_SECTOR * DISK_SECTOR;
	bool changed = size && size != d->info.size;

	if (changed)
		d->info.size = size;
	return changed;
}

size_t disk_view(struct disk_req *r, size_t limit)
{
	size_t left = (size_t)min_u64(r->len - r->way.moved, limit), sum = 0;

	if (!r->chain && r->repeat) {
		for (r->way.niov = 0; sum < left && r->way.niov < DISK_IOV; r->way.niov++) {
			size_t skip = (size_t)((r->way.moved + sum) % r->repeat),
			       n = min_size(r->repeat - skip, left - sum);

			r->way.iov[r->way.niov] = (struct iovec){(char *)r->buf + skip, n};
			sum += n;
		}
		return sum;
	}
	if (!r->chain) {
		r->way.iov[0] = (struct iovec){(char *)r->buf + r->way.moved, left};
		r->way.niov = 1;
		return left;
	}
	r->way.niov = chain_iov(r->chain, r->what == DISK_READ ? CHAIN_WRITE : CHAIN_READ, r->at + (size_t)r->way.moved,
				r->way.iov, DISK_IOV, left);
	for (unsigned int i = 0; i < r->way.niov; i++)
		sum += r->way.iov[i].iov_len;
	return sum;
}

void disk_needs(const struct disk_args *args, struct sandbox *s)
{
	if (!args->path)
		return;
	uring_needs(s);
	sandbox_calls(s, disk_file_calls);
	if (args->erase && !args->read_only)
		sandbox_calls(s, disk_erase_calls);
}
