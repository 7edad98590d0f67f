/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * opt.h - the option table and its four readers: the parser, --help, the man page, the JSON.
 *
 * A table is an array of struct opt that ends with a NULL name.  A value is stored at an offset in
 * the object the table describes (a device instance, the common options).
 */
#ifndef VDEVD_CORE_OPT_H
#define VDEVD_CORE_OPT_H

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "core/base.h"

struct json;

/* Text of the manual page, or none in a build without it (configure --without-help). */
#define MAN(text) (VDEVD_HAVE_MAN ? (text) : NULL)

enum opt_type {
	OPT_FLAG,  /* bool: no argument */
	OPT_TEXT,  /* const char *: points into argv */
	OPT_SOCKET, /* the same: the path of a Unix socket, neither empty nor too long for one */
	OPT_UINT,  /* uint64_t between min and max; decimal, 0x hexadecimal */
	OPT_BYTES, /* uint64_t between min and max; a suffix K, M or G multiplies by 1024 */
	OPT_FD,    /* int: number of an open file descriptor */
	OPT_WORD,  /* unsigned int: the index in .words of the word that was given */
	OPT_CALL,  /* handed to set(), once for each time it is given */
	OPT_KEYS,  /* options of the replaced daemon as "KEY=VALUE,KEY=VALUE", once; argv is written to */
};

struct opt {
	const char *name;  /* long name without the dashes */
	char letter;       /* short name, or 0 */
	enum opt_type type;
	size_t off;        /* of the value in the object; unused by OPT_CALL, OPT_KEYS */
	const char *arg;   /* what the argument is called in the help: "PATH"; NULL for OPT_FLAG */
	/* The default as the user would type it; NULL: none (0, NULL, false, -1).  OPT_CALL's is only shown. */
	const char *def;
	uint64_t min, max; /* of OPT_UINT and OPT_BYTES; max 0 means UINT64_MAX */
	const char *help;  /* one line of --help, at most 50 characters; NULL: parsed, but shown nowhere */
	const char *man;   /* the paragraph of the man page; NULL: the help line serves */
	const char *alias; /* more long names, separated by commas, always accepted */
	bool rare;	   /* left out of --help, which is to fit a screen; the manual has it */
	bool bare;         /* of two dashes and without =, its value is "": it never takes the next argument */
	bool once;         /* OPT_CALL: it cannot be given twice; others but OPT_FLAG never can */
	bool many;	   /* OPT_CALL: called as the daemon this replaces, "-d A B" are two values, "-dA" is one */
	const char *const *words; /* of OPT_WORD, ends with NULL */
	unsigned int kind; /* for set(), where one function serves several options */
	const char *compat; /* spellings of the daemon this replaces, "f,rng-source": one letter is short */
	/*
	 * OPT_CALL: takes one value.  Returns 0, or -EINVAL with a reason in why ("what would be right").
	 * o is the option itself; value stays valid for the life of the process.
	 */
	int (*set)(void *obj, const struct opt *o, const char *value, char *why, size_t why_size);
};

/* A table with the object its offsets are in and the heading its options have in --help. */
struct opt_group {
	const char *title;
	const struct opt *opts;
	void *obj;
};

/*
 * Stores the defaults of a group in its object.  Returns 0, or -EINVAL when a default does not parse, which is
 * a bug in the table.
 */
int opt_defaults(const struct opt_group *group);

/*
 * Parses argv[1..argc-1] ("--name=value", "--name value", "-n value", "-nvalue") against the groups, an
 * array that ends with a NULL opts; argv[0] is the name in its error lines ("rng" for "vdevd rng: ...").
 * compat: the spellings of the replaced daemon are accepted too, and win.
 * Returns the index of the first argument that is no option ("--" is stepped over; the others must be
 * options), or -EINVAL after it has written one line on stderr that names the option, the value and what
 * would be right.
 */
int opt_parse(const struct opt_group *groups, bool compat, int argc, char **argv);

/*
 * Refuses an argument that is no option, argv[next], where there is one; as opt_parse, for commands that have no others.
 * Returns 0, or -EINVAL after a line on stderr, which knows QEMU's "path=x", too.
 */
int opt_parse_end(const struct opt_group *groups, int argc, char **argv, int next);

/* The option of this long name (or alias) in the groups, or NULL. */
const struct opt *opt_find(const struct opt_group *groups, const char *name);

/* Writes the options as --help shows them, with those that are rare where all is set: at most 80 columns. */
void opt_print_help(FILE *out, const struct opt_group *groups, bool all);

/* Writes a line as it is, for a literal display: what is copied from the page can be pasted into a shell. */
void man_print_literal(FILE *out, const char *line);

/*
 * Writes the head of an option's item in an mdoc(7) list: its own names (own), then those of the spellings
 * (separated by commas, NULL for none) that are not its own.  Returns whether there was any.
 */
bool man_print_item(FILE *out, const struct opt *o, const char *spellings, bool own);

/* Writes the options as lists in mdoc(7), one below a heading for each group, for the man page. */
void opt_print_man(FILE *out, const struct opt_group *groups);

/*
 * Writes text as lines of mdoc(7): what could be taken for a request is escaped, an empty line becomes a paragraph,
 * each sentence begins on a line of its own.
 */
void man_print_text(FILE *out, const char *text);

/* Writes the options as a JSON array of objects (name, argument, default, help); name as for json_array. */
void opt_print_json(struct json *j, const char *name, const struct opt_group *groups);

/* Parses a number as OPT_UINT does, with K, M, G when bytes is set.  Returns 0, -EINVAL or -ERANGE. */
int opt_parse_number(const char *text, bool bytes, uint64_t *value);

/* How many letters must be inserted, deleted, changed or swapped with their neighbour to turn a into b; at most 99. */
unsigned int opt_distance(const char *a, const char *b);

/* A word this near to one that is known is taken for a misspelling of it. */
static inline bool opt_near(const char *word, unsigned int distance)
{
	return distance <= 1 + strlen(word) / 4;
}

#endif
