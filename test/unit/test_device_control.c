/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_device_control.c - the commands that every device has on its control socket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/control.h"
#include "core/device.h"
#include "core/unix_socket.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"

static char dir[] = "/tmp/vdevd-device-control-XXXXXX";
static char path[80];
static struct ev_loop *loop;
static struct vdev *dev;
static bool broken;

static int run_own(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	ck_assert_ptr_eq(arg, dev);
	control_say(c, "the device's own");
	return 0;
}

static const struct control_command own_commands[] = {
	{"own", "", "is the device's", 0, 0, run_own},
	{0},
};

static const struct vdev_queue_desc queues[] = {{"oneq", 64, 256}, {"two\"q", 64, 256}};

static const struct vdev_class class = {
	.name = "thing",
	.summary = "a thing",
	.face = {.queues = queues, .nqueues = ARRAY_SIZE(queues)},
	.commands = own_commands,
	.inst_size = sizeof(struct vdev),
};

static void queue_stats(struct vdev *d, unsigned int q, struct vdev_queue_stats *s)
{
	ck_assert_ptr_eq(d, dev);
	if (q == 0)
		return;
	*s = (struct vdev_queue_stats){
		.running = true,
		.broken = broken,
		.requests = 18446744073709551615u,
		.errors = 3,
		.read = 4,
		.written = 5,
		.in_flight = 6,
		.latency = {[0] = 7, [10] = 8, [VDEV_LATENCY_BUCKETS - 1] = 9},
	};
}

static const struct vdev_transport_ops ops = {.queue_stats = queue_stats};

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ctl", dir);
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(vdev_new(&class, "thing", loop, &dev), 0);
	dev->control_path = path;
	ck_assert_int_eq(vdev_check(dev), 0);
	ck_assert_int_eq(vdev_open(dev), 0);
}

static void teardown(void)
{
	vdev_free(dev);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(rmdir(dir), 0);
	ev_loop_destroy(loop);
}

/* The answer to a command, in which each number with a fraction is made 0.000. */
static const char *answer(const char *command)
{
	static char text[8192];
	int fd = unix_connect(path);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(send(fd, command, strlen(command), MSG_NOSIGNAL), (ssize_t)strlen(command));
	for (int i = 0; i < 10; i++)
		ev_run(loop, EVRUN_NOWAIT);
	n = recv(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	close(fd);
	for (char *dot = strchr(text, '.'); dot; dot = strchr(dot + 1, '.')) {
		if (dot[-1] < '0' || dot[-1] > '9' || strspn(dot + 1, "0123456789") != 3 || dot[4] == '.')
			continue;
		ck_assert(dot[-2] == ' '); /* below ten seconds */
		dot[-1] = dot[1] = dot[2] = dot[3] = '0';
	}
	return text;
}

START_TEST(test_stat)
{
	ck_assert_str_eq(answer("stat\n"),
			 "device thing\nuptime 0.000\nfront-end none\nfront-end-seconds 0.000\nfront-ends 0\n"
			 "log-lost 0\nqueue.0.name oneq\nqueue.1.name two\"q\nok\n");
	vdev_attach(dev, &ops, NULL);
	vdev_connected(dev, true);
	vdev_connected(dev, false);
	vdev_connected(dev, true);
	ck_assert_str_eq(
		answer("stat\n"),
		"device thing\nuptime 0.000\nfront-end connected\nfront-end-seconds 0.000\nfront-ends 2\nlog-lost 0\n"
		"queue.0.name oneq\nqueue.0.state stopped\nqueue.0.requests 0\nqueue.0.errors 0\n"
		"queue.0.bytes-read 0\nqueue.0.bytes-written 0\nqueue.0.in-flight 0\n"
		"queue.1.name two\"q\nqueue.1.state running\nqueue.1.requests 18446744073709551615\n"
		"queue.1.errors 3\nqueue.1.bytes-read 4\nqueue.1.bytes-written 5\nqueue.1.in-flight 6\n"
		"queue.1.latency.1 7\nqueue.1.latency.1024 8\nqueue.1.latency.549755813888 9\nok\n");
	ck_assert_str_eq(answer("stat xml\n"), "error: stat [json] is wanted\n");
}
END_TEST

START_TEST(test_json)
{
	ck_assert_str_eq(
		answer("stat json\n"),
		"{\"device\": \"thing\", \"uptime\": 0.000, \"front-end\": false, \"front-end-seconds\": 0.000, "
		"\"front-ends\": 0, \"log-lost\": 0, \"queues\": [{\"name\": \"oneq\"}, {\"name\": "
		"\"two\\\"q\"}]}\nok\n");
	vdev_attach(dev, &ops, NULL);
	ck_assert_ptr_nonnull(
		strstr(answer("stat json\n"),
		       "\"queues\": [{\"name\": \"oneq\", \"state\": \"stopped\", \"requests\": 0, \"errors\": 0, "
		       "\"bytes-read\": 0, \"bytes-written\": 0, \"in-flight\": 0, \"latency\": {}}, "
		       "{\"name\": \"two\\\"q\", \"state\": \"running\", \"requests\": 18446744073709551615, "
		       "\"errors\": 3, \"bytes-read\": 4, \"bytes-written\": 5, \"in-flight\": 6, "
		       "\"latency\": {\"1\": 7, \"1024\": 8, \"549755813888\": 9}}]}\nok\n"));
}
END_TEST

START_TEST(test_health)
{
	ck_assert_str_eq(answer("health\n"), "front-end none\nlog-lost 0\nok\n");
	vdev_attach(dev, &ops, NULL);
	vdev_connected(dev, true);
	ck_assert_str_eq(answer("health\n"), "front-end connected\nlog-lost 0\nok\n");
	broken = true;
	ck_assert_str_eq(answer("health\n"),
			 "front-end connected\nlog-lost 0\n"
			 "error: the ring of queue 1 (two\"q) is broken; the driver has to reset the device\n");
	ck_assert_ptr_nonnull(strstr(answer("stat\n"), "queue.1.state broken\n"));
}
END_TEST

/* The device's own commands come before those of every device, and those before the built-in ones. */
START_TEST(test_order)
{
	const char *help, *own, *stat, *level;

	ck_assert_str_eq(answer("own\n"), "the device's own\nok\n");
	help = answer("help\n");
	own = strstr(help, "own ");
	stat = strstr(help, "\nstat [json] ");
	level = strstr(help, "\nlog-level ");
	ck_assert(own == help && stat && level && stat < level);
}
END_TEST

/* A path that cannot be is the end of the start, and there is nothing to close. */
START_TEST(test_no_path)
{
	struct capture c;
	struct vdev *d;

	ck_assert_int_eq(vdev_new(&class, "thing", loop, &d), 0);
	d->control_path = path;
	capture_start(&c);
	ck_assert_int_eq(vdev_open(d), -EADDRINUSE);
	vdev_free(d);
	ck_assert_ptr_nonnull(
		strstr(capture_end(&c), ": Address already in use (another process serves it, or it is no socket)\n"));
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

Suite *suite_device_control(void)
{
	Suite *s = suite_create("device_control");
	TCase *tc = tcase_create("commands");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_stat);
	tcase_add_test(tc, test_json);
	tcase_add_test(tc, test_health);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_no_path);
	suite_add_tcase(s, tc);
	return s;
}
