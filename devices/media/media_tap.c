/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_tap.c - a V4L2 camera of the host as a source of pictures, for --share: its buffers are vdevd's, and each frame is copied
 * to those who look.
 *
 * The camera is one file of media_v4l2.c.  A buffer goes back to the device as soon as its frame was copied, whoever is slow.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/media/media_camera.h"

#define BUFFERS 4

struct tap {
	struct media_source s;
	struct media_host_args args;
	struct media_host *device; /* of media_v4l2_ops, as file */
	struct media_file *file;   /* NULL: it is not open, or has failed */
	struct media_mem *mems[BUFFERS];
	struct media_payload payload;
	const struct media_picture *now; /* the frame that is given */
};

static int call(struct tap *t, uint32_t code, struct media_payload *p)
{
	return t->file ? media_v4l2_ops.ioctl(t->file, code, p) : -ENODEV;
}

/* Of the payload's first words: REQBUFS, STREAMON and the like. */
static int call_words(struct tap *t, uint32_t code, uint32_t first, uint32_t second, uint32_t third)
{
	const le32 words[] = {htole32(first), htole32(second), htole32(third)};

	memset(t->payload.bytes, 0, sizeof(t->payload.bytes));
	memcpy(t->payload.bytes, words, sizeof(words));
	return call(t, code, &t->payload);
}

static int buffer_call(struct tap *t, uint32_t code, uint32_t index, struct media_buffer *b)
{
	int err;

	*b = (struct media_buffer){
		.index = htole32(index), .type = htole32(MEDIA_CAPTURE), .memory = htole32(MEDIA_MEMORY_MMAP)};
	memcpy(t->payload.bytes, b, sizeof(*b));
	err = call(t, code, &t->payload);
	memcpy(b, t->payload.bytes, sizeof(*b));
	return err;
}

/* ---- what the device tells */

static void tap_dequeued(void *user, const struct media_buffer *b, const struct media_plane *planes,
			 const struct media_picture *picture)
{
	struct tap *t = user;
	struct media_picture seen = picture ? *picture : (struct media_picture){0};
	struct media_buffer again;

	/* Behind a coded picture are bytes of those before it. */
	seen.len = min_size(seen.len, le32toh(b->bytesused));
	t->now = &seen;
	media_camera_frame(t->s.h, le32toh(b->sequence), le64toh(b->sec) * 1000000 + le64toh(b->usec));
	t->now = NULL;
	(void)buffer_call(t, MEDIA_QBUF, le32toh(b->index), &again);
}

static bool tap_room(void *user)
{
	return true;
}

static void tap_forget(void *user, uint32_t type)
{
	/* Nothing waits here. */
}

static void tap_event(void *user, const struct media_v4l2_event *e)
{
	media_camera_event(((struct tap *)user)->s.h, e);
}

static void mems_put(struct tap *t)
{
	for (unsigned int i = 0; i < BUFFERS; i++) {
		media_mem_put(t->mems[i]);
		t->mems[i] = NULL;
	}
}

/* It is opened again when somebody comes. */
static void tap_failed(void *user, int err)
{
	struct tap *t = user;
	struct media_file *f = t->file;

	t->file = NULL;
	mems_put(t);
	media_v4l2_ops.close(f);
	media_camera_gone(t->s.h);
}

static const struct media_user_ops tap_ops = {
	.dequeued = tap_dequeued,
	.room = tap_room,
	.forget = tap_forget,
	.event = tap_event,
	.failed = tap_failed,
};

/* ---- as a source */

static void picture_set(struct tap *t, const struct media_format *f)
{
	t->s.h->picture = (struct media_picture){NULL,
						 le32toh(f->pix.sizeimage),
						 le32toh(f->pix.pixelformat),
						 le32toh(f->pix.width),
						 le32toh(f->pix.height),
						 le32toh(f->pix.bytesperline)};
}

/* What the format is now. */
static int format_look(struct tap *t)
{
	struct media_format f;
	int err = call_words(t, MEDIA_G_FMT, MEDIA_CAPTURE, 0, 0);

	memcpy(&f, t->payload.bytes, sizeof(f));
	if (!err)
		picture_set(t, &f);
	return err;
}

static int file_open(struct tap *t)
{
	int err = t->file ? 0 : media_v4l2_ops.open(t->device, t, &t->file);

	return err ? err : format_look(t);
}

static int tap_format(struct media_source *s, struct media_format *f, bool set)
{
	struct tap *t = container_of(s, struct tap, s);
	int err = t->file ? 0 : file_open(t);

	if (err)
		return err;
	memset(t->payload.bytes, 0, sizeof(t->payload.bytes));
	memcpy(t->payload.bytes, f, sizeof(*f));
	err = call(t, set ? MEDIA_S_FMT : MEDIA_TRY_FMT, &t->payload);
	memcpy(f, t->payload.bytes, sizeof(*f));
	if (!err && set)
		picture_set(t, f);
	return err;
}

static void stream_end(struct tap *t)
{
	(void)call_words(t, MEDIA_STREAMOFF, MEDIA_CAPTURE, 0, 0);
	mems_put(t);
	(void)call_words(t, MEDIA_REQBUFS, 0, MEDIA_CAPTURE, MEDIA_MEMORY_MMAP);
}

static int stream_begin(struct tap *t)
{
	int err = call_words(t, MEDIA_REQBUFS, BUFFERS, MEDIA_CAPTURE, MEDIA_MEMORY_MMAP);
	uint32_t n = err ? 0 : media_word(&t->payload, 0);

	for (uint32_t i = 0; !err && i < n && i < BUFFERS; i++) {
		struct media_buffer b;

		err = buffer_call(t, MEDIA_QUERYBUF, i, &b);
		if (!err)
			err = media_v4l2_ops.mmap(t->file, (uint32_t)le64toh(b.m), false, &t->mems[i]);
		if (!err)
			err = buffer_call(t, MEDIA_QBUF, i, &b);
	}
	return err ? err : call_words(t, MEDIA_STREAMON, MEDIA_CAPTURE, 0, 0);
}

static int tap_run(struct media_source *s, bool on)
{
	struct tap *t = container_of(s, struct tap, s);
	int err = on && !t->file ? file_open(t) : 0;

	if (!err && on)
		err = stream_begin(t);
	if (err || !on)
		stream_end(t);
	return err;
}

static uint32_t tap_fill(struct media_source *s, uint8_t *bytes, uint32_t frame, uint64_t us)
{
	const struct tap *t = container_of(s, struct tap, s);
	size_t len = t->now && t->now->bytes ? min_size(t->now->len, s->h->picture.len) : 0;

	if (len)
		memcpy(bytes, t->now->bytes, len);
	return (uint32_t)len;
}

/* What changes the format under those who look. */
static bool moves_format(uint32_t code)
{
	return code == MEDIA_S_INPUT || code == MEDIA_S_STD || code == MEDIA_S_DV_TIMINGS ||
	       code == MEDIA_S_SELECTION || code == MEDIA_S_CROP;
}

static int tap_ioctl(struct media_source *s, struct media_file *f, uint32_t code, struct media_payload *p)
{
	struct tap *t = container_of(s, struct tap, s);
	int err = t->file ? 0 : file_open(t);

	if (err)
		return err;
	if (moves_format(code) && (s->h->running || s->h->queue.n))
		return -EBUSY;
	if (code == MEDIA_UNSUBSCRIBE_EVENT) {
		/* The device goes on telling: other sessions may want it. */
		f->subscribed &= media_word(p, 0) != MEDIA_EVENT_ALL;
		return 0;
	}
	err = call(t, code, p);
	if (!err && code == MEDIA_SUBSCRIBE_EVENT)
		f->subscribed = true;
	if (!err && moves_format(code))
		err = format_look(t);
	s->h->queue.size = (uint32_t)s->h->picture.len;
	return err;
}

/* Formats and controls stay as the last user of the device has left them, as on any machine. */
static void tap_reset(struct media_source *s)
{
	(void)file_open(container_of(s, struct tap, s));
}

static void tap_stop(struct media_source *s)
{
	struct tap *t = container_of(s, struct tap, s);

	mems_put(t);
	if (t->file)
		media_v4l2_ops.close(t->file);
	media_v4l2_ops.stop(t->device);
	free(t);
}

static int tap_start(struct media_host *h, struct media_source **out)
{
	struct tap *t = calloc(1, sizeof(*t));
	struct media_about about = {0};
	int err;

	if (!t)
		return -ENOMEM;
	t->s = (struct media_source){&media_tap_source, h};
	t->args = *h->args;
	t->args.ops = &tap_ops;
	t->args.max_buffers = BUFFERS;
	err = media_v4l2_ops.start(&t->args, &t->device, &about);
	if (err) {
		free(t);
		return err;
	}
	if (!(about.device_caps & MEDIA_CAP_VIDEO_CAPTURE)) {
		log_error(&h->args->d->log,
			  "--share: --device=%s is no camera with one plane a picture: such alone can be shared",
			  h->args->device);
		tap_stop(&t->s);
		return -EINVAL;
	}
	memcpy(h->card, about.card, sizeof(h->card));
	*out = &t->s;
	return 0;
}

static void tap_needs(const struct media_host_args *args, struct sandbox *s)
{
	media_v4l2_ops.needs(args, s);
}

const struct media_source_ops media_tap_source = {
	.card = "vdevd shared camera",
	.needs = tap_needs,
	.start = tap_start,
	.stop = tap_stop,
	.reset = tap_reset,
	.format = tap_format,
	.ioctl = tap_ioctl,
	.run = tap_run,
	.fill = tap_fill,
};
