/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_media_codec.c - the media device as the codec that is made up: V4L2's stateful encoder and decoder, dev-encoder.rst and
 * dev-decoder.rst.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "devices/media/media_runs.h"
#include "test/device/media/media_driver.h"
#include "test/unit/suites.h"

#define VDRL MEDIA_FOURCC('V', 'D', 'R', 'L')

#define START 0
#define STOP  1

#define CAPTURE_BASE 0x40000000u

#define MOST (64 * 32 * 2 + 64)

/* What an event is: a buffer of a queue, or V4L2's. */
struct told {
	uint32_t event, type;
	struct media_buffer buffer;
	struct media_v4l2_event v4l2;
};

static struct told await_told(struct carrier *c, uint32_t id)
{
	uint8_t in[sizeof(struct media_event_dqbuf)] = {0};
	struct media_event_header head;
	struct told t = {0};

	(void)carrier_await(c, EVENTQ, event_room(c), in);
	memcpy(&head, in, sizeof(head));
	ck_assert_uint_eq(le32toh(head.session_id), id);
	t.event = le32toh(head.event);
	memcpy(&t.buffer, in + sizeof(head), sizeof(t.buffer));
	memcpy(&t.v4l2, in + sizeof(head), sizeof(t.v4l2));
	t.type = t.event == VIRTIO_MEDIA_EVT_DQBUF ? le32toh(t.buffer.type) : le32toh(t.v4l2.type);
	return t;
}

/* The next event is a buffer of this queue, with these of the flags ERROR and LAST. */
static struct media_buffer await_buffer(struct carrier *c, uint32_t id, uint32_t type, uint32_t flags)
{
	struct told t = await_told(c, id);

	ck_assert_uint_eq(t.event, VIRTIO_MEDIA_EVT_DQBUF);
	ck_assert_uint_eq(t.type, type);
	ck_assert_uint_eq(le32toh(t.buffer.flags) & (MEDIA_BUF_FLAG_ERROR | MEDIA_BUF_FLAG_LAST), flags);
	ck_assert_uint_eq(le32toh(t.buffer.flags) & MEDIA_BUF_FLAG_TIMESTAMP_COPY, MEDIA_BUF_FLAG_TIMESTAMP_COPY);
	return t.buffer;
}

static void await_event(struct carrier *c, uint32_t id, uint32_t type)
{
	struct told t = await_told(c, id);

	ck_assert_uint_eq(t.event, VIRTIO_MEDIA_EVT_EVENT);
	ck_assert_uint_eq(t.type, type);
	if (type == MEDIA_EVENT_SOURCE_CHANGE)
		ck_assert_uint_eq(le32toh(t.v4l2.ctrl.changes), MEDIA_EVENT_SRC_CH_RESOLUTION);
}

static void queue(struct carrier *c, uint32_t id, uint32_t type, uint32_t index, uint32_t bytesused, uint32_t sec)
{
	struct media_buffer b = {.index = htole32(index), .type = htole32(type), .memory = htole32(MEDIA_MEMORY_MMAP)};

	b.bytesused = htole32(bytesused);
	b.sec = htole64(sec);
	DO(c, id, MEDIA_QBUF, &b);
}

static uint32_t command(struct carrier *c, uint32_t id, uint32_t code, uint32_t cmd)
{
	le32 words[18] = {htole32(cmd)};
	size_t size = code == MEDIA_DECODER_CMD || code == MEDIA_TRY_DECODER_CMD ? 72 : 40;

	return ioctl_wr(c, id, code, words, size);
}

static uint32_t subscribe(struct carrier *c, uint32_t id, uint32_t type)
{
	struct media_event_subscription s = {.type = htole32(type)};

	return ioctl_raw(c, id, MEDIA_SUBSCRIBE_EVENT, &s, sizeof(s), 0);
}

static struct media_format format(struct carrier *c, uint32_t id, uint32_t code, uint32_t type, uint32_t fourcc,
				  uint32_t w, uint32_t h)
{
	struct media_format f = {.type = htole32(type)};

	f.pix.pixelformat = htole32(fourcc);
	f.pix.width = htole32(w);
	f.pix.height = htole32(h);
	DO(c, id, code, &f);
	return f;
}

static void buffers_of(struct carrier *c, uint32_t id, uint32_t type, uint32_t count)
{
	uint32_t n = count;

	ck_assert_uint_eq(reqbufs_of(c, id, type, &n), 0);
	ck_assert_uint_eq(n, count);
}

/* ---- the encoder */

static const char *const encoder_args[] = {"--backend=sim", "--codec=encoder", NULL};

static void encoder_set_up(struct carrier *c, uint32_t id)
{
	struct media_format f = format(c, id, MEDIA_S_FMT, MEDIA_OUTPUT, GREY, 160, 120);

	ck_assert_uint_eq(le32toh(f.pix.sizeimage), 160 * 120);
	f = format(c, id, MEDIA_G_FMT, MEDIA_CAPTURE, 0, 0, 0);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), VDRL);
	ck_assert_uint_eq(le32toh(f.pix.width), 160);
	ck_assert_uint_ge(le32toh(f.pix.sizeimage), 160 * 120 + 16);
	buffers_of(c, id, MEDIA_OUTPUT, 2);
	buffers_of(c, id, MEDIA_CAPTURE, 2);
	ck_assert_uint_eq(stream_of(c, id, MEDIA_OUTPUT, true), 0);
	ck_assert_uint_eq(stream_of(c, id, MEDIA_CAPTURE, true), 0);
}

/* Each picture that goes in comes out, with its time; a drain ends with the last of them, or with an empty buffer. */
static void encodes(struct carrier *c)
{
	uint32_t id = session(c);
	struct media_buffer b;

	ck_assert_uint_eq(subscribe(c, id, MEDIA_EVENT_EOS), 0);
	ck_assert_uint_eq(subscribe(c, id, MEDIA_EVENT_SOURCE_CHANGE), EINVAL);
	encoder_set_up(c, id);
	for (uint32_t i = 0; i < 3; i++) {
		queue(c, id, MEDIA_CAPTURE, i % 2, 0, 0);
		queue(c, id, MEDIA_OUTPUT, i % 2, 0, 7 + i);
		await_buffer(c, id, MEDIA_OUTPUT, 0);
		b = await_buffer(c, id, MEDIA_CAPTURE, 0);
		ck_assert_uint_eq(le64toh(b.sec), 7 + i);
		ck_assert_uint_eq(le32toh(b.sequence), i);
		ck_assert_uint_eq(le32toh(b.flags) & MEDIA_BUF_FLAG_KEYFRAME, MEDIA_BUF_FLAG_KEYFRAME);
		/* A picture without content: 150 runs of 128. */
		ck_assert_uint_eq(le32toh(b.bytesused), 16 + 150 * 2);
	}
	queue(c, id, MEDIA_OUTPUT, 0, 0, 1);
	queue(c, id, MEDIA_OUTPUT, 1, 0, 2);
	ck_assert_uint_eq(command(c, id, MEDIA_TRY_ENCODER_CMD, STOP), 0);
	ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, 2), EINVAL);
	ck_assert_uint_eq(command(c, id, MEDIA_DECODER_CMD, STOP), ENOTTY);
	ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, STOP), 0);
	ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, STOP), EBUSY);
	ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, START), EBUSY);
	queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
	await_buffer(c, id, MEDIA_OUTPUT, 0);
	await_buffer(c, id, MEDIA_CAPTURE, 0);
	/* This one comes behind the drain. */
	queue(c, id, MEDIA_OUTPUT, 0, 0, 3);
	queue(c, id, MEDIA_CAPTURE, 1, 0, 0);
	await_buffer(c, id, MEDIA_OUTPUT, 0);
	b = await_buffer(c, id, MEDIA_CAPTURE, MEDIA_BUF_FLAG_LAST);
	ck_assert_uint_eq(le64toh(b.sec), 2);
	await_event(c, id, MEDIA_EVENT_EOS);
	queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
	event_room(c);
	carrier_stays(c, EVENTQ, 5);
	ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, STOP), 0);
	carrier_stays(c, EVENTQ, 5);
	close_session(c, id);
}

/* A drain of nothing; START and a queue that streams anew end the stop. */
static void encoder_starts(struct carrier *c)
{
	uint32_t id = session(c);
	struct media_buffer b;

	ck_assert_uint_eq(subscribe(c, id, MEDIA_EVENT_EOS), 0);
	ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, STOP), 0);
	encoder_set_up(c, id);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, STOP), 0);
		queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
		b = await_buffer(c, id, MEDIA_CAPTURE, MEDIA_BUF_FLAG_LAST);
		ck_assert_uint_eq(le32toh(b.bytesused), 0);
		await_event(c, id, MEDIA_EVENT_EOS);
		if (i) {
			ck_assert_uint_eq(stream_of(c, id, MEDIA_CAPTURE, false), 0);
			ck_assert_uint_eq(stream_of(c, id, MEDIA_CAPTURE, true), 0);
		} else {
			ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, START), 0);
		}
		queue(c, id, MEDIA_OUTPUT, 0, 0, 0);
		queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
		await_buffer(c, id, MEDIA_OUTPUT, 0);
		await_buffer(c, id, MEDIA_CAPTURE, 0);
	}
	/* Less than a picture. */
	queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
	queue(c, id, MEDIA_OUTPUT, 0, 1, 0);
	await_buffer(c, id, MEDIA_OUTPUT, MEDIA_BUF_FLAG_ERROR);
	/* More than a buffer. */
	b = (struct media_buffer){.type = htole32(MEDIA_OUTPUT), .memory = htole32(1), .bytesused = htole32(1u << 30)};
	FAILS(c, id, MEDIA_QBUF, &b, EINVAL);
	close_session(c, id);
}

static void encoder_formats(struct carrier *c)
{
	uint32_t id = session(c), n = 0;
	struct media_config config;
	struct media_format f;

	carrier_config_read(c, 0, &config, sizeof(config));
	ck_assert_uint_eq(le32toh(config.device_caps),
			  MEDIA_CAP_VIDEO_M2M | MEDIA_CAP_EXT_PIX_FORMAT | MEDIA_CAP_STREAMING);
	ck_assert_str_eq(config.card, "vdevd test encoder");
	for (;; n++) {
		struct media_fmtdesc d = {.index = htole32(n), .type = htole32(MEDIA_OUTPUT)};

		if (ioctl_wr(c, id, MEDIA_ENUM_FMT, &d, sizeof(d)))
			break;
		ck_assert_uint_eq(le32toh(d.flags), 0);
	}
	ck_assert_uint_eq(n, 3);
	struct media_fmtdesc d = {.type = htole32(MEDIA_CAPTURE)};
	struct media_frmsizeenum s = {.pixel_format = htole32(VDRL)};

	DO(c, id, MEDIA_ENUM_FMT, &d);
	ck_assert_uint_eq(le32toh(d.pixelformat), VDRL);
	ck_assert_uint_eq(le32toh(d.flags), MEDIA_FMT_FLAG_COMPRESSED);
	d.index = htole32(1);
	FAILS(c, id, MEDIA_ENUM_FMT, &d, EINVAL);
	DO(c, id, MEDIA_ENUM_FRAMESIZES, &s);
	ck_assert_uint_eq(le32toh(s.type), MEDIA_TYPE_STEPWISE);
	/* stepwise: min, max, step of the width, then of the height */
	ck_assert_uint_eq(le32toh(s.height), 1920);
	ck_assert_uint_eq(le32toh(s.stepwise[2]), 1080);
	f = format(c, id, MEDIA_TRY_FMT, MEDIA_OUTPUT, VDRL, UINT32_MAX, 0);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), MEDIA_FOURCC('Y', 'U', '1', '2'));
	ck_assert_uint_eq(le32toh(f.pix.width), 1920);
	ck_assert_uint_eq(le32toh(f.pix.height), 16);
	f = format(c, id, MEDIA_TRY_FMT, MEDIA_OUTPUT, NV12, 33, 1081);
	ck_assert_uint_eq(le32toh(f.pix.width), 32);
	ck_assert_uint_eq(le32toh(f.pix.height), 1080);
	buffers_of(c, id, MEDIA_CAPTURE, 1);
	FAILS(c, id, MEDIA_S_FMT, &f, EBUSY);
	f.type = htole32(MEDIA_CAPTURE_MPLANE);
	FAILS(c, id, MEDIA_G_FMT, &f, EINVAL);
}

/* ---- the decoder */

static const char *const decoder_args[] = {"--backend=sim", "--max-size=640x480", NULL};

static uint8_t *map(struct carrier *c, uint32_t id, uint32_t offset)
{
	struct media_resp_mmap in;
	const void *at;

	ck_assert_uint_eq(mmap_offset(c, id, offset, 1, &in), 0);
	at = frontend_mapped(carrier_frontend(c), 0, le64toh(in.driver_addr), le64toh(in.len));
	ck_assert_ptr_nonnull(at);
	return (uint8_t *)(uintptr_t)at;
}

/* A picture in shades that begin with seed, packed.  Returns its bytes. */
static uint32_t picture(uint8_t *out, uint32_t w, uint32_t h, uint8_t seed)
{
	const le32 head[] = {htole32(VDRL), htole32(w), htole32(h), 0};
	uint8_t raw[64 * 32];
	le32 len;

	for (uint32_t i = 0; i < w * h; i++)
		raw[i] = (uint8_t)(seed + i / (i % 7 + 3));
	memcpy(out, head, sizeof(head));
	len = htole32((uint32_t)media_runs_pack(raw, (size_t)w * h, out + sizeof(head)));
	memcpy(out + 12, &len, sizeof(len));
	return (uint32_t)sizeof(head) + le32toh(len);
}

static void check_picture(const uint8_t *seen, uint32_t n, uint8_t seed)
{
	for (uint32_t i = 0; i < n; i++)
		ck_assert_uint_eq(seen[i], (uint8_t)(seed + i / (i % 7 + 3)));
}

static void decoder_begin(struct carrier *c, uint32_t id)
{
	ck_assert_uint_eq(subscribe(c, id, MEDIA_EVENT_EOS), 0);
	ck_assert_uint_eq(subscribe(c, id, MEDIA_EVENT_SOURCE_CHANGE), 0);
	ck_assert_uint_eq(subscribe(c, id, MEDIA_EVENT_CTRL), EINVAL);
	format(c, id, MEDIA_S_FMT, MEDIA_OUTPUT, VDRL, 64, 32);
	format(c, id, MEDIA_S_FMT, MEDIA_CAPTURE, GREY, 0, 0);
	buffers_of(c, id, MEDIA_OUTPUT, 2);
	ck_assert_uint_eq(stream_of(c, id, MEDIA_OUTPUT, true), 0);
}

static void capture_begin(struct carrier *c, uint32_t id, uint32_t w, uint32_t h)
{
	struct media_format f = format(c, id, MEDIA_G_FMT, MEDIA_CAPTURE, 0, 0, 0);

	ck_assert_uint_eq(le32toh(f.pix.width), w);
	ck_assert_uint_eq(le32toh(f.pix.height), h);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), GREY);
	buffers_of(c, id, MEDIA_CAPTURE, 2);
	ck_assert_uint_eq(stream_of(c, id, MEDIA_CAPTURE, true), 0);
}

/* The size is the stream's; it changes in the midst; a drain, and what comes behind it. */
static void decodes(struct carrier *c)
{
	uint32_t id, n, none = 0;
	uint8_t *in, *out;
	struct media_buffer b;

	if (!has_region(c))
		return;
	id = session(c);
	decoder_begin(c, id);
	in = map(c, id, 0);
	n = picture(in, 32, 16, 3);
	queue(c, id, MEDIA_OUTPUT, 0, n, 5);
	await_event(c, id, MEDIA_EVENT_SOURCE_CHANGE);
	capture_begin(c, id, 32, 16);
	out = map(c, id, CAPTURE_BASE + 65536);
	queue(c, id, MEDIA_CAPTURE, 1, 0, 0);
	await_buffer(c, id, MEDIA_OUTPUT, 0);
	b = await_buffer(c, id, MEDIA_CAPTURE, 0);
	ck_assert_uint_eq(le32toh(b.index), 1);
	ck_assert_uint_eq(le32toh(b.bytesused), 32 * 16);
	ck_assert_uint_eq(le64toh(b.sec), 5);
	check_picture(out, 32 * 16, 3);
	/* Another size: the last buffer of the old one is empty. */
	n = picture(in, 64, 32, 9);
	queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
	queue(c, id, MEDIA_OUTPUT, 0, n, 6);
	await_event(c, id, MEDIA_EVENT_SOURCE_CHANGE);
	b = await_buffer(c, id, MEDIA_CAPTURE, MEDIA_BUF_FLAG_LAST);
	ck_assert_uint_eq(le32toh(b.bytesused), 0);
	ck_assert_uint_eq(stream_of(c, id, MEDIA_CAPTURE, false), 0);
	ck_assert_uint_eq(reqbufs_of(c, id, MEDIA_CAPTURE, &none), 0);
	capture_begin(c, id, 64, 32);
	out = map(c, id, CAPTURE_BASE);
	ck_assert_uint_eq(command(c, id, MEDIA_DECODER_CMD, STOP), 0);
	queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
	await_buffer(c, id, MEDIA_OUTPUT, 0);
	b = await_buffer(c, id, MEDIA_CAPTURE, MEDIA_BUF_FLAG_LAST);
	ck_assert_uint_eq(le32toh(b.bytesused), 64 * 32);
	check_picture(out, 64 * 32, 9);
	await_event(c, id, MEDIA_EVENT_EOS);
	queue(c, id, MEDIA_CAPTURE, 1, 0, 0);
	queue(c, id, MEDIA_OUTPUT, 0, n, 7);
	event_room(c);
	carrier_stays(c, EVENTQ, 5);
	close_session(c, id);
}

/* After START the decoder goes on; a seek forgets what was queued. */
static void decoder_seeks(struct carrier *c)
{
	uint32_t id, n;
	uint8_t *in;

	if (!has_region(c))
		return;
	id = session(c);
	decoder_begin(c, id);
	in = map(c, id, 0);
	n = picture(in, 32, 16, 3);
	queue(c, id, MEDIA_OUTPUT, 0, n, 5);
	await_event(c, id, MEDIA_EVENT_SOURCE_CHANGE);
	capture_begin(c, id, 32, 16);
	ck_assert_uint_eq(stream_of(c, id, MEDIA_OUTPUT, false), 0);
	queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
	ck_assert_uint_eq(stream_of(c, id, MEDIA_OUTPUT, true), 0);
	queue(c, id, MEDIA_OUTPUT, 0, n, 6);
	await_buffer(c, id, MEDIA_OUTPUT, 0);
	ck_assert_uint_eq(le64toh(await_buffer(c, id, MEDIA_CAPTURE, 0).sec), 6);
	ck_assert_uint_eq(command(c, id, MEDIA_DECODER_CMD, STOP), 0);
	queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
	await_buffer(c, id, MEDIA_CAPTURE, MEDIA_BUF_FLAG_LAST);
	await_event(c, id, MEDIA_EVENT_EOS);
	ck_assert_uint_eq(command(c, id, MEDIA_DECODER_CMD, START), 0);
	queue(c, id, MEDIA_OUTPUT, 0, n, 8);
	queue(c, id, MEDIA_CAPTURE, 1, 0, 0);
	await_buffer(c, id, MEDIA_OUTPUT, 0);
	ck_assert_uint_eq(le64toh(await_buffer(c, id, MEDIA_CAPTURE, 0).sec), 8);
}

/* What is no picture comes back as an error, on any carrier; the decoder goes on. */
static void decoder_broken(struct carrier *c)
{
	uint32_t id = session(c), n;
	uint8_t *in;

	decoder_begin(c, id);
	for (uint32_t len = 1; len < 100; len += 33) {
		queue(c, id, MEDIA_OUTPUT, 0, len, 0);
		await_buffer(c, id, MEDIA_OUTPUT, MEDIA_BUF_FLAG_ERROR);
	}
	ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, STOP), ENOTTY);
	ck_assert_uint_eq(command(c, id, MEDIA_TRY_DECODER_CMD, START), 0);
	ck_assert_uint_eq(command(c, id, MEDIA_DECODER_CMD, UINT32_MAX), EINVAL);
	if (!has_region(c))
		return;
	in = map(c, id, 0);
	for (unsigned int i = 0; i < 4; i++) {
		static const struct {
			uint32_t word, value;
		} wrong[] = {{0, 1}, {1, 0}, {2, 1u << 31}, {3, UINT32_MAX}};
		const le32 value = htole32(wrong[i].value);

		n = picture(in, 32, 16, 1);
		memcpy(in + 4 * wrong[i].word, &value, sizeof(value));
		queue(c, id, MEDIA_OUTPUT, 0, n, 0);
		await_buffer(c, id, MEDIA_OUTPUT, MEDIA_BUF_FLAG_ERROR);
	}
	n = picture(in, 32, 16, 1);
	queue(c, id, MEDIA_OUTPUT, 0, n, 0);
	await_event(c, id, MEDIA_EVENT_SOURCE_CHANGE);
	capture_begin(c, id, 32, 16);
	queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
	await_buffer(c, id, MEDIA_OUTPUT, 0);
	await_buffer(c, id, MEDIA_CAPTURE, 0);
	/* Runs that are longer than the picture. */
	in[16] = 129;
	queue(c, id, MEDIA_OUTPUT, 0, n, 0);
	queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
	await_buffer(c, id, MEDIA_OUTPUT, MEDIA_BUF_FLAG_ERROR);
	await_buffer(c, id, MEDIA_CAPTURE, MEDIA_BUF_FLAG_ERROR);
}

/* Files that come and go in the midst of all, and a guest that does. */
static void codec_storm(struct carrier *c)
{
	for (unsigned int i = 0; i < 6; i++) {
		uint32_t id = session(c);

		encoder_set_up(c, id);
		queue(c, id, MEDIA_OUTPUT, 0, 0, 0);
		queue(c, id, MEDIA_OUTPUT, 1, 0, 0);
		queue(c, id, MEDIA_CAPTURE, 0, 0, 0);
		ck_assert_uint_eq(command(c, id, MEDIA_ENCODER_CMD, STOP), 0);
		if (i % 3 == 0)
			close_session(c, id);
		else if (i % 3 == 1)
			carrier_reset(c);
	}
	carrier_reconnect(c);
	encodes(c);
}

/* Every ioctl there is, with bytes that mean nothing, in any state: an answer, and a codec that works after it. */
static void codec_hostile(struct carrier *c)
{
	uint32_t random = 12345;

	for (unsigned int turn = 0; turn < 3; turn++) {
		uint32_t id = session(c);

		if (turn)
			encoder_set_up(c, id);
		for (unsigned int i = 0; i < 400; i++) {
			uint8_t payload[MEDIA_PAYLOAD_MAX];
			uint32_t code = (random = random * 1103515245u + 12345u) >> 16;
			const struct media_ioctl *io = media_ioctl_find(code % 104);

			if (!io)
				continue;
			for (size_t at = 0; at < io->size; at++) {
				random = random * 1103515245u + 12345u;
				/* Small numbers are what gets through to something. */
				payload[at] =
					(uint8_t)(random >> 30 ? (at % 4 ? 0 : (random >> 16) % 3) : random >> 16);
			}
			ioctl_raw(c, id, code % 104, payload, io->dir & MEDIA_W ? io->size : 0,
				  io->dir & MEDIA_R ? io->size : 0);
		}
		close_session(c, id);
	}
	/* What was told of those sessions has gone with them. */
	encodes(c);
}

/* ---- the runs */

static void round_trip(const uint8_t *in, size_t n)
{
	uint8_t packed[MOST], back[1024];
	size_t len = media_runs_pack(in, n, packed);

	ck_assert_uint_le(len, media_runs_most(n));
	ck_assert(media_runs_unpack(packed, len, back, n));
	ck_assert_mem_eq(in, back, n);
	/* Cut short, or for another size: no. */
	if (len)
		ck_assert(!media_runs_unpack(packed, len - 1, back, n));
	ck_assert(!media_runs_unpack(packed, len, back, n + 1));
}

START_TEST(runs)
{
	uint8_t in[1000];
	uint32_t random = 1;

	for (unsigned int turn = 0; turn < 200; turn++) {
		size_t n = turn < 4 ? turn : turn * 5;

		for (size_t i = 0; i < n; i++) {
			random = random * 1103515245u + 12345u;
			in[i] = (uint8_t)((random >> 16) % (turn % 5 + 1));
		}
		if (n)
			round_trip(in, n);
	}
	memset(in, 7, sizeof(in));
	round_trip(in, sizeof(in));
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	round_trip(in, sizeof(in));
	in[0] = 128;
	ck_assert(media_runs_unpack(in, 1, in + 1, 0));
}
END_TEST

struct flipper {
	volatile uint8_t *in;
	size_t n;
	atomic_uint turns;
	atomic_bool end;
};

/* Bytes that are all the same, and bytes that are not, in turn. */
static void *flip(void *arg)
{
	struct flipper *f = arg;

	while (!atomic_load(&f->end)) {
		bool same = atomic_fetch_add(&f->turns, 1) % 2;

		for (size_t i = 0; i < f->n; i++)
			f->in[i] = same ? 0 : (uint8_t)(i * 7);
	}
	return NULL;
}

/* A guest that writes into the picture meanwhile does not make the result longer. */
START_TEST(runs_change)
{
	static uint8_t in[64], out[2 * sizeof(in)];
	struct flipper f = {.in = in, .n = sizeof(in)};
	pthread_t thread;
	size_t most = 0;

	ck_assert_int_eq(pthread_create(&thread, NULL, flip, &f), 0);
	while (atomic_load(&f.turns) < 2000000) {
		size_t len = media_runs_pack(in, sizeof(in), out);

		most = len > most ? len : most;
	}
	atomic_store(&f.end, true);
	pthread_join(thread, NULL);
	ck_assert_uint_le(most, media_runs_most(sizeof(in)));
}
END_TEST

static const struct device_case cases[] = {
	{.name = "formats", .run = encoder_formats, .args = encoder_args, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "encodes", .run = encodes, .args = encoder_args},
	{.name = "encoder starts", .run = encoder_starts, .args = encoder_args, .flags = CASE_ONCE},
	{.name = "decodes", .run = decodes, .args = decoder_args, .flags = CASE_ONCE},
	{.name = "decoder seeks", .run = decoder_seeks, .args = decoder_args, .flags = CASE_ONCE},
	{.name = "decoder, broken", .run = decoder_broken, .args = decoder_args, .flags = CASE_ONCE},
	{.name = "codec, hostile", .run = codec_hostile, .args = encoder_args, .flags = CASE_ONCE},
	{.name = "codec storm", .run = codec_storm, .args = encoder_args, .flags = CASE_ONCE},
};

static const struct device_suite codec = {
	.device = "media",
	.further = true,
	DEVICE_CASES(cases),
};

Suite *suite_media_codec(void)
{
	Suite *s = suite_create("media_codec");
	TCase *t = tcase_create("runs");

	tcase_add_test(t, runs);
	tcase_add_test(t, runs_change);
	suite_add_tcase(s, t);
	suite_add_device(s, &codec);
	return s;
}
