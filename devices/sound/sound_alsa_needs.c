/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_alsa_needs.c - what alsa-lib does for devices of the kernel once they serve.  The kernel's header and the
 * library's cannot be in one file.
 */
#include <string.h>

#include <sys/ioctl.h>

#include <sound/asound.h>

#include "core/clock.h"
#include "devices/sound/sound_alsa.h"

#define CALL(request, reason)                                                                                          \
	{                                                                                                              \
		.name = "ioctl", .why = (reason), .checks = { {1, SANDBOX_IS, (uint32_t)(request)} }                   \
	}

static const struct sandbox_call pcm_calls[] = {
	CALL(SNDRV_PCM_IOCTL_HW_REFINE, "whether a stream can be set up so"),
	CALL(SNDRV_PCM_IOCTL_HW_PARAMS, "a stream is set up"),
	CALL(SNDRV_PCM_IOCTL_HW_FREE, "a stream is released"),
	CALL(SNDRV_PCM_IOCTL_SW_PARAMS, "when a stream wakes"),
	CALL(SNDRV_PCM_IOCTL_PREPARE, "a stream is prepared"),
	CALL(SNDRV_PCM_IOCTL_START, "a stream starts"),
	CALL(SNDRV_PCM_IOCTL_DROP, "a stream stops"),
	CALL(SNDRV_PCM_IOCTL_RESUME, "a stream goes on after the host was suspended"),
	CALL(SNDRV_PCM_IOCTL_WRITEI_FRAMES, "frames are played"),
	CALL(SNDRV_PCM_IOCTL_READI_FRAMES, "frames are recorded"),
	CALL(SNDRV_PCM_IOCTL_HWSYNC, "how far a stream is"),
	CALL(SNDRV_PCM_IOCTL_SYNC_PTR, "how far a stream is"),
	CALL(SNDRV_PCM_IOCTL_DELAY, "how long frames take to be heard"),
	CALL(SNDRV_PCM_IOCTL_STATUS, "the state of a stream"),
	CALL(SNDRV_PCM_IOCTL_STATUS_EXT, "the state of a stream"),
	/* A card that has come back is opened again. */
	CALL(SNDRV_PCM_IOCTL_PVERSION, "a card that has come back"),
	CALL(SNDRV_PCM_IOCTL_USER_PVERSION, "a card that has come back"),
	CALL(SNDRV_PCM_IOCTL_INFO, "a card that has come back"),
	CALL(SNDRV_PCM_IOCTL_TTSTAMP, "a card that has come back"),
	CALL(SNDRV_CTL_IOCTL_PVERSION, "a card that has come back"),
	CALL(SNDRV_CTL_IOCTL_CARD_INFO, "a card that has come back"),
	CALL(SNDRV_CTL_IOCTL_PCM_INFO, "a card that has come back"),
	CALL(SNDRV_CTL_IOCTL_PCM_PREFER_SUBDEVICE, "a card that has come back"),
	{.name = "openat", .why = "a card that has come back"},
	{.name = "fcntl", .why = "a card that has come back"},
	{0},
};

static const struct sandbox_call ctl_calls[] = {
	CALL(SNDRV_CTL_IOCTL_ELEM_INFO, "control elements"),
	CALL(SNDRV_CTL_IOCTL_ELEM_READ, "control elements"),
	CALL(SNDRV_CTL_IOCTL_ELEM_WRITE, "control elements"),
	CALL(SNDRV_CTL_IOCTL_TLV_READ, "the scales of control elements"),
	CALL(SNDRV_CTL_IOCTL_TLV_WRITE, "the scales of control elements"),
	CALL(SNDRV_CTL_IOCTL_TLV_COMMAND, "the scales of control elements"),
	CALL(SNDRV_CTL_IOCTL_SUBSCRIBE_EVENTS, "changes of control elements"),
	{.name = "read", .why = "changes of control elements"},
	{.name = "poll", .why = "changes of control elements"},
	{0},
};

bool sound_alsa_is_hw(const char *name)
{
	return strncmp(name, "hw:", 3) == 0 || strncmp(name, "plughw:", 7) == 0;
}

void sound_alsa_pcm_needs(const char *name, struct sandbox *s)
{
	/* Others are the ALSA configuration's: --playback's text says what that means. */
	sandbox_calls(s, pcm_calls);
	if (!sound_alsa_is_hw(name))
		sandbox_calls(s, alarm_calls);
	else
		sandbox_path(s, "/dev/snd", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DEVICE, "a card that has come back");
}

void sound_alsa_ctl_needs(struct sandbox *s)
{
	sandbox_calls(s, ctl_calls);
}
