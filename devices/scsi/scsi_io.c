/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_io.c - commands that read and write: SBC-3, section 5.
 */
#include "devices/scsi/scsi.h"

#include <errno.h>
#include <string.h>

/* Reads address and number of blocks, as every CDB of its length has them. */
static void cdb_range(struct scsi_task *t)
{
	const uint8_t *c = t->cdb;

	switch (c[0] >> 5) {
	case 0:
		t->lba = scsi_get(c + 1, 3) & 0x1fffff;
		t->blocks = c[4] ? c[4] : 256;
		break;
	case 1:
	case 2:
		t->lba = scsi_get(c + 2, 4);
		t->blocks = scsi_get(c + 7, 2);
		break;
	case 4:
		t->lba = scsi_get(c + 2, 8);
		t->blocks = scsi_get(c + 10, 4);
		break;
	default:
		t->lba = scsi_get(c + 2, 4);
		t->blocks = scsi_get(c + 6, 4);
	}
}

static uint64_t capacity(const struct scsi_lun *lun)
{
	return disk_info(lun->disk)->size / lun->block;
}

static bool on_disk(const struct scsi_lun *lun, uint64_t lba, uint64_t blocks)
{
	return blocks <= capacity(lun) && lba <= capacity(lun) - blocks;
}

/* Reads the range and looks at it, and at RDPROTECT or WRPROTECT.  Returns false where the task has ended with an
 * error. */
static bool range_check(struct scsi_task *t)
{
	cdb_range(t);
	if (t->cdb[0] >> 5 && t->cdb[1] & 0xe0) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return false;
	}
	if (on_disk(t->lun, t->lba, t->blocks))
		return true;
	scsi_end_sense(t, SENSE_LBA);
	return false;
}

/* More data than the driver has room for, or has sent. */
static void end_overrun(struct scsi_task *t)
{
	t->response = SCSI_S_OVERRUN;
	scsi_task_end(t);
}

static void end_error(struct scsi_task *t, int err)
{
	bool reads = t->r.what == DISK_READ;

	if (err == -ECANCELED && t->aborted) {
		scsi_task_end(t);
		return;
	}
	log_guest(&scsi_vdev(t->s)->log, "unit %u: %s of %llu bytes at %llu: %s", t->lun->number,
		  reads ? "read" : "write", (unsigned long long)t->r.len, (unsigned long long)t->r.off, strerror(-err));
	if (err == -ENOSPC)
		scsi_end_sense(t, SENSE_NO_SPACE);
	else if (err == -EIO)
		scsi_end_sense_info(t, reads ? SENSE_READ_ERROR : SENSE_WRITE_ERROR, t->lba);
	else
		scsi_end_sense(t, SENSE_TARGET_FAILURE);
}

static void disk_done(struct disk_req *r, int err)
{
	struct scsi_task *t = container_of(r, struct scsi_task, r);

	if (!err && t->aborted)
		scsi_task_end(t);
	else if (err)
		end_error(t, err);
	else
		t->step(t, 0);
}

/* Has the disk do something with bytes from t->lba + t->at on; step comes when that has ended well. */
static void io_begin(struct scsi_task *t, enum disk_what what, uint64_t len, void (*step)(struct scsi_task *t, int err))
{
	t->step = step;
	t->r.what = what;
	t->r.off = t->lba * t->lun->block + t->at;
	t->r.len = len;
	t->r.done = disk_done;
	disk_begin(t->lun->disk, &t->r);
}

/* FUA, or the cache is off. */
static bool is_durable(const struct scsi_task *t)
{
	return t->lun->no_cache || (t->cdb[0] >> 5 && t->cdb[1] & 0x08);
}

static void step_good(struct scsi_task *t, int err)
{
	scsi_end_good(t);
}

/* ---- READ, WRITE */

static void step_read(struct scsi_task *t, int err)
{
	t->in_len = (size_t)t->r.len;
	scsi_end_good(t);
}

void scsi_read(struct scsi_task *t)
{
	uint64_t len;

	if (!range_check(t))
		return;
	len = t->blocks * t->lun->block;
	if (len > t->in_room) {
		end_overrun(t);
		return;
	}
	t->r.chain = t->chain;
	t->r.at = chain_writable(t->chain) - t->in_room;
	io_begin(t, DISK_READ, len, step_read);
}

/* Writes the driver's data, len bytes of it, from what was read of it on. */
static void write_begin(struct scsi_task *t, uint64_t len, bool durable, void (*step)(struct scsi_task *t, int err))
{
	t->r.chain = t->chain;
	t->r.at = 0;
	t->r.durable = durable;
	t->out_used += (size_t)len;
	io_begin(t, DISK_WRITE, len, step);
}

void scsi_write(struct scsi_task *t)
{
	if (!range_check(t))
		return;
	if (t->blocks * t->lun->block > t->out_len)
		end_overrun(t);
	else
		write_begin(t, t->blocks * t->lun->block, is_durable(t), step_good);
}

/* ---- comparing */

/* Whether the next bytes of the driver's data are these; otherwise *at is where they differ. */
static bool data_equals(struct scsi_task *t, const uint8_t *bytes, size_t len, size_t *at)
{
	uint8_t buf[512];
	size_t n, at_differs = 0;

	for (*at = 0; *at < len; *at += n) {
		n = min_size(len - *at, sizeof(buf));
		scsi_data_get(t, buf, n);
		if (memcmp(buf, bytes + *at, n) == 0)
			continue;
		while (buf[at_differs] == bytes[*at + at_differs])
			at_differs++;
		*at += at_differs;
		return false;
	}
	return true;
}

static void compare_next(struct scsi_task *t);

static void step_compare(struct scsi_task *t, int err)
{
	size_t at;

	if (!data_equals(t, t->buf, (size_t)t->r.len, &at)) {
		scsi_end_sense_info(t, SENSE_MISCOMPARE, t->at + at);
		return;
	}
	t->at += t->r.len;
	compare_next(t);
}

/* Compares what is on the disk with the driver's data, a piece at a time. */
static void compare_next(struct scsi_task *t)
{
	uint64_t left = t->blocks * t->lun->block - t->at;

	if (!left) {
		scsi_end_good(t);
		return;
	}
	t->r.chain = NULL;
	t->r.buf = t->buf;
	io_begin(t, DISK_READ, min_u64(left, SCSI_BUF), step_compare);
}

/* BYTCHK: 0, nothing is compared, or 1, all is. */
static bool bytchk_check(struct scsi_task *t)
{
	if (!(t->cdb[1] & 0x04))
		return true;
	scsi_end_sense(t, SENSE_FIELD_IN_CDB);
	return false;
}

void scsi_verify(struct scsi_task *t)
{
	if (!bytchk_check(t) || !range_check(t))
		return;
	if (!(t->cdb[1] & 0x02))
		scsi_end_good(t);
	else if (t->blocks * t->lun->block > t->out_len)
		end_overrun(t);
	else
		compare_next(t);
}

static void step_verify(struct scsi_task *t, int err)
{
	t->out_used = 0;
	compare_next(t);
}

void scsi_write_verify(struct scsi_task *t)
{
	if (!bytchk_check(t) || !range_check(t))
		return;
	if (t->blocks * t->lun->block > t->out_len)
		end_overrun(t);
	else
		write_begin(t, t->blocks * t->lun->block, true, t->cdb[1] & 0x02 ? step_verify : step_good);
}

/* ---- COMPARE AND WRITE: alone on its unit */

static void step_swap(struct scsi_task *t, int err)
{
	size_t at;

	if (!data_equals(t, t->buf, (size_t)t->r.len, &at))
		scsi_end_sense_info(t, SENSE_MISCOMPARE, at);
	else
		write_begin(t, t->blocks * t->lun->block, is_durable(t), step_good);
}

void scsi_compare_and_write(struct scsi_task *t)
{
	t->lba = scsi_get(t->cdb + 2, 8);
	t->blocks = t->cdb[13];
	if (t->cdb[1] & 0xe0 || t->blocks > SCSI_COMPARE_MOST(t->lun)) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
	} else if (!on_disk(t->lun, t->lba, t->blocks)) {
		scsi_end_sense(t, SENSE_LBA);
	} else if (2 * t->blocks * t->lun->block > t->out_len) {
		end_overrun(t);
	} else if (!t->blocks) {
		scsi_end_good(t);
	} else {
		t->r.chain = NULL;
		t->r.buf = t->buf;
		io_begin(t, DISK_READ, t->blocks * t->lun->block, step_swap);
	}
}

/* ---- SYNCHRONIZE CACHE, PRE-FETCH */

void scsi_synchronize(struct scsi_task *t)
{
	cdb_range(t);
	if (!on_disk(t->lun, t->lba, t->blocks))
		scsi_end_sense(t, SENSE_LBA);
	else
		io_begin(t, DISK_FLUSH, 0, step_good);
}

void scsi_prefetch(struct scsi_task *t)
{
	cdb_range(t);
	if (!on_disk(t->lun, t->lba, t->blocks))
		scsi_end_sense(t, SENSE_LBA);
	else
		scsi_end_good(t);
}

/* ---- GET LBA STATUS */

/* Extents that are looked for at once, and descriptors of an answer. */
#define EXTENTS	    96u
#define DESCRIPTORS 128u

/* Adds a descriptor of the bytes from *at to end, where there are any. */
static void status_put(struct scsi_task *t, uint8_t *list, unsigned int *n, uint64_t *at, uint64_t end, bool mapped)
{
	unsigned int block = t->lun->block;

	while (*at < end && *n < DESCRIPTORS) {
		uint64_t blocks = min_u64((end - *at) / block, UINT32_MAX);
		uint8_t *p = list + 8 + 16 * (size_t)*n;

		memset(p, 0, 16);
		scsi_put(p, 8, *at / block);
		scsi_put(p + 8, 4, blocks);
		p[12] = mapped ? 0 : 1;
		*at += blocks * block;
		++*n;
	}
}

/* A hole counts where whole blocks are in it; what is between holes is mapped. */
static void step_status(struct scsi_task *t, int err)
{
	const struct disk_extent *e = (const void *)t->buf;
	size_t alloc = (size_t)scsi_get(t->cdb + 10, 4);
	uint8_t list[8 + 16 * DESCRIPTORS] = {0};
	unsigned int block = t->lun->block, n = 0;
	uint64_t at = t->r.off, end = at;

	for (unsigned int i = 0; i < t->r.nextents; i++) {
		uint64_t from = (e[i].off + block - 1) / block * block, to = (e[i].off + e[i].len) / block * block;

		end = to;
		if (e[i].mapped || from >= to)
			continue;
		status_put(t, list, &n, &at, from, true);
		status_put(t, list, &n, &at, to, false);
	}
	status_put(t, list, &n, &at, end, true);
	scsi_put(list, 4, 4 + 16 * (uint64_t)n);
	scsi_data_end(t, list, 8 + 16 * (size_t)n, alloc);
}

void scsi_lba_status(struct scsi_task *t)
{
	_Static_assert(EXTENTS * sizeof(struct disk_extent) <= SCSI_BUF, "extents are found in a task's buffer");
	t->lba = scsi_get(t->cdb + 2, 8);
	if (t->lba >= capacity(t->lun)) {
		scsi_end_sense(t, SENSE_LBA);
		return;
	}
	t->r.chain = NULL;
	t->r.buf = t->buf;
	t->r.nextents = EXTENTS;
	io_begin(t, DISK_EXTENTS, (capacity(t->lun) - t->lba) * t->lun->block, step_status);
}

/* ---- WRITE SAME, UNMAP */

static bool is_zero(const uint8_t *bytes, size_t len)
{
	uint8_t all = 0;

	for (size_t i = 0; i < len; i++)
		all |= bytes[i];
	return !all;
}

static bool is_thin(const struct scsi_lun *lun)
{
	return !lun->thick && disk_info(lun->disk)->discards;
}

void scsi_write_same(struct scsi_task *t)
{
	unsigned int block = t->lun->block;
	bool unmap = t->cdb[1] & 0x08, no_data = t->cdb[0] == 0x93 && t->cdb[1] & 0x01;
	uint8_t wrong = t->cdb[0] == 0x93 ? 0xf6 : 0xf7;

	cdb_range(t);
	if (t->cdb[1] & wrong || (unmap && !is_thin(t->lun)) || !t->blocks || t->blocks > SCSI_SAME_MOST / block) {
		/* An address that is wrong as well is said first. */
		scsi_end_sense(t, on_disk(t->lun, t->lba, t->blocks) ? SENSE_FIELD_IN_CDB : SENSE_LBA);
		return;
	}
	if (!on_disk(t->lun, t->lba, t->blocks)) {
		scsi_end_sense(t, SENSE_LBA);
		return;
	}
	if (!no_data && !scsi_data_get(t, t->buf, block)) {
		end_overrun(t);
		return;
	}
	t->r.durable = t->lun->no_cache;
	t->r.unmap = unmap;
	t->r.chain = NULL;
	t->r.buf = t->buf;
	t->r.repeat = block;
	if (no_data || is_zero(t->buf, block)) {
		io_begin(t, DISK_ZERO, t->blocks * block, step_good);
		return;
	}
	/* Larger pieces are fewer. */
	for (size_t n = block; n < SCSI_BUF; n += block)
		memcpy(t->buf + n, t->buf, block);
	t->r.repeat = SCSI_BUF;
	io_begin(t, DISK_WRITE, t->blocks * block, step_good);
}

/* The next range of an UNMAP; its parameters are in t->buf. */
static void unmap_next(struct scsi_task *t, int err)
{
	const uint8_t *d = t->buf + 8 + t->i * (size_t)16;

	if (t->i == t->n) {
		scsi_end_good(t);
		return;
	}
	t->i++;
	t->lba = scsi_get(d, 8);
	t->r.durable = t->lun->no_cache;
	t->r.unmap = true;
	t->r.chain = NULL;
	io_begin(t, DISK_ZERO, scsi_get(d + 8, 4) * t->lun->block, unmap_next);
}

void scsi_unmap(struct scsi_task *t)
{
	size_t len = (size_t)scsi_get(t->cdb + 7, 2), bytes;

	if (t->cdb[1] & 1) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return;
	}
	if (!len) {
		scsi_end_good(t);
		return;
	}
	if (len < 8) {
		scsi_end_sense(t, SENSE_PARAMETER_LENGTH);
		return;
	}
	if (len > t->out_len) {
		end_overrun(t);
		return;
	}
	if (len > 8 + 16 * SCSI_UNMAP_RANGES) {
		scsi_end_sense(t, SENSE_FIELD_IN_PARAMETERS);
		return;
	}
	scsi_data_get(t, t->buf, len);
	bytes = min_size((size_t)scsi_get(t->buf + 2, 2), len - 8);
	t->n = (unsigned int)(bytes / 16);
	for (unsigned int i = 0; i < t->n; i++) {
		const uint8_t *d = t->buf + 8 + i * (size_t)16;
		uint64_t blocks = scsi_get(d + 8, 4);

		if (!on_disk(t->lun, scsi_get(d, 8), blocks)) {
			scsi_end_sense(t, SENSE_LBA);
			return;
		}
		if (blocks > SCSI_SAME_MOST / t->lun->block) {
			scsi_end_sense(t, SENSE_FIELD_IN_PARAMETERS);
			return;
		}
	}
	t->i = 0;
	unmap_next(t, 0);
}
