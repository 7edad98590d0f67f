/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state.h - a device's state as bytes, for live migration: what the guest has made of the device.
 *
 * A state is a row of records, each with a name and bytes, behind a mark with the version of this form.  It tells what it
 * is and can be looked at; numbers in records are little-endian.  What is read came from another machine: each
 * length is checked.
 *
 * A record that is not known is refused: what a newer vdevd has saved an older one does not half understand. A set-up
 * that the guest would find changed (i2c addresses, a vsock CID) is refused, with a line that says what differs. What a
 * state does not carry is in the rings.
 */
#ifndef VDEVD_CORE_STATE_H
#define VDEVD_CORE_STATE_H

#include "core/base.h"

/* The largest state, bytes: of more lines, ports and simulated memory than a device can have. */
#define STATE_MAX (5u << 20)

struct state {
	uint8_t *bytes; /* malloc'ed, or NULL */
	size_t len, room;
	int err;        /* -ENOMEM, -E2BIG: something could not be appended */
};

/* A record; name and bytes lie in the state. */
struct state_record {
	char name[32];
	const void *bytes;
	size_t len;
};

/* An empty state with its mark; errors stay in s->err.  Free it with state_free. */
void state_begin(struct state *s);
void state_free(struct state *s);

/* Appends bytes as they are. */
void state_append(struct state *s, const void *bytes, size_t len);

/* Appends a record; the name has at most 31 characters. */
void state_put(struct state *s, const char *name, const void *bytes, size_t len);

/* The same in parts: len bytes of state_append follow. */
void state_put_begin(struct state *s, const char *name, size_t len);

/*
 * Reads the record at *at, 0 for the first, and steps over it.
 * Returns 1 and *r; 0 at the end; -EINVAL: these bytes are no state, or one of another version.
 */
int state_next(const struct state *s, size_t *at, struct state_record *r);

#endif
