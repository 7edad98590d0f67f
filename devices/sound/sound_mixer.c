/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_mixer.c - control elements and jacks of ALSA cards, by alsa-lib.
 *
 * Elements are those that the card has when vdevd starts.  One that goes away answers with errors.
 */
#include <alsa/asoundlib.h>
#include <errno.h>
#include <string.h>

#include "core/pollset.h"
#include "core/words.h"
#include "devices/sound/sound.h"
#include "devices/sound/sound_alsa.h"

struct element {
	unsigned int numid;
	struct sound_ctl_info info; /* as it was at open; of a jack, its name */
};

/* A card that is open: that of --controls or that of --jacks. */
struct card {
	struct sound_host_ctls *c;
	snd_ctl_t *ctl;
	struct pollset polls;
};

struct sound_host_ctls {
	struct sound_ctls_args args;
	struct card controls, jacks;
	struct element *elements;
	unsigned int nelements;
	struct element jack[SOUND_JACKS_MAX];
	unsigned int njacks;
};

static void library_line(const char *file, int line, const char *function, int err, const char *fmt, ...)
{
	/* The errors that matter are returned, too. */
}

void sound_alsa_quiet(struct log *log)
{
	if (log_get_level() < LOG_LEVEL_DEBUG)
		snd_lib_error_set_handler(library_line);
}

static uint8_t type_of(snd_ctl_elem_type_t type)
{
	static const uint8_t types[] = {[SND_CTL_ELEM_TYPE_NONE] = SOUND_CTL_TYPES,
					[SND_CTL_ELEM_TYPE_BOOLEAN] = SOUND_CTL_BOOLEAN,
					[SND_CTL_ELEM_TYPE_INTEGER] = SOUND_CTL_INTEGER,
					[SND_CTL_ELEM_TYPE_ENUMERATED] = SOUND_CTL_ENUMERATED,
					[SND_CTL_ELEM_TYPE_BYTES] = SOUND_CTL_BYTES,
					[SND_CTL_ELEM_TYPE_IEC958] = SOUND_CTL_IEC958,
					[SND_CTL_ELEM_TYPE_INTEGER64] = SOUND_CTL_INTEGER64};

	return type < ARRAY_SIZE(types) ? types[type] : SOUND_CTL_TYPES;
}

/* What an element is for, by its name. */
static uint8_t role_of(const char *name)
{
	if (strstr(name, "Boost Volume"))
		return SOUND_ROLE_GAIN;
	if (strstr(name, "Playback Volume") || strstr(name, "Capture Volume"))
		return SOUND_ROLE_VOLUME;
	if (strstr(name, "Playback Switch") || strstr(name, "Capture Switch"))
		return SOUND_ROLE_MUTE;
	return SOUND_ROLE_UNDEFINED;
}

/* Fills in what the standard tells of an element.  Returns 0, or -EINVAL: it is beyond what it can tell. */
static int info_fill(const snd_ctl_elem_info_t *from, struct sound_ctl_info *to)
{
	const char *name = snd_ctl_elem_info_get_name(from);

	*to = (struct sound_ctl_info){
		.type = type_of(snd_ctl_elem_info_get_type(from)),
		.count = snd_ctl_elem_info_get_count(from),
		.index = snd_ctl_elem_info_get_index(from),
		.role = role_of(name),
		.capture = strstr(name, "Capture") != NULL,
	};
	if (!name[0] || strlen(name) >= sizeof(to->name) || to->type >= SOUND_CTL_TYPES)
		return -EINVAL;
	memcpy(to->name, name, strlen(name) + 1);
	to->access = (uint8_t)((snd_ctl_elem_info_is_readable(from) ? SOUND_ACCESS_READ : 0) |
			       (snd_ctl_elem_info_is_writable(from) ? SOUND_ACCESS_WRITE : 0) |
			       (snd_ctl_elem_info_is_volatile(from) ? SOUND_ACCESS_VOLATILE : 0) |
			       (snd_ctl_elem_info_is_inactive(from) ? SOUND_ACCESS_INACTIVE : 0) |
			       (snd_ctl_elem_info_is_tlv_readable(from) ? SOUND_ACCESS_TLV_READ : 0) |
			       (snd_ctl_elem_info_is_tlv_writable(from) ? SOUND_ACCESS_TLV_WRITE : 0) |
			       (snd_ctl_elem_info_is_tlv_commandable(from) ? SOUND_ACCESS_TLV_COMMAND : 0));
	if (to->type == SOUND_CTL_BOOLEAN) {
		to->max = 1;
	} else if (to->type == SOUND_CTL_INTEGER) {
		to->min = snd_ctl_elem_info_get_min(from);
		to->max = snd_ctl_elem_info_get_max(from);
		to->step = snd_ctl_elem_info_get_step(from);
	} else if (to->type == SOUND_CTL_INTEGER64) {
		to->min = snd_ctl_elem_info_get_min64(from);
		to->max = snd_ctl_elem_info_get_max64(from);
		to->step = snd_ctl_elem_info_get_step64(from);
	} else if (to->type == SOUND_CTL_ENUMERATED) {
		to->items = snd_ctl_elem_info_get_items(from);
	}
	return to->count ? 0 : -EINVAL;
}

/* Whether the operator has named it.  list: names parted by commas, NULL: all. */
static bool is_named(const char *list, const char *name)
{
	const char *rest = list;
	struct word w;

	while (rest && word_next(&rest, ',', &w)) {
		const bool any = w.len && w.text[w.len - 1] == '*';

		if (any ? strncmp(name, w.text, w.len - 1) == 0 : word_is(&w, name))
			return true;
	}
	return !list;
}

static bool is_known(const struct sound_host_ctls *c, const struct sound_ctl_info *info)
{
	for (unsigned int i = 0; i < c->nelements; i++) {
		if (c->elements[i].info.index == info->index && strcmp(c->elements[i].info.name, info->name) == 0)
			return true;
	}
	return false;
}

/* "Headphone Jack" */
static bool is_jack(const snd_ctl_elem_info_t *info)
{
	const char *name = snd_ctl_elem_info_get_name(info);
	const size_t len = strlen(name);

	return snd_ctl_elem_info_get_interface(info) == SND_CTL_ELEM_IFACE_CARD &&
	       snd_ctl_elem_info_get_type(info) == SND_CTL_ELEM_TYPE_BOOLEAN && len > 5 &&
	       strcmp(name + len - 5, " Jack") == 0;
}

static void element_add(struct sound_host_ctls *c, const snd_ctl_elem_info_t *info, const char *names)
{
	struct sound_ctl_info new;
	const snd_ctl_elem_iface_t iface = snd_ctl_elem_info_get_interface(info);

	if ((iface != SND_CTL_ELEM_IFACE_MIXER && iface != SND_CTL_ELEM_IFACE_CARD) || is_jack(info))
		return;
	if (info_fill(info, &new) < 0 || !is_named(names, new.name) || is_known(c, &new) ||
	    c->nelements == SOUND_CTLS_MAX)
		return;
	c->elements[c->nelements++] = (struct element){.numid = snd_ctl_elem_info_get_numid(info), .info = new};
}

static void jack_add(struct sound_host_ctls *c, const snd_ctl_elem_info_t *info)
{
	struct sound_ctl_info new;

	if (!is_jack(info) || info_fill(info, &new) < 0 || c->njacks == SOUND_JACKS_MAX)
		return;
	c->jack[c->njacks++] = (struct element){.numid = snd_ctl_elem_info_get_numid(info), .info = new};
}

/* Goes through the elements of a card.  Returns 0 or -errno. */
static int card_list(struct sound_host_ctls *c, snd_ctl_t *ctl, bool jacks, const char *names)
{
	snd_ctl_elem_list_t *list;
	snd_ctl_elem_info_t *info;
	unsigned int n;
	int err;

	snd_ctl_elem_list_alloca(&list);
	snd_ctl_elem_info_alloca(&info);
	err = snd_ctl_elem_list(ctl, list);
	if (err >= 0)
		err = snd_ctl_elem_list_alloc_space(list, snd_ctl_elem_list_get_count(list));
	if (err >= 0)
		err = snd_ctl_elem_list(ctl, list);
	n = err >= 0 ? snd_ctl_elem_list_get_used(list) : 0;
	for (unsigned int i = 0; i < n; i++) {
		snd_ctl_elem_info_clear(info);
		snd_ctl_elem_info_set_numid(info, snd_ctl_elem_list_get_numid(list, i));
		if (snd_ctl_elem_info(ctl, info) < 0)
			continue;
		if (jacks)
			jack_add(c, info);
		else
			element_add(c, info, names);
	}
	snd_ctl_elem_list_free_space(list);
	return err;
}

/* ---- events */

static void element_told(struct sound_host_ctls *c, unsigned int numid, unsigned int what)
{
	for (unsigned int i = 0; i < c->nelements; i++) {
		if (c->elements[i].numid == numid)
			c->args.changed(c->args.user, i, what);
	}
}

static void jack_told(struct sound_host_ctls *c, unsigned int numid)
{
	snd_ctl_elem_value_t *v;

	snd_ctl_elem_value_alloca(&v);
	snd_ctl_elem_value_set_numid(v, numid);
	for (unsigned int i = 0; i < c->njacks; i++) {
		if (c->jack[i].numid == numid && snd_ctl_elem_read(c->jacks.ctl, v) >= 0)
			c->args.plugged(c->args.user, i, snd_ctl_elem_value_get_boolean(v, 0));
	}
}

static void event_told(struct card *card, const snd_ctl_event_t *e)
{
	const unsigned int numid = snd_ctl_event_elem_get_numid(e), mask = snd_ctl_event_elem_get_mask(e);
	unsigned int what = 0;

	if (mask == SND_CTL_EVENT_MASK_REMOVE)
		what = SOUND_CHANGED_INFO;
	else
		what = (mask & SND_CTL_EVENT_MASK_VALUE ? SOUND_CHANGED_VALUE : 0) |
		       (mask & SND_CTL_EVENT_MASK_INFO ? SOUND_CHANGED_INFO : 0) |
		       (mask & SND_CTL_EVENT_MASK_TLV ? SOUND_CHANGED_TLV : 0);
	if (card == &card->c->jacks)
		jack_told(card->c, numid);
	else if (what)
		element_told(card->c, numid, what);
}

/* The most events of a turn: what is left is told again. */
#define EVENTS_AT_ONCE 64

static void card_ready(struct pollset *polls, struct pollfd *fds, unsigned int n)
{
	struct card *card = container_of(polls, struct card, polls);
	snd_ctl_event_t *e;
	int err = 1;

	snd_ctl_event_alloca(&e);
	for (unsigned int i = 0; i < EVENTS_AT_ONCE && err > 0; i++) {
		err = snd_ctl_read(card->ctl, e);
		if (err > 0 && snd_ctl_event_get_type(e) == SND_CTL_EVENT_ELEM)
			event_told(card, e);
	}
	if (err < 0 && err != -EAGAIN) {
		log_warn(card->c->args.log, "a card's control elements are gone: %s", snd_strerror(err));
		pollset_watch(polls, NULL, 0);
	}
}

/* ---- open and close */

static int card_start(struct card *card, const char *name)
{
	struct pollfd fds[POLLSET_MAX];
	int n, err = snd_ctl_open(&card->ctl, name, SND_CTL_NONBLOCK);

	if (err < 0) {
		card->ctl = NULL;
		return err;
	}
	card->polls.ready = card_ready;
	err = pollset_open(&card->polls, card->c->args.loop);
	if (err >= 0)
		err = snd_ctl_subscribe_events(card->ctl, 1);
	if (err < 0)
		return err;
	n = snd_ctl_poll_descriptors_count(card->ctl);
	if (n < 0 || n > POLLSET_MAX)
		return -E2BIG;
	n = snd_ctl_poll_descriptors(card->ctl, fds, (unsigned int)n);
	return n < 0 ? n : pollset_watch(&card->polls, fds, (unsigned int)n);
}

static void card_end(struct card *card)
{
	pollset_close(&card->polls);
	if (card->ctl)
		snd_ctl_close(card->ctl);
}

/* Opens a card, and takes what is wanted of it.  where: "hw:0:NAMES" or "hw:0".  Returns 0, or -errno after a line. */
static int card_take(struct sound_host_ctls *c, struct card *card, bool jacks, const char *where)
{
	const char *names = strchr(where, ':');
	char name[64];
	struct word w;
	int err;

	names = names && !jacks ? strchr(names + 1, ':') : NULL;
	w = (struct word){.text = where, .len = names ? (size_t)(names - where) : strlen(where)};
	card->c = c;
	err = word_copy(&w, name, sizeof(name)) ? card_start(card, name) : -ENAMETOOLONG;
	if (err >= 0)
		err = card_list(c, card->ctl, jacks, names ? names + 1 : NULL);
	if (err < 0) {
		log_error(c->args.log, "--%s=%s: %s", jacks ? "jacks" : "controls", where, snd_strerror(err));
		return err;
	}
	if (jacks ? !c->njacks : !c->nelements)
		log_warn(c->args.log, "--%s=%s: there are none", jacks ? "jacks" : "controls", where);
	return 0;
}

static void mixer_close(struct sound_host_ctls *c)
{
	card_end(&c->controls);
	card_end(&c->jacks);
	free(c->elements);
	free(c);
}

static int mixer_open(const struct sound_ctls_args *args, struct sound_host_ctls **out, unsigned int *ncontrols,
		      unsigned int *njacks)
{
	struct sound_host_ctls *c = calloc(1, sizeof(*c));
	int err = 0;

	if (!c)
		return -ENOMEM;
	c->args = *args;
	sound_alsa_quiet(args->log);
	c->elements = calloc(SOUND_CTLS_MAX, sizeof(*c->elements));
	if (!c->elements)
		err = -ENOMEM;
	if (!err && args->controls)
		err = card_take(c, &c->controls, false, args->controls);
	if (!err && args->jacks)
		err = card_take(c, &c->jacks, true, args->jacks);
	if (err < 0) {
		mixer_close(c);
		return err;
	}
	*ncontrols = c->nelements;
	*njacks = c->njacks;
	*out = c;
	return 0;
}

static void mixer_needs(const struct sound_ctls_args *args, struct sandbox *s)
{
	sound_alsa_ctl_needs(s);
}

/* ---- elements */

static int mixer_info(struct sound_host_ctls *c, unsigned int id, struct sound_ctl_info *info)
{
	snd_ctl_elem_info_t *now;
	int err;

	snd_ctl_elem_info_alloca(&now);
	snd_ctl_elem_info_set_numid(now, c->elements[id].numid);
	err = snd_ctl_elem_info(c->controls.ctl, now);
	return err < 0 ? err : info_fill(now, info);
}

static int mixer_item(struct sound_host_ctls *c, unsigned int id, unsigned int item, char name[static 64])
{
	snd_ctl_elem_info_t *info;
	const char *text;
	int err;

	snd_ctl_elem_info_alloca(&info);
	snd_ctl_elem_info_set_numid(info, c->elements[id].numid);
	snd_ctl_elem_info_set_item(info, item);
	err = snd_ctl_elem_info(c->controls.ctl, info);
	if (err < 0)
		return err;
	text = snd_ctl_elem_info_get_item_name(info);
	memcpy(name, text, strnlen(text, 63));
	return 0;
}

static int mixer_read(struct sound_host_ctls *c, unsigned int id, struct sound_ctl_value *v)
{
	const struct sound_ctl_info *info = &c->elements[id].info;
	snd_ctl_elem_value_t *from;
	snd_aes_iec958_t iec;
	int err;

	snd_ctl_elem_value_alloca(&from);
	snd_ctl_elem_value_set_numid(from, c->elements[id].numid);
	err = snd_ctl_elem_read(c->controls.ctl, from);
	if (err < 0)
		return err;
	for (unsigned int i = 0; i < info->count && i < SOUND_CTL_VALUES; i++) {
		v->n[i] = info->type == SOUND_CTL_BOOLEAN      ? snd_ctl_elem_value_get_boolean(from, i)
			  : info->type == SOUND_CTL_INTEGER    ? snd_ctl_elem_value_get_integer(from, i)
			  : info->type == SOUND_CTL_INTEGER64  ? snd_ctl_elem_value_get_integer64(from, i)
			  : info->type == SOUND_CTL_ENUMERATED ? snd_ctl_elem_value_get_enumerated(from, i)
							       : 0;
	}
	if (info->type == SOUND_CTL_BYTES)
		memcpy(v->bytes, snd_ctl_elem_value_get_bytes(from), min_size(info->count, sizeof(v->bytes)));
	if (info->type == SOUND_CTL_IEC958) {
		snd_ctl_elem_value_get_iec958(from, &iec);
		memcpy(v->bytes, &iec, min_size(sizeof(iec), SOUND_IEC958_SIZE));
	}
	return 0;
}

static int mixer_write(struct sound_host_ctls *c, unsigned int id, const struct sound_ctl_value *v)
{
	const struct sound_ctl_info *info = &c->elements[id].info;
	snd_ctl_elem_value_t *to;
	snd_aes_iec958_t iec;
	int err;

	snd_ctl_elem_value_alloca(&to);
	snd_ctl_elem_value_set_numid(to, c->elements[id].numid);
	for (unsigned int i = 0; i < info->count && i < SOUND_CTL_VALUES; i++) {
		if (info->type == SOUND_CTL_BOOLEAN)
			snd_ctl_elem_value_set_boolean(to, i, v->n[i] != 0);
		else if (info->type == SOUND_CTL_INTEGER)
			snd_ctl_elem_value_set_integer(to, i, (long)v->n[i]);
		else if (info->type == SOUND_CTL_INTEGER64)
			snd_ctl_elem_value_set_integer64(to, i, v->n[i]);
		else if (info->type == SOUND_CTL_ENUMERATED)
			snd_ctl_elem_value_set_enumerated(to, i, (unsigned int)v->n[i]);
	}
	if (info->type == SOUND_CTL_BYTES)
		snd_ctl_elem_set_bytes(to, (void *)(uintptr_t)v->bytes, min_size(info->count, sizeof(v->bytes)));
	if (info->type == SOUND_CTL_IEC958) {
		memcpy(&iec, v->bytes, min_size(sizeof(iec), SOUND_IEC958_SIZE));
		snd_ctl_elem_value_set_iec958(to, &iec);
	}
	err = snd_ctl_elem_write(c->controls.ctl, to);
	return err < 0 ? err : 0;
}

static void id_fill(const struct element *e, snd_ctl_elem_id_t *id)
{
	snd_ctl_elem_id_set_numid(id, e->numid);
}

static ssize_t mixer_tlv_read(struct sound_host_ctls *c, unsigned int id, uint32_t *tlv, size_t size)
{
	snd_ctl_elem_id_t *eid;
	int err;

	snd_ctl_elem_id_alloca(&eid);
	id_fill(&c->elements[id], eid);
	/* The card may have more than there is room for: then it says so, and the guest has nothing of it. */
	err = snd_ctl_elem_tlv_read(c->controls.ctl, eid, tlv, (unsigned int)size);
	if (err < 0)
		return err;
	return (ssize_t)min_size(8 + ((size_t)tlv[1] + 3) / 4 * 4, size);
}

static int mixer_tlv_write(struct sound_host_ctls *c, unsigned int id, const uint32_t *tlv, size_t len, bool command)
{
	snd_ctl_elem_id_t *eid;
	int err;

	snd_ctl_elem_id_alloca(&eid);
	id_fill(&c->elements[id], eid);
	err = command ? snd_ctl_elem_tlv_command(c->controls.ctl, eid, tlv)
		      : snd_ctl_elem_tlv_write(c->controls.ctl, eid, tlv);
	return err < 0 ? err : 0;
}

/* ---- jacks */

/* HDA's default device and pin capabilities, by the name of the jack. */
static const struct {
	const char *word;
	bool capture;
	uint8_t device;
	uint32_t caps;
} jack_kinds[] = {
	{"Headphone", false, 0x2, 0x1c}, {"Speaker", false, 0x1, 0x14}, {"HDMI", false, 0x5, 0x94},
	{"SPDIF", false, 0x4, 0x14},	 {"Mic", true, 0xa, 0x24},	{"Line Out", false, 0x0, 0x14},
	{"Line", true, 0x8, 0x24},
};

static int mixer_jack(struct sound_host_ctls *c, unsigned int jack, struct sound_jack_info *info)
{
	snd_ctl_elem_value_t *v;
	unsigned int kind = 0;

	while (kind < ARRAY_SIZE(jack_kinds) && !strstr(c->jack[jack].info.name, jack_kinds[kind].word))
		kind++;
	*info = (struct sound_jack_info){.defconf = 0xf0u << 16, .caps = 0x14};
	if (kind < ARRAY_SIZE(jack_kinds)) {
		info->capture = jack_kinds[kind].capture;
		info->defconf = (uint32_t)jack_kinds[kind].device << 20;
		info->caps = jack_kinds[kind].caps;
	}
	info->defconf |= 1u << 16 | ((jack + 1) & 15) << 4;
	memcpy(info->name, c->jack[jack].info.name, sizeof(info->name));
	snd_ctl_elem_value_alloca(&v);
	snd_ctl_elem_value_set_numid(v, c->jack[jack].numid);
	if (snd_ctl_elem_read(c->jacks.ctl, v) >= 0)
		info->connected = snd_ctl_elem_value_get_boolean(v, 0);
	return 0;
}

const struct sound_ctls_ops sound_mixer_ops = {
	.open = mixer_open,
	.close = mixer_close,
	.needs = mixer_needs,
	.info = mixer_info,
	.item = mixer_item,
	.read = mixer_read,
	.write = mixer_write,
	.tlv_read = mixer_tlv_read,
	.tlv_write = mixer_tlv_write,
	.jack = mixer_jack,
};
