/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_save.c - what `vdevd probe --save` asks of a media device, of any project: its next picture.
 *
 * The requests are those of a program that captures one frame, in the format that is set.  What the device answers is not trusted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/media/media.h"
#include "devices/media/media_paint.h"
#include "devices/media/media_save.h"

#define SIDE_MAX 16384u

enum { COMMANDQ, EVENTQ };

enum step { OPEN, G_FMT, REQBUFS, QUERYBUF, MMAP, QBUF, STREAMON, FRAME, DONE };

struct saving {
	enum step step; /* that was sent last, and 1 */
	uint8_t out[16 + sizeof(struct media_format)];
	uint32_t session, offset;
	uint64_t addr, len;
	struct media_picture picture;
};

/* Puts an ioctl with its payload together. */
static void ioctl_make(struct saving *s, struct vdev_save_request *r, uint32_t code, const void *payload, size_t len,
		       bool answered)
{
	const le32 head[] = {htole32(VIRTIO_MEDIA_CMD_IOCTL), 0, htole32(s->session), htole32(code)};

	memcpy(s->out, head, sizeof(head));
	memcpy(s->out + sizeof(head), payload, len);
	*r = (struct vdev_save_request){COMMANDQ, s->out, sizeof(head) + len,
					sizeof(struct media_resp) + (answered ? (uint32_t)len : 0)};
}

static void request_make(struct saving *s, struct vdev_save_request *r)
{
	const struct media_cmd open = {htole32(VIRTIO_MEDIA_CMD_OPEN), 0};
	const struct media_format format = {.type = htole32(MEDIA_CAPTURE)};
	const struct media_requestbuffers buffers = {
		.count = htole32(2), .type = htole32(MEDIA_CAPTURE), .memory = htole32(MEDIA_MEMORY_MMAP)};
	const struct media_buffer buffer = {.type = htole32(MEDIA_CAPTURE), .memory = htole32(MEDIA_MEMORY_MMAP)};
	const le32 map[] = {htole32(VIRTIO_MEDIA_CMD_MMAP), 0, htole32(s->session), 0, htole32(s->offset)},
		   type = htole32(MEDIA_CAPTURE);

	switch (s->step) {
	case OPEN:
		memcpy(s->out, &open, sizeof(open));
		*r = (struct vdev_save_request){COMMANDQ, s->out, sizeof(open), sizeof(struct media_resp_open)};
		break;
	case G_FMT:
		ioctl_make(s, r, MEDIA_G_FMT, &format, sizeof(format), true);
		break;
	case REQBUFS:
		ioctl_make(s, r, MEDIA_REQBUFS, &buffers, sizeof(buffers), true);
		break;
	case QUERYBUF:
	case QBUF:
		ioctl_make(s, r, s->step == QBUF ? MEDIA_QBUF : MEDIA_QUERYBUF, &buffer, sizeof(buffer), true);
		break;
	case MMAP:
		memcpy(s->out, map, sizeof(map));
		*r = (struct vdev_save_request){COMMANDQ, s->out, sizeof(map), sizeof(struct media_resp_mmap)};
		break;
	case STREAMON:
		ioctl_make(s, r, MEDIA_STREAMON, &type, sizeof(type), false);
		break;
	default:
		*r = (struct vdev_save_request){EVENTQ, NULL, 0, sizeof(struct media_event_dqbuf)};
	}
	s->step++;
}

/* Keeps what matters of an answer, which is as long as was asked for.  Returns NULL, or what is wrong. */
static const char *answer_take(struct saving *s, const uint8_t *answer)
{
	const uint8_t *payload = answer + sizeof(struct media_resp);
	struct media_resp_open open;
	struct media_resp_mmap map;
	struct media_event_dqbuf e;
	struct media_format f;
	struct media_buffer b;

	switch (s->step - 1) {
	case OPEN:
		memcpy(&open, answer, sizeof(open));
		s->session = le32toh(open.session_id);
		return NULL;
	case G_FMT:
		memcpy(&f, payload, sizeof(f));
		s->picture = (struct media_picture){NULL,
						    0,
						    le32toh(f.pix.pixelformat),
						    le32toh(f.pix.width),
						    le32toh(f.pix.height),
						    le32toh(f.pix.bytesperline)};
		if (!s->picture.width || !s->picture.height || s->picture.width > SIDE_MAX ||
		    s->picture.height > SIDE_MAX)
			return "a picture of no size, or an enormous one";
		return media_snap_is_jpeg(&s->picture) || media_pixel_find(s->picture.pixelformat)
			       ? NULL
			       : "its pixel format is none that can be saved";
	case QUERYBUF:
		memcpy(&b, payload, sizeof(b));
		s->offset = (uint32_t)le64toh(b.m);
		return NULL;
	case MMAP:
		memcpy(&map, answer, sizeof(map));
		s->addr = le64toh(map.driver_addr);
		s->len = le64toh(map.len);
		return NULL;
	case FRAME:
		memcpy(&e, answer, sizeof(e));
		s->picture.len = min_size(le32toh(e.buffer.bytesused), s->len);
		return le32toh(e.hdr.event) == VIRTIO_MEDIA_EVT_DQBUF && s->picture.len ? NULL
											: "an event that is no frame";
	default:
		return NULL;
	}
}

static int save_step(void *state, const uint8_t *answer, uint32_t used, struct vdev_save_request *r, char *why,
		     size_t why_size)
{
	static const char *const names[] = {"OPEN", "G_FMT", "REQBUFS",	 "QUERYBUF",
					    "MMAP", "QBUF",  "STREAMON", "the frame's event"};
	struct saving *s = state;
	struct media_resp resp = {0};
	const char *wrong = NULL;

	if (answer && s->step != DONE)
		memcpy(&resp, answer, min_size(used, sizeof(resp)));
	if (answer && (used < r->in_len || resp.status))
		snprintf(why, why_size, "%s: %s", names[s->step - 1],
			 resp.status ? strerror((int)le32toh(resp.status)) : "a short answer");
	else if (answer && (wrong = answer_take(s, answer)))
		snprintf(why, why_size, "%s: %s", names[s->step - 1], wrong);
	else if (s->step == DONE)
		return 0;
	else {
		request_make(s, r);
		return 1;
	}
	return -EINVAL;
}

static void save_where(const void *state, struct vdev_mapping *where)
{
	const struct saving *s = state;

	*where = (struct vdev_mapping){.offset = s->addr, .len = s->picture.len};
}

static int save_write(void *state, const void *bytes, int fd)
{
	struct saving *s = state;

	s->picture.bytes = bytes;
	return media_snap_write(fd, &s->picture);
}

const struct vdev_save media_saving = {
	.what = "the next picture",
	.size = sizeof(struct saving),
	.step = save_step,
	.where = save_where,
	.write = save_write,
};
