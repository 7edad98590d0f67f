/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_work.c - jobs on the worker thread: order, completion on the loop, cancel, the end with a job that hangs.
 */
#include <dirent.h>
#include <ev.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

#include "core/work.h"
#include "test/unit/suites.h"

struct job {
	struct work work;
	sem_t *gate;    /* run waits for it; NULL: it does not */
	sem_t *begun;   /* run says that it has begun; NULL: it does not */
	pthread_t ran_on;
	unsigned int runs, dones, resubmit;
	bool term_blocked, bus_blocked;
};

static struct ev_loop *loop;
static struct work_queue *wq;
static struct job *order[16]; /* as they were done */
static unsigned int norder;

static void job_run(struct work *w)
{
	struct job *j = container_of(w, struct job, work);
	sigset_t set;

	if (j->begun)
		sem_post(j->begun);
	if (j->gate)
		sem_wait(j->gate);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	j->term_blocked = sigismember(&set, SIGTERM);
	j->bus_blocked = sigismember(&set, SIGBUS);
	j->ran_on = pthread_self();
	j->runs++;
}

static void job_done(struct work *w)
{
	struct job *j = container_of(w, struct job, work);

	ck_assert_uint_lt(norder, ARRAY_SIZE(order));
	order[norder++] = j;
	j->dones++;
	if (j->resubmit) {
		j->resubmit--;
		ck_assert_int_eq(work_submit(wq, w), 0);
	}
}

static unsigned int threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	norder = 0;
	ck_assert_int_eq(work_queue_new(loop, &wq), 0);
}

static void teardown(void)
{
	ck_assert(work_queue_free(wq, 1000));
	ev_loop_destroy(loop);
}

static struct job job(void)
{
	return (struct job){.work = {.run = job_run, .done = job_done}};
}

static void run_until(unsigned int n)
{
	while (norder < n)
		ev_run(loop, EVRUN_ONCE);
}

START_TEST(test_order)
{
	struct job jobs[8];

	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i] = job();
		ck_assert_int_eq(work_submit(wq, &jobs[i].work), 0);
		ck_assert_uint_eq(jobs[i].dones, 0);
	}
	run_until(ARRAY_SIZE(jobs));
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		ck_assert_ptr_eq(order[i], &jobs[i]);
		ck_assert_uint_eq(jobs[i].runs, 1);
		ck_assert(pthread_equal(jobs[i].ran_on, jobs[0].ran_on));
		ck_assert(!pthread_equal(jobs[i].ran_on, pthread_self()));
		ck_assert(jobs[i].term_blocked);
		ck_assert(!jobs[i].bus_blocked);
	}
}
END_TEST

START_TEST(test_again)
{
	struct job j = job();

	j.resubmit = 4;
	ck_assert_int_eq(work_submit(wq, &j.work), 0);
	run_until(5);
	ck_assert_uint_eq(j.runs, 5);
}
END_TEST

/* Who submits nothing pays no thread; the loop goes on while a job hangs. */
START_TEST(test_lazy)
{
	unsigned int before = threads();
	struct job j = job();
	sem_t gate, begun;

	sem_init(&gate, 0, 0);
	sem_init(&begun, 0, 0);
	j.gate = &gate;
	j.begun = &begun;
	ck_assert_uint_eq(threads(), before);
	ck_assert_int_eq(work_submit(wq, &j.work), 0);
	sem_wait(&begun);
	ck_assert_uint_eq(threads(), before + 1);
	for (int i = 0; i < 10; i++)
		ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(j.dones, 0);
	sem_post(&gate);
	run_until(1);
	ck_assert_uint_eq(threads(), before + 1);
}
END_TEST

START_TEST(test_cancel)
{
	struct job jobs[4];
	sem_t gate, begun;

	sem_init(&gate, 0, 0);
	sem_init(&begun, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i] = job();
		jobs[i].gate = i ? NULL : &gate;
		jobs[i].begun = i ? NULL : &begun;
		ck_assert_int_eq(work_submit(wq, &jobs[i].work), 0);
	}
	sem_wait(&begun);
	ck_assert(!work_cancel(wq, &jobs[0].work)); /* has begun */
	ck_assert(work_cancel(wq, &jobs[3].work));  /* the last */
	ck_assert(!work_cancel(wq, &jobs[3].work)); /* is not there any more */
	ck_assert(work_cancel(wq, &jobs[1].work));
	ck_assert_int_eq(work_submit(wq, &jobs[3].work), 0);
	sem_post(&gate);
	run_until(3);
	ck_assert_ptr_eq(order[0], &jobs[0]);
	ck_assert_ptr_eq(order[1], &jobs[2]);
	ck_assert_ptr_eq(order[2], &jobs[3]);
	ck_assert_uint_eq(jobs[1].runs, 0);
	ck_assert(!work_cancel(wq, &jobs[0].work)); /* has ended */
}
END_TEST

static void pause_ms(long ms)
{
	struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

static void *open_gate_later(void *gate)
{
	pause_ms(20);
	sem_post(gate);
	return NULL;
}

/* The end waits for the job that runs; its completion is not told any more. */
START_TEST(test_free_waits)
{
	struct job j = job();
	pthread_t opener;
	sem_t gate, begun;

	sem_init(&gate, 0, 0);
	sem_init(&begun, 0, 0);
	j.gate = &gate;
	j.begun = &begun;
	ck_assert_int_eq(work_submit(wq, &j.work), 0);
	sem_wait(&begun);
	ck_assert_int_eq(pthread_create(&opener, NULL, open_gate_later, &gate), 0);
	ck_assert(work_queue_free(wq, 60000));
	pthread_join(opener, NULL);
	ck_assert_uint_eq(j.runs, 1);
	ck_assert_uint_eq(norder, 0);
	ck_assert(work_queue_free(NULL, 0));
	ck_assert_int_eq(work_queue_new(loop, &wq), 0); /* for teardown */
}
END_TEST

/* A job that hangs does not keep the process; what it uses lives on.  Jobs that have not begun are dropped. */
START_TEST(test_abandon)
{
	static struct work_queue *volatile abandoned; /* where leak checkers find it */
	static struct job hangs, waits;
	static sem_t gate, begun;
	unsigned int before = threads();
	struct timespec from, to;
	long ms;

	hangs = waits = job();
	sem_init(&gate, 0, 0);
	sem_init(&begun, 0, 0);
	hangs.gate = &gate;
	hangs.begun = &begun;
	ck_assert_int_eq(work_submit(wq, &hangs.work), 0);
	ck_assert_int_eq(work_submit(wq, &waits.work), 0);
	sem_wait(&begun);
	clock_gettime(CLOCK_MONOTONIC, &from);
	abandoned = wq;
	ck_assert(!work_queue_free(abandoned, 1020));
	clock_gettime(CLOCK_MONOTONIC, &to);
	ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
	ck_assert_int_ge(ms, 1019);
	sem_post(&gate);
	while (threads() > before) /* the thread finds the queue closed, and goes */
		pause_ms(1);
	ck_assert_uint_eq(hangs.runs, 1);
	ck_assert_uint_eq(waits.runs, 0);
	ck_assert_uint_eq(norder, 0);
	ck_assert_int_eq(work_queue_new(loop, &wq), 0); /* for teardown */
}
END_TEST

Suite *suite_work(void)
{
	Suite *s = suite_create("work");
	TCase *tc = tcase_create("jobs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_again);
	tcase_add_test(tc, test_lazy);
	tcase_add_test(tc, test_cancel);
	tcase_add_test(tc, test_free_waits);
	tcase_add_test(tc, test_abandon);
	suite_add_tcase(s, tc);
	return s;
}
