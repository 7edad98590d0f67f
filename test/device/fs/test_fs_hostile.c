/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_fs_hostile.c - what a guest that is not Linux sends to a file system device, and who changes the folder against
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "test/device/fs/fs_client.h"
#include "test/lib/random.h"
#include "test/unit/suites.h"

#define ROOT FUSE_ROOT_ID

/* The device is still there, and serves. */
static void alive(struct fs_client *f)
{
	struct fuse_attr a;

	ck_assert_int_eq(fs_attr_of(f, ROOT, &a), 0);
}

/* ---- requests that are none */

static void lengths(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct {
		struct fuse_in_header h;
		struct fuse_getattr_in in;
		uint8_t more[8];
	} m = {.h = {.opcode = FUSE_GETATTR, .nodeid = ROOT, .unique = 7}};
	uint8_t in[200];
	struct fuse_out_header out;

	/* Any number of bytes, whatever the header says. */
	for (uint32_t len = 1; len <= sizeof(m); len++) {
		const uint32_t told[] = {len, len - 1, len + 1, 0, UINT32_MAX};

		for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
			bool good = told[i] == len && len == sizeof(m.h) + sizeof(m.in);

			m.h.len = told[i];
			ck_assert_uint_ge(carrier_request(c, REQUESTS, &m, len, in, sizeof(in)), sizeof(out));
			memcpy(&out, in, sizeof(out));
			ck_assert_int_eq(out.error, good ? 0 : -EINVAL);
		}
	}
	/* Too little room for the answer, or for any. */
	m.h.len = 56;
	for (size_t room = 1; room < sizeof(out) + sizeof(struct fuse_attr_out); room++) {
		uint32_t used = carrier_request(c, REQUESTS, &m, 56, in, room);

		ck_assert_uint_eq(used, room < sizeof(out) ? 0 : sizeof(out));
		memcpy(&out, in, sizeof(out));
		if (used)
			ck_assert_int_eq(out.error, -EINVAL);
	}
	ck_assert_uint_eq(carrier_request(c, REQUESTS, &m, 56, NULL, 0), 0);
	ck_assert_uint_eq(carrier_request(c, REQUESTS, NULL, 0, in, sizeof(in)), sizeof(out));
	alive(f);
}

/* Operations that there are not, and those that nobody does. */
static void operations(struct carrier *c)
{
	static const uint32_t none[] = {0,
					7,
					19,
					FUSE_BMAP,
					FUSE_POLL,
					FUSE_NOTIFY_REPLY,
					FUSE_SETUPMAPPING,
					FUSE_REMOVEMAPPING,
					54,
					99,
					4096,
					UINT32_MAX};
	struct fs_client *f = fs_mount(c);
	uint8_t bytes[100] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		ck_assert_int_eq(fs_call(f, none[i], ROOT, bytes, sizeof(bytes), NULL, NULL, 100), -ENOSYS);
	/* Every other, with arguments of every length. */
	for (uint32_t op = 1; op < 54; op++) {
		/* The end of the session, and what has no answer. */
		if (op == FUSE_DESTROY || op == FUSE_INIT || op == FUSE_FORGET || op == FUSE_BATCH_FORGET ||
		    op == FUSE_INTERRUPT)
			continue;
		for (size_t len = 0; len <= sizeof(bytes); len += len < 64 ? 1 : 9)
			ck_assert_int_le(fs_call(f, op, 77, bytes, len, NULL, NULL, 128), 0);
	}
	alive(f);
	/* Not on that queue. */
	fs_tell(f, FUSE_LOOKUP, ROOT, "x", 2);
	fs_tell(f, FUSE_WRITE, ROOT, bytes, 40);
	fs_tell(f, FUSE_BATCH_FORGET, ROOT, bytes, 7);
	fs_tell(f, 99, ROOT, bytes, 7);
	alive(f);
}

static const char *const locks_args[] = {
	"--shared-dir=%T/share", "--flock", "--posix-lock", "--xattr", "--posix-acl=auto", "--cache=never", NULL};

/* Random bytes behind good headers. */
static void random_requests(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fs_message *m = malloc(sizeof(*m));
	uint64_t seed = 0x5eed;
	uint8_t bytes[160];

	for (unsigned int i = 0; i < (test_on_valgrind() ? 2000u : 20000u); i++) {
		uint32_t op;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		op = (uint32_t)(seed >> 33) % 54;
		if (op == FUSE_INIT || op == FUSE_DESTROY || op == FUSE_FORGET || op == FUSE_BATCH_FORGET ||
		    op == FUSE_INTERRUPT || op == FUSE_SYNCFS)
			continue;
		for (size_t k = 0; k < sizeof(bytes); k++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			bytes[k] = (uint8_t)((seed >> 60) < 9 ? 0 : (seed >> 60) < 14 ? (seed >> 40) & 3 : seed >> 40);
		}
		fs_begin(f, m, op, seed >> 62 ? ROOT : seed >> 32);
		fs_add(m, bytes, (size_t)((seed >> 20) % (sizeof(bytes) - 1)));
		ck_assert_int_le(fs_send(f, m, (size_t)((seed >> 10) % 300)), 0);
	}
	free(m);
	f = fs_mount(c);
	alive(f);
	ck_assert_int_eq(access(carrier_path(c, "outside"), F_OK), 0);
}

/* ---- names */

static void names(struct carrier *c)
{
	static const char *const bad[] = {"", ".", "..", "/", "a/b", "../outside", "/etc", "d/in", "d/"};
	struct fs_client *f = fs_mount(c);
	const struct fuse_mkdir_in mkdir_in = {.mode = 0700};
	const struct fuse_mknod_in mknod_in = {.mode = S_IFREG | 0600};
	struct fuse_link_in link = {.oldnodeid = fs_walk(f, ROOT, "hello")};
	const struct fuse_rename_in to = {.newdir = ROOT};
	struct fs_message *m = malloc(sizeof(*m));
	struct fuse_entry_out e;
	char longest[300];
	uint64_t node, fh;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(fs_look(f, ROOT, bad[i], &e), -EINVAL);
		ck_assert_int_eq(fs_call(f, FUSE_MKDIR, ROOT, &mkdir_in, sizeof(mkdir_in), bad[i], NULL, 128), -EINVAL);
		ck_assert_int_eq(fs_call(f, FUSE_MKNOD, ROOT, &mknod_in, sizeof(mknod_in), bad[i], NULL, 128), -EINVAL);
		ck_assert_int_eq(fs_call(f, FUSE_SYMLINK, ROOT, NULL, 0, bad[i], "x", 128), -EINVAL);
		ck_assert_int_eq(fs_call(f, FUSE_LINK, ROOT, &link, sizeof(link), bad[i], NULL, 128), -EINVAL);
		ck_assert_int_eq(fs_call(f, FUSE_UNLINK, ROOT, NULL, 0, bad[i], NULL, 0), -EINVAL);
		ck_assert_int_eq(fs_call(f, FUSE_RMDIR, ROOT, NULL, 0, bad[i], NULL, 0), -EINVAL);
		ck_assert_int_eq(fs_call(f, FUSE_RENAME, ROOT, &to, sizeof(to), bad[i], "x", 0), -EINVAL);
		ck_assert_int_eq(fs_call(f, FUSE_RENAME, ROOT, &to, sizeof(to), "hello", bad[i], 0), -EINVAL);
		ck_assert_int_eq(fs_make_file(f, ROOT, bad[i], O_RDWR, 0600, &node, &fh), -EINVAL);
	}
	memset(longest, 'n', sizeof(longest));
	longest[256] = '\0';
	ck_assert_int_eq(fs_look(f, ROOT, longest, &e), -ENAMETOOLONG);
	longest[255] = '\0';
	ck_assert_int_eq(fs_make_file(f, ROOT, longest, O_RDWR, 0600, &node, &fh), 0);
	ck_assert_int_eq(fs_look(f, ROOT, longest, &e), 0);
	ck_assert_uint_eq(e.nodeid, node);
	/* Without an end; with something behind it. */
	fs_begin(f, m, FUSE_LOOKUP, ROOT);
	fs_add(m, "hello", 5);
	ck_assert_int_eq(fs_send(f, m, sizeof(e)), -EINVAL);
	fs_begin(f, m, FUSE_LOOKUP, ROOT);
	fs_add(m, "hello\0more", 10);
	ck_assert_int_eq(fs_send(f, m, sizeof(e)), -EINVAL);
	/* A link longer than there can be. */
	memset(f->out, 'l', 5000);
	f->out[5000] = '\0';
	fs_begin(f, m, FUSE_SYMLINK, ROOT);
	fs_add_name(m, "link");
	fs_add(m, f->out, 5001);
	ck_assert_int_eq(fs_send(f, m, sizeof(e)), -ENAMETOOLONG);
	free(m);
	ck_assert_int_eq(access(carrier_path(c, "outside"), F_OK), 0);
	fs_host_is(c, "hello", "hello, world\n");
}

/* ---- numbers that were never given */

static void numbers(struct carrier *c)
{
	static const uint64_t bad[] = {0,
				       2,
				       3,
				       99,
				       UINT64_C(1) << 32,
				       UINT64_C(1) << 32 | 1,
				       UINT32_MAX,
				       UINT64_MAX,
				       UINT64_C(1) << 63 | 1,
				       1000000,
				       1000001,
				       1000002};
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, ROOT, "hello"), d = fs_walk(f, ROOT, "d"), dir;
	const struct fuse_forget_in forget = {UINT64_MAX};
	const struct fuse_read_in at = {.size = 512};
	struct fuse_entry_out e;
	struct fuse_open_out o;
	struct fuse_attr a;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(fs_attr_of(f, bad[i], &a), -ESTALE);
		ck_assert_int_eq(fs_look(f, bad[i], "hello", &e), -ESTALE);
		ck_assert_int_eq(fs_open_at(f, bad[i], O_RDONLY, &o), -ESTALE);
		ck_assert_int_eq(fs_opendir_at(f, bad[i], &dir), -ESTALE);
		ck_assert_int_eq(fs_read_at(f, node, bad[i], 0, 10), -EBADF);
		ck_assert_int_eq(fs_write_at(f, node, bad[i], 0, "x", 1, 0), -EBADF);
		ck_assert_int_eq(fs_close_at(f, node, bad[i], false), -EBADF);
		ck_assert_int_eq(fs_close_at(f, node, bad[i], true), -EBADF);
		fs_tell(f, FUSE_FORGET, bad[i], &forget, sizeof(forget));
	}
	/* Of the right number, but of another file, or of another kind. */
	ck_assert_int_eq(fs_open_at(f, node, O_RDWR, &o), 0);
	ck_assert_int_eq(fs_opendir_at(f, d, &dir), 0);
	ck_assert_int_eq(fs_read_at(f, d, o.fh, 0, 10), -EBADF);
	ck_assert_int_eq(fs_read_at(f, node, dir, 0, 10), -EBADF);
	ck_assert_int_eq(fs_call(f, FUSE_READDIR, d, &at, sizeof(at), NULL, NULL, 512), -EBADF);
	ck_assert_int_eq(fs_close_at(f, node, o.fh, true), -EBADF);
	ck_assert_int_eq(fs_close_at(f, d, dir, false), -EBADF);
	/* The next number of the same place. */
	ck_assert_int_eq(fs_read_at(f, node, o.fh + (UINT64_C(1) << 32), 0, 10), -EBADF);
	ck_assert_int_eq(fs_attr_of(f, node + (UINT64_C(1) << 32), &a), -ESTALE);
	ck_assert_int_eq(fs_read_at(f, node, o.fh, 0, 5), 5);
}

/* ---- files that are not opened */

static void nodes(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	const struct fuse_mknod_in in = {.mode = S_IFIFO | 0666}, odd = {.mode = 0x80000000u | S_IFREG};
	uint64_t node, dir;
	struct fuse_entry_out e;
	struct fuse_open_out o;

	ck_assert_int_eq(fs_call(f, FUSE_MKNOD, ROOT, &in, sizeof(in), "fifo", NULL, sizeof(e)), 0);
	memcpy(&e, f->out, sizeof(e));
	/* Nobody waits for another end. */
	ck_assert_int_eq(fs_open_at(f, e.nodeid, O_RDONLY, &o), -ENXIO);
	ck_assert_int_eq(fs_open_at(f, e.nodeid, O_WRONLY, &o), -ENXIO);
	ck_assert_int_eq(fs_make_file(f, ROOT, "fifo", O_RDONLY, 0600, &node, &dir), -ENXIO);
	ck_assert_int_eq(fs_opendir_at(f, e.nodeid, &dir), -ENOTDIR);
	/* A link is not followed. */
	node = fs_walk(f, fs_walk(f, ROOT, "d"), "link");
	ck_assert_int_eq(fs_open_at(f, node, O_RDONLY, &o), -ENXIO);
	ck_assert_int_eq(fs_opendir_at(f, node, &dir), -ENOTDIR);
	ck_assert_int_eq(fs_look(f, node, "x", &e), -ENOTDIR);
	ck_assert_int_eq(fs_call(f, FUSE_MKNOD, ROOT, &odd, sizeof(odd), "odd", NULL, sizeof(e)), -EINVAL);
	if (getuid() == 0) {
		const struct fuse_mknod_in dev = {.mode = S_IFCHR | 0666, .rdev = 1 << 8 | 3};

		if (fs_call(f, FUSE_MKNOD, ROOT, &dev, sizeof(dev), "null", NULL, sizeof(e)) == 0) {
			memcpy(&e, f->out, sizeof(e));
			ck_assert_int_eq(fs_open_at(f, e.nodeid, O_RDWR, &o), -ENXIO);
		}
	}
	/* A link in the place of a name that is to be made leads nowhere. */
	ck_assert_int_eq(symlink("../outside", fs_share(c, "trap")), 0);
	ck_assert_int_eq(fs_make_file(f, ROOT, "trap", O_RDWR | O_TRUNC, 0600, &node, &dir), -ELOOP);
	ck_assert_int_eq(fs_make_file(f, ROOT, "trap", O_RDWR | O_EXCL, 0600, &node, &dir), -EEXIST);
	alive(f);
}

/* ---- extensions */

static const char *const label_args[] = {"--shared-dir=%T/share", "--security-label=auto", NULL};

static void extensions(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct fs_message *m = malloc(sizeof(*m));
	const struct fuse_mkdir_in in = {.mode = 0700};
	const uint32_t sizes[] = {0, 7, 8, 9, 16, 24, 25, 4096, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (uint32_t type = 0; type < 34; type += type < 2 ? 1 : 10) {
			const uint32_t ext[6] = {sizes[i], type, sizes[i], 0, 0x78, 0};
			struct fuse_in_header *h = (void *)m->bytes;

			fs_begin(f, m, FUSE_MKDIR, ROOT);
			h->total_extlen = 3;
			fs_add(m, &in, sizeof(in));
			fs_add_name(m, "name");
			fs_add(m, ext, sizeof(ext));
			ck_assert_int_le(fs_send(f, m, sizeof(struct fuse_entry_out)), 0);
			fs_call(f, FUSE_RMDIR, ROOT, NULL, 0, "name", NULL, 0);
			/* More of them than there are bytes. */
			fs_begin(f, m, FUSE_MKDIR, ROOT);
			h->total_extlen = UINT16_MAX;
			fs_add(m, &in, sizeof(in));
			fs_add_name(m, "name");
			fs_add(m, ext, sizeof(ext));
			ck_assert_int_eq(fs_send(f, m, sizeof(struct fuse_entry_out)), -EINVAL);
		}
	}
	free(m);
	alive(f);
}

/* ---- who swaps a folder for a link while the guest looks into it */

struct swapper {
	char folder[200], link[200], other[200];
	atomic_bool stop;
	unsigned long rounds;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop)) {
		/* The folder goes away, a link comes in its place, and back. */
		if (rename(s->folder, s->other) == 0 && rename(s->link, s->folder) == 0) {
			rename(s->folder, s->link);
			rename(s->other, s->folder);
		}
		s->rounds++;
	}
	return NULL;
}

/* Nothing outside is ever seen: its number is known. */
static void race(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct swapper s = {.rounds = 0};
	struct stat outside, secret;
	unsigned int seen = 0;
	pthread_t thread;

	/* Which lets one thread run at a time: there is no race, and it takes minutes. */
	if (test_on_valgrind())
		return;

	ck_assert_int_eq(mkdir(carrier_path(c, "beyond"), 0755), 0);
	carrier_write_file(c, "beyond/secret", "secret", 6, false);
	ck_assert_int_eq(stat(carrier_path(c, "beyond"), &outside), 0);
	ck_assert_int_eq(stat(carrier_path(c, "beyond/secret"), &secret), 0);
	ck_assert_int_eq(mkdir(fs_share(c, "swap"), 0755), 0);
	fs_host_write(c, "swap/secret", "public");
	ck_assert_int_eq(symlink("../beyond", fs_share(c, "lure")), 0);
	snprintf(s.folder, sizeof(s.folder), "%s", fs_share(c, "swap"));
	snprintf(s.link, sizeof(s.link), "%s", fs_share(c, "lure"));
	snprintf(s.other, sizeof(s.other), "%s", fs_share(c, "other"));
	ck_assert_int_eq(pthread_create(&thread, NULL, swap, &s), 0);
	for (unsigned int i = 0; i < 3000; i++) {
		struct fuse_entry_out e, in;
		struct fuse_open_out o;

		if (fs_look(f, ROOT, "swap", &e) < 0)
			continue;
		ck_assert_uint_ne(e.attr.ino, outside.st_ino);
		if (fs_look(f, e.nodeid, "secret", &in) == 0) {
			ck_assert_uint_ne(in.attr.ino, secret.st_ino);
			seen++;
			if (fs_open_at(f, in.nodeid, O_RDONLY, &o) == 0) {
				ck_assert_int_eq(fs_read_at(f, in.nodeid, o.fh, 0, 10), 6);
				ck_assert_mem_eq(f->out, "public", 6);
				fs_close_at(f, in.nodeid, o.fh, false);
			}
			fs_forget_node(f, in.nodeid, 1);
		}
		fs_forget_node(f, e.nodeid, 1);
	}
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	ck_assert_uint_gt(seen, 0);
	ck_assert_uint_gt(s.rounds, 0);
	alive(f);
}

static const char *const by_name_args[] = {"--shared-dir=%T/share", "--inode-file-handles=never", "--fd-cache=64",
					   NULL};

/* A file that the host moves out of the folder is out of the guest's reach. */
static void moved_out(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = fs_walk(f, fs_walk(f, ROOT, "d"), "in");
	char name[32];
	struct fuse_attr a;

	ck_assert_int_eq(rename(fs_share(c, "d/in"), carrier_path(c, "out")), 0);
	/* Its descriptor is kept no longer. */
	for (unsigned int i = 0; i < 100; i++) {
		struct fuse_entry_out e;

		snprintf(name, sizeof(name), "f%u", i);
		fs_host_write(c, name, "");
		ck_assert_int_eq(fs_look(f, ROOT, name, &e), 0);
		ck_assert_int_eq(fs_attr_of(f, e.nodeid, &a), 0);
	}
	ck_assert_int_eq(fs_attr_of(f, node, &a), -ESTALE);
}

/* ---- a deep tree, whose folders are found one by the other */

static void depth(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	uint64_t node = ROOT, first = 0;
	unsigned int n = 0;
	struct fuse_attr a;
	int err = 0;

	for (; n < 400; n++) {
		uint64_t below;

		err = fs_make_dir(f, node, "x", 0755, &below);
		if (err)
			break;
		node = below;
		first = first ? first : below;
	}
	ck_assert_uint_eq(n, 400);
	/* Found again or given up, in bounded time. */
	err = fs_attr_of(f, first, &a);
	ck_assert_int_eq(err, 0);
	err = fs_attr_of(f, node, &a);
	ck_assert(err == 0 || err == -ELOOP);
	alive(f);
}

/* The ring stops while requests wait: none is lost, none is answered twice. */
static void stop_in_between(struct carrier *c)
{
	struct fs_client *f = fs_mount(c);
	struct {
		struct fuse_in_header h;
		struct fuse_fsync_in in;
	} m = {.h = {.len = sizeof(m), .opcode = FUSE_FSYNC}};
	uint64_t node, fh;

	ck_assert_int_eq(fs_make_file(f, ROOT, "f", O_RDWR, 0600, &node, &fh), 0);
	m.h.nodeid = node;
	m.in.fh = fh;
	for (unsigned int round = 0; round < 20; round++) {
		struct frontend_request *reqs[4];

		for (unsigned int i = 0; i < ARRAY_SIZE(reqs); i++)
			reqs[i] = carrier_submit(c, REQUESTS, &m, sizeof(m), sizeof(struct fuse_out_header));
		carrier_start(c, REQUESTS, carrier_stop(c, REQUESTS));
		for (unsigned int i = 0; i < ARRAY_SIZE(reqs); i++) {
			struct fuse_out_header out;

			ck_assert_uint_eq(carrier_await(c, REQUESTS, reqs[i], &out), sizeof(out));
			ck_assert_int_eq(out.error, 0);
		}
	}
	alive(f);
}

static const char *const args[] = {"--shared-dir=%T/share", NULL};

static const struct device_case cases[] = {
	{.name = "lengths", .run = lengths, .flags = CASE_ONCE},
	{.name = "operations", .run = operations, .flags = CASE_ONCE},
	{.name = "random requests", .run = random_requests, .args = locks_args, .flags = CASE_ONCE | CASE_NOT_BINARY},
	{.name = "names", .run = names, .flags = CASE_ONCE},
	{.name = "numbers", .run = numbers, .flags = CASE_ONCE},
	{.name = "nodes", .run = nodes, .flags = CASE_ONCE},
	{.name = "extensions", .run = extensions, .flags = CASE_ONCE},
	{.name = "extensions with labels", .run = extensions, .args = label_args, .flags = CASE_ONCE},
	{.name = "race", .run = race, .flags = CASE_ONCE},
	{.name = "race, by name", .run = race, .args = by_name_args, .flags = CASE_ONCE},
	{.name = "moved out", .run = moved_out, .args = by_name_args, .flags = CASE_ONCE},
	{.name = "depth", .run = depth, .args = by_name_args, .flags = CASE_ONCE},
	{.name = "stop in between", .run = stop_in_between, .flags = CASE_ONCE, .depth = 4},
};

static const struct device_suite hostile = {
	.device = "fs",
	.args = args,
	.prepare = fs_prepare,
	DEVICE_CASES(cases),
	.further = true,
};

Suite *suite_fs_hostile(void)
{
	Suite *s = suite_create("fs_hostile");

	suite_add_device(s, &hostile);
	return s;
}
