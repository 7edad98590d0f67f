/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_codec.c - a codec that is made up: V4L2's stateful decoder and encoder (Documentation/userspace-api/media/v4l/dev-decoder.rst,
 * dev-encoder.rst) of pictures packed by runs.
 *
 * Each file is a codec of its own.  One buffer of OUTPUT becomes one of CAPTURE, in order; one in a turn of the loop.
 *
 *	setup --STREAMON of both--> works --last buffer of a drain--> stopped --START, or a queue that is streamed anew--> works
 *
 * A decoder learns the size from the stream: a picture of another one than CAPTURE has stops it (waits).  The driver is told
 * SOURCE_CHANGE, and gets a last buffer where CAPTURE streams; it goes on when CAPTURE is streamed anew, or with START.  Commands and
 * events stand in the line of the queue: a drain ends with the buffers that were queued before it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "devices/media/media_paint.h"
#include "devices/media/media_queue.h"
#include "devices/media/media_runs.h"

#define VDRL MEDIA_FOURCC('V', 'D', 'R', 'L')

#define CAPTURE_BASE 0x40000000u /* of offsets */
#define SIDE_MIN     16u
#define STEP	     2u

#define COLORSPACE_SRGB 8u
#define COLORSPACE_LAST 12u
#define PRIV_MAGIC	0xfeedcafeu

/* ENCODER_CMD and DECODER_CMD. */
#define CMD_START 0u
#define CMD_STOP  1u

/* The head of a coded picture. */
struct coded {
	le32 magic, width, height, len;
} __attribute__((packed));

_Static_assert(sizeof(struct coded) == 16, "what the manual says of VDRL");

static const uint32_t raw_formats[] = {MEDIA_FOURCC('Y', 'U', '1', '2'), MEDIA_FOURCC('N', 'V', '1', '2'),
				       MEDIA_FOURCC('G', 'R', 'E', 'Y')};

enum codec_state {
	CODEC_WORKS,
	CODEC_WAITS,   /* a decoder, for CAPTURE to be set up for another size */
	CODEC_STOPPED, /* after a drain */
};

struct media_file {
	struct media_host *h;
	void *user;
	struct media_queue out, cap;
	const struct media_pixel_format *raw;
	uint32_t width, height; /* of raw pictures */
	le32 colours[4];	/* of OUTPUT, and so of CAPTURE: colorspace, ycbcr_enc, quantization, xfer_func */
	bool sized;		/* a decoder has learnt the size from the stream */
	enum codec_state state;
	bool draining;
	unsigned int left; /* buffers of OUTPUT before the drain is done */
	bool last_due;	   /* the next buffer of CAPTURE is an empty last one */
	uint32_t sequence;
	bool eos, source_change; /* events it wants */
	uint32_t event_sequence;
	struct ev_timer turn;
	struct media_file *next;
};

struct media_host {
	const struct media_host_args *args;
	struct media_file *files;
	uint64_t pictures, broken;
};

static bool is_decoder(const struct media_host *h)
{
	return h->args->codec == MEDIA_CODEC_DECODER;
}

/* The queue of raw pictures: what comes out of a decoder, goes into an encoder. */
static bool is_raw(const struct media_host *h, uint32_t type)
{
	return (type == MEDIA_CAPTURE) == is_decoder(h);
}

static uint32_t raw_size(const struct media_file *f)
{
	return media_pixel_size(f->raw, f->width, f->height);
}

/* Room for any picture of this size. */
static uint32_t coded_size(const struct media_file *f)
{
	return (uint32_t)(sizeof(struct coded) + media_runs_most((size_t)f->width * f->height * 3 / 2));
}

static void sizes_set(struct media_file *f)
{
	f->out.size = is_decoder(f->h) ? coded_size(f) : raw_size(f);
	f->cap.size = is_decoder(f->h) ? raw_size(f) : coded_size(f);
}

/* ---- events */

static void event_tell(struct media_file *f, uint32_t type, uint32_t changes)
{
	struct media_v4l2_event e = {.type = htole32(type), .sequence = htole32(f->event_sequence++)};

	e.ctrl.changes = htole32(changes);
	f->h->args->ops->event(f->user, &e);
}

static int subscribe(struct media_file *f, bool on, const struct media_payload *p)
{
	uint32_t type = media_word(p, 0);
	bool known = type == MEDIA_EVENT_EOS || (type == MEDIA_EVENT_SOURCE_CHANGE && is_decoder(f->h));

	if (on && !known)
		return -EINVAL;
	if (type == MEDIA_EVENT_EOS || type == MEDIA_EVENT_ALL)
		f->eos = on;
	if (type == MEDIA_EVENT_SOURCE_CHANGE || type == MEDIA_EVENT_ALL)
		f->source_change = on;
	return 0;
}

/* ---- the work */

static void turn_ask(struct media_file *f)
{
	if (ev_is_active(&f->turn))
		return;
	ev_timer_set(&f->turn, 0., 0.);
	ev_timer_start(f->h->args->d->loop, &f->turn);
}

/* Gives back a buffer of OUTPUT; bad: what was in it was no picture. */
static void out_done(struct media_file *f, bool bad)
{
	struct media_slot *s = media_queue_first(&f->out);
	struct media_buffer b;

	s->flags = bad ? MEDIA_BUF_FLAG_ERROR : 0;
	s->sequence = f->sequence;
	media_queue_done(&f->out, &b);
	f->left -= f->draining && f->left;
	f->h->broken += bad;
	f->h->args->ops->dequeued(f->user, &b, NULL, NULL);
}

/* Gives a buffer of CAPTURE, of so many bytes. */
static void cap_done(struct media_file *f, const struct media_slot *from, uint32_t bytesused, uint32_t flags)
{
	struct media_slot *s = media_queue_first(&f->cap);
	struct media_picture picture = {s->mem->va, bytesused, f->raw->fourcc,
					f->width,   f->height, f->width * f->raw->bytes};
	struct media_buffer b;

	s->bytesused = bytesused;
	s->flags = flags;
	s->sequence = f->sequence;
	if (from) {
		s->sec = from->sec;
		s->usec = from->usec;
		f->sequence++;
		f->h->pictures++;
	}
	media_queue_done(&f->cap, &b);
	f->h->args->ops->dequeued(f->user, &b, NULL, bytesused && is_decoder(f->h) ? &picture : NULL);
}

/* The drain is done with the buffer of CAPTURE that goes now. */
static void drain_end(struct media_file *f)
{
	f->draining = f->last_due = false;
	f->state = CODEC_STOPPED;
	if (f->eos)
		event_tell(f, MEDIA_EVENT_EOS, 0);
}

/* Whether the next picture is the last of a drain. */
static bool is_last(const struct media_file *f)
{
	return f->draining && f->left <= 1;
}

/* The head of what is in a buffer.  Returns false: there is no picture in it that can be had here. */
static bool head_read(const struct media_file *f, const struct media_slot *s, struct coded *c)
{
	const struct media_host_args *a = f->h->args;
	uint32_t w, h;

	if (s->bytesused < sizeof(*c))
		return false;
	memcpy(c, s->mem->va, sizeof(*c));
	w = le32toh(c->width);
	h = le32toh(c->height);
	return le32toh(c->magic) == VDRL && le32toh(c->len) <= s->bytesused - sizeof(*c) && w >= SIDE_MIN &&
	       h >= SIDE_MIN && w <= a->max_width && h <= a->max_height && w % STEP == 0 && h % STEP == 0;
}

/* The stream has pictures of another size from now on. */
static void size_change(struct media_file *f, const struct coded *c)
{
	f->width = le32toh(c->width);
	f->height = le32toh(c->height);
	f->cap.size = raw_size(f);
	f->sized = true;
	f->state = CODEC_WAITS;
	f->last_due = f->cap.streaming;
	if (f->source_change)
		event_tell(f, MEDIA_EVENT_SOURCE_CHANGE, MEDIA_EVENT_SRC_CH_RESOLUTION);
}

static void decode(struct media_file *f)
{
	struct media_slot *in = media_queue_first(&f->out), *out = media_queue_first(&f->cap);
	const size_t size = raw_size(f);
	struct media_slot from = *in;
	struct coded c;
	bool last = is_last(f), good;

	if (!head_read(f, in, &c)) {
		out_done(f, true);
		return;
	}
	/* The first size is told even where it is what the driver has set: it waits for that. */
	if (le32toh(c.width) != f->width || le32toh(c.height) != f->height || (!f->sized && !f->cap.streaming)) {
		size_change(f, &c);
		return;
	}
	if (!out)
		return;
	good = size <= out->mem->size && media_runs_unpack(in->mem->va + sizeof(c), le32toh(c.len), out->mem->va, size);
	out_done(f, !good);
	cap_done(f, &from, good ? (uint32_t)size : 0,
		 (good ? 0 : MEDIA_BUF_FLAG_ERROR) | (last ? MEDIA_BUF_FLAG_LAST : 0));
	if (last)
		drain_end(f);
}

static void encode(struct media_file *f)
{
	struct media_slot *in = media_queue_first(&f->out), *out = media_queue_first(&f->cap);
	struct coded c = {htole32(VDRL), htole32(f->width), htole32(f->height), 0};
	struct media_slot from = *in;
	const size_t size = raw_size(f);
	bool last = is_last(f);

	if (in->bytesused < size || in->mem->size < size) {
		out_done(f, true);
		return;
	}
	if (!out)
		return;
	if (out->mem->size < sizeof(c) + media_runs_most(size)) {
		out_done(f, true);
		return;
	}
	c.len = htole32((uint32_t)media_runs_pack(in->mem->va, size, out->mem->va + sizeof(c)));
	memcpy(out->mem->va, &c, sizeof(c));
	out_done(f, false);
	cap_done(f, &from, (uint32_t)sizeof(c) + le32toh(c.len),
		 MEDIA_BUF_FLAG_KEYFRAME | (last ? MEDIA_BUF_FLAG_LAST : 0));
	if (last)
		drain_end(f);
}

/* A last buffer that has no picture in it: of a size that has ended, or of a drain with nothing before it. */
static bool empty_last(struct media_file *f)
{
	if (f->draining && !f->left && f->state == CODEC_WORKS)
		f->last_due = true;
	if (!f->last_due || !media_queue_first(&f->cap))
		return false;
	f->last_due = false;
	cap_done(f, NULL, 0, MEDIA_BUF_FLAG_LAST);
	if (f->state == CODEC_WORKS)
		drain_end(f);
	return true;
}

/* Whether there is something to do with what is queued. */
static bool can_work(const struct media_file *f)
{
	bool picture = f->out.streaming && f->out.nqueued && (!f->draining || f->left);

	if (f->cap.streaming && f->cap.nqueued && (f->last_due || (f->draining && !f->left && f->state == CODEC_WORKS)))
		return true;
	/* A decoder reads the size before CAPTURE streams. */
	return picture && f->state == CODEC_WORKS && (is_decoder(f->h) || (f->cap.streaming && f->cap.nqueued));
}

static void turn_come(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct media_file *f = container_of(w, struct media_file, turn);
	unsigned int before = f->out.nqueued;
	bool done;

	/* Where there is no room for what is told, resume asks again. */
	if (!can_work(f) || !f->h->args->ops->room(f->user))
		return;
	done = empty_last(f);
	if (!done && f->state == CODEC_WORKS && media_queue_first(&f->out)) {
		if (is_decoder(f->h))
			decode(f);
		else
			encode(f);
		done = f->out.nqueued < before || f->state != CODEC_WORKS;
	}
	/* A decoder that has looked at a picture of the size that is set waits for a buffer: QBUF asks. */
	if (done && can_work(f))
		turn_ask(f);
}

/* ---- commands */

static int command(struct media_file *f, bool try, struct media_payload *p)
{
	uint32_t cmd = media_word(p, 0), flags = media_word(p, 4);

	if (cmd > CMD_STOP)
		return -EINVAL;
	memset(p->bytes + 4, 0, MEDIA_PAYLOAD_MAX - 4);
	(void)flags;
	if (try)
		return 0;
	if (cmd == CMD_STOP) {
		/* A queue that does not stream has nothing to drain. */
		if (f->draining || f->state == CODEC_STOPPED || !f->out.streaming)
			return f->draining ? -EBUSY : 0;
		f->draining = true;
		f->left = f->out.nqueued;
	} else if (f->draining) {
		return -EBUSY;
	} else if (f->state == CODEC_STOPPED || (f->state == CODEC_WAITS && f->cap.streaming && !f->last_due)) {
		f->state = CODEC_WORKS;
	}
	turn_ask(f);
	return 0;
}

/* ---- formats */

static const struct media_pixel_format *raw_at(const struct media_host *h, uint32_t index)
{
	const struct media_formats *l = &h->args->formats;

	for (unsigned int i = 0; i < ARRAY_SIZE(raw_formats); i++) {
		bool allowed = !l->n;

		for (unsigned int j = 0; j < l->n; j++)
			allowed |= l->at[j] == raw_formats[i];
		if (allowed && !index--)
			return media_pixel_find(raw_formats[i]);
	}
	return NULL;
}

static const struct media_pixel_format *raw_find(const struct media_host *h, uint32_t fourcc)
{
	const struct media_pixel_format *f;

	for (uint32_t i = 0; (f = raw_at(h, i)); i++) {
		if (f->fourcc == fourcc)
			return f;
	}
	return NULL;
}

static uint32_t side_of(uint32_t wanted, uint32_t max)
{
	wanted = wanted < SIDE_MIN ? SIDE_MIN : wanted > max ? max : wanted;
	return wanted / STEP * STEP;
}

/* G_FMT of a file as it is, or would be. */
static void format_show(const struct media_file *f, struct media_format *out)
{
	bool raw = is_raw(f->h, le32toh(out->type));

	memset(out->raw, 0, sizeof(out->raw));
	out->pix = (struct media_pix){
		.width = htole32(f->width),
		.height = htole32(f->height),
		.pixelformat = htole32(raw ? f->raw->fourcc : VDRL),
		.field = htole32(MEDIA_FIELD_NONE),
		.bytesperline = htole32(raw ? f->width * f->raw->bytes : 0),
		.sizeimage = htole32(raw ? raw_size(f) : coded_size(f)),
		.colorspace = f->colours[0],
		.priv = htole32(PRIV_MAGIC),
		.ycbcr_enc = f->colours[1],
		.quantization = f->colours[2],
		.xfer_func = f->colours[3],
	};
}

/* What the driver says of the colours goes along with the pictures; where it says nothing it is as it was. */
static void colours_take(struct media_file *f, const struct media_pix *pix)
{
	const le32 said[] = {pix->colorspace, pix->ycbcr_enc, pix->quantization, pix->xfer_func};

	if (le32toh(pix->colorspace) && le32toh(pix->colorspace) <= COLORSPACE_LAST)
		memcpy(f->colours, said, sizeof(said));
}

static int format_ioctl(struct media_file *f, uint32_t code, struct media_payload *p)
{
	const struct media_host_args *a = f->h->args;
	const struct media_pixel_format *raw;
	struct media_file would = *f;
	struct media_format format;
	uint32_t type;

	memcpy(&format, p->bytes, sizeof(format));
	type = le32toh(format.type);
	if (type != MEDIA_CAPTURE && type != MEDIA_OUTPUT)
		return -EINVAL;
	if (code != MEDIA_G_FMT) {
		raw = raw_find(f->h, le32toh(format.pix.pixelformat));
		if (is_raw(f->h, type))
			would.raw = raw ? raw : raw_at(f->h, 0);
		/* The size is OUTPUT's to set: CAPTURE has that of the stream. */
		if (type == MEDIA_OUTPUT) {
			would.width = side_of(le32toh(format.pix.width), a->max_width);
			would.height = side_of(le32toh(format.pix.height), a->max_height);
			colours_take(&would, &format.pix);
		}
	}
	if (code == MEDIA_S_FMT) {
		if ((type == MEDIA_OUTPUT ? f->out.n : f->cap.n) ||
		    (type == MEDIA_OUTPUT && f->cap.n && !is_decoder(f->h)))
			return -EBUSY;
		f->raw = would.raw;
		f->width = would.width;
		f->height = would.height;
		memcpy(f->colours, would.colours, sizeof(f->colours));
		f->sized &= type == MEDIA_CAPTURE;
		sizes_set(f);
	}
	format_show(&would, &format);
	memcpy(p->bytes, &format, sizeof(format));
	return 0;
}

static int enum_fmt(const struct media_host *h, struct media_payload *p)
{
	struct media_fmtdesc d;
	const struct media_pixel_format *raw;
	uint32_t index = media_word(p, 0), type = media_word(p, 4);

	if (type != MEDIA_CAPTURE && type != MEDIA_OUTPUT)
		return -EINVAL;
	raw = is_raw(h, type) ? raw_at(h, index) : NULL;
	if (!raw && (is_raw(h, type) || index))
		return -EINVAL;
	d = (struct media_fmtdesc){
		.index = htole32(index), .type = htole32(type), .pixelformat = htole32(raw ? raw->fourcc : VDRL)};
	d.flags = htole32(raw ? 0 : MEDIA_FMT_FLAG_COMPRESSED | (is_decoder(h) ? MEDIA_FMT_FLAG_DYN_RESOLUTION : 0));
	snprintf(d.description, sizeof(d.description), "%s", raw ? raw->name : "Runs of vdevd");
	memcpy(p->bytes, &d, sizeof(d));
	return 0;
}

static int enum_framesizes(const struct media_host *h, struct media_payload *p)
{
	const struct media_host_args *a = h->args;
	uint32_t fourcc = media_word(p, 4);
	struct media_frmsizeenum s;

	if (media_word(p, 0) || (fourcc != VDRL && !raw_find(h, fourcc)))
		return -EINVAL;
	s = (struct media_frmsizeenum){
		.pixel_format = htole32(fourcc),
		.type = htole32(MEDIA_TYPE_STEPWISE),
		.width = htole32(SIDE_MIN),
		.height = htole32(a->max_width / STEP * STEP),
		.stepwise = {htole32(STEP), htole32(SIDE_MIN), htole32(a->max_height / STEP * STEP), htole32(STEP)},
	};
	memcpy(p->bytes, &s, sizeof(s));
	return 0;
}

/* ---- queues */

/* A queue was streamed, or is not any more. */
static void streamed(struct media_file *f, struct media_queue *q, bool before)
{
	if (before && !q->streaming)
		f->h->args->ops->forget(f->user, q->type);
	if (q == &f->out && before && !q->streaming) {
		/* A seek: what was not decoded is void, a drain too. */
		f->draining = false;
		f->last_due = false;
		f->left = 0;
		f->sequence = 0;
	}
	if (q == &f->cap && before && !q->streaming)
		f->last_due = false;
	if (!before && q->streaming && f->state != CODEC_WORKS && !(q == &f->out && f->state == CODEC_WAITS))
		f->state = CODEC_WORKS;
}

static int queue_ioctl(struct media_file *f, uint32_t code, struct media_payload *p)
{
	size_t at = code == MEDIA_STREAMON || code == MEDIA_STREAMOFF ? 0 : code == MEDIA_CREATE_BUFS ? 16 : 4;
	uint32_t type = media_word(p, at);
	struct media_queue *q = type == MEDIA_OUTPUT ? &f->out : type == MEDIA_CAPTURE ? &f->cap : NULL;
	bool before = q && q->streaming;
	int err;

	if (!q)
		return -EINVAL;
	err = media_queue_ioctl(q, f, code, p);
	if (err)
		return err;
	if (code == MEDIA_REQBUFS)
		f->h->args->ops->forget(f->user, type);
	streamed(f, q, before);
	turn_ask(f);
	return 0;
}

static int codec_ioctl(struct media_file *f, uint32_t code, struct media_payload *p)
{
	switch (code) {
	case MEDIA_ENUM_FMT:
		return enum_fmt(f->h, p);
	case MEDIA_G_FMT:
	case MEDIA_S_FMT:
	case MEDIA_TRY_FMT:
		return format_ioctl(f, code, p);
	case MEDIA_ENUM_FRAMESIZES:
		return enum_framesizes(f->h, p);
	case MEDIA_REQBUFS:
	case MEDIA_CREATE_BUFS:
	case MEDIA_QUERYBUF:
	case MEDIA_QBUF:
	case MEDIA_PREPARE_BUF:
	case MEDIA_STREAMON:
	case MEDIA_STREAMOFF:
		return queue_ioctl(f, code, p);
	case MEDIA_ENCODER_CMD:
	case MEDIA_TRY_ENCODER_CMD:
		return is_decoder(f->h) ? -ENOTTY : command(f, code == MEDIA_TRY_ENCODER_CMD, p);
	case MEDIA_DECODER_CMD:
	case MEDIA_TRY_DECODER_CMD:
		return is_decoder(f->h) ? command(f, code == MEDIA_TRY_DECODER_CMD, p) : -ENOTTY;
	case MEDIA_SUBSCRIBE_EVENT:
	case MEDIA_UNSUBSCRIBE_EVENT:
		return subscribe(f, code == MEDIA_SUBSCRIBE_EVENT, p);
	default:
		return -ENOTTY;
	}
}

/* ---- files */

static int codec_mmap(struct media_file *f, uint32_t offset, bool writable, struct media_mem **out)
{
	*out = media_queue_mmap(offset < CAPTURE_BASE ? &f->out : &f->cap, offset);
	return *out ? 0 : -EINVAL;
}

static int codec_open(struct media_host *h, void *user, struct media_file **out)
{
	const struct media_host_args *a = h->args;
	struct media_file *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	*f = (struct media_file){
		.h = h,
		.user = user,
		.out = {.type = MEDIA_OUTPUT, .max = a->max_buffers, .copies_time = true, .pool = a->pool},
		.cap = {.type = MEDIA_CAPTURE,
			.max = a->max_buffers,
			.base = CAPTURE_BASE,
			.copies_time = true,
			.pool = a->pool},
		.raw = raw_at(h, 0),
		.width = side_of(640, a->max_width),
		.height = side_of(480, a->max_height),
		.colours = {htole32(COLORSPACE_SRGB)},
		.next = h->files,
	};
	sizes_set(f);
	ev_timer_init(&f->turn, turn_come, 0., 0.);
	h->files = f;
	*out = f;
	return 0;
}

static void codec_close(struct media_file *f)
{
	struct media_file **at = &f->h->files;

	ev_timer_stop(f->h->args->d->loop, &f->turn);
	media_queue_close(&f->out, f);
	media_queue_close(&f->cap, f);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f);
}

static void codec_stop(struct media_host *h)
{
	free(h);
}

static int codec_start(const struct media_host_args *args, struct media_host **out, struct media_about *about)
{
	struct media_host *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->args = args;
	if (!raw_at(h, 0)) {
		log_error(&args->d->log, "--formats: a format that the codec has is wanted (YU12, NV12, GREY)");
		free(h);
		return -EINVAL;
	}
	about->device_caps = MEDIA_CAP_VIDEO_M2M | MEDIA_CAP_EXT_PIX_FORMAT | MEDIA_CAP_STREAMING;
	snprintf(about->card, sizeof(about->card), "%.32s",
		 args->card	 ? args->card
		 : is_decoder(h) ? "vdevd test decoder"
				 : "vdevd test encoder");
	*out = h;
	return 0;
}

static void codec_reset(struct media_host *h)
{
	/* Each file is a codec of its own. */
}

static void codec_resume(struct media_host *h)
{
	for (struct media_file *f = h->files; f; f = f->next)
		turn_ask(f);
}

static void codec_show(struct media_host *h, struct control_client *c)
{
	for (const struct media_file *f = h->files; f; f = f->next)
		control_say(c, "codec %ux%u, output %u queued, capture %u queued, %s", f->width, f->height,
			    f->out.nqueued, f->cap.nqueued,
			    f->state == CODEC_STOPPED ? "stopped"
			    : f->state == CODEC_WAITS ? "waits"
			    : f->draining	      ? "drains"
						      : "works");
	control_say(c, "pictures %llu, broken %llu", (unsigned long long)h->pictures, (unsigned long long)h->broken);
}

static void codec_needs(const struct media_host_args *args, struct sandbox *s)
{
	sandbox_calls(s, media_mem_calls);
}

const struct media_host_ops media_codec_ops = {
	.needs = codec_needs,
	.start = codec_start,
	.stop = codec_stop,
	.open = codec_open,
	.close = codec_close,
	.ioctl = codec_ioctl,
	.mmap = codec_mmap,
	.reset = codec_reset,
	.resume = codec_resume,
	.show = codec_show,
};
