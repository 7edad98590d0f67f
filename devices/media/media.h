/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media.h - the media device's own: its options, sessions and what waits.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_H
#define VDEVD_DEVICES_MEDIA_MEDIA_H

#include "devices/lib/events.h"
#include "devices/media/media_host.h"
#include "devices/media/media_map.h"
#include "devices/media/media_snap.h"

#define MEDIA_SESSIONS_MAX 256

/* Events that wait for the driver, and those of them that only an error may take: one for each session. */
#define MEDIA_EVENTS	   512
#define MEDIA_EVENTS_SPARE MEDIA_SESSIONS_MAX

struct media;

struct media_session {
	struct media *m;
	uint32_t id;	       /* 0: none is open here */
	struct media_file *file; /* NULL: it has failed, and waits for its CLOSE */
};

struct media {
	struct vdev d;
	/* options */
	const char *device, *file, *share, *card, *snapshot;
	unsigned int backend, codec;
	struct media_picture raw; /* --file-format; no bytes */
	uint64_t max_sessions, max_buffers, max_memory;
	uint32_t max_width, max_height;
	struct media_formats formats;
	/* host */
	struct media_host_args args;
	const struct media_host_ops *ops;
	struct media_host *host;
	struct media_about about;
	struct media_pool pool;
	uint64_t region; /* bytes of shared memory region 0 */
	struct media_snap snap;
	/* guest */
	struct media_session sessions[MEDIA_SESSIONS_MAX];
	uint32_t last_id;
	struct media_maps maps;
	struct events events;
	bool starved; /* the host has something for which there was no room */
	struct chain *waiting; /* an MMAP, until the front-end has mapped */
	struct media_map *waiting_map;
	struct media_payload payload; /* of the request that is answered now */
	struct {
		uint64_t ioctls, refused, dequeued, events, errors, lost;
	} count;
};

enum media_backend {
	MEDIA_BACKEND_AUTO,
	MEDIA_BACKEND_PATTERN,
	MEDIA_BACKEND_V4L2,
	MEDIA_BACKEND_FILE,
	MEDIA_BACKEND_SIM,
};

static inline struct media *to_media(struct vdev *d)
{
	return container_of(d, struct media, d);
}

extern const struct opt media_opts[];
extern const struct vdev_compat media_compat;

/* The host that the options ask for. */
const struct media_host_ops *media_host_ops_of(const struct media *m);

/* What its pictures are, where it is a camera whose buffers are vdevd's own. */
const struct media_source_ops *media_source_of(const struct media *m);

/* As class->check. */
int media_check(struct vdev *d);

#endif
