/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_ioctl.h - the ioctls of V4L2 that a driver may send: VIRTIO 1.4, section "Media Device", "V4L2 ioctls".
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_IOCTL_H
#define VDEVD_DEVICES_MEDIA_MEDIA_IOCTL_H

#include "devices/media/media_wire.h"

/* Their codes: the second argument of the _IO macro. */
enum media_nr {
	MEDIA_ENUM_FMT = 2,
	MEDIA_G_FMT = 4,
	MEDIA_S_FMT = 5,
	MEDIA_REQBUFS = 8,
	MEDIA_QUERYBUF = 9,
	MEDIA_QBUF = 15,
	MEDIA_STREAMON = 18,
	MEDIA_STREAMOFF = 19,
	MEDIA_G_PARM = 21,
	MEDIA_S_PARM = 22,
	MEDIA_G_STD = 23,
	MEDIA_S_STD = 24,
	MEDIA_ENUMSTD = 25,
	MEDIA_ENUMINPUT = 26,
	MEDIA_G_CTRL = 27,
	MEDIA_S_CTRL = 28,
	MEDIA_G_TUNER = 29,
	MEDIA_S_TUNER = 30,
	MEDIA_G_AUDIO = 33,
	MEDIA_S_AUDIO = 34,
	MEDIA_QUERYCTRL = 36,
	MEDIA_QUERYMENU = 37,
	MEDIA_G_INPUT = 38,
	MEDIA_S_INPUT = 39,
	MEDIA_G_OUTPUT = 46,
	MEDIA_S_OUTPUT = 47,
	MEDIA_ENUMOUTPUT = 48,
	MEDIA_G_AUDOUT = 49,
	MEDIA_S_AUDOUT = 50,
	MEDIA_G_MODULATOR = 54,
	MEDIA_S_MODULATOR = 55,
	MEDIA_G_FREQUENCY = 56,
	MEDIA_S_FREQUENCY = 57,
	MEDIA_CROPCAP = 58,
	MEDIA_G_CROP = 59,
	MEDIA_S_CROP = 60,
	MEDIA_QUERYSTD = 63,
	MEDIA_TRY_FMT = 64,
	MEDIA_ENUMAUDIO = 65,
	MEDIA_ENUMAUDOUT = 66,
	MEDIA_G_PRIORITY = 67,
	MEDIA_S_PRIORITY = 68,
	MEDIA_G_SLICED_VBI_CAP = 69,
	MEDIA_G_EXT_CTRLS = 71,
	MEDIA_S_EXT_CTRLS = 72,
	MEDIA_TRY_EXT_CTRLS = 73,
	MEDIA_ENUM_FRAMESIZES = 74,
	MEDIA_ENUM_FRAMEINTERVALS = 75,
	MEDIA_G_ENC_INDEX = 76,
	MEDIA_ENCODER_CMD = 77,
	MEDIA_TRY_ENCODER_CMD = 78,
	MEDIA_S_HW_FREQ_SEEK = 82,
	MEDIA_S_DV_TIMINGS = 87,
	MEDIA_G_DV_TIMINGS = 88,
	MEDIA_SUBSCRIBE_EVENT = 90,
	MEDIA_UNSUBSCRIBE_EVENT = 91,
	MEDIA_CREATE_BUFS = 92,
	MEDIA_PREPARE_BUF = 93,
	MEDIA_G_SELECTION = 94,
	MEDIA_S_SELECTION = 95,
	MEDIA_DECODER_CMD = 96,
	MEDIA_TRY_DECODER_CMD = 97,
	MEDIA_ENUM_DV_TIMINGS = 98,
	MEDIA_QUERY_DV_TIMINGS = 99,
	MEDIA_DV_TIMINGS_CAP = 100,
	MEDIA_ENUM_FREQ_BANDS = 101,
	MEDIA_QUERY_EXT_CTRL = 103,
};

/* The largest payload, bytes (G_ENC_INDEX), and what can follow one: 1024 controls (V4L2_CID_MAX_CTRLS), 8 planes. */
#define MEDIA_PAYLOAD_MAX  2072
#define MEDIA_CONTROLS_MAX 1024
#define MEDIA_NESTED_MAX   (MEDIA_CONTROLS_MAX * sizeof(struct media_ext_control))

enum media_dir {
	MEDIA_R = 1, /* the device writes the payload: _IOR */
	MEDIA_W = 2, /* it reads it: _IOW */
	MEDIA_WR = MEDIA_R | MEDIA_W,
};

enum media_nested {
	MEDIA_NESTED_NONE,
	MEDIA_NESTED_PLANES,
	MEDIA_NESTED_CONTROLS,
};

struct media_ioctl {
	uint8_t dir;    /* enum media_dir; 0: there is no such ioctl here */
	uint8_t nested; /* enum media_nested */
	uint16_t size;  /* of the payload, bytes */
	/* Where a type of buffer and a type of memory are in the payload, bytes, and 1; 0: nowhere. */
	uint8_t type_at, memory_at;
};

/* What a request carries: the copy that was checked, and is answered. */
struct media_payload {
	uint8_t bytes[MEDIA_PAYLOAD_MAX];
	union {
		struct media_plane planes[VIRTIO_MEDIA_MAX_PLANES];
		struct media_ext_control controls[MEDIA_CONTROLS_MAX];
		uint8_t nested[MEDIA_NESTED_MAX];
	};
	size_t nested_len; /* bytes */
};

/* The row of a code, or NULL: ENOTTY. */
const struct media_ioctl *media_ioctl_find(uint32_t code);

/* How many bytes follow the payload that has been read.  Returns false where there would be more than V4L2 has. */
bool media_ioctl_nested(const struct media_ioctl *io, const struct media_payload *p, size_t *len);

/*
 * Whether a host may see it: no pointers into a process, no descriptors, no memory of the guest that its chain does not name.
 * Returns 0 or -EINVAL; then media_ext_controls.error_idx says so, too.
 */
int media_ioctl_check(const struct media_ioctl *io, uint32_t code, struct media_payload *p);

/* A little-endian word of a payload, at a place in bytes. */
uint32_t media_word(const struct media_payload *p, size_t at);

#endif
