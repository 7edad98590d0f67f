/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox.h - what a process may still do once it serves: system calls, files, ports, capabilities.
 *
 * A process has three parts.  It *opens*: options are read, host resources taken, the socket bound.  It *drops*: every
 * part of the program has said what it still needs (sandbox_calls, sandbox_path, ...), and the rest is taken away in
 * layers (sandbox_apply).  Then it *serves*.
 *
 * A need is data beside the code that has it: a constant table of system calls with the reason for each, or a line with
 * a path. The same data is what --print-sandbox and the manual show.
 *
 * The order of the layers is the order of enum sandbox_layer.  What takes rights to be done comes before the rights go:
 * namespaces before the root folder and the user id, the user id before the capabilities.  no_new_privs comes before
 * Landlock and seccomp, because an ordinary user gets those on that condition.  seccomp is last: it would forbid the
 * others.
 *
 * Capabilities, Landlock and seccomp belong to a thread, and a new thread has what its maker has.  So sandbox_apply is
 * called while there is one thread.
 */
#ifndef VDEVD_CORE_SANDBOX_H
#define VDEVD_CORE_SANDBOX_H

#include <stdio.h>
#include <sys/types.h>

#include "core/log.h"

enum sandbox_layer {
	SANDBOX_LIMITS,	      /* setrlimit(2): no core file, no more descriptors than now */
	SANDBOX_NAMESPACES,   /* namespaces(7): mounts, network, System V IPC, host name of its own */
	SANDBOX_ROOT,	      /* pivot_root(2): a root folder with nothing but what is needed */
	SANDBOX_IDS,	      /* setresuid(2): --user */
	SANDBOX_CAPABILITIES, /* capabilities(7): none but those that were asked for, and no way to more */
	SANDBOX_NO_NEW_PRIVS, /* PR_SET_NO_NEW_PRIVS(2const): no program gives rights back */
	SANDBOX_LANDLOCK,     /* landlock(7): files, TCP ports, signals, abstract sockets */
	SANDBOX_MDWE,	      /* PR_SET_MDWE(2const): memory that was writable never becomes executable */
	SANDBOX_DUMPABLE,     /* PR_SET_DUMPABLE(2const): other processes of the user cannot look in */
	SANDBOX_SECCOMP,      /* seccomp(2): system calls */
	SANDBOX_LAYERS,
};

/* How one argument of a system call is looked at. */
enum sandbox_test {
	SANDBOX_ANY,   /* it is not */
	SANDBOX_IS,    /* its low 32 bits are this value */
	SANDBOX_SET,   /* these bits are set */
	SANDBOX_CLEAR, /* these bits are clear */
	SANDBOX_OWN,   /* it is this process's id */
};

struct sandbox_check {
	unsigned int arg; /* 0: the first */
	enum sandbox_test test;
	uint64_t value;
};

/* The most checks of one line; all must hold. */
#define SANDBOX_CHECKS 2

/*
 * A system call that is needed.  A table of them ends with a NULL name.  Several lines may name one call: then one of
 * them must fit.  The name is the C library's word: where a machine has the call under other names or numbers (poll and
 * ppoll_time64), those are meant, too.  An ioctl's request is argument 1 and always checked.
 */
struct sandbox_call {
	const char *name;
	const char *why; /* a short phrase for the operator */
	struct sandbox_check checks[SANDBOX_CHECKS];
};

/* What is done with a path. */
enum sandbox_access {
	SANDBOX_READ = 1,     /* files are read, folders listed */
	SANDBOX_WRITE = 2,    /* files are written */
	SANDBOX_DEVICE = 4,   /* ioctl(2) on device nodes; READ and WRITE as well where they are opened */
	SANDBOX_MAKE = 8,     /* files and sockets are made and removed in the folder */
	SANDBOX_CONNECT = 16, /* Unix sockets are connected to */
	SANDBOX_TREE = 32,    /* all that can be done with files and folders beneath, nodes, links and renames included */
};

/* What a process shares with the host on purpose. */
enum sandbox_share {
	SANDBOX_NETWORK = 1, /* new sockets reach the host's network: TCP, AF_VSOCK, abstract Unix sockets */
	SANDBOX_SIGNALS = 2, /* signals to processes that are not in this sandbox */
};

/* What the operator wants (--sandbox, --user, --oom-score-adj). */
struct sandbox_opts {
	unsigned int layers;   /* BIT(enum sandbox_layer) */
	unsigned int required; /* of them, those whose absence is an error */
	bool log_only;	       /* seccomp tells of a breach in the kernel's log, and does nothing */
	bool has_user;
	uid_t uid;
	gid_t gid;
	const char *user; /* name, for its groups; NULL: a number was given */
	bool has_oom;
	int oom;
};

struct sandbox;

/* The options when nothing is given: every layer, or none in a build with sanitizers or coverage, which need too much.
 */
void sandbox_opts_init(struct sandbox_opts *o);

/*
 * Reads --sandbox: words separated by commas: none, all, strict, LAYER, -LAYER, seccomp:log.
 * Returns 0, or -EINVAL with a reason in why.
 */
int sandbox_parse_layers(const char *value, struct sandbox_opts *o, char *why, size_t why_size);

/*
 * Reads --user: NAME or UID, then perhaps :GROUP or :GID.  Names are those of /etc/passwd and /etc/group; the group of
 * a number is the same number.  value must live as long as o.  Returns 0, or -EINVAL with a reason in why.
 */
int sandbox_parse_user(const char *value, struct sandbox_opts *o, char *why, size_t why_size);

/* Reads a group: a name of /etc/group or a number.  Returns 0 and *gid, or -EINVAL with a reason in why. */
int sandbox_parse_group(const char *value, gid_t *gid, char *why, size_t why_size);

/* Reads --oom-score-adj: -1000 to 1000 (proc(5)).  Returns 0, or -EINVAL with a reason in why. */
int sandbox_parse_oom(const char *value, struct sandbox_opts *o, char *why, size_t why_size);

/* The name of a layer, as --sandbox has it. */
const char *sandbox_layer_name(enum sandbox_layer layer);

/* Makes an empty set of needs.  Returns NULL when memory is short.  Free it with sandbox_free. */
struct sandbox *sandbox_new(void);

/* NULL is allowed. */
void sandbox_free(struct sandbox *s);

/* Needs the calls of a table, which must stay; one that is given twice counts once. */
void sandbox_calls(struct sandbox *s, const struct sandbox_call *calls);

/* Needs this file, or all beneath this folder; access: enum sandbox_access as bits.  The path is copied; why must stay.
 */
void sandbox_path(struct sandbox *s, const char *path, unsigned int access, const char *why);

/* The same of the folder that this path is in, for what comes and goes. */
void sandbox_folder(struct sandbox *s, const char *path, unsigned int access, const char *why);

/* Needs to connect to this TCP port, of any machine. */
void sandbox_tcp(struct sandbox *s, uint16_t port, const char *why);

/* Needs a capability: CAP_... of linux/capability.h. */
void sandbox_cap(struct sandbox *s, unsigned int cap, const char *why);

/* Shares something with the host: enum sandbox_share. */
void sandbox_share(struct sandbox *s, enum sandbox_share what, const char *why);

/*
 * Takes away all that is not needed.  A layer that this kernel, this build or the process's rights do not allow is
 * told with an info line, or is an error where it is required.  With strict rules --user always is.
 * Returns 0; or -errno after a line: the process must end, since it may be in a state between.
 */
int sandbox_apply(const struct sandbox *s, const struct sandbox_opts *o, struct log *l);

/* Writes the needs for people, in JSON, and as a section of a manual page (mdoc(7)). */
void sandbox_print(const struct sandbox *s, const struct sandbox_opts *o, FILE *out);
void sandbox_print_json(const struct sandbox *s, const struct sandbox_opts *o, FILE *out);
void sandbox_print_man(const struct sandbox *s, FILE *out);

/* What every process does: memory, its end. */
extern const struct sandbox_call sandbox_process_calls[];

/* What log lines take: log.c. */
extern const struct sandbox_call log_calls[];

#endif
