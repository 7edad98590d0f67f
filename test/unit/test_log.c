/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_log.c - lines on stderr: form, levels, rate limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/log.h"
#include "test/unit/capture.h"

Suite *suite_log(void);

START_TEST(line_form)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	log_info(&l, "hello %d", 7);
	log_warn(&l, "look out");
	log_error(&l, "broken");
	log_error(NULL, "no instance");
	log_usage(&l, "--x: unknown option");
	ck_assert_str_eq(capture_end(&c), "vdevd rng: hello 7\n"
					  "vdevd rng: warning: look out\n"
					  "vdevd rng: error: broken\n"
					  "vdevd: error: no instance\n"
					  "vdevd rng: --x: unknown option\n");
}
END_TEST

START_TEST(levels)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	log_debug(&l, "hidden");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug(&l, "shown");
	log_set_level(LOG_LEVEL_WARN);
	log_info(&l, "hidden");
	log_warn(&l, "shown");
	log_set_level(LOG_LEVEL_ERROR);
	log_warn(&l, "hidden");
	log_guest(&l, "hidden");
	log_error(&l, "shown");
	log_usage(&l, "shown");
	log_set_level(LOG_LEVEL_INFO);
	ck_assert_str_eq(capture_end(&c), "vdevd rng: shown\n"
					  "vdevd rng: warning: shown\n"
					  "vdevd rng: error: shown\n"
					  "vdevd rng: shown\n");
}
END_TEST

START_TEST(level_names)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	enum log_level level = LOG_LEVEL_INFO;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		ck_assert_int_eq(log_level_parse(names[i], &level), 0);
		ck_assert_uint_eq(level, i);
	}
	ck_assert_int_eq(log_level_parse("warning", &level), -EINVAL);
	ck_assert_int_eq(log_level_parse("", &level), -EINVAL);
	ck_assert_uint_eq(level, LOG_LEVEL_DEBUG);
}
END_TEST

/* What a message quotes cannot look like another line. */
START_TEST(control_characters)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	log_error(&l, "%s: no such file", "a\nvdevd rng: all is well\033[2J\x7f");
	ck_assert_str_eq(capture_end(&c), "vdevd rng: error: a?vdevd rng: all is well?[2J?: no such file\n");
}
END_TEST

/* Characters of eight bits that a terminal acts upon do not pass; letters do. */
START_TEST(eight_bit_controls)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{"\x9b" "2J", "?2J"},
		{"\xc2\x9b" "2J", "??2J"},
		{"\xc2\x85x", "??x"},
		{"\xc2\xa0\xc3\x9b", "\xc2\xa0\xc3\x9b"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\xc3\x1b[2J", "\xc3?[2J"},
		{"\xc3x\x9b", "\xc3x?"},
		{"\xc0\x9b\xff\x80\xf5", "?????"},
		{"\xc3\x9b\x9b", "\xc3\x9b?"},
	};
	struct capture c;
	char want[100];

	capture_start(&c);
	log_info(NULL, "%s", table[_i].in);
	snprintf(want, sizeof(want), "vdevd: %s\n", table[_i].out);
	ck_assert_str_eq(capture_end(&c), want);
}
END_TEST

START_TEST(long_line)
{
	struct log l = {.prefix = "rng"};
	char word[5000];
	struct capture c;
	const char *text;
	size_t len;

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	capture_start(&c);
	log_info(&l, "%s", word);
	log_info(&l, "next");
	text = capture_end(&c);
	len = strcspn(text, "\n");
	ck_assert_uint_ge(len, 2000);
	ck_assert_uint_lt(len, 2048);
	ck_assert(strncmp(text + len - 4, "x...\n", 5) == 0);
	ck_assert_str_eq(text + len + 1, "vdevd rng: next\n");
}
END_TEST

START_TEST(errno_kept)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	errno = ENOTTY;
	log_info(&l, "%m");
	ck_assert_int_eq(errno, ENOTTY);
	close(STDERR_FILENO);
	errno = EAGAIN;
	log_info(&l, "nobody reads this");
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_str_eq(capture_end(&c), "vdevd rng: Inappropriate ioctl for device\n");
}
END_TEST

enum kind {
	KIND_PIPE,
	KIND_FOREIGN_PIPE, /* another user's: it cannot be opened once more */
	KIND_SOCKET,
	KIND_TERMINAL,
	KINDS
};

/* Makes standard error one of this kind.  Returns the other side, which does not block; -1: this user cannot. */
static int open_kind(enum kind kind)
{
	int fds[2] = {-1, -1};

	if (kind == KIND_SOCKET) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	} else if (kind == KIND_TERMINAL) {
		fds[0] = posix_openpt(O_RDWR | O_NOCTTY);
		ck_assert(fds[0] >= 0 && grantpt(fds[0]) == 0 && unlockpt(fds[0]) == 0);
		fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY);
		ck_assert_int_ge(fds[1], 0);
	} else {
		ck_assert_int_eq(pipe(fds), 0);
	}
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	if (kind == KIND_FOREIGN_PIPE && (geteuid() != 0 || seteuid(65534) < 0))
		return -1;
	log_never_block();
	if (kind == KIND_FOREIGN_PIPE)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	return fds[0];
}

/*
 * Reads whole lines until there are no more; counts those that begin with "vdevd: line", and adds up what is told as lost.  A line
 * that is not whole is one whose rest is still to be written, or is under way in the kernel: it is the next call's.
 */
static void read_lines(int fd, unsigned int *lines, unsigned int *lost)
{
	static char text[1 << 20], begun[1024];
	size_t len = strlen(begun), whole;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	unsigned int n, last = 0;
	ssize_t got;

	memcpy(text, begun, len);
	while (poll(&p, 1, len && text[len - 1] != '\n' ? 500 : 50) > 0 &&
	       (got = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	for (whole = len; whole && text[whole - 1] != '\n'; whole--)
		;
	ck_assert_uint_lt(len - whole, sizeof(begun));
	memcpy(begun, text + whole, len - whole);
	begun[len - whole] = '\0';
	text[whole] = '\0';
	*lines = *lost = 0;
	for (char *at = strtok(text, "\r\n"); at; at = strtok(NULL, "\r\n")) {
		if (sscanf(at, "vdevd: line %u", &n) == 1) {
			ck_assert_uint_gt(n, last);
			ck_assert_str_eq(at + strlen(at) - 4, "xxx.");
			last = n;
			++*lines;
		} else {
			ck_assert_int_eq(sscanf(at, "vdevd: warning: %u lines of the log were lost", &n), 1);
			*lost += n;
		}
	}
}

/* Nobody reads standard error: no line waits, each is written or counted, and the number is told. */
START_TEST(nobody_reads)
{
	enum kind kind = (enum kind)_i;
	char tail[301];
	int fd;
	unsigned int lines, lost, more, told;

	memset(tail, 'x', sizeof(tail) - 1);
	tail[sizeof(tail) - 1] = '\0';
	fd = open_kind(kind);
	if (fd < 0)
		return;
	for (unsigned int i = 1; i <= 9000; i++)
		log_info(NULL, "line %u %.*s.", i, (int)(3 + i % 298), tail);
	ck_assert_uint_gt(log_lost(), 100);
	read_lines(fd, &lines, &told); /* a short line may have had room where a long one had not */
	ck_assert_uint_gt(lines, 5);
	log_catch_up();
	ck_assert_uint_eq(log_lost(), 0);
	log_info(NULL, "line 9001 xxx.");
	read_lines(fd, &more, &lost);
	ck_assert_uint_ge(more, 1);
	ck_assert_uint_eq(lines + told + more + lost, 9001);

	/* At the end it is told without another line. */
	for (unsigned int i = 1; i <= 9000; i++)
		log_info(NULL, "line %u xxx.", i);
	read_lines(fd, &lines, &told);
	ck_assert_uint_gt(log_lost(), 0);
	log_end();
	read_lines(fd, &more, &lost);
	ck_assert_uint_eq(lines + told + more + lost, 9000);
	close(fd);
}
END_TEST

/* A file gets each line, at its end; what nobody can ever read is forgotten. */
START_TEST(never_block_file)
{
	char path[] = "/tmp/vdevd-log-XXXXXX", text[100];
	int fd = mkstemp(path), p[2];
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "first\n", 6), 6);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_never_block();
	log_info(NULL, "second");
	n = pread(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, "first\nvdevd: second\n");
	unlink(path);
	close(fd);

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	close(p[0]);
	close(p[1]);
	signal(SIGPIPE, SIG_IGN);
	log_never_block();
	log_info(NULL, "nobody");
	ck_assert_uint_eq(log_lost(), 0);
	close(STDERR_FILENO);
	log_never_block();
	log_info(NULL, "nobody");
	ck_assert_uint_eq(log_lost(), 0);
}
END_TEST

static unsigned int count_lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

START_TEST(guest_limit)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	for (unsigned int i = 0; i < LOG_GUEST_BURST + 25; i++)
		log_guest(&l, "bad request");
	ck_assert_uint_eq(count_lines(capture_end(&c)), LOG_GUEST_BURST);
	ck_assert_ptr_nonnull(strstr(c.text, "vdevd rng: warning: bad request\n"));
	ck_assert_uint_eq(l.suppressed, 25);

	/* The interval is over. */
	ck_assert_uint_ne(l.interval_start_ms, 0);
	l.interval_start_ms -= LOG_GUEST_INTERVAL_MS;
	capture_start(&c);
	log_guest(&l, "bad again");
	log_guest(&l, "and again");
	ck_assert_str_eq(capture_end(&c), "vdevd rng: warning: 25 more such lines were not shown\n"
					  "vdevd rng: warning: bad again\n"
					  "vdevd rng: warning: and again\n");
	ck_assert_uint_eq(l.suppressed, 0);
}
END_TEST

/* One guest's lines do not use up another's. */
START_TEST(guest_limit_is_per_instance)
{
	struct log a = {.prefix = "a"}, b = {.prefix = "b"};
	struct capture c;

	capture_start(&c);
	for (unsigned int i = 0; i < 2 * LOG_GUEST_BURST; i++)
		log_guest(&a, "noise");
	log_guest(&b, "heard");
	ck_assert_ptr_nonnull(strstr(capture_end(&c), "vdevd b: warning: heard\n"));
	ck_assert_uint_eq(b.suppressed, 0);
}
END_TEST

Suite *suite_log(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_test(tc, line_form);
	tcase_add_test(tc, levels);
	tcase_add_test(tc, level_names);
	tcase_add_test(tc, control_characters);
	tcase_add_loop_test(tc, eight_bit_controls, 0, 10);
	tcase_add_loop_test(tc, nobody_reads, 0, KINDS);
	tcase_add_test(tc, never_block_file);
	tcase_add_test(tc, long_line);
	tcase_add_test(tc, errno_kept);
	tcase_add_test(tc, guest_limit);
	tcase_add_test(tc, guest_limit_is_per_instance);
	suite_add_tcase(s, tc);
	return s;
}
