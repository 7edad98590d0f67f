/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_scmi.c - the SCMI device on things that this machine's kernel simulates: an IIO device (iio_dummy) and gpio
 * lines (gpio-sim), both made in configfs.  Where there are none, or no right to them, they are skipped: test/guest
 * runs them in a User-Mode Linux guest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/unit/suites.h"

#define GPIO_CONFIGFS "/sys/kernel/config/gpio-sim"
#define CHIP	      GPIO_CONFIGFS "/vdevd-scmi"
#define BANK	      CHIP "/bank0"
#define IIO_CONFIGFS  "/sys/kernel/config/iio/devices/dummy"
#define DUMMY	      IIO_CONFIGFS "/vdevd"
#define TRIGGER	      "/sys/kernel/config/iio/triggers/hrtimer/vdevd-scmi"

enum { POWER = 0x11, SENSOR = 0x15, RESET = 0x16, PINCTRL = 0x19 };

static void put(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_msg(write(fd, word, strlen(word)) == (ssize_t)strlen(word), "%s: %s", path, strerror(errno));
	close(fd);
}

/* The first line of a file, in a buffer that the next call uses again. */
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

/* Asks with up to four words.  Returns the status; w: up to eight words of the answer. */
static int ask(struct carrier *c, uint32_t proto, uint32_t id, unsigned int n, const uint32_t *words,
	       uint32_t w[static 8])
{
	le32 out[16] = {htole32(id | proto << 10)}, in[34] = {0};
	uint32_t used;

	for (unsigned int i = 0; i < n; i++)
		out[1 + i] = htole32(words[i]);
	used = carrier_request(c, 0, out, 4 * ((size_t)n + 1), in, sizeof(in));
	ck_assert_uint_ge(used, 8);
	for (unsigned int i = 0; i < 8; i++)
		w[i] = le32toh(in[2 + i]);
	return (int)le32toh(in[1]);
}

#define ASK(c, proto, id, ...) ask(c, proto, id, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__}, w)

static void things_remove(void)
{
	char path[64];

	rmdir(DUMMY);
	if (access(CHIP "/live", W_OK) == 0)
		put(CHIP "/live", "0");
	for (unsigned int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), BANK "/line%u", i);
		rmdir(path);
	}
	rmdir(BANK);
	rmdir(CHIP);
}

/* What the world does to a line, and what it sees of it. */
static const char *line_path(unsigned int line, const char *attribute)
{
	static char path[300];
	char device[100], chip[100];

	snprintf(device, sizeof(device), "%s", get(CHIP "/dev_name"));
	snprintf(chip, sizeof(chip), "%s", get(BANK "/chip_name"));
	snprintf(path, sizeof(path), "/sys/devices/platform/%s/%s/sim_gpio%u/%s", device, chip, line, attribute);
	return path;
}

static bool seen(unsigned int line)
{
	return get(line_path(line, "value"))[0] == '1';
}

/* The folder of the IIO device, in a buffer of its own. */
static const char *dummy_path(void)
{
	static char path[300];
	DIR *d = opendir("/sys/bus/iio/devices");
	const struct dirent *e;
	char name[320];

	ck_assert_ptr_nonnull(d);
	path[0] = '\0';
	while ((e = readdir(d))) {
		snprintf(name, sizeof(name), "/sys/bus/iio/devices/%.200s/name", e->d_name);
		if (access(name, R_OK) == 0 && strcmp(get(name), "vdevd") == 0)
			snprintf(path, sizeof(path), "/sys/bus/iio/devices/%.200s", e->d_name);
	}
	closedir(d);
	ck_assert_str_ne(path, "");
	return path;
}

static struct carrier *things_open(int kind)
{
	static char voltage[400], accel[400], reset[200], domain[200], pins[200];
	static const char *const args[] = {voltage, accel, reset, domain, pins, NULL};
	static const struct device_suite suite = {.device = "scmi", .args = args};
	char chip[64];

	things_remove();
	ck_assert_int_eq(mkdir(DUMMY, 0755), 0);
	ck_assert_int_eq(mkdir(CHIP, 0755), 0);
	ck_assert_int_eq(mkdir(BANK, 0755), 0);
	put(BANK "/num_lines", "6");
	put(CHIP "/live", "1");
	snprintf(chip, sizeof(chip), "%s", get(BANK "/chip_name"));
	snprintf(voltage, sizeof(voltage), "--device=iio,path=%s,channel=in_voltage0,name=adc", dummy_path());
	snprintf(accel, sizeof(accel), "--device=iio,path=%s,channel=in_accel_x,name=accel", dummy_path());
	snprintf(reset, sizeof(reset), "--device=gpio,path=/dev/%s,line=0,kind=reset,active-low,name=r,latency=2000",
		 chip);
	snprintf(domain, sizeof(domain), "--device=gpio,path=/dev/%s,line=1,kind=domain,name=d", chip);
	snprintf(pins, sizeof(pins), "--device=gpio,path=/dev/%s,line=2:3:4,kind=pins,name=p", chip);
	return carrier_open((enum carrier_kind)kind, &suite);
}

static void things_close(struct carrier *c)
{
	carrier_close(c);
	things_remove();
}

/* (raw + offset) x scale, of files that tell them, against what the device says. */
START_TEST(test_iio)
{
	struct carrier *c = things_open(_i);
	char path[400];
	uint32_t w[8];
	double raw, want, got;
	int scale;

	snprintf(path, sizeof(path), "%s/in_voltage0_raw", dummy_path());
	raw = strtod(get(path), NULL);
	snprintf(path, sizeof(path), "%s/in_voltage0_offset", dummy_path());
	want = raw + strtod(get(path), NULL);
	snprintf(path, sizeof(path), "%s/in_voltage0_scale", dummy_path());
	want *= strtod(get(path), NULL) / 1000;
	ck_assert_int_eq(ASK(c, SENSOR, 3, 0), 0);
	ck_assert_uint_eq(w[3] & 0xff, 5);
	scale = (int)(w[3] >> 11 & 0x1f) - 32;
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0), 0);
	got = (double)(int64_t)(w[0] | (uint64_t)w[1] << 32);
	for (; scale < 0; scale++)
		got /= 10;
	ck_assert_double_eq_tol(got, want, 1e-9);
	ck_assert_double_gt(got, 0);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 1, 0), 0);
	ck_assert_int_ne((int)w[0], 0);
	things_close(c);
}
END_TEST

/* The device goes, and another one comes. */
START_TEST(test_unplugged)
{
	struct carrier *c = things_open(_i);
	unsigned int turns = 0;
	uint32_t w[8];

	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0), 0);
	ck_assert_int_eq(rmdir(DUMMY), 0);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0), -9);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 1, 0), -9);
	ck_assert_int_eq(ASK(c, POWER, 5, 0), 0);
	ck_assert_int_eq(mkdir(DUMMY, 0755), 0);
	while (ASK(c, SENSOR, 6, 0, 0) != 0) {
		ck_assert_uint_lt(++turns, 300);
		carrier_idle(c, 100);
	}
	things_close(c);
}
END_TEST

/* One value of the event queue's next message: words 3 and 4 behind the header, agent and sensor. */
static int64_t update_value(struct carrier *c)
{
	le32 in[16] = {0};
	uint32_t used = carrier_await(c, 1, carrier_submit(c, 1, NULL, 0, sizeof(in)), in);

	ck_assert_uint_eq(used, 12 + 16);
	ck_assert_uint_eq(le32toh(in[0]), 1 | 3 << 8 | SENSOR << 10);
	ck_assert_uint_eq(le32toh(in[2]), 0);
	return (int64_t)(le32toh(in[3]) | (uint64_t)le32toh(in[4]) << 32);
}

/* Updates come from the buffer, whose data are others than those that are read directly: 344, and 34
 * (iio_simple_dummy). */
START_TEST(test_buffered)
{
	static char accel[400];
	static const char *const args[] = {accel, NULL};
	static const struct device_suite suite = {.device = "scmi", .args = args};
	struct carrier *c;
	char path[400];
	uint32_t w[8];
	int64_t direct;

	things_remove();
	(void)rmdir(TRIGGER);
	ck_assert_int_eq(mkdir(DUMMY, 0755), 0);
	ck_assert_int_eq(mkdir(TRIGGER, 0755), 0);
	snprintf(path, sizeof(path), "%s/trigger/current_trigger", dummy_path());
	put(path, "vdevd-scmi");
	snprintf(accel, sizeof(accel), "--device=iio,path=%s,channel=in_accel,buffered,rw", dummy_path());
	c = carrier_open((enum carrier_kind)_i, &suite);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0), 0);
	direct = (int64_t)(w[0] | (uint64_t)w[1] << 32);
	ck_assert_int_ne(direct, 0);
	snprintf(path, sizeof(path), "%s/buffer/enable", dummy_path());
	for (unsigned int turn = 0; turn < 2; turn++) {
		unsigned int turns = 0;

		ck_assert_int_eq(ASK(c, SENSOR, 0xb, 0, 1), 0);
		for (unsigned int i = 0; i < 5; i++)
			ck_assert_int_eq(update_value(c) * 34, direct * 344);
		ck_assert_str_eq(get(path), "1");
		ck_assert_int_eq(ASK(c, SENSOR, 0xb, 0, 0), 0);
		for (; strcmp(get(path), "0") != 0; turns++) {
			ck_assert_uint_lt(turns, 1000);
			carrier_idle(c, 10);
		}
		/* What still waits. */
		carrier_reset(c);
	}
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0), 0);
	things_close(c);
	ck_assert_int_eq(rmdir(TRIGGER), 0);
}
END_TEST

START_TEST(test_lines)
{
	struct carrier *c = things_open(_i);
	uint32_t w[8];

	/* Asserted it is low. */
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 2, 0), 0);
	ck_assert(!seen(0));
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 0, 0), 0);
	ck_assert(seen(0));
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 1, 0), 0);
	ck_assert(seen(0));
	ck_assert_int_eq(ASK(c, POWER, 5, 0), 0);
	ck_assert_uint_eq(w[0], 1u << 30);
	ck_assert_int_eq(ASK(c, POWER, 4, 0, 0, 0), 0);
	ck_assert(seen(1));
	ck_assert_int_eq(ASK(c, POWER, 5, 0), 0);
	ck_assert_uint_eq(w[0], 0);
	/* Pins: an output, an input that the world pulls. */
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 0, 0, 1 << 10 | 1 << 2, 18, 1), 0);
	ck_assert(seen(2));
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 1, 0, 1 << 2, 12, 1), 0);
	put(line_path(3, "pull"), "pull-up");
	ck_assert_int_eq(ASK(c, PINCTRL, 5, 1, 14), 0);
	ck_assert_uint_eq(w[3], 1);
	put(line_path(3, "pull"), "pull-down");
	ck_assert_int_eq(ASK(c, PINCTRL, 5, 1, 14), 0);
	ck_assert_uint_eq(w[3], 0);
	ck_assert_int_eq(ASK(c, PINCTRL, 5, 0, 2 << 18), 0);
	ck_assert_uint_eq(w[0], 0);
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 1, 0, 1 << 2, 10, 8), -1);
	/* The guest resets the device: lines are as they were. */
	carrier_reset(c);
	ck_assert_int_eq(ASK(c, POWER, 5, 0), 0);
	ck_assert_uint_eq(w[0], 1u << 30);
	ck_assert(!seen(1));
	ck_assert_int_eq(ASK(c, PINCTRL, 5, 0, 17), 0);
	ck_assert_uint_eq(w[3], 0);
	things_close(c);
}
END_TEST

START_TEST(test_none)
{
	test_note_skip("hw_scmi", "no iio_dummy or no gpio-sim in configfs, or no right to them");
}
END_TEST

Suite *suite_hw_scmi(void)
{
	Suite *s = suite_create("hw_scmi");
	TCase *tc = tcase_create("configfs");

	suite_add_tcase(s, tc);
	if (access(GPIO_CONFIGFS, W_OK) < 0 || access(IIO_CONFIGFS, W_OK) < 0) {
		tcase_add_test(tc, test_none);
		return s;
	}
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_iio, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_unplugged, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_lines, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_buffered, 0, CARRIER_KINDS);
	return s;
}
