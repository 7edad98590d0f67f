/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_scan.h - samples of an IIO buffer, as /dev/iio:deviceN gives them: Linux, Documentation/iio/iio_devbuf.rst.
 *
 * A sample has a value of each element that is enabled, by index, each aligned to its own size.
 */
#ifndef VDEVD_DEVICES_SCMI_SCMI_SCAN_H
#define VDEVD_DEVICES_SCMI_SCMI_SCAN_H

#include "core/base.h"

#define SCMI_SCAN_ELEMENTS 32

/* How a value is stored. */
struct scmi_scan_type {
	bool big_endian, is_signed;
	unsigned int bits, storage, shift; /* storage: bits, with repetitions */
	unsigned int repeat;
};

/* An element of a sample. */
struct scmi_scan_element {
	struct scmi_scan_type type;
	unsigned int index;
	int axis; /* of the sensor; -1: another's */
};

struct scmi_scan {
	struct scmi_scan_element elements[SCMI_SCAN_ELEMENTS];
	unsigned int n;
	size_t size; /* of a sample, bytes */
};

/* Reads "le:s12/16>>4", "be:u8/8", "le:s16/16X4>>0".  Returns 0; -EINVAL: it is none, or one that cannot be. */
int scmi_scan_parse(const char *text, struct scmi_scan_type *t);

/* Adds an element; elements come in any order.  Returns 0 or -ENOSPC. */
int scmi_scan_add(struct scmi_scan *s, const struct scmi_scan_element *e);

/* All are there: computes the size. */
void scmi_scan_finish(struct scmi_scan *s);

/* Takes the values of the sensor's axes out of a sample of s->size bytes. */
void scmi_scan_take(const struct scmi_scan *s, const uint8_t *sample, int64_t *axes, unsigned int naxes);

#endif
