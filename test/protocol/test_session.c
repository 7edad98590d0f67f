/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_session.c - what a vhost-user session does over its life: rings that start, stop, break and resume; resets;
 * notifications that change their way; memory that comes and goes; the back channel.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/lib/echo.h"
#include "test/unit/suites.h"
#include "transport/ring/virtq.h"

static const struct device_suite echo_suite = {
	.device = "echo",
	.class = &echo_class,
};

static const struct device_suite rng_suite = {
	.device = "rng",
};

static struct carrier *c;
static struct frontend *fe;
static struct echo *e;

static void setup(void)
{
	ck_assert_int_eq(gmem_sigbus_install(), 0);
	signal(SIGPIPE, SIG_IGN);
	c = carrier_open(CARRIER_SESSION, &echo_suite);
	fe = carrier_frontend(c);
	e = echo_of(carrier_vdev(c));
}

static void teardown(void)
{
	ck_assert(!e->twice_started);
	echo_release(e, ECHO_HELD);
	carrier_close(c);
}

static void ok(int err)
{
	ck_assert_msg(err == 0, "%s", frontend_why(fe));
}

/* A request whose answer must be its own bytes. */
static void assert_echo(void)
{
	char in[5] = "";

	ck_assert_uint_eq(carrier_request(c, ECHO_ECHOQ, "hallo", 5, in, 5), 5);
	ck_assert_mem_eq(in, "hallo", 5);
}

/* The device holds one more chain, of this request. */
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

static void break_ring(unsigned int q)
{
	driver_ring_publish_raw(frontend_ring(fe, q), UINT16_MAX);
	ok(frontend_kick(fe, q));
	ok(frontend_wait_err(fe, q));
}

static uint64_t status(void)
{
	uint64_t value;

	ok(frontend_ask_u64(fe, VU_GET_STATUS, &value));
	return value;
}

/*
 * What the device offers and tells.
 */

START_TEST(test_basics)
{
	uint64_t value;

	ok(frontend_ask_u64(fe, VU_GET_QUEUE_NUM, &value));
	ck_assert_uint_eq(value, ECHO_QUEUES);
	ok(frontend_ask_u64(fe, VU_GET_MAX_MEM_SLOTS, &value));
	ck_assert_uint_eq(value, GMEM_MAX_REGIONS);
	ok(frontend_ask_u64(fe, VU_GET_FEATURES, &value));
	ck_assert_uint_eq(value, BIT(3) | BIT(28) | BIT(29) | BIT(30) | BIT(32));
	ck_assert_uint_eq(frontend_features(fe), value);
	ck_assert_uint_eq(e->d.features, value & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES));
	ck_assert_uint_eq(status(), 0);
	ok(frontend_tell_u64(fe, VU_SET_STATUS, 0xf));
	ck_assert_uint_eq(status(), 0xf);
	ck_assert_int_eq(vu_backend_serve(carrier_backend(c), 0), -EBUSY);
	assert_echo();
}
END_TEST

/* A guest that comes from another back end may have it: it means nothing. */
/* What a front-end sees is the instance's, which had its say when the options were known. */
static int narrow_check(struct vdev *d)
{
	static const struct vdev_queue_desc small[] = {{.name = "smallq", .size = 16, .max = 32}};

	d->face.features = BIT(7);
	d->face.queues = small;
	d->face.nqueues = 1;
	d->face.config_size = ECHO_CONFIG_RW - 1;
	d->face.nshmem = 0;
	return 0;
}

START_TEST(test_instance_face)
{
	static struct vdev_class narrow;
	static const struct device_suite suite = {.device = "echo", .class = &narrow};
	uint8_t config[ECHO_CONFIG_SIZE];
	uint64_t value;
	char in[2];

	narrow = echo_class;
	narrow.check = narrow_check;
	carrier_close(c);
	c = carrier_open(CARRIER_SESSION, &suite);
	fe = carrier_frontend(c);
	e = echo_of(carrier_vdev(c));
	ok(frontend_ask_u64(fe, VU_GET_QUEUE_NUM, &value));
	ck_assert_uint_eq(value, 1);
	ok(frontend_ask_u64(fe, VU_GET_FEATURES, &value));
	ck_assert_uint_eq(value, BIT(7) | BIT(28) | BIT(29) | BIT(30) | BIT(32));
	ok(frontend_ask_u64(fe, VU_GET_PROTOCOL_FEATURES, &value));
	ck_assert(!(value & BIT(VU_PF_SHMEM)));
	ck_assert_int_ne(frontend_vring_state(fe, VU_SET_VRING_NUM, 1, 16), 0);
	ck_assert_int_ne(frontend_vring_state(fe, VU_SET_VRING_NUM, 0, 64), 0);
	ok(frontend_set_config(fe, 0, "abc", ECHO_CONFIG_RW - 1, 0));
	ck_assert_int_ne(frontend_set_config(fe, 0, "abcd", ECHO_CONFIG_RW, 0), 0);
	ok(frontend_get_config(fe, 0, config, sizeof(config)));
	ck_assert_mem_eq(config, "abc\0\0\0\0\0\0\0\0\0", sizeof(config));
	ck_assert_uint_eq(carrier_request(c, 0, "ok", 2, in, 2), 2);
	ck_assert_mem_eq(in, "ok", 2);
	ck_assert_uint_eq(narrow.face.nqueues, ECHO_QUEUES);
}
END_TEST

/* The number of requests in the histogram that took at least so many nanoseconds. */
static uint64_t slower_than(const struct vdev_queue_stats *s, unsigned int log2_ns)
{
	uint64_t n = 0;

	for (unsigned int i = log2_ns; i < VDEV_LATENCY_BUCKETS; i++)
		n += s->latency[i];
	return n;
}

/* The rings count for the operator: requests, bytes, what is in flight, what broke, how long it took. */
START_TEST(test_queue_stats)
{
	struct frontend_request *req;
	struct vdev_queue_stats s;

	virtq_time(vdev_queue(&e->d, ECHO_ECHOQ), true);
	virtq_time(vdev_queue(&e->d, ECHO_HOLDQ), true);
	ck_assert(vdev_queue_stats(&e->d, ECHO_ECHOQ, &s));
	ck_assert(s.running && !s.broken);
	ck_assert_uint_eq(s.requests, 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_echo();
	ck_assert_uint_eq(carrier_request(c, ECHO_ECHOQ, "lang", 4, (char[2]){0}, 2), 2);
	vdev_queue_stats(&e->d, ECHO_ECHOQ, &s);
	ck_assert_uint_eq(s.requests, 4);
	ck_assert_uint_eq(s.read, 3 * 5 + 2);
	ck_assert_uint_eq(s.written, 3 * 5 + 2);
	ck_assert_uint_eq(s.in_flight, 0);
	ck_assert_uint_eq(s.errors, 0);
	ck_assert_uint_eq(slower_than(&s, 0), 4);

	req = hold();
	vdev_queue_stats(&e->d, ECHO_HOLDQ, &s);
	ck_assert_uint_eq(s.requests, 0);
	ck_assert_uint_eq(s.in_flight, 1);
	usleep(3000);
	echo_release(e, 1);
	carrier_await(c, ECHO_HOLDQ, req, NULL);
	vdev_queue_stats(&e->d, ECHO_HOLDQ, &s);
	ck_assert_uint_eq(s.requests, 1);
	ck_assert_uint_eq(s.read, 8);
	ck_assert_uint_eq(slower_than(&s, 21), 1); /* 2.1 ms */
	ck_assert_uint_eq(slower_than(&s, 0), 1);

	break_ring(ECHO_ECHOQ);
	vdev_queue_stats(&e->d, ECHO_ECHOQ, &s);
	ck_assert(s.broken && !s.running);
	ck_assert_uint_eq(s.errors, 1);
	ck_assert_uint_eq(s.requests, 4);
}
END_TEST

START_TEST(test_notify_on_empty)
{
	uint64_t features = frontend_features(fe);

	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	ok(frontend_set_features(fe, features | BIT(VIRTIO_F_NOTIFY_ON_EMPTY)));
	carrier_renew(c, ECHO_ECHOQ);
	assert_echo();
}
END_TEST

START_TEST(test_config)
{
	uint8_t bytes[4];

	ok(frontend_set_config(fe, 1, "abc", 3, 0));
	ok(frontend_get_config(fe, 0, bytes, 4));
	ck_assert_mem_eq(bytes, "\0abc", 4);
	ck_assert_int_eq(frontend_set_config(fe, 2, "xyz", 3, 0), -EREMOTEIO);
	ok(frontend_get_config(fe, 0, bytes, 4));
	ck_assert_mem_eq(bytes, "\0abc", 4);
	/* Where nobody asked, a refusal is only logged: the guest can cause it. */
	frontend_use_acks(fe, false);
	ok(frontend_set_config(fe, ECHO_CONFIG_RW, "x", 1, 0));
	assert_echo();
	frontend_use_acks(fe, true);
	/* The next front-end's driver finds what no driver has written. */
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	ok(frontend_get_config(fe, 0, bytes, 4));
	ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
}
END_TEST

/* No read that begins inside the space is an error, however long, with the bytes of a place for the answer or none. */
START_TEST(test_config_reads)
{
	const uint32_t size = (uint32_t)carrier_class(c)->face.config_size;
	uint8_t space[VU_MAX_CONFIG_SIZE] = {0};

	ok(frontend_get_config(fe, 0, space, size));
	for (uint32_t off = 0; off < size; off++) {
		for (uint32_t len = 1; len <= VU_MAX_CONFIG_SIZE - off; len += len < 9 ? 1 : 13) {
			struct vu_msg msg = frontend_msg(VU_GET_CONFIG, (uint32_t)VU_CONFIG_HEAD + (len & 1 ? len : 0)), answer;

			msg.p.config.offset = off;
			msg.p.config.size = len;
			ok(frontend_ask(fe, &msg, &answer));
			ck_assert_uint_eq(answer.h.size, VU_CONFIG_HEAD + len);
			ck_assert_uint_eq(answer.p.config.offset, off);
			ck_assert_uint_eq(answer.p.config.size, len);
			/* Beyond its end are zeros. */
			ck_assert_mem_eq(answer.p.config.data, space + off, len);
		}
	}
}
END_TEST

/*
 * Reset, and what only looks like it.
 */

/* Status 0, then rings at 0: a driver begins anew. */
START_TEST(test_status_0_resets)
{
	uint8_t bytes[4];

	assert_echo();
	ok(frontend_set_config(fe, 0, "abcd", 4, 0));
	ok(frontend_tell_u64(fe, VU_SET_STATUS, 7));
	ok(frontend_tell_u64(fe, VU_SET_STATUS, 0));
	ck_assert_uint_eq(status(), 0);
	carrier_idle(c, 2);
	ck_assert_uint_eq(e->resets, 0); /* it is not known yet */
	for (unsigned int q = 0; q < ECHO_QUEUES; q++) {
		ck_assert_uint_eq(e->starts[q], 1);
		carrier_renew(c, q);
	}
	assert_echo();
	ck_assert_uint_eq(e->resets, 1);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++) {
		ck_assert_uint_eq(e->starts[q], 2);
		ck_assert_uint_eq(e->resets_at_start[q], 1);
	}
	ck_assert_uint_eq(e->d.features, frontend_features(fe) & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES));
	ok(frontend_get_config(fe, 0, bytes, 4));
	ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
	assert_echo();
	ck_assert_uint_eq(e->resets, 1);
}
END_TEST

/* As QEMU pauses a machine: rings disabled and stopped, status 0. */
static void pause_machine(uint32_t bases[ECHO_QUEUES])
{
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		ok(frontend_vring_state(fe, VU_SET_VRING_ENABLE, q, 0));
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		bases[q] = carrier_stop(c, q);
	ok(frontend_tell_u64(fe, VU_SET_STATUS, 0));
}

/* And as it lets it go on: all rings are started, then enabled; backwards: the last ring first. */
static void resume_machine(const uint32_t bases[ECHO_QUEUES], bool backwards)
{
	for (unsigned int i = 0; i < ECHO_QUEUES; i++) {
		unsigned int q = backwards ? ECHO_QUEUES - 1 - i : i;
		struct vu_vring_addr addr = frontend_queue_addr(fe, q);

		ok(frontend_vring_state(fe, VU_SET_VRING_NUM, q, carrier_size(c, q)));
		ok(frontend_vring_state(fe, VU_SET_VRING_BASE, q, bases[q]));
		ok(frontend_vring_addr(fe, &addr));
		ok(frontend_vring_fd(fe, VU_SET_VRING_KICK, q, frontend_queue_fd(fe, q, FRONTEND_FD_KICK)));
		ok(frontend_vring_fd(fe, VU_SET_VRING_CALL, q, frontend_queue_fd(fe, q, FRONTEND_FD_CALL)));
		carrier_idle(c, 1);
	}
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		ok(frontend_vring_state(fe, VU_SET_VRING_ENABLE, q, 1));
}

START_TEST(test_status_0_pauses)
{
	uint32_t bases[ECHO_QUEUES];
	uint8_t bytes[4];

	ok(frontend_set_config(fe, 0, "abcd", 4, 0));
	for (unsigned int i = 1; i < 5; i++) {
		assert_echo();
		pause_machine(bases);
		ck_assert_uint_eq(bases[ECHO_ECHOQ], i);
		ck_assert_uint_eq(bases[ECHO_HOLDQ], 0);
		resume_machine(bases, i % 2);
	}
	assert_echo();
	ok(frontend_get_config(fe, 0, bytes, 4));
	ck_assert_mem_eq(bytes, "abcd", 4);
	ck_assert_uint_eq(e->resets, 0);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++) {
		ck_assert_uint_eq(e->starts[q], 5);
		ck_assert_uint_eq(e->quiesces[q], 4);
	}
}
END_TEST

/* Base 0 of a packed ring that has been round is no beginning: the machine was paused, and the device keeps what it has. */
START_TEST(test_pause_at_base_0)
{
	uint32_t bases[ECHO_QUEUES];
	unsigned int slots, size;
	uint8_t bytes[4];
	char why[100] = "";

	ck_assert_int_eq(vu_apply_feature_masks(carrier_vdev(c), "+ring_packed", why, sizeof(why)), 0);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	e->resets = 0;
	ok(frontend_set_config(fe, 0, "abcd", 4, 0));
	assert_echo();
	pause_machine(bases);
	slots = bases[ECHO_ECHOQ] & 0x7fff;
	size = carrier_size(c, ECHO_ECHOQ);
	ck_assert_uint_eq(size % slots, 0);
	resume_machine(bases, false);
	for (unsigned int i = slots; i < size; i += slots)
		assert_echo();
	pause_machine(bases);
	ck_assert_uint_eq(bases[ECHO_ECHOQ], 0);
	resume_machine(bases, true);
	assert_echo();
	ok(frontend_get_config(fe, 0, bytes, 4));
	ck_assert_mem_eq(bytes, "abcd", 4);
	ck_assert_uint_eq(e->resets, 0);
}
END_TEST

/* A chain in flight when the machine pauses is taken again when it goes on. */
START_TEST(test_pause_with_chain_in_flight)
{
	struct frontend_request *req = hold();
	uint32_t bases[ECHO_QUEUES];
	char in[8];

	assert_echo();
	for (unsigned int round = 0; round < 2; round++) {
		pause_machine(bases);
		ck_assert_uint_eq(bases[ECHO_HOLDQ], 0);
		ck_assert_uint_eq(e->nheld, 0);
		resume_machine(bases, round);
		for (unsigned int i = 0; !e->nheld; i++) {
			ck_assert_uint_lt(i, 1000);
			carrier_idle(c, 1);
		}
	}
	echo_release(e, 1);
	ck_assert_uint_eq(carrier_await(c, ECHO_HOLDQ, req, in), 8);
	ck_assert_mem_eq(in, "12345678", 8);
	ck_assert_uint_eq(e->resets, 0);
}
END_TEST

/* The features with which requests in flight are left in the record: without, and with a message of its own for it. */
static const uint64_t left_in_record[] = {
	0,
	BIT(VU_PF_GET_VRING_BASE_INFLIGHT),
	BIT(VU_PF_GET_VRING_BASE_INFLIGHT) | BIT(VU_PF_GET_VRING_BASE_SKIP_DRAIN),
};

/* Two chains are held, and the ring stops.  Where they are left in the record, they are in flight at the base that is told. */
START_TEST(test_left_in_record)
{
	struct vu_inflight about = {.nqueues = ECHO_QUEUES, .queue_size = 64};
	uint64_t wanted = left_in_record[_i] | BIT(VU_PF_INFLIGHT_SHMFD);
	struct frontend_request *req[2];
	uint32_t base, plain;
	char in[8];
	int fd;

	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	ok(frontend_set_protocol_features(fe, frontend_protocol_features(fe) | wanted));
	ok(frontend_get_inflight(fe, &about, &fd));
	ok(frontend_set_inflight(fe, &about, fd));
	close(fd);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_renew(c, q);
	for (unsigned int i = 0; i < 2; i++)
		req[i] = hold();
	base = carrier_stop(c, ECHO_HOLDQ);
	ck_assert_uint_eq(base, _i == 1 ? 2 : 0);
	carrier_start(c, ECHO_HOLDQ, base);
	if (_i == 2) {
		while (e->nheld < 2)
			carrier_idle(c, 1);
		ok(frontend_get_vring_base_skip_drain(fe, ECHO_HOLDQ, &base));
		ck_assert_uint_eq(base, 2);
		ok(frontend_get_vring_base(fe, ECHO_HOLDQ, &plain));
		ck_assert_uint_eq(plain, 2);
		carrier_start(c, ECHO_HOLDQ, base);
	}
	while (e->nheld < 2)
		carrier_idle(c, 1);
	echo_release(e, 2);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_uint_eq(carrier_await(c, ECHO_HOLDQ, req[i], in), 8);
		ck_assert_mem_eq(in, "12345678", 8);
	}
}
END_TEST

/* There must be a record to leave them in. */
START_TEST(test_skip_drain_refused)
{
	uint32_t base;

	ok(frontend_set_protocol_features(fe, frontend_protocol_features(fe) | BIT(VU_PF_INFLIGHT_SHMFD) | left_in_record[2]));
	ck_assert_int_lt(frontend_get_vring_base_skip_drain(fe, ECHO_HOLDQ, &base), 0);
	ok(frontend_wait_closed(fe));
}
END_TEST

START_TEST(test_reset_device)
{
	hold();
	ok(frontend_set_config(fe, 0, "abcd", 4, 0));
	ok(frontend_tell_u64(fe, VU_SET_STATUS, 0xf));
	ok(frontend_reset_device(fe));
	ck_assert_uint_eq(e->resets, 1);
	ck_assert_uint_eq(e->nheld, 0);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(e->config[0], 0);
	/* The rings are stopped: a kick is not heard. */
	carrier_submit(c, ECHO_ECHOQ, "lost", 4, 4);
	carrier_stays(c, ECHO_ECHOQ, 5);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_renew(c, q);
	assert_echo();
	carrier_idle(c, 2);
	ck_assert_uint_eq(e->nheld, 0); /* it is forgotten */
	ck_assert_uint_eq(e->resets, 1);
}
END_TEST

/* VIRTIO_F_RING_RESET: one ring begins anew, with what the device held in it forgotten; the others never notice. */
START_TEST(test_ring_reset)
{
	char why[100] = "";

	ck_assert_int_eq(vu_apply_feature_masks(carrier_vdev(c), "+ring_reset,+notification_data", why, sizeof(why)), 0);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	ck_assert(carrier_has(c, VIRTIO_F_RING_RESET));
	ck_assert(carrier_has(c, VIRTIO_F_NOTIFICATION_DATA));
	for (unsigned int round = 0; round < 3; round++) {
		unsigned int resets = e->resets;

		hold();
		carrier_submit(c, ECHO_HOLDQ, "another", 7, 7);
		carrier_stop(c, ECHO_HOLDQ);
		ck_assert_uint_eq(e->nheld, 0);
		assert_echo();
		carrier_renew(c, ECHO_HOLDQ);
		carrier_idle(c, 2);
		ck_assert_uint_eq(e->nheld, 0);
		assert_echo();
		ck_assert_uint_eq(e->resets, resets);
	}
}
END_TEST

START_TEST(test_reset_owner)
{
	struct frontend_request *req;
	char in[4];

	ok(frontend_tell_empty(fe, VU_RESET_OWNER));
	req = carrier_submit(c, ECHO_ECHOQ, "late", 4, 4);
	carrier_stays(c, ECHO_ECHOQ, 5);
	ok(frontend_vring_state(fe, VU_SET_VRING_ENABLE, ECHO_ECHOQ, 1));
	ck_assert_uint_eq(carrier_await(c, ECHO_ECHOQ, req, in), 4);
}
END_TEST

/*
 * Rings.
 */

START_TEST(test_broken_ring)
{
	ok(frontend_tell_u64(fe, VU_SET_STATUS, 0xf));
	break_ring(ECHO_HOLDQ);
	ck_assert_uint_eq(status(), 0xf | VIRTIO_STATUS_DEVICE_NEEDS_RESET);
	/* That the status has changed is told as a change of the configuration. */
	ok(frontend_wait_config_change(fe));
	/* An err descriptor that comes later is told, too. */
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	eventfd_t count;

	ok(frontend_vring_fd(fe, VU_SET_VRING_ERR, ECHO_HOLDQ, fd));
	ck_assert_int_eq(eventfd_read(fd, &count), 0);
	close(fd);
	assert_echo();
	carrier_submit(c, ECHO_HOLDQ, "no", 2, 2);
	carrier_idle(c, 2);
	ck_assert_uint_eq(e->nheld, 0);
	carrier_stop(c, ECHO_HOLDQ);
	ck_assert_uint_eq(status(), 0xf);
	carrier_renew(c, ECHO_HOLDQ);
	struct frontend_request *req = hold();

	echo_release(e, 1);
	ck_assert_uint_eq(carrier_await(c, ECHO_HOLDQ, req, NULL), 8);
}
END_TEST

/* A kick before the ring is enabled is not lost. */
START_TEST(test_early_kick)
{
	struct frontend_queue_opts o = frontend_queue_defaults(64);
	struct frontend_request *req;

	carrier_stop(c, ECHO_ECHOQ);
	o.disabled = true;
	ok(frontend_vring_state(fe, VU_SET_VRING_ENABLE, ECHO_ECHOQ, 0));
	ok(frontend_queue_start(fe, ECHO_ECHOQ, &o));
	req = carrier_submit(c, ECHO_ECHOQ, "x", 1, 1);
	carrier_stays(c, ECHO_ECHOQ, 5);
	ok(frontend_vring_state(fe, VU_SET_VRING_ENABLE, ECHO_ECHOQ, 1));
	ck_assert_uint_eq(carrier_await(c, ECHO_ECHOQ, req, NULL), 1);
}
END_TEST

/* A ring starts with what it was told, or not at all. */
START_TEST(test_start_needs)
{
	struct frontend_queue_opts o = frontend_queue_defaults(64);
	struct vu_vring_addr a;

	carrier_reconnect(c);
	fe = carrier_frontend(c);
	carrier_stop(c, ECHO_ECHOQ);
	ok(frontend_queue_make(fe, ECHO_ECHOQ, &o));
	a = frontend_queue_addr(fe, ECHO_ECHOQ);
	int kick = frontend_queue_fd(fe, ECHO_ECHOQ, FRONTEND_FD_KICK);

	/* Rings outside of memory. */
	for (unsigned int part = 0; part < 3; part++) {
		struct vu_vring_addr bad = a;
		uint64_t *const parts[] = {&bad.desc, &bad.avail, &bad.used};

		*parts[part] = 0x1000;
		ok(frontend_vring_addr(fe, &bad));
		ck_assert_int_eq(frontend_vring_fd(fe, VU_SET_VRING_KICK, ECHO_ECHOQ, kick), -EREMOTEIO);
	}
	ok(frontend_vring_addr(fe, &a));
	ok(frontend_vring_state(fe, VU_SET_VRING_BASE, ECHO_ECHOQ, 0));
	ok(frontend_vring_fd(fe, VU_SET_VRING_KICK, ECHO_ECHOQ, kick));
	ok(frontend_vring_fd(fe, VU_SET_VRING_CALL, ECHO_ECHOQ, frontend_queue_fd(fe, ECHO_ECHOQ, FRONTEND_FD_CALL)));
	assert_echo();

	/* A front-end that said nothing of its rings. */
	struct frontend *bare;
	uint32_t base = 77;

	carrier_leave(c);
	bare = carrier_dial(c);
	kick = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(frontend_negotiate(bare, UINT64_MAX, BIT(VU_PF_REPLY_ACK)), 0);
	ck_assert_int_eq(frontend_vring_fd(bare, VU_SET_VRING_KICK, ECHO_ECHOQ, kick), -EREMOTEIO);
	ck_assert_int_eq(frontend_get_vring_base(bare, ECHO_ECHOQ, &base), 0);
	ck_assert_uint_eq(base, 0);
	close(kick);
	frontend_free(bare);
	carrier_settle(c);
	carrier_arrive(c);
	assert_echo();
}
END_TEST

START_TEST(test_call_replaced)
{
	struct frontend_request_opts poll = {.poll = true};
	struct frontend_request *req;
	eventfd_t count;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	/* Told at once: the driver may wait for what went to the old one. */
	ok(frontend_vring_fd(fe, VU_SET_VRING_CALL, ECHO_ECHOQ, fd));
	ck_assert_int_eq(eventfd_read(fd, &count), 0);
	ok(frontend_submit(fe, ECHO_ECHOQ, "x", 1, 1, &poll, &req));
	driver_ring_interrupts(frontend_ring(fe, ECHO_ECHOQ), true);
	ok(frontend_await(fe, ECHO_ECHOQ, req, NULL, NULL));
	/* Without one, the driver looks by itself. */
	ok(frontend_vring_fd(fe, VU_SET_VRING_CALL, ECHO_ECHOQ, -1));
	while (eventfd_read(fd, &count) == 0)
		;
	ok(frontend_submit(fe, ECHO_ECHOQ, "x", 1, 1, &poll, &req));
	ok(frontend_await(fe, ECHO_ECHOQ, req, NULL, NULL));
	ck_assert_int_eq(eventfd_read(fd, &count), -1);
	close(fd);
}
END_TEST

START_TEST(test_kick_replaced)
{
	struct frontend_request_opts quiet = {.no_kick = true};
	struct frontend_request *req;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ends[2];

	ok(frontend_vring_fd(fe, VU_SET_VRING_KICK, ECHO_ECHOQ, fd));
	carrier_idle(c, 2);
	ok(frontend_submit(fe, ECHO_ECHOQ, "x", 1, 1, &quiet, &req));
	carrier_stays(c, ECHO_ECHOQ, 5);
	ck_assert_int_eq(eventfd_write(fd, 1), 0);
	ok(frontend_await(fe, ECHO_ECHOQ, req, NULL, NULL));
	/* A pipe whose other end closes is no reason to turn in circles, nor to stop. */
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ok(frontend_vring_fd(fe, VU_SET_VRING_KICK, ECHO_ECHOQ, ends[0]));
	close(ends[0]);
	close(ends[1]);
	carrier_idle(c, 5);
	unsigned int kicks = e->kicks[ECHO_ECHOQ];

	carrier_idle(c, 20);
	ck_assert_uint_eq(e->kicks[ECHO_ECHOQ], kicks);
	/* None at all: the ring is looked at from time to time. */
	ok(frontend_vring_fd(fe, VU_SET_VRING_KICK, ECHO_ECHOQ, -1));
	ok(frontend_submit(fe, ECHO_ECHOQ, "x", 1, 1, &quiet, &req));
	ok(frontend_await(fe, ECHO_ECHOQ, req, NULL, NULL));
	close(fd);
}
END_TEST

/* Descriptors are shared with the front-end, and so are their flags: those are its own affair. */
START_TEST(test_flags_are_the_front_ends)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	for (uint32_t request = VU_SET_VRING_KICK; request <= VU_SET_VRING_ERR; request++) {
		ok(frontend_vring_fd(fe, request, ECHO_ECHOQ, fd));
		ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	}
	close(fd);
}
END_TEST

/*
 * Stopping takes as long as the device's last request.
 */

START_TEST(test_stop_waits)
{
	struct vu_msg stop = frontend_msg(VU_GET_VRING_BASE, 8), ask = frontend_msg(VU_GET_FEATURES, 0), answer;
	struct frontend_request *req = hold();
	char in[8];

	e->quiesce = ECHO_LATER;
	stop.p.state.index = ECHO_HOLDQ;
	ok(frontend_send(fe, &stop));
	ok(frontend_send(fe, &ask));
	ok(frontend_recv(fe, &answer));
	ck_assert_uint_eq(answer.h.request, VU_GET_VRING_BASE);
	ck_assert_uint_eq(answer.p.state.num, 1);
	/* The answer was there before, and with it the notification. */
	ck_assert(driver_ring_has_used(frontend_ring(fe, ECHO_HOLDQ)));
	ck_assert_uint_eq(carrier_await(c, ECHO_HOLDQ, req, in), 8);
	ck_assert_mem_eq(in, "12345678", 8);
	ok(frontend_recv(fe, &answer));
	ck_assert_uint_eq(answer.h.request, VU_GET_FEATURES);
	ck_assert_uint_eq(e->quiesces[ECHO_HOLDQ], 1);
	assert_echo();
}
END_TEST

/* Whoever hangs up meanwhile is waited for all the same; then the next one is served. */
START_TEST(test_hang_up_waits)
{
	struct vu_msg stop = frontend_msg(VU_GET_VRING_BASE, 8);
	int pair[2];

	for (unsigned int i = 0; i < 3; i++) {
		hold();
		hold();
		e->quiesce = ECHO_LATER;
		if (i == 1) {
			stop.p.state.index = ECHO_HOLDQ;
			ok(frontend_send(fe, &stop));
			carrier_idle(c, 1);
		}
		if (i == 2) {
			ok(frontend_tell_u64(fe, VU_SET_STATUS, 0));
			ck_assert_uint_eq(e->nheld, 0);
		}
		carrier_reconnect(c);
		fe = carrier_frontend(c);
		ck_assert_uint_eq(e->nheld, 0);
		ck_assert_uint_eq(e->resets, i + 1);
		assert_echo();
	}
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(vu_backend_serve(carrier_backend(c), pair[0]), -EBUSY);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/* The end of the program waits for a request a little, but not for ever. */
START_TEST(test_free_waits)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		hold();
		e->quiesce = _i ? ECHO_NEVER : ECHO_LATER;
		alarm(20);
		vu_backend_free(carrier_backend(c));
		if (e->nheld != (_i ? 1 : 0))
			_exit(1);
		/* What comes back after that finds its memory. */
		echo_release(e, 1);
		ev_run(e->d.loop, EVRUN_NOWAIT);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/*
 * Memory.
 */

static struct frontend_region extra_region(uint64_t addr)
{
	struct frontend_region r = {.guest_addr = addr, .size = 4096, .user_addr = addr};

	r.fd = memfd_create("extra", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(r.fd, 4096), 0);
	return r;
}

START_TEST(test_all_slots)
{
	struct frontend_region r = extra_region(0x1000);

	/* One is the guest's memory. */
	for (unsigned int i = 1; i < GMEM_MAX_REGIONS; i++) {
		r.guest_addr = r.user_addr = i * 0x1000;
		ok(frontend_add_mem_reg(fe, &r));
	}
	r.guest_addr = r.user_addr = 0x3000000;
	ck_assert_int_eq(frontend_add_mem_reg(fe, &r), -EREMOTEIO);
	assert_echo();
	for (unsigned int i = 1; i < GMEM_MAX_REGIONS; i++) {
		r.guest_addr = r.user_addr = i * 0x1000;
		ok(frontend_rem_mem_reg(fe, &r));
		ck_assert_int_eq(frontend_rem_mem_reg(fe, &r), -EREMOTEIO);
	}
	close(r.fd);
	assert_echo();
}
END_TEST

/* The region that holds the rings goes: they are broken; a chain in flight still has its bytes. */
START_TEST(test_region_of_rings_goes)
{
	struct frontend_region r = *frontend_mem_region(frontend_mem(fe), 0);

	hold();
	ok(frontend_rem_mem_reg(fe, &r));
	ok(frontend_wait_err(fe, ECHO_ECHOQ));
	ok(frontend_wait_err(fe, ECHO_HOLDQ));
	ck_assert_uint_eq(status(), VIRTIO_STATUS_DEVICE_NEEDS_RESET);
	ck_assert_uint_eq(e->nheld, 1);
	echo_release(e, 1);
	ck_assert(!driver_ring_has_used(frontend_ring(fe, ECHO_HOLDQ)));
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	ok(frontend_add_mem_reg(fe, &r));
	carrier_renew(c, ECHO_ECHOQ);
	assert_echo();
}
END_TEST

/* An empty table is as good as none. */
/* With GPA_ADDRESSES there is one address space: what regions have beside the guest's address means nothing. */
START_TEST(test_guest_addresses)
{
	const struct frontend_region regions[] = {{.guest_addr = 0x100000, .size = 0x100000},
						  {.guest_addr = 0x200000, .size = 0x100000}};
	struct frontend_queue_opts opts = frontend_queue_defaults(16);
	struct vu_msg msg = frontend_msg(VU_SET_MEM_TABLE, offsetof(struct vu_mem_table, regions[2]));
	struct vu_vring_addr addr;
	char why[64], in[5];

	ck_assert_int_eq(vu_apply_feature_masks(&e->d, "+gpa_addresses", why, sizeof(why)), 0);
	carrier_leave(c);
	fe = carrier_dial(c);
	ok(frontend_negotiate(fe, UINT64_MAX, BIT(VU_PF_GPA_ADDRESSES) | BIT(VU_PF_REPLY_ACK)));
	ck_assert(frontend_has_protocol(fe, VU_PF_GPA_ADDRESSES));
	ok(frontend_make_mem(fe, &frontend_mem_memfd, regions, 2));
	msg.p.table.nregions = msg.nfds = 2;
	for (unsigned int i = 0; i < 2; i++) {
		const struct frontend_region *r = frontend_mem_region(frontend_mem(fe), i);

		msg.p.table.regions[i] = (struct vu_region){r->guest_addr, r->size, 0, r->offset};
		msg.fds[i] = r->fd;
	}
	ok(frontend_tell(fe, &msg));
	ck_assert_int_eq(frontend_set_protocol_features(fe, BIT(VU_PF_REPLY_ACK)), -EREMOTEIO);
	ok(frontend_queue_start(fe, ECHO_ECHOQ, &opts));
	ok(frontend_request(fe, ECHO_ECHOQ, "hallo", 5, in, 5, NULL, NULL));
	ck_assert_mem_eq(in, "hallo", 5);
	/* An address as front-ends send it otherwise. */
	ok(frontend_queue_make(fe, ECHO_HOLDQ, &opts));
	addr = frontend_queue_addr(fe, ECHO_HOLDQ);
	addr.desc = 0x7f0000000000;
	ok(frontend_vring_state(fe, VU_SET_VRING_NUM, ECHO_HOLDQ, 16));
	ok(frontend_vring_addr(fe, &addr));
	ck_assert_int_eq(frontend_vring_fd(fe, VU_SET_VRING_KICK, ECHO_HOLDQ, -1), -EREMOTEIO);
	frontend_free(fe);
	carrier_settle(c);
	carrier_arrive(c);
}
END_TEST

START_TEST(test_empty_table)
{
	struct vu_msg msg = frontend_msg(VU_SET_MEM_TABLE, 8);

	ok(frontend_tell(fe, &msg));
	ok(frontend_wait_err(fe, ECHO_ECHOQ));
	ok(frontend_set_mem_table(fe));
	carrier_stop(c, ECHO_ECHOQ);
	carrier_renew(c, ECHO_ECHOQ);
	assert_echo();
}
END_TEST

/* The file behind guest memory is cut short: that ends the connection, and nothing else. */
START_TEST(test_memory_cut_short)
{
	const struct device_suite *ds = _i == CARRIER_BINARY ? &rng_suite : &echo_suite;
	struct carrier *other;
	struct frontend *front;

	if (!carrier_built(ds))
		test_skip("no rng in this build");
	other = carrier_open((enum carrier_kind)_i, ds);
	front = carrier_frontend(other);
	carrier_sample(other);
	ck_assert_int_eq(ftruncate(frontend_mem_region(frontend_mem(front), 0)->fd, 0), 0);
	ck_assert_int_eq(frontend_kick(front, 0), 0);
	ck_assert_int_eq(frontend_wait_closed(front), 0);
	carrier_reconnect(other);
	carrier_sample(other);
	carrier_close(other);
}
END_TEST

/*
 * Migration.
 */

/* What the guest wrote goes along, and nothing else does. */
START_TEST(test_state_moves)
{
	uint8_t bytes[4];

	ok(frontend_set_config(fe, 0, "abcd", 4, 0));
	for (unsigned int host = 0; host < 3; host++) {
		carrier_move(c);
		fe = carrier_frontend(c);
		ok(frontend_get_config(fe, 0, bytes, 4));
		ck_assert_mem_eq(bytes, "abcd", 4);
		assert_echo();
	}
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	ok(frontend_get_config(fe, 0, bytes, 4));
	ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
}
END_TEST

/* States that are none, or of another device; what could be read of them is not kept. */
START_TEST(test_bad_states)
{
	struct state good;
	uint8_t bytes[4], more[64];

	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	vdev_save(&e->d, &good);
	ck_assert_int_eq(good.err, 0);
	memcpy(e->config, "abcd", 4);
	ck_assert_uint_lt(good.len, sizeof(more));
	for (size_t len = 0; len < good.len; len++) {
		/* The mark and the device's name alone are a state of nothing. */
		if (len == 8 + 8 + strlen("device") + strlen("echo"))
			continue;
		ck_assert_int_eq(frontend_load_state(fe, good.bytes, len), -EREMOTEIO);
		ok(frontend_get_config(fe, 0, bytes, 4));
		ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
	}
	for (size_t i = 0; i < 8 + 8 + strlen("device") + strlen("echo") + 8 + strlen("config"); i++) {
		/* Two bytes that are not looked at. */
		if (i == 10 || i == 11 || i == 28 || i == 29)
			continue;
		memcpy(more, good.bytes, good.len);
		more[i] ^= 0x41;
		ck_assert_msg(frontend_load_state(fe, more, good.len) == -EREMOTEIO, "byte %zu", i);
	}
	memcpy(more, good.bytes, good.len);
	more[good.len] = 0;
	ck_assert_int_eq(frontend_load_state(fe, more, good.len + 1), -EREMOTEIO);
	ok(frontend_load_state(fe, good.bytes, good.len));
	state_free(&good);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_renew(c, q);
	assert_echo();
}
END_TEST

/* Memory for the records of split rings is too short for packed ones: a ring whose record is not all in it does not start. */
START_TEST(test_record_of_another_layout)
{
	struct vu_inflight about = {.nqueues = ECHO_QUEUES, .queue_size = 64};
	struct frontend_queue_opts o = frontend_queue_defaults(64);
	char why[100] = "";
	int fd;

	ck_assert_int_eq(vu_apply_feature_masks(carrier_vdev(c), "+ring_packed", why, sizeof(why)), 0);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	ok(frontend_set_features(fe, frontend_features(fe) & ~BIT(VIRTIO_F_RING_PACKED)));
	ok(frontend_get_inflight(fe, &about, &fd));
	ok(frontend_set_inflight(fe, &about, fd));
	close(fd);
	ok(frontend_set_features(fe, frontend_features(fe) | BIT(VIRTIO_F_RING_PACKED)));
	ck_assert_int_eq(frontend_queue_start(fe, ECHO_QUEUES - 1, &o), -EREMOTEIO);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	assert_echo();
}
END_TEST

/* A front-end that has said nothing yet but what it can; the last one goes. */
static void greet(void)
{
	if (carrier_frontend(c))
		carrier_leave(c);
	else
		frontend_free(fe);
	carrier_settle(c);
	fe = carrier_dial(c);
	ok(frontend_negotiate(fe, BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
			      BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_INFLIGHT_SHMFD)));
}

/* Gives the back end this record.  The device has memory in it then, or not; and what was in it, or not. */
static void remember(const struct vu_inflight *about, int fd, bool memory, bool recalled)
{
	const unsigned int recalls = e->recalls;

	e->recalled = false;
	memset(e->memory, 0, sizeof(e->memory));
	ok(frontend_set_inflight(fe, about, fd));
	ck_assert_uint_eq(e->recalls - recalls, memory);
	ck_assert_int_eq(!!e->d.memory, memory);
	ck_assert_int_eq(e->recalled, recalled);
	if (recalled)
		ck_assert_mem_eq(e->memory, "0123456789abcdef", 16);
}

/* The device's memory at the end of the record: the front-end has it, and can make of it what it likes. */
START_TEST(test_memory)
{
	struct vu_inflight about = {.nqueues = ECHO_QUEUES, .queue_size = 64}, other;
	int fd, odd = memfd_create("odd", MFD_CLOEXEC);
	const off_t head = 64; /* and the memory behind it, from the end */
	uint32_t base;
	uint8_t byte;

	e->d.face.memory_size = sizeof(e->memory);
	greet();
	ok(frontend_get_inflight(fe, &about, &fd));
	remember(&about, fd, true, false);
	memcpy(e->d.memory, "0123456789abcdef", 16);
	greet();
	ck_assert_ptr_null(e->d.memory);
	remember(&about, fd, true, true);
	/* Whatever is wrong in its head, and then it is right again. */
	for (off_t i = 0; i < 12; i++) {
		const off_t at = (off_t)about.size - head + i;

		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte ^= 0x40;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
		remember(&about, fd, true, false);
		memcpy(e->d.memory, "0123456789abcdef", 16);
		remember(&about, fd, true, true);
	}
	/* No room, by a byte; an end that is no place for words. */
	other = about;
	other.size--;
	remember(&other, fd, false, false);
	ck_assert_int_eq(ftruncate(odd, (off_t)about.size + 4), 0);
	other.size = about.size + 4;
	remember(&other, odd, false, false);
	/* Not of a device that rings have run on: it is as it is. */
	for (unsigned int q = 0; q < ECHO_QUEUES; q++) {
		const struct frontend_queue_opts opts = frontend_queue_defaults(64);
		const struct frontend_region r = {.guest_addr = 1 << 20, .size = 1 << 20};

		if (!q) {
			remember(&about, fd, true, true);
			ok(frontend_make_mem(fe, &frontend_mem_memfd, &r, 1));
			ok(frontend_set_mem_table(fe));
		}
		ok(frontend_queue_start(fe, q, &opts));
		ck_assert_int_eq(frontend_set_inflight(fe, &about, fd), -EREMOTEIO);
		ok(frontend_queue_stop(fe, q, &base));
		remember(&about, fd, true, false);
	}
	close(fd);
	close(odd);
	frontend_free(fe);
	carrier_settle(c);
	carrier_arrive(c);
	fe = carrier_frontend(c);
	assert_echo();
}
END_TEST

/* Rings that start before the state has come: they stay, it goes. */
START_TEST(test_state_too_late)
{
	struct vu_msg msg = frontend_msg(VU_SET_DEVICE_STATE_FD, sizeof(msg.p.device_state)), answer;
	struct state s;
	int ends[2];

	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	msg.p.device_state.direction = VU_STATE_LOAD;
	msg.fds[msg.nfds++] = ends[0];
	ok(frontend_ask(fe, &msg, &answer));
	ck_assert_uint_eq(answer.p.u64, VU_VRING_NOFD);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_renew(c, q);
	vdev_save(&e->d, &s);
	ck_assert_int_eq(write(ends[1], s.bytes, s.len), (ssize_t)s.len);
	state_free(&s);
	close(ends[0]);
	close(ends[1]);
	msg = frontend_msg(VU_CHECK_DEVICE_STATE, 0);
	ok(frontend_ask(fe, &msg, &answer));
	ck_assert_uint_ne(answer.p.u64, 0);
	assert_echo();
}
END_TEST

/* Not while rings run, not two at a time; a front-end that goes in the midst of it leaves nothing behind. */
/* Postcopy's messages out of their order, or where they cannot be. */
START_TEST(test_postcopy_refused)
{
	const uint64_t wanted = BIT(VU_PF_PAGEFAULT) | frontend_protocol_features(fe);
	uint64_t bases[VU_MAX_REGIONS];
	char why[100] = "";
	int userfault, err;

	ck_assert_int_eq(vu_apply_feature_masks(carrier_vdev(c), "+pagefault,+gpa_addresses", why, sizeof(why)), 0);
	carrier_leave(c);
	fe = carrier_dial(c);
	ok(frontend_negotiate(fe, BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES), wanted));
	ck_assert_int_eq(frontend_set_protocol_features(fe, wanted | BIT(VU_PF_GPA_ADDRESSES)), -EREMOTEIO);
	ck_assert_int_eq(frontend_postcopy_listen(fe), -EREMOTEIO);
	ck_assert_int_eq(frontend_postcopy_end(fe), -EREMOTEIO);
	err = frontend_postcopy_advise(fe, &userfault);
	if (!err) {
		close(userfault);
		const struct frontend_region r = {.guest_addr = 1 << 20, .size = 1 << 16};

		ok(frontend_make_mem(fe, &frontend_mem_memfd, &r, 1));
		ok(frontend_set_mem_table(fe));
		ck_assert_int_eq(frontend_postcopy_listen(fe), -EREMOTEIO);
		ok(frontend_rem_mem_reg(fe, frontend_mem_region(frontend_mem(fe), 0)));
		ok(frontend_postcopy_listen(fe));
		ck_assert_int_eq(frontend_postcopy_listen(fe), -EREMOTEIO);
		ok(frontend_postcopy_announce(fe, bases));
		ok(frontend_postcopy_announce(fe, bases)); /* of another mind */
		ok(frontend_postcopy_ready(fe));
		ok(frontend_postcopy_end(fe));
		ck_assert_int_eq(frontend_postcopy_end(fe), -EREMOTEIO);
		ok(frontend_postcopy_advise(fe, &userfault));
		close(userfault);
		ck_assert_int_lt(frontend_postcopy_advise(fe, &userfault), 0);
	}
	/* Refused by the machine, or as the second: the end of the connection. */
	ok(frontend_wait_closed(fe));
	frontend_free(fe);
	carrier_settle(c);
	carrier_arrive(c);
	fe = carrier_frontend(c);
	assert_echo();
}
END_TEST

START_TEST(test_state_refused)
{
	struct vu_msg msg = frontend_msg(VU_SET_DEVICE_STATE_FD, sizeof(msg.p.device_state)), answer;
	unsigned int fds = carrier_count_fds(c);
	void *bytes;
	size_t len;
	int ends[2];

	ck_assert_int_eq(frontend_save_state(fe, &bytes, &len), -EREMOTEIO);
	ck_assert_int_eq(frontend_load_state(fe, "", 0), -EREMOTEIO);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	ok(frontend_save_state(fe, &bytes, &len));
	free(bytes);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	msg.p.device_state.direction = VU_STATE_LOAD;
	msg.p.device_state.phase = 1;
	msg.fds[msg.nfds++] = ends[0];
	ok(frontend_ask(fe, &msg, &answer));
	ck_assert_uint_ne(answer.p.u64 & 0xff, 0);
	msg.p.device_state = (struct vu_device_state){.direction = 2};
	ok(frontend_ask(fe, &msg, &answer));
	ck_assert_uint_ne(answer.p.u64 & 0xff, 0);
	msg.p.device_state.direction = VU_STATE_LOAD;
	ok(frontend_ask(fe, &msg, &answer));
	ck_assert_uint_eq(answer.p.u64, VU_VRING_NOFD);
	ok(frontend_ask(fe, &msg, &answer));
	ck_assert_uint_ne(answer.p.u64 & 0xff, 0);
	/* More than any device has. */
	for (size_t n = 0; n < STATE_MAX + 8192; n += 4096) {
		static const char zeros[4096];

		if (write(ends[1], zeros, sizeof(zeros)) < 0)
			break;
		carrier_idle(c, 1);
	}
	close(ends[0]);
	close(ends[1]);
	msg = frontend_msg(VU_CHECK_DEVICE_STATE, 0);
	ok(frontend_ask(fe, &msg, &answer));
	ck_assert_uint_ne(answer.p.u64, 0);
	/* One that hangs up. */
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	msg = frontend_msg(VU_SET_DEVICE_STATE_FD, sizeof(msg.p.device_state));
	msg.p.device_state.direction = VU_STATE_LOAD;
	msg.fds[msg.nfds++] = ends[0];
	ok(frontend_ask(fe, &msg, &answer));
	close(ends[0]);
	close(ends[1]);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	assert_echo();
	ck_assert_uint_eq(carrier_count_fds(c), fds);
}
END_TEST

/*
 * The back channel.
 */

/* A channel whose front-end's end is the test's. */
static int raw_channel(void)
{
	struct vu_msg msg = frontend_msg(VU_SET_BACKEND_REQ_FD, 0);
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	msg.fds[msg.nfds++] = pair[1];
	ok(frontend_tell(fe, &msg));
	close(pair[1]);
	return pair[0];
}

/* Whether a CONFIG_CHANGE_MSG comes within a few turns. */
static bool told(int channel)
{
	struct vu_header h;

	for (unsigned int i = 0; i < 5; i++) {
		if (recv(channel, &h, sizeof(h), MSG_DONTWAIT) == (ssize_t)sizeof(h)) {
			ck_assert_uint_eq(h.request, VU_BACKEND_CONFIG_CHANGE_MSG);
			ck_assert_uint_eq(h.flags, VU_VERSION);
			ck_assert_uint_eq(h.size, 0);
			return true;
		}
		carrier_idle(c, 1);
	}
	return false;
}

START_TEST(test_config_change)
{
	uint8_t byte;
	int channel;

	echo_change_config(e, 99);
	ok(frontend_wait_config_change(fe));
	ok(frontend_get_config(fe, ECHO_CONFIG_SIZE - 1, &byte, 1));
	ck_assert_uint_eq(byte, 99);

	/* While all rings are stopped nothing is said; afterwards once. */
	channel = raw_channel();
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	echo_change_config(e, 1);
	echo_change_config(e, 2);
	ck_assert(!told(channel));
	carrier_renew(c, ECHO_ECHOQ);
	ck_assert(told(channel));
	ck_assert(!told(channel));
	/* A channel that is replaced, by one that closes: the session goes on. */
	close(raw_channel());
	echo_change_config(e, 3);
	carrier_idle(c, 2);
	echo_change_config(e, 4);
	assert_echo();
	close(channel);
	/* What could not be told waits for a channel. */
	channel = raw_channel();
	ck_assert(told(channel));
	/* What comes on it is thrown away. */
	ck_assert_int_eq(send(channel, "nonsense", 8, 0), 8);
	assert_echo();
	close(channel);
}
END_TEST

/* A front-end that does not read its channel: it fills, and what is pending is one message, not many. */
START_TEST(test_channel_fills)
{
	int channel = raw_channel();
	unsigned int count = 0;

	for (unsigned int i = 0; i < 5000; i++)
		echo_change_config(e, (uint8_t)i);
	carrier_idle(c, 2);
	assert_echo();
	while (told(channel))
		count++;
	ck_assert_uint_gt(count, 1);
	ck_assert_uint_lt(count, 5000);
	echo_change_config(e, 1);
	ck_assert(told(channel));
	/* It may go while it is full. */
	for (unsigned int i = 0; i < 5000; i++)
		echo_change_config(e, (uint8_t)i);
	close(channel);
	carrier_idle(c, 2);
	assert_echo();
}
END_TEST

/* Processor time of the back end's process, in ticks. */
static unsigned long cpu_ticks(const struct carrier *who)
{
	char path[64];
	unsigned long user, sys;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)carrier_pid(who));
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys), 2);
	fclose(f);
	return user + sys;
}

/* Descriptors that are always ready and no channel, no notification at all: none may keep the process busy. */
START_TEST(test_odd_descriptors)
{
	struct vu_msg msg = frontend_msg(VU_SET_BACKEND_REQ_FD, 0);
	struct carrier *other;
	struct frontend *front;
	unsigned long before;
	int ends[2], file;

	if (!carrier_built(&rng_suite))
		test_skip("no rng in this build");
	other = carrier_open(CARRIER_BINARY, &rng_suite);
	front = carrier_frontend(other);
	file = memfd_create("odd", MFD_CLOEXEC);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	const int odd[] = {ends[0], ends[1], file};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		msg.nfds = 0;
		msg.fds[msg.nfds++] = odd[i];
		/* It may be refused. */
		frontend_tell(front, &msg);
		before = cpu_ticks(other);
		carrier_idle(other, 200);
		ck_assert_uint_lt(cpu_ticks(other) - before, 10);
		carrier_sample(other);
	}
	ck_assert_int_eq(frontend_vring_fd(front, VU_SET_VRING_KICK, 0, file), -EREMOTEIO);
	before = cpu_ticks(other);
	carrier_idle(other, 200);
	ck_assert_uint_lt(cpu_ticks(other) - before, 10);
	close(ends[0]);
	close(ends[1]);
	close(file);
	carrier_reconnect(other);
	carrier_sample(other);
	carrier_close(other);
}
END_TEST

/* VDEVD_TRACE shows messages, their answers, and chains; without it there is none. */
START_TEST(test_trace)
{
	static const char *const lines[] = {"< GET_FEATURES: 0 bytes\n", "> GET_FEATURES: 8 bytes, 0x", "< SET_VRING_NUM: 8 bytes, ring 0, ",
					    "< SET_VRING_KICK: 8 bytes, 0x0, 1 descriptors\n",
					    "* requestq: chain ", ": read 0 of 0 bytes, written "};

	if (!carrier_built(&rng_suite))
		test_skip("no rng in this build");
	for (unsigned int on = 0; on < 2; on++) {
		struct carrier *other;
		char *text;

		if (on)
			setenv("VDEVD_TRACE", "1", 1);
		other = carrier_open(CARRIER_BINARY, &rng_suite);
		unsetenv("VDEVD_TRACE");
		carrier_sample(other);
		text = carrier_log(other);
		for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
			ck_assert_msg(!strstr(text, lines[i]) == !on, "%s%s", lines[i], text);
		free(text);
		carrier_close(other);
	}
}
END_TEST

/*
 * For ever.
 */

START_TEST(test_many_sessions)
{
	unsigned int fds = 0;
	size_t bytes = 0;

	for (unsigned int i = 0; i < 200; i++) {
		hold();
		if (i % 3 == 0)
			break_ring(ECHO_ECHOQ);
		else
			assert_echo();
		carrier_reconnect(c);
		fe = carrier_frontend(c);
		ck_assert_uint_eq(e->resets, i + 1);
		/* The first rounds fill caches. */
		if (i == 20) {
			fds = carrier_count_fds(c);
			bytes = mallinfo2().uordblks;
		}
	}
	ck_assert_uint_eq(carrier_count_fds(c), fds);
	/* Sanitizers count in their own way. */
	ck_assert_uint_le(mallinfo2().uordblks, bytes + 4096);
}
END_TEST

Suite *suite_session(void)
{
	Suite *s = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_basics);
	tcase_add_test(tc, test_instance_face);
	tcase_add_test(tc, test_queue_stats);
	tcase_add_test(tc, test_notify_on_empty);
	tcase_add_test(tc, test_config);
	tcase_add_test(tc, test_config_reads);
	tcase_add_test(tc, test_status_0_resets);
	tcase_add_test(tc, test_status_0_pauses);
	tcase_add_test(tc, test_pause_at_base_0);
	tcase_add_test(tc, test_pause_with_chain_in_flight);
	tcase_add_loop_test(tc, test_left_in_record, 0, ARRAY_SIZE(left_in_record));
	tcase_add_test(tc, test_skip_drain_refused);
	tcase_add_test(tc, test_reset_device);
	tcase_add_test(tc, test_ring_reset);
	tcase_add_test(tc, test_reset_owner);
	tcase_add_test(tc, test_broken_ring);
	tcase_add_test(tc, test_early_kick);
	tcase_add_test(tc, test_start_needs);
	tcase_add_test(tc, test_call_replaced);
	tcase_add_test(tc, test_kick_replaced);
	tcase_add_test(tc, test_flags_are_the_front_ends);
	tcase_add_test(tc, test_stop_waits);
	tcase_add_test(tc, test_hang_up_waits);
	tcase_add_loop_test(tc, test_free_waits, 0, 2);
	tcase_add_test(tc, test_all_slots);
	tcase_add_test(tc, test_region_of_rings_goes);
	tcase_add_test(tc, test_guest_addresses);
	tcase_add_test(tc, test_empty_table);
	tcase_add_loop_test(tc, test_memory_cut_short, CARRIER_SESSION, CARRIER_KINDS);
	tcase_add_test(tc, test_state_moves);
	tcase_add_test(tc, test_bad_states);
	tcase_add_test(tc, test_postcopy_refused);
	tcase_add_test(tc, test_state_refused);
	tcase_add_test(tc, test_state_too_late);
	tcase_add_test(tc, test_record_of_another_layout);
	tcase_add_test(tc, test_memory);
	tcase_add_test(tc, test_config_change);
	tcase_add_test(tc, test_channel_fills);
	tcase_add_test(tc, test_odd_descriptors);
	tcase_add_test(tc, test_trace);
	tcase_add_test(tc, test_many_sessions);
	suite_add_tcase(s, tc);
	return s;
}
