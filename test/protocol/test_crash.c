/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_crash.c - vdevd is killed at any moment under load, again and again, and another takes its place: every
 * request is used, and none twice.  QEMU docs/interop/vhost-user.rst, "Inflight I/O tracking".
 *
 * The rings and the record outlive the back end; the ring checks each used element against what is in flight.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/carrier_impl.h"
#include "test/lib/random.h"
#include "test/unit/suites.h"

#define RING	 32u
#define DEPTH	 24u /* requests in flight */
#define OUT_MAX	 8u
#define IN_MAX	 64u
#define PATIENCE 20000u /* ms */
#define LONGEST	 3000u	/* us until a back end is killed */

/* A device and a request that it answers with in_len bytes, the last of which is status. */
static const struct victim {
	const char *device;
	const char *args[3];
	const uint8_t out[OUT_MAX];
	uint32_t out_len, in_len;
	int status;	   /* -1: there is none, and the answer may be shorter */
	uint64_t features; /* the driver must accept */
} victims[] = {
	{"rng", {NULL}, {0}, 0, IN_MAX, -1, 0},
	{"gpio", {"--backend=sim", NULL}, {2, 0, 0, 0, 0, 0, 0, 0}, 8, 2, -1, 0},
	{"i2c", {"--sim=lm75@0x48", NULL}, {0x90, 0, 0, 0, 2, 0, 0, 0}, 8, 3, 0, BIT(0)},
};

struct request {
	struct frontend_buf out, in;
	bool in_flight;
};

static struct request requests[DEPTH];
static struct frontend *fe;
static struct vu_inflight about = {.nqueues = 1, .queue_size = RING};
static char dir[64], path[80], socket_arg[100], log_path[80];
static uint64_t submitted, completed;
static int record = -1;
static pid_t pid = -1;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void setup(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/vdevd-test-XXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	snprintf(socket_arg, sizeof(socket_arg), "--socket-path=%s", path);
}

static void kill_vdevd(void)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	pid = -1;
}

static void teardown(void)
{
	if (pid > 0)
		kill_vdevd();
	frontend_free(fe);
	if (record >= 0)
		close(record);
	unlink(path);
	unlink(log_path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void start_vdevd(const struct victim *v)
{
	char *argv[] = {(char *)"vdevd",	    (char *)v->device,	(char *)"--features=+ring_packed", socket_arg,
			(char *)v->args[0], (char *)v->args[1], NULL};
	int log;

	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	execv(carrier_executable(), argv);
	_exit(127);
}

static void ok(int err, const char *what)
{
	ck_assert_msg(err >= 0, "%s: %s (%s)", what, fe ? frontend_why(fe) : "", strerror(-err));
}

/* The socket file of one that was killed is still there. */
static void connect_vdevd(void)
{
	const struct frontend_opts opts = {.path = path, .timeout_ms = PATIENCE};
	uint64_t deadline = now_us() + PATIENCE * 1000u;
	int err;

	while ((err = fe ? frontend_reconnect(fe, path) : frontend_new(&opts, &fe)) < 0) {
		ck_assert_msg(err == -ENOENT || err == -ECONNREFUSED, "connection: %s", strerror(-err));
		ck_assert_msg(now_us() < deadline, "%s does not listen", carrier_executable());
		usleep(500);
	}
}

/* What a front-end says to a back end that is new; the first one makes the record. */
static void introduce(const struct victim *v, bool packed, bool first)
{
	const struct frontend_region r = {.guest_addr = 1 << 20, .size = 1 << 20};
	const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) |
				  BIT(VHOST_USER_F_PROTOCOL_FEATURES) | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0) | v->features;
	struct frontend_queue_opts opts = frontend_queue_defaults(RING);

	ok(frontend_negotiate(fe, features, BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_INFLIGHT_SHMFD)), "negotiation");
	ck_assert(frontend_has_protocol(fe, VU_PF_INFLIGHT_SHMFD));
	ck_assert_int_eq(!!(frontend_features(fe) & BIT(VIRTIO_F_RING_PACKED)), packed);
	if (first) {
		ok(frontend_make_mem(fe, &frontend_mem_memfd, &r, 1), "memory");
		ok(frontend_get_inflight(fe, &about, &record), "record");
		ok(frontend_queue_make(fe, 0, &opts), "ring");
	}
	ok(frontend_set_mem_table(fe), "memory table");
	ok(frontend_set_inflight(fe, &about, record), "record given back");
	/* A front-end knows no better than where the used ring is, and the record knows better. */
	ok(frontend_queue_restart(fe, 0, driver_ring_next_used(frontend_ring(fe, 0))), "ring started");
}

static void make_requests(const struct victim *v)
{
	for (unsigned int i = 0; i < DEPTH; i++) {
		struct request *r = &requests[i];

		r->in_flight = false;
		ok(frontend_mem_alloc(frontend_mem(fe), FRONTEND_MEM_ANY, OUT_MAX, 8, &r->out), "buffer");
		ok(frontend_mem_alloc(frontend_mem(fe), FRONTEND_MEM_ANY, IN_MAX, 8, &r->in), "buffer");
		memcpy(r->out.va, v->out, OUT_MAX);
	}
}

static void reap(const struct victim *v)
{
	struct driver_ring *ring = frontend_ring(fe, 0);
	struct driver_used used;
	int got;

	while ((got = driver_ring_take(ring, &used)) > 0) {
		struct request *r = used.token;
		const uint8_t *in = r->in.va;

		/* Too often for ck_assert, which writes each time. */
		if (!r->in_flight || !used.len || (v->status >= 0 && (used.len != v->in_len || in[v->in_len - 1] != v->status)))
			ck_abort_msg("used, in flight: %d, %u bytes, status %d", r->in_flight, used.len,
				     in[v->in_len - 1]);
		r->in_flight = false;
		completed++;
	}
	if (got)
		ck_abort_msg("%s", driver_ring_error(ring));
}

/* Fills the ring as far as it goes, a random number of descriptors each. */
static void submit(const struct victim *v, uint32_t *state)
{
	struct driver_ring *ring = frontend_ring(fe, 0);

	for (unsigned int i = 0; i < DEPTH; i++) {
		struct request *r = &requests[i];
		uint32_t first = v->status < 0 && v->in_len > 2 ? 1 + random_next(state) % (v->in_len - 1) : 1;
		const struct driver_buf bufs[] = {
			{r->out.guest, v->out_len, false},
			{r->in.guest, first, true},
			{r->in.guest + first, v->in_len - first, true},
		};
		unsigned int skip = !v->out_len;

		if (r->in_flight || random_next(state) % 4 == 0)
			continue;
		if (driver_ring_add(ring, bufs + skip, 3 - skip, NULL, r))
			break;
		r->in_flight = true;
		submitted++;
	}
	if (driver_ring_publish(ring))
		ok(frontend_kick(fe, 0), "kick");
}

static unsigned int rounds(void)
{
	const char *depth = getenv("VDEVD_TEST_DEPTH");

	if (depth && strcmp(depth, "all") == 0)
		return 1000;
	return depth && strcmp(depth, "few") == 0 ? 5 : 40;
}

/* All that is in flight is used. */
static void drain(const struct victim *v)
{
	uint64_t deadline = now_us() + PATIENCE * 1000u;

	while (completed != submitted) {
		ck_assert_msg(now_us() < deadline, "%u requests were lost", (unsigned int)(submitted - completed));
		driver_ring_interrupts(frontend_ring(fe, 0), true);
		usleep(100);
		reap(v);
	}
}

START_TEST(test_killed)
{
	const struct victim *v = &victims[_i / 2];
	const struct device_suite ds = {.device = v->device};
	bool packed = _i % 2;
	uint32_t state = (uint32_t)getpid();
	uint64_t most = 0;

	if (!carrier_built(&ds))
		test_skip("no %s in this build", v->device);
	for (unsigned int round = 0; round < rounds(); round++) {
		start_vdevd(v);
		connect_vdevd();
		introduce(v, packed, round == 0);
		if (round == 0)
			make_requests(v);
		for (uint64_t end = now_us() + random_next(&state) % LONGEST; now_us() < end;) {
			submit(v, &state);
			reap(v);
		}
		kill_vdevd();
		most = submitted - completed > most ? submitted - completed : most;
	}
	start_vdevd(v);
	connect_vdevd();
	introduce(v, packed, false);
	drain(v);
	/* There was something to be lost, unless there were few rounds. */
	ck_assert(most > 0 || rounds() < 40);
	ck_assert_uint_gt(submitted, rounds());
}
END_TEST

Suite *suite_crash(void)
{
	Suite *s = suite_create("crash");
	TCase *tc = tcase_create("crash");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_killed, 0, 2 * (int)ARRAY_SIZE(victims));
	suite_add_tcase(s, tc);
	return s;
}
