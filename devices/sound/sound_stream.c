/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sound_stream.c - txq and rxq: messages, their way to the host and back.  VIRTIO 1.4, section 5.14.6.8 "PCM I/O
 * Messages".
 *
 * Theory of operation.  A message is held from its pop until its frames have been played, or until it is full: then it
 * is given back, one by one and in order.  Drivers take that for the position of the hardware.  Frames lie in guest
 * memory until the host takes them; the host plays what it has taken up to a place, which it tells.  So at each look at
 * a stream (stream_run) the host is given what it has room for, messages that end before its place are given back, and
 * the host is asked to call when it comes to the end of the next.
 *
 * Where the host forgets what it has not yet played, at a STOP, the messages are still here, and their rest is given
 * again.
 *
 * Output that has run empty is an underflow when the driver goes on: at the end of a piece it is none.  Input that was
 * lost is one at once.
 *
 * A driver tells by the messages given back how far a stream is, around its buffer: where it finds the whole buffer at
 * once, because the guest did not run meanwhile, it may take that for none, and then both sides wait for each other
 * (Linux ends that with EIO).  So the last message of a buffer that was full is kept until there is another one, or
 * none has come for a while: that is the end of a piece, or of a reader.
 *
 * RELEASE is answered when all messages are given back, also those that stand in the ring: the queue gets turns until
 * one finds nothing there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "devices/sound/sound.h"

/* The most bytes that go to or from a host in one look. */
#define RUN_MAX (1u << 20)

/* How long the last message is kept, ns.  Linux waits for a period for a tenth of a second, or a buffer and a tenth. */
#define PATIENCE_LEAST 50000000
#define PATIENCE_MAX   250000000

/* Pieces of a message that are copied at once. */
#define PIECES 16

struct pcm_status {
	le32 status;
	le32 latency_bytes;
} __attribute__((packed));

_Static_assert(sizeof(struct pcm_status) == 8, "struct virtio_snd_pcm_status");

static unsigned int stream_queue(const struct sound_stream *st)
{
	return st->capture ? SOUND_RXQ : SOUND_TXQ;
}

uint32_t sound_stream_features(const struct sound_stream *st)
{
	return SOUND_F_EVT_XRUNS | (st->s->polling ? SOUND_F_MSG_POLLING : 0);
}

/* ---- messages */

/* Gives a message back.  done: bytes of frames in it, of an input stream. */
static void msg_answer(struct chain *c, bool capture, uint32_t done, uint32_t code, uint32_t latency)
{
	const struct pcm_status status = {.status = htole32(code), .latency_bytes = htole32(latency)};
	size_t room = chain_writable(c);

	if (room >= sizeof(status) && !capture) {
		chain_put(c, &status, sizeof(status));
	} else if (room >= sizeof(status)) {
		/* The status ends the buffer; the length that is told is that of the frames and of the status. */
		chain_put_at(c, room - sizeof(status), &status, sizeof(status));
		if (done < room - sizeof(status)) {
			chain_wrote(c, done);
			chain_put_zeros(c, min_size(sizeof(status), chain_writable(c) - sizeof(status)));
			chain_wrote(c, done + sizeof(status) - chain_written(c));
		} else {
			chain_wrote(c, room);
		}
	}
	virtq_push(c);
}

static void stream_keep_none(struct sound_stream *st)
{
	if (st->kept)
		ev_timer_stop(st->s->d.loop, &st->patience);
	st->kept = false;
}

/* The first message is over. */
static void stream_shift(struct sound_stream *st, uint32_t code, uint32_t latency)
{
	struct sound_msg *m = st->first;

	st->first = m->next;
	if (!st->first)
		st->last = NULL;
	st->at += m->len;
	st->held -= m->len;
	stream_keep_none(st);
	st->errors += code != SND_S_OK;
	msg_answer(m->chain, st->capture, code == SND_S_OK ? m->done : 0, code, latency);
	m->chain = NULL;
}

/* All messages go back: what an input has recorded is told. */
static void stream_flush(struct sound_stream *st, uint32_t code)
{
	while (st->first)
		stream_shift(st, st->capture && st->first->done ? SND_S_OK : code, 0);
	st->at = st->sent;
	st->skip = 0;
}

/* Copies bytes of a message from its place done on, at most len. */
static size_t msg_copy_out(const struct sound_msg *m, uint8_t *buf, size_t len)
{
	size_t got = 0;

	len = min_size(len, m->len - m->done);
	while (got < len) {
		struct iovec iov[PIECES];
		unsigned int n = chain_iov(m->chain, CHAIN_READ, m->done + got, iov, PIECES, len - got);

		if (!n)
			break;
		for (unsigned int i = 0; i < n; i++) {
			memcpy(buf + got, iov[i].iov_base, iov[i].iov_len);
			got += iov[i].iov_len;
		}
	}
	return got;
}

/* ---- running */

static void stream_level(struct sound_stream *st, uint8_t *buf, size_t len)
{
	struct sound *s = st->s;

	if (st->muted)
		sound_silence(st->params.format, buf, len);
	else if (!st->capture && s->volume_limit < 100)
		sound_scale(st->params.format, buf, len, (unsigned int)s->volume_limit);
	if (s->d.control) {
		uint32_t peak = sound_peak(st->params.format, buf, len);

		st->peak = peak > st->peak ? peak : st->peak;
	}
}

static void stream_tell(struct sound_stream *st, const char *what)
{
	st->xruns++;
	if (st->params.features & SOUND_F_EVT_XRUNS)
		sound_event(st->s, SND_EVT_PCM_XRUN, st->id);
	control_tell(st->s->d.control, "%s %u", what, st->id);
}

/* The host has failed: nothing more until the stream is prepared again. */
static void stream_fail(struct sound_stream *st, int err)
{
	log_guest(&st->s->d.log, "stream %u: %s: %s", st->id, st->args.name, strerror(-err));
	st->dead = true;
	st->s->ops->release(st->host);
	st->started = false;
	stream_flush(st, SND_S_IO_ERR);
	stream_tell(st, "failed");
}

/* After it has run empty or over.  Returns 0 or -errno. */
static int stream_recover(struct sound_stream *st)
{
	st->starved = false;
	stream_tell(st, "xrun");
	return st->s->ops->recover(st->host);
}

/* Gives the host frames.  Returns how many bytes went, or -errno. */
static ssize_t stream_feed(struct sound_stream *st)
{
	struct sound *s = st->s;
	bool recovered = false;
	ssize_t sum = 0;

	for (struct sound_msg *m = st->first; m && sum < (ssize_t)RUN_MAX; m = m->done == m->len ? m->next : m) {
		const size_t frame = sound_frame_bytes(&st->params);
		size_t len;
		ssize_t n;

		if (m->done == m->len)
			continue;
		if (st->starved) {
			int err = recovered ? 0 : stream_recover(st);

			if (err < 0 || recovered)
				return err < 0 ? err : sum;
			recovered = true;
		}
		len = msg_copy_out(m, s->bounce, SOUND_BOUNCE / frame * frame);
		stream_level(st, s->bounce, len);
		n = s->ops->write(st->host, s->bounce, len);
		if (n == -EPIPE) {
			st->starved = true;
			continue;
		}
		if (n <= 0)
			return n < 0 ? n : sum;
		m->done += (uint32_t)n;
		st->sent += (uint64_t)n;
		st->bytes += (uint64_t)n;
		sum += n;
	}
	return sum;
}

/* Whether there is no time that it keeps to; input does in any case. */
static bool stream_is_free(const struct sound_stream *st)
{
	return !st->capture && st->args.pace == SOUND_PACE_FREE;
}

/* How long the last message is kept, ns: half a buffer, or where there is no time what is much for a guest. */
static uint64_t stream_patience(const struct sound_stream *st)
{
	const uint64_t half = sound_bytes_ns(&st->params, st->params.buffer_bytes / 2);

	if (stream_is_free(st) || half > PATIENCE_MAX)
		return PATIENCE_MAX;
	return half < PATIENCE_LEAST ? PATIENCE_LEAST : half;
}

/* Whether the first message, which is done, is kept, for it is the last of a whole buffer. */
static bool stream_keeps(struct sound_stream *st)
{
	const bool clock = st->args.pace == SOUND_PACE_CONTROL;

	if (!(st->filled || stream_is_free(st)) || st->first != st->last ||
	    st->params.period_bytes == st->params.buffer_bytes || st->give_last ||
	    (st->kept && clock && *st->args.clock >= st->give_at))
		return false;
	if (!st->kept && clock) {
		st->give_at = *st->args.clock + stream_patience(st);
	} else if (!st->kept) {
		ev_timer_set(&st->patience, (double)stream_patience(st) / 1e9, 0.);
		ev_timer_start(st->s->d.loop, &st->patience);
	}
	st->kept = true;
	return true;
}

/* Gives messages back whose frames the host has played.  Returns 0 or -errno. */
static int stream_played(struct sound_stream *st)
{
	uint64_t place = st->sent;
	uint32_t latency = 0;
	int err = st->s->ops->place(st->host, &place, &latency);

	if (err < 0 && err != -EPIPE)
		return err;
	st->starved |= err == -EPIPE;
	place = err ? st->sent : place + st->base;
	while (st->first && st->first->done == st->first->len && st->at + st->first->len <= place && !stream_keeps(st))
		stream_shift(st, SND_S_OK, latency);
	return 0;
}

/* Takes frames from the host.  Returns how many bytes came, or -errno. */
static ssize_t stream_take(struct sound_stream *st)
{
	struct sound *s = st->s;
	bool recovered = false;
	ssize_t sum = 0;

	while (st->first && sum < (ssize_t)RUN_MAX) {
		const size_t frame = sound_frame_bytes(&st->params);
		struct sound_msg *m = st->first;
		uint64_t place = 0;
		uint32_t latency = 0;
		ssize_t n = s->ops->read(st->host, s->bounce, min_size(m->len - m->done, SOUND_BOUNCE / frame * frame));

		if (n == -EPIPE) {
			int err = recovered ? 0 : stream_recover(st);

			if (err < 0 || recovered)
				return err < 0 ? err : sum;
			recovered = true;
			continue;
		}
		if (n <= 0 && m->done < m->len)
			return n < 0 ? n : sum;
		if (n > 0) {
			stream_level(st, s->bounce, (size_t)n);
			chain_put_at(m->chain, m->done, s->bounce, (size_t)n);
			m->done += (uint32_t)n;
			st->sent += (uint64_t)n;
			st->bytes += (uint64_t)n;
			sum += n;
		}
		if (m->done < m->len)
			continue;
		if (stream_keeps(st))
			return sum;
		if (s->ops->place(st->host, &place, &latency) < 0)
			latency = 0;
		else
			latency += place + st->base > st->sent
					   ? (uint32_t)min_u64(place + st->base - st->sent, UINT32_MAX / 2)
					   : 0;
		stream_shift(st, SND_S_OK, latency);
	}
	return sum;
}

/* Whether there is no message that the host could go on with. */
static bool stream_is_idle(const struct sound_stream *st)
{
	return !st->first || st->kept;
}

/* An input that nobody reads is looked at, too: what is lost is told. */
static int stream_idle(struct sound_stream *st)
{
	uint64_t place;
	uint32_t latency;
	int err = st->capture && stream_is_idle(st) ? st->s->ops->place(st->host, &place, &latency) : 0;

	return err == -EPIPE ? stream_recover(st) : err;
}

/* Looks at a stream: see above. */
static void stream_run(struct sound_stream *st)
{
	ssize_t sum = 0, n = 0;
	int err = 0;

	if (st->state != PCM_RUNNING || st->dead || !st->started)
		return;
	do {
		n = st->capture ? stream_take(st) : stream_feed(st);
		if (n >= 0 && !st->capture)
			err = stream_played(st);
		if (n < 0 || err < 0) {
			stream_fail(st, n < 0 ? (int)n : err);
			return;
		}
		sum += n;
	} while (n && sum < (ssize_t)RUN_MAX);
	err = stream_idle(st);
	if (err < 0) {
		stream_fail(st, err);
		return;
	}
	if (n)
		loop_again_start(&st->go_on, st->s->d.loop);
	st->s->ops->wake(st->host, stream_is_idle(st) ? SOUND_NEVER : st->at + st->first->len - st->base);
}

static void stream_ready(void *user)
{
	struct sound_stream *st = user;

	stream_run(st);
}

void sound_streams_look(struct sound *s)
{
	for (unsigned int i = 0; i < s->nstreams; i++)
		stream_run(&s->streams[i]);
}

/* Nothing has come behind the last message. */
static void stream_is_over(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct sound_stream *st = container_of(w, struct sound_stream, patience);

	st->give_last = true;
	stream_run(st);
	st->give_last = false;
}

static void stream_goes_on(struct loop_again *again)
{
	stream_run(container_of(again, struct sound_stream, go_on));
}

/* The driver does not kick: its ring is looked at. */
static void stream_polls(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct sound_stream *st = container_of(w, struct sound_stream, poll);

	virtq_again(vdev_queue(&st->s->d, stream_queue(st)));
}

/* Begins to look by time, four times a period; or ends it. */
static void stream_poll(struct sound_stream *st, bool on)
{
	struct ev_loop *loop = st->s->d.loop;
	double period;

	ev_timer_stop(loop, &st->poll);
	st->polls = on && st->params.features & SOUND_F_MSG_POLLING;
	if (!st->polls)
		return;
	period = (double)sound_bytes_ns(&st->params, st->params.period_bytes) / 4e9;
	st->poll.repeat = period < 0.001 ? 0.001 : period > 0.25 ? 0.25 : period;
	ev_timer_again(loop, &st->poll);
}

/* Begins to run, if its state says so.  Returns 0 or -errno. */
static int stream_begin(struct sound_stream *st)
{
	int err;

	if (st->state != PCM_RUNNING || st->dead || st->started)
		return 0;
	err = st->s->ops->start(st->host);
	st->started = !err;
	return err;
}

/* The host stands still; what it has forgotten is to be given again. */
static void stream_halt(struct sound_stream *st)
{
	uint64_t place, begin;

	stream_run(st);
	loop_again_stop(&st->go_on, st->s->d.loop);
	stream_keep_none(st);
	if (!st->started)
		return;
	begin = st->at;
	st->started = st->starved = false;
	place = st->s->ops->stop(st->host);
	if (st->capture)
		return;
	place += st->base;
	for (struct sound_msg *m = st->first; m; m = m->next) {
		m->done = place > begin ? (uint32_t)min_u64(place - begin, m->len) : 0;
		begin += m->len;
	}
	st->sent = place;
	while (st->first && st->first->done == st->first->len)
		stream_shift(st, SND_S_OK, 0);
}

/* ---- requests of the controlq */

static uint32_t status_of(int err)
{
	return !err ? SND_S_OK : err == -EINVAL ? SND_S_BAD_MSG : err == -EOPNOTSUPP ? SND_S_NOT_SUPP : SND_S_IO_ERR;
}

static uint32_t ask_params(struct sound_stream *st, const struct sound_params *p)
{
	int err = sound_params_check(p, &st->caps, sound_stream_features(st));

	if (!err && st->s->ops->check)
		err = st->s->ops->check(st->host, p);
	if (err) {
		log_guest(&st->s->d.log,
			  "stream %u: parameters refused: %u bytes in periods of %u, %s, %u Hz, %u channels: %s",
			  st->id, p->buffer_bytes, p->period_bytes, sound_format_name(p->format),
			  sound_rate_hz(p->rate), p->channels, strerror(-err));
		return status_of(err);
	}
	stream_flush(st, SND_S_IO_ERR);
	st->s->ops->release(st->host);
	stream_poll(st, false);
	st->params = *p;
	return SND_S_OK;
}

static uint32_t ask_prepare(struct sound_stream *st)
{
	int err;

	stream_flush(st, SND_S_IO_ERR);
	err = st->s->ops->prepare(st->host, &st->params);
	st->dead = err < 0;
	st->starved = st->started = st->filled = false;
	st->at = st->sent = st->base = 0;
	if (err < 0)
		log_guest(&st->s->d.log, "stream %u: %s: %s", st->id, st->args.name, strerror(-err));
	else
		stream_poll(st, true);
	return status_of(err);
}

static uint32_t ask_start(struct sound_stream *st)
{
	const enum sound_pcm_state before = st->state;
	int err;

	if (st->dead)
		return SND_S_IO_ERR;
	st->state = PCM_RUNNING;
	err = stream_begin(st);
	if (err < 0) {
		stream_fail(st, err);
		/* A request that fails leaves the stream where it was. */
		st->state = before;
		return SND_S_IO_ERR;
	}
	stream_run(st);
	/* Messages that stand in the ring come now. */
	virtq_again(vdev_queue(&st->s->d, stream_queue(st)));
	return SND_S_OK;
}

/* Nothing more is played.  All messages go back, and those that are still in the ring, too. */
static uint32_t ask_release(struct sound_stream *st)
{
	struct virtq *vq = vdev_queue(&st->s->d, stream_queue(st));

	stream_poll(st, false);
	stream_flush(st, SND_S_IO_ERR);
	st->s->ops->release(st->host);
	st->dead = false;
	if (!virtq_running(vq))
		return SND_S_OK;
	st->releasing = true;
	virtq_again(vq);
	return 0;
}

uint32_t sound_stream_ask(struct sound_stream *st, enum sound_pcm_ask ask, const struct sound_params *params)
{
	uint32_t status = SND_S_OK;

	if (!sound_pcm_may(st->state, ask)) {
		log_guest(&st->s->d.log, "stream %u: a request that cannot follow in state %s", st->id,
			  sound_pcm_state_name(st->state));
		return SND_S_BAD_MSG;
	}
	if (ask == PCM_SET_PARAMS)
		status = ask_params(st, params);
	else if (ask == PCM_PREPARE)
		status = ask_prepare(st);
	else if (ask == PCM_START)
		status = ask_start(st);
	else if (ask == PCM_STOP)
		stream_halt(st);
	else
		status = ask_release(st);
	if (status == SND_S_OK || !status)
		st->state = sound_pcm_next(ask);
	return status;
}

/* ---- queues */

/* The stream that a message is for, and that takes one now; or NULL. */
static struct sound_stream *msg_stream(struct sound *s, unsigned int q, struct chain *c)
{
	struct sound_stream *st;
	le32 id;

	if (!chain_get(c, &id, sizeof(id)) || le32toh(id) >= s->nstreams) {
		log_guest(&s->d.log, "refused message: it names no stream");
		return NULL;
	}
	st = &s->streams[le32toh(id)];
	if (stream_queue(st) != q) {
		log_guest(&s->d.log, "refused message: stream %u has the other direction", st->id);
		return NULL;
	}
	return sound_pcm_takes_messages(st->state) && !st->dead && !st->releasing ? st : NULL;
}

/* Whether the frames of a message can be taken; *len: its bytes. */
static bool msg_fits(struct sound_stream *st, const struct chain *c, uint32_t *len)
{
	size_t bytes = st->capture ? chain_writable(c) - sizeof(struct pcm_status) : chain_readable(c);

	if (chain_writable(c) < sizeof(struct pcm_status) || bytes > st->params.buffer_bytes ||
	    bytes % sound_frame_bytes(&st->params)) {
		log_guest(&st->s->d.log, "refused message: not frames of stream %u, or more than its buffer holds",
			  st->id);
		return false;
	}
	*len = (uint32_t)bytes;
	return true;
}

static void msg_add(struct sound *s, unsigned int q, struct chain *c)
{
	struct sound_stream *st = msg_stream(s, q, c);
	struct sound_msg *m = &s->msgs[q == SOUND_RXQ][chain_id(c)];
	uint32_t len;

	if (!st || !msg_fits(st, c, &len)) {
		msg_answer(c, q == SOUND_RXQ, 0, SND_S_IO_ERR, 0);
		return;
	}
	*m = (struct sound_msg){.chain = c, .len = len, .done = (uint32_t)min_u64(st->skip, len)};
	if (st->skip) {
		/* Its first part was done before the ring stopped. */
		st->sent += m->done;
		st->skip = 0;
	}
	stream_keep_none(st);
	if (st->last)
		st->last->next = m;
	else
		st->first = m;
	st->last = m;
	st->held += len;
	st->filled |= st->held >= st->params.buffer_bytes;
}

/* Ends RELEASE when a turn has found nothing more. */
static void releases_end(struct sound *s, unsigned int q, bool empty)
{
	for (unsigned int i = 0; i < s->nstreams; i++) {
		struct sound_stream *st = &s->streams[i];

		if (!st->releasing || stream_queue(st) != q)
			continue;
		if (empty) {
			st->releasing = false;
			sound_release_done(s, st);
		} else {
			virtq_again(vdev_queue(&s->d, q));
		}
	}
}

void sound_streams_kick(struct sound *s, unsigned int q)
{
	bool empty = true;
	struct chain *c;

	while ((c = virtq_pop(vdev_queue(&s->d, q)))) {
		empty = false;
		msg_add(s, q, c);
	}
	releases_end(s, q, empty);
	for (unsigned int i = 0; i < s->nstreams; i++) {
		struct sound_stream *st = &s->streams[i];

		if (stream_queue(st) != q)
			continue;
		if (stream_begin(st) < 0)
			stream_fail(st, -EIO);
		stream_run(st);
	}
}

void sound_release_now(struct sound *s)
{
	struct sound_stream *st = s->releases;

	if (!st)
		return;
	st->releasing = false;
	sound_release_done(s, st);
}

void sound_streams_quiesce(struct sound *s, unsigned int q)
{
	for (unsigned int i = 0; i < s->nstreams; i++) {
		struct sound_stream *st = &s->streams[i];

		if (stream_queue(st) != q)
			continue;
		if (st->releasing)
			sound_release_now(s);
		stream_halt(st);
		st->skip = st->first ? st->first->done : 0;
		st->sent = st->at;
		while (st->first) {
			virtq_requeue(st->first->chain);
			st->first = st->first->next;
		}
		st->last = NULL;
		st->held = 0;
		stream_keep_none(st);
	}
}

void sound_streams_reset(struct sound *s)
{
	for (unsigned int i = 0; i < s->nstreams; i++) {
		struct sound_stream *st = &s->streams[i];

		stream_halt(st);
		stream_poll(st, false);
		s->ops->release(st->host);
		st->state = PCM_NONE;
		st->params = (struct sound_params){0};
		st->at = st->sent = st->base = 0;
		st->skip = 0;
		st->dead = st->starved = st->filled = false;
	}
}

/* ---- moving */

/* The record "stream". */
struct saved {
	le32 id, state;
	le32 buffer_bytes, period_bytes, features, skip;
	uint8_t channels, format, rate, capture;
} __attribute__((packed));

_Static_assert(sizeof(struct saved) == 28, "the record \"stream\"");

void sound_streams_save(struct sound *s, struct state *state)
{
	for (unsigned int i = 0; i < s->nstreams; i++) {
		const struct sound_stream *st = &s->streams[i];
		const struct saved saved = {
			.id = htole32(i),
			.state = htole32(st->state),
			.buffer_bytes = htole32(st->params.buffer_bytes),
			.period_bytes = htole32(st->params.period_bytes),
			.features = htole32(st->params.features),
			.skip = htole32(st->skip),
			.channels = st->params.channels,
			.format = st->params.format,
			.rate = st->params.rate,
			.capture = st->capture,
		};

		if (st->state != PCM_NONE)
			state_put(state, "stream", &saved, sizeof(saved));
	}
}

/* Brings a stream to the state it had.  What the host does not do, the guest is told by its next message. */
static void stream_resume(struct sound_stream *st, enum sound_pcm_state state)
{
	st->state = state;
	if (!sound_pcm_takes_messages(state))
		return;
	st->dead = st->s->ops->prepare(st->host, &st->params) < 0;
	stream_poll(st, true);
	/* A guest that moves on before it has heard of it hears it once. */
	if (state == PCM_RUNNING && !sound_event_waits(st->s, SND_EVT_PCM_XRUN, st->id))
		stream_tell(st, "xrun");
}

int sound_streams_load(struct sound *s, const struct state_record *r)
{
	struct sound_stream *st;
	struct sound_params p;
	struct saved saved;
	int err;

	if (strcmp(r->name, "stream") != 0)
		return -ENOENT;
	if (r->len != sizeof(saved))
		return -EINVAL;
	memcpy(&saved, r->bytes, sizeof(saved));
	if (le32toh(saved.id) >= s->nstreams || s->streams[le32toh(saved.id)].capture != saved.capture) {
		log_warn(&s->d.log, "the guest's stream %u is not there, or of the other direction", le32toh(saved.id));
		return -EINVAL;
	}
	st = &s->streams[le32toh(saved.id)];
	p = (struct sound_params){
		.buffer_bytes = le32toh(saved.buffer_bytes),
		.period_bytes = le32toh(saved.period_bytes),
		.features = le32toh(saved.features),
		.channels = saved.channels,
		.format = saved.format,
		.rate = saved.rate,
	};
	err = sound_params_check(&p, &st->caps, sound_stream_features(st));
	if (err == -EOPNOTSUPP)
		log_warn(&s->d.log,
			 "the guest's stream %u has parameters that the one here does not: %s, %u Hz, %u channels",
			 st->id, sound_format_name(p.format), sound_rate_hz(p.rate), p.channels);
	if (err || st->state != PCM_NONE || !le32toh(saved.state) || le32toh(saved.state) >= PCM_STATES ||
	    le32toh(saved.skip) > p.buffer_bytes || le32toh(saved.skip) % sound_frame_bytes(&p))
		return -EINVAL;
	st->params = p;
	st->skip = le32toh(saved.skip);
	st->base = st->skip;
	stream_resume(st, (enum sound_pcm_state)le32toh(saved.state));
	return 0;
}

/* ---- open and close */

static uint64_t rates_up_to(uint64_t rates, uint64_t max)
{
	for (unsigned int i = 0; i < SOUND_RATES; i++)
		rates &= max && sound_rate_hz(i) > max ? ~BIT(i) : UINT64_MAX;
	return rates;
}

/* What the operator allows of what the host can do.  Returns 0, or -EINVAL after a line: nothing is left. */
static int stream_cut(struct sound_stream *st)
{
	struct sound *s = st->s;
	struct sound_caps *caps = &st->caps;

	caps->rates = rates_up_to(caps->rates, s->max_rate);
	for (unsigned int i = 0; i < FMT_COUNT; i++) {
		if (!sound_sample_bytes(i) || (!st->capture && s->volume_limit < 100 && !sound_scales(i)))
			caps->formats &= ~BIT(i);
	}
	if (s->max_channels && caps->channels_max > s->max_channels)
		caps->channels_max = (uint8_t)s->max_channels;
	for (unsigned int i = caps->nmaps; i-- > 0;) {
		if (caps->maps[i].channels > caps->channels_max)
			caps->maps[i] = caps->maps[--caps->nmaps];
	}
	if (caps->rates && caps->formats && caps->channels_min <= caps->channels_max)
		return 0;
	log_error(&s->d.log, "stream %u: %s: no rate, format or number of channels is left for the guest", st->id,
		  st->args.name);
	return -EINVAL;
}

static int stream_open(struct sound *s, bool capture, const char *name)
{
	struct sound_stream *st = &s->streams[s->nstreams];
	int err;

	st->s = s;
	st->id = s->nstreams;
	st->capture = capture;
	st->args = (struct sound_pcm_args){
		.loop = s->d.loop,
		.log = &s->d.log,
		.control = s->d.control,
		.name = name,
		.id = st->id,
		.capture = capture,
		.loop_file = s->loop_file,
		.pace = s->pace,
		.clock = &s->clock,
		.ready = stream_ready,
		.user = st,
	};
	ev_init(&st->poll, stream_polls);
	ev_init(&st->patience, stream_is_over);
	loop_again_init(&st->go_on, stream_goes_on);
	err = s->ops->open(&st->args, &st->host, &st->caps);
	if (err)
		return err;
	s->nstreams++;
	err = stream_cut(st);
	s->nchmaps += st->caps.nmaps;
	return err;
}

int sound_streams_open(struct sound *s)
{
	int err = 0;

	s->bounce = malloc(SOUND_BOUNCE);
	for (unsigned int i = 0; i < ARRAY_SIZE(s->msgs); i++) {
		s->msgs[i] = calloc(SOUND_QUEUE_MAX, sizeof(*s->msgs[i]));
		err = s->msgs[i] ? err : -ENOMEM;
	}
	if (!s->bounce || err) {
		log_error(&s->d.log, "out of memory");
		return -ENOMEM;
	}
	for (unsigned int i = 0; !err && i < s->nplayback; i++)
		err = stream_open(s, false, s->playback[i]);
	for (unsigned int i = 0; !err && i < s->ncapture; i++)
		err = stream_open(s, true, s->capture[i]);
	return err;
}

void sound_streams_close(struct sound *s)
{
	for (unsigned int i = 0; i < s->nstreams; i++) {
		struct sound_stream *st = &s->streams[i];

		loop_again_stop(&st->go_on, s->d.loop);
		ev_timer_stop(s->d.loop, &st->poll);
		ev_timer_stop(s->d.loop, &st->patience);
		s->ops->close(st->host);
	}
	s->nstreams = 0;
	free(s->bounce);
	free(s->msgs[0]);
	free(s->msgs[1]);
}
