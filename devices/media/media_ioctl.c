/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_ioctl.c - the ioctls of V4L2 that a driver may send: VIRTIO 1.4, section "Media Device", "V4L2 ioctls".
 *
 * What is not in the table is answered with ENOTTY.  That is what the standard says so of (QUERYCAP, DQBUF, DQEVENT, JPEGCOMP,
 * LOG_STATUS), and what cannot be had through a ring: framebuffers and overlays (pointers into a process), EDIDs (nested data that
 * the standard does not name), EXPBUF (shared objects, which no driver asks for), registers of chips.
 *
 * USERPTR and DMABUF memory is refused with EINVAL, as V4L2 does where a device has no such memory.  Pages of a USERPTR buffer would
 * be the host's from QBUF to DQBUF while no chain names them; a pointer into guest memory lives from pop to push here, which is the
 * life of a Xen grant, and of a translation of an IOMMU.  Values of controls beyond 64 bits are such pages, too.
 */
#include "devices/media/media_ioctl.h"

#include <errno.h>
#include <string.h>

#define CTRL_WHICH_REQUEST_VAL 0x0f010000u

static const struct media_ioctl ioctls[] = {
	[MEDIA_ENUM_FMT] = {MEDIA_WR, 0, 64, 5, 0},
	[MEDIA_G_FMT] = {MEDIA_WR, 0, 208, 1, 0},
	[MEDIA_S_FMT] = {MEDIA_WR, 0, 208, 1, 0},
	[MEDIA_REQBUFS] = {MEDIA_WR, 0, 20, 5, 9},
	[MEDIA_QUERYBUF] = {MEDIA_WR, MEDIA_NESTED_PLANES, 88, 5, 0},
	[MEDIA_QBUF] = {MEDIA_WR, MEDIA_NESTED_PLANES, 88, 5, 61},
	[MEDIA_STREAMON] = {MEDIA_W, 0, 4, 1, 0},
	[MEDIA_STREAMOFF] = {MEDIA_W, 0, 4, 1, 0},
	[MEDIA_G_PARM] = {MEDIA_WR, 0, 204, 1, 0},
	[MEDIA_S_PARM] = {MEDIA_WR, 0, 204, 1, 0},
	[MEDIA_G_STD] = {MEDIA_R, 0, 8, 0, 0},
	[MEDIA_S_STD] = {MEDIA_W, 0, 8, 0, 0},
	[MEDIA_ENUMSTD] = {MEDIA_WR, 0, 72, 0, 0},
	[MEDIA_ENUMINPUT] = {MEDIA_WR, 0, 80, 0, 0},
	[MEDIA_G_CTRL] = {MEDIA_WR, 0, 8, 0, 0},
	[MEDIA_S_CTRL] = {MEDIA_WR, 0, 8, 0, 0},
	[MEDIA_G_TUNER] = {MEDIA_WR, 0, 84, 0, 0},
	[MEDIA_S_TUNER] = {MEDIA_W, 0, 84, 0, 0},
	[MEDIA_G_AUDIO] = {MEDIA_R, 0, 52, 0, 0},
	[MEDIA_S_AUDIO] = {MEDIA_W, 0, 52, 0, 0},
	[MEDIA_QUERYCTRL] = {MEDIA_WR, 0, 68, 0, 0},
	[MEDIA_QUERYMENU] = {MEDIA_WR, 0, 44, 0, 0},
	[MEDIA_G_INPUT] = {MEDIA_R, 0, 4, 0, 0},
	[MEDIA_S_INPUT] = {MEDIA_WR, 0, 4, 0, 0},
	[MEDIA_G_OUTPUT] = {MEDIA_R, 0, 4, 0, 0},
	[MEDIA_S_OUTPUT] = {MEDIA_WR, 0, 4, 0, 0},
	[MEDIA_ENUMOUTPUT] = {MEDIA_WR, 0, 72, 0, 0},
	[MEDIA_G_AUDOUT] = {MEDIA_R, 0, 52, 0, 0},
	[MEDIA_S_AUDOUT] = {MEDIA_W, 0, 52, 0, 0},
	[MEDIA_G_MODULATOR] = {MEDIA_WR, 0, 68, 0, 0},
	[MEDIA_S_MODULATOR] = {MEDIA_W, 0, 68, 0, 0},
	[MEDIA_G_FREQUENCY] = {MEDIA_WR, 0, 44, 0, 0},
	[MEDIA_S_FREQUENCY] = {MEDIA_W, 0, 44, 0, 0},
	[MEDIA_CROPCAP] = {MEDIA_WR, 0, 44, 1, 0},
	[MEDIA_G_CROP] = {MEDIA_WR, 0, 20, 1, 0},
	[MEDIA_S_CROP] = {MEDIA_W, 0, 20, 1, 0},
	[MEDIA_QUERYSTD] = {MEDIA_R, 0, 8, 0, 0},
	[MEDIA_TRY_FMT] = {MEDIA_WR, 0, 208, 1, 0},
	[MEDIA_ENUMAUDIO] = {MEDIA_WR, 0, 52, 0, 0},
	[MEDIA_ENUMAUDOUT] = {MEDIA_WR, 0, 52, 0, 0},
	[MEDIA_G_PRIORITY] = {MEDIA_R, 0, 4, 0, 0},
	[MEDIA_S_PRIORITY] = {MEDIA_W, 0, 4, 0, 0},
	[MEDIA_G_SLICED_VBI_CAP] = {MEDIA_WR, 0, 116, 0, 0},
	[MEDIA_G_EXT_CTRLS] = {MEDIA_WR, MEDIA_NESTED_CONTROLS, 32, 0, 0},
	[MEDIA_S_EXT_CTRLS] = {MEDIA_WR, MEDIA_NESTED_CONTROLS, 32, 0, 0},
	[MEDIA_TRY_EXT_CTRLS] = {MEDIA_WR, MEDIA_NESTED_CONTROLS, 32, 0, 0},
	[MEDIA_ENUM_FRAMESIZES] = {MEDIA_WR, 0, 44, 0, 0},
	[MEDIA_ENUM_FRAMEINTERVALS] = {MEDIA_WR, 0, 52, 0, 0},
	[MEDIA_G_ENC_INDEX] = {MEDIA_R, 0, 2072, 0, 0},
	[MEDIA_ENCODER_CMD] = {MEDIA_WR, 0, 40, 0, 0},
	[MEDIA_TRY_ENCODER_CMD] = {MEDIA_WR, 0, 40, 0, 0},
	[MEDIA_S_HW_FREQ_SEEK] = {MEDIA_W, 0, 48, 0, 0},
	[MEDIA_S_DV_TIMINGS] = {MEDIA_WR, 0, 132, 0, 0},
	[MEDIA_G_DV_TIMINGS] = {MEDIA_WR, 0, 132, 0, 0},
	[MEDIA_SUBSCRIBE_EVENT] = {MEDIA_W, 0, 32, 0, 0},
	[MEDIA_UNSUBSCRIBE_EVENT] = {MEDIA_W, 0, 32, 0, 0},
	[MEDIA_CREATE_BUFS] = {MEDIA_WR, 0, 256, 17, 9},
	[MEDIA_PREPARE_BUF] = {MEDIA_WR, MEDIA_NESTED_PLANES, 88, 5, 61},
	[MEDIA_G_SELECTION] = {MEDIA_WR, 0, 64, 1, 0},
	[MEDIA_S_SELECTION] = {MEDIA_WR, 0, 64, 1, 0},
	[MEDIA_DECODER_CMD] = {MEDIA_WR, 0, 72, 0, 0},
	[MEDIA_TRY_DECODER_CMD] = {MEDIA_WR, 0, 72, 0, 0},
	[MEDIA_ENUM_DV_TIMINGS] = {MEDIA_WR, 0, 148, 0, 0},
	[MEDIA_QUERY_DV_TIMINGS] = {MEDIA_R, 0, 132, 0, 0},
	[MEDIA_DV_TIMINGS_CAP] = {MEDIA_WR, 0, 144, 0, 0},
	[MEDIA_ENUM_FREQ_BANDS] = {MEDIA_WR, 0, 64, 0, 0},
	[MEDIA_QUERY_EXT_CTRL] = {MEDIA_WR, 0, 232, 0, 0},
};

const struct media_ioctl *media_ioctl_find(uint32_t code)
{
	return code < ARRAY_SIZE(ioctls) && ioctls[code].dir ? &ioctls[code] : NULL;
}

uint32_t media_word(const struct media_payload *p, size_t at)
{
	le32 word;

	memcpy(&word, p->bytes + at, sizeof(word));
	return le32toh(word);
}

static struct media_buffer buffer_of(const struct media_payload *p)
{
	struct media_buffer b;

	memcpy(&b, p->bytes, sizeof(b));
	return b;
}

static struct media_ext_controls controls_of(const struct media_payload *p)
{
	struct media_ext_controls e;

	memcpy(&e, p->bytes, sizeof(e));
	return e;
}

/* The length of a buffer is the number of its planes, where its type has planes. */
bool media_ioctl_nested(const struct media_ioctl *io, const struct media_payload *p, size_t *len)
{
	const struct media_buffer b = buffer_of(p);
	const struct media_ext_controls e = controls_of(p);
	size_t n = 0, max = VIRTIO_MEDIA_MAX_PLANES, each = sizeof(struct media_plane);

	if (io->nested == MEDIA_NESTED_PLANES &&
	    (le32toh(b.type) == MEDIA_CAPTURE_MPLANE || le32toh(b.type) == MEDIA_OUTPUT_MPLANE))
		n = le32toh(b.length);
	if (io->nested == MEDIA_NESTED_CONTROLS) {
		n = le32toh(e.count);
		max = MEDIA_CONTROLS_MAX;
		each = sizeof(struct media_ext_control);
	}
	if (n > max)
		return false;
	*len = n * each;
	return true;
}

static int controls_check(struct media_payload *p)
{
	struct media_ext_controls e = controls_of(p);
	uint32_t n = le32toh(e.count);
	bool good = le32toh(e.which) != CTRL_WHICH_REQUEST_VAL;

	for (uint32_t i = 0; i < n; i++)
		good &= p->controls[i].size == 0;
	if (good)
		return 0;
	e.error_idx = e.count;
	memcpy(p->bytes, &e, sizeof(e));
	return -EINVAL;
}

int media_ioctl_check(const struct media_ioctl *io, uint32_t code, struct media_payload *p)
{
	if (io->type_at) {
		uint32_t type = media_word(p, io->type_at - 1u);

		if (!type || type >= MEDIA_BUF_TYPES || type == MEDIA_OVERLAY || type == MEDIA_OUTPUT_OVERLAY)
			return -EINVAL;
	}
	if (io->memory_at && media_word(p, io->memory_at - 1u) != MEDIA_MEMORY_MMAP)
		return -EINVAL;
	if (io->nested == MEDIA_NESTED_PLANES && code != MEDIA_QUERYBUF) {
		const struct media_buffer b = buffer_of(p);

		if (le32toh(b.flags) & MEDIA_BUF_FLAG_REQUEST_FD)
			return -EINVAL;
	}
	return io->nested == MEDIA_NESTED_CONTROLS ? controls_check(p) : 0;
}
