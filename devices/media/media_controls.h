/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_controls.h - the controls of a device that vdevd makes up: Documentation/userspace-api/media/v4l/control.rst,
 * extended-controls.rst, and their events (vidioc-subscribe-event.rst).
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_CONTROLS_H
#define VDEVD_DEVICES_MEDIA_MEDIA_CONTROLS_H

#include "devices/media/media_host.h"

#define MEDIA_CTRL_INTEGER 1u
#define MEDIA_CTRL_BOOLEAN 2u
#define MEDIA_CTRL_MENU	   3u
#define MEDIA_CTRL_CLASS   6u

/* Sorted by id; a class (MEDIA_CTRL_CLASS) stands before its controls. */
struct media_control_desc {
	uint32_t id, type;
	const char *name;
	int32_t min, max, step, def;
	const char *const *menu; /* of MEDIA_CTRL_MENU: from min to max */
};

#define MEDIA_CONTROLS_OWN 8

struct media_controls {
	const struct media_control_desc *descs;
	unsigned int n; /* of them, at most MEDIA_CONTROLS_OWN */
	int32_t values[MEDIA_CONTROLS_OWN];
	void (*changed)(struct media_controls *c); /* a value is another one */
};

/* A file's: which controls it is told of. */
struct media_subscriptions {
	bool on[MEDIA_CONTROLS_OWN], feedback[MEDIA_CONTROLS_OWN];
	uint32_t sequence;
};

void media_controls_init(struct media_controls *c);

/*
 * The ioctls of controls but for events: QUERYCTRL, QUERY_EXT_CTRL, QUERYMENU, G_CTRL, S_CTRL, G_, S_ and TRY_EXT_CTRLS.
 * *changed: bits of the controls that have another value now.
 * Returns 0 or -errno; -ENOTTY: it is another ioctl.
 */
int media_controls_ioctl(struct media_controls *c, uint32_t code, struct media_payload *p, unsigned int *changed);

/* SUBSCRIBE_EVENT and UNSUBSCRIBE_EVENT.  *first: the control whose event is to be told at once, or -1. */
int media_controls_subscribe(const struct media_controls *c, struct media_subscriptions *s, uint32_t code,
			     const struct media_payload *p, int *first);

/* The event that control i has changed; us: of CLOCK_MONOTONIC. */
struct media_v4l2_event media_controls_event(const struct media_controls *c, struct media_subscriptions *s, unsigned int i,
					     uint32_t changes, uint64_t us);

#endif
