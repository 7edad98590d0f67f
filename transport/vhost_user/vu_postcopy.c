/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_postcopy.c - memory whose pages come when they are needed: QEMU docs/interop/vhost-user.rst, "Migration" and the messages
 * POSTCOPY_ADVISE, LISTEN and END.
 *
 * After LISTEN memory is announced in three steps: the front-end says what there is; we say where it is here, and have touched nothing of
 * it; the front-end says that it is ready, and only then is memory registered, and rings may start.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "mem/userfault.h"
#include "transport/vhost_user/vu_session.h"

int vu_postcopy_advise(struct vu_backend *b)
{
	int fd, err = b->postcopy.userfault ? -EBUSY : userfault_new(b->conn.sock, &b->postcopy.userfault);

	if (err) {
		log_guest(&b->d->log, "no userfaultfd: %s%s", strerror(-err),
			  err == -EPERM ? " (CAP_SYS_PTRACE, /dev/userfaultfd, or vm.unprivileged_userfaultfd=1 is wanted)" : "");
		return err;
	}
	fd = fcntl(userfault_fd(b->postcopy.userfault), F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	b->conn.reply.fds[b->conn.reply.nfds++] = fd;
	b->conn.reply.h.size = 0;
	return 0;
}

int vu_postcopy_listen(struct vu_backend *b)
{
	if (!b->postcopy.userfault)
		return -EINVAL;
	if (b->postcopy.phase != POSTCOPY_OFF || gmem_count(b->mem) || vu_any_started(b))
		return -EBUSY;
	b->postcopy.phase = POSTCOPY_READY;
	return 0;
}

void vu_postcopy_announced(struct vu_backend *b, struct vu_region *region)
{
	struct gmem_seg seg;

	b->postcopy.phase = POSTCOPY_WAITS;
	if (gmem_pin(b->mem, GMEM_GUEST, region->guest_addr, 1, GMEM_READ, &seg, 1) != 1)
		return; /* cannot be: it was just added */
	region->user_addr = (uintptr_t)seg.va;
	gmem_unpin(&seg);
}

bool vu_postcopy_is_ack(const struct vu_backend *b, const struct vu_msg *m)
{
	return b->postcopy.phase == POSTCOPY_WAITS && (m->h.size == 0 || (m->h.size == sizeof(m->p.u64) && !m->p.u64));
}

int vu_postcopy_serve(struct vu_backend *b)
{
	int err = userfault_register(b->postcopy.userfault, b->mem);

	if (!err)
		b->postcopy.phase = POSTCOPY_READY;
	return err;
}

int vu_postcopy_end(struct vu_backend *b)
{
	if (!b->postcopy.userfault)
		return -EINVAL;
	vu_postcopy_drop(b);
	return 0;
}

void vu_postcopy_drop(struct vu_backend *b)
{
	userfault_free(b->postcopy.userfault, b->mem);
	b->postcopy.userfault = NULL;
	b->postcopy.phase = POSTCOPY_OFF;
}
