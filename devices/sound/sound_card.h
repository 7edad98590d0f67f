/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_card.h - a card of software: it plays and records at the pace of a clock, of no clock at all, or of the control
 * socket.  What becomes of frames is its maker's: null's, the file's, the simulator's.
 *
 * It has no buffer: frames are taken when their time has come, and lie in guest memory until then.
 */
#ifndef VDEVD_DEVICES_SOUND_SOUND_CARD_H
#define VDEVD_DEVICES_SOUND_SOUND_CARD_H

#include "core/clock.h"
#include "devices/sound/sound_host.h"

/* First member of each maker's struct sound_host_pcm. */
struct sound_card {
	struct sound_pcm_args args;
	struct sound_params params;
	struct alarm alarm;
	bool prepared, running;
	bool waits;	 /* output that has been started and has nothing yet: its time begins with the first frames */
	bool dry;	 /* output that has nothing: what comes now may come too late */
	uint64_t origin; /* ns: when it was at from */
	uint64_t from;
	uint64_t taken; /* the place up to which frames went */
};

/* Returns 0, or -errno after a line. */
int card_open(struct sound_card *c, const struct sound_pcm_args *args);
void card_close(struct sound_card *c);
void card_needs(const struct sound_pcm_args *args, struct sandbox *s);
void card_prepare(struct sound_card *c, const struct sound_params *params);
void card_release(struct sound_card *c);
void card_start(struct sound_card *c);
uint64_t card_stop(struct sound_card *c);
void card_recover(struct sound_card *c);
void card_wake(struct sound_card *c, uint64_t place);
/* Returns 0, or -EPIPE. */
int card_place(struct sound_card *c, uint64_t *place, uint32_t *latency);
/* How many of len bytes may go now; -EPIPE.  Then card_took says how many went. */
ssize_t card_may(struct sound_card *c, size_t len);
void card_took(struct sound_card *c, size_t len);

/* The usual channel maps of these numbers of channels. */
void card_chmap(struct sound_caps *caps);

#endif
