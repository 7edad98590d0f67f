/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_media.c - the media device: VIRTIO 1.4, section "Media Device", with the camera that is made up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "devices/media/media_paint.h"
#include "devices/media/media_share.h"
#include "test/device/media/media_driver.h"
#include "test/unit/suites.h"

#define ROOM 65536

/* ---- good requests */

static void config_space(struct carrier *c)
{
	struct media_config config;

	carrier_config_read(c, 0, &config, sizeof(config));
	ck_assert_uint_eq(le32toh(config.device_caps), MEDIA_CAP_VIDEO_CAPTURE | MEDIA_CAP_EXT_PIX_FORMAT | MEDIA_CAP_STREAMING);
	ck_assert_uint_eq(le32toh(config.device_type), 0);
	ck_assert_str_eq(config.card, "vdevd test pattern");
}

static const char *const card_args[] = {"--card=12345678901234567890123456789012", NULL};

/* A name of all the bytes has no zero behind it. */
static void card(struct carrier *c)
{
	struct media_config config;

	carrier_config_read(c, 0, &config, sizeof(config));
	ck_assert_mem_eq(config.card, "12345678901234567890123456789012", 32);
}

static const char *const few_args[] = {"--max-sessions=3", NULL};

static void sessions(struct carrier *c)
{
	uint32_t ids[4];
	le32 input;

	for (unsigned int i = 0; i < 3; i++) {
		ids[i] = session(c);
		for (unsigned int j = 0; j < i; j++)
			ck_assert_uint_ne(ids[i], ids[j]);
	}
	ck_assert_uint_eq(try_open(c, &ids[3]), EBUSY);
	close_session(c, ids[1]);
	ck_assert_uint_eq(ioctl_raw(c, ids[1], MEDIA_G_INPUT, &input, 0, sizeof(input)), EBADF);
	ck_assert_uint_eq(ioctl_raw(c, 0, MEDIA_G_INPUT, &input, 0, sizeof(input)), EBADF);
	ck_assert_uint_eq(ioctl_raw(c, ids[2], MEDIA_G_INPUT, &input, 0, sizeof(input)), 0);
	ids[3] = session(c);
	ck_assert_uint_ne(ids[3], ids[0]);
	ck_assert_uint_ne(ids[3], ids[2]);
	/* One that there is not, and one without an answer's room. */
	close_session(c, 12345);
	close_session(c, 0);
	for (unsigned int i = 0; i < 4; i++)
		close_session(c, ids[i]);
	close_session(c, session(c));
}

static const char *const small_args[] = {"--formats=NV12,GREY", "--formats=YUYV", "--max-size=640x480", NULL};

static void enumerates(struct carrier *c)
{
	static const uint32_t formats[] = {YUYV, NV12, GREY};
	uint32_t id = session(c), n = 0, width = 0;
	struct media_format f = {.type = htole32(MEDIA_CAPTURE)};

	for (;; n++) {
		struct media_fmtdesc d = {.index = htole32(n), .type = htole32(MEDIA_CAPTURE)};

		if (ioctl_wr(c, id, MEDIA_ENUM_FMT, &d, sizeof(d)))
			break;
		ck_assert_uint_lt(n, ARRAY_SIZE(formats));
		ck_assert_uint_eq(le32toh(d.pixelformat), formats[n]);
	}
	ck_assert_uint_eq(n, ARRAY_SIZE(formats));
	for (n = 0;; n++) {
		struct media_frmsizeenum s = {.index = htole32(n), .pixel_format = htole32(NV12)};

		if (ioctl_wr(c, id, MEDIA_ENUM_FRAMESIZES, &s, sizeof(s)))
			break;
		ck_assert_uint_le(le32toh(s.width), 640);
		ck_assert_uint_ge(le32toh(s.width), width);
		width = le32toh(s.width);
	}
	ck_assert_uint_eq(n, 5);
	for (n = 0;; n++) {
		struct media_frmivalenum s = {.index = htole32(n), .pixel_format = htole32(NV12), .width = htole32(320), .height = htole32(240)};

		if (ioctl_wr(c, id, MEDIA_ENUM_FRAMEINTERVALS, &s, sizeof(s)))
			break;
		ck_assert_uint_eq(le32toh(s.interval.numerator), 1);
	}
	ck_assert_uint_eq(n, 8);
	/* What is not there becomes the nearest. */
	f.pix.pixelformat = htole32(MEDIA_FOURCC('R', 'G', 'B', '3'));
	f.pix.width = htole32(4000);
	f.pix.height = htole32(3000);
	DO(c, id, MEDIA_TRY_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), YUYV);
	ck_assert_uint_eq(le32toh(f.pix.width), 640);
	ck_assert_uint_eq(le32toh(f.pix.height), 480);
	ck_assert_uint_eq(le32toh(f.pix.sizeimage), 640 * 480 * 2);
}

static void formats(struct carrier *c)
{
	uint32_t id = session(c), other = session(c);
	struct media_format f = {.type = htole32(MEDIA_CAPTURE)};

	set_format(c, id, NV12, 320, 240);
	DO(c, other, MEDIA_G_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), NV12);
	ck_assert_uint_eq(le32toh(f.pix.bytesperline), 320);
	ck_assert_uint_eq(le32toh(f.pix.sizeimage), 320 * 240 * 3 / 2);
	/* Buffers have a size; the format stays until they are given up. */
	make_buffers(c, id, 2);
	FAILS(c, id, MEDIA_S_FMT, &f, EBUSY);
	FAILS(c, other, MEDIA_S_FMT, &f, EBUSY);
	DO(c, other, MEDIA_TRY_FMT, &f);
	close_session(c, id);
	DO(c, other, MEDIA_S_FMT, &f);
	f.type = htole32(MEDIA_OUTPUT);
	FAILS(c, other, MEDIA_G_FMT, &f, EINVAL);
}

static void inputs(struct carrier *c)
{
	uint32_t id = session(c);
	struct media_input in = {0};
	le32 index = htole32(1);

	DO(c, id, MEDIA_ENUMINPUT, &in);
	ck_assert_str_eq(in.name, "Camera");
	in.index = htole32(1);
	FAILS(c, id, MEDIA_ENUMINPUT, &in, EINVAL);
	FAILS(c, id, MEDIA_S_INPUT, &index, EINVAL);
	index = 0;
	DO(c, id, MEDIA_S_INPUT, &index);
	index = 77;
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_G_INPUT, &index, 0, sizeof(index)), 0);
	ck_assert_uint_eq(index, 0);
	set_rate(c, id, 120);
	set_rate(c, id, 5);
}

struct many {
	struct media_ext_controls head;
	struct media_ext_control controls[3];
} __attribute__((packed));

static struct many many_controls(uint32_t which, uint32_t count)
{
	struct many m = {.head = {.which = htole32(which), .count = htole32(count), .controls = htole64(0xdeadbeef12345678)}};

	m.controls[0].id = htole32(BRIGHTNESS);
	m.controls[0].value = htole64(200);
	m.controls[1].id = htole32(PATTERN);
	m.controls[1].value = htole64(1);
	return m;
}

static size_t many_len(uint32_t count)
{
	return sizeof(struct media_ext_controls) + count * sizeof(struct media_ext_control);
}

static void controls_alone(struct carrier *c)
{
	uint32_t id = session(c), n = 0, last = 0;
	struct media_control k = {htole32(BRIGHTNESS), htole32(1000)};
	struct media_querymenu menu = {.id = htole32(PATTERN), .index = htole32(1)};

	for (;; n++) {
		struct media_queryctrl q = {.id = htole32(last | 0x80000000u)};
		struct media_query_ext_ctrl e = {.id = htole32(last | 0x80000000u)};

		if (ioctl_wr(c, id, MEDIA_QUERYCTRL, &q, sizeof(q)))
			break;
		DO(c, id, MEDIA_QUERY_EXT_CTRL, &e);
		ck_assert_uint_gt(le32toh(q.id), last);
		ck_assert_uint_eq(q.id, e.id);
		ck_assert_mem_eq(q.name, e.name, sizeof(q.name));
		last = le32toh(q.id);
	}
	ck_assert_uint_eq(n, 6);
	/* Too much is the most there is; a menu has no nearest. */
	DO(c, id, MEDIA_S_CTRL, &k);
	ck_assert_uint_eq(le32toh(k.value), 255);
	k.value = 0;
	DO(c, id, MEDIA_G_CTRL, &k);
	ck_assert_uint_eq(le32toh(k.value), 255);
	k = (struct media_control){htole32(PATTERN), htole32(3)};
	FAILS(c, id, MEDIA_S_CTRL, &k, ERANGE);
	k.id = htole32(0x00980001);
	FAILS(c, id, MEDIA_G_CTRL, &k, EACCES);
	k.id = htole32(0x00980902);
	FAILS(c, id, MEDIA_G_CTRL, &k, EINVAL);
	DO(c, id, MEDIA_QUERYMENU, &menu);
	ck_assert_str_eq(menu.name, "Gradient");
	menu.index = htole32(3);
	FAILS(c, id, MEDIA_QUERYMENU, &menu, EINVAL);
	menu.id = htole32(BRIGHTNESS);
	FAILS(c, id, MEDIA_QUERYMENU, &menu, EINVAL);
}

static void controls_together(struct carrier *c)
{
	uint32_t id = session(c);
	struct many m = many_controls(0, 2);

	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_S_EXT_CTRLS, &m, many_len(2)), 0);
	ck_assert_uint_eq(le64toh(m.head.controls), 0xdeadbeef12345678);
	m.controls[0].value = m.controls[1].value = 0;
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_G_EXT_CTRLS, &m, many_len(2)), 0);
	ck_assert_uint_eq(le64toh(m.controls[0].value), 200);
	ck_assert_uint_eq(le64toh(m.controls[1].value), 1);
	/* One that is wrong: none is set.  TRY says which. */
	m = many_controls(0, 2);
	m.controls[0].value = htole64(7);
	m.controls[1].value = htole64(9);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_S_EXT_CTRLS, &m, many_len(2)), ERANGE);
	ck_assert_uint_eq(le32toh(m.head.error_idx), 2);
	ck_assert_uint_eq(le64toh(m.head.controls), 0xdeadbeef12345678);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_TRY_EXT_CTRLS, &m, many_len(2)), ERANGE);
	ck_assert_uint_eq(le32toh(m.head.error_idx), 1);
	m = many_controls(0, 1);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_G_EXT_CTRLS, &m, many_len(1)), 0);
	ck_assert_uint_eq(le64toh(m.controls[0].value), 200);
	/* Defaults, classes, none. */
	m = many_controls(0x0f000000, 1);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_G_EXT_CTRLS, &m, many_len(1)), 0);
	ck_assert_uint_eq(le64toh(m.controls[0].value), 128);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_S_EXT_CTRLS, &m, many_len(1)), EINVAL);
	m = many_controls(0x00980000, 2);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_G_EXT_CTRLS, &m, many_len(2)), EINVAL);
	m = many_controls(0x009f0000, 0);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_G_EXT_CTRLS, &m, many_len(0)), 0);
	m = many_controls(0x00a00000, 0);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_TRY_EXT_CTRLS, &m, many_len(0)), EINVAL);
}

static void await_control(struct carrier *c, struct frontend_request *req, uint32_t id, uint32_t value, uint32_t changes)
{
	uint8_t in[sizeof(struct media_event_dqbuf)];
	struct media_event_event e;

	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, in), sizeof(e));
	memcpy(&e, in, sizeof(e));
	ck_assert_uint_eq(le32toh(e.hdr.event), VIRTIO_MEDIA_EVT_EVENT);
	ck_assert_uint_eq(le32toh(e.hdr.session_id), id);
	ck_assert_uint_eq(le32toh(e.event.type), MEDIA_EVENT_CTRL);
	ck_assert_uint_eq(le32toh(e.event.id), BRIGHTNESS);
	ck_assert_uint_eq(le32toh(e.event.ctrl.changes), changes);
	ck_assert_uint_eq(le64toh(e.event.ctrl.value), value);
}

static void control_events(struct carrier *c)
{
	uint32_t id = session(c), other = session(c);
	struct media_event_subscription s = {.type = htole32(MEDIA_EVENT_CTRL), .id = htole32(BRIGHTNESS), .flags = htole32(1)};
	struct media_control k = {htole32(BRIGHTNESS), htole32(9)};
	struct frontend_request *req = event_room(c);

	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_SUBSCRIBE_EVENT, &s, sizeof(s), 0), 0);
	await_control(c, req, id, 128, 3);
	/* What others set is told; what one has set oneself is not, nor what stays as it is. */
	req = event_room(c);
	DO(c, id, MEDIA_S_CTRL, &k);
	DO(c, other, MEDIA_S_CTRL, &k);
	carrier_stays(c, EVENTQ, 5);
	k.value = htole32(10);
	DO(c, other, MEDIA_S_CTRL, &k);
	await_control(c, req, id, 10, 1);
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_UNSUBSCRIBE_EVENT, &s, sizeof(s), 0), 0);
	k.value = htole32(11);
	DO(c, other, MEDIA_S_CTRL, &k);
	s.flags = htole32(2);
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_SUBSCRIBE_EVENT, &s, sizeof(s), 0), 0);
	req = event_room(c);
	k.value = htole32(12);
	DO(c, id, MEDIA_S_CTRL, &k);
	await_control(c, req, id, 12, 1);
	s.id = htole32(1);
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_SUBSCRIBE_EVENT, &s, sizeof(s), 0), EINVAL);
	s = (struct media_event_subscription){0};
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_UNSUBSCRIBE_EVENT, &s, sizeof(s), 0), 0);
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_SUBSCRIBE_EVENT, &s, sizeof(s), 0), EINVAL);
	s.type = htole32(5);
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_SUBSCRIBE_EVENT, &s, sizeof(s), 0), EINVAL);
}

static const char *const tight_args[] = {"--max-buffers=5", "--max-memory=4M", NULL};

static void buffers(struct carrier *c)
{
	uint32_t id = session(c), other = session(c), n = 100;
	struct media_create_buffers create = {.count = htole32(9), .memory = htole32(MEDIA_MEMORY_MMAP)};
	struct media_buffer b;

	set_format(c, id, YUYV, 320, 240);
	ck_assert_uint_eq(stream(c, id, true), EINVAL);
	ck_assert_uint_eq(stream(c, id, false), 0);
	ck_assert_uint_eq(reqbufs(c, id, &n), 0);
	ck_assert_uint_eq(n, 5);
	n = 2;
	ck_assert_uint_eq(reqbufs(c, other, &n), EBUSY);
	ck_assert_uint_eq(stream(c, other, true), EBUSY);
	ck_assert_uint_eq(buffer(c, other, MEDIA_QBUF, 0, &b), EBUSY);
	make_buffers(c, id, 2);
	ck_assert_uint_eq(buffer(c, id, MEDIA_QUERYBUF, 1, &b), 0);
	ck_assert_uint_eq(le32toh(b.length), 320 * 240 * 2);
	ck_assert_uint_eq(le32toh(b.flags) & 0x403, 0);
	ck_assert_uint_eq(buffer(c, id, MEDIA_QUERYBUF, 2, &b), EINVAL);
	ck_assert_uint_eq(buffer(c, id, MEDIA_PREPARE_BUF, 0, &b), 0);
	ck_assert_uint_eq(buffer(c, id, MEDIA_PREPARE_BUF, 0, &b), EINVAL);
	queue_buffer(c, id, 0);
	ck_assert_uint_eq(buffer(c, id, MEDIA_QBUF, 0, &b), EINVAL);
	ck_assert_uint_eq(buffer(c, id, MEDIA_QBUF, 7, &b), EINVAL);
	/* More of them, as far as there may be; not smaller than a picture; of none it is only said where they would begin. */
	create.format.type = htole32(MEDIA_CAPTURE);
	create.format.pix.sizeimage = htole32(320 * 240 * 2 - 1);
	FAILS(c, id, MEDIA_CREATE_BUFS, &create, EINVAL);
	create.format.pix.sizeimage = htole32(320 * 240 * 4);
	DO(c, id, MEDIA_CREATE_BUFS, &create);
	ck_assert_uint_eq(le32toh(create.index), 2);
	ck_assert_uint_eq(le32toh(create.count), 3);
	create.count = htole32(1);
	FAILS(c, id, MEDIA_CREATE_BUFS, &create, ENOBUFS);
	create.count = 0;
	DO(c, id, MEDIA_CREATE_BUFS, &create);
	ck_assert_uint_eq(le32toh(create.index), 5);
	n = 0;
	ck_assert_uint_eq(reqbufs(c, id, &n), 0);
	/* 4 MiB are two pictures of this size. */
	set_format(c, other, YUYV, 1280, 720);
	n = 5;
	ck_assert_uint_eq(reqbufs(c, other, &n), 0);
	ck_assert_uint_eq(n, 2);
}

/* Frames come in the order in which buffers were queued; what was told of them before STREAMOFF is void. */
static void streams(struct carrier *c)
{
	uint32_t id = session(c), last = 0;
	struct frontend_request *req[3];
	struct media_event_dqbuf e;
	struct media_buffer b;

	set_format(c, id, NV12, 160, 120);
	set_rate(c, id, 120);
	make_buffers(c, id, 3);
	for (unsigned int i = 0; i < 3; i++)
		queue_buffer(c, id, 2 - i);
	req[0] = event_room(c);
	ck_assert_uint_eq(stream(c, id, true), 0);
	for (unsigned int i = 0; i < 2; i++) {
		await_frame(c, req[0], id, &e);
		ck_assert_uint_eq(le32toh(e.buffer.index), 2 - i);
		ck_assert_uint_eq(le32toh(e.buffer.bytesused), 160 * 120 * 3 / 2);
		ck_assert_uint_eq(le32toh(e.buffer.memory), MEDIA_MEMORY_MMAP);
		ck_assert(i == 0 || le32toh(e.buffer.sequence) > last);
		last = le32toh(e.buffer.sequence);
		ck_assert(le64toh(e.buffer.sec) || le64toh(e.buffer.usec));
		if (i == 0)
			req[0] = event_room(c);
	}
	ck_assert_uint_eq(stream(c, id, true), 0);
	/* The third is told while there is no room for it, and forgotten. */
	carrier_idle(c, 12);
	ck_assert_uint_eq(stream(c, id, false), 0);
	req[0] = event_room(c);
	carrier_stays(c, EVENTQ, 10);
	ck_assert_uint_eq(buffer(c, id, MEDIA_QUERYBUF, 0, &b), 0);
	ck_assert_uint_eq(le32toh(b.flags) & MEDIA_BUF_FLAG_QUEUED, 0);
	queue_buffer(c, id, 1);
	ck_assert_uint_eq(stream(c, id, true), 0);
	await_frame(c, req[0], id, &e);
	ck_assert_uint_eq(le32toh(e.buffer.index), 1);
	close_session(c, id);
}

/* A closed session's frames end; another can have the buffers. */
static void close_streaming(struct carrier *c)
{
	struct media_event_dqbuf e;
	struct frontend_request *req;

	for (unsigned int i = 0; i < 3; i++) {
		uint32_t id = session(c);

		set_format(c, id, GREY, 160, 120);
		set_rate(c, id, 120);
		make_buffers(c, id, 2);
		queue_buffer(c, id, 0);
		queue_buffer(c, id, 1);
		req = event_room(c);
		ck_assert_uint_eq(stream(c, id, true), 0);
		await_frame(c, req, id, &e);
		close_session(c, id);
	}
	req = event_room(c);
	carrier_stays(c, EVENTQ, 10);
	(void)req;
}

/* Too small for the event: it goes back empty, and the event waits for the next. */
static void small_room(struct carrier *c)
{
	uint32_t id = session(c);
	struct frontend_request *small = carrier_submit(c, EVENTQ, NULL, 0, 100), *req;
	struct media_event_dqbuf e;

	set_format(c, id, GREY, 160, 120);
	set_rate(c, id, 120);
	make_buffers(c, id, 1);
	queue_buffer(c, id, 0);
	ck_assert_uint_eq(stream(c, id, true), 0);
	ck_assert_uint_eq(carrier_await(c, EVENTQ, small, NULL), 0);
	req = event_room(c);
	await_frame(c, req, id, &e);
}

/* ---- shared memory */

static void maps(struct carrier *c)
{
	uint32_t id = session(c);
	struct media_resp_mmap a, b;
	struct media_event_dqbuf e;
	struct frontend_request *req;
	const uint8_t *seen;
	bool region = has_region(c);

	set_format(c, id, YUYV, 160, 120);
	set_rate(c, id, 120);
	make_buffers(c, id, 2);
	if (!region) {
		ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &a), carrier_kind(c) == CARRIER_DIRECT ? EOPNOTSUPP : status_of((uint8_t *)&a, 8));
		return;
	}
	ck_assert_uint_eq(mmap_offset(c, id, 65536, 1, &a), 0);
	ck_assert_uint_eq(le64toh(a.len), 160 * 120 * 2);
	seen = frontend_mapped(carrier_frontend(c), 0, le64toh(a.driver_addr), le64toh(a.len));
	ck_assert_ptr_nonnull(seen);
	queue_buffer(c, id, 1);
	req = event_room(c);
	ck_assert_uint_eq(stream(c, id, true), 0);
	await_frame(c, req, id, &e);
	/* White, yellow, and so on to black, in the middle of the picture. */
	ck_assert_uint_ge(seen[60 * 320 + 2], 234);
	ck_assert_uint_le(seen[60 * 320 + 318], 16);
	/* The same buffer again is the same mapping; to be read alone, another. */
	ck_assert_uint_eq(mmap_offset(c, id, 65536, 1, &b), 0);
	ck_assert_uint_eq(b.driver_addr, a.driver_addr);
	ck_assert_uint_eq(mmap_offset(c, id, 65536, 0, &b), 0);
	ck_assert_uint_ne(b.driver_addr, a.driver_addr);
	ck_assert_uint_eq(munmap_addr(c, le64toh(b.driver_addr)), 0);
	ck_assert_uint_eq(munmap_addr(c, le64toh(a.driver_addr)), 0);
	ck_assert_ptr_nonnull(frontend_mapped(carrier_frontend(c), 0, le64toh(a.driver_addr), 1));
	/* A mapping stays until it is given up, whatever becomes of its buffer. */
	close_session(c, id);
	ck_assert_uint_ge(seen[60 * 320 + 2], 234);
	ck_assert_uint_eq(munmap_addr(c, le64toh(a.driver_addr)), 0);
	for (unsigned int ms = 0; frontend_mapped(carrier_frontend(c), 0, le64toh(a.driver_addr), 1); ms++) {
		ck_assert_uint_lt(ms, 20000);
		carrier_idle(c, 1);
	}
	ck_assert_uint_eq(munmap_addr(c, le64toh(a.driver_addr)), EINVAL);
	ck_assert_uint_eq(munmap_addr(c, UINT64_MAX), EINVAL);
}

/* Offsets and flags that there are not. */
static void maps_wrong(struct carrier *c)
{
	static const uint32_t offsets[] = {1, 4096, 65535, 131072, 0x80000000u, UINT32_MAX};
	uint32_t id = session(c);
	struct media_resp_mmap in;

	ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &in), EINVAL);
	make_buffers(c, id, 2);
	for (unsigned int i = 0; i < ARRAY_SIZE(offsets); i++)
		ck_assert_uint_eq(mmap_offset(c, id, offsets[i], 1, &in), EINVAL);
	ck_assert_uint_eq(mmap_offset(c, id, 0, 2, &in), EINVAL);
	ck_assert_uint_eq(mmap_offset(c, id + 1, 0, 1, &in), EBADF);
	ck_assert_uint_eq(munmap_addr(c, 0), EINVAL);
}

/* A front-end that does not map: the driver is told, and what it asks for next is looked at. */
static void maps_refused(struct carrier *c)
{
	uint32_t id = session(c);
	struct media_resp_mmap in;

	if (carrier_kind(c) == CARRIER_DIRECT)
		return;
	make_buffers(c, id, 2);
	/* It has not asked for the region's size: it has none, to it. */
	ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &in), ENOMEM);
	ck_assert(has_region(c));
	ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &in), 0);
	ck_assert_uint_eq(le64toh(in.driver_addr), 0);
}

static struct frontend_request *map_submit(struct carrier *c, uint32_t id)
{
	const le32 out[] = {htole32(VIRTIO_MEDIA_CMD_MMAP), 0, htole32(id), htole32(1), 0};

	return carrier_submit(c, COMMANDQ, out, sizeof(out), sizeof(struct media_resp_mmap));
}

/* The ring stops, the device is reset, while a mapping is asked for. */
static void maps_interrupted(struct carrier *c)
{
	struct media_resp_mmap in = {0};
	struct frontend_request *req;
	uint32_t id, base;

	if (carrier_kind(c) == CARRIER_DIRECT)
		return;
	ck_assert(has_region(c));
	id = session(c);
	make_buffers(c, id, 2);
	frontend_hold_back_channel(carrier_frontend(c), true);
	req = map_submit(c, id);
	carrier_stays(c, COMMANDQ, 5);
	base = carrier_stop(c, COMMANDQ);
	carrier_start(c, COMMANDQ, base);
	carrier_stays(c, COMMANDQ, 5);
	frontend_hold_back_channel(carrier_frontend(c), false);
	ck_assert_uint_eq(carrier_await(c, COMMANDQ, req, &in), sizeof(in));
	ck_assert_uint_eq(in.hdr.status, 0);
	ck_assert_uint_eq(munmap_addr(c, le64toh(in.driver_addr)), 0);
	ck_assert_uint_eq(munmap_addr(c, le64toh(in.driver_addr)), EINVAL);
	frontend_hold_back_channel(carrier_frontend(c), true);
	map_submit(c, id);
	carrier_stays(c, COMMANDQ, 5);
	carrier_reset(c);
	frontend_hold_back_channel(carrier_frontend(c), false);
	ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &in), EBADF);
	id = session(c);
	make_buffers(c, id, 2);
	ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &in), 0);
	carrier_reconnect(c);
	session(c);
}

static const char *const map_storm_args[] = {"--max-memory=1M", "--max-buffers=2", NULL};

/* Buffers that are mapped and given up again and again: there is an end to them, and the end of that. */
static void maps_storm(struct carrier *c)
{
	uint64_t addr[64];
	struct media_resp_mmap in;
	struct vu_shmem_config config;
	uint32_t id, n, count = 0;

	if (carrier_kind(c) == CARRIER_DIRECT)
		return;
	ck_assert_int_eq(frontend_get_shmem_config(carrier_frontend(c), &config), 0);
	ck_assert_uint_eq(config.sizes[0], 2 << 20);
	id = session(c);
	set_format(c, id, YUYV, 320, 240);
	for (n = 1; count < ARRAY_SIZE(addr) && reqbufs(c, id, &n) == 0; n = 1) {
		ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &in), 0);
		addr[count++] = le64toh(in.driver_addr);
	}
	/* 1 MiB has six of 150 KiB. */
	ck_assert_uint_eq(count, 6);
	for (uint32_t i = 0; i < count; i++) {
		ck_assert_uint_eq(addr[i] % 65536, 0);
		ck_assert_uint_eq(munmap_addr(c, addr[i]), 0);
	}
	for (unsigned int ms = 0; n = 1, reqbufs(c, id, &n) != 0; ms++) {
		ck_assert_uint_lt(ms, 20000);
		carrier_idle(c, 1);
	}
	ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &in), 0);
}

/* ---- bad requests */

/* All that V4L2 has, and what it has not: never anything but a status. */
static void unknown(struct carrier *c)
{
	uint32_t id = session(c), known = 0;

	for (uint32_t code = 0; code < 260; code++) {
		const struct media_ioctl *io = media_ioctl_find(code);
		uint8_t payload[MEDIA_PAYLOAD_MAX] = {0};

		known += io != NULL;
		if (io)
			ioctl_raw(c, id, code, payload, io->dir & MEDIA_W ? io->size : 0, io->dir & MEDIA_R ? io->size : 0);
		else
			ck_assert_uint_eq(ioctl_raw(c, id, code, payload, 208, 208), ENOTTY);
	}
	ck_assert_uint_eq(known, 67);
	/* Those that the standard names. */
	for (unsigned int i = 0; i < 6; i++) {
		static const uint32_t codes[] = {0, 17, 61, 62, 70, 89};

		ck_assert_ptr_null(media_ioctl_find(codes[i]));
	}
	for (uint32_t cmd = 0; cmd < 300; cmd = cmd ? cmd * 3 + 4 : 6) {
		const le32 out[] = {htole32(cmd), 0, 0, 0};
		struct media_resp in = {0};

		ck_assert_uint_eq(status_of((uint8_t *)&in, carrier_request(c, COMMANDQ, out, sizeof(out), &in, sizeof(in))), ENOTTY);
	}
}

/* Every command that ends too early, and every answer for which there is no room. */
static void short_ones(struct carrier *c)
{
	uint32_t id = session(c), n = 2;
	uint8_t out[16 + 88] = {VIRTIO_MEDIA_CMD_IOCTL}, in[ROOM];
	const le32 head[] = {htole32(VIRTIO_MEDIA_CMD_IOCTL), 0, htole32(id), htole32(MEDIA_QBUF)};

	ck_assert_uint_eq(reqbufs(c, id, &n), 0);
	memcpy(out, head, sizeof(head));
	for (size_t len = 0; len < sizeof(out); len += len < 24 ? 1 : 9)
		ck_assert_uint_eq(status_of(in, carrier_request(c, COMMANDQ, out, len, in, 96)), EINVAL);
	for (uint8_t cmd = 1; cmd <= 5; cmd++) {
		out[0] = cmd;
		for (size_t room = 0; room < 8; room += 7)
			ck_assert_uint_eq(carrier_request(c, COMMANDQ, out, sizeof(out), in, room), 0);
		ck_assert_uint_eq(carrier_request(c, COMMANDQ, out, 9, in, 8), cmd == 2 ? 0 : 8);
	}
	/* A buffer whose answer cannot be told is not queued. */
	struct media_buffer b = {.type = htole32(MEDIA_CAPTURE), .memory = htole32(1)};

	id = session(c);
	make_buffers(c, id, 2);
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_QBUF, &b, sizeof(b), sizeof(b) - 1), EINVAL);
	ck_assert_uint_eq(buffer(c, id, MEDIA_QUERYBUF, 0, &b), 0);
	ck_assert_uint_eq(le32toh(b.flags) & MEDIA_BUF_FLAG_QUEUED, 0);
}

/* What must never reach a host: pointers, descriptors, memory that no chain names, more than there is. */
static void hostile(struct carrier *c)
{
	static const uint32_t types[] = {0, 3, 8, 15, 0x80, UINT32_MAX};
	uint32_t id = session(c), n = 2;
	uint8_t nested[MEDIA_PAYLOAD_MAX + (MEDIA_CONTROLS_MAX + 1) * 20] = {0};
	struct media_format f = {0};
	struct media_buffer b;
	struct many m;

	ck_assert_uint_eq(reqbufs(c, id, &n), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		struct media_create_buffers create = {.count = htole32(1), .memory = htole32(1)};

		f.type = create.format.type = htole32(types[i]);
		FAILS(c, id, MEDIA_G_FMT, &f, EINVAL);
		FAILS(c, id, MEDIA_S_FMT, &f, EINVAL);
		FAILS(c, id, MEDIA_CREATE_BUFS, &create, EINVAL);
	}
	for (uint32_t memory = 0; memory < 6; memory += memory ? 1 : 2) {
		struct media_requestbuffers r = {.count = htole32(1), .type = htole32(1), .memory = htole32(memory)};

		FAILS(c, id, MEDIA_REQBUFS, &r, EINVAL);
		b = (struct media_buffer){.type = htole32(1), .memory = htole32(memory), .m = htole64(0x1000), .length = htole32(4096)};
		FAILS(c, id, MEDIA_QBUF, &b, EINVAL);
		FAILS(c, id, MEDIA_PREPARE_BUF, &b, EINVAL);
	}
	b = (struct media_buffer){.type = htole32(1), .memory = htole32(1), .flags = htole32(MEDIA_BUF_FLAG_REQUEST_FD), .request_fd = 0};
	FAILS(c, id, MEDIA_QBUF, &b, EINVAL);
	/* Planes: more than there are, fewer than are said, of a type that is not there. */
	for (uint32_t planes = 0; planes < 12; planes++) {
		b = (struct media_buffer){.type = htole32(9), .memory = htole32(1), .length = htole32(planes)};
		memcpy(nested, &b, sizeof(b));
		ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_QBUF, nested, sizeof(b) + (size_t)planes * 64), EINVAL);
		ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_QUERYBUF, nested, sizeof(b) + (size_t)planes * 32), EINVAL);
	}
	m = many_controls(0x0f010000, 1);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_G_EXT_CTRLS, &m, many_len(1)), EINVAL);
	ck_assert_uint_eq(le32toh(m.head.error_idx), 1);
	m = many_controls(0, 1);
	m.controls[0].size = htole32(100);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_S_EXT_CTRLS, &m, many_len(1)), EINVAL);
	for (uint32_t count = MEDIA_CONTROLS_MAX + 1; count; count = count == UINT32_MAX ? 0 : UINT32_MAX) {
		m = many_controls(0, count);
		memcpy(nested, &m, sizeof(m));
		ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_G_EXT_CTRLS, nested, sizeof(m)), EINVAL);
	}
	m = many_controls(0, 3);
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_G_EXT_CTRLS, &m, many_len(2)), EINVAL);
	carrier_sample(c);
}

/* As many as there can be, in one request; whose bytes a byte a descriptor would take all day. */
static void most_controls(struct carrier *c)
{
	uint32_t id = session(c);
	size_t len = sizeof(struct media_ext_controls) + MEDIA_CONTROLS_MAX * sizeof(struct media_ext_control);
	struct media_ext_controls head = {.count = htole32(MEDIA_CONTROLS_MAX)};
	struct media_ext_control k = {.id = htole32(BRIGHTNESS)};
	uint8_t *all = calloc(1, len);

	memcpy(all, &head, sizeof(head));
	for (unsigned int i = 0; i < MEDIA_CONTROLS_MAX; i++)
		memcpy(all + sizeof(head) + i * sizeof(k), &k, sizeof(k));
	ck_assert_uint_eq(ioctl_wr(c, id, MEDIA_G_EXT_CTRLS, all, len), 0);
	memcpy(&k, all + len - sizeof(k), sizeof(k));
	ck_assert_uint_eq(le64toh(k.value), 128);
	free(all);
}

/* ---- its life */

/* What the last guest has set the next one does not see. */
static void fresh(struct carrier *c)
{
	uint32_t id = session(c);
	struct media_format f = {.type = htole32(MEDIA_CAPTURE)};
	struct media_control k = {htole32(BRIGHTNESS), htole32(3)};
	struct frontend_request *req;

	for (unsigned int i = 0; i < 2; i++) {
		set_format(c, id, NV12, 160, 120);
		DO(c, id, MEDIA_S_CTRL, &k);
		make_buffers(c, id, 2);
		queue_buffer(c, id, 0);
		ck_assert_uint_eq(stream(c, id, true), 0);
		if (i)
			carrier_reconnect(c);
		else
			carrier_reset(c);
		FAILS(c, id, MEDIA_G_FMT, &f, EBADF);
		id = session(c);
		DO(c, id, MEDIA_G_FMT, &f);
		ck_assert_uint_eq(le32toh(f.pix.pixelformat), YUYV);
		ck_assert_uint_eq(le32toh(f.pix.width), 640);
		k.value = 0;
		DO(c, id, MEDIA_G_CTRL, &k);
		ck_assert_uint_eq(le32toh(k.value), 128);
		req = event_room(c);
		carrier_stays(c, EVENTQ, 5);
		carrier_stop(c, EVENTQ);
		carrier_renew(c, EVENTQ);
		(void)req;
	}
}

/* Where the guest goes its sessions end with an error; their numbers stay taken until it has closed them. */
static void moves(struct carrier *c)
{
	uint32_t id = session(c), other, now;
	struct media_resp_mmap in;
	le32 input;

	make_buffers(c, id, 2);
	other = session(c);
	carrier_move(c);
	await_error(c, id);
	await_error(c, other);
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_G_INPUT, &input, 0, sizeof(input)), ENODEV);
	ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &in), ENODEV);
	now = session(c);
	ck_assert_uint_ne(now, id);
	ck_assert_uint_ne(now, other);
	close_session(c, id);
	ck_assert_uint_eq(ioctl_raw(c, id, MEDIA_G_INPUT, &input, 0, sizeof(input)), EBADF);
	make_buffers(c, now, 2);
}

/* ---- the operator */

static const char *const operator_args[] = {"--snapshot=%T/seen.ppm", NULL};

/* Sends a line, and waits until the answer has this in it. */
static void tell(struct carrier *c, int fd, const char *line, const char *want)
{
	char answer[2048] = "";

	ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	for (size_t len = 0, ms = 0; !strstr(answer, want); ms++) {
		ssize_t n;

		ck_assert_msg(ms < 20000 && len < sizeof(answer) - 1, "'%s' is not in '%s'", want, answer);
		carrier_idle(c, 1);
		n = read(fd, answer + len, sizeof(answer) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
}

static void operator(struct carrier *c)
{
	struct frontend_request *req;
	struct media_event_dqbuf e;
	uint8_t head[15], pixel[3];
	uint32_t id;
	FILE *f;
	int fd;

	if (carrier_kind(c) != CARRIER_BINARY)
		return;
	id = session(c);
	fd = unix_connect(carrier_path(c, "control"));
	ck_assert_int_ge(fd, 0);
	set_format(c, id, NV12, 320, 240);
	set_rate(c, id, 120);
	make_buffers(c, id, 2);
	queue_buffer(c, id, 0);
	tell(c, fd, "show\n", "sessions 1\nmappings 0\nmemory 237568\n");
	tell(c, fd, "watch\n", "ok\n");
	tell(c, fd, "snapshot\n", "ok\n");
	req = event_room(c);
	ck_assert_uint_eq(stream(c, id, true), 0);
	await_frame(c, req, id, &e);
	tell(c, fd, "", "! snapshot 320x240\n");
	f = fopen(carrier_path(c, "seen.ppm"), "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fread(head, 1, sizeof(head), f), sizeof(head));
	ck_assert_mem_eq(head, "P6\n320 240\n255\n", sizeof(head));
	/* The sixth bar is red. */
	ck_assert_int_eq(fseek(f, (long)sizeof(head) + (120 * 320 + 5 * 40 + 20) * 3, SEEK_SET), 0);
	ck_assert_uint_eq(fread(pixel, 1, 3, f), 3);
	ck_assert(pixel[0] > 245 && pixel[1] < 10 && pixel[2] < 10);
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	ck_assert_int_eq(ftell(f), 15 + 320 * 240 * 3);
	fclose(f);
	tell(c, fd, "show\n", "streaming\nbuffers 2, queued 0\nframes 1\n");
	tell(c, fd, "fail\n", "ok\n");
	await_error(c, id);
	close_session(c, id);
	close(fd);
}

/* ---- a file */

#define FRAMES	 3
#define RAW_SIZE (160 * 120)

static void file_write(struct carrier *c, const char *name, const void *bytes, size_t len, bool append)
{
	FILE *f = fopen(carrier_path(c, name), append ? "a" : "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

static void raw_prepare(struct carrier *c)
{
	static uint8_t bytes[RAW_SIZE];

	for (unsigned int i = 0; i < FRAMES; i++) {
		memset(bytes, (int)(10 * (i + 1)), sizeof(bytes));
		file_write(c, "raw", bytes, sizeof(bytes), i > 0);
	}
	/* What is no whole picture is none. */
	file_write(c, "raw", bytes, 100, true);
}

static const char *const raw_args[] = {"--file=%T/raw", "--file-format=GREY:160x120", NULL};

/* The pictures come in their order, and the first again behind the last. */
static void file_raw(struct carrier *c)
{
	uint32_t id = session(c), n = 0;
	struct media_format f = {.type = htole32(MEDIA_CAPTURE)};
	struct media_frmsizeenum size = {.pixel_format = htole32(GREY)};
	struct media_frmivalenum interval = {
		.pixel_format = htole32(GREY), .width = htole32(160), .height = htole32(120)};
	struct media_fmtdesc d = {.type = htole32(MEDIA_CAPTURE)};
	struct media_event_dqbuf e;
	struct media_resp_mmap in;
	struct frontend_request *req;
	bool region = has_region(c);
	uint8_t seen[2 * FRAMES] = {0};

	/* There is one format; it is what any other becomes. */
	f.pix.width = htole32(640);
	DO(c, id, MEDIA_S_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.width), 160);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), GREY);
	DO(c, id, MEDIA_ENUM_FMT, &d);
	ck_assert_uint_eq(le32toh(d.pixelformat), GREY);
	d.index = htole32(1);
	FAILS(c, id, MEDIA_ENUM_FMT, &d, EINVAL);
	DO(c, id, MEDIA_ENUM_FRAMESIZES, &size);
	ck_assert_uint_eq(le32toh(size.height), 120);
	DO(c, id, MEDIA_ENUM_FRAMEINTERVALS, &interval);
	interval.width = 0;
	FAILS(c, id, MEDIA_ENUM_FRAMEINTERVALS, &interval, EINVAL);
	set_rate(c, id, 120);
	make_buffers(c, id, 1);
	if (region)
		ck_assert_uint_eq(mmap_offset(c, id, 0, 1, &in), 0);
	queue_buffer(c, id, 0);
	req = event_room(c);
	ck_assert_uint_eq(stream(c, id, true), 0);
	while (n < 2 * FRAMES) {
		await_frame(c, req, id, &e);
		ck_assert_uint_eq(le32toh(e.buffer.bytesused), RAW_SIZE);
		if (region)
			seen[n] = *(const uint8_t *)frontend_mapped(carrier_frontend(c), 0,
								    le64toh(in.driver_addr) + RAW_SIZE - 1, 1);
		n++;
		req = event_room(c);
		queue_buffer(c, id, 0);
	}
	/* A frame may be lost on a busy machine, and then the next is shown: what comes is one of them. */
	for (unsigned int i = 0; region && i < n; i++)
		ck_assert(seen[i] == 10 || seen[i] == 20 || seen[i] == 30);
	close_session(c, id);
}

/* A JPEG picture as far as anybody looks here: 16 by 8, with len bytes that are coded. */
static void jpeg_write(struct carrier *c, unsigned int len, bool append)
{
	static const uint8_t head[] = {0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 8, 0, 16, 1, 1,
				       0x11, 0,	   0xff, 0xda, 0, 8,  1, 1, 0, 0, 63, 0};
	static const uint8_t stuffing[] = {0xff, 0, 0xff, 0xd3}, end[] = {0xff, 0xd9};

	file_write(c, "mjpg", head, sizeof(head), append);
	for (unsigned int i = 0; i < len; i++)
		file_write(c, "mjpg", stuffing, sizeof(stuffing), true);
	file_write(c, "mjpg", end, sizeof(end), true);
}

static void jpeg_prepare(struct carrier *c)
{
	jpeg_write(c, 5, false);
	file_write(c, "mjpg", "between", 7, true);
	jpeg_write(c, 90, true);
}

static const char *const jpeg_args[] = {"--backend=file", "--file=%T/mjpg", NULL};

static void file_jpeg(struct carrier *c)
{
	uint32_t id = session(c), lengths = 0;
	struct media_format f = {.type = htole32(MEDIA_CAPTURE)};
	struct media_event_dqbuf e;
	struct frontend_request *req;

	DO(c, id, MEDIA_G_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), MEDIA_FOURCC('M', 'J', 'P', 'G'));
	ck_assert_uint_eq(le32toh(f.pix.width), 16);
	ck_assert_uint_eq(le32toh(f.pix.height), 8);
	ck_assert_uint_eq(le32toh(f.pix.sizeimage), 27 + 90 * 4);
	set_rate(c, id, 120);
	make_buffers(c, id, 1);
	queue_buffer(c, id, 0);
	req = event_room(c);
	ck_assert_uint_eq(stream(c, id, true), 0);
	/* Both come, however many are lost. */
	for (unsigned int i = 0; lengths != 3; i++) {
		ck_assert_uint_lt(i, 1000);
		await_frame(c, req, id, &e);
		ck_assert(le32toh(e.buffer.bytesused) == 27 + 5 * 4 || le32toh(e.buffer.bytesused) == 27 + 90 * 4);
		lengths |= le32toh(e.buffer.bytesused) == 27 + 5 * 4 ? 1 : 2;
		req = event_room(c);
		queue_buffer(c, id, 0);
	}
	close_session(c, id);
}

/* ---- one camera, several guests */

static const char *const share_args[] = {"--share=%T/camera", NULL};

/* A viewer of this carrier's camera: another device, in this process. */
static struct carrier *viewer_open(struct carrier *c, const char *more)
{
	static char path[200];
	static const char *args[3];
	static struct device_suite ds = {.device = "media", .args = args, .further = true};

	snprintf(path, sizeof(path), "--share=%s/camera", carrier_dir(c));
	args[0] = path;
	args[1] = more;
	return carrier_open(CARRIER_SESSION, &ds);
}

/* The first guest sets the format, the second gets it; one that has no buffers keeps nobody waiting. */
static void shared(struct carrier *c)
{
	struct carrier *v;
	uint32_t id = session(c), seen;
	struct media_format f = {.type = htole32(MEDIA_CAPTURE)};
	struct media_event_dqbuf e;
	struct media_buffer b;
	struct media_control k = {htole32(BRIGHTNESS), 0};
	struct frontend_request *req;

	if (carrier_kind(c) != CARRIER_BINARY)
		return;
	set_format(c, id, NV12, 320, 240);
	set_rate(c, id, 120);
	v = viewer_open(c, NULL);
	seen = session(v);
	DO(v, seen, MEDIA_G_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), NV12);
	ck_assert_uint_eq(le32toh(f.pix.width), 320);
	f.pix.width = htole32(640);
	DO(v, seen, MEDIA_S_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.width), 320);
	FAILS(v, seen, MEDIA_G_CTRL, &k, ENOTTY);
	/* The second looks while the first does not. */
	make_buffers(v, seen, 2);
	queue_buffer(v, seen, 0);
	queue_buffer(v, seen, 1);
	req = event_room(v);
	ck_assert_uint_eq(stream(v, seen, true), 0);
	for (unsigned int i = 0; i < 2; i++) {
		await_frame(v, req, seen, &e);
		ck_assert_uint_eq(le32toh(e.buffer.index), i);
		ck_assert_uint_eq(le32toh(e.buffer.bytesused), 320 * 240 * 3 / 2);
		req = event_room(v);
	}
	/* It has no buffers any more; the first gets frames, of the format that stays while the other looks. */
	f.pix.width = htole32(640);
	DO(c, id, MEDIA_S_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.width), 320);
	make_buffers(c, id, 2);
	queue_buffer(c, id, 0);
	req = event_room(c);
	ck_assert_uint_eq(stream(c, id, true), 0);
	for (unsigned int i = 0; i < 5; i++) {
		await_frame(c, req, id, &e);
		req = event_room(c);
		queue_buffer(c, id, 0);
	}
	ck_assert_uint_eq(buffer(v, seen, MEDIA_QUERYBUF, 0, &b), 0);
	ck_assert_uint_eq(le32toh(b.flags) & MEDIA_BUF_FLAG_QUEUED, 0);
	/* The second ends, and the format is the first's again. */
	ck_assert_uint_eq(stream(c, id, false), 0);
	seen = 0;
	ck_assert_uint_eq(reqbufs(c, id, &seen), 0);
	carrier_close(v);
	for (unsigned int ms = 0; f.pix.width != htole32(640); ms++) {
		ck_assert_uint_lt(ms, 20000);
		f.pix.width = htole32(640);
		f.pix.height = htole32(480);
		DO(c, id, MEDIA_S_FMT, &f);
		carrier_idle(c, 1);
	}
}

/* The format changes: who has asked is told. */
static void share_changes(struct carrier *c)
{
	struct media_event_subscription s = {.type = htole32(MEDIA_EVENT_SOURCE_CHANGE)};
	struct media_format f = {.type = htole32(MEDIA_CAPTURE)};
	uint8_t in[sizeof(struct media_event_dqbuf)];
	struct frontend_request *req;
	struct media_event_event e;
	struct carrier *v;
	uint32_t id = session(c), seen;

	if (carrier_kind(c) != CARRIER_BINARY)
		return;
	v = viewer_open(c, NULL);
	seen = session(v);
	ck_assert_uint_eq(ioctl_raw(v, seen, MEDIA_SUBSCRIBE_EVENT, &s, sizeof(s), 0), 0);
	make_buffers(v, seen, 2);
	req = event_room(v);
	set_format(c, id, GREY, 160, 120);
	ck_assert_uint_eq(carrier_await(v, EVENTQ, req, in), sizeof(e));
	memcpy(&e, in, sizeof(e));
	ck_assert_uint_eq(le32toh(e.event.type), MEDIA_EVENT_SOURCE_CHANGE);
	ck_assert_uint_eq(le32toh(e.event.ctrl.changes), MEDIA_EVENT_SRC_CH_RESOLUTION);
	DO(v, seen, MEDIA_G_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), GREY);
	carrier_close(v);
}

/* A message of a vdevd that is in the hands of its guest, with nfiles times the same file. */
static void share_say(int fd, const struct media_share_msg *m, int file, size_t nfiles)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	const int files[2] = {file, file};
	struct iovec iov = {(void *)(uintptr_t)m, sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nfiles) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nfiles * sizeof(int));
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(nfiles * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), files, nfiles * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(fd, &msg, MSG_NOSIGNAL), sizeof(*m));
}

/* A camera in the hands of its guest: its files do not gather at the viewer, which adds no page to its ring. */
static void share_hostile(struct carrier *c)
{
	const struct media_share_msg format = {.kind = MEDIA_SHARE_FORMAT,
					       .pixelformat = GREY,
					       .width = 160,
					       .height = 120,
					       .bytesperline = 160,
					       .size = 19200,
					       .rate = 30};
	struct media_share_msg frame = {.kind = MEDIA_SHARE_FRAME, .slot = 1, .used = 19200, .stamp = 5};
	const off_t len = (off_t)media_share_slot(media_share_slot_size(format.size), MEDIA_SHARE_SLOTS);
	struct unix_listener l;
	struct frontend_request *req;
	struct media_event_dqbuf e;
	struct carrier *v;
	struct stat before, after;
	char path[200];
	unsigned int files;
	uint32_t id;
	int fd, ring;

	if (carrier_kind(c) != CARRIER_SESSION)
		return;
	snprintf(path, sizeof(path), "%s/camera", carrier_dir(c));
	ck_assert_int_eq(unix_listen_type(&l, SOCK_SEQPACKET, path, UINT64_MAX, 8), 0);
	v = viewer_open(c, NULL);
	fd = accept(l.fd, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	ring = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert(ring >= 0 && ftruncate(ring, len) == 0 && fcntl(ring, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	ck_assert_int_eq(pwrite(ring, &frame.stamp, sizeof(frame.stamp), frame.slot * sizeof(uint32_t)), 4);
	ck_assert_int_eq(fstat(ring, &before), 0);
	share_say(fd, &format, ring, 1);
	carrier_idle(v, 20);
	files = carrier_count_fds(v);
	for (unsigned int i = 0; i < 20; i++)
		share_say(fd, i % 2 ? &format : &frame, ring, 2);
	carrier_idle(v, 50);
	ck_assert_uint_eq(carrier_count_fds(v), files);
	/* It shows pictures all the same. */
	id = session(v);
	make_buffers(v, id, 2);
	queue_buffer(v, id, 0);
	queue_buffer(v, id, 1);
	req = event_room(v);
	ck_assert_uint_eq(stream(v, id, true), 0);
	frame.frame = 7;
	share_say(fd, &frame, -1, 0);
	await_frame(v, req, id, &e);
	ck_assert_uint_eq(le32toh(e.buffer.bytesused), format.size);
	ck_assert_uint_eq(le32toh(e.buffer.sequence), 7);
	ck_assert_int_eq(fstat(ring, &after), 0);
	ck_assert_int_eq(after.st_blocks, before.st_blocks);
	close(ring);
	close(fd);
	carrier_close(v);
	unix_listener_close(&l);
}

/* What is as it was is not told again: a guest that sets it over and over would fill the sockets of viewers. */
static void share_unchanged(struct carrier *c)
{
	uint32_t id = session(c);
	struct media_share_msg m;
	char path[200];
	int fd;

	if (carrier_kind(c) != CARRIER_BINARY)
		return;
	set_format(c, id, GREY, 160, 120);
	snprintf(path, sizeof(path), "%s/camera", carrier_dir(c));
	fd = unix_connect_type(SOCK_SEQPACKET, path);
	ck_assert_int_ge(fd, 0);
	for (unsigned int ms = 0; recv(fd, &m, sizeof(m), MSG_DONTWAIT) < 0; ms++) {
		ck_assert_uint_lt(ms, 20000);
		carrier_idle(c, 1);
	}
	ck_assert_uint_eq(m.kind, MEDIA_SHARE_FORMAT);
	ck_assert_uint_eq(m.width, 160);
	for (unsigned int i = 0; i < 3; i++) {
		set_format(c, id, GREY, 160, 120);
		set_rate(c, id, m.rate);
	}
	ck_assert_int_lt(recv(fd, &m, sizeof(m), MSG_DONTWAIT), 0);
	set_format(c, id, GREY, 320, 240);
	ck_assert_int_eq(recv(fd, &m, sizeof(m), MSG_DONTWAIT), sizeof(m));
	ck_assert_uint_eq(m.width, 320);
	close(fd);
}

/* ---- pictures */

/* Every format, read back: the bars in their order, a gradient that rises, and nothing beyond the picture. */
static void looks(const struct media_pixel_format *f, const struct media_look *l, uint32_t width, uint32_t height)
{
	uint32_t size = media_pixel_size(f, width, height);
	uint8_t *bytes = malloc(size + 16), last = 0;
	struct media_canvas c = {f, bytes, width, height};

	memset(bytes, 0xa5, size + 16);
	media_paint_ground(&c, l);
	for (uint32_t frame = 0; frame < 3; frame++)
		media_paint_marks(&c, frame * 1000003, UINT64_C(3723004005) * (frame + 1));
	for (unsigned int i = 0; i < 16; i++)
		ck_assert_uint_eq(bytes[size + i], 0xa5);
	for (uint32_t i = 0; i < 8; i++) {
		static const uint8_t bars[8] = {7, 6, 3, 2, 5, 4, 1, 0};
		uint32_t x = width / 8 * i + width / 16;
		uint8_t rgb[3];

		media_pixel_rgb(f->fourcc, bytes, size, width * f->bytes, height, x, height / 2, rgb);
		for (unsigned int k = 0; l->pattern == MEDIA_BARS && f->fourcc != GREY && k < 3; k++)
			ck_assert_msg((rgb[k] > 200) == !!(bars[i] & (4u >> k)), "%s: bar %u, colour %u: %u", f->name, i, k, rgb[k]);
		if (l->pattern == MEDIA_GRADIENT)
			ck_assert_uint_gt(rgb[1], last);
		last = rgb[1];
	}
	free(bytes);
}

START_TEST(pictures)
{
	const struct media_pixel_format *f;
	unsigned int i;

	for (i = 0; (f = media_pixel_at(i)); i++) {
		for (unsigned int pattern = 0; pattern < MEDIA_PATTERNS; pattern++) {
			const struct media_look l = {.pattern = pattern, .brightness = 128, .contrast = 128};

			looks(f, &l, 160, 120);
			looks(f, &l, 640, 360);
		}
		ck_assert_ptr_eq(media_pixel_find(f->fourcc), f);
	}
	ck_assert_uint_eq(i, 10);
}
END_TEST

/* A picture that is shorter than it says is black where it ends, whatever its format is said to be. */
START_TEST(short_pictures)
{
	uint8_t rgb[3], one = 255;

	for (unsigned int i = 0; media_pixel_at(i); i++) {
		media_pixel_rgb(media_pixel_at(i)->fourcc, &one, 1, 1u << 20, 1u << 14, 16000, 16000, rgb);
		ck_assert(rgb[0] < 2 && rgb[1] < 2 && rgb[2] < 2);
	}
	media_pixel_rgb(MEDIA_FOURCC('M', 'J', 'P', 'G'), &one, 1, 0, 0, 0, 0, rgb);
	ck_assert(!rgb[0] && !rgb[1] && !rgb[2]);
}
END_TEST

static const struct device_case cases[] = {
	{.name = "configuration", .run = config_space, .flags = CASE_CONFIG},
	{.name = "card", .run = card, .args = card_args, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "sessions", .run = sessions, .args = few_args},
	{.name = "enumerates", .run = enumerates, .args = small_args},
	{.name = "formats", .run = formats},
	{.name = "inputs", .run = inputs},
	{.name = "controls", .run = controls_alone},
	{.name = "controls together", .run = controls_together},
	{.name = "control events", .run = control_events},
	{.name = "buffers", .run = buffers, .args = tight_args},
	{.name = "streams", .run = streams},
	{.name = "close while streaming", .run = close_streaming, .flags = CASE_ONCE},
	{.name = "small event buffer", .run = small_room, .flags = CASE_ONCE},
	{.name = "maps", .run = maps, .flags = CASE_ONCE},
	{.name = "maps, wrong", .run = maps_wrong},
	{.name = "maps, refused", .run = maps_refused, .flags = CASE_ONCE},
	{.name = "maps, interrupted", .run = maps_interrupted, .flags = CASE_ONCE},
	{.name = "maps, storm", .run = maps_storm, .args = map_storm_args, .flags = CASE_ONCE},
	{.name = "unknown", .run = unknown, .flags = CASE_ONCE},
	{.name = "short", .run = short_ones, .flags = CASE_ONCE},
	{.name = "hostile", .run = hostile, .flags = CASE_ONCE},
	{.name = "most controls", .run = most_controls, .flags = CASE_ONCE},
	{.name = "fresh", .run = fresh, .flags = CASE_ONCE},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
	{.name = "file, raw", .run = file_raw, .args = raw_args, .prepare = raw_prepare, .flags = CASE_ONCE},
	{.name = "file, JPEG", .run = file_jpeg, .args = jpeg_args, .prepare = jpeg_prepare, .flags = CASE_ONCE},
	{.name = "shared", .run = shared, .args = share_args, .flags = CASE_ONCE},
	{.name = "share, changes", .run = share_changes, .args = share_args, .flags = CASE_ONCE},
	{.name = "share, hostile", .run = share_hostile, .flags = CASE_ONCE},
	{.name = "share, unchanged", .run = share_unchanged, .args = share_args, .flags = CASE_ONCE},
	{.name = "operator", .run = operator, .args = operator_args, .flags = CASE_ONCE | CASE_CONTROL},
};

static const struct device_suite media = {
	.device = "media",
	DEVICE_CASES(cases),
};

Suite *suite_media(void)
{
	Suite *s = suite_create("media");
	TCase *t = tcase_create("pictures");

	tcase_add_test(t, pictures);
	tcase_add_test(t, short_pictures);
	suite_add_tcase(s, t);
	suite_add_device(s, &media);
	return s;
}
