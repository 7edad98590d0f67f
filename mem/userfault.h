/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * userfault.h - guest memory whose pages come while it is used: userfaultfd(2), for postcopy migration.
 *
 * Theory of operation.  Who touches a page that is not there sleeps in the kernel until the front-end, which holds the same
 * descriptor, has put it there.  That is the whole process but for one thread, which waits for the front-end to hang up: then nobody will
 * ever bring the page.  It puts private zero pages in the place of guest memory and wakes the sleeper, so that the process goes
 * on and the file behind the memory stays as it is; the loss is noted as that of a file that was cut short (sigbus.h).
 *
 * While it waits for a page the process answers no message and serves no ring; SIGTERM is acted upon when the page has
 * come, SIGKILL at once. A front-end that stays and brings nothing keeps the process as long as it likes: it could as
 * well bring wrong pages, and only its own device waits.
 *
 * It is offered only when asked for (--features=+pagefault), and wants a userfaultfd that works inside system calls
 * (CAP_SYS_PTRACE, /dev/userfaultfd, or vm.unprivileged_userfaultfd=1), because devices read(2) into guest memory. Not
 * together with GPA_ADDRESSES or XEN_MMAP. Rings are started after POSTCOPY_LISTEN, and memory does not change while
 * they run.
 */
#ifndef VDEVD_MEM_USERFAULT_H
#define VDEVD_MEM_USERFAULT_H

#include "core/sandbox.h"

struct gmem;
struct userfault;

/*
 * Opens a userfaultfd for this process.  hangup: a socket whose end is that of the front-end; it stays the caller's.
 * Returns 0 and *out (free with userfault_free); -EPERM: this process may not have one that also works inside system calls; or -errno.
 */
int userfault_new(int hangup, struct userfault **out);

/* The descriptor, not the caller's: for the front-end. */
int userfault_fd(const struct userfault *u);

/*
 * From now on who touches a page of this memory that is not there waits for it.  Returns 0, -EOPNOTSUPP where some of it is no shared
 * memory, or -errno.
 */
int userfault_register(struct userfault *u, struct gmem *gm);

/* Pages that are not there are the kernel's to make again; gm: memory that was registered, or NULL.  u may be NULL. */
void userfault_free(struct userfault *u, struct gmem *gm);

/* What guest memory that comes later takes; threads besides (work_calls). */
void userfault_needs(struct sandbox *s);

#endif
