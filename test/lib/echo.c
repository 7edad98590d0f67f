/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * echo.c - a device for tests of the transport; see echo.h.
 */
#include "test/lib/echo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Seconds that a host operation takes. */
#define LATER 0.02

struct echo *echo_of(struct vdev *d)
{
	return container_of(d, struct echo, d);
}

static void answer(struct chain *c)
{
	uint8_t buf[256];
	size_t n;

	while ((n = min_size(min_size(chain_readable(c), chain_writable(c)), sizeof(buf)))) {
		chain_get(c, buf, n);
		chain_put(c, buf, n);
	}
	virtq_push(c);
}

void echo_release(struct echo *e, unsigned int n)
{
	while (n-- && e->nheld) {
		struct chain *c = e->held[0];

		memmove(e->held, e->held + 1, --e->nheld * sizeof(struct chain *));
		answer(c);
	}
}

void echo_change_config(struct echo *e, uint8_t value)
{
	e->config[ECHO_CONFIG_SIZE - 1] = value;
	vdev_config_changed(&e->d);
}

static void answered(struct vdev *d, struct vdev_ask *ask, int err, int fd)
{
	struct echo *e = echo_of(d);

	if (e->answer_fd >= 0)
		close(e->answer_fd);
	e->answers++;
	e->answer_err = err;
	e->answer_fd = fd;
}

int echo_ask(struct echo *e, struct vdev_ask *ask)
{
	ask->done = answered;
	return vdev_ask(&e->d, ask);
}

static int echo_object(struct vdev *d, const struct vdev_uuid *uuid)
{
	const struct echo *e = echo_of(d);

	if (e->object_fd < 0 || memcmp(uuid, &e->object, sizeof(*uuid)) != 0)
		return -ENOENT;
	return fcntl(e->object_fd, F_DUPFD_CLOEXEC, 0);
}

static void later_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	echo_release(container_of(w, struct echo, later), ECHO_HELD);
}

static int echo_open(struct vdev *d)
{
	struct echo *e = echo_of(d);

	ev_timer_init(&e->later, later_due, LATER, 0.);
	e->object_fd = e->answer_fd = -1;
	for (uint8_t i = ECHO_CONFIG_RW; i < ECHO_CONFIG_SIZE; i++)
		e->config[i] = i;
	return 0;
}

static void echo_kick(struct vdev *d, unsigned int q)
{
	struct echo *e = echo_of(d);
	struct chain *c;

	e->kicks[q]++;
	while ((q == ECHO_ECHOQ || e->nheld < ECHO_HELD) && (c = virtq_pop(vdev_queue(d, q)))) {
		if (q == ECHO_ECHOQ)
			answer(c);
		else
			e->held[e->nheld++] = c;
	}
}

static void echo_start(struct vdev *d, unsigned int q)
{
	struct echo *e = echo_of(d);

	/* A pause between, or a reset, or the beginning: never twice. */
	e->twice_started |= e->started[q];
	e->started[q] = true;
	e->starts[q]++;
	e->resets_at_start[q] = e->resets;
}

static void echo_quiesce_queue(struct vdev *d, unsigned int q)
{
	struct echo *e = echo_of(d);

	e->quiesces[q]++;
	e->started[q] = false;
	if (q != ECHO_HOLDQ)
		return;
	switch (e->quiesce) {
	case ECHO_REQUEUE:
		while (e->nheld)
			virtq_requeue(e->held[--e->nheld]);
		break;
	case ECHO_PUSH:
		echo_release(e, ECHO_HELD);
		break;
	case ECHO_LATER:
		ev_timer_set(&e->later, LATER, 0.);
		ev_timer_start(d->loop, &e->later);
		break;
	case ECHO_NEVER:
		break;
	}
}

static void echo_reset(struct vdev *d)
{
	struct echo *e = echo_of(d);

	e->resets++;
	memset(e->config, 0, ECHO_CONFIG_RW);
}

static void echo_config(struct vdev *d, void *buf)
{
	memcpy(buf, echo_of(d)->config, ECHO_CONFIG_SIZE);
}

static int echo_config_write(struct vdev *d, size_t off, const void *buf, size_t len)
{
	if (off + len > ECHO_CONFIG_RW)
		return -EPERM;
	memcpy(echo_of(d)->config + off, buf, len);
	return 0;
}

static void echo_features_set(struct vdev *d, uint64_t features)
{
	echo_of(d)->feature_sets++;
}

static void echo_save(struct vdev *d, struct state *s)
{
	state_put(s, "config", echo_of(d)->config, ECHO_CONFIG_RW);
}

static int echo_load(struct vdev *d, const struct state_record *r)
{
	if (strcmp(r->name, "config") != 0 || r->len != ECHO_CONFIG_RW)
		return -EINVAL;
	memcpy(echo_of(d)->config, r->bytes, r->len);
	return 0;
}

static void echo_recall(struct vdev *d, const void *old)
{
	struct echo *e = echo_of(d);
	const size_t size = min_size(d->face.memory_size, sizeof(e->memory));

	e->recalls++;
	e->recalled = old;
	if (old)
		memcpy(e->memory, old, size);
	memcpy(d->memory, e->memory, size);
}

static void echo_close(struct vdev *d)
{
	struct echo *e = echo_of(d);

	ev_timer_stop(d->loop, &e->later);
	if (e->object_fd >= 0)
		close(e->object_fd);
	if (e->answer_fd >= 0)
		close(e->answer_fd);
}

static const struct vdev_feature echo_features[] = {{3, "loud"}, {0}};

static const struct vdev_queue_desc echo_queues[ECHO_QUEUES] = {
	[ECHO_ECHOQ] = {.name = "echoq", .size = 64, .max = 1024},
	[ECHO_HOLDQ] = {.name = "holdq", .size = 64, .max = 64},
};

static const uint64_t echo_shmem[] = {[0] = ECHO_SHMEM_0, [2] = ECHO_SHMEM_2};

static const char *echo_sample_check(const uint8_t *in, uint32_t used)
{
	return used == 6 && memcmp(in, "sample", 6) == 0 ? NULL : "not what it was sent";
}

static const struct vdev_sample echo_samples[] = {
	{.what = "six bytes", .queue = ECHO_ECHOQ, .out = "sample", .out_len = 6, .in_len = 6, .check = echo_sample_check},
	{0},
};

const struct vdev_class echo_class = {
	.name = "echo",
	.summary = "echo device",
	.about = "Gives back what it reads.",
	.virtio_id = 42,
	.face.features = BIT(3),
	.feature_names = echo_features,
	.face.queues = echo_queues,
	.face.nqueues = ECHO_QUEUES,
	.face.config_size = ECHO_CONFIG_SIZE,
	.face.shmem = echo_shmem,
	.face.nshmem = ARRAY_SIZE(echo_shmem),
	.samples = echo_samples,
	.shares_objects = true,
	.object = echo_object,
	.inst_size = sizeof(struct echo),
	.open = echo_open,
	.start = echo_start,
	.kick = echo_kick,
	.quiesce = echo_quiesce_queue,
	.reset = echo_reset,
	.config = echo_config,
	.config_write = echo_config_write,
	.features_set = echo_features_set,
	.save = echo_save,
	.load = echo_load,
	.recall = echo_recall,
	.close = echo_close,
};
