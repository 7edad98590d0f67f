/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_sg_linux.c - SCSI devices of the host by SG_IO: version 3 for /dev/sgN (sg(4)), version 4 for /dev/bsg/... (linux/bsg.h).
 *
 * sg copies data between the caller and its own buffers, so a call that a signal ended leaves memory alone, while the
 * device goes on.  bsg waits for the device, whatever comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/bsg.h>
#include <linux/fs.h>
#include <scsi/sg.h>

#include "devices/scsi/scsi_sg.h"

#define SG_MAJOR 21
#define BSG_NAME "bsg" /* in /proc/devices: its major is the kernel's choice */

const struct sandbox_call scsi_sg_calls[] = {
	{.name = "ioctl", .why = "commands for SCSI devices of the host", .checks = {{1, SANDBOX_IS, SG_IO}}},
	{0},
};

static int linux_run(struct scsi_sg *sg, struct scsi_sg_call *call, const struct work *w);

/* How long the device may take to say what it is. */
#define INQUIRY_MS 10000

/* Asks the device what it is, and the host how much it takes at once: either says bytes, sg(4), block/bsg.c. */
static void learn(struct scsi_sg *sg)
{
	static const uint8_t cdb[6] = {0x12, [4] = 36};
	uint8_t data[36] = {0};
	const struct iovec iov = {data, sizeof(data)};
	struct scsi_sg_call call = {
		.cdb = cdb,
		.cdb_len = sizeof(cdb),
		.iov = &iov,
		.niov = 1,
		.len = sizeof(data),
		.timeout_ms = INQUIRY_MS,
	};
	int bytes = 0;

	if (ioctl(sg->fd, sg->one_piece ? SG_GET_RESERVED_SIZE : BLKSECTGET, &bytes) == 0 && bytes > 0)
		sg->max_len = (size_t)bytes;
	sg->type = SCSI_SG_UNKNOWN;
	if (linux_run(sg, &call, NULL) == 0 && call.status == SCSI_GOOD && !call.host && call.residual < call.len)
		sg->type = data[0] & 0x1f;
}

/* Whether character devices of this major are named so in /proc/devices, where block devices come after them. */
static bool major_is(unsigned int number, const char *name)
{
	FILE *f = fopen("/proc/devices", "re");
	char line[80], *end;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f) && strncmp(line, "Block", 5) != 0) {
		line[strcspn(line, "\n")] = '\0';
		found = strtoul(line, &end, 10) == number && end > line && *end == ' ' && strcmp(end + 1, name) == 0;
	}
	if (f)
		fclose(f);
	return found;
}

/*
 * Whether it is a device of one of the two drivers whose calls are made here, and *one_piece.  Tapes, changers and
 * others answer to the same ioctls, and do more on the side.
 */
static bool is_generic(const struct stat *st, bool *one_piece)
{
	*one_piece = major(st->st_rdev) != SG_MAJOR;
	return S_ISCHR(st->st_mode) && (!*one_piece || major_is(major(st->st_rdev), BSG_NAME));
}

static int linux_open(struct scsi_sg *sg, const char *path, bool read_only, const char **why)
{
	struct stat st;
	int version = 0;

	sg->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (sg->fd < 0)
		return -errno;
	if (fstat(sg->fd, &st) == 0 && is_generic(&st, &sg->one_piece) &&
	    ioctl(sg->fd, SG_GET_VERSION_NUM, &version) == 0 && version >= 30000) {
		learn(sg);
		return 0;
	}
	close(sg->fd);
	*why = "a SCSI generic device (/dev/sgN, /dev/bsg/...) is wanted";
	return -EINVAL;
}

static int run_v3(const struct scsi_sg *sg, struct scsi_sg_call *call)
{
	struct sg_io_hdr h = {
		.interface_id = 'S',
		.dxfer_direction = !call->len ? SG_DXFER_NONE : call->writes ? SG_DXFER_TO_DEV : SG_DXFER_FROM_DEV,
		.cmd_len = (unsigned char)call->cdb_len,
		.mx_sb_len = sizeof(call->sense),
		.iovec_count = (unsigned short)call->niov,
		.dxfer_len = (unsigned int)call->len,
		.dxferp = (void *)call->iov, /* struct sg_iovec is struct iovec */
		.cmdp = (unsigned char *)call->cdb,
		.sbp = call->sense,
		.timeout = call->timeout_ms,
	};

	_Static_assert(sizeof(struct sg_iovec) == sizeof(struct iovec), "sg(4) takes what readv(2) takes");
	if (ioctl(sg->fd, SG_IO, &h) < 0)
		return -errno;
	call->status = h.status;
	call->host = h.host_status;
	call->residual = h.resid > 0 ? (size_t)h.resid : 0;
	call->sense_len = h.sb_len_wr;
	return 0;
}

static int run_v4(const struct scsi_sg *sg, struct scsi_sg_call *call)
{
	struct sg_io_v4 h = {
		.guard = 'Q',
		.protocol = BSG_PROTOCOL_SCSI,
		.subprotocol = BSG_SUB_PROTOCOL_SCSI_CMD,
		.request_len = (uint32_t)call->cdb_len,
		.request = (uintptr_t)call->cdb,
		.max_response_len = sizeof(call->sense),
		.response = (uintptr_t)call->sense,
		.timeout = call->timeout_ms,
	};

	if (call->len && call->writes) {
		h.dout_xfer_len = (uint32_t)call->len;
		h.dout_xferp = (uintptr_t)call->iov[0].iov_base;
	} else if (call->len) {
		h.din_xfer_len = (uint32_t)call->len;
		h.din_xferp = (uintptr_t)call->iov[0].iov_base;
	}
	if (ioctl(sg->fd, SG_IO, &h) < 0)
		return -errno;
	call->status = (uint8_t)h.device_status;
	call->host = h.transport_status;
	call->residual = (size_t)(call->writes ? h.dout_resid : h.din_resid);
	call->sense_len = h.response_len;
	return 0;
}

static int linux_run(struct scsi_sg *sg, struct scsi_sg_call *call, const struct work *w)
{
	return sg->one_piece ? run_v4(sg, call) : run_v3(sg, call);
}

static void linux_close(struct scsi_sg *sg)
{
	close(sg->fd);
}

const struct scsi_sg_ops scsi_sg_linux = {.open = linux_open, .run = linux_run, .close = linux_close};
