/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_data.c - payload between the guest and the host's sockets, bytes or messages: VIRTIO 1.4, sections 5.10.6.4 to
 * 5.10.6.6; see vsock.h.
 *
 * A message of the guest's may come in several packets, and is written to the host's socket with one call when its end is
 * there: until then it waits in the link's buffer, which has room for the longest one (a guest cannot send more than
 * buf_alloc).  What belongs together in the buffer is told by marks, two bits for each byte, so that the room that messages
 * take is bounded however short they are.  A message of the host's is read whole into a second buffer, and given to the guest
 * as it has credit and buffers.
 *
 * Unix sockets know messages but no records: between the vdevds of two guests a byte before each message says whether a record
 * ends with it.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "devices/vsock/vsock.h"

static const struct sandbox_call data_calls[] = {
	{.name = "recvmsg", .why = "bytes of the host's programs"},
	{.name = "sendmsg", .why = "bytes for the host's programs"},
	{.name = "recv", .why = "the head of a connection"},
	{.name = "send", .why = "the head of a connection"},
	{.name = "readv", .why = "bytes of the host's programs"},
	{.name = "writev", .why = "bytes for the host's programs"},
	{.name = "ioctl",
	 .why = "whether bytes are left of a connection that has ended",
	 .checks = {{1, SANDBOX_IS, FIONREAD}}},
	{.name = "shutdown", .why = "one direction of a connection ends"},
	{.name = "getsockopt", .why = "how a connection came about", .checks = {{1, SANDBOX_IS, SOL_SOCKET}}},
	{.name = "setsockopt",
	 .why = "room for whole messages",
	 .checks = {{1, SANDBOX_IS, SOL_SOCKET}, {2, SANDBOX_IS, SO_SNDBUF}}},
	{0},
};

void vsock_links_need(struct sandbox *s)
{
	sandbox_calls(s, data_calls);
}

#define BURST 64 /* messages read for a link at a time */

#define RECORD_ENDS 1u /* in the byte before a message of another guest's */

/* Whether messages have that byte. */
static bool records_told(const struct vsock_link *l)
{
	return l->conn.type == VSOCK_TYPE_SEQPACKET && l->conn.cid != VSOCK_CID_HOST;
}

/* ---- marks */

static bool mark_get(const uint64_t *marks, size_t at)
{
	return marks[at / 64] >> at % 64 & 1;
}

static void mark_set(uint64_t *marks, size_t at, bool on)
{
	marks[at / 64] = (marks[at / 64] & ~BIT(at % 64)) | (uint64_t)on << at % 64;
}

/* The first mark at or behind at, below end, or end. */
static size_t mark_find(const uint64_t *marks, size_t at, size_t end)
{
	uint64_t word;

	for (; at < end; at = (at / 64 + 1) * 64) {
		word = marks[at / 64] >> at % 64;
		if (word)
			return min_size(at + (size_t)__builtin_ctzll(word), end);
	}
	return end;
}

/* ---- the buffer: bytes for the host */

bool vsock_buffer_waits(const struct vsock_link *l)
{
	return l->conn.type == VSOCK_TYPE_SEQPACKET ? l->ends : l->fill;
}

void vsock_buffer_drop(struct vsock_link *l)
{
	vsock_pool_give(&l->v->bufs, l->buf);
	vsock_pool_give(&l->v->marks, l->eom);
	l->buf = NULL;
	l->eom = l->eor = NULL;
	l->head = l->fill = l->ends = 0;
}

void vsock_message_drop(struct vsock_link *l)
{
	vsock_pool_give(&l->v->msgs, l->msg);
	l->msg = NULL;
	l->msg_len = l->msg_at = 0;
}

/* The host has no memory for a connection, whose guest has made it need some. */
static enum vsock_io no_memory(const struct vsock_link *l)
{
	log_guest(&l->v->d.log, "port %u: no memory for what waits: the connection is reset", l->conn.port);
	return VSOCK_IO_LOST;
}

/* Gives the link a buffer, where it has none.  Returns false where there is no memory. */
static bool buffer_make(struct vsock_link *l)
{
	if (!l->buf)
		l->buf = vsock_pool_take(&l->v->bufs);
	if (!l->buf || l->conn.type != VSOCK_TYPE_SEQPACKET || l->eom)
		return l->buf;
	l->eom = vsock_pool_take(&l->v->marks);
	if (l->eom)
		l->eor = l->eom + l->v->ring_size / 64;
	return l->eom;
}

/*
 * Copies the next len bytes of the chain into the buffer; the credit has made sure of the room.  Returns false where there is no
 * memory.
 */
static bool buffer_put(struct vsock_link *l, struct chain *c, size_t len)
{
	size_t size = l->v->ring_size;

	if (!buffer_make(l))
		return false;
	while (len) {
		size_t at = (l->head + l->fill) % size;
		size_t n = min_size(len, size - at);

		chain_get(c, l->buf + at, n);
		l->fill += n;
		len -= n;
	}
	return true;
}

/* The last byte of the buffer is the end of a message. */
static void buffer_end(struct vsock_link *l, uint32_t flags)
{
	size_t at = (l->head + l->fill + l->v->ring_size - 1) % l->v->ring_size;

	/* An end alone ends nothing. */
	if (!l->fill || mark_get(l->eom, at))
		return;
	mark_set(l->eom, at, true);
	mark_set(l->eor, at, flags & VSOCK_SEQ_EOR);
	l->ends++;
}

/* Bytes of the first message in the buffer, which has one. */
static size_t first_message(const struct vsock_link *l)
{
	size_t size = l->v->ring_size;
	size_t end = mark_find(l->eom, l->head, size);

	if (end < size)
		return end - l->head + 1;
	return size - l->head + mark_find(l->eom, 0, l->head) + 1;
}

/*
 * Writes n entries of iov from the second one on; the first is for what goes before a message.  flags: MSG_EOR or 0.  Returns how
 * many of their bytes were written, or -errno.
 */
static ssize_t host_send(struct vsock_link *l, struct iovec *iov, size_t n, int flags)
{
	uint8_t record = flags & MSG_EOR ? RECORD_ENDS : 0;
	bool told = records_told(l);
	struct msghdr msg = {.msg_iov = iov + !told, .msg_iovlen = n + told};

	iov[0] = (struct iovec){&record, sizeof(record)};
	ssize_t sent = sendmsg(l->fd, &msg, flags | MSG_NOSIGNAL | MSG_DONTWAIT);

	return sent < 0 ? -errno : sent - told;
}

/* Writes the first want bytes of the buffer.  Returns how many, or -errno. */
static ssize_t buffer_write(struct vsock_link *l, size_t want, int flags)
{
	size_t size = l->v->ring_size, first = min_size(want, size - l->head);
	struct iovec iov[3] = {[1] = {l->buf + l->head, first}, [2] = {l->buf, want - first}};
	ssize_t n = host_send(l, iov, want > first ? 2 : 1, flags);

	if (n < 0)
		return n;
	l->head = (l->head + (size_t)n) % size;
	l->fill -= (size_t)n;
	vsock_conn_forwarded(&l->conn, (uint32_t)n);
	return n;
}

/* Writes the messages the buffer holds.  Returns 0, or -errno when one could not be written. */
static ssize_t messages_write(struct vsock_link *l)
{
	while (l->ends) {
		size_t len = first_message(l), at = (l->head + len - 1) % l->v->ring_size;
		ssize_t n = buffer_write(l, len, mark_get(l->eor, at) ? MSG_EOR : 0);

		if (n < 0)
			return n;
		mark_set(l->eom, at, false);
		l->ends--;
	}
	return 0;
}

static bool must_wait(ssize_t err)
{
	return err == -EAGAIN || err == -EINTR;
}

/* A write to the host's socket has failed for good. */
static enum vsock_io write_failed(struct vsock_link *l, ssize_t err)
{
	if (err == -EPIPE || err == -ENOTCONN)
		return VSOCK_IO_DEAF;
	if (err == -EMSGSIZE)
		log_guest(&l->v->d.log, "port %u: a message too long for the host's socket (net.core.wmem_max)", l->conn.port);
	return VSOCK_IO_LOST;
}

enum vsock_io vsock_buffer_write(struct vsock_link *l)
{
	ssize_t n = l->conn.type == VSOCK_TYPE_SEQPACKET ? messages_write(l) : buffer_write(l, l->fill, 0);

	if (n < 0 && !must_wait(n))
		return write_failed(l, n);
	return vsock_buffer_waits(l) ? VSOCK_IO_WRITE_LATER : VSOCK_IO_DRAINED;
}

/* ---- guest to host: bytes */

/* Bytes of a batch: n of its lens were written, or -errno.  Copies the rest, gives its chains back. */
static enum vsock_io batch_written(struct vsock_link *l, struct vsock_batch *b, ssize_t n)
{
	bool failed = n < 0 && !must_wait(n), full = false;
	size_t left = n > 0 ? (size_t)n : 0;
	uint32_t done = (uint32_t)left;

	for (unsigned int i = 0; i < b->n; i++) {
		size_t take = min_size(left, b->lens[i]), rest = b->lens[i] - take;

		left -= take;
		if (failed) {
			done += (uint32_t)rest;
		} else if (rest) {
			chain_skip(b->chains[i], take);
			full |= !buffer_put(l, b->chains[i], rest);
		}
		virtq_push(b->chains[i]);
	}
	vsock_conn_forwarded(&l->conn, done);
	if (failed)
		return write_failed(l, n);
	if (full)
		return no_memory(l);
	return l->fill ? VSOCK_IO_WRITE_LATER : VSOCK_IO_GOOD;
}

enum vsock_io vsock_batch_write(struct vsock *v)
{
	struct vsock_batch *b = &v->batch;
	struct msghdr msg = {.msg_iov = b->iov, .msg_iovlen = b->niov};
	ssize_t n = sendmsg(b->link->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	enum vsock_io io = batch_written(b->link, b, n < 0 ? -errno : n);

	b->link = NULL;
	b->n = b->niov = 0;
	return io;
}

bool vsock_batch_full(const struct vsock *v)
{
	return v->batch.n == VSOCK_TX_CHAINS || v->batch.niov == VSOCK_IOV;
}

/* Adds the payload to the batch, which is not full. */
static void batch_add(struct vsock_link *l, struct chain *c, uint32_t len)
{
	struct vsock_batch *b = &l->v->batch;
	unsigned int n;

	b->link = l;
	/* Where there are more pieces than entries, the rest is not written but copied, and the batch is full. */
	n = chain_read_iov(c, b->iov + b->niov, VSOCK_IOV - b->niov, len);
	b->niov += n;
	b->chains[b->n] = c;
	b->lens[b->n++] = len;
}

/* ---- guest to host: messages */

/* Writes a message that is whole in one packet.  Returns false when it has to wait; else *io is what came of it. */
static bool message_write(struct vsock_link *l, struct chain *c, const struct vsock_packet *p, enum vsock_io *io)
{
	struct iovec iov[1 + VSOCK_IOV];
	unsigned int niov = chain_read_iov(c, iov + 1, VSOCK_IOV, p->len);
	size_t room = 0;
	ssize_t n;

	for (unsigned int i = 1; i <= niov; i++)
		room += iov[i].iov_len;
	if (room < p->len)
		return false;
	n = host_send(l, iov, niov, p->flags & VSOCK_SEQ_EOR ? MSG_EOR : 0);
	if (n < 0 && must_wait(n))
		return false;
	/* A socket that is gone has taken them, too: nobody will. */
	vsock_conn_forwarded(&l->conn, p->len);
	*io = n < 0 ? write_failed(l, n) : VSOCK_IO_GOOD;
	return true;
}

/* A message or part of one. */
static enum vsock_io message_data(struct vsock_link *l, struct chain *c, const struct vsock_packet *p)
{
	bool whole = p->flags & VSOCK_SEQ_EOM;
	enum vsock_io io;

	if (whole && p->len && !l->fill && message_write(l, c, p, &io)) {
		virtq_push(c);
		return io;
	}
	bool put = !p->len || buffer_put(l, c, p->len);

	virtq_push(c);
	if (!put)
		return no_memory(l);
	if (whole)
		buffer_end(l, p->flags);
	if (l->ends && whole)
		return vsock_buffer_write(l);
	if (l->fill < l->conn.buf_alloc || l->ends)
		return VSOCK_IO_GOOD;
	log_guest(&l->v->d.log, "port %u: a message longer than the %u bytes there is room for", l->conn.port, l->conn.buf_alloc);
	return VSOCK_IO_LOST;
}

enum vsock_io vsock_data_put(struct vsock_link *l, struct chain *c, const struct vsock_packet *p)
{
	bool put = true;

	if (!l->deaf && l->side == VSOCK_SIDE_OPEN) {
		if (l->conn.type == VSOCK_TYPE_SEQPACKET)
			return message_data(l, c, p);
		if (p->len && !l->fill) {
			batch_add(l, c, p->len);
			return VSOCK_IO_GOOD;
		}
		put = !p->len || buffer_put(l, c, p->len);
	} else {
		vsock_conn_forwarded(&l->conn, p->len);
	}
	virtq_push(c);
	return put ? VSOCK_IO_GOOD : no_memory(l);
}

/* ---- host to guest */

/*
 * A read has brought no byte.  A program that has gone without reading our OK is reset by that, and no byte of the guest's was
 * lost: its bytes have ended, as those of one that has read it.
 */
static enum vsock_io read_nothing(const struct vsock_link *l, ssize_t n)
{
	bool unread_ok = n == -ECONNRESET && l->door && !l->door->direct && !l->conn.fwd_cnt;

	if (n == 0 || unread_ok)
		return VSOCK_IO_END;
	return must_wait(n) ? VSOCK_IO_READ_LATER : VSOCK_IO_LOST;
}

/* The rx buffer has room for a header only: it is used up to get at another. */
static enum vsock_io skip_buffer(struct vsock_link *l)
{
	l->conn.pending |= VSOCK_OWES_UPDATE;
	l->want_read = true;
	return VSOCK_IO_GOOD;
}

static enum vsock_io read_bytes(struct vsock_link *l, uint32_t credit)
{
	struct vsock_portion portion;
	ssize_t n;
	char byte;

	if (!vsock_rx_gather(l->v, &portion, min_size(credit, VSOCK_PORTION))) {
		n = recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		return n > 0 ? skip_buffer(l) : read_nothing(l, n < 0 ? -errno : n);
	}
	struct msghdr msg = {.msg_iov = portion.iov, .msg_iovlen = portion.niov};

	n = recvmsg(l->fd, &msg, MSG_DONTWAIT);
	if (n <= 0)
		return read_nothing(l, n < 0 ? -errno : n);
	vsock_rx_deliver(l->v, &portion, &l->conn, (size_t)n, 0);
	return VSOCK_IO_READ_LATER;
}

/* Whether a read of nothing was the end, and no message of no bytes: those have no packet to go in. */
static bool at_end(const struct vsock_link *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLRDHUP};
	int left = 0;

	if (poll(&p, 1, 0) != 1 || !(p.revents & (POLLRDHUP | POLLHUP | POLLERR)))
		return false;
	return ioctl(l->fd, FIONREAD, &left) < 0 || left == 0;
}

/* A message is done with.  After some of them others have their turn. */
static void next_message(struct vsock_link *l, enum vsock_io *io)
{
	l->want_read = ++l->burst < BURST;
	*io = l->want_read ? VSOCK_IO_GOOD : VSOCK_IO_READ_LATER;
	if (!l->want_read)
		l->burst = 0;
}

/* Reads the host's next message, whole.  Returns whether there is one; else *io is what came of it. */
static bool message_read(struct vsock_link *l, enum vsock_io *io)
{
	uint8_t record = 0;
	bool told = records_told(l);

	if (!l->msg)
		l->msg = vsock_pool_take(&l->v->msgs);
	if (!l->msg) {
		*io = no_memory(l);
		return false;
	}
	struct iovec iov[2] = {{&record, sizeof(record)}, {l->msg, l->v->ring_size}};
	struct msghdr msg = {.msg_iov = iov + !told, .msg_iovlen = 1 + told};
	ssize_t n = recvmsg(l->fd, &msg, MSG_DONTWAIT);

	if (n < 0 || (n == 0 && at_end(l))) {
		*io = read_nothing(l, n < 0 ? -errno : 0);
		l->burst = 0;
		return false;
	}
	n -= told && n;
	/* A message of no bytes has no packet to go in. */
	if (n == 0) {
		next_message(l, io);
		return false;
	}
	if (msg.msg_flags & MSG_TRUNC || (size_t)n > l->conn.peer_alloc) {
		log_guest(&l->v->d.log, "port %u: a message longer than the guest (%u bytes) or --buffer-size (%ju) has room for",
			 l->conn.guest_port, l->conn.peer_alloc, (uintmax_t)l->v->buf_size);
		*io = VSOCK_IO_LOST;
		return false;
	}
	l->msg_len = (size_t)n;
	l->msg_at = 0;
	l->msg_flags = VSOCK_SEQ_EOM | (msg.msg_flags & MSG_EOR || record & RECORD_ENDS ? VSOCK_SEQ_EOR : 0);
	return true;
}

/* Gives the guest the next part of a message, or all of it. */
static enum vsock_io read_message(struct vsock_link *l, uint32_t credit)
{
	struct vsock_portion portion;
	enum vsock_io io;
	size_t len = 0;

	if (!l->msg_len && !message_read(l, &io))
		return io;
	if (!vsock_rx_gather(l->v, &portion, min_size(credit, l->msg_len - l->msg_at)))
		return skip_buffer(l);
	for (unsigned int i = 0; i < portion.niov; i++) {
		memcpy(portion.iov[i].iov_base, l->msg + l->msg_at + len, portion.iov[i].iov_len);
		len += portion.iov[i].iov_len;
	}
	l->msg_at += len;
	vsock_rx_deliver(l->v, &portion, &l->conn, len, l->msg_at == l->msg_len ? l->msg_flags : 0);
	if (l->msg_at < l->msg_len) {
		l->want_read = true;
		return VSOCK_IO_GOOD;
	}
	l->msg_len = 0;
	next_message(l, &io);
	return io;
}

enum vsock_io vsock_data_read(struct vsock_link *l, uint32_t credit)
{
	return l->conn.type == VSOCK_TYPE_SEQPACKET ? read_message(l, credit) : read_bytes(l, credit);
}
