/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * service.c - the service manager's two protocols: sd_notify(3), "Implementation notes", and sd_listen_fds(3).
 */
#include "core/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base.h"
#include "core/opt.h"

/* Connected to the service manager; -1: not, or there is none. */
static int notify_fd = -1;

static const struct sandbox_call service_calls[] = {
	{.name = "send", .why = "a word to the service manager"},
	{0},
};

void service_needs(struct sandbox *s)
{
	if (notify_fd >= 0)
		sandbox_calls(s, service_calls);
}

int service_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len;
	int fd;

	if (!path || notify_fd >= 0)
		return 0;
	len = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || len < 2)
		return -EAFNOSUPPORT;
	if (len >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, len);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	notify_fd = fd;
	return 0;
}

void service_close(void)
{
	unsetenv("NOTIFY_SOCKET");
	if (notify_fd >= 0)
		close(notify_fd);
	notify_fd = -1;
}

int service_notify(const char *state)
{
	int err = service_open();

	if (err || notify_fd < 0)
		return err;
	return send(notify_fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* The variable as a number, or 0. */
static uint64_t env_number(const char *name)
{
	const char *text = getenv(name);
	uint64_t value;

	return text && opt_parse_number(text, false, &value) == 0 ? value : 0;
}

double service_watchdog(void)
{
	uint64_t pid = env_number("WATCHDOG_PID");

	if (pid && pid != (uint64_t)getpid())
		return 0;
	return (double)env_number("WATCHDOG_USEC") / 2e6;
}

int service_listen_fds(void)
{
	uint64_t pid = env_number("LISTEN_PID"), count = env_number("LISTEN_FDS");
	int n = 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (pid != (uint64_t)getpid())
		return 0;
	/* A number too large for the open descriptors ends at the first that is not open. */
	for (; (uint64_t)n < count; n++) {
		int fd = SERVICE_LISTEN_FD + n, flags = fcntl(fd, F_GETFD);

		if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
			break;
	}
	return n;
}
