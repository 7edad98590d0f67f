/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_pcm.c - PCM streams as the standard has them; see sound_pcm.h.  VIRTIO 1.4, section 5.14.6.6.
 */
#include "devices/sound/sound_pcm.h"

#include <errno.h>

#define MAY(ask) (1u << (ask))

/* "PCM Command Lifecycle": what may follow. */
static const uint8_t may[PCM_STATES] = {
	[PCM_NONE] = MAY(PCM_SET_PARAMS),
	[PCM_SET] = MAY(PCM_SET_PARAMS) | MAY(PCM_PREPARE),
	[PCM_PREPARED] = MAY(PCM_SET_PARAMS) | MAY(PCM_PREPARE) | MAY(PCM_START) | MAY(PCM_RELEASE),
	[PCM_RUNNING] = MAY(PCM_STOP),
	[PCM_STOPPED] = MAY(PCM_START) | MAY(PCM_RELEASE),
	[PCM_RELEASED] = MAY(PCM_SET_PARAMS) | MAY(PCM_PREPARE),
};

bool sound_pcm_may(enum sound_pcm_state state, enum sound_pcm_ask ask)
{
	return may[state] & MAY(ask);
}

enum sound_pcm_state sound_pcm_next(enum sound_pcm_ask ask)
{
	static const uint8_t next[PCM_ASKS] = {
		[PCM_SET_PARAMS] = PCM_SET, [PCM_PREPARE] = PCM_PREPARED, [PCM_RELEASE] = PCM_RELEASED,
		[PCM_START] = PCM_RUNNING,  [PCM_STOP] = PCM_STOPPED,
	};

	return next[ask];
}

const char *sound_pcm_state_name(enum sound_pcm_state state)
{
	static const char *const names[] = {"none", "set", "prepared", "running", "stopped", "released"};

	return names[state];
}

static const struct {
	const char *name;
	uint8_t bytes;
} formats[FMT_COUNT] = {
	[FMT_IMA_ADPCM] = {"IMA_ADPCM", 0},
	[FMT_MU_LAW] = {"MU_LAW", 1},
	[FMT_A_LAW] = {"A_LAW", 1},
	[FMT_S8] = {"S8", 1},
	[FMT_U8] = {"U8", 1},
	[FMT_S16] = {"S16", 2},
	[FMT_U16] = {"U16", 2},
	[FMT_S18_3] = {"S18_3", 3},
	[FMT_U18_3] = {"U18_3", 3},
	[FMT_S20_3] = {"S20_3", 3},
	[FMT_U20_3] = {"U20_3", 3},
	[FMT_S24_3] = {"S24_3", 3},
	[FMT_U24_3] = {"U24_3", 3},
	[FMT_S20] = {"S20", 4},
	[FMT_U20] = {"U20", 4},
	[FMT_S24] = {"S24", 4},
	[FMT_U24] = {"U24", 4},
	[FMT_S32] = {"S32", 4},
	[FMT_U32] = {"U32", 4},
	[FMT_FLOAT] = {"FLOAT", 4},
	[FMT_FLOAT64] = {"FLOAT64", 8},
	[FMT_DSD_U8] = {"DSD_U8", 1},
	[FMT_DSD_U16] = {"DSD_U16", 2},
	[FMT_DSD_U32] = {"DSD_U32", 4},
	[FMT_IEC958_SUBFRAME] = {"IEC958_SUBFRAME", 4},
};

static const uint32_t rates[SOUND_RATES] = {5512,  8000,  11025, 16000,	 22050,	 32000,	 44100, 48000,
					    64000, 88200, 96000, 176400, 192000, 384000, 12000, 24000};

const char *sound_format_name(unsigned int format)
{
	return format < FMT_COUNT ? formats[format].name : "?";
}

unsigned int sound_sample_bytes(unsigned int format)
{
	return format < FMT_COUNT ? formats[format].bytes : 0;
}

unsigned int sound_rate_hz(unsigned int rate)
{
	return rate < SOUND_RATES ? rates[rate] : 0;
}

unsigned int sound_frame_bytes(const struct sound_params *p)
{
	return sound_sample_bytes(p->format) * p->channels;
}

uint64_t sound_bytes_ns(const struct sound_params *p, uint64_t bytes)
{
	const unsigned int frame = sound_frame_bytes(p);
	const uint64_t hz = sound_rate_hz(p->rate), frames = frame ? bytes / frame : 0;

	if (!hz)
		return 0;
	/* Rounded up: at that time the last of them is over. */
	return frames / hz * 1000000000 + (frames % hz * 1000000000 + hz - 1) / hz;
}

uint64_t sound_ns_bytes(const struct sound_params *p, uint64_t ns)
{
	const uint64_t hz = sound_rate_hz(p->rate);

	return (ns / 1000000000 * hz + ns % 1000000000 * hz / 1000000000) * sound_frame_bytes(p);
}

int sound_params_check(const struct sound_params *p, const struct sound_caps *caps, uint32_t offered)
{
	unsigned int frame;

	if (p->format >= FMT_COUNT || p->rate >= SOUND_RATES || p->features & ~(uint32_t)SOUND_F_KNOWN || !p->channels)
		return -EINVAL;
	if (!(caps->formats & BIT(p->format)) || !(caps->rates & BIT(p->rate)) || p->features & ~offered ||
	    p->channels < caps->channels_min || p->channels > caps->channels_max)
		return -EOPNOTSUPP;
	frame = sound_frame_bytes(p);
	if (!frame || !p->period_bytes || !p->buffer_bytes || p->buffer_bytes % p->period_bytes ||
	    p->period_bytes % frame)
		return -EINVAL;
	return p->buffer_bytes > SOUND_BUFFER_MAX ? -EOPNOTSUPP : 0;
}
