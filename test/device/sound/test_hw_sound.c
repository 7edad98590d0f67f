/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_sound.c - the sound device on the kernel's own cards of no hardware, where they are: snd-aloop (the card
 * Loopback), which records on one device what is played on the other, and the mixer of snd-dummy (Dummy).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sound/asound.h>

#include "devices/sound/sound.h"
#include "test/lib/carrier.h"
#include "test/unit/suites.h"

enum { CONTROLQ, EVENTQ, TXQ, RXQ };

enum {
	JACK_INFO = 1,
	PCM_INFO = 0x100,
	SET_PARAMS,
	PREPARE,
	RELEASE,
	START,
	STOP,
	CTL_INFO = 0x300,
	ENUM_ITEMS,
	CTL_READ,
	CTL_WRITE,
	TLV_READ,
	OK = 0x8000,
	BAD_MSG,
	NOT_SUPP,
	IO_ERR,
	EVT_JACK = 0x1000,
	EVT_CTL = 0x1200,
};

enum { S16 = 5, HZ48000 = 7, XRUNS = 16 };

#define FRAME	4
#define PERIOD	(1920 * FRAME) /* 40 ms */
#define PERIODS 24	       /* nearly a second: the test may be kept from running for so long */
#define BUFFER	(PERIODS * PERIOD)
#define TURNS	25 /* periods that are played: a second */

static size_t words(uint8_t *out, unsigned int n, const uint32_t *w)
{
	for (unsigned int i = 0; i < n; i++) {
		const le32 wire = htole32(w[i]);

		memcpy(out + 4 * i, &wire, 4);
	}
	return 4 * n;
}

#define WORDS(out, ...) words((out), sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static uint32_t word(const uint8_t *at)
{
	le32 wire;

	memcpy(&wire, at, 4);
	return le32toh(wire);
}

static uint32_t ask_words(struct carrier *c, unsigned int n, const uint32_t *w)
{
	uint8_t out[64], in[4] = {0};

	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, words(out, n, w), in, 4), 4);
	return word(in);
}

#define ASK(c, ...) ask_words((c), sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static uint32_t set_params(struct carrier *c, uint32_t stream, unsigned int channels, unsigned int format,
			   unsigned int rate)
{
	return ASK(c, SET_PARAMS, stream, BUFFER, PERIOD, XRUNS, channels | format << 8 | rate << 16);
}

static void prepare(struct carrier *c, uint32_t stream)
{
	ck_assert_uint_eq(set_params(c, stream, 2, S16, HZ48000), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, stream), OK);
}

/* What is played: no byte of it is 0 but those of what was never sent. */
static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i % 251 + 1);
}

static struct frontend_request *play(struct carrier *c, unsigned int n)
{
	static uint8_t out[4 + PERIOD];

	WORDS(out, 0);
	for (size_t i = 0; i < PERIOD; i++)
		out[4 + i] = byte_at(n * PERIOD + i);
	return carrier_submit(c, TXQ, out, sizeof(out), 8);
}

static struct frontend_request *record(struct carrier *c)
{
	uint8_t out[4];

	return carrier_submit(c, RXQ, out, WORDS(out, 1), PERIOD + 8);
}

static void played(struct carrier *c, struct frontend_request *req)
{
	uint8_t in[8];

	ck_assert_uint_eq(carrier_await(c, TXQ, req, in), 8);
	ck_assert_uint_eq(word(in), OK);
	ck_assert_uint_lt(word(in + 4), 10 * BUFFER);
}

/* All frames that are played are recorded: once, in order, to the bit. */
static void loop(struct carrier *c)
{
	static uint8_t heard[(TURNS + PERIODS) * PERIOD];
	struct frontend_request *tx[PERIODS], *rx[PERIODS];
	uint8_t in[PERIOD + 8];
	size_t first = 0;

	prepare(c, 0);
	prepare(c, 1);
	for (unsigned int i = 0; i < PERIODS; i++) {
		tx[i] = play(c, i);
		rx[i] = record(c);
	}
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	for (unsigned int i = 0; i < TURNS + PERIODS; i++) {
		if (i < TURNS) {
			played(c, tx[i % PERIODS]);
			if (i + PERIODS < TURNS)
				tx[i % PERIODS] = play(c, i + PERIODS);
		}
		ck_assert_uint_eq(carrier_await(c, RXQ, rx[i % PERIODS], in), sizeof(in));
		ck_assert_uint_eq(word(in + PERIOD), OK);
		memcpy(heard + (size_t)i * PERIOD, in, PERIOD);
		rx[i % PERIODS] = record(c);
	}
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
	ck_assert_uint_eq(ASK(c, STOP, 1), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 1), OK);
	while (first < sizeof(heard) - TURNS * PERIOD && !heard[first])
		first++;
	for (size_t i = 0; i < TURNS * PERIOD; i++)
		ck_assert_msg(heard[first + i] == byte_at(i), "byte %zu, at %zu: %u and not %u", i, first + i,
			      heard[first + i], byte_at(i));
}

/* Pause, and on: nothing is lost or heard twice; and from the begin once more. */
static void pauses(struct carrier *c)
{
	struct frontend_request *tx[PERIODS];

	carrier_submit(c, EVENTQ, NULL, 0, 8);
	for (unsigned int round = 0; round < 2; round++) {
		prepare(c, 0);
		for (unsigned int i = 0; i < PERIODS; i++)
			tx[i] = play(c, i);
		ck_assert_uint_eq(ASK(c, START, 0), OK);
		played(c, tx[0]);
		ck_assert_uint_eq(ASK(c, STOP, 0), OK);
		/* Longer than the buffer: one that ran on would run empty. */
		carrier_idle(c, 1200);
		ck_assert_uint_eq(ASK(c, START, 0), OK);
		for (unsigned int i = 1; i < PERIODS; i++)
			played(c, tx[i]);
		ck_assert_uint_eq(ASK(c, STOP, 0), OK);
		ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
	}
	carrier_stays(c, EVENTQ, 1);
}

/* It runs empty, and goes on when there is more. */
static void runs_empty(struct carrier *c)
{
	struct frontend_request *event = carrier_submit(c, EVENTQ, NULL, 0, 8);
	uint8_t in[8];

	prepare(c, 0);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	for (unsigned int i = 0; i < 3; i++) {
		played(c, play(c, 0));
		carrier_idle(c, 50);
	}
	ck_assert_uint_eq(carrier_await(c, EVENTQ, event, in), 8);
	ck_assert_uint_eq(word(in), 0x1101);
}

/* Parameters that the card does not have. */
static void refuses(struct carrier *c)
{
	ck_assert_uint_eq(set_params(c, 0, 2, 0, HZ48000), NOT_SUPP);
	ck_assert_uint_eq(set_params(c, 0, 200, S16, HZ48000), NOT_SUPP);
	ck_assert_uint_eq(set_params(c, 0, 0, S16, HZ48000), BAD_MSG);
}

/* The mixer of snd-dummy: its elements, a value there and back, its scale, the event. */
static void mixer(struct carrier *c)
{
	uint8_t out[8 + 512], in[4 + 92 * 64], value[512] = {0}, space[16];
	struct frontend_request *event = carrier_submit(c, EVENTQ, NULL, 0, 8);
	uint32_t n, id = 0;

	carrier_config_read(c, 0, space, sizeof(space));
	n = word(space + 12);
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_le(n, 64);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, CTL_INFO, 0, n, 92), in, 4 + 92 * n),
			  4 + 92 * n);
	while (id < n && strcmp((const char *)in + 4 + 92 * id + 24, "Master Volume") != 0)
		id++;
	ck_assert_uint_lt(id, n);
	ck_assert_uint_eq(word(in + 4 + 92 * id + 8), 1);
	ck_assert_uint_eq(word(in + 4 + 92 * id + 16), 2);
	for (uint32_t level = 10; level < 30; level += 10) {
		WORDS(value, level, level + 1);
		memcpy(out + WORDS(out, CTL_WRITE, id), value, 512);
		ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, sizeof(out), in, 4), 4);
		ck_assert_uint_eq(word(in), OK);
		ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, CTL_READ, id), in, 516), 516);
		ck_assert_mem_eq(in + 4, value, 512);
	}
	ck_assert_uint_eq(carrier_await(c, EVENTQ, event, in), 8);
	ck_assert_uint_eq(word(in), EVT_CTL);
	ck_assert_uint_eq(word(in + 4), id | 1 << 16);
	ck_assert_uint_ge(carrier_request(c, CONTROLQ, out, WORDS(out, TLV_READ, id), in, 64), 4 + 16);
	ck_assert_uint_eq(word(in), OK);
	ck_assert_uint_eq(word(in + 4), 1);
}

/* An element of snd-dummy's card as HDA's driver has them for jacks: made by a program. */
static void jack_element(unsigned long request, void *arg)
{
	char card[32] = "", path[32];
	int fd;

	ck_assert_int_gt((int)readlink("/proc/asound/Dummy", card, sizeof(card) - 1), 4);
	snprintf(path, sizeof(path), "/dev/snd/controlC%d", atoi(card + strlen("card")));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	if (ioctl(fd, request, arg) < 0)
		/* It stays when its maker has gone. */
		ck_assert(request == SNDRV_CTL_IOCTL_ELEM_ADD && errno == EBUSY);
	close(fd);
}

static const struct snd_ctl_elem_id headphone = {.iface = SNDRV_CTL_ELEM_IFACE_CARD, .name = "Headphone Jack"};

static void plug(bool in)
{
	struct snd_ctl_elem_value v = {.id = headphone};

	v.value.integer.value[0] = in;
	jack_element(SNDRV_CTL_IOCTL_ELEM_WRITE, &v);
}

static void jack_make(struct carrier *c)
{
	struct snd_ctl_elem_info info = {.id = headphone, .type = SNDRV_CTL_ELEM_TYPE_BOOLEAN, .count = 1};

	info.access = SNDRV_CTL_ELEM_ACCESS_READWRITE;
	info.owner = 1;
	jack_element(SNDRV_CTL_IOCTL_ELEM_ADD, &info);
	plug(false);
}

static void jack_is(struct carrier *c, bool connected)
{
	uint8_t out[16], in[4 + 24];

	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, JACK_INFO, 0, 1, 24), in, sizeof(in)),
			  sizeof(in));
	ck_assert_uint_eq(word(in), OK);
	/* HDA: the default device is "HP Out"; the pin is an output, and drives headphones. */
	ck_assert_uint_eq(word(in + 4 + 8) >> 20 & 15, 2);
	ck_assert_uint_eq(word(in + 4 + 12) & 0x18, 0x18);
	ck_assert_uint_eq(in[4 + 16], connected);
}

/* A jack of the card, plugged in and out. */
static void jacks(struct carrier *c)
{
	uint8_t in[8];

	jack_is(c, false);
	for (unsigned int i = 0; i < 4; i++) {
		struct frontend_request *event = carrier_submit(c, EVENTQ, NULL, 0, 8);

		plug(i % 2 == 0);
		ck_assert_uint_eq(carrier_await(c, EVENTQ, event, in), 8);
		ck_assert_uint_eq(word(in), EVT_JACK + i % 2);
		ck_assert_uint_eq(word(in + 4), 0);
		jack_is(c, i % 2 == 0);
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/*
 * Periods of 5 ms, 16 of them in the buffer, for so many seconds as VDEVD_SOUND_STEADY says (with
 * CK_TIMEOUT_MULTIPLIER=5 for a minute), else for one: each comes back.  How often it ran empty, and how old samples
 * were at the end, is printed: it tells of the machine, too.
 */
static void steady(struct carrier *c)
{
	enum { SMALL = 240 * FRAME, MANY = 16 };
	const char *seconds = getenv("VDEVD_SOUND_STEADY");
	const unsigned int turns = (unsigned int)(seconds ? atoi(seconds) : 1) * 200;
	struct frontend_request *tx[MANY];
	double sent[MANY], age = 0, first = 0;
	uint8_t out[4 + SMALL] = {0}, in[8] = {0};

	ck_assert_uint_eq(ASK(c, SET_PARAMS, 0, MANY * SMALL, SMALL, XRUNS, 2 | S16 << 8 | HZ48000 << 16), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, 0), OK);
	for (unsigned int i = 0; i < MANY; i++) {
		tx[i] = carrier_submit(c, TXQ, out, sizeof(out), 8);
		sent[i] = now();
	}
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	for (unsigned int i = 0; i < turns; i++) {
		ck_assert_uint_eq(carrier_await(c, TXQ, tx[i % MANY], in), 8);
		ck_assert_uint_eq(word(in), OK);
		age = now() - sent[i % MANY];
		first = i == 2 * MANY ? age : first;
		tx[i % MANY] = carrier_submit(c, TXQ, out, sizeof(out), 8);
		sent[i % MANY] = now();
	}
	printf("steady: %u periods of 5 ms, %u xruns; one came back after %.1f ms at the begin, %.1f ms at the end\n",
	       turns, (unsigned int)to_sound(carrier_vdev(c))->streams[0].xruns, first * 1000, age * 1000);
	fflush(stdout);
}

/* Binds the driver of snd-aloop to its card, or parts them. */
static void card_bind(const char *how)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/platform/drivers/snd_aloop/%s", how);
	fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, "snd_aloop.0", 11), 11);
	close(fd);
}

/* The card goes in mid-play: its messages come back with errors; and it is used again when it is there again. */
static void unplugged(struct carrier *c)
{
	struct frontend_request *event = carrier_submit(c, EVENTQ, NULL, 0, 8), *tx[3];
	unsigned int turns = 0;
	uint8_t in[8];
	int status;
	pid_t pid;

	prepare(c, 0);
	for (unsigned int i = 0; i < 3; i++)
		tx[i] = play(c, i);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	played(c, tx[0]);
	/* The kernel waits until all have closed the card: the device does so by itself. */
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		for (int fd = 3; fd < 256; fd++)
			close(fd);
		card_bind("unbind");
		_exit(0);
	}
	ck_assert_uint_eq(carrier_await(c, TXQ, tx[2], in), 8);
	ck_assert_uint_eq(word(in), IO_ERR);
	ck_assert_uint_eq(carrier_await(c, EVENTQ, event, in), 8);
	ck_assert_uint_eq(word(in), 0x1101);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(carrier_await(c, TXQ, play(c, 0), in), 8);
	ck_assert_uint_eq(word(in), IO_ERR);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, 0), IO_ERR);
	card_bind("bind");
	/* Its node comes a moment later. */
	while (ASK(c, PREPARE, 0) != OK && turns++ < 500)
		carrier_idle(c, 10);
	tx[0] = play(c, 0);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	played(c, tx[0]);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
}

static const char *const loopback[] = {"--playback=hw:Loopback,0,0", "--capture=hw:Loopback,1,0", NULL};
static const char *const played_alone[] = {"--playback=hw:Loopback,0,0", NULL};
static const char *const dummy[] = {"--playback=hw:Dummy,0", "--controls=hw:Dummy", NULL};

static const char *const dummy_jacks[] = {"--playback=hw:Dummy,0", "--jacks=hw:Dummy", NULL};

static const struct device_case loop_cases[] = {
	{.name = "loop", .run = loop, .flags = CASE_ONCE, .depth = PERIODS},
	{.name = "pauses", .run = pauses, .flags = CASE_ONCE, .depth = PERIODS},
	{.name = "runs empty", .run = runs_empty, .flags = CASE_ONCE},
	{.name = "refuses", .run = refuses, .flags = CASE_ONCE},
	{.name = "mixer", .run = mixer, .args = dummy, .flags = CASE_ONCE},
	{.name = "jacks", .run = jacks, .prepare = jack_make, .args = dummy_jacks, .flags = CASE_ONCE},
	{.name = "steady", .run = steady, .args = dummy, .flags = CASE_ONCE | CASE_NOT_BINARY, .depth = 16},
	{.name = "unplugged", .run = unplugged, .args = played_alone, .flags = CASE_ONCE},
};

static const struct device_suite hw_sound = {
	.device = "sound",
	.args = loopback,
	DEVICE_CASES(loop_cases),
};

START_TEST(test_absent)
{
	test_note_skip("hw_sound", "no cards Loopback and Dummy (modprobe snd-aloop, snd-dummy)");
}
END_TEST

Suite *suite_hw_sound(void)
{
	Suite *s = suite_create("hw_sound");
	TCase *tc = tcase_create("cards");

	if (access("/proc/asound/Loopback", F_OK) == 0 && access("/proc/asound/Dummy", F_OK) == 0) {
		suite_add_device(s, &hw_sound);
		return s;
	}
	tcase_add_test(tc, test_absent);
	suite_add_tcase(s, tc);
	return s;
}
