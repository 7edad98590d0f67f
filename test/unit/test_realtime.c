/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_realtime.c - --realtime with the rights it wants, and without each of them.
 */
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd/realtime.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"

static struct log lines = {.prefix = "test"};

#define NICE	 (1u << CAP_SYS_NICE)
#define RESOURCE (1u << CAP_SYS_RESOURCE)

/* Keeps these capabilities alone.  Returns whether all of them were there. */
static bool keep_capabilities(uint32_t keep)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];

	ck_assert_int_eq(syscall(SYS_capget, &head, caps), 0);
	if (keep & ~caps[0].effective)
		return false;
	memset(caps, 0, sizeof(caps));
	caps[0].effective = caps[0].permitted = keep;
	ck_assert_int_eq(syscall(SYS_capset, &head, caps), 0);
	return true;
}

/* Returns whether it may be as high. */
static bool set_limit(__rlimit_resource_t what, rlim_t most)
{
	const struct rlimit limit = {most, most};

	return setrlimit(what, &limit) == 0;
}

#define UNCHANGED 1000

static const struct {
	uint32_t caps;
	rlim_t rtprio, memlock;
	const char *says; /* NULL: it works */
} rights[] = {
	{0, 0, UNCHANGED, "--realtime=5: Operation not permitted (CAP_SYS_NICE, or RLIMIT_RTPRIO of at least 5"},
	{0, 4, UNCHANGED, "--realtime=5: Operation not permitted (CAP_SYS_NICE, or RLIMIT_RTPRIO of at least 5"},
	{NICE, 0, 1 << 20, "--realtime=5: memory cannot be locked: Operation not permitted (RLIMIT_MEMLOCK of unlimited"},
	{NICE | RESOURCE, 0, 1 << 20, NULL},
	{NICE, 0, RLIM_INFINITY, NULL},
	{0, 5, RLIM_INFINITY, NULL},
};

START_TEST(test_rights)
{
	struct capture capture;
	const char *text;
	int err;

	if (!set_limit(RLIMIT_RTPRIO, rights[_i].rtprio) ||
	    (rights[_i].memlock != UNCHANGED && !set_limit(RLIMIT_MEMLOCK, rights[_i].memlock)))
		test_skip("limits cannot be raised here");
	if (!keep_capabilities(rights[_i].caps))
		test_skip("capabilities are missing here");
	capture_start(&capture);
	err = realtime_begin(&lines, 5);
	text = capture_end(&capture);
	ck_assert_int_eq(err, rights[_i].says ? -EPERM : 0);
	ck_assert_msg(rights[_i].says ? strstr(text, rights[_i].says) != NULL : !*text, "%s", text);
}
END_TEST

static void *policy_of(void *arg)
{
	*(int *)arg = sched_getscheduler(0);
	return NULL;
}

/* Kilobytes of this process that are locked. */
static unsigned int locked(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	unsigned int n = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "VmLck: %u", &n) != 1)
		;
	fclose(f);
	return n;
}

/* Threads that come later have the policy, memory that comes later is locked, but only what is touched is there. */
START_TEST(test_later)
{
	const size_t size = 64 << 20;
	struct sched_param param;
	unsigned char seen[2];
	unsigned int before;
	pthread_t thread;
	int policy = -1;
	char *p;

	if (!set_limit(RLIMIT_MEMLOCK, RLIM_INFINITY))
		test_skip("limits cannot be raised here");
	if (!keep_capabilities(NICE))
		test_skip("capabilities are missing here");
	ck_assert_int_eq(realtime_begin(&lines, 7), 0);
	ck_assert_int_eq(sched_getscheduler(0), SCHED_FIFO);
	ck_assert_int_eq(sched_getparam(0, &param), 0);
	ck_assert_int_eq(param.sched_priority, 7);
	ck_assert_int_eq(pthread_create(&thread, NULL, policy_of, &policy), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(policy, SCHED_FIFO);
	before = locked();
	ck_assert_uint_gt(before, 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	ck_assert_uint_ge(locked(), before + (size >> 10));
	p[0] = 1;
	ck_assert_int_eq(mincore(p, 4096, seen), 0);
	ck_assert_int_eq(mincore(p + size - 4096, 4096, seen + 1), 0);
	ck_assert(seen[0] & 1);
	ck_assert(!(seen[1] & 1));
	munmap(p, size);
}
END_TEST

Suite *suite_realtime(void)
{
	Suite *s = suite_create("realtime");
	TCase *tc = tcase_create("rights");

	tcase_add_loop_test(tc, test_rights, 0, ARRAY_SIZE(rights));
	tcase_add_test(tc, test_later);
	suite_add_tcase(s, tc);
	return s;
}
