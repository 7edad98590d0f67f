/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_ids.c - users and groups: whose the guest's numbers are on the host; see fs_ids.h.
 */
#include "devices/fs/fs_ids.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/words.h"

static const char *const kinds[] = {
	[FS_ID_GUEST] = "guest",
	[FS_ID_HOST] = "host",
	[FS_ID_SQUASH_GUEST] = "squash-guest",
	[FS_ID_SQUASH_HOST] = "squash-host",
	[FS_ID_FORBID_GUEST] = "forbid-guest",
	[FS_ID_MAP] = "map",
};

/* Whether the range is looked at from this side, and where it begins there. */
static bool from_guest(const struct fs_id_range *r)
{
	return r->kind != FS_ID_HOST && r->kind != FS_ID_SQUASH_HOST;
}

static bool from_host(const struct fs_id_range *r, uint32_t *first, uint32_t *target)
{
	*first = r->kind == FS_ID_MAP ? r->to : r->from;
	*target = r->kind == FS_ID_MAP ? r->from : r->to;
	return r->kind == FS_ID_HOST || r->kind == FS_ID_SQUASH_HOST || r->kind == FS_ID_MAP;
}

static bool cross(uint32_t a, uint32_t na, uint32_t b, uint32_t nb)
{
	return a < (uint64_t)b + nb && b < (uint64_t)a + na;
}

static bool ranges_cross(const struct fs_id_range *a, const struct fs_id_range *b)
{
	uint32_t x, y, unused;

	if (from_guest(a) && from_guest(b) && cross(a->from, a->count, b->from, b->count))
		return true;
	return from_host(a, &x, &unused) && from_host(b, &y, &unused) && cross(x, a->count, y, b->count);
}

static bool parse_range(const char *value, struct fs_id_range *r)
{
	const char *rest = value;
	struct word w[4];
	uint64_t v[3] = {0};
	unsigned int n = 0, kind = 0, want;

	while (n < 4 && word_next(&rest, ':', &w[n]))
		n++;
	while (kind < ARRAY_SIZE(kinds) && n && !word_is(&w[0], kinds[kind]))
		kind++;
	if (rest || !n || kind == ARRAY_SIZE(kinds))
		return false;
	want = kind == FS_ID_FORBID_GUEST ? 3 : 4;
	if (n != want)
		return false;
	for (unsigned int i = 1; i < n; i++) {
		if (word_number(&w[i], &v[i - 1]) < 0 || v[i - 1] > UINT32_MAX)
			return false;
	}
	*r = (struct fs_id_range){
		.kind = kind, .from = (uint32_t)v[0], .to = (uint32_t)v[1], .count = (uint32_t)v[n - 2]};
	if (n == 3)
		r->to = 0;
	return r->count && v[0] + r->count <= UINT32_MAX && (uint64_t)r->to + r->count <= UINT32_MAX;
}

int fs_idmap_add(struct fs_idmap *m, const char *value, char *why, size_t why_size)
{
	struct fs_id_range r;

	if (!parse_range(value, &r)) {
		snprintf(why, why_size,
			 "TYPE:SOURCE:TARGET:COUNT is wanted, with guest, host, squash-guest, squash-host or map; or "
			 "forbid-guest:SOURCE:COUNT");
		return -EINVAL;
	}
	for (unsigned int i = 0; i < m->n; i++) {
		if (ranges_cross(&m->at[i], &r)) {
			snprintf(why, why_size, "it has numbers that an earlier range has, too");
			return -EINVAL;
		}
	}
	if (m->n == FS_ID_RANGES) {
		snprintf(why, why_size, "more than %d ranges", FS_ID_RANGES);
		return -EINVAL;
	}
	m->at[m->n++] = r;
	return 0;
}

bool fs_id_to_host(const struct fs_idmap *m, uint32_t id, uint32_t *out)
{
	*out = id;
	for (unsigned int i = 0; i < m->n; i++) {
		const struct fs_id_range *r = &m->at[i];

		if (!from_guest(r) || id < r->from || id - r->from >= r->count)
			continue;
		if (r->kind == FS_ID_FORBID_GUEST)
			return false;
		*out = r->kind == FS_ID_SQUASH_GUEST ? r->to : r->to + (id - r->from);
		return true;
	}
	return true;
}

uint32_t fs_id_to_guest(const struct fs_idmap *m, uint32_t id)
{
	for (unsigned int i = 0; i < m->n; i++) {
		const struct fs_id_range *r = &m->at[i];
		uint32_t first, target;

		if (!from_host(r, &first, &target) || id < first || id - first >= r->count)
			continue;
		return r->kind == FS_ID_SQUASH_HOST ? target : target + (id - first);
	}
	return id;
}
