/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * page_server.h - brings pages of guest memory when they are needed: a front-end's part of postcopy migration, userfaultfd(2).
 *
 * A thread answers who waits for a page, here or in a back end, with that of the source; each page comes at once, as a whole.
 */
#ifndef VDEVD_TEST_LIB_PAGE_SERVER_H
#define VDEVD_TEST_LIB_PAGE_SERVER_H

#include "core/base.h"

#define PAGE_SERVER_REGIONS 4

/* A region: where its pages come from, where they are here, empty so far, and where in the back end. */
struct page_server_region {
	const uint8_t *source;
	void *here;
	uint64_t there;
	size_t len;
};

struct page_server;

/* Whether this process may serve pages. */
bool page_server_possible(void);

/* Begins; theirs: the back end's descriptor, which becomes the server's.  What is in the back end (there) is told later. */
struct page_server *page_server_new(const struct page_server_region *regions, unsigned int n, int theirs);
void page_server_begin(struct page_server *s, const uint64_t *there);

/* Brings all that is missing, and ends.  Returns for how many pages the back end waited. */
unsigned int page_server_finish(struct page_server *s);

#endif
