/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_file.c - pictures of a file, one after the other, again and again: raw frames, or Motion-JPEG, as JPEG files (ITU-T T.81,
 * annex B) that stand behind each other.
 *
 * The next picture is read while the one before it is shown, so that no frame waits for a disk.  Where the disk is later than the
 * frame, the frame is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control.h"
#include "core/uring.h"
#include "devices/media/media_camera.h"
#include "devices/media/media_jpeg.h"
#include "devices/media/media_paint.h"

#define MJPG	    MEDIA_FOURCC('M', 'J', 'P', 'G')
#define PATIENCE_MS 2000
#define SIDE_MAX    16384u

struct pictures {
	struct media_source s;
	int fd;
	struct media_jpegs jpegs; /* where each is; none: they are raw */
	uint32_t n;
	struct media_picture picture;
	struct uring *uring;
	struct uring_op op;
	struct iovec iov;
	uint8_t *bytes; /* a picture's room */
	uint32_t at;	/* which is read, or was */
	uint32_t len;	/* its bytes so far */
	bool reading, ready;
	uint64_t late;
};

static uint32_t length_of(const struct pictures *p, uint32_t i)
{
	return p->jpegs.n ? p->jpegs.at[i].len : (uint32_t)p->picture.len;
}

static uint64_t place_of(const struct pictures *p, uint32_t i)
{
	return p->jpegs.n ? p->jpegs.at[i].offset : (uint64_t)i * p->picture.len;
}

static void read_on(struct pictures *p)
{
	p->iov = (struct iovec){p->bytes + p->len, length_of(p, p->at) - p->len};
	p->reading = true;
	uring_readv(p->uring, &p->op, p->fd, &p->iov, 1, place_of(p, p->at) + p->len);
}

static void read_done(struct uring_op *op, int res)
{
	struct pictures *p = container_of(op, struct pictures, op);

	p->reading = false;
	if (res > 0) {
		p->len += (uint32_t)res;
		p->ready = p->len == length_of(p, p->at);
		if (!p->ready)
			read_on(p);
		return;
	}
	/* The next frame asks again, from the first picture on. */
	log_guest(&p->s.h->args->d->log, "--file=%s: picture %u: %s", p->s.h->args->file, p->at,
		  res ? strerror(-res) : "the file was cut short");
	p->at = 0;
	p->len = 0;
}

static int file_run(struct media_source *s, bool on)
{
	struct pictures *p = container_of(s, struct pictures, s);

	if (!on)
		return 0;
	/* One that is read now is as good as the first. */
	if (p->reading)
		return 0;
	p->ready = false;
	p->at = p->len = 0;
	read_on(p);
	return 0;
}

static uint32_t file_fill(struct media_source *s, uint8_t *bytes, uint32_t frame, uint64_t us)
{
	const struct pictures *p = container_of(s, struct pictures, s);

	if (!p->ready)
		return 0;
	memcpy(bytes, p->bytes, p->len);
	return p->len;
}

static void file_next(struct media_source *s)
{
	struct pictures *p = container_of(s, struct pictures, s);

	p->late += !p->ready;
	if (p->reading)
		return;
	if (p->ready)
		p->at = (p->at + 1) % p->n;
	p->ready = false;
	p->len = 0;
	read_on(p);
}

static int file_ioctl(struct media_source *s, struct media_file *f, uint32_t code, struct media_payload *payload)
{
	int err;

	switch (code) {
	case MEDIA_ENUM_FMT:
	case MEDIA_ENUM_FRAMESIZES:
		return media_camera_single(s->h, code, payload);
	case MEDIA_ENUM_FRAMEINTERVALS:
		err = media_camera_single(s->h, code, payload);
		return err ? err : media_camera_parm(s->h, code, payload);
	case MEDIA_G_PARM:
	case MEDIA_S_PARM:
		return media_camera_parm(s->h, code, payload);
	case MEDIA_ENUMINPUT:
	case MEDIA_G_INPUT:
	case MEDIA_S_INPUT:
		return media_camera_input(code, payload);
	default:
		return -ENOTTY;
	}
}

static void file_reset(struct media_source *s)
{
	const struct pictures *p = container_of(s, struct pictures, s);

	s->h->picture = p->picture;
}

static void pictures_free(struct pictures *p)
{
	if (p->fd >= 0)
		close(p->fd);
	media_jpegs_free(&p->jpegs);
	free(p->bytes);
	free(p);
}

static void file_stop(struct media_source *s)
{
	struct pictures *p = container_of(s, struct pictures, s);

	/* Where a thread hangs in a read, what it uses is left alone. */
	if (uring_free(p->uring, PATIENCE_MS))
		pictures_free(p);
}

/* ---- what is in the file */

static int wrong(const struct pictures *p, const char *why)
{
	const struct media_host_args *a = p->s.h->args;

	log_error(&a->d->log, "--file=%s: %s", a->file, why);
	return -EINVAL;
}

/* Raw pictures, as --file-format says. */
static int look_raw(struct pictures *p, uint64_t size)
{
	uint64_t n;

	p->picture = p->s.h->args->raw;
	if (!p->picture.pixelformat)
		return wrong(p, "it does not begin with a JPEG picture: what is raw needs --file-format=YUYV:640x480");
	n = size / p->picture.len;
	if (!n)
		return wrong(p, "there is not one whole picture of that format in it");
	p->n = (uint32_t)min_u64(n, UINT32_MAX);
	return 0;
}

static int look_jpegs(struct pictures *p)
{
	char why[100];
	int err = media_jpegs_find(&p->jpegs, p->fd, why, sizeof(why));

	if (err)
		return wrong(p, why);
	p->n = p->jpegs.n;
	p->picture = (struct media_picture){NULL, p->jpegs.longest, MJPG, p->jpegs.width, p->jpegs.height, 0};
	return 0;
}

static int look(struct pictures *p)
{
	const struct media_host_args *a = p->s.h->args;
	uint8_t head[2] = {0};
	struct stat st;
	int err;

	if (fstat(p->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return wrong(p, "a file of pictures is wanted");
	if (pread(p->fd, head, sizeof(head), 0) == sizeof(head) && head[0] == 0xff && head[1] == 0xd8)
		err = look_jpegs(p);
	else
		err = look_raw(p, (uint64_t)st.st_size);
	if (err)
		return err;
	if (!media_camera_allows(p->s.h, p->picture.pixelformat))
		return wrong(p, "its format is none of --formats");
	if (p->picture.width > a->max_width || p->picture.height > a->max_height)
		return wrong(p, "its pictures are larger than --max-size");
	return 0;
}

static int file_start(struct media_host *h, struct media_source **out)
{
	struct pictures *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->s = (struct media_source){&media_file_source, h};
	p->op.done = read_done;
	p->fd = open(h->args->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (p->fd < 0) {
		err = -errno;
		log_error(&h->args->d->log, "--file=%s: %s", h->args->file, strerror(-err));
		goto free;
	}
	err = look(p);
	if (err)
		goto free;
	p->bytes = malloc(p->picture.len);
	err = p->bytes ? uring_new(h->args->d->loop, NULL, &p->uring) : -ENOMEM;
	if (err)
		goto free;
	*out = &p->s;
	return 0;
free:
	pictures_free(p);
	return err;
}

static void file_needs(const struct media_host_args *args, struct sandbox *s)
{
	uring_needs(s);
}

static void file_show(struct media_source *s, struct control_client *c)
{
	const struct pictures *p = container_of(s, struct pictures, s);

	control_say(c, "file picture %u of %u, %llu late", p->at, p->n, (unsigned long long)p->late);
}

const struct media_source_ops media_file_source = {
	.card = "vdevd file",
	.timed = true,
	.needs = file_needs,
	.start = file_start,
	.stop = file_stop,
	.reset = file_reset,
	.format = media_camera_keep,
	.ioctl = file_ioctl,
	.run = file_run,
	.fill = file_fill,
	.next = file_next,
	.show = file_show,
};
