/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi.h - logical units and their tasks: SAM-5, SPC-4, SBC-3.  The virtio side is scsi.c.
 *
 * A task is a command from its request to its answer.  A logical unit runs tasks side by side; one that must be alone
 * (an ordered one, a compare and write) waits until those before it have ended, and those behind it wait for it.
 */
#ifndef VDEVD_DEVICES_SCSI_SCSI_H
#define VDEVD_DEVICES_SCSI_SCSI_H

#include "core/control.h"
#include "core/device.h"
#include "core/list.h"
#include "devices/lib/disk.h"
#include "transport/chain.h"

/* What a driver may make of the configuration space's cdb_size and sense_size, bytes; and what they are at first. */
#define SCSI_CDB_MAX	   64
#define SCSI_CDB_DEFAULT   32
#define SCSI_SENSE_MAX	   252
#define SCSI_SENSE_DEFAULT 96

#define SCSI_LUNS_MAX 256
#define SCSI_LUN_LAST 16383
#define SCSI_BUF      4096 /* of a task, for parameters: bytes */

/* Status: SAM-5, section 5.3. */
enum {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02,
	SCSI_CONDITION_MET = 0x04,
	SCSI_RESERVATION_CONFLICT = 0x18,
};

/* VIRTIO_SCSI_S_* */
enum {
	SCSI_S_OK = 0,
	SCSI_S_OVERRUN = 1,
	SCSI_S_ABORTED = 2,
	SCSI_S_BAD_TARGET = 3,
	SCSI_S_RESET = 4,
	SCSI_S_BUSY = 5,
	SCSI_S_TRANSPORT_FAILURE = 6,
	SCSI_S_TARGET_FAILURE = 7,
	SCSI_S_NEXUS_FAILURE = 8,
	SCSI_S_FAILURE = 9,
	SCSI_S_FUNCTION_SUCCEEDED = 10,
	SCSI_S_FUNCTION_REJECTED = 11,
	SCSI_S_INCORRECT_LUN = 12,
};

/* Sense: key, additional sense code and qualifier in one number.  SPC-4, section 4.5. */
#define SENSE(key, asc, ascq) ((uint32_t)(key) << 16 | (uint32_t)(asc) << 8 | (uint32_t)(ascq))

#define SENSE_NOT_PRESENT	  SENSE(0x2, 0x3a, 0x00)
#define SENSE_STOPPED		  SENSE(0x2, 0x04, 0x02)
#define SENSE_WRITE_ERROR	  SENSE(0x3, 0x0c, 0x00)
#define SENSE_READ_ERROR	  SENSE(0x3, 0x11, 0x00)
#define SENSE_TARGET_FAILURE	  SENSE(0x4, 0x44, 0x00)
#define SENSE_PARAMETER_LENGTH	  SENSE(0x5, 0x1a, 0x00)
#define SENSE_OPCODE		  SENSE(0x5, 0x20, 0x00)
#define SENSE_LBA		  SENSE(0x5, 0x21, 0x00)
#define SENSE_FIELD_IN_CDB	  SENSE(0x5, 0x24, 0x00)
#define SENSE_NO_UNIT		  SENSE(0x5, 0x25, 0x00)
#define SENSE_FIELD_IN_PARAMETERS SENSE(0x5, 0x26, 0x00)
#define SENSE_RELEASE		  SENSE(0x5, 0x26, 0x04)
#define SENSE_NO_SAVING		  SENSE(0x5, 0x39, 0x00)
#define SENSE_REMOVAL_PREVENTED	  SENSE(0x5, 0x53, 0x02)
#define SENSE_POWER_ON		  SENSE(0x6, 0x29, 0x00)
#define SENSE_RESET		  SENSE(0x6, 0x29, 0x03)
#define SENSE_NEXUS_LOSS	  SENSE(0x6, 0x29, 0x07)
#define SENSE_MEDIUM_CHANGED	  SENSE(0x6, 0x28, 0x00)
#define SENSE_CAPACITY		  SENSE(0x6, 0x2a, 0x09)
#define SENSE_LUNS_CHANGED	  SENSE(0x6, 0x3f, 0x0e)
#define SENSE_WRITE_PROTECTED	  SENSE(0x7, 0x27, 0x00)
#define SENSE_NO_SPACE		  SENSE(0x7, 0x27, 0x07)
#define SENSE_MISCOMPARE	  SENSE(0xe, 0x1d, 0x00)

/* Unit attentions that can wait, as bits, in the order in which they are told. */
enum {
	UA_POWER_ON = 1,
	UA_RESET = 2,
	UA_NEXUS_LOSS = 4,
	UA_CAPACITY = 8,
	UA_LUNS = 16,
	UA_MEDIUM = 32,
};

/* A persistent reservation: SPC-4, section 5.12.  There is one initiator port, the driver. */
struct scsi_reservation {
	bool registered, reserved, aptpl;
	uint8_t type;
	uint32_t generation;
	uint64_t key;
};

struct scsi;
struct scsi_command;
struct scsi_sg;

/* What a file has of them, twice, in sectors that are written in turn. */
#define SCSI_KEPT_AT	4096u /* bytes: where the second one is */
#define SCSI_KEPT_BYTES 8192

/* A logical unit. */
struct scsi_lun {
	/* of the operator */
	const char *path; /* NULL: simulated */
	char path_room[256], serial[33], vendor[9], product[17];
	char kept_path[256]; /* of the file that keeps reservations; "": there is none */
	uint64_t sim_size, block_option;
	bool passthrough; /* path is of a device that commands are passed to: sg=PATH */
	unsigned int timeout_ms;
	bool present; /* the driver sees it */
	bool read_only, thick, removable, rotational;
	unsigned int number;
	/* host */
	struct scsi *s;
	struct disk *disk;     /* NULL where there is sg */
	struct scsi_sg *sg;    /* NULL where there is a disk */
	struct disk *kept;     /* the file of reservations, or NULL */
	uint64_t kept_written; /* the number of what was written to it last */
	unsigned int block;
	uint64_t id; /* that no other has */
	/* guest */
	unsigned int attention; /* UA_* */
	bool no_cache, stopped, ejected, prevented;
	struct scsi_reservation pr, pr_next; /* next: what it will be when the file has it */
	struct disk_req kept_req;	     /* of a guest that has moved here */
	uint8_t kept_buf[DISK_SECTOR];
	bool kept_busy, kept_again; /* it is under way; and once more when it has ended */
	struct list tasks;   /* all that have begun or wait: by lun_node */
	struct list waiting; /* of them those that wait: by wait_node */
	unsigned int running;
	bool exclusive; /* what runs is alone */
	bool starting;	/* waiting tasks are being begun */
};

/* A command for a device of the host (scsi_sg.h), and what has become of it. */
struct scsi_sg_call {
	const uint8_t *cdb;
	size_t cdb_len;
	/* The data, len bytes in all: to the device (writes) or from it; none where len is 0. */
	const struct iovec *iov;
	unsigned int niov;
	size_t len;
	bool writes;
	unsigned int timeout_ms;
	/* After run has returned 0. */
	uint8_t status;	   /* of the device: SAM-5 */
	unsigned int host; /* DID_..., of the host's SCSI layer; 0: the device has answered */
	size_t residual;   /* bytes of len that were not transferred */
	size_t sense_len;  /* bytes */
	uint8_t sense[SCSI_SENSE_MAX];
};

/* A command under way. */
struct scsi_task {
	struct scsi *s;
	struct scsi_lun *lun; /* NULL: there is none */
	struct chain *chain;
	uint64_t tag;
	uint8_t attribute;
	bool well_known; /* addressed to the REPORT LUNS unit */
	bool busy;	 /* it has not been answered */
	uint8_t cdb[SCSI_CDB_MAX];
	size_t out_len, in_room; /* bytes of the driver's data, and of its room for ours */
	size_t in_len, out_used; /* bytes transferred */
	uint8_t status, response;
	uint32_t sense;
	bool has_info; /* sense information */
	uint64_t info;
	/* of commands that take their time */
	const struct scsi_command *command;
	void (*step)(struct scsi_task *t, int err); /* what comes when r is done */
	uint64_t lba, blocks, at;		    /* at: bytes done */
	unsigned int n, i;
	bool exclusive, running;
	bool marked;	 /* a task management function waits for it */
	uint8_t aborted; /* SCSI_S_ABORTED or RESET: by a task management function; 0: not */
	struct list lun_node, wait_node;
	/* of commands that are passed on */
	bool passed;
	int sg_err;
	void *bounce;
	/* What is behind here is not zeroed for each command, but for what the disk's owner fills in. */
	struct disk_req r;
	struct work work;
	struct scsi_sg_call call;
	uint8_t buf[SCSI_BUF] __attribute__((aligned(8)));
};

/* ---- scsi.c: the virtio side */

/* The logical unit of a number, or NULL; the n-th, in order of their numbers, or NULL. */
struct scsi_lun *scsi_lun_find(struct scsi *s, unsigned int number);
struct scsi_lun *scsi_lun_nth(struct scsi *s, unsigned int n);

struct vdev *scsi_vdev(struct scsi *s);

struct work_queue *scsi_workers(struct scsi *s);

/* Counts bytes of buffers that come (or go, where negative).  Returns how many there are. */
size_t scsi_bounced(struct scsi *s, ssize_t bytes);

/* A unit that was removed, and has nothing under way any more, is closed; others are left alone. */
void scsi_lun_left(struct scsi_lun *lun);

/* The task has ended as its members say: it is answered, and is nobody's any more. */
void scsi_task_end(struct scsi_task *t);

/* Reads len bytes of the driver's data, from where the last call ended.  Returns false where there are not so many. */
bool scsi_data_get(struct scsi_task *t, void *buf, size_t len);

/*
 * Ends the task with len bytes of parameters at buf, of which the driver takes alloc at most.  More than it has room
 * for is an overrun.
 */
void scsi_data_end(struct scsi_task *t, const void *buf, size_t len, size_t alloc);

/* ---- scsi_cmd.c: commands */

/* Begins a task: it is answered now or later. */
void scsi_task_begin(struct scsi_task *t);

/* A task that has run is over: those that waited for it begin.  For scsi_task_end. */
void scsi_task_left(struct scsi_task *t);

/* Begins what waits on a unit, as far as it can; nothing while lun->starting is set. */
void scsi_lun_go(struct scsi_lun *lun);

/* Ends the task well; with sense; with sense and the number that belongs to it. */
void scsi_end_good(struct scsi_task *t);
void scsi_end_sense(struct scsi_task *t, uint32_t sense);
void scsi_end_sense_info(struct scsi_task *t, uint32_t sense, uint64_t info);

/* A unit is as after power-on. */
void scsi_lun_reset(struct scsi_lun *lun, unsigned int attention);

/* Writes sense data, in fixed or descriptor format, of at most 20 bytes.  Returns how many. */
size_t scsi_sense_put(uint8_t *buf, bool descriptor, uint32_t sense, bool has_info, uint64_t info);

/* Takes the next unit attention that waits.  Returns its sense, or 0. */
uint32_t scsi_attention_take(struct scsi_lun *lun);

/* A command.  usage: which bits of the CDB mean something (SPC-4, section 6.35.3). */
struct scsi_command {
	uint8_t opcode, len;
	int8_t action; /* service action; -1: the opcode has none */
	bool always;   /* also before a unit attention */
	bool medium;   /* only where there is a medium */
	bool writes, exclusive;
	bool thin; /* only where room can be given back */
	uint8_t usage[16];
	void (*run)(struct scsi_task *t);
};

extern const struct scsi_command scsi_commands[];

/* ---- scsi_info.c: commands that ask what there is */
void scsi_inquiry(struct scsi_task *t);
void scsi_report_luns(struct scsi_task *t);
void scsi_mode_sense(struct scsi_task *t);
void scsi_mode_select(struct scsi_task *t);
void scsi_log_sense(struct scsi_task *t);
void scsi_read_capacity(struct scsi_task *t);
void scsi_read_capacity16(struct scsi_task *t);
void scsi_report_opcodes(struct scsi_task *t);
void scsi_request_sense(struct scsi_task *t);

/* ---- scsi_io.c: commands that read and write */
void scsi_read(struct scsi_task *t);
void scsi_write(struct scsi_task *t);
void scsi_verify(struct scsi_task *t);
void scsi_write_verify(struct scsi_task *t);
void scsi_synchronize(struct scsi_task *t);
void scsi_write_same(struct scsi_task *t);
void scsi_unmap(struct scsi_task *t);
void scsi_compare_and_write(struct scsi_task *t);
void scsi_prefetch(struct scsi_task *t);
void scsi_lba_status(struct scsi_task *t);

/* The least and the most that is told of UNMAP and WRITE SAME, bytes; and the most blocks of COMPARE AND WRITE. */
#define SCSI_UNMAP_GRANULARITY 65536u
#define SCSI_SAME_MOST	       (1u << 30)
#define SCSI_UNMAP_RANGES      255u
#define SCSI_COMPARE_MOST(lun) (SCSI_BUF / (lun)->block)

/* ---- scsi_reserve.c: persistent reservations */

/* Opens the file that keeps a unit's, and takes what it has.  Returns 0, or -errno after a line; without one -ENOMEM.
 */
int scsi_kept_open(struct scsi_lun *lun, const struct disk_args *args);
/* Those that are kept outlive a reset of the device, others do not. */
void scsi_reserve_reset(struct scsi_lun *lun);
/* A guest has moved here with reservations that are to be kept: the file has them soon. */
void scsi_kept_write(struct scsi_lun *lun);

void scsi_reserve_in(struct scsi_task *t);
void scsi_reserve_out(struct scsi_task *t);

/* ---- numbers in CDBs and parameters: big-endian */
static inline uint64_t scsi_get(const uint8_t *p, unsigned int bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | *p++;
	return n;
}

static inline void scsi_put(uint8_t *p, unsigned int bytes, uint64_t n)
{
	while (bytes--) {
		p[bytes] = (uint8_t)n;
		n >>= 8;
	}
}

#endif
