/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * suites.h - the suites of the test program, and how a test says that it cannot run here.
 *
 * A file test_X.c in test/unit, test/device or test/protocol defines `Suite *suite_X(void)`; make finds it by its name.
 */
#ifndef VDEVD_TEST_UNIT_SUITES_H
#define VDEVD_TEST_UNIT_SUITES_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct test_suite {
	const char *name; /* X of test_X.c */
	Suite *(*make)(void);
};

/* Every suite; generated, ends with a NULL name. */
extern const struct test_suite test_suites[];

/* The devices that are built without their libraries, and only simulate; generated, ends with NULL. */
extern const char *const test_simulated_devices[];
bool test_simulated(const char *device);

/* Ends a test that this machine cannot run; printf-like, the reason.  Only for a test's own function. */
#define test_skip(...) \
	do { \
		test_note_skip(__func__, __VA_ARGS__); \
		return; \
	} while (0)

/* Whether AddressSanitizer is in this build: it makes system calls and takes memory of its own. */
#ifdef __has_feature
#define TEST_SANITIZED __has_feature(address_sanitizer) /* clang */
#elif defined(__SANITIZE_ADDRESS__)
#define TEST_SANITIZED 1
#else
#define TEST_SANITIZED 0
#endif

/* How far tests go that can go on for long, by VDEVD_TEST_DEPTH: without it, as far as a minute for all of them allows. */
enum test_depth {
	DEPTH_FEW,
	DEPTH_MORE, /* "more": before a change is published */
	DEPTH_ALL,  /* "all": for hours */
};

static inline enum test_depth test_depth(void)
{
	const char *depth = getenv("VDEVD_TEST_DEPTH");

	if (depth && strcmp(depth, "all") == 0)
		return DEPTH_ALL;
	return depth && strcmp(depth, "more") == 0 ? DEPTH_MORE : DEPTH_FEW;
}

/* The number of turns for it. */
static inline unsigned int test_by_depth(unsigned int few, unsigned int more, unsigned int all)
{
	enum test_depth depth = test_depth();

	return depth == DEPTH_FEW ? few : depth == DEPTH_MORE ? more : all;
}

/* Whether valgrind runs this process. */
static inline bool test_on_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

void test_note_skip(const char *test, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
