/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * inherit.c - what a process has of its parent and cannot use as it is; see inherit.h.
 */
#include "cmd/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "core/loop.h"

/* Descriptors that a process which serves has open at least, besides those it was started with, without its device. */
#define FDS_WANTED 12

/* What the soft limit is on most machines. */
#define USUAL_FDS 1024

/* Puts something at this descriptor, the lowest that is free. */
static bool fill(int fd)
{
	/* The wrong way round: who writes to standard output learns that it is not there, as before. */
	int got = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);

	if (got < 0)
		got = open("/", O_RDONLY | O_DIRECTORY);
	return got == fd;
}

void inherit_mend(void)
{
	sigset_t none;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && !fill(fd))
			_exit(CMD_FAILED);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL);
}

/* Whether so many descriptors can be opened. */
static bool have_fds(unsigned int count)
{
	int fds[FDS_WANTED];
	unsigned int n = 0;

	while (n < count && (fds[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
	return n == count;
}

/* Raises the soft limit where the hard one allows.  Returns 0, or -EMFILE after a line that says so. */
static int check_fds(struct log *l)
{
	struct rlimit limit;

	if (have_fds(FDS_WANTED) || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_cur < USUAL_FDS) {
		limit.rlim_cur = min_u64(limit.rlim_max, USUAL_FDS);
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && have_fds(FDS_WANTED))
			return 0;
	}
	log_error(l, "%d more open files are needed, and %ju are allowed in all (ulimit -n)", FDS_WANTED,
		  (uintmax_t)limit.rlim_cur);
	return -EMFILE;
}

struct ev_loop *inherit_loop(struct log *l)
{
	struct ev_loop *loop;

	if (check_fds(l) < 0)
		return NULL;
	loop = loop_new();
	if (!loop)
		log_error(l, "no event loop: %s", strerror(errno));
	return loop;
}
