/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_host.c - where a connection of the guest's leads on the host: rules, maps, Unix sockets (see vsock_line.c), other
 * virtual machines' sockets (vsock(7)), loopback (tcp(7)); see vsock.h.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h> /* wants sys/socket.h before it, in headers of Linux 6.1 */

#include "devices/vsock/vsock.h"

static const struct sandbox_call tcp_calls[] = {
	{.name = "socket",
	 .why = "a connection to --map=...tcp:",
	 .checks = {{0, SANDBOX_IS, AF_INET}, {1, SANDBOX_SET, SOCK_STREAM}}},
	{.name = "socket",
	 .why = "a connection to --map=...tcp:",
	 .checks = {{0, SANDBOX_IS, AF_INET6}, {1, SANDBOX_SET, SOCK_STREAM}}},
	{.name = "connect", .why = "a connection to --map=...tcp:"},
	{.name = "setsockopt",
	 .why = "bytes are sent at once",
	 .checks = {{1, SANDBOX_IS, IPPROTO_TCP}, {2, SANDBOX_IS, TCP_NODELAY}}},
	{0},
};

static const struct sandbox_call vm_calls[] = {
	{.name = "socket", .why = "a connection to another virtual machine", .checks = {{0, SANDBOX_IS, AF_VSOCK}}},
	{.name = "connect", .why = "a connection to another virtual machine"},
	{0},
};

void vsock_rules_need(const struct vsock *v, struct sandbox *s)
{
	for (unsigned int i = 0; i < v->rules.nmaps; i++) {
		const struct vsock_map *m = &v->rules.maps[i];

		if (m->path) {
			sandbox_calls(s, unix_connect_calls);
			sandbox_folder(s, m->path, SANDBOX_CONNECT, "--map");
			continue;
		}
		sandbox_calls(s, tcp_calls);
		sandbox_tcp(s, ntohs(m->tcp.sa.sa_family == AF_INET ? m->tcp.in.sin_port : m->tcp.in6.sin6_port),
			    "--map");
		sandbox_share(s, SANDBOX_NETWORK, "--map");
	}
	for (unsigned int i = 0; i < v->ngroups; i++) {
		sandbox_calls(s, unix_connect_calls);
		sandbox_path(s, v->groups[i].dir, SANDBOX_CONNECT, "--group");
	}
}

int vsock_socket_type(uint16_t type)
{
	return type == VSOCK_TYPE_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;
}

/* Connects a new socket.  Returns it, or -errno. */
static int connect_socket(const struct sockaddr *sa, socklen_t len, uint16_t type, bool *pending)
{
	int fd = socket(sa->sa_family, vsock_socket_type(type) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, err;

	if (fd < 0)
		return -errno;
	if (sa->sa_family == AF_INET || sa->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, sa, len) == 0)
		return fd;
	err = -errno;
	*pending = err == -EINPROGRESS;
	if (*pending)
		return fd;
	close(fd);
	return err;
}

static int connect_map(const struct vsock_map *m, uint16_t type, bool *pending)
{
	if (m->path)
		return unix_connect_type(vsock_socket_type(type), m->path);
	/* TCP knows no messages. */
	if (type != VSOCK_TYPE_STREAM)
		return -EPROTOTYPE;
	return connect_socket(&m->tcp.sa, m->tcp.sa.sa_family == AF_INET ? sizeof(m->tcp.in) : sizeof(m->tcp.in6), type, pending);
}

/* The vdevd of another guest. */
static int connect_sibling(const struct vsock *v, uint64_t cid, uint16_t type)
{
	int fd = -EHOSTUNREACH;

	for (unsigned int i = 0; i < v->ngroups && cid != v->guest_cid; i++) {
		const struct vsock_group *g = &v->groups[i];
		char path[sizeof(g->paths[0])];

		if (!vsock_group_path(g->dir, cid, type, path, sizeof(path)))
			continue;
		fd = unix_connect_type(vsock_socket_type(type), path);
		/* One that is there but busy is tried again. */
		if (fd >= 0 || fd == -EAGAIN)
			break;
	}
	return fd;
}

int vsock_host_connect(struct vsock *v, const struct vsock_conn *c, bool *pending)
{
	const struct vsock_map *m = vsock_rules_find(&v->rules, c->port);

	*pending = false;
	if (!vsock_rules_allow(&v->rules, true, c->port)) {
		log_guest(&v->d.log, "the guest may not connect to port %u (--allow, --deny)", c->port);
		return -EACCES;
	}
	if (c->cid != VSOCK_CID_HOST)
		return connect_sibling(v, c->cid, c->type);
	return m ? connect_map(m, c->type, pending) : v->host->connect(v, c->port, c->type, pending);
}

static int forward_connect(struct vsock *v, uint32_t port, uint16_t type, bool *pending)
{
	const struct sockaddr_vm vm = {
		.svm_family = AF_VSOCK,
		.svm_cid = (unsigned int)v->forward_cid,
		.svm_port = port,
	};

	return connect_socket((const struct sockaddr *)&vm, sizeof(vm), type, pending);
}

static void forward_needs(const struct vsock *v, struct sandbox *s)
{
	sandbox_calls(s, vm_calls);
	sandbox_share(s, SANDBOX_NETWORK, "--forward-cid");
}

const struct vsock_host_ops vsock_forward_ops = {
	.name = "vsock",
	.needs = forward_needs,
	.connect = forward_connect,
};

static int unix_connect_port(struct vsock *v, uint32_t port, uint16_t type, bool *pending)
{
	char path[UNIX_PATH_LEN + 1];

	if (!v->uds_path)
		return -ECONNREFUSED;
	snprintf(path, sizeof(path), "%s_%u", v->uds_path, port);
	return unix_connect_type(vsock_socket_type(type), path);
}

static void unix_needs(const struct vsock *v, struct sandbox *s)
{
	sandbox_calls(s, unix_connect_calls);
	if (v->uds_path)
		sandbox_folder(s, v->uds_path, SANDBOX_CONNECT, "--uds-path, where the guest's connections go");
}

const struct vsock_host_ops vsock_unix_ops = {
	.name = "unix",
	.needs = unix_needs,
	.connect = unix_connect_port,
};
