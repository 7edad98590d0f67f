/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_driver.c - an I2C driver's requests, for tests of that device: VIRTIO 1.4, section 5.16; see i2c_driver.h.
 */
#include "test/device/i2c/i2c_driver.h"

#include <string.h>

const uint8_t *i2c_head(uint16_t field, uint32_t flags, const void *data, size_t len)
{
	static uint8_t bufs[8][HEADER + 64];
	static unsigned int next;
	uint8_t *b = bufs[next++ % 8];
	le16 addr = htole16(field);
	le32 le_flags = htole32(flags);

	ck_assert_uint_le(len, 64);
	memset(b, 0, HEADER);
	memcpy(b, &addr, 2);
	memcpy(b + 4, &le_flags, 4);
	if (data)
		memcpy(b + HEADER, data, len);
	return b;
}

int i2c_put(struct carrier *c, uint8_t addr, const void *data, size_t len)
{
	uint8_t status = 0xee;

	ck_assert_uint_eq(
		carrier_request(c, REQUESTQ, i2c_head((uint16_t)(addr << 1), 0, data, len), HEADER + len, &status, 1), 1);
	return status;
}

int i2c_take(struct carrier *c, uint8_t addr, void *data, size_t len)
{
	uint8_t in[SEGMENT_MAX + 1];

	ck_assert_uint_le(len, SEGMENT_MAX);
	memset(in, 0xee, sizeof(in));
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, i2c_head((uint16_t)(addr << 1), M_RD, NULL, 0), HEADER, in, len + 1),
			  len + 1);
	if (len)
		memcpy(data, in, len);
	return in[len];
}

/* Makes a request available, in the setting's form or in an indirect table. */
static struct frontend_request *offer(struct carrier *c, const struct i2c_test_segment *s, bool kick, bool indirect)
{
	struct frontend_request_opts how = carrier_setting(c)->how;
	struct frontend_request *req;
	size_t len = s->out && !s->len ? strlen(s->out) : s->len;

	how.no_kick = true;
	how.indirect |= indirect;
	ck_assert_int_eq(frontend_submit(carrier_frontend(c), REQUESTQ,
					 i2c_head((uint16_t)(s->addr << 1), s->flags, s->out, len), HEADER + len, s->in + 1,
					 &how, &req),
			 0);
	/* Kicked without asking whether the device wants it: it was not asked for those before, either. */
	if (kick)
		ck_assert_int_eq(frontend_kick(carrier_frontend(c), REQUESTQ), 0);
	return req;
}

struct frontend_request *i2c_offer(struct carrier *c, const struct i2c_test_segment *s, bool kick)
{
	return offer(c, s, kick, false);
}

void i2c_check(struct carrier *c, const struct i2c_test_segment *s, struct frontend_request *req)
{
	uint8_t in[65];

	memset(in, 0xee, sizeof(in));
	ck_assert_uint_eq(carrier_await(c, REQUESTQ, req, in), s->in + 1);
	ck_assert_int_eq(in[s->in], s->status);
	for (size_t i = 0; i < s->in; i++)
		ck_assert_int_eq(in[i], s->status == OK ? (uint8_t)s->want[i] : 0);
}

void i2c_together(struct carrier *c, const struct i2c_test_segment *s, unsigned int n)
{
	struct frontend_request *reqs[SEGMENTS_MAX + 4];
	bool polls = carrier_setting(c)->poll_kick && n > 1;
	bool indirect = n > carrier_depth(c, REQUESTQ);
	uint32_t base = polls ? carrier_stop(c, REQUESTQ) : 0;

	ck_assert_uint_le(n, ARRAY_SIZE(reqs));
	for (unsigned int i = 0; i < n; i++)
		reqs[i] = offer(c, &s[i], i + 1 == n, indirect);
	if (polls)
		carrier_start(c, REQUESTQ, base);
	for (unsigned int i = 0; i < n; i++)
		i2c_check(c, &s[i], reqs[i]);
}
