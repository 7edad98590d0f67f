/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_relay.c - stands between a front-end and a back end, so that the back end can end and begin anew unnoticed; see
 * vu_relay.h.  QEMU docs/interop/vhost-user.rst, "Communication", "Inflight I/O tracking".
 *
 * One message at a time is under way to the back end: the front-end's, one of our own, or, when the back end is a new one, one
 * that is said again.  The next is taken when that is answered, or sent where it has no answer.  Where the back end knows REPLY_ACK,
 * each message that is kept is acknowledged first, so that it was done; the front-end gets the acknowledgements it asked for.
 */
#include "transport/relay/vu_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/listener.h"
#include "core/unix_socket.h"
#include "transport/relay/vu_kept.h"

/* Front-ends that may wait for their turn. */
#define BACKLOG 8

/* How often a back end that is gone is called, and how often we look whether the front-end waits still, seconds. */
#define CALL_INTERVAL 0.02
#define LOOK_INTERVAL 0.5

/* After as many back ends that ended before they were told all, or did so at the same message, it is the message. */
#define MOST_BROKEN_LIVES 20
#define MOST_TRIES	  2

/* Descriptions of chains in flight for rings up to this size, or the largest there is at first. */
#define RECORD_RING 1024u

/* What we want of a back end, besides what the front-end accepts. */
#define OWN_PROTOCOL_FEATURES (BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_INFLIGHT_SHMFD))

/* What cannot go on with another back end: it has pages of ours to fill. */
#define UNFIT_PROTOCOL_FEATURES BIT(VU_PF_PAGEFAULT)

/* How far a new back end is told. */
enum phase { ASK_FEATURES, ASK_PROTOCOL_FEATURES, TELL, ASK_WHETHER_ALIVE, SERVE };

enum whose { NOBODYS, OWN, KEPT, FRONT };

static const struct sandbox_call relay_calls[] = {
	{.name = "recvmsg", .why = "messages of either side"},
	{.name = "sendmsg", .why = "messages to either side"},
	{.name = "fcntl", .why = "a descriptor for a new back end", .checks = {{1, SANDBOX_IS, F_DUPFD_CLOEXEC}}},
	{0},
};

void vu_relay_needs(const char *path, const char *to, struct sandbox *s)
{
	sandbox_calls(s, relay_calls);
	unix_listener_needs(path, s);
	sandbox_calls(s, unix_connect_calls);
	sandbox_folder(s, to, SANDBOX_CONNECT, "the back end's socket");
}

struct vu_relay {
	struct ev_loop *loop;
	struct log *log;
	const char *to;
	struct unix_listener own;
	struct listener door;

	int front, back;               /* -1: none */
	struct ev_io front_io, back_io;
	struct ev_timer timer;         /* calls, or looks */
	bool missed;                   /* said that there is no back end */
	unsigned int backs;            /* back ends so far */

	struct vu_reader front_reader, back_reader;
	bool have;                     /* a message of the front-end waits for its answer */
	unsigned int tries;            /* back ends that ended over it */
	struct vu_msg reply;           /* to the front-end */
	size_t reply_done;
	bool replying;

	enum whose whose;              /* out's; NOBODYS: nothing is under way */
	struct vu_msg out;             /* its descriptors are another's */
	size_t out_done;
	bool sent;

	struct vu_said said;
	enum phase phase;
	const struct vu_kept *at;      /* the next to be told */
	unsigned int broken_lives;
	uint64_t offered;              /* protocol features of the back end */
	uint64_t accepted;             /* of those the front-end's choice */
	uint64_t features;             /* SET_FEATURES */
	uint64_t nqueues;              /* 0: not asked yet */
	bool acks;                     /* this back end has been told of REPLY_ACK */
	bool own_record;               /* SET_INFLIGHT_FD was ours */
	bool cold;                     /* no ring has started since a new back end was told */
	uint32_t stopped_at[VU_VRING_INDEX_MASK + 1];
};

static void relay_next(struct vu_relay *r);

/* What the back end was told to use. */
static uint64_t told(const struct vu_relay *r)
{
	const struct vu_kept *k = vu_said_find(&r->said, VU_SET_PROTOCOL_FEATURES, 0);
	struct vu_msg m = {0};

	if (k)
		vu_kept_msg(k, &m);
	return m.p.u64;
}

static void back_close(struct vu_relay *r)
{
	ev_io_stop(r->loop, &r->back_io);
	if (r->back >= 0)
		close(r->back);
	r->back = -1;
	r->whose = NOBODYS;
	vu_reader_next(&r->back_reader);
}

static void front_close(struct vu_relay *r, const char *why);

/* The back end refused what must be done. */
static void refused(struct vu_relay *r)
{
	log_guest(r->log, "connection ended: the back end refused %s", vu_request_name(r->out.h.request));
	front_close(r, NULL);
}

/* The front-end's connection ends, and with it the back end's; why: a line, or NULL where it went by itself. */
static void front_close(struct vu_relay *r, const char *why)
{
	if (why)
		log_guest(r->log, "connection ended: %s", why);
	ev_io_stop(r->loop, &r->front_io);
	ev_timer_stop(r->loop, &r->timer);
	close(r->front);
	r->front = -1;
	back_close(r);
	vu_msg_close_fds(&r->reply);
	vu_reader_next(&r->front_reader);
	vu_said_clear(&r->said);
	memset(r->stopped_at, 0, sizeof(r->stopped_at));
	r->have = r->replying = r->own_record = r->cold = r->missed = false;
	r->tries = r->broken_lives = 0;
	r->offered = r->accepted = r->features = r->nqueues = 0;
	listener_resume(&r->door);
}

static void timer_in(struct vu_relay *r, double seconds)
{
	ev_timer_stop(r->loop, &r->timer);
	ev_timer_set(&r->timer, seconds, 0.);
	ev_timer_start(r->loop, &r->timer);
}

/* The back end is gone.  Where rings run another one needs the record of what was in flight. */
static void back_gone(struct vu_relay *r)
{
	const bool whole = r->phase == SERVE;
	const bool front_kept = vu_said_find(&r->said, VU_SET_INFLIGHT_FD, 0);

	r->broken_lives = whole ? 0 : r->broken_lives + 1;
	r->tries += r->whose == FRONT;
	back_close(r);
	if (r->tries >= MOST_TRIES || r->broken_lives >= MOST_BROKEN_LIVES)
		front_close(r, "the back end ends each time it is told the same");
	else if (vu_said_running(&r->said) && !front_kept)
		front_close(r, "the back end has gone, and kept no record of requests in flight (INFLIGHT_SHMFD)");
	else
		timer_in(r, 0.);
	if (r->front >= 0 && whole)
		log_guest(r->log, "the back end has gone; calling %s", r->to);
}

/* Goes on with what is under way to the front-end. */
static void reply_push(struct vu_relay *r)
{
	int ret = vu_send(r->front, &r->reply, &r->reply_done);

	if (ret < 0) {
		front_close(r, ret == -EPIPE ? NULL : strerror(-ret));
		return;
	}
	r->replying = ret == 0;
	if (r->replying) {
		ev_io_stop(r->loop, &r->front_io);
		ev_io_set(&r->front_io, r->front, EV_WRITE);
		ev_io_start(r->loop, &r->front_io);
	} else {
		vu_msg_close_fds(&r->reply);
		r->reply.nfds = 0;
	}
}

/* Answers the front-end's message with m, whose descriptors are taken. */
static void reply(struct vu_relay *r, struct vu_msg *m)
{
	r->reply = *m;
	m->nfds = 0;
	r->reply_done = 0;
	reply_push(r);
}

/* The front-end's message is done with. */
static void front_done(struct vu_relay *r)
{
	vu_reader_next(&r->front_reader);
	r->have = false;
	r->tries = 0;
}

/* Whether a request has an answer of its own kind. */
static bool has_answer(uint32_t request)
{
	const struct vu_request_info *info = vu_request_find(request);

	return info && info->answer == VU_ANSWERED;
}

/*
 * Whether the front-end's message is answered; SET_LOG_BASE is where LOG_SHMFD was accepted, IOTLB_MSG where that is asked for,
 * whatever was accepted.
 */
static bool answers_front(const struct vu_relay *r)
{
	const struct vu_msg *m = &r->front_reader.msg;
	const uint64_t accepted = m->h.request == VU_SET_PROTOCOL_FEATURES ? m->p.u64 : r->accepted;
	const bool asked = m->h.flags & VU_FLAG_NEED_REPLY;

	return has_answer(m->h.request) || (m->h.request == VU_SET_LOG_BASE && accepted & BIT(VU_PF_LOG_SHMFD)) ||
	       (asked && (accepted & BIT(VU_PF_REPLY_ACK) || m->h.request == VU_IOTLB_MSG));
}

/*
 * Begins to send out, which is whose.  What is kept is acknowledged, but for that which says whether it can be; of the rest (a guest's
 * write of configuration, a kick, what nobody knows) the back end may think what it likes, unless the front-end asks.
 */
static void out_begin(struct vu_relay *r, enum whose whose)
{
	const uint32_t request = r->out.h.request;
	bool ack = r->acks && request != VU_SET_PROTOCOL_FEATURES && vu_said_matters(request);

	ack |= whose == FRONT && answers_front(r);
	ack &= !has_answer(request);
	r->out.h.flags = VU_VERSION | (ack ? VU_FLAG_NEED_REPLY : 0);
	r->whose = whose;
	r->out_done = 0;
	r->sent = false;
}

/* A message of our own. */
static void own_begin(struct vu_relay *r, uint32_t request)
{
	memset(&r->out, 0, sizeof(r->out));
	r->out.h.request = request;
	out_begin(r, OWN);
}

/* Whether the back end is to keep a record for us before this message of the front-end. */
static bool wants_record(const struct vu_relay *r)
{
	const struct vu_msg *m = &r->front_reader.msg;
	const uint32_t index = m->p.u64 & VU_VRING_INDEX_MASK;
	const struct vu_kept *base;
	struct vu_msg b = {0};

	if (m->h.request != VU_SET_VRING_KICK || !(told(r) & BIT(VU_PF_INFLIGHT_SHMFD)) || vu_said_running(&r->said))
		return false;
	/* A front-end that keeps one has said so by now; QEMU accepts the feature also where it keeps none. */
	if (!vu_said_find(&r->said, VU_SET_INFLIGHT_FD, 0))
		return true;
	/* A driver that begins anew has nothing in flight, and a new back end would not know. */
	base = vu_said_find(&r->said, VU_SET_VRING_BASE, index);
	if (base)
		vu_kept_msg(base, &b);
	return r->own_record && r->cold && b.p.state.num != r->stopped_at[index];
}

/* Asks for what a record needs, one after the other. */
static void record_begin(struct vu_relay *r)
{
	const uint32_t ring = vu_said_largest_ring(&r->said);

	if (!r->nqueues && told(r) & BIT(VU_PF_MQ)) {
		own_begin(r, VU_GET_QUEUE_NUM);
		return;
	}
	own_begin(r, VU_GET_INFLIGHT_FD);
	r->out.h.size = sizeof(r->out.p.inflight);
	r->out.p.inflight.nqueues = (uint16_t)min_u64(r->nqueues ? r->nqueues : 1, VU_VRING_INDEX_MASK + 1);
	r->out.p.inflight.queue_size = (uint16_t)(ring > RECORD_RING ? ring : RECORD_RING);
}

static void front_begin(struct vu_relay *r)
{
	const struct vu_msg *m = &r->front_reader.msg;

	r->out = *m;
	if (m->h.request == VU_SET_PROTOCOL_FEATURES)
		r->out.p.u64 |= r->offered & OWN_PROTOCOL_FEATURES;
	out_begin(r, FRONT);
}

/* The next thing to be said to the back end.  Returns false when there is none. */
static bool out_next(struct vu_relay *r)
{
	if (r->phase == TELL && !r->at)
		r->phase = ASK_WHETHER_ALIVE;
	if (r->phase == ASK_FEATURES || r->phase == ASK_WHETHER_ALIVE) {
		own_begin(r, VU_GET_FEATURES);
	} else if (r->phase == ASK_PROTOCOL_FEATURES) {
		own_begin(r, VU_GET_PROTOCOL_FEATURES);
	} else if (r->phase == TELL) {
		vu_kept_msg(r->at, &r->out);
		out_begin(r, KEPT);
	} else if (!r->have) {
		return false;
	} else if (wants_record(r)) {
		record_begin(r);
	} else {
		front_begin(r);
	}
	return true;
}

/* The front-end's message was acted upon: what it says is kept.  Returns false where the connection has ended. */
static bool front_acted(struct vu_relay *r)
{
	struct vu_msg *m = &r->front_reader.msg;
	int err;

	if (m->h.request == VU_SET_FEATURES)
		r->features = m->p.u64;
	if (m->h.request == VU_SET_PROTOCOL_FEATURES) {
		r->accepted = m->p.u64;
		m->p.u64 = r->out.p.u64;
	}
	if (m->h.request == VU_SET_VRING_KICK)
		r->cold = false;
	if (m->h.request == VU_SET_INFLIGHT_FD)
		r->own_record = false;
	err = vu_said_add(&r->said, m);
	if (err)
		front_close(r, strerror(-err));
	return !err;
}

/* The back end's answer to the front-end's message. */
static void front_answered(struct vu_relay *r, struct vu_msg *m)
{
	const struct vu_msg *asked = &r->front_reader.msg;
	const bool ack = !has_answer(asked->h.request), answers = answers_front(r);

	if (asked->h.request == VU_GET_PROTOCOL_FEATURES) {
		m->p.u64 &= ~(uint64_t)UNFIT_PROTOCOL_FEATURES;
		r->offered = m->p.u64;
	}
	if (asked->h.request == VU_GET_VRING_BASE || asked->h.request == VU_GET_VRING_BASE_SKIP_DRAIN)
		r->stopped_at[asked->p.state.index & VU_VRING_INDEX_MASK] = m->p.state.num;
	if (ack && m->p.u64 && !answers) {
		refused(r);
		return;
	}
	if ((!ack || !m->p.u64) && !front_acted(r))
		return;
	if (answers)
		reply(r, m);
	if (r->front >= 0)
		front_done(r);
}

/* The back end's answer to a message of our own, or to one that is told again. */
static void own_answered(struct vu_relay *r, struct vu_msg *m)
{
	struct vu_msg set;

	switch (r->out.h.request) {
	case VU_GET_FEATURES:
		if (r->phase == ASK_WHETHER_ALIVE)
			r->phase = SERVE;
		else if (r->features & ~m->p.u64)
			front_close(r, "the back end that came back lacks a feature the driver uses");
		else
			r->phase = m->p.u64 & BIT(VHOST_USER_F_PROTOCOL_FEATURES) && told(r) ? ASK_PROTOCOL_FEATURES : TELL;
		return;
	case VU_GET_PROTOCOL_FEATURES:
		if (told(r) & ~m->p.u64)
			front_close(r, "the back end that came back lacks a protocol feature");
		else
			r->phase = TELL;
		return;
	case VU_GET_QUEUE_NUM:
		r->nqueues = m->p.u64 ? m->p.u64 : 1;
		return;
	case VU_GET_INFLIGHT_FD:
		if (m->nfds != 1) {
			front_close(r, "the back end made no record of requests in flight");
			return;
		}
		set = *m;
		m->nfds = 0;
		set.h.request = VU_SET_INFLIGHT_FD;
		/* It is kept, and so told, as everything: the rings it is for start after it. */
		if (vu_said_add(&r->said, &set) < 0) {
			vu_msg_close_fds(&set);
			front_close(r, strerror(ENOMEM));
			return;
		}
		r->cold = false;
		r->own_record = true;
		vu_kept_msg(vu_said_find(&r->said, VU_SET_INFLIGHT_FD, 0), &r->out);
		out_begin(r, OWN);
		return;
	default:
		if (m->p.u64)
			refused(r);
	}
}

/* Out is answered, or was sent and has no answer (m NULL). */
static void out_answered(struct vu_relay *r, struct vu_msg *m)
{
	const enum whose whose = r->whose;

	r->whose = NOBODYS;
	if (r->out.h.request == VU_SET_PROTOCOL_FEATURES)
		r->acks = r->out.p.u64 & BIT(VU_PF_REPLY_ACK);
	if (whose == FRONT && m) {
		front_answered(r, m);
	} else if (whose == FRONT) {
		if (front_acted(r))
			front_done(r);
	} else if (whose == KEPT) {
		r->at = r->at->next;
		if (m && m->p.u64)
			refused(r);
	} else if (m) {
		own_answered(r, m);
	}
}

static bool expects_answer(const struct vu_relay *r)
{
	return has_answer(r->out.h.request) || r->out.h.flags & VU_FLAG_NEED_REPLY ||
	       (r->out.h.request == VU_SET_LOG_BASE && told(r) & BIT(VU_PF_LOG_SHMFD));
}

/* Sends out.  Returns false when that must wait, or the back end is gone. */
static bool out_push(struct vu_relay *r)
{
	int ret = vu_send(r->back, &r->out, &r->out_done);

	if (ret < 0) {
		back_gone(r);
		return false;
	}
	ev_io_stop(r->loop, &r->back_io);
	ev_io_set(&r->back_io, r->back, ret ? EV_READ : EV_READ | EV_WRITE);
	ev_io_start(r->loop, &r->back_io);
	if (!ret)
		return false;
	r->sent = true;
	return true;
}

/* Watches the front-end while it may speak; while it waits for an answer, looks now and then whether it still does. */
static void front_watch(struct vu_relay *r)
{
	ev_io_stop(r->loop, &r->front_io);
	if (r->have || r->replying)
		return;
	ev_io_set(&r->front_io, r->front, EV_READ);
	ev_io_start(r->loop, &r->front_io);
}

/* Says what there is to be said, until something must be waited for. */
static void relay_next(struct vu_relay *r)
{
	while (r->front >= 0 && r->back >= 0 && !r->replying) {
		if (r->whose == NOBODYS && !out_next(r))
			break;
		if (r->sent || !out_push(r) || expects_answer(r))
			break;
		out_answered(r, NULL);
	}
	if (r->front < 0)
		return;
	if (!r->replying)
		front_watch(r);
	if (r->back < 0)
		return;
	if (r->have)
		timer_in(r, LOOK_INTERVAL);
	else
		ev_timer_stop(r->loop, &r->timer);
}

static void back_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vu_relay *r = container_of(w, struct vu_relay, back_io);
	int ret;

	if (revents & EV_ERROR) {
		back_gone(r);
		return;
	}
	if (revents & EV_READ) {
		ret = vu_read(&r->back_reader, r->back);
		if (ret < 0) {
			if (ret == -EPROTO)
				front_close(r, "the back end says what is not vhost-user");
			else
				back_gone(r);
		} else if (ret) {
			const struct vu_msg *m = &r->back_reader.msg;

			if (r->whose == NOBODYS || !r->sent || r->back_reader.truncated || m->h.request != r->out.h.request ||
			    !(m->h.flags & VU_FLAG_REPLY))
				front_close(r, "the back end answers what was not asked");
			else
				out_answered(r, &r->back_reader.msg);
			if (r->back >= 0)
				vu_reader_next(&r->back_reader);
		}
	}
	relay_next(r);
}

static void front_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vu_relay *r = container_of(w, struct vu_relay, front_io);
	int ret;

	if (revents & EV_ERROR) {
		front_close(r, "it cannot be waited for");
		return;
	}
	if (r->replying) {
		reply_push(r);
	} else {
		ret = vu_read(&r->front_reader, r->front);
		if (ret > 0 && r->front_reader.truncated)
			front_close(r, "a message is longer than any we know");
		else if (ret > 0)
			r->have = true;
		else if (ret < 0)
			front_close(r, ret == -EPROTO ? "not a vhost-user message" : NULL);
	}
	relay_next(r);
}

/* Calls the back end once; when it is not there, again later. */
static void call_back(struct vu_relay *r)
{
	r->back = unix_connect(r->to);
	if (r->back < 0) {
		if (!r->missed)
			log_guest(r->log, "no back end at %s (%s); trying again and again", r->to, strerror(-r->back));
		r->missed = true;
		r->back = -1;
		timer_in(r, CALL_INTERVAL);
		return;
	}
	ev_io_set(&r->back_io, r->back, EV_READ);
	ev_io_start(r->loop, &r->back_io);
	r->backs++;
	if (r->missed)
		log_guest_info(r->log, "there is a back end at %s", r->to);
	r->missed = false;
	r->acks = false;
	r->phase = r->said.first ? ASK_FEATURES : SERVE;
	r->at = r->said.first;
	r->cold = r->said.first && !vu_said_running(&r->said);
	relay_next(r);
}

static void timer_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct vu_relay *r = container_of(w, struct vu_relay, timer);
	struct pollfd p = {.fd = r->front, .events = POLLRDHUP};

	if (poll(&p, 1, 0) > 0)
		front_close(r, NULL);
	else if (r->back < 0)
		call_back(r);
	else
		timer_in(r, LOOK_INTERVAL);
}

static void accepted(struct listener *l, int fd)
{
	struct vu_relay *r = container_of(l, struct vu_relay, door);

	listener_pause(l); /* the next one waits in the backlog */
	r->front = fd;
	ev_io_set(&r->front_io, r->front, EV_READ);
	call_back(r);
	front_watch(r);
}

int vu_relay_open(struct ev_loop *loop, struct log *log, const char *path, uint64_t mode, const char *to,
		  struct vu_relay **out)
{
	struct vu_relay *r = calloc(1, sizeof(*r));
	int err;

	*out = NULL;
	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->log = log;
	r->to = to;
	r->front = r->back = -1;
	ev_init(&r->front_io, front_ready);
	ev_init(&r->back_io, back_ready);
	ev_init(&r->timer, timer_due);
	err = unix_listen(&r->own, path, mode, BACKLOG);
	if (err) {
		log_error(log, "cannot listen on %s: %s%s", path, strerror(-err),
			  err == -EADDRINUSE ? " (another process serves it, or it is no socket)" : "");
		free(r);
		return err;
	}
	r->door = (struct listener){.accepted = accepted, .log = log, .name = path};
	err = listener_start(&r->door, loop, r->own.fd);
	if (err) {
		unix_listener_close(&r->own);
		free(r);
		return err;
	}
	*out = r;
	return 0;
}

void vu_relay_look(const struct vu_relay *r, struct vu_relay_view *view)
{
	view->front = r->front >= 0;
	view->back = r->back >= 0;
	view->backs = r->backs;
}

void vu_relay_free(struct vu_relay *r)
{
	if (!r)
		return;
	if (r->front >= 0)
		front_close(r, NULL);
	listener_stop(&r->door);
	unix_listener_close(&r->own);
	free(r);
}
