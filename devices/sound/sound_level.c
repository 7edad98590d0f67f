/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_level.c - samples: how loud they are, making them lower, silence.  All are little-endian.
 */
#include <string.h>

#include "devices/sound/sound_pcm.h"

/* How a sample of a linear format lies in its bytes. */
struct layout {
	uint8_t bits; /* 0: not linear */
	bool is_unsigned;
};

static const struct layout layouts[FMT_COUNT] = {
	[FMT_S8] = {8, false},	   [FMT_U8] = {8, true},     [FMT_S16] = {16, false},	[FMT_U16] = {16, true},
	[FMT_S18_3] = {18, false}, [FMT_U18_3] = {18, true}, [FMT_S20_3] = {20, false}, [FMT_U20_3] = {20, true},
	[FMT_S24_3] = {24, false}, [FMT_U24_3] = {24, true}, [FMT_S20] = {20, false},	[FMT_U20] = {20, true},
	[FMT_S24] = {24, false},   [FMT_U24] = {24, true},   [FMT_S32] = {32, false},	[FMT_U32] = {32, true},
};

static uint32_t bytes_get(const uint8_t *at, unsigned int n)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < n; i++)
		v |= (uint32_t)at[i] << 8 * i;
	return v;
}

static void bytes_put(uint8_t *at, unsigned int n, uint32_t v)
{
	for (unsigned int i = 0; i < n; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

/* A sample as a part of 2^31: its bits at the top. */
static int32_t sample_get(const struct layout *l, const uint8_t *at, unsigned int n)
{
	uint32_t v = bytes_get(at, n) << (32 - l->bits);

	return (int32_t)(l->is_unsigned ? v ^ 0x80000000u : v);
}

static void sample_put(const struct layout *l, uint8_t *at, unsigned int n, int32_t sample)
{
	uint32_t v = (uint32_t)sample ^ (l->is_unsigned ? 0x80000000u : 0);

	/* The sign goes on in the bytes above; an unsigned one has zeros there. */
	if (l->is_unsigned)
		v >>= 32 - l->bits;
	else
		v = (uint32_t)((int32_t)v >> (32 - l->bits));
	bytes_put(at, n, v);
}

static float float_get(const uint8_t *at)
{
	uint32_t bits = bytes_get(at, 4);
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static double double_get(const uint8_t *at)
{
	uint64_t bits = bytes_get(at, 4) | (uint64_t)bytes_get(at + 4, 4) << 32;
	double f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

/* A number that may be anything, as a part of 2^31. */
static uint32_t real_level(double f)
{
	f = f < 0 ? -f : f;
	return f >= 1 ? 0x7fffffff : f > 0 ? (uint32_t)(f * 0x7fffffff) : 0;
}

static uint32_t level(int32_t sample)
{
	return sample < 0 ? (uint32_t) - (int64_t)sample - 1 : (uint32_t)sample;
}

uint32_t sound_peak(unsigned int format, const uint8_t *buf, size_t len)
{
	const struct layout *l = &layouts[format];
	const unsigned int n = sound_sample_bytes(format);
	uint32_t peak = 0, one;

	if (!l->bits && format != FMT_FLOAT && format != FMT_FLOAT64)
		return 0;
	for (size_t i = 0; i + n <= len; i += n) {
		one = l->bits		    ? level(sample_get(l, buf + i, n))
		      : format == FMT_FLOAT ? real_level((double)float_get(buf + i))
					    : real_level(double_get(buf + i));
		peak = one > peak ? one : peak;
	}
	return peak;
}

/* Full scale is 1: what is beyond would be as loud as that, whatever the limit.  What is no number is silence. */
static double real_clamp(double f)
{
	return f > 1 ? 1 : f < -1 ? -1 : f == f ? f : 0;
}

bool sound_scales(unsigned int format)
{
	return format < FMT_COUNT && (layouts[format].bits || format == FMT_FLOAT || format == FMT_FLOAT64);
}

void sound_scale(unsigned int format, uint8_t *buf, size_t len, unsigned int percent)
{
	const struct layout *l = &layouts[format];
	const unsigned int n = sound_sample_bytes(format);

	for (size_t i = 0; i + n <= len; i += n) {
		uint8_t *at = buf + i;

		if (l->bits) {
			sample_put(l, at, n, (int32_t)((int64_t)sample_get(l, at, n) * percent / 100));
		} else if (format == FMT_FLOAT) {
			float f = (float)(real_clamp((double)float_get(at)) * percent / 100);
			uint32_t bits;

			memcpy(&bits, &f, sizeof(bits));
			bytes_put(at, 4, bits);
		} else {
			double f = real_clamp(double_get(at)) * percent / 100;
			uint64_t bits;

			memcpy(&bits, &f, sizeof(bits));
			bytes_put(at, 4, (uint32_t)bits);
			bytes_put(at + 4, 4, (uint32_t)(bits >> 32));
		}
	}
}

void sound_silence(unsigned int format, uint8_t *buf, size_t len)
{
	const struct layout *l = &layouts[format];
	const unsigned int n = sound_sample_bytes(format);
	const int fill = format == FMT_MU_LAW ? 0xff : format == FMT_A_LAW ? 0xd5 : 0;

	memset(buf, format >= FMT_DSD_U8 && format <= FMT_DSD_U32 ? 0x69 : fill, len);
	for (size_t i = 0; l->is_unsigned && i + n <= len; i += n)
		sample_put(l, buf + i, n, 0);
}
