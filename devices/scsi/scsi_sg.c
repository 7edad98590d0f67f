/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_sg.c - units that are devices of the host: commands are passed to them as they are; see scsi_sg.h.
 *
 * A command is a job of a worker thread.  Its data goes from and to guest memory where the host takes it in the pieces that it
 * is in, and otherwise through a buffer of its own; such buffers are bounded, one and all together.
 *
 * Not every command is passed: see is_refused.  /dev/sgN opened for reading and writing has no filter of the kernel's, and
 * any filter of the kernel's lets all pass for who has CAP_SYS_RAWIO.
 */
#include "devices/scsi/scsi_sg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* DID_* of Linux's include/scsi/scsi_status.h */
enum {
	DID_OK = 0x00,
	DID_NO_CONNECT = 0x01,
	DID_BUS_BUSY = 0x02,
	DID_BAD_TARGET = 0x04,
	DID_ABORT = 0x05,
	DID_RESET = 0x08,
	DID_TRANSPORT_DISRUPTED = 0x0e,
	DID_TRANSPORT_FAILFAST = 0x0f,
	DID_TARGET_FAILURE = 0x10,
	DID_NEXUS_FAILURE = 0x11,
};

/* Bytes of a buffer, and of all. */
#define BOUNCE_MAX  (16u << 20)
#define BOUNCES_MAX (64u << 20)

int scsi_sg_open(struct scsi *s, struct scsi_lun *lun)
{
	struct scsi_sg *sg = calloc(1, sizeof(*sg));
	const char *why = NULL;
	int err;

	if (!sg)
		return -ENOMEM;
	sg->ops = strcmp(lun->path, SCSI_SG_SIM) == 0 ? &scsi_sg_sim : &scsi_sg_linux;
	err = sg->ops->open(sg, lun->path, lun->read_only, &why);
	if (err) {
		log_error(&scsi_vdev(s)->log, "--lun=%u: sg=%s: %s", lun->number, lun->path, why ? why : strerror(-err));
		free(sg);
		return err;
	}
	lun->sg = sg;
	return 0;
}

void scsi_sg_close(struct scsi_lun *lun)
{
	if (!lun->sg)
		return;
	lun->sg->ops->close(lun->sg);
	free(lun->sg);
	lun->sg = NULL;
}

size_t scsi_sg_max_len(const struct scsi_lun *lun, size_t most)
{
	return lun->sg && lun->sg->max_len ? min_size(lun->sg->max_len, most) : most;
}

/* ---- what is not passed */

static bool is_one_of(const uint8_t *opcodes, size_t n, uint8_t opcode)
{
	return memchr(opcodes, opcode, n) != NULL;
}

/* Whether a command changes neither medium nor device, nor what others find there. */
static bool only_reads(const struct scsi_sg *sg, const uint8_t *cdb)
{
	/*
	 * TEST UNIT READY, REQUEST SENSE, READ(6), INQUIRY, MODE SENSE(6), RECEIVE DIAGNOSTIC RESULTS, READ CAPACITY(10),
	 * READ(10), VERIFY(10), PRE-FETCH(10) (READ POSITION of a tape), READ DEFECT DATA(10), READ BUFFER, READ TOC,
	 * LOG SENSE, MODE SENSE(10), PERSISTENT RESERVE IN, READ(16), VERIFY(16), REPORT LUNS, READ(12), VERIFY(12),
	 * READ DEFECT DATA(12), READ ELEMENT STATUS.
	 */
	static const uint8_t all[] = {0x00, 0x03, 0x08, 0x12, 0x1a, 0x1c, 0x25, 0x28, 0x2f, 0x34, 0x37, 0x3c,
				      0x43, 0x4d, 0x5a, 0x5e, 0x88, 0x8f, 0xa0, 0xa8, 0xaf, 0xb7, 0xb8};
	/* REWIND, READ BLOCK LIMITS, SPACE, LOCATE(10), REPORT DENSITY SUPPORT, LOCATE(16). */
	static const uint8_t tape[] = {0x01, 0x05, 0x11, 0x2b, 0x44, 0x92};
	/*
	 * READ SUB-CHANNEL, READ HEADER, GET CONFIGURATION, GET EVENT STATUS NOTIFICATION, READ DISC and TRACK INFORMATION,
	 * READ BUFFER CAPACITY, REPORT KEY, GET PERFORMANCE, READ DISC STRUCTURE, READ CD MSF, MECHANISM STATUS, READ CD.
	 */
	static const uint8_t optical[] = {0x42, 0x44, 0x46, 0x4a, 0x51, 0x52, 0x5c, 0xa4, 0xac, 0xad, 0xb9, 0xbd, 0xbe};
	unsigned int action = cdb[1] & 0x1f;

	if (sg->type == SCSI_SG_TAPE && is_one_of(tape, sizeof(tape), cdb[0]))
		return true;
	if (sg->type == SCSI_SG_OPTICAL && is_one_of(optical, sizeof(optical), cdb[0]))
		return true;
	if (cdb[0] == 0x9e) /* READ CAPACITY(16), GET LBA STATUS */
		return action == 0x10 || action == 0x12;
	if (cdb[0] == 0xa3) /* MAINTENANCE IN; of an optical drive SEND KEY */
		return sg->type != SCSI_SG_OPTICAL && sg->type != SCSI_SG_UNKNOWN;
	return is_one_of(all, sizeof(all), cdb[0]);
}

/*
 * Whether a command is none for a guest: what outlasts the medium's data (firmware, the device's own settings, passwords),
 * destroys all of them at once, or goes past SCSI to what is behind.
 */
static bool is_refused(const struct scsi_lun *lun, const uint8_t *cdb)
{
	/*
	 * SEND DIAGNOSTIC, WRITE BUFFER, CHANGE DEFINITION, third-party copies, ATA PASS-THROUGH(16), SECURITY PROTOCOL OUT;
	 * FORMAT UNIT, SANITIZE, ATA PASS-THROUGH(12), MAINTENANCE OUT.
	 */
	static const uint8_t all[] = {0x1d, 0x3b, 0x40, 0x83, 0x85, 0xb5};
	static const uint8_t not_optical[] = {0x04, 0x48, 0xa1, 0xa4};

	if (lun->read_only && !only_reads(lun->sg, cdb))
		return true;
	if (cdb[0] >= 0xc0 || is_one_of(all, sizeof(all), cdb[0]))
		return true;
	/* Of an optical drive these are FORMAT UNIT of a disc, PLAY AUDIO, BLANK and REPORT KEY. */
	return lun->sg->type != SCSI_SG_OPTICAL && is_one_of(not_optical, sizeof(not_optical), cdb[0]);
}

/* ---- commands */

/* How long a CDB is: SPC-4, section 4.2.5.1; those of vendors as Linux has it. */
static size_t cdb_length(const uint8_t *cdb)
{
	static const uint8_t lengths[8] = {6, 10, 10, 12, 16, 12, 10, 10};

	return cdb[0] == 0x7f ? min_size(8u + cdb[7], SCSI_CDB_MAX) : lengths[cdb[0] >> 5];
}

static uint8_t response_of_host(unsigned int host)
{
	switch (host) {
	case DID_OK:
		return SCSI_S_OK;
	case DID_NO_CONNECT:
	case DID_BAD_TARGET:
		return SCSI_S_BAD_TARGET;
	case DID_BUS_BUSY:
		return SCSI_S_BUSY;
	case DID_ABORT:
		return SCSI_S_ABORTED;
	case DID_RESET:
		return SCSI_S_RESET;
	case DID_TRANSPORT_DISRUPTED:
	case DID_TRANSPORT_FAILFAST:
		return SCSI_S_TRANSPORT_FAILURE;
	case DID_TARGET_FAILURE:
		return SCSI_S_TARGET_FAILURE;
	case DID_NEXUS_FAILURE:
		return SCSI_S_NEXUS_FAILURE;
	default:
		return SCSI_S_FAILURE;
	}
}

static uint8_t response_of_error(int err)
{
	if (err == -ENODEV || err == -ENXIO)
		return SCSI_S_BAD_TARGET;
	/* EDOM: sg has as many commands of this descriptor as it takes. */
	return err == -ENOMEM || err == -EBUSY || err == -EAGAIN || err == -EDOM ? SCSI_S_BUSY : SCSI_S_FAILURE;
}

static void bounce_free(struct scsi_task *t)
{
	if (!t->bounce)
		return;
	scsi_bounced(t->s, -(ssize_t)t->call.len);
	free(t->bounce);
	t->bounce = NULL;
}

/* The data goes through a buffer.  Returns the response that tells what is in the way. */
static uint8_t bounce_new(struct scsi_task *t)
{
	struct scsi_sg_call *call = &t->call;

	if (!call->len || call->len > BOUNCE_MAX)
		return SCSI_S_FAILURE;
	if (scsi_bounced(t->s, 0) > BOUNCES_MAX - call->len)
		return SCSI_S_BUSY;
	/* Zeroed: what the device leaves alone, whatever it says, is not what was there before. */
	t->bounce = calloc(1, call->len);
	if (!t->bounce)
		return SCSI_S_BUSY;
	scsi_bounced(t->s, (ssize_t)call->len);
	if (call->writes)
		chain_get(t->chain, t->bounce, call->len);
	t->r.way.iov[0] = (struct iovec){t->bounce, call->len};
	call->niov = 1;
	return SCSI_S_OK;
}

/* Finds memory for the data.  Returns the response that tells what is in the way. */
static uint8_t data_prepare(struct scsi_task *t)
{
	struct scsi_sg_call *call = &t->call;
	size_t at = call->writes ? 0 : chain_writable(t->chain) - t->in_room, sum = 0;

	call->iov = t->r.way.iov;
	if (!call->len)
		return SCSI_S_OK;
	if (call->len > UINT32_MAX / 2)
		return SCSI_S_FAILURE;
	call->niov = chain_iov(t->chain, call->writes ? CHAIN_READ : CHAIN_WRITE, at, t->r.way.iov, DISK_IOV, call->len);
	for (unsigned int i = 0; i < call->niov; i++)
		sum += t->r.way.iov[i].iov_len;
	if (sum == call->len && (call->niov == 1 || !t->lun->sg->one_piece))
		return SCSI_S_OK;
	return bounce_new(t);
}

static void run(struct work *w)
{
	struct scsi_task *t = container_of(w, struct scsi_task, work);

	t->sg_err = t->lun->sg->ops->run(t->lun->sg, &t->call, w);
}

/* The device has answered. */
static void answer(struct scsi_task *t)
{
	struct scsi_sg_call *call = &t->call;
	size_t moved = call->len - min_size(call->residual, call->len);

	t->response = response_of_host(call->host);
	t->status = call->status;
	if (call->writes) {
		t->out_used = moved;
	} else {
		t->in_len = moved;
		if (t->bounce && t->response == SCSI_S_OK && !t->aborted)
			chain_put_at(t->chain, chain_writable(t->chain) - t->in_room, t->bounce, moved);
	}
	call->sense_len = min_size(call->sense_len, sizeof(call->sense));
}

/* The command is unknown. */
static void refuse(struct scsi_task *t)
{
	t->status = SCSI_CHECK_CONDITION;
	t->call.sense_len = scsi_sense_put(t->call.sense, false, SENSE_OPCODE, false, 0);
}

static void done(struct work *w)
{
	struct scsi_task *t = container_of(w, struct scsi_task, work);

	if (!t->sg_err) {
		answer(t);
	} else if (t->sg_err == -EPERM) {
		refuse(t); /* what the kernel's filter lets nobody do without CAP_SYS_RAWIO */
	} else {
		t->response = response_of_error(t->sg_err);
	}
	if (t->sg_err && !t->aborted)
		log_guest(&scsi_vdev(t->s)->log, "unit %u: command 0x%02x: %s", t->lun->number, t->cdb[0],
			  strerror(-t->sg_err));
	bounce_free(t);
	scsi_task_end(t);
}

static void sg_run(struct scsi_task *t)
{
	struct scsi_sg_call *call = &t->call;

	*call = (struct scsi_sg_call){
		.cdb = t->cdb,
		.cdb_len = cdb_length(t->cdb),
		.writes = t->out_len > 0,
		.len = t->out_len ? t->out_len : t->in_room,
		.timeout_ms = t->lun->timeout_ms,
	};
	t->passed = true;
	if (is_refused(t->lun, t->cdb)) {
		log_guest(&scsi_vdev(t->s)->log, "unit %u: refused command 0x%02x", t->lun->number, t->cdb[0]);
		refuse(t);
		scsi_task_end(t);
		return;
	}
	t->response = t->out_len && t->in_room ? SCSI_S_FAILURE : data_prepare(t);
	if (t->response != SCSI_S_OK) {
		scsi_task_end(t);
		return;
	}
	t->work = (struct work){.run = run, .done = done};
	if (work_submit(scsi_workers(t->s), &t->work) < 0) {
		bounce_free(t);
		t->response = SCSI_S_BUSY;
		scsi_task_end(t);
	}
}

void scsi_sg_cancel(struct scsi_task *t)
{
	if (work_cancel(scsi_workers(t->s), &t->work)) {
		bounce_free(t);
		scsi_task_end(t);
	} else {
		work_interrupt(scsi_workers(t->s), &t->work);
	}
}

const struct scsi_command scsi_sg_command = {.run = sg_run};
