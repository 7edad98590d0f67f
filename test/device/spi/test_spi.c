/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_spi.c - the SPI controller device: VIRTIO 1.4, section "SPI Controller Device", with simulated chips.
 */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "devices/spi/spi_cs.h"
#include "test/lib/carrier.h"
#include "test/lib/open_device.h"
#include "test/unit/suites.h"

#define REQUESTQ 0
#define HEAD	 32

#define OK	  0
#define PARAM_ERR 1
#define TRANS_ERR 2

/* Chip selects of the usual chips. */
enum { LOOPBACK, FLASH, REGS, ADC };

#define LENGTH_MAX (1u << 20)
#define ZERO_MAX   65536

static const char *const usual[] = {"--sim=loopback", "--sim=flash:size=64K", "--sim=regs:size=16",
				    "--sim=adc",      "--cs-hold-us=1000000", NULL};
static const char *const standard[] = {"--sim=loopback", "--sim=flash:size=64K", "--sim=regs:size=16",
				       "--sim=adc",	 "--cs-change=standard", NULL};

struct head {
	uint8_t cs, bits, change, tx_nbits, rx_nbits, reserved[3];
	le32 mode, freq, word_delay, setup, hold, inactive;
};

_Static_assert(sizeof(struct head) == HEAD, "VIRTIO 1.4: 32 bytes");

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A transfer: tx and rx may be NULL, each of len bytes.  Checks where the result is.  Returns it. */
static int transfer_head(struct carrier *c, struct head h, const void *tx, void *rx, size_t len)
{
	static uint8_t out[HEAD + LENGTH_MAX + 4], in[LENGTH_MAX + 4];
	size_t room = rx ? len : 0;

	memcpy(out, &h, HEAD);
	if (tx)
		memcpy(out + HEAD, tx, len);
	memset(in, 0xee, room + 1);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, HEAD + (tx ? len : 0), in, room + 1), room + 1);
	for (size_t i = 0; in[room] != OK && i < room; i++)
		ck_assert_uint_eq(in[i], 0);
	if (rx)
		memcpy(rx, in, len);
	return in[room];
}

static int transfer(struct carrier *c, uint8_t cs, uint8_t change, const void *tx, void *rx, size_t len)
{
	return transfer_head(c, (struct head){.cs = cs, .bits = 8, .change = change}, tx, rx, len);
}

static void put(struct carrier *c, uint8_t cs, const char *tx, size_t len)
{
	ck_assert_int_eq(transfer(c, cs, 0, tx, NULL, len), OK);
}

/* A message of a write and a read. */
static void get(struct carrier *c, uint8_t cs, const char *tx, size_t tx_len, const char *want, size_t len)
{
	uint8_t in[64];

	put(c, cs, tx, tx_len);
	ck_assert_int_eq(transfer(c, cs, 0, NULL, in, len), OK);
	ck_assert_mem_eq(in, want, len);
}

/* ---- transfers */

static void directions(struct carrier *c)
{
	uint8_t in[8];

	ck_assert_int_eq(transfer(c, LOOPBACK, 0, "loopback", in, 8), OK);
	ck_assert_mem_eq(in, "loopback", 8);
	ck_assert_int_eq(transfer(c, LOOPBACK, 0, "loopback", NULL, 8), OK);
	ck_assert_int_eq(transfer(c, LOOPBACK, 0, NULL, in, 8), OK);
	ck_assert_mem_eq(in, "\0\0\0\0\0\0\0\0", 8); /* zeros are sent where nothing else is */
	ck_assert_int_eq(transfer(c, LOOPBACK, 0, "x", in, 1), OK);
	ck_assert_uint_eq(in[0], 'x');
}

static void registers(struct carrier *c)
{
	uint8_t in[4];

	ck_assert_int_eq(transfer(c, REGS, 1, "\x05hello", NULL, 6), OK);
	get(c, REGS, "\x85", 1, "hello\0", 6);
	get(c, REGS, "\x88", 1, "lo", 2);
	/* One message in both directions. */
	ck_assert_int_eq(transfer(c, REGS, 0, "\x86\0\0\0", in, 4), OK);
	ck_assert_mem_eq(in, "\0ell", 4);
	/* It goes round at the end. */
	ck_assert_int_eq(transfer(c, REGS, 1,
				  "\x0f"
				  "ab",
				  NULL, 3),
			 OK);
	get(c, REGS, "\x8f", 1, "ab\0", 3);
}

static void adc(struct carrier *c)
{
	uint8_t in[3];

	ck_assert_int_eq(transfer(c, ADC, 0, "\x01\xf0\0", in, 3), OK);
	ck_assert_mem_eq(in, "\0\x02\xbc", 3); /* channel 7: 700 */
	ck_assert_int_eq(transfer(c, ADC, 0, "\x01\x50\0", in, 3), OK);
	ck_assert_mem_eq(in, "\0\0\x64", 3); /* channel 5 less channel 4 */
	ck_assert_int_eq(transfer(c, ADC, 0, "\x01\x40\0", in, 3), OK);
	ck_assert_mem_eq(in, "\0\0\0", 3);
}

/* As spi-nor and flashrom do, with Linux' cs_change of 0 everywhere: each command ends where it must, without a pause.
 */
static void flash(struct carrier *c)
{
	char page[5 + 256];

	get(c, FLASH, "\x9f", 1, "\xef\x40\x10", 3);
	get(c, FLASH, "\x03\0\x01\0", 4, "\xff\xff", 2);
	/* Without write enable nothing is written. */
	put(c, FLASH, "\x02\0\x01\0hi", 6);
	get(c, FLASH, "\x03\0\x01\0", 4, "\xff\xff", 2);
	put(c, FLASH, "\x06", 1);
	get(c, FLASH, "\x05", 1, "\x02", 1);
	put(c, FLASH, "\x02\0\x01\0hi", 6); /* in one transfer */
	get(c, FLASH, "\x05", 1, "\0", 1);
	get(c, FLASH, "\x03\0\x01\0", 4, "hi\xff", 3);
	get(c, FLASH, "\x0b\0\x01\x01\0", 5, "i\xff", 2);
	put(c, FLASH, "\x06", 1);
	put(c, FLASH, "\x02", 1); /* in three */
	put(c, FLASH, "\0\x01\xff", 3);
	put(c, FLASH, "yz", 2);
	get(c, FLASH, "\x05", 1, "\0", 1);
	get(c, FLASH, "\x03\0\x01\xff", 4, "y\xff", 2);
	get(c, FLASH, "\x03\0\x01\0", 4, "hh", 2 - 1); /* the page begins again: 'z' over 'h' */
	put(c, FLASH, "\x06", 1);
	put(c, FLASH, "\x20", 1);
	put(c, FLASH, "\0\x01\x80", 3);
	get(c, FLASH, "\x03\0\x01\xff", 4, "\xff\xff", 2);
	memset(page, 'p', sizeof(page));
	memcpy(page, "\x02\0\x02\0", 4);
	put(c, FLASH, "\x06", 1);
	put(c, FLASH, page, 4 + 256);
	put(c, FLASH, "\x04", 1);
	get(c, FLASH, "\x03\0\x02\xfe", 4, "pp\xff", 3);
	put(c, FLASH, "\x06", 1);
	put(c, FLASH, "\xc7", 1);
	get(c, FLASH, "\x03\0\x02\xfe", 4, "\xff\xff", 2);
}

/* ---- chip select */

/* As the standard says: what is kept is kept for as long as it takes, and 1 ends it. */
static void cs_standard(struct carrier *c)
{
	uint8_t in[4];

	ck_assert_int_eq(transfer(c, REGS, 0, "\x02", NULL, 1), OK);
	carrier_idle(c, 20);
	ck_assert_int_eq(transfer(c, REGS, 0, "a", NULL, 1), OK);
	ck_assert_int_eq(transfer(c, REGS, 1, "b", in, 1), OK);
	ck_assert_int_eq(transfer(c, REGS, 0, "\x82\0", in, 2), OK);
	ck_assert_mem_eq(in, "\0a", 2);
	ck_assert_int_eq(transfer(c, REGS, 1, NULL, in, 1), OK);
	ck_assert_uint_eq(in[0], 'b');
	/* Another chip ends it, too; and so does a reset. */
	ck_assert_int_eq(transfer(c, REGS, 0, "\x82", NULL, 1), OK);
	ck_assert_int_eq(transfer(c, ADC, 1, "\0", in, 1), OK);
	ck_assert_int_eq(transfer(c, REGS, 0, "\x83\0", in, 2), OK);
	ck_assert_mem_eq(in, "\0b", 2);
	if (carrier_setting(c)->base)
		return;
	carrier_reset(c);
	ck_assert_int_eq(transfer(c, REGS, 1, "\x82\0", in, 2), OK);
	ck_assert_mem_eq(in, "\0a", 2);
}

static const char *const linux_long[] = {"--sim=regs:size=16,gather", "--cs-hold-us=1000000", NULL};
static const char *const linux_short[] = {"--sim=regs:size=16,gather", "--cs-hold-us=150000", NULL};

/* Linux' messages: writes are one where they may be, a read goes on, a write behind a read begins. */
static void cs_linux(struct carrier *c)
{
	uint8_t in[4];

	put(c, 0, "\x02", 1);
	put(c, 0, "ab", 2);
	ck_assert_int_eq(transfer(c, 0, 1, "c", NULL, 1), OK);
	put(c, 0, "\x82", 1);
	ck_assert_int_eq(transfer(c, 0, 0, NULL, in, 1), OK);
	ck_assert_uint_eq(in[0], 'a');
	ck_assert_int_eq(transfer(c, 0, 0, NULL, in, 2), OK);
	ck_assert_mem_eq(in, "bc", 2);
	get(c, 0, "\x83", 1, "b", 1);
	/* What is in both directions is alone. */
	ck_assert_int_eq(transfer(c, 0, 0, "\x84\0", in, 2), OK);
	ck_assert_uint_eq(in[1], 'c');
	ck_assert_int_eq(transfer(c, 0, 0, "\x83\0", in, 2), OK);
	ck_assert_uint_eq(in[1], 'b');
}

static void cs_pause(struct carrier *c)
{
	uint8_t in[1];
	char *log;

	put(c, 0,
	    "\x02"
	    "a",
	    2);
	carrier_idle(c, 200);
	put(c, 0,
	    "\x03"
	    "b",
	    2);
	carrier_idle(c, 200);
	get(c, 0, "\x82", 1, "ab", 2);
	/* A read that comes too late is told of. */
	carrier_idle(c, 200);
	ck_assert_int_eq(transfer(c, 0, 0, NULL, in, 1), OK);
	log = carrier_log(c);
	if (log)
		ck_assert_ptr_nonnull(strstr(log, "a read came when chip select had been released: the guest needs more than --cs-hold-us=150000"));
	free(log);
}

static const char *const plain[] = {"--sim=regs:size=16", "--cs-hold-us=1000000", NULL};

/* Where no message has several writes, each begins one. */
static void cs_writes(struct carrier *c)
{
	put(c, 0,
	    "\x02"
	    "a",
	    2);
	put(c, 0,
	    "\x03"
	    "b",
	    2);
	get(c, 0, "\x82", 1, "ab", 2);
}

/* The machine alone, with what no simulated chip shows. */
START_TEST(test_cs_machine)
{
	static const struct {
		const char *tx;
		size_t len;
		bool rx, change, begin, keep;
	} rows[] = {
		{"\x06", 1, false, false, true, false},	    {"\x12", 1, false, false, true, true},
		{"\0\0\0\0", 4, false, false, false, true}, {"data", 4, false, false, false, false},
		{"\x01\0", 2, false, false, true, false},   {"\x01", 1, false, false, true, true},
		{"\0", 1, false, false, false, false},	    {"\xdc\0\0\0\0", 5, false, false, true, false},
		{"\x9f", 1, false, false, true, true},	    {NULL, 3, true, false, false, true},
		{NULL, 3, true, false, false, true},	    {"\x0b", 1, false, false, true, true},
		{"\0\0\0\0", 4, false, true, false, false}, {NULL, 3, true, false, true, true},
		{"\x05\0", 2, true, false, true, false},
	};
	const struct spi_chip chip = {.flash = true};
	struct spi_cs s = {.rule = SPI_CS_LINUX};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t buf[8] = {0};
		struct spi_transfer t = {.tx = rows[i].tx,
					 .rx = rows[i].rx,
					 .cs_change = rows[i].change,
					 .len = (uint32_t)rows[i].len,
					 .buf = buf};

		if (rows[i].tx)
			memcpy(buf, rows[i].tx, rows[i].len);
		spi_cs_next(&s, &t, &chip);
		ck_assert_msg(t.begin == rows[i].begin && t.keep == rows[i].keep, "row %zu", i);
	}
}
END_TEST

/* ---- what a header can say */

static void words(struct carrier *c)
{
	uint8_t in[4];

	ck_assert_int_eq(
		transfer_head(c, (struct head){.cs = REGS, .bits = 16, .change = 1}, "\x41\x05\x43\x42", NULL, 4), OK);
	get(c, REGS, "\x85", 1, "\x41\x42\x43", 3); /* the high byte of a word goes first */
	ck_assert_int_eq(transfer_head(c, (struct head){.cs = REGS, .bits = 32}, "\x00\x00\x00\x85", in, 4), OK);
	ck_assert_mem_eq(in, "\x43\x42\x41\0", 4);
	ck_assert_int_eq(transfer_head(c, (struct head){.cs = LOOPBACK, .bits = 0}, "odd", in, 3), OK);
	ck_assert_mem_eq(in, "odd", 3);
}

static void modes(struct carrier *c)
{
	uint8_t in[4];

	for (uint32_t mode = 0; mode < 32; mode++) {
		struct head h = {.cs = LOOPBACK, .bits = 8, .mode = htole32(mode), .freq = htole32(UINT32_MAX)};

		ck_assert_int_eq(transfer_head(c, h, "mode", in, 4), OK);
		ck_assert_mem_eq(in, "mode", 4);
	}
	/* The controller's loop, with another chip. */
	ck_assert_int_eq(transfer_head(c, (struct head){.cs = ADC, .bits = 8, .mode = htole32(16)}, "loop", in, 4), OK);
	ck_assert_mem_eq(in, "loop", 4);
	for (uint8_t nbits = 1; nbits <= 8; nbits = (uint8_t)(2 * nbits)) {
		struct head h = {.cs = LOOPBACK, .bits = 8, .tx_nbits = nbits, .rx_nbits = nbits};

		ck_assert_int_eq(transfer_head(c, h, "wire", in, 4), OK);
		ck_assert_mem_eq(in, "wire", 4);
	}
}

/* Each delay is kept; together they are a sum. */
static void delays(struct carrier *c)
{
	const le32 ms8 = htole32(8000000);
	const struct head table[] = {
		{.cs = LOOPBACK, .word_delay = ms8}, /* between four words */
		{.cs = LOOPBACK, .setup = ms8, .hold = ms8, .inactive = ms8},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		uint64_t begin = now_ms();
		uint8_t in[4];

		ck_assert_int_eq(transfer_head(c, table[i], "late", in, 4), OK);
		ck_assert_mem_eq(in, "late", 4);
		ck_assert_uint_ge(now_ms() - begin + 2, 24);
	}
}

static const char *const limited[] = {"--sim=loopback:cs=2,speed=1000000,modes=0+3,words=8,length=16",
				      "--sim=regs:cs=0", NULL};

static void limits(struct carrier *c)
{
	const struct {
		struct head h;
		int result;
	} table[] = {
		{{.cs = 2, .freq = htole32(1000000)}, OK},
		{{.cs = 2, .freq = htole32(1000001)}, PARAM_ERR},
		{{.cs = 2, .mode = htole32(3)}, OK},
		{{.cs = 2, .mode = htole32(1)}, PARAM_ERR},
		{{.cs = 2, .bits = 16}, PARAM_ERR},
		{{.cs = 1}, PARAM_ERR}, /* no chip */
		{{.cs = 3}, PARAM_ERR},
		{{.cs = 0, .bits = 16, .mode = htole32(1), .freq = htole32(1000001)}, OK},
	};
	uint8_t in[32];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		ck_assert_msg(transfer_head(c, table[i].h, "ab", in, 2) == table[i].result, "row %zu", i);
	ck_assert_int_eq(transfer(c, 2, 0, "0123456789abcdef", in, 16), OK);
	ck_assert_int_eq(transfer(c, 2, 0, "0123456789abcdefg", in, 17), PARAM_ERR);
	ck_assert_int_eq(transfer(c, 2, 0, NULL, in, 17), PARAM_ERR);
}

static void config(struct carrier *c)
{
	uint8_t got[HEAD];

	carrier_config_read(c, 0, got, sizeof(got));
	ck_assert_mem_eq(got,
			 "\x04\x01\x07\x07"
			 "\x80\x80\0\x80"
			 "\x7f\0\0\0"
			 "\0\0\0\0",
			 16);
	for (size_t i = 16; i < sizeof(got); i += 4)
		ck_assert_mem_eq(got + i, "\x80\x96\x98\0", 4);
	/* It is read-only; not every front-end learns that a write was refused. */
	carrier_config_write(c, 0, "\1", 1);
	carrier_config_read(c, 0, got, 1);
	ck_assert_uint_eq(got[0], 4);
}

static void config_limited(struct carrier *c)
{
	uint8_t got[16];

	carrier_config_read(c, 0, got, sizeof(got));
	ck_assert_mem_eq(got,
			 "\x03\x01\x07\x07"
			 "\x80\0\0\0"
			 "\x7d\0\0\0"
			 "\x40\x42\x0f\0",
			 16);
}

static const char *const one_limited[] = {"--sim=loopback:cs=2,speed=1000000,modes=0+2,words=8", NULL};

/* ---- hostile requests */

/* Every one gets its result at its place, does nothing, and leaves the next one alone. */
static void malformed(struct carrier *c)
{
	const struct {
		struct head h;
		uint32_t out, in; /* bytes: of the header and what is sent; of what is received and the result */
	} table[] = {
		{{.bits = 8}, 0, 1},
		{{.bits = 8}, HEAD - 1, 1},
		{{.bits = 8}, HEAD - 1, 5},
		{{.bits = 8}, HEAD, 1}, /* no buffer */
		{{.bits = 8}, HEAD + 4, 4},
		{{.bits = 8}, HEAD + 3, 5},
		{{.bits = 33}, HEAD + 4, 5},
		{{.bits = 255}, HEAD + 4, 5},
		{{.bits = 9}, HEAD + 4, 5}, /* no chip has that */
		{{.bits = 16}, HEAD + 3, 4},
		{{.bits = 32}, HEAD + 2, 3},
		{{.bits = 8, .cs = 4}, HEAD + 4, 5},
		{{.bits = 8, .cs = 255}, HEAD + 4, 5},
		{{.bits = 8, .change = 2}, HEAD + 4, 5},
		{{.bits = 8, .tx_nbits = 3}, HEAD + 4, 5},
		{{.bits = 8, .tx_nbits = 16}, HEAD + 4, 5},
		{{.bits = 8, .rx_nbits = 5}, HEAD + 4, 5},
		{{.bits = 8, .rx_nbits = 128}, HEAD + 4, 5},
		{{.bits = 8, .reserved = {0, 0, 1}}, HEAD + 4, 5},
		{{.bits = 8, .mode = htole32(32)}, HEAD + 4, 5},
		{{.bits = 8, .mode = htole32(1u << 31)}, HEAD + 4, 5},
		{{.bits = 8, .cs = FLASH, .mode = htole32(1)}, HEAD + 4, 5},
		{{.bits = 8, .cs = FLASH, .mode = htole32(4)}, HEAD + 4, 5},
		{{.bits = 8, .word_delay = htole32(10000001)}, HEAD + 4, 5},
		{{.bits = 8, .setup = htole32(10000001)}, HEAD + 4, 5},
		{{.bits = 8, .hold = htole32(10000001)}, HEAD + 4, 5},
		{{.bits = 8, .inactive = htole32(UINT32_MAX)}, HEAD + 4, 5},
		{{.bits = 8}, HEAD, ZERO_MAX},
	};
	uint8_t *in = malloc(ZERO_MAX + 1), out[HEAD + 4];

	ck_assert_ptr_nonnull(in);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int want = i + 1 < ARRAY_SIZE(table) ? PARAM_ERR : OK; /* the last is right */

		memset(out, 'x', sizeof(out));
		memcpy(out, &table[i].h, HEAD);
		memset(in, 0xee, ZERO_MAX);
		ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, table[i].out, in, table[i].in), table[i].in);
		ck_assert_msg(in[table[i].in - 1] == want, "row %zu: result %d", i, in[table[i].in - 1]);
		for (size_t k = 0; k + 1 < table[i].in; k++)
			ck_assert_uint_eq(in[k], 0);
		ck_assert_int_eq(transfer(c, LOOPBACK, 0, "next", in, 4), OK);
		ck_assert_mem_eq(in, "next", 4);
	}
	free(in);
}

/* A refused request does not come between the transfers of a message. */
static void refused_amid(struct carrier *c)
{
	uint8_t in[3];

	ck_assert_int_eq(transfer(c, FLASH, 0, "\x9f", NULL, 1), OK);
	ck_assert_int_eq(transfer(c, FLASH, 2, "\x06", NULL, 1), PARAM_ERR);
	ck_assert_int_eq(transfer(c, FLASH, 1, NULL, in, 3), OK);
	ck_assert_mem_eq(in, "\xef\x40\x10", 3);
}

/* Without room for a result a request comes back empty. */
static void no_result(struct carrier *c)
{
	struct frontend_buf buf = carrier_alloc(c, 64);
	const struct driver_buf bufs[] = {{buf.guest, HEAD + 2, false}, {buf.guest, 0, true}};
	const struct head h = {.cs = REGS, .bits = 8};

	memcpy(buf.va, &h, HEAD);
	memcpy((uint8_t *)buf.va + HEAD, "\x01!", 2);
	ck_assert_uint_eq(carrier_raw(c, REQUESTQ, bufs, 1), 0);
	if (carrier_size(c, REQUESTQ) >= 2)
		ck_assert_uint_eq(carrier_raw(c, REQUESTQ, bufs, 2), 0);
	get(c, REGS, "\x81", 1, "\0", 1);
}

/* Where a request is cut means nothing. */
static void odd_pieces(struct carrier *c)
{
	struct frontend_buf buf = carrier_alloc(c, 128);
	uint64_t a = buf.guest;
	const struct driver_buf bufs[] = {{a, 3, false}, {a, 0, false},	    {a + 3, 30, false}, {a + 33, 2, false},
					  {a, 0, true},	 {a + 64, 1, true}, {a + 65, 0, true},	{a + 65, 3, true}};
	const struct head h = {.cs = LOOPBACK, .bits = 8};
	uint8_t *va = buf.va;

	if (carrier_size(c, REQUESTQ) < ARRAY_SIZE(bufs))
		return carrier_sample(c);
	memcpy(va, &h, HEAD);
	memcpy(va + HEAD, "abc", 3);
	memset(va + 64, 0xee, 8);
	ck_assert_uint_eq(carrier_raw(c, REQUESTQ, bufs, ARRAY_SIZE(bufs)), 4);
	ck_assert_mem_eq(va + 64, "abc\0\xee", 5);
}

/* The longest, and one byte more, of which nothing is told as written but the result stands where it must. */
static void longest(struct carrier *c)
{
	uint8_t *tx = malloc(LENGTH_MAX), *rx = malloc(LENGTH_MAX + 2), out[HEAD] = {0};

	ck_assert(tx && rx);
	for (size_t i = 0; i < LENGTH_MAX; i++)
		tx[i] = (uint8_t)(i * 7 >> 3);
	ck_assert_int_eq(transfer(c, LOOPBACK, 0, tx, rx, LENGTH_MAX), OK);
	ck_assert_mem_eq(rx, tx, LENGTH_MAX);
	memset(rx, 0xee, LENGTH_MAX + 2);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, HEAD, rx, LENGTH_MAX + 2), 0);
	ck_assert_int_eq(transfer(c, LOOPBACK, 0, "next", rx, 4), OK);
	free(tx);
	free(rx);
}

/* ---- many, slow, failing */

#define MANY 20

static void many(struct carrier *c)
{
	struct frontend_request *reqs[MANY];
	uint8_t out[HEAD + 2], in[3];

	for (unsigned int i = 0; i < MANY; i++) {
		const struct head h = {.cs = i % 5 == 4 ? 9 : LOOPBACK, .bits = 8};

		memcpy(out, &h, HEAD);
		out[HEAD] = (uint8_t)i;
		out[HEAD + 1] = (uint8_t)~i;
		reqs[i] = carrier_submit(c, REQUESTQ, out, sizeof(out), 3);
	}
	for (unsigned int i = 0; i < MANY; i++) {
		ck_assert_uint_eq(carrier_await(c, REQUESTQ, reqs[i], in), 3);
		ck_assert_uint_eq(in[2], i % 5 == 4 ? PARAM_ERR : OK);
		ck_assert_uint_eq(in[0], i % 5 == 4 ? 0 : i);
	}
}

#define DELAY_MS 100

static const char *const slow[] = {"--sim=regs:size=16", "--sim-delay=100", NULL};
static const char *const slower[] = {"--sim=regs:size=16", "--sim-delay=1000", NULL};

static struct frontend_request *offer(struct carrier *c, const char *tx, size_t len, size_t in)
{
	const struct head h = {.bits = 8, .change = 1};
	uint8_t out[HEAD + 16];

	memcpy(out, &h, HEAD);
	if (tx)
		memcpy(out + HEAD, tx, len);
	return carrier_submit(c, REQUESTQ, out, HEAD + len, in + 1);
}

/* A ring stops when its transfer is over; what waits is made later, in its order. */
static void slow_stop(struct carrier *c)
{
	struct frontend_request *set, *both;
	uint8_t in[3];
	uint32_t base;

	set = offer(c, "\x01s", 2, 0);
	carrier_idle(c, 300);
	both = offer(c, "\x81\0", 2, 2);
	base = carrier_stop(c, REQUESTQ);
	ck_assert_uint_eq(base, (uint16_t)(carrier_setting(c)->base + 1));
	ck_assert_uint_eq(carrier_await(c, REQUESTQ, set, in), 1);
	ck_assert_uint_eq(in[0], OK);
	carrier_stays(c, REQUESTQ, 1050);
	carrier_start(c, REQUESTQ, base);
	ck_assert_uint_eq(carrier_await(c, REQUESTQ, both, in), 3);
	ck_assert_mem_eq(in, "\0s\0", 3);
}

/* A driver or a front-end that leaves in the midst of a transfer; then the next one. */
static void slow_leave(struct carrier *c)
{
	uint8_t in[3];

	for (unsigned int i = 0; i < 3; i++) {
		offer(c, "\x01s", 2, 0);
		carrier_idle(c, i ? 20 : 0);
		if (i == 1)
			carrier_reset(c);
		else
			carrier_reconnect(c);
		ck_assert_int_eq(transfer(c, 0, 0, "\x81\0", in, 2), OK);
	}
	offer(c, "\x01s", 2, 0);
	carrier_idle(c, 20);
}

static const char *const paced[] = {"--sim=loopback", "--rate=20/s:2", NULL};

static void rate(struct carrier *c)
{
	uint64_t begin = now_ms();
	uint8_t in[1];

	for (unsigned int i = 0; i < 6; i++)
		ck_assert_int_eq(transfer(c, 0, 0, "x", in, 1), OK);
	ck_assert_uint_ge(now_ms() - begin + 5, 200);
}

/* The guest moves: bytes and write enable go along. */
static void moves(struct carrier *c)
{
	ck_assert_int_eq(transfer(c, REGS, 1, "\x01m", NULL, 2), OK);
	put(c, FLASH, "\x06", 1);
	carrier_move(c);
	get(c, FLASH, "\x05", 1, "\x02", 1);
	put(c, FLASH, "\x02\0\0\0m", 5);
	carrier_move(c);
	get(c, FLASH, "\x03\0\0\0", 4, "m\xff", 2);
	get(c, REGS, "\x81", 1, "m", 1);
}

/* ---- the simulator's control socket */

static const char *const with_control[] = {"--sim=loopback",
					   "--sim=flash:size=64K",
					   "--sim=regs:size=20",
					   "--sim=adc",
					   "--control=%T/control",
					   "--cs-hold-us=1000000",
					   NULL};

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
	uint8_t in[3];

	ck_assert_int_ge(fd, 0);
	tell(c, fd, "list\n", "0 loopback 0 bytes\n1 flash 65536 bytes\n2 regs 20 bytes\n3 adc 16 bytes\nok\n");
	tell(c, fd, "set 1 0x10 0x68 105\n", "ok\n");
	get(c, FLASH, "\x03\0\0\x10", 4, "hi", 2);
	tell(c, fd, "get 1 0x11\n", "0x69\nok\n");
	tell(c, fd, "dump 1 0x10 3\n", "000010: 68 69 ff\nok\n");
	tell(c, fd, "set 3 2 1023\n", "ok\n");
	tell(c, fd, "get 3 2\n", "1023\nok\n");
	ck_assert_int_eq(transfer(c, ADC, 0, "\x01\xa0\0", in, 3), OK);
	ck_assert_mem_eq(in, "\0\x03\xff", 3);
	tell(c, fd, "set 3 8 1\n", "error: '8': a number from 0 to 7 is wanted\n");
	tell(c, fd, "set 3 0 1024\n", "error: '1024': a number from 0 to 1023 is wanted\n");
	tell(c, fd, "set 3 0 1 2\n", "error: set CS CHANNEL VALUE is wanted, since this is an adc\n");
	tell(c, fd, "set 2 19 1 2\n", "error: the bytes go beyond the end, which is at 20\n");
	tell(c, fd, "set 2 0 256\n", "error: '256': a number from 0 to 255 is wanted\n");
	tell(c, fd, "dump 0\n", "error: '0': that is no chip with memory; list shows them\n");
	tell(c, fd, "get 3 8\n", "error: '8': a number from 0 to 7 is wanted\n");
	tell(c, fd, "get 4 0\n", "error: '4': there is no chip; list shows them\n");
	tell(c, fd, "dump 2 20\n", "error: '20': a number from 0 to 19 is wanted\n");
	close(fd);
	carrier_idle(c, 5);
}

static void control_watch(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));
	uint64_t begin;
	uint8_t in[40] = {0};

	ck_assert_int_ge(fd, 0);
	tell(c, fd, "watch\n", "ok\n");
	put(c, FLASH, "\x9f", 1);
	tell(c, fd, "", "! cs 1: write 1: 00: ok, kept\n");
	ck_assert_int_eq(transfer(c, LOOPBACK, 0, "ab", in, 2), OK);
	tell(c, fd, "", "! cs 0: both 2: 61 62: ok\n");
	tell(c, fd, "fail 2 1\n", "ok\n");
	ck_assert_int_eq(transfer(c, REGS, 0, NULL, in, 4), TRANS_ERR);
	tell(c, fd, "", "! cs 2: read 4:: failed\n");
	tell(c, fd, "delay 100\n", "ok\n");
	begin = now_ms();
	ck_assert_int_eq(transfer(c, LOOPBACK, 0, "c", in, 1), OK);
	ck_assert_uint_ge(now_ms() - begin + 2, 100);
	tell(c, fd, "", "! cs 0: both 1: 63: ok\n");
	tell(c, fd, "delay 60001\n", "error: '60001': a number from 0 to 60000 is wanted\n");
	close(fd);
	carrier_idle(c, 5);
}

static const struct device_case cases[] = {
	{.name = "directions", .run = directions},
	{.name = "registers", .run = registers, .flags = CASE_ONCE},
	{.name = "adc", .run = adc, .flags = CASE_ONCE},
	{.name = "flash", .run = flash, .flags = CASE_ONCE},
	{.name = "cs: standard", .run = cs_standard, .args = standard, .flags = CASE_ONCE},
	{.name = "cs: linux", .run = cs_linux, .args = linux_long, .flags = CASE_ONCE},
	{.name = "cs: pause", .run = cs_pause, .args = linux_short, .flags = CASE_ONCE},
	{.name = "cs: writes", .run = cs_writes, .args = plain, .flags = CASE_ONCE},
	{.name = "words", .run = words, .flags = CASE_ONCE},
	{.name = "modes", .run = modes, .flags = CASE_ONCE},
	{.name = "delays", .run = delays, .flags = CASE_ONCE},
	{.name = "limits", .run = limits, .args = limited, .flags = CASE_ONCE},
	{.name = "config", .run = config, .flags = CASE_CONFIG},
	{.name = "config: limited", .run = config_limited, .args = one_limited, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "malformed", .run = malformed},
	{.name = "refused amid", .run = refused_amid, .args = standard},
	{.name = "no result", .run = no_result},
	{.name = "odd pieces", .run = odd_pieces},
	{.name = "longest", .run = longest, .flags = CASE_ONCE},
	{.name = "many", .run = many, .depth = MANY},
	{.name = "slow stop", .run = slow_stop, .args = slower, .flags = CASE_ONCE, .depth = 2},
	{.name = "slow leave", .run = slow_leave, .args = slow, .flags = CASE_ONCE},
	{.name = "rate", .run = rate, .args = paced, .flags = CASE_ONCE},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
	{.name = "control", .run = control, .args = with_control, .flags = CASE_ONCE},
	{.name = "control: watch", .run = control_watch, .args = with_control, .flags = CASE_ONCE},
};

static const struct device_suite spi = {
	.device = "spi",
	.args = usual,
	DEVICE_CASES(cases),
};

/* ---- options */

#define MAX_ARGS 6

struct call {
	const char *args[MAX_ARGS];
	const char *says; /* on stderr; NULL: it is right */
};

/* Parses and checks the options, opens and closes the device.  Returns 0 or an error of any. */
static int try_options(const char *const *args, bool compat)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	char *argv[MAX_ARGS + 2] = {(char *)"spi"};
	int argc = 1, err;
	struct vdev *d = NULL;

	for (const struct vdev_class *const *class = vdev_classes; *class; class ++) {
		if (strcmp((*class)->name, "spi") == 0)
			ck_assert_int_eq(vdev_new(*class, "spi", loop, &d), 0);
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
		ck_assert_msg(strstr(said, call->says) && strchr(said, '\n') == said + n - 1, "'%s' is not in '%s'",
			      call->says, said);
	}
}

static const struct call calls[] = {
	{{"--backend=sim"}, NULL},
	{{"--sim=loopback:cs=15,speed=1,modes=0+1+2+3,words=8+16+32,length=1M"}, NULL},
	{{"--sim=flash:size=4M"}, NULL},
	{{"--sim=flash:size=4M", "--sim=flash:size=64K"}, "at most 4194304 are possible (size=)"},
	{{"--sim=flash:size=96K"}, "size=98304: a power of two from 65536 to 4194304 is wanted"},
	{{"--sim=regs:size=129"}, "size=129: a number from 1 to 128 is wanted"},
	{{"--sim=adc:size=8"}, "adc has no size"},
	{{"--sim=eeprom"}, "'eeprom': loopback, flash, regs or adc is wanted"},
	{{"--sim="}, "no chip (flash is wanted)"},
	{{"--device="}, "no chip (/dev/spidev0.0 is wanted)"},
	{{"--sim=regs", "--sim=adc:cs=0"}, "chip select 0 is taken by regs"},
	{{"--sim=regs:cs=16"}, "cs=16: a number from 0 to 15 is wanted"},
	{{"--sim=regs:modes=4"}, "modes=4: a number from 0 to 3 is wanted"},
	{{"--sim=regs:modes=0+"}, "modes=: a number"},
	{{"--sim=regs:words=0"}, "words=0: a number from 1 to 32 is wanted"},
	{{"--sim=regs:words=9"}, "it has none of these modes or words"},
	{{"--sim=adc:modes=1"}, "it has none of these modes or words"},
	{{"--sim=regs:speed=fast"}, "speed=fast: a number"},
	{{"--sim=regs:length=2M"}, "length=2M: a number from 1 to 1048576 is wanted"},
	{{"--sim=regs:whole"}, "'whole': cs=N"},
	{{"--sim=regs:"}, "'': cs=N"},
	{{"--device=/dev/spidev0.0:size=3"},
	 "'size=3': cs=N, speed=HZ, modes=0+3, words=8+16, length=BYTES, flash, gather or whole is wanted"},
	{{NULL}, "no chip (--device=/dev/spidev0.0 is wanted, or --backend=sim)"},
	{{"--sim=regs", "--device=/dev/spidev0.0"}, "--sim goes without --device"},
	{{"--backend=spidev", "--sim=regs"}, "--sim goes without --device"},
	{{"--backend=sim", "--device=/dev/spidev0.0"}, "--device goes with --backend=spidev"},
	{{"--device=/dev/spidev0.0", "--sim-delay=1"}, "--sim-delay goes with --backend=sim"},
	{{"--device=/nonexistent/spi:cs=3,flash,whole"}, "--device=/nonexistent/spi: no such node"},
	{{"--device=/dev/null"}, "--device=/dev/null: not a spidev node"},
	{{"--backend=sim", "--cs-change=standard", "--cs-hold-us=1"}, NULL},
	{{"--backend=sim", "--cs-change=spec"}, "--cs-change=spec: "},
	{{"--backend=sim", "--cs-hold-us=0"}, "--cs-hold-us=0: out of range"},
	{{"--backend=sim", "--rate=100/s"}, NULL},
	{{"--rate=100"}, "a rate such as 100/s"},
};

START_TEST(test_options)
{
	check_call(&calls[_i], false);
}
END_TEST

/* As vhost-device-spi is called. */
static const struct call compat_calls[] = {
	{{"-l", "/nonexistent/spi"}, "--device=/nonexistent/spi: no such node"},
	{{"-l/dev/null"}, "--device=/dev/null: not a spidev node"},
	{{"--device", "/dev/null"}, "--device=/dev/null: not a spidev node"},
};

START_TEST(test_compat_options)
{
	check_call(&compat_calls[_i], true);
}
END_TEST

Suite *suite_spi(void)
{
	Suite *s = suite_create("spi");
	TCase *tc = tcase_create("options");

	tcase_add_loop_test(tc, test_options, 0, ARRAY_SIZE(calls));
	tcase_add_loop_test(tc, test_compat_options, 0, ARRAY_SIZE(compat_calls));
	tcase_add_test(tc, test_cs_machine);
	suite_add_tcase(s, tc);
	suite_add_device(s, &spi);
	return s;
}
