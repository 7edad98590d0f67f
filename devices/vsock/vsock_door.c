/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_door.c - sockets at which programs of the host and other guests ask for connections to the guest: Unix sockets
 * (see vsock_line.c), and ports of this machine's own AF_VSOCK, vsock(7).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h> /* wants sys/socket.h before it, in headers of Linux 6.1 */

#include "devices/vsock/vsock.h"

#define BACKLOG 128

/* A connection has come, and there is a link for it: doors_room has seen to that. */
static void accepted(struct listener *listener, int fd)
{
	vsock_link_adopt(container_of(listener, struct vsock_door, listener), fd);
}

/* Those who come while there is no link for them wait in the backlog. */
static void doors_room(struct vsock *v, bool there_is)
{
	for (unsigned int i = 0; i < v->ndoors; i++) {
		if (there_is)
			listener_resume(&v->doors[i].listener);
		else
			listener_pause(&v->doors[i].listener);
	}
}

/* A socket listens: lets people in. */
static int door_open(struct vsock_door *door)
{
	struct vsock *v = door->v;

	door->listener = (struct listener){.accepted = accepted, .log = &v->d.log, .name = door->name};
	v->ndoors++;
	return listener_start(&door->listener, v->d.loop, door->socket.fd);
}

/* Listens at path, which an option gave. */
static int unix_door(struct vsock *v, const char *option, const char *path, uint16_t type)
{
	struct vsock_door *door = &v->doors[v->ndoors];
	/* The longest name is that of the last port's socket. */
	int err = path == v->uds_path && strlen(path) + sizeof("_4294967295") > UNIX_PATH_LEN + 1 ? -ENAMETOOLONG : 0;

	*door = (struct vsock_door){.v = v, .type = type, .name = path};
	if (!err)
		err = unix_listen_type(&door->socket, vsock_socket_type(type), path, UINT64_MAX, BACKLOG);
	if (err) {
		log_error(&v->d.log, "--%s=%s: %s%s", option, path, strerror(-err),
			  err == -EADDRINUSE ? " (another process serves it, or it is no socket)" : "");
		return err;
	}
	return door_open(door);
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
	door->socket.fd = fd;
	return door_open(door);
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

	v->room = doors_room;
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

void vsock_doors_need(const struct vsock *v, struct sandbox *s)
{
	if (v->uds_path)
		unix_listener_needs(v->uds_path, s);
	if (v->uds_seqpacket)
		unix_listener_needs(v->uds_seqpacket, s);
	if (v->nlisten)
		sandbox_calls(s, unix_accept_calls);
	for (unsigned int i = 0; i < v->ngroups; i++) {
		char path[UNIX_PATH_LEN + 1];

		if (vsock_group_path(v->groups[i].dir, v->guest_cid, VSOCK_TYPE_STREAM, path, sizeof(path)))
			unix_listener_needs(path, s);
	}
}

void vsock_doors_close(struct vsock *v)
{
	while (v->ndoors) {
		struct vsock_door *door = &v->doors[--v->ndoors];

		listener_stop(&door->listener);
		if (door->socket.path)
			unix_listener_close(&door->socket);
		else
			close(door->socket.fd);
	}
}
