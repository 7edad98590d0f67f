/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_reserve.c - persistent reservations: SPC-4, sections 5.12, 6.13, 6.14.
 *
 * There is one I_T nexus, the driver's.  So a reservation keeps nobody else off, and what can go wrong is a wrong key.
 */
#include "devices/scsi/scsi.h"

#include <string.h>

enum { READ_KEYS, READ_RESERVATION, REPORT_CAPABILITIES, READ_FULL_STATUS };
enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE };

/* Types of reservations, as bits of a number. */
#define TYPES (1u << 1 | 1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8)

static size_t keys_put(const struct scsi_reservation *pr, uint8_t *p)
{
	scsi_put(p, 4, pr->generation);
	scsi_put(p + 4, 4, pr->registered ? 8 : 0);
	scsi_put(p + 8, 8, pr->key);
	return pr->registered ? 16 : 8;
}

static bool is_for_all(const struct scsi_reservation *pr)
{
	return pr->type == 7 || pr->type == 8;
}

static size_t reservation_put(const struct scsi_reservation *pr, uint8_t *p)
{
	scsi_put(p, 4, pr->generation);
	if (!pr->reserved)
		return 8;
	scsi_put(p + 4, 4, 16);
	scsi_put(p + 8, 8, is_for_all(pr) ? 0 : pr->key);
	p[21] = pr->type;
	return 24;
}

static size_t capabilities_put(const struct scsi_reservation *pr, uint8_t *p)
{
	scsi_put(p, 2, 8);
	p[3] = 0x80; /* TMV */
	p[4] = 0xea; /* types 1, 3, 5, 6, 7 */
	p[5] = 0x01; /* type 8 */
	return 8;
}

static size_t full_status_put(const struct scsi_reservation *pr, uint8_t *p)
{
	static const char name[] = "virtio-scsi";

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
	static size_t (*const put[])(const struct scsi_reservation *pr, uint8_t *p) = {
		[READ_KEYS] = keys_put,
		[READ_RESERVATION] = reservation_put,
		[REPORT_CAPABILITIES] = capabilities_put,
		[READ_FULL_STATUS] = full_status_put,
	};
	size_t len;

	memset(t->buf, 0, 64);
	len = put[t->cdb[1] & 0x1f](&t->lun->pr, t->buf);
	scsi_data_end(t, t->buf, len, (size_t)scsi_get(t->cdb + 7, 2));
}

static void conflict(struct scsi_task *t)
{
	t->status = SCSI_RESERVATION_CONFLICT;
	scsi_task_end(t);
}

static void forget(struct scsi_reservation *pr)
{
	pr->registered = pr->reserved = false;
	pr->key = 0;
	pr->type = 0;
}

static void out_register(struct scsi_task *t, uint64_t key, uint64_t action_key)
{
	struct scsi_reservation *pr = &t->lun->pr;
	bool ignore = (t->cdb[1] & 0x1f) == REGISTER_AND_IGNORE;

	if (!ignore && key != pr->key) {
		conflict(t);
		return;
	}
	if (action_key) {
		pr->registered = true;
		pr->key = action_key;
	} else {
		forget(pr);
	}
	pr->generation++;
	scsi_end_good(t);
}

static void out_reserve(struct scsi_task *t, uint8_t type)
{
	struct scsi_reservation *pr = &t->lun->pr;

	if (pr->reserved && pr->type != type) {
		conflict(t);
		return;
	}
	pr->reserved = true;
	pr->type = type;
	scsi_end_good(t);
}

static void out_release(struct scsi_task *t, uint8_t type)
{
	struct scsi_reservation *pr = &t->lun->pr;

	if (pr->reserved && pr->type != type) {
		scsi_end_sense(t, SENSE_RELEASE);
		return;
	}
	pr->reserved = false;
	pr->type = 0;
	scsi_end_good(t);
}

/* Who is preempted can only be the one that there is: then it is its own registration that goes, unless it is kept. */
static void out_preempt(struct scsi_task *t, uint8_t type, uint64_t action_key)
{
	struct scsi_reservation *pr = &t->lun->pr;

	if (action_key != pr->key && !(action_key == 0 && pr->reserved && is_for_all(pr))) {
		if (action_key)
			conflict(t);
		else
			scsi_end_sense(t, SENSE_FIELD_IN_PARAMETERS);
		return;
	}
	if (pr->reserved)
		pr->type = type;
	pr->generation++;
	scsi_end_good(t);
}

void scsi_reserve_out(struct scsi_task *t)
{
	struct scsi_reservation *pr = &t->lun->pr;
	unsigned int action = t->cdb[1] & 0x1f;
	uint8_t type = t->cdb[2] & 0x0f, param[24];
	uint64_t key;
	bool reserves = action == RESERVE || action == RELEASE || action == PREEMPT || action == PREEMPT_AND_ABORT;

	if (reserves && (t->cdb[2] >> 4 || !(TYPES & 1u << type))) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return;
	}
	if (scsi_get(t->cdb + 5, 4) != sizeof(param) || !scsi_data_get(t, param, sizeof(param))) {
		scsi_end_sense(t, SENSE_PARAMETER_LENGTH);
		return;
	}
	/* SPEC_I_PT, ALL_TG_PT, APTPL: there is one port, and nothing outlives a loss of power. */
	if (param[20] & 0x0d && (action == REGISTER || action == REGISTER_AND_IGNORE)) {
		scsi_end_sense(t, SENSE_FIELD_IN_PARAMETERS);
		return;
	}
	key = scsi_get(param, 8);
	if (action != REGISTER && action != REGISTER_AND_IGNORE && (!pr->registered || key != pr->key)) {
		conflict(t);
		return;
	}
	switch (action) {
	case RESERVE:
		out_reserve(t, type);
		break;
	case RELEASE:
		out_release(t, type);
		break;
	case CLEAR:
		forget(pr);
		pr->generation++;
		scsi_end_good(t);
		break;
	case PREEMPT:
	case PREEMPT_AND_ABORT:
		out_preempt(t, type, scsi_get(param + 8, 8));
		break;
	default:
		out_register(t, key, scsi_get(param + 8, 8));
	}
}
