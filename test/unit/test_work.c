/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_work.c - jobs on worker threads: order, completion on the loop, cancel, interruption, the end with a job that
 * hangs.
 */
#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "core/work.h"
#include "config.h"
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
	ck_assert_int_eq(work_queue_new(loop, NULL, &wq), 0);
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
	ck_assert_int_eq(work_queue_new(loop, NULL, &wq), 0); /* for teardown */
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
	/* The thread finds the queue closed, and goes; where a sanitizer finds the job by it, it stays. */
	while (VDEVD_INSTRUMENTED ? !*(volatile unsigned int *)&hangs.runs : threads() > before)
		pause_ms(1);
	ck_assert_uint_eq(hangs.runs, 1);
	ck_assert_uint_eq(waits.runs, 0);
	ck_assert_uint_eq(norder, 0);
	ck_assert_int_eq(work_queue_new(loop, NULL, &wq), 0); /* for teardown */
}
END_TEST

/* In the place of the queue of one thread. */
static void use_threads(unsigned int n)
{
	const struct work_opts opts = {.threads = n};

	ck_assert(work_queue_free(wq, 1000));
	ck_assert_int_eq(work_queue_new(loop, &opts, &wq), 0);
}

/* Jobs that wait for one another end only where all of them run at once. */
START_TEST(test_several_threads)
{
	struct job jobs[12];
	unsigned int before = threads();
	sem_t gate, begun;

	use_threads(4);
	sem_init(&gate, 0, 0);
	sem_init(&begun, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i] = job();
		jobs[i].gate = &gate;
		jobs[i].begun = &begun;
		ck_assert_int_eq(work_submit(wq, &jobs[i].work), 0);
	}
	for (unsigned int i = 0; i < 4; i++)
		sem_wait(&begun);
	ck_assert_uint_eq(threads(), before + 4);
	ck_assert(!work_cancel(wq, &jobs[3].work));
	ck_assert(work_cancel(wq, &jobs[4].work));
	ck_assert_int_ne(sem_trywait(&begun), 0);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		sem_post(&gate);
	run_until(ARRAY_SIZE(jobs) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		ck_assert_uint_eq(jobs[i].runs, i != 4);
	ck_assert_uint_eq(threads(), before + 4);
}
END_TEST

/* Work that one thread can do is done by one. */
START_TEST(test_threads_as_needed)
{
	unsigned int before = threads();
	struct job j = job();

	use_threads(4);
	for (unsigned int i = 1; i <= 8; i++) {
		ck_assert_int_eq(work_submit(wq, &j.work), 0);
		run_until(i);
		pause_ms(2); /* until the thread is idle again */
	}
	ck_assert_uint_eq(threads(), before + 1);
}
END_TEST

/* A job that is in a system call, or is about to be. */
struct blocked {
	struct work work;
	int fd;            /* read from, or -1: waits for wait_ms */
	int wait_ms;
	bool late;         /* makes its call when it has been interrupted, and does not look */
	sem_t begun;
	ssize_t ret;
	int err;
	bool interrupted;  /* as run saw it */
	bool done;
};

static void blocked_run(struct work *w)
{
	struct blocked *b = container_of(w, struct blocked, work);
	char byte;

	sem_post(&b->begun);
	while (b->late && !work_interrupted(w))
		;
	if (b->late)
		pause_ms(20); /* the first signals come here */
	b->ret = b->fd < 0 ? poll(NULL, 0, b->wait_ms) : read(b->fd, &byte, 1);
	b->err = errno;
	b->interrupted = work_interrupted(w);
}

static void blocked_done(struct work *w)
{
	container_of(w, struct blocked, work)->done = true;
}

static struct blocked blocked_on(int fd)
{
	struct blocked b = {.work = {.run = blocked_run, .done = blocked_done}, .fd = fd};

	sem_init(&b.begun, 0, 0);
	return b;
}

static void run_blocked(struct blocked *b)
{
	while (!b->done)
		ev_run(loop, EVRUN_ONCE);
}

/* A call that would take for ever is over, whether it had begun or not. */
START_TEST(test_interrupt)
{
	int pipe_fds[2];

	ck_assert_int_eq(pipe(pipe_fds), 0);
	for (unsigned int i = 0; i < 20; i++) {
		struct blocked b = blocked_on(pipe_fds[0]);

		b.late = i % 2;
		ck_assert_int_eq(work_submit(wq, &b.work), 0);
		sem_wait(&b.begun);
		if (i % 4 == 0)
			pause_ms(2);
		work_interrupt(wq, &b.work);
		run_blocked(&b);
		ck_assert_int_eq(b.ret, -1);
		ck_assert_int_eq(b.err, EINTR);
		ck_assert(b.interrupted);
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

/* One that has not begun is run, and its call interrupted; others are not, before, beside and after it. */
START_TEST(test_interrupt_waiting)
{
	struct blocked first = blocked_on(-1), second, third = blocked_on(-1);
	int pipe_fds[2];

	ck_assert_int_eq(pipe(pipe_fds), 0);
	second = blocked_on(pipe_fds[0]);
	first.wait_ms = third.wait_ms = 40;
	ck_assert_int_eq(work_submit(wq, &first.work), 0);
	ck_assert_int_eq(work_submit(wq, &second.work), 0);
	ck_assert_int_eq(work_submit(wq, &third.work), 0);
	sem_wait(&first.begun);
	work_interrupt(wq, &second.work);
	run_blocked(&third);
	ck_assert_int_eq(first.ret, 0);
	ck_assert(!first.interrupted);
	ck_assert_int_eq(second.ret, -1);
	ck_assert_int_eq(second.err, EINTR);
	ck_assert_int_eq(third.ret, 0);
	work_interrupt(wq, &third.work); /* has ended: nothing comes of it */
	ck_assert_int_eq(work_submit(wq, &third.work), 0);
	third.done = false;
	run_blocked(&third);
	ck_assert_int_eq(third.ret, 0);
	ck_assert(!third.interrupted);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

/* The last signal for one job never meets the next, though that is in its call at once. */
START_TEST(test_no_stray_signal)
{
	int pipe_fds[2];

	ck_assert_int_eq(pipe(pipe_fds), 0);
	for (unsigned int i = 0; i < 200; i++) {
		struct blocked first = blocked_on(pipe_fds[0]), next = blocked_on(-1);

		next.wait_ms = 1;
		ck_assert_int_eq(work_submit(wq, &first.work), 0);
		ck_assert_int_eq(work_submit(wq, &next.work), 0);
		sem_wait(&first.begun);
		work_interrupt(wq, &first.work);
		ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1); /* it may end by itself at the same time */
		run_blocked(&next);
		ck_assert(first.done);
		ck_assert_int_eq(next.ret, 0);
		if (first.ret < 0)
			ck_assert_int_eq(read(pipe_fds[0], &(char){0}, 1), 1);
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

/* The end of the queue goes on interrupting: no loop runs any more. */
START_TEST(test_free_interrupts)
{
	struct blocked blocked[3];
	int pipe_fds[2];

	use_threads(ARRAY_SIZE(blocked));
	ck_assert_int_eq(pipe(pipe_fds), 0);
	for (size_t i = 0; i < ARRAY_SIZE(blocked); i++) {
		blocked[i] = blocked_on(pipe_fds[0]);
		blocked[i].late = i == 1;
		ck_assert_int_eq(work_submit(wq, &blocked[i].work), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(blocked); i++) {
		sem_wait(&blocked[i].begun);
		work_interrupt(wq, &blocked[i].work);
	}
	ck_assert(work_queue_free(wq, 60000));
	for (size_t i = 0; i < ARRAY_SIZE(blocked); i++) {
		ck_assert_int_eq(blocked[i].ret, -1);
		ck_assert(!blocked[i].done);
	}
	ck_assert_int_eq(work_queue_new(loop, NULL, &wq), 0); /* for teardown */
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

static size_t stack_seen;

static void stack_run(struct work *w)
{
	pthread_attr_t attr;

	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstacksize(&attr, &stack_seen);
	pthread_attr_destroy(&attr);
}

START_TEST(test_stack)
{
	const struct work_opts opts = {.stack = 3 << 20};
	struct job j = job();

	j.work.run = stack_run;
	ck_assert(work_queue_free(wq, 1000));
	ck_assert_int_eq(work_queue_new(loop, &opts, &wq), 0);
	ck_assert_int_eq(work_submit(wq, &j.work), 0);
	run_until(1);
	ck_assert_uint_ge(stack_seen, 3 << 20);
	ck_assert_uint_lt(stack_seen, 4 << 20);
}
END_TEST

/* A thread that cannot be had: the job is not taken. */
START_TEST(test_no_thread)
{
	const struct work_opts opts = {.stack = 1}; /* less than a thread can have */
	struct job j = job();

	ck_assert(work_queue_free(wq, 1000));
	ck_assert_int_eq(work_queue_new(loop, &opts, &wq), 0);
	ck_assert_int_eq(work_submit(wq, &j.work), -EINVAL);
	ck_assert(!work_cancel(wq, &j.work));
	ck_assert_int_eq(work_submit(wq, &j.work), -EINVAL);
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
	tcase_add_test(tc, test_several_threads);
	tcase_add_test(tc, test_threads_as_needed);
	tcase_add_test(tc, test_interrupt);
	tcase_add_test(tc, test_interrupt_waiting);
	tcase_add_test(tc, test_no_stray_signal);
	tcase_add_test(tc, test_free_interrupts);
	tcase_add_test(tc, test_stack);
	tcase_add_test(tc, test_no_thread);
	suite_add_tcase(s, tc);
	return s;
}
