/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox_root.c - a root folder that has nothing but the paths that are needed: pivot_root(2); see sandbox.h.
 *
 * Landlock guards what is opened.  Here what is not needed is not there: for no system call, and on kernels without
 * Landlock, too.
 *
 * The new root is an empty file system in memory.  Each path stands in it under its own name, as a bind mount, and once
 * more under the name that its symbolic links lead to.  A folder that somebody removes and makes anew would not be the
 * one that is mounted.  So where sockets are connected to, whose folders come and go with who listens, the first folder
 * of the path is there with all beneath it: /run of /run/daemon/socket.
 *
 * The present folder is where it was, or an empty one in its place, so that relative paths lead where they did.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sandbox_impl.h"

/* Paths of a process, each with two names. */
#define BINDS_MAX 64

struct new_root {
	const char *at; /* where it is made: a folder that is not needed */
	char cwd[PATH_MAX];
	char *binds[BINDS_MAX]; /* absolute */
	unsigned int n;
};

/* Whether path is this folder, or in it. */
static bool is_in(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* Takes the string, NULL where memory was short. */
static int binds_add(struct new_root *root, char *path, struct sandbox_reason *r)
{
	if (!path)
		return sandbox_because(r, -ENOMEM, "out of memory");
	if (path[1] == '\0') {
		free(path);
		return sandbox_because(r, -EXDEV, "what is needed is in / itself");
	}
	for (unsigned int i = 0; i < root->n; i++) {
		if (!is_in(path, root->binds[i]))
			continue;
		free(path);
		return 0;
	}
	if (root->n == BINDS_MAX) {
		free(path);
		return sandbox_because(r, -E2BIG, "more than %d paths are needed", BINDS_MAX);
	}
	root->binds[root->n++] = path;
	return 0;
}

/* Adds one name of a path that is needed. */
static int name_add(struct new_root *root, const char *path, unsigned int access, struct sandbox_reason *r)
{
	size_t len = strlen(path);

	if (access & SANDBOX_CONNECT)
		len = 1 + strcspn(path + 1, "/");
	while (len > 1 && path[len - 1] == '/')
		len--;
	return binds_add(root, strndup(path, len), r);
}

/* Whether a part of it is . or .. */
static bool has_dots(const char *path)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		size_t len = strcspn(p + 1, "/");

		if ((len == 1 && p[1] == '.') || (len == 2 && p[1] == '.' && p[2] == '.'))
			return true;
	}
	return false;
}

/* Adds both names.  What is not there now is not there later, unless it is connected to. */
static int need_add(struct new_root *root, const struct sandbox_path_need *need, struct sandbox_reason *r)
{
	char *name = NULL, real[PATH_MAX];
	int err = 0;

	if (!realpath(need->path, real) && !(need->access & SANDBOX_CONNECT))
		return 0;
	if (*need->path == '/')
		name = strdup(need->path);
	else if (asprintf(&name, "%s/%s", root->cwd, need->path) < 0)
		name = NULL;
	if (!name)
		return sandbox_because(r, -ENOMEM, "out of memory");
	/* From the present folder these lead where the real name does. */
	if (!has_dots(name))
		err = name_add(root, name, need->access, r);
	else if (*need->path == '/')
		err = sandbox_because(r, -EINVAL, "%s: a path without . and .. is wanted", need->path);
	free(name);
	if (!err && realpath(need->path, real))
		err = name_add(root, real, need->access, r);
	return err;
}

static int shorter_first(const void *a, const void *b)
{
	size_t x = strlen(*(char *const *)a), y = strlen(*(char *const *)b);

	return (x > y) - (x < y);
}

/* Lists what is to be there, without what is beneath something else. */
static int binds_collect(struct new_root *root, const struct sandbox *s, struct sandbox_reason *r)
{
	unsigned int all;

	for (size_t i = 0; i < s->npaths; i++) {
		int err = need_add(root, &s->paths[i], r);

		if (err)
			return err;
	}
	qsort(root->binds, root->n, sizeof(root->binds[0]), shorter_first);
	all = root->n;
	root->n = 0;
	for (unsigned int i = 0; i < all; i++)
		binds_add(root, root->binds[i], r);
	return 0;
}

/* A folder of every system that is neither needed nor has in it what is. */
static const char *find_place(const struct new_root *root)
{
	static const char *const places[] = {"/mnt", "/srv", "/opt", "/sys", "/proc", "/boot", "/home", "/usr", "/tmp"};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		bool used = false;
		struct stat st;

		for (unsigned int k = 0; k < root->n; k++)
			used |= is_in(root->binds[k], places[i]);
		if (!used && lstat(places[i], &st) == 0 && S_ISDIR(st.st_mode))
			return places[i];
	}
	return NULL;
}

/* Makes the folders that lead to the path in the new root, and the path itself: a folder, or an empty file. */
static int make_path(const struct new_root *root, const char *path, bool folder, struct sandbox_reason *r)
{
	char full[PATH_MAX + 16];
	char *p;
	int fd;

	snprintf(full, sizeof(full), "%s%s", root->at, path);
	for (p = full + strlen(root->at) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(full, 0755) < 0 && errno != EEXIST)
			return sandbox_because(r, -errno, "%s: %s", path, strerror(errno));
		*p = '/';
	}
	if (folder) {
		if (mkdir(full, 0755) < 0 && errno != EEXIST)
			return sandbox_because(r, -errno, "%s: %s", path, strerror(errno));
		return 0;
	}
	fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	if (fd < 0)
		return sandbox_because(r, -errno, "%s: %s", path, strerror(errno));
	close(fd);
	return 0;
}

static int bind_path(const struct new_root *root, const char *path, struct sandbox_reason *r)
{
	char full[PATH_MAX + 16];
	struct stat st;
	int err;

	if (stat(path, &st) < 0)
		return 0; /* a folder of sockets that is not there yet */
	err = make_path(root, path, S_ISDIR(st.st_mode), r);
	if (err)
		return err;
	snprintf(full, sizeof(full), "%s%s", root->at, path);
	if (mount(path, full, NULL, MS_BIND | MS_REC, NULL) < 0)
		return sandbox_because(r, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

/* Fills the new root, which then is read-only. */
static int fill(const struct new_root *root, struct sandbox_reason *r)
{
	bool there = false;
	int err = 0;

	for (unsigned int i = 0; !err && i < root->n; i++) {
		err = bind_path(root, root->binds[i], r);
		there |= is_in(root->cwd, root->binds[i]);
	}
	if (!err && !there && root->cwd[1])
		err = make_path(root, root->cwd, true, r);
	if (!err && mount(NULL, root->at, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		err = sandbox_because(r, -errno, "read-only: %s", strerror(errno));
	return err;
}

/* Makes it the process's root; the old one is nowhere any more. */
static int enter(const struct new_root *root, struct sandbox_reason *r)
{
	if (chdir(root->at) < 0 || syscall(__NR_pivot_root, ".", ".") < 0) {
		int err = errno;

		if (chdir(root->cwd) < 0)
			err = errno;
		return sandbox_because(r, -err, "pivot_root: %s%s", strerror(err),
				       err == EINVAL ? " (an initramfs cannot be left)" : "");
	}
	/* The old root lies on the new one. */
	if (umount2(".", MNT_DETACH) < 0 || chdir(root->cwd) < 0)
		return sandbox_because(r, -errno, "the old root: %s", strerror(errno));
	return 0;
}

static int build(const struct new_root *root, struct sandbox_reason *r)
{
	mode_t mask = umask(022);
	int err;

	if (mount("none", root->at, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=1m") < 0) {
		err = sandbox_because(r, -errno, "an empty root at %s: %s", root->at, strerror(errno));
	} else {
		err = fill(root, r);
		if (!err)
			err = enter(root, r);
		if (err)
			umount2(root->at, MNT_DETACH);
	}
	umask(mask);
	return err;
}

int sandbox_root(const struct sandbox *s, struct sandbox_reason *r)
{
	struct new_root *root = calloc(1, sizeof(*root));
	int err = 0;

	if (!root)
		return sandbox_because(r, -ENOMEM, "out of memory");
	if (!getcwd(root->cwd, sizeof(root->cwd)) || *root->cwd != '/')
		err = sandbox_because(r, -ENOENT, "the present folder has no name");
	if (!err)
		err = binds_collect(root, s, r);
	if (!err) {
		root->at = find_place(root);
		err = root->at ? build(root, r) : sandbox_because(r, -ENOENT, "there is no place to make an empty root at");
	}
	for (unsigned int i = 0; i < root->n; i++)
		free(root->binds[i]);
	free(root);
	return err;
}
