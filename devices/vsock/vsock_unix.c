/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_unix.c - Unix sockets as the host of the socket device: the hybrid model of Firecracker, Cloud Hypervisor and
 * vhost-device-vsock.
 *
 * A guest's connection to port N goes to the socket PATH_N.  A host's program connects to PATH, sends "CONNECT N\n" and
 * reads "OK M\n" when the guest has accepted, M being its own port; where the guest refuses, the socket is closed.
 *
 * The type of the guest's socket is that with which PATH_N is called: one that listens there with another type is not there.
 * Connections of type SEQPACKET to the guest have a path of their own; both lines are messages there.
 *
 * Guests of a group meet in a directory.  Each has the sockets CID and CID.seqpacket there, where the vdevd of another asks for
 * a port as a program of the host does, and says for whom: "CONNECT N CID M\n".  From then on each of the two sees a
 * socket of the host, so all that holds for those holds for it, flow control in the first place; but for a byte before each
 * message (see vsock_data.c).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* accept4, struct ucred */
#endif
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h> /* wants sys/socket.h before it, in headers of Linux 6.1 */

#include "core/opt.h"
#include "devices/vsock/vsock.h"

#define BACKLOG   128
#define LINE_MAX_ 48 /* "CONNECT 4294967295 4294967295 4294967295\n" */
#define ACCEPTS   16 /* in one turn of the loop */
#define RETRY     1. /* s, when there was no descriptor or memory for a connection */

#define PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

/* Reads a decimal number and the character behind it, from *at on. */
static bool read_number(const char **at, const char *end, char behind, uint32_t *number)
{
	const char *p = *at;
	uint64_t n = 0;

	for (; p < end && *p >= '0' && *p <= '9' && n <= UINT32_MAX; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (p == *at || p == end || *p != behind || n > UINT32_MAX)
		return false;
	*number = (uint32_t)n;
	*at = p + 1;
	return true;
}

int vsock_unix_parse(const char *line, size_t len, bool sibling, struct vsock_call *call)
{
	static const char word[] = "CONNECT ";
	const char *at = line + sizeof(word) - 1, *end = line + len;
	bool good;

	*call = (struct vsock_call){0};
	if (len < sizeof(word) || memcmp(line, word, sizeof(word) - 1))
		return -EINVAL;
	if (sibling)
		good = read_number(&at, end, ' ', &call->port) && read_number(&at, end, ' ', &call->from_cid) &&
		       read_number(&at, end, '\n', &call->from_port);
	else
		good = read_number(&at, end, '\n', &call->port);
	return good && at == end ? 0 : -EINVAL;
}

/* Says who wants to connect, for those who want to know, and who may not. */
static bool may_connect(struct vsock_link *l, uint32_t port)
{
	bool may = vsock_rules_allow(&l->v->rules, false, port);
	struct ucred who = {.pid = 0};
	socklen_t len = sizeof(who);

	if (!l->door->listener.path || getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		who = (struct ucred){.pid = 0, .uid = (uid_t)-1};
	if (may)
		log_debug(&l->v->d.log, "process %d of user %d connects to the guest's port %u", (int)who.pid, (int)who.uid, port);
	else
		log_guest(&l->v->d.log, "process %d of user %d may not connect to the guest's port %u (--allow, --deny)",
			  (int)who.pid, (int)who.uid, port);
	return may;
}

/* It is known what is wanted. */
static void asked(struct vsock_link *l, const struct vsock_call *call)
{
	struct vsock *v = l->v;
	bool good = may_connect(l, call->port);

	l->fill = 0;
	ev_io_stop(v->d.loop, &l->readable);
	if (good && !l->door->sibling)
		vsock_link_ask(l, call->port, l->door->type);
	else if (good)
		good = call->from_cid > VSOCK_CID_HOST && call->from_cid != v->guest_cid &&
		       vsock_link_ask_from(l, call->port, l->door->type, call->from_cid, call->from_port);
	if (!good)
		vsock_link_free(l);
}

/* Reads more of the line, up to its end.  Returns whether that has come; -EAGAIN, or -EPIPE: it will not. */
static int read_line(struct vsock_link *l, uint16_t type)
{
	char *line = (char *)l->buf, *end;
	/* What follows the line is for the guest; a message is a line. */
	int flags = type == VSOCK_TYPE_STREAM ? MSG_PEEK : 0;
	ssize_t n = recv(l->fd, line + l->fill, LINE_MAX_ - l->fill, flags | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return -EPIPE;
	l->touched = true;
	end = memchr(line + l->fill, '\n', (size_t)n);
	if (flags)
		n = recv(l->fd, line + l->fill, end ? (size_t)(end - line) + 1 - l->fill : (size_t)n, MSG_DONTWAIT);
	l->fill += n > 0 ? (size_t)n : 0;
	if (end)
		return 1;
	return l->fill < LINE_MAX_ && flags ? -EAGAIN : -EPIPE;
}

void vsock_unix_asking(struct vsock_link *l)
{
	int ret = read_line(l, l->door->type);
	struct vsock_call call;

	if (ret == -EAGAIN)
		return;
	if (ret == 1 && vsock_unix_parse((const char *)l->buf, l->fill, l->door->sibling, &call) == 0) {
		asked(l, &call);
		return;
	}
	log_debug(&l->v->d.log, "%s: a connection that does not begin with CONNECT PORT", l->door->name);
	vsock_link_free(l);
}

/* ---- other guests */

bool vsock_group_path(const char *dir, uint64_t cid, uint16_t type, char *path, size_t size)
{
	int len = snprintf(path, size, "%s/%ju%s", dir, (uintmax_t)cid, type == VSOCK_TYPE_SEQPACKET ? ".seqpacket" : "");

	return len > 0 && (size_t)len < size;
}

int vsock_unix_greet(struct vsock_link *l)
{
	char line[LINE_MAX_ + 1];
	int len = snprintf(line, sizeof(line), "CONNECT %u %u %u\n", l->conn.port, (uint32_t)l->conn.guest_cid,
			   l->conn.guest_port);
	ssize_t n = send(l->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n == len ? 0 : n < 0 ? -errno : -EPIPE;
}

void vsock_unix_greeting(struct vsock_link *l)
{
	int ret = read_line(l, l->conn.type);
	size_t len = l->fill;

	if (ret == -EAGAIN)
		return;
	l->fill = 0;
	vsock_link_greeted(l, ret == 1 && len > 3 && memcmp(l->buf, "OK ", 3) == 0);
}

bool vsock_unix_accepted(struct vsock_link *l)
{
	char line[32];

	if (l->door->direct)
		return true;
	int len = snprintf(line, sizeof(line), "OK %u\n", l->conn.port);

	return send(l->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) == len;
}

/* ---- doors */

/* Lets one in.  Returns false when there is none, or no room. */
static bool accept_one(struct vsock_door *door)
{
	struct vsock *v = door->v;
	struct vsock_link *l;
	int fd;

	if (TAILQ_EMPTY(&v->unused)) {
		ev_io_stop(v->d.loop, &door->acceptable); /* they wait in the backlog: vsock_unix_resume */
		return false;
	}
	fd = accept4(door->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return false;
		log_warn(&v->d.log, "%s: cannot accept a connection: %s", door->name, strerror(errno));
		ev_io_stop(v->d.loop, &door->acceptable);
		ev_timer_set(&door->retry, RETRY, 0.);
		ev_timer_start(v->d.loop, &door->retry);
		return false;
	}
	l = vsock_link_new(v);
	vsock_link_adopt(l, door, fd);
	if (door->direct)
		asked(l, &(struct vsock_call){.port = door->port});
	return true;
}

static void acceptable_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vsock_door *door = container_of(w, struct vsock_door, acceptable);
	unsigned int n = 0;

	while (n < ACCEPTS && accept_one(door))
		n++;
	vsock_pump(door->v);
}

static void retry_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	ev_io_start(loop, &container_of(w, struct vsock_door, retry)->acceptable);
}

void vsock_unix_resume(struct vsock *v)
{
	for (unsigned int i = 0; i < v->ndoors; i++) {
		if (!ev_is_active(&v->doors[i].retry))
			ev_io_start(v->d.loop, &v->doors[i].acceptable);
	}
}

/* A socket listens: lets people in. */
static void door_open(struct vsock_door *door)
{
	struct vsock *v = door->v;

	ev_io_init(&door->acceptable, acceptable_ready, door->listener.fd, EV_READ);
	ev_init(&door->retry, retry_due);
	ev_io_start(v->d.loop, &door->acceptable);
	v->ndoors++;
}

/* Listens at path, which an option gave. */
static int unix_door(struct vsock *v, const char *option, const char *path, uint16_t type)
{
	struct vsock_door *door = &v->doors[v->ndoors];
	/* The longest name is that of the last port's socket. */
	int err = path == v->uds_path && strlen(path) + sizeof("_4294967295") > PATH_SIZE ? -ENAMETOOLONG : 0;

	*door = (struct vsock_door){.v = v, .type = type, .name = path};
	if (!err)
		err = unix_listen_type(&door->listener, vsock_socket_type(type), path, UINT64_MAX, BACKLOG);
	if (err) {
		log_error(&v->d.log, "--%s=%s: %s%s", option, path, strerror(-err),
			  err == -EADDRINUSE ? " (another process serves it, or it is no socket)" : "");
		return err;
	}
	door_open(door);
	return 0;
}

/* Listens at a port of this machine's own AF_VSOCK, for the guest's of the same number. */
static int vm_door(struct vsock *v, const struct vsock_listen *at)
{
	const struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = at->port};
	struct vsock_door *door = &v->doors[v->ndoors];
	int fd = socket(AF_VSOCK, vsock_socket_type(at->type) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? -errno : 0;

	if (!err && (bind(fd, (const struct sockaddr *)&vm, sizeof(vm)) < 0 || listen(fd, BACKLOG) < 0))
		err = -errno;
	if (err) {
		log_error(&v->d.log, "--forward-listen=%u: %s (/dev/vsock, modules vsock and vsock_loopback or vhost_vsock)",
			  at->port, strerror(-err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	*door = (struct vsock_door){.v = v, .type = at->type, .name = "--forward-listen", .direct = true, .port = at->port};
	door->listener.fd = fd;
	door_open(door);
	return 0;
}

/* Listens for the other guests of a group. */
static int group_doors(struct vsock *v, struct vsock_group *g)
{
	for (uint16_t type = VSOCK_TYPE_STREAM; type <= VSOCK_TYPE_SEQPACKET; type++) {
		char *path = g->paths[type - VSOCK_TYPE_STREAM];
		int err;

		if (!vsock_group_path(g->dir, v->guest_cid, type, path, sizeof(g->paths[0])))
			path[0] = '\0'; /* refused, as too long */
		err = unix_door(v, "group", path, type);
		if (err)
			return err;
		v->doors[v->ndoors - 1].sibling = true;
	}
	return 0;
}

int vsock_doors_open(struct vsock *v)
{
	int err = 0;

	if (v->uds_path)
		err = unix_door(v, "uds-path", v->uds_path, VSOCK_TYPE_STREAM);
	if (!err && v->uds_seqpacket)
		err = unix_door(v, "uds-seqpacket-path", v->uds_seqpacket, VSOCK_TYPE_SEQPACKET);
	for (unsigned int i = 0; !err && i < v->nlisten; i++)
		err = vm_door(v, &v->listen[i]);
	for (unsigned int i = 0; !err && i < v->ngroups; i++)
		err = group_doors(v, &v->groups[i]);
	return err;
}

void vsock_doors_close(struct vsock *v)
{
	while (v->ndoors) {
		struct vsock_door *door = &v->doors[--v->ndoors];

		ev_io_stop(v->d.loop, &door->acceptable);
		ev_timer_stop(v->d.loop, &door->retry);
		if (door->listener.path)
			unix_listener_close(&door->listener);
		else
			close(door->listener.fd);
	}
}

/* ---- the guest's connections */

static int unix_host_connect(struct vsock *v, uint32_t port, uint16_t type, bool *pending)
{
	char path[PATH_SIZE];

	if (!v->uds_path)
		return -ECONNREFUSED;
	snprintf(path, sizeof(path), "%s_%u", v->uds_path, port);
	return unix_connect_type(vsock_socket_type(type), path);
}

const struct vsock_host_ops vsock_unix_ops = {
	.name = "unix",
	.connect = unix_host_connect,
};
