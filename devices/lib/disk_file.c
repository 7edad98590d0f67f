/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * disk_file.c - disks that are files or block devices of the host; see disk.h.
 *
 * With cache=none the page cache is gone round (O_DIRECT), and the host's rules about alignment hold.  Memory that is
 * not aligned goes through bounce buffers, of which there are a few: requests wait for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include "devices/lib/disk_impl.h"

/* Bytes handed to the host at once, at most: a cancel waits for no more. */
#define PART_MAX (64u << 20)

#define BOUNCES	    16
#define BOUNCE_SIZE (128u << 10)
#define ZEROS_SIZE  (64u << 10)
#define MEM_ALIGN   4096u

/* way.state */
enum {
	PART = 1, /* part of a read or write is under way */
	WAIT,	  /* for a bounce buffer */
	SYNC,
	WAIT_SYNC, /* for the flush that is under way, or by another's */
	PUNCH,
	ZERO_RANGE,
	LOOK,  /* for extents, on a worker thread */
	ERASE, /* on a worker thread */
};

struct file {
	struct disk *d;
	int fd;
	bool direct;		/* O_DIRECT */
	unsigned int mem_align; /* of memory, bytes, with it */
	bool is_file;
	bool no_punch, no_zero_range; /* the host cannot do that */
	bool lost;		      /* a flush has failed */
	void *zeros;
	char *bounce_memory;
	void *bounces[BOUNCES]; /* those that are free */
	unsigned int nbounces;
	struct list waiting; /* for one: by way.queue */
	/*
	 * The host tells of a loss once, to one of those who ask: so one asks at a time.  The next asks for all who came
	 * meanwhile.
	 */
	struct disk_req *syncing; /* NULL: nobody asks */
	struct list to_sync;	  /* for the next, by way.queue */
	struct list sharing;	  /* what is told to syncing */
};

const struct sandbox_call disk_file_calls[] = {
	{.name = "lseek", .why = "size of a disk that changes"},
	{.name = "inotify_rm_watch", .why = "a disk that is closed"},
	{0},
};

const struct sandbox_call disk_erase_calls[] = {
	{.name = "ioctl", .why = "parts of a block device are erased", .checks = {{1, SANDBOX_IS, BLKSECDISCARD}}},
	{0},
};

static void part_begin(struct file *f, struct disk_req *r);

/* ---- requests */

static void bounce_free(struct file *f, struct disk_req *r)
{
	struct list *first;

	if (!r->way.bounce)
		return;
	f->bounces[f->nbounces++] = r->way.bounce;
	r->way.bounce = NULL;
	first = list_first(&f->waiting);
	if (!first)
		return;
	list_remove(first);
	part_begin(f, container_of(first, struct disk_req, way.queue));
}

static void finish(struct file *f, struct disk_req *r, int err)
{
	bounce_free(f, r);
	disk_ended(r, err);
}

/* Copies len bytes of the request from way.moved on from or to its bounce buffer. */
static void bounce_copy(struct disk_req *r, size_t len)
{
	uint64_t moved = r->way.moved;
	char *at = r->way.bounce;
	size_t n;

	for (; len; len -= n, r->way.moved += n) {
		n = disk_view(r, len);
		for (unsigned int i = 0; i < r->way.niov; i++) {
			const struct iovec *v = &r->way.iov[i];

			memcpy(r->what == DISK_READ ? v->iov_base : at, r->what == DISK_READ ? at : v->iov_base,
			       v->iov_len);
			at += v->iov_len;
		}
	}
	r->way.moved = moved;
}

static bool is_aligned(const struct file *f, const struct disk_req *r)
{
	uintptr_t all = 0;

	for (unsigned int i = 0; i < r->way.niov; i++)
		all |= (uintptr_t)r->way.iov[i].iov_base | r->way.iov[i].iov_len;
	return !(all & (f->mem_align - 1));
}

/* The next part goes through a bounce buffer.  Returns its bytes, or 0: the request waits for one. */
static size_t part_bounce(struct file *f, struct disk_req *r)
{
	size_t n = (size_t)min_u64(r->len - r->way.moved, BOUNCE_SIZE);

	if (!r->way.bounce && !f->nbounces) {
		r->way.state = WAIT;
		list_put_last(&f->waiting, &r->way.queue);
		return 0;
	}
	if (!r->way.bounce)
		r->way.bounce = f->bounces[--f->nbounces];
	if (r->what == DISK_WRITE)
		bounce_copy(r, n);
	r->way.iov[0] = (struct iovec){r->way.bounce, n};
	r->way.niov = 1;
	return n;
}

/* Chooses the memory of the next part.  Returns its bytes, or 0: the request waits. */
static size_t part_choose(struct file *f, struct disk_req *r)
{
	unsigned int block = f->d->info.block;
	size_t n;

	if (r->way.bounce)
		return part_bounce(f, r);
	n = disk_view(r, PART_MAX);
	if (!f->direct)
		return n;
	if (n & (block - 1))
		n = disk_view(r, n & ~(size_t)(block - 1));
	return n && is_aligned(f, r) ? n : part_bounce(f, r);
}

/* Zeros are written where the host has no call for them. */
static size_t part_zeros(struct file *f, struct disk_req *r)
{
	uint64_t left = r->len - r->way.moved;
	size_t sum = 0;

	r->way.niov = 0;
	for (; left && r->way.niov < DISK_IOV; r->way.niov++) {
		size_t n = (size_t)min_u64(left, ZEROS_SIZE);

		r->way.iov[r->way.niov] = (struct iovec){f->zeros, n};
		left -= n;
		sum += n;
	}
	return sum;
}

static void part_begin(struct file *f, struct disk_req *r)
{
	size_t n = r->what == DISK_ZERO ? part_zeros(f, r) : part_choose(f, r);
	uint64_t off = r->off + r->way.moved;
	struct uring *u = f->d->args.ring;

	if (!n)
		return;
	r->way.state = PART;
	r->way.part = n;
	if (r->what == DISK_READ)
		uring_readv(u, &r->way.op, f->fd, r->way.iov, r->way.niov, off);
	else if (r->durable && f->direct)
		uring_writev_durable(u, &r->way.op, f->fd, r->way.iov, r->way.niov, off);
	else
		uring_writev(u, &r->way.op, f->fd, r->way.iov, r->way.niov, off);
}

static void sync_begin(struct file *f, struct disk_req *r)
{
	if (f->lost) {
		finish(f, r, -EIO);
		return;
	}
	if (f->syncing) {
		r->way.state = WAIT_SYNC;
		list_put_last(&f->to_sync, &r->way.queue);
		return;
	}
	f->syncing = r;
	r->way.state = SYNC;
	uring_fsync(f->d->args.ring, &r->way.op, f->fd, true);
}

/* Begins the flush of those who wait, if any does. */
static void sync_next(struct file *f)
{
	struct list *first;

	while (!f->syncing && (first = list_first(&f->to_sync)) != NULL) {
		list_remove(first);
		sync_begin(f, container_of(first, struct disk_req, way.queue));
		if (f->syncing)
			list_take(&f->sharing, &f->to_sync);
	}
}

/* Gives room back (PUNCH), or makes zeros of it, in the best way that this host has. */
static void range_begin(struct file *f, struct disk_req *r)
{
	int mode = FALLOC_FL_PUNCH_HOLE;

	r->way.state = PUNCH;
	if (r->what == DISK_ZERO && (!r->unmap || f->no_punch)) {
		if (f->no_zero_range) {
			part_begin(f, r);
			return;
		}
		r->way.state = ZERO_RANGE;
		mode = FALLOC_FL_ZERO_RANGE;
	}
	uring_fallocate(f->d->args.ring, &r->way.op, f->fd, mode | FALLOC_FL_KEEP_SIZE, r->off, r->len);
}

/*
 * The host may have forgotten what was written, and says so once: from now on no flush can succeed.  With O_DIRECT there is
 * nothing that it could have forgotten: the next may.
 */
static void lose(struct file *f)
{
	if (f->direct || f->lost)
		return;
	f->lost = true;
	disk_complain(f->d, "the host has lost what was written: flushes fail from now on");
}

static void sync_done(struct file *f, struct disk_req *r, int res)
{
	struct list shared, *first;

	list_init(&shared);
	f->syncing = NULL;
	if (res < 0 && res != -ECANCELED)
		lose(f);
	if (!res && f->lost)
		res = -EIO;
	list_take(&shared, &f->sharing);
	finish(f, r, res);
	while ((first = list_first(&shared)) != NULL) {
		struct disk_req *other = container_of(first, struct disk_req, way.queue);

		list_remove(first);
		/* Who was cancelled was not told for the others. */
		if (res == -ECANCELED)
			sync_begin(f, other);
		else
			finish(f, other, res);
	}
	sync_next(f);
}

/*
 * All of the request is with the host.  Through the page cache a durable write is one and a flush: so an error of the
 * write itself (no room) is this one's alone, and one of the flush is a loss, which may be an earlier write's.
 */
static void parts_done(struct file *f, struct disk_req *r)
{
	if (!r->durable || r->what == DISK_READ || f->direct)
		finish(f, r, 0);
	else if (r->way.cancelled)
		finish(f, r, -ECANCELED);
	else
		sync_begin(f, r);
}

static void part_done(struct file *f, struct disk_req *r, int res)
{
	if (res == 0)
		res = -EIO; /* the end of a file that was cut short */
	if (res < 0) {
		finish(f, r, res);
		return;
	}
	if (r->way.bounce && r->what == DISK_READ)
		bounce_copy(r, (size_t)res);
	r->way.moved += (size_t)res;
	if (r->way.moved == r->len)
		parts_done(f, r);
	else if (r->way.cancelled)
		finish(f, r, -ECANCELED);
	else
		part_begin(f, r);
}

static void range_done(struct file *f, struct disk_req *r, int res)
{
	bool unknown = res == -EOPNOTSUPP || res == -ENOSYS || res == -ENODEV;
	/* A block device takes whole blocks of its own, which through the page cache may be larger than the disk's. */
	bool unaligned = res == -EINVAL && !f->is_file;

	if (unknown && r->way.state == PUNCH)
		f->no_punch = true;
	if (unknown && r->way.state == ZERO_RANGE)
		f->no_zero_range = true;
	f->d->info.discards &= !f->no_punch;
	if (unaligned && r->what == DISK_DISCARD)
		res = 0; /* it is but a hint */
	if (unknown && r->what == DISK_ZERO && !r->way.cancelled)
		range_begin(f, r);
	else if (unaligned && r->what == DISK_ZERO && !r->way.cancelled)
		part_begin(f, r);
	else if (res < 0)
		finish(f, r, unknown ? -EOPNOTSUPP : res);
	else if (r->durable)
		sync_begin(f, r);
	else
		finish(f, r, 0);
}

static void op_done(struct uring_op *op, int res)
{
	struct disk_req *r = container_of(op, struct disk_req, way.op);
	struct file *f = r->way.d->host;

	switch (r->way.state) {
	case PART:
		part_done(f, r, res);
		break;
	case SYNC:
		sync_done(f, r, res);
		break;
	default:
		range_done(f, r, res);
	}
}

/* ---- extents */

/*
 * On a worker thread: where data and holes are.  The descriptor's place is nobody's: all else names its own.
 * What the host does not tell counts as mapped.
 */
static void look_run(struct work *w)
{
	struct disk_req *r = container_of(w, struct disk_req, way.work);
	const struct file *f = r->way.d->host;
	struct disk_extent *e = r->buf;
	uint64_t at = r->off, end = r->off + r->len;
	unsigned int n = 0;

	for (; at < end && n < r->nextents && !work_interrupted(w); n++) {
		off_t data = lseek(f->fd, (off_t)at, SEEK_DATA), next = data;
		bool mapped = data < 0 ? errno != ENXIO : (uint64_t)data == at;

		if (data < 0)
			next = (off_t)end;
		else if (mapped)
			next = lseek(f->fd, (off_t)at, SEEK_HOLE);
		/* It may change meanwhile. */
		if (next <= (off_t)at || (uint64_t)next > end)
			next = (off_t)end;
		e[n] = (struct disk_extent){at, (uint64_t)next - at, mapped};
		at = (uint64_t)next;
	}
	r->nextents = n;
}

static void look_done(struct work *w)
{
	struct disk_req *r = container_of(w, struct disk_req, way.work);

	disk_ended(r, r->nextents ? 0 : -ECANCELED);
}

/* ---- what there is no other way for than to wait */

/* On a worker thread.  No signal ends it. */
static void erase_run(struct work *w)
{
	struct disk_req *r = container_of(w, struct disk_req, way.work);
	const struct file *f = r->way.d->host;
	uint64_t range[2] = {r->off, r->len};

	r->way.err = ioctl(f->fd, BLKSECDISCARD, range) < 0 ? -errno : 0;
}

static void erase_done(struct work *w)
{
	struct disk_req *r = container_of(w, struct disk_req, way.work);

	if (!r->way.err && r->durable)
		sync_begin(r->way.d->host, r);
	else
		disk_ended(r, r->way.err);
}

static void work_begin(struct disk *d, struct disk_req *r, unsigned int state)
{
	int err;

	r->way.state = state;
	if (state == LOOK)
		r->way.work = (struct work){.run = look_run, .done = look_done};
	else
		r->way.work = (struct work){.run = erase_run, .done = erase_done};
	err = work_submit(d->args.work, &r->way.work);
	if (err)
		disk_ended(r, err);
}

static void work_stop(struct disk *d, struct disk_req *r)
{
	if (work_cancel(d->args.work, &r->way.work))
		disk_ended(r, -ECANCELED);
	else
		work_interrupt(d->args.work, &r->way.work);
}

static void file_begin(struct disk *d, struct disk_req *r)
{
	struct file *f = d->host;

	r->way.op.done = op_done;
	if (r->what == DISK_FLUSH)
		sync_begin(f, r);
	else if (r->what == DISK_EXTENTS)
		work_begin(d, r, LOOK);
	else if (r->what == DISK_ERASE)
		work_begin(d, r, ERASE);
	else if ((r->off | r->len) & (d->info.block - 1))
		finish(f, r, -EINVAL);
	else if (r->what == DISK_DISCARD || r->what == DISK_ZERO)
		range_begin(f, r);
	else
		part_begin(f, r);
}

static void file_cancel(struct disk *d, struct disk_req *r)
{
	if (r->way.state == WAIT || r->way.state == WAIT_SYNC) {
		list_remove(&r->way.queue);
		disk_ended(r, -ECANCELED);
		return;
	}
	if (r->way.state == LOOK || r->way.state == ERASE)
		work_stop(d, r);
	else
		uring_cancel(d->args.ring, &r->way.op);
}

static uint64_t file_size(struct disk *d)
{
	const struct file *f = d->host;
	off_t size = lseek(f->fd, 0, SEEK_END);

	return size > 0 ? (uint64_t)size : 0;
}

/* ---- open, close */

/*
 * Others are kept off: a writer locks the whole file, a reader what writers and QEMU's writers look at (it locks bytes
 * 100 and on for what it does, 200 and on for what it does not allow others).
 */
static int file_lock(struct disk *d, int fd)
{
	static const struct {
		off_t start, len;
	} readers[] = {{100, 1}, {201, 1}}, writers[] = {{0, 0}};
	bool reads = d->args.read_only;

	for (unsigned int i = 0; i < (reads ? ARRAY_SIZE(readers) : ARRAY_SIZE(writers)); i++) {
		struct flock lock = {
			.l_type = reads ? F_RDLCK : F_WRLCK,
			.l_whence = SEEK_SET,
			.l_start = reads ? readers[i].start : writers[i].start,
			.l_len = reads ? readers[i].len : writers[i].len,
		};

		if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
			continue;
		if (errno == EAGAIN || errno == EACCES) {
			disk_complain(d, "another process uses it (--share would allow that)");
			return -EBUSY;
		}
		disk_complain(d, "no lock can be had: %s (--share goes without)", strerror(errno));
		return -errno;
	}
	return 0;
}

/*
 * Whether a block device can be erased in part.  No range begins at byte 1: that one is refused, where any would do.
 * Before Linux 5.19 it is looked at first, where discards are: then ERASE ends with -EOPNOTSUPP.
 */
static bool can_erase(const struct file *f)
{
	uint64_t range[2] = {1, 0};

	return ioctl(f->fd, BLKSECDISCARD, range) < 0 && errno == EINVAL;
}

/* What the host says of a block device. */
static void device_info(struct file *f, struct disk_info *info)
{
	unsigned int n;
	unsigned short spins;
	int block;

	if (ioctl(f->fd, BLKSSZGET, &block) == 0 && block >= (int)DISK_SECTOR)
		info->block = f->direct ? (unsigned int)block : DISK_SECTOR;
	if (ioctl(f->fd, BLKPBSZGET, &n) == 0 && n >= info->block)
		info->physical = n;
	if (ioctl(f->fd, BLKIOMIN, &n) == 0)
		info->min_io = n;
	if (ioctl(f->fd, BLKIOOPT, &n) == 0)
		info->opt_io = n;
	if (ioctl(f->fd, BLKROTATIONAL, &spins) == 0)
		info->rotational = spins;
}

/* Whether a read of n bytes to memory aligned so, and not more, is allowed. */
static bool try_align(const struct file *f, char *memory, unsigned int n)
{
	return pread(f->fd, memory + n, n, 0) >= 0;
}

/* Finds out how O_DIRECT wants memory and offsets.  Returns 0, or -errno: it wants nothing of it. */
static int find_align(struct file *f, struct disk_info *info)
{
	char *memory;
	unsigned int n = DISK_SECTOR;
#ifdef STATX_DIOALIGN
	struct statx x;

	if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) == 0 && x.stx_mask & STATX_DIOALIGN) {
		if (!x.stx_dio_offset_align)
			return -EINVAL;
		f->mem_align = x.stx_dio_mem_align ? x.stx_dio_mem_align : 1;
		info->block = x.stx_dio_offset_align > DISK_SECTOR ? x.stx_dio_offset_align : DISK_SECTOR;
		return 0;
	}
#endif
	memory = aligned_alloc(MEM_ALIGN, (size_t)MEM_ALIGN * 2);
	if (!memory)
		return -ENOMEM;
	while (n < MEM_ALIGN && !try_align(f, memory, n))
		n *= 2;
	f->mem_align = info->block = n;
	n = try_align(f, memory, n) ? n : 0;
	free(memory);
	return n ? 0 : -EINVAL;
}

static int bounces_open(struct file *f)
{
	f->bounce_memory = aligned_alloc(MEM_ALIGN, (size_t)BOUNCES * BOUNCE_SIZE);
	if (!f->bounce_memory)
		return -ENOMEM;
	for (f->nbounces = 0; f->nbounces < BOUNCES; f->nbounces++)
		f->bounces[f->nbounces] = f->bounce_memory + (size_t)f->nbounces * BOUNCE_SIZE;
	return 0;
}

/* Learns what there is to know of an open file.  Returns 0, or -errno after a line; without one -ENOMEM. */
static int file_learn(struct disk *d, struct file *f, const struct stat *st)
{
	int err = 0;

	d->info = (struct disk_info){.block = DISK_SECTOR, .physical = DISK_SECTOR, .read_only = d->args.read_only};
	f->is_file = S_ISREG(st->st_mode);
	f->direct = d->args.cache == DISK_DIRECT;
	d->info.size = file_size(d) / DISK_SECTOR * DISK_SECTOR;
	if (f->direct)
		err = find_align(f, &d->info);
	if (err) {
		disk_complain(d, "cache=none is not possible there (cache=writeback is)");
		return err;
	}
	if (!f->is_file)
		device_info(f, &d->info);
	else if (st->st_blksize >= (blksize_t)d->info.block && st->st_blksize <= 65536)
		d->info.physical = (unsigned int)st->st_blksize;
	/* Behind the end of a file a hole changes nothing. */
	if (f->is_file && !d->args.read_only &&
	    fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)d->info.size + 4096, 4096) < 0)
		f->no_punch = true;
	d->info.discards = !f->no_punch && !d->args.read_only;
	d->info.erases = d->args.erase && d->args.work && !f->is_file && !d->args.read_only && can_erase(f);
	f->zeros = aligned_alloc(MEM_ALIGN, ZEROS_SIZE);
	if (!f->zeros || (f->direct && bounces_open(f) < 0))
		return -ENOMEM;
	memset(f->zeros, 0, ZEROS_SIZE);
	return 0;
}

static void file_close(struct disk *d)
{
	struct file *f = d->host;

	if (f->fd >= 0)
		close(f->fd);
	free(f->zeros);
	free(f->bounce_memory);
	free(f);
}

/* Opens the path: what is neither file nor block device is refused, and not waited for.  Returns the descriptor or
 * -errno. */
static int path_open(const struct disk *d, struct stat *st)
{
	const struct disk_args *args = &d->args;
	int flags = (args->read_only ? O_RDONLY : O_RDWR) | (args->cache == DISK_DIRECT ? O_DIRECT : 0);
	int fd = open(args->path, flags | O_CLOEXEC | O_NONBLOCK), err = errno;

	if (fd < 0) {
		if (args->cache == DISK_DIRECT && err == EINVAL)
			disk_complain(d, "cache=none is not possible there (cache=writeback is)");
		else
			disk_complain(d, "%s%s", strerror(err),
				      !args->read_only && (err == EROFS || err == EACCES)
					      ? " (read-only may be possible)"
					      : "");
		return -err;
	}
	/* For io_uring it would mean -EAGAIN. */
	if (fstat(fd, st) == 0 && (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode)) && fcntl(fd, F_SETFL, flags) == 0)
		return fd;
	disk_complain(d, "a file or a block device is wanted");
	close(fd);
	return -EINVAL;
}

static int file_open(struct disk *d)
{
	struct file *f = calloc(1, sizeof(*f));
	struct stat st;
	int err;

	if (!f)
		return -ENOMEM;
	f->d = d;
	list_init(&f->waiting);
	list_init(&f->to_sync);
	list_init(&f->sharing);
	d->host = f;
	f->fd = path_open(d, &st);
	err = f->fd < 0 ? f->fd : 0;
	if (!err && !d->args.share)
		err = file_lock(d, f->fd);
	if (!err)
		err = file_learn(d, f, &st);
	if (err)
		file_close(d);
	return err;
}

const struct disk_ops disk_file_ops = {
	.open = file_open,
	.close = file_close,
	.begin = file_begin,
	.cancel = file_cancel,
	.size = file_size,
};
