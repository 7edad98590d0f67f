/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_i2c.c - the I2C adapter device on adapters of the kernel's: i2c-stub, which knows SMBus commands only (Linux,
 * Documentation/i2c/i2c-stub.rst), and an i2c-virtio adapter, which makes any transfer, of another vdevd with
 * simulated targets.  Where there is none, or no right to it, the tests are skipped: guest.sh has a
 * guest with both.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <i2c/smbus.h>
#include <linux/i2c-dev.h>

#include "test/device/i2c/i2c_driver.h"
#include "test/unit/suites.h"

#define SYSFS "/sys/bus/i2c/devices"

/* What i2c-stub must be loaded with: chip_addr=0x20,0x21,0x22 functionality=0x0fff0000 */
#define STUB  "SMBus stub driver"
#define CHIP  0x20
#define OTHER 0x21

/* What the other vdevd must have: --sim=lm75@0x48:21.5 --sim=eeprom@0x50:256 --sim=eeprom@0x51:4K */
#define VIRTIO	"i2c_virtio"
#define LM75	0x48
#define EEPROM	0x50
#define EEPROM2 0x51

/* The adapter under test: its number and its whole name. */
static int adapter;
static char adapter_name[64];

/* Looks for an adapter whose name begins like this, with a node that can be opened. */
static bool adapter_find(const char *name)
{
	DIR *dir = opendir(SYSFS);
	char path[300] = "";
	bool found = false;

	for (struct dirent *e; dir && !found && (e = readdir(dir));) {
		FILE *f;

		if (strncmp(e->d_name, "i2c-", 4) != 0)
			continue;
		snprintf(path, sizeof(path), SYSFS "/%.200s/name", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(adapter_name, sizeof(adapter_name), f))
			found = strncmp(adapter_name, name, strlen(name)) == 0;
		if (f)
			fclose(f);
		adapter = (int)strtol(e->d_name + 4, NULL, 10);
	}
	if (dir)
		closedir(dir);
	adapter_name[strcspn(adapter_name, "\n")] = '\0';
	snprintf(path, sizeof(path), "/dev/i2c-%d", adapter);
	return found && access(path, R_OK | W_OK) == 0;
}

/* The device on that adapter, with these addresses. */
static struct carrier *adapter_open(int kind, const char *addrs)
{
	static struct device_suite suite = {.device = "i2c"};
	static char bus[100], addr[100];
	static const char *const args[] = {bus, addr, "--timeout-ms=500", "--retries=2", NULL};

	snprintf(bus, sizeof(bus), "--bus=%s", adapter_name);
	snprintf(addr, sizeof(addr), "--addr=%s", addrs);
	suite.args = args;
	return carrier_open((enum carrier_kind)kind, &suite);
}

/* Another user of the adapter, as near to the target as one can come. */
static int world_open(uint16_t addr)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/i2c-%d", adapter);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, I2C_SLAVE_FORCE, (unsigned long)addr), 0);
	return fd;
}

/* ---- SMBus commands only */

/* Each command goes out as what it is, and the world sees it. */
START_TEST(test_commands)
{
	struct carrier *c;
	uint8_t in[34], block[32];
	int world;

	ck_assert(adapter_find(STUB));
	c = adapter_open(_i, "0x20");
	world = world_open(CHIP);

	ck_assert_int_eq(i2c_put(c, CHIP, NULL, 0), OK);  /* quick */
	ck_assert_int_eq(i2c_put(c, CHIP, "\x05z", 2), OK); /* byte data */
	ck_assert_int_eq(i2c_smbus_read_byte_data(world, 5), 'z');
	ck_assert_int_eq(i2c_smbus_write_byte_data(world, 6, 'y'), 0);
	TOGETHER(c, {CHIP, FAIL_NEXT, "\x06", 0, 0, OK, NULL}, {CHIP, M_RD, NULL, 0, 1, OK, "y"});

	ck_assert_int_eq(i2c_put(c, CHIP, "\x05", 1), OK); /* send byte: the address of the next */
	ck_assert_int_eq(i2c_take(c, CHIP, in, 1), OK);	   /* receive byte */
	ck_assert_uint_eq(in[0], 'z');
	ck_assert_int_eq(i2c_take(c, CHIP, in, 1), OK);
	ck_assert_uint_eq(in[0], 'y');

	ck_assert_int_eq(i2c_put(c, CHIP, "\x10\x34\x12", 3), OK); /* word data */
	ck_assert_int_eq(i2c_smbus_read_word_data(world, 0x10), 0x1234);
	ck_assert_int_eq(i2c_smbus_write_word_data(world, 0x11, 0xabcd), 0);
	TOGETHER(c, {CHIP, FAIL_NEXT, "\x11", 0, 0, OK, NULL}, {CHIP, M_RD, NULL, 0, 2, OK, "\xcd\xab"});

	ck_assert_int_eq(i2c_put(c, CHIP, "\x20" "block of bytes", 15), OK); /* I2C block */
	ck_assert_int_eq(i2c_smbus_read_i2c_block_data(world, 0x20, 14, block), 14);
	ck_assert_mem_eq(block, "block of bytes", 14);
	TOGETHER(c, {CHIP, FAIL_NEXT, "\x22", 0, 0, OK, NULL}, {CHIP, M_RD, NULL, 0, 12, OK, "ock of bytes"});
	close(world);
	carrier_close(c);
}
END_TEST

/* The longest there are: 32 bytes as an I2C block; and as a block, whose count is in its first byte. */
START_TEST(test_blocks)
{
	uint8_t out[HEADER + 34], in[34], block[32];
	struct carrier *c;
	int world;

	ck_assert(adapter_find(STUB));
	c = adapter_open(_i, "0x20");
	world = world_open(CHIP);
	memcpy(out, i2c_head(CHIP << 1, 0, NULL, 0), HEADER);
	for (size_t i = 0; i < 34; i++)
		out[HEADER + i] = (uint8_t)(0x40 + i);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, HEADER + 33, in, 1), 1);
	ck_assert_int_eq(in[0], OK);
	ck_assert_int_eq(i2c_smbus_read_i2c_block_data(world, 0x40, 32, block), 32);
	ck_assert_mem_eq(block, out + HEADER + 1, 32);

	/* One byte more is a block if the count says so, and else nothing. */
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, HEADER + 34, in, 1), 1);
	ck_assert_int_eq(in[0], ERR);
	out[HEADER] = 0x60;
	out[HEADER + 1] = 32;
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, HEADER + 34, in, 1), 1);
	ck_assert_int_eq(in[0], OK);
	ck_assert_int_eq(i2c_smbus_read_block_data(world, 0x60, block), 32);
	ck_assert_mem_eq(block, out + HEADER + 2, 32);
	TOGETHER(c, {CHIP, FAIL_NEXT, "\x60", 0, 0, OK, NULL},
		 {CHIP, M_RD, NULL, 0, 33, OK,
		  "\x20\x42\x43\x44\x45\x46\x47\x48\x49\x4a\x4b\x4c\x4d\x4e\x4f\x50\x51\x52\x53\x54\x55\x56\x57\x58\x59"
		  "\x5a\x5b\x5c\x5d\x5e\x5f\x60\x61"});
	close(world);
	carrier_close(c);
}
END_TEST

/* What is no command gets an error, what nobody listed too, and the next request is served. */
START_TEST(test_no_commands)
{
	struct carrier *c;
	uint8_t in[4];
	int world;

	ck_assert(adapter_find(STUB));
	c = adapter_open(_i, "0x20,0x22-0x23:ro");
	world = world_open(OTHER);
	ck_assert_int_eq(i2c_put(c, CHIP, "\x01q", 2), OK);
	ck_assert_int_eq(i2c_take(c, CHIP, in, 2), ERR);
	TOGETHER(c, {CHIP, FAIL_NEXT, "\x01!", 0, 0, ERR, NULL}, {CHIP, 0, "\x01!", 0, 0, ERR, NULL});
	TOGETHER(c, {CHIP, FAIL_NEXT, "\x01", 0, 0, ERR, NULL}, {CHIP, FAIL_NEXT | M_RD, NULL, 0, 1, ERR, NULL},
		 {CHIP, M_RD, NULL, 0, 1, ERR, NULL});
	/* There is a chip, but it is not the guest's. */
	ck_assert_int_eq(i2c_smbus_write_byte_data(world, 1, 'w'), 0);
	ck_assert_int_eq(i2c_put(c, OTHER, "\x01!", 2), ERR);
	ck_assert_int_eq(i2c_put(c, OTHER, NULL, 0), ERR);
	ck_assert_int_eq(i2c_smbus_read_byte_data(world, 1), 'w');
	/* There is a chip that is read-only for the guest. */
	ck_assert_int_eq(i2c_put(c, 0x22, "\x01!", 2), ERR);
	TOGETHER(c, {0x22, FAIL_NEXT, "\x01", 0, 0, OK, NULL}, {0x22, M_RD, NULL, 0, 1, OK, "\0"});
	/* There is none: the adapter says so. */
	TOGETHER(c, {0x23, FAIL_NEXT, "\x01", 0, 0, ERR, NULL}, {0x23, M_RD, NULL, 0, 1, ERR, NULL});
	TOGETHER(c, {CHIP, FAIL_NEXT, "\x01", 0, 0, OK, NULL}, {CHIP, M_RD, NULL, 0, 1, OK, "q"});
	close(world);
	carrier_close(c);
}
END_TEST

static void sysfs_write(const char *file, const char *text)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), SYSFS "/i2c-%d/%s", adapter, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* An address that a driver of the host has is served all the same; the operator is told. */
START_TEST(test_driver)
{
	struct carrier *c;
	char *said;

	ck_assert(adapter_find(STUB));
	sysfs_write("new_device", "dummy 0x22");
	c = adapter_open(CARRIER_BINARY, "0x20,0x22");
	TOGETHER(c, {0x22, FAIL_NEXT, "\x01", 0, 0, OK, NULL}, {0x22, M_RD, NULL, 0, 1, OK, "\0"});
	said = carrier_log(c);
	ck_assert_ptr_nonnull(strstr(said, "0x22 on i2c-"));
	ck_assert_ptr_nonnull(strstr(said, " is used by the host's driver dummy, too\n"));
	ck_assert_ptr_null(strstr(said, "0x20 on"));
	ck_assert_ptr_nonnull(strstr(said, ": SMBus commands only\n"));
	free(said);
	carrier_close(c);
	sysfs_write("delete_device", "0x22");
}
END_TEST

/* ---- any transfer */

START_TEST(test_transfers)
{
	struct carrier *c;
	uint8_t in[SEGMENT_MAX];

	ck_assert(adapter_find(VIRTIO));
	c = adapter_open(_i, "0x47-0x48,0x50,0x51");
	ck_assert_int_eq(i2c_put(c, LM75, NULL, 0), OK);
	ck_assert_int_eq(i2c_take(c, LM75, in, 0), OK);
	ck_assert_int_eq(i2c_put(c, 0x47, NULL, 0), ERR);
	TOGETHER(c, {LM75, FAIL_NEXT, "\0", 1, 0, OK, NULL}, {LM75, M_RD, NULL, 0, 2, OK, "\x15\x80"});
	/* A repeated START, not a STOP and a START: the EEPROM forgets what was written. */
	TOGETHER(c, {EEPROM, FAIL_NEXT, "\x20!", 0, 0, OK, NULL}, {EEPROM, M_RD, NULL, 0, 1, OK, "\xff"});
	TOGETHER(c, {EEPROM, FAIL_NEXT, "\x20", 0, 0, OK, NULL}, {EEPROM, M_RD, NULL, 0, 1, OK, "\xff"});
	/* Two targets and an empty segment in one transfer. */
	TOGETHER(c, {EEPROM, 0, "\x20" "ab", 0, 0, OK, NULL}, {EEPROM, FAIL_NEXT, "\x20", 0, 0, OK, NULL},
		 {EEPROM, FAIL_NEXT | M_RD, NULL, 0, 2, OK, "ab"}, {LM75, FAIL_NEXT, NULL, 0, 0, OK, NULL},
		 {LM75, M_RD, NULL, 0, 1, OK, "\x15"});
	/* A target that is not there fails its transfer alone. */
	TOGETHER(c, {0x47, FAIL_NEXT, "\x01", 0, 0, ERR, NULL}, {LM75, M_RD, NULL, 0, 2, ERR, NULL},
		 {LM75, M_RD, NULL, 0, 1, OK, "\x15"});
	/* The longest segment. */
	ck_assert_int_eq(i2c_put(c, EEPROM2, "\0\0start", 7), OK);
	ck_assert_int_eq(i2c_put(c, EEPROM2, "\0\0", 2), OK);
	ck_assert_int_eq(i2c_take(c, EEPROM2, in, SEGMENT_MAX), OK);
	ck_assert_mem_eq(in, "start\xff", 6);
	ck_assert_mem_eq(in + 4096, "start\xff", 6);
	/* As it was, for the next. */
	ck_assert_int_eq(i2c_put(c, EEPROM, "\x20\xff\xff", 3), OK);
	carrier_close(c);
}
END_TEST

/* As many segments as a transfer may have. */
START_TEST(test_longest)
{
	struct i2c_test_segment s[SEGMENTS_MAX];
	struct carrier *c;

	ck_assert(adapter_find(VIRTIO));
	c = adapter_open(_i, "0x48");
	for (unsigned int i = 0; i < SEGMENTS_MAX; i++)
		s[i] = (struct i2c_test_segment){LM75, FAIL_NEXT | (i % 2 ? M_RD : 0), i % 2 ? NULL : "\0", i % 2 ? 0 : 1,
						 i % 2 ? 2 : 0, OK, "\x15\x80"};
	s[SEGMENTS_MAX - 1].flags = M_RD;
	i2c_together(c, s, SEGMENTS_MAX);
	carrier_close(c);
}
END_TEST

/* Options that name an adapter: each way does, and what it cannot do is refused. */
START_TEST(test_names)
{
	static struct device_suite suite = {.device = "i2c"};
	char bus[4][100];

	ck_assert(adapter_find(STUB));
	snprintf(bus[0], sizeof(bus[0]), "--bus=%d", adapter);
	snprintf(bus[1], sizeof(bus[1]), "--bus=/dev/i2c-%d", adapter);
	snprintf(bus[2], sizeof(bus[2]), "--bus=i2c-%d", adapter);
	snprintf(bus[3], sizeof(bus[3]), "--device-list=%s:32:33", adapter_name);
	for (size_t i = 0; i < ARRAY_SIZE(bus); i++) {
		const char *args[] = {bus[i], i < 3 ? "--addr=0x20" : NULL, NULL};
		struct carrier *c;

		suite.args = args;
		c = carrier_open(CARRIER_SESSION, &suite);
		ck_assert_int_eq(i2c_put(c, CHIP, NULL, 0), OK);
		ck_assert_int_eq(i2c_put(c, OTHER, NULL, 0), i < 3 ? ERR : OK);
		carrier_close(c);
	}
}
END_TEST

START_TEST(test_no_stub)
{
	test_note_skip("hw_i2c, SMBus commands", "no adapter %s", STUB);
}
END_TEST

START_TEST(test_no_virtio)
{
	test_note_skip("hw_i2c, any transfer", "no adapter %s", VIRTIO);
}
END_TEST

Suite *suite_hw_i2c(void)
{
	Suite *s = suite_create("hw_i2c");
	TCase *tc = tcase_create("adapters");

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	if (adapter_find(STUB)) {
		tcase_add_loop_test(tc, test_commands, 0, CARRIER_KINDS);
		tcase_add_loop_test(tc, test_blocks, 0, CARRIER_KINDS);
		tcase_add_loop_test(tc, test_no_commands, 0, CARRIER_KINDS);
		tcase_add_test(tc, test_driver);
		tcase_add_test(tc, test_names);
	} else {
		tcase_add_test(tc, test_no_stub);
	}
	if (adapter_find(VIRTIO)) {
		tcase_add_loop_test(tc, test_transfers, 0, CARRIER_KINDS);
		tcase_add_loop_test(tc, test_longest, 0, CARRIER_KINDS);
	} else {
		tcase_add_test(tc, test_no_virtio);
	}
	return s;
}
