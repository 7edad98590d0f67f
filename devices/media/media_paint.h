/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_paint.h - pictures in the pixel formats of V4L2 (Documentation/userspace-api/media/v4l/pixfmt.rst): test patterns, and
 * any of them as RGB.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_PAINT_H
#define VDEVD_DEVICES_MEDIA_MEDIA_PAINT_H

#include <stdio.h>

#include "core/base.h"

struct media_pixel_format {
	uint32_t fourcc;
	const char *name;
	unsigned int bits;  /* of a pixel, all planes together */
	unsigned int bytes; /* of a pixel in the first plane; bytesperline is by these */
};

/* NULL: it is none of those that can be painted. */
const struct media_pixel_format *media_pixel_find(uint32_t fourcc);
/* The i-th of them, or NULL. */
const struct media_pixel_format *media_pixel_at(unsigned int i);

/* Bytes of a picture whose sides are even. */
uint32_t media_pixel_size(const struct media_pixel_format *f, uint32_t width, uint32_t height);

/* A picture in memory of media_pixel_size bytes. */
struct media_canvas {
	const struct media_pixel_format *format;
	uint8_t *bytes;
	uint32_t width, height; /* even */
};

enum media_pattern {
	MEDIA_BARS,
	MEDIA_GRADIENT,
	MEDIA_BLACK,
	MEDIA_PATTERNS,
};

/* How its colours are changed: 0 to 255, 128 for not at all. */
struct media_look {
	unsigned int pattern, brightness, contrast;
	bool flip; /* left and right */
};

/* Paints what is the same in all frames. */
void media_paint_ground(const struct media_canvas *c, const struct media_look *look);

/*
 * Paints what changes: a mark that moves, and as text the frame's number and its time, us, with the time of a day as digits.  Where
 * the picture is too small for a text it is left out.
 */
void media_paint_marks(const struct media_canvas *c, uint32_t frame, uint64_t us);

/*
 * The pixel as red, green, blue; len: of the bytes.  Black where the format is not known, or the bytes are too few.
 */
void media_pixel_rgb(uint32_t fourcc, const uint8_t *bytes, size_t len, uint32_t bytesperline, uint32_t height, uint32_t x, uint32_t y,
		     uint8_t rgb[3]);

#endif
