/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi.c - SCMI device: VIRTIO 1.4, section "SCMI Device"; the virtio side of it.
 *
 * The driver sends commands of the Arm System Control and Management Interface on the cmdq, each of which is answered
 * in its chain; what takes time is answered later, and others are not held up by it.  Notifications and delayed
 * responses go to the eventq.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/control.h"
#include "devices/scmi/scmi.h"

/* A command that is free; NULL: all are under way, and the ring is looked at when one has ended. */
static struct scmi_cmd *cmd_take(struct scmi *s)
{
	for (unsigned int i = 0; i < SCMI_CMDS; i++) {
		if (!s->cmds[i].used)
			return &s->cmds[i];
	}
	return NULL;
}

static void cmdq_serve(struct scmi *s)
{
	struct scmi_cmd *c;

	while ((c = cmd_take(s)) && (c->chain = virtq_pop(vdev_queue(&s->d, SCMI_CMDQ)))) {
		le32 hdr;

		if (!chain_get(c->chain, &hdr, sizeof(hdr))) {
			log_guest(&s->d.log, "a command without a header");
			virtq_push(c->chain);
			c->chain = NULL;
			continue;
		}
		c->used = true;
		s->in_flight++;
		c->s = s;
		c->hdr = le32toh(hdr);
		c->in_len = chain_readable(c->chain);
		chain_get(c->chain, c->in, min_size(c->in_len, sizeof(c->in)));
		scmi_cmd_run(c);
	}
}

static void scmi_kick(struct vdev *d, unsigned int q)
{
	struct scmi *s = to_scmi(d);

	if (q == SCMI_CMDQ) {
		cmdq_serve(s);
		return;
	}
	/* Without the feature there is no eventq. */
	if (!scmi_p2a(s))
		events_reset(&s->events);
	events_kick(&s->events);
}

/* What a thread works on ends by itself; the rest goes back into the ring. */
static void scmi_quiesce(struct vdev *d, unsigned int q)
{
	struct scmi *s = to_scmi(d);

	if (q == SCMI_EVENTQ) {
		events_quiesce(&s->events);
		return;
	}
	for (unsigned int i = 0; i < SCMI_CMDS; i++) {
		struct scmi_cmd *c = &s->cmds[i];

		if (!c->chain || c->io.busy)
			continue;
		scmi_io_stop(s, &c->io);
		virtq_requeue(c->chain);
		c->chain = NULL;
		c->used = c->late = false;
		s->in_flight--;
	}
}

static void scmi_reset_device(struct vdev *d)
{
	struct scmi *s = to_scmi(d);

	for (unsigned int i = 0; i < SCMI_CMDS; i++) {
		struct scmi_cmd *c = &s->cmds[i];

		if (!c->used || c->io.busy)
			continue;
		/* A delayed response that is due: its operation has not begun. */
		scmi_io_stop(s, &c->io);
		s->late -= c->late;
		c->used = c->late = false;
		s->in_flight--;
	}
	scmi_cmds_abandon(s);
	events_reset(&s->events);
	s->notify_errors = s->notify_system = false;
	s->protocol_denied = 0;
	for (unsigned int i = 0; i < s->nres; i++)
		scmi_guest_forget(s->res[i]);
}

static unsigned int scmi_fds(const struct vdev *d)
{
	const struct scmi *s = container_of(d, struct scmi, d);

	return 16 + (s->config ? SCMI_RES_MAX : s->nspecs) * 16;
}

static void scmi_needs(const struct vdev *d, struct sandbox *sb)
{
	const struct scmi *s = container_of(d, struct scmi, d);
	bool blocks = s->config != NULL;

	for (unsigned int i = 0; i < s->nspecs; i++) {
		const struct scmi_spec *spec = &s->specs[i];

		blocks |= spec->type->blocks;
		if (spec->type->needs)
			spec->type->needs(spec, sb);
	}
	if (blocks)
		sandbox_calls(sb, work_calls);
	scmi_system_needs(s, sb);
}

static int scmi_open(struct vdev *d)
{
	struct scmi *s = to_scmi(d);
	const struct events_opts o = {
		.queue = SCMI_EVENTQ,
		.record = 8 + SCMI_OUT_MAX,
		.room = SCMI_EVENTS,
		.full = EVENTS_REFUSE_NEWEST,
		.name = "events",
	};
	const struct work_opts threads = {.threads = 4};
	int err;

	s->system_fd = -1;
	s->cmds = calloc(SCMI_CMDS, sizeof(*s->cmds));
	err = s->cmds ? events_open(&s->events, d, &o) : -ENOMEM;
	if (!err)
		err = work_queue_new(d->loop, &threads, &s->work);
	if (err)
		return err;
	for (unsigned int i = 0; i < SCMI_CMDS; i++)
		scmi_io_init(&s->cmds[i].io);
	err = scmi_things_open(s);
	return err ? err : scmi_system_open(s);
}

static void scmi_close(struct vdev *d)
{
	struct scmi *s = to_scmi(d);

	for (unsigned int i = 0; s->cmds && i < SCMI_CMDS; i++)
		ev_timer_stop(d->loop, &s->cmds[i].io.delay);
	/* What a thread still works on is left alone, for good. */
	if (work_queue_free(s->work, 2000)) {
		scmi_things_close(s);
		free(s->cmds);
	}
	scmi_system_close(s);
	events_close(&s->events);
}

static int scmi_class_check(struct vdev *d)
{
	return scmi_check(to_scmi(d));
}

static const struct vdev_queue_desc scmi_queues[] = {
	[SCMI_CMDQ] = {.name = "cmdq", .size = 64, .max = 1024},
	[SCMI_EVENTQ] = {.name = "eventq", .size = 64, .max = 1024},
};

static const struct vdev_feature scmi_features[] = {{SCMI_F_P2A_CHANNELS, "p2a_channels"}, {0}};

static const char *sample_check(const uint8_t *in, uint32_t used)
{
	if (used < 8)
		return "no header and status";
	if (in[4] || in[5] || in[6] || in[7])
		return "an error status";
	return used == 12 ? NULL : "not the four bytes of this answer";
}

/* Base protocol: PROTOCOL_VERSION, PROTOCOL_ATTRIBUTES, DISCOVER_IMPLEMENTATION_VERSION. */
static const uint8_t sample_version[4] = {0x00, 0x40};
static const uint8_t sample_attributes[4] = {0x01, 0x40};
static const uint8_t sample_implementation[4] = {0x05, 0x40};

#define SAMPLE(request) .out = (request), .out_len = sizeof(request), .in_len = 12, .check = sample_check

static const struct vdev_sample scmi_samples[] = {
	{.what = "PROTOCOL_VERSION", SAMPLE(sample_version)},
	{.what = "PROTOCOL_ATTRIBUTES", SAMPLE(sample_attributes)},
	{.what = "DISCOVER_IMPLEMENTATION_VERSION", SAMPLE(sample_implementation)},
	{0},
};

static const struct vdev_compat scmi_compat = {0};

static const char *const scmi_examples[] = {
	"vdevd scmi --socket-path=/run/scmi.sock --device=hwmon,path=/sys/class/hwmon/hwmon0,channel=temp1",
	"vdevd scmi --help-devices",
	"vhost-device-scmi -s /run/scmi.sock -d iio,path=/sys/bus/iio/devices/iio:device0,channel=in_accel",
	"",
	"# a whole board that is not there",
	"vdevd scmi --socket-path=/run/scmi.sock --device=board --control=/run/scmi.ctl &",
	"vdevd ctl /run/scmi.ctl set temperature 81500",
	"vdevd ctl /run/scmi.ctl list",
	NULL,
};

const struct vdev_class vdev_scmi_class = {
	.name = "scmi",
	.summary = "sensors, clocks and power of a board",
	.about = MAN(
		"Shares things of the host's board out to a guest by the Arm System Control and Management Interface "
		"3.2: sensors, "
		"clocks, voltages, resets, power domains, performance domains, power caps and pins.  What is not named "
		"by --device the "
		"guest does not see; ids are given in the order of the options, per protocol.\n"
		"\n"
		"Things of the host can be read only, unless \"rw\" is among their words.  Lines of gpio chips are "
		"there to be "
		"switched: they can be unless \"ro\" is.  What the guest has changed goes back to what it was when the "
		"guest resets the "
		"device, ends its connection, or asks for it (BASE_RESET_AGENT_CONFIGURATION).\n"
		"\n"
		"A sensor that is unplugged answers with HARDWARE_ERROR, and is looked for again with each reading, at "
		"most once a "
		"second.  Files are opened when vdevd starts; those below /sys/devices can be opened again, for that.\n"
		"\n"
		"Updates of a sensor are readings at the interval that the guest asks for; with the word buffered, an "
		"iio device's own "
		"samples, at the rate of its trigger.  While those come, many drivers answer a reading with BUSY.  "
		"After it was unplugged, updates "
		"are readings.\n"
		"\n"
		"Linux sends over virtio in messages of 128 bytes: lists are cut to the room there is.  Sensors have "
		"at most seven axes.  "
		"FastChannels and shared memory regions are not there: the virtio standard has no FastChannels.\n"
		"\n"
		"Commands on the socket of --control: list shows the things, what the guest has set, and values, but "
		"for "
		"those that take their time (files of sysfs); "
		"set changes a "
		"fake thing's value; fail, delay, lose and back make and end faults, of any thing; system asks the "
		"guest to shut down or "
		"reboot.  Who watches is told of what the guest changes and of requests of the system power protocol.\n"
		"\n"
		"With a guest that moves to another host (live migration) goes what it has set: notices, sensors' "
		"settings, rates and "
		"levels, which are set there too; the things must be the same.  A response that is still due is "
		"BUSY.  Settings of pins do not go along.\n"
		"\n"
		"What is missing: a gpio chip that was unplugged stays lost until vdevd starts again; the kernel lets "
		"no program set a "
		"clock of the host, and shows them in debugfs alone, whose files are opened for each reading, so that "
		"a --user "
		"without the right to them gets HARDWARE_ERROR; the energy of performance levels is not told."),
	.virtio_id = 32,
	.face.features = BIT(SCMI_F_P2A_CHANNELS),
	.feature_names = scmi_features,
	.face.queues = scmi_queues,
	.face.nqueues = ARRAY_SIZE(scmi_queues),
	.face.any_order = true,
	.opts = scmi_opts,
	.commands = scmi_commands,
	.inst_size = sizeof(struct scmi),
	.samples = scmi_samples,
	.compat = &scmi_compat,
	.examples = MAN(scmi_examples),
	.print = scmi_print,
	.check = scmi_class_check,
	.open = scmi_open,
	.fds = scmi_fds,
	.needs = scmi_needs,
	.kick = scmi_kick,
	.quiesce = scmi_quiesce,
	.reset = scmi_reset_device,
	.save = scmi_save,
	.load = scmi_load,
	.close = scmi_close,
};
