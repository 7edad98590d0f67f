/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_evdev.c - an input device of the host: Linux' evdev, by the ioctls of linux/input.h.
 *
 * It is taken for the guest alone (EVIOCGRAB) as soon as none of its keys is down: otherwise whoever had seen the key
 * go down would never see it come up.  Until then nothing is told.  Where it is unplugged, /dev is watched until the
 * same device is there again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ev.h>
#include <linux/input.h>

#include "core/loop.h"
#include "devices/input/input_host.h"
#include "devices/input/input_state.h"

#define DEV_DIR	  "/dev"
#define INPUT_DIR "/dev/input"

/* A device comes: its node is made, then perhaps given an owner, or a link to it. */
#define DEV_EVENTS (IN_CREATE | IN_ATTRIB | IN_MOVED_TO)

/* Events that are read before other watchers have their turn. */
#define BURST 64

struct input_host {
	const struct input_host_args *args;
	int fd;	       /* -1: unplugged */
	int watch;     /* inotify, while it is; or -1 */
	bool writable; /* it takes LEDs and sounds */
	bool grabbed;
	bool skipping; /* what comes until the next SYN_REPORT is of a packet that is not whole */
	struct ev_io io, watch_io;
	struct input_caps caps;
	struct input_ev packet[INPUT_PACKET];
	unsigned int n;
	int repeat[REP_CNT]; /* as it was found, ms; the first is 0 where it repeats nothing */
};

#define BITS_OF(request, mask)                                                                                         \
	{                                                                                                              \
		{1, SANDBOX_SET, (uint32_t)(request)},                                                                 \
		{                                                                                                      \
			1, SANDBOX_CLEAR, (uint32_t) ~((request) | (mask))                                             \
		}                                                                                                      \
	}

static const struct sandbox_call evdev_calls[] = {
	{.name = "read", .why = "events of --evdev"},
	{.name = "write", .why = "LEDs, sounds and force of --evdev"},
	{.name = "ioctl", .why = "which keys are down", .checks = {{1, SANDBOX_IS, (uint32_t)EVIOCGKEY(INPUT_BITMAP)}}},
	{.name = "ioctl", .why = "how switches stand", .checks = {{1, SANDBOX_IS, (uint32_t)EVIOCGSW(INPUT_BITMAP)}}},
	{.name = "ioctl", .why = "how axes stand", .checks = BITS_OF(EVIOCGABS(0), 0x3f)},
	{.name = "ioctl",
	 .why = "what touches",
	 .checks = {{1, SANDBOX_IS, (uint32_t)EVIOCGMTSLOTS((INPUT_SLOTS + 1) * sizeof(int32_t))}}},
	{.name = "ioctl", .why = "--evdev is the guest's alone", .checks = {{1, SANDBOX_IS, (uint32_t)EVIOCGRAB}}},
	{.name = "ioctl",
	 .why = "a device that is back",
	 .checks = {{1, SANDBOX_IS, (uint32_t)EVIOCGNAME(INPUT_TEXT)}}},
	{.name = "ioctl",
	 .why = "a device that is back",
	 .checks = {{1, SANDBOX_IS, (uint32_t)EVIOCGUNIQ(INPUT_TEXT)}}},
	{.name = "ioctl", .why = "a device that is back", .checks = {{1, SANDBOX_IS, (uint32_t)EVIOCGID}}},
	{.name = "ioctl", .why = "a device that is back", .checks = {{1, SANDBOX_IS, (uint32_t)EVIOCGREP}}},
	{.name = "ioctl",
	 .why = "a device that is back",
	 .checks = {{1, SANDBOX_IS, (uint32_t)EVIOCGPROP(INPUT_BITMAP)}}},
	{.name = "ioctl",
	 .why = "what a device that is back can do",
	 .checks = BITS_OF(EVIOCGBIT(0, INPUT_BITMAP), 0x1f)},
	{.name = "inotify_init1", .why = "a device that comes back"},
	{.name = "inotify_add_watch", .why = "a device that comes back"},
	{.name = "open", .why = "a device that comes back"},
	{.name = "getdents64", .why = "which devices there are"},
	{.name = "fstat", .why = "which devices there are"},
	{0},
};

static void evdev_needs(const struct input_host_args *args, struct sandbox *s)
{
	sandbox_calls(s, evdev_calls);
	/* A node that comes back is another file, and so may be its folder. */
	sandbox_path(s, DEV_DIR, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DEVICE, "a device that comes back");
	if (args->evdev && strchr(args->evdev, '/'))
		sandbox_path(s, args->evdev, SANDBOX_DEVICE, "its group is kept with --user");
}

/* ---- what it is and can */

/* Asks for a text; the rest of it stays zero. */
static void text_ask(int fd, unsigned long request, char text[static INPUT_TEXT + 1])
{
	memset(text, 0, INPUT_TEXT + 1);
	if (ioctl(fd, request, text) < 0)
		text[0] = '\0';
}

static void caps_ask_codes(int fd, struct input_caps *c)
{
	uint8_t types[INPUT_BITMAP] = {0};

	(void)ioctl(fd, EVIOCGBIT(0, INPUT_BITMAP), types);
	for (unsigned int type = EV_SYN + 1; type < INPUT_TYPES; type++) {
		if (!bit_get(types, type))
			continue;
		if (type == EV_REP) {
			bit_set(c->codes[type], REP_DELAY, true);
			bit_set(c->codes[type], REP_PERIOD, true);
		} else if (ioctl(fd, EVIOCGBIT(type, INPUT_BITMAP), c->codes[type]) < 0) {
			memset(c->codes[type], 0, INPUT_BITMAP);
		}
	}
	for (unsigned int axis = 0; axis < INPUT_AXES; axis++) {
		struct input_absinfo a = {0};

		if (!input_caps_has(c, EV_ABS, axis))
			continue;
		if (ioctl(fd, EVIOCGABS(axis), &a) < 0)
			bit_set(c->codes[EV_ABS], axis, false);
		c->abs[axis] = (struct input_abs){a.minimum, a.maximum, a.fuzz, a.flat, a.resolution};
	}
}

/* Returns 0; -ENOTTY: this is no input device; or another -errno. */
static int caps_ask(int fd, struct input_caps *c)
{
	struct input_id id;

	memset(c, 0, sizeof(*c));
	if (ioctl(fd, EVIOCGID, &id) < 0)
		return errno == EINVAL ? -ENOTTY : -errno;
	c->bus = id.bustype;
	c->vendor = id.vendor;
	c->product = id.product;
	c->version = id.version;
	text_ask(fd, EVIOCGNAME(INPUT_TEXT), c->name);
	text_ask(fd, EVIOCGUNIQ(INPUT_TEXT), c->serial);
	(void)ioctl(fd, EVIOCGPROP(INPUT_BITMAP), c->props);
	caps_ask_codes(fd, c);
	return 0;
}

static bool same_device(const struct input_caps *a, const struct input_caps *b)
{
	return a->bus == b->bus && a->vendor == b->vendor && a->product == b->product &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->serial, b->serial) == 0;
}

/* ---- finding it */

/* Opens a node.  Returns the descriptor or -errno. */
static int node_open(const char *path, bool *writable)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	*writable = fd >= 0;
	if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int is_event(const struct dirent *e)
{
	return strncmp(e->d_name, "event", 5) == 0 && is_number(e->d_name + 5);
}

/*
 * Looks at each device for the one with this name; a name that two have is none.  Returns 0 and the path, -ENODEV,
 * -ENOTUNIQ, or -EACCES: there is none among those that could be looked at.
 */
static int name_find(const char *name, char path[static PATH_MAX])
{
	struct dirent **nodes;
	int n = scandir(INPUT_DIR, &nodes, is_event, versionsort), err = -ENODEV;

	if (n < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	for (int i = 0; i < n; i++) {
		char at[PATH_MAX], its[INPUT_TEXT + 1];
		bool writable;
		int fd;

		snprintf(at, sizeof(at), "%s/%s", INPUT_DIR, nodes[i]->d_name);
		free(nodes[i]);
		fd = node_open(at, &writable);
		if (fd == -EACCES && err == -ENODEV)
			err = fd;
		if (fd < 0)
			continue;
		text_ask(fd, EVIOCGNAME(INPUT_TEXT), its);
		close(fd);
		if (strcmp(its, name) != 0)
			continue;
		if (err == 0 || err == -ENOTUNIQ) {
			err = -ENOTUNIQ;
			continue;
		}
		err = 0;
		memcpy(path, at, sizeof(at));
	}
	free(nodes);
	return err;
}

/* Finds the device that --evdev means and opens it.  Returns 0, or -errno with fd -1. */
static int device_open(struct input_host *h, struct input_caps *caps)
{
	const char *spec = h->args->evdev;
	char path[PATH_MAX];
	int err = 0;

	if (strchr(spec, '/'))
		snprintf(path, sizeof(path), "%s", spec);
	else if (strncmp(spec, "event", 5) == 0 && is_number(spec + 5))
		snprintf(path, sizeof(path), "%s/%s", INPUT_DIR, spec);
	else
		err = name_find(spec, path);
	if (err)
		return err;
	h->fd = node_open(path, &h->writable);
	if (h->fd < 0)
		err = h->fd;
	else
		err = caps_ask(h->fd, caps);
	if (err && h->fd >= 0)
		close(h->fd);
	h->fd = err ? -1 : h->fd;
	return err;
}

/* ---- the device's events */

/* Whether a key is down. */
static bool key_is_down(const struct input_host *h)
{
	uint8_t keys[INPUT_BITMAP] = {0}, any = 0;

	(void)ioctl(h->fd, EVIOCGKEY(INPUT_BITMAP), keys);
	for (unsigned int i = 0; i < sizeof(keys); i++)
		any |= keys[i];
	return any;
}

/* Takes the device for the guest alone, where that can be done now. */
static void grab_try(struct input_host *h)
{
	const struct input_host_args *a = h->args;

	if (h->grabbed || (!a->no_grab && key_is_down(h)))
		return;
	h->grabbed = true;
	h->n = 0;
	if (!a->no_grab && ioctl(h->fd, EVIOCGRAB, 1) < 0)
		log_warn(&a->d->log, "--evdev=%s: %s: others see its events, too (--no-grab says that this is meant)",
			 a->evdev, strerror(errno));
	a->ops->lost(a->user);
}

/* A packet is complete, or what is left of one that is not. */
static void packet_end(struct input_host *h)
{
	const struct input_user_ops *tell = h->args->ops;
	bool whole = !h->skipping;

	h->skipping = false;
	if (!h->grabbed)
		grab_try(h);
	else if (!whole)
		tell->lost(h->args->user);
	else if (h->n)
		tell->packet(h->args->user, h->packet, h->n);
	h->n = 0;
}

static void event_take(struct input_host *h, const struct input_event *e)
{
	if (e->type == EV_SYN && e->code == SYN_REPORT) {
		packet_end(h);
		return;
	}
	if ((e->type == EV_SYN && e->code == SYN_DROPPED) || h->n == INPUT_PACKET)
		h->skipping = true;
	if (!h->skipping)
		h->packet[h->n++] = (struct input_ev){e->type, e->code, e->value};
}

static void watch_begin(struct input_host *h);

/* It has been unplugged. */
static void device_gone(struct input_host *h)
{
	const struct input_host_args *a = h->args;

	ev_io_stop(a->d->loop, &h->io);
	close(h->fd);
	h->fd = -1;
	h->n = 0;
	h->grabbed = h->skipping = false;
	log_warn(&a->d->log, "--evdev=%s: it is gone", a->evdev);
	a->ops->gone(a->user);
	watch_begin(h);
}

static void events_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct input_host *h = container_of(w, struct input_host, io);
	struct input_event events[BURST];
	ssize_t n = read(h->fd, events, sizeof(events));

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		device_gone(h);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof(events[0]); i++)
		event_take(h, &events[i]);
}

/* ---- coming back */

static void watch_end(struct input_host *h)
{
	if (h->watch < 0)
		return;
	ev_io_stop(h->args->d->loop, &h->watch_io);
	close(h->watch);
	h->watch = -1;
}

/* Watches what there is of the folders that the device may come back in. */
static void watch_folders(struct input_host *h)
{
	const char *slash = strrchr(h->args->evdev, '/');
	char dir[PATH_MAX];

	(void)inotify_add_watch(h->watch, DEV_DIR, DEV_EVENTS);
	(void)inotify_add_watch(h->watch, INPUT_DIR, DEV_EVENTS);
	if (!slash || slash == h->args->evdev)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - h->args->evdev), h->args->evdev);
	(void)inotify_add_watch(h->watch, dir, DEV_EVENTS);
}

static void repeat_ask(struct input_host *h)
{
	if (!input_caps_has(&h->caps, EV_REP, REP_DELAY) || ioctl(h->fd, EVIOCGREP, h->repeat) < 0)
		h->repeat[0] = 0;
}

static void device_take(struct input_host *h)
{
	ev_io_set(&h->io, h->fd, EV_READ);
	ev_io_start(h->args->d->loop, &h->io);
	repeat_ask(h);
	grab_try(h);
	if (!h->grabbed)
		log_info(&h->args->d->log, "--evdev=%s: a key is down; it is the guest's when none is", h->args->evdev);
}

/* Looks whether it is there again: the same device, not another one at its place. */
static void look_again(struct input_host *h)
{
	const struct input_host_args *a = h->args;
	struct input_caps caps;

	watch_folders(h);
	if (device_open(h, &caps) < 0)
		return;
	if (!same_device(&caps, &h->caps)) {
		log_guest_info(&a->d->log, "--evdev=%s: there is another device now, '%.40s'; it is left alone",
			       a->evdev, caps.name);
		close(h->fd);
		h->fd = -1;
		return;
	}
	watch_end(h);
	h->caps = caps;
	log_info(&a->d->log, "--evdev=%s: it is back", a->evdev);
	device_take(h);
	a->ops->back(a->user, &caps);
}

static void folders_changed(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct input_host *h = container_of(w, struct input_host, watch_io);
	char events[4096];

	while (read(h->watch, events, sizeof(events)) > 0)
		;
	look_again(h);
}

static void watch_begin(struct input_host *h)
{
	h->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (h->watch < 0) {
		log_error(&h->args->d->log, "inotify: %s; a device that comes back is not seen", strerror(errno));
		return;
	}
	ev_io_set(&h->watch_io, h->watch, EV_READ);
	ev_io_start(h->args->d->loop, &h->watch_io);
	/* It may be back already. */
	look_again(h);
}

/* ---- as a host */

static void evdev_stop(struct input_host *h)
{
	watch_end(h);
	ev_io_stop(h->args->d->loop, &h->io);
	if (h->fd >= 0 && h->writable && h->repeat[0]) {
		for (unsigned int i = 0; i < REP_CNT; i++) {
			const struct input_event e = {.type = EV_REP, .code = (uint16_t)i, .value = h->repeat[i]};

			/* Where the device is just being unplugged, nothing is lost. */
			if (write(h->fd, &e, sizeof(e)) < 0)
				break;
		}
	}
	if (h->fd >= 0)
		close(h->fd);
	free(h);
}

static const char *wanted(int err)
{
	switch (err) {
	case -ENOTUNIQ:
		return "several devices have this name; a path is wanted";
	case -EACCES:
		return "permission denied (the group input may read them)";
	case -ENOTTY:
		return "no input device";
	case -ENODEV:
	case -ENOENT:
		return "there is none (a path as /dev/input/event3, or the name of a device, is wanted; see "
		       "/proc/bus/input/devices)";
	default:
		return strerror(-err);
	}
}

static int evdev_start(const struct input_host_args *args, struct input_host **out, struct input_caps *caps)
{
	struct input_host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->args = args;
	h->fd = h->watch = -1;
	ev_init(&h->io, events_ready);
	ev_init(&h->watch_io, folders_changed);
	err = device_open(h, &h->caps);
	if (err) {
		log_error(&args->d->log, "--evdev=%s: %s", args->evdev, wanted(err));
		evdev_stop(h);
		return err;
	}
	if (!h->writable)
		log_info(&args->d->log, "--evdev=%s: it cannot be written to: no LEDs, no sound", args->evdev);
	*caps = h->caps;
	device_take(h);
	*out = h;
	return 0;
}

static void put_bits(const uint8_t *bits, unsigned int count, uint16_t type,
		     void (*put)(void *arg, const struct input_ev *ev), void *arg)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct input_ev ev = {type, (uint16_t)i, 1};

		if (bit_get(bits, i))
			put(arg, &ev);
	}
}

/* The slots, by one question for each of their codes. */
static void put_slots(struct input_host *h, void (*put)(void *arg, const struct input_ev *ev), void *arg)
{
	for (unsigned int code = INPUT_MT_FIRST; code < INPUT_MT_FIRST + INPUT_MT_CODES; code++) {
		struct {
			uint32_t code;
			int32_t values[INPUT_SLOTS];
		} ask = {.code = code};

		if (!input_caps_has(&h->caps, EV_ABS, code) || ioctl(h->fd, EVIOCGMTSLOTS(sizeof(ask)), &ask) < 0)
			continue;
		for (unsigned int i = 0; i < INPUT_SLOTS && (int32_t)i <= h->caps.abs[ABS_MT_SLOT].max; i++) {
			const struct input_ev slot = {EV_ABS, ABS_MT_SLOT, (int32_t)i};
			const struct input_ev value = {EV_ABS, (uint16_t)code, ask.values[i]};

			put(arg, &slot);
			put(arg, &value);
		}
	}
}

static void evdev_stand(struct input_host *h, void (*put)(void *arg, const struct input_ev *ev), void *arg)
{
	uint8_t keys[INPUT_BITMAP] = {0}, switches[INPUT_BITMAP] = {0};

	/* What is not grabbed yet is not the guest's to see. */
	if (h->fd < 0 || !h->grabbed)
		return;
	(void)ioctl(h->fd, EVIOCGKEY(INPUT_BITMAP), keys);
	(void)ioctl(h->fd, EVIOCGSW(INPUT_BITMAP), switches);
	put_bits(keys, INPUT_KEYS, EV_KEY, put, arg);
	put_bits(switches, INPUT_SWITCHES, EV_SW, put, arg);
	if (input_caps_has(&h->caps, EV_ABS, ABS_MT_SLOT))
		put_slots(h, put, arg);
	for (unsigned int axis = 0; axis < INPUT_AXES; axis++) {
		struct input_absinfo a = {0};

		if (!input_caps_has(&h->caps, EV_ABS, axis) || axis >= INPUT_MT_FIRST ||
		    ioctl(h->fd, EVIOCGABS(axis), &a) < 0)
			continue;
		const struct input_ev ev = {EV_ABS, (uint16_t)axis, a.value};

		put(arg, &ev);
	}
}

static int evdev_status(struct input_host *h, const struct input_ev *ev)
{
	const struct input_event e[2] = {
		{.type = ev->type, .code = ev->code, .value = ev->value},
		{.type = EV_SYN, .code = SYN_REPORT},
	};

	if (h->fd < 0)
		return -ENODEV;
	if (!h->writable)
		return -EACCES;
	return write(h->fd, e, sizeof(e)) < 0 ? -errno : 0;
}

const struct input_host_ops input_evdev_ops = {
	.needs = evdev_needs,
	.start = evdev_start,
	.stop = evdev_stop,
	.stand = evdev_stand,
	.status = evdev_status,
};
