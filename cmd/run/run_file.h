/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run_file.h - the file of `vdevd run`: a device a line.
 *
 *	# NAME [relay] [restart=N]: DEVICE [OPTION]...
 *	led: gpio --device-list=gpiochip0
 *	disk relay restart=20: blk --blk-file="/srv/a disk.img"
 *	rng --socket-path=/run/rng.sock --socket-mode=0660
 *
 * Words are parted by blanks; "..." and '...' keep them together; # begins a comment where a word would begin; a backslash at
 * the end joins the next line.  What stands before the colon is for run: a name, which is the device's where it is not given
 * and which no other line has.  --socket-path and --socket-mode are run's, too: it holds the socket.  Without --socket-path it is
 * DIR/NAME.sock, without --control that of the device is DIR/NAME.ctl.
 */
#ifndef VDEVD_CMD_RUN_RUN_FILE_H
#define VDEVD_CMD_RUN_RUN_FILE_H

#include "core/log.h"

#define RUN_LINES_MAX 256  /* devices of a file */
#define RUN_WORDS_MAX 64   /* of a line */
#define RUN_TEXT_MAX  4096 /* bytes of a line, with its words' zeros */

struct run_line {
	unsigned int number;  /* in the file, from 1 */
	char *name;
	char *path;           /* of the socket; NULL: it is --connect's */
	char *control;        /* of the device's control socket */
	uint64_t mode;        /* of path; UINT64_MAX: the umask's */
	bool relay;
	unsigned int restarts; /* the most in a row */
	int argc;
	char *argv[RUN_WORDS_MAX + 4]; /* the device's call, without its socket; ends with NULL */
	char *text;           /* all words are in it */
};

struct run_file {
	unsigned int nlines;
	struct run_line *lines;
};

/*
 * Reads the file at path; dir is where sockets are that no line names.
 * Returns 0 and *out (free with run_file_free); -EINVAL after a line that names the file's line and says what would be right;
 * or another -errno after a line.
 */
int run_file_read(const char *path, const char *dir, struct log *log, struct run_file *out);

/*
 * Whether the options of all lines are right, which the devices say themselves, each in a process of its own; nothing of the host is
 * opened.  path: of the file, for the lines that say what is wrong.
 */
bool run_file_ok(const struct run_file *f, const char *path, struct log *log);

/* Frees what it has; a zeroed one is allowed. */
void run_file_free(struct run_file *f);

/* Takes a line out of its file.  Returns it (free with run_line_free), or NULL: out of memory. */
struct run_line *run_line_take(struct run_line *l);

/* NULL is allowed. */
void run_line_free(struct run_line *l);

/* Whether two lines ask for the same. */
bool run_line_same(const struct run_line *a, const struct run_line *b);

#endif
