/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_rules.h - which ports of the socket device may be connected to, and where those of the host lead: --allow, --deny,
 * --map.  No socket is touched.
 */
#ifndef VDEVD_DEVICES_VSOCK_VSOCK_RULES_H
#define VDEVD_DEVICES_VSOCK_VSOCK_RULES_H

#include <netinet/in.h>

#include "core/base.h"

#define VSOCK_RULES 64
#define VSOCK_MAPS  64

/* Ports of a direction. */
struct vsock_rule {
	bool allow;
	bool from_guest; /* ports of the host that the guest connects to; else the guest's */
	uint32_t first, last;
};

/* A port of the host that leads elsewhere. */
struct vsock_map {
	uint32_t port;
	const char *path; /* a Unix socket; points into the option; or NULL: */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} tcp;
};

struct vsock_rules {
	struct vsock_rule rules[VSOCK_RULES];
	unsigned int nrules;
	struct vsock_map maps[VSOCK_MAPS];
	unsigned int nmaps;
};

/*
 * Adds the rules of a value, "guest:PORTS" or "host:PORTS": PORTS are numbers or ranges (A-B), separated by commas, or
 * "all".  Returns 0, or -EINVAL with a reason in why; then the rules before it may have been added.
 */
int vsock_rules_add(struct vsock_rules *r, bool allow, const char *value, char *why, size_t why_size);

/*
 * Adds a map, "guest:PORT=unix:PATH" or "guest:PORT=tcp:ADDRESS:PORT" with an address of the loopback, 127.x.x.x or
 * [::1].  value must live as long as r.  Returns 0, or -EINVAL with a reason in why.
 */
int vsock_rules_map(struct vsock_rules *r, const char *value, char *why, size_t why_size);

/*
 * Whether a port may be connected to: as the first rule says that has it; where none has, unless there are ports of
 * that direction which are allowed.
 */
bool vsock_rules_allow(const struct vsock_rules *r, bool from_guest, uint32_t port);

/* Where the guest's connections to this port lead, or NULL. */
const struct vsock_map *vsock_rules_find(const struct vsock_rules *r, uint32_t port);

#endif
