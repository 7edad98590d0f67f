/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * log.h - lines on stderr, each with the name of the instance it comes from.
 *
 * The level, and where lines go, are the process's.  What a guest or a front-end can cause is logged with log_guest(),
 * which lets through a few lines and then counts, so that a guest cannot fill a disk.
 *
 * A process that serves calls log_never_block(): from then on a line that cannot be written at once is lost, and
 * counted.  The number is told before the next line that can be written.
 */
#ifndef VDEVD_CORE_LOG_H
#define VDEVD_CORE_LOG_H

#include "core/base.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Where lines come from.  One in each device instance; zeroed but for the prefix it is ready. */
struct log {
	const char *prefix;	    /* "rng"; shown as "vdevd rng: "; not owned */
	unsigned int tokens;	    /* lines spent of the present interval */
	unsigned int suppressed;    /* lines not shown since the last one shown */
	uint64_t interval_start_ms; /* CLOCK_MONOTONIC */
};

/* A guest's lines: LOG_GUEST_BURST in each LOG_GUEST_INTERVAL_MS, then one that counts the rest. */
#define LOG_GUEST_BURST	      10
#define LOG_GUEST_INTERVAL_MS 10000

/* Sets the level for the process: lines above it are not written.  The default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* The names of the levels, by enum log_level; ends with NULL. */
extern const char *const log_level_names[];

enum log_level log_get_level(void);

/*
 * The level that has this name: "error", "warn", "info", "debug".
 * Returns 0 and *level, or -EINVAL.
 */
int log_level_parse(const char *name, enum log_level *level);

/*
 * From now on no line waits for who reads standard error, whatever that is: a pipe, a terminal, a socket.  Standard
 * error itself stays as it is (no O_NONBLOCK), for others may have it, too.  A file is written to as before.  May be
 * called again, when standard error is another.
 */
void log_never_block(void);

/* Lines lost and not yet told.  Costs no lock. */
unsigned int log_lost(void);

/* Tells of lost lines, and writes what is left of one, if that can be done now. */
void log_catch_up(void);

/* Tells of lost lines if that can be done now, and ends log_never_block(). */
void log_end(void);

/* Writes one line at the given level; l may be NULL (no instance yet).  errno is kept. */
void log_write(struct log *l, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Writes one warning line that a guest or a front-end can cause, within the instance's rate limit. */
void log_guest(struct log *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same for what is no fault. */
void log_guest_info(struct log *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Writes one line that says what is wrong with a call, whatever the level and without a level's word:
 * "vdevd rng: --period=abc: not a number".  l may be NULL.  errno is kept.
 */
void log_usage(struct log *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(l, ...) log_write((l), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(l, ...)  log_write((l), LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(l, ...)  log_write((l), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(l, ...) log_write((l), LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
