/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sound.c - the sound device: VIRTIO 1.4, section 5.14.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "devices/sound/sound_host.h"
#include "test/lib/carrier.h"
#include "test/lib/open_device.h"
#include "test/unit/suites.h"

enum { CONTROLQ, EVENTQ, TXQ, RXQ };

enum {
	JACK_INFO = 1,
	JACK_REMAP,
	PCM_INFO = 0x100,
	SET_PARAMS,
	PREPARE,
	RELEASE,
	START,
	STOP,
	CHMAP_INFO = 0x200,
	CTL_INFO = 0x300,
	ENUM_ITEMS,
	CTL_READ,
	CTL_WRITE,
	TLV_READ,
	TLV_WRITE,
	TLV_COMMAND,
	OK = 0x8000,
	BAD_MSG,
	NOT_SUPP,
	IO_ERR,
	EVT_CONNECTED = 0x1000,
	EVT_DISCONNECTED,
	EVT_XRUN = 0x1101,
	EVT_CTL = 0x1200,
};

/* Formats and rates. */
enum { U8 = 4, S16 = 5, S24_3 = 11, S32 = 17, FLOAT = 19 };
enum { HZ8000 = 1, HZ48000 = 7, HZ192000 = 12 };

#define F_CTLS 0

#define PERIOD	    480 /* bytes: 2.5 ms of S16, 2 channels, 48 kHz */
#define BUFFER	    1920
#define PERIOD_US   2500
#define PERIODS	    (BUFFER / PERIOD)
#define PATIENCE_US 50000 /* how long the last message of a whole buffer is kept */

static const char *const sim[] = {"--backend=sim", "--control=%T/control", NULL};

/* A command; the answer, of at most size - 1 bytes. */
static void command(struct carrier *c, const char *command, char *answer, size_t size)
{
	int fd = unix_connect(carrier_path(c, "control"));
	unsigned int turns = 0;
	size_t len = 0;

	answer[0] = '\0';
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "%s\n", command), (int)strlen(command) + 1);
	while (!strstr(answer, "ok\n") && (strncmp(answer, "error", 5) || !strchr(answer, '\n'))) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (carrier_kind(c) != CARRIER_BINARY)
			carrier_idle(c, 0);
		else
			ck_assert_int_eq(poll(&p, 1, 20000), 1);
		n = read(fd, answer + len, size - 1 - len);
		ck_assert_msg(n != 0 && ++turns < 1000000, "no answer to '%s'", command);
		len += n > 0 ? (size_t)n : 0;
		answer[len] = '\0';
	}
	close(fd);
}

/* The same; checks that the answer begins with these words. */
static void tell(struct carrier *c, const char *line, const char *want)
{
	char answer[4096];

	command(c, line, answer, sizeof(answer));
	ck_assert_msg(strncmp(answer, want, strlen(want)) == 0, "%s: %s", line, answer);
}

static void act(struct carrier *c, const char *command)
{
	tell(c, command, "ok\n");
}

static void advance(struct carrier *c, unsigned int us)
{
	char line[64];

	snprintf(line, sizeof(line), "advance %u", us);
	act(c, line);
}

/* Waits until the device holds so many messages of a stream: no more, and none of them given back. */
static void held(struct carrier *c, unsigned int stream, unsigned int n)
{
	char answer[4096], want[32], *line;

	snprintf(want, sizeof(want), " held %u ", n);
	for (unsigned int i = 0; i < 20000; i++) {
		command(c, "streams", answer, sizeof(answer));
		line = stream ? strchr(answer, '\n') + 1 : answer;
		*strchr(line, '\n') = '\0';
		if (strstr(line, want))
			return;
		carrier_idle(c, 1);
	}
	ck_abort_msg("stream %u: %s", stream, line);
}

/* Up to eight words, little-endian; returns how many bytes. */
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

static uint64_t word64(const uint8_t *at)
{
	return word(at) | (uint64_t)word(at + 4) << 32;
}

/* A request of words; returns the status. */
static uint32_t ask_words(struct carrier *c, unsigned int n, const uint32_t *w)
{
	uint8_t out[64], in[4] = {0};

	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, words(out, n, w), in, 4), 4);
	return word(in);
}

#define ASK(c, ...) ask_words((c), sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static uint32_t set_params(struct carrier *c, uint32_t stream, uint32_t buffer, uint32_t period, uint32_t features,
			   unsigned int channels, unsigned int format, unsigned int rate)
{
	return ASK(c, SET_PARAMS, stream, buffer, period, features, channels | format << 8 | rate << 16);
}

#define XRUNS 16

static void prepare(struct carrier *c, uint32_t stream, uint32_t features)
{
	ck_assert_uint_eq(set_params(c, stream, BUFFER, PERIOD, features, 2, S16, HZ48000), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, stream), OK);
}

/* An output message of len bytes, the next of a pattern. */
static struct frontend_request *play(struct carrier *c, uint32_t stream, size_t len, uint32_t *sum)
{
	uint8_t out[4 + BUFFER];
	static uint8_t next;

	WORDS(out, stream);
	for (size_t i = 0; i < len; i++) {
		out[4 + i] = next++;
		if (sum)
			*sum = (*sum ^ out[4 + i]) * 16777619u;
	}
	return carrier_submit(c, TXQ, out, 4 + len, 8);
}

/* It comes back, with this status. */
static void played(struct carrier *c, struct frontend_request *req, uint32_t status)
{
	uint8_t in[8];

	ck_assert_uint_eq(carrier_await(c, TXQ, req, in), 8);
	ck_assert_uint_eq(word(in), status);
}

static struct frontend_request *record(struct carrier *c, uint32_t stream, size_t len)
{
	uint8_t out[4];

	return carrier_submit(c, RXQ, out, WORDS(out, stream), len + 8);
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 7 + (at >> 8));
}

/* It comes back with len bytes from this place on, of room. */
static void recorded(struct carrier *c, struct frontend_request *req, size_t room, size_t len, uint64_t place)
{
	uint8_t in[BUFFER + 8];

	ck_assert_uint_eq(carrier_await(c, RXQ, req, in), len + 8);
	for (size_t i = 0; i < len; i++)
		ck_assert_uint_eq(in[i], pattern(place + i));
	if (room == len)
		ck_assert_uint_eq(word(in + room), OK);
}

static struct frontend_request *listen_event(struct carrier *c)
{
	return carrier_submit(c, EVENTQ, NULL, 0, 8);
}

static void event_told(struct carrier *c, struct frontend_request *req, uint32_t code, uint32_t data)
{
	uint8_t in[8];

	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 8);
	ck_assert_uint_eq(word(in), code);
	ck_assert_uint_eq(word(in + 4), data);
}

/*
 * What there is.
 */

static void config(struct carrier *c)
{
	uint8_t buf[16];

	carrier_config_read(c, 0, buf, sizeof(buf));
	ck_assert_uint_eq(word(buf), 2);
	ck_assert_uint_eq(word(buf + 4), 2);
	ck_assert_uint_eq(word(buf + 8), 10);
	ck_assert_uint_eq(word(buf + 12), 8);
}

/* Items of a size that is not ours: cut, or filled up with zeros. */
static void infos(struct carrier *c)
{
	static const uint32_t sizes[] = {0, 4, 31, 32, 33, 64, 300};
	uint8_t out[16], in[4 + 2 * 300], whole[4 + 64];

	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, PCM_INFO, 0, 2, 32), whole, 68), 68);
	ck_assert_uint_eq(word(whole), OK);
	for (unsigned int i = 0; i < 2; i++) {
		const uint8_t *at = whole + 4 + 32 * i;

		ck_assert_uint_eq(word(at), 0);
		ck_assert_uint_eq(word(at + 4), XRUNS);
		ck_assert_uint_eq(word64(at + 8), 0x1fffffe);
		ck_assert_uint_eq(word64(at + 16), 0xffff);
		ck_assert_uint_eq(at[24], i);
		ck_assert_uint_eq(at[25], 1);
		ck_assert_uint_eq(at[26], 8);
		ck_assert_mem_eq(at + 27, "\0\0\0\0\0", 5);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const uint32_t size = sizes[i], len = 4 + 2 * size;

		memset(in, 0xee, sizeof(in));
		ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, PCM_INFO, 0, 2, size), in, len), len);
		ck_assert_uint_eq(word(in), OK);
		for (uint32_t k = 0; k < 2 * size; k++)
			ck_assert_uint_eq(in[4 + k], k % size < 32 ? whole[4 + k / size * 32 + k % size] : 0);
	}
	/* One of them; none. */
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, PCM_INFO, 1, 1, 32), in, 36), 36);
	ck_assert_mem_eq(in + 4, whole + 36, 32);
	ck_assert_uint_eq(ASK(c, PCM_INFO, 2, 0, 32), OK);
}

static void infos_wrong(struct carrier *c)
{
	static uint8_t large[4 + 4097];
	uint8_t out[16], in[64];

	/* Items of more than anyone has, which would take time to fill. */
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, PCM_INFO, 0, 1, 4097), large, sizeof(large)), 4);
	ck_assert_uint_eq(word(large), BAD_MSG);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, PCM_INFO, 0, 1, 4096), large, 4 + 4096),
			  4 + 4096);
	ck_assert_uint_eq(word(large), OK);
	ck_assert_uint_eq(ASK(c, PCM_INFO, 0, 3, 32), BAD_MSG);
	ck_assert_uint_eq(ASK(c, PCM_INFO, 3, 0, 32), BAD_MSG);
	ck_assert_uint_eq(ASK(c, PCM_INFO, 1, UINT32_MAX, 32), BAD_MSG);
	ck_assert_uint_eq(ASK(c, PCM_INFO, UINT32_MAX, 1, 32), BAD_MSG);
	/* No room for what is asked for. */
	ck_assert_uint_eq(ASK(c, PCM_INFO, 0, 1, 32), BAD_MSG);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, PCM_INFO, 0, 2, 32), in, 64), 4);
	ck_assert_uint_eq(word(in), BAD_MSG);
	ck_assert_uint_eq(ASK(c, PCM_INFO, 0, 2, UINT32_MAX), BAD_MSG);
	for (unsigned int n = 1; n < 4; n++)
		ck_assert_uint_eq(ask_words(c, n, (uint32_t[]){PCM_INFO, 0, 0, 0}), BAD_MSG);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, "\1\1", 2, in, 4), 4);
	ck_assert_uint_eq(word(in), BAD_MSG);
	ck_assert_uint_eq(ASK(c, 0, 0), NOT_SUPP);
	ck_assert_uint_eq(ASK(c, 0x106, 0), NOT_SUPP);
	ck_assert_uint_eq(ASK(c, UINT32_MAX), NOT_SUPP);
	/* No room for the status. */
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, PREPARE, 0), in, 3), 0);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, PCM_INFO, 0, 1, 32), NULL, 0), 0);
}

static void chmaps(struct carrier *c)
{
	static const uint8_t channels[] = {1, 2, 4, 6, 8};
	uint8_t out[16], in[4 + 10 * 24];

	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, CHMAP_INFO, 0, 10, 24), in, sizeof(in)),
			  sizeof(in));
	ck_assert_uint_eq(word(in), OK);
	for (unsigned int i = 0; i < 10; i++) {
		const uint8_t *at = in + 4 + 24 * i;

		ck_assert_uint_eq(at[4], i / 5);
		ck_assert_uint_eq(at[5], channels[i % 5]);
		ck_assert_uint_eq(at[6], i % 5 ? 3 : 2);
	}
}

/* Jacks: as they are, remapped until the device is reset, plugged. */
static void jacks(struct carrier *c)
{
	struct frontend_request *req[2];
	uint8_t out[16], in[4 + 48];

	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, JACK_INFO, 0, 2, 24), in, sizeof(in)),
			  sizeof(in));
	ck_assert_uint_eq(word(in + 4 + 4), 1);
	ck_assert_uint_eq(word(in + 4 + 8), 0x02214010);
	ck_assert_uint_eq(in[4 + 16], 1);
	ck_assert_uint_eq(in[4 + 24 + 16], 0);
	ck_assert_uint_eq(ASK(c, JACK_REMAP, 0, 5, 6), OK);
	ck_assert_uint_eq(ASK(c, JACK_REMAP, 2, 5, 6), BAD_MSG);
	ck_assert_uint_eq(ASK(c, JACK_REMAP, 0, 16, 6), BAD_MSG);
	ck_assert_uint_eq(ASK(c, JACK_REMAP, 0, 1, 16), BAD_MSG);
	ck_assert_uint_eq(ASK(c, JACK_REMAP, 0, 5), BAD_MSG);
	carrier_request(c, CONTROLQ, out, WORDS(out, JACK_INFO, 0, 2, 24), in, sizeof(in));
	ck_assert_uint_eq(word(in + 4 + 8), 0x02214056);
	req[0] = listen_event(c);
	req[1] = listen_event(c);
	act(c, "jack 1 in");
	event_told(c, req[0], EVT_CONNECTED, 1);
	act(c, "jack 1 in");
	act(c, "jack 0 out");
	event_told(c, req[1], EVT_DISCONNECTED, 0);
	carrier_request(c, CONTROLQ, out, WORDS(out, JACK_INFO, 0, 2, 24), in, sizeof(in));
	ck_assert_uint_eq(in[4 + 16], 0);
	ck_assert_uint_eq(in[4 + 24 + 16], 1);
}

/*
 * The life of a stream.
 */

/* Every request in every state. */
static void states(struct carrier *c)
{
	/* How a state is reached, and what may follow: a bit for each of SET_PARAMS to STOP. */
	static const struct {
		uint8_t way[6];
		uint8_t may;
	} rows[] = {
		{{0}, 0x01},
		{{SET_PARAMS & 0xff}, 0x03},
		{{SET_PARAMS & 0xff, PREPARE & 0xff}, 0x0f},
		{{SET_PARAMS & 0xff, PREPARE & 0xff, START & 0xff}, 0x10},
		{{SET_PARAMS & 0xff, PREPARE & 0xff, START & 0xff, STOP & 0xff}, 0x0c},
		{{SET_PARAMS & 0xff, PREPARE & 0xff, START & 0xff, STOP & 0xff, RELEASE & 0xff}, 0x03},
		{{SET_PARAMS & 0xff, PREPARE & 0xff, RELEASE & 0xff}, 0x03},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 5; i++) {
		const uint32_t last = SET_PARAMS + (uint32_t)i % 5, stream = i % 2;
		uint32_t status;

		carrier_reset(c);
		for (const uint8_t *way = rows[i / 5].way; *way; way++) {
			status = *way == 1 ? set_params(c, stream, BUFFER, PERIOD, 0, 2, S16, HZ48000)
					   : ASK(c, 0x100u + *way, stream);
			ck_assert_uint_eq(status, OK);
		}
		status = last == SET_PARAMS ? set_params(c, stream, BUFFER, PERIOD, 0, 2, S16, HZ48000)
					    : ASK(c, last, stream);
		ck_assert_uint_eq(status, rows[i / 5].may & 1 << i % 5 ? OK : BAD_MSG);
	}
	ck_assert_uint_eq(ASK(c, PREPARE, 2), BAD_MSG);
	ck_assert_uint_eq(ASK(c, PREPARE), BAD_MSG);
	ck_assert_uint_eq(ASK(c, SET_PARAMS, 0, 0, 0), BAD_MSG);
}

static void params(struct carrier *c)
{
	static const struct {
		uint32_t buffer, period, features, status;
		uint8_t channels, format, rate;
	} rows[] = {
		{BUFFER, PERIOD, 0, OK, 2, S16, HZ48000},
		{BUFFER, PERIOD, XRUNS, OK, 2, S16, HZ48000},
		{18, 3, 0, OK, 1, S24_3, 0},
		{BUFFER, PERIOD, 0, OK, 8, FLOAT, 15},
		{BUFFER, 0, 0, BAD_MSG, 2, S16, HZ48000},
		{0, PERIOD, 0, BAD_MSG, 2, S16, HZ48000},
		{BUFFER + 4, PERIOD, 0, BAD_MSG, 2, S16, HZ48000},
		{30, 10, 0, BAD_MSG, 1, S24_3, HZ48000},
		{BUFFER, PERIOD, 32, BAD_MSG, 2, S16, HZ48000},
		{BUFFER, PERIOD, 1, NOT_SUPP, 2, S16, HZ48000},
		{BUFFER, PERIOD, 2, NOT_SUPP, 2, S16, HZ48000},
		{BUFFER, PERIOD, 4, NOT_SUPP, 2, S16, HZ48000},
		{BUFFER, PERIOD, 8, NOT_SUPP, 2, S16, HZ48000},
		{BUFFER, PERIOD, 0, BAD_MSG, 0, S16, HZ48000},
		{BUFFER, PERIOD, 0, NOT_SUPP, 9, S16, HZ48000},
		{BUFFER, PERIOD, 0, BAD_MSG, 2, 25, HZ48000},
		{BUFFER, PERIOD, 0, NOT_SUPP, 2, 0, HZ48000},
		{BUFFER, PERIOD, 0, BAD_MSG, 2, S16, 16},
		{(16u << 20) + 4, (16u << 20) + 4, 0, NOT_SUPP, 2, S16, HZ48000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(set_params(c, i % 2, rows[i].buffer, rows[i].period, rows[i].features, rows[i].channels,
					 rows[i].format, rows[i].rate) == rows[i].status,
			      "row %zu", i);
}

/* A message comes back when its time is over, and not before; frames are heard once and in order. */
static void plays(struct carrier *c)
{
	struct frontend_request *req[4];
	char want[64];
	uint32_t sum = 2166136261u;

	prepare(c, 0, XRUNS);
	for (unsigned int i = 0; i < 4; i++)
		req[i] = play(c, 0, PERIOD, &sum);
	held(c, 0, 4);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	held(c, 0, 4);
	advance(c, PERIOD_US - 50);
	held(c, 0, 4);
	advance(c, 50);
	played(c, req[0], OK);
	held(c, 0, 3);
	advance(c, PERIOD_US);
	played(c, req[1], OK);
	req[0] = play(c, 0, PERIOD, &sum);
	req[1] = play(c, 0, PERIOD / 2, &sum);
	held(c, 0, 4);
	advance(c, 3 * PERIOD_US);
	played(c, req[2], OK);
	played(c, req[3], OK);
	played(c, req[0], OK);
	held(c, 0, 1);
	advance(c, PERIOD_US / 2);
	advance(c, PATIENCE_US);
	played(c, req[1], OK);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
	snprintf(want, sizeof(want), "%u %08x\nok\n", 5 * PERIOD + PERIOD / 2, sum);
	tell(c, "heard 0", want);
	tell(c, "streams", "0 playback sim released S16 48000 2 held 0 bytes 2640 xruns 0 errors 0\n");
}

/* Input: full messages; what is there at the end. */
static void records(struct carrier *c)
{
	struct frontend_request *req[3];

	prepare(c, 1, XRUNS);
	for (unsigned int i = 0; i < 3; i++)
		req[i] = record(c, 1, PERIOD);
	held(c, 1, 3);
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	advance(c, PERIOD_US - 50);
	held(c, 1, 3);
	advance(c, 50);
	recorded(c, req[0], PERIOD, PERIOD, 0);
	advance(c, PERIOD_US + 500);
	recorded(c, req[1], PERIOD, PERIOD, PERIOD);
	ck_assert_uint_eq(ASK(c, STOP, 1), OK);
	held(c, 1, 1);
	ck_assert_uint_eq(ASK(c, RELEASE, 1), OK);
	/* 500 us are 24 frames. */
	recorded(c, req[2], PERIOD, 96, 2 * PERIOD);
}

/* RELEASE gives all messages back first, those too that stand in the ring. */
static void release_flushes(struct carrier *c)
{
	struct frontend_request *req[3];

	prepare(c, 0, 0);
	for (unsigned int i = 0; i < 3; i++)
		req[i] = play(c, 0, PERIOD, NULL);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
	for (unsigned int i = 0; i < 3; i++)
		played(c, req[i], IO_ERR);
	/* Then none is taken. */
	played(c, play(c, 0, PERIOD, NULL), IO_ERR);
	/* It can be prepared as it was. */
	ck_assert_uint_eq(ASK(c, PREPARE, 0), OK);
	req[0] = play(c, 0, PERIOD, NULL);
	held(c, 0, 1);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	advance(c, PERIOD_US);
	played(c, req[0], OK);
}

/* Held where it is, it goes on there. */
static void pauses(struct carrier *c)
{
	uint32_t sum = 2166136261u;
	struct frontend_request *req[2];
	char want[64];

	prepare(c, 0, XRUNS);
	req[0] = play(c, 0, PERIOD, &sum);
	req[1] = play(c, 0, PERIOD, &sum);
	held(c, 0, 2);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	advance(c, 1000);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	tell(c, "heard 0", "192 ");
	advance(c, 100000);
	held(c, 0, 2);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	advance(c, 1000);
	held(c, 0, 2);
	advance(c, 500);
	played(c, req[0], OK);
	advance(c, PERIOD_US);
	played(c, req[1], OK);
	snprintf(want, sizeof(want), "%u %08x\nok\n", 2 * PERIOD, sum);
	tell(c, "heard 0", want);
	tell(c, "streams", "0 playback sim running S16 48000 2 held 0 bytes 960 xruns 0 errors 0\n");
}

/* Messages that are none. */
static void messages_wrong(struct carrier *c)
{
	uint8_t out[4 + BUFFER + 4] = {0}, in[16];

	prepare(c, 0, 0);
	prepare(c, 1, 0);
	played(c, play(c, 1, PERIOD, NULL), IO_ERR);
	played(c, play(c, 2, PERIOD, NULL), IO_ERR);
	played(c, play(c, 0, PERIOD + 1, NULL), IO_ERR);
	played(c, carrier_submit(c, TXQ, out, 4 + BUFFER + 4, 8), IO_ERR);
	played(c, carrier_submit(c, TXQ, out, 3, 8), IO_ERR);
	ck_assert_uint_eq(carrier_request(c, TXQ, out, 4 + PERIOD, in, 7), 0);
	/* The status of an input is at the end of its room, and the length says that nothing was recorded. */
	ck_assert_uint_eq(carrier_request(c, RXQ, out, 4, in, 15), 8);
	ck_assert_uint_eq(carrier_request(c, RXQ, "\1\0\0\0", 4, in, 13), 8);
	ck_assert_uint_eq(carrier_request(c, RXQ, out, 4, in, 8), 8);
	ck_assert_uint_eq(word(in), IO_ERR);
	ck_assert_uint_eq(carrier_request(c, RXQ, "\1\0\0\0", 4, in, 7), 0);
	/* An empty one is one. */
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	played(c, play(c, 0, 0, NULL), OK);
}

/* Too late is told when it goes on; an end is none. */
static void underflow(struct carrier *c)
{
	struct frontend_request *event, *req;

	prepare(c, 0, XRUNS);
	event = listen_event(c);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	req = play(c, 0, PERIOD, NULL);
	held(c, 0, 1);
	advance(c, PERIOD_US);
	played(c, req, OK);
	advance(c, 10000);
	carrier_stays(c, EVENTQ, 1);
	tell(c, "streams", "0 playback sim running S16 48000 2 held 0 bytes 480 xruns 0");
	req = play(c, 0, PERIOD, NULL);
	event_told(c, event, EVT_XRUN, 0);
	held(c, 0, 1);
	advance(c, PERIOD_US);
	played(c, req, OK);
	tell(c, "streams", "0 playback sim running S16 48000 2 held 0 bytes 960 xruns 1");
}

/*
 * A guest that did not run while a whole buffer was played finds that not all of it was: it would take all for none. It
 * goes on with a gap, or ends.
 */
static void last_is_kept(struct carrier *c)
{
	struct frontend_request *req[PERIODS], *event, *next;

	prepare(c, 0, XRUNS);
	event = listen_event(c);
	for (unsigned int i = 0; i < PERIODS; i++)
		req[i] = play(c, 0, PERIOD, NULL);
	held(c, 0, PERIODS);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	advance(c, 10 * PERIOD_US);
	for (unsigned int i = 0; i < PERIODS - 1; i++)
		played(c, req[i], OK);
	held(c, 0, 1);
	carrier_stays(c, EVENTQ, 1);
	next = play(c, 0, PERIOD, NULL);
	event_told(c, event, EVT_XRUN, 0);
	played(c, req[PERIODS - 1], OK);
	held(c, 0, 1);
	advance(c, PERIOD_US);
	held(c, 0, 1);
	advance(c, PATIENCE_US);
	played(c, next, OK);
	/* One that sends message for message, and never fills its buffer, is not kept waiting. */
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, 0), OK);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	for (unsigned int i = 0; i < PERIODS; i++) {
		next = play(c, 0, PERIOD, NULL);
		held(c, 0, 1);
		advance(c, PERIOD_US);
		played(c, next, OK);
	}
}

/* The same for one that records. */
static void last_is_kept_input(struct carrier *c)
{
	struct frontend_request *req[PERIODS], *next;

	prepare(c, 1, XRUNS);
	for (unsigned int i = 0; i < PERIODS; i++)
		req[i] = record(c, 1, PERIOD);
	held(c, 1, PERIODS);
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	advance(c, PERIODS * PERIOD_US);
	for (unsigned int i = 0; i < PERIODS - 1; i++)
		recorded(c, req[i], PERIOD, PERIOD, i * PERIOD);
	held(c, 1, 1);
	next = record(c, 1, PERIOD);
	recorded(c, req[PERIODS - 1], PERIOD, PERIOD, (PERIODS - 1) * PERIOD);
	held(c, 1, 1);
	advance(c, PERIOD_US);
	held(c, 1, 1);
	/* Nobody reads: it is given back in the end, and what comes meanwhile is lost. */
	advance(c, PATIENCE_US);
	recorded(c, next, PERIOD, PERIOD, PERIODS * PERIOD);
}

static void overflow(struct carrier *c)
{
	struct frontend_request *event, *req;

	prepare(c, 1, XRUNS);
	event = listen_event(c);
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	advance(c, 4 * PERIOD_US);
	carrier_stays(c, EVENTQ, 1);
	advance(c, PERIOD_US);
	event_told(c, event, EVT_XRUN, 1);
	req = record(c, 1, PERIOD);
	held(c, 1, 1);
	advance(c, PERIOD_US);
	recorded(c, req, PERIOD, PERIOD, 0);
}

/* Who has not asked for it is not told. */
static void quiet_xrun(struct carrier *c)
{
	struct frontend_request *req;

	prepare(c, 1, 0);
	listen_event(c);
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	advance(c, 100000);
	act(c, "fault 1 xrun");
	req = record(c, 1, PERIOD);
	held(c, 1, 1);
	advance(c, PERIOD_US);
	recorded(c, req, PERIOD, PERIOD, 0);
	carrier_stays(c, EVENTQ, 1);
}

/* A card that is gone, and comes back. */
static void unplugged(struct carrier *c)
{
	struct frontend_request *req, *event;

	prepare(c, 0, XRUNS);
	event = listen_event(c);
	req = play(c, 0, PERIOD, NULL);
	held(c, 0, 1);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	act(c, "fault 0 unplug");
	played(c, req, IO_ERR);
	event_told(c, event, EVT_XRUN, 0);
	played(c, play(c, 0, PERIOD, NULL), IO_ERR);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, START, 0), IO_ERR);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, 0), IO_ERR);
	act(c, "fault 0 plug");
	ck_assert_uint_eq(ASK(c, PREPARE, 0), OK);
	req = play(c, 0, PERIOD, NULL);
	held(c, 0, 1);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	advance(c, PERIOD_US);
	played(c, req, OK);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	/* A start that fails is none: the stream can be prepared again. */
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, 0), OK);
	act(c, "fault 0 unplug");
	ck_assert_uint_eq(ASK(c, START, 0), IO_ERR);
	ck_assert_uint_eq(ASK(c, STOP, 0), BAD_MSG);
	act(c, "fault 0 plug");
	ck_assert_uint_eq(ASK(c, PREPARE, 0), OK);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
}

/* Streams do not wait for each other. */
static void both(struct carrier *c)
{
	struct frontend_request *out[2], *in[2];

	prepare(c, 0, 0);
	ck_assert_uint_eq(set_params(c, 1, 320, 80, 0, 1, U8, HZ8000), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, 1), OK);
	out[0] = play(c, 0, PERIOD, NULL);
	out[1] = play(c, 0, PERIOD, NULL);
	in[0] = record(c, 1, 80);
	in[1] = record(c, 1, 80);
	held(c, 0, 2);
	held(c, 1, 2);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	advance(c, 5000);
	played(c, out[0], OK);
	played(c, out[1], OK);
	held(c, 1, 2);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	advance(c, 5000);
	recorded(c, in[0], 80, 80, 0);
	advance(c, 10000);
	recorded(c, in[1], 80, 80, 80);
}

/* The rings stop in mid-play, with a message that is half heard. */
static void rings_stop(struct carrier *c)
{
	uint32_t sum = 2166136261u, base;
	struct frontend_request *out[2], *in;
	char want[64];

	prepare(c, 0, 0);
	prepare(c, 1, 0);
	out[0] = play(c, 0, PERIOD, &sum);
	out[1] = play(c, 0, PERIOD, &sum);
	in = record(c, 1, PERIOD);
	held(c, 0, 2);
	held(c, 1, 1);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	advance(c, 1000);
	base = carrier_stop(c, TXQ);
	advance(c, 100000);
	carrier_start(c, TXQ, base);
	held(c, 0, 2);
	advance(c, 1500);
	played(c, out[0], OK);
	base = carrier_stop(c, TXQ);
	carrier_start(c, TXQ, base);
	held(c, 0, 1);
	advance(c, PERIOD_US);
	played(c, out[1], OK);
	recorded(c, in, PERIOD, PERIOD, 0);
	snprintf(want, sizeof(want), "%u %08x\nok\n", 2 * PERIOD, sum);
	tell(c, "heard 0", want);
}

static void input_stops(struct carrier *c)
{
	struct frontend_request *in;
	uint32_t base;

	prepare(c, 1, 0);
	in = record(c, 1, PERIOD);
	held(c, 1, 1);
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	advance(c, 1000);
	base = carrier_stop(c, RXQ);
	advance(c, 100000);
	carrier_start(c, RXQ, base);
	held(c, 1, 1);
	advance(c, 1500);
	recorded(c, in, PERIOD, PERIOD, 0);
}

/* The guest moves while it plays: one xrun, and on. */
static void moves(struct carrier *c)
{
	struct frontend_request *event, *req;
	uint8_t out[16], in[4 + 24];

	prepare(c, 0, XRUNS);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	prepare(c, 1, 0);
	ck_assert_uint_eq(ASK(c, JACK_REMAP, 1, 5, 6), OK);
	carrier_move(c);
	event = listen_event(c);
	event_told(c, event, EVT_XRUN, 0);
	req = play(c, 0, PERIOD, NULL);
	held(c, 0, 1);
	advance(c, PERIOD_US);
	played(c, req, OK);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	carrier_request(c, CONTROLQ, out, WORDS(out, JACK_INFO, 1, 1, 24), in, sizeof(in));
	ck_assert_uint_eq(word(in + 4 + 8), 0x02a19056);
}

/* A guest that is reset in mid-play. */
static void reset_in_play(struct carrier *c)
{
	struct frontend_request *req;

	prepare(c, 0, XRUNS);
	for (unsigned int i = 0; i < 3; i++)
		play(c, 0, PERIOD, NULL);
	held(c, 0, 3);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	advance(c, 1000);
	carrier_reset(c);
	ck_assert_uint_eq(ASK(c, START, 0), BAD_MSG);
	prepare(c, 0, XRUNS);
	req = play(c, 0, PERIOD, NULL);
	held(c, 0, 1);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	advance(c, PERIOD_US);
	played(c, req, OK);
}

/*
 * Control elements.
 */

enum { VOLUME, SWITCH, SOURCE, MIC, POSITION, COEFFICIENTS, IEC958, REVISION };

static uint32_t ctl_write(struct carrier *c, uint32_t id, const uint8_t value[static 512])
{
	uint8_t out[8 + 512], in[4];

	memcpy(out + WORDS(out, CTL_WRITE, id), value, 512);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, sizeof(out), in, 4), 4);
	return word(in);
}

static uint32_t ctl_read(struct carrier *c, uint32_t id, uint8_t value[static 512])
{
	uint8_t out[8], in[4 + 512];
	uint32_t used = carrier_request(c, CONTROLQ, out, WORDS(out, CTL_READ, id), in, sizeof(in));

	ck_assert_uint_eq(used, word(in) == OK ? sizeof(in) : 4);
	memcpy(value, in + 4, 512);
	return word(in);
}

static void ctl_infos(struct carrier *c)
{
	uint8_t out[16], in[4 + 8 * 92];
	const uint8_t *at = in + 4;

	if (!carrier_has(c, F_CTLS)) {
		ck_assert_uint_eq(ASK(c, CTL_INFO, 0, 0, 92), NOT_SUPP);
		ck_assert_uint_eq(ASK(c, CTL_READ, 0), NOT_SUPP);
		return;
	}
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, CTL_INFO, 0, 8, 92), in, sizeof(in)),
			  sizeof(in));
	ck_assert_uint_eq(word(at + 4), 2);	/* VOLUME, output */
	ck_assert_uint_eq(word(at + 8), 1);	/* INTEGER */
	ck_assert_uint_eq(word(at + 12), 0x73); /* READ, WRITE, TLV */
	ck_assert_uint_eq(word(at + 16), 2);
	ck_assert_str_eq((const char *)at + 24, "Master Playback Volume");
	ck_assert_uint_eq(word(at + 72), 100);
	at += 92 * MIC;
	ck_assert_uint_eq(word(at + 4), 7); /* GAIN, input */
	/* From -60 to 20, as Linux can take it. */
	ck_assert_uint_eq(word(at + 68), 0);
	ck_assert_uint_eq(word(at + 72), 80);
	ck_assert_uint_eq(word(at + 76), 2);
	at = in + 4 + 92 * SOURCE;
	ck_assert_uint_eq(word(at + 68), 3);
	at = in + 4 + 92 * POSITION;
	ck_assert_uint_eq(word64(at + 76), UINT64_C(1000000000000));
	/* As Linux has it on machines that align 64 bits. */
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, CTL_INFO, POSITION, 1, 96), in, 100), 100);
	ck_assert_uint_eq(word(in + 4 + 68), 0);
	ck_assert_uint_eq(word64(in + 4 + 80), UINT64_C(1000000000000));
}

static void ctl_values(struct carrier *c)
{
	uint8_t value[512] = {0}, got[512], out[16], in[4 + 3 * 64];
	struct frontend_request *event;

	if (!carrier_has(c, F_CTLS))
		return;
	event = listen_event(c);
	WORDS(value, 40, 100);
	ck_assert_uint_eq(ctl_write(c, VOLUME, value), OK);
	event_told(c, event, EVT_CTL, VOLUME | 1 << 16);
	ck_assert_uint_eq(ctl_read(c, VOLUME, got), OK);
	ck_assert_mem_eq(got, value, 512);
	/* As the host changes it. */
	event = listen_event(c);
	act(c, "control 0 7");
	event_told(c, event, EVT_CTL, VOLUME | 1 << 16);
	ck_assert_uint_eq(ctl_read(c, VOLUME, got), OK);
	ck_assert_uint_eq(word(got), 7);
	WORDS(value, 101, 0);
	ck_assert_uint_eq(ctl_write(c, VOLUME, value), BAD_MSG);
	WORDS(value, 80, 0);
	ck_assert_uint_eq(ctl_write(c, MIC, value), OK);
	ck_assert_uint_eq(ctl_read(c, MIC, got), OK);
	ck_assert_mem_eq(got, value, 512);
	act(c, "control 3 -59");
	ck_assert_uint_eq(ctl_read(c, MIC, got), OK);
	ck_assert_uint_eq(word(got), 1);
	WORDS(value, 81, 0);
	ck_assert_uint_eq(ctl_write(c, MIC, value), BAD_MSG);
	WORDS(value, UINT32_MAX, 0);
	ck_assert_uint_eq(ctl_write(c, MIC, value), BAD_MSG);
	WORDS(value, 2);
	ck_assert_uint_eq(ctl_write(c, SOURCE, value), OK);
	WORDS(value, 3);
	ck_assert_uint_eq(ctl_write(c, SOURCE, value), BAD_MSG);
	WORDS(value, (uint32_t)-1, (uint32_t)-1);
	ck_assert_uint_eq(ctl_write(c, POSITION, value), OK);
	ck_assert_uint_eq(ctl_read(c, POSITION, got), OK);
	ck_assert_mem_eq(got, value, 8);
	for (size_t i = 0; i < 512; i++)
		value[i] = (uint8_t)(i + 1);
	ck_assert_uint_eq(ctl_write(c, COEFFICIENTS, value), OK);
	ck_assert_uint_eq(ctl_read(c, COEFFICIENTS, got), OK);
	ck_assert_mem_eq(got, value, 16);
	ck_assert_uint_eq(got[16], 0);
	ck_assert_uint_eq(ctl_write(c, IEC958, value), OK);
	ck_assert_uint_eq(ctl_read(c, IEC958, got), OK);
	ck_assert_mem_eq(got, value, 176);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, ENUM_ITEMS, SOURCE), in, sizeof(in)),
			  sizeof(in));
	ck_assert_str_eq((char *)in + 4, "Mic");
	ck_assert_str_eq((char *)in + 4 + 128, "CD");
}

static void ctl_wrong(struct carrier *c)
{
	uint8_t value[512] = {0};

	if (!carrier_has(c, F_CTLS))
		return;
	ck_assert_uint_eq(ctl_read(c, 8, value), BAD_MSG);
	ck_assert_uint_eq(ASK(c, CTL_READ), BAD_MSG);
	ck_assert_uint_eq(ASK(c, CTL_READ, VOLUME), BAD_MSG);
	ck_assert_uint_eq(ASK(c, CTL_WRITE, VOLUME, 5), BAD_MSG);
	ck_assert_uint_eq(ctl_write(c, REVISION, value), BAD_MSG);
	ck_assert_uint_eq(ASK(c, ENUM_ITEMS, SOURCE), BAD_MSG);
	ck_assert_uint_eq(ASK(c, ENUM_ITEMS, VOLUME), BAD_MSG);
	ck_assert_uint_eq(ASK(c, TLV_READ, SWITCH), BAD_MSG);
	ck_assert_uint_eq(ASK(c, TLV_WRITE, SWITCH, 1, 0), BAD_MSG);
	ck_assert_uint_eq(ASK(c, TLV_WRITE, VOLUME, 1), BAD_MSG);
	ck_assert_uint_eq(ASK(c, TLV_WRITE, VOLUME, 1, 8, 0), BAD_MSG);
	ck_assert_uint_eq(ASK(c, TLV_WRITE, VOLUME, 1, 3, 0), BAD_MSG);
	ck_assert_uint_eq(ASK(c, TLV_COMMAND, VOLUME, 1, UINT32_MAX - 3, 0), BAD_MSG);
	ck_assert_uint_eq(ASK(c, 0x307, VOLUME), NOT_SUPP);
	act(c, "control-fail");
	ck_assert_uint_eq(ctl_read(c, VOLUME, value), IO_ERR);
	ck_assert_uint_eq(ctl_read(c, VOLUME, value), OK);
}

static void ctl_tlv(struct carrier *c)
{
	uint8_t out[16], in[64];
	static uint8_t large[8 + 65536 + 12];

	if (!carrier_has(c, F_CTLS))
		return;
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, TLV_READ, VOLUME), in, sizeof(in)), 4 + 16);
	ck_assert_uint_eq(word(in + 4), 1);
	ck_assert_uint_eq(word(in + 8), 8);
	ck_assert_uint_eq(word(in + 12), (uint32_t)-5000);
	/* As much as there is room for. */
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, TLV_READ, VOLUME), in, 4 + 11), 4 + 8);
	ck_assert_uint_eq(word(in), OK);
	ck_assert_uint_eq(ASK(c, TLV_READ, VOLUME), OK);
	ck_assert_uint_eq(ASK(c, TLV_WRITE, VOLUME, 7, 4, 0x12345678), OK);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, WORDS(out, TLV_READ, VOLUME), in, sizeof(in)), 4 + 12);
	ck_assert_uint_eq(word(in + 12), 0x12345678);
	/* Beyond the standard's limit. */
	WORDS(large, TLV_WRITE, VOLUME, 1, 65540);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, large, sizeof(large), in, 4), 4);
	ck_assert_uint_eq(word(in), BAD_MSG);
}

/* Events of one element are one, until the driver has taken it. */
static void ctl_flood(struct carrier *c)
{
	if (!carrier_has(c, F_CTLS))
		return;
	for (unsigned int i = 0; i < 50; i++) {
		char line[32];

		snprintf(line, sizeof(line), "control %u %u", i % 2, i % 100);
		act(c, line);
	}
	event_told(c, listen_event(c), EVT_CTL, 0 | 1 << 16);
	event_told(c, listen_event(c), EVT_CTL, 1 | 1 << 16);
	listen_event(c);
	carrier_stays(c, EVENTQ, 1);
}

/*
 * What the operator wants.
 */

static const char *const limited[] = {"--backend=sim",
				      "--control=%T/control",
				      "--max-rate=44100",
				      "--max-channels=4",
				      "--volume-limit=50",
				      "--polling",
				      NULL};

static void policy(struct carrier *c)
{
	uint8_t out[16], in[4 + 64], message[4 + 8] = {0};
	struct frontend_request *req;
	const le16 loud[] = {htole16(0x7ffe), htole16((uint16_t)-0x4000), htole16(2), htole16(0)},
		   half[] = {htole16(0x3fff), htole16((uint16_t)-0x2000), htole16(1), htole16(0)};
	uint32_t sum = 2166136261u;
	char want[64];

	carrier_request(c, CONTROLQ, out, WORDS(out, PCM_INFO, 0, 2, 32), in, sizeof(in));
	ck_assert_uint_eq(word(in + 4 + 4), XRUNS | 4);
	/* Formats that can be made lower; rates up to 44100. */
	ck_assert_uint_eq(word64(in + 4 + 8), 0x1ffff8);
	ck_assert_uint_eq(word64(in + 36 + 8), 0x1fffffe);
	ck_assert_uint_eq(word64(in + 4 + 16), 0xc07f);
	ck_assert_uint_eq(in[4 + 26], 4);
	ck_assert_uint_eq(set_params(c, 0, 80, 8, 4, 1, S16, HZ8000), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, 0), OK);
	memcpy(message + 4, loud, 8);
	req = carrier_submit(c, TXQ, message, sizeof(message), 8);
	held(c, 0, 1);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	advance(c, 500);
	played(c, req, OK);
	for (size_t i = 0; i < 8; i++)
		sum = (sum ^ ((const uint8_t *)half)[i]) * 16777619u;
	snprintf(want, sizeof(want), "8 %08x\nok\n", sum);
	tell(c, "heard 0", want);
	tell(c, "levels", "0 playback peak 50.0%\n1 capture peak 0.0%\nok\n");
	tell(c, "levels", "0 playback peak 0.0%\n");
	act(c, "mute 0");
	req = carrier_submit(c, TXQ, message, sizeof(message), 8);
	held(c, 0, 1);
	advance(c, 1000);
	played(c, req, OK);
	for (size_t i = 0; i < 8; i++)
		sum *= 16777619u;
	snprintf(want, sizeof(want), "16 %08x\nok\n", sum);
	tell(c, "heard 0", want);
	act(c, "unmute 0");
}

static void control_errors(struct carrier *c)
{
	static const char *const bad[] = {
		"mute",		"mute 2",  "mute x",	  "advance x",	 "advance 3600000001", "fault 0 fire",
		"fault 9 xrun", "heard 2", "control 8 1", "control 0 x", "jack 2 in",	       "jack 0 up"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		tell(c, bad[i], "error: ");
	tell(c, "streams", "0 playback sim none - 0 0 held 0 bytes 0 xruns 0 errors 0\n1 capture sim none");
}

/*
 * Other hosts.
 */

static const char *const null_real[] = {"--backend=null", NULL};
static const char *const null_polled[] = {"--backend=null", "--polling", NULL};
static const char *const null_free[] = {"--backend=null", "--pace=free", NULL};

/* Time passes by itself. */
static void real_time(struct carrier *c)
{
	uint8_t in[PERIOD + 8], silence[PERIOD] = {0};
	struct frontend_request *out, *rec;

	prepare(c, 0, 0);
	prepare(c, 1, 0);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	ck_assert_uint_eq(ASK(c, START, 1), OK);
	for (unsigned int i = 0; i < 5; i++) {
		out = play(c, 0, PERIOD, NULL);
		rec = record(c, 1, PERIOD);
		played(c, out, OK);
		ck_assert_uint_eq(carrier_await(c, RXQ, rec, in), sizeof(in));
		ck_assert_mem_eq(in, silence, PERIOD);
	}
}

/* The rings are looked at though nobody kicks: the kick of one is withheld by a driver that polls. */
static void polled(struct carrier *c)
{
	struct frontend_request *req;

	prepare(c, 0, 4);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	for (unsigned int i = 0; i < 5; i++) {
		req = play(c, 0, PERIOD, NULL);
		played(c, req, OK);
	}
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
}

static void free_pace(struct carrier *c)
{
	struct frontend_request *before = NULL, *req;

	prepare(c, 0, 0);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	for (unsigned int i = 0; i < 100; i++) {
		req = play(c, 0, PERIOD, NULL);
		if (before)
			played(c, before, OK);
		before = req;
	}
	/* The last waits for another one, but not for ever. */
	played(c, before, OK);
}

/* Input keeps to time: its last message is kept for as long as with any other pace.  One try in eight is to show it. */
static void free_pace_input(struct carrier *c)
{
	struct frontend_request *req[PERIODS];
	struct timespec begin, end;
	int64_t us = INT64_MAX;
	uint8_t in[PERIOD + 8];

	for (unsigned int n = 0; n < 8 && us >= 4 * PATIENCE_US; n++) {
		prepare(c, 1, 0);
		for (unsigned int i = 0; i < PERIODS; i++)
			req[i] = record(c, 1, PERIOD);
		ck_assert_uint_eq(ASK(c, START, 1), OK);
		clock_gettime(CLOCK_MONOTONIC, &begin);
		for (unsigned int i = 0; i < PERIODS; i++)
			ck_assert_uint_eq(carrier_await(c, RXQ, req[i], in), sizeof(in));
		clock_gettime(CLOCK_MONOTONIC, &end);
		us = (int64_t)(end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
		ck_assert_uint_eq(ASK(c, STOP, 1), OK);
		ck_assert_uint_eq(ASK(c, RELEASE, 1), OK);
	}
	ck_assert_int_lt(us, 4 * PATIENCE_US);
}

static const char *const wav_play[] = {"--backend=wav", "--pace=free", "--playback=%T/heard.wav", NULL};
static const char *const wav_raw[] = {"--backend=wav", "--pace=free", "--playback=%T/heard.raw", NULL};
static const char *const wav_record[] = {"--backend=wav", "--pace=free", "--capture=%T/in.wav", NULL};
static const char *const wav_loop[] = {"--backend=wav", "--pace=free", "--capture=%T/in.wav", "--loop", NULL};

/* Waits until a file has so many bytes, and reads it. */
static void file_wait(struct carrier *c, const char *name, uint8_t *buf, size_t len)
{
	ssize_t n = -1;

	for (unsigned int i = 0; i < 20000 && n != (ssize_t)len; i++) {
		int fd = open(carrier_path(c, name), O_RDONLY);

		ck_assert_int_ge(fd, 0);
		n = read(fd, buf, len + 1);
		close(fd);
		carrier_idle(c, 1);
	}
	ck_assert_int_eq((int)n, (int)len);
}

/* Plays messages of a stream's whole buffer; bytes count up. */
static void play_file(struct carrier *c, unsigned int format, unsigned int channels, unsigned int rate, unsigned int n)
{
	struct frontend_request *before = NULL, *req;
	uint8_t out[4 + BUFFER] = {0};

	ck_assert_uint_eq(set_params(c, 0, BUFFER, BUFFER, 0, channels, format, rate), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, 0), OK);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	for (unsigned int k = 0; k < n; k++) {
		for (size_t i = 0; i < BUFFER; i++)
			out[4 + i] = (uint8_t)(i + k);
		req = carrier_submit(c, TXQ, out, sizeof(out), 8);
		if (before)
			played(c, before, OK);
		before = req;
	}
	played(c, before, OK);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
}

static void bytes_are(const uint8_t *at, unsigned int n)
{
	for (size_t i = 0; i < (size_t)BUFFER * n; i++)
		ck_assert_uint_eq(at[i], (uint8_t)(i % BUFFER + i / BUFFER));
}

/* The header says what is there at every moment; another kind of frames begins the file anew. */
static void plays_wav(struct carrier *c)
{
	static uint8_t buf[44 + 200 * BUFFER + 1];

	play_file(c, S16, 2, HZ48000, 1);
	do
		file_wait(c, "heard.wav", buf, 44 + BUFFER);
	while (word(buf + 40) != BUFFER);
	ck_assert_mem_eq(buf, "RIFF", 4);
	ck_assert_uint_eq(word(buf + 4), 36 + BUFFER);
	ck_assert_mem_eq(buf + 8, "WAVEfmt \20\0\0\0\1\0\2\0\200\273\0\0\0\356\2\0\4\0\20\0data", 32);
	bytes_are(buf + 44, 1);
	/* The same again goes on behind it. */
	play_file(c, S16, 2, HZ48000, 1);
	do
		file_wait(c, "heard.wav", buf, 44 + 2 * BUFFER);
	while (word(buf + 40) != 2 * BUFFER);
	bytes_are(buf + 44 + BUFFER, 1);
	play_file(c, FLOAT, 1, HZ8000, 200);
	do
		file_wait(c, "heard.wav", buf, 44 + 200 * BUFFER);
	while (word(buf + 40) != 200 * BUFFER);
	ck_assert_mem_eq(buf + 20, "\3\0\1\0\100\37\0\0\0\175\0\0\4\0\40\0", 16);
	bytes_are(buf + 44, 200);
}

/* Frames alone; every format. */
static void plays_raw(struct carrier *c)
{
	static const uint8_t sample[] = {0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 8, 1, 2, 4, 4};
	static uint8_t buf[BUFFER + 1];

	for (unsigned int format = 1; format < sizeof(sample); format += 4) {
		play_file(c, format, 1 + format % 2, format % 16, 1);
		file_wait(c, "heard.raw", buf, BUFFER);
		bytes_are(buf, 1);
	}
}

/* A file of 200 messages and a half. */
static void make_wav(struct carrier *c)
{
	static uint8_t file[44 + 200 * BUFFER + BUFFER / 2] =
		"RIFF????WAVEfmt \20\0\0\0\1\0\10\0\0\356\2\0\0\300\135\0\40\0\40\0data";

	WORDS(file + 40, 200 * BUFFER + BUFFER / 2);
	for (size_t i = 0; i < sizeof(file) - 44; i++)
		file[44 + i] = (uint8_t)(i % BUFFER + i / BUFFER);
	carrier_write_file(c, "in.wav", file, sizeof(file), false);
}

static void record_file(struct carrier *c, unsigned int n, uint8_t *last)
{
	struct frontend_request *before = record(c, 0, BUFFER), *req;
	uint8_t in[BUFFER + 8];

	ck_assert_uint_eq(carrier_await(c, RXQ, before, in), 8);
	/* Twenty messages' time is what the guest may be late. */
	ck_assert_uint_eq(set_params(c, 0, 20 * BUFFER, BUFFER, 0, 8, S32, HZ192000), OK);
	ck_assert_uint_eq(ASK(c, PREPARE, 0), OK);
	ck_assert_uint_eq(ASK(c, START, 0), OK);
	before = record(c, 0, BUFFER);
	for (unsigned int k = 0; k < n; k++) {
		req = record(c, 0, BUFFER);
		ck_assert_uint_eq(carrier_await(c, RXQ, before, in), sizeof(in));
		before = req;
		for (size_t i = 0; k < 200 && i < BUFFER; i++)
			ck_assert_uint_eq(in[i], (uint8_t)(i + k));
	}
	memcpy(last, in, BUFFER);
	ck_assert_uint_eq(ASK(c, STOP, 0), OK);
	ck_assert_uint_eq(ASK(c, RELEASE, 0), OK);
	/* What it had recorded is not asked for here. */
	ck_assert_uint_ge(carrier_await(c, RXQ, before, in), 8);
}

/* From its begin, each time; silence behind its end; nothing else is offered. */
static void records_wav(struct carrier *c)
{
	uint8_t last[BUFFER], silence[BUFFER] = {0};

	ck_assert_uint_eq(set_params(c, 0, BUFFER, BUFFER, 0, 2, S32, HZ192000), NOT_SUPP);
	ck_assert_uint_eq(set_params(c, 0, BUFFER, BUFFER, 0, 8, U8, HZ192000), NOT_SUPP);
	record_file(c, 3, last);
	record_file(c, 202, last);
	ck_assert_mem_eq(last, silence, BUFFER);
}

static void loops_wav(struct carrier *c)
{
	uint8_t last[BUFFER];

	record_file(c, 401, last);
	/* The 401st begins where the second round ends: its last half is there twice. */
	for (size_t i = 0; i < BUFFER; i++)
		ck_assert_uint_eq(last[i], (uint8_t)((i + 400 * BUFFER - (200 * BUFFER + BUFFER / 2)) % BUFFER +
						     (i + 400 * BUFFER - (200 * BUFFER + BUFFER / 2)) / BUFFER));
}

static const struct device_case cases[] = {
	{.name = "config", .run = config, .flags = CASE_CONFIG},
	{.name = "infos", .run = infos},
	{.name = "infos wrong", .run = infos_wrong},
	{.name = "chmaps", .run = chmaps},
	{.name = "jacks", .run = jacks, .depth = 2},
	{.name = "states", .run = states, .flags = CASE_ONCE},
	{.name = "params", .run = params},
	{.name = "plays", .run = plays, .depth = 4},
	{.name = "records", .run = records, .depth = 3},
	{.name = "release flushes", .run = release_flushes, .depth = 3},
	{.name = "pauses", .run = pauses, .depth = 2},
	{.name = "messages wrong", .run = messages_wrong},
	{.name = "underflow", .run = underflow},
	{.name = "last is kept", .run = last_is_kept, .depth = PERIODS},
	{.name = "last is kept input", .run = last_is_kept_input, .depth = PERIODS},
	{.name = "overflow", .run = overflow},
	{.name = "quiet xrun", .run = quiet_xrun},
	{.name = "unplugged", .run = unplugged},
	{.name = "both", .run = both, .depth = 2},
	{.name = "rings stop", .run = rings_stop, .depth = 2, .flags = CASE_ONCE},
	{.name = "input stops", .run = input_stops, .flags = CASE_ONCE},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
	{.name = "reset in play", .run = reset_in_play, .depth = 3, .flags = CASE_ONCE},
	{.name = "ctl infos", .run = ctl_infos},
	{.name = "ctl values", .run = ctl_values},
	{.name = "ctl wrong", .run = ctl_wrong},
	{.name = "ctl tlv", .run = ctl_tlv},
	{.name = "ctl flood", .run = ctl_flood, .flags = CASE_ONCE},
	{.name = "policy", .run = policy, .args = limited},
	{.name = "control errors", .run = control_errors, .flags = CASE_ONCE},
	{.name = "real time", .run = real_time, .args = null_real},
	{.name = "polled", .run = polled, .args = null_polled},
	{.name = "free pace", .depth = 2, .run = free_pace, .args = null_free, .flags = CASE_ONCE},
	{.name = "free pace input", .depth = PERIODS, .run = free_pace_input, .args = null_free, .flags = CASE_ONCE},
	{.name = "plays wav", .depth = 2, .run = plays_wav, .args = wav_play, .flags = CASE_ONCE},
	{.name = "plays raw", .depth = 2, .run = plays_raw, .args = wav_raw, .flags = CASE_ONCE},
	{.name = "records wav",
	 .depth = 2,
	 .run = records_wav,
	 .args = wav_record,
	 .prepare = make_wav,
	 .flags = CASE_ONCE},
	{.name = "loops wav", .depth = 2, .run = loops_wav, .args = wav_loop, .prepare = make_wav, .flags = CASE_ONCE},
};

static const struct device_suite sound = {
	.device = "sound",
	.args = sim,
	DEVICE_CASES(cases),
};

/* Options that do not go together, or cannot be. */
START_TEST(test_options)
{
	static const struct {
		const char *args[4];
		int err;
	} rows[] = {
		{{"--backend=sim"}, 0},
		{{"--backend=null", "--pace=free"}, 0},
		{{"--backend=null", "--max-rate=8000", "--max-channels=1"}, 0},
		{{NULL}, -EINVAL},
		{{"--backend=gstreamer"}, -EINVAL},
		{{"--backend=jack"}, -EINVAL},
		{{"--backend=wav"}, -EINVAL},
		{{"--backend=wav", "--playback="}, -EINVAL},
		{{"--backend=null", "--playback=x"}, -EINVAL},
		{{"--backend=sim", "--controls=hw:0"}, -EINVAL},
		{{"--backend=null", "--loop"}, -EINVAL},
		{{"--playback=hw:0,0", "--pace=free"}, -EINVAL},
		{{"--backend=null", "--pace=slow"}, -EINVAL},
		{{"--backend=null", "--max-rate=5000"}, -EINVAL},
		{{"--backend=null", "--max-channels=0"}, -EINVAL},
		{{"--backend=null", "--volume-limit=101"}, -EINVAL},
		{{"--backend=wav", "--capture=/dev/null"}, -EINVAL},
		{{"--backend=wav", "--capture=/nowhere/at/all.wav"}, -ENOENT},
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct vdev *d;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int err = open_device("sound", loop, rows[i].args, &d);

		ck_assert_msg(err == rows[i].err, "%zu: %d", i, err);
		if (!err)
			vdev_free(d);
	}
	ev_loop_destroy(loop);
}
END_TEST

/* ---- the files' side alone, with a loop that turns when the test wants it */

struct wav_rig {
	struct ev_loop *loop;
	struct sound_host_pcm *p;
	char path[32];
	unsigned int readies;
};

static const struct sound_params bytes_mono = {20480, 20480, 0, 1, U8, HZ8000};

static void rig_ready(void *user)
{
	((struct wav_rig *)user)->readies++;
}

static void rig_open(struct wav_rig *r, const uint8_t *bytes, size_t len, bool capture)
{
	static struct log log;
	struct sound_caps caps;
	struct sound_pcm_args args = {.log = &log, .capture = capture, .pace = SOUND_PACE_FREE, .ready = rig_ready};
	int fd;

	strcpy(r->path, "/tmp/vdevd-sound-XXXXXX");
	fd = mkstemp(r->path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, bytes, len), (int)len);
	close(fd);
	r->readies = 0;
	r->loop = ev_loop_new(EVFLAG_AUTO);
	args.loop = r->loop;
	args.name = r->path;
	args.user = r;
	ck_assert_int_eq(sound_wav_ops.open(&args, &r->p, &caps), 0);
}

static void rig_close(struct wav_rig *r)
{
	sound_wav_ops.close(r->p);
	unlink(r->path);
	ev_loop_destroy(r->loop);
}

/* Reads so many bytes, at the pace of time. */
static void rig_read(struct wav_rig *r, uint8_t *buf, size_t len)
{
	ssize_t n;

	for (size_t got = 0; got < len; got += (size_t)n) {
		n = sound_wav_ops.read(r->p, buf + got, len - got);
		ck_assert_int_ge((int)n, 0);
		if (!n) {
			sound_wav_ops.wake(r->p, got + 1);
			ev_run(r->loop, EVRUN_ONCE);
		}
	}
}

/* A stream is prepared anew while a part of its file is still on its way: it begins with the file's begin. */
START_TEST(test_wav_rewinds)
{
	static uint8_t file[5 * 131072], buf[3 * 131072];
	const struct sound_params fast = {16u << 20, 16u << 20, 0, 8, FLOAT, HZ192000}; /* 6 MB a second */
	struct wav_rig r;

	for (size_t i = 0; i < sizeof(file); i++)
		file[i] = (uint8_t)(i / 131072 * 16 + i % 13);
	rig_open(&r, file, sizeof(file), true);
	ck_assert_int_eq(sound_wav_ops.prepare(r.p, &fast), 0);
	ck_assert_int_eq(sound_wav_ops.start(r.p), 0);
	/* Its first block is given: it is read again, which begins when the loop turns. */
	rig_read(&r, buf, 131072);
	ck_assert_int_eq(sound_wav_ops.prepare(r.p, &fast), 0);
	ck_assert_int_eq(sound_wav_ops.start(r.p), 0);
	rig_read(&r, buf, sizeof(buf));
	ck_assert_mem_eq(buf, file, sizeof(buf));
	rig_close(&r);
}
END_TEST

/* Frames of another kind, while the last of the old ones are still on their way. */
START_TEST(test_wav_begins_anew)
{
	const struct sound_params words_stereo = {4096, 4096, 0, 2, S16, HZ48000};
	uint8_t old[400], new[100], got[sizeof(old)];
	struct wav_rig r;
	unsigned int before;
	int fd;

	memset(old, 1, sizeof(old));
	memset(new, 2, sizeof(new));
	rig_open(&r, old, 0, false);
	ck_assert_int_eq(sound_wav_ops.prepare(r.p, &words_stereo), 0);
	ck_assert_int_eq(sound_wav_ops.start(r.p), 0);
	ck_assert_int_eq((int)sound_wav_ops.write(r.p, old, sizeof(old)), sizeof(old));
	sound_wav_ops.stop(r.p);
	sound_wav_ops.release(r.p);
	ck_assert_int_eq(sound_wav_ops.prepare(r.p, &bytes_mono), 0);
	ck_assert_int_eq(sound_wav_ops.start(r.p), 0);
	before = r.readies;
	ck_assert_int_eq((int)sound_wav_ops.write(r.p, new, sizeof(new)), 0);
	while (r.readies == before)
		ev_run(r.loop, EVRUN_ONCE);
	ck_assert_int_eq((int)sound_wav_ops.write(r.p, new, sizeof(new)), sizeof(new));
	sound_wav_ops.close(r.p);
	fd = open(r.path, O_RDONLY);
	ck_assert_int_eq((int)read(fd, got, sizeof(got)), sizeof(new));
	ck_assert_mem_eq(got, new, sizeof(new));
	close(fd);
	unlink(r.path);
	ev_loop_destroy(r.loop);
}
END_TEST

/* A limit holds for floating point, too, where full scale is 1 and samples can be beyond. */
START_TEST(test_limit_of_reals)
{
	const float f[] = {1, 100, -100, 0.5f, (float)NAN, (float)INFINITY};
	const double d[] = {1, 100, -100, 0.5, NAN, INFINITY}, want[] = {0.5, 0.5, -0.5, 0.25, 0, 0.5};
	float f_got[ARRAY_SIZE(f)];
	double d_got[ARRAY_SIZE(d)];

	if (htole32(1) != 1)
		test_skip("samples are little-endian, and this machine is not");
	memcpy(f_got, f, sizeof(f));
	memcpy(d_got, d, sizeof(d));
	sound_scale(FLOAT, (uint8_t *)f_got, sizeof(f), 50);
	sound_scale(FLOAT + 1, (uint8_t *)d_got, sizeof(d), 50);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		ck_assert_double_eq((double)f_got[i], want[i]);
		ck_assert_double_eq(d_got[i], want[i]);
	}
}
END_TEST

Suite *suite_sound(void)
{
	Suite *s = suite_create("sound");
	TCase *tc = tcase_create("options");

	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_wav_rewinds);
	tcase_add_test(tc, test_wav_begins_anew);
	tcase_add_test(tc, test_limit_of_reals);
	suite_add_tcase(s, tc);
	suite_add_device(s, &sound);
	return s;
}
