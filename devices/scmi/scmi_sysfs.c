/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_sysfs.c - numbers in files of one folder of sysfs; see scmi_sysfs.h.
 */
#include "devices/scmi/scmi_sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"

#define RETRY	 UINT64_C(1000000000) /* ns */
#define TEXT_MAX 4096		      /* bytes: what sysfs gives at most */

int scmi_sysfs_open(struct scmi_sysfs *f, const struct word *path)
{
	struct stat st;

	if (!word_copy(path, f->path, sizeof(f->path)))
		return -ENAMETOOLONG;
	if (stat(f->path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

void scmi_sysfs_close(struct scmi_sysfs *f)
{
	for (unsigned int i = 0; i < f->n; i++) {
		if (f->files[i].fd >= 0)
			close(f->files[i].fd);
	}
}

/* Opens a file by its name.  Returns a descriptor or -errno. */
static int file_open(const struct scmi_sysfs *f, const char *name, bool write)
{
	char path[PATH_MAX + 65];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	/* Some can be written alone. */
	if (fd < 0 && write && errno == EACCES)
		fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int scmi_sysfs_add(struct scmi_sysfs *f, const struct word *prefix, const char *name, bool write)
{
	unsigned int i = f->n;
	int fd;

	if (i == SCMI_SYSFS_FILES || prefix->len + strlen(name) >= sizeof(f->files[i].name))
		return -ENAMETOOLONG;
	snprintf(f->files[i].name, sizeof(f->files[i].name), "%.*s%s", (int)prefix->len,
		 prefix->len ? prefix->text : "", name);
	fd = file_open(f, f->files[i].name, write);
	if (fd < 0)
		return fd;
	f->files[i].fd = fd;
	f->files[i].write = write;
	f->n++;
	return (int)i;
}

/* A file that is gone is looked for.  Returns 0 or -errno. */
static int file_ready(struct scmi_sysfs *f, unsigned int i)
{
	uint64_t now;
	struct stat st;

	/* sysfs says so when it is read; in other file systems it has no name any more. */
	if (f->files[i].fd >= 0 && fstat(f->files[i].fd, &st) == 0 && st.st_nlink == 0) {
		close(f->files[i].fd);
		f->files[i].fd = -1;
	}
	if (f->files[i].fd >= 0)
		return 0;
	now = clock_now(CLOCK_MONOTONIC);
	if (f->tried && now - f->tried < RETRY)
		return -ENODEV;
	f->files[i].fd = file_open(f, f->files[i].name, f->files[i].write);
	f->tried = f->files[i].fd < 0 ? now : 0;
	return f->files[i].fd < 0 ? -ENODEV : 0;
}

/* After a read or a write that failed. */
static int file_failed(struct scmi_sysfs *f, unsigned int i, int err)
{
	if (err == -ENODEV || err == -ENXIO || err == -ENOENT) {
		close(f->files[i].fd);
		f->files[i].fd = -1;
		return -ENODEV;
	}
	/* What the kernel refuses is no matter of the guest's rights. */
	return err == -EACCES || err == -EPERM ? -EIO : err;
}

/* Files of debugfs can be read once: they are opened for each reading.  Returns bytes, or -1 with errno. */
static ssize_t file_read_anew(struct scmi_sysfs *f, unsigned int i, char *text, size_t size)
{
	int fd = file_open(f, f->files[i].name, f->files[i].write);

	if (fd < 0) {
		errno = -fd;
		return -1;
	}
	close(f->files[i].fd);
	f->files[i].fd = fd;
	return read(fd, text, size);
}

static ssize_t file_read(struct scmi_sysfs *f, unsigned int i, char *text, size_t size)
{
	ssize_t got = -1;

	for (unsigned int turn = 0; turn < 2 && got < 0; turn++) {
		int err = file_ready(f, i);

		if (err)
			return err;
		got = pread(f->files[i].fd, text, size - 1, 0);
		if (got < 0 && errno == ESPIPE)
			got = file_read_anew(f, i, text, size - 1);
		if (got < 0)
			err = file_failed(f, i, -errno);
		if (got < 0 && (err != -ENODEV || turn))
			return err;
	}
	text[got] = '\0';
	return got;
}

int scmi_sysfs_text(struct scmi_sysfs *f, unsigned int i, char *text, size_t size)
{
	ssize_t got = file_read(f, i, text, size);

	if (got < 0)
		return (int)got;
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int scmi_sysfs_get(struct scmi_sysfs *f, unsigned int i, int64_t *n)
{
	char text[64], *end;
	long long value;
	int err = scmi_sysfs_text(f, i, text, sizeof(text));

	if (err)
		return err;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || errno)
		return -EIO;
	*n = value;
	return 0;
}

int scmi_decimal_parse(const char *text, struct scmi_decimal *d)
{
	bool minus = *text == '-', point = false, digits = false;
	char *end;
	long exponent;

	*d = (struct scmi_decimal){0};
	for (text += minus; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
		if (*text == '.') {
			point = true;
			continue;
		}
		digits = true;
		/* What no int64_t can tell is less than it matters. */
		if (d->mantissa > (INT64_MAX - 9) / 10) {
			d->exponent += !point;
			continue;
		}
		d->mantissa = d->mantissa * 10 + (*text - '0');
		d->exponent -= point;
	}
	if (digits && (*text == 'e' || *text == 'E')) {
		exponent = strtol(text + 1, &end, 10);
		if (end == text + 1 || exponent < -100 || exponent > 100)
			return -EINVAL;
		d->exponent += (int)exponent;
		text = end;
	}
	if (!digits || (*text && *text != ' ' && *text != '\n'))
		return -EINVAL;
	while (d->mantissa && d->mantissa % 10 == 0) {
		d->mantissa /= 10;
		d->exponent++;
	}
	d->mantissa = minus ? -d->mantissa : d->mantissa;
	return 0;
}

int scmi_sysfs_decimal(struct scmi_sysfs *f, unsigned int i, struct scmi_decimal *d)
{
	char text[64];
	int err = scmi_sysfs_text(f, i, text, sizeof(text));

	if (err)
		return err;
	return scmi_decimal_parse(text, d) < 0 ? -EIO : 0;
}

int scmi_sysfs_put_text(struct scmi_sysfs *f, unsigned int i, const char *text)
{
	int err = file_ready(f, i);

	if (err)
		return err;
	return pwrite(f->files[i].fd, text, strlen(text), 0) < 0 ? file_failed(f, i, -errno) : 0;
}

int scmi_sysfs_put(struct scmi_sysfs *f, unsigned int i, int64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld\n", (long long)n);
	return scmi_sysfs_put_text(f, i, text);
}

int scmi_sysfs_peek_text(struct scmi_sysfs *f, const struct word *prefix, const char *name, char *text, size_t size)
{
	int i = scmi_sysfs_add(f, prefix, name, false), err;

	if (i < 0)
		return i;
	err = scmi_sysfs_text(f, (unsigned int)i, text, size);
	if (f->files[i].fd >= 0)
		close(f->files[i].fd);
	f->n--;
	return err;
}

int scmi_sysfs_peek(struct scmi_sysfs *f, const struct word *prefix, const char *name, int64_t *n)
{
	char text[64], *end;
	int err = scmi_sysfs_peek_text(f, prefix, name, text, sizeof(text));

	if (err)
		return err;
	*n = strtoll(text, &end, 10);
	return end == text ? -EIO : 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

unsigned int scmi_sysfs_levels(struct scmi_sysfs *f, const char *name, int64_t divide, int64_t *levels)
{
	const struct word none = {0};
	char text[TEXT_MAX];
	const char *rest = text;
	unsigned int n = 0, kept = 0;
	struct word w;
	uint64_t v;

	if (scmi_sysfs_peek_text(f, &none, name, text, sizeof(text)) < 0)
		return 0;
	while (n < SCMI_LEVELS_MAX && word_next(&rest, ' ', &w)) {
		if (word_number(&w, &v) == 0 && v && v <= INT64_MAX)
			levels[n++] = (int64_t)v / divide;
	}
	qsort(levels, n, sizeof(*levels), compare);
	for (unsigned int i = 0; i < n; i++) {
		if (!kept || levels[kept - 1] != levels[i])
			levels[kept++] = levels[i];
	}
	return kept;
}

static const struct sandbox_call sysfs_calls[] = {
	{.name = "pread64", .why = "values of things"},
	{.name = "pwrite64", .why = "values that the guest sets"},
	{.name = "open", .why = "files of a sensor that is there again, or that can be read once"},
	{.name = "read", .why = "files that can be read once"},
	{.name = "fstat", .why = "files of a sensor that has gone"},
	{0},
};

void scmi_sysfs_needs(const struct scmi_spec *spec, struct sandbox *s)
{
	unsigned int access = SANDBOX_READ | (scmi_spec_has(spec, SCMI_PROP_RW) ? SANDBOX_WRITE : 0);
	char path[PATH_MAX];

	sandbox_calls(s, sysfs_calls);
	if (!scmi_spec_has(spec, SCMI_PROP_PATH) || !word_copy(&spec->props[SCMI_PROP_PATH], path, sizeof(path)))
		return;
	sandbox_folder(s, path, access, "things that are there again");
	/* Where the links of /sys/class lead to. */
	if (strncmp(path, "/sys/", 5) == 0)
		sandbox_path(s, "/sys/devices", access, "things that are there again");
}
