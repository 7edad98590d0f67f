/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_frontend.c - the front-end against the back end in one thread: each request, memory of every shape, queues,
 * requests in all framings, the back channel, and back ends that answer nonsense or nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "core/device.h"
#include "test/unit/suites.h"
#include "transport/frontend/frontend.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/ring/virtq.h"

/* A device that gives back what it reads; on a "C" it says that its configuration has changed. */
struct echo {
	struct vdev d;
	uint8_t config[8];
};

static void echo_kick(struct vdev *d, unsigned int q)
{
	struct chain *c;

	while ((c = virtq_pop(vdev_queue(d, q)))) {
		uint8_t byte;

		while (chain_writable(c) && chain_get(c, &byte, 1)) {
			chain_put(c, &byte, 1);
			if (byte == 'C' && q == 1)
				vdev_config_changed(d);
		}
		virtq_push(c);
	}
}

static void echo_config(struct vdev *d, void *buf)
{
	memcpy(buf, container_of(d, struct echo, d)->config, sizeof(((struct echo *)0)->config));
}

static int echo_config_write(struct vdev *d, size_t off, const void *buf, size_t len)
{
	memcpy(container_of(d, struct echo, d)->config + off, buf, len);
	return 0;
}

static const struct vdev_queue_desc echo_queues[] = {{"echoq", 64, 32768}, {"eventq", 64, 64}};

static const struct vdev_class echo_class = {
	.name = "echo",
	.summary = "echo",
	.face.features = BIT(3),
	.face.queues = echo_queues,
	.face.nqueues = ARRAY_SIZE(echo_queues),
	.face.config_size = 8,
	.inst_size = sizeof(struct echo),
	.kick = echo_kick,
	.config = echo_config,
	.config_write = echo_config_write,
};

/* Makes an instance lesser than its class: one queue, half the space, no feature. */
static int lesser_check(struct vdev *d)
{
	d->face.nqueues = 1;
	d->face.config_size = 4;
	d->face.features = 0;
	return 0;
}

static struct ev_loop *loop;
static struct vdev *device;
static struct vu_backend *backend;
static struct frontend *fe;
static unsigned int closed;

static void on_closed(void *arg)
{
	closed++;
}

static void pump(void *arg)
{
	ev_run(loop, EVRUN_NOWAIT);
}

/* A front-end on one end of a socket pair; returns the other end. */
static int new_frontend(bool pumped)
{
	struct frontend_opts opts = {.timeout_ms = 1000, .pump = pumped ? pump : NULL};
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	opts.fd = pair[0];
	ck_assert_int_eq(frontend_new(&opts, &fe), 0);
	return pair[1];
}

/* What a front-end finds is the instance's, not its class's. */
START_TEST(test_face_of_instance)
{
	struct vdev_class lesser = echo_class;
	uint8_t space[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	uint64_t features, n;

	lesser.check = lesser_check;
	loop = ev_loop_new(0);
	ck_assert_int_eq(vdev_new(&lesser, "lesser", loop, &device), 0);
	ck_assert_uint_eq(device->face.nqueues, 2);
	ck_assert_int_eq(vdev_check(device), 0);
	ck_assert_int_eq(vdev_config_write(device, 4, space, 1), -EINVAL);
	ck_assert_int_eq(vdev_config_write(device, 3, space, 1), 0);
	ck_assert_int_eq(vu_backend_new(device, &gmem_shm, on_closed, NULL, &backend), 0);
	ck_assert_int_eq(vu_backend_serve(backend, new_frontend(true)), 0);
	ck_assert_int_eq(frontend_ask_u64(fe, VU_GET_FEATURES, &features), 0);
	ck_assert(!(features & BIT(3)));
	ck_assert_int_eq(frontend_negotiate(fe, 0, UINT64_MAX), 0);
	ck_assert_int_eq(frontend_ask_u64(fe, VU_GET_QUEUE_NUM, &n), 0);
	ck_assert_uint_eq(n, 1);
	frontend_free(fe);
	vu_backend_free(backend);
	vdev_free(device);
	ev_loop_destroy(loop);
}
END_TEST

static void setup(void)
{
	char why[64];

	closed = 0;
	loop = ev_loop_new(0);
	ck_assert_int_eq(vdev_new(&echo_class, "echo", loop, &device), 0);
	ck_assert_int_eq(vu_apply_feature_masks(device, "+inband_notifications", why, sizeof(why)), 0);
	ck_assert_int_eq(vu_backend_new(device, &gmem_shm, on_closed, NULL, &backend), 0);
	ck_assert_int_eq(vu_backend_serve(backend, new_frontend(true)), 0);
}

static void teardown(void)
{
	frontend_free(fe);
	vu_backend_free(backend);
	vdev_free(device);
	ev_loop_destroy(loop);
}

#define ok(call)                                                                                                       \
	do {                                                                                                           \
		int ok_err = (call);                                                                                   \
		ck_assert_msg(ok_err == 0, "%s: %s (%s)", #call, strerror(-ok_err), frontend_why(fe));                 \
	} while (0)

/* Three regions: two that adjoin, a gap, one whose place in its file is no page's beginning. */
static const struct frontend_region regions[] = {
	{.guest_addr = 0x10000, .size = 0x40000, .user_addr = 0x7000010000},
	{.guest_addr = 0x50000, .size = 0x10000, .user_addr = 0x7000050000},
	{.guest_addr = 0x40000000, .size = 0x200000, .offset = 0x1230},
};

/* These features and protocol features accepted, memory shared. */
static void ready_with(uint64_t features, uint64_t protocol)
{
	ok(frontend_negotiate(fe, features | BIT(VHOST_USER_F_PROTOCOL_FEATURES), protocol));
	ok(frontend_make_mem(fe, &frontend_mem_memfd, regions, ARRAY_SIZE(regions)));
	ok(frontend_set_mem_table(fe));
}

static void ready(uint64_t features)
{
	ready_with(features, UINT64_MAX);
}

/* One echo in the given framing. */
static void echo_once(unsigned int q, size_t len, const struct frontend_request_opts *opts)
{
	uint8_t out[300], in[300] = {0};
	uint32_t used = 0;

	ck_assert_uint_le(len, sizeof(out));
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(i * 7 + len);
	ok(frontend_request(fe, q, out, len, in, len, &used, opts));
	ck_assert_uint_eq(used, len);
	ck_assert_mem_eq(in, out, len);
}

START_TEST(test_negotiation)
{
	uint64_t features, protocol, num, status, slots;

	ok(frontend_ask_u64(fe, VU_GET_FEATURES, &features));
	ck_assert(features & BIT(3));
	ck_assert(features & BIT(VIRTIO_F_VERSION_1));
	ok(frontend_ask_u64(fe, VU_GET_PROTOCOL_FEATURES, &protocol));
	ok(frontend_negotiate(fe, UINT64_MAX, UINT64_MAX));
	ck_assert_uint_eq(frontend_features(fe), features);
	ck_assert_uint_eq(frontend_protocol_features(fe), protocol);
	ck_assert_uint_eq(device->features | BIT(VHOST_USER_F_PROTOCOL_FEATURES), features);
	ck_assert(frontend_has_protocol(fe, VU_PF_REPLY_ACK));
	ok(frontend_ask_u64(fe, VU_GET_QUEUE_NUM, &num));
	ck_assert_uint_eq(num, 2);
	ok(frontend_ask_u64(fe, VU_GET_MAX_MEM_SLOTS, &slots));
	ck_assert_uint_ge(slots, 509);
	ok(frontend_tell_u64(fe, VU_SET_STATUS, 3));
	ok(frontend_ask_u64(fe, VU_GET_STATUS, &status));
	ck_assert_uint_eq(status, 3);
	ok(frontend_reset_device(fe));
	ok(frontend_ask_u64(fe, VU_GET_STATUS, &status));
	ck_assert_uint_eq(status, 0);
	ok(frontend_tell_empty(fe, VU_RESET_OWNER));
	ok(frontend_sync(fe));
}
END_TEST

START_TEST(test_refused)
{
	ok(frontend_negotiate(fe, UINT64_MAX, UINT64_MAX));
	ck_assert_int_eq(frontend_vring_state(fe, VU_SET_VRING_NUM, 0, 3), -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(frontend_why(fe), "SET_VRING_NUM was refused"));
	ck_assert_int_eq(frontend_vring_fd(fe, VU_SET_VRING_CALL, 2, -1), -EREMOTEIO);
	ok(frontend_sync(fe));
}
END_TEST

START_TEST(test_config)
{
	uint8_t buf[16];

	ok(frontend_negotiate(fe, UINT64_MAX, UINT64_MAX));
	ok(frontend_set_config(fe, 2, "abc", 3, 0));
	ok(frontend_get_config(fe, 1, buf, 16));
	ck_assert_mem_eq(buf, "\0abc\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	ck_assert_int_eq(frontend_set_config(fe, 7, "ab", 2, 0), -EREMOTEIO);
	ck_assert_int_eq(frontend_get_config(fe, 0, buf, VU_MAX_CONFIG_SIZE + 1), -EINVAL);
	ck_assert_int_eq(frontend_set_config(fe, 0, buf, VU_MAX_CONFIG_SIZE + 1, 0), -EINVAL);
}
END_TEST

/* The framings of a request: bytes a descriptor, indirect, pieces before the table. */
static const struct frontend_request_opts framings[] = {
	{0},
	{.split = 1},
	{.split = 7},
	{.indirect = true},
	{.indirect = true, .split = 1},
	{.indirect = true, .split = 5, .direct = 3},
	{.poll = true},
};

START_TEST(test_requests)
{
	/* With and without event index; each framing, in each region. */
	uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) |
			    (_i % 2 ? BIT(VIRTIO_F_EVENT_IDX) : 0);
	struct frontend_queue_opts opts = frontend_queue_defaults(1024);

	opts.pipes = _i & 2;
	opts.region = _i & 4 ? 2 : 0;
	ready(features);
	ok(frontend_queue_start(fe, 0, &opts));
	for (unsigned int round = 0; round < 50; round++) {
		for (size_t f = 0; f < ARRAY_SIZE(framings); f++)
			echo_once(0, 1 + (round * 37 + f) % 300, &framings[f]);
	}
	ck_assert_uint_eq(driver_ring_free_descs(frontend_ring(fe, 0)), 1024);
}
END_TEST

START_TEST(test_queue_sizes)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(1u << _i);
	struct frontend_request_opts req = {.indirect = true};
	uint32_t base;

	opts.base = 65530;
	ready(UINT64_MAX);
	ok(frontend_queue_start(fe, 0, &opts));
	for (size_t i = 0; i < 20; i++)
		echo_once(0, i + 1, &req);
	ok(frontend_queue_stop(fe, 0, &base));
	ck_assert_uint_eq(base, (uint16_t)(65530 + 20));
	ck_assert_uint_eq(base, driver_ring_base(frontend_ring(fe, 0)));
}
END_TEST

START_TEST(test_stop_and_restart)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(8);
	uint32_t base;

	ready(UINT64_MAX);
	ok(frontend_queue_start(fe, 0, &opts));
	for (unsigned int life = 0; life < 3; life++) {
		echo_once(0, 10, NULL);
		ok(frontend_queue_stop(fe, 0, &base));
		ck_assert_uint_eq(base, life + 1);
		ok(frontend_queue_restart(fe, 0, (uint16_t)base));
	}
	/* With memory of its own again. */
	ok(frontend_queue_stop(fe, 0, &base));
	ok(frontend_queue_start(fe, 0, &opts));
	echo_once(0, 10, NULL);
}
END_TEST

START_TEST(test_disabled_and_early_kick)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(8);
	struct frontend_request *req;
	char in[3];
	uint32_t used;

	opts.disabled = true;
	ready(UINT64_MAX);
	ok(frontend_queue_start(fe, 0, &opts));
	ok(frontend_submit(fe, 0, "abc", 3, 3, NULL, &req));
	ok(frontend_idle(fe, 30));
	ck_assert(!driver_ring_has_used(frontend_ring(fe, 0)));
	ok(frontend_vring_state(fe, VU_SET_VRING_ENABLE, 0, 1));
	ok(frontend_await(fe, 0, req, in, &used));
	ck_assert_mem_eq(in, "abc", 3);
}
END_TEST

START_TEST(test_polling)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(8);

	opts.poll_kick = opts.poll_call = true;
	ready_with(UINT64_MAX, ~BIT(VU_PF_INBAND_NOTIFICATIONS));
	ok(frontend_queue_start(fe, 0, &opts));
	for (size_t i = 1; i < 10; i++)
		echo_once(0, i, NULL);
}
END_TEST

START_TEST(test_replaced_call)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(8);

	opts.pipes = _i;
	ready(UINT64_MAX);
	ok(frontend_queue_start(fe, 0, &opts));
	for (size_t i = 1; i < 10; i++) {
		echo_once(0, i, NULL);
		ok(frontend_replace_call(fe, 0));
	}
	/* Some requests are taken along with others: the next wait must ask for its notification anew. */
	struct frontend_request *reqs[3];
	uint32_t used;

	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++)
		ok(frontend_submit(fe, 0, "x", 1, 1, NULL, &reqs[i]));
	ok(frontend_await(fe, 0, reqs[2], NULL, &used));
	echo_once(0, 3, NULL);
	ok(frontend_await(fe, 0, reqs[0], NULL, &used));
	ok(frontend_await(fe, 0, reqs[1], NULL, &used));
}
END_TEST

START_TEST(test_in_band)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(8);

	opts.in_band = true;
	ready(UINT64_MAX);
	ok(frontend_open_back_channel(fe));
	ok(frontend_queue_start(fe, 0, &opts));
	for (size_t i = 1; i < 10; i++)
		echo_once(0, i, NULL);
	driver_ring_publish_raw(frontend_ring(fe, 0), 8);
	ok(frontend_kick(fe, 0));
	ok(frontend_wait_err(fe, 0));
	ck_assert_uint_eq(frontend_back_channel_errors(fe), 0);
}
END_TEST

START_TEST(test_config_change)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(8);
	char in;

	ready(UINT64_MAX);
	ok(frontend_open_back_channel(fe));
	ok(frontend_queue_start(fe, 1, &opts));
	frontend_set_timeout(fe, 20);
	ck_assert_int_eq(frontend_wait_config_change(fe), -ETIMEDOUT);
	frontend_set_timeout(fe, 1000);
	ok(frontend_request(fe, 1, "C", 1, &in, 1, NULL, NULL));
	ok(frontend_wait_config_change(fe));
	ck_assert_uint_eq(frontend_back_channel_errors(fe), 0);
}
END_TEST

START_TEST(test_broken_ring)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(8);
	char in[2];

	ready(UINT64_MAX);
	ok(frontend_queue_start(fe, 0, &opts));
	ok(frontend_queue_start(fe, 1, &opts));
	driver_ring_publish_raw(frontend_ring(fe, 0), 8);
	ok(frontend_kick(fe, 0));
	ok(frontend_wait_err(fe, 0));
	frontend_set_timeout(fe, 50);
	ck_assert_int_eq(frontend_request(fe, 0, "x", 1, in, 1, NULL, NULL), -ETIMEDOUT);
	ck_assert_int_eq(frontend_wait_call(fe, 0), -ETIMEDOUT);
	ck_assert_int_eq(frontend_wait_err(fe, 1), -ETIMEDOUT);
	frontend_set_timeout(fe, 1000);
	echo_once(1, 100, NULL);
}
END_TEST

START_TEST(test_memory_slots)
{
	struct frontend_region more = {.guest_addr = 0x80000000, .size = 0x10000};
	struct frontend_queue_opts opts = frontend_queue_defaults(8);
	const struct frontend_region *region;
	int index;

	ready(UINT64_MAX);
	index = frontend_mem_add(frontend_mem(fe), &more);
	ck_assert_int_eq(index, 3);
	region = frontend_mem_region(frontend_mem(fe), 3);
	ok(frontend_add_mem_reg(fe, region));
	ck_assert_int_eq(frontend_add_mem_reg(fe, region), -EREMOTEIO);
	opts.region = index;
	ok(frontend_queue_start(fe, 0, &opts));
	echo_once(0, 8, NULL);
	frontend_queue_close(fe, 0);
	ok(frontend_rem_mem_reg(fe, region));
	ck_assert_int_eq(frontend_rem_mem_reg(fe, region), -EREMOTEIO);
	frontend_mem_drop(frontend_mem(fe));
	ck_assert_uint_eq(frontend_mem_count(frontend_mem(fe)), 3);
}
END_TEST

/* A buffer that begins in one region and ends in the next. */
START_TEST(test_two_regions)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(8);
	const struct driver_buf bufs[] = {{.addr = 0x50000 - 100, .len = 200},
					  {.addr = 0x50000 - 300, .len = 200, .writable = true}};
	uint8_t out[200], in[200];
	struct driver_used used;

	ready(UINT64_MAX);
	ok(frontend_queue_start(fe, 0, &opts));
	memset(out, 0x5a, sizeof(out));
	ok(frontend_mem_write(frontend_mem(fe), bufs[0].addr, out, sizeof(out)));
	ok(driver_ring_add(frontend_ring(fe, 0), bufs, 2, NULL, out));
	ck_assert(driver_ring_publish(frontend_ring(fe, 0)));
	ok(frontend_kick(fe, 0));
	ok(frontend_wait_call(fe, 0));
	ck_assert_int_eq(driver_ring_take(frontend_ring(fe, 0), &used), 1);
	ck_assert_ptr_eq(used.token, out);
	ck_assert_uint_eq(used.len, 200);
	ok(frontend_mem_read(frontend_mem(fe), bufs[1].addr, in, sizeof(in)));
	ck_assert_mem_eq(in, out, sizeof(in));
	ck_assert_int_eq(frontend_mem_read(frontend_mem(fe), 0x60000 - 1, in, 2), -EFAULT);
	ck_assert_int_eq(frontend_mem_write(frontend_mem(fe), 0, in, 1), -EFAULT);
}
END_TEST

START_TEST(test_many_in_flight)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(64);
	struct frontend_request_opts quiet = {.no_kick = true};
	struct frontend_request *reqs[32];
	uint32_t used;

	ready(UINT64_MAX);
	ok(frontend_queue_start(fe, 0, &opts));
	for (uint32_t i = 0; i < 32; i++)
		ok(frontend_submit(fe, 0, &i, 4, 4, &quiet, &reqs[i]));
	ck_assert_uint_eq(driver_ring_free_descs(frontend_ring(fe, 0)), 0);

	struct frontend_request *none;

	ck_assert_int_eq(frontend_submit(fe, 0, "x", 1, 1, NULL, &none), -ENOSPC);
	ok(frontend_kick(fe, 0));
	/* The last one's notification brings the others along. */
	for (uint32_t i = 32; i-- > 0;) {
		uint32_t in;

		ok(frontend_await(fe, 0, reqs[i], &in, &used));
		ck_assert_uint_eq(in, i);
	}
}
END_TEST

START_TEST(test_disconnect)
{
	frontend_free(fe);
	fe = NULL;
	for (unsigned int i = 0; i < 100 && !closed; i++)
		pump(NULL);
	ck_assert_uint_eq(closed, 1);
	ck_assert_int_eq(vu_backend_serve(backend, new_frontend(true)), 0);
	ready(UINT64_MAX);

	struct frontend_queue_opts opts = frontend_queue_defaults(8);

	ok(frontend_queue_start(fe, 0, &opts));
	echo_once(0, 5, NULL);
	/* A message that cannot be ends the connection, and the front-end sees it. */
	ok(frontend_send_bytes(fe, "\377\377\377\377\377\377\377\377\377\377\377\377", 12, NULL, 0));
	ok(frontend_wait_closed(fe));
	ck_assert_int_eq(frontend_sync(fe), -EPIPE);
	ck_assert_int_eq(frontend_request(fe, 0, "x", 1, NULL, 1, NULL, NULL), -EPIPE);
	ck_assert_int_eq(frontend_idle(fe, 1000), -EPIPE);
}
END_TEST

/* Back ends that these tests play themselves. */

static int peer;

static void setup_peer(void)
{
	peer = new_frontend(false);
	frontend_set_timeout(fe, 30);
}

static void teardown_peer(void)
{
	frontend_free(fe);
	if (peer >= 0)
		close(peer);
}

static void peer_send(uint32_t request, uint32_t flags, uint32_t size, uint64_t value)
{
	struct vu_msg msg = {.h = {request, flags, size}, .p.u64 = value};
	size_t done = 0;

	ck_assert_int_eq(vu_send(peer, &msg, &done), 1);
}

START_TEST(test_silent_peer)
{
	ck_assert_int_eq(frontend_sync(fe), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(frontend_why(fe), "GET_FEATURES"));
	ck_assert_int_eq(frontend_wait_closed(fe), -ETIMEDOUT);
	close(peer);
	peer = -1;
	ck_assert_int_eq(frontend_wait_closed(fe), 0);
	ck_assert_int_eq(frontend_sync(fe), -EPIPE);
}
END_TEST

START_TEST(test_deaf_peer)
{
	struct vu_msg msg = frontend_msg(VU_SET_OWNER, 0);
	int err;

	do {
		err = frontend_send(fe, &msg);
	} while (!err);
	ck_assert_int_eq(err, -ETIMEDOUT);
	ck_assert_int_eq(frontend_send_bytes(fe, "x", 1, NULL, 0), -ETIMEDOUT);
}
END_TEST

START_TEST(test_wrong_answers)
{
	static const struct vu_header wrong[] = {
		{VU_SET_FEATURES, VU_VERSION | VU_FLAG_REPLY, 8},
		{VU_GET_FEATURES, VU_VERSION, 8},
		{VU_GET_FEATURES, VU_VERSION | VU_FLAG_REPLY, 4},
		{VU_GET_FEATURES, VU_VERSION | VU_FLAG_REPLY, sizeof(union vu_payload)},
		{VU_GET_FEATURES, VU_FLAG_REPLY, 8},
	};

	peer_send(wrong[_i].request, wrong[_i].flags, wrong[_i].size, 0);
	ck_assert_int_eq(frontend_sync(fe), -EPROTO);
}
END_TEST

START_TEST(test_wrong_config_answers)
{
	uint8_t buf[8];

	peer_send(VU_GET_CONFIG, VU_VERSION | VU_FLAG_REPLY, 0, 0);
	ck_assert_int_eq(frontend_get_config(fe, 0, buf, 8), -EREMOTEIO);
	peer_send(VU_GET_CONFIG, VU_VERSION | VU_FLAG_REPLY, VU_CONFIG_HEAD, 0);
	ck_assert_int_eq(frontend_get_config(fe, 0, buf, 8), -EREMOTEIO);
	peer_send(VU_GET_CONFIG, VU_VERSION | VU_FLAG_REPLY, VU_CONFIG_HEAD + 4, 4ull << 32);
	ck_assert_int_eq(frontend_get_config(fe, 0, buf, 8), -EPROTO);
	/* Answers to others than asked. */
	peer_send(VU_GET_VRING_BASE, VU_VERSION | VU_FLAG_REPLY, 8, 5);
	ck_assert_int_eq(frontend_get_vring_base(fe, 0, (uint32_t *)(void *)buf), -EREMOTEIO);
	peer_send(VU_GET_VRING_BASE, VU_VERSION | VU_FLAG_REPLY, 4, 0);
	ck_assert_int_eq(frontend_get_vring_base(fe, 0, (uint32_t *)(void *)buf), -EPROTO);
}
END_TEST

START_TEST(test_no_such_socket)
{
	struct frontend_opts opts = {.path = "/nonexistent/socket"};
	struct frontend *none = NULL;
	char longer[200];

	ck_assert_int_eq(frontend_new(&opts, &none), -ENOENT);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	opts.path = longer;
	ck_assert_int_eq(frontend_new(&opts, &none), -ENAMETOOLONG);
	ck_assert_ptr_null(none);
}
END_TEST

START_TEST(test_too_many_regions)
{
	struct frontend_region many[VU_MAX_REGIONS + 1] = {{0}};
	struct frontend_queue_opts opts = frontend_queue_defaults(8);

	ck_assert_int_eq(frontend_queue_make(fe, 0, &opts), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct frontend_region){.guest_addr = 0x10000 * i, .size = 0x1000};
	ok(frontend_make_mem(fe, &frontend_mem_memfd, many, ARRAY_SIZE(many)));
	ck_assert_int_eq(frontend_set_mem_table(fe), -E2BIG);
	opts.num = 4096;
	ck_assert_int_eq(frontend_queue_make(fe, 0, &opts), -ENOMEM);
	opts.num = 3;
	ck_assert_int_eq(frontend_queue_make(fe, 0, &opts), -EINVAL);
	ck_assert_ptr_null(frontend_ring(fe, 0));
	ck_assert_int_eq(frontend_queue_fd(fe, 0, FRONTEND_FD_CALL), -1);
	many[0].size = UINT64_MAX;
	many[0].offset = 1;
	ck_assert_int_eq(frontend_make_mem(fe, &frontend_mem_memfd, many, 1), -EINVAL);
}
END_TEST

START_TEST(test_allocator)
{
	static const struct frontend_region one = {.guest_addr = 0x1001, .size = 0x1000};
	struct frontend_buf a, b, c, d;
	struct frontend_mem *mem;

	ok(frontend_mem_new(&frontend_mem_memfd, &one, 1, &mem));
	ok(frontend_mem_alloc(mem, FRONTEND_MEM_ANY, 0x800, 16, &a));
	ck_assert_uint_eq(a.guest, 0x1010);
	ck_assert_uint_eq(a.user - a.guest, frontend_mem_region(mem, 0)->user_addr - 0x1001);
	ok(frontend_mem_alloc(mem, 0, 0x600, 1, &b));
	ck_assert_uint_eq(b.guest, 0x1810);
	ck_assert_int_eq(frontend_mem_alloc(mem, 0, 0x600, 1, &c), -ENOMEM);
	ck_assert_int_eq(frontend_mem_alloc(mem, 1, 1, 1, &c), -ENOMEM);
	/* The gap at the beginning, then the one that is given back, zeroed. */
	ok(frontend_mem_alloc(mem, 0, 15, 1, &c));
	ck_assert_uint_eq(c.guest, 0x1001);
	memset(a.va, 0xff, a.len);
	frontend_mem_release(mem, &a);
	ck_assert_ptr_null(a.va);
	frontend_mem_release(mem, &a);
	ok(frontend_mem_alloc(mem, 0, 0x800, 1, &d));
	ck_assert_uint_eq(d.guest, 0x1010);
	for (size_t i = 0; i < d.len; i++)
		ck_assert_uint_eq(((uint8_t *)d.va)[i], 0);
	frontend_mem_free(mem);
	frontend_mem_free(NULL);
}
END_TEST

Suite *suite_frontend(void)
{
	Suite *s = suite_create("frontend");
	TCase *tc = tcase_create("with a back end"), *peers = tcase_create("with a bad peer"),
	      *faces = tcase_create("faces");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_negotiation);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_config);
	tcase_add_loop_test(tc, test_requests, 0, 8);
	tcase_add_loop_test(tc, test_queue_sizes, 0, 14);
	tcase_add_test(tc, test_stop_and_restart);
	tcase_add_test(tc, test_disabled_and_early_kick);
	tcase_add_test(tc, test_polling);
	tcase_add_loop_test(tc, test_replaced_call, 0, 2);
	tcase_add_test(tc, test_in_band);
	tcase_add_test(tc, test_config_change);
	tcase_add_test(tc, test_broken_ring);
	tcase_add_test(tc, test_memory_slots);
	tcase_add_test(tc, test_two_regions);
	tcase_add_test(tc, test_many_in_flight);
	tcase_add_test(tc, test_disconnect);
	suite_add_tcase(s, tc);

	tcase_add_test(faces, test_face_of_instance);
	suite_add_tcase(s, faces);

	tcase_add_checked_fixture(peers, setup_peer, teardown_peer);
	tcase_add_test(peers, test_silent_peer);
	tcase_add_test(peers, test_deaf_peer);
	tcase_add_loop_test(peers, test_wrong_answers, 0, 5);
	tcase_add_test(peers, test_wrong_config_answers);
	tcase_add_test(peers, test_no_such_socket);
	tcase_add_test(peers, test_too_many_regions);
	tcase_add_test(peers, test_allocator);
	suite_add_tcase(s, peers);
	return s;
}
