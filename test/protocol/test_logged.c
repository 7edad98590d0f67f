/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_logged.c - a session whose front-end has guest memory logged: QEMU docs/interop/vhost-user.rst, "Migration".
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/dirty_log.h"
#include "test/lib/carrier.h"
#include "test/lib/echo.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"
#include "transport/ring/virtq.h"

static const struct device_suite echo_suite = {
	.device = "echo",
	.class = &echo_class,
};

static struct carrier *c;
static struct frontend *fe;
static struct echo *e;

static void offer(const char *masks)
{
	char why[100];

	ck_assert_int_eq(vu_apply_feature_masks(carrier_vdev(c), masks, why, sizeof(why)), 0);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
}

static void setup(void)
{
	ck_assert_int_eq(gmem_sigbus_install(), 0);
	c = carrier_open(CARRIER_SESSION, &echo_suite);
	e = echo_of(carrier_vdev(c));
	offer("+log_all");
}

static void setup_packed(void)
{
	setup();
	offer("+ring_packed");
	ck_assert(carrier_has(c, VIRTIO_F_RING_PACKED));
}

static void teardown(void)
{
	echo_release(e, ECHO_HELD);
	carrier_close(c);
}

static void ok(int err)
{
	ck_assert_msg(err == 0, "%s", frontend_why(fe));
}

static uint64_t mem_end(void)
{
	const struct frontend_region *r = frontend_mem_region(frontend_mem(fe), 0);

	return r->guest_addr + r->size;
}

/* Pages that are marked; they are not from now on. */
static unsigned int take_marked(void)
{
	unsigned int n = 0;

	for (uint64_t guest = 0; guest < mem_end(); guest += DIRTY_LOG_PAGE)
		n += frontend_log_has(fe, guest, true);
	return n;
}

/* Where a ring's used part is, or the device's part of a packed one. */
static uint64_t used_part(unsigned int q)
{
	return frontend_queue_addr(fe, q).log;
}

/* The device holds one more chain, with room for 8 bytes. */
static struct frontend_request *hold(void)
{
	unsigned int held = e->nheld;
	struct frontend_request *req = carrier_submit(c, ECHO_HOLDQ, "12345678", 8, 8);

	for (unsigned int i = 0; e->nheld == held; i++) {
		ck_assert_uint_lt(i, 1000);
		carrier_idle(c, 1);
	}
	return req;
}

/* A request whose answer fills a page of its own, to the last byte. */
static void fill_page(uint64_t *page)
{
	struct frontend_buf buf = carrier_alloc(c, 3 * DIRTY_LOG_PAGE);
	uint64_t at = (buf.guest + DIRTY_LOG_PAGE) / DIRTY_LOG_PAGE * DIRTY_LOG_PAGE;
	const struct driver_buf bufs[] = {{at + 100, 200, false}, {at, DIRTY_LOG_PAGE, true}};

	ck_assert_uint_eq(carrier_raw(c, ECHO_ECHOQ, bufs, 2), 200);
	*page = at;
}

/* On and off, twice, while rings run; between them nothing is marked. */
START_TEST(test_on_and_off)
{
	unsigned int sets = e->feature_sets;

	carrier_sample(c);
	for (unsigned int round = 0; round < 2; round++) {
		uint64_t page = 0;

		ok(frontend_log_start(fe));
		ck_assert(frontend_features(fe) & BIT(VHOST_F_LOG_ALL));
		ck_assert_uint_eq(take_marked(), 0);
		carrier_sample(c);
		ck_assert(frontend_log_has(fe, used_part(ECHO_ECHOQ), false));
		ck_assert_uint_ge(take_marked(), 1);
		fill_page(&page);
		ck_assert(frontend_log_has(fe, page, false));
		ok(frontend_log_stop(fe));
		take_marked();
		carrier_sample(c);
		ck_assert_uint_eq(take_marked(), 0);
	}
	/* The device learns nothing of it. */
	ck_assert(!(e->d.features & BIT(VHOST_F_LOG_ALL)));
	ck_assert_uint_eq(e->feature_sets, sets);
}
END_TEST

/* No other feature changes with it while rings run; when none does, LOG_ALL may be there from the start. */
START_TEST(test_features)
{
	const uint64_t features = frontend_features(fe);

	ck_assert_int_eq(frontend_set_features(fe, features ^ (BIT(VHOST_F_LOG_ALL) | BIT(VIRTIO_F_EVENT_IDX))),
			 -EREMOTEIO);
	ck_assert_int_eq(frontend_set_features(fe, features & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES)), -EREMOTEIO);
	ok(frontend_set_features(fe, features | BIT(VHOST_F_LOG_ALL)));
	carrier_sample(c);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	ok(frontend_set_features(fe, features | BIT(VHOST_F_LOG_ALL)));
	ck_assert_uint_eq(e->d.features, features & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES));
	ok(frontend_log_start(fe));
	carrier_renew(c, ECHO_ECHOQ);
	carrier_sample(c);
	ck_assert(frontend_log_has(fe, used_part(ECHO_ECHOQ), false));
}
END_TEST

/* Buffers and the used part, which is logged where the front-end says, are switched apart. */
START_TEST(test_ring_flag)
{
	const uint64_t elsewhere = 5 * DIRTY_LOG_PAGE;
	struct vu_vring_addr addr;

	ok(frontend_log_start(fe));
	addr = frontend_queue_addr(fe, ECHO_ECHOQ);
	ck_assert_uint_eq(addr.flags, VU_VRING_LOG);
	addr.log = elsewhere;
	addr.flags = 0;
	ok(frontend_vring_addr(fe, &addr));
	carrier_sample(c);
	ck_assert(!frontend_log_has(fe, elsewhere, false));
	ck_assert_uint_eq(take_marked(), 1);
	/* Other addresses are refused as ever, and change nothing. */
	addr.flags = VU_VRING_LOG;
	addr.desc += 16;
	ck_assert_int_eq(frontend_vring_addr(fe, &addr), -EREMOTEIO);
	addr.desc -= 16;
	carrier_sample(c);
	ck_assert_uint_eq(take_marked(), 1);
	ok(frontend_vring_addr(fe, &addr));
	carrier_sample(c);
	ck_assert(frontend_log_has(fe, elsewhere, false));
	ck_assert_uint_eq(take_marked(), 2);
}
END_TEST

/* A chain that was taken before the log began, and is given back after. */
START_TEST(test_held_before)
{
	struct frontend_request *req = hold();

	ok(frontend_log_start(fe));
	ck_assert_uint_eq(take_marked(), 0);
	echo_release(e, 1);
	carrier_await(c, ECHO_HOLDQ, req, NULL);
	ck_assert(frontend_log_has(fe, used_part(ECHO_HOLDQ), false));
	ck_assert_uint_ge(take_marked(), 1);
}
END_TEST

/* All is marked when GET_VRING_BASE is answered, whatever the device does with its chains; nothing is afterwards. */
START_TEST(test_stop)
{
	static const enum echo_quiesce ways[] = {ECHO_PUSH, ECHO_LATER, ECHO_REQUEUE};

	ok(frontend_log_start(fe));
	hold();
	/* What the turn that took it marks at its end, too. */
	ok(frontend_sync(fe));
	take_marked();
	e->quiesce = ways[_i];
	carrier_stop(c, ECHO_HOLDQ);
	ck_assert_uint_eq(take_marked() > 0, ways[_i] != ECHO_REQUEUE);
	carrier_idle(c, 5);
	ck_assert_uint_eq(take_marked(), 0);
}
END_TEST

START_TEST(test_log_fd)
{
	struct vu_msg msg = frontend_msg(VU_SET_LOG_FD, 0);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	eventfd_t count;

	msg.fds[msg.nfds++] = fd;
	ok(frontend_tell(fe, &msg));
	carrier_sample(c);
	ck_assert_int_eq(eventfd_read(fd, &count), -1);
	ok(frontend_log_start(fe));
	carrier_sample(c);
	ok(frontend_sync(fe));
	ck_assert_int_eq(eventfd_read(fd, &count), 0);
	carrier_idle(c, 2);
	eventfd_read(fd, &count);
	carrier_idle(c, 2);
	ck_assert_int_eq(eventfd_read(fd, &count), -1);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	carrier_sample(c);
	ck_assert_int_eq(eventfd_read(fd, &count), -1);
	close(fd);
}
END_TEST

/* Another log takes the place of the first, which is left alone from then on. */
START_TEST(test_replaced)
{
	const uint64_t size = mem_end() / DIRTY_LOG_PAGE / 8;
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t *bits;

	ck_assert_int_eq(ftruncate(fd, (off_t)(2 * size)), 0);
	bits = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(bits, MAP_FAILED);
	ok(frontend_log_start(fe));
	ok(frontend_set_log(fe, fd, size, size));
	take_marked();
	carrier_sample(c);
	ck_assert_uint_eq(take_marked(), 0);
	ck_assert(bits[size + used_part(ECHO_ECHOQ) / DIRTY_LOG_PAGE / 8]);
	for (uint64_t i = 0; i < size; i++)
		ck_assert_uint_eq(bits[i], 0);
	/* One that is refused changes nothing. */
	memset(bits, 0, 2 * size);
	ck_assert_int_eq(frontend_set_log(fe, fd, size, 3 * size), -EREMOTEIO);
	carrier_sample(c);
	ck_assert(bits[size + used_part(ECHO_ECHOQ) / DIRTY_LOG_PAGE / 8]);
	munmap(bits, 2 * size);
	close(fd);
}
END_TEST

/* A log too short is told of, in few lines, and nothing is written behind it. */
START_TEST(test_short)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t bytes[4096] = {0}, zeros[4096] = {0};
	struct capture cap;
	const char *text;

	ck_assert_int_eq(ftruncate(fd, sizeof(bytes)), 0);
	capture_start(&cap);
	ok(frontend_set_log(fe, fd, 16, 0));
	ok(frontend_set_features(fe, frontend_features(fe) | BIT(VHOST_F_LOG_ALL)));
	for (unsigned int i = 0; i < 50; i++)
		carrier_sample(c);
	text = capture_end(&cap);
	ck_assert_ptr_nonnull(strstr(text, "the log is too short for the page at guest address 0x400"));
	unsigned int lines = 0;

	for (; (text = strchr(text, '\n')); text++)
		lines++;
	ck_assert_uint_le(lines, 12);
	ck_assert_int_eq(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	ck_assert_mem_eq(bytes, zeros, sizeof(bytes));
	close(fd);
}
END_TEST

/* Its file is cut short: the connection ends, the next one is served. */
START_TEST(test_cut_short)
{
	const uint64_t size = mem_end() / DIRTY_LOG_PAGE / 8;
	int fd = memfd_create("log", MFD_CLOEXEC);
	struct frontend_request *req;

	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ok(frontend_log_start(fe));
	ok(frontend_set_log(fe, fd, size, 0));
	carrier_sample(c);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	struct frontend_request_opts poll = {.poll = true};

	ok(frontend_submit(fe, ECHO_ECHOQ, "x", 1, 1, &poll, &req));
	ok(frontend_wait_closed(fe));
	close(fd);
	carrier_reconnect(c);
	carrier_sample(c);
}
END_TEST

/* Nothing of it outlives its connection. */
START_TEST(test_next_front_end)
{
	const uint64_t size = mem_end() / DIRTY_LOG_PAGE / 8;
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t *bits;

	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	bits = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(bits, MAP_FAILED);
	ok(frontend_log_start(fe));
	ok(frontend_set_log(fe, fd, size, 0));
	carrier_sample(c);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	memset(bits, 0, size);
	ok(frontend_set_features(fe, frontend_features(fe) | BIT(VHOST_F_LOG_ALL)));
	carrier_sample(c);
	for (uint64_t i = 0; i < size; i++)
		ck_assert_uint_eq(bits[i], 0);
	munmap(bits, size);
	close(fd);
}
END_TEST

/* The answer comes unasked, too; without LOG_SHMFD a log is refused. */
START_TEST(test_answer)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	frontend_use_acks(fe, false);
	ok(frontend_set_log(fe, fd, 4096, 0));
	ok(frontend_sync(fe));
	frontend_use_acks(fe, true);
	ok(frontend_set_protocol_features(fe, frontend_protocol_features(fe) & ~BIT(VU_PF_LOG_SHMFD)));
	ck_assert_int_eq(frontend_set_log(fe, fd, 4096, 0), -EREMOTEIO);
	carrier_sample(c);
	close(fd);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_on_and_off);
	tcase_add_test(tc, test_features);
	tcase_add_test(tc, test_held_before);
	tcase_add_loop_test(tc, test_stop, 0, 3);
	tcase_add_test(tc, test_log_fd);
	tcase_add_test(tc, test_replaced);
	tcase_add_test(tc, test_short);
	tcase_add_test(tc, test_cut_short);
	tcase_add_test(tc, test_next_front_end);
	tcase_add_test(tc, test_answer);
}

Suite *suite_logged(void)
{
	Suite *s = suite_create("logged");
	TCase *tc = tcase_create("split"), *packed = tcase_create("packed");

	tcase_add_checked_fixture(tc, setup, teardown);
	add_tests(tc);
	tcase_add_test(tc, test_ring_flag);
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(packed, setup_packed, teardown);
	add_tests(packed);
	suite_add_tcase(s, packed);
	return s;
}
