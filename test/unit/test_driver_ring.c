/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_driver_ring.c - the driver's side of a split ring against a device that a few lines here play, well or badly.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/suites.h"
#include "transport/driver/driver_ring.h"
#include "transport/ring/virtq.h"

static struct driver_ring *ring;
static void *memory[3];
static struct driver_ring_raw raw;

/* Makes a ring in fresh memory that is not zeroed. */
static void make(unsigned int num, uint64_t features, uint16_t base)
{
	struct driver_ring_sizes sizes;

	driver_ring_sizes(num, features, &sizes);
	ck_assert_int_eq(posix_memalign(&memory[0], sizes.desc_align, sizes.desc), 0);
	ck_assert_int_eq(posix_memalign(&memory[1], 16, sizes.driver), 0);
	ck_assert_int_eq(posix_memalign(&memory[2], 16, sizes.device), 0);
	memset(memory[0], 0xa5, sizes.desc);
	memset(memory[1], 0xa5, sizes.driver);
	memset(memory[2], 0xa5, sizes.device);

	struct driver_ring_areas areas = {memory[0], memory[1], memory[2]};

	ck_assert_int_eq(driver_ring_new(num, features, &areas, base, &ring), 0);
	raw = driver_ring_raw(ring);
	ck_assert_uint_eq(raw.num, num);
}

static void teardown(void)
{
	driver_ring_free(ring);
	ring = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(memory); i++)
		free(memory[i]);
	memset(memory, 0, sizeof(memory));
}

/* Adds a chain of pieces of len bytes; the first nread are readable. */
static int add(unsigned int count, unsigned int nread, uint32_t len, void *token)
{
	struct driver_buf bufs[64];

	ck_assert_uint_le(count, ARRAY_SIZE(bufs));
	for (unsigned int i = 0; i < count; i++)
		bufs[i] = (struct driver_buf){.addr = 0x1000 * (i + 1), .len = len, .writable = i >= nread};
	return driver_ring_add(ring, bufs, count, NULL, token);
}

/* The device: head of the avail entry at this index. */
static uint16_t avail_head(uint16_t idx)
{
	return le16toh(raw.avail->ring[idx % raw.num]);
}

/* The device uses a buffer. */
static void use(uint32_t id, uint32_t len)
{
	uint16_t idx = le16toh(raw.used->idx);

	raw.used->ring[idx % raw.num] = (struct virtq_used_elem){htole32(id), htole32(len)};
	raw.used->idx = htole16((uint16_t)(idx + 1));
}

static le16 *avail_event(void)
{
	return (le16 *)(void *)&raw.used->ring[raw.num];
}

static uint16_t used_event(void)
{
	return le16toh(raw.avail->ring[raw.num]);
}

START_TEST(test_sizes)
{
	struct driver_ring_areas areas = {0};
	struct driver_ring_sizes sizes;
	struct driver_ring *r = NULL;

	driver_ring_sizes(4, 0, &sizes);
	ck_assert_uint_eq(sizes.desc, 64);
	ck_assert_uint_eq(sizes.driver, 6 + 2 * 4);
	ck_assert_uint_eq(sizes.device, 6 + 8 * 4);
	ck_assert_int_eq(driver_ring_new(0, 0, &areas, 0, &r), -EINVAL);
	ck_assert_int_eq(driver_ring_new(3, 0, &areas, 0, &r), -EINVAL);
	ck_assert_int_eq(driver_ring_new(65536, 0, &areas, 0, &r), -EINVAL);
	ck_assert_ptr_null(r);
}
END_TEST

START_TEST(test_chain)
{
	struct driver_used used;
	int token;

	make(8, 0, 0);
	ck_assert_uint_eq(raw.avail->flags, 0);
	ck_assert_uint_eq(raw.used->flags, 0);
	ck_assert_int_eq(add(3, 2, 16, &token), 0);
	ck_assert_uint_eq(le16toh(raw.avail->idx), 0);
	ck_assert(driver_ring_publish(ring));
	ck_assert_uint_eq(le16toh(raw.avail->idx), 1);
	ck_assert_uint_eq(driver_ring_base(ring), 1);
	ck_assert_uint_eq(driver_ring_free_descs(ring), 5);
	ck_assert_uint_eq(driver_ring_pending(ring), 1);

	/* Walk it as a device does. */
	uint16_t at = avail_head(0);

	for (unsigned int i = 0; i < 3; i++) {
		const struct virtq_desc *d = &raw.desc[at];
		unsigned int flags = (i < 2 ? VIRTQ_DESC_F_NEXT : 0) | (i >= 2 ? VIRTQ_DESC_F_WRITE : 0);

		ck_assert_uint_eq(le64toh(d->addr), 0x1000 * (i + 1));
		ck_assert_uint_eq(le32toh(d->len), 16);
		ck_assert_uint_eq(le16toh(d->flags), flags);
		at = le16toh(d->next);
	}
	ck_assert_int_eq(driver_ring_take(ring, &used), 0);
	ck_assert(!driver_ring_has_used(ring));
	use(avail_head(0), 16);
	ck_assert(driver_ring_has_used(ring));
	ck_assert_int_eq(driver_ring_take(ring, &used), 1);
	ck_assert_ptr_eq(used.token, &token);
	ck_assert_uint_eq(used.len, 16);
	ck_assert_uint_eq(driver_ring_free_descs(ring), 8);
	ck_assert_uint_eq(driver_ring_pending(ring), 0);
	ck_assert_int_eq(driver_ring_take(ring, &used), 0);
}
END_TEST

START_TEST(test_indirect)
{
	static const struct driver_buf bufs[] = {
		{.addr = 0x1000, .len = 1}, {.addr = 0x2000, .len = 2}, {.addr = 0x3000, .len = 3, .writable = true}};
	struct virtq_desc entries[3];
	struct driver_table table = {.va = entries, .addr = 0x7000, .room = 2};

	make(2, BIT(VIRTIO_F_INDIRECT_DESC), 0);
	ck_assert_int_eq(driver_ring_add(ring, bufs, 3, &table, NULL), -ENOSPC);
	table.room = 3;
	ck_assert_int_eq(driver_ring_add(ring, bufs, 3, &table, NULL), 0);
	ck_assert_uint_eq(driver_ring_free_descs(ring), 1);

	const struct virtq_desc *d = &raw.desc[avail_head(0)];

	ck_assert_uint_eq(le64toh(d->addr), 0x7000);
	ck_assert_uint_eq(le32toh(d->len), 48);
	ck_assert_uint_eq(le16toh(d->flags), VIRTQ_DESC_F_INDIRECT);
	ck_assert_uint_eq(le16toh(entries[0].next), 1);
	ck_assert_uint_eq(le16toh(entries[1].flags), VIRTQ_DESC_F_NEXT);
	ck_assert_uint_eq(le16toh(entries[1].next), 2);
	ck_assert_uint_eq(le64toh(entries[2].addr), 0x3000);
	ck_assert_uint_eq(le16toh(entries[2].flags), VIRTQ_DESC_F_WRITE);
}
END_TEST

START_TEST(test_direct_then_indirect)
{
	static const struct driver_buf bufs[] = {
		{.addr = 0x1000, .len = 1}, {.addr = 0x2000, .len = 2}, {.addr = 0x3000, .len = 3, .writable = true}};
	struct virtq_desc entries[2];
	struct driver_table table = {.va = entries, .addr = 0x7000, .room = 2, .direct = 1};
	struct driver_used used;

	make(2, BIT(VIRTIO_F_INDIRECT_DESC), 0);
	ck_assert_int_eq(driver_ring_add(ring, bufs, 3, &table, NULL), 0);
	ck_assert_uint_eq(driver_ring_free_descs(ring), 0);

	const struct virtq_desc *d = &raw.desc[avail_head(0)];

	ck_assert_uint_eq(le64toh(d->addr), 0x1000);
	ck_assert_uint_eq(le16toh(d->flags), VIRTQ_DESC_F_NEXT);
	d = &raw.desc[le16toh(d->next)];
	ck_assert_uint_eq(le16toh(d->flags), VIRTQ_DESC_F_INDIRECT);
	ck_assert_uint_eq(le32toh(d->len), 32);
	ck_assert_uint_eq(le64toh(entries[0].addr), 0x2000);

	/* The room is that of the whole chain. */
	driver_ring_publish(ring);
	use(avail_head(0), 3);
	ck_assert_int_eq(driver_ring_take(ring, &used), 1);
	ck_assert_uint_eq(driver_ring_free_descs(ring), 2);
}
END_TEST

START_TEST(test_full)
{
	make(4, 0, 0);
	ck_assert_int_eq(add(0, 0, 1, NULL), -EINVAL);
	ck_assert_int_eq(add(3, 0, 1, NULL), 0);
	ck_assert_int_eq(add(2, 0, 1, NULL), -ENOSPC);
	ck_assert_int_eq(add(1, 0, 1, NULL), 0);
	ck_assert_int_eq(add(1, 0, 1, NULL), -ENOSPC);
	ck_assert_uint_eq(driver_ring_free_descs(ring), 0);
}
END_TEST

/* Many turns of a ring, chains of many lengths, used out of order, over the wrap of the indexes. */
START_TEST(test_turns)
{
	unsigned int num = 1u << _i, max_chain = num < 3 ? num : 3, added = 0, taken = 0, seed = 1;
	uint16_t heads[64];
	unsigned int nheads = 0;

	make(num, 0, 65000);
	while (taken < 3 * num + 2000) {
		struct driver_used used;

		seed = seed * 1103515245 + 12345;
		while (nheads < ARRAY_SIZE(heads) && !add(1 + added % max_chain, 0, 8, (void *)(uintptr_t)(added + 1))) {
			heads[nheads++] = avail_head((uint16_t)(65000 + added));
			added++;
		}
		driver_ring_publish(ring);
		ck_assert_uint_eq(driver_ring_pending(ring), nheads);

		unsigned int pick = seed / 65536 % nheads;

		use(heads[pick], 8);
		heads[pick] = heads[--nheads];
		ck_assert_int_eq(driver_ring_take(ring, &used), 1);
		ck_assert_ptr_nonnull(used.token);
		taken++;
	}
	ck_assert_ptr_null(driver_ring_error(ring));
}
END_TEST

START_TEST(test_bad_device)
{
	struct driver_used used;

	make(4, 0, 0);
	ck_assert_int_eq(add(2, 1, 8, NULL), 0);
	driver_ring_publish(ring);
	switch (_i) {
	case 0: /* an id out of range */
		use(4, 0);
		break;
	case 1: /* an id that is no head */
		use(le16toh(raw.desc[avail_head(0)].next), 0);
		break;
	case 2: /* more than the room: only one piece of the two is writable */
		use(avail_head(0), 9);
		break;
	case 3: /* more used than was available */
		raw.used->idx = htole16(2);
		break;
	case 4: /* the same buffer twice */
		ck_assert_int_eq(add(1, 0, 8, NULL), 0);
		driver_ring_publish(ring);
		use(avail_head(0), 8);
		use(avail_head(0), 8);
		ck_assert_int_eq(driver_ring_take(ring, &used), 1);
		break;
	}
	ck_assert_int_eq(driver_ring_take(ring, &used), -EPROTO);
	ck_assert_ptr_nonnull(driver_ring_error(ring));
	ck_assert_int_eq(driver_ring_take(ring, &used), -EPROTO);
}
END_TEST

/* The device's writes into the table do not lead the driver astray. */
START_TEST(test_scribbled_table)
{
	struct driver_used used;

	make(4, 0, 0);
	ck_assert_int_eq(add(2, 1, 8, NULL), 0);
	driver_ring_publish(ring);

	uint16_t head = avail_head(0);

	memset(raw.desc, 0xff, 4 * sizeof(*raw.desc));
	use(head, 8);
	ck_assert_int_eq(driver_ring_take(ring, &used), 1);
	ck_assert_uint_eq(driver_ring_free_descs(ring), 4);
	ck_assert_int_eq(add(4, 1, 8, NULL), 0);
}
END_TEST

START_TEST(test_kick_flag)
{
	make(4, 0, 0);
	ck_assert_int_eq(add(1, 0, 8, NULL), 0);
	raw.used->flags = htole16(VIRTQ_USED_F_NO_NOTIFY);
	ck_assert(!driver_ring_publish(ring));
	/* Nothing new: nothing to tell. */
	raw.used->flags = 0;
	ck_assert(!driver_ring_publish(ring));
	ck_assert_int_eq(add(1, 0, 8, NULL), 0);
	/* Without the feature the event field means nothing. */
	*avail_event() = htole16(77);
	ck_assert(driver_ring_publish(ring));
}
END_TEST

START_TEST(test_kick_event)
{
	make(4, BIT(VIRTIO_F_EVENT_IDX), 65535);
	*avail_event() = htole16(0);
	raw.used->flags = htole16(VIRTQ_USED_F_NO_NOTIFY);
	ck_assert_int_eq(add(1, 0, 8, NULL), 0);
	ck_assert(!driver_ring_publish(ring)); /* index 65535 -> 0: entry 65535, not asked for */
	ck_assert_int_eq(add(1, 0, 8, NULL), 0);
	ck_assert(driver_ring_publish(ring)); /* entry 0 */
	ck_assert_int_eq(add(1, 0, 8, NULL), 0);
	ck_assert(!driver_ring_publish(ring));
}
END_TEST

START_TEST(test_interrupts_flag)
{
	make(4, 0, 0);
	ck_assert(!driver_ring_interrupts(ring, false));
	ck_assert_uint_eq(le16toh(raw.avail->flags), VIRTQ_AVAIL_F_NO_INTERRUPT);
	ck_assert_int_eq(add(1, 0, 8, NULL), 0);
	driver_ring_publish(ring);
	use(avail_head(0), 8);
	/* It was used while nobody was to be told: the driver learns of it here. */
	ck_assert(driver_ring_interrupts(ring, true));
	ck_assert_uint_eq(le16toh(raw.avail->flags), 0);
}
END_TEST

START_TEST(test_interrupts_event)
{
	make(8, BIT(VIRTIO_F_EVENT_IDX), 65534);
	driver_ring_interrupts(ring, true);
	ck_assert(virtq_need_event(used_event(), 65535, 65534));
	driver_ring_interrupts(ring, false);
	for (uint16_t n = 1; n <= 8; n++)
		ck_assert(!virtq_need_event(used_event(), (uint16_t)(65534 + n), 65534));
	driver_ring_interrupt_after(ring, 3);
	ck_assert(!virtq_need_event(used_event(), 0, 65534));
	ck_assert(virtq_need_event(used_event(), 1, 0));
	ck_assert_uint_eq(raw.avail->flags, 0);
}
END_TEST

START_TEST(test_publish_raw)
{
	make(4, 0, 0);
	driver_ring_publish_raw(ring, 0x1234);
	ck_assert_uint_eq(le16toh(raw.avail->idx), 1);
	ck_assert_uint_eq(avail_head(0), 0x1234);
	ck_assert_uint_eq(driver_ring_base(ring), 1);
}
END_TEST

Suite *suite_driver_ring(void)
{
	Suite *s = suite_create("driver_ring");
	TCase *tc = tcase_create("split");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_chain);
	tcase_add_test(tc, test_indirect);
	tcase_add_test(tc, test_direct_then_indirect);
	tcase_add_test(tc, test_full);
	tcase_add_loop_test(tc, test_turns, 0, 16);
	tcase_add_loop_test(tc, test_bad_device, 0, 5);
	tcase_add_test(tc, test_scribbled_table);
	tcase_add_test(tc, test_kick_flag);
	tcase_add_test(tc, test_kick_event);
	tcase_add_test(tc, test_interrupts_flag);
	tcase_add_test(tc, test_interrupts_event);
	tcase_add_test(tc, test_publish_raw);
	suite_add_tcase(s, tc);
	return s;
}
