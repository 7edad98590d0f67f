/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * capture.h - what a test writes on stderr or into a FILE, as text.  Each test runs in a process of its own.
 */
#ifndef VDEVD_TEST_UNIT_CAPTURE_H
#define VDEVD_TEST_UNIT_CAPTURE_H

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Text that was captured; room for more than any line. */
struct capture {
	int saved, pipe[2];
	char text[16384];
};

/* From now on stderr is captured. */
static inline void capture_start(struct capture *c)
{
	ck_assert_int_eq(pipe(c->pipe), 0);
	c->saved = dup(STDERR_FILENO);
	ck_assert_int_ge(c->saved, 0);
	ck_assert_int_ge(dup2(c->pipe[1], STDERR_FILENO), 0);
}

/* Ends that, and gives what was written. */
static inline const char *capture_end(struct capture *c)
{
	size_t len = 0;
	ssize_t n;

	ck_assert_int_ge(dup2(c->saved, STDERR_FILENO), 0);
	close(c->saved);
	close(c->pipe[1]);
	while (len < sizeof(c->text) - 1 && (n = read(c->pipe[0], c->text + len, sizeof(c->text) - 1 - len)) > 0)
		len += (size_t)n;
	close(c->pipe[0]);
	c->text[len] = '\0';
	return c->text;
}

/* What print writes into a FILE; valid until the next call. */
#define PRINTED(print)                                                                                                 \
	__extension__({                                                                                                \
		static char printed_text[16384];                                                                       \
		FILE *out = fmemopen(printed_text, sizeof(printed_text), "w");                                         \
		ck_assert_ptr_nonnull(out);                                                                            \
		print;                                                                                                 \
		fclose(out);                                                                                           \
		printed_text;                                                                                          \
	})

#endif
