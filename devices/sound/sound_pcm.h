/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_pcm.h - what a PCM stream is and may be asked: VIRTIO 1.4, section 5.14.6.6 "PCM Control Messages".  No ring,
 *no clock, no host.
 *
 *	               SET_PARAMS        PREPARE           START          STOP           RELEASE
 *	  none ---------> set ----------> prepared -------> running -----> stopped -----> released
 *	                  ^  ^--SET_PARAMS--|  ^ PREPARE       ^---START-----|                |
 *	                  |                 |--|---------------RELEASE----------------------->|
 *	                  |--SET_PARAMS-----+--------------------------------PREPARE----------|
 */
#ifndef VDEVD_DEVICES_SOUND_SOUND_PCM_H
#define VDEVD_DEVICES_SOUND_SOUND_PCM_H

#include "core/base.h"

/* VIRTIO_SND_PCM_FMT_* */
enum sound_format {
	FMT_IMA_ADPCM,
	FMT_MU_LAW,
	FMT_A_LAW,
	FMT_S8,
	FMT_U8,
	FMT_S16,
	FMT_U16,
	FMT_S18_3,
	FMT_U18_3,
	FMT_S20_3,
	FMT_U20_3,
	FMT_S24_3,
	FMT_U24_3,
	FMT_S20,
	FMT_U20,
	FMT_S24,
	FMT_U24,
	FMT_S32,
	FMT_U32,
	FMT_FLOAT,
	FMT_FLOAT64,
	FMT_DSD_U8,
	FMT_DSD_U16,
	FMT_DSD_U32,
	FMT_IEC958_SUBFRAME,
	FMT_COUNT,
};

/* Number of VIRTIO_SND_PCM_RATE_* */
#define SOUND_RATES 16

/* All formats but IMA ADPCM, whose frames are not whole bytes; all rates. */
#define SOUND_FORMATS_ALL ((BIT(FMT_COUNT) - 1) & ~BIT(FMT_IMA_ADPCM))
#define SOUND_RATES_ALL	  (BIT(SOUND_RATES) - 1)

/* The longest channel map: VIRTIO_SND_CHMAP_MAX_SIZE; also the most channels. */
#define SOUND_CHANNELS_MAX 18

/* The most channel maps of a stream. */
#define SOUND_MAPS_MAX 8

/* The largest buffer_bytes: 10 s of 8 channels of 32 bits at 48 kHz, and some. */
#define SOUND_BUFFER_MAX (16u << 20)

/* VIRTIO_SND_PCM_F_*, as bits. */
enum {
	SOUND_F_MSG_POLLING = 1 << 2,
	SOUND_F_EVT_SHMEM_PERIODS = 1 << 3,
	SOUND_F_EVT_XRUNS = 1 << 4,
	SOUND_F_KNOWN = (1 << 5) - 1,
};

/* What a stream can do: bits of the enumerations above. */
struct sound_caps {
	uint64_t formats, rates;
	uint8_t channels_min, channels_max;
	unsigned int nmaps;
	struct sound_map {
		uint8_t channels, at[SOUND_CHANNELS_MAX]; /* VIRTIO_SND_CHMAP_* */
	} maps[SOUND_MAPS_MAX];
};

/* What a driver has chosen. */
struct sound_params {
	uint32_t buffer_bytes, period_bytes, features;
	uint8_t channels, format, rate;
};

enum sound_pcm_state {
	PCM_NONE,
	PCM_SET,
	PCM_PREPARED,
	PCM_RUNNING,
	PCM_STOPPED,
	PCM_RELEASED,
	PCM_STATES,
};

/* Requests that move a stream, in the order of their codes. */
enum sound_pcm_ask {
	PCM_SET_PARAMS,
	PCM_PREPARE,
	PCM_RELEASE,
	PCM_START,
	PCM_STOP,
	PCM_ASKS,
};

/* Whether a request may follow in this state. */
bool sound_pcm_may(enum sound_pcm_state state, enum sound_pcm_ask ask);

/* The state that it leads to. */
enum sound_pcm_state sound_pcm_next(enum sound_pcm_ask ask);

/* Whether the driver may have messages in flight. */
static inline bool sound_pcm_takes_messages(enum sound_pcm_state state)
{
	return state == PCM_PREPARED || state == PCM_RUNNING || state == PCM_STOPPED;
}

/* The name of a state, for people. */
const char *sound_pcm_state_name(enum sound_pcm_state state);

/*
 * Looks at parameters.  offered: the features of the stream.
 * Returns 0; -EINVAL: they cannot be (BAD_MSG); -EOPNOTSUPP: the stream cannot do that (NOT_SUPP).
 */
int sound_params_check(const struct sound_params *p, const struct sound_caps *caps, uint32_t offered);

/* Bytes of a sample; 0: no whole number, or no format. */
unsigned int sound_sample_bytes(unsigned int format);

/* Bytes of a frame; frames in a second; how long bytes last, ns. */
unsigned int sound_frame_bytes(const struct sound_params *p);
unsigned int sound_rate_hz(unsigned int rate);
uint64_t sound_bytes_ns(const struct sound_params *p, uint64_t bytes);
/* How many bytes, in whole frames, fit in this time. */
uint64_t sound_ns_bytes(const struct sound_params *p, uint64_t ns);

/* "S16", "FLOAT"; "48000". */
const char *sound_format_name(unsigned int format);

/* sound_level.c */

/* The highest level of samples, of 2^31; 0 for a format that is not measured. */
uint32_t sound_peak(unsigned int format, const uint8_t *buf, size_t len);
/* Whether samples of a format can be made lower. */
bool sound_scales(unsigned int format);
void sound_scale(unsigned int format, uint8_t *buf, size_t len, unsigned int percent);
void sound_silence(unsigned int format, uint8_t *buf, size_t len);

#endif
