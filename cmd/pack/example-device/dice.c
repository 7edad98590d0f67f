/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dice.c - an example of a device that is built outside vdevd's source: throws dice for the guest.
 *
 * A request is 4 bytes, how many dice (le32); its answer a byte for each, from 1 to the number of sides, or none where the
 * request is wrong.  It implements no section of the standard; its id is one that no device type has.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "core/control.h"
#include "core/device.h"
#include "core/module.h"
#include "transport/chain.h"

#define DICE_MAX 64 /* in one throw */

struct dice {
	struct vdev d;
	uint64_t sides;
	bool loaded;
	uint64_t thrown;
};

/* Throws n dice into faces.  Returns whether there was entropy for it. */
static bool dice_throw(const struct dice *dice, uint8_t *faces, size_t n)
{
	if (getrandom(faces, n, GRND_NONBLOCK) != (ssize_t)n)
		return false;
	for (size_t i = 0; i < n; i++)
		faces[i] = (uint8_t)(dice->loaded ? dice->sides : 1 + faces[i] % dice->sides);
	return true;
}

/* The guest's memory is read once: what is checked is the copy. */
static void dice_kick(struct vdev *d, unsigned int q)
{
	struct dice *dice = container_of(d, struct dice, d);
	struct chain *c;

	while ((c = virtq_pop(vdev_queue(d, q)))) {
		uint8_t request[4], faces[DICE_MAX];
		uint32_t n = 0;

		if (chain_readable(c) == sizeof(request) && chain_get(c, request, sizeof(request)))
			n = (uint32_t)request[0] | (uint32_t)request[1] << 8 | (uint32_t)request[2] << 16 | (uint32_t)request[3] << 24;
		if (n == 0 || n > DICE_MAX || n > chain_writable(c)) {
			log_guest(&d->log, "%u dice: 1 to %d are wanted, and room for them", n, DICE_MAX);
		} else if (dice_throw(dice, faces, n)) {
			chain_put(c, faces, n);
			dice->thrown += n;
		}
		virtq_push(c);
	}
}

/* vdevd ctl PATH thrown */
static int dice_thrown(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct dice *dice = container_of((struct vdev *)arg, struct dice, d);

	control_say(c, "%ju", (uintmax_t)dice->thrown);
	return 0;
}

static const struct control_command dice_commands[] = {
	{"thrown", "", "how many dice were thrown", 0, 0, dice_thrown},
	{0},
};

static const struct sandbox_call dice_calls[] = {{.name = "getrandom", .why = "dice are thrown"}, {0}};

static void dice_needs(const struct vdev *d, struct sandbox *s)
{
	sandbox_calls(s, dice_calls);
}

static const struct vdev_queue_desc dice_queues[] = {{"throwq", 64, 1024}};

static const struct opt dice_opts[] = {
	{.name = "sides", .type = OPT_UINT, .off = offsetof(struct dice, sides), .arg = "N", .def = "6", .min = 2, .max = 100,
	 .help = "how many sides a die has"},
	{.name = "loaded", .type = OPT_FLAG, .off = offsetof(struct dice, loaded), .help = "it always falls on the last one"},
	{0},
};

static const char *dice_check(const uint8_t *in, uint32_t used)
{
	return used != 2 || in[0] < 1 || in[1] < 1 ? "not two dice" : NULL;
}

/* What vdevd probe sends. */
static const struct vdev_sample dice_samples[] = {
	{.what = "two dice", .out = (const uint8_t[]){2, 0, 0, 0}, .out_len = 4, .in_len = 2, .check = dice_check}, {0}};

extern const struct vdev_class vdev_dice_class;
const struct vdev_class vdev_dice_class = {
	.name = "dice",
	.summary = "dice, an example",
	.virtio_id = 63,
	.face = {.queues = dice_queues, .nqueues = ARRAY_SIZE(dice_queues)},
	.opts = dice_opts,
	.commands = dice_commands,
	.inst_size = sizeof(struct dice),
	.samples = dice_samples,
	.needs = dice_needs,
	.kick = dice_kick,
};
