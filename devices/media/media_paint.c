/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_paint.c - pictures in the pixel formats of V4L2; see media_paint.h.
 *
 * All is made of rectangles with even corners, so that formats which share colour among pixels need no care.  Colours are those of
 * ITU-R BT.601 with a limited range, which V4L2 has as the default of the sRGB colour space.
 */
#include "devices/media/media_paint.h"

#include <string.h>

#include "devices/media/media_wire.h"

enum {
	YUYV = MEDIA_FOURCC('Y', 'U', 'Y', 'V'),
	UYVY = MEDIA_FOURCC('U', 'Y', 'V', 'Y'),
	NV12 = MEDIA_FOURCC('N', 'V', '1', '2'),
	NV21 = MEDIA_FOURCC('N', 'V', '2', '1'),
	YU12 = MEDIA_FOURCC('Y', 'U', '1', '2'),
	YV12 = MEDIA_FOURCC('Y', 'V', '1', '2'),
	RGB3 = MEDIA_FOURCC('R', 'G', 'B', '3'),
	BGR3 = MEDIA_FOURCC('B', 'G', 'R', '3'),
	XR24 = MEDIA_FOURCC('X', 'R', '2', '4'),
	GREY = MEDIA_FOURCC('G', 'R', 'E', 'Y'),
};

static const struct media_pixel_format formats[] = {
	{YUYV, "YUYV 4:2:2", 16, 2},
	{UYVY, "UYVY 4:2:2", 16, 2},
	{NV12, "Y/UV 4:2:0", 12, 1},
	{NV21, "Y/VU 4:2:0", 12, 1},
	{YU12, "Planar YUV 4:2:0", 12, 1},
	{YV12, "Planar YVU 4:2:0", 12, 1},
	{RGB3, "24-bit RGB 8-8-8", 24, 3},
	{BGR3, "24-bit BGR 8-8-8", 24, 3},
	{XR24, "32-bit BGRX 8-8-8-8", 32, 4},
	{GREY, "8-bit Greyscale", 8, 1},
};

const struct media_pixel_format *media_pixel_at(unsigned int i)
{
	return i < ARRAY_SIZE(formats) ? &formats[i] : NULL;
}

const struct media_pixel_format *media_pixel_find(uint32_t fourcc)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		if (formats[i].fourcc == fourcc)
			return &formats[i];
	}
	return NULL;
}

uint32_t media_pixel_size(const struct media_pixel_format *f, uint32_t width, uint32_t height)
{
	return width * height / 2 * f->bits / 4;
}

struct colour {
	uint8_t r, g, b, y, u, v;
};

static uint8_t clamp(int value)
{
	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static struct colour colour_of(int r, int g, int b)
{
	return (struct colour){
		.r = clamp(r),
		.g = clamp(g),
		.b = clamp(b),
		.y = clamp((66 * r + 129 * g + 25 * b + 128) / 256 + 16),
		.u = clamp((-38 * r - 74 * g + 112 * b) / 256 + 128),
		.v = clamp((112 * r - 94 * g - 18 * b) / 256 + 128),
	};
}

/* Two pixels of a packed format, side by side. */
static unsigned int pair_of(uint32_t fourcc, const struct colour *k, uint8_t pair[8])
{
	switch (fourcc) {
	case YUYV:
		memcpy(pair, (const uint8_t[]){k->y, k->u, k->y, k->v}, 4);
		return 4;
	case UYVY:
		memcpy(pair, (const uint8_t[]){k->u, k->y, k->v, k->y}, 4);
		return 4;
	case RGB3:
		memcpy(pair, (const uint8_t[]){k->r, k->g, k->b, k->r, k->g, k->b}, 6);
		return 6;
	case BGR3:
		memcpy(pair, (const uint8_t[]){k->b, k->g, k->r, k->b, k->g, k->r}, 6);
		return 6;
	case XR24:
		memcpy(pair, (const uint8_t[]){k->b, k->g, k->r, 255, k->b, k->g, k->r, 255}, 8);
		return 8;
	default: /* the first plane of the others is of luma alone */
		pair[0] = pair[1] = k->y;
		return 2;
	}
}

/* Where the bytes of colour are, of the formats whose planes share them among four pixels. */
static void fill_chroma(const struct media_canvas *c, uint32_t x, uint32_t y, uint32_t w, uint32_t h, const struct colour *k)
{
	uint32_t half = c->width / 2, fourcc = c->format->fourcc;
	size_t luma = (size_t)c->width * c->height;
	bool swapped = fourcc == NV21 || fourcc == YV12;
	uint8_t first = swapped ? k->v : k->u, second = swapped ? k->u : k->v;

	for (uint32_t row = y / 2; row < (y + h) / 2; row++) {
		uint8_t *at = c->bytes + luma;

		if (fourcc == NV12 || fourcc == NV21) {
			at += (size_t)row * c->width + x;
			for (uint32_t i = 0; i < w; i += 2) {
				at[i] = first;
				at[i + 1] = second;
			}
			continue;
		}
		at += (size_t)row * half + x / 2;
		memset(at, first, w / 2);
		memset(at + luma / 4, second, w / 2);
	}
}

/* A rectangle; its corners are even, and it lies in the picture. */
static void fill(const struct media_canvas *c, uint32_t x, uint32_t y, uint32_t w, uint32_t h, const struct colour *k)
{
	size_t line = (size_t)c->width * c->format->bytes, len = (size_t)w * c->format->bytes;
	uint8_t *first = c->bytes + y * line + (size_t)x * c->format->bytes, pair[8];
	unsigned int n = pair_of(c->format->fourcc, k, pair);

	if (!w || !h)
		return;
	for (size_t i = 0; i < len; i += n)
		memcpy(first + i, pair, n);
	for (uint32_t row = 1; row < h; row++)
		memcpy(first + row * line, first, len);
	if (c->format->bits == 12)
		fill_chroma(c, x, y, w, h, k);
}

/* ---- the patterns */

static struct colour looked(int r, int g, int b, const struct media_look *l)
{
	int brightness = (int)l->brightness - 128, contrast = (int)l->contrast;

#define LOOK(k) (((k) - 128) * contrast / 128 + 128 + brightness)
	return colour_of(clamp(LOOK(r)), clamp(LOOK(g)), clamp(LOOK(b)));
#undef LOOK
}

/* The first row of a plane becomes all of its rows. */
static void plane_repeat(uint8_t *plane, size_t line, uint32_t rows)
{
	for (uint32_t row = 1; row < rows; row++)
		memcpy(plane + row * line, plane, line);
}

/* All rows look like the first two. */
static void rows_repeat(const struct media_canvas *c)
{
	uint32_t fourcc = c->format->fourcc, half = c->height / 2;
	size_t luma = (size_t)c->width * c->height;

	plane_repeat(c->bytes, (size_t)c->width * c->format->bytes, c->height);
	if (fourcc == NV12 || fourcc == NV21) {
		plane_repeat(c->bytes + luma, c->width, half);
	} else if (c->format->bits == 12) {
		plane_repeat(c->bytes + luma, c->width / 2, half);
		plane_repeat(c->bytes + luma + luma / 4, c->width / 2, half);
	}
}

#define BARS 8

void media_paint_ground(const struct media_canvas *c, const struct media_look *l)
{
	static const uint8_t bars[BARS][3] = {{255, 255, 255}, {255, 255, 0}, {0, 255, 255}, {0, 255, 0},
					      {255, 0, 255},   {255, 0, 0},   {0, 0, 255},   {0, 0, 0}};
	uint32_t columns = l->pattern == MEDIA_BARS ? BARS : l->pattern == MEDIA_GRADIENT ? c->width / 2 : 1;

	for (uint32_t i = 0; i < columns; i++) {
		uint32_t at = l->flip ? columns - 1 - i : i;
		uint32_t x = c->width / 2 * at / columns * 2, end = c->width / 2 * (at + 1) / columns * 2;
		int grey = (int)(columns > 1 ? i * 255 / (columns - 1) : 0);
		struct colour k = l->pattern == MEDIA_BARS ? looked(bars[i][0], bars[i][1], bars[i][2], l) : looked(grey, grey, grey, l);

		fill(c, x, 0, end - x, 2, &k);
	}
	rows_repeat(c);
}

/* Digits of three by five, a bit each, the upper left one first; then ':', '.' and '-'. */
static const uint16_t glyphs[] = {
	075557, 026227, 071747, 071717, 055711, 074717, 074757, 071111, 075757, 075717, 002020, 000002, 000700,
};

static uint32_t text_paint(const struct media_canvas *c, uint32_t x, uint32_t y, uint32_t dot, const char *text, const struct colour *k)
{
	for (; *text; text++, x += 4 * dot) {
		unsigned int which = *text == ':' ? 10 : *text == '.' ? 11 : *text == '-' ? 12 : (unsigned int)(*text - '0');

		for (unsigned int i = 0; i < 15; i++) {
			if (glyphs[which] & (1u << (14 - i)))
				fill(c, x + i % 3 * dot, y + i / 3 * dot, dot, dot, k);
		}
	}
	return x;
}

#define TEXT_MAX 32

void media_paint_marks(const struct media_canvas *c, uint32_t frame, uint64_t us)
{
	const struct colour white = colour_of(255, 255, 255), black = colour_of(0, 0, 0);
	uint32_t mark = c->height / 16 & ~1u, dot = c->width / 320 * 2;
	uint32_t way = (c->width - mark) / 2, at = way ? frame % way * 2 : 0;
	uint64_t s = us / 1000000;
	char text[TEXT_MAX];

	fill(c, at, c->height - mark, mark, mark, &white);
	fill(c, at + mark / 4 / 2 * 2, c->height - mark + mark / 4 / 2 * 2, mark / 2 & ~1u, mark / 2 & ~1u, &black);
	dot = dot ? dot : 2;
	/* As time of the clock that the buffer's time is of: since the host was started. */
	int n = snprintf(text, sizeof(text), "%07u-%02u:%02u:%02u.%03u", frame, (unsigned int)(s / 3600 % 100), (unsigned int)(s / 60 % 60),
			 (unsigned int)(s % 60), (unsigned int)(us / 1000 % 1000));
	uint32_t width = ((uint32_t)n * 4 + 1) * dot, height = 7 * dot;

	if (width > c->width || height > c->height)
		return;
	fill(c, 0, 0, width, height, &black);
	text_paint(c, dot, dot, dot, text, &white);
}

/* ---- reading */

static void rgb_of(int y, int u, int v, uint8_t rgb[3])
{
	int c = 298 * (y - 16), d = u - 128, e = v - 128;

	rgb[0] = clamp((c + 409 * e + 128) / 256);
	rgb[1] = clamp((c - 100 * d - 208 * e + 128) / 256);
	rgb[2] = clamp((c + 516 * d + 128) / 256);
}

static uint8_t byte_at(const uint8_t *bytes, size_t len, size_t at, uint8_t otherwise)
{
	return at < len ? bytes[at] : otherwise;
}

void media_pixel_rgb(uint32_t fourcc, const uint8_t *bytes, size_t len, uint32_t bytesperline, uint32_t height, uint32_t x, uint32_t y,
		     uint8_t rgb[3])
{
	size_t line = (size_t)y * bytesperline, odd = x % 2, luma = (size_t)bytesperline * height, half = (size_t)(y / 2) * (bytesperline / 2) + x / 2;

#define AT(place, otherwise) byte_at(bytes, len, place, otherwise)
	switch (fourcc) {
	case YUYV:
		line += (size_t)x / 2 * 4;
		rgb_of(AT(line + odd * 2, 16), AT(line + 1, 128), AT(line + 3, 128), rgb);
		return;
	case UYVY:
		line += (size_t)x / 2 * 4;
		rgb_of(AT(line + 1 + odd * 2, 16), AT(line, 128), AT(line + 2, 128), rgb);
		return;
	case NV12:
	case NV21:
		luma += (size_t)(y / 2) * bytesperline + (x & ~1u);
		rgb_of(AT(line + x, 16), AT(luma + (fourcc == NV21), 128), AT(luma + (fourcc == NV12), 128), rgb);
		return;
	case YU12:
	case YV12:
		luma += half;
		half = luma + (size_t)bytesperline * height / 4;
		rgb_of(AT(line + x, 16), AT(fourcc == YU12 ? luma : half, 128), AT(fourcc == YU12 ? half : luma, 128), rgb);
		return;
	case RGB3:
	case BGR3:
	case XR24:
		line += (size_t)x * (fourcc == XR24 ? 4 : 3);
		for (unsigned int i = 0; i < 3; i++)
			rgb[i] = AT(line + (fourcc == RGB3 ? i : 2 - i), 0);
		return;
	case GREY:
		memset(rgb, AT(line + x, 0), 3);
		return;
	default:
		memset(rgb, 0, 3);
		return;
	}
#undef AT
}
