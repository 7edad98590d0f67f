/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_chain.c - the cursor over a request: a device sees bytes, however the driver split them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "test/lib/gmem_strict.h"
#include "test/lib/rig.h"
#include "test/unit/suites.h"

#define TABLE_ADDR ((uint64_t)RIG_GUEST + RIG_TABLE)

#define READABLE 100u
#define WRITABLE 150u

static struct rig r;
static struct chain *c;
static uint8_t readable[READABLE];

/* Piece sizes of a chain, used again and again from the first; 0 is an empty descriptor. */
static const unsigned int splits[][4] = {
	{1000, 1000, 1000, 1000}, {1, 1, 1, 1}, {7, 1, 30, 2}, {0, 5, 0, 64}, {99, 1, 99, 1},
};

/* Writes one part of the chain into the table, at scattered places of the buffers.  Returns the next entry. */
static unsigned int put_part(const unsigned int *split, unsigned int at, uint32_t len, bool writable)
{
	uint32_t done = 0;

	for (unsigned int i = 0; done < len; i++, at++) {
		uint32_t n = split[i % 4] < len - done ? split[i % 4] : len - done;
		uint32_t place = (writable ? 0x10000 : 0) + done * 40 + 13;

		if (!writable)
			memcpy(r.buffer + place, readable + done, n);
		rig_desc(&r.table[at], rig_addr(place), n, (writable ? VIRTQ_DESC_F_WRITE : 0) | VIRTQ_DESC_F_NEXT,
			 at + 1);
		done += n;
	}
	return at;
}

/* What the device wrote into the writable part, in one piece. */
static void gather(const unsigned int *split, uint8_t *out)
{
	uint32_t done = 0;

	for (unsigned int i = 0; done < WRITABLE; i++) {
		uint32_t n = split[i % 4] < WRITABLE - done ? split[i % 4] : WRITABLE - done;

		memcpy(out + done, r.buffer + 0x10000 + done * 40 + 13, n);
		done += n;
	}
}

static void begin(const struct gmem_backend *backend, const unsigned int *split)
{
	unsigned int n;

	rig_init(&r, backend);
	rig_start(&r, 4, BIT(VIRTIO_F_INDIRECT_DESC), 0);
	for (unsigned int i = 0; i < READABLE; i++)
		readable[i] = (uint8_t)(i + 1);
	n = put_part(split, put_part(split, 0, READABLE, false), WRITABLE, true);
	r.table[n - 1].flags = htole16(VIRTQ_DESC_F_WRITE);
	rig_desc(&r.desc[0], TABLE_ADDR, n * 16, VIRTQ_DESC_F_INDIRECT, 0);
	rig_publish(&r, 0);
	c = rig_pop(&r);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(chain_readable(c), READABLE);
	ck_assert_uint_eq(chain_writable(c), WRITABLE);
	ck_assert_uint_eq(chain_written(c), 0);
}

/* Pushes and checks what the driver sees. */
static void finish(const unsigned int *split, const uint8_t *want, uint32_t len)
{
	uint8_t got[WRITABLE];

	virtq_push(c);
	ck_assert_uint_eq(rig_used(&r, 0).len, len);
	gather(split, got);
	ck_assert_mem_eq(got, want, WRITABLE);
	rig_fini(&r);
	ck_assert_uint_eq(gmem_strict_pins(), 0);
}

/* Bytes of a view, at most limit, over at most max entries. */
static size_t view_bytes(const struct iovec *iov, unsigned int n, uint8_t *out)
{
	size_t done = 0;

	for (unsigned int i = 0; i < n; i++) {
		ck_assert_uint_gt(iov[i].iov_len, 0);
		if (out)
			memcpy(out + done, iov[i].iov_base, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	return done;
}

static void reads(const unsigned int *split)
{
	struct iovec iov[READABLE];
	uint8_t buf[READABLE];
	unsigned int n;

	/* Too much is nothing. */
	ck_assert(!chain_get(c, buf, READABLE + 1));
	ck_assert_uint_eq(chain_readable(c), READABLE);
	ck_assert(chain_get(c, buf, 0));
	ck_assert(chain_get(c, buf, 9));
	ck_assert_mem_eq(buf, readable, 9);
	ck_assert(chain_get(c, buf, 1));
	ck_assert_uint_eq(buf[0], 10);

	/* A view moves nothing; skip does. */
	n = chain_read_iov(c, iov, READABLE, 33);
	ck_assert_uint_eq(view_bytes(iov, n, buf), 33);
	ck_assert_mem_eq(buf, readable + 10, 33);
	ck_assert_uint_eq(chain_readable(c), READABLE - 10);
	n = chain_read_iov(c, iov, READABLE, SIZE_MAX);
	ck_assert_uint_eq(view_bytes(iov, n, NULL), READABLE - 10);
	ck_assert_uint_eq(chain_read_iov(c, iov, 0, SIZE_MAX), 0);
	ck_assert_uint_eq(chain_read_iov(c, iov, READABLE, 0), 0);
	ck_assert_uint_eq(chain_read_iov(c, iov, 1, SIZE_MAX), 1);
	ck_assert_uint_le(iov[0].iov_len, split[0] > split[2] ? split[0] : split[2] + split[3]);
	ck_assert_uint_eq(chain_skip(c, 33), 33);
	ck_assert(chain_get(c, buf, 7));
	ck_assert_mem_eq(buf, readable + 43, 7);
	ck_assert_uint_eq(chain_skip(c, 1000), 50);
	ck_assert_uint_eq(chain_skip(c, 1000), 0);
	ck_assert_uint_eq(chain_readable(c), 0);
	ck_assert_uint_eq(chain_read_iov(c, iov, READABLE, 10), 0);
	ck_assert(!chain_get(c, buf, 1));
	ck_assert(chain_get(c, buf, 0));
}

/* Writes in all the ways; fills want with what must be there. */
static void writes(uint8_t *want)
{
	static const char first[] = "status and more", last[] = "end";
	uint8_t long_one[WRITABLE + 1] = {0};
	struct iovec iov[WRITABLE];
	unsigned int n;

	memset(want, 0, WRITABLE);
	ck_assert(!chain_put(c, long_one, sizeof(long_one)));
	ck_assert(!chain_put_zeros(c, sizeof(long_one)));
	ck_assert_uint_eq(chain_writable(c), WRITABLE);
	ck_assert_uint_eq(chain_written(c), 0);
	ck_assert(chain_put(c, first, sizeof(first)));
	memcpy(want, first, sizeof(first));
	ck_assert(chain_put(c, "", 0));

	n = chain_write_iov(c, iov, WRITABLE, 60);
	ck_assert_uint_eq(view_bytes(iov, n, NULL), 60);
	for (unsigned int i = 0; i < n; i++)
		memset(iov[i].iov_base, 0xee, iov[i].iov_len);
	memset(want + 16, 0xee, 60);
	/* The host wrote less than it was shown. */
	ck_assert_uint_eq(chain_written(c), 16);
	chain_wrote(c, 40);
	ck_assert_uint_eq(chain_written(c), 56);
	ck_assert_uint_eq(chain_writable(c), WRITABLE - 56);
	ck_assert(chain_put_zeros(c, 10));
	memset(want + 56, 0, 10);
	ck_assert(chain_put(c, last, sizeof(last)));
	memcpy(want + 66, last, sizeof(last));
}

START_TEST(test_cursor)
{
	const unsigned int *split = splits[_i / 2];
	uint8_t want[WRITABLE];

	begin(_i % 2 ? &gmem_strict : &gmem_shm, split);
	reads(split);
	writes(want);
	finish(split, want, 70);
}
END_TEST

/* Reading and writing are two cursors. */
START_TEST(test_interleaved)
{
	const unsigned int *split = splits[_i / 2];
	uint8_t want[WRITABLE] = {0};

	begin(_i % 2 ? &gmem_strict : &gmem_shm, split);
	for (unsigned int i = 0; i < READABLE; i++) {
		uint8_t byte;

		ck_assert(chain_get(c, &byte, 1));
		byte = (uint8_t)(byte * 3);
		ck_assert(chain_put(c, &byte, 1));
		want[i] = byte;
	}
	ck_assert_uint_eq(chain_readable(c), 0);
	ck_assert_uint_eq(chain_writable(c), WRITABLE - READABLE);
	ck_assert(chain_put_zeros(c, WRITABLE - READABLE));
	ck_assert(!chain_put(c, want, 1));
	ck_assert(!chain_put_zeros(c, 1));
	chain_wrote(c, 0);
	finish(split, want, WRITABLE);
}
END_TEST

/* A device that writes nothing, and one that says it wrote more than there is room for. */
START_TEST(test_extremes)
{
	uint8_t want[WRITABLE] = {0};

	begin(&gmem_shm, splits[0]);
	finish(splits[0], want, 0);
	begin(&gmem_shm, splits[2]);
	chain_wrote(c, SIZE_MAX);
	ck_assert_uint_eq(chain_writable(c), 0);
	finish(splits[2], want, WRITABLE);
}
END_TEST

/* What a view shows from off bytes behind the cursor on, entry by entry and in rounds, is what lies there. */
static void check_views(enum chain_part part, size_t left, const uint8_t *bytes)
{
	struct iovec iov[WRITABLE];
	uint8_t buf[WRITABLE];

	for (size_t off = 0; off <= left + 1; off++) {
		size_t rest = off < left ? left - off : 0, done = 0;
		unsigned int n = chain_iov(c, part, off, iov, ARRAY_SIZE(iov), SIZE_MAX);

		ck_assert_uint_eq(view_bytes(iov, n, buf), rest);
		if (bytes)
			ck_assert_mem_eq(buf, bytes + (off < left ? off : 0), rest);
		n = chain_iov(c, part, off, iov, ARRAY_SIZE(iov), 17);
		ck_assert_uint_eq(view_bytes(iov, n, NULL), rest < 17 ? rest : 17);
		/* A request longer than the array, in rounds of two. */
		while ((n = chain_iov(c, part, off + done, iov, 2, SIZE_MAX))) {
			ck_assert_uint_le(n, 2);
			done += view_bytes(iov, n, buf + done);
		}
		ck_assert_uint_eq(done, rest);
		if (bytes)
			ck_assert_mem_eq(buf, bytes + (off < left ? off : 0), rest);
	}
	ck_assert_uint_eq(chain_iov(c, part, 0, iov, 0, SIZE_MAX), 0);
	ck_assert_uint_eq(chain_iov(c, part, 0, iov, ARRAY_SIZE(iov), 0), 0);
	ck_assert_uint_eq(chain_iov(c, part, SIZE_MAX, iov, ARRAY_SIZE(iov), SIZE_MAX), 0);
}

/* Views at every offset, from the first byte and from a cursor that has moved. */
START_TEST(test_views)
{
	const unsigned int *split = splits[_i / 2];
	uint8_t want[WRITABLE] = {0};

	begin(_i % 2 ? &gmem_strict : &gmem_shm, split);
	check_views(CHAIN_READ, READABLE, readable);
	ck_assert_uint_eq(chain_skip(c, 23), 23);
	check_views(CHAIN_READ, READABLE - 23, readable + 23);
	check_views(CHAIN_WRITE, WRITABLE, NULL);
	memset(want, 0x42, 31);
	ck_assert(chain_put(c, want, 31));
	check_views(CHAIN_WRITE, WRITABLE - 31, NULL);
	/* Nothing of that moved a cursor. */
	ck_assert_uint_eq(chain_readable(c), READABLE - 23);
	ck_assert_uint_eq(chain_writable(c), WRITABLE - 31);
	finish(split, want, 31);
}
END_TEST

/* Data before the response, by a copy and by the host, for responses that end before, at and behind a piece's end. */
START_TEST(test_response_last)
{
	const unsigned int *split = splits[_i / 2];
	static const size_t lens[] = {0, 1, 4, 6, 7, 8, 12, 30, 63, 64, 70};
	uint8_t data[40], response[WRITABLE];
	struct iovec iov[WRITABLE];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(0x80 + i);
	memset(response, 0x11, sizeof(response));
	for (size_t k = 0; k < ARRAY_SIZE(lens); k++) {
		uint8_t want[WRITABLE] = {0};
		size_t len = lens[k], done = 0;
		unsigned int n;

		begin(_i % 2 ? &gmem_strict : &gmem_shm, split);
		memcpy(want, response, len);
		memcpy(want + len, data, sizeof(data));
		memcpy(want + len + sizeof(data), data, sizeof(data));
		ck_assert(chain_put_at(c, len, data, sizeof(data)));
		n = chain_iov(c, CHAIN_WRITE, len + sizeof(data), iov, ARRAY_SIZE(iov), sizeof(data));
		for (unsigned int i = 0; i < n; done += iov[i++].iov_len)
			memcpy(iov[i].iov_base, data + done, iov[i].iov_len);
		ck_assert_uint_eq(done, sizeof(data));
		ck_assert_uint_eq(chain_written(c), 0);
		ck_assert_uint_eq(chain_writable(c), WRITABLE);
		ck_assert(chain_put(c, response, len));
		chain_wrote(c, 2 * sizeof(data));
		finish(split, want, (uint32_t)(len + 2 * sizeof(data)));
	}
}
END_TEST

/* A device that fails when it has written data: it answers with its response alone. */
START_TEST(test_put_at_fails)
{
	uint8_t want[WRITABLE] = {0}, zeros[WRITABLE] = {0};

	begin(&gmem_shm, splits[_i]);
	ck_assert(chain_put(c, "ab", 2));
	ck_assert(!chain_put_at(c, 1, zeros, WRITABLE - 2));
	ck_assert(!chain_put_at(c, WRITABLE - 1, zeros, 0));
	ck_assert(!chain_put_at(c, SIZE_MAX, zeros, 2));
	ck_assert(!chain_put_at(c, 2, zeros, SIZE_MAX));
	ck_assert(chain_put_at(c, WRITABLE - 2, zeros, 0));
	ck_assert(chain_put_at(c, WRITABLE - 3, "z", 1));
	ck_assert(chain_put(c, "cd", 2));
	memcpy(want, "abcd", 4);
	want[WRITABLE - 1] = 'z';
	ck_assert_uint_eq(chain_written(c), 4);
	finish(splits[_i], want, 4);
}
END_TEST

Suite *suite_chain(void)
{
	Suite *s = suite_create("chain");
	TCase *tc = tcase_create("cursor");

	tcase_add_loop_test(tc, test_cursor, 0, 2 * ARRAY_SIZE(splits));
	tcase_add_loop_test(tc, test_interleaved, 0, 2 * ARRAY_SIZE(splits));
	tcase_add_test(tc, test_extremes);
	tcase_add_loop_test(tc, test_views, 0, 2 * ARRAY_SIZE(splits));
	tcase_add_loop_test(tc, test_response_last, 0, 2 * ARRAY_SIZE(splits));
	tcase_add_loop_test(tc, test_put_at_fails, 0, ARRAY_SIZE(splits));
	suite_add_tcase(s, tc);
	return s;
}
