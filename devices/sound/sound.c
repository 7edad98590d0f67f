/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound.c - sound device: VIRTIO 1.4, section 5.14.
 *
 * Requests on the controlq are answered at once and in order, but for RELEASE, which waits until the messages of its
 * stream are given back (sound_stream.c): what stands behind it waits, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "devices/sound/sound.h"

/* VIRTIO_SND_R_* */
enum {
	R_JACK_INFO = 1,
	R_JACK_REMAP,
	R_PCM_INFO = 0x100,
	R_PCM_SET_PARAMS,
	R_PCM_PREPARE,
	R_PCM_RELEASE,
	R_PCM_START,
	R_PCM_STOP,
	R_CHMAP_INFO = 0x200,
	R_CTL_INFO = 0x300,
	R_CTL_ENUM_ITEMS,
	R_CTL_TLV_COMMAND = 0x306,
};

#define JACK_F_REMAP 1u

struct config {
	le32 jacks, streams, chmaps, controls;
} __attribute__((packed));

struct query_info {
	le32 start_id, count, size; /* behind the header */
} __attribute__((packed));

struct jack_info {
	le32 nid, features, defconf, caps;
	uint8_t connected, padding[7];
} __attribute__((packed));

struct jack_remap {
	le32 jack_id, association, sequence;
} __attribute__((packed));

struct pcm_info {
	le32 nid, features;
	le64 formats, rates;
	uint8_t direction, channels_min, channels_max, padding[5];
} __attribute__((packed));

struct set_params {
	le32 buffer_bytes, period_bytes, features;
	uint8_t channels, format, rate, padding;
} __attribute__((packed));

struct chmap_info {
	le32 nid;
	uint8_t direction, channels, positions[SOUND_CHANNELS_MAX];
} __attribute__((packed));

struct event {
	le32 code, data;
} __attribute__((packed));

_Static_assert(sizeof(struct config) == 16, "struct virtio_snd_config");
_Static_assert(sizeof(struct query_info) == 12, "struct virtio_snd_query_info without its header");
_Static_assert(sizeof(struct jack_info) == 24, "struct virtio_snd_jack_info");
_Static_assert(sizeof(struct jack_remap) == 12, "struct virtio_snd_jack_remap without its code");
_Static_assert(sizeof(struct pcm_info) == 32, "struct virtio_snd_pcm_info");
_Static_assert(sizeof(struct set_params) == 16, "struct virtio_snd_pcm_set_params without its header");
_Static_assert(sizeof(struct chmap_info) == 24, "struct virtio_snd_chmap_info");
_Static_assert(sizeof(struct event) == 8, "struct virtio_snd_event");

/*
 * Linux' driver has its struct virtio_snd_ctl_info with the compiler's padding, on machines that align 64 bits: four
 * bytes before the value.  The size that it asks for tells.
 */
#define CTL_INFO_VALUE	68
#define CTL_INFO_PADDED (SOUND_CTL_INFO_SIZE + 4)

/* The largest item. */
#define ITEM_MAX CTL_INFO_PADDED

/* The largest size that is honoured: zeros behind an item take time, which a guest could have for ever. */
#define ITEM_ROOM_MAX 4096

/* ---- events */

/* Whether an event says of an element what a newer one says, too. */
static bool same_element(const void *record, size_t len, const void *arg)
{
	const struct event *e = arg;
	struct event old;

	memcpy(&old, record, sizeof(old));
	/* The id and the mask share the data: 16 bits each. */
	return old.code == e->code && (le32toh(old.data) & 0xffff) == (le32toh(e->data) & 0xffff);
}

void sound_event(struct sound *s, uint32_t code, uint32_t data)
{
	const struct event e = {.code = htole32(code), .data = htole32(data)};

	if (code != SND_EVT_PCM_XRUN)
		events_forget(&s->eventq, same_element, &e);
	events_put(&s->eventq, &e, sizeof(e));
}

bool sound_event_waits(const struct sound *s, uint32_t code, uint32_t data)
{
	const struct event e = {.code = htole32(code), .data = htole32(data)};

	return events_has(&s->eventq, same_element, &e);
}

static void ctl_changed(void *user, unsigned int id, unsigned int what)
{
	struct sound *s = user;

	if (s->d.features & BIT(SOUND_F_CTLS))
		sound_event(s, SND_EVT_CTL_NOTIFY, id | what << 16);
	control_tell(s->d.control, "control %u %s", id,
		     what & SOUND_CHANGED_VALUE	 ? "value"
		     : what & SOUND_CHANGED_INFO ? "info"
						 : "tlv");
}

static void jack_plugged(void *user, unsigned int jack, bool connected)
{
	struct sound *s = user;

	if (s->jack[jack].connected == connected)
		return;
	s->jack[jack].connected = connected;
	sound_event(s, connected ? SND_EVT_JACK_CONNECTED : SND_EVT_JACK_DISCONNECTED, jack);
	control_tell(s->d.control, "jack %u %s", jack, connected ? "connected" : "disconnected");
}

/* ---- items */

static bool jack_item(struct sound *s, unsigned int id, void *out)
{
	struct sound_jack_info host;
	struct jack_info info = {.features = htole32(JACK_F_REMAP)};

	if (s->ctls_ops->jack(s->ctls, id, &host) < 0)
		return false;
	if (s->jack[id].remapped)
		host.defconf = (host.defconf & ~0xffu) | (uint32_t)s->jack[id].association << 4 | s->jack[id].sequence;
	info.defconf = htole32(host.defconf);
	info.caps = htole32(host.caps);
	info.connected = host.connected;
	memcpy(out, &info, sizeof(info));
	return true;
}

/* The group of a stream: the first of either direction are one device of the guest's, the second another. */
static uint32_t stream_group(const struct sound *s, unsigned int id)
{
	return s->streams[id].capture ? id - s->nplayback : id;
}

static bool pcm_item(struct sound *s, unsigned int id, void *out)
{
	const struct sound_stream *st = &s->streams[id];
	const struct pcm_info info = {
		.nid = htole32(stream_group(s, id)),
		.features = htole32(sound_stream_features(st)),
		.formats = htole64(st->caps.formats),
		.rates = htole64(st->caps.rates),
		.direction = st->capture,
		.channels_min = st->caps.channels_min,
		.channels_max = st->caps.channels_max,
	};

	memcpy(out, &info, sizeof(info));
	return true;
}

static bool chmap_item(struct sound *s, unsigned int id, void *out)
{
	struct chmap_info info = {0};

	for (unsigned int i = 0; i < s->nstreams; i++) {
		const struct sound_stream *st = &s->streams[i];

		if (id >= st->caps.nmaps) {
			id -= st->caps.nmaps;
			continue;
		}
		info.nid = htole32(stream_group(s, i));
		info.direction = st->capture;
		info.channels = st->caps.maps[id].channels;
		memcpy(info.positions, st->caps.maps[id].at, info.channels);
		break;
	}
	memcpy(out, &info, sizeof(info));
	return true;
}

static bool ctl_item(struct sound *s, unsigned int id, void *out)
{
	return sound_ctl_info(s, id, out);
}

/* A kind of item. */
struct kind {
	uint32_t code;
	size_t count; /* offset in struct sound of how many there are */
	size_t size;
	bool (*get)(struct sound *s, unsigned int id, void *out);
};

static const struct kind kinds[] = {
	{R_JACK_INFO, offsetof(struct sound, njacks), sizeof(struct jack_info), jack_item},
	{R_PCM_INFO, offsetof(struct sound, nstreams), sizeof(struct pcm_info), pcm_item},
	{R_CHMAP_INFO, offsetof(struct sound, nchmaps), sizeof(struct chmap_info), chmap_item},
	{R_CTL_INFO, offsetof(struct sound, ncontrols), SOUND_CTL_INFO_SIZE, ctl_item},
};

static unsigned int kind_count(const struct sound *s, const struct kind *k)
{
	unsigned int n;

	memcpy(&n, (const char *)s + k->count, sizeof(n));
	return n;
}

/* Makes an item of an element what a driver with padding takes it for. */
static void ctl_item_pad(uint8_t item[static ITEM_MAX])
{
	memmove(item + CTL_INFO_VALUE + 4, item + CTL_INFO_VALUE, SOUND_CTL_INFO_SIZE - CTL_INFO_VALUE);
	memset(item + CTL_INFO_VALUE, 0, 4);
}

/* Writes the items behind the status: as much of each as the driver knows, and zeros where it knows more. */
static uint32_t query(struct sound *s, const struct kind *k, struct chain *c, size_t *written)
{
	const size_t head = sizeof(le32);
	uint8_t item[ITEM_MAX];
	struct query_info q;
	uint32_t start, count, size;
	bool padded;

	if (!chain_get(c, &q, sizeof(q)))
		return SND_S_BAD_MSG;
	start = le32toh(q.start_id);
	count = le32toh(q.count);
	size = le32toh(q.size);
	if (start > kind_count(s, k) || count > kind_count(s, k) - start || size > ITEM_ROOM_MAX)
		return SND_S_BAD_MSG;
	if (chain_writable(c) < head || (size && (chain_writable(c) - head) / size < count))
		return SND_S_BAD_MSG;
	padded = k->code == R_CTL_INFO && size == CTL_INFO_PADDED;
	for (uint32_t i = 0; i < count; i++) {
		const size_t known = k->size + (padded ? 4 : 0);

		memset(item, 0, sizeof(item));
		if (!k->get(s, start + i, item))
			return SND_S_IO_ERR;
		if (padded)
			ctl_item_pad(item);
		chain_put_at(c, head + (size_t)i * size, item, min_size(size, known));
		for (size_t at = known; at < size; at += sizeof(item)) {
			memset(item, 0, sizeof(item));
			chain_put_at(c, head + (size_t)i * size + at, item, min_size(size - at, sizeof(item)));
		}
	}
	*written = (size_t)count * size;
	return SND_S_OK;
}

/* ---- requests */

static uint32_t remap(struct sound *s, struct chain *c)
{
	struct jack_remap r;

	if (!chain_get(c, &r, sizeof(r)) || le32toh(r.jack_id) >= s->njacks || le32toh(r.association) > 15 ||
	    le32toh(r.sequence) > 15)
		return SND_S_BAD_MSG;
	s->jack[le32toh(r.jack_id)].remapped = true;
	s->jack[le32toh(r.jack_id)].association = (uint8_t)le32toh(r.association);
	s->jack[le32toh(r.jack_id)].sequence = (uint8_t)le32toh(r.sequence);
	return SND_S_OK;
}

/* A request about a stream.  Returns its status; 0: it is to be answered later. */
static uint32_t pcm_request(struct sound *s, uint32_t code, struct chain *c)
{
	static const uint8_t asks[] = {PCM_SET_PARAMS, PCM_PREPARE, PCM_RELEASE, PCM_START, PCM_STOP};
	struct sound_params params = {0};
	struct set_params p;
	uint32_t status;
	le32 id;

	if (!chain_get(c, &id, sizeof(id)) || le32toh(id) >= s->nstreams)
		return SND_S_BAD_MSG;
	if (code == R_PCM_SET_PARAMS) {
		if (!chain_get(c, &p, sizeof(p)))
			return SND_S_BAD_MSG;
		params = (struct sound_params){
			.buffer_bytes = le32toh(p.buffer_bytes),
			.period_bytes = le32toh(p.period_bytes),
			.features = le32toh(p.features),
			.channels = p.channels,
			.format = p.format,
			.rate = p.rate,
		};
	}
	status = sound_stream_ask(&s->streams[le32toh(id)], asks[code - R_PCM_SET_PARAMS], &params);
	if (!status) {
		s->release = c;
		s->releases = &s->streams[le32toh(id)];
	}
	return status;
}

/* Carries out a request.  *size: how many bytes are written behind the status.  Returns the status; 0: later. */
static uint32_t request_run(struct sound *s, struct chain *c, size_t *size)
{
	uint32_t code;
	le32 head;

	if (!chain_get(c, &head, sizeof(head)))
		return SND_S_BAD_MSG;
	code = le32toh(head);
	if (code >= R_CTL_INFO && code <= R_CTL_TLV_COMMAND && !(s->d.features & BIT(SOUND_F_CTLS)))
		return SND_S_NOT_SUPP;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].code == code)
			return query(s, &kinds[i], c, size);
	}
	if (code == R_JACK_REMAP)
		return remap(s, c);
	if (code >= R_PCM_SET_PARAMS && code <= R_PCM_STOP)
		return pcm_request(s, code, c);
	if (code >= R_CTL_ENUM_ITEMS && code <= R_CTL_TLV_COMMAND)
		return sound_ctl_request(s, code, c, size);
	return SND_S_NOT_SUPP;
}

static void request_answer(struct chain *c, uint32_t status, size_t size)
{
	const le32 code = htole32(status);

	if (chain_put(c, &code, sizeof(code)))
		chain_wrote(c, size);
	virtq_push(c);
}

void sound_release_done(struct sound *s, struct sound_stream *st)
{
	struct chain *c = s->release;

	if (s->releases != st || !c)
		return;
	s->release = NULL;
	s->releases = NULL;
	request_answer(c, SND_S_OK, 0);
	virtq_again(vdev_queue(&s->d, SOUND_CONTROLQ));
}

static void sound_kick(struct vdev *d, unsigned int q)
{
	struct sound *s = to_sound(d);
	struct chain *c;

	if (q == SOUND_EVENTQ) {
		events_kick(&s->eventq);
		return;
	}
	if (q != SOUND_CONTROLQ) {
		sound_streams_kick(s, q);
		return;
	}
	while (!s->release && (c = virtq_pop(vdev_queue(d, q)))) {
		size_t size = 0;
		uint32_t status = request_run(s, c, &size);

		if (status)
			request_answer(c, status, size);
	}
}

/* ---- the device */

static void sound_quiesce(struct vdev *d, unsigned int q)
{
	struct sound *s = to_sound(d);

	if (q == SOUND_EVENTQ)
		events_quiesce(&s->eventq);
	else if (q == SOUND_CONTROLQ)
		sound_release_now(s);
	else
		sound_streams_quiesce(s, q);
}

static void sound_reset(struct vdev *d)
{
	struct sound *s = to_sound(d);

	sound_streams_reset(s);
	for (unsigned int i = 0; i < s->njacks; i++)
		s->jack[i].remapped = false;
	events_reset(&s->eventq);
}

static void sound_config(struct vdev *d, void *buf)
{
	const struct sound *s = to_sound(d);
	const struct config config = {
		.jacks = htole32(s->njacks),
		.streams = htole32(s->nstreams),
		.chmaps = htole32(s->nchmaps),
		.controls = htole32(s->ncontrols),
	};

	memcpy(buf, &config, sizeof(config));
}

/* The record "jack". */
struct jack_saved {
	uint8_t id, association, sequence, padding;
} __attribute__((packed));

static void sound_save(struct vdev *d, struct state *state)
{
	struct sound *s = to_sound(d);

	for (unsigned int i = 0; i < s->njacks; i++) {
		const struct jack_saved saved = {(uint8_t)i, s->jack[i].association, s->jack[i].sequence, 0};

		if (s->jack[i].remapped)
			state_put(state, "jack", &saved, sizeof(saved));
	}
	events_save(&s->eventq, state);
	sound_streams_save(s, state);
}

static int jack_load(struct sound *s, const struct state_record *r)
{
	struct jack_saved saved;

	if (strcmp(r->name, "jack") != 0 || r->len != sizeof(saved))
		return -EINVAL;
	memcpy(&saved, r->bytes, sizeof(saved));
	if (saved.id >= s->njacks || saved.association > 15 || saved.sequence > 15)
		return -EINVAL;
	s->jack[saved.id].remapped = true;
	s->jack[saved.id].association = saved.association;
	s->jack[saved.id].sequence = saved.sequence;
	return 0;
}

static int sound_load(struct vdev *d, const struct state_record *r)
{
	struct sound *s = to_sound(d);
	int err = events_load(&s->eventq, r);

	if (err == -ENOENT)
		err = sound_streams_load(s, r);
	return err == -ENOENT ? jack_load(s, r) : err;
}

static unsigned int sound_fds(const struct vdev *d)
{
	/* A PCM with its timer and its poll set; a mixer. */
	return SOUND_STREAMS_MAX * 4 + 16;
}

static struct sound_ctls_args ctls_args(const struct sound *s)
{
	return (struct sound_ctls_args){
		.controls = s->controls,
		.jacks = s->jacks,
		.changed = ctl_changed,
		.plugged = jack_plugged,
	};
}

static void sound_needs(const struct vdev *d, struct sandbox *s)
{
	const struct sound *snd = container_of(d, struct sound, d);
	const struct sound_ctls_args ctls = ctls_args(snd);

	for (unsigned int i = 0; i < snd->nplayback + snd->ncapture; i++) {
		const bool capture = i >= snd->nplayback;
		const struct sound_pcm_args args = {
			.name = capture ? snd->capture[i - snd->nplayback] : snd->playback[i],
			.capture = capture,
			.pace = snd->pace,
		};

		sound_pcm_ops(snd)->needs(&args, s);
	}
	if (sound_ctls_ops(snd))
		sound_ctls_ops(snd)->needs(&ctls, s);
}

static int ctls_open(struct sound *s)
{
	struct sound_ctls_args args = ctls_args(s);
	struct sound_jack_info jack;
	int err;

	s->ctls_ops = sound_ctls_ops(s);
	if (!s->ctls_ops)
		return 0;
	args.loop = s->d.loop;
	args.log = &s->d.log;
	args.control = s->d.control;
	args.user = s;
	s->tlv = malloc(SOUND_TLV_MAX);
	err = s->tlv ? s->ctls_ops->open(&args, &s->ctls, &s->ncontrols, &s->njacks) : -ENOMEM;
	for (unsigned int i = 0; !err && i < s->njacks; i++) {
		err = s->ctls_ops->jack(s->ctls, i, &jack);
		s->jack[i].connected = !err && jack.connected;
	}
	return err;
}

static int sound_open(struct vdev *d)
{
	struct sound *s = to_sound(d);
	const struct events_opts events = {
		.queue = SOUND_EVENTQ,
		.record = sizeof(struct event),
		.room = SOUND_JACKS_MAX + SOUND_CTLS_MAX + 4 * SOUND_STREAMS_MAX,
		.full = EVENTS_DROP_OLDEST,
		.name = "events",
	};
	int err = events_open(&s->eventq, d, &events);

	s->ops = sound_pcm_ops(s);
	if (!err)
		err = sound_streams_open(s);
	if (!err)
		err = ctls_open(s);
	if (!err && !s->ncontrols)
		d->face.features &= ~BIT(SOUND_F_CTLS);
	return err;
}

static void sound_close(struct vdev *d)
{
	struct sound *s = to_sound(d);

	sound_streams_close(s);
	if (s->ctls)
		s->ctls_ops->close(s->ctls);
	free(s->tlv);
	events_close(&s->eventq);
}

static const struct vdev_queue_desc sound_queues[] = {
	[SOUND_CONTROLQ] = {.name = "controlq", .size = 64, .max = SOUND_QUEUE_MAX},
	[SOUND_EVENTQ] = {.name = "eventq", .size = 64, .max = SOUND_QUEUE_MAX},
	[SOUND_TXQ] = {.name = "txq", .size = 64, .max = SOUND_QUEUE_MAX},
	[SOUND_RXQ] = {.name = "rxq", .size = 64, .max = SOUND_QUEUE_MAX},
};

static const struct vdev_feature sound_features[] = {{SOUND_F_CTLS, "ctls"}, {0}};

static const char *check_info(const uint8_t *in, uint32_t used)
{
	le32 code;

	if (used < sizeof(code))
		return "no status was written";
	memcpy(&code, in, sizeof(code));
	if (le32toh(code) != SND_S_OK)
		return "an error status";
	return used == sizeof(code) + sizeof(struct pcm_info) ? NULL : "the answer has not its length";
}

/* PCM_INFO of stream 0. */
static const uint8_t sample_info[16] = {0x00, 0x01, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, sizeof(struct pcm_info)};

static const struct vdev_sample sound_samples[] = {
	{.what = "PCM_INFO",
	 .out = sample_info,
	 .out_len = sizeof(sample_info),
	 .in_len = sizeof(le32) + sizeof(struct pcm_info),
	 .check = check_info},
	{0},
};

static const struct vdev_compat sound_compat = {0};

static const char *const sound_examples[] = {
	"vdevd sound --socket-path=/run/snd.sock --playback=hw:0,0 --capture=hw:0,0 --controls=hw:0 --jacks=hw:0",
	"vdevd sound --socket-path=/run/snd.sock --backend=wav --playback=/var/tmp/heard.wav",
	"vhost-device-sound --socket /run/snd.sock --backend alsa",
	"",
	"# look before you listen, then say no",
	"vdevd sound --socket-path=/run/snd.sock --playback=hw:0,0 --volume-limit=50 --control=/run/snd.ctl &",
	"vdevd ctl /run/snd.ctl levels",
	"vdevd ctl /run/snd.ctl mute 0",
	"guest# aplay -D hw:0,0 music.wav",
	NULL,
};

const struct vdev_class vdev_sound_class = {
	.name = "sound",
	.summary = "sound card",
	.about = MAN(
		"Gives a guest a sound card: streams to play and to record, control elements, jacks, channel maps.  "
		"Each "
		"stream is an ALSA device of the host, a file, or nothing.\n"
		"\n"
		"Frames reach the host as they are, to the bit, in the format, rate and number of channels that the "
		"guest has "
		"chosen of those that the host has.  A message of the guest is given back when it has been heard: its "
		"position "
		"is that of the hardware, and its periods and its buffer are the hardware's.  The latency that the "
		"guest is told "
		"is what lies in the hardware beyond that.  There is no thread.\n"
		"\n"
		"Underflows and overflows are told to the guest, which goes on or prepares the stream again.  A card "
		"that is "
		"unplugged ends its messages with errors; it is looked for when the guest prepares the stream again.\n"
		"\n"
		"The last message of a buffer that was full is kept until there is another one, for half the buffer at "
		"most (50 to 250 ms): a guest that did not run meanwhile takes a whole buffer that was played for "
		"none, "
		"and waits for ever.  So the end of a piece is told that much later.\n"
		"\n"
		"Linux gives a stream up (Input/output error) when none of it comes back for a tenth longer than its "
		"buffer lasts.  Where the host is too busy to run vdevd for that long, --realtime helps, or a longer "
		"buffer in the guest: virtio_snd.pcm_buffer_ms=, 160 if it is not given.\n"
		"\n"
		"A jack can be remapped (association and sequence), which is kept until the device is reset.\n"
		"\n"
		"Commands on the socket of --control: streams shows the streams and their counters; levels shows the "
		"highest "
		"level of each since it was last asked; mute and unmute silence a stream for the guest or for the "
		"host.  "
		"With --backend=sim there are commands for the simulated card, too (help lists them).\n"
		"\n"
		"A guest can move to another host (live migration) that has such streams; one that plays goes on with "
		"one "
		"xrun.  What was not yet heard goes along in the guest's memory.\n"
		"\n"
		"Missing: streams in shared memory and their period events, which the standard has for later versions; "
		"IMA ADPCM."),
	.virtio_id = 25,
	.face.features = BIT(SOUND_F_CTLS),
	.feature_names = sound_features,
	.face.queues = sound_queues,
	.face.nqueues = ARRAY_SIZE(sound_queues),
	.face.config_size = sizeof(struct config),
	.face.any_order = true,
	.opts = sound_opts,
	.commands = sound_commands,
	.inst_size = sizeof(struct sound),
	.samples = sound_samples,
	.compat = &sound_compat,
	.examples = MAN(sound_examples),
	.check = sound_check,
	.open = sound_open,
	.fds = sound_fds,
	.needs = sound_needs,
	.kick = sound_kick,
	.quiesce = sound_quiesce,
	.reset = sound_reset,
	.config = sound_config,
	.save = sound_save,
	.load = sound_load,
	.close = sound_close,
};
