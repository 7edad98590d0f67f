/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * userfault.c - guest memory whose pages come while it is used; see userfault.h.
 */
#include "mem/userfault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem/gmem.h"
#include "mem/sigbus.h"

/* The device node, where the system call is not for everybody: Linux 6.1. */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

#define DEVICE "/dev/userfaultfd"

static const struct sandbox_call userfault_calls[] = {
	{.name = "userfaultfd", .why = "guest memory that comes later"},
	{.name = "eventfd2", .why = "the end of the thread that waits for its connection"},
	{.name = "open", .why = "the same, by its device node"},
	{.name = "ioctl", .why = "guest memory that comes later", .checks = {{1, SANDBOX_IS, USERFAULTFD_IOC_NEW}}},
	{.name = "ioctl", .why = "guest memory that comes later", .checks = {{1, SANDBOX_IS, UFFDIO_API}}},
	{.name = "ioctl", .why = "guest memory that comes later", .checks = {{1, SANDBOX_IS, UFFDIO_REGISTER}}},
	{.name = "ioctl", .why = "guest memory that comes later", .checks = {{1, SANDBOX_IS, UFFDIO_UNREGISTER}}},
	{.name = "ioctl", .why = "guest memory that comes later", .checks = {{1, SANDBOX_IS, UFFDIO_WAKE}}},
	{0},
};

void userfault_needs(struct sandbox *s)
{
	sandbox_calls(s, userfault_calls);
	sandbox_path(s, DEVICE, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DEVICE, "guest memory that comes later");
	/* Without the node the kernel asks for this right, for faults inside system calls. */
	if (access(DEVICE, R_OK | W_OK) < 0)
		sandbox_cap(s, CAP_SYS_PTRACE, "guest memory that comes later, without " DEVICE);
}

struct userfault {
	int fd;
	int hangup, stop; /* the thread's */
	bool watching;
	pthread_t thread;
};

static int open_fd(void)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	int fd = (int)syscall(__NR_userfaultfd, flags), dev;

	if (fd >= 0 || errno != EPERM)
		return fd < 0 ? -errno : fd;
	dev = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return -EPERM;
	fd = ioctl(dev, USERFAULTFD_IOC_NEW, flags);
	if (fd < 0)
		fd = -errno;
	close(dev);
	return fd;
}

static void wake(void *arg, uintptr_t start, size_t len)
{
	const struct userfault *u = arg;
	struct uffdio_range range = {.start = start, .len = len};

	ioctl(u->fd, UFFDIO_WAKE, &range);
}

/* The thread. */
static void *watch(void *arg)
{
	struct userfault *u = arg;
	struct pollfd fds[] = {{.fd = u->hangup, .events = POLLRDHUP}, {.fd = u->stop, .events = POLLIN}};

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (!fds[1].revents)
		sigbus_abandon(wake, u);
	return NULL;
}

static int watch_start(struct userfault *u)
{
	sigset_t all, old;
	int err;

	if (u->watching)
		return 0;
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&u->thread, NULL, watch, u);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	u->watching = !err;
	return err;
}

static void watch_stop(struct userfault *u)
{
	const uint64_t one = 1;

	if (!u->watching)
		return;
	while (write(u->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(u->thread, NULL);
}

int userfault_new(int hangup, struct userfault **out)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct userfault *u = calloc(1, sizeof(*u));
	int err = 0;

	*out = NULL;
	if (!u)
		return -ENOMEM;
	u->stop = eventfd(0, EFD_CLOEXEC);
	u->hangup = fcntl(hangup, F_DUPFD_CLOEXEC, 0);
	u->fd = open_fd();
	if (u->fd < 0)
		err = u->fd;
	else if (u->stop < 0 || u->hangup < 0 || ioctl(u->fd, UFFDIO_API, &api))
		err = -errno;
	if (err) {
		userfault_free(u, NULL);
		return err;
	}
	*out = u;
	return 0;
}

int userfault_fd(const struct userfault *u)
{
	return u->fd;
}

static int register_range(void *arg, void *start, size_t len)
{
	const struct userfault *u = arg;
	struct uffdio_register r = {.range = {(uintptr_t)start, len}, .mode = UFFDIO_REGISTER_MODE_MISSING};

	/* A page is waited for, and comes, as it is in the file; where there are no huge ones, that is so anyway. */
	(void)madvise(start, len, MADV_NOHUGEPAGE);
	return ioctl(u->fd, UFFDIO_REGISTER, &r) ? -errno : 0;
}

static int unregister_range(void *arg, void *start, size_t len)
{
	const struct userfault *u = arg;
	struct uffdio_range r = {(uintptr_t)start, len};

	/* Of a range that was not registered, or is no more, there is nothing to be said. */
	(void)ioctl(u->fd, UFFDIO_UNREGISTER, &r);
	return 0;
}

int userfault_register(struct userfault *u, struct gmem *gm)
{
	int err = watch_start(u);

	return err ? err : gmem_each_range(gm, register_range, u);
}

void userfault_free(struct userfault *u, struct gmem *gm)
{
	if (!u)
		return;
	watch_stop(u);
	if (gm)
		gmem_each_range(gm, unregister_range, u);
	if (u->fd >= 0)
		close(u->fd);
	if (u->stop >= 0)
		close(u->stop);
	if (u->hangup >= 0)
		close(u->hangup);
	free(u);
}
