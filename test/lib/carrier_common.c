/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * carrier_common.c - the cases that every device must stand: only its sample request is its own.
 */
#include "test/lib/carrier_impl.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "test/lib/random.h"
#include "test/unit/suites.h"

/* More than the indexes of the setting that lets them wrap have left, and than a small ring holds. */
static void many_samples(struct carrier *c)
{
	for (unsigned int i = 0; i < 100; i++)
		carrier_sample(c);
}

/* A driver that makes available all it can and looks at nothing until the device has used it all. */
static void never_reaps(struct carrier *c)
{
	const struct vdev_sample *s = c->class->samples;
	struct driver_ring *ring = frontend_ring(c->fe, s->queue);
	unsigned int n = (unsigned int)min_size(carrier_depth(c, s->queue), 4096);
	struct frontend_request **reqs = calloc(n, sizeof(*reqs));

	ck_assert_ptr_nonnull(reqs);
	for (unsigned int i = 0; i < n; i++)
		reqs[i] = carrier_submit(c, s->queue, s->out, s->out_len, s->in_len);
	for (unsigned int ms = 0; driver_ring_used(ring) < n; ms++) {
		ck_assert_msg(ms < CARRIER_PATIENCE_MS, "%u of %u requests were used", driver_ring_used(ring), n);
		carrier_idle(c, 1);
	}
	ck_assert_uint_eq(driver_ring_pending(ring), n);
	for (unsigned int i = 0; i < n; i++)
		carrier_await(c, s->queue, reqs[i], NULL);
	free(reqs);
	carrier_sample(c);
}

/* The front-end goes with requests under way; the next one finds a fresh device. */
static void disconnect_in_request(struct carrier *c)
{
	const struct vdev_sample *s = c->class->samples;

	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < carrier_depth(c, s->queue) && i < 8; i++)
			carrier_submit(c, s->queue, s->out, s->out_len, s->in_len);
		carrier_reconnect(c);
	}
	carrier_sample(c);
}

static void stop_and_start(struct carrier *c)
{
	unsigned int q = c->class->samples->queue;

	carrier_sample(c);
	for (unsigned int i = 1; i < 5; i++) {
		uint32_t base = carrier_stop(c, q);

		ck_assert_uint_eq(base, driver_ring_base(frontend_ring(c->fe, q)));
		carrier_start(c, q, base);
		carrier_sample(c);
	}
}

/* Made available while the ring is stopped: found when it starts, without a kick. */
static void start_finds_requests(struct carrier *c)
{
	const struct vdev_sample *s = c->class->samples;
	uint32_t base = carrier_stop(c, s->queue);
	struct frontend_request_opts how = {.indirect = c->set->how.indirect, .no_kick = true, .poll = true};
	struct frontend_request *req;

	carrier_ok(c, frontend_submit(c->fe, s->queue, s->out, s->out_len, s->in_len, &how, &req), "request");
	carrier_start(c, s->queue, base);
	carrier_await(c, s->queue, req, NULL);
}

static void driver_resets(struct carrier *c)
{
	carrier_sample(c);
	for (unsigned int i = 0; i < 3; i++) {
		carrier_reset(c);
		carrier_sample(c);
	}
}

/* Memory that is announced anew: requests before it, around it, after it. */
static void memory_replaced(struct carrier *c)
{
	const struct vdev_sample *s = c->class->samples;

	carrier_sample(c);
	carrier_share_again(c);
	carrier_sample(c);

	struct frontend_request *req = carrier_submit(c, s->queue, s->out, s->out_len, s->in_len);

	carrier_share_again(c);
	carrier_await(c, s->queue, req, NULL);
	carrier_sample(c);
}

/* What a driver must not write: the ring is broken, and good again after a new start; other rings never notice. */
static void hostile_ring(struct carrier *c)
{
	unsigned int good = c->class->samples->queue;

	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++) {
		driver_ring_publish_raw(frontend_ring(c->fe, q), UINT16_MAX);
		carrier_ok(c, frontend_kick(c->fe, q), "kick");
		carrier_ok(c, carrier_wait_broken(c, q, CARRIER_PATIENCE_MS), "broken ring");
		if (q != good)
			carrier_sample(c);
		carrier_stop(c, q);
		carrier_renew(c, q);
		carrier_sample(c);
	}
}

/* Requests of any length with any bytes: whatever comes of them, the device lives. */
static void random_requests(struct carrier *c)
{
	uint32_t state = 0x76646576;
	uint8_t out[300];

	for (unsigned int round = 0; round < 30; round++) {
		for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++) {
			size_t out_len = random_next(&state) % 5 ? random_next(&state) % 20 : random_next(&state) % 300;
			size_t in_len = random_next(&state) % 5 ? random_next(&state) % 20 : random_next(&state) % 300;

			/* Small numbers are what fields have. */
			for (size_t i = 0; i < sizeof(out); i++)
				out[i] = (uint8_t)(random_next(&state) % 3 ? random_next(&state) % 9
									   : random_next(&state));
			carrier_submit(c, q, out, out_len, in_len ? in_len : !out_len);
		}
		carrier_idle(c, 0);
		carrier_reset(c);
	}
	carrier_sample(c);
}

/* Reads at all places: the same bytes, zeros beyond the end; writes may be refused and harm nothing. */
static void config_space(struct carrier *c)
{
	uint8_t whole[VDEV_CONFIG_MAX], part[VDEV_CONFIG_MAX];
	uint32_t size = (uint32_t)carrier_face(c)->config_size;

	carrier_config_read(c, 0, whole, sizeof(whole));
	for (uint32_t i = size; i < sizeof(whole); i++)
		ck_assert_uint_eq(whole[i], 0);
	for (uint32_t off = 0; off < size; off++) {
		carrier_config_read(c, off, part, size - off);
		ck_assert_mem_eq(part, whole + off, size - off);
		carrier_config_read(c, off, part, 1);
		ck_assert_uint_eq(part[0], whole[off]);
	}
	carrier_config_read(c, size, part, 4);
	ck_assert_mem_eq(part, "\0\0\0\0", 4);
	if (!c->class->config_write) {
		carrier_config_write(c, 0, "\xff", 1);
		carrier_config_read(c, 0, part, size);
		ck_assert_mem_eq(part, whole, size);
	}
	carrier_sample(c);
}

/*
 * The most CPU time that a back end may take until it does something else, ns, whatever a guest has asked for.  CPU time, since
 * other processes of the machine are not its fault.
 */
#define FLOOD_NS (TEST_SANITIZED ? UINT64_C(1000000000) : UINT64_C(100000000))

static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

/* CPU time of the process that has the device. */
static uint64_t cpu_ns(const struct carrier *c)
{
	clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
	struct timespec ts;

	if (c->kind == CARRIER_BINARY)
		ck_assert_int_eq(clock_getcpuclockid(c->pid, &clock), 0);
	ck_assert_int_eq(clock_gettime(clock, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A message that is answered; on a bare ring a turn. */
static void ask(struct carrier *c)
{
	uint64_t word;

	if (c->kind == CARRIER_DIRECT)
		carrier_idle(c, 0);
	else
		carrier_ok(c, frontend_ask_u64(c->fe, VU_GET_FEATURES, &word), "a message meanwhile");
}

/* The same within the bound. */
static void answered(struct carrier *c)
{
	const uint64_t begin = cpu_ns(c);

	ask(c);
	ck_assert_uint_lt(cpu_ns(c) - begin, FLOOD_NS);
}

/* A command on the control socket; where the device has a process, and so one. */
static void commanded(struct carrier *c)
{
	static const char command[] = "stat\n";
	const uint64_t begin = cpu_ns(c);
	char text[4096];
	size_t len = 0;
	int sock;

	if (c->kind != CARRIER_BINARY)
		return;
	sock = unix_connect(carrier_path(c, "control"));
	ck_assert_int_ge(sock, 0);
	ck_assert_int_eq(send(sock, command, strlen(command), MSG_NOSIGNAL), (ssize_t)strlen(command));
	while (len < 3 || memcmp(text + len - 3, "ok\n", 3) != 0) {
		struct pollfd p = {.fd = sock, .events = POLLIN};
		ssize_t n;

		ck_assert_msg(poll(&p, 1, CARRIER_PATIENCE_MS) == 1, "no answer while a queue is flooded");
		n = recv(sock, text + len, sizeof(text) - len, 0);
		ck_assert_int_gt(n, 0);
		len += (size_t)n;
	}
	close(sock);
	ck_assert_uint_lt(cpu_ns(c) - begin, FLOOD_NS);
}

/* The process ends at SIGTERM.  Another begins. */
static void ended(struct carrier *c)
{
	const uint64_t begin = cpu_ns(c);

	ck_assert_uint_lt(carrier_process_end(c) - begin, FLOOD_NS);
	carrier_leave(c);
	carrier_process_start(c);
	carrier_arrive(c);
}

/* What a ring is filled with: chains of an indirect table each, the same for all. */
struct flood {
	unsigned int queue;
	uint32_t len; /* of each piece; as many as a chain may have */
	uint16_t flags;
	const struct vdev_sample *sample; /* in their place: a request that is right, a byte a piece; or NULL */
};

/* Writes the table.  Returns its descriptors. */
static uint32_t flood_table(struct carrier *c, const struct flood *f, unsigned int num, struct frontend_buf *table)
{
	const struct vdev_sample *s = f->sample;
	const uint32_t most = num > VIRTQ_CHAIN_MIN_LIMIT ? num : VIRTQ_CHAIN_MIN_LIMIT;
	const uint32_t n = s ? (uint32_t)(s->out_len + s->in_len) : most;
	struct frontend_buf bytes = carrier_alloc(c, 65536);
	struct virtq_desc *desc;

	*table = carrier_alloc(c, n * sizeof(*desc));
	desc = table->va;
	if (s && s->out_len)
		memcpy(bytes.va, s->out, s->out_len);
	for (uint32_t i = 0; i < n; i++) {
		const uint16_t flags = !s ? f->flags : i < s->out_len ? 0 : VIRTQ_DESC_F_WRITE;

		desc[i] = (struct virtq_desc){htole64(bytes.guest + (s ? i : 0)), htole32(s ? 1 : f->len),
					      htole16((uint16_t)(flags | (i + 1 < n ? VIRTQ_DESC_F_NEXT : 0))),
					      htole16((uint16_t)(i + 1))};
	}
	return n;
}

/* Fills the queue's ring, as long as the device has it. */
static void flood(struct carrier *c, const struct flood *f)
{
	struct driver_ring_raw raw;
	struct frontend_buf table;
	uint32_t n;

	c->largest = true;
	carrier_reset(c);
	raw = driver_ring_raw(frontend_ring(c->fe, f->queue));
	n = flood_table(c, f, raw.num, &table);
	for (unsigned int i = 0; i < raw.num; i++) {
		raw.desc[i] =
			(struct virtq_desc){htole64(table.guest), htole32(n * (uint32_t)sizeof(struct virtq_desc)),
					    htole16(VIRTQ_DESC_F_INDIRECT), 0};
		raw.avail->ring[i] = htole16((uint16_t)i);
	}
	__atomic_store_n(&raw.avail->idx, htole16((uint16_t)raw.num), __ATOMIC_RELEASE);
	carrier_ok(c, frontend_kick(c->fe, f->queue), "kick");
}

/*
 * While a guest has one queue do what costs most, the front-end, others of its queues and the operator are answered,
 * the ring stops, and the process ends when it is told to.
 */
static void flooded_once(struct carrier *c, const struct flood *f)
{
	uint64_t begin;

	flood(c, f);
	for (unsigned int n = 0; n < 10; n++)
		answered(c);
	commanded(c);
	begin = cpu_ns(c);
	if (f->queue != c->class->samples->queue)
		carrier_sample(c);
	ck_assert_uint_lt(cpu_ns(c) - begin, FLOOD_NS);
	begin = cpu_ns(c);
	carrier_stop(c, f->queue);
	ck_assert_uint_lt(cpu_ns(c) - begin, FLOOD_NS);
	if (c->kind == CARRIER_BINARY) {
		flood(c, f);
		ended(c);
	}
	c->largest = false;
	carrier_reconnect(c);
}

static void flooded(struct carrier *c)
{
	static const struct flood shapes[] = {
		{.len = 0, .flags = VIRTQ_DESC_F_WRITE},
		{.len = 1, .flags = VIRTQ_DESC_F_WRITE},
		{.len = 1},
		{.len = 65536, .flags = VIRTQ_DESC_F_WRITE},
	};
	const unsigned int nqueues = carrier_face(c)->nqueues;

	if (under_valgrind())
		return;
	for (unsigned int i = 0; i < nqueues * ARRAY_SIZE(shapes); i++) {
		struct flood f = shapes[i / nqueues];

		f.queue = i % nqueues;
		flooded_once(c, &f);
	}
	for (const struct vdev_sample *s = c->class->samples; s->what; s++) {
		if ((c->features & s->features) == s->features)
			flooded_once(c, &(struct flood){.queue = s->queue, .sample = s});
	}
	carrier_sample(c);
}

/* Another processor of the guest's, which writes where the device reads. */
struct racer {
	struct driver_ring_raw raw;
	struct virtq_desc *table; /* n of them */
	uint32_t n;
	struct frontend_buf bytes; /* that the table tells of */
	atomic_bool stop;
};

/* Changes something of a descriptor: what a driver could have meant, and what none means. */
static void race_desc(struct virtq_desc *d, uint32_t n, const struct frontend_buf *bytes, uint32_t *state)
{
	static const uint16_t flags[] = {0, VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE,
					 VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, VIRTQ_DESC_F_INDIRECT};
	volatile struct virtq_desc *at = d;

	switch (random_next(state) % 5) {
	case 0:
		at->len = htole32(random_next(state) % 300);
		break;
	case 1:
		at->len = htole32(random_next(state));
		break;
	case 2:
		at->flags = htole16(flags[random_next(state) % ARRAY_SIZE(flags)]);
		break;
	case 3:
		at->next = htole16((uint16_t)(random_next(state) % (n + 1)));
		break;
	default:
		at->addr = htole64(bytes->guest + random_next(state) % 65536);
	}
}

static void *race(void *arg)
{
	struct racer *r = arg;
	uint32_t state = 0x72616365;

	while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
		uint32_t i = random_next(&state) % r->n;

		if (random_next(&state) % 8)
			race_desc(&r->table[i], r->n, &r->bytes, &state);
		else
			race_desc(&r->raw.desc[i % r->raw.num], r->raw.num, &r->bytes, &state);
		((volatile uint8_t *)r->bytes.va)[random_next(&state) % 64] = (uint8_t)random_next(&state);
	}
	return NULL;
}

/* Requests in the queue whose table, descriptors and bytes change while they are read. */
static void raced_once(struct carrier *c, const struct vdev_sample *s)
{
	const struct flood f = {.queue = s->queue, .sample = s};
	struct frontend_buf table;
	struct racer r = {0};
	pthread_t other;

	carrier_reset(c);
	r.raw = driver_ring_raw(frontend_ring(c->fe, f.queue));
	r.n = flood_table(c, &f, r.raw.num, &table);
	r.table = table.va;
	r.bytes = (struct frontend_buf){.guest = le64toh(r.table[0].addr)};
	r.bytes.va = (char *)table.va - (table.guest - r.bytes.guest);
	ck_assert_int_eq(pthread_create(&other, NULL, race, &r), 0);
	for (unsigned int i = 0; i < r.raw.num; i++) {
		r.raw.desc[i] =
			(struct virtq_desc){htole64(table.guest), htole32(r.n * (uint32_t)sizeof(struct virtq_desc)),
					    htole16(VIRTQ_DESC_F_INDIRECT), 0};
		r.raw.avail->ring[i] = htole16((uint16_t)i);
	}
	for (unsigned int i = 1; i <= r.raw.num; i += 1 + r.raw.num / 16) {
		__atomic_store_n(&r.raw.avail->idx, htole16((uint16_t)i), __ATOMIC_RELEASE);
		carrier_ok(c, frontend_kick(c->fe, f.queue), "kick");
		ask(c);
	}
	atomic_store(&r.stop, true);
	ck_assert_int_eq(pthread_join(other, NULL), 0);
	carrier_stop(c, f.queue);
	carrier_reconnect(c);
}

/* Whatever comes of such requests, the device lives, and the next front-end finds it as ever. */
static void raced(struct carrier *c)
{
	if (under_valgrind())
		return;
	for (unsigned int round = 0; round < 10; round++) {
		for (const struct vdev_sample *s = c->class->samples; s->what; s++) {
			if ((c->features & s->features) == s->features)
				raced_once(c, s);
		}
	}
	carrier_sample(c);
}

const struct device_case carrier_common_cases[] = {
	{.name = "many samples", .run = many_samples},
	{.name = "a driver that never reaps", .run = never_reaps},
	{.name = "disconnect in mid-request", .run = disconnect_in_request},
	{.name = "stop and start", .run = stop_and_start},
	{.name = "start finds requests", .run = start_finds_requests},
	{.name = "driver resets", .run = driver_resets},
	{.name = "memory replaced", .run = memory_replaced},
	{.name = "hostile ring", .run = hostile_ring},
	{.name = "flooded", .run = flooded, .flags = CASE_ONCE | CASE_CONTROL},
	{.name = "raced", .run = raced, .flags = CASE_ONCE},
	{.name = "random requests", .run = random_requests},
	{.name = "configuration space", .run = config_space, .flags = CASE_CONFIG},
	{0},
};
