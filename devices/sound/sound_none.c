/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_none.c - a build without alsa-lib.  sound_check refuses what would need it.
 */
#include <stddef.h>

#include "devices/sound/sound_host.h"

const bool sound_has_alsa = false;
const struct sound_pcm_ops sound_alsa_ops = {0};
const struct sound_ctls_ops sound_mixer_ops = {0};
