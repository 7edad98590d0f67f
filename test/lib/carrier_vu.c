/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * carrier_vu.c - a device behind vhost-user: the back end on this process's loop, or the built vdevd.
 */
#include "test/lib/carrier_impl.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* All the protocol features that a carrier knows what to do with. */
#define PROTOCOL                                                                                                       \
	(BIT(VU_PF_MQ) | BIT(VU_PF_LOG_SHMFD) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_CONFIG) |    \
	 BIT(VU_PF_RESET_DEVICE) | BIT(VU_PF_CONFIGURE_MEM_SLOTS) | BIT(VU_PF_STATUS) | BIT(VU_PF_DEVICE_STATE) | \
	 BIT(VU_PF_BACKEND_SEND_FD) | BIT(VU_PF_SHARED_OBJECT) | BIT(VU_PF_SHMEM))

/* As QEMU does: the memory is the back end's, and the front-end gives it back. */
static void share_record(struct carrier *c)
{
	struct vu_inflight about = {.nqueues = (uint16_t)carrier_face(c)->nqueues};
	int fd;

	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		about.queue_size = (uint16_t)(carrier_size(c, q) > about.queue_size ? carrier_size(c, q) : about.queue_size);
	carrier_ok(c, frontend_get_inflight(c->fe, &about, &fd), "record");
	carrier_ok(c, frontend_set_inflight(c->fe, &about, fd), "record given back");
	close(fd);
}

static void negotiate(struct carrier *c)
{
	uint64_t protocol = PROTOCOL | (c->set->in_band ? BIT(VU_PF_INBAND_NOTIFICATIONS) : 0) |
			    (c->set->record ? BIT(VU_PF_INFLIGHT_SHMFD) : 0) |
			    (c->set->guest_addresses ? BIT(VU_PF_GPA_ADDRESSES) : 0);
	uint64_t offered;

	if (c->set->refuse & BIT(VHOST_USER_F_PROTOCOL_FEATURES)) {
		carrier_ok(c, frontend_tell_empty(c->fe, VU_SET_OWNER), "owner");
		carrier_ok(c, frontend_ask_u64(c->fe, VU_GET_FEATURES, &offered), "features offered");
		carrier_ok(c, frontend_set_features(c->fe, carrier_wanted_features(c) & offered), "features");
	} else {
		carrier_ok(c,
			   frontend_negotiate(c->fe, carrier_wanted_features(c), protocol & ~c->set->refuse_protocol),
			   "negotiation");
	}
	c->features = frontend_features(c->fe);
	if (frontend_has_protocol(c->fe, VU_PF_BACKEND_REQ))
		carrier_ok(c, frontend_open_back_channel(c->fe), "back channel");
	if (c->set->record)
		share_record(c);
}

static void vu_share_table(struct carrier *c)
{
	struct vu_msg msg = frontend_msg(VU_SET_MEM_TABLE, 0);

	msg.h.size = (uint32_t)(offsetof(struct vu_mem_table, regions) + c->ncuts * sizeof(struct vu_region));
	msg.p.table.nregions = c->ncuts;
	for (unsigned int i = 0; i < c->ncuts; i++) {
		const struct frontend_region *r = &c->cuts[i];

		msg.p.table.regions[i] = (struct vu_region){r->guest_addr, r->size, frontend_region_user(c->fe, r), r->offset};
		msg.fds[msg.nfds++] = r->fd;
	}
	carrier_ok(c, frontend_tell(c->fe, &msg), "memory table");
}

static void vu_share(struct carrier *c)
{
	if (!c->set->slots) {
		vu_share_table(c);
		return;
	}
	for (unsigned int i = 0; i < c->ncuts; i++)
		carrier_ok(c, frontend_add_mem_reg(c->fe, &c->cuts[i]), "region");
}

/* With slots, a region that nobody uses comes and goes. */
static void vu_share_again(struct carrier *c)
{
	struct frontend_region extra = {.guest_addr = 0x1000, .size = 4096, .user_addr = 0x1000};

	if (!c->set->slots) {
		vu_share_table(c);
		return;
	}
	extra.fd = memfd_create("extra", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(extra.fd, 4096), 0);
	carrier_ok(c, frontend_add_mem_reg(c->fe, &extra), "region");
	carrier_ok(c, frontend_rem_mem_reg(c->fe, &extra), "region");
	close(extra.fd);
}

/*
 * Nothing is enabled where the front-end has not accepted protocol features; in band, a ring starts with its first
 * kick, so there is one that means nothing.
 */
static void vu_start(struct carrier *c, unsigned int q, uint32_t base)
{
	carrier_ok(c, frontend_queue_restart(c->fe, q, base), "start");
	if (c->set->in_band)
		carrier_ok(c, frontend_kick(c->fe, q), "kick");
}

static uint32_t vu_stop(struct carrier *c, unsigned int q)
{
	uint32_t base = UINT32_MAX;

	carrier_ok(c, frontend_queue_stop(c->fe, q, &base), "stop");
	return base;
}

/* An old front-end has one way: to go and come again. */
static void vu_reset(struct carrier *c)
{
	if (frontend_has_protocol(c->fe, VU_PF_STATUS)) {
		carrier_ok(c, frontend_tell_u64(c->fe, VU_SET_STATUS, 0), "status");
	} else if (frontend_has_protocol(c->fe, VU_PF_RESET_DEVICE)) {
		carrier_ok(c, frontend_reset_device(c->fe), "reset");
	} else {
		carrier_reconnect(c);
		for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
			vu_stop(c, q);
	}
}

static int vu_wait_broken(struct carrier *c, unsigned int q, unsigned int ms)
{
	int err;

	frontend_set_timeout(c->fe, ms);
	err = frontend_wait_err(c->fe, q);
	frontend_set_timeout(c->fe, CARRIER_PATIENCE_MS);
	return err;
}

static void vu_config_read(struct carrier *c, uint32_t off, void *buf, uint32_t len)
{
	carrier_ok(c, frontend_get_config(c->fe, off, buf, len), "GET_CONFIG");
}

static int vu_config_write(struct carrier *c, uint32_t off, const void *buf, uint32_t len)
{
	int err = frontend_set_config(c->fe, off, buf, len, 0);

	if (err != -EREMOTEIO)
		carrier_ok(c, err, "SET_CONFIG");
	return err;
}

static void vu_wait_config_change(struct carrier *c)
{
	carrier_ok(c, frontend_wait_config_change(c->fe), "configuration change");
}

/*
 * In this process.
 */

static void on_closed(void *arg)
{
}

static void session_pump(void *arg)
{
	struct carrier *c = arg;

	carrier_log_look(c, false);
	ev_run(c->loop, EVRUN_NOWAIT);
	carrier_log_look(c, true);
}

static void session_open(struct carrier *c)
{
	carrier_make_device(c);
	ck_assert_int_eq(vu_backend_new(c->d, c->mem_backend, on_closed, c, &c->backend), 0);
}

static void session_close(struct carrier *c)
{
	vu_backend_free(c->backend);
}

static struct frontend *session_dial(struct carrier *c)
{
	struct frontend_opts opts = {.pump = session_pump, .pump_arg = c};
	struct frontend *fe;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	opts.fd = pair[0];
	ck_assert_int_eq(vu_backend_serve(c->backend, pair[1]), 0);
	ck_assert_int_eq(frontend_new(&opts, &fe), 0);
	return fe;
}

static void session_settle(struct carrier *c)
{
	for (unsigned int ms = 0; vu_backend_busy(c->backend); ms++) {
		ck_assert_msg(ms < CARRIER_PATIENCE_MS, "the session does not end");
		ev_run(c->loop, EVRUN_NOWAIT);
		if (ms > 10)
			usleep(1000);
	}
}

const struct carrier_ops carrier_session = {
	.open = session_open,
	.close = session_close,
	.dial = session_dial,
	.negotiate = negotiate,
	.settle = session_settle,
	.share = vu_share,
	.share_again = vu_share_again,
	.start = vu_start,
	.stop = vu_stop,
	.reset = vu_reset,
	.wait_broken = vu_wait_broken,
	.config_read = vu_config_read,
	.config_write = vu_config_write,
	.wait_config_change = vu_wait_config_change,
};

/*
 * In a process of its own.
 */

/* Becomes vdevd. */
static void binary_exec(struct carrier *c, char **argv)
{
	int log = open(carrier_path(c, "log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (log < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	if (log != STDERR_FILENO)
		close(log);
	execv(carrier_executable(), argv);
	_exit(127);
}

/* Whether the device's own options name a control socket already: that one. */
static bool has_control(const struct carrier *c)
{
	for (unsigned int i = 0; c->argv[i]; i++) {
		if (strncmp(c->argv[i], "--control=", 10) == 0)
			return true;
	}
	return false;
}

void carrier_process_start(struct carrier *c)
{
	char *argv[ARRAY_SIZE(c->argv) + 6], *socket = NULL, *control = NULL, *masks = NULL;
	unsigned int n = 0;

	argv[n++] = (char *)carrier_executable();
	for (unsigned int i = 0; c->argv[i]; i++)
		argv[n++] = c->argv[i];
	ck_assert_int_gt(asprintf(&socket, "--socket-path=%s/socket", c->dir), 0);
	argv[n++] = socket;
	if (c->set->masks) {
		ck_assert_int_gt(asprintf(&masks, "--features=%s", c->set->masks), 0);
		argv[n++] = masks;
	}
	if (c->dcase && (c->dcase->flags & CASE_CONTROL) && !has_control(c)) {
		ck_assert_int_gt(asprintf(&control, "--control=%s", carrier_path(c, "control")), 0);
		argv[n++] = control;
	}
	/* Who is not root could not look at a process that is not dumpable: carrier_count_fds. */
	if (geteuid() != 0 && !VDEVD_INSTRUMENTED)
		argv[n++] = (char *)"--sandbox=all,-dumpable";
	argv[n] = NULL;
	c->pid = fork();
	ck_assert_int_ge(c->pid, 0);
	if (c->pid == 0)
		binary_exec(c, argv);
	free(socket);
	free(control);
	free(masks);
}

static void binary_open(struct carrier *c)
{
	c->model = carrier_make_closed(c);
	carrier_process_start(c);
}

static struct frontend *binary_dial(struct carrier *c)
{
	struct frontend_opts opts = {.path = carrier_path(c, "socket")};
	struct frontend *fe;

	for (unsigned int ms = 0; frontend_new(&opts, &fe) < 0; ms++) {
		int status;

		ck_assert_msg(waitpid(c->pid, &status, WNOHANG) == 0, "%s ended with status 0x%x", carrier_executable(),
			      status);
		ck_assert_msg(ms < CARRIER_PATIENCE_MS, "%s does not listen", carrier_executable());
		usleep(1000);
	}
	return fe;
}

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000000u + (uint64_t)tv->tv_usec * 1000u;
}

/* What it said, which the folder takes with it. */
static void show_log(struct carrier *c)
{
	int log = open(carrier_path(c, "log"), O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n;

	while (log >= 0 && (n = read(log, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stderr);
	if (log >= 0)
		close(log);
}

/* It must end well, and take its socket with it. */
uint64_t carrier_process_end(struct carrier *c)
{
	struct rusage used;
	int status = 0;
	pid_t pid = 0;

	ck_assert_int_eq(kill(c->pid, SIGTERM), 0);
	for (unsigned int ms = 0; (pid = wait4(c->pid, &status, WNOHANG, &used)) == 0; ms++) {
		ck_assert_msg(ms < CARRIER_PATIENCE_MS, "vdevd does not end");
		usleep(1000);
	}
	ck_assert_int_eq(pid, c->pid);
	if (status != 0)
		show_log(c);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "vdevd ended with status 0x%x", status);
	ck_assert_int_eq(access(carrier_path(c, "socket"), F_OK), -1);
	return timeval_ns(&used.ru_utime) + timeval_ns(&used.ru_stime);
}

static void binary_close(struct carrier *c)
{
	vdev_free(c->model);
	carrier_process_end(c);
}

const struct carrier_ops carrier_binary = {
	.open = binary_open,
	.close = binary_close,
	.dial = binary_dial,
	.negotiate = negotiate,
	.share = vu_share,
	.share_again = vu_share_again,
	.start = vu_start,
	.stop = vu_stop,
	.reset = vu_reset,
	.wait_broken = vu_wait_broken,
	.config_read = vu_config_read,
	.config_write = vu_config_write,
	.wait_config_change = vu_wait_config_change,
};
