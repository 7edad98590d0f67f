/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_snap.c - the next picture as a file; see media_snap.h.
 *
 * The loop copies the bytes, since the guest may have its buffer again soon; a thread makes pixels of them and writes those.
 */
#include "devices/media/media_snap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/media/media_paint.h"

#define PATIENCE_MS 2000

static const struct sandbox_call snap_calls[] = {
	{.name = "ftruncate", .why = "the picture of --snapshot"},
	{.name = "pwrite64", .why = "the picture of --snapshot"},
	{0},
};

void media_snap_needs(const char *path, struct sandbox *s)
{
	if (!path)
		return;
	sandbox_calls(s, work_calls);
	sandbox_calls(s, snap_calls);
}

static int write_all(int fd, const uint8_t *bytes, size_t len, off_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, bytes, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

bool media_snap_is_jpeg(const struct media_picture *p)
{
	return p->pixelformat == MEDIA_FOURCC('M', 'J', 'P', 'G') || p->pixelformat == MEDIA_FOURCC('J', 'P', 'E', 'G');
}

/* The head last, of both: what reads the file meanwhile sees none. */
static int jpeg_write(int fd, const struct media_picture *p)
{
	int err = p->len < 2 ? -EINVAL : write_all(fd, p->bytes + 2, p->len - 2, 2);

	return err ? err : write_all(fd, p->bytes, 2, 0);
}

static int pixmap_write(int fd, const struct media_picture *p)
{
	size_t line = (size_t)p->width * 3;
	uint8_t *row = malloc(line);
	char head[64];
	int n = snprintf(head, sizeof(head), "P6\n%u %u\n255\n", p->width, p->height), err = row ? 0 : -ENOMEM;
	off_t at = n;

	for (uint32_t y = 0; !err && y < p->height; y++, at += (off_t)line) {
		for (uint32_t x = 0; x < p->width; x++)
			media_pixel_rgb(p->pixelformat, p->bytes, p->len, p->bytesperline, p->height, x, y, row + (size_t)x * 3);
		err = write_all(fd, row, line, at);
	}
	free(row);
	return err ? err : write_all(fd, (const uint8_t *)head, (size_t)n, 0);
}

int media_snap_write(int fd, const struct media_picture *p)
{
	return media_snap_is_jpeg(p) ? jpeg_write(fd, p) : pixmap_write(fd, p);
}

/* On a thread. */
static void snap_run(struct work *w)
{
	struct media_snap *s = container_of(w, struct media_snap, work);

	s->err = ftruncate(s->fd, 0) < 0 ? -errno : media_snap_write(s->fd, &s->picture);
}

static void snap_done(struct work *w)
{
	struct media_snap *s = container_of(w, struct media_snap, work);

	if (s->err)
		log_guest(&s->d->log, "--snapshot: %s", strerror(-s->err));
	control_tell(s->d->control, s->err ? "snapshot failed" : "snapshot %ux%u", s->picture.width, s->picture.height);
	free((void *)(uintptr_t)s->picture.bytes);
	s->picture.bytes = NULL;
	s->busy = false;
}

int media_snap_open(struct media_snap *s, struct vdev *d, const char *path)
{
	int err;

	*s = (struct media_snap){.d = d, .fd = -1, .work = {.run = snap_run, .done = snap_done}};
	if (!path)
		return 0;
	s->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	if (s->fd < 0) {
		err = -errno;
		log_error(&d->log, "--snapshot=%s: %s (a file to write pictures to is wanted)", path, strerror(-err));
		return err;
	}
	return work_queue_new(d->loop, NULL, &s->threads);
}

void media_snap_close(struct media_snap *s)
{
	/* Where a thread hangs in a write, what it uses is left alone. */
	if (!s->d || !work_queue_free(s->threads, PATIENCE_MS))
		return;
	free((void *)(uintptr_t)s->picture.bytes);
	if (s->fd >= 0)
		close(s->fd);
}

int media_snap_want(struct media_snap *s, char *why, size_t why_size)
{
	if (s->fd < 0) {
		snprintf(why, why_size, "there is no file for it: --snapshot=FILE is wanted");
		return -EINVAL;
	}
	if (s->busy) {
		snprintf(why, why_size, "the last one is being written");
		return -EBUSY;
	}
	s->wanted = true;
	return 0;
}

void media_snap_take(struct media_snap *s, const struct media_picture *p)
{
	uint8_t *copy;

	if (!s->wanted || s->busy || !p || !p->bytes)
		return;
	copy = malloc(p->len);
	if (!copy)
		return;
	memcpy(copy, p->bytes, p->len);
	s->picture = *p;
	s->picture.bytes = copy;
	s->wanted = false;
	s->busy = work_submit(s->threads, &s->work) == 0;
	if (!s->busy) {
		free(copy);
		s->picture.bytes = NULL;
	}
}
