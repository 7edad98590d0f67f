/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_snap.h - the next picture as a file, in a format that every viewer knows: a portable pixmap, or JPEG where it is one.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_SNAP_H
#define VDEVD_DEVICES_MEDIA_MEDIA_SNAP_H

#include "core/work.h"
#include "devices/media/media_host.h"

struct media_snap {
	struct vdev *d;
	int fd; /* of --snapshot; -1: none */
	bool wanted, busy;
	struct work_queue *threads;
	struct work work;
	struct media_picture picture; /* a copy */
	int err;
};

/* Opens the file at path; NULL: there will be none.  Returns 0 or -errno after a line. */
int media_snap_open(struct media_snap *s, struct vdev *d, const char *path);
void media_snap_close(struct media_snap *s);

/* The next picture is to be written.  Returns 0, or -errno with a reason in why. */
int media_snap_want(struct media_snap *s, char *why, size_t why_size);

/* A picture: writes it, where one is wanted, on a thread; who watches the control socket is told when it is there. */
void media_snap_take(struct media_snap *s, const struct media_picture *p);

/* A compressed picture, which is a file as it is. */
bool media_snap_is_jpeg(const struct media_picture *p);

/* Writes a picture into an empty file.  Returns 0 or -errno. */
int media_snap_write(int fd, const struct media_picture *p);

void media_snap_needs(const char *path, struct sandbox *s);

#endif
