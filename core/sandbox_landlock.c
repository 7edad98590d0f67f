/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox_landlock.c - files, TCP ports, signals and abstract sockets by landlock(7); see sandbox.h.
 *
 * What a kernel does not know is left out, so that one of Linux 5.13 guards files and one of 6.12 all.  The structures
 * and numbers are the kernel's interface (Documentation/userspace-api/landlock.rst), written down here because the
 * headers of many a C library are older than the kernels it runs on.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sandbox_impl.h"

/* The same on every machine. */
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule	     445
#define __NR_landlock_restrict_self  446
#endif

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1
#define RULE_NET_PORT	       2

#define FS_EXECUTE     BIT(0)
#define FS_WRITE_FILE  BIT(1)
#define FS_READ_FILE   BIT(2)
#define FS_READ_DIR    BIT(3)
#define FS_REMOVE_DIR  BIT(4)
#define FS_REMOVE_FILE BIT(5)
#define FS_MAKE_DIR    BIT(7)
#define FS_MAKE_REG    BIT(8)
#define FS_MAKE_SOCK   BIT(9)
#define FS_TRUNCATE    BIT(14)
#define FS_IOCTL_DEV   BIT(15)

/* Rights that a rule about a file can have. */
#define FS_OF_FILES (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

#define NET_BIND_TCP	BIT(0)
#define NET_CONNECT_TCP BIT(1)

#define SCOPE_ABSTRACT_UNIX_SOCKET BIT(0)
#define SCOPE_SIGNAL		   BIT(1)

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath_attr {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

struct net_port_attr {
	uint64_t allowed, port;
};

_Static_assert(sizeof(struct ruleset_attr) == 24, "struct landlock_ruleset_attr");
_Static_assert(sizeof(struct path_beneath_attr) == 12, "struct landlock_path_beneath_attr");
_Static_assert(sizeof(struct net_port_attr) == 16, "struct landlock_net_port_attr");

/* All the rights about files that this version of the interface knows. */
static uint64_t known_files(int abi)
{
	if (abi >= 5)
		return BIT(16) - 1;
	if (abi >= 3)
		return BIT(15) - 1;
	return abi == 2 ? BIT(14) - 1 : BIT(13) - 1;
}

static uint64_t rights_of(unsigned int access)
{
	uint64_t rights = 0;

	if (access & SANDBOX_READ)
		rights |= FS_READ_FILE | FS_READ_DIR;
	if (access & SANDBOX_WRITE)
		rights |= FS_WRITE_FILE | FS_TRUNCATE;
	if (access & SANDBOX_DEVICE)
		rights |= FS_IOCTL_DEV;
	if (access & SANDBOX_TREE)
		rights |= ~(FS_EXECUTE | FS_IOCTL_DEV);
	if (access & SANDBOX_MAKE)
		rights |= FS_REMOVE_FILE | FS_REMOVE_DIR | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK;
	return rights;
}

/* Allows what is needed of one path; one that is not there needs no rule. */
static int allow_path(int ruleset, const struct sandbox_path_need *p, uint64_t known, struct sandbox_reason *r)
{
	struct path_beneath_attr rule = {.allowed = rights_of(p->access) & known};
	struct stat st;
	int err = 0;

	rule.parent_fd = open(p->path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT ? 0 : sandbox_because(r, -errno, "%s: %s", p->path, strerror(errno));
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= FS_OF_FILES;
	if (rule.allowed && syscall(__NR_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
		err = sandbox_because(r, -errno, "%s: %s", p->path, strerror(errno));
	close(rule.parent_fd);
	return err;
}

/* What is kept inside the sandbox. */
static uint64_t scopes(const struct sandbox *s, int abi)
{
	uint64_t scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0;

	if (s->share & SANDBOX_NETWORK)
		scoped &= ~SCOPE_ABSTRACT_UNIX_SOCKET;
	if (s->share & SANDBOX_SIGNALS)
		scoped &= ~SCOPE_SIGNAL;
	return scoped;
}

static int allow_all(int ruleset, const struct sandbox *s, const struct ruleset_attr *a, struct sandbox_reason *r)
{
	int err = 0;

	for (size_t i = 0; !err && i < s->npaths; i++)
		err = allow_path(ruleset, &s->paths[i], a->fs, r);
	for (size_t i = 0; !err && a->net && i < s->nports; i++) {
		const struct net_port_attr rule = {NET_CONNECT_TCP, s->ports[i].port};

		if (syscall(__NR_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) < 0)
			err = sandbox_because(r, -errno, "port %u: %s", s->ports[i].port, strerror(errno));
	}
	return err;
}

int sandbox_landlock(const struct sandbox *s, struct sandbox_reason *r)
{
	int abi = (int)syscall(__NR_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION), ruleset, err;
	struct ruleset_attr a;

	if (abi < 0)
		return sandbox_because(r, -errno, "%s",
				       errno == EOPNOTSUPP ? "it is switched off (lsm= of the kernel's command line)"
							   : "this kernel does not have it (Linux 5.13)");
	a = (struct ruleset_attr){
		.fs = known_files(abi),
		.net = abi >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0,
		.scoped = scopes(s, abi),
	};
	ruleset = (int)syscall(__NR_landlock_create_ruleset, &a, sizeof(a), 0);
	if (ruleset < 0)
		return sandbox_because(r, -errno, "%s", strerror(errno));
	err = allow_all(ruleset, s, &a, r);
	if (!err && syscall(__NR_landlock_restrict_self, ruleset, 0) < 0)
		err = sandbox_because(r, -errno, "%s", strerror(errno));
	close(ruleset);
	return err;
}
