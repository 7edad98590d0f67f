/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_instances.c - the parent of several instances: the status it ends with, whatever comes in between.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/inherit.h"
#include "cmd/instances.h"
#include "cmd/signals.h"
#include "core/loop.h"
#include "core/service.h"
#include "test/unit/suites.h"

static struct log test_log = {.prefix = "test"};

/* The tests of the sandbox are elsewhere (test_sandbox.c, test/cli/serving.sh). */
static const struct sandbox_opts opts;

/* Whether the signal has come and waits, within seconds. */
static bool comes(int sig)
{
	const struct timespec moment = {.tv_nsec = 5000000};
	sigset_t pending;

	for (int i = 0; i < 1000; i++) {
		if (sigpending(&pending) == 0 && sigismember(&pending, sig))
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

/* Fails at its start, before (0) or after (1) it has caught signals; the signal comes between the failure and the end.
 */
static int fail_late(void *arg, const struct instance *self)
{
	struct signals signals;
	struct ev_loop *loop;

	if (self->i == 0)
		return CMD_OK;
	if (*(int *)arg) {
		loop = inherit_loop(&test_log);
		signals_begin(&signals, loop, NULL, NULL);
		signals_end(&signals);
		ev_loop_destroy(loop);
	}
	kill(getppid(), SIGTERM);
	return comes(SIGTERM) ? CMD_FAILED : CMD_OK;
}

/* A start that failed is told as such, though all were told to stop meanwhile. */
START_TEST(test_fails_late)
{
	int caught = _i;

	inherit_mend();
	ck_assert_int_eq(instances_run(&test_log, 2, &opts, fail_late, &caught), CMD_FAILED);
}
END_TEST

/* Serves until a signal comes that the parent was sent before anything was caught here. */
static int stop_early(void *arg, const struct instance *self)
{
	struct signals signals;
	struct ev_loop *loop = inherit_loop(&test_log);

	kill(getppid(), *(int *)arg);
	if (!comes(*(int *)arg))
		return CMD_USAGE;
	signals_begin(&signals, loop, NULL, NULL);
	ev_run(loop, 0);
	signals_end(&signals);
	ev_loop_destroy(loop);
	return CMD_OK;
}

START_TEST(test_stops_early)
{
	static const int sigs[] = {SIGTERM, SIGINT, SIGHUP};
	int sig = sigs[_i];

	inherit_mend();
	ck_assert_int_eq(instances_run(&test_log, 1, &opts, stop_early, &sig), CMD_OK);
}
END_TEST

static int killed(void *arg, const struct instance *self)
{
	if (self->i == 1)
		raise(SIGKILL);
	return CMD_OK;
}

START_TEST(test_killed)
{
	ck_assert_int_eq(instances_run(&test_log, 3, &opts, killed, NULL), CMD_FAILED);
}
END_TEST

static int usage(void *arg, const struct instance *self)
{
	return self->i == 0 ? CMD_USAGE : CMD_FAILED;
}

START_TEST(test_worst)
{
	ck_assert_int_eq(instances_run(&test_log, 2, &opts, usage, NULL), CMD_USAGE);
}
END_TEST

/* Makes NOTIFY_SOCKET.  Returns the socket its messages come to. */
static int manager_new(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char name[sizeof(sa.sun_path) + 1] = "@";

	/* A name of the kernel's own choice. */
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa.sun_family)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	memcpy(name + 1, sa.sun_path + 1, len - offsetof(struct sockaddr_un, sun_path) - 1);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

/* The next message, within seconds; "": none. */
static const char *manager_hears(int fd)
{
	static char text[100];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n = poll(&p, 1, 5000) > 0 ? recv(fd, text, sizeof(text) - 1, 0) : 0;

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Instance 1 shows that it is alive three times as often as 0, and 2 ends after a while. */
static int show_alive(void *arg, const struct instance *self)
{
	const struct timespec moment = {.tv_nsec = 30000000};

	ck_assert(self->beat > 0.0999 && self->beat < 0.1001);
	for (int i = 0; i < (self->i == 2 ? 2 : *(int *)arg); i++) {
		ck_assert_int_eq(instance_tell(self), 0);
		if (self->i == 1) {
			instance_tell(self);
			instance_tell(self);
		}
		nanosleep(&moment, NULL);
	}
	return CMD_OK;
}

/* The service manager hears that all are ready, then that all are alive, as often as the least eager says so. */
START_TEST(test_watchdog)
{
	int fd = manager_new(), times = 6, beats = 0;
	const char *heard;

	setenv("WATCHDOG_USEC", "200000", 1);
	ck_assert_int_eq(instances_run(&test_log, 3, &opts, show_alive, &times), CMD_OK);
	while (strcmp(heard = manager_hears(fd), "READY=1") != 0)
		ck_assert_str_eq(heard, "WATCHDOG=1");
	ck_assert_str_eq(manager_hears(fd), "STATUS=all instances serve");
	ck_assert_int_eq(service_notify("END"), 0);
	while (strcmp(heard = manager_hears(fd), "END") != 0) {
		ck_assert_str_eq(heard, "WATCHDOG=1");
		beats++;
	}
	ck_assert_int_ge(beats, 2);
	ck_assert_int_le(beats, times);
	close(fd);
}
END_TEST

/* A service manager that reads nothing is not waited for. */
START_TEST(test_manager_deaf)
{
	int fd = manager_new(), err = 0;

	for (int i = 0; i < 100000 && !err; i++)
		err = service_notify("WATCHDOG=1");
	ck_assert_int_eq(err, -EAGAIN);
	close(fd);
}
END_TEST

START_TEST(test_watchdog_seconds)
{
	char pid[20];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	ck_assert(service_watchdog() == 0);
	setenv("WATCHDOG_USEC", "3000000", 1);
	ck_assert(service_watchdog() == 1.5);
	setenv("WATCHDOG_PID", "1", 1);
	ck_assert(service_watchdog() == 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	ck_assert(service_watchdog() == 1.5);
	setenv("WATCHDOG_USEC", "soon", 1);
	ck_assert(service_watchdog() == 0);
}
END_TEST

Suite *suite_instances(void)
{
	Suite *s = suite_create("instances");
	TCase *tc = tcase_create("instances");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, test_fails_late, 0, 2);
	tcase_add_loop_test(tc, test_stops_early, 0, 3);
	tcase_add_test(tc, test_killed);
	tcase_add_test(tc, test_worst);
	tcase_add_test(tc, test_watchdog);
	tcase_add_test(tc, test_manager_deaf);
	tcase_add_test(tc, test_watchdog_seconds);
	suite_add_tcase(s, tc);
	return s;
}
