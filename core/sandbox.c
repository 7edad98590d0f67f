/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox.c - the needs of a process, and the layers in their order; see sandbox.h.
 */
#include "core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sandbox_impl.h"

/* Linux 6.3; older headers do not have it. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE		 65
#define PR_MDWE_REFUSE_EXEC_GAIN (1UL << 0)
#endif

const struct sandbox_call sandbox_process_calls[] = {
	{.name = "brk", .why = "memory"},
	{.name = "mmap", .why = "memory that holds no code", .checks = {{2, SANDBOX_CLEAR, PROT_EXEC}}},
	{.name = "mprotect", .why = "memory that holds no code", .checks = {{2, SANDBOX_CLEAR, PROT_EXEC}}},
	{.name = "munmap", .why = "memory"},
	{.name = "mremap", .why = "memory"},
	{.name = "madvise", .why = "memory that is given back"},
	{.name = "read", .why = "what was opened"},
	{.name = "write", .why = "what was opened; log lines"},
	{.name = "close", .why = "what was opened"},
	{.name = "clock_gettime", .why = "time"},
	{.name = "rt_sigreturn", .why = "the end of a signal handler"},
	{.name = "rt_sigaction", .why = "signal handlers"},
	{.name = "rt_sigprocmask", .why = "signals"},
	{.name = "restart_syscall", .why = "a wait that was interrupted"},
	{.name = "futex", .why = "locks"},
	{.name = "getpid", .why = "its own number"},
	{.name = "gettid", .why = "its own number"},
	{.name = "tgkill", .why = "a signal to itself, when it has to die of it", .checks = {{0, SANDBOX_OWN, 0}}},
	{.name = "exit_group", .why = "its end"},
	{0},
};

/* ---- needs */

struct sandbox *sandbox_new(void)
{
	return calloc(1, sizeof(struct sandbox));
}

void sandbox_free(struct sandbox *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->npaths; i++)
		free(s->paths[i].path);
	free(s->paths);
	free(s->ports);
	free(s->caps);
	free((void *)s->tables);
	free(s);
}

/* Makes room for one more item of an array.  Returns its place, or NULL: then s->err is set. */
static void *array_add(struct sandbox *s, void *array, size_t *n, size_t size)
{
	void **at = array, *more = s->err ? NULL : realloc(*at, (*n + 1) * size);

	if (!more) {
		s->err = s->err ? s->err : -ENOMEM;
		return NULL;
	}
	*at = more;
	return (char *)more + size * (*n)++;
}

void sandbox_calls(struct sandbox *s, const struct sandbox_call *calls)
{
	const struct sandbox_call **at;

	for (size_t i = 0; i < s->ntables; i++) {
		if (s->tables[i] == calls)
			return;
	}
	at = array_add(s, &s->tables, &s->ntables, sizeof(*s->tables));
	if (at)
		*at = calls;
}

void sandbox_path(struct sandbox *s, const char *path, unsigned int access, const char *why)
{
	struct sandbox_path_need *at;
	char *copy;

	for (size_t i = 0; i < s->npaths; i++) {
		if (strcmp(s->paths[i].path, path) == 0 && s->paths[i].access == access)
			return;
	}
	copy = strdup(path);
	at = copy ? array_add(s, &s->paths, &s->npaths, sizeof(*s->paths)) : NULL;
	if (at) {
		*at = (struct sandbox_path_need){copy, access, why};
		return;
	}
	free(copy);
	s->err = -ENOMEM;
}

void sandbox_folder(struct sandbox *s, const char *path, unsigned int access, const char *why)
{
	const char *slash = strrchr(path, '/');
	char *folder;

	if (!slash) {
		sandbox_path(s, ".", access, why);
		return;
	}
	folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (folder)
		sandbox_path(s, folder, access, why);
	else
		s->err = -ENOMEM;
	free(folder);
}

void sandbox_tcp(struct sandbox *s, uint16_t port, const char *why)
{
	struct sandbox_tcp_need *at = array_add(s, &s->ports, &s->nports, sizeof(*s->ports));

	if (at)
		*at = (struct sandbox_tcp_need){port, why};
}

void sandbox_cap(struct sandbox *s, unsigned int cap, const char *why)
{
	struct sandbox_cap_need *at = array_add(s, &s->caps, &s->ncaps, sizeof(*s->caps));

	if (at)
		*at = (struct sandbox_cap_need){cap, why};
}

void sandbox_share(struct sandbox *s, enum sandbox_share what, const char *why)
{
	s->share |= what;
	if (what == SANDBOX_NETWORK)
		s->network_why = why;
}

bool sandbox_needs_one_of(const struct sandbox *s, const char *const *names)
{
	for (; *names; names++) {
		for (size_t i = 0; i < s->ntables; i++) {
			for (const struct sandbox_call *c = s->tables[i]; c->name; c++) {
				if (strcmp(c->name, *names) == 0)
					return true;
			}
		}
	}
	return false;
}

/* ---- layers */

int sandbox_because(struct sandbox_reason *r, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	return err;
}

/* A core file would have the guest's memory in it. */
static int apply_limits(struct sandbox_reason *r)
{
	struct rlimit none = {0, 0}, files;

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return sandbox_because(r, -errno, "RLIMIT_CORE: %s", strerror(errno));
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return sandbox_because(r, -errno, "RLIMIT_NOFILE: %s", strerror(errno));
	files.rlim_max = files.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return sandbox_because(r, -errno, "RLIMIT_NOFILE: %s", strerror(errno));
	return 0;
}

/* One of the layers that are one prctl(2). */
static int apply_prctl(int what, unsigned long value, const char *since, struct sandbox_reason *r)
{
	if (prctl(what, value, 0, 0, 0) == 0)
		return 0;
	if (errno == EINVAL)
		return sandbox_because(r, -errno, "this kernel does not have it (%s)", since);
	return sandbox_because(r, -errno, "%s", strerror(errno));
}

/* What a layer finds out for those after it. */
struct between {
	struct sandbox_groups groups;
	bool own_mounts;
};

static int apply_namespaces(const struct sandbox *s, const struct sandbox_opts *o, struct between *b,
			    struct sandbox_reason *r)
{
	int err = sandbox_namespaces(s, o, r);

	b->own_mounts = !err;
	return err;
}

/* Puts one layer on.  Returns 0, or -errno and a reason. */
static int apply_layer(const struct sandbox *s, const struct sandbox_opts *o, enum sandbox_layer layer,
		       struct between *b, struct sandbox_reason *r)
{
	switch (layer) {
	case SANDBOX_LIMITS:
		return apply_limits(r);
	case SANDBOX_NAMESPACES:
		return apply_namespaces(s, o, b, r);
	case SANDBOX_ROOT:
		return b->own_mounts ? sandbox_root(s, r)
				     : sandbox_because(r, -EPERM, "without namespaces the mounts are everybody's");
	case SANDBOX_IDS:
		return o->has_user ? sandbox_ids(o, &b->groups, s->ncaps, r) : 0;
	case SANDBOX_CAPABILITIES:
		return sandbox_capabilities(s, r);
	case SANDBOX_NO_NEW_PRIVS:
		return apply_prctl(PR_SET_NO_NEW_PRIVS, 1, "Linux 3.5", r);
	case SANDBOX_LANDLOCK:
		return sandbox_landlock(s, r);
	case SANDBOX_MDWE:
		return apply_prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, "Linux 6.3", r);
	case SANDBOX_DUMPABLE:
		return apply_prctl(PR_SET_DUMPABLE, 0, "Linux 2.3", r);
	case SANDBOX_SECCOMP:
		return sandbox_seccomp(s, o->log_only, r);
	case SANDBOX_LAYERS:
		break;
	}
	return -EINVAL;
}

/* Whether more than one thread is there, which some layers would miss.  A folder has a link for each folder in it. */
static bool has_threads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) == 0 && st.st_nlink > 3;
}

/* Writes the adjustment before the rights for it go. */
static int apply_oom(const struct sandbox_opts *o, struct log *l)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || dprintf(fd, "%d", o->oom) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err)
		log_error(l, "--oom-score-adj=%d: %s", o->oom, strerror(-err));
	return err;
}

/*
 * A change of ids or capabilities takes the signal away that comes when the parent ends.  It is asked for again; a
 * parent that ended meanwhile has sent none.
 */
static void keep_death_signal(int sig, pid_t parent)
{
	if (!sig)
		return;
	prctl(PR_SET_PDEATHSIG, sig);
	if (getppid() != parent)
		raise(sig);
}

/* Puts the layers on, in their order.  Returns 0, or -errno after a line. */
static int apply_layers(const struct sandbox *s, const struct sandbox_opts *o, struct log *l)
{
	pid_t parent = getppid();
	struct between b = {0};
	int death = 0;

	sandbox_read_groups(s, o, &b.groups);
	prctl(PR_GET_PDEATHSIG, &death);
	for (unsigned int i = 0; i < SANDBOX_LAYERS; i++) {
		struct sandbox_reason r = {{0}};
		int err = o->layers & BIT(i) ? apply_layer(s, o, i, &b, &r) : 0;

		if (i == SANDBOX_CAPABILITIES)
			keep_death_signal(death, parent);
		if (!err)
			continue;
		/* Memory that is short says nothing of what the kernel has. */
		if (o->required & BIT(i) || i == SANDBOX_IDS || err == -ENOMEM) {
			log_error(l, "sandbox: no %s: %s", sandbox_layer_name(i), r.text);
			return err == -ENOMEM ? err : -EPERM;
		}
		log_info(l, "sandbox: no %s: %s", sandbox_layer_name(i), r.text);
	}
	return 0;
}

int sandbox_apply(const struct sandbox *s, const struct sandbox_opts *o, struct log *l)
{
	int err = s->err;

	if (err) {
		log_error(l, "sandbox: %s", strerror(-err));
		return err;
	}
	if (o->has_oom)
		err = apply_oom(o, l);
	if (!err && o->layers && has_threads()) {
		log_error(l, "sandbox: a thread is running before the rights are dropped");
		err = -EBUSY;
	}
	return err ? err : apply_layers(s, o, l);
}
