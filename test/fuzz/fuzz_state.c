/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_state.c - states that come from another machine: core/state.h.
 *
 * The first byte chooses a device, the others are the state.  Either it is refused, or what the device saves then is a state
 * that another one takes, and saves again as it is.
 */
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "test/lib/open_device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *name;
	const char *const args[7];
} devices[] = {
	{"rng", {"--source=/dev/zero", "--max-bytes=1000", "--period=500"}},
	{"gpio", {"--backend=sim"}},
	{"i2c", {"--sim=lm75@0x48", "--sim=eeprom@0x50:128", "--sim=regs@0x20:8"}},
	{"vsock", {"--backend=sim", "--guest-cid=5", "--max-connections=2", "--buffer-size=4096"}},
	{"i2c", {"--bus=a", "--sim=regs@0x20:8", "--bus=b", "--sim=regs@0x21:8", "--addr=0x21-0x22:ro"}},
};

static void must(bool what)
{
	if (!what)
		abort();
}

static bool same(const struct state *a, const struct state *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* A device of the n-th kind, or NULL where it is not built. */
static struct vdev *make(struct ev_loop *loop, size_t n)
{
	struct vdev *d = NULL;
	int err = open_device(devices[n].name, loop, devices[n].args, &d);

	must(err == 0 || err == -ENOENT);
	return err ? NULL : d;
}

/* What a device has taken goes on to another. */
static void move_on(struct vdev *d, struct vdev *next)
{
	struct state first, second;

	vdev_save(d, &first);
	must(!first.err);
	must(vdev_load(next, &first) == 0);
	vdev_save(next, &second);
	must(!second.err && same(&first, &second));
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
	const size_t n = data[0] % ARRAY_SIZE(devices);

	d = make(loop, n);
	next = make(loop, n);
	if (d && next) {
		vdev_load(d, &s);
		move_on(d, next);
	}
	vdev_free(next);
	vdev_free(d);
	return 0;
}
