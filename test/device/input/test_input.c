/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_input.c - the input device: VIRTIO 1.4, section 5.8, on simulated devices.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/input.h>

#include "core/unix_socket.h"
#include "test/lib/carrier.h"
#include "test/unit/suites.h"

enum { EVENTQ, STATUSQ };

#define EVENT 8

enum {
	NAME = 1,
	SERIAL = 2,
	DEVIDS = 3,
	PROP_BITS = 0x10,
	EV_BITS = 0x11,
	ABS_INFO = 0x12,
};

/* ---- the control socket */

static int control(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Reads until there is this line; the device may say others before. */
static void hear(struct carrier *c, int fd, const char *line)
{
	char answer[8192] = "";
	unsigned int turns = 0;
	size_t len = 0;

	while (!strstr(answer, line)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (carrier_kind(c) != CARRIER_BINARY)
			carrier_idle(c, 0);
		else
			ck_assert_msg(poll(&p, 1, 20000) == 1, "'%s', not '%s'", answer, line);
		n = read(fd, answer + len, sizeof(answer) - 1 - len);
		ck_assert_msg(n != 0 && ++turns < 1000000, "'%s', not '%s'", answer, line);
		len += n > 0 ? (size_t)n : 0;
		answer[len] = '\0';
		ck_assert_msg(!strstr(answer, "error: ") || strstr(line, "error: "), "%s", answer);
	}
}

static void tell(struct carrier *c, const char *command, const char *line)
{
	int fd = control(c);

	ck_assert_int_eq(dprintf(fd, "%s\n", command), (int)strlen(command) + 1);
	hear(c, fd, line);
	close(fd);
}

static void act(struct carrier *c, const char *command)
{
	tell(c, command, "ok\n");
}

/* ---- the driver */

static struct frontend_request *buffer(struct carrier *c)
{
	return carrier_submit(c, EVENTQ, NULL, 0, EVENT);
}

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

static struct input_event next(struct carrier *c)
{
	uint8_t in[EVENT];

	ck_assert_uint_eq(carrier_await(c, EVENTQ, buffer(c), in), EVENT);
	return event_of(in);
}

/* The next events are these: "1:30:1 0:0:0". */
static void told(struct carrier *c, const char *want)
{
	char got[4096] = "";
	size_t len = 0;
	unsigned int n = 1;

	for (const char *at = want; *at; at++)
		n += *at == ' ';
	for (unsigned int i = 0; i < n; i++) {
		struct input_event e = next(c);

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

/*
 * A ring that is not a fresh one may be of a driver that knows of anything, and it is told how all stands.  Until this
 * is done the rest of a case waits.
 */
static void settle(struct carrier *c)
{
	bool over = false;

	/* When this is answered the rings run, whatever the front-end waits for. */
	status(c, EV_MSC, 0, 0);
	act(c, "packet 4:3:99");
	while (!over) {
		struct input_event e = next(c);

		over = e.type == EV_MSC && e.value == 99;
	}
	told(c, "0:0:0");
}

/* Asks the configuration space.  Returns the size it tells; the answer's 128 bytes are in u. */
static unsigned int ask(struct carrier *c, uint8_t select, uint8_t subsel, uint8_t u[static 128])
{
	uint8_t config[136];

	ck_assert_int_eq(carrier_config_write(c, 0, &select, 1), 0);
	ck_assert_int_eq(carrier_config_write(c, 1, &subsel, 1), 0);
	carrier_config_read(c, 0, config, sizeof(config));
	ck_assert_uint_eq(config[0], select);
	ck_assert_uint_eq(config[1], subsel);
	ck_assert_uint_le(config[2], 128);
	for (unsigned int i = 3; i < 8; i++)
		ck_assert_uint_eq(config[i], 0);
	for (unsigned int i = config[2]; i < 128; i++)
		ck_assert_uint_eq(config[8 + i], 0);
	memcpy(u, config + 8, 128);
	return config[2];
}

static void text_is(struct carrier *c, uint8_t select, const char *want)
{
	uint8_t u[128];

	ck_assert_uint_eq(ask(c, select, 0, u), strlen(want));
	ck_assert_mem_eq(u, want, strlen(want));
}

static void bits_are(struct carrier *c, uint8_t select, uint8_t subsel, const char *want, unsigned int len)
{
	uint8_t u[128];

	ck_assert_uint_eq(ask(c, select, subsel, u), len);
	ck_assert_mem_eq(u, want, len);
}

static void range_is(struct carrier *c, uint8_t axis, int32_t min, int32_t max, int32_t res)
{
	uint8_t u[128];
	le32 v[5];

	ck_assert_uint_eq(ask(c, ABS_INFO, axis, u), sizeof(v));
	memcpy(v, u, sizeof(v));
	ck_assert_int_eq((int32_t)le32toh(v[0]), min);
	ck_assert_int_eq((int32_t)le32toh(v[1]), max);
	ck_assert_int_eq((int32_t)le32toh(v[4]), res);
}

static bool has_code(struct carrier *c, uint8_t type, unsigned int code)
{
	uint8_t u[128];

	return ask(c, EV_BITS, type, u) > code / 8 && u[code / 8] >> code % 8 & 1;
}

/* ---- what it is */

static void config(struct carrier *c)
{
	uint8_t u[128];

	text_is(c, NAME, "vdevd touch panel");
	text_is(c, SERIAL, "");
	bits_are(c, DEVIDS, 0, "\6\0\0\0\4\0\1\0", 8);
	bits_are(c, PROP_BITS, 0, "\2", 1);
	bits_are(c, EV_BITS, EV_SYN, "\11", 1);
	ck_assert(has_code(c, EV_KEY, BTN_TOUCH));
	ck_assert(!has_code(c, EV_KEY, BTN_LEFT));
	bits_are(c, EV_BITS, EV_ABS, "\3\0\0\0\0\x80\x60\2", 8);
	range_is(c, ABS_X, 0, 1919, 10);
	range_is(c, ABS_MT_POSITION_Y, 0, 1079, 10);
	range_is(c, ABS_MT_SLOT, 0, 9, 0);
	/* What there is not: other axes and types, a subsel where there is none, other selects. */
	ck_assert_uint_eq(ask(c, ABS_INFO, ABS_Z, u), 0);
	ck_assert_uint_eq(ask(c, ABS_INFO, 255, u), 0);
	ck_assert_uint_eq(ask(c, EV_BITS, EV_LED, u), 0);
	ck_assert_uint_eq(ask(c, EV_BITS, 255, u), 0);
	ck_assert_uint_eq(ask(c, NAME, 1, u), 0);
	ck_assert_uint_eq(ask(c, 0, 0, u), 0);
	ck_assert_uint_eq(ask(c, 0x13, 0, u), 0);
}

static const char *const keyboard[] = {"--sim=keyboard", "--control=%T/control", NULL};

/* The driver of QEMU's guest writes all of the space. */
static void config_whole(struct carrier *c)
{
	uint8_t space[136], u[128];

	memset(space, 0xee, sizeof(space));
	space[0] = EV_BITS;
	space[1] = EV_REP;
	ck_assert_int_eq(carrier_config_write(c, 0, space, sizeof(space)), 0);
	carrier_config_read(c, 0, space, sizeof(space));
	ck_assert_uint_eq(space[2], 1);
	ck_assert_uint_eq(space[8], 3);
	bits_are(c, EV_BITS, EV_LED, "\x1f", 1);
	bits_are(c, EV_BITS, EV_SND, "\6", 1);
	ck_assert_uint_eq(ask(c, EV_BITS, EV_FF, u), 0);
	text_is(c, NAME, "vdevd keyboard");
}

/* ---- events */

static void types(struct carrier *c)
{
	act(c, "type aB");
	told(c, "1:30:1 0:0:0 1:30:0 0:0:0 1:42:1 0:0:0 1:48:1 0:0:0 1:48:0 0:0:0 1:42:0 0:0:0");
	act(c, "key enter");
	told(c, "1:28:1 0:0:0 1:28:0 0:0:0");
	act(c, "type 1 2");
	told(c, "1:2:1 0:0:0 1:2:0 0:0:0 1:57:1 0:0:0 1:57:0 0:0:0 1:3:1 0:0:0 1:3:0 0:0:0");
	tell(c, "key BTN_LEFT", "error: 'BTN_LEFT': a key of this device is wanted");
	tell(c, "key enter up", "ok\n");
	tell(c, "key enter sideways", "error: 'sideways': down or up is wanted");
	tell(c, "type \xc3\xa4", "error: ");
	tell(c, "move 1 1", "error: 'move': it goes with a mouse");
}

static const char *const mouse[] = {"--sim=mouse", "--control=%T/control", NULL};

static void moves(struct carrier *c)
{
	act(c, "move 5 -3");
	told(c, "2:0:5 2:1:-3 0:0:0");
	act(c, "move 0 7");
	told(c, "2:1:7 0:0:0");
	act(c, "wheel -1");
	told(c, "2:8:-1 2:11:-120 0:0:0");
	act(c, "key BTN_LEFT down");
	told(c, "1:272:1 0:0:0");
	tell(c, "move 5", "error: ");
	tell(c, "move 5 x", "error: 'x': a number");
	tell(c, "move 99999999999 0", "error: '99999999999': a number");
	tell(c, "at 1,1", "error: 'at': it goes with a tablet");
}

static const char *const tablet[] = {"--sim=tablet", "--sim-width=800", "--sim-height=480", "--control=%T/control",
				     NULL};

static void points(struct carrier *c)
{
	range_is(c, ABS_X, 0, 799, 10);
	act(c, "at 100,200");
	told(c, "3:0:100 3:1:200 0:0:0");
	tell(c, "at 800,1", "error: '800,1': a place from 0,0 to 799,479 is wanted");
	tell(c, "at -1,1", "error: '-1,1': a place");
	tell(c, "at 1", "error: '1': a place");
}

static void touches(struct carrier *c)
{
	settle(c);
	act(c, "touch 0 100,200");
	told(c, "3:47:0 3:57:0 3:53:100 3:54:200 1:330:1 3:0:100 3:1:200 0:0:0");
	act(c, "touch 1 300,400");
	told(c, "3:47:1 3:57:1 3:53:300 3:54:400 0:0:0");
	act(c, "touch 0 101,200");
	told(c, "3:47:0 3:53:101 3:54:200 3:0:101 3:1:200 0:0:0");
	act(c, "lift 0");
	told(c, "3:47:0 3:57:-1 0:0:0");
	act(c, "lift 1");
	told(c, "3:47:1 3:57:-1 1:330:0 0:0:0");
	tell(c, "lift 1", "error: '1': this finger does not touch");
	tell(c, "touch 10 1,1", "error: '10': a finger from 0 to 9");
	tell(c, "touch 0 1", "error: '1': a place");
}

/* The events of a packet come in their order, whatever buffers there are, and none before its buffer. */
static void few_buffers(struct carrier *c)
{
	settle(c);
	act(c, "packet 3:47:2 3:57:9 3:53:1 3:54:2");
	told(c, "3:47:2 3:57:9");
	act(c, "packet 3:53:5");
	told(c, "3:53:1 3:54:2 0:0:0 3:53:5 0:0:0");
}

/* A buffer that is too small comes back empty; the event waits for another. */
static void small_buffer(struct carrier *c)
{
	uint8_t in[EVENT];

	settle(c);
	act(c, "packet 4:3:1");
	ck_assert_uint_eq(carrier_await(c, EVENTQ, carrier_submit(c, EVENTQ, NULL, 0, EVENT - 1), in), 0);
	told(c, "4:3:1 0:0:0");
}

/* ---- no room */

#define ROOM 2560

/* Fills the room with packets of a key that goes down and up, and the last of another axis. */
static unsigned int fill(struct carrier *c)
{
	char line[1024] = "packet";
	unsigned int packets = 0;

	for (unsigned int i = 0; i < 39; i++)
		strcat(line, i % 2 ? " 1:30:0" : " 1:30:1");
	/* 39 events and a SYN_REPORT: 64 of them are all the room. */
	for (; packets < ROOM / 40; packets++)
		act(c, line);
	return packets;
}

static void merges(struct carrier *c)
{
	unsigned int packets = fill(c);

	act(c, "packet 1:30:0 1:48:1 2:0:5");
	act(c, "packet 1:48:0 1:49:1 2:0:-3 2:1:7");
	tell(c, "show", "packets-merged 2\n");
	for (unsigned int i = 0; i < packets; i++) {
		for (unsigned int j = 0; j < 39; j++) {
			struct input_event e = next(c);

			ck_assert_int_eq(e.type, EV_KEY);
			ck_assert_int_eq(e.code, KEY_A);
			ck_assert_int_eq(e.value, j % 2 == 0);
		}
		told(c, "0:0:0");
	}
	/* B went down and up, and is not told; motion is summed up. */
	told(c, "0:3:0 0:0:0 1:30:0 1:49:1 0:0:0 2:0:2 2:1:7 0:0:0");
	act(c, "packet 1:49:0");
	told(c, "1:49:0 0:0:0");
}

/* What the host has lost, as evdev says, is asked for. */
static void host_lost(struct carrier *c)
{
	act(c, "key a down");
	told(c, "1:30:1 0:0:0");
	act(c, "lose");
	act(c, "packet 4:3:1");
	told(c, "4:3:1 0:0:0");
	tell(c, "show", "host-lost 1\n");
}

/* ---- what it passes on */

static const char *const filtered[] = {"--sim=touch",
				       "--allow-keys=KEY_C-KEY_B,btn_touch,0x2",
				       "--map=KEY_A=KEY_B,ABS_X=ABS_Y",
				       "--map=ABS_Y=-ABS_X",
				       "--abs-range=ABS_X=0:107,ABS_Y=-1919:1919",
				       "--control=%T/control",
				       NULL};

static void filters(struct carrier *c)
{
	range_is(c, ABS_X, 0, 107, 1);
	range_is(c, ABS_MT_POSITION_X, 0, 107, 1);
	range_is(c, ABS_Y, -1919, 1919, 20);
	ck_assert(has_code(c, EV_KEY, BTN_TOUCH));
	ck_assert(!has_code(c, EV_KEY, KEY_A));
	/* A is B; D is not allowed, and neither is its scan code. */
	act(c, "packet 4:4:30 1:30:1");
	told(c, "1:48:1 0:0:0");
	act(c, "packet 4:4:32 4:5:100 1:32:1");
	act(c, "packet 1:48:2");
	act(c, "packet 1:30:0");
	told(c, "1:48:2 0:0:0 1:48:0 0:0:0");
	act(c, "packet 3:0:1919 3:1:0");
	told(c, "3:1:1919 3:0:107 0:0:0");
	act(c, "packet 3:53:0 3:54:1079 3:57:3 3:47:64 3:53:7 3:47:1 3:57:4");
	told(c, "3:54:-1919 3:53:0 3:57:3 3:47:1 3:57:4 0:0:0");
	/* Far beyond its range a value is as far as it goes. */
	act(c, "packet 3:0:2147483647 3:63:1 1:768:1 17:0:1 20:0:3 18:1:1 0:1:1");
	told(c, "3:1:2147483647 3:63:1 0:0:0");
}

/* LEDs, sound and repeat of the guest; what it only sends back is ignored. */
static void statuses(struct carrier *c)
{
	uint8_t out[EVENT] = {0};
	int fd = control(c);

	ck_assert_int_eq(dprintf(fd, "watch\n"), 6);
	hear(c, fd, "ok\n");
	status(c, EV_LED, LED_CAPSL, 1);
	hear(c, fd, "! led capsl on\n");
	status(c, EV_SND, SND_BELL, 1);
	status(c, EV_REP, REP_DELAY, 300);
	status(c, EV_LED, LED_CAPSL, 0);
	hear(c, fd, "! led capsl off\n");
	tell(c, "show", "status 4\nstatus-ignored 0\n");
	/* None of these is a status of this device. */
	status(c, EV_MSC, MSC_SCAN, 1);
	status(c, EV_LED, LED_MAIL, 1);
	status(c, EV_LED, 0xffff, 1);
	status(c, EV_LED, LED_CAPSL, 2);
	status(c, EV_REP, REP_DELAY, -1);
	status(c, EV_FF, FF_GAIN, 1);
	status(c, 0xffff, 0, 0);
	ck_assert_uint_eq(carrier_request(c, STATUSQ, out, EVENT - 1, NULL, 0), 0);
	tell(c, "show", "status 4\nstatus-ignored 7\n");
	/* More than an event is one. */
	out[0] = EV_LED;
	out[4] = 1;
	{
		uint8_t more[EVENT + 3] = {0};

		memcpy(more, out, EVENT);
		ck_assert_uint_eq(carrier_request(c, STATUSQ, more, sizeof(more), NULL, 0), 0);
	}
	hear(c, fd, "! led numl on\n");
	/* What the guest leaves on goes off. */
	carrier_reset(c);
	hear(c, fd, "! led numl off\n");
	close(fd);
}

/* ---- drivers come and go */

/* A key that is down is told to the next driver; one that is up again is not. */
static void resets(struct carrier *c)
{
	act(c, "key a down");
	act(c, "key b down");
	told(c, "1:30:1 0:0:0 1:48:1 0:0:0");
	act(c, "packet 1:48:0");
	carrier_reset(c);
	told(c, "1:30:1 0:0:0");
	carrier_reconnect(c);
	told(c, "1:30:1 0:0:0");
	act(c, "key a up");
	told(c, "1:30:0 0:0:0");
}

static void stopped(struct carrier *c)
{
	uint32_t base;

	act(c, "packet 1:30:1");
	told(c, "1:30:1 0:0:0");
	base = carrier_stop(c, EVENTQ);
	act(c, "packet 1:30:0 2:0:5");
	act(c, "packet 1:48:1");
	carrier_start(c, EVENTQ, base);
	told(c, "1:30:0 1:48:1 0:0:0");
}

static void unplugged(struct carrier *c)
{
	act(c, "touch 3 10,20");
	told(c, "3:47:3 3:57:0 3:53:10 3:54:20 1:330:1 3:0:10 3:1:20 0:0:0");
	act(c, "unplug");
	carrier_wait_config_change(c);
	told(c, "3:57:-1 0:0:0 1:330:0 0:0:0");
	/* Who boots now finds it. */
	text_is(c, NAME, "vdevd touch panel");
	act(c, "touch 3 11,20");
	tell(c, "unplug", "error: ");
	act(c, "lift 3");
	tell(c, "show", "unplugged\n");
	act(c, "plug");
	carrier_wait_config_change(c);
	act(c, "touch 0 5,6");
	tell(c, "plug", "error: ");
}

/* The guest moves: what it was told goes with it, and is led to how the device there stands, on which no key is down.
 */
static void goes(struct carrier *c)
{
	act(c, "key a down");
	told(c, "1:30:1 0:0:0");
	status(c, EV_LED, LED_NUML, 1);
	act(c, "packet 1:48:1");
	tell(c, "show", "events-waiting 2\n");
	carrier_move(c);
	told(c, "1:48:1 0:0:0");
	if (carrier_kind(c) != CARRIER_BINARY) {
		act(c, "key a up");
		told(c, "1:30:0 0:0:0");
	}
}

/* ---- files */

static const char recorded[] = "# EVEMU 1.3\n"
			       "N: A mouse\n"
			       "I: 0003 046d c00e 0110\n"
			       "P: 00 00 00 00 00 00 00 00\n"
			       "B: 00 07 00 00 00 00 00 00 00\n"
			       "B: 01 00 00 00 00 00 00 00 00\n"
			       "B: 01 00 00 00 00 00 00 00 00\n"
			       "B: 01 00 00 00 00 00 00 00 00\n"
			       "B: 01 00 00 00 00 00 00 00 00\n"
			       "B: 01 00 00 07 00 00 00 00 00\n"
			       "B: 02 03 00 00 00 00 00 00 00\n"
			       "A: 00 -5 1023 1 2\n"
			       "E: 0.000001 0002 0000 -12\n"
			       "E: 0.000001 0000 0000 0000\t# ---- SYN_REPORT\n"
			       "E: 0.002 0001 0110 0001\n";

static const char good_tail[] = "E: 0.002000 0001 0110 0001\nE: 0.002000 0002 0001 0003\nE: 0.002000 0000 0000 0000\n";

static void write_recorded(struct carrier *c)
{
	size_t good = strlen(recorded) - strlen("E: 0.002 0001 0110 0001\n");

	carrier_write_file(c, "events", recorded, good, false);
	carrier_write_file(c, "events", good_tail, strlen(good_tail), true);
}

static const char *const replay_args[] = {"--replay=%T/events", "--record=%T/record", "--control=%T/control", NULL};

/* What was recorded is played, and recorded as it was. */
static void replays(struct carrier *c)
{
	char line[256];
	unsigned int found = 0, events = 0;
	FILE *f;

	text_is(c, NAME, "A mouse");
	bits_are(c, DEVIDS, 0, "\3\0\x6d\4\x0e\xc0\x10\1", 8);
	ck_assert(has_code(c, EV_KEY, BTN_LEFT));
	ck_assert(!has_code(c, EV_KEY, BTN_SIDE));
	act(c, "replay");
	told(c, "2:0:-12 0:0:0 1:272:1 2:1:3 0:0:0");
	act(c, "replay");
	told(c, "2:0:-12 0:0:0");
	for (unsigned int ms = 0; events < 7; ms++) {
		ck_assert_uint_lt(ms, 20000);
		carrier_idle(c, 1);
		f = fopen(carrier_path(c, "record"), "r");
		ck_assert_ptr_nonnull(f);
		for (found = events = 0; fgets(line, sizeof(line), f);) {
			events += line[0] == 'E';
			found += strcmp(line, "N: A mouse\n") == 0 || strcmp(line, "I: 0003 046d c00e 0110\n") == 0 ||
				 strcmp(line, "B: 01 00 00 07 00 00 00 00 00\n") == 0;
		}
		fclose(f);
	}
	ck_assert_uint_eq(found, 3);
	tell(c, "show", "record-lost 0\n");
}

static const char *const touch[] = {"--sim=touch", "--control=%T/control", NULL};

static const struct device_case cases[] = {
	{.name = "config", .run = config, .flags = CASE_CONFIG},
	{.name = "config whole", .run = config_whole, .args = keyboard, .flags = CASE_CONFIG},
	{.name = "types", .run = types, .args = keyboard, .flags = CASE_ONCE},
	{.name = "moves", .run = moves, .args = mouse, .flags = CASE_ONCE},
	{.name = "points", .run = points, .args = tablet, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "touches", .run = touches},
	{.name = "few buffers", .run = few_buffers},
	{.name = "small buffer", .run = small_buffer, .flags = CASE_ONCE},
	{.name = "merges", .run = merges, .args = mouse, .flags = CASE_ONCE},
	{.name = "host has lost events", .run = host_lost, .args = keyboard, .flags = CASE_ONCE},
	{.name = "filters", .run = filters, .args = filtered, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "statuses", .run = statuses, .args = keyboard, .flags = CASE_ONCE},
	{.name = "resets", .run = resets, .args = keyboard, .flags = CASE_ONCE},
	{.name = "stopped", .run = stopped, .args = mouse, .flags = CASE_ONCE},
	{.name = "unplugged", .run = unplugged, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "goes", .run = goes, .args = keyboard, .flags = CASE_ONCE},
	{.name = "replays",
	 .run = replays,
	 .args = replay_args,
	 .prepare = write_recorded,
	 .flags = CASE_ONCE | CASE_CONFIG},
};

static const struct device_suite input = {
	.device = "input",
	.args = touch,
	DEVICE_CASES(cases),
};

Suite *suite_input(void)
{
	Suite *s = suite_create("input");

	suite_add_device(s, &input);
	return s;
}
