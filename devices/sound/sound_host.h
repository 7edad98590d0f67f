/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_host.h - what the sound device wants of a host: PCM streams, and control elements with jacks.  The
 * implementations: ALSA's (sound_alsa.c, sound_mixer.c), and cards of software (sound_card.h): sound_null.c,
 * sound_wav.c, sound_sim.c.
 *
 * Places in a stream are bytes since it was prepared, always at the border of a frame.
 */
#ifndef VDEVD_DEVICES_SOUND_SOUND_HOST_H
#define VDEVD_DEVICES_SOUND_SOUND_HOST_H

#include <sys/types.h>

#include "core/base.h"
#include "core/log.h"
#include "core/sandbox.h"
#include "devices/sound/sound_pcm.h"

struct control;
struct ev_loop;
struct sound_host_pcm;
struct sound_host_ctls;

/* Wakes nobody but for a failure. */
#define SOUND_NEVER UINT64_MAX

/* The words of --pace. */
enum sound_pace {
	SOUND_PACE_REAL,    /* as time passes */
	SOUND_PACE_FREE,    /* at once */
	SOUND_PACE_CONTROL, /* as the control socket says */
};

struct sound_pcm_args {
	struct ev_loop *loop;
	struct log *log;
	struct control *control; /* NULL: there is no socket */
	const char *name;	 /* of --playback or --capture: an ALSA name, a file; "" where it has none */
	unsigned int id;	 /* the stream's */
	bool capture, loop_file;
	enum sound_pace pace;
	const uint64_t *clock; /* of SOUND_PACE_CONTROL, ns */
	/*
	 * The place that was asked for has come, or the stream has failed: the stream is to be looked at.  Also when it
	 * was not asked for.  Called from the loop, not from within another function of the host.
	 */
	void (*ready)(void *user);
	void *user;
};

struct sound_pcm_ops {
	/*
	 * Makes the stream, and says what it can do.  Returns 0 and *out (end with close), or -errno after it has
	 * logged why.
	 */
	int (*open)(const struct sound_pcm_args *args, struct sound_host_pcm **out, struct sound_caps *caps);
	void (*close)(struct sound_host_pcm *p);
	/* What it does with the host once it serves. */
	void (*needs)(const struct sound_pcm_args *args, struct sandbox *s);
	/*
	 * Whether it could be prepared with parameters that its capabilities allow.  Returns 0; -EOPNOTSUPP: not this
	 * combination; or another -errno.  NULL: always.
	 */
	int (*check)(struct sound_host_pcm *p, const struct sound_params *params);
	/* Takes what the stream needs to run; it is at place 0 then.  Returns 0, -EOPNOTSUPP, or -errno. */
	int (*prepare)(struct sound_host_pcm *p, const struct sound_params *params);
	/* Gives that back.  Also of a stream that is not prepared. */
	void (*release)(struct sound_host_pcm *p);
	/* Runs from here on.  Returns 0 or -errno. */
	int (*start)(struct sound_host_pcm *p);
	/*
	 * Stands still.  What was written and not played is forgotten, and has to be written again.  Returns the place,
	 * up to which it has played or was read.
	 */
	uint64_t (*stop)(struct sound_host_pcm *p);
	/*
	 * Takes whole frames to be played.  Returns how many bytes; 0: there is no room now; -EPIPE: it has run empty,
	 * and wants to be recovered; -ENODEV: the card is gone; or another -errno.
	 */
	ssize_t (*write)(struct sound_host_pcm *p, const uint8_t *buf, size_t len);
	/* Gives whole frames that were captured.  Returns as write; -EPIPE: frames were lost. */
	ssize_t (*read)(struct sound_host_pcm *p, uint8_t *buf, size_t len);
	/*
	 * Up to which place it has played (capture: how far there is something to read), and how many bytes lie in the
	 * hardware behind (before) that.  Returns 0, -EPIPE, -ENODEV, or another -errno.
	 */
	int (*place)(struct sound_host_pcm *p, uint64_t *place, uint32_t *latency);
	/* Asks for ready at this place, instead of any before; what was written begins to play.  SOUND_NEVER: nothing
	 * waits. */
	void (*wake)(struct sound_host_pcm *p, uint64_t place);
	/* After -EPIPE, while it is started: goes on from the last place that was written or read.  Returns 0 or
	 * -errno. */
	int (*recover)(struct sound_host_pcm *p);
	/* Makes a fault, of a simulated card.  Returns 0, or -EINVAL: it knows none of this name.  NULL: it is none. */
	int (*fault)(struct sound_host_pcm *p, const char *what);
	/* How many bytes a simulated card has played, and their checksum (FNV-1a).  NULL: it is none. */
	uint32_t (*heard)(const struct sound_host_pcm *p, uint64_t *bytes);
};

/* VIRTIO_SND_CTL_TYPE_*, and how many values an element of that type has at most. */
enum sound_ctl_type {
	SOUND_CTL_BOOLEAN,
	SOUND_CTL_INTEGER,
	SOUND_CTL_INTEGER64,
	SOUND_CTL_ENUMERATED,
	SOUND_CTL_BYTES,
	SOUND_CTL_IEC958,
	SOUND_CTL_TYPES,
};

/* VIRTIO_SND_CTL_ROLE_*; the device adds the direction. */
enum {
	SOUND_ROLE_UNDEFINED,
	SOUND_ROLE_VOLUME,
	SOUND_ROLE_MUTE,
	SOUND_ROLE_GAIN,
};

/* VIRTIO_SND_CTL_ACCESS_*, as bits. */
enum {
	SOUND_ACCESS_READ = 1,
	SOUND_ACCESS_WRITE = 2,
	SOUND_ACCESS_VOLATILE = 4,
	SOUND_ACCESS_INACTIVE = 8,
	SOUND_ACCESS_TLV_READ = 16,
	SOUND_ACCESS_TLV_WRITE = 32,
	SOUND_ACCESS_TLV_COMMAND = 64,
};

/* VIRTIO_SND_CTL_EVT_MASK_*, as bits. */
enum {
	SOUND_CHANGED_VALUE = 1,
	SOUND_CHANGED_INFO = 2,
	SOUND_CHANGED_TLV = 4,
};

#define SOUND_CTL_VALUES    128
#define SOUND_CTL_BYTES_MAX 512
#define SOUND_IEC958_SIZE   176
#define SOUND_TLV_MAX	    (65536 + 8)

/* An element. */
struct sound_ctl_info {
	uint8_t role, type, access;
	bool capture;
	uint32_t count, index;
	char name[44]; /* ends with a zero; not empty */
	int64_t min, max, step;
	uint32_t items; /* of an enumeration */
};

/* Its values: numbers, or the bytes of BYTES and IEC958. */
struct sound_ctl_value {
	int64_t n[SOUND_CTL_VALUES];
	uint8_t bytes[SOUND_CTL_BYTES_MAX];
};

/* A jack. */
struct sound_jack_info {
	char name[44];
	bool capture, connected;
	uint32_t defconf, caps; /* HDA: 7.3.3.31, 7.3.4.9 */
};

struct sound_ctls_args {
	struct ev_loop *loop;
	struct log *log;
	struct control *control;
	const char *controls, *jacks; /* "hw:0:Master*"; NULL: none */
	void (*changed)(void *user, unsigned int id, unsigned int what);
	void (*plugged)(void *user, unsigned int jack, bool connected);
	void *user;
};

/* A card's elements and jacks.  The numbers are those from 0 to ncontrols, njacks. */
struct sound_ctls_ops {
	/* Returns 0, *out and how many of each there are, or -errno after it has logged why. */
	int (*open)(const struct sound_ctls_args *args, struct sound_host_ctls **out, unsigned int *ncontrols,
		    unsigned int *njacks);
	void (*close)(struct sound_host_ctls *c);
	void (*needs)(const struct sound_ctls_args *args, struct sandbox *s);
	int (*info)(struct sound_host_ctls *c, unsigned int id, struct sound_ctl_info *info);
	/* The name of an item, below info's items. */
	int (*item)(struct sound_host_ctls *c, unsigned int id, unsigned int item, char name[static 64]);
	int (*read)(struct sound_host_ctls *c, unsigned int id, struct sound_ctl_value *v);
	/* Values are checked against info.  Returns 0 or -errno. */
	int (*write)(struct sound_host_ctls *c, unsigned int id, const struct sound_ctl_value *v);
	/* Returns the length of the metadata, at most size, a multiple of 4; or -errno.  In the host's byte order. */
	ssize_t (*tlv_read)(struct sound_host_ctls *c, unsigned int id, uint32_t *tlv, size_t size);
	int (*tlv_write)(struct sound_host_ctls *c, unsigned int id, const uint32_t *tlv, size_t len, bool command);
	int (*jack)(struct sound_host_ctls *c, unsigned int jack, struct sound_jack_info *info);
};

extern const struct sound_pcm_ops sound_alsa_ops;
extern const struct sound_pcm_ops sound_null_ops;
extern const struct sound_pcm_ops sound_wav_ops;
extern const struct sound_pcm_ops sound_sim_ops;
extern const struct sound_ctls_ops sound_mixer_ops;
extern const struct sound_ctls_ops sound_sim_ctls_ops;

/* Whether this build has alsa-lib. */
extern const bool sound_has_alsa;

#endif
