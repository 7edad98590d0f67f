/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_chardev.c - finding GPIO chips in /dev, and seeing them come back: inotify(7); see gpio_chardev.h.
 */
#include "devices/gpio/gpio_chardev.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define DEV_DIR	 "/dev"
#define DEV_NAME "gpiochip"

/* A chip comes: its node is made, then perhaps given an owner, or a link to it. */
#define DEV_EVENTS (IN_CREATE | IN_ATTRIB | IN_MOVED_TO)

static const struct sandbox_call chardev_calls[] = {
	{.name = "inotify_init1", .why = "chips that come back"},
	{.name = "inotify_add_watch", .why = "chips that come back"},
	{.name = "open", .why = "chips that come back"},
	{.name = "getdents64", .why = "which chips there are"},
	{.name = "fstat", .why = "whether a node is a chip's"},
	{.name = "lstat", .why = "whether a node is a chip's"},
	{.name = "stat", .why = "whether a node is a chip's"},
	{.name = "readlink", .why = "whether a node is a chip's"},
	{.name = "access", .why = "whether a node is a chip's"},
	{0},
};

void chardev_needs(const char *const *chips, unsigned int n, struct sandbox *s)
{
	sandbox_calls(s, chardev_calls);
	/* A node that comes back is another file: only its folder is known before. */
	sandbox_path(s, DEV_DIR, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DEVICE, "chips that come back");
	sandbox_path(s, "/sys/bus/gpio", SANDBOX_READ, "whether a node is a chip's");
	/* libgpiod 2 looks there: a link by the number of the node. */
	sandbox_path(s, "/sys/dev/char", SANDBOX_READ, "whether a node is a chip's");
	sandbox_path(s, "/sys/devices", SANDBOX_READ, "whether a node is a chip's");
	for (unsigned int i = 0; i < n; i++) {
		if (strchr(chips[i], '/'))
			sandbox_folder(s, chips[i], SANDBOX_READ, "chips that come back");
		if (strchr(chips[i], '/'))
			sandbox_path(s, chips[i], SANDBOX_DEVICE, "its group is kept with --user");
	}
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int is_chip(const struct dirent *e)
{
	return strncmp(e->d_name, DEV_NAME, strlen(DEV_NAME)) == 0 && is_number(e->d_name + strlen(DEV_NAME));
}

/* Tries each chip there is, by number. */
static int try_all(const char *label, int (*try)(void *arg, const char *path, const char *label), void *arg)
{
	struct dirent **chips;
	char path[PATH_MAX];
	int n = scandir(DEV_DIR, &chips, is_chip, versionsort), err = -ENODEV;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		int ret = 0;

		if (err) {
			snprintf(path, sizeof(path), "%s/%s", DEV_DIR, chips[i]->d_name);
			ret = try(arg, path, label);
			/* Of the reasons the last one that says more than "not this one" is told. */
			err = ret == -ENODEV ? err : ret;
		}
		free(chips[i]);
	}
	free(chips);
	return err;
}

int chardev_find(const char *spec, const char *label, int (*try)(void *arg, const char *path, const char *label),
		 void *arg)
{
	size_t prefix = strlen(DEV_NAME);
	char path[PATH_MAX];
	int err;

	if (strchr(spec, '/'))
		snprintf(path, sizeof(path), "%s", spec);
	else if (is_number(spec))
		snprintf(path, sizeof(path), "%s/%s%s", DEV_DIR, DEV_NAME, spec);
	else if (strncmp(spec, DEV_NAME, prefix) == 0 && is_number(spec + prefix))
		snprintf(path, sizeof(path), "%s/%s", DEV_DIR, spec);
	else
		return try_all(label ? label : spec, try, arg);
	err = try(arg, path, label);
	return err == -ENOENT ? -ENODEV : err;
}

/* A list that is being written. */
struct tell {
	char *buf;
	size_t size, len;
	int (*look)(const char *path, char label[static GPIO_NAME_SIZE]);
};

/* Adds a chip to the list.  Returns -ENODEV, so that the search goes on. */
static int tell_chip(void *arg, const char *path, const char *label)
{
	struct tell *t = arg;
	char text[GPIO_NAME_SIZE + 80], its[GPIO_NAME_SIZE] = "";
	int lines = t->look(path, its), n;

	path += strlen(DEV_DIR "/");
	if (lines < 0)
		n = snprintf(text, sizeof(text), "%s %.40s: %s", t->len ? "," : "are", path, strerror(-lines));
	else
		n = snprintf(text, sizeof(text), "%s %.40s [%s] (%d lines)", t->len ? "," : "are", path, its, lines);
	if (n > 0 && (size_t)n < sizeof(text) && t->len + (size_t)n < t->size) {
		memcpy(t->buf + t->len, text, (size_t)n + 1);
		t->len += (size_t)n;
	}
	return -ENODEV;
}

void chardev_tell(char *buf, size_t size, int (*look)(const char *path, char label[static GPIO_NAME_SIZE]))
{
	struct tell t = {.buf = buf, .size = size, .look = look};

	try_all(NULL, tell_chip, &t);
	if (!t.len)
		snprintf(buf, size, "is none");
}

int chardev_watch(const char *spec, int fd)
{
	const char *slash = strrchr(spec, '/');
	char dir[PATH_MAX];

	if (fd < 0) {
		fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (inotify_add_watch(fd, DEV_DIR, DEV_EVENTS) < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
	}
	/* A folder that has gone with its chip is no loss: the watch of /dev serves. */
	if (slash && slash != spec) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - spec), spec);
		inotify_add_watch(fd, dir, DEV_EVENTS);
	}
	return fd;
}

void chardev_drain(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}
