/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state.c - a device's state as bytes; see state.h.
 */
#include "core/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char mark[8] = "vdevd\0\0\1";

struct head {
	le16 name_len;
	le16 reserved;
	le32 len;
};

void state_begin(struct state *s)
{
	*s = (struct state){0};
	state_append(s, mark, sizeof(mark));
}

void state_free(struct state *s)
{
	free(s->bytes);
	*s = (struct state){0};
}

void state_append(struct state *s, const void *bytes, size_t len)
{
	size_t need;

	if (__builtin_add_overflow(s->len, len, &need) || need > STATE_MAX)
		s->err = -E2BIG;
	if (!s->err && need > s->room) {
		size_t room = need < 256 ? 256 : 2 * need;
		uint8_t *more = realloc(s->bytes, room);

		if (more) {
			s->bytes = more;
			s->room = room;
		} else {
			s->err = -ENOMEM;
		}
	}
	if (s->err || !len)
		return;
	memcpy(s->bytes + s->len, bytes, len);
	s->len = need;
}

void state_put_begin(struct state *s, const char *name, size_t len)
{
	const struct head h = {.name_len = htole16((uint16_t)strlen(name)), .len = htole32((uint32_t)len)};

	state_append(s, &h, sizeof(h));
	state_append(s, name, strlen(name));
}

void state_put(struct state *s, const char *name, const void *bytes, size_t len)
{
	state_put_begin(s, name, len);
	state_append(s, bytes, len);
}

int state_next(const struct state *s, size_t *at, struct state_record *r)
{
	struct head h;
	size_t name_len;

	if (*at == 0) {
		if (s->len < sizeof(mark) || memcmp(s->bytes, mark, sizeof(mark)) != 0)
			return -EINVAL;
		*at = sizeof(mark);
	}
	if (*at == s->len)
		return 0;
	if (s->len - *at < sizeof(h))
		return -EINVAL;
	memcpy(&h, s->bytes + *at, sizeof(h));
	name_len = le16toh(h.name_len);
	r->len = le32toh(h.len);
	if (!name_len || name_len >= sizeof(r->name) || s->len - *at - sizeof(h) < name_len ||
	    s->len - *at - sizeof(h) - name_len < r->len)
		return -EINVAL;
	memset(r->name, 0, sizeof(r->name));
	memcpy(r->name, s->bytes + *at + sizeof(h), name_len);
	r->bytes = s->bytes + *at + sizeof(h) + name_len;
	*at += sizeof(h) + name_len + r->len;
	return 1;
}
