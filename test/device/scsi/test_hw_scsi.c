/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_scsi.c - commands passed to a SCSI device of the kernel's: scsi_debug, by /dev/sgN and by /dev/bsg/...  Where there is
 * none, or no right to it, the test is skipped: guest.sh has a guest with one.  What is on the device is lost.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/lib/random.h"
#include "test/unit/suites.h"

#define CLASS "/sys/class/scsi_generic"
#define DELAY "/sys/bus/pseudo/drivers/scsi_debug/delay"
#define RESP  108
#define BLOCK 512

enum { CONTROLQ, EVENTQ, REQUESTQ };

enum { SG, BSG, WAYS };

/* The nodes of the device under test. */
static char nodes[WAYS][300];

static bool device_find(void)
{
	DIR *dir = opendir(CLASS);
	bool found = false;

	for (struct dirent *e; dir && !found && (e = readdir(dir));) {
		char path[300], model[32] = "", link[300] = "";
		FILE *f;

		snprintf(path, sizeof(path), CLASS "/%.200s/device/model", e->d_name);
		f = fopen(path, "re");
		found = f && fgets(model, sizeof(model), f) && strncmp(model, "scsi_debug", 10) == 0;
		if (f)
			fclose(f);
		snprintf(nodes[SG], sizeof(nodes[SG]), "/dev/%.200s", e->d_name);
		snprintf(path, sizeof(path), CLASS "/%.200s/device", e->d_name);
		if (found && readlink(path, link, sizeof(link) - 1) > 0)
			snprintf(nodes[BSG], sizeof(nodes[BSG]), "/dev/bsg/%.250s", strrchr(link, '/') + 1);
	}
	if (dir)
		closedir(dir);
	return found && access(nodes[SG], R_OK | W_OK) == 0;
}

static struct carrier *device_open(int way, enum carrier_kind kind)
{
	static struct device_suite suite = {.device = "scsi"};
	static char lun[320];
	static const char *const args[] = {lun, "--num-queues=1", NULL};

	snprintf(lun, sizeof(lun), "--lun=0:sg=%.300s", nodes[way]);
	suite.args = args;
	return carrier_open(kind, &suite);
}

static size_t command_put(uint8_t *out, const char *cdb, size_t cdb_len, const void *data, size_t len)
{
	memset(out, 0, 51);
	out[0] = 1;
	out[2] = 0x40;
	out[8] = 0x77;
	memcpy(out + 19, cdb, cdb_len);
	if (len)
		memcpy(out + 51, data, len);
	return 51 + len;
}

/* Sends a command; its answer in in.  An attention of the device is not what was asked for: once more. */
static void command(struct carrier *c, const char *cdb, size_t cdb_len, const void *data, size_t len, uint8_t *in, size_t room)
{
	static uint8_t out[51 + 64 * BLOCK];
	size_t out_len = command_put(out, cdb, cdb_len, data, len);

	for (unsigned int i = 0; i < 4; i++) {
		carrier_request(c, REQUESTQ, out, out_len, in, RESP + room);
		if (in[11] || in[10] != 2 || (in[14] & 15) != 6)
			break;
	}
}

#define READS(in, room, cdb)	command(c, cdb, sizeof(cdb) - 1, NULL, 0, in, room)
#define WRITES(in, data, len, cdb) command(c, cdb, sizeof(cdb) - 1, data, len, in, 0)

static void is_good(const uint8_t *in)
{
	ck_assert_uint_eq(in[11], 0);
	ck_assert_uint_eq(in[10], 0);
}

/* What the device is, bytes to it and back, and what it refuses, with its own sense data. */
START_TEST(test_passed)
{
	static uint8_t data[64 * BLOCK], in[RESP + 64 * BLOCK];
	int way = _i / CARRIER_KINDS;
	uint32_t state = 11;
	struct carrier *c;

	if (access(nodes[way], R_OK | W_OK) < 0)
		ck_abort_msg("no %s", nodes[way]);
	c = device_open(way, (enum carrier_kind)(_i % CARRIER_KINDS));
	READS(in, 96, "\x12\0\0\0\x60\0");
	is_good(in);
	ck_assert_mem_eq(in + RESP + 8, "Linux   scsi_debug      ", 24);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(random_next(&state) >> 8);
	WRITES(in, data, sizeof(data), "\x2a\0\0\0\0\x20\0\0\x40\0");
	is_good(in);
	ck_assert_mem_eq(in + 4, "\0\0\0\0", 4);
	memset(in, 0, sizeof(in));
	READS(in, sizeof(data), "\x28\0\0\0\0\x20\0\0\x40\0");
	is_good(in);
	ck_assert_mem_eq(in + RESP, data, sizeof(data));
	/* Less than there is room for. */
	READS(in, 64, "\x25\0\0\0\0\0\0\0\0\0");
	is_good(in);
	ck_assert_uint_eq(in[4], 56);
	READS(in, BLOCK, "\x28\0\x7f\xff\xff\xff\0\0\1\0");
	ck_assert_uint_eq(in[10], 2);
	ck_assert_uint_ge(in[0], 14);
	ck_assert_uint_eq(in[14] & 15, 5);
	ck_assert_uint_eq(in[12 + 12], 0x21);
	carrier_close(c);
}
END_TEST

/* Writes the kernel's delay of each command, in jiffies.  Returns false where that is not allowed. */
static bool delay(const char *jiffies)
{
	int fd = open(DELAY, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, jiffies, strlen(jiffies)) > 0;

	if (fd >= 0)
		close(fd);
	return written;
}

/* A command that takes six seconds is aborted: the driver has it back at once. */
START_TEST(test_abort)
{
	struct carrier *c = device_open(SG, CARRIER_BINARY);
	struct timespec begun, ended;
	uint8_t out[51], in[RESP + BLOCK], tmf[24] = {[8] = 1, [10] = 0x40, [16] = 0x77}, response = 0xee;
	struct frontend_request *req;
	size_t len = command_put(out, "\x28\0\0\0\0\0\0\0\1\0", 10, NULL, 0);

	READS(in, 0, "\0\0\0\0\0\0");
	is_good(in);
	if (!delay("600")) {
		carrier_close(c);
		ck_abort_msg("%s cannot be written", DELAY);
	}
	req = carrier_submit(c, REQUESTQ, out, len, sizeof(in));
	carrier_idle(c, 50);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, tmf, sizeof(tmf), &response, 1), 1);
	ck_assert_uint_eq(response, 0);
	carrier_await(c, REQUESTQ, req, in);
	ck_assert_uint_eq(in[11], 2);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	ck_assert_int_lt(ended.tv_sec - begun.tv_sec, 4);
	carrier_close(c);
	/* While a command is under way the kernel says EBUSY. */
	for (unsigned int i = 0; i < 1200 && !delay("0"); i++)
		usleep(50000);
}
END_TEST

START_TEST(test_no_device)
{
	test_note_skip("hw_scsi", "no scsi_debug, or no right to its /dev/sgN");
}
END_TEST

Suite *suite_hw_scsi(void)
{
	Suite *s = suite_create("hw_scsi");
	TCase *tc = tcase_create("scsi_debug");

	tcase_set_timeout(tc, 90);
	suite_add_tcase(s, tc);
	if (device_find()) {
		tcase_add_loop_test(tc, test_passed, 0, WAYS * CARRIER_KINDS);
		tcase_add_test(tc, test_abort);
	} else {
		tcase_add_test(tc, test_no_device);
	}
	return s;
}
