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

static const struct control_command commands[] = {
	{"set", "ADDR VALUE", "sets it", 2, 2, run_set},
	{"get", "N", "says N lines", 1, 1, run_get},
	{0},
};

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ctl", dir);
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(control_open(path, &test_log, loop, commands, &sets, &ctl), 0);
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

START_TEST(test_commands)
{
	static const struct {
		const char *sent, *answer;
	} table[] = {
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
		{"help\n", "set ADDR VALUE                sets it\n"
			   "get N                         says N lines\n"
			   "watch [off]                   shows what happens, as lines that begin with '! '\n"
			   "help                          shows this\n"
			   "ok\n"},
	};
	int fd = client();

	say(fd, table[_i].sent);
	ck_assert_str_eq(heard(fd), table[_i].answer);
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

/* An answer longer than the buffer is cut, and says so. */
START_TEST(test_long_answer)
{
	int fd = client();
	const char *text;

	say(fd, "get 5000\n");
	text = heard(fd);
	ck_assert_ptr_eq(strstr(text, "line 5000\nline 4999\n"), text);
	ck_assert_ptr_nonnull(strstr(text, "\n! lost "));
	say(fd, "get 1\n");
	ck_assert_str_eq(heard(fd), "line 1\nok\n");
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
}
END_TEST

Suite *suite_control(void)
{
	Suite *s = suite_create("control");
	TCase *tc = tcase_create("socket");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_commands, 0, 12);
	tcase_add_test(tc, test_pieces);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_watchers);
	tcase_add_test(tc, test_slow_watcher);
	tcase_add_test(tc, test_slow_client);
	tcase_add_test(tc, test_long_answer);
	tcase_add_test(tc, test_too_many);
	tcase_add_test(tc, test_file);
	suite_add_tcase(s, tc);
	return s;
}
