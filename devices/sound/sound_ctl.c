/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_ctl.c - control elements: VIRTIO 1.4, section 5.14.6.10.
 */
#include <errno.h>
#include <string.h>

#include "devices/sound/sound.h"

enum {
	R_CTL_ENUM_ITEMS = 0x301,
	R_CTL_READ,
	R_CTL_WRITE,
	R_CTL_TLV_READ,
	R_CTL_TLV_WRITE,
	R_CTL_TLV_COMMAND,
};

/* The status stands before what is answered. */
#define HEAD sizeof(le32)

struct ctl_info {
	le32 nid, role, type, access, count, index;
	uint8_t name[44];
	union {
		struct {
			le32 min, max, step;
		} integer;
		struct {
			le64 min, max, step;
		} integer64;
		struct {
			le32 items;
		} enumerated;
	} value;
} __attribute__((packed));

/* All elements have the same room for their value. */
#define VALUE_SIZE 512

_Static_assert(sizeof(struct ctl_info) == SOUND_CTL_INFO_SIZE, "struct virtio_snd_ctl_info");

/* How the values of a type lie. */
static const struct {
	uint16_t most; /* values */
	uint8_t bytes; /* of one; 0: bytes as they are */
} types[SOUND_CTL_TYPES] = {
	[SOUND_CTL_BOOLEAN] = {128, 4},	   [SOUND_CTL_INTEGER] = {128, 4}, [SOUND_CTL_INTEGER64] = {64, 8},
	[SOUND_CTL_ENUMERATED] = {128, 4}, [SOUND_CTL_BYTES] = {512, 0},   [SOUND_CTL_IEC958] = {1, 0},
};

/* What the host says of an element, made fit for the standard's limits. */
static int info_get(struct sound *s, unsigned int id, struct sound_ctl_info *info)
{
	int err = s->ctls_ops->info(s->ctls, id, info);

	if (err)
		return err;
	if (info->type >= SOUND_CTL_TYPES || !info->count || info->count > types[info->type].most)
		return -EIO;
	return 0;
}

/*
 * Linux' driver takes numbers of 32 bits for unsigned ones.  So an element that goes below 0 begins at 0 for the guest;
 * scales go by the distance from the begin.
 */
static int64_t shift_of(const struct sound_ctl_info *info)
{
	return info->type == SOUND_CTL_INTEGER && info->min < 0 ? info->min : 0;
}

bool sound_ctl_info(struct sound *s, unsigned int id, uint8_t out[static SOUND_CTL_INFO_SIZE])
{
	struct sound_ctl_info host;
	struct ctl_info info = {0};

	if (info_get(s, id, &host) < 0)
		return false;
	info.role = htole32(host.role ? (uint32_t)host.role << 1 | host.capture : 0);
	info.type = htole32(host.type);
	info.access = htole32(host.access);
	info.count = htole32(host.count);
	info.index = htole32(host.index);
	memcpy(info.name, host.name, strnlen(host.name, sizeof(info.name) - 1));
	if (host.type == SOUND_CTL_INTEGER64) {
		info.value.integer64.min = htole64((uint64_t)host.min);
		info.value.integer64.max = htole64((uint64_t)host.max);
		info.value.integer64.step = htole64((uint64_t)host.step);
	} else if (host.type == SOUND_CTL_BOOLEAN || host.type == SOUND_CTL_INTEGER) {
		info.value.integer.min = htole32((uint32_t)(host.min - shift_of(&host)));
		info.value.integer.max = htole32((uint32_t)(host.max - shift_of(&host)));
		info.value.integer.step = htole32((uint32_t)host.step);
	} else if (host.type == SOUND_CTL_ENUMERATED) {
		info.value.enumerated.items = htole32(host.items);
	}
	memcpy(out, &info, sizeof(info));
	return true;
}

static uint32_t enum_items(struct sound *s, unsigned int id, const struct sound_ctl_info *info, struct chain *c,
			   size_t *size)
{
	char name[64];

	if (info->type != SOUND_CTL_ENUMERATED)
		return SND_S_BAD_MSG;
	if (chain_writable(c) < HEAD || (chain_writable(c) - HEAD) / sizeof(name) < info->items)
		return SND_S_BAD_MSG;
	for (uint32_t i = 0; i < info->items; i++) {
		memset(name, 0, sizeof(name));
		if (s->ctls_ops->item(s->ctls, id, i, name) < 0)
			return SND_S_IO_ERR;
		name[sizeof(name) - 1] = '\0';
		if (!name[0])
			name[0] = '-';
		chain_put_at(c, HEAD + i * sizeof(name), name, sizeof(name));
	}
	*size = info->items * sizeof(name);
	return SND_S_OK;
}

/* Values as the driver has them. */
static void value_pack(const struct sound_ctl_info *info, const struct sound_ctl_value *v,
		       uint8_t wire[static VALUE_SIZE])
{
	memset(wire, 0, VALUE_SIZE);
	if (!types[info->type].bytes) {
		memcpy(wire, v->bytes, info->type == SOUND_CTL_IEC958 ? SOUND_IEC958_SIZE : info->count);
		return;
	}
	for (size_t i = 0; i < info->count; i++) {
		const le64 n64 = htole64((uint64_t)v->n[i]);
		const le32 n32 = htole32((uint32_t)(v->n[i] - shift_of(info)));

		if (types[info->type].bytes == 8)
			memcpy(wire + i * 8, &n64, 8);
		else
			memcpy(wire + i * 4, &n32, 4);
	}
}

/* The same the other way.  Returns whether the element can have them. */
static bool value_unpack(const struct sound_ctl_info *info, const uint8_t wire[static VALUE_SIZE],
			 struct sound_ctl_value *v)
{
	const bool is_enum = info->type == SOUND_CTL_ENUMERATED;
	const int64_t min = is_enum ? 0 : info->min, max = is_enum ? (int64_t)info->items - 1 : info->max;

	memset(v, 0, sizeof(*v));
	if (!types[info->type].bytes) {
		memcpy(v->bytes, wire, info->type == SOUND_CTL_IEC958 ? SOUND_IEC958_SIZE : info->count);
		return true;
	}
	for (size_t i = 0; i < info->count; i++) {
		le64 n64;
		le32 n32;

		if (types[info->type].bytes == 8) {
			memcpy(&n64, wire + i * 8, 8);
			v->n[i] = (int64_t)le64toh(n64);
		} else {
			memcpy(&n32, wire + i * 4, 4);
			v->n[i] = is_enum || shift_of(info) ? le32toh(n32) + shift_of(info) : (int32_t)le32toh(n32);
		}
		if (v->n[i] < min || v->n[i] > max)
			return false;
	}
	return true;
}

static uint32_t value_read(struct sound *s, unsigned int id, const struct sound_ctl_info *info, struct chain *c,
			   size_t *size)
{
	uint8_t wire[VALUE_SIZE];
	struct sound_ctl_value v = {0};

	if (!(info->access & SOUND_ACCESS_READ) || chain_writable(c) < HEAD + sizeof(wire))
		return SND_S_BAD_MSG;
	if (s->ctls_ops->read(s->ctls, id, &v) < 0)
		return SND_S_IO_ERR;
	value_pack(info, &v, wire);
	chain_put_at(c, HEAD, wire, sizeof(wire));
	*size = sizeof(wire);
	return SND_S_OK;
}

static uint32_t value_write(struct sound *s, unsigned int id, const struct sound_ctl_info *info, struct chain *c)
{
	uint8_t wire[VALUE_SIZE];
	struct sound_ctl_value v;

	if (!(info->access & SOUND_ACCESS_WRITE) || !chain_get(c, wire, sizeof(wire)) || !value_unpack(info, wire, &v))
		return SND_S_BAD_MSG;
	return s->ctls_ops->write(s->ctls, id, &v) < 0 ? SND_S_IO_ERR : SND_S_OK;
}

static uint32_t status_of(ssize_t err)
{
	return err == -EINVAL ? SND_S_BAD_MSG : err == -EOPNOTSUPP ? SND_S_NOT_SUPP : err < 0 ? SND_S_IO_ERR : SND_S_OK;
}

/* Ranges of decibels (SNDRV_CTL_TLVT_DB_RANGE) name values: they are shifted, too. */
static void ranges_shift(uint32_t *tlv, size_t n, int64_t shift)
{
	const uint32_t db_range = 3;

	if (n < 2 || tlv[0] != db_range)
		return;
	for (size_t at = 2; at + 4 <= n; at += 4 + tlv[at + 3] / 4) {
		tlv[at] -= (uint32_t)shift;
		tlv[at + 1] -= (uint32_t)shift;
	}
}

/* As much as the driver has room for. */
static uint32_t tlv_read(struct sound *s, unsigned int id, const struct sound_ctl_info *info, struct chain *c,
			 size_t *size)
{
	ssize_t len;

	if (!(info->access & SOUND_ACCESS_TLV_READ) || chain_writable(c) < HEAD)
		return SND_S_BAD_MSG;
	len = s->ctls_ops->tlv_read(s->ctls, id, s->tlv, SOUND_TLV_MAX);
	if (len < 0)
		return status_of(len);
	ranges_shift(s->tlv, (size_t)len / 4, shift_of(info));
	for (size_t i = 0; i < (size_t)len / 4; i++)
		s->tlv[i] = htole32(s->tlv[i]);
	*size = min_size((size_t)len, (chain_writable(c) - HEAD) & ~(size_t)3);
	chain_put_at(c, HEAD, s->tlv, *size);
	return SND_S_OK;
}

static uint32_t tlv_write(struct sound *s, unsigned int id, const struct sound_ctl_info *info, struct chain *c,
			  bool command)
{
	const size_t len = chain_readable(c);

	if (!(info->access & (command ? SOUND_ACCESS_TLV_COMMAND : SOUND_ACCESS_TLV_WRITE)) || len < 8 ||
	    len > SOUND_TLV_MAX || !chain_get(c, s->tlv, len))
		return SND_S_BAD_MSG;
	for (size_t i = 0; i < len / 4; i++)
		s->tlv[i] = le32toh(s->tlv[i]);
	/* What length says is what is meant: whole words, all of them there. */
	if (s->tlv[1] % 4 || s->tlv[1] > len - 8)
		return SND_S_BAD_MSG;
	return status_of(s->ctls_ops->tlv_write(s->ctls, id, s->tlv, 8 + s->tlv[1], command));
}

uint32_t sound_ctl_request(struct sound *s, uint32_t code, struct chain *c, size_t *size)
{
	struct sound_ctl_info info;
	unsigned int id;
	le32 wire;

	if (!chain_get(c, &wire, sizeof(wire)) || le32toh(wire) >= s->ncontrols)
		return SND_S_BAD_MSG;
	id = le32toh(wire);
	if (info_get(s, id, &info) < 0)
		return SND_S_IO_ERR;
	switch (code) {
	case R_CTL_ENUM_ITEMS:
		return enum_items(s, id, &info, c, size);
	case R_CTL_READ:
		return value_read(s, id, &info, c, size);
	case R_CTL_WRITE:
		return value_write(s, id, &info, c);
	case R_CTL_TLV_READ:
		return tlv_read(s, id, &info, c, size);
	default:
		return tlv_write(s, id, &info, c, code == R_CTL_TLV_COMMAND);
	}
}
