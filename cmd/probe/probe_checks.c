/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_checks.c - the conformance table's rows on messages, memory and configuration space:
 * QEMU docs/interop/vhost-user.rst.
 */
#include "cmd/probe/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "transport/ring/virtq.h"

/* Of a log for the first 8 GiB, more than all the memory that rows share. */
#define LOG_BYTES 262144

/* The row ends here when this front-end call fails. */
#define TRY(call)                                                                                                      \
	do {                                                                                                           \
		if (call)                                                                                              \
			return probe_failed(p);                                                                        \
	} while (0)

/* The message had to be refused: by an acknowledgement, or by the end of the connection, or both. */
static enum probe_verdict want_refused(struct probe *p, int err)
{
	if (err == -EREMOTEIO) {
		err = frontend_sync(p->fe);
		if (err && err != -EPIPE)
			return probe_failed(p);
		return probe_say(p, PROBE_OK, "refused, the connection %s", err ? "ended" : "lives");
	}
	if (err == -EPIPE)
		return probe_say(p, PROBE_OK, "the connection ended");
	return err ? probe_failed(p) : probe_say(p, PROBE_FAIL, "it was accepted");
}

static enum probe_verdict features_stable(struct probe *p)
{
	uint64_t first, second;

	TRY(frontend_ask_u64(p->fe, VU_GET_FEATURES, &first));
	TRY(frontend_ask_u64(p->fe, VU_GET_FEATURES, &second));
	return probe_say(p, first == second && first == p->features ? PROBE_OK : PROBE_FAIL, "0x%llx, 0x%llx",
			 (unsigned long long)first, (unsigned long long)second);
}

static enum probe_verdict feature_offered(struct probe *p)
{
	bool offered = p->features & BIT(p->check->arg);

	return probe_say(p, offered ? PROBE_OK : PROBE_FAIL, "0x%llx", (unsigned long long)p->features);
}

static enum probe_verdict protocol_early(struct probe *p)
{
	uint64_t protocol;

	TRY(frontend_ask_u64(p->fe, VU_GET_PROTOCOL_FEATURES, &protocol));
	return probe_say(p, protocol == p->protocol ? PROBE_OK : PROBE_FAIL, "0x%llx", (unsigned long long)protocol);
}

static enum probe_verdict ack_success(struct probe *p)
{
	TRY(probe_negotiate(p, 0));

	struct vu_msg msg = frontend_msg(VU_SET_FEATURES, sizeof(msg.p.u64)), answer;

	msg.h.flags |= VU_FLAG_NEED_REPLY;
	msg.p.u64 = frontend_features(p->fe);
	TRY(frontend_ask(p->fe, &msg, &answer));
	vu_msg_close_fds(&answer);

	bool good = answer.h.size == 8 && !answer.p.u64 && (answer.h.flags & 7) == (VU_VERSION | VU_FLAG_REPLY);

	return probe_say(p, good ? PROBE_OK : PROBE_FAIL, "flags 0x%x, %u bytes, %llu", answer.h.flags, answer.h.size,
			 (unsigned long long)answer.p.u64);
}

/* The only thing that comes back is the answer to the second message. */
static enum probe_verdict ack_unwanted(struct probe *p)
{
	TRY(probe_negotiate(p, 0));
	frontend_use_acks(p->fe, false);
	TRY(frontend_set_features(p->fe, frontend_features(p->fe)));
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "the answer to GET_FEATURES");
}

static enum probe_verdict unknown_request(struct probe *p)
{
	TRY(probe_negotiate(p, 0));

	struct vu_msg msg = frontend_msg(PROBE_UNKNOWN_REQUEST, 8);
	int err = frontend_tell(p->fe, &msg);

	if (!err)
		return probe_say(p, PROBE_FAIL, "it was acknowledged as done");
	if (err != -EREMOTEIO || frontend_sync(p->fe))
		return probe_failed(p);
	return probe_say(p, PROBE_OK, "refused, the connection lives");
}

static enum probe_verdict queue_num(struct probe *p)
{
	uint64_t num;

	TRY(probe_negotiate(p, 0));
	TRY(frontend_ask_u64(p->fe, VU_GET_QUEUE_NUM, &num));

	bool good = num >= (p->class ? p->class->face.nqueues : 1);

	return probe_say(p, good ? PROBE_OK : PROBE_FAIL, "%llu", (unsigned long long)num);
}

/* arg: the request, of those that have a vring state. */
static enum probe_verdict bad_index_state(struct probe *p)
{
	TRY(probe_negotiate(p, 0));
	return want_refused(p, frontend_vring_state(p->fe, p->check->arg, p->nqueues, 1));
}

static enum probe_verdict bad_index_fd(struct probe *p)
{
	TRY(probe_negotiate(p, 0));
	return want_refused(p, frontend_vring_fd(p->fe, VU_SET_VRING_CALL, VU_VRING_INDEX_MASK, -1));
}

static enum probe_verdict vring_num(struct probe *p)
{
	TRY(probe_negotiate(p, 0));
	return want_refused(p, frontend_vring_state(p->fe, VU_SET_VRING_NUM, probe_queue(p), p->check->arg));
}

static enum probe_verdict short_payload(struct probe *p)
{
	TRY(probe_negotiate(p, 0));

	struct vu_msg msg = frontend_msg(VU_SET_VRING_NUM, 4);

	return want_refused(p, frontend_tell(p->fe, &msg));
}

/* Whatever comes back, the next front-end has to be served. */
static enum probe_verdict bad_version(struct probe *p)
{
	struct vu_header head = {.request = VU_GET_FEATURES, .flags = 0};
	struct vu_msg answer;
	int err;

	TRY(frontend_send_bytes(p->fe, &head, sizeof(head), NULL, 0));
	err = frontend_recv(p->fe, &answer);
	if (err && err != -EPIPE && err != -ETIMEDOUT)
		return probe_failed(p);
	if (!err)
		vu_msg_close_fds(&answer);
	if (probe_connect(p))
		return probe_say(p, PROBE_FAIL, "no connection afterwards");
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "%s; the next connection is served",
			 err == -EPIPE ? "the connection ended" : err ? "no answer" : "an answer");
}

static enum probe_verdict half_message(struct probe *p)
{
	struct vu_header head = {.request = VU_SET_FEATURES, .flags = VU_VERSION, .size = 8};

	TRY(frontend_send_bytes(p->fe, &head, p->check->arg, NULL, 0));
	if (probe_connect(p))
		return probe_say(p, PROBE_FAIL, "no connection afterwards");
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "the next connection is served");
}

static enum probe_verdict in_pieces(struct probe *p)
{
	struct vu_header head = {.request = VU_GET_FEATURES, .flags = VU_VERSION};
	struct vu_msg answer;

	for (size_t i = 0; i < sizeof(head); i++) {
		TRY(frontend_send_bytes(p->fe, (const char *)&head + i, 1, NULL, 0));
		TRY(frontend_idle(p->fe, 1));
	}
	TRY(frontend_recv(p->fe, &answer));
	vu_msg_close_fds(&answer);
	return probe_say(p, answer.p.u64 == p->features ? PROBE_OK : PROBE_FAIL, "0x%llx",
			 (unsigned long long)answer.p.u64);
}

static enum probe_verdict reset_owner(struct probe *p)
{
	TRY(probe_negotiate(p, 0));
	frontend_use_acks(p->fe, false);
	TRY(frontend_tell_empty(p->fe, VU_RESET_OWNER));
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "the connection lives");
}

static enum probe_verdict back_channel(struct probe *p)
{
	TRY(probe_negotiate(p, 0));
	TRY(frontend_open_back_channel(p->fe));
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "accepted");
}

static enum probe_verdict in_band_alone(struct probe *p)
{
	TRY(frontend_set_protocol_features(p->fe, BIT(VU_PF_INBAND_NOTIFICATIONS)));
	TRY(frontend_wait_closed(p->fe));
	return probe_say(p, PROBE_OK, "the connection ended");
}

/*
 * Memory.
 */

static enum probe_verdict mem_table(struct probe *p)
{
	TRY(probe_ready(p, 0));
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "accepted");
}

/* Replaces the table by one of two regions: the second begins inside the first (arg is set), or lacks its fd. */
static enum probe_verdict mem_table_bad(struct probe *p)
{
	TRY(probe_ready(p, 0));

	const struct frontend_region *region = frontend_mem_region(frontend_mem(p->fe), 0);
	struct vu_msg msg = frontend_msg(VU_SET_MEM_TABLE,
					 (uint32_t)(offsetof(struct vu_mem_table, regions) + 2 * sizeof(struct vu_region)));
	uint64_t shift = p->check->arg ? region->size / 2 : region->size;

	msg.p.table.nregions = 2;
	for (unsigned int i = 0; i < 2; i++) {
		msg.p.table.regions[i] = (struct vu_region){.guest_addr = region->guest_addr + i * shift,
							    .user_addr = region->user_addr + i * shift,
							    .size = region->size};
	}
	msg.nfds = p->check->arg ? 2 : 1;
	msg.fds[0] = msg.fds[1] = region->fd;
	return want_refused(p, frontend_tell(p->fe, &msg));
}

static enum probe_verdict mem_slots(struct probe *p)
{
	uint64_t slots;

	TRY(probe_negotiate(p, 0));
	TRY(frontend_ask_u64(p->fe, VU_GET_MAX_MEM_SLOTS, &slots));
	return probe_say(p, slots ? PROBE_OK : PROBE_FAIL, "%llu", (unsigned long long)slots);
}

/* Adds a fourth region to the three of the table. */
static enum probe_verdict mem_add(struct probe *p, const struct frontend_region **region)
{
	struct frontend_region more = {.guest_addr = 0x200000000, .size = 0x10000};
	int index;

	TRY(probe_ready(p, 0));
	index = frontend_mem_add(frontend_mem(p->fe), &more);
	if (index < 0)
		return probe_say(p, PROBE_FAIL, "no memory here");
	*region = frontend_mem_region(frontend_mem(p->fe), (unsigned int)index);
	TRY(frontend_add_mem_reg(p->fe, *region));
	return PROBE_OK;
}

static enum probe_verdict mem_add_remove(struct probe *p)
{
	const struct frontend_region *region = NULL;

	if (mem_add(p, &region))
		return PROBE_FAIL;
	TRY(frontend_rem_mem_reg(p->fe, region));
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "accepted");
}

static enum probe_verdict mem_remove_twice(struct probe *p)
{
	const struct frontend_region *region = NULL;

	if (mem_add(p, &region))
		return PROBE_FAIL;
	TRY(frontend_rem_mem_reg(p->fe, region));
	return want_refused(p, frontend_rem_mem_reg(p->fe, region));
}

static enum probe_verdict mem_add_overlap(struct probe *p)
{
	const struct frontend_region *region = NULL;

	if (mem_add(p, &region))
		return PROBE_FAIL;
	return want_refused(p, frontend_add_mem_reg(p->fe, region));
}

static enum probe_verdict mem_add_without_fd(struct probe *p)
{
	struct frontend_region more = {.guest_addr = 0x200000000, .size = 0x10000, .user_addr = 0x200000000, .fd = -1};

	TRY(probe_ready(p, 0));
	return want_refused(p, frontend_add_mem_reg(p->fe, &more));
}

static enum probe_verdict mem_request(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	const struct frontend_region *region;

	if (mem_add(p, &region))
		return PROBE_FAIL;
	opts.region = (int)frontend_mem_count(frontend_mem(p->fe)) - 1;
	TRY(frontend_queue_start(p->fe, probe_queue(p), &opts));
	return probe_request(p, NULL);
}

/*
 * Configuration space.
 */

static enum probe_verdict config_parts(struct probe *p)
{
	uint8_t whole[VU_MAX_CONFIG_SIZE], byte;
	uint32_t size = p->config_size;

	TRY(probe_negotiate(p, 0));
	if (!size)
		return probe_say(p, PROBE_NA, "there is none");
	TRY(frontend_get_config(p->fe, 0, whole, size));
	if (memcmp(whole, p->config, size) != 0)
		return probe_say(p, PROBE_FAIL, "not the same as before");
	for (uint32_t i = 0; i < size; i++) {
		TRY(frontend_get_config(p->fe, i, &byte, 1));
		if (byte != whole[i])
			return probe_say(p, PROBE_FAIL, "byte %u is 0x%02x, and 0x%02x when read with the others", i, byte,
					 whole[i]);
	}
	return probe_say(p, PROBE_OK, "the same %u bytes", size);
}

static enum probe_verdict config_beyond(struct probe *p)
{
	uint8_t bytes[16];
	int err;

	TRY(probe_negotiate(p, 0));
	err = frontend_get_config(p->fe, p->check->arg, bytes, sizeof(bytes));
	if (err == -EREMOTEIO)
		return frontend_sync(p->fe) ? probe_failed(p) : probe_say(p, PROBE_OK, "refused, the connection lives");
	if (err)
		return probe_failed(p);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (bytes[i])
			return probe_say(p, PROBE_FAIL, "byte %zu is 0x%02x: whose?", i, bytes[i]);
	}
	return probe_say(p, PROBE_OK, "zeros");
}

static enum probe_verdict config_write_beyond(struct probe *p)
{
	uint8_t bytes[16] = {0};

	TRY(probe_negotiate(p, 0));
	return want_refused(p, frontend_set_config(p->fe, p->check->arg, bytes, sizeof(bytes), 0));
}

/*
 * Status.
 */

static enum probe_verdict status_kept(struct probe *p)
{
	/* ACKNOWLEDGE, then DRIVER, as a driver sets them: VIRTIO 1.4, section 3.1.1. */
	static const uint64_t steps[] = {0, 1, 3, 0};
	uint64_t status = 0;

	TRY(frontend_negotiate(p->fe, BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
			       BIT(VU_PF_STATUS) | BIT(VU_PF_REPLY_ACK)));
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		TRY(frontend_tell_u64(p->fe, VU_SET_STATUS, steps[i]));
		TRY(frontend_ask_u64(p->fe, VU_GET_STATUS, &status));
		if (status != steps[i])
			return probe_say(p, PROBE_FAIL, "%llu was set, %llu read", (unsigned long long)steps[i],
					 (unsigned long long)status);
	}
	return probe_say(p, PROBE_OK, "0, 1, 3, 0");
}

/*
 * The log of written memory.
 */

static enum probe_verdict log_base(struct probe *p)
{
	int fd, err;

	TRY(probe_ready(p, 0));
	fd = memfd_create("log", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, LOG_BYTES))
		return probe_say(p, PROBE_FAIL, "no log could be made: %s", strerror(errno));
	err = frontend_set_log(p->fe, fd, LOG_BYTES, 0);
	close(fd);
	TRY(err);
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "one answer");
}

static enum probe_verdict log_fd(struct probe *p)
{
	struct vu_msg msg = frontend_msg(VU_SET_LOG_FD, 0);
	int err;

	TRY(probe_negotiate(p, 0));
	msg.fds[0] = eventfd(0, EFD_CLOEXEC);
	if (msg.fds[0] < 0)
		return probe_say(p, PROBE_FAIL, "no eventfd could be made: %s", strerror(errno));
	msg.nfds = 1;
	err = frontend_tell(p->fe, &msg);
	close(msg.fds[0]);
	TRY(err);
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "accepted");
}

/*
 * What devices share with the driver, and with each other.
 */

/* The sizes, twice the same; as many as are told have one. */
static enum probe_verdict shmem_sizes(struct probe *p)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct vu_shmem_config config, again;
	uint32_t regions = 0;

	TRY(probe_negotiate(p, 0));
	TRY(frontend_get_shmem_config(p->fe, &config));
	TRY(frontend_get_shmem_config(p->fe, &again));
	if (memcmp(config.sizes, again.sizes, sizeof(config.sizes)) != 0)
		return probe_say(p, PROBE_FAIL, "not the same as before");
	for (size_t i = 0; i < ARRAY_SIZE(config.sizes); i++) {
		regions += config.sizes[i] != 0;
		if (config.sizes[i] % page)
			return probe_say(p, PROBE_FAIL, "region %zu has 0x%llx bytes", i,
					 (unsigned long long)config.sizes[i]);
	}
	return probe_say(p, regions == config.nregions ? PROBE_OK : PROBE_FAIL, "%u told, %u have a size",
			 config.nregions, regions);
}

static enum probe_verdict object_unknown(struct probe *p)
{
	static const struct vu_object nobodys = {{0x9e, 0x37, 0x79, 0xb9}};
	int fd, err;

	TRY(probe_negotiate(p, 0));
	err = frontend_get_object(p->fe, &nobodys, &fd);
	if (!err) {
		close(fd);
		return probe_say(p, PROBE_FAIL, "a descriptor");
	}
	if (err != -EREMOTEIO || frontend_sync(p->fe))
		return probe_failed(p);
	return probe_say(p, PROBE_OK, "no descriptor, the connection lives");
}

#define ACK  BIT(VU_PF_REPLY_ACK)
#define MEM  BIT(VU_PF_CONFIGURE_MEM_SLOTS)
#define CONF BIT(VU_PF_CONFIG)

const struct probe_check probe_message_checks[] = {
	{.name = "features-stable", .sent = "GET_FEATURES twice", .want = "the same word", .run = features_stable},
	{.name = "version-1",
	 .sent = "GET_FEATURES",
	 .want = "bit 32, VERSION_1",
	 .arg = VIRTIO_F_VERSION_1,
	 .run = feature_offered},
	{.name = "protocol-features",
	 .sent = "GET_FEATURES",
	 .want = "bit 30, PROTOCOL_FEATURES",
	 .arg = VHOST_USER_F_PROTOCOL_FEATURES,
	 .run = feature_offered},
	{.name = "protocol-early",
	 .sent = "GET_PROTOCOL_FEATURES before SET_FEATURES",
	 .want = "the word",
	 .features = BIT(VHOST_USER_F_PROTOCOL_FEATURES),
	 .run = protocol_early},
	{.name = "ack",
	 .sent = "SET_FEATURES with need_reply",
	 .want = "a reply, 0",
	 .protocol = ACK,
	 .run = ack_success},
	{.name = "ack-unwanted",
	 .sent = "SET_FEATURES without need_reply, GET_FEATURES",
	 .want = "one answer",
	 .run = ack_unwanted},
	{.name = "ack-unknown",
	 .sent = "request 4000 with need_reply",
	 .want = "a reply, not 0; the connection lives",
	 .protocol = ACK,
	 .run = unknown_request},
	{.name = "in-pieces", .sent = "GET_FEATURES byte by byte", .want = "the word", .run = in_pieces},
	{.name = "half-header",
	 .sent = "6 bytes of a header, then the end",
	 .want = "the next front-end is served",
	 .arg = 6,
	 .run = half_message},
	{.name = "half-message",
	 .sent = "a header without its payload, then the end",
	 .want = "the next front-end is served",
	 .arg = sizeof(struct vu_header),
	 .run = half_message},
	{.name = "bad-version",
	 .sent = "a header of version 0",
	 .want = "the next front-end is served",
	 .run = bad_version},
	{.name = "short-payload",
	 .sent = "SET_VRING_NUM with 4 bytes",
	 .want = "refused",
	 .protocol = ACK,
	 .run = short_payload},
	{.name = "queue-num",
	 .sent = "GET_QUEUE_NUM",
	 .want = "the device's queues",
	 .protocol = BIT(VU_PF_MQ),
	 .run = queue_num},
	{.name = "index-num",
	 .sent = "SET_VRING_NUM of a queue there is not",
	 .want = "refused",
	 .protocol = ACK | BIT(VU_PF_MQ),
	 .arg = VU_SET_VRING_NUM,
	 .run = bad_index_state},
	{.name = "index-enable",
	 .sent = "SET_VRING_ENABLE of a queue there is not",
	 .want = "refused",
	 .protocol = ACK | BIT(VU_PF_MQ),
	 .arg = VU_SET_VRING_ENABLE,
	 .run = bad_index_state},
	{.name = "index-call",
	 .sent = "SET_VRING_CALL of queue 255",
	 .want = "refused",
	 .protocol = ACK,
	 .run = bad_index_fd},
	{.name = "num-0", .sent = "SET_VRING_NUM 0", .want = "refused", .protocol = ACK, .arg = 0, .run = vring_num},
	{.name = "num-3",
	 .sent = "SET_VRING_NUM 3, no power of two",
	 .want = "refused",
	 .protocol = ACK,
	 .arg = 3,
	 .run = vring_num},
	{.name = "num-65536",
	 .sent = "SET_VRING_NUM 65536",
	 .want = "refused",
	 .protocol = ACK,
	 .arg = 65536,
	 .run = vring_num},
	{.name = "reset-owner",
	 .sent = "RESET_OWNER",
	 .want = "ignored, or all rings disabled",
	 .run = reset_owner},
	{.name = "back-channel",
	 .sent = "SET_BACKEND_REQ_FD",
	 .want = "accepted",
	 .protocol = BIT(VU_PF_BACKEND_REQ),
	 .run = back_channel},
	{.name = "in-band-alone",
	 .sent = "INBAND_NOTIFICATIONS without what it needs",
	 .want = "the connection ends",
	 .protocol = BIT(VU_PF_INBAND_NOTIFICATIONS),
	 .run = in_band_alone},
	{.name = "mem-table", .sent = "SET_MEM_TABLE, 3 regions", .want = "accepted", .run = mem_table},
	{.name = "mem-overlap",
	 .sent = "SET_MEM_TABLE, regions overlap",
	 .want = "refused",
	 .protocol = ACK,
	 .arg = 1,
	 .run = mem_table_bad},
	{.name = "mem-fds",
	 .sent = "SET_MEM_TABLE, 2 regions with 1 descriptor",
	 .want = "refused",
	 .protocol = ACK,
	 .run = mem_table_bad},
	{.name = "slots", .sent = "GET_MAX_MEM_SLOTS", .want = "a number", .protocol = MEM, .run = mem_slots},
	{.name = "slot-add",
	 .sent = "ADD_MEM_REG, REM_MEM_REG",
	 .want = "accepted",
	 .protocol = MEM,
	 .run = mem_add_remove},
	{.name = "slot-remove-twice",
	 .sent = "REM_MEM_REG twice",
	 .want = "the second refused",
	 .protocol = MEM | ACK,
	 .run = mem_remove_twice},
	{.name = "slot-overlap",
	 .sent = "ADD_MEM_REG of the same region twice",
	 .want = "the second refused",
	 .protocol = MEM | ACK,
	 .run = mem_add_overlap},
	{.name = "slot-fd",
	 .sent = "ADD_MEM_REG without a descriptor",
	 .want = "refused",
	 .protocol = MEM | ACK,
	 .run = mem_add_without_fd},
	{.name = "slot-request",
	 .sent = "a request, its ring in an added region",
	 .want = "used, notified",
	 .protocol = MEM,
	 .request = true,
	 .run = mem_request},
	{.name = "log-base",
	 .sent = "SET_LOG_BASE, then GET_FEATURES",
	 .want = "an answer to each",
	 .protocol = BIT(VU_PF_LOG_SHMFD),
	 .run = log_base},
	{.name = "log-fd",
	 .sent = "SET_LOG_FD",
	 .want = "accepted",
	 .protocol = BIT(VU_PF_LOG_SHMFD),
	 .run = log_fd},
	{.name = "shmem-config",
	 .sent = "GET_SHMEM_CONFIG twice",
	 .want = "sizes of whole pages, their number",
	 .protocol = BIT(VU_PF_SHMEM),
	 .run = shmem_sizes},
	{.name = "object-unknown",
	 .sent = "GET_SHARED_OBJECT of nobody's UUID",
	 .want = "an answer without a descriptor",
	 .protocol = BIT(VU_PF_SHARED_OBJECT),
	 .run = object_unknown},
	{.name = "config-parts",
	 .sent = "GET_CONFIG, whole and byte by byte",
	 .want = "the same bytes",
	 .protocol = CONF,
	 .run = config_parts},
	{.name = "config-beyond",
	 .sent = "GET_CONFIG of 16 bytes at 240",
	 .want = "16 bytes, or empty for refused",
	 .protocol = CONF,
	 .arg = 240,
	 .run = config_beyond},
	{.name = "config-far",
	 .sent = "GET_CONFIG of 16 bytes at 4294967288",
	 .want = "16 bytes, or empty for refused",
	 .protocol = CONF,
	 .arg = UINT32_MAX - 7,
	 .run = config_beyond},
	{.name = "config-write-far",
	 .sent = "SET_CONFIG of 16 bytes at 4294967288",
	 .want = "refused",
	 .protocol = CONF | ACK,
	 .arg = UINT32_MAX - 7,
	 .run = config_write_beyond},
	{.name = "status",
	 .sent = "SET_STATUS, GET_STATUS",
	 .want = "the status set",
	 .protocol = BIT(VU_PF_STATUS),
	 .run = status_kept},
	{0},
};
