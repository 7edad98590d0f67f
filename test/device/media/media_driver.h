/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_driver.h - a media driver's requests, for tests of that device: VIRTIO 1.4, section "Media Device".
 */
#ifndef VDEVD_TEST_DEVICE_MEDIA_MEDIA_DRIVER_H
#define VDEVD_TEST_DEVICE_MEDIA_MEDIA_DRIVER_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/media/media_ioctl.h"
#include "test/lib/carrier.h"

enum { COMMANDQ, EVENTQ };

#define YUYV MEDIA_FOURCC('Y', 'U', 'Y', 'V')
#define NV12 MEDIA_FOURCC('N', 'V', '1', '2')
#define GREY MEDIA_FOURCC('G', 'R', 'E', 'Y')

#define BRIGHTNESS 0x00980900u
#define PATTERN	   0x009f0903u

/* ---- requests */

static inline uint32_t status_of(const uint8_t *in, uint32_t used)
{
	le32 status;

	ck_assert_uint_ge(used, sizeof(struct media_resp));
	memcpy(&status, in, sizeof(status));
	return le32toh(status);
}

static inline uint32_t try_open(struct carrier *c, uint32_t *id)
{
	const struct media_cmd out = {htole32(VIRTIO_MEDIA_CMD_OPEN), 0};
	struct media_resp_open in = {0};
	uint32_t used = carrier_request(c, COMMANDQ, &out, sizeof(out), &in, sizeof(in));
	uint32_t status = status_of((const uint8_t *)&in, used);

	ck_assert_uint_eq(used, status ? sizeof(in.hdr) : sizeof(in));
	*id = le32toh(in.session_id);
	return status;
}

static inline uint32_t session(struct carrier *c)
{
	uint32_t id;

	ck_assert_uint_eq(try_open(c, &id), 0);
	ck_assert_uint_ne(id, 0);
	return id;
}

static inline void close_session(struct carrier *c, uint32_t id)
{
	const le32 out[] = {htole32(VIRTIO_MEDIA_CMD_CLOSE), 0, htole32(id), 0};

	ck_assert_uint_eq(carrier_request(c, COMMANDQ, out, sizeof(out), NULL, 0), 0);
}

/*
 * An ioctl with out_len bytes of payload, and room for in_len of them in the answer; payload has the answer where there is one.
 * Returns the status.
 */
static inline uint32_t ioctl_raw(struct carrier *c, uint32_t id, uint32_t code, void *payload, size_t out_len,
				 size_t in_len)
{
	const le32 head[] = {htole32(VIRTIO_MEDIA_CMD_IOCTL), 0, htole32(id), htole32(code)};
	uint8_t *out = malloc(sizeof(head) + out_len), *in = calloc(1, sizeof(struct media_resp) + in_len);
	uint32_t used, status;

	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), payload, out_len);
	used = carrier_request(c, COMMANDQ, out, sizeof(head) + out_len, in, sizeof(struct media_resp) + in_len);
	status = status_of(in, used);
	if (in_len && used > sizeof(struct media_resp))
		memcpy(payload, in + sizeof(struct media_resp), used - sizeof(struct media_resp));
	if (!status)
		ck_assert_uint_eq(used, sizeof(struct media_resp) + in_len);
	free(out);
	free(in);
	return status;
}

static inline uint32_t ioctl_wr(struct carrier *c, uint32_t id, uint32_t code, void *payload, size_t len)
{
	return ioctl_raw(c, id, code, payload, len, len);
}

#define DO(c, id, code, p)	   ck_assert_uint_eq(ioctl_wr(c, id, code, p, sizeof(*(p))), 0)
#define FAILS(c, id, code, p, err) ck_assert_uint_eq(ioctl_wr(c, id, code, p, sizeof(*(p))), err)

static inline uint32_t stream_of(struct carrier *c, uint32_t id, uint32_t which, bool on)
{
	le32 type = htole32(which);

	return ioctl_raw(c, id, on ? MEDIA_STREAMON : MEDIA_STREAMOFF, &type, sizeof(type), 0);
}

static inline uint32_t stream(struct carrier *c, uint32_t id, bool on)
{
	return stream_of(c, id, MEDIA_CAPTURE, on);
}

static inline uint32_t reqbufs_of(struct carrier *c, uint32_t id, uint32_t which, uint32_t *count)
{
	struct media_requestbuffers r = {
		.count = htole32(*count), .type = htole32(which), .memory = htole32(MEDIA_MEMORY_MMAP)};
	uint32_t status = ioctl_wr(c, id, MEDIA_REQBUFS, &r, sizeof(r));

	*count = le32toh(r.count);
	return status;
}

static inline uint32_t reqbufs(struct carrier *c, uint32_t id, uint32_t *count)
{
	return reqbufs_of(c, id, MEDIA_CAPTURE, count);
}

static inline void make_buffers(struct carrier *c, uint32_t id, uint32_t count)
{
	uint32_t n = count;

	ck_assert_uint_eq(reqbufs(c, id, &n), 0);
	ck_assert_uint_eq(n, count);
}

static inline uint32_t buffer(struct carrier *c, uint32_t id, uint32_t code, uint32_t index, struct media_buffer *b)
{
	*b = (struct media_buffer){
		.index = htole32(index), .type = htole32(MEDIA_CAPTURE), .memory = htole32(MEDIA_MEMORY_MMAP)};
	return ioctl_wr(c, id, code, b, sizeof(*b));
}

static inline void queue_buffer(struct carrier *c, uint32_t id, uint32_t index)
{
	struct media_buffer b;

	ck_assert_uint_eq(buffer(c, id, MEDIA_QBUF, index, &b), 0);
	ck_assert_uint_ne(le32toh(b.flags) & MEDIA_BUF_FLAG_QUEUED, 0);
}

static inline void set_format(struct carrier *c, uint32_t id, uint32_t fourcc, uint32_t width, uint32_t height)
{
	struct media_format f = {.type = htole32(MEDIA_CAPTURE)};

	f.pix.pixelformat = htole32(fourcc);
	f.pix.width = htole32(width);
	f.pix.height = htole32(height);
	DO(c, id, MEDIA_S_FMT, &f);
	ck_assert_uint_eq(le32toh(f.pix.width), width);
	ck_assert_uint_eq(le32toh(f.pix.height), height);
	ck_assert_uint_eq(le32toh(f.pix.pixelformat), fourcc);
}

static inline void set_rate(struct carrier *c, uint32_t id, uint32_t rate)
{
	struct media_streamparm s = {.type = htole32(MEDIA_CAPTURE), .timeperframe = {htole32(1), htole32(rate)}};

	DO(c, id, MEDIA_S_PARM, &s);
	ck_assert_uint_eq(le32toh(s.timeperframe.numerator), 1);
	ck_assert_uint_eq(le32toh(s.timeperframe.denominator), rate);
}

static inline struct frontend_request *event_room(struct carrier *c)
{
	return carrier_submit(c, EVENTQ, NULL, 0, sizeof(struct media_event_dqbuf));
}

static inline void await_frame(struct carrier *c, struct frontend_request *req, uint32_t id,
			       struct media_event_dqbuf *e)
{
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, e), sizeof(*e));
	ck_assert_uint_eq(le32toh(e->hdr.event), VIRTIO_MEDIA_EVT_DQBUF);
	ck_assert_uint_eq(le32toh(e->hdr.session_id), id);
}

static inline uint32_t mmap_offset(struct carrier *c, uint32_t id, uint32_t offset, uint32_t flags,
				   struct media_resp_mmap *in)
{
	const le32 out[] = {htole32(VIRTIO_MEDIA_CMD_MMAP), 0, htole32(id), htole32(flags), htole32(offset)};

	memset(in, 0, sizeof(*in));
	return status_of((const uint8_t *)in, carrier_request(c, COMMANDQ, out, sizeof(out), in, sizeof(*in)));
}

static inline uint32_t munmap_addr(struct carrier *c, uint64_t addr)
{
	struct {
		struct media_cmd head;
		le64 addr;
	} __attribute__((packed)) out = {{htole32(VIRTIO_MEDIA_CMD_MUNMAP), 0}, htole64(addr)};
	struct media_resp in = {0};

	return status_of((const uint8_t *)&in, carrier_request(c, COMMANDQ, &out, sizeof(out), &in, sizeof(in)));
}

/* Whether the front-end can map: not without a session of vhost-user. */
static inline bool has_region(struct carrier *c)
{
	struct vu_shmem_config config;

	if (carrier_kind(c) == CARRIER_DIRECT || carrier_setting(c)->refuse || carrier_setting(c)->refuse_protocol)
		return false;
	ck_assert_int_eq(frontend_get_shmem_config(carrier_frontend(c), &config), 0);
	ck_assert_uint_eq(config.sizes[0], UINT64_C(512) << 20);
	return true;
}

static inline void await_error(struct carrier *c, uint32_t id)
{
	uint8_t in[sizeof(struct media_event_dqbuf)];
	struct media_event_error e;

	ck_assert_uint_eq(carrier_await(c, EVENTQ, event_room(c), in), sizeof(e));
	memcpy(&e, in, sizeof(e));
	ck_assert_uint_eq(le32toh(e.hdr.event), VIRTIO_MEDIA_EVT_ERROR);
	ck_assert_uint_eq(le32toh(e.hdr.session_id), id);
	ck_assert_uint_eq(le32toh(e.error), ENODEV);
}

#endif
