/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rng.c - entropy device: VIRTIO 1.4, section 5.4.
 *
 * The driver queues empty buffers; each comes back with at least one random byte.  Bytes come from getrandom(2) or from
 * a file, straight into guest memory; small pieces are given bytes of one getrandom(2) for many, and those are wiped as
 * they are given.  There is one reason to wait at a time, and one chain that waits: when the source has nothing now, or
 * when this period's bytes are spent.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ev.h>

#include "core/device.h"
#include "transport/chain.h"

/* The most bytes one request is given ("the device MAY use less than the entire buffer length"). */
#define RNG_MAX_FILL 65536

/* Pieces of guest memory filled from a file at once. */
#define RNG_MAX_IOV 256

/* Bytes of one getrandom(2), and how long a piece must be to have one for itself. */
#define RNG_POOL  1024
#define RNG_LARGE 256

#define RNG_DEFAULT_PERIOD 1000        /* ms */
#define RNG_COMPAT_PERIOD  65536       /* ms; of vhost-device-rng */
#define RNG_MAX_PERIOD     65536       /* ms */
#define RNG_EMPTY_RETRY    0.01        /* s; a device that cannot be polled had nothing */
#define RNG_END_RETRY      1.0         /* s; at the end of a file, or after an error */

struct rng {
	struct vdev d;
	/* options */
	const char *source;
	uint64_t max_bytes;    /* a period; 0: no limit */
	uint64_t period;       /* ms; 0: the default */
	/* host */
	int fd;                /* of the source; -1: getrandom(2) */
	bool pollable;
	bool complained;       /* of the source, since it last gave something */
	struct ev_io readable; /* the source has something again */
	struct ev_timer retry; /* or may have */
	/* guest */
	struct chain *waiting; /* popped, nothing written yet */
	bool ready;            /* what it waits for has come, or may have: kick goes on */
	uint8_t pool[RNG_POOL]; /* of getrandom(2); the last pooled bytes were not given to anybody */
	size_t pooled;
	uint64_t quota;        /* bytes left of this period */
	struct ev_timer next_period;
};

static const struct sandbox_call source_calls[] = {
	{.name = "readv", .why = "random bytes of --source"},
	{0},
};

static const struct sandbox_call getrandom_calls[] = {
	{.name = "getrandom", .why = "random bytes"},
	{0},
};

static void rng_needs(const struct vdev *d, struct sandbox *s)
{
	const struct rng *r = container_of(d, struct rng, d);

	sandbox_calls(s, r->source ? source_calls : getrandom_calls);
}

static struct rng *to_rng(struct vdev *d)
{
	return container_of(d, struct rng, d);
}

/* Writes up to limit bytes of the pool into the chain; none is given twice, nor stays here. */
static ssize_t pool_give(struct rng *r, struct chain *c, size_t limit)
{
	if (!r->pooled) {
		ssize_t got = getrandom(r->pool, sizeof(r->pool), GRND_NONBLOCK);

		if (got < 0)
			return -errno;
		/* They are given from the end of what came. */
		r->pooled = (size_t)got;
	}
	size_t n = min_size(min_size(limit, chain_writable(c)), r->pooled);

	r->pooled -= n;
	chain_put(c, r->pool + r->pooled, n);
	explicit_bzero(r->pool + r->pooled, n);
	return (ssize_t)n;
}

/*
 * Writes up to limit bytes of the source, at least one, into the chain's next pieces.
 * Returns the number of bytes, 0 at the end of a file, or -errno.
 */
static ssize_t source_give(struct rng *r, struct chain *c, size_t limit)
{
	struct iovec iov[RNG_MAX_IOV];
	unsigned int n = chain_write_iov(c, iov, r->fd >= 0 ? RNG_MAX_IOV : 1, limit);
	ssize_t got;

	if (r->fd < 0 && iov->iov_len < RNG_LARGE)
		return pool_give(r, c, limit);
	got = r->fd >= 0 ? readv(r->fd, iov, (int)n) : getrandom(iov->iov_base, iov->iov_len, GRND_NONBLOCK);
	if (got > 0)
		chain_wrote(c, (size_t)got);
	return got < 0 ? -errno : got;
}

/* The source gave nothing: wait in the way that fits the reason. */
static void source_wait(struct rng *r, ssize_t got)
{
	bool empty = got == -EAGAIN;

	if (!empty && !r->complained)
		log_guest(&r->d.log, "%s: %s; requests wait", r->source ? r->source : "getrandom",
			 got ? strerror((int)-got) : "end of file");
	r->complained |= !empty;
	if (empty && r->pollable) {
		ev_io_start(r->d.loop, &r->readable);
		return;
	}
	ev_timer_set(&r->retry, empty ? RNG_EMPTY_RETRY : RNG_END_RETRY, 0.);
	ev_timer_start(r->d.loop, &r->retry);
}

static void source_unwait(struct rng *r)
{
	ev_io_stop(r->d.loop, &r->readable);
	ev_timer_stop(r->d.loop, &r->retry);
}

/* Bytes this period still allows; when there are none, requests go on with the next. */
static size_t quota_left(struct rng *r)
{
	if (!r->max_bytes)
		return RNG_MAX_FILL;
	if (!ev_is_active(&r->next_period)) {
		r->quota = r->max_bytes;
		/* The loop's clock is that of the turn's begin: the period would be short by what has been done since. */
		ev_now_update(r->d.loop);
		ev_timer_set(&r->next_period, (double)r->period / 1000., 0.);
		ev_timer_start(r->d.loop, &r->next_period);
	}
	return (size_t)min_u64(r->quota, RNG_MAX_FILL);
}

static void quota_spend(struct rng *r, size_t bytes)
{
	r->quota -= r->max_bytes ? bytes : 0;
}

/*
 * Writes random bytes into the chain until it is full, the limit is reached, or the source has no more for now.
 * Returns their number; when there are none, *last is what the source said.
 */
static size_t rng_fill(struct rng *r, struct chain *c, size_t limit, ssize_t *last)
{
	size_t done = 0;

	while (done < limit && chain_writable(c)) {
		*last = source_give(r, c, limit - done);
		if (*last == -EINTR)
			continue;
		if (*last <= 0)
			break;
		done += (size_t)*last;
	}
	return done;
}

static void rng_serve(struct rng *r)
{
	r->ready = false;
	for (;;) {
		if (!r->waiting)
			r->waiting = virtq_pop(vdev_queue(&r->d, 0));
		if (!r->waiting)
			return;
		size_t limit = quota_left(r), done = 0;
		ssize_t last = 0;

		if (chain_writable(r->waiting)) {
			if (!limit)
				return;
			done = rng_fill(r, r->waiting, limit, &last);
			if (!done && last != -EFAULT) {
				source_wait(r, last);
				return;
			}
			if (!done)
				log_guest(&r->d.log, "request for memory that has gone");
			r->complained &= !done;
			quota_spend(r, done);
		} else {
			log_guest(&r->d.log, "request without a device-writable buffer");
		}
		virtq_push(r->waiting);
		r->waiting = NULL;
	}
}

/* What the chain waits for has come, or may have: its queue's next turn goes on with it. */
static void rng_resume(struct rng *r)
{
	source_unwait(r);
	r->ready = true;
	virtq_again(vdev_queue(&r->d, 0));
}

static void readable_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	rng_resume(container_of(w, struct rng, readable));
}

static void retry_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	rng_resume(container_of(w, struct rng, retry));
}

static void period_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct rng *r = container_of(w, struct rng, next_period);

	if (r->waiting)
		rng_resume(r);
}

static void rng_kick(struct vdev *d, unsigned int q)
{
	struct rng *r = to_rng(d);

	if (!r->waiting || r->ready)
		rng_serve(r);
}

static void rng_quiesce(struct vdev *d, unsigned int q)
{
	struct rng *r = to_rng(d);

	source_unwait(r);
	r->ready = false;
	if (r->waiting)
		virtq_requeue(r->waiting);
	r->waiting = NULL;
}

/* The record "period": who moves to another host has no more bytes for it. */
struct rng_period {
	le64 quota; /* bytes left of it */
	le32 left;  /* of its time, us */
} __attribute__((packed));

static void rng_save(struct vdev *d, struct state *s)
{
	struct rng *r = to_rng(d);
	double left = ev_timer_remaining(d->loop, &r->next_period) * 1e6;

	if (!r->max_bytes || !ev_is_active(&r->next_period))
		return;
	const struct rng_period p = {htole64(r->quota), htole32(left > 0. ? (uint32_t)(left + .5) : 0)};

	state_put(s, "period", &p, sizeof(p));
}

/* Where the limit is another one here, or none, that holds. */
static int rng_load(struct vdev *d, const struct state_record *r)
{
	struct rng *g = to_rng(d);
	struct rng_period p;

	if (strcmp(r->name, "period") != 0 || r->len != sizeof(p))
		return -EINVAL;
	memcpy(&p, r->bytes, sizeof(p));
	uint64_t left = le32toh(p.left);

	if (left > RNG_MAX_PERIOD * UINT64_C(1000))
		return -EINVAL;
	if (!g->max_bytes)
		return 0;
	g->quota = min_u64(le64toh(p.quota), g->max_bytes);
	ev_timer_stop(d->loop, &g->next_period);
	ev_timer_set(&g->next_period, (double)min_u64(left, g->period * 1000) / 1e6, 0.);
	ev_timer_start(d->loop, &g->next_period);
	return 0;
}

/* A fifo is opened for writing too: then it has no end, and can be waited for. */
static int source_open(struct rng *r)
{
	struct stat st;

	if (stat(r->source, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	r->pollable = S_ISFIFO(st.st_mode);
	r->fd = open(r->source, (r->pollable ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0 && r->pollable && errno == EACCES)
		r->fd = open(r->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0)
		return -errno;
	ev_io_set(&r->readable, r->fd, EV_READ);
	return 0;
}

static int rng_open(struct vdev *d)
{
	struct rng *r = to_rng(d);
	int err = 0;

	r->fd = -1;
	ev_init(&r->readable, readable_ready);
	ev_init(&r->retry, retry_due);
	ev_init(&r->next_period, period_due);
	if (!r->period)
		r->period = RNG_DEFAULT_PERIOD;
	if (r->source)
		err = source_open(r);
	if (err)
		log_error(&d->log, "--source=%s: %s (a readable file, fifo or character device is wanted)", r->source,
			  strerror(-err));
	return err;
}

static void rng_close(struct vdev *d)
{
	struct rng *r = to_rng(d);

	source_unwait(r);
	ev_timer_stop(d->loop, &r->next_period);
	if (r->fd >= 0)
		close(r->fd);
}

/* vhost-device-rng: the bytes of a period are shared out among the sockets. */
static int rng_fit(struct vdev *d, unsigned int i, unsigned int count)
{
	struct rng *r = to_rng(d);

	if (!r->period)
		r->period = RNG_COMPAT_PERIOD;
	if (!r->max_bytes)
		return 0;
	r->max_bytes /= count;
	if (r->max_bytes)
		return 0;
	log_error(&d->log, "--max-bytes: fewer than one byte for each of %u sockets", count);
	return -EINVAL;
}

static const struct vdev_queue_desc rng_queues[] = {
	{.name = "requestq", .size = 64, .max = 32768},
};

static const struct opt rng_opts[] = {
	{
		.name = "source",
		.type = OPT_TEXT,
		.off = offsetof(struct rng, source),
		.arg = "PATH",
		.help = "file, fifo or device the bytes come from",
		.man = MAN(
			"Read the bytes from this regular file, fifo or character device such as /dev/hwrng; without "
			"the option they come from getrandom(2).  At the end of a regular file, and after an error, "
			"requests wait and the file is looked at again every second: bytes are never repeated."),
		.compat = "f,rng-source,filename",
	},
	{
		.name = "max-bytes",
		.type = OPT_BYTES,
		.off = offsetof(struct rng, max_bytes),
		.arg = "N",
		.min = 1,
		.help = "bytes the guest gets in a period at most",
		.man = MAN("Give the guest at most this many bytes in a period; K, M and G multiply by 1024.  Requests "
			   "beyond it wait for the next period."),
		.compat = "m,max-bytes",
	},
	{
		.name = "period",
		.type = OPT_UINT,
		.off = offsetof(struct rng, period),
		.arg = "MS",
		.min = 1,
		.max = RNG_MAX_PERIOD,
		.help = "length of that period in ms (1000)",
		.man = MAN(
			"The length of a period in milliseconds, from 1 to 65536.  The default is 1000, and 65536 when "
			"called as vhost-device-rng."),
		.compat = "p,period",
	},
	{0},
};

#define SAMPLE_ROOM 64

/* VIRTIO 1.4, section 5.4.6: "The device MUST place one or more random bytes into the buffer". */
static const char *sample_check(const uint8_t *in, uint32_t used)
{
	if (used == 0)
		return "no byte was written";
	return used <= SAMPLE_ROOM ? NULL : "more bytes than there is room for";
}

static const struct vdev_sample rng_samples[] = {
	{.what = "entropy", .in_len = SAMPLE_ROOM, .check = sample_check},
	{0},
};

static const struct vdev_compat rng_compat = {
	.suffix = true,
	.count = true,
	.fit = rng_fit,
};

static const char *const rng_examples[] = {
	"vdevd rng --socket-path=/run/rng.sock",
	"vdevd rng --socket-path=/run/rng.sock --source=/dev/hwrng --max-bytes=1K --period=1000",
	"vhost-device-rng -s /run/rng.sock -c 2 -f /dev/urandom -m 512 -p 1000",
	NULL,
};

const struct vdev_class vdev_rng_class = {
	.name = "rng",
	.summary = "entropy device",
	.about = MAN(
		"Gives a guest random bytes: its /dev/hwrng.\n"
		"\n"
		"A request is answered as soon as there is at least one byte, with as many as there are, at most "
		"65536.  A file of known bytes as --source makes the device predictable, for tests.\n"
		"\n"
		"With a guest that moves to another host (live migration) goes what is left of the period and of its "
		"bytes, as "
		"far as --max-bytes and --period allow there; requests that wait are in its rings."),
	.virtio_id = 4,
	.face.queues = rng_queues,
	.face.nqueues = ARRAY_SIZE(rng_queues),
	.opts = rng_opts,
	.inst_size = sizeof(struct rng),
	.samples = rng_samples,
	.compat = &rng_compat,
	.examples = MAN(rng_examples),
	.open = rng_open,
	.needs = rng_needs,
	.kick = rng_kick,
	.quiesce = rng_quiesce,
	.save = rng_save,
	.load = rng_load,
	.close = rng_close,
};
