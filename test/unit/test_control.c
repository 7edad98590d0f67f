/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_control.c - the control socket: commands, answers, watchers, and clients that misbehave.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control.h"
#include "core/unix_socket.h"
#include "test/unit/suites.h"

static char dir[] = "/tmp/vdevd-control-XXXXXX";
static char path[64];
static struct ev_loop *loop;
static struct log test_log = {.prefix = "test"};
static struct control *ctl;
static unsigned int sets; /* times "set" was run */

static int run_set(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	ck_assert_ptr_eq(arg, &sets);
	sets++;
	if (strcmp(argv[argc - 1], "wrong") != 0)
		return 0;
	snprintf(why, why_size, "'wrong': a right value is wanted");
	return -EINVAL;
}

static int run_get(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	ck_assert_uint_eq(argc, 1);
	for (int i = atoi(argv[0]); i > 0; i--)
		control_say(c, "line %d", i);
	return 0;
}

/* Takes N descriptors, writes a byte to each and closes it. */
static int run_take(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	for (int i = 0; i < atoi(argv[0]); i++) {
		int fd = control_take_fd(c);

		if (fd < 0) {
			snprintf(why, why_size, "a descriptor is wanted");
			return -EINVAL;
		}
		ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
		ck_assert_int_eq(write(fd, "", 1), 1);
		close(fd);
	}
	return 0;
}

static int run_other(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	control_say(c, "%s", (const char *)arg);
	return 0;
}

static const struct control_command commands[] = {
	{"set", "ADDR VALUE", "sets it", 2, 2, run_set},
	{"get", "N", "says N lines", 1, 1, run_get},
	{"take", "N", "takes N descriptors", 1, 1, run_take},
	{0},
};

/* Its "get" is not reached: the first of a name is meant. */
static const struct control_command more_commands[] = {
	{"other", "", "says what it was added with", 0, 0, run_other},
	{"get", "", "is never run", 0, 9, run_other},
	{0},
};

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ctl", dir);
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(control_open(path, &test_log, loop, &ctl), 0);
	control_add(ctl, commands, &sets);
	control_add(ctl, NULL, NULL);
	control_add(ctl, more_commands, "something");
	control_add(NULL, commands, NULL);
	sets = 0;
}

static void teardown(void)
{
	control_close(ctl);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(rmdir(dir), 0);
	ev_loop_destroy(loop);
}

/* Turns of the loop, more than any exchange here needs. */
static void turns(void)
{
	for (int i = 0; i < 40; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

static int client(void)
{
	int fd = unix_connect(path);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turns();
}

/* What has come, as a string. */
static const char *heard(int fd)
{
	static char buf[1 << 20];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0)) > 0) {
		len += (size_t)n;
		turns();
	}
	buf[len] = '\0';
	return buf;
}

static bool at_end(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) == 0;
}

static const struct {
	const char *sent, *answer;
} exchanges[] = {
	{"set 1 2\n", "ok\n"},
	{"  set\t1  2 \r\n", "ok\n"},
	{"set 1 wrong\n", "error: 'wrong': a right value is wanted\n"},
	{"set 1\n", "error: set ADDR VALUE is wanted\n"},
	{"set 1 2 3\n", "error: set ADDR VALUE is wanted\n"},
	{"get 2\n", "line 2\nline 1\nok\n"},
	{"\n \n# set 1 2\n", ""},
	{"set 1 2\nget 1\nset 1 2\n", "ok\nline 1\nok\nok\n"},
	{"what\n", "error: 'what': no such command; help lists them\n"},
	{"watch\nwatch off\n", "ok\nok\n"},
	{"watch me\n", "error: watch [off] is wanted\n"},
	{"watch off off\n", "error: watch [off] is wanted\n"},
	{"other\n", "something\nok\n"},
	{"other than\n", "error: other goes without more words\n"},
	{"log-level\nlog-level debug\nlog-level\nlog-level info\n", "info\nok\nok\ndebug\nok\nok\n"},
	{"log-level loud\n", "error: 'loud': error, warn, info or debug is wanted\n"},
	{"take 1\n", "error: a descriptor is wanted\n"},
	{"help\n", "set ADDR VALUE                sets it\n"
		   "get N                         says N lines\n"
		   "take N                        takes N descriptors\n"
		   "other                         says what it was added with\n"
		   "get                           is never run\n"
		   "log-level [LEVEL]             shows or sets the level: error, warn, info, debug\n"
		   "watch [off]                   shows what happens, as lines that begin with '! '\n"
		   "quit                          ends the process, as SIGTERM does\n"
		   "help                          shows this\n"
		   "ok\n"},
};

START_TEST(test_commands)
{
	int fd = client();

	say(fd, exchanges[_i].sent);
	ck_assert_str_eq(heard(fd), exchanges[_i].answer);
	say(fd, "get 0\n");
	ck_assert_str_eq(heard(fd), "ok\n");
	close(fd);
	turns();
}
END_TEST

/* A command may come in pieces, and the last line without its end. */
START_TEST(test_pieces)
{
	const char *line = "get 1\nget 2";
	int fd = client();

	for (const char *p = line; *p; p++)
		say(fd, (char[]){*p, '\0'});
	ck_assert_str_eq(heard(fd), "line 1\nok\n");
	shutdown(fd, SHUT_WR);
	turns();
	ck_assert_str_eq(heard(fd), "line 2\nline 1\nok\n");
	ck_assert(at_end(fd));
	close(fd);
}
END_TEST

START_TEST(test_too_long)
{
	char text[3 * CONTROL_LINE_MAX];
	int fd = client();

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	say(fd, text);
	say(fd, "yy\nget 1\n");
	ck_assert_str_eq(heard(fd), "error: a line of more than 1024 bytes\nline 1\nok\n");

	text[0] = '\0';
	for (int i = 0; i < CONTROL_WORDS + 1; i++)
		strcat(text, "w ");
	strcat(text, "\n");
	say(fd, text);
	ck_assert_str_eq(heard(fd), "error: more than 64 words\n");
	close(fd);
	turns();
}
END_TEST

START_TEST(test_watchers)
{
	int a = client(), b = client(), deaf = client();

	turns();
	ck_assert(!control_watched(ctl));
	say(a, "watch\n");
	say(b, "watch\n");
	ck_assert(control_watched(ctl));
	control_tell(ctl, "value %d", 7);
	turns();
	ck_assert_str_eq(heard(a), "ok\n! value 7\n");
	ck_assert_str_eq(heard(b), "ok\n! value 7\n");
	ck_assert_str_eq(heard(deaf), "");
	say(b, "watch off\n");
	heard(b);
	control_tell(ctl, "value %d", 8);
	turns();
	ck_assert_str_eq(heard(a), "! value 8\n");
	ck_assert_str_eq(heard(b), "");
	close(a);
	close(b);
	close(deaf);
	turns();
	ck_assert(!control_watched(ctl));
	control_tell(ctl, "nobody hears this");
}
END_TEST

/* What a watcher that does not read is told is bounded, and it learns how much it has lost. */
START_TEST(test_slow_watcher)
{
	int fd = client(), last = -1, n;
	unsigned int lost = 0;
	const char *text;

	say(fd, "watch\n");
	heard(fd);
	for (int i = 0; i < 20000; i++) {
		control_tell(ctl, "%0100d", i);
		if (i % 100 == 0)
			ev_run(loop, EVRUN_NOWAIT);
	}
	for (text = heard(fd); *text; text = strchr(text, '\n') + 1) {
		if (sscanf(text, "! lost %u", &lost) == 1)
			break;
		ck_assert_int_eq(sscanf(text, "! %d", &n), 1);
		ck_assert_int_eq(n, last + 1);
		last = n;
	}
	ck_assert_int_gt(last, 0);
	ck_assert_int_eq(last + 1 + (int)lost, 20000);
	control_tell(ctl, "again");
	turns();
	ck_assert_str_eq(heard(fd), "! again\n");
	close(fd);
	turns();
}
END_TEST

/* A client that sends and never reads is not read from for ever; others are served. */
START_TEST(test_slow_client)
{
	int fd = client(), other = client();
	size_t sent = 0;
	ssize_t n;

	while ((n = send(fd, "get 1000\n", 9, MSG_NOSIGNAL)) > 0 && sent < 16 << 20) {
		sent += (size_t)n;
		turns();
	}
	ck_assert_int_lt(n, 0);
	ck_assert_int_eq(errno, EAGAIN);
	say(other, "get 1\n");
	ck_assert_str_eq(heard(other), "line 1\nok\n");
	close(fd);
	close(other);
	turns();
}
END_TEST

/* A long answer comes whole; one longer than the buffer is cut, and its last line says so. */
START_TEST(test_long_answer)
{
	int fd = client(), last;
	unsigned int more;
	const char *text;

	say(fd, "get 10000\n");
	text = heard(fd);
	ck_assert_ptr_eq(strstr(text, "line 10000\nline 9999\n"), text);
	ck_assert_str_eq(strstr(text, "line 2\n"), "line 2\nline 1\nok\n");
	say(fd, "get 100000\n");
	text = heard(fd);
	ck_assert_uint_le(strlen(text), CONTROL_OUT_MAX);
	ck_assert_uint_gt(strlen(text), CONTROL_OUT_MAX - 1000);
	text = strstr(text, "\nerror: ");
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(sscanf(text, "\nerror: the answer was cut: %u lines more\n", &more), 1);
	for (text--; *text != '\n'; text--)
		;
	ck_assert_int_eq(sscanf(text + 1, "line %d", &last), 1);
	ck_assert_int_eq(last, (int)more + 1);
	say(fd, "get 1\n");
	ck_assert_str_eq(heard(fd), "line 1\nok\n");
	close(fd);
	turns();
}
END_TEST

/* Sends text with n descriptors in one message, if it can be sent. */
static ssize_t try_with(int sock, const char *text, int fd, unsigned int n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(32 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (char *)text, .iov_len = strlen(text)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);

	if (n == 0)
		return send(sock, text, strlen(text), MSG_NOSIGNAL);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned int i = 0; i < n; i++)
		memcpy(CMSG_DATA(cm) + i * sizeof(int), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static void say_with(int sock, const char *text, int fd, unsigned int n)
{
	ck_assert_int_eq(try_with(sock, text, fd, n), (ssize_t)strlen(text));
}

/* The bytes that were written to the pipe, and whether nobody has its other end any more. */
static unsigned int pipe_bytes(int fd, bool *over)
{
	unsigned int count = 0;
	char bytes[64];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		count += (unsigned int)n;
	*over = n == 0;
	return count;
}

/* Descriptors go to the command they came with, and to no other; what is not taken is closed. */
START_TEST(test_fds)
{
	int fd = client(), p[2];
	bool over;

	ck_assert_int_eq(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	/* All in one read but for the end: descriptors end it. */
	ck_assert_int_eq(send(fd, "get 0\ntake 1\n", 13, MSG_NOSIGNAL), 13);
	say_with(fd, "take 2\n", p[1], 3);
	ck_assert_int_eq(send(fd, "take 1\n", 7, MSG_NOSIGNAL), 7);
	turns();
	ck_assert_str_eq(heard(fd), "ok\nerror: a descriptor is wanted\nok\nerror: a descriptor is wanted\n");
	ck_assert_uint_eq(pipe_bytes(p[0], &over), 2);

	/* With a part of a line. */
	say_with(fd, "ta", p[1], 1);
	say(fd, "ke");
	say_with(fd, " 3", p[1], 2);
	say(fd, "\n");
	ck_assert_str_eq(heard(fd), "ok\n");
	ck_assert_uint_eq(pipe_bytes(p[0], &over), 3);

	/* With a line that is too long, one without a command, and never a line. */
	char text[2 * CONTROL_LINE_MAX] = "";

	memset(text, 'x', sizeof(text) - 2);
	text[sizeof(text) - 2] = '\n';
	say_with(fd, text, p[1], 2);
	say_with(fd, "\n", p[1], 2);
	say_with(fd, "take 1", p[1], 1);
	close(p[1]);
	turns();
	ck_assert_str_eq(heard(fd), "error: a line of more than 1024 bytes\n");
	close(fd);
	turns();
	ck_assert_uint_eq(pipe_bytes(p[0], &over), 1);
	ck_assert(over);
	close(p[0]);
}
END_TEST

/* More descriptors than can wait are closed at once, and the command hears of it. */
START_TEST(test_too_many_fds)
{
	int fd = client(), p[2];
	bool over;

	ck_assert_int_eq(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	for (unsigned int n = CONTROL_FDS; n <= 32; n += 4) {
		char want[100];

		snprintf(want, sizeof(want), "take %u\n", n);
		say_with(fd, want, p[1], n);
		turns();
		snprintf(want, sizeof(want), "error: descriptors were lost; at most %u can wait for their command\n",
			 CONTROL_FDS);
		ck_assert_str_eq(heard(fd), n == CONTROL_FDS ? "ok\n" : want);
	}
	for (unsigned int i = 0; i < 100; i++) {
		say_with(fd, "x", p[1], CONTROL_FDS);
		turns();
	}
	say(fd, "\nget 0\n");
	ck_assert_str_eq(heard(fd), "error: descriptors were lost; at most 8 can wait for their command\nok\n");
	close(p[1]);
	ck_assert_uint_eq(pipe_bytes(p[0], &over), CONTROL_FDS);
	ck_assert(over);
	close(p[0]);
	close(fd);
	turns();
}
END_TEST

/* Clients that send whatever comes to mind, with descriptors, and go when they like: another one is served all the
 * same. */
START_TEST(test_wild_clients)
{
	static const char *const words[] = {"set 1 2",	 "get 50", "take 1",	"take 2",   "watch",
					    "watch off", "help",   "\n",	"\n",	    " ",
					    "\r",	 "#",	   "log-level", "\xff\x80", "x"};
	int fds[CONTROL_CLIENTS - 1], p[2], fd = client();
	unsigned int seed = 1;
	bool over;

	ck_assert_int_eq(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	memset(fds, 0xff, sizeof(fds));
	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int k = (unsigned int)rand_r(&seed) % ARRAY_SIZE(fds),
			     what = (unsigned int)rand_r(&seed) % 100;
		const char *word = words[(unsigned int)rand_r(&seed) % ARRAY_SIZE(words)];

		if (fds[k] < 0) {
			fds[k] = unix_connect(path);
		} else if (what < 5) {
			close(fds[k]);
			fds[k] = -1;
		} else if (what < 8) {
			shutdown(fds[k], SHUT_WR);
		} else if (what < 20) {
			heard(fds[k]);
		} else {
			try_with(fds[k], word, p[1], what < 40 ? what % 12 : 0);
		}
		ev_run(loop, EVRUN_NOWAIT);
		if (i % 100 == 0)
			control_tell(ctl, "told %u", i);
		if (i % 500 == 0) {
			say(fd, "get 1\n");
			ck_assert_str_eq(heard(fd), "line 1\nok\n");
			pipe_bytes(p[0], &over);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	close(p[1]);
	turns();
	pipe_bytes(p[0], &over);
	ck_assert(over); /* none of the descriptors is left anywhere */
	close(p[0]);
	close(fd);
	turns();
}
END_TEST

/* The loop ends, and the answer is out by then. */
START_TEST(test_quit)
{
	int fd = client();

	ck_assert_int_eq(send(fd, "quit\n", 5, MSG_NOSIGNAL), 5);
	ev_run(loop, 0);
	ck_assert_str_eq(heard(fd), "ok\n");
	close(fd);
	turns();
}
END_TEST

START_TEST(test_too_many)
{
	int fds[CONTROL_CLIENTS], one_more;

	for (int i = 0; i < CONTROL_CLIENTS; i++)
		fds[i] = client();
	turns();
	one_more = client();
	say(one_more, "get 1\n");
	ck_assert_str_eq(heard(one_more), "");
	say(fds[3], "get 1\n");
	ck_assert_str_eq(heard(fds[3]), "line 1\nok\n");
	close(fds[3]);
	turns();
	ck_assert_str_eq(heard(one_more), "line 1\nok\n");
	close(one_more);
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		if (i != 3)
			close(fds[i]);
	}
	turns();
}
END_TEST

/* The file: a live one and one that is no socket stay, a stale one goes, another's is not unlinked. */
START_TEST(test_file)
{
	struct unix_listener l, m;
	char other[80], longer[200];
	struct stat st;
	int fd;

	ck_assert_int_eq(unix_listen(&l, path, UINT64_MAX, 1), -EADDRINUSE);
	snprintf(other, sizeof(other), "%s/other", dir);
	fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(unix_listen(&l, other, UINT64_MAX, 1), -EADDRINUSE);
	unlink(other);

	ck_assert_int_eq(unix_listen(&l, other, 0640, 1), 0);
	ck_assert_int_eq(stat(other, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	close(l.fd);
	ck_assert_int_eq(unix_listen(&m, other, 0600, 1), 0); /* stale */
	unlink(other);
	ck_assert_int_eq(unix_listen(&l, other, 0600, 1), 0);
	unix_listener_close(&m);
	ck_assert_int_eq(stat(other, &st), 0); /* the other one's by now */
	unix_listener_close(&l);
	ck_assert_int_eq(stat(other, &st), -1);
	unix_listener_close(&l);

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(unix_listen(&l, longer, 0600, 1), -ENAMETOOLONG);
	ck_assert_int_eq(unix_listen(&l, "", 0600, 1), -ENAMETOOLONG);
	ck_assert_int_eq(unix_connect(longer), -ENAMETOOLONG);
	ck_assert_int_eq(unix_connect(other), -ENOENT);

	ck_assert(!unix_path_fits(longer));
	ck_assert(!unix_path_fits(""));
	longer[UNIX_PATH_LEN + 1] = '\0';
	ck_assert(!unix_path_fits(longer));
	longer[UNIX_PATH_LEN] = '\0';
	ck_assert(unix_path_fits(longer));
}
END_TEST

Suite *suite_control(void)
{
	Suite *s = suite_create("control");
	TCase *tc = tcase_create("socket");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_commands, 0, ARRAY_SIZE(exchanges));
	tcase_add_test(tc, test_pieces);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_watchers);
	tcase_add_test(tc, test_slow_watcher);
	tcase_add_test(tc, test_slow_client);
	tcase_add_test(tc, test_long_answer);
	tcase_add_test(tc, test_fds);
	tcase_add_test(tc, test_too_many_fds);
	tcase_add_test(tc, test_wild_clients);
	tcase_add_test(tc, test_quit);
	tcase_add_test(tc, test_too_many);
	tcase_add_test(tc, test_file);
	suite_add_tcase(s, tc);
	return s;
}
