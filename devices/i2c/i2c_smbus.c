/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_smbus.c - a transfer as the SMBus command that puts the same bytes on the bus: SMBus specification 3.2, section 6.5
 * "Bus Protocols", and the I2C block commands that Linux adds.
 */
#include "devices/i2c/i2c_smbus.h"

#include <errno.h>
#include <string.h>

/* A transfer of one segment that writes. */
static int plan_write(unsigned long funcs, const struct i2c_segment *w, struct smbus_call *call)
{
	const uint8_t *b = w->buf;

	call->dir = I2C_SMBUS_WRITE;
	call->command = w->len ? b[0] : 0;
	if (w->len == 0 && (funcs & I2C_FUNC_SMBUS_QUICK)) {
		call->size = I2C_SMBUS_QUICK;
	} else if (w->len == 1 && (funcs & I2C_FUNC_SMBUS_WRITE_BYTE)) {
		call->size = I2C_SMBUS_BYTE;
	} else if (w->len == 2 && (funcs & I2C_FUNC_SMBUS_WRITE_BYTE_DATA)) {
		call->size = I2C_SMBUS_BYTE_DATA;
		call->data.byte = b[1];
	} else if (w->len == 3 && (funcs & I2C_FUNC_SMBUS_WRITE_WORD_DATA)) {
		call->size = I2C_SMBUS_WORD_DATA;
		call->data.word = (uint16_t)(b[1] | b[2] << 8);
	} else if (w->len >= 2 && w->len <= 1 + I2C_SMBUS_BLOCK_MAX && (funcs & I2C_FUNC_SMBUS_WRITE_I2C_BLOCK)) {
		call->size = I2C_SMBUS_I2C_BLOCK_DATA;
		call->data.block[0] = (uint8_t)(w->len - 1);
		memcpy(call->data.block + 1, b + 1, w->len - 1u);
	} else if (w->len >= 3 && w->len <= 2 + I2C_SMBUS_BLOCK_MAX && b[1] == w->len - 2 &&
		   (funcs & I2C_FUNC_SMBUS_WRITE_BLOCK_DATA)) {
		/* The command writes the count itself. */
		call->size = I2C_SMBUS_BLOCK_DATA;
		memcpy(call->data.block, b + 1, w->len - 1u);
	} else {
		return -EOPNOTSUPP;
	}
	return 0;
}

/* A transfer of one segment that reads. */
static int plan_read(unsigned long funcs, const struct i2c_segment *r, struct smbus_call *call)
{
	call->dir = I2C_SMBUS_READ;
	call->command = 0;
	if (r->len == 0 && (funcs & I2C_FUNC_SMBUS_QUICK))
		call->size = I2C_SMBUS_QUICK;
	else if (r->len == 1 && (funcs & I2C_FUNC_SMBUS_READ_BYTE))
		call->size = I2C_SMBUS_BYTE;
	else
		return -EOPNOTSUPP;
	return 0;
}

/* A transfer that writes a command byte and reads what it names. */
static int plan_command_read(unsigned long funcs, const struct i2c_segment *r, struct smbus_call *call)
{
	call->dir = I2C_SMBUS_READ;
	if (r->len == 1 && (funcs & I2C_FUNC_SMBUS_READ_BYTE_DATA)) {
		call->size = I2C_SMBUS_BYTE_DATA;
	} else if (r->len == 2 && (funcs & I2C_FUNC_SMBUS_READ_WORD_DATA)) {
		call->size = I2C_SMBUS_WORD_DATA;
	} else if (r->len <= I2C_SMBUS_BLOCK_MAX && (funcs & I2C_FUNC_SMBUS_READ_I2C_BLOCK)) {
		call->size = I2C_SMBUS_I2C_BLOCK_DATA;
		call->data.block[0] = (uint8_t)r->len;
	} else if (r->len <= 1 + I2C_SMBUS_BLOCK_MAX && (funcs & I2C_FUNC_SMBUS_READ_BLOCK_DATA)) {
		/* The target says first how many bytes it has: smbus_take looks whether that are as many as wanted. */
		call->size = I2C_SMBUS_BLOCK_DATA;
	} else {
		return -EOPNOTSUPP;
	}
	return 0;
}

/* A transfer that writes more than a command byte and then reads. */
static int plan_process(unsigned long funcs, const struct i2c_segment *w, const struct i2c_segment *r, struct smbus_call *call)
{
	const uint8_t *b = w->buf;

	call->dir = I2C_SMBUS_WRITE;
	if (w->len == 3 && r->len == 2 && (funcs & I2C_FUNC_SMBUS_PROC_CALL)) {
		call->size = I2C_SMBUS_PROC_CALL;
		call->data.word = (uint16_t)(b[1] | b[2] << 8);
	} else if (w->len >= 3 && w->len <= 2 + I2C_SMBUS_BLOCK_MAX && b[1] == w->len - 2 &&
		   r->len <= 1 + I2C_SMBUS_BLOCK_MAX && (funcs & I2C_FUNC_SMBUS_BLOCK_PROC_CALL)) {
		call->size = I2C_SMBUS_BLOCK_PROC_CALL;
		memcpy(call->data.block, b + 1, w->len - 1u);
	} else {
		return -EOPNOTSUPP;
	}
	return 0;
}

int smbus_plan(unsigned long funcs, const struct i2c_segment *segs, unsigned int n, struct smbus_call *call)
{
	memset(call, 0, sizeof(*call));
	if (n == 1)
		return segs->read ? plan_read(funcs, segs, call) : plan_write(funcs, segs, call);
	if (n != 2 || segs[0].read || !segs[1].read || segs[0].addr != segs[1].addr || !segs[0].len || !segs[1].len)
		return -EOPNOTSUPP;
	call->command = segs[0].buf[0];
	if (segs[0].len == 1)
		return plan_command_read(funcs, &segs[1], call);
	return plan_process(funcs, &segs[0], &segs[1], call);
}

int smbus_take(const struct smbus_call *call, struct i2c_segment *r)
{
	const union i2c_smbus_data *data = &call->data;

	switch (call->size) {
	case I2C_SMBUS_BYTE:
	case I2C_SMBUS_BYTE_DATA:
		r->buf[0] = data->byte;
		return 0;
	case I2C_SMBUS_WORD_DATA:
	case I2C_SMBUS_PROC_CALL:
		r->buf[0] = (uint8_t)data->word;
		r->buf[1] = (uint8_t)(data->word >> 8);
		return 0;
	case I2C_SMBUS_I2C_BLOCK_DATA:
		if (data->block[0] < r->len)
			return -EPROTO;
		memcpy(r->buf, data->block + 1, r->len);
		return 0;
	case I2C_SMBUS_BLOCK_DATA:
	case I2C_SMBUS_BLOCK_PROC_CALL:
		if (data->block[0] + 1u < r->len)
			return -EPROTO;
		memcpy(r->buf, data->block, r->len);
		return 0;
	}
	return 0; /* quick: nothing is read */
}
