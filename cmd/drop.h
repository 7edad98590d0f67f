/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * drop.h - from opening to serving: what a process may still do is what its parts say they need.
 */
#ifndef VDEVD_CMD_DROP_H
#define VDEVD_CMD_DROP_H

#include "cmd/common.h"

/* What serving the device of c on this socket needs, by the options alone.  Free it with sandbox_free; NULL: no memory.
 */
struct sandbox *drop_needs(const struct common *c, const struct front_socket_opts *socket);

/* Takes the rest away (core/sandbox.h).  Returns 0, or -errno after a line. */
int drop(const struct common *c, const struct front_socket_opts *socket);

#endif
