/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_opts.c - options of the sound device, and its commands on the control socket.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/control.h"
#include "devices/sound/sound.h"

static const char *const backend_words[] = {[SOUND_BACKEND_AUTO] = "auto",
					    [SOUND_BACKEND_ALSA] = "alsa",
					    [SOUND_BACKEND_NULL] = "null",
					    [SOUND_BACKEND_WAV] = "wav",
					    [SOUND_BACKEND_SIM] = "sim",
					    [SOUND_BACKEND_PIPEWIRE] = "pipewire",
					    [SOUND_BACKEND_GSTREAMER] = "gstreamer",
					    NULL};

#define PACE_AUTO 3

static const char *const pace_words[] = {[SOUND_PACE_REAL] = "real",
					 [SOUND_PACE_FREE] = "free",
					 [SOUND_PACE_CONTROL] = "control",
					 [PACE_AUTO] = "auto",
					 NULL};

/* Options that name a stream. */
enum { NAMES_PLAYBACK, NAMES_CAPTURE };

static int set_name(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct sound *s = obj;
	unsigned int *n = o->kind == NAMES_CAPTURE ? &s->ncapture : &s->nplayback;
	const char **names = o->kind == NAMES_CAPTURE ? s->capture : s->playback;

	if (!value[0]) {
		snprintf(why, why_size, "a name is wanted");
		return -EINVAL;
	}
	if (*n == SOUND_NAMES_MAX) {
		snprintf(why, why_size, "at most %u can be given", SOUND_NAMES_MAX);
		return -EINVAL;
	}
	names[(*n)++] = value;
	return 0;
}

const struct sound_pcm_ops *sound_pcm_ops(const struct sound *s)
{
	return s->backend == SOUND_BACKEND_NULL	 ? &sound_null_ops
	       : s->backend == SOUND_BACKEND_WAV ? &sound_wav_ops
	       : s->backend == SOUND_BACKEND_SIM ? &sound_sim_ops
						 : &sound_alsa_ops;
}

const struct sound_ctls_ops *sound_ctls_ops(const struct sound *s)
{
	return s->backend == SOUND_BACKEND_SIM ? &sound_sim_ctls_ops
	       : s->controls || s->jacks       ? &sound_mixer_ops
					       : NULL;
}

/* What is wrong with the options, or NULL. */
static const char *options_wrong(const struct sound *s)
{
	const unsigned int names = s->nplayback + s->ncapture;

	if (s->backend == SOUND_BACKEND_GSTREAMER)
		return "--backend=gstreamer: there is alsa, null, wav or sim";
	if (s->backend == SOUND_BACKEND_AUTO && !names)
		return "no stream: --playback=hw:0,0 or --capture=hw:0,0 is wanted, or --backend=null";
	if ((s->backend == SOUND_BACKEND_AUTO || s->backend == SOUND_BACKEND_ALSA ||
	     s->backend == SOUND_BACKEND_PIPEWIRE || s->controls || s->jacks) &&
	    !sound_has_alsa)
		return "this build is without alsa-lib: it has --backend=null, wav and sim only";
	if (s->backend == SOUND_BACKEND_WAV && !names)
		return "--backend=wav: --playback=FILE or --capture=FILE is wanted";
	if ((s->backend == SOUND_BACKEND_NULL || s->backend == SOUND_BACKEND_SIM ||
	     s->backend == SOUND_BACKEND_PIPEWIRE) &&
	    names)
		return "--playback and --capture go with --backend=alsa and wav only";
	if (s->backend == SOUND_BACKEND_SIM && (s->controls || s->jacks))
		return "--controls and --jacks: --backend=sim has its own";
	if (s->loop_file && s->backend != SOUND_BACKEND_WAV)
		return "--loop goes with --backend=wav only";
	if (s->pace != PACE_AUTO && s->backend != SOUND_BACKEND_NULL && s->backend != SOUND_BACKEND_WAV &&
	    s->backend != SOUND_BACKEND_SIM)
		return "--pace goes with --backend=null, wav and sim only: an ALSA device has its own";
	return NULL;
}

/* A stream of either direction where none is named. */
static void default_names(struct sound *s)
{
	const char *name = s->backend == SOUND_BACKEND_NULL	  ? "null"
			   : s->backend == SOUND_BACKEND_SIM	  ? "sim"
			   : s->backend == SOUND_BACKEND_PIPEWIRE ? "pipewire"
								  : "default";

	if (s->nplayback + s->ncapture)
		return;
	s->playback[s->nplayback++] = name;
	s->capture[s->ncapture++] = name;
}

int sound_check(struct vdev *d)
{
	struct sound *s = to_sound(d);
	const char *wrong = options_wrong(s);

	if (wrong) {
		log_usage(&d->log, "%s", wrong);
		return -EINVAL;
	}
	default_names(s);
	if (s->backend == SOUND_BACKEND_AUTO || s->backend == SOUND_BACKEND_PIPEWIRE)
		s->backend = SOUND_BACKEND_ALSA;
	if (s->pace == PACE_AUTO)
		s->pace = s->backend == SOUND_BACKEND_SIM ? SOUND_PACE_CONTROL : SOUND_PACE_REAL;
	if (!sound_ctls_ops(s))
		d->face.features &= ~BIT(SOUND_F_CTLS);
	return 0;
}

/* ---- commands */

/* The stream that a word names, or NULL with a reason. */
static struct sound_stream *stream_named(struct sound *s, const char *text, char *why, size_t why_size)
{
	uint64_t id;

	if (opt_parse_number(text, false, &id) == 0 && id < s->nstreams)
		return &s->streams[id];
	snprintf(why, why_size, "'%.40s': the number of a stream, below %u, is wanted", text, s->nstreams);
	return NULL;
}

static int run_streams(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sound *s = arg;

	for (unsigned int i = 0; i < s->nstreams; i++) {
		const struct sound_stream *st = &s->streams[i];

		unsigned int held = 0;

		for (const struct sound_msg *m = st->first; m; m = m->next)
			held++;
		control_say(c, "%u %s %s %s %s %u %u held %u bytes %llu xruns %llu errors %llu%s%s", i,
			    st->capture ? "capture" : "playback", st->args.name, sound_pcm_state_name(st->state),
			    st->params.channels ? sound_format_name(st->params.format) : "-",
			    st->params.channels ? sound_rate_hz(st->params.rate) : 0, st->params.channels, held,
			    (unsigned long long)st->bytes, (unsigned long long)st->xruns,
			    (unsigned long long)st->errors, st->muted ? " muted" : "", st->dead ? " failed" : "");
	}
	return 0;
}

static int run_levels(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sound *s = arg;

	for (unsigned int i = 0; i < s->nstreams; i++) {
		const uint64_t tenths = ((uint64_t)s->streams[i].peak * 1000 + 0x40000000) / 0x7fffffff;

		control_say(c, "%u %s peak %llu.%llu%%", i, s->streams[i].capture ? "capture" : "playback",
			    (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10));
		s->streams[i].peak = 0;
	}
	return 0;
}

static int mute(void *arg, char **argv, bool muted, char *why, size_t why_size)
{
	struct sound_stream *st = stream_named(arg, argv[0], why, why_size);

	if (!st)
		return -EINVAL;
	st->muted = muted;
	return 0;
}

static int run_mute(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	return mute(arg, argv, true, why, why_size);
}

static int run_unmute(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	return mute(arg, argv, false, why, why_size);
}

static int run_advance(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sound *s = arg;
	uint64_t us;

	if (s->pace != SOUND_PACE_CONTROL) {
		snprintf(why, why_size, "goes with --pace=control");
		return -EINVAL;
	}
	if (opt_parse_number(argv[0], false, &us) < 0 || us > 3600000000) {
		snprintf(why, why_size, "'%.40s': microseconds, at most an hour, are wanted", argv[0]);
		return -EINVAL;
	}
	s->clock += us * 1000;
	sound_streams_look(s);
	return 0;
}

static int run_fault(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sound *s = arg;
	struct sound_stream *st = stream_named(s, argv[0], why, why_size);

	if (!st)
		return -EINVAL;
	if (!s->ops->fault || s->ops->fault(st->host, argv[1]) < 0) {
		snprintf(why, why_size, "xrun, fail, unplug or plug is wanted, with --backend=sim");
		return -EINVAL;
	}
	sound_streams_look(s);
	return 0;
}

static int run_heard(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sound *s = arg;
	struct sound_stream *st = stream_named(s, argv[0], why, why_size);
	uint64_t bytes = 0;
	uint32_t sum;

	if (!st)
		return -EINVAL;
	if (!s->ops->heard) {
		snprintf(why, why_size, "goes with --backend=sim");
		return -EINVAL;
	}
	sum = s->ops->heard(st->host, &bytes);
	control_say(c, "%llu %08lx", (unsigned long long)bytes, (unsigned long)sum);
	return 0;
}

const struct control_command sound_commands[] = {
	{"streams", "", "show the streams and their counters", 0, 0, run_streams},
	{"levels", "", "show the highest level of each since last asked", 0, 0, run_levels},
	{"mute", "STREAM", "silence a stream", 1, 1, run_mute},
	{"unmute", "STREAM", "let it be heard again", 1, 1, run_unmute},
	{"advance", "MICROSECONDS", "move the clock of --pace=control", 1, 1, run_advance},
	{"fault", "STREAM xrun|fail|unplug|plug", "make a fault of the simulated card", 2, 2, run_fault},
	{"heard", "STREAM", "show how many bytes the simulated card has played", 1, 1, run_heard},
	{0},
};

const struct opt sound_opts[] = {
	{
		.name = "playback",
		.type = OPT_CALL,
		.arg = "NAME",
		.kind = NAMES_PLAYBACK,
		.help = "a stream to play: hw:0,0, or a file",
		.man = MAN(
			"An output stream of the guest, repeatable, at most 8: an ALSA device (aplay -L lists "
			"them), or with "
			"--backend=wav a file.  Devices hw:CARD,DEVICE and plughw:CARD,DEVICE are opened when vdevd "
			"starts, and kept: no "
			"other program has them meanwhile.  They keep to the sandbox.\n"
			"\n"
			"Other ALSA names (default, dmix, pulse, pipewire) run what the ALSA configuration says "
			"inside vdevd: shared memory, sockets, threads, a process that serves dmix.  The sandbox does "
			"not know what that takes, and would end vdevd: name --sandbox=none, or the layers that your "
			"configuration leaves whole.  Tried: dmix and dsnoop, with --sandbox=all,-seccomp, which have "
			"one format, rate and number of channels, and with plug before them any "
			"(plug:\"dmix:CARD=PCH\"); PulseAudio 16.1, --playback=pulse --sandbox=none, with "
			"PULSE_SERVER=unix:/run/pulse/native in the environment where it is not the user's own; "
			"PipeWire 0.3.65, --playback=pipewire --sandbox=none, with XDG_RUNTIME_DIR=/run/user/UID of "
			"the "
			"user whose it is."),
		.set = set_name,
	},
	{
		.name = "capture",
		.type = OPT_CALL,
		.arg = "NAME",
		.kind = NAMES_CAPTURE,
		.help = "a stream to record: hw:0,0, or a file",
		.man = MAN("An input stream of the guest, as --playback.  The first of both are one device of the "
			   "guest's (hw:0,0), the second "
			   "another (hw:0,1).  A file is played from its begin whenever the guest prepares the stream; "
			   "behind its end is "
			   "silence."),
		.set = set_name,
	},
	{
		.name = "controls",
		.type = OPT_TEXT,
		.off = offsetof(struct sound, controls),
		.arg = "CARD[:NAMES]",
		.help = "control elements: hw:0, hw:0:Master*",
		.man = MAN("Control elements of an ALSA card that the guest may read and write: all, or those whose "
			   "names are listed, parted "
			   "by commas, a * at the end for any rest.  Elements of the card and its mixer are meant, not "
			   "those that "
			   "belong to a PCM."),
	},
	{
		.name = "jacks",
		.type = OPT_TEXT,
		.off = offsetof(struct sound, jacks),
		.arg = "CARD",
		.help = "jacks of this card: hw:0",
		.man = MAN("Jacks of an ALSA card that the guest sees, and is told of when something is plugged in."),
	},
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct sound, backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "auto",
		.help = "alsa, null, wav or sim",
		.man = MAN("alsa: ALSA devices; where none is named, the one called default for both directions.  "
			   "null: nothing is heard, "
			   "silence is recorded.  wav: files.  sim: a simulated card with control elements and jacks, "
			   "moved by the socket of "
			   "--control.  auto: alsa where a stream is named.  pipewire, a word of vhost-device-sound, "
			   "is the ALSA device of "
			   "that name; gstreamer is refused."),
	},
	{
		.name = "pace",
		.rare = true,
		.type = OPT_WORD,
		.off = offsetof(struct sound, pace),
		.words = pace_words,
		.arg = "WORD",
		.def = "auto",
		.help = "of null, wav, sim: real, free or control",
		.man = MAN("How fast a card of software is: real, as time passes; free, what is played as fast as the "
			   "guest can (input keeps to time); control, as the command "
			   "advance says.  auto is real, and for sim control."),
	},
	{
		.name = "loop",
		.type = OPT_FLAG,
		.off = offsetof(struct sound, loop_file),
		.help = "a file that is recorded from begins again",
	},
	{
		.name = "max-rate",
		.type = OPT_UINT,
		.off = offsetof(struct sound, max_rate),
		.arg = "HZ",
		.min = 5512,
		.max = 384000,
		.help = "frames in a second at most: 48000",
		.man = MAN("Rates above are not offered to the guest."),
	},
	{
		.name = "max-channels",
		.rare = true,
		.type = OPT_UINT,
		.off = offsetof(struct sound, max_channels),
		.arg = "N",
		.min = 1,
		.max = SOUND_CHANNELS_MAX,
		.help = "channels of a stream at most",
	},
	{
		.name = "volume-limit",
		.type = OPT_UINT,
		.off = offsetof(struct sound, volume_limit),
		.arg = "PERCENT",
		.def = "100",
		.max = 100,
		.help = "how loud the guest can be at most (100)",
		.man = MAN("What is played is made lower: each sample is multiplied by so many percent.  Formats that "
			   "are not linear are not "
			   "offered then.  At 100 samples are left alone."),
	},
	{
		.name = "polling",
		.rare = true,
		.type = OPT_FLAG,
		.off = offsetof(struct sound, polling),
		.help = "offer MSG_POLLING: the guest does not kick",
		.man = MAN(
			"Offer VIRTIO_SND_PCM_F_MSG_POLLING, which Linux' driver takes whenever it is there: it does "
			"not kick then, and "
			"vdevd looks at its ring four times in a period.  For guests whose kicks cost more than that."),
	},
	{0},
};
