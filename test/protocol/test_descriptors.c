/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_descriptors.c - descriptors of a hostile front-end: of kinds the loop cannot wait for, the front-end's own end of the
 * connection, flags that are changed afterwards; and front-ends that go while somebody else holds what they gave.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/lib/vdevd_process.h"
#include "test/unit/suites.h"
#include "transport/vu_msg.h"

static const struct device_suite rng_suite = {
	.device = "rng",
};

static struct carrier *c;
static struct frontend *fe;

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (!carrier_built(&rng_suite))
		return;
	c = carrier_open(CARRIER_BINARY, &rng_suite);
	fe = carrier_frontend(c);
}

static void teardown(void)
{
	if (carrier_built(&rng_suite))
		carrier_close(c);
}

static void ok(int err)
{
	ck_assert_msg(err == 0, "%s", frontend_why(fe));
}

/* One that is closed leaves the next, so all stay open until the deepest has been tried. */
static int nest[16];
static unsigned int nested;

static void nest_close(void)
{
	while (nested)
		close(nest[--nested]);
}

/* A chain of epoll instances, each in the next, as deep as can be. */
static int deep_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int inner = epoll_create1(EPOLL_CLOEXEC);

	for (;;) {
		int outer = epoll_create1(EPOLL_CLOEXEC);

		ck_assert_int_ge(outer, 0);
		if (epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event) < 0) {
			ck_assert_int_eq(errno, ELOOP);
			close(outer);
			return inner;
		}
		ck_assert_uint_lt(nested, ARRAY_SIZE(nest));
		nest[nested++] = inner;
		inner = outer;
	}
}

enum kind { PATH, DEEP_EPOLL, MEMORY, ZERO, SOCKET, OWN_END, KINDS };

static int make(enum kind kind, int *also)
{
	int ends[2];

	*also = -1;
	switch (kind) {
	case PATH:
		return open("/", O_PATH | O_CLOEXEC);
	case DEEP_EPOLL:
		return deep_epoll();
	case MEMORY:
		return memfd_create("odd", MFD_CLOEXEC);
	case ZERO:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case SOCKET:
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		*also = ends[1];
		return ends[0];
	default:
		return fcntl(frontend_socket(fe), F_DUPFD_CLOEXEC, 0);
	}
}

static const struct {
	const char *name;
	uint32_t request, size, answers;
	bool socket_fits;
} messages[] = {
	{"SET_VRING_KICK", VU_SET_VRING_KICK, 8, false, true},
	{"SET_VRING_CALL", VU_SET_VRING_CALL, 8, false, true},
	{"SET_VRING_ERR", VU_SET_VRING_ERR, 8, false, true},
	{"SET_LOG_FD", VU_SET_LOG_FD, 0, false, true},
	{"SET_BACKEND_REQ_FD", VU_SET_BACKEND_REQ_FD, 0, false, true},
	{"SET_DEVICE_STATE_FD", VU_SET_DEVICE_STATE_FD, 8, true, true},
};

/* Each kind with each message: refused, and the process goes on and serves the next front-end. */
START_TEST(test_kinds)
{
	if (!carrier_built(&rng_suite))
		test_skip("no rng in this build");
	/* A state is transferred while rings do not run. */
	carrier_sample(c);
	unsigned int fds = carrier_count_fds(c);

	for (enum kind kind = 0; kind < KINDS; kind++) {
		/* The front-end would wait for its own: test_sockets. */
		if (kind == SOCKET && (messages[_i].request == VU_SET_VRING_KICK || messages[_i].request == VU_SET_VRING_CALL))
			continue;
		struct vu_msg msg = frontend_msg(messages[_i].request, messages[_i].size), answer;
		int also, fd = make(kind, &also);
		uint32_t base = 0;

		ck_assert_int_ge(fd, 0);
		if (messages[_i].answers)
			base = carrier_stop(c, 0);
		msg.fds[msg.nfds++] = fd;
		if (!messages[_i].answers)
			msg.h.flags |= VU_FLAG_NEED_REPLY;
		ok(frontend_ask(fe, &msg, &answer));
		const bool refused = messages[_i].answers ? answer.p.u64 & 0xff : answer.p.u64 != 0;

		ck_assert_msg(refused == !(kind == SOCKET && messages[_i].socket_fits), "%s, kind %d", messages[_i].name, kind);
		close(fd);
		nest_close();
		if (also >= 0)
			close(also);
		if (messages[_i].answers)
			carrier_start(c, 0, base);
		carrier_idle(c, 2);
		carrier_sample(c);
		if (!messages[_i].socket_fits || kind != SOCKET)
			ck_assert_uint_le(carrier_count_fds(c), fds + messages[_i].socket_fits);
	}
	carrier_reconnect(c);
	carrier_sample(c);
}
END_TEST

/* User-Mode Linux has sockets for notifications: they serve, also when they are full, and end with their ring. */
START_TEST(test_sockets)
{
	static const struct frontend_request_opts silent = {.no_kick = true};
	struct frontend_request *req;
	int kick[2], call[2];
	uint64_t got[2];
	uint8_t answer[16];
	uint32_t base;

	if (!carrier_built(&rng_suite))
		test_skip("no rng in this build");
	base = carrier_stop(c, 0);
	carrier_start(c, 0, base);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, kick), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, call), 0);
	ok(frontend_vring_fd(fe, VU_SET_VRING_CALL, 0, call[0]));
	ok(frontend_vring_fd(fe, VU_SET_VRING_KICK, 0, kick[0]));
	carrier_idle(c, 5);
	while (recv(call[1], got, sizeof(got), MSG_DONTWAIT) > 0)
		;
	ok(frontend_submit(fe, 0, NULL, 0, sizeof(answer), &silent, &req));
	got[0] = 1;
	ck_assert_int_eq(write(kick[1], got, 8), 8);
	carrier_idle(c, 20);
	ck_assert_int_eq(recv(call[1], got, sizeof(got), MSG_DONTWAIT), 8);
	ck_assert_uint_eq(got[0], 1);
	ok(frontend_submit(fe, 0, NULL, 0, sizeof(answer), &silent, &req));
	while (send(call[0], got, 1, MSG_DONTWAIT) == 1)
		;
	ck_assert_int_eq(write(kick[1], got, 8), 8);
	carrier_idle(c, 20);
	ok(frontend_ask_u64(fe, VU_GET_FEATURES, &got[0]));
	close(call[0]);
	close(call[1]);
	close(kick[0]);
	close(kick[1]);
	carrier_reconnect(c);
	carrier_sample(c);
}
END_TEST

/* A full eventfd that was made blocking afterwards: it costs a second, once, and then nothing. */
START_TEST(test_made_blocking)
{
	const uint64_t full = UINT64_MAX - 1;
	uint64_t least = UINT64_MAX;
	eventfd_t value;
	char *log;

	if (!carrier_built(&rng_suite))
		test_skip("no rng in this build");
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	ok(frontend_vring_fd(fe, VU_SET_VRING_CALL, 0, fd));
	carrier_idle(c, 5);
	eventfd_read(fd, &value);
	ck_assert_int_eq(write(fd, &full, sizeof(full)), 8);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	for (unsigned int i = 0; i < 6; i++) {
		const uint64_t begin = process_now_us();
		uint64_t features;

		ck_assert_ptr_nonnull(carrier_submit(c, 0, NULL, 0, 16));
		carrier_idle(c, 5);
		ok(frontend_ask_u64(fe, VU_GET_FEATURES, &features));
		/* In vain once; a busy machine is slow now and then, one that is blocked each time. */
		if (i)
			least = min_u64(least, process_now_us() - begin);
	}
	ck_assert_uint_lt(least, 900000);
	log = carrier_log(c);
	ck_assert_ptr_nonnull(strstr(log, "the call descriptor blocks"));
	free(log);
	close(fd);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	carrier_sample(c);
}
END_TEST

/* The front-end goes while the answer to CHECK_DEVICE_STATE waits for a pipe that a third one holds open: the next is served. */
START_TEST(test_gone_in_transfer)
{
	struct vu_msg msg = frontend_msg(VU_SET_DEVICE_STATE_FD, 8), answer;
	int ends[2];

	if (!carrier_built(&rng_suite))
		test_skip("no rng in this build");
	carrier_stop(c, 0);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	msg.p.device_state.direction = VU_STATE_LOAD;
	msg.fds[msg.nfds++] = ends[0];
	ok(frontend_ask(fe, &msg, &answer));
	ck_assert_uint_eq(answer.p.u64, VU_VRING_NOFD);
	msg = frontend_msg(VU_CHECK_DEVICE_STATE, 0);
	ok(frontend_send(fe, &msg));
	carrier_idle(c, 20);
	carrier_reconnect(c);
	fe = carrier_frontend(c);
	carrier_sample(c);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

Suite *suite_descriptors(void)
{
	Suite *s = suite_create("descriptors");
	TCase *tc = tcase_create("from outside");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_kinds, 0, ARRAY_SIZE(messages));
	tcase_add_test(tc, test_sockets);
	tcase_add_test(tc, test_made_blocking);
	tcase_add_test(tc, test_gone_in_transfer);
	suite_add_tcase(s, tc);
	return s;
}
