/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_reserve.c - persistent reservations: SPC-4, sections 5.12, 6.13, 6.14.
 *
 * There is one I_T nexus, the driver's.  So a reservation keeps nobody else off, and what can go wrong is a wrong key.
 *
 * With a file they can outlive a loss of power (APTPL), which is a reset of the device or an end of vdevd.  A command
 * that changes such ones ends when the file has them.  The file has two records, written in turn: a write that was torn
 * leaves the one before.
 */
#include "devices/scsi/scsi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_KEYS, READ_RESERVATION, REPORT_CAPABILITIES, READ_FULL_STATUS };
enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE };

/* Types of reservations, as bits of a number. */
#define TYPES (1u << 1 | 1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8)

/* ---- the file */

#define KEPT_MAGIC "vdevd scsi reservation 1"

/* A record, in a sector of its own. */
struct kept {
	char magic[24];
	le64 number; /* the higher is the newer */
	le64 key;
	uint8_t registered, reserved, type, padding[5];
	le64 sum; /* FNV-1a of what is before */
} __attribute__((packed));

_Static_assert(sizeof(struct kept) == 56, "the record of a file");
_Static_assert(sizeof(KEPT_MAGIC) - 1 == sizeof(((struct kept *)0)->magic), "without its NUL");

static uint64_t kept_sum(const struct kept *k)
{
	const uint8_t *p = (const uint8_t *)k;
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = 0; i < offsetof(struct kept, sum); i++)
		sum = (sum ^ p[i]) * 0x100000001b3u;
	return sum;
}

static bool kept_is_valid(const struct kept *k)
{
	return memcmp(k->magic, KEPT_MAGIC, sizeof(k->magic)) == 0 && le64toh(k->sum) == kept_sum(k) &&
	       k->registered <= 1 && k->reserved <= k->registered &&
	       (k->reserved ? TYPES & 1u << (k->type & 15) : !k->type);
}

/* Takes the newer of the records of a file.  Returns 0 or -errno. */
static int kept_read(struct scsi_lun *lun, int fd)
{
	struct kept k;

	for (off_t i = 0; i < 2; i++) {
		ssize_t n = pread(fd, &k, sizeof(k), i * (off_t)SCSI_KEPT_AT);

		if (n < 0)
			return -errno;
		if (n != sizeof(k) || !kept_is_valid(&k) || le64toh(k.number) < lun->kept_written)
			continue;
		lun->kept_written = le64toh(k.number);
		lun->pr = (struct scsi_reservation){
			.registered = k.registered,
			.reserved = k.reserved,
			.aptpl = k.registered,
			.type = k.type,
			.key = le64toh(k.key),
		};
	}
	return 0;
}

int scsi_kept_open(struct scsi_lun *lun, const struct disk_args *args)
{
	struct disk_args kept = *args;
	struct stat st;
	int fd = open(lun->kept_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600), err = fd < 0 ? -errno : 0;

	if (!err && fstat(fd, &st) < 0)
		err = -errno;
	if (!err && S_ISREG(st.st_mode) && st.st_size < (off_t)SCSI_KEPT_BYTES && ftruncate(fd, (off_t)SCSI_KEPT_BYTES) < 0)
		err = -errno;
	if (!err)
		err = kept_read(lun, fd);
	if (err)
		log_error(&args->d->log, "--lun=%u: reservations=%s: %s", lun->number, lun->kept_path, strerror(-err));
	if (fd >= 0)
		close(fd);
	if (err)
		return err;
	kept.what = "--lun: reservations";
	kept.path = lun->kept_path;
	kept.read_only = false;
	kept.cache = DISK_WRITEBACK;
	kept.watch = NULL;
	return disk_open(&kept, &lun->kept);
}

/* Has the file keep these: r is free, and buf of a sector. */
static void kept_begin(struct scsi_lun *lun, const struct scsi_reservation *pr, struct disk_req *r, uint8_t *buf,
		       void (*done)(struct disk_req *r, int err))
{
	struct kept k = {.number = htole64(++lun->kept_written)};

	memcpy(k.magic, KEPT_MAGIC, sizeof(k.magic));
	if (pr->aptpl) {
		k.registered = pr->registered;
		k.reserved = pr->reserved;
		k.type = pr->type;
		k.key = htole64(pr->key);
	}
	k.sum = htole64(kept_sum(&k));
	memset(buf, 0, DISK_SECTOR);
	memcpy(buf, &k, sizeof(k));
	r->what = DISK_WRITE;
	r->durable = true;
	r->off = lun->kept_written % 2 * SCSI_KEPT_AT;
	r->len = DISK_SECTOR;
	r->chain = NULL;
	r->buf = buf;
	r->repeat = 0;
	r->done = done;
	disk_begin(lun->kept, r);
}

static void kept_lost(struct scsi_lun *lun, int err)
{
	log_guest(&scsi_vdev(lun->s)->log, "unit %u: reservations=%s: %s", lun->number, lun->kept_path, strerror(-err));
}

static void moved_done(struct disk_req *r, int err)
{
	struct scsi_lun *lun = container_of(r, struct scsi_lun, kept_req);

	lun->kept_busy = false;
	if (err)
		kept_lost(lun, err);
	if (lun->kept_again)
		scsi_kept_write(lun);
	else
		scsi_lun_left(lun);
}

void scsi_kept_write(struct scsi_lun *lun)
{
	/* What is under way may be older: this is written when that is done. */
	lun->kept_again = lun->kept_busy;
	if (lun->kept_busy)
		return;
	lun->kept_busy = true;
	kept_begin(lun, &lun->pr, &lun->kept_req, lun->kept_buf, moved_done);
}

void scsi_reserve_reset(struct scsi_lun *lun)
{
	if (lun->pr.aptpl)
		lun->pr.generation = 0;
	else
		memset(&lun->pr, 0, sizeof(lun->pr));
}

static void change_done(struct disk_req *r, int err)
{
	struct scsi_task *t = container_of(r, struct scsi_task, r);

	if (!err)
		t->lun->pr = t->lun->pr_next;
	else if (!t->aborted)
		kept_lost(t->lun, err);
	if (err) {
		/* What failed may be there all the same.  The record that is valid goes over it, and the other stays. */
		t->lun->kept_written--;
		scsi_kept_write(t->lun);
	}
	if (err && !t->aborted)
		scsi_end_sense(t, SENSE_TARGET_FAILURE);
	else
		scsi_end_good(t);
}

/* The command has been carried out, and this is what there is now: first in the file, where it is to be there. */
static void change(struct scsi_task *t, const struct scsi_reservation *next)
{
	struct scsi_lun *lun = t->lun;

	if (!lun->pr.aptpl && !next->aptpl) {
		lun->pr = *next;
		scsi_end_good(t);
		return;
	}
	lun->pr_next = *next;
	/* What waited to be written is older than this. */
	lun->kept_again = false;
	kept_begin(lun, next, &t->r, t->buf, change_done);
}

/* ---- PERSISTENT RESERVE IN */

static size_t keys_put(const struct scsi_lun *lun, uint8_t *p)
{
	const struct scsi_reservation *pr = &lun->pr;

	scsi_put(p, 4, pr->generation);
	scsi_put(p + 4, 4, pr->registered ? 8 : 0);
	scsi_put(p + 8, 8, pr->key);
	return pr->registered ? 16 : 8;
}

static bool is_for_all(const struct scsi_reservation *pr)
{
	return pr->type == 7 || pr->type == 8;
}

static size_t reservation_put(const struct scsi_lun *lun, uint8_t *p)
{
	const struct scsi_reservation *pr = &lun->pr;

	scsi_put(p, 4, pr->generation);
	if (!pr->reserved)
		return 8;
	scsi_put(p + 4, 4, 16);
	scsi_put(p + 8, 8, is_for_all(pr) ? 0 : pr->key);
	p[21] = pr->type;
	return 24;
}

static size_t capabilities_put(const struct scsi_lun *lun, uint8_t *p)
{
	scsi_put(p, 2, 8);
	p[2] = lun->kept ? 0x01 : 0;			  /* PTPL_C */
	p[3] = (uint8_t)(0x80 | (lun->pr.aptpl ? 1 : 0)); /* TMV, PTPL_A */
	p[4] = 0xea; /* types 1, 3, 5, 6, 7 */
	p[5] = 0x01; /* type 8 */
	return 8;
}

static size_t full_status_put(const struct scsi_lun *lun, uint8_t *p)
{
	static const char name[] = "virtio-scsi";
	const struct scsi_reservation *pr = &lun->pr;

	scsi_put(p, 4, pr->generation);
	if (!pr->registered)
		return 8;
	scsi_put(p + 4, 4, 24 + 24);
	scsi_put(p + 8, 8, pr->key);
	p[20] = pr->reserved ? 1 : 0;
	p[21] = pr->reserved ? pr->type : 0;
	scsi_put(p + 26, 2, 1); /* relative target port */
	scsi_put(p + 28, 4, 24);
	p[32] = 0x05; /* TransportID of 24 bytes: iSCSI's protocol, as the nearest there is */
	scsi_put(p + 34, 2, 20);
	memcpy(p + 36, name, sizeof(name));
	return 8 + 48;
}

void scsi_reserve_in(struct scsi_task *t)
{
	static size_t (*const put[])(const struct scsi_lun *lun, uint8_t *p) = {
		[READ_KEYS] = keys_put,
		[READ_RESERVATION] = reservation_put,
		[REPORT_CAPABILITIES] = capabilities_put,
		[READ_FULL_STATUS] = full_status_put,
	};
	size_t len;

	memset(t->buf, 0, 64);
	len = put[t->cdb[1] & 0x1f](t->lun, t->buf);
	scsi_data_end(t, t->buf, len, (size_t)scsi_get(t->cdb + 7, 2));
}

/* ---- PERSISTENT RESERVE OUT */

static void conflict(struct scsi_task *t)
{
	t->status = SCSI_RESERVATION_CONFLICT;
	scsi_task_end(t);
}

static void forget(struct scsi_reservation *pr)
{
	pr->registered = pr->reserved = pr->aptpl = false;
	pr->key = 0;
	pr->type = 0;
}

/* Each changes what there will be, pr, or ends the task and returns false. */

static bool out_register(struct scsi_task *t, struct scsi_reservation *pr, uint64_t key, uint64_t action_key,
			 bool aptpl)
{
	bool ignore = (t->cdb[1] & 0x1f) == REGISTER_AND_IGNORE;

	if (!ignore && key != pr->key) {
		conflict(t);
		return false;
	}
	if (action_key) {
		pr->registered = true;
		pr->key = action_key;
		pr->aptpl = aptpl;
	} else {
		forget(pr);
	}
	pr->generation++;
	return true;
}

static bool out_reserve(struct scsi_task *t, struct scsi_reservation *pr, uint8_t type)
{
	if (pr->reserved && pr->type != type) {
		conflict(t);
		return false;
	}
	pr->reserved = true;
	pr->type = type;
	return true;
}

static bool out_release(struct scsi_task *t, struct scsi_reservation *pr, uint8_t type)
{
	if (pr->reserved && pr->type != type) {
		scsi_end_sense(t, SENSE_RELEASE);
		return false;
	}
	pr->reserved = false;
	pr->type = 0;
	return true;
}

/* Who is preempted can only be the one that there is: then it is its own registration that goes, unless it is kept. */
static bool out_preempt(struct scsi_task *t, struct scsi_reservation *pr, uint8_t type, uint64_t action_key)
{
	if (action_key != pr->key && !(action_key == 0 && pr->reserved && is_for_all(pr))) {
		if (action_key)
			conflict(t);
		else
			scsi_end_sense(t, SENSE_FIELD_IN_PARAMETERS);
		return false;
	}
	if (pr->reserved)
		pr->type = type;
	pr->generation++;
	return true;
}

/* Looks at CDB and parameters.  Returns false where the task has ended. */
static bool out_check(struct scsi_task *t, uint8_t *param, size_t len)
{
	const struct scsi_reservation *pr = &t->lun->pr;
	unsigned int action = t->cdb[1] & 0x1f;
	bool reserves = action == RESERVE || action == RELEASE || action == PREEMPT || action == PREEMPT_AND_ABORT;
	bool registers = action == REGISTER || action == REGISTER_AND_IGNORE;

	if (reserves && (t->cdb[2] >> 4 || !(TYPES & 1u << (t->cdb[2] & 0x0f)))) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return false;
	}
	if (scsi_get(t->cdb + 5, 4) != len || !scsi_data_get(t, param, len)) {
		scsi_end_sense(t, SENSE_PARAMETER_LENGTH);
		return false;
	}
	/* SPEC_I_PT, ALL_TG_PT: there is one port.  APTPL: without a file nothing outlives a loss of power. */
	if (registers && param[20] & (t->lun->kept ? 0x0c : 0x0d)) {
		scsi_end_sense(t, SENSE_FIELD_IN_PARAMETERS);
		return false;
	}
	if (!registers && (!pr->registered || scsi_get(param, 8) != pr->key)) {
		conflict(t);
		return false;
	}
	return true;
}

void scsi_reserve_out(struct scsi_task *t)
{
	struct scsi_reservation next = t->lun->pr;
	uint8_t type = t->cdb[2] & 0x0f, param[24];
	uint64_t key, action_key;
	bool done = true;

	if (!out_check(t, param, sizeof(param)))
		return;
	key = scsi_get(param, 8);
	action_key = scsi_get(param + 8, 8);
	switch (t->cdb[1] & 0x1f) {
	case RESERVE:
		done = out_reserve(t, &next, type);
		break;
	case RELEASE:
		done = out_release(t, &next, type);
		break;
	case CLEAR:
		forget(&next);
		next.generation++;
		break;
	case PREEMPT:
	case PREEMPT_AND_ABORT:
		done = out_preempt(t, &next, type, action_key);
		break;
	default:
		done = out_register(t, &next, key, action_key, param[20] & 1);
	}
	if (done)
		change(t, &next);
}
