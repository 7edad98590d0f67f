/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_controls.c - the controls of a device that vdevd makes up; see media_controls.h.
 *
 * A number out of its range becomes the nearest that is in it, a menu's is refused: as the kernel's controls do.
 */
#include "devices/media/media_controls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FLAG_NEXT_CTRL	   0x80000000u
#define FLAG_NEXT_COMPOUND 0x40000000u
#define FLAG_READ_ONLY	   0x0004u
#define FLAG_WRITE_ONLY	   0x0040u
#define FLAG_SLIDER	   0x0020u

#define WHICH_CUR 0u
#define WHICH_DEF 0x0f000000u

#define CLASS_OF(id) ((id) & 0x0fff0000u)

void media_controls_init(struct media_controls *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		c->values[i] = c->descs[i].def;
}

static int control_find(const struct media_controls *c, uint32_t id)
{
	for (unsigned int i = 0; i < c->n; i++) {
		if (c->descs[i].id == id)
			return (int)i;
	}
	return -EINVAL;
}

static bool is_class(const struct media_control_desc *d)
{
	return d->type == MEDIA_CTRL_CLASS;
}

static uint32_t flags_of(const struct media_control_desc *d)
{
	if (is_class(d))
		return FLAG_READ_ONLY | FLAG_WRITE_ONLY;
	return d->type == MEDIA_CTRL_INTEGER ? FLAG_SLIDER : 0;
}

/* The control with this id, or the one behind it: there are none with several values, so that NEXT_COMPOUND alone finds none. */
static int query_find(const struct media_controls *c, uint32_t id)
{
	uint32_t plain = id & ~(FLAG_NEXT_CTRL | FLAG_NEXT_COMPOUND);

	if (!(id & (FLAG_NEXT_CTRL | FLAG_NEXT_COMPOUND)))
		return control_find(c, id);
	for (unsigned int i = 0; id & FLAG_NEXT_CTRL && i < c->n; i++) {
		if (c->descs[i].id > plain)
			return (int)i;
	}
	return -EINVAL;
}

static int query(const struct media_controls *c, uint32_t code, struct media_payload *p)
{
	int i = query_find(c, media_word(p, 0));
	struct media_query_ext_ctrl e = {0};
	struct media_queryctrl q = {0};

	if (i < 0)
		return -EINVAL;
	const struct media_control_desc *d = &c->descs[i];

	if (code == MEDIA_QUERYCTRL) {
		q = (struct media_queryctrl){htole32(d->id), htole32(d->type), "", htole32((uint32_t)d->min), htole32((uint32_t)d->max),
					     htole32((uint32_t)d->step), htole32((uint32_t)d->def), htole32(flags_of(d)), {0}};
		snprintf(q.name, sizeof(q.name), "%s", d->name);
		memcpy(p->bytes, &q, sizeof(q));
		return 0;
	}
	e.id = htole32(d->id);
	e.type = htole32(d->type);
	snprintf(e.name, sizeof(e.name), "%s", d->name);
	e.minimum = htole64((uint64_t)d->min);
	e.maximum = htole64((uint64_t)d->max);
	e.step = htole64((uint64_t)d->step);
	e.default_value = htole64((uint64_t)d->def);
	e.flags = htole32(flags_of(d));
	e.elem_size = htole32(is_class(d) ? 0 : 4);
	e.elems = htole32(1);
	memcpy(p->bytes, &e, sizeof(e));
	return 0;
}

static int querymenu(const struct media_controls *c, struct media_payload *p)
{
	struct media_querymenu m;
	int i;

	memcpy(&m, p->bytes, sizeof(m));
	i = control_find(c, le32toh(m.id));
	if (i < 0 || c->descs[i].type != MEDIA_CTRL_MENU || le32toh(m.index) > (uint32_t)c->descs[i].max)
		return -EINVAL;
	memset(m.name, 0, sizeof(m.name));
	snprintf(m.name, sizeof(m.name), "%s", c->descs[i].menu[le32toh(m.index)]);
	m.reserved = 0;
	memcpy(p->bytes, &m, sizeof(m));
	return 0;
}

/* What a value would become.  Returns 0, -EACCES, -ERANGE. */
static int value_fit(const struct media_control_desc *d, int32_t *value)
{
	if (is_class(d))
		return -EACCES;
	if (d->type == MEDIA_CTRL_MENU && (*value < d->min || *value > d->max))
		return -ERANGE;
	if (d->type == MEDIA_CTRL_BOOLEAN)
		*value = *value != 0;
	if (*value < d->min)
		*value = d->min;
	if (*value > d->max)
		*value = d->max;
	return 0;
}

static void value_set(struct media_controls *c, int i, int32_t value, unsigned int *changed)
{
	if (c->values[i] == value)
		return;
	c->values[i] = value;
	*changed |= 1u << i;
}

static int one_control(struct media_controls *c, uint32_t code, struct media_payload *p, unsigned int *changed)
{
	struct media_control k;
	int32_t value;
	int i, err;

	memcpy(&k, p->bytes, sizeof(k));
	i = control_find(c, le32toh(k.id));
	if (i < 0)
		return i;
	if (is_class(&c->descs[i]))
		return -EACCES;
	value = code == MEDIA_G_CTRL ? c->values[i] : (int32_t)le32toh(k.value);
	err = value_fit(&c->descs[i], &value);
	if (err)
		return err;
	if (code == MEDIA_S_CTRL)
		value_set(c, i, value, changed);
	k.value = htole32((uint32_t)value);
	memcpy(p->bytes, &k, sizeof(k));
	return 0;
}

/* Looks at one of many.  Returns its index or -errno; *value: what it is, or would become. */
static int many_look(const struct media_controls *c, uint32_t code, uint32_t which, const struct media_ext_control *k, int32_t *value)
{
	int i = control_find(c, le32toh(k->id)), err;

	if (i < 0 || (which != WHICH_CUR && which != WHICH_DEF && CLASS_OF(le32toh(k->id)) != which))
		return -EINVAL;
	if (code == MEDIA_G_EXT_CTRLS) {
		*value = which == WHICH_DEF ? c->descs[i].def : c->values[i];
		return is_class(&c->descs[i]) ? -EACCES : i;
	}
	*value = (int32_t)(uint32_t)le64toh(k->value);
	err = value_fit(&c->descs[i], value);
	return err ? err : i;
}

/* Whether controls of a class, or of all, can be asked for at all. */
static bool which_known(const struct media_controls *c, uint32_t which)
{
	bool known = which == WHICH_CUR || which == WHICH_DEF;

	for (unsigned int i = 0; i < c->n; i++)
		known |= CLASS_OF(c->descs[i].id) == which;
	return known;
}

/* All are looked at before one is set; error_idx tells which was wrong, of TRY, and of the others that none was set. */
static int many_controls(struct media_controls *c, uint32_t code, struct media_payload *p, unsigned int *changed)
{
	struct media_ext_controls e;
	uint32_t n, which;
	int err = 0;

	memcpy(&e, p->bytes, sizeof(e));
	n = le32toh(e.count);
	which = le32toh(e.which);
	e.error_idx = e.count;
	if (!which_known(c, which) || (which == WHICH_DEF && code != MEDIA_G_EXT_CTRLS))
		err = -EINVAL;
	for (unsigned int turn = 0; !err && turn < 2; turn++) {
		for (uint32_t j = 0; !err && j < n; j++) {
			int32_t value = 0;
			int i = many_look(c, code, which, &p->controls[j], &value);

			if (i < 0) {
				err = i;
				e.error_idx = htole32(code == MEDIA_TRY_EXT_CTRLS ? j : n);
			} else if (turn) {
				p->controls[j].value = htole64((uint32_t)value);
				if (code == MEDIA_S_EXT_CTRLS)
					value_set(c, i, value, changed);
			}
		}
	}
	memcpy(p->bytes, &e, sizeof(e));
	return err;
}

int media_controls_ioctl(struct media_controls *c, uint32_t code, struct media_payload *p, unsigned int *changed)
{
	int err;

	*changed = 0;
	switch (code) {
	case MEDIA_QUERYCTRL:
	case MEDIA_QUERY_EXT_CTRL:
		return query(c, code, p);
	case MEDIA_QUERYMENU:
		return querymenu(c, p);
	case MEDIA_G_CTRL:
	case MEDIA_S_CTRL:
		err = one_control(c, code, p, changed);
		break;
	case MEDIA_G_EXT_CTRLS:
	case MEDIA_S_EXT_CTRLS:
	case MEDIA_TRY_EXT_CTRLS:
		err = many_controls(c, code, p, changed);
		break;
	default:
		return -ENOTTY;
	}
	if (*changed)
		c->changed(c);
	return err;
}

int media_controls_subscribe(const struct media_controls *c, struct media_subscriptions *s, uint32_t code,
			     const struct media_payload *p, int *first)
{
	struct media_event_subscription e;
	bool on = code == MEDIA_SUBSCRIBE_EVENT;
	int i;

	*first = -1;
	memcpy(&e, p->bytes, sizeof(e));
	if (!on && le32toh(e.type) == MEDIA_EVENT_ALL) {
		memset(s->on, 0, sizeof(s->on));
		return 0;
	}
	i = control_find(c, le32toh(e.id));
	if (le32toh(e.type) != MEDIA_EVENT_CTRL || i < 0)
		return on ? -EINVAL : 0;
	s->on[i] = on;
	s->feedback[i] = le32toh(e.flags) & MEDIA_EVENT_FEEDBACK;
	if (on && le32toh(e.flags) & MEDIA_EVENT_SEND_INITIAL && !is_class(&c->descs[i]))
		*first = i;
	return 0;
}

struct media_v4l2_event media_controls_event(const struct media_controls *c, struct media_subscriptions *s, unsigned int i,
					     uint32_t changes, uint64_t us)
{
	const struct media_control_desc *d = &c->descs[i];
	struct media_v4l2_event e = {
		.type = htole32(MEDIA_EVENT_CTRL),
		.sequence = htole32(s->sequence++),
		.sec = htole64(us / 1000000),
		.nsec = htole64(us % 1000000 * 1000),
		.id = htole32(d->id),
	};

	e.ctrl.changes = htole32(changes);
	e.ctrl.type = htole32(d->type);
	e.ctrl.value = htole64((uint32_t)c->values[i]);
	e.ctrl.flags = htole32(flags_of(d));
	e.ctrl.minimum = htole32((uint32_t)d->min);
	e.ctrl.maximum = htole32((uint32_t)d->max);
	e.ctrl.step = htole32((uint32_t)d->step);
	e.ctrl.default_value = htole32((uint32_t)d->def);
	return e;
}
