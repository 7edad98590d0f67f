/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dirty_log.h - the log of guest pages that were written, for live migration.
 * QEMU docs/interop/vhost-user.rst, "Migration".
 *
 * One bit for each page of 4096 bytes, from guest-physical address 0 on, in a file that the front-end owns: it reads and clears
 * bits while others are set, and may cut the file short as it may guest memory's (mem/sigbus.h).
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
