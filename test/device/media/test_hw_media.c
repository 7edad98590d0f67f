/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_media.c - the media device with V4L2 devices of this machine: vivid's camera, whose path $VDEVD_TEST_VIDEO is (modprobe
 * vivid), and vicodec's stateful codecs, $VDEVD_TEST_ENCODER and $VDEVD_TEST_DECODER (modprobe vicodec).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/media/media_ioctl.h"
#include "test/lib/carrier.h"
#include "test/unit/suites.h"

enum { COMMANDQ, EVENTQ };

#define YUYV MEDIA_FOURCC('Y', 'U', 'Y', 'V')

#define WIDTH  640u
#define HEIGHT 360u
#define FRAMES 3u

static char device_arg[256];
static const char *const vivid_args[] = {device_arg, NULL};
static const char *const limited_args[] = {device_arg, "--formats=YUYV", "--max-size=640x480", "--max-buffers=4", NULL};

static uint32_t request(struct carrier *c, const void *out, size_t out_len, void *in, size_t in_len)
{
	struct media_resp r;
	uint32_t used = carrier_request(c, COMMANDQ, out, out_len, in, in_len);

	ck_assert_uint_ge(used, sizeof(r));
	memcpy(&r, in, sizeof(r));
	return le32toh(r.status);
}

static uint32_t session(struct carrier *c)
{
	const struct media_cmd out = {htole32(VIRTIO_MEDIA_CMD_OPEN), 0};
	struct media_resp_open in;

	ck_assert_uint_eq(request(c, &out, sizeof(out), &in, sizeof(in)), 0);
	return le32toh(in.session_id);
}

static uint32_t run(struct carrier *c, uint32_t id, uint32_t code, void *payload)
{
	const struct media_ioctl *io = media_ioctl_find(code);
	const le32 head[] = {htole32(VIRTIO_MEDIA_CMD_IOCTL), 0, htole32(id), htole32(code)};
	uint8_t out[sizeof(head) + 256], in[sizeof(struct media_resp) + 256];
	uint32_t status;

	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), payload, io->size);
	status = request(c, out, sizeof(head) + io->size, in, sizeof(struct media_resp) + (io->dir & MEDIA_R ? io->size : 0));
	if (!status && io->dir & MEDIA_R)
		memcpy(payload, in + sizeof(struct media_resp), io->size);
	return status;
}

#define DO(c, id, code, p) ck_assert_uint_eq(run(c, id, code, p), 0)

/* Sets the control of this name, if it is there. */
static void set_control(struct carrier *c, uint32_t id, const char *name, uint32_t value)
{
	struct media_queryctrl q = {.id = htole32(0x80000000u)};

	while (run(c, id, MEDIA_QUERYCTRL, &q) == 0) {
		struct media_control k = {q.id, htole32(value)};

		if (strcmp(q.name, name) == 0) {
			DO(c, id, MEDIA_S_CTRL, &k);
			ck_assert_uint_eq(le32toh(k.value), value);
			return;
		}
		q.id |= htole32(0x80000000u);
	}
	ck_abort_msg("no control '%s'", name);
}

static void set_format(struct carrier *c, uint32_t id, struct media_format *f)
{
	le32 input = 0;

	DO(c, id, MEDIA_S_INPUT, &input);
	*f = (struct media_format){.type = htole32(MEDIA_CAPTURE)};
	f->pix.width = htole32(WIDTH);
	f->pix.height = htole32(HEIGHT);
	f->pix.pixelformat = htole32(YUYV);
	DO(c, id, MEDIA_S_FMT, f);
	ck_assert_uint_eq(le32toh(f->pix.width), WIDTH);
	ck_assert_uint_eq(le32toh(f->pix.pixelformat), YUYV);
}

static const uint8_t *map_buffer(struct carrier *c, uint32_t id, uint32_t index)
{
	struct media_buffer b = {.index = htole32(index), .type = htole32(MEDIA_CAPTURE)};
	struct media_resp_mmap in;
	const void *seen;

	DO(c, id, MEDIA_QUERYBUF, &b);
	const le32 out[] = {htole32(VIRTIO_MEDIA_CMD_MMAP), 0, htole32(id), htole32(1), htole32((uint32_t)le64toh(b.m))};

	ck_assert_uint_eq(request(c, out, sizeof(out), &in, sizeof(in)), 0);
	ck_assert_uint_eq(le64toh(in.len), le32toh(b.length));
	seen = frontend_mapped(carrier_frontend(c), 0, le64toh(in.driver_addr), le64toh(in.len));
	ck_assert_ptr_nonnull(seen);
	return seen;
}

static void queue_buffer(struct carrier *c, uint32_t id, uint32_t index)
{
	struct media_buffer b = {.index = htole32(index), .type = htole32(MEDIA_CAPTURE), .memory = htole32(MEDIA_MEMORY_MMAP)};

	DO(c, id, MEDIA_QBUF, &b);
}

/* Frames of a picture that stands still are all the same, and not of one colour; each buffer comes back, again and again. */
static void captures(struct carrier *c)
{
	uint32_t id = session(c), last = 0;
	struct media_requestbuffers r = {.count = htole32(FRAMES), .type = htole32(MEDIA_CAPTURE), .memory = htole32(MEDIA_MEMORY_MMAP)};
	const uint8_t *seen[FRAMES];
	struct vu_shmem_config config;
	struct frontend_request *req;
	struct media_format f;
	le32 type = htole32(MEDIA_CAPTURE);
	uint8_t *first;
	size_t size;

	if (carrier_kind(c) == CARRIER_DIRECT)
		return;
	ck_assert_int_eq(frontend_get_shmem_config(carrier_frontend(c), &config), 0);
	set_format(c, id, &f);
	size = le32toh(f.pix.sizeimage);
	set_control(c, id, "OSD Text Mode", 2);
	DO(c, id, MEDIA_REQBUFS, &r);
	ck_assert_uint_eq(le32toh(r.count), FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++) {
		seen[i] = map_buffer(c, id, i);
		queue_buffer(c, id, i);
	}
	first = malloc(size);
	req = carrier_submit(c, EVENTQ, NULL, 0, sizeof(struct media_event_dqbuf));
	DO(c, id, MEDIA_STREAMON, &type);
	for (uint32_t i = 0; i < 3 * FRAMES; i++) {
		struct media_event_dqbuf e;
		uint32_t index;

		ck_assert_uint_eq(carrier_await(c, EVENTQ, req, &e), sizeof(e));
		ck_assert_uint_eq(le32toh(e.hdr.event), VIRTIO_MEDIA_EVT_DQBUF);
		index = le32toh(e.buffer.index);
		ck_assert_uint_eq(index, i % FRAMES);
		ck_assert_uint_eq(le32toh(e.buffer.bytesused), size);
		ck_assert(i == 0 || le32toh(e.buffer.sequence) > last);
		last = le32toh(e.buffer.sequence);
		if (i == 0)
			memcpy(first, seen[index], size);
		ck_assert_mem_eq(first, seen[index], size);
		req = carrier_submit(c, EVENTQ, NULL, 0, sizeof(e));
		queue_buffer(c, id, index);
	}
	ck_assert_int_ne(memcmp(first, first + (size_t)WIDTH, WIDTH), 0);
	DO(c, id, MEDIA_STREAMOFF, &type);
	free(first);
	/* The device is free when its guest has gone. */
	carrier_reconnect(c);
	id = session(c);
	set_format(c, id, &f);
}

/* What the operator does not allow is not there. */
static void limited(struct carrier *c)
{
	uint32_t id = session(c), n = 0;
	struct media_requestbuffers r = {.count = htole32(20), .type = htole32(MEDIA_CAPTURE), .memory = htole32(MEDIA_MEMORY_MMAP)};
	struct media_format f = {.type = htole32(MEDIA_CAPTURE)};
	struct media_fmtdesc d = {.type = htole32(MEDIA_CAPTURE)};
	le32 input = 0;

	DO(c, id, MEDIA_S_INPUT, &input);
	DO(c, id, MEDIA_ENUM_FMT, &d);
	ck_assert_uint_eq(le32toh(d.pixelformat), YUYV);
	d.index = htole32(1);
	ck_assert_uint_eq(run(c, id, MEDIA_ENUM_FMT, &d), EINVAL);
	for (;; n++) {
		struct media_frmsizeenum s = {.index = htole32(n), .pixel_format = htole32(YUYV)};

		if (run(c, id, MEDIA_ENUM_FRAMESIZES, &s))
			break;
		ck_assert_uint_le(le32toh(s.width), 640);
	}
	ck_assert_uint_ge(n, 1);
	f.pix.width = htole32(1920);
	f.pix.height = htole32(1080);
	f.pix.pixelformat = htole32(MEDIA_FOURCC('N', 'V', '1', '2'));
	DO(c, id, MEDIA_S_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), YUYV);
	ck_assert_uint_le(le32toh(f.pix.width), 640);
	DO(c, id, MEDIA_REQBUFS, &r);
	ck_assert_uint_eq(le32toh(r.count), 4);
	ck_assert_uint_eq(le32toh(r.capabilities) & 6, 0);
}

/* ---- codecs */

#define FWHT MEDIA_FOURCC('F', 'W', 'H', 'T')
#define GREY MEDIA_FOURCC('G', 'R', 'E', 'Y')

/* The smallest that vicodec has. */
#define CODEC_W  640u
#define CODEC_H  360u
#define PICTURES 6u

static char encoder_arg[256], decoder_arg[256];
static const char *const encoder_args[] = {encoder_arg, NULL}, *const decoder_args[] = {decoder_arg, NULL};

static void codec_format(struct carrier *c, uint32_t id, uint32_t type, uint32_t fourcc)
{
	struct media_format f = {.type = htole32(type)};

	f.pix.width = htole32(CODEC_W);
	f.pix.height = htole32(CODEC_H);
	f.pix.pixelformat = htole32(fourcc);
	f.pix.field = htole32(MEDIA_FIELD_NONE);
	DO(c, id, MEDIA_S_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), fourcc);
	ck_assert_uint_eq(le32toh(f.pix.width), CODEC_W);
	ck_assert_uint_eq(le32toh(f.pix.height), CODEC_H);
}

/* One buffer of a queue, mapped and streaming. */
static uint8_t *codec_queue(struct carrier *c, uint32_t id, uint32_t which, uint32_t *len)
{
	struct media_requestbuffers r = {
		.count = htole32(1), .type = htole32(which), .memory = htole32(MEDIA_MEMORY_MMAP)};
	struct media_buffer b = {.type = htole32(which)};
	struct media_resp_mmap in;
	le32 type = htole32(which);
	const void *seen;

	DO(c, id, MEDIA_REQBUFS, &r);
	ck_assert_uint_ge(le32toh(r.count), 1);
	DO(c, id, MEDIA_QUERYBUF, &b);
	*len = le32toh(b.length);
	const le32 out[] = {htole32(VIRTIO_MEDIA_CMD_MMAP), 0, htole32(id), htole32(1),
			    htole32((uint32_t)le64toh(b.m))};

	ck_assert_uint_eq(request(c, out, sizeof(out), &in, sizeof(in)), 0);
	seen = frontend_mapped(carrier_frontend(c), 0, le64toh(in.driver_addr), le64toh(in.len));
	ck_assert_ptr_nonnull(seen);
	DO(c, id, MEDIA_STREAMON, &type);
	return (uint8_t *)(uintptr_t)seen;
}

static void codec_give(struct carrier *c, uint32_t id, uint32_t type, uint32_t bytesused)
{
	struct media_buffer b = {
		.type = htole32(type), .memory = htole32(MEDIA_MEMORY_MMAP), .bytesused = htole32(bytesused)};

	b.field = htole32(MEDIA_FIELD_NONE);
	DO(c, id, MEDIA_QBUF, &b);
}

/* Waits until buffers of both queues (a bit each) have come.  Returns what is in that of CAPTURE. */
static struct media_buffer codec_await(struct carrier *c, unsigned int wanted)
{
	struct media_buffer got = {0};

	while (wanted) {
		struct frontend_request *req = carrier_submit(c, EVENTQ, NULL, 0, sizeof(struct media_event_dqbuf));
		struct media_event_dqbuf e = {0};

		(void)carrier_await(c, EVENTQ, req, &e);
		if (le32toh(e.hdr.event) != VIRTIO_MEDIA_EVT_DQBUF)
			continue;
		ck_assert_uint_eq(le32toh(e.buffer.flags) & MEDIA_BUF_FLAG_ERROR, 0);
		wanted &= ~(1u << le32toh(e.buffer.type));
		if (le32toh(e.buffer.type) == MEDIA_CAPTURE)
			got = e.buffer;
	}
	return got;
}

/* A picture that FWHT keeps but for little: slow shades that move. */
static void codec_picture(uint8_t *raw, uint32_t n)
{
	for (uint32_t y = 0; y < CODEC_H; y++) {
		for (uint32_t x = 0; x < CODEC_W; x++)
			raw[y * CODEC_W + x] = (uint8_t)(16 + (x + y) / 10 + 20 * n);
	}
}

static uint32_t far(uint8_t a, uint8_t b)
{
	return a > b ? a - b : b - a;
}

/* Pictures through the encoder, and what it gives through the decoder: as they were, as near as the codec is. */
static void codecs(struct carrier *c)
{
	static const struct device_suite other = {.device = "media", .args = decoder_args, .further = true};
	uint32_t enc = session(c), dec, len, room, coded[PICTURES], shades = 0;
	struct media_event_subscription s = {.type = htole32(MEDIA_EVENT_SOURCE_CHANGE)};
	uint8_t *in, *out, *stream[PICTURES];
	static uint8_t raw[CODEC_W * CODEC_H];
	struct vu_shmem_config config;
	struct frontend_request *req;
	struct carrier *d;

	if (carrier_kind(c) == CARRIER_DIRECT)
		return;
	ck_assert_int_eq(frontend_get_shmem_config(carrier_frontend(c), &config), 0);
	codec_format(c, enc, MEDIA_CAPTURE, FWHT);
	codec_format(c, enc, MEDIA_OUTPUT, GREY);
	in = codec_queue(c, enc, MEDIA_OUTPUT, &room);
	out = codec_queue(c, enc, MEDIA_CAPTURE, &len);
	ck_assert_uint_ge(room, sizeof(raw));
	for (uint32_t i = 0; i < PICTURES; i++) {
		codec_picture(raw, i);
		memcpy(in, raw, sizeof(raw));
		codec_give(c, enc, MEDIA_CAPTURE, 0);
		codec_give(c, enc, MEDIA_OUTPUT, sizeof(raw));
		coded[i] = le32toh(codec_await(c, 1u << MEDIA_CAPTURE | 1u << MEDIA_OUTPUT).bytesused);
		ck_assert(coded[i] && coded[i] <= len);
		stream[i] = malloc(coded[i]);
		memcpy(stream[i], out, coded[i]);
	}
	d = carrier_open(CARRIER_SESSION, &other);
	ck_assert_int_eq(frontend_get_shmem_config(carrier_frontend(d), &config), 0);
	dec = session(d);
	ck_assert_uint_eq(run(d, dec, MEDIA_SUBSCRIBE_EVENT, &s), 0);
	codec_format(d, dec, MEDIA_OUTPUT, FWHT);
	in = codec_queue(d, dec, MEDIA_OUTPUT, &room);
	for (uint32_t i = 0; i < PICTURES; i++) {
		uint8_t event[sizeof(struct media_event_dqbuf)];
		struct media_event_event e;

		ck_assert_uint_ge(room, coded[i]);
		memcpy(in, stream[i], coded[i]);
		req = i ? NULL : carrier_submit(d, EVENTQ, NULL, 0, sizeof(event));
		codec_give(d, dec, MEDIA_OUTPUT, coded[i]);
		if (i == 0) {
			/* Its size is in the stream. */
			ck_assert_uint_eq(carrier_await(d, EVENTQ, req, event), sizeof(e));
			memcpy(&e, event, sizeof(e));
			ck_assert_uint_eq(le32toh(e.event.type), MEDIA_EVENT_SOURCE_CHANGE);
			codec_format(d, dec, MEDIA_CAPTURE, GREY);
			out = codec_queue(d, dec, MEDIA_CAPTURE, &len);
		}
		codec_give(d, dec, MEDIA_CAPTURE, 0);
		ck_assert_uint_eq(le32toh(codec_await(d, 1u << MEDIA_CAPTURE | 1u << MEDIA_OUTPUT).bytesused),
				  sizeof(raw));
		codec_picture(raw, i);
		for (uint32_t k = 0; k < sizeof(raw); k++)
			shades = far(raw[k], out[k]) > shades ? far(raw[k], out[k]) : shades;
		free(stream[i]);
	}
	/* FWHT is lossy; a picture that was another one would be off by 20. */
	ck_assert_uint_lt(shades, 10);
	carrier_close(d);
}

static const struct device_case codec_cases[] = {
	{.name = "codecs", .run = codecs, .flags = CASE_ONCE},
};

static const struct device_suite vicodec = {
	.device = "media",
	.args = encoder_args,
	.further = true,
	DEVICE_CASES(codec_cases),
};

/* ---- --share */

static char share_arg[256] = "--share=%T/camera";
static const char *const shared_args[] = {device_arg, share_arg, "--formats=YUYV,NV12", NULL};

/* The camera of the host by way of the copies for several guests: frames stand still, and come again and again. */
static void shared(struct carrier *c)
{
	captures(c);
}

static const struct device_case cases[] = {
	{.name = "captures", .run = captures, .flags = CASE_ONCE},
	{.name = "limited", .run = limited, .args = limited_args, .flags = CASE_ONCE},
	{.name = "shared", .run = shared, .args = shared_args, .flags = CASE_ONCE},
};

static const struct device_suite vivid = {
	.device = "media",
	.args = vivid_args,
	.further = true,
	DEVICE_CASES(cases),
};

START_TEST(test_absent)
{
	test_note_skip("hw_media", "VDEVD_TEST_VIDEO names no camera of vivid");
}
END_TEST

Suite *suite_hw_media(void)
{
	Suite *s = suite_create("hw_media");
	TCase *tc = tcase_create("vivid");
	const char *path = getenv("VDEVD_TEST_VIDEO"), *encoder = getenv("VDEVD_TEST_ENCODER"),
		   *decoder = getenv("VDEVD_TEST_DECODER");

	if (path) {
		snprintf(device_arg, sizeof(device_arg), "--device=%s", path);
		suite_add_device(s, &vivid);
	}
	if (encoder && decoder) {
		snprintf(encoder_arg, sizeof(encoder_arg), "--device=%s", encoder);
		snprintf(decoder_arg, sizeof(decoder_arg), "--device=%s", decoder);
		suite_add_device(s, &vicodec);
	}
	if (path || (encoder && decoder))
		return s;
	tcase_add_test(tc, test_absent);
	suite_add_tcase(s, tc);
	return s;
}
