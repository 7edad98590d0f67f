/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * work.c - calls that block on threads beside the event loop; see work.h.
 *
 * Two lists under one lock: jobs that wait, jobs that have ended.  A thread takes the first of one and appends to
 * the other, then wakes the loop with ev_async, the one call of libev that a foreign thread may make.  Who is woken wants
 * the lock at once, so nobody wakes another with the lock in hand: on one processor each job would cost two switches of
 * threads more.  The loop is there until the threads have been joined.
 *
 * A host call can hang for longer than a process may take to end.  Then the queue is abandoned: nobody frees it,
 * and the thread, which has seen nothing but its job and the queue, finds it closed when the call returns.
 *
 * A signal interrupts the system call that a thread is in.  Between a look at work_interrupted and the call the thread
 * is in none; so one signal is not enough, and it is repeated until the job has ended.  A signal is sent under the
 * lock, to a thread that has the job.  When that has ended, the thread makes a call that cannot fail, by which the last
 * signal has come: the next job never sees it.
 */
#include "core/work.h"
#include "config.h"

#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* A new process shares neither memory nor thread group, so that it is none of these. */
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

const struct sandbox_call work_calls[] = {
	{.name = "clone", .why = "a worker thread", .checks = {{0, SANDBOX_SET, THREAD_FLAGS}}},
	{.name = "set_robust_list", .why = "a thread's locks"},
	{.name = "rseq", .why = "a thread's processor"},
	{.name = "sched_getaffinity", .why = "how many processors memory is managed for"},
	{.name = "sched_yield", .why = "the end of a call that was interrupted"},
	{.name = "exit", .why = "the end of a thread"},
	{0},
};

/* The usual stack of a thread, bytes. */
#define STACK_SIZE ((size_t)256 * 1024)

/* Interrupts a call.  Nobody else uses it, and by default it does nothing. */
#define INTERRUPT_SIGNAL SIGURG

/* How often it is sent, milliseconds. */
#define INTERRUPT_MS 5

struct work_list {
	struct work *first, **last;
};

/* A thread. */
struct worker {
	struct work_queue *wq;
	pthread_t thread;
	struct work *job; /* that runs, or NULL; guarded by the lock */
	bool left;        /* it does not come back in time, and ends when it does */
};

struct work_queue {
	struct ev_loop *loop;
	struct ev_async ended_async;
	struct ev_timer signals; /* while a job that runs is interrupted */
	size_t stack;
	unsigned int nworkers; /* that were started; the loop's.  The rest is guarded by the lock */
	pthread_mutex_t lock;
	pthread_cond_t begin; /* a job has come, or the queue closes */
	pthread_cond_t ending; /* a job has ended, for who closes */
	struct work_list waiting, ended;
	unsigned int nwaiting, nidle, nrunning;
	bool closing;
	unsigned int max; /* workers; constant */
	struct worker workers[];
};

static void list_init(struct work_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void list_append(struct work_list *l, struct work *w)
{
	w->next = NULL;
	*l->last = w;
	l->last = &w->next;
}

static struct work *list_take(struct work_list *l)
{
	struct work *w = l->first;

	if (!w)
		return NULL;
	l->first = w->next;
	if (!l->first)
		l->last = &l->first;
	return w;
}

static bool list_remove(struct work_list *l, struct work *w)
{
	struct work **p = &l->first;

	while (*p && *p != w)
		p = &(*p)->next;
	if (!*p)
		return false;
	*p = w->next;
	if (!w->next)
		l->last = p;
	return true;
}

/* Runs a job; called, and returns, with the lock. */
static void worker_run(struct worker *me, struct work *w)
{
	struct work_queue *wq = me->wq;

	me->job = w;
	wq->nrunning++;
	pthread_mutex_unlock(&wq->lock);
	w->run(w);
	pthread_mutex_lock(&wq->lock);
	if (!me->left)
		me->job = NULL;
	wq->nrunning--;
	if (wq->closing) {
		pthread_cond_signal(&wq->ending);
		return;
	}
	if (work_interrupted(w))
		sched_yield(); /* a signal that is under way comes here */
	list_append(&wq->ended, w);
	pthread_mutex_unlock(&wq->lock);
	ev_async_send(wq->loop, &wq->ended_async);
	pthread_mutex_lock(&wq->lock);
}

static void *thread_main(void *arg)
{
	struct worker *me = arg;
	struct work_queue *wq = me->wq;

	pthread_mutex_lock(&wq->lock);
	while (!wq->closing) {
		struct work *w = list_take(&wq->waiting);

		if (w) {
			wq->nwaiting--;
			worker_run(me, w);
			continue;
		}
		wq->nidle++;
		pthread_cond_wait(&wq->begin, &wq->lock);
		wq->nidle--;
	}
#if VDEVD_INSTRUMENTED
	/* What was left behind is no leak: the sanitizer finds it by this thread, however early its call returns. */
	while (me->left)
		pthread_cond_wait(&wq->begin, &wq->lock);
#endif
	pthread_mutex_unlock(&wq->lock);
	return NULL;
}

static void ended_ready(struct ev_loop *loop, struct ev_async *async, int revents)
{
	struct work_queue *wq = container_of(async, struct work_queue, ended_async);
	struct work *w, *next;

	pthread_mutex_lock(&wq->lock);
	w = wq->ended.first;
	list_init(&wq->ended);
	pthread_mutex_unlock(&wq->lock);
	for (; w; w = next) {
		next = w->next; /* done may submit the job again */
		w->done(w);
	}
}

/* Signals the threads whose jobs are to end early; called with the lock.  Returns whether there were any. */
static bool signal_interrupted(struct work_queue *wq)
{
	bool any = false;

	for (unsigned int i = 0; i < wq->nworkers; i++) {
		struct worker *t = &wq->workers[i];

		if (!t->job || !work_interrupted(t->job))
			continue;
		pthread_kill(t->thread, INTERRUPT_SIGNAL);
		any = true;
	}
	return any;
}

static void signals_due(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct work_queue *wq = container_of(timer, struct work_queue, signals);
	bool any;

	pthread_mutex_lock(&wq->lock);
	any = signal_interrupted(wq);
	/* One that has not begun is signalled when it has. */
	for (const struct work *w = wq->waiting.first; w && !any; w = w->next)
		any = work_interrupted(w);
	pthread_mutex_unlock(&wq->lock);
	if (!any)
		ev_timer_stop(loop, timer);
}

static void interrupt_handler(int sig)
{
}

/*
 * Starts one more thread, which takes no signal but those of its own faults, and the one that interrupts.
 * Returns 0 or -errno.
 */
static int worker_start(struct work_queue *wq)
{
	struct worker *t = &wq->workers[wq->nworkers];
	const struct sigaction action = {.sa_handler = interrupt_handler}; /* no SA_RESTART */
	sigset_t all, old;
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (err)
		return -err;
	sigaction(INTERRUPT_SIGNAL, &action, NULL);
	sigfillset(&all);
	sigdelset(&all, INTERRUPT_SIGNAL);
	sigdelset(&all, SIGBUS); /* guest memory may go away under a host call's buffers: mem/sigbus.h */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	err = pthread_attr_setstacksize(&attr, wq->stack);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	t->wq = wq;
	if (!err)
		err = pthread_create(&t->thread, &attr, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	wq->nworkers += !err;
	return -err;
}

int work_queue_new(struct ev_loop *loop, const struct work_opts *opts, struct work_queue **out)
{
	unsigned int max = opts && opts->threads ? opts->threads : 1;
	struct work_queue *wq = calloc(1, sizeof(*wq) + max * sizeof(*wq->workers));
	pthread_condattr_t monotonic;

	*out = NULL;
	if (!wq)
		return -ENOMEM;
	wq->loop = loop;
	wq->max = max;
	wq->stack = opts && opts->stack ? opts->stack : STACK_SIZE;
	list_init(&wq->waiting);
	list_init(&wq->ended);
	pthread_mutex_init(&wq->lock, NULL);
	pthread_cond_init(&wq->begin, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&wq->ending, &monotonic);
	pthread_condattr_destroy(&monotonic);
	ev_async_init(&wq->ended_async, ended_ready);
	ev_timer_init(&wq->signals, signals_due, INTERRUPT_MS / 1e3, INTERRUPT_MS / 1e3);
	*out = wq;
	return 0;
}

/* Takes a job that has not begun out of the queue. */
static bool take_back(struct work_queue *wq, struct work *w)
{
	bool removed;

	pthread_mutex_lock(&wq->lock);
	removed = list_remove(&wq->waiting, w);
	wq->nwaiting -= removed;
	pthread_mutex_unlock(&wq->lock);
	return removed;
}

int work_submit(struct work_queue *wq, struct work *w)
{
	bool more;
	int err;

	w->interrupted = false;
	pthread_mutex_lock(&wq->lock);
	list_append(&wq->waiting, w);
	wq->nwaiting++;
	more = wq->nwaiting > wq->nidle && wq->nworkers < wq->max;
	pthread_mutex_unlock(&wq->lock);
	pthread_cond_signal(&wq->begin);
	if (!more)
		return 0;
	if (!wq->nworkers)
		ev_async_start(wq->loop, &wq->ended_async);
	err = worker_start(wq);
	if (!err || wq->nworkers)
		return 0; /* where there is one thread, more are not needed */
	ev_async_stop(wq->loop, &wq->ended_async);
	take_back(wq, w);
	return err;
}

bool work_cancel(struct work_queue *wq, struct work *w)
{
	return take_back(wq, w);
}

bool work_interrupted(const struct work *w)
{
	return __atomic_load_n(&w->interrupted, __ATOMIC_RELAXED);
}

void work_interrupt(struct work_queue *wq, struct work *w)
{
	pthread_mutex_lock(&wq->lock);
	__atomic_store_n(&w->interrupted, true, __ATOMIC_RELAXED);
	signal_interrupted(wq);
	pthread_mutex_unlock(&wq->lock);
	if (!ev_is_active(&wq->signals)) {
		ev_timer_set(&wq->signals, INTERRUPT_MS / 1e3, INTERRUPT_MS / 1e3);
		ev_timer_start(wq->loop, &wq->signals);
	}
}

/* The moment so many milliseconds from now. */
static struct timespec deadline(unsigned int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

static bool before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* Waits for the jobs that run, and goes on signalling those that are to end early; called with the lock. */
static void wait_ended(struct work_queue *wq, const struct timespec *until)
{
	struct timespec now = deadline(0);

	while (wq->nrunning && before(&now, until)) {
		struct timespec next = deadline(INTERRUPT_MS);

		if (!signal_interrupted(wq) || before(until, &next))
			next = *until;
		pthread_cond_timedwait(&wq->ending, &wq->lock, &next);
		now = deadline(0);
	}
}

/* Tells the threads to end.  Returns whether they do so within the patience. */
static bool threads_end(struct work_queue *wq, unsigned int patience_ms)
{
	struct timespec until = deadline(patience_ms);
	bool idle = true;

	pthread_mutex_lock(&wq->lock);
	wq->closing = true;
	pthread_cond_broadcast(&wq->begin);
	wait_ended(wq, &until);
	for (unsigned int i = 0; i < wq->nworkers; i++) {
		struct worker *t = &wq->workers[i];

		t->left = t->job;
		if (t->left)
			pthread_detach(t->thread);
		idle &= !t->left;
	}
	pthread_mutex_unlock(&wq->lock);
	for (unsigned int i = 0; i < wq->nworkers; i++) {
		if (!wq->workers[i].left)
			pthread_join(wq->workers[i].thread, NULL);
	}
	return idle;
}

bool work_queue_free(struct work_queue *wq, unsigned int patience_ms)
{
	if (!wq)
		return true;
	ev_async_stop(wq->loop, &wq->ended_async);
	ev_timer_stop(wq->loop, &wq->signals);
	if (!threads_end(wq, patience_ms))
		return false;
	pthread_cond_destroy(&wq->ending);
	pthread_cond_destroy(&wq->begin);
	pthread_mutex_destroy(&wq->lock);
	free(wq);
	return true;
}
