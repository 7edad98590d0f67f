/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * log.c - lines on stderr, one write(2) each, with a rate limit for what a guest can cause.
 */
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Below PIPE_BUF, so that lines of several processes on one pipe do not mix. */
#define LOG_LINE_MAX 2048

static enum log_level log_level = LOG_LEVEL_INFO;

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
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[len++] = '\n';
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
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

void log_guest(struct log *l, const char *fmt, ...)
{
	va_list ap;

	if (log_level < LOG_LEVEL_WARN || !log_guest_admit(l))
		return;
	if (l->suppressed > 0) {
		log_warn(l, "%u more such lines were not shown", l->suppressed);
		l->suppressed = 0;
	}
	va_start(ap, fmt);
	log_line(l, level_word(LOG_LEVEL_WARN), fmt, ap);
	va_end(ap);
}
