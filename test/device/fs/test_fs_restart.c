/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_fs_restart.c - vdevd fs is killed and started again behind vdevd relay (--session-file): the guest's session goes
 * on, and no request is done twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "devices/fs/fs.h"
#include "test/device/fs/fs_client.h"
#include "test/lib/random.h"
#include "test/lib/vdevd_process.h"
#include "test/unit/suites.h"
#include "transport/ring/virtq.h"

#define ROOT	FUSE_ROOT_ID
#define LONGEST 200u /* us until a back end is killed that has a request */

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

static const char *const to_back[] = {"--to=%T/back", NULL};
static const char *const by_handle[] = {"--shared-dir=%T/share", "--session-file=%T/session", "--flock", "--posix-lock",
					"--xattr", NULL};
static const char *const by_name[] = {"--shared-dir=%T/share", "--session-file=%T/session", "--flock", "--posix-lock",
				      "--xattr", "--inode-file-handles=never", NULL};
static const char *const *const ways[] = {by_handle, by_name};

static struct vdevd_process relay = {.pid = -1}, back = {.pid = -1};
static struct frontend *fe;
static const char *const *args;
static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[4][160];
	static unsigned int next;
	char *at = path[next++ % 4];

	snprintf(at, sizeof(path[0]), "%s/%s", dir, name);
	return at;
}

static void host_write(const char *name, const char *text)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void setup(void)
{
	process_dir_make(dir);
	ck_assert_int_eq(mkdir(in_dir("share"), 0755), 0);
	ck_assert_int_eq(mkdir(in_dir("share/d"), 0755), 0);
	host_write("share/hello", "hello, world\n");
	host_write("share/d/in", "inside\n");
	process_start(&relay, dir, "front", "relay", to_back);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void teardown(void)
{
	if (back.pid > 0)
		process_kill(&back);
	frontend_free(fe);
	process_kill(&relay);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void ok(int err, const char *what)
{
	ck_assert_msg(err >= 0, "%s: %s (%s)", what, fe ? frontend_why(fe) : "", strerror(-err));
}

static struct fs_client *begin(const char *const *with)
{
	const struct frontend_region r = {.guest_addr = 1 << 20, .size = 4 << 20};
	const struct frontend_queue_opts opts = frontend_queue_defaults(64);
	const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) |
				  BIT(VHOST_USER_F_PROTOCOL_FEATURES);

	args = with;
	process_start(&back, dir, "back", "fs", args);
	process_connect(&relay, &fe);
	ok(frontend_negotiate(fe, features, BIT(VU_PF_REPLY_ACK)), "negotiation");
	ok(frontend_make_mem(fe, &frontend_mem_memfd, &r, 1), "memory");
	for (unsigned int q = 0; q < 2; q++)
		ok(frontend_queue_make(fe, q, &opts), "ring");
	ok(frontend_set_mem_table(fe), "memory table");
	for (unsigned int q = 0; q < 2; q++)
		ok(frontend_queue_restart(fe, q, 0), "ring started");
	return fs_mount_by(fe);
}

static void replace(void)
{
	process_kill(&back);
	process_start(&back, dir, "back", "fs", args);
}

/* The same as a service manager does it. */
static void restart(void)
{
	int status;

	ck_assert_int_eq(kill(back.pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(back.pid, &status, 0), back.pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	process_start(&back, dir, "back", "fs", args);
}

static int lock(struct fs_client *f, uint64_t node, uint64_t fh, uint64_t owner, uint64_t start, uint64_t end, uint32_t type,
		bool flock)
{
	const struct fuse_lk_in in = {.fh = fh,
				      .owner = owner,
				      .lk = {.start = start, .end = end, .type = type},
				      .lk_flags = flock ? FUSE_LK_FLOCK : 0};

	return fs_call(f, FUSE_SETLK, node, &in, sizeof(in), NULL, NULL, 0);
}

/* Whether the host could have a byte of the file. */
static bool host_can_have(int fd, off_t at)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	ck_assert_int_eq(fcntl(fd, F_OFD_GETLK, &l), 0);
	return l.l_type == F_UNLCK;
}

/* All that a guest can have of a folder is as it was. */
START_TEST(test_goes_on)
{
	struct fs_client *f = begin(ways[_i]);
	uint64_t d = fs_walk(f, ROOT, "d"), node = fs_walk(f, d, "in"), made, fh, folder, gone, gone_fh;
	struct fuse_entry_out e;
	struct fuse_open_out o;
	struct fuse_attr a;
	int host;

	ck_assert_int_eq(fs_look(f, d, "in", &e), 0);
	ck_assert_uint_eq(e.nodeid, node);
	ck_assert_int_eq(fs_open_at(f, node, O_RDWR, &o), 0);
	ck_assert_int_eq(fs_opendir_at(f, d, &folder), 0);
	ck_assert_int_eq(fs_make_file(f, d, "made", O_RDWR, 0600, &made, &fh), 0);
	ck_assert_int_eq(fs_make_file(f, d, "gone", O_RDWR, 0600, &gone, &gone_fh), 0);
	ck_assert_int_eq(fs_call(f, FUSE_UNLINK, d, NULL, 0, "gone", NULL, 0), 0);
	ck_assert_int_eq(lock(f, made, fh, 1, 0, INT64_MAX, F_WRLCK, true), 0);
	ck_assert_int_eq(lock(f, node, o.fh, 7, 0, 99, F_WRLCK, false), 0);
	ck_assert_int_eq(lock(f, node, o.fh, 7, 40, 49, F_UNLCK, false), 0);
	for (unsigned int round = 0; round < 2; round++) {
		if (round)
			restart();
		else
			replace();
		ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
		ck_assert_uint_eq(a.size, 7);
		ck_assert_int_eq(fs_read_at(f, node, o.fh, 0, 100), 7);
		ck_assert_mem_eq(f->out, "inside\n", 7);
		ck_assert_int_eq(fs_write_at(f, made, fh, 0, "written", 7, 0), 7);
		ck_assert_uint_eq(fs_walk(f, d, "made"), made);
		ck_assert_uint_eq(fs_walk(f, ROOT, "d"), d);
		/* Its bytes went with the last process. */
		ck_assert_int_eq(fs_read_at(f, gone, gone_fh, 0, 1), -ESTALE);
		ck_assert_int_eq(fs_attr_of(f, gone, &a), -ESTALE);
		host = open(in_dir("share/d/made"), O_RDWR | O_CLOEXEC);
		ck_assert_int_ge(host, 0);
		ck_assert_int_eq(flock(host, LOCK_EX | LOCK_NB), -1);
		close(host);
		host = open(in_dir("share/d/in"), O_RDWR | O_CLOEXEC);
		ck_assert_int_ge(host, 0);
		for (off_t at = 0; at < 110; at++)
			ck_assert_int_eq(host_can_have(host, at), (at >= 40 && at < 50) || at >= 100);
		close(host);
	}
	/* Numbers are not given again. */
	ck_assert_uint_ne(fs_walk(f, ROOT, "hello"), node);
	ck_assert_int_eq(fs_close_at(f, gone, gone_fh, false), 0);
	ck_assert_int_eq(fs_close_at(f, gone, gone_fh, false), -EBADF);
	ck_assert_int_eq(fs_close_at(f, made, fh, false), 0);
	ck_assert_int_eq(fs_close_at(f, d, folder, true), 0);
	/* It was looked up twice. */
	fs_forget_node(f, node, 1);
	ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
	replace();
	ck_assert_int_eq(fs_close_at(f, node, o.fh, false), 0);
	fs_forget_node(f, node, 1);
	ck_assert_int_eq(fs_attr_of(f, node, &a), -ESTALE);
	/* Another session knows nothing of it. */
	f = fs_mount_by(fe);
	ck_assert_int_eq(fs_attr_of(f, d, &a), -ESTALE);
	replace();
	ck_assert_int_eq(fs_attr_of(f, d, &a), -ESTALE);
	ck_assert_int_eq(fs_attr_of(f, ROOT, &a), 0);
}
END_TEST

/* Ranges that are locked have room for so many: what would not be kept is refused, and nothing is lost of what is. */
START_TEST(test_ranges)
{
	struct fs_client *f = begin(by_handle);
	uint64_t node = fs_walk(f, ROOT, "hello"), at = 1;
	struct fuse_open_out o;
	int host, err = 0;

	ck_assert_int_eq(fs_open_at(f, node, O_RDWR, &o), 0);
	ck_assert_int_eq(lock(f, node, o.fh, 7, 0, INT64_MAX, F_WRLCK, false), 0);
	for (; !err && at < 4 * FS_RANGES; at += 2)
		err = lock(f, node, o.fh, 7, at, at, F_UNLCK, false);
	at -= 2;
	ck_assert_int_eq(err, -ENOLCK);
	ck_assert_uint_eq(at, 2 * FS_RANGES - 1);
	ck_assert_int_eq(lock(f, node, o.fh, 8, 1, 1, F_RDLCK, false), -ENOLCK);
	/* What makes no hole is no more. */
	ck_assert_int_eq(lock(f, node, o.fh, 7, 0, 0, F_UNLCK, false), 0);
	replace();
	ck_assert_int_eq(fs_read_at(f, node, o.fh, 0, 1), 1);
	host = open(in_dir("share/hello"), O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(host, 0);
	for (off_t i = 0; i < (off_t)at + 10; i++)
		ck_assert_int_eq(host_can_have(host, i), i == 0 || (i % 2 && i < (off_t)at));
	ck_assert_int_eq(lock(f, node, o.fh, 7, 0, INT64_MAX, F_UNLCK, false), 0);
	ck_assert(host_can_have(host, (off_t)at));
	close(host);
}
END_TEST

/* A place in a folder is the next process's, too: each name comes once. */
START_TEST(test_folder)
{
	enum { NAMES = 300 };
	struct fs_client *f = begin(ways[_i]);
	bool seen[NAMES] = {false};
	uint64_t fh, off = 0;
	char name[32];

	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "share/d/n%u", i);
		host_write(name, "");
	}
	uint64_t d = fs_walk(f, ROOT, "d");

	ck_assert_int_eq(fs_opendir_at(f, d, &fh), 0);
	for (unsigned int round = 0;; round++) {
		const struct fuse_read_in in = {.fh = fh, .offset = off, .size = 1024};
		struct fuse_dirent e;

		ck_assert_int_eq(fs_call(f, FUSE_READDIR, d, &in, sizeof(in), NULL, NULL, 1024), 0);
		if (!f->out_len)
			break;
		for (size_t at = 0; at < f->out_len; at += FUSE_DIRENT_ALIGN(sizeof(e) + e.namelen)) {
			unsigned int i = NAMES;

			memcpy(&e, f->out + at, sizeof(e));
			off = e.off;
			snprintf(name, sizeof(name), "%.*s", (int)e.namelen, (const char *)f->out + at + sizeof(e));
			if (sscanf(name, "n%u", &i) != 1)
				continue;
			ck_assert_uint_lt(i, NAMES);
			ck_assert(!seen[i]);
			seen[i] = true;
		}
		if (round % 4 == 3)
			replace();
	}
	for (unsigned int i = 0; i < NAMES; i++)
		ck_assert(seen[i]);
}
END_TEST

/* ---- at any moment */

static unsigned int kills;

/* Kills, now and then, while a request is under way. */
static void kill_sometimes(void)
{
	static uint32_t state;

	state = state ? state : (uint32_t)getpid();
	if (random_next(&state) % 8)
		return;
	usleep(random_next(&state) % LONGEST);
	replace();
	kills++;
}

static unsigned int rounds(void)
{
	return test_by_depth(10, 40, 1000);
}

static uint64_t size_of(struct fs_client *f, uint64_t node)
{
	struct fuse_attr a;

	ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
	return a.size;
}

/* What must not be done twice: each ends well, as often as it is asked for. */
static void one_round(struct fs_client *f, uint64_t d, unsigned int i)
{
	const struct fuse_rename2_in plain = {.newdir = ROOT}, exchange = {.newdir = ROOT, .flags = RENAME_EXCHANGE};
	struct fuse_link_in link;
	uint64_t sub, node, fh, dfh;
	struct fuse_entry_out e;
	struct fuse_attr a;
	char name[32], other[32];

	snprintf(name, sizeof(name), "f%u", i);
	snprintf(other, sizeof(other), "g%u", i);
	ck_assert_int_eq(fs_make_dir(f, d, name, 0755, &sub), 0);
	ck_assert_int_eq(fs_opendir_at(f, sub, &dfh), 0);
	ck_assert_int_eq(fs_make_file(f, ROOT, name, O_RDWR | O_EXCL | O_APPEND, 0600, &node, &fh), 0);
	for (unsigned int n = 0; n < 3; n++)
		ck_assert_int_eq(fs_write_at(f, node, fh, 0, "12345", 5, O_APPEND), 5);
	ck_assert_uint_eq(size_of(f, node), 15);
	link.oldnodeid = node;
	ck_assert_int_eq(fs_call(f, FUSE_LINK, d, &link, sizeof(link), other, NULL, sizeof(e)), 0);
	ck_assert_int_eq(fs_call(f, FUSE_SYMLINK, ROOT, NULL, 0, other, "target", sizeof(e)), 0);
	memcpy(&e, f->out, sizeof(e));
	ck_assert_int_eq(fs_call(f, FUSE_RENAME2, ROOT, &exchange, sizeof(exchange), name, other, 0), 0);
	ck_assert_uint_eq(fs_walk(f, ROOT, name), e.nodeid);
	ck_assert_uint_eq(fs_walk(f, ROOT, other), node);
	ck_assert_int_eq(fs_call(f, FUSE_RENAME2, d, &plain, sizeof(plain), other, name, 0), 0);
	ck_assert_int_eq(fs_call(f, FUSE_UNLINK, ROOT, NULL, 0, name, NULL, 0), 0);
	ck_assert_int_eq(fs_call(f, FUSE_UNLINK, ROOT, NULL, 0, other, NULL, 0), 0);
	ck_assert_int_eq(fs_close_at(f, sub, dfh, true), 0);
	ck_assert_int_eq(fs_close_at(f, node, fh, false), 0);
	ck_assert_int_eq(fs_call(f, FUSE_RMDIR, d, NULL, 0, name, NULL, 0), 0);
	fs_forget_node(f, node, 3);
	fs_forget_node(f, sub, 1);
	fs_forget_node(f, e.nodeid, 2);
	/* It is known until it was forgotten as often as it was looked up, and no longer. */
	node = fs_walk(f, ROOT, "hello");
	fs_walk(f, ROOT, "hello");
	fs_walk(f, ROOT, "hello");
	fs_forget_node(f, node, 1);
	fs_forget_node(f, node, 1);
	ck_assert_int_eq(fs_attr_of(f, node, &a), 0);
	fs_forget_node(f, node, 1);
	ck_assert_int_eq(fs_attr_of(f, node, &a), -ESTALE);
}

START_TEST(test_killed)
{
	struct fs_client *f = begin(ways[_i]);
	uint64_t d = fs_walk(f, ROOT, "d"), kept, fh;
	struct stat st;
	unsigned int n = 0;

	ck_assert_int_eq(fs_make_file(f, d, "kept", O_RDWR, 0600, &kept, &fh), 0);
	f->between = kill_sometimes;
	while (kills < rounds()) {
		one_round(f, d, n++);
		ck_assert_int_eq(fs_write_at(f, kept, fh, 4 * (n - 1), "abcd", 4, 0), 4);
	}
	f->between = NULL;
	ck_assert_uint_eq(size_of(f, kept), 4 * n);
	/* Nothing is left over. */
	ck_assert_int_eq(stat(in_dir("share/d"), &st), 0);
	ck_assert_uint_eq(st.st_nlink, 2);
	for (unsigned int i = 0; i < n; i++) {
		char name[48];

		snprintf(name, sizeof(name), "share/f%u", i);
		ck_assert_int_eq(access(in_dir(name), F_OK), -1);
		snprintf(name, sizeof(name), "share/d/f%u", i);
		ck_assert_int_eq(access(in_dir(name), F_OK), -1);
	}
}
END_TEST

/* ---- in the midst of a request */

/* Where records of files begin in the session file. */
#define CHUNK	 UINT64_C(65536)
#define WHOLE(n) (((n) + CHUNK - 1) / CHUNK * CHUNK)
#define INODES	 (WHOLE(sizeof(struct fs_kept)) + WHOLE(FS_MOUNTS * sizeof(struct fs_kept_mount)))

static void session_put(const void *bytes, size_t len, uint64_t at)
{
	int fd = open(in_dir("session"), O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, (off_t)at), (ssize_t)len);
	close(fd);
}

static struct fs_inode session_inode(uint64_t node)
{
	int fd = open(in_dir("session"), O_RDONLY | O_CLOEXEC);
	struct fs_inode n;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &n, sizeof(n), (off_t)(INODES + (uint32_t)node * sizeof(n))), sizeof(n));
	close(fd);
	return n;
}

static void session_put_inode(uint64_t node, const struct fs_inode *n)
{
	session_put(n, sizeof(*n), INODES + (uint32_t)node * sizeof(*n));
}

/* The request under way, as the process that was killed has left it. */
static struct fs_now left;

static void killed_in_it(void)
{
	process_kill(&back);
	session_put(&left, sizeof(left), offsetof(struct fs_kept, now));
	process_start(&back, dir, "back", "fs", args);
}

/* The next request comes again, to a process that finds this value of the first try. */
static struct fs_client *come_again(struct fs_client *f, uint64_t value)
{
	int status;

	ck_assert_int_eq(kill(back.pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(back.pid, &status, WUNTRACED), back.pid);
	ck_assert(WIFSTOPPED(status));
	left = (struct fs_now){.unique = f->unique + 2, .value = value};
	f->between = killed_in_it;
	return f;
}

/* What is found done is the request's own only where it was not so before. */
START_TEST(test_found_done)
{
	enum { NEVER_BEGUN, WAS_ABSENT, WAS_THERE };
	const struct fuse_rename2_in to_root = {.newdir = ROOT};
	struct fs_client *f = begin(ways[_i]);
	uint64_t d = fs_walk(f, ROOT, "d"), node, fh;
	const struct fuse_link_in link = {.oldnodeid = fs_walk(f, ROOT, "hello")};
	const size_t room = sizeof(struct fuse_entry_out);

	for (uint64_t value = NEVER_BEGUN; value <= WAS_THERE; value++) {
		int made = value == WAS_ABSENT ? 0 : -EEXIST, removed = value == WAS_THERE ? 0 : -ENOENT;

		ck_assert_int_eq(fs_make_dir(come_again(f, value), ROOT, "d", 0755, &node), made);
		ck_assert_int_eq(fs_make_file(come_again(f, value), d, "in", O_RDWR | O_EXCL, 0600, &node, &fh), made);
		ck_assert_int_eq(fs_call(come_again(f, value), FUSE_LINK, d, &link, sizeof(link), "in", NULL, room), made);
		ck_assert_int_eq(fs_call(come_again(f, value), FUSE_UNLINK, d, NULL, 0, "none", NULL, 0), removed);
		ck_assert_int_eq(fs_call(come_again(f, value), FUSE_RENAME2, d, &to_root, sizeof(to_root), "none", "x", 0),
				 removed);
		f->between = NULL;
	}
}
END_TEST

static int set_attribute_once(struct fs_client *f, uint64_t node, const char *name)
{
	const struct fuse_setxattr_in in = {.size = 1, .flags = XATTR_CREATE};
	struct fs_message *m = malloc(sizeof(*m));
	int err;

	ck_assert_ptr_nonnull(m);
	fs_begin(f, m, FUSE_SETXATTR, node);
	fs_add(m, &in, f->flags & FUSE_SETXATTR_EXT ? sizeof(in) : FUSE_COMPAT_SETXATTR_IN_SIZE);
	fs_add_name(m, name);
	fs_add(m, "y", 1);
	err = fs_send(f, m, 0);
	free(m);
	return err;
}

/* The same of attributes. */
START_TEST(test_attribute_found)
{
	enum { NEVER_BEGUN, WAS_ABSENT, WAS_THERE };
	struct fs_client *f = begin(ways[_i]);
	uint64_t node = fs_walk(f, ROOT, "hello");

	if (setxattr(in_dir("share/hello"), "user.there", "x", 1, 0) < 0)
		test_skip("no attributes in %s: %s", dir, strerror(errno));
	for (uint64_t value = NEVER_BEGUN; value <= WAS_THERE; value++) {
		ck_assert_int_eq(set_attribute_once(come_again(f, value), node, "user.there"),
				 value == WAS_ABSENT ? 0 : -EEXIST);
		ck_assert_int_eq(fs_call(come_again(f, value), FUSE_REMOVEXATTR, node, NULL, 0, "user.none", NULL, 0),
				 value == WAS_THERE ? 0 : -ENODATA);
		f->between = NULL;
	}
}
END_TEST

/* A file whose way was being noted when the process ended is still the guest's. */
START_TEST(test_half_noted)
{
	struct fs_client *f = begin(by_name);
	uint64_t d = fs_walk(f, ROOT, "d"), node = fs_walk(f, d, "in");
	struct fs_inode n;

	process_kill(&back);
	n = session_inode(node);
	n.how = FS_BY_NOTHING;
	n.big = 3;
	n.len = 9;
	session_put_inode(node, &n);
	process_start(&back, dir, "back", "fs", args);
	ck_assert_uint_eq(fs_walk(f, d, "in"), node);
}
END_TEST

/* Of two that have the same place for a long name, one has it. */
START_TEST(test_same_place)
{
	struct fs_client *f = begin(by_name);
	uint64_t nodes[2];
	char names[2][80], path[176];
	struct fs_inode n[2];
	struct fuse_attr a;

	for (unsigned int i = 0; i < 2; i++) {
		memset(names[i], 'a' + (int)i, sizeof(names[i]) - 1);
		names[i][sizeof(names[i]) - 1] = '\0';
		snprintf(path, sizeof(path), "share/%s", names[i]);
		host_write(path, "");
		nodes[i] = fs_walk(f, ROOT, names[i]);
	}
	process_kill(&back);
	for (unsigned int i = 0; i < 2; i++) {
		n[i] = session_inode(nodes[i]);
		ck_assert_uint_ne(n[i].big, 0);
	}
	n[1].big = n[0].big;
	session_put_inode(nodes[1], &n[1]);
	process_start(&back, dir, "back", "fs", args);
	ck_assert_uint_eq(fs_walk(f, ROOT, names[1]), nodes[1]);
	ck_assert_int_eq(fs_attr_of(f, nodes[0], &a), 0);
	ck_assert_int_eq(fs_attr_of(f, nodes[1], &a), 0);
}
END_TEST

/* ---- who it is, and what it offers */

/* Who the back end is: a sanitizer's build has no sandbox, and there --user changes nothing. */
static unsigned int user_of_back(void)
{
	char path[64], line[128];
	unsigned int uid = UINT32_MAX;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)back.pid);
	status = fopen(path, "re");
	ck_assert_ptr_nonnull(status);
	while (fgets(line, sizeof(line), status) && sscanf(line, "Uid: %*u %u", &uid) != 1)
		;
	fclose(status);
	return uid;
}

/* The user of --user, and not who has started it. */
START_TEST(test_user)
{
	static const char *const as_user[] = {"--shared-dir=%T/share", "--user=65534:65534", NULL};
	struct fs_client *f;
	uint64_t node, fh;
	struct stat st;

	if (getuid() != 0)
		return;
	f = begin(as_user);
	f->uid = f->gid = 1000;
	ck_assert_int_eq(fs_make_file(f, ROOT, "users", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(stat(in_dir("share/users"), &st), 0);
	ck_assert(st.st_uid == 1000 && st.st_gid == 1000);
	/* Without rules (--translate-uid) nobody is who serves. */
	f->uid = f->gid = FUSE_INVALID_UIDGID;
	ck_assert_int_eq(fs_make_file(f, ROOT, "its", O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(stat(in_dir("share/its"), &st), 0);
	ck_assert_uint_eq(st.st_uid, user_of_back());
	ck_assert_uint_eq(st.st_gid, user_of_back());
}
END_TEST

/* In order, what is done would not be seen until a thread has ended: who is killed meanwhile would do it twice. */
START_TEST(test_order)
{
	static const char *const plain[] = {"--shared-dir=%T/share", "--features=+in_order", NULL};
	static const char *const kept[] = {"--shared-dir=%T/share", "--features=+in_order", "--session-file=%T/session", NULL};

	process_start(&back, dir, "back", "fs", _i ? kept : plain);
	process_connect(&back, &fe);
	ok(frontend_negotiate(fe, BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_IN_ORDER), 0), "negotiation");
	ck_assert_int_eq(!!(frontend_features(fe) & BIT(VIRTIO_F_IN_ORDER)), !_i);
}
END_TEST

/* ---- files that are none of its session */

/* Nothing of the old session's records comes back in a new one, however many there were. */
START_TEST(test_begun_anew)
{
	/* Of the same limits, so that the file stays as it is. */
	static const char *const others[] = {"--shared-dir=%T/share", "--session-file=%T/session", "--posix-lock", "--xattr",
					     NULL};
	enum { NAMES = 600 };
	struct fs_client *f = begin(ways[_i]);
	struct fuse_attr a;
	char name[32];

	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "share/n%u", i);
		host_write(name, "");
		fs_walk(f, ROOT, name + strlen("share/"));
	}
	args = others;
	replace();
	f = fs_mount_by(fe);
	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		ck_assert_int_eq(fs_attr_of(f, fs_walk(f, ROOT, name), &a), 0);
	}
}
END_TEST

static int status_of(const char *const *with)
{
	struct vdevd_process p = {.pid = -1};
	int status;

	process_start(&p, dir, "other", "fs", with);
	ck_assert_int_eq(waitpid(p.pid, &status, 0), p.pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(test_file)
{
	static const char *const a_folder[] = {"--shared-dir=%T/share", "--session-file=%T/share", NULL};
	static const char *const nowhere[] = {"--shared-dir=%T/share", "--session-file=%T/no/where", NULL};
	static const char *const fewer[] = {"--shared-dir=%T/share", "--session-file=%T/session", "--max-inodes=100", NULL};
	static const char *const other[] = {"--shared-dir=%T/share/d", "--session-file=%T/session", "--max-inodes=100", NULL};
	static const char *const unsafe[][3] = {
		{"--shared-dir=%T/share", "--session-file=%T/share/s", NULL},
		{"--shared-dir=%T/share", "--session-file=%T/way/s", NULL},
		{"--shared-dir=%T/share", "--session-file=%T/open", NULL},
		{"--shared-dir=%T/share", "--session-file=%T/two", NULL},
		{"--shared-dir=%T/share", "--session-file=%T/another's", NULL},
	};
	struct fs_client *f = begin(by_handle);
	uint64_t d = fs_walk(f, ROOT, "d");
	struct fuse_attr a;

	/* Others could write to these: in the shared folder, by mode, by another name, as the owner. */
	ck_assert_int_eq(symlink("share/d", in_dir("way")), 0);
	host_write("open", "");
	host_write("two", "");
	ck_assert_int_eq(chmod(in_dir("two"), 0600), 0);
	ck_assert_int_eq(link(in_dir("two"), in_dir("share/two")), 0);
	host_write("another's", "");
	ck_assert_int_eq(chmod(in_dir("another's"), 0600), 0);
	for (size_t i = 0; i < ARRAY_SIZE(unsafe); i++) {
		bool of_owner = i + 1 == ARRAY_SIZE(unsafe);

		/* Only root can give one away. */
		if (of_owner && chown(in_dir("another's"), 12345, 12345) < 0)
			break;
		ck_assert_msg(status_of(unsafe[i]) == 1, "%s is taken", unsafe[i][1]);
	}
	ck_assert_int_eq(access(in_dir("share/s"), F_OK), -1);
	ck_assert_int_eq(access(in_dir("share/d/s"), F_OK), -1);
	/* The one that serves has it. */
	ck_assert_int_eq(status_of(by_handle), 1);
	ck_assert_int_eq(status_of(a_folder), 1);
	ck_assert_int_eq(status_of(nowhere), 1);
	ck_assert_int_eq(fs_attr_of(f, d, &a), 0);
	/* With other limits, or of another folder: there is no session. */
	for (unsigned int i = 0; i < 2; i++) {
		args = i ? other : fewer;
		replace();
		ck_assert_int_eq(fs_attr_of(f, d, &a), -EIO);
		f = fs_mount_by(fe);
		ck_assert_int_eq(fs_attr_of(f, ROOT, &a), 0);
	}
}
END_TEST

/* Asks, and takes any answer. */
static void look_anyhow(struct fs_client *f, uint64_t node, uint64_t fh)
{
	const struct {
		struct fuse_in_header h;
		struct fuse_read_in in;
	} read = {.h = {.len = sizeof(read), .opcode = FUSE_READ, .nodeid = node, .unique = 9}, .in = {.fh = fh, .size = 9}};
	const struct {
		struct fuse_in_header h;
		struct fuse_getattr_in in;
	} attr = {.h = {.len = sizeof(attr), .opcode = FUSE_GETATTR, .nodeid = node, .unique = 11}};
	const struct frontend_request_opts poll = {.poll = true};
	uint8_t in[200];

	ok(frontend_request(f->fe, REQUESTS, &read, sizeof(read), in, sizeof(in), NULL, &poll), "READ");
	ok(frontend_request(f->fe, REQUESTS, &attr, sizeof(attr), in, sizeof(in), NULL, &poll), "GETATTR");
}

/* Whatever is in the file, it starts, and serves who begins anew. */
START_TEST(test_damaged)
{
	struct fs_client *f = begin(by_name);
	uint64_t d = fs_walk(f, ROOT, "d");
	uint32_t state = (uint32_t)getpid();
	struct fuse_open_out o;
	struct stat st;

	for (unsigned int round = 0; round < rounds() / 2; round++) {
		int fd;

		fs_walk(f, d, "in");
		ck_assert_int_eq(fs_open_at(f, fs_walk(f, ROOT, "hello"), O_RDONLY, &o), 0);
		process_kill(&back);
		fd = open(in_dir("session"), O_RDWR | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(fstat(fd, &st), 0);
		/* Behind the mark; in the first bytes of the records, too. */
		for (unsigned int i = 0; i < 40; i++) {
			uint32_t value = random_next(&state) % 5 ? random_next(&state) % 4 : random_next(&state);
			off_t at = 8 + (off_t)(random_next(&state) % 400);

			if (i % 2) {
				at = lseek(fd, 262144, SEEK_DATA);
				ck_assert_int_ge(at, 0);
				at += 65536 * (off_t)(random_next(&state) % 3) + random_next(&state) % 1024;
			}
			ck_assert_int_eq(pwrite(fd, &value, 1, at), 1);
		}
		close(fd);
		process_start(&back, dir, "back", "fs", args);
		/* What it makes of the old session is not known. */
		look_anyhow(f, d, o.fh);
		f = fs_mount_by(fe);
		d = fs_walk(f, ROOT, "d");
	}
}
END_TEST

static void add(Suite *s, const char *name, const TTest *test, int ways_of_it)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test, 0, ways_of_it);
	suite_add_tcase(s, tc);
}

Suite *suite_fs_restart(void)
{
	Suite *s = suite_create("fs_restart");

	add(s, "goes on", test_goes_on, ARRAY_SIZE(ways));
	add(s, "ranges", test_ranges, 1);
	add(s, "folder", test_folder, ARRAY_SIZE(ways));
	add(s, "killed", test_killed, ARRAY_SIZE(ways));
	add(s, "found done", test_found_done, ARRAY_SIZE(ways));
	add(s, "attribute found", test_attribute_found, ARRAY_SIZE(ways));
	add(s, "half noted", test_half_noted, 1);
	add(s, "same place", test_same_place, 1);
	add(s, "user", test_user, 1);
	add(s, "order", test_order, 2);
	add(s, "begun anew", test_begun_anew, ARRAY_SIZE(ways));
	add(s, "file", test_file, 1);
	add(s, "damaged", test_damaged, 1);
	return s;
}
