/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run_control.c - the operator's commands to `vdevd run`; see core/control.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/run/run.h"

/* Finds a child by its name.  Returns NULL with a reason. */
static struct run_child *find(struct run *r, const char *name, char *why, size_t why_size)
{
	for (struct run_child *c = r->children; c; c = c->next) {
		if (strcmp(c->line->name, name) == 0)
			return c;
	}
	snprintf(why, why_size, "'%s': no device of this name (status lists them)", name);
	return NULL;
}

/* A column's text: "-" for none, and no blanks, which part the columns. */
static void say_column(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text && *text ? text : "-");
	for (char *at = out; *at; at++) {
		if (*at == ' ')
			*at = '_';
	}
}

/* NAME DEVICE STATE PID RESTARTS SOCKET CONTROL FRONT-END LAST-END, a line a device. */
static int run_status(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct run *r = arg;

	for (const struct run_child *child = r->children; child; child = child->next) {
		const struct run_line *l = child->line;
		const struct run_proc *p = &child->device;
		char status[80], last[80], path[UNIX_PATH_LEN + 1];

		say_column(status, sizeof(status), p->status);
		say_column(last, sizeof(last), p->last);
		say_column(path, sizeof(path), l->path);
		control_say(c, "%s %s %s %d %u %s %s %s %s", l->name, l->argv[0], run_state_name(run_child_state(child)), (int)p->pid,
			    p->restarts, path, l->control, status, last);
	}
	return 0;
}

static int run_start(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct run_child *child = find(arg, argv[0], why, why_size);

	if (!child)
		return -ENOENT;
	if (((const struct run *)arg)->ending) {
		snprintf(why, why_size, "vdevd run is about to end");
		return -ESHUTDOWN;
	}
	child->device.restarts = child->relay_proc.restarts = 0;
	run_child_start(child);
	return 0;
}

static int run_stop(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct run_child *child = find(arg, argv[0], why, why_size);

	if (!child)
		return -ENOENT;
	run_child_stop(child);
	return 0;
}

static int run_reread(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	int err = run_reload(arg);

	if (err == -ESHUTDOWN)
		snprintf(why, why_size, "vdevd run is about to end");
	else if (err)
		snprintf(why, why_size, "the file is not as it should be, and nothing was changed: the log says where");
	return err;
}

static int run_health(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct run *r = arg;
	unsigned int all = 0, ready = 0;

	for (const struct run_child *child = r->children; child; child = child->next) {
		all++;
		ready += run_child_state(child) == RUN_READY;
	}
	control_say(c, "ready %u of %u", ready, all);
	if (ready == all)
		return 0;
	snprintf(why, why_size, "%u of %u devices are not ready", all - ready, all);
	return -EAGAIN;
}

const struct control_command run_commands[] = {
	{"status", "", "shows all devices, a line each (vdevd status: as a table)", 0, 0, run_status},
	{"start", "NAME", "starts a device that was stopped, has ended or is given up", 1, 1, run_start},
	{"stop", "NAME", "ends a device; its socket stays", 1, 1, run_stop},
	{"reload", "", "reads the file again, as SIGHUP", 0, 0, run_reread},
	{"health", "", "an error: a device is not ready", 0, 0, run_health},
	{0},
};
