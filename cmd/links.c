/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * links.c - "--install-links DIR [-s]": a name for each device built in, as initramfs images want them.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"

/* Whether both paths lead to the same file. */
static bool same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* Makes one link; one that is already there is right.  Returns 0, or -errno after a line on stderr. */
static int make_link(const char *exe, const char *target, const char *dir, const char *name, bool symbolic)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/vdevd-%s", dir, name), err;

	if (n < 0 || (size_t)n >= sizeof(path)) {
		log_error(NULL, "%s: %s", dir, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	if ((symbolic ? symlink(target, path) : link(exe, path)) == 0)
		return 0;
	err = errno;
	if (err == EEXIST && same_file(path, exe))
		return 0;
	log_error(NULL, "%s: %s%s", path, strerror(err), err == EXDEV ? " (-s makes symbolic links)" : "");
	return -err;
}

/* Looks for the name the program was called by in PATH.  Returns whether it is there. */
static bool find_in_path(const char *name, char exe[static PATH_MAX])
{
	const char *at = getenv("PATH");
	char path[PATH_MAX];

	while (at && *at) {
		int len = (int)strcspn(at, ":"), n = snprintf(path, sizeof(path), "%.*s/%s", len, at, name);

		if (n > 0 && (size_t)n < sizeof(path) && access(path, X_OK) == 0 && realpath(path, exe))
			return true;
		at += len;
		at += *at == ':';
	}
	return false;
}

/* The path of this executable; where there is no /proc, by the name the program was called by.  Returns whether it was found. */
static bool find_self(char exe[static PATH_MAX])
{
	if (realpath("/proc/self/exe", exe))
		return true;
	if (strchr(program_invocation_name, '/'))
		return realpath(program_invocation_name, exe);
	return find_in_path(program_invocation_name, exe);
}

/* Reads "DIR", "DIR -s" or "-s DIR".  Returns whether it is one of these. */
static bool read_args(int argc, char **argv, const char **dir, bool *symbolic)
{
	*dir = NULL;
	*symbolic = false;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-s") == 0)
			*symbolic = true;
		else if (*dir || argv[i][0] == '-')
			return false;
		else
			*dir = argv[i];
	}
	return *dir;
}

int cmd_links(int argc, char **argv)
{
	char exe[PATH_MAX], folder[PATH_MAX], *base;
	const char *dir, *target = exe;
	int status = CMD_OK;
	bool symbolic;

	if (!read_args(argc, argv, &dir, &symbolic)) {
		log_usage(NULL, "--install-links: a directory is wanted, and -s for symbolic links");
		return CMD_USAGE;
	}
	if (!find_self(exe)) {
		log_error(NULL, "this executable cannot be found: not by /proc/self/exe (%s), nor as %s", strerror(errno),
			  program_invocation_name);
		return CMD_FAILED;
	}
	if (!realpath(dir, folder)) {
		log_error(NULL, "%s: %s", dir, strerror(errno));
		return CMD_FAILED;
	}
	/* Beside the executable a link that names no folder stays right when the image is mounted elsewhere. */
	base = strrchr(exe, '/');
	if (strncmp(exe, folder, (size_t)(base - exe)) == 0 && folder[base - exe] == '\0')
		target = base + 1;
	for (const struct vdev_class *const *c = vdev_classes; *c; c++) {
		if (make_link(exe, target, dir, (*c)->name, symbolic) < 0)
			status = CMD_FAILED;
	}
	return status;
}
