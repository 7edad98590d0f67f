/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_wire.h - messages and V4L2 structures as they are on the rings: VIRTIO 1.4, section "Media Device".
 *
 * Payloads are the 64-bit little-endian forms of V4L2's structures, whatever the host is.  Only those that vdevd itself looks into
 * are written out; of the others media_ioctl.c has the size.  Constants are V4L2's (Documentation/userspace-api/media/v4l).
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_WIRE_H
#define VDEVD_DEVICES_MEDIA_MEDIA_WIRE_H

#include "core/base.h"

#define VIRTIO_MEDIA_CMD_OPEN	1
#define VIRTIO_MEDIA_CMD_CLOSE	2
#define VIRTIO_MEDIA_CMD_IOCTL	3
#define VIRTIO_MEDIA_CMD_MMAP	4
#define VIRTIO_MEDIA_CMD_MUNMAP 5

#define VIRTIO_MEDIA_MMAP_FLAG_RW 1u

#define VIRTIO_MEDIA_EVT_ERROR 0
#define VIRTIO_MEDIA_EVT_DQBUF 1
#define VIRTIO_MEDIA_EVT_EVENT 2

#define VIRTIO_MEDIA_MAX_PLANES 8

struct media_config {
	le32 device_caps;
	le32 device_type;
	char card[32];
} __attribute__((packed));

/* Every command begins with cmd; but for OPEN, what follows is the session, or a mapping's address. */
struct media_cmd {
	le32 cmd, reserved;
} __attribute__((packed));

struct media_resp {
	le32 status, reserved;
} __attribute__((packed));

struct media_resp_open {
	struct media_resp hdr;
	le32 session_id, reserved;
} __attribute__((packed));

/* Behind struct media_cmd: of CLOSE, of IOCTL (the payload follows), of MMAP. */
struct media_cmd_close {
	le32 session_id, reserved;
} __attribute__((packed));

struct media_cmd_ioctl {
	le32 session_id, code;
} __attribute__((packed));

struct media_cmd_mmap {
	le32 session_id, flags, offset;
} __attribute__((packed));

struct media_resp_mmap {
	struct media_resp hdr;
	le64 driver_addr, len;
} __attribute__((packed));

struct media_event_header {
	le32 event, session_id;
} __attribute__((packed));

struct media_event_error {
	struct media_event_header hdr;
	le32 error, reserved;
} __attribute__((packed));

/* ---- V4L2 */

#define MEDIA_FOURCC(a, b, c, d) \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

enum media_buf_type {
	MEDIA_CAPTURE = 1,
	MEDIA_OUTPUT = 2,
	MEDIA_OVERLAY = 3,
	MEDIA_OUTPUT_OVERLAY = 8,
	MEDIA_CAPTURE_MPLANE = 9,
	MEDIA_OUTPUT_MPLANE = 10,
	MEDIA_BUF_TYPES = 15, /* the first that there is not */
};

#define MEDIA_MEMORY_MMAP 1u

#define MEDIA_CAP_VIDEO_CAPTURE	       0x00000001u
#define MEDIA_CAP_VIDEO_CAPTURE_MPLANE 0x00001000u
#define MEDIA_CAP_VIDEO_M2M	       0x00008000u
#define MEDIA_CAP_EXT_PIX_FORMAT       0x00200000u
#define MEDIA_CAP_STREAMING	       0x04000000u

#define MEDIA_BUF_FLAG_MAPPED		   0x00000001u
#define MEDIA_BUF_FLAG_QUEUED		   0x00000002u
#define MEDIA_BUF_FLAG_KEYFRAME		   0x00000008u
#define MEDIA_BUF_FLAG_ERROR		   0x00000040u
#define MEDIA_BUF_FLAG_PREPARED		   0x00000400u
#define MEDIA_BUF_FLAG_TIMESTAMP_MONOTONIC 0x00002000u
#define MEDIA_BUF_FLAG_TIMESTAMP_COPY	   0x00004000u
#define MEDIA_BUF_FLAG_LAST		   0x00100000u
#define MEDIA_BUF_FLAG_REQUEST_FD	   0x00800000u

#define MEDIA_BUF_CAP_MMAP     0x01u
#define MEDIA_BUF_CAP_ORPHANED 0x10u

#define MEDIA_FIELD_NONE 1u

/* Of sizes and of intervals. */
#define MEDIA_TYPE_DISCRETE 1u
#define MEDIA_TYPE_STEPWISE 3u

#define MEDIA_FMT_FLAG_COMPRESSED     0x01u
#define MEDIA_FMT_FLAG_DYN_RESOLUTION 0x08u
#define MEDIA_CAP_TIMEPERFRAME	  0x1000u

struct media_plane {
	le32 bytesused, length;
	le64 m; /* mem_offset in its low half, or an address of the guest's */
	le32 data_offset, reserved[11];
} __attribute__((packed));

struct media_buffer {
	le32 index, type, bytesused, flags, field, padding;
	le64 sec, usec;
	uint8_t timecode[16];
	le32 sequence, memory;
	le64 m; /* offset in its low half; planes: their address in the guest */
	le32 length, reserved2, request_fd, padding2;
} __attribute__((packed));

struct media_pix {
	le32 width, height, pixelformat, field, bytesperline, sizeimage, colorspace, priv, flags, ycbcr_enc, quantization, xfer_func;
} __attribute__((packed));

struct media_format {
	le32 type, padding;
	union {
		struct media_pix pix;
		uint8_t raw[200];
	};
} __attribute__((packed));

struct media_fmtdesc {
	le32 index, type, flags;
	char description[32];
	le32 pixelformat, mbus_code, reserved[3];
} __attribute__((packed));

struct media_requestbuffers {
	le32 count, type, memory, capabilities;
	uint8_t flags, reserved[3];
} __attribute__((packed));

struct media_create_buffers {
	le32 index, count, memory, padding;
	struct media_format format;
	le32 capabilities, flags, max_num_buffers, reserved[5];
} __attribute__((packed));

struct media_fract {
	le32 numerator, denominator;
} __attribute__((packed));

struct media_frmsizeenum {
	le32 index, pixel_format, type, width, height, stepwise[4], reserved[2];
} __attribute__((packed));

struct media_frmivalenum {
	le32 index, pixel_format, width, height, type;
	struct media_fract interval, stepwise[2];
	le32 reserved[2];
} __attribute__((packed));

/* Of type MEDIA_CAPTURE. */
struct media_streamparm {
	le32 type, capability, capturemode;
	struct media_fract timeperframe;
	le32 extendedmode, readbuffers, reserved[4];
	uint8_t rest[160];
} __attribute__((packed));

struct media_input {
	le32 index;
	char name[32];
	le32 type, audioset, tuner;
	le64 std;
	le32 status, capabilities, reserved[3], padding;
} __attribute__((packed));

struct media_control {
	le32 id, value;
} __attribute__((packed));

struct media_ext_controls {
	le32 which, count, error_idx, request_fd, reserved, padding;
	le64 controls; /* their address in the guest */
} __attribute__((packed));

struct media_ext_control {
	le32 id, size, reserved2;
	le64 value; /* a value of 32 bits is in its low half */
} __attribute__((packed));

struct media_queryctrl {
	le32 id, type;
	char name[32];
	le32 minimum, maximum, step, default_value, flags, reserved[2];
} __attribute__((packed));

struct media_query_ext_ctrl {
	le32 id, type;
	char name[32];
	le64 minimum, maximum, step, default_value;
	le32 flags, elem_size, elems, nr_of_dims, dims[4], reserved[32];
} __attribute__((packed));

struct media_querymenu {
	le32 id, index;
	char name[32];
	le32 reserved;
} __attribute__((packed));

struct media_event_subscription {
	le32 type, id, flags, reserved[5];
} __attribute__((packed));

#define MEDIA_EVENT_ALL		  0u
#define MEDIA_EVENT_EOS		  2u
#define MEDIA_EVENT_CTRL	  3u
#define MEDIA_EVENT_SOURCE_CHANGE 5u
#define MEDIA_EVENT_SEND_INITIAL  1u
#define MEDIA_EVENT_FEEDBACK	  2u
#define MEDIA_EVENT_CHANGES_VALUE 1u
#define MEDIA_EVENT_CHANGES_FLAGS 2u

/* In the union's first word, of MEDIA_EVENT_SOURCE_CHANGE. */
#define MEDIA_EVENT_SRC_CH_RESOLUTION 1u

/* Its union as of MEDIA_EVENT_CTRL. */
struct media_v4l2_event {
	le32 type, padding;
	struct {
		le32 changes, type;
		le64 value;
		le32 flags, minimum, maximum, step, default_value, rest[7];
	} __attribute__((packed)) ctrl;
	le32 pending, sequence;
	le64 sec, nsec;
	le32 id, reserved[8], padding2;
} __attribute__((packed));

/* Linux wants this event whole, also of buffers without planes. */
struct media_event_dqbuf {
	struct media_event_header hdr;
	struct media_buffer buffer;
	struct media_plane planes[VIRTIO_MEDIA_MAX_PLANES];
} __attribute__((packed));

struct media_event_event {
	struct media_event_header hdr;
	struct media_v4l2_event event;
} __attribute__((packed));

_Static_assert(sizeof(struct media_config) == 40, "VIRTIO 1.4: struct virtio_media_config");
_Static_assert(sizeof(struct media_resp_open) == 16, "VIRTIO 1.4: struct virtio_media_resp_open");
_Static_assert(sizeof(struct media_cmd) + sizeof(struct media_cmd_close) == 16, "VIRTIO 1.4: struct virtio_media_cmd_close");
_Static_assert(sizeof(struct media_cmd) + sizeof(struct media_cmd_ioctl) == 16, "VIRTIO 1.4: struct virtio_media_cmd_ioctl");
_Static_assert(sizeof(struct media_cmd) + sizeof(struct media_cmd_mmap) == 20, "VIRTIO 1.4: struct virtio_media_cmd_mmap");
_Static_assert(sizeof(struct media_resp_mmap) == 24, "VIRTIO 1.4: struct virtio_media_resp_mmap");
_Static_assert(sizeof(struct media_event_error) == 16, "VIRTIO 1.4: struct virtio_media_event_error");
_Static_assert(sizeof(struct media_event_dqbuf) == 608, "VIRTIO 1.4: struct virtio_media_event_dqbuf");
_Static_assert(sizeof(struct media_event_event) == 144, "VIRTIO 1.4: struct virtio_media_event_event");
_Static_assert(sizeof(struct media_plane) == 64, "V4L2: struct v4l2_plane");
_Static_assert(sizeof(struct media_buffer) == 88, "V4L2: struct v4l2_buffer");
_Static_assert(sizeof(struct media_format) == 208, "V4L2: struct v4l2_format");
_Static_assert(sizeof(struct media_fmtdesc) == 64, "V4L2: struct v4l2_fmtdesc");
_Static_assert(sizeof(struct media_requestbuffers) == 20, "V4L2: struct v4l2_requestbuffers");
_Static_assert(sizeof(struct media_create_buffers) == 256, "V4L2: struct v4l2_create_buffers");
_Static_assert(sizeof(struct media_frmsizeenum) == 44, "V4L2: struct v4l2_frmsizeenum");
_Static_assert(sizeof(struct media_frmivalenum) == 52, "V4L2: struct v4l2_frmivalenum");
_Static_assert(sizeof(struct media_streamparm) == 204, "V4L2: struct v4l2_streamparm");
_Static_assert(sizeof(struct media_input) == 80, "V4L2: struct v4l2_input");
_Static_assert(sizeof(struct media_ext_controls) == 32, "V4L2: struct v4l2_ext_controls");
_Static_assert(sizeof(struct media_ext_control) == 20, "V4L2: struct v4l2_ext_control");
_Static_assert(sizeof(struct media_queryctrl) == 68, "V4L2: struct v4l2_queryctrl");
_Static_assert(sizeof(struct media_query_ext_ctrl) == 232, "V4L2: struct v4l2_query_ext_ctrl");
_Static_assert(sizeof(struct media_querymenu) == 44, "V4L2: struct v4l2_querymenu");
_Static_assert(sizeof(struct media_event_subscription) == 32, "V4L2: struct v4l2_event_subscription");
_Static_assert(sizeof(struct media_v4l2_event) == 136, "V4L2: struct v4l2_event");

#endif
