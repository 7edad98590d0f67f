/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * common.h - the options every personality has.
 */
#ifndef VDEVD_CMD_COMMON_H
#define VDEVD_CMD_COMMON_H

#include "config.h"
#include "core/device.h"
#include "transport/front_socket.h"

/* Whether front-ends may give memory of other Xen domains. */
enum common_xen {
	COMMON_XEN_AUTO, /* where this machine has the devices for it */
	COMMON_XEN_ON,
	COMMON_XEN_OFF,
};

/* --print-sandbox */
enum common_print {
	COMMON_PRINT_NO,
	COMMON_PRINT_TEXT,
	COMMON_PRINT_JSON,
};

/* The options of one call. */
struct common {
	struct vdev *d;
	struct front_socket_opts socket;
	const char *vfio_user; /* --vfio-user: socket.path, too, once common_choose_protocol has been called */
	unsigned int log_level; /* enum log_level */
	unsigned int xen; /* enum common_xen */
	uint64_t xen_grant_cache; /* pages */
	uint64_t xen_domid;	  /* 0: any */
	uint64_t realtime; /* priority; 0: not asked for */
	struct sandbox_opts sandbox;
	unsigned int print_sandbox; /* enum common_print */
	unsigned int print_frontend; /* frontend_forms */
	bool print_capabilities, print_man, help, help_all, version;
	/* Called as the daemon this replaces: so many instances, socket names without their number. */
	uint64_t count;
	bool no_suffix;

	/* The option groups of the call: the device's, the common ones, the replaced daemon's. */
	struct opt_group groups[4];
};

/*
 * Makes the option groups for an instance and stores the common options' defaults.
 * c must stay where it is, and d live as long.  Returns 0 or -EINVAL.
 */
int common_init(struct common *c, struct vdev *d, bool compat);

/*
 * Chooses what is spoken on the socket.  Returns 0, or -EINVAL after a line on stderr: options that do not go together.
 */
int common_choose_protocol(struct common *c);

/*
 * Sees that there is exactly one socket, which the service manager may have passed (LISTEN_FDS).
 * Returns 0, or -EINVAL after a line on stderr.
 */
int common_take_socket(struct common *c);

/* Permissions in octal.  Returns 0 and *out, or -EINVAL with a reason in why. */
int common_parse_mode(const char *value, uint64_t *out, char *why, size_t why_size);

/* Whether XEN_MMAP is offered: by --xen, or as the machine is. */
bool common_offers_xen(const struct common *c);

/* What the options --help, --print-capabilities and --print-man write on standard output. */
void print_help(const struct common *c);
void print_capabilities(const struct common *c);
void print_man_page(const struct common *c);
void print_sandbox(const struct common *c);
void print_frontend(const struct common *c);

#endif
