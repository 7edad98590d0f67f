/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_console.c - the console device: VIRTIO 1.4, section 5.3 "Console Device", with each kind of other side.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "test/lib/carrier.h"
#include "test/unit/suites.h"

enum { CRX = 2, CTX = 3 };
enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };

#define MESSAGE 8
#define ROOM	80
#define SIM_ROOM 16384

static unsigned int rxq(unsigned int port)
{
	return port ? 2 * port + 2 : 0;
}

static void message(uint8_t *out, uint32_t id, uint16_t event, uint16_t value)
{
	const le32 word = htole32(id);
	const le16 half[2] = {htole16(event), htole16(value)};

	memcpy(out, &word, 4);
	memcpy(out + 4, half, 4);
}

static void say(struct carrier *c, uint32_t id, uint16_t event, uint16_t value)
{
	uint8_t out[MESSAGE];

	message(out, id, event, value);
	ck_assert_uint_eq(carrier_request(c, CTX, out, sizeof(out), NULL, 0), 0);
}

/* The next message of the device is this. */
static void expect(struct carrier *c, uint32_t id, uint16_t event, uint16_t value, const void *tail, size_t len)
{
	uint8_t in[ROOM], want[ROOM];

	message(want, id, event, value);
	if (len)
		memcpy(want + MESSAGE, tail, len);
	ck_assert_uint_eq(carrier_request(c, CRX, NULL, 0, in, ROOM), MESSAGE + len);
	ck_assert_mem_eq(in, want, MESSAGE + len);
}

/* The sim and null tell that they are open in the loop's first turn. */
static void begin(struct carrier *c, unsigned int nports)
{
	carrier_idle(c, 1);
	say(c, 0, DEVICE_READY, 1);
	for (unsigned int i = 0; i < nports; i++)
		expect(c, i, PORT_ADD, 1, NULL, 0);
}

/* Port 0, a console of which no size is known; a program has it open. */
static void open_console(struct carrier *c)
{
	say(c, 0, PORT_READY, 1);
	expect(c, 0, CONSOLE_PORT, 1, NULL, 0);
	expect(c, 0, PORT_OPEN, 1, NULL, 0);
	expect(c, 0, RESIZE, 0, "\0\0\0\0", 4);
	say(c, 0, PORT_OPEN, 1);
}

static void send_bytes(struct carrier *c, unsigned int port, const void *bytes, size_t len)
{
	ck_assert_uint_eq(carrier_request(c, rxq(port) + 1, bytes, len, NULL, 0), 0);
}

/* So many bytes come, and they are these. */
static void check_bytes(struct carrier *c, unsigned int port, const void *want, size_t len)
{
	uint8_t in[4096];

	for (size_t done = 0; done < len;) {
		uint32_t used = carrier_request(c, rxq(port), NULL, 0, in, min_size(sizeof(in), len - done));

		ck_assert_uint_gt(used, 0);
		ck_assert_uint_le(used, len - done);
		ck_assert_mem_eq(in, (const uint8_t *)want + done, used);
		done += used;
	}
}

static void pattern(uint8_t *bytes, size_t len, unsigned int from)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)((from + i) * 31 ^ (from + i) >> 8);
}

static const char *const echo_args[] = {"--console=sim:echo", "--port=gnss=sim:echo", NULL};
static const char *const null_args[] = {"--console=sim:echo", "--port=gnss=sim:echo", "--port=null", NULL};

static void handshake(struct carrier *c)
{
	begin(c, 3);
	open_console(c);
	say(c, 1, PORT_READY, 1);
	expect(c, 1, PORT_NAME, 1, "gnss", 4);
	expect(c, 1, PORT_OPEN, 1, NULL, 0);
	say(c, 2, PORT_READY, 1);
	expect(c, 2, PORT_OPEN, 1, NULL, 0);
}

static void echo(struct carrier *c)
{
	uint8_t bytes[3000];

	begin(c, 3);
	open_console(c);
	pattern(bytes, sizeof(bytes), 0);
	send_bytes(c, 0, bytes, sizeof(bytes));
	check_bytes(c, 0, bytes, sizeof(bytes));
	/* Nobody takes everything. */
	send_bytes(c, 2, bytes, sizeof(bytes));
	send_bytes(c, 0, "x", 1);
	check_bytes(c, 0, "x", 1);
}

/* Bytes wait until a program of the guest has the port open, and are all there then. */
static void waits_for_open(struct carrier *c)
{
	struct frontend_request *req;
	uint8_t in[64];

	begin(c, 2);
	say(c, 1, PORT_READY, 1);
	expect(c, 1, PORT_NAME, 1, "gnss", 4);
	expect(c, 1, PORT_OPEN, 1, NULL, 0);
	req = carrier_submit(c, rxq(1), NULL, 0, sizeof(in));
	send_bytes(c, 1, "first", 5);
	carrier_stays(c, rxq(1), 5);
	say(c, 1, PORT_OPEN, 1);
	ck_assert_uint_eq(carrier_await(c, rxq(1), req, in), 5);
	ck_assert_mem_eq(in, "first", 5);
	say(c, 1, PORT_OPEN, 0);
	send_bytes(c, 1, "second", 6);
	carrier_stays(c, rxq(1), 5);
	say(c, 1, PORT_OPEN, 1);
	check_bytes(c, 1, "second", 6);
}

static void wrong_messages(struct carrier *c)
{
	uint8_t out[200] = {0};

	carrier_idle(c, 1);
	say(c, 0, PORT_READY, 1);
	say(c, 0, DEVICE_READY, 7);
	say(c, 9, DEVICE_READY, 0);
	ck_assert_uint_eq(carrier_request(c, CTX, out, MESSAGE - 1, NULL, 0), 0);
	ck_assert_uint_eq(carrier_request(c, CTX, NULL, 0, out, 8), 0);
	begin(c, 3);
	say(c, 3, PORT_READY, 1);
	say(c, UINT32_MAX, PORT_OPEN, 1);
	say(c, 0, PORT_OPEN, 1);
	say(c, 0, PORT_NAME, 1);
	say(c, 0, UINT16_MAX, 1);
	/* More than a message: the rest is nothing. */
	message(out, 2, PORT_READY, 1);
	ck_assert_uint_eq(carrier_request(c, CTX, out, sizeof(out), NULL, 0), 0);
	expect(c, 2, PORT_OPEN, 1, NULL, 0);
	/* A buffer that is too small for a message is given back, and the message waits for another. */
	say(c, 1, PORT_READY, 1);
	ck_assert_uint_eq(carrier_request(c, CRX, NULL, 0, out, MESSAGE - 1), 0);
	expect(c, 1, PORT_NAME, 1, "gnss", 4);
}

/* Buffers of the wrong kind: nothing to send, no room to read into. */
static void wrong_buffers(struct carrier *c)
{
	uint8_t in[4];

	begin(c, 2);
	open_console(c);
	ck_assert_uint_eq(carrier_request(c, 1, NULL, 0, in, sizeof(in)), 0);
	ck_assert_uint_eq(carrier_request(c, 0, "x", 1, NULL, 0), 0);
	send_bytes(c, 0, "y", 1);
	check_bytes(c, 0, "y", 1);
}

/* A driver that says a hundred things and takes no answer is not answered without bound, and loses none. */
static void talkative(struct carrier *c)
{
	struct frontend_request *reqs[100];
	unsigned int n = (unsigned int)min_size(ARRAY_SIZE(reqs), carrier_depth(c, CTX));
	uint8_t out[MESSAGE];

	begin(c, 2);
	message(out, 0, PORT_READY, 1);
	for (unsigned int i = 0; i < n; i++)
		reqs[i] = carrier_submit(c, CTX, out, sizeof(out), 0);
	/* OPEN and RESIZE replace older ones: those are told once or more often, as it comes. */
	for (unsigned int i = 0; i < n;) {
		uint8_t in[ROOM];

		ck_assert_uint_ge(carrier_request(c, CRX, NULL, 0, in, ROOM), MESSAGE);
		i += in[4] == CONSOLE_PORT;
	}
	for (unsigned int i = 0; i < n; i++)
		ck_assert_uint_eq(carrier_await(c, CTX, reqs[i], NULL), 0);
}

/* A reset closes ports, and so does another front-end. */
static void reset_closes(struct carrier *c)
{
	begin(c, 2);
	open_console(c);
	carrier_reset(c);
	send_bytes(c, 0, "a", 1);
	(void)carrier_submit(c, 0, NULL, 0, 8);
	carrier_stays(c, 0, 5);
	carrier_reconnect(c);
	begin(c, 2);
	open_console(c);
	check_bytes(c, 0, "a", 1);
}

static void moves(struct carrier *c)
{
	begin(c, 2);
	open_console(c);
	carrier_move(c);
	send_bytes(c, 0, "there", 5);
	check_bytes(c, 0, "there", 5);
}

/* ---- the control socket */

static int control(struct carrier *c)
{
	int fd = unix_connect(carrier_path(c, "control"));

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void tell(struct carrier *c, int fd, const char *command, const char *want)
{
	char buf[40000];
	size_t len = 0;

	ck_assert_int_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
	for (unsigned int ms = 0; len < strlen(want); ms++) {
		ssize_t got;

		ck_assert_uint_lt(ms, 10000);
		carrier_idle(c, 1);
		got = read(fd, buf + len, sizeof(buf) - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	}
	buf[len] = '\0';
	ck_assert_str_eq(buf, want);
}

/* Reads all that the guest has written to a simulated port, and checks it. */
static void take(struct carrier *c, int fd, const char *command, const uint8_t *want, size_t len)
{
	size_t done = 0;

	for (unsigned int ms = 0; done < len; ms++) {
		char buf[40000], *at = buf;
		size_t got = 0;

		ck_assert_uint_lt(ms, 10000);
		ck_assert_int_eq(write(fd, command, strlen(command)), (ssize_t)strlen(command));
		while (got < 3 || memcmp(buf + got - 3, "ok\n", 3) != 0) {
			ssize_t n = read(fd, buf + got, sizeof(buf) - got);

			got += n > 0 ? (size_t)n : 0;
			carrier_idle(c, 1);
		}
		for (; at < buf + got - 3; at++) {
			if (*at == '\n')
				continue;
			ck_assert_uint_lt(done, len);
			ck_assert_int_eq(*at, want[done++]);
		}
	}
}

static void letters(uint8_t *bytes, size_t len, unsigned int from)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)('a' + (from + i) * 7 % 26);
}

static const char *const sim_port_args[] = {"--console=sim", "--port=p=sim", "--buffer=256", "--size=100x30",
					    "--control=%T/control", NULL};

static void operator(struct carrier *c)
{
	int fd = control(c);

	begin(c, 2);
	say(c, 0, PORT_READY, 1);
	expect(c, 0, CONSOLE_PORT, 1, NULL, 0);
	expect(c, 0, PORT_OPEN, 1, NULL, 0);
	expect(c, 0, RESIZE, 0, "\x64\0\x1e\0", 4);
	say(c, 0, PORT_OPEN, 1);
	tell(c, fd, "type 0 hello world\\n\\x03\n", "ok\n");
	check_bytes(c, 0, "hello world\n\x03", 13);
	send_bytes(c, 0, "login:\\ \n", 9);
	tell(c, fd, "read 0\n", "login:\\\\ \\n\nok\n");
	tell(c, fd, "read 0\n", "ok\n");
	tell(c, fd, "type 0 \\q\n", "error: '\\q': \\n, \\r, \\t, \\s, \\\\ or \\x1b is wanted\n");
	tell(c, fd, "type 2 x\n", "error: '2': the number of a port is wanted, from 0 to 1\n");
	tell(c, fd, "resize 80 0\n", "error: columns and rows are wanted, from 1 to 65535: resize 80 24\n");
	tell(c, fd, "resize 132 50\n", "ok\n");
	expect(c, 0, RESIZE, 0, "\x84\0\x32\0", 4);
	tell(c, fd, "unplug 1\n", "ok\n");
	expect(c, 1, PORT_REMOVE, 1, NULL, 0);
	tell(c, fd, "unplug 1\n", "error: port 1 is unplugged already\n");
	say(c, 1, PORT_READY, 1);
	tell(c, fd, "plug 1\n", "ok\n");
	expect(c, 1, PORT_ADD, 1, NULL, 0);
	say(c, 1, PORT_READY, 1);
	expect(c, 1, PORT_NAME, 1, "p", 1);
	expect(c, 1, PORT_OPEN, 1, NULL, 0);
	tell(c, fd, "ports\n",
	     "size 132x50\nport 0 console sim: guest open, host open, tx 9, written 9, waiting 0, dropped 0, rx 13, emergency 0\n"
	     "port 1 port p sim: guest closed, host open, tx 0, written 0, waiting 0, dropped 0, rx 0, emergency 0\nok\n");
	close(fd);
	carrier_idle(c, 5);
}

static void emergency(struct carrier *c)
{
	static const uint8_t want[12] = {100, 0, 30, 0, 2};
	uint8_t config[12];
	int fd = control(c);
	le32 x = htole32('x');

	carrier_config_read(c, 0, config, sizeof(config));
	ck_assert_mem_eq(config, want, sizeof(config));
	ck_assert_int_eq(carrier_config_write(c, 8, &x, 4), 0);
	ck_assert_int_eq(carrier_config_write(c, 8, "y", 1), 0);
	ck_assert_int_ne(carrier_config_write(c, 0, "y", 1), 0);
	ck_assert_int_ne(carrier_config_write(c, 9, "y", 1), 0);
	ck_assert_int_ne(carrier_config_write(c, 4, &x, 4), 0);
	carrier_idle(c, 5);
	tell(c, fd, "read 0\n", "xy\nok\n");
	close(fd);
	carrier_idle(c, 5);
}

/* A console's guest is answered at once, whoever reads; the oldest are lost, and counted; the newest are there. */
static void drops_oldest(struct carrier *c)
{
	uint8_t bytes[SIM_ROOM + 1000];
	int fd = control(c);

	begin(c, 2);
	letters(bytes, sizeof(bytes), 0);
	for (size_t at = 0; at < sizeof(bytes); at += 100)
		send_bytes(c, 0, bytes + at, min_size(100, sizeof(bytes) - at));
	tell(c, fd, "ports\n",
	     "size 100x30\nport 0 console sim: guest closed, host open, tx 17384, written 16384, waiting 256, dropped 744, rx 0, "
	     "emergency 0\n"
	     "port 1 port p sim: guest closed, host open, tx 0, written 0, waiting 0, dropped 0, rx 0, emergency 0\nok\n");
	memmove(bytes + SIM_ROOM, bytes + sizeof(bytes) - 256, 256);
	take(c, fd, "read 0\n", bytes, SIM_ROOM + 256);
	/* One request of more than there can be. */
	letters(bytes, 3000, 5);
	send_bytes(c, 0, bytes, 3000);
	memmove(bytes, bytes + 3000 - 256, 256);
	take(c, fd, "read 0\n", bytes, 256);
	close(fd);
	carrier_idle(c, 5);
}

/* A port's guest is held back until there is room, and nothing is lost, nor has another order; also when the ring stops. */
static void holds_back(struct carrier *c)
{
	uint8_t bytes[SIM_ROOM + 2000];
	struct frontend_request *req;
	unsigned int q = rxq(1) + 1;
	int fd = control(c);

	begin(c, 2);
	letters(bytes, sizeof(bytes), 0);
	send_bytes(c, 1, bytes, SIM_ROOM);
	req = carrier_submit(c, q, bytes + SIM_ROOM, 2000, 0);
	carrier_stays(c, q, 5);
	/* 256 of it are taken. */
	carrier_start(c, q, carrier_stop(c, q));
	carrier_stays(c, q, 5);
	take(c, fd, "read 1\n", bytes, sizeof(bytes));
	ck_assert_uint_eq(carrier_await(c, q, req, NULL), 0);
	close(fd);
	carrier_idle(c, 5);
}

/* What waits here goes along with a guest that moves. */
static void moves_bytes(struct carrier *c)
{
	uint8_t bytes[SIM_ROOM + 200];
	int fd = control(c);

	begin(c, 2);
	letters(bytes, sizeof(bytes), 0);
	send_bytes(c, 1, bytes, SIM_ROOM);
	send_bytes(c, 1, bytes + SIM_ROOM, 200);
	carrier_move(c);
	/* The same vdevd: its side has the first part, and the state brought the second. */
	take(c, fd, "read 1\n", bytes, sizeof(bytes));
	close(fd);
	carrier_idle(c, 5);
}

/* ---- real sides */

static size_t read_all(struct carrier *c, int fd, uint8_t *buf, size_t len)
{
	size_t done = 0;

	for (unsigned int ms = 0; done < len && ms < 10000; ms++) {
		ssize_t n = read(fd, buf + done, len - done);

		if (n == 0)
			break;
		done += n > 0 ? (size_t)n : 0;
		if (n < 0)
			carrier_idle(c, 1);
	}
	return done;
}

/* Both ways, more than any buffer has room for, with a reader that is slow: behind by so many bytes. */
static void exchange(struct carrier *c, int fd, size_t behind)
{
	enum { ALL = 160000, STEP = 4000 };
	uint8_t bytes[STEP], got[STEP];
	size_t in = 0, sent = 0;
	unsigned int q = rxq(0) + 1;

	while (sent < ALL) {
		struct frontend_request *req;

		pattern(bytes, STEP, (unsigned int)sent);
		req = carrier_submit(c, q, bytes, STEP, 0);
		sent += STEP;
		/* The reader is behind by as much as socket and buffer have room for. */
		while (in < sent && (in + behind < sent || sent == ALL)) {
			ck_assert_uint_eq(read_all(c, fd, got, STEP), STEP);
			pattern(bytes, STEP, (unsigned int)in);
			ck_assert_mem_eq(got, bytes, STEP);
			in += STEP;
		}
		ck_assert_uint_eq(carrier_await(c, q, req, NULL), 0);
	}
	for (size_t at = 0; at < ALL; at += STEP) {
		pattern(bytes, STEP, (unsigned int)at);
		ck_assert_int_eq(write(fd, bytes, STEP), STEP);
		check_bytes(c, 0, bytes, STEP);
	}
}

static void no_console(struct carrier *c, bool open)
{
	begin(c, 1);
	say(c, 0, PORT_READY, 1);
	if (open)
		expect(c, 0, PORT_OPEN, 1, NULL, 0);
	say(c, 0, PORT_OPEN, 1);
}

static const char *const unix_args[] = {"--port=unix:%T/port", NULL};

static void on_unix(struct carrier *c)
{
	int fd, other;
	uint8_t byte;

	no_console(c, false);
	fd = unix_connect(carrier_path(c, "port"));
	ck_assert_int_ge(fd, 0);
	expect(c, 0, PORT_OPEN, 1, NULL, 0);
	exchange(c, fd, 100000);
	/* Another waits its turn. */
	other = unix_connect(carrier_path(c, "port"));
	ck_assert_int_ge(other, 0);
	send_bytes(c, 0, "1", 1);
	ck_assert_uint_eq(read_all(c, fd, &byte, 1), 1);
	/* One that sends no more can still read. */
	ck_assert_int_eq(write(fd, "end", 3), 3);
	shutdown(fd, SHUT_WR);
	check_bytes(c, 0, "end", 3);
	(void)carrier_submit(c, 0, NULL, 0, 8);
	carrier_idle(c, 5);
	send_bytes(c, 0, "2", 1);
	ck_assert_uint_eq(read_all(c, fd, &byte, 1), 1);
	ck_assert_int_eq(byte, '2');
	close(fd);
	/* That the first has gone is told, unless it is out of date before it was told. */
	for (bool open = false; !open;) {
		uint8_t in[ROOM];

		ck_assert_uint_eq(carrier_request(c, CRX, NULL, 0, in, ROOM), MESSAGE);
		ck_assert_int_eq(in[4], PORT_OPEN);
		open = in[6];
	}
	send_bytes(c, 0, "3", 1);
	ck_assert_uint_eq(read_all(c, other, &byte, 1), 1);
	ck_assert_int_eq(byte, '3');
	close(other);
}

static const char *const connect_args[] = {"--port=unix-connect:%T/there", NULL};

static int accept_soon(struct carrier *c, int listening)
{
	int fd = -1;

	for (unsigned int ms = 0; fd < 0 && ms < 10000; ms++) {
		fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		carrier_idle(c, 1);
	}
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void on_unix_connect(struct carrier *c)
{
	struct unix_listener l;
	uint8_t byte;
	int fd;

	no_console(c, false);
	ck_assert_int_eq(unix_listen(&l, carrier_path(c, "there"), UINT64_MAX, 1), 0);
	fd = accept_soon(c, l.fd);
	expect(c, 0, PORT_OPEN, 1, NULL, 0);
	exchange(c, fd, 100000);
	close(fd);
	/* It calls again. */
	(void)carrier_submit(c, 0, NULL, 0, 8);
	fd = accept_soon(c, l.fd);
	send_bytes(c, 0, "!", 1);
	ck_assert_uint_eq(read_all(c, fd, &byte, 1), 1);
	ck_assert_int_eq(byte, '!');
	close(fd);
	unix_listener_close(&l);
}

/* Who takes a call and hangs up at once is not called again and again without a pause. */
static void on_unix_hangs_up(struct carrier *c)
{
	struct unix_listener l;
	unsigned int calls = 0;

	no_console(c, false);
	ck_assert_int_eq(unix_listen(&l, carrier_path(c, "there"), UINT64_MAX, 1), 0);
	(void)carrier_submit(c, 0, NULL, 0, 8);
	for (unsigned int ms = 0; ms < 100 || (!calls && ms < 10000); ms++) {
		int fd = accept4(l.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			close(fd);
			calls++;
		}
		carrier_idle(c, 1);
	}
	ck_assert_uint_ge(calls, 1);
	/* On a busy machine the turns take longer than 1 ms. */
	ck_assert_uint_le(calls, 33);
	unix_listener_close(&l);
}

/* An address of this process's own, below 127.0.0.0/8: tests run beside each other. */
static char tcp_option[48];
static const char *const tcp_args[] = {tcp_option, NULL};
static struct sockaddr_in tcp_address;

static void choose_tcp(struct carrier *c)
{
	const unsigned int pid = (unsigned int)getpid();

	tcp_address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(12345),
		.sin_addr.s_addr = htonl(0x7f000000u + 0x10000u * (1 + (pid >> 16) % 0x7e) + (pid & 0xffff)),
	};
	snprintf(tcp_option, sizeof(tcp_option), "--port=tcp:127.%u.%u.%u:12345", 1 + (pid >> 16) % 0x7e, pid >> 8 & 0xff, pid & 0xff);
}

static int tcp_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&tcp_address, sizeof(tcp_address)), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void on_tcp(struct carrier *c)
{
	uint8_t byte;
	int fd;

	no_console(c, false);
	fd = tcp_connect();
	expect(c, 0, PORT_OPEN, 1, NULL, 0);
	exchange(c, fd, 100000);
	/* One that breaks the connection off; and the next. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(fd);
	(void)carrier_submit(c, 0, NULL, 0, 8);
	expect(c, 0, PORT_OPEN, 0, NULL, 0);
	fd = tcp_connect();
	expect(c, 0, PORT_OPEN, 1, NULL, 0);
	send_bytes(c, 0, "?", 1);
	ck_assert_uint_eq(read_all(c, fd, &byte, 1), 1);
	ck_assert_int_eq(byte, '?');
	close(fd);
}

/* Standard input and output are a terminal, of which this is the other end. */
static int terminal_master = -1;

static void make_terminal(struct carrier *c)
{
	int slave;

	terminal_master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(terminal_master, 0);
	ck_assert_int_eq(grantpt(terminal_master), 0);
	ck_assert_int_eq(unlockpt(terminal_master), 0);
	slave = open(ptsname(terminal_master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(slave, 0);
	ck_assert_int_eq(dup2(slave, STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(slave, STDOUT_FILENO), STDOUT_FILENO);
	close(slave);
}

static const char *const stdio_args[] = {"--port=stdio", NULL};
static const char *const plain_stdio_args[] = {"--port=stdio", "--no-escape", NULL};

/* Every byte gets through, but for the escapes, also those that come one by one; and what was typed before somebody reads. */
static void on_stdio(struct carrier *c)
{
	static const char typed[] = "a\x01\x01" "b\x01" "c\r\n\x03\x1a\x04\x01", want[] = "a\x01" "b\x01" "c\r\n\x03\x1a\x04\x01" "d";
	struct termios t;
	uint8_t bytes[256], got[256];

	ck_assert_int_eq(tcgetattr(terminal_master, &t), 0);
	ck_assert(!(t.c_lflag & (ECHO | ICANON | ISIG)));
	ck_assert_int_eq(write(terminal_master, typed, sizeof(typed) - 1), sizeof(typed) - 1);
	carrier_idle(c, 5);
	no_console(c, true);
	ck_assert_int_eq(write(terminal_master, "d", 1), 1);
	check_bytes(c, 0, want, sizeof(want) - 1);
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	send_bytes(c, 0, bytes, sizeof(bytes));
	ck_assert_uint_eq(read_all(c, terminal_master, got, sizeof(got)), sizeof(got));
	ck_assert_mem_eq(got, bytes, sizeof(bytes));
	close(terminal_master);
}

/* More is typed than there is room for. */
static void on_stdio_much(struct carrier *c)
{
	enum { ALL = 60000 };
	static uint8_t bytes[ALL];
	size_t sent = 0, got = 0;

	for (size_t i = 0; i < ALL; i++)
		bytes[i] = (uint8_t)('!' + i * 7 % 90);
	no_console(c, true);
	for (unsigned int turns = 0; got < ALL && turns < 100000; turns++) {
		ssize_t n = sent < ALL ? write(terminal_master, bytes + sent, min_size(ALL - sent, 3000)) : 0;

		sent += n > 0 ? (size_t)n : 0;
		/* The reader comes when nothing more goes in. */
		if (n > 0) {
			carrier_idle(c, 0);
			continue;
		}
		n = (ssize_t)min_size(sent - got, 1000);
		if (n)
			check_bytes(c, 0, bytes + got, (size_t)n);
		got += (size_t)n;
	}
	ck_assert_uint_eq(got, ALL);
	close(terminal_master);
}

static void on_plain_stdio(struct carrier *c)
{
	no_console(c, true);
	exchange(c, terminal_master, 60000);
	close(terminal_master);
}

static const char *const pty_args[] = {"--port=pty:%T/link", NULL};

static void on_pty(struct carrier *c)
{
	struct termios t;
	int fd;

	no_console(c, true);
	fd = open(carrier_path(c, "link"), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert(!(t.c_lflag & (ECHO | ICANON | ISIG)));
	for (unsigned int i = 0; i < 100; i++) {
		uint8_t bytes[500], got[500];

		pattern(bytes, sizeof(bytes), i);
		send_bytes(c, 0, bytes, sizeof(bytes));
		ck_assert_uint_eq(read_all(c, fd, got, sizeof(got)), sizeof(got));
		ck_assert_mem_eq(got, bytes, sizeof(bytes));
		ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
		check_bytes(c, 0, bytes, sizeof(bytes));
	}
	close(fd);
	/* Who comes again finds it as it was. */
	send_bytes(c, 0, "x", 1);
	fd = open(carrier_path(c, "link"), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "y", 1), 1);
	check_bytes(c, 0, "y", 1);
	close(fd);
}

static const char *const file_args[] = {"--port=file:%T/kept,size=1K,keep=2", NULL};

static void wait_file(struct carrier *c, const char *name, const uint8_t *want, size_t len)
{
	uint8_t got[4096];
	size_t n = 0;

	for (unsigned int ms = 0; n != len && ms < 10000; ms++) {
		int fd = open(carrier_path(c, name), O_RDONLY | O_CLOEXEC);

		n = 0;
		if (fd >= 0) {
			ssize_t r = read(fd, got, sizeof(got));

			n = r > 0 ? (size_t)r : 0;
			close(fd);
		}
		carrier_idle(c, 1);
	}
	ck_assert_uint_eq(n, len);
	ck_assert_mem_eq(got, want, len);
}

static void on_file(struct carrier *c)
{
	uint8_t bytes[3500];

	no_console(c, true);
	pattern(bytes, sizeof(bytes), 0);
	for (size_t at = 0; at < sizeof(bytes); at += 500) {
		send_bytes(c, 0, bytes + at, 500);
		/* Two of them fill a file. */
		wait_file(c, "kept", bytes + at - at % 1000, 500 + at % 1000);
	}
	wait_file(c, "kept.1", bytes + 2000, 1000);
	wait_file(c, "kept.2", bytes + 1000, 1000);
	ck_assert_int_lt(access(carrier_path(c, "kept.3"), F_OK), 0);
}

/* The last words of a guest are in the file, also where no thread had begun to write them when the device ended. */
static void on_file_last(struct carrier *c)
{
	char arg[PATH_MAX];
	const char *const last_args[] = {arg, NULL};
	const struct device_suite last = {.device = "console", .args = last_args};
	unsigned int times = carrier_kind(c) == CARRIER_DIRECT ? 20 : 2;
	uint8_t bytes[100];

	snprintf(arg, sizeof(arg), "--port=file:%s", carrier_path(c, "last"));
	pattern(bytes, sizeof(bytes), 0);
	for (unsigned int i = 0; i < times; i++) {
		struct carrier *other = carrier_open(carrier_kind(c), &last);

		no_console(other, true);
		send_bytes(other, 0, bytes, sizeof(bytes));
		carrier_close(other);
		wait_file(c, "last", bytes, sizeof(bytes));
		ck_assert_int_eq(unlink(carrier_path(c, "last")), 0);
	}
}

/* A serial line of which a pseudo-terminal is the other end. */
static int line_master = -1;

static void make_line(struct carrier *c)
{
	line_master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(line_master, 0);
	ck_assert_int_eq(grantpt(line_master), 0);
	ck_assert_int_eq(unlockpt(line_master), 0);
	ck_assert_int_eq(symlink(ptsname(line_master), carrier_path(c, "line")), 0);
}

static const char *const tty_args[] = {"--port=tty:%T/line,9600n8x", NULL};

static void on_tty(struct carrier *c)
{
	struct termios t;
	uint8_t got[5];

	no_console(c, true);
	ck_assert_int_eq(tcgetattr(line_master, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B9600);
	ck_assert((t.c_iflag & IXON) && (t.c_iflag & IXOFF) && !(t.c_cflag & CRTSCTS));
	send_bytes(c, 0, "hello", 5);
	ck_assert_uint_eq(read_all(c, line_master, got, 5), 5);
	ck_assert_mem_eq(got, "hello", 5);
	ck_assert_int_eq(write(line_master, "\r\n\x03$GP", 6), 6);
	check_bytes(c, 0, "\r\n\x03$GP", 6);
	close(line_master);
	line_master = -1;
	(void)carrier_submit(c, 0, NULL, 0, 8);
	expect(c, 0, PORT_OPEN, 0, NULL, 0);
}

#define SIM4  "--port=sim", "--port=sim", "--port=sim", "--port=sim"
#define SIM28 SIM4, SIM4, SIM4, SIM4, SIM4, SIM4, SIM4

static const char *const many_args[] = {"--console=sim:echo", "--port=a=sim:echo", SIM28, "--port=last=sim:echo", NULL};

static void many_ports(struct carrier *c)
{
	uint8_t config[12];

	begin(c, 31);
	say(c, 30, PORT_READY, 1);
	expect(c, 30, PORT_NAME, 1, "last", 4);
	expect(c, 30, PORT_OPEN, 1, NULL, 0);
	say(c, 30, PORT_OPEN, 1);
	send_bytes(c, 30, "bytes", 5);
	check_bytes(c, 30, "bytes", 5);
	carrier_config_read(c, 0, config, sizeof(config));
	ck_assert_int_eq(config[4], 31);
}

static const struct device_case cases[] = {
	{.name = "handshake", .run = handshake, .args = null_args},
	{.name = "echo", .run = echo, .args = null_args},
	{.name = "waits for open", .run = waits_for_open, .flags = CASE_ONCE},
	{.name = "wrong messages", .run = wrong_messages, .args = null_args},
	{.name = "wrong buffers", .run = wrong_buffers},
	{.name = "talkative", .run = talkative, .flags = CASE_ONCE},
	{.name = "reset closes", .run = reset_closes, .flags = CASE_ONCE},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
	{.name = "operator", .run = operator, .args = sim_port_args, .flags = CASE_ONCE},
	{.name = "emergency write", .run = emergency, .args = sim_port_args, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "drops oldest", .run = drops_oldest, .args = sim_port_args, .flags = CASE_ONCE},
	{.name = "holds back", .run = holds_back, .args = sim_port_args, .flags = CASE_ONCE},
	{.name = "moves bytes", .run = moves_bytes, .args = sim_port_args, .flags = CASE_ONCE},
	{.name = "unix", .run = on_unix, .args = unix_args, .flags = CASE_ONCE},
	{.name = "unix-connect", .run = on_unix_connect, .args = connect_args, .flags = CASE_ONCE},
	{.name = "unix-connect hangs up", .run = on_unix_hangs_up, .args = connect_args, .flags = CASE_ONCE},
	{.name = "tcp", .run = on_tcp, .args = tcp_args, .prepare = choose_tcp, .flags = CASE_ONCE},
	{.name = "stdio", .run = on_stdio, .args = stdio_args, .prepare = make_terminal, .flags = CASE_ONCE},
	{.name = "stdio, much", .run = on_stdio_much, .args = stdio_args, .prepare = make_terminal, .flags = CASE_ONCE},
	{.name = "stdio without escape", .run = on_plain_stdio, .args = plain_stdio_args, .prepare = make_terminal, .flags = CASE_ONCE},
	{.name = "pty", .run = on_pty, .args = pty_args, .flags = CASE_ONCE},
	{.name = "file", .run = on_file, .args = file_args, .flags = CASE_ONCE},
	{.name = "file, last words", .run = on_file_last, .flags = CASE_ONCE},
	{.name = "tty", .run = on_tty, .args = tty_args, .prepare = make_line, .flags = CASE_ONCE},
	{.name = "31 ports", .run = many_ports, .args = many_args, .flags = CASE_ONCE | CASE_CONFIG},
};

static const struct device_suite console = {
	.device = "console",
	.args = echo_args,
	DEVICE_CASES(cases),
};

Suite *suite_console(void)
{
	Suite *s = suite_create("console");

	suite_add_device(s, &console);
	return s;
}
