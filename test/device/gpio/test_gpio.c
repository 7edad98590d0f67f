/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_gpio.c - the GPIO device on its simulated chip: VIRTIO 1.4, section 5.18.
 */
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "test/device/gpio/gpio_driver.h"
#include "test/lib/open_device.h"
#include "test/lib/random.h"
#include "test/unit/suites.h"

#define NLINES 8

/* How long what must not happen is waited for, ms. */
#define QUIET 2

static const char *const with_chip[] = {"--backend=sim", "--sim-names=LED,BUTTON,,RELAY", "--control=%T/control", NULL};

/* The names as the guest is told them. */
static const char names[] = "LED\0BUTTON\0\0RELAY\0\0\0\0"; /* with the NUL at its end */

/*
 * The world outside: a command to the simulated chip.  Returns the answer's first line, in a buffer that the next call
 * uses again.
 */
static const char *world(struct carrier *c, const char *command)
{
	static char answer[16384];
	int fd = unix_connect(carrier_path(c, "control"));
	unsigned int turns = 0;
	size_t len = 0;

	answer[0] = '\0';
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "%s\n", command), (int)strlen(command) + 1);
	while (!strstr(answer, "ok\n") && strncmp(answer, "error", 5)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		/* In this process the device runs only while it is let. */
		if (carrier_kind(c) != CARRIER_BINARY)
			carrier_idle(c, 0);
		else
			ck_assert_int_eq(poll(&p, 1, 20000), 1);
		n = read(fd, answer + len, sizeof(answer) - 1 - len);
		ck_assert_msg(n != 0 && ++turns < 1000000, "no answer to '%s'", command);
		len += n > 0 ? (size_t)n : 0;
		answer[len] = '\0';
	}
	close(fd);
	answer[strcspn(answer, "\n")] = '\0';
	return answer;
}

/* A command that must succeed. */
static void act(struct carrier *c, const char *command)
{
	const char *answer = world(c, command);

	ck_assert_msg(strcmp(answer, "ok") == 0, "%s: %s", command, answer);
}

/* A line's level, as the world sees it. */
static void level_is(struct carrier *c, unsigned int line, const char *level)
{
	char command[32];

	snprintf(command, sizeof(command), "get %u", line);
	ck_assert_str_eq(world(c, command), level);
}

/*
 * What is there.
 */

static void config(struct carrier *c)
{
	static const uint8_t want[8] = {NLINES, 0, 0, 0, sizeof(names)};
	uint8_t got[8];

	carrier_config_read(c, 0, got, sizeof(got));
	ck_assert_mem_eq(got, want, sizeof(want));
}

static void line_names(struct carrier *c)
{
	uint8_t out[8], in[sizeof(names) + 41];

	gpio_fill(out, GET_LINE_NAMES, 0, 0);
	/* Exactly as much room as is needed, and more. */
	for (size_t room = sizeof(names) + 1; room <= sizeof(in); room += 20) {
		memset(in, 0xaa, sizeof(in));
		ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, sizeof(out), in, room), sizeof(names) + 1);
		ck_assert_uint_eq(in[0], OK);
		ck_assert_mem_eq(in + 1, names, sizeof(names));
	}
	/* Less is an error. */
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, sizeof(out), in, sizeof(names)), 2);
	ck_assert_uint_eq(in[0], ERR);
	ck_assert_uint_eq(in[1], 0);
}

static const char *const without_names[] = {"--backend=sim", "--sim-lines=3", NULL};

/* "gpio_names_size ... zero, if it doesn't implement names" */
static void no_names(struct carrier *c)
{
	static const uint8_t want[8] = {3};
	uint8_t got[8];

	carrier_config_read(c, 0, got, sizeof(got));
	ck_assert_mem_eq(got, want, sizeof(want));
	gpio_refused(c, GET_LINE_NAMES, 0, 0);
}

static const char *const with_some[] = {
	"--backend=sim",
	"--sim-names=A,B,,D,E,F",
	"--lines=4-5,D,0",
	"--rename=5:LED:RED",
	"--rename=D:",
	"--input-only=D",
	"--output-only=5",
	"--active-low=A,5",
	"--bias=4:pull-up",
	"--drive=E:open-drain",
	"--debounce-us=250",
	"--control=%T/control",
	NULL,
};

/* Lines in the order asked for, by other names, with their limits. */
static void some_lines(struct carrier *c)
{
	static const char want[] = "E\0LED:RED\0\0A";
	uint8_t out[8], in[sizeof(want) + 1], space[8];

	carrier_config_read(c, 0, space, sizeof(space));
	ck_assert_uint_eq(space[0], 4);
	ck_assert_uint_eq(space[4], sizeof(want));
	gpio_fill(out, GET_LINE_NAMES, 0, 0);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, sizeof(out), in, sizeof(in)), sizeof(in));
	ck_assert_mem_eq(in + 1, want, sizeof(want));
	gpio_refused(c, GET_DIRECTION, 4, 0);

	/* The chip's line 4: pulled up, an open drain. */
	gpio_tell(c, SET_DIRECTION, 0, IN);
	ck_assert_uint_eq(gpio_value(c, 0), 1);
	act(c, "set 4 0");
	ck_assert_uint_eq(gpio_value(c, 0), 0);
	gpio_tell(c, SET_VALUE, 0, 1);
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	level_is(c, 4, "0");
	act(c, "set 4 open");
	level_is(c, 4, "1");
	gpio_tell(c, SET_VALUE, 0, 0);
	level_is(c, 4, "0");

	/* Line 5: output only, active low. */
	gpio_refused(c, SET_DIRECTION, 1, IN);
	gpio_refused(c, SET_IRQ_TYPE, 1, RISING);
	gpio_tell(c, SET_DIRECTION, 1, OUT);
	level_is(c, 5, "1");
	gpio_tell(c, SET_VALUE, 1, 1);
	level_is(c, 5, "0");
	ck_assert_uint_eq(gpio_value(c, 1), 1);

	/* Line 3: input only. */
	gpio_refused(c, SET_DIRECTION, 2, OUT);
	gpio_refused(c, SET_VALUE, 2, 1);
	gpio_tell(c, SET_DIRECTION, 2, IN);
	act(c, "pull 3 up");
	ck_assert_uint_eq(gpio_value(c, 2), 1);

	/* Line 0: an active low input, whose edges are turned round, too. */
	gpio_tell(c, SET_DIRECTION, 3, IN);
	ck_assert_uint_eq(gpio_value(c, 3), 1);
	gpio_tell(c, SET_IRQ_TYPE, 3, RISING);
	act(c, "set 0 1");
	ck_assert_uint_eq(gpio_value(c, 3), 0);
	struct frontend_request *req = gpio_unmask(c, 3);

	carrier_stays(c, EVENTQ, QUIET);
	act(c, "set 0 0");
	gpio_returned(c, req, VALID);
}

/*
 * Directions and values.
 */

static void directions(struct carrier *c)
{
	for (unsigned int line = 0; line < NLINES; line++)
		ck_assert_uint_eq(gpio_direction(c, line), NONE);
	gpio_tell(c, SET_DIRECTION, 3, IN);
	ck_assert_uint_eq(gpio_direction(c, 3), IN);
	gpio_tell(c, SET_DIRECTION, 3, IN);
	gpio_tell(c, SET_DIRECTION, 3, OUT);
	ck_assert_uint_eq(gpio_direction(c, 3), OUT);
	gpio_tell(c, SET_DIRECTION, 3, NONE);
	ck_assert_uint_eq(gpio_direction(c, 3), NONE);
	gpio_tell(c, SET_DIRECTION, 3, NONE);
	ck_assert_uint_eq(gpio_direction(c, 2), NONE);
	/* A line that is not activated has no value to be read. */
	gpio_refused(c, GET_VALUE, 3, 0);
}

static void outputs(struct carrier *c)
{
	/* The value may come first: the line begins with it. */
	gpio_tell(c, SET_VALUE, 0, 1);
	level_is(c, 0, "0");
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	level_is(c, 0, "1");
	ck_assert_uint_eq(gpio_value(c, 0), 1);
	gpio_tell(c, SET_VALUE, 0, 0);
	level_is(c, 0, "0");
	gpio_tell(c, SET_VALUE, 0, 1);
	level_is(c, 0, "1");
	/* An output wins. */
	act(c, "set 0 0");
	level_is(c, 0, "1");
	/* The value is kept while the line is an input. */
	gpio_tell(c, SET_DIRECTION, 0, IN);
	ck_assert_uint_eq(gpio_value(c, 0), 0);
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	level_is(c, 0, "1");
	/* All state is discarded with the direction. */
	gpio_tell(c, SET_DIRECTION, 0, NONE);
	level_is(c, 0, "0");
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	level_is(c, 0, "0");
	/* A direction without a value before it: low. */
	gpio_tell(c, SET_DIRECTION, 5, OUT);
	ck_assert_uint_eq(gpio_value(c, 5), 0);
}

static void inputs(struct carrier *c)
{
	gpio_tell(c, SET_DIRECTION, 1, IN);
	ck_assert_uint_eq(gpio_value(c, 1), 0);
	act(c, "set BUTTON 1");
	ck_assert_uint_eq(gpio_value(c, 1), 1);
	act(c, "set BUTTON open");
	ck_assert_uint_eq(gpio_value(c, 1), 0);
	act(c, "pull 1 up");
	ck_assert_uint_eq(gpio_value(c, 1), 1);
	act(c, "set 1 0");
	ck_assert_uint_eq(gpio_value(c, 1), 0);
	act(c, "set 1 open");
	act(c, "pull 1 none");
	ck_assert_uint_eq(gpio_value(c, 1), 0);
	/* A value for an input is one for later. */
	gpio_tell(c, SET_VALUE, 1, 1);
	ck_assert_uint_eq(gpio_value(c, 1), 0);
}

/* What a driver must not send: ERR, nothing changes, and the next request works. */
static void bad_requests(struct carrier *c)
{
	static const struct {
		unsigned int type, line;
		uint32_t value;
	} bad[] = {
		{0, 0, 0},
		{7, 0, 0},
		{0x0102, 0, 0},
		{0xffff, 0xffff, UINT32_MAX},
		{GET_DIRECTION, NLINES, 0},
		{SET_DIRECTION, NLINES, IN},
		{GET_VALUE, NLINES, 0},
		{SET_VALUE, NLINES, 1},
		{SET_IRQ_TYPE, NLINES, RISING},
		{GET_DIRECTION, UINT16_MAX, 0},
		{SET_DIRECTION, 0x0100, OUT},
		{SET_DIRECTION, 0, 3},
		{SET_DIRECTION, 0, 0x101},
		{SET_DIRECTION, 0, UINT32_MAX},
		{SET_VALUE, 0, 2},
		{SET_VALUE, 0, 0x100},
		{SET_IRQ_TYPE, 0, 5},
		{SET_IRQ_TYPE, 0, 6},
		{SET_IRQ_TYPE, 0, 7},
		{SET_IRQ_TYPE, 0, 9},
		{SET_IRQ_TYPE, 0, 12},
		{SET_IRQ_TYPE, 0, 16},
		{SET_IRQ_TYPE, 0, 0x101},
		{GET_VALUE, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		gpio_refused(c, bad[i].type, bad[i].line, bad[i].value);
		ck_assert_uint_eq(gpio_direction(c, 0), NONE);
	}
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	level_is(c, 0, "0");
}

/* Requests of the wrong size: ERR as far as there is room for it. */
static void bad_sizes(struct carrier *c)
{
	static const struct {
		size_t out, in;
	} bad[] = {
		{0, 2}, {1, 2}, {7, 2}, {9, 2}, {16, 2}, {65536, 2}, {8, 1}, {65536, 65536}, {0, 1}, {2, 1}, {0, 65536},
	};
	uint8_t *out = calloc(1, 65536), *in = malloc(65536);

	ck_assert_ptr_nonnull(out);
	ck_assert_ptr_nonnull(in);
	gpio_fill(out, SET_DIRECTION, 0, OUT);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		in[0] = in[1] = 0xaa;
		ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, bad[i].out, in, bad[i].in),
				  bad[i].in < 2 ? bad[i].in : 2);
		ck_assert_uint_eq(in[0], ERR);
		ck_assert(bad[i].in < 2 || in[1] == 0);
		ck_assert_uint_eq(gpio_direction(c, 0), NONE);
	}
	/* More room than the answer takes harms nothing. */
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, 8, in, 65536), 2);
	ck_assert_uint_eq(in[0], OK);
	ck_assert_uint_eq(gpio_direction(c, 0), OUT);
	free(out);
	free(in);
}

/* Chains without a part, or with empty ones. */
static void bad_chains(struct carrier *c)
{
	struct frontend_buf buf = carrier_alloc(c, 64);
	const struct driver_buf readable = {buf.guest, 8, false};
	const struct driver_buf zero = {buf.guest, 0, true};
	const struct driver_buf holes[] = {
		{buf.guest, 0, false}, {buf.guest, 8, false}, {0, 0, true}, {buf.guest + 32, 2, true}};

	memset(buf.va, 0, 64);
	gpio_fill(buf.va, GET_DIRECTION, 0, 0);
	for (unsigned int q = REQUESTQ; q <= EVENTQ; q++) {
		ck_assert_uint_eq(carrier_raw(c, q, &readable, 1), 0);
		ck_assert_uint_eq(carrier_raw(c, q, &zero, 1), 0);
	}
	if (carrier_size(c, REQUESTQ) >= ARRAY_SIZE(holes))
		ck_assert_uint_eq(carrier_raw(c, REQUESTQ, holes, ARRAY_SIZE(holes)), 2);
	carrier_sample(c);
}

/*
 * Interrupts.
 */

static void edges(struct carrier *c)
{
	static const struct {
		unsigned int type;
		const char *levels; /* one after the other, from 0 on */
		unsigned int count;
	} cases[] = {
		{RISING, "set 2 1 0 1 0 1", 3}, {FALLING, "set 2 1 0 1 0 1", 2}, {BOTH, "set 2 1 0 1 0 1", 5},
		{RISING, "set 2 0 0", 0},	{FALLING, "set 2 1 1", 0},	 {BOTH, "set 2 1 1 0 0", 2},
	};
	struct frontend_request *req;

	gpio_tell(c, SET_DIRECTION, 2, IN);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		act(c, "set 2 0");
		gpio_tell(c, SET_IRQ_TYPE, 2, cases[i].type);
		act(c, cases[i].levels);
		for (unsigned int n = 0; n < cases[i].count; n++)
			gpio_interrupted(c, 2);
		req = gpio_unmask(c, 2);
		carrier_stays(c, EVENTQ, QUIET);
		gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
		gpio_returned(c, req, INVALID);
	}
}

/* The buffer waits for the edge, on a line that was never given a direction. */
static void edge_comes_later(struct carrier *c)
{
	struct frontend_request *req;

	gpio_tell(c, SET_IRQ_TYPE, 2, BOTH);
	for (unsigned int i = 0; i < 6; i++) {
		req = gpio_unmask(c, 2);
		carrier_stays(c, EVENTQ, 1);
		act(c, i % 2 ? "set 2 0" : "set 2 1");
		gpio_returned(c, req, VALID);
		ck_assert_uint_eq(gpio_value(c, 2), !(i % 2));
	}
	/* An edge of another line is none of this one. */
	req = gpio_unmask(c, 2);
	act(c, "set 3 1");
	carrier_stays(c, EVENTQ, QUIET);
	gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
	gpio_returned(c, req, INVALID);
}

/* Edges while the line is masked: each is told later, and there are more than the device itself remembers. */
static void edges_latched(struct carrier *c)
{
	static const char burst[] =
		"set 2 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0";
	unsigned int bursts = 40, each = (sizeof(burst) - sizeof("set 2")) / 2;
	struct frontend_request *req;

	gpio_tell(c, SET_IRQ_TYPE, 2, BOTH);
	for (unsigned int i = 0; i < bursts; i++)
		act(c, burst);
	ck_assert_uint_gt(bursts * each, 1024);
	for (unsigned int i = 0; i < bursts * each; i++)
		gpio_interrupted(c, 2);
	req = gpio_unmask(c, 2);
	carrier_stays(c, EVENTQ, QUIET);
	act(c, "set 2 1");
	gpio_returned(c, req, VALID);
}

/* A guest that is late reads at each edge what it was; and what is now, when it reads again. */
static void edges_in_order(struct carrier *c)
{
	gpio_tell(c, SET_DIRECTION, 2, IN);
	gpio_tell(c, SET_IRQ_TYPE, 2, BOTH);
	act(c, "set 2 1 0 1 0 1");
	ck_assert_uint_eq(gpio_value(c, 2), 1);
	for (unsigned int i = 0; i < 4; i++) {
		gpio_interrupted(c, 2);
		ck_assert_uint_eq(gpio_value(c, 2), !(i % 2));
		ck_assert_uint_eq(gpio_value(c, 2), 1);
	}
	/* Edges that come between the interrupt and the read. */
	gpio_interrupted(c, 2);
	act(c, "set 2 0 1 0");
	ck_assert_uint_eq(gpio_value(c, 2), 1);
	ck_assert_uint_eq(gpio_value(c, 2), 0);
	for (unsigned int i = 0; i < 3; i++) {
		gpio_interrupted(c, 2);
		ck_assert_uint_eq(gpio_value(c, 2), i % 2);
	}
	/* Whoever waits for one edge only knows which it was, and reads what is. */
	gpio_tell(c, SET_IRQ_TYPE, 2, RISING);
	act(c, "set 2 1 0 1 0");
	gpio_interrupted(c, 2);
	ck_assert_uint_eq(gpio_value(c, 2), 0);
	/* What is disabled has no past. */
	gpio_tell(c, SET_IRQ_TYPE, 2, BOTH);
	act(c, "set 2 1 0");
	gpio_interrupted(c, 2);
	gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
	ck_assert_uint_eq(gpio_value(c, 2), 0);
}

/* "MUST discard any latched interrupt for a GPIO line, once interrupt is disabled for the same" */
static void latched_discarded(struct carrier *c)
{
	static const struct {
		unsigned int type;
		uint32_t value;
	} ways[] = {{SET_IRQ_TYPE, IRQ_NONE}, {SET_DIRECTION, NONE}, {SET_IRQ_TYPE, FALLING}};
	struct frontend_request *req;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		gpio_tell(c, SET_IRQ_TYPE, 2, BOTH);
		act(c, "set 2 1 0 1 0");
		gpio_tell(c, ways[i].type, 2, ways[i].value);
		gpio_tell(c, SET_IRQ_TYPE, 2, FALLING);
		req = gpio_unmask(c, 2);
		carrier_stays(c, EVENTQ, QUIET);
		act(c, "set 2 1 0");
		gpio_returned(c, req, VALID);
		gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
	}
}

static void levels(struct carrier *c)
{
	struct frontend_request *req;

	gpio_tell(c, SET_DIRECTION, 1, IN);
	for (unsigned int high = 0; high <= 1; high++) {
		const char *active = high ? "set 1 1" : "set 1 0", *idle = high ? "set 1 0" : "set 1 1";

		act(c, idle);
		gpio_tell(c, SET_IRQ_TYPE, 1, high ? LEVEL_HIGH : LEVEL_LOW);
		req = gpio_unmask(c, 1);
		carrier_stays(c, EVENTQ, QUIET);
		act(c, active);
		gpio_returned(c, req, VALID);
		/* Again and again while it lasts. */
		for (unsigned int i = 0; i < 5; i++)
			gpio_interrupted(c, 1);
		act(c, idle);
		/* "MUST NOT latch an level interrupt if the interrupt is enabled but still masked" */
		act(c, active);
		act(c, idle);
		req = gpio_unmask(c, 1);
		carrier_stays(c, EVENTQ, QUIET);
		/* Active when it is unmasked, not since. */
		gpio_tell(c, SET_IRQ_TYPE, 1, IRQ_NONE);
		gpio_returned(c, req, INVALID);
		gpio_tell(c, SET_IRQ_TYPE, 1, high ? LEVEL_HIGH : LEVEL_LOW);
		act(c, active);
		gpio_interrupted(c, 1);
		gpio_tell(c, SET_IRQ_TYPE, 1, IRQ_NONE);
	}
}

/* Buffers that are no use to the device come back at once. */
static void buffers_refused(struct carrier *c)
{
	static const uint8_t out[4] = {2};
	uint8_t in[4] = {0xaa};
	struct frontend_request *req;

	/* "the interrupt is unmasked without being enabled first" */
	gpio_returned(c, gpio_unmask(c, 2), INVALID);
	gpio_tell(c, SET_DIRECTION, 2, IN);
	gpio_returned(c, gpio_unmask(c, 2), INVALID);
	gpio_returned(c, gpio_unmask(c, NLINES), INVALID);
	gpio_returned(c, gpio_unmask(c, UINT16_MAX), INVALID);
	gpio_refused(c, SET_IRQ_TYPE, 2, 5);
	gpio_returned(c, gpio_unmask(c, 2), INVALID);
	/* Of the wrong size. */
	gpio_tell(c, SET_IRQ_TYPE, 2, RISING);
	act(c, "set 2 1");
	for (size_t len = 0; len <= sizeof(out); len += len ? 2 : 1) {
		if (len == 2)
			continue;
		in[0] = 0xaa;
		ck_assert_uint_eq(carrier_request(c, EVENTQ, out, len, in, 1), 1);
		ck_assert_uint_eq(in[0], INVALID);
	}
	/* None of these has taken the edge; more room than the answer takes harms nothing. */
	ck_assert_uint_eq(carrier_request(c, EVENTQ, out, 2, in, sizeof(in)), 1);
	ck_assert_uint_eq(in[0], VALID);
	req = gpio_unmask(c, 2);
	carrier_stays(c, EVENTQ, QUIET);
	gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
	gpio_returned(c, req, INVALID);
}

/* The line has a buffer already: the second comes back, the first stays. */
static void second_buffer(struct carrier *c)
{
	struct frontend_request *first, *second;

	gpio_tell(c, SET_IRQ_TYPE, 2, RISING);
	first = gpio_unmask(c, 2);
	second = gpio_unmask(c, 2);
	gpio_returned(c, second, INVALID);
	act(c, "set 2 1");
	gpio_returned(c, first, VALID);
}

/* "the device MUST return the buffers ... after setting the status field to VIRTIO_GPIO_IRQ_STATUS_INVALID" */
static void buffers_returned(struct carrier *c)
{
	static const unsigned int types[] = {RISING, FALLING, BOTH, LEVEL_HIGH};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct frontend_request *req;

		gpio_tell(c, SET_DIRECTION, 2, IN);
		gpio_tell(c, SET_IRQ_TYPE, 2, types[i]);
		req = gpio_unmask(c, 2);
		carrier_stays(c, EVENTQ, 1);
		gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
		gpio_returned(c, req, INVALID);
		gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
		ck_assert_uint_eq(gpio_value(c, 2), 0);
		/* The line is let go of, and with it goes its interrupt. */
		gpio_tell(c, SET_IRQ_TYPE, 2, types[i]);
		req = gpio_unmask(c, 2);
		gpio_tell(c, SET_DIRECTION, 2, NONE);
		gpio_returned(c, req, INVALID);
		gpio_returned(c, gpio_unmask(c, 2), INVALID);
	}
}

/* A driver that changes the type without NONE in between, as Linux does: the buffer stays and serves the new type. */
static void type_changes(struct carrier *c)
{
	struct frontend_request *req;

	gpio_tell(c, SET_IRQ_TYPE, 2, RISING);
	gpio_tell(c, SET_IRQ_TYPE, 2, RISING);
	req = gpio_unmask(c, 2);
	gpio_tell(c, SET_IRQ_TYPE, 2, FALLING);
	act(c, "set 2 1");
	carrier_stays(c, EVENTQ, QUIET);
	act(c, "set 2 0");
	gpio_returned(c, req, VALID);
	req = gpio_unmask(c, 2);
	gpio_tell(c, SET_IRQ_TYPE, 2, LEVEL_HIGH);
	carrier_stays(c, EVENTQ, QUIET);
	act(c, "set 2 1");
	gpio_returned(c, req, VALID);
	/* A level that is there already is told at once. */
	gpio_tell(c, SET_IRQ_TYPE, 2, BOTH);
	req = gpio_unmask(c, 2);
	carrier_stays(c, EVENTQ, QUIET);
	gpio_tell(c, SET_IRQ_TYPE, 2, LEVEL_HIGH);
	gpio_returned(c, req, VALID);
}

/* "MUST NOT send IRQ messages for a GPIO line configured for output", and the other way round. */
static void interrupts_of_outputs(struct carrier *c)
{
	gpio_tell(c, SET_DIRECTION, 2, OUT);
	gpio_refused(c, SET_IRQ_TYPE, 2, RISING);
	gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
	gpio_tell(c, SET_DIRECTION, 2, IN);
	gpio_tell(c, SET_IRQ_TYPE, 2, RISING);
	gpio_refused(c, SET_DIRECTION, 2, OUT);
	ck_assert_uint_eq(gpio_direction(c, 2), IN);
	act(c, "set 2 1");
	gpio_interrupted(c, 2);
	gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
	gpio_tell(c, SET_DIRECTION, 2, OUT);
}

/* "allowed only if the VIRTIO_GPIO_F_IRQ feature has been negotiated" */
static void no_interrupts(struct carrier *c)
{
	ck_assert(carrier_has(c, 0));
	carrier_sample(c);
	vdev_features_set(carrier_vdev(c), carrier_vdev(c)->features & ~BIT(0));
	gpio_refused(c, SET_IRQ_TYPE, 2, RISING);
	gpio_refused(c, SET_IRQ_TYPE, 2, IRQ_NONE);
	gpio_returned(c, gpio_unmask(c, 2), INVALID);
	gpio_tell(c, SET_DIRECTION, 2, IN);
}

/* All lines at once, each with a buffer, told in the order of their edges. */
static void all_lines(struct carrier *c)
{
	static const unsigned int order[NLINES] = {3, 0, 7, 1, 6, 2, 5, 4};
	struct frontend_request *reqs[NLINES];
	char command[32];

	for (unsigned int i = 0; i < NLINES; i++) {
		gpio_tell(c, SET_IRQ_TYPE, i, RISING);
		reqs[i] = gpio_unmask(c, i);
	}
	carrier_stays(c, EVENTQ, QUIET);
	for (unsigned int i = 0; i < NLINES; i++) {
		snprintf(command, sizeof(command), "set %u 1", order[i]);
		act(c, command);
		gpio_returned(c, reqs[order[i]], VALID);
	}
}

/*
 * Rings, resets, front-ends.
 */

/* The eventq stops with buffers in it; they go on when it starts, with the edges of the time between. */
static void eventq_stops(struct carrier *c)
{
	struct frontend_request *req;
	uint32_t base;

	gpio_tell(c, SET_IRQ_TYPE, 2, RISING);
	req = gpio_unmask(c, 2);
	carrier_stays(c, EVENTQ, 1);
	base = carrier_stop(c, EVENTQ);
	act(c, "set 2 1 0 1 0");
	carrier_start(c, EVENTQ, base);
	gpio_returned(c, req, VALID);
	gpio_interrupted(c, 2);
	req = gpio_unmask(c, 2);
	carrier_stays(c, EVENTQ, 1);
	base = carrier_stop(c, EVENTQ);
	carrier_start(c, EVENTQ, base);
	carrier_stays(c, EVENTQ, QUIET);
	act(c, "set 2 1 0");
	gpio_returned(c, req, VALID);
	/* Disabled while it is stopped. */
	req = gpio_unmask(c, 2);
	carrier_stays(c, EVENTQ, 1);
	base = carrier_stop(c, EVENTQ);
	gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
	carrier_start(c, EVENTQ, base);
	gpio_returned(c, req, INVALID);
}

/* The guest moves: lines are what it made of them, interrupts that were not told are told there. */
static void moves(struct carrier *c)
{
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	gpio_tell(c, SET_VALUE, 0, 1);
	gpio_tell(c, SET_DIRECTION, 1, IN);
	gpio_tell(c, SET_IRQ_TYPE, 2, RISING);
	act(c, "set 2 1 0 1 0");
	carrier_stays(c, EVENTQ, 5);
	for (unsigned int host = 0; host < 3; host++) {
		carrier_move(c);
		ck_assert_uint_eq(gpio_direction(c, 0), OUT);
		ck_assert_uint_eq(gpio_direction(c, 1), IN);
		ck_assert_uint_eq(gpio_direction(c, 3), NONE);
		ck_assert_str_eq(world(c, "list"), "0 LED output 1");
	}
	gpio_interrupted(c, 2);
	gpio_interrupted(c, 2);
	struct frontend_request *req = gpio_unmask(c, 2);

	carrier_stays(c, EVENTQ, QUIET);
	act(c, "set 2 1 0");
	gpio_returned(c, req, VALID);
}

/* What the guest made of the lines is forgotten, and they are let go of. */
static void forgotten(struct carrier *c)
{
	for (unsigned int line = 0; line < NLINES; line++)
		ck_assert_uint_eq(gpio_direction(c, line), NONE);
	ck_assert_str_eq(world(c, "list"), "0 LED unused 0");
	gpio_returned(c, gpio_unmask(c, 2), INVALID);
	gpio_tell(c, SET_IRQ_TYPE, 2, FALLING);
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	level_is(c, 0, "0");
	ck_assert_str_eq(world(c, "list"), "0 LED output 0");
	gpio_tell(c, SET_DIRECTION, 0, NONE);
	gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
}

static void make_state(struct carrier *c)
{
	gpio_tell(c, SET_VALUE, 0, 1);
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	gpio_tell(c, SET_DIRECTION, 1, IN);
	gpio_tell(c, SET_IRQ_TYPE, 2, FALLING);
	act(c, "set 2 1 0 1 0");
	gpio_tell(c, SET_IRQ_TYPE, 3, RISING);
	gpio_unmask(c, 3);
	carrier_stays(c, EVENTQ, 1);
}

static void reset_forgets(struct carrier *c)
{
	make_state(c);
	carrier_reset(c);
	/* A front-end that goes on elsewhere than at 0 had only paused the machine. */
	if (carrier_kind(c) == CARRIER_SESSION && carrier_setting(c)->base) {
		ck_assert_uint_eq(gpio_direction(c, 0), OUT);
		level_is(c, 0, "1");
		gpio_interrupted(c, 2);
		return;
	}
	forgotten(c);
}

static void reconnect_forgets(struct carrier *c)
{
	make_state(c);
	carrier_reconnect(c);
	forgotten(c);
}

/* The eventq breaks; requests go on, and after a new start interrupts do. */
static void eventq_breaks(struct carrier *c)
{
	gpio_tell(c, SET_IRQ_TYPE, 2, RISING);
	gpio_unmask(c, 2);
	carrier_stays(c, EVENTQ, 1);
	driver_ring_publish_raw(frontend_ring(carrier_frontend(c), EVENTQ), 40000);
	ck_assert_int_eq(frontend_kick(carrier_frontend(c), EVENTQ), 0);
	ck_assert_int_eq(carrier_wait_broken(c, EVENTQ, 20000), 0);
	act(c, "set 2 1 0 1 0 1");
	ck_assert_uint_eq(gpio_value(c, 2), 1);
	carrier_stop(c, EVENTQ);
	carrier_renew(c, EVENTQ);
	/* The first went into the broken ring. */
	gpio_interrupted(c, 2);
	gpio_interrupted(c, 2);
	act(c, "set 2 0 1");
	gpio_interrupted(c, 2);
}

/*
 * The host.
 */

/* A line that somebody else has: ERR, and it works as soon as that one lets go of it. */
static void line_in_use(struct carrier *c)
{
	struct frontend_request *req;

	act(c, "take 1");
	for (unsigned int i = 0; i < 3; i++) {
		gpio_refused(c, SET_DIRECTION, 1, IN);
		gpio_refused(c, SET_DIRECTION, 1, OUT);
	}
	ck_assert_uint_eq(gpio_direction(c, 1), NONE);
	gpio_tell(c, SET_DIRECTION, 2, OUT);
	/* A driver that does not look at this answer queues its buffer: it is kept, not thrown back and forth. */
	gpio_refused(c, SET_IRQ_TYPE, 1, RISING);
	req = gpio_unmask(c, 1);
	carrier_stays(c, EVENTQ, QUIET);
	act(c, "leave 1");
	gpio_tell(c, SET_IRQ_TYPE, 1, RISING);
	act(c, "set 1 1");
	gpio_returned(c, req, VALID);
	gpio_tell(c, SET_DIRECTION, 1, IN);
	gpio_tell(c, SET_DIRECTION, 1, NONE);
	/* Refused once more, then given up. */
	act(c, "take 1");
	gpio_refused(c, SET_IRQ_TYPE, 1, RISING);
	req = gpio_unmask(c, 1);
	gpio_tell(c, SET_IRQ_TYPE, 1, IRQ_NONE);
	gpio_returned(c, req, INVALID);
	ck_assert_str_eq(world(c, "take 2"), "error: '2': the guest has it");
	char *log = carrier_log(c);

	if (log) {
		char *first = strstr(log, "in use by somebody else");

		/* Said once each time it began. */
		ck_assert_ptr_nonnull(first);
		first = strstr(first + 1, "in use by somebody else");
		ck_assert_ptr_nonnull(first);
		ck_assert_ptr_null(strstr(first + 1, "in use by somebody else"));
	}
	free(log);
}

/* The chip goes and comes back: errors, then everything is as the guest made it. */
static void chip_unplugged(struct carrier *c)
{
	struct frontend_request *edge, *level;

	gpio_tell(c, SET_DIRECTION, 0, OUT);
	gpio_tell(c, SET_VALUE, 0, 1);
	gpio_tell(c, SET_DIRECTION, 1, IN);
	gpio_tell(c, SET_IRQ_TYPE, 2, BOTH);
	act(c, "set 2 1");
	for (unsigned int round = 0; round < 3; round++) {
		edge = gpio_unmask(c, 2);
		gpio_returned(c, edge, VALID);
		edge = gpio_unmask(c, 2);
		carrier_stays(c, EVENTQ, 1);
		act(c, "unplug");
		carrier_idle(c, 2);
		gpio_refused(c, GET_VALUE, 1, 0);
		gpio_refused(c, SET_VALUE, 0, 0);
		gpio_refused(c, SET_DIRECTION, 3, IN);
		gpio_refused(c, SET_IRQ_TYPE, 4, RISING);
		ck_assert_uint_eq(gpio_direction(c, 0), OUT);
		ck_assert_uint_eq(gpio_direction(c, 3), NONE);
		level_is(c, 0, "0");
		carrier_stays(c, EVENTQ, QUIET);
		act(c, "plug");
		carrier_idle(c, 2);
		level_is(c, 0, "1");
		ck_assert_uint_eq(gpio_value(c, 1), 0);
		gpio_tell(c, SET_DIRECTION, 3, IN);
		gpio_tell(c, SET_DIRECTION, 3, NONE);
		/* One edge for this buffer, one for the next. */
		act(c, "set 2 0 1");
		gpio_returned(c, edge, VALID);
	}
	/* A level that became active meanwhile. */
	gpio_tell(c, SET_IRQ_TYPE, 5, LEVEL_HIGH);
	level = gpio_unmask(c, 5);
	carrier_stays(c, EVENTQ, 1);
	act(c, "unplug");
	act(c, "set 5 1");
	carrier_stays(c, EVENTQ, QUIET);
	act(c, "plug");
	gpio_returned(c, level, VALID);
}

/* Nobody waits for an edge, so that nobody notices before a request fails: the next one works. */
static void chip_replugged_unseen(struct carrier *c)
{
	gpio_tell(c, SET_VALUE, 0, 1);
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	act(c, "unplug");
	act(c, "plug");
	level_is(c, 0, "0");
	gpio_refused(c, GET_VALUE, 0, 0);
	carrier_idle(c, 2);
	ck_assert_uint_eq(gpio_value(c, 0), 1);
	level_is(c, 0, "1");
}

/* Let go of, disabled, reset, left while the chip is away. */
static void chip_away(struct carrier *c)
{
	struct frontend_request *req;

	gpio_tell(c, SET_DIRECTION, 0, OUT);
	gpio_tell(c, SET_IRQ_TYPE, 2, BOTH);
	req = gpio_unmask(c, 2);
	carrier_stays(c, EVENTQ, 1);
	act(c, "unplug");
	carrier_idle(c, 2);
	gpio_tell(c, SET_DIRECTION, 0, NONE);
	gpio_tell(c, SET_IRQ_TYPE, 2, IRQ_NONE);
	gpio_returned(c, req, INVALID);
	carrier_reset(c);
	gpio_refused(c, SET_DIRECTION, 0, OUT);
	carrier_reconnect(c);
	gpio_refused(c, SET_DIRECTION, 0, OUT);
	act(c, "plug");
	carrier_idle(c, 2);
	forgotten(c);
	act(c, "unplug");
}

static const char *const with_wires[] = {"--backend=sim", "--sim-wire=0-1,1-2,2-0,5-6", "--control=%T/control", NULL};

/* Wires, also in a ring: what a line drives, others see. */
static void wired(struct carrier *c)
{
	struct frontend_request *req;

	gpio_tell(c, SET_DIRECTION, 0, OUT);
	gpio_tell(c, SET_DIRECTION, 2, IN);
	gpio_tell(c, SET_IRQ_TYPE, 1, BOTH);
	req = gpio_unmask(c, 1);
	for (unsigned int i = 0; i < 4; i++) {
		gpio_tell(c, SET_VALUE, 0, !(i % 2));
		gpio_returned(c, req, VALID);
		ck_assert_uint_eq(gpio_value(c, 2), !(i % 2));
		req = gpio_unmask(c, 1);
	}
	carrier_stays(c, EVENTQ, QUIET);
	act(c, "set 5 1");
	level_is(c, 6, "1");
}

/* The control socket says what is wrong. */
static void control_errors(struct carrier *c)
{
	static const char *const bad[] = {"get 8",     "get x",	 "set 2 2",  "set 2 up", "set NOTHERE 1", "pull 2 1",
					  "pull 9 up", "take 8", "leave 88", "get -1",	 "set 2 1 x"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *answer = world(c, bad[i]);

		ck_assert_msg(strncmp(answer, "error: '", 8) == 0 && strstr(answer, "wanted"), "%s: %s", bad[i],
			      answer);
	}
	ck_assert_str_eq(world(c, "get RELAY"), "0");
}

/* Who watches is told of each change. */
static void watched(struct carrier *c)
{
	static const char want[] = "ok\n! 0 LED output 1\n! 0 LED output 0\n! 1 BUTTON unused 1\n! 2 - input 1\n";
	int fd = unix_connect(carrier_path(c, "control"));
	char got[sizeof(want) + 1] = "";
	ssize_t len = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "watch\n"), 6);
	carrier_idle(c, 5);
	gpio_tell(c, SET_DIRECTION, 0, OUT);
	gpio_tell(c, SET_VALUE, 0, 1);
	gpio_tell(c, SET_VALUE, 0, 1);
	gpio_tell(c, SET_VALUE, 0, 0);
	act(c, "set 1 1");
	gpio_tell(c, SET_DIRECTION, 2, IN);
	act(c, "pull 2 up");
	for (unsigned int ms = 0; ms < 20000 && len < (ssize_t)sizeof(want) - 1; ms++) {
		ssize_t n = read(fd, got + len, sizeof(got) - 1 - (size_t)len);

		len += n > 0 ? n : 0;
		carrier_idle(c, 1);
	}
	ck_assert_str_eq(got, want);
	close(fd);
}

static const char *const paced[] = {"--backend=sim", "--rate=20/s:2", NULL};

/* Two requests at once, then one in 50 ms; interrupts are not counted. */
static void rate(struct carrier *c)
{
	ev_tstamp begin = ev_time();

	for (unsigned int i = 0; i < 4; i++)
		ck_assert_uint_eq(gpio_direction(c, i), 0);
	ck_assert(ev_time() - begin > 0.095);
	carrier_start(c, 0, carrier_stop(c, 0));
	gpio_tell(c, SET_IRQ_TYPE, 0, LEVEL_LOW);
	gpio_tell(c, SET_IRQ_TYPE, 0, LEVEL_LOW);
	ck_assert(ev_time() - begin > 0.195);
	begin = ev_time();
	for (unsigned int i = 0; i < 50; i++)
		gpio_interrupted(c, 0);
	ck_assert(ev_time() - begin < 1.);
}

static const struct device_case cases[] = {
	{.name = "configuration", .run = config, .flags = CASE_CONFIG},
	{.name = "line names", .run = line_names},
	{.name = "no names", .run = no_names, .args = without_names, .flags = CASE_CONFIG},
	{.name = "some lines", .run = some_lines, .args = with_some, .flags = CASE_CONFIG},
	{.name = "directions", .run = directions},
	{.name = "rate", .run = rate, .args = paced, .flags = CASE_ONCE},
	{.name = "outputs", .run = outputs},
	{.name = "inputs", .run = inputs},
	{.name = "bad requests", .run = bad_requests},
	{.name = "bad sizes", .run = bad_sizes},
	{.name = "bad chains", .run = bad_chains},
	{.name = "edges", .run = edges},
	{.name = "edge comes later", .run = edge_comes_later},
	{.name = "edges latched", .run = edges_latched, .flags = CASE_ONCE},
	{.name = "edges in order", .run = edges_in_order},
	{.name = "latched discarded", .run = latched_discarded},
	{.name = "levels", .run = levels},
	{.name = "buffers refused", .run = buffers_refused},
	{.name = "second buffer", .run = second_buffer, .depth = 2},
	{.name = "buffers returned", .run = buffers_returned},
	{.name = "type changes", .run = type_changes},
	{.name = "interrupts of outputs", .run = interrupts_of_outputs},
	{.name = "no interrupts", .run = no_interrupts, .flags = CASE_NOT_BINARY},
	{.name = "all lines", .run = all_lines, .depth = NLINES},
	{.name = "eventq stops", .run = eventq_stops},
	{.name = "reset forgets", .run = reset_forgets},
	{.name = "reconnect forgets", .run = reconnect_forgets},
	{.name = "eventq breaks", .run = eventq_breaks},
	{.name = "line in use", .run = line_in_use},
	{.name = "chip unplugged", .run = chip_unplugged},
	{.name = "chip replugged unseen", .run = chip_replugged_unseen},
	{.name = "chip away", .run = chip_away},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
	{.name = "wired", .run = wired, .args = with_wires, .flags = CASE_ONCE},
	{.name = "control errors", .run = control_errors, .flags = CASE_ONCE},
	{.name = "watched", .run = watched, .flags = CASE_ONCE},
};

static const struct device_suite gpio = {
	.device = "gpio",
	.args = with_chip,
	DEVICE_CASES(cases),
};

/*
 * Options.
 */

/* What is wrong in itself is refused at once. */
START_TEST(test_bad_options)
{
	static const char *const bad[] = {
		"--backend=real",
		"--chip=",
		"--lines=",
		"--lines=,1",
		"--lines=1,",
		"--lines=1,,2",
		"--rename=3",
		"--rename=:X",
		"--rename=1,2:X",
		"--rename=1:\xc3\xa9",
		"--rename=1:a\tb",
		"--bias=up",
		"--bias=1:",
		"--bias=:pull-up",
		"--bias=1,:pull-up",
		"--drive=0:open",
		"--drive=",
		"--debounce-us=1:x",
		"--debounce-us=",
		"--debounce-us=3600000001",
		"--sim-lines=0",
		"--sim-lines=257",
		"--input-only=",
		"--output-only=1,,2",
		"--rename=1:12345678901234567890123456789012",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *args[] = {bad[i], NULL};

		ck_assert_msg(!gpio_device(NULL, args, false), "%s", bad[i]);
	}
}
END_TEST

/* What does not fit the chip is refused before there is a socket. */
START_TEST(test_bad_lines)
{
	static const struct {
		const char *args[4];
		int err;
	} bad[] = {
		{{"--lines=8"}, -ENOENT},
		{{"--lines=0-8"}, -ENOENT},
		{{"--lines=3-2"}, -ENOENT},
		{{"--lines=99999999999"}, -ENOENT},
		{{"--lines=B"}, -ENOENT},
		{{"--lines=0-"}, -ENOENT},
		{{"--lines=all"}, 0},
		{{"--lines=0x1/0x1,A"}, 0},
		{{"--lines=0x1/0x1,3"}, -EINVAL},
		{{"--lines=1/0"}, -ENOENT},
		{{"--lines=1,2,1"}, -EINVAL},
		{{"--lines=0,A"}, -EINVAL},
		{{"--lines=1", "--lines=0-3"}, -EINVAL},
		{{"--lines=1", "--input-only=0"}, -EINVAL},
		{{"--lines=1", "--rename=2:X"}, -EINVAL},
		{{"--input-only=0-3", "--output-only=3"}, -EINVAL},
		{{"--bias=8:pull-up"}, -ENOENT},
		{{"--sim-names=1,2,3,4,5,6,7,8,9"}, -EINVAL},
		{{"--sim-names=12345678901234567890123456789012"}, -EINVAL},
		{{"--control=/nonexistent/ctl"}, -ENOENT},
		{{"--sim-wire=0-8"}, -EINVAL},
		{{"--sim-wire=8-0"}, -EINVAL},
		{{"--sim-wire=0"}, -EINVAL},
		{{"--sim-wire=0-1-2"}, -EINVAL},
		{{"--sim-wire=0-1,x"}, -EINVAL},
		{{"--chip=0"}, -EINVAL},
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		/* Those of the row, or else one. */
		bool named = strncmp(bad[i].args[0], "--sim-names", strlen("--sim-names")) == 0;
		const char *args[] = {"--backend=sim", bad[i].args[0], named ? bad[i].args[1] : "--sim-names=A", named ? NULL : bad[i].args[1], NULL};
		struct vdev *d = gpio_device(loop, args, false);
		int err;

		ck_assert_msg(d, "%s", bad[i].args[0]);
		err = vdev_check(d);
		if (!err)
			err = vdev_open(d);
		ck_assert_msg(err == bad[i].err, "%s", bad[i].args[0]);
		vdev_free(d);
	}
	ev_loop_destroy(loop);
}
END_TEST

/* A chip of the host is wanted, and it must be one. */
START_TEST(test_bad_chips)
{
	static const struct {
		const char *args[3];
		int err;
	} bad[] = {
		{{NULL}, -EINVAL},
		{{"--chip=0", "--sim-names=A"}, -EINVAL},
		{{"--chip=0", "--sim-wire=0-1"}, -EINVAL},
		{{"--chip=0", "--control=/nonexistent/ctl"}, -ENOENT},
		{{"--chip=/nonexistent/chip"}, -ENODEV},
		{{"--chip=4294967295"}, -ENODEV},
		{{"--chip=gpiochip4294967295"}, -ENODEV},
		{{"--chip=no such label"}, -ENODEV},
		{{"--chip=/dev/null"}, 0},
		{{"--chip=/tmp"}, 0},
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vdev *d = gpio_device(loop, bad[i].args, false);
		int err;

		ck_assert_ptr_nonnull(d);
		err = vdev_check(d);
		if (!err)
			err = vdev_open(d);
		/* The library says what a file that is no chip is. */
		if (test_simulated("gpio"))
			ck_assert_msg(err == -EINVAL, "%s: %d, without the library", bad[i].args[0], err);
		else
			ck_assert_msg(bad[i].err ? err == bad[i].err : err < 0, "%s: %d", bad[i].args[0], err);
		vdev_free(d);
	}
	ev_loop_destroy(loop);
}
END_TEST

/* A name that two lines have is the first one's; more rules than there is room for are refused. */
START_TEST(test_crowds)
{
	static const char *const twins[] = {"--backend=sim", "--sim-names=A,B,A", NULL};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct vdev *d = gpio_device(loop, twins, false);
	const struct opt *rename = NULL;
	uint8_t space[8];
	char why[100];
	int given = 0;

	ck_assert_ptr_nonnull(d);
	ck_assert_int_eq(vdev_open(d), 0);
	vdev_config_read(d, 0, space, sizeof(space));
	ck_assert_uint_eq(space[4], sizeof("A\0B\0\0\0\0\0\0"));
	for (const struct opt *o = d->class->opts; o->name; o++)
		rename = strcmp(o->name, "rename") ? rename : o;
	ck_assert_ptr_nonnull(rename);
	while (rename->set(d, rename, "1:X", why, sizeof(why)) == 0)
		ck_assert_int_lt(given++, 1000);
	ck_assert_ptr_nonnull(strstr(why, "too many"));
	vdev_free(d);
	ev_loop_destroy(loop);
}
END_TEST

/* vhost-device-gpio: a chip for each socket. */
START_TEST(test_device_list)
{
	static const struct {
		const char *list;
		unsigned int i, count;
		int err;
	} cases_of_fit[] = {
		{"0", 0, 1, 0},
		{"0:3", 0, 2, 0},
		{"0:3", 1, 2, 0},
		{"s4", 0, 1, 0},
		{"s4:s4", 1, 2, 0},
		{"0", 0, 2, -EINVAL},
		{"0:3", 0, 1, -EINVAL},
		{"0:0", 0, 2, -EINVAL},
		{"0:3:0", 0, 3, -EINVAL},
		{"0:", 0, 2, -EINVAL},
		{":0", 0, 2, -EINVAL},
		{"a", 0, 1, -EINVAL},
		{"s", 0, 1, -EINVAL},
		{"s0", 0, 1, -EINVAL},
		{"s257", 0, 1, -EINVAL},
		{"4x", 0, 1, -EINVAL},
		{"12345678901234567", 0, 1, -EINVAL},
	};

	for (size_t n = 0; n < ARRAY_SIZE(cases_of_fit); n++) {
		const char *args[] = {"-l", cases_of_fit[n].list, NULL};
		struct vdev *d = gpio_device(NULL, args, true);

		ck_assert_ptr_nonnull(d);
		ck_assert_msg(d->class->compat->fit(d, cases_of_fit[n].i, cases_of_fit[n].count) == cases_of_fit[n].err,
			      "%s %u of %u", cases_of_fit[n].list, cases_of_fit[n].i, cases_of_fit[n].count);
		vdev_free(d);
	}
}
END_TEST

/* "s3": a simulated chip of three lines. */
START_TEST(test_device_list_sim)
{
	static const char *const args[] = {"--device-list", "s5:s3", NULL}, *const none[] = {NULL};
	static const char *const one[] = {"--device-list=s8", NULL}, *const sim[] = {"--backend=sim", NULL};
	static const char *const wrong[][3] = {
		{"--device-list=s8:s8"},
		{"--device-list=s0"},
		{"--device-list=s257"},
		{"--device-list=s8", "--chip=0"},
		{"--device-list=s8", "--backend=sim"},
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct vdev *d = gpio_device(loop, args, true);
	uint8_t space[8];

	ck_assert_int_eq(d->class->compat->fit(d, 1, 2), 0);
	ck_assert_int_eq(vdev_open(d), 0);
	vdev_config_read(d, 0, space, sizeof(space));
	ck_assert_uint_eq(space[0], 3);
	vdev_free(d);
	d = gpio_device(loop, none, true);
	ck_assert_int_eq(d->class->compat->fit(d, 0, 1), -EINVAL);
	vdev_free(d);
	/* Called by its own name, too; and one by --backend=sim needs none. */
	d = gpio_device(loop, one, false);
	ck_assert_int_eq(vdev_check(d), 0);
	ck_assert_int_eq(vdev_open(d), 0);
	vdev_config_read(d, 0, space, sizeof(space));
	ck_assert_uint_eq(space[0], 8);
	vdev_free(d);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		d = gpio_device(loop, wrong[i], false);
		ck_assert_int_eq(vdev_check(d), -EINVAL);
		vdev_free(d);
	}
	d = gpio_device(loop, sim, true);
	ck_assert_int_eq(d->class->compat->fit(d, 0, 1), 0);
	ck_assert_int_eq(vdev_check(d), 0);
	vdev_free(d);
	ev_loop_destroy(loop);
}
END_TEST

/*
 * What outlives the process (vdev.memory).
 */

#define KEPT_LINES 8

/* direction, type of interrupt, value, flags; edges that are not told */
struct kept_line {
	uint8_t direction, irq_type, value, flags;
	le32 latched;
};

static struct vdev *kept_device(struct ev_loop *loop)
{
	static const char *const args[] = {"--backend=sim", "--sim-lines=8", NULL};
	struct vdev *d;

	ck_assert_int_eq(open_device("gpio", loop, args, &d), 0);
	ck_assert_uint_eq(d->face.memory_size, KEPT_LINES * sizeof(struct kept_line));
	return d;
}

/* Another process has the lines as they were left; a reset is remembered, an end is not. */
START_TEST(test_remembers)
{
	static const struct kept_line left[KEPT_LINES] = {
		{1, 0, 1, 0, 0}, {2, 3, 0, 1, 5}, {2, 4, 0, 0, 0}, {0, 0, 0, 2, 0}, {0, 0, 1, 0, 0},
	};
	struct kept_line memory[KEPT_LINES], none[KEPT_LINES] = {0};
	struct ev_loop *loop = ev_loop_new(0);
	struct vdev *d = kept_device(loop);

	memset(memory, 0xa5, sizeof(memory));
	vdev_remember(d, memory, NULL);
	ck_assert_mem_eq(memory, none, sizeof(memory));
	vdev_remember(d, memory, left);
	ck_assert_mem_eq(memory, left, sizeof(memory));
	vdev_remember(d, NULL, NULL);
	vdev_reset(d);
	ck_assert_mem_eq(memory, left, sizeof(memory));
	vdev_remember(d, memory, memory);
	vdev_reset(d);
	ck_assert_mem_eq(memory, none, sizeof(memory));
	vdev_free(d);
	ev_loop_destroy(loop);
}
END_TEST

/* The front-end has that memory, too. */
START_TEST(test_memory_is_not_trusted)
{
	struct kept_line memory[KEPT_LINES], left[KEPT_LINES];
	struct ev_loop *loop = ev_loop_new(0);
	struct vdev *d = kept_device(loop);
	unsigned int taken = 0, refused = 0;
	uint32_t state = 1;

	for (unsigned int i = 0; i < 2000; i++) {
		for (unsigned int l = 0; l < KEPT_LINES; l++) {
			left[l] = (struct kept_line){
				.direction = (uint8_t)(random_next(&state) % 4),
				.irq_type = (uint8_t)(random_next(&state) % 10),
				.value = (uint8_t)(random_next(&state) % 3),
				.flags = (uint8_t)(random_next(&state) % 5),
				.latched = htole32(random_next(&state) % 2048),
			};
		}
		vdev_remember(d, memory, left);
		for (unsigned int l = 0; l < KEPT_LINES; l++) {
			const struct kept_line *m = &memory[l];
			bool irq = m->irq_type <= 4 || m->irq_type == 8;

			ck_assert(m->direction <= 2 && irq && m->value <= 1 && m->flags <= 3 &&
				  le32toh(m->latched) <= 1024);
			ck_assert(m->direction != 1 || !m->irq_type);
			ck_assert(!(m->flags & 1) || m->irq_type == 3);
			ck_assert(!m->latched || (m->irq_type & 3));
			taken += memcmp(m, &left[l], sizeof(*m)) == 0;
			refused += memcmp(m, &left[l], sizeof(*m)) != 0;
		}
		vdev_reset(d);
	}
	ck_assert_uint_gt(taken, 100);
	ck_assert_uint_gt(refused, 100);
	vdev_free(d);
	ev_loop_destroy(loop);
}
END_TEST

Suite *suite_gpio(void)
{
	Suite *s = suite_create("gpio");
	TCase *tc = tcase_create("options");

	tcase_add_test(tc, test_bad_options);
	tcase_add_test(tc, test_bad_lines);
	tcase_add_test(tc, test_bad_chips);
	tcase_add_test(tc, test_crowds);
	tcase_add_test(tc, test_device_list);
	tcase_add_test(tc, test_device_list_sim);
	tcase_add_test(tc, test_remembers);
	tcase_add_test(tc, test_memory_is_not_trusted);
	suite_add_tcase(s, tc);
	suite_add_device(s, &gpio);
	return s;
}
