/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_inflight.c - the shared record of chains in flight: QEMU docs/interop/vhost-user.rst, "Inflight I/O tracking".
 *
 * A device that does nothing but pop and push, in any order, is killed in the midst of it: after each of its instructions in
 * turn, and thousands of times at random while its driver goes on.  What it leaves behind is all that the next one has.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/random.h"
#include "test/lib/rig.h"
#include "test/unit/suites.h"
#include "transport/driver/driver_ring.h"
#include "transport/ring/inflight.h"

#define NUM	   64u
#define HELD	   24u /* by the device at most */
#define RECORD	   65536u
#define LIFE_US	   400u /* of a device at most */
#define PACKED	   BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER   BIT(VIRTIO_F_IN_ORDER)
#define BUFFER_LEN 64u

static struct rig r;
static struct driver_ring *driver;
static void *record;
static volatile bool *alive; /* shared with the device's process */
static bool in_flight[NUM];
static uint64_t submitted, completed;

static void setup(void)
{
	rig_init(&r, &gmem_shm);
	record = mmap(NULL, RECORD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(record, MAP_FAILED);
	alive = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne((void *)alive, MAP_FAILED);
}

static void teardown(void)
{
	driver_ring_free(driver);
	rig_fini(&r);
	munmap(record, RECORD);
	munmap((void *)alive, 1);
}

/* The four kinds of ring. */
static uint64_t kind(int i)
{
	return (i & 1 ? PACKED : 0) | (i & 2 ? IN_ORDER : 0);
}

static void make_driver(uint64_t features, uint16_t base)
{
	const struct driver_ring_areas areas = {r.desc, r.avail, r.used};

	r.num = NUM;
	r.features = features;
	ck_assert_int_eq(driver_ring_new(NUM, features, &areas, base, &driver), 0);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Makes buffers of one to three descriptors available, as many as fit. */
static void submit(uint32_t *state)
{
	for (unsigned int i = 0; i < NUM; i++) {
		uint64_t addr = rig_addr(i * BUFFER_LEN);
		unsigned int n = 1 + random_next(state) % 3;
		const struct driver_buf bufs[] = {
			{.addr = addr, .len = 8, .writable = n == 1},
			{.addr = addr + 8, .len = 8, .writable = true},
			{.addr = addr + 16, .len = 8, .writable = true},
		};

		if (in_flight[i] || random_next(state) % 3 == 0)
			continue;
		if (driver_ring_add(driver, bufs, n, NULL, &in_flight[i]))
			break;
		/* What the device is to answer. */
		memcpy(r.buffer + i * BUFFER_LEN + 32, &submitted, 8);
		in_flight[i] = true;
		submitted++;
	}
	driver_ring_publish(driver);
}

static void reap(void)
{
	struct driver_used used;
	int got;

	while ((got = driver_ring_take(driver, &used)) > 0) {
		bool *of = used.token;

		/* Too often for ck_assert, which writes each time. */
		if (!*of || used.len != 8)
			ck_abort_msg("used, in flight: %d, %u bytes", *of, used.len);
		*of = false;
		completed++;
	}
	if (got)
		ck_abort_msg("%s", driver_ring_error(driver));
}

/* Pops and pushes in any order until it is killed, or idle when it shall drain. */
static void device(uint32_t state, bool drain)
{
	struct chain *held[HELD], *c;
	unsigned int n = 0;

	for (;;) {
		bool pop = n < HELD && (n == 0 || random_next(&state) % 2);

		c = pop ? rig_pop(&r) : NULL;
		if (c) {
			held[n++] = c;
			continue;
		}
		if (virtq_broken(r.vq) || (drain && !n))
			return;
		/* There is always something in flight when it ends. */
		if (!n || (!drain && n < HELD / 2))
			continue;
		unsigned int i = random_next(&state) % n;

		chain_put(held[i], "answered", 8);
		virtq_push(held[i]);
		held[i] = held[--n];
	}
}

static int start(uint32_t base)
{
	int err;

	virtq_share_record(r.vq, record, RECORD);
	err = rig_restart(&r, base);
	if (!err)
		virtq_enable(r.vq, true);
	return err;
}

/* One life of a device, in a process of its own.  0: it was killed; otherwise it ended by itself. */
static int live(uint32_t *state)
{
	uint64_t end;
	int status = 0;
	pid_t pid;

	*alive = false;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*alive = true;
		if (start(driver_ring_next_used(driver)))
			_exit(1);
		device(*state, false);
		_exit(2);
	}
	while (!*alive)
		sched_yield();
	for (end = now_us() + random_next(state) % LIFE_US; now_us() < end;) {
		submit(state);
		reap();
	}
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 0 : WEXITSTATUS(status);
}

START_TEST(test_killed)
{
	uint64_t features = kind(_i);
	uint32_t state = (uint32_t)getpid() | 1;
	unsigned int most = test_by_depth(20, 150, 3000);

	make_driver(features, 0);
	for (unsigned int life = 0; life < most; life++) {
		int status = live(&state);

		ck_assert_msg(!status, "life %u: %s", life,
			      status == 1 ? "the ring did not start" : "the ring was broken");
		reap();
	}
	ck_assert_int_eq(start(driver_ring_next_used(driver)), 0);
	device(state, true);
	ck_assert(!virtq_broken(r.vq));
	reap();
	ck_assert_uint_gt(submitted, 0);
	ck_assert_uint_eq(completed, submitted);
	ck_assert_uint_eq(rig_stop(&r), driver_ring_base(driver));
}
END_TEST

/* Takes three chains, stops; uses two of them and takes another, stops. */
static void short_life(void)
{
	struct chain *c[3];

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || start(driver_ring_next_used(driver)))
		_exit(1);
	for (unsigned int i = 0; i < 3; i++) {
		c[i] = rig_pop(&r);
		if (!c[i] || !chain_put(c[i], "answered", 8))
			_exit(2);
	}
	raise(SIGSTOP);
	virtq_push(c[1]);
	c[1] = rig_pop(&r);
	virtq_push(c[0]);
	raise(SIGSTOP);
	_exit(3);
}

/* Waits for a stop.  Returns its signal, or -1 when the process has ended. */
static int stopped(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSTOPPED(status) ? WSTOPSIG(status) : -1;
}

/* A short life that ends this many instructions after the first stop, or at the second.  Returns how many there were. */
static unsigned int live_for(unsigned int most)
{
	unsigned int n = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		short_life();
	if (stopped(pid) != SIGSTOP)
		return UINT_MAX;
	for (; n < most; n++) {
		int status;

		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			ck_abort_msg("instruction %u: %s", n, strerror(errno));
		if (WSTOPSIG(status) == SIGSTOP)
			break;
	}
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return n;
}

/* Each instruction takes a life, and a life its time: usually some of them are tried, another time others. */
START_TEST(test_each_instruction)
{
	uint32_t state = 1;
	unsigned int all = UINT_MAX, step = 1, begin = 0;

	if (test_on_valgrind())
		test_skip("the instructions would be valgrind's");
	make_driver(kind(_i), 0);
	for (unsigned int n = UINT_MAX; n == UINT_MAX || n <= all; n = n == UINT_MAX ? begin : n + step) {
		unsigned int lived;

		submit(&state);
		lived = live_for(n);
		if (lived == UINT_MAX)
			test_skip("no process can be traced here");
		if (n == UINT_MAX) {
			all = lived;
			step = all / test_by_depth(20, 50, 2000) + 1;
			begin = (unsigned int)getpid() % step;
		}
		reap();
		ck_assert_int_eq(start(driver_ring_next_used(driver)), 0);
		device(state, true);
		if (virtq_broken(r.vq))
			ck_abort_msg("after %u instructions: %s", n, r.why);
		rig_stop(&r);
		reap();
		if (completed != submitted)
			ck_abort_msg("after %u instructions: %d were lost", n, (int)(submitted - completed));
	}
	ck_assert_uint_gt(all, 100);
}
END_TEST

/* Three chains are taken and the second is used; the process that has them is gone.  They come again in their order. */
START_TEST(test_order)
{
	const struct driver_buf buf = {.addr = rig_addr(0), .len = 8, .writable = true};
	struct chain *c[3], *left[3];
	unsigned int ids[3];
	struct virtq *gone = r.vq;

	make_driver(_i ? PACKED : 0, 0);
	ck_assert_int_eq(start(driver_ring_base(driver)), 0);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(driver_ring_add(driver, &buf, 1, NULL, &in_flight[i]), 0);
	driver_ring_publish(driver);
	for (unsigned int i = 0; i < 3; i++) {
		left[i] = rig_pop(&r);
		ck_assert_ptr_nonnull(left[i]);
		ids[i] = chain_id(left[i]);
	}
	virtq_push(left[1]);

	/* Another one in the place of the first. */
	struct rig other;

	rig_init(&other, &gmem_shm);
	r.vq = other.vq;
	ck_assert_int_eq(start(driver_ring_next_used(driver)), 0);
	ck_assert(virtq_resumes(r.vq));
	for (unsigned int i = 0; i < 3; i += 2) {
		c[i] = rig_pop(&r);
		ck_assert_ptr_nonnull(c[i]);
		ck_assert_uint_eq(chain_id(c[i]), ids[i]);
	}
	ck_assert_ptr_null(rig_pop(&r));
	virtq_push(c[2]);
	virtq_push(c[0]);
	for (unsigned int i = 0; i < 3; i++) {
		struct driver_used used;

		ck_assert_int_eq(driver_ring_take(driver, &used), 1);
	}
	/* The device was reset: nothing of it is known any more. */
	ck_assert_int_eq(driver_ring_add(driver, &buf, 1, NULL, &in_flight[0]), 0);
	driver_ring_publish(driver);
	ck_assert_ptr_nonnull(c[0] = rig_pop(&r));
	virtq_stopping(r.vq);
	virtq_requeue(c[0]);
	rig_stop(&r);
	virtq_forget(r.vq);
	driver_ring_free(driver);
	make_driver(_i ? PACKED : 0, 0);
	ck_assert_int_eq(start(driver_ring_base(driver)), 0);
	ck_assert(!virtq_resumes(r.vq));
	ck_assert_ptr_null(rig_pop(&r));
	rig_stop(&r);
	rig_fini(&other);
	/* The first one's pins end with its process; here it has to be told. */
	r.vq = gone;
	virtq_share_record(gone, NULL, 0);
	for (unsigned int i = 0; i < 3; i += 2)
		virtq_requeue(left[i]);
}
END_TEST

/* Records that cannot be of the ring. */
START_TEST(test_bad_records)
{
	struct inflight_split *split = record;
	struct inflight_packed *packed = record;
	uint64_t features = _i ? PACKED : 0;

	make_driver(features, 0);
	r.num = NUM;
	virtq_share_record(r.vq, record, 64);
	ck_assert_int_eq(rig_restart(&r, driver_ring_base(driver)), -EINVAL);
	virtq_share_record(r.vq, (char *)record + 1, RECORD - 1);
	ck_assert_int_eq(rig_restart(&r, driver_ring_base(driver)), -EINVAL);
	ck_assert_int_eq(start(driver_ring_base(driver)), 0);
	rig_stop(&r);
	split->version = 2;
	ck_assert_int_eq(start(driver_ring_base(driver)), -EINVAL);
	split->version = INFLIGHT_VERSION;
	split->desc_num = NUM / 2;
	ck_assert_int_eq(start(driver_ring_base(driver)), -EINVAL);
	split->desc_num = NUM;
	ck_assert_int_eq(start(driver_ring_base(driver)), 0);
	rig_stop(&r);
	if (_i) {
		packed->desc[3] = (struct inflight_packed_desc){.inflight = 1, .num = NUM + 1, .last = 3};
		packed->free_head = packed->old_free_head = 4;
		ck_assert_int_eq(start(driver_ring_base(driver)), -EINVAL);
		packed->desc[3].num = 1;
		packed->desc[3].id = NUM;
		ck_assert_int_eq(start(driver_ring_base(driver)), -EINVAL);
		packed->desc[3].id = 5;
		packed->old_used_idx = NUM;
		ck_assert_int_eq(start(driver_ring_base(driver)), -EINVAL);
		packed->old_used_idx = packed->used_idx;
		packed->desc[3].last = UINT16_MAX;
		packed->desc[3].next = UINT16_MAX;
	} else {
		split->used_idx = 1000;
		ck_assert_int_eq(start(driver_ring_base(driver)), -EINVAL);
		split->used_idx = UINT16_MAX;
		split->last_batch_head = NUM;
		ck_assert_int_eq(start(driver_ring_base(driver)), -EINVAL);
		split->last_batch_head = 0;
	}
	ck_assert_int_eq(start(driver_ring_base(driver)), 0);
	device(1, true);
	if (virtq_started(r.vq))
		rig_stop(&r);
}
END_TEST

Suite *suite_inflight(void)
{
	Suite *s = suite_create("inflight");
	TCase *tc = tcase_create("inflight");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_each_instruction, 0, 4);
	tcase_add_loop_test(tc, test_killed, 0, 4);
	tcase_add_loop_test(tc, test_order, 0, 2);
	tcase_add_loop_test(tc, test_bad_records, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}
