/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_null.c - streams of nothing: what is played is not heard, and what is recorded is silence.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/sound/sound_card.h"
#include "devices/sound/sound_host.h"

struct sound_host_pcm {
	struct sound_card card;
};

static int null_open(const struct sound_pcm_args *args, struct sound_host_pcm **out, struct sound_caps *caps)
{
	struct sound_host_pcm *p = calloc(1, sizeof(*p));
	int err = p ? card_open(&p->card, args) : -ENOMEM;

	if (err) {
		free(p);
		return err;
	}
	*caps = (struct sound_caps){
		.formats = SOUND_FORMATS_ALL, .rates = SOUND_RATES_ALL, .channels_min = 1, .channels_max = 8};
	card_chmap(caps);
	*out = p;
	return 0;
}

static void null_close(struct sound_host_pcm *p)
{
	card_close(&p->card);
	free(p);
}

static int null_prepare(struct sound_host_pcm *p, const struct sound_params *params)
{
	card_prepare(&p->card, params);
	return 0;
}

static void null_release(struct sound_host_pcm *p)
{
	card_release(&p->card);
}

static int null_start(struct sound_host_pcm *p)
{
	card_start(&p->card);
	return 0;
}

static uint64_t null_stop(struct sound_host_pcm *p)
{
	return card_stop(&p->card);
}

static ssize_t null_write(struct sound_host_pcm *p, const uint8_t *buf, size_t len)
{
	ssize_t n = card_may(&p->card, len);

	if (n > 0)
		card_took(&p->card, (size_t)n);
	return n;
}

static ssize_t null_read(struct sound_host_pcm *p, uint8_t *buf, size_t len)
{
	ssize_t n = card_may(&p->card, len);

	if (n > 0) {
		sound_silence(p->card.params.format, buf, (size_t)n);
		card_took(&p->card, (size_t)n);
	}
	return n;
}

static int null_place(struct sound_host_pcm *p, uint64_t *place, uint32_t *latency)
{
	return card_place(&p->card, place, latency);
}

static void null_wake(struct sound_host_pcm *p, uint64_t place)
{
	card_wake(&p->card, place);
}

static int null_recover(struct sound_host_pcm *p)
{
	card_recover(&p->card);
	return 0;
}

const struct sound_pcm_ops sound_null_ops = {
	.open = null_open,
	.close = null_close,
	.needs = card_needs,
	.prepare = null_prepare,
	.release = null_release,
	.start = null_start,
	.stop = null_stop,
	.write = null_write,
	.read = null_read,
	.place = null_place,
	.wake = null_wake,
	.recover = null_recover,
};
