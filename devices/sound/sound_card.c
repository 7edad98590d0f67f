/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_card.c - a card of software; see sound_card.h.
 */
#include "devices/sound/sound_card.h"

#include <errno.h>
#include <string.h>

static uint64_t card_now(const struct sound_card *c)
{
	return c->args.pace == SOUND_PACE_CONTROL ? *c->args.clock : clock_now(CLOCK_MONOTONIC);
}

/* The place that the clock has come to. */
static uint64_t card_due(const struct sound_card *c)
{
	if (!c->running || c->waits)
		return c->taken;
	if (c->args.pace == SOUND_PACE_FREE)
		return c->taken + (uint64_t)SOUND_BUFFER_MAX / sound_frame_bytes(&c->params) * sound_frame_bytes(&c->params);
	return c->from + sound_ns_bytes(&c->params, card_now(c) - c->origin);
}

static void card_due_now(struct alarm *a)
{
	struct sound_card *c = container_of(a, struct sound_card, alarm);

	c->args.ready(c->args.user);
}

int card_open(struct sound_card *c, const struct sound_pcm_args *args)
{
	int err;

	c->args = *args;
	/* A driver gives room again before anybody has read it (Linux'): what came at once would be overwritten. */
	if (args->capture && args->pace == SOUND_PACE_FREE)
		c->args.pace = SOUND_PACE_REAL;
	c->alarm.due = card_due_now;
	err = alarm_open(&c->alarm, args->loop, CLOCK_MONOTONIC);
	if (err)
		log_error(args->log, "no timer: %s", strerror(-err));
	return err;
}

void card_close(struct sound_card *c)
{
	alarm_close(&c->alarm);
}

void card_needs(const struct sound_pcm_args *args, struct sandbox *s)
{
	sandbox_calls(s, alarm_calls);
}

void card_prepare(struct sound_card *c, const struct sound_params *params)
{
	card_release(c);
	c->params = *params;
	c->prepared = true;
	c->taken = 0;
}

void card_release(struct sound_card *c)
{
	alarm_off(&c->alarm);
	c->prepared = c->running = c->waits = c->dry = false;
}

/* Time begins to run here. */
static void card_begin(struct sound_card *c)
{
	c->waits = c->dry = false;
	c->from = c->taken;
	c->origin = card_now(c);
}

void card_start(struct sound_card *c)
{
	card_begin(c);
	c->running = true;
	c->waits = !c->args.capture && c->args.pace != SOUND_PACE_FREE;
}

uint64_t card_stop(struct sound_card *c)
{
	alarm_off(&c->alarm);
	c->running = c->waits = c->dry = false;
	return c->taken;
}

void card_recover(struct sound_card *c)
{
	card_begin(c);
}

void card_wake(struct sound_card *c, uint64_t place)
{
	const uint64_t buffer = c->params.buffer_bytes;

	alarm_off(&c->alarm);
	if (!c->running || c->args.pace == SOUND_PACE_FREE)
		return;
	if (place == SOUND_NEVER && !c->args.capture) {
		c->dry = !c->waits;
		return;
	}
	if (c->waits)
		card_begin(c);
	/* An input that nobody reads runs over. */
	if (place == SOUND_NEVER)
		place = c->taken + buffer + sound_frame_bytes(&c->params);
	if (c->args.pace == SOUND_PACE_REAL)
		alarm_at(&c->alarm, c->origin + sound_bytes_ns(&c->params, place - c->from));
}

static bool card_overrun(const struct sound_card *c, uint64_t due)
{
	return c->args.capture && due - c->taken > c->params.buffer_bytes;
}

int card_place(struct sound_card *c, uint64_t *place, uint32_t *latency)
{
	const uint64_t due = card_due(c);

	*latency = 0;
	*place = c->args.capture ? due : c->taken;
	return card_overrun(c, due) ? -EPIPE : 0;
}

ssize_t card_may(struct sound_card *c, size_t len)
{
	const uint64_t due = card_due(c);
	const bool late = c->dry && due > c->taken;

	c->dry = false;
	if (late || card_overrun(c, due))
		return -EPIPE;
	return (ssize_t)min_u64(len, due - c->taken);
}

void card_took(struct sound_card *c, size_t len)
{
	c->taken += len;
}

void card_chmap(struct sound_caps *caps)
{
	/* VIRTIO_SND_CHMAP_*: mono; FL, FR; ... RL, RR; FC, LFE; SL, SR */
	static const struct sound_map usual[] = {
		{1, {2}}, {2, {3, 4}}, {4, {3, 4, 5, 6}}, {6, {3, 4, 5, 6, 7, 8}}, {8, {3, 4, 5, 6, 7, 8, 9, 10}}};

	caps->nmaps = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(usual); i++) {
		if (usual[i].channels >= caps->channels_min && usual[i].channels <= caps->channels_max)
			caps->maps[caps->nmaps++] = usual[i];
	}
}
