/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sigbus.c - survives a shared-memory file that was cut short under its mapping; see sigbus.h.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "mem/gmem.h"
#include "mem/sigbus.h"

static struct sigbus_range *ranges;
static bool ranges_lock;
static volatile unsigned int losses;
static struct sigaction old_action;

static void ranges_acquire(void)
{
	while (__atomic_test_and_set(&ranges_lock, __ATOMIC_ACQUIRE))
		;
}

static void ranges_release(void)
{
	__atomic_clear(&ranges_lock, __ATOMIC_RELEASE);
}

void sigbus_watch(struct sigbus_range *range)
{
	range->lost = false;
	ranges_acquire();
	range->next = ranges;
	ranges = range;
	ranges_release();
}

void sigbus_forget(struct sigbus_range *range)
{
	ranges_acquire();
	for (struct sigbus_range **p = &ranges; *p; p = &(*p)->next) {
		if (*p == range) {
			*p = range->next;
			break;
		}
	}
	ranges_release();
}

unsigned int sigbus_losses(void)
{
	return __atomic_load_n(&losses, __ATOMIC_RELAXED);
}

/* Puts zero pages at the page of addr when it lies in a range.  mmap is a bare system call: safe in a handler. */
static bool ranges_patch(uintptr_t addr)
{
	bool patched = false;

	ranges_acquire();
	for (struct sigbus_range *r = ranges; r && !patched; r = r->next) {
		if (addr < r->start || addr >= r->end)
			continue;
		void *page = (void *)(addr - (addr - r->start) % r->page); /* start is page aligned */

		if (mmap(page, r->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED)
			break;
		r->lost = true;
		losses = losses + 1;
		patched = true;
	}
	ranges_release();
	return patched;
}

void sigbus_abandon(void (*done)(void *arg, uintptr_t start, size_t len), void *arg)
{
	ranges_acquire();
	for (struct sigbus_range *r = ranges; r; r = r->next) {
		size_t len = r->end - r->start;

		if (mmap((void *)r->start, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			 0) == MAP_FAILED)
			continue;
		r->lost = true;
		losses = losses + 1;
		done(arg, r->start, len);
	}
	ranges_release();
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	/* Only the kernel's word about an address counts: kill(2) from somebody carries none. */
	bool patched = info->si_code > 0 && ranges_patch((uintptr_t)info->si_addr);

	errno = saved;
	if (patched)
		return;
	if ((old_action.sa_flags & SA_SIGINFO) && old_action.sa_sigaction) {
		old_action.sa_sigaction(sig, info, context);
		return;
	}
	/* Not ours: the default action when the instruction runs again. */
	signal(SIGBUS, SIG_DFL);
	if (info->si_code <= 0)
		raise(sig);
}

int gmem_sigbus_install(void)
{
	struct sigaction action, present;

	if (sigaction(SIGBUS, NULL, &present) < 0)
		return -errno;
	if ((present.sa_flags & SA_SIGINFO) && present.sa_sigaction == on_sigbus)
		return 0;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_sigbus;
	action.sa_flags = SA_SIGINFO;
	sigemptyset(&action.sa_mask);
	old_action = present;
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}
