/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_camera.h - a capture device whose buffers are vdevd's own: Documentation/userspace-api/media/v4l/dev-capture.rst.
 *
 * What is in its pictures is a source's: one that is made up, a file, a camera of the host that several guests see.  All files of a
 * camera see one format and one set of controls; one of them has the buffers.  A frame for which no buffer is there is lost, and
 * counts: its number is missing.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_CAMERA_H
#define VDEVD_DEVICES_MEDIA_MEDIA_CAMERA_H

#include "devices/media/media_controls.h"
#include "devices/media/media_queue.h"

struct media_share;
struct media_source;

struct media_file {
	struct media_host *h;
	void *user;
	struct media_subscriptions told; /* of controls */
	bool subscribed;		 /* to other events */
	uint32_t sequence;		 /* of those */
	struct media_file *next;
};

struct media_host {
	const struct media_host_args *args;
	struct media_source *source; /* what is seen now */
	struct media_source *own;    /* that of the options */
	struct media_share *share;   /* --share, or NULL */
	char card[33];		     /* of a source that has one; otherwise empty */
	struct media_file *files;
	struct media_queue queue;
	struct media_picture picture; /* its format; no bytes: len is what a buffer needs at least */
	unsigned int rate;	      /* index of media_camera_rates */
	bool running;
	uint32_t frame; /* since it began to run */
	uint64_t frames, lost;
	struct ev_timer due;
};

/* Where pictures come from.  Embedded in the source's own struct. */
struct media_source {
	const struct media_source_ops *ops;
	struct media_host *h;
};

struct media_source_ops {
	const char *card; /* what the guest sees where the operator names nothing */
	bool timed;	  /* its frames are due at media_host.rate; otherwise it calls media_camera_frame */
	void (*needs)(const struct media_host_args *args, struct sandbox *s);
	/* Returns 0 and *out, or -errno after a line. */
	int (*start)(struct media_host *h, struct media_source **out);
	void (*stop)(struct media_source *s);
	/* Another guest comes: what the last one has set is forgotten, where it is vdevd's.  Sets media_host.picture. */
	void (*reset)(struct media_source *s);
	/* Makes *f what the source can do that is nearest; set: and does it, with media_host.picture.  Returns 0 or -errno. */
	int (*format)(struct media_source *s, struct media_format *f, bool set);
	/* Ioctls that are not about formats that are set, and buffers.  Returns 0 or -errno. */
	int (*ioctl)(struct media_source *s, struct media_file *f, uint32_t code, struct media_payload *p);
	/* Frames are wanted, or not any more; NULL: that is nothing to it.  Returns 0 or -errno. */
	int (*run)(struct media_source *s, bool on);
	/* Writes the picture that is due: at most media_host.picture.len bytes.  Returns how many; 0: there is none. */
	uint32_t (*fill)(struct media_source *s, uint8_t *bytes, uint32_t frame, uint64_t us);
	/* The frame was given to all who wanted it; may be NULL. */
	void (*next)(struct media_source *s);
	void (*show)(struct media_source *s, struct control_client *c); /* may be NULL */
};

/* Frames a second. */
#define MEDIA_RATES	   8
#define MEDIA_DEFAULT_RATE 3
extern const uint32_t media_camera_rates[MEDIA_RATES];

/* A frame is there, of this number and time of CLOCK_MONOTONIC: it is given to all who want it. */
void media_camera_frame(struct media_host *h, uint32_t frame, uint64_t us);

/* Who wants frames has changed: the source runs, or not.  Returns 0, or -errno of the source. */
int media_camera_look(struct media_host *h);

/* The camera is unplugged: all files fail. */
void media_camera_gone(struct media_host *h);

/* An event for all who have subscribed to others than controls. */
void media_camera_event(struct media_host *h, const struct media_v4l2_event *e);

/* Another source is seen from now on; there are no files. */
void media_camera_turn(struct media_host *h, struct media_source *s);

/* G_PARM, S_PARM, and ENUM_FRAMEINTERVALS of a size that is known, of a source that is timed. */
int media_camera_parm(struct media_host *h, uint32_t code, struct media_payload *p);

/* ENUMINPUT, G_INPUT, S_INPUT: there is one. */
int media_camera_input(uint32_t code, struct media_payload *p);

/*
 * Of a source that has one format and one size: ENUM_FMT and ENUM_FRAMESIZES; of ENUM_FRAMEINTERVALS whether it is those.
 * Returns 0 or -EINVAL.
 */
int media_camera_single(const struct media_host *h, uint32_t code, struct media_payload *p);

/* media_source_ops.format of such a source. */
int media_camera_keep(struct media_source *s, struct media_format *f, bool set);

/* Of a picture as G_FMT tells it; what p does not say is left. */
void media_camera_pix(const struct media_picture *p, struct media_format *out);

/* Whether the operator allows a pixel format. */
bool media_camera_allows(const struct media_host *h, uint32_t fourcc);

uint64_t media_now_us(void);

#endif
