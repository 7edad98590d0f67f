/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_sim.c - a simulated keyboard, mouse, tablet or touch panel: a person or a test types and moves it at the
 * control socket.
 *
 * What a command makes are packets that wait until the device has room: a person who types waits for nobody, but a line
 * of text is to arrive whole.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>
#include <linux/input.h>

#include "core/control.h"
#include "core/loop.h"
#include "devices/input/input_host.h"
#include "devices/input/input_names.h"
#include "devices/input/input_replay.h"
#include "devices/input/input_state.h"

#define QUEUE	   4096 /* packets that wait */
#define QUEUED_MAX 8	/* events of one */
#define RETRY	   0.01 /* s; there was no room */

#define SIM_SLOTS 10 /* contacts of the touch panel */

struct queued {
	unsigned int n;
	struct input_ev evs[QUEUED_MAX];
};

struct input_host {
	const struct input_host_args *args;
	struct input_caps caps;
	struct input_state state;
	bool unplugged;
	int32_t contact;	    /* the next contact's number */
	struct queued queue[QUEUE]; /* a ring */
	unsigned int first, waiting;
	struct loop_again turn;
	struct ev_timer retry;
	struct input_replay replay;
};

static void state_apply_all(struct input_state *s, const struct input_ev *evs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		input_state_apply(s, &evs[i]);
}

/* Something happens now. */
static void happen(struct input_host *h, const struct input_ev *evs, unsigned int n)
{
	state_apply_all(&h->state, evs, n);
	if (!h->unplugged)
		h->args->ops->packet(h->args->user, evs, n);
}

static void queue_turn(struct loop_again *again)
{
	struct input_host *h = container_of(again, struct input_host, turn);
	const struct queued *q = &h->queue[h->first];

	if (!h->waiting)
		return;
	if (!h->unplugged && !h->args->ops->has_room(h->args->user)) {
		ev_timer_set(&h->retry, RETRY, 0.);
		ev_timer_start(h->args->d->loop, &h->retry);
		return;
	}
	happen(h, q->evs, q->n);
	h->first = (h->first + 1) % QUEUE;
	h->waiting--;
	loop_again_start(&h->turn, h->args->d->loop);
}

static void retry_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	queue_turn(&container_of(w, struct input_host, retry)->turn);
}

/* Whether n packets more can wait. */
static int queue_check(const struct input_host *h, unsigned int n, char *why, size_t why_size)
{
	if (n <= QUEUE - h->waiting)
		return 0;
	snprintf(why, why_size, "%u packets wait for the guest already", h->waiting);
	return -EAGAIN;
}

/* Appends a packet; there is room. */
static void queue_put(struct input_host *h, const struct input_ev *evs, unsigned int n)
{
	struct queued *q = &h->queue[(h->first + h->waiting++) % QUEUE];

	q->n = n;
	memcpy(q->evs, evs, n * sizeof(evs[0]));
	if (!ev_is_active(&h->retry))
		loop_again_start(&h->turn, h->args->d->loop);
}

static void queue_key(struct input_host *h, unsigned int code, bool down)
{
	const struct input_ev ev = {EV_KEY, (uint16_t)code, down};

	queue_put(h, &ev, 1);
}

/* ---- the operator: keys */

/* The keys of an American keyboard, from the space on; those with shift are upper case, or the upper of two signs. */
static const char key_signs[] = "1!2@3#4$5%6^7&8*9(0)-_=+\x01\x01\x01\x01qQwWeErRtTyYuUiIoOpP[{]}\x01\x01\x01\x01"
				"aAsSdDfFgGhHjJkKlL;:'\"`~\x01\x01\\|zZxXcCvVbBnNmM,<.>/?";

/* Finds the key of a sign.  Returns its code, or 0. */
static unsigned int sign_key(char sign, bool *shift)
{
	const char *at = sign > ' ' ? strchr(key_signs, sign) : NULL;

	*shift = at && (at - key_signs) % 2;
	if (sign == ' ')
		return KEY_SPACE;
	return at ? KEY_1 + (unsigned int)(at - key_signs) / 2 : 0;
}

static void type_sign(struct input_host *h, unsigned int key, bool shift)
{
	if (shift)
		queue_key(h, KEY_LEFTSHIFT, true);
	queue_key(h, key, true);
	queue_key(h, key, false);
	if (shift)
		queue_key(h, KEY_LEFTSHIFT, false);
}

/* "type hello world": the words with a space between them; nothing is typed of a line that cannot be typed whole. */
static int run_type(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;
	size_t signs = argc - 1;
	bool shift;
	int err;

	for (unsigned int i = 0; i < argc; i++) {
		signs += strlen(argv[i]);
		for (const char *at = argv[i]; *at; at++) {
			if (sign_key(*at, &shift))
				continue;
			snprintf(why, why_size, "'%.40s': signs of an American keyboard are wanted", argv[i]);
			return -EINVAL;
		}
	}
	err = queue_check(h, (unsigned int)signs * 4, why, why_size);
	if (err)
		return err;
	for (unsigned int i = 0; i < argc; i++) {
		if (i)
			type_sign(h, KEY_SPACE, false);
		for (const char *at = argv[i]; *at; at++) {
			unsigned int key = sign_key(*at, &shift);

			type_sign(h, key, shift);
		}
	}
	return 0;
}

static int run_key(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;
	const struct word w = word_of(argv[0]);
	int code = input_key_find(&w), err;

	if (code < 0 || !input_caps_has(&h->caps, EV_KEY, (unsigned int)code)) {
		snprintf(why, why_size, "'%.40s': a key of this device is wanted: KEY_ENTER, BTN_LEFT, 0x1c", argv[0]);
		return -EINVAL;
	}
	if (argc > 1 && strcmp(argv[1], "down") != 0 && strcmp(argv[1], "up") != 0) {
		snprintf(why, why_size, "'%.40s': down or up is wanted, or nothing: it is struck", argv[1]);
		return -EINVAL;
	}
	err = queue_check(h, 2, why, why_size);
	if (err)
		return err;
	if (argc < 2 || argv[1][0] == 'd')
		queue_key(h, (unsigned int)code, true);
	if (argc < 2 || argv[1][0] == 'u')
		queue_key(h, (unsigned int)code, false);
	return 0;
}

/* ---- the operator: motion */

/* Reads a number that may be negative, up to a text's end or a comma.  Returns the text behind it, or NULL. */
static const char *signed_parse(const char *text, int32_t *value)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || text[0] == ' ' || errno || n < INT32_MIN || n > INT32_MAX || (*end && *end != ','))
		return NULL;
	*value = (int32_t)n;
	return end;
}

static bool number_parse(const char *text, int32_t *value)
{
	const char *end = signed_parse(text, value);

	return end && !*end;
}

static int refuse(const char *word, const char *what, char *why, size_t why_size)
{
	snprintf(why, why_size, "'%.40s': %s", word, what);
	return -EINVAL;
}

static int run_move(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;
	struct input_ev evs[2] = {{EV_REL, REL_X, 0}, {EV_REL, REL_Y, 0}};
	int err;

	if (!input_caps_has(&h->caps, EV_REL, REL_X))
		return refuse("move", "it goes with a mouse; a tablet has at, a touch panel touch", why, why_size);
	for (unsigned int i = 0; i < 2; i++) {
		if (!number_parse(argv[i], &evs[i].value))
			return refuse(argv[i], "a number as 5 or -3 is wanted", why, why_size);
	}
	err = queue_check(h, 1, why, why_size);
	if (err)
		return err;
	/* Linux never tells a motion of 0. */
	if (evs[0].value && evs[1].value)
		queue_put(h, evs, 2);
	else if (evs[0].value || evs[1].value)
		queue_put(h, &evs[evs[0].value ? 0 : 1], 1);
	return 0;
}

static int run_wheel(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;
	int32_t turns;
	int err;

	if (!input_caps_has(&h->caps, EV_REL, REL_WHEEL))
		return refuse("wheel", "it goes with a mouse or a tablet", why, why_size);
	if (!number_parse(argv[0], &turns) || turns < -1000 || turns > 1000 || !turns)
		return refuse(argv[0], "clicks from -1000 to 1000, but 0, are wanted", why, why_size);
	err = queue_check(h, 1, why, why_size);
	if (err)
		return err;
	const struct input_ev evs[2] = {{EV_REL, REL_WHEEL, turns}, {EV_REL, REL_WHEEL_HI_RES, turns * 120}};

	queue_put(h, evs, 2);
	return 0;
}

/* Reads "100,200" on the panel. */
static int place_parse(const struct input_host *h, const char *text, int32_t *x, int32_t *y, char *why, size_t why_size)
{
	const char *at = signed_parse(text, x);

	if (!at || *at != ',' || !number_parse(at + 1, y) || *x < 0 || *y < 0 || *x > h->caps.abs[ABS_X].max ||
	    *y > h->caps.abs[ABS_Y].max) {
		snprintf(why, why_size, "'%.40s': a place from 0,0 to %d,%d is wanted", text, h->caps.abs[ABS_X].max,
			 h->caps.abs[ABS_Y].max);
		return -EINVAL;
	}
	return 0;
}

static int run_at(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;
	int32_t x, y;
	int err;

	if (h->args->sim != INPUT_TABLET || h->args->replay)
		return refuse("at", "it goes with a tablet", why, why_size);
	err = place_parse(h, argv[0], &x, &y, why, why_size);
	if (!err)
		err = queue_check(h, 1, why, why_size);
	if (err)
		return err;
	const struct input_ev evs[2] = {{EV_ABS, ABS_X, x}, {EV_ABS, ABS_Y, y}};

	queue_put(h, evs, 2);
	return 0;
}

/* How the panel will stand when all that waits has happened. */
static struct input_state state_ahead(const struct input_host *h)
{
	struct input_state s = h->state;

	for (unsigned int i = 0; i < h->waiting; i++) {
		const struct queued *q = &h->queue[(h->first + i) % QUEUE];

		state_apply_all(&s, q->evs, q->n);
	}
	return s;
}

static int slot_parse(const struct input_host *h, const char *text, int32_t *slot, char *why, size_t why_size)
{
	if (h->args->sim != INPUT_TOUCH || h->args->replay)
		return refuse(text, "this is no touch panel", why, why_size);
	if (number_parse(text, slot) && *slot >= 0 && *slot < SIM_SLOTS)
		return 0;
	snprintf(why, why_size, "'%.40s': a finger from 0 to %d is wanted", text, SIM_SLOTS - 1);
	return -EINVAL;
}

static int32_t tracking(const struct input_state *s, unsigned int slot)
{
	return s->mt[slot][ABS_MT_TRACKING_ID - INPUT_MT_FIRST];
}

static unsigned int contacts(const struct input_state *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SIM_SLOTS; i++)
		n += tracking(s, i) >= 0;
	return n;
}

/* "touch 0 100,200": a finger comes, or moves. */
static int run_touch(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;
	struct input_ev evs[QUEUED_MAX];
	struct input_state s;
	unsigned int n = 0;
	int32_t slot, x, y;
	int err = slot_parse(h, argv[0], &slot, why, why_size);

	if (!err)
		err = place_parse(h, argv[1], &x, &y, why, why_size);
	if (!err)
		err = queue_check(h, 1, why, why_size);
	if (err)
		return err;
	s = state_ahead(h);
	evs[n++] = (struct input_ev){EV_ABS, ABS_MT_SLOT, slot};
	if (tracking(&s, (unsigned int)slot) < 0) {
		evs[n++] = (struct input_ev){EV_ABS, ABS_MT_TRACKING_ID, h->contact};
		h->contact = (h->contact + 1) % 65536;
	}
	evs[n++] = (struct input_ev){EV_ABS, ABS_MT_POSITION_X, x};
	evs[n++] = (struct input_ev){EV_ABS, ABS_MT_POSITION_Y, y};
	if (!contacts(&s))
		evs[n++] = (struct input_ev){EV_KEY, BTN_TOUCH, 1};
	/* Who knows of one finger only follows the first. */
	if (!contacts(&s) || tracking(&s, (unsigned int)slot) >= 0) {
		evs[n++] = (struct input_ev){EV_ABS, ABS_X, x};
		evs[n++] = (struct input_ev){EV_ABS, ABS_Y, y};
	}
	queue_put(h, evs, n);
	return 0;
}

static int run_lift(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;
	struct input_state s;
	int32_t slot;
	int err = slot_parse(h, argv[0], &slot, why, why_size);

	if (!err)
		err = queue_check(h, 1, why, why_size);
	if (err)
		return err;
	s = state_ahead(h);
	if (tracking(&s, (unsigned int)slot) < 0)
		return refuse(argv[0], "this finger does not touch", why, why_size);
	const struct input_ev evs[3] = {
		{EV_ABS, ABS_MT_SLOT, slot}, {EV_ABS, ABS_MT_TRACKING_ID, -1}, {EV_KEY, BTN_TOUCH, 0}};

	queue_put(h, evs, contacts(&s) == 1 ? 3 : 2);
	return 0;
}

/* ---- the operator: what happens to the device */

/* "packet 1:30:1 4:4:458756": events as they are, whatever they are. */
static int run_packet(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_ev evs[CONTROL_WORDS];

	for (unsigned int i = 0; i < argc; i++) {
		struct word type, code, value = word_of(argv[i]);
		uint64_t t, k;

		type = value;
		if (!word_cut(&type, ':', &code) || !word_cut(&code, ':', &value) || word_number(&type, &t) < 0 ||
		    word_number(&code, &k) < 0 || t > UINT16_MAX || k > UINT16_MAX ||
		    !number_parse(value.text, &evs[i].value))
			return refuse(argv[i], "TYPE:CODE:VALUE is wanted, as 1:30:1", why, why_size);
		evs[i].type = (uint16_t)t;
		evs[i].code = (uint16_t)k;
	}
	happen(arg, evs, argc);
	return 0;
}

static int run_lose(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;

	if (h->unplugged)
		return refuse("lose", "it is unplugged", why, why_size);
	h->args->ops->lost(h->args->user);
	return 0;
}

static int run_unplug(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;

	if (h->unplugged)
		return refuse("unplug", "it is unplugged", why, why_size);
	h->unplugged = true;
	input_state_init(&h->state, &h->caps);
	h->args->ops->gone(h->args->user);
	return 0;
}

static int run_plug(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;

	if (!h->unplugged)
		return refuse("plug", "it is plugged in", why, why_size);
	h->unplugged = false;
	h->args->ops->back(h->args->user, &h->caps);
	return 0;
}

static int run_replay(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct input_host *h = arg;

	if (!h->replay.n)
		return refuse("replay", "there is nothing to replay (--replay=FILE)", why, why_size);
	input_replay_start(&h->replay);
	return 0;
}

static const struct control_command sim_commands[] = {
	{"type", "TEXT...", "strike the keys of a text", 1, CONTROL_WORDS, run_type},
	{"key", "NAME [down|up]", "strike a key or button, press it, let it go: KEY_ENTER, BTN_LEFT", 1, 2, run_key},
	{"move", "DX DY", "move the mouse: 5 -3", 2, 2, run_move},
	{"wheel", "CLICKS", "turn the wheel: -1", 1, 1, run_wheel},
	{"at", "X,Y", "move the tablet's pointer", 1, 1, run_at},
	{"touch", "FINGER X,Y", "a finger touches, or moves: 0 100,200", 2, 2, run_touch},
	{"lift", "FINGER", "a finger is lifted", 1, 1, run_lift},
	{"packet", "TYPE:CODE:VALUE...", "events as they are, in one packet", 1, CONTROL_WORDS, run_packet},
	{"replay", "", "play the events of --replay once more", 0, 0, run_replay},
	{"lose", "", "events are lost on their way, as by a slow host", 0, 0, run_lose},
	{"unplug", "", "take the device away", 0, 0, run_unplug},
	{"plug", "", "bring it back", 0, 0, run_plug},
	{0},
};

/* ---- what there is */

static void add_codes(struct input_caps *c, unsigned int type, unsigned int first, unsigned int last)
{
	for (unsigned int code = first; code <= last; code++)
		bit_set(c->codes[type], code, true);
}

static void add_axis(struct input_caps *c, unsigned int axis, uint64_t count, int32_t res)
{
	bit_set(c->codes[EV_ABS], axis, true);
	c->abs[axis] = (struct input_abs){.max = (int32_t)count - 1, .res = res};
}

#define RESOLUTION 10 /* units a mm */

static void caps_make(const struct input_host_args *a, struct input_caps *c)
{
	static const char *const names[] = {"vdevd keyboard", "vdevd mouse", "vdevd tablet", "vdevd touch panel"};

	snprintf(c->name, sizeof(c->name), "%s", names[a->sim]);
	c->bus = BUS_VIRTUAL;
	c->product = (uint16_t)(a->sim + 1);
	c->version = 1;
	if (a->sim == INPUT_KEYBOARD) {
		add_codes(c, EV_KEY, KEY_ESC, KEY_MICMUTE);
		add_codes(c, EV_LED, LED_NUML, LED_KANA);
		add_codes(c, EV_SND, SND_BELL, SND_TONE);
		add_codes(c, EV_REP, REP_DELAY, REP_PERIOD);
	}
	if (a->sim == INPUT_MOUSE || a->sim == INPUT_TABLET) {
		add_codes(c, EV_KEY, BTN_LEFT, BTN_TASK);
		add_codes(c, EV_REL, REL_WHEEL, REL_WHEEL);
		add_codes(c, EV_REL, REL_WHEEL_HI_RES, REL_WHEEL_HI_RES);
	}
	if (a->sim == INPUT_MOUSE)
		add_codes(c, EV_REL, REL_X, REL_Y);
	if (a->sim == INPUT_TABLET || a->sim == INPUT_TOUCH) {
		add_axis(c, ABS_X, a->width, RESOLUTION);
		add_axis(c, ABS_Y, a->height, RESOLUTION);
	}
	if (a->sim == INPUT_TOUCH) {
		bit_set(c->props, INPUT_PROP_DIRECT, true);
		add_codes(c, EV_KEY, BTN_TOUCH, BTN_TOUCH);
		add_axis(c, ABS_MT_SLOT, SIM_SLOTS, 0);
		add_axis(c, ABS_MT_TRACKING_ID, 65536, 0);
		add_axis(c, ABS_MT_POSITION_X, a->width, RESOLUTION);
		add_axis(c, ABS_MT_POSITION_Y, a->height, RESOLUTION);
	}
}

static void replay_packet(void *arg, const struct input_ev *evs, unsigned int n)
{
	happen(arg, evs, n);
}

/* ---- as a host */

static void sim_needs(const struct input_host_args *args, struct sandbox *s)
{
	/* The loop alone. */
}

static void sim_stop(struct input_host *h)
{
	loop_again_stop(&h->turn, h->args->d->loop);
	ev_timer_stop(h->args->d->loop, &h->retry);
	input_replay_close(&h->replay);
	free(h);
}

static int sim_start(const struct input_host_args *args, struct input_host **out, struct input_caps *caps)
{
	struct input_host *h = calloc(1, sizeof(*h));
	int err = 0;

	if (!h)
		return -ENOMEM;
	h->args = args;
	loop_again_init(&h->turn, queue_turn);
	ev_init(&h->retry, retry_due);
	input_replay_init(&h->replay, args->d->loop, replay_packet, h);
	if (args->replay)
		err = input_replay_read(&h->replay, args->replay, &h->caps, &args->d->log);
	else
		caps_make(args, &h->caps);
	if (err) {
		sim_stop(h);
		return err;
	}
	input_state_init(&h->state, &h->caps);
	control_add(args->d->control, sim_commands, h);
	*caps = h->caps;
	*out = h;
	return 0;
}

/* What sim_stand hands its events to. */
struct stand {
	void (*put)(void *arg, const struct input_ev *ev);
	void *arg;
};

static void stand_put(void *arg, const struct input_ev *evs, unsigned int n)
{
	const struct stand *s = arg;

	for (unsigned int i = 0; i < n; i++)
		s->put(s->arg, &evs[i]);
}

static void sim_stand(struct input_host *h, void (*put)(void *arg, const struct input_ev *ev), void *arg)
{
	struct stand s = {put, arg};
	struct input_state fresh;

	input_state_init(&fresh, &h->caps);
	input_state_lead(&fresh, &h->state, stand_put, &s);
}

static int sim_status(struct input_host *h, const struct input_ev *ev)
{
	return h->unplugged ? -ENODEV : 0;
}

const struct input_host_ops input_sim_ops = {
	.needs = sim_needs,
	.start = sim_start,
	.stop = sim_stop,
	.stand = sim_stand,
	.status = sim_status,
};
