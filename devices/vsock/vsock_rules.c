/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_rules.c - which ports of the socket device (VIRTIO 1.4, section 5.10.6.2 "Addressing") may be connected to, and
 * where those of the host lead; see vsock_rules.h.
 */
#include "devices/vsock/vsock_rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "core/opt.h"
#include "core/words.h"

static int wrong(char *why, size_t why_size, const char *text)
{
	snprintf(why, why_size, "%s", text);
	return -EINVAL;
}

/* Reads the number that is the first len characters of text. */
static bool read_port(const char *text, size_t len, uint64_t most, uint64_t *port)
{
	char digits[16];

	if (!len || len >= sizeof(digits))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return opt_parse_number(digits, false, port) == 0 && *port <= most;
}

/* Reads "A", "A-B" or "all", of len characters. */
static bool read_range(const char *text, size_t len, struct vsock_rule *rule)
{
	const char *dash = memchr(text, '-', len);
	size_t head = dash ? (size_t)(dash - text) : len;
	uint64_t first = 0, last = UINT32_MAX;
	bool good;

	if (len == 3 && memcmp(text, "all", 3) == 0) {
		good = true;
	} else {
		good = read_port(text, head, UINT32_MAX, &first);
		last = first;
		if (good && dash)
			good = read_port(dash + 1, len - head - 1, UINT32_MAX, &last) && first <= last;
	}
	rule->first = (uint32_t)first;
	rule->last = (uint32_t)last;
	return good;
}

struct adding {
	struct vsock_rules *rules;
	struct vsock_rule rule; /* but for its ports */
};

static int add_ports(void *arg, struct word w, char *why, size_t why_size)
{
	struct adding *a = arg;
	struct vsock_rules *r = a->rules;

	if (!read_range(w.text, w.len, &a->rule))
		return wrong(why, why_size, "ports are wanted behind the colon: 22, 1024-2047, all, with commas between");
	if (r->nrules == VSOCK_RULES)
		return wrong(why, why_size, "too many ports (64 numbers or ranges at most)");
	r->rules[r->nrules++] = a->rule;
	return 0;
}

int vsock_rules_add(struct vsock_rules *r, bool allow, const char *value, char *why, size_t why_size)
{
	struct adding a = {r, {.allow = allow}};

	if (strncmp(value, "guest:", 6) == 0)
		a.rule.from_guest = true;
	else if (strncmp(value, "host:", 5) != 0)
		return wrong(why, why_size, "who connects is wanted first: guest:PORTS or host:PORTS");
	return words_each(strchr(value, ':') + 1, ',', add_ports, &a, why, why_size);
}

/* Reads "ADDRESS:PORT". */
static bool read_tcp(const char *text, struct vsock_map *m)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	char address[INET6_ADDRSTRLEN + 2];
	uint64_t port;

	if (!len || len >= sizeof(address) || !read_port(colon + 1, strlen(colon + 1), UINT16_MAX, &port) || !port)
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	memset(&m->tcp, 0, sizeof(m->tcp));
	if (strcmp(address, "[::1]") == 0) {
		m->tcp.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
		m->tcp.in6.sin6_port = htons((uint16_t)port);
		return true;
	}
	m->tcp.in.sin_family = AF_INET;
	m->tcp.in.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, address, &m->tcp.in.sin_addr) == 1 && ntohl(m->tcp.in.sin_addr.s_addr) >> 24 == 127;
}

int vsock_rules_map(struct vsock_rules *r, const char *value, char *why, size_t why_size)
{
	const char *to = strchr(value, '=');
	struct vsock_map m = {0};
	uint64_t port;

	if (strncmp(value, "guest:", 6) != 0 || !to || !read_port(value + 6, (size_t)(to - value) - 6, UINT32_MAX, &port))
		return wrong(why, why_size, "guest:PORT=unix:PATH or guest:PORT=tcp:127.0.0.1:PORT is wanted");
	m.port = (uint32_t)port;
	to++;
	if (strncmp(to, "unix:", 5) == 0) {
		m.path = to + 5;
		if (!*m.path || strlen(m.path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return wrong(why, why_size, "the path of a Unix socket has 1 to 107 characters");
	} else if (strncmp(to, "tcp:", 4) != 0 || !read_tcp(to + 4, &m)) {
		return wrong(why, why_size, "a port leads to unix:PATH or to this machine: tcp:127.0.0.1:PORT, tcp:[::1]:PORT");
	}
	if (vsock_rules_find(r, m.port))
		return wrong(why, why_size, "this port leads somewhere else already");
	if (r->nmaps == VSOCK_MAPS)
		return wrong(why, why_size, "too many ports (64 at most)");
	r->maps[r->nmaps++] = m;
	return 0;
}

bool vsock_rules_allow(const struct vsock_rules *r, bool from_guest, uint32_t port)
{
	bool listed = false;

	for (unsigned int i = 0; i < r->nrules; i++) {
		const struct vsock_rule *rule = &r->rules[i];

		if (rule->from_guest != from_guest)
			continue;
		if (port >= rule->first && port <= rule->last)
			return rule->allow;
		listed |= rule->allow;
	}
	return !listed;
}

const struct vsock_map *vsock_rules_find(const struct vsock_rules *r, uint32_t port)
{
	for (unsigned int i = 0; i < r->nmaps; i++) {
		if (r->maps[i].port == port)
			return &r->maps[i];
	}
	return NULL;
}
