/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox_rights.c - user and group ids, credentials(7), and capabilities(7); see sandbox.h.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sandbox_impl.h"

/* Linux 4.3 has them all; a C library's headers may not. */
#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT		 47
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

/* Once set, these cannot be unset: user id 0 means nothing to exec, a change of ids changes no capability, none becomes
 * ambient. */
#define LOCKED_BITS                                                                                                    \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |               \
	 SECBIT_KEEP_CAPS_LOCKED | BIT(6) /* SECBIT_NO_CAP_AMBIENT_RAISE */ | BIT(7) /* ..._LOCKED */)

static const char *const cap_names[] = {
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_KILL] = "CAP_KILL",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MKNOD] = "CAP_MKNOD",
};

const char *sandbox_cap_name(unsigned int cap)
{
	return cap < ARRAY_SIZE(cap_names) ? cap_names[cap] : NULL;
}

static uint64_t wanted_caps(const struct sandbox *s)
{
	uint64_t caps = 0;

	for (size_t i = 0; i < s->ncaps; i++)
		caps |= BIT(s->caps[i].cap);
	return caps;
}

/* ---- ids */

static void group_add(struct sandbox_groups *g, gid_t gid)
{
	for (size_t i = 0; i < g->n; i++) {
		if (g->gids[i] == gid)
			return;
	}
	if (g->n < SANDBOX_GROUPS)
		g->gids[g->n++] = gid;
}

/* The groups of /etc/group the user is in. */
static void groups_of_user(const char *user, struct sandbox_groups *groups)
{
	size_t len = strcspn(user, ":");
	FILE *f = fopen("/etc/group", "re");
	const struct group *g;

	while (f && (g = fgetgrent(f))) {
		for (char **m = g->gr_mem; *m; m++) {
			if (strlen(*m) == len && memcmp(*m, user, len) == 0)
				group_add(groups, g->gr_gid);
		}
	}
	if (f)
		fclose(f);
}

/* The groups of device nodes that are opened again later. */
static void groups_of_nodes(const struct sandbox *s, struct sandbox_groups *groups)
{
	struct stat st;

	for (size_t i = 0; i < s->npaths; i++) {
		if ((s->paths[i].access & SANDBOX_DEVICE) && stat(s->paths[i].path, &st) == 0 && S_ISCHR(st.st_mode) &&
		    (st.st_mode & S_IRGRP))
			group_add(groups, st.st_gid);
	}
}

void sandbox_read_groups(const struct sandbox *s, const struct sandbox_opts *o, struct sandbox_groups *g)
{
	g->n = 0;
	if (!o->has_user)
		return;
	if (o->user)
		groups_of_user(o->user, g);
	groups_of_nodes(s, g);
}

int sandbox_ids(const struct sandbox_opts *o, const struct sandbox_groups *g, bool keep_caps, struct sandbox_reason *r)
{
	if (getuid() == o->uid && geteuid() == o->uid && getgid() == o->gid && getegid() == o->gid)
		return 0;
	/* What is kept is kept over the change of the id; the next layer decides what that is. */
	if (setgroups(g->n, g->gids) < 0 || setresgid(o->gid, o->gid, o->gid) < 0 ||
	    (keep_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) || setresuid(o->uid, o->uid, o->uid) < 0)
		return sandbox_because(r, -errno, "--user: cannot become user %u, group %u: %s", (unsigned int)o->uid,
				       (unsigned int)o->gid, strerror(errno));
	return 0;
}

/* ---- capabilities */

/* Takes what the process could ever get.  Without CAP_SETPCAP it has no say in it, and then no_new_privs says the same.
 */
static void bound_caps(uint64_t keep)
{
	for (unsigned int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (!(keep & BIT(cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	}
	prctl(PR_SET_SECUREBITS, LOCKED_BITS, 0, 0, 0);
}

int sandbox_capabilities(const struct sandbox *s, struct sandbox_reason *r)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	uint64_t keep = wanted_caps(s);
	uint32_t any = 0;

	/* Between the change of the user id and here the bounding set needs its capability once more. */
	if (syscall(__NR_capget, &head, data) < 0)
		return sandbox_because(r, -errno, "capget: %s", strerror(errno));
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++) {
		any |= data[i].permitted | data[i].inheritable;
		data[i].effective = data[i].permitted;
	}
	if (any)
		syscall(__NR_capset, &head, data);
	bound_caps(keep);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* There is nothing to be taken, and a service manager's filter may forbid the call. */
	if (!any)
		return 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(__NR_capset, &head, data) < 0)
		return sandbox_because(r, -errno, "capset: %s", strerror(errno));
	return 0;
}
