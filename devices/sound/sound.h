/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound.h - the parts of the sound device: VIRTIO 1.4, section 5.14.
 *
 *	sound.c         controlq and eventq, the life of the device
 *	sound_stream.c  txq and rxq: messages, their way to the host and back
 *	sound_pcm.c     the states of a stream, its parameters
 *	sound_level.c   samples: levels, volume, silence
 *	sound_ctl.c     control elements
 *	sound_opts.c    options, commands
 *	sound_alsa.c, sound_mixer.c, sound_null.c, sound_wav.c, sound_sim.c  the host
 */
#ifndef VDEVD_DEVICES_SOUND_SOUND_H
#define VDEVD_DEVICES_SOUND_SOUND_H

#include "core/control.h"
#include "core/device.h"
#include "core/loop.h"
#include "devices/lib/events.h"
#include "devices/sound/sound_host.h"
#include "transport/chain.h"

#define SOUND_CONTROLQ 0
#define SOUND_EVENTQ   1
#define SOUND_TXQ      2
#define SOUND_RXQ      3

#define SOUND_QUEUE_MAX 1024

#define SOUND_F_CTLS 0

/* The most streams, and the most jacks, of a device. */
#define SOUND_STREAMS_MAX 16
#define SOUND_JACKS_MAX	  32
#define SOUND_CTLS_MAX	  1024

/* VIRTIO_SND_S_* */
enum {
	SND_S_OK = 0x8000,
	SND_S_BAD_MSG,
	SND_S_NOT_SUPP,
	SND_S_IO_ERR,
};

/* VIRTIO_SND_EVT_* */
enum {
	SND_EVT_JACK_CONNECTED = 0x1000,
	SND_EVT_JACK_DISCONNECTED,
	SND_EVT_PCM_PERIOD_ELAPSED = 0x1100,
	SND_EVT_PCM_XRUN,
	SND_EVT_CTL_NOTIFY = 0x1200,
};

/* A message of txq or rxq that is held. */
struct sound_msg {
	struct chain *chain;
	struct sound_msg *next;
	uint32_t len;  /* bytes of frames */
	uint32_t done; /* of them written to or read from the host */
};

struct sound_stream {
	struct sound *s;
	unsigned int id;
	bool capture;
	struct sound_pcm_args args;
	struct sound_host_pcm *host;
	struct sound_caps caps;
	/* guest */
	enum sound_pcm_state state;
	struct sound_params params;
	struct sound_msg *first, *last; /* messages held, in order */
	uint64_t at;			/* the place where the first begins */
	uint64_t sent;			/* the place up to which the host has frames, or has given them */
	uint64_t base;			/* the place where the host's places begin */
	uint32_t held;			/* bytes of the messages held */
	uint32_t skip;			/* of the next message so much is done: it was held when its ring stopped */
	bool started;			/* the host runs */
	bool starved;			/* it has run empty */
	bool dead;		/* it has failed: messages are answered with errors until it is prepared again */
	bool releasing, looked; /* RELEASE is under way; its ring was found empty */
	bool polls;		/* it is looked at by time, for the driver does not kick */
	struct ev_timer poll;
	struct ev_timer patience; /* until the last message is given back */
	bool filled;		  /* the messages held were a whole buffer, since it was prepared */
	bool kept;		  /* the first message is over, and is kept, for it is the last */
	bool give_last;
	uint64_t give_at;	 /* when, by the clock of --pace=control */
	struct loop_again go_on; /* a long piece of work is cut */
	/* operator */
	bool muted;
	uint32_t peak;		       /* of 2^31, since it was last asked for */
	uint64_t bytes, xruns, errors; /* of frames; of underflows and overflows; of messages */
};

enum sound_backend {
	SOUND_BACKEND_AUTO,
	SOUND_BACKEND_ALSA,
	SOUND_BACKEND_NULL,
	SOUND_BACKEND_WAV,
	SOUND_BACKEND_SIM,
	SOUND_BACKEND_PIPEWIRE, /* a word of vhost-device-sound */
	SOUND_BACKEND_GSTREAMER,
};

#define SOUND_NAMES_MAX 8

struct sound {
	struct vdev d;
	/* options */
	unsigned int backend, pace;
	const char *playback[SOUND_NAMES_MAX], *capture[SOUND_NAMES_MAX];
	unsigned int nplayback, ncapture;
	const char *controls, *jacks;
	bool loop_file, polling;
	uint64_t max_rate, max_channels;
	uint64_t volume_limit; /* percent */
	/* host */
	const struct sound_pcm_ops *ops;
	const struct sound_ctls_ops *ctls_ops;
	struct sound_host_ctls *ctls;
	unsigned int ncontrols, njacks, nchmaps;
	struct sound_stream streams[SOUND_STREAMS_MAX];
	unsigned int nstreams;
	struct {
		bool connected, remapped;
		uint8_t association, sequence;
	} jack[SOUND_JACKS_MAX];
	uint64_t clock;	 /* ns; of --pace=control */
	uint8_t *bounce; /* SOUND_BOUNCE bytes: frames on their way */
	uint32_t *tlv;	 /* SOUND_TLV_MAX bytes */
	/* guest */
	struct sound_msg *msgs[2]; /* by the index of a chain: of txq, of rxq */
	struct events eventq;
	struct chain *release; /* a RELEASE that is not yet answered, and whose */
	struct sound_stream *releases;
};

/* Frames on their way between a chain and the host. */
#define SOUND_BOUNCE 16384

static inline struct sound *to_sound(struct vdev *d)
{
	return container_of(d, struct sound, d);
}

/* sound.c */

/* Tells the driver. */
void sound_event(struct sound *s, uint32_t code, uint32_t data);

/* Whether an event of that code about this stream, jack or element waits for the driver. */
bool sound_event_waits(const struct sound *s, uint32_t code, uint32_t data);

/* A stream's RELEASE is over: its messages are given back, and its ring was looked through. */
void sound_release_done(struct sound *s, struct sound_stream *st);

/* sound_stream.c */

/* Makes the streams of the options.  Returns 0 or -errno after a line. */
int sound_streams_open(struct sound *s);
void sound_streams_close(struct sound *s);

/* A request that moves a stream.  params: of SET_PARAMS.  Returns a status; 0: RELEASE has begun. */
uint32_t sound_stream_ask(struct sound_stream *st, enum sound_pcm_ask ask, const struct sound_params *params);

/* class->kick for txq and rxq; class->quiesce for them: messages go back, streams stand still. */
void sound_streams_kick(struct sound *s, unsigned int q);
void sound_streams_quiesce(struct sound *s, unsigned int q);
/* class->reset. */
void sound_streams_reset(struct sound *s);

/* The features that a stream offers. */
uint32_t sound_stream_features(const struct sound_stream *st);

/* Looks at all streams: the clock has been moved, or a fault was made. */
void sound_streams_look(struct sound *s);

/* Answers what a RELEASE waits for at once: its ring stops. */
void sound_release_now(struct sound *s);

void sound_streams_save(struct sound *s, struct state *state);
/* Returns 0; -ENOENT: not their record; -EINVAL. */
int sound_streams_load(struct sound *s, const struct state_record *r);

/* sound_ctl.c */

/*
 * A request about an element: code is VIRTIO_SND_R_CTL_*, but INFO.  Writes what belongs behind the status, *size
 * bytes. Returns a status.
 */
uint32_t sound_ctl_request(struct sound *s, uint32_t code, struct chain *c, size_t *size);
/* Fills in struct virtio_snd_ctl_info, SOUND_CTL_INFO_SIZE bytes.  Returns whether the host has told it. */
#define SOUND_CTL_INFO_SIZE (24 + 44 + 24)
bool sound_ctl_info(struct sound *s, unsigned int id, uint8_t out[static SOUND_CTL_INFO_SIZE]);

/* sound_opts.c */

extern const struct opt sound_opts[];
extern const struct control_command sound_commands[];
int sound_check(struct vdev *d);
/* What the options make of the host, also where nothing is open. */
const struct sound_pcm_ops *sound_pcm_ops(const struct sound *s);
const struct sound_ctls_ops *sound_ctls_ops(const struct sound *s);

#endif
