/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_pattern.c - a camera that is made up: test patterns with a mark that moves, the frame's number and its time.
 *
 * It is a V4L2 capture device (Documentation/userspace-api/media/v4l/dev-capture.rst) with one input, several formats, sizes and
 * rates, and controls.  All files see one format and one set of controls; one of them has the buffers.  A frame for which no buffer
 * is there is lost, and counts: its number is missing.  A frame costs one copy of the picture that stays the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/control.h"
#include "devices/media/media_controls.h"
#include "devices/media/media_paint.h"
#include "devices/media/media_queue.h"

#define COLORSPACE_SRGB	  8u
#define PRIV_MAGIC	  0xfeedcafeu
#define CAP_TIMEPERFRAME  0x1000u
#define INPUT_TYPE_CAMERA 2u
#define TYPE_DISCRETE	  1u

static const struct {
	uint32_t width, height;
} sizes[] = {
	{160, 120}, {320, 180}, {320, 240}, {640, 360}, {640, 480}, {1280, 720}, {1920, 1080}, {3840, 2160},
};

/* Frames a second. */
static const uint32_t rates[] = {120, 60, 50, 30, 25, 15, 10, 5};

#define DEFAULT_RATE 3

enum { CTRL_USER_CLASS, CTRL_BRIGHTNESS, CTRL_CONTRAST, CTRL_HFLIP, CTRL_IMAGE_CLASS, CTRL_PATTERN, CTRLS };

static const char *const pattern_names[] = {"Bars", "Gradient", "Black"};

static const struct media_control_desc controls[CTRLS] = {
	[CTRL_USER_CLASS] = {0x00980001, MEDIA_CTRL_CLASS, "User Controls", 0, 0, 0, 0, NULL},
	[CTRL_BRIGHTNESS] = {0x00980900, MEDIA_CTRL_INTEGER, "Brightness", 0, 255, 1, 128, NULL},
	[CTRL_CONTRAST] = {0x00980901, MEDIA_CTRL_INTEGER, "Contrast", 0, 255, 1, 128, NULL},
	[CTRL_HFLIP] = {0x00980914, MEDIA_CTRL_BOOLEAN, "Horizontal Flip", 0, 1, 1, 0, NULL},
	[CTRL_IMAGE_CLASS] = {0x009f0001, MEDIA_CTRL_CLASS, "Image Processing Controls", 0, 0, 0, 0, NULL},
	[CTRL_PATTERN] = {0x009f0903, MEDIA_CTRL_MENU, "Test Pattern", 0, MEDIA_PATTERNS - 1, 1, 0, pattern_names},
};

_Static_assert(CTRLS <= MEDIA_CONTROLS_OWN, "room for their values");

struct media_file {
	struct media_host *h;
	void *user;
	struct media_subscriptions told;
	struct media_file *next;
};

struct media_host {
	const struct media_host_args *args;
	struct media_file *files;
	struct media_queue queue;
	struct media_controls controls;
	const struct media_pixel_format *format;
	uint32_t width, height;
	unsigned int rate; /* index */
	uint8_t *ground;   /* a picture without its marks, or NULL: it is to be painted */
	uint32_t frame;	   /* since streaming began */
	uint64_t frames, lost;
	struct ev_timer due;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- formats, sizes, rates: those that the operator allows */

static bool format_allowed(const struct media_host *h, const struct media_pixel_format *f)
{
	const struct media_formats *l = &h->args->formats;
	bool found = !l->n;

	for (unsigned int i = 0; i < l->n; i++)
		found |= l->at[i] == f->fourcc;
	return found;
}

static const struct media_pixel_format *format_at(const struct media_host *h, uint32_t index)
{
	const struct media_pixel_format *f;

	for (unsigned int i = 0; (f = media_pixel_at(i)); i++) {
		if (format_allowed(h, f) && !index--)
			return f;
	}
	return NULL;
}

static bool size_allowed(const struct media_host *h, unsigned int i)
{
	return i == 0 || (sizes[i].width <= h->args->max_width && sizes[i].height <= h->args->max_height);
}

static uint32_t distance(uint32_t a, uint32_t b)
{
	return a > b ? a - b : b - a;
}

/* The nearest size there is. */
static unsigned int size_near(const struct media_host *h, uint32_t width, uint32_t height)
{
	uint64_t best = UINT64_MAX;
	unsigned int which = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t d = (uint64_t)distance(width, sizes[i].width) + distance(height, sizes[i].height);

		if (!size_allowed(h, i) || d >= best)
			continue;
		best = d;
		which = i;
	}
	return which;
}

static void pix_fill(const struct media_pixel_format *f, uint32_t width, uint32_t height, struct media_format *out)
{
	memset(out->raw, 0, sizeof(out->raw));
	out->pix = (struct media_pix){
		.width = htole32(width),
		.height = htole32(height),
		.pixelformat = htole32(f->fourcc),
		.field = htole32(MEDIA_FIELD_NONE),
		.bytesperline = htole32(width * f->bytes),
		.sizeimage = htole32(media_pixel_size(f, width, height)),
		.colorspace = htole32(COLORSPACE_SRGB),
		.priv = htole32(PRIV_MAGIC),
	};
}

static void ground_forget(struct media_host *h)
{
	free(h->ground);
	h->ground = NULL;
}

static void format_set(struct media_host *h, const struct media_pixel_format *f, uint32_t width, uint32_t height)
{
	h->format = f;
	h->width = width;
	h->height = height;
	h->queue.size = media_pixel_size(f, width, height);
	ground_forget(h);
}

static int format_ioctl(struct media_host *h, const struct media_file *f, uint32_t code, struct media_payload *p)
{
	const struct media_pixel_format *pixel;
	struct media_format format;
	unsigned int size;

	memcpy(&format, p->bytes, sizeof(format));
	if (le32toh(format.type) != MEDIA_CAPTURE)
		return -EINVAL;
	if (code == MEDIA_G_FMT) {
		pix_fill(h->format, h->width, h->height, &format);
	} else {
		pixel = media_pixel_find(le32toh(format.pix.pixelformat));
		if (!pixel || !format_allowed(h, pixel))
			pixel = format_at(h, 0);
		size = size_near(h, le32toh(format.pix.width), le32toh(format.pix.height));
		if (code == MEDIA_S_FMT && (media_queue_busy(&h->queue, f) || h->queue.n))
			return -EBUSY;
		if (code == MEDIA_S_FMT)
			format_set(h, pixel, sizes[size].width, sizes[size].height);
		pix_fill(pixel, sizes[size].width, sizes[size].height, &format);
	}
	memcpy(p->bytes, &format, sizeof(format));
	return 0;
}

static int enum_fmt(struct media_host *h, struct media_payload *p)
{
	struct media_fmtdesc d, in;
	const struct media_pixel_format *f;

	memcpy(&in, p->bytes, sizeof(in));
	f = format_at(h, le32toh(in.index));
	if (le32toh(in.type) != MEDIA_CAPTURE || !f)
		return -EINVAL;
	d = (struct media_fmtdesc){.index = in.index, .type = in.type, .pixelformat = htole32(f->fourcc)};
	snprintf(d.description, sizeof(d.description), "%s", f->name);
	memcpy(p->bytes, &d, sizeof(d));
	return 0;
}

static int enum_framesizes(struct media_host *h, struct media_payload *p)
{
	struct media_frmsizeenum in, out;
	const struct media_pixel_format *f;
	uint32_t left;

	memcpy(&in, p->bytes, sizeof(in));
	f = media_pixel_find(le32toh(in.pixel_format));
	left = le32toh(in.index);
	for (unsigned int i = 0; f && format_allowed(h, f) && i < ARRAY_SIZE(sizes); i++) {
		if (!size_allowed(h, i) || left--)
			continue;
		out = (struct media_frmsizeenum){.index = in.index, .pixel_format = in.pixel_format, .type = htole32(TYPE_DISCRETE),
						 .width = htole32(sizes[i].width), .height = htole32(sizes[i].height)};
		memcpy(p->bytes, &out, sizeof(out));
		return 0;
	}
	return -EINVAL;
}

static int enum_frameintervals(struct media_host *h, struct media_payload *p)
{
	struct media_frmivalenum in, out;
	const struct media_pixel_format *f;
	bool known = false;

	memcpy(&in, p->bytes, sizeof(in));
	f = media_pixel_find(le32toh(in.pixel_format));
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++)
		known |= size_allowed(h, i) && sizes[i].width == le32toh(in.width) && sizes[i].height == le32toh(in.height);
	if (!f || !format_allowed(h, f) || !known || le32toh(in.index) >= ARRAY_SIZE(rates))
		return -EINVAL;
	out = (struct media_frmivalenum){
		.index = in.index,
		.pixel_format = in.pixel_format,
		.width = in.width,
		.height = in.height,
		.type = htole32(TYPE_DISCRETE),
		.interval = {htole32(1), htole32(rates[le32toh(in.index)])},
	};
	memcpy(p->bytes, &out, sizeof(out));
	return 0;
}

/* ---- frames */

static void timer_set(struct media_host *h)
{
	h->due.repeat = 1. / rates[h->rate];
	ev_timer_again(h->args->d->loop, &h->due);
}

/* Paints the ground where it is not there, or has other colours now.  Returns whether it is there. */
static bool ground_make(struct media_host *h)
{
	const struct media_look look = {
		.pattern = (unsigned int)h->controls.values[CTRL_PATTERN],
		.brightness = (unsigned int)h->controls.values[CTRL_BRIGHTNESS],
		.contrast = (unsigned int)h->controls.values[CTRL_CONTRAST],
		.flip = h->controls.values[CTRL_HFLIP],
	};
	struct media_canvas c = {h->format, NULL, h->width, h->height};

	if (h->ground)
		return true;
	h->ground = malloc(h->queue.size);
	c.bytes = h->ground;
	if (c.bytes)
		media_paint_ground(&c, &look);
	return c.bytes;
}

static void frame_give(struct media_host *h, struct media_slot *s)
{
	const struct media_canvas c = {h->format, s->mem->va, h->width, h->height};
	const struct media_file *f = h->queue.owner;
	uint64_t us = now_us();
	struct media_picture picture = {s->mem->va, h->queue.size, h->format->fourcc, h->width, h->height, h->width * h->format->bytes};
	struct media_buffer b;

	memcpy(s->mem->va, h->ground, h->queue.size);
	media_paint_marks(&c, h->frame, us);
	s->bytesused = h->queue.size;
	s->sequence = h->frame;
	s->sec = us / 1000000;
	s->usec = us % 1000000;
	media_queue_done(&h->queue, &b);
	h->frames++;
	h->args->ops->dequeued(f->user, &b, NULL, &picture);
}

static void frame_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct media_host *h = container_of(w, struct media_host, due);
	struct media_slot *s = media_queue_first(&h->queue);
	const struct media_file *f = h->queue.owner;

	if (s && h->args->ops->room(f->user) && ground_make(h))
		frame_give(h, s);
	else
		h->lost++;
	h->frame++;
}

/* The queue's ioctl has been carried out: frames begin or end with it. */
static void streaming_look(struct media_host *h, const struct media_file *f, bool streamed)
{
	if (!streamed && h->queue.streaming) {
		h->frame = 0;
		timer_set(h);
	} else if (streamed && !h->queue.streaming) {
		ev_timer_stop(h->args->d->loop, &h->due);
		h->args->ops->forget(f->user, MEDIA_CAPTURE);
	}
}

static int queue_ioctl(struct media_host *h, const struct media_file *f, uint32_t code, struct media_payload *p)
{
	size_t at = code == MEDIA_STREAMON || code == MEDIA_STREAMOFF ? 0 : code == MEDIA_CREATE_BUFS ? 16 : 4;
	bool streamed = h->queue.streaming;
	int err;

	if (media_word(p, at) != MEDIA_CAPTURE)
		return -EINVAL;
	err = media_queue_ioctl(&h->queue, f, code, p);
	if (!err && code == MEDIA_REQBUFS)
		h->args->ops->forget(f->user, MEDIA_CAPTURE);
	streaming_look(h, f, streamed);
	return err;
}

/* ---- the rest */

static int parm_ioctl(struct media_host *h, uint32_t code, struct media_payload *p)
{
	struct media_streamparm s;
	uint32_t num, den;

	memcpy(&s, p->bytes, sizeof(s));
	if (le32toh(s.type) != MEDIA_CAPTURE)
		return -EINVAL;
	num = le32toh(s.timeperframe.numerator);
	den = le32toh(s.timeperframe.denominator);
	if (code == MEDIA_S_PARM) {
		/* The nearest rate; none that was asked for is the one that most cameras have. */
		uint32_t wanted = num && den ? den / num : rates[DEFAULT_RATE];

		for (unsigned int i = 0; i < ARRAY_SIZE(rates); i++) {
			if (distance(wanted, rates[i]) < distance(wanted, rates[h->rate]))
				h->rate = i;
		}
		if (ev_is_active(&h->due))
			timer_set(h);
	}
	s = (struct media_streamparm){
		.type = s.type,
		.capability = htole32(CAP_TIMEPERFRAME),
		.timeperframe = {htole32(1), htole32(rates[h->rate])},
	};
	memcpy(p->bytes, &s, sizeof(s));
	return 0;
}

static int input_ioctl(uint32_t code, struct media_payload *p)
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

static void controls_changed(struct media_controls *c)
{
	ground_forget(container_of(c, struct media_host, controls));
}

/* Tells the files that want to know; who has made the change only where it has asked for that. */
static void controls_tell(struct media_host *h, const struct media_file *by, unsigned int changed)
{
	for (struct media_file *f = h->files; changed && f; f = f->next) {
		for (unsigned int i = 0; i < h->controls.n; i++) {
			struct media_v4l2_event e;

			if (!(changed & (1u << i)) || !f->told.on[i] || (f == by && !f->told.feedback[i]))
				continue;
			e = media_controls_event(&h->controls, &f->told, i, MEDIA_EVENT_CHANGES_VALUE, now_us());
			h->args->ops->event(f->user, &e);
		}
	}
}

static int subscribe(struct media_host *h, struct media_file *f, uint32_t code, const struct media_payload *p)
{
	int first, err = media_controls_subscribe(&h->controls, &f->told, code, p, &first);

	if (!err && first >= 0) {
		struct media_v4l2_event e = media_controls_event(&h->controls, &f->told, (unsigned int)first,
								 MEDIA_EVENT_CHANGES_VALUE | MEDIA_EVENT_CHANGES_FLAGS, now_us());

		h->args->ops->event(f->user, &e);
	}
	return err;
}

static int controls_ioctl(struct media_host *h, const struct media_file *f, uint32_t code, struct media_payload *p)
{
	unsigned int changed;
	int err = media_controls_ioctl(&h->controls, code, p, &changed);

	controls_tell(h, f, changed);
	return err;
}

static int pattern_ioctl(struct media_file *f, uint32_t code, struct media_payload *p)
{
	struct media_host *h = f->h;

	switch (code) {
	case MEDIA_ENUM_FMT:
		return enum_fmt(h, p);
	case MEDIA_G_FMT:
	case MEDIA_S_FMT:
	case MEDIA_TRY_FMT:
		return format_ioctl(h, f, code, p);
	case MEDIA_ENUM_FRAMESIZES:
		return enum_framesizes(h, p);
	case MEDIA_ENUM_FRAMEINTERVALS:
		return enum_frameintervals(h, p);
	case MEDIA_REQBUFS:
	case MEDIA_CREATE_BUFS:
	case MEDIA_QUERYBUF:
	case MEDIA_QBUF:
	case MEDIA_PREPARE_BUF:
	case MEDIA_STREAMON:
	case MEDIA_STREAMOFF:
		return queue_ioctl(h, f, code, p);
	case MEDIA_G_PARM:
	case MEDIA_S_PARM:
		return parm_ioctl(h, code, p);
	case MEDIA_ENUMINPUT:
	case MEDIA_G_INPUT:
	case MEDIA_S_INPUT:
		return input_ioctl(code, p);
	case MEDIA_SUBSCRIBE_EVENT:
	case MEDIA_UNSUBSCRIBE_EVENT:
		return subscribe(h, f, code, p);
	default:
		return controls_ioctl(h, f, code, p);
	}
}

static int pattern_mmap(struct media_file *f, uint32_t offset, bool writable, struct media_mem **out)
{
	*out = media_queue_mmap(&f->h->queue, offset);
	return *out ? 0 : -EINVAL;
}

static int pattern_file_open(struct media_host *h, void *user, struct media_file **out)
{
	struct media_file *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	*f = (struct media_file){.h = h, .user = user, .next = h->files};
	h->files = f;
	*out = f;
	return 0;
}

static void pattern_file_close(struct media_file *f)
{
	struct media_host *h = f->h;
	struct media_file **at = &h->files;

	media_queue_close(&h->queue, f);
	if (!h->queue.streaming)
		ev_timer_stop(h->args->d->loop, &h->due);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f);
}

static void pattern_stop(struct media_host *h)
{
	ev_timer_stop(h->args->d->loop, &h->due);
	ground_forget(h);
	free(h);
}

/* What a guest finds at first. */
static void pattern_reset(struct media_host *h)
{
	unsigned int size = size_near(h, 640, 480);

	media_controls_init(&h->controls);
	h->rate = DEFAULT_RATE;
	format_set(h, format_at(h, 0), sizes[size].width, sizes[size].height);
}

static int pattern_start(const struct media_host_args *args, struct media_host **out, struct media_about *about)
{
	struct media_host *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->args = args;
	h->queue.type = MEDIA_CAPTURE;
	h->queue.max = args->max_buffers;
	h->queue.pool = args->pool;
	h->controls = (struct media_controls){.descs = controls, .n = CTRLS, .changed = controls_changed};
	ev_init(&h->due, frame_due);
	if (!format_at(h, 0)) {
		log_error(&args->d->log, "--formats: a format that can be painted is wanted (YUYV, NV12, YU12, RGB3, GREY)");
		free(h);
		return -EINVAL;
	}
	pattern_reset(h);
	about->device_caps = MEDIA_CAP_VIDEO_CAPTURE | MEDIA_CAP_EXT_PIX_FORMAT | MEDIA_CAP_STREAMING;
	snprintf(about->card, sizeof(about->card), "%.32s", args->card ? args->card : "vdevd test pattern");
	*out = h;
	return 0;
}

static void pattern_show(struct media_host *h, struct control_client *c)
{
	const char name[4] = {(char)h->format->fourcc, (char)(h->format->fourcc >> 8), (char)(h->format->fourcc >> 16),
			      (char)(h->format->fourcc >> 24)};

	control_say(c, "format %.4s %ux%u, %u frames/s, %s", name, h->width, h->height, rates[h->rate],
		    h->queue.streaming ? "streaming" : "idle");
	control_say(c, "buffers %u, queued %u", h->queue.n, h->queue.nqueued);
	control_say(c, "frames %llu", (unsigned long long)h->frames);
	control_say(c, "lost %llu", (unsigned long long)h->lost);
}

static void pattern_needs(const struct media_host_args *args, struct sandbox *s)
{
	sandbox_calls(s, media_mem_calls);
}

static void pattern_resume(struct media_host *h)
{
	/* The next frame looks by itself. */
}

const struct media_host_ops media_pattern_ops = {
	.needs = pattern_needs,
	.start = pattern_start,
	.stop = pattern_stop,
	.open = pattern_file_open,
	.close = pattern_file_close,
	.ioctl = pattern_ioctl,
	.mmap = pattern_mmap,
	.reset = pattern_reset,
	.resume = pattern_resume,
	.show = pattern_show,
};
