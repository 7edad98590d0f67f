/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * disk_watch.c - sees that somebody has closed a disk's file after writing to it, as who makes it larger does:
 * inotify(7); see disk.h.
 *
 * One inotify descriptor serves all disks of a device: a user has few of them.  Writes are not looked at, since the
 * disk's own are among them; its descriptor stays open, so its own close is never seen.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "devices/lib/disk_impl.h"

struct disk_watch {
	struct vdev *d;
	struct ev_io io;
	struct loop_rewatch rewatch;
	struct list disks; /* by watch_node */
};

/* An event of a watch; -1: some were lost, so it may be any. */
static void touched(struct disk_watch *w, int wd)
{
	struct list *node, *next;

	for (node = w->disks.next; node != &w->disks; node = next) {
		struct disk *d = container_of(node, struct disk, watch_node);

		next = node->next;
		if (wd == -1 || d->wd == wd)
			d->args.touched(d->args.arg);
	}
}

static void readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct disk_watch *w = container_of(io, struct disk_watch, io);
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *e;
	ssize_t got;

	if (loop_rewatch_lost(&w->rewatch, loop, revents))
		return;
	got = read(io->fd, events, sizeof(events));
	for (ssize_t at = 0; at < got; at += (ssize_t)(sizeof(*e) + e->len)) {
		e = (const struct inotify_event *)(const void *)(events + at);
		touched(w, e->wd);
	}
}

struct disk_watch *disk_watch_new(struct vdev *d)
{
	struct disk_watch *w = calloc(1, sizeof(*w));
	int fd;

	if (!w)
		return NULL;
	w->d = d;
	list_init(&w->disks);
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		log_info(&d->log, "files that grow are seen when told only (SIGHUP, resize): inotify: %s",
			 strerror(errno));
	ev_io_init(&w->io, readable, fd, EV_READ);
	loop_rewatch_init(&w->rewatch, &w->io);
	if (fd >= 0)
		ev_io_start(d->loop, &w->io);
	return w;
}

void disk_watch_free(struct disk_watch *w)
{
	if (!w)
		return;
	loop_rewatch_stop(&w->rewatch, w->d->loop);
	if (w->io.fd >= 0)
		close(w->io.fd);
	free(w);
}

void disk_watch_add(struct disk *d)
{
	struct disk_watch *w = d->args.watch;

	list_init(&d->watch_node);
	if (!w || w->io.fd < 0 || !d->args.path)
		return;
	d->wd = inotify_add_watch(w->io.fd, d->args.path, IN_CLOSE_WRITE);
	if (d->wd < 0)
		log_info(&w->d->log, "%s: not seen when it grows: inotify: %s", d->args.path, strerror(errno));
	else
		list_put_last(&w->disks, &d->watch_node);
}

void disk_watch_remove(struct disk *d)
{
	const struct disk_watch *w = d->args.watch;
	const struct list *node;

	if (list_empty(&d->watch_node))
		return;
	list_remove(&d->watch_node);
	/* Disks of one file have one watch. */
	for (node = w->disks.next; node != &w->disks; node = node->next) {
		if (container_of(node, struct disk, watch_node)->wd == d->wd)
			return;
	}
	inotify_rm_watch(w->io.fd, d->wd);
}
