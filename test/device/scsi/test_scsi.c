/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_scsi.c - the SCSI host: VIRTIO 1.4, section 5.6; SPC-4, SBC-3; on simulated disks and on files.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "test/lib/carrier.h"
#include "test/lib/random.h"
#include "test/lib/small_fs.h"
#include "test/unit/suites.h"

enum { CONTROLQ, EVENTQ, REQUESTQ };

#define KEPT_NUMBER 24 /* bytes: where a record of reservations has its number */
#define RESP   108 /* a response with 96 bytes of sense data */
#define BLOCK  512
#define BLOCKS 256
#define MOST   (64 * BLOCK)

enum { OK, OVERRUN, ABORTED, BAD_TARGET, RESET, FAILURE = 9, SUCCEEDED, REJECTED, INCORRECT_LUN };

#define GOOD	 0
#define CHECK	 2
#define CONFLICT 0x18

#define POWER_ON    0x62900
#define LUN_RESET   0x62903
#define OPCODE	    0x52000
#define LBA	    0x52100
#define FIELD	    0x52400
#define NO_UNIT	    0x52500
#define PARAMETER   0x52600
#define LIST_LENGTH 0x51a00
#define PROTECTED   0x72700
#define MISCOMPARE  0xe1d00

/* What became of a command. */
struct answer {
	int response, status;
	uint32_t sense, info, residual;
	uint8_t data[MOST];
};

static struct answer a;

static uint8_t unit; /* the unit that commands go to */
static uint8_t attribute;

static size_t command_put(uint8_t *out, const uint8_t *cdb, size_t cdb_len, const void *data, size_t len)
{
	memset(out, 0, 51);
	out[0] = 1;
	out[2] = 0x40;
	out[3] = unit;
	out[8] = 0x77;
	out[16] = attribute;
	memcpy(out + 19, cdb, cdb_len);
	if (len)
		memcpy(out + 51, data, len);
	return 51 + len;
}

static void answer_take(const uint8_t *in, uint32_t used, size_t room)
{
	le32 word;

	ck_assert_uint_ge(used, RESP);
	memcpy(&word, in + 4, 4);
	a.residual = le32toh(word);
	a.status = in[10];
	a.response = in[11];
	memcpy(&word, in, 4);
	ck_assert_uint_eq(le32toh(word), a.status == CHECK && a.response == OK ? 18 : 0);
	a.sense = (uint32_t)((in[14] & 0xf) << 16 | in[24] << 8 | in[25]);
	a.info = (uint32_t)in[15] << 24 | (uint32_t)in[16] << 16 | (uint32_t)in[17] << 8 | in[18];
	if (room)
		ck_assert_uint_eq(used - RESP, room - a.residual);
	memcpy(a.data, in + RESP, used - RESP);
}

/* Sends a command with data and with room for data; its status, or its sense where it is CHECK CONDITION, in a. */
static int command(struct carrier *c, const uint8_t *cdb, size_t cdb_len, const void *data, size_t len, size_t room)
{
	static uint8_t out[51 + MOST], in[RESP + MOST];
	size_t out_len = command_put(out, cdb, cdb_len, data, len);

	memset(&a, 0, sizeof(a));
	answer_take(in, carrier_request(c, REQUESTQ, out, out_len, in, RESP + room), room);
	return a.status;
}

#define CDB(...)  ((const uint8_t[]){__VA_ARGS__})
#define SIZE(...) sizeof((const uint8_t[]){__VA_ARGS__})
/* A command that reads room bytes; one that writes. */
#define READS(room, ...)       command(c, CDB(__VA_ARGS__), SIZE(__VA_ARGS__), NULL, 0, room)
#define WRITES(data, len, ...) command(c, CDB(__VA_ARGS__), SIZE(__VA_ARGS__), data, len, 0)
#define IS_GOOD(run)                                                                                                   \
	do {                                                                                                           \
		ck_assert_int_eq(run, GOOD);                                                                           \
		ck_assert_int_eq(a.response, OK);                                                                      \
	} while (0)
#define IS_SENSE(run, what)                                                                                            \
	do {                                                                                                           \
		ck_assert_int_eq(run, CHECK);                                                                          \
		ck_assert_uint_eq(a.sense, what);                                                                      \
	} while (0)

static uint64_t number(const uint8_t *p, unsigned int bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | *p++;
	return n;
}

static void fill(uint8_t *data, size_t len, uint32_t seed)
{
	uint32_t state = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(random_next(&state) >> 8);
}

/* The first command is told of power-on. */
static void ready(struct carrier *c)
{
	unit = 0;
	attribute = 0;
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), POWER_ON);
	IS_GOOD(READS(0, 0x00, 0, 0, 0, 0, 0));
}

static int control(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void tell(struct carrier *c, int fd, const char *line, const char *want)
{
	char buf[4096];
	size_t len = 0;

	ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	for (unsigned int ms = 0; len < strlen(want); ms++) {
		ssize_t got;

		ck_assert_uint_lt(ms, 10000);
		carrier_idle(c, 1);
		got = read(fd, buf + len, sizeof(buf) - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	}
	buf[len] = '\0';
	ck_assert_str_eq(buf, want);
}

/* ---- what there is */

static void inquiry(struct carrier *c)
{
	/* Also before a unit attention. */
	unit = 0;
	IS_GOOD(READS(96, 0x12, 0, 0, 0, 96, 0));
	ck_assert_uint_eq(a.data[0], 0);
	ck_assert_uint_eq(a.data[2], 6);
	ck_assert_uint_eq(a.data[4], 91);
	ck_assert_mem_eq(a.data + 8, "VDEVD   DISK            ", 24);
	IS_GOOD(READS(96, 0x12, 0, 0, 0, 36, 0));
	ck_assert_uint_eq(a.residual, 60);
	/* Four bytes have the whole length. */
	IS_GOOD(READS(4, 0x12, 1, 0x00, 0, 4, 0));
	ck_assert_uint_eq(a.data[3], 6);
	ck_assert_uint_eq(a.residual, 0);
	IS_GOOD(READS(64, 0x12, 1, 0x80, 0, 64, 0));
	ck_assert_mem_eq(a.data,
			 "\0\x80\0\x06"
			 "number",
			 10);
	IS_GOOD(READS(64, 0x12, 1, 0x83, 0, 64, 0));
	ck_assert_uint_eq(a.data[7], 8);
	ck_assert_uint_eq(a.data[8] >> 4, 3);
	IS_GOOD(READS(64, 0x12, 1, 0xb0, 0, 64, 0));
	ck_assert_uint_eq(number(a.data + 28, 4), 65536 / BLOCK);
	IS_GOOD(READS(64, 0x12, 1, 0xb1, 0, 64, 0));
	ck_assert_uint_eq(number(a.data + 4, 2), 1);
	IS_GOOD(READS(64, 0x12, 1, 0xb2, 0, 64, 0));
	ck_assert_uint_eq(a.data[5], 0xe4);
	IS_SENSE(READS(64, 0x12, 1, 0xb7, 0, 64, 0), FIELD);
	IS_SENSE(READS(64, 0x12, 0, 0x80, 0, 64, 0), FIELD);
	/* The attention is still there. */
	ready(c);
}

/* Units that are not there; the unit that knows all; targets that are not there. */
static void addresses(struct carrier *c)
{
	uint8_t out[51] = {1, 0, 0x40, 0}, in[RESP + 64];

	ready(c);
	unit = 9;
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), NO_UNIT);
	IS_GOOD(READS(36, 0x12, 0, 0, 0, 36, 0));
	ck_assert_uint_eq(a.data[0], 0x7f);
	IS_GOOD(READS(64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0));
	ck_assert_uint_eq(number(a.data, 4), 24);
	ck_assert_mem_eq(a.data + 8, "\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\x41\x2c\0\0\0\0\0\0", 24);
	IS_GOOD(READS(64, 0xa0, 0, 2, 0, 0, 0, 0, 0, 0, 64, 0, 0));
	ck_assert_uint_eq(number(a.data, 4), 32);
	ck_assert_mem_eq(a.data + 8, "\xc1\1", 2);
	IS_GOOD(READS(18, 0x03, 0, 0, 0, 18, 0));
	ck_assert_uint_eq(a.data[12], 0x25);
	/* Unit 300, flat; and by peripheral address there is no such unit. */
	out[2] = 0x41;
	out[3] = 0x2c;
	answer_take(in, carrier_request(c, REQUESTQ, out, 51, in, RESP), 0);
	ck_assert_uint_eq(a.sense, POWER_ON);
	out[2] = 0x01;
	answer_take(in, carrier_request(c, REQUESTQ, out, 51, in, RESP), 0);
	ck_assert_uint_eq(a.sense, NO_UNIT);
	out[1] = 1;
	answer_take(in, carrier_request(c, REQUESTQ, out, 51, in, RESP), 0);
	ck_assert_int_eq(a.response, BAD_TARGET);
	out[0] = 0xc1;
	answer_take(in, carrier_request(c, REQUESTQ, out, 51, in, RESP), 0);
	ck_assert_int_eq(a.response, OK);
	ck_assert_int_eq(a.status, GOOD);
}

static void capacity(struct carrier *c)
{
	ready(c);
	IS_GOOD(READS(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	ck_assert_uint_eq(number(a.data, 4), BLOCKS - 1);
	ck_assert_uint_eq(number(a.data + 4, 4), BLOCK);
	IS_GOOD(READS(32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0));
	ck_assert_uint_eq(number(a.data, 8), BLOCKS - 1);
	ck_assert_uint_eq(a.data[13], 3);
	ck_assert_uint_eq(a.data[14], 0xc0);
	IS_SENSE(READS(32, 0x9e, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0), FIELD);
	IS_GOOD(READS(24, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 24, 0, 0));
	ck_assert_uint_eq(number(a.data + 16, 4), BLOCKS - 5);
	IS_SENSE(READS(24, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 24, 0, 0), LBA);
	/* Unit 1 has blocks of 4096 bytes. */
	unit = 1;
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), POWER_ON);
	IS_GOOD(READS(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	ck_assert_uint_eq(number(a.data, 4), 15);
	ck_assert_uint_eq(number(a.data + 4, 4), 4096);
}

static void modes(struct carrier *c)
{
	uint8_t list[8 + 20] = {0};

	ready(c);
	IS_GOOD(READS(4, 0x1a, 0, 0x3f, 0, 4, 0));
	ck_assert_uint_eq(a.data[0], 3 + 8 + 12 + 20 + 12 + 12);
	ck_assert_uint_eq(a.data[2], 0x10);
	IS_GOOD(READS(64, 0x1a, 8, 0x08, 0, 64, 0));
	ck_assert_uint_eq(a.data[6], 4);
	IS_GOOD(READS(64, 0x1a, 8, 0x48, 0, 64, 0));
	ck_assert_uint_eq(a.data[6], 4);
	ck_assert_uint_eq(a.data[7], 0);
	IS_SENSE(READS(64, 0x1a, 8, 0xc8, 0, 64, 0), 0x53900u);
	IS_SENSE(READS(64, 0x1a, 8, 0x05, 0, 64, 0), FIELD);
	IS_SENSE(READS(64, 0x5a, 8, 0x0a, 5, 0, 0, 0, 0, 64, 0), FIELD);
	IS_GOOD(READS(64, 0x5a, 0x10, 0x08, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_uint_eq(a.data[4], 1);
	ck_assert_uint_eq(number(a.data + 8, 8), BLOCKS);
	/* The cache is turned off, and on by a reset. */
	list[8] = 0x08;
	list[9] = 18;
	IS_GOOD(WRITES(list, 28, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 28, 0));
	IS_GOOD(READS(64, 0x1a, 8, 0x08, 0, 64, 0));
	ck_assert_uint_eq(a.data[6], 0);
	list[11] = 1;
	IS_SENSE(WRITES(list, 28, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 28, 0), PARAMETER);
	IS_SENSE(WRITES(list, 27, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 27, 0), PARAMETER);
	IS_SENSE(WRITES(list, 28, 0x55, 0x11, 0, 0, 0, 0, 0, 0, 28, 0), FIELD);
	IS_SENSE(WRITES(list, 4, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 4, 0), LIST_LENGTH);
	/* Block descriptors: as it is, of another block size, longer than the list. */
	memset(list, 0, sizeof(list));
	list[3] = 8;
	list[10] = 2;
	IS_GOOD(WRITES(list, 12, 0x15, 0x10, 0, 0, 12, 0));
	list[10] = 4;
	IS_SENSE(WRITES(list, 12, 0x15, 0x10, 0, 0, 12, 0), PARAMETER);
	list[3] = 200;
	IS_SENSE(WRITES(list, 12, 0x15, 0x10, 0, 0, 12, 0), LIST_LENGTH);
	IS_GOOD(READS(64, 0x4d, 0, 0x40, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_uint_eq(number(a.data + 2, 2), 2);
	IS_SENSE(READS(64, 0x4d, 0, 0x4d, 0, 0, 0, 0, 0, 64, 0), FIELD);
}

static void opcodes(struct carrier *c)
{
	ready(c);
	IS_GOOD(READS(4096, 0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0));
	ck_assert_uint_eq(number(a.data, 4) % 8, 0);
	ck_assert_uint_gt(number(a.data, 4), 40 * 8);
	IS_GOOD(READS(64, 0xa3, 0x0c, 1, 0x28, 0, 0, 0, 0, 0, 64, 0, 0));
	ck_assert_mem_eq(a.data, "\0\3\0\x0a\x28\x18\xff\xff\xff\xff\0\xff\xff\4", 14);
	IS_GOOD(READS(64, 0xa3, 0x0c, 1, 0xb8, 0, 0, 0, 0, 0, 64, 0, 0));
	ck_assert_uint_eq(a.data[1], 1);
	IS_SENSE(READS(64, 0xa3, 0x0c, 1, 0x9e, 0, 0, 0, 0, 0, 64, 0, 0), FIELD);
	IS_GOOD(READS(64, 0xa3, 0x0c, 2, 0x9e, 0, 0x10, 0, 0, 0, 64, 0, 0));
	ck_assert_uint_eq(a.data[1], 3);
	IS_GOOD(READS(64, 0xa3, 0x0c, 3, 0x9e, 0, 0x11, 0, 0, 0, 64, 0, 0));
	ck_assert_uint_eq(a.data[1], 1);
}

/* ---- reading and writing */

/* Every length of CDB, to and from every other. */
static void read_write(struct carrier *c)
{
	static uint8_t data[8 * BLOCK];

	ready(c);
	for (uint8_t i = 0; i < 4; i++) {
		fill(data, sizeof(data), i);
		switch (i) {
		case 0:
			IS_GOOD(WRITES(data, sizeof(data), 0x0a, 0, 0, 10, 8, 0));
			break;
		case 1:
			IS_GOOD(WRITES(data, sizeof(data), 0x2a, 0x08, 0, 0, 0, 10, 0, 0, 8, 0));
			break;
		case 2:
			IS_GOOD(WRITES(data, sizeof(data), 0xaa, 0, 0, 0, 0, 10, 0, 0, 0, 8, 0, 0));
			break;
		default:
			IS_GOOD(WRITES(data, sizeof(data), 0x8a, 0x10, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 8, 0, 0));
		}
		ck_assert_uint_eq(a.residual, 0);
		IS_GOOD(READS(sizeof(data), 0x08, 0, 0, 10, 8, 0));
		ck_assert_mem_eq(a.data, data, sizeof(data));
		IS_GOOD(READS(sizeof(data), 0x28, 0, 0, 0, 0, 10, 0, 0, 8, 0));
		ck_assert_mem_eq(a.data, data, sizeof(data));
		IS_GOOD(READS(sizeof(data), 0xa8, 0, 0, 0, 0, 10, 0, 0, 0, 8, 0, 0));
		ck_assert_mem_eq(a.data, data, sizeof(data));
		IS_GOOD(READS(sizeof(data) + 100, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 8, 0, 0));
		ck_assert_mem_eq(a.data, data, sizeof(data));
		ck_assert_uint_eq(a.residual, 100);
	}
	IS_GOOD(READS(0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	IS_GOOD(READS(0, 0x34, 0, 0, 0, 0, 0, 0, 0, 8, 0));
	/* Nothing is no error. */
	IS_GOOD(READS(0, 0x28, 0, 0, 0, 0, BLOCKS - 1, 0, 0, 0, 0));
	IS_GOOD(READS(0, 0x28, 0, 0, 0, 1, 0, 0, 0, 0, 0));
}

static void refused(struct carrier *c)
{
	static uint8_t data[4 * BLOCK];
	uint8_t out[51 + 8], in[RESP];

	ready(c);
	IS_SENSE(READS(2 * BLOCK, 0x28, 0, 0, 0, 0, BLOCKS - 1, 0, 0, 2, 0), LBA);
	IS_SENSE(READS(0, 0x28, 0, 0, 0, 1, 1, 0, 0, 0, 0), LBA);
	IS_SENSE(READS(BLOCK, 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0), LBA);
	IS_SENSE(READS(BLOCK, 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0),
		 LBA);
	IS_SENSE(WRITES(data, BLOCK, 0x2a, 0, 0, 0, 1, 0, 0, 0, 1, 0), LBA);
	IS_SENSE(WRITES(data, BLOCK, 0x2a, 0x20, 0, 0, 0, 0, 0, 0, 1, 0), FIELD);
	IS_SENSE(READS(BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 4), FIELD);
	IS_SENSE(READS(BLOCK, 0xff, 0, 0, 0, 0, 0), OPCODE);
	/* Less room, or less data, than the CDB says. */
	READS(BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0);
	ck_assert_int_eq(a.response, OVERRUN);
	ck_assert_uint_eq(a.residual, BLOCK);
	WRITES(data, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 2, 0);
	ck_assert_int_eq(a.response, OVERRUN);
	READS(20, 0x12, 0, 0, 0, 96, 0);
	ck_assert_int_eq(a.response, OVERRUN);
	/* More data than it says. */
	IS_GOOD(WRITES(data, 4 * BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	ck_assert_uint_eq(a.residual, 3 * BLOCK);
	/* Data in both directions, where the command has one: what is left of both. */
	if (carrier_has(c, 0)) {
		static uint8_t both_out[51 + BLOCK], both_in[RESP + 2 * BLOCK];
		le32 left;

		command_put(both_out, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), 10, data, BLOCK);
		ck_assert_uint_eq(carrier_request(c, REQUESTQ, both_out, sizeof(both_out), both_in, sizeof(both_in)),
				  RESP + BLOCK);
		memcpy(&left, both_in + 4, 4);
		ck_assert_uint_eq(le32toh(left), 2 * BLOCK);
	}
	/* Half a command; no room for a response. */
	command_put(out, CDB(0, 0, 0, 0, 0, 0), 6, data, 8);
	answer_take(in, carrier_request(c, REQUESTQ, out, 50, in, RESP), 0);
	ck_assert_int_eq(a.response, FAILURE);
	answer_take(in, carrier_request(c, REQUESTQ, NULL, 0, in, RESP), 0);
	ck_assert_int_eq(a.response, FAILURE);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, 51, in, RESP - 1), 0);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, 51, NULL, 0), 0);
}

static void verify(struct carrier *c)
{
	static uint8_t data[32 * BLOCK];

	ready(c);
	fill(data, sizeof(data), 3);
	IS_GOOD(WRITES(data, sizeof(data), 0x2a, 0, 0, 0, 0, 0, 0, 0, 32, 0));
	IS_GOOD(WRITES(data, sizeof(data), 0x2f, 2, 0, 0, 0, 0, 0, 0, 32, 0));
	IS_GOOD(READS(0, 0x2f, 0, 0, 0, 0, 0, 0, 0, 32, 0));
	data[20 * BLOCK + 7]++;
	IS_SENSE(WRITES(data, sizeof(data), 0x8f, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0), MISCOMPARE);
	ck_assert_uint_eq(a.info, 20 * BLOCK + 7);
	IS_SENSE(WRITES(data, sizeof(data), 0x2f, 4, 0, 0, 0, 0, 0, 0, 32, 0), FIELD);
	WRITES(data, BLOCK, 0x2f, 2, 0, 0, 0, 0, 0, 0, 32, 0);
	ck_assert_int_eq(a.response, OVERRUN);
	IS_GOOD(WRITES(data, sizeof(data), 0x2e, 2, 0, 0, 0, 0, 0, 0, 32, 0));
	IS_GOOD(WRITES(data, sizeof(data), 0xaf, 2, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0));
	IS_SENSE(READS(0, 0x2f, 0, 0, 0, 0, 255, 0, 0, 32, 0), LBA);
}

static void compare_and_write(struct carrier *c)
{
	static uint8_t data[4 * BLOCK];

	ready(c);
	fill(data, sizeof(data), 4);
	IS_GOOD(WRITES(data, 2 * BLOCK, 0x2a, 0, 0, 0, 0, 7, 0, 0, 2, 0));
	IS_GOOD(WRITES(data, sizeof(data), 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0));
	IS_GOOD(READS(2 * BLOCK, 0x28, 0, 0, 0, 0, 7, 0, 0, 2, 0));
	ck_assert_mem_eq(a.data, data + 2 * BLOCK, 2 * BLOCK);
	IS_SENSE(WRITES(data, sizeof(data), 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0), MISCOMPARE);
	ck_assert_uint_eq(a.info, 0);
	IS_GOOD(READS(2 * BLOCK, 0x28, 0, 0, 0, 0, 7, 0, 0, 2, 0));
	ck_assert_mem_eq(a.data, data + 2 * BLOCK, 2 * BLOCK);
	IS_GOOD(WRITES(data, 0, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0));
	IS_SENSE(WRITES(data, sizeof(data), 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0), FIELD);
	IS_SENSE(WRITES(data, sizeof(data), 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 2, 0, 0), LBA);
	WRITES(data, 3 * BLOCK, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0);
	ck_assert_int_eq(a.response, OVERRUN);
}

static void write_same(struct carrier *c)
{
	static uint8_t data[BLOCK], zero[BLOCK];

	ready(c);
	fill(data, sizeof(data), 5);
	IS_GOOD(WRITES(data, BLOCK, 0x41, 0, 0, 0, 0, 3, 0, 0, 20, 0));
	IS_GOOD(READS(22 * BLOCK, 0x28, 0, 0, 0, 0, 2, 0, 0, 22, 0));
	ck_assert_mem_eq(a.data, zero, BLOCK);
	for (unsigned int i = 1; i < 21; i++)
		ck_assert_mem_eq(a.data + (size_t)i * BLOCK, data, BLOCK);
	ck_assert_mem_eq(a.data + 21 * BLOCK, zero, BLOCK);
	IS_GOOD(WRITES(zero, BLOCK, 0x93, 8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0));
	IS_GOOD(WRITES(NULL, 0, 0x93, 1, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 2, 0, 0));
	IS_GOOD(READS(10 * BLOCK, 0x28, 0, 0, 0, 0, 3, 0, 0, 10, 0));
	ck_assert_mem_eq(a.data, data, BLOCK);
	ck_assert_mem_eq(a.data + BLOCK, zero, BLOCK);
	ck_assert_mem_eq(a.data + 2 * BLOCK, zero, BLOCK);
	ck_assert_mem_eq(a.data + 3 * BLOCK, data, BLOCK);
	ck_assert_mem_eq(a.data + 7 * BLOCK, zero, BLOCK);
	IS_SENSE(WRITES(zero, BLOCK, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0), FIELD);
	IS_SENSE(WRITES(zero, BLOCK, 0x93, 0x10, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0), FIELD);
	IS_SENSE(WRITES(zero, BLOCK, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 2, 0, 0), LBA);
	WRITES(zero, BLOCK - 1, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0);
	ck_assert_int_eq(a.response, OVERRUN);
}

/* Blocks in holes of the file, which are whole blocks of the host's file system, are deallocated. */
static void holes(struct carrier *c)
{
	static uint8_t data[16 * BLOCK];
	int fd = open(carrier_path(c, "disk"), O_RDONLY | O_CLOEXEC);
	bool found;

	ready(c);
	fill(data, sizeof(data), 3);
	IS_GOOD(WRITES(data, sizeof(data), 0x2a, 0, 0, 0, 0, 128, 0, 0, 16, 0));
	IS_GOOD(READS(0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	found = lseek(fd, 0, SEEK_DATA) == 128 * BLOCK && lseek(fd, 128 * BLOCK, SEEK_HOLE) == 144 * BLOCK;
	close(fd);
	if (!found) /* a file system without holes, or with large blocks */
		return;
	IS_GOOD(READS(512, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 2, 0, 0, 0));
	ck_assert_uint_eq(number(a.data, 4), 4 + 3 * 16);
	ck_assert_mem_eq(a.data + 8, "\0\0\0\0\0\0\0\x08\0\0\0\x78\1\0\0\0", 16);
	ck_assert_mem_eq(a.data + 24, "\0\0\0\0\0\0\0\x80\0\0\0\x10\0\0\0\0", 16);
	ck_assert_mem_eq(a.data + 40, "\0\0\0\0\0\0\0\x90\0\0\0\x70\1\0\0\0", 16);
	/* From within the data; the allocation length cuts what is told. */
	IS_GOOD(READS(24, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 130, 0, 0, 0, 24, 0, 0));
	ck_assert_uint_eq(number(a.data, 4), 4 + 2 * 16);
	ck_assert_mem_eq(a.data + 8, "\0\0\0\0\0\0\0\x82\0\0\0\x0e\0\0\0\0", 16);
	IS_GOOD(READS(24, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 24, 0, 0));
	ck_assert_mem_eq(a.data + 8, "\0\0\0\0\0\0\0\xff\0\0\0\1\1\0\0\0", 16);
	IS_SENSE(READS(24, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 24, 0, 0), LBA);
}

static void unmap(struct carrier *c)
{
	static uint8_t data[16 * BLOCK], zero[BLOCK];
	uint8_t list[8 + 32] = {0, 38, 0, 32, [8 + 7] = 2, [8 + 11] = 3, [24 + 7] = 10, [24 + 11] = 1};

	ready(c);
	fill(data, sizeof(data), 6);
	IS_GOOD(WRITES(data, sizeof(data), 0x2a, 0, 0, 0, 0, 0, 0, 0, 16, 0));
	IS_GOOD(WRITES(list, sizeof(list), 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0));
	IS_GOOD(READS(16 * BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 16, 0));
	for (size_t i = 0; i < 16; i++) {
		bool gone = (i >= 2 && i < 5) || i == 10;

		ck_assert_mem_eq(a.data + i * BLOCK, gone ? zero : data + i * BLOCK, BLOCK);
	}
	list[24 + 6] = 1;
	IS_SENSE(WRITES(list, sizeof(list), 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0), LBA);
	IS_SENSE(WRITES(list, sizeof(list), 0x42, 1, 0, 0, 0, 0, 0, 0, 40, 0), FIELD);
	IS_SENSE(WRITES(list, 7, 0x42, 0, 0, 0, 0, 0, 0, 0, 7, 0), LIST_LENGTH);
	IS_GOOD(WRITES(NULL, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	WRITES(list, 20, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
	ck_assert_int_eq(a.response, OVERRUN);
}

/* Medium: started, stopped, ejected where it can be. */
static void medium(struct carrier *c)
{
	ready(c);
	IS_GOOD(READS(0, 0x1b, 0, 0, 0, 0, 0));
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x20402u);
	IS_SENSE(READS(BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0x20402u);
	IS_GOOD(READS(0, 0x1b, 0, 0, 0, 1, 0));
	IS_GOOD(READS(0, 0x00, 0, 0, 0, 0, 0));
	IS_SENSE(READS(0, 0x1b, 0, 0, 0, 2, 0), FIELD);
	unit = 1;
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), POWER_ON);
	IS_GOOD(READS(0, 0x1e, 0, 0, 0, 1, 0));
	IS_SENSE(READS(0, 0x1b, 0, 0, 0, 2, 0), 0x55302u);
	IS_GOOD(READS(0, 0x1e, 0, 0, 0, 0, 0));
	IS_GOOD(READS(0, 0x1b, 0, 0, 0, 2, 0));
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x23a00u);
	IS_GOOD(READS(0, 0x1b, 0, 0, 0, 3, 0));
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x62800u);
	IS_GOOD(READS(0, 0x00, 0, 0, 0, 0, 0));
}

static void reservations(struct carrier *c)
{
	uint8_t p[24] = {[15] = 0x11};
#define OUT(action, type) WRITES(p, 24, 0x5f, action, type, 0, 0, 0, 0, 0, 24, 0)

	ready(c);
	ck_assert_int_eq(OUT(1, 1), CONFLICT);
	IS_GOOD(OUT(0, 0));
	IS_GOOD(READS(64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_mem_eq(a.data, "\0\0\0\1\0\0\0\x08\0\0\0\0\0\0\0\x11", 16);
	memcpy(p, "\0\0\0\0\0\0\0\x11\0\0\0\0\0\0\0\0", 16);
	IS_SENSE(OUT(1, 2), FIELD);
	IS_GOOD(OUT(1, 5));
	ck_assert_int_eq(OUT(1, 3), CONFLICT);
	IS_GOOD(READS(64, 0x5e, 1, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_mem_eq(a.data, "\0\0\0\1\0\0\0\x10\0\0\0\0\0\0\0\x11\0\0\0\0\0\5\0\0", 24);
	IS_GOOD(READS(8, 0x5e, 2, 0, 0, 0, 0, 0, 0, 8, 0));
	ck_assert_uint_eq(a.data[1], 8);
	IS_GOOD(READS(64, 0x5e, 3, 0, 0, 0, 0, 0, 0, 64, 0));
	IS_SENSE(OUT(2, 3), 0x52604u);
	IS_GOOD(OUT(2, 5));
	IS_GOOD(OUT(3, 0));
	IS_GOOD(READS(64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_uint_eq(number(a.data + 4, 4), 0);
	IS_SENSE(OUT(7, 0), FIELD);
	IS_SENSE(WRITES(p, 20, 0x5f, 0, 0, 0, 0, 0, 0, 0, 20, 0), LIST_LENGTH);
}

static const char *const read_only_args[] = {"--lun=0:sim=128K,ro", "--lun=1:sim=64K,thick", NULL};

/* A copy of the file, with the record of that number made unreadable, is what another unit finds. */
static void kept_copy(struct carrier *c, int fd, int torn, const char *unit_line)
{
	uint8_t bytes[8192];
	char line[300];
	int from = open(carrier_path(c, "kept"), O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(from, 0);
	ck_assert_int_eq(read(from, bytes, sizeof(bytes)), sizeof(bytes));
	close(from);
	if (torn >= 0)
		bytes[torn % 2 * 4096 + 40] ^= 1;
	carrier_write_file(c, "copy", bytes, sizeof(bytes), false);
	snprintf(line, sizeof(line), unit_line, carrier_path(c, "copy"));
	tell(c, fd, line, "ok\n");
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x63f0eu);
	unit = 1;
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), POWER_ON);
	IS_GOOD(READS(64, 0x5e, 1, 0, 0, 0, 0, 0, 0, 64, 0));
	memcpy(bytes, a.data, 64);
	unit = 0;
	tell(c, fd, "remove 1\n", "ok\n");
	/* The attention goes. */
	IS_GOOD(READS(4096, 0xa0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0));
	memcpy(a.data, bytes, 64);
}

/* What the guest wants kept outlives a reset, and is found in the file; what it does not want kept is not. */
static void kept(struct carrier *c)
{
	static const char add[] = "add 1:sim=64K,reservations=%s\n";
	uint8_t p[24] = {[15] = 0x11, [20] = 1};
	int fd;

	ready(c);
	fd = control(c);
	IS_GOOD(READS(8, 0x5e, 2, 0, 0, 0, 0, 0, 0, 8, 0));
	ck_assert_uint_eq(number(a.data + 2, 2), 0x180);
	IS_GOOD(OUT(0, 0));
	IS_GOOD(READS(8, 0x5e, 2, 0, 0, 0, 0, 0, 0, 8, 0));
	ck_assert_uint_eq(number(a.data + 2, 2), 0x181);
	memcpy(p, "\0\0\0\0\0\0\0\x11\0\0\0\0\0\0\0\0", 16);
	IS_GOOD(OUT(1, 5));
	carrier_reset(c);
	ready(c);
	IS_GOOD(READS(64, 0x5e, 1, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_mem_eq(a.data, "\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x11\0\0\0\0\0\5\0\0", 24);
	kept_copy(c, fd, -1, add);
	ck_assert_mem_eq(a.data, "\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x11\0\0\0\0\0\5\0\0", 24);
	/* It was the second record; where that is torn, there is the first: registered, and not reserved. */
	kept_copy(c, fd, 2, add);
	ck_assert_mem_eq(a.data, "\0\0\0\0\0\0\0\0", 8);
	/* No longer to be kept. */
	p[20] = 0;
	p[15] = 0x12;
	IS_GOOD(OUT(0, 0));
	kept_copy(c, fd, -1, add);
	ck_assert_mem_eq(a.data, "\0\0\0\0\0\0\0\0", 8);
	IS_GOOD(READS(64, 0x5e, 1, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_uint_eq(a.data[15], 0x12);
	carrier_reset(c);
	ready(c);
	IS_GOOD(READS(64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_uint_eq(number(a.data + 4, 4), 0);
	close(fd);
	carrier_idle(c, 5);
}

static bool small;

static void prepare_small(struct carrier *c)
{
	small = small_fs_new(carrier_path(c, "small"));
}

/* What the file has no room for has not happened; later there is room. */
static void kept_no_room(struct carrier *c)
{
	static char junk[SMALL_FS_BYTES];
	uint8_t p[24] = {[15] = 0x11, [20] = 1};
	ssize_t written = 1;
	int fd;

	if (!small) {
		test_note_skip("scsi", "no mount is allowed here");
		return;
	}
	ready(c);
	fd = open(carrier_path(c, "small/junk"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	while (written > 0)
		written = write(fd, junk, sizeof(junk));
	IS_SENSE(OUT(0, 0), 0x44400);
	IS_GOOD(READS(64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_uint_eq(number(a.data + 4, 4), 0);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	IS_GOOD(OUT(0, 0));
	IS_GOOD(READS(64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_uint_eq(number(a.data + 4, 4), 8);
	close(fd);
	small_fs_end(carrier_path(c, "small"));
}

static void read_only(struct carrier *c)
{
	static uint8_t data[BLOCK];
	uint8_t list[24] = {0, 22, 0, 16};

	ready(c);
	IS_SENSE(WRITES(data, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), PROTECTED);
	IS_SENSE(WRITES(data, BLOCK, 0x41, 0, 0, 0, 0, 0, 0, 0, 1, 0), PROTECTED);
	IS_GOOD(READS(4, 0x1a, 0, 0x3f, 0, 4, 0));
	ck_assert_uint_eq(a.data[2], 0x90);
	IS_GOOD(READS(BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	unit = 1;
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), POWER_ON);
	IS_SENSE(WRITES(list, 24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0), OPCODE);
	IS_GOOD(READS(64, 0x12, 1, 0xb2, 0, 64, 0));
	ck_assert_uint_eq(a.data[5], 0);
}

/* ---- the control queue, and what comes of faults */

static int tmf(struct carrier *c, uint8_t subtype, uint8_t lun, uint8_t tag)
{
	uint8_t out[24] = {0, 0, 0, 0, subtype, 0, 0, 0, 1, 0, 0x40, lun, [16] = tag}, in = 0xee;

	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, sizeof(out), &in, 1), 1);
	return in;
}

static void management(struct carrier *c)
{
	uint8_t out[24] = {0}, in[5];

	ready(c);
	ck_assert_int_eq(tmf(c, 0, 0, 0x77), OK);
	ck_assert_int_eq(tmf(c, 1, 0, 0), OK);
	ck_assert_int_eq(tmf(c, 2, 0, 0), REJECTED);
	ck_assert_int_eq(tmf(c, 3, 0, 0), OK);
	ck_assert_int_eq(tmf(c, 6, 0, 0x77), OK);
	ck_assert_int_eq(tmf(c, 7, 0, 0), OK);
	ck_assert_int_eq(tmf(c, 8, 0, 0), REJECTED);
	ck_assert_int_eq(tmf(c, 5, 9, 0), INCORRECT_LUN);
	ck_assert_int_eq(tmf(c, 5, 0, 0), OK);
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), LUN_RESET);
	ck_assert_int_eq(tmf(c, 4, 0, 0), OK);
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x62907u);
	/* Asynchronous notification: nothing that a disk has. */
	memcpy(out, "\1\0\0\0\1\0\x40\0\0\0\0\0\xff\0\0\0", 16);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, 16, in, 5), 5);
	ck_assert_mem_eq(in, "\0\0\0\0\0", 5);
	out[0] = 2;
	out[5] = 3;
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, 16, in, 5), 5);
	ck_assert_uint_eq(in[4], BAD_TARGET);
	/* What is none. */
	out[0] = 3;
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, 16, in, 5), 0);
	out[0] = 0;
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, 23, in, 1), 1);
	ck_assert_uint_eq(in[0], REJECTED);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, out, 24, NULL, 0), 0);
}

static const char *const control_args[] = {"--lun=0:sim=128K,serial=number",
					   "--lun=1:sim=64K,removable,block-size=4096",
					   "--lun=300:sim=64K",
					   "--num-queues=2",
					   "--control=%T/control",
					   NULL};

/* Tasks that hang are ended, and answered before the function that ends them. */
static void aborts(struct carrier *c)
{
	struct frontend_request *reqs[3];
	uint8_t out[51], in[RESP + BLOCK];
	size_t len;
	int fd;

	ready(c);
	fd = control(c);
	tell(c, fd, "delay 3600000\n", "ok\n");
	for (unsigned int i = 0; i < 3; i++) {
		len = command_put(out, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), 10, NULL, 0);
		out[8] = (uint8_t)(0x10 + i);
		reqs[i] = carrier_submit(c, REQUESTQ, out, len, sizeof(in));
	}
	carrier_idle(c, 5);
	ck_assert_int_eq(tmf(c, 6, 0, 0x11), SUCCEEDED);
	ck_assert_int_eq(tmf(c, 7, 0, 0), SUCCEEDED);
	ck_assert_int_eq(tmf(c, 0, 0, 0x11), OK);
	answer_take(in, carrier_await(c, REQUESTQ, reqs[1], in), BLOCK);
	ck_assert_int_eq(a.response, ABORTED);
	ck_assert_int_eq(tmf(c, 6, 0, 0x11), OK);
	ck_assert_int_eq(tmf(c, 5, 0, 0), OK);
	for (unsigned int i = 0; i < 3; i += 2) {
		answer_take(in, carrier_await(c, REQUESTQ, reqs[i], in), BLOCK);
		ck_assert_int_eq(a.response, RESET);
	}
	tell(c, fd, "delay 0\n", "ok\n");
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), LUN_RESET);
	IS_GOOD(READS(BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	close(fd);
	carrier_idle(c, 5);
}

/* An ordered task waits for those before it, and those behind it for it; all of them can be aborted. */
static void ordered(struct carrier *c)
{
	struct frontend_request *reqs[6];
	uint8_t out[51 + BLOCK], in[RESP + BLOCK], data[BLOCK];
	size_t len;
	int fd;

	ready(c);
	fd = control(c);
	tell(c, fd, "shuffle on\ndelay 2\n", "ok\nok\n");
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 6; i++) {
			attribute = 1;
			fill(data, sizeof(data), i);
			len = command_put(out, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), 10, data, BLOCK);
			reqs[i] = carrier_submit(c, REQUESTQ, out, len, RESP);
		}
		attribute = 0;
		if (round) {
			carrier_idle(c, 1);
			ck_assert_int_eq(tmf(c, 1, 0, 0), OK);
		}
		for (unsigned int i = 0; i < 6; i++) {
			answer_take(in, carrier_await(c, REQUESTQ, reqs[i], in), 0);
			ck_assert(a.response == OK || (round && a.response == ABORTED));
		}
		if (round)
			break;
		IS_GOOD(READS(BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
		ck_assert_mem_eq(a.data, data, BLOCK);
	}
	close(fd);
	carrier_idle(c, 5);
}

static void faults(struct carrier *c)
{
	static uint8_t data[BLOCK];
	int fd;

	ready(c);
	fd = control(c);
	tell(c, fd, "fail read\n", "ok\n");
	IS_SENSE(READS(BLOCK, 0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0), 0x31100u);
	ck_assert_uint_eq(a.info, 9);
	ck_assert_uint_eq(a.residual, BLOCK);
	tell(c, fd, "fail write\n", "ok\n");
	IS_SENSE(WRITES(data, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0x30c00u);
	tell(c, fd, "fail write 1 enospc\n", "ok\n");
	IS_SENSE(WRITES(data, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0x72707u);
	tell(c, fd, "fail flush\n", "ok\n");
	IS_SENSE(READS(0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0x30c00u);
	IS_GOOD(READS(0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	close(fd);
	carrier_idle(c, 5);
}

/* FUA, and a cache that is off: what was written is on the disk. */
static void durable(struct carrier *c)
{
	static uint8_t data[BLOCK];
	uint8_t list[24] = {0, 0, 0, 0, 0x08, 18};
	int fd;

	ready(c);
	fd = control(c);
#define DISKS(n)                                                                                                       \
	"65536 bytes, 0 writes not flushed\n65536 bytes, 0 writes not flushed\n131072 bytes, " n                       \
	" writes not flushed\nok\n"
	IS_GOOD(WRITES(data, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	tell(c, fd, "disk\n", DISKS("1"));
	IS_GOOD(WRITES(data, BLOCK, 0x2a, 0x08, 0, 0, 0, 0, 0, 0, 1, 0));
	tell(c, fd, "disk\n", DISKS("0"));
	IS_GOOD(WRITES(data, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	IS_GOOD(READS(0, 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	tell(c, fd, "disk\n", DISKS("0"));
	IS_GOOD(WRITES(list, sizeof(list), 0x15, 0x10, 0, 0, 24, 0));
	IS_GOOD(WRITES(data, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	tell(c, fd, "disk\n", DISKS("0"));
	close(fd);
	carrier_idle(c, 5);
}

/* Units come, go and grow; the driver is told. */
static void hot_plug(struct carrier *c)
{
	struct frontend_request *req;
	uint8_t in[16];
	int fd;

	ready(c);
	fd = control(c);
	req = carrier_submit(c, EVENTQ, NULL, 0, 16);
	tell(c, fd, "add 0:sim=64K\n", "error: unit 0 is there already\n");
	tell(c, fd, "add 2:path=/etc/passwd\n",
	     "error: /etc/passwd: no file can be opened (--folder=DIR allows those of a folder)\n");
	tell(c, fd, "add 2:sim=64K,serial=two\n", "ok\n");
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 16);
	ck_assert_mem_eq(in, "\1\0\0\0\1\0\0\2\0\0\0\0\1\0\0\0", 16);
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x63f0eu);
	unit = 2;
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), POWER_ON);
	IS_GOOD(READS(BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	req = carrier_submit(c, EVENTQ, NULL, 0, 16);
	tell(c, fd, "size 128K\nresize 2\n", "ok\n131072\nok\n");
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 16);
	ck_assert_mem_eq(in, "\3\0\0\0\1\0\0\2\0\0\0\0\x2a\x09\0\0", 16);
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x62a09u);
	IS_GOOD(READS(BLOCK, 0x28, 0, 0, 0, 0, 255, 0, 0, 1, 0));
	req = carrier_submit(c, EVENTQ, NULL, 0, 16);
	tell(c, fd, "remove 2\nremove 2\n", "ok\nerror: '2': the number of a unit is wanted (list shows them)\n");
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 16);
	ck_assert_mem_eq(in, "\1\0\0\0\1\0\0\2\0\0\0\0\2\0\0\0", 16);
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), NO_UNIT);
	req = carrier_submit(c, EVENTQ, NULL, 0, 16);
	tell(c, fd, "remove 300\n", "ok\n");
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 16);
	ck_assert_mem_eq(in, "\1\0\0\0\1\0\x41\x2c\0\0\0\0\2\0\0\0", 16);
	close(fd);
	carrier_idle(c, 5);
}

/* A unit that goes takes its tasks along; events that find no room are told as missed. */
static void removal(struct carrier *c)
{
	struct frontend_request *req;
	uint8_t out[51], in[RESP + BLOCK];
	size_t len;
	int fd;

	ready(c);
	fd = control(c);
	tell(c, fd, "delay 3600000\n", "ok\n");
	len = command_put(out, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), 10, NULL, 0);
	req = carrier_submit(c, REQUESTQ, out, len, sizeof(in));
	carrier_idle(c, 5);
	tell(c, fd, "remove 0\n", "ok\n");
	answer_take(in, carrier_await(c, REQUESTQ, req, in), BLOCK);
	ck_assert_int_eq(a.response, ABORTED);
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), NO_UNIT);
	for (unsigned int i = 0; i < 40; i++)
		tell(c, fd, "add 0:sim=64K\nremove 0\n", "ok\nok\n");
	for (unsigned int i = 0; i < 64; i++) {
		req = carrier_submit(c, EVENTQ, NULL, 0, 16);
		ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 16);
		ck_assert_uint_eq(in[3], 0);
	}
	req = carrier_submit(c, EVENTQ, NULL, 0, 16);
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 16);
	ck_assert_uint_eq(in[3], 0x80);
	close(fd);
	carrier_idle(c, 5);
}

/* A file that grows is seen when it is closed, and when a signal says so: of units that came later as well. */
static void file_grows(struct carrier *c)
{
	struct frontend_request *req;
	char line[256];
	uint8_t in[16];
	int fd, disk;

	ready(c);
	fd = control(c);
	snprintf(line, sizeof(line), "add 1:path=%s\n", carrier_path(c, "more"));
	tell(c, fd, line, "ok\n");
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x63f0eu);
	req = carrier_submit(c, EVENTQ, NULL, 0, 16);
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 16);
	unit = 1;
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), POWER_ON);
	req = carrier_submit(c, EVENTQ, NULL, 0, 16);
	disk = open(carrier_path(c, "more"), O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(disk, 0);
	ck_assert_int_eq(ftruncate(disk, 2 * BLOCKS * BLOCK), 0);
	close(disk);
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 16);
	ck_assert_mem_eq(in, "\3\0\0\0\1\0\0\1\0\0\0\0\x2a\x09\0\0", 16);
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x62a09u);
	req = carrier_submit(c, EVENTQ, NULL, 0, 16);
	ck_assert_int_eq(truncate(carrier_path(c, "disk"), 2 * BLOCKS * BLOCK), 0);
	if (carrier_pid(c) > 0)
		ck_assert_int_eq(kill(carrier_pid(c), SIGHUP), 0);
	else
		carrier_class(c)->hangup(carrier_vdev(c));
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), 16);
	ck_assert_mem_eq(in, "\3\0\0\0\1\0\0\0\0\0\0\0\x2a\x09\0\0", 16);
	tell(c, fd, "remove 1\nsize 64K\n", "ok\nerror: there is no simulated disk\n");
	close(fd);
	carrier_idle(c, 5);
}

/* A disk that is cut short to less than one of its blocks is not there, until it has grown. */
static void file_shrinks(struct carrier *c)
{
	int fd;

	ready(c);
	fd = control(c);
	ck_assert_int_eq(truncate(carrier_path(c, "disk"), BLOCK), 0);
	tell(c, fd, "resize 0\n", "512\nok\n");
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x62a09u);
	IS_SENSE(READS(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0x23a00u);
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x23a00u);
	IS_GOOD(READS(64, 0x1a, 0, 0x08, 0, 64, 0));
	ck_assert_uint_eq(number(a.data + 4, 4), 0);
	ck_assert_int_eq(truncate(carrier_path(c, "disk"), BLOCKS * BLOCK), 0);
	tell(c, fd, "resize 0\n", "131072\nok\n");
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), 0x62a09u);
	IS_GOOD(READS(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	ck_assert_uint_eq(number(a.data, 4), BLOCKS * BLOCK / 4096 - 1);
	close(fd);
	carrier_idle(c, 5);
}

/* ---- devices of the host: the simulated one of scsi_sg_sim.c */

/* The response to a command that the host's SCSI layer, or the call itself, ends in this way. */
static int passed_end(struct carrier *c, uint8_t opcode, uint8_t how)
{
	READS(0, opcode, how, 0, 0, 0, 0, 0, 0, 0, 0);
	return a.response;
}

static void passed(struct carrier *c)
{
	static uint8_t data[4 * BLOCK];
	static const struct {
		uint8_t host;
		int response;
	} ends[] = {{1, BAD_TARGET}, {2, 5},	{4, BAD_TARGET}, {5, ABORTED}, {8, RESET},
		    {0x0e, 6},	     {0x10, 7}, {0x11, 8},	 {7, FAILURE}};

	unit = attribute = 0;
	IS_GOOD(READS(0, 0x00, 0, 0, 0, 0, 0));
	IS_GOOD(READS(96, 0x12, 0, 0, 0, 96, 0));
	ck_assert_mem_eq(a.data + 8, "VDEVD   PASSED  ", 16);
	ck_assert_uint_eq(a.residual, 60);
	fill(data, sizeof(data), 5);
	IS_GOOD(WRITES(data, sizeof(data), 0x2a, 0, 0, 0, 0, 3, 0, 0, 4, 0));
	ck_assert_uint_eq(a.residual, 0);
	IS_GOOD(READS(sizeof(data), 0x28, 0, 0, 0, 0, 3, 0, 0, 4, 0));
	ck_assert_mem_eq(a.data, data, sizeof(data));
	IS_GOOD(WRITES(data, sizeof(data), 0x2a, 0, 0, 0, 0, 9, 0, 0, 1, 0));
	ck_assert_uint_eq(a.residual, 3 * BLOCK);
	IS_GOOD(READS(16, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	ck_assert_uint_eq(number(a.data, 4), 127);
	ck_assert_uint_eq(a.residual, 8);
	IS_SENSE(READS(BLOCK, 0x28, 0, 0, 0, 0, 128, 0, 0, 1, 0), LBA);
	IS_SENSE(READS(0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), OPCODE);
	/* Which units there are is not the device's business. */
	IS_GOOD(READS(64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0));
	ck_assert_uint_eq(number(a.data, 4), 16);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		ck_assert_int_eq(passed_end(c, 0x61, ends[i].host), ends[i].response);
	ck_assert_int_eq(passed_end(c, 0x62, ENODEV), BAD_TARGET);
	ck_assert_int_eq(passed_end(c, 0x62, ENOMEM), 5);
	ck_assert_int_eq(passed_end(c, 0x62, EDOM), 5);
	ck_assert_int_eq(passed_end(c, 0x62, EIO), FAILURE);
	IS_SENSE(READS(0, 0x62, EPERM, 0, 0, 0, 0, 0, 0, 0, 0), OPCODE);
	if (carrier_has(c, 0)) {
		static uint8_t out[51 + BLOCK], in[RESP + BLOCK];

		command_put(out, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), 10, data, BLOCK);
		answer_take(in, carrier_request(c, REQUESTQ, out, sizeof(out), in, sizeof(in)), 0);
		ck_assert_int_eq(a.response, FAILURE);
	}
}

/* What is no guest's business is an unknown command, which the device does not see: it would say that it is done. */
static void passed_refused(struct carrier *c)
{
	static const uint8_t refused_ones[] = {0x04, 0x1d, 0x3b, 0x40, 0x48, 0x83, 0x85, 0xa1, 0xa4, 0xb5, 0xc0, 0xff};
	static const uint8_t others[] = {0x01, 0x0a, 0x15, 0x1b, 0x2a, 0x35, 0x41, 0x42, 0x55, 0x5f, 0x62, 0x7f, 0x8a, 0x9f,
					 0xaa, 0xa5};
	static uint8_t data[BLOCK] = {1};
	le32 word;

	unit = attribute = 0;
	carrier_config_read(c, 8, &word, 4);
	ck_assert_uint_eq(le32toh(word), 128);
	for (size_t i = 0; i < ARRAY_SIZE(refused_ones); i++)
		IS_SENSE(READS(0, refused_ones[i], EIO, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), OPCODE);
	IS_GOOD(WRITES(data, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	ck_assert_int_eq(passed_end(c, 0x62, EIO), FAILURE);
	/* This one is for reading alone. */
	unit = 2;
	IS_GOOD(READS(0, 0x00, 0, 0, 0, 0, 0));
	IS_GOOD(READS(96, 0x12, 0, 0, 0, 96, 0));
	IS_GOOD(READS(8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	IS_SENSE(WRITES(data, BLOCK, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), OPCODE);
	IS_GOOD(READS(BLOCK, 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	ck_assert_uint_eq(a.data[0], 0);
	/* The device would say FAILURE. */
	ck_assert_int_eq(passed_end(c, 0x62, EIO), OK);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		IS_SENSE(READS(0, others[i], EIO, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), OPCODE);
}

/* A command that the device takes its time for ends when it is aborted; and others do not wait for it. */
static void passed_aborts(struct carrier *c)
{
	struct frontend_request *reqs[18];
	uint8_t out[51], in[RESP];
	size_t len;
	int fd;

	unit = attribute = 0;
	for (unsigned int i = 0; i < 18; i++) {
		len = command_put(out, CDB(0x60, 255, 0, 0, 0, 0, 0, 0, 0, 0), 10, NULL, 0);
		out[8] = (uint8_t)(0x10 + i);
		reqs[i] = carrier_submit(c, REQUESTQ, out, len, sizeof(in));
	}
	carrier_idle(c, 5);
	ck_assert_int_eq(tmf(c, 6, 0, 0x11), SUCCEEDED);
	/* One that a thread has, one that waits for a thread. */
	for (unsigned int i = 1; i < 18; i += 16) {
		ck_assert_int_eq(tmf(c, 0, 0, (uint8_t)(0x10 + i)), OK);
		carrier_await(c, REQUESTQ, reqs[i], in);
		ck_assert_uint_eq(in[11], ABORTED);
	}
	ck_assert_int_eq(tmf(c, 5, 0, 0), OK);
	for (unsigned int i = 0; i < 17; i++) {
		if (i == 1)
			continue;
		carrier_await(c, REQUESTQ, reqs[i], in);
		ck_assert_uint_eq(in[11], RESET);
	}
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), LUN_RESET);
	IS_GOOD(READS(0, 0x00, 0, 0, 0, 0, 0));
	/* The unit goes while the device is busy. */
	len = command_put(out, CDB(0x60, 255, 0, 0, 0, 0, 0, 0, 0, 0), 10, NULL, 0);
	reqs[0] = carrier_submit(c, REQUESTQ, out, len, sizeof(in));
	carrier_idle(c, 5);
	fd = control(c);
	tell(c, fd, "add 2:sg=sim\nresize 0\nremove 0\n",
	     "error: sim: devices of the host are passed through from the start, by --lun\n0\nok\nok\n");
	carrier_await(c, REQUESTQ, reqs[0], in);
	ck_assert_uint_eq(in[11], ABORTED);
	IS_SENSE(READS(0, 0x00, 0, 0, 0, 0, 0), NO_UNIT);
	close(fd);
	carrier_idle(c, 5);
}

/* ---- the configuration space */

static void config(struct carrier *c)
{
	uint8_t conf[36], out[19 + 16] = {1, 0, 0x40}, in[12 + 18];
	le32 word;

	carrier_config_read(c, 0, conf, sizeof(conf));
	memcpy(&word, conf + 20, 4);
	ck_assert_uint_eq(le32toh(word), 96);
	memcpy(&word, conf + 24, 4);
	ck_assert_uint_eq(le32toh(word), 32);
	word = htole32(16);
	ck_assert_int_eq(carrier_config_write(c, 24, &word, 4), 0);
	word = htole32(18);
	ck_assert_int_eq(carrier_config_write(c, 20, &word, 4), 0);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, sizeof(out), in, sizeof(in)), sizeof(in));
	ck_assert_mem_eq(in, "\x12\0\0\0", 4);
	ck_assert_uint_eq(in[10], CHECK);
	ck_assert_uint_eq(in[12 + 12], 0x29);
	word = htole32(253);
	ck_assert_int_ne(carrier_config_write(c, 20, &word, 4), 0);
	word = htole32(65);
	ck_assert_int_ne(carrier_config_write(c, 24, &word, 4), 0);
	word = htole32(15);
	ck_assert_int_ne(carrier_config_write(c, 24, &word, 4), 0);
	ck_assert_int_ne(carrier_config_write(c, 0, &word, 4), 0);
	ck_assert_int_ne(carrier_config_write(c, 20, &word, 2), 0);
	carrier_reset(c);
	carrier_config_read(c, 20, &word, 4);
	ck_assert_uint_eq(le32toh(word), 96);
}

static void moves(struct carrier *c)
{
	uint8_t p[24] = {[15] = 0x11};

	ready(c);
	IS_GOOD(OUT(0, 0));
	carrier_move(c);
	IS_GOOD(READS(0, 0x00, 0, 0, 0, 0, 0));
	IS_GOOD(READS(64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_uint_eq(a.data[15], 0x11);
}

/* The number of the last record in the file of reservations. */
static uint64_t kept_last(struct carrier *c)
{
	int fd = open(carrier_path(c, "kept"), O_RDONLY | O_CLOEXEC);
	le64 numbers[2];

	ck_assert_int_ge(fd, 0);
	for (off_t i = 0; i < 2; i++)
		ck_assert_int_eq(pread(fd, &numbers[i], 8, i * 4096 + KEPT_NUMBER), 8);
	close(fd);
	return le64toh(numbers[0]) > le64toh(numbers[1]) ? le64toh(numbers[0]) : le64toh(numbers[1]);
}

/* Reservations that are to be kept stay so where the guest moves. */
static void kept_moves(struct carrier *c)
{
	uint8_t p[24] = {[15] = 0x11, [20] = 1};
	uint64_t written;

	ready(c);
	IS_GOOD(OUT(0, 0));
	carrier_move(c);
	IS_GOOD(READS(8, 0x5e, 2, 0, 0, 0, 0, 0, 0, 8, 0));
	ck_assert_uint_eq(number(a.data + 2, 2), 0x181);
	memcpy(p, "\0\0\0\0\0\0\0\x11\0\0\0\0\0\0\0\0", 16);
	IS_GOOD(OUT(1, 5));
	IS_GOOD(OUT(3, 0));
	/* Also that there are none is written where the guest comes. */
	written = kept_last(c);
	carrier_move(c);
	for (unsigned int ms = 0; kept_last(c) == written && ms < 10000; ms++)
		carrier_idle(c, 1);
	ck_assert_uint_gt(kept_last(c), written);
	IS_GOOD(READS(64, 0x5e, 0, 0, 0, 0, 0, 0, 0, 64, 0));
	ck_assert_uint_eq(number(a.data + 4, 4), 0);
}

/* What was written last of the keys. */
static uint8_t kept_key(struct carrier *c)
{
	int fd = open(carrier_path(c, "kept"), O_RDONLY | O_CLOEXEC);
	uint8_t record[2][48];
	le64 numbers[2];

	ck_assert_int_ge(fd, 0);
	for (off_t i = 0; i < 2; i++) {
		ck_assert_int_eq(pread(fd, record[i], sizeof(record[i]), i * 4096), sizeof(record[i]));
		memcpy(&numbers[i], record[i] + KEPT_NUMBER, sizeof(numbers[i]));
	}
	close(fd);
	return record[le64toh(numbers[1]) > le64toh(numbers[0])][KEPT_NUMBER + 8];
}

/* A guest that has just come again changes its key: what was to be written for it is older. */
static void kept_moves_again(struct carrier *c)
{
	uint8_t p[24] = {[20] = 1};

	ready(c);
	for (uint8_t key = 1; key <= 8; key++) {
		carrier_move(c);
		carrier_move(c);
		p[15] = key;
		IS_GOOD(OUT(6, 0));
		carrier_idle(c, 20);
		ck_assert_uint_eq(kept_key(c), key);
	}
}

static const char *const sim_args[] = {"--lun=0:sim=128K,serial=number", "--lun=1:sim=64K,removable,block-size=4096",
				       "--lun=300:sim=64K", "--num-queues=1", NULL};
static const char *const large_args[] = {"--lun=0:path=%T/disk,block-size=4096", "--num-queues=1",
					 "--control=%T/control", NULL};
static const char *const passed_args[] = {"--lun=0:sg=sim", "--lun=1:sim=64K", "--num-queues=1", "--control=%T/control",
					  NULL};
static const char *const refused_args[] = {"--lun=0:sg=sim", "--lun=2:sg=sim,ro", "--num-queues=1", NULL};
static const char *const file_args[] = {"--lun=0:path=%T/disk", "--num-queues=1", NULL};
static const char *const direct_args[] = {"--lun=0:path=%T/disk,block-size=512", "--num-queues=1", "--cache=none",
					  NULL};

static void prepare_file(struct carrier *c)
{
	carrier_write_file(c, "disk", "", 0, false);
	ck_assert_int_eq(truncate(carrier_path(c, "disk"), BLOCKS * BLOCK), 0);
}

static const char *const grow_args[] = {"--lun=0:path=%T/disk", "--num-queues=1", "--folder=%T", "--control=%T/control",
					NULL};

static void prepare_files(struct carrier *c)
{
	prepare_file(c);
	carrier_write_file(c, "more", "", 0, false);
	ck_assert_int_eq(truncate(carrier_path(c, "more"), BLOCKS * BLOCK), 0);
}

static const char *const kept_small_args[] = {"--lun=0:sim=128K,reservations=%T/small/kept", "--num-queues=1", NULL};
static const char *const kept_args[] = {"--lun=0:sim=128K,reservations=%T/kept", "--num-queues=1", "--folder=%T",
					"--control=%T/control", NULL};

/* For the command add there must be one: it cannot make files. */
static void prepare_kept(struct carrier *c)
{
	carrier_write_file(c, "copy", "", 0, false);
}

#define ON_FILE	 .args = file_args, .prepare = prepare_file, .flags = CASE_ONCE
#define DIRECTLY .args = direct_args, .prepare = prepare_file, .flags = CASE_ONCE
#define CONTROL	 .args = control_args, .flags = CASE_ONCE

static const struct device_case cases[] = {
	{.name = "inquiry", .run = inquiry},
	{.name = "addresses", .run = addresses},
	{.name = "capacity", .run = capacity},
	{.name = "modes", .run = modes},
	{.name = "opcodes", .run = opcodes},
	{.name = "read, write", .run = read_write},
	{.name = "read, write: file", .run = read_write, ON_FILE},
	{.name = "read, write: direct", .run = read_write, DIRECTLY},
	{.name = "refused", .run = refused},
	{.name = "verify", .run = verify},
	{.name = "verify: file", .run = verify, ON_FILE},
	{.name = "compare and write", .run = compare_and_write},
	{.name = "write same", .run = write_same},
	{.name = "write same: file", .run = write_same, ON_FILE},
	{.name = "write same: direct", .run = write_same, DIRECTLY},
	{.name = "unmap", .run = unmap},
	{.name = "unmap: file", .run = unmap, ON_FILE},
	{.name = "holes", .run = holes, ON_FILE},
	{.name = "medium", .run = medium, .flags = CASE_ONCE},
	{.name = "reservations", .run = reservations, .flags = CASE_ONCE},
	{.name = "kept", .run = kept, .args = kept_args, .prepare = prepare_kept, .flags = CASE_ONCE},
	{.name = "kept, no room",
	 .run = kept_no_room,
	 .args = kept_small_args,
	 .prepare = prepare_small,
	 .flags = CASE_ONCE | CASE_NOT_BINARY},
	{.name = "kept, moves", .run = kept_moves, .args = kept_args, .prepare = prepare_kept, .flags = CASE_ONCE},
	{.name = "kept, moves again",
	 .run = kept_moves_again,
	 .args = kept_args,
	 .prepare = prepare_kept,
	 .flags = CASE_ONCE},
	{.name = "read-only", .run = read_only, .args = read_only_args, .flags = CASE_ONCE},
	{.name = "management", .run = management},
	{.name = "aborts", .run = aborts, .args = control_args, .flags = CASE_ONCE, .depth = 3},
	{.name = "ordered", .run = ordered, .args = control_args, .flags = CASE_ONCE, .depth = 6},
	{.name = "faults", .run = faults, CONTROL},
	{.name = "durable", .run = durable, CONTROL},
	{.name = "hot-plug", .run = hot_plug, CONTROL},
	{.name = "removal", .run = removal, CONTROL},
	{.name = "file grows", .run = file_grows, .args = grow_args, .prepare = prepare_files, .flags = CASE_ONCE},
	{.name = "file shrinks", .run = file_shrinks, .args = large_args, .prepare = prepare_file, .flags = CASE_ONCE},
	{.name = "passed", .run = passed, .args = passed_args},
	{.name = "passed, refused", .run = passed_refused, .args = refused_args, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "passed, aborts", .run = passed_aborts, .args = passed_args, .flags = CASE_ONCE, .depth = 18},
	{.name = "config", .run = config, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
};

static const struct device_suite scsi = {
	.device = "scsi",
	.args = sim_args,
	DEVICE_CASES(cases),
};

Suite *suite_scsi(void)
{
	Suite *s = suite_create("scsi");

	suite_add_device(s, &scsi);
	return s;
}
