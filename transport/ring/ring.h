/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ring.h - the inside of a virtqueue: what virtq.c, chain.c and the layouts (ring_split.c, ring_packed.c) share.
 *
 * Theory of operation.  A ring layout knows how available chains are found and used ones told; everything a chain
 * needs while the device has it is here, in arrays allocated when the ring starts:
 *
 *	chains  one slot for each descriptor head, so that "in flight" is an array as long as the queue
 *	segs    a pool of pinned pieces of guest memory, linked into lists: first what the device may read, then what
 *	        it may write
 *
 * With VIRTIO_F_IN_ORDER the chains in flight are a list, in the order they were popped.  A chain that is pushed before an
 * older one gives back its pieces as ever, but is not told used, nor does it leave the record, before the older ones are.  Each
 * is told on its own: the standard would allow one used entry for several, and then the driver would not learn the lengths.
 *
 * With indirect tables a driver can have more pieces in flight than the pool holds.  Then virtq_pop acts as if the ring
 * were empty until a push returns some; a single chain always fits, or is longer than the standard allows.
 *
 * Broken. A ring that cannot be trusted stays broken until it is stopped and started. Where STATUS was negotiated the
 * front-end reads DEVICE_NEEDS_RESET and gets a configuration-change message.
 *
 * In order (VIRTIO_F_IN_ORDER). A ring that stops while answers wait for older chains remembers them. Where the front-
 * end keeps the record, which has no room for an answer, such a chain is popped again. A device whose chains wait for
 * events never offers the feature (class->face.any_order): its buffers would wait for one another.
 *
 * Memory. What a guest can make a ring use is bounded by its size: one struct chain and two struct seg (at least 2048)
 * a descriptor, about 180 bytes, 32 more of a packed ring; touched only as far as it is used.
 */
#ifndef VDEVD_TRANSPORT_RING_RING_H
#define VDEVD_TRANSPORT_RING_RING_H

#include "transport/ring/inflight.h"
#include "transport/ring/packed_layout.h"
#include "transport/ring/ring_stats.h"
#include "transport/ring/split_layout.h"
#include "transport/ring/virtq.h"

#define SEG_NONE UINT32_MAX

/* One piece of a chain. */
struct seg {
	struct gmem_seg mem;
	uint32_t next; /* in its chain or in the free list */
};

/* A place in a chain's list of pieces. */
struct seg_cursor {
	uint32_t seg;
	size_t off;
};

enum chain_state {
	CHAIN_FREE,     /* the driver's */
	CHAIN_HELD,     /* the device has it */
	CHAIN_REQUEUED, /* in flight but given back unanswered: popped again in the next life */
	CHAIN_DONE,     /* answered, and not told used: with VIRTIO_F_IN_ORDER an older one is still in flight */
};

/* No chain: a head is below VIRTQ_MAX_SIZE. */
#define HEAD_NONE UINT16_MAX


struct chain {
	struct virtq *vq;
	enum chain_state state;
	uint16_t head;      /* its number, which names it to the driver: its descriptor's index, or its buffer id */
	uint16_t entry;     /* of a packed ring: its first descriptor in the record */
	uint16_t slots;     /* by how much its use advances the ring */
	uint64_t order;     /* of the pop; tells the order of requeued chains */
	uint16_t younger;   /* with VIRTIO_F_IN_ORDER: the head of the chain popped next, or HEAD_NONE */
	uint32_t first;     /* piece */
	uint32_t last;
	struct seg_cursor read, write;
	uint32_t first_writable; /* piece */
	bool has_writable;
	bool unsettled;     /* pieces are pinned, but their addresses not known yet */
	uint64_t popped;    /* when: ring_stats.h */
	size_t given;       /* bytes to read, all of them */
	size_t readable;    /* bytes left */
	size_t writable;
	size_t written;
	size_t shown_from;  /* of the writable part, for host I/O: what may be written although nobody said so */
	size_t shown;       /* its end */
};

/* What follows the first piece of a part of a ring. */
struct ring_piece {
	size_t begin; /* in the part */
	struct gmem_seg mem;
};

/* A part of a ring, pinned.  It is in one piece, but for rings behind an IOMMU, whose pages may lie anywhere. */
struct ring_part {
	uint64_t addr;
	size_t len;
	struct gmem_seg first;
	struct ring_piece *more;
	unsigned int nmore;
};

struct ring_parts {
	struct ring_part desc, driver, device; /* of a split ring the last two are avail and used */
	uint16_t shadow_avail;                 /* of a split ring: the driver's index as last read */
};

/*
 * A table of descriptors in guest memory: the ring's own, or an indirect one.  Of that some entries are pinned, in more than one
 * piece where they go over a region's end; usually they are all.
 */
#define TABLE_PIECES 4

struct desc_table {
	struct virtq *vq;
	const struct ring_part *ring; /* NULL: it is an indirect one, at addr */
	uint64_t addr;
	uint32_t size; /* entries */
	uint32_t pinned, npinned;
	struct gmem_seg pieces[TABLE_PIECES];
	unsigned int npieces;
};

struct requeued {
	uint64_t order;
	uint16_t head;
};

enum ring_life {
	RING_STOPPED,
	RING_STARTED,
	RING_STOPPING, /* started; chains come back, none is given */
};

/* Why a ring that runs gives no chain, though there are some. */
enum ring_stall {
	STALL_NONE,
	STALL_PIECES,      /* the pool has too few: the next push asks for another turn */
	STALL_TRANSLATION, /* an address has none: virtq_translated asks for one */
};

/*
 * What is left of a turn: of chains, so that one queue does not keep others waiting, and of time, since a guest can make a chain
 * cost what it likes: 32768 descriptors of no bytes, 64 KiB to be filled.  The clock is looked at once in so much work, and not at all in a turn that
 * has less: it can be a system call.
 */
struct ring_budget {
	unsigned int chains; /* that may still be popped */
	unsigned int work;   /* since the clock was looked at, in descriptors walked */
	uint64_t began;      /* ns: when the clock was first looked at; 0: not yet */
};

/* What a chain costs beyond its descriptors, in such; how many bytes cost as much as one; after how many the clock is looked at. */
#define CHAIN_WORK 32u
#define WORK_BYTES 16u
#define WORK_LOOK  4096u

/* How long a queue's turn may take before the loop looks at everything else, ns; it ends with the chain under way. */
#define TURN_NS UINT64_C(2000000)

struct virtq {
	const struct ring_ops *ring;
	const struct virtq_events *ev;
	void *owner;
	struct gmem *mem;
	struct dirty_log *log, *ring_log; /* of what is written into buffers, into the ring; NULL: none */
	uint64_t ring_log_addr;
	struct virtq_addrs addrs;
	unsigned int index;
	unsigned int num;
	bool indirect, event_idx, in_order; /* accepted features */
	enum ring_life life;
	enum ring_stall stall;
	bool enabled, broken;
	bool armed;       /* the driver has been told to kick */
	bool dry;         /* a pop found nothing, and the driver has not been told to kick yet: virtq_flush does */
	bool in_turn;
	bool left_behind; /* a pop was refused for want of budget */
	bool dirty;       /* pushed since the last flush */
	bool remind;      /* virtq_remind */
	bool called;      /* notified at least once in this life: used_since counts */
	struct ring_budget budget;
	uint16_t last_avail;     /* next to take: an index, or a place (packed_layout.h) */
	uint16_t used_idx;       /* next to fill */
	unsigned int used_since; /* the last notification, in steps of used_idx; does not wrap */
	bool fresh;              /* started where a ring begins */
	bool untake;             /* virtq_untake */
	bool traced;             /* virtq_trace */
	unsigned int lost;       /* virtq_lost */

	struct ring_stats stats;

	struct chain *chains; /* num */
	unsigned int held;
	unsigned int in_flight; /* slots of chains that were taken and not used, in this life or the last */
	uint64_t order;         /* of the next chain */
	uint16_t oldest, youngest; /* of those in flight, with VIRTIO_F_IN_ORDER; HEAD_NONE: there are none */
	struct requeued *resume; /* from the last life, oldest first */
	unsigned int nresume, resumed;

	struct seg *segs; /* nsegs; those from fresh_segs on were never used */
	uint32_t nsegs, fresh_segs, free_segs;

	struct ring_parts parts;
	bool mapped;                   /* they are pinned: always, but for a ring behind an IOMMU */
	enum gmem_space space;         /* of buffers and indirect tables */
	int (*pin)(struct chain *c, uint64_t addr, uint32_t *len, bool writable); /* for chain_add */
	void *shared;                  /* the front-end's memory for the record, or NULL */
	size_t shared_size;
	struct inflight_packed *own;   /* the record of a packed ring where there is none */
	struct inflight_packed *packed_record;
	struct inflight_split *split_record; /* NULL: none is needed */
};

/* A layout. */
struct ring_ops {
	/* Whether a ring may have this size. */
	bool (*size_ok)(unsigned int num);
	/* Pins the ring in vq->mem.  Returns as virtq_start; what it has pinned is unpinned by ring_unmap in any case. */
	int (*map)(struct virtq *vq);
	/* Sets last_avail and used_idx at the start of a life.  Returns how many slots lie between them, or -EINVAL. */
	int (*set_base)(struct virtq *vq, uint32_t base);
	uint32_t (*base)(const struct virtq *vq);
	/*
	 * Steps back to the oldest of the requeued chains (vq->resume), if they are the last that were taken, and there in the ring,
	 * in this order: they are available again, and the base says so.  Returns whether they are.
	 */
	bool (*rewind)(struct virtq *vq);
	/* All chains are the driver's: a record of its own is one of nothing.  May be NULL. */
	void (*forget)(struct virtq *vq);
	/*
	 * Reads a shared record after set_base, or begins one that has no version: puts right what a process left half done, the chains in flight become
	 * requeued ones (virtq_recovered), and the base is behind them.  Returns 0, or -EINVAL.
	 */
	int (*recover)(struct virtq *vq);
	/*
	 * Takes the next available chain and builds it.  Returns 1 and *out; 0 when there is none; -ENOSPC when the pool
	 * has too few pieces now, -EAGAIN when a translation is missing (nothing is taken); -EIO after virtq_break.
	 */
	int (*pop)(struct virtq *vq, struct chain **out);
	/* Builds the chain with this number once more (virtq_requeue).  As pop, but never 0. */
	int (*pop_again)(struct virtq *vq, uint16_t head, struct chain **out);
	/* Tells the driver that the chain is used, len bytes of it written. */
	void (*push)(struct virtq *vq, const struct chain *c, uint32_t len);
	/* Whether the driver wants to be notified of the last n steps of used_idx. */
	bool (*want_call)(struct virtq *vq, unsigned int n);
	/* Whether there is a chain to pop. */
	bool (*available)(struct virtq *vq);
	/* Asks for kicks.  Returns true when chains have come meanwhile: there may be no kick for those. */
	bool (*arm)(struct virtq *vq);
	/* Kicks are not needed now. */
	void (*disarm)(struct virtq *vq);
};

extern const struct ring_ops ring_split;
extern const struct ring_ops ring_packed;

/*
 * ring.c, the ground floor: chain.c stands on it, the layouts on both, virtq.c on all.
 */

/* Latches the ring broken and tells its transport; why completes "queue N is broken: ".  Returns -EIO. */
int virtq_break(struct virtq *vq, const char *why);

/* The most descriptors a chain of this ring may have. */
unsigned int virtq_chain_limit(const struct virtq *vq);

/* A shared record tells of this chain, of so many slots, in flight.  Returns 0, or -EINVAL where that cannot be. */
int virtq_recovered(struct virtq *vq, uint16_t head, uint16_t entry, unsigned int slots, uint64_t order);

/* Pins a part of the ring, which must be aligned where we see it, and in one piece or in such.  Returns as virtq_start. */
int ring_map_part(struct virtq *vq, uint64_t addr, size_t len, size_t align, enum gmem_access access,
		  struct ring_part *part);

/* Unpins all the parts of the ring that are pinned. */
void ring_unmap(struct ring_parts *parts);

/* Whether the part has bytes from first to last. */
bool ring_part_overlaps(const struct ring_part *part, uint64_t first, uint64_t last);

/* ring_part_at, beyond the first piece. */
void *ring_part_far(const struct ring_part *part, size_t off);

/* A place in a part of the ring: what lies there up to its alignment is in one piece. */
static inline void *ring_part_at(const struct ring_part *part, size_t off)
{
	return off < part->first.len ? (char *)part->first.va + off : ring_part_far(part, off);
}

/* Marks what was written at this place of a part, where that is in guest memory. */
void ring_part_log(const struct virtq *vq, const struct ring_part *part, size_t off, size_t len);

/* Copies entry i, which is below t->size.  Returns 0, -EAGAIN: a translation is missing; or -EIO after virtq_break. */
int desc_table_read(struct desc_table *t, uint32_t i, void *desc);

/* Opens an indirect table (sections 2.7.5.3, 2.8.7).  Returns as desc_table_read. */
int desc_table_open(struct virtq *vq, uint64_t addr, uint32_t len, struct desc_table *t);
void desc_table_close(struct desc_table *t);

/* The compiler may not read shared memory a second time behind our back, nor move a store past this. */
static inline void forget_shared(void)
{
	__asm__ volatile("" ::: "memory");
}

static inline uint16_t load16(const le16 *p)
{
	return le16toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline void store16(le16 *p, uint16_t v)
{
	__atomic_store_n(p, htole16(v), __ATOMIC_RELAXED);
}

/* Begins the chain with this head; 0, or -EIO after virtq_break when that is in flight already. */
int chain_begin(struct virtq *vq, uint16_t head, struct chain **out);

/* Adds a descriptor's buffer.  Returns 0; -ENOSPC: the pool is empty; -EAGAIN: a translation is missing; -EIO after virtq_break. */
int chain_add(struct chain *c, uint64_t addr, uint32_t len, bool writable);

/*
 * Pins and appends *len bytes: all, or behind an IOMMU as many as make not too many pieces at once.  Returns as chain_add.  The
 * plain one first tries what ordinary shared memory makes possible; a ring has one of them from its start on.
 */
int chain_pin(struct chain *c, uint64_t addr, uint32_t *len, bool writable);
int chain_pin_plain(struct chain *c, uint64_t addr, uint32_t *len, bool writable);

/* The chain is complete: the device's from now on.  Returns 0; -EIO after virtq_break. */
int chain_ready(struct chain *c);

/* Unpins what the chain has and puts its pieces back into the pool; its state becomes the given one. */
void chain_end(struct chain *c, enum chain_state state);

#endif
