/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_gpio.c - the GPIO device on a chip of the kernel's: gpio-sim, whose other side is in configfs and sysfs
 * (Linux, Documentation/admin-guide/gpio/gpio-sim.rst).  Where there is none, or no right to it, they are skipped:
 * guest.sh has a guest with one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "devices/gpio/gpio_host.h"
#include "test/device/gpio/gpio_driver.h"
#include "test/unit/suites.h"

#define CONFIGFS   "/sys/kernel/config/gpio-sim"
#define CHIP	   CONFIGFS "/vdevd-test"
#define BANK	   CHIP "/bank0"
#define LABEL	   "vdevd-test"
#define NLINES	   8
#define CHIP_LABEL "--chip=" LABEL

/* Writes a word into a file of the kernel's. */
static void put(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_msg(write(fd, word, strlen(word)) == (ssize_t)strlen(word), "%s: %s", path, strerror(errno));
	close(fd);
}

/* Reads the first line of one, in a buffer that the next call uses again. */
static const char *get(const char *path)
{
	static char line[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	n = read(fd, line, sizeof(line) - 1);
	ck_assert_int_ge(n, 0);
	close(fd);
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static void chip_remove(void)
{
	char path[sizeof(BANK) + 16];

	if (access(CHIP "/live", W_OK) == 0)
		put(CHIP "/live", "0");
	for (unsigned int i = 0; i < NLINES; i++) {
		snprintf(path, sizeof(path), BANK "/line%u", i);
		rmdir(path);
	}
	rmdir(BANK);
	rmdir(CHIP);
}

/* Makes a chip with two names. */
static void chip_make(void)
{
	chip_remove();
	ck_assert_int_eq(mkdir(CHIP, 0755), 0);
	ck_assert_int_eq(mkdir(BANK, 0755), 0);
	put(BANK "/num_lines", "8");
	put(BANK "/label", LABEL);
	ck_assert_int_eq(mkdir(BANK "/line0", 0755), 0);
	put(BANK "/line0/name", "LED");
	ck_assert_int_eq(mkdir(BANK "/line3", 0755), 0);
	put(BANK "/line3/name", "BUTTON");
	put(CHIP "/live", "1");
}

/* The path of a line's attribute, in a buffer that the next call uses again. */
static const char *line_path(unsigned int line, const char *attribute)
{
	static char path[300];
	char device[100], chip[100];

	snprintf(device, sizeof(device), "%s", get(CHIP "/dev_name"));
	snprintf(chip, sizeof(chip), "%s", get(BANK "/chip_name"));
	snprintf(path, sizeof(path), "/sys/devices/platform/%s/%s/sim_gpio%u/%s", device, chip, line, attribute);
	return path;
}

/* What the world does to a line, and what it sees of it. */
static void pull(unsigned int line, bool up)
{
	put(line_path(line, "pull"), up ? "pull-up" : "pull-down");
}

static bool seen(unsigned int line)
{
	return get(line_path(line, "value"))[0] == '1';
}

static void nap_us(long us)
{
	const struct timespec ts = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&ts, NULL);
}

/* Opens the device with other options; NULL: those that give the whole chip. */
static struct carrier *chip_open(int kind, const char *const *args)
{
	static const char *const whole[] = {CHIP_LABEL, NULL};
	static struct device_suite suite = {.device = "gpio"};

	suite.args = args ? args : whole;
	return carrier_open((enum carrier_kind)kind, &suite);
}

/* Closes device and chip. */
static void chip_close(struct carrier *c)
{
	carrier_close(c);
	chip_remove();
}

START_TEST(test_names)
{
	static const char names[] = "LED\0\0\0BUTTON\0\0\0\0";
	uint8_t space[8], out[8], in[sizeof(names) + 1];
	char path[64], number[32], name[64], list[64];
	const char *const specs[] = {CHIP_LABEL, path, number, name, list};

	chip_make();
	snprintf(path, sizeof(path), "--chip=/dev/%s", get(BANK "/chip_name"));
	snprintf(number, sizeof(number), "--chip=%s", get(BANK "/chip_name") + strlen("gpiochip"));
	snprintf(name, sizeof(name), "--chip=%s", get(BANK "/chip_name"));
	snprintf(list, sizeof(list), "--device-list=%s", get(BANK "/chip_name") + strlen("gpiochip"));
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		const char *args[] = {specs[i], NULL};
		struct carrier *c = chip_open(_i, args);

		carrier_config_read(c, 0, space, sizeof(space));
		ck_assert_uint_eq(space[0], NLINES);
		ck_assert_uint_eq(space[4], sizeof(names));
		gpio_fill(out, GET_LINE_NAMES, 0, 0);
		ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, sizeof(out), in, sizeof(in)), sizeof(in));
		ck_assert_mem_eq(in + 1, names, sizeof(names));
		carrier_close(c);
	}
	chip_remove();
}
END_TEST

START_TEST(test_values)
{
	struct carrier *c;

	chip_make();
	c = chip_open(_i, NULL);
	gpio_tell(c, SET_VALUE, 0, 1);
	ck_assert(!seen(0));
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	ck_assert(seen(0));
	ck_assert_uint_eq(gpio_value(c, 0), 1);
	gpio_tell(c, SET_VALUE, 0, 0);
	ck_assert(!seen(0));
	gpio_tell(c, SET_DIRECTION, 0, IN);
	pull(0, true);
	ck_assert_uint_eq(gpio_value(c, 0), 1);
	pull(0, false);
	ck_assert_uint_eq(gpio_value(c, 0), 0);
	/* An input becomes an output with the value from before, and the other way round. */
	gpio_tell(c, SET_VALUE, 0, 1);
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	ck_assert(seen(0));
	gpio_tell(c, SET_DIRECTION, 0, NONE);
	gpio_refused(c, GET_VALUE, 0, 0);
	/* With an interrupt, and without again. */
	gpio_tell(c, SET_DIRECTION, 3, IN);
	pull(3, true);
	gpio_tell(c, SET_IRQ_TYPE, 3, BOTH);
	ck_assert_uint_eq(gpio_value(c, 3), 1);
	gpio_tell(c, SET_IRQ_TYPE, 3, IRQ_NONE);
	ck_assert_uint_eq(gpio_value(c, 3), 1);
	gpio_tell(c, SET_DIRECTION, 3, OUT);
	ck_assert(!seen(3));
	chip_close(c);
}
END_TEST

/* How lines are used: inverted, pulled, driven. */
START_TEST(test_settings)
{
	static const char *const args[] = {
		CHIP_LABEL, "--lines=BUTTON,0-2", "--active-low=0", "--bias=BUTTON:pull-up", "--drive=1:open-drain",
		NULL};
	struct carrier *c;

	chip_make();
	c = chip_open(_i, args);
	/* The pull is the chip's own then. */
	gpio_tell(c, SET_DIRECTION, 0, IN);
	ck_assert_uint_eq(gpio_value(c, 0), 1);
	gpio_tell(c, SET_DIRECTION, 1, OUT);
	ck_assert(seen(0));
	gpio_tell(c, SET_VALUE, 1, 1);
	ck_assert(!seen(0));
	gpio_tell(c, SET_DIRECTION, 1, IN);
	pull(0, true);
	ck_assert_uint_eq(gpio_value(c, 1), 0);
	gpio_tell(c, SET_IRQ_TYPE, 1, RISING);
	pull(0, false);
	gpio_interrupted(c, 1);
	gpio_tell(c, SET_DIRECTION, 2, OUT);
	ck_assert(!seen(1));
	chip_close(c);
}
END_TEST

/* A line bounces: libgpiod 2 can take no notice of it, libgpiod 1 says that it cannot. */
START_TEST(test_debounce)
{
	static const char *const args[] = {CHIP_LABEL, "--debounce-us=20000", NULL};
	struct frontend_request *req;
	struct carrier *c;

	chip_make();
	if (!gpio_host_gpiod.debounces) {
		struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
		struct vdev *d = gpio_device(loop, args, false);

		ck_assert_ptr_nonnull(d);
		ck_assert_int_eq(vdev_check(d), -EINVAL);
		vdev_free(d);
		ev_loop_destroy(loop);
		chip_remove();
		return;
	}
	c = chip_open(_i, args);
	gpio_tell(c, SET_IRQ_TYPE, 3, BOTH);
	req = gpio_unmask(c, 3);
	for (unsigned int i = 0; i < 10; i++)
		pull(3, !(i % 2));
	carrier_stays(c, EVENTQ, 40);
	pull(3, true);
	gpio_returned(c, req, VALID);
	chip_close(c);
}
END_TEST

/*
 * The time between edges: a thousand of them a second, but User-Mode Linux has no interrupt of its own for the work by
 * which gpio-sim tells an edge, so that it is done at the ticks of its clock, 100 a second, and edges in between merge.
 */
static long edge_period_us(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[200];
	bool uml = false;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		uml |= strstr(line, "User Mode Linux") != NULL;
	fclose(f);
	return uml ? 25000 : 1000;
}

/* Changes a line again and again, from another process. */
static pid_t toggle(unsigned int line, unsigned int times, long us)
{
	pid_t pid = fork();
	const char *path;
	int fd;

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	path = line_path(line, "pull");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	for (unsigned int i = 0; fd >= 0 && i < times; i++) {
		const char *word = i % 2 ? "pull-down" : "pull-up";

		if (pwrite(fd, word, strlen(word), 0) < 0)
			break;
		nap_us(us);
	}
	_exit(0);
}

/* Edges at a great rate: each is told, whatever the guest does meanwhile. */
START_TEST(test_edges)
{
	static const unsigned int types[] = {RISING, FALLING, BOTH};
	unsigned int edges, busy;
	long us = edge_period_us();
	struct frontend_request *req;
	struct carrier *c;

	chip_make();
	c = chip_open(_i, NULL);
	edges = us > 1000 ? 40 : 1000;
	/* A guest that is busy now and then, for so many edges. */
	busy = (unsigned int)(30 * us / 1000);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		pid_t pid;

		gpio_tell(c, SET_DIRECTION, 3, IN);
		gpio_tell(c, SET_IRQ_TYPE, 3, types[i]);
		pid = toggle(3, edges, us);
		for (unsigned int n = 0; n < (types[i] == BOTH ? edges : edges / 2); n++) {
			gpio_interrupted(c, 3);
			if (n % 200 == 5)
				carrier_idle(c, busy);
		}
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		req = gpio_unmask(c, 3);
		carrier_stays(c, EVENTQ, 30);
		gpio_tell(c, SET_IRQ_TYPE, 3, IRQ_NONE);
		gpio_returned(c, req, INVALID);
		/* Edges of the past are none of the next interrupt. */
		pull(3, true);
		nap_us(us);
		pull(3, false);
		nap_us(us);
		gpio_tell(c, SET_IRQ_TYPE, 3, types[i]);
		req = gpio_unmask(c, 3);
		carrier_stays(c, EVENTQ, 30);
		gpio_tell(c, SET_IRQ_TYPE, 3, IRQ_NONE);
		gpio_returned(c, req, INVALID);
	}
	chip_close(c);
}
END_TEST

START_TEST(test_levels)
{
	struct frontend_request *req;
	struct carrier *c;

	chip_make();
	c = chip_open(_i, NULL);
	for (unsigned int high = 0; high <= 1; high++) {
		pull(3, !high);
		gpio_tell(c, SET_IRQ_TYPE, 3, high ? LEVEL_HIGH : LEVEL_LOW);
		req = gpio_unmask(c, 3);
		carrier_stays(c, EVENTQ, 5);
		pull(3, high);
		gpio_returned(c, req, VALID);
		gpio_interrupted(c, 3);
		gpio_interrupted(c, 3);
		/* Active and idle again while it is masked: not told. */
		for (unsigned int i = 0; i < 40; i++)
			pull(3, high == i % 2);
		pull(3, !high);
		req = gpio_unmask(c, 3);
		carrier_stays(c, EVENTQ, 5);
		pull(3, high);
		gpio_returned(c, req, VALID);
		gpio_tell(c, SET_IRQ_TYPE, 3, IRQ_NONE);
	}
	chip_close(c);
}
END_TEST

/* Takes a line as another program would.  Returns its descriptor. */
static int take(unsigned int line)
{
	struct gpio_v2_line_request request = {.offsets = {line}, .num_lines = 1, .consumer = "somebody"};
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", get(BANK "/chip_name"));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, GPIO_V2_GET_LINE_IOCTL, &request), 0);
	close(fd);
	return request.fd;
}

START_TEST(test_line_in_use)
{
	struct carrier *c;
	int fd;

	chip_make();
	c = chip_open(_i, NULL);
	fd = take(3);
	gpio_refused(c, SET_DIRECTION, 3, IN);
	gpio_refused(c, SET_DIRECTION, 3, OUT);
	gpio_refused(c, SET_IRQ_TYPE, 3, RISING);
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	close(fd);
	gpio_tell(c, SET_DIRECTION, 3, OUT);
	gpio_tell(c, SET_VALUE, 3, 1);
	ck_assert(seen(3));
	/* What the guest lets go of, others can have. */
	gpio_tell(c, SET_DIRECTION, 3, NONE);
	close(take(3));
	gpio_tell(c, SET_IRQ_TYPE, 3, RISING);
	gpio_tell(c, SET_IRQ_TYPE, 3, IRQ_NONE);
	close(take(3));
	chip_close(c);
}
END_TEST

/* The chip goes away under the device and comes back: by events, and when nobody would be told. */
START_TEST(test_unplugged)
{
	struct frontend_request *req;
	struct carrier *c;

	chip_make();
	c = chip_open(_i, NULL);
	gpio_tell(c, SET_VALUE, 0, 1);
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	gpio_tell(c, SET_IRQ_TYPE, 3, RISING);
	req = gpio_unmask(c, 3);
	for (unsigned int round = 0; round < 3; round++) {
		put(CHIP "/live", "0");
		carrier_idle(c, 10);
		gpio_refused(c, GET_VALUE, 0, 0);
		gpio_refused(c, SET_VALUE, 0, 0);
		gpio_refused(c, SET_DIRECTION, 1, IN);
		ck_assert_uint_eq(gpio_direction(c, 0), OUT);
		put(CHIP "/live", "1");
		carrier_idle(c, 10);
		for (unsigned int ms = 0; gpio_ask(c, SET_VALUE, 1, 0, NULL) != OK || !seen(0); ms++) {
			ck_assert_uint_lt(ms, 5000);
			carrier_idle(c, 1);
		}
		ck_assert_uint_eq(gpio_value(c, 0), 1);
		pull(3, true);
		gpio_returned(c, req, VALID);
		req = gpio_unmask(c, 3);
	}
	/* Unplugged and plugged in again while nothing is waited for: one error. */
	gpio_tell(c, SET_IRQ_TYPE, 3, IRQ_NONE);
	gpio_returned(c, req, INVALID);
	put(CHIP "/live", "0");
	put(CHIP "/live", "1");
	gpio_refused(c, GET_VALUE, 0, 0);
	carrier_idle(c, 10);
	ck_assert_uint_eq(gpio_value(c, 0), 1);
	ck_assert(seen(0));
	chip_close(c);
}
END_TEST

START_TEST(test_no_chip)
{
	test_note_skip("hw_gpio", "no gpio-sim: %s: %s", CONFIGFS, strerror(access(CONFIGFS, W_OK) ? errno : 0));
}
END_TEST

Suite *suite_hw_gpio(void)
{
	Suite *s = suite_create("hw_gpio");
	TCase *tc = tcase_create("gpio-sim");

	suite_add_tcase(s, tc);
	if (access(CONFIGFS, W_OK) < 0) {
		tcase_add_test(tc, test_no_chip);
		return s;
	}
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_names, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_values, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_settings, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_debounce, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_edges, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_levels, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_line_in_use, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_unplugged, 0, CARRIER_KINDS);
	return s;
}
