/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_session.h - the inside of the vhost-user back end: what vhost_user.c (its life), vu_request.c (messages), vu_conn.c
 * (connection), vu_queue.c (rings), vu_iotlb.c (translations), vu_inflight.c (their records), vu_log.c (log of written memory),
 * vu_state.c and vu_postcopy.c (migration), vu_channel.c (back channel) and vu_ask.c (what is asked over it) share.
 *
 * Calls go one way: vhost_user, vu_request, vu_conn, vu_queue, then the rest.  What has to go back up is a pointer to a
 * function: a continuation, or vu_queue's start.
 *
 * Theory of operation.  All runs on the loop of the device.  A connection is read message by message; a message is
 * checked against its row in the table of requests (vu_msg.c) before its handler sees it, and no other is
 * read before it is answered.  Rings live between SET_VRING_KICK and GET_VRING_BASE.
 *
 * Stopping a ring may have to wait for a host operation on one of its chains.  So whatever stops rings
 * (GET_VRING_BASE, RESET_DEVICE, the end of the connection) is in two parts: it calls vu_stop_queues with a continuation, and that runs
 * at once, or, when chains are still out, in a later turn of the loop after the last came back.  Meanwhile no message is read,
 * but the end of the connection is seen (vu_conn_pause).
 * Nothing touches guest memory after the continuation began.
 *
 * A disabled ring is stopped as well (parked) and starts again, where it was, when it is enabled.
 *
 * What SET_STATUS 0 means.  Front-ends send it when the driver resets the device, and QEMU also when the machine is
 * only paused, right after GET_VRING_BASE.  The two differ in what comes next: a driver that begins anew starts its rings at 0, a
 * machine that goes on starts one at its base.  So the device's state is forgotten not at once but when the rings have
 * started again and all of them at 0, and at the end of the connection in any case.
 */
#ifndef VDEVD_TRANSPORT_VHOST_USER_VU_SESSION_H
#define VDEVD_TRANSPORT_VHOST_USER_VU_SESSION_H

#include <ev.h>

#include "core/loop.h"
#include "mem/iotlb.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/ring/served.h"
#include "transport/ring/virtq.h"
#include "transport/vu_msg.h"

/* A ring of the device as the front-end set it up. */
struct vu_queue {
	struct vu_backend *b;
	struct served served;        /* its descriptors and turns */
	struct virtq *vq;            /* the same as served's */
	unsigned int index;
	int (*start)(struct vu_queue *q); /* vu_queue_start, for those below it */
	uint32_t num;                /* SET_VRING_NUM; 0: not yet */
	bool addrs_set;
	struct virtq_addrs addrs;
	bool log_ring;               /* SET_VRING_ADDR: what is written into the ring is logged, */
	uint64_t log_addr;           /* a split ring's used part at this address */
	uint32_t base;               /* SET_VRING_BASE, or where the ring stopped */
	bool stopped;                /* in this connection, and where */
	uint32_t stopped_at;
	bool enabled;                /* SET_VRING_ENABLE */
	bool parked;                 /* stopped by being disabled: starts again when enabled */
	bool call_pending, err_pending; /* to be told on the back channel */
	bool awaited;                /* it starts when its parts have translations: to the front-end it is started */
	struct iotlb_miss miss, failed; /* what it waits for; what there was no access to */
	unsigned int misses;         /* since it was last served */
	bool miss_pending, fail_pending; /* to be told on the back channel */
	struct ev_timer miss_timer;
};

/* What the device has asked of the front-end: see vu_ask.c. */
struct vu_asks {
	struct vdev_ask *first, **end; /* unanswered, in the order they were asked in */
	struct vdev_ask **unsent;    /* the link to the first that is not sent */
	unsigned int stale;          /* answers still to come that nobody waits for any more */
	struct vdev_ask *ended, **ended_end; /* the device is still to be told */
	struct loop_again tell;
	struct ev_timer timer;       /* the first one's patience */
	double patience;             /* seconds */
	bool shut;                   /* the device is being reset */
};

/* Whether memory comes page by page. */
enum vu_postcopy {
	POSTCOPY_OFF,
	POSTCOPY_READY, /* POSTCOPY_LISTEN came; what memory there is is registered */
	POSTCOPY_WAITS, /* the front-end was told where some is, and has still to say that it is ready */
};

struct vu_backend {
	struct vdev *d;
	struct vdev_transport_ops ops; /* what the device has of us */
	const struct gmem_backend *mem_backend;
	void (*closed)(void *arg);
	void *arg;
	bool trace;                  /* VDEVD_TRACE: vu_trace.c */

	/* What the front-end has said of the device as a whole: vu_request.c. */
	uint64_t features;           /* SET_FEATURES, bit 30 included */
	uint64_t protocol_features;  /* SET_PROTOCOL_FEATURES */
	uint8_t status;              /* SET_STATUS */
	bool reset_pending;          /* SET_STATUS 0 came: see above */
	struct gmem *mem;
	struct iotlb *tlb;           /* while ACCESS_PLATFORM is among features; NULL: addresses are not translated */
	double iotlb_patience;       /* seconds that a translation may take */

	/* The connection: vu_conn.c. */
	struct {
		int sock;            /* -1: none */
		struct ev_io io;
		struct hangup hangup; /* watched while io is not */
		bool pending;        /* the message in reader has still to be answered */
		struct vu_reader reader;
		struct vu_msg reply;
		size_t reply_done;
		bool replying;       /* the socket was full: nothing is read before the reply is out */
		bool closing;
	} conn;

	/* The back channel: vu_channel.c; what the device asks over it: vu_ask.c. */
	struct {
		int fd;              /* SET_BACKEND_REQ_FD; -1: none */
		struct ev_io read, write;
		struct vu_msg msg;   /* under way when busy */
		size_t done;
		bool busy;
		bool config_pending; /* a CONFIG_CHANGE_MSG to be sent */
		struct vu_reader reader;
	} channel;
	struct vu_asks asks;

	/* SET_DEVICE_STATE_FD: vu_state.c. */
	struct {
		int fd;              /* -1: no transfer is under way */
		struct ev_io io;
		struct state bytes;  /* being sent, or received */
		size_t done;         /* bytes sent */
		int result;          /* of the last transfer: 0 or -errno */
		struct ev_timer timer; /* patience: runs while nothing moves */
		double patience;     /* seconds */
		void (*ended)(struct vu_backend *b); /* waits for its end; NULL: nothing does */
	} state;

	/* SET_INFLIGHT_FD: vu_inflight.c. */
	struct {
		struct gmem *mem;    /* one region; NULL: none */
		struct gmem_seg seg;
		size_t records; /* bytes of the rings' records; behind them is the device's memory */
		struct vu_inflight about;
	} inflight;

	/* POSTCOPY_ADVISE, LISTEN, END: vu_postcopy.c. */
	struct {
		struct userfault *userfault; /* NULL: none */
		enum vu_postcopy phase;
	} postcopy;

	/* SET_LOG_BASE, SET_LOG_FD: vu_log.c. */
	struct {
		struct dirty_log *dirty; /* used while LOG_ALL is among features; NULL: none */
		struct notify_fd call;
	} log;

	/* The rings: vu_queue.c. */
	void (*stopped)(struct vu_backend *b); /* continuation of vu_stop_queues; NULL: none is waiting */
	struct loop_again drained;
	struct ev_prepare flush;     /* notifies drivers at the end of each turn of the loop */
	struct virtq **vqs;          /* the device's view of queues */
	struct vu_queue *queues;
	unsigned int nqueues;
};

/* vu_conn.c */

/* The connection's socket from now on.  Returns 0 or -errno; the socket is the caller's still on an error. */
int vu_conn_open(struct vu_backend *b, int sock);
/* Ends the connection; why completes a log line, NULL for a hang-up that needs none. */
void vu_close(struct vu_backend *b, const char *why);
/* Sends b->conn.reply (its payload is filled in) as the answer to the present message; closes the descriptors it has. */
void vu_reply(struct vu_backend *b);
/* Goes on with an answer that the socket had no room for. */
void vu_reply_push(struct vu_backend *b);
/* Reads no message until vu_conn_done; a hang-up still ends the connection. */
void vu_conn_pause(struct vu_backend *b);
/* The present message is done with: the next one can be read. */
void vu_conn_done(struct vu_backend *b);
void vu_conn_hung_up(struct hangup *h);

/* vu_request.c */

/* Checks the message in b->conn.reader, runs its handler and answers it. */
void vu_handle(struct vu_backend *b);

/* vu_queue.c */

int vu_queues_new(struct vu_backend *b);
void vu_queues_free(struct vu_backend *b);
/* Starts the ring at its base.  Returns 0, -EINVAL where size or addresses are missing, or as virtq_start. */
int vu_queue_start(struct vu_queue *q);
/* Stops the rings from first on, n of them, then calls stopped(b): at once, or when their last chain came back. */
void vu_stop_queues(struct vu_backend *b, unsigned int first, unsigned int n, void (*stopped)(struct vu_backend *b));
/* Forgets what the front-end said of a stopped ring, and closes its descriptors. */
void vu_queue_clear(struct vu_queue *q);
/*
 * Flushes the rings.  Those that have more then are served now (serve), or in the next turn of the loop.  Returns whether any
 * was served now: there may be more to flush.
 */
bool vu_queues_flush(struct vu_backend *b, bool serve);
void vu_queue_enable(struct vu_queue *q, bool enable);
/* The driver has begun anew: forgets the guest-visible state of device and rings. */
void vu_device_reset(struct vu_backend *b);

/* vu_iotlb.c */

/* Whether addresses are translated (ACCESS_PLATFORM): then there is a table, an empty one.  Returns 0 or -ENOMEM: there is none. */
int vu_iotlb_want(struct vu_backend *b, bool want);
/* After memory has changed, or by which addresses it is told: the table, where there is one, is empty. */
void vu_iotlb_apply(struct vu_backend *b);
/* IOTLB_MSG.  Returns 0, or -EINVAL: not for here, or not in memory. */
int vu_iotlb_handle(struct vu_backend *b, const struct vu_iotlb *m);
/* The ring, or its start, waits for what was last looked up. */
void vu_iotlb_miss(struct vu_queue *q);
/* It waits no longer. */
void vu_iotlb_settle(struct vu_queue *q);
void vu_iotlb_timeout(struct ev_loop *loop, struct ev_timer *w, int revents);

/* vu_inflight.c */

/*
 * Makes memory for the records of about->nqueues rings of about->queue_size; size and offset are filled in.
 * Returns a descriptor, the caller's, or -EINVAL, or -errno.
 */
int vu_inflight_make(const struct vu_backend *b, struct vu_inflight *about);
/*
 * The records are in this memory from now on, and so is what the device remembers, where there is room for it.
 * Returns 0; -EINVAL, or -errno: they are private as before.
 */
int vu_inflight_set(struct vu_backend *b, const struct vu_inflight *about, int fd);
/* Gives a stopped ring its record. */
void vu_inflight_share(struct vu_queue *q);
/* The records are private again, and the device has no memory; the rings are stopped. */
void vu_inflight_drop(struct vu_backend *b);

/* vu_state.c */

void vu_state_init(struct vu_backend *b);
/*
 * Begins a transfer over the descriptor, which is its from now on, also on an error.  Returns 0, -EBUSY, -EINVAL, or what
 * kept the state from being made.
 */
int vu_state_begin(struct vu_backend *b, uint32_t direction, int fd);
/*
 * Calls ended(b) when the transfer is over: never from inside this call.  Returns false where none is under way.  The result
 * of the last one is b->state.result.
 */
bool vu_state_await(struct vu_backend *b, void (*ended)(struct vu_backend *b));
/* Ends it without a result; nobody is told. */
void vu_state_drop(struct vu_backend *b);

/* vu_postcopy.c */

/* POSTCOPY_ADVISE, LISTEN, END.  Return 0, the answer to ADVISE in b->conn.reply, or -errno. */
int vu_postcopy_advise(struct vu_backend *b);
int vu_postcopy_listen(struct vu_backend *b);
int vu_postcopy_end(struct vu_backend *b);
/* A region was added that the front-end must say it is ready for: sets its user address to where it is here. */
void vu_postcopy_announced(struct vu_backend *b, struct vu_region *region);
/* Whether this SET_MEM_TABLE or ADD_MEM_REG says so; acts upon it. */
bool vu_postcopy_is_ack(const struct vu_backend *b, const struct vu_msg *m);
int vu_postcopy_serve(struct vu_backend *b);
/* All memory is there, or the front-end has gone. */
void vu_postcopy_drop(struct vu_backend *b);

/* vu_log.c */

/* Maps the log that takes the place of the present one; fd stays the caller's.  Returns 0 or as dirty_log_new. */
int vu_log_set_base(struct vu_backend *b, uint64_t size, uint64_t offset, int fd);
/* After features, log or what a ring says of it have changed: rings log from now on, or do not. */
void vu_log_apply(struct vu_backend *b);
/* At the end of a turn: tells of what was marked.  Returns NULL, or why the connection must end. */
const char *vu_log_turn(struct vu_backend *b);
/* Forgets the log. */
void vu_log_clear(struct vu_backend *b);

/* vu_channel.c */

/* The back channel's socket from now on; -1: none. */
void vu_channel_set(struct vu_backend *b, int fd);
/* Sends what is pending, as far as the socket takes it. */
void vu_channel_push(struct vu_backend *b);
/* Watcher callbacks of the channel. */
void vu_channel_readable(struct ev_loop *loop, struct ev_io *w, int revents);
void vu_channel_writable(struct ev_loop *loop, struct ev_io *w, int revents);

/* vu_ask.c */

void vu_asks_init(struct vu_backend *b);
/* As vdev_ask. */
int vu_ask(struct vdev *d, struct vdev_ask *ask);
/* Puts the next one to be sent into channel.msg.  Returns false when there is none. */
bool vu_ask_next(struct vu_backend *b);
/* A message came on the back channel: perhaps the answer to the oldest. */
void vu_ask_answer(struct vu_backend *b, struct vu_msg *m);
/* Ends them all; gone: no answer will ever come.  The device is told now, or (later) from the loop. */
void vu_asks_cancel(struct vu_backend *b, bool gone);
void vu_asks_tell(struct vu_backend *b);

/* vu_trace.c: a line of the log, where b->trace is set. */

void vu_trace_request(struct vu_backend *b, const struct vu_msg *m);
void vu_trace_reply(struct vu_backend *b);
void vu_trace_channel(struct vu_backend *b);

/* What the driver has accepted: two bits are between front-end and back end alone. */
static inline uint64_t vu_driver_features(const struct vu_backend *b)
{
	return b->features & ~(BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VHOST_F_LOG_ALL));
}

/* The protocol features offered on a connection. */
static inline uint64_t vu_session_protocol_features(const struct vu_backend *b)
{
	return vu_offered_protocol_features(b->d) | (b->mem_backend->choose ? vu_offered_xen_features(b->d) : 0);
}

/* Begins a message of the back end in channel.msg; size of the payload in bytes. */
static inline void vu_channel_begin(struct vu_backend *b, enum vu_backend_request request, uint32_t size)
{
	b->channel.msg = (struct vu_msg){.h = {.request = request, .flags = VU_VERSION, .size = size}};
	b->channel.done = 0;
	b->channel.busy = true;
}

/* Whether the ring is started as far as the front-end knows. */
static inline bool vu_queue_started(const struct vu_queue *q)
{
	return q->awaited || virtq_started(q->vq);
}

static inline bool vu_any_started(const struct vu_backend *b)
{
	for (unsigned int i = 0; i < b->nqueues; i++) {
		if (vu_queue_started(&b->queues[i]))
			return true;
	}
	return false;
}

static inline bool vu_has(const struct vu_backend *b, enum vu_protocol_feature bit)
{
	return b->protocol_features & BIT(bit);
}

#endif
