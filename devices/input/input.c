/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input.c - input device: VIRTIO 1.4, section 5.8.
 *
 * A packet of the host, up to its SYN_REPORT, is told whole, each event in one buffer of the eventq.  The device knows
 * how the guest was told that keys, axes and contacts stand (told), and how they do (now).  Where a packet finds no
 * room, the guest is told a SYN_DROPPED when it has read what waits, and then packets that lead it from the one to the
 * other; motion is summed up. The same brings a guest up to date whose driver has just begun, that was stopped or has
 * moved, or whose device was unplugged.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <linux/input.h>

#include "core/control.h"
#include "core/words.h"
#include "devices/input/input_filter.h"
#include "devices/input/input_host.h"
#include "devices/input/input_names.h"
#include "devices/input/input_record.h"
#include "devices/input/input_state.h"
#include "devices/lib/events.h"
#include "transport/chain.h"

enum { EVENTQ, STATUSQ };

/* VIRTIO_INPUT_CFG_... */
enum {
	CFG_UNSET = 0x00,
	CFG_ID_NAME = 0x01,
	CFG_ID_SERIAL = 0x02,
	CFG_ID_DEVIDS = 0x03,
	CFG_PROP_BITS = 0x10,
	CFG_EV_BITS = 0x11,
	CFG_ABS_INFO = 0x12,
};

struct absinfo {
	le32 min, max, fuzz, flat, res;
} __attribute__((packed));

struct devids {
	le16 bustype, vendor, product, version;
} __attribute__((packed));

struct config {
	uint8_t select, subsel, size;
	uint8_t reserved[5];
	union {
		char string[128];
		uint8_t bitmap[128];
		struct absinfo abs;
		struct devids ids;
	} u;
} __attribute__((packed));

struct wire_event {
	le16 type, code;
	le32 value;
} __attribute__((packed));

_Static_assert(sizeof(struct absinfo) == 20, "struct virtio_input_absinfo");
_Static_assert(sizeof(struct devids) == 8, "struct virtio_input_devids");
_Static_assert(sizeof(struct config) == 136, "struct virtio_input_config");
_Static_assert(sizeof(struct wire_event) == 8, "struct virtio_input_event");

/*
 * Events that wait for the guest.  Whatever it is led from and to, the packets have room in a queue that is empty: each
 * key, switch and axis, each code of each contact with its slot twice, and a SYN_REPORT to each 60.
 */
#define ROOM 2560u

_Static_assert((INPUT_KEYS + INPUT_AXES + INPUT_SWITCHES + INPUT_SLOTS * (INPUT_MT_CODES + 3)) * 62 / 60 + 64 < ROOM,
	       "room for a guest that knows nothing");

#define REPEAT_MAX 60000 /* ms */

struct input {
	struct vdev d;
	/* options */
	const char *evdev, *event_list, *record;
	char listed[256];
	const char *replay;
	bool no_grab;
	unsigned int backend, sim;
	uint64_t width, height;
	struct input_host_args args;
	struct input_filter filter;
	/* host */
	const struct input_host_ops *ops;
	struct input_host *host;
	bool absent;
	struct input_record recorder;
	/* guest */
	uint8_t select, subsel;
	struct events events;
	struct input_state told, now;
	bool known;   /* the guest is as told says; otherwise it may be in any state */
	bool behind;  /* it is to be led from told to now */
	bool dropped; /* packets were put together: SYN_DROPPED */
	bool met;     /* a driver has begun since the last reset */
	int64_t motion[REL_CNT];
	uint8_t leds[LED_CNT / 8], sounds[1]; /* the guest's, that are on */
	int32_t repeat[REP_CNT];	      /* the guest's, ms; -1: it has set none */
	struct {
		uint64_t packets, merged, lost, stopped, status, ignored, failed, gone;
	} count;
};

static struct input *to_input(struct vdev *d)
{
	return container_of(d, struct input, d);
}

/* ---- to the guest */

static struct wire_event wire(uint16_t type, uint16_t code, int32_t value)
{
	return (struct wire_event){htole16(type), htole16(code), htole32((uint32_t)value)};
}

/* Tells a packet, all of it or nothing.  Returns whether it had room. */
static bool packet_tell(struct input *n, const struct input_ev *evs, unsigned int count, bool dropped)
{
	struct wire_event w[INPUT_PACKET + 1];
	struct iovec iov[INPUT_PACKET + 1];

	for (unsigned int i = 0; i < count; i++)
		w[i] = wire(evs[i].type, evs[i].code, evs[i].value);
	w[count] = wire(EV_SYN, SYN_REPORT, 0);
	for (unsigned int i = 0; i <= count; i++)
		iov[i] = (struct iovec){&w[i], sizeof(w[i])};
	if (events_waiting(&n->events) + count + 1 > ROOM || !events_put_many(&n->events, iov, count + 1))
		return false;
	for (unsigned int i = 0; i < count; i++)
		input_state_apply(&n->told, &evs[i]);
	n->count.packets += !dropped;
	input_record_packet(&n->recorder, evs, count);
	return true;
}

static void lead_tell(void *arg, const struct input_ev *evs, unsigned int count)
{
	struct input *n = arg;

	/* There is room: the queue was empty. */
	(void)packet_tell(n, evs, count, false);
}

static void motion_tell(struct input *n)
{
	struct input_ev evs[REL_CNT];
	unsigned int count = 0;

	for (unsigned int i = 0; i < REL_CNT; i++) {
		int64_t sum = n->motion[i];

		if (sum)
			evs[count++] = (struct input_ev){EV_REL, (uint16_t)i,
							 (int32_t)(sum > INT32_MAX   ? INT32_MAX
								   : sum < INT32_MIN ? INT32_MIN
										     : sum)};
		n->motion[i] = 0;
	}
	if (count)
		(void)packet_tell(n, evs, count, false);
}

/* Leads the guest to where the device is; nothing waits for it. */
static void catch_up(struct input *n)
{
	static const struct input_ev dropped = {EV_SYN, SYN_DROPPED, 0};
	struct input_state from;

	if (n->dropped)
		(void)packet_tell(n, &dropped, 1, true);
	if (!n->known)
		input_state_opposite(&n->told, &n->filter.guest);
	n->known = true;
	n->behind = n->dropped = false;
	from = n->told;
	input_state_lead(&from, &n->now, lead_tell, n);
	motion_tell(n);
}

static void behind_now(struct input *n)
{
	n->behind = true;
	virtq_again(vdev_queue(&n->d, EVENTQ));
}

static void eventq_kick(struct input *n)
{
	events_kick(&n->events);
	if (!n->behind || events_waiting(&n->events))
		return;
	catch_up(n);
	events_kick(&n->events);
}

/* ---- from the host */

static void packet_merge(struct input *n, const struct input_ev *evs, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (evs[i].type == EV_REL && evs[i].code < REL_CNT)
			n->motion[evs[i].code] += evs[i].value;
	}
	n->behind = n->dropped = true;
	n->count.merged++;
}

static void host_packet(void *user, const struct input_ev *evs, unsigned int count)
{
	struct input *n = user;
	struct input_ev mine[INPUT_PACKET];

	count = input_filter_packet(&n->filter, evs, count, mine);
	if (!count)
		return;
	/* Nothing is put together where there is room. */
	if (n->behind && !events_waiting(&n->events) && virtq_running(vdev_queue(&n->d, EVENTQ)))
		catch_up(n);
	for (unsigned int i = 0; i < count; i++)
		input_state_apply(&n->now, &mine[i]);
	/* A guest that is stopped, or not there, finds how things stand when it goes on; it does not miss motion. */
	if (!virtq_running(vdev_queue(&n->d, EVENTQ))) {
		n->count.stopped++;
		n->behind = true;
	} else if (n->behind || !packet_tell(n, mine, count, false)) {
		packet_merge(n, mine, count);
	}
}

static void stand_put(void *arg, const struct input_ev *ev)
{
	struct input *n = arg;
	struct input_ev mine;

	if (input_filter_packet(&n->filter, ev, 1, &mine))
		input_state_apply(&n->now, &mine);
}

/* Asks the host how the device stands. */
static void stand_ask(struct input *n)
{
	input_state_init(&n->now, &n->filter.guest);
	n->ops->stand(n->host, stand_put, n);
	behind_now(n);
}

static void host_lost(void *user)
{
	struct input *n = user;

	/* The host's first question comes from inside its start. */
	if (!n->host)
		return;
	n->count.lost++;
	stand_ask(n);
}

static void host_gone(void *user)
{
	struct input *n = user;

	n->absent = true;
	n->count.gone++;
	input_state_release(&n->now);
	if (n->met)
		behind_now(n);
	control_tell(n->d.control, "gone");
	vdev_config_changed(&n->d);
}

static int status_send(struct input *n, uint16_t type, uint16_t code, int32_t value)
{
	const struct input_ev ev = {type, code, value};

	return n->ops->status(n->host, &ev);
}

/* The guest's LEDs, sounds and repeat, for a device that knows nothing of them. */
static void status_again(struct input *n)
{
	for (uint16_t i = 0; i < LED_CNT; i++) {
		if (bit_get(n->leds, i))
			(void)status_send(n, EV_LED, i, 1);
	}
	for (uint16_t i = 0; i < REP_CNT; i++) {
		if (n->repeat[i] >= 0)
			(void)status_send(n, EV_REP, i, n->repeat[i]);
	}
}

static void host_back(void *user, const struct input_caps *caps)
{
	struct input *n = user;

	n->absent = false;
	input_filter_caps(&n->filter, caps);
	status_again(n);
	stand_ask(n);
	n->told.slots = n->now.slots;
	n->told.slot = n->told.slot < n->told.slots ? n->told.slot : 0;
	control_tell(n->d.control, "back");
	vdev_config_changed(&n->d);
}

static bool host_has_room(void *user)
{
	struct input *n = user;

	return !n->behind && events_waiting(&n->events) + INPUT_PACKET < ROOM;
}

static const struct input_user_ops user_ops = {
	.packet = host_packet,
	.lost = host_lost,
	.gone = host_gone,
	.back = host_back,
	.has_room = host_has_room,
};

/* ---- status of the guest */

static void led_set(struct input *n, uint16_t code, bool on)
{
	static const char *const names[] = {"numl", "capsl", "scrolll", "compose", "kana"};

	bit_set(n->leds, code, on);
	if (code < ARRAY_SIZE(names))
		control_tell(n->d.control, "led %s %s", names[code], on ? "on" : "off");
	else
		control_tell(n->d.control, "led %u %s", code, on ? "on" : "off");
}

/* Whether a status is the host's to have. */
static bool status_passes(struct input *n, const struct input_ev *ev)
{
	if (!input_caps_has(&n->filter.guest, ev->type, ev->code))
		return false;
	switch (ev->type) {
	case EV_LED:
		return ev->code < LED_CNT && (ev->value == 0 || ev->value == 1);
	case EV_SND:
		return ev->code < SND_CNT && ev->value >= 0;
	case EV_REP:
		return ev->code < REP_CNT && ev->value >= 0 && ev->value <= REPEAT_MAX;
	case EV_FF:
		return ev->value >= 0 && ev->value <= UINT16_MAX;
	default:
		return false;
	}
}

/* Linux' driver sends back what it is told of some types, for the host to ignore. */
static void status_take(struct input *n, const struct input_ev *ev)
{
	if (!status_passes(n, ev)) {
		n->count.ignored++;
		return;
	}
	n->count.status++;
	if (ev->type == EV_LED)
		led_set(n, ev->code, ev->value);
	else if (ev->type == EV_SND)
		bit_set(n->sounds, ev->code, ev->value != 0);
	else if (ev->type == EV_REP)
		n->repeat[ev->code] = ev->value;
	if (status_send(n, ev->type, ev->code, ev->value) < 0)
		n->count.failed++;
}

static void statusq_kick(struct input *n)
{
	struct chain *c;

	while ((c = virtq_pop(vdev_queue(&n->d, STATUSQ)))) {
		struct wire_event w;

		if (chain_get(c, &w, sizeof(w))) {
			const struct input_ev ev = {le16toh(w.type), le16toh(w.code), (int32_t)le32toh(w.value)};

			status_take(n, &ev);
		} else {
			log_guest(&n->d.log, "status of %zu bytes, which is no event", chain_readable(c));
		}
		virtq_push(c);
	}
}

/* What a guest has left on goes off. */
static void status_end(struct input *n)
{
	for (uint16_t i = 0; i < LED_CNT; i++) {
		if (!bit_get(n->leds, i))
			continue;
		(void)status_send(n, EV_LED, i, 0);
		led_set(n, i, false);
	}
	for (uint16_t i = 0; i < SND_CNT; i++) {
		if (bit_get(n->sounds, i))
			(void)status_send(n, EV_SND, i, 0);
	}
	memset(n->sounds, 0, sizeof(n->sounds));
	memset(n->repeat, 0xff, sizeof(n->repeat));
}

/* ---- the contract */

static void input_kick(struct vdev *d, unsigned int q)
{
	if (q == EVENTQ)
		eventq_kick(to_input(d));
	else
		statusq_kick(to_input(d));
}

/* A ring that another vdevd has served: its guest was told of keys that may be up meanwhile. */
static void input_start(struct vdev *d, unsigned int q)
{
	struct input *n = to_input(d);

	if (q != EVENTQ)
		return;
	if (!n->met)
		n->known = virtq_fresh(vdev_queue(d, EVENTQ));
	n->met = n->behind = true;
	memset(n->motion, 0, sizeof(n->motion));
}

static void input_quiesce(struct vdev *d, unsigned int q)
{
	if (q == EVENTQ)
		events_quiesce(&to_input(d)->events);
}

static void input_reset(struct vdev *d)
{
	struct input *n = to_input(d);

	events_reset(&n->events);
	input_state_init(&n->told, &n->filter.guest);
	memset(n->motion, 0, sizeof(n->motion));
	n->known = true;
	n->behind = n->dropped = n->met = false;
	n->select = n->subsel = 0;
	status_end(n);
}

/* ---- the configuration space */

static uint8_t bits_len(const uint8_t *bits)
{
	uint8_t len = INPUT_BITMAP;

	while (len && !bits[len - 1])
		len--;
	return len;
}

static uint8_t config_bits(struct config *c, const uint8_t *bits)
{
	uint8_t len = bits_len(bits);

	memcpy(c->u.bitmap, bits, len);
	return len;
}

static uint8_t config_text(struct config *c, const char *text)
{
	size_t len = min_size(strlen(text), sizeof(c->u.string));

	memcpy(c->u.string, text, len);
	return (uint8_t)len;
}

static uint8_t config_abs(struct config *c, const struct input_abs *a)
{
	c->u.abs = (struct absinfo){htole32((uint32_t)a->min), htole32((uint32_t)a->max), htole32((uint32_t)a->fuzz),
				    htole32((uint32_t)a->flat), htole32((uint32_t)a->res)};
	return sizeof(c->u.abs);
}

static uint8_t config_answer(const struct input *n, struct config *c)
{
	const struct input_caps *g = &n->filter.guest;

	if (n->select == CFG_EV_BITS)
		return n->subsel < INPUT_TYPES ? config_bits(c, g->codes[n->subsel]) : 0;
	if (n->select == CFG_ABS_INFO)
		return input_caps_has(g, EV_ABS, n->subsel) ? config_abs(c, &g->abs[n->subsel]) : 0;
	if (n->subsel)
		return 0;
	switch (n->select) {
	case CFG_ID_NAME:
		return config_text(c, g->name);
	case CFG_ID_SERIAL:
		return config_text(c, g->serial);
	case CFG_ID_DEVIDS:
		c->u.ids =
			(struct devids){htole16(g->bus), htole16(g->vendor), htole16(g->product), htole16(g->version)};
		return sizeof(c->u.ids);
	case CFG_PROP_BITS:
		return config_bits(c, g->props);
	default:
		return 0;
	}
}

static void input_config(struct vdev *d, void *buf)
{
	const struct input *n = to_input(d);
	struct config c = {.select = n->select, .subsel = n->subsel};

	c.size = config_answer(n, &c);
	memcpy(buf, &c, sizeof(c));
}

/* The driver writes select and subsel.  QEMU writes the whole space with them: what else is in it stays as it is. */
static int input_config_write(struct vdev *d, size_t off, const void *buf, size_t len)
{
	struct input *n = to_input(d);
	const uint8_t *bytes = buf;

	for (size_t i = 0; i < len; i++) {
		if (off + i == offsetof(struct config, select))
			n->select = bytes[i];
		else if (off + i == offsetof(struct config, subsel))
			n->subsel = bytes[i];
	}
	return 0;
}

/* ---- moving */

/* The record "input": what the guest was told, and has set.  What of it is only there on the other host is led away. */
struct saved {
	uint8_t select, subsel, known, dropped;
	le32 slots, slot;
	le32 repeat[REP_CNT];
	uint8_t leds[LED_CNT / 8], sounds[1];
	uint8_t padding[1];
	uint8_t switches[INPUT_SWITCHES / 8];
	uint8_t keys[INPUT_KEYS / 8];
	le32 abs[INPUT_AXES];
	le32 mt[INPUT_SLOTS][INPUT_MT_CODES];
} __attribute__((packed));

_Static_assert(sizeof(struct saved) == 124 + 4 * INPUT_AXES + 4 * INPUT_SLOTS * INPUT_MT_CODES, "input in a state");

static void input_save(struct vdev *d, struct state *s)
{
	const struct input *n = to_input(d);
	const struct input_state *t = &n->told;
	struct saved saved = {
		.select = n->select,
		.subsel = n->subsel,
		.known = n->known,
		.dropped = n->dropped,
		.slots = htole32(t->slots),
		.slot = htole32(t->slot),
	};

	for (unsigned int i = 0; i < REP_CNT; i++)
		saved.repeat[i] = htole32((uint32_t)n->repeat[i]);
	memcpy(saved.leds, n->leds, sizeof(saved.leds));
	memcpy(saved.sounds, n->sounds, sizeof(saved.sounds));
	memcpy(saved.switches, t->switches, sizeof(saved.switches));
	memcpy(saved.keys, t->keys, sizeof(saved.keys));
	for (unsigned int i = 0; i < INPUT_AXES; i++)
		saved.abs[i] = htole32((uint32_t)t->abs[i]);
	for (unsigned int i = 0; i < INPUT_SLOTS; i++) {
		for (unsigned int j = 0; j < INPUT_MT_CODES; j++)
			saved.mt[i][j] = htole32((uint32_t)t->mt[i][j]);
	}
	state_put(s, "input", &saved, sizeof(saved));
	events_save(&n->events, s);
}

static int saved_check(struct input *n, const struct saved *saved)
{
	if (saved->known > 1 || saved->dropped > 1 || saved->padding[0])
		return -EINVAL;
	if (le32toh(saved->slots) != n->told.slots) {
		log_guest(&n->d.log, "state: a device of %u contacts, which are not the %u here", le32toh(saved->slots),
			  n->told.slots);
		return -EINVAL;
	}
	return le32toh(saved->slot) < (n->told.slots ? n->told.slots : 1) ? 0 : -EINVAL;
}

static int input_load_record(struct input *n, const struct state_record *r)
{
	struct saved saved;

	if (strcmp(r->name, "input") != 0 || r->len != sizeof(saved))
		return -EINVAL;
	memcpy(&saved, r->bytes, sizeof(saved));
	if (saved_check(n, &saved) < 0)
		return -EINVAL;
	n->select = saved.select;
	n->subsel = saved.subsel;
	n->known = saved.known;
	n->dropped = saved.dropped;
	n->met = true;
	n->told.slot = le32toh(saved.slot);
	memcpy(n->told.switches, saved.switches, sizeof(saved.switches));
	memcpy(n->told.keys, saved.keys, sizeof(saved.keys));
	for (unsigned int i = 0; i < INPUT_AXES; i++)
		n->told.abs[i] = (int32_t)le32toh(saved.abs[i]);
	for (unsigned int i = 0; i < INPUT_SLOTS; i++) {
		for (unsigned int j = 0; j < INPUT_MT_CODES; j++)
			n->told.mt[i][j] = (int32_t)le32toh(saved.mt[i][j]);
	}
	memcpy(n->leds, saved.leds, sizeof(saved.leds));
	memcpy(n->sounds, saved.sounds, sizeof(saved.sounds));
	for (unsigned int i = 0; i < REP_CNT; i++) {
		int32_t ms = (int32_t)le32toh(saved.repeat[i]);

		n->repeat[i] = ms <= REPEAT_MAX ? ms : -1;
	}
	status_again(n);
	return 0;
}

static bool not_an_event(const void *record, size_t len, const void *arg)
{
	return len != sizeof(struct wire_event);
}

static int input_load(struct vdev *d, const struct state_record *r)
{
	struct input *n = to_input(d);
	int err = events_load(&n->events, r);
	unsigned int waiting = events_waiting(&n->events);

	if (err == -ENOENT)
		return input_load_record(n, r);
	if (err)
		return err;
	events_forget(&n->events, not_an_event, NULL);
	return events_waiting(&n->events) == waiting ? 0 : -EINVAL;
}

/* ---- the control socket */

static int run_show(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input *n = arg;
	const struct input_caps *g = &n->filter.guest;
	char name[INPUT_NAME];

	control_say(c, "%s, %04x:%04x%s%s%s", g->name, g->vendor, g->product, g->serial[0] ? ", " : "", g->serial,
		    n->absent ? ", unplugged" : "");
	for (unsigned int i = 0; i < INPUT_KEYS; i++) {
		if (bit_get(n->now.keys, i))
			control_say(c, "down %s", input_key_name(i, name, sizeof(name)));
	}
	for (unsigned int i = 0; i < LED_CNT; i++) {
		if (bit_get(n->leds, i))
			control_say(c, "led %u", i);
	}
#define SAY(what, counter) control_say(c, what " %llu", (unsigned long long)(counter))
	SAY("packets", n->count.packets);
	SAY("packets-merged", n->count.merged);
	SAY("packets-while-stopped", n->count.stopped);
	SAY("events-waiting", events_waiting(&n->events));
	SAY("host-lost", n->count.lost);
	SAY("status", n->count.status);
	SAY("status-ignored", n->count.ignored);
	SAY("status-failed", n->count.failed);
	SAY("unplugged", n->count.gone);
	SAY("record-lost", n->recorder.lost);
#undef SAY
	return 0;
}

static const struct control_command input_commands[] = {
	{"show", "", "shows the device, keys that are down, LEDs that are on, and counters", 0, 0, run_show},
	{0},
};

/* ---- options */

enum { BACKEND_AUTO, BACKEND_EVDEV, BACKEND_SIM };

static const char *const backend_words[] = {"auto", "evdev", "sim", NULL};

/* Before the kinds of enum input_sim_kind is none. */
static const char *const sim_words[] = {"none", "keyboard", "mouse", "tablet", "touch", NULL};

enum { ALLOW, MAP, RANGE };

static int set_filter(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	static int (*const read[])(struct input_filter * f, const char *value, char *why, size_t why_size) = {
		[ALLOW] = input_filter_allow,
		[MAP] = input_filter_map,
		[RANGE] = input_filter_range,
	};
	struct input *n = obj;

	return read[o->kind](&n->filter, value, why, why_size);
}

/* vhost-device-input: a device for each of the list, and others see its events, too. */
static unsigned int list_count(const struct vdev *d)
{
	const struct input *n = container_of(d, struct input, d);
	const char *rest = n->event_list;
	unsigned int count = 0;
	struct word w;

	while (rest && word_next(&rest, ',', &w))
		count++;
	return count ? count : 1;
}

static int input_fit(struct vdev *d, unsigned int i, unsigned int count)
{
	struct input *n = to_input(d);
	const char *rest = n->event_list;
	unsigned int found = 0;
	bool fits = false;
	struct word w;

	if (!rest)
		return 0;
	while (word_next(&rest, ',', &w)) {
		if (found++ == i)
			fits = w.len && word_copy(&w, n->listed, sizeof(n->listed));
	}
	if (!fits || found != count || n->evdev) {
		log_usage(&d->log, "--event-list=%s: paths of input devices, parted by commas, are wanted%s",
			  n->event_list, n->evdev ? ", without --evdev" : "");
		return -EINVAL;
	}
	n->evdev = n->listed;
	n->event_list = NULL;
	n->no_grab = true;
	return 0;
}

static bool is_sim(const struct input *n)
{
	return n->backend == BACKEND_SIM || (n->backend == BACKEND_AUTO && (n->sim || n->replay));
}

static int input_check(struct vdev *d)
{
	struct input *n = to_input(d);
	const char *wrong = NULL;

	if (n->event_list && list_count(d) > 1)
		wrong = "--event-list: one device is wanted; several go with the name vhost-device-input";
	else if (n->event_list && input_fit(d, 0, 1) < 0)
		return -EINVAL;
	else if (n->sim && n->replay)
		wrong = "--sim and --replay do not go together: the file says what the device is";
	else if (is_sim(n) && (n->evdev || n->no_grab))
		wrong = "--evdev and --no-grab go with --backend=evdev only";
	else if (!is_sim(n) && (n->sim || n->replay))
		wrong = "--sim and --replay go with --backend=sim only";
	else if (!is_sim(n) && (!n->evdev || !n->evdev[0] || strlen(n->evdev) >= PATH_MAX))
		wrong = "no device: --evdev=/dev/input/event0, or a device's name, is wanted, or --sim=keyboard";
	if (wrong)
		log_usage(&d->log, "%s", wrong);
	return wrong ? -EINVAL : 0;
}

static struct input_host_args host_args(const struct input *n)
{
	return (struct input_host_args){
		.evdev = n->evdev,
		.no_grab = n->no_grab,
		.sim = n->sim ? n->sim - 1 : INPUT_KEYBOARD,
		.replay = n->replay,
		.width = n->width,
		.height = n->height,
	};
}

static void input_needs(const struct vdev *d, struct sandbox *s)
{
	const struct input *n = container_of(d, struct input, d);
	const struct input_host_args args = host_args(n);

	(is_sim(n) ? &input_sim_ops : &input_evdev_ops)->needs(&args, s);
	if (n->record)
		input_record_needs(s);
}

static int input_open(struct vdev *d)
{
	static struct input_caps caps;
	struct input *n = to_input(d);
	const struct events_opts events = {
		.queue = EVENTQ,
		.record = sizeof(struct wire_event),
		.room = ROOM,
		.full = EVENTS_REFUSE_NEWEST,
		.name = "eventq",
	};
	int err = events_open(&n->events, d, &events);

	if (err)
		return err;
	n->args = host_args(n);
	n->args.d = d;
	n->args.ops = &user_ops;
	n->args.user = n;
	n->ops = is_sim(n) ? &input_sim_ops : &input_evdev_ops;
	memset(&caps, 0, sizeof(caps));
	memset(n->repeat, 0xff, sizeof(n->repeat));
	err = n->ops->start(&n->args, &n->host, &caps);
	if (err)
		return err;
	input_filter_caps(&n->filter, &caps);
	input_state_init(&n->told, &n->filter.guest);
	input_state_init(&n->now, &n->filter.guest);
	n->ops->stand(n->host, stand_put, n);
	return n->record ? input_record_open(&n->recorder, d->loop, n->record, &n->filter.guest, &d->log) : 0;
}

static void input_close(struct vdev *d)
{
	struct input *n = to_input(d);

	if (n->host) {
		status_end(n);
		n->ops->stop(n->host);
	}
	input_record_close(&n->recorder);
	events_close(&n->events);
}

static const struct vdev_queue_desc input_queues[] = {
	[EVENTQ] = {.name = "eventq", .size = 64, .max = 1024},
	[STATUSQ] = {.name = "statusq", .size = 64, .max = 1024},
};

static const struct opt input_opts[] = {
	{
		.name = "evdev",
		.type = OPT_TEXT,
		.off = offsetof(struct input, evdev),
		.arg = "DEVICE",
		.help = "path, eventN or name of the host's device",
		.man = MAN("An input device of the host: a path such as /dev/input/event3 or "
			   "/dev/input/by-id/usb-panel-event, \"event3\", or the device's name, as in "
			   "/proc/bus/input/devices, where no other has it."),
		.alias = "evdev-path",
	},
	{
		.name = "no-grab",
		.type = OPT_FLAG,
		.off = offsetof(struct input, no_grab),
		.help = "others of the host see its events, too",
		.man = MAN("The device is not taken for the guest alone (EVIOCGRAB): the host and other guests see its "
			   "events, too."),
	},
	{
		.name = "allow-keys",
		.type = OPT_CALL,
		.arg = "LIST",
		.kind = ALLOW,
		.help = "keys the guest sees: KEY_A-KEY_Z,0x110",
		.man = MAN(
			"The guest has these keys and buttons alone, of those there are; repeatable.  Keys are named "
			"as in "
			"linux/input-event-codes.h, with or without KEY_ or BTN_, or by a number; a range is one of "
			"numbers.  Scan codes (MSC_SCAN) are not told then.  With --map these are the guest's keys."),
		.set = set_filter,
	},
	{
		.name = "map",
		.type = OPT_CALL,
		.arg = "FROM=TO",
		.kind = MAP,
		.help = "other keys and axes: KEY_F1=KEY_F2,ABS_X=-ABS_X",
		.man = MAN(
			"A key or button of the device is another one in the guest: KEY_CAPSLOCK=KEY_LEFTCTRL.  An "
			"axis is "
			"another one, or runs the other way: ABS_X=ABS_Y,ABS_Y=-ABS_X for a panel that was turned by a "
			"quarter.  Several are parted by commas; repeatable."),
		.set = set_filter,
	},
	{
		.name = "abs-range",
		.type = OPT_CALL,
		.arg = "AXIS=MIN:MAX",
		.kind = RANGE,
		.help = "range of an axis in the guest: ABS_X=0:1919",
		.man = MAN("The range of an axis in the guest: values, resolution, fuzz and flat are scaled to it.  "
			   "Several are "
			   "parted by commas; repeatable.  With --map these are the guest's axes."),
		.set = set_filter,
	},
	{
		.name = "record",
		.type = OPT_TEXT,
		.off = offsetof(struct input, record),
		.arg = "FILE",
		.help = "write what the guest is told into a file",
		.man = MAN("Write the device and each packet that the guest is told into this file, in "
			   "evemu-record(1)'s form. "
			   " It is made anew, and grows without a bound."),
	},
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct input, backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "auto",
		.help = "evdev, or sim: a simulated device",
		.man = MAN("evdev: a device of the host.  sim: a simulated one, a keyboard without --sim and --replay. "
			   " auto: sim "
			   "with one of these, otherwise evdev."),
	},
	{
		.name = "sim",
		.type = OPT_WORD,
		.off = offsetof(struct input, sim),
		.words = sim_words,
		.arg = "KIND",
		.def = "none",
		.help = "simulated: keyboard, mouse, tablet, touch",
		.man = MAN("A simulated device: a keyboard; a mouse; a tablet, whose pointer has a place; a touch "
			   "panel for ten "
			   "fingers."),
	},
	{
		.name = "sim-width",
		.rare = true,
		.type = OPT_UINT,
		.off = offsetof(struct input, width),
		.arg = "N",
		.def = "1920",
		.min = 2,
		.max = 1000000,
		.help = "width of the simulated tablet or panel",
	},
	{
		.name = "sim-height",
		.rare = true,
		.type = OPT_UINT,
		.off = offsetof(struct input, height),
		.arg = "N",
		.def = "1080",
		.min = 2,
		.max = 1000000,
		.help = "its height",
	},
	{
		.name = "replay",
		.type = OPT_TEXT,
		.off = offsetof(struct input, replay),
		.arg = "FILE",
		.help = "a simulated device and its events, from a file",
		.man = MAN(
			"A simulated device as a file of evemu-record(1) or --record describes it.  \"replay\" on the "
			"socket of "
			"--control plays the file's events, each at its time; a wait of more than a minute is one of a "
			"minute."),
	},
	{
		.name = "event-list",
		.rare = true,
		.type = OPT_TEXT,
		.off = offsetof(struct input, event_list),
		.arg = "PATHS",
		.help = "--evdev, as vhost-device-input has it",
		.man = MAN("Devices as vhost-device-input takes them: paths parted by commas, one for each socket.  "
			   "They are not "
			   "taken for the guests alone."),
		.compat = "e,event-list",
	},
	{0},
};

/* No driver knows this type: it is ignored, whatever the device is. */
static const uint8_t sample_status[sizeof(struct wire_event)] = {EV_SYN};

static const char *sample_check(const uint8_t *in, uint32_t used)
{
	return used ? "something was written" : NULL;
}

static const struct vdev_sample input_samples[] = {
	{.what = "status without a meaning",
	 .queue = STATUSQ,
	 .out = sample_status,
	 .out_len = sizeof(sample_status),
	 .check = sample_check},
	{0},
};

static const struct vdev_compat input_compat = {
	.suffix = true,
	.fit = input_fit,
	.instances = list_count,
};

static const char *const input_examples[] = {
	"vdevd input --socket-path=/run/panel.sock --evdev=/dev/input/by-id/usb-panel-event --abs-range=ABS_X=0:1919",
	"vdevd input --socket-path=/run/keys.sock --evdev='gpio-keys' --allow-keys=KEY_VOLUMEUP,KEY_VOLUMEDOWN",
	"vhost-device-input -s /run/input.sock -e /dev/input/event0,/dev/input/event1",
	"",
	"# a simulated touch panel",
	"vdevd input --socket-path=/run/input.sock --sim=touch --control=/run/input.ctl &",
	"vdevd ctl /run/input.ctl touch 0 100,200",
	"vdevd ctl /run/input.ctl lift 0",
	NULL,
};

const struct vdev_class vdev_input_class = {
	.name = "input",
	.summary = "keyboard, mouse, touch panel",
	.about = MAN(
		"Gives a guest an input device of the host: a keyboard, mouse, joystick, touch panel, switches; or a "
		"simulated "
		"one.  The guest sees its name, its serial number, all it can do and the ranges of its axes.\n"
		"\n"
		"The guest is told packets whole.  Where it is slow, and 2560 events wait for it, those that come are "
		"put "
		"together: it is told SYN_DROPPED, then how keys, switches, axes and fingers stand, and the sum of "
		"motion.  A key that was struck meanwhile is lost, as for a slow reader of evdev.  A guest whose "
		"driver "
		"begins, or that was stopped, is told how they stand, too.\n"
		"\n"
		"The guest sets LEDs, sounds and the repeat rate of the device, and of force feedback its gain and its "
		"centre; what it has left on goes off when it resets the device.  Effects of force feedback are "
		"missing: "
		"the protocol cannot carry them.  Keys are repeated by the guest, where the device repeats them.\n"
		"\n"
		"The device is the guest's alone as soon as none of its keys is down.  When it is unplugged, its keys "
		"and "
		"fingers are let go; when the same device (ids, name, serial number) is there again, it goes on.  "
		"Both are told as a change of the configuration, which keeps what it has said meanwhile: a guest that "
		"boots then finds the device.  A device that comes back elsewhere than --evdev says is not found.\n"
		"\n"
		"Commands on the socket of --control: show.  A simulated device is moved by: type, key, move, wheel, "
		"at, "
		"touch, lift, packet, lose, unplug, plug; replay plays a file.  Who watches sees \"led numl on\", "
		"\"gone\", "
		"\"back\".\n"
		"\n"
		"More than 64 fingers, and packets of more than 512 events, are cut: of the latter the guest is told "
		"how "
		"things stand.\n"
		"\n"
		"With a guest that moves to another host (live migration) go events that wait for it, its LEDs, and "
		"what "
		"it was told; there it is told how that host's device differs."),
	.virtio_id = 18,
	.face.queues = input_queues,
	.face.nqueues = ARRAY_SIZE(input_queues),
	.face.config_size = sizeof(struct config),
	.face.any_order = true,
	.opts = input_opts,
	.commands = input_commands,
	.inst_size = sizeof(struct input),
	.samples = input_samples,
	.compat = &input_compat,
	.examples = MAN(input_examples),
	.check = input_check,
	.open = input_open,
	.needs = input_needs,
	.start = input_start,
	.kick = input_kick,
	.quiesce = input_quiesce,
	.reset = input_reset,
	.config = input_config,
	.config_write = input_config_write,
	.save = input_save,
	.load = input_load,
	.close = input_close,
};
