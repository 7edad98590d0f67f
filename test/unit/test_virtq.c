/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_virtq.c - a ring and what a driver can write into it, good and bad: VIRTIO 1.4, section 2.7.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/lib/gmem_strict.h"
#include "test/lib/rig.h"
#include "test/unit/suites.h"

#define INDIRECT  BIT(VIRTIO_F_INDIRECT_DESC)
#define EVENT_IDX BIT(VIRTIO_F_EVENT_IDX)

#define F_NEXT	   VIRTQ_DESC_F_NEXT
#define F_WRITE	   VIRTQ_DESC_F_WRITE
#define F_INDIRECT VIRTQ_DESC_F_INDIRECT

#define TABLE_ADDR ((uint64_t)RIG_GUEST + RIG_TABLE)

static struct rig r;

static void setup_shm(void)
{
	rig_init(&r, &gmem_shm);
}

static void setup_strict(void)
{
	rig_init(&r, &gmem_strict);
}

static void teardown(void)
{
	rig_fini(&r);
}

static void teardown_strict(void)
{
	rig_fini(&r);
	ck_assert_uint_eq(gmem_strict_pins(), 0);
}

/* Pops a chain, which must be the one with this head. */
static struct chain *pop(uint16_t head)
{
	struct chain *c = rig_pop(&r);

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(chain_id(c), head);
	ck_assert_ptr_eq(chain_queue(c), r.vq);
	return c;
}

static void assert_empty(void)
{
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(!virtq_flush(r.vq));
	ck_assert(!virtq_broken(r.vq));
}

/* A writable chain of this head goes to the device and comes back full. */
static void round_trip(uint16_t head)
{
	uint16_t used = rig_used_idx(&r);

	rig_simple(&r, head, head * 8u, 8, true);
	struct chain *c = pop(head);

	ck_assert(chain_put(c, "response", 8));
	virtq_push(c);
	ck_assert_uint_eq(rig_used_idx(&r), (uint16_t)(used + 1));
	ck_assert_uint_eq(rig_used(&r, used).id, head);
	ck_assert_uint_eq(rig_used(&r, used).len, 8);
	ck_assert_mem_eq(r.buffer + head * 8u, "response", 8);
}

/*
 * Starting.
 */

START_TEST(test_start_refuses)
{
	static const unsigned int sizes[] = {0, 3, 24, 32769, 65536, UINT32_MAX};
	struct virtq_addrs a = {.space = GMEM_USER, RIG_USER, RIG_USER + RIG_AVAIL, RIG_USER + RIG_USED};
	uint64_t *const parts[] = {&a.desc, &a.avail, &a.used};
	static const uint64_t tails[] = {16 * 16, 6 + 2 * 16, 6 + 8 * 16};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		ck_assert_int_eq(virtq_start(r.vq, r.mem, sizes[i], 0, &a, 0), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t good = *parts[i];

		*parts[i] = 0x1000;
		ck_assert_int_eq(virtq_start(r.vq, r.mem, 16, 0, &a, 0), -EFAULT);
		*parts[i] = UINT64_MAX - 15;
		ck_assert_int_eq(virtq_start(r.vq, r.mem, 16, 0, &a, 0), -EFAULT);
		/* Its last byte, the event field's, is the memory's last; then one further. */
		uint64_t fits = RIG_USER + RIG_SIZE - tails[i];

		*parts[i] = fits;
		ck_assert_int_eq(virtq_start(r.vq, r.mem, 16, 0, &a, 0), fits % 4 ? (i == 1 ? 0 : -EINVAL) : 0);
		if (virtq_started(r.vq))
			virtq_stop(r.vq);
		*parts[i] = fits + 16;
		ck_assert_int_eq(virtq_start(r.vq, r.mem, 16, 0, &a, 0), -EFAULT);
		*parts[i] = good + 1;
		ck_assert_int_eq(virtq_start(r.vq, r.mem, 16, 0, &a, 0), -EINVAL);
		*parts[i] = good;
	}
	ck_assert(!virtq_started(r.vq));
	ck_assert_ptr_null(rig_pop(&r));
	rig_start(&r, 16, 0, 0);
	round_trip(3);
}
END_TEST

START_TEST(test_states)
{
	ck_assert(!virtq_running(r.vq));
	rig_start(&r, 4, 0, 0);
	ck_assert(virtq_running(r.vq));
	ck_assert(virtq_fresh(r.vq));
	ck_assert_uint_eq(virtq_size(r.vq), 4);
	rig_simple(&r, 0, 0, 8, true);
	virtq_enable(r.vq, false);
	ck_assert(!virtq_running(r.vq));
	assert_empty();
	virtq_enable(r.vq, true);
	virtq_push(pop(0));
	rig_simple(&r, 0, 0, 8, true);
	virtq_stopping(r.vq);
	ck_assert(virtq_stopping_now(r.vq));
	assert_empty();
	ck_assert_uint_eq(virtq_stop(r.vq), 1);
	ck_assert(!virtq_started(r.vq));
	ck_assert_int_eq(rig_restart(&r, 1), 0);
	ck_assert(!virtq_fresh(r.vq));
	virtq_push(pop(0));
	ck_assert_uint_eq(rig_stop(&r), 2);
}
END_TEST

/* One size after another in the same queue, and what the largest can hold. */
START_TEST(test_sizes)
{
	for (unsigned int num = 1; num <= VIRTQ_MAX_SIZE; num *= 2) {
		rig_start(&r, num, 0, 0);
		for (unsigned int i = 0; i < 3; i++)
			round_trip((uint16_t)(num - 1));
		rig_stop(&r);
	}
	rig_start(&r, VIRTQ_MAX_SIZE, 0, 0);
	/* Each pin is a mapping of its own there. */
	const unsigned int many = gmem_strict_pins() ? 4096 : VIRTQ_MAX_SIZE;
	struct chain **held = calloc(many, sizeof(*held));

	for (unsigned int i = 0; i < many; i++)
		rig_simple(&r, (uint16_t)i, i, 1, true);
	for (unsigned int i = 0; i < many; i++) {
		held[i] = rig_pop(&r);
		if (!held[i] || chain_id(held[i]) != i || !chain_put(held[i], "x", 1))
			ck_abort_msg("chain %u", i);
	}
	assert_empty();
	ck_assert_uint_eq(virtq_in_flight(r.vq), many);
	for (unsigned int i = many; i--;)
		virtq_push(held[i]);
	ck_assert_uint_eq(rig_used_idx(&r), many);
	ck_assert_uint_eq(rig_used(&r, 0).id, many - 1);
	ck_assert_uint_eq(rig_used(&r, (uint16_t)(many - 1)).id, 0);
	free(held);
}
END_TEST

/* Indexes count on over 65535, and more than once. */
START_TEST(test_wrap_around)
{
	rig_start(&r, 8, EVENT_IDX, 65530);
	for (unsigned int i = 0; i < 70000; i++) {
		uint16_t used = rig_used_idx(&r);
		uint16_t head = (uint16_t)(i % 8);

		*rig_used_event(&r) = htole16(used);
		rig_simple(&r, head, head, 1, true);
		struct chain *c = rig_pop(&r);

		if (!c || chain_id(c) != head)
			ck_abort_msg("request %u", i);
		virtq_push(c);
		virtq_flush(r.vq);
		if (rig_used_idx(&r) != (uint16_t)(used + 1) || rig_used(&r, used).id != head || r.calls != i + 1)
			ck_abort_msg("request %u: used index %u, id %u, %u calls", i, rig_used_idx(&r),
				     rig_used(&r, used).id, r.calls);
	}
	assert_empty();
	ck_assert_uint_eq(rig_stop(&r), (uint16_t)(65530 + 70000));
}
END_TEST

/*
 * Notifications.
 */

START_TEST(test_call_flag)
{
	rig_start(&r, 4, 0, 0);
	ck_assert(!virtq_dirty(r.vq));
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 0);
	round_trip(0);
	round_trip(1);
	ck_assert(virtq_dirty(r.vq));
	ck_assert_uint_eq(r.calls, 0); /* not before the turn ends, and once */
	virtq_flush(r.vq);
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 1);
	r.avail->flags = htole16(VIRTQ_AVAIL_F_NO_INTERRUPT);
	round_trip(0);
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 1);
	r.avail->flags = 0;
	round_trip(0);
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 2);
}
END_TEST

/* Once, also where the driver does not ask for it. */
START_TEST(test_remind)
{
	for (unsigned int i = 0; i < 2; i++) {
		rig_start(&r, 4, i ? EVENT_IDX : 0, 0);
		round_trip(0);
		virtq_flush(r.vq);
		ck_assert_uint_eq(r.calls, 1);
		r.avail->flags = htole16(VIRTQ_AVAIL_F_NO_INTERRUPT);
		*rig_used_event(&r) = htole16(100);
		virtq_remind(r.vq);
		virtq_flush(r.vq);
		virtq_flush(r.vq);
		ck_assert_uint_eq(r.calls, 2);
		round_trip(0);
		virtq_flush(r.vq);
		ck_assert_uint_eq(r.calls, 2);
		rig_stop(&r);
		virtq_remind(r.vq);
		virtq_flush(r.vq);
		ck_assert_uint_eq(r.calls, 2);
		r.calls = 0;
	}
}
END_TEST

START_TEST(test_call_event)
{
	rig_start(&r, 4, EVENT_IDX, 0);
	r.avail->flags = htole16(VIRTQ_AVAIL_F_NO_INTERRUPT); /* means nothing here */
	*rig_used_event(&r) = htole16(100);
	round_trip(0);
	virtq_flush(r.vq);
	/* The first one in a life: nobody knows what the driver saw in the last. */
	ck_assert_uint_eq(r.calls, 1);
	*rig_used_event(&r) = htole16(3);
	for (unsigned int i = 1; i < 3; i++) {
		round_trip(0);
		virtq_flush(r.vq);
		ck_assert_uint_eq(r.calls, 1);
	}
	round_trip(0);
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 2);
	/* The event lies in the midst of a batch. */
	*rig_used_event(&r) = htole16(5);
	for (unsigned int i = 0; i < 3; i++)
		round_trip(0);
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 3);
	/* Behind it. */
	round_trip(0);
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 3);
	rig_stop(&r);
	ck_assert_int_eq(rig_restart(&r, 8), 0);
	round_trip(0);
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 4);
}
END_TEST

START_TEST(test_kick_flag)
{
	rig_start(&r, 4, 0, 0);
	assert_empty();
	ck_assert_uint_eq(r.used->flags, 0);
	round_trip(0);
	ck_assert_uint_eq(le16toh(r.used->flags), VIRTQ_USED_F_NO_NOTIFY);
	assert_empty();
	ck_assert_uint_eq(r.used->flags, 0);
}
END_TEST

START_TEST(test_kick_event)
{
	rig_start(&r, 4, EVENT_IDX, 0);
	assert_empty();
	ck_assert_uint_eq(le16toh(*rig_avail_event(&r)), 0);
	for (unsigned int i = 0; i < 3; i++)
		round_trip(0);
	ck_assert_uint_eq(le16toh(*rig_avail_event(&r)), 0);
	assert_empty();
	ck_assert_uint_eq(le16toh(*rig_avail_event(&r)), 3);
	ck_assert_uint_eq(r.used->flags, 0);
}
END_TEST

/* Kicks are asked for after the driver was notified, and not at all where it has put more meanwhile. */
START_TEST(test_kicks_after_call)
{
	rig_start(&r, 4, _i ? EVENT_IDX : 0, 0);
	assert_empty();
	rig_simple(&r, 0, 0, 1, true);
	virtq_push(rig_pop(&r));
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(virtq_dirty(r.vq));
	/* The notified driver is quick. */
	rig_simple(&r, 1, 1, 1, true);
	ck_assert(virtq_flush(r.vq));
	ck_assert_uint_eq(r.calls, 1);
	if (_i)
		ck_assert_uint_eq(le16toh(*rig_avail_event(&r)), 0);
	else
		ck_assert_uint_eq(le16toh(r.used->flags), VIRTQ_USED_F_NO_NOTIFY);
	virtq_push(rig_pop(&r));
	assert_empty();
	ck_assert(!virtq_dirty(r.vq));
	if (_i)
		ck_assert_uint_eq(le16toh(*rig_avail_event(&r)), 2);
	else
		ck_assert_uint_eq(r.used->flags, 0);
}
END_TEST

/* A device's turn is as long as the ring; what comes meanwhile is for another turn. */
START_TEST(test_turn)
{
	rig_start(&r, 4, 0, 0);
	for (uint16_t i = 0; i < 4; i++)
		rig_simple(&r, i, i, 1, true);
	for (unsigned int turn = 0; turn < 2; turn++) {
		virtq_turn_begin(r.vq);
		for (uint16_t i = 0; i < 4; i++) {
			struct chain *c = virtq_pop(r.vq);

			ck_assert_uint_eq(chain_id(c), i);
			virtq_push(c);
			if (!turn)
				rig_simple(&r, i, i, 1, true);
		}
		ck_assert_ptr_null(virtq_pop(r.vq)); /* the budget is used up: it cannot tell */
		ck_assert_uint_eq(r.agains, turn);
		virtq_turn_end(r.vq);
		ck_assert_uint_eq(r.agains, turn + 1);
	}
	virtq_turn_begin(r.vq);
	ck_assert_ptr_null(virtq_pop(r.vq));
	virtq_turn_end(r.vq);
	ck_assert_uint_eq(r.agains, 2);
}
END_TEST

/* CPU time of this thread, ns: other processes do not count. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	ck_assert_int_eq(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#define FLOOD 1024u

/* Chains that cost: indirect tables as long as may be, of pieces with no byte or with one; the same table serves all. */
static void flood(uint32_t len)
{
	for (unsigned int i = 0; i < FLOOD; i++)
		rig_desc(&r.table[i], rig_addr(i), len, VIRTQ_DESC_F_WRITE | (i + 1 < FLOOD ? VIRTQ_DESC_F_NEXT : 0), i + 1);
	for (uint16_t i = 0; i < FLOOD; i++) {
		rig_desc(&r.desc[i], (uint64_t)RIG_GUEST + RIG_TABLE, FLOOD * sizeof(struct virtq_desc), VIRTQ_DESC_F_INDIRECT, 0);
		rig_publish(&r, i);
	}
}

/* A turn is bounded by what its chains cost, however a driver makes them cost; all of them are served in the end. */
START_TEST(test_turn_work)
{
	unsigned int total = 0, turns = 0;

	rig_start(&r, FLOOD, INDIRECT, 0);
	flood((uint32_t)_i);
	for (bool more = true; more; turns++) {
		const unsigned int agains = r.agains;
		const uint64_t begin = cpu_ns();
		struct chain *c;
		unsigned int n = 0;

		virtq_turn_begin(r.vq);
		for (; (c = virtq_pop(r.vq)); n++) {
			ck_assert_uint_eq(chain_writable(c), (unsigned int)_i * FLOOD);
			virtq_push(c);
		}
		virtq_turn_end(r.vq);
		ck_assert_uint_lt(cpu_ns() - begin, 50000000);
		more = r.agains > agains;
		ck_assert(n || !more); /* each turn gets on */
		total += n;
	}
	ck_assert_uint_eq(total, FLOOD);
	ck_assert_uint_gt(turns, 4);
}
END_TEST

/* A pop outside of a turn gives nothing, and asks for one: so no loop over pops is without a bound, whoever runs it. */
START_TEST(test_pop_in_turn_alone)
{
	struct chain *c;

	rig_start(&r, 16, 0, 0);
	ck_assert_ptr_null(virtq_pop(r.vq));
	ck_assert_uint_eq(r.agains, 1);
	rig_simple(&r, 0, 0, 1, true);
	ck_assert_ptr_null(virtq_pop(r.vq));
	ck_assert_uint_eq(r.agains, 2);
	ck_assert_ptr_nonnull(c = rig_pop(&r));
	ck_assert_ptr_null(virtq_pop(r.vq));
	virtq_push(c);
	rig_stop(&r);
	r.agains = 0;
	ck_assert_ptr_null(virtq_pop(r.vq));
	ck_assert_uint_eq(r.agains, 0);
}
END_TEST

/* A device asks for a turn: a ring that runs gives one, any other none. */
START_TEST(test_again)
{
	virtq_again(r.vq);
	ck_assert_uint_eq(r.agains, 0);
	rig_start(&r, 8, 0, 0);
	virtq_again(r.vq);
	ck_assert_uint_eq(r.agains, 1);
	virtq_enable(r.vq, false);
	virtq_again(r.vq);
	virtq_enable(r.vq, true);
	virtq_stopping(r.vq);
	virtq_again(r.vq);
	ck_assert_uint_eq(r.agains, 1);
	virtq_stop(r.vq);
	virtq_again(r.vq);
	ck_assert_uint_eq(r.agains, 1);
	ck_assert_int_eq(rig_restart(&r, 0), 0);
	rig_publish(&r, 200);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(virtq_broken(r.vq));
	virtq_again(r.vq);
	ck_assert_uint_eq(r.agains, 1);
}
END_TEST

/*
 * Chains of many forms, all good.
 */

START_TEST(test_chain_in_the_ring)
{
	char buf[6];

	rig_start(&r, 8, 0, 0);
	memcpy(r.buffer, "abcdef", 6);
	rig_desc(&r.desc[7], rig_addr(0), 2, F_NEXT, 0);
	rig_desc(&r.desc[0], rig_addr(2), 4, F_NEXT, 3);
	rig_desc(&r.desc[3], rig_addr(100), 1, F_WRITE | F_NEXT, 5);
	rig_desc(&r.desc[5], rig_addr(200), 3, F_WRITE, 77);
	rig_publish(&r, 7);
	struct chain *c = pop(7);

	ck_assert_uint_eq(chain_readable(c), 6);
	ck_assert_uint_eq(chain_writable(c), 4);
	ck_assert(chain_get(c, buf, 6));
	ck_assert_mem_eq(buf, "abcdef", 6);
	ck_assert(chain_put(c, "WXYZ", 4));
	virtq_push(c);
	ck_assert_int_eq(r.buffer[100], 'W');
	ck_assert_mem_eq(r.buffer + 200, "XYZ", 3);
	ck_assert_uint_eq(rig_used(&r, 0).len, 4);
}
END_TEST

/* The device ignores the write flag of a descriptor that names a table: section 2.7.5.3.2. */
START_TEST(test_indirect)
{
	char buf[4];

	rig_start(&r, 2, INDIRECT, 0);
	memcpy(r.buffer, "1234", 4);
	for (unsigned int i = 0; i < 4; i++)
		rig_desc(&r.table[i], rig_addr(i), 1, F_NEXT, i + 1);
	rig_desc(&r.table[4], rig_addr(50), 10, F_WRITE, 0);
	rig_desc(&r.desc[1], TABLE_ADDR, 5 * 16, F_INDIRECT | (_i ? F_WRITE : 0), 0);
	rig_publish(&r, 1);
	struct chain *c = pop(1);

	ck_assert_uint_eq(chain_readable(c), 4);
	ck_assert_uint_eq(chain_writable(c), 10);
	ck_assert(chain_get(c, buf, 4));
	ck_assert_mem_eq(buf, "1234", 4);
	virtq_push(c);
	/* Some in the ring, then the table. */
	rig_desc(&r.desc[0], rig_addr(0), 3, F_NEXT, 1);
	rig_publish(&r, 0);
	c = pop(0);
	ck_assert_uint_eq(chain_readable(c), 7);
	ck_assert(chain_get(c, buf, 4));
	ck_assert_mem_eq(buf, "1231", 4);
	virtq_push(c);
}
END_TEST

/* As long as a chain may be: the ring, and in a table at least 1024. */
START_TEST(test_longest_chains)
{
	rig_start(&r, 16, INDIRECT, 0);
	for (unsigned int i = 0; i < 16; i++)
		rig_desc(&r.desc[i], rig_addr(i), 1, i < 15 ? F_NEXT : 0, i + 1);
	rig_publish(&r, 0);
	struct chain *c = pop(0);

	ck_assert_uint_eq(chain_readable(c), 16);
	virtq_push(c);
	for (unsigned int i = 0; i < 1024; i++)
		rig_desc(&r.table[i], rig_addr(i), 1, i < 1023 ? F_NEXT : 0, i + 1);
	rig_desc(&r.desc[0], TABLE_ADDR, 1024 * 16, F_INDIRECT, 0);
	rig_publish(&r, 0);
	c = pop(0);
	ck_assert_uint_eq(chain_readable(c), 1024);
	virtq_push(c);
}
END_TEST

/*
 * What a driver must not write.  Each row makes one chain available in a ring of 16; the word must be in the reason.
 */

static void head_too_large(void)
{
	rig_publish(&r, 16);
}

static void head_largest(void)
{
	rig_publish(&r, UINT16_MAX);
}

static void next_too_large(void)
{
	rig_desc(&r.desc[0], rig_addr(0), 1, F_NEXT, 16);
	rig_publish(&r, 0);
}

static void loop_of_one(void)
{
	rig_desc(&r.desc[2], rig_addr(0), 1, F_NEXT, 2);
	rig_publish(&r, 2);
}

static void loop_of_three(void)
{
	rig_desc(&r.desc[2], rig_addr(0), 1, F_NEXT, 3);
	rig_desc(&r.desc[3], rig_addr(0), 1, F_NEXT, 4);
	rig_desc(&r.desc[4], rig_addr(0), 1, F_NEXT, 3);
	rig_publish(&r, 2);
}

static void loop_of_nothing(void)
{
	rig_desc(&r.desc[2], rig_addr(0), 0, F_NEXT, 2);
	rig_publish(&r, 2);
}

/* A table with n entries, published; the entries are the caller's. */
static void publish_table(uint64_t addr, uint32_t len, unsigned int flags)
{
	rig_desc(&r.desc[6], addr, len, F_INDIRECT | flags, 7);
	rig_desc(&r.desc[7], rig_addr(0), 1, 0, 0);
	rig_publish(&r, 6);
}

static void loop_in_table(void)
{
	rig_desc(&r.table[0], rig_addr(0), 1, F_NEXT, 1);
	rig_desc(&r.table[1], rig_addr(0), 1, F_NEXT, 0);
	publish_table(TABLE_ADDR, 32, 0);
}

static void next_beyond_table(void)
{
	rig_desc(&r.table[0], rig_addr(0), 1, F_NEXT, 2);
	rig_desc(&r.table[2], rig_addr(0), 1, 0, 0);
	publish_table(TABLE_ADDR, 32, 0);
}

static void table_in_table(void)
{
	rig_desc(&r.table[0], TABLE_ADDR, 16, F_INDIRECT, 0);
	publish_table(TABLE_ADDR, 16, 0);
}

static void table_with_next(void)
{
	rig_desc(&r.table[0], rig_addr(0), 1, 0, 0);
	publish_table(TABLE_ADDR, 16, F_NEXT);
}

static void table_empty(void)
{
	publish_table(TABLE_ADDR, 0, 0);
}

static void table_of_15(void)
{
	publish_table(TABLE_ADDR, 15, 0);
}

static void table_of_17(void)
{
	publish_table(TABLE_ADDR, 17, 0);
}

static void table_too_long(void)
{
	publish_table(TABLE_ADDR, 1025 * 16, 0);
}

static void table_largest(void)
{
	publish_table(TABLE_ADDR, 0xfffffff0, 0);
}

static void table_nowhere(void)
{
	publish_table(0x1000, 16, 0);
}

static void table_half_outside(void)
{
	publish_table((uint64_t)RIG_GUEST + RIG_SIZE - 16, 32, 0);
}

static void table_wraps(void)
{
	publish_table(UINT64_MAX - 15, 32, 0);
}

static void buffer_nowhere(void)
{
	rig_desc(&r.desc[0], 0, 1, F_WRITE, 0);
	rig_publish(&r, 0);
}

static void buffer_at_user_address(void)
{
	rig_desc(&r.desc[0], RIG_USER, 1, F_WRITE, 0);
	rig_publish(&r, 0);
}

static void buffer_goes_beyond(void)
{
	rig_desc(&r.desc[0], (uint64_t)RIG_GUEST + RIG_SIZE - 4, 5, F_WRITE, 0);
	rig_publish(&r, 0);
}

static void buffer_wraps(void)
{
	rig_desc(&r.desc[0], UINT64_MAX - 3, 8, 0, 0);
	rig_publish(&r, 0);
}

static void buffer_second_nowhere(void)
{
	rig_desc(&r.desc[0], rig_addr(0), 8, F_NEXT, 1);
	rig_desc(&r.desc[1], 0, 8, F_WRITE, 0);
	rig_publish(&r, 0);
}

static void readable_last(void)
{
	rig_desc(&r.desc[0], rig_addr(0), 8, F_WRITE | F_NEXT, 1);
	rig_desc(&r.desc[1], rig_addr(0), 8, 0, 0);
	rig_publish(&r, 0);
}

static void readable_after_empty_writable(void)
{
	rig_desc(&r.desc[0], rig_addr(0), 0, F_WRITE | F_NEXT, 1);
	rig_desc(&r.desc[1], rig_addr(0), 8, 0, 0);
	rig_publish(&r, 0);
}

static void readable_in_table(void)
{
	rig_desc(&r.table[0], rig_addr(0), 8, 0, 0);
	rig_desc(&r.desc[5], rig_addr(0), 8, F_WRITE | F_NEXT, 6);
	rig_desc(&r.desc[6], TABLE_ADDR, 16, F_INDIRECT, 0);
	rig_publish(&r, 5);
}

static void avail_too_far(void)
{
	r.avail->idx = htole16((uint16_t)(le16toh(r.avail->idx) + 17));
}

static void avail_goes_back(void)
{
	r.avail->idx = htole16((uint16_t)(le16toh(r.avail->idx) - 1));
}

static void more_than_4_gib(void)
{
	for (unsigned int i = 0; i < 1024; i++)
		rig_desc(&r.table[i], rig_addr(0), 4u << 20, F_WRITE | (i < 1023 ? F_NEXT : 0), i + 1);
	publish_table(TABLE_ADDR, 1024 * 16, 0);
}

static void reads_and_writes_more_than_4_gib(void)
{
	for (unsigned int i = 0; i < 1024; i++)
		rig_desc(&r.table[i], rig_addr(0), 4u << 20, (i > 400 ? F_WRITE : 0) | (i < 1023 ? F_NEXT : 0), i + 1);
	publish_table(TABLE_ADDR, 1024 * 16, 0);
}

static const struct {
	void (*write)(void);
	const char *word;
} hostile[] = {
	{head_too_large, "head"},
	{head_largest, "head"},
	{next_too_large, "index"},
	{loop_of_one, "loop"},
	{loop_of_three, "loop"},
	{loop_of_nothing, "loop"},
	{loop_in_table, "loop"},
	{next_beyond_table, "index"},
	{table_in_table, "in an indirect table"},
	{table_with_next, "next"},
	{table_empty, "length"},
	{table_of_15, "length"},
	{table_of_17, "length"},
	{table_too_long, "longer"},
	{table_largest, "longer"},
	{table_nowhere, "table outside"},
	{table_half_outside, "table outside"},
	{table_wraps, "table outside"},
	{buffer_nowhere, "buffer outside"},
	{buffer_at_user_address, "buffer outside"},
	{buffer_goes_beyond, "buffer outside"},
	{buffer_wraps, "buffer outside"},
	{buffer_second_nowhere, "buffer outside"},
	{readable_last, "readable descriptor after"},
	{readable_after_empty_writable, "readable descriptor after"},
	{readable_in_table, "readable descriptor after"},
	{avail_too_far, "ahead"},
	{avail_goes_back, "ahead"},
	{more_than_4_gib, "4 GiB"},
	{reads_and_writes_more_than_4_gib, "4 GiB"},
};

/* The ring is latched broken, once and with a reason; what it had given before is still good; a new start heals it. */
START_TEST(test_hostile)
{
	rig_start(&r, 16, INDIRECT, 0);
	round_trip(9);
	rig_simple(&r, 10, 0, 8, true);
	struct chain *held = pop(10);

	hostile[_i].write();
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(virtq_broken(r.vq));
	ck_assert(!virtq_running(r.vq));
	ck_assert_uint_eq(r.brokens, 1);
	/* More than an address space has is not mapped in the first place. */
	ck_assert_msg(strstr(r.why, hostile[_i].word) || (sizeof(void *) < 8 && strstr(r.why, "cannot be mapped")), "%s", r.why);
	ck_assert_ptr_null(rig_pop(&r));
	rig_simple(&r, 11, 0, 8, true);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(r.brokens, 1);

	ck_assert_uint_eq(virtq_in_flight(r.vq), 1);
	ck_assert(chain_put(held, "x", 1));
	virtq_push(held);
	ck_assert_uint_eq(rig_used_idx(&r), 2);
	ck_assert_uint_eq(rig_stop(&r), 2);
	rig_start(&r, 16, INDIRECT, 0);
	ck_assert(!virtq_broken(r.vq));
	round_trip(9);
}
END_TEST

START_TEST(test_indirect_not_accepted)
{
	rig_start(&r, 16, 0, 0);
	rig_desc(&r.table[0], rig_addr(0), 1, 0, 0);
	publish_table(TABLE_ADDR, 16, 0);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(r.brokens, 1);
}
END_TEST

START_TEST(test_same_head_twice)
{
	rig_start(&r, 16, 0, 0);
	rig_simple(&r, 4, 0, 8, true);
	rig_publish(&r, 4);
	struct chain *c = pop(4);

	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(r.brokens, 1);
	ck_assert(chain_put(c, "x", 1));
	virtq_push(c);
	/* The same index once it has come back is a chain like any other. */
	rig_stop(&r);
	rig_start(&r, 16, 0, 0);
	round_trip(4);
	round_trip(4);
}
END_TEST

/* A ring that breaks is its own affair. */
START_TEST(test_other_rings_live)
{
	struct rig other = r;

	rig_init(&r, &gmem_shm);
	rig_start(&r, 16, 0, 0);
	head_largest();
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(r.brokens, 1);
	rig_fini(&r);
	/* The queue's owner is this address: the first rig is at home again. */
	r = other;
	rig_start(&r, 16, 0, 0);
	round_trip(1);
	ck_assert_uint_eq(r.brokens, 0);
}
END_TEST

/*
 * Pieces run out.
 */

/* A chain of n one-byte descriptors in a table of its own. */
static void publish_long(uint16_t head, unsigned int n)
{
	struct virtq_desc *t = r.table + head * 1024u;

	for (unsigned int i = 0; i < n; i++)
		rig_desc(&t[i], rig_addr(i), 1, F_WRITE | (i + 1 < n ? F_NEXT : 0), i + 1);
	rig_desc(&r.desc[head], TABLE_ADDR + head * 1024u * 16, n * 16, F_INDIRECT, 0);
	rig_publish(&r, head);
}

START_TEST(test_starvation)
{
	struct chain *a, *b, *c;

	rig_start(&r, 4, INDIRECT, 0);
	for (uint16_t i = 0; i < 4; i++)
		publish_long(i, 1000);
	a = pop(0);
	b = pop(1);
	/* 48 pieces are left. */
	assert_empty();
	assert_empty();
	ck_assert_uint_eq(virtq_in_flight(r.vq), 2);
	ck_assert_uint_eq(r.agains, 0);
	virtq_push(a);
	ck_assert_uint_eq(r.agains, 1);
	c = pop(2);
	assert_empty();
	virtq_push(c);
	virtq_push(b);
	ck_assert_uint_eq(r.agains, 2);
	a = pop(3);
	assert_empty();
	ck_assert_uint_eq(chain_writable(a), 1000);
	virtq_push(a);
	/* Nothing of the pool is lost, many times round. */
	for (unsigned int i = 0; i < 50; i++) {
		publish_long(0, 1024);
		publish_long(1, 1024);
		a = pop(0);
		b = pop(1);
		virtq_push(b);
		virtq_push(a);
	}
	/* A ring may stop while it starves. */
	for (uint16_t i = 0; i < 3; i++)
		publish_long(i, 1000);
	a = pop(0);
	b = pop(1);
	assert_empty();
	virtq_stopping(r.vq);
	virtq_push(a);
	virtq_push(b);
	ck_assert_uint_eq(r.agains, 2);
	uint32_t base = rig_stop(&r);

	ck_assert_int_eq(rig_restart(&r, base), 0);
	virtq_push(pop(2));
}
END_TEST

/* Memory of crumbs: each buffer is in many pieces. */
static struct gmem *crumbs(uint32_t crumb, unsigned int n)
{
	struct gmem_desc d = {.guest_addr = RIG_GUEST, .user_addr = RIG_USER, .fd = r.fd, .size = RIG_BUFFER};
	const struct gmem_backend *backend = gmem_strict_pins() ? &gmem_strict : &gmem_shm;
	struct gmem *mem;

	ck_assert_int_eq(gmem_new(backend, &mem), 0);
	ck_assert_int_eq(gmem_add(mem, &d), 0);
	for (unsigned int i = 0; i < n; i++) {
		d.guest_addr = rig_addr(i * crumb);
		d.user_addr = RIG_USER + RIG_BUFFER + i * crumb;
		d.offset = RIG_BUFFER + i * crumb;
		d.size = crumb;
		ck_assert_int_eq(gmem_add(mem, &d), 0);
	}
	return mem;
}

static void use_memory(struct gmem *mem)
{
	struct gmem *old = r.mem;

	ck_assert_int_eq(virtq_remap(r.vq, mem), 0);
	r.mem = mem;
	gmem_free(old);
}

START_TEST(test_crumbs)
{
	struct chain *c;
	char buf[48];

	rig_start(&r, 4, INDIRECT, 0);
	use_memory(crumbs(3, 300));
	memcpy(r.buffer, "forty-eight bytes in sixteen regions, well-nigh.", 48);
	rig_simple(&r, 0, 0, 48, false);
	c = pop(0);
	ck_assert(chain_get(c, buf, 48));
	ck_assert_mem_eq(buf, r.buffer, 48);
	virtq_push(c);
	/* One piece more than a buffer may have. */
	rig_simple(&r, 0, 0, 49, false);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(r.brokens, 1);
	rig_stop(&r);

	/* A chain of more pieces than the pool has, which no push can help. */
	rig_start(&r, 8, INDIRECT, 0);
	for (unsigned int i = 0; i < 200; i++)
		rig_desc(&r.table[i], rig_addr(0), 48, F_NEXT, i + 1);
	rig_desc(&r.table[200], rig_addr(0), 1, 0, 0);
	publish_table(TABLE_ADDR, 201 * 16, 0);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(r.brokens, 2);
	ck_assert_ptr_nonnull(strstr(r.why, "pieces"));
	rig_stop(&r);
	rig_start(&r, 8, INDIRECT, 0);
	round_trip(2);
}
END_TEST

/* The indirect table, too, goes over from one region into the next, in the midst of a descriptor. */
START_TEST(test_table_across_regions)
{
	struct chain *c;

	rig_start(&r, 4, INDIRECT, 0);
	use_memory(crumbs(40, 10));
	struct virtq_desc *t = (void *)r.buffer;

	for (unsigned int i = 0; i < 9; i++)
		rig_desc(&t[i], rig_addr(300), 4, F_WRITE | (i < 8 ? F_NEXT : 0), i + 1);
	rig_desc(&r.desc[0], rig_addr(0), 9 * 16, F_INDIRECT, 0);
	rig_publish(&r, 0);
	c = pop(0);
	ck_assert_uint_eq(chain_writable(c), 36);
	virtq_push(c);
	/* In five pieces, it is too much. */
	rig_desc(&r.desc[0], rig_addr(8), 10 * 16, F_INDIRECT, 0);
	rig_publish(&r, 0);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(r.brokens, 1);
}
END_TEST

/*
 * Lives.
 */

START_TEST(test_drained)
{
	struct chain *a, *b;

	rig_start(&r, 4, 0, 0);
	rig_simple(&r, 0, 0, 8, true);
	rig_simple(&r, 1, 0, 8, true);
	a = pop(0);
	b = pop(1);
	virtq_stopping(r.vq);
	virtq_push(b);
	ck_assert_uint_eq(r.drains, 0);
	ck_assert(chain_put(a, "last", 4));
	virtq_push(a);
	ck_assert_uint_eq(r.drains, 1);
	ck_assert_uint_eq(rig_used_idx(&r), 2);
	ck_assert_mem_eq(r.buffer, "last", 4);
	virtq_flush(r.vq);
	ck_assert_uint_eq(r.calls, 1);
	rig_stop(&r);
}
END_TEST

/* Stops the ring; the chains held are given back unanswered in this order. */
static uint32_t requeue(struct chain **held, unsigned int n)
{
	unsigned int drains = r.drains;

	virtq_stopping(r.vq);
	for (unsigned int i = 0; i < n; i++)
		virtq_requeue(held[i]);
	ck_assert_uint_eq(r.drains, drains + (n > 0));
	return rig_stop(&r);
}

/* What was in flight is popped first, in its old order, then what is new; several lives in a row. */
START_TEST(test_requeue)
{
	struct chain *c[4];

	rig_start(&r, 8, 0, 65534);
	for (uint16_t i = 0; i < 4; i++)
		rig_simple(&r, (uint16_t)(7 - i), i, 1, true);
	for (uint16_t i = 0; i < 4; i++)
		c[i] = pop((uint16_t)(7 - i));
	virtq_push(c[1]);
	c[1] = c[3];
	/* Heads 7, 5, 4 are out; given back in another order. */
	struct chain *mixed[] = {c[2], c[1], c[0]};

	ck_assert_uint_eq(requeue(mixed, 3), 2);
	ck_assert_uint_eq(rig_used_idx(&r), 65535);
	for (unsigned int life = 0; life < 3; life++) {
		ck_assert_int_eq(rig_restart(&r, 2), 0);
		ck_assert(virtq_resumes(r.vq));
		c[0] = pop(7);
		c[1] = pop(5);
		if (life < 2) {
			/* One of three was not popped again: it keeps its place, too. */
			ck_assert_uint_eq(requeue(c, 2), 2);
			continue;
		}
		c[2] = pop(4);
		assert_empty();
		rig_simple(&r, 6, 0, 1, true);
		c[3] = pop(6);
		for (unsigned int i = 0; i < 4; i++)
			virtq_push(c[i]);
	}
	ck_assert_uint_eq(rig_used_idx(&r), 3);
	ck_assert_uint_eq(rig_stop(&r), 3);
	ck_assert_int_eq(rig_restart(&r, 3), 0);
	ck_assert(!virtq_resumes(r.vq));
	assert_empty();
}
END_TEST

/* Chains that were taken last are left to the next life, whoever lives it; a driver that has changed them changes that. */
START_TEST(test_requeue_untaken)
{
	struct chain *c[3];

	for (unsigned int way = 0; way < 2; way++) {
		rig_start(&r, 4, 0, 65535);
		for (uint16_t i = 0; i < 4; i++)
			rig_simple(&r, (uint16_t)(3 - i), i, 1, true);
		virtq_push(pop(3));
		for (uint16_t i = 0; i < 3; i++)
			c[i] = pop((uint16_t)(2 - i));
		if (way)
			r.avail->ring[1] = 0;
		ck_assert_uint_eq(requeue(c, 3), way ? 3 : 0);
		if (way)
			continue;
		virtq_forget(r.vq);
		ck_assert_int_eq(rig_restart(&r, 0), 0);
		ck_assert(!virtq_resumes(r.vq));
		for (uint16_t i = 0; i < 3; i++)
			virtq_push(pop((uint16_t)(2 - i)));
		assert_empty();
		ck_assert_uint_eq(rig_used_idx(&r), 3);
		ck_assert_uint_eq(rig_stop(&r), 3);
	}
}
END_TEST

/* Chains that the driver's indexes do not confirm are forgotten; so they are after a reset. */
START_TEST(test_requeue_forgotten)
{
	struct chain *c[2];

	for (unsigned int way = 0; way < 4; way++) {
		rig_start(&r, 8, 0, 0);
		rig_simple(&r, 1, 0, 1, true);
		rig_simple(&r, 2, 0, 1, true);
		rig_simple(&r, 3, 0, 1, true);
		c[0] = pop(1);
		virtq_push(pop(2));
		c[1] = pop(3);
		ck_assert_uint_eq(requeue(c, 2), 3);
		uint16_t base = 3;

		if (way == 0)
			virtq_forget(r.vq);
		else if (way == 1)
			r.used->idx = htole16(2);
		else if (way == 2)
			r.num = 4;
		else
			r.used->idx = r.avail->idx = htole16(base = 0);
		ck_assert_int_eq(rig_restart(&r, base), 0);
		ck_assert(!virtq_resumes(r.vq));
		ck_assert_uint_eq(virtq_lost(r.vq), way == 3 ? 0 : way == 1 ? 1 : 2);
		round_trip(1);
		rig_stop(&r);
	}
}
END_TEST

/* What the driver did to a chain while the ring was stopped is looked at anew. */
START_TEST(test_requeue_hostile)
{
	struct chain *c[1];

	rig_start(&r, 8, 0, 0);
	rig_simple(&r, 1, 0, 1, true);
	rig_simple(&r, 2, 0, 1, true);
	c[0] = pop(1);
	virtq_push(pop(2));
	ck_assert_uint_eq(requeue(c, 1), 2);
	r.desc[1].addr = 0;
	ck_assert_int_eq(rig_restart(&r, 2), 0);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(r.brokens, 1);
	rig_stop(&r);

	/* In flight, and made available once more. */
	rig_start(&r, 8, 0, 0);
	rig_simple(&r, 1, 0, 1, true);
	rig_simple(&r, 2, 0, 1, true);
	c[0] = pop(1);
	virtq_push(pop(2));
	ck_assert_uint_eq(requeue(c, 1), 2);
	ck_assert_int_eq(rig_restart(&r, 2), 0);
	rig_publish(&r, 1);
	c[0] = pop(1);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(r.brokens, 2);
	virtq_push(c[0]);
}
END_TEST

/*
 * Another memory table.
 */

/* The same addresses in another file. */
static struct gmem *other_file(uint8_t **va)
{
	int fd = memfd_create("other", MFD_CLOEXEC);
	struct gmem_desc d = {.guest_addr = RIG_GUEST, .size = RIG_SIZE, .user_addr = RIG_USER, .fd = fd};
	struct gmem *mem;

	ck_assert_int_eq(ftruncate(fd, RIG_SIZE), 0);
	*va = mmap(NULL, RIG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(*va, MAP_FAILED);
	memcpy(*va, r.va, RIG_SIZE);
	ck_assert_int_eq(gmem_new(&gmem_shm, &mem), 0);
	ck_assert_int_eq(gmem_add(mem, &d), 0);
	close(fd);
	return mem;
}

START_TEST(test_remap)
{
	uint8_t *va;
	struct chain *c;

	rig_start(&r, 8, 0, 0);
	round_trip(0);
	rig_simple(&r, 3, 0, 4, true);
	c = pop(3);
	rig_simple(&r, 4, 8, 4, true);
	use_memory(other_file(&va));
	/* What is in flight answers into the bytes it was given; the used ring is the new one. */
	ck_assert(chain_put(c, "held", 4));
	virtq_push(c);
	ck_assert_mem_eq(r.buffer, "held", 4);
	ck_assert_uint_eq(rig_used_idx(&r), 1);

	struct virtq_used *used = (void *)(va + RIG_USED);

	ck_assert_uint_eq(le16toh(used->idx), 2);
	ck_assert_uint_eq(le32toh(used->ring[1].id), 3);
	c = pop(4);
	ck_assert(chain_put(c, "next", 4));
	virtq_push(c);
	ck_assert_mem_eq(va + RIG_BUFFER + 8, "next", 4);
	ck_assert_uint_eq(le16toh(used->idx), 3);
	rig_stop(&r);
	munmap(va, RIG_SIZE);
}
END_TEST

START_TEST(test_remap_fails)
{
	struct gmem *empty;
	uint8_t *va;
	struct chain *c;

	rig_start(&r, 8, 0, 0);
	rig_simple(&r, 3, 0, 4, true);
	c = pop(3);
	ck_assert_int_eq(gmem_new(&gmem_shm, &empty), 0);
	ck_assert_int_eq(virtq_remap(r.vq, empty), -EFAULT);
	ck_assert(virtq_broken(r.vq));
	ck_assert_uint_eq(r.brokens, 1);
	/* The answer has nowhere to go. */
	virtq_push(c);
	virtq_flush(r.vq);
	ck_assert_uint_eq(rig_used_idx(&r), 0);
	ck_assert_uint_eq(r.calls, 0);
	ck_assert_int_eq(virtq_remap(r.vq, empty), -EFAULT);
	/* Memory that comes back heals nothing before the next start. */
	struct gmem *mem = other_file(&va);

	ck_assert_int_eq(virtq_remap(r.vq, mem), 0);
	ck_assert(virtq_broken(r.vq));
	ck_assert_ptr_null(rig_pop(&r));
	rig_stop(&r);
	gmem_free(mem);
	gmem_free(empty);
	munmap(va, RIG_SIZE);
	rig_start(&r, 8, 0, 0);
	round_trip(0);
}
END_TEST

static void add_common(TCase *tc)
{
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, test_start_refuses);
	tcase_add_test(tc, test_states);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_wrap_around);
	tcase_add_test(tc, test_call_flag);
	tcase_add_test(tc, test_call_event);
	tcase_add_test(tc, test_remind);
	tcase_add_test(tc, test_kick_flag);
	tcase_add_test(tc, test_kick_event);
	tcase_add_loop_test(tc, test_kicks_after_call, 0, 2);
	tcase_add_test(tc, test_turn);
	tcase_add_test(tc, test_pop_in_turn_alone);
	tcase_add_test(tc, test_again);
	tcase_add_test(tc, test_chain_in_the_ring);
	tcase_add_loop_test(tc, test_indirect, 0, 2);
	tcase_add_test(tc, test_longest_chains);
	tcase_add_loop_test(tc, test_hostile, 0, ARRAY_SIZE(hostile));
	tcase_add_test(tc, test_indirect_not_accepted);
	tcase_add_test(tc, test_same_head_twice);
	tcase_add_test(tc, test_starvation);
	tcase_add_test(tc, test_crumbs);
	tcase_add_test(tc, test_table_across_regions);
	tcase_add_test(tc, test_drained);
	tcase_add_test(tc, test_requeue);
	tcase_add_test(tc, test_requeue_untaken);
	tcase_add_test(tc, test_requeue_forgotten);
	tcase_add_test(tc, test_requeue_hostile);
	tcase_add_test(tc, test_remap);
	tcase_add_test(tc, test_remap_fails);
}

Suite *suite_virtq(void)
{
	Suite *s = suite_create("virtq");
	TCase *shm = tcase_create("shm"), *strict = tcase_create("strict");

	tcase_add_checked_fixture(shm, setup_shm, teardown);
	add_common(shm);
	tcase_add_test(shm, test_other_rings_live);
	tcase_add_loop_test(shm, test_turn_work, 0, 2);
	suite_add_tcase(s, shm);
	tcase_add_checked_fixture(strict, setup_strict, teardown_strict);
	add_common(strict);
	suite_add_tcase(s, strict);
	return s;
}
