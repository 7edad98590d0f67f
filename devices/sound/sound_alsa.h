/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_alsa.h - what the two parts on alsa-lib share, and what they need of the kernel.
 */
#ifndef VDEVD_DEVICES_SOUND_SOUND_ALSA_H
#define VDEVD_DEVICES_SOUND_SOUND_ALSA_H

#include "core/log.h"
#include "core/sandbox.h"

/* The library's own lines become debug lines of the device. */
void sound_alsa_quiet(struct log *log);

/* Whether an ALSA name is that of a card, by itself or converted, and not of a plug-in of the configuration. */
bool sound_alsa_is_hw(const char *name);

/* What a PCM of this ALSA name does once it serves; a card's control elements. */
void sound_alsa_pcm_needs(const char *name, struct sandbox *s);
void sound_alsa_ctl_needs(struct sandbox *s);

#endif
