/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_link.c - the front-end's connection: messages there and back, and waiting, in which the back channel is answered.
 */
#include "transport/frontend/frontend_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Pumps without effect after which a turn sleeps a little: timers and threads of the back end need time, not turns. */
#define FRUITLESS_PUMPS 16

int fe_fail(struct frontend *fe, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fe->why, sizeof(fe->why), fmt, ap);
	va_end(ap);
	return err;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t fe_deadline(unsigned int ms)
{
	return now_ms() + ms;
}

/* Sends what the socket takes of the answer. */
static void back_push(struct frontend *fe)
{
	fe->back_replying = vu_send(fe->back, &fe->back_reply, &fe->back_done) == 0;
}

/* Answers one request of the back channel, where it asked for that or has an answer of its own. */
static void back_answer(struct frontend *fe, const struct vu_msg *request, uint64_t result, int fd)
{
	struct vu_msg answer = frontend_msg(request->h.request, sizeof(answer.p.u64));

	if (!(request->h.flags & VU_FLAG_NEED_REPLY) && request->h.request != VU_BACKEND_SHARED_OBJECT_LOOKUP)
		return;
	answer.h.flags |= VU_FLAG_REPLY;
	if (fd >= 0)
		answer.fds[answer.nfds++] = fd;
	answer.p.u64 = result;
	fe->back_reply = answer;
	fe->back_done = 0;
	back_push(fe);
}

/* Answers all that has come on the back channel. */
static void back_service(struct frontend *fe)
{
	int got = 0;

	if (fe->back_replying)
		back_push(fe);
	while (!fe->back_replying && (got = vu_read(&fe->back_reader, fe->back)) == 1) {
		int fd = -1;
		uint64_t result = fe->back_handle(fe, &fe->back_reader.msg, &fd);

		back_answer(fe, &fe->back_reader.msg, result, fd);
		vu_reader_next(&fe->back_reader);
	}
	if (got < 0) {
		vu_reader_next(&fe->back_reader);
		close(fe->back);
		fe->back = -1;
		fe->back_replying = false;
	}
}

/* Polls, with the pump's turns when there is one.  Returns as poll does. */
static int turn_poll(struct frontend *fe, struct pollfd *fds, nfds_t count, int wait_ms)
{
	int n;

	if (!fe->pump)
		return poll(fds, count, wait_ms);

	n = poll(fds, count, 0);
	if (n == 0) {
		fe->pump(fe->pump_arg);
		n = poll(fds, count, fe->fruitless < FRUITLESS_PUMPS ? 0 : 1);
	}
	fe->fruitless = n == 0 ? fe->fruitless + 1 : 0;
	return n;
}

int fe_turn(struct frontend *fe, int fd, short events, uint64_t deadline)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = events},
		{.fd = fe->back_held || fe->sending ? -1 : fe->back, .events = fe->back_replying ? POLLOUT : POLLIN},
		{.fd = fe->sock, .events = 0},
	};
	uint64_t now = now_ms();
	int wait_ms = now < deadline ? (int)min_u64(deadline - now, INT32_MAX) : 0;
	int n = turn_poll(fe, fds, ARRAY_SIZE(fds), wait_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return now_ms() >= deadline ? -ETIMEDOUT : 0;
	if (fds[1].revents)
		back_service(fe);
	if (fds[0].revents)
		return 1;
	return fds[2].revents ? -EPIPE : 0;
}

const char *frontend_why(const struct frontend *fe)
{
	return fe->why;
}

int frontend_socket(const struct frontend *fe)
{
	return fe->sock;
}

void frontend_set_timeout(struct frontend *fe, unsigned int timeout_ms)
{
	fe->timeout_ms = timeout_ms;
}

void frontend_use_acks(struct frontend *fe, bool use)
{
	fe->acks = use;
}

uint64_t frontend_features(const struct frontend *fe)
{
	return fe->features;
}

uint64_t frontend_protocol_features(const struct frontend *fe)
{
	return fe->protocol;
}

bool frontend_has_protocol(const struct frontend *fe, enum vu_protocol_feature feature)
{
	return fe->protocol & BIT(feature);
}

struct frontend_mem *frontend_mem(struct frontend *fe)
{
	return fe->mem;
}

struct vu_msg frontend_msg(uint32_t request, uint32_t size)
{
	return (struct vu_msg){.h = {.request = request, .flags = VU_VERSION, .size = size}};
}

/* Waits until the socket takes more.  what: for the reason. */
static int wait_sendable(struct frontend *fe, uint64_t deadline, const char *what)
{
	int ready;

	do {
		ready = fe_turn(fe, fe->sock, POLLOUT, deadline);
	} while (ready == 0);
	if (ready < 0)
		return fe_fail(fe, ready, "%s could not be sent: %s", what, strerror(-ready));
	return 0;
}

int frontend_send(struct frontend *fe, const struct vu_msg *msg)
{
	const char *name = vu_request_name(msg->h.request);
	uint64_t deadline = fe_deadline(fe->timeout_ms);
	size_t done = 0;
	int sent, err = 0;

	fe->sending = true;
	while (!err && (sent = vu_send(fe->sock, msg, &done)) == 0)
		err = wait_sendable(fe, deadline, name);
	fe->sending = false;
	if (err)
		return err;
	if (sent < 0)
		return fe_fail(fe, sent, "%s could not be sent: %s", name, strerror(-sent));
	return 0;
}

int frontend_send_bytes(struct frontend *fe, const void *bytes, size_t len, const int *fds, unsigned int nfds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
		struct cmsghdr head;
	} control = {{0}};
	uint64_t deadline = fe_deadline(fe->timeout_ms);

	if (nfds > 64)
		return -EINVAL;
	for (size_t done = 0; done < len;) {
		struct iovec iov = {.iov_base = (char *)bytes + done, .iov_len = len - done};
		struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

		if (done == 0 && nfds) {
			/* The lengths: size_t in glibc, socklen_t in musl */
			control.head.cmsg_len = (__typeof__(control.head.cmsg_len))CMSG_LEN(sizeof(int) * nfds);
			control.head.cmsg_level = SOL_SOCKET;
			control.head.cmsg_type = SCM_RIGHTS;
			memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * nfds);
			mh.msg_control = control.bytes;
			mh.msg_controllen = (__typeof__(mh.msg_controllen))CMSG_SPACE(sizeof(int) * nfds);
		}

		ssize_t n = sendmsg(fe->sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fe_fail(fe, -errno, "bytes could not be sent: %s", strerror(errno));

		int err = wait_sendable(fe, deadline, "bytes");

		if (err)
			return err;
	}
	return 0;
}

/* frontend_recv; what: for the reason, the request that is to be answered. */
static int fe_recv(struct frontend *fe, struct vu_msg *msg, const char *what)
{
	uint64_t deadline = fe_deadline(fe->timeout_ms);
	int got;

	while ((got = vu_read(&fe->reader, fe->sock)) == 0) {
		int ready = fe_turn(fe, fe->sock, POLLIN, deadline);

		if (ready == -ETIMEDOUT)
			return fe_fail(fe, ready, "no answer to %s within %u ms", what, fe->timeout_ms);
		if (ready < 0)
			return fe_fail(fe, ready, "%s: %s", what, strerror(-ready));
	}
	if (got == -EPIPE)
		return fe_fail(fe, got, "the connection ended after %s", what);
	if (got < 0)
		return fe_fail(fe, got, "the answer to %s is no message: %s", what, strerror(-got));

	bool truncated = fe->reader.truncated;

	*msg = fe->reader.msg;
	fe->reader.msg.nfds = 0;
	vu_reader_next(&fe->reader);
	if (truncated) {
		vu_msg_close_fds(msg);
		return fe_fail(fe, -EPROTO, "the answer to %s is longer than any", what);
	}
	return 0;
}

int frontend_recv(struct frontend *fe, struct vu_msg *msg)
{
	return fe_recv(fe, msg, "nothing");
}

/* Waits for the answer to a request. */
static int fe_answer(struct frontend *fe, uint32_t request, struct vu_msg *answer)
{
	const char *name = vu_request_name(request);
	int err = fe_recv(fe, answer, name);

	if (err)
		return err;
	if (answer->h.request != request || !(answer->h.flags & VU_FLAG_REPLY)) {
		vu_msg_close_fds(answer);
		return fe_fail(fe, -EPROTO, "%s was answered with request %u, flags 0x%x", name, answer->h.request,
			       answer->h.flags);
	}
	return 0;
}

int frontend_ask(struct frontend *fe, const struct vu_msg *msg, struct vu_msg *answer)
{
	int err = frontend_send(fe, msg);

	return err ? err : fe_answer(fe, msg->h.request, answer);
}

/* Asks and checks that the answer has this many bytes and no descriptors. */
static int ask_sized(struct frontend *fe, const struct vu_msg *msg, struct vu_msg *answer, uint32_t size)
{
	int err = frontend_ask(fe, msg, answer);

	if (err)
		return err;
	vu_msg_close_fds(answer);
	if (answer->h.size != size)
		return fe_fail(fe, -EPROTO, "the answer to %s has %u bytes, not %u", vu_request_name(msg->h.request),
			       answer->h.size, size);
	return 0;
}

int frontend_tell(struct frontend *fe, const struct vu_msg *msg)
{
	struct vu_msg request = *msg, answer;
	const char *name = vu_request_name(msg->h.request);
	int err;

	if (!fe->acks || !frontend_has_protocol(fe, VU_PF_REPLY_ACK))
		return frontend_send(fe, msg);

	request.h.flags |= VU_FLAG_NEED_REPLY;
	err = ask_sized(fe, &request, &answer, sizeof(answer.p.u64));
	if (err)
		return err;
	if (answer.p.u64)
		return fe_fail(fe, -EREMOTEIO, "%s was refused (%llu)", name, (unsigned long long)answer.p.u64);
	return 0;
}

int frontend_ask_u64(struct frontend *fe, uint32_t request, uint64_t *value)
{
	struct vu_msg msg = frontend_msg(request, 0), answer;
	int err = ask_sized(fe, &msg, &answer, sizeof(answer.p.u64));

	if (!err)
		*value = answer.p.u64;
	return err;
}

int frontend_tell_u64(struct frontend *fe, uint32_t request, uint64_t value)
{
	struct vu_msg msg = frontend_msg(request, sizeof(msg.p.u64));

	msg.p.u64 = value;
	return frontend_tell(fe, &msg);
}

int frontend_tell_empty(struct frontend *fe, uint32_t request)
{
	struct vu_msg msg = frontend_msg(request, 0);

	return frontend_tell(fe, &msg);
}

int frontend_sync(struct frontend *fe)
{
	uint64_t features;

	return frontend_ask_u64(fe, VU_GET_FEATURES, &features);
}

int frontend_wait_closed(struct frontend *fe)
{
	uint64_t deadline = fe_deadline(fe->timeout_ms);

	for (;;) {
		int got = vu_read(&fe->reader, fe->sock);

		if (got < 0)
			return got == -EPIPE ? 0 : got;
		if (got == 1) {
			vu_reader_next(&fe->reader);
			continue;
		}

		int ready = fe_turn(fe, fe->sock, POLLIN, deadline);

		if (ready == -ETIMEDOUT)
			return fe_fail(fe, ready, "the connection lives on");
		if (ready < 0)
			return ready == -EPIPE ? 0 : ready;
	}
}

unsigned int frontend_back_channel_errors(const struct frontend *fe)
{
	return fe->back_errors;
}
