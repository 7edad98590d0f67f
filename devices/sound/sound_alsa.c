/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_alsa.c - streams of ALSA devices, by alsa-lib.
 *
 * The device is opened when vdevd starts, and kept.  Its buffer is the guest's, or larger.  Its poll descriptors are in
 * the loop: avail_min is set anew for each place that is asked for, so that it wakes when that is played, and not while
 * there is nothing to do.  It is started by hand, when something was written.
 *
 * Descriptors of plug-ins are ready whenever there is room at all, or data (PipeWire's).  What they say is looked at,
 * then, and where it is too early they are left alone until the place will have come.
 */
#include <alsa/asoundlib.h>
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/pollset.h"
#include "devices/sound/sound_alsa.h"
#include "devices/sound/sound_host.h"

const bool sound_has_alsa = true;

struct sound_host_pcm {
	struct sound_pcm_args args;
	snd_config_t *config; /* as it was read when vdevd started */
	snd_pcm_t *pcm;	      /* NULL: the card is gone */
	struct pollset polls;
	struct alarm alarm; /* of a plug-in */
	bool plug_in;
	size_t frame; /* bytes */
	unsigned int rate; /* Hz */
	snd_pcm_uframes_t buffer, period, boundary, avail_min;
	uint64_t moved; /* the place up to which frames were written or read */
	bool running;	/* it was started, or will be with the first frames */
	bool watched;
};

static const snd_pcm_format_t formats[FMT_COUNT] = {
	[FMT_IMA_ADPCM] = SND_PCM_FORMAT_UNKNOWN,
	[FMT_MU_LAW] = SND_PCM_FORMAT_MU_LAW,
	[FMT_A_LAW] = SND_PCM_FORMAT_A_LAW,
	[FMT_S8] = SND_PCM_FORMAT_S8,
	[FMT_U8] = SND_PCM_FORMAT_U8,
	[FMT_S16] = SND_PCM_FORMAT_S16_LE,
	[FMT_U16] = SND_PCM_FORMAT_U16_LE,
	[FMT_S18_3] = SND_PCM_FORMAT_S18_3LE,
	[FMT_U18_3] = SND_PCM_FORMAT_U18_3LE,
	[FMT_S20_3] = SND_PCM_FORMAT_S20_3LE,
	[FMT_U20_3] = SND_PCM_FORMAT_U20_3LE,
	[FMT_S24_3] = SND_PCM_FORMAT_S24_3LE,
	[FMT_U24_3] = SND_PCM_FORMAT_U24_3LE,
	[FMT_S20] = SND_PCM_FORMAT_S20_LE,
	[FMT_U20] = SND_PCM_FORMAT_U20_LE,
	[FMT_S24] = SND_PCM_FORMAT_S24_LE,
	[FMT_U24] = SND_PCM_FORMAT_U24_LE,
	[FMT_S32] = SND_PCM_FORMAT_S32_LE,
	[FMT_U32] = SND_PCM_FORMAT_U32_LE,
	[FMT_FLOAT] = SND_PCM_FORMAT_FLOAT_LE,
	[FMT_FLOAT64] = SND_PCM_FORMAT_FLOAT64_LE,
	[FMT_DSD_U8] = SND_PCM_FORMAT_DSD_U8,
	[FMT_DSD_U16] = SND_PCM_FORMAT_DSD_U16_LE,
	[FMT_DSD_U32] = SND_PCM_FORMAT_DSD_U32_LE,
	[FMT_IEC958_SUBFRAME] = SND_PCM_FORMAT_IEC958_SUBFRAME_LE,
};

static void pcm_unwatch(struct sound_host_pcm *p)
{
	if (p->watched)
		pollset_watch(&p->polls, NULL, 0);
	p->watched = false;
}

static int pcm_watch(struct sound_host_pcm *p)
{
	struct pollfd fds[POLLSET_MAX];
	int n;

	if (p->watched)
		return 0;
	n = snd_pcm_poll_descriptors_count(p->pcm);
	if (n < 0 || n > POLLSET_MAX)
		return -E2BIG;
	n = snd_pcm_poll_descriptors(p->pcm, fds, (unsigned int)n);
	if (n < 0)
		return n;
	p->watched = true;
	return pollset_watch(&p->polls, fds, (unsigned int)n);
}

/* How long a plug-in is left alone at least and at most, ns. */
#define PAUSE_LEAST 1000000u
#define PAUSE_MAX   100000000u

/* Whether a plug-in is ready before there is something to do.  Then it is looked at when there will be. */
static bool pcm_is_early(struct sound_host_pcm *p)
{
	snd_pcm_sframes_t avail = snd_pcm_avail_update(p->pcm);
	uint64_t pause;

	if (avail < 0 || snd_pcm_state(p->pcm) != SND_PCM_STATE_RUNNING || (snd_pcm_uframes_t)avail >= p->avail_min)
		return false;
	pause = min_u64(p->avail_min - (snd_pcm_uframes_t)avail, p->rate) * 1000000000 / p->rate;
	pause = pause < PAUSE_LEAST ? PAUSE_LEAST : min_u64(pause, PAUSE_MAX);
	pcm_unwatch(p);
	alarm_at(&p->alarm, clock_now(CLOCK_MONOTONIC) + pause);
	return true;
}

static void pcm_pause_over(struct alarm *a)
{
	struct sound_host_pcm *p = container_of(a, struct sound_host_pcm, alarm);

	p->args.ready(p->args.user);
}

static void pcm_ready(struct pollset *polls, struct pollfd *fds, unsigned int n)
{
	struct sound_host_pcm *p = container_of(polls, struct sound_host_pcm, polls);
	unsigned short revents = 0;

	if (snd_pcm_poll_descriptors_revents(p->pcm, fds, n, &revents) < 0)
		revents = POLLERR;
	if (p->plug_in && !(revents & (POLLERR | POLLNVAL | POLLHUP)) && pcm_is_early(p))
		return;
	if (revents)
		p->args.ready(p->args.user);
	/* What has failed stays ready; a stream that has looked does not want it again. */
	if (p->pcm && revents & (POLLERR | POLLNVAL | POLLHUP) && snd_pcm_state(p->pcm) != SND_PCM_STATE_RUNNING)
		pcm_unwatch(p);
}

/* What becomes of an error of the library. */
static int pcm_error(struct sound_host_pcm *p, long err)
{
	if (err == -EAGAIN)
		return 0;
	pcm_unwatch(p);
	/* Suspended: what was in the hardware is lost, as where it has run empty. */
	if (err == -ESTRPIPE)
		return -EPIPE;
	if (err == -EBADFD || err == -ENOTTY || err == -EBADF)
		return -ENODEV;
	return (int)err;
}

/* ---- capabilities */

static void caps_maps(snd_pcm_t *pcm, struct sound_caps *caps)
{
	snd_pcm_chmap_query_t **maps = snd_pcm_query_chmaps(pcm);

	for (unsigned int i = 0; maps && maps[i] && caps->nmaps < SOUND_MAPS_MAX; i++) {
		const snd_pcm_chmap_t *from = &maps[i]->map;
		struct sound_map *to = &caps->maps[caps->nmaps];

		if (!from->channels || from->channels > SOUND_CHANNELS_MAX)
			continue;
		/* The library's numbers are the standard's; what it may add later is not known to guests. */
		to->channels = (uint8_t)from->channels;
		for (unsigned int k = 0; k < from->channels; k++)
			to->at[k] = from->pos[k] <= SND_CHMAP_LAST ? (uint8_t)from->pos[k] : 0;
		caps->nmaps++;
	}
	if (maps)
		snd_pcm_free_chmaps(maps);
}

static int caps_read(snd_pcm_t *pcm, struct sound_caps *caps)
{
	unsigned int min = 1, max = 1;
	snd_pcm_hw_params_t *hw;
	int err;

	*caps = (struct sound_caps){0};
	snd_pcm_hw_params_alloca(&hw);
	err = snd_pcm_hw_params_any(pcm, hw);
	if (err >= 0)
		err = snd_pcm_hw_params_set_access(pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED);
	if (err < 0)
		return err;
	for (unsigned int i = 0; i < FMT_COUNT; i++) {
		if (formats[i] != SND_PCM_FORMAT_UNKNOWN && snd_pcm_hw_params_test_format(pcm, hw, formats[i]) == 0)
			caps->formats |= BIT(i);
	}
	for (unsigned int i = 0; i < SOUND_RATES; i++) {
		if (snd_pcm_hw_params_test_rate(pcm, hw, sound_rate_hz(i), 0) == 0)
			caps->rates |= BIT(i);
	}
	snd_pcm_hw_params_get_channels_min(hw, &min);
	snd_pcm_hw_params_get_channels_max(hw, &max);
	caps->channels_min = (uint8_t)min_u64(min, 255);
	caps->channels_max = (uint8_t)min_u64(max, SOUND_CHANNELS_MAX);
	caps_maps(pcm, caps);
	return 0;
}

/* Chooses of what the hardware can do what the guest wants; its buffer is as large, or larger.  Returns 0 or -errno. */
static int hw_choose(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, const struct sound_params *want,
		     snd_pcm_uframes_t *buffer, snd_pcm_uframes_t *period)
{
	const snd_pcm_uframes_t frames = want->buffer_bytes / sound_frame_bytes(want);
	snd_pcm_uframes_t least = frames;
	int dir = 0, err;

	*period = want->period_bytes / sound_frame_bytes(want);
	*buffer = frames;
	err = snd_pcm_hw_params_any(pcm, hw);
	if (err >= 0)
		err = snd_pcm_hw_params_set_access(pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED);
	if (err >= 0)
		err = snd_pcm_hw_params_set_format(pcm, hw, formats[want->format]);
	if (err >= 0)
		err = snd_pcm_hw_params_set_channels(pcm, hw, want->channels);
	if (err >= 0)
		err = snd_pcm_hw_params_set_rate(pcm, hw, sound_rate_hz(want->rate), 0);
	if (err < 0)
		return err;
	snd_pcm_hw_params_set_period_size_near(pcm, hw, period, &dir);
	/* Where the hardware cannot hold that much, messages wait in the guest's memory. */
	snd_pcm_hw_params_set_buffer_size_min(pcm, hw, &least);
	return snd_pcm_hw_params_set_buffer_size_near(pcm, hw, buffer);
}

/* ---- open and close */

static int pcm_reopen(struct sound_host_pcm *p)
{
	int err = snd_pcm_open_lconf(&p->pcm, p->args.name,
				     p->args.capture ? SND_PCM_STREAM_CAPTURE : SND_PCM_STREAM_PLAYBACK,
				     SND_PCM_NONBLOCK, p->config);

	if (err < 0)
		p->pcm = NULL;
	return err;
}

static void alsa_close(struct sound_host_pcm *p)
{
	pollset_close(&p->polls);
	if (p->plug_in)
		alarm_close(&p->alarm);
	if (p->pcm)
		snd_pcm_close(p->pcm);
	if (p->config)
		snd_config_unref(p->config);
	free(p);
}

static int alsa_open(const struct sound_pcm_args *args, struct sound_host_pcm **out, struct sound_caps *caps)
{
	struct sound_host_pcm *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->args = *args;
	p->polls.ready = pcm_ready;
	p->alarm.due = pcm_pause_over;
	err = pollset_open(&p->polls, args->loop);
	if (!err && !sound_alsa_is_hw(args->name)) {
		err = alarm_open(&p->alarm, args->loop, CLOCK_MONOTONIC);
		p->plug_in = !err;
	}
	sound_alsa_quiet(args->log);
	if (!err)
		err = snd_config_update_ref(&p->config);
	if (err >= 0)
		err = pcm_reopen(p);
	if (err >= 0)
		err = caps_read(p->pcm, caps);
	if (err < 0) {
		log_error(args->log, "%s: %s%s", args->name, snd_strerror(err),
			  err == -EBUSY ? ": another program has it" : "");
		alsa_close(p);
		return err;
	}
	if (p->plug_in)
		log_info(args->log, "%s: a plug-in, of which the sandbox does not know what it does (see --playback)",
			 args->name);
	*out = p;
	return 0;
}

/* ---- life */

static int alsa_check(struct sound_host_pcm *p, const struct sound_params *params)
{
	snd_pcm_uframes_t buffer, period;
	snd_pcm_hw_params_t *hw;

	/* One that is gone may be back when it is prepared. */
	if (!p->pcm)
		return 0;
	snd_pcm_hw_params_alloca(&hw);
	return hw_choose(p->pcm, hw, params, &buffer, &period) < 0 ? -EOPNOTSUPP : 0;
}

static void alsa_release(struct sound_host_pcm *p)
{
	pcm_unwatch(p);
	if (p->plug_in)
		alarm_off(&p->alarm);
	p->running = false;
	if (!p->pcm)
		return;
	if (snd_pcm_state(p->pcm) == SND_PCM_STATE_DISCONNECTED) {
		snd_pcm_close(p->pcm);
		p->pcm = NULL;
		return;
	}
	snd_pcm_drop(p->pcm);
	snd_pcm_hw_free(p->pcm);
}

static int sw_set(struct sound_host_pcm *p, snd_pcm_uframes_t avail_min)
{
	snd_pcm_sw_params_t *sw;
	int err;

	if (avail_min == p->avail_min)
		return 0;
	snd_pcm_sw_params_alloca(&sw);
	err = snd_pcm_sw_params_current(p->pcm, sw);
	if (err < 0)
		return err;
	snd_pcm_sw_params_get_boundary(sw, &p->boundary);
	snd_pcm_sw_params_set_start_threshold(p->pcm, sw, p->boundary);
	snd_pcm_sw_params_set_stop_threshold(p->pcm, sw, p->buffer);
	snd_pcm_sw_params_set_avail_min(p->pcm, sw, avail_min);
	err = snd_pcm_sw_params(p->pcm, sw);
	if (err < 0)
		return err;
	p->avail_min = avail_min;
	return 0;
}

static int alsa_prepare(struct sound_host_pcm *p, const struct sound_params *params)
{
	snd_pcm_hw_params_t *hw;
	int err;

	alsa_release(p);
	err = p->pcm ? 0 : pcm_reopen(p);
	if (err < 0)
		return err;
	snd_pcm_hw_params_alloca(&hw);
	err = hw_choose(p->pcm, hw, params, &p->buffer, &p->period);
	if (err >= 0)
		err = snd_pcm_hw_params(p->pcm, hw);
	if (err < 0)
		return err;
	snd_pcm_hw_params_get_buffer_size(hw, &p->buffer);
	snd_pcm_hw_params_get_period_size(hw, &p->period, NULL);
	p->frame = sound_frame_bytes(params);
	p->rate = sound_rate_hz(params->rate);
	p->moved = 0;
	p->avail_min = 0;
	err = sw_set(p, p->period);
	return err < 0 ? err : snd_pcm_prepare(p->pcm);
}

static int alsa_start(struct sound_host_pcm *p)
{
	p->running = true;
	return p->args.capture ? snd_pcm_start(p->pcm) : 0;
}

static int alsa_place(struct sound_host_pcm *p, uint64_t *place, uint32_t *latency)
{
	snd_pcm_sframes_t avail = 0, delay = 0, held;
	int err = snd_pcm_avail_delay(p->pcm, &avail, &delay);

	if (err < 0)
		return pcm_error(p, err);
	if (p->args.capture) {
		*place = p->moved + (uint64_t)avail * p->frame;
		held = avail;
	} else {
		held = (snd_pcm_sframes_t)p->buffer > avail ? (snd_pcm_sframes_t)p->buffer - avail : 0;
		*place = p->moved - min_u64(p->moved, (uint64_t)held * p->frame);
	}
	*latency = delay > held ? (uint32_t)((size_t)(delay - held) * p->frame) : 0;
	return 0;
}

static uint64_t alsa_stop(struct sound_host_pcm *p)
{
	uint64_t place = p->moved;
	uint32_t latency;

	if (!p->args.capture && alsa_place(p, &place, &latency) < 0)
		place = p->moved;
	pcm_unwatch(p);
	if (p->plug_in)
		alarm_off(&p->alarm);
	p->running = false;
	snd_pcm_drop(p->pcm);
	snd_pcm_prepare(p->pcm);
	if (!p->args.capture)
		p->moved = place;
	return place;
}

static ssize_t alsa_write(struct sound_host_pcm *p, const uint8_t *buf, size_t len)
{
	snd_pcm_sframes_t n = snd_pcm_writei(p->pcm, buf, len / p->frame);

	if (n < 0)
		return pcm_error(p, n);
	p->moved += (uint64_t)n * p->frame;
	return n * (ssize_t)p->frame;
}

static ssize_t alsa_read(struct sound_host_pcm *p, uint8_t *buf, size_t len)
{
	snd_pcm_sframes_t n = len ? snd_pcm_readi(p->pcm, buf, len / p->frame) : 0;

	if (n < 0)
		return pcm_error(p, n);
	p->moved += (uint64_t)n * p->frame;
	return n * (ssize_t)p->frame;
}

static void alsa_wake(struct sound_host_pcm *p, uint64_t place)
{
	snd_pcm_uframes_t avail = p->boundary;

	if (!p->running)
		return;
	if (snd_pcm_state(p->pcm) == SND_PCM_STATE_PREPARED && !p->args.capture && place != SOUND_NEVER)
		snd_pcm_start(p->pcm);
	/* Input: so many frames more; output: so much room, or that of what is played until then. */
	if (place != SOUND_NEVER && p->args.capture)
		avail = (snd_pcm_uframes_t)((place - p->moved) / p->frame);
	else if (place != SOUND_NEVER)
		avail = place > p->moved
				? p->period
				: p->buffer - (snd_pcm_uframes_t)min_u64((p->moved - place) / p->frame, p->buffer - 1);
	if (place != SOUND_NEVER && avail > p->buffer)
		avail = p->args.capture ? p->period : p->buffer;
	sw_set(p, avail ? avail : 1);
	if (snd_pcm_state(p->pcm) == SND_PCM_STATE_RUNNING)
		pcm_watch(p);
}

static int alsa_recover(struct sound_host_pcm *p)
{
	int err;

	/* Suspended hardware that can go on does; where it cannot, or not yet, it begins anew. */
	if (snd_pcm_state(p->pcm) == SND_PCM_STATE_SUSPENDED)
		snd_pcm_resume(p->pcm);
	snd_pcm_drop(p->pcm);
	err = snd_pcm_prepare(p->pcm);
	return err < 0 || !p->args.capture ? err : snd_pcm_start(p->pcm);
}

static void alsa_needs(const struct sound_pcm_args *args, struct sandbox *s)
{
	sound_alsa_pcm_needs(args->name, s);
}

const struct sound_pcm_ops sound_alsa_ops = {
	.open = alsa_open,
	.close = alsa_close,
	.needs = alsa_needs,
	.check = alsa_check,
	.prepare = alsa_prepare,
	.release = alsa_release,
	.start = alsa_start,
	.stop = alsa_stop,
	.write = alsa_write,
	.read = alsa_read,
	.place = alsa_place,
	.wake = alsa_wake,
	.recover = alsa_recover,
};
