/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_sg_sim.c - a SCSI device to pass commands to where the host has none: sg=sim.
 *
 * It is a disk of a few blocks that knows TEST UNIT READY, INQUIRY, READ CAPACITY(10), READ(10) and WRITE(10); and three commands
 * of its own: 60h takes time, 61h ends as the host's SCSI layer says, 62h is refused by the system call.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "devices/scsi/scsi_sg.h"

#define BLOCK 512u

static int sim_open(struct scsi_sg *sg, const char *path, bool read_only, const char **why)
{
	sg->memory = calloc(1, SCSI_SG_SIM_BYTES);
	sg->max_len = SCSI_SG_SIM_BYTES;
	return sg->memory ? 0 : -ENOMEM;
}

/* Copies between the call's data and len bytes at p. */
static void move(struct scsi_sg_call *call, uint8_t *p, size_t len)
{
	size_t left = min_size(len, call->len);

	call->residual = call->len - left;
	for (unsigned int i = 0; left; i++) {
		size_t n = min_size(left, call->iov[i].iov_len);

		memcpy(call->writes ? p : call->iov[i].iov_base, call->writes ? call->iov[i].iov_base : p, n);
		p += n;
		left -= n;
	}
}

static void refuse(struct scsi_sg_call *call, uint32_t sense)
{
	call->status = SCSI_CHECK_CONDITION;
	call->residual = call->len;
	call->sense_len = scsi_sense_put(call->sense, false, sense, false, 0);
}

static void read_write(struct scsi_sg *sg, struct scsi_sg_call *call, bool writes)
{
	uint64_t lba = scsi_get(call->cdb + 2, 4), blocks = scsi_get(call->cdb + 7, 2);

	if (lba + blocks > SCSI_SG_SIM_BYTES / BLOCK)
		refuse(call, SENSE_LBA);
	else if (call->len && call->writes != writes)
		refuse(call, SENSE_TARGET_FAILURE);
	else
		move(call, sg->memory + lba * BLOCK, (size_t)blocks * BLOCK);
}

/* So many tenths of a second, or until it is interrupted. */
static int take_time(const struct scsi_sg_call *call, const struct work *w)
{
	for (unsigned int n = call->cdb[1] * 10u; n; n--) {
		if (work_interrupted(w))
			return -EINTR;
		poll(NULL, 0, 10);
	}
	return 0;
}

static int sim_run(struct scsi_sg *sg, struct scsi_sg_call *call, const struct work *w)
{
	uint8_t inquiry[36] = {0, 0, 6, 2, 31, [8] = 'V', 'D', 'E', 'V', 'D', ' ', ' ', ' ', 'P', 'A', 'S', 'S', 'E', 'D'};
	uint8_t capacity[8];
	/* What must not come here has worked when it does: so it is seen. */
	static const uint8_t never[] = {0x04, 0x1d, 0x3b, 0x40, 0x48, 0x83, 0x85, 0xa1, 0xa4, 0xb5};

	call->status = SCSI_GOOD;
	call->host = 0;
	call->sense_len = 0;
	call->residual = call->len;
	switch (call->cdb[0]) {
	case 0x00:
		return 0;
	case 0x12:
		memset(inquiry + 22, ' ', 14);
		move(call, inquiry, sizeof(inquiry));
		return 0;
	case 0x25:
		scsi_put(capacity, 4, SCSI_SG_SIM_BYTES / BLOCK - 1);
		scsi_put(capacity + 4, 4, BLOCK);
		move(call, capacity, sizeof(capacity));
		return 0;
	case 0x28:
	case 0x2a:
		read_write(sg, call, call->cdb[0] == 0x2a);
		return 0;
	case 0x60:
		return take_time(call, w);
	case 0x61:
		call->host = call->cdb[1];
		return 0;
	case 0x62:
		return -call->cdb[1];
	default:
		if (call->cdb[0] < 0xc0 && !memchr(never, call->cdb[0], sizeof(never)))
			refuse(call, SENSE_OPCODE);
		return 0;
	}
}

static void sim_close(struct scsi_sg *sg)
{
	free(sg->memory);
}

const struct scsi_sg_ops scsi_sg_sim = {.open = sim_open, .run = sim_run, .close = sim_close};
