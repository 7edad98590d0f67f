/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * json.c - writes JSON (RFC 8259); see json.h.
 */
#include "core/json.h"

#include <inttypes.h>
#include <math.h>

void json_begin(struct json *j, FILE *out)
{
	*j = (struct json){.out = out};
}

/* The bytes of the UTF-8 character at s: RFC 3629, section 4; 0: there is none. */
static unsigned int utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, second_min, second_max;
		unsigned int len;
	} forms[] = {
		{0x00, 0x7f, 0, 0, 1},	     {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		unsigned int n = 1;

		if (*s < forms[i].first || *s > forms[i].last)
			continue;
		if (forms[i].len > 1 && (s[1] < forms[i].second_min || s[1] > forms[i].second_max))
			return 0;
		for (n = 2; n < forms[i].len; n++)
			if (s[n] < 0x80 || s[n] > 0xbf)
				return 0;
		return forms[i].len;
	}
	return 0;
}

void json_print_string(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', out);
	while (*s) {
		unsigned int n = utf8_length(s);

		if (!n)
			fputs("\\ufffd", out);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < ' ' || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite(s, 1, n, out);
		s += n ? n : 1;
	}
	fputc('"', out);
}

static void new_line(struct json *j)
{
	fprintf(j->out, "\n%*s", (int)(2 * j->depth), "");
}

/* What stands before a value: a comma, a line's beginning, the name. */
static void put_name(struct json *j, const char *name)
{
	struct json_level *l = &j->levels[j->depth];

	if (l->filled)
		fputs(l->lines ? "," : ", ", j->out);
	if (l->lines)
		new_line(j);
	l->filled = true;
	if (!name)
		return;
	json_print_string(j->out, name);
	fputs(": ", j->out);
}

static void begin(struct json *j, const char *name, const char *brackets, bool lines)
{
	put_name(j, name);
	fputc(brackets[0], j->out);
	if (j->depth < JSON_DEPTH)
		j->depth++;
	j->levels[j->depth] = (struct json_level){.end = brackets[1], .lines = lines};
}

void json_object(struct json *j, const char *name, bool lines)
{
	begin(j, name, "{}", lines);
}

void json_array(struct json *j, const char *name, bool lines)
{
	begin(j, name, "[]", lines);
}

void json_end(struct json *j)
{
	const struct json_level l = j->levels[j->depth];

	if (!j->depth)
		return;
	j->depth--;
	if (l.lines && l.filled)
		new_line(j);
	fputc(l.end, j->out);
}

void json_text(struct json *j, const char *name, const char *text)
{
	if (!text)
		return;
	put_name(j, name);
	json_print_string(j->out, text);
}

void json_uint(struct json *j, const char *name, uint64_t n)
{
	put_name(j, name);
	fprintf(j->out, "%" PRIu64, n);
}

void json_int(struct json *j, const char *name, int64_t n)
{
	put_name(j, name);
	fprintf(j->out, "%" PRId64, n);
}

void json_bool(struct json *j, const char *name, bool value)
{
	put_name(j, name);
	fputs(value ? "true" : "false", j->out);
}

void json_decimal(struct json *j, const char *name, double n, unsigned int places)
{
	put_name(j, name);
	if (isfinite(n))
		fprintf(j->out, "%.*f", (int)places, n);
	else
		fputs("null", j->out);
}

void json_hex(struct json *j, const char *name, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	put_name(j, name);
	fputc('"', j->out);
	for (size_t i = 0; i < len; i++)
		fprintf(j->out, "%02x", b[i]);
	fputc('"', j->out);
}
