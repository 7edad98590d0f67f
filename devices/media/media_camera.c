/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_camera.c - a capture device whose buffers are vdevd's own; see media_camera.h.
 */
#include "devices/media/media_camera.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/control.h"
#include "devices/media/media_paint.h"
#include "devices/media/media_share.h"

#define COLORSPACE_SRGB	  8u
#define PRIV_MAGIC	  0xfeedcafeu
#define INPUT_TYPE_CAMERA 2u

const uint32_t media_camera_rates[MEDIA_RATES] = {120, 60, 50, 30, 25, 15, 10, 5};

uint64_t media_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

bool media_camera_allows(const struct media_host *h, uint32_t fourcc)
{
	const struct media_formats *l = &h->args->formats;
	bool found = !l->n;

	for (unsigned int i = 0; i < l->n; i++)
		found |= l->at[i] == fourcc;
	return found;
}

void media_camera_pix(const struct media_picture *p, struct media_format *out)
{
	memset(out->raw, 0, sizeof(out->raw));
	out->pix = (struct media_pix){
		.width = htole32(p->width),
		.height = htole32(p->height),
		.pixelformat = htole32(p->pixelformat),
		.field = htole32(MEDIA_FIELD_NONE),
		.bytesperline = htole32(p->bytesperline),
		.sizeimage = htole32((uint32_t)p->len),
		.colorspace = htole32(COLORSPACE_SRGB),
		.priv = htole32(PRIV_MAGIC),
	};
}

/* ---- frames */

static void timer_set(struct media_host *h)
{
	h->due.repeat = 1. / media_camera_rates[h->rate];
	ev_timer_again(h->args->d->loop, &h->due);
}

int media_camera_look(struct media_host *h)
{
	const struct media_source_ops *ops = h->source->ops;
	bool on = h->queue.streaming || media_share_watched(h->share);
	int err = 0;

	if (on == h->running)
		return 0;
	if (ops->run)
		err = ops->run(h->source, on);
	if (err && on)
		return err;
	h->running = on;
	h->frame = 0;
	if (on && ops->timed)
		timer_set(h);
	else
		ev_timer_stop(h->args->d->loop, &h->due);
	return 0;
}

static bool frame_give(struct media_host *h, uint32_t frame, uint64_t us)
{
	struct media_slot *s = media_queue_first(&h->queue);
	const struct media_file *f = h->queue.owner;
	struct media_picture picture = h->picture;
	struct media_buffer b;

	if (!s || s->mem->size < picture.len || !h->args->ops->room(f->user))
		return false;
	s->bytesused = h->source->ops->fill(h->source, s->mem->va, frame, us);
	if (!s->bytesused)
		return false;
	s->sequence = frame;
	s->sec = us / 1000000;
	s->usec = us % 1000000;
	picture.bytes = s->mem->va;
	picture.len = s->bytesused;
	media_queue_done(&h->queue, &b);
	h->frames++;
	h->args->ops->dequeued(f->user, &b, NULL, &picture);
	return true;
}

void media_camera_frame(struct media_host *h, uint32_t frame, uint64_t us)
{
	media_share_frame(h->share, frame, us);
	if (h->queue.streaming && !frame_give(h, frame, us))
		h->lost++;
	if (h->source->ops->next)
		h->source->ops->next(h->source);
}

static void frame_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct media_host *h = container_of(w, struct media_host, due);

	media_camera_frame(h, h->frame++, media_now_us());
}

/* ---- ioctls */

static int format_ioctl(struct media_host *h, const struct media_file *f, uint32_t code, struct media_payload *p)
{
	struct media_format format;
	int err = 0;

	memcpy(&format, p->bytes, sizeof(format));
	if (le32toh(format.type) != MEDIA_CAPTURE)
		return -EINVAL;
	if (code == MEDIA_G_FMT) {
		media_camera_pix(&h->picture, &format);
	} else {
		if (code == MEDIA_S_FMT && (media_queue_busy(&h->queue, f) || h->queue.n))
			return -EBUSY;
		/* Whom others have set the format for gets theirs. */
		if (media_share_watched(h->share))
			media_camera_pix(&h->picture, &format);
		else
			err = h->source->ops->format(h->source, &format, code == MEDIA_S_FMT);
		if (!err && code == MEDIA_S_FMT) {
			h->queue.size = (uint32_t)h->picture.len;
			media_share_format(h->share);
		}
	}
	memcpy(p->bytes, &format, sizeof(format));
	return err;
}

static int queue_ioctl(struct media_host *h, const struct media_file *f, uint32_t code, struct media_payload *p)
{
	size_t at = code == MEDIA_STREAMON || code == MEDIA_STREAMOFF ? 0 : code == MEDIA_CREATE_BUFS ? 16 : 4;
	bool streamed = h->queue.streaming;
	int err;

	if (media_word(p, at) != MEDIA_CAPTURE)
		return -EINVAL;
	err = media_queue_ioctl(&h->queue, f, code, p);
	if (!err && (code == MEDIA_REQBUFS || (streamed && !h->queue.streaming)))
		h->args->ops->forget(f->user, MEDIA_CAPTURE);
	if (!err)
		err = media_camera_look(h);
	if (err && code == MEDIA_STREAMON && !streamed)
		h->queue.streaming = false;
	return err;
}

int media_camera_single(const struct media_host *h, uint32_t code, struct media_payload *p)
{
	const struct media_picture *picture = &h->picture;
	const le32 fourcc = htole32(picture->pixelformat);
	struct media_frmsizeenum size;
	struct media_frmivalenum interval;
	struct media_fmtdesc d;

	if (code == MEDIA_ENUM_FRAMEINTERVALS) {
		memcpy(&interval, p->bytes, sizeof(interval));
		return interval.pixel_format == fourcc && le32toh(interval.width) == picture->width &&
				       le32toh(interval.height) == picture->height
			       ? 0
			       : -EINVAL;
	}
	if (media_word(p, 0) ||
	    media_word(p, 4) != (code == MEDIA_ENUM_FMT ? (uint32_t)MEDIA_CAPTURE : picture->pixelformat))
		return -EINVAL;
	if (code == MEDIA_ENUM_FMT) {
		const struct media_pixel_format *f = media_pixel_find(picture->pixelformat);

		d = (struct media_fmtdesc){.type = htole32(MEDIA_CAPTURE), .pixelformat = fourcc};
		d.flags = htole32(picture->bytesperline ? 0 : MEDIA_FMT_FLAG_COMPRESSED);
		snprintf(d.description, sizeof(d.description), "%s",
			 f			 ? f->name
			 : picture->bytesperline ? "Pictures"
						 : "Motion-JPEG");
		memcpy(p->bytes, &d, sizeof(d));
		return 0;
	}
	size = (struct media_frmsizeenum){.pixel_format = fourcc,
					  .type = htole32(MEDIA_TYPE_DISCRETE),
					  .width = htole32(picture->width),
					  .height = htole32(picture->height)};
	memcpy(p->bytes, &size, sizeof(size));
	return 0;
}

int media_camera_keep(struct media_source *s, struct media_format *f, bool set)
{
	media_camera_pix(&s->h->picture, f);
	return 0;
}

int media_camera_parm(struct media_host *h, uint32_t code, struct media_payload *p)
{
	struct media_frmivalenum interval;
	struct media_streamparm s;
	uint32_t num, den;

	if (code == MEDIA_ENUM_FRAMEINTERVALS) {
		memcpy(&interval, p->bytes, sizeof(interval));
		if (le32toh(interval.index) >= MEDIA_RATES)
			return -EINVAL;
		interval.type = htole32(MEDIA_TYPE_DISCRETE);
		interval.interval =
			(struct media_fract){htole32(1), htole32(media_camera_rates[le32toh(interval.index)])};
		memset(interval.stepwise, 0, sizeof(interval.stepwise) + sizeof(interval.reserved));
		memcpy(p->bytes, &interval, sizeof(interval));
		return 0;
	}
	memcpy(&s, p->bytes, sizeof(s));
	if (le32toh(s.type) != MEDIA_CAPTURE)
		return -EINVAL;
	num = le32toh(s.timeperframe.numerator);
	den = le32toh(s.timeperframe.denominator);
	if (code == MEDIA_S_PARM) {
		/* The nearest rate; none that was asked for is the one that most cameras have. */
		uint32_t wanted = num && den ? den / num : media_camera_rates[MEDIA_DEFAULT_RATE], least = UINT32_MAX;

		for (unsigned int i = 0; i < MEDIA_RATES; i++) {
			uint32_t rate = media_camera_rates[i], far = wanted > rate ? wanted - rate : rate - wanted;

			if (far < least) {
				least = far;
				h->rate = i;
			}
		}
		if (ev_is_active(&h->due))
			timer_set(h);
	}
	s = (struct media_streamparm){
		.type = s.type,
		.capability = htole32(MEDIA_CAP_TIMEPERFRAME),
		.timeperframe = {htole32(1), htole32(media_camera_rates[h->rate])},
	};
	memcpy(p->bytes, &s, sizeof(s));
	return 0;
}

int media_camera_input(uint32_t code, struct media_payload *p)
{
	struct media_input in;
	const uint32_t index = media_word(p, 0);

	if (index)
		return -EINVAL;
	if (code != MEDIA_ENUMINPUT)
		return 0;
	in = (struct media_input){.name = "Camera", .type = htole32(INPUT_TYPE_CAMERA)};
	memcpy(p->bytes, &in, sizeof(in));
	return 0;
}

static int camera_ioctl(struct media_file *f, uint32_t code, struct media_payload *p)
{
	struct media_host *h = f->h;
	int err;

	switch (code) {
	case MEDIA_G_FMT:
	case MEDIA_S_FMT:
	case MEDIA_TRY_FMT:
		return format_ioctl(h, f, code, p);
	case MEDIA_REQBUFS:
	case MEDIA_CREATE_BUFS:
	case MEDIA_QUERYBUF:
	case MEDIA_QBUF:
	case MEDIA_PREPARE_BUF:
	case MEDIA_STREAMON:
	case MEDIA_STREAMOFF:
		return queue_ioctl(h, f, code, p);
	default:
		err = h->source->ops->ioctl(h->source, f, code, p);
		/* Viewers are told the rate with the format. */
		if (!err && code == MEDIA_S_PARM)
			media_share_format(h->share);
		return err;
	}
}

void media_camera_event(struct media_host *h, const struct media_v4l2_event *event)
{
	for (struct media_file *f = h->files; f; f = f->next) {
		struct media_v4l2_event e = *event;

		if (!f->subscribed)
			continue;
		e.sequence = htole32(f->sequence++);
		h->args->ops->event(f->user, &e);
	}
}

/* ---- files */

static int camera_mmap(struct media_file *f, uint32_t offset, bool writable, struct media_mem **out)
{
	*out = media_queue_mmap(&f->h->queue, offset);
	return *out ? 0 : -EINVAL;
}

static int camera_open(struct media_host *h, void *user, struct media_file **out)
{
	struct media_file *f;

	if (!h->source)
		return -ENODEV;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	*f = (struct media_file){.h = h, .user = user, .next = h->files};
	h->files = f;
	*out = f;
	return 0;
}

static void camera_close(struct media_file *f)
{
	struct media_host *h = f->h;
	struct media_file **at = &h->files;

	media_queue_close(&h->queue, f);
	if (h->source)
		(void)media_camera_look(h);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f);
}

/* A file that has failed is closed by its user. */
void media_camera_gone(struct media_host *h)
{
	struct media_source *source = h->source;
	struct media_file *next;

	/* Nothing runs it meanwhile. */
	h->source = NULL;
	h->running = false;
	ev_timer_stop(h->args->d->loop, &h->due);
	for (struct media_file *f = h->files; f; f = next) {
		next = f->next;
		h->args->ops->failed(f->user, -ENODEV);
	}
	media_share_unplug(h->share);
	h->source = source;
}

static void camera_reset(struct media_host *h)
{
	/* What others see stays as it is for them. */
	if (!h->source || media_share_watched(h->share))
		return;
	h->rate = MEDIA_DEFAULT_RATE;
	h->source->ops->reset(h->source);
	h->queue.size = (uint32_t)h->picture.len;
	media_share_format(h->share);
}

void media_camera_turn(struct media_host *h, struct media_source *s)
{
	h->source = s;
	h->running = false;
	ev_timer_stop(h->args->d->loop, &h->due);
	if (s)
		camera_reset(h);
}

static void camera_stop(struct media_host *h)
{
	ev_timer_stop(h->args->d->loop, &h->due);
	media_share_close(h->share);
	if (h->own)
		h->own->ops->stop(h->own);
	free(h);
}

static int camera_start(const struct media_host_args *args, struct media_host **out, struct media_about *about)
{
	struct media_host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->args = args;
	h->queue.type = MEDIA_CAPTURE;
	h->queue.max = args->max_buffers;
	h->queue.pool = args->pool;
	ev_init(&h->due, frame_due);
	err = args->source->start(h, &h->own);
	about->device_caps = MEDIA_CAP_VIDEO_CAPTURE | MEDIA_CAP_EXT_PIX_FORMAT | MEDIA_CAP_STREAMING;
	snprintf(about->card, sizeof(about->card), "%.32s",
		 args->card   ? args->card
		 : h->card[0] ? h->card
			      : args->source->card);
	if (!err && args->share)
		err = media_share_open(h, args->share, &h->share);
	if (err) {
		camera_stop(h);
		return err;
	}
	if (!args->share)
		media_camera_turn(h, h->own);
	*out = h;
	return 0;
}

static void camera_show(struct media_host *h, struct control_client *c)
{
	const uint32_t fourcc = h->picture.pixelformat;
	const char name[4] = {(char)fourcc, (char)(fourcc >> 8), (char)(fourcc >> 16), (char)(fourcc >> 24)};

	control_say(c, "format %.4s %ux%u, %u frames/s, %s", name, h->picture.width, h->picture.height,
		    media_camera_rates[h->rate], h->queue.streaming ? "streaming" : "idle");
	control_say(c, "buffers %u, queued %u", h->queue.n, h->queue.nqueued);
	control_say(c, "frames %llu", (unsigned long long)h->frames);
	control_say(c, "lost %llu", (unsigned long long)h->lost);
	if (h->source && h->source->ops->show)
		h->source->ops->show(h->source, c);
	media_share_show(h->share, c);
}

static void camera_needs(const struct media_host_args *args, struct sandbox *s)
{
	sandbox_calls(s, media_mem_calls);
	if (args->source->needs)
		args->source->needs(args, s);
	if (args->share)
		media_share_needs(args->share, s);
}

static void camera_resume(struct media_host *h)
{
	/* The next frame looks by itself. */
}

const struct media_host_ops media_camera_ops = {
	.needs = camera_needs,
	.start = camera_start,
	.stop = camera_stop,
	.open = camera_open,
	.close = camera_close,
	.ioctl = camera_ioctl,
	.mmap = camera_mmap,
	.reset = camera_reset,
	.resume = camera_resume,
	.show = camera_show,
};
