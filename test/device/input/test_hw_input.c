/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_input.c - the input device on evdev nodes of this machine, which the test makes by /dev/uinput.  It is
 * skipped where that is not there, as is all but a guest of guest.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/uinput.h>

#include "test/lib/carrier.h"
#include "test/unit/suites.h"

enum { EVENTQ, STATUSQ };

#define EVENT 8
#define NAME  "vdevd test panel"

/* ---- the hardware */

static void with(int fd, unsigned long request, int code)
{
	ck_assert_int_eq(ioctl(fd, request, code), 0);
}

static void axis(int fd, uint16_t code, int32_t min, int32_t max)
{
	struct uinput_abs_setup s = {
		.code = code, .absinfo = {.minimum = min, .maximum = max, .fuzz = 0, .flat = 3, .resolution = 7}};

	with(fd, UI_SET_ABSBIT, code);
	ck_assert_int_eq(ioctl(fd, UI_ABS_SETUP, &s), 0);
}

/* Plugs a device in that has something of everything. */
static int plug(const char *name)
{
	static const int types[] = {EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_SW, EV_LED, EV_SND, EV_REP, EV_FF};
	struct uinput_setup s = {.id = {BUS_USB, 0x1234, 0x5678, 3}, .ff_effects_max = 4};
	int fd = open("/dev/uinput", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	snprintf(s.name, sizeof(s.name), "%s", name);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		with(fd, UI_SET_EVBIT, types[i]);
	with(fd, UI_SET_FFBIT, FF_RUMBLE);
	with(fd, UI_SET_FFBIT, FF_GAIN);
	with(fd, UI_SET_KEYBIT, KEY_A);
	with(fd, UI_SET_KEYBIT, KEY_B);
	with(fd, UI_SET_KEYBIT, BTN_TOUCH);
	with(fd, UI_SET_RELBIT, REL_WHEEL);
	with(fd, UI_SET_MSCBIT, MSC_SCAN);
	with(fd, UI_SET_SWBIT, SW_LID);
	with(fd, UI_SET_LEDBIT, LED_CAPSL);
	with(fd, UI_SET_SNDBIT, SND_TONE);
	with(fd, UI_SET_PROPBIT, INPUT_PROP_DIRECT);
	axis(fd, ABS_X, -10, 1000);
	axis(fd, ABS_MT_SLOT, 0, 4);
	axis(fd, ABS_MT_TRACKING_ID, 0, 65535);
	axis(fd, ABS_MT_POSITION_X, -10, 1000);
	ck_assert_int_eq(ioctl(fd, UI_DEV_SETUP, &s), 0);
	ck_assert_int_eq(ioctl(fd, UI_DEV_CREATE), 0);
	return fd;
}

static void happen(int fd, uint16_t type, uint16_t code, int32_t value)
{
	const struct input_event e = {.type = type, .code = code, .value = value};

	ck_assert_int_eq(write(fd, &e, sizeof(e)), sizeof(e));
}

static void report(int fd)
{
	happen(fd, EV_SYN, SYN_REPORT, 0);
}

/* The hardware is told this, perhaps behind other things. */
static void hardware_told(struct carrier *c, int fd, uint16_t type, uint16_t code, int32_t value)
{
	struct input_event e = {0};

	for (unsigned int ms = 0; e.type != type || e.code != code || e.value != value;) {
		if (read(fd, &e, sizeof(e)) == sizeof(e))
			continue;
		ck_assert_uint_lt(ms++, 20000);
		carrier_idle(c, 1);
	}
}

/* ---- the driver */

static struct input_event event_of(const uint8_t in[static EVENT])
{
	struct input_event e = {0};
	le16 half[2];
	le32 word;

	memcpy(half, in, 4);
	memcpy(&word, in + 4, 4);
	e.type = le16toh(half[0]);
	e.code = le16toh(half[1]);
	e.value = (int32_t)le32toh(word);
	return e;
}

static void told(struct carrier *c, const char *want)
{
	char got[4096] = "";
	size_t len = 0;
	unsigned int n = 1;

	for (const char *at = want; *at; at++)
		n += *at == ' ';
	for (unsigned int i = 0; i < n; i++) {
		uint8_t in[EVENT];
		struct input_event e;

		ck_assert_uint_eq(carrier_await(c, EVENTQ, carrier_submit(c, EVENTQ, NULL, 0, EVENT), in), EVENT);
		e = event_of(in);
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%d:%d:%d", i ? " " : "", e.type, e.code,
					e.value);
	}
	ck_assert_str_eq(got, want);
}

static void status(struct carrier *c, uint16_t type, uint16_t code, int32_t value)
{
	uint8_t out[EVENT];
	const le16 half[2] = {htole16(type), htole16(code)};
	const le32 word = htole32((uint32_t)value);

	memcpy(out, half, 4);
	memcpy(out + 4, &word, 4);
	ck_assert_uint_eq(carrier_request(c, STATUSQ, out, sizeof(out), NULL, 0), 0);
}

static unsigned int ask(struct carrier *c, uint8_t select, uint8_t subsel, uint8_t config[static 136])
{
	const uint8_t chosen[2] = {select, subsel};

	ck_assert_int_eq(carrier_config_write(c, 0, chosen, sizeof(chosen)), 0);
	carrier_config_read(c, 0, config, 136);
	return config[2];
}

static const char *const args[] = {"--evdev=" NAME, NULL};
static const char *const shared_args[] = {"--evdev=" NAME, "--no-grab", NULL};

static struct carrier *panel_open(int kind, const char *const *with_args)
{
	static struct device_suite suite = {.device = "input"};

	suite.args = with_args;
	return carrier_open((enum carrier_kind)kind, &suite);
}

/* The node of the panel. */
static int node_open(int flags)
{
	char its[80];
	int fd = -1;
	glob_t g;

	ck_assert_int_eq(glob("/dev/input/event*", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc && fd < 0; i++) {
		fd = open(g.gl_pathv[i], flags | O_CLOEXEC);
		if (fd >= 0 && (ioctl(fd, EVIOCGNAME(sizeof(its)), its) < 0 || strcmp(its, NAME) != 0)) {
			close(fd);
			fd = -1;
		}
	}
	globfree(&g);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* All it can is what the driver is told. */
START_TEST(test_config)
{
	static const struct {
		uint8_t select, subsel, len;
		const char *bytes;
	} rows[] = {
		{1, 0, sizeof(NAME) - 1, NAME},
		{2, 0, 0, ""},
		{3, 0, 8, "\3\0\x34\x12\x78\x56\3\0"},
		{0x10, 0, 1, "\2"},
		{0x11, EV_REL, 2, "\0\1"},
		{0x11, EV_ABS, 8, "\1\0\0\0\0\x80\x20\2"},
		{0x11, EV_MSC, 1, "\x10"},
		{0x11, EV_SW, 1, "\1"},
		{0x11, EV_LED, 1, "\2"},
		{0x11, EV_SND, 1, "\4"},
		{0x11, EV_REP, 1, "\3"},
		{0x11, EV_FF, 13, "\0\0\0\0\0\0\0\0\0\0\0\0\1"},
		{0x12, ABS_X, 20, "\xf6\xff\xff\xff\xe8\3\0\0\0\0\0\0\3\0\0\0\7\0\0\0"},
	};
	int fd = plug(NAME);
	struct carrier *c = panel_open(_i, args);
	uint8_t config[136];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(ask(c, rows[i].select, rows[i].subsel, config) == rows[i].len, "%x, %x: %u bytes",
			      rows[i].select, rows[i].subsel, config[2]);
		ck_assert_mem_eq(config + 8, rows[i].bytes, rows[i].len);
	}
	carrier_close(c);
	close(fd);
}
END_TEST

static void panel_events(int kind, bool grabbed)
{
	int fd = plug(NAME), other;
	struct carrier *c = panel_open(kind, grabbed ? args : shared_args);
	struct input_event e;

	other = node_open(O_RDONLY | O_NONBLOCK);
	happen(fd, EV_MSC, MSC_SCAN, 30);
	happen(fd, EV_KEY, KEY_A, 1);
	report(fd);
	told(c, "4:4:30 1:30:1 0:0:0");
	ck_assert_int_eq(read(other, &e, sizeof(e)), grabbed ? -1 : (int)sizeof(e));
	happen(fd, EV_ABS, ABS_MT_SLOT, 2);
	happen(fd, EV_ABS, ABS_MT_TRACKING_ID, 5);
	happen(fd, EV_ABS, ABS_MT_POSITION_X, 77);
	happen(fd, EV_ABS, ABS_X, 77);
	report(fd);
	told(c, "3:47:2 3:57:5 3:53:77 3:0:77 0:0:0");
	/* The next driver is told how it stands. */
	happen(fd, EV_SW, SW_LID, 1);
	report(fd);
	told(c, "5:0:1 0:0:0");
	carrier_reset(c);
	told(c, "3:47:2 3:57:5 3:53:77 1:30:1 3:0:77 5:0:1 0:0:0");
	/* The guest repeats keys itself: the host's own are not told. */
	happen(fd, EV_KEY, KEY_A, 0);
	report(fd);
	told(c, "1:30:0 0:0:0");
	close(other);
	carrier_close(c);
	close(fd);
}

START_TEST(test_events)
{
	panel_events(_i, true);
}
END_TEST

START_TEST(test_shared)
{
	panel_events(_i, false);
}
END_TEST

START_TEST(test_status)
{
	int fd = plug(NAME);
	struct carrier *c = panel_open(_i, args);

	status(c, EV_LED, LED_CAPSL, 1);
	hardware_told(c, fd, EV_LED, LED_CAPSL, 1);
	status(c, EV_SND, SND_TONE, 440);
	hardware_told(c, fd, EV_SND, SND_TONE, 440);
	status(c, EV_REP, REP_DELAY, 321);
	hardware_told(c, fd, EV_REP, REP_DELAY, 321);
	status(c, EV_FF, FF_GAIN, 0x4000);
	hardware_told(c, fd, EV_FF, FF_GAIN, 0x4000);
	/* What comes back of that is nothing to the guest. */
	happen(fd, EV_REL, REL_WHEEL, 1);
	report(fd);
	told(c, "2:8:1 0:0:0");
	carrier_reset(c);
	hardware_told(c, fd, EV_LED, LED_CAPSL, 0);
	hardware_told(c, fd, EV_SND, SND_TONE, 0);
	carrier_close(c);
	close(fd);
}
END_TEST

/* A key that is down when the device is opened goes to who saw it go down. */
START_TEST(test_held_key)
{
	int fd = plug(NAME);
	struct carrier *c;

	happen(fd, EV_KEY, KEY_B, 1);
	report(fd);
	c = panel_open(_i, args);
	carrier_stays(c, EVENTQ, 5);
	happen(fd, EV_KEY, KEY_B, 0);
	report(fd);
	carrier_idle(c, 5);
	happen(fd, EV_KEY, KEY_A, 1);
	report(fd);
	told(c, "1:30:1 0:0:0");
	carrier_close(c);
	close(fd);
}
END_TEST

START_TEST(test_unplugged)
{
	int fd = plug(NAME), another;
	struct carrier *c = panel_open(_i, args);

	happen(fd, EV_KEY, KEY_A, 1);
	report(fd);
	told(c, "1:30:1 0:0:0");
	status(c, EV_LED, LED_CAPSL, 1);
	close(fd);
	carrier_wait_config_change(c);
	told(c, "1:30:0 0:0:0");
	another = plug("another");
	fd = plug(NAME);
	carrier_wait_config_change(c);
	/* It is as the guest has it. */
	hardware_told(c, fd, EV_LED, LED_CAPSL, 1);
	happen(another, EV_KEY, KEY_B, 1);
	report(another);
	happen(fd, EV_KEY, KEY_A, 1);
	report(fd);
	told(c, "1:30:1 0:0:0");
	close(another);
	carrier_close(c);
	close(fd);
}
END_TEST

/* More than the kernel keeps for a reader that does not come: the guest is told how things stand. */
START_TEST(test_overrun)
{
	int fd = plug(NAME);
	struct carrier *c = panel_open(_i, args);

	if (carrier_kind(c) != CARRIER_BINARY) {
		for (unsigned int i = 0; i < 2000; i++) {
			happen(fd, EV_REL, REL_WHEEL, 1);
			happen(fd, EV_KEY, KEY_A, i % 2 == 0);
			report(fd);
		}
		happen(fd, EV_KEY, KEY_B, 1);
		report(fd);
		for (bool down = false; !down;) {
			uint8_t in[EVENT];
			struct input_event e;

			ck_assert_uint_eq(carrier_await(c, EVENTQ, carrier_submit(c, EVENTQ, NULL, 0, EVENT), in),
					  EVENT);
			e = event_of(in);
			down = e.type == EV_KEY && e.code == KEY_B && e.value == 1;
		}
	}
	carrier_close(c);
	close(fd);
}
END_TEST

START_TEST(test_absent)
{
	test_note_skip("hw_input", "no /dev/uinput");
}
END_TEST

Suite *suite_hw_input(void)
{
	Suite *s = suite_create("hw_input");
	TCase *tc = tcase_create("uinput");

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	if (access("/dev/uinput", R_OK | W_OK) < 0) {
		tcase_add_test(tc, test_absent);
		return s;
	}
	tcase_add_loop_test(tc, test_config, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_events, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_shared, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_status, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_held_key, 0, CARRIER_BINARY);
	tcase_add_loop_test(tc, test_unplugged, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_overrun, 0, CARRIER_KINDS);
	return s;
}
