/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_share.c - one camera, several guests: the vdevd that has it, and who that is; see media_share.h.
 */
#include "devices/media/media_share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/control.h"

/* How long after the camera has gone it is looked for, s, and more for each sixteenth of a process: not all at once. */
#define RETRY 0.05

static const struct sandbox_call share_calls[] = {
	{.name = "recv", .why = "whether viewers of --share look"},
	{.name = "send", .why = "that the camera of --share is looked at"},
	{.name = "sendmsg", .why = "pictures for viewers of --share"},
	{.name = "recvmsg", .why = "pictures of the camera of --share"},
	{.name = "fcntl",
	 .why = "pictures that viewers can only read, and that stay",
	 .checks = {{1, SANDBOX_IS, F_GET_SEALS}}},
	{.name = "fstat", .why = "how large the pictures of --share are"},
	{.name = "pread64", .why = "pictures of the camera of --share"},
	{.name = "poll", .why = "the camera of --share"},
	{0},
};

void media_share_needs(const char *path, struct sandbox *s)
{
	sandbox_calls(s, share_calls);
	unix_listen_needs(path, s);
}

/* ---- viewers */

static void viewer_close(struct media_viewer *v)
{
	if (v->fd < 0)
		return;
	ev_io_stop(v->share->h->args->d->loop, &v->read);
	close(v->fd);
	v->fd = -1;
	v->on = false;
}

static void viewer_end(struct media_viewer *v, const char *why)
{
	struct media_host *h = v->share->h;

	log_guest_info(&h->args->d->log, "--share=%s: a viewer %s", v->share->path, why);
	viewer_close(v);
	(void)media_camera_look(h);
}

/* Never waits: what has no room is lost.  Returns whether it was sent. */
static bool viewer_send(struct media_viewer *v, const struct media_share_msg *m, int file)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)m, sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (file >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

		*head = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(head), &file, sizeof(file));
	}
	do
		n = sendmsg(v->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*m);
}

static struct media_share_msg format_msg(const struct media_share *s)
{
	const struct media_picture *p = &s->h->picture;

	return (struct media_share_msg){
		.kind = MEDIA_SHARE_FORMAT,
		.pixelformat = p->pixelformat,
		.width = p->width,
		.height = p->height,
		.bytesperline = p->bytesperline,
		.size = (uint32_t)p->len,
		.rate = media_camera_rates[s->h->rate],
	};
}

/* Makes the ring where there is none for pictures of this size.  Returns whether there is one. */
static bool ring_make(struct media_share *s)
{
	const uint64_t slot = media_share_slot_size((uint32_t)s->h->picture.len);
	const uint64_t len = media_share_slot(slot, MEDIA_SHARE_SLOTS);

	if (s->ring && s->slot_size == slot)
		return true;
	media_mem_put(s->ring);
	s->slot_size = slot;
	s->ring = len <= SIZE_MAX ? media_mem_new_shown(s->h->args->pool, (size_t)len) : NULL;
	if (!s->ring)
		log_guest(&s->h->args->d->log,
			  "--share=%s: no memory for %d pictures of %llu bytes (--max-memory is what all may take)",
			  s->path, MEDIA_SHARE_SLOTS, (unsigned long long)slot);
	return s->ring;
}

static void viewer_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct media_viewer *v = container_of(w, struct media_viewer, read);
	struct media_share_msg m;
	ssize_t n = recv(v->fd, &m, sizeof(m), MSG_DONTWAIT | MSG_TRUNC);
	int err;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		viewer_end(v, "has gone");
		return;
	}
	if (n != (ssize_t)sizeof(m) || (m.kind != MEDIA_SHARE_ON && m.kind != MEDIA_SHARE_OFF)) {
		viewer_end(v, "does not speak as a vdevd media of this build");
		return;
	}
	v->on = m.kind == MEDIA_SHARE_ON;
	err = media_camera_look(v->share->h);
	if (err)
		log_guest(&v->share->h->args->d->log, "--share=%s: the camera does not run: %s", v->share->path,
			  strerror(-err));
}

static void viewer_came(struct listener *door, int fd)
{
	struct media_share *s = container_of(door, struct media_share, door);
	const struct media_share_msg m = format_msg(s);

	for (unsigned int i = 0; i < MEDIA_SHARE_VIEWERS; i++) {
		struct media_viewer *v = &s->viewers[i];

		if (v->fd >= 0)
			continue;
		v->fd = fd;
		ev_io_init(&v->read, viewer_readable, fd, EV_READ);
		ev_io_start(s->h->args->d->loop, &v->read);
		if (memcmp(&m, &s->told, sizeof(m)) != 0)
			media_share_format(s);
		else if (!ring_make(s) || !viewer_send(v, &m, s->ring->fd))
			viewer_end(v, "gets no pictures");
		if (v->fd >= 0)
			log_guest_info(&s->h->args->d->log, "--share=%s: a viewer has come", s->path);
		return;
	}
	log_guest(&s->h->args->d->log, "--share=%s: more than %d viewers", s->path, MEDIA_SHARE_VIEWERS);
	close(fd);
}

bool media_share_watched(const struct media_share *s)
{
	bool on = false;

	for (unsigned int i = 0; s && i < MEDIA_SHARE_VIEWERS; i++)
		on |= s->viewers[i].on;
	return on;
}

void media_share_format(struct media_share *s)
{
	const struct media_share_msg m = s && s->socket.fd >= 0 ? format_msg(s) : (struct media_share_msg){0};
	bool there = false;

	for (unsigned int i = 0; m.kind && i < MEDIA_SHARE_VIEWERS; i++)
		there |= s->viewers[i].fd >= 0;
	if (!there || memcmp(&m, &s->told, sizeof(m)) == 0)
		return;
	s->told = m;
	there = ring_make(s);
	for (unsigned int i = 0; i < MEDIA_SHARE_VIEWERS; i++) {
		struct media_viewer *v = &s->viewers[i];

		if (v->fd >= 0 && (!there || !viewer_send(v, &m, s->ring->fd)))
			viewer_end(v, "gets no pictures");
	}
}

void media_share_unplug(struct media_share *s)
{
	for (unsigned int i = 0; s && i < MEDIA_SHARE_VIEWERS; i++)
		viewer_close(&s->viewers[i]);
}

void media_share_frame(struct media_share *s, uint32_t frame, uint64_t us)
{
	struct media_share_ring *ring;
	struct media_share_msg m = {.kind = MEDIA_SHARE_FRAME, .frame = frame, .us = us};

	/* A device of the host may have another format than when viewers came: after S_INPUT, or plugged in again. */
	media_share_format(s);
	if (!media_share_watched(s) || !s->ring)
		return;
	ring = (struct media_share_ring *)(void *)s->ring->va;
	s->stamp += s->stamp == UINT32_MAX ? 2 : 1;
	m.stamp = s->stamp;
	m.slot = (uint32_t)(m.stamp % MEDIA_SHARE_SLOTS);
	atomic_store_explicit(&ring->stamps[m.slot], 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	m.used = s->h->source->ops->fill(s->h->source, s->ring->va + media_share_slot(s->slot_size, m.slot), frame, us);
	atomic_store_explicit(&ring->stamps[m.slot], m.stamp, memory_order_release);
	for (unsigned int i = 0; m.used && i < MEDIA_SHARE_VIEWERS; i++) {
		struct media_viewer *v = &s->viewers[i];

		if (v->on && !viewer_send(v, &m, -1))
			s->missed++;
	}
}

/* ---- who has the camera */

/* Joins the others, or is the first.  wait: for what the camera is.  Returns 0 or -errno. */
static int meet(struct media_share *s, bool wait)
{
	int fd = unix_connect_type(SOCK_SEQPACKET, s->path), err;

	if (fd >= 0)
		return media_view_open(s, fd, wait, &s->view);
	if (fd != -ENOENT && fd != -ECONNREFUSED)
		return fd;
	err = unix_listen_type(&s->socket, SOCK_SEQPACKET, s->path, UINT64_MAX, MEDIA_SHARE_VIEWERS);
	if (err) {
		s->socket.fd = -1;
		return err;
	}
	s->door = (struct listener){.accepted = viewer_came, .log = &s->h->args->d->log, .name = s->path};
	err = listener_start(&s->door, s->h->args->d->loop, s->socket.fd);
	if (err) {
		unix_listener_close(&s->socket);
		s->socket.fd = -1;
		return err;
	}
	media_camera_turn(s->h, s->h->own);
	return 0;
}

static void meet_again(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct media_share *s = container_of(w, struct media_share, retry);
	int err = meet(s, false);

	if (err) {
		log_guest(&s->h->args->d->log, "--share=%s: %s", s->path, strerror(-err));
		return;
	}
	ev_timer_stop(loop, w);
	log_guest_info(&s->h->args->d->log, "--share=%s: %s", s->path,
		       s->view ? "the camera is there again" : "the camera is here now");
}

void media_share_lost(struct media_share *s, const char *why)
{
	log_guest_info(&s->h->args->d->log, "--share=%s: the camera %s", s->path, why);
	media_camera_gone(s->h);
	media_camera_turn(s->h, NULL);
	media_view_close(s->view);
	s->view = NULL;
	ev_timer_again(s->h->args->d->loop, &s->retry);
}

int media_share_open(struct media_host *h, const char *path, struct media_share **out)
{
	struct media_share *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	*s = (struct media_share){.h = h, .path = path, .socket.fd = -1};
	for (unsigned int i = 0; i < MEDIA_SHARE_VIEWERS; i++) {
		s->viewers[i].fd = -1;
		s->viewers[i].share = s;
	}
	h->share = s;
	ev_timer_init(&s->retry, meet_again, 0., RETRY * (1 + getpid() % 16));
	err = meet(s, true);
	if (err)
		log_error(&h->args->d->log, "--share=%s: %s%s", path, strerror(-err),
			  err == -EPROTOTYPE || err == -EADDRINUSE || err == -EPROTO ? " (it is another program's)"
										     : "");
	*out = s;
	return err;
}

void media_share_close(struct media_share *s)
{
	if (!s)
		return;
	ev_timer_stop(s->h->args->d->loop, &s->retry);
	listener_stop(&s->door);
	for (unsigned int i = 0; i < MEDIA_SHARE_VIEWERS; i++)
		viewer_close(&s->viewers[i]);
	media_view_close(s->view);
	if (s->socket.fd >= 0)
		unix_listener_close(&s->socket);
	media_mem_put(s->ring);
	s->h->share = NULL;
	free(s);
}

void media_share_show(const struct media_share *s, struct control_client *c)
{
	unsigned int viewers = 0, on = 0;

	if (!s)
		return;
	for (unsigned int i = 0; i < MEDIA_SHARE_VIEWERS; i++) {
		viewers += s->viewers[i].fd >= 0;
		on += s->viewers[i].on;
	}
	if (s->socket.fd < 0)
		control_say(c, "share %s", s->view ? "viewer" : "gone");
	else
		control_say(c, "share camera, %u viewers, %u look, %llu missed", viewers, on,
			    (unsigned long long)s->missed);
}
