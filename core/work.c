/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * work.c - calls that block on one thread beside the event loop; see work.h.
 *
 * Two lists under one lock: jobs that wait, jobs that have ended.  The thread takes the first of one and appends to
 * the other, then wakes the loop with ev_async, the one call of libev that a foreign thread may make.
 *
 * A host call can hang for longer than a process may take to end.  Then the queue is abandoned: nobody frees it,
 * and the thread, which has seen nothing but its job and the queue, finds it closed when the call returns.
 */
#include "core/work.h"

#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* Of the thread's stack, bytes: host calls and a library's small buffers. */
#define STACK_SIZE ((size_t)256 * 1024)

struct work_list {
	struct work *first, **last;
};

struct work_queue {
	struct ev_loop *loop;
	struct ev_async ended_async;
	pthread_t thread;
	bool has_thread;      /* the loop's; the rest below is guarded by the lock */
	pthread_mutex_t lock;
	pthread_cond_t begin; /* a job has come, or the queue closes */
	pthread_cond_t idle;  /* a job has ended, for who closes */
	struct work_list waiting, ended;
	bool running, closing;
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

static void *thread_main(void *arg)
{
	struct work_queue *wq = arg;

	pthread_mutex_lock(&wq->lock);
	while (!wq->closing) {
		struct work *w = list_take(&wq->waiting);

		if (!w) {
			pthread_cond_wait(&wq->begin, &wq->lock);
			continue;
		}
		wq->running = true;
		pthread_mutex_unlock(&wq->lock);
		w->run(w);
		pthread_mutex_lock(&wq->lock);
		wq->running = false;
		if (wq->closing)
			break;
		list_append(&wq->ended, w);
		ev_async_send(wq->loop, &wq->ended_async);
	}
	pthread_cond_signal(&wq->idle);
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

/* Starts the thread, which takes no signal but those of its own faults.  Returns 0 or -errno. */
static int thread_start(struct work_queue *wq)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (err)
		return -err;
	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* guest memory may go away under a host call's buffers: mem/sigbus.h */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	err = pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!err)
		err = pthread_create(&wq->thread, &attr, thread_main, wq);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	wq->has_thread = !err;
	return -err;
}

int work_queue_new(struct ev_loop *loop, struct work_queue **out)
{
	struct work_queue *wq = calloc(1, sizeof(*wq));
	pthread_condattr_t monotonic;

	if (!wq)
		return -ENOMEM;
	wq->loop = loop;
	list_init(&wq->waiting);
	list_init(&wq->ended);
	pthread_mutex_init(&wq->lock, NULL);
	pthread_cond_init(&wq->begin, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&wq->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
	ev_async_init(&wq->ended_async, ended_ready);
	*out = wq;
	return 0;
}

int work_submit(struct work_queue *wq, struct work *w)
{
	if (!wq->has_thread) {
		int err = thread_start(wq);

		if (err)
			return err;
		ev_async_start(wq->loop, &wq->ended_async);
	}
	pthread_mutex_lock(&wq->lock);
	list_append(&wq->waiting, w);
	pthread_cond_signal(&wq->begin);
	pthread_mutex_unlock(&wq->lock);
	return 0;
}

bool work_cancel(struct work_queue *wq, struct work *w)
{
	bool removed;

	pthread_mutex_lock(&wq->lock);
	removed = list_remove(&wq->waiting, w);
	pthread_mutex_unlock(&wq->lock);
	return removed;
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

/* Tells the thread to end.  Returns whether it does so within the patience. */
static bool thread_end(struct work_queue *wq, unsigned int patience_ms)
{
	struct timespec until = deadline(patience_ms);
	bool running;

	pthread_mutex_lock(&wq->lock);
	wq->closing = true;
	pthread_cond_signal(&wq->begin);
	while (wq->running && pthread_cond_timedwait(&wq->idle, &wq->lock, &until) != ETIMEDOUT)
		;
	running = wq->running;
	pthread_mutex_unlock(&wq->lock);
	if (running)
		pthread_detach(wq->thread);
	else
		pthread_join(wq->thread, NULL);
	return !running;
}

bool work_queue_free(struct work_queue *wq, unsigned int patience_ms)
{
	if (!wq)
		return true;
	ev_async_stop(wq->loop, &wq->ended_async);
	if (wq->has_thread && !thread_end(wq, patience_ms))
		return false;
	pthread_cond_destroy(&wq->idle);
	pthread_cond_destroy(&wq->begin);
	pthread_mutex_destroy(&wq->lock);
	free(wq);
	return true;
}
