/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dirty_log.c - the log of guest pages that were written; see dirty_log.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "mem/dirty_log.h"
#include "mem/gmem.h"

struct dirty_log {
	uint8_t *bits;
	uint64_t pages;  /* that have a bit */
	void *priv;      /* of the mapping */
	bool marked, missed;
	uint64_t missed_page;
};

int dirty_log_new(int fd, uint64_t size, uint64_t offset, struct dirty_log **out)
{
	const struct gmem_desc desc = {.size = size, .offset = offset, .fd = fd};
	struct dirty_log *log;
	void *base;
	uint64_t fault, pages;
	int err;

	*out = NULL;
	if (!size || __builtin_mul_overflow(size, 8, &pages))
		return -EINVAL;
	log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	err = gmem_shm.map(&gmem_shm, &desc, &base, &log->priv, &fault);
	if (err) {
		free(log);
		return err;
	}
	log->bits = base;
	log->pages = pages;
	*out = log;
	return 0;
}

void dirty_log_free(struct dirty_log *log)
{
	if (!log)
		return;
	gmem_shm.unmap(log->priv);
	free(log);
}

void dirty_log_mark(struct dirty_log *log, uint64_t addr, uint64_t len)
{
	uint64_t page = addr / DIRTY_LOG_PAGE, last;

	if (!len)
		return;
	if (__builtin_add_overflow(addr, len - 1, &last))
		last = UINT64_MAX;
	last /= DIRTY_LOG_PAGE;
	/* Set also where it is set: the front-end may have begun to clear it and copy the page as it was. */
	for (; page <= last && page < log->pages; page++) {
		__atomic_fetch_or(&log->bits[page / 8], (uint8_t)(1u << page % 8), __ATOMIC_RELEASE);
		log->marked = true;
	}
	if (page <= last) {
		log->missed = true;
		log->missed_page = page;
	}
}

bool dirty_log_marked(struct dirty_log *log)
{
	bool marked = log->marked;

	log->marked = false;
	return marked;
}

bool dirty_log_missed(struct dirty_log *log, uint64_t *addr)
{
	bool missed = log->missed;

	log->missed = false;
	*addr = log->missed_page * DIRTY_LOG_PAGE;
	return missed;
}

bool dirty_log_lost(const struct dirty_log *log)
{
	return gmem_shm.lost(log->priv);
}
