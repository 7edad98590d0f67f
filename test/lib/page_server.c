/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * page_server.c - brings pages of guest memory when they are needed; see page_server.h.
 */
#include "test/lib/page_server.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096u

struct page_server {
	struct page_server_region regions[PAGE_SERVER_REGIONS];
	unsigned int n;
	int ours, theirs, stop;
	pthread_t thread;
	unsigned int waited; /* the thread's */
};

static int open_own(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	int fd = (int)syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return -1;
	}
	return fd;
}

bool page_server_possible(void)
{
	int fd = open_own();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Brings a page, and wakes who waits for it. */
static void bring(const struct page_server *s, const struct page_server_region *r, size_t at)
{
	struct uffdio_copy copy = {.dst = (uintptr_t)r->here + at, .src = (uintptr_t)r->source + at, .len = PAGE};
	struct uffdio_range ours = {(uintptr_t)r->here + at, PAGE}, theirs = {r->there + at, PAGE};

	while (ioctl(s->ours, UFFDIO_COPY, &copy) && errno != EEXIST) {
		if (errno != EAGAIN)
			ck_abort_msg("a page could not be brought: %d", errno);
	}
	ioctl(s->ours, UFFDIO_WAKE, &ours);
	ioctl(s->theirs, UFFDIO_WAKE, &theirs);
}

/* Answers what a descriptor tells.  Returns for how many pages. */
static unsigned int answer(const struct page_server *s, int fd)
{
	unsigned int n = 0;
	struct uffd_msg msg;

	while (read(fd, &msg, sizeof(msg)) == sizeof(msg)) {
		uint64_t address = msg.arg.pagefault.address;

		for (unsigned int i = 0; i < s->n; i++) {
			const struct page_server_region *r = &s->regions[i];
			uint64_t start = fd == s->ours ? (uintptr_t)r->here : r->there;

			if (address - start < r->len)
				bring(s, r, (address - start) & ~(uint64_t)(PAGE - 1));
		}
		n++;
	}
	return n;
}

static void *serve(void *arg)
{
	struct page_server *s = arg;
	struct pollfd fds[] = {{s->ours, POLLIN, 0}, {s->theirs, POLLIN, 0}, {s->stop, POLLIN, 0}};

	while (!fds[2].revents) {
		if (poll(fds, 3, -1) < 0)
			continue;
		answer(s, s->ours);
		s->waited += answer(s, s->theirs);
	}
	return NULL;
}

struct page_server *page_server_new(const struct page_server_region *regions, unsigned int n, int theirs)
{
	struct page_server *s = calloc(1, sizeof(*s));

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_le(n, PAGE_SERVER_REGIONS);
	s->n = n;
	s->theirs = theirs;
	s->ours = open_own();
	s->stop = eventfd(0, EFD_CLOEXEC);
	ck_assert(s->ours >= 0 && s->stop >= 0);
	ck_assert_int_eq(fcntl(theirs, F_SETFL, O_NONBLOCK), 0);
	for (unsigned int i = 0; i < n; i++) {
		struct uffdio_register r = {.range = {(uintptr_t)regions[i].here, regions[i].len},
					    .mode = UFFDIO_REGISTER_MODE_MISSING};

		s->regions[i] = regions[i];
		ck_assert_int_eq(ioctl(s->ours, UFFDIO_REGISTER, &r), 0);
	}
	return s;
}

void page_server_begin(struct page_server *s, const uint64_t *there)
{
	for (unsigned int i = 0; i < s->n; i++)
		s->regions[i].there = there[i];
	ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

unsigned int page_server_finish(struct page_server *s)
{
	const uint64_t one = 1;
	unsigned int waited;

	for (unsigned int i = 0; i < s->n; i++) {
		for (size_t at = 0; at < s->regions[i].len; at += PAGE)
			bring(s, &s->regions[i], at);
	}
	ck_assert_int_eq(write(s->stop, &one, sizeof(one)), sizeof(one));
	ck_assert_int_eq(pthread_join(s->thread, NULL), 0);
	waited = s->waited;
	close(s->ours);
	close(s->theirs);
	close(s->stop);
	free(s);
	return waited;
}
