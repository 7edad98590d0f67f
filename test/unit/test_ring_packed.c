/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_ring_packed.c - a packed ring and what a driver can write into it, good and bad: VIRTIO 1.4, section 2.8.
 * What it has in common with a split ring is in test_virtq.c.
 */
#include <errno.h>
#include <string.h>

#include "test/lib/gmem_strict.h"
#include "test/lib/rig.h"
#include "test/unit/suites.h"
#include "transport/ring/packed_layout.h"

#define PACKED	  BIT(VIRTIO_F_RING_PACKED)
#define INDIRECT  BIT(VIRTIO_F_INDIRECT_DESC)
#define EVENT_IDX BIT(VIRTIO_F_EVENT_IDX)

#define F_NEXT	   VIRTQ_DESC_F_NEXT
#define F_WRITE	   VIRTQ_DESC_F_WRITE
#define F_INDIRECT VIRTQ_DESC_F_INDIRECT
#define F_MARKS	   (PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED)

#define TABLE_ADDR ((uint64_t)RIG_GUEST + RIG_TABLE)

static struct rig r;
static struct pvirtq_desc *ring;
static struct pvirtq_event_suppress *driver, *device;
static uint16_t next; /* place of the driver's next descriptor */

static void setup(void)
{
	rig_init(&r, &gmem_strict);
	ring = (void *)r.desc;
	driver = (void *)r.avail;
	device = (void *)r.used;
}

static void teardown(void)
{
	rig_fini(&r);
	ck_assert_uint_eq(gmem_strict_pins(), 0);
}

static void begin(unsigned int num, uint64_t features)
{
	r.num = num;
	r.features = features | PACKED;
	memset(r.va, 0, RIG_BUFFER);
	next = PVIRTQ_WRAP;
	ck_assert_int_eq(rig_restart(&r, PVIRTQ_FRESH), 0);
	virtq_enable(r.vq, true);
}

/* Writes a descriptor as the next; what is marked is available. */
static void put(uint64_t addr, uint32_t len, uint16_t id, unsigned int flags)
{
	ring[pvirtq_index(next)] = (struct pvirtq_desc){
		.addr = htole64(addr),
		.len = htole32(len),
		.id = htole16(id),
		.flags = htole16((uint16_t)(flags | pvirtq_avail_flags(next))),
	};
	next = pvirtq_advance(next, 1, r.num);
}

/* A buffer of 8 bytes for the device to write. */
static void put_simple(uint16_t id)
{
	put(rig_addr(id * 8u), 8, id, F_WRITE);
}

static struct chain *pop(uint16_t id)
{
	struct chain *c = rig_pop(&r);

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(chain_id(c), id);
	return c;
}

static void assert_empty(void)
{
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(!virtq_flush(r.vq));
	ck_assert(!virtq_broken(r.vq));
}

/* The descriptor at this place is used, with this id and length. */
static void assert_used(uint16_t place, uint16_t id, uint32_t len)
{
	const struct pvirtq_desc *d = &ring[pvirtq_index(place)];

	ck_assert_uint_eq(le16toh(d->flags) & F_MARKS, pvirtq_used_flags(place));
	ck_assert_uint_eq(!!(le16toh(d->flags) & F_WRITE), len > 0);
	ck_assert_uint_eq(le16toh(d->id), id);
	ck_assert_uint_eq(le32toh(d->len), len);
}

/*
 * A ring that stops where base 0 is, and goes on there: at the end of its first round, and of its third, where the first
 * descriptor was in the midst of a buffer and bears no mark of use.
 */
START_TEST(test_base_0)
{
	begin(4, 0);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int slots = round == 2 ? 1 : 0; slots < 4; slots++) {
			bool two = round == 1 && slots == 3;

			put(rig_addr(0), 8, 1, F_WRITE | (two ? F_NEXT : 0));
			if (two)
				put(rig_addr(8), 8, 1, F_WRITE);
			virtq_push(pop(1));
			assert_empty();
		}
		if (round == 1)
			continue;
		ck_assert_uint_eq(rig_stop(&r), 0);
		ck_assert_uint_eq(!!(le16toh(ring[0].flags) & PVIRTQ_DESC_F_USED), round == 0);
		ck_assert_int_eq(rig_restart(&r, 0), 0);
		virtq_enable(r.vq, true);
		assert_empty();
	}
	put_simple(2);
	virtq_push(pop(2));
	assert_used(0, 2, 0);
}
END_TEST

/* Any size, more than twice round; lengths and marks are right. */
START_TEST(test_sizes)
{
	static const unsigned int sizes[] = {1, 2, 3, 5, 24, 256, 32768};
	unsigned int num = sizes[_i];

	begin(num, 0);
	for (unsigned int i = 0; i < 2 * num + 3; i++) {
		uint16_t place = next, id = (uint16_t)(i % num);
		bool full = i % 3;

		put(rig_addr(0), 8, id, F_WRITE);
		struct chain *c = pop(id);

		ck_assert(!full || chain_put(c, "response", 8));
		virtq_push(c);
		assert_used(place, id, full ? 8 : 0);
		assert_empty();
	}
}
END_TEST

START_TEST(test_start_refuses)
{
	const struct virtq_addrs a = {.space = GMEM_USER, RIG_USER, RIG_USER + RIG_AVAIL, RIG_USER + RIG_USED};

	ck_assert_int_eq(virtq_start(r.vq, r.mem, 0, PACKED, &a, PVIRTQ_FRESH), -EINVAL);
	ck_assert_int_eq(virtq_start(r.vq, r.mem, 32769, PACKED, &a, PVIRTQ_FRESH), -EINVAL);
	ck_assert_int_eq(virtq_start(r.vq, r.mem, 5, PACKED, &a, 0x80008005), -EINVAL);
	ck_assert_int_eq(virtq_start(r.vq, r.mem, 5, PACKED, &a, 0x80058000), -EINVAL);
	ck_assert(!virtq_started(r.vq));
	for (unsigned int part = 0; part < 3; part++) {
		struct virtq_addrs odd = a, gone = a;

		*(uint64_t *[]){&odd.desc, &odd.avail, &odd.used}[part] += 2;
		*(uint64_t *[]){&gone.desc, &gone.avail, &gone.used}[part] = RIG_USER + RIG_SIZE - (part ? 0 : 16);
		ck_assert_int_eq(virtq_start(r.vq, r.mem, 5, PACKED, &odd, PVIRTQ_FRESH), -EINVAL);
		ck_assert_int_eq(virtq_start(r.vq, r.mem, 5, PACKED, &gone, PVIRTQ_FRESH), -EFAULT);
	}
	/* A ring may have another layout in its next life. */
	ck_assert_int_eq(virtq_start(r.vq, r.mem, 4, 0, &a, 0), 0);
	ck_assert_uint_eq(virtq_stop(r.vq), 0);
	ck_assert_int_eq(virtq_start(r.vq, r.mem, 4, PACKED, &a, PVIRTQ_FRESH), 0);
	ck_assert_uint_eq(virtq_stop(r.vq), PVIRTQ_FRESH);
}
END_TEST

/* What front-ends say where a ring begins, and what is meant. */
START_TEST(test_base)
{
	begin(4, 0);
	rig_stop(&r);
	/* Nothing: it is a fresh ring, whether something is available or not. */
	ck_assert_int_eq(rig_restart(&r, 0), 0);
	ck_assert_uint_eq(rig_stop(&r), PVIRTQ_FRESH);
	put_simple(0);
	ck_assert_int_eq(rig_restart(&r, 0), 0);
	virtq_push(pop(0));
	ck_assert_uint_eq(rig_stop(&r), 0x80018001);
	/* All of the first round is used: 0 is where the second begins. */
	ck_assert_int_eq(rig_restart(&r, 0x80018001), 0);
	for (uint16_t id = 1; id < 4; id++) {
		put_simple(id);
		virtq_push(pop(id));
	}
	ck_assert_uint_eq(rig_stop(&r), 0);
	ck_assert_int_eq(rig_restart(&r, 0), 0);
	assert_empty();
	put_simple(2);
	virtq_push(pop(2));
	ck_assert_uint_eq(rig_stop(&r), 0x00010001);
	/* The upper half is missing. */
	ck_assert_int_eq(rig_restart(&r, 0x8003), 0);
	ck_assert_uint_eq(rig_stop(&r), 0x80038003);
	ck_assert(virtq_base_fresh(PACKED, 0));
	ck_assert(virtq_base_fresh(PACKED, PVIRTQ_FRESH));
	ck_assert(!virtq_base_fresh(PACKED, 1));
	ck_assert(!virtq_base_fresh(0, PVIRTQ_FRESH));
}
END_TEST

/* A list takes one used descriptor, and the device steps over the rest. */
START_TEST(test_list)
{
	begin(8, 0);
	memcpy(r.buffer, "question", 8);
	for (unsigned int round = 0; round < 5; round++) {
		uint16_t place = next;
		char text[8];

		put(rig_addr(0), 4, 7, F_NEXT);
		put(rig_addr(4), 4, 7, F_NEXT);
		put(rig_addr(100), 3, 5, F_WRITE);
		struct chain *c = pop(5);

		ck_assert(chain_get(c, text, 8));
		ck_assert_mem_eq(text, "question", 8);
		ck_assert(chain_put(c, "yes", 3));
		virtq_push(c);
		assert_used(place, 5, 3);
		assert_empty();
	}
}
END_TEST

START_TEST(test_indirect)
{
	struct pvirtq_desc *table = (void *)r.table;

	begin(2, INDIRECT);
	memcpy(r.buffer, "question", 8);
	/* Of the flags only WRITE counts, and NEXT does not end it. */
	table[0] = (struct pvirtq_desc){.addr = htole64(rig_addr(0)), .len = htole32(8), .id = htole16(99)};
	table[1] = (struct pvirtq_desc){.addr = htole64(rig_addr(50)), .len = htole32(2), .flags = htole16(F_WRITE)};
	table[2] = (struct pvirtq_desc){
		.addr = htole64(rig_addr(60)), .len = htole32(2), .flags = htole16(F_WRITE | F_NEXT | F_MARKS)};
	for (unsigned int i = 0; i < 5; i++) {
		uint16_t place = next;

		put(TABLE_ADDR, 48, 1, F_INDIRECT | (i % 2 ? F_WRITE : 0));
		struct chain *c = pop(1);

		ck_assert_uint_eq(chain_readable(c), 8);
		ck_assert_uint_eq(chain_writable(c), 4);
		ck_assert(chain_put(c, "fine", 4));
		virtq_push(c);
		assert_used(place, 1, 4);
		ck_assert_mem_eq(r.buffer + 60, "ne", 2);
	}
}
END_TEST

/* What a driver must not do; each is a row of descriptors. */
static const struct {
	const char *what;
	uint64_t features;
	unsigned int n;
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t id;
		unsigned int flags;
	} descs[4];
} hostile[] = {
	{"an id beyond the ring", 0, 1, {{0, 8, 4, 0}}},
	{"a list without end", 0, 4, {{0, 1, 0, F_NEXT}, {0, 1, 0, F_NEXT}, {0, 1, 0, F_NEXT}, {0, 1, 0, F_NEXT}}},
	{"a table, not accepted", 0, 1, {{TABLE_ADDR, 16, 0, F_INDIRECT}}},
	{"a table in a list", INDIRECT, 2, {{0, 1, 0, F_NEXT}, {TABLE_ADDR, 16, 0, F_INDIRECT}}},
	{"a table that goes on", INDIRECT, 2, {{TABLE_ADDR, 16, 0, F_INDIRECT | F_NEXT}, {0, 1, 0, 0}}},
	{"a table of no length", INDIRECT, 1, {{TABLE_ADDR, 0, 0, F_INDIRECT}}},
	{"half a table", INDIRECT, 1, {{TABLE_ADDR, 24, 0, F_INDIRECT}}},
	{"a table too long", INDIRECT, 1, {{TABLE_ADDR, 16 * 1025, 0, F_INDIRECT}}},
	{"a table nowhere", INDIRECT, 1, {{1, 16, 0, F_INDIRECT}}},
	{"a buffer nowhere", 0, 1, {{1, 16, 0, 0}}},
	{"written before read", 0, 2, {{0, 8, 0, F_WRITE | F_NEXT}, {0, 8, 0, 0}}},
};

START_TEST(test_hostile)
{
	begin(4, hostile[_i].features);
	for (unsigned int i = 0; i < hostile[_i].n; i++) {
		uint64_t addr = hostile[_i].descs[i].addr;

		put(addr ? addr : rig_addr(0), hostile[_i].descs[i].len, hostile[_i].descs[i].id,
		    hostile[_i].descs[i].flags);
	}
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_msg(virtq_broken(r.vq), "%s", hostile[_i].what);
	ck_assert_uint_eq(r.brokens, 1);
	rig_stop(&r);
	begin(4, 0);
	put_simple(1);
	virtq_push(pop(1));
	assert_used(PVIRTQ_WRAP, 1, 0);
}
END_TEST

/* The same buffer twice, and more buffers than descriptors. */
START_TEST(test_in_flight_twice)
{
	struct chain *c;

	begin(4, 0);
	put_simple(1);
	put_simple(1);
	c = pop(1);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(virtq_broken(r.vq));
	virtq_push(c);
	rig_stop(&r);

	struct chain *held[4];

	begin(4, 0);
	for (uint16_t i = 0; i < 4; i++) {
		put_simple(i);
		held[i] = pop(i);
	}
	put_simple(0);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(virtq_broken(r.vq));
	for (unsigned int i = 0; i < 4; i++)
		virtq_push(held[i]);
}
END_TEST

/* A driver that writes over a chain the device has taken changes nothing. */
START_TEST(test_copies)
{
	struct chain *c;

	begin(4, 0);
	put(rig_addr(0), 8, 3, F_WRITE);
	c = pop(3);
	memset(ring, 0xff, 16 * 4);
	ck_assert_uint_eq(chain_writable(c), 8);
	ck_assert(chain_put(c, "response", 8));
	virtq_push(c);
	assert_used(PVIRTQ_WRAP, 3, 8);
}
END_TEST

/* Chains of several descriptors, used out of order over those still in flight, go back and come again in their order. */
START_TEST(test_requeue)
{
	struct chain *held[3];
	uint32_t base;

	begin(6, 0);
	for (uint16_t i = 0; i < 3; i++) {
		put(rig_addr(i * 16u), 4, i, F_WRITE | F_NEXT);
		put(rig_addr(i * 16u + 8), 4, i, F_WRITE);
		held[i] = pop(i);
	}
	virtq_push(held[2]);
	assert_used(PVIRTQ_WRAP, 2, 0);
	/* The driver takes its two descriptors back; they are the ring's first. */
	put(rig_addr(64), 4, 2, F_WRITE | F_NEXT);
	put(rig_addr(72), 4, 2, F_WRITE);
	for (unsigned int life = 0; life < 3; life++) {
		virtq_stopping(r.vq);
		virtq_requeue(held[1]);
		virtq_requeue(held[0]);
		base = rig_stop(&r);
		ck_assert_uint_eq(base, 0x80020000);
		ck_assert_int_eq(rig_restart(&r, base), 0);
		ck_assert(virtq_resumes(r.vq));
		held[0] = pop(0);
		held[1] = pop(1);
	}
	held[2] = pop(2);
	assert_empty();
	for (uint16_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(chain_writable(held[i]), 8);
		ck_assert(chain_put(held[i], "response", 8));
		virtq_push(held[i]);
	}
	ck_assert_mem_eq(r.buffer, "resp", 4);
	ck_assert_mem_eq(r.buffer + 24, "onse", 4);
	ck_assert_mem_eq(r.buffer + 72, "onse", 4);
	/* A base that says nothing is in flight: the driver began anew, and they are forgotten. */
	put_simple(5);
	held[0] = pop(5);
	virtq_stopping(r.vq);
	virtq_requeue(held[0]);
	rig_stop(&r);
	memset(ring, 0, 16 * 6);
	ck_assert_int_eq(rig_restart(&r, PVIRTQ_FRESH), 0);
	ck_assert(!virtq_resumes(r.vq));
	assert_empty();
}
END_TEST

/* Those that were taken last, and in this order, are left to the next life, whoever lives it: the base says so. */
START_TEST(test_requeue_untaken)
{
	struct chain *held[3];
	uint32_t base;

	for (uint16_t swapped = 0; swapped < 2; swapped++) {
		begin(6, 0);
		for (uint16_t i = 0; i < 3; i++) {
			put(rig_addr(i * 16u), 4, i, F_WRITE | F_NEXT);
			put(rig_addr(i * 16u + 8), 4, i, F_WRITE);
			held[i] = pop(i);
		}
		virtq_push(held[swapped]);
		virtq_stopping(r.vq);
		virtq_requeue(held[2]);
		virtq_requeue(held[!swapped]);
		base = rig_stop(&r);
		ck_assert_uint_eq(base, swapped ? 0x80020000 : 0x80028002);
		if (!swapped)
			virtq_forget(r.vq);
		ck_assert_int_eq(rig_restart(&r, base), 0);
		ck_assert(virtq_resumes(r.vq) == (swapped == 1));
		virtq_push(pop(!swapped));
		virtq_push(pop(2));
		assert_empty();
		ck_assert_uint_eq(rig_stop(&r), 0);
	}
}
END_TEST

/* Where some were lost to another host before, only what was taken here steps back, whatever stands in the others' places. */
START_TEST(test_requeue_after_loss)
{
	struct chain *held;
	uint32_t base;

	begin(6, 0);
	for (uint16_t i = 0; i < 2; i++) {
		put(rig_addr(i * 16u), 4, i, F_WRITE | F_NEXT);
		put(rig_addr(i * 16u + 8), 4, i, F_WRITE);
	}
	held = pop(0);
	virtq_push(pop(1));
	virtq_stopping(r.vq);
	virtq_requeue(held);
	base = rig_stop(&r);
	ck_assert_uint_eq(base, 0x80028004);
	virtq_forget(r.vq);
	ck_assert_int_eq(rig_restart(&r, base), 0);
	ck_assert_uint_eq(virtq_lost(r.vq), 2);
	/* The driver uses the number of the used one again. */
	put(rig_addr(64), 4, 1, F_WRITE | F_NEXT);
	put(rig_addr(72), 4, 1, F_WRITE);
	held = pop(1);
	virtq_stopping(r.vq);
	virtq_requeue(held);
	ck_assert_uint_eq(rig_stop(&r), 0x80028004);
	ck_assert_int_eq(rig_restart(&r, 0x80028004), 0);
	virtq_push(pop(1));
	assert_empty();
	rig_stop(&r);
}
END_TEST

static bool called(void)
{
	unsigned int before = r.calls;

	virtq_flush(r.vq);
	return r.calls > before;
}

/* Uses n buffers, one descriptor each. */
static void use(unsigned int n)
{
	while (n--) {
		uint16_t id = pvirtq_index(next);

		put_simple(id);
		virtq_push(pop(id));
	}
}

START_TEST(test_calls)
{
	begin(4, _i ? EVENT_IDX : 0);
	driver->flags = htole16(RING_EVENT_FLAGS_ENABLE);
	use(1);
	ck_assert(called());
	ck_assert(!called());
	driver->flags = htole16(RING_EVENT_FLAGS_DISABLE);
	use(1);
	ck_assert(!called());
	/* Without VIRTIO_F_EVENT_IDX the place does not count. */
	driver->flags = htole16(RING_EVENT_FLAGS_DESC);
	driver->desc = htole16(3 | PVIRTQ_WRAP);
	use(1); /* place 2 */
	ck_assert_int_eq(called(), !_i);
	use(1); /* place 3, the last of the round */
	ck_assert(called());
	driver->desc = htole16(1); /* the next round's */
	use(1);
	ck_assert_int_eq(called(), !_i);
	use(2);
	ck_assert(called());
	/* A whole round at once hits every place. */
	driver->desc = htole16(0 | PVIRTQ_WRAP);
	use(4);
	ck_assert(called());
}
END_TEST

START_TEST(test_kicks)
{
	begin(4, _i ? EVENT_IDX : 0);
	for (unsigned int i = 0; i < 9; i++) {
		assert_empty();
		ck_assert_uint_eq(le16toh(device->flags), _i ? RING_EVENT_FLAGS_DESC : RING_EVENT_FLAGS_ENABLE);
		ck_assert(!_i || le16toh(device->desc) == next);
		put_simple(pvirtq_index(next));
		struct chain *c = rig_pop(&r);

		ck_assert_ptr_nonnull(c);
		ck_assert_uint_eq(le16toh(device->flags), RING_EVENT_FLAGS_DISABLE);
		virtq_push(c);
	}
}
END_TEST

/* The arithmetic of places: VIRTIO 1.4, sections 2.8.1 and 2.8.10. */
START_TEST(test_places)
{
	ck_assert_uint_eq(pvirtq_advance(PVIRTQ_WRAP | 3, 1, 5), PVIRTQ_WRAP | 4);
	ck_assert_uint_eq(pvirtq_advance(PVIRTQ_WRAP | 4, 1, 5), 0);
	ck_assert_uint_eq(pvirtq_advance(4, 5, 5), PVIRTQ_WRAP | 4);
	ck_assert_uint_eq(pvirtq_advance(PVIRTQ_WRAP | 32767, 32768, 32768), 32767);
	ck_assert_uint_eq(pvirtq_distance(2, 4, 5), 2);
	ck_assert_uint_eq(pvirtq_distance(4, PVIRTQ_WRAP | 1, 5), 2);
	ck_assert_uint_eq(pvirtq_distance(1, PVIRTQ_WRAP | 1, 5), 5);
	ck_assert_uint_gt(pvirtq_distance(4, 2, 5), 5);
	ck_assert_uint_gt(pvirtq_distance(1, PVIRTQ_WRAP | 2, 5), 5);
	ck_assert(!pvirtq_need_event(RING_EVENT_FLAGS_DESC, 4, true, 4, 4, 5));
	ck_assert(pvirtq_need_event(RING_EVENT_FLAGS_DESC, 4, true, PVIRTQ_WRAP | 0, 1, 5));
	ck_assert(!pvirtq_need_event(RING_EVENT_FLAGS_DESC, 4, true, PVIRTQ_WRAP | 1, 1, 5));
	ck_assert(pvirtq_need_event(RING_EVENT_FLAGS_DESC, 4, true, PVIRTQ_WRAP | 1, 2, 5));
	ck_assert(!pvirtq_need_event(RING_EVENT_FLAGS_DESC, PVIRTQ_WRAP | 4, true, PVIRTQ_WRAP | 0, 1, 5));
}
END_TEST

Suite *suite_ring_packed(void)
{
	Suite *s = suite_create("ring_packed");
	TCase *tc = tcase_create("ring_packed");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_sizes, 0, 7);
	tcase_add_test(tc, test_start_refuses);
	tcase_add_test(tc, test_base);
	tcase_add_test(tc, test_base_0);
	tcase_add_test(tc, test_list);
	tcase_add_test(tc, test_indirect);
	tcase_add_loop_test(tc, test_hostile, 0, ARRAY_SIZE(hostile));
	tcase_add_test(tc, test_in_flight_twice);
	tcase_add_test(tc, test_copies);
	tcase_add_test(tc, test_requeue);
	tcase_add_test(tc, test_requeue_untaken);
	tcase_add_test(tc, test_requeue_after_loss);
	tcase_add_loop_test(tc, test_calls, 0, 2);
	tcase_add_loop_test(tc, test_kicks, 0, 2);
	tcase_add_test(tc, test_places);
	suite_add_tcase(s, tc);
	return s;
}
