/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_file.c - a port whose other side is a log file: bytes are appended, and a file that has its size is put aside.
 *
 * A disk can be slow, so a thread writes (core/work.h): one piece at a time, and whatever comes meanwhile waits with the port.
 * The thread also puts files aside: PATH becomes PATH.1, that PATH.2, and so on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/opt.h"
#include "core/words.h"
#include "core/work.h"
#include "devices/console/console_side.h"

#define PIECE	    16384 /* bytes of a write */
#define KEEP_MAX    99
#define END_PATIENCE 2000 /* ms; what is being written at the end */

struct file_value {
	char path[PATH_MAX - sizeof(".99")];
	uint64_t size; /* of a file, bytes; 0: it grows */
	uint64_t keep; /* files put aside */
};

struct console_side {
	const struct console_side_args *args;
	struct file_value v;
	int fd;
	uint64_t written; /* to this file */
	struct work_queue *queue;
	struct work job;
	bool busy, wants_write, told, hangs;
	/* The job's while it runs. */
	size_t len;
	int err, rotate_err;
	uint8_t bytes[PIECE];
};

/* "PATH[,size=N][,keep=N]" */
static const char *file_parse(const char *value, struct file_value *v)
{
	const char *rest = value;
	struct word w, behind;
	char text[24];

	*v = (struct file_value){.keep = 1};
	if (!word_next(&rest, ',', &w) || !w.len || !word_copy(&w, v->path, sizeof(v->path)))
		return "the path of a file is wanted: file:/var/log/guest.log,size=1M,keep=3";
	while (word_next(&rest, ',', &w)) {
		bool ok = word_cut(&w, '=', &behind) && word_copy(&behind, text, sizeof(text));

		if (ok && word_is(&w, "size"))
			ok = !opt_parse_number(text, true, &v->size) && v->size >= 1024;
		else
			ok = ok && word_is(&w, "keep") && !opt_parse_number(text, false, &v->keep) && v->keep &&
			     v->keep <= KEEP_MAX;
		if (!ok)
			return "size=N with at least 1K bytes and keep=N with 1 to 99 files are wanted behind the path";
	}
	return NULL;
}

static const char *file_check(const char *value)
{
	struct file_value v;

	return file_parse(value, &v);
}

static const struct sandbox_call file_calls[] = {
	{.name = "write", .why = "bytes of the guest, to a log"},
	{.name = "open", .why = "a fresh log"},
	{.name = "rename", .why = "a full log is put aside"},
	{.name = "renameat", .why = "a full log is put aside"},
	{.name = "renameat2", .why = "a full log is put aside"},
	{0},
};

static void file_needs(const struct console_side_args *args, struct sandbox *s)
{
	struct file_value v;

	sandbox_calls(s, work_calls);
	sandbox_calls(s, file_calls);
	if (!file_parse(args->value, &v) && v.size)
		sandbox_folder(s, v.path, SANDBOX_MAKE | SANDBOX_WRITE | SANDBOX_READ, "full logs are put aside");
}

static int file_begin(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);

	return fd < 0 ? -errno : fd;
}

/* Puts the files aside, and begins another.  Where that cannot be, this one grows on. */
static int rotate(struct console_side *s)
{
	char from[PATH_MAX + 8], to[PATH_MAX + 8];
	int fd;

	for (uint64_t i = s->v.keep; i > 0; i--) {
		if (i > 1)
			snprintf(from, sizeof(from), "%s.%u", s->v.path, (unsigned int)i - 1);
		else
			snprintf(from, sizeof(from), "%s", s->v.path);
		snprintf(to, sizeof(to), "%s.%u", s->v.path, (unsigned int)i);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	/* Where no other can be had, the files are not put aside again before as much has come once more. */
	s->written = 0;
	fd = file_begin(s->v.path);
	if (fd < 0)
		return fd;
	close(s->fd);
	s->fd = fd;
	return 0;
}

static void job_run(struct work *w)
{
	struct console_side *s = container_of(w, struct console_side, job);
	size_t done = 0;

	s->err = s->rotate_err = 0;
	if (s->v.size && s->written + s->len > s->v.size && s->written)
		s->rotate_err = rotate(s);
	while (done < s->len && !s->err) {
		ssize_t n = write(s->fd, s->bytes + done, s->len - done);

		if (n < 0 && errno != EINTR)
			s->err = -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	s->written += done;
}

static void job_done(struct work *w)
{
	struct console_side *s = container_of(w, struct console_side, job);
	int err = s->err ? s->err : s->rotate_err;

	s->busy = false;
	if (err && !s->told)
		log_guest(&s->args->d->log, "port %u: %s: %s%s", s->args->port, s->v.path, strerror(-err),
			  s->err ? "; bytes are lost" : "; it grows on");
	s->told = err != 0;
	if (!s->wants_write)
		return;
	s->wants_write = false;
	s->args->ops->writable(s->args->user);
}

static int file_start(const struct console_side_args *args, struct console_side **out)
{
	struct console_side *s = calloc(1, sizeof(*s));
	struct stat st;
	int err = s ? 0 : -ENOMEM;

	if (err)
		return err;
	s->args = args;
	s->job = (struct work){.run = job_run, .done = job_done};
	file_parse(args->value, &s->v);
	s->fd = file_begin(s->v.path);
	err = s->fd < 0 ? s->fd : work_queue_new(args->d->loop, NULL, &s->queue);
	if (!err && !fstat(s->fd, &st) && st.st_size > 0)
		s->written = (uint64_t)st.st_size;
	if (!err) {
		*out = s;
		args->ops->opened(args->user, true);
		return 0;
	}
	log_error(&args->d->log, "file:%s: %s (a file that can be written is wanted)", s->v.path, strerror(-err));
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return err;
}

/* What still hangs on its disk keeps what it uses, and what comes behind it is lost. */
static void file_last(struct console_side *s, const void *buf, size_t len)
{
	size_t done = 0;

	/* What no thread has begun would be dropped with the queue. */
	if (s->queue && s->busy && work_cancel(s->queue, &s->job)) {
		s->busy = false;
		job_run(&s->job);
	}
	s->hangs = s->hangs || (s->queue && !work_queue_free(s->queue, END_PATIENCE));
	s->queue = NULL;
	while (!s->hangs && done < len) {
		s->len = min_size(len - done, sizeof(s->bytes));
		memcpy(s->bytes, (const uint8_t *)buf + done, s->len);
		done += s->len;
		job_run(&s->job);
	}
}

/* A job that hangs on its disk keeps what it uses. */
static void file_stop(struct console_side *s)
{
	file_last(s, NULL, 0);
	if (s->hangs)
		return;
	close(s->fd);
	free(s);
}

static ssize_t file_read(struct console_side *s, void *buf, size_t len)
{
	return -EAGAIN;
}

static ssize_t file_write(struct console_side *s, const void *buf, size_t len)
{
	if (s->busy)
		return -EAGAIN;
	s->len = min_size(len, sizeof(s->bytes));
	memcpy(s->bytes, buf, s->len);
	if (work_submit(s->queue, &s->job) < 0)
		return -EAGAIN;
	s->busy = true;
	return (ssize_t)s->len;
}

static void file_want_read(struct console_side *s)
{
	/* Nothing ever comes. */
}

static void file_want_write(struct console_side *s)
{
	s->wants_write = true;
}

const struct console_side_ops console_file = {
	.kind = "file",
	.check = file_check,
	.needs = file_needs,
	.start = file_start,
	.stop = file_stop,
	.read = file_read,
	.write = file_write,
	.want_read = file_want_read,
	.want_write = file_want_write,
	.last = file_last,
};
