/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox_seccomp.c - system calls by seccomp(2), through libseccomp; see sandbox.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "core/sandbox_impl.h"

#if VDEVD_HAVE_SECCOMP

#include <malloc.h>
#include <stdlib.h>
#include <seccomp.h>

/* Where nothing else has 64 bits for times, or the kernel has nothing else. */
#if defined(__NR_newfstatat) && __SIZEOF_LONG__ == 8
#define STATX NULL
#else
#define STATX "statx"
#endif

/*
 * The C library's word, and the calls it may make of it: by its age, by its maker, by the machine's width.  A checked
 * argument has the same place in all of them.
 */
static const char *const kin[][5] = {
	{"clock_gettime", "clock_gettime64"},
	{"clock_nanosleep", "clock_nanosleep_time64", "nanosleep"},
	{"epoll_wait", "epoll_pwait"},
	{"fcntl", "fcntl64"},
	{"fstat", "fstat64", "newfstatat", "fstatat64", STATX},
	{"fstatfs", "fstatfs64"},
	{"ftruncate", "ftruncate64"},
	{"futex", "futex_time64"},
	{"lseek", "_llseek"},
	{"lstat", "lstat64", "newfstatat", "fstatat64", STATX},
	{"mmap", "mmap2"},
	{"open", "openat"},
#ifndef __NR_poll
	{"poll", "ppoll", "ppoll_time64"},
#endif
	{"recv", "recvfrom"},
	{"rt_sigreturn", "sigreturn"},
	{"send", "sendto"},
	{"timer_settime", "timer_settime64"},
	{"timerfd_settime", "timerfd_settime64"},
#ifndef __NR_unlink
	{"unlink", "unlinkat"},
#endif
};

static const char *const *kin_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kin); i++) {
		if (strcmp(kin[i][0], name) == 0)
			return kin[i];
	}
	return NULL;
}

/* One check in the library's words. */
static struct scmp_arg_cmp comparison(const struct sandbox_check *c)
{
	struct scmp_arg_cmp cmp = {.arg = c->arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = c->value};

	switch (c->test) {
	case SANDBOX_IS:
		cmp.datum_a = UINT32_MAX;
		cmp.datum_b = (uint32_t)c->value;
		break;
	case SANDBOX_SET:
		cmp.datum_b = c->value;
		break;
	case SANDBOX_OWN:
		cmp.datum_a = UINT32_MAX;
		cmp.datum_b = (uint32_t)getpid();
		break;
	case SANDBOX_CLEAR:
	case SANDBOX_ANY:
		break;
	}
	return cmp;
}

/* Allows one call under one of its names.  One that the library does not know is one this machine's C library cannot
 * make. */
static int allow_name(scmp_filter_ctx ctx, const char *name, const struct sandbox_call *c)
{
	struct scmp_arg_cmp cmp[SANDBOX_CHECKS];
	unsigned int n = 0;
	int nr = seccomp_syscall_resolve_name(name), err;

	if (nr == __NR_SCMP_ERROR)
		return 0;
	for (; n < SANDBOX_CHECKS && c->checks[n].test != SANDBOX_ANY; n++)
		cmp[n] = comparison(&c->checks[n]);
	err = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, n, cmp);
	/* -EEXIST: another table has said so. */
	return err == -EEXIST ? 0 : err;
}

static int allow_call(scmp_filter_ctx ctx, const struct sandbox_call *c, struct sandbox_reason *r)
{
	const char *const *names = kin_of(c->name);
	int err = 0;

	if (!names)
		err = allow_name(ctx, c->name, c);
	for (unsigned int i = 0; !err && names && i < ARRAY_SIZE(kin[0]) && names[i]; i++)
		err = allow_name(ctx, names[i], c);
	return err ? sandbox_because(r, err, "%s: %s", c->name, strerror(-err)) : 0;
}

static int allow_all(scmp_filter_ctx ctx, const struct sandbox *s, struct sandbox_reason *r)
{
	int err = 0;

	for (size_t i = 0; !err && i < s->ntables; i++) {
		for (const struct sandbox_call *c = s->tables[i]; !err && c->name; c++)
			err = allow_call(ctx, c, r);
	}
	return err;
}

/* What the kernel is to do, beside the rules. */
static int set_up(scmp_filter_ctx ctx)
{
	/* A C library that cannot look into clone3's argument's memory makes a thread by clone instead. */
	int err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	/* no_new_privs is a layer of its own, and who has the right needs it not. */
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
#if SCMP_VER_MAJOR > 2 || SCMP_VER_MINOR >= 5
	/*
	 * A tree, so that a call costs the same whichever it is: there is no order by use to be found.  (From
	 * Linux 5.11 on calls without checks do not come to the tree at all.)
	 */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/*
	 * Kernels before 5.16 slow memory down under a filter, against code of a guest's in this process (speculative
	 * store bypass).  There is no such code here.
	 */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
#endif
	return err;
}

/* What the rules take at most, several times over. */
#define ROOM ((size_t)1 << 20)

/* Whether there is memory for the rules.  libseccomp 2.5 turns for ever where there is none. */
static bool has_room(void)
{
	void *room = malloc(ROOM);

	free(room);
	return room;
}

int sandbox_seccomp(const struct sandbox *s, bool log_only, struct sandbox_reason *r)
{
	if (!has_room())
		return sandbox_because(r, -ENOMEM, "out of memory");

	scmp_filter_ctx ctx = seccomp_init(log_only ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	int err = 0;

	/* It asks the kernel which actions it has. */
	if (!ctx)
		return sandbox_because(r, -EPERM, "seccomp(2) cannot be called (another filter forbids it?)");
	err = set_up(ctx);
	if (err)
		sandbox_because(r, err, "libseccomp: %s", strerror(-err));
	else
		err = allow_all(ctx, s, r);
	if (!err) {
		err = seccomp_load(ctx);
		if (err)
			sandbox_because(r, err, "the kernel does not take the rules: %s", strerror(-err));
	}
	seccomp_release(ctx);
	return err;
}

/* ---- counting */

struct seen {
	bool nr[1024];
	int count;
};

static void count_name(struct seen *seen, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr < 0 || nr >= (int)ARRAY_SIZE(seen->nr) || seen->nr[nr])
		return;
	seen->nr[nr] = true;
	seen->count++;
}

int sandbox_count(const struct sandbox *s)
{
	struct seen seen = {0};

	for (size_t i = 0; i < s->ntables; i++) {
		for (const struct sandbox_call *c = s->tables[i]; c->name; c++) {
			const char *const *names = kin_of(c->name);

			if (!names)
				count_name(&seen, c->name);
			for (unsigned int k = 0; names && k < ARRAY_SIZE(kin[0]) && names[k]; k++)
				count_name(&seen, names[k]);
		}
	}
	return seen.count;
}

#else

int sandbox_seccomp(const struct sandbox *s, bool log_only, struct sandbox_reason *r)
{
	return sandbox_because(r, -EOPNOTSUPP, "this vdevd was built without libseccomp");
}

int sandbox_count(const struct sandbox *s)
{
	return -1;
}

#endif
