/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * json.h - writes JSON (RFC 8259): separators, quotes and escapes are the writer's.
 *
 * Objects and arrays are begun and ended; what is written between is in them.  name is a member's in an object, and
 * NULL in an array and at the top.
 */
#ifndef VDEVD_CORE_JSON_H
#define VDEVD_CORE_JSON_H

#include <stdio.h>

#include "core/base.h"

/* The deepest nesting. */
#define JSON_DEPTH 16

struct json {
	FILE *out;
	unsigned int depth;
	struct json_level {
		char end;    /* ']' or '}' */
		bool lines;  /* each of its members has a line of its own */
		bool filled; /* it has a member */
	} levels[JSON_DEPTH + 1]; /* the first is outside of all */
};

/* Begins to write to out; its errors are out's (ferror). */
void json_begin(struct json *j, FILE *out);

/* Begin an object, or an array.  lines: its members have lines of their own; else they follow each other. */
void json_object(struct json *j, const char *name, bool lines);
void json_array(struct json *j, const char *name, bool lines);

/* Ends what was begun last. */
void json_end(struct json *j);

/* A text; NULL: nothing is written.  What is no UTF-8 in it becomes U+FFFD: paths and guests' words may be anything. */
void json_text(struct json *j, const char *name, const char *text);

void json_uint(struct json *j, const char *name, uint64_t n);
void json_int(struct json *j, const char *name, int64_t n);
void json_bool(struct json *j, const char *name, bool value);

/* A number with so many decimal places; null where it is none (infinite). */
void json_decimal(struct json *j, const char *name, double n, unsigned int places);

/* Bytes as a text of hexadecimal digits. */
void json_hex(struct json *j, const char *name, const void *bytes, size_t len);

/* Writes text as a JSON string, quotes included, for who writes the rest by hand. */
void json_print_string(FILE *out, const char *text);

#endif
