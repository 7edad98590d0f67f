/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_media.c - the media device with a V4L2 camera of this machine: vivid's, whose path $VDEVD_TEST_VIDEO is (modprobe vivid).
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

static const struct device_case cases[] = {
	{.name = "captures", .run = captures, .flags = CASE_ONCE},
	{.name = "limited", .run = limited, .args = limited_args, .flags = CASE_ONCE},
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
	const char *path = getenv("VDEVD_TEST_VIDEO");

	if (path) {
		snprintf(device_arg, sizeof(device_arg), "--device=%s", path);
		suite_add_device(s, &vivid);
		return s;
	}
	tcase_add_test(tc, test_absent);
	suite_add_tcase(s, tc);
	return s;
}
