/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run_child.c - a line of the file of `vdevd run`, with its sockets and processes; see run.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/run/run.h"
#include "core/service.h"

/* Connections that wait while nobody serves. */
#define BACKLOG 16

/* Listens at path.  Returns 0 or -errno after a line. */
static int listen_at(struct run_child *c, struct unix_listener *l, const char *path, uint64_t mode)
{
	int err = unix_listen(l, path, mode, BACKLOG);

	if (err) {
		l->fd = -1;
		log_error(c->run->log, "%s: cannot listen on %s: %s", c->line->name, path, strerror(-err));
	}
	return err;
}

static void close_door(struct unix_listener *l)
{
	if (l->fd >= 0)
		unix_listener_close(l);
	l->fd = -1;
}

/* Makes the sockets of the line.  Returns 0 or -errno after a line. */
static int open_doors(struct run_child *c)
{
	const struct run_line *l = c->line;
	int n;

	if (!l->path)
		return 0;
	if (!l->relay)
		return listen_at(c, &c->door, l->path, l->mode);
	n = snprintf(c->inner_path, sizeof(c->inner_path), "%s/%s.back", c->run->dir, l->name);
	if (n >= (int)sizeof(c->inner_path)) {
		log_error(c->run->log, "%s: %s/%s.back is too long for a socket", l->name, c->run->dir, l->name);
		return -ENAMETOOLONG;
	}
	return listen_at(c, &c->inner, c->inner_path, 0600);
}

struct run_child *run_child_new(struct run *r, struct run_line *line)
{
	struct run_child *c = calloc(1, sizeof(*c)), **at = &r->children;

	if (!c) {
		log_error(r->log, "out of memory");
		return NULL;
	}
	c->run = r;
	c->line = run_line_take(line);
	if (!c->line) {
		log_error(r->log, "out of memory");
		free(c);
		return NULL;
	}
	c->door.fd = c->inner.fd = -1;
	c->device.child = c->relay_proc.child = c;
	c->relay_proc.relay = true;
	if (open_doors(c)) {
		run_line_free(c->line);
		free(c);
		return NULL;
	}
	while (*at)
		at = &(*at)->next;
	*at = c;
	return c;
}

void run_child_free(struct run_child *c)
{
	struct run *r = c->run;

	for (struct run_child **at = &r->children; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	ev_timer_stop(r->loop, &c->device.timer);
	ev_timer_stop(r->loop, &c->relay_proc.timer);
	close_door(&c->door);
	close_door(&c->inner);
	run_line_free(c->line);
	run_line_free(c->follower);
	free(c);
}

void run_child_start(struct run_child *c)
{
	run_proc_start(&c->device);
	if (c->line->relay)
		run_proc_start(&c->relay_proc);
}

void run_child_stop(struct run_child *c)
{
	run_proc_stop(&c->device);
	run_proc_stop(&c->relay_proc);
}

bool run_child_alive(const struct run_child *c)
{
	return c->device.pid || c->relay_proc.pid;
}

enum run_state run_child_state(const struct run_child *c)
{
	const enum run_state relay = c->relay_proc.state;

	return c->line->relay && c->device.state == RUN_READY ? relay : c->device.state;
}

/* Its processes have ended, and another line takes the place of its own. */
static void follow(struct run_child *c)
{
	struct run_line *old = c->line;
	bool same;

	c->line = c->follower;
	c->follower = NULL;
	same = c->line->path && old->path && strcmp(old->path, c->line->path) == 0 && old->mode == c->line->mode &&
	       old->relay == c->line->relay;
	if (same) {
		/* The socket stays; its path is the new line's text. */
		c->door.path = c->line->path;
	} else {
		close_door(&c->door);
		close_door(&c->inner);
	}
	run_line_free(old);
	if (same || open_doors(c) == 0) {
		run_child_start(c);
		return;
	}
	c->device.state = RUN_FAILED;
	snprintf(c->device.last, sizeof(c->device.last), "its socket cannot be made");
}

void run_child_changed(struct run_child *c)
{
	struct run *r = c->run;
	const enum run_state s = run_child_state(c);

	if (!run_child_alive(c) && c->going) {
		/* Who comes behind it at the beginning does not wait for what is gone. */
		if (r->starting == c)
			run_next(r);
		run_child_free(c);
	} else if (!run_child_alive(c) && c->follower && !r->ending) {
		follow(c);
	} else if (r->starting == c && s != RUN_STARTING && s != RUN_BACKOFF) {
		run_next(r);
	}
	run_look(r);
}

/* The child with this name, or NULL. */
static struct run_child *find_child(struct run *r, const char *name)
{
	for (struct run_child *c = r->children; c; c = c->next) {
		if (strcmp(c->line->name, name) == 0)
			return c;
	}
	return NULL;
}

/* The line with this name, or NULL. */
static struct run_line *find_line(struct run_file *f, const char *name)
{
	for (unsigned int i = 0; i < f->nlines; i++) {
		if (strcmp(f->lines[i].name, name) == 0)
			return &f->lines[i];
	}
	return NULL;
}

/* A child's line has become another, or is gone. */
static void refit(struct run_child *c, struct run_line *line)
{
	if (line && !c->follower && !c->going && run_line_same(line, c->line))
		return;
	run_line_free(c->follower);
	c->follower = line ? run_line_take(line) : NULL;
	c->going = !line;
	if (run_child_alive(c))
		run_child_stop(c);
	else
		run_child_changed(c);
}

int run_reload(struct run *r)
{
	struct run_file file;
	struct run_child *c, *next;
	/* Nobody would end what starts now. */
	int err = r->ending ? -ESHUTDOWN : run_file_read(r->path, r->dir, r->log, &file);

	if (!err && !run_file_ok(&file, r->path, r->log)) {
		run_file_free(&file);
		err = -EINVAL;
	}
	if (err)
		return err;
	for (c = r->children; c; c = next) {
		next = c->next;
		refit(c, find_line(&file, c->line->name));
	}
	for (unsigned int i = 0; i < file.nlines; i++) {
		if (find_child(r, file.lines[i].name))
			continue;
		c = run_child_new(r, &file.lines[i]);
		if (c)
			run_child_start(c);
	}
	run_file_free(&file);
	return 0;
}

struct run_proc *run_find(struct run *r, pid_t pid)
{
	for (struct run_child *c = r->children; c; c = c->next) {
		if (c->device.pid == pid)
			return &c->device;
		if (c->relay_proc.pid == pid)
			return &c->relay_proc;
	}
	return NULL;
}
