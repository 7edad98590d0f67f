/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * drop.c - collects what the parts of a serving process need, and takes the rest away.
 */
#include "cmd/drop.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "core/loop.h"
#include "core/service.h"
#include "mem/gmem_xen.h"

struct sandbox *drop_needs(const struct common *c, const struct front_socket_opts *socket)
{
	struct sandbox *s = sandbox_new();

	if (!s)
		return NULL;
	sandbox_calls(s, sandbox_process_calls);
	sandbox_calls(s, log_calls);
	sandbox_calls(s, loop_calls);
	sandbox_calls(s, gmem_shm_calls);
#if VDEVD_HAVE_XEN
	if (common_offers_xen(c))
		sandbox_calls(s, gmem_xen_calls);
#endif
	service_needs(s);
	front_socket_needs(socket, c->d, s);
	vdev_needs(c->d, s);
	return s;
}

int drop(const struct common *c, const struct front_socket_opts *socket)
{
	struct sandbox *s = drop_needs(c, socket);
	int err = -ENOMEM;

	if (s)
		err = sandbox_apply(s, &c->sandbox, &c->d->log);
	else
		log_error(&c->d->log, "out of memory");
	sandbox_free(s);
#ifdef __GLIBC__
	/* Start-up took more, most of all to make the filter; what is free goes back to the system. */
	malloc_trim(0);
#endif
	return err;
}
