/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_sysfs.h - numbers in files of one folder of sysfs: what the adapters to the kernel's subsystems are made of.
 *
 * Files are opened at the begin and stay open.  One whose device has gone is opened again by its name when it is
 * wanted, at most once a second: until it is there again it answers -ENODEV.
 */
#ifndef VDEVD_DEVICES_SCMI_SCMI_SYSFS_H
#define VDEVD_DEVICES_SCMI_SCMI_SYSFS_H

#include <limits.h>

#include "devices/scmi/scmi_host.h"

#define SCMI_SYSFS_FILES 24

/* Files of a folder.  Its members are the functions' own. */
struct scmi_sysfs {
	char path[PATH_MAX];
	struct {
		char name[64];
		int fd; /* -1: gone */
		bool write;
	} files[SCMI_SYSFS_FILES];
	unsigned int n;
	uint64_t tried; /* ns of CLOCK_MONOTONIC: a file was looked for */
};

/* A decimal number: mantissa x 10^exponent. */
struct scmi_decimal {
	int64_t mantissa;
	int exponent;
};

/* Begins with a folder: none of its files is open.  Returns 0, or -errno where there is no such folder. */
int scmi_sysfs_open(struct scmi_sysfs *f, const struct word *path);
void scmi_sysfs_close(struct scmi_sysfs *f);

/* Opens "PREFIXname" in it.  Returns its number, or -errno; write: to be written, too. */
int scmi_sysfs_add(struct scmi_sysfs *f, const struct word *prefix, const char *name, bool write);

/* Reads the first line of a file, without its newline.  Returns 0 or -errno. */
int scmi_sysfs_text(struct scmi_sysfs *f, unsigned int i, char *text, size_t size);
/* The same as a whole number, and as a decimal one. */
int scmi_sysfs_get(struct scmi_sysfs *f, unsigned int i, int64_t *n);
int scmi_sysfs_decimal(struct scmi_sysfs *f, unsigned int i, struct scmi_decimal *d);
int scmi_sysfs_put(struct scmi_sysfs *f, unsigned int i, int64_t n);
int scmi_sysfs_put_text(struct scmi_sysfs *f, unsigned int i, const char *text);

/* For open: reads a file that is there only perhaps, and leaves it.  Returns 0 or -errno. */
int scmi_sysfs_peek(struct scmi_sysfs *f, const struct word *prefix, const char *name, int64_t *n);
int scmi_sysfs_peek_text(struct scmi_sysfs *f, const struct word *prefix, const char *name, char *text, size_t size);
/* Levels of a file that lists them in any order, divided.  Returns how many. */
unsigned int scmi_sysfs_levels(struct scmi_sysfs *f, const char *name, int64_t divide, int64_t *levels);

/* What an adapter to the folder of its path= needs. */
void scmi_sysfs_needs(const struct scmi_spec *spec, struct sandbox *s);

/* Reads "-12.5e-3".  Returns 0 or -EINVAL. */
int scmi_decimal_parse(const char *text, struct scmi_decimal *d);

#endif
