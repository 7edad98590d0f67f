/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_bench.c - how fast a back end answers, next to what the kernel allows.
 *
 * Theory of operation.  The floor is a ping-pong of two eventfds with a process that polls, reads and writes: the
 * least that any event-driven back end in a process of its own must do for one request.  Floor and requests are
 * measured in turns, so that what disturbs the machine disturbs both, with this process on one CPU and the other on a
 * second one.  The back end's threads are moved there, where that is allowed, and moved back at the end.
 */
#include "cmd/probe/probe.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "transport/ring/virtq.h"

#define TURNS	    10  /* of floor and requests */
#define WARM_UP	    200 /* round trips that do not count */
#define DEPTH	    64  /* requests in flight for the throughput */
#define RING	    128
#define MAX_THREADS 64

/* A thread of the back end, and where it was allowed to run. */
struct thread {
	pid_t tid;
	cpu_set_t was;
};

struct bench {
	struct probe *p;
	int front_cpu, back_cpu; /* -1: not bound */
	cpu_set_t was;
	struct thread threads[MAX_THREADS];
	unsigned int nthreads;
	pid_t echo; /* the other process of the floor, or 0 */
	int ping, pong;
	/* the request: the device's, or the last of --send, whose answers then are as long as the first, which is shown */
	struct vdev_sample request;
	uint8_t bytes[PROBE_MAX_PART], answer[PROBE_MAX_PART];
	uint32_t used;
	struct frontend_buf parts[DEPTH][2]; /* read and written, of each request in flight */
	unsigned int num, depth; /* entries of the ring; requests in flight at most */
	uint64_t *floor, *trips; /* ns */
	size_t count; /* of each */
	double throughput; /* requests a second */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void only_cpu(cpu_set_t *set, int cpu)
{
	CPU_ZERO(set);
	CPU_SET((size_t)cpu, set);
}

/* Picks two CPUs, or one twice, of those allowed. */
static void pick_cpus(struct bench *b)
{
	b->front_cpu = b->back_cpu = -1;
	if (sched_getaffinity(0, sizeof(b->was), &b->was))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && b->front_cpu == b->back_cpu; cpu++) {
		if (!CPU_ISSET((size_t)cpu, &b->was))
			continue;
		b->back_cpu = cpu;
		if (b->front_cpu < 0)
			b->front_cpu = cpu;
	}
}

/* Moves the back end's threads to its CPU.  Returns whether all could be. */
static bool bind_back_end(struct bench *b)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	char path[64];
	struct dirent *entry;
	bool all = true;
	DIR *dir;

	/* The process that listens may be a service manager, which is no part of this. */
	if (getsockopt(frontend_socket(b->p->fe), SOL_SOCKET, SO_PEERCRED, &cred, &len) || cred.pid <= 1 ||
	    cred.pid == getpid())
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)cred.pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (all && (entry = readdir(dir))) {
		struct thread *t = &b->threads[b->nthreads];
		cpu_set_t set;

		t->tid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (t->tid <= 0)
			continue;
		only_cpu(&set, b->back_cpu);
		all = b->nthreads < MAX_THREADS - 1 && !sched_getaffinity(t->tid, sizeof(t->was), &t->was) &&
		      !sched_setaffinity(t->tid, sizeof(set), &set);
		b->nthreads += all;
	}
	closedir(dir);
	return all && b->nthreads;
}

static void unbind_all(struct bench *b)
{
	for (unsigned int i = 0; i < b->nthreads; i++)
		sched_setaffinity(b->threads[i].tid, sizeof(b->threads[i].was), &b->threads[i].was);
	b->nthreads = 0;
	if (b->front_cpu >= 0)
		sched_setaffinity(0, sizeof(b->was), &b->was);
}

/* Binds both sides, or neither. */
static void bind_all(struct bench *b)
{
	cpu_set_t set;

	pick_cpus(b);
	if (b->front_cpu >= 0 && bind_back_end(b)) {
		only_cpu(&set, b->front_cpu);
		if (!sched_setaffinity(0, sizeof(set), &set))
			return;
	}
	unbind_all(b);
	b->front_cpu = b->back_cpu = -1;
}

/* Waits for a notification and takes it.  Returns 0, -ETIMEDOUT or -errno. */
static int notification_wait(int fd, int timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	uint64_t value;
	int n;

	do {
		n = poll(&pfd, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	return read(fd, &value, sizeof(value)) < 0 && errno != EAGAIN ? -errno : 0;
}

static int notification_send(int fd)
{
	const uint64_t one = 1;

	return write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}

/* The other process of the floor. */
static void echo_run(const struct bench *b, pid_t parent)
{
	cpu_set_t set;

	/* It must not outlive this process, also when that is killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	if (b->back_cpu >= 0) {
		only_cpu(&set, b->back_cpu);
		sched_setaffinity(0, sizeof(set), &set);
	}
	while (!notification_wait(b->ping, -1) && !notification_send(b->pong))
		;
	_exit(1);
}

static int floor_start(struct bench *b)
{
	pid_t self = getpid();

	b->ping = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->pong = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->ping < 0 || b->pong < 0)
		return -errno;
	fflush(stdout);
	b->echo = fork();
	if (b->echo < 0) {
		b->echo = 0;
		return -errno;
	}
	if (b->echo == 0)
		echo_run(b, self);
	return 0;
}

static void floor_stop(struct bench *b)
{
	if (b->echo) {
		kill(b->echo, SIGKILL);
		waitpid(b->echo, NULL, 0);
	}
	if (b->ping >= 0)
		close(b->ping);
	if (b->pong >= 0)
		close(b->pong);
}

static int floor_trip(struct bench *b)
{
	int err = notification_send(b->ping);

	return err ? err : notification_wait(b->pong, (int)b->p->timeout_ms);
}

/* What is wrong with an answer, or NULL. */
static const char *answer_check(const struct bench *b, const uint8_t *answer, uint32_t used)
{
	if (b->request.check)
		return b->request.check(answer, used);
	return used == b->used ? NULL : "the first one had another length";
}

/* Sends a request and waits for it.  Returns 0, or -errno after it has said why. */
static int request_send(struct bench *b, const void *out, size_t out_len, size_t in_len)
{
	int err = frontend_request(b->p->fe, b->request.queue, out, out_len, b->answer, in_len, &b->used, NULL);

	if (err)
		probe_failed(b->p);
	return err;
}

/* Starts the request's queue, if it does not run yet.  Returns 0, or -errno after it has said why. */
static int queue_start(struct bench *b)
{
	const struct vdev_class *class = b->p->class;
	unsigned int q = b->request.queue, max = class && q < class->face.nqueues ? class->face.queues[q].max : RING;
	struct frontend_queue_opts opts = frontend_queue_defaults((unsigned int)min_size(RING, max));
	int err = frontend_ring(b->p->fe, q) ? 0 : frontend_queue_start(b->p->fe, q, &opts);

	b->num = opts.num;
	if (err)
		probe_failed(b->p);
	return err;
}

/* The requests of --send: the last is timed, and those before it go before it, once. */
static int request_spelled(struct bench *b)
{
	const struct probe *p = b->p;
	const struct probe_send *last = &p->sends[p->nsends - 1];
	int err;

	b->request = (struct vdev_sample){
		.what = "--send", .queue = (unsigned int)p->queue, .out_len = last->len, .in_len = last->room};
	memcpy(b->bytes, last->bytes, last->len);
	err = queue_start(b);
	for (unsigned int i = 0; !err && i < p->nsends; i++)
		err = request_send(b, p->sends[i].bytes, p->sends[i].len, p->sends[i].room);
	return err;
}

/* Tries a sample as it is in b->bytes, after what goes before it.  Returns 0 and *wrong, or -errno after it has said why. */
static int request_try(struct bench *b, const void *before, const char **wrong)
{
	const struct vdev_sample *s = &b->request;
	int err = before ? request_send(b, before, s->out_len, s->in_len) : 0;

	*wrong = before && !err ? s->check(b->answer, b->used) : NULL;
	if (err || *wrong)
		return err;
	err = request_send(b, b->bytes, s->out_len, s->in_len);
	if (!err)
		*wrong = s->check(b->answer, b->used);
	return err;
}

/* Tries a sample with all values its byte can have, until one is answered well.  Returns as request_try. */
static int sample_try(struct bench *b, const struct vdev_sample *s, const char **wrong)
{
	unsigned int value = s->vary.first;
	uint8_t before[PROBE_MAX_PART];
	int err;

	b->request = *s;
	err = queue_start(b);
	if (s->out_len)
		memcpy(b->bytes, s->out, s->out_len);
	if (s->before)
		memcpy(before, s->before, s->out_len);
	do {
		if (s->vary.step)
			b->bytes[s->vary.at] = before[s->vary.at] = (uint8_t)value;
		value += s->vary.step;
		if (!err)
			err = request_try(b, s->before ? before : NULL, wrong);
	} while (!err && *wrong && s->vary.step && value <= s->vary.last);
	return err;
}

/* Finds a request of the device that is answered well: how lines and addresses are set up there is not known. */
static int request_find(struct bench *b)
{
	const struct vdev_sample *s = b->p->samples;
	const uint64_t features = frontend_features(b->p->fe);
	const char *wrong = "it needs features that are not offered";

	for (s += s[1].what != NULL; s->what; s++) {
		int err = s->features & ~features ? 0 : sample_try(b, s, &wrong);

		if (err || !wrong)
			return err;
	}
	probe_say(b->p, PROBE_FAIL, "no request is answered well (%s): --send=HEX/ROOM spells one out", wrong);
	return -EPROTO;
}

/* The queue, and its memory: a buffer for each request in flight.  Returns 0, or -errno after it has said why. */
static int requests_prepare(struct bench *b)
{
	const struct vdev_sample *r = &b->request;
	struct frontend_mem *mem;
	int err = probe_resume(b->p);

	if (err) {
		probe_failed(b->p);
		return err;
	}
	err = b->p->nsends ? request_spelled(b) : request_find(b);
	if (err)
		return err;
	mem = frontend_mem(b->p->fe);
	b->depth = (unsigned int)min_size(DEPTH, b->num / (r->out_len && r->in_len ? 2 : 1));
	for (unsigned int i = 0; !err && i < b->depth; i++) {
		if (r->out_len)
			err = frontend_mem_alloc(mem, FRONTEND_MEM_ANY, r->out_len, 8, &b->parts[i][0]);
		if (!err && r->in_len)
			err = frontend_mem_alloc(mem, FRONTEND_MEM_ANY, r->in_len, 8, &b->parts[i][1]);
		if (!err && b->parts[i][0].va)
			memcpy(b->parts[i][0].va, b->bytes, r->out_len);
	}
	if (err)
		probe_say(b->p, PROBE_FAIL, "memory of the requests: %s", strerror(-err));
	return err;
}

/* Makes one request available; its parts are the token. */
static int request_add(struct driver_ring *ring, struct frontend_buf *parts)
{
	struct driver_buf bufs[2];
	unsigned int n = 0;

	for (unsigned int part = 0; part < 2; part++) {
		if (parts[part].len)
			bufs[n++] = (struct driver_buf){
				.addr = parts[part].guest, .len = (uint32_t)parts[part].len, .writable = part};
	}
	return driver_ring_add(ring, bufs, n, NULL, parts);
}

/* Takes and checks what was used; its parts go to the idle ones.  Returns how many, or -EPROTO. */
static int requests_take(struct bench *b, struct driver_ring *ring, struct frontend_buf **idle, unsigned int *nidle)
{
	struct driver_used used;
	int count = 0, got;

	while ((got = driver_ring_take(ring, &used)) > 0) {
		struct frontend_buf *parts = used.token;
		const char *wrong = answer_check(b, parts[1].va, used.len);

		if (wrong) {
			probe_say(b->p, PROBE_FAIL, "answer of %u bytes: %s", used.len, wrong);
			return -EPROTO;
		}
		idle[(*nidle)++] = parts;
		count++;
	}
	if (got < 0)
		probe_say(b->p, PROBE_FAIL, "%s", driver_ring_error(ring));
	return got < 0 ? got : count;
}

/*
 * Has n requests served, always this many in flight.  trips: NULL, or with one in flight where each one's time is
 * noted, always by way of its notification.
 */
static int requests_run(struct bench *b, size_t n, unsigned int depth, uint64_t *trips)
{
	unsigned int q = b->request.queue, nidle = depth;
	struct driver_ring *ring = frontend_ring(b->p->fe, q);
	int kick = frontend_queue_fd(b->p->fe, q, FRONTEND_FD_KICK);
	int call = frontend_queue_fd(b->p->fe, q, FRONTEND_FD_CALL);
	struct frontend_buf *idle[DEPTH];
	size_t added = 0, done = 0;
	int err = 0, got;

	for (unsigned int i = 0; i < depth; i++)
		idle[i] = b->parts[i];
	while (done < n) {
		uint64_t begin = now_ns();

		for (; !err && nidle && added < n; added++)
			err = request_add(ring, idle[--nidle]);
		driver_ring_interrupts(ring, true);
		if (!err && driver_ring_publish(ring))
			err = notification_send(kick);
		do {
			if (!err && (trips || !driver_ring_has_used(ring)))
				err = notification_wait(call, (int)b->p->timeout_ms);
			if (err) {
				probe_say(b->p, PROBE_FAIL, "request %zu of %zu: %s", done, n, strerror(-err));
				return err;
			}
			got = requests_take(b, ring, idle, &nidle);
			if (got < 0)
				return got;
			/* With event index each notification is asked for. */
			if (!got)
				driver_ring_interrupts(ring, true);
		} while (!got);
		done += (size_t)got;
		if (trips)
			trips[done - 1] = now_ns() - begin;
	}
	return 0;
}

static int floor_run(struct bench *b, size_t n, uint64_t *trips)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t begin = now_ns();
		int err = floor_trip(b);

		if (err) {
			probe_say(b->p, PROBE_FAIL, "the floor: %s", strerror(-err));
			return err;
		}
		trips[i] = now_ns() - begin;
	}
	return 0;
}

/* All the measuring.  Samples that are warming up are overwritten by those that count. */
static int measure(struct bench *b, size_t n)
{
	size_t turn = n / TURNS;
	int err = floor_run(b, WARM_UP, b->floor);
	uint64_t begin;

	if (!err)
		err = requests_run(b, WARM_UP, 1, b->trips);
	for (size_t i = 0; !err && i < TURNS; i++) {
		err = floor_run(b, turn, b->floor + i * turn);
		if (!err)
			err = requests_run(b, turn, 1, b->trips + i * turn);
	}
	if (err)
		return err;
	b->count = turn * TURNS;
	begin = now_ns();
	err = requests_run(b, b->count, b->depth, NULL);
	b->throughput = (double)b->count * 1e9 / (double)(now_ns() - begin);
	return err;
}

static int compare_u64(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return (a > b) - (a < b);
}

static double quantile_us(const struct bench *b, const uint64_t *sorted, double share)
{
	size_t i = (size_t)((double)b->count * share);

	return (double)sorted[i < b->count ? i : b->count - 1] / 1000.0;
}

static const struct {
	const char *name;
	double share;
} quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}};

static void print_json(const struct bench *b)
{
	printf(",\n \"bench\": {\"requests\": %zu, \"front-end-cpu\": %d, \"back-end-cpu\": %d", b->count, b->front_cpu,
	       b->back_cpu);
	if (b->p->nsends) {
		fputs(",\n  \"answer\": \"", stdout);
		for (uint32_t i = 0; i < b->used; i++)
			printf("%02x", b->answer[i]);
		fputs("\"", stdout);
	}
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
		double floor = quantile_us(b, b->floor, quantiles[i].share);
		double trip = quantile_us(b, b->trips, quantiles[i].share);

		printf(",\n  \"%s\": {\"floor-us\": %.2f, \"request-us\": %.2f, \"ratio\": %.2f}", quantiles[i].name, floor,
		       trip, trip / floor);
	}
	printf(",\n  \"in-flight\": %u, \"requests-per-second\": %.0f}", b->depth, b->throughput);
}

static void print_bytes(const char *head, const uint8_t *bytes, size_t len)
{
	fputs(head, stdout);
	for (size_t i = 0; i < len; i++)
		printf(" %02x", bytes[i]);
	putchar('\n');
}

static void print_text(const struct bench *b)
{
	printf("round trip of a request (%s: %zu bytes read, room for %zu), %zu times, in us\n\n", b->request.what,
	       b->request.out_len, b->request.in_len, b->count);
	printf("  %-8s %10s %10s %10s\n", "", "floor", "request", "ratio");
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
		double floor = quantile_us(b, b->floor, quantiles[i].share);
		double trip = quantile_us(b, b->trips, quantiles[i].share);

		printf("  %-8s %10.2f %10.2f %10.2f\n", quantiles[i].name, floor, trip, trip / floor);
	}
	printf("\nfloor: an eventfd ping-pong with another process, in the same run\n");
	/* Which line, which address. */
	if (b->request.vary.step)
		print_bytes("request:", b->bytes, b->request.out_len);
	if (b->p->nsends)
		print_bytes("answer:", b->answer, b->used);
	printf("throughput: %.0f requests/s, %u in flight\n", b->throughput, b->depth);
	if (b->front_cpu < 0)
		printf("neither side was bound to a CPU\n");
	else
		printf("front-end on CPU %d; back end, and the floor's other side, on CPU %d\n", b->front_cpu, b->back_cpu);
}

int probe_bench(struct probe *p)
{
	size_t samples = (size_t)p->requests;
	struct bench b = {.p = p, .ping = -1, .pong = -1};
	int err;

	b.floor = calloc(samples, sizeof(*b.floor));
	b.trips = calloc(samples, sizeof(*b.trips));
	if (!b.floor || !b.trips) {
		err = -ENOMEM;
		probe_say(p, PROBE_FAIL, "%s", strerror(ENOMEM));
		goto free_samples;
	}
	err = requests_prepare(&b);
	if (err)
		goto free_samples;
	bind_all(&b);
	err = floor_start(&b);
	if (err)
		probe_say(p, PROBE_FAIL, "the floor: %s", strerror(-err));
	else
		err = measure(&b, samples);
	floor_stop(&b);
	unbind_all(&b);
	if (!err) {
		qsort(b.floor, b.count, sizeof(*b.floor), compare_u64);
		qsort(b.trips, b.count, sizeof(*b.trips), compare_u64);
		if (p->json)
			print_json(&b);
		else
			print_text(&b);
	}

free_samples:
	free(b.floor);
	free(b.trips);
	return err;
}
