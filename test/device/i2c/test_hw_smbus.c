/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_smbus.c - transfers as SMBus commands: which command is which transfer, and what is none.
 */
#include <errno.h>
#include <string.h>

#include "devices/i2c/i2c_smbus.h"
#include "test/unit/suites.h"

#define ALL (~0ul)

/* A transfer: what is written, then how many bytes are read.  -1: there is no such segment. */
struct row {
	const char *name;
	unsigned long funcs;
	int w;           /* bytes */
	int r;
	uint8_t out[40];
	int want;        /* 0 or -errno */
	/* the command */
	int dir, size, command;
	uint8_t data[36]; /* its data, when it writes */
};

static const struct row rows[] = {
	{"quick write", I2C_FUNC_SMBUS_QUICK, 0, -1, {0}, 0, I2C_SMBUS_WRITE, I2C_SMBUS_QUICK, 0, {0}},
	{"quick read", I2C_FUNC_SMBUS_QUICK, -1, 0, {0}, 0, I2C_SMBUS_READ, I2C_SMBUS_QUICK, 0, {0}},
	{"no quick write", ALL & ~(unsigned long)I2C_FUNC_SMBUS_QUICK, 0, -1, {0}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"no quick read", ALL & ~(unsigned long)I2C_FUNC_SMBUS_QUICK, -1, 0, {0}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"send byte", I2C_FUNC_SMBUS_WRITE_BYTE, 1, -1, {7}, 0, I2C_SMBUS_WRITE, I2C_SMBUS_BYTE, 7, {0}},
	{"receive byte", I2C_FUNC_SMBUS_READ_BYTE, -1, 1, {0}, 0, I2C_SMBUS_READ, I2C_SMBUS_BYTE, 0, {0}},
	{"no send byte", I2C_FUNC_SMBUS_READ_BYTE, 1, -1, {7}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"no receive byte", I2C_FUNC_SMBUS_WRITE_BYTE, -1, 1, {0}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"a read of two bytes is none", ALL, -1, 2, {0}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"write byte", I2C_FUNC_SMBUS_WRITE_BYTE_DATA, 2, -1, {7, 8}, 0, I2C_SMBUS_WRITE, I2C_SMBUS_BYTE_DATA, 7, {8}},
	{"write byte as a block", I2C_FUNC_SMBUS_WRITE_I2C_BLOCK, 2, -1, {7, 8}, 0, I2C_SMBUS_WRITE, I2C_SMBUS_I2C_BLOCK_DATA,
	 7, {1, 8}},
	{"write word", I2C_FUNC_SMBUS_WRITE_WORD_DATA, 3, -1, {7, 0x34, 0x12}, 0, I2C_SMBUS_WRITE, I2C_SMBUS_WORD_DATA, 7,
	 {0x34, 0x12}},
	{"write word as an I2C block", I2C_FUNC_SMBUS_WRITE_I2C_BLOCK, 3, -1, {7, 8, 9}, 0, I2C_SMBUS_WRITE,
	 I2C_SMBUS_I2C_BLOCK_DATA, 7, {2, 8, 9}},
	{"write word as a block", I2C_FUNC_SMBUS_WRITE_BLOCK_DATA, 3, -1, {7, 1, 9}, 0, I2C_SMBUS_WRITE, I2C_SMBUS_BLOCK_DATA,
	 7, {1, 9}},
	{"the longest I2C block", ALL, 33, -1, {7, 1, 2}, 0, I2C_SMBUS_WRITE, I2C_SMBUS_I2C_BLOCK_DATA, 7, {32, 1, 2}},
	{"the longest block", ALL, 34, -1, {7, 32, 5}, 0, I2C_SMBUS_WRITE, I2C_SMBUS_BLOCK_DATA, 7, {32, 5}},
	{"one more", ALL, 35, -1, {7, 33, 5}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"a count that is not the block's", I2C_FUNC_SMBUS_WRITE_BLOCK_DATA, 4, -1, {7, 1, 9, 9}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"read byte", I2C_FUNC_SMBUS_READ_BYTE_DATA, 1, 1, {7}, 0, I2C_SMBUS_READ, I2C_SMBUS_BYTE_DATA, 7, {0}},
	{"read word", I2C_FUNC_SMBUS_READ_WORD_DATA, 1, 2, {7}, 0, I2C_SMBUS_READ, I2C_SMBUS_WORD_DATA, 7, {0}},
	{"read byte as an I2C block", I2C_FUNC_SMBUS_READ_I2C_BLOCK, 1, 1, {7}, 0, I2C_SMBUS_READ, I2C_SMBUS_I2C_BLOCK_DATA, 7,
	 {1}},
	{"read I2C block", ALL, 1, 32, {7}, 0, I2C_SMBUS_READ, I2C_SMBUS_I2C_BLOCK_DATA, 7, {32}},
	{"read block", ALL, 1, 33, {7}, 0, I2C_SMBUS_READ, I2C_SMBUS_BLOCK_DATA, 7, {0}},
	{"read a short block", I2C_FUNC_SMBUS_READ_BLOCK_DATA, 1, 3, {7}, 0, I2C_SMBUS_READ, I2C_SMBUS_BLOCK_DATA, 7, {0}},
	{"read more than a block", ALL, 1, 34, {7}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"process call", I2C_FUNC_SMBUS_PROC_CALL, 3, 2, {7, 0x34, 0x12}, 0, I2C_SMBUS_WRITE, I2C_SMBUS_PROC_CALL, 7,
	 {0x34, 0x12}},
	{"block process call", I2C_FUNC_SMBUS_BLOCK_PROC_CALL, 4, 9, {7, 2, 3, 4}, 0, I2C_SMBUS_WRITE,
	 I2C_SMBUS_BLOCK_PROC_CALL, 7, {2, 3, 4}},
	{"a process call of another length", ALL, 3, 3, {7, 9, 9}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"a 16-bit address", ALL, 2, 4, {0, 0}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"an empty write before a read", ALL, 0, 1, {0}, -EOPNOTSUPP, 0, 0, 0, {0}},
	{"an empty read after a write", ALL, 1, 0, {7}, -EOPNOTSUPP, 0, 0, 0, {0}},
};

START_TEST(test_plan)
{
	const struct row *row = &rows[_i];
	uint8_t out[40], in[40];
	struct i2c_segment segs[2];
	struct smbus_call call;
	unsigned int n = 0;

	memcpy(out, row->out, sizeof(out));
	if (row->w >= 0)
		segs[n++] = (struct i2c_segment){.addr = 0x20, .len = (uint16_t)row->w, .buf = out};
	if (row->r >= 0)
		segs[n++] = (struct i2c_segment){.addr = 0x20, .len = (uint16_t)row->r, .read = true, .buf = in};
	ck_assert_msg(smbus_plan(row->funcs, segs, n, &call) == row->want, "%s", row->name);
	if (row->want < 0)
		return;
	ck_assert_msg(call.dir == row->dir && call.size == row->size && call.command == row->command, "%s: %d %d %d",
		      row->name, call.dir, call.size, call.command);
	if (row->size == I2C_SMBUS_WORD_DATA || row->size == I2C_SMBUS_PROC_CALL)
		ck_assert_int_eq(call.data.word, row->data[0] | row->data[1] << 8);
	else
		ck_assert_mem_eq(call.data.block, row->data, sizeof(call.data.block));
}
END_TEST

/* Two segments that are not a write and a read of one target are no command; nor are three. */
START_TEST(test_no_plan)
{
	static const struct {
		unsigned int n;
		uint16_t addr[3];
		bool read[3];
	} table[] = {
		{2, {0x20, 0x21}, {false, true}},
		{2, {0x20, 0x20}, {false, false}},
		{2, {0x20, 0x20}, {true, true}},
		{2, {0x20, 0x20}, {true, false}},
		{3, {0x20, 0x20, 0x20}, {false, true, true}},
	};
	struct i2c_segment segs[3];
	struct smbus_call call;
	uint8_t buf[1] = {0};

	for (unsigned int i = 0; i < 3; i++)
		segs[i] = (struct i2c_segment){.addr = table[_i].addr[i], .len = 1, .read = table[_i].read[i], .buf = buf};
	ck_assert_int_eq(smbus_plan(ALL, segs, table[_i].n, &call), -EOPNOTSUPP);
}
END_TEST

START_TEST(test_take)
{
	static const struct {
		int size;
		uint8_t data[8];
		uint16_t len;
		int want;
		uint8_t in[4];
	} table[] = {
		{I2C_SMBUS_QUICK, {9}, 0, 0, {0}},
		{I2C_SMBUS_BYTE, {9}, 1, 0, {9}},
		{I2C_SMBUS_BYTE_DATA, {9}, 1, 0, {9}},
		{I2C_SMBUS_I2C_BLOCK_DATA, {3, 7, 8, 9}, 3, 0, {7, 8, 9}},
		{I2C_SMBUS_I2C_BLOCK_DATA, {3, 7, 8, 9}, 2, 0, {7, 8}},
		{I2C_SMBUS_I2C_BLOCK_DATA, {2, 7, 8, 9}, 3, -EPROTO, {0}},
		{I2C_SMBUS_BLOCK_DATA, {2, 7, 8}, 3, 0, {2, 7, 8}},
		{I2C_SMBUS_BLOCK_DATA, {9, 7, 8}, 2, 0, {9, 7}},
		{I2C_SMBUS_BLOCK_DATA, {2, 7, 8}, 4, -EPROTO, {0}},
		{I2C_SMBUS_BLOCK_PROC_CALL, {1, 7}, 2, 0, {1, 7}},
		{I2C_SMBUS_BLOCK_PROC_CALL, {1, 7}, 3, -EPROTO, {0}},
	};
	uint8_t in[4] = {0};
	struct i2c_segment r = {.read = true, .len = table[_i].len, .buf = in};
	struct smbus_call call = {.size = table[_i].size};

	memcpy(&call.data, table[_i].data, sizeof(table[_i].data));
	ck_assert_int_eq(smbus_take(&call, &r), table[_i].want);
	ck_assert_mem_eq(in, table[_i].in, sizeof(in));
}
END_TEST

/* A word is sent low byte first. */
START_TEST(test_take_word)
{
	uint8_t in[2];
	struct i2c_segment r = {.read = true, .len = 2, .buf = in};
	struct smbus_call call = {.size = _i ? I2C_SMBUS_PROC_CALL : I2C_SMBUS_WORD_DATA, .data = {.word = 0x1234}};

	ck_assert_int_eq(smbus_take(&call, &r), 0);
	ck_assert_mem_eq(in, "\x34\x12", 2);
}
END_TEST

Suite *suite_hw_smbus(void)
{
	Suite *s = suite_create("hw_smbus");
	TCase *tc = tcase_create("commands");

	tcase_add_loop_test(tc, test_plan, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_loop_test(tc, test_no_plan, 0, 5);
	tcase_add_loop_test(tc, test_take, 0, 11);
	tcase_add_loop_test(tc, test_take_word, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}
