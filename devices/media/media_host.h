/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_host.h - where pictures come from and go to: a camera that is made up, files, a V4L2 device of the host.
 *
 * A file of the host is what open(2) of a V4L2 device gives: one for each session of the guest.  Payloads are those of the wire
 * (media_wire.h), and were checked (media_ioctl_check); nothing waits for hardware.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_HOST_H
#define VDEVD_DEVICES_MEDIA_MEDIA_HOST_H

#include <ev.h>

#include "core/control.h"
#include "core/device.h"
#include "devices/media/media_ioctl.h"
#include "devices/media/media_mem.h"

#define MEDIA_BUFFERS_MAX 32 /* of a queue: V4L2's VIDEO_MAX_FRAME */

/* A picture, for who looks at it: bytes may be written to by the guest at any time. */
struct media_picture {
	const uint8_t *bytes;
	size_t len;
	uint32_t pixelformat, width, height, bytesperline;
};

/* What a host tells; user is that of media_host_ops.open. */
struct media_user_ops {
	/* A buffer is done, as after DQBUF; planes: as many as its type has, or NULL.  picture: NULL where there is none to be seen. */
	void (*dequeued)(void *user, const struct media_buffer *b, const struct media_plane *planes, const struct media_picture *picture);
	/* Whether there is room for another dequeued; where there is not, the buffer stays the host's, and resume is called. */
	bool (*room)(void *user);
	/* What was told of buffers of this type is void: STREAMOFF, REQBUFS. */
	void (*forget)(void *user, uint32_t type);
	void (*event)(void *user, const struct media_v4l2_event *e);
	/* The file is of no use any more; it stays the user's to close. */
	void (*failed)(void *user, int err);
};

/* Pixel formats that the guest may see; none: all. */
#define MEDIA_FORMATS_MAX 32

struct media_formats {
	uint32_t at[MEDIA_FORMATS_MAX];
	unsigned int n;
};

/* What a camera whose buffers are vdevd's own has in its pictures: media_camera.h. */
struct media_source_ops;

enum media_codec {
	MEDIA_CODEC_DECODER,
	MEDIA_CODEC_ENCODER,
};

struct media_host_args {
	struct vdev *d;		/* its loop, log and control socket */
	const struct media_source_ops *source; /* of media_camera_ops */
	const char *device;	/* path of a V4L2 device */
	const char *share;	/* path of the socket where other vdevds see the camera, or NULL */
	const char *file;	/* of pictures */
	unsigned int codec;	  /* enum media_codec, of media_codec_ops */
	struct media_picture raw; /* how those of the file are; pixelformat 0: the file says it */
	const char *card;	/* the name the guest sees; NULL: the host's */
	struct media_formats formats;
	uint32_t max_width, max_height;
	uint32_t max_buffers;	/* of a queue */
	struct media_pool *pool;
	const struct media_user_ops *ops;
};

/* What the guest sees of the device before it opens it: struct media_config. */
struct media_about {
	uint32_t device_caps, device_type;
	char card[33];
};

struct media_host;
struct media_file;

struct media_host_ops {
	/* What it does with the host after start, by the arguments alone. */
	void (*needs)(const struct media_host_args *args, struct sandbox *s);
	/* Makes the host; args must stay.  Returns 0, *out (end with stop) and *about, or -errno after it has logged why. */
	int (*start)(const struct media_host_args *args, struct media_host **out, struct media_about *about);
	/* All files are closed. */
	void (*stop)(struct media_host *h);
	/* Returns 0 and *out, or -errno. */
	int (*open)(struct media_host *h, void *user, struct media_file **out);
	/* Whatever it does ends.  Memory that is mapped stays. */
	void (*close)(struct media_file *f);
	/* Returns 0 or -errno: -ENOTTY for what the device does not have. */
	int (*ioctl)(struct media_file *f, uint32_t code, struct media_payload *p);
	/* The buffer (or plane) at this offset of QUERYBUF.  Returns 0 and a reference in *out, or -errno. */
	int (*mmap)(struct media_file *f, uint32_t offset, bool writable, struct media_mem **out);
	/* All files are closed, and another guest comes: what the last one has set is forgotten where the host is vdevd's own. */
	void (*reset)(struct media_host *h);
	/* There is room again for what could not be told. */
	void (*resume)(struct media_host *h);
	/* Adds lines of what it does to the answer of a command; may be NULL. */
	void (*show)(struct media_host *h, struct control_client *c);
};

extern const struct media_host_ops media_camera_ops, media_codec_ops, media_v4l2_ops;
extern const struct media_source_ops media_pattern_source, media_file_source, media_tap_source;

#endif
