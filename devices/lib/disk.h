/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * disk.h - disks for devices: reads, writes, flushes, discards and zeros that end later, straight from and to guest
 * memory.
 *
 * A disk is a file or a block device of the host (disk_file.c, by core/uring.h), or a simulated one in memory
 * (disk_sim.c). A request is embedded in what it works for: nothing is allocated while a disk serves.  Requests end in
 * any order, each once; one that is to follow another is begun when that has ended.
 *
 * A write that has ended well is read by every request begun afterwards.  It outlives the host when a flush that was
 * begun afterwards has ended well, or when it was durable.  When a flush of a file has failed once, all flushes and
 * durable writes fail for ever, since the host forgets what it could not write: nothing that was lost is told as kept.
 */
#ifndef VDEVD_DEVICES_LIB_DISK_H
#define VDEVD_DEVICES_LIB_DISK_H

#include <sys/uio.h>

#include "core/device.h"
#include "core/uring.h"
#include "transport/chain.h"

/* The unit of sizes and offsets, bytes: a multiple of it is what every disk can do but with cache=none. */
#define DISK_SECTOR 512u

/* Pieces of memory that the host is handed at once. */
#define DISK_IOV 128

enum disk_what {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,
	DISK_DISCARD, /* what is read there afterwards is not said */
	DISK_ERASE,   /* no copy of what was there is left, on a disk that has erases */
	DISK_ZERO,    /* zeros are read there afterwards */
	DISK_EXTENTS, /* finds out what has room on the host: see extents */
};

/* A part of a disk that has room on the host, or has none and reads as zeros. */
struct disk_extent {
	uint64_t off, len; /* bytes */
	bool mapped;
};

/* Whether the host's page cache is used, and how requests are handed to the host. */
enum disk_cache { DISK_WRITEBACK, DISK_DIRECT };
enum disk_aio { DISK_AIO_AUTO, DISK_AIO_URING, DISK_AIO_THREADS };

/* The words of the options for them, for OPT_WORD; and the first's and the second's help. */
extern const char *const disk_cache_words[], *const disk_aio_words[];

/* The options of a device with disks: its struct has unsigned int cache and aio, and bool share. */
#define DISK_OPTS(owner)                                                                                               \
	{                                                                                                              \
		.name = "cache",                                                                                       \
		.type = OPT_WORD,                                                                                      \
		.off = offsetof(owner, cache),                                                                         \
		.words = disk_cache_words,                                                                             \
		.arg = "MODE",                                                                                         \
		.def = "writeback",                                                                                    \
		.help = "writeback, or none: no page cache of the host",                                               \
		.man = MAN("writeback: the host's page cache is used.  none: it is gone round (O_DIRECT), as is best " \
			   "for a disk that is not shared and a guest that has a cache itself.  What is on the disk "  \
			   "when a flush has ended is the same.  With writeback, when the host has failed to keep "    \
			   "what it had taken (a flush of its page cache ended in an error), every flush and every "   \
			   "write that is to be durable fails until vdevd is started again; a write for which there "  \
			   "is no room fails alone, and what was written before it is as safe as it was.  With none, " \
			   "and a disk whose blocks are larger than "                                                  \
			   "512 bytes, a guest that reads or writes parts of a block gets an error."),                 \
	},                                                                                                             \
		{                                                                                                      \
			.name = "aio",                                                                                 \
			.type = OPT_WORD,                                                                              \
			.off = offsetof(owner, aio),                                                                   \
			.words = disk_aio_words,                                                                       \
			.arg = "WAY",                                                                                  \
			.def = "auto",                                                                                 \
			.help = "io_uring, threads, or auto: what the host has",                                       \
		},                                                                                                     \
	{                                                                                                              \
		.name = "share", .type = OPT_FLAG, .off = offsetof(owner, share),                                      \
		.help = "others may use the disk as well: no lock",                                                    \
		.man = MAN("Does not lock the disk.  Otherwise one vdevd or QEMU can have it, or several that only "   \
			   "read.  Say it on both sides of a live migration on one host, or where the guests share a " \
			   "file system made for that."),                                                              \
	}

struct disk;
struct disk_sim;
struct disk_watch;

/* A request.  Its owner fills in the first part; it stays as it is from disk_begin until done. */
struct disk_req {
	enum disk_what what;
	bool durable;	   /* WRITE, ZERO: it is on the disk when it has ended */
	bool unmap;	   /* ZERO: the room on the host may be given back */
	uint64_t off, len; /* bytes, inside the disk; unused by FLUSH */
	/* READ, WRITE: the memory is that of a chain, at bytes behind the cursor of the part that suits; or else at
	 * buf. */
	struct chain *chain;
	size_t at;
	void *buf;
	/* EXTENTS: buf is of nextents struct disk_extent, of which so many are found; they are from off on, without
	 * gap. */
	unsigned int nextents;
	size_t repeat; /* WRITE: buf has so many bytes, which are written again and again; 0: it has them all */
	/*
	 * On the loop, later than disk_begin: it has ended, well (0) or not: -EIO, -ENOSPC, -EOPNOTSUPP, -ECANCELED,
	 * ...  It may begin the next, also with this struct.
	 */
	void (*done)(struct disk_req *r, int err);
	/* The disk's. */
	struct disk_req_way {
		struct disk *d;
		struct list queue;
		struct uring_op op;
		struct work work;
		unsigned int state, niov;
		uint64_t moved; /* bytes */
		size_t part;	/* bytes under way */
		void *bounce;
		bool cancelled;
		int err;
		double until;
		struct iovec iov[DISK_IOV];
	} way;
};

/* What a disk is made of. */
struct disk_args {
	struct vdev *d;	      /* its loop and log */
	struct uring *ring;   /* of disk_ring_new; must outlive the disk.  Unused by a simulated one */
	const char *what;     /* in lines: "--file" */
	const char *path;     /* of the file or block device; NULL: simulated */
	/* EXTENTS are looked for there, and ERASE is done there; must outlive the disk.  NULL: all counts as mapped,
	 * and nothing is erased. */
	struct work_queue *work;
	bool erase;	      /* ERASE is wanted, where the disk has it */
	struct disk_sim *sim; /* of a simulated disk; must outlive it */
	uint64_t size;	      /* of a simulated disk, bytes */
	bool read_only;
	bool share; /* others may use it as well: it is not locked */
	enum disk_cache cache;
	struct disk_watch *watch; /* of disk_watch_new; must outlive the disk.  NULL: the file is not watched */
	void (*touched)(
		void *arg); /* on the loop: somebody may have changed its size (disk_look).  Unused without a watch */
	void *arg;
};

/* What is known of a disk. */
struct disk_info {
	uint64_t size;		     /* bytes, a multiple of DISK_SECTOR */
	unsigned int block;	     /* bytes: the least that can be read or written; DISK_SECTOR or more */
	unsigned int physical;	     /* bytes: what the host writes at once; at least block */
	unsigned int min_io, opt_io; /* bytes; 0: not known */
	bool read_only, rotational;
	bool discards; /* it can give room back to the host */
	bool erases;   /* it has ERASE */
};

/*
 * Makes the ring that a device's disks share.  Returns 0 and *out (free with uring_free, before the disks are closed);
 * -ENOMEM; -ENOSYS after a line that says why.
 */
int disk_ring_new(struct vdev *d, enum disk_aio aio, struct uring **out);

/*
 * Opens a disk and locks it.  Returns 0 and *out (end with disk_close); or -errno after a line that says why; without
 * one -ENOMEM.
 */
int disk_open(const struct disk_args *args, struct disk **out);

/* Closes it; nothing is under way, or the ring is gone.  NULL is allowed. */
void disk_close(struct disk *d);

const struct disk_info *disk_info(const struct disk *d);

/* Begins a request.  r->done is always called, and never from inside this. */
void disk_begin(struct disk *d, struct disk_req *r);

/* Asks a request to end early.  It ends as it would, or with -ECANCELED: then part of it may have been done. */
void disk_cancel(struct disk_req *r);

/* Asks the host for the disk's size.  Returns whether it has changed: disk_info tells the new one. */
bool disk_look(struct disk *d);

/*
 * Makes what sees that files of a device's disks are closed after writing: who makes one larger does that.  Where the
 * host refuses, nothing is seen, after an info line.  Returns NULL when memory is short; free with disk_watch_free,
 * after the disks.
 */
struct disk_watch *disk_watch_new(struct vdev *d);
void disk_watch_free(struct disk_watch *w);

/* What a disk needs once it serves, by its arguments alone. */
void disk_needs(const struct disk_args *args, struct sandbox *s);

/*
 * The host of simulated disks: faults and power cuts, by commands on the socket of --control.
 * Returns NULL when memory is short; free with disk_sim_free.
 */
struct disk_sim *disk_sim_new(struct vdev *d);
void disk_sim_free(struct disk_sim *sim);

/* A paragraph of the man page about disks that grow. */
#define DISK_RESIZE_MAN                                                                                                \
	"A disk can grow while it is used, and the guest is told.  A file's size is looked at whenever another "       \
	"process has had it open for writing and closes it, as truncate and qemu-img do (inotify).  SIGHUP has the "   \
	"size of all disks looked at, and so has the command resize on the socket of --control: a block device, and "  \
	"a file on a network file system that another machine made larger, are seen by these alone.\n"

/* Sentences of the man page about the commands of the simulator. */
#define DISK_SIM_MAN                                                                                                   \
	"The simulated disk is in memory, and gone when vdevd ends. What was written is on it when it was flushed; "   \
	"before that it "                                                                                              \
	"is in the disk's cache, of which cut makes it lose some: each sector is then as it was at the last flush or " \
	"after any of the writes since, whichever chance takes; cut whole takes or loses each write as a whole.  "     \
	"\"cut 7\" "                                                                                                   \
	"takes 7 for the seed of chance, so that the same is lost again.  fail makes the next requests of a kind "     \
	"fail, delay "                                                                                                 \
	"has each wait, and shuffle has them end in any order.  After power off every request fails and changes "      \
	"nothing, until power on."

#endif
