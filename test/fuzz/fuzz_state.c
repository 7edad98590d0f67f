/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_state.c - states that come from another machine: core/state.h.
 *
 * The first byte chooses options, the others are the state, of the device that it names itself.  Either it is refused, or what
 * the device saves then is a state that another one takes, and saves again as it is.
 */
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "test/lib/open_device.h"
#include "test/lib/state_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
	if (!what)
		abort();
}

static bool same(const struct state *a, const struct state *b, bool ticks)
{
	return a->len == b->len && (ticks || memcmp(a->bytes, b->bytes, a->len) == 0);
}

/* The rows of the device the state is of, as its first record says; or those of the first device. */
static const struct state_rows *find_rows(const struct state *s)
{
	struct state_record r;
	size_t at = 0;

	if (state_next(s, &at, &r) != 1 || strcmp(r.name, "device") != 0)
		return state_rows[0];
	for (const struct state_rows *const *rows = state_rows; *rows; rows++) {
		if (strlen((*rows)->device) == r.len && memcmp((*rows)->device, r.bytes, r.len) == 0)
			return *rows;
	}
	return state_rows[0];
}

static struct vdev *make(struct ev_loop *loop, const struct state_rows *rows, unsigned int n)
{
	struct vdev *d = NULL;

	must(open_device(rows->device, loop, rows->set_ups[n % rows->nset_ups], &d) == 0);
	return d;
}

/* What a device has taken goes on to another. */
static void move_on(struct vdev *d, struct vdev *next, bool ticks)
{
	struct state first, second;

	vdev_save(d, &first);
	must(!first.err);
	must(vdev_load(next, &first) == 0);
	vdev_save(next, &second);
	must(!second.err && same(&first, &second, ticks));
	state_free(&second);
	state_free(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ev_loop *loop;
	struct vdev *d, *next;

	if (!loop) {
		log_set_level(LOG_LEVEL_ERROR);
		loop = ev_loop_new(EVFLAG_AUTO);
		must(loop != NULL);
	}
	if (!size)
		return 0;
	const struct state s = {.bytes = (uint8_t *)data + 1, .len = size - 1};
	const struct state_rows *rows = find_rows(&s);

	d = make(loop, rows, data[0]);
	next = make(loop, rows, data[0]);
	vdev_load(d, &s);
	move_on(d, next, rows->ticks);
	vdev_free(next);
	vdev_free(d);
	return 0;
}
