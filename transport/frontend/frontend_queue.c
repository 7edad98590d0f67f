/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_queue.c - a small vhost-user front-end, its queues and requests: vhost-user "Ring states"; VIRTIO 1.4,
 * section 2.6.
 */
#include "transport/frontend/frontend_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct fe_notify notify_none = {-1, -1};

/* Makes a notification; ours_reads: the front-end waits for it.  Returns 0 or -errno. */
static int notify_make(struct fe_notify *n, const struct frontend_queue_opts *opts, bool ours_reads)
{
	int ends[2];

	if (!opts->pipes) {
		n->ours = n->theirs = eventfd(0, EFD_CLOEXEC | (opts->blocking ? 0 : EFD_NONBLOCK));
		return n->ours < 0 ? -errno : 0;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	n->ours = ends[ours_reads ? 0 : 1];
	n->theirs = ends[ours_reads ? 1 : 0];
	return opts->blocking && fcntl(n->theirs, F_SETFL, 0) ? -errno : 0;
}

static void notify_close(struct fe_notify *n)
{
	if (n->theirs >= 0 && n->theirs != n->ours)
		close(n->theirs);
	if (n->ours >= 0)
		close(n->ours);
	*n = notify_none;
}

/* Takes what has come on our end; one read empties an eventfd, and 64 notifications of a pipe. */
static void notify_take(const struct fe_notify *n)
{
	uint64_t values[64];

	while (read(n->ours, values, sizeof(values)) < 0 && errno == EINTR)
		;
}

struct frontend_queue_opts frontend_queue_defaults(unsigned int num)
{
	return (struct frontend_queue_opts){.num = num, .region = FRONTEND_MEM_ANY};
}

/* The queue, which must have been made. */
static struct fe_queue *fe_queue(struct frontend *fe, unsigned int q)
{
	return q < FRONTEND_MAX_QUEUES ? fe->queues[q] : NULL;
}

static void request_free(struct frontend *fe, struct frontend_request *req)
{
	frontend_mem_release(fe->mem, &req->readable);
	frontend_mem_release(fe->mem, &req->writable);
	frontend_mem_release(fe->mem, &req->table);
	free(req);
}

void frontend_queue_close(struct frontend *fe, unsigned int q)
{
	struct fe_queue *queue = fe_queue(fe, q);

	if (!queue)
		return;
	while (queue->requests) {
		struct frontend_request *req = queue->requests;

		queue->requests = req->next;
		request_free(fe, req);
	}
	notify_close(&queue->kick);
	notify_close(&queue->call);
	notify_close(&queue->err);
	driver_ring_free(queue->ring);
	frontend_mem_release(fe->mem, &queue->desc);
	frontend_mem_release(fe->mem, &queue->driver);
	frontend_mem_release(fe->mem, &queue->device);
	free(queue);
	fe->queues[q] = NULL;
}

/* Takes the ring's memory and makes the ring. */
static int queue_make_ring(struct frontend *fe, struct fe_queue *queue)
{
	const struct frontend_queue_opts *opts = &queue->opts;
	struct driver_ring_sizes sizes;
	int err;

	driver_ring_sizes(opts->num, fe->features, &sizes);
	err = frontend_mem_alloc(fe->mem, opts->region, sizes.desc, sizes.desc_align, &queue->desc);
	if (err)
		return err;
	err = frontend_mem_alloc(fe->mem, opts->region, sizes.driver, sizes.driver_align, &queue->driver);
	if (err)
		return err;
	err = frontend_mem_alloc(fe->mem, opts->region, sizes.device, sizes.device_align, &queue->device);
	if (err)
		return err;

	struct driver_ring_areas areas = {queue->desc.va, queue->driver.va, queue->device.va};

	return driver_ring_new(opts->num, fe->features, &areas, opts->base, &queue->ring);
}

static int queue_make_fds(struct fe_queue *queue)
{
	const struct frontend_queue_opts *opts = &queue->opts;
	int err = 0;

	if (opts->in_band)
		return 0;
	if (!opts->poll_kick)
		err = notify_make(&queue->kick, opts, false);
	if (!err && !opts->poll_call)
		err = notify_make(&queue->call, opts, true);
	return err ? err : notify_make(&queue->err, opts, true);
}

int frontend_queue_make(struct frontend *fe, unsigned int q, const struct frontend_queue_opts *opts)
{
	struct fe_queue *queue;
	int err;

	if (q >= FRONTEND_MAX_QUEUES || !fe->mem)
		return fe_fail(fe, -EINVAL, "queue %u cannot be made", q);
	frontend_queue_close(fe, q);

	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	queue->opts = *opts;
	queue->kick = queue->call = queue->err = notify_none;
	fe->queues[q] = queue;

	err = queue_make_ring(fe, queue);
	if (!err)
		err = queue_make_fds(queue);
	if (err) {
		frontend_queue_close(fe, q);
		return fe_fail(fe, err, "queue %u of %u entries cannot be made: %s", q, opts->num, strerror(-err));
	}
	return 0;
}

struct vu_vring_addr frontend_queue_addr(struct frontend *fe, unsigned int q)
{
	const struct fe_queue *queue = fe_queue(fe, q);
	bool guest = fe->iommu.granule || frontend_has_protocol(fe, VU_PF_GPA_ADDRESSES);

	return (struct vu_vring_addr){
		.index = q,
		.desc = guest ? frontend_iova(fe, queue->desc.guest) : queue->desc.user,
		.used = guest ? frontend_iova(fe, queue->device.guest) : queue->device.user,
		.avail = guest ? frontend_iova(fe, queue->driver.guest) : queue->driver.user,
		.flags = fe->log.on ? VU_VRING_LOG : 0,
		.log = frontend_iova(fe, queue->device.guest),
	};
}

int frontend_queue_restart(struct frontend *fe, unsigned int q, uint32_t base)
{
	struct fe_queue *queue = fe_queue(fe, q);
	struct vu_vring_addr addr = frontend_queue_addr(fe, q);
	int err;

	err = frontend_vring_state(fe, VU_SET_VRING_NUM, q, queue->opts.num);
	if (!err)
		err = frontend_vring_state(fe, VU_SET_VRING_BASE, q, base);
	if (!err)
		err = frontend_vring_addr(fe, &addr);
	/* In band neither descriptor is needed, and "no descriptor" would mean polling. */
	if (!err && !queue->opts.in_band)
		err = frontend_vring_fd(fe, VU_SET_VRING_CALL, q, queue->call.theirs);
	if (!err && !queue->opts.in_band)
		err = frontend_vring_fd(fe, VU_SET_VRING_ERR, q, queue->err.theirs);
	if (!err && !queue->opts.in_band)
		err = frontend_vring_fd(fe, VU_SET_VRING_KICK, q, queue->kick.theirs);
	if (!err && !queue->opts.disabled && (fe->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		err = frontend_vring_state(fe, VU_SET_VRING_ENABLE, q, 1);
	return err;
}

int frontend_queue_start(struct frontend *fe, unsigned int q, const struct frontend_queue_opts *opts)
{
	int err = frontend_queue_make(fe, q, opts);

	return err ? err : frontend_queue_restart(fe, q, driver_ring_base(frontend_ring(fe, q)));
}

int frontend_queue_stop(struct frontend *fe, unsigned int q, uint32_t *base)
{
	return frontend_get_vring_base(fe, q, base);
}

struct driver_ring *frontend_ring(struct frontend *fe, unsigned int q)
{
	struct fe_queue *queue = fe_queue(fe, q);

	return queue ? queue->ring : NULL;
}

int frontend_queue_fd(struct frontend *fe, unsigned int q, enum frontend_fd which)
{
	const struct fe_queue *queue = fe_queue(fe, q);

	if (!queue)
		return -1;
	switch (which) {
	case FRONTEND_FD_KICK:
		return queue->kick.ours;
	case FRONTEND_FD_CALL:
		return queue->call.ours;
	case FRONTEND_FD_ERR:
		return queue->err.ours;
	}
	return -1;
}

int frontend_replace_call(struct frontend *fe, unsigned int q)
{
	struct fe_queue *queue = fe_queue(fe, q);
	struct fe_notify fresh;
	int err = notify_make(&fresh, &queue->opts, true);

	if (err)
		return fe_fail(fe, err, "no notification: %s", strerror(-err));
	err = frontend_vring_fd(fe, VU_SET_VRING_CALL, q, fresh.theirs);
	if (!err)
		err = frontend_sync(fe);
	if (err) {
		notify_close(&fresh);
		return err;
	}
	/* A back end may signal a new descriptor at once, lest a notification went to the old one. */
	notify_take(&fresh);
	notify_close(&queue->call);
	queue->call = fresh;
	return 0;
}

int frontend_kick(struct frontend *fe, unsigned int q)
{
	const struct fe_queue *queue = fe_queue(fe, q);
	uint64_t one = 1;

	if (queue->opts.in_band)
		return frontend_vring_state(fe, VU_VRING_KICK, q, 0);
	if (queue->kick.ours < 0)
		return 0;
	/* A full pipe or eventfd is a kick the back end has still to take. */
	if (write(queue->kick.ours, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return fe_fail(fe, -errno, "queue %u cannot be kicked: %s", q, strerror(errno));
	return 0;
}

/* Waits until n or *in_band has something and takes it.  Returns 0 or an error without a reason. */
static int notify_wait(struct frontend *fe, const struct fe_notify *n, unsigned int *in_band, uint64_t deadline)
{
	for (;;) {
		if (*in_band) {
			*in_band = 0;
			return 0;
		}

		int ready = fe_turn(fe, n->ours, POLLIN, deadline);

		if (ready < 0)
			return ready;
		if (ready) {
			notify_take(n);
			return 0;
		}
	}
}

int frontend_wait_call(struct frontend *fe, unsigned int q)
{
	struct fe_queue *queue = fe_queue(fe, q);
	int err = notify_wait(fe, &queue->call, &queue->calls, fe_deadline(fe->timeout_ms));

	return err ? fe_fail(fe, err, "no call for queue %u: %s", q, strerror(-err)) : 0;
}

int frontend_wait_err(struct frontend *fe, unsigned int q)
{
	struct fe_queue *queue = fe_queue(fe, q);
	int err = notify_wait(fe, &queue->err, &queue->errs, fe_deadline(fe->timeout_ms));

	return err ? fe_fail(fe, err, "no error notification for queue %u: %s", q, strerror(-err)) : 0;
}

int frontend_idle(struct frontend *fe, unsigned int ms)
{
	uint64_t deadline = fe_deadline(ms);
	int turn;

	do {
		turn = fe_turn(fe, -1, 0, deadline);
	} while (turn >= 0);
	return turn == -ETIMEDOUT ? 0 : fe_fail(fe, turn, "the connection ended");
}

/* How many descriptors a part of this length makes. */
static size_t piece_count(size_t len, uint32_t split)
{
	if (len == 0)
		return 0;
	return split ? (len + split - 1) / split : 1;
}

/* Appends the pieces of one part. */
static size_t piece_part(const struct frontend *fe, struct driver_buf *bufs, size_t at, const struct frontend_buf *part,
			 uint32_t split, bool writable)
{
	for (size_t done = 0; done < part->len; at++) {
		size_t n = min_size(part->len - done, split ? split : part->len);

		bufs[at] = (struct driver_buf){frontend_iova(fe, part->guest + done), (uint32_t)n, writable};
		done += n;
	}
	return at;
}

/* Adds the request's buffers to the ring. */
static int request_add(struct frontend *fe, struct fe_queue *queue, struct frontend_request *req,
		       const struct frontend_request_opts *opts)
{
	size_t count = piece_count(req->readable.len, opts->split) + piece_count(req->writable.len, opts->split);
	struct driver_table table = {.direct = opts->direct, .room = (unsigned int)count};
	struct driver_buf *bufs;
	int err = 0;

	bufs = calloc(count ? count : 1, sizeof(*bufs));
	if (!bufs)
		return -ENOMEM;
	piece_part(fe, bufs, piece_part(fe, bufs, 0, &req->readable, opts->split, false), &req->writable, opts->split, true);
	if (opts->indirect) {
		err = frontend_mem_alloc(fe->mem, FRONTEND_MEM_ANY, count * sizeof(struct virtq_desc), VIRTQ_DESC_ALIGN,
					 &req->table);
		table.va = req->table.va;
		table.addr = frontend_iova(fe, req->table.guest);
	}
	if (!err)
		err = driver_ring_add(queue->ring, bufs, (unsigned int)count, opts->indirect ? &table : NULL, req);
	free(bufs);
	return err;
}

/* Takes the memory of a request and fills the readable part. */
static int request_fill(struct frontend *fe, struct frontend_request *req, const void *readable, size_t readable_len,
			size_t writable_len)
{
	int err = 0;

	if (readable_len)
		err = frontend_mem_alloc(fe->mem, FRONTEND_MEM_ANY, readable_len, 1, &req->readable);
	if (!err && writable_len)
		err = frontend_mem_alloc(fe->mem, FRONTEND_MEM_ANY, writable_len, 1, &req->writable);
	if (!err && readable_len)
		memcpy(req->readable.va, readable, readable_len);
	return err;
}

int frontend_submit(struct frontend *fe, unsigned int q, const void *readable, size_t readable_len, size_t writable_len,
		    const struct frontend_request_opts *opts, struct frontend_request **out)
{
	static const struct frontend_request_opts plain;
	struct fe_queue *queue = fe_queue(fe, q);
	struct frontend_request *req;
	int err;

	if (!queue)
		return fe_fail(fe, -EINVAL, "there is no queue %u", q);
	if (!opts)
		opts = &plain;
	req = calloc(1, sizeof(*req));
	if (!req)
		return -ENOMEM;
	req->poll = opts->poll || queue->opts.poll_call;

	err = request_fill(fe, req, readable, readable_len, writable_len);
	if (!err)
		err = request_add(fe, queue, req, opts);
	if (err) {
		request_free(fe, req);
		return fe_fail(fe, err, "a request does not fit into queue %u: %s", q, strerror(-err));
	}
	req->next = queue->requests;
	queue->requests = req;
	*out = req;
	queue->asked = !driver_ring_interrupts(queue->ring, !req->poll);
	if (driver_ring_publish(queue->ring) && !opts->no_kick)
		return frontend_kick(fe, q);
	return 0;
}

/* Takes a request out of its queue's list. */
static void request_unlink(struct fe_queue *queue, const struct frontend_request *req)
{
	struct frontend_request **at = &queue->requests;

	while (*at && *at != req)
		at = &(*at)->next;
	if (*at)
		*at = req->next;
}

/* Takes all that is used; what nobody waits for any more is freed. */
static int queue_reap(struct frontend *fe, unsigned int q, struct fe_queue *queue)
{
	struct driver_used used;
	int got;

	while ((got = driver_ring_take(queue->ring, &used)) > 0) {
		struct frontend_request *req = used.token;

		queue->asked = false;
		req->done = true;
		req->used = used.len;
		if (req->abandoned) {
			request_unlink(queue, req);
			request_free(fe, req);
		}
	}
	return got < 0 ? fe_fail(fe, got, "queue %u: %s", q, driver_ring_error(queue->ring)) : 0;
}

/*
 * Sees that the next notification is asked for.  What was used before nobody has to announce: it is taken here.
 * Returns 0 or -EPROTO.
 */
static int queue_ask(struct frontend *fe, unsigned int q, struct fe_queue *queue, bool poll)
{
	int err = 0;

	while (!err && !queue->asked) {
		queue->asked = !driver_ring_interrupts(queue->ring, !poll);
		if (!queue->asked)
			err = queue_reap(fe, q, queue);
	}
	return err;
}

/* Waits until req is done, by notification or by looking. */
static int request_wait(struct frontend *fe, unsigned int q, struct fe_queue *queue, struct frontend_request *req)
{
	uint64_t deadline = fe_deadline(fe->timeout_ms);

	for (;;) {
		int err = queue_ask(fe, q, queue, req->poll);

		if (err || req->done)
			return err;
		if (!req->poll)
			err = notify_wait(fe, &queue->call, &queue->calls, deadline);
		else
			err = frontend_idle(fe, driver_ring_has_used(queue->ring) ? 0 : 1);
		if (err && err != -ETIMEDOUT)
			return fe_fail(fe, err, "queue %u, waiting for a request: %s", q, strerror(-err));

		int broken = queue_reap(fe, q, queue);

		if (broken)
			return broken;
		if (req->done && err)
			return fe_fail(fe, -ENOMSG, "a request of queue %u was used without a notification", q);
		if (req->done)
			return 0;
		if (err || fe_deadline(0) >= deadline)
			return fe_fail(fe, -ETIMEDOUT, "a request of queue %u was not used within %u ms", q,
				       fe->timeout_ms);
	}
}

int frontend_await(struct frontend *fe, unsigned int q, struct frontend_request *req, void *buf, uint32_t *used)
{
	struct fe_queue *queue = fe_queue(fe, q);
	/* Another's wait may have taken this one, and its notification, already. */
	int err = req->done ? 0 : request_wait(fe, q, queue, req);

	if (!req->done) {
		req->abandoned = true;
		return err;
	}
	if (!err && used)
		*used = req->used;
	if (!err && buf && req->used)
		memcpy(buf, req->writable.va, req->used);
	request_unlink(queue, req);
	request_free(fe, req);
	return err;
}

int frontend_request(struct frontend *fe, unsigned int q, const void *readable, size_t readable_len, void *writable,
		     size_t writable_len, uint32_t *used, const struct frontend_request_opts *opts)
{
	struct frontend_request *req;
	int err = frontend_submit(fe, q, readable, readable_len, writable_len, opts, &req);

	return err ? err : frontend_await(fe, q, req, writable, used);
}
