/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_cmd.c - which commands there are, and when a task's turn is: SAM-5, section 5; SPC-4; SBC-3.
 */
#include "devices/scsi/scsi.h"

#include <string.h>

#include "devices/scsi/scsi_sg.h"

/* ---- sense */

size_t scsi_sense_put(uint8_t *buf, bool descriptor, uint32_t sense, bool has_info, uint64_t info)
{
	uint8_t key = (uint8_t)(sense >> 16), asc = (uint8_t)(sense >> 8), ascq = (uint8_t)sense;

	if (descriptor) {
		memset(buf, 0, 20);
		buf[0] = 0x72;
		buf[1] = key;
		buf[2] = asc;
		buf[3] = ascq;
		if (!has_info)
			return 8;
		buf[7] = 12;
		buf[9] = 10;
		buf[10] = 0x80;
		scsi_put(buf + 12, 8, info);
		return 20;
	}
	memset(buf, 0, 18);
	buf[0] = 0x70;
	buf[2] = key;
	buf[7] = 10;
	buf[12] = asc;
	buf[13] = ascq;
	if (has_info && info <= UINT32_MAX) {
		buf[0] |= 0x80;
		scsi_put(buf + 3, 4, info);
	}
	return 18;
}

uint32_t scsi_attention_take(struct scsi_lun *lun)
{
	static const uint32_t senses[] = {SENSE_POWER_ON, SENSE_RESET,	      SENSE_NEXUS_LOSS,
					  SENSE_CAPACITY, SENSE_LUNS_CHANGED, SENSE_MEDIUM_CHANGED};

	for (unsigned int i = 0; i < ARRAY_SIZE(senses); i++) {
		if (!(lun->attention & 1u << i))
			continue;
		lun->attention &= ~(1u << i);
		/* Power-on tells the resets before it, too. */
		if (senses[i] == SENSE_POWER_ON)
			lun->attention &= ~(unsigned int)(UA_RESET | UA_NEXUS_LOSS);
		return senses[i];
	}
	return 0;
}

void scsi_end_good(struct scsi_task *t)
{
	t->status = SCSI_GOOD;
	scsi_task_end(t);
}

void scsi_end_sense(struct scsi_task *t, uint32_t sense)
{
	t->status = SCSI_CHECK_CONDITION;
	t->sense = sense;
	scsi_task_end(t);
}

void scsi_end_sense_info(struct scsi_task *t, uint32_t sense, uint64_t info)
{
	t->has_info = true;
	t->info = info;
	scsi_end_sense(t, sense);
}

/* ---- short commands */

static void test_unit_ready(struct scsi_task *t)
{
	scsi_end_good(t);
}

static void start_stop(struct scsi_task *t)
{
	struct scsi_lun *lun = t->lun;
	bool start = t->cdb[4] & 1, load_eject = t->cdb[4] & 2;

	if (t->cdb[4] & 0xf0 || (load_eject && !lun->removable)) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return;
	}
	if (load_eject && !start && lun->prevented) {
		scsi_end_sense(t, SENSE_REMOVAL_PREVENTED);
		return;
	}
	lun->stopped = !start;
	if (load_eject) {
		if (lun->ejected && start)
			lun->attention |= UA_MEDIUM;
		lun->ejected = !start;
	}
	scsi_end_good(t);
}

static void prevent_allow(struct scsi_task *t)
{
	t->lun->prevented = t->cdb[4] & 1;
	scsi_end_good(t);
}

/* ---- what there is */

#define U4	0xff, 0xff, 0xff, 0xff
#define U8	U4, U4
#define CONTROL 0x04

const struct scsi_command scsi_commands[] = {
	{0x00, 6, -1, .medium = true, .usage = {0x00, 0, 0, 0, 0, CONTROL}, .run = test_unit_ready},
	{0x03, 6, -1, .always = true, .usage = {0x03, 1, 0, 0, 0xff, CONTROL}, .run = scsi_request_sense},
	{0x08, 6, -1, .medium = true, .usage = {0x08, 0x1f, 0xff, 0xff, 0xff, CONTROL}, .run = scsi_read},
	{0x0a, 6, -1, .medium = true, .writes = true, .usage = {0x0a, 0x1f, 0xff, 0xff, 0xff, CONTROL},
	 .run = scsi_write},
	{0x12, 6, -1, .always = true, .usage = {0x12, 1, 0xff, 0xff, 0xff, CONTROL}, .run = scsi_inquiry},
	{0x15, 6, -1, .usage = {0x15, 0x11, 0, 0, 0xff, CONTROL}, .run = scsi_mode_select},
	{0x1a, 6, -1, .usage = {0x1a, 0x08, 0xff, 0xff, 0xff, CONTROL}, .run = scsi_mode_sense},
	{0x1b, 6, -1, .usage = {0x1b, 1, 0, 0, 0x03, CONTROL}, .run = start_stop},
	{0x1e, 6, -1, .usage = {0x1e, 0, 0, 0, 1, CONTROL}, .run = prevent_allow},
	{0x25, 10, -1, .medium = true, .usage = {0x25, 0, 0, 0, 0, 0, 0, 0, 0, CONTROL}, .run = scsi_read_capacity},
	{0x28, 10, -1, .medium = true, .usage = {0x28, 0x18, U4, 0, 0xff, 0xff, CONTROL}, .run = scsi_read},
	{0x2a, 10, -1, .medium = true, .writes = true, .usage = {0x2a, 0x18, U4, 0, 0xff, 0xff, CONTROL},
	 .run = scsi_write},
	{0x2e, 10, -1, .medium = true, .writes = true, .usage = {0x2e, 0x12, U4, 0, 0xff, 0xff, CONTROL},
	 .run = scsi_write_verify},
	{0x2f, 10, -1, .medium = true, .usage = {0x2f, 0x12, U4, 0, 0xff, 0xff, CONTROL}, .run = scsi_verify},
	{0x34, 10, -1, .medium = true, .usage = {0x34, 0x02, U4, 0, 0xff, 0xff, CONTROL}, .run = scsi_prefetch},
	{0x35, 10, -1, .medium = true, .usage = {0x35, 0x02, U4, 0, 0xff, 0xff, CONTROL}, .run = scsi_synchronize},
	{0x41, 10, -1, .medium = true, .writes = true, .usage = {0x41, 0x08, U4, 0, 0xff, 0xff, CONTROL},
	 .run = scsi_write_same},
	{0x42, 10, -1, .medium = true, .writes = true, .thin = true,
	 .usage = {0x42, 0, 0, 0, 0, 0, 0, 0xff, 0xff, CONTROL}, .run = scsi_unmap},
	{0x4d, 10, -1, .usage = {0x4d, 0, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, CONTROL}, .run = scsi_log_sense},
	{0x55, 10, -1, .usage = {0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, CONTROL}, .run = scsi_mode_select},
	{0x5a, 10, -1, .usage = {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, CONTROL}, .run = scsi_mode_sense},
#define RESERVE_IN(action)                                                                                             \
	{                                                                                                              \
		0x5e, 10, action, .usage = {0x5e, action, 0, 0, 0, 0, 0, 0xff, 0xff, CONTROL}, .run = scsi_reserve_in  \
	}
	RESERVE_IN(0),
	RESERVE_IN(1),
	RESERVE_IN(2),
	RESERVE_IN(3),
#define RESERVE_OUT(action)                                                                                            \
	{                                                                                                              \
		0x5f, 10, action, .exclusive = true, .usage = {0x5f, action, 0xff, 0, 0, U4, CONTROL},                 \
				  .run = scsi_reserve_out                                                              \
	}
	RESERVE_OUT(0),
	RESERVE_OUT(1),
	RESERVE_OUT(2),
	RESERVE_OUT(3),
	RESERVE_OUT(4),
	RESERVE_OUT(5),
	RESERVE_OUT(6),
	{0x88, 16, -1, .medium = true, .usage = {0x88, 0x18, U8, U4, 0, CONTROL}, .run = scsi_read},
	{0x89, 16, -1, .medium = true, .writes = true, .exclusive = true,
	 .usage = {0x89, 0x18, U8, 0, 0, 0, 0xff, 0, CONTROL}, .run = scsi_compare_and_write},
	{0x8a, 16, -1, .medium = true, .writes = true, .usage = {0x8a, 0x18, U8, U4, 0, CONTROL}, .run = scsi_write},
	{0x8e, 16, -1, .medium = true, .writes = true, .usage = {0x8e, 0x12, U8, U4, 0, CONTROL},
	 .run = scsi_write_verify},
	{0x8f, 16, -1, .medium = true, .usage = {0x8f, 0x12, U8, U4, 0, CONTROL}, .run = scsi_verify},
	{0x90, 16, -1, .medium = true, .usage = {0x90, 0x02, U8, U4, 0, CONTROL}, .run = scsi_prefetch},
	{0x91, 16, -1, .medium = true, .usage = {0x91, 0x02, U8, U4, 0, CONTROL}, .run = scsi_synchronize},
	{0x93, 16, -1, .medium = true, .writes = true, .usage = {0x93, 0x09, U8, U4, 0, CONTROL},
	 .run = scsi_write_same},
	{0x9e, 16, 0x10, .medium = true, .usage = {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, U4, 0, CONTROL},
	 .run = scsi_read_capacity16},
	{0x9e, 16, 0x12, .medium = true, .thin = true, .usage = {0x9e, 0x12, U8, U4, 0, CONTROL},
	 .run = scsi_lba_status},
	{0xa0, 12, -1, .always = true, .usage = {0xa0, 0, 0xff, 0, 0, 0, U4, 0, CONTROL}, .run = scsi_report_luns},
	{0xa3, 12, 0x0c, .usage = {0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, U4, 0, CONTROL}, .run = scsi_report_opcodes},
	{0xa8, 12, -1, .medium = true, .usage = {0xa8, 0x18, U4, U4, 0, CONTROL}, .run = scsi_read},
	{0xaa, 12, -1, .medium = true, .writes = true, .usage = {0xaa, 0x18, U4, U4, 0, CONTROL}, .run = scsi_write},
	{0xae, 12, -1, .medium = true, .writes = true, .usage = {0xae, 0x12, U4, U4, 0, CONTROL},
	 .run = scsi_write_verify},
	{0xaf, 12, -1, .medium = true, .usage = {0xaf, 0x12, U4, U4, 0, CONTROL}, .run = scsi_verify},
	{0},
};

/* Finds a task's command.  Returns 0, or sense. */
static uint32_t command_find(struct scsi_task *t)
{
	bool opcode = false;

	for (const struct scsi_command *k = scsi_commands; k->run; k++) {
		if (k->opcode != t->cdb[0] ||
		    (k->thin && t->lun && (t->lun->thick || !disk_info(t->lun->disk)->discards)))
			continue;
		opcode = true;
		if (k->action >= 0 && (t->cdb[1] & 0x1f) != k->action)
			continue;
		t->command = k;
		return 0;
	}
	return opcode ? SENSE_FIELD_IN_CDB : SENSE_OPCODE;
}

/* What a command that asks where there is no unit is told: SPC-4, section 4.4. */
static void no_unit_begin(struct scsi_task *t)
{
	if (t->cdb[0] == 0x12)
		scsi_inquiry(t);
	else if (t->cdb[0] == 0xa0)
		scsi_report_luns(t);
	else if (t->cdb[0] == 0x03)
		scsi_request_sense(t);
	else if (t->well_known && t->cdb[0] == 0x00)
		scsi_end_good(t);
	else
		scsi_end_sense(t, t->well_known ? SENSE_OPCODE : SENSE_NO_UNIT);
}

/*
 * The same for a device of the host: it has a say itself.  Only which units there are is not its business, nor which
 * attentions come from here.
 */
static uint32_t passed_check(struct scsi_task *t)
{
	uint8_t opcode = t->cdb[0];

	if (opcode == 0xa0)
		return command_find(t);
	t->command = &scsi_sg_command;
	return opcode != 0x12 && opcode != 0x03 ? scsi_attention_take(t->lun) : 0;
}

/* What keeps a command from being carried out, as sense; or 0. */
static uint32_t command_check(struct scsi_task *t)
{
	const struct scsi_command *k;
	struct scsi_lun *lun = t->lun;
	uint32_t sense = command_find(t);

	if ((sense || !t->command->always) && lun->attention)
		return scsi_attention_take(lun);
	if (sense)
		return sense;
	k = t->command;
	/* NACA: there is no auto contingent allegiance. */
	if (t->cdb[k->len - 1] & 0x04)
		return SENSE_FIELD_IN_CDB;
	/* A disk that was cut short to less than a block is as if it were not there. */
	if (k->medium && (lun->ejected || disk_info(lun->disk)->size < lun->block))
		return SENSE_NOT_PRESENT;
	if (k->medium && lun->stopped)
		return SENSE_STOPPED;
	return k->writes && lun->read_only ? SENSE_WRITE_PROTECTED : 0;
}

/* ---- turns */

static bool can_run(const struct scsi_lun *lun, const struct scsi_task *t)
{
	return !lun->exclusive && !(t->exclusive && lun->running);
}

static void task_run(struct scsi_task *t)
{
	t->running = true;
	t->lun->running++;
	t->lun->exclusive = t->exclusive;
	t->command->run(t);
}

void scsi_lun_go(struct scsi_lun *lun)
{
	struct list *first;

	if (lun->starting)
		return;
	lun->starting = true;
	while ((first = list_first(&lun->waiting))) {
		struct scsi_task *next = container_of(first, struct scsi_task, wait_node);

		if (!can_run(lun, next))
			break;
		list_remove(first);
		task_run(next);
	}
	lun->starting = false;
}

void scsi_task_left(struct scsi_task *t)
{
	struct scsi_lun *lun = t->lun;

	list_remove(&t->lun_node);
	list_remove(&t->wait_node);
	if (t->running) {
		t->running = false;
		lun->running--;
		lun->exclusive = false;
	}
	scsi_lun_go(lun);
}

/* SAM-5, section 8.8: SIMPLE 0, ORDERED 1, HEAD OF QUEUE 2; the standard's numbers are VIRTIO's. */
void scsi_task_begin(struct scsi_task *t)
{
	struct scsi_lun *lun = t->lun;
	uint32_t sense;

	if (!lun) {
		no_unit_begin(t);
		return;
	}
	list_put_last(&lun->tasks, &t->lun_node);
	sense = lun->sg ? passed_check(t) : command_check(t);
	if (sense) {
		scsi_end_sense(t, sense);
		return;
	}
	t->exclusive = t->command->exclusive || t->attribute == 1;
	if (can_run(lun, t) && (list_empty(&lun->waiting) || t->attribute == 2))
		task_run(t);
	else if (t->attribute == 2)
		list_put_first(&lun->waiting, &t->wait_node);
	else
		list_put_last(&lun->waiting, &t->wait_node);
}

void scsi_lun_reset(struct scsi_lun *lun, unsigned int attention)
{
	lun->attention |= attention;
	lun->no_cache = lun->stopped = lun->prevented = false;
}
