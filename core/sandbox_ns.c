/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox_ns.c - namespaces(7) of the process's own; see sandbox.h.
 *
 * Who may not make them does so inside a user namespace, where the kernel has those for everybody.  Then no id but the
 * process's own has a meaning there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "core/sandbox_impl.h"

/* What is mounted here is not seen on the host; what the host mounts later is seen here. */
static int make_private(struct sandbox_reason *r)
{
	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
		return 0;
	return sandbox_because(r, -errno, "private mounts: %s", strerror(errno));
}

int sandbox_namespaces(const struct sandbox *s, struct sandbox_reason *r)
{
	int wanted = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (s->share & SANDBOX_NETWORK ? 0 : CLONE_NEWNET);

	if (unshare(wanted) < 0 && (errno != EPERM || unshare(wanted | CLONE_NEWUSER) < 0))
		return sandbox_because(r, -errno, "%s (the right to user namespaces, or CAP_SYS_ADMIN, is wanted)",
				       strerror(errno));
	return make_private(r);
}
