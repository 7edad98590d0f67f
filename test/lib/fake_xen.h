/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fake_xen.h - a kernel with another Xen domain behind it, made up, as struct xen_sys sees it: answers as the real
 * one, fails where it is told to, and notes what it was asked.
 */
#ifndef VDEVD_TEST_LIB_FAKE_XEN_H
#define VDEVD_TEST_LIB_FAKE_XEN_H

#include "mem/gmem_xen.h"

#define FAKE_XEN_PAGE    4096ull
#define FAKE_XEN_PRIVCMD 100 /* its descriptors */
#define FAKE_XEN_GNTDEV  101
#define FAKE_XEN_PASSED  102 /* stands for one that came with a region; any other number does, too */
#define FAKE_XEN_DUP     103

/* Frames and references of the other domain are pages of a file; the rest are holes. */
#define FAKE_XEN_FRAMES    64u
#define FAKE_XEN_FIRST     0x100u /* guest frame; also the reference */
#define FAKE_XEN_READ_ONLY (FAKE_XEN_FIRST + 9) /* the one grant that is not writable */

struct fake_xen {
	int file;      /* the domain's memory; every page holds its own number at first */
	uint8_t *view; /* all of it */
	/* what it does */
	int open_err, dup_err, mmap_err, ioctl_err;
	uint64_t hole; /* a frame that fails, with this: */
	int hole_err;
	bool sparse;   /* every frame and reference is there, but not to be looked at */
	/* what it was asked */
	unsigned int opens, dups, closes, ioctls, mmaps, munmaps, unmaps;
	size_t mapped; /* bytes, reservations included */
	int fd;        /* of the last ioctl */
	ino_t passed;  /* the file of the last descriptor that came with a region; 0: none */
	uint32_t domid, count, most;
	bool restricted; /* privcmd, to this domain: */
	uint16_t only;
	int prot;
	/* gntdev's list: one request at a time, as here nothing runs at once */
	bool registered;
	uint32_t ref, refs;
	uint32_t list[XEN_REQUEST_PAGES];
	/* privcmd: the mapping that waits for its frames */
	void *blank;
	size_t blank_len;
};

extern struct fake_xen fake_xen;
extern const struct xen_sys fake_xen_sys;

/* Begins anew. */
void fake_xen_init(void);

/* All that was taken has been given back. */
void fake_xen_fini(void);

#endif
