/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_can.c - the CAN device: VIRTIO 1.4, section "CAN Device", on a simulated bus.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "devices/can/can_bus.h"
#include "test/lib/carrier.h"
#include "test/unit/suites.h"

enum { TXQ, RXQ, CONTROLQ };

#define CLASSIC	 0
#define FD	 1
#define RTR	 2
#define LATE_ACK 3

#define START 0x0201
#define STOP  0x0202

#define F_RTR	   0x2000u
#define F_FD	   0x4000u
#define F_EXTENDED 0x8000u

#define OK     0
#define NOT_OK 1

#define HEAD 16

static void frame(uint8_t *out, uint16_t type, uint32_t flags, uint32_t id, const void *data, uint16_t len)
{
	le16 half;
	le32 word;

	memset(out, 0, HEAD);
	half = htole16(type);
	memcpy(out, &half, 2);
	half = htole16(len);
	memcpy(out + 2, &half, 2);
	word = htole32(flags);
	memcpy(out + 8, &word, 4);
	word = htole32(id);
	memcpy(out + 12, &word, 4);
	if (data)
		memcpy(out + HEAD, data, len);
}

static int mode(struct carrier *c, uint16_t type)
{
	le16 out = htole16(type);
	uint8_t in = 0xee;

	ck_assert_uint_eq(carrier_request(c, CONTROLQ, &out, sizeof(out), &in, 1), 1);
	return in;
}

static int send_frame(struct carrier *c, uint32_t flags, uint32_t id, const void *data, uint16_t len)
{
	uint8_t out[HEAD + 64] = {0}, in = 0xee;

	frame(out, 1, flags, id, data, len);
	ck_assert_uint_eq(carrier_request(c, TXQ, out, (size_t)HEAD + (flags & F_RTR ? 0 : len), &in, 1), 1);
	return in;
}

/* An empty buffer must come back with this frame. */
static void check_rx(struct carrier *c, struct frontend_request *req, uint32_t flags, uint32_t id, const void *data, uint16_t len)
{
	uint8_t in[HEAD + 64], want[HEAD + 64] = {0};

	frame(want, 0x0101, flags, id, data, len);
	ck_assert_uint_eq(carrier_await(c, RXQ, req, in), HEAD + len);
	ck_assert_mem_eq(in, want, HEAD + len);
}

static struct frontend_request *buffer(struct carrier *c)
{
	return carrier_submit(c, RXQ, NULL, 0, HEAD + 64);
}

static uint16_t status_of(struct carrier *c)
{
	le16 status = 0xffff;

	carrier_config_read(c, 0, &status, sizeof(status));
	return le16toh(status);
}

/* ---- good requests */

static const char *const echo_args[] = {"--sim-echo", NULL};

static void classic(struct carrier *c)
{
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, 0, 0x123, "\1\2\3", 3), OK);
	check_rx(c, buffer(c), 0, 0x124, "\2\3\4", 3);
	ck_assert_int_eq(send_frame(c, F_EXTENDED, 0x1fffffff, "12345678", 8), OK);
	check_rx(c, buffer(c), F_EXTENDED, 0, "23456789", 8);
	ck_assert_int_eq(send_frame(c, 0, 0, NULL, 0), OK);
	check_rx(c, buffer(c), 0, 1, NULL, 0);
}

static void flexible(struct carrier *c)
{
	static const uint8_t lengths[] = {0, 7, 8, 12, 16, 20, 24, 32, 48, 64};
	uint8_t data[64] = {0}, want[64];

	memset(want, 1, sizeof(want));
	ck_assert_int_eq(mode(c, START), OK);
	for (size_t i = 0; i < sizeof(lengths); i++) {
		if (!carrier_has(c, FD)) {
			ck_assert_int_eq(send_frame(c, F_FD, 5, data, lengths[i]), NOT_OK);
			continue;
		}
		ck_assert_int_eq(send_frame(c, F_FD, 5, data, lengths[i]), OK);
		check_rx(c, buffer(c), F_FD, 6, want, lengths[i]);
	}
}

/* The answer of a remote frame has as many bytes as its length says: drivers want them. */
static void remote(struct carrier *c)
{
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, F_RTR, 0x10, NULL, 4), OK);
	check_rx(c, buffer(c), F_RTR, 0x11, "\0\0\0\0", 4);
}

/* Own frames come back only where they are asked for. */
static void own_frames(struct carrier *c)
{
	struct frontend_request *req;

	ck_assert_int_eq(mode(c, START), OK);
	req = buffer(c);
	ck_assert_int_eq(send_frame(c, 0, 0x42, "x", 1), OK);
	carrier_stays(c, RXQ, 5);
	ck_assert_int_eq(send_frame(c, 0, 0x43, "y", 1), OK);
	carrier_stop(c, RXQ);
	(void)req;
}

static const char *const loopback_args[] = {"--backend=sim", "--loopback", NULL};

static void loopback(struct carrier *c)
{
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, 0, 0x42, "x", 1), OK);
	check_rx(c, buffer(c), 0, 0x42, "x", 1);
}

/* Frames keep their order, and none is lost or doubled. */
static void many(struct carrier *c)
{
	ck_assert_int_eq(mode(c, START), OK);
	for (uint16_t i = 0; i < 200; i++) {
		uint8_t data[2] = {(uint8_t)(i & 0x7f), (uint8_t)(i >> 7)}, want[2] = {(uint8_t)(data[0] + 1), (uint8_t)(data[1] + 1)};

		ck_assert_int_eq(send_frame(c, 0, 0x700, data, 2), OK);
		check_rx(c, buffer(c), 0, 0x701, want, 2);
	}
}

/* Notifications of the receive queue since they were looked at last. */
static uint64_t notified(struct carrier *c)
{
	const int fd = frontend_queue_fd(carrier_frontend(c), RXQ, FRONTEND_FD_CALL);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t n = 0;

	if (poll(&p, 1, 0) == 1)
		ck_assert_int_eq(read(fd, &n, sizeof(n)), sizeof(n));
	return n;
}

/* A driver that was not ready for the first frame after a start is told of it again, while the controller runs. */
static void reminder(struct carrier *c)
{
	uint64_t n = 0;

	ck_assert_int_eq(mode(c, START), OK);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), OK);
		check_rx(c, buffer(c), 0, 2, "y", 1);
		notified(c);
		for (unsigned int ms = 0; i == 0 && n == 0; ms += 5) {
			ck_assert_uint_lt(ms, 5000);
			carrier_idle(c, 5);
			n = notified(c);
		}
	}
	ck_assert_int_eq(mode(c, STOP), OK);
	carrier_idle(c, 5);
	notified(c);
	carrier_idle(c, 150);
	ck_assert_uint_eq(notified(c), 0);
}

/* ---- bad requests */

static void refused(struct carrier *c)
{
	uint8_t out[HEAD + 80] = {0}, in = 0xee;

	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, 0, 0x800, "x", 1), NOT_OK);
	ck_assert_int_eq(send_frame(c, F_EXTENDED, 0x20000000, "x", 1), NOT_OK);
	ck_assert_int_eq(send_frame(c, 0, 0x80000001, "x", 1), NOT_OK);
	ck_assert_int_eq(send_frame(c, 1, 1, "x", 1), NOT_OK);
	ck_assert_int_eq(send_frame(c, 0x10000, 1, "x", 1), NOT_OK);
	ck_assert_int_eq(send_frame(c, 0, 1, "123456789", 9), NOT_OK);
	ck_assert_int_eq(send_frame(c, F_FD, 1, "123456789", 9), NOT_OK);
	ck_assert_int_eq(send_frame(c, F_FD | F_RTR, 1, NULL, 0), NOT_OK);
	ck_assert_int_eq(send_frame(c, F_RTR, 1, NULL, 9), NOT_OK);
	/* More than there are, more than a frame has, another type, half a header, nothing. */
	frame(out, 1, 0, 1, NULL, 8);
	ck_assert_uint_eq(carrier_request(c, TXQ, out, HEAD + 7, &in, 1), 1);
	ck_assert_int_eq(in, NOT_OK);
	frame(out, 1, F_FD, 1, NULL, 65);
	ck_assert_uint_eq(carrier_request(c, TXQ, out, HEAD + 65, &in, 1), 1);
	ck_assert_int_eq(in, NOT_OK);
	frame(out, 2, 0, 1, NULL, 1);
	ck_assert_uint_eq(carrier_request(c, TXQ, out, HEAD + 1, &in, 1), 1);
	ck_assert_int_eq(in, NOT_OK);
	ck_assert_uint_eq(carrier_request(c, TXQ, out, HEAD - 1, &in, 1), 1);
	ck_assert_int_eq(in, NOT_OK);
	ck_assert_uint_eq(carrier_request(c, TXQ, NULL, 0, &in, 1), 1);
	ck_assert_int_eq(in, NOT_OK);
	frame(out, 1, 0, 1, NULL, 1);
	ck_assert_uint_eq(carrier_request(c, TXQ, out, HEAD + 1, NULL, 0), 0);
	/* None of them was on the bus: the first that comes is the answer to this. */
	ck_assert_int_eq(send_frame(c, 0, 0x55, "a", 1), OK);
	check_rx(c, buffer(c), 0, 0x56, "b", 1);
}

static void control_requests(struct carrier *c)
{
	le16 out = htole16(START);
	uint8_t in = 0xee;

	ck_assert_int_eq(mode(c, 0x0203), NOT_OK);
	ck_assert_int_eq(mode(c, 0), NOT_OK);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, &out, 1, &in, 1), 1);
	ck_assert_int_eq(in, NOT_OK);
	ck_assert_uint_eq(carrier_request(c, CONTROLQ, &out, 2, NULL, 0), 0);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), NOT_OK);
}

/* Initially stopped; started; stopped again. */
static void start_stop(struct carrier *c)
{
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), NOT_OK);
	ck_assert_int_eq(mode(c, STOP), OK);
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), OK);
	ck_assert_int_eq(mode(c, STOP), OK);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), NOT_OK);
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), OK);
}

static const char *const slow_args[] = {"--backend=sim", "--rate=1/s:1", NULL};

/* What waits in the ring when the controller is stopped is answered then, without another kick. */
static void stop_answers(struct carrier *c)
{
	struct frontend_request *reqs[4];
	uint8_t out[HEAD + 1], in;

	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), OK);
	frame(out, 1, 0, 2, "y", 1);
	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++)
		reqs[i] = carrier_submit(c, TXQ, out, sizeof(out), 1);
	ck_assert_int_eq(mode(c, STOP), OK);
	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++) {
		ck_assert_uint_eq(carrier_await(c, TXQ, reqs[i], &in), 1);
		/* A second may have gone by on a busy machine. */
		ck_assert(in == NOT_OK || i < 2);
	}
	ck_assert_uint_eq(in, NOT_OK);
}

/* A reset stops, and so does another front-end. */
static void reset_stops(struct carrier *c)
{
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), OK);
	carrier_reset(c);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), NOT_OK);
	ck_assert_int_eq(mode(c, START), OK);
	carrier_reconnect(c);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), NOT_OK);
}

static const char *const allow_args[] = {"--sim-echo", "--allow-tx=0x100-0x10f,0x80000100/0x1fffff00", "--allow-rx=0x101,0x80000103",
					 NULL};

static void allow(struct carrier *c)
{
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, 0, 0xff, "x", 1), NOT_OK);
	ck_assert_int_eq(send_frame(c, 0, 0x110, "x", 1), NOT_OK);
	ck_assert_int_eq(send_frame(c, F_EXTENDED, 0x200, "x", 1), NOT_OK);
	ck_assert_int_eq(send_frame(c, 0, 0x10f, "x", 1), OK);
	ck_assert_int_eq(send_frame(c, F_EXTENDED, 0x100, "x", 1), OK);
	ck_assert_int_eq(send_frame(c, F_EXTENDED, 0x102, "e", 1), OK);
	check_rx(c, buffer(c), F_EXTENDED, 0x103, "f", 1);
	ck_assert_int_eq(send_frame(c, 0, 0x100, "x", 1), OK);
	check_rx(c, buffer(c), 0, 0x101, "y", 1);
}

/* ---- the control socket */

static const char *const with_control[] = {"--backend=sim", "--rx-queue=4", "--control=%T/control", NULL};

static void tell(struct carrier *c, int fd, const char *command, const char *want)
{
	char buf[4096];
	size_t len = 0;

	ck_assert_int_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
	for (unsigned int ms = 0; len < strlen(want); ms++) {
		ssize_t got;

		ck_assert_uint_lt(ms, 5000);
		carrier_idle(c, 1);
		got = read(fd, buf + len, sizeof(buf) - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	}
	buf[len] = '\0';
	ck_assert_str_eq(buf, want);
}

static void bus_off(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));

	ck_assert_int_ge(fd, 0);
	tell(c, fd, "bus-off\n", "error: the controller is not started\n");
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_uint_eq(status_of(c), 0);
	tell(c, fd, "bus-off\n", "ok\n");
	carrier_wait_config_change(c);
	ck_assert_uint_eq(status_of(c), 1);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), NOT_OK);
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_uint_eq(status_of(c), 0);
	ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), OK);
	close(fd);
	carrier_idle(c, 5);
}

/* What the operator's node sends; what finds no room is counted, and it is the oldest. */
static void operator(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));
	char *log;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mode(c, START), OK);
	tell(c, fd, "send 123#11zz\n",
	     "error: '123#11zz': a frame is wanted: 123#1122, 12345678#, 123#R4, 123##0112233\n");
	tell(c, fd, "send 800#\n", "error: '800#': a frame is wanted: 123#1122, 12345678#, 123#R4, 123##0112233\n");
	tell(c, fd, "send 123#1122\n", "ok\n");
	check_rx(c, buffer(c), 0, 0x123, "\x11\x22", 2);
	tell(c, fd, "send 12345678#\n", "ok\n");
	check_rx(c, buffer(c), F_EXTENDED, 0x12345678, NULL, 0);
	tell(c, fd, "send 001##0414243\n", "ok\n");
	check_rx(c, buffer(c), F_FD, 1, "ABC", 3);
	tell(c, fd, "send 7ff#R4\n", "ok\n");
	check_rx(c, buffer(c), F_RTR, 0x7ff, "\0\0\0\0", 4);
	for (unsigned int i = 0; i < 7; i++)
		tell(c, fd, i ? "send 002#\n" : "send 001#\n", "ok\n");
	tell(c, fd, "errors 100 3\n", "ok\n");
	tell(c, fd, "error stuff\n", "ok\n");
	ck_assert_int_eq(send_frame(c, 0, 0x800, "x", 1), NOT_OK);
	tell(c, fd, "bus\n",
	     "controller started, error-warning, tec 100, rec 3\ntx 0\ntx-refused 1\ntx-forbidden 0\ntx-failed 0\n"
	     "tx-pending 0\nrx 11\nrx-ignored 0\nrx-waiting 4\nrx-lost 3\nhost-lost 0\nerrors 1\nbus-offs 0\nok\n");
	log = carrier_log(c);
	ck_assert_msg(!log || strstr(log, "the guest is too slow for the bus: 1 frames are lost (--rx-queue=4)"), "%s", log);
	free(log);
	for (unsigned int i = 0; i < 4; i++)
		check_rx(c, buffer(c), 0, 2, NULL, 0);
	tell(c, fd, "watch\n", "ok\n");
	ck_assert_int_eq(send_frame(c, F_EXTENDED, 0xabc, "\xab", 1), OK);
	tell(c, fd, "", "! tx 00000ABC#AB\n");
	close(fd);
	carrier_idle(c, 5);
}

/* A started controller goes on where the guest goes. */
static void moves(struct carrier *c)
{
	ck_assert_int_eq(mode(c, START), OK);
	ck_assert_int_eq(send_frame(c, 0, 0x20, "a", 1), OK);
	carrier_idle(c, 5);
	carrier_move(c);
	check_rx(c, buffer(c), 0, 0x21, "b", 1);
	ck_assert_int_eq(send_frame(c, 0, 0x30, "c", 1), OK);
	check_rx(c, buffer(c), 0, 0x31, "d", 1);
}

static const char *const rate_args[] = {"--sim-echo", "--rate=200/s:1", NULL};

static void rate(struct carrier *c)
{
	struct timespec a, b;

	ck_assert_int_eq(mode(c, START), OK);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned int i = 0; i < 11; i++)
		ck_assert_int_eq(send_frame(c, 0, 1, "x", 1), OK);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert_int_ge((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 49);
}

static const char *const sim_args[] = {"--backend=sim", NULL};

static char bus_arg[200];
static const char *const bus_args[] = {"--backend=sim", bus_arg, "--control=%T/control", NULL};
static const struct device_suite on_bus = {.device = "can", .args = bus_args};

/* A vdevd of its own on the bus of several. */
static struct carrier *bus_node(void)
{
	struct carrier *c = carrier_open(CARRIER_BINARY, &on_bus);

	ck_assert_int_eq(mode(c, START), OK);
	return c;
}

/* Whether this one is the bus, with so many other nodes. */
static bool bus_has(struct carrier *c, unsigned int others)
{
	char answer[64] = "", want[64];
	int fd = unix_connect(carrier_path(c, "control"));

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "nodes\n", 6), 6);
	snprintf(want, sizeof(want), "bus here, %u other nodes\nok\n", others);
	for (size_t len = 0; !strstr(answer, "ok\n");) {
		ssize_t n;

		carrier_idle(c, 2);
		n = read(fd, answer + len, sizeof(answer) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return strcmp(answer, want) == 0;
}

/* Frames of one go to the other, all and in order, and not back. */
static void bus_talk(struct carrier *from, struct carrier *to, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint8_t data[2] = {(uint8_t)i, (uint8_t)(i >> 8)};

		ck_assert_int_eq(send_frame(from, 0, 0x100 + i % 16, data, 2), OK);
		check_rx(to, buffer(to), 0, 0x100 + i % 16, data, 2);
	}
}

/* Guests of three vdevds on one bus; then that of the first, which is the bus, goes, and comes back. */
static void sim_bus(struct carrier *c)
{
	struct carrier *a, *b, *d, *e;
	struct frontend_request *reqs[2];
	int fd;

	if (carrier_kind(c) != CARRIER_BINARY)
		return;
	snprintf(bus_arg, sizeof(bus_arg), "--sim-bus=%s", carrier_path(c, "bus"));
	a = bus_node();
	b = bus_node();
	bus_talk(a, b, 100);
	bus_talk(b, a, 100);
	d = bus_node();
	/* What one sends all others get. */
	reqs[0] = buffer(a);
	reqs[1] = buffer(b);
	ck_assert_int_eq(send_frame(d, F_EXTENDED, 0x12345, "all", 3), OK);
	check_rx(a, reqs[0], F_EXTENDED, 0x12345, "all", 3);
	check_rx(b, reqs[1], F_EXTENDED, 0x12345, "all", 3);
	fd = unix_connect(carrier_path(a, "control"));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "quit\n", 5), 5);
	close(fd);
	while (!bus_has(b, 1) && !bus_has(d, 1))
		carrier_idle(b, 20);
	bus_talk(b, d, 20);
	e = bus_node();
	bus_talk(d, e, 20);
	carrier_close(e);
	carrier_close(d);
	carrier_close(b);
	carrier_close(a);
}

/* ---- the simulated bus, with the test as a node or as the bus */

static struct unix_listener own_bus;

static void own_bus_open(struct carrier *c)
{
	ck_assert_int_eq(unix_listen_type(&own_bus, SOCK_SEQPACKET, carrier_path(c, "bus"), UINT64_MAX, 1), 0);
}

/* The next packet that comes at the test's end. */
static struct can_bus_packet packet_read(struct carrier *c, int fd)
{
	struct can_bus_packet p;

	for (unsigned int ms = 0; recv(fd, &p, sizeof(p), MSG_DONTWAIT) != sizeof(p); ms++) {
		ck_assert_uint_lt(ms, 5000);
		carrier_idle(c, 1);
	}
	return p;
}

static void packet_send(int fd, struct can_bus_packet p, enum can_bus_kind kind)
{
	p.kind = (uint8_t)kind;
	ck_assert_int_eq(send(fd, &p, sizeof(p), MSG_DONTWAIT | MSG_NOSIGNAL), sizeof(p));
}

static const char *const joined[] = {"--sim-bus=%T/bus", "--control=%T/control", NULL};

/* That a frame was on the bus that the controller sent before it stopped is not said of an equal one after its start. */
static void old_acknowledgement(struct carrier *c)
{
	int fd = accept(own_bus.fd, NULL, NULL);
	struct can_bus_packet first, second;
	struct frontend_request *req;
	uint8_t out[HEAD + 1], in = 0xee;

	ck_assert_int_ge(fd, 0);
	frame(out, 1, 0, 0x123, "x", 1);
	ck_assert_int_eq(mode(c, START), OK);
	req = carrier_submit(c, TXQ, out, sizeof(out), 1);
	first = packet_read(c, fd);
	ck_assert_int_eq(mode(c, STOP), OK);
	ck_assert_uint_eq(carrier_await(c, TXQ, req, &in), 1);
	ck_assert_int_eq(in, NOT_OK);
	ck_assert_int_eq(mode(c, START), OK);
	req = carrier_submit(c, TXQ, out, sizeof(out), 1);
	second = packet_read(c, fd);
	packet_send(fd, first, CAN_BUS_DONE);
	carrier_stays(c, TXQ, 20);
	packet_send(fd, second, CAN_BUS_DONE);
	ck_assert_uint_eq(carrier_await(c, TXQ, req, &in), 1);
	ck_assert_int_eq(in, OK);
	close(fd);
	unix_listener_close(&own_bus);
}

/* A node that goes while it is not listened to, since another one holds the bus, does not stop the bus for all. */
static void node_goes(struct carrier *c)
{
	int held = unix_connect_type(SOCK_SEQPACKET, carrier_path(c, "bus")), flood = unix_connect_type(SOCK_SEQPACKET, carrier_path(c, "bus"));
	const struct can_bus_packet p = {.kind = CAN_BUS_PUT, .id = htole32(0x7f0)};
	struct can_bus_packet other;
	struct frontend_request *req;
	uint8_t out[HEAD] = {0}, in = 0xee;

	ck_assert_int_ge(held, 0);
	ck_assert_int_ge(flood, 0);
	ck_assert_int_eq(mode(c, START), OK);
	/* One reads nothing; the other sends until nothing is taken any more. */
	for (unsigned int full = 0; full < 20;) {
		while (recv(flood, &other, sizeof(other), MSG_DONTWAIT) > 0)
			;
		full = send(flood, &p, sizeof(p), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? full + 1 : 0;
		if (full)
			carrier_idle(c, 1);
	}
	/* It wins, and the one that has gone is to hear of it. */
	frame(out, 1, 0, 0, NULL, 0);
	req = carrier_submit(c, TXQ, out, sizeof(out), 1);
	carrier_idle(c, 5);
	close(flood);
	while (recv(held, &other, sizeof(other), MSG_DONTWAIT) > 0)
		;
	ck_assert_uint_eq(carrier_await(c, TXQ, req, &in), 1);
	ck_assert_int_eq(in, OK);
	ck_assert_int_eq(send_frame(c, 0, 0, NULL, 0), OK);
	close(held);
	carrier_idle(c, 5);
}

/* What is no packet of a node ends its link, and nobody else's. */
static void node_babbles(struct carrier *c)
{
	const struct can_bus_packet wrong[] = {
		{.kind = CAN_BUS_SEEN, .id = htole32(1)},
		{.kind = CAN_BUS_PUT, .id = htole32(0x800)},
		{.kind = CAN_BUS_PUT, .len = 9},
		{.kind = CAN_BUS_PUT, .flags = htole16(0x4000), .len = 65},
		{.kind = CAN_BUS_PUT, .flags = htole16(1)},
	};
	struct frontend_request *req = buffer(c);
	struct can_bus_packet p = {.kind = CAN_BUS_PUT, .id = htole32(0x321), .len = 1, .data = "z"};
	int good = unix_connect_type(SOCK_SEQPACKET, carrier_path(c, "bus"));

	ck_assert_int_ge(good, 0);
	ck_assert_int_eq(mode(c, START), OK);
	for (size_t i = 0; i <= ARRAY_SIZE(wrong); i++) {
		int fd = unix_connect_type(SOCK_SEQPACKET, carrier_path(c, "bus"));
		char byte;

		ck_assert_int_ge(fd, 0);
		ck_assert_int_gt(i < ARRAY_SIZE(wrong) ? send(fd, &wrong[i], sizeof(p), 0) : send(fd, &p, sizeof(p) - 1, 0), 0);
		while (recv(fd, &byte, 1, MSG_DONTWAIT) != 0)
			carrier_idle(c, 1);
		close(fd);
	}
	packet_send(good, p, CAN_BUS_PUT);
	check_rx(c, req, 0, 0x321, "z", 1);
	close(good);
	carrier_idle(c, 5);
}

static const struct device_case cases[] = {
	{.name = "classic", .run = classic},
	{.name = "fd", .run = flexible},
	{.name = "remote frames", .run = remote},
	{.name = "own frames", .run = own_frames, .args = sim_args, .flags = CASE_ONCE},
	{.name = "loopback", .run = loopback, .args = loopback_args},
	{.name = "many", .run = many},
	{.name = "reminder", .run = reminder, .flags = CASE_ONCE},
	{.name = "refused", .run = refused},
	{.name = "control requests", .run = control_requests},
	{.name = "start, stop", .run = start_stop},
	{.name = "stop answers", .run = stop_answers, .args = slow_args, .flags = CASE_ONCE, .depth = 4},
	{.name = "reset stops", .run = reset_stops, .flags = CASE_ONCE},
	{.name = "allow", .run = allow, .args = allow_args},
	{.name = "bus-off", .run = bus_off, .args = with_control, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "operator", .run = operator, .args = with_control, .flags = CASE_ONCE},
	{.name = "sim bus", .run = sim_bus, .args = sim_args, .flags = CASE_ONCE},
	{.name = "old acknowledgement", .run = old_acknowledgement, .prepare = own_bus_open, .args = joined, .flags = CASE_ONCE},
	{.name = "node goes", .run = node_goes, .args = joined, .flags = CASE_ONCE},
	{.name = "node babbles", .run = node_babbles, .args = joined, .flags = CASE_ONCE},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
	{.name = "rate", .run = rate, .args = rate_args, .flags = CASE_ONCE},
};

static const struct device_suite can = {
	.device = "can",
	.args = echo_args,
	DEVICE_CASES(cases),
};

Suite *suite_can(void)
{
	Suite *s = suite_create("can");

	suite_add_device(s, &can);
	return s;
}
