/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox_ns.c - namespaces(7) of the process's own; see sandbox.h.
 *
 * Who may not make them does so inside a user namespace, where the kernel has those for everybody.  Then no id but the
 * process's own has a meaning there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "core/sandbox_impl.h"

/* Writes a file of the process's own in proc(5). */
static int write_own(const char *path, const char *text, struct sandbox_reason *r)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err = sandbox_because(r, -errno, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return err;
}

/* The user namespace: the ids are what they were. */
static int make_user(int wanted, struct sandbox_reason *r)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];
	int err;

	if (unshare(wanted | CLONE_NEWUSER) < 0)
		return sandbox_because(r, -errno, "%s (the right to user namespaces, or CAP_SYS_ADMIN, is wanted)",
				       strerror(errno));
	snprintf(map, sizeof(map), "%u %u 1\n", (unsigned int)uid, (unsigned int)uid);
	err = write_own("/proc/self/uid_map", map, r);
	if (!err)
		err = write_own("/proc/self/setgroups", "deny", r);
	snprintf(map, sizeof(map), "%u %u 1\n", (unsigned int)gid, (unsigned int)gid);
	return err ? err : write_own("/proc/self/gid_map", map, r);
}

/* What is mounted here is not seen on the host; what the host mounts later is seen here. */
static int make_private(struct sandbox_reason *r)
{
	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
		return 0;
	return sandbox_because(r, -errno, "private mounts: %s", strerror(errno));
}

/* Whether the kernel, and whoever has limited us before, lets a filter be set. */
static bool has_filters(void)
{
	const uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(__NR_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/*
 * Whether no socket will be made: seccomp ends who tries.  A network that nobody can use costs more than all else that
 * is done here: a third of a millisecond, and work for the kernel when it goes.
 */
static bool makes_no_socket(const struct sandbox *s, const struct sandbox_opts *o)
{
	static const char *const makers[] = {"socket", "socketpair", "io_uring_enter", "io_uring_setup", NULL};

	return VDEVD_HAVE_SECCOMP && (o->layers & BIT(SANDBOX_SECCOMP)) && !o->log_only && has_filters() &&
	       !sandbox_needs_one_of(s, makers);
}

int sandbox_namespaces(const struct sandbox *s, const struct sandbox_opts *o, struct sandbox_reason *r)
{
	bool net = !(s->share & SANDBOX_NETWORK) && !makes_no_socket(s, o);
	int wanted = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (net ? CLONE_NEWNET : 0);

	int err = 0;

	if (unshare(wanted) < 0)
		err = errno == EPERM ? make_user(wanted, r) : sandbox_because(r, -errno, "%s", strerror(errno));
	return err ? err : make_private(r);
}
