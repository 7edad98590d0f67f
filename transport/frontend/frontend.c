/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend.c - a small vhost-user front-end, the connection and its messages: QEMU docs/interop/vhost-user.rst.
 */
#include "transport/frontend/frontend_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/state.h"
#include "transport/ring/virtq.h"

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

/* Takes one request of the back channel.  Returns what to answer: 0 or 1, and *fd. */
static uint64_t back_handle(struct frontend *fe, const struct vu_msg *msg, int *fd)
{
	unsigned int index = msg->p.state.index;
	struct fe_queue *queue = index < FRONTEND_MAX_QUEUES ? fe->queues[index] : NULL;

	switch (msg->h.request) {
	case VU_BACKEND_IOTLB_MSG:
		if (fe_iotlb_handle(fe, msg))
			break;
		return 0;
	case VU_BACKEND_CONFIG_CHANGE_MSG:
		fe->config_changes++;
		return 0;
	case VU_BACKEND_VRING_CALL:
	case VU_BACKEND_VRING_ERR:
		if (msg->h.size != sizeof(msg->p.state) || !queue)
			break;
		if (msg->h.request == VU_BACKEND_VRING_CALL)
			queue->calls++;
		else
			queue->errs++;
		return 0;
	case VU_BACKEND_SHARED_OBJECT_ADD:
	case VU_BACKEND_SHARED_OBJECT_REMOVE:
	case VU_BACKEND_SHARED_OBJECT_LOOKUP:
	case VU_BACKEND_SHMEM_MAP:
	case VU_BACKEND_SHMEM_UNMAP:
		return fe_shared_handle(fe, msg, fd);
	}
	fe->back_errors++;
	return 1;
}

/* Answers all that has come on the back channel. */
static void back_service(struct frontend *fe)
{
	int got = 0;

	if (fe->back_replying)
		back_push(fe);
	while (!fe->back_replying && (got = vu_read(&fe->back_reader, fe->back)) == 1) {
		int fd = -1;
		uint64_t result = back_handle(fe, &fe->back_reader.msg, &fd);

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

static int fe_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int sock;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len);

	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr))) {
		int err = -errno;

		close(sock);
		return err;
	}
	return sock;
}

int frontend_new(const struct frontend_opts *opts, struct frontend **out)
{
	int sock = opts->path ? fe_connect(opts->path) : opts->fd;
	struct frontend *fe;

	if (sock < 0)
		return sock;
	fe = calloc(1, sizeof(*fe));
	if (!fe) {
		close(sock);
		return -ENOMEM;
	}
	fe->sock = sock;
	fe->back = -1;
	fe->timeout_ms = opts->timeout_ms ? opts->timeout_ms : FRONTEND_TIMEOUT_MS;
	fe->pump = opts->pump;
	fe->pump_arg = opts->pump_arg;
	fe->acks = true;
	*out = fe;
	return 0;
}

int frontend_reconnect(struct frontend *fe, const char *path)
{
	int sock = fe_connect(path);

	if (sock < 0)
		return sock;
	vu_reader_next(&fe->reader);
	vu_reader_next(&fe->back_reader);
	if (fe->back >= 0)
		close(fe->back);
	fe->back = -1;
	fe->back_replying = false;
	close(fe->sock);
	fe->sock = sock;
	fe->features = fe->protocol = 0;
	fe->log.on = false;
	fe_shared_reset(fe, false);
	return 0;
}

void frontend_free(struct frontend *fe)
{
	if (!fe)
		return;
	for (unsigned int q = 0; q < FRONTEND_MAX_QUEUES; q++)
		frontend_queue_close(fe, q);
	vu_reader_next(&fe->reader);
	vu_reader_next(&fe->back_reader);
	if (fe->back >= 0)
		close(fe->back);
	close(fe->sock);
	frontend_mem_free(fe->mem);
	fe_log_free(fe);
	fe_shared_reset(fe, true);
	free(fe);
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

int frontend_make_mem(struct frontend *fe, const struct frontend_mem_ops *ops, const struct frontend_region *regions,
		      unsigned int count)
{
	struct frontend_mem *mem;
	int err = frontend_mem_new(ops, regions, count, &mem);

	if (err)
		return fe_fail(fe, err, "no memory to share: %s", strerror(-err));
	frontend_mem_free(fe->mem);
	fe->mem = mem;
	return 0;
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

int frontend_sync(struct frontend *fe)
{
	uint64_t features;

	return frontend_get_features(fe, &features);
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

static int ask_u64(struct frontend *fe, uint32_t request, uint64_t *value)
{
	struct vu_msg msg = frontend_msg(request, 0), answer;
	int err = ask_sized(fe, &msg, &answer, sizeof(answer.p.u64));

	if (!err)
		*value = answer.p.u64;
	return err;
}

static int tell_u64(struct frontend *fe, uint32_t request, uint64_t value)
{
	struct vu_msg msg = frontend_msg(request, sizeof(msg.p.u64));

	msg.p.u64 = value;
	return frontend_tell(fe, &msg);
}

static int tell_empty(struct frontend *fe, uint32_t request)
{
	struct vu_msg msg = frontend_msg(request, 0);

	return frontend_tell(fe, &msg);
}

int frontend_get_features(struct frontend *fe, uint64_t *features)
{
	return ask_u64(fe, VU_GET_FEATURES, features);
}

int frontend_set_features(struct frontend *fe, uint64_t features)
{
	int err = tell_u64(fe, VU_SET_FEATURES, features);

	if (!err)
		fe->features = features;
	return err;
}

int frontend_get_protocol_features(struct frontend *fe, uint64_t *features)
{
	return ask_u64(fe, VU_GET_PROTOCOL_FEATURES, features);
}

int frontend_set_protocol_features(struct frontend *fe, uint64_t features)
{
	int err = tell_u64(fe, VU_SET_PROTOCOL_FEATURES, features);

	if (!err)
		fe->protocol = features;
	return err;
}

int frontend_set_owner(struct frontend *fe)
{
	return tell_empty(fe, VU_SET_OWNER);
}

int frontend_reset_owner(struct frontend *fe)
{
	return tell_empty(fe, VU_RESET_OWNER);
}

int frontend_reset_device(struct frontend *fe)
{
	fe_shared_reset(fe, false);
	return tell_empty(fe, VU_RESET_DEVICE);
}

int frontend_get_queue_num(struct frontend *fe, uint64_t *num)
{
	return ask_u64(fe, VU_GET_QUEUE_NUM, num);
}

int frontend_get_status(struct frontend *fe, uint64_t *status)
{
	return ask_u64(fe, VU_GET_STATUS, status);
}

int frontend_set_status(struct frontend *fe, uint64_t status)
{
	return tell_u64(fe, VU_SET_STATUS, status);
}

int frontend_get_max_mem_slots(struct frontend *fe, uint64_t *slots)
{
	return ask_u64(fe, VU_GET_MAX_MEM_SLOTS, slots);
}

/* Puts a region behind the payload that is there already, in the layout that was negotiated, and its descriptor. */
uint64_t frontend_region_user(const struct frontend *fe, const struct frontend_region *region)
{
	return frontend_has_protocol(fe, VU_PF_GPA_ADDRESSES) ? region->guest_addr : region->user_addr;
}

static void put_region(const struct frontend *fe, struct vu_msg *msg, const struct frontend_region *region)
{
	const struct vu_xen_region x = {
		.region =
			{
				.guest_addr = region->guest_addr,
				.size = region->size,
				.user_addr = frontend_region_user(fe, region),
				.offset = region->offset,
			},
		.flags = region->xen_flags,
		.domid = region->xen_domid,
	};
	uint32_t size = frontend_has_protocol(fe, VU_PF_XEN_MMAP) ? sizeof(x) : sizeof(x.region);

	memcpy(msg->p.bytes + msg->h.size, &x, size);
	msg->h.size += size;
}

static void put_region_fd(struct vu_msg *msg, const struct frontend_region *region)
{
	if (region->fd >= 0 && !region->no_fd)
		msg->fds[msg->nfds++] = region->fd;
}

int frontend_add_mem_reg(struct frontend *fe, const struct frontend_region *region)
{
	struct vu_msg msg = frontend_msg(VU_ADD_MEM_REG, offsetof(struct vu_mem_reg, region));

	put_region(fe, &msg, region);
	put_region_fd(&msg, region);
	return frontend_tell(fe, &msg);
}

int frontend_rem_mem_reg(struct frontend *fe, const struct frontend_region *region)
{
	struct vu_msg msg = frontend_msg(VU_REM_MEM_REG, offsetof(struct vu_mem_reg, region));

	put_region(fe, &msg, region);
	return frontend_tell(fe, &msg);
}

int fe_mem_table(struct frontend *fe, struct vu_msg *out)
{
	unsigned int count = fe->mem ? frontend_mem_count(fe->mem) : 0;
	unsigned int max = frontend_has_protocol(fe, VU_PF_XEN_MMAP) ? VU_MAX_XEN_REGIONS : VU_MAX_REGIONS;
	struct vu_msg msg = frontend_msg(VU_SET_MEM_TABLE, offsetof(struct vu_mem_table, regions));

	if (count > max)
		return fe_fail(fe, -E2BIG, "%u regions do not fit into SET_MEM_TABLE", count);
	msg.p.table.nregions = count;
	for (unsigned int i = 0; i < count; i++) {
		const struct frontend_region *region = frontend_mem_region(fe->mem, i);

		put_region(fe, &msg, region);
		put_region_fd(&msg, region);
	}
	*out = msg;
	return 0;
}

int frontend_set_mem_table(struct frontend *fe)
{
	struct vu_msg msg;
	int err = fe_mem_table(fe, &msg);

	return err ? err : frontend_tell(fe, &msg);
}

int frontend_get_config(struct frontend *fe, uint32_t offset, void *buf, uint32_t size)
{
	struct vu_msg msg = frontend_msg(VU_GET_CONFIG, (uint32_t)VU_CONFIG_HEAD + size), answer;
	int err;

	if (size > VU_MAX_CONFIG_SIZE)
		return -EINVAL;
	msg.p.config.offset = offset;
	msg.p.config.size = size;
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	vu_msg_close_fds(&answer);
	/* The standard's error is an empty payload; others keep the head and say size 0 in it. */
	if (answer.h.size < msg.h.size && (answer.h.size == 0 || answer.p.config.size == 0))
		return fe_fail(fe, -EREMOTEIO, "GET_CONFIG was refused");
	if (answer.h.size != msg.h.size || answer.p.config.size != size || answer.p.config.offset != offset)
		return fe_fail(fe, -EPROTO, "GET_CONFIG of %u bytes at %u was answered with %u bytes, %u at %u", size,
			       offset, answer.h.size, answer.p.config.size, answer.p.config.offset);
	memcpy(buf, answer.p.config.data, size);
	return 0;
}

int frontend_set_config(struct frontend *fe, uint32_t offset, const void *buf, uint32_t size, uint32_t flags)
{
	struct vu_msg msg = frontend_msg(VU_SET_CONFIG, (uint32_t)VU_CONFIG_HEAD + size);

	if (size > VU_MAX_CONFIG_SIZE)
		return -EINVAL;
	msg.p.config.offset = offset;
	msg.p.config.size = size;
	msg.p.config.flags = flags;
	memcpy(msg.p.config.data, buf, size);
	return frontend_tell(fe, &msg);
}

int frontend_vring_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_msg msg = frontend_msg(request, sizeof(msg.p.state));

	msg.p.state.index = index;
	msg.p.state.num = num;
	return frontend_tell(fe, &msg);
}

int frontend_vring_addr(struct frontend *fe, const struct vu_vring_addr *addr)
{
	struct vu_msg msg = frontend_msg(VU_SET_VRING_ADDR, sizeof(msg.p.addr));

	msg.p.addr = *addr;
	return frontend_tell(fe, &msg);
}

int frontend_vring_fd(struct frontend *fe, uint32_t request, uint32_t index, int fd)
{
	struct vu_msg msg = frontend_msg(request, sizeof(msg.p.u64));

	msg.p.u64 = index;
	if (fd >= 0)
		msg.fds[msg.nfds++] = fd;
	else
		msg.p.u64 |= VU_VRING_NOFD;
	return frontend_tell(fe, &msg);
}

int frontend_get_inflight(struct frontend *fe, struct vu_inflight *about, int *fd)
{
	struct vu_msg msg = frontend_msg(VU_GET_INFLIGHT_FD, sizeof(msg.p.inflight)), answer;
	int err;

	msg.p.inflight = *about;
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	if (answer.h.size != sizeof(answer.p.inflight) || answer.nfds != 1) {
		vu_msg_close_fds(&answer);
		return fe_fail(fe, -EPROTO, "the answer to GET_INFLIGHT_FD has %u bytes and %u descriptors, not 24 and 1",
			       answer.h.size, answer.nfds);
	}
	about->size = answer.p.inflight.size;
	about->offset = answer.p.inflight.offset;
	*fd = answer.fds[0];
	return 0;
}

int frontend_set_inflight(struct frontend *fe, const struct vu_inflight *about, int fd)
{
	struct vu_msg msg = frontend_msg(VU_SET_INFLIGHT_FD, sizeof(msg.p.inflight));

	msg.p.inflight = *about;
	msg.fds[msg.nfds++] = fd;
	return frontend_tell(fe, &msg);
}

/* Gives one end of a pipe to the back end.  Returns the other, or a negative error. */
static int state_pipe(struct frontend *fe, uint32_t direction)
{
	struct vu_msg msg = frontend_msg(VU_SET_DEVICE_STATE_FD, sizeof(msg.p.device_state)), answer;
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC))
		return fe_fail(fe, -errno, "no pipe: %s", strerror(errno));
	int theirs = ends[direction == VU_STATE_SAVE ? 1 : 0], ours = ends[direction == VU_STATE_SAVE ? 0 : 1];

	/* Theirs blocks: not all look whether there is something to read. */
	fd_prepare(ours);
	msg.p.device_state.direction = direction;
	msg.fds[msg.nfds++] = theirs;
	err = frontend_ask(fe, &msg, &answer);
	close(theirs);
	if (!err) {
		vu_msg_close_fds(&answer);
		if (answer.h.size != sizeof(answer.p.u64) || answer.p.u64 != VU_VRING_NOFD)
			err = fe_fail(fe, -EREMOTEIO, "SET_DEVICE_STATE_FD was answered with 0x%llx",
				      (unsigned long long)answer.p.u64);
	}
	if (!err)
		return ours;
	close(ours);
	return err;
}

/* Closes our end, and asks what has become of it. */
static int state_check(struct frontend *fe, int fd)
{
	struct vu_msg msg = frontend_msg(VU_CHECK_DEVICE_STATE, 0), answer;
	int err;

	close(fd);
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	vu_msg_close_fds(&answer);
	return answer.p.u64 ? fe_fail(fe, -EREMOTEIO, "CHECK_DEVICE_STATE was answered with %llu",
				      (unsigned long long)answer.p.u64) :
			      0;
}

int frontend_save_state(struct frontend *fe, void **bytes, size_t *len)
{
	uint64_t deadline = fe_deadline(fe->timeout_ms);
	struct state s = {0};
	uint8_t chunk[4096];
	ssize_t n = -1;
	int err = 0, fd = state_pipe(fe, VU_STATE_SAVE);

	if (fd < 0)
		return fd;
	while (!err && n) {
		err = fe_turn(fe, fd, POLLIN, deadline);
		n = err > 0 ? read(fd, chunk, sizeof(chunk)) : -1;
		err = err < 0 ? err : 0;
		if (n > 0)
			state_append(&s, chunk, (size_t)n);
	}
	if (err)
		close(fd);
	else
		err = state_check(fe, fd);
	*bytes = s.bytes;
	*len = s.len;
	if (err)
		free(s.bytes);
	return err;
}

int frontend_load_state(struct frontend *fe, const void *bytes, size_t len)
{
	uint64_t deadline = fe_deadline(fe->timeout_ms);
	int err = 0, fd = state_pipe(fe, VU_STATE_LOAD);

	if (fd < 0)
		return fd;
	for (size_t done = 0; !err && done < len;) {
		ssize_t n;

		err = fe_turn(fe, fd, POLLOUT, deadline);
		n = err > 0 ? write(fd, (const char *)bytes + done, len - done) : 0;
		err = err < 0 ? err : 0;
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EPIPE)
			break; /* it has had enough: the check tells */
	}
	if (!err)
		return state_check(fe, fd);
	close(fd);
	return err;
}

/* Stops a ring by one of two messages. */
static int ask_base(struct frontend *fe, uint32_t request, uint32_t index, uint32_t *base)
{
	struct vu_msg msg = frontend_msg(request, sizeof(msg.p.state)), answer;
	int err;

	msg.p.state.index = index;
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	vu_msg_close_fds(&answer);
	/* Some refuse with the shape of an acknowledgement. */
	if (answer.h.size == sizeof(answer.p.u64) && answer.p.state.index != index)
		return fe_fail(fe, -EREMOTEIO, "%s was refused", vu_request_name(request));
	if (answer.h.size != sizeof(answer.p.state))
		return fe_fail(fe, -EPROTO, "the answer to %s has %u bytes, not 8", vu_request_name(request), answer.h.size);
	*base = answer.p.state.num;
	return 0;
}

int frontend_get_vring_base(struct frontend *fe, uint32_t index, uint32_t *base)
{
	return ask_base(fe, VU_GET_VRING_BASE, index, base);
}

int frontend_get_vring_base_skip_drain(struct frontend *fe, uint32_t index, uint32_t *base)
{
	return ask_base(fe, VU_GET_VRING_BASE_SKIP_DRAIN, index, base);
}

int frontend_vring_kick(struct frontend *fe, uint32_t index)
{
	return frontend_vring_state(fe, VU_VRING_KICK, index, 0);
}

int frontend_negotiate(struct frontend *fe, uint64_t features, uint64_t protocol_features)
{
	uint64_t offered, protocol_offered;
	int err = frontend_set_owner(fe);

	if (err)
		return err;
	err = frontend_get_features(fe, &offered);
	if (err)
		return err;
	if (offered & BIT(VHOST_USER_F_PROTOCOL_FEATURES)) {
		err = frontend_get_protocol_features(fe, &protocol_offered);
		if (err)
			return err;
		err = frontend_set_protocol_features(fe, protocol_features & protocol_offered);
		if (err)
			return err;
	}
	return frontend_set_features(fe, features & offered);
}

int frontend_open_back_channel(struct frontend *fe)
{
	struct vu_msg msg = frontend_msg(VU_SET_BACKEND_REQ_FD, 0);
	int pair[2];
	int err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return fe_fail(fe, -errno, "no socket pair: %s", strerror(errno));
	if (fe->back >= 0)
		close(fe->back);
	vu_reader_next(&fe->back_reader);
	fe->back = pair[0];
	fe->back_replying = false;
	msg.fds[msg.nfds++] = pair[1];
	err = frontend_tell(fe, &msg);
	close(pair[1]);
	return err;
}

int frontend_wait_config_change(struct frontend *fe)
{
	uint64_t deadline = fe_deadline(fe->timeout_ms);

	while (!fe->config_changes) {
		int ready = fe_turn(fe, -1, 0, deadline);

		if (ready < 0)
			return fe_fail(fe, ready, "no CONFIG_CHANGE_MSG: %s", strerror(-ready));
	}
	fe->config_changes--;
	return 0;
}

unsigned int frontend_back_channel_errors(const struct frontend *fe)
{
	return fe->back_errors;
}
