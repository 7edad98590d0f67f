/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_view.c - a camera that another vdevd has, as a source of pictures; see media_share.h.
 *
 * What the other one says is checked: it serves another guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/media/media_paint.h"
#include "devices/media/media_share.h"

#define BURST	    16
#define PATIENCE_MS 1000
#define SIDE_MAX    16384u

struct media_view {
	struct media_source s;
	struct media_share *share;
	int fd;
	struct ev_io read;
	int ring; /* a file, to be read; -1: none */
	uint64_t slot_size;
	uint32_t rate;
	struct media_share_msg now; /* the frame that is given */
	bool stale;		    /* buffers are of a format that was before */
};

static void ring_drop(struct media_view *v)
{
	if (v->ring >= 0)
		close(v->ring);
	v->ring = -1;
}

/* Takes a ring for pictures of this size.  Returns 0: the file is the view's own; or -EPROTO. */
static int ring_take(struct media_view *v, int file, uint32_t size)
{
	const uint64_t slot = media_share_slot_size(size);
	int seals = fcntl(file, F_GET_SEALS);
	struct stat st;

	/* Memory alone has such a seal: reading never waits. */
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(file, &st) < 0 || st.st_size < 0 ||
	    (uint64_t)st.st_size < media_share_slot(slot, MEDIA_SHARE_SLOTS))
		return -EPROTO;
	ring_drop(v);
	v->ring = file;
	v->slot_size = slot;
	return 0;
}

/* A picture that could be one, and that the operator allows the guest. */
static bool format_sound(const struct media_view *v, const struct media_share_msg *m)
{
	const struct media_host *h = v->share->h;
	const struct media_pixel_format *f = media_pixel_find(m->pixelformat);

	if (!m->width || !m->height || m->width > SIDE_MAX || m->height > SIDE_MAX || !m->size ||
	    m->size > (1u << 30) || !m->rate)
		return false;
	if (f && ((m->width | m->height) % 2 || m->size < media_pixel_size(f, m->width, m->height)))
		return false;
	return media_camera_allows(h, m->pixelformat) && m->width <= h->args->max_width &&
	       m->height <= h->args->max_height;
}

static void source_changed(struct media_view *v)
{
	const uint64_t us = media_now_us();
	struct media_v4l2_event e = {
		.type = htole32(MEDIA_EVENT_SOURCE_CHANGE),
		.sec = htole64(us / 1000000),
		.nsec = htole64(us % 1000000 * 1000),
	};

	e.ctrl.changes = htole32(MEDIA_EVENT_SRC_CH_RESOLUTION);
	v->stale = v->s.h->queue.n > 0;
	media_camera_event(v->s.h, &e);
}

static int format_came(struct media_view *v, const struct media_share_msg *m, int file)
{
	struct media_host *h = v->share->h;
	const struct media_picture p = {NULL, m->size, m->pixelformat, m->width, m->height, m->bytesperline};
	bool other;

	if (!format_sound(v, m)) {
		log_guest(&h->args->d->log, "--share=%s: %ux%u is nothing that --formats and --max-size allow here",
			  v->share->path, m->width, m->height);
		return -EPROTO;
	}
	if (file < 0 || ring_take(v, file, m->size) < 0)
		return -EPROTO;
	other = memcmp(&p, &h->picture, sizeof(p)) != 0;
	h->picture = p;
	v->rate = m->rate;
	if (h->source != &v->s)
		media_camera_turn(h, &v->s);
	else if (other)
		source_changed(v);
	h->queue.size = m->size;
	return 0;
}

/* The file that came with a message, or -1.  More may be in the room that is left for alignment: nobody wants those. */
static int file_take(struct msghdr *msg)
{
	int file = -1, fd;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head)) {
		size_t n = head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS
				   ? (head->cmsg_len - CMSG_LEN(0)) / sizeof(fd)
				   : 0;

		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
			if (file < 0)
				file = fd;
			else
				close(fd);
		}
	}
	return file;
}

static bool msg_whole(const struct msghdr *msg, ssize_t n)
{
	return n == (ssize_t)sizeof(struct media_share_msg) && !(msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC));
}

static bool frame_good(const struct media_view *v, const struct media_share_msg *m)
{
	return m->kind == MEDIA_SHARE_FRAME && v->ring >= 0 && m->slot < MEDIA_SHARE_SLOTS && m->used &&
	       m->used <= v->s.h->picture.len;
}

/* Takes a message.  Returns 1: there was one; 0: there is none; or -errno. */
static int msg_take(struct media_view *v)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct media_share_msg m = {0};
	struct iovec iov = {&m, sizeof(m)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(v->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int file, err = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	file = file_take(&msg);
	if (n == 0)
		err = -EPIPE;
	else if (!msg_whole(&msg, n) || (m.kind != MEDIA_SHARE_FORMAT && !frame_good(v, &m)))
		err = -EPROTO;
	else if (m.kind == MEDIA_SHARE_FORMAT)
		err = format_came(v, &m, file);
	if (file >= 0 && file != v->ring)
		close(file);
	if (!err && m.kind == MEDIA_SHARE_FRAME) {
		v->now = m;
		media_camera_frame(v->s.h, m.frame, m.us);
	}
	return err ? err : 1;
}

static void view_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct media_view *v = container_of(w, struct media_view, read);
	int more = 1;

	for (unsigned int i = 0; more > 0 && i < BURST; i++)
		more = msg_take(v);
	if (more < 0)
		media_share_lost(v->share,
				 more == -EPIPE ? "has gone" : "does not speak as a vdevd media of this build");
}

/* ---- as a source */

static void view_send(struct media_view *v, uint32_t kind)
{
	const struct media_share_msg m = {.kind = kind};

	/* It is the first in the socket, or behind few: there is room, unless the other end is dead; that shows by reading. */
	(void)!send(v->fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int view_run(struct media_source *s, bool on)
{
	struct media_view *v = container_of(s, struct media_view, s);

	v->stale = false;
	view_send(v, on ? MEDIA_SHARE_ON : MEDIA_SHARE_OFF);
	return 0;
}

/* Whether a slot still has the frame that is given. */
static bool is_there(const struct media_view *v)
{
	const uint64_t place = offsetof(struct media_share_ring, stamps) + v->now.slot * sizeof(uint32_t);
	uint32_t stamp;

	return pread(v->ring, &stamp, sizeof(stamp), (off_t)place) == (ssize_t)sizeof(stamp) && stamp == v->now.stamp;
}

/* A slot that was written to meanwhile is no picture. */
static uint32_t view_fill(struct media_source *s, uint8_t *bytes, uint32_t frame, uint64_t us)
{
	const struct media_view *v = container_of(s, struct media_view, s);
	const struct media_share_msg *m = &v->now;
	ssize_t n;

	if (v->stale || !is_there(v))
		return 0;
	atomic_thread_fence(memory_order_acquire);
	n = pread(v->ring, bytes, m->used, (off_t)media_share_slot(v->slot_size, m->slot));
	atomic_thread_fence(memory_order_acquire);
	return n == (ssize_t)m->used && is_there(v) ? m->used : 0;
}

static void view_reset(struct media_source *s)
{
	/* All is the other guest's. */
}

static int view_interval(const struct media_view *v, struct media_payload *p)
{
	struct media_frmivalenum interval;
	int err = media_camera_single(v->s.h, MEDIA_ENUM_FRAMEINTERVALS, p);

	if (err || media_word(p, 0))
		return -EINVAL;
	memcpy(&interval, p->bytes, sizeof(interval));
	interval = (struct media_frmivalenum){.pixel_format = interval.pixel_format,
					      .width = interval.width,
					      .height = interval.height,
					      .type = htole32(MEDIA_TYPE_DISCRETE),
					      .interval = {htole32(1), htole32(v->rate)}};
	memcpy(p->bytes, &interval, sizeof(interval));
	return 0;
}

static int view_parm(const struct media_view *v, struct media_payload *p)
{
	struct media_streamparm s;

	if (media_word(p, 0) != MEDIA_CAPTURE)
		return -EINVAL;
	s = (struct media_streamparm){.type = htole32(MEDIA_CAPTURE),
				      .capability = htole32(MEDIA_CAP_TIMEPERFRAME),
				      .timeperframe = {htole32(1), htole32(v->rate)}};
	memcpy(p->bytes, &s, sizeof(s));
	return 0;
}

static int view_subscribe(struct media_file *f, bool on, const struct media_payload *p)
{
	uint32_t type = media_word(p, 0);

	if (on && type != MEDIA_EVENT_SOURCE_CHANGE)
		return -EINVAL;
	if (type == MEDIA_EVENT_SOURCE_CHANGE || type == MEDIA_EVENT_ALL)
		f->subscribed = on;
	return 0;
}

static int view_ioctl(struct media_source *s, struct media_file *f, uint32_t code, struct media_payload *p)
{
	struct media_view *v = container_of(s, struct media_view, s);

	switch (code) {
	case MEDIA_ENUM_FMT:
	case MEDIA_ENUM_FRAMESIZES:
		return media_camera_single(s->h, code, p);
	case MEDIA_ENUM_FRAMEINTERVALS:
		return view_interval(v, p);
	case MEDIA_G_PARM:
	case MEDIA_S_PARM:
		return view_parm(v, p);
	case MEDIA_ENUMINPUT:
	case MEDIA_G_INPUT:
	case MEDIA_S_INPUT:
		return media_camera_input(code, p);
	case MEDIA_SUBSCRIBE_EVENT:
	case MEDIA_UNSUBSCRIBE_EVENT:
		return view_subscribe(f, code == MEDIA_SUBSCRIBE_EVENT, p);
	default:
		return -ENOTTY;
	}
}

static const struct media_source_ops view_ops = {
	.reset = view_reset,
	.format = media_camera_keep,
	.ioctl = view_ioctl,
	.run = view_run,
	.fill = view_fill,
};

int media_view_open(struct media_share *share, int fd, bool wait, struct media_view **out)
{
	struct media_view *v = calloc(1, sizeof(*v));
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int err = 0;

	if (!v) {
		close(fd);
		return -ENOMEM;
	}
	*v = (struct media_view){.s = {&view_ops, share->h}, .share = share, .fd = fd, .ring = -1};
	ev_io_init(&v->read, view_readable, fd, EV_READ);
	/* A guest that comes at once is to find the camera. */
	if (wait && poll(&p, 1, PATIENCE_MS) == 1)
		err = msg_take(v);
	if (err < 0) {
		media_view_close(v);
		return err;
	}
	ev_io_start(share->h->args->d->loop, &v->read);
	*out = v;
	return 0;
}

void media_view_close(struct media_view *v)
{
	if (!v)
		return;
	ev_io_stop(v->share->h->args->d->loop, &v->read);
	ring_drop(v);
	close(v->fd);
	free(v);
}
