/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_rings.c - the conformance table's rows on rings and requests: QEMU docs/interop/vhost-user.rst, "Ring states";
 * VIRTIO 1.4, section 2.7 "Split Virtqueues".
 */
#include "cmd/probe/probe.h"

#include <stdlib.h>
#include <unistd.h>

#include "mem/dirty_log.h"
#include "transport/ring/virtq.h"

/* How long a ring is watched that must not be touched. */
#define QUIET_MS 50

#define EVENT	 BIT(VIRTIO_F_EVENT_IDX)
#define INDIRECT BIT(VIRTIO_F_INDIRECT_DESC)
#define PACKED	 BIT(VIRTIO_F_RING_PACKED)
#define PROTOCOL BIT(VHOST_USER_F_PROTOCOL_FEATURES)

/* The row ends here when this front-end call fails. */
#define TRY(call)                                                                                                      \
	do {                                                                                                           \
		if (call)                                                                                              \
			return probe_failed(p);                                                                        \
	} while (0)

/* Shares memory and starts the row's queue. */
static int ready_queue(struct probe *p, uint64_t without, const struct frontend_queue_opts *opts)
{
	int err = probe_ready(p, without);

	return err ? err : frontend_queue_start(p->fe, probe_queue(p), opts);
}

static int ready_plain(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);

	return ready_queue(p, 0, &opts);
}

/* Nothing may be used for a while. */
static enum probe_verdict want_untouched(struct probe *p)
{
	TRY(frontend_idle(p->fe, QUIET_MS));
	if (driver_ring_has_used(frontend_ring(p->fe, probe_queue(p))))
		return probe_say(p, PROBE_FAIL, "a request was used");
	return PROBE_OK;
}

/* GET_VRING_BASE must answer this. */
static enum probe_verdict want_base(struct probe *p, uint32_t want)
{
	uint32_t base;

	TRY(frontend_queue_stop(p->fe, probe_queue(p), &base));
	return probe_say(p, base == want ? PROBE_OK : PROBE_FAIL, "base %u", base);
}

static enum probe_verdict stop_base(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);

	opts.base = 5;
	TRY(ready_queue(p, 0, &opts));
	return want_base(p, 5);
}

static enum probe_verdict stop_twice(struct probe *p)
{
	TRY(ready_plain(p));
	for (unsigned int i = 0; i < 2; i++) {
		if (want_base(p, 0))
			return PROBE_FAIL;
	}
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "base 0, twice");
}

static enum probe_verdict stop_unstarted(struct probe *p)
{
	TRY(probe_ready(p, 0));
	return want_base(p, 0);
}

static enum probe_verdict restart(struct probe *p)
{
	TRY(ready_plain(p));
	for (uint16_t life = 1; life <= 3; life++) {
		if (probe_request(p, NULL) || want_base(p, life))
			return PROBE_FAIL;
		TRY(frontend_queue_restart(p->fe, probe_queue(p), life));
	}
	return probe_request(p, NULL);
}

static enum probe_verdict stopped_untouched(struct probe *p)
{
	struct frontend_request *req;

	TRY(ready_plain(p));
	if (want_base(p, 0))
		return PROBE_FAIL;
	TRY(probe_submit(p, NULL, &req));
	TRY(frontend_kick(p->fe, probe_queue(p)));
	if (want_untouched(p))
		return PROBE_FAIL;
	TRY(frontend_queue_restart(p->fe, probe_queue(p), 0));
	return probe_await(p, req);
}

/* The request waits, kicked, in a disabled ring; then it is enabled. */
static enum probe_verdict disabled_untouched(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	struct frontend_request *req;

	opts.disabled = true;
	TRY(ready_queue(p, 0, &opts));
	TRY(probe_submit(p, NULL, &req));
	TRY(frontend_kick(p->fe, probe_queue(p)));
	if (want_untouched(p))
		return PROBE_FAIL;
	TRY(frontend_vring_state(p->fe, VU_SET_VRING_ENABLE, probe_queue(p), 1));
	return probe_await(p, req);
}

static enum probe_verdict disabled_again(struct probe *p)
{
	struct frontend_request *req;

	TRY(ready_plain(p));
	if (probe_request(p, NULL))
		return PROBE_FAIL;
	TRY(frontend_vring_state(p->fe, VU_SET_VRING_ENABLE, probe_queue(p), 0));
	TRY(frontend_sync(p->fe));
	TRY(probe_submit(p, NULL, &req));
	TRY(frontend_kick(p->fe, probe_queue(p)));
	if (want_untouched(p))
		return PROBE_FAIL;
	TRY(frontend_vring_state(p->fe, VU_SET_VRING_ENABLE, probe_queue(p), 1));
	return probe_await(p, req);
}

static enum probe_verdict enabled_at_start(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);

	TRY(ready_queue(p, PROTOCOL, &opts));
	return probe_request(p, NULL);
}

/* The request is there, and its kick in the descriptor, before the back end hears of the ring. */
static enum probe_verdict early_kick(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	struct frontend_request *req;

	TRY(probe_ready(p, 0));
	TRY(frontend_queue_make(p->fe, probe_queue(p), &opts));
	TRY(probe_submit(p, NULL, &req));
	TRY(frontend_kick(p->fe, probe_queue(p)));
	TRY(frontend_queue_restart(p->fe, probe_queue(p), 0));
	return probe_await(p, req);
}

/*
 * Requests in all framings.
 */

/* Requests over two turns of a ring in the given framing, without these features. */
static enum probe_verdict many_requests(struct probe *p, uint64_t without, const struct frontend_request_opts *req)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);

	TRY(ready_queue(p, without, &opts));
	for (unsigned int i = 0; i < 2 * PROBE_RING; i++) {
		if (probe_request(p, req))
			return PROBE_FAIL;
	}
	return PROBE_OK;
}

static enum probe_verdict request_plain(struct probe *p)
{
	return many_requests(p, EVENT | INDIRECT, NULL);
}

static enum probe_verdict request_indirect(struct probe *p)
{
	const struct frontend_request_opts req = {.indirect = true};

	return many_requests(p, EVENT, &req);
}

static enum probe_verdict request_event(struct probe *p)
{
	return many_requests(p, INDIRECT, NULL);
}

static enum probe_verdict request_split(struct probe *p)
{
	const struct frontend_request_opts req = {.split = probe_split(p)};

	return many_requests(p, 0, &req);
}

static enum probe_verdict request_split_indirect(struct probe *p)
{
	const struct frontend_request_opts req = {.split = probe_split(p), .indirect = true};

	return many_requests(p, 0, &req);
}

static enum probe_verdict request_mixed(struct probe *p)
{
	const struct frontend_request_opts req = {.split = probe_split(p), .indirect = true, .direct = 2};

	return many_requests(p, 0, &req);
}

static enum probe_verdict request_wrap(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);

	opts.base = 65530;
	TRY(ready_queue(p, 0, &opts));
	for (unsigned int i = 0; i < 12; i++) {
		if (probe_request(p, NULL))
			return PROBE_FAIL;
	}
	return want_base(p, 6);
}

static enum probe_verdict request_depth(struct probe *p)
{
	struct frontend_request *reqs[PROBE_RING / 2];
	const struct frontend_request_opts quiet = {.no_kick = true};

	TRY(ready_plain(p));
	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++)
		TRY(probe_submit(p, &quiet, &reqs[i]));
	TRY(frontend_kick(p->fe, probe_queue(p)));
	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++) {
		if (probe_await(p, reqs[i]))
			return PROBE_FAIL;
	}
	return probe_say(p, PROBE_OK, "%zu used, notified", ARRAY_SIZE(reqs));
}

static enum probe_verdict ring_of_one(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(1);
	struct frontend_request_opts req = {.indirect = p->features & INDIRECT};

	if (!req.indirect && p->samples->out_len && p->samples->in_len)
		return probe_say(p, PROBE_NA, "needs %s", vu_feature_name(VIRTIO_F_INDIRECT_DESC));
	TRY(ready_queue(p, 0, &opts));
	for (unsigned int i = 0; i < 5; i++) {
		if (probe_request(p, &req))
			return PROBE_FAIL;
	}
	return want_base(p, 5);
}

static enum probe_verdict ring_largest(struct probe *p)
{
	if (!p->class)
		return probe_say(p, PROBE_NA, "needs a device that is built in");

	struct frontend_queue_opts opts = frontend_queue_defaults(p->class->face.queues[probe_queue(p)].max);

	TRY(ready_queue(p, 0, &opts));
	return probe_request(p, NULL);
}

/* Packed rings, as arg says. */
enum { PACKED_PLAIN, PACKED_INDIRECT, PACKED_SPLIT, PACKED_NO_EVENT, PACKED_ODD };

static enum probe_verdict request_packed(struct probe *p)
{
	unsigned int num = p->check->arg == PACKED_ODD ? PROBE_RING - 1 : PROBE_RING;
	struct frontend_queue_opts opts = frontend_queue_defaults(num);
	struct frontend_request_opts req = {.indirect = p->check->arg == PACKED_INDIRECT,
					    .split = p->check->arg == PACKED_SPLIT ? probe_split(p) : 0};
	uint32_t base;

	TRY(ready_queue(p, p->check->arg == PACKED_NO_EVENT ? EVENT : 0, &opts));
	for (unsigned int i = 0; i < 3 * num; i++) {
		if (probe_request(p, &req))
			return PROBE_FAIL;
		if (i % num != num / 2)
			continue;
		/* Twice in between it stops and goes on. */
		TRY(frontend_queue_stop(p->fe, probe_queue(p), &base));
		if (base != driver_ring_base(frontend_ring(p->fe, probe_queue(p))))
			return probe_say(p, PROBE_FAIL, "base 0x%x", base);
		TRY(frontend_queue_restart(p->fe, probe_queue(p), base));
	}
	return PROBE_OK;
}

/* Several at once, in all framings: when the last of them is used, so are the others. */
static enum probe_verdict request_in_order(struct probe *p)
{
	const struct frontend_request_opts ways[] = {
		{.no_kick = true, .poll = true},
		{.no_kick = true, .poll = true, .split = probe_split(p)},
		{.no_kick = true, .poll = true, .indirect = p->features & INDIRECT},
	};
	struct frontend_request *reqs[ARRAY_SIZE(ways)];

	TRY(ready_plain(p));
	for (unsigned int round = 0; round < PROBE_RING; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(reqs); i++)
			TRY(probe_submit(p, &ways[i], &reqs[i]));
		TRY(frontend_kick(p->fe, probe_queue(p)));
		if (probe_await(p, reqs[ARRAY_SIZE(reqs) - 1]))
			return PROBE_FAIL;
		if (driver_ring_pending(frontend_ring(p->fe, probe_queue(p))))
			return probe_say(p, PROBE_FAIL, "one was used before an older one");
		for (size_t i = 0; i + 1 < ARRAY_SIZE(reqs); i++) {
			if (probe_await(p, reqs[i]))
				return PROBE_FAIL;
		}
	}
	return probe_say(p, PROBE_OK, "%zu used, in order", PROBE_RING * ARRAY_SIZE(reqs));
}

/* Rings and buffers at addresses that mean nothing until they are asked for; all is void in between. */
static enum probe_verdict request_translated(struct probe *p)
{
	const struct frontend_iommu iommu = {.offset = 0x7000000000, .granule = 4096};
	const struct vu_iotlb all = {.size = UINT64_MAX, .type = VU_IOTLB_INVALIDATE};
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);

	if (p->xen_map)
		return probe_say(p, PROBE_NA, "needs memory in files");
	TRY(probe_ready(p, 0));
	TRY(frontend_open_back_channel(p->fe));
	frontend_set_iommu(p->fe, &iommu);
	TRY(frontend_queue_start(p->fe, probe_queue(p), &opts));
	for (unsigned int i = 0; i < 2 * PROBE_RING; i++) {
		if (i == PROBE_RING)
			TRY(frontend_iotlb(p->fe, &all));
		if (probe_request(p, NULL))
			return PROBE_FAIL;
	}
	return probe_say(p, PROBE_OK, "used, %u misses", frontend_iotlb_misses(p->fe, NULL));
}

/* A record that the back end makes and gets back. */
static enum probe_verdict request_recorded(struct probe *p)
{
	struct vu_inflight about = {.nqueues = (uint16_t)(probe_queue(p) + 1), .queue_size = PROBE_RING};
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	int fd, err;

	TRY(probe_ready(p, 0));
	TRY(frontend_get_inflight(p->fe, &about, &fd));
	err = frontend_set_inflight(p->fe, &about, fd);
	close(fd);
	TRY(err);
	TRY(frontend_queue_start(p->fe, probe_queue(p), &opts));
	for (unsigned int i = 0; i < 2 * PROBE_RING; i++) {
		if (probe_request(p, NULL))
			return PROBE_FAIL;
	}
	return probe_say(p, PROBE_OK, "used, a record of %llu bytes", (unsigned long long)about.size);
}

/* A ring that is stopped with what is in flight, and started again from there. */
static enum probe_verdict left_in_flight(struct probe *p)
{
	struct vu_inflight about = {.nqueues = (uint16_t)(probe_queue(p) + 1), .queue_size = PROBE_RING};
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	struct frontend_request *reqs[PROBE_RING / 4];
	uint32_t base;
	int fd, err;

	TRY(probe_ready(p, 0));
	TRY(frontend_get_inflight(p->fe, &about, &fd));
	err = frontend_set_inflight(p->fe, &about, fd);
	close(fd);
	TRY(err);
	TRY(frontend_queue_start(p->fe, probe_queue(p), &opts));
	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++)
		TRY(probe_submit(p, NULL, &reqs[i]));
	TRY(frontend_get_vring_base_skip_drain(p->fe, probe_queue(p), &base));
	TRY(frontend_queue_restart(p->fe, probe_queue(p), base));
	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++) {
		if (probe_await(p, reqs[i]))
			return PROBE_FAIL;
	}
	return probe_say(p, PROBE_OK, "%zu used", ARRAY_SIZE(reqs));
}

/* The device's state goes from one connection to the next, as from one host to another. */
static enum probe_verdict device_state(struct probe *p)
{
	void *bytes;
	size_t len;
	int err;

	TRY(probe_ready(p, 0));
	TRY(frontend_save_state(p->fe, &bytes, &len));
	err = probe_connect(p);
	if (!err)
		err = probe_ready(p, 0);
	if (!err)
		err = frontend_load_state(p->fe, bytes, len);
	free(bytes);
	TRY(err);
	return probe_say(p, PROBE_OK, "%zu bytes", len);
}

/*
 * The log of written memory.
 */

/* Pages that are marked; they are not from now on. */
static unsigned int take_marked(struct probe *p)
{
	const struct frontend_mem *mem = frontend_mem(p->fe);
	unsigned int n = 0;

	for (unsigned int i = 0; i < frontend_mem_count(mem); i++) {
		const struct frontend_region *r = frontend_mem_region(mem, i);

		for (uint64_t at = 0; at < r->size; at += DIRTY_LOG_PAGE)
			n += frontend_log_has(p->fe, r->guest_addr + at, true);
	}
	return n;
}

/* The ring's page; with the ring not logged, the answer's; and when the log has ended, none. */
static enum probe_verdict logged(struct probe *p)
{
	struct vu_vring_addr addr;

	if (p->xen_map)
		return probe_say(p, PROBE_NA, "needs memory in files");
	TRY(ready_plain(p));
	if (probe_request(p, NULL))
		return PROBE_FAIL;
	TRY(frontend_log_start(p->fe));
	if (probe_request(p, NULL))
		return PROBE_FAIL;
	addr = frontend_queue_addr(p->fe, probe_queue(p));
	if (!frontend_log_has(p->fe, addr.log, false))
		return probe_say(p, PROBE_FAIL, "the ring's page is not marked");
	addr.flags = 0;
	TRY(frontend_vring_addr(p->fe, &addr));
	TRY(frontend_sync(p->fe));
	take_marked(p);
	if (probe_request(p, NULL))
		return PROBE_FAIL;
	if (p->samples->in_len && !take_marked(p))
		return probe_say(p, PROBE_FAIL, "the answer's page is not marked");
	TRY(frontend_log_stop(p->fe));
	TRY(frontend_sync(p->fe));
	take_marked(p);
	if (probe_request(p, NULL))
		return PROBE_FAIL;
	if (take_marked(p))
		return probe_say(p, PROBE_FAIL, "pages are marked after it was switched off");
	return probe_say(p, PROBE_OK, "ring and answer marked, then none");
}

/*
 * Notifications.
 */

/* One request with a queue whose notifications arg chooses. */
enum { POLL_CALL, POLL_KICK, PIPES };

static enum probe_verdict notify_kind(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);

	opts.poll_call = p->check->arg == POLL_CALL;
	opts.poll_kick = p->check->arg == POLL_KICK;
	opts.pipes = p->check->arg == PIPES;
	TRY(ready_queue(p, 0, &opts));
	for (unsigned int i = 0; i < 5; i++) {
		if (probe_request(p, NULL))
			return PROBE_FAIL;
	}
	return PROBE_OK;
}

static enum probe_verdict call_replaced(struct probe *p)
{
	TRY(ready_plain(p));
	for (unsigned int i = 0; i < 5; i++) {
		if (probe_request(p, NULL))
			return PROBE_FAIL;
		TRY(frontend_replace_call(p->fe, probe_queue(p)));
	}
	return probe_request(p, NULL);
}

static enum probe_verdict in_band(struct probe *p)
{
	const uint64_t protocol = BIT(VU_PF_INBAND_NOTIFICATIONS) | BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_REPLY_ACK);
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);

	opts.in_band = true;
	TRY(probe_ready(p, 0));
	TRY(frontend_set_protocol_features(p->fe, frontend_protocol_features(p->fe) | protocol));
	TRY(frontend_open_back_channel(p->fe));
	TRY(frontend_queue_start(p->fe, probe_queue(p), &opts));
	for (unsigned int i = 0; i < 5; i++) {
		if (probe_request(p, NULL))
			return PROBE_FAIL;
	}
	return PROBE_OK;
}

/*
 * Changes while the ring runs.
 */

static enum probe_verdict table_replaced(struct probe *p)
{
	TRY(ready_plain(p));
	for (unsigned int i = 0; i < 5; i++) {
		if (probe_request(p, NULL))
			return PROBE_FAIL;
		TRY(frontend_set_mem_table(p->fe));
	}
	return probe_request(p, NULL);
}

static enum probe_verdict reset_device(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	struct frontend_request *req;

	TRY(ready_plain(p));
	if (probe_request(p, NULL))
		return PROBE_FAIL;
	TRY(frontend_reset_device(p->fe));
	/* A driver that begins anew: some have forgotten the features, too. */
	TRY(frontend_set_features(p->fe, frontend_features(p->fe)));
	opts.disabled = true;
	TRY(frontend_queue_start(p->fe, probe_queue(p), &opts));
	TRY(probe_submit(p, NULL, &req));
	TRY(frontend_kick(p->fe, probe_queue(p)));
	if (want_untouched(p))
		return PROBE_FAIL;
	TRY(frontend_vring_state(p->fe, VU_SET_VRING_ENABLE, probe_queue(p), 1));
	return probe_await(p, req);
}

/* A front-end that was served, and has a request under way, goes; the next one finds nothing of it. */
static enum probe_verdict reconnect(struct probe *p)
{
	const struct frontend_request_opts quiet = {.no_kick = true};
	struct frontend_request *req;

	TRY(ready_plain(p));
	if (probe_request(p, NULL))
		return PROBE_FAIL;
	TRY(probe_submit(p, &quiet, &req));
	TRY(frontend_kick(p->fe, probe_queue(p)));
	if (probe_connect(p))
		return probe_say(p, PROBE_FAIL, "no connection afterwards");
	if (stop_unstarted(p) || probe_connect(p))
		return PROBE_FAIL;
	return disabled_untouched(p);
}

/*
 * Rings that cannot be trusted.
 */

enum { BAD_HEAD, BAD_INDEX, BAD_LOOP, BAD_TABLE, BAD_ADDRESS };

/* Makes a chain available that arg makes bad, and kicks. */
static int break_ring(struct probe *p, unsigned int q, uint32_t kind)
{
	struct driver_ring *ring = frontend_ring(p->fe, q);
	struct driver_ring_raw raw = driver_ring_raw(ring);
	struct virtq_desc *d = &raw.desc[0];
	uint16_t head = 0;

	/* Memory that there is, but in the last two cases. */
	*d = (struct virtq_desc){.addr = htole64(frontend_mem_region(frontend_mem(p->fe), 0)->guest_addr),
				 .len = htole32(64),
				 .flags = htole16(VIRTQ_DESC_F_WRITE)};
	switch (kind) {
	case BAD_HEAD:
		head = (uint16_t)raw.num;
		break;
	case BAD_INDEX:
		raw.avail->idx = htole16((uint16_t)(le16toh(raw.avail->idx) + raw.num + 1));
		return frontend_kick(p->fe, q);
	case BAD_LOOP:
		d->flags = htole16(VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT);
		break;
	case BAD_TABLE:
		d->flags = htole16(VIRTQ_DESC_F_INDIRECT);
		d->addr = htole64(UINT64_C(1) << 60);
		break;
	case BAD_ADDRESS:
		d->addr = htole64(UINT64_C(1) << 60);
		break;
	}
	driver_ring_publish_raw(ring, head);
	return frontend_kick(p->fe, q);
}

static enum probe_verdict broken_told(struct probe *p)
{
	TRY(ready_plain(p));
	TRY(break_ring(p, probe_queue(p), p->check->arg));
	TRY(frontend_wait_err(p->fe, probe_queue(p)));
	TRY(frontend_sync(p->fe));
	return probe_say(p, PROBE_OK, "signalled, the connection lives");
}

static enum probe_verdict broken_others(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	unsigned int other = probe_queue(p) ? 0 : 1;

	if (p->nqueues < 2)
		return probe_say(p, PROBE_NA, "there is one queue");
	TRY(ready_plain(p));
	TRY(frontend_queue_start(p->fe, other, &opts));
	TRY(break_ring(p, other, BAD_HEAD));
	return probe_request(p, NULL);
}

static enum probe_verdict broken_restart(struct probe *p)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	uint32_t base;

	TRY(ready_plain(p));
	TRY(break_ring(p, probe_queue(p), BAD_HEAD));
	TRY(frontend_queue_stop(p->fe, probe_queue(p), &base));
	TRY(frontend_queue_start(p->fe, probe_queue(p), &opts));
	return probe_request(p, NULL);
}

static enum probe_verdict broken_reconnect(struct probe *p)
{
	TRY(ready_plain(p));
	TRY(break_ring(p, probe_queue(p), BAD_INDEX));
	if (probe_connect(p))
		return probe_say(p, PROBE_FAIL, "no connection afterwards");
	TRY(ready_plain(p));
	return probe_request(p, NULL);
}

#define USED "used, notified"

const struct probe_check probe_ring_checks[] = {
	{.name = "stop",
	 .sent = "SET_VRING_BASE 5, start, GET_VRING_BASE",
	 .want = "base 5",
	 .run = stop_base},
	{.name = "stop-twice", .sent = "GET_VRING_BASE twice", .want = "the same base", .run = stop_twice},
	{.name = "stop-unstarted",
	 .sent = "GET_VRING_BASE of a ring never started",
	 .want = "base 0",
	 .run = stop_unstarted},
	{.name = "restart",
	 .sent = "request, stop, start; 3 times",
	 .want = "bases 1, 2, 3; " USED,
	 .request = true,
	 .run = restart},
	{.name = "stopped",
	 .sent = "request in a stopped ring; start",
	 .want = "untouched; then " USED,
	 .request = true,
	 .run = stopped_untouched},
	{.name = "disabled",
	 .sent = "request, kick; SET_VRING_ENABLE 1",
	 .want = "untouched; then " USED,
	 .features = PROTOCOL,
	 .request = true,
	 .run = disabled_untouched},
	{.name = "disabled-again",
	 .sent = "SET_VRING_ENABLE 0, request, kick; ENABLE 1",
	 .want = "untouched; then " USED,
	 .features = PROTOCOL,
	 .request = true,
	 .run = disabled_again},
	{.name = "enabled-at-start",
	 .sent = "request, bit 30 not accepted",
	 .want = USED,
	 .request = true,
	 .run = enabled_at_start},
	{.name = "early-kick",
	 .sent = "request and kick before SET_VRING_KICK",
	 .want = USED,
	 .request = true,
	 .run = early_kick},
	{.name = "request", .sent = "requests, no ring features", .want = USED, .request = true, .run = request_plain},
	{.name = "request-indirect",
	 .sent = "requests in indirect tables",
	 .want = USED,
	 .features = INDIRECT,
	 .request = true,
	 .run = request_indirect},
	{.name = "request-event",
	 .sent = "requests with event index",
	 .want = USED,
	 .features = EVENT,
	 .request = true,
	 .run = request_event},
	{.name = "request-split",
	 .sent = "requests cut into many descriptors",
	 .want = USED,
	 .request = true,
	 .run = request_split},
	{.name = "request-split-indirect",
	 .sent = "the same in indirect tables",
	 .want = USED,
	 .features = INDIRECT,
	 .request = true,
	 .run = request_split_indirect},
	{.name = "request-mixed",
	 .sent = "2 descriptors, then an indirect table",
	 .want = USED,
	 .features = INDIRECT,
	 .request = true,
	 .run = request_mixed},
	{.name = "request-wrap",
	 .sent = "12 requests from index 65530",
	 .want = USED ", base 6",
	 .request = true,
	 .run = request_wrap},
	{.name = "request-depth", .sent = "16 requests, 1 kick", .want = USED, .request = true, .run = request_depth},
	{.name = "ring-1",
	 .sent = "5 requests in a ring of 1",
	 .want = USED ", base 5",
	 .request = true,
	 .run = ring_of_one},
	{.name = "ring-largest",
	 .sent = "request in the largest ring",
	 .want = USED,
	 .request = true,
	 .run = ring_largest},
	{.name = "packed",
	 .sent = "requests in a packed ring, stops",
	 .want = USED ", its bases",
	 .features = PACKED,
	 .request = true,
	 .arg = PACKED_PLAIN,
	 .run = request_packed},
	{.name = "packed-indirect",
	 .sent = "the same in indirect tables",
	 .want = USED ", its bases",
	 .features = PACKED | INDIRECT,
	 .request = true,
	 .arg = PACKED_INDIRECT,
	 .run = request_packed},
	{.name = "packed-split",
	 .sent = "the same in many descriptors",
	 .want = USED ", its bases",
	 .features = PACKED,
	 .request = true,
	 .arg = PACKED_SPLIT,
	 .run = request_packed},
	{.name = "packed-no-event",
	 .sent = "the same without event index",
	 .want = USED ", its bases",
	 .features = PACKED,
	 .request = true,
	 .arg = PACKED_NO_EVENT,
	 .run = request_packed},
	{.name = "packed-31",
	 .sent = "the same, of 31 entries",
	 .want = USED ", its bases",
	 .features = PACKED,
	 .request = true,
	 .arg = PACKED_ODD,
	 .run = request_packed},
	{.name = "in-order",
	 .sent = "requests with IN_ORDER",
	 .want = "used in the order they were sent in",
	 .features = BIT(VIRTIO_F_IN_ORDER),
	 .request = true,
	 .run = request_in_order},
	{.name = "in-order-packed",
	 .sent = "the same in a packed ring",
	 .want = "used in the order they were sent in",
	 .features = BIT(VIRTIO_F_IN_ORDER) | PACKED,
	 .request = true,
	 .run = request_in_order},
	{.name = "iommu",
	 .sent = "requests behind an IOMMU, IOTLB_MSG",
	 .want = USED ", misses answered",
	 .features = BIT(VIRTIO_F_ACCESS_PLATFORM),
	 .protocol = BIT(VU_PF_BACKEND_REQ),
	 .request = true,
	 .run = request_translated},
	{.name = "inflight",
	 .sent = "GET_, SET_INFLIGHT_FD, requests",
	 .want = USED,
	 .protocol = BIT(VU_PF_INFLIGHT_SHMFD),
	 .request = true,
	 .run = request_recorded},
	{.name = "skip-drain",
	 .sent = "requests, GET_VRING_BASE_SKIP_DRAIN, start",
	 .want = "used",
	 .protocol = BIT(VU_PF_INFLIGHT_SHMFD) | BIT(VU_PF_GET_VRING_BASE_INFLIGHT) | BIT(VU_PF_GET_VRING_BASE_SKIP_DRAIN),
	 .request = true,
	 .run = left_in_flight},
	{.name = "device-state",
	 .sent = "SET_DEVICE_STATE_FD out, and back in",
	 .want = "CHECK_DEVICE_STATE: 0, twice",
	 .protocol = BIT(VU_PF_DEVICE_STATE),
	 .run = device_state},
	{.name = "logged",
	 .sent = "requests with LOG_ALL, and after",
	 .want = "pages written marked, then none",
	 .features = BIT(VHOST_F_LOG_ALL),
	 .protocol = BIT(VU_PF_LOG_SHMFD),
	 .request = true,
	 .run = logged},
	{.name = "poll-call",
	 .sent = "SET_VRING_CALL without a descriptor",
	 .want = "used",
	 .request = true,
	 .arg = POLL_CALL,
	 .run = notify_kind},
	{.name = "poll-kick",
	 .sent = "SET_VRING_KICK without a descriptor",
	 .want = USED,
	 .request = true,
	 .arg = POLL_KICK,
	 .run = notify_kind},
	{.name = "pipes",
	 .sent = "pipes in the place of eventfds",
	 .want = USED,
	 .request = true,
	 .arg = PIPES,
	 .run = notify_kind},
	{.name = "call-replaced",
	 .sent = "SET_VRING_CALL while the ring runs",
	 .want = "used, the new one notified",
	 .request = true,
	 .run = call_replaced},
	{.name = "in-band",
	 .sent = "VRING_KICK, no descriptors",
	 .want = "used, VRING_CALL",
	 .protocol = BIT(VU_PF_INBAND_NOTIFICATIONS) | BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_REPLY_ACK),
	 .request = true,
	 .run = in_band},
	{.name = "table-replaced",
	 .sent = "SET_MEM_TABLE while the ring runs",
	 .want = USED,
	 .request = true,
	 .run = table_replaced},
	{.name = "guest-addresses",
	 .sent = "requests with GPA_ADDRESSES",
	 .want = USED,
	 .protocol = BIT(VU_PF_GPA_ADDRESSES),
	 .request = true,
	 .run = request_plain},
	{.name = "reset-device",
	 .sent = "RESET_DEVICE; start, request; ENABLE 1",
	 .want = "untouched; then " USED,
	 .features = PROTOCOL,
	 .protocol = BIT(VU_PF_RESET_DEVICE),
	 .request = true,
	 .run = reset_device},
	{.name = "reconnect",
	 .sent = "request, the end; a new front-end",
	 .want = "base 0, disabled; then " USED,
	 .features = PROTOCOL,
	 .request = true,
	 .run = reconnect},
	{.name = "bad-head",
	 .sent = "an available entry beyond the table",
	 .want = "SET_VRING_ERR's descriptor signalled",
	 .request = true,
	 .arg = BAD_HEAD,
	 .run = broken_told},
	{.name = "bad-index",
	 .sent = "an available index beyond the ring",
	 .want = "SET_VRING_ERR's descriptor signalled",
	 .request = true,
	 .arg = BAD_INDEX,
	 .run = broken_told},
	{.name = "bad-loop",
	 .sent = "a chain that loops",
	 .want = "SET_VRING_ERR's descriptor signalled",
	 .request = true,
	 .arg = BAD_LOOP,
	 .run = broken_told},
	{.name = "bad-table",
	 .sent = "an indirect table outside memory",
	 .want = "SET_VRING_ERR's descriptor signalled",
	 .features = INDIRECT,
	 .request = true,
	 .arg = BAD_TABLE,
	 .run = broken_told},
	{.name = "bad-address",
	 .sent = "a buffer outside memory",
	 .want = "SET_VRING_ERR's descriptor signalled",
	 .request = true,
	 .arg = BAD_ADDRESS,
	 .run = broken_told},
	{.name = "broken-others",
	 .sent = "another ring broken, then a request",
	 .want = USED,
	 .request = true,
	 .run = broken_others},
	{.name = "broken-restart",
	 .sent = "ring broken, GET_VRING_BASE, start, request",
	 .want = USED,
	 .request = true,
	 .run = broken_restart},
	{.name = "broken-reconnect",
	 .sent = "ring broken, the end; a new front-end",
	 .want = USED,
	 .request = true,
	 .run = broken_reconnect},
	{0},
};
