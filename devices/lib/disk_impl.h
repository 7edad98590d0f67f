/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * disk_impl.h - what the two kinds of disk.h have in common.
 */
#ifndef VDEVD_DEVICES_LIB_DISK_IMPL_H
#define VDEVD_DEVICES_LIB_DISK_IMPL_H

#include <limits.h>

#include "core/loop.h"
#include "devices/lib/disk.h"

/* way.state of a request that has ended; the others are the kind's. */
#define DISK_ENDED UINT_MAX

/* A kind of disk. */
struct disk_ops {
	/* Fills in d->info and d->host.  Returns 0, or -errno after a line; without one -ENOMEM. */
	int (*open)(struct disk *d);
	void (*close)(struct disk *d);
	/* It ends with disk_ended, at any time; the request was checked. */
	void (*begin)(struct disk *d, struct disk_req *r);
	/* Once for a request. */
	void (*cancel)(struct disk *d, struct disk_req *r);
	/* Bytes, or 0 where it cannot be known. */
	uint64_t (*size)(struct disk *d);
};

struct disk {
	struct disk_args args;
	const struct disk_ops *ops;
	struct disk_info info;
	void *host;
	struct list early; /* requests that have ended where done must not be called: by way.queue */
	struct loop_again tell;
	bool beginning; /* inside ops->begin */
	struct list watch_node;
	int wd; /* of inotify(7) */
};

extern const struct disk_ops disk_file_ops, disk_sim_ops;

extern const struct sandbox_call disk_file_calls[], disk_erase_calls[];

/* disk_watch.c: the disk's file is watched; no longer. */
void disk_watch_add(struct disk *d);
void disk_watch_remove(struct disk *d);

/* A line, at the start, that says why a disk cannot be had: what names it comes before. */
void disk_complain(const struct disk *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A request has ended: its done is called, now or where that must not be, soon. */
void disk_ended(struct disk_req *r, int err);

/*
 * The memory of a request from way.moved bytes on, as way.iov: at most limit bytes, at most DISK_IOV pieces.
 * Returns how many bytes that is, and way.niov.
 */
size_t disk_view(struct disk_req *r, size_t limit);

#endif
