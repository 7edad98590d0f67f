/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_host.h - what the input device wants of a host: events of a keyboard, a mouse, a touch panel.  Two
 * implementations: evdev (input_evdev.c) and a simulator (input_sim.c).
 *
 * Types, codes and values are those of linux/input-event-codes.h, as in the standard.
 */
#ifndef VDEVD_DEVICES_INPUT_INPUT_HOST_H
#define VDEVD_DEVICES_INPUT_INPUT_HOST_H

#include "core/device.h"

/* How many codes there are of each kind: KEY_CNT, ABS_CNT, and so on. */
#define INPUT_TYPES 32u
#define INPUT_KEYS  768u
#define INPUT_AXES  64u

/* Bytes of the longest bitmap, and of the longest text: VIRTIO 1.4, struct virtio_input_config. */
#define INPUT_BITMAP 96u
#define INPUT_TEXT   128u

/* The most contacts of a touch panel. */
#define INPUT_SLOTS 64u

/* The most events of a packet, the SYN_REPORT at its end not counted. */
#define INPUT_PACKET 512u

struct input_ev {
	uint16_t type, code;
	int32_t value;
};

/* struct virtio_input_absinfo in the machine's own order. */
struct input_abs {
	int32_t min, max, fuzz, flat, res;
};

/* What a device is and can: what the configuration space tells of it. */
struct input_caps {
	char name[INPUT_TEXT + 1], serial[INPUT_TEXT + 1];
	uint16_t bus, vendor, product, version;
	uint8_t props[INPUT_BITMAP];
	uint8_t codes[INPUT_TYPES][INPUT_BITMAP]; /* by type; a type without a code is not supported */
	struct input_abs abs[INPUT_AXES];
};

static inline bool bit_get(const uint8_t *bits, unsigned int n)
{
	return bits[n / 8] >> n % 8 & 1;
}

static inline void bit_set(uint8_t *bits, unsigned int n, bool on)
{
	bits[n / 8] = (uint8_t)((bits[n / 8] & ~(1u << n % 8)) | (unsigned int)on << n % 8);
}

/* Whether a device has a code of a type; false for numbers that there are not. */
static inline bool input_caps_has(const struct input_caps *c, unsigned int type, unsigned int code)
{
	return type < INPUT_TYPES && code < INPUT_KEYS && bit_get(c->codes[type], code);
}

/* What a host tells, from the loop. */
struct input_user_ops {
	/* What belongs together has happened: n events, at most INPUT_PACKET, without the SYN_REPORT. */
	void (*packet)(void *user, const struct input_ev *evs, unsigned int n);
	/* Events were lost before they came here: how the device stands is to be asked (stand). */
	void (*lost)(void *user);
	/* The device has been unplugged; it is there again, and may have other ranges. */
	void (*gone)(void *user);
	void (*back)(void *user, const struct input_caps *caps);
	/* Whether packets are told to the driver at once, and not put together with others. */
	bool (*has_room)(void *user);
};

struct input_host_args {
	struct vdev *d;	   /* its loop, log and control socket */
	const char *evdev; /* a path, eventN, or a device's name; NULL: none */
	bool no_grab;
	unsigned int sim;	/* enum input_sim_kind */
	const char *replay;	/* a file of events; NULL: none */
	uint64_t width, height; /* of simulated panels */
	const struct input_user_ops *ops;
	void *user;
};

enum input_sim_kind {
	INPUT_KEYBOARD,
	INPUT_MOUSE,
	INPUT_TABLET,
	INPUT_TOUCH,
};

struct input_host;

struct input_host_ops {
	/* What it does with the host after start, by the arguments alone. */
	void (*needs)(const struct input_host_args *args, struct sandbox *s);
	/*
	 * Makes the host; args must stay.  Fills in *caps, which come zeroed.
	 * Returns 0 and *out (end with stop), or -errno after it has logged why.
	 */
	int (*start)(const struct input_host_args *args, struct input_host **out, struct input_caps *caps);
	void (*stop)(struct input_host *h);
	/*
	 * Tells by put, as events, how the device stands: keys that are down, switches, axes, contacts.  What is not
	 * told is as a fresh device has it.
	 */
	void (*stand)(struct input_host *h, void (*put)(void *arg, const struct input_ev *ev), void *arg);
	/* The guest's LEDs, sound, repeat, force.  Returns 0 or -errno; -ENODEV: it is unplugged. */
	int (*status)(struct input_host *h, const struct input_ev *ev);
};

extern const struct input_host_ops input_evdev_ops, input_sim_ops;

#endif
