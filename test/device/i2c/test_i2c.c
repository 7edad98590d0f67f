/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_i2c.c - the I2C adapter device: VIRTIO 1.4, section 5.16, on simulated buses.
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "test/device/i2c/i2c_driver.h"
#include "test/lib/open_device.h"
#include "test/unit/suites.h"

/* Targets of the usual buses.  0x33 is the guest's, but nothing is there. */
#define LM75	0x48
#define EEPROM	0x50
#define EEPROM2 0x51 /* with memory addresses of two bytes */
#define REGS	0x20
#define ABSENT	0x33
#define FOREIGN 0x34

/* The largest buffer of a read that fails and is zeroed. */
#define ZERO_MAX 65536

static const char *const usual[] = {
	"--sim=lm75@0x48:21.5", "--sim=eeprom@0x50:256", "--sim=eeprom@81:4K",
	"--sim=regs@0x20:64",	"--addr=0x20,0x33,0x48,0x50-0x51", NULL,
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- plain requests */

static void read_write(struct carrier *c)
{
	uint8_t in[8];

	ck_assert_int_eq(i2c_take(c, LM75, in, 2), OK);
	ck_assert_mem_eq(in, "\x15\x80", 2);
	ck_assert_int_eq(i2c_put(c, REGS, "\x05hello", 6), OK);
	ck_assert_int_eq(i2c_put(c, REGS, "\x06", 1), OK);
	ck_assert_int_eq(i2c_take(c, REGS, in, 4), OK);
	ck_assert_mem_eq(in, "ello", 4);
	ck_assert_int_eq(i2c_put(c, EEPROM, "\x10" "eeprom", 7), OK);
	ck_assert_int_eq(i2c_put(c, EEPROM, "\x10", 1), OK);
	ck_assert_int_eq(i2c_take(c, EEPROM, in, 7), OK);
	ck_assert_mem_eq(in, "eeprom\xff", 7);
	ck_assert_int_eq(i2c_put(c, EEPROM2, "\x01\x20large", 7), OK);
	ck_assert_int_eq(i2c_put(c, EEPROM2, "\x01\x21", 2), OK);
	ck_assert_int_eq(i2c_take(c, EEPROM2, in, 4), OK);
	ck_assert_mem_eq(in, "arge", 4);
}

/* Requests without a buffer ask only whether somebody is there. */
static void zero_length(struct carrier *c)
{
	uint8_t nothing;

	ck_assert_int_eq(i2c_put(c, LM75, NULL, 0), OK);
	ck_assert_int_eq(i2c_take(c, LM75, &nothing, 0), OK);
	ck_assert_int_eq(i2c_put(c, ABSENT, NULL, 0), ERR);
	ck_assert_int_eq(i2c_take(c, ABSENT, &nothing, 0), ERR);
	ck_assert_int_eq(i2c_put(c, FOREIGN, NULL, 0), ERR);
}

/* A read that fails leaves nothing of the host's in the buffer, and nothing of the last request's. */
static void absent(struct carrier *c)
{
	uint8_t in[16], zeros[16] = {0};

	for (unsigned int i = 0; i < 2; i++) {
		uint8_t addr = i ? FOREIGN : ABSENT;

		ck_assert_int_eq(i2c_take(c, LM75, in, sizeof(in)), OK);
		ck_assert_int_eq(i2c_take(c, addr, in, sizeof(in)), ERR);
		ck_assert_mem_eq(in, zeros, sizeof(in));
		ck_assert_int_eq(i2c_put(c, addr, "\x01\x02", 2), ERR);
		ck_assert_int_eq(i2c_take(c, LM75, in, 2), OK);
	}
}

/* Reads go round at the end of a register file and of an EEPROM, writes at the end of a page. */
static void wraps(struct carrier *c)
{
	uint8_t in[SEGMENT_MAX];

	ck_assert_int_eq(i2c_put(c, REGS, "\x3f" "ab", 3), OK);
	ck_assert_int_eq(i2c_put(c, REGS, "\x3f", 1), OK);
	ck_assert_int_eq(i2c_take(c, REGS, in, 65), OK);
	ck_assert_mem_eq(in, "ab\0", 3);
	ck_assert_int_eq(in[64], 'a');
	ck_assert_int_eq(i2c_put(c, EEPROM, "\xfe" "wxyz", 5), OK);
	ck_assert_int_eq(i2c_put(c, EEPROM, "\xf8", 1), OK);
	ck_assert_int_eq(i2c_take(c, EEPROM, in, 9), OK);
	ck_assert_mem_eq(in, "yz\xff\xff\xff\xff" "wx\xff", 9);
	ck_assert_int_eq(i2c_put(c, EEPROM2, "\x0f\xffz", 3), OK);
	ck_assert_int_eq(i2c_put(c, EEPROM2, "\x0f\xff", 2), OK);
	ck_assert_int_eq(i2c_take(c, EEPROM2, in, SEGMENT_MAX), OK);
	ck_assert_int_eq(in[0], 'z');
	ck_assert_int_eq(in[1], 0xff);
	ck_assert_int_eq(in[4096], 'z');
}

/* The thermometer's registers keep what they have bits for. */
static void thermometer(struct carrier *c)
{
	uint8_t in[4];

	ck_assert_int_eq(i2c_put(c, LM75, "\x03\x19\xff", 3), OK);
	ck_assert_int_eq(i2c_put(c, LM75, "\x01\xff", 2), OK);
	ck_assert_int_eq(i2c_put(c, LM75, "\x00\x12\x34", 3), OK);
	TOGETHER(c, {LM75, FAIL_NEXT, "\x03", 0, 0, OK, NULL}, {LM75, M_RD, NULL, 0, 2, OK, "\x19\x80"});
	TOGETHER(c, {LM75, FAIL_NEXT, "\x01", 0, 0, OK, NULL}, {LM75, M_RD, NULL, 0, 3, OK, "\x1f\x1f\x1f"});
	TOGETHER(c, {LM75, FAIL_NEXT, "\x02", 0, 0, OK, NULL}, {LM75, M_RD, NULL, 0, 4, OK, "\x4b\0\x4b\0"});
	ck_assert_int_eq(i2c_put(c, LM75, "\0", 1), OK);
	ck_assert_int_eq(i2c_take(c, LM75, in, 2), OK);
	ck_assert_mem_eq(in, "\x15\x80", 2);
}

/* ---- groups */

static void group(struct carrier *c)
{
	TOGETHER(c, {REGS, 0, "\x07" "abc", 0, 0, OK, NULL});
	TOGETHER(c, {REGS, FAIL_NEXT, "\x08", 0, 0, OK, NULL}, {REGS, M_RD, NULL, 0, 2, OK, "bc"});
	TOGETHER(c, {REGS, FAIL_NEXT, "\x07", 0, 0, OK, NULL}, {REGS, M_RD | FAIL_NEXT, NULL, 0, 1, OK, "a"},
		 {LM75, M_RD, NULL, 0, 2, OK, "\x15\x80"});
}

/*
 * Between the segments of a group there is a repeated START and no STOP, and between requests that are no group a
 * STOP: an EEPROM forgets what was written when another START comes before the STOP.
 */
static void one_transfer(struct carrier *c)
{
	TOGETHER(c, {EEPROM, FAIL_NEXT, "\x20" "a", 0, 0, OK, NULL}, {EEPROM, M_RD, NULL, 0, 1, OK, "\xff"});
	TOGETHER(c, {EEPROM, FAIL_NEXT, "\x20", 0, 0, OK, NULL}, {EEPROM, M_RD, NULL, 0, 1, OK, "\xff"});
	TOGETHER(c, {EEPROM, 0, "\x20" "a", 0, 0, OK, NULL}, {EEPROM, 0, "\x20", 0, 0, OK, NULL},
		 {EEPROM, M_RD, NULL, 0, 1, OK, "a"});
}

/* What fails takes its group with it, and nothing else. */
static void group_fails(struct carrier *c)
{
	TOGETHER(c, {REGS, FAIL_NEXT, "\x01x", 0, 0, ERR, NULL}, {FOREIGN, FAIL_NEXT, "\x01x", 0, 0, ERR, NULL},
		 {REGS, FAIL_NEXT, "\x01y", 0, 0, ERR, NULL}, {REGS, M_RD, NULL, 0, 1, ERR, NULL});
	TOGETHER(c, {REGS, FAIL_NEXT, "\x01", 0, 0, OK, NULL}, {REGS, M_RD, NULL, 0, 1, OK, "\0"});
	/* On the bus, what came before the missing acknowledgement has happened; the adapter does not say so. */
	TOGETHER(c, {REGS, FAIL_NEXT, "\x01x", 0, 0, ERR, NULL}, {ABSENT, FAIL_NEXT, "\x01", 0, 0, ERR, NULL},
		 {REGS, 0, "\x01y", 0, 0, ERR, NULL}, {REGS, 0, "\x01", 0, 0, OK, NULL},
		 {REGS, M_RD, NULL, 0, 1, OK, "x"});
}

/* Requests that are no group are each for themselves, also when they are made available at once. */
static void not_a_group(struct carrier *c)
{
	TOGETHER(c, {ABSENT, 0, "\x01", 0, 0, ERR, NULL}, {REGS, 0, "\x02q", 0, 0, OK, NULL},
		 {FOREIGN, M_RD, NULL, 0, 3, ERR, NULL}, {REGS, 0, "\x02", 0, 0, OK, NULL},
		 {REGS, M_RD, NULL, 0, 1, OK, "q"}, {LM75, M_RD, NULL, 0, 1, OK, "\x15"});
}

/* As many segments as a transfer may have; then one more. */
static void group_too_long(struct carrier *c)
{
	struct i2c_test_segment s[SEGMENTS_MAX + 3];

	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = (struct i2c_test_segment){REGS, FAIL_NEXT, "\x03z", 0, 0, OK, NULL};
	s[SEGMENTS_MAX - 1].flags = 0;
	i2c_together(c, s, SEGMENTS_MAX);
	TOGETHER(c, {REGS, 0, "\x03", 0, 0, OK, NULL}, {REGS, M_RD, NULL, 0, 1, OK, "z"});
	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = (struct i2c_test_segment){REGS, FAIL_NEXT, "\x03!", 0, 0, ERR, NULL};
	s[SEGMENTS_MAX + 1].flags = 0;
	s[SEGMENTS_MAX + 2] = (struct i2c_test_segment){LM75, M_RD, NULL, 0, 1, OK, "\x15"};
	i2c_together(c, s, SEGMENTS_MAX + 3);
	TOGETHER(c, {REGS, 0, "\x03", 0, 0, OK, NULL}, {REGS, M_RD, NULL, 0, 1, OK, "z"});
}

/* The rest of a group that never comes is not waited for for ever: what is there is made. */
static void rest_is_late(struct carrier *c)
{
	uint8_t in[2];

	TOGETHER(c, {REGS, FAIL_NEXT, "\x04r", 0, 0, OK, NULL});
	TOGETHER(c, {REGS, FAIL_NEXT, "\x04", 0, 0, OK, NULL});
	TOGETHER(c, {REGS, M_RD, NULL, 0, 1, OK, "r"});
	/* When what was there failed, so does what comes, and it is not made. */
	TOGETHER(c, {ABSENT, FAIL_NEXT, "\x04", 0, 0, ERR, NULL});
	TOGETHER(c, {REGS, FAIL_NEXT, "\x04!", 0, 0, ERR, NULL});
	TOGETHER(c, {REGS, 0, "\x04!", 0, 0, ERR, NULL});
	TOGETHER(c, {REGS, 0, "\x04", 0, 0, OK, NULL});
	ck_assert_int_eq(i2c_take(c, REGS, in, 1), OK);
	ck_assert_int_eq(in[0], 'r');
	/* The same with a request that is refused before it comes to the bus. */
	TOGETHER(c, {FOREIGN, FAIL_NEXT, "\x04", 0, 0, ERR, NULL});
	TOGETHER(c, {REGS, M_RD, NULL, 0, 1, ERR, NULL});
	TOGETHER(c, {REGS, M_RD, NULL, 0, 1, OK, "\0"});
}

/* A reset, or another front-end, ends the group that has failed. */
static void failure_is_forgotten(struct carrier *c)
{
	/* A ring that starts elsewhere than at 0 tells the back end that the machine was paused, not reset. */
	if (!carrier_setting(c)->base) {
		TOGETHER(c, {FOREIGN, FAIL_NEXT, "\x04", 0, 0, ERR, NULL});
		carrier_reset(c);
		TOGETHER(c, {LM75, M_RD, NULL, 0, 1, OK, "\x15"});
	}
	TOGETHER(c, {FOREIGN, FAIL_NEXT, "\x04", 0, 0, ERR, NULL});
	carrier_reconnect(c);
	TOGETHER(c, {LM75, M_RD, NULL, 0, 1, OK, "\x15"});
}

/* A ring that stops amid a group: the group goes on when it starts again. */
static void stop_amid_group(struct carrier *c)
{
	static const struct i2c_test_segment ptr = {REGS, FAIL_NEXT, "\x05", 0, 0, OK, NULL};
	static const struct i2c_test_segment data = {REGS, M_RD, NULL, 0, 1, OK, "m"};
	struct frontend_request *a, *b;

	ck_assert_int_eq(i2c_put(c, REGS, "\x05m", 2), OK);
	for (unsigned int i = 0; i < 3; i++) {
		a = i2c_offer(c, &ptr, true);
		carrier_start(c, REQUESTQ, carrier_stop(c, REQUESTQ));
		b = i2c_offer(c, &data, true);
		i2c_check(c, &ptr, a);
		i2c_check(c, &data, b);
	}
	/* And a driver that resets amid a group is not haunted by it. */
	i2c_offer(c, &ptr, true);
	carrier_reset(c);
	ck_assert_int_eq(i2c_put(c, REGS, "\x05n", 2), OK);
	i2c_offer(c, &ptr, true);
	carrier_reconnect(c);
	ck_assert_int_eq(i2c_put(c, REGS, "\x05", 1), OK);
	TOGETHER(c, {REGS, M_RD, NULL, 0, 1, OK, "n"});
}

static const char *const two_buses[] = {"--backend=sim",      "--bus=left", "--sim=regs@0x20:16", "--sim=lm75@0x48:1",
					"--addr=0x20,0x48,9", "--bus=right", "--sim=regs@0x21:16", NULL};

/* An address is looked for on its own bus only, and no transfer goes over two. */
static void buses(struct carrier *c)
{
	TOGETHER(c, {0x20, 0, "\x01L", 0, 0, OK, NULL}, {0x21, 0, "\x01R", 0, 0, OK, NULL});
	TOGETHER(c, {0x20, FAIL_NEXT, "\x01!", 0, 0, ERR, NULL}, {0x21, 0, "\x01!", 0, 0, ERR, NULL});
	TOGETHER(c, {0x20, FAIL_NEXT, "\x01", 0, 0, OK, NULL}, {0x20, M_RD, NULL, 0, 1, OK, "L"},
		 {0x21, FAIL_NEXT, "\x01", 0, 0, OK, NULL}, {0x21, M_RD, NULL, 0, 1, OK, "R"});
	TOGETHER(c, {0x20, FAIL_NEXT, "\x01", 0, 0, OK, NULL}, {0x48, M_RD, NULL, 0, 1, OK, "\x01"});
	ck_assert_int_eq(i2c_put(c, 9, NULL, 0), ERR);
}

static const char *const read_only[] = {"--sim=eeprom@0x50:256", "--sim=eeprom@0x51:4K",
					"--addr=0x50:ro,0x51:ro16", NULL};

static void only_reads(struct carrier *c)
{
	/* Reads, with the address of what is read. */
	TOGETHER(c, {EEPROM, M_RD, NULL, 0, 2, OK, "\xff\xff"});
	TOGETHER(c, {EEPROM, FAIL_NEXT, "\x10", 0, 0, OK, NULL}, {EEPROM, M_RD, NULL, 0, 1, OK, "\xff"});
	TOGETHER(c, {EEPROM2, FAIL_NEXT, "\x01\x10", 0, 0, OK, NULL}, {EEPROM2, M_RD, NULL, 0, 1, OK, "\xff"});
	TOGETHER(c, {EEPROM2, FAIL_NEXT, "\x01", 0, 0, OK, NULL}, {EEPROM2, M_RD, NULL, 0, 1, OK, "\xff"});
	TOGETHER(c, {EEPROM, M_RD, NULL, 0, 0, OK, NULL});
	/* Nothing else is written, nowhere in a group. */
	TOGETHER(c, {EEPROM, 0, "\x10", 0, 0, ERR, NULL});
	TOGETHER(c, {EEPROM, 0, NULL, 0, 0, ERR, NULL});
	TOGETHER(c, {EEPROM, 0, "\x10!", 0, 0, ERR, NULL});
	TOGETHER(c, {EEPROM, FAIL_NEXT, "\x10!", 0, 0, ERR, NULL}, {EEPROM, M_RD, NULL, 0, 1, ERR, NULL});
	TOGETHER(c, {EEPROM, FAIL_NEXT, "\x10", 0, 0, ERR, NULL}, {EEPROM2, M_RD, NULL, 0, 1, ERR, NULL});
	TOGETHER(c, {EEPROM, FAIL_NEXT, NULL, 0, 0, ERR, NULL}, {EEPROM, M_RD, NULL, 0, 1, ERR, NULL});
	TOGETHER(c, {EEPROM2, FAIL_NEXT, "\x01\x10!", 0, 0, ERR, NULL}, {EEPROM2, M_RD, NULL, 0, 1, ERR, NULL});
	TOGETHER(c, {EEPROM, FAIL_NEXT | M_RD, NULL, 0, 1, ERR, NULL}, {EEPROM, 0, "\x10!", 0, 0, ERR, NULL});
	TOGETHER(c, {EEPROM, FAIL_NEXT, "\x10", 0, 0, OK, NULL}, {EEPROM, M_RD, NULL, 0, 2, OK, "\xff\xff"});
}

static const char *const ten_bit[] = {"--sim=regs@0xa150:16", "--sim=regs@0x50:16", NULL};

static void ten_bit_addresses(struct carrier *c)
{
	const uint16_t field = (0x150 & 0xff) << 8 | 0xf0 | (0x150 >> 8) << 1;
	uint8_t in[2] = {0xee, 0xee};

	ck_assert_uint_eq(carrier_request(c, REQUESTQ, i2c_head(field, 0, "\x02t", 2), HEADER + 2, in, 1), 1);
	ck_assert_int_eq(in[0], OK);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, i2c_head(field, 0, "\x02", 1), HEADER + 1, in, 1), 1);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, i2c_head(field, M_RD, NULL, 0), HEADER, in, 2), 2);
	ck_assert_int_eq(in[0], 't');
	ck_assert_int_eq(in[1], OK);
	ck_assert_int_eq(i2c_put(c, 0x50, "\x02", 1), OK);
	ck_assert_int_eq(i2c_take(c, 0x50, in, 1), OK);
	ck_assert_int_eq(in[0], 0);
}

/* ---- hostile requests */

/* Every one gets a status where there is room, does nothing to the bus, and leaves the next one alone. */
static void malformed(struct carrier *c)
{
	const struct {
		uint16_t field;
		uint32_t flags;
		uint32_t out, in; /* lengths */
	} table[] = {
		{REGS << 1, 0, 0, 1},					/* nothing */
		{REGS << 1, 0, HEADER - 1, 1},				/* too short */
		{REGS << 1, M_RD, 1, 9},				/* too short, with a buffer to read into */
		{REGS << 1, 4, HEADER + 2, 1},				/* reserved flags */
		{REGS << 1, 1u << 31, HEADER + 2, 1},			/* */
		{REGS << 1, 0, HEADER + 2, 3},				/* a write with room to read into */
		{REGS << 1, 0, HEADER, 3},				/* */
		{REGS << 1, M_RD, HEADER + 2, 3},			/* a read with data to write */
		{REGS << 1, M_RD, HEADER + 2, 1},			/* */
		{REGS << 1 | 1, 0, HEADER + 2, 1},			/* the direction's bit in the address */
		{0x100 | REGS << 1, 0, HEADER + 2, 1},			/* more than 7 bits */
		{0xffff, 0, HEADER + 2, 1},				/* */
		{0x20f0, 0, HEADER + 2, 1},				/* 10 bits, which nobody listed */
		{REGS << 1, 0, HEADER + SEGMENT_MAX + 1, 1},		/* longer than any adapter takes */
		{REGS << 1, M_RD, HEADER, SEGMENT_MAX + 2},		/* */
		{REGS << 1, 0, HEADER + 65536, 1},			/* */
		{REGS << 1, M_RD, HEADER, ZERO_MAX},			/* */
		{REGS << 1, M_RD | FAIL_NEXT, HEADER, SEGMENT_MAX + 2}, /* and a group that goes on */
	};
	uint8_t *out = calloc(1, HEADER + 65536), *in = malloc(ZERO_MAX);

	ck_assert_ptr_nonnull(out);
	ck_assert_ptr_nonnull(in);
	out[HEADER] = 0x0a;
	out[HEADER + 1] = '!';
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		memcpy(out, i2c_head(table[i].field, table[i].flags, NULL, 0), HEADER);
		memset(in, 0xee, ZERO_MAX);
		ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, table[i].out, in, table[i].in), table[i].in);
		ck_assert_msg(in[table[i].in - 1] == ERR, "row %zu: status %d", i, in[table[i].in - 1]);
		if (table[i].flags & FAIL_NEXT && table[i].out >= HEADER)
			ck_assert_int_eq(i2c_take(c, LM75, in, 2), ERR);
		ck_assert_int_eq(i2c_put(c, REGS, "\x0a", 1), OK);
		ck_assert_int_eq(i2c_take(c, REGS, in, 1), OK);
		ck_assert_msg(in[0] == 0, "row %zu: it was made", i);
	}
	free(out);
	free(in);
}

/* Without room for a status a request comes back empty. */
static void no_status(struct carrier *c)
{
	struct frontend_buf buf = carrier_alloc(c, 64);
	const struct driver_buf bufs[] = {{buf.guest, HEADER + 2, false}, {buf.guest, 0, true}};
	uint8_t in[2];

	memcpy(buf.va, i2c_head(REGS << 1, 0, "\x0a!", 2), HEADER + 2);
	ck_assert_uint_eq(carrier_raw(c, REQUESTQ, bufs, 1), 0);
	if (carrier_size(c, REQUESTQ) >= 2)
		ck_assert_uint_eq(carrier_raw(c, REQUESTQ, bufs, 2), 0);
	ck_assert_int_eq(i2c_put(c, REGS, "\x0a", 1), OK);
	ck_assert_int_eq(i2c_take(c, REGS, in, 1), OK);
	ck_assert_int_eq(in[0], 0);
}

/* Where there is more room than a driver can mean, the status alone is written, at its place, and no length is told. */
static void much_room(struct carrier *c)
{
	const uint32_t room = ZERO_MAX + 1;
	struct frontend_buf buf = carrier_alloc(c, HEADER + room);
	const struct driver_buf bufs[] = {{buf.guest, HEADER, false}, {buf.guest + HEADER, room, true}};
	uint8_t *in = (uint8_t *)buf.va + HEADER;

	if (carrier_size(c, REQUESTQ) < ARRAY_SIZE(bufs))
		return carrier_sample(c);
	memcpy(buf.va, i2c_head(REGS << 1, M_RD, NULL, 0), HEADER);
	memset(in, 0xee, room);
	ck_assert_uint_eq(carrier_raw(c, REQUESTQ, bufs, ARRAY_SIZE(bufs)), 0);
	ck_assert_int_eq(in[room - 1], ERR);
	ck_assert_int_eq(in[0], 0xee);
	ck_assert_int_eq(in[room - 2], 0xee);
}

/* Descriptors of a byte, of none, and a status alone at the end: where a request is cut means nothing. */
static void odd_pieces(struct carrier *c)
{
	struct frontend_buf buf = carrier_alloc(c, 64);
	uint64_t a = buf.guest;
	const struct driver_buf bufs[] = {{a, 3, false}, {a, 0, false},	  {a + 3, 1, false},  {a + 4, 4, false},
					  {a, 0, true},	 {a + 16, 1, true}, {a + 17, 0, true}, {a + 17, 2, true}};
	uint8_t *va = buf.va;

	if (carrier_size(c, REQUESTQ) < ARRAY_SIZE(bufs))
		return carrier_sample(c);
	memcpy(va, i2c_head(LM75 << 1, M_RD, NULL, 0), HEADER);
	memset(va + 16, 0xee, 4);
	ck_assert_uint_eq(carrier_raw(c, REQUESTQ, bufs, ARRAY_SIZE(bufs)), 3);
	ck_assert_mem_eq(va + 16, "\x15\x80\0\xee", 4);
}

/* The driver must accept the one feature; one that does not is told so with every request. */
static void feature_refused(struct carrier *c)
{
	struct vdev *d = carrier_vdev(c);
	uint64_t features;
	uint8_t in[1];

	ck_assert_int_eq(i2c_take(c, LM75, in, 1), OK);
	features = d->features;
	vdev_features_set(d, features & ~BIT(0));
	ck_assert_int_eq(i2c_take(c, LM75, in, 1), ERR);
	ck_assert_int_eq(i2c_put(c, LM75, NULL, 0), ERR);
	vdev_features_set(d, features);
	ck_assert_int_eq(i2c_take(c, LM75, in, 1), OK);
}

/* ---- a slow bus */

#define DELAY_MS 200

static const char *const slow[] = {"--sim=lm75@0x48:21.5", "--sim=regs@0x20:64", "--sim-delay=200", NULL};

static const struct i2c_test_segment reading = {LM75, M_RD, NULL, 0, 2, OK, "\x15\x80"};

/* The control socket answers while a transfer takes its time. */
static void slow_transfer(struct carrier *c)
{
	uint64_t begin = now_ms();
	struct frontend_request *req = i2c_offer(c, &reading, true);

	if (carrier_kind(c) != CARRIER_DIRECT) {
		for (unsigned int i = 0; i < 10; i++)
			ck_assert_int_eq(frontend_sync(carrier_frontend(c)), 0);
		ck_assert_uint_lt(now_ms() - begin, DELAY_MS / 2);
	}
	i2c_check(c, &reading, req);
	ck_assert_uint_ge(now_ms() - begin + 2, DELAY_MS);
}

static const char *const slower[] = {"--sim=lm75@0x48:21.5", "--sim=regs@0x20:64", "--sim-delay=1000", NULL};

/* A ring stops when its transfer is over; what waits is made later, in its order. */
static void slow_stop(struct carrier *c)
{
	static const struct i2c_test_segment set = {REGS, 0, "\x01s", 0, 0, OK, NULL}, point = {REGS, 0, "\x01", 0, 0, OK, NULL},
				    get = {REGS, M_RD, NULL, 0, 1, OK, "s"};
	struct frontend_request *reqs[3];
	uint32_t base;

	reqs[0] = i2c_offer(c, &set, true);
	carrier_idle(c, 300);
	reqs[1] = i2c_offer(c, &point, true);
	reqs[2] = i2c_offer(c, &get, true);
	base = carrier_stop(c, REQUESTQ);
	ck_assert_uint_eq(base, (uint16_t)(carrier_setting(c)->base + 1));
	i2c_check(c, &set, reqs[0]);
	carrier_stays(c, REQUESTQ, 1050);
	carrier_start(c, REQUESTQ, base);
	i2c_check(c, &point, reqs[1]);
	i2c_check(c, &get, reqs[2]);
}

static const char *const brisk[] = {"--sim=lm75@0x48:21.5",	  "--sim=eeprom@0x50", "--sim=regs@0x20:64",
				    "--addr=0x20,0x33,0x48,0x50", "--sim-delay=1",     NULL};

/* Several groups go to the worker thread at once: each is a transfer of its own, in order, and fails for itself. */
static void brisk_groups(struct carrier *c)
{
	TOGETHER(c,
		 {EEPROM, 0,
		  "\x20"
		  "a",
		  0, 0, OK, NULL},
		 {EEPROM, FAIL_NEXT, "\x20", 0, 0, OK, NULL}, {EEPROM, M_RD, NULL, 0, 1, OK, "a"},
		 {ABSENT, FAIL_NEXT, "\x01", 0, 0, ERR, NULL}, {REGS, 0, "\x01!", 0, 0, ERR, NULL},
		 {REGS, 0, "\x01", 0, 0, OK, NULL}, {REGS, M_RD, NULL, 0, 1, OK, "\0"},
		 {FOREIGN, 0, "\x01", 0, 0, ERR, NULL}, {REGS, 0, "\x02r", 0, 0, OK, NULL},
		 {REGS, 0, "\x02", 0, 0, OK, NULL}, {REGS, M_RD, NULL, 0, 1, OK, "r"},
		 {FOREIGN, FAIL_NEXT, "\x01", 0, 0, ERR, NULL}, {REGS, 0, "\x02!", 0, 0, ERR, NULL},
		 {LM75, M_RD, NULL, 0, 1, OK, "\x15"});
}

/* More than a job holds: as many segments as a ring has room for, and as many bytes. */
static void brisk_many(struct carrier *c)
{
	static uint8_t out[HEADER + SEGMENT_MAX], in[SEGMENT_MAX + 1];
	struct i2c_test_segment s[40];

	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = (struct i2c_test_segment){REGS, i % 2 ? M_RD : FAIL_NEXT, i % 2 ? NULL : "\x03", 0, i % 2, OK,
						 "\0"};
	i2c_together(c, s, ARRAY_SIZE(s));
	memcpy(out, i2c_head(REGS << 1, 0, NULL, 0), HEADER);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, sizeof(out), in, 1), 1);
		ck_assert_int_eq(in[0], OK);
	}
}

/* A ring stops amid a job: what was begun is answered, the rest goes back, with a group that is not complete. */
static void brisk_stop(struct carrier *c)
{
	static const struct i2c_test_segment open = {REGS, FAIL_NEXT, "\x04", 0, 0, OK, NULL};
	static const struct i2c_test_segment last = {REGS, M_RD, NULL, 0, 1, OK, "\x07"};
	struct i2c_test_segment sets[8];
	struct frontend_request *reqs[ARRAY_SIZE(sets)], *opened;
	uint32_t base, done;

	for (unsigned int i = 0; i < ARRAY_SIZE(sets); i++) {
		static const char *const values[] = {"\x04\0",	 "\x04\x01", "\x04\x02", "\x04\x03",
						     "\x04\x04", "\x04\x05", "\x04\x06", "\x04\x07"};

		sets[i] = (struct i2c_test_segment){REGS, 0, values[i], 2, 0, OK, NULL};
		reqs[i] = i2c_offer(c, &sets[i], false);
	}
	opened = i2c_offer(c, &open, true);
	carrier_idle(c, 1);
	base = carrier_stop(c, REQUESTQ);
	done = (uint16_t)(base - carrier_setting(c)->base);
	ck_assert_uint_lt(done, ARRAY_SIZE(sets));
	for (unsigned int i = 0; i < done; i++)
		i2c_check(c, &sets[i], reqs[i]);
	carrier_stays(c, REQUESTQ, 50);
	carrier_start(c, REQUESTQ, base);
	for (unsigned int i = done; i < ARRAY_SIZE(sets); i++)
		i2c_check(c, &sets[i], reqs[i]);
	i2c_check(c, &last, i2c_offer(c, &last, true));
	i2c_check(c, &open, opened);
}

/* A driver or a front-end that leaves in the midst of a transfer; then the next one. */
static void slow_leave(struct carrier *c)
{
	i2c_offer(c, &reading, true);
	carrier_idle(c, 20);
	carrier_reset(c);
	i2c_check(c, &reading, i2c_offer(c, &reading, true));
	for (unsigned int i = 0; i < 2; i++) {
		i2c_offer(c, &reading, true);
		carrier_idle(c, i ? 20 : 0);
		carrier_reconnect(c);
		i2c_check(c, &reading, i2c_offer(c, &reading, true));
	}
	/* And the end of all, in the midst of one. */
	i2c_offer(c, &reading, true);
	carrier_idle(c, 20);
}

/* ---- a rate */

static const char *const paced[] = {"--sim=regs@0x20:64", "--rate=20/s:2", NULL};

/* Two transfers at once, then one in 50 ms; a group is one, and a ring that stops meanwhile goes on at its pace. */
static void rate(struct carrier *c)
{
	struct i2c_test_segment s[8];
	struct frontend_request *req;
	uint64_t begin = now_ms();

	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = (struct i2c_test_segment){REGS, i % 2 ? M_RD : FAIL_NEXT, i % 2 ? NULL : "\x03", 0, i % 2, OK, "\0"};
	i2c_together(c, s, 4);
	ck_assert_uint_lt(now_ms() - begin, 2000);
	i2c_together(c, s, ARRAY_SIZE(s));
	ck_assert_uint_ge(now_ms() - begin + 5, 200);
	req = i2c_offer(c, &(struct i2c_test_segment){REGS, M_RD, NULL, 0, 1, OK, NULL}, true);
	carrier_start(c, REQUESTQ, carrier_stop(c, REQUESTQ));
	i2c_check(c, &(struct i2c_test_segment){REGS, M_RD, NULL, 0, 1, OK, "\0"}, req);
	ck_assert_uint_ge(now_ms() - begin + 5, 250);
}

/* ---- the simulator's control socket */

static const char *const with_control[] = {"--sim=lm75@0x48", "--sim=eeprom@0x50", "--sim=regs@0x20:20",
					   "--control=%T/control", NULL};

/* Sends a command and waits for its answer. */
static void tell(struct carrier *c, int fd, const char *command, const char *want)
{
	static char buf[16384];
	size_t len = 0, n = strlen(want);
	uint64_t begin = now_ms();
	ssize_t got;

	ck_assert_int_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
	while (len < n) {
		ck_assert_uint_lt(now_ms() - begin, 5000);
		carrier_idle(c, 1);
		got = read(fd, buf + len, sizeof(buf) - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	}
	buf[len] = '\0';
	ck_assert_str_eq(buf, want);
}

static void control(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));
	uint8_t in[4];

	ck_assert_int_ge(fd, 0);
	tell(c, fd, "list\n", "0x48 lm75 21.5 degrees, bus 0\n0x50 eeprom 256 bytes, bus 0\n0x20 regs 20 bytes, bus 0\nok\n");
	tell(c, fd, "set 0x48 -3.125\n", "ok\n");
	tell(c, fd, "get 0x48\n", "-3.125\nok\n");
	ck_assert_int_eq(i2c_take(c, LM75, in, 2), OK);
	ck_assert_mem_eq(in, "\xfc\xe0", 2);
	tell(c, fd, "set 0x48 -55\n", "ok\n");
	ck_assert_int_eq(i2c_take(c, LM75, in, 2), OK);
	ck_assert_mem_eq(in, "\xc9\0", 2);
	tell(c, fd, "set 0x48 125\n", "ok\n");
	ck_assert_int_eq(i2c_take(c, LM75, in, 2), OK);
	ck_assert_mem_eq(in, "\x7d\0", 2);
	tell(c, fd, "set 0x48 125.1\n", "error: '125.1': a temperature in degrees Celsius, from -55 to 125, is wanted\n");
	tell(c, fd, "set 0x48 nan\n", "error: 'nan': a temperature in degrees Celsius, from -55 to 125, is wanted\n");
	tell(c, fd, "set 0x49 1\n", "error: '0x49': there is no such target; list shows them\n");
	tell(c, fd, "set 0x50 1\n", "error: set ADDR OFFSET BYTE... is wanted, since this is no thermometer\n");
	tell(c, fd, "get 0x50\n", "error: get ADDR OFFSET is wanted, since this is no thermometer\n");

	tell(c, fd, "set 0x50 0x42 0x68 105\n", "ok\n");
	ck_assert_int_eq(i2c_put(c, EEPROM, "\x42", 1), OK);
	ck_assert_int_eq(i2c_take(c, EEPROM, in, 3), OK);
	ck_assert_mem_eq(in, "hi\xff", 3);
	ck_assert_int_eq(i2c_put(c, REGS, "\x12z", 2), OK);
	tell(c, fd, "get 0x20 18\n", "0x7a\nok\n");
	tell(c, fd, "get 0x20 20\n", "error: '20': a number from 0 to 19 is wanted\n");
	tell(c, fd, "set 0x20 19 1 2\n", "error: the bytes go beyond the end, which is at 20\n");
	tell(c, fd, "set 0x20 0 256\n", "error: '256': a number from 0 to 255 is wanted\n");
	tell(c, fd, "set 0x20 16 0x10 0x11 0x12 0x13\n", "ok\n");
	tell(c, fd, "dump 0x20\n",
	     "0000: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n"
	     "0010: 10 11 12 13                                      ....\nok\n");
	tell(c, fd, "dump 0x50 0x41 3\n", "0041: ff 68 69                                         .hi\nok\n");
	tell(c, fd, "dump 0x50 0x41 0xc0\n", "error: '0xc0': a number from 0 to 191 is wanted\n");
	close(fd);
	carrier_idle(c, 5);
}

static void control_watch(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));
	uint8_t in[40];

	ck_assert_int_ge(fd, 0);
	tell(c, fd, "watch\n", "ok\n");
	TOGETHER(c, {LM75, FAIL_NEXT, "\0", 1, 0, OK, NULL}, {LM75, M_RD, NULL, 0, 2, OK, "\x15\x80"});
	tell(c, fd, "", "! 0x48 w 00, 0x48 r 15 80: ok\n");
	ck_assert_int_eq(i2c_put(c, REGS, NULL, 0), OK);
	tell(c, fd, "", "! 0x20 w: ok\n");
	tell(c, fd, "fail 0x20 2\n", "ok\n");
	ck_assert_int_eq(i2c_put(c, REGS, "\x01", 1), ERR);
	tell(c, fd, "", "! 0x20 w 01: not acknowledged\n");
	ck_assert_int_eq(i2c_take(c, REGS, in, 4), ERR);
	tell(c, fd, "", "! 0x20 r (4): not acknowledged\n");
	ck_assert_int_eq(i2c_take(c, REGS, in, 40), OK);
	tell(c, fd, "", "! 0x20 r 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
			"00 00 (40): ok\n");
	tell(c, fd, "delay 100\n", "ok\n");
	uint64_t begin = now_ms();

	ck_assert_int_eq(i2c_take(c, REGS, in, 1), OK);
	ck_assert_uint_ge(now_ms() - begin + 2, 100);
	tell(c, fd, "", "! 0x20 r 00: ok\n");
	tell(c, fd, "delay 60001\n", "error: '60001': a number from 0 to 60000 is wanted\n");
	close(fd);
	carrier_idle(c, 5);
}

static const struct device_case cases[] = {
	{.name = "read, write", .run = read_write},
	{.name = "zero length", .run = zero_length},
	{.name = "absent", .run = absent},
	{.name = "wraps", .run = wraps, .flags = CASE_ONCE},
	{.name = "thermometer", .run = thermometer, .depth = 2, .flags = CASE_ONCE},
	{.name = "group", .run = group, .depth = 3},
	{.name = "one transfer", .run = one_transfer, .depth = 3},
	{.name = "group fails", .run = group_fails, .depth = 5},
	{.name = "not a group", .run = not_a_group, .depth = 6, .flags = CASE_ONCE},
	{.name = "group too long", .run = group_too_long, .depth = SEGMENTS_MAX + 3},
	{.name = "rest is late", .run = rest_is_late, .flags = CASE_ONCE},
	{.name = "failure is forgotten", .run = failure_is_forgotten, .flags = CASE_ONCE},
	{.name = "stop amid group", .run = stop_amid_group, .depth = 2},
	{.name = "buses", .run = buses, .args = two_buses, .depth = 4, .flags = CASE_ONCE},
	{.name = "only reads", .run = only_reads, .args = read_only, .depth = 2, .flags = CASE_ONCE},
	{.name = "10-bit addresses", .run = ten_bit_addresses, .args = ten_bit, .flags = CASE_ONCE},
	{.name = "malformed", .run = malformed},
	{.name = "no status", .run = no_status},
	{.name = "much room", .run = much_room},
	{.name = "odd pieces", .run = odd_pieces},
	{.name = "feature refused", .run = feature_refused, .flags = CASE_NOT_BINARY},
	{.name = "slow transfer", .run = slow_transfer, .args = slow, .flags = CASE_ONCE},
	{.name = "slow stop", .run = slow_stop, .args = slower, .flags = CASE_ONCE, .depth = 3},
	{.name = "brisk groups", .run = brisk_groups, .args = brisk, .flags = CASE_ONCE, .depth = 14},
	{.name = "brisk: many", .run = brisk_many, .args = brisk, .flags = CASE_ONCE, .depth = 40},
	{.name = "brisk stop", .run = brisk_stop, .args = brisk, .flags = CASE_ONCE, .depth = 10},
	{.name = "rate", .run = rate, .args = paced, .flags = CASE_ONCE, .depth = 8},
	{.name = "slow leave", .run = slow_leave, .args = slow, .flags = CASE_ONCE},
	{.name = "control", .run = control, .args = with_control, .flags = CASE_ONCE},
	{.name = "control: watch", .run = control_watch, .args = with_control, .flags = CASE_ONCE, .depth = 2},
};

static const struct device_suite i2c = {
	.device = "i2c",
	.args = usual,
	DEVICE_CASES(cases),
};

/* ---- options */

#define MAX_ARGS 8

struct call {
	const char *args[MAX_ARGS];
	const char *says; /* on stderr; NULL: it is right */
};

/* Parses and checks the options, opens and closes the device.  Returns 0 or an error of any. */
static int try_options(const char *const *args, bool compat)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	char *argv[MAX_ARGS + 2] = {(char *)"i2c"};
	int argc = 1, err;
	struct vdev *d = NULL;

	for (const struct vdev_class *const *class = vdev_classes; *class; class ++) {
		if (strcmp((*class)->name, "i2c") == 0)
			ck_assert_int_eq(vdev_new(*class, "i2c", loop, &d), 0);
	}
	ck_assert_ptr_nonnull(d);
	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	err = device_parse(d, compat, argc, argv);
	if (err > 0)
		err = vdev_check(d);
	if (err == 0)
		err = vdev_open(d);
	vdev_free(d);
	ev_loop_destroy(loop);
	return err;
}

/* Does so with stderr in a file, and compares what was said. */
static void check_call(const struct call *call, bool compat)
{
	char said[4096];
	FILE *f = tmpfile();
	int old = dup(2), err;
	size_t n;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(dup2(fileno(f), 2), 0);
	err = try_options(call->args, compat);
	ck_assert_int_eq(dup2(old, 2), 2);
	close(old);
	rewind(f);
	n = fread(said, 1, sizeof(said) - 1, f);
	said[n] = '\0';
	fclose(f);
	if (!call->says) {
		ck_assert_msg(err == 0, "%s: %s", call->args[0], said);
		ck_assert_str_eq(said, "");
	} else {
		ck_assert_msg(err < 0, "%s was accepted", call->args[0]);
		/* Without the library, what the adapters would say is not said. */
		if (test_simulated("i2c") && strstr(said, "this build is without libi2c"))
			return;
		ck_assert_msg(strstr(said, call->says) && strchr(said, '\n') == said + n - 1, "'%s' is not in '%s'", call->says,
			      said);
	}
}

static const struct call calls[] = {
	{{"--backend=sim"}, NULL},
	{{"--backend=sim", "--bus=a", "--bus=b", "--sim=lm75@0x10:0"}, NULL},
	{{"--backend=sim", "--addr=0x00-0x7f,0xa000-0xa3ff:ro"}, NULL},
	{{"--backend=sim", "--addr=8-15", "--addr=16:ro16"}, NULL},
	{{"--backend=sim", "--addr=all:ro,0xa000-0xa3ff"}, NULL},
	{{"--backend=sim", "--addr=0x50/0x7c", "--addr=0x54,0x4f"}, NULL},
	{{"--backend=sim", "--addr=0x50/0x7c", "--addr=0x53"}, "0x53 is given already"},
	{{"--backend=sim", "--addr=all", "--addr=0x7f"}, "0x7f is given already"},
	{{"--backend=sim", "--addr=0x50/0"}, "'0x50/0': no address"},
	{{"--backend=sim", "--addr=0x80/0x7f"}, "'0x80/0x7f': no address"},
	{{"--backend=spi"}, "--backend=spi: "},
	{{"--sim=lm75@0x48:-55", "--sim=eeprom@0x50:64K", "--sim=regs@0x7f:1"}, NULL},
	{{"--sim=lm76@0x48"}, "--sim=lm76@0x48: lm75@ADDR[:DEGREES], eeprom@ADDR[:BYTES] or regs@ADDR[:N] is wanted"},
	{{"--sim=lm75"}, "is wanted"},
	{{"--sim=lm75@"}, "'': an address is wanted"},
	{{"--sim=lm75@0x80"}, "'0x80': an address is wanted"},
	{{"--sim=lm75@0x48:hot"}, "'hot': a temperature in degrees Celsius, from -55 to 125, is wanted"},
	{{"--sim=eeprom@0x50:512"}, "'512': 128, 256, or a power of two from 4096 to 65536 is wanted"},
	{{"--sim=eeprom@0x50:300"}, "'300': 128"},
	{{"--sim=eeprom@0x50:128K"}, "'128K': 128"},
	{{"--sim=regs@0x20:0"}, "'0': a number of registers from 1 to 256 is wanted"},
	{{"--sim=lm75@0x48", "--sim=regs@72"}, "there is a target at 0x48 already"},
	{{"--backend=sim", "--addr=0x80"}, "--addr=0x80: '0x80': no address"},
	{{"--backend=sim", "--addr=0x9fff"}, "no address"},
	{{"--backend=sim", "--addr=0xa400"}, "no address"},
	{{"--backend=sim", "--addr=0x70-0xa000"}, "no address"},
	{{"--backend=sim", "--addr=0x20-0x1f"}, "'0x20-0x1f': no address"},
	{{"--backend=sim", "--addr=0x20-"}, "no address"},
	{{"--backend=sim", "--addr=0x20,,0x21"}, "'': no address"},
	{{"--backend=sim", "--addr=twenty"}, "'twenty': no address"},
	{{"--backend=sim", "--addr=0x20:rw"}, "'rw': ro or ro16 is wanted"},
	{{"--backend=sim", "--addr=0x20-0x22,0x21"}, "0x21 is given already (a guest sees one bus"},
	{{"--bus=1", "--addr=0x20", "--bus=2", "--addr=0x20"}, "0x20 is given already, on --bus=1"},
	{{"--addr=0x20", "--bus=2"}, "--bus=2: must stand before"},
	{{"--bus="}, "--bus=: no bus"},
	{{"--bus=1", "--bus=1"}, "--bus=1: given twice"},
	{{NULL}, "no bus (--bus=/dev/i2c-1 --addr=0x20 is wanted, or --backend=sim)"},
	{{"--backend=i2c-dev", "--sim=lm75@0x48"}, "--sim and --sim-delay go with --backend=sim"},
	{{"--bus=1", "--sim-delay=5"}, "--sim and --sim-delay go with --backend=sim"},
	{{"--bus=1", "--addr=0x20", "--sim-delay=1"}, "go with --backend=sim"},
	{{"--bus=1", "--bus=2", "--addr=0x20"}, "--bus=1: which addresses may the guest use? (--addr=0x20"},
	{{"--bus=/dev/null", "--addr=0x20"}, "--bus=/dev/null: /dev/null: not an I2C adapter"},
	{{"--bus=/nonexistent/i2c", "--addr=0x20"}, "--bus=/nonexistent/i2c: no such adapter; there "},
	{{"--bus=98765", "--addr=0x20"}, "--bus=98765: no such adapter; there "},
	{{"--bus=i2c-98765", "--addr=0x20"}, "--bus=i2c-98765: no such adapter; there "},
	{{"--bus=i2c-", "--addr=0x20"}, "--bus=i2c-: no such adapter; there "},
	{{"--bus=99999999999999999999", "--addr=0x20"}, "no such adapter; there "},
	{{"--bus=no such adapter", "--addr=0x20"}, "--bus=no such adapter: no such adapter; there "},
	{{"--backend=sim", "--control=/nonexistent/x"}, "--control=/nonexistent/x: No such file or directory"},
	{{"--backend=sim", "--rate=100/s"}, NULL},
	{{"--rate=0/s"}, "--rate=0/s: "},
	{{"--rate=100"}, "a rate such as 100/s"},
	{{"--timeout-ms=9"}, "--timeout-ms=9: out of range"},
	{{"--retries=0"}, "--retries=0: out of range"},
	{{"--device-list=a:0x20:33,b:0x40", "--backend=sim"}, NULL},
	{{"--device-list=a"}, "--device-list=a: BUS:ADDR[:ADDR...] is wanted"},
	{{"--device-list=a:"}, "BUS:ADDR[:ADDR...] is wanted"},
	{{"--device-list=a,b:1"}, "BUS:ADDR[:ADDR...] is wanted"},
	{{"--device-list=:1"}, "no bus"},
	{{"--device-list=1:32:32"}, "0x20 is given already, on --bus=1"},
	{{"--device-list=1:32,1:33"}, "given twice"},
};

START_TEST(test_options)
{
	check_call(&calls[_i], false);
}
END_TEST

/* As vhost-device-i2c is called. */
static const struct call compat_calls[] = {
	{{"-l", "1:32:33,98765:0x20"}, "0x20 is given already, on --bus=1"},
	{{"-l", "98765:32:33"}, "--bus=98765: no such adapter; there "},
	{{"--device-list", "98765:32:33"}, "--bus=98765"},
	{{"-l98765:32"}, "--bus=98765"},
};

START_TEST(test_compat_options)
{
	check_call(&compat_calls[_i], true);
}
END_TEST

Suite *suite_i2c(void)
{
	Suite *s = suite_create("i2c");
	TCase *tc = tcase_create("options");

	tcase_add_loop_test(tc, test_options, 0, ARRAY_SIZE(calls));
	tcase_add_loop_test(tc, test_compat_options, 0, ARRAY_SIZE(compat_calls));
	suite_add_tcase(s, tc);
	suite_add_device(s, &i2c);
	return s;
}
