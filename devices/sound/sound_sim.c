/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_sim.c - a simulated card: streams that count what they play and record a pattern, control elements of every
 * type, two jacks; with faults from the control socket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "devices/sound/sound_card.h"
#include "devices/sound/sound_host.h"

#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u

/*
 * Streams.
 */

struct sound_host_pcm {
	struct sound_card card;
	uint64_t bytes; /* played since it was opened */
	uint32_t sum;	/* their FNV-1a */
	bool gone;	/* unplugged */
	bool fails;	/* the next call that can, does */
	bool xrun;	/* frames are lost */
};

static int sim_open(const struct sound_pcm_args *args, struct sound_host_pcm **out, struct sound_caps *caps)
{
	struct sound_host_pcm *p = calloc(1, sizeof(*p));
	int err = p ? card_open(&p->card, args) : -ENOMEM;

	if (err) {
		free(p);
		return err;
	}
	p->sum = FNV_BASIS;
	*caps = (struct sound_caps){
		.formats = SOUND_FORMATS_ALL, .rates = SOUND_RATES_ALL, .channels_min = 1, .channels_max = 8};
	card_chmap(caps);
	*out = p;
	return 0;
}

static void sim_close(struct sound_host_pcm *p)
{
	card_close(&p->card);
	free(p);
}

/* What goes wrong now.  Returns 0 or -errno. */
static int sim_fault(struct sound_host_pcm *p)
{
	int err = p->gone ? -ENODEV : p->fails ? -EIO : p->xrun ? -EPIPE : 0;

	p->fails = p->fails && p->gone;
	return err;
}

static int sim_prepare(struct sound_host_pcm *p, const struct sound_params *params)
{
	int err;

	p->xrun = false;
	err = sim_fault(p);
	if (!err)
		card_prepare(&p->card, params);
	return err;
}

static void sim_release(struct sound_host_pcm *p)
{
	card_release(&p->card);
}

static int sim_start(struct sound_host_pcm *p)
{
	card_start(&p->card);
	return p->gone ? -ENODEV : 0;
}

static uint64_t sim_stop(struct sound_host_pcm *p)
{
	return card_stop(&p->card);
}

static ssize_t sim_write(struct sound_host_pcm *p, const uint8_t *buf, size_t len)
{
	int err = sim_fault(p);
	ssize_t n = err ? err : card_may(&p->card, len);

	for (ssize_t i = 0; i < n; i++)
		p->sum = (p->sum ^ buf[i]) * FNV_PRIME;
	if (n > 0) {
		card_took(&p->card, (size_t)n);
		p->bytes += (uint64_t)n;
	}
	return n;
}

/* The byte at a place of what is recorded. */
static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 7 + (at >> 8));
}

static ssize_t sim_read(struct sound_host_pcm *p, uint8_t *buf, size_t len)
{
	int err = sim_fault(p);
	ssize_t n = err ? err : card_may(&p->card, len);

	for (ssize_t i = 0; i < n; i++)
		buf[i] = pattern(p->card.taken + (uint64_t)i);
	if (n > 0)
		card_took(&p->card, (size_t)n);
	return n;
}

static int sim_place(struct sound_host_pcm *p, uint64_t *place, uint32_t *latency)
{
	int err = card_place(&p->card, place, latency);

	if (p->gone)
		err = -ENODEV;
	return err ? err : p->xrun ? -EPIPE : 0;
}

static void sim_wake(struct sound_host_pcm *p, uint64_t place)
{
	card_wake(&p->card, place);
}

static int sim_recover(struct sound_host_pcm *p)
{
	p->xrun = false;
	card_recover(&p->card);
	return p->gone ? -ENODEV : 0;
}

static int sim_make_fault(struct sound_host_pcm *p, const char *what)
{
	if (strcmp(what, "xrun") == 0)
		p->xrun = true;
	else if (strcmp(what, "fail") == 0)
		p->fails = true;
	else if (strcmp(what, "unplug") == 0)
		p->gone = true;
	else if (strcmp(what, "plug") == 0)
		p->gone = false;
	else
		return -EINVAL;
	return 0;
}

static uint32_t sim_heard(const struct sound_host_pcm *p, uint64_t *bytes)
{
	*bytes = p->bytes;
	return p->sum;
}

const struct sound_pcm_ops sound_sim_ops = {
	.open = sim_open,
	.close = sim_close,
	.needs = card_needs,
	.prepare = sim_prepare,
	.release = sim_release,
	.start = sim_start,
	.stop = sim_stop,
	.write = sim_write,
	.read = sim_read,
	.place = sim_place,
	.wake = sim_wake,
	.recover = sim_recover,
	.fault = sim_make_fault,
	.heard = sim_heard,
};

/*
 * Control elements, one of each type, and jacks.
 */

#define ALL_ACCESS (SOUND_ACCESS_READ | SOUND_ACCESS_WRITE)

static const struct sound_ctl_info sim_infos[] = {
	{.name = "Master Playback Volume",
	 .type = SOUND_CTL_INTEGER,
	 .role = SOUND_ROLE_VOLUME,
	 .count = 2,
	 .max = 100,
	 .step = 1,
	 .access = ALL_ACCESS | SOUND_ACCESS_TLV_READ | SOUND_ACCESS_TLV_WRITE | SOUND_ACCESS_TLV_COMMAND},
	{.name = "Master Playback Switch",
	 .type = SOUND_CTL_BOOLEAN,
	 .role = SOUND_ROLE_MUTE,
	 .count = 2,
	 .max = 1,
	 .access = ALL_ACCESS},
	{.name = "Capture Source",
	 .type = SOUND_CTL_ENUMERATED,
	 .count = 1,
	 .items = 3,
	 .access = ALL_ACCESS,
	 .capture = true},
	{.name = "Mic Capture Volume",
	 .type = SOUND_CTL_INTEGER,
	 .role = SOUND_ROLE_GAIN,
	 .capture = true,
	 .count = 1,
	 .min = -60,
	 .max = 20,
	 .step = 2,
	 .access = ALL_ACCESS},
	{.name = "Position",
	 .type = SOUND_CTL_INTEGER64,
	 .count = 1,
	 .min = -INT64_C(1000000000000),
	 .max = INT64_C(1000000000000),
	 .step = INT64_C(250000000000),
	 .access = ALL_ACCESS},
	{.name = "Coefficients", .type = SOUND_CTL_BYTES, .count = 16, .access = ALL_ACCESS | SOUND_ACCESS_INACTIVE},
	{.name = "IEC958 Playback Default", .type = SOUND_CTL_IEC958, .count = 1, .access = ALL_ACCESS},
	{.name = "Revision",
	 .type = SOUND_CTL_INTEGER,
	 .count = 1,
	 .max = 9,
	 .access = SOUND_ACCESS_READ | SOUND_ACCESS_VOLATILE},
};

#define SIM_CTLS  ARRAY_SIZE(sim_infos)
#define SIM_JACKS 2

static const char *const sim_sources[] = {"Mic", "Line", "CD"};

/* A decibel scale from -50 dB on in steps of 0.5 dB, as ALSA has it: SNDRV_CTL_TLVT_DB_SCALE. */
static const uint32_t sim_tlv[] = {1, 8, (uint32_t)-5000, 50};

static const struct sound_jack_info sim_jacks[SIM_JACKS] = {
	{.name = "Headphone", .defconf = 0x02214010, .caps = 0x0000001c, .connected = true},
	{.name = "Mic", .capture = true, .defconf = 0x02a19020, .caps = 0x00000024},
};

struct sound_host_ctls {
	struct sound_ctls_args args;
	struct sound_ctl_value values[SIM_CTLS];
	uint32_t tlv[64];
	size_t tlv_len;
	bool connected[SIM_JACKS];
	bool fails;
};

static int run_control(void *arg, struct control_client *client, unsigned int argc, char **argv, char *why,
		       size_t why_size)
{
	struct sound_host_ctls *c = arg;
	char *end, *stop;
	const unsigned long id = strtoul(argv[0], &end, 10);
	const long long value = strtoll(argv[1], &stop, 10);

	if (*end || end == argv[0] || id >= SIM_CTLS || *stop || stop == argv[1]) {
		snprintf(why, why_size, "a number of an element, below %zu, and a value are wanted", SIM_CTLS);
		return -EINVAL;
	}
	c->values[id].n[0] = value;
	c->args.changed(c->args.user, (unsigned int)id, SOUND_CHANGED_VALUE);
	return 0;
}

static int run_jack(void *arg, struct control_client *client, unsigned int argc, char **argv, char *why,
		    size_t why_size)
{
	struct sound_host_ctls *c = arg;
	const bool in = strcmp(argv[1], "in") == 0;
	unsigned int jack = argv[0][0] == '0' ? 0 : 1;

	if ((strcmp(argv[0], "0") != 0 && strcmp(argv[0], "1") != 0) || (!in && strcmp(argv[1], "out") != 0)) {
		snprintf(why, why_size, "0 or 1, and in or out are wanted");
		return -EINVAL;
	}
	c->connected[jack] = in;
	c->args.plugged(c->args.user, jack, in);
	return 0;
}

static int run_control_fail(void *arg, struct control_client *client, unsigned int argc, char **argv, char *why,
			    size_t why_size)
{
	((struct sound_host_ctls *)arg)->fails = true;
	return 0;
}

static const struct control_command sim_commands[] = {
	{"control", "ID VALUE", "change an element of the simulated card", 2, 2, run_control},
	{"control-fail", "", "the next access to an element fails", 0, 0, run_control_fail},
	{"jack", "ID in|out", "plug something into a jack, or out", 2, 2, run_jack},
	{0},
};

static int simc_open(const struct sound_ctls_args *args, struct sound_host_ctls **out, unsigned int *ncontrols,
		     unsigned int *njacks)
{
	struct sound_host_ctls *c = calloc(1, sizeof(*c));

	if (!c) {
		log_error(args->log, "out of memory");
		return -ENOMEM;
	}
	c->args = *args;
	memcpy(c->tlv, sim_tlv, sizeof(sim_tlv));
	c->tlv_len = sizeof(sim_tlv);
	for (unsigned int i = 0; i < SIM_JACKS; i++)
		c->connected[i] = sim_jacks[i].connected;
	control_add(args->control, sim_commands, c);
	*ncontrols = SIM_CTLS;
	*njacks = SIM_JACKS;
	*out = c;
	return 0;
}

static void simc_close(struct sound_host_ctls *c)
{
	free(c);
}

static void simc_needs(const struct sound_ctls_args *args, struct sandbox *s)
{
}

/* Whether an access is to fail. */
static int simc_fault(struct sound_host_ctls *c)
{
	const bool fails = c->fails;

	c->fails = false;
	return fails ? -EIO : 0;
}

static int simc_info(struct sound_host_ctls *c, unsigned int id, struct sound_ctl_info *info)
{
	*info = sim_infos[id];
	return 0;
}

static int simc_item(struct sound_host_ctls *c, unsigned int id, unsigned int item, char name[static 64])
{
	snprintf(name, 64, "%s", sim_sources[item]);
	return 0;
}

static int simc_read(struct sound_host_ctls *c, unsigned int id, struct sound_ctl_value *v)
{
	*v = c->values[id];
	return simc_fault(c);
}

static int simc_write(struct sound_host_ctls *c, unsigned int id, const struct sound_ctl_value *v)
{
	int err = simc_fault(c);

	if (err)
		return err;
	if (memcmp(&c->values[id], v, sizeof(*v)) != 0) {
		c->values[id] = *v;
		c->args.changed(c->args.user, id, SOUND_CHANGED_VALUE);
	}
	return 0;
}

static ssize_t simc_tlv_read(struct sound_host_ctls *c, unsigned int id, uint32_t *tlv, size_t size)
{
	memcpy(tlv, c->tlv, min_size(c->tlv_len, size));
	return (ssize_t)min_size(c->tlv_len, size);
}

static int simc_tlv_write(struct sound_host_ctls *c, unsigned int id, const uint32_t *tlv, size_t len, bool command)
{
	if (len > sizeof(c->tlv))
		return -EINVAL;
	memcpy(c->tlv, tlv, len);
	c->tlv_len = len;
	c->args.changed(c->args.user, id, SOUND_CHANGED_TLV);
	return 0;
}

static int simc_jack(struct sound_host_ctls *c, unsigned int jack, struct sound_jack_info *info)
{
	*info = sim_jacks[jack];
	info->connected = c->connected[jack];
	return 0;
}

const struct sound_ctls_ops sound_sim_ctls_ops = {
	.open = simc_open,
	.close = simc_close,
	.needs = simc_needs,
	.info = simc_info,
	.item = simc_item,
	.read = simc_read,
	.write = simc_write,
	.tlv_read = simc_tlv_read,
	.tlv_write = simc_tlv_write,
	.jack = simc_jack,
};
