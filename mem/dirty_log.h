/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dirty_log.h - the log of guest pages that were written, for live migration.
 * QEMU docs/interop/vhost-user.rst, "Migration".
 *
 * One bit for each page of 4096 bytes, from guest-physical address 0 on, in a file that the front-end owns: it reads and clears
 * bits while others are set, and may cut the file short as it may guest memory's (mem/sigbus.h).
 *
 * The front-end copies guest memory while the guest runs. SET_LOG_BASE brings the bitmap, LOG_ALL in SET_FEATURES
 * switches it on and off while rings run, SET_VRING_ADDR with a ring's own addresses does that for the ring.
 *
 * A bit is set after the bytes are written, with a release, by the loop alone, and also where it is set already: the
 * front-end clears bits, and may have begun to copy the page as it was.
 *
 * Buffers are marked when the chain is given back, before it is told used (chain_end): what was written, and what
 * chain_write_iov showed, since a read(2) that fails may have written all the same. So a write before the log began, or
 * by a worker thread, is marked, too. Rings stop before GET_VRING_BASE is answered, and no chain outlives them: then
 * the log is whole.
 *
 * A split ring's used part is marked where the front-end says (log_guest_addr), a packed ring where it lies: its
 * descriptors are written as well, and the one address QEMU gives is that of the device's event suppression structure.
 * DPDK computes the descriptors' place from there. QEMU looks at every bit of the log, so we mark the page that really
 * changed.
 *
 * A log that is too short has no bit for a page: a line says so, and nothing is written behind it. Foreign memory of
 * Xen is marked as any other. Grants have no guest-physical address, and such a guest cannot be moved by copying:
 * nothing is marked. A process that is killed between a write and its mark leaves a page unmarked: a front-end that
 * sees its back end die in a migration copies the rings once more.
 *
 * test_ring_log.c and the settings "logged" of the device suites compare memory before and after each turn: a page that
 * changed and is not in the log is a failure. test/protocol/test_migrate.c moves each device between two processes
 * under load.
 */
#ifndef VDEVD_MEM_DIRTY_LOG_H
#define VDEVD_MEM_DIRTY_LOG_H

#include "core/base.h"

#define DIRTY_LOG_PAGE 4096u

struct dirty_log;

/*
 * Maps size bytes of fd, which stays the caller's, from offset on.  Returns 0 and *out (free with dirty_log_free), -EINVAL: no
 * bytes, or not all in the file; -ENOMEM; or as mmap(2).
 */
int dirty_log_new(int fd, uint64_t size, uint64_t offset, struct dirty_log **out);

/* Unmaps the log; NULL is allowed. */
void dirty_log_free(struct dirty_log *log);

/*
 * Marks the pages of the len bytes at guest-physical address addr, which have been written: who sees a bit sees what was
 * written before.  A page that the log has no bit for is remembered instead (dirty_log_missed).
 */
void dirty_log_mark(struct dirty_log *log, uint64_t addr, uint64_t len);

/* Whether pages were marked since this was last asked. */
bool dirty_log_marked(struct dirty_log *log);

/* Whether pages lay beyond the log since this was last asked; *addr: that of one of them. */
bool dirty_log_missed(struct dirty_log *log, uint64_t *addr);

/* Whether bytes of the log's file have gone since it was mapped. */
bool dirty_log_lost(const struct dirty_log *log);

#endif
