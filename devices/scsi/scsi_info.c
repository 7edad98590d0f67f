/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_info.c - commands that ask what there is: SPC-4, sections 6 and 7; SBC-3, sections 5 and 6.
 */
#include "devices/scsi/scsi.h"

#include <stdio.h>
#include <string.h>

#include "config.h"

/* Puts text, padded with spaces. */
static void put_text(uint8_t *p, size_t size, const char *text)
{
	size_t len = strnlen(text, size);

	memcpy(p, text, len);
	memset(p + len, ' ', size - len);
}

/* ---- INQUIRY */

/* Each page is written behind its head of 4 bytes; returned is how many bytes. */

static size_t page_supported(const struct scsi_lun *lun, uint8_t *p)
{
	static const uint8_t pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};

	memcpy(p, pages, sizeof(pages));
	return sizeof(pages);
}

static size_t page_serial(const struct scsi_lun *lun, uint8_t *p)
{
	size_t len = strlen(lun->serial);

	memcpy(p, lun->serial, len);
	return len;
}

/* Device identification: NAA, locally assigned; and the vendor's. */
static size_t page_identification(const struct scsi_lun *lun, uint8_t *p)
{
	size_t len = strlen(lun->serial);

	p[0] = 0x01;
	p[1] = 0x03;
	p[3] = 8;
	scsi_put(p + 4, 8, lun->id);
	p[4] = (uint8_t)(0x30 | (p[4] & 0x0f));
	p[12] = 0x02;
	p[13] = 0x01;
	p[15] = (uint8_t)(8 + len);
	put_text(p + 16, 8, lun->vendor);
	memcpy(p + 24, lun->serial, len);
	return 24 + len;
}

static bool is_thin(const struct scsi_lun *lun)
{
	return !lun->thick && disk_info(lun->disk)->discards;
}

static size_t page_limits(const struct scsi_lun *lun, uint8_t *p)
{
	const struct disk_info *info = disk_info(lun->disk);
	unsigned int granularity = SCSI_UNMAP_GRANULARITY > info->physical ? SCSI_UNMAP_GRANULARITY : info->physical;

	p[0] = 1; /* WSNZ */
	p[1] = (uint8_t)SCSI_COMPARE_MOST(lun);
	scsi_put(p + 2, 2, min_u64(info->min_io / lun->block, UINT16_MAX));
	scsi_put(p + 8, 4, info->opt_io / lun->block);
	if (is_thin(lun)) {
		scsi_put(p + 16, 4, SCSI_SAME_MOST / lun->block);
		scsi_put(p + 20, 4, SCSI_UNMAP_RANGES);
		scsi_put(p + 24, 4, granularity / lun->block);
		p[28] = 0x80; /* UGAVALID: aligned to 0 */
	}
	scsi_put(p + 32, 8, SCSI_SAME_MOST / lun->block);
	return 60;
}

static size_t page_characteristics(const struct scsi_lun *lun, uint8_t *p)
{
	scsi_put(p, 2, lun->rotational || disk_info(lun->disk)->rotational ? 7200 : 1);
	return 60;
}

static size_t page_provisioning(const struct scsi_lun *lun, uint8_t *p)
{
	if (is_thin(lun)) {
		p[1] = 0x80 | 0x40 | 0x20 | 0x04; /* LBPU, LBPWS, LBPWS10, LBPRZ */
		p[2] = 2;			  /* thin */
	}
	return 4;
}

static void inquiry_page(struct scsi_task *t, size_t alloc)
{
	static const struct {
		uint8_t page;
		size_t (*put)(const struct scsi_lun *lun, uint8_t *p);
	} pages[] = {
		{0x00, page_supported}, {0x80, page_serial},	      {0x83, page_identification},
		{0xb0, page_limits},	{0xb1, page_characteristics}, {0xb2, page_provisioning},
	};
	size_t len;

	for (size_t i = 0; t->lun && i < ARRAY_SIZE(pages); i++) {
		if (pages[i].page != t->cdb[2])
			continue;
		memset(t->buf, 0, 256);
		len = pages[i].put(t->lun, t->buf + 4);
		t->buf[1] = t->cdb[2];
		scsi_put(t->buf + 2, 2, len);
		scsi_data_end(t, t->buf, 4 + len, alloc);
		return;
	}
	scsi_end_sense(t, SENSE_FIELD_IN_CDB);
}

void scsi_inquiry(struct scsi_task *t)
{
	static const uint16_t versions[] = {0x00a0, 0x0460, 0x04c0}; /* SAM-5, SPC-4, SBC-3 */
	size_t alloc = (size_t)scsi_get(t->cdb + 3, 2);
	uint8_t *p = t->buf;

	if (t->cdb[1] & 1 && t->lun) {
		inquiry_page(t, alloc);
		return;
	}
	if (t->cdb[1] & 3 || t->cdb[2]) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return;
	}
	memset(p, 0, 96);
	p[0] = t->lun ? 0x00 : t->well_known ? 0x1e : 0x7f;
	p[1] = t->lun && t->lun->removable ? 0x80 : 0;
	p[2] = 6;
	p[3] = 0x12; /* HISUP, the format of SPC-4 */
	p[4] = 91;
	p[7] = 0x02; /* CMDQUE */
	put_text(p + 8, 8, t->lun ? t->lun->vendor : "VDEVD");
	put_text(p + 16, 16, t->lun ? t->lun->product : "");
	put_text(p + 32, 4, VDEVD_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		scsi_put(p + 58 + 2 * i, 2, versions[i]);
	scsi_data_end(t, p, 96, alloc);
}

/* ---- REPORT LUNS */

void scsi_report_luns(struct scsi_task *t)
{
	uint8_t select = t->cdb[2];
	size_t alloc = (size_t)scsi_get(t->cdb + 6, 4), len = 8;
	struct scsi_lun *lun;

	if (select > 2 && select != 0x10 && select != 0x11 && select != 0x12) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return;
	}
	memset(t->buf, 0, 16);
	if (select == 1 || select == 2) {
		t->buf[8] = 0xc1;
		t->buf[9] = 0x01;
		len += 8;
	}
	for (unsigned int i = 0; select != 1 && select < 0x10 && (lun = scsi_lun_nth(t->s, i)); i++) {
		memset(t->buf + len, 0, 8);
		/* Peripheral addressing as far as it goes, then flat: SAM-5, section 4.7.7. */
		scsi_put(t->buf + len, 2, lun->number > 255 ? 0x4000u | lun->number : lun->number);
		len += 8;
		lun->attention &= ~(unsigned int)UA_LUNS;
	}
	scsi_put(t->buf, 4, len - 8);
	scsi_data_end(t, t->buf, len, alloc);
}

/* ---- MODE SENSE, MODE SELECT */

/* A page's bytes behind its head, of which those in changes can be changed. */
struct mode_page {
	uint8_t page, len;
	uint8_t defaults[20], changes[20];
};

#define WCE 0x04

static const struct mode_page mode_pages[] = {
	{0x01, 10, {0x80}, {0}},			       /* read-write error recovery: AWRE */
	{0x08, 18, {WCE}, {WCE}},			       /* caching */
	{0x0a, 10, {0x02, 0x10, 0, 0, 0, 0, 0xff, 0xff}, {0}}, /* control: GLTSD; restricted reordering is not */
	{0x1c, 10, {0x08}, {0}},			       /* informational exceptions: DEXCPT */
};

/* Puts a page as it is now (0), what can be changed (1), as it is at first (2).  Returns its bytes. */
static size_t mode_page_put(const struct scsi_lun *lun, const struct mode_page *m, unsigned int control, uint8_t *p)
{
	p[0] = m->page;
	p[1] = m->len;
	memcpy(p + 2, control == 1 ? m->changes : m->defaults, m->len);
	if (m->page == 0x08 && control == 0 && lun->no_cache)
		p[2] &= (uint8_t)~WCE;
	return 2 + m->len;
}

/* Puts the block descriptor.  Returns its bytes. */
static size_t mode_block_put(const struct scsi_lun *lun, bool is_long, uint8_t *p)
{
	uint64_t blocks = disk_info(lun->disk)->size / lun->block;

	memset(p, 0, 16);
	if (is_long) {
		scsi_put(p, 8, blocks);
		scsi_put(p + 12, 4, lun->block);
		return 16;
	}
	scsi_put(p, 4, min_u64(blocks, UINT32_MAX));
	scsi_put(p + 5, 3, lun->block);
	return 8;
}

void scsi_mode_sense(struct scsi_task *t)
{
	bool ten = t->cdb[0] == 0x5a;
	unsigned int control = t->cdb[2] >> 6, page = t->cdb[2] & 0x3f, sub = t->cdb[3];
	size_t head = ten ? 8 : 4, len = head, block = 0;
	bool found = page == 0x3f;

	if (sub && sub != 0xff) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return;
	}
	if (control == 3) {
		scsi_end_sense(t, SENSE_NO_SAVING);
		return;
	}
	memset(t->buf, 0, 256);
	if (!(t->cdb[1] & 0x08))
		block = mode_block_put(t->lun, ten && t->cdb[1] & 0x10, t->buf + head);
	len += block;
	for (size_t i = 0; i < ARRAY_SIZE(mode_pages); i++) {
		if (page != 0x3f && page != mode_pages[i].page)
			continue;
		found = true;
		len += mode_page_put(t->lun, &mode_pages[i], control, t->buf + len);
	}
	if (!found) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return;
	}
	scsi_put(t->buf, ten ? 2 : 1, len - (ten ? 2 : 1));
	t->buf[ten ? 3 : 2] = (uint8_t)((t->lun->read_only ? 0x80 : 0) | 0x10); /* WP, DPOFUA */
	if (ten && block == 16)
		t->buf[4] = 1;
	t->buf[ten ? 7 : 3] = (uint8_t)block;
	scsi_data_end(t, t->buf, len, ten ? (size_t)scsi_get(t->cdb + 7, 2) : t->cdb[4]);
}

/* Looks whether a page that the driver sends changes nothing but what can be.  Returns it, or NULL. */
static const struct mode_page *mode_page_check(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(mode_pages); i++) {
		const struct mode_page *m = &mode_pages[i];

		if ((p[0] & 0x3f) != m->page || p[0] & 0x40 || p[1] != m->len || len < 2u + m->len)
			continue;
		for (unsigned int b = 0; b < m->len; b++) {
			if ((p[2 + b] ^ m->defaults[b]) & ~m->changes[b])
				return NULL;
		}
		return m;
	}
	return NULL;
}

/* Looks whether the block descriptor that the driver sends, if any, changes nothing.  Returns 0 or sense. */
static uint32_t mode_block_check(const struct scsi_lun *lun, const uint8_t *p, size_t len, bool is_long)
{
	uint64_t blocks, all = disk_info(lun->disk)->size / lun->block, size;

	if (!len)
		return 0;
	if (len != (is_long ? 16 : 8))
		return SENSE_FIELD_IN_PARAMETERS;
	blocks = scsi_get(p, is_long ? 8 : 4);
	size = scsi_get(p + (is_long ? 12 : 5), is_long ? 4 : 3);
	/* 0, or all that can be: the number stays; as the short one tells it, too. */
	if (blocks && blocks != all && !(blocks == UINT32_MAX && all > UINT32_MAX) && blocks != UINT64_MAX)
		return SENSE_FIELD_IN_PARAMETERS;
	return size == lun->block ? 0 : SENSE_FIELD_IN_PARAMETERS;
}

void scsi_mode_select(struct scsi_task *t)
{
	bool ten = t->cdb[0] == 0x55;
	size_t len = ten ? (size_t)scsi_get(t->cdb + 7, 2) : t->cdb[4], at = ten ? 8 : 4, block;
	bool no_cache = t->lun->no_cache;
	uint32_t sense;

	if (!(t->cdb[1] & 0x10) || t->cdb[1] & 0x01) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return;
	}
	if (!len) {
		scsi_end_good(t);
		return;
	}
	if (len < at || len > SCSI_BUF || len > t->out_len) {
		scsi_end_sense(t, SENSE_PARAMETER_LENGTH);
		return;
	}
	scsi_data_get(t, t->buf, len);
	block = ten ? (size_t)scsi_get(t->buf + 6, 2) : t->buf[3];
	sense = block > len - at ? SENSE_PARAMETER_LENGTH
				 : mode_block_check(t->lun, t->buf + at, block, ten && t->buf[4] & 1);
	if (sense) {
		scsi_end_sense(t, sense);
		return;
	}
	at += block;
	while (at < len) {
		const struct mode_page *m = len - at >= 2 ? mode_page_check(t->buf + at, len - at) : NULL;

		if (!m) {
			scsi_end_sense(t, len - at < 2 ? SENSE_PARAMETER_LENGTH : SENSE_FIELD_IN_PARAMETERS);
			return;
		}
		if (m->page == 0x08)
			no_cache = !(t->buf[at + 2] & WCE);
		at += 2u + m->len;
	}
	t->lun->no_cache = no_cache;
	scsi_end_good(t);
}

void scsi_log_sense(struct scsi_task *t)
{
	static const uint8_t pages[] = {0x00, 0, 0, 2, 0x00, 0x2f};
	static const uint8_t exceptions[] = {0x2f, 0, 0, 8, 0, 0, 0x03, 4, 0, 0, 0, 0};
	size_t alloc = (size_t)scsi_get(t->cdb + 7, 2);
	uint8_t page = t->cdb[2] & 0x3f;

	if (t->cdb[1] & 3 || t->cdb[3] || (page != 0x00 && page != 0x2f))
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
	else if (page)
		scsi_data_end(t, exceptions, sizeof(exceptions), alloc);
	else
		scsi_data_end(t, pages, sizeof(pages), alloc);
}

/* ---- READ CAPACITY */

void scsi_read_capacity(struct scsi_task *t)
{
	uint64_t last = disk_info(t->lun->disk)->size / t->lun->block - 1;

	/* PMI and an address are obsolete. */
	if (t->cdb[8] & 1 || scsi_get(t->cdb + 2, 4)) {
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
		return;
	}
	scsi_put(t->buf, 4, min_u64(last, UINT32_MAX));
	scsi_put(t->buf + 4, 4, t->lun->block);
	scsi_data_end(t, t->buf, 8, 8);
}

void scsi_read_capacity16(struct scsi_task *t)
{
	const struct disk_info *info = disk_info(t->lun->disk);
	unsigned int exponent = 0;

	while (t->lun->block << (exponent + 1) <= info->physical)
		exponent++;
	memset(t->buf, 0, 32);
	scsi_put(t->buf, 8, info->size / t->lun->block - 1);
	scsi_put(t->buf + 8, 4, t->lun->block);
	t->buf[13] = (uint8_t)exponent;
	t->buf[14] = is_thin(t->lun) ? 0xc0 : 0; /* LBPME, LBPRZ */
	scsi_data_end(t, t->buf, 32, (size_t)scsi_get(t->cdb + 10, 4));
}

/* ---- REPORT SUPPORTED OPERATION CODES */

static bool is_known(const struct scsi_task *t, const struct scsi_command *k)
{
	return !k->thin || is_thin(t->lun);
}

/* All of them, eight bytes each; with RCTD twelve more: no timeouts are said. */
static void report_all(struct scsi_task *t, bool timeouts, size_t alloc)
{
	size_t len = 4;

	for (const struct scsi_command *k = scsi_commands; k->run; k++) {
		uint8_t *p = t->buf + len;

		if (!is_known(t, k))
			continue;
		memset(p, 0, 20);
		p[0] = k->opcode;
		scsi_put(p + 2, 2, k->action >= 0 ? (uint64_t)k->action : 0);
		p[5] = (uint8_t)((timeouts ? 2 : 0) | (k->action >= 0));
		scsi_put(p + 6, 2, k->len);
		if (timeouts)
			scsi_put(p + 8, 2, 10);
		len += timeouts ? 20 : 8;
	}
	scsi_put(t->buf, 4, len - 4);
	scsi_data_end(t, t->buf, len, alloc);
}

static void report_one(struct scsi_task *t, const struct scsi_command *k, bool timeouts, size_t alloc)
{
	size_t len = 4;

	memset(t->buf, 0, 40);
	t->buf[1] = (uint8_t)((k ? 3 : 1) | (k && timeouts ? 0x80 : 0));
	if (k) {
		scsi_put(t->buf + 2, 2, k->len);
		memcpy(t->buf + 4, k->usage, k->len);
		len += k->len;
	}
	if (k && timeouts) {
		scsi_put(t->buf + len, 2, 10);
		len += 12;
	}
	scsi_data_end(t, t->buf, len, alloc);
}

void scsi_report_opcodes(struct scsi_task *t)
{
	unsigned int options = t->cdb[2] & 7, action = (unsigned int)scsi_get(t->cdb + 4, 2);
	bool timeouts = t->cdb[2] & 0x80, has_actions = false;
	const struct scsi_command *k, *found = NULL;
	size_t alloc = (size_t)scsi_get(t->cdb + 6, 4);

	if (options == 0) {
		report_all(t, timeouts, alloc);
		return;
	}
	for (k = scsi_commands; k->run; k++) {
		if (k->opcode != t->cdb[3] || !is_known(t, k))
			continue;
		has_actions = k->action >= 0;
		if (!has_actions || (unsigned int)k->action == action)
			found = k;
	}
	/* 1: an opcode that has no actions; 2: one that has them; 3: either. */
	if (options > 3 || (options == 1 && has_actions) || (options == 2 && found && !has_actions))
		scsi_end_sense(t, SENSE_FIELD_IN_CDB);
	else
		report_one(t, found && (has_actions || !action || options == 1) ? found : NULL, timeouts, alloc);
}

/* ---- REQUEST SENSE */

void scsi_request_sense(struct scsi_task *t)
{
	uint32_t sense = 0;
	size_t len;

	if (!t->lun)
		sense = t->well_known ? 0 : SENSE_NO_UNIT;
	else if (t->lun->attention)
		sense = scsi_attention_take(t->lun);
	else if (t->lun->ejected)
		sense = SENSE_NOT_PRESENT;
	else if (t->lun->stopped)
		sense = SENSE_STOPPED;
	len = scsi_sense_put(t->buf, t->cdb[1] & 1, sense, false, 0);
	scsi_data_end(t, t->buf, len, t->cdb[4]);
}
