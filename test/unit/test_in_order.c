/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_in_order.c - VIRTIO_F_IN_ORDER: buffers are used in the order they were made available in, whatever order the device
 * answers in; VIRTIO 1.4, sections 2.7.9 and 2.8.9.  Split rings, then packed ones.
 */
#include <errno.h>
#include <string.h>

#include "test/lib/gmem_strict.h"
#include "test/lib/random.h"
#include "test/lib/rig.h"
#include "test/unit/suites.h"
#include "transport/driver/driver_ring.h"

#define IN_ORDER BIT(VIRTIO_F_IN_ORDER)
#define PACKED	 BIT(VIRTIO_F_RING_PACKED)
#define NUM	 8u

static struct rig r;
static struct driver_ring *driver;
static int tokens[NUM];

static void setup(void)
{
	rig_init(&r, &gmem_strict);
}

static void teardown(void)
{
	driver_ring_free(driver);
	driver = NULL;
	rig_fini(&r);
	ck_assert_uint_eq(gmem_strict_pins(), 0);
}

/* Of the first kind or the second. */
static void begin(int kind)
{
	const struct driver_ring_areas areas = {r.desc, r.avail, r.used};

	r.num = NUM;
	r.features = IN_ORDER | (kind ? PACKED : 0);
	ck_assert_int_eq(driver_ring_new(NUM, r.features, &areas, 0, &driver), 0);
	ck_assert_int_eq(rig_restart(&r, driver_ring_base(driver)), 0);
	virtq_enable(r.vq, true);
}

/* Makes n buffers available, of pieces of 8 bytes that may be written, with the tokens from first on. */
static void submit(unsigned int first, unsigned int n, unsigned int pieces)
{
	struct driver_buf bufs[NUM];

	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = 0; k < pieces; k++)
			bufs[k] = (struct driver_buf){.addr = rig_addr(64 * i + 8 * k), .len = 8, .writable = true};
		ck_assert_int_eq(driver_ring_add(driver, bufs, pieces, NULL, &tokens[(first + i) % NUM]), 0);
	}
	driver_ring_publish(driver);
}

static void pop(struct chain **c, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		ck_assert_ptr_nonnull(c[i] = rig_pop(&r));
}

static void answer(struct chain *c, unsigned int len)
{
	ck_assert(chain_put(c, "abcdefgh", len));
	virtq_push(c);
}

/* The next used buffer is this one. */
static void took(unsigned int token, uint32_t len)
{
	struct driver_used used;

	ck_assert_msg(driver_ring_take(driver, &used) == 1, "%u: %s", token, driver_ring_error(driver));
	ck_assert_ptr_eq(used.token, &tokens[token]);
	ck_assert_uint_eq(used.len, len);
}

START_TEST(test_held_back)
{
	struct chain *c[4];

	begin(_i);
	submit(0, 4, 1);
	pop(c, 4);
	answer(c[2], 3);
	answer(c[1], 2);
	ck_assert_uint_eq(virtq_in_flight(r.vq), 2); /* of the device's: it never notices */
	ck_assert(!driver_ring_has_used(driver));
	ck_assert(!virtq_dirty(r.vq));
	answer(c[0], 1);
	ck_assert_uint_eq(driver_ring_used(driver), 3);
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 1);
	for (unsigned int i = 0; i < 3; i++)
		took(i, i + 1);
	ck_assert(!driver_ring_has_used(driver));
	answer(c[3], 8);
	took(3, 8);
	ck_assert_uint_eq(rig_stop(&r), driver_ring_base(driver));
}
END_TEST

/* The ring stops while a chain that is answered waits for an older one, which is not: only that is popped again. */
START_TEST(test_answered_once)
{
	struct chain *c[2];

	begin(_i);
	submit(0, 2, 1);
	pop(c, 2);
	answer(c[1], 2);
	virtq_stopping(r.vq);
	virtq_requeue(c[0]);
	ck_assert_int_eq(rig_restart(&r, rig_stop(&r)), 0);
	pop(c, 1);
	ck_assert_ptr_null(rig_pop(&r));
	answer(c[0], 1);
	took(0, 1);
	took(1, 2);
	rig_stop(&r);
}
END_TEST

/* Thousands, answered in any order, of one to three descriptors. */
START_TEST(test_any_order)
{
	struct chain *held[NUM];
	unsigned int n = 0, sent = 0, taken = 0, sizes[NUM];
	uint32_t state = 7;

	begin(_i);
	while (taken < 5000) {
		unsigned int pieces = 1 + random_next(&state) % 3;
		struct driver_used used;
		struct chain *c;

		if (sent - taken < NUM && driver_ring_free_descs(driver) >= pieces) {
			sizes[sent % NUM] = pieces;
			submit(sent++, 1, pieces);
		}
		if (n < NUM && (c = rig_pop(&r)))
			held[n++] = c;
		if (n && random_next(&state) % 2) {
			unsigned int i = random_next(&state) % n;

			virtq_push((chain_put_zeros(held[i], chain_writable(held[i])), held[i]));
			held[i] = held[--n];
		}
		for (int got; (got = driver_ring_take(driver, &used)); taken++) {
			if (got < 0)
				ck_abort_msg("%s", driver_ring_error(driver));
			if (used.token != &tokens[taken % NUM] || used.len != 8 * sizes[taken % NUM])
				ck_abort_msg("buffer %u: %u bytes, of %u pieces", taken, used.len, sizes[taken % NUM]);
		}
	}
	while (n)
		virtq_push(held[--n]);
	ck_assert_uint_eq(driver_ring_used(driver), sent - taken);
}
END_TEST

/* What was answered before a stop is told after it, and not asked of the device again. */
START_TEST(test_stop)
{
	struct chain *c[4];
	uint32_t base;

	begin(_i);
	submit(0, 4, 1);
	pop(c, 4);
	answer(c[1], 5);
	answer(c[3], 7);
	virtq_stopping(r.vq);
	virtq_requeue(c[2]);
	virtq_requeue(c[0]);
	base = rig_stop(&r);
	ck_assert(!driver_ring_has_used(driver));
	ck_assert_int_eq(rig_restart(&r, base), 0);
	ck_assert(virtq_resumes(r.vq));
	pop(c, 2);
	ck_assert_ptr_null(rig_pop(&r));
	answer(c[0], 4);
	took(0, 4);
	took(1, 5);
	answer(c[1], 6);
	took(2, 6);
	took(3, 7);
	/* And those that come later. */
	submit(4, 1, 1);
	pop(c, 1);
	answer(c[0], 1);
	took(4, 1);
}
END_TEST

/* Nor is one that was answered and is the last: the base does not step back behind it. */
START_TEST(test_stop_answered)
{
	struct chain *c[2];
	uint32_t base;

	begin(_i);
	submit(0, 2, 1);
	pop(c, 2);
	answer(c[1], 5);
	virtq_stopping(r.vq);
	virtq_requeue(c[0]);
	base = rig_stop(&r);
	ck_assert_int_eq(rig_restart(&r, base), 0);
	pop(c, 1);
	ck_assert_ptr_null(rig_pop(&r));
	answer(c[0], 4);
	took(0, 4);
	took(1, 5);
}
END_TEST

/* The driver has begun anew, or no longer wants an order. */
START_TEST(test_forgotten)
{
	struct chain *c[2];
	uint32_t base;

	begin(_i);
	submit(0, 2, 1);
	pop(c, 2);
	answer(c[1], 5);
	virtq_stopping(r.vq);
	virtq_requeue(c[0]);
	base = rig_stop(&r);
	r.features &= ~IN_ORDER;
	ck_assert(!driver_ring_has_used(driver));
	ck_assert_int_eq(rig_restart(&r, base), 0);
	ck_assert(driver_ring_has_used(driver));
	pop(c, 1);
	ck_assert_ptr_null(rig_pop(&r));
	virtq_stopping(r.vq);
	virtq_requeue(c[0]);
	rig_stop(&r);
	virtq_forget(r.vq);
	driver_ring_free(driver);
	begin(_i);
	ck_assert(!virtq_resumes(r.vq));
	submit(0, 1, 1);
	pop(c, 1);
	answer(c[0], 1);
	took(0, 1);
}
END_TEST

/* A chain that is answered and not told is in flight as any other. */
START_TEST(test_again)
{
	struct chain *c[2];

	begin(0);
	submit(0, 2, 1);
	pop(c, 2);
	virtq_push(c[1]);
	driver_ring_publish_raw(driver, 1);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(virtq_broken(r.vq));
	virtq_push(c[0]);
}
END_TEST

/* The descriptors of a split ring's chains go round the table. */
START_TEST(test_table)
{
	struct driver_ring_raw raw;
	struct chain *c;

	begin(0);
	raw = driver_ring_raw(driver);
	for (unsigned int i = 0; i < 20; i++) {
		unsigned int head = i * 3 % NUM;

		submit(i, 1, 3);
		ck_assert_uint_eq(le16toh(raw.avail->ring[i % NUM]), head);
		for (unsigned int k = 0; k < 2; k++)
			ck_assert_uint_eq(le16toh(raw.desc[(head + k) % NUM].next), (head + k + 1) % NUM);
		pop(&c, 1);
		virtq_push(c);
		took(i % NUM, 0);
	}
}
END_TEST

/* A device may tell of several with one entry: of all but the last, that all their room was written. */
START_TEST(test_batch)
{
	struct driver_ring_raw raw;

	begin(_i);
	raw = driver_ring_raw(driver);
	submit(0, 4, 2);
	if (_i) {
		raw.packed[0].id = htole16(2);
		raw.packed[0].len = htole32(5);
		raw.packed[0].flags = htole16((uint16_t)(pvirtq_used_flags(PVIRTQ_WRAP) | VIRTQ_DESC_F_WRITE));
	} else {
		raw.used->ring[0] = (struct virtq_used_elem){htole32(4), htole32(5)};
		raw.used->idx = htole16(3);
	}
	ck_assert_uint_eq(driver_ring_used(driver), 3);
	took(0, 16);
	ck_assert(driver_ring_has_used(driver));
	ck_assert_uint_eq(driver_ring_used(driver), 2);
	took(1, 16);
	took(2, 5);
	ck_assert_uint_eq(driver_ring_used(driver), 0);
	ck_assert(!driver_ring_has_used(driver));
	/* The next entry lies where the next buffer's would. */
	if (_i) {
		raw.packed[6].id = htole16(3);
		raw.packed[6].flags = htole16((uint16_t)pvirtq_used_flags(PVIRTQ_WRAP));
	} else {
		raw.used->ring[3] = (struct virtq_used_elem){htole32(6), 0};
		raw.used->idx = htole16(4);
	}
	took(3, 0);
	ck_assert_uint_eq(driver_ring_pending(driver), 0);
	ck_assert_uint_eq(driver_ring_free_descs(driver), NUM);
}
END_TEST

/* The driver sees that a device breaks the order. */
START_TEST(test_wrong_order)
{
	struct driver_ring_raw raw;
	struct driver_used used;

	begin(0);
	raw = driver_ring_raw(driver);
	submit(0, 3, 1);
	raw.used->ring[0] = (struct virtq_used_elem){htole32(1), 0};
	raw.used->idx = htole16(1);
	ck_assert_int_eq(driver_ring_take(driver, &used), 1);
	ck_assert_int_eq(driver_ring_take(driver, &used), -EPROTO);
	ck_assert_str_eq(driver_ring_error(driver), "a buffer is used before an older one");
}
END_TEST

Suite *suite_in_order(void)
{
	Suite *s = suite_create("in_order");
	TCase *tc = tcase_create("in order");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_held_back, 0, 2);
	tcase_add_loop_test(tc, test_answered_once, 0, 2);
	tcase_add_loop_test(tc, test_any_order, 0, 2);
	tcase_add_loop_test(tc, test_stop, 0, 2);
	tcase_add_loop_test(tc, test_stop_answered, 0, 2);
	tcase_add_loop_test(tc, test_forgotten, 0, 2);
	tcase_add_test(tc, test_again);
	tcase_add_test(tc, test_table);
	tcase_add_loop_test(tc, test_batch, 0, 2);
	tcase_add_test(tc, test_wrong_order);
	suite_add_tcase(s, tc);
	return s;
}
