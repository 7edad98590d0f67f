/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_blk.c - the block device: VIRTIO 1.4, section 5.2, on simulated disks and on files.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "test/lib/carrier.h"
#include "test/lib/random.h"
#include "test/lib/small_fs.h"
#include "test/unit/suites.h"

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, LIFETIME = 10, DISCARD = 11, ZEROES = 13, ERASE = 14 };

#define OK     0
#define IOERR  1
#define UNSUPP 2

#define F_RO	     5
#define F_FLUSH	     9
#define F_WCE	     11
#define F_MQ	     12
#define F_DISCARD    13
#define F_WRITE_ZERO 14
#define F_ERASE	     16

#define SECTOR	512
#define SECTORS 256 /* of the disks here */
#define MOST	(64 * SECTOR)
#define CONFIG	96

struct head {
	le32 type, reserved;
	le64 sector;
} __attribute__((packed));

static struct head head(uint32_t type, uint64_t sector)
{
	return (struct head){htole32(type), 0, htole64(sector)};
}

/* A request that writes len bytes of data; its status. */
static int send_data(struct carrier *c, unsigned int q, uint32_t type, uint64_t sector, const void *data, size_t len)
{
	uint8_t out[sizeof(struct head) + MOST], status = 0xee;
	struct head h = head(type, sector);

	memcpy(out, &h, sizeof(h));
	if (len)
		memcpy(out + sizeof(h), data, len);
	ck_assert_uint_le(carrier_request(c, q, out, sizeof(h) + len, &status, 1), 1);
	return status;
}

/* A request that reads; its status. */
static int get_data(struct carrier *c, unsigned int q, uint32_t type, uint64_t sector, void *data, size_t len)
{
	uint8_t in[MOST + 1];
	struct head h = head(type, sector);
	uint32_t used;

	memset(in, 0xee, sizeof(in));
	used = carrier_request(c, q, &h, sizeof(h), in, len + 1);
	if (used != len + 1) {
		/* A status behind what was not written is not told: it is looked for by hand (status_of_read). */
		return -1;
	}
	memcpy(data, in, len);
	return in[len];
}

static int put(struct carrier *c, uint64_t sector, const void *data, size_t len)
{
	return send_data(c, 0, OUT, sector, data, len);
}

static int get(struct carrier *c, uint64_t sector, void *data, size_t len)
{
	return get_data(c, 0, IN, sector, data, len);
}

/* The status of a read that is answered without data, where the driver has put its buffers by hand. */
static int status_of_read(struct carrier *c, uint64_t sector, uint32_t len)
{
	struct frontend_buf out = carrier_alloc(c, sizeof(struct head)), in = carrier_alloc(c, len),
			    st = carrier_alloc(c, 1);
	struct head h = head(IN, sector);
	struct driver_buf bufs[] = {
		{.addr = out.guest, .len = sizeof(h)},
		{.addr = in.guest, .len = len, .writable = true},
		{.addr = st.guest, .len = 1, .writable = true},
	};

	memcpy(out.va, &h, sizeof(h));
	*(uint8_t *)st.va = 0xee;
	ck_assert_uint_eq(carrier_raw(c, 0, bufs, 3), 0);
	return *(uint8_t *)st.va;
}

static void fill(uint8_t *data, size_t len, uint32_t seed)
{
	uint32_t state = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(random_next(&state) >> 8);
}

static int control(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Sends a command; the answer must be this. */
static void tell(struct carrier *c, int fd, const char *command, const char *want)
{
	char buf[4096];
	size_t len = 0;

	ck_assert_int_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
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

/* ---- good requests */

static void config(struct carrier *c)
{
	uint8_t conf[CONFIG];
	le64 capacity;
	le32 word;
	le16 half;

	carrier_config_read(c, 0, conf, sizeof(conf));
	memcpy(&capacity, conf, sizeof(capacity));
	ck_assert_uint_eq(le64toh(capacity), SECTORS);
	memcpy(&word, conf + 12, 4);
	ck_assert_uint_eq(le32toh(word), 126);
	memcpy(&word, conf + 20, 4);
	ck_assert_uint_eq(le32toh(word), 512);
	ck_assert_uint_eq(conf[32], 1);
	memcpy(&half, conf + 34, 2);
	ck_assert_uint_eq(le16toh(half), 2);
	memcpy(&word, conf + 40, 4);
	ck_assert_uint_eq(le32toh(word), 16);
	ck_assert_uint_eq(conf[56], 1);
	memcpy(&word, conf + 64, 4);
	ck_assert_uint_eq(le32toh(word), 16);
	memcpy(&word, conf + 68, 4);
	ck_assert_uint_eq(le32toh(word), 8);
	for (unsigned int i = 72; i < sizeof(conf); i++)
		ck_assert_uint_eq(conf[i], 0);
}

/* What was written is read, in pieces of any length, by any queue. */
static void read_write(struct carrier *c)
{
	static const unsigned int sectors[] = {1, 8, 3, 64, 2};
	uint8_t out[MOST], in[MOST];
	uint64_t at = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(sectors); i++) {
		size_t len = sectors[i] * (size_t)SECTOR;

		fill(out, len, i);
		ck_assert_int_eq(send_data(c, i % 2, OUT, at, out, len), OK);
		ck_assert_int_eq(get_data(c, 1 - i % 2, IN, at, in, len), OK);
		ck_assert_mem_eq(in, out, len);
		at += sectors[i];
	}
	/* Across what was written by several. */
	ck_assert_int_eq(get(c, 0, in, SECTOR), OK);
	fill(out, SECTOR, 0);
	ck_assert_mem_eq(in, out, SECTOR);
	ck_assert_int_eq(get(c, SECTORS - 2, in, 2 * SECTOR), OK);
	memset(out, 0, sizeof(out));
	ck_assert_mem_eq(in, out, 2 * SECTOR);
	ck_assert_int_eq(put(c, 0, NULL, 0), OK);
}

static void flushes(struct carrier *c)
{
	uint8_t data[SECTOR] = {7};

	ck_assert_int_eq(put(c, 1, data, sizeof(data)), OK);
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
	ck_assert_int_eq(send_data(c, 1, FLUSH, 0, data, sizeof(data)), OK);
}

#define DEPTH 12u

/* Many at once: each is answered with its own bytes. */
static void many(struct carrier *c)
{
	unsigned int depth = (unsigned int)min_size(carrier_depth(c, 0), DEPTH);
	struct frontend_request *reqs[DEPTH];
	uint8_t out[sizeof(struct head) + SECTOR], in[SECTOR + 1], status;

	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < depth; i++) {
			struct head h = head(OUT, i * 3);

			memcpy(out, &h, sizeof(h));
			fill(out + sizeof(h), SECTOR, round * 100 + i);
			reqs[i] = carrier_submit(c, 0, out, sizeof(out), 1);
		}
		for (unsigned int i = 0; i < depth; i++) {
			carrier_await(c, 0, reqs[i], &status);
			ck_assert_uint_eq(status, OK);
		}
		for (unsigned int i = 0; i < depth; i++) {
			struct head h = head(IN, i * 3);

			reqs[i] = carrier_submit(c, 0, &h, sizeof(h), sizeof(in));
		}
		for (unsigned int i = depth; i-- > 0;) {
			ck_assert_uint_eq(carrier_await(c, 0, reqs[i], in), sizeof(in));
			fill(out, SECTOR, round * 100 + i);
			ck_assert_mem_eq(in, out, SECTOR);
			ck_assert_uint_eq(in[SECTOR], OK);
		}
	}
}

/* Flushes between writes, all at once: those that come while one is under way share the next. */
static void flushes_together(struct carrier *c)
{
	unsigned int depth = (unsigned int)min_size(carrier_depth(c, 0), DEPTH);
	struct frontend_request *reqs[DEPTH];
	uint8_t out[sizeof(struct head) + SECTOR] = {0}, status;

	for (unsigned int round = 0; round < 8; round++) {
		for (unsigned int i = 0; i < depth; i++) {
			struct head h = i % 3 ? head(FLUSH, 0) : head(OUT, i);

			memcpy(out, &h, sizeof(h));
			reqs[i] = carrier_submit(c, 0, out, i % 3 ? sizeof(h) : sizeof(out), 1);
		}
		for (unsigned int i = depth; i-- > 0;) {
			status = 0xff;
			ck_assert_uint_eq(carrier_await(c, 0, reqs[i], &status), 1);
			ck_assert_uint_eq(status, OK);
		}
	}
}

static void identity(struct carrier *c)
{
	char id[32];

	ck_assert_int_eq(get_data(c, 0, GET_ID, 0, id, 20), OK);
	ck_assert_mem_eq(id, "serial-0123\0\0\0\0\0\0\0\0\0", 20);
	ck_assert_int_eq(get_data(c, 0, GET_ID, 0, id, 32), OK);
	ck_assert_mem_eq(id, "serial-0123", 12);
	ck_assert_int_eq(get_data(c, 0, GET_ID, 0, id, 19), -1);
}

struct range {
	le64 sector;
	le32 sectors, flags;
} __attribute__((packed));

static struct range range(uint64_t sector, uint32_t sectors, uint32_t flags)
{
	return (struct range){htole64(sector), htole32(sectors), htole32(flags)};
}

static void zeroes(struct carrier *c)
{
	struct range r[17];
	uint8_t data[SECTOR * 8], in[SECTOR * 8], zero[SECTOR * 8] = {0};

	if (!carrier_has(c, F_WRITE_ZERO)) {
		r[0] = range(0, 1, 0);
		ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, sizeof(r[0])), UNSUPP);
		return;
	}
	fill(data, sizeof(data), 5);
	for (uint32_t unmap = 0; unmap < 2; unmap++) {
		ck_assert_int_eq(put(c, 8, data, sizeof(data)), OK);
		r[0] = range(8, 2, unmap);
		r[1] = range(12, 1, unmap);
		ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, 2 * sizeof(r[0])), OK);
		ck_assert_int_eq(get(c, 8, in, sizeof(in)), OK);
		ck_assert_mem_eq(in, zero, 2 * SECTOR);
		ck_assert_mem_eq(in + 2 * SECTOR, data + 2 * SECTOR, 2 * SECTOR);
		ck_assert_mem_eq(in + 4 * SECTOR, zero, SECTOR);
		ck_assert_mem_eq(in + 5 * SECTOR, data + 5 * SECTOR, 3 * SECTOR);
	}
	for (unsigned int i = 0; i < 17; i++)
		r[i] = range(i, 1, 0);
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, 16 * sizeof(r[0])), OK);
	ck_assert_int_eq(get(c, 8, in, sizeof(in)), OK);
	ck_assert_mem_eq(in, zero, sizeof(in));
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, 17 * sizeof(r[0])), IOERR);
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, 0), IOERR);
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, 17), IOERR);
	/* Nothing is done where one of them is wrong. */
	ck_assert_int_eq(put(c, 0, data, SECTOR), OK);
	r[0] = range(0, 1, 0);
	r[1] = range(SECTORS - 1, 2, 0);
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, 2 * sizeof(r[0])), IOERR);
	r[1] = range(0, 1, 2);
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, 2 * sizeof(r[0])), UNSUPP);
	r[1] = range(UINT64_MAX, 2, 0);
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, 2 * sizeof(r[0])), IOERR);
	r[1] = range(0, UINT32_MAX, 0);
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, r, 2 * sizeof(r[0])), IOERR);
	ck_assert_int_eq(get(c, 0, in, SECTOR), OK);
	ck_assert_mem_eq(in, data, SECTOR);
}

static void discards(struct carrier *c)
{
	struct range r = range(8, 8, 0);
	uint8_t data[SECTOR * 8];

	if (!carrier_has(c, F_DISCARD)) {
		ck_assert_int_eq(send_data(c, 0, DISCARD, 0, &r, sizeof(r)), UNSUPP);
		return;
	}
	fill(data, sizeof(data), 6);
	ck_assert_int_eq(put(c, 8, data, sizeof(data)), OK);
	ck_assert_int_eq(send_data(c, 0, DISCARD, 0, &r, sizeof(r)), OK);
	ck_assert_int_eq(get(c, 8, data, sizeof(data)), OK);
	r = range(8, 8, 1);
	ck_assert_int_eq(send_data(c, 0, DISCARD, 0, &r, sizeof(r)), UNSUPP);
	r = range(SECTORS, 1, 0);
	ck_assert_int_eq(send_data(c, 0, DISCARD, 0, &r, sizeof(r)), IOERR);
}

/* No power cut brings back what was erased. */
static void erases(struct carrier *c)
{
	struct range r[] = {range(8, 8, 0), range(32, 1, 0)};
	uint8_t data[SECTOR * 8], in[SECTOR * 8], zero[SECTOR * 8] = {0};
	int fd = control(c);

	if (!carrier_has(c, F_ERASE)) {
		ck_assert_int_eq(send_data(c, 0, ERASE, 0, r, sizeof(r)), UNSUPP);
		close(fd);
		return;
	}
	fill(data, sizeof(data), 8);
	ck_assert_int_eq(put(c, 8, data, sizeof(data)), OK);
	ck_assert_int_eq(put(c, 32, data, 2 * SECTOR), OK);
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
	ck_assert_int_eq(put(c, 8, data, SECTOR), OK);
	tell(c, fd, "fail erase\n", "ok\n");
	ck_assert_int_eq(send_data(c, 0, ERASE, 0, r, sizeof(r)), IOERR);
	ck_assert_int_eq(get(c, 8, in, sizeof(in)), OK);
	ck_assert_mem_eq(in, data, sizeof(in));
	ck_assert_int_eq(send_data(c, 0, ERASE, 0, r, sizeof(r)), OK);
	tell(c, fd, "cut 1\n", "kept 0 of 0 writes\nok\n");
	ck_assert_int_eq(get(c, 8, in, sizeof(in)), OK);
	ck_assert_mem_eq(in, zero, sizeof(in));
	ck_assert_int_eq(get(c, 32, in, 2 * SECTOR), OK);
	ck_assert_mem_eq(in, zero, SECTOR);
	ck_assert_mem_eq(in + SECTOR, data + SECTOR, SECTOR);
	r[0] = range(8, 8, 1);
	ck_assert_int_eq(send_data(c, 0, ERASE, 0, r, sizeof(r)), UNSUPP);
	r[0] = range(SECTORS, 1, 0);
	ck_assert_int_eq(send_data(c, 0, ERASE, 0, r, sizeof(r)), IOERR);
	close(fd);
	carrier_idle(c, 5);
}

/* ---- bad requests */

static void refused(struct carrier *c)
{
	uint8_t data[2 * SECTOR + 1] = {0}, status = 0xee, in[4];
	struct head h = head(IN, 0);

	ck_assert_int_eq(put(c, SECTORS - 1, data, 2 * SECTOR), IOERR);
	ck_assert_int_eq(put(c, SECTORS, data, SECTOR), IOERR);
	ck_assert_int_eq(put(c, UINT64_MAX, data, SECTOR), IOERR);
	ck_assert_int_eq(put(c, UINT64_MAX / SECTOR + 1, data, SECTOR), IOERR);
	ck_assert_int_eq(put(c, 0, data, SECTOR - 1), IOERR);
	ck_assert_int_eq(put(c, 0, data, SECTOR + 1), IOERR);
	ck_assert_int_eq(put(c, 0, data, 1), IOERR);
	ck_assert_int_eq(get(c, SECTORS - 1, data, 2 * SECTOR), -1);
	ck_assert_int_eq(get(c, 0, data, 1), -1);
	for (uint32_t type = 2; type < 40; type++) {
		if (type == FLUSH || type == GET_ID || type == DISCARD || type == ZEROES ||
		    (type == ERASE && carrier_has(c, F_ERASE)))
			continue;
		ck_assert_int_eq(send_data(c, 0, type, 0, data, SECTOR), UNSUPP);
	}
	ck_assert_int_eq(send_data(c, 0, 0x80000000u, 0, data, SECTOR), UNSUPP);
	/* Half a header, no header, no room for a status. */
	ck_assert_uint_eq(carrier_request(c, 0, &h, sizeof(h) - 1, &status, 1), 1);
	ck_assert_uint_eq(status, IOERR);
	ck_assert_uint_eq(carrier_request(c, 0, NULL, 0, &status, 1), 1);
	ck_assert_uint_eq(status, IOERR);
	ck_assert_uint_eq(carrier_request(c, 0, &h, sizeof(h), NULL, 0), 0);
	/* More room than a status needs. */
	h = head(FLUSH, 0);
	ck_assert_uint_eq(carrier_request(c, 0, &h, sizeof(h), in, sizeof(in)), 0);
	ck_assert_int_eq(get(c, 0, data, SECTOR), OK);
}

/* The status of a read that goes wrong is the last byte, also where no data is written. */
static void read_status(struct carrier *c)
{
	ck_assert_int_eq(status_of_read(c, SECTORS - 1, 2 * SECTOR), IOERR);
	ck_assert_int_eq(status_of_read(c, 0, SECTOR - 1), IOERR);
	ck_assert_int_eq(status_of_read(c, UINT64_MAX, SECTOR), IOERR);
}

static const char *const read_only_args[] = {"--backend=sim", "--sim-size=128K", "--num-queues=2", "--read-only", NULL};

static void read_only(struct carrier *c)
{
	uint8_t data[SECTOR] = {0};
	struct range r = range(0, 1, 0);

	ck_assert(carrier_has(c, F_RO));
	ck_assert(!carrier_has(c, F_DISCARD) && !carrier_has(c, F_WRITE_ZERO) && !carrier_has(c, F_ERASE));
	ck_assert_int_eq(put(c, 0, data, SECTOR), IOERR);
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, &r, sizeof(r)), UNSUPP);
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
	ck_assert_int_eq(get(c, 0, data, SECTOR), OK);
}

/* ---- the simulated disk */

static const char *const control_args[] = {"--backend=sim", "--sim-size=128K", "--num-queues=2", "--control=%T/control",
					   NULL};

static void faults(struct carrier *c)
{
	int fd = control(c);
	uint8_t data[2 * SECTOR] = {0};
	struct range r = range(0, 1, 0);

	tell(c, fd, "fail writ\n", "error: 'writ': read, write, flush, discard, erase or zero is wanted\n");
	tell(c, fd, "fail write x\n", "error: 'x': how many requests are to fail is wanted\n");
	tell(c, fd, "fail write 1 eagain\n", "error: 'eagain': eio or enospc is wanted\n");
	tell(c, fd, "fail write 2 enospc\n", "ok\n");
	ck_assert_int_eq(put(c, 0, data, sizeof(data)), IOERR);
	ck_assert_int_eq(put(c, 0, data, SECTOR), IOERR);
	ck_assert_int_eq(put(c, 0, data, SECTOR), OK);
	tell(c, fd, "fail read\nfail flush\nfail zero\nfail discard\n", "ok\nok\nok\nok\n");
	ck_assert_int_eq(get(c, 0, data, SECTOR), -1);
	ck_assert_int_eq(get(c, 0, data, SECTOR), OK);
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), IOERR);
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
	ck_assert_int_eq(send_data(c, 0, ZEROES, 0, &r, sizeof(r)), IOERR);
	ck_assert_int_eq(send_data(c, 0, DISCARD, 0, &r, sizeof(r)), IOERR);
	ck_assert_int_eq(send_data(c, 0, DISCARD, 0, &r, sizeof(r)), OK);
	close(fd);
	carrier_idle(c, 5);
}

/* Requests may end in any order; a ring that stops waits for them. */
static void shuffled(struct carrier *c)
{
	int fd = control(c);
	struct frontend_request *req;
	struct head h = head(IN, 3);
	uint8_t in[SECTOR + 1], want[SECTOR];
	uint32_t base;

	tell(c, fd, "shuffle on\n", "ok\n");
	many(c);
	fill(want, sizeof(want), 301);
	tell(c, fd, "delay 20\n", "ok\n");
	req = carrier_submit(c, 0, &h, sizeof(h), sizeof(in));
	base = carrier_stop(c, 0);
	carrier_start(c, 0, base);
	ck_assert_uint_eq(carrier_await(c, 0, req, in), sizeof(in));
	ck_assert_mem_eq(in, want, sizeof(want));
	close(fd);
	carrier_idle(c, 5);
}

/* A front-end that goes amid requests harms nobody. */
static void leaves(struct carrier *c)
{
	int fd = control(c);
	uint8_t data[SECTOR];
	struct head h = head(IN, 0);

	tell(c, fd, "delay 30\n", "ok\n");
	for (unsigned int i = 0; i < 3; i++)
		carrier_submit(c, 0, &h, sizeof(h), SECTOR + 1);
	carrier_idle(c, 2);
	carrier_reconnect(c);
	tell(c, fd, "delay 0\n", "ok\n");
	ck_assert_int_eq(get(c, 0, data, SECTOR), OK);
	close(fd);
	carrier_idle(c, 5);
}

/* What a power cut takes: nothing that was flushed before, and nothing that was never written. */
static void power_cut(struct carrier *c)
{
	int fd = control(c);
	uint8_t old[8 * SECTOR], new[8 * SECTOR], in[8 * SECTOR];
	unsigned int olds = 0, news = 0;
	char command[32], answer[64];

	fill(old, sizeof(old), 1);
	fill(new, sizeof(new), 2);
	for (unsigned int seed = 0; seed < 50; seed++) {
		ck_assert_int_eq(put(c, 8, old, sizeof(old)), OK);
		ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
		ck_assert_int_eq(put(c, 8, new, sizeof(new)), OK);
		snprintf(command, sizeof(command), "cut %u\n", seed);
		snprintf(answer, sizeof(answer), "kept 0 of 1 writes\nok\n");
		ck_assert_int_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
		tell(c, fd, "", answer);
		ck_assert_int_eq(get(c, 8, in, sizeof(in)), OK);
		for (unsigned int i = 0; i < 8; i++) {
			bool is_old = memcmp(in + i * SECTOR, old + i * SECTOR, SECTOR) == 0;

			ck_assert(is_old || memcmp(in + i * SECTOR, new + i *SECTOR, SECTOR) == 0);
			olds += is_old;
			news += !is_old;
		}
	}
	ck_assert_uint_gt(olds, 100);
	ck_assert_uint_gt(news, 100);
	close(fd);
	carrier_idle(c, 5);
}

/* Without power nothing is done, also of what was under way; with it the disk is as the cut has left it. */
static void power(struct carrier *c)
{
	uint8_t data[SECTOR] = {1}, in[SECTOR];
	int fd = control(c);

	ck_assert_int_eq(put(c, 3, data, SECTOR), OK);
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
	tell(c, fd, "power off\n", "ok\n");
	data[0] = 2;
	ck_assert_int_eq(put(c, 3, data, SECTOR), IOERR);
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), IOERR);
	ck_assert_int_eq(get(c, 3, in, SECTOR), -1);
	tell(c, fd, "cut 1\npower half\npower on\n",
	     "kept 0 of 0 writes\nok\nerror: 'half': on or off is wanted\nok\n");
	ck_assert_int_eq(get(c, 3, in, SECTOR), OK);
	ck_assert_uint_eq(in[0], 1);
	close(fd);
	carrier_idle(c, 5);
}

/* ---- a journal that survives power cuts */

#define ACCOUNTS 16u /* at sectors of their own, from PLACE on */
#define PLACE	 64u
#define JOURNAL	 8u /* where the record is */
#define CUTS	 1000u

/* What a transaction writes: the new balances of two accounts; it counts where its sum is right. */
struct record {
	uint32_t number, from, to, from_balance, to_balance, sum;
};

static uint32_t record_sum(const struct record *r)
{
	return r->number * 31 + r->from * 37 + r->to * 41 + r->from_balance * 43 + r->to_balance * 47 + 1;
}

static void put_word(struct carrier *c, uint64_t sector, const void *bytes, size_t len)
{
	uint8_t data[SECTOR] = {0};

	memcpy(data, bytes, len);
	ck_assert_int_eq(put(c, sector, data, SECTOR), OK);
}

static void flush_disk(struct carrier *c)
{
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
}

/* After a cut: what the record says is done once more; then all the money must be there.  Returns the record's number.
 */
static uint32_t recover(struct carrier *c)
{
	uint8_t data[SECTOR];
	uint32_t all = 0, balance;
	struct record r;

	ck_assert_int_eq(get(c, JOURNAL, data, SECTOR), OK);
	memcpy(&r, data, sizeof(r));
	ck_assert_msg(r.sum == record_sum(&r), "a record is torn");
	put_word(c, PLACE + r.from, &r.from_balance, 4);
	put_word(c, PLACE + r.to, &r.to_balance, 4);
	flush_disk(c);
	for (unsigned int i = 0; i < ACCOUNTS; i++) {
		ck_assert_int_eq(get(c, PLACE + i, data, SECTOR), OK);
		memcpy(&balance, data, 4);
		all += balance;
	}
	ck_assert_msg(all == ACCOUNTS * 1000, "%u of %u are there", all, ACCOUNTS * 1000);
	return r.number;
}

/* Moves money: the record, a flush, the balances.  The flush before the next record keeps those. */
static void transact(struct carrier *c, uint32_t number, uint32_t *random)
{
	struct record r = {.number = number, .from = random_next(random) % ACCOUNTS};
	uint32_t amount = random_next(random) % 100;
	uint8_t data[SECTOR];

	r.to = (r.from + 1 + random_next(random) % (ACCOUNTS - 1)) % ACCOUNTS;
	ck_assert_int_eq(get(c, PLACE + r.from, data, SECTOR), OK);
	memcpy(&r.from_balance, data, 4);
	ck_assert_int_eq(get(c, PLACE + r.to, data, SECTOR), OK);
	memcpy(&r.to_balance, data, 4);
	r.from_balance -= amount;
	r.to_balance += amount;
	r.sum = record_sum(&r);
	flush_disk(c);
	put_word(c, JOURNAL, &r, sizeof(r));
	flush_disk(c);
	put_word(c, PLACE + r.to, &r.to_balance, 4);
	put_word(c, PLACE + r.from, &r.from_balance, 4);
}

/* A transaction whose record was flushed is there after a cut, whatever else is lost, and no half of one ever is. */
static void journal(struct carrier *c)
{
	unsigned int cuts = test_by_depth(CUTS / 10, CUTS, CUTS);
	uint32_t random = 7, number = 1, thousand = 1000;
	struct record first = {.from_balance = thousand, .to_balance = thousand, .to = 1};
	char command[32], answer[256];
	int fd = control(c);

	first.sum = record_sum(&first);
	for (unsigned int i = 0; i < ACCOUNTS; i++)
		put_word(c, PLACE + i, &thousand, 4);
	put_word(c, JOURNAL, &first, sizeof(first));
	flush_disk(c);
	for (unsigned int cut = 0; cut < cuts; cut++) {
		for (unsigned int n = random_next(&random) % 3; n; n--)
			transact(c, number++, &random);
		snprintf(command, sizeof(command), cut % 2 ? "cut whole %u\n" : "cut %u\n", cut);
		ck_assert_int_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
		for (ssize_t got = 0, more; got < 3 || memcmp(answer + got - 3, "ok\n", 3) != 0;
		     got += more > 0 ? more : 0) {
			carrier_idle(c, 0);
			more = read(fd, answer + got, sizeof(answer) - (size_t)got);
		}
		ck_assert_uint_eq(recover(c), number - 1);
	}
	close(fd);
	carrier_idle(c, 5);
}

/* Who turns the cache off, or does not know it, has what was written on the disk. */
static void write_through(struct carrier *c)
{
	int fd = control(c);
	uint8_t data[SECTOR] = {1}, off = 0, two = 2;

	ck_assert_int_eq(put(c, 0, data, SECTOR), OK);
	tell(c, fd, "disk\n", "131072 bytes, 1 writes not flushed\nok\n");
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
	tell(c, fd, "disk\n", "131072 bytes, 0 writes not flushed\nok\n");
	ck_assert_int_ne(carrier_config_write(c, 32, &two, 1), 0);
	ck_assert_int_ne(carrier_config_write(c, 33, &off, 1), 0);
	ck_assert_int_ne(carrier_config_write(c, 0, &off, 1), 0);
	ck_assert_int_eq(carrier_config_write(c, 32, &off, 1), 0);
	carrier_config_read(c, 32, &two, 1);
	ck_assert_uint_eq(two, 0);
	ck_assert_int_eq(put(c, 0, data, SECTOR), OK);
	tell(c, fd, "disk\n", "131072 bytes, 0 writes not flushed\nok\n");
	carrier_reset(c);
	carrier_config_read(c, 32, &two, 1);
	ck_assert_uint_eq(two, 1);
	ck_assert_int_eq(put(c, 0, data, SECTOR), OK);
	tell(c, fd, "disk\n", "131072 bytes, 1 writes not flushed\nok\n");
	close(fd);
	carrier_idle(c, 5);
}

static void resize(struct carrier *c)
{
	int fd = control(c);
	uint8_t data[2 * SECTOR] = {0};
	le64 capacity;

	ck_assert_int_eq(put(c, SECTORS, data, SECTOR), IOERR);
	tell(c, fd, "resize\n", "131072\nok\n");
	tell(c, fd, "size 256K\n", "ok\n");
	ck_assert_int_eq(put(c, SECTORS, data, SECTOR), IOERR);
	tell(c, fd, "resize\n", "262144\nok\n");
	carrier_wait_config_change(c);
	carrier_config_read(c, 0, &capacity, sizeof(capacity));
	ck_assert_uint_eq(le64toh(capacity), 2 * SECTORS);
	ck_assert_int_eq(put(c, SECTORS, data, SECTOR), OK);
	/* Smaller, and the guest does not know: what is behind the end is not there. */
	tell(c, fd, "size 64K\n", "ok\n");
	ck_assert_int_eq(put(c, SECTORS, data, SECTOR), IOERR);
	ck_assert_int_eq(get(c, SECTORS / 2 - 1, data, sizeof(data)), -1);
	ck_assert_int_eq(put(c, SECTORS / 2 - 1, data, SECTOR), OK);
	tell(c, fd, "resize\n", "65536\nok\n");
	carrier_wait_config_change(c);
	ck_assert_int_eq(put(c, SECTORS, data, SECTOR), IOERR);
	close(fd);
	carrier_idle(c, 5);
}

static void moves(struct carrier *c)
{
	uint8_t off = 0, in = 1;

	ck_assert_int_eq(carrier_config_write(c, 32, &off, 1), 0);
	carrier_move(c);
	carrier_config_read(c, 32, &in, 1);
	ck_assert_uint_eq(in, 0);
	read_write(c);
}

/* ---- files */

static const char *const file_args[] = {"--file=%T/disk", "--num-queues=2", "--serial=serial-0123", NULL};
static const char *const thread_args[] = {"--file=%T/disk", "--num-queues=2", "--aio=threads", NULL};
static const char *const direct_args[] = {"--blk-file=%T/disk", "--num-queues=2", "--cache=none", "--block-size=512",
					  NULL};
static const char *const small_args[] = {"--file=%T/small/disk", "--num-queues=1", NULL};
static const char *const file_control_args[] = {"--file=%T/disk", "--num-queues=1", "--control=%T/control", NULL};

static void prepare_file(struct carrier *c)
{
	carrier_write_file(c, "disk", "", 0, false);
	ck_assert_int_eq(truncate(carrier_path(c, "disk"), SECTORS * SECTOR), 0);
}

static blkcnt_t blocks_of(struct carrier *c)
{
	struct stat st;

	ck_assert_int_eq(stat(carrier_path(c, "disk"), &st), 0);
	return st.st_blocks;
}

/* The file is the disk, byte by byte; and discards make holes in it. */
static void in_file(struct carrier *c)
{
	uint8_t data[16 * SECTOR], in[16 * SECTOR];
	struct range r = range(16, 16, 0);
	int fd = open(carrier_path(c, "disk"), O_RDWR | O_CLOEXEC);
	blkcnt_t before;

	ck_assert_int_ge(fd, 0);
	fill(data, sizeof(data), 9);
	ck_assert_int_eq(put(c, 16, data, sizeof(data)), OK);
	ck_assert_int_eq(pread(fd, in, sizeof(in), 16 * SECTOR), sizeof(in));
	ck_assert_mem_eq(in, data, sizeof(in));
	ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
	before = blocks_of(c);
	if (carrier_has(c, F_DISCARD)) {
		ck_assert_int_eq(send_data(c, 0, DISCARD, 0, &r, sizeof(r)), OK);
		ck_assert_int_le(blocks_of(c), before - 16);
	}
	fill(data, SECTOR, 10);
	ck_assert_int_eq(pwrite(fd, data, SECTOR, 5 * SECTOR), SECTOR);
	ck_assert_int_eq(get(c, 5, in, SECTOR), OK);
	ck_assert_mem_eq(in, data, SECTOR);
	close(fd);
}

static bool small;

static void prepare_small(struct carrier *c)
{
	small = small_fs_new(carrier_path(c, "small"));
	carrier_write_file(c, "small/disk", "", 0, false);
	ck_assert_int_eq(truncate(carrier_path(c, "small/disk"), SECTORS * SECTOR), 0);
}

/* A write for which there is no room fails alone, also where it was to be durable. */
static void no_room(struct carrier *c)
{
	uint8_t data[64 * SECTOR] = {1}, off = 0;

	if (small) {
		ck_assert_int_eq(put(c, 0, data, sizeof(data)), OK);
		ck_assert_int_eq(carrier_config_write(c, 32, &off, 1), 0);
		ck_assert_int_eq(put(c, 64, data, sizeof(data)), OK);
		ck_assert_int_eq(put(c, 128, data, SECTOR), IOERR);
		ck_assert_int_eq(put(c, 8, data, SECTOR), OK);
		ck_assert_int_eq(send_data(c, 0, FLUSH, 0, NULL, 0), OK);
		ck_assert_int_eq(truncate(carrier_path(c, "small/disk"), 64 * SECTOR), 0);
		ck_assert_int_eq(truncate(carrier_path(c, "small/disk"), SECTORS * SECTOR), 0);
		ck_assert_int_eq(put(c, 128, data, SECTOR), OK);
		small_fs_end(carrier_path(c, "small"));
	} else {
		test_note_skip("blk", "no mount is allowed here");
	}
}

/* A file that is cut short gives errors, and is what it is when it has grown. */
static void file_size(struct carrier *c)
{
	int fd = control(c);
	uint8_t data[SECTOR] = {0};
	le64 capacity;

	ck_assert_int_eq(put(c, SECTORS - 1, data, SECTOR), OK);
	ck_assert_int_eq(truncate(carrier_path(c, "disk"), SECTORS * SECTOR / 2), 0);
	ck_assert_int_eq(get(c, SECTORS - 1, data, SECTOR), -1);
	tell(c, fd, "resize\n", "65536\nok\n");
	carrier_wait_config_change(c);
	ck_assert_int_eq(truncate(carrier_path(c, "disk"), SECTORS * SECTOR * 2 + 100), 0);
	tell(c, fd, "resize\n", "262144\nok\n");
	carrier_wait_config_change(c);
	carrier_config_read(c, 0, &capacity, sizeof(capacity));
	ck_assert_uint_eq(le64toh(capacity), 2 * SECTORS);
	ck_assert_int_eq(put(c, 2 * SECTORS - 1, data, SECTOR), OK);
	close(fd);
	carrier_idle(c, 5);
}

/* The operator's signal, or where the device is in this process what the signal does. */
static void hang_up(struct carrier *c)
{
	if (carrier_pid(c) > 0)
		ck_assert_int_eq(kill(carrier_pid(c), SIGHUP), 0);
	else
		carrier_class(c)->hangup(carrier_vdev(c));
}

static void wait_capacity(struct carrier *c, uint64_t sectors)
{
	le64 capacity;

	carrier_wait_config_change(c);
	carrier_config_read(c, 0, &capacity, sizeof(capacity));
	ck_assert_uint_eq(le64toh(capacity), sectors);
}

/* Who makes a file larger, and closes it, is seen; of what is not, a signal tells. */
static void file_grows(struct carrier *c)
{
	uint8_t data[SECTOR] = {7};
	int fd = open(carrier_path(c, "disk"), O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 2 * SECTORS * SECTOR), 0);
	close(fd);
	wait_capacity(c, 2 * SECTORS);
	ck_assert_int_eq(put(c, 2 * SECTORS - 1, data, SECTOR), OK);
	ck_assert_int_eq(truncate(carrier_path(c, "disk"), 3 * SECTORS * SECTOR), 0);
	ck_assert_int_eq(put(c, 2 * SECTORS, data, SECTOR), IOERR);
	hang_up(c);
	wait_capacity(c, 3 * SECTORS);
	ck_assert_int_eq(put(c, 3 * SECTORS - 1, data, SECTOR), OK);
	/* One that has the size that is known changes nothing, and harms nothing. */
	hang_up(c);
	ck_assert_int_eq(put(c, 0, data, SECTOR), OK);
}

/* The disk is the device's: nobody else can lock it. */
static void locked(struct carrier *c)
{
	int fd = open(carrier_path(c, "disk"), O_RDWR | O_CLOEXEC);
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1};
	struct vdev *d;
	struct opt_group groups[2] = {0};
	struct ev_loop *loop;
	char *argv[] = {(char *)"blk", NULL, NULL};
	char file[128];

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), -1);
	snprintf(file, sizeof(file), "--file=%s", carrier_path(c, "disk"));
	argv[1] = file;
	ck_assert_int_eq(vdev_new(carrier_class(c), "second", NULL, &d), 0);
	groups[0] = (struct opt_group){"", d->class->opts, d};
	ck_assert_int_eq(opt_defaults(&groups[0]), 0);
	ck_assert_int_eq(opt_parse(groups, false, 2, argv), 2);
	ck_assert_int_eq(vdev_check(d), 0);
	d->loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(vdev_open(d), -EBUSY);
	loop = d->loop;
	vdev_free(d);
	ev_loop_destroy(loop);
	close(fd);
}

static const char *const sim_args[] = {"--backend=sim", "--sim-size=128K", "--num-queues=2", "--serial=serial-0123",
				       NULL};

#define ON_FILE	  .args = file_args, .prepare = prepare_file
#define BY_THREAD .args = thread_args, .prepare = prepare_file
#define DIRECTLY  .args = direct_args, .prepare = prepare_file
#define CONTROL	  .args = control_args, .flags = CASE_ONCE

static const struct device_case cases[] = {
	{.name = "config", .run = config, .flags = CASE_CONFIG},
	{.name = "read, write", .run = read_write},
	{.name = "read, write: file", .run = read_write, ON_FILE},
	{.name = "read, write: threads", .run = read_write, BY_THREAD, .flags = CASE_ONCE},
	{.name = "read, write: direct", .run = read_write, DIRECTLY},
	{.name = "flush", .run = flushes},
	{.name = "flush: file", .run = flushes_together, ON_FILE, .flags = CASE_ONCE},
	{.name = "flush: threads", .run = flushes_together, BY_THREAD, .flags = CASE_ONCE},
	{.name = "many", .run = many, .depth = DEPTH},
	{.name = "many: file", .run = many, ON_FILE, .depth = DEPTH, .flags = CASE_ONCE},
	{.name = "many: threads", .run = many, BY_THREAD, .depth = DEPTH, .flags = CASE_ONCE},
	{.name = "flushes: file", .run = flushes_together, ON_FILE, .depth = DEPTH, .flags = CASE_ONCE},
	{.name = "flushes: threads", .run = flushes_together, BY_THREAD, .depth = DEPTH, .flags = CASE_ONCE},
	{.name = "many: direct", .run = many, DIRECTLY, .depth = DEPTH, .flags = CASE_ONCE},
	{.name = "id", .run = identity},
	{.name = "zeroes", .run = zeroes},
	{.name = "zeroes: file", .run = zeroes, ON_FILE, .flags = CASE_ONCE},
	{.name = "zeroes: direct", .run = zeroes, DIRECTLY, .flags = CASE_ONCE},
	{.name = "discard", .run = discards},
	{.name = "erase", .run = erases, .args = control_args},
	{.name = "refused", .run = refused},
	{.name = "refused: file", .run = refused, ON_FILE, .flags = CASE_ONCE},
	{.name = "status of a read", .run = read_status, .flags = CASE_ONCE},
	{.name = "read-only", .run = read_only, .args = read_only_args},
	{.name = "faults", .run = faults, CONTROL},
	{.name = "shuffled", .run = shuffled, .args = control_args, .flags = CASE_ONCE, .depth = DEPTH},
	{.name = "leaves", .run = leaves, CONTROL},
	{.name = "power cut", .run = power_cut, CONTROL},
	{.name = "power", .run = power, CONTROL},
	{.name = "journal", .run = journal, .args = control_args, .flags = CASE_ONCE | CASE_NOT_BINARY},
	{.name = "write through", .run = write_through, .args = control_args, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "resize", .run = resize, .args = control_args, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "moves", .run = moves, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "file", .run = in_file, ON_FILE, .flags = CASE_ONCE},
	{.name = "file size",
	 .run = file_size,
	 .args = file_control_args,
	 .prepare = prepare_file,
	 .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "file grows", .run = file_grows, ON_FILE, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "no room",
	 .run = no_room,
	 .args = small_args,
	 .prepare = prepare_small,
	 .flags = CASE_ONCE | CASE_CONFIG | CASE_NOT_BINARY},
	{.name = "locked", .run = locked, ON_FILE, .flags = CASE_ONCE},
};

static const struct device_suite blk = {
	.device = "blk",
	.args = sim_args,
	DEVICE_CASES(cases),
};

Suite *suite_blk(void)
{
	Suite *s = suite_create("blk");

	suite_add_device(s, &blk);
	return s;
}
