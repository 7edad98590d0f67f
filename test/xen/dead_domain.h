/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dead_domain.h - a Xen domain that has memory and a grant table, but no kernel, and never runs: what a front-end
 * needs of a guest, and nothing more.  For tests in dom0; needs libxenctrl.
 */
#ifndef VDEVD_TEST_XEN_DEAD_DOMAIN_H
#define VDEVD_TEST_XEN_DEAD_DOMAIN_H

#include "core/base.h"

struct dead_domain;

/* The guest frame its memory begins at. */
#define DEAD_FIRST_FRAME 0x100u

/* Makes a domain of this many pages.  Returns 0 and *out, or -errno after a line on stderr. */
int dead_domain_new(unsigned int pages, struct dead_domain **out);

/* Destroys the domain, now; what is mapped of it stays mapped. */
void dead_domain_destroy(struct dead_domain *d);

/* Forgets it, but leaves it there (if it was not destroyed); NULL is allowed. */
void dead_domain_free(struct dead_domain *d);

/* Destroys a domain that another process has made. */
int dead_domain_destroy_other(uint32_t domid);

uint32_t dead_domain_id(const struct dead_domain *d);

/* Grants n frames from frame on to this domain, by references from ref on. */
void dead_domain_grant(struct dead_domain *d, uint32_t ref, uint64_t frame, unsigned int n, bool read_only);

/* Takes the grants back, in use or not: no new mapping of them can be made. */
void dead_domain_revoke(struct dead_domain *d, uint32_t ref, unsigned int n);

/* Whether any of these grants is mapped by somebody: its guest could not take it back. */
bool dead_domain_in_use(const struct dead_domain *d, uint32_t ref, unsigned int n);

#endif
