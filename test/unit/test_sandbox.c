/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sandbox.c - each layer of the sandbox from inside: a child puts it on and tries what it forbids, and what it
 * does not; as the user of the tests and, where that is root, as nobody, too.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "core/opt.h"
#include "core/sandbox.h"
#include "core/unix_socket.h"
#include "core/work.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"

Suite *suite_sandbox(void);

#define NOBODY 65534

/* What a child ends with. */
enum outcome {
	DONE = 0,     /* it could */
	DENIED = 10,  /* it could not, and lives */
	MISSING = 20, /* this machine does not have the layer */
	KILLED = 30,  /* the kernel ended it for the call */
	BROKEN = 40,  /* what the test itself needs did not work */
};

static struct log quiet = {.prefix = "sandbox"};

/* The calls of a child that lives, and says so. */
static const struct sandbox_call chosen_calls[] = {
	{.name = "socket", .why = "chosen", .checks = {{0, SANDBOX_IS, AF_UNIX}}},
	{.name = "ioctl", .why = "chosen", .checks = {{1, SANDBOX_IS, FIONREAD}}},
	{.name = "setsockopt", .why = "chosen", .checks = {{1, SANDBOX_IS, SOL_SOCKET}, {2, SANDBOX_IS, SO_SNDBUF}}},
	{.name = "open", .why = "chosen"},
	{.name = "unlink", .why = "chosen"},
	{.name = "pipe2", .why = "chosen"},
	{0},
};

#if VDEVD_COVERAGE
void __gcov_dump(void);

/* What counting lines takes; the build's folder besides. */
static const struct sandbox_call coverage_calls[] = {
	{.name = "fcntl", .why = "coverage"},	  {.name = "lseek", .why = "coverage"},
	{.name = "fstat", .why = "coverage"},	  {.name = "mkdir", .why = "coverage"},
	{.name = "ftruncate", .why = "coverage"}, {0},
};
#endif

/* Most children end in a way that writes no counts. */
static void count_lines(void)
{
#if VDEVD_COVERAGE
	__gcov_dump();
#endif
}

static struct sandbox *needs_make(void)
{
	/* A process that ends in the midst of its test has not lost it. */
	static struct sandbox *volatile made;
	struct sandbox *s = sandbox_new();

	if (!s)
		_exit(BROKEN);
	made = s;
	sandbox_calls(s, sandbox_process_calls);
	sandbox_calls(s, work_calls);
	sandbox_calls(s, chosen_calls);
#if VDEVD_COVERAGE
	sandbox_calls(s, coverage_calls);
	sandbox_path(s, getenv("VDEVD_BUILD"), SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE, "coverage");
#endif
	return made;
}

/* Puts these layers on, or ends the child. */
static void put_on_needs(const struct sandbox *s, unsigned int layers)
{
	struct sandbox_opts o = {.layers = layers, .required = layers};
	int err = sandbox_apply(s, &o, &quiet);

	count_lines();
	if (err)
		_exit(MISSING);
}

static void put_on(unsigned int layers)
{
	struct sandbox *s = needs_make();

	put_on_needs(s, layers);
	sandbox_free(s);
}

/* Whether the call has worked. */
static int result_of(long ret)
{
	return ret >= 0 ? DONE : DENIED;
}

#define SECCOMP_ONLY  BIT(SANDBOX_NO_NEW_PRIVS) | BIT(SANDBOX_SECCOMP)
#define LANDLOCK_ONLY BIT(SANDBOX_NO_NEW_PRIVS) | BIT(SANDBOX_LANDLOCK)

/* ---- attempts: what is tried, under which layers, and what becomes of it */

static int try_open(void)
{
	return result_of(open("/etc/passwd", O_RDONLY));
}

static int try_socket_inet(void)
{
	return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_socket_unix(void)
{
	return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int try_exec(void)
{
	char *argv[] = {(char *)"true", NULL};

	execv("/bin/true", argv);
	return DENIED;
}

static int try_ptrace(void)
{
	return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_map_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? DENIED
													 : DONE;
}

static int try_map_data(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? DENIED
													  : DONE;
}

static int try_make_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return BROKEN;
	return result_of(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int try_ioctl_other(void)
{
	char c = 'x';

	return result_of(ioctl(0, TIOCSTI, &c));
}

static int try_ioctl_chosen(void)
{
	int fds[2], n;

	if (pipe2(fds, 0) < 0)
		return BROKEN;
	return result_of(ioctl(fds[0], FIONREAD, &n));
}

/* One option of a level, but not its neighbours. */
static int try_setsockopt_other(void)
{
	int one = 1;

	return result_of(setsockopt(0, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
}

static int try_kill(void)
{
	return result_of(kill(getppid(), 0));
}

static int try_tgkill_other(void)
{
	return result_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(DONE);
	return result_of(pid);
}

/* What a thread does. */
static void *thread_socket(void *arg)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? arg : NULL;
}

static void *thread_nothing(void *arg)
{
	return arg;
}

static int run_thread(void *(*fn)(void *))
{
	pthread_t t;
	void *ret = NULL;
	char mark;

	if (pthread_create(&t, NULL, fn, &mark))
		return DENIED;
	pthread_join(t, &ret);
	return ret ? DONE : DENIED;
}

static int try_thread(void)
{
	return run_thread(thread_nothing);
}

static int try_socket_in_thread(void)
{
	return run_thread(thread_socket);
}

static int try_chown(void)
{
	char path[] = "/tmp/vdevd-test-XXXXXX";
	int fd = mkstemp(path), ret;

	if (fd < 0)
		return BROKEN;
	ret = fchown(fd, 1, 1);
	unlink(path);
	return result_of(ret);
}

static int try_dump(void)
{
	return prctl(PR_GET_DUMPABLE) ? DONE : DENIED;
}

static int try_more_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_CORE, &r) < 0 || r.rlim_max != 0 || getrlimit(RLIMIT_NOFILE, &r) < 0)
		return BROKEN;
	r.rlim_cur = r.rlim_max = r.rlim_max + 1;
	return result_of(setrlimit(RLIMIT_NOFILE, &r));
}

/* In a network of one's own there is no way even to oneself: the loopback is down. */
static int try_network(void)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return BROKEN;
	return result_of(sendto(fd, "", 0, 0, (const struct sockaddr *)&to, sizeof(to)));
}

static int try_abstract(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "vdevd-test-%d", getppid());
	if (fd < 0)
		return BROKEN;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return DONE;
	return errno == EPERM ? DENIED : BROKEN;
}

static int try_tcp(void)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return BROKEN;
	/* Nobody listens there: to be refused is to have come that far. */
	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 || errno == ECONNREFUSED ? DONE : DENIED;
}

static const struct attempt {
	const char *name;
	unsigned int layers;
	int (*run)(void);
	enum outcome wanted;
	bool root; /* without the layer root alone could */
} attempts[] = {
	{"landlock: open", LANDLOCK_ONLY, try_open, DENIED, false},
	{"landlock: exec", LANDLOCK_ONLY, try_exec, DENIED, false},
	{"landlock: signal", LANDLOCK_ONLY, try_kill, DENIED, false},
	{"landlock: abstract socket", LANDLOCK_ONLY, try_abstract, DENIED, false},
	{"landlock: TCP", LANDLOCK_ONLY, try_tcp, DENIED, false},
	{"seccomp: socket", SECCOMP_ONLY, try_socket_inet, KILLED, false},
	{"seccomp: socket that is needed", SECCOMP_ONLY, try_socket_unix, DONE, false},
	{"seccomp: open that is needed", SECCOMP_ONLY, try_open, DONE, false},
	{"seccomp: exec", SECCOMP_ONLY, try_exec, KILLED, false},
	{"seccomp: ptrace", SECCOMP_ONLY, try_ptrace, KILLED, false},
	{"seccomp: executable memory", SECCOMP_ONLY, try_map_exec, KILLED, false},
	{"seccomp: memory", SECCOMP_ONLY, try_map_data, DONE, false},
	{"seccomp: memory made executable", SECCOMP_ONLY, try_make_exec, KILLED, false},
	{"seccomp: ioctl", SECCOMP_ONLY, try_ioctl_other, KILLED, false},
	{"seccomp: ioctl that is needed", SECCOMP_ONLY, try_ioctl_chosen, DONE, false},
	{"seccomp: setsockopt", SECCOMP_ONLY, try_setsockopt_other, KILLED, false},
	{"seccomp: signal", SECCOMP_ONLY, try_kill, KILLED, false},
	{"seccomp: signal to a thread", SECCOMP_ONLY, try_tgkill_other, KILLED, false},
	{"seccomp: fork", SECCOMP_ONLY, try_fork, KILLED, false},
	{"seccomp: thread", SECCOMP_ONLY, try_thread, DONE, false},
	{"seccomp: thread's socket", SECCOMP_ONLY, try_socket_in_thread, KILLED, false},
	{"mdwe: memory made executable", BIT(SANDBOX_MDWE), try_make_exec, DENIED, false},
	{"dumpable: off", BIT(SANDBOX_DUMPABLE), try_dump, DENIED, false},
	{"limits: more files", BIT(SANDBOX_LIMITS) | BIT(SANDBOX_CAPABILITIES), try_more_files, DENIED, false},
	{"namespaces: network", BIT(SANDBOX_NAMESPACES), try_network, DENIED, false},
	{"capabilities: chown", BIT(SANDBOX_CAPABILITIES), try_chown, DENIED, true},
	{"all: open", BIT(SANDBOX_LAYERS) - 1, try_open, DENIED, false},
	{"all: socket", BIT(SANDBOX_LAYERS) - 1, try_socket_inet, KILLED, false},
};

/* Runs fn in a child, as nobody where that is asked for.  Returns what became of it. */
static enum outcome in_child(int (*fn)(const void *arg), const void *arg, bool nobody)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		/* An info line about a missing layer is no part of the test's output. */
		dup2(null, STDERR_FILENO);
		if (nobody && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0))
			_exit(BROKEN);
		_exit(fn(arg));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return KILLED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
}

/* sandbox_apply, and the counts. */
static int apply(const struct sandbox *s, const struct sandbox_opts *o)
{
	int err = sandbox_apply(s, o, &quiet);

	count_lines();
	return err;
}

static int run_attempt(const void *arg)
{
	const struct attempt *a = arg;

	put_on(a->layers);
	return a->run();
}

static int run_bare(const void *arg)
{
	return ((const struct attempt *)arg)->run();
}

/* A server with an abstract name, for try_abstract. */
static int abstract_open(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "vdevd-test-%d", getpid());
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

START_TEST(layers)
{
	const struct attempt *a = &attempts[_i / 2];
	bool nobody = _i % 2, ours = abstract_open() >= 0;
	enum outcome bare, got;

	ck_assert(ours);
	/* Root's capability to set limits goes with the others; valgrind makes calls of its own. */
	if ((nobody && geteuid() != 0) || (a->root && (nobody || geteuid() != 0)) || test_on_valgrind())
		return;
	/* Nobody may not write the counts of lines, either. */
	if ((TEST_SANITIZED || (VDEVD_INSTRUMENTED && nobody)) &&
	    (strncmp(a->name, "seccomp", 7) == 0 || strncmp(a->name, "all", 3) == 0)) {
		test_note_skip(a->name, "this build makes system calls of its own");
		return;
	}
	got = in_child(run_attempt, a, nobody);
	if (got == MISSING) {
		test_note_skip(a->name, "this machine cannot%s", nobody ? " as nobody" : "");
		return;
	}
	/* Without the layer it works, or the test shows nothing; memory may also be forbidden to all (SELinux). */
	bare = in_child(run_bare, a, nobody);
	if (a->wanted != DONE && a->run != try_ioctl_other && a->run != try_more_files &&
	    a->run != try_setsockopt_other && a->run != try_kill && a->run != try_tgkill_other)
		ck_assert_msg(bare == DONE, "%s: is not possible without the layer, too: %d", a->name, bare);
	/* Older kernels have less of Landlock. */
	if (got == DONE && a->wanted == DENIED && strncmp(a->name, "landlock", 8) == 0 &&
	    (a->run == try_kill || a->run == try_abstract || a->run == try_tcp) &&
	    syscall(444, NULL, 0, 1) < (a->run == try_tcp ? 4 : 6)) {
		test_note_skip(a->name, "this kernel's Landlock is older");
		return;
	}
	ck_assert_msg(got == a->wanted, "%s%s: %d, not %d", a->name, nobody ? " as nobody" : "", got, a->wanted);
}
END_TEST

/* ---- what has conditions of its own */

static const struct sandbox_call look_calls[] = {
	{.name = "lstat", .why = "test"},
	{0},
};

static const struct sandbox_call socketpair_calls[] = {
	{.name = "socketpair", .why = "test", .checks = {{0, SANDBOX_IS, AF_UNIX}}},
	{0},
};

/* Where a socket can be made the network is the process's own; where none can, that is saved. */
struct net_case {
	const char *what;
	const struct sandbox_call *more;
	bool seccomp, log_only, share, own;
};

static int look_at_net(const void *arg)
{
	const struct net_case *n = arg;
	struct sandbox_opts o = {.layers = BIT(SANDBOX_NAMESPACES), .log_only = n->log_only};
	struct sandbox *s = sandbox_new();
	struct stat before, after;

	if (!s)
		return BROKEN;
	if (n->seccomp)
		o.layers |= BIT(SANDBOX_NO_NEW_PRIVS) | BIT(SANDBOX_SECCOMP);
	o.required = o.layers;
	sandbox_calls(s, sandbox_process_calls);
	sandbox_calls(s, look_calls);
#if VDEVD_COVERAGE
	sandbox_calls(s, coverage_calls);
#endif
	if (n->more)
		sandbox_calls(s, n->more);
	if (n->share)
		sandbox_share(s, SANDBOX_NETWORK, "test");
	if (stat("/proc/self/ns/net", &before) < 0)
		return BROKEN;
	if (sandbox_apply(s, &o, &quiet) < 0)
		return MISSING;
	if (stat("/proc/self/ns/net", &after) < 0)
		return BROKEN;
	return before.st_ino == after.st_ino ? 1 : 2;
}

START_TEST(networks)
{
	static const struct net_case cases[] = {
		{.what = "no filter", .own = true},
		{.what = "no socket", .seccomp = true},
		{.what = "a filter that tells", .seccomp = true, .log_only = true, .own = true},
		{.what = "a socket", .seccomp = true, .more = chosen_calls, .own = true},
		{.what = "a pair of sockets", .seccomp = true, .more = socketpair_calls, .own = true},
		{.what = "the host's", .seccomp = true, .more = chosen_calls, .share = true},
		{.what = "the host's, no filter", .share = true},
	};

	if (test_on_valgrind())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int got;

		if (cases[i].seccomp && VDEVD_INSTRUMENTED)
			continue;
		got = (int)in_child(look_at_net, &cases[i], false);
		if (got == MISSING)
			test_note_skip(cases[i].what, "this machine cannot");
		else
			ck_assert_msg(got == (cases[i].own ? 2 : 1), "%s: %d", cases[i].what, got);
	}
}
END_TEST

/* Files and folders that are needed, and their neighbours. */
static int use_paths(const void *arg)
{
	const char *dir = arg;
	char path[128];
	struct sandbox *s = needs_make();

	snprintf(path, sizeof(path), "%s/in/socket", dir);
	sandbox_folder(s, path, SANDBOX_MAKE, "test");
	snprintf(path, sizeof(path), "%s/file", dir);
	sandbox_path(s, path, SANDBOX_READ, "test");
	sandbox_path(s, "/nowhere/at/all", SANDBOX_READ, "test");
	put_on_needs(s, LANDLOCK_ONLY);
	if (open(path, O_RDONLY) < 0 || open(path, O_WRONLY) >= 0)
		return 1;
	snprintf(path, sizeof(path), "%s/other", dir);
	if (open(path, O_RDONLY) >= 0 || unlink(path) == 0)
		return 2;
	snprintf(path, sizeof(path), "%s/in/socket", dir);
	return unlink(path) < 0 ? 3 : DONE;
}

static void make_file(const char *dir, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(paths)
{
	char dir[] = "/tmp/vdevd-test-XXXXXX", path[64];
	enum outcome got;

	if (test_on_valgrind())
		return;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/in", dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	make_file(dir, "file");
	make_file(dir, "other");
	make_file(dir, "in/socket");
	got = in_child(use_paths, dir, false);
	if (got == MISSING)
		test_note_skip("paths", "no Landlock");
	else
		ck_assert_int_eq(got, DONE);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	ck_assert_int_eq(system(path), 0);
}
END_TEST

/* With a root folder of its own: what is needed is there by all its names, and nothing else. */
static int use_root(const void *arg)
{
	const char *dir = arg;
	char path[128], link_path[128];
	struct sandbox *s = needs_make();
	struct stat st;

	snprintf(path, sizeof(path), "%s/here", dir);
	if (chdir(path) < 0)
		return BROKEN;
	sandbox_folder(s, "../in/socket", SANDBOX_MAKE, "test");
	sandbox_folder(s, "own", SANDBOX_MAKE, "test");
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	sandbox_path(s, link_path, SANDBOX_READ, "test");
	sandbox_path(s, "/dev/null", SANDBOX_WRITE, "test");
	sandbox_path(s, "/nowhere/at/all", SANDBOX_READ, "test");
	put_on_needs(s, BIT(SANDBOX_NAMESPACES) | BIT(SANDBOX_ROOT));
	if (access("/etc", F_OK) == 0 || access("/proc", F_OK) == 0 || access("../other", F_OK) == 0)
		return 1;
	snprintf(path, sizeof(path), "%s/file", dir);
	if (access(link_path, R_OK) < 0 || access(path, R_OK) < 0)
		return 2;
	if (open("/dev/null", O_WRONLY) < 0 || stat("/dev/null", &st) < 0 || !S_ISCHR(st.st_mode))
		return 3;
	if (unlink("own") < 0 || unlink("../in/socket") < 0)
		return 4;
	return mkdir("/new", 0700) < 0 && errno == EROFS && mkdir("../new", 0700) < 0 ? DONE : 5;
}

/* Where it connects to sockets, their folder may come later. */
static int use_root_of_sockets(const void *arg)
{
	const char *dir = arg;
	char path[128];
	struct sandbox *s = needs_make();

	snprintf(path, sizeof(path), "%s/later/socket", dir);
	sandbox_folder(s, path, SANDBOX_CONNECT, "test");
	put_on_needs(s, BIT(SANDBOX_NAMESPACES) | BIT(SANDBOX_ROOT));
	snprintf(path, sizeof(path), "%s/other", dir);
	return access("/etc", F_OK) < 0 && access(path, F_OK) == 0 ? DONE : 1;
}

/* What cannot be: the layer is missing, all is as it was. */
static int use_root_in_vain(const void *arg)
{
	const struct sandbox_opts o = {.layers = BIT(SANDBOX_ROOT) | BIT(SANDBOX_NAMESPACES)},
				  alone = {.layers = BIT(SANDBOX_ROOT), .required = BIT(SANDBOX_ROOT)};
	struct sandbox *s = needs_make();
	char path[128];

	snprintf(path, sizeof(path), "%s/here", (const char *)arg);
	if (apply(s, &alone) != -EPERM)
		return 1;
	sandbox_folder(s, "/socket", SANDBOX_MAKE, "test");
	if (chdir(path) < 0 || apply(s, &o) < 0)
		return 2;
	return access("/etc", F_OK) == 0 && access("own", F_OK) == 0 ? DONE : 3;
}

START_TEST(roots)
{
	static int (*const uses[])(const void *arg) = {use_root, use_root_of_sockets, use_root_in_vain};
	static const char *const folders[] = {"", "/in", "/here"};
	char dir[] = "/tmp/vdevd-test-XXXXXX", path[64], to[64];

	if (test_on_valgrind())
		return;
	for (int nobody = 0; nobody < (geteuid() == 0 ? 2 : 1); nobody++) {
		for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
			enum outcome got;

			snprintf(dir, sizeof(dir), "/tmp/vdevd-test-XXXXXX");
			ck_assert_ptr_nonnull(mkdtemp(dir));
			for (size_t f = 0; f < ARRAY_SIZE(folders); f++) {
				snprintf(path, sizeof(path), "%s%s", dir, folders[f]);
				ck_assert(f == 0 || mkdir(path, 0777) == 0);
				ck_assert_int_eq(chmod(path, 0777), 0);
			}
			make_file(dir, "file");
			make_file(dir, "other");
			make_file(dir, "in/socket");
			make_file(dir, "here/own");
			snprintf(path, sizeof(path), "%s/link", dir);
			snprintf(to, sizeof(to), "%s/file", dir);
			ck_assert_int_eq(symlink(to, path), 0);
			got = in_child(uses[i], dir, nobody);
			if (got == MISSING)
				test_note_skip("roots", "this machine cannot%s", nobody ? " as nobody" : "");
			else
				ck_assert_msg(got == DONE, "%zu%s: %d", i, nobody ? " as nobody" : "", (int)got);
			snprintf(path, sizeof(path), "rm -rf %s", dir);
			ck_assert_int_eq(system(path), 0);
		}
	}
}
END_TEST

static int become_nobody(const void *arg)
{
	struct sandbox_opts o = {.layers = BIT(SANDBOX_IDS) | BIT(SANDBOX_CAPABILITIES)};
	struct sandbox *s = needs_make();
	uid_t r, e, v;

	if (sandbox_parse_user("65534:65534", &o, NULL, 0) < 0)
		return BROKEN;
	sandbox_path(s, "/dev/null", SANDBOX_READ, "test");
	if (apply(s, &o) < 0)
		return 1;
	if (getresuid(&r, &e, &v) < 0 || r != NOBODY || e != NOBODY || v != NOBODY || getegid() != NOBODY ||
	    getgroups(0, NULL) != 0)
		return 2;
	return setuid(0) == 0 ? 3 : DONE;
}

/* A capability that is needed is kept over the change of the user, and no other. */
static int keep_cap(const void *arg)
{
	struct sandbox_opts o = {
		.layers = BIT(SANDBOX_IDS) | BIT(SANDBOX_CAPABILITIES), .has_user = true, .uid = NOBODY, .gid = NOBODY};
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	struct sandbox *s = needs_make();

	sandbox_cap(s, CAP_CHOWN, "test");
	if (apply(s, &o) < 0 || syscall(SYS_capget, &head, data) < 0)
		return 1;
	if (data[0].effective != BIT(CAP_CHOWN) || data[0].permitted != BIT(CAP_CHOWN) || data[0].inheritable ||
	    data[1].permitted)
		return 2;
	if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0 || prctl(PR_CAPBSET_READ, CAP_CHOWN) != 1)
		return 3;
	return try_chown();
}

/* Who is not root cannot become another: that is an error also where the layer is not required. */
static int become_other(const void *arg)
{
	struct sandbox_opts o = {.layers = BIT(SANDBOX_IDS), .has_user = true, .uid = 1, .gid = 1};

	return apply(needs_make(), &o) < 0 ? DENIED : DONE;
}

START_TEST(ids)
{
	if (geteuid() != 0 || test_on_valgrind()) {
		test_note_skip("ids", "only root can become somebody else");
		return;
	}
	ck_assert_int_eq(in_child(become_nobody, NULL, false), DONE);
	ck_assert_int_eq(in_child(keep_cap, NULL, false), DONE);
	ck_assert_int_eq(in_child(become_other, NULL, true), DENIED);
}
END_TEST

/* The signal at the parent's end survives the change of rights. */
static int keep_signal(const void *arg)
{
	int sig = 0;

	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	put_on(BIT(SANDBOX_CAPABILITIES) | BIT(SANDBOX_NO_NEW_PRIVS));
	prctl(PR_GET_PDEATHSIG, &sig);
	return sig == SIGUSR1 ? DONE : DENIED;
}

START_TEST(death_signal)
{
	ck_assert_int_eq(in_child(keep_signal, NULL, false), DONE);
}
END_TEST

/* A kernel that has no user namespace for this process: one whose root is another. */
static int miss_namespaces(const void *arg)
{
	const bool *strict = arg;
	struct sandbox_opts o = {.layers = BIT(SANDBOX_NAMESPACES), .required = *strict ? BIT(SANDBOX_NAMESPACES) : 0};

	if (chroot("/tmp") < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return BROKEN;
	return apply(needs_make(), &o) < 0 ? DENIED : DONE;
}

START_TEST(strictness)
{
	const bool yes = true, no = false;

	if (geteuid() != 0 || test_on_valgrind()) {
		test_note_skip("strictness", "chroot is root's");
		return;
	}
	ck_assert_int_eq(in_child(miss_namespaces, &no, false), DONE);
	ck_assert_int_eq(in_child(miss_namespaces, &yes, false), DENIED);
}
END_TEST

/* seccomp:log lets a call happen. */
static int log_only(const void *arg)
{
	struct sandbox_opts o = {.layers = SECCOMP_ONLY, .required = SECCOMP_ONLY, .log_only = true};

	if (apply(needs_make(), &o) < 0)
		return MISSING;
	return try_socket_inet();
}

START_TEST(logging)
{
	enum outcome got = test_on_valgrind() ? MISSING : in_child(log_only, NULL, false);

	if (got == MISSING)
		test_note_skip("logging", "no seccomp");
	else
		ck_assert_int_eq(got, DONE);
}
END_TEST

static void *thread_waits(void *arg)
{
	pause();
	return NULL;
}

/* A thread that is there already would be missed. */
static int with_thread(const void *arg)
{
	pthread_t t;
	struct sandbox_opts o = {.layers = BIT(SANDBOX_NO_NEW_PRIVS)};

	if (pthread_create(&t, NULL, thread_waits, NULL))
		return BROKEN;
	return apply(needs_make(), &o) == -EBUSY ? DENIED : DONE;
}

START_TEST(threads)
{
	ck_assert_int_eq(in_child(with_thread, NULL, false), DENIED);
}
END_TEST

static int nothing_on(const void *arg)
{
	struct sandbox_opts o = {0};

	if (apply(needs_make(), &o) < 0)
		return BROKEN;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 && prctl(PR_GET_SECCOMP) == 0 ? try_open() : DENIED;
}

START_TEST(none)
{
	ck_assert_int_eq(in_child(nothing_on, NULL, false), DONE);
}
END_TEST

static int set_oom(const void *arg)
{
	struct sandbox_opts o = {.has_oom = true, .oom = 321};
	char text[8] = "";
	int fd;

	if (apply(needs_make(), &o) < 0)
		return BROKEN;
	fd = open("/proc/self/oom_score_adj", O_RDONLY);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) == 4 && strcmp(text, "321\n") == 0 ? DONE : DENIED;
}

START_TEST(oom)
{
	ck_assert_int_eq(in_child(set_oom, NULL, false), DONE);
}
END_TEST

/* ---- options */

#define ALL (BIT(SANDBOX_LAYERS) - 1)

static const struct {
	const char *value;
	unsigned int layers, required;
	bool log_only;
} lists[] = {
	{"all", ALL, 0, false},
	{"none", 0, 0, false},
	{"strict", ALL, ALL, false},
	{"strict,-namespaces,-mdwe", ALL & ~(BIT(SANDBOX_NAMESPACES) | BIT(SANDBOX_ROOT) | BIT(SANDBOX_MDWE)),
	 ALL & ~(BIT(SANDBOX_NAMESPACES) | BIT(SANDBOX_ROOT) | BIT(SANDBOX_MDWE)), false},
	{"-root", ALL & ~BIT(SANDBOX_ROOT), 0, false},
	{"seccomp", BIT(SANDBOX_SECCOMP), 0, false},
	{"landlock,strict,limits", BIT(SANDBOX_LANDLOCK) | BIT(SANDBOX_LIMITS),
	 BIT(SANDBOX_LANDLOCK) | BIT(SANDBOX_LIMITS), false},
	{"seccomp:log", ALL, 0, true},
	{"landlock,seccomp:log", BIT(SANDBOX_LANDLOCK) | BIT(SANDBOX_SECCOMP), 0, true},
	{"-dumpable", ALL & ~BIT(SANDBOX_DUMPABLE), 0, false},
	{"no-new-privs,ids,capabilities", BIT(SANDBOX_NO_NEW_PRIVS) | BIT(SANDBOX_IDS) | BIT(SANDBOX_CAPABILITIES), 0,
	 false},
};

START_TEST(lists_good)
{
	struct sandbox_opts o = {0};
	char why[256] = "";

	ck_assert_msg(sandbox_parse_layers(lists[_i].value, &o, why, sizeof(why)) == 0, "%s: %s", lists[_i].value, why);
	ck_assert_uint_eq(o.layers, lists[_i].layers);
	ck_assert_uint_eq(o.required, lists[_i].required);
	ck_assert_int_eq(o.log_only, lists[_i].log_only);
}
END_TEST

static const char *const bad_lists[] = {"",	     "all,",	",", "secomp", "-none", "none,seccomp", "none,strict",
					"--seccomp", "SECCOMP", "-"};

START_TEST(lists_bad)
{
	struct sandbox_opts o = {0};
	char why[256] = "";

	ck_assert_int_eq(sandbox_parse_layers(bad_lists[_i], &o, why, sizeof(why)), -EINVAL);
	ck_assert_str_ne(why, "");
	ck_assert_uint_eq(o.layers, 0);
}
END_TEST

START_TEST(users)
{
	struct sandbox_opts o = {0};
	char why[256] = "";

	ck_assert_int_eq(sandbox_parse_user("0", &o, why, sizeof(why)), 0);
	ck_assert(o.has_user && o.uid == 0 && o.gid == 0 && !o.user);
	ck_assert_int_eq(sandbox_parse_user("12:34", &o, why, sizeof(why)), 0);
	ck_assert(o.uid == 12 && o.gid == 34);
	ck_assert_int_eq(sandbox_parse_user("root", &o, why, sizeof(why)), 0);
	ck_assert(o.uid == 0 && o.gid == 0 && o.user);
	ck_assert_int_eq(sandbox_parse_user("root:7", &o, why, sizeof(why)), 0);
	ck_assert(o.uid == 0 && o.gid == 7);
	ck_assert_int_eq(sandbox_parse_user("4294967295", &o, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(sandbox_parse_user("", &o, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(sandbox_parse_user("root:", &o, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(sandbox_parse_user("no such user", &o, why, sizeof(why)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "no such user"));
	ck_assert_int_eq(sandbox_parse_user("root:no such group", &o, why, sizeof(why)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "no such group"));
}
END_TEST

START_TEST(oom_values)
{
	struct sandbox_opts o = {0};
	char why[64];

	ck_assert_int_eq(sandbox_parse_oom("-1000", &o, why, sizeof(why)), 0);
	ck_assert(o.has_oom && o.oom == -1000);
	ck_assert_int_eq(sandbox_parse_oom("1000", &o, why, sizeof(why)), 0);
	ck_assert_int_eq(o.oom, 1000);
	ck_assert_int_eq(sandbox_parse_oom("1001", &o, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(sandbox_parse_oom("--1", &o, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(sandbox_parse_oom("", &o, why, sizeof(why)), -EINVAL);
}
END_TEST

/* ---- printing */

static char *printed(void (*print)(const struct sandbox *s, const struct sandbox_opts *o, FILE *out),
		     const struct sandbox *s)
{
	struct sandbox_opts o = {.layers = BIT(SANDBOX_LANDLOCK), .required = BIT(SANDBOX_LANDLOCK)};
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(f);
	print(s, &o, f);
	fclose(f);
	return text;
}

START_TEST(prints)
{
	struct sandbox *s = needs_make();
	char *text;

	sandbox_calls(s, chosen_calls);
	sandbox_path(s, "/some/where", SANDBOX_READ | SANDBOX_DEVICE, "a \"reason\"");
	sandbox_tcp(s, 8080, "a port");
	sandbox_cap(s, CAP_SYS_PTRACE, "a right");
	sandbox_share(s, SANDBOX_NETWORK, "a network");
	text = printed(sandbox_print, s);
	ck_assert_ptr_nonnull(strstr(text, "Layers: landlock (required)\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n  socket             chosen (argument 1 is 0x1)\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n  /some/where        read, ioctl: a \"reason\"\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n  8080               a port\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n  CAP_SYS_PTRACE     a right\n"));
	ck_assert_ptr_nonnull(strstr(text, "the host's: a network\n"));
	/* A table that is given twice is one. */
	ck_assert_ptr_null(strstr(strstr(text, "\n  socket  ") + 1, "\n  socket  "));
	free(text);
	text = printed(sandbox_print_json, s);
	ck_assert_ptr_nonnull(
		strstr(text, "{\"name\": \"socket\", \"only\": \"argument 1 is 0x1\", \"why\": \"chosen\"}"));
	ck_assert_ptr_nonnull(strstr(text, "\"why\": \"a \\\"reason\\\"\"}"));
	ck_assert_ptr_nonnull(strstr(text, "\"tcp-ports\": [8080]"));
	ck_assert_ptr_nonnull(strstr(text, "\"capabilities\": [\"CAP_SYS_PTRACE\"]"));
	free(text);
	sandbox_free(s);
}
END_TEST

Suite *suite_sandbox(void)
{
	Suite *s = suite_create("sandbox");
	TCase *tc = tcase_create("sandbox");

	tcase_add_loop_test(tc, layers, 0, 2 * (int)ARRAY_SIZE(attempts));
	tcase_add_test(tc, networks);
	tcase_add_test(tc, paths);
	tcase_add_test(tc, roots);
	tcase_add_test(tc, ids);
	tcase_add_test(tc, death_signal);
	tcase_add_test(tc, strictness);
	tcase_add_test(tc, logging);
	tcase_add_test(tc, threads);
	tcase_add_test(tc, none);
	tcase_add_test(tc, oom);
	tcase_add_loop_test(tc, lists_good, 0, (int)ARRAY_SIZE(lists));
	tcase_add_loop_test(tc, lists_bad, 0, (int)ARRAY_SIZE(bad_lists));
	tcase_add_test(tc, users);
	tcase_add_test(tc, oom_values);
	tcase_add_test(tc, prints);
	suite_add_tcase(s, tc);
	return s;
}
