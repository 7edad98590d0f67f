/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_iotlb.c - sessions behind an IOMMU, message by message: QEMU docs/interop/vhost-user.rst, "IOMMU support".  That every device
 * works there is shown by the settings "iommu" of the device suites.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "mem/iotlb.h"
#include "test/lib/carrier.h"
#include "test/lib/echo.h"
#include "test/unit/suites.h"
#include "transport/ring/virtq.h"
#include "transport/vhost_user/vu_session.h"

#define PAGE	 4096u
#define MEM_SIZE 0x100000u
#define GUEST	 0x40000000u
#define OFFSET	 0x7000000000u
#define RW	 (IOTLB_READ | IOTLB_WRITE)

static const struct device_suite echo_suite = {
	.device = "echo",
	.class = &echo_class,
};

static struct carrier *c;
static struct frontend *fe;
static struct echo *e;

static void ok(int err)
{
	ck_assert_msg(err == 0, "%s", frontend_why(fe));
}

/* A front-end without rings; features and protocol features besides those that are needed. */
static void begin(uint64_t features, uint64_t protocol)
{
	const struct frontend_region r = {.guest_addr = GUEST, .size = MEM_SIZE};

	fe = carrier_dial(c);
	ok(frontend_negotiate(fe, BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VIRTIO_F_VERSION_1) | features,
			      BIT(VU_PF_BACKEND_REQ) | protocol));
	ck_assert(!(features & ~frontend_features(fe)));
	ok(frontend_make_mem(fe, &frontend_mem_memfd, &r, 1));
	ok(frontend_open_back_channel(fe));
	ok(frontend_set_mem_table(fe));
}

static void setup(void)
{
	char why[64];

	ck_assert_int_eq(gmem_sigbus_install(), 0);
	signal(SIGPIPE, SIG_IGN);
	c = carrier_open(CARRIER_SESSION, &echo_suite);
	e = echo_of(carrier_vdev(c));
	ck_assert_int_eq(vu_apply_feature_masks(&e->d, "+access_platform,+ring_packed", why, sizeof(why)), 0);
	carrier_leave(c);
}

static void teardown(void)
{
	echo_release(e, ECHO_HELD);
	frontend_free(fe);
	carrier_settle(c);
	carrier_arrive(c);
	carrier_close(c);
}

static uint64_t user_of(uint64_t guest)
{
	return frontend_mem_region(frontend_mem(fe), 0)->user_addr + (guest - GUEST);
}

/* Translates [guest, guest + size), which the device sees at the offset. */
static int update(uint64_t guest, uint64_t size, unsigned int perm)
{
	const struct vu_iotlb m = {.iova = guest + OFFSET,
				   .size = size,
				   .user_addr = user_of(guest),
				   .perm = (uint8_t)perm,
				   .type = VU_IOTLB_UPDATE};

	return frontend_iotlb(fe, &m);
}

static int invalidate(uint64_t iova, uint64_t size)
{
	return frontend_iotlb(fe, &(struct vu_iotlb){.iova = iova, .size = size, .type = VU_IOTLB_INVALIDATE});
}

/* An IOMMU that answers nothing by itself. */
static void quiet(void)
{
	frontend_set_iommu(fe, &(struct frontend_iommu){.offset = OFFSET});
}

static int find_anywhere(void *arg, uint64_t guest, uint64_t *user, uint64_t *left)
{
	if (guest - GUEST >= MEM_SIZE)
		return -EFAULT;
	*user = user_of(guest);
	*left = MEM_SIZE - (guest - GUEST);
	return 0;
}

/* One that answers all. */
static void answering(uint64_t granule)
{
	frontend_set_iommu(fe, &(struct frontend_iommu){OFFSET, granule, find_anywhere, NULL});
}

static void start(unsigned int q, unsigned int num)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(num);

	ok(frontend_queue_start(fe, q, &opts));
}

/* Waits until there were so many misses; the last was of this guest address and permission. */
static void missed(unsigned int count, uint64_t guest, unsigned int perm)
{
	struct vu_iotlb last;

	for (unsigned int ms = 0; frontend_iotlb_misses(fe, &last) < count; ms++) {
		ck_assert_msg(ms < 5000, "%u misses of %u", frontend_iotlb_misses(fe, NULL), count);
		ok(frontend_idle(fe, 1));
	}
	ck_assert_uint_eq(frontend_iotlb_misses(fe, &last), count);
	ck_assert_uint_eq(last.iova, guest + OFFSET);
	ck_assert_uint_eq(last.perm, perm);
}

static void failed(unsigned int count, uint64_t guest)
{
	struct vu_iotlb last;

	for (unsigned int ms = 0; frontend_iotlb_failures(fe, &last) < count; ms++) {
		ck_assert_uint_lt(ms, 5000);
		ok(frontend_idle(fe, 1));
	}
	ck_assert_uint_eq(last.iova, guest + OFFSET);
	ck_assert_uint_eq(last.type, VU_IOTLB_ACCESS_FAIL);
}

static void assert_echo(unsigned int q)
{
	char in[5] = "";

	ok(frontend_request(fe, q, "hallo", 5, in, 5, NULL, NULL));
	ck_assert_mem_eq(in, "hallo", 5);
}

/* What is needed is asked for when it is, and once. */
START_TEST(test_misses)
{
	unsigned int n;

	begin(BIT(VIRTIO_F_ACCESS_PLATFORM), BIT(VU_PF_REPLY_ACK));
	answering(64);
	start(ECHO_ECHOQ, 16);
	n = frontend_iotlb_misses(fe, NULL);
	assert_echo(ECHO_ECHOQ);
	ck_assert_uint_gt(frontend_iotlb_misses(fe, NULL), n);
	n = frontend_iotlb_misses(fe, NULL);
	assert_echo(ECHO_ECHOQ);
	ck_assert_uint_eq(frontend_iotlb_misses(fe, NULL), n);
	/* Until it is void, or the memory is another. */
	ok(invalidate(0, 0));
	assert_echo(ECHO_ECHOQ);
	ck_assert_uint_gt(frontend_iotlb_misses(fe, NULL), n);
	n = frontend_iotlb_misses(fe, NULL);
	ok(frontend_set_mem_table(fe));
	assert_echo(ECHO_ECHOQ);
	ck_assert_uint_gt(frontend_iotlb_misses(fe, NULL), n);
	ck_assert_uint_eq(frontend_iotlb_failures(fe, NULL), 0);
}
END_TEST

/* Rings start when their parts are there, whatever the front-end was told. */
START_TEST(test_ring_waits)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(16);
	struct frontend_buf gap;
	struct vu_vring_addr a;
	uint64_t desc;
	uint32_t base;

	begin(BIT(VIRTIO_F_ACCESS_PLATFORM) | (_i ? BIT(VIRTIO_F_RING_PACKED) : 0), BIT(VU_PF_REPLY_ACK));
	ok(frontend_mem_alloc(frontend_mem(fe), FRONTEND_MEM_ANY, PAGE, PAGE, &gap));
	answering(PAGE);
	frontend_set_iommu(fe, &(struct frontend_iommu){.offset = OFFSET, .granule = PAGE, .find = find_anywhere});
	ok(frontend_queue_make(fe, ECHO_ECHOQ, &opts));
	a = frontend_queue_addr(fe, ECHO_ECHOQ);
	desc = a.desc - OFFSET;
	frontend_set_iommu(fe, &(struct frontend_iommu){.offset = OFFSET});
	ok(frontend_vring_state(fe, VU_SET_VRING_NUM, ECHO_ECHOQ, 16));
	ok(frontend_vring_state(fe, VU_SET_VRING_BASE, ECHO_ECHOQ, driver_ring_base(frontend_ring(fe, ECHO_ECHOQ))));
	ok(frontend_vring_addr(fe, &a));
	ok(frontend_vring_fd(fe, VU_SET_VRING_CALL, ECHO_ECHOQ, frontend_queue_fd(fe, ECHO_ECHOQ, FRONTEND_FD_CALL)));
	ok(frontend_vring_fd(fe, VU_SET_VRING_KICK, ECHO_ECHOQ, frontend_queue_fd(fe, ECHO_ECHOQ, FRONTEND_FD_KICK)));
	ok(frontend_vring_state(fe, VU_SET_VRING_ENABLE, ECHO_ECHOQ, 1));
	missed(1, desc, _i ? RW : IOTLB_READ);
	/* To the front-end it is started. */
	ck_assert_int_eq(frontend_vring_state(fe, VU_SET_VRING_NUM, ECHO_ECHOQ, 32), -EREMOTEIO);
	ck_assert_int_eq(frontend_set_features(fe, BIT(VIRTIO_F_VERSION_1)), -EREMOTEIO);
	ok(frontend_queue_stop(fe, ECHO_ECHOQ, &base));
	ck_assert_uint_eq(base, driver_ring_base(frontend_ring(fe, ECHO_ECHOQ)));
	ok(frontend_vring_fd(fe, VU_SET_VRING_KICK, ECHO_ECHOQ, frontend_queue_fd(fe, ECHO_ECHOQ, FRONTEND_FD_KICK)));
	missed(2, desc, _i ? RW : IOTLB_READ);
	/* Another's translation does not help, this one does. */
	ok(update(GUEST + 16 * PAGE, PAGE, RW));
	missed(2, desc, _i ? RW : IOTLB_READ);
	answering(PAGE);
	ok(update(GUEST, MEM_SIZE, RW));
	assert_echo(ECHO_ECHOQ);
	missed(2, desc, _i ? RW : IOTLB_READ);
}
END_TEST

/* Permissions: of a buffer to be read, of one to be written. */
START_TEST(test_permissions)
{
	static const struct {
		unsigned int readable, writable; /* permissions of the two buffers' pages */
		bool good;
	} rows[] = {{IOTLB_READ, IOTLB_WRITE, true},
		    {RW, RW, true},
		    {IOTLB_WRITE, IOTLB_WRITE, false},
		    {IOTLB_READ, IOTLB_READ, false},
		    {0, RW, false}};
	struct frontend_buf out, in;
	struct driver_used used;

	begin(BIT(VIRTIO_F_ACCESS_PLATFORM), BIT(VU_PF_REPLY_ACK));
	quiet();
	ok(frontend_mem_alloc(frontend_mem(fe), FRONTEND_MEM_ANY, PAGE, PAGE, &out));
	ok(frontend_mem_alloc(frontend_mem(fe), FRONTEND_MEM_ANY, PAGE, PAGE, &in));
	answering(PAGE);
	start(ECHO_ECHOQ, 16);
	quiet();
	ok(update(out.guest + 2 * PAGE, MEM_SIZE - 2 * PAGE, RW)); /* rings */
	const struct driver_buf bufs[] = {{out.guest + OFFSET, 4, false}, {in.guest + OFFSET, 4, true}};

	memcpy(out.va, "ping", 4);
	if (rows[_i].readable)
		ok(update(out.guest, PAGE, rows[_i].readable));
	ok(update(in.guest, PAGE, rows[_i].writable));
	ck_assert_int_eq(driver_ring_add(frontend_ring(fe, ECHO_ECHOQ), bufs, 2, NULL, NULL), 0);
	driver_ring_publish(frontend_ring(fe, ECHO_ECHOQ));
	ok(frontend_kick(fe, ECHO_ECHOQ));
	ok(frontend_idle(fe, 5));
	if (rows[_i].good) {
		ck_assert_int_eq(driver_ring_take(frontend_ring(fe, ECHO_ECHOQ), &used), 1);
		ck_assert_mem_eq(in.va, "ping", 4);
		return;
	}
	ck_assert(!driver_ring_has_used(frontend_ring(fe, ECHO_ECHOQ)));
	ck_assert_uint_eq(frontend_iotlb_failures(fe, NULL), 0);
	/* The answer gives no more: it is not waited for another. */
	if (rows[_i].readable != IOTLB_READ) {
		ok(update(out.guest, PAGE, rows[_i].readable));
		failed(1, out.guest);
	} else {
		ok(update(in.guest, PAGE, rows[_i].writable));
		failed(1, in.guest);
	}
	ok(frontend_wait_err(fe, ECHO_ECHOQ));
}
END_TEST

/* Nothing is answered, and that is not waited for long: on a busy machine an answer itself may take longer. */
static void impatient(bool yes)
{
	static double usual;

	if (yes) {
		usual = carrier_backend(c)->iotlb_patience;
		quiet();
	}
	carrier_backend(c)->iotlb_patience = yes ? 0.02 : usual;
}

/* No answer at all: the ring is broken, in time; another one goes on. */
START_TEST(test_patience)
{
	const struct driver_buf nowhere = {0x1000, 8, true};
	struct frontend_request *req;
	uint32_t base;

	begin(BIT(VIRTIO_F_ACCESS_PLATFORM), BIT(VU_PF_REPLY_ACK));
	answering(PAGE);
	start(ECHO_ECHOQ, 16);
	start(ECHO_HOLDQ, 16);
	assert_echo(ECHO_ECHOQ);
	impatient(true);
	ck_assert_int_eq(driver_ring_add(frontend_ring(fe, ECHO_HOLDQ), &nowhere, 1, NULL, NULL), 0);
	driver_ring_publish(frontend_ring(fe, ECHO_HOLDQ));
	ok(frontend_kick(fe, ECHO_HOLDQ));
	ok(frontend_wait_err(fe, ECHO_HOLDQ));
	impatient(false);
	failed(1, 0x1000 - OFFSET);
	answering(PAGE);
	assert_echo(ECHO_ECHOQ);
	/* So is one whose parts are not found; it can be started again. */
	ok(frontend_queue_stop(fe, ECHO_HOLDQ, &base));
	impatient(true);
	start(ECHO_HOLDQ, 16);
	ok(frontend_wait_err(fe, ECHO_HOLDQ));
	impatient(false);
	answering(PAGE);
	start(ECHO_HOLDQ, 16);
	assert_echo(ECHO_ECHOQ);
	ok(frontend_submit(fe, ECHO_HOLDQ, "12345678", 8, 8, NULL, &req));
	while (!e->nheld)
		ok(frontend_idle(fe, 1));
	echo_release(e, 1);
	ok(frontend_await(fe, ECHO_HOLDQ, req, NULL, NULL));
}
END_TEST

/* The ring's pages are taken away while the device holds a chain, and while it answers. */
START_TEST(test_invalidated)
{
	struct frontend_request *req[2];
	char in[8] = "";

	begin(BIT(VIRTIO_F_ACCESS_PLATFORM) | (_i ? BIT(VIRTIO_F_RING_PACKED) : 0), BIT(VU_PF_REPLY_ACK));
	answering(PAGE);
	start(ECHO_HOLDQ, 16);
	for (unsigned int i = 0; i < 2; i++)
		ok(frontend_submit(fe, ECHO_HOLDQ, "12345678", 8, 8, NULL, &req[i]));
	while (e->nheld < 2)
		ok(frontend_idle(fe, 1));
	quiet();
	ok(invalidate(GUEST + OFFSET, MEM_SIZE));
	/* What the device holds it may still use, but nobody hears of it. */
	echo_release(e, 1);
	ok(frontend_idle(fe, 5));
	ck_assert(!driver_ring_has_used(frontend_ring(fe, ECHO_HOLDQ)));
	answering(PAGE);
	ok(update(GUEST, MEM_SIZE, RW));
	ok(frontend_await(fe, ECHO_HOLDQ, req[0], in, NULL));
	ck_assert_mem_eq(in, "12345678", 8);
	echo_release(e, 1);
	ok(frontend_await(fe, ECHO_HOLDQ, req[1], in, NULL));
}
END_TEST

/* What cannot be an IOTLB message for here. */
START_TEST(test_refused)
{
	const struct vu_iotlb bad[] = {
		{.iova = 0, .size = 0, .user_addr = 0, .perm = RW, .type = VU_IOTLB_UPDATE},
		{.iova = 0, .size = PAGE, .user_addr = 0x1000, .perm = RW, .type = VU_IOTLB_UPDATE},
		{.iova = UINT64_MAX, .size = PAGE, .user_addr = 0, .perm = RW, .type = VU_IOTLB_UPDATE},
		{.iova = 0, .size = PAGE, .perm = 4, .type = VU_IOTLB_UPDATE},
		{.iova = PAGE, .size = 0, .type = VU_IOTLB_INVALIDATE},
		{.iova = UINT64_MAX - 1, .size = PAGE, .type = VU_IOTLB_INVALIDATE},
		{.iova = 0, .size = PAGE, .type = VU_IOTLB_MISS},
		{.iova = 0, .size = PAGE, .type = VU_IOTLB_ACCESS_FAIL},
		{.iova = 0, .size = PAGE, .type = 9},
	};

	/* Also where acknowledgements were not accepted, it is answered. */
	begin(BIT(VIRTIO_F_ACCESS_PLATFORM), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vu_iotlb m = bad[i];

		if (i == 3)
			m.user_addr = user_of(GUEST);
		ck_assert_msg(frontend_iotlb(fe, &m) == -EREMOTEIO, "row %zu", i);
	}
	ok(update(GUEST, MEM_SIZE, RW));
	ck_assert_int_eq(update(GUEST, MEM_SIZE + 1, RW), -EREMOTEIO);
	ok(invalidate(0, UINT64_MAX));
	ok(invalidate(0, 0));
	/* Not accepted: there is nothing to translate. */
	ok(frontend_set_features(fe, BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VIRTIO_F_VERSION_1)));
	ck_assert_int_eq(update(GUEST, MEM_SIZE, RW), -EREMOTEIO);
}
END_TEST

/* A chain of more pages than the table has room for is no chain to wait for; nor is a ping-pong. */
START_TEST(test_too_many)
{
	struct driver_buf bufs[2];
	struct frontend_buf page;
	int err = -ETIMEDOUT;

	begin(BIT(VIRTIO_F_ACCESS_PLATFORM), BIT(VU_PF_REPLY_ACK));
	answering(PAGE);
	start(ECHO_ECHOQ, 16);
	assert_echo(ECHO_ECHOQ);
	ok(frontend_mem_alloc(frontend_mem(fe), FRONTEND_MEM_ANY, 2 * IOTLB_MAX + 64, PAGE, &page));
	/* Byte by byte. */
	answering(1);
	bufs[0] = (struct driver_buf){page.guest + OFFSET, 2 * IOTLB_MAX + 32, true};
	ck_assert_int_eq(driver_ring_add(frontend_ring(fe, ECHO_ECHOQ), bufs, 1, NULL, NULL), 0);
	driver_ring_publish(frontend_ring(fe, ECHO_ECHOQ));
	ok(invalidate(page.guest + OFFSET, 2 * IOTLB_MAX + 64));
	ok(frontend_kick(fe, ECHO_ECHOQ));
	/* Thousands of messages: under valgrind they take a while. */
	for (unsigned int i = 0; err && i < 10; i++)
		err = frontend_wait_err(fe, ECHO_ECHOQ);
	ok(err);
	ck_assert_uint_le(frontend_iotlb_misses(fe, NULL), 2 * IOTLB_MAX + 64);
}
END_TEST

Suite *suite_iotlb(void)
{
	Suite *s = suite_create("iotlb");
	TCase *tc = tcase_create("iotlb");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_misses);
	tcase_add_loop_test(tc, test_ring_waits, 0, 2);
	tcase_add_loop_test(tc, test_permissions, 0, 5);
	tcase_add_test(tc, test_patience);
	tcase_add_loop_test(tc, test_invalidated, 0, 2);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_too_many);
	suite_add_tcase(s, tc);
	return s;
}
