/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guest_load.h - a driver that keeps a device busy, over rings that may outlive their back end, and checks every answer.
 *
 * Each buffer must be used once.  Where a device is to remember what it was told (lasting), that is asked for again and again;
 * connections of the socket device carry bytes that can be told apart, in both directions, with programs of the host at their other
 * ends: none is missing before one that comes, and none comes twice.
 */
#ifndef VDEVD_TEST_LIB_GUEST_LOAD_H
#define VDEVD_TEST_LIB_GUEST_LOAD_H

#include "transport/frontend/frontend.h"

#define LOAD_RING	32u
#define LOAD_QUEUES	3u
#define LOAD_ARGS	6

struct load;

/* A device, and what is done with it. */
struct load_kind {
	const char *name;
	const char *device;
	const char *args[LOAD_ARGS];
	uint64_t features; /* the driver must accept */
	unsigned int nqueues;
	void (*begin)(struct load *l);
	void (*submit)(struct load *l); /* adds what there is room for; nothing is published */
	void (*reap)(struct load *l, unsigned int q, void *token, uint32_t used);
	void (*turn)(struct load *l);   /* programs of the host; NULL: there are none */
	void (*taken_over)(struct load *l); /* NULL: nobody notices */
	bool (*over)(const struct load *l); /* beyond that all is used; NULL: nothing.  Until then submit is called, draining */
	void (*end)(struct load *l);
};

#define LOAD_KINDS 4
extern const struct load_kind load_rng, load_gpio, load_i2c, load_vsock;
extern const struct load_kind *const load_kinds[LOAD_KINDS];

struct load {
	const struct load_kind *kind;
	struct frontend *fe;
	const char *dir;
	bool lasting;             /* what the device was told survives its back end; and what it writes is spread over pages */
	bool recorded;            /* and so does what is in flight, in whatever order */
	bool draining;
	int out_region, in_region;
	uint32_t random;
	uint64_t submitted, completed; /* of buffers that are used when they are answered, and not when something comes */
	void *priv;
};

/*
 * Begins: the front-end's memory is made.  dir: where sockets may lie.  The device reads from the one region and writes into the
 * other; rings are the caller's (frontend_queue_make), of LOAD_RING entries each.  lasting: see struct load.
 */
void load_begin(struct load *l, const struct load_kind *kind, struct frontend *fe, const char *dir, int out_region, int in_region,
		bool lasting);
void load_end(struct load *l);

/* Makes buffers available and kicks. */
void load_submit(struct load *l);

/* Takes what is used and checks it; lets programs of the host have their turn. */
void load_reap(struct load *l);

/* The back end is another one now: what was used before is taken. */
void load_taken_over(struct load *l);

/* Waits until all is used, and done. */
void load_drain(struct load *l);

/* For kinds: adds a chain; len 0: no such part; pieces: of the writable part.  Returns false where there is no room. */
bool load_add(struct load *l, unsigned int q, const struct frontend_buf *out, uint32_t out_len, const struct frontend_buf *in,
	      uint32_t in_len, unsigned int pieces, void *token);
void load_alloc(struct load *l, bool in, size_t len, struct frontend_buf *buf);

#endif
