/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * events.c - small records that a device tells its driver; see events.h.
 *
 * A slot knows how many records of its group follow it.  So a group is found, and dropped, from its first slot; and a
 * record that came from another machine is checked by that number.
 */
#include "devices/lib/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A record that waits. */
struct slot {
	uint32_t len;   /* bytes */
	uint32_t after; /* records of its group that follow */
	char bytes[];
};

/* In a saved state: this, then for each record a struct saved_slot and its bytes. */
struct saved {
	le32 waiting;
	le32 begun;
} __attribute__((packed));

struct saved_slot {
	le32 len;
	le32 after;
} __attribute__((packed));

_Static_assert(sizeof(struct saved) == 8, "events in a state");
_Static_assert(sizeof(struct saved_slot) == 8, "an event in a state");

/* Slot number i, counted from the oldest record on. */
static struct slot *slot_at(const struct events *e, unsigned int i)
{
	size_t n = ((size_t)e->first + i) % e->o.room;

	return (struct slot *)(void *)(e->slots + n * e->slot_size);
}

int events_open(struct events *e, struct vdev *d, const struct events_opts *o)
{
	size_t align = _Alignof(struct slot), all;

	*e = (struct events){.d = d, .o = *o};
	if (__builtin_add_overflow(o->record, sizeof(struct slot) + align - 1, &e->slot_size))
		return -ENOMEM;
	e->slot_size -= e->slot_size % align;
	if (__builtin_mul_overflow(e->slot_size, o->room, &all))
		return -ENOMEM;
	e->slots = calloc(1, all);
	return e->slots ? 0 : -ENOMEM;
}

void events_close(struct events *e)
{
	free(e->slots);
	e->slots = NULL;
}

/* Appends a record; there is room. */
static void append(struct events *e, const void *bytes, size_t len, unsigned int after)
{
	struct slot *s = slot_at(e, e->waiting++);

	s->len = (uint32_t)len;
	s->after = after;
	memcpy(s->bytes, bytes, len);
}

/* Records at the front whose group the driver was told a part of: they stay. */
static unsigned int begun_records(const struct events *e)
{
	return e->begun ? slot_at(e, 0)->after + 1 : 0;
}

/* Drops the oldest group that has not begun; there is one. */
static void drop_oldest(struct events *e)
{
	unsigned int keep = begun_records(e), n = slot_at(e, keep)->after + 1;

	/* What stays before it closes up. */
	while (keep--)
		memcpy(slot_at(e, keep + n), slot_at(e, keep), e->slot_size);
	e->first = (e->first + n) % e->o.room;
	e->waiting -= n;
	e->lost += n;
}

/* Makes room for n records, as far as the device wants that. */
static bool make_room(struct events *e, unsigned int n)
{
	unsigned int fixed = e->o.full == EVENTS_DROP_OLDEST ? begun_records(e) : e->waiting;

	if (n > e->o.room - fixed)
		return false;
	while (n > e->o.room - e->waiting)
		drop_oldest(e);
	return true;
}

bool events_put_many(struct events *e, const struct iovec *records, unsigned int n)
{
	bool fit = true;

	for (unsigned int i = 0; i < n; i++)
		fit &= records[i].iov_len <= e->o.record;
	if (!fit || !make_room(e, n)) {
		e->lost += n;
		return false;
	}
	for (unsigned int i = 0; i < n; i++)
		append(e, records[i].iov_base, records[i].iov_len, n - 1 - i);
	/*
	 * With a buffer in hand nobody else asks for a turn.  Without one the ring is looked at, too: Linux' sound driver fills its event
	 * queue before it is ready, and never kicks for that.
	 */
	if (e->d->queues)
		virtq_again(vdev_queue(e->d, e->o.queue));
	return true;
}

bool events_put(struct events *e, const void *record, size_t len)
{
	const struct iovec one = {.iov_base = (void *)record, .iov_len = len};

	return events_put_many(e, &one, 1);
}

void events_forget(struct events *e, bool (*match)(const void *record, size_t len, const void *arg), const void *arg)
{
	unsigned int keep = begun_records(e), n;

	for (unsigned int i = keep; i < e->waiting; i += n) {
		const struct slot *s = slot_at(e, i);

		n = s->after + 1;
		if (match(s->bytes, s->len, arg))
			continue;
		for (unsigned int j = 0; keep < i && j < n; j++)
			memcpy(slot_at(e, keep + j), slot_at(e, i + j), e->slot_size);
		keep += n;
	}
	e->waiting = keep;
}

bool events_has(const struct events *e, bool (*match)(const void *record, size_t len, const void *arg), const void *arg)
{
	for (unsigned int i = 0; i < e->waiting; i += slot_at(e, i)->after + 1) {
		if (match(slot_at(e, i)->bytes, slot_at(e, i)->len, arg))
			return true;
	}
	return false;
}

unsigned int events_waiting(const struct events *e)
{
	return e->waiting;
}

uint64_t events_lost(const struct events *e)
{
	return e->lost;
}

/* Tells the oldest record in the buffer in hand, and gives that back. */
static void tell(struct events *e)
{
	const struct slot *s = slot_at(e, 0);

	if (chain_put(e->buffer, s->bytes, s->len)) {
		e->begun = s->after > 0;
		e->first = (e->first + 1) % e->o.room;
		e->waiting--;
	} else {
		log_guest(&e->d->log, "queue %u: a buffer of %zu bytes, too small for an event of %u", e->o.queue,
			  chain_writable(e->buffer), s->len);
	}
	virtq_push(e->buffer);
	e->buffer = NULL;
}

void events_kick(struct events *e)
{
	struct virtq *vq = vdev_queue(e->d, e->o.queue);

	while ((e->buffer || (e->buffer = virtq_pop(vq))) && e->waiting)
		tell(e);
}

void events_quiesce(struct events *e)
{
	if (e->buffer)
		virtq_requeue(e->buffer);
	e->buffer = NULL;
}

void events_reset(struct events *e)
{
	e->first = e->waiting = 0;
	e->begun = false;
	e->lost = 0;
}

void events_save(const struct events *e, struct state *s)
{
	const struct saved head = {.waiting = htole32(e->waiting), .begun = htole32(e->begun)};
	struct state_record r = {.len = sizeof(head)};

	if (!e->waiting)
		return;
	for (unsigned int i = 0; i < e->waiting; i++)
		r.len += sizeof(struct saved_slot) + slot_at(e, i)->len;
	state_put_begin(s, e->o.name, r.len);
	state_append(s, &head, sizeof(head));
	for (unsigned int i = 0; i < e->waiting; i++) {
		const struct slot *slot = slot_at(e, i);
		const struct saved_slot saved = {.len = htole32(slot->len), .after = htole32(slot->after)};

		state_append(s, &saved, sizeof(saved));
		state_append(s, slot->bytes, slot->len);
	}
}

/* Appends the record at *bytes, which is to follow one that says `more` of its group come.  Returns 0 or -EINVAL. */
static int load_slot(struct events *e, const char **bytes, size_t *left, bool first, uint32_t *more)
{
	struct saved_slot saved;
	uint32_t len, after;

	if (*left < sizeof(saved))
		return -EINVAL;
	memcpy(&saved, *bytes, sizeof(saved));
	len = le32toh(saved.len);
	after = le32toh(saved.after);
	if (len > e->o.record || len > *left - sizeof(saved) || after >= e->o.room)
		return -EINVAL;
	if (!first && *more && after != *more - 1)
		return -EINVAL;
	append(e, *bytes + sizeof(saved), len, after);
	*bytes += sizeof(saved) + len;
	*left -= sizeof(saved) + len;
	*more = after;
	return 0;
}

/* Takes what events_save has appended; what was taken of a bad record stays for the caller to forget. */
static int load_slots(struct events *e, const struct state_record *r)
{
	const char *bytes = r->bytes;
	size_t left = r->len;
	struct saved head;
	uint32_t n, more = 0;
	int err = 0;

	if (left < sizeof(head))
		return -EINVAL;
	memcpy(&head, bytes, sizeof(head));
	n = le32toh(head.waiting);
	if (!n || le32toh(head.begun) > 1)
		return -EINVAL;
	if (n > e->o.room) {
		log_guest(&e->d->log, "state: %u events wait for the driver, and there is room for %u here", n,
			  e->o.room);
		return -EINVAL;
	}
	bytes += sizeof(head);
	left -= sizeof(head);
	for (uint32_t i = 0; !err && i < n; i++)
		err = load_slot(e, &bytes, &left, i == 0, &more);
	e->begun = le32toh(head.begun);
	return err || left || more ? -EINVAL : 0;
}

int events_load(struct events *e, const struct state_record *r)
{
	int err;

	if (strcmp(r->name, e->o.name) != 0)
		return -ENOENT;
	if (e->waiting)
		return -EINVAL;
	err = load_slots(e, r);
	if (err)
		events_reset(e);
	return err;
}
