/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_vsock_conn.c - a connection of the socket device against a model of its credit that counts in 64 bits: VIRTIO 1.4,
 * section 5.10.6.3; and the line with which a program of the host asks for a port.
 *
 * The input is a list of steps of five bytes: what happens, and a number.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/vsock/vsock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM 65536u

/* What both sides have sent, read and told, ever. */
struct model {
	uint64_t guest_sent, forwarded, told;
	uint64_t sent, guest_read, guest_alloc;
	bool open;             /* both sides have agreed to it, and none has reset it */
	unsigned int host_end; /* VSOCK_SHUTDOWN_...: what the host will not do any more */
	unsigned int guest_end;
};

#define must(condition)          \
	do {                     \
		if (!(condition)) \
			abort(); \
	} while (0)

/* A packet for the guest: its credit is what the model says. */
static void check_out(struct model *m, const struct vsock_packet *p)
{
	must(p->buf_alloc == ROOM);
	must(p->fwd_cnt == (uint32_t)m->forwarded);
	m->told = m->forwarded;
}

/* The guest has room for what is sent, as far as it has told. */
static void host_sends(struct vsock_conn *c, struct model *m, uint32_t n)
{
	uint64_t unread = m->sent - m->guest_read;
	uint64_t room = unread < m->guest_alloc ? m->guest_alloc - unread : 0;
	bool over = !m->open || m->host_end & VSOCK_SHUTDOWN_SEND || m->guest_end & VSOCK_SHUTDOWN_RECEIVE;
	uint64_t want = over ? 0 : room;
	uint32_t credit = vsock_conn_credit(c), len;
	struct vsock_packet p;

	must(credit == want);
	if (!credit)
		return;
	len = n % credit + 1;
	vsock_conn_send(c, len, 0, &p);
	must(p.len == len && p.op == VSOCK_OP_RW);
	m->sent += len;
	check_out(m, &p);
}

static void guest_sends(struct vsock_conn *c, struct model *m, uint8_t op, uint32_t n)
{
	struct vsock_packet p = {.src_cid = 3, .dst_cid = 2, .src_port = 1, .dst_port = 2, .type = c->type, .op = op};
	bool may = m->open && !(m->guest_end & VSOCK_SHUTDOWN_SEND);

	/* A guest reads what it was sent, some of it, now and then. */
	m->guest_read += n % (m->sent - m->guest_read + 1);
	m->guest_alloc = (n >> 8) % (1u << 20);
	p.buf_alloc = (uint32_t)m->guest_alloc;
	p.fwd_cnt = (uint32_t)m->guest_read;
	p.flags = n & 3;
	if (op == VSOCK_OP_RW)
		p.len = n % (ROOM + 2);
	bool fits = m->guest_sent + p.len - m->forwarded <= ROOM;
	enum vsock_verdict v = vsock_conn_receive(c, &p);

	if (op == VSOCK_OP_RW)
		must((v == VSOCK_DATA) == (may && fits));
	if (v == VSOCK_DATA)
		m->guest_sent += p.len;
	if (v == VSOCK_ACCEPTED)
		m->open = true;
	if (v == VSOCK_HALF)
		m->guest_end |= p.flags;
	if (v == VSOCK_WRONG) {
		vsock_conn_reset(c);
		m->open = false;
	}
}

static void host_ends(struct vsock_conn *c, struct model *m, uint32_t flags)
{
	vsock_conn_shutdown(c, flags);
	if (m->open)
		m->host_end |= flags;
}

static void forward(struct vsock_conn *c, struct model *m, uint32_t n)
{
	uint32_t len = (uint32_t)(n % (m->guest_sent - m->forwarded + 1));

	vsock_conn_forwarded(c, len);
	m->forwarded += len;
	/* A guest that waits for room does so for less than a quarter of it, or is told. */
	if (c->state == VSOCK_OPEN && m->forwarded - m->told >= ROOM / 4)
		must(c->pending & VSOCK_OWES_UPDATE);
	/* One in the midst of a message waits for the last bit of it. */
	if (c->state == VSOCK_OPEN && c->type == VSOCK_TYPE_SEQPACKET && m->told < m->forwarded)
		must(m->told + ROOM - m->guest_sent >= ROOM / 4 || c->pending & VSOCK_OWES_UPDATE);
}

static void tell(struct vsock_conn *c, struct model *m)
{
	struct vsock_packet p;

	while (vsock_conn_next(c, &p)) {
		must(p.len == 0 && p.op != VSOCK_OP_RW && p.op != VSOCK_OP_INVALID);
		check_out(m, &p);
	}
	must(!c->pending);
}

/* A connection as it is when it has just begun, from either side, with counters near their end. */
static void begin(struct vsock_conn *c, struct model *m, uint8_t how)
{
	struct vsock_packet p = {.src_cid = 3, .dst_cid = 2, .src_port = 1, .dst_port = 2, .op = VSOCK_OP_REQUEST};
	const uint32_t start = how & 2 ? UINT32_MAX - 1000 : 0;

	p.type = how & 4 ? VSOCK_TYPE_SEQPACKET : VSOCK_TYPE_STREAM;
	memset(m, 0, sizeof(*m));
	if (how & 1) {
		vsock_conn_ask(c, 2, 2, 3, 1, p.type, ROOM);
	} else {
		vsock_conn_dial(c, &p, ROOM);
		vsock_conn_respond(c);
		m->open = true;
	}
	c->rx_cnt = c->fwd_cnt = c->told_fwd = c->tx_cnt = c->peer_fwd = start;
	m->guest_sent = m->forwarded = m->told = m->sent = m->guest_read = start;
}

/* The line as a program would write it: blanks to one, in capitals, without what is not seen. */
static void plain_line(const char *line, char *out)
{
	bool gap = false, any = false;

	for (; *line && *line != '\n'; line++) {
		if (*line == ' ' || *line == '\t' || (*line == '\r' && line[1] == '\n')) {
			gap = true;
			continue;
		}
		if (gap && any)
			*out++ = ' ';
		*out++ = (char)toupper((unsigned char)*line);
		gap = false;
		any = true;
	}
	*out = '\0';
}

static void parse_line(const uint8_t *data, size_t size)
{
	char line[80], plain[80], again[80];
	size_t n = min_size(size, 64);

	memcpy(line, data, n);
	line[n] = '\0';
	for (int sibling = 0; sibling < 2; sibling++) {
		struct vsock_call call;
		unsigned long long w[3];

		if (vsock_line_parse(line, n, sibling, &call) < 0)
			continue;
		must(line[n - 1] == '\n' && strlen(line) == n && strchr(line, '\n') == line + n - 1);
		plain_line(line, plain);
		must(sscanf(plain, "CONNECT %llu %llu %llu", &w[0], &w[1], &w[2]) == (sibling ? 3 : 1));
		must(w[0] == call.port && (!sibling || (w[1] == call.from_cid && w[2] == call.from_port)));
		/* Zeros in front are all it may have besides. */
		must((size_t)snprintf(again, sizeof(again), sibling ? "CONNECT %u %u %u" : "CONNECT %u", call.port, call.from_cid,
				      call.from_port) <= strlen(plain));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vsock_conn c;
	struct model m;
	uint32_t n;

	if (!size)
		return 0;
	parse_line(data, size);
	begin(&c, &m, data[0]);
	for (data++, size--; size >= 5 && c.state != VSOCK_NONE; data += 5, size -= 5) {
		memcpy(&n, data + 1, sizeof(n));
		switch (data[0] % 8) {
		case 0:
		case 1:
			guest_sends(&c, &m, VSOCK_OP_RW, n);
			break;
		case 2:
			guest_sends(&c, &m, data[0] >> 3, n);
			break;
		case 3:
			forward(&c, &m, n);
			break;
		case 4:
		case 5:
			host_sends(&c, &m, n);
			break;
		case 6:
			tell(&c, &m);
			break;
		default:
			if (data[0] & 128)
				host_ends(&c, &m, n & 3);
			else
				guest_sends(&c, &m, VSOCK_OP_CREDIT_UPDATE, n);
		}
	}
	return 0;
}
