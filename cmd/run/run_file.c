/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run_file.c - the file of `vdevd run`: a device a line; see run_file.h.
 */
#include "cmd/run/run_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/common.h"
#include "core/opt.h"
#include "core/unix_socket.h"

/* Restarts in a row where a line says nothing. */
#define RESTARTS 10

/* The words of a line, as they are found. */
struct words_of {
	char *words[RUN_WORDS_MAX];
	int n;
	int colon; /* so many stand before the colon; -1: there is none */
};

/* What reading goes by. */
struct reader {
	FILE *file;
	const char *path, *dir;
	struct log *log;
	unsigned int number; /* of the line */
};

PRINTF_LIKE(2, 3)
static int wrong(const struct reader *r, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_usage(r->log, "%s:%u: %s", r->path, r->number, why);
	return -EINVAL;
}

/* Reads a line, with those that continue it.  Returns its length, 0 at the end, or -errno after a line. */
static int read_text(struct reader *r, char text[static RUN_TEXT_MAX])
{
	size_t len = 0;

	while (fgets(text + len, (int)(RUN_TEXT_MAX - len), r->file)) {
		size_t n = strlen(text + len);

		r->number++;
		if (!n || (text[len + n - 1] != '\n' && !feof(r->file)))
			return wrong(r, "longer than %d bytes, or with a zero byte in it", RUN_TEXT_MAX - 2);
		len += n;
		if (len < 2 || text[len - 1] != '\n' || text[len - 2] != '\\')
			return (int)len;
		len -= 2;
	}
	if (ferror(r->file)) {
		log_error(r->log, "%s: %s", r->path, strerror(errno));
		return -EIO;
	}
	if (len)
		text[len] = '\0';
	return (int)len;
}

/* Takes one word out of *at, in place.  Returns its end, or NULL after a line: a quote is open. */
static char *take_word(const struct reader *r, char *at)
{
	char *to = at, quote = 0;

	for (; *at && (quote || !strchr(" \t\r\n", *at)); at++) {
		if (quote && *at == quote)
			quote = 0;
		else if (!quote && (*at == '"' || *at == '\''))
			quote = *at;
		else
			*to++ = *at;
	}
	if (quote) {
		wrong(r, "a %c is missing", quote);
		return NULL;
	}
	at += *at != '\0';
	*to = '\0';
	return at;
}

/* Cuts the text into its words.  Returns 0 or -EINVAL. */
static int cut(const struct reader *r, char *text, struct words_of *w)
{
	char *at = text;
	bool options = false;

	w->n = 0;
	w->colon = -1;
	for (;;) {
		size_t len;

		at += strspn(at, " \t\r\n");
		if (*at == '\0' || *at == '#')
			return 0;
		if (w->n == RUN_WORDS_MAX)
			return wrong(r, "more than %d words", RUN_WORDS_MAX);
		w->words[w->n] = at;
		at = take_word(r, at);
		if (!at)
			return -EINVAL;
		len = strlen(w->words[w->n]);
		/* Behind the first option a colon is part of a value. */
		options |= w->words[w->n][0] == '-';
		if (w->colon < 0 && !options && len && w->words[w->n][len - 1] == ':') {
			w->words[w->n][len - 1] = '\0';
			w->n += len > 1;
			w->colon = w->n;
		} else {
			w->n++;
		}
	}
}

/* A name becomes part of paths. */
static bool name_ok(const char *name)
{
	return *name && *name != '.' && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name) &&
	       strlen(name) <= 40;
}

/* What stands before the colon. */
static int take_own(const struct reader *r, const struct words_of *w, struct run_line *l)
{
	uint64_t n;

	if (w->colon == 0)
		return wrong(r, "a name is wanted before the colon");
	for (int i = 1; i < w->colon; i++) {
		const char *word = w->words[i];

		if (strcmp(word, "relay") == 0) {
			l->relay = true;
		} else if (strncmp(word, "restart=", 8) == 0 && opt_parse_number(word + 8, false, &n) == 0 && n <= 1000000) {
			l->restarts = (unsigned int)n;
		} else {
			return wrong(r, "%s: relay, or restart= with a number up to 1000000 is wanted before the colon", word);
		}
	}
	return 0;
}

/*
 * Whether word i is one of the options, as "--NAME=VALUE", or "--NAME" and the next word.
 * Returns the value, with *i at the last word that belongs to it; or NULL.
 */
static char *option_value(const struct words_of *w, int *i, const char *const *names)
{
	for (; *names; names++) {
		const size_t len = strlen(*names);
		char *word = w->words[*i];

		if (!word || strncmp(word, *names, len) != 0)
			continue;
		if (word[len] == '=')
			return word + len + 1;
		if (word[len] == '\0' && *i + 1 < w->n)
			return w->words[++*i];
		/* "-sPATH" */
		if (len == 2 && word[len])
			return word + len;
	}
	return NULL;
}

/* The device's call: what is run's is taken out of it. */
static int take_call(const struct reader *r, const struct words_of *w, struct run_line *l)
{
	static const char *const path[] = {"--socket-path", "--socket", "-s", NULL}, *const mode[] = {"--socket-mode", NULL},
				 *const control[] = {"--control", NULL}, *const connect[] = {"--connect", NULL},
				 *const fds[] = {"--fd", "--socket-fd", "--listen-fd", NULL};
	char why[120];
	bool connects = false;

	for (int i = w->colon < 0 ? 0 : w->colon; i < w->n; i++) {
		const int first = i;
		char *value;

		if ((value = option_value(w, &i, path))) {
			l->path = value;
			continue;
		}
		if ((value = option_value(w, &i, mode))) {
			if (common_parse_mode(value, &l->mode, why, sizeof(why)) < 0)
				return wrong(r, "--socket-mode=%s: %s", value, why);
			continue;
		}
		if (option_value(w, &i, fds))
			return wrong(r, "%s: the socket is run's; --socket-path=PATH is wanted", w->words[first]);
		if ((value = option_value(w, &i, control)))
			l->control = value;
		i = first;
		connects |= option_value(w, &i, connect) != NULL;
		for (int k = first; k <= i; k++)
			l->argv[l->argc++] = w->words[k];
	}
	if (connects && (l->path || l->relay))
		return wrong(r, "--connect goes without --socket-path and relay");
	l->path = connects ? NULL : l->path ? l->path : (char *)"";
	return 0;
}

/* Paths that no word says: DIR/NAME.sock, DIR/NAME.ctl; they and all words become the line's own. */
static int keep(const struct reader *r, struct run_line *l)
{
	char path[UNIX_PATH_LEN + 64], control[UNIX_PATH_LEN + 64];
	size_t size = strlen(l->name) + 1;
	char *to;

	snprintf(path, sizeof(path), "%s/%s.sock", r->dir, l->name);
	snprintf(control, sizeof(control), "%s/%s.ctl", r->dir, l->name);
	if (l->path && !*l->path)
		l->path = path;
	const bool own = !l->control;

	if (own)
		l->control = control;
	if ((l->path && !unix_path_fits(l->path)) || !unix_path_fits(l->control))
		return wrong(r, "%s: a socket's path of 1 to %d bytes is wanted", l->path ? l->path : l->control, UNIX_PATH_LEN);
	size += (l->path ? strlen(l->path) + 1 : 0) + strlen(l->control) + 1 + (own ? strlen(control) + 11 : 0);
	for (int i = 0; i < l->argc; i++)
		size += strlen(l->argv[i]) + 1;
	to = l->text = malloc(size);
	if (!to) {
		log_error(r->log, "out of memory");
		return -ENOMEM;
	}
	for (int i = 0; i < l->argc; i++) {
		char *word = to;

		to = stpcpy(to, l->argv[i]) + 1;
		l->argv[i] = word;
	}
	if (own) {
		l->argv[l->argc++] = to;
		to = stpcpy(stpcpy(to, "--control="), control) + 1;
	}
	char *name = to;

	to = stpcpy(to, l->name) + 1;
	l->name = name;
	if (l->path) {
		char *copy = to;

		to = stpcpy(to, l->path) + 1;
		l->path = copy;
	}
	strcpy(to, l->control);
	l->control = to;
	return 0;
}

/* Makes a line of its words.  Returns 0 or -errno after a line. */
static int make_line(const struct reader *r, const struct words_of *w, struct run_line *l)
{
	int err;

	*l = (struct run_line){.number = r->number, .mode = UINT64_MAX, .restarts = RESTARTS};
	err = w->colon < 0 ? 0 : take_own(r, w, l);
	if (err)
		return err;
	if (w->colon == w->n)
		return wrong(r, "a device is wanted behind the colon");
	l->name = w->words[0];
	if (!name_ok(l->name))
		return wrong(r, "%s: a name of 1 to 40 letters, digits, '.', '_' and '-' is wanted", l->name);
	err = take_call(r, w, l);
	return err ? err : keep(r, l);
}

static bool both_same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Whether the file has the line's name or socket already. */
static int check_unique(const struct reader *r, const struct run_file *f, const struct run_line *l)
{
	for (unsigned int i = 0; i < f->nlines; i++) {
		const struct run_line *other = &f->lines[i];

		if (both_same(other->name, l->name))
			return wrong(r, "%s: line %u has this name; another one is wanted, with a colon before the device", l->name,
				     other->number);
		if (both_same(other->path, l->path))
			return wrong(r, "%s: line %u has this socket", l->path, other->number);
		if (both_same(other->control, l->control))
			return wrong(r, "%s: line %u has this control socket", l->control, other->number);
	}
	return 0;
}

/* Reads the lines.  Returns 0 or -errno after a line. */
static int read_lines(struct reader *r, struct run_file *f)
{
	char text[RUN_TEXT_MAX];
	struct words_of w;
	int len;

	while ((len = read_text(r, text)) > 0) {
		struct run_line *l = &f->lines[f->nlines];
		int err = cut(r, text, &w);

		if (!err && !w.n && w.colon < 0)
			continue;
		if (!err && f->nlines == RUN_LINES_MAX)
			err = wrong(r, "more than %d devices", RUN_LINES_MAX);
		err = err ? err : make_line(r, &w, l);
		if (err)
			return err;
		err = check_unique(r, f, l);
		f->nlines++;
		if (err)
			return err;
	}
	return len;
}

int run_file_read(const char *path, const char *dir, struct log *log, struct run_file *out)
{
	struct reader r = {.path = path, .dir = dir, .log = log};
	int err;

	*out = (struct run_file){0};
	r.file = fopen(path, "re");
	if (!r.file) {
		err = -errno;
		log_error(log, "%s: %s", path, strerror(errno));
		return err;
	}
	out->lines = calloc(RUN_LINES_MAX, sizeof(*out->lines));
	if (!out->lines) {
		log_error(log, "out of memory");
		fclose(r.file);
		return -ENOMEM;
	}
	err = read_lines(&r, out);
	fclose(r.file);
	if (!err && !out->nlines) {
		log_usage(log, "%s: no device in it; a line such as \"rng --max-bytes=4096\" is wanted", path);
		err = -EINVAL;
	}
	if (err)
		run_file_free(out);
	return err;
}

void run_file_free(struct run_file *f)
{
	for (unsigned int i = 0; i < f->nlines; i++)
		free(f->lines[i].text);
	free(f->lines);
	*f = (struct run_file){0};
}

struct run_line *run_line_take(struct run_line *l)
{
	struct run_line *own = malloc(sizeof(*own));

	if (!own)
		return NULL;
	*own = *l;
	l->text = NULL;
	return own;
}

void run_line_free(struct run_line *l)
{
	if (!l)
		return;
	free(l->text);
	free(l);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool run_line_same(const struct run_line *a, const struct run_line *b)
{
	bool same = a->argc == b->argc && a->mode == b->mode && a->relay == b->relay && a->restarts == b->restarts &&
		    same_text(a->path, b->path) && same_text(a->control, b->control);

	for (int i = 0; same && i < a->argc; i++)
		same = same_text(a->argv[i], b->argv[i]);
	return same;
}
