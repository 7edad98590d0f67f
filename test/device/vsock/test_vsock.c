/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_vsock.c - the socket device: VIRTIO 1.4, section 5.10.  The test is the guest, and the programs of the host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "test/lib/carrier.h"
#include "test/unit/suites.h"

#define RX    0
#define TX    1
#define EVENT 2

enum {
	OP_INVALID,
	OP_REQUEST,
	OP_RESPONSE,
	OP_RST,
	OP_SHUTDOWN,
	OP_RW,
	OP_CREDIT_UPDATE,
	OP_CREDIT_REQUEST,
};

#define STREAM	  1
#define SEQPACKET 2

#define EOM 1u /* flags of RW, of SEQPACKET */
#define EOR 2u

#define NO_RECEIVE 1u
#define NO_SEND	   2u

#define CID	 3
#define HOST	 2
#define ROOM	 262144u /* of the guest, unless a case says otherwise */
#define PATIENCE 10000

/* Longest payload of a packet here, either way. */
#define PAYLOAD 4096u

struct packet {
	le64 src_cid, dst_cid;
	le32 src_port, dst_port, len;
	le16 type, op;
	le32 flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

#define HDR sizeof(struct packet)

/* A connection as the guest sees it. */
struct peer {
	struct carrier *c;
	uint32_t port, host_port;
	uint32_t alloc, fwd, tx; /* ours */
	uint32_t host_alloc, host_fwd;
	uint32_t rx;
	uint16_t type;
	uint32_t flags; /* of the last RW that came */
	uint64_t cid;   /* of the other side */
};

static struct packet make(const struct peer *p, uint16_t op, uint32_t len, uint32_t flags)
{
	return (struct packet){
		.src_cid = htole64(CID),
		.dst_cid = htole64(p->cid),
		.src_port = htole32(p->port),
		.dst_port = htole32(p->host_port),
		.len = htole32(len),
		.type = htole16(p->type),
		.op = htole16(op),
		.flags = htole32(flags),
		.buf_alloc = htole32(p->alloc),
		.fwd_cnt = htole32(p->fwd),
	};
}

static void send_raw(struct carrier *c, const struct packet *h, const void *data, size_t len)
{
	uint8_t out[HDR + PAYLOAD];

	ck_assert_uint_le(len, PAYLOAD);
	memcpy(out, h, HDR);
	if (len)
		memcpy(out + HDR, data, len);
	ck_assert_uint_eq(carrier_request(c, TX, out, HDR + len, NULL, 0), 0);
}

static void send_op(struct peer *p, uint16_t op, uint32_t flags)
{
	struct packet h = make(p, op, 0, flags);

	send_raw(p->c, &h, NULL, 0);
}

static void send_part(struct peer *p, const void *data, size_t len, uint32_t flags)
{
	struct packet h = make(p, OP_RW, (uint32_t)len, flags);

	send_raw(p->c, &h, data, len);
	p->tx += (uint32_t)len;
}

static void send_data(struct peer *p, const void *data, size_t len)
{
	send_part(p, data, len, 0);
}

/* Gives the device a buffer with room for size bytes of payload, and waits for what it puts there. */
static uint32_t receive_raw(struct carrier *c, struct packet *h, void *data, size_t size)
{
	uint8_t in[HDR + PAYLOAD];
	uint32_t used;

	ck_assert_uint_le(size, PAYLOAD);
	used = carrier_request(c, RX, NULL, 0, in, HDR + size);
	ck_assert_uint_ge(used, HDR);
	memcpy(h, in, HDR);
	ck_assert_uint_eq(used, HDR + le32toh(h->len));
	if (data && le32toh(h->len))
		memcpy(data, in + HDR, le32toh(h->len));
	ck_assert_uint_eq(le64toh(h->dst_cid), CID);
	return le32toh(h->len);
}

/* The next packet must be for the peer, and of this kind.  Returns its flags, or the length of a payload. */
static uint32_t expect(struct peer *p, uint16_t op, void *data, size_t size)
{
	struct packet h;
	uint32_t len;

	do
		len = receive_raw(p->c, &h, data, size);
	while (op != OP_CREDIT_UPDATE && le16toh(h.op) == OP_CREDIT_UPDATE);
	ck_assert_msg(le16toh(h.op) == op, "operation %u where %u was expected", le16toh(h.op), op);
	ck_assert_uint_eq(le32toh(h.src_port), p->host_port);
	ck_assert_uint_eq(le32toh(h.dst_port), p->port);
	ck_assert_uint_eq(le64toh(h.src_cid), p->cid);
	ck_assert_uint_eq(le16toh(h.type), p->type);
	p->host_alloc = le32toh(h.buf_alloc);
	p->host_fwd = le32toh(h.fwd_cnt);
	if (op == OP_RW) {
		p->flags = le32toh(h.flags);
		p->rx += len;
		ck_assert_uint_le(p->rx - p->fwd, p->alloc);
		return len;
	}
	ck_assert_uint_eq(len, 0);
	return le32toh(h.flags);
}

static struct peer peer_of(struct carrier *c, uint32_t port, uint32_t host_port)
{
	return (struct peer){.c = c, .port = port, .host_port = host_port, .alloc = ROOM, .type = STREAM, .cid = HOST};
}

/* ---- the host's side */

static int listen_type(struct carrier *c, int type, const char *name, int backlog)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", carrier_path(c, name));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static int listen_as(struct carrier *c, const char *name, int backlog)
{
	return listen_type(c, SOCK_STREAM, name, backlog);
}

static int host_accept(struct carrier *c, int fd)
{
	for (unsigned int ms = 0; ms < PATIENCE; ms++) {
		int s = accept(fd, NULL, NULL);

		if (s >= 0) {
			ck_assert_int_eq(fcntl(s, F_SETFL, O_NONBLOCK), 0);
			return s;
		}
		carrier_idle(c, 1);
	}
	ck_abort_msg("nobody connects");
	return -1;
}

/* Reads len bytes, or up to the end.  Returns how many; or -errno. */
static ssize_t host_read(struct carrier *c, int fd, void *buf, size_t len)
{
	size_t done = 0;

	for (unsigned int ms = 0; ms < PATIENCE;) {
		ssize_t n = recv(fd, (char *)buf + done, len - done, MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
		if (n == 0 || done == len)
			return (ssize_t)done;
		if (n < 0) {
			carrier_idle(c, 1);
			ms++;
		}
	}
	ck_abort_msg("%zu of %zu bytes came", done, len);
	return -1;
}

static void host_write(int fd, const void *data, size_t len)
{
	ck_assert_int_eq(send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT), (ssize_t)len);
}

#define expect_bytes(c, fd, text)                                                       \
	do {                                                                            \
		char got_[64] = {0};                                                    \
		ck_assert_int_eq(host_read(c, fd, got_, strlen(text)), (ssize_t)strlen(text));   \
		ck_assert_str_eq(got_, text);                                           \
	} while (0)

static void expect_eof(struct carrier *c, int fd)
{
	char byte;

	ck_assert_int_eq(host_read(c, fd, &byte, 1), 0);
}

/* The guest connects to port 5000, where fd listens.  Returns the host's end. */
static int open_on(struct peer *p, int fd)
{
	int s;

	send_op(p, OP_REQUEST, 0);
	s = host_accept(p->c, fd);
	expect(p, OP_RESPONSE, NULL, 0);
	return s;
}

/* The same with a listener of its own. */
static int open_type(struct carrier *c, struct peer *p, uint16_t type)
{
	int fd = listen_type(c, type == SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM, "v_5000", 8), s;

	*p = peer_of(c, 1000, 5000);
	p->type = type;
	s = open_on(p, fd);
	close(fd);
	return s;
}

static int open_one(struct carrier *c, struct peer *p)
{
	return open_type(c, p, STREAM);
}

/* ---- beginnings and refusals */

static void guest_cid(struct carrier *c)
{
	le64 cid;

	carrier_config_read(c, 0, &cid, sizeof(cid));
	ck_assert_uint_eq(le64toh(cid), 77);
}

static void no_listener(struct carrier *c)
{
	struct peer p = peer_of(c, 1000, 4999);

	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
	/* The tuple is free again. */
	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
}

/* Packets for connections there are not: all are answered with RST but RST itself. */
static void strays(struct carrier *c)
{
	static const uint16_t ops[] = {OP_INVALID,	 OP_RESPONSE, OP_SHUTDOWN, OP_RW, OP_CREDIT_UPDATE,
				       OP_CREDIT_REQUEST, 99};
	struct peer p = peer_of(c, 1000, 5000);

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		send_op(&p, OP_RST, 0);
		send_op(&p, ops[i], 3);
		expect(&p, OP_RST, NULL, 0);
	}
}

/* Addresses and types that are not served. */
static void wrong_address(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	struct packet bad[5], h;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = make(&p, i < 3 ? OP_REQUEST : OP_CREDIT_REQUEST, 0, 0);
	bad[0].type = htole16(3);
	bad[1].dst_cid = htole64(9);
	bad[2].dst_cid = htole64(HOST | 1ull << 32);
	bad[3].type = htole16(2);
	bad[4].type = 0;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		send_raw(c, &bad[i], NULL, 0);
		receive_raw(c, &h, NULL, 0);
		ck_assert_uint_eq(le16toh(h.op), OP_RST);
		ck_assert_uint_eq(le64toh(h.src_cid), le64toh(bad[i].dst_cid));
		ck_assert_uint_eq(le16toh(h.type), le16toh(bad[i].type));
		ck_assert_uint_eq(le32toh(h.dst_port), p.port);
	}
	/* The connection has not noticed. */
	send_data(&p, "still", 5);
	expect_bytes(c, s, "still");
	close(s);
}

/* A guest that gives another's address as its own is told that nobody is there. */
static void wrong_source(struct carrier *c)
{
	struct peer p = peer_of(c, 1000, 7);
	struct packet h = make(&p, OP_REQUEST, 0, 0);
	uint8_t in[HDR];

	h.src_cid = htole64(4);
	send_raw(c, &h, NULL, 0);
	ck_assert_uint_eq(carrier_request(c, RX, NULL, 0, in, HDR), HDR);
	memcpy(&h, in, HDR);
	ck_assert_uint_eq(le16toh(h.op), OP_RST);
	ck_assert_uint_eq(le64toh(h.dst_cid), 4);
}

/* What is no packet is given back, and nothing else happens. */
static void short_packets(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	struct packet h = make(&p, OP_RW, 100, 0);

	for (size_t len = 1; len < HDR; len += 6)
		ck_assert_uint_eq(carrier_request(c, TX, &h, len, NULL, 0), 0);
	send_raw(c, &h, "only this", 9);
	/* More than it says: the rest is no part of it. */
	h.len = htole32(3);
	send_raw(c, &h, "abcdef", 6);
	h.len = 0;
	send_raw(c, &h, "abcdef", 6);
	send_data(&p, "xyz", 3);
	expect_bytes(c, s, "abcxyz");
	close(s);
}

static void guest_connects(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	char in[32] = {0};

	ck_assert_uint_eq(p.host_alloc, 262144);
	ck_assert_uint_eq(p.host_fwd, 0);
	send_data(&p, "to the host", 11);
	expect_bytes(c, s, "to the host");
	host_write(s, "to the guest", 12);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 12);
	ck_assert_str_eq(in, "to the guest");
	ck_assert_uint_eq(p.host_fwd, 11);
	send_op(&p, OP_CREDIT_REQUEST, 0);
	expect(&p, OP_CREDIT_UPDATE, NULL, 0);
	send_op(&p, OP_SHUTDOWN, 3);
	expect(&p, OP_RST, NULL, 0);
	expect_eof(c, s);
	close(s);
}

/* The host asks for the guest's port; returns its socket, with the guest's REQUEST taken. */
static int host_asks(struct carrier *c, const char *line, struct peer *p)
{
	int s = unix_connect(carrier_path(c, "v"));
	struct packet h;

	ck_assert_int_ge(s, 0);
	host_write(s, line, strlen(line));
	receive_raw(c, &h, NULL, 0);
	ck_assert_uint_eq(le16toh(h.op), OP_REQUEST);
	ck_assert_uint_eq(le64toh(h.src_cid), HOST);
	ck_assert_uint_eq(le32toh(h.buf_alloc), 262144);
	*p = peer_of(c, le32toh(h.dst_port), le32toh(h.src_port));
	return s;
}

static void expect_ok(struct carrier *c, int s, const struct peer *p)
{
	char line[32];

	snprintf(line, sizeof(line), "OK %u\n", p->host_port);
	expect_bytes(c, s, line);
}

static void host_connects(struct carrier *c)
{
	struct peer p;
	int s = host_asks(c, "CONNECT 4294967295\nnot to wait", &p);
	char in[32] = {0};

	ck_assert_uint_eq(p.port, UINT32_MAX);
	ck_assert_uint_ge(p.host_port, 1024);
	send_op(&p, OP_RESPONSE, 0);
	expect_ok(c, s, &p);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 11);
	ck_assert_str_eq(in, "not to wait");
	send_data(&p, "guest", 5);
	expect_bytes(c, s, "guest");
	close(s);
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
	send_op(&p, OP_RST, 0);
	/* It is gone. */
	send_data(&p, "x", 1);
	expect(&p, OP_RST, NULL, 0);
}

static void guest_refuses(struct carrier *c)
{
	struct peer p, q;
	int s = host_asks(c, "CONNECT 22\n", &p), t;

	send_op(&p, OP_RST, 0);
	expect_eof(c, s);
	close(s);
	/* Two at a time have ports of their own. */
	s = host_asks(c, "CONNECT 22\n", &p);
	t = host_asks(c, "CONNECT 22\n", &q);
	ck_assert_uint_ne(p.host_port, q.host_port);
	send_op(&q, OP_RESPONSE, 0);
	send_op(&p, OP_RESPONSE, 0);
	expect_ok(c, s, &p);
	expect_ok(c, t, &q);
	close(s);
	close(t);
}

static void bad_lines(struct carrier *c)
{
	static const char *const lines[] = {
		"CONNECT\n", "CONNECT \n", "CONNECT1\n", "CONNECTED 1\n", "CONNECT 1 2\n", "CONNECT 1\r\r\n", "CONNECT 4294967296\n", "CONNECT -1\n",
		"\n", "\r\n", "CONNECT 1\v\n",
		/* Nothing that long is a line. */
		"CONNECT 000000000000000000000000000000000000000000000000000000000000001",
	};
	char in[1];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		int s = unix_connect(carrier_path(c, "v"));

		ck_assert_int_ge(s, 0);
		host_write(s, lines[i], strlen(lines[i]));
		/* The end comes as an error where bytes were left unread. */
		ssize_t n = host_read(c, s, in, 1);

		ck_assert_msg(n == 0 || n == -ECONNRESET, "%s: %zd", lines[i], n);
		close(s);
	}
}

/* What a person types, and what comes in pieces. */
static void good_lines(struct carrier *c)
{
	static const char *const lines[] = {"connect 99\n", "Connect 99\r\n", "  CONNECT \t 99  \n", "CONNECT 099 \r\n"};
	struct packet h;
	struct peer p;
	int s;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		s = host_asks(c, lines[i], &p);
		ck_assert_uint_eq(p.port, 99);
		send_op(&p, OP_RST, 0);
		expect_eof(c, s);
		close(s);
	}
	s = unix_connect(carrier_path(c, "v"));
	host_write(s, "CONN", 4);
	carrier_idle(c, 2);
	host_write(s, "ECT 9", 5);
	carrier_idle(c, 2);
	host_write(s, "9\n", 2);
	receive_raw(c, &h, NULL, 0);
	ck_assert_uint_eq(le16toh(h.op), OP_REQUEST);
	ck_assert_uint_eq(le32toh(h.dst_port), 99);
	close(s);
}

/* A program that says all it has to say and goes: the guest gets that, and then the end. */
static void host_says_and_goes(struct carrier *c)
{
	for (unsigned int i = 0; i < 3; i++) {
		char in[32] = {0};
		struct peer p;
		int s = host_asks(c, "CONNECT 22\nall I have", &p);

		/* Before the guest has accepted, or afterwards, without having read that it did; or having done so. */
		if (i == 0)
			close(s);
		send_op(&p, OP_RESPONSE, 0);
		if (i == 1) {
			carrier_idle(c, 2);
			close(s);
		}
		if (i == 2) {
			expect_ok(c, s, &p);
			close(s);
		}
		ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 10);
		ck_assert_str_eq(in, "all I have");
		ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
		send_op(&p, OP_RST, 0);
	}
}

/* Those who do not say what they want can wait, but not all of them; none of them is in the way. */
static void many_wait(struct carrier *c)
{
	enum { WAIT = 64, MORE = 3 };
	int s[WAIT + MORE], t;
	struct peer p;

	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++) {
		s[i] = unix_connect(carrier_path(c, "v"));
		ck_assert_int_ge(s[i], 0);
		host_write(s[i], "CONN", 4);
		carrier_idle(c, 1);
	}
	/* The patience of others is long over. */
	carrier_idle(c, 60);
	for (unsigned int i = 0; i < MORE; i++)
		expect_eof(c, s[i]);
	t = host_asks(c, "CONNECT 23\n", &p);
	ck_assert_uint_eq(p.port, 23);
	send_op(&p, OP_RST, 0);
	expect_eof(c, t);
	close(t);
	/* That one was the 65th: one more had to go.  The last is still there. */
	expect_eof(c, s[MORE]);
	host_write(s[WAIT + MORE - 1], "ECT 24\n", 7);
	struct packet h;

	receive_raw(c, &h, NULL, 0);
	ck_assert_uint_eq(le32toh(h.dst_port), 24);
	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		close(s[i]);
}

/* ---- ends */

static void guest_half_closes(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	char in[32] = {0};

	send_data(&p, "the end", 7);
	send_op(&p, OP_SHUTDOWN, NO_SEND);
	expect_bytes(c, s, "the end");
	expect_eof(c, s);
	host_write(s, "not mine", 8);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 8);
	ck_assert_str_eq(in, "not mine");
	close(s);
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
	send_op(&p, OP_RST, 0);
}

static void host_half_closes(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	char in[32] = {0};

	host_write(s, "the end", 7);
	ck_assert_int_eq(shutdown(s, SHUT_WR), 0);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 7);
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), NO_SEND);
	send_data(&p, "not mine", 8);
	expect_bytes(c, s, "not mine");
	send_op(&p, OP_SHUTDOWN, NO_SEND);
	expect_eof(c, s);
	/* Both have said all. */
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
	send_op(&p, OP_SHUTDOWN, 3);
	expect(&p, OP_RST, NULL, 0);
	close(s);
}

/* A side that does not receive: the other's writes fail, its own go on. */
static void guest_is_deaf(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);

	send_op(&p, OP_SHUTDOWN, NO_RECEIVE);
	carrier_idle(c, 5);
	ck_assert_int_eq(send(s, "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	send_data(&p, "listen", 6);
	expect_bytes(c, s, "listen");
	/* The other half follows, one by one. */
	send_op(&p, OP_SHUTDOWN, NO_SEND);
	expect(&p, OP_RST, NULL, 0);
	expect_eof(c, s);
	close(s);
}

static void host_is_deaf(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	char in[32] = {0};

	ck_assert_int_eq(shutdown(s, SHUT_RD), 0);
	send_data(&p, "anybody?", 8);
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), NO_RECEIVE);
	host_write(s, "speak", 5);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 5);
	close(s);
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
	send_op(&p, OP_RST, 0);
}

/* A program of the host that dies with bytes unread. */
static void host_dies(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);

	send_data(&p, "unread", 6);
	carrier_idle(c, 5);
	close(s);
	expect(&p, OP_RST, NULL, 0);
	send_data(&p, "x", 1);
	expect(&p, OP_RST, NULL, 0);
}

/* A guest that does not answer our SHUTDOWN, and a second REQUEST for an open connection. */
static void request_twice(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);

	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
	expect_eof(c, s);
	close(s);
}

/* ---- credit */

/* What a stream has as its byte i. */
static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 13 + (i >> 9));
}

/* len bytes of a stream, from its byte at on. */
static void check_pattern(const uint8_t *bytes, size_t len, size_t at)
{
	size_t i = 0;

	while (i < len && bytes[i] == pattern(at + i))
		i++;
	ck_assert_msg(i == len, "byte %zu is wrong", at + i);
}

/* Sends until the device has told of no more room.  Returns how many bytes that was; they are what pattern() says. */
static size_t fill_up(struct peer *p, size_t done)
{
	uint8_t data[PAYLOAD];

	for (;;) {
		uint32_t room = p->host_alloc - (p->tx - p->host_fwd);
		size_t n = min_size(room, sizeof(data));

		if (!n) {
			/* It may have written some meanwhile. */
			uint32_t fwd = p->host_fwd;

			carrier_idle(p->c, 2);
			send_op(p, OP_CREDIT_REQUEST, 0);
			expect(p, OP_CREDIT_UPDATE, NULL, 0);
			if (p->host_fwd == fwd)
				return done;
			continue;
		}
		for (size_t i = 0; i < n; i++)
			data[i] = pattern(done + i);
		send_data(p, data, n);
		done += n;
	}
}

static void drain(struct carrier *c, int s, size_t len)
{
	uint8_t *all = malloc(len);

	ck_assert_ptr_nonnull(all);
	ck_assert_int_eq(host_read(c, s, all, len), (ssize_t)len);
	check_pattern(all, len, 0);
	free(all);
}

/* A host that does not read: the guest may send what it was told, and not a byte more. */
static void credit_is_kept(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	size_t sent = fill_up(&p, 0);

	ck_assert_uint_eq(p.host_alloc, 8192);
	ck_assert_uint_ge(sent, 8192);
	ck_assert_uint_eq(p.tx - p.host_fwd, 8192);
	drain(c, s, sent);
	/* The guest is told without asking. */
	expect(&p, OP_CREDIT_UPDATE, NULL, 0);
	ck_assert_uint_gt(p.host_fwd, (uint32_t)sent - 8192);
	send_op(&p, OP_CREDIT_REQUEST, 0);
	do
		expect(&p, OP_CREDIT_UPDATE, NULL, 0);
	while (p.host_fwd != sent);
	fill_up(&p, 0);
	send_data(&p, "x", 1);
	expect(&p, OP_RST, NULL, 0);
	close(s);
}

/* What was sent before the end gets to the host, however slow that is; the guest need not wait for it. */
static void nothing_lost_at_the_end(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	size_t sent = fill_up(&p, 0);

	send_op(&p, OP_SHUTDOWN, 3);
	expect(&p, OP_RST, NULL, 0);
	carrier_idle(c, 2);
	drain(c, s, sent);
	expect_eof(c, s);
	close(s);
}

/* The same with half a close. */
static void nothing_lost_at_the_half(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	size_t sent = fill_up(&p, 0);

	send_op(&p, OP_SHUTDOWN, NO_SEND);
	carrier_idle(c, 2);
	drain(c, s, sent);
	expect_eof(c, s);
	close(s);
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
}

/* A guest with little room gets as much, is asked for more once, and gets more when it says so. */
static void guest_credit(struct carrier *c)
{
	struct peer p;
	int fd = listen_as(c, "v_5000", 1), s;
	char data[1000], in[PAYLOAD];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)pattern(i);
	p = peer_of(c, 1000, 5000);
	p.alloc = 100;
	s = open_on(&p, fd);
	host_write(s, data, sizeof(data));
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 100);
	ck_assert_mem_eq(in, data, 100);
	expect(&p, OP_CREDIT_REQUEST, NULL, 0);
	p.fwd = 60;
	send_op(&p, OP_CREDIT_UPDATE, 0);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 60);
	ck_assert_mem_eq(in, data + 100, 60);
	expect(&p, OP_CREDIT_REQUEST, NULL, 0);
	/* It changes its mind: less room than there is unread is none. */
	p.alloc = 50;
	send_op(&p, OP_CREDIT_UPDATE, 0);
	p.alloc = 500;
	p.fwd = 160;
	send_data(&p, "any packet tells", 16);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 500);
	ck_assert_mem_eq(in, data + 160, 500);
	expect(&p, OP_CREDIT_REQUEST, NULL, 0);
	close(s);
	close(fd);
}

/* Buffers of the guest with little room, or for a header only. */
static void small_buffers(struct carrier *c)
{
	struct peer p;
	int s = open_one(c, &p);
	char in[8] = {0};
	uint8_t none[HDR];

	host_write(s, "abcdef", 6);
	ck_assert_uint_eq(expect(&p, OP_RW, in, 2), 2);
	ck_assert_str_eq(in, "ab");
	/* No room for a header: given back with nothing in it. */
	ck_assert_uint_eq(carrier_request(c, RX, NULL, 0, none, HDR - 1), 0);
	ck_assert_uint_eq(carrier_request(c, RX, NULL, 0, none, HDR), HDR);
	ck_assert_uint_eq(expect(&p, OP_RW, in, 8), 4);
	ck_assert_str_eq(in, "cdef");
	close(s);
}

/* One that is stuck in both directions holds up no other. */
static void stuck_alone(struct carrier *c)
{
	struct peer p, q = peer_of(c, 1001, 5000);
	int fd = listen_as(c, "v_5000", 8), s, t;
	char in[PAYLOAD];

	p = peer_of(c, 1000, 5000);
	p.alloc = 10;
	s = open_on(&p, fd);
	host_write(s, "more than ten bytes", 19);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 10);
	expect(&p, OP_CREDIT_REQUEST, NULL, 0);
	fill_up(&p, 0);
	t = open_on(&q, fd);
	for (unsigned int i = 0; i < 20; i++) {
		send_data(&q, "ping", 4);
		expect_bytes(c, t, "ping");
		host_write(t, "pong", 4);
		ck_assert_uint_eq(expect(&q, OP_RW, in, sizeof(in)), 4);
	}
	close(s);
	close(t);
	close(fd);
}

/* Writes what the socket takes.  Returns how much. */
static size_t host_fill(int s)
{
	static const char much[65536];
	size_t done = 0;
	ssize_t n;

	while ((n = send(s, much, sizeof(much), MSG_DONTWAIT)) > 0)
		done += (size_t)n;
	return done;
}

/* Between two long streams a short answer waits for one portion of each, however many buffers there are. */
static void fair_turns(struct carrier *c)
{
	enum { BUFFERS = 40, PORTION = 65536 };
	int fd = listen_as(c, "v_5000", 8), s[3];
	struct frontend_request *reqs[BUFFERS];
	struct peer p[3];
	uint8_t in[HDR + PAYLOAD];
	size_t filled, bulk = 0;
	struct packet h;

	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++) {
		p[i] = peer_of(c, 1000 + i, 5000);
		p[i].alloc = 16 << 20;
		s[i] = open_on(&p[i], fd);
	}
	filled = host_fill(s[0]) + host_fill(s[1]);
	/* Both are seen before there is anything to say on the third. */
	carrier_idle(c, 10);
	host_write(s[2], "?", 1);
	carrier_idle(c, 10);
	for (unsigned int i = 0; i < BUFFERS; i++)
		reqs[i] = carrier_submit(c, RX, NULL, 0, sizeof(in));
	for (unsigned int i = 0;; i = (i + 1) % BUFFERS) {
		carrier_await(c, RX, reqs[i], in);
		memcpy(&h, in, HDR);
		ck_assert_uint_eq(le16toh(h.op), OP_RW);
		if (le32toh(h.dst_port) == p[2].port)
			break;
		bulk += le32toh(h.len);
		ck_assert_uint_le(bulk, 2 * PORTION);
		reqs[i] = carrier_submit(c, RX, NULL, 0, sizeof(in));
	}
	ck_assert_uint_gt(bulk, 0);
	ck_assert_uint_gt(filled, 2 * PORTION);
	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		close(s[i]);
	close(fd);
}

/* Much, both ways at once, with little room on both sides. */
static void full_duplex(struct carrier *c)
{
	struct peer p = peer_of(c, 1000, 7);
	static uint8_t in[PAYLOAD], out[PAYLOAD];
	size_t total = 1 << 20, sent = 0, got = 0;

	p.alloc = 20000;
	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RESPONSE, NULL, 0);
	while (got < total) {
		size_t n = min_size(min_size(p.host_alloc - (p.tx - p.host_fwd), total - sent), sizeof(out));
		struct packet h;

		if (n && p.rx - p.fwd < 16000) {
			for (size_t i = 0; i < n; i++)
				out[i] = pattern(sent + i);
			send_data(&p, out, n);
			sent += n;
			if (sent - got < 8192)
				continue;
		}
		uint32_t len = receive_raw(c, &h, in, sizeof(in));

		p.host_fwd = le32toh(h.fwd_cnt);
		p.rx += len;
		ck_assert_uint_le(p.rx - p.fwd, p.alloc);
		check_pattern(in, len, got);
		got += len;
		if (p.rx - p.fwd > 10000) {
			p.fwd = p.rx;
			send_op(&p, OP_CREDIT_UPDATE, 0);
		}
	}
	send_op(&p, OP_SHUTDOWN, 3);
}

/* ---- messages */

/* The next message the host gets must be this. */
static void expect_message(struct carrier *c, int fd, const char *text)
{
	size_t len = strlen(text);
	char got[64] = {0};
	ssize_t n = -1;

	for (unsigned int ms = 0; ms < PATIENCE && n < 0; ms++) {
		n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
		if (n < 0)
			carrier_idle(c, 1);
	}
	ck_assert_str_eq(got, text);
	ck_assert_int_eq(n, (ssize_t)len);
}

static void messages(struct carrier *c)
{
	struct peer p;
	int s = open_type(c, &p, SEQPACKET);
	char in[32] = {0};

	send_part(&p, "one", 3, EOM);
	send_part(&p, "in ", 3, 0);
	send_part(&p, "three ", 6, 0);
	send_part(&p, "parts", 5, EOM | EOR);
	/* An end of its own; one that ends nothing. */
	send_part(&p, "four", 4, 0);
	send_part(&p, "", 0, EOM);
	send_part(&p, "", 0, EOM);
	send_part(&p, "five", 4, EOM);
	expect_message(c, s, "one");
	expect_message(c, s, "in three parts");
	expect_message(c, s, "four");
	expect_message(c, s, "five");
	host_write(s, "to", 2);
	host_write(s, "", 0);
	host_write(s, "the guest", 9);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 2);
	ck_assert_uint_eq(p.flags, EOM);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 9);
	ck_assert_uint_eq(p.flags, EOM);
	ck_assert_str_eq(in, "the guest");
	ck_assert_uint_eq(p.host_fwd, 25);
	/* By halves, as a stream; the host's last message is one of nothing. */
	host_write(s, "", 0);
	ck_assert_int_eq(shutdown(s, SHUT_WR), 0);
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), NO_SEND);
	send_part(&p, "last", 4, EOM);
	send_part(&p, "without an end", 14, 0);
	send_op(&p, OP_SHUTDOWN, NO_SEND);
	expect_message(c, s, "last");
	expect_eof(c, s);
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
	close(s);
}

/* A socket of the other type is not there; nor is a type the driver has not accepted. */
static void types(struct carrier *c)
{
	int fd = listen_type(c, SOCK_SEQPACKET, "v_5000", 8), s;
	struct peer p = peer_of(c, 1000, 5000);
	struct vdev *d = carrier_vdev(c);

	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
	p.type = SEQPACKET;
	s = open_on(&p, fd);
	close(s);
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
	send_op(&p, OP_RST, 0);
	vdev_features_set(d, d->features & ~BIT(1));
	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
	/* Streams are implied, unless they are not. */
	vdev_features_set(d, BIT(1));
	s = listen_as(c, "v_5001", 8);
	p = peer_of(c, 1000, 5001);
	close(open_on(&p, s));
	ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
	send_op(&p, OP_RST, 0);
	vdev_features_set(d, BIT(1) | BIT(2));
	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
	close(s);
	close(fd);
}

static void host_connects_for_messages(struct carrier *c)
{
	struct packet h;
	struct peer p;
	char in[16] = {0};
	int s = unix_connect_type(SOCK_SEQPACKET, carrier_path(c, "q"));

	ck_assert_int_ge(s, 0);
	/* A line in two messages is none. */
	host_write(s, "CONN", 4);
	expect_eof(c, s);
	close(s);
	s = unix_connect_type(SOCK_SEQPACKET, carrier_path(c, "q"));
	host_write(s, "CONNECT 33\n", 11);
	host_write(s, "first", 5);
	receive_raw(c, &h, NULL, 0);
	ck_assert_uint_eq(le16toh(h.op), OP_REQUEST);
	ck_assert_uint_eq(le16toh(h.type), SEQPACKET);
	p = peer_of(c, le32toh(h.dst_port), le32toh(h.src_port));
	p.type = SEQPACKET;
	ck_assert_uint_eq(p.port, 33);
	send_op(&p, OP_RESPONSE, 0);
	expect_ok(c, s, &p);
	ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 5);
	ck_assert_str_eq(in, "first");
	ck_assert_uint_eq(p.flags, EOM);
	close(s);
}

/* Reads a message of this length, those bytes of a stream. */
static void drain_message(struct carrier *c, int s, size_t at, size_t len)
{
	static uint8_t in[16384];
	ssize_t got = -1;

	for (unsigned int ms = 0; ms < PATIENCE && got < 0; ms++) {
		got = recv(s, in, sizeof(in), MSG_DONTWAIT);
		if (got < 0)
			carrier_idle(c, 1);
	}
	ck_assert_int_eq(got, (ssize_t)len);
	check_pattern(in, len, at);
}

/* Sends a message in packets as large as there is room for, waiting for room; the host may have to read for that. */
static void send_message(struct peer *p, size_t at, size_t len)
{
	uint8_t data[PAYLOAD];

	while (len) {
		uint32_t room = p->host_alloc - (p->tx - p->host_fwd);
		size_t n = min_size(min_size(room, len), sizeof(data));

		if (!n) {
			expect(p, OP_CREDIT_UPDATE, NULL, 0);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			data[i] = pattern(at + i);
		send_part(p, data, n, n == len ? EOM : 0);
		at += n;
		len -= n;
	}
}

/* The longest message there is room for, behind short ones: its sender is told of every bit of room. */
static void longest_message(struct carrier *c)
{
	static const size_t lens[] = {1000, 8192, 1, 3000, 8192};
	struct peer p;
	int s = open_type(c, &p, SEQPACKET);
	size_t at = 0;

	ck_assert_uint_eq(p.host_alloc, 8192);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		send_message(&p, at, lens[i]);
		drain_message(c, s, at, lens[i]);
		at += lens[i];
	}
	/* One that is longer ends the connection. */
	send_op(&p, OP_CREDIT_REQUEST, 0);
	do
		expect(&p, OP_CREDIT_UPDATE, NULL, 0);
	while (p.host_fwd != at);
	for (unsigned int i = 0; i < 8192; i += PAYLOAD) {
		uint8_t data[PAYLOAD] = {0};

		send_part(&p, data, sizeof(data), 0);
	}
	expect(&p, OP_RST, NULL, 0);
	close(s);
}

/* Messages for a host that does not read wait, each for itself. */
static void messages_wait(struct carrier *c)
{
	struct peer p;
	int s = open_type(c, &p, SEQPACKET);
	size_t lens[4000], n = 0, at = 0;
	uint8_t data[PAYLOAD];

	for (;; n++) {
		size_t len = n % 7 * 150 + 1;

		if (p.host_alloc - (p.tx - p.host_fwd) < len) {
			uint32_t fwd = p.host_fwd;

			carrier_idle(c, 2);
			send_op(&p, OP_CREDIT_REQUEST, 0);
			expect(&p, OP_CREDIT_UPDATE, NULL, 0);
			if (p.host_fwd == fwd)
				break;
		}
		ck_assert_uint_lt(n, ARRAY_SIZE(lens));
		for (size_t i = 0; i < len; i++)
			data[i] = pattern(at + i);
		send_part(&p, data, len, EOM);
		lens[n] = len;
		at += len;
	}
	send_op(&p, OP_SHUTDOWN, 3);
	expect(&p, OP_RST, NULL, 0);
	at = 0;
	for (size_t i = 0; i < n; at += lens[i++])
		drain_message(c, s, at, lens[i]);
	expect_eof(c, s);
	close(s);
}

/* A message of the host's for a guest with little room, in small buffers; one that is too long. */
static void host_message_in_parts(struct carrier *c)
{
	int fd = listen_type(c, SOCK_SEQPACKET, "v_5000", 1), s;
	struct peer p = peer_of(c, 1000, 5000);
	uint8_t data[1001], in[1001];
	uint32_t got = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	p.type = SEQPACKET;
	p.alloc = 1000;
	s = open_on(&p, fd);
	host_write(s, "abc", 3);
	host_write(s, data, 1000);
	host_write(s, "def", 3);
	ck_assert_uint_eq(expect(&p, OP_RW, in, 5), 3);
	ck_assert_uint_eq(p.flags, EOM);
	while (got < 997) {
		got += expect(&p, OP_RW, in + got, min_size(100, sizeof(in) - got));
		ck_assert_uint_eq(p.flags, 0);
	}
	ck_assert_uint_eq(got, 997);
	expect(&p, OP_CREDIT_REQUEST, NULL, 0);
	p.fwd = 500;
	send_op(&p, OP_CREDIT_UPDATE, 0);
	ck_assert_uint_eq(expect(&p, OP_RW, in + got, 4), 3);
	ck_assert_uint_eq(p.flags, EOM);
	check_pattern(in, 1000, 0);
	ck_assert_uint_eq(expect(&p, OP_RW, in, 4), 3);
	ck_assert_mem_eq(in, "def", 3);
	host_write(s, data, 1001);
	expect(&p, OP_RST, NULL, 0);
	close(s);
	close(fd);
}

/* ---- ways and rules */

/* Says what goes both ways, and ends. */
static void talk(struct peer *p, int s)
{
	char in[16] = {0};

	send_data(p, "there", 5);
	expect_bytes(p->c, s, "there");
	host_write(s, "back", 4);
	ck_assert_uint_eq(expect(p, OP_RW, in, sizeof(in)), 4);
	ck_assert_str_eq(in, "back");
	send_op(p, OP_SHUTDOWN, NO_SEND);
	expect_eof(p->c, s);
	close(s);
	ck_assert_uint_eq(expect(p, OP_SHUTDOWN, NULL, 0), 3);
	send_op(p, OP_RST, 0);
}

static void rules(struct carrier *c)
{
	int fd = listen_as(c, "v_5000", 8), other = listen_as(c, "v_5001", 8), mapped = listen_as(c, "elsewhere", 8), s;
	struct peer p = peer_of(c, 1000, 5001);
	char line[64];

	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
	p = peer_of(c, 1000, 5000);
	talk(&p, open_on(&p, fd));
	p = peer_of(c, 1000, 80);
	talk(&p, open_on(&p, mapped));
	/* The host's side. */
	s = unix_connect(carrier_path(c, "v"));
	host_write(s, "CONNECT 22\n", 11);
	expect_eof(c, s);
	close(s);
	s = host_asks(c, "CONNECT 23\n", &p);
	send_op(&p, OP_RESPONSE, 0);
	snprintf(line, sizeof(line), "OK %u\n", p.host_port);
	expect_bytes(c, s, line);
	close(s);
	close(fd);
	close(other);
	close(mapped);
}

/* Addresses that no other program is likely to have; another run of this test may. */
#define LOOPBACK "127.83.66.19"
#define TCP_PORT 34567

static int tcp_listener = -1;

static void prepare_tcp(struct carrier *c)
{
	const struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(TCP_PORT),
		.sin_addr.s_addr = inet_addr(LOOPBACK),
	};
	const int on = 1;

	tcp_listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(tcp_listener, 0);
	setsockopt(tcp_listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	for (unsigned int ms = 0; bind(tcp_listener, (const struct sockaddr *)&in, sizeof(in)) < 0; ms++) {
		ck_assert_int_eq(errno, EADDRINUSE);
		ck_assert_uint_lt(ms, PATIENCE);
		usleep(1000);
	}
	ck_assert_int_eq(listen(tcp_listener, 8), 0);
}

static void to_tcp(struct carrier *c)
{
	struct peer p = peer_of(c, 1000, 80);
	int s = open_on(&p, tcp_listener);

	talk(&p, s);
	/* Not with messages; and where nobody listens, it is refused. */
	p = peer_of(c, 1000, 80);
	p.type = SEQPACKET;
	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
	close(tcp_listener);
	p.type = STREAM;
	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
}

/* The host's own AF_VSOCK sockets, over its loopback. */
static int vm_socket(int type, unsigned int cid, unsigned int port, bool listens)
{
	const struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	int fd = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	if (listens)
		ck_assert_int_eq(bind(fd, (const struct sockaddr *)&vm, sizeof(vm)) | listen(fd, 8), 0);
	else
		ck_assert_int_eq(connect(fd, (const struct sockaddr *)&vm, sizeof(vm)), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void forwarded_to_host(struct carrier *c)
{
	int fd = vm_socket(SOCK_STREAM, VMADDR_CID_ANY, 5000, true), s;
	struct peer p = peer_of(c, 1000, 5000);

	talk(&p, open_on(&p, fd));
	close(fd);
	send_op(&p, OP_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
	/* Records, which no other way to the host has. */
	fd = vm_socket(SOCK_SEQPACKET, VMADDR_CID_ANY, 5000, true);
	p = peer_of(c, 1001, 5000);
	p.type = SEQPACKET;
	s = open_on(&p, fd);
	for (uint32_t flags = EOM; flags <= (EOM | EOR); flags += EOR) {
		char in[8] = {0};
		struct iovec iov = {in, sizeof(in)};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		int eor = flags & EOR ? MSG_EOR : 0;
		ssize_t n = -1;

		send_part(&p, "abc", 3, flags);
		for (unsigned int ms = 0; n < 0 && ms < PATIENCE; ms++) {
			n = recvmsg(s, &msg, MSG_DONTWAIT);
			carrier_idle(c, n < 0);
		}
		ck_assert_int_eq(n, 3);
		ck_assert_int_eq(msg.msg_flags & MSG_EOR, eor);
		ck_assert_int_eq(send(s, "defg", 4, MSG_NOSIGNAL | eor), 4);
		ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 4);
		ck_assert_uint_eq(p.flags, flags);
	}
	close(s);
	close(fd);
}

static void forwarded_to_guest(struct carrier *c)
{
	for (uint16_t type = STREAM; type <= SEQPACKET; type++) {
		int s = vm_socket(type == STREAM ? SOCK_STREAM : SOCK_SEQPACKET, VMADDR_CID_LOCAL, 40000u + type, false);
		char in[16] = {0};
		struct packet h;
		struct peer p;

		receive_raw(c, &h, NULL, 0);
		ck_assert_uint_eq(le16toh(h.op), OP_REQUEST);
		ck_assert_uint_eq(le16toh(h.type), type);
		ck_assert_uint_eq(le32toh(h.dst_port), 40000u + type);
		p = peer_of(c, le32toh(h.dst_port), le32toh(h.src_port));
		p.type = type;
		send_op(&p, OP_RESPONSE, 0);
		host_write(s, "hello", 5);
		ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 5);
		ck_assert_str_eq(in, "hello");
		send_part(&p, "you", 3, EOM);
		expect_bytes(c, s, "you");
		close(s);
		/* That it takes no more bytes either shows with the next. */
		ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), NO_SEND);
		send_part(&p, "?", 1, EOM);
		ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
		send_op(&p, OP_RST, 0);
	}
}

/* ---- other guests; the test is the vdevd of one */

static void guest_to_guest(struct carrier *c)
{
	for (uint16_t type = STREAM; type <= SEQPACKET; type++) {
		int fd = listen_type(c, type == STREAM ? SOCK_STREAM : SOCK_SEQPACKET, type == STREAM ? "9" : "9.seqpacket", 8), s;
		struct peer p = peer_of(c, 1000, 5);
		size_t marks = type == SEQPACKET;
		char in[8];

		p.type = type;
		p.cid = 9;
		send_op(&p, OP_REQUEST, 0);
		s = host_accept(c, fd);
		expect_bytes(c, s, "CONNECT 5 3 1000\n");
		host_write(s, "OK 5\n", 5);
		expect(&p, OP_RESPONSE, NULL, 0);
		send_part(&p, "there", 5, EOM | EOR);
		/* Before a message goes whether a record ends with it, also where it comes in parts. */
		expect_bytes(c, s, type == STREAM ? "there" : "\1there");
		send_part(&p, "he", 2, 0);
		send_part(&p, "re", 2, EOM);
		ck_assert_int_eq(host_read(c, s, in, 4 + marks), (ssize_t)(4 + marks));
		ck_assert_mem_eq(in, marks ? "\0here" : "here", 4 + marks);
		close(s);
		ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
		send_op(&p, OP_RST, 0);
		/* Refused by the other guest; taken back by ours; and no such guest, or itself. */
		send_op(&p, OP_REQUEST, 0);
		close(host_accept(c, fd));
		expect(&p, OP_RST, NULL, 0);
		send_op(&p, OP_REQUEST, 0);
		s = host_accept(c, fd);
		send_op(&p, OP_RST, 0);
		expect_bytes(c, s, "CONNECT 5 3 1000\n");
		expect_eof(c, s);
		close(s);
		p.cid = 8;
		send_op(&p, OP_REQUEST, 0);
		expect(&p, OP_RST, NULL, 0);
		p.cid = CID;
		send_op(&p, OP_REQUEST, 0);
		expect(&p, OP_RST, NULL, 0);
		close(fd);
	}
}

/* Knocks at the guest's door in the group. */
static int knock(struct carrier *c, uint16_t type, const char *line)
{
	int s = unix_connect_type(type == STREAM ? SOCK_STREAM : SOCK_SEQPACKET,
				  carrier_path(c, type == STREAM ? "3" : "3.seqpacket"));

	ck_assert_int_ge(s, 0);
	host_write(s, line, strlen(line));
	return s;
}

static void guest_from_guest(struct carrier *c)
{
	static const char *const bad[] = {"CONNECT 22\n", "CONNECT 22 2 77\n", "CONNECT 22 3 77\n", "CONNECT 22 9 77 1\n",
					  "CONNECT 22 9 77\n", "CONNECT 23 10 77\n"};

	for (uint16_t type = STREAM; type <= SEQPACKET; type++) {
		int s = knock(c, type, "CONNECT 22 9 77\n"), t;
		struct peer p = peer_of(c, 22, 77);
		char in[8] = {0}, byte;
		struct packet h;

		p.type = type;
		p.cid = 9;
		receive_raw(c, &h, NULL, 0);
		ck_assert_uint_eq(le16toh(h.op), OP_REQUEST);
		ck_assert_uint_eq(le64toh(h.src_cid), 9);
		ck_assert_uint_eq(le32toh(h.src_port), 77);
		ck_assert_uint_eq(le32toh(h.dst_port), 22);
		send_op(&p, OP_RESPONSE, 0);
		expect_bytes(c, s, "OK 77\n");
		/* Wrong lines, a host's and our own address, one that is taken, a port that is denied. */
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			t = knock(c, type, bad[i]);
			ssize_t n = host_read(c, t, &byte, 1);

			ck_assert_msg(n == 0 || n == -ECONNRESET, "%s: %zd", bad[i], n);
			close(t);
		}
		for (char record = 0; record <= 1; record++) {
			char message[] = {record, 'h', 'e', 'r', 'e'};

			memset(in, 0, sizeof(in));
			host_write(s, type == STREAM ? message + 1 : message, type == STREAM ? 4 : 5);
			ck_assert_uint_eq(expect(&p, OP_RW, in, sizeof(in)), 4);
			ck_assert_str_eq(in, "here");
			ck_assert_uint_eq(p.flags, type == STREAM ? 0 : EOM | (record ? EOR : 0));
		}
		close(s);
		ck_assert_uint_eq(expect(&p, OP_SHUTDOWN, NULL, 0), 3);
		send_op(&p, OP_RST, 0);
	}
}

static void prepare_groups(struct carrier *c)
{
	ck_assert_int_eq(mkdir(carrier_path(c, "a"), 0700), 0);
	ck_assert_int_eq(mkdir(carrier_path(c, "b"), 0700), 0);
}

/* A guest is found in the second group; ours can be found in both. */
static void several_groups(struct carrier *c)
{
	static const char *const doors[] = {"a/3", "b/3"};
	int fd = listen_as(c, "b/9", 8), s;
	struct peer p = peer_of(c, 1000, 5);
	struct packet h;

	p.cid = 9;
	send_op(&p, OP_REQUEST, 0);
	s = host_accept(c, fd);
	expect_bytes(c, s, "CONNECT 5 3 1000\n");
	close(s);
	expect(&p, OP_RST, NULL, 0);
	close(fd);
	unlink(carrier_path(c, "b/9"));
	for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
		s = unix_connect(carrier_path(c, doors[i]));
		ck_assert_int_ge(s, 0);
		host_write(s, "CONNECT 22 9 77\n", 16);
		receive_raw(c, &h, NULL, 0);
		ck_assert_uint_eq(le16toh(h.op), OP_REQUEST);
		ck_assert_uint_eq(le64toh(h.src_cid), 9);
		p = peer_of(c, 22, 77);
		p.cid = 9;
		send_op(&p, OP_RST, 0);
		expect_eof(c, s);
		close(s);
	}
}

/* ---- time and number */

/* Buffers of rx that were made without a kick: nothing but the queue's own turn takes them, whatever another one is to say. */
static void rx_in_its_turn(struct carrier *c)
{
	struct driver_ring_raw raw = driver_ring_raw(frontend_ring(carrier_frontend(c), RX));
	struct frontend_buf bytes = carrier_alloc(c, HDR);
	struct peer p = peer_of(c, 1000, 5000);

	carrier_idle(c, 5);
	for (unsigned int i = 0; i < raw.num; i++) {
		raw.desc[i] = (struct virtq_desc){htole64(bytes.guest), htole32(HDR - 1), htole16(VIRTQ_DESC_F_WRITE), 0};
		raw.avail->ring[i] = htole16((uint16_t)i);
	}
	__atomic_store_n(&raw.avail->idx, htole16((uint16_t)raw.num), __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < 3; i++)
		send_op(&p, OP_SHUTDOWN, 3);
	carrier_idle(c, 5);
	ck_assert_uint_eq(le16toh(__atomic_load_n(&raw.used->idx, __ATOMIC_ACQUIRE)), 0);
	ck_assert_int_eq(frontend_kick(carrier_frontend(c), RX), 0);
	for (unsigned int ms = 0; le16toh(__atomic_load_n(&raw.used->idx, __ATOMIC_ACQUIRE)) != raw.num; ms++) {
		ck_assert_uint_lt(ms, PATIENCE);
		carrier_idle(c, 1);
	}
	/* The driver does not know what the test did to its ring. */
	carrier_reset(c);
	send_op(&p, OP_SHUTDOWN, 3);
	expect(&p, OP_RST, NULL, 0);
}

/* More buffers with room for a header alone than are kept, while the host has bytes: each brings news of credit. */
static void headers_alone(struct carrier *c)
{
	enum { BUFFERS = 100 };
	struct frontend_request *reqs[BUFFERS];
	struct packet h;
	struct peer p;
	int s = open_one(c, &p);
	char in[4] = {0};

	for (unsigned int i = 0; i < BUFFERS; i++)
		reqs[i] = carrier_submit(c, RX, NULL, 0, HDR);
	host_write(s, "abc", 3);
	for (unsigned int i = 0; i < BUFFERS; i++) {
		ck_assert_uint_eq(carrier_await(c, RX, reqs[i], &h), HDR);
		ck_assert_uint_eq(le16toh(h.op), OP_CREDIT_UPDATE);
	}
	ck_assert_uint_eq(expect(&p, OP_RW, in, 3), 3);
	ck_assert_str_eq(in, "abc");
	close(s);
}

/* Lines that a guest can cause are few, however often it does. */
static void lines_are_few(struct carrier *c)
{
	int fd = listen_type(c, SOCK_SEQPACKET, "v_5000", 8);
	unsigned int lines = 0;
	char *log;

	for (unsigned int i = 0; i < 40; i++) {
		struct peer p = peer_of(c, 1000 + i, 5000);
		int s;

		p.type = SEQPACKET;
		p.alloc = 1;
		s = open_on(&p, fd);
		host_write(s, "too long", 8);
		expect(&p, OP_RST, NULL, 0);
		close(s);
	}
	close(fd);
	log = carrier_log(c);
	for (const char *at = log; at && (at = strstr(at, "a message longer than")); at++)
		lines++;
	if (log)
		ck_assert_uint_ge(lines, 1);
	ck_assert_uint_le(lines, 20);
	free(log);
}

/* A host that has no memory left: the connection that needs some is reset, others go on. */
static void memory_short(struct carrier *c)
{
	const struct rlimit none = {1, RLIM_INFINITY};
	struct peer p, q = peer_of(c, 1001, 5001);
	struct rlimit before;
	int fd, s, t;

	if (carrier_pid(c) < 0)
		return;
	fd = listen_as(c, "v_5001", 8);
	s = open_one(c, &p);
	t = open_on(&q, fd);
	ck_assert_int_eq(prlimit(carrier_pid(c), RLIMIT_DATA, &none, &before), 0);
	for (size_t sent = 0; sent < (4 << 20); sent += PAYLOAD) {
		static const uint8_t data[PAYLOAD];
		uint8_t in[HDR];
		struct packet h;

		if (p.host_alloc - (p.tx - p.host_fwd) < PAYLOAD) {
			ck_assert_uint_eq(carrier_request(c, RX, NULL, 0, in, HDR), HDR);
			memcpy(&h, in, HDR);
			p.host_fwd = le32toh(h.fwd_cnt);
			if (le16toh(h.op) == OP_RST)
				break;
			continue;
		}
		send_data(&p, data, PAYLOAD);
	}
	send_op(&p, OP_CREDIT_REQUEST, 0);
	expect(&p, OP_RST, NULL, 0);
	send_data(&q, "still", 5);
	expect_bytes(c, t, "still");
	ck_assert_int_eq(prlimit(carrier_pid(c), RLIMIT_DATA, &before, NULL), 0);
	close(s);
	close(t);
	close(fd);
}


/* A listener that takes nobody: the guest is refused in the end. */
static void connect_timeout(struct carrier *c)
{
	int fd = listen_as(c, "v_5000", 0), full[8];
	struct peer p = peer_of(c, 1000, 5000);
	unsigned int n = 0;

	while ((full[n] = unix_connect(carrier_path(c, "v_5000"))) >= 0)
		ck_assert_uint_lt(++n, ARRAY_SIZE(full));
	ck_assert_int_eq(full[n], -EAGAIN);
	send_op(&p, OP_REQUEST, 0);
	carrier_stays(c, TX, 20);
	expect(&p, OP_RST, NULL, 0);
	/* Where it takes somebody in time, all is well. */
	send_op(&p, OP_REQUEST, 0);
	for (unsigned int i = 0; i < n; i++)
		close(full[i]);
	for (unsigned int i = 0; i < n; i++)
		close(host_accept(c, fd));
	int s = host_accept(c, fd);

	expect(&p, OP_RESPONSE, NULL, 0);
	close(s);
	close(fd);
}

/* A guest that does not answer. */
static void answer_timeout(struct carrier *c)
{
	struct peer p;
	int s = host_asks(c, "CONNECT 5\n", &p);

	expect_eof(c, s);
	expect(&p, OP_RST, NULL, 0);
	send_op(&p, OP_RESPONSE, 0);
	expect(&p, OP_RST, NULL, 0);
	close(s);
}

/* No more than were asked for. */
static void at_most(struct carrier *c)
{
	int fd = listen_as(c, "v_5000", 8), s[2], t;
	struct peer p[2] = {peer_of(c, 1, 5000), peer_of(c, 2, 5000)}, q = peer_of(c, 3, 5000);

	s[0] = open_on(&p[0], fd);
	s[1] = open_on(&p[1], fd);
	send_op(&q, OP_REQUEST, 0);
	expect(&q, OP_RST, NULL, 0);
	/* A host's waits. */
	t = unix_connect(carrier_path(c, "v"));
	host_write(t, "CONNECT 8\n", 10);
	carrier_idle(c, 10);
	send_op(&p[0], OP_SHUTDOWN, 3);
	expect(&p[0], OP_RST, NULL, 0);
	struct packet h;

	receive_raw(c, &h, NULL, 0);
	ck_assert_uint_eq(le16toh(h.op), OP_REQUEST);
	ck_assert_uint_eq(le32toh(h.dst_port), 8);
	close(s[0]);
	close(s[1]);
	close(t);
	close(fd);
}

static void many_connections(struct carrier *c)
{
	struct peer p = peer_of(c, 0, 7);
	/* The others run the same code; a request there takes its time. */
	const unsigned int n = carrier_kind(c) == CARRIER_DIRECT ? 10000 : 1000;
	unsigned int fds = 0;
	char in[8];

	for (unsigned int i = 0; i < n; i++) {
		p.port = i / 2;
		p.tx = p.rx = 0;
		send_op(&p, OP_REQUEST, 0);
		expect(&p, OP_RESPONSE, NULL, 0);
		if (i % 8 == 0) {
			send_data(&p, "hello", 5);
			ck_assert_uint_eq(expect(&p, OP_RW, in, 8), 5);
		}
		send_op(&p, OP_SHUTDOWN, 3);
		expect(&p, OP_RST, NULL, 0);
		if (i == 10)
			fds = carrier_count_fds(c);
	}
	carrier_idle(c, 5);
	ck_assert_uint_le(carrier_count_fds(c), fds);
}

/* More answers than there is room to remember, and no buffer for them: all come, when there are buffers. */
static void many_answers(struct carrier *c)
{
	unsigned int depth = (unsigned int)min_size(carrier_depth(c, TX), 500);
	struct frontend_request *reqs[500];
	struct peer p = peer_of(c, 0, 5000);
	struct packet h;

	for (unsigned int i = 0; i < depth; i++) {
		p.port = i;
		h = make(&p, OP_RW, 0, 0);
		reqs[i] = carrier_submit(c, TX, &h, HDR, 0);
	}
	carrier_idle(c, 2);
	for (unsigned int i = 0; i < depth; i++) {
		receive_raw(c, &h, NULL, 0);
		ck_assert_uint_eq(le16toh(h.op), OP_RST);
		ck_assert_uint_eq(le32toh(h.dst_port), i);
	}
	for (unsigned int i = 0; i < depth; i++)
		carrier_await(c, TX, reqs[i], NULL);
}

/* ---- events and new beginnings */

static void transport_reset(struct carrier *c)
{
	const bool goes_on = carrier_setting(c)->base != 0;
	le32 id = htole32(99);
	struct peer p;
	int s;

	for (unsigned int i = 0; i < 3; i++) {
		/* Rings that do not begin at 0 are those of a machine that goes on: what it knew is gone. */
		if (goes_on) {
			/* One that is too short is given back; the event is not lost. */
			ck_assert_uint_eq(carrier_request(c, EVENT, NULL, 0, &id, 2), 0);
			ck_assert_uint_eq(carrier_request(c, EVENT, NULL, 0, &id, 4), 4);
			ck_assert_uint_eq(le32toh(id), 0);
		}
		/* Once is enough; and not at all for one that has just begun, and may have connected at once. */
		carrier_submit(c, EVENT, NULL, 0, 4);
		carrier_stays(c, EVENT, 3);
		s = open_one(c, &p);
		ck_assert_int_eq(unlink(carrier_path(c, "v_5000")), 0);
		if (i == 0 && !goes_on)
			carrier_reset(c);
		else
			carrier_reconnect(c);
		expect_eof(c, s);
		close(s);
		send_data(&p, "x", 1);
		expect(&p, OP_RST, NULL, 0);
	}
}

/* The rx queue stops and starts: the buffers it had are still good. */
static void rx_stops(struct carrier *c)
{
	struct frontend_request *req;
	struct peer p;
	int s = open_one(c, &p);
	uint8_t in[HDR + 16];
	uint32_t base;

	host_write(s, "one", 3);
	ck_assert_uint_eq(expect(&p, OP_RW, in, 16), 3);
	req = carrier_submit(c, RX, NULL, 0, sizeof(in));
	carrier_stays(c, RX, 2);
	base = carrier_stop(c, RX);
	host_write(s, "two", 3);
	carrier_idle(c, 3);
	carrier_start(c, RX, base);
	ck_assert_uint_eq(carrier_await(c, RX, req, in), HDR + 3);
	ck_assert_mem_eq(in + HDR, "two", 3);
	close(s);
}

/* As many buffers as are kept go back when the queue stops, and are there again in their order. */
static void rx_stops_with_many(struct carrier *c)
{
	enum { BUFFERS = 100 };
	struct frontend_request *reqs[BUFFERS];
	uint8_t in[HDR + 1];
	struct peer p;
	int s = open_one(c, &p);
	uint32_t base;

	for (unsigned int i = 0; i < BUFFERS; i++)
		reqs[i] = carrier_submit(c, RX, NULL, 0, sizeof(in));
	carrier_stays(c, RX, 5);
	base = carrier_stop(c, RX);
	carrier_start(c, RX, base);
	for (unsigned int i = 0; i < BUFFERS; i++)
		host_write(s, i % 2 ? "b" : "a", 1);
	for (unsigned int i = 0; i < BUFFERS; i++) {
		ck_assert_uint_eq(carrier_await(c, RX, reqs[i], in), HDR + 1);
		ck_assert_int_eq(in[HDR], i % 2 ? 'b' : 'a');
	}
	close(s);
}

/* ---- the simulated host */

static void sim_services(struct carrier *c)
{
	struct peer echo = peer_of(c, 1, 7), discard = peer_of(c, 2, 9), chargen = peer_of(c, 3, 19), none = peer_of(c, 4, 8);
	char in[PAYLOAD + 1] = {0};
	uint32_t n;

	send_op(&echo, OP_REQUEST, 0);
	expect(&echo, OP_RESPONSE, NULL, 0);
	send_op(&discard, OP_REQUEST, 0);
	expect(&discard, OP_RESPONSE, NULL, 0);
	send_op(&none, OP_REQUEST, 0);
	expect(&none, OP_RST, NULL, 0);
	send_data(&discard, "nothing", 7);
	send_data(&echo, "something", 9);
	ck_assert_uint_eq(expect(&echo, OP_RW, in, 64), 9);
	ck_assert_str_eq(in, "something");
	/* The echo ends when there is nothing left to send back. */
	send_op(&echo, OP_SHUTDOWN, NO_SEND);
	ck_assert_uint_eq(expect(&echo, OP_SHUTDOWN, NULL, 0), 3);
	send_op(&echo, OP_RST, 0);
	send_op(&discard, OP_SHUTDOWN, 3);
	expect(&discard, OP_RST, NULL, 0);
	chargen.alloc = 148;
	send_op(&chargen, OP_REQUEST, 0);
	expect(&chargen, OP_RESPONSE, NULL, 0);
	n = expect(&chargen, OP_RW, in, PAYLOAD);
	ck_assert_uint_eq(n, 148);
	ck_assert_int_eq(in[0], ' ');
	ck_assert_mem_eq(in + 72, "\r\n!", 3);
	ck_assert_mem_eq(in + 146, "\r\n", 2);
	expect(&chargen, OP_CREDIT_REQUEST, NULL, 0);
	/* The same with messages. */
	echo = peer_of(c, 5, 7);
	chargen = peer_of(c, 6, 19);
	echo.type = chargen.type = SEQPACKET;
	send_op(&echo, OP_REQUEST, 0);
	expect(&echo, OP_RESPONSE, NULL, 0);
	send_part(&echo, "a", 1, EOM);
	send_part(&echo, "b", 1, EOM);
	ck_assert_uint_eq(expect(&echo, OP_RW, in, 64), 1);
	ck_assert_uint_eq(expect(&echo, OP_RW, in, 64), 1);
	chargen.alloc = 148;
	send_op(&chargen, OP_REQUEST, 0);
	expect(&chargen, OP_RESPONSE, NULL, 0);
	ck_assert_uint_eq(expect(&chargen, OP_RW, in, PAYLOAD), 74);
	ck_assert_uint_eq(chargen.flags, EOM);
}

#define UDS	 "--uds-path=%T/v"
#define WITH(...) .args = (const char *const[]){__VA_ARGS__, NULL}

static const struct device_case cases[] = {
	{.name = "guest CID", .run = guest_cid, WITH("--guest-cid=77", UDS), .flags = CASE_CONFIG | CASE_ONCE},
	{.name = "no listener", .run = no_listener, .flags = CASE_ONCE},
	{.name = "strays", .run = strays, .flags = CASE_ONCE},
	{.name = "wrong address", .run = wrong_address, .flags = CASE_ONCE},
	{.name = "wrong source", .run = wrong_source, WITH("--backend=sim"), .flags = CASE_ONCE},
	{.name = "short packets", .run = short_packets},
	{.name = "guest connects", .run = guest_connects},
	{.name = "host connects", .run = host_connects, .flags = CASE_ONCE},
	{.name = "guest refuses", .run = guest_refuses, .flags = CASE_ONCE},
	{.name = "bad lines", .run = bad_lines, .flags = CASE_ONCE},
	{.name = "good lines", .run = good_lines, .flags = CASE_ONCE},
	{.name = "host says and goes", .run = host_says_and_goes, .flags = CASE_ONCE},
	{.name = "many wait", .run = many_wait, WITH(UDS, "--connect-timeout=50"), .flags = CASE_ONCE},
	{.name = "guest half-closes", .run = guest_half_closes, .flags = CASE_ONCE},
	{.name = "host half-closes", .run = host_half_closes, .flags = CASE_ONCE},
	{.name = "guest is deaf", .run = guest_is_deaf, .flags = CASE_ONCE},
	{.name = "host is deaf", .run = host_is_deaf, .flags = CASE_ONCE},
	{.name = "host dies", .run = host_dies, .flags = CASE_ONCE},
	{.name = "request twice", .run = request_twice, .flags = CASE_ONCE},
	{.name = "credit is kept", .run = credit_is_kept, WITH(UDS, "--buffer-size=8K"), .flags = CASE_ONCE},
	{.name = "nothing lost at the end", .run = nothing_lost_at_the_end, WITH(UDS, "--buffer-size=8K"), .flags = CASE_ONCE},
	{.name = "nothing lost at the half", .run = nothing_lost_at_the_half, WITH(UDS, "--buffer-size=8K"), .flags = CASE_ONCE},
	{.name = "guest's credit", .run = guest_credit, .flags = CASE_ONCE},
	{.name = "small buffers", .run = small_buffers},
	{.name = "stuck alone", .run = stuck_alone, WITH(UDS, "--buffer-size=8K"), .flags = CASE_ONCE},
	{.name = "fair turns", .run = fair_turns, .flags = CASE_ONCE},
	{.name = "full duplex", .run = full_duplex, WITH("--backend=sim"), .flags = CASE_ONCE},
	{.name = "messages", .run = messages},
	{.name = "types", .run = types, .flags = CASE_ONCE | CASE_NOT_BINARY},
	{.name = "host connects for messages",
	 .run = host_connects_for_messages,
	 WITH(UDS, "--uds-seqpacket-path=%T/q"),
	 .flags = CASE_ONCE},
	{.name = "longest message", .run = longest_message, WITH(UDS, "--buffer-size=8K"), .flags = CASE_ONCE},
	{.name = "messages wait", .run = messages_wait, WITH(UDS, "--buffer-size=8K"), .flags = CASE_ONCE},
	{.name = "a host's message in parts", .run = host_message_in_parts, .flags = CASE_ONCE},
	{.name = "rules",
	 .run = rules,
	 WITH(UDS, "--allow=guest:5000", "--map=guest:80=unix:%T/elsewhere", "--allow=guest:80", "--deny=host:22"),
	 .flags = CASE_ONCE},
	{.name = "to TCP",
	 .run = to_tcp,
	 .prepare = prepare_tcp,
	 WITH("--map=guest:80=tcp:" LOOPBACK ":34567"),
	 .flags = CASE_ONCE},
	{.name = "guest to guest", .run = guest_to_guest, WITH("--group=%T"), .flags = CASE_ONCE},
	{.name = "guest from guest", .run = guest_from_guest, WITH("--group=%T", "--deny=host:23"), .flags = CASE_ONCE},
	{.name = "several groups",
	 .run = several_groups,
	 .prepare = prepare_groups,
	 WITH("--group=%T/a", "--group=%T/b"),
	 .flags = CASE_ONCE},
	{.name = "connect time-out", .run = connect_timeout, WITH(UDS, "--connect-timeout=200"), .flags = CASE_ONCE},
	{.name = "answer time-out", .run = answer_timeout, WITH(UDS, "--connect-timeout=50"), .flags = CASE_ONCE},
	{.name = "at most", .run = at_most, WITH(UDS, "--max-connections=2"), .flags = CASE_ONCE},
	{.name = "many connections", .run = many_connections, WITH("--backend=sim", "--max-connections=4"), .flags = CASE_ONCE},
	{.name = "many answers", .run = many_answers, .flags = CASE_ONCE},
	{.name = "rx in its turn", .run = rx_in_its_turn, .flags = CASE_ONCE},
	{.name = "headers alone", .run = headers_alone, .flags = CASE_ONCE},
	{.name = "lines are few", .run = lines_are_few, .flags = CASE_ONCE},
	{.name = "memory is short", .run = memory_short, .flags = CASE_ONCE},
	{.name = "transport reset", .run = transport_reset},
	{.name = "rx stops", .run = rx_stops},
	{.name = "rx stops with many", .run = rx_stops_with_many, .flags = CASE_ONCE},
	{.name = "simulated services", .run = sim_services, WITH("--backend=sim"), .flags = CASE_ONCE},
};

static const char *const usual[] = {UDS, NULL};

static const struct device_suite vsock = {
	.device = "vsock",
	.args = usual,
	DEVICE_CASES(cases),
};

static const struct device_case forward_cases[] = {
	{.name = "forwarded to the host", .run = forwarded_to_host, .flags = CASE_ONCE},
	{.name = "forwarded to the guest", .run = forwarded_to_guest, .flags = CASE_ONCE},
};

static const char *const forwards[] = {"--forward-cid=1", "--forward-listen=40001+40002/seqpacket", NULL};

static const struct device_suite forward = {
	.device = "vsock",
	.args = forwards,
	DEVICE_CASES(forward_cases),
};

/* Whether this machine's kernel has AF_VSOCK sockets that reach itself. */
static bool has_loopback(void)
{
	const struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = 40000};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&vm, sizeof(vm)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

START_TEST(test_no_loopback)
{
	test_note_skip("forwarded/vsock", "no AF_VSOCK sockets here that reach this machine (module vsock_loopback)");
}
END_TEST

Suite *suite_vsock(void)
{
	Suite *s = suite_create("vsock");
	TCase *tc = tcase_create("forward");

	suite_add_device(s, &vsock);
	if (has_loopback())
		suite_add_device(s, &forward);
	else
		tcase_add_test(tc, test_no_loopback);
	suite_add_tcase(s, tc);
	return s;
}
