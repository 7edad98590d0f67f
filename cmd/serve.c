/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * serve.c - a personality's run: options, host resources, socket, event loop, end.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/drop.h"
#include "cmd/inherit.h"
#include "cmd/instances.h"
#include "cmd/manager.h"
#include "cmd/realtime.h"
#include "cmd/signals.h"
#include "config.h"
#include "core/loop.h"
#include "core/service.h"
#include "core/unix_socket.h"
#include "mem/gmem_xen.h"

/* One instance that is being served. */
struct run {
	struct ev_loop *loop;
	struct front_socket *socket;
	const struct gmem_backend *mem;
#if VDEVD_HAVE_XEN
	struct gmem_xen xen;
#endif
};

/* A call of a personality. */
struct call {
	struct vdev *d;
	struct common common;
	char **words; /* as it was made, before options are parsed: that cuts lists up where they lie */
	bool compat;
};

/* A copy of the words of a call, to be freed in one; or NULL. */
static char **copy_words(int argc, char **argv)
{
	size_t size = ((size_t)argc + 1) * sizeof(*argv);
	char **words, *at;

	for (int i = 0; i < argc; i++)
		size += strlen(argv[i]) + 1;
	words = malloc(size);
	if (!words)
		return NULL;
	at = (char *)(words + argc + 1);
	for (int i = 0; i < argc; i++) {
		words[i] = at;
		at = stpcpy(at, argv[i]) + 1;
	}
	words[argc] = NULL;
	return words;
}

/* The front-end of a connected descriptor has gone, and no other can come. */
static void on_done(void *arg)
{
	struct run *r = arg;

	ev_break(r->loop, EVBREAK_ALL);
}

/* SIGHUP: before the device is open there is nothing that could have changed. */
static void on_hangup(void *arg)
{
	struct vdev *d = arg;

	if (d->opened)
		d->class->hangup(d);
}

/* What makes guest memory reachable.  Returns 0, or -errno after a line; mem_close is called for both. */
static int mem_open(struct run *r, const struct common *c)
{
	int err = 0;

	r->mem = &gmem_shm;
#if VDEVD_HAVE_XEN
	if (!common_offers_xen(c))
		return 0;
	gmem_xen_init(&r->xen, &xen_sys_kernel, (unsigned int)c->xen_grant_cache);
	r->mem = &r->xen.any;
	if (c->xen_domid)
		err = gmem_xen_restrict(&r->xen, (unsigned int)c->xen_domid);
	if (err)
		log_error(&c->d->log, "--xen-domid=%u: /dev/xen/privcmd: %s", (unsigned int)c->xen_domid,
			  strerror(-err));
#endif
	return err;
}

static void mem_close(struct run *r)
{
#if VDEVD_HAVE_XEN
	if (r->mem == &r->xen.any)
		gmem_xen_close(&r->xen);
#endif
}

/* Serves front-ends until a signal comes, or quit.  Returns 0 or -errno. */
static int serve_socket(struct run *r, const struct common *c, const struct front_socket_opts *socket,
			const struct instance *self)
{
	struct vdev *d = c->d;
	int ret = front_socket_open(socket, d, r->mem, on_done, r, &r->socket);
	struct manager manager;

	if (ret == -ENOMEM)
		log_error(&d->log, "out of memory");
	if (ret < 0)
		return ret;
	ret = drop(c, socket);
	if (ret == 0) {
		manager_ready(&manager, r->loop, &d->log, self, vdev_status(d));
		ev_run(r->loop, 0);
		manager_end(&manager);
	}
	front_socket_free(r->socket);
	return ret;
}

/* Opens the device and serves it.  Returns 0, or -errno after a line that says why. */
static int run_device(struct run *r, const struct common *c, const struct front_socket_opts *socket,
		      const struct instance *self)
{
	struct vdev *d = c->d;
	int ret = vdev_open(d);

	if (ret == -ENOMEM)
		log_error(&d->log, "out of memory");
	if (ret == 0 && c->realtime)
		ret = realtime_begin(&d->log, (unsigned int)c->realtime);
	if (ret < 0)
		return ret;
	ret = gmem_sigbus_install();
	if (ret < 0) {
		log_error(&d->log, "SIGBUS handler: %s", strerror(-ret));
		return ret;
	}
	ret = mem_open(r, c);
	if (ret == 0)
		ret = serve_socket(r, c, socket, self);
	mem_close(r);
	return ret;
}

/*
 * Checks and opens the device, serves it on a socket, frees it.  Signals are caught before there is a file that they
 * would leave behind, and until all are gone.  self: as manager_ready.  Returns the exit status.
 */
static int serve(const struct common *c, const struct front_socket_opts *socket, const struct instance *self)
{
	struct vdev *d = c->d;
	struct run r = {0};
	struct signals signals;
	int ret;

	if (vdev_check(d) < 0) {
		vdev_free(d);
		return CMD_USAGE;
	}
	d->loop = r.loop = inherit_loop(&d->log);
	if (!r.loop) {
		vdev_free(d);
		return CMD_FAILED;
	}
	log_never_block();
	service_open(); /* an error is told with what cannot be sent */
	signal(SIGPIPE, SIG_IGN);
	signals_begin(&signals, r.loop, d->class->hangup ? on_hangup : NULL, d);
	notify_begin();
	ret = run_device(&r, c, socket, self);
	signals_end(&signals);
	vdev_free(d);
	ev_loop_destroy(r.loop);
	log_end();
	return ret < 0 ? CMD_FAILED : CMD_OK;
}

/* A socket's path of one instance; one that is too long is cut, and still too long. */
struct instance_path {
	char text[UNIX_PATH_LEN + 16];
};

/* The path with the number of the instance; NULL: there is none. */
static const char *number_path(struct instance_path *p, const char *path, unsigned int i)
{
	if (!path)
		return NULL;
	snprintf(p->text, sizeof(p->text), "%.*s%u", UNIX_PATH_LEN + 1, path, i);
	return p->text;
}

/* Serves an instance as the replaced daemon would: its part of the options, its sockets' names. */
static int serve_numbered(struct call *call, unsigned int i, const struct instance *self)
{
	struct common *c = &call->common;
	const struct vdev_class *class = call->d->class;
	struct front_socket_opts socket = c->socket;
	struct instance_path path, control;
	char prefix[64];

	if (c->count > 1) {
		snprintf(prefix, sizeof(prefix), "%s[%u]", class->name, i);
		call->d->log.prefix = prefix;
	}
	if (class->compat->fit && class->compat->fit(call->d, i, (unsigned int)c->count) < 0) {
		vdev_free(call->d);
		return CMD_USAGE;
	}
	if (class->compat->suffix && !c->no_suffix) {
		socket.path = number_path(&path, socket.path, i);
		call->d->control_path = number_path(&control, call->d->control_path, i);
	}
	return serve(c, &socket, self);
}

static int serve_instance(void *arg, const struct instance *self)
{
	return serve_numbered(arg, self->i, self);
}

/*
 * Looks at each instance's part of the options, in a copy, so that a wrong call is told once.  Returns CMD_OK, or how
 * to end.
 */
static int check_instances(const struct call *call)
{
	const struct vdev_class *class = call->d->class;
	struct vdev *trial = malloc(class->inst_size);
	unsigned int count = (unsigned int)call->common.count;
	int err = 0;

	if (!trial) {
		log_error(&call->d->log, "out of memory");
		return CMD_FAILED;
	}
	for (unsigned int i = 0; !err && i < count; i++) {
		memcpy(trial, call->d, class->inst_size);
		err = class->compat->fit ? class->compat->fit(trial, i, count) : 0;
		if (!err)
			err = vdev_check(trial);
	}
	free(trial);
	return err ? CMD_USAGE : CMD_OK;
}

/* Serves as the replaced daemon would; the parent of several instances has no use for its own. */
static int serve_compat(struct call *call)
{
	struct common *c = &call->common;
	int status;

	if (call->d->class->compat->instances)
		c->count = call->d->class->compat->instances(call->d);
	if (c->socket.path && call->d->class->compat->suffix && !c->no_suffix &&
	    strlen(c->socket.path) + (size_t)snprintf(NULL, 0, "%u", (unsigned int)c->count - 1) > UNIX_PATH_LEN) {
		log_usage(&call->d->log, "--socket-path=%s: too long with an instance's number behind it", c->socket.path);
		vdev_free(call->d);
		return CMD_USAGE;
	}
	if (c->count == 1)
		return serve_numbered(call, 0, NULL);
	if (!c->socket.path || c->no_suffix) {
		log_usage(&call->d->log, "--socket-count=%u: goes with --socket-path and without --no-suffix only",
			  (unsigned int)c->count);
		vdev_free(call->d);
		return CMD_USAGE;
	}
	status = check_instances(call);
	if (status == CMD_OK)
		status = instances_run(&call->d->log, (unsigned int)c->count, &c->sandbox, serve_instance, call);
	vdev_free(call->d);
	return status;
}

/* Does what an option asks for that ends the program at once.  Returns whether there was one. */
static bool describe(const struct common *c)
{
	if (c->help || c->help_all)
		print_help(c);
	else if (c->version)
		printf("vdevd %s\n", VDEVD_VERSION);
	else if (c->print_capabilities)
		print_capabilities(c);
#if VDEVD_HAVE_MAN
	else if (c->print_man)
		print_man_page(c);
#endif
	else if (c->print_sandbox)
		print_sandbox(c);
	else if (c->print_frontend)
		print_frontend(c);
	else
		return c->d->class->print && c->d->class->print(c->d, stdout);
	return true;
}

/* Reads the command line.  Returns CMD_OK when there is something to serve, or how to end; *done then. */
static int read_options(struct call *call, int argc, char **argv, bool *done)
{
	struct common *c = &call->common;
	int next;

	*done = true;
	if (common_init(c, call->d, call->compat) < 0)
		return CMD_FAILED;
	call->words = copy_words(argc - 1, argv + 1);
	if (!call->words) {
		log_error(&call->d->log, "out of memory");
		return CMD_FAILED;
	}
	call->d->call = call->words;
	next = opt_parse(c->groups, call->compat, argc, argv);
	if (next < 0)
		return next == -ENOMEM ? CMD_FAILED : CMD_USAGE;
	if (opt_parse_end(c->groups, argc, argv, next) < 0)
		return CMD_USAGE;
	log_set_level(c->log_level);
	if (common_choose_protocol(c) < 0)
		return CMD_USAGE;
	if ((c->print_sandbox || c->print_frontend) && vdev_check(call->d) < 0)
		return CMD_USAGE;
	if (describe(c))
		return CMD_OK;
	if (common_take_socket(c) < 0)
		return CMD_USAGE;
	*done = false;
	return CMD_OK;
}

int cmd_serve(const struct vdev_class *class, bool compat, int argc, char **argv)
{
	struct call call = {.compat = compat && class->compat};
	bool done;
	int ret = vdev_new(class, class->name, NULL, &call.d);

	if (ret < 0) {
		log_error(NULL, "%s: %s", class->name, strerror(-ret));
		return CMD_FAILED;
	}
	ret = read_options(&call, argc, argv, &done);
	if (done)
		vdev_free(call.d);
	else
		ret = call.compat ? serve_compat(&call) : serve(&call.common, &call.common.socket, NULL);
	free(call.words);
	return ret;
}
