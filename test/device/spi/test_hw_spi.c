/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_spi.c - the SPI controller device on spidev nodes of this machine, which are those that guest.sh gives a
 * guest: a loopback, a flash, registers and an ADC at the chip selects 0 to 3 of bus 0.  Without them it is skipped.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/unit/suites.h"

#define REQUESTQ 0
#define HEAD	 32
#define NODE	 "/dev/spidev0.0"
#define BUFSIZ_	 4096

#define OK	  0
#define PARAM_ERR 1

struct head {
	uint8_t cs, bits, change, tx_nbits, rx_nbits, reserved[3];
	le32 mode, freq, word_delay, setup, hold, inactive;
};

static struct carrier *nodes_open(int kind)
{
	static const char *const args[] = {"--device=/dev/spidev0.0", "--device=/dev/spidev0.2:cs=2,speed=500000",
					   "--device=/dev/spidev0.3:cs=3,modes=0+1", "--cs-hold-us=1", NULL};
	static struct device_suite suite = {.device = "spi", .args = args};

	return carrier_open((enum carrier_kind)kind, &suite);
}

/* A transfer with every message ended; tx and rx may be NULL, each of len bytes. */
static int transfer(struct carrier *c, struct head h, const void *tx, void *rx, size_t len)
{
	static uint8_t out[HEAD + 3 * BUFSIZ_], in[3 * BUFSIZ_ + 1];
	size_t room = rx ? len : 0;

	h.change = 1;
	memcpy(out, &h, HEAD);
	if (tx)
		memcpy(out + HEAD, tx, len);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, HEAD + (tx ? len : 0), in, room + 1), room + 1);
	if (rx)
		memcpy(rx, in, len);
	return in[room];
}

START_TEST(test_transfers)
{
	struct carrier *c = nodes_open(_i);
	uint8_t in[6];

	ck_assert_int_eq(transfer(c, (struct head){.bits = 8}, "spidev", in, 6), OK);
	ck_assert_mem_eq(in, "spidev", 6);
	ck_assert_int_eq(transfer(c, (struct head){.bits = 8}, NULL, in, 6), OK);
	ck_assert_mem_eq(in, "\0\0\0\0\0\0", 6);
	ck_assert_int_eq(transfer(c, (struct head){.cs = 2, .bits = 8},
				  "\x05"
				  "regs",
				  NULL, 5),
			 OK);
	ck_assert_int_eq(transfer(c, (struct head){.cs = 2, .bits = 8}, "\x85\0\0\0\0", in, 5), OK);
	ck_assert_mem_eq(in, "\0regs", 5);
	ck_assert_int_eq(transfer(c, (struct head){.cs = 3}, "\x01\xf0\0", in, 3), OK);
	ck_assert_mem_eq(in, "\0\x02\xbc", 3);
	carrier_close(c);
}
END_TEST

/* What spidev is told, and what it says no to; the next transfer is as it should be. */
START_TEST(test_headers)
{
	const struct {
		struct head h;
		int result;
	} table[] = {
		{{.mode = htole32(0)}, OK},
		{{.mode = htole32(1)}, OK},
		{{.mode = htole32(2)}, OK},
		{{.mode = htole32(3)}, OK},
		{{.mode = htole32(16 | 4)}, OK},
		{{.mode = htole32(8)}, OK},
		{{.bits = 16}, OK},
		{{.bits = 12}, PARAM_ERR},
		{{.freq = htole32(1000000)}, OK},
		{{.freq = htole32(1000001)}, PARAM_ERR},
		{{.cs = 2, .freq = htole32(500001)}, PARAM_ERR},
		{{.cs = 1}, PARAM_ERR},
		{{.cs = 3, .mode = htole32(1)}, PARAM_ERR}, /* the node would, its controller does not */
		{{.cs = 3, .mode = htole32(3)}, PARAM_ERR}, /* --device= says no */
		{{.word_delay = htole32(255001)}, PARAM_ERR},
		{{.setup = htole32(65535001)}, PARAM_ERR},
		{{.word_delay = htole32(1)}, OK},
		{{.tx_nbits = 2, .rx_nbits = 8}, OK},
		{{.tx_nbits = 4, .rx_nbits = 1}, OK},
	};
	struct carrier *c = nodes_open(_i);
	uint8_t in[4];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		ck_assert_msg(transfer(c, table[i].h, "head", in, 4) == table[i].result, "row %zu", i);
		if (table[i].result == OK)
			ck_assert_mem_eq(in, "head", 4);
	}
	carrier_close(c);
}
END_TEST

START_TEST(test_delays)
{
	struct carrier *c = nodes_open(_i);
	const le32 ms5 = htole32(5000000);
	struct timespec a, b;
	uint8_t in[4];

	clock_gettime(CLOCK_MONOTONIC, &a);
	ck_assert_int_eq(transfer(c, (struct head){.setup = ms5, .hold = ms5, .inactive = ms5}, "late", in, 4), OK);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert_mem_eq(in, "late", 4);
	ck_assert_int_ge((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec, 15000000);
	carrier_close(c);
}
END_TEST

/* Longer than a message of spidev: in parts; or refused where that was asked for. */
START_TEST(test_long)
{
	static const char *const whole[] = {"--device=/dev/spidev0.0:whole", NULL};
	static struct device_suite suite = {.device = "spi", .args = whole};
	static uint8_t tx[3 * BUFSIZ_], rx[3 * BUFSIZ_];
	struct carrier *c = nodes_open(_i);

	for (size_t i = 0; i < sizeof(tx); i++)
		tx[i] = (uint8_t)(i * 7 >> 3);
	ck_assert_int_eq(transfer(c, (struct head){.bits = 16}, tx, rx, sizeof(tx) - 2), OK);
	ck_assert_mem_eq(rx, tx, sizeof(tx) - 2);
	carrier_close(c);
	c = carrier_open((enum carrier_kind)_i, &suite);
	ck_assert_int_eq(transfer(c, (struct head){0}, tx, rx, BUFSIZ_), OK);
	ck_assert_mem_eq(rx, tx, BUFSIZ_);
	ck_assert_int_eq(transfer(c, (struct head){0}, tx, rx, BUFSIZ_ + 1), PARAM_ERR);
	carrier_close(c);
}
END_TEST

/* What the controller can do was found out. */
START_TEST(test_config)
{
	static const char *const args[] = {"--device=" NODE, NULL};
	static struct device_suite suite = {.device = "spi", .args = args};
	struct carrier *c = carrier_open((enum carrier_kind)_i, &suite);
	uint8_t got[HEAD];

	carrier_config_read(c, 0, got, sizeof(got));
	ck_assert_mem_eq(got,
			 "\x01\x01\x07\x07"
			 "\x80\x80\0\x80"
			 "\x7f\0\0\0"
			 "\x40\x42\x0f\0",
			 16);
	ck_assert_mem_eq(got + 16,
			 "\x18\xe4\x03\0"
			 "\x18\xfc\xe7\x03"
			 "\x18\xfc\xe7\x03",
			 12);
	carrier_close(c);
}
END_TEST

/* A transfer of four bytes both ways that is under way. */
static struct frontend_request *begin(struct carrier *c, const uint8_t *bytes)
{
	uint8_t out[HEAD + 4] = {0, 8, 1};

	memcpy(out + HEAD, bytes, 4);
	return carrier_submit(c, REQUESTQ, out, sizeof(out), 5);
}

/* Two guests with chips of one controller, at the same time: the kernel makes their messages in turn, and each hears its own chip. */
START_TEST(test_two_guests)
{
	static const char *const loopback[] = {"--device=" NODE, NULL}, *const registers[] = {"--device=/dev/spidev0.2", NULL};
	static struct device_suite suites[] = {{.device = "spi", .args = loopback}, {.device = "spi", .args = registers}};
	struct carrier *a = carrier_open(CARRIER_BINARY, &suites[0]), *b = carrier_open(CARRIER_BINARY, &suites[1]);

	for (unsigned int i = 0; i < 200; i++) {
		const uint8_t n = (uint8_t)(i / 2), bytes[4] = {(uint8_t)i, n, 'a', 'b'};
		const uint8_t set[4] = {5, n, (uint8_t)(n + 1), (uint8_t)(n + 2)}, get[4] = {0x85}, got[4] = {0, n, (uint8_t)(n + 1), (uint8_t)(n + 2)};
		struct frontend_request *of_a = begin(a, bytes), *of_b = begin(b, i % 2 ? get : set);
		uint8_t in[5];

		ck_assert_uint_eq(carrier_await(a, REQUESTQ, of_a, in), 5);
		ck_assert_int_eq(in[4], OK);
		ck_assert_mem_eq(in, bytes, 4);
		ck_assert_uint_eq(carrier_await(b, REQUESTQ, of_b, in), 5);
		ck_assert_int_eq(in[4], OK);
		if (i % 2)
			ck_assert_mem_eq(in, got, 4);
	}
	carrier_close(b);
	carrier_close(a);
}
END_TEST

START_TEST(test_none)
{
	test_note_skip("hw_spi", "no %s", NODE);
}
END_TEST

Suite *suite_hw_spi(void)
{
	Suite *s = suite_create("hw_spi");
	TCase *tc = tcase_create("spidev");

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	if (access(NODE, R_OK | W_OK) < 0) {
		tcase_add_test(tc, test_none);
		return s;
	}
	tcase_add_loop_test(tc, test_transfers, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_headers, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_delays, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_long, 0, CARRIER_KINDS);
	tcase_add_loop_test(tc, test_config, 1, CARRIER_KINDS);
	tcase_add_test(tc, test_two_guests);
	return s;
}
