/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_jpeg.c - where the pictures of a Motion-JPEG file are; see media_jpeg.h.
 */
#include "devices/media/media_jpeg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Codes of markers: T.81, table B.1. */
enum {
	SOF0 = 0xc0,
	DHT = 0xc4,
	JPG = 0xc8,
	DAC = 0xcc,
	SOF15 = 0xcf,
	RST0 = 0xd0,
	RST7 = 0xd7,
	SOI = 0xd8,
	EOI = 0xd9,
	SOS = 0xda,
	TEM = 0x01,
};

struct reader {
	int fd;
	uint8_t bytes[65536];
	size_t at, len;
	uint64_t offset; /* of the next byte */
};

/* The next byte, or -1: the file has ended, or cannot be read. */
static int next(struct reader *r)
{
	if (r->at == r->len) {
		ssize_t n = pread(r->fd, r->bytes, sizeof(r->bytes), (off_t)r->offset);

		if (n <= 0)
			return -1;
		r->at = 0;
		r->len = (size_t)n;
	}
	r->offset++;
	return r->bytes[r->at++];
}

static int next_two(struct reader *r)
{
	int high = next(r), low = next(r);

	return high < 0 || low < 0 ? -1 : high << 8 | low;
}

/* Goes behind the next marker that is not stuffing: in entropy-coded bytes, or where a segment has ended.  Returns its code or -1. */
static int marker(struct reader *r)
{
	int last = 0, byte;

	while ((byte = next(r)) >= 0) {
		if (last == 0xff && byte != 0 && byte != 0xff)
			return byte;
		last = byte;
	}
	return -1;
}

static bool is_frame_header(int code)
{
	return code >= SOF0 && code <= SOF15 && code != DHT && code != JPG && code != DAC;
}

/* Behind the length of a frame header: its size.  Returns how many bytes were read, or -1. */
static int size_read(struct reader *r, uint32_t *width, uint32_t *height)
{
	int precision = next(r), h = next_two(r), w = next_two(r);

	if (precision < 0 || h <= 0 || w <= 0)
		return -1;
	*width = (uint32_t)w;
	*height = (uint32_t)h;
	return 5;
}

/* Behind SOI: goes behind EOI.  Returns whether it was a whole picture, with a size. */
static bool picture_skip(struct reader *r, uint32_t *width, uint32_t *height)
{
	bool sized = false;
	int code;

	while ((code = marker(r)) >= 0 && code != EOI) {
		int len, done = 0;

		if (code == TEM || (code >= RST0 && code <= RST7))
			continue;
		if (code == SOI)
			return false;
		len = next_two(r);
		if (len >= 7 && is_frame_header(code)) {
			done = size_read(r, width, height);
			sized = done > 0;
		}
		if (len < 2 || done < 0)
			return false;
		for (int i = 2 + done; i < len; i++)
			(void)next(r);
	}
	return code == EOI && sized;
}

static bool add(struct media_jpegs *j, uint64_t offset, uint64_t len)
{
	if (!(j->n & (j->n - 1))) {
		struct media_jpeg *more = realloc(j->at, (j->n ? 2 * (size_t)j->n : 1) * sizeof(*more));

		if (!more)
			return false;
		j->at = more;
	}
	j->at[j->n++] = (struct media_jpeg){offset, (uint32_t)len};
	j->longest = len > j->longest ? (uint32_t)len : j->longest;
	return true;
}

/* Takes the picture whose SOI was read.  Returns 0, or -errno with a reason in why. */
static int picture_take(struct media_jpegs *j, struct reader *r, char *why, size_t why_size)
{
	const uint64_t begin = r->offset - 2;
	uint32_t width = 0, height = 0;
	int err = -EINVAL;

	if (!picture_skip(r, &width, &height))
		snprintf(why, why_size, "picture %u, at byte %llu, is no whole JPEG", j->n, (unsigned long long)begin);
	else if (j->n && (width != j->width || height != j->height))
		snprintf(why, why_size, "picture %u has another size than those before it", j->n);
	else if (j->n == MEDIA_JPEGS_MAX || r->offset - begin > MEDIA_JPEG_LONGEST)
		snprintf(why, why_size, "at most %u pictures, of at most %u MiB, can be", MEDIA_JPEGS_MAX,
			 MEDIA_JPEG_LONGEST >> 20);
	else
		err = add(j, begin, r->offset - begin) ? 0 : -ENOMEM;
	j->width = width;
	j->height = height;
	return err;
}

int media_jpegs_find(struct media_jpegs *j, int fd, char *why, size_t why_size)
{
	struct reader *r = calloc(1, sizeof(*r));
	int code, err = 0;

	snprintf(why, why_size, "out of memory");
	*j = (struct media_jpegs){0};
	if (!r)
		return -ENOMEM;
	r->fd = fd;
	while (!err && (code = marker(r)) >= 0) {
		if (code == SOI)
			err = picture_take(j, r, why, why_size);
	}
	free(r);
	if (!err && !j->n) {
		snprintf(why, why_size, "there is no JPEG picture in it");
		err = -EINVAL;
	}
	return err;
}

void media_jpegs_free(struct media_jpegs *j)
{
	free(j->at);
	*j = (struct media_jpegs){0};
}
