/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run_check.c - whether the devices of a file of `vdevd run` can be as they are called; see run_file.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/run/run_file.h"

/*
 * Whether the options of a line are right: told by the device itself, in a process of its own, which opens nothing and whose output nobody
 * wants.
 */
static bool line_ok(const struct run_line *l, const char *path, struct log *log)
{
	char *argv[RUN_WORDS_MAX + 6];
	int status, unwanted, argc = l->argc;
	pid_t pid;

	memcpy(argv, l->argv, (size_t)argc * sizeof(*argv));
	argv[argc++] = (char *)"--print-frontend=uml";
	argv[argc] = NULL;
	pid = fork();
	if (pid == 0) {
		/* An image may have no /dev/null. */
		unwanted = memfd_create("unwanted", 0);
		if (unwanted < 0 || dup2(unwanted, STDOUT_FILENO) < 0) {
			log_error(log, "%s:%u: a place for what it writes: %s", path, l->number, strerror(errno));
			_exit(CMD_FAILED);
		}
		exit(cmd_call(argc, argv));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		log_error(log, "%s:%u: %s", path, l->number, strerror(errno));
		return false;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == CMD_OK)
		return true;
	log_usage(log, "%s:%u: %s: the line above says what is wrong", path, l->number, l->name);
	return false;
}

bool run_file_ok(const struct run_file *f, const char *path, struct log *log)
{
	bool ok = true;

	for (unsigned int i = 0; i < f->nlines; i++)
		ok &= line_ok(&f->lines[i], path, log);
	return ok;
}
