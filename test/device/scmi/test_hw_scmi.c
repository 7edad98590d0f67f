/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_scmi.c - the SCMI device on things of this machine's kernel.
 *
 * configfs: an IIO device (iio_dummy) and gpio lines (gpio-sim), which the kernel simulates.  board: hwmon, a thermal
 * zone, a power zone, regulators, clocks, cpufreq and devfreq of a machine that itself is a guest of a vdevd scmi with
 * --device=board and a clock "bus" (scmi_tree of guest.sh is its device tree): its files are the kernel's own, and no
 * hardware is behind them.
 *
 * Where there are none, or no right to them, they are skipped: test/guest runs them in a guest.
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

#define UNBIND	  "/sys/bus/scmi_protocol/drivers/scmi-hwmon/unbind"
#define BIND	  "/sys/bus/scmi_protocol/drivers/scmi-hwmon/bind"
#define CPUFREQ	  "/sys/devices/system/cpu/cpufreq/policy0"
#define CLOCKS	  "/sys/kernel/debug/clk"
#define CONSUMERS "/sys/devices/platform"

enum {
	BASE = 0x10,
	POWER,
	PERF = 0x13,
	CLOCK,
	SENSOR,
	RESET,
	VOLTAGE,
	POWERCAP,
	PINCTRL,
};
enum { SUCCESS = 0, NOT_SUPPORTED = -1, OUT_OF_RANGE = -5, HARDWARE = -9 };

static void put(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_msg(write(fd, word, strlen(word)) == (ssize_t)strlen(word), "%s: %s", path, strerror(errno));
	close(fd);
}

/* The first line of a file, in a buffer that the next call uses again; NULL, with errno: it cannot be read. */
static const char *peek(const char *path)
{
	static char line[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	if (n < 0)
		return NULL;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static const char *get(const char *path)
{
	const char *line = peek(path);

	ck_assert_msg(line != NULL, "%s: %s", path, strerror(errno));
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

/* The folder in parent whose file of this name has this text; "" where there is none.  With room for a path of 300
 * letters. */
static bool folder_find(char path[static 300], const char *parent, const char *file, const char *text)
{
	DIR *d = opendir(parent);
	const struct dirent *e;
	char name[400];

	path[0] = '\0';
	while (d && !path[0] && (e = readdir(d))) {
		const char *line;

		snprintf(name, sizeof(name), "%s/%.200s/%s", parent, e->d_name, file);
		line = e->d_name[0] == '.' ? NULL : peek(name);
		if (line && (!text || strcmp(line, text) == 0))
			snprintf(path, 300, "%.90s/%.200s", parent, e->d_name);
	}
	if (d)
		closedir(d);
	return path[0];
}

/* The folder of the IIO device, in a buffer of its own. */
static const char *dummy_path(void)
{
	static char path[300];

	ck_assert(folder_find(path, "/sys/bus/iio/devices", "name", "vdevd"));
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

/* ---- a board */

/* Folders of it, "" where there is none. */
static char hwmon[300], zone[300], cap[300], v0[300], v1[300], devfreq[300];

static bool board_find(void)
{
	(void)folder_find(devfreq, "/sys/class/devfreq", "available_frequencies", NULL);
	return folder_find(hwmon, "/sys/class/hwmon", "name", "scmi_sensors") &&
	       folder_find(zone, "/sys/class/thermal", "type", "board") &&
	       folder_find(cap, "/sys/class/powercap", "name", "powercap") &&
	       folder_find(v0, "/sys/class/regulator", "name", "v0") &&
	       folder_find(v1, "/sys/class/regulator", "name", "v1");
}

static int64_t file_number(const char *folder, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return strtoll(get(path), NULL, 10);
}

static const char *file_text(const char *folder, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return get(path);
}

/* Sensors of the board, in their order: the file of each, its unit and the power of ten. */
static const struct {
	const char *word, *folder, *file;
	uint32_t unit;
	int scale;
} sensors[] = {
	{"hwmon,channel=temp1", hwmon, "temp1_input", 0x02, -3},
	{"hwmon,channel=in0", hwmon, "in0_input", 0x05, -3},
	{"hwmon,channel=curr1", hwmon, "curr1_input", 0x06, -3},
	{"hwmon,channel=power1", hwmon, "power1_input", 0x07, -6},
	{"hwmon,channel=energy1", hwmon, "energy1_input", 0x08, -6},
	{"thermal", zone, "temp", 0x02, -3},
	{"powercap,kind=power,name=watts", cap, "power_uw", 0x07, -6},
};

enum { TEMPERATURE = 0, THERMAL = 5, WATTS = 6 };

static struct carrier *board_open(int kind)
{
	static char words[16][420];
	static const char *args[17];
	static const struct device_suite suite = {.device = "scmi", .args = args};
	unsigned int n = 0;

	for (; n < ARRAY_SIZE(sensors); n++)
		snprintf(words[n], sizeof(words[n]), "--device=%s,path=%s", sensors[n].word, sensors[n].folder);
	snprintf(words[n++], sizeof(words[0]), "--device=powercap,kind=cap,path=%s,rw", cap);
	snprintf(words[n++], sizeof(words[0]), "--device=regulator,path=%.250s,consumer=" CONSUMERS "/consumer,rw", v0);
	snprintf(words[n++], sizeof(words[0]), "--device=regulator,path=%.250s,consumer=" CONSUMERS "/virtual,rw", v1);
	snprintf(words[n++], sizeof(words[0]), "--device=regulator,path=%.250s,name=looked-at", v0);
	snprintf(words[n++], sizeof(words[0]), "--device=clk,path=" CLOCKS "/uart");
	if (access(CPUFREQ, R_OK) == 0)
		snprintf(words[n++], sizeof(words[0]), "--device=cpufreq,path=" CPUFREQ ",rw");
	if (devfreq[0])
		snprintf(words[n++], sizeof(words[0]), "--device=devfreq,path=%s,rw", devfreq);
	for (unsigned int i = 0; i < n; i++)
		args[i] = words[i];
	args[n] = NULL;
	return carrier_open((enum carrier_kind)kind, &suite);
}

START_TEST(test_board_sensors)
{
	struct carrier *c = board_open(_i);
	uint32_t w[8];

	for (uint32_t i = 0; i < ARRAY_SIZE(sensors); i++) {
		ck_assert_int_eq(ASK(c, SENSOR, 3, i), SUCCESS);
		ck_assert_uint_eq(w[1], i);
		ck_assert_uint_eq(w[3], (uint32_t)(sensors[i].scale & 0x1f) << 11 | sensors[i].unit);
		ck_assert_int_eq(ASK(c, SENSOR, 6, i, 0), SUCCESS);
		ck_assert_int_eq((int64_t)(w[0] | (uint64_t)w[1] << 32),
				 file_number(sensors[i].folder, sensors[i].file));
		ck_assert_int_ne((int)w[0], 0);
	}
	/* A zone can be told another temperature, where the kernel has that. */
	if (access("/sys/class/thermal/thermal_zone0/emul_temp", W_OK) == 0) {
		put("/sys/class/thermal/thermal_zone0/emul_temp", "-7250");
		ck_assert_int_eq(ASK(c, SENSOR, 6, THERMAL, 0), SUCCESS);
		ck_assert_int_eq((int)w[0], -7250);
		ck_assert_int_eq((int)w[1], -1);
		put("/sys/class/thermal/thermal_zone0/emul_temp", "0");
	}
	carrier_close(c);
}
END_TEST

/* The driver of the sensors leaves its device, and takes it again. */
START_TEST(test_board_unplugged)
{
	struct carrier *c = board_open(_i);
	char link[400], target[300] = "";
	unsigned int turns = 0;
	uint32_t w[8];

	snprintf(link, sizeof(link), "%s/device", hwmon);
	ck_assert_int_gt((int)readlink(link, target, sizeof(target) - 1), 0);
	ck_assert_int_eq(ASK(c, SENSOR, 6, TEMPERATURE, 0), SUCCESS);
	put(UNBIND, strrchr(target, '/') + 1);
	ck_assert_int_eq(ASK(c, SENSOR, 6, TEMPERATURE, 0), HARDWARE);
	ck_assert_int_eq(ASK(c, SENSOR, 6, THERMAL, 0), HARDWARE);
	ck_assert_int_eq(ASK(c, SENSOR, 6, WATTS, 0), SUCCESS);
	put(BIND, strrchr(target, '/') + 1);
	while (ASK(c, SENSOR, 6, TEMPERATURE, 0) != SUCCESS || ASK(c, SENSOR, 6, THERMAL, 0) != SUCCESS) {
		ck_assert_uint_lt(++turns, 300);
		carrier_idle(c, 100);
	}
	carrier_close(c);
}
END_TEST

START_TEST(test_board_cap)
{
	struct carrier *c = board_open(_i);
	int64_t limit = file_number(cap, "constraint_0_power_limit_uw");
	int64_t window = file_number(cap, "constraint_0_time_window_us");
	uint32_t w[8];

	ck_assert_int_eq(ASK(c, POWERCAP, 4, 0), SUCCESS);
	ck_assert_int_eq(w[0], limit);
	ck_assert_int_eq(ASK(c, POWERCAP, 5, 0, 0, 20000000), SUCCESS);
	ck_assert_int_eq(file_number(cap, "constraint_0_power_limit_uw"), 20000000);
	ck_assert_int_eq(ASK(c, POWERCAP, 5, 0, 0, 999999), OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, POWERCAP, 5, 0, 0, 65000001), OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, POWERCAP, 6, 0), SUCCESS);
	ck_assert_int_eq(w[0], window);
	ck_assert_int_eq(ASK(c, POWERCAP, 7, 0, 0, 2000000), SUCCESS);
	ck_assert_int_eq(file_number(cap, "constraint_0_time_window_us"), 2000000);
	ck_assert_int_eq(ASK(c, POWERCAP, 9, 0), SUCCESS);
	ck_assert_int_eq(w[0], file_number(cap, "power_uw"));
	ck_assert_int_eq(w[1], 2000000);
	/* What the guest has set goes back with its configuration. */
	ck_assert_int_eq(ASK(c, BASE, 0xb, 1, 0), SUCCESS);
	ck_assert_int_eq(ASK(c, POWERCAP, 4, 0), SUCCESS);
	ck_assert_int_eq(w[0], limit);
	ck_assert_int_eq(ASK(c, POWERCAP, 6, 0), SUCCESS);
	ck_assert_int_eq(w[0], window);
	ck_assert_int_eq(file_number(cap, "constraint_0_power_limit_uw"), limit);
	carrier_close(c);
}
END_TEST

/* One that a consumer switches, one whose voltage another one sets, one that is looked at. */
START_TEST(test_board_regulators)
{
	struct carrier *c = board_open(_i);
	int64_t uv = file_number(v1, "microvolts");
	uint32_t w[8];

	ck_assert_int_eq(ASK(c, VOLTAGE, 6, 0), SUCCESS);
	ck_assert_uint_eq(w[0], 0);
	ck_assert_int_eq(ASK(c, VOLTAGE, 5, 0, 7), SUCCESS);
	ck_assert_str_eq(file_text(v0, "state"), "enabled");
	ck_assert_int_eq(ASK(c, VOLTAGE, 6, 2), SUCCESS);
	ck_assert_uint_eq(w[0], 7);
	ck_assert_int_eq(ASK(c, VOLTAGE, 5, 0, 0), SUCCESS);
	ck_assert_str_eq(file_text(v0, "state"), "disabled");
	ck_assert_int_eq(ASK(c, VOLTAGE, 8, 0), SUCCESS);
	ck_assert_int_eq(w[0], file_number(v0, "microvolts"));
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 0, 0, 1000000), NOT_SUPPORTED);
	ck_assert_int_eq(ASK(c, VOLTAGE, 5, 2, 7), NOT_SUPPORTED);
	/* Its range is the regulator's. */
	ck_assert_int_eq(ASK(c, VOLTAGE, 4, 1, 0), SUCCESS);
	ck_assert_int_eq(w[1], file_number(v1, "min_microvolts"));
	ck_assert_int_eq(w[2], file_number(v1, "max_microvolts"));
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 1, 0, 1800000), SUCCESS);
	ck_assert_int_eq(file_number(v1, "microvolts"), 1800000);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 1, 0, 3300000), SUCCESS);
	ck_assert_int_eq(file_number(v1, "microvolts"), 3300000);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 1, 0, 1200000), SUCCESS);
	ck_assert_int_eq(file_number(v1, "microvolts"), 1200000);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 1, 0, 3300001), OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 1, 0, 1800000), SUCCESS);
	ck_assert_int_eq(ASK(c, VOLTAGE, 5, 0, 7), SUCCESS);
	carrier_reset(c);
	ck_assert_int_eq(ASK(c, VOLTAGE, 6, 0), SUCCESS);
	ck_assert_uint_eq(w[0], 0);
	ck_assert_int_eq(ASK(c, VOLTAGE, 8, 1), SUCCESS);
	ck_assert_int_eq(w[0], uv);
	carrier_close(c);
}
END_TEST

START_TEST(test_board_clock)
{
	struct carrier *c = board_open(_i);
	uint32_t w[8];

	ck_assert_int_eq(ASK(c, CLOCK, 6, 0), SUCCESS);
	ck_assert_int_eq(w[0], file_number(CLOCKS "/uart", "clk_rate"));
	ck_assert_int_eq(ASK(c, CLOCK, 0xb, 0, 0), SUCCESS);
	ck_assert_int_eq(w[1], file_number(CLOCKS "/uart", "clk_enable_count") > 0);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 0, 1843200, 0), NOT_SUPPORTED);
	ck_assert_int_eq(ASK(c, CLOCK, 7, 0, 1, 0), NOT_SUPPORTED);
	carrier_close(c);
}
END_TEST

/* Names of the files of a performance domain, and what they count in. */
struct frequencies {
	const char *folder, *levels, *now, *min, *max;
	int64_t unit;
};

/* The kernel takes limits, and brings a frequency into them, by and by. */
static void file_comes(struct carrier *c, const struct frequencies *f, const char *file, int64_t want)
{
	for (unsigned int turns = 0; file_number(f->folder, file) / f->unit != want; turns++) {
		ck_assert_uint_lt(turns, 300);
		carrier_idle(c, 100);
	}
}

static void frequencies_try(struct carrier *c, uint32_t id, const struct frequencies *f)
{
	int64_t now = file_number(f->folder, f->now) / f->unit, min = file_number(f->folder, f->min) / f->unit,
		max = file_number(f->folder, f->max) / f->unit;
	uint32_t w[8], first, second, last;

	ck_assert_int_eq(ASK(c, PERF, 4, id, 0), SUCCESS);
	ck_assert_uint_ge(w[0], 3);
	first = w[1];
	last = w[0] - 1;
	ck_assert_int_ne(file_number(f->folder, f->levels), 0);
	ck_assert_int_eq(first, min);
	ck_assert_int_eq(ASK(c, PERF, 4, id, last), SUCCESS);
	last = w[1];
	ck_assert_int_eq(last, max);
	ck_assert_int_eq(ASK(c, PERF, 8, id), SUCCESS);
	ck_assert_int_eq(w[0], now);
	ck_assert_int_eq(ASK(c, PERF, 7, id, last), SUCCESS);
	file_comes(c, f, f->now, last);
	ck_assert_int_eq(ASK(c, PERF, 4, id, 1), SUCCESS);
	second = w[1];
	/* The second level is the lowest, then the highest that may be. */
	ck_assert_int_eq(ASK(c, PERF, 7, id, first), SUCCESS);
	ck_assert_int_eq(ASK(c, PERF, 5, id, 0, second), SUCCESS);
	file_comes(c, f, f->min, second);
	file_comes(c, f, f->max, last);
	file_comes(c, f, f->now, second);
	ck_assert_int_eq(ASK(c, PERF, 7, id, first), OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, PERF, 5, id, second, 0), SUCCESS);
	file_comes(c, f, f->max, second);
	carrier_reset(c);
	file_comes(c, f, f->max, max);
	file_comes(c, f, f->min, min);
	ck_assert_int_eq(ASK(c, PERF, 6, id), SUCCESS);
	ck_assert_int_eq(w[0], max);
	ck_assert_int_eq(w[1], min);
	file_comes(c, f, f->now, now);
	ck_assert_int_eq(ASK(c, PERF, 8, id), SUCCESS);
	ck_assert_int_eq(w[0], now);
}

START_TEST(test_board_frequencies)
{
	const struct frequencies cpu = {
		CPUFREQ, "scaling_available_frequencies", "scaling_cur_freq", "scaling_min_freq", "scaling_max_freq",
		1};
	const struct frequencies bus = {devfreq, "available_frequencies", "cur_freq", "min_freq", "max_freq", 1000};
	struct carrier *c;
	uint32_t id = 0;

	if (access(CPUFREQ, R_OK) < 0 && !devfreq[0])
		test_skip("neither cpufreq nor devfreq");
	c = board_open(_i);
	if (access(CPUFREQ, R_OK) == 0)
		frequencies_try(c, id++, &cpu);
	if (devfreq[0])
		frequencies_try(c, id, &bus);
	carrier_close(c);
}
END_TEST

START_TEST(test_none)
{
	test_note_skip("hw_scmi", "no iio_dummy or no gpio-sim in configfs, or no right to them; and no board");
}
END_TEST

static void add_configfs(Suite *s)
{
	TCase *tc = tcase_create("configfs");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_iio, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_unplugged, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_lines, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_buffered, 0, CARRIER_KINDS);
}

static void add_board(Suite *s)
{
	TCase *tc = tcase_create("board");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_board_sensors, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_board_unplugged, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_board_cap, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_board_regulators, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_board_clock, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_board_frequencies, 0, CARRIER_KINDS);
}

Suite *suite_hw_scmi(void)
{
	Suite *s = suite_create("hw_scmi");
	bool simulated = access(GPIO_CONFIGFS, W_OK) == 0 && access(IIO_CONFIGFS, W_OK) == 0, board = board_find();
	TCase *tc;

	if (simulated)
		add_configfs(s);
	if (board)
		add_board(s);
	if (simulated || board)
		return s;
	tc = tcase_create("none");
	suite_add_tcase(s, tc);
	tcase_add_test(tc, test_none);
	return s;
}
