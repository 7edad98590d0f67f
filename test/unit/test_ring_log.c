/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_ring_log.c - what a ring and its chains write into guest memory is in the log: every page that changed while the device
 * had its turn.  QEMU docs/interop/vhost-user.rst, "Migration".
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/lib/random.h"
#include "test/lib/rig.h"
#include "test/unit/suites.h"
#include "transport/driver/driver_ring.h"

#define PACKED    BIT(VIRTIO_F_RING_PACKED)
#define INDIRECT  BIT(VIRTIO_F_INDIRECT_DESC)
#define EVENT_IDX BIT(VIRTIO_F_EVENT_IDX)

#define PAGE      DIRTY_LOG_PAGE
#define LOG_BYTES ((RIG_GUEST + 2 * (uint64_t)RIG_SIZE) / PAGE / 8)
#define PAGES     (RIG_SIZE / PAGE)

/* The driver's tables and buffers lie in the first bytes of their areas. */
#define TABLE_BYTES  65536u
#define BUFFER_BYTES 524288u

static struct rig r;
static struct driver_ring *ring;
static struct dirty_log *dirty;
static int log_fd;
static uint8_t *bits;
static uint8_t *before;        /* the memory as it was when the device's turn began */
static bool changed[PAGES];    /* in the device's turns since the log was cleared */
static uint32_t state = 0x6c6f67;

static void setup(void)
{
	rig_init(&r, &gmem_shm);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(log_fd, (off_t)LOG_BYTES), 0);
	bits = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, log_fd, 0);
	ck_assert_ptr_ne(bits, MAP_FAILED);
	ck_assert_int_eq(dirty_log_new(log_fd, LOG_BYTES, 0, &dirty), 0);
	before = malloc(RIG_SIZE);
	ck_assert_ptr_nonnull(before);
}

static void teardown(void)
{
	driver_ring_free(ring);
	ring = NULL;
	rig_fini(&r);
	dirty_log_free(dirty);
	munmap(bits, LOG_BYTES);
	close(log_fd);
	free(before);
}

static void begin(unsigned int num, uint64_t features)
{
	const struct driver_ring_areas areas = {r.desc, r.avail, r.used};

	r.num = num;
	r.features = features;
	ck_assert_int_eq(driver_ring_new(num, features, &areas, 0, &ring), 0);
	ck_assert_int_eq(rig_restart(&r, driver_ring_base(ring)), 0);
	virtq_enable(r.vq, true);
	virtq_log(r.vq, dirty, true, (uint64_t)RIG_GUEST + RIG_USED);
}

static bool marked(uint64_t guest)
{
	return bits[guest / PAGE / 8] & 1u << guest / PAGE % 8;
}

static unsigned int marked_pages(void)
{
	unsigned int n = 0;

	for (uint64_t i = 0; i < LOG_BYTES; i++)
		n += (unsigned int)__builtin_popcount(bits[i]);
	return n;
}

/* The parts of the memory that are used. */
static const struct {
	uint32_t off, len;
} areas[] = {
	{RIG_DESC, 65536},
	{RIG_AVAIL, 65536},
	{RIG_USED, 65536},
	{RIG_TABLE, TABLE_BYTES},
	{RIG_BUFFER, BUFFER_BYTES},
};

static void turn_begins(void)
{
	for (size_t a = 0; a < ARRAY_SIZE(areas); a++)
		memcpy(before + areas[a].off, r.va + areas[a].off, areas[a].len);
}

static void turn_ends(void)
{
	for (size_t a = 0; a < ARRAY_SIZE(areas); a++) {
		for (uint32_t at = areas[a].off; at < areas[a].off + areas[a].len; at += PAGE)
			changed[at / PAGE] |= memcmp(before + at, r.va + at, PAGE) != 0;
	}
}

/* Every page that changed is in the log; returns how many, and begins anew. */
static unsigned int check_log(void)
{
	unsigned int n = 0;

	for (uint32_t p = 0; p < PAGES; p++) {
		/* Too often for ck_assert, which writes each time. */
		if (changed[p] && !marked(RIG_GUEST + (uint64_t)p * PAGE))
			ck_abort_msg("the page at 0x%x is not marked", p * PAGE);
		n += changed[p];
	}
	memset(changed, 0, sizeof(changed));
	memset(bits, 0, LOG_BYTES);
	return n;
}

static uint32_t below(uint32_t n)
{
	return random_next(&state) % n;
}

static unsigned int next_table;

/* A chain of some pieces anywhere; many later, its table is used again. */
static void driver_adds(void)
{
	struct driver_buf bufs[5];
	unsigned int n = 1 + below(ARRAY_SIZE(bufs)), readable = below(n);
	uint32_t table_at = next_table++ % (TABLE_BYTES / 128) * 128;
	struct driver_table table = {.va = r.va + RIG_TABLE + table_at,
				     .addr = (uint64_t)RIG_GUEST + RIG_TABLE + table_at,
				     .room = ARRAY_SIZE(bufs)};

	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = 1 + below(below(4) ? 100 : 9000);

		bufs[i] = (struct driver_buf){rig_addr(below(BUFFER_BYTES - len)), len, i >= readable};
	}
	/* No room is as good as a chain less. */
	driver_ring_add(ring, bufs, n, (r.features & INDIRECT) && below(2) ? &table : NULL, &ring);
	driver_ring_publish(ring);
}

/* The host writes, and may not say that it did. */
static void device_writes(struct chain *c)
{
	uint8_t bytes[3000];
	struct iovec iov[4];
	unsigned int n;

	memset(bytes, (int)below(256), sizeof(bytes));
	switch (below(6)) {
	case 0:
		chain_put(c, bytes, below(sizeof(bytes)));
		break;
	case 1:
		chain_put_zeros(c, below(sizeof(bytes)));
		break;
	case 2:
		n = chain_write_iov(c, iov, ARRAY_SIZE(iov), below(20000));
		for (unsigned int i = 0; i < n; i++)
			memset(iov[i].iov_base, (int)below(256), iov[i].iov_len);
		if (n)
			chain_wrote(c, below((uint32_t)iov[0].iov_len));
		break;
	case 3:
		chain_put_at(c, below(9000), bytes, below(sizeof(bytes)));
		break;
	case 4:
		n = chain_iov(c, CHAIN_WRITE, below(9000), iov, 1 + below(4), below(20000));
		for (unsigned int i = 0; i < n; i++)
			memset(iov[i].iov_base, (int)below(256), iov[i].iov_len);
		break;
	default:
		break;
	}
}

static struct chain *held[8];
static unsigned int nheld;

static void device_gives_back(void)
{
	while (nheld)
		virtq_push(held[--nheld]);
}

static void device_turn(void)
{
	struct chain *c;

	virtq_turn_begin(r.vq);
	while ((c = rig_pop(&r))) {
		device_writes(c);
		device_writes(c);
		if (nheld < ARRAY_SIZE(held) && !below(5))
			held[nheld++] = c;
		else
			virtq_push(c);
	}
	virtq_turn_end(r.vq);
	if (!below(4))
		device_gives_back();
	virtq_flush(r.vq);
}

static void driver_reaps(void)
{
	struct driver_used used;

	while (driver_ring_take(ring, &used) > 0)
		;
	driver_ring_interrupts(ring, below(2));
}

static const struct {
	unsigned int num;
	uint64_t features;
} kinds[] = {
	{1024, 0},
	{1024, EVENT_IDX},
	{16, INDIRECT},
	{1024, INDIRECT | EVENT_IDX},
	{1024, PACKED},
	{1024, PACKED | EVENT_IDX},
	{17, PACKED | INDIRECT},
	{1000, PACKED | INDIRECT | EVENT_IDX},
};

START_TEST(test_random)
{
	unsigned int pages = 0;

	begin(kinds[_i].num, kinds[_i].features);
	for (unsigned int round = 0; round < 300; round++) {
		for (unsigned int i = below(8); i; i--)
			driver_adds();
		turn_begins();
		device_turn();
		turn_ends();
		if (!nheld)
			pages += check_log();
		driver_reaps();
		ck_assert(!virtq_broken(r.vq));
		ck_assert_ptr_null(driver_ring_error(ring));
	}
	turn_begins();
	device_gives_back();
	turn_ends();
	pages += check_log();
	ck_assert_uint_gt(pages, 500);
}
END_TEST

static void add_writable(uint32_t off, uint32_t len)
{
	const struct driver_buf buf = {rig_addr(off), len, true};

	ck_assert_int_eq(driver_ring_add(ring, &buf, 1, NULL, &ring), 0);
	driver_ring_publish(ring);
}

/* Exactly the pages of a buffer that were written, none where nothing was, and those of one that is requeued after all. */
START_TEST(test_buffers)
{
	static const uint8_t byte = 1;
	struct chain *c;

	begin(8, _i ? PACKED : 0);
	virtq_log(r.vq, dirty, false, 0);
	add_writable(PAGE - 3, 3 * PAGE);
	c = rig_pop(&r);
	ck_assert(chain_put(c, "abc", 3));
	ck_assert_uint_eq(marked_pages(), 0);
	virtq_push(c);
	ck_assert(marked(rig_addr(0)));
	ck_assert_uint_eq(marked_pages(), 1);
	add_writable(4 * PAGE - 3, 3 * PAGE);
	c = rig_pop(&r);
	ck_assert(chain_put_zeros(c, 4));
	virtq_push(c);
	ck_assert(marked(rig_addr(3 * PAGE)) && marked(rig_addr(4 * PAGE)));
	ck_assert_uint_eq(marked_pages(), 3);
	add_writable(8 * PAGE, PAGE);
	virtq_push(rig_pop(&r));
	ck_assert_uint_eq(marked_pages(), 3);
	add_writable(9 * PAGE, PAGE);
	add_writable(10 * PAGE, PAGE);
	virtq_requeue(rig_pop(&r));
	ck_assert_uint_eq(marked_pages(), 3);
	c = rig_pop(&r);
	ck_assert(chain_put(c, &byte, 1));
	virtq_requeue(c);
	ck_assert(marked(rig_addr(10 * PAGE)));
	ck_assert_uint_eq(marked_pages(), 4);
}
END_TEST

/* What is written far behind the cursor marks nothing that lies between. */
START_TEST(test_far_behind)
{
	static const uint8_t byte = 1;
	struct iovec iov;
	struct chain *c;

	begin(8, _i ? PACKED : 0);
	virtq_log(r.vq, dirty, false, 0);
	add_writable(0, 8 * PAGE);
	c = rig_pop(&r);
	ck_assert(chain_put_at(c, 8 * PAGE - 1, &byte, 1));
	virtq_push(c);
	ck_assert(marked(rig_addr(7 * PAGE)));
	ck_assert_uint_eq(marked_pages(), 1);
	add_writable(0, 8 * PAGE);
	c = rig_pop(&r);
	ck_assert(chain_put(c, &byte, 1));
	ck_assert_uint_eq(chain_iov(c, CHAIN_WRITE, 5 * PAGE - 1, &iov, 1, PAGE), 1);
	ck_assert(chain_put_at(c, 3 * PAGE - 1, &byte, 1));
	virtq_push(c);
	for (unsigned int i = 0; i < 8; i++)
		ck_assert(marked(rig_addr(i * PAGE)) == (i == 0 || (i >= 3 && i <= 5) || i == 7));
}
END_TEST

/* On and off at any time: what is given back while it is on is marked, whenever it was written. */
START_TEST(test_on_and_off)
{
	struct chain *c;

	begin(8, _i ? PACKED : 0);
	virtq_log(r.vq, NULL, true, 0);
	add_writable(0, PAGE);
	c = rig_pop(&r);
	ck_assert(chain_put_zeros(c, PAGE));
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert_uint_eq(marked_pages(), 0);
	virtq_log(r.vq, dirty, false, 0);
	virtq_push(c);
	ck_assert_uint_eq(marked_pages(), 1);
	virtq_log(r.vq, NULL, false, 0);
	add_writable(PAGE, PAGE);
	c = rig_pop(&r);
	ck_assert(chain_put_zeros(c, PAGE));
	virtq_push(c);
	ck_assert_uint_eq(marked_pages(), 1);
}
END_TEST

/* The used part of a split ring is logged where the front-end says, be that outside of memory. */
START_TEST(test_ring_elsewhere)
{
	const uint64_t elsewhere = (uint64_t)RIG_GUEST + RIG_SIZE + 5 * PAGE - 6;

	begin(1024, 0);
	virtq_log(r.vq, dirty, true, elsewhere);
	add_writable(0, 1);
	virtq_push(rig_pop(&r));
	/* The element is behind index and flags, and goes over the page's end. */
	ck_assert(marked(elsewhere) && marked(elsewhere + 6));
	ck_assert_uint_eq(marked_pages(), 2);
	for (unsigned int i = 1; i < 1024; i++) {
		struct driver_used used;

		ck_assert_int_eq(driver_ring_take(ring, &used), 1);
		add_writable(0, 1);
		virtq_push(rig_pop(&r));
	}
	ck_assert(marked(elsewhere + 4 + 1023 * 8 + 7));
	ck_assert(!marked((uint64_t)RIG_GUEST + RIG_USED));
	ck_assert_uint_eq(marked_pages(), 3);
}
END_TEST

/* A packed ring has three places, and is logged where each of them is. */
START_TEST(test_ring_packed)
{
	begin(1024, PACKED);
	add_writable(0, 1);
	virtq_push(rig_pop(&r));
	ck_assert_uint_eq(marked_pages(), 1);
	ck_assert(marked((uint64_t)RIG_GUEST + RIG_DESC));
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(!virtq_flush(r.vq));
	ck_assert_uint_eq(marked_pages(), 2);
	ck_assert(marked((uint64_t)RIG_GUEST + RIG_USED));
}
END_TEST

/* Asking for kicks, or for none, is a write as well. */
START_TEST(test_ring_asks)
{
	static const uint64_t features[] = {0, PACKED, PACKED | EVENT_IDX};
	const uint64_t asks = (uint64_t)RIG_GUEST + RIG_USED;

	begin(8, features[_i]);
	ck_assert_ptr_null(rig_pop(&r));
	ck_assert(!virtq_flush(r.vq));
	ck_assert(marked(asks));
	memset(bits, 0, LOG_BYTES);
	add_writable(0, 1);
	struct chain *c = rig_pop(&r);

	ck_assert(marked(asks));
	ck_assert_uint_eq(marked_pages(), 1);
	virtq_push(c);
}
END_TEST

/* What was written is marked where it was when it was taken, also when its memory is announced anew meanwhile. */
START_TEST(test_remap)
{
	const struct gmem_desc elsewhere = {
		.guest_addr = (uint64_t)RIG_GUEST + RIG_SIZE, .size = RIG_SIZE, .user_addr = RIG_USER, .fd = r.fd};
	struct gmem *other;
	struct chain *c;

	begin(8, _i ? PACKED : 0);
	virtq_log(r.vq, dirty, true, (uint64_t)RIG_GUEST + RIG_SIZE + RIG_USED);
	add_writable(0, 1);
	c = rig_pop(&r);
	ck_assert(chain_put_zeros(c, 1));
	ck_assert_int_eq(gmem_new(&gmem_shm, &other), 0);
	ck_assert_int_eq(gmem_add(other, &elsewhere), 0);
	ck_assert_int_eq(virtq_remap(r.vq, other), 0);
	gmem_free(r.mem);
	r.mem = other;
	virtq_push(c);
	ck_assert(marked(rig_addr(0)));
	ck_assert(marked((uint64_t)RIG_GUEST + RIG_SIZE + (_i ? RIG_DESC : RIG_USED)));
	ck_assert_uint_eq(marked_pages(), 2);
}
END_TEST

Suite *suite_ring_log(void)
{
	Suite *s = suite_create("ring_log");
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_random, 0, ARRAY_SIZE(kinds));
	tcase_add_loop_test(tc, test_buffers, 0, 2);
	tcase_add_loop_test(tc, test_far_behind, 0, 2);
	tcase_add_loop_test(tc, test_on_and_off, 0, 2);
	tcase_add_test(tc, test_ring_elsewhere);
	tcase_add_test(tc, test_ring_packed);
	tcase_add_loop_test(tc, test_ring_asks, 0, 3);
	tcase_add_loop_test(tc, test_remap, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}
