/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_pattern.c - pictures that are made up: test patterns with a mark that moves, the frame's number and its time.
 *
 * There are several formats, sizes and rates, and controls.  A frame costs one copy of the picture that stays the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/media/media_camera.h"
#include "devices/media/media_paint.h"

static const struct {
	uint32_t width, height;
} sizes[] = {
	{160, 120}, {320, 180}, {320, 240}, {640, 360}, {640, 480}, {1280, 720}, {1920, 1080}, {3840, 2160},
};

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

struct pattern {
	struct media_source s;
	struct media_controls controls;
	const struct media_pixel_format *format;
	uint8_t *ground; /* a picture without its marks, or NULL: it is to be painted */
};

/* ---- formats and sizes: those that the operator allows */

static const struct media_pixel_format *format_at(const struct media_host *h, uint32_t index)
{
	const struct media_pixel_format *f;

	for (unsigned int i = 0; (f = media_pixel_at(i)); i++) {
		if (media_camera_allows(h, f->fourcc) && !index--)
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

static void ground_forget(struct pattern *p)
{
	free(p->ground);
	p->ground = NULL;
}

static struct media_picture picture_of(const struct media_pixel_format *f, unsigned int size)
{
	uint32_t width = sizes[size].width, height = sizes[size].height;

	return (struct media_picture){
		NULL, media_pixel_size(f, width, height), f->fourcc, width, height, width * f->bytes};
}

static void format_set(struct pattern *p, const struct media_pixel_format *f, unsigned int size)
{
	p->format = f;
	p->s.h->picture = picture_of(f, size);
	ground_forget(p);
}

static int pattern_format(struct media_source *s, struct media_format *f, bool set)
{
	struct pattern *p = container_of(s, struct pattern, s);
	const struct media_pixel_format *pixel = media_pixel_find(le32toh(f->pix.pixelformat));
	unsigned int size = size_near(s->h, le32toh(f->pix.width), le32toh(f->pix.height));
	struct media_picture picture;

	if (!pixel || !media_camera_allows(s->h, pixel->fourcc))
		pixel = format_at(s->h, 0);
	picture = picture_of(pixel, size);
	if (set)
		format_set(p, pixel, size);
	media_camera_pix(&picture, f);
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
	for (unsigned int i = 0; f && media_camera_allows(h, f->fourcc) && i < ARRAY_SIZE(sizes); i++) {
		if (!size_allowed(h, i) || left--)
			continue;
		out = (struct media_frmsizeenum){.index = in.index,
						 .pixel_format = in.pixel_format,
						 .type = htole32(MEDIA_TYPE_DISCRETE),
						 .width = htole32(sizes[i].width),
						 .height = htole32(sizes[i].height)};
		memcpy(p->bytes, &out, sizeof(out));
		return 0;
	}
	return -EINVAL;
}

static int enum_frameintervals(struct media_host *h, struct media_payload *p)
{
	struct media_frmivalenum in;
	const struct media_pixel_format *f;
	bool known = false;

	memcpy(&in, p->bytes, sizeof(in));
	f = media_pixel_find(le32toh(in.pixel_format));
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++)
		known |= size_allowed(h, i) && sizes[i].width == le32toh(in.width) && sizes[i].height == le32toh(in.height);
	if (!f || !media_camera_allows(h, f->fourcc) || !known)
		return -EINVAL;
	return media_camera_parm(h, MEDIA_ENUM_FRAMEINTERVALS, p);
}

/* ---- frames */

/* Paints the ground where it is not there, or has other colours now.  Returns whether it is there. */
static bool ground_make(struct pattern *p)
{
	const struct media_host *h = p->s.h;
	const struct media_look look = {
		.pattern = (unsigned int)p->controls.values[CTRL_PATTERN],
		.brightness = (unsigned int)p->controls.values[CTRL_BRIGHTNESS],
		.contrast = (unsigned int)p->controls.values[CTRL_CONTRAST],
		.flip = p->controls.values[CTRL_HFLIP],
	};
	struct media_canvas c = {p->format, NULL, h->picture.width, h->picture.height};

	if (p->ground)
		return true;
	p->ground = malloc(h->picture.len);
	c.bytes = p->ground;
	if (c.bytes)
		media_paint_ground(&c, &look);
	return c.bytes;
}

static uint32_t pattern_fill(struct media_source *s, uint8_t *bytes, uint32_t frame, uint64_t us)
{
	struct pattern *p = container_of(s, struct pattern, s);
	const struct media_picture *picture = &s->h->picture;
	const struct media_canvas c = {p->format, bytes, picture->width, picture->height};

	if (!ground_make(p))
		return 0;
	memcpy(bytes, p->ground, picture->len);
	media_paint_marks(&c, frame, us);
	return (uint32_t)picture->len;
}

/* ---- controls */

static void controls_changed(struct media_controls *c)
{
	ground_forget(container_of(c, struct pattern, controls));
}

/* Tells the files that want to know; who has made the change only where it has asked for that. */
static void controls_tell(struct pattern *p, const struct media_file *by, unsigned int changed)
{
	struct media_host *h = p->s.h;

	for (struct media_file *f = h->files; changed && f; f = f->next) {
		for (unsigned int i = 0; i < p->controls.n; i++) {
			struct media_v4l2_event e;

			if (!(changed & (1u << i)) || !f->told.on[i] || (f == by && !f->told.feedback[i]))
				continue;
			e = media_controls_event(&p->controls, &f->told, i, MEDIA_EVENT_CHANGES_VALUE, media_now_us());
			h->args->ops->event(f->user, &e);
		}
	}
}

static int subscribe(struct pattern *p, struct media_file *f, uint32_t code, const struct media_payload *payload)
{
	int first, err = media_controls_subscribe(&p->controls, &f->told, code, payload, &first);

	if (!err && first >= 0) {
		struct media_v4l2_event e =
			media_controls_event(&p->controls, &f->told, (unsigned int)first,
					     MEDIA_EVENT_CHANGES_VALUE | MEDIA_EVENT_CHANGES_FLAGS, media_now_us());

		p->s.h->args->ops->event(f->user, &e);
	}
	return err;
}

static int pattern_ioctl(struct media_source *s, struct media_file *f, uint32_t code, struct media_payload *payload)
{
	struct pattern *p = container_of(s, struct pattern, s);
	unsigned int changed;
	int err;

	switch (code) {
	case MEDIA_ENUM_FMT:
		return enum_fmt(s->h, payload);
	case MEDIA_ENUM_FRAMESIZES:
		return enum_framesizes(s->h, payload);
	case MEDIA_ENUM_FRAMEINTERVALS:
		return enum_frameintervals(s->h, payload);
	case MEDIA_G_PARM:
	case MEDIA_S_PARM:
		return media_camera_parm(s->h, code, payload);
	case MEDIA_ENUMINPUT:
	case MEDIA_G_INPUT:
	case MEDIA_S_INPUT:
		return media_camera_input(code, payload);
	case MEDIA_SUBSCRIBE_EVENT:
	case MEDIA_UNSUBSCRIBE_EVENT:
		return subscribe(p, f, code, payload);
	default:
		err = media_controls_ioctl(&p->controls, code, payload, &changed);
		controls_tell(p, f, changed);
		return err;
	}
}

/* ---- its life */

static void pattern_stop(struct media_source *s)
{
	struct pattern *p = container_of(s, struct pattern, s);

	ground_forget(p);
	free(p);
}

/* What a guest finds at first. */
static void pattern_reset(struct media_source *s)
{
	struct pattern *p = container_of(s, struct pattern, s);

	media_controls_init(&p->controls);
	format_set(p, format_at(s->h, 0), size_near(s->h, 640, 480));
}

static int pattern_start(struct media_host *h, struct media_source **out)
{
	struct pattern *p;

	if (!format_at(h, 0)) {
		log_error(&h->args->d->log,
			  "--formats: a format that can be painted is wanted (YUYV, NV12, YU12, RGB3, GREY)");
		return -EINVAL;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->s = (struct media_source){&media_pattern_source, h};
	p->controls = (struct media_controls){.descs = controls, .n = CTRLS, .changed = controls_changed};
	*out = &p->s;
	return 0;
}

const struct media_source_ops media_pattern_source = {
	.card = "vdevd test pattern",
	.timed = true,
	.start = pattern_start,
	.stop = pattern_stop,
	.reset = pattern_reset,
	.format = pattern_format,
	.ioctl = pattern_ioctl,
	.fill = pattern_fill,
};
