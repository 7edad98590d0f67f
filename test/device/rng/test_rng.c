/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_rng.c - the entropy device: VIRTIO 1.4, section 5.4.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/unit/suites.h"

#define REQUESTQ 0
#define MAX_FILL 65536u

/* The bytes of the source, as far as anybody reads. */
#define SOURCE_SIZE (512u << 10)

static uint8_t source_byte(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

/* Whether these are the source's bytes from place at on. */
static bool is_source(const uint8_t *bytes, size_t len, size_t at)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != source_byte(at + i))
			return false;
	}
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static const char *const with_source[] = {"--source=%T/source", NULL};

static void prepare_file(struct carrier *c)
{
	uint8_t *bytes = malloc(SOURCE_SIZE);

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < SOURCE_SIZE; i++)
		bytes[i] = source_byte(i);
	carrier_write_file(c, "source", bytes, SOURCE_SIZE, false);
	free(bytes);
}

static void prepare_fifo(struct carrier *c)
{
	ck_assert_int_eq(mkfifo(carrier_path(c, "source"), 0600), 0);
}

/* The default source: full, and never the same twice. */
static void default_source(struct carrier *c)
{
	uint8_t a[32] = {0}, b[32] = {0};

	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, a, sizeof(a)), sizeof(a));
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, b, sizeof(b)), sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
}

/* A known file: its bytes, each once, in order, whatever the lengths and forms of the requests. */
static void file_in_order(struct carrier *c)
{
	static const uint32_t lengths[] = {1, 7, 64, 4096, 1, 65535, 65536, 3, 65537, 200000, 30000};
	uint8_t *buf = malloc(200000);
	size_t at = 0;

	ck_assert_ptr_nonnull(buf);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint32_t used = carrier_request(c, REQUESTQ, NULL, 0, buf, lengths[i]);

		/* One request is given so much, however large it is. */
		ck_assert_uint_eq(used, lengths[i] < MAX_FILL ? lengths[i] : MAX_FILL);
		ck_assert_msg(is_source(buf, used, at), "%u bytes at %zu", used, at);
		at += used;
	}
	free(buf);
}

/* A driver need not, but may, put bytes to read in front: they mean nothing. */
static void readable_part(struct carrier *c)
{
	uint8_t in[16] = {0};

	ck_assert_uint_eq(carrier_request(c, REQUESTQ, "question", 8, in, sizeof(in)), sizeof(in));
	ck_assert(is_source(in, sizeof(in), 0));
}

/* Requests without room come back at once, with nothing, and take nothing from the source. */
static void no_room(struct carrier *c)
{
	struct frontend_buf buf = carrier_alloc(c, 64);
	const struct driver_buf zero = {buf.guest, 0, true};
	const struct driver_buf readable = {buf.guest, 64, false};
	const struct driver_buf holes[] = {
		{buf.guest, 0, true}, {buf.guest, 3, true}, {0, 0, true}, {buf.guest, 2, true}};
	uint8_t in[4];

	ck_assert_uint_eq(carrier_raw(c, REQUESTQ, &zero, 1), 0);
	ck_assert_uint_eq(carrier_raw(c, REQUESTQ, &readable, 1), 0);
	if (carrier_size(c, REQUESTQ) >= ARRAY_SIZE(holes))
		ck_assert_uint_eq(carrier_raw(c, REQUESTQ, holes, ARRAY_SIZE(holes)), 5);
	else
		ck_assert_uint_eq(carrier_raw(c, REQUESTQ, &(struct driver_buf){buf.guest, 5, true}, 1), 5);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, 4), 4);
	ck_assert(is_source(in, sizeof(in), 5));
}

/* A source that has nothing now: the request waits, and is given what there is, not more. */
static void fifo_fills(struct carrier *c)
{
	struct frontend_request *req;
	uint8_t in[64];

	for (unsigned int i = 0; i < 3; i++) {
		req = carrier_submit(c, REQUESTQ, NULL, 0, sizeof(in));
		carrier_stays(c, REQUESTQ, 5);
		carrier_write_file(c, "source", "12345", 5, true);
		ck_assert_uint_eq(carrier_await(c, REQUESTQ, req, in), 5);
		ck_assert_mem_eq(in, "12345", 5);
	}
}

/* Several wait: they are served in their order. */
static void fifo_in_order(struct carrier *c)
{
	struct frontend_request *reqs[4];
	char in[4];

	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++)
		reqs[i] = carrier_submit(c, REQUESTQ, NULL, 0, sizeof(in));
	carrier_stays(c, REQUESTQ, 2);
	carrier_write_file(c, "source", "aaaabbbbccccdddd", 16, true);
	for (size_t i = 0; i < ARRAY_SIZE(reqs); i++) {
		const char want = (char)('a' + i);

		ck_assert_uint_eq(carrier_await(c, REQUESTQ, reqs[i], in), sizeof(in));
		for (size_t n = 0; n < sizeof(in); n++)
			ck_assert_int_eq(in[n], want);
	}
}

/* A ring that stops gets its waiting request back when it starts again. */
static void waits_across_a_stop(struct carrier *c)
{
	struct frontend_request *req = carrier_submit(c, REQUESTQ, NULL, 0, 8);
	uint32_t base = driver_ring_base(frontend_ring(carrier_frontend(c), REQUESTQ)), stopped;
	char in[8];

	for (unsigned int i = 0; i < 3; i++) {
		carrier_stays(c, REQUESTQ, 2);
		/* It is as if it had not been taken.  A packed ring's base also tells what is used. */
		stopped = carrier_stop(c, REQUESTQ);
		ck_assert_uint_ne((uint16_t)stopped, (uint16_t)base);
		carrier_start(c, REQUESTQ, stopped);
	}
	carrier_write_file(c, "source", "ABCDEFGH", 8, true);
	ck_assert_uint_eq(carrier_await(c, REQUESTQ, req, in), 8);
	ck_assert_mem_eq(in, "ABCDEFGH", 8);
	ck_assert_uint_eq(carrier_stop(c, REQUESTQ), base);
	carrier_start(c, REQUESTQ, base);
	carrier_write_file(c, "source", "x", 1, true);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, 8), 1);
	ck_assert_int_eq(in[0], 'x');
}

/* Nothing came while the ring was stopped; what comes then finds the request. */
static void filled_while_stopped(struct carrier *c)
{
	struct frontend_request *req = carrier_submit(c, REQUESTQ, NULL, 0, 8);
	uint32_t base;
	char in[8];

	carrier_stays(c, REQUESTQ, 2);
	base = carrier_stop(c, REQUESTQ);
	carrier_write_file(c, "source", "late", 4, true);
	carrier_stays(c, REQUESTQ, 2);
	carrier_start(c, REQUESTQ, base);
	ck_assert_uint_eq(carrier_await(c, REQUESTQ, req, in), 4);
	ck_assert_mem_eq(in, "late", 4);
}

/* A reset, or another front-end, forgets the waiting request: the bytes are the next one's. */
static void forgets(struct carrier *c, void (*how)(struct carrier *c))
{
	char in[8];

	carrier_submit(c, REQUESTQ, NULL, 0, sizeof(in));
	carrier_stays(c, REQUESTQ, 2);
	how(c);
	carrier_write_file(c, "source", "fresh", 5, true);
	carrier_stays(c, REQUESTQ, 2);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, sizeof(in)), 5);
	ck_assert_mem_eq(in, "fresh", 5);
}

static void reset_forgets(struct carrier *c)
{
	forgets(c, carrier_reset);
}

static void reconnect_forgets(struct carrier *c)
{
	forgets(c, carrier_reconnect);
}

/* A request waits in a ring that breaks: the bytes that come are not lost for the next life. */
static void breaks_while_waiting(struct carrier *c)
{
	char in[8];

	carrier_submit(c, REQUESTQ, NULL, 0, sizeof(in));
	carrier_stays(c, REQUESTQ, 2);
	carrier_share_again(c);
	carrier_stop(c, REQUESTQ);
	carrier_renew(c, REQUESTQ);
	driver_ring_publish_raw(frontend_ring(carrier_frontend(c), REQUESTQ), 40000);
	ck_assert_int_eq(frontend_kick(carrier_frontend(c), REQUESTQ), 0);
	ck_assert_int_eq(carrier_wait_broken(c, REQUESTQ, 5000), 0);
	carrier_stop(c, REQUESTQ);
	carrier_renew(c, REQUESTQ);
	carrier_write_file(c, "source", "new", 3, true);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, sizeof(in)), 3);
	ck_assert_mem_eq(in, "new", 3);
}

/* The end of a file is no answer: requests wait until the file is longer, and nothing is given twice. */
static void file_grows(struct carrier *c)
{
	struct frontend_request *req;
	char in[32];

	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, sizeof(in)), 10);
	ck_assert_mem_eq(in, "0123456789", 10);
	req = carrier_submit(c, REQUESTQ, NULL, 0, sizeof(in));
	carrier_stays(c, REQUESTQ, 50);
	carrier_write_file(c, "source", "abc", 3, true);
	ck_assert_uint_eq(carrier_await(c, REQUESTQ, req, in), 3);
	ck_assert_mem_eq(in, "abc", 3);
}

static void prepare_short_file(struct carrier *c)
{
	carrier_write_file(c, "source", "0123456789", 10, false);
}

#define QUOTA	  64
#define PERIOD_MS 150

static const char *const with_quota[] = {"--source=%T/source", "--max-bytes=64", "--period=150", NULL};

/* A period's bytes, then a wait that harms nobody else, then the next period's. */
static void quota(struct carrier *c)
{
	uint64_t begin = now_ms(), waited;
	struct frontend_request *req;
	uint8_t in[QUOTA + 36];
	size_t at = 0;

	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, QUOTA - 1), QUOTA - 1);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, 5), 1);
	at += QUOTA;
	for (unsigned int period = 1; period <= 2; period++) {
		req = carrier_submit(c, REQUESTQ, NULL, 0, sizeof(in));
		if (carrier_kind(c) != CARRIER_DIRECT) {
			/* It may have slept, this process; the device must not. */
			waited = now_ms();
			ck_assert_int_eq(frontend_sync(carrier_frontend(c)), 0);
			ck_assert_uint_lt(now_ms() - waited, PERIOD_MS / 2);
		}
		ck_assert_uint_eq(carrier_await(c, REQUESTQ, req, in), QUOTA);
		ck_assert_uint_ge(now_ms() - begin + 2, period * PERIOD_MS);
		ck_assert(is_source(in, QUOTA, at));
		at += QUOTA;
	}
}

/* The quota is the host's: a guest that resets the device or comes again gets no more of it. */
static void quota_stays_spent(struct carrier *c)
{
	uint64_t begin = now_ms();
	uint8_t in[QUOTA];

	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, QUOTA), QUOTA);
	carrier_reset(c);
	carrier_reconnect(c);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, QUOTA), QUOTA);
	ck_assert_uint_ge(now_ms() - begin + 2, PERIOD_MS);
}

/* A character device that is not waited for, but asked again. */
static int terminal = -1;

static void prepare_terminal(struct carrier *c)
{
	struct termios raw;

	terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(terminal, 0);
	ck_assert_int_eq(grantpt(terminal), 0);
	ck_assert_int_eq(unlockpt(terminal), 0);
	ck_assert_int_eq(tcgetattr(terminal, &raw), 0);
	cfmakeraw(&raw);
	ck_assert_int_eq(tcsetattr(terminal, TCSANOW, &raw), 0);
	ck_assert_int_eq(symlink(ptsname(terminal), carrier_path(c, "source")), 0);
}

static void terminal_is_asked_again(struct carrier *c)
{
	struct frontend_request *req = carrier_submit(c, REQUESTQ, NULL, 0, 16);
	char in[16];

	carrier_stays(c, REQUESTQ, 30);
	ck_assert_int_eq(write(terminal, "typed", 5), 5);
	ck_assert_uint_eq(carrier_await(c, REQUESTQ, req, in), 5);
	ck_assert_mem_eq(in, "typed", 5);
	/* The other side of the line is gone: an error, and the request waits. */
	carrier_submit(c, REQUESTQ, NULL, 0, 16);
	close(terminal);
	carrier_stays(c, REQUESTQ, 30);
	carrier_reset(c);
}

static const char *const with_zero[] = {"--source=/dev/zero", NULL};

static void character_device(struct carrier *c)
{
	uint8_t in[100];

	memset(in, 1, sizeof(in));
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, sizeof(in)), sizeof(in));
	for (size_t i = 0; i < sizeof(in); i++)
		ck_assert_uint_eq(in[i], 0);
}

/* The file behind a buffer, not that behind the ring, is cut short: the request ends, and others go on. */
static void buffer_goes(struct carrier *c)
{
	struct frontend_region r = {.guest_addr = 1ull << 40, .size = 4096, .user_addr = 1ull << 40};
	const struct driver_buf buf = {.addr = r.guest_addr, .len = 16, .writable = true};
	struct frontend *fe = carrier_frontend(c);
	struct driver_used used;
	char in[10];

	/* Its memory is nobody else's. */
	if (carrier_kind(c) == CARRIER_DIRECT)
		return;
	r.fd = memfd_create("buffer", MFD_CLOEXEC);
	ck_assert_int_ge(r.fd, 0);
	ck_assert_int_eq(ftruncate(r.fd, 4096), 0);
	ck_assert_int_eq(frontend_add_mem_reg(fe, &r), 0);
	ck_assert_int_eq(ftruncate(r.fd, 0), 0);
	close(r.fd);
	ck_assert_int_eq(driver_ring_add(frontend_ring(fe, REQUESTQ), &buf, 1, NULL, &used), 0);
	driver_ring_publish(frontend_ring(fe, REQUESTQ));
	ck_assert_int_eq(frontend_kick(fe, REQUESTQ), 0);
	ck_assert_int_eq(frontend_wait_call(fe, REQUESTQ), 0);
	ck_assert_int_eq(driver_ring_take(frontend_ring(fe, REQUESTQ), &used), 1);
	ck_assert_uint_eq(used.len, 0);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, NULL, 0, in, sizeof(in)), sizeof(in));
	ck_assert(is_source((const uint8_t *)in, sizeof(in), 0));
}

#define FROM_FIFO .args = with_source, .prepare = prepare_fifo
#define FROM_FILE .args = with_source, .prepare = prepare_file

static const struct device_case cases[] = {
	{.name = "default source", .run = default_source},
	{.name = "file in order", .run = file_in_order, FROM_FILE},
	{.name = "readable part", .run = readable_part, FROM_FILE},
	{.name = "no room", .run = no_room, FROM_FILE},
	{.name = "fifo fills", .run = fifo_fills, FROM_FIFO},
	{.name = "fifo in order", .run = fifo_in_order, FROM_FIFO, .depth = 4},
	{.name = "waits across a stop", .run = waits_across_a_stop, FROM_FIFO},
	{.name = "filled while stopped", .run = filled_while_stopped, FROM_FIFO},
	{.name = "reset forgets", .run = reset_forgets, FROM_FIFO},
	{.name = "reconnect forgets", .run = reconnect_forgets, FROM_FIFO},
	{.name = "breaks while waiting", .run = breaks_while_waiting, FROM_FIFO},
	{.name = "file grows",
	 .run = file_grows,
	 .args = with_source,
	 .prepare = prepare_short_file,
	 .flags = CASE_ONCE},
	{.name = "buffer goes", .run = buffer_goes, FROM_FILE, .flags = CASE_ONCE},
	{.name = "quota", .run = quota, .args = with_quota, .prepare = prepare_file, .flags = CASE_ONCE},
	{.name = "quota stays spent",
	 .run = quota_stays_spent,
	 .args = with_quota,
	 .prepare = prepare_file,
	 .flags = CASE_ONCE},
	{.name = "terminal",
	 .run = terminal_is_asked_again,
	 .args = with_source,
	 .prepare = prepare_terminal,
	 .flags = CASE_ONCE},
	{.name = "character device", .run = character_device, .args = with_zero},
};

static const struct device_suite rng = {
	.device = "rng",
	DEVICE_CASES(cases),
};

static struct vdev *new_device(struct ev_loop *loop, int argc, char **argv)
{
	struct opt_group groups[2] = {{0}};
	struct vdev *d;

	for (const struct vdev_class *const *class = vdev_classes; *class; class ++) {
		if (strcmp((*class)->name, "rng") != 0)
			continue;
		ck_assert_int_eq(vdev_new(*class, "rng", loop, &d), 0);
		groups[0] = (struct opt_group){"Device options", d->class->opts, d};
		ck_assert_int_eq(opt_parse(groups, false, argc, argv), argc);
		return d;
	}
	ck_abort_msg("rng is not built");
	return NULL;
}

/* A source that cannot be one is refused before there is a socket. */
START_TEST(test_bad_sources)
{
	static const struct {
		const char *arg;
		int err;
	} bad[] = {
		{"--source=/nonexistent/source", -ENOENT},
		{"--source=/tmp", -EISDIR},
		{"--source=/dev/tty/x", -ENOTDIR},
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *argv[] = {(char *)"rng", (char *)bad[i].arg, NULL};
		struct vdev *d = new_device(loop, 2, argv);

		ck_assert_int_eq(vdev_open(d), bad[i].err);
		vdev_free(d);
	}
	ev_loop_destroy(loop);
}
END_TEST

/* vhost-device-rng -c N: the bytes of a period are shared out, and there must be one for each. */
START_TEST(test_shared_out)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	char *argv[] = {(char *)"rng", (char *)"--max-bytes=3", NULL};
	struct vdev *d = new_device(loop, 2, argv);

	ck_assert_int_eq(d->class->compat->fit(d, 0, 3), 0);
	ck_assert_int_eq(d->class->compat->fit(d, 0, 2), -EINVAL);
	vdev_free(d);
	d = new_device(loop, 1, argv);
	ck_assert_int_eq(d->class->compat->fit(d, 1, 1000), 0);
	vdev_free(d);
	ev_loop_destroy(loop);
}
END_TEST

Suite *suite_rng(void)
{
	Suite *s = suite_create("rng");
	TCase *tc = tcase_create("options");

	tcase_add_test(tc, test_bad_sources);
	tcase_add_test(tc, test_shared_out);
	suite_add_tcase(s, tc);
	suite_add_device(s, &rng);
	return s;
}
