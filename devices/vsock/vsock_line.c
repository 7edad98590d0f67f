/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_line.c - the lines by which ports are asked for over Unix sockets: the hybrid model of Firecracker, Cloud Hypervisor
 * and vhost-device-vsock; see vsock.h.
 *
 * A guest's connection to port N goes to the socket PATH_N.  A host's program connects to PATH, sends "CONNECT N\n" and
 * reads "OK M\n" when the guest has accepted, M being its own port; where the guest refuses, the socket is closed.  A person may
 * be that program: CONNECT in any case, more blanks than one, and a carriage return before the end are as good.
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
#define _GNU_SOURCE 1 /* struct ucred */
#endif
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "devices/vsock/vsock.h"

/* Steps over blanks.  Returns whether there was one. */
static bool skip_blanks(const char **at, const char *end)
{
	const char *begin = *at;

	while (*at < end && (**at == ' ' || **at == '\t'))
		++*at;
	return *at > begin;
}

/* Reads a decimal number. */
static bool read_number(const char **at, const char *end, uint32_t *number)
{
	const char *p = *at;
	uint64_t n = 0;

	for (; p < end && *p >= '0' && *p <= '9' && n <= UINT32_MAX; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (p == *at || n > UINT32_MAX)
		return false;
	*number = (uint32_t)n;
	*at = p;
	return true;
}

int vsock_line_parse(const char *line, size_t len, bool sibling, struct vsock_call *call)
{
	static const char word[] = "CONNECT";
	const char *at = line, *end = line + len;
	uint32_t *const numbers[] = {&call->port, &call->from_cid, &call->from_port};

	*call = (struct vsock_call){0};
	skip_blanks(&at, end);
	if ((size_t)(end - at) < sizeof(word) || strncasecmp(at, word, sizeof(word) - 1) != 0)
		return -EINVAL;
	at += sizeof(word) - 1;
	for (unsigned int i = 0; i < (sibling ? 3 : 1); i++) {
		if (!skip_blanks(&at, end) || !read_number(&at, end, numbers[i]))
			return -EINVAL;
	}
	skip_blanks(&at, end);
	if (end - at == 2 && *at == '\r')
		at++;
	return end - at == 1 && *at == '\n' ? 0 : -EINVAL;
}

bool vsock_line_may(struct vsock_link *l, uint32_t port)
{
	bool may = vsock_rules_allow(&l->v->rules, false, port);
	struct ucred who = {.pid = 0};
	socklen_t len = sizeof(who);

	if (!l->door->socket.path || getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		who = (struct ucred){.pid = 0, .uid = (uid_t)-1};
	if (may)
		log_debug(&l->v->d.log, "process %d of user %d connects to the guest's port %u", (int)who.pid, (int)who.uid, port);
	else
		log_guest(&l->v->d.log, "process %d of user %d may not connect to the guest's port %u (--allow, --deny)",
			  (int)who.pid, (int)who.uid, port);
	return may;
}

/* Reads more of the line, up to its end.  Returns 0: that has come; -EAGAIN; -EPIPE: it will not. */
static int read_line(struct vsock_link *l, uint16_t type)
{
	char *at = l->line + l->line_len, *end;
	/* What follows the line is for the guest; a message is a line. */
	int flags = type == VSOCK_TYPE_STREAM ? MSG_PEEK : 0;
	ssize_t n = recv(l->fd, at, sizeof(l->line) - l->line_len, flags | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return -EPIPE;
	end = memchr(at, '\n', (size_t)n);
	if (flags)
		n = recv(l->fd, at, end ? (size_t)(end - at) + 1 : (size_t)n, MSG_DONTWAIT);
	l->line_len += n > 0 ? (size_t)n : 0;
	if (end)
		return 0;
	return l->line_len < sizeof(l->line) && flags ? -EAGAIN : -EPIPE;
}

int vsock_line_asked(struct vsock_link *l, struct vsock_call *call)
{
	int ret = read_line(l, l->door->type);

	return ret < 0 ? ret : vsock_line_parse(l->line, l->line_len, l->door->sibling, call);
}

/* ---- other guests */

bool vsock_group_path(const char *dir, uint64_t cid, uint16_t type, char *path, size_t size)
{
	int len = snprintf(path, size, "%s/%ju%s", dir, (uintmax_t)cid, type == VSOCK_TYPE_SEQPACKET ? ".seqpacket" : "");

	return len > 0 && (size_t)len < size;
}

int vsock_line_greet(struct vsock_link *l)
{
	char line[VSOCK_LINE]; /* "CONNECT 4294967295 4294967295 4294967295\n" */
	int len = snprintf(line, sizeof(line), "CONNECT %u %u %u\n", l->conn.port, (uint32_t)l->conn.guest_cid,
			   l->conn.guest_port);
	ssize_t n = send(l->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n == len ? 0 : n < 0 ? -errno : -EPIPE;
}

int vsock_line_greeted(struct vsock_link *l)
{
	int ret = read_line(l, l->conn.type);

	if (ret == -EAGAIN)
		return ret;
	return ret == 0 && l->line_len > 3 && memcmp(l->line, "OK ", 3) == 0 ? 0 : -ECONNREFUSED;
}

void vsock_line_accept(struct vsock_link *l)
{
	char line[32];

	if (l->door->direct)
		return;
	int len = snprintf(line, sizeof(line), "OK %u\n", l->conn.port);

	/* A program that has gone already does not hear it, and what it has sent before is still for the guest. */
	(void)send(l->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}
