/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_table.c - `vdevd probe --table`: each feature and message of the protocol, and what the back end makes of it, as
 * a column in Markdown.  QEMU docs/interop/vhost-user.rst, "Protocol features", "Front-end message types".
 *
 * Each message is sent once, well-formed, on a connection of its own, and only where its feature is offered.
 */
#include "cmd/probe/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transport/ring/virtq.h"

/* Of a log for more than all the memory that rows share. */
#define LOG_BYTES 262144

/* The device that GPU_SET_SOCKET is for: VIRTIO 1.4, section 5.7. */
#define GPU_ID 16

/* What is not there. */
#define NONE "–"

/* What came of a message, in a word or two. */
static enum probe_verdict outcome(struct probe *p, int err)
{
	if (!err)
		err = frontend_sync(p->fe);
	switch (err) {
	case 0:
		return probe_say(p, PROBE_OK, "yes");
	case -EREMOTEIO:
		return probe_say(p, PROBE_FAIL, "refused");
	case -EPIPE:
		return probe_say(p, PROBE_FAIL, "ends the connection");
	case -ETIMEDOUT:
		return probe_say(p, PROBE_FAIL, "no answer");
	default:
		return probe_say(p, PROBE_FAIL, "a wrong answer");
	}
}

/* The same with the number that came. */
static enum probe_verdict outcome_number(struct probe *p, int err, uint64_t number)
{
	return err ? outcome(p, err) : probe_say(p, PROBE_OK, "yes: %llu", (unsigned long long)number);
}

/* The first step that fails is what came of the message. */
#define TRY(call)                                                                                                      \
	do {                                                                                                           \
		int try_err = (call);                                                                                  \
                                                                                                                       \
		if (try_err)                                                                                           \
			return outcome(p, try_err);                                                                    \
	} while (0)

/* The row's own message with a payload of this many zero bytes. */
static struct vu_msg own_msg(const struct probe *p, uint32_t size)
{
	return frontend_msg(p->check->arg, size);
}

/* Asks and takes any answer. */
static int ask(struct probe *p, const struct vu_msg *msg)
{
	struct vu_msg answer;
	int err = frontend_ask(p->fe, msg, &answer);

	if (!err)
		vu_msg_close_fds(&answer);
	return err;
}

/* Those that are part of every beginning, or say all with their head. */
static enum probe_verdict negotiated(struct probe *p)
{
	return outcome(p, probe_negotiate(p, 0));
}

static enum probe_verdict told_empty(struct probe *p)
{
	struct vu_msg msg = own_msg(p, 0);

	TRY(probe_negotiate(p, 0));
	return outcome(p, frontend_tell(p->fe, &msg));
}

static enum probe_verdict told_u64(struct probe *p)
{
	struct vu_msg msg = own_msg(p, sizeof(msg.p.u64));

	TRY(probe_negotiate(p, 0));
	return outcome(p, frontend_tell(p->fe, &msg));
}

static enum probe_verdict asked_u64(struct probe *p)
{
	struct vu_msg msg = own_msg(p, 0), answer;

	TRY(probe_negotiate(p, 0));
	TRY(frontend_ask(p->fe, &msg, &answer));
	vu_msg_close_fds(&answer);
	return outcome_number(p, answer.h.size == sizeof(answer.p.u64) ? 0 : -EPROTO, answer.p.u64);
}

/* A message that brings a descriptor and nothing else. */
static enum probe_verdict told_fd(struct probe *p)
{
	struct vu_msg msg = own_msg(p, 0);
	int err;

	TRY(probe_negotiate(p, 0));
	msg.fds[0] = eventfd(0, EFD_CLOEXEC);
	if (msg.fds[0] < 0)
		return outcome(p, -errno);
	msg.nfds = 1;
	err = frontend_tell(p->fe, &msg);
	close(msg.fds[0]);
	return outcome(p, err);
}

static enum probe_verdict mem_table(struct probe *p)
{
	return outcome(p, probe_ready(p, 0));
}

static enum probe_verdict mem_rem(struct probe *p)
{
	TRY(probe_ready(p, 0));
	return outcome(p, frontend_rem_mem_reg(p->fe, frontend_mem_region(frontend_mem(p->fe), 2)));
}

static enum probe_verdict mem_add(struct probe *p)
{
	TRY(probe_ready(p, 0));
	TRY(frontend_rem_mem_reg(p->fe, frontend_mem_region(frontend_mem(p->fe), 2)));
	return outcome(p, frontend_add_mem_reg(p->fe, frontend_mem_region(frontend_mem(p->fe), 2)));
}

static enum probe_verdict log_base(struct probe *p)
{
	int fd, err;

	TRY(probe_ready(p, 0));
	fd = memfd_create("log", MFD_CLOEXEC);
	if (fd < 0)
		return outcome(p, -errno);
	err = ftruncate(fd, LOG_BYTES) ? -errno : frontend_set_log(p->fe, fd, LOG_BYTES, 0);
	close(fd);
	return outcome(p, err);
}

/* One message of those that start and stop a ring. */
static int ring_send(struct probe *p, uint32_t request)
{
	const unsigned int q = probe_queue(p);
	const struct vu_vring_addr addr = frontend_queue_addr(p->fe, q);
	uint32_t base;

	switch (request) {
	case VU_SET_VRING_ADDR:
		return frontend_vring_addr(p->fe, &addr);
	case VU_SET_VRING_CALL:
		return frontend_vring_fd(p->fe, request, q, frontend_queue_fd(p->fe, q, FRONTEND_FD_CALL));
	case VU_SET_VRING_ERR:
		return frontend_vring_fd(p->fe, request, q, frontend_queue_fd(p->fe, q, FRONTEND_FD_ERR));
	case VU_SET_VRING_KICK:
		return frontend_vring_fd(p->fe, request, q, frontend_queue_fd(p->fe, q, FRONTEND_FD_KICK));
	case VU_GET_VRING_BASE:
		return frontend_get_vring_base(p->fe, q, &base);
	case VU_SET_VRING_NUM:
		return frontend_vring_state(p->fe, request, q, PROBE_RING);
	default:
		return frontend_vring_state(p->fe, request, q, request == VU_SET_VRING_ENABLE);
	}
}

/* The life of a ring, up to the row's message. */
static enum probe_verdict ring_message(struct probe *p)
{
	static const uint32_t life[] = {VU_SET_VRING_NUM, VU_SET_VRING_BASE, VU_SET_VRING_ADDR, VU_SET_VRING_CALL,
					VU_SET_VRING_ERR, VU_SET_VRING_KICK, VU_SET_VRING_ENABLE, VU_GET_VRING_BASE};
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	int err = 0;

	TRY(probe_ready(p, 0));
	TRY(frontend_queue_make(p->fe, probe_queue(p), &opts));
	for (size_t i = 0; !err; i++) {
		err = ring_send(p, life[i]);
		if (life[i] == p->check->arg)
			return outcome(p, err);
	}
	return probe_say(p, PROBE_FAIL, "not reached");
}

static enum probe_verdict in_band_kick(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);

	opts.in_band = true;
	TRY(probe_ready(p, 0));
	TRY(frontend_open_back_channel(p->fe));
	return outcome(p, frontend_queue_start(p->fe, probe_queue(p), &opts));
}

static enum probe_verdict back_channel(struct probe *p)
{
	TRY(probe_negotiate(p, 0));
	return outcome(p, frontend_open_back_channel(p->fe));
}

/* An invalidation of a page there is not. */
static enum probe_verdict iotlb(struct probe *p)
{
	const struct vu_iotlb page = {.size = 4096, .type = VU_IOTLB_INVALIDATE};

	TRY(probe_ready(p, 0));
	return outcome(p, frontend_iotlb(p->fe, &page));
}

static enum probe_verdict config_get(struct probe *p)
{
	uint8_t byte;

	TRY(probe_negotiate(p, 0));
	return outcome(p, frontend_get_config(p->fe, 0, &byte, 1));
}

/* Writes what is there. */
static enum probe_verdict config_set(struct probe *p)
{
	TRY(probe_negotiate(p, 0));
	return outcome(p, frontend_set_config(p->fe, 0, p->config, p->config_size, 0));
}

static enum probe_verdict postcopy(struct probe *p)
{
	struct vu_msg advise = frontend_msg(VU_POSTCOPY_ADVISE, 0), listen = frontend_msg(VU_POSTCOPY_LISTEN, 0),
		      end = frontend_msg(VU_POSTCOPY_END, 0), answer;
	unsigned int nfds;

	TRY(probe_negotiate(p, 0));
	TRY(frontend_ask(p->fe, &advise, &answer));
	nfds = answer.nfds;
	vu_msg_close_fds(&answer);
	if (p->check->arg == VU_POSTCOPY_ADVISE || !nfds)
		return outcome(p, nfds ? 0 : -EREMOTEIO);
	TRY(frontend_tell(p->fe, &listen));
	return outcome(p, p->check->arg == VU_POSTCOPY_LISTEN ? 0 : ask(p, &end));
}

static enum probe_verdict inflight(struct probe *p)
{
	struct vu_inflight about = {.nqueues = (uint16_t)(probe_queue(p) + 1), .queue_size = PROBE_RING};
	int fd, err;

	TRY(probe_ready(p, 0));
	TRY(frontend_get_inflight(p->fe, &about, &fd));
	err = p->check->arg == VU_GET_INFLIGHT_FD ? 0 : frontend_set_inflight(p->fe, &about, fd);
	close(fd);
	return outcome(p, err);
}

static enum probe_verdict shared_object(struct probe *p)
{
	struct vu_msg msg = own_msg(p, sizeof(msg.p.object));

	TRY(probe_negotiate(p, 0));
	return outcome(p, ask(p, &msg));
}

static enum probe_verdict device_state(struct probe *p)
{
	void *bytes;
	size_t len;

	TRY(probe_negotiate(p, 0));
	TRY(frontend_save_state(p->fe, &bytes, &len));
	free(bytes);
	return outcome(p, 0);
}

static enum probe_verdict stop_skip_drain(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	struct vu_msg msg = own_msg(p, sizeof(msg.p.state));

	if (inflight(p))
		return PROBE_FAIL;
	TRY(frontend_queue_start(p->fe, probe_queue(p), &opts));
	msg.p.state.index = probe_queue(p);
	return outcome(p, ask(p, &msg));
}

/* The number of regions is the head of the answer. */
static enum probe_verdict shmem_config(struct probe *p)
{
	struct vu_msg msg = own_msg(p, 0), answer;

	TRY(probe_negotiate(p, 0));
	TRY(frontend_ask(p->fe, &msg, &answer));
	vu_msg_close_fds(&answer);
	return outcome_number(p, answer.h.size >= offsetof(struct vu_shmem_config, sizes) ? 0 : -EPROTO, answer.p.shmem.nregions);
}

#define ACCESS BIT(VIRTIO_F_ACCESS_PLATFORM)
#define INBAND (BIT(VU_PF_INBAND_NOTIFICATIONS) | BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_REPLY_ACK))
#define DRAIN  (BIT(VU_PF_INFLIGHT_SHMFD) | BIT(VU_PF_GET_VRING_BASE_INFLIGHT) | BIT(VU_PF_GET_VRING_BASE_SKIP_DRAIN))

/* What has no run is not tried: it does something to a network, or wants more than a message. */
static const struct probe_check requests[] = {
	{.arg = VU_GET_FEATURES, .run = negotiated},
	{.arg = VU_SET_FEATURES, .run = negotiated},
	{.arg = VU_SET_OWNER, .run = negotiated},
	{.arg = VU_RESET_OWNER, .run = told_empty},
	{.arg = VU_SET_MEM_TABLE, .run = mem_table},
	{.arg = VU_SET_LOG_BASE, .run = log_base},
	{.arg = VU_SET_LOG_FD, .run = told_fd},
	{.arg = VU_SET_VRING_NUM, .run = ring_message},
	{.arg = VU_SET_VRING_ADDR, .run = ring_message},
	{.arg = VU_SET_VRING_BASE, .run = ring_message},
	{.arg = VU_GET_VRING_BASE, .run = ring_message},
	{.arg = VU_SET_VRING_KICK, .run = ring_message},
	{.arg = VU_SET_VRING_CALL, .run = ring_message},
	{.arg = VU_SET_VRING_ERR, .run = ring_message},
	{.arg = VU_GET_PROTOCOL_FEATURES, .features = BIT(VHOST_USER_F_PROTOCOL_FEATURES), .run = negotiated},
	{.arg = VU_SET_PROTOCOL_FEATURES, .features = BIT(VHOST_USER_F_PROTOCOL_FEATURES), .run = negotiated},
	{.arg = VU_GET_QUEUE_NUM, .run = asked_u64},
	{.arg = VU_SET_VRING_ENABLE, .features = BIT(VHOST_USER_F_PROTOCOL_FEATURES), .run = ring_message},
	{.arg = VU_SEND_RARP, .run = NULL},
	{.arg = VU_NET_SET_MTU, .run = NULL},
	{.arg = VU_SET_BACKEND_REQ_FD, .run = back_channel},
	{.arg = VU_IOTLB_MSG, .features = ACCESS, .run = iotlb},
	{.arg = VU_SET_VRING_ENDIAN, .run = told_u64},
	{.arg = VU_GET_CONFIG, .run = config_get},
	{.arg = VU_SET_CONFIG, .run = config_set},
	{.arg = VU_CREATE_CRYPTO_SESSION, .run = NULL},
	{.arg = VU_CLOSE_CRYPTO_SESSION, .run = NULL},
	{.arg = VU_POSTCOPY_ADVISE, .run = postcopy},
	{.arg = VU_POSTCOPY_LISTEN, .run = postcopy},
	{.arg = VU_POSTCOPY_END, .run = postcopy},
	{.arg = VU_GET_INFLIGHT_FD, .run = inflight},
	{.arg = VU_SET_INFLIGHT_FD, .run = inflight},
	{.arg = VU_GPU_SET_SOCKET, .run = NULL},
	{.arg = VU_RESET_DEVICE, .run = told_empty},
	{.arg = VU_VRING_KICK, .protocol = INBAND, .run = in_band_kick},
	{.arg = VU_GET_MAX_MEM_SLOTS, .run = asked_u64},
	{.arg = VU_ADD_MEM_REG, .run = mem_add},
	{.arg = VU_REM_MEM_REG, .run = mem_rem},
	{.arg = VU_SET_STATUS, .run = told_u64},
	{.arg = VU_GET_STATUS, .run = asked_u64},
	{.arg = VU_GET_SHARED_OBJECT, .run = shared_object},
	{.arg = VU_SET_DEVICE_STATE_FD, .run = device_state},
	{.arg = VU_CHECK_DEVICE_STATE, .run = device_state},
	{.arg = VU_GET_SHMEM_CONFIG, .run = shmem_config},
	{.arg = VU_GET_VRING_BASE_SKIP_DRAIN, .protocol = DRAIN, .run = stop_skip_drain},
};

/* The back end's own messages: no front-end can make it send them. */
static const struct probe_check back_requests[] = {
	{.name = "IOTLB_MSG", .arg = VU_BACKEND_IOTLB_MSG, .features = ACCESS, .protocol = BIT(VU_PF_BACKEND_REQ)},
	{.name = "CONFIG_CHANGE_MSG", .arg = VU_BACKEND_CONFIG_CHANGE_MSG, .protocol = BIT(VU_PF_CONFIG) | BIT(VU_PF_BACKEND_REQ)},
	{.name = "VRING_HOST_NOTIFIER_MSG", .arg = VU_BACKEND_VRING_HOST_NOTIFIER_MSG, .protocol = BIT(VU_PF_HOST_NOTIFIER)},
	{.name = "VRING_CALL", .arg = VU_BACKEND_VRING_CALL, .protocol = INBAND},
	{.name = "VRING_ERR", .arg = VU_BACKEND_VRING_ERR, .protocol = INBAND},
	{.name = "SHARED_OBJECT_ADD", .arg = VU_BACKEND_SHARED_OBJECT_ADD, .protocol = BIT(VU_PF_SHARED_OBJECT)},
	{.name = "SHARED_OBJECT_REMOVE", .arg = VU_BACKEND_SHARED_OBJECT_REMOVE, .protocol = BIT(VU_PF_SHARED_OBJECT)},
	{.name = "SHARED_OBJECT_LOOKUP", .arg = VU_BACKEND_SHARED_OBJECT_LOOKUP, .protocol = BIT(VU_PF_SHARED_OBJECT)},
	{.name = "SHMEM_MAP", .arg = VU_BACKEND_SHMEM_MAP, .protocol = BIT(VU_PF_SHMEM)},
	{.name = "SHMEM_UNMAP", .arg = VU_BACKEND_SHMEM_UNMAP, .protocol = BIT(VU_PF_SHMEM)},
};

/* A column's name: the socket's, without folder and ending. */
static void print_column_name(const struct probe *p)
{
	const char *slash = strrchr(p->path, '/');
	const char *name = slash ? slash + 1 : p->path;

	printf("| | %.*s |\n|---|---|\n", (int)strcspn(name, "."), name);
}

static void print_features(const char *title, uint64_t word, const char *(*name)(unsigned int bit))
{
	printf("| *%s* | |\n", title);
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (name(bit))
			printf("| %u %s | %s |\n", bit, name(bit), word & BIT(bit) ? "yes" : NONE);
	}
}

static void print_unknown(struct probe *p)
{
	const struct probe_check unknown = {.arg = PROBE_UNKNOWN_REQUEST, .run = told_empty};

	probe_row_run(p, &unknown);
	printf("| unknown, with need_reply | %s |\n", p->got);
}

/* The row, with the protocol feature its message belongs to. */
static struct probe_check with_feature(const struct probe_check *row)
{
	const struct vu_request_info *info = vu_request_find(row->arg);
	struct probe_check with = *row;

	if (info && info->feature != VU_NO_FEATURE)
		with.protocol |= BIT(info->feature);
	return with;
}

void probe_table(struct probe *p)
{
	print_column_name(p);
	print_features("protocol features", p->protocol, vu_protocol_feature_name);
	print_features("VIRTIO's reserved features", p->features, vu_feature_name);
	puts("| *messages of the front-end* | |");
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		const struct probe_check row = with_feature(&requests[i]), *r = &row;
		bool there = !probe_row_misses(p, r) && (r->arg != VU_GPU_SET_SOCKET || p->id == GPU_ID);
		const char *cell = there ? "not tried" : NONE;

		if (there && r->run) {
			probe_row_run(p, r);
			cell = p->got;
		}
		printf("| %u %s | %s |\n", r->arg, vu_request_name(r->arg), cell);
		fflush(stdout);
	}
	print_unknown(p);
	puts("| *messages of the back end* | |");
	for (size_t i = 0; i < ARRAY_SIZE(back_requests); i++) {
		const struct probe_check *r = &back_requests[i];

		printf("| %u %s | %s |\n", r->arg, r->name, probe_row_misses(p, r) ? NONE : "may come");
	}
}
