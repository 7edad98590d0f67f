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
	bool remembers;	   /* what the device was told survives one that is killed, where a record is kept */
	size_t size;       /* of what load_requests_begin makes, which begins with a struct load_requests; 0: of that alone */
	void (*prepare)(const char *dir); /* before a back end is started: files that it wants; again and again.  NULL: nothing */
	void (*begin)(struct load *l);
	void (*submit)(struct load *l); /* adds what there is room for; nothing is published */
	void (*reap)(struct load *l, unsigned int q, void *token, uint32_t used);
	void (*turn)(struct load *l);   /* programs of the host; NULL: there are none */
	void (*taken_over)(struct load *l); /* NULL: nobody notices */
	bool (*over)(const struct load *l); /* beyond that all is used; NULL: nothing.  Until then submit is called, draining */
	void (*end)(struct load *l);
};

/* Those of the devices that are built, test/device/NAME/load_NAME.c; written by make.  Ends with NULL. */
extern const struct load_kind *const load_kinds[];
unsigned int load_nkinds(void);

/* The kind of this name, or NULL where the device is not built. */
const struct load_kind *load_find(const char *name);

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

/* Before a back end of this kind is started, in this folder. */
static inline void load_prepare(const struct load_kind *kind, const char *dir)
{
	if (kind->prepare)
		kind->prepare(dir);
}

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

/*
 * For kinds of devices that answer requests, on their first queue.
 */
#define LOAD_SLOTS   24u /* requests in flight */
#define LOAD_OUT_MAX 40u
#define LOAD_IN_MAX  64u
#define LOAD_ANY     (-1)

/* A request. */
struct load_slot {
	struct frontend_buf out, in;
	bool in_flight;
	uint32_t in_len;
	uint32_t want;      /* the first bytes of the answer, */
	unsigned int wants; /* so many */
	int status;         /* its last byte; LOAD_ANY: it has none, and may be shorter */
};

struct load_requests {
	struct load_slot slots[LOAD_SLOTS];
};

void load_requests_begin(struct load *l);
void load_requests_end(struct load *l);
void load_requests_reap(struct load *l, unsigned int q, void *token, uint32_t used);

/* Sends a request of these bytes.  Returns its slot, or NULL where there is no room. */
struct load_slot *load_request(struct load *l, const void *out, uint32_t out_len, uint32_t in_len, unsigned int pieces, int status);
unsigned int load_slots_free(const struct load *l);

#endif
