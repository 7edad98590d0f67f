/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox_impl.h - what the files of the sandbox share; see sandbox.h.
 */
#ifndef VDEVD_CORE_SANDBOX_IMPL_H
#define VDEVD_CORE_SANDBOX_IMPL_H

#include "core/sandbox.h"

struct sandbox_path_need {
	char *path;
	unsigned int access;
	const char *why;
};

struct sandbox_tcp_need {
	uint16_t port;
	const char *why;
};

struct sandbox_cap_need {
	unsigned int cap;
	const char *why;
};

struct sandbox {
	int err; /* the first that happened while needs were told */
	const struct sandbox_call **tables;
	size_t ntables;
	struct sandbox_path_need *paths;
	size_t npaths;
	struct sandbox_tcp_need *ports;
	size_t nports;
	struct sandbox_cap_need *caps;
	size_t ncaps;
	unsigned int share;
	const char *network_why;
};

/* Why a layer is missing; the text for the operator. */
struct sandbox_reason {
	char text[160];
};

#define SANDBOX_GROUPS 64

/* The groups that --user is in, and those of device nodes that are opened again. */
struct sandbox_groups {
	gid_t gids[SANDBOX_GROUPS];
	size_t n;
};

/* Reads them, while /etc/group is there. */
void sandbox_read_groups(const struct sandbox *s, const struct sandbox_opts *o, struct sandbox_groups *g);

/*
 * The layers that need a file of their own.  Each returns 0, or -errno with a reason: the layer is missing, and
 * nothing, or less than all of it, has happened.
 */
int sandbox_namespaces(const struct sandbox *s, const struct sandbox_opts *o, struct sandbox_reason *r);
int sandbox_root(const struct sandbox *s, struct sandbox_reason *r);
int sandbox_ids(const struct sandbox_opts *o, const struct sandbox_groups *g, bool keep_caps, struct sandbox_reason *r);
int sandbox_capabilities(const struct sandbox *s, struct sandbox_reason *r);
int sandbox_landlock(const struct sandbox *s, struct sandbox_reason *r);
int sandbox_seccomp(const struct sandbox *s, bool log_only, struct sandbox_reason *r);

/* Writes the reason.  Returns err, for the caller's return. */
int sandbox_because(struct sandbox_reason *r, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Whether one of these calls is needed; names: ends with NULL. */
bool sandbox_needs_one_of(const struct sandbox *s, const char *const *names);

/* How many system calls of this machine the needs come to; -1 without libseccomp. */
int sandbox_count(const struct sandbox *s);

/* The name of a capability: "CAP_SYS_RAWIO"; NULL: unknown. */
const char *sandbox_cap_name(unsigned int cap);

#endif
