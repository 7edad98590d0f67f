/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_log.c - the log of written guest memory, by which a front-end migrates a machine that runs.
 * QEMU docs/interop/vhost-user.rst, "Migration"; see vu_session.h.
 */
#include "transport/vhost_user/vu_session.h"

void vu_log_apply(struct vu_backend *b)
{
	struct dirty_log *log = b->features & BIT(VHOST_F_LOG_ALL) ? b->log.dirty : NULL;

	for (unsigned int i = 0; i < b->nqueues; i++) {
		struct vu_queue *q = &b->queues[i];

		virtq_log(q->vq, log, q->log_ring, q->log_addr);
	}
}

int vu_log_set_base(struct vu_backend *b, uint64_t size, uint64_t offset, int fd)
{
	struct dirty_log *log, *old = b->log.dirty;
	int err = dirty_log_new(fd, size, offset, &log);

	if (err)
		return err;
	b->log.dirty = log;
	vu_log_apply(b);
	dirty_log_free(old);
	return 0;
}

void vu_log_clear(struct vu_backend *b)
{
	struct dirty_log *old = b->log.dirty;

	b->log.dirty = NULL;
	vu_log_apply(b);
	dirty_log_free(old);
	notify_fd_set(&b->log.call, -1);
}

const char *vu_log_turn(struct vu_backend *b)
{
	uint64_t addr;

	if (!b->log.dirty)
		return NULL;
	if (dirty_log_marked(b->log.dirty) && b->log.call.fd >= 0)
		notify_fd_signal(&b->log.call);
	if (dirty_log_missed(b->log.dirty, &addr))
		log_guest(&b->d->log, "the log is too short for the page at guest address 0x%llx, which was written",
			  (unsigned long long)addr);
	return dirty_log_lost(b->log.dirty) ? "the log was cut short under its mapping" : NULL;
}
