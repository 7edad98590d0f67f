/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_module.c - who may have written a module, what is none, and which there are.  That a real one
 * serves, and that one with another contract is refused, is shown with built modules by check-build.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "config.h"
#include "core/module.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"

Suite *suite_module(void);

static char dir[64];

static void dir_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", dir, name);
}

static void make_file(const char *name, mode_t mode)
{
	char path[128];
	int fd;

	dir_path(path, sizeof(path), name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/vdevd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	static const char *const names[] = {"a.so", "b.so", "sub.so/c.so", "sub.so", "README", "Bad.so", ".so"};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		dir_path(path, sizeof(path), names[i]);
		remove(path);
	}
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(built_in)
{
	const struct vdev_class *class = NULL;

	ck_assert_ptr_nonnull(vdev_classes[0]);
	ck_assert_int_eq(class_find(dir, vdev_classes[0]->name, &class), 0);
	ck_assert_ptr_eq(class, vdev_classes[0]);
	ck_assert_int_eq(class_find(dir, "no-such-device", &class), -ENOENT);
	ck_assert_int_eq(class_find(dir, "", &class), -ENOENT);
}
END_TEST

#if VDEVD_HAVE_MODULES

/* Tries to load a module and gives what was said about it. */
static const char *load(const char *name, int wanted)
{
	static struct capture c;
	const struct vdev_class *class = NULL;

	capture_start(&c);
	ck_assert_int_eq(module_load(dir, name, &class), wanted);
	ck_assert_ptr_null(class);
	return capture_end(&c);
}

START_TEST(absent)
{
	make_file("a.so", 0644);
	ck_assert_str_eq(load("b", -ENOENT), "");
	/* A name is no way out of the folder. */
	ck_assert_str_eq(load("../x/a", -ENOENT), "");
	ck_assert_str_eq(load("", -ENOENT), "");
	ck_assert_str_eq(load("a.so", -ENOENT), "");
}
END_TEST

START_TEST(writable_file)
{
	const char *said;

	make_file("a.so", 0664);
	said = load("a", -EPERM);
	ck_assert_ptr_nonnull(strstr(said, "/a.so: owner "));
	ck_assert_ptr_nonnull(strstr(said, "mode 0664: it must belong to root or to user "));
	make_file("b.so", 0646);
	ck_assert_ptr_nonnull(strstr(load("b", -EPERM), "mode 0646: "));
}
END_TEST

START_TEST(writable_folder)
{
	char wanted[128];

	make_file("a.so", 0644);
	ck_assert_int_eq(chmod(dir, 0775), 0);
	snprintf(wanted, sizeof(wanted), "vdevd: error: module %s: owner ", dir);
	ck_assert(strncmp(load("a", -EPERM), wanted, strlen(wanted)) == 0);
	ck_assert_int_eq(chmod(dir, 0777 | S_ISVTX), 0);
	ck_assert_ptr_nonnull(strstr(load("a", -EPERM), "mode 1777: "));
}
END_TEST

START_TEST(others_file)
{
	char path[128];

	if (geteuid() != 0)
		test_skip("needs the right to give a file away");
	make_file("a.so", 0644);
	dir_path(path, sizeof(path), "a.so");
	ck_assert_int_eq(chown(path, 12345, 0), 0);
	ck_assert_ptr_nonnull(strstr(load("a", -EPERM), "owner 12345, mode 0644: it must belong to root"));
}
END_TEST

START_TEST(not_a_file)
{
	char path[128];

	dir_path(path, sizeof(path), "sub.so");
	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_ptr_nonnull(strstr(load("sub", -EPERM), "/sub.so: not a regular file\n"));
	/* What a link leads to may lie where others write. */
	make_file("a.so", 0644);
	dir_path(path, sizeof(path), "b.so");
	ck_assert_int_eq(symlink("a.so", path), 0);
	ck_assert_ptr_nonnull(strstr(load("b", -EPERM), "/b.so: not a regular file\n"));
}
END_TEST

START_TEST(not_a_module)
{
	make_file("a.so", 0644);
	ck_assert_ptr_nonnull(strstr(load("a", -ENOEXEC), "vdevd: error: module "));
}
END_TEST

struct seen {
	char names[64];
	int stop; /* what the first call returns */
};

static int see(void *arg, const char *name)
{
	struct seen *s = arg;

	snprintf(s->names + strlen(s->names), sizeof(s->names) - strlen(s->names), "%s ", name);
	return s->stop;
}

START_TEST(listing)
{
	struct seen s = {.names = ""}, first = {.stop = 7};

	make_file("b.so", 0644);
	make_file("a.so", 0600);
	make_file("README", 0644);
	make_file("Bad.so", 0644);
	make_file(".so", 0644);
	ck_assert_int_eq(module_each(dir, see, &s), 0);
	ck_assert_str_eq(s.names, "a b ");
	ck_assert_int_eq(module_each(dir, see, &first), 7);
	ck_assert_str_eq(first.names, "a ");
	ck_assert_int_eq(module_each("/nonexistent", see, &s), 0);
	ck_assert_int_eq(module_each("/dev/null", see, &s), -ENOTDIR);
}
END_TEST

#else

static int never(void *arg, const char *name)
{
	ck_abort_msg("module %s", name);
	return -1;
}

START_TEST(without_modules)
{
	const struct vdev_class *class = NULL;

	make_file("a.so", 0644);
	ck_assert_int_eq(module_load(dir, "a", &class), -ENOENT);
	ck_assert_int_eq(module_each(dir, never, NULL), 0);
}
END_TEST

#endif

Suite *suite_module(void)
{
	Suite *s = suite_create("module");
	TCase *tc = tcase_create("module");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, built_in);
#if VDEVD_HAVE_MODULES
	tcase_add_test(tc, absent);
	tcase_add_test(tc, writable_file);
	tcase_add_test(tc, writable_folder);
	tcase_add_test(tc, others_file);
	tcase_add_test(tc, not_a_file);
	tcase_add_test(tc, not_a_module);
	tcase_add_test(tc, listing);
#else
	tcase_add_test(tc, without_modules);
#endif
	suite_add_tcase(s, tc);
	return s;
}
