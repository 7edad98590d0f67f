/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_sg.h - devices of the host, to which commands are passed as they are: what is behind the table is the host's SCSI
 * generic driver (scsi_sg_linux.c) or a small simulator (scsi_sg_sim.c).
 */
#ifndef VDEVD_DEVICES_SCSI_SCSI_SG_H
#define VDEVD_DEVICES_SCSI_SCSI_SG_H

#include "core/sandbox.h"
#include "core/work.h"
#include "devices/scsi/scsi.h"

struct scsi_sg_ops {
	/* Opens the path, and learns type and max_len.  Returns 0 or -errno; a reason in why where there is a better one. */
	int (*open)(struct scsi_sg *sg, const char *path, bool read_only, const char **why);
	/*
	 * On a worker thread: has the device carry a command out.  Returns 0; -EINTR: the job was interrupted, and memory is
	 * not touched any more; or another -errno.
	 */
	int (*run)(struct scsi_sg *sg, struct scsi_sg_call *call, const struct work *w);
	void (*close)(struct scsi_sg *sg);
};

struct scsi_sg {
	const struct scsi_sg_ops *ops;
	int fd;
	bool one_piece; /* data must be one piece of memory */
	uint8_t type;	/* PERIPHERAL DEVICE TYPE of the device, SPC-4, table 148; SCSI_SG_UNKNOWN: it did not tell */
	size_t max_len; /* bytes of data that the host takes in a command; 0: not known */
	uint8_t *memory; /* of the simulator */
};

/* Device types that matter, and what stands for none. */
#define SCSI_SG_TAPE	0x01
#define SCSI_SG_OPTICAL 0x05
#define SCSI_SG_UNKNOWN 0x1f

extern const struct scsi_sg_ops scsi_sg_linux, scsi_sg_sim;

extern const struct sandbox_call scsi_sg_calls[];

/* The path that means the simulator, and its bytes. */
#define SCSI_SG_SIM	  "sim"
#define SCSI_SG_SIM_BYTES 65536u

/*
 * Opens the device of a unit.  Returns 0 and lun->sg (end with scsi_sg_close), or -errno after a line; without one
 * -ENOMEM.
 */
int scsi_sg_open(struct scsi *s, struct scsi_lun *lun);
void scsi_sg_close(struct scsi_lun *lun);

/* The most data that the devices of all units take in a command, bytes, or most where that is less. */
size_t scsi_sg_max_len(const struct scsi_lun *lun, size_t most);

/* The command for all that is passed on. */
extern const struct scsi_command scsi_sg_command;

/* Ends a task that is with the device early: now, or when the host lets go of it. */
void scsi_sg_cancel(struct scsi_task *t);

#endif
