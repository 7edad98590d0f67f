/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * words.h - lists in option values: "0x48,0x50-0x57:ro".
 *
 * A word is a part of a text that stays where it is: nothing is copied, and nothing to be freed.  Option values live as
 * long as the process.
 */
#ifndef VDEVD_CORE_WORDS_H
#define VDEVD_CORE_WORDS_H

#include "core/base.h"

/* Part of a text, without a zero at its end.  printf's "%.*s" takes WORD_SHOWN(w): what a line shows of it. */
struct word {
	const char *text;
	size_t len;
};

/* A word for a line: at most 40 bytes of it. */
#define WORD_SHOWN(w) (int)min_size((w).len, 40), (w).text

/* The whole of a text. */
struct word word_of(const char *text);

/*
 * Takes the next word off *rest, which is NULL when the last one was taken.  Between two separators, before the first
 * and behind the last there is a word of length 0; so an empty text is one such word.
 * Returns whether there was one.
 */
bool word_next(const char **rest, char separator, struct word *w);

/*
 * Cuts a word at its first separator: *w keeps what is before it, *behind is the rest.
 * Returns false, with *w as it was and *behind empty, where there is no separator.
 */
bool word_cut(struct word *w, char separator, struct word *behind);

/* Whether the word is this text. */
bool word_is(const struct word *w, const char *text);

/* Copies a word, with a zero behind it, into buf of size bytes.  Returns false, and copies nothing, where it does not fit. */
bool word_copy(const struct word *w, char *buf, size_t size);

/* The number that the word is, as of OPT_UINT: decimal or 0x hexadecimal.  Returns 0 and *n; -EINVAL or -ERANGE. */
int word_number(const struct word *w, uint64_t *n);

/*
 * Hands the words of an option's value to take, one after the other, until it returns other than 0; value NULL has none.
 * take: of one word, which may be empty; returns 0, or -EINVAL with a reason in why ("what would be right").
 * Returns 0, or what take has returned.
 */
int words_each(const char *value, char separator, int (*take)(void *arg, struct word w, char *why, size_t why_size), void *arg, char *why,
	       size_t why_size);

#endif
