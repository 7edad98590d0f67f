/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * log.c - lines on stderr, one write(2) each, with a rate limit for what a guest can cause; see log.h.
 *
 * How a line is written without waiting depends on what standard error is.  O_NONBLOCK belongs to the open file, which
 * others share; so a pipe or a terminal is opened once more.  Where that is not allowed (the pipe is another user's)
 * fd_write_now has to do: where the kernel is too old for it (6.4 for pipes), a line can still wait if another process
 * takes the room in between.
 */
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/sandbox.h"

const struct sandbox_call log_calls[] = {
	{.name = "pwritev2", .why = "log lines that do not wait"},
	{.name = "send", .why = "log lines for a socket"},
	{.name = "poll", .why = "whether there is room for a log line"},
	{0},
};

/* Below PIPE_BUF, so that lines of several processes on one pipe do not mix. */
#define LOG_LINE_MAX 2048

static enum log_level log_level = LOG_LEVEL_INFO;

enum way {
	WAY_WRITE, /* write(2), which may wait */
	WAY_OWN,   /* write(2) to an open file of our own, which does not */
	WAY_SEND,  /* send(2) to a socket */
	WAY_NOW,   /* fd_write_now */
};

/* Where lines go. */
static struct {
	pthread_mutex_t lock;
	enum way way;
	int own;	   /* WAY_OWN */
	unsigned int lost; /* lines; written under the lock */
	size_t rest_len;   /* of a line of which a part was written: the next one waits for the rest */
	char rest[LOG_LINE_MAX];
} out = {.lock = PTHREAD_MUTEX_INITIALIZER, .own = -1};

const char *const log_level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
	NULL,
};

void log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level log_get_level(void)
{
	return log_level;
}

int log_level_parse(const char *name, enum log_level *level)
{
	for (size_t i = 0; log_level_names[i]; i++) {
		if (strcmp(name, log_level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Standard error opened once more, or -1.  The other side of a pseudo terminal (/dev/ptmx) would be another one. */
static int open_own(const struct stat *st)
{
	bool terminal = S_ISCHR(st->st_mode) && isatty(STDERR_FILENO) && st->st_rdev != makedev(5, 2);

	if (!terminal && !S_ISFIFO(st->st_mode))
		return -1;
	return open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void log_never_block(void)
{
	int saved = errno;
	struct stat st;

	pthread_mutex_lock(&out.lock);
	if (out.own >= 0)
		close(out.own);
	out.own = -1;
	out.rest_len = 0;
	out.way = WAY_WRITE;
	if (fstat(STDERR_FILENO, &st) == 0 && !S_ISREG(st.st_mode)) {
		out.own = open_own(&st);
		out.way = S_ISSOCK(st.st_mode) ? WAY_SEND : out.own >= 0 ? WAY_OWN : WAY_NOW;
	}
	pthread_mutex_unlock(&out.lock);
	errno = saved;
}

/* As write(2), but it never waits. */
static ssize_t write_now(const char *p, size_t len)
{
	ssize_t n = fd_write_now(STDERR_FILENO, p, len);

	if (n >= 0)
		return n;
	errno = (int)-n;
	return -1;
}

/* Writes as much as there is room for.  Returns as write(2). */
static ssize_t out_write(const char *p, size_t len)
{
	ssize_t n;

	do {
		switch (out.way) {
		case WAY_OWN:
			n = write(out.own, p, len);
			break;
		case WAY_SEND:
			n = send(STDERR_FILENO, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
			break;
		case WAY_NOW:
			n = write_now(p, len);
			break;
		default:
			n = write(STDERR_FILENO, p, len);
		}
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Writes a line, or the first part of one, whose rest is kept.  Returns false when there was no room. */
static bool out_line(const char *line, size_t len)
{
	ssize_t n = out_write(line, len);

	if (n < 0)
		return errno != EAGAIN; /* what nobody can ever read (EPIPE, ENOSPC) is not counted */
	if ((size_t)n < len && out.way != WAY_WRITE) {
		out.rest_len = len - (size_t)n;
		memmove(out.rest, line + n, out.rest_len);
	}
	return true;
}

/* Writes what is left of the line before, and tells of lost ones.  Returns whether there may be room for more. */
static bool out_ready(void)
{
	char line[100];
	size_t len = out.rest_len;

	out.rest_len = 0;
	if (len && (!out_line(out.rest, len) || out.rest_len)) {
		out.rest_len = out.rest_len ? out.rest_len : len;
		return false;
	}
	if (!out.lost)
		return true;
	len = (size_t)snprintf(line, sizeof(line), "vdevd: warning: %u lines of the log were lost: nobody read them\n",
			       out.lost);
	if (!out_line(line, len))
		return false;
	__atomic_store_n(&out.lost, 0, __ATOMIC_RELAXED);
	return !out.rest_len;
}

static void out_put(const char *line, size_t len)
{
	pthread_mutex_lock(&out.lock);
	if (!out_ready() || !out_line(line, len))
		__atomic_store_n(&out.lost, out.lost + 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&out.lock);
}

unsigned int log_lost(void)
{
	return __atomic_load_n(&out.lost, __ATOMIC_RELAXED);
}

void log_catch_up(void)
{
	int saved = errno;

	pthread_mutex_lock(&out.lock);
	out_ready();
	pthread_mutex_unlock(&out.lock);
	errno = saved;
}

void log_end(void)
{
	int saved = errno;

	pthread_mutex_lock(&out.lock);
	out_ready();
	if (out.own >= 0)
		close(out.own);
	out.own = -1;
	out.way = WAY_WRITE;
	__atomic_store_n(&out.lost, 0, __ATOMIC_RELAXED);
	out.rest_len = 0;
	pthread_mutex_unlock(&out.lock);
	errno = saved;
}

/*
 * What a terminal might act upon: control characters, and those of eight bits (0x80-0x9f, as UTF-8 and as they are), of
 * which 0x9b begins a sequence as ESC [ does.  What came from outside cannot forge a second line either.
 */
static void line_clean(char *line, size_t len)
{
	unsigned int more = 0; /* bytes of a UTF-8 character that are still to come */

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (more && c >= 0x80 && c < 0xc0) {
			more--;
			continue;
		}
		more = 0;
		/* U+0080 to U+009F; the second byte is met next. */
		bool control = c == 0xc2 && i + 1 < len && (unsigned char)line[i + 1] < 0xa0;

		if (!control && c >= 0xc2 && c < 0xf5)
			more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
		else if (c < ' ' || c == 0x7f || c >= 0x80)
			line[i] = '?';
	}
}

/* Writes a line whatever the level; word: "error: " or "".  What came from outside cannot forge a second line. */
PRINTF_LIKE(3, 0)
static void log_line(const struct log *l, const char *word, const char *fmt, va_list ap)
{
	static const char cut[] = "...";
	char line[LOG_LINE_MAX];
	size_t len, room = sizeof(line) - sizeof(cut);
	int saved = errno, n;

	n = snprintf(line, room, "vdevd%s%s: %s", l ? " " : "", l ? l->prefix : "", word);
	len = n < 0 ? 0 : min_size((size_t)n, room - 1);
	errno = saved; /* for %m */
	n = vsnprintf(line + len, room - len, fmt, ap);
	if (n > 0 && (size_t)n >= room - len) {
		memcpy(line + room - 1, cut, sizeof(cut));
		len = room - 1 + strlen(cut);
	} else if (n > 0) {
		len += (size_t)n;
	}
	line_clean(line, len);
	line[len++] = '\n';
	out_put(line, len);
	errno = saved;
}

static const char *level_word(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error: ";
	case LOG_LEVEL_WARN:
		return "warning: ";
	default:
		return "";
	}
}

void log_write(struct log *l, enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, fmt);
	log_line(l, level_word(level), fmt, ap);
	va_end(ap);
}

void log_usage(struct log *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(l, "", fmt, ap);
	va_end(ap);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Spends a token of the present interval.  Returns false when there is none left. */
static bool log_guest_admit(struct log *l)
{
	uint64_t now = now_ms();

	if (l->interval_start_ms == 0 || now - l->interval_start_ms >= LOG_GUEST_INTERVAL_MS) {
		l->interval_start_ms = now;
		l->tokens = 0;
	}
	if (l->tokens >= LOG_GUEST_BURST) {
		l->suppressed++;
		return false;
	}
	l->tokens++;
	return true;
}

PRINTF_LIKE(3, 0)
static void log_limited(struct log *l, enum log_level level, const char *fmt, va_list ap)
{
	if (log_level < level || !log_guest_admit(l))
		return;
	if (l->suppressed > 0) {
		log_warn(l, "%u more such lines were not shown", l->suppressed);
		l->suppressed = 0;
	}
	log_line(l, level_word(level), fmt, ap);
}

void log_guest(struct log *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_limited(l, LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}

void log_guest_info(struct log *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_limited(l, LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}
