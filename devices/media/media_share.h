/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_share.h - one camera, several guests (--share): each guest has a vdevd, and those meet at a Unix socket of whole packets.
 *
 * The first vdevd that comes makes the socket, and has the camera; its guest sets format and controls.  The others are viewers: their
 * guests find that one format.  While one of them looks, the format stays.  Where the vdevd with the camera ends, the sessions of
 * viewers fail, as at an unplugged camera, and one of the others takes its place.
 *
 * Pictures are in a ring of slots, a file that viewers can only read.  A slot is written without asking anybody; each
 * viewer copies it for its guest, and looks at the stamp before and after.  So one that is slow loses frames, and
 * delays nobody.
 *
 * Neither side trusts the other, which may be in the hands of its guest.  A viewer reads the ring as a file: in a
 * mapping, pages that the other takes away would end the process (SIGBUS), or count as the viewer's memory when it
 * looks at them.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_SHARE_H
#define VDEVD_DEVICES_MEDIA_MEDIA_SHARE_H

#include <stdatomic.h>

#include "core/listener.h"
#include "core/unix_socket.h"
#include "devices/media/media_camera.h"

#define MEDIA_SHARE_VIEWERS 16
#define MEDIA_SHARE_SLOTS   4

enum media_share_kind {
	MEDIA_SHARE_FORMAT = 1, /* to a viewer: how pictures are, and the ring's file with it */
	MEDIA_SHARE_FRAME,	/* to a viewer: a slot has another one */
	MEDIA_SHARE_ON,		/* of a viewer: it looks */
	MEDIA_SHARE_OFF,
};

/* All on one host, and of one build: numbers are the host's. */
struct media_share_msg {
	uint32_t kind;
	uint32_t pixelformat, width, height, bytesperline, size, rate; /* FORMAT */
	uint32_t slot, used, frame, stamp, reserved; /* FRAME */
	uint64_t us;
};

/* The first page of the ring; slots follow, each a whole number of pages. */
struct media_share_ring {
	_Atomic uint32_t stamps[MEDIA_SHARE_SLOTS]; /* of the picture that is there; 0: it is being written */
};

struct media_view;

struct media_share {
	struct media_host *h;
	const char *path;
	/* With the camera. */
	struct unix_listener socket; /* fd -1: this is a viewer */
	struct listener door;
	struct media_viewer {
		struct media_share *share;
		int fd; /* -1: free */
		struct ev_io read;
		bool on;
	} viewers[MEDIA_SHARE_VIEWERS];
	struct media_mem *ring; /* NULL: there was no viewer yet */
	uint64_t slot_size;
	struct media_share_msg told; /* FORMAT, as all viewers have it */
	uint32_t stamp;
	uint64_t missed;
	/* Without. */
	struct media_view *view; /* NULL: the camera is here, or nowhere */
	struct ev_timer retry;
};

/*
 * Meets the others at path (not copied), and turns the camera to what is to be seen.  Returns 0 and *out, or -errno after a line.
 * Of all the others s may be NULL: there is no --share.
 */
int media_share_open(struct media_host *h, const char *path, struct media_share **out);
void media_share_close(struct media_share *s);

/* Whether a viewer looks now. */
bool media_share_watched(const struct media_share *s);

/* The format of the camera here is another one, perhaps; where it is, viewers are told, and the ring is for it. */
void media_share_format(struct media_share *s);

/* The camera here is unplugged: viewers are to come anew. */
void media_share_unplug(struct media_share *s);

/* A frame of the camera here. */
void media_share_frame(struct media_share *s, uint32_t frame, uint64_t us);

void media_share_show(const struct media_share *s, struct control_client *c);
void media_share_needs(const char *path, struct sandbox *s);

/* ---- media_view.c: the other side */

/*
 * Begins to look at the camera behind a connected socket, which becomes the view's own.
 * wait: for what it is, a second at most.
 * Returns 0 and *out, or -errno.
 */
int media_view_open(struct media_share *share, int fd, bool wait, struct media_view **out);
void media_view_close(struct media_view *v); /* NULL is allowed */

/* The other vdevd has ended, or speaks nonsense: the view is closed. */
void media_share_lost(struct media_share *s, const char *why);

/* Where a slot begins in the ring. */
static inline uint64_t media_share_slot(uint64_t slot_size, uint32_t slot)
{
	return 4096 + slot_size * slot;
}

/* Room for a picture of this size. */
static inline uint64_t media_share_slot_size(uint32_t size)
{
	return ((uint64_t)size + 4095) / 4096 * 4096;
}

#endif
