/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * main.c - runs the suites, all or those named as arguments, and ends with one line of counts.  --list names them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "test/unit/suites.h"

/* Tests run in processes of their own; they count in memory that they share with this one. */
static unsigned int *skips;

void test_note_skip(const char *test, const char *fmt, ...)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "skip %s: ", test);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	/* In one piece, past the buffer that this process has inherited. */
	dprintf(1, "%s\n", line);
	__atomic_fetch_add(skips, 1, __ATOMIC_RELAXED);
}

bool test_simulated(const char *device)
{
	for (const char *const *d = test_simulated_devices; *d; d++) {
		if (strcmp(*d, device) == 0)
			return true;
	}
	return false;
}

static int known(const char *name)
{
	for (const struct test_suite *s = test_suites; s->name; s++)
		if (!strcmp(s->name, name))
			return 1;
	return 0;
}

static int wanted(const char *name, int argc, char **argv)
{
	if (argc == 1)
		return 1;
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	SRunner *runner;
	int ran, failed;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (const struct test_suite *s = test_suites; s->name; s++)
			puts(s->name);
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		if (!known(argv[i])) {
			fprintf(stderr, "run-tests: no suite '%s'\n", argv[i]);
			return 2;
		}
	}
	skips = mmap(NULL, sizeof(*skips), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skips == MAP_FAILED) {
		perror("run-tests: mmap");
		return 2;
	}
	runner = srunner_create(NULL);
	for (const struct test_suite *s = test_suites; s->name; s++)
		if (wanted(s->name, argc, argv))
			srunner_add_suite(runner, s->make());
	srunner_run_all(runner, CK_ENV);
	ran = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	printf("%d passed, %d failed, %u skipped\n", ran - failed - (int)*skips, failed, *skips);
	return failed || !ran;
}
