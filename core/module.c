/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * module.c - devices that are not built in: NAME.so in one folder, loaded with dlopen(3).
 */
#include "core/module.h"

#include "config.h"

#include <errno.h>
#include <string.h>

#if VDEVD_HAVE_MODULES

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether name could be a device's: nothing that leads out of the folder. */
static bool name_valid(const char *name)
{
	return name[0] != '\0' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

/* Whether nobody but root and this user may write what is at path; else says what would be right. */
static int check_owner(const char *path, bool dir)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	if (dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode)) {
		log_error(NULL, "module %s: not a %s", path, dir ? "directory" : "regular file");
		return -EPERM;
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH))) {
		log_error(NULL,
			  "module %s: owner %u, mode %04o: it must belong to root or to user %u, "
			  "and neither group nor others may write it",
			  path, (unsigned int)st.st_uid, (unsigned int)(st.st_mode & 07777), (unsigned int)geteuid());
		return -EPERM;
	}
	return 0;
}

/* What a loaded file says of itself, if its contract is ours. */
static int check_contract(void *handle, const char *path, const char *name, const struct vdev_class **class)
{
	const struct vdev_module *m = dlsym(handle, "vdev_module");

	if (!m) {
		log_error(NULL, "module %s: no vdev_module in it: it is no module of vdevd", path);
		return -ENOEXEC;
	}
	if (m->contract != VDEV_CONTRACT) {
		log_error(NULL,
			  "module %s: built for contract %u, this vdevd has %u: build it with this vdevd's headers",
			  path, m->contract, VDEV_CONTRACT);
		return -ENOEXEC;
	}
	if (!m->class || strcmp(m->class->name, name) != 0) {
		log_error(NULL, "module %s: its device is %s: the file must be named after it", path,
			  m->class ? m->class->name : "missing");
		return -ENOEXEC;
	}
	*class = m->class;
	return 0;
}

int module_load(const char *dir, const char *name, const struct vdev_class **class)
{
	char path[PATH_MAX];
	void *handle;
	int ret, n;

	n = snprintf(path, sizeof(path), "%s/%s.so", dir, name);
	if (!*dir || !name_valid(name) || n < 0 || (size_t)n >= sizeof(path) || access(path, F_OK) < 0)
		return -ENOENT;
	/* The folder first: while only its owner can write it, the file cannot be changed under us. */
	ret = check_owner(dir, true);
	if (ret == 0)
		ret = check_owner(path, false);
	if (ret < 0)
		return ret;
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		log_error(NULL, "module %s: %s", path, dlerror());
		return -ENOEXEC;
	}
	ret = check_contract(handle, path, name, class);
	if (ret < 0)
		dlclose(handle);
	return ret;
}

/* Cuts ".so" off a file name.  Returns false when it is no module's. */
static bool module_name(char *file)
{
	size_t len = strlen(file);

	if (len < 4 || strcmp(file + len - 3, ".so") != 0)
		return false;
	file[len - 3] = '\0';
	return name_valid(file);
}

int module_each(const char *dir, int (*fn)(void *arg, const char *name), void *arg)
{
	struct dirent **files;
	int n = scandir(dir, &files, NULL, alphasort), ret = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (ret == 0 && module_name(files[i]->d_name))
			ret = fn(arg, files[i]->d_name);
		free(files[i]);
	}
	free(files);
	return ret;
}

#else

int module_load(const char *dir, const char *name, const struct vdev_class **class)
{
	return -ENOENT;
}

int module_each(const char *dir, int (*fn)(void *arg, const char *name), void *arg)
{
	return 0;
}

#endif

static bool is_called(const struct vdev_class *class, const char *name)
{
	return strcmp(class->name, name) == 0 || (class->also && strcmp(class->also, name) == 0);
}

struct search {
	const char *dir, *name;
	const struct vdev_class **class;
};

/* One that cannot be loaded does not hide the others. */
static int module_try(void *arg, const char *file)
{
	const struct search *s = arg;
	const struct vdev_class *class;

	if (module_load(s->dir, file, &class) < 0 || !is_called(class, s->name))
		return 0;
	*s->class = class;
	return 1;
}

int class_find(const char *dir, const char *name, const struct vdev_class **class)
{
	struct search s = {dir, name, class};
	int err;

	for (const struct vdev_class *const *c = vdev_classes; *c; c++) {
		if (is_called(*c, name)) {
			*class = *c;
			return 0;
		}
	}
	err = module_load(dir, name, class);
	/* A module is found by its file; its other name is inside. */
	if (err == -ENOENT && *dir && module_each(dir, module_try, &s) > 0)
		err = 0;
	return err;
}
