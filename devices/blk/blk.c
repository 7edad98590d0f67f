/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * blk.c - block device: VIRTIO 1.4, section 5.2.
 *
 * A request is checked when it is popped and handed to the disk (devices/lib/disk.h) at once; it is answered when the
 * disk has done it.  So requests end in any order, as the standard allows.  Discards and zeros of several ranges are
 * one request of the disk after the other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "core/device.h"
#include "devices/lib/disk.h"
#include "transport/chain.h"

/* VIRTIO_BLK_F_* */
enum {
	F_SIZE_MAX = 1,
	F_SEG_MAX = 2,
	F_GEOMETRY = 4,
	F_RO = 5,
	F_BLK_SIZE = 6,
	F_FLUSH = 9,
	F_TOPOLOGY = 10,
	F_CONFIG_WCE = 11,
	F_MQ = 12,
	F_DISCARD = 13,
	F_WRITE_ZEROES = 14,
	F_SECURE_ERASE = 16,
};

/* VIRTIO_BLK_T_* */
enum {
	T_IN = 0,
	T_OUT = 1,
	T_FLUSH = 4,
	T_GET_ID = 8,
	T_DISCARD = 11,
	T_WRITE_ZEROES = 13,
	T_SECURE_ERASE = 14,
};

/* VIRTIO_BLK_S_* */
enum {
	S_OK = 0,
	S_IOERR = 1,
	S_UNSUPP = 2,
};

struct virtio_blk_config {
	le64 capacity;
	le32 size_max;
	le32 seg_max;
	struct {
		le16 cylinders;
		uint8_t heads;
		uint8_t sectors;
	} __attribute__((packed)) geometry;
	le32 blk_size;
	struct {
		uint8_t physical_block_exp;
		uint8_t alignment_offset;
		le16 min_io_size;
		le32 opt_io_size;
	} __attribute__((packed)) topology;
	uint8_t writeback;
	uint8_t unused0;
	le16 num_queues;
	le32 max_discard_sectors;
	le32 max_discard_seg;
	le32 discard_sector_alignment;
	le32 max_write_zeroes_sectors;
	le32 max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
	le32 max_secure_erase_sectors;
	le32 max_secure_erase_seg;
	le32 secure_erase_sector_alignment;
	uint8_t zoned[24];
} __attribute__((packed));

struct virtio_blk_outhdr {
	le32 type;
	le32 reserved;
	le64 sector;
} __attribute__((packed));

struct virtio_blk_discard_write_zeroes {
	le64 sector;
	le32 num_sectors;
	le32 flags;
} __attribute__((packed));

#define FLAG_UNMAP 1u

_Static_assert(sizeof(struct virtio_blk_config) == 96, "VIRTIO 1.4, section 5.2.4");
_Static_assert(offsetof(struct virtio_blk_config, writeback) == 32, "VIRTIO 1.4, section 5.2.4");
_Static_assert(offsetof(struct virtio_blk_config, write_zeroes_may_unmap) == 56, "VIRTIO 1.4, section 5.2.4");
_Static_assert(sizeof(struct virtio_blk_outhdr) == 16, "struct virtio_blk_req without data and status");
_Static_assert(sizeof(struct virtio_blk_discard_write_zeroes) == 16, "VIRTIO 1.4, section 5.2.6");

#define ID_BYTES 20

#define QUEUES_MAX 64
#define QUEUE_MAX  1024
#define QUEUE_SIZE 128

/* What the configuration space says: bytes of a segment; segments of a request, for a ring of 128; ranges and sectors
 * of one. */
#define SIZE_MAX_BYTES (4u << 20)
#define SEG_MAX	       126
#define RANGES_MAX     16
#define RANGE_SECTORS  (1u << 22)

/* How long the end waits for what the host does not give back, ms. */
#define CLOSE_PATIENCE 1000

/* The words of --backend. */
enum { BACKEND_FILE, BACKEND_SIM };

struct range {
	uint64_t off, len; /* bytes */
};

/* A request. */
struct blk_req {
	struct disk_req r;
	struct blk *b;
	struct chain *chain;
	unsigned int range, nranges;
	struct range ranges[RANGES_MAX];
};

struct blk {
	struct vdev d;
	/* options */
	const char *file, *serial;
	bool read_only, share;
	unsigned int cache, aio, backend;
	uint64_t nqueues, block, sim_size;
	/* host */
	struct uring *ring;
	struct work_queue *work; /* of one thread, for what would keep the loop waiting */
	struct disk_sim *sim;
	struct disk_watch *watch;
	struct disk *disk;
	struct vdev_queue_desc queues[QUEUES_MAX];
	struct blk_req *reqs[QUEUES_MAX]; /* of each queue QUEUE_MAX, by chain_id */
	/* guest */
	bool writeback;
};

static struct blk *to_blk(struct vdev *d)
{
	return container_of(d, struct blk, d);
}

/* ---- requests */

/*
 * Answers: the status is the last byte there is room for.  What lies before it is told as written only where it all
 * was: of a read that went well.
 */
static void req_answer(struct chain *c, uint8_t status, size_t data)
{
	size_t room = chain_writable(c);

	if (room == data + 1) {
		chain_wrote(c, data);
		chain_put(c, &status, sizeof(status));
	} else {
		chain_put_at(c, room - 1, &status, sizeof(status));
	}
	virtq_push(c);
}

static void req_refuse(struct blk *b, struct chain *c, uint8_t status, const char *why)
{
	log_guest(&b->d.log, "refused request: %s", why);
	req_answer(c, status, 0);
}

static const char *const what_words[] = {
	[DISK_READ] = "read",	    [DISK_WRITE] = "write",	   [DISK_FLUSH] = "flush",
	[DISK_DISCARD] = "discard", [DISK_ERASE] = "secure erase", [DISK_ZERO] = "write zeroes",
};

static void req_done(struct disk_req *r, int err)
{
	struct blk_req *req = container_of(r, struct blk_req, r);
	struct blk *b = req->b;

	if (!err && ++req->range < req->nranges) {
		r->off = req->ranges[req->range].off;
		r->len = req->ranges[req->range].len;
		disk_begin(b->disk, r);
		return;
	}
	if (err && err != -EOPNOTSUPP)
		log_guest(&b->d.log, "%s of %llu bytes at %llu: %s", what_words[r->what], (unsigned long long)r->len,
			  (unsigned long long)r->off, strerror(-err));
	req_answer(req->chain,
		   !err			? S_OK
		   : err == -EOPNOTSUPP ? S_UNSUPP
					: S_IOERR,
		   !err && r->what == DISK_READ ? (size_t)r->len : 0);
}

/* Whether what is written has to be on the disk before it is answered. */
static bool writes_through(const struct blk *b)
{
	if (b->d.features & BIT(F_CONFIG_WCE))
		return !b->writeback;
	return !(b->d.features & BIT(F_FLUSH));
}

static struct blk_req *req_new(struct blk *b, struct chain *c, enum disk_what what)
{
	struct blk_req *req = &b->reqs[virtq_index(chain_queue(c))][chain_id(c)];

	req->b = b;
	req->chain = c;
	req->range = req->nranges = 0;
	req->r.what = what;
	req->r.durable = writes_through(b);
	req->r.unmap = false;
	req->r.off = req->r.len = 0;
	req->r.chain = NULL;
	req->r.repeat = 0;
	req->r.done = req_done;
	return req;
}

/* Whether sectors are there, on the disk of this moment. */
static bool on_disk(const struct blk *b, uint64_t sector, uint64_t sectors)
{
	uint64_t all = disk_info(b->disk)->size / DISK_SECTOR;

	return sectors <= all && sector <= all - sectors;
}

static void read_write(struct blk *b, struct chain *c, enum disk_what what, uint64_t sector)
{
	size_t len = what == DISK_READ ? chain_writable(c) - 1 : chain_readable(c);
	struct blk_req *req;

	if (len % DISK_SECTOR) {
		req_refuse(b, c, S_IOERR, "data that is not a multiple of 512 bytes");
		return;
	}
	if (!on_disk(b, sector, len / DISK_SECTOR)) {
		req_refuse(b, c, S_IOERR, "beyond the end of the disk");
		return;
	}
	if (what == DISK_WRITE && disk_info(b->disk)->read_only) {
		req_refuse(b, c, S_IOERR, "a write, and the disk is read-only");
		return;
	}
	req = req_new(b, c, what);
	req->r.off = sector * DISK_SECTOR;
	req->r.len = len;
	req->r.chain = c;
	req->r.at = 0;
	disk_begin(b->disk, &req->r);
}

static void flush(struct blk *b, struct chain *c)
{
	struct blk_req *req = req_new(b, c, DISK_FLUSH);

	disk_begin(b->disk, &req->r);
}

/* Reads the next range.  Returns S_OK, or a status and *why. */
static uint8_t range_get(const struct blk *b, struct blk_req *req, const char **why)
{
	struct virtio_blk_discard_write_zeroes seg;
	uint32_t sectors, flags;
	uint64_t sector;

	chain_get(req->chain, &seg, sizeof(seg));
	sector = le64toh(seg.sector);
	sectors = le32toh(seg.num_sectors);
	flags = le32toh(seg.flags);
	*why = "unknown flags of a range";
	if (flags & ~FLAG_UNMAP || (flags && req->r.what != DISK_ZERO))
		return S_UNSUPP;
	*why = "a range longer than the configuration space says";
	if (sectors > RANGE_SECTORS)
		return S_IOERR;
	*why = "a range beyond the end of the disk";
	if (!on_disk(b, sector, sectors))
		return S_IOERR;
	/* One range that must stay allocated: all do. */
	req->r.unmap &= flags == FLAG_UNMAP;
	req->ranges[req->nranges++] = (struct range){sector * DISK_SECTOR, (uint64_t)sectors * DISK_SECTOR};
	return S_OK;
}

static void ranges(struct blk *b, struct chain *c, enum disk_what what)
{
	size_t len = chain_readable(c), n = len / sizeof(struct virtio_blk_discard_write_zeroes);
	struct blk_req *req;
	uint8_t status = S_OK;
	const char *why;

	if (!n || n > RANGES_MAX || len % sizeof(struct virtio_blk_discard_write_zeroes)) {
		req_refuse(b, c, S_IOERR, "not 1 to 16 whole ranges");
		return;
	}
	if (disk_info(b->disk)->read_only) {
		req_refuse(b, c, S_IOERR, "a write, and the disk is read-only");
		return;
	}
	req = req_new(b, c, what);
	req->r.unmap = true;
	while (n-- && status == S_OK)
		status = range_get(b, req, &why);
	if (status != S_OK) {
		req_refuse(b, c, status, why);
		return;
	}
	req->r.off = req->ranges[0].off;
	req->r.len = req->ranges[0].len;
	disk_begin(b->disk, &req->r);
}

static void get_id(struct blk *b, struct chain *c)
{
	char id[ID_BYTES] = {0};
	size_t len = chain_writable(c) - 1;

	if (len < ID_BYTES) {
		req_refuse(b, c, S_IOERR, "no room for an id of 20 bytes");
		return;
	}
	if (b->serial)
		memcpy(id, b->serial, strnlen(b->serial, ID_BYTES));
	chain_put(c, id, sizeof(id));
	chain_put_zeros(c, len - ID_BYTES);
	req_answer(c, S_OK, 0);
}

static void req_serve(struct blk *b, struct chain *c)
{
	struct virtio_blk_outhdr h;
	uint32_t type;

	if (!chain_writable(c)) {
		log_guest(&b->d.log, "refused request: no room for a status");
		virtq_push(c);
		return;
	}
	if (!chain_get(c, &h, sizeof(h))) {
		req_refuse(b, c, S_IOERR, "its readable part is no header");
		return;
	}
	type = le32toh(h.type);
	if (type == T_IN)
		read_write(b, c, DISK_READ, le64toh(h.sector));
	else if (type == T_OUT)
		read_write(b, c, DISK_WRITE, le64toh(h.sector));
	else if (type == T_FLUSH)
		flush(b, c);
	else if (type == T_GET_ID)
		get_id(b, c);
	else if (type == T_DISCARD && b->d.features & BIT(F_DISCARD))
		ranges(b, c, DISK_DISCARD);
	else if (type == T_WRITE_ZEROES && b->d.features & BIT(F_WRITE_ZEROES))
		ranges(b, c, DISK_ZERO);
	else if (type == T_SECURE_ERASE && b->d.features & BIT(F_SECURE_ERASE))
		ranges(b, c, DISK_ERASE);
	else
		req_answer(c, S_UNSUPP, 0);
}

static void blk_kick(struct vdev *d, unsigned int q)
{
	struct virtq *vq = vdev_queue(d, q);
	struct chain *c;

	while ((c = virtq_pop(vq)))
		req_serve(to_blk(d), c);
}

/* What is under way ends, and is answered then. */
static void blk_quiesce(struct vdev *d, unsigned int q)
{
}

static void blk_reset(struct vdev *d)
{
	to_blk(d)->writeback = true;
}

static void blk_features_set(struct vdev *d, uint64_t features)
{
	if (features & BIT(F_CONFIG_WCE) && !(features & BIT(F_FLUSH)))
		to_blk(d)->writeback = false;
}

/* ---- the configuration space */

/* The logarithm of a power of two. */
static uint8_t log2_of(unsigned int n)
{
	uint8_t log = 0;

	while (n >>= 1)
		log++;
	return log;
}

static void blk_config(struct vdev *d, void *buf)
{
	struct blk *b = to_blk(d);
	const struct disk_info *info = disk_info(b->disk);
	unsigned int block = (unsigned int)b->block;
	uint64_t cylinders = info->size / DISK_SECTOR / 1008;
	struct virtio_blk_config c = {
		.capacity = htole64(info->size / DISK_SECTOR),
		.size_max = htole32(SIZE_MAX_BYTES),
		.seg_max = htole32(SEG_MAX),
		.geometry.cylinders = htole16((uint16_t)min_u64(cylinders, 16383)),
		.geometry.heads = 16,
		.geometry.sectors = 63,
		.blk_size = htole32(block),
		.topology.physical_block_exp = info->physical > block ? log2_of(info->physical / block) : 0,
		.topology.min_io_size = htole16((uint16_t)min_u64(info->min_io / block, UINT16_MAX)),
		.topology.opt_io_size = htole32(info->opt_io / block),
		.writeback = b->writeback,
		.num_queues = htole16((uint16_t)b->nqueues),
	};

	if (d->face.features & BIT(F_DISCARD)) {
		c.max_discard_sectors = htole32(RANGE_SECTORS);
		c.max_discard_seg = htole32(RANGES_MAX);
		c.discard_sector_alignment = htole32(info->physical / DISK_SECTOR);
	}
	if (d->face.features & BIT(F_WRITE_ZEROES)) {
		c.max_write_zeroes_sectors = htole32(RANGE_SECTORS);
		c.max_write_zeroes_seg = htole32(RANGES_MAX);
		c.write_zeroes_may_unmap = info->discards;
	}
	if (d->face.features & BIT(F_SECURE_ERASE)) {
		c.max_secure_erase_sectors = htole32(RANGE_SECTORS);
		c.max_secure_erase_seg = htole32(RANGES_MAX);
		c.secure_erase_sector_alignment = htole32(info->physical / DISK_SECTOR);
	}
	memcpy(buf, &c, sizeof(c));
}

static int blk_config_write(struct vdev *d, size_t off, const void *buf, size_t len)
{
	const uint8_t *value = buf;

	if (off != offsetof(struct virtio_blk_config, writeback) || len != 1 || *value > 1)
		return -EINVAL;
	if (!(d->features & BIT(F_CONFIG_WCE)))
		return -EPERM;
	to_blk(d)->writeback = *value;
	return 0;
}

/* ---- a guest that moves */

/* The record "disk": how the guest wants its writes; what must be the same there. */
struct blk_state {
	le64 size; /* bytes */
	uint8_t writeback, read_only;
} __attribute__((packed));

static void blk_save(struct vdev *d, struct state *s)
{
	const struct blk *b = to_blk(d);
	const struct blk_state state = {
		.size = htole64(disk_info(b->disk)->size),
		.writeback = b->writeback,
		.read_only = b->read_only,
	};

	state_put(s, "disk", &state, sizeof(state));
}

static int blk_load(struct vdev *d, const struct state_record *r)
{
	struct blk *b = to_blk(d);
	struct blk_state state;

	if (strcmp(r->name, "disk") != 0 || r->len != sizeof(state))
		return -EINVAL;
	memcpy(&state, r->bytes, sizeof(state));
	if (state.writeback > 1 || state.read_only > 1)
		return -EINVAL;
	if (le64toh(state.size) != disk_info(b->disk)->size || state.read_only != b->read_only) {
		log_guest(&d->log, "the state is of a disk of %llu bytes%s, and here is one of %llu%s",
			  (unsigned long long)le64toh(state.size), state.read_only ? ", read-only" : "",
			  (unsigned long long)disk_info(b->disk)->size, b->read_only ? ", read-only" : "");
		return -EINVAL;
	}
	b->writeback = state.writeback;
	return 0;
}

/* ---- open, close */

static int blk_check(struct vdev *d)
{
	struct blk *b = to_blk(d);

	if (b->backend == BACKEND_SIM && b->file) {
		log_usage(&d->log, "--file goes with --backend=file");
		return -EINVAL;
	}
	if (b->backend == BACKEND_FILE && !b->file) {
		log_usage(&d->log, "no disk (--file=disk.img is wanted, or --backend=sim)");
		return -EINVAL;
	}
	if (b->block & (b->block - 1)) {
		log_usage(&d->log, "--block-size=%llu: a power of two from 512 to 4096 is wanted",
			  (unsigned long long)b->block);
		return -EINVAL;
	}
	if (b->sim_size % DISK_SECTOR) {
		log_usage(&d->log, "--sim-size=%llu: a multiple of 512 is wanted", (unsigned long long)b->sim_size);
		return -EINVAL;
	}
	if (b->serial && strlen(b->serial) > ID_BYTES) {
		log_usage(&d->log, "--serial=%.40s: 20 bytes at most are wanted", b->serial);
		return -EINVAL;
	}
	for (unsigned int q = 0; q < b->nqueues; q++)
		b->queues[q] = (struct vdev_queue_desc){.name = "requestq", .size = QUEUE_SIZE, .max = QUEUE_MAX};
	d->face.queues = b->queues;
	d->face.nqueues = (unsigned int)b->nqueues;
	if (b->nqueues == 1)
		d->face.features &= ~BIT(F_MQ);
	if (b->read_only)
		d->face.features =
			(d->face.features | BIT(F_RO)) & ~(BIT(F_DISCARD) | BIT(F_WRITE_ZEROES) | BIT(F_SECURE_ERASE));
	return 0;
}

static struct disk_args disk_args_of(const struct blk *b)
{
	return (struct disk_args){
		.what = "--file",
		.path = b->backend == BACKEND_FILE ? b->file : NULL,
		.size = b->sim_size,
		.read_only = b->read_only,
		.share = b->share,
		.cache = b->cache,
		.work = b->work,
		.erase = true,
	};
}

static void blk_needs(const struct vdev *d, struct sandbox *s)
{
	const struct disk_args args = disk_args_of(container_of(d, struct blk, d));

	disk_needs(&args, s);
}

/* Rooms for the requests of each queue: pages that no request needs are never touched. */
static int reqs_open(struct blk *b)
{
	for (unsigned int q = 0; q < b->nqueues; q++) {
		b->reqs[q] = calloc(QUEUE_MAX, sizeof(*b->reqs[q]));
		if (!b->reqs[q])
			return -ENOMEM;
	}
	return 0;
}

/* The disk is open: what depends on it. */
static int disk_learn(struct blk *b)
{
	const struct disk_info *info = disk_info(b->disk);

	if (!b->block)
		b->block = info->block;
	if (b->block < info->block) {
		log_error(&b->d.log,
			  "--block-size=%llu: the disk has blocks of %u bytes, and cache=none cannot go below that",
			  (unsigned long long)b->block, info->block);
		return -EINVAL;
	}
	if (!info->discards)
		b->d.face.features &= ~BIT(F_DISCARD);
	if (!info->erases)
		b->d.face.features &= ~BIT(F_SECURE_ERASE);
	log_debug(&b->d.log, "%llu bytes in blocks of %llu, by %s", (unsigned long long)info->size,
		  (unsigned long long)b->block,
		  !b->ring		  ? "the simulator"
		  : uring_native(b->ring) ? "io_uring"
					  : "threads");
	return 0;
}

/* The disk may have another size: the driver is told. */
static void disk_touched(void *arg)
{
	struct blk *b = arg;

	if (!b->disk || !disk_look(b->disk))
		return;
	log_debug(&b->d.log, "the disk has %llu bytes now", (unsigned long long)disk_info(b->disk)->size);
	vdev_config_changed(&b->d);
}

static void blk_hangup(struct vdev *d)
{
	disk_touched(to_blk(d));
}

static int blk_open(struct vdev *d)
{
	struct blk *b = to_blk(d);
	struct disk_args args = disk_args_of(b);
	int err = reqs_open(b);

	b->writeback = true;
	if (!err && !args.path) {
		b->sim = disk_sim_new(d);
		err = b->sim ? 0 : -ENOMEM;
	}
	if (!err && args.path)
		err = disk_ring_new(d, b->aio, &b->ring);
	if (!err && args.path)
		err = work_queue_new(d->loop, NULL, &b->work);
	if (!err && args.path) {
		b->watch = disk_watch_new(d);
		err = b->watch ? 0 : -ENOMEM;
	}
	args.d = d;
	args.ring = b->ring;
	args.work = b->work;
	args.sim = b->sim;
	args.watch = b->watch;
	args.touched = disk_touched;
	args.arg = b;
	if (!err)
		err = disk_open(&args, &b->disk);
	if (err == -ENOMEM)
		log_error(&d->log, "out of memory");
	return err ? err : disk_learn(b);
}

static void blk_close(struct vdev *d)
{
	struct blk *b = to_blk(d);
	bool idle = work_queue_free(b->work, CLOSE_PATIENCE);

	if (!uring_free(b->ring, CLOSE_PATIENCE) || !idle) {
		log_warn(&d->log, "the disk does not answer; its requests are left behind");
		return;
	}
	disk_close(b->disk);
	disk_watch_free(b->watch);
	disk_sim_free(b->sim);
	for (unsigned int q = 0; q < b->nqueues; q++)
		free(b->reqs[q]);
}

/* ---- the operator */

static int run_resize(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct blk *b = to_blk(arg);

	disk_touched(b);
	control_say(c, "%llu", (unsigned long long)disk_info(b->disk)->size);
	return 0;
}

static const struct control_command blk_commands[] = {
	{"resize", "", "look at the disk's size and tell the guest; shows the bytes", 0, 0, run_resize},
	{0},
};

/* ---- options */

static const char *const backend_words[] = {[BACKEND_FILE] = "file", [BACKEND_SIM] = "sim", NULL};

static const struct opt blk_opts[] = {
	{
		.name = "file",
		.type = OPT_TEXT,
		.off = offsetof(struct blk, file),
		.arg = "PATH",
		.help = "the disk: a raw file, or a block device",
		.man = MAN(
			"The disk: a file that is its image, byte by byte, or a block device.  A file may be sparse."),
		.letter = 'b',
		.alias = "blk-file",
	},
	{
		.name = "read-only",
		.type = OPT_FLAG,
		.off = offsetof(struct blk, read_only),
		.help = "the guest cannot write",
		.letter = 'r',
	},
	DISK_OPTS(struct blk),
	{
		.name = "num-queues",
		.type = OPT_UINT,
		.off = offsetof(struct blk, nqueues),
		.arg = "N",
		.def = "8",
		.min = 1,
		.max = QUEUES_MAX,
		.help = "queues, at most one for each CPU is used",
		.alias = "queues",
	},
	{
		.name = "block-size",
		.type = OPT_BYTES,
		.off = offsetof(struct blk, block),
		.arg = "BYTES",
		.max = 4096,
		.help = "the guest's block size (512, or the disk's)",
		.man = MAN("The block size that the guest is told, a power of two from 512 to 4096.  The default is "
			   "512; with "
			   "--cache=none it is that of the disk, and cannot be less."),
	},
	{
		.name = "serial",
		.type = OPT_TEXT,
		.off = offsetof(struct blk, serial),
		.arg = "TEXT",
		.help = "its serial number, up to 20 bytes",
		.man = MAN("The disk's id, which Linux shows as serial and as /dev/disk/by-id/virtio-TEXT."),
	},
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct blk, backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "file",
		.help = "file, or sim: a disk in memory",
	},
	{
		.name = "sim-size",
		.rare = true,
		.type = OPT_BYTES,
		.off = offsetof(struct blk, sim_size),
		.arg = "BYTES",
		.def = "64M",
		.min = 4096,
		.max = SIZE_MAX / 8,
		.help = "size of a simulated disk",
	},
	{0},
};

static const struct vdev_feature blk_features[] = {
	{F_SIZE_MAX, "size_max"},
	{F_SEG_MAX, "seg_max"},
	{F_GEOMETRY, "geometry"},
	{F_RO, "ro"},
	{F_BLK_SIZE, "blk_size"},
	{F_FLUSH, "flush"},
	{F_TOPOLOGY, "topology"},
	{F_CONFIG_WCE, "config_wce"},
	{F_MQ, "mq"},
	{F_DISCARD, "discard"},
	{F_WRITE_ZEROES, "write_zeroes"},
	{F_SECURE_ERASE, "secure_erase"},
	{0},
};

static const struct vdev_queue_desc blk_queues[8] = {
	[0 ... 7] = {.name = "requestq", .size = QUEUE_SIZE, .max = QUEUE_MAX},
};

static const char *check_id(const uint8_t *in, uint32_t used)
{
	if (used != ID_BYTES + 1)
		return "not an id of 20 bytes and a status";
	return in[ID_BYTES] == S_OK ? NULL : "an error status";
}

static const uint8_t sample_id[16] = {T_GET_ID};
static const uint8_t sample_flush[16] = {T_FLUSH};

static const char *check_flush(const uint8_t *in, uint32_t used)
{
	if (used != 1)
		return "not a status alone";
	return in[0] == S_OK ? NULL : "an error status";
}

static const struct vdev_sample blk_samples[] = {
	{.what = "GET_ID", .out = sample_id, .out_len = sizeof(sample_id), .in_len = ID_BYTES + 1, .check = check_id},
	{.what = "FLUSH", .out = sample_flush, .out_len = sizeof(sample_flush), .in_len = 1, .check = check_flush},
	{0},
};

/* The options that QEMU's VHostUserBackendBlockFeature stands for. */
static const char *const blk_says[] = {"read-only", "blk-file", NULL};

static const struct vdev_compat blk_compat = {.says = blk_says};

static const char *const blk_examples[] = {
	"truncate -s 10G disk.img",
	"vdevd blk --socket-path=/run/blk.sock --file=disk.img --cache=none",
	"vdevd blk --socket-path=/run/blk.sock --file=/dev/vg/guest --serial=root --num-queues=4",
	"vhost-user-blk --socket-path=/run/blk.sock --blk-file=disk.img --read-only",
	"",
	"# the disk grows, and the guest sees it",
	"truncate -s 20G disk.img",
	"# a block device has, and vdevd is told to look",
	"lvextend -L +10G vg/guest && systemctl kill -s HUP vdevd-blk",
	"",
	"# what is not raw comes as a block device",
	"qemu-nbd --connect=/dev/nbd0 disk.qcow2 && vdevd blk --socket-path=/run/blk.sock --file=/dev/nbd0",
	NULL,
};

const struct vdev_class vdev_blk_class = {
	.name = "blk",
	.summary = "block device",
	.about = MAN(
		"Gives a guest a disk: a raw file or a block device of the host.\n"
		"\n"
		"Many requests are with the host at once, by io_uring or by worker threads; bytes go straight from and "
		"to the "
		"guest's memory.  A flush that has ended well means that what was written before is on the disk.  A "
		"guest "
		"that does not know flushes, or turns the cache off, has that for each write.  When a flush of a file "
		"fails, all that follow do until vdevd is started again: the host forgets what it could not write.\n"
		"\n"
		"Discards and zeros that may be unmapped make holes in a file, so that it takes less room, and are "
		"handed on to a "
		"block device.  Secure erase is offered for a block device that has it (BLKSECDISCARD), as some of "
		"eMMC "
		"do; not for files, whose file system may have kept copies.  A host before Linux 5.19 does not tell "
		"which have it: there it is offered wherever discards are, and refused where it cannot be done.  Linux "
		"guests ask for it in vain: up to 7.2 their driver gives the ranges as memory that the device is to "
		"write, and such requests are refused.\n"
		"\n" DISK_RESIZE_MAN "\n"
		"\n"
		"qcow2 and other formats are not known, so that no guest can choose what is opened: qemu-nbd --connect "
		"or a loop "
		"device make a block device of them.  Of the standard are missing: device lifetime, zoned "
		"storage.\n"
		"\n"
		"A vdevd that was killed and is replaced finds requests that were under way again in the record that "
		"the "
		"front-end keeps, and carries them out.  A guest that moves (live migration) finds the same disk "
		"there: it must "
		"have the same size, and on one host both sides want --share.\n"
		"\n" DISK_SIM_MAN),
	.backend_type = "block",
	.compat = &blk_compat,
	.virtio_id = 2,
	.face.features = BIT(F_SIZE_MAX) | BIT(F_SEG_MAX) | BIT(F_GEOMETRY) | BIT(F_BLK_SIZE) | BIT(F_FLUSH) |
			 BIT(F_TOPOLOGY) | BIT(F_CONFIG_WCE) | BIT(F_MQ) | BIT(F_DISCARD) | BIT(F_WRITE_ZEROES) |
			 BIT(F_SECURE_ERASE),
	.face.queues = blk_queues,
	.face.nqueues = ARRAY_SIZE(blk_queues),
	.face.config_size = sizeof(struct virtio_blk_config),
	.feature_names = blk_features,
	.opts = blk_opts,
	.commands = blk_commands,
	.inst_size = sizeof(struct blk),
	.samples = blk_samples,
	.examples = MAN(blk_examples),
	.check = blk_check,
	.open = blk_open,
	.needs = blk_needs,
	.kick = blk_kick,
	.quiesce = blk_quiesce,
	.reset = blk_reset,
	.features_set = blk_features_set,
	.config = blk_config,
	.config_write = blk_config_write,
	.save = blk_save,
	.load = blk_load,
	.hangup = blk_hangup,
	.close = blk_close,
};
