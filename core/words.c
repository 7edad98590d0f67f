/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * words.c - lists in option values; see words.h.
 */
#include "core/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/opt.h"

/* Longer than any number. */
#define NUMBER_SIZE 32

struct word word_of(const char *text)
{
	return (struct word){text, strlen(text)};
}

bool word_next(const char **rest, char separator, struct word *w)
{
	const char *end;

	if (!*rest)
		return false;
	end = strchr(*rest, separator);
	*w = (struct word){*rest, end ? (size_t)(end - *rest) : strlen(*rest)};
	*rest = end ? end + 1 : NULL;
	return true;
}

bool word_cut(struct word *w, char separator, struct word *behind)
{
	const char *at = w->len ? memchr(w->text, separator, w->len) : NULL;

	*behind = (struct word){w->text + w->len, 0};
	if (!at)
		return false;
	*behind = (struct word){at + 1, w->len - (size_t)(at - w->text) - 1};
	w->len = (size_t)(at - w->text);
	return true;
}

bool word_is(const struct word *w, const char *text)
{
	return strlen(text) == w->len && memcmp(w->text, text, w->len) == 0;
}

bool word_copy(const struct word *w, char *buf, size_t size)
{
	if (w->len >= size)
		return false;
	memcpy(buf, w->text, w->len);
	buf[w->len] = '\0';
	return true;
}

int word_number(const struct word *w, uint64_t *n)
{
	char text[NUMBER_SIZE];

	return word_copy(w, text, sizeof(text)) ? opt_parse_number(text, false, n) : -EINVAL;
}

int words_each(const char *value, char separator, int (*take)(void *arg, struct word w, char *why, size_t why_size), void *arg, char *why,
	       size_t why_size)
{
	struct word w;
	int err = 0;

	while (!err && word_next(&value, separator, &w))
		err = take(arg, w, why, why_size);
	return err;
}
