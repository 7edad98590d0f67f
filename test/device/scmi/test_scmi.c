/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_scmi.c - the SCMI device: VIRTIO 1.4, "SCMI Device"; Arm SCMI 3.2.
 */
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "devices/scmi/scmi.h"
#include "devices/scmi/scmi_scan.h"
#include "test/lib/carrier.h"
#include "test/lib/open_device.h"
#include "test/unit/suites.h"

#define CMDQ   0
#define EVENTQ 1
#define P2A    0
#define ROOM   136 /* as Linux has it: 128 and the header and status */
#define SELF   0xffffffffu

enum {
	SUCCESS = 0,
	NOT_SUPPORTED = -1,
	INVALID = -2,
	DENIED = -3,
	NOT_FOUND = -4,
	OUT_OF_RANGE = -5,
	BUSY = -6,
	HARDWARE = -9,
	PROTOCOL = -10,
	IN_USE = -11,
};

enum { BASE = 0x10, POWER, SYSTEM, PERF, CLOCK, SENSOR, RESET, VOLTAGE, POWERCAP, PINCTRL };

static const char *const board[] = {"--device=board", "--system-power=tell", "--control=%T/control", NULL};
static const char *const sensors[] = {"--device=fake,kind=temperature,name=a-name-of-more-than-sixteen-letters", "-d",
				      "fake,name=accel", "--control=%T/control", NULL};

/* A driver that does not take the feature: without_p2a. */
static bool refused;

static bool has_p2a(const struct carrier *c)
{
	return !refused && carrier_has(c, P2A);
}

/* ---- talking */

struct answer {
	int status;
	uint32_t hdr, words; /* of return values */
	uint32_t w[64];
};

static uint32_t word_at(const uint8_t *bytes)
{
	le32 w;

	memcpy(&w, bytes, 4);
	return le32toh(w);
}

static void take_apart(const uint8_t *bytes, uint32_t used, struct answer *a)
{
	memset(a, 0, sizeof(*a));
	ck_assert_uint_ge(used, 8);
	ck_assert_uint_eq(used % 4, 0);
	a->hdr = word_at(bytes);
	a->status = (int)word_at(bytes + 4);
	a->words = used / 4 - 2;
	for (uint32_t i = 0; i < a->words; i++)
		a->w[i] = word_at(bytes + 8 + 4 * i);
	if (a->status)
		ck_assert_uint_eq(used, 8);
}

static uint32_t token;

/* A command with len bytes of parameters, and room for ROOM bytes of response. */
static struct answer ask_bytes(struct carrier *c, unsigned int proto, unsigned int id, const void *params, size_t len,
			       size_t room)
{
	uint8_t out[600], in[600];
	uint32_t hdr = id | proto << 10 | (token++ & 0x3ff) << 18;
	const le32 wire = htole32(hdr);
	struct answer a;

	memcpy(out, &wire, 4);
	memcpy(out + 4, params, len);
	take_apart(in, carrier_request(c, CMDQ, out, len + 4, in, room), &a);
	ck_assert_uint_eq(a.hdr, hdr);
	return a;
}

static struct answer ask(struct carrier *c, unsigned int proto, unsigned int id, unsigned int n, const uint32_t *words)
{
	le32 wire[64];

	for (unsigned int i = 0; i < n; i++)
		wire[i] = htole32(words[i]);
	return ask_bytes(c, proto, id, wire, 4 * n, ROOM);
}

#define ASK(c, proto, id, ...) ask(c, proto, id, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})
#define ASK0(c, proto, id)     ask_bytes(c, proto, id, "", 0, ROOM)

static struct frontend_request *listen(struct carrier *c)
{
	return carrier_submit(c, EVENTQ, NULL, 0, ROOM);
}

static struct answer told(struct carrier *c, struct frontend_request *req)
{
	uint8_t in[ROOM];
	struct answer a = {0};
	uint32_t used = carrier_await(c, EVENTQ, req, in);

	ck_assert_uint_ge(used, 8);
	a.hdr = word_at(in);
	a.words = used / 4 - 1;
	for (uint32_t i = 0; i < a.words; i++)
		a.w[i] = word_at(in + 4 + 4 * i);
	return a;
}

/* A notification with this id. */
static struct answer noticed(struct carrier *c, struct frontend_request *req, unsigned int proto, unsigned int id)
{
	struct answer a = told(c, req);

	ck_assert_uint_eq(a.hdr, id | 3 << 8 | proto << 10);
	return a;
}

/* Reads an answer, until it has this text, or it is an error. */
static void hear(struct carrier *c, int fd, const char *end, char answer[static 8192])
{
	unsigned int turns = 0;
	size_t len = 0;

	answer[0] = '\0';
	while (!strstr(answer, end) && (strncmp(answer, "error", 5) || !strchr(answer, '\n'))) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (carrier_kind(c) != CARRIER_BINARY)
			carrier_idle(c, 0);
		else
			ck_assert_int_eq(poll(&p, 1, 20000), 1);
		n = read(fd, answer + len, 8191 - len);
		ck_assert_msg(n != 0 && ++turns < 1000000, "no '%s' in: %s", end, answer);
		len += n > 0 ? (size_t)n : 0;
		answer[len] = '\0';
	}
}

/* A command to the control socket; the answer must begin with these words. */
static void tell(struct carrier *c, const char *command, const char *want)
{
	int fd = unix_connect(carrier_path(c, "control"));
	char answer[8192];

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "%s\n", command), (int)strlen(command) + 1);
	hear(c, fd, "ok\n", answer);
	close(fd);
	ck_assert_msg(strstr(answer, want), "%s: %s", command, answer);
}

static void act(struct carrier *c, const char *command)
{
	tell(c, command, "ok\n");
}

static void name_is(const struct answer *a, unsigned int at, const char *want)
{
	char name[64];

	for (unsigned int i = 0; i < 16; i++) {
		const le32 w = htole32(a->w[at + i < 64 ? at + i : 63]);

		memcpy(name + 4 * i, &w, 4);
	}
	name[63] = '\0';
	ck_assert_str_eq(name, want);
}

/* ---- base */

static void base(struct carrier *c)
{
	struct answer a = ASK0(c, BASE, 0);

	ck_assert_uint_eq(a.w[0], 0x20001);
	ck_assert_uint_eq(a.words, 1);
	a = ASK0(c, BASE, 1);
	ck_assert_uint_eq(a.w[0], 9 | 1 << 8);
	a = ASK0(c, BASE, 3);
	name_is(&a, 0, "vdevd");
	ck_assert_uint_eq(a.words, 4);
	a = ASK0(c, BASE, 4);
	name_is(&a, 0, "virtio");
	a = ASK0(c, BASE, 5);
	ck_assert_uint_eq(a.w[0], 0);
	a = ASK(c, BASE, 6, 0);
	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[0], 9);
	ck_assert_uint_eq(a.w[1], 0x14131211);
	ck_assert_uint_eq(a.w[2], 0x18171615);
	ck_assert_uint_eq(a.w[3], 0x19);
	a = ASK(c, BASE, 6, 8);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_int_eq(ASK(c, BASE, 6, 10).status, INVALID);
	a = ASK(c, BASE, 7, 0);
	name_is(&a, 1, "platform");
	a = ASK(c, BASE, 7, SELF);
	ck_assert_uint_eq(a.w[0], 1);
	name_is(&a, 1, "guest");
	ck_assert_int_eq(ASK(c, BASE, 7, 2).status, NOT_FOUND);
	/* What there is, and what there is not. */
	ck_assert_int_eq(ASK(c, BASE, 2, 3).status, SUCCESS);
	ck_assert_int_eq(ASK(c, BASE, 2, 0x10).status, SUCCESS);
	ck_assert_int_eq(ASK(c, BASE, 2, 0xc).status, NOT_FOUND);
	ck_assert_int_eq(ASK(c, BASE, 2, 0x100).status, NOT_FOUND);
	ck_assert_int_eq(ASK(c, BASE, 0x10, 0x20001).status, SUCCESS);
	ck_assert_int_eq(ASK(c, BASE, 0x10, 0x20002).status, NOT_SUPPORTED);
	ck_assert_int_eq(ASK0(c, BASE, 0xc).status, NOT_SUPPORTED);
	ck_assert_int_eq(ASK0(c, 0x1a, 0).status, NOT_SUPPORTED);
	ck_assert_int_eq(ASK0(c, 0x0f, 0).status, NOT_SUPPORTED);
}

/* A guest takes its own access away, and gets it back. */
static void permissions(struct carrier *c)
{
	ck_assert_int_eq(ASK(c, BASE, 0xa, 1, 0, CLOCK, 0).status, SUCCESS);
	ck_assert_int_eq(ASK0(c, CLOCK, 0).status, DENIED);
	ck_assert_int_eq(ASK0(c, SENSOR, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, BASE, 0xa, 1, 0, CLOCK, 1).status, SUCCESS);
	ck_assert_int_eq(ASK0(c, CLOCK, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, BASE, 9, 1, 0, 0).status, SUCCESS);
	ck_assert_int_eq(ASK0(c, SENSOR, 0).status, DENIED);
	ck_assert_int_eq(ASK0(c, BASE, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, BASE, 0xb, 1, 0).status, SUCCESS);
	ck_assert_int_eq(ASK0(c, SENSOR, 0).status, DENIED);
	ck_assert_int_eq(ASK(c, BASE, 0xb, 1, 1).status, SUCCESS);
	ck_assert_int_eq(ASK0(c, SENSOR, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, BASE, 9, 1, 1, 0).status, NOT_FOUND);
	ck_assert_int_eq(ASK(c, BASE, 9, 0, 0, 0).status, NOT_FOUND);
	ck_assert_int_eq(ASK(c, BASE, 9, 1, 0, 2).status, INVALID);
	ck_assert_int_eq(ASK(c, BASE, 0xa, 1, 0, BASE, 0).status, DENIED);
	ck_assert_int_eq(ASK(c, BASE, 0xa, 1, 0, 0x1a, 0).status, NOT_FOUND);
	ck_assert_int_eq(ASK(c, BASE, 0xa, 1, 0, CLOCK, 2).status, INVALID);
	ck_assert_int_eq(ASK(c, BASE, 0xb, 1, 2).status, INVALID);
	ck_assert_int_eq(ASK(c, BASE, 0xb, 2, 0).status, NOT_FOUND);
}

/* ---- what holds for every message */

static const struct {
	unsigned int proto, version, messages; /* bits of ids from 3 on */
} protocols[] = {
	{BASE, 0x20001, 0xff8},	    {POWER, 0x30001, 0x1f8},   {SYSTEM, 0x20001, 0x38}, {PERF, 0x40000, 0x17f8},
	{CLOCK, 0x30000, 0xfff8},   {SENSOR, 0x30001, 0x3ff8}, {RESET, 0x30001, 0x78},	{VOLTAGE, 0x20001, 0x3f8},
	{POWERCAP, 0x20000, 0xff8}, {PINCTRL, 0x10000, 0x3f8},
};

/* Messages that are only there with notifications. */
static bool is_p2a(unsigned int proto, unsigned int id)
{
	static const uint8_t notices[][2] = {{BASE, 8},	    {POWER, 6}, {POWER, 7},	{SYSTEM, 5},   {PERF, 9},
					     {PERF, 10},    {CLOCK, 9}, {CLOCK, 10},	{SENSOR, 4},   {SENSOR, 5},
					     {SENSOR, 0xb}, {RESET, 5}, {POWERCAP, 10}, {POWERCAP, 11}};

	for (size_t i = 0; i < ARRAY_SIZE(notices); i++) {
		if (notices[i][0] == proto && notices[i][1] == id)
			return true;
	}
	return false;
}

/* Each protocol says what it has, and has what it says; every length but the right one is refused. */
static void every_message(struct carrier *c)
{
	static const uint8_t zeros[64];

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		unsigned int proto = protocols[i].proto;
		struct answer a = ASK0(c, proto, 0);

		ck_assert_int_eq(a.status, SUCCESS);
		ck_assert_uint_eq(a.w[0], protocols[i].version);
		ck_assert_int_eq(ASK0(c, proto, 1).status, SUCCESS);
		ck_assert_int_eq(ASK(c, proto, 0x10, protocols[i].version).status, SUCCESS);
		for (unsigned int id = 3; id < 0x20; id++) {
			bool there =
				(protocols[i].messages & BIT(id) && (has_p2a(c) || !is_p2a(proto, id))) || id == 0x10;
			unsigned int right = 0;

			a = ASK(c, proto, 2, id);
			ck_assert_msg(a.status == (there ? SUCCESS : NOT_FOUND), "protocol %x message %x: %d", proto,
				      id, a.status);
			for (size_t len = 0; len < 20; len++) {
				a = ask_bytes(c, proto, id, zeros, len, ROOM);
				right += a.status != PROTOCOL;
				if (!there)
					ck_assert_int_eq(a.status, NOT_SUPPORTED);
				if (len % 4 && there)
					ck_assert_int_eq(a.status, PROTOCOL);
			}
			if (there)
				ck_assert_msg(right == 1, "protocol %x message %x: %u lengths are right", proto, id,
					      right);
		}
	}
}

/* An id that is none, in every message that has one. */
static void no_such_thing(struct carrier *c)
{
	static const struct {
		uint8_t proto, id, len, at;
	} rows[] = {
		{POWER, 3, 1, 0},    {POWER, 4, 3, 1},	  {POWER, 5, 1, 0},    {POWER, 8, 1, 0},    {PERF, 3, 1, 0},
		{PERF, 4, 2, 0},     {PERF, 5, 3, 0},	  {PERF, 6, 1, 0},     {PERF, 7, 2, 0},	    {PERF, 8, 1, 0},
		{PERF, 12, 1, 0},    {CLOCK, 3, 1, 0},	  {CLOCK, 4, 2, 0},    {CLOCK, 5, 4, 1},    {CLOCK, 6, 1, 0},
		{CLOCK, 7, 3, 0},    {CLOCK, 8, 1, 0},	  {CLOCK, 0xb, 2, 0},  {CLOCK, 0xc, 2, 0},  {CLOCK, 0xd, 2, 0},
		{CLOCK, 0xe, 1, 0},  {CLOCK, 0xf, 1, 0},  {SENSOR, 6, 2, 0},   {SENSOR, 7, 2, 0},   {SENSOR, 8, 2, 0},
		{SENSOR, 9, 1, 0},   {SENSOR, 0xa, 2, 0}, {SENSOR, 0xc, 1, 0}, {SENSOR, 0xd, 2, 0}, {RESET, 3, 1, 0},
		{RESET, 4, 3, 0},    {RESET, 6, 1, 0},	  {VOLTAGE, 3, 1, 0},  {VOLTAGE, 4, 2, 0},  {VOLTAGE, 5, 2, 0},
		{VOLTAGE, 6, 1, 0},  {VOLTAGE, 7, 3, 0},  {VOLTAGE, 8, 1, 0},  {VOLTAGE, 9, 1, 0},  {POWERCAP, 3, 1, 0},
		{POWERCAP, 4, 1, 0}, {POWERCAP, 5, 3, 0}, {POWERCAP, 6, 1, 0}, {POWERCAP, 7, 3, 0}, {POWERCAP, 8, 1, 0},
		{POWERCAP, 9, 1, 0}, {PINCTRL, 3, 2, 0},  {PINCTRL, 4, 3, 0},  {PINCTRL, 5, 2, 0},  {PINCTRL, 7, 2, 0},
		{PINCTRL, 8, 2, 0},  {PINCTRL, 9, 2, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t words[4] = {0};

		words[rows[i].at] = i % 2 ? SELF : 100;
		ck_assert_msg(ask(c, rows[i].proto, rows[i].id, rows[i].len, words).status == NOT_FOUND,
			      "protocol %x message %x", rows[i].proto, rows[i].id);
	}
}

/* Commands that are none: other types, no header, no room, too much. */
static void hostile(struct carrier *c)
{
	static const uint8_t many[560];
	uint8_t in[16] = {0};
	le32 hdr = htole32(BASE << 10);

	for (unsigned int type = 1; type < 4; type++)
		ck_assert_int_eq(ASK0(c, BASE, type << 8).status, NOT_SUPPORTED);
	for (size_t len = 1; len < 4; len++)
		ck_assert_uint_eq(carrier_request(c, CMDQ, many, len, in, 16), 0);
	for (size_t room = 0; room < 8; room++)
		ck_assert_uint_eq(carrier_request(c, CMDQ, &hdr, 4, in, room), 0);
	/* Room for the status, not for the answer. */
	ck_assert_int_eq(ask_bytes(c, BASE, 0, "", 0, 8).status, PROTOCOL);
	ck_assert_int_eq(ask_bytes(c, BASE, 3, "", 0, 23).status, PROTOCOL);
	ck_assert_int_eq(ask_bytes(c, BASE, 3, "", 0, 24).status, SUCCESS);
	ck_assert_int_eq(ask_bytes(c, PINCTRL, 6, many, sizeof(many), ROOM).status, PROTOCOL);
	ck_assert_int_eq(ask_bytes(c, CLOCK, 6, many, sizeof(many), ROOM).status, PROTOCOL);
	ck_assert_int_eq(ASK0(c, BASE, 0).status, SUCCESS);
}

/* ---- sensors */

static void sensor_description(struct carrier *c)
{
	bool p2a = has_p2a(c);
	struct answer a = ASK0(c, SENSOR, 1);

	ck_assert_uint_eq(a.w[0], 6 | (p2a ? 16 << 16 : 0));
	ck_assert_uint_eq(a.words, 4);
	/* 52 bytes each: two to a message. */
	a = ASK(c, SENSOR, 3, 0);
	ck_assert_uint_eq(a.w[0], 2 | 4 << 16);
	ck_assert_uint_eq(a.words, 1 + 2 * 13);
	ck_assert_uint_eq(a.w[1], 0);
	ck_assert_uint_eq(a.w[2], (p2a ? 3u << 30 | 4 : 0) | 0x17 << 10 | 1 << 9 | 1 << 8);
	ck_assert_uint_eq(a.w[3], 0x1d << 11 | 2);
	name_is(&a, 4, "temperature");
	ck_assert_uint_eq(a.w[9], 0x1du << 27 | 1);
	ck_assert_int_eq((int)a.w[10], -40000);
	ck_assert_int_eq((int)a.w[11], -1);
	ck_assert_uint_eq(a.w[12], 125000);
	ck_assert_uint_eq(a.w[14], 1);
	/* The sixth has axes: 32 bytes. */
	a = ASK(c, SENSOR, 3, 5);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_uint_eq(a.words, 9);
	ck_assert_uint_eq(a.w[3], 3 << 16 | 0x1d << 11 | 1 << 8 | 0x59);
	ck_assert_int_eq(ASK(c, SENSOR, 3, 6).status, OUT_OF_RANGE);
	ck_assert_int_eq(ask_bytes(c, SENSOR, 3, "\0\0\0\0", 4, 8 + 4 + 51).status, PROTOCOL);
	/* Axes: 48 bytes each. */
	a = ASK(c, SENSOR, 7, 5, 0);
	ck_assert_uint_eq(a.w[0], 2 | 1 << 26);
	ck_assert_uint_eq(a.w[3], 0x1d << 11 | 0x59);
	name_is(&a, 4, "axis_X");
	a = ASK(c, SENSOR, 7, 5, 2);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_uint_eq(a.w[1], 2);
	ck_assert_int_eq(ASK(c, SENSOR, 7, 5, 3).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, SENSOR, 7, 0, 0).status, NOT_SUPPORTED);
	a = ASK(c, SENSOR, 0xd, 5, 1);
	ck_assert_uint_eq(a.w[0], 1 | 1 << 26);
	name_is(&a, 2, "axis_Y");
	a = ASK(c, SENSOR, 8, 0, 0);
	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[0], 3 | 1 << 12);
	ck_assert_uint_eq(a.w[1], 1 << 5 | 0x1d);
	ck_assert_uint_eq(a.w[2], 4 << 5);
	ck_assert_uint_eq(a.w[3], 1 << 5 | 0x1d);
}

static void long_names(struct carrier *c)
{
	struct answer a = ASK(c, SENSOR, 3, 0);

	ck_assert_uint_eq(a.w[2] >> 29 & 1, 1);
	name_is(&(struct answer){.w = {a.w[4], a.w[5], a.w[6], a.w[7]}}, 0, "a-name-of-more-");
	a = ASK(c, SENSOR, 0xc, 0);
	ck_assert_uint_eq(a.words, 17);
	name_is(&a, 1, "a-name-of-more-than-sixteen-letters");
	a = ASK(c, BASE, 6, 0);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_uint_eq(a.w[1], SENSOR);
	ck_assert_int_eq(ASK0(c, CLOCK, 0).status, NOT_SUPPORTED);
}

static void readings(struct carrier *c)
{
	struct answer a = ASK(c, SENSOR, 6, 0, 0);

	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[0], 42000);
	ck_assert_uint_eq(a.w[2] | a.w[3], 0);
	act(c, "set temperature -12345");
	a = ASK(c, SENSOR, 6, 0, 0);
	ck_assert_int_eq((int)a.w[0], -12345);
	ck_assert_int_eq((int)a.w[1], -1);
	a = ASK(c, SENSOR, 6, 5, 0);
	ck_assert_uint_eq(a.words, 12);
	ck_assert_uint_eq(a.w[8], 3000);
	act(c, "set accel -7 2");
	ck_assert_int_eq((int)ASK(c, SENSOR, 6, 5, 0).w[8], -7);
	/* With time stamps, of this century. */
	ck_assert_int_eq(ASK(c, SENSOR, 0xa, 0, 3).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, SENSOR, 9, 0).w[0] & 3, 3);
	a = ASK(c, SENSOR, 6, 0, 0);
	ck_assert_uint_gt(a.w[3], 220000000);
	/* Off. */
	ck_assert_int_eq(ASK(c, SENSOR, 0xa, 0, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, DENIED);
	ck_assert_int_eq(ASK(c, SENSOR, 0xa, 0, 1).status, SUCCESS);
	/* 250 ms, and no interval keeps it. */
	ck_assert_int_eq(ASK(c, SENSOR, 0xa, 0, 250u << 16 | 0x1d << 11 | 1).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, SENSOR, 9, 0).w[0], 25u << 16 | 0x1e << 11 | 1);
	ck_assert_int_eq(ASK(c, SENSOR, 0xa, 0, 1).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, SENSOR, 9, 0).w[0], 25u << 16 | 0x1e << 11 | 1);
	ck_assert_int_eq(ASK(c, SENSOR, 0xa, 0, 4).status, INVALID);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 2).status, INVALID);
	ck_assert_int_eq(ask_bytes(c, SENSOR, 6, "\5\0\0\0\0\0\0\0", 8, 8 + 47).status, PROTOCOL);
}

/* A reading that is asked for now and answered later. */
static void reading_later(struct carrier *c)
{
	struct frontend_request *req;
	struct answer a;

	if (!has_p2a(c)) {
		ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 1).status, NOT_SUPPORTED);
		return;
	}
	req = listen(c);
	a = ASK(c, SENSOR, 6, 0, 1);
	ck_assert_int_eq(a.status, SUCCESS);
	ck_assert_uint_eq(a.words, 0);
	a.hdr |= 2 << 8;
	struct answer late = told(c, req);
	ck_assert_uint_eq(late.hdr, a.hdr);
	ck_assert_uint_eq(late.words, 1 + 1 + 4);
	ck_assert_uint_eq(late.w[0], 0);
	ck_assert_uint_eq(late.w[1], 0);
	ck_assert_uint_eq(late.w[2], 42000);
	/* It waits for a buffer. */
	a = ASK(c, SENSOR, 6, 5, 1);
	late = told(c, listen(c));
	ck_assert_uint_eq(late.hdr, a.hdr | 2 << 8);
	ck_assert_uint_eq(late.words, 1 + 1 + 12);
	/* One that fails. */
	act(c, "fail temperature hardware 1");
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 1).status, SUCCESS);
	late = told(c, listen(c));
	ck_assert_uint_eq(late.words, 1);
	ck_assert_int_eq((int)late.w[0], HARDWARE);
}

/* Errors, delays, lost sensors. */
static void faults(struct carrier *c)
{
	act(c, "fail temperature hardware 2");
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, HARDWARE);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, HARDWARE);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, SUCCESS);
	act(c, "fail temperature busy");
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, BUSY);
	act(c, "fail temperature off");
	act(c, "lose temperature");
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, HARDWARE);
	tell(c, "list", "sensor 0 temperature fake lost");
	act(c, "back temperature");
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, SUCCESS);
	act(c, "delay temperature 30");
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, SUCCESS);
	tell(c, "set temperature hot", "error: 'hot'");
	tell(c, "set temperature 125001", "error: '125001': from -40000 to 125000");
	tell(c, "set temperature 5 1", "error: '1'");
	tell(c, "set none 5", "error: 'none'");
	tell(c, "set i2c0 5", "error: 'i2c0'");
	tell(c, "fail temperature warm", "error: 'warm'");
	tell(c, "fail temperature busy 0", "error: '0'");
	tell(c, "delay temperature 60001", "error: '60001'");
	tell(c, "lose none", "error: 'none'");
	tell(c, "system shutdown", "error: the guest does not listen");
	tell(c, "system off", "error: 'off'");
}

/* Updates every 10 ms; trip points. */
static void updates(struct carrier *c)
{
	struct frontend_request *req;
	struct answer a;

	if (!has_p2a(c)) {
		ck_assert_int_eq(ASK(c, SENSOR, 0xb, 0, 1).status, NOT_SUPPORTED);
		return;
	}
	ck_assert_int_eq(ASK(c, SENSOR, 0xb, 0, 2).status, INVALID);
	ck_assert_int_eq(ASK(c, SENSOR, 0xa, 5, 10u << 16 | 0x1d << 11 | 3).status, SUCCESS);
	ck_assert_int_eq(ASK(c, SENSOR, 0xb, 5, 1).status, SUCCESS);
	for (unsigned int i = 0; i < 3; i++) {
		a = noticed(c, listen(c), SENSOR, 1);
		ck_assert_uint_eq(a.words, 2 + 12);
		ck_assert_uint_eq(a.w[0], 1);
		ck_assert_uint_eq(a.w[1], 5);
		ck_assert_uint_eq(a.w[2], 1000);
		ck_assert_uint_eq(a.w[6], 2000);
		ck_assert_uint_gt(a.w[5], 220000000);
	}
	ck_assert_int_eq(ASK(c, SENSOR, 0xb, 5, 0).status, SUCCESS);
	/* What still waits comes first; then nothing but the trip. */
	ck_assert_int_eq(ASK(c, SENSOR, 5, 0, 4 << 4 | 1, 50000, 0).status, NOT_FOUND);
	ck_assert_int_eq(ASK(c, SENSOR, 5, 0, 1 << 13, 50000, 0).status, INVALID);
	ck_assert_int_eq(ASK(c, SENSOR, 5, 0, 2 << 4 | 3, 50000, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, SENSOR, 4, 0, 1).status, SUCCESS);
	do {
		req = listen(c);
		act(c, "set temperature 42000");
		act(c, "set temperature 50001");
		a = told(c, req);
	} while (a.hdr == (1u | 3 << 8 | SENSOR << 10));
	ck_assert_uint_eq(a.hdr, 0u | 3 << 8 | SENSOR << 10);
	ck_assert_uint_eq(a.words, 3);
	ck_assert_uint_eq(a.w[1], 0);
	ck_assert_uint_eq(a.w[2], 2 | 1 << 16);
	req = listen(c);
	act(c, "set temperature 50000");
	a = noticed(c, req, SENSOR, 0);
	ck_assert_uint_eq(a.w[2], 2);
}

/* ---- clocks */

static void clock_description(struct carrier *c)
{
	bool p2a = has_p2a(c);
	struct answer a = ASK0(c, CLOCK, 1);

	ck_assert_uint_eq(a.w[0], 3 | (p2a ? 16 << 16 : 0));
	a = ASK(c, CLOCK, 3, 0);
	ck_assert_uint_eq(a.words, 6);
	ck_assert_uint_eq(a.w[0], (p2a ? 3u << 30 : 0) | 2);
	name_is(&(struct answer){.w = {a.w[1], a.w[2], a.w[3], a.w[4]}}, 0, "osc");
	a = ASK(c, CLOCK, 3, 1);
	ck_assert_uint_eq(a.w[0], (p2a ? 3u << 30 : 0) | 1 << 29 | 1 << 28 | 2);
	a = ASK(c, CLOCK, 8, 1);
	name_is(&a, 1, "pll-of-the-video-engine");
	/* A triplet; a list of five. */
	a = ASK(c, CLOCK, 4, 1, 0);
	ck_assert_uint_eq(a.words, 7);
	ck_assert_uint_eq(a.w[0], 3 | 1 << 12);
	ck_assert_uint_eq(a.w[1], 1000000);
	ck_assert_uint_eq(a.w[3], 600000000);
	ck_assert_uint_eq(a.w[5], 1000000);
	ck_assert_int_eq(ASK(c, CLOCK, 4, 1, 1).status, OUT_OF_RANGE);
	a = ASK(c, CLOCK, 4, 2, 0);
	ck_assert_uint_eq(a.w[0], 5);
	ck_assert_uint_eq(a.w[9], 24000000);
	a = ASK(c, CLOCK, 4, 2, 4);
	ck_assert_uint_eq(a.w[0], 1);
	a = ask_bytes(c, CLOCK, 4, "\2\0\0\0\1\0\0\0", 8, 8 + 4 + 17);
	ck_assert_uint_eq(a.w[0], 2 | 2 << 16);
	ck_assert_uint_eq(a.w[1], 3686400);
	/* Only what can be done is allowed. */
	ck_assert_uint_eq(ASK(c, CLOCK, 0xf, 0).w[0], 0);
	ck_assert_uint_eq(ASK(c, CLOCK, 0xf, 1).w[0], 7u << 29);
	ck_assert_uint_eq(ASK(c, CLOCK, 0xf, 2).w[0], 5u << 29);
	a = ASK(c, CLOCK, 0xc, 1, 0);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_uint_eq(a.w[1], 0);
	ck_assert_uint_eq(ASK(c, CLOCK, 0xe, 1).w[0], 0);
	ck_assert_int_eq(ASK(c, CLOCK, 0xd, 1, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, CLOCK, 0xd, 1, 2).status, INVALID);
	ck_assert_int_eq(ASK(c, CLOCK, 0xe, 0).status, NOT_SUPPORTED);
}

static void clock_rates(struct carrier *c)
{
	bool p2a = has_p2a(c);
	struct answer a;

	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 24500000, 0).status, SUCCESS);
	a = ASK(c, CLOCK, 6, 1);
	ck_assert_uint_eq(a.words, 2);
	ck_assert_uint_eq(a.w[0], 24000000);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 4, 1, 24500000, 0).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, CLOCK, 6, 1).w[0], 25000000);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 8, 2, 6000000, 0).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, CLOCK, 6, 2).w[0], 7372800);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 600000001, 0).status, INVALID);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 5, 1).status, INVALID);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0x10, 1, 5000000, 0).status, INVALID);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 0, 24000000, 0).status, DENIED);
	/* On and off. */
	ck_assert_int_eq(ASK(c, CLOCK, 7, 1, 1, 0).status, SUCCESS);
	a = ASK(c, CLOCK, 0xb, 1, 0);
	ck_assert_uint_eq(a.words, 3);
	ck_assert_uint_eq(a.w[1], 1);
	ck_assert_uint_eq(ASK(c, CLOCK, 3, 1).w[0] & 1, 1);
	ck_assert_int_eq(ASK(c, CLOCK, 7, 1, 3, 0).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, CLOCK, 0xb, 1, 0).w[1], 1);
	ck_assert_int_eq(ASK(c, CLOCK, 7, 1, 0, 0).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, CLOCK, 0xb, 1, 0).w[1], 0);
	ck_assert_int_eq(ASK(c, CLOCK, 7, 1, 2, 0).status, INVALID);
	ck_assert_int_eq(ASK(c, CLOCK, 7, 1, 1 << 16 | 3, 0).status, NOT_SUPPORTED);
	ck_assert_int_eq(ASK(c, CLOCK, 7, 0, 1, 0).status, DENIED);
	ck_assert_int_eq(ASK(c, CLOCK, 0xb, 1, 1).status, NOT_SUPPORTED);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 1, 1, 9000000, 0).status, p2a ? SUCCESS : NOT_SUPPORTED);
	if (!p2a)
		return;
	a = told(c, listen(c));
	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[0], 0);
	ck_assert_uint_eq(a.w[1], 1);
	ck_assert_uint_eq(a.w[2], 9000000);
	/* Notices: one of the request, one of the change; and the operator's. */
	ck_assert_int_eq(ASK(c, CLOCK, 9, 1, 1).status, SUCCESS);
	ck_assert_int_eq(ASK(c, CLOCK, 0xa, 1, 1).status, SUCCESS);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 8500000, 0).status, SUCCESS);
	a = noticed(c, listen(c), CLOCK, 1);
	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[2], 8500000);
	a = noticed(c, listen(c), CLOCK, 0);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_uint_eq(a.w[2], 8000000);
	act(c, "set pll-of-the-video-engine 5000000");
	a = noticed(c, listen(c), CLOCK, 0);
	ck_assert_uint_eq(a.w[0], 0);
	ck_assert_uint_eq(a.w[2], 5000000);
}

/* A reset of the device, or of the agent's configuration, puts back what the guest has set. */
static void put_back(struct carrier *c)
{
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 9000000, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, CLOCK, 7, 1, 1, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 0, 0, 900000).status, SUCCESS);
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 2, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 0, 1, 1 | 1 << 2 | 1 << 10, 9, 3).status, SUCCESS);
	tell(c, "list", "clock 1 pll-of-the-video-engine fake value 9000000 guest-rate 9000000 guest-enabled 1");
	ck_assert_int_eq(ASK(c, BASE, 0xb, 1, 0).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, CLOCK, 6, 1).w[0], 24000000);
	ck_assert_uint_eq(ASK(c, CLOCK, 0xb, 1, 0).w[1], 0);
	ck_assert_uint_eq(ASK(c, VOLTAGE, 8, 0).w[0], 1800000);
	ck_assert_uint_eq(ASK(c, PINCTRL, 5, 0, 1 << 16 | 9).w[3], 0);
	ck_assert_uint_eq(ASK(c, PINCTRL, 5, 0, 2 << 18 | 1 << 16).w[0], SELF);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 9000000, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, BASE, 0xa, 1, 0, SENSOR, 0).status, SUCCESS);
	carrier_reset(c);
	ck_assert_uint_eq(ASK(c, CLOCK, 6, 1).w[0], 24000000);
	ck_assert_int_eq(ASK0(c, SENSOR, 0).status, SUCCESS);
	tell(c, "list", "clock 1 pll-of-the-video-engine fake value 24000000\n");
}

/* ---- the others */

static void voltage(struct carrier *c)
{
	bool p2a = has_p2a(c);
	struct answer a = ASK(c, VOLTAGE, 3, 0);

	ck_assert_uint_eq(ASK0(c, VOLTAGE, 1).w[0], 2);
	ck_assert_uint_eq(a.w[0], p2a ? 1u << 31 : 0);
	ck_assert_uint_eq(a.words, 5);
	a = ASK(c, VOLTAGE, 4, 0, 0);
	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[0], 3 | 1 << 12);
	ck_assert_uint_eq(a.w[3], 50000);
	a = ASK(c, VOLTAGE, 4, 1, 1);
	ck_assert_uint_eq(a.w[0], 2);
	ck_assert_uint_eq(a.w[2], 3300000);
	ck_assert_uint_eq(ASK(c, VOLTAGE, 6, 0).w[0], 0);
	ck_assert_int_eq(ASK(c, VOLTAGE, 5, 0, 7).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, VOLTAGE, 6, 0).w[0], 7);
	ck_assert_int_eq(ASK(c, VOLTAGE, 5, 0, 1).status, INVALID);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 0, 0, 850000).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, VOLTAGE, 8, 0).w[0], 850000);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 0, 0, 850001).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 1, 0, 1300000).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 0, 0, 0x80000000).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 0, 4, 900000).status, INVALID);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 0, 1, 900000).status, p2a ? SUCCESS : NOT_SUPPORTED);
	if (!p2a)
		return;
	a = told(c, listen(c));
	ck_assert_uint_eq(a.hdr & 0x3ffff, 7 | 2 << 8 | VOLTAGE << 10);
	ck_assert_uint_eq(a.words, 3);
	ck_assert_uint_eq(a.w[2], 900000);
}

static void resets_and_power(struct carrier *c)
{
	bool p2a = has_p2a(c);
	struct answer a = ASK(c, RESET, 3, 0);

	ck_assert_uint_eq(ASK0(c, RESET, 1).w[0], 1);
	ck_assert_uint_eq(a.w[0], p2a ? 3u << 30 : 0);
	ck_assert_uint_eq(a.w[1], SELF);
	ck_assert_uint_eq(a.words, 6);
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 2, 0x80000001).status, SUCCESS);
	tell(c, "list", "reset 0 reset fake value 1 guest-line 1");
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 0, 0).status, SUCCESS);
	tell(c, "list", "reset 0 reset fake value 0 guest-line 0");
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 1, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 3, 0).status, INVALID);
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 8, 0).status, INVALID);

	a = ASK0(c, POWER, 1);
	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[0], 1);
	a = ASK(c, POWER, 3, 0);
	ck_assert_uint_eq(a.w[0], 1 << 29 | (p2a ? 3u << 30 | 1 << 28 : 0));
	ck_assert_uint_eq(ASK(c, POWER, 5, 0).w[0], 1 << 30);
	ck_assert_int_eq(ASK(c, POWER, 4, 0, 0, 0).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, POWER, 5, 0).w[0], 0);
	ck_assert_int_eq(ASK(c, POWER, 4, 0, 0, 1).status, INVALID);
	ck_assert_int_eq(ASK(c, POWER, 4, 2, 0, 0).status, INVALID);
	if (!p2a)
		return;
	ck_assert_int_eq(ASK(c, RESET, 5, 0, 1).status, SUCCESS);
	ck_assert_int_eq(ASK(c, RESET, 4, 0, 5, 0x80000001).status, SUCCESS);
	a = noticed(c, listen(c), RESET, 0);
	ck_assert_uint_eq(a.w[2], 0x80000001);
	a = told(c, listen(c));
	ck_assert_uint_eq(a.hdr & 0x3ffff, 4 | 2 << 8 | RESET << 10);
	ck_assert_uint_eq(a.words, 2);
	ck_assert_int_eq(ASK(c, POWER, 6, 0, 1).status, SUCCESS);
	ck_assert_int_eq(ASK(c, POWER, 7, 0, 1).status, SUCCESS);
	ck_assert_int_eq(ASK(c, POWER, 4, 1, 0, 1 << 30).status, SUCCESS);
	a = noticed(c, listen(c), POWER, 1);
	ck_assert_uint_eq(a.w[2], 1 << 30);
	a = noticed(c, listen(c), POWER, 0);
	ck_assert_uint_eq(a.w[0], 1);
	a = told(c, listen(c));
	ck_assert_uint_eq(a.hdr & 0x3ffff, 4 | 2 << 8 | POWER << 10);
	ck_assert_uint_eq(a.w[2], 1 << 30);
}

static void performance(struct carrier *c)
{
	bool p2a = has_p2a(c);
	struct answer a = ASK(c, PERF, 3, 0);

	ck_assert_uint_eq(ASK0(c, PERF, 1).w[0], 1);
	ck_assert_uint_eq(a.words, 8);
	ck_assert_uint_eq(a.w[0], 3u << 30 | (p2a ? 3 << 28 : 0));
	ck_assert_uint_eq(a.w[2], 2000000);
	ck_assert_uint_eq(a.w[3], 2000000);
	a = ASK(c, PERF, 4, 0, 0);
	ck_assert_uint_eq(a.words, 1 + 4 * 5);
	ck_assert_uint_eq(a.w[0], 4);
	ck_assert_uint_eq(a.w[6], 1000000);
	ck_assert_uint_eq(a.w[9], 1000000);
	ck_assert_uint_eq(a.w[10], 1);
	a = ask_bytes(c, PERF, 4, "\0\0\0\0\1\0\0\0", 8, 8 + 4 + 45);
	ck_assert_uint_eq(a.w[0], 2 | 1 << 16);
	ck_assert_int_eq(ASK(c, PERF, 4, 0, 4).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, PERF, 7, 0, 1500000).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, PERF, 8, 0).w[0], 1500000);
	ck_assert_int_eq(ASK(c, PERF, 7, 0, 1500001).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 1000000, 500000).status, SUCCESS);
	a = ASK(c, PERF, 6, 0);
	ck_assert_uint_eq(a.w[0], 1000000);
	ck_assert_uint_eq(a.w[1], 500000);
	ck_assert_int_eq(ASK(c, PERF, 7, 0, 1500000).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 500000, 1000000).status, INVALID);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 3000000, 500000).status, OUT_OF_RANGE);
	/* One of the limits stays as it is; not both. */
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 0, 0).status, INVALID);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 0, 1500000).status, INVALID);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 0, 700000).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 0, 1000000).status, SUCCESS);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 1500000, 0).status, SUCCESS);
	a = ASK(c, PERF, 6, 0);
	ck_assert_uint_eq(a.w[0], 1500000);
	ck_assert_uint_eq(a.w[1], 1000000);
	if (!p2a)
		return;
	ck_assert_int_eq(ASK(c, PERF, 9, 0, 1).status, SUCCESS);
	ck_assert_int_eq(ASK(c, PERF, 0xa, 0, 1).status, SUCCESS);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 0, 500000).status, SUCCESS);
	a = noticed(c, listen(c), PERF, 0);
	ck_assert_uint_eq(a.w[2], 1500000);
	ck_assert_uint_eq(a.w[3], 500000);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 2000000, 0).status, SUCCESS);
	a = noticed(c, listen(c), PERF, 0);
	ck_assert_uint_eq(a.w[2], 2000000);
	ck_assert_uint_eq(a.w[3], 500000);
	ck_assert_int_eq(ASK(c, PERF, 7, 0, 2000000).status, SUCCESS);
	a = noticed(c, listen(c), PERF, 1);
	ck_assert_uint_eq(a.w[2], 2000000);
	act(c, "set perf 500000");
	ck_assert_uint_eq(noticed(c, listen(c), PERF, 1).w[2], 500000);
}

/* Who watches the control socket sees what the guest sets. */
static void watched(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));
	char answer[8192];

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "watch\n"), 6);
	hear(c, fd, "ok\n", answer);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 9000000, 0).status, SUCCESS);
	hear(c, fd, "! guest pll-of-the-video-engine rate 9000000\n", answer);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 0, 1000000).status, SUCCESS);
	hear(c, fd, "! guest perf limits 2000000 1000000\n", answer);
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 0, 0, 1 << 2 | 1, 10, 4).status, SUCCESS);
	hear(c, fd, "! guest i2c0 settings\n", answer);
	close(fd);
}

static void power_caps(struct carrier *c)
{
	bool p2a = has_p2a(c);
	struct answer a = ASK(c, POWERCAP, 3, 0);

	ck_assert_uint_eq(ASK0(c, POWERCAP, 1).w[0], 1);
	ck_assert_uint_eq(a.words, 14);
	ck_assert_uint_eq(a.w[0], (p2a ? 7u << 29 : 0) | 7 << 25 | 1 << 23);
	ck_assert_uint_eq(a.w[8], 1000000);
	ck_assert_uint_eq(a.w[9], 65000000);
	ck_assert_uint_eq(a.w[13], SELF);
	ck_assert_int_eq(ASK(c, POWERCAP, 5, 0, 0, 20000000).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, POWERCAP, 4, 0).w[0], 20000000);
	ck_assert_int_eq(ASK(c, POWERCAP, 5, 0, 0, 65000001).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, POWERCAP, 5, 0, 4, 20000000).status, INVALID);
	ck_assert_int_eq(ASK(c, POWERCAP, 7, 0, 0, 5000).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, POWERCAP, 6, 0).w[0], 5000);
	ck_assert_int_eq(ASK(c, POWERCAP, 7, 0, 0, 999).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, POWERCAP, 7, 0, 1, 5000).status, INVALID);
	act(c, "set powercap 7000000");
	a = ASK(c, POWERCAP, 9, 0);
	ck_assert_uint_eq(a.words, 2);
	ck_assert_uint_eq(a.w[0], 7000000);
	if (!p2a)
		return;
	ck_assert_int_eq(ASK(c, POWERCAP, 0xa, 0, 1).status, SUCCESS);
	ck_assert_int_eq(ASK(c, POWERCAP, 5, 0, 2, 30000000).status, SUCCESS);
	a = noticed(c, listen(c), POWERCAP, 0);
	ck_assert_uint_eq(a.w[2], 30000000);
	ck_assert_uint_eq(a.w[3], 5000);
	a = told(c, listen(c));
	ck_assert_uint_eq(a.hdr & 0x3ffff, 5 | 2 << 8 | POWERCAP << 10);
	ck_assert_uint_eq(a.w[2], 30000000);
	ck_assert_int_eq(ASK(c, POWERCAP, 0xb, 0, 1, 9, 8).status, INVALID);
	ck_assert_int_eq(ASK(c, POWERCAP, 0xb, 0, 1, 5000000, 8000000).status, SUCCESS);
	act(c, "set powercap 7500000");
	act(c, "set powercap 8500000");
	a = noticed(c, listen(c), POWERCAP, 1);
	ck_assert_uint_eq(a.w[2], 8500000);
}

static void pins(struct carrier *c)
{
	struct answer a = ASK0(c, PINCTRL, 1);

	ck_assert_uint_eq(a.w[0], 2 << 16 | 6);
	ck_assert_uint_eq(a.w[1], 3);
	a = ASK(c, PINCTRL, 3, 3, 0);
	ck_assert_uint_eq(a.w[0], 0);
	name_is(&a, 1, "uart0.1");
	a = ASK(c, PINCTRL, 3, 1, 1);
	ck_assert_uint_eq(a.w[0], 4);
	a = ASK(c, PINCTRL, 3, 0, 2);
	ck_assert_uint_eq(a.w[0], 2);
	name_is(&a, 1, "gpio");
	a = ASK(c, PINCTRL, 9, 2, 2);
	name_is(&a, 1, "uart0");
	ck_assert_int_eq(ASK(c, PINCTRL, 3, 0, 3).status, INVALID);
	ck_assert_int_eq(ASK(c, PINCTRL, 3, 6, 0).status, NOT_FOUND);
	a = ASK(c, PINCTRL, 4, 1, 1, 0);
	ck_assert_uint_eq(a.w[0], 4);
	ck_assert_uint_eq(a.w[1], 2 | 3 << 16);
	ck_assert_uint_eq(a.w[2], 4 | 5 << 16);
	a = ASK(c, PINCTRL, 4, 1, 1, 3);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_uint_eq(a.w[1], 5);
	a = ASK(c, PINCTRL, 4, 2, 2, 0);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_uint_eq(a.w[1], 1);
	ck_assert_int_eq(ASK(c, PINCTRL, 4, 0, 0, 0).status, NOT_SUPPORTED);
	ck_assert_int_eq(ASK(c, PINCTRL, 4, 1, 1, 4).status, OUT_OF_RANGE);
	/* Function and two settings for a group; a pin of it has them. */
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 1, 2, 1 | 2 << 2 | 1 << 10, 5, 1, 10, 8).status, SUCCESS);
	a = ASK(c, PINCTRL, 5, 4, 10);
	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[0], SELF);
	ck_assert_uint_eq(a.w[1], 1);
	ck_assert_uint_eq(a.w[2], 10);
	ck_assert_uint_eq(a.w[3], 8);
	ck_assert_uint_eq(ASK(c, PINCTRL, 5, 4, 2 << 18).w[0], 2);
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 4, 0, 0 | 1 << 10).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, PINCTRL, 5, 4, 2 << 18).w[0], 0);
	ck_assert_uint_eq(ASK(c, PINCTRL, 5, 3, 2 << 18).w[0], 2);
	/* All of them: fourteen, then six. */
	a = ASK(c, PINCTRL, 5, 4, 1 << 18);
	ck_assert_uint_eq(a.w[1], 14 | 6 << 24);
	a = ASK(c, PINCTRL, 5, 4, 1 << 18 | 14 << 8);
	ck_assert_uint_eq(a.w[1], 6);
	ck_assert_int_eq(ASK(c, PINCTRL, 5, 4, 1 << 18 | 20 << 8).status, OUT_OF_RANGE);
	ck_assert_int_eq(ASK(c, PINCTRL, 5, 4, 3 << 18).status, INVALID);
	ck_assert_int_eq(ASK(c, PINCTRL, 5, 4, 30).status, NOT_SUPPORTED);
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 4, 1, 1 << 10).status, NOT_FOUND);
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 4, 0, 1 << 2, 5, 1, 1).status, PROTOCOL);
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 4, 0, 1 << 2, 40, 1).status, NOT_SUPPORTED);
	ck_assert_int_eq(ASK(c, PINCTRL, 6, 4, 0, 0).status, INVALID);
	/* Requests. */
	ck_assert_int_eq(ASK(c, PINCTRL, 7, 4, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, PINCTRL, 7, 4, 0).status, IN_USE);
	ck_assert_int_eq(ASK(c, PINCTRL, 7, 1, 1).status, IN_USE);
	ck_assert_int_eq(ASK(c, PINCTRL, 8, 4, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, PINCTRL, 8, 4, 0).status, INVALID);
	ck_assert_int_eq(ASK(c, PINCTRL, 7, 1, 2).status, NOT_SUPPORTED);
}

static void system_power(struct carrier *c)
{
	struct answer a;

	ck_assert_uint_eq(ASK0(c, SYSTEM, 1).w[0], 0);
	ck_assert_uint_eq(ASK(c, SYSTEM, 2, 3).w[0], 3u << 30);
	ck_assert_uint_eq(ASK0(c, SYSTEM, 4).w[0], 3);
	ck_assert_int_eq(ASK(c, SYSTEM, 3, 1, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, SYSTEM, 3, 0, 4).status, SUCCESS);
	ck_assert_int_eq(ASK(c, SYSTEM, 3, 0, 5).status, INVALID);
	ck_assert_int_eq(ASK(c, SYSTEM, 3, 2, 0).status, INVALID);
	if (!has_p2a(c))
		return;
	ck_assert_int_eq(ASK(c, SYSTEM, 5, 1).status, SUCCESS);
	act(c, "system shutdown");
	a = noticed(c, listen(c), SYSTEM, 0);
	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[1], 1);
	ck_assert_uint_eq(a.w[2], 0);
	act(c, "system reset force");
	a = noticed(c, listen(c), SYSTEM, 0);
	ck_assert_uint_eq(a.w[1], 0);
	ck_assert_uint_eq(a.w[2], 1);
}

/* A file for each state is written by a process outside of the sandbox. */
static void system_run(struct carrier *c)
{
	static const struct {
		uint32_t graceful, state;
		const char *file;
	} asked[] = {{1, 0, "shutdown1"}, {0, 2, "warm-reset0"}, {0, 3, "power-up0"}, {1, 4, "suspend1"}};
	struct stat st;

	for (unsigned int i = 0; i < ARRAY_SIZE(asked); i++) {
		ck_assert_int_eq(ASK(c, SYSTEM, 3, asked[i].graceful, asked[i].state).status, SUCCESS);
		for (unsigned int j = 0; stat(carrier_path(c, asked[i].file), &st) < 0; j++) {
			ck_assert_uint_lt(j, 2000);
			carrier_idle(c, 10);
		}
		unlink(carrier_path(c, asked[i].file));
	}
}

/* ---- the process of --system-power=signal */

static char signal_arg[40];
static const char *const signals[] = {"--device=board", signal_arg, NULL};
static pid_t signalled;

static void stop_itself(int signum)
{
	(void)signum;
	raise(SIGSTOP);
}

/* A process that stops at a SIGHUP and ends by a SIGTERM, early ones too.  It does not outlive the test. */
static void prepare_signals(struct carrier *c)
{
	sigset_t set, old;

	(void)c;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	signalled = fork();
	ck_assert_int_ge(signalled, 0);
	if (signalled == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGHUP, stop_itself);
		signal(SIGTERM, SIG_DFL);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		for (;;)
			pause();
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	snprintf(signal_arg, sizeof(signal_arg), "--system-power=signal:%d", (int)signalled);
}

/* What became of the process next, as waitpid(2) has it. */
static int next_status(struct carrier *c)
{
	int status;
	pid_t pid;

	for (unsigned int i = 0; (pid = waitpid(signalled, &status, WNOHANG | WUNTRACED)) == 0; i++) {
		ck_assert_uint_lt(i, 2000);
		carrier_idle(c, 10);
	}
	ck_assert_int_eq(pid, signalled);
	return status;
}

/* SIGHUP for a reset, SIGTERM for a shutdown, none for the others.  A process that is gone is an error. */
static void system_signal(struct carrier *c)
{
	int status;

	for (uint32_t reset = 1; reset <= 2; reset++) {
		ck_assert_int_eq(ASK(c, SYSTEM, 3, reset & 1, reset).status, SUCCESS);
		status = next_status(c);
		ck_assert(WIFSTOPPED(status));
		ck_assert_int_eq(WSTOPSIG(status), SIGSTOP);
		kill(signalled, SIGCONT);
	}
	ck_assert_int_eq(ASK(c, SYSTEM, 3, 0, 5).status, INVALID);
	ck_assert_int_eq(ASK(c, SYSTEM, 3, 0, 3).status, SUCCESS);
	ck_assert_int_eq(ASK(c, SYSTEM, 3, 0, 4).status, SUCCESS);
	carrier_idle(c, 20);
	ck_assert_int_eq(waitpid(signalled, &status, WNOHANG | WUNTRACED), 0);
	ck_assert_int_eq(ASK(c, SYSTEM, 3, 1, 0).status, SUCCESS);
	status = next_status(c);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGTERM);
	ck_assert_int_eq(ASK(c, SYSTEM, 3, 0, 0).status, HARDWARE);
	ck_assert_uint_eq(ASK0(c, SYSTEM, 4).w[0], 3);
}

/* Errors are told to who wants to know. */
static void error_notices(struct carrier *c)
{
	struct answer a, error;

	if (!has_p2a(c))
		return;
	ck_assert_int_eq(ASK(c, BASE, 8, 2).status, INVALID);
	ck_assert_int_eq(ASK(c, BASE, 8, 1).status, SUCCESS);
	error = ASK(c, BASE, 0, 1);
	ck_assert_int_eq(error.status, PROTOCOL);
	a = noticed(c, listen(c), BASE, 0);
	ck_assert_uint_eq(a.words, 4);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_uint_eq(a.w[1], 1);
	ck_assert_int_eq((int)a.w[2], PROTOCOL);
	ck_assert_uint_eq(a.w[3], error.hdr);
}

/* What the operator allows. */
static void policies(struct carrier *c)
{
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 0, 5000000, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 0, 11000000, 0).status, DENIED);
	ck_assert_int_eq(ASK(c, CLOCK, 7, 0, 1, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 5000000, 0).status, DENIED);
	ck_assert_uint_eq(ASK(c, CLOCK, 6, 1).w[0], 24000000);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, BUSY);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 1, 0).status, SUCCESS);
}

static void prepare_config(struct carrier *c)
{
	static const char text[] = "# things\n\nfake,kind=clock,name=b\nfake,kind=current,name=of-the-file\n";

	carrier_write_file(c, "things", text, sizeof(text) - 1, false);
}

/* The guest moves: its notices, settings and rates are there. */
static void moves(struct carrier *c)
{
	struct answer a;

	if (!has_p2a(c))
		return;
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 9000000, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, CLOCK, 9, 1, 1).status, SUCCESS);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 1000000, 500000).status, SUCCESS);
	ck_assert_int_eq(ASK(c, SENSOR, 0xa, 0, 30u << 16 | 3).status, SUCCESS);
	ck_assert_int_eq(ASK(c, PINCTRL, 7, 4, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, BASE, 0xa, 1, 0, RESET, 0).status, SUCCESS);
	/* A response that is due will not come from there. */
	act(c, "delay temperature 60000");
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 1).status, SUCCESS);
	carrier_move(c);
	a = told(c, listen(c));
	ck_assert_uint_eq(a.hdr & 0x3ffff, 6 | 2 << 8 | SENSOR << 10);
	ck_assert_int_eq((int)a.w[0], BUSY);
	ck_assert_uint_eq(ASK(c, CLOCK, 6, 1).w[0], 9000000);
	a = ASK(c, PERF, 6, 0);
	ck_assert_uint_eq(a.w[0], 1000000);
	ck_assert_uint_eq(ASK(c, SENSOR, 9, 0).w[0], 30u << 16 | 3);
	ck_assert_int_eq(ASK(c, PINCTRL, 7, 4, 0).status, IN_USE);
	ck_assert_int_eq(ASK0(c, RESET, 0).status, DENIED);
	act(c, "set pll-of-the-video-engine 5000000");
	ck_assert_uint_eq(noticed(c, listen(c), CLOCK, 0).w[2], 5000000);
}

/* One limit is the guest's; the other one it could not have set. */
static void moves_limits(struct carrier *c)
{
	struct answer a;

	ck_assert_int_eq(ASK(c, PERF, 5, 0, 0, 500000).status, DENIED);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 1500000, 0).status, SUCCESS);
	carrier_move(c);
	a = ASK(c, PERF, 6, 0);
	ck_assert_uint_eq(a.w[0], 1500000);
	ck_assert_uint_eq(a.w[1], 500000);
}

/* The guest is told BUSY of a rate that is still being set when its state is taken, and stays here: it is undone. */
static void undone(struct carrier *c)
{
	struct state state;

	if (!has_p2a(c))
		return;
	act(c, "delay pll-of-the-video-engine 50");
	ck_assert_int_eq(ASK(c, CLOCK, 5, 0, 1, 8000000, 0).status, SUCCESS);
	ck_assert_int_eq(ASK(c, CLOCK, 5, 1, 1, 9000000, 0).status, SUCCESS);
	vdev_save(carrier_vdev(c), &state);
	state_free(&state);
	ck_assert_int_eq((int)told(c, listen(c)).w[0], BUSY);
	ck_assert_uint_eq(ASK(c, CLOCK, 6, 1).w[0], 8000000);
	/* So is what nobody had set before. */
	act(c, "delay regulator 50");
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 0, 1, 900000).status, SUCCESS);
	vdev_save(carrier_vdev(c), &state);
	state_free(&state);
	ck_assert_int_eq((int)told(c, listen(c)).w[0], BUSY);
	ck_assert_uint_eq(ASK(c, VOLTAGE, 8, 0).w[0], 1800000);
}

/* Many at once, of things that take their time: each gets its own answer, and others are not held up. */
static void at_once(struct carrier *c)
{
	enum { N = 80 };
	struct frontend_request *req[N];
	uint8_t in[ROOM];
	struct answer a;
	unsigned int n = carrier_depth(c, CMDQ) < N ? carrier_depth(c, CMDQ) : N;

	act(c, "delay temperature 20");
	for (unsigned int i = 0; i < n; i++) {
		const le32 out[] = {htole32(6 | SENSOR << 10 | i << 18), htole32(i % 5), 0};

		req[i] = carrier_submit(c, CMDQ, out, sizeof(out), ROOM);
	}
	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = n - 1 - i;

		take_apart(in, carrier_await(c, CMDQ, req[at], in), &a);
		ck_assert_int_eq(a.status, SUCCESS);
		ck_assert_uint_eq(a.hdr >> 18, at);
		ck_assert_uint_eq(a.words, 4);
	}
}

/* Nothing that comes by the eventq is offered, nor done. */
static void without_p2a(struct carrier *c)
{
	carrier_vdev(c)->features &= ~BIT(P2A);
	refused = true;
	sensor_description(c);
	reading_later(c);
	updates(c);
	clock_description(c);
	clock_rates(c);
	voltage(c);
	resets_and_power(c);
	performance(c);
	power_caps(c);
	every_message(c);
	refused = false;
}

/* ---- things of the host: files as the kernel has them */

static void put(struct carrier *c, const char *name, const char *text)
{
	carrier_write_file(c, name, text, strlen(text), false);
}

/* Every adapter to sysfs finds its files in one folder here. */
static void prepare_host(struct carrier *c)
{
	static const char *const files[][2] = {
		{"temp1_input", "-1250\n"},
		{"temp1_label", "Board\n"},
		{"temp1_min", "-40000\n"},
		{"temp1_max", "85000\n"},
		{"temp", "51500\n"},
		{"type", "soc-thermal\n"},
		{"name", "chip\n"},
		{"in_accel_x_raw", "-34\n"},
		{"in_accel_y_raw", "1\n"},
		{"in_accel_z_raw", "1000\n"},
		{"in_accel_scale", "0.000598\n"},
		{"in_voltage0_raw", "73\n"},
		{"in_voltage_scale", "0.333333333\n"},
		{"in_voltage0_offset", "-3\n"},
		{"sampling_frequency", "50\n"},
		{"energy_uj", "123456789\n"},
		{"constraint_0_power_limit_uw", "15000000\n"},
		{"constraint_0_time_window_us", "28000\n"},
		{"constraint_0_max_power_uw", "25000000\n"},
		{"scaling_available_frequencies", "1800000 600000 1200000 \n"},
		{"cpuinfo_min_freq", "600000\n"},
		{"cpuinfo_max_freq", "1800000\n"},
		{"scaling_cur_freq", "1200000\n"},
		{"scaling_min_freq", "600000\n"},
		{"scaling_max_freq", "1800000\n"},
		{"scaling_setspeed", "<unsupported>\n"},
		{"available_frequencies", "200000000 400000000\n"},
		{"cur_freq", "400000000\n"},
		{"min_freq", "200000000\n"},
		{"max_freq", "400000000\n"},
		{"microvolts", "1800000\n"},
		{"min_microvolts", "1700000\n"},
		{"max_microvolts", "1900000\n"},
		{"state", "disabled\n"},
		{"clk_rate", "24000000\n"},
		{"clk_enable_count", "2\n"},
	};
	char more[512];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		put(c, files[i][0], files[i][1]);
	snprintf(more, sizeof(more), "regulator,path=%s,consumer=%s,name=vdd,rw\n", carrier_dir(c), carrier_dir(c));
	put(c, "more", more);
}

/* The first line of a file, as a number. */
static long file_value(struct carrier *c, const char *name)
{
	char text[64] = "";
	FILE *f = fopen(carrier_path(c, name), "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	fclose(f);
	return strtol(text, NULL, 10);
}

static void host_sensors(struct carrier *c)
{
	struct answer a = ASK(c, SENSOR, 3, 0);

	ck_assert_uint_eq(ASK0(c, SENSOR, 1).w[0] & 0xffff, 5);
	ck_assert_uint_eq(a.w[3], 0x1d << 11 | 2);
	name_is(&(struct answer){.w = {a.w[4], a.w[5], a.w[6], a.w[7]}}, 0, "Board");
	ck_assert_int_eq((int)a.w[10], -40000);
	a = ASK(c, SENSOR, 6, 0, 0);
	ck_assert_int_eq((int)a.w[0], -1250);
	ck_assert_int_eq((int)a.w[1], -1);
	ck_assert_uint_eq(ASK(c, SENSOR, 6, 1, 0).w[0], 51500);
	/* 598e-6 m/s^2; -34 of it. */
	a = ASK(c, SENSOR, 3, 2);
	ck_assert_uint_eq(a.w[3], 3 << 16 | (32 - 6) << 11 | 1 << 8 | 0x59);
	a = ASK(c, SENSOR, 6, 2, 0);
	ck_assert_uint_eq(a.words, 12);
	ck_assert_int_eq((int)a.w[0], -34 * 598);
	ck_assert_uint_eq(a.w[8], 598000);
	/* mV: (73 - 3) * 0.333333333e-3, in 1e-12 V. */
	a = ASK(c, SENSOR, 3, 3);
	ck_assert_uint_eq(a.w[3], (32 - 12) << 11 | 5);
	a = ASK(c, SENSOR, 6, 3, 0);
	ck_assert_uint_eq(a.w[0] | (uint64_t)a.w[1] << 32, UINT64_C(70) * 333333333);
	ck_assert_uint_eq(ASK(c, SENSOR, 8, 3, 0).w[1], 2 << 5 | 0x1e);
	a = ASK(c, SENSOR, 6, 4, 0);
	ck_assert_uint_eq(a.w[0], 123456789);
	/* What a file says that is none. */
	put(c, "temp", "hot\n");
	ck_assert_int_eq(ASK(c, SENSOR, 6, 1, 0).status, HARDWARE);
	put(c, "temp", "1000\n");
	ck_assert_uint_eq(ASK(c, SENSOR, 6, 1, 0).w[0], 1000);
}

/* A sensor is unplugged, and comes back: another file of its name. */
static void host_unplugged(struct carrier *c)
{
	unsigned int turns = 0;

	unlink(carrier_path(c, "temp1_input"));
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, HARDWARE);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 0, 0).status, HARDWARE);
	ck_assert_int_eq(ASK(c, SENSOR, 6, 1, 0).status, SUCCESS);
	put(c, "temp1_input", "7\n");
	while (ASK(c, SENSOR, 6, 0, 0).status != SUCCESS) {
		ck_assert_uint_lt(++turns, 300);
		carrier_idle(c, 100);
	}
	ck_assert_uint_eq(ASK(c, SENSOR, 6, 0, 0).w[0], 7);
}

static void host_others(struct carrier *c)
{
	struct answer a;

	/* cpufreq with rw; devfreq without. */
	a = ASK(c, PERF, 4, 0, 0);
	ck_assert_uint_eq(a.w[0], 3);
	ck_assert_uint_eq(a.w[1], 600000);
	ck_assert_uint_eq(a.w[11], 1800000);
	ck_assert_uint_eq(ASK(c, PERF, 8, 0).w[0], 1200000);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 1200000, 600000).status, SUCCESS);
	ck_assert_int_eq(file_value(c, "scaling_max_freq"), 1200000);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 0, 1200000).status, SUCCESS);
	ck_assert_int_eq(file_value(c, "scaling_max_freq"), 1200000);
	ck_assert_int_eq(file_value(c, "scaling_min_freq"), 1200000);
	ck_assert_int_eq(ASK(c, PERF, 5, 0, 0, 600000).status, SUCCESS);
	ck_assert_int_eq(ASK(c, PERF, 7, 0, 600000).status, SUCCESS);
	ck_assert_int_eq(file_value(c, "scaling_setspeed"), 600000);
	a = ASK(c, PERF, 3, 1);
	ck_assert_uint_eq(a.w[0] >> 30, 0);
	ck_assert_uint_eq(ASK(c, PERF, 8, 1).w[0], 400000);
	ck_assert_int_eq(ASK(c, PERF, 5, 1, 400000, 200000).status, DENIED);
	/* A power cap. */
	ck_assert_uint_eq(ASK(c, POWERCAP, 4, 0).w[0], 15000000);
	ck_assert_uint_eq(ASK(c, POWERCAP, 3, 0).w[9], 25000000);
	ck_assert_int_eq(ASK(c, POWERCAP, 5, 0, 0, 9000000).status, SUCCESS);
	ck_assert_int_eq(file_value(c, "constraint_0_power_limit_uw"), 9000000);
	ck_assert_uint_eq(ASK(c, POWERCAP, 6, 0).w[0], 28000);
	put(c, "energy_uj", "223456789\n");
	ck_assert_uint_gt(ASK(c, POWERCAP, 9, 0).w[0], 0);
	/* A regulator, switched by its consumer, which has the same folder. */
	ck_assert_uint_eq(ASK(c, VOLTAGE, 6, 0).w[0], 0);
	ck_assert_uint_eq(ASK(c, VOLTAGE, 8, 0).w[0], 1800000);
	ck_assert_int_eq(ASK(c, VOLTAGE, 5, 0, 7).status, SUCCESS);
	ck_assert_uint_eq(ASK(c, VOLTAGE, 6, 0).w[0], 7);
	ck_assert_int_eq(ASK(c, VOLTAGE, 7, 0, 0, 1750000).status, SUCCESS);
	ck_assert_int_eq(file_value(c, "max_microvolts"), 1750000);
	/* A clock is looked at. */
	a = ASK(c, CLOCK, 4, 0, 0);
	ck_assert_uint_eq(a.w[0], 1);
	ck_assert_uint_eq(a.w[1], 24000000);
	ck_assert_uint_eq(ASK(c, CLOCK, 6, 0).w[0], 24000000);
	ck_assert_uint_eq(ASK(c, CLOCK, 0xb, 0, 0).w[1], 1);
	ck_assert_int_eq(ASK(c, CLOCK, 7, 0, 0, 0).status, NOT_SUPPORTED);
	ck_assert_uint_eq(ASK(c, CLOCK, 0xf, 0).w[0], 0);
	/* What the guest has set goes back when it does. */
	carrier_reset(c);
	ck_assert_uint_eq(ASK(c, PERF, 6, 0).w[0], 1800000);
	ck_assert_uint_eq(ASK(c, POWERCAP, 4, 0).w[0], 15000000);
	ck_assert_uint_eq(ASK(c, VOLTAGE, 6, 0).w[0], 0);
}

static const char *const host_args[] = {
	"--device=hwmon,path=%T,channel=temp1",
	"--device=thermal,path=%T",
	"--device=iio,path=%T,channel=in_accel",
	"--device=iio,path=%T,channel=in_voltage0,name=adc",
	"--device=powercap,path=%T,name=joules",
	"--device=powercap,path=%T,kind=cap,name=cap,rw",
	"--device=cpufreq,path=%T,name=cpu,rw",
	"--device=devfreq,path=%T,name=gpu",
	"--config=%T/more",
	"--device=clk,path=%T,name=osc",
	NULL,
};

static const char *const limited[] = {"--device=fake,kind=clock,name=a,allow=1000000:10000000", "--config=%T/things",
				      "--policy=b,ro", "--device=fake,kind=temperature,name=t,rate=2/h", NULL};
static const char *const bounded[] = {"--device=fake,kind=perf,allow=1000000:2000000", NULL};
static const char *const runs[] = {"--device=board", "--system-power=run:>%T/$SCMI_STATE$SCMI_GRACEFUL", NULL};

static const struct device_case cases[] = {
	{.name = "base", .run = base, .flags = CASE_ONCE},
	{.name = "permissions", .run = permissions, .flags = CASE_ONCE},
	{.name = "every message", .run = every_message, .flags = CASE_ONCE},
	{.name = "no such thing", .run = no_such_thing, .flags = CASE_ONCE},
	{.name = "hostile", .run = hostile},
	{.name = "sensor description", .run = sensor_description, .flags = CASE_ONCE},
	{.name = "long names", .run = long_names, .args = sensors, .flags = CASE_ONCE},
	{.name = "readings", .run = readings},
	{.name = "reading later", .run = reading_later},
	{.name = "faults", .run = faults, .flags = CASE_ONCE},
	{.name = "updates", .run = updates, .flags = CASE_ONCE},
	{.name = "clock description", .run = clock_description, .flags = CASE_ONCE},
	{.name = "clock rates", .run = clock_rates},
	{.name = "put back", .run = put_back, .flags = CASE_ONCE},
	{.name = "voltage", .run = voltage, .flags = CASE_ONCE},
	{.name = "resets and power", .run = resets_and_power, .flags = CASE_ONCE},
	{.name = "performance", .run = performance, .flags = CASE_ONCE},
	{.name = "watched", .run = watched, .flags = CASE_ONCE},
	{.name = "power caps", .run = power_caps, .flags = CASE_ONCE},
	{.name = "pins", .run = pins, .flags = CASE_ONCE},
	{.name = "system power", .run = system_power, .flags = CASE_ONCE},
	{.name = "system run", .run = system_run, .args = runs, .flags = CASE_ONCE},
	{.name = "system signal",
	 .run = system_signal,
	 .args = signals,
	 .prepare = prepare_signals,
	 .flags = CASE_ONCE | CASE_NOT_VALGRIND}, /* pidfd_open */
	{.name = "error notices", .run = error_notices, .flags = CASE_ONCE},
	{.name = "policies", .run = policies, .args = limited, .prepare = prepare_config, .flags = CASE_ONCE},
	{.name = "without p2a", .run = without_p2a, .flags = CASE_ONCE | CASE_NOT_BINARY},
	{.name = "host sensors", .run = host_sensors, .args = host_args, .prepare = prepare_host, .flags = CASE_ONCE},
	{.name = "host unplugged",
	 .run = host_unplugged,
	 .args = host_args,
	 .prepare = prepare_host,
	 .flags = CASE_ONCE},
	{.name = "host others", .run = host_others, .args = host_args, .prepare = prepare_host, .flags = CASE_ONCE},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
	{.name = "moves limits", .run = moves_limits, .args = bounded, .flags = CASE_ONCE},
	{.name = "undone", .run = undone, .flags = CASE_ONCE | CASE_NOT_BINARY},
	{.name = "at once", .run = at_once, .flags = CASE_ONCE, .depth = 16},
};

static const struct device_suite scmi_device = {.device = "scmi", .args = board, DEVICE_CASES(cases)};

/* What is wrong with a call is said before anything is opened. */
START_TEST(test_options)
{
	static const struct {
		const char *arg;
		int err; /* of the parser, or of open */
	} rows[] = {
		{"--device=", -EINVAL},
		{"--device=fake,", -EINVAL},
		{"--device=fake,kind=engine", -EINVAL},
		{"--device=fake,colour=red", -EINVAL},
		{"--device=fake,name", -EINVAL},
		{"--device=fake,name=a,name=b", -EINVAL},
		{"--device=fake,ro=1", -EINVAL},
		{"--device=fake,ro,rw", -EINVAL},
		{"--device=fake,kind=temperature,value=hot", -EINVAL},
		{"--device=fake,kind=temperature,value=126000", -EINVAL},
		{"--device=fake,kind=clock,levels=5:4", -EINVAL},
		{"--device=fake,kind=clock,range=5", -EINVAL},
		{"--device=fake,kind=clock,range=5:4", -EINVAL},
		{"--device=fake,kind=clock,range=1:9:0", -EINVAL},
		{"--device=fake,kind=clock,range=-1:9223372036854775807", -EINVAL},
		{"--device=fake,kind=clock,levels=-5:5:9223372036854775806", -EINVAL},
		{"--device=fake,kind=clock,allow=1", -EINVAL},
		{"--device=fake,kind=clock,rate=fast", -EINVAL},
		{"--device=fake,kind=clock,latency=-1", -EINVAL},
		{"--device=fake,kind=pins,pins=17", -EINVAL},
		{"--device=board,name=a", -EINVAL},
		{"--device=hwmon,path=/nowhere", -EINVAL},
		{"--device=hwmon,path=/nowhere,channel=temp", -EINVAL},
		{"--device=hwmon,path=/nowhere,channel=temp1/../x", -EINVAL},
		{"--device=iio,path=/nowhere,channel=accel", -EINVAL},
		{"--device=iio,path=/nowhere,channel=in_../x", -EINVAL},
		{"--device=hwmon,path=/nowhere,channel=temp1,buffered", -EINVAL},
		{"--device=gpio,path=/dev/null,line=1", -EINVAL},
		{"--device=gpio,path=/dev/null,line=1:2,kind=reset", -EINVAL},
		{"--device=gpio,path=/dev/null,line=x,kind=pins", -EINVAL},
		{"--device=powercap,path=/nowhere,kind=heat", -EINVAL},
		{"--policy=a", -EINVAL},
		{"--policy=a,name=b", -EINVAL},
		{"--system-power=off", -EINVAL},
		{"--system-power=run:", -EINVAL},
		{"--system-power=signal:0", -EINVAL},
		{"--vendor=a-name-of-sixteen", -ERANGE},
		{"--policy=a,ro", -ERANGE},
		{"--config=/nowhere", -EPERM},
		{"--config=/dev/zero", -EPERM},
		{"--device=hwmon,path=/nowhere,channel=temp1", -EPERM},
		{"--device=gpio,path=/dev/null,line=1,kind=reset", -EPERM},
		{"--device=fake,kind=clock,name=a,parents=a", -EPERM},
		{"--device=fake,kind=clock,name=a,parents=b", -EPERM},
		{"--device=board", 0},
		{"--device=fake,kind=temperature,value=-5,range=-10:10:5", 0},
		{"--device=fake,kind=energy,value=9223372036854775807", 0},
		{"--help-devices", 0},
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *argv[] = {(char *)"scmi", (char *)rows[i].arg, NULL};
		struct opt_group groups[2] = {{0}};
		struct vdev *d;
		int err;

		for (const struct vdev_class *const *class = vdev_classes; *class; class ++) {
			if (strcmp((*class)->name, "scmi") != 0)
				continue;
			ck_assert_int_eq(vdev_new(*class, "scmi", loop, &d), 0);
			groups[0] = (struct opt_group){"Device options", d->class->opts, d};
			err = opt_parse(groups, true, 2, argv) < 0 ? -EINVAL
			      : vdev_check(d) < 0		   ? -ERANGE
			      : vdev_open(d) < 0		   ? -EPERM
								   : 0;
			ck_assert_msg(err == rows[i].err, "%s: %d", rows[i].arg, err);
			vdev_free(d);
		}
	}
	ev_loop_destroy(loop);
}
END_TEST

/* Samples of an IIO buffer, of any form. */
START_TEST(test_scan)
{
	static const struct {
		const char *text;
		int err;
		uint8_t bytes[8];
		int64_t value;
	} rows[] = {
		{"le:s12/16>>4", 0, {0xf0, 0x80}, -2033},
		{"le:s16/16>>0", 0, {0xfe, 0xff}, -2},
		{"be:u12/16>>4", 0, {0x80, 0xf0}, 0x80f},
		{"be:s24/32>>8", 0, {0xff, 0xff, 0xfe, 0x55}, -2},
		{"le:u8/8", 0, {200}, 200},
		{"le:s8/8\n", 0, {200}, -56},
		{"le:s64/64>>0", 0, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, -1},
		{"be:u32/32", 0, {1, 2, 3, 4}, 0x01020304},
		{"le:s16/16X4>>0", 0, {5, 0, 6, 0, 7, 0, 8, 0}, 5},
		{"le:s16/24>>0", -EINVAL, {0}, 0},
		{"le:s16/16>>1", -EINVAL, {0}, 0},
		{"xe:s16/16", -EINVAL, {0}, 0},
		{"le:f16/16", -EINVAL, {0}, 0},
		{"le:s0/16", -EINVAL, {0}, 0},
		{"le:s16", -EINVAL, {0}, 0},
		{"le:s16/16X0>>0", -EINVAL, {0}, 0},
		{"le:s16/16 ", -EINVAL, {0}, 0},
		{"le:s99999999999999999999/16", -EINVAL, {0}, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct scmi_scan s = {0};
		struct scmi_scan_element e = {.axis = 0};
		int64_t v = 0;

		ck_assert_msg(scmi_scan_parse(rows[i].text, &e.type) == rows[i].err, "%s", rows[i].text);
		if (rows[i].err)
			continue;
		ck_assert_int_eq(scmi_scan_add(&s, &e), 0);
		scmi_scan_finish(&s);
		ck_assert_uint_le(s.size, sizeof(rows[i].bytes));
		scmi_scan_take(&s, rows[i].bytes, &v, 1);
		ck_assert_msg(v == rows[i].value, "%s: %lld", rows[i].text, (long long)v);
	}
}
END_TEST

/* Elements by their index, each aligned; another's element and a time stamp in between. */
START_TEST(test_scan_layout)
{
	static const uint8_t sample[24] = {1, 0xee, 2, 0, 0xee, 0xee, 0xee, 0xee, 3, 0, 0, 0, 0, 0, 0, 0, 4};
	static const char *const types[] = {"le:s64/64>>0", "le:u8/8", "le:s16/16", "le:s8/8"};
	static const unsigned int indexes[] = {5, 0, 2, 9};
	static const int axes[] = {-1, 1, 0, 2};
	struct scmi_scan s = {0};
	int64_t v[3] = {0};

	for (unsigned int i = 0; i < 4; i++) {
		struct scmi_scan_element e = {.index = indexes[i], .axis = axes[i]};

		ck_assert_int_eq(scmi_scan_parse(types[i], &e.type), 0);
		ck_assert_int_eq(scmi_scan_add(&s, &e), 0);
	}
	scmi_scan_finish(&s);
	ck_assert_uint_eq(s.size, sizeof(sample));
	scmi_scan_take(&s, sample, v, 3);
	ck_assert_int_eq(v[0], 2);
	ck_assert_int_eq(v[1], 1);
	ck_assert_int_eq(v[2], 4);
}
END_TEST

/* Command lines of vhost-device-scmi: how many things they make, and how far they are read.  Its "fake" is an accelerometer. */
START_TEST(test_compat)
{
	static const struct {
		const char *argv[8];
		int end;
		unsigned int things;
	} rows[] = {
		{{"-d", "fake,name=a", "--device", "fake"}, 5, 2},
		{{"--device=fake,name=a", "-dfake"}, 3, 2},
		{{"-d=fake"}, 2, 1},
		{{"-d", "fake", "fake,name=b", "--device", "fake", "fake", "-d=fake"}, 8, 5},
		/* What is attached is one. */
		{{"--device=fake", "fake"}, 2, 1},
		{{"-dfake", "fake"}, 2, 1},
		{{"-d", "fake", "--", "fake"}, 4, 1},
		{{"-d", "fake", "dummy"}, -EINVAL, 0},
		{{NULL}, 1, 0},
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	const struct vdev_class *const *class = vdev_classes;

	while (*class && strcmp((*class)->name, "scmi") != 0)
		class++;
	for (size_t i = 0; *class && i < ARRAY_SIZE(rows); i++) {
		char *argv[9] = {(char *)"scmi"};
		struct opt_group groups[2] = {{0}};
		struct vdev *d;
		int argc = 1;

		for (; argc < 9 && rows[i].argv[argc - 1]; argc++)
			argv[argc] = (char *)rows[i].argv[argc - 1];
		ck_assert_ptr_nonnull((*class)->compat);
		ck_assert_int_eq(vdev_new(*class, "scmi", loop, &d), 0);
		groups[0] = (struct opt_group){"Device options", d->class->opts, d};
		ck_assert_int_eq(opt_parse(groups, true, argc, argv), rows[i].end);
		if (rows[i].end > 0) {
			ck_assert_uint_eq(container_of(d, struct scmi, d)->nspecs, rows[i].things);
			ck_assert_int_eq(vdev_check(d), 0);
			ck_assert_int_eq(vdev_open(d), 0);
		}
		/* By its own name one value is one. */
		if (i == 3)
			ck_assert_int_eq(opt_parse(groups, false, argc, argv), 3);
		vdev_free(d);
	}
	ev_loop_destroy(loop);
}
END_TEST

Suite *suite_scmi(void)
{
	Suite *s = suite_create("scmi");
	TCase *tc = tcase_create("options");

	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_compat);
	tcase_add_test(tc, test_scan);
	tcase_add_test(tc, test_scan_layout);
	suite_add_tcase(s, tc);

	suite_add_device(s, &scmi_device);
	return s;
}
