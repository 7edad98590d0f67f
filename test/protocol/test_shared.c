/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_shared.c - what a device asks of the front-end over the back channel, and the other way round: shared memory regions,
 * shared objects; answers that come late, never, or are none.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/lib/echo.h"
#include "test/unit/suites.h"
#include "transport/ring/virtq.h"
#include "transport/vhost_user/vu_session.h"

#define PAGE 65536u /* on every machine a multiple of its own */

static const struct device_suite echo_suite = {
	.device = "echo",
	.class = &echo_class,
};

static struct carrier *c;
static struct frontend *fe;
static struct echo *e;
static int file; /* two pages; the second begins with "second" */

static const struct vdev_uuid uuid = {{0xde, 0xad, [15] = 1}}, other = {{0xbe, 0xef}};

static void setup(void)
{
	struct vu_shmem_config config;

	signal(SIGPIPE, SIG_IGN);
	c = carrier_open(CARRIER_SESSION, &echo_suite);
	fe = carrier_frontend(c);
	e = echo_of(carrier_vdev(c));
	file = memfd_create("shared", MFD_CLOEXEC);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(ftruncate(file, 2 * PAGE), 0);
	ck_assert_int_eq(pwrite(file, "second", 6, PAGE), 6);
	ck_assert_int_eq(frontend_get_shmem_config(fe, &config), 0);
}

static void teardown(void)
{
	close(file);
	carrier_close(c);
}

static void ok(int err)
{
	ck_assert_msg(err == 0, "%s", frontend_why(fe));
}

static void assert_echo(void)
{
	char in[5] = "";

	ck_assert_uint_eq(carrier_request(c, ECHO_ECHOQ, "hallo", 5, in, 5), 5);
	ck_assert_mem_eq(in, "hallo", 5);
}

/* A part of region 0, from page n on, and the second page of the file. */
static struct vdev_ask mapping(enum vdev_ask_what what, unsigned int n)
{
	return (struct vdev_ask){
		.what = what,
		.mapping = {.offset = n * (uint64_t)PAGE, .len = PAGE, .fd_offset = PAGE, .writable = true},
		.fd = file,
	};
}

static struct vdev_ask object(enum vdev_ask_what what, const struct vdev_uuid *which)
{
	return (struct vdev_ask){.what = what, .uuid = *which};
}

static struct vu_object wire(const struct vdev_uuid *which)
{
	struct vu_object o;

	memcpy(o.uuid, which->bytes, sizeof(o.uuid));
	return o;
}

/* Until the device has had this many answers in all. */
static void await_answers(unsigned int count)
{
	for (unsigned int i = 0; e->answers < count; i++) {
		ck_assert_uint_lt(i, 2000);
		carrier_idle(c, 1);
	}
	ck_assert_uint_eq(e->answers, count);
}

/* Asks, and returns how it ended. */
static int asked(struct vdev_ask ask)
{
	unsigned int before = e->answers;

	ck_assert_int_eq(echo_ask(e, &ask), 0);
	ck_assert_uint_eq(e->answers, before);
	await_answers(before + 1);
	return e->answer_err;
}

START_TEST(test_regions)
{
	struct vu_shmem_config config;

	ok(frontend_get_shmem_config(fe, &config));
	ck_assert_uint_eq(config.nregions, 2);
	ck_assert_uint_eq(config.sizes[0], ECHO_SHMEM_0);
	ck_assert_uint_eq(config.sizes[1], 0);
	ck_assert_uint_eq(config.sizes[2], ECHO_SHMEM_2);
	for (unsigned int i = 3; i < VU_MAX_SHMEM; i++)
		ck_assert_uint_eq(config.sizes[i], 0);
}
END_TEST

START_TEST(test_map)
{
	struct vdev_ask ask = mapping(VDEV_SHMEM_MAP, 3);
	char *seen, back[3];

	ck_assert_int_eq(asked(ask), 0);
	seen = frontend_mapped(fe, 0, 3 * PAGE, PAGE);
	ck_assert_ptr_nonnull(seen);
	ck_assert_mem_eq(seen, "second", 6);
	memcpy(seen, "new", 3);
	ck_assert_int_eq(pread(file, back, 3, PAGE), 3);
	ck_assert_mem_eq(back, "new", 3);
	/* Over what is there, and what is not there. */
	ck_assert_int_eq(asked(ask), -EREMOTEIO);
	ck_assert_int_eq(asked(mapping(VDEV_SHMEM_UNMAP, 4)), -EREMOTEIO);
	ck_assert_int_eq(asked(mapping(VDEV_SHMEM_UNMAP, 3)), 0);
	ck_assert_ptr_null(frontend_mapped(fe, 0, 3 * PAGE, PAGE));
	ck_assert_int_eq(asked(ask), 0);
	/* The region that has one page. */
	ask.mapping = (struct vdev_mapping){.shmid = 2, .len = PAGE};
	ck_assert_int_eq(asked(ask), 0);
	/* A device that is reset has nothing mapped. */
	ok(frontend_reset_device(fe));
	ck_assert_ptr_null(frontend_mapped(fe, 2, 0, PAGE));
}
END_TEST

/* What cannot be is not sent. */
START_TEST(test_map_outside)
{
	const struct vdev_mapping bad[] = {
		{.shmid = 1, .len = PAGE},
		{.shmid = 3, .len = PAGE},
		{.shmid = 255, .len = PAGE},
		{.len = 0},
		{.offset = ECHO_SHMEM_0, .len = PAGE},
		{.offset = ECHO_SHMEM_0 - PAGE, .len = 2 * PAGE},
		{.offset = UINT64_MAX - PAGE + 1, .len = PAGE},
		{.shmid = 2, .len = UINT64_MAX},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vdev_ask ask = {.what = i % 2 ? VDEV_SHMEM_MAP : VDEV_SHMEM_UNMAP, .mapping = bad[i], .fd = file};

		ck_assert_int_eq(echo_ask(e, &ask), -EINVAL);
	}
	/* A descriptor there is not: the others are not held up. */
	struct vdev_ask no_fd = mapping(VDEV_SHMEM_MAP, 0), good = mapping(VDEV_SHMEM_MAP, 1);

	no_fd.fd = -1;
	ck_assert_int_eq(echo_ask(e, &no_fd), 0);
	ck_assert_int_eq(echo_ask(e, &good), 0);
	await_answers(2);
	ck_assert_int_eq(e->answer_err, 0);
	ck_assert_ptr_null(frontend_mapped(fe, 0, 0, 1));
	ck_assert_ptr_nonnull(frontend_mapped(fe, 0, PAGE, PAGE));
}
END_TEST

START_TEST(test_objects)
{
	const struct vu_object o = wire(&uuid);
	struct stat want, have;
	int fd;

	/* Theirs asks for ours. */
	ck_assert_int_eq(frontend_get_object(fe, &o, &fd), -EREMOTEIO);
	e->object = uuid;
	e->object_fd = dup(file);
	ck_assert_int_eq(asked(object(VDEV_OBJECT_ADD, &uuid)), 0);
	ck_assert(frontend_object_added(fe, &o));
	ck_assert_int_eq(asked(object(VDEV_OBJECT_ADD, &uuid)), -EREMOTEIO);
	ok(frontend_get_object(fe, &o, &fd));
	ck_assert_int_eq(fstat(fd, &have), 0);
	ck_assert_int_eq(fstat(file, &want), 0);
	ck_assert_uint_eq(have.st_ino, want.st_ino);
	close(fd);
	/* QEMU leaves its name out. */
	struct vu_msg nameless = frontend_msg(VU_GET_SHARED_OBJECT, 0), answer;

	ok(frontend_ask(fe, &nameless, &answer));
	ck_assert_uint_eq(answer.nfds, 0);
	ck_assert_int_eq(asked(object(VDEV_OBJECT_REMOVE, &uuid)), 0);
	ck_assert(!frontend_object_added(fe, &o));
	ck_assert_int_eq(asked(object(VDEV_OBJECT_REMOVE, &uuid)), -EREMOTEIO);
	/* Ours asks for theirs. */
	ck_assert_int_eq(asked(object(VDEV_OBJECT_LOOKUP, &other)), -EREMOTEIO);
	ck_assert_int_eq(e->answer_fd, -1);
	const struct vu_object theirs = wire(&other);

	ck_assert_int_eq(frontend_share_object(fe, &theirs, file), 0);
	ck_assert_int_eq(asked(object(VDEV_OBJECT_LOOKUP, &other)), 0);
	ck_assert_int_eq(fstat(e->answer_fd, &have), 0);
	ck_assert_uint_eq(have.st_ino, want.st_ino);
}
END_TEST

/* The front-end goes on with its own affairs, and answers when it likes: neither waits for the other. */
START_TEST(test_interleaved)
{
	struct vdev_ask asks[12];
	uint32_t base;

	frontend_hold_back_channel(fe, true);
	for (unsigned int i = 0; i < ARRAY_SIZE(asks); i++) {
		asks[i] = mapping(VDEV_SHMEM_MAP, i);
		ck_assert_int_eq(echo_ask(e, &asks[i]), 0);
		assert_echo();
		ok(frontend_sync(fe));
	}
	ok(frontend_get_vring_base(fe, ECHO_HOLDQ, &base));
	ck_assert_uint_eq(e->answers, 0);
	frontend_hold_back_channel(fe, false);
	await_answers(ARRAY_SIZE(asks));
	for (unsigned int i = 0; i < ARRAY_SIZE(asks); i++)
		ck_assert_ptr_nonnull(frontend_mapped(fe, 0, (uint64_t)i * PAGE, PAGE));
	assert_echo();
}
END_TEST

/* More than a socket takes. */
START_TEST(test_many)
{
	enum { MANY = 1000 };
	struct vdev_ask *asks = calloc(MANY, sizeof(*asks));

	frontend_hold_back_channel(fe, true);
	for (unsigned int i = 0; i < MANY; i++) {
		asks[i] = mapping(i % 2 ? VDEV_SHMEM_UNMAP : VDEV_SHMEM_MAP, 0);
		ck_assert_int_eq(echo_ask(e, &asks[i]), 0);
	}
	assert_echo();
	ck_assert_uint_eq(e->answers, 0);
	frontend_hold_back_channel(fe, false);
	await_answers(MANY);
	ck_assert_uint_eq(frontend_back_channel_errors(fe), 0);
	free(asks);
}
END_TEST

/* While all rings are stopped nothing is said; what was asked before is answered all the same. */
START_TEST(test_suspended)
{
	struct vdev_ask before = mapping(VDEV_SHMEM_MAP, 0), during = mapping(VDEV_SHMEM_MAP, 1);

	frontend_hold_back_channel(fe, true);
	ck_assert_int_eq(echo_ask(e, &before), 0);
	carrier_idle(c, 1);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_stop(c, q);
	ck_assert_int_eq(echo_ask(e, &during), -ENOTCONN);
	frontend_hold_back_channel(fe, false);
	await_answers(1);
	ck_assert_int_eq(e->answer_err, 0);
	carrier_renew(c, ECHO_ECHOQ);
	ck_assert_int_eq(asked(during), 0);
}
END_TEST

/* Messages that are there, each thrown away. */
static unsigned int drain(void)
{
	struct vu_reader reader = {.got = 0};
	unsigned int count = 0;

	while (vu_read(&reader, frontend_back_channel(fe)) == 1) {
		vu_reader_next(&reader);
		count++;
	}
	vu_reader_next(&reader);
	return count;
}

/* In band, what a kick leads to at once is told before the kick is acknowledged. */
START_TEST(test_call_before_ack)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(16);
	const struct frontend_request_opts quiet = {.no_kick = true};
	struct frontend_request *req;

	opts.in_band = true;
	ok(frontend_set_protocol_features(fe, frontend_protocol_features(fe) | BIT(VU_PF_INBAND_NOTIFICATIONS)));
	carrier_stop(c, ECHO_ECHOQ);
	ok(frontend_vring_fd(fe, VU_SET_VRING_CALL, ECHO_ECHOQ, -1));
	ok(frontend_queue_start(fe, ECHO_ECHOQ, &opts));
	frontend_hold_back_channel(fe, true);
	ok(frontend_submit(fe, ECHO_ECHOQ, "x", 1, 1, &quiet, &req));
	ck_assert_uint_eq(drain(), 0);
	ok(frontend_kick(fe, ECHO_ECHOQ));
	ck_assert_uint_eq(drain(), 1);
}
END_TEST

/* A notification the socket had no room for is not sent when the rings have stopped, but when one starts again. */
START_TEST(test_suspended_call)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(ECHO_HELD);
	struct vu_backend *b = carrier_backend(c);
	struct frontend_request *req;
	const int small = 1;
	uint32_t base;

	opts.in_band = true;
	ok(frontend_set_protocol_features(fe, frontend_protocol_features(fe) | BIT(VU_PF_INBAND_NOTIFICATIONS)));
	carrier_stop(c, ECHO_ECHOQ);
	carrier_stop(c, ECHO_HOLDQ);
	ok(frontend_set_features(fe, frontend_features(fe) & ~BIT(VIRTIO_F_EVENT_IDX)));
	ok(frontend_vring_fd(fe, VU_SET_VRING_CALL, ECHO_HOLDQ, -1));
	ok(frontend_queue_start(fe, ECHO_HOLDQ, &opts));
	ck_assert_int_eq(setsockopt(b->channel.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	frontend_hold_back_channel(fe, true);
	for (unsigned int i = 0; !b->queues[ECHO_HOLDQ].call_pending; i++) {
		ck_assert_uint_lt(i, ECHO_HELD / 2);
		ok(frontend_submit(fe, ECHO_HOLDQ, "x", 1, 1, NULL, &req));
		carrier_idle(c, 2);
		echo_release(e, 1);
		carrier_idle(c, 2);
	}
	ok(frontend_queue_stop(fe, ECHO_HOLDQ, &base));
	ck_assert_uint_ge(drain(), 1);
	carrier_idle(c, 2);
	ck_assert_uint_eq(drain(), 1); /* it was under way */
	carrier_idle(c, 2);
	ck_assert_uint_eq(drain(), 0);
	ok(frontend_queue_restart(fe, ECHO_HOLDQ, base));
	ok(frontend_kick(fe, ECHO_HOLDQ)); /* in band, this starts it */
	carrier_idle(c, 2);
	ck_assert_uint_eq(drain(), 1);
}
END_TEST

/* The answer to what the device had asked before it was reset is not taken for that to what it asks afterwards. */
START_TEST(test_reset)
{
	struct vdev_ask before = mapping(VDEV_SHMEM_UNMAP, 9), after = mapping(VDEV_SHMEM_MAP, 1);

	frontend_hold_back_channel(fe, true);
	ck_assert_int_eq(echo_ask(e, &before), 0);
	carrier_idle(c, 1);
	ok(frontend_reset_device(fe));
	ck_assert_uint_eq(e->answers, 1);
	ck_assert_int_eq(e->answer_err, -ECANCELED);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		carrier_renew(c, q);
	ck_assert_int_eq(echo_ask(e, &after), 0);
	carrier_idle(c, 1);
	frontend_hold_back_channel(fe, false);
	await_answers(2);
	ck_assert_int_eq(e->answer_err, 0);
	ck_assert_uint_eq(frontend_back_channel_errors(fe), 1);
}
END_TEST

/* Patience ends; the late answer is counted off. */
START_TEST(test_late)
{
	struct vdev_ask first = mapping(VDEV_SHMEM_UNMAP, 9), second = mapping(VDEV_SHMEM_UNMAP, 8);

	carrier_backend(c)->asks.patience = 0.2;
	frontend_hold_back_channel(fe, true);
	ck_assert_int_eq(echo_ask(e, &first), 0);
	ck_assert_int_eq(echo_ask(e, &second), 0);
	await_answers(2);
	ck_assert_int_eq(e->answer_err, -ETIMEDOUT);
	carrier_backend(c)->asks.patience = 10.;
	frontend_hold_back_channel(fe, false);
	ck_assert_int_eq(asked(mapping(VDEV_SHMEM_MAP, 0)), 0);
	ck_assert_uint_eq(frontend_back_channel_errors(fe), 2);
	ck_assert_int_eq(asked(mapping(VDEV_SHMEM_MAP, 0)), -EREMOTEIO);
}
END_TEST

START_TEST(test_gone)
{
	struct vdev_ask ask = mapping(VDEV_SHMEM_MAP, 0);

	frontend_hold_back_channel(fe, true);
	ck_assert_int_eq(echo_ask(e, &ask), 0);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	ck_assert_uint_eq(e->answers, 1);
	ck_assert_int_eq(e->answer_err, -ECANCELED);
	/* The next front-end: another channel, and another after it. */
	frontend_hold_back_channel(fe, true);
	ck_assert_int_eq(echo_ask(e, &ask), 0);
	ok(frontend_open_back_channel(fe));
	await_answers(2);
	ck_assert_int_eq(e->answer_err, -ECANCELED);
	frontend_hold_back_channel(fe, false);
	carrier_leave(c);
	ck_assert_int_eq(echo_ask(e, &ask), -EOPNOTSUPP);
	carrier_arrive(c);
	fe = carrier_frontend(c);
}
END_TEST

/* Only what was accepted is asked; without acknowledgements it is done when it is said, but for what has an answer. */
START_TEST(test_accepted)
{
	const uint64_t all = frontend_protocol_features(fe);
	struct vdev_ask map = mapping(VDEV_SHMEM_MAP, 0), look = object(VDEV_OBJECT_LOOKUP, &other);
	const struct vu_object theirs = wire(&other);

	ok(frontend_set_protocol_features(fe, all & ~BIT(VU_PF_SHMEM)));
	ck_assert_int_eq(echo_ask(e, &map), -EOPNOTSUPP);
	ok(frontend_set_protocol_features(fe, all & ~BIT(VU_PF_SHARED_OBJECT)));
	ck_assert_int_eq(echo_ask(e, &look), -EOPNOTSUPP);
	frontend_use_acks(fe, false);
	ok(frontend_set_protocol_features(fe, all & ~BIT(VU_PF_REPLY_ACK)));
	ok(frontend_sync(fe));
	frontend_hold_back_channel(fe, true);
	ck_assert_int_eq(frontend_share_object(fe, &theirs, file), 0);
	ck_assert_int_eq(echo_ask(e, &look), 0);
	ck_assert_int_eq(asked(map), 0);
	frontend_hold_back_channel(fe, false);
	await_answers(2);
	ck_assert_int_eq(e->answer_err, 0);
	ck_assert_int_ge(e->answer_fd, 0);
	ck_assert_ptr_nonnull(frontend_mapped(fe, 0, 0, PAGE));
	ok(frontend_set_protocol_features(fe, all));
}
END_TEST

/* Reads what the device asked, and answers it with this. */
static void answer_with(struct vu_msg msg, unsigned int nfds)
{
	struct vu_reader reader = {.got = 0};
	size_t done = 0;

	for (unsigned int i = 0; vu_read(&reader, frontend_back_channel(fe)) == 0; i++) {
		ck_assert_uint_lt(i, 2000);
		carrier_idle(c, 1);
	}
	ck_assert_uint_eq(reader.msg.h.flags, VU_VERSION | VU_FLAG_NEED_REPLY);
	if (!msg.h.request)
		msg.h.request = reader.msg.h.request;
	vu_reader_next(&reader);
	for (unsigned int i = 0; i < nfds; i++)
		msg.fds[msg.nfds++] = file;
	ck_assert_int_eq(vu_send(frontend_back_channel(fe), &msg, &done), 1);
}

static const struct {
	enum vdev_ask_what what;
	uint32_t request; /* 0: the one that was sent */
	uint32_t flags, size;
	uint64_t result;
	unsigned int nfds;
	int want; /* 1: it is no answer */
} lies[] = {
	{VDEV_SHMEM_MAP, 0, VU_VERSION | VU_FLAG_REPLY, 8, 0, 0, 0},
	{VDEV_SHMEM_MAP, 0, VU_VERSION | VU_FLAG_REPLY, 8, 0, 3, 0},
	{VDEV_SHMEM_MAP, 0, VU_VERSION | VU_FLAG_REPLY, 8, UINT64_MAX, 0, -EREMOTEIO},
	{VDEV_SHMEM_MAP, 0, VU_VERSION | VU_FLAG_REPLY, 0, 0, 0, -EPROTO},
	{VDEV_SHMEM_MAP, 0, VU_VERSION | VU_FLAG_REPLY, 16, 0, 0, -EPROTO},
	{VDEV_SHMEM_MAP, 0, VU_VERSION | VU_FLAG_REPLY, sizeof(union vu_payload), 0, 0, -EPROTO},
	{VDEV_OBJECT_LOOKUP, 0, VU_VERSION | VU_FLAG_REPLY, 8, 0, 1, 0},
	{VDEV_OBJECT_LOOKUP, 0, VU_VERSION | VU_FLAG_REPLY, 8, 0, 0, -EPROTO},
	{VDEV_OBJECT_LOOKUP, 0, VU_VERSION | VU_FLAG_REPLY, 8, 0, 2, -EPROTO},
	{VDEV_OBJECT_LOOKUP, 0, VU_VERSION | VU_FLAG_REPLY, 8, 0, VU_MAX_FDS, -EPROTO},
	{VDEV_OBJECT_LOOKUP, 0, VU_VERSION | VU_FLAG_REPLY, 8, 1, 1, -EREMOTEIO},
	{VDEV_OBJECT_LOOKUP, 0, VU_VERSION | VU_FLAG_REPLY, 4, 0, 1, -EPROTO},
	{VDEV_SHMEM_MAP, 0, VU_VERSION, 8, 0, 1, 1},
	{VDEV_SHMEM_MAP, VU_BACKEND_SHMEM_UNMAP, VU_VERSION | VU_FLAG_REPLY, 8, 0, 0, 1},
	{VDEV_SHMEM_MAP, VU_BACKEND_VRING_CALL, VU_VERSION | VU_FLAG_REPLY, 8, 0, 2, 1},
	{VDEV_SHMEM_MAP, 4000, VU_VERSION | VU_FLAG_REPLY, 8, 0, 0, 1},
};

/* Whatever comes back, the device hears one end of it, no descriptor is left, and the session goes on. */
START_TEST(test_lies)
{
	struct vu_msg msg = frontend_msg(lies[_i].request, lies[_i].size), plain = frontend_msg(0, 8);
	struct vdev_ask ask = mapping(lies[_i].what, 0);
	unsigned int fds = carrier_count_fds(c), took = lies[_i].what == VDEV_OBJECT_LOOKUP && lies[_i].want == 0;

	frontend_hold_back_channel(fe, true);
	msg.h.flags = lies[_i].flags;
	msg.p.u64 = lies[_i].result;
	ck_assert_int_eq(echo_ask(e, &ask), 0);
	answer_with(msg, lies[_i].nfds);
	carrier_idle(c, 2);
	if (lies[_i].want == 1) {
		size_t done = 0;

		ck_assert_uint_eq(e->answers, 0);
		plain.h.request = VU_BACKEND_SHMEM_MAP;
		plain.h.flags |= VU_FLAG_REPLY;
		ck_assert_int_eq(vu_send(frontend_back_channel(fe), &plain, &done), 1);
	}
	await_answers(1);
	ck_assert_int_eq(e->answer_err, lies[_i].want == 1 ? 0 : lies[_i].want);
	ck_assert_int_eq(e->answer_fd >= 0, took);
	ck_assert_uint_eq(carrier_count_fds(c), fds + took);
	frontend_hold_back_channel(fe, false);
	ck_assert_int_eq(asked(mapping(VDEV_SHMEM_MAP, 1)), 0);
	assert_echo();
}
END_TEST

/* Answers nobody asked for, and what is no message: the channel ends, the session does not. */
START_TEST(test_unasked)
{
	struct vu_msg msg = frontend_msg(VU_BACKEND_SHMEM_MAP, 8);
	struct vdev_ask ask = mapping(VDEV_SHMEM_MAP, 0);
	size_t done = 0;

	frontend_hold_back_channel(fe, true);
	msg.h.flags |= VU_FLAG_REPLY;
	ck_assert_int_eq(vu_send(frontend_back_channel(fe), &msg, &done), 1);
	carrier_idle(c, 2);
	ck_assert_int_eq(echo_ask(e, &ask), 0);
	carrier_idle(c, 2);
	ck_assert_uint_eq(e->answers, 0);
	ck_assert_int_eq(write(frontend_back_channel(fe), "no message at all", 16), 16);
	await_answers(1);
	ck_assert_int_eq(e->answer_err, -ECANCELED);
	ck_assert_int_eq(echo_ask(e, &ask), -ENOTCONN);
	assert_echo();
}
END_TEST

static const struct {
	uint32_t request, size;
	unsigned int nfds;
	struct vu_mapping m;
} demands[] = {
	{VU_BACKEND_SHMEM_MAP, 40, 0, {.len = PAGE}},
	{VU_BACKEND_SHMEM_MAP, 40, 2, {.len = PAGE}},
	{VU_BACKEND_SHMEM_MAP, 39, 1, {.len = PAGE}},
	{VU_BACKEND_SHMEM_MAP, 48, 1, {.len = PAGE}},
	{VU_BACKEND_SHMEM_MAP, 40, 1, {.len = 0}},
	{VU_BACKEND_SHMEM_MAP, 40, 1, {.len = PAGE, .flags = 2}},
	{VU_BACKEND_SHMEM_MAP, 40, 1, {.shmid = 1, .len = PAGE}},
	{VU_BACKEND_SHMEM_MAP, 40, 1, {.shmid = 255, .len = PAGE}},
	{VU_BACKEND_SHMEM_MAP, 40, 1, {.offset = ECHO_SHMEM_0 - PAGE, .len = 2 * PAGE}},
	{VU_BACKEND_SHMEM_MAP, 40, 1, {.offset = UINT64_MAX, .len = PAGE}},
	{VU_BACKEND_SHMEM_MAP, 40, 1, {.offset = PAGE, .len = PAGE, .fd_offset = 1}},
	{VU_BACKEND_SHMEM_MAP, 40, 1, {.offset = PAGE, .len = PAGE, .fd_offset = 1ull << 63}},
	{VU_BACKEND_SHMEM_UNMAP, 40, 0, {.len = PAGE}},
	{VU_BACKEND_SHMEM_UNMAP, 16, 0, {.len = PAGE}},
	{VU_BACKEND_SHARED_OBJECT_ADD, 15, 0, {.len = 0}},
	{VU_BACKEND_SHARED_OBJECT_REMOVE, 16, 0, {.len = 0}},
	{VU_BACKEND_SHARED_OBJECT_LOOKUP, 17, 0, {.len = 0}},
};

/* A back end that asks for what it must not: our front-end refuses, and keeps nothing. */
START_TEST(test_demands)
{
	struct vu_msg msg = frontend_msg(demands[_i].request, demands[_i].size);
	unsigned int fds = carrier_count_fds(c);
	size_t done = 0;

	msg.h.flags |= VU_FLAG_NEED_REPLY;
	msg.p.mapping = demands[_i].m;
	while (msg.nfds < demands[_i].nfds)
		msg.fds[msg.nfds++] = file;
	ck_assert_int_eq(vu_send(carrier_backend(c)->channel.fd, &msg, &done), 1);
	carrier_idle(c, 2);
	ck_assert_uint_eq(frontend_back_channel_errors(fe), 1);
	for (unsigned int shmid = 0; shmid < VU_MAX_SHMEM; shmid++)
		ck_assert_ptr_null(frontend_mapped(fe, (uint8_t)shmid, demands[_i].m.offset, 1));
	ck_assert_uint_eq(carrier_count_fds(c), fds);
	ck_assert_int_eq(asked(mapping(VDEV_SHMEM_MAP, 0)), 0);
}
END_TEST

/* The configuration space of a machine that moved here; as the driver's own writes where rust-vmm says so with a 1. */
START_TEST(test_config_moved)
{
	uint8_t space[ECHO_CONFIG_SIZE];

	ok(frontend_get_config(fe, 0, space, sizeof(space)));
	for (uint32_t flags = 1; flags <= 2; flags++) {
		ok(frontend_set_config(fe, 0, space, sizeof(space), flags));
		space[1] = (uint8_t)(space[1] + 1);
		ok(frontend_set_config(fe, 0, space, sizeof(space), flags));
		ck_assert_uint_eq(e->config[1], space[1]);
	}
	ck_assert_int_eq(frontend_set_config(fe, 0, space, sizeof(space), 0), -EREMOTEIO);
	ck_assert_int_eq(frontend_set_config(fe, 0, space, 1, 4), -EREMOTEIO);
	space[ECHO_CONFIG_RW]++;
	ck_assert_int_eq(frontend_set_config(fe, 0, space, sizeof(space), 1), -EREMOTEIO);
	assert_echo();
}
END_TEST

/* To an older front-end built on rust-vmm, SHMEM is bit 21. */
START_TEST(test_quirk)
{
	const uint64_t all = frontend_protocol_features(fe);
	uint64_t word;
	char why[80];

	ok(frontend_ask_u64(fe, VU_GET_PROTOCOL_FEATURES, &word));
	ck_assert(word & BIT(VU_PF_SHMEM));
	ck_assert_int_eq(vu_apply_quirks(&e->d, "shmem-bit-21", why, sizeof(why)), 0);
	ok(frontend_ask_u64(fe, VU_GET_PROTOCOL_FEATURES, &word));
	ck_assert(!(word & BIT(VU_PF_SHMEM)));
	ck_assert(word & BIT(VU_PF_GPA_ADDRESSES));
	ck_assert_int_eq(frontend_set_protocol_features(fe, all), -EREMOTEIO);
	ok(frontend_set_protocol_features(fe, (all & ~BIT(VU_PF_SHMEM)) | BIT(VU_PF_GPA_ADDRESSES)));
	ck_assert_int_eq(asked(mapping(VDEV_SHMEM_MAP, 0)), 0);
	/* PAGEFAULT goes with SHMEM, though not with what its bit is to others. */
	vu_wishes_of(&e->d)->wish |= BIT(VU_PF_PAGEFAULT);
	ok(frontend_set_protocol_features(fe, (all & ~BIT(VU_PF_SHMEM)) | BIT(VU_PF_GPA_ADDRESSES) | BIT(VU_PF_PAGEFAULT)));
	vu_wishes_of(&e->d)->wish &= ~BIT(VU_PF_PAGEFAULT);
	vu_wishes_of(&e->d)->quirks = 0;
	ok(frontend_set_protocol_features(fe, all));
}
END_TEST

Suite *suite_shared(void)
{
	Suite *s = suite_create("shared");
	TCase *tc = tcase_create("back channel");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_regions);
	tcase_add_test(tc, test_map);
	tcase_add_test(tc, test_map_outside);
	tcase_add_test(tc, test_objects);
	tcase_add_test(tc, test_interleaved);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_suspended);
	tcase_add_test(tc, test_call_before_ack);
	tcase_add_test(tc, test_suspended_call);
	tcase_add_test(tc, test_reset);
	tcase_add_test(tc, test_late);
	tcase_add_test(tc, test_gone);
	tcase_add_test(tc, test_accepted);
	tcase_add_loop_test(tc, test_lies, 0, ARRAY_SIZE(lies));
	tcase_add_test(tc, test_unasked);
	tcase_add_loop_test(tc, test_demands, 0, ARRAY_SIZE(demands));
	tcase_add_test(tc, test_config_moved);
	tcase_add_test(tc, test_quirk);
	suite_add_tcase(s, tc);
	return s;
}
