/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_vu_msg.c - vhost-user messages on the wire, in one piece and in many, with descriptors and without.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/unit/suites.h"
#include "transport/vu_msg.h"

static int pair[2]; /* 0 sends, 1 reads */
static struct vu_reader reader;

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	memset(&reader, 0, sizeof(reader));
}

static void teardown(void)
{
	vu_reader_next(&reader);
	close(pair[0]);
	close(pair[1]);
}

/* How many descriptors this process has open. */
static unsigned int open_fds(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static struct vu_msg message(uint32_t request, uint32_t size)
{
	struct vu_msg msg = {.h = {.request = request, .flags = VU_VERSION, .size = size}};

	for (size_t i = 0; i < sizeof(msg.p.bytes); i++)
		msg.p.bytes[i] = (uint8_t)(i + request);
	return msg;
}

/* The message as it is on the wire; returns its length. */
static size_t to_wire(const struct vu_msg *msg, uint8_t *wire)
{
	memcpy(wire, &msg->h, sizeof(msg->h));
	memcpy(wire + sizeof(msg->h), &msg->p, msg->h.size);
	return sizeof(msg->h) + msg->h.size;
}

/* Sends bytes with count copies of a descriptor. */
static void send_with_fds(const void *bytes, size_t len, unsigned int count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (count) {
		int fd = 2;

		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * count);

		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);

		*cmsg = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * count),
					 .cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS};
		for (unsigned int i = 0; i < count; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(fd));
	}
	ck_assert_int_eq(sendmsg(pair[0], &mh, 0), (ssize_t)len);
}

static void assert_same(const struct vu_msg *got, const struct vu_msg *want)
{
	ck_assert_uint_eq(got->h.request, want->h.request);
	ck_assert_uint_eq(got->h.flags, want->h.flags);
	ck_assert_uint_eq(got->h.size, want->h.size);
	ck_assert_mem_eq(got->p.bytes, want->p.bytes, want->h.size);
}

START_TEST(test_round_trip)
{
	struct vu_msg msg = message(VU_SET_MEM_TABLE, sizeof(msg.p.table));
	unsigned int before = open_fds();
	size_t done = 0;

	for (unsigned int i = 0; i < VU_MAX_FDS; i++)
		msg.fds[msg.nfds++] = 2;
	ck_assert_int_eq(vu_send(pair[0], &msg, &done), 1);
	ck_assert_uint_eq(done, sizeof(msg.h) + msg.h.size);
	ck_assert_int_eq(vu_read(&reader, pair[1]), 1);
	assert_same(&reader.msg, &msg);
	ck_assert(!reader.truncated);
	ck_assert_uint_eq(reader.msg.nfds, VU_MAX_FDS);
	for (unsigned int i = 0; i < VU_MAX_FDS; i++)
		ck_assert_int_eq(fcntl(reader.msg.fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);

	/* A descriptor that was taken stays open, the others do not. */
	int taken = reader.msg.fds[3];

	reader.msg.fds[3] = -1;
	vu_reader_next(&reader);
	ck_assert_uint_eq(open_fds(), before + 1);
	close(taken);
}
END_TEST

START_TEST(test_byte_by_byte)
{
	struct vu_msg msg = message(VU_SET_VRING_ADDR, sizeof(msg.p.addr));
	uint8_t wire[sizeof(msg)];
	size_t len = to_wire(&msg, wire);

	for (size_t i = 0; i < len; i++) {
		ck_assert_int_eq(vu_read(&reader, pair[1]), 0);
		/* The descriptor comes with the loop's byte of the header. */
		send_with_fds(wire + i, 1, i == (size_t)_i);
	}
	ck_assert_int_eq(vu_read(&reader, pair[1]), 1);
	assert_same(&reader.msg, &msg);
	ck_assert_uint_eq(reader.msg.nfds, 1);
	ck_assert(!reader.truncated);
}
END_TEST

START_TEST(test_empty_and_back_to_back)
{
	struct vu_msg first = message(VU_GET_FEATURES, 0), second = message(VU_SET_FEATURES, 8);
	uint8_t wire[2 * sizeof(first)];
	size_t len = to_wire(&first, wire);

	len += to_wire(&second, wire + len);
	send_with_fds(wire, len, 0);
	ck_assert_int_eq(vu_read(&reader, pair[1]), 1);
	assert_same(&reader.msg, &first);
	vu_reader_next(&reader);
	ck_assert_int_eq(vu_read(&reader, pair[1]), 1);
	assert_same(&reader.msg, &second);
	vu_reader_next(&reader);
	ck_assert_int_eq(vu_read(&reader, pair[1]), 0);
}
END_TEST

START_TEST(test_surplus_fds)
{
	struct vu_msg msg = message(VU_GET_FEATURES, 0);
	unsigned int before = open_fds();

	/* More than a message may have, and more than any control buffer here holds. */
	send_with_fds(&msg.h, sizeof(msg.h), (unsigned int)_i);
	ck_assert_int_eq(vu_read(&reader, pair[1]), 1);
	ck_assert(reader.truncated);
	ck_assert_uint_eq(reader.msg.nfds, VU_MAX_FDS);
	ck_assert_uint_eq(open_fds(), before + VU_MAX_FDS);
	vu_reader_next(&reader);
	ck_assert_uint_eq(open_fds(), before);
	ck_assert(!reader.truncated);
}
END_TEST

START_TEST(test_oversized_payload)
{
	static uint8_t wire[sizeof(struct vu_header) + VU_SIZE_LIMIT];
	struct vu_header head = {VU_SET_LOG_BASE, VU_VERSION, (uint32_t)_i};
	struct vu_msg next = message(VU_SET_VRING_NUM, 8);
	size_t len = sizeof(head) + head.size;

	memcpy(wire, &head, sizeof(head));
	memset(wire + sizeof(head), 0xee, head.size);
	/* In two pieces, so that the rest comes while it is being stepped over. */
	send_with_fds(wire, len / 2, 0);
	ck_assert_int_eq(vu_read(&reader, pair[1]), 0);
	send_with_fds(wire + len / 2, len - len / 2, 0);
	ck_assert_int_eq(vu_read(&reader, pair[1]), 1);
	ck_assert(reader.truncated);
	ck_assert_uint_eq(reader.msg.h.size, head.size);
	vu_reader_next(&reader);

	send_with_fds(wire, to_wire(&next, wire), 0);
	ck_assert_int_eq(vu_read(&reader, pair[1]), 1);
	assert_same(&reader.msg, &next);
	ck_assert(!reader.truncated);
}
END_TEST

START_TEST(test_bad_header)
{
	static const struct vu_header bad[] = {
		{VU_GET_FEATURES, 0, 0},
		{VU_GET_FEATURES, 2, 0},
		{VU_GET_FEATURES, 3 | VU_FLAG_NEED_REPLY, 8},
		{VU_GET_FEATURES, VU_VERSION, VU_SIZE_LIMIT + 1},
		{VU_GET_FEATURES, VU_VERSION, UINT32_MAX},
	};

	send_with_fds(&bad[_i], sizeof(bad[_i]), 0);
	ck_assert_int_eq(vu_read(&reader, pair[1]), -EPROTO);
}
END_TEST

START_TEST(test_end_of_connection)
{
	struct vu_msg msg = message(VU_SET_FEATURES, 8);

	/* After nothing, inside the header, inside the payload. */
	if (_i)
		send_with_fds(&msg.h, (size_t)_i, 1);
	shutdown(pair[0], SHUT_WR);
	ck_assert_int_eq(vu_read(&reader, pair[1]), -EPIPE);
	ck_assert_uint_eq(reader.msg.nfds, _i ? 1 : 0);
}
END_TEST

START_TEST(test_reset_connection)
{
	struct vu_msg msg = message(VU_SET_FEATURES, 8);
	size_t done = 0;

	/* Unread bytes turn the end into a reset; sending to it fails the same way. */
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	close(pair[0]);
	ck_assert_int_eq(vu_read(&reader, pair[1]), -EPIPE);
	ck_assert_int_eq(vu_send(pair[1], &msg, &done), -EPIPE);
	pair[0] = dup(pair[1]);
}
END_TEST

START_TEST(test_full_socket)
{
	struct vu_msg msg = message(VU_SET_MEM_TABLE, sizeof(msg.p.table));
	unsigned int before = open_fds(), sent = 0, got = 0;
	int small = 1, last;
	size_t done = 0;

	ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	msg.fds[msg.nfds++] = 2;
	while ((last = vu_send(pair[0], &msg, &done)) == 1) {
		sent++;
		done = 0;
	}
	ck_assert_int_eq(last, 0);
	ck_assert_uint_gt(sent, 0);

	/* The message that met the full socket is finished as room comes; each brings its descriptor once. */
	while (got < sent + 1) {
		if (last == 0)
			last = vu_send(pair[0], &msg, &done);
		ck_assert_int_ge(last, 0);
		if (vu_read(&reader, pair[1]) == 1) {
			assert_same(&reader.msg, &msg);
			ck_assert_uint_eq(reader.msg.nfds, 1);
			vu_reader_next(&reader);
			got++;
		}
	}
	ck_assert_int_eq(vu_read(&reader, pair[1]), 0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(test_send_refuses)
{
	struct vu_msg msg = message(VU_SET_CONFIG, sizeof(msg.p) + 1);
	size_t done = 0;

	ck_assert_int_eq(vu_send(pair[0], &msg, &done), -EINVAL);
	msg.h.size = 0;
	msg.nfds = VU_MAX_FDS + 1;
	ck_assert_int_eq(vu_send(pair[0], &msg, &done), -EINVAL);
	ck_assert_int_eq(vu_read(&reader, pair[1]), 0);
}
END_TEST

START_TEST(test_names)
{
	for (uint32_t r = 1; r < VU_REQUEST_MAX; r++)
		ck_assert_str_ne(vu_request_name(r), "UNKNOWN");
	ck_assert_str_eq(vu_request_name(VU_SET_MEM_TABLE), "SET_MEM_TABLE");
	ck_assert_str_eq(vu_request_name(0), "UNKNOWN");
	ck_assert_str_eq(vu_request_name(VU_REQUEST_MAX), "UNKNOWN");
	ck_assert_str_eq(vu_request_name(UINT32_MAX), "UNKNOWN");

	for (unsigned int bit = 0; bit < VU_PF_MAX; bit++) {
		ck_assert_ptr_nonnull(vu_protocol_feature_name(bit));
		ck_assert_int_eq(vu_protocol_feature_bit(vu_protocol_feature_name(bit)), (int)bit);
	}
	ck_assert_ptr_null(vu_protocol_feature_name(VU_PF_MAX));
	ck_assert_int_eq(vu_protocol_feature_bit("nonesuch"), -1);

	for (unsigned int bit = 0; bit < 64; bit++) {
		if (vu_feature_name(bit))
			ck_assert_int_eq(vu_feature_bit(vu_feature_name(bit)), (int)bit);
	}
	ck_assert_int_eq(vu_feature_bit("version_1"), 32);
	ck_assert_int_eq(vu_feature_bit("protocol_features"), VHOST_USER_F_PROTOCOL_FEATURES);
	ck_assert_ptr_null(vu_feature_name(0));
	ck_assert_ptr_null(vu_feature_name(64));
	ck_assert_int_eq(vu_feature_bit(""), -1);
}
END_TEST

Suite *suite_vu_msg(void)
{
	Suite *s = suite_create("vu_msg");
	TCase *tc = tcase_create("wire");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_round_trip);
	tcase_add_loop_test(tc, test_byte_by_byte, 0, sizeof(struct vu_header));
	tcase_add_test(tc, test_empty_and_back_to_back);
	tcase_add_loop_test(tc, test_surplus_fds, VU_MAX_FDS + 1, VU_MAX_FDS + 2);
	tcase_add_loop_test(tc, test_surplus_fds, 60, 61);
	tcase_add_loop_test(tc, test_oversized_payload, sizeof(union vu_payload) + 1, sizeof(union vu_payload) + 2);
	tcase_add_loop_test(tc, test_oversized_payload, VU_SIZE_LIMIT, VU_SIZE_LIMIT + 1);
	tcase_add_loop_test(tc, test_bad_header, 0, 5);
	tcase_add_loop_test(tc, test_end_of_connection, 0, 2);
	tcase_add_loop_test(tc, test_end_of_connection, 11, 20);
	tcase_add_test(tc, test_reset_connection);
	tcase_add_test(tc, test_full_socket);
	tcase_add_test(tc, test_send_refuses);
	tcase_add_test(tc, test_names);
	suite_add_tcase(s, tc);
	return s;
}
