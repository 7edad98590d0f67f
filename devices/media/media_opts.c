/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_opts.c - options of the media device.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/words.h"
#include "devices/media/media.h"
#include "devices/media/media_paint.h"

#define SIZE_MAX_SIDE 16384u

/* The last two are words of vhost-device-media. */
static const char *const backend_words[] = {"auto", "pattern", "v4l2", "file", "sim", "simple-capture", "v4l2-proxy", NULL};

static const unsigned int backends[] = {MEDIA_BACKEND_AUTO, MEDIA_BACKEND_PATTERN, MEDIA_BACKEND_V4L2,	  MEDIA_BACKEND_FILE,
					MEDIA_BACKEND_SIM,  MEDIA_BACKEND_PATTERN, MEDIA_BACKEND_V4L2};

static const char *const codec_words[] = {[MEDIA_CODEC_DECODER] = "decoder", [MEDIA_CODEC_ENCODER] = "encoder", NULL};

_Static_assert(ARRAY_SIZE(backends) + 1 == ARRAY_SIZE(backend_words), "what each word means");

static unsigned int backend_of(const struct media *m)
{
	unsigned int backend = backends[m->backend];

	if (backend != MEDIA_BACKEND_AUTO)
		return backend;
	return m->device ? MEDIA_BACKEND_V4L2 : m->file ? MEDIA_BACKEND_FILE : MEDIA_BACKEND_PATTERN;
}

const struct media_host_ops *media_host_ops_of(const struct media *m)
{
	unsigned int backend = backend_of(m);

	if (backend == MEDIA_BACKEND_SIM)
		return &media_codec_ops;
	return backend == MEDIA_BACKEND_V4L2 && !m->share ? &media_v4l2_ops : &media_camera_ops;
}

const struct media_source_ops *media_source_of(const struct media *m)
{
	unsigned int backend = backend_of(m);

	return backend == MEDIA_BACKEND_V4L2 ? &media_tap_source : backend == MEDIA_BACKEND_FILE ? &media_file_source : &media_pattern_source;
}

/* Four letters, the last ones of which may be left out where they are spaces.  Returns 0: it is none. */
static uint32_t fourcc_of(struct word w)
{
	char name[4] = "    ";

	if (!w.len || w.len > sizeof(name))
		return 0;
	memcpy(name, w.text, w.len);
	return MEDIA_FOURCC((uint8_t)name[0], (uint8_t)name[1], (uint8_t)name[2], (uint8_t)name[3]);
}

static int add_format(void *obj, struct word w, char *why, size_t why_size)
{
	struct media *m = obj;
	uint32_t fourcc = fourcc_of(w);

	if (!fourcc) {
		snprintf(why, why_size, "'%.*s': four letters are wanted, as YUYV, NV12, MJPG", WORD_SHOWN(w));
		return -EINVAL;
	}
	if (m->formats.n == MEDIA_FORMATS_MAX) {
		snprintf(why, why_size, "at most %d formats", MEDIA_FORMATS_MAX);
		return -EINVAL;
	}
	m->formats.at[m->formats.n++] = fourcc;
	return 0;
}

/* "YUYV,NV12" */
static int set_formats(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return words_each(value, ',', add_format, obj, why, why_size);
}

/* "1280x720" */
static bool size_read(struct word width, uint32_t *w, uint32_t *h)
{
	struct word height;
	uint64_t x, y;

	if (!word_cut(&width, 'x', &height) || word_number(&width, &x) < 0 || word_number(&height, &y) < 0 || x > SIZE_MAX_SIDE ||
	    y > SIZE_MAX_SIDE)
		return false;
	*w = (uint32_t)x;
	*h = (uint32_t)y;
	return true;
}

/* "YUYV:640x480" */
static int set_file_format(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct word fourcc = word_of(value), size;
	struct media *m = obj;
	uint32_t w = 0, h = 0;
	const struct media_pixel_format *f;
	bool sized = word_cut(&fourcc, ':', &size) && size_read(size, &w, &h) && w && h && !(w % 2) && !(h % 2);

	f = media_pixel_find(fourcc_of(fourcc));
	if (!f || !sized) {
		snprintf(why, why_size, "a format that a pattern can have, and even width and height are wanted: YUYV:640x480");
		return -EINVAL;
	}
	m->raw = (struct media_picture){NULL, media_pixel_size(f, w, h), f->fourcc, w, h, w * f->bytes};
	return 0;
}

static int set_max_size(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct media *m = obj;
	uint32_t w, h;

	if (!size_read(word_of(value), &w, &h) || w < 160 || h < 120) {
		snprintf(why, why_size, "width and height are wanted, from 160x120 to %ux%u: 1280x720", SIZE_MAX_SIDE, SIZE_MAX_SIDE);
		return -EINVAL;
	}
	m->max_width = w;
	m->max_height = h;
	return 0;
}

/* Addresses of the region are the guest's to have; there are twice as many as bytes, so that gaps do no harm. */
static void region_set(struct media *m)
{
	const uint64_t unit = UINT64_C(1) << 20;

	m->region = (2 * m->max_memory + unit - 1) / unit * unit;
	m->d.face.shmem = &m->region;
}

int media_check(struct vdev *d)
{
	struct media *m = to_media(d);
	unsigned int backend = backend_of(m);
	const char *wrong = NULL;

	if (!m->max_width) {
		bool made_up = backend == MEDIA_BACKEND_PATTERN || backend == MEDIA_BACKEND_SIM;

		m->max_width = made_up ? 1920 : SIZE_MAX_SIDE;
		m->max_height = made_up ? 1080 : SIZE_MAX_SIDE;
	}
	if (backend == MEDIA_BACKEND_V4L2 && !m->device)
		wrong = "no device: --device=/dev/video0 is wanted, or --backend=pattern";
	else if (backend != MEDIA_BACKEND_V4L2 && m->device)
		wrong = "--device goes with --backend=v4l2 only";
	else if (backend == MEDIA_BACKEND_FILE && !m->file)
		wrong = "no file of pictures: --file=PATH is wanted";
	else if (backend != MEDIA_BACKEND_FILE && (m->file || m->raw.pixelformat))
		wrong = "--file and --file-format go with --backend=file only";
	else if (backend == MEDIA_BACKEND_SIM && m->share)
		wrong = "--share goes with cameras only";
	else if (m->card && (!m->card[0] || strlen(m->card) > sizeof(((struct media_config *)NULL)->card)))
		wrong = "--card: a name of at most 32 bytes is wanted";
	if (wrong) {
		log_usage(&d->log, "%s", wrong);
		return -EINVAL;
	}
	region_set(m);
	return 0;
}

const struct opt media_opts[] = {
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct media, backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "auto",
		.help = "pattern, v4l2 (--device), file (--file), sim",
		.man = MAN("pattern: a camera that is made up.  v4l2: the V4L2 device --device of the host.  file: a camera that shows the "
			   "pictures of --file.  sim: a codec that is made up, --codec.  auto: v4l2 with --device, file with --file, otherwise "
			   "pattern.  simple-capture and v4l2-proxy are vhost-device-media's words for pattern and v4l2."),
		.compat = "b,backend",
	},
	{
		.name = "device",
		.type = OPT_TEXT,
		.off = offsetof(struct media, device),
		.arg = "PATH",
		.help = "V4L2 device of the host: /dev/video0",
		.man = MAN("A V4L2 device of the host: a camera, a stateful codec.  The guest sees it as it is, but for what the options "
			   "below take away."),
		.compat = "d,v4l2-device",
	},
	{
		.name = "file",
		.type = OPT_TEXT,
		.off = offsetof(struct media, file),
		.arg = "PATH",
		.help = "a file of pictures, shown again and again",
		.man = MAN("A file whose pictures are shown one after the other, at the rate that the guest asks for, and then from the first on "
			   "again: Motion-JPEG, as JPEG pictures of one size that stand behind each other; or raw frames of --file-format.  "
			   "A JPEG picture goes to the guest as it is."),
	},
	{
		.name = "file-format",
		.type = OPT_CALL,
		.once = true,
		.rare = true,
		.arg = "FORMAT:WxH",
		.help = "how raw pictures of --file are: YUYV:640x480",
		.man = MAN("The pixel format of a raw --file, one of those that the pattern has, with even width and height.  There are no gaps "
			   "between lines or frames."),
		.set = set_file_format,
	},
	{
		.name = "codec",
		.type = OPT_WORD,
		.off = offsetof(struct media, codec),
		.words = codec_words,
		.arg = "KIND",
		.def = "decoder",
		.rare = true,
		.help = "what sim is: decoder or encoder",
		.man = MAN("Which stateful codec --backend=sim is.  The coded format is VDRL, vdevd's own: a head of 16 bytes (these four letters, "
			   "width, height and the length of what follows, little-endian), then the bytes of the picture packed by runs as "
			   "PackBits has it.  Raw formats are YU12, NV12 and GREY.  It is there to test drivers and programs: queues, drain, "
			   "source changes, the last buffer."),
	},
	{
		.name = "share",
		.type = OPT_SOCKET,
		.off = offsetof(struct media, share),
		.arg = "PATH",
		.help = "socket where vdevds meet that share a camera",
		.man = MAN("A Unix socket where vdevds meet, one for each guest, that show one camera.  The first that comes makes it, and has the "
			   "camera; its guest sets format, rate and controls.  The guests of the others, 16 at most, find that one format, and "
			   "no controls.  The format stays while any of them looks: S_FMT then gives what is set.  When it changes, the others get "
			   "V4L2_EVENT_SOURCE_CHANGE, and no frames until they start anew.  Each frame is copied once for all others, and once "
			   "for each guest; a guest that is slow, or a vdevd that stands still, loses frames and delays nobody.  When the first "
			   "ends, the sessions of the others fail, as at a camera that is unplugged, and another takes its place.  All are to have "
			   "the same options but for sockets, --formats and --max-size; the socket's permissions say who may look.  "
			   "Each can take the socket's place, which the sandbox allows it in that folder: one that its guest has taken over could pose as "
			   "the camera to the others, and keep memory of the rings that it was shown.  "
			   "The ring of four frames that others see counts against --max-memory."),
	},
	{
		.name = "card",
		.type = OPT_TEXT,
		.off = offsetof(struct media, card),
		.rare = true,
		.arg = "NAME",
		.help = "name of the device as the guest sees it",
		.man = MAN("The name that the guest sees, of at most 32 bytes.  Without the option it is that of --device, or that of "
			   "the pattern."),
	},
	{
		.name = "formats",
		.type = OPT_CALL,
		.arg = "LIST",
		.help = "pixel formats the guest may use: YUYV,NV12",
		.man = MAN("Pixel formats that the guest may see and set, as four letters each; repeatable.  Without the option it is all "
			   "there are.  The pattern has YUYV, UYVY, NV12, NV21, YU12, YV12, RGB3, BGR3, XR24, GREY."),
		.set = set_formats,
	},
	{
		.name = "max-size",
		.type = OPT_CALL,
		.once = true,
		.arg = "WxH",
		.help = "the largest picture the guest may ask for",
		.man = MAN("The largest width and height, in pixels.  The default is 1920x1080 with the pattern, which goes up to "
			   "3840x2160; with --device it is what that has."),
		.set = set_max_size,
	},
	{
		.name = "max-sessions",
		.type = OPT_UINT,
		.off = offsetof(struct media, max_sessions),
		.arg = "N",
		.def = "128",
		.min = 1,
		.max = MEDIA_SESSIONS_MAX,
		.help = "how often the guest may open the device",
		.man = MAN("How many sessions there may be at once, from 1 to 256: each open(2) in the guest is one.  Beyond them it gets EBUSY."),
	},
	{
		.name = "max-buffers",
		.type = OPT_UINT,
		.off = offsetof(struct media, max_buffers),
		.arg = "N",
		.def = "32",
		.min = 2,
		.max = MEDIA_BUFFERS_MAX,
		.help = "buffers of a queue at most",
		.man = MAN("How many buffers a queue may have, from 2 to 32.  A guest that asks for more is given so many."),
	},
	{
		.name = "max-memory",
		.type = OPT_BYTES,
		.off = offsetof(struct media, max_memory),
		.arg = "SIZE",
		.def = "256M",
		.min = 1u << 20,
		.max = UINT64_C(64) << 30,
		.help = "bytes of all buffers together at most",
		.man = MAN("What all buffers of the guest may take together, those included that it still has mapped; K, M and G multiply by "
			   "1024.  Beyond it, and beyond 512 buffers, the guest gets ENOMEM.  The shared memory region of the device is twice as large: addresses, "
			   "not memory."),
	},
	{
		.name = "snapshot",
		.type = OPT_TEXT,
		.off = offsetof(struct media, snapshot),
		.arg = "FILE",
		.help = "where the command snapshot writes a picture",
		.man = MAN("The file that the command \"snapshot\" on the socket of --control writes the next picture to, in the portable "
			   "pixmap format (PPM); one that is JPEG as it is.  Who watches that socket is told when it is there.  Of other formats than "
			   "those the pattern has the picture is black."),
	},
	{0},
};

const struct vdev_compat media_compat = {
	.name = "vhost-device-video",
};
