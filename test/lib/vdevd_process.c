/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vdevd_process.c - the executable as a back end of a test's own front-end; see vdevd_process.h.
 */
#include "test/lib/vdevd_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/carrier_impl.h"

#define ARGS 16

uint64_t process_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void process_dir_make(char dir[64])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, 64, "%s/vdevd-test-XXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

void process_dir_remove(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* Runs vdevd in the place of this process. */
static void run(const char *dir, char **argv)
{
	char log_path[80];
	int log;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	execv(carrier_executable(), argv);
	_exit(127);
}

void process_start_at(struct vdevd_process *p, const char *option, const char *dir, const char *name, const char *device,
		      const char *const *args)
{
	char socket_arg[112], expanded[ARGS][160], *argv[ARGS + 4] = {(char *)"vdevd", (char *)device, socket_arg};

	snprintf(p->path, sizeof(p->path), "%s/%s", dir, name);
	snprintf(socket_arg, sizeof(socket_arg), "--%s=%s", option, p->path);
	for (unsigned int i = 0; args && args[i]; i++) {
		const char *at = strstr(args[i], "%T");

		ck_assert_uint_lt(i, ARGS);
		if (at)
			snprintf(expanded[i], sizeof(expanded[i]), "%.*s%s%s", (int)(at - args[i]), args[i], dir, at + 2);
		argv[i + 3] = at ? expanded[i] : (char *)args[i];
	}
	p->pid = fork();
	ck_assert_int_ge(p->pid, 0);
	if (!p->pid)
		run(dir, argv);
}

void process_start(struct vdevd_process *p, const char *dir, const char *name, const char *device, const char *const *args)
{
	process_start_at(p, "socket-path", dir, name, device, args);
}

void process_kill(struct vdevd_process *p)
{
	ck_assert_int_eq(kill(p->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(p->pid, NULL, 0), p->pid);
	p->pid = -1;
}

/* The socket file of one that was killed is still there. */
void process_connect(const struct vdevd_process *p, struct frontend **fe)
{
	const struct frontend_opts opts = {.path = p->path, .timeout_ms = PROCESS_PATIENCE};
	uint64_t deadline = process_now_us() + PROCESS_PATIENCE * 1000u;
	int err;

	while ((err = *fe ? frontend_reconnect(*fe, p->path) : frontend_new(&opts, fe)) < 0) {
		ck_assert_msg(err == -ENOENT || err == -ECONNREFUSED, "connection: %s", strerror(-err));
		ck_assert_msg(process_now_us() < deadline, "%s does not listen", carrier_executable());
		usleep(500);
	}
}
