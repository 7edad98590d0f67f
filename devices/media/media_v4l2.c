/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_v4l2.c - a V4L2 device of the host: Documentation/userspace-api/media/v4l/v4l2.rst.
 *
 * Each session opens the device.  Ioctls go there as they are: on 64-bit little-endian hosts the kernel's structures are those of the
 * wire, and on others there is no such back end.  libv4l2 is not used: it makes formats up and copies buffers, where a guest is to
 * have the host's.  Buffers are exported (EXPBUF), and what the front-end maps is that descriptor.
 *
 * Nothing waits: the device is open without blocking, and what is done is told by poll(2) in the loop.  It is polled for a queue only
 * while that has buffers: a queue that has none says that it is ready, with an error, for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/videodev2.h>

#include "core/pollset.h"
#include "devices/media/media_host.h"

#define HOST_HAS_WIRE_LAYOUT (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && __SIZEOF_POINTER__ == 8)

/* Buffers and events that are taken before other watchers have their turn. */
#define BURST 64

/* Buffers that are exported at once: each is a descriptor. */
#define EXPORTS_MAX 256

/* A buffer, or a plane of one, that was exported. */
struct export {
	struct media_mem *mem;
	uint32_t type, index, plane, offset;
	struct export *next;
};

enum { CAPTURE, OUTPUT, DIRECTIONS };

struct direction {
	uint32_t type; /* of its buffers; 0: it was not used */
	unsigned int buffers, queued;
	bool streaming;
	bool done;     /* the last buffer has come (EPIPE), or the device says an error: it is not polled until it is used again */
	struct media_picture picture; /* its format; no bytes */
};

struct media_file {
	struct media_host *h;
	void *user;
	int fd;
	struct pollset poll;
	struct direction dir[DIRECTIONS];
	struct export *exports;
	unsigned int subscribed;
	bool held; /* there was no room for what is done */
	struct media_file *next;
};

struct media_host {
	const struct media_host_args *args;
	struct media_file *files;
	unsigned int exports; /* of all files */
};

static const struct sandbox_call v4l2_calls[] = {
	{.name = "open", .why = "--device, for each session"},
#define IOCTL(request) {.name = "ioctl", .why = #request " of --device", .checks = {{1, SANDBOX_IS, request}}}
	IOCTL(VIDIOC_ENUM_FMT),
	IOCTL(VIDIOC_G_FMT),
	IOCTL(VIDIOC_S_FMT),
	IOCTL(VIDIOC_TRY_FMT),
	IOCTL(VIDIOC_REQBUFS),
	IOCTL(VIDIOC_QUERYBUF),
	IOCTL(VIDIOC_QBUF),
	IOCTL(VIDIOC_DQBUF),
	IOCTL(VIDIOC_EXPBUF),
	IOCTL(VIDIOC_CREATE_BUFS),
	IOCTL(VIDIOC_PREPARE_BUF),
	IOCTL(VIDIOC_STREAMON),
	IOCTL(VIDIOC_STREAMOFF),
	IOCTL(VIDIOC_G_PARM),
	IOCTL(VIDIOC_S_PARM),
	IOCTL(VIDIOC_G_STD),
	IOCTL(VIDIOC_S_STD),
	IOCTL(VIDIOC_ENUMSTD),
	IOCTL(VIDIOC_QUERYSTD),
	IOCTL(VIDIOC_ENUMINPUT),
	IOCTL(VIDIOC_G_INPUT),
	IOCTL(VIDIOC_S_INPUT),
	IOCTL(VIDIOC_ENUMOUTPUT),
	IOCTL(VIDIOC_G_OUTPUT),
	IOCTL(VIDIOC_S_OUTPUT),
	IOCTL(VIDIOC_G_CTRL),
	IOCTL(VIDIOC_S_CTRL),
	IOCTL(VIDIOC_QUERYCTRL),
	IOCTL(VIDIOC_QUERY_EXT_CTRL),
	IOCTL(VIDIOC_QUERYMENU),
	IOCTL(VIDIOC_G_EXT_CTRLS),
	IOCTL(VIDIOC_S_EXT_CTRLS),
	IOCTL(VIDIOC_TRY_EXT_CTRLS),
	IOCTL(VIDIOC_G_TUNER),
	IOCTL(VIDIOC_S_TUNER),
	IOCTL(VIDIOC_G_MODULATOR),
	IOCTL(VIDIOC_S_MODULATOR),
	IOCTL(VIDIOC_G_FREQUENCY),
	IOCTL(VIDIOC_S_FREQUENCY),
	IOCTL(VIDIOC_ENUM_FREQ_BANDS),
	IOCTL(VIDIOC_S_HW_FREQ_SEEK),
	IOCTL(VIDIOC_G_AUDIO),
	IOCTL(VIDIOC_S_AUDIO),
	IOCTL(VIDIOC_ENUMAUDIO),
	IOCTL(VIDIOC_G_AUDOUT),
	IOCTL(VIDIOC_S_AUDOUT),
	IOCTL(VIDIOC_ENUMAUDOUT),
	IOCTL(VIDIOC_CROPCAP),
	IOCTL(VIDIOC_G_CROP),
	IOCTL(VIDIOC_S_CROP),
	IOCTL(VIDIOC_G_SELECTION),
	IOCTL(VIDIOC_S_SELECTION),
	IOCTL(VIDIOC_G_PRIORITY),
	IOCTL(VIDIOC_S_PRIORITY),
	IOCTL(VIDIOC_G_SLICED_VBI_CAP),
	IOCTL(VIDIOC_ENUM_FRAMESIZES),
	IOCTL(VIDIOC_ENUM_FRAMEINTERVALS),
	IOCTL(VIDIOC_G_ENC_INDEX),
	IOCTL(VIDIOC_ENCODER_CMD),
	IOCTL(VIDIOC_TRY_ENCODER_CMD),
	IOCTL(VIDIOC_DECODER_CMD),
	IOCTL(VIDIOC_TRY_DECODER_CMD),
	IOCTL(VIDIOC_S_DV_TIMINGS),
	IOCTL(VIDIOC_G_DV_TIMINGS),
	IOCTL(VIDIOC_ENUM_DV_TIMINGS),
	IOCTL(VIDIOC_QUERY_DV_TIMINGS),
	IOCTL(VIDIOC_DV_TIMINGS_CAP),
	IOCTL(VIDIOC_SUBSCRIBE_EVENT),
	IOCTL(VIDIOC_UNSUBSCRIBE_EVENT),
	IOCTL(VIDIOC_DQEVENT),
#undef IOCTL
	{0},
};

#if HOST_HAS_WIRE_LAYOUT
_Static_assert(sizeof(struct v4l2_buffer) == sizeof(struct media_buffer), "the wire's");
_Static_assert(sizeof(struct v4l2_plane) == sizeof(struct media_plane), "the wire's");
_Static_assert(sizeof(struct v4l2_format) == sizeof(struct media_format), "the wire's");
_Static_assert(sizeof(struct v4l2_create_buffers) == sizeof(struct media_create_buffers), "the wire's");
_Static_assert(sizeof(struct v4l2_ext_controls) == sizeof(struct media_ext_controls), "the wire's");
_Static_assert(sizeof(struct v4l2_event) == sizeof(struct media_v4l2_event), "the wire's");
_Static_assert(sizeof(struct v4l2_enc_idx) == MEDIA_PAYLOAD_MAX, "the largest");
#endif

/* ioctl(2) with -errno, again where a signal came. */
static int v4l2_call(int fd, unsigned long request, void *arg)
{
	int ret;

	do
		ret = ioctl(fd, request, arg);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

static bool is_output(uint32_t type)
{
	return type == V4L2_BUF_TYPE_VIDEO_OUTPUT || type == V4L2_BUF_TYPE_VBI_OUTPUT || type == V4L2_BUF_TYPE_SLICED_VBI_OUTPUT ||
	       type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE || type == V4L2_BUF_TYPE_SDR_OUTPUT || type == V4L2_BUF_TYPE_META_OUTPUT;
}

static struct direction *direction_of(struct media_file *f, uint32_t type)
{
	return &f->dir[is_output(type) ? OUTPUT : CAPTURE];
}

/* ---- formats and sizes: what the operator allows */

static bool format_allowed(const struct media_host_args *a, uint32_t fourcc)
{
	bool found = !a->formats.n;

	for (unsigned int i = 0; i < a->formats.n; i++)
		found |= a->formats.at[i] == fourcc;
	return found;
}

/* Of pictures; width, height and pixelformat stand at the same places with one plane and with many. */
static bool has_size(uint32_t type)
{
	return type == V4L2_BUF_TYPE_VIDEO_CAPTURE || type == V4L2_BUF_TYPE_VIDEO_OUTPUT ||
	       type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE || type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
}

/* The index-th of the formats that are allowed; in *d, whose index stays.  Returns 0 or -errno. */
static int format_at(const struct media_file *f, struct v4l2_fmtdesc *d)
{
	const struct media_host_args *a = f->h->args;
	uint32_t left = d->index;

	for (uint32_t i = 0;; i++) {
		struct v4l2_fmtdesc at = {.index = a->formats.n ? i : d->index, .type = d->type, .mbus_code = d->mbus_code};
		int err = v4l2_call(f->fd, VIDIOC_ENUM_FMT, &at);

		if (err)
			return err;
		if (!a->formats.n || (format_allowed(a, at.pixelformat) && !left--)) {
			at.index = d->index;
			*d = at;
			return 0;
		}
	}
}

static int enum_framesizes(const struct media_file *f, struct media_payload *p)
{
	const struct media_host_args *a = f->h->args;
	struct v4l2_frmsizeenum s, in;
	uint32_t left;

	memcpy(&in, p->bytes, sizeof(in));
	if (!format_allowed(a, in.pixel_format))
		return -EINVAL;
	left = in.index;
	for (uint32_t i = 0;; i++) {
		s = (struct v4l2_frmsizeenum){.index = i, .pixel_format = in.pixel_format};
		int err = v4l2_call(f->fd, VIDIOC_ENUM_FRAMESIZES, &s);

		if (err)
			return err;
		bool discrete = s.type == V4L2_FRMSIZE_TYPE_DISCRETE;

		if (discrete && (s.discrete.width > a->max_width || s.discrete.height > a->max_height))
			continue;
		if (!discrete && (s.stepwise.min_width > a->max_width || s.stepwise.min_height > a->max_height))
			continue;
		if (!discrete && s.stepwise.max_width > a->max_width)
			s.stepwise.max_width = a->max_width - (s.stepwise.step_width ? (a->max_width - s.stepwise.min_width) % s.stepwise.step_width : 0);
		if (!discrete && s.stepwise.max_height > a->max_height)
			s.stepwise.max_height = a->max_height - (s.stepwise.step_height ? (a->max_height - s.stepwise.min_height) % s.stepwise.step_height : 0);
		if (left--)
			continue;
		s.index = in.index;
		memcpy(p->bytes, &s, sizeof(s));
		return 0;
	}
}

/* The device's answer has to be allowed, too: it may know nothing as small, or no such format. */
static int format_set(struct media_file *f, uint32_t code, struct media_payload *p)
{
	const struct media_host_args *a = f->h->args;
	struct v4l2_format format, try;
	int err;

	memcpy(&format, p->bytes, sizeof(format));
	if (has_size(format.type)) {
		struct v4l2_pix_format *pix = &format.fmt.pix;

		if (pix->width > a->max_width)
			pix->width = a->max_width;
		if (pix->height > a->max_height)
			pix->height = a->max_height;
		for (unsigned int turn = 0; turn < 2; turn++) {
			struct v4l2_fmtdesc first = {.type = format.type};

			try = format;
			err = v4l2_call(f->fd, VIDIOC_TRY_FMT, &try);
			if (err)
				return err;
			if (format_allowed(a, try.fmt.pix.pixelformat))
				break;
			err = turn ? -EINVAL : format_at(f, &first);
			if (err)
				return err;
			pix->pixelformat = first.pixelformat;
		}
		if (try.fmt.pix.width > a->max_width || try.fmt.pix.height > a->max_height)
			return -EINVAL;
	}
	err = v4l2_call(f->fd, code == MEDIA_S_FMT ? VIDIOC_S_FMT : VIDIOC_TRY_FMT, &format);
	memcpy(p->bytes, &format, sizeof(format));
	return err;
}

/* ---- what is done */

static void exports_drop(struct media_file *f, uint32_t type)
{
	struct export **at = &f->exports;

	while (*at) {
		struct export *e = *at;

		if (type && e->type != type) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		media_mem_put(e->mem);
		free(e);
		f->h->exports--;
	}
}

/* What is waited for now. */
static void poll_set(struct media_file *f)
{
	struct pollfd p = {.fd = f->fd};
	const struct direction *in = &f->dir[CAPTURE], *out = &f->dir[OUTPUT];

	if (!f->held && in->streaming && in->queued && !in->done)
		p.events |= POLLIN;
	if (!f->held && out->streaming && out->queued && !out->done)
		p.events |= POLLOUT;
	if (f->subscribed)
		p.events |= POLLPRI;
	(void)pollset_watch(&f->poll, &p, p.events ? 1 : 0);
}

static const struct media_picture *picture_of(struct media_file *f, struct direction *d, const struct v4l2_buffer *b)
{
	for (const struct export *e = f->exports; e; e = e->next) {
		if (e->type != b->type || e->index != b->index || e->plane || !e->mem->va)
			continue;
		d->picture.bytes = e->mem->va;
		d->picture.len = e->mem->size;
		return &d->picture;
	}
	return NULL;
}

/* Takes one buffer that is done.  Returns 0 or -errno. */
static int buffer_take(struct media_file *f, struct direction *d)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = {0};
	struct v4l2_buffer b = {.type = d->type, .memory = V4L2_MEMORY_MMAP};
	struct media_plane out[VIRTIO_MEDIA_MAX_PLANES] = {0};
	struct media_buffer wire = {0};
	bool many = V4L2_TYPE_IS_MULTIPLANAR(d->type);
	int err;

	if (many) {
		b.m.planes = planes;
		b.length = VIDEO_MAX_PLANES;
	}
	err = v4l2_call(f->fd, VIDIOC_DQBUF, &b);
	if (err)
		return err;
	d->queued -= d->queued > 0;
	if (many)
		b.m.planes = NULL;
	/* As long as each other where this runs; on other hosts it is only compiled. */
	memcpy(&wire, &b, min_size(sizeof(wire), sizeof(b)));
	memcpy(out, planes, min_size(sizeof(out), sizeof(planes)));
	f->h->args->ops->dequeued(f->user, &wire, many ? out : NULL, is_output(d->type) ? NULL : picture_of(f, d, &b));
	return 0;
}

/* Returns -errno of a device that has gone. */
static int buffers_take(struct media_file *f, struct direction *d)
{
	for (unsigned int i = 0; i < BURST && d->streaming && d->queued; i++) {
		int err;

		f->held = !f->h->args->ops->room(f->user);
		if (f->held)
			return 0;
		err = buffer_take(f, d);
		if (err == -EAGAIN)
			return 0;
		if (err) {
			d->done = true;
			return err == -ENODEV ? err : 0;
		}
	}
	return 0;
}

static void events_take(struct media_file *f)
{
	struct media_v4l2_event wire = {0};

	for (unsigned int i = 0; i < BURST; i++) {
		struct v4l2_event e = {0};

		if (v4l2_call(f->fd, VIDIOC_DQEVENT, &e))
			return;
		memcpy(&wire, &e, min_size(sizeof(wire), sizeof(e)));
		f->h->args->ops->event(f->user, &wire);
	}
}

static void file_ready(struct pollset *set, struct pollfd *fds, unsigned int n)
{
	struct media_file *f = container_of(set, struct media_file, poll);
	int came = 0;
	int err = 0;

	for (unsigned int i = 0; i < n; i++)
		came |= fds[i].revents;
	if (came & POLLPRI)
		events_take(f);
	for (unsigned int i = 0; !err && i < DIRECTIONS; i++) {
		unsigned int before = f->dir[i].queued;

		err = buffers_take(f, &f->dir[i]);
		/* An error that goes on would keep the loop awake. */
		if (came & POLLERR && f->dir[i].queued == before)
			f->dir[i].done = true;
	}
	if (came & POLLHUP || err) {
		f->h->args->ops->failed(f->user, -ENODEV);
		return;
	}
	if (came & POLLERR && !(came & (POLLIN | POLLOUT)) && !f->dir[CAPTURE].streaming && !f->dir[OUTPUT].streaming)
		f->subscribed = 0;
	poll_set(f);
}

/* ---- buffers */

/* Whether all buffers of a type fit in what the guest may have. */
static bool buffers_fit(struct media_file *f, uint32_t type, uint32_t count)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = {0};
	struct v4l2_buffer b = {.type = type, .memory = V4L2_MEMORY_MMAP};
	uint64_t bytes = 0;

	if (V4L2_TYPE_IS_MULTIPLANAR(type)) {
		b.m.planes = planes;
		b.length = VIDEO_MAX_PLANES;
	}
	if (v4l2_call(f->fd, VIDIOC_QUERYBUF, &b))
		return true;
	for (uint32_t i = 0; V4L2_TYPE_IS_MULTIPLANAR(type) && i < b.length && i < VIDEO_MAX_PLANES; i++)
		bytes += planes[i].length;
	if (!V4L2_TYPE_IS_MULTIPLANAR(type))
		bytes = b.length;
	return bytes * count <= f->h->args->pool->max;
}

/* What the guest cannot have is not said to be there. */
static uint32_t capabilities_of(uint32_t caps)
{
	return caps & ~(uint32_t)(V4L2_BUF_CAP_SUPPORTS_USERPTR | V4L2_BUF_CAP_SUPPORTS_DMABUF | V4L2_BUF_CAP_SUPPORTS_REQUESTS);
}

static int reqbufs(struct media_file *f, struct media_payload *p)
{
	struct v4l2_requestbuffers r;
	struct direction *d;
	int err;

	memcpy(&r, p->bytes, sizeof(r));
	d = direction_of(f, r.type);
	r.count = r.count > f->h->args->max_buffers ? f->h->args->max_buffers : r.count;
	err = v4l2_call(f->fd, VIDIOC_REQBUFS, &r);
	if (!err) {
		exports_drop(f, r.type);
		f->h->args->ops->forget(f->user, r.type);
		*d = (struct direction){.type = r.type, .buffers = r.count};
	}
	if (!err && r.count && !buffers_fit(f, r.type, r.count)) {
		struct v4l2_requestbuffers none = {.type = r.type, .memory = V4L2_MEMORY_MMAP};

		(void)v4l2_call(f->fd, VIDIOC_REQBUFS, &none);
		d->buffers = 0;
		return -ENOMEM;
	}
	r.capabilities = capabilities_of(r.capabilities);
	memcpy(p->bytes, &r, sizeof(r));
	return err;
}

static int create_bufs(struct media_file *f, struct media_payload *p)
{
	struct v4l2_create_buffers c;
	struct direction *d;
	uint64_t bytes = 0;
	uint32_t left;
	int err;

	memcpy(&c, p->bytes, sizeof(c));
	d = direction_of(f, c.format.type);
	left = f->h->args->max_buffers - (uint32_t)min_u64(d->buffers, f->h->args->max_buffers);
	if (c.count && !left)
		return -ENOBUFS;
	c.count = c.count > left ? left : c.count;
	if (V4L2_TYPE_IS_MULTIPLANAR(c.format.type)) {
		for (unsigned int i = 0; i < VIDEO_MAX_PLANES; i++)
			bytes += c.format.fmt.pix_mp.plane_fmt[i].sizeimage;
	} else if (has_size(c.format.type)) {
		bytes = c.format.fmt.pix.sizeimage;
	}
	if (bytes * c.count > f->h->args->pool->max)
		return -ENOMEM;
	err = v4l2_call(f->fd, VIDIOC_CREATE_BUFS, &c);
	if (!err && c.count) {
		d->type = c.format.type;
		d->buffers = c.index + c.count;
	}
	c.capabilities = capabilities_of(c.capabilities);
	memcpy(p->bytes, &c, sizeof(c));
	return err;
}

/* QUERYBUF, QBUF, PREPARE_BUF: planes are those of the payload. */
static int buffer_ioctl(struct media_file *f, uint32_t code, struct media_payload *p)
{
	static const unsigned long requests[] = {
		[MEDIA_QUERYBUF] = VIDIOC_QUERYBUF, [MEDIA_QBUF] = VIDIOC_QBUF, [MEDIA_PREPARE_BUF] = VIDIOC_PREPARE_BUF};
	struct v4l2_buffer b;
	struct direction *d;
	int err;

	memcpy(&b, p->bytes, sizeof(b));
	d = direction_of(f, b.type);
	if (V4L2_TYPE_IS_MULTIPLANAR(b.type))
		b.m.planes = (struct v4l2_plane *)(void *)p->planes;
	b.request_fd = 0;
	err = v4l2_call(f->fd, requests[code], &b);
	if (!err && code == MEDIA_QBUF) {
		d->queued++;
		d->done = false;
	}
	if (V4L2_TYPE_IS_MULTIPLANAR(b.type))
		b.m.planes = NULL;
	memcpy(p->bytes, &b, sizeof(b));
	return err;
}

static void picture_set(struct media_file *f, struct direction *d)
{
	struct v4l2_format format = {.type = d->type};

	d->picture = (struct media_picture){0};
	if (!has_size(d->type) || v4l2_call(f->fd, VIDIOC_G_FMT, &format))
		return;
	d->picture.pixelformat = format.fmt.pix.pixelformat;
	d->picture.width = format.fmt.pix.width;
	d->picture.height = format.fmt.pix.height;
	d->picture.bytesperline = V4L2_TYPE_IS_MULTIPLANAR(d->type) ? format.fmt.pix_mp.plane_fmt[0].bytesperline :
								      format.fmt.pix.bytesperline;
}

static int streaming(struct media_file *f, bool on, struct media_payload *p)
{
	int type = (int)media_word(p, 0);
	struct direction *d = direction_of(f, (uint32_t)type);
	int err = v4l2_call(f->fd, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type);

	if (err)
		return err;
	d->type = (uint32_t)type;
	d->streaming = on;
	d->done = false;
	if (on) {
		picture_set(f, d);
		return 0;
	}
	d->queued = 0;
	f->h->args->ops->forget(f->user, (uint32_t)type);
	return 0;
}

/* ---- the rest */

static int controls_ioctl(struct media_file *f, unsigned long request, struct media_payload *p)
{
	struct v4l2_ext_controls c;
	int err;

	memcpy(&c, p->bytes, sizeof(c));
	c.controls = (struct v4l2_ext_control *)(void *)p->controls;
	c.request_fd = 0;
	err = v4l2_call(f->fd, request, &c);
	c.controls = NULL;
	memcpy(p->bytes, &c, sizeof(c));
	return err;
}

static unsigned long request_of(uint32_t code)
{
	const struct media_ioctl *io = media_ioctl_find(code);
	unsigned int dir = (io->dir & MEDIA_R ? _IOC_READ : 0) | (io->dir & MEDIA_W ? _IOC_WRITE : 0);

	return _IOC(dir, 'V', code, io->size);
}

static int subscribe(struct media_file *f, uint32_t code, struct media_payload *p)
{
	int err = v4l2_call(f->fd, request_of(code), p->bytes);

	/* Of those that are not subscribed to any more nothing comes. */
	if (!err && code == MEDIA_SUBSCRIBE_EVENT)
		f->subscribed = 1;
	return err;
}

static int file_ioctl(struct media_file *f, uint32_t code, struct media_payload *p)
{
	struct v4l2_fmtdesc d;
	int err;

	switch (code) {
	case MEDIA_ENUM_FMT:
		memcpy(&d, p->bytes, sizeof(d));
		err = format_at(f, &d);
		memcpy(p->bytes, &d, sizeof(d));
		return err;
	case MEDIA_S_FMT:
	case MEDIA_TRY_FMT:
		return format_set(f, code, p);
	case MEDIA_ENUM_FRAMESIZES:
		return enum_framesizes(f, p);
	case MEDIA_REQBUFS:
		return reqbufs(f, p);
	case MEDIA_CREATE_BUFS:
		return create_bufs(f, p);
	case MEDIA_QUERYBUF:
	case MEDIA_QBUF:
	case MEDIA_PREPARE_BUF:
		return buffer_ioctl(f, code, p);
	case MEDIA_STREAMON:
	case MEDIA_STREAMOFF:
		return streaming(f, code == MEDIA_STREAMON, p);
	case MEDIA_SUBSCRIBE_EVENT:
	case MEDIA_UNSUBSCRIBE_EVENT:
		return subscribe(f, code, p);
	case MEDIA_G_EXT_CTRLS:
	case MEDIA_S_EXT_CTRLS:
	case MEDIA_TRY_EXT_CTRLS:
		return controls_ioctl(f, request_of(code), p);
	default:
		return v4l2_call(f->fd, request_of(code), p->bytes);
	}
}

static int v4l2_ioctl(struct media_file *f, uint32_t code, struct media_payload *p)
{
	int err = file_ioctl(f, code, p);

	/* A command may bring a drained queue to life again. */
	if (!err && (code == MEDIA_DECODER_CMD || code == MEDIA_ENCODER_CMD))
		f->dir[CAPTURE].done = f->dir[OUTPUT].done = false;
	poll_set(f);
	return err;
}

/* Looks for the plane at this offset.  Returns 0, *e but for its memory, and its length; or -EINVAL. */
static int plane_find(struct media_file *f, uint32_t offset, struct export *e, uint32_t *len)
{
	for (unsigned int i = 0; i < DIRECTIONS; i++) {
		uint32_t type = f->dir[i].type;
		bool many = V4L2_TYPE_IS_MULTIPLANAR(type);

		for (uint32_t j = 0; type && j < f->dir[i].buffers; j++) {
			struct v4l2_plane planes[VIDEO_MAX_PLANES] = {0};
			struct v4l2_buffer b = {.type = type, .index = j, .length = many ? VIDEO_MAX_PLANES : 0};

			b.m.planes = many ? planes : NULL;
			if (v4l2_call(f->fd, VIDIOC_QUERYBUF, &b))
				break;
			for (uint32_t k = 0; k < (many ? b.length : 1) && k < VIDEO_MAX_PLANES; k++) {
				*e = (struct export){.type = type, .index = j, .plane = k, .offset = offset};
				*len = many ? planes[k].length : b.length;
				if (offset == (many ? planes[k].m.mem_offset : b.m.offset))
					return 0;
			}
		}
	}
	return -EINVAL;
}

static int v4l2_mmap(struct media_file *f, uint32_t offset, bool writable, struct media_mem **out)
{
	struct export *e, found;
	uint32_t len;
	void *va;
	int err;

	for (e = f->exports; e; e = e->next) {
		if (e->offset == offset) {
			*out = media_mem_get(e->mem);
			return 0;
		}
	}
	err = f->h->exports < EXPORTS_MAX ? plane_find(f, offset, &found, &len) : -ENOMEM;
	if (err)
		return err;
	struct v4l2_exportbuffer x = {.type = found.type, .index = found.index, .plane = found.plane, .flags = O_CLOEXEC | O_RDWR};

	err = v4l2_call(f->fd, VIDIOC_EXPBUF, &x);
	if (err)
		return err;
	found.mem = media_mem_adopt(f->h->args->pool, x.fd, len);
	e = found.mem ? malloc(sizeof(*e)) : NULL;
	if (!e) {
		media_mem_put(found.mem);
		return -ENOMEM;
	}
	*e = found;
	e->next = f->exports;
	f->exports = e;
	f->h->exports++;
	/* For --snapshot alone: where it cannot be, there is none. */
	va = mmap(NULL, e->mem->len, PROT_READ, MAP_SHARED, x.fd, 0);
	e->mem->va = va == MAP_FAILED ? NULL : va;
	*out = media_mem_get(e->mem);
	return 0;
}

static void v4l2_file_close(struct media_file *f)
{
	struct media_file **at = &f->h->files;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	pollset_close(&f->poll);
	exports_drop(f, 0);
	close(f->fd);
	free(f);
}

static int device_open(const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

/* A device that is not there, or not there yet again, is gone. */
static int v4l2_file_open(struct media_host *h, void *user, struct media_file **out)
{
	int fd = device_open(h->args->device), err;
	struct media_file *f;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENXIO ? -ENODEV : fd;
	f = calloc(1, sizeof(*f));
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	*f = (struct media_file){.h = h, .user = user, .fd = fd, .next = h->files};
	f->poll.ready = file_ready;
	err = pollset_open(&f->poll, h->args->d->loop);
	if (err) {
		close(fd);
		free(f);
		return err;
	}
	h->files = f;
	*out = f;
	return 0;
}

static void v4l2_stop(struct media_host *h)
{
	free(h);
}

static int start_fail(const struct media_host_args *args, int err, const char *what)
{
	log_error(&args->d->log, "--device=%s: %s%s (a V4L2 device is wanted: v4l2-ctl --list-devices shows them)", args->device,
		  strerror(-err), what);
	return err;
}

static int v4l2_start(const struct media_host_args *args, struct media_host **out, struct media_about *about)
{
	struct v4l2_capability cap = {0};
	struct media_host *h;
	int fd, err;

	if (!HOST_HAS_WIRE_LAYOUT)
		return start_fail(args, -EOPNOTSUPP, ": a 64-bit little-endian host is wanted");
	fd = device_open(args->device);
	if (fd < 0)
		return start_fail(args, fd, "");
	err = v4l2_call(fd, VIDIOC_QUERYCAP, &cap);
	close(fd);
	if (err)
		return start_fail(args, err, ": it does not answer VIDIOC_QUERYCAP");
	about->device_caps = cap.capabilities & V4L2_CAP_DEVICE_CAPS ? cap.device_caps : cap.capabilities;
	if (!(about->device_caps & V4L2_CAP_STREAMING))
		return start_fail(args, -EOPNOTSUPP, ": it has no streaming I/O");
	about->device_caps &= ~(uint32_t)(V4L2_CAP_READWRITE | V4L2_CAP_ASYNCIO | V4L2_CAP_VIDEO_OVERLAY |
					  V4L2_CAP_VIDEO_OUTPUT_OVERLAY | V4L2_CAP_DEVICE_CAPS);
	snprintf(about->card, sizeof(about->card), "%.32s", args->card ? args->card : (const char *)cap.card);
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->args = args;
	*out = h;
	return 0;
}

static void v4l2_reset(struct media_host *h)
{
	/* Formats and controls stay as the last user of the device has left them, as on any machine. */
}

static void v4l2_resume(struct media_host *h)
{
	for (struct media_file *f = h->files; f; f = f->next) {
		f->held = false;
		poll_set(f);
	}
}

static void v4l2_needs(const struct media_host_args *args, struct sandbox *s)
{
	sandbox_calls(s, v4l2_calls);
	if (args->device)
		sandbox_folder(s, args->device, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DEVICE, "--device, for each session, and when it is back");
}

static void v4l2_show(struct media_host *h, struct control_client *c)
{
	for (const struct media_file *f = h->files; f; f = f->next)
		control_say(c, "capture %u buffers, %u queued; output %u, %u queued", f->dir[CAPTURE].buffers, f->dir[CAPTURE].queued,
			    f->dir[OUTPUT].buffers, f->dir[OUTPUT].queued);
}

const struct media_host_ops media_v4l2_ops = {
	.needs = v4l2_needs,
	.start = v4l2_start,
	.stop = v4l2_stop,
	.open = v4l2_file_open,
	.close = v4l2_file_close,
	.ioctl = v4l2_ioctl,
	.mmap = v4l2_mmap,
	.reset = v4l2_reset,
	.resume = v4l2_resume,
	.show = v4l2_show,
};
