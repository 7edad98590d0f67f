/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_relay.h - stands between a front-end and a back end, so that the back end can end and begin anew unnoticed.
 * QEMU docs/interop/vhost-user.rst.
 *
 * Messages go through it, rings and notifications do not: the device is as fast as without.  What the front-end has said and what
 * still holds is kept, with its descriptors.  When the back end is gone, its socket is called again until one answers,
 * and to that one it is said again; then the message goes on that was not answered.  Chains in flight are in a record (INFLIGHT_SHMFD)
 * that the relay asks for in the front-end's place, where that did not.  So a machine goes on whose front-end does not reconnect.
 *
 * One message is under way at a time, and what is kept was acknowledged. A guest's write of configuration is not kept:
 * a new back end may refuse it without an end. The relay maps no guest memory; a hostile guest does not reach it. Which
 * of QEMU's stubs live on without a relay is in vdevd-protocol(7).
 */
#ifndef VDEVD_TRANSPORT_RELAY_VU_RELAY_H
#define VDEVD_TRANSPORT_RELAY_VU_RELAY_H

#include <ev.h>

#include "core/log.h"
#include "core/sandbox.h"

struct vu_relay;

/*
 * Listens at path and serves one front-end after the other with the back end whose socket is to; neither is copied.
 * mode: permissions of path, UINT64_MAX: as the umask says.  The back end need not be there yet.
 * Returns 0 and *out (free with vu_relay_free), or -errno after a line that says why.
 */
int vu_relay_open(struct ev_loop *loop, struct log *log, const char *path, uint64_t mode, const char *to,
		  struct vu_relay **out);

/* What there is to be seen from outside. */
struct vu_relay_view {
	bool front, back;   /* there is one */
	unsigned int backs; /* so far */
};

void vu_relay_look(const struct vu_relay *r, struct vu_relay_view *view);

/* Ends the connections and unlinks the socket; NULL is allowed. */
void vu_relay_free(struct vu_relay *r);

/* What a relay from path to the back end at this socket takes. */
void vu_relay_needs(const char *path, const char *to, struct sandbox *s);

#endif
