/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * opt.c - the option table's first reader: defaults and the command line.
 */
#include "core/opt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/unix_socket.h"

/* Longest reason why a value is refused. */
#define WHY_MAX 160

/* Longest option name that is compared for a misspelling. */
#define DISTANCE_MAX 40

/* A command line on its way through the parser. */
struct parse {
	const struct opt_group *groups;
	bool compat;
	bool keys; /* an OPT_KEYS was there */
	const char **given; /* each option, by its place in all groups, as it was given the first time; NULL: not yet */
	int argc;
	char **argv;
	int next; /* the next argument to look at */
	const char *at; /* the present one, or the present entry of an OPT_KEYS */
	struct log log;
};

/* An option where it was found. */
struct found {
	const struct opt *opt;
	void *obj;
	size_t place; /* in all groups */
};

/* The bits of a digit in the given base, or -1. */
static int digit_value(char c, unsigned int base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (base == 16 && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The factor of a size suffix, or 0. */
static uint64_t suffix_factor(const char *suffix)
{
	static const char letters[] = "KMG";
	const char *p;

	if (suffix[0] == '\0' || suffix[1] != '\0')
		return 0;
	p = strchr("kmg", suffix[0]);
	if (p)
		return UINT64_C(1024) << (10 * (p - "kmg"));
	p = strchr(letters, suffix[0]);
	return p ? UINT64_C(1024) << (10 * (p - letters)) : 0;
}

int opt_parse_number(const char *text, bool bytes, uint64_t *value)
{
	const char *p = text;
	unsigned int base = 10;
	uint64_t v = 0, factor = 1;
	bool over = false;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	if (digit_value(*p, base) < 0)
		return -EINVAL;
	for (; digit_value(*p, base) >= 0; p++) {
		over |= __builtin_mul_overflow(v, (uint64_t)base, &v);
		over |= __builtin_add_overflow(v, (uint64_t)digit_value(*p, base), &v);
	}
	if (*p != '\0') {
		factor = bytes ? suffix_factor(p) : 0;
		if (factor == 0)
			return -EINVAL;
	}
	over |= __builtin_mul_overflow(v, factor, &v);
	if (over)
		return -ERANGE;
	*value = v;
	return 0;
}

/* Writes a bound as a user would type it: 65536 as 64K where sizes are meant. */
static void print_bound(char *buf, size_t size, bool bytes, uint64_t v)
{
	static const char letters[] = "KMG";
	int n = -1;

	while (bytes && v != 0 && v % 1024 == 0 && n < 2) {
		v /= 1024;
		n++;
	}
	snprintf(buf, size, n < 0 ? "%llu" : "%llu%c", (unsigned long long)v, n < 0 ? 0 : letters[n]);
}

/* Writes the words of an OPT_WORD: "a, b or c". */
static void print_words(char *buf, size_t size, const char *const *words)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; words[i] && len < size; i++) {
		const char *sep = i == 0 ? "" : words[i + 1] ? ", " : " or ";

		len += (size_t)snprintf(buf + len, size - len, "%s%s", sep, words[i]);
	}
}

/* Writes which numbers would be right: "a number from 1 to 65536 is wanted". */
static void print_range(char *buf, size_t size, const struct opt *o)
{
	bool bytes = o->type == OPT_BYTES;
	const char *suffix = bytes ? ", perhaps with K, M or G," : "";
	char min[24], max[24];

	print_bound(min, sizeof(min), bytes, o->min);
	print_bound(max, sizeof(max), bytes, o->max);
	if (o->max != 0)
		snprintf(buf, size, "a number from %s to %s%s is wanted", min, max, suffix);
	else if (o->min != 0)
		snprintf(buf, size, "a number from %s up%s is wanted", min, suffix);
	else
		snprintf(buf, size, "a number%s is wanted", suffix);
}

/* Writes what would be right as an option's value. */
static void print_wanted(char *buf, size_t size, const struct opt *o)
{
	char words[WHY_MAX / 2];

	switch (o->type) {
	case OPT_UINT:
	case OPT_BYTES:
		print_range(buf, size, o);
		return;
	case OPT_SOCKET:
		snprintf(buf, size, "a path of 1 to %d bytes is wanted", UNIX_PATH_LEN);
		return;
	case OPT_FD:
		snprintf(buf, size, "the number of an open file descriptor is wanted");
		return;
	case OPT_WORD:
		print_words(words, sizeof(words), o->words);
		snprintf(buf, size, "%s is wanted", words);
		return;
	default:
		snprintf(buf, size, "%s is wanted", o->arg ? o->arg : "a value");
	}
}

/* Stores a number after a look at its bounds.  Returns 0 or -EINVAL with the reason in why. */
static int store_number(const struct opt *o, void *at, const char *value, char *why, size_t why_size)
{
	uint64_t max = o->max ? o->max : UINT64_MAX, v = 0;
	int ret = opt_parse_number(value, o->type == OPT_BYTES, &v);
	char wanted[WHY_MAX - 20];

	if (ret == 0 && v >= o->min && v <= max) {
		memcpy(at, &v, sizeof(v));
		return 0;
	}
	print_wanted(wanted, sizeof(wanted), o);
	snprintf(why, why_size, "%s (%s)", ret == -EINVAL ? "not a number" : "out of range", wanted);
	return -EINVAL;
}

/* Stores the number of an open descriptor.  Returns 0 or -EINVAL with the reason in why. */
static int store_fd(const struct opt *o, void *at, const char *value, char *why, size_t why_size)
{
	uint64_t v = 0;
	int ret = opt_parse_number(value, false, &v), fd;
	char wanted[WHY_MAX / 2];

	if (ret == 0 && v <= INT_MAX) {
		fd = (int)v;
		if (fcntl(fd, F_GETFD) >= 0) {
			memcpy(at, &fd, sizeof(fd));
			return 0;
		}
	}
	print_wanted(wanted, sizeof(wanted), o);
	snprintf(why, why_size, "%s (%s)", ret == -EINVAL ? "not a number" : "not open", wanted);
	return -EINVAL;
}

/* Stores the index of a word.  Returns 0 or -EINVAL with the reason in why. */
static int store_word(const struct opt *o, void *at, const char *value, char *why, size_t why_size)
{
	char wanted[WHY_MAX - 20];

	for (unsigned int i = 0; o->words[i]; i++) {
		if (strcmp(value, o->words[i]) == 0) {
			memcpy(at, &i, sizeof(i));
			return 0;
		}
	}
	print_wanted(wanted, sizeof(wanted), o);
	snprintf(why, why_size, "unknown (%s)", wanted);
	return -EINVAL;
}

/* Stores a value; NULL for a flag.  Returns 0 or -EINVAL with the reason in why. */
static int store(const struct found *f, const char *value, char *why, size_t why_size)
{
	const struct opt *o = f->opt;
	void *at = (char *)f->obj + o->off;

	why[0] = '\0';
	switch (o->type) {
	case OPT_FLAG:
		*(bool *)at = true;
		return 0;
	case OPT_SOCKET:
		if (!unix_path_fits(value)) {
			print_wanted(why, why_size, o);
			return -EINVAL;
		}
		/* fall through */
	case OPT_TEXT:
		memcpy(at, &value, sizeof(value));
		return 0;
	case OPT_UINT:
	case OPT_BYTES:
		return store_number(o, at, value, why, why_size);
	case OPT_FD:
		return store_fd(o, at, value, why, why_size);
	case OPT_WORD:
		return store_word(o, at, value, why, why_size);
	case OPT_CALL:
		return o->set(f->obj, o, value, why, why_size);
	case OPT_KEYS:
		break; /* parse_keys */
	}
	return -EINVAL;
}

/* Stores what an option without a default begins with. */
static void store_none(const struct opt *o, void *obj)
{
	static const size_t sizes[] = {
		[OPT_FLAG] = sizeof(bool),	[OPT_TEXT] = sizeof(char *), [OPT_SOCKET] = sizeof(char *), [OPT_UINT] = sizeof(uint64_t),
		[OPT_BYTES] = sizeof(uint64_t), [OPT_FD] = sizeof(int),	     [OPT_WORD] = sizeof(unsigned int),
		[OPT_CALL] = 0,			[OPT_KEYS] = 0,
	};

	memset((char *)obj + o->off, o->type == OPT_FD ? 0xff : 0, sizes[o->type]);
}

int opt_defaults(const struct opt_group *group)
{
	char why[WHY_MAX];

	for (const struct opt *o = group->opts; o->name; o++) {
		struct found f = {o, group->obj, 0};

		store_none(o, group->obj);
		if (!o->def || o->type == OPT_CALL)
			continue;
		if (store(&f, o->def, why, sizeof(why)) < 0) {
			log_error(NULL, "the default of --%s is %s: %s", o->name, o->def, why);
			return -EINVAL;
		}
	}
	return 0;
}

/* Whether a comma-separated list, which may be NULL, has this word. */
static bool list_has(const char *list, const char *word, size_t len)
{
	while (list && *list) {
		size_t n = strcspn(list, ",");

		if (n == len && memcmp(list, word, n) == 0)
			return true;
		list += n;
		list += *list == ',';
	}
	return false;
}

static bool name_is(const struct opt *o, const char *name, size_t len)
{
	return (strlen(o->name) == len && memcmp(o->name, name, len) == 0) || list_has(o->alias, name, len);
}

/*
 * Finds the option that is spelled like this: a long name, or one letter when is_short is set.  The replaced
 * daemon's spellings are looked up first, because they win.
 */
static bool find(const struct parse *p, const char *word, size_t len, bool is_short, struct found *f)
{
	for (int pass = p->compat ? 0 : 1; pass < 2; pass++) {
		size_t place = 0;

		for (const struct opt_group *g = p->groups; g->opts; g++) {
			for (const struct opt *o = g->opts; o->name; o++) {
				bool hit;

				if (pass == 0)
					hit = (len == 1) == is_short && list_has(o->compat, word, len);
				else
					hit = is_short ? o->letter == word[0] : name_is(o, word, len);
				if (hit) {
					*f = (struct found){o, g->obj, place};
					return true;
				}
				place++;
			}
		}
	}
	return false;
}

const struct opt *opt_find(const struct opt_group *groups, const char *name)
{
	struct parse p = {.groups = groups};
	struct found f;

	return find(&p, name, strlen(name), false, &f) ? f.opt : NULL;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned int opt_distance(const char *a, const char *b)
{
	/* Three rows of the table of distances between the beginnings of a and of b. */
	unsigned int rows[3][DISTANCE_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > DISTANCE_MAX || lb > DISTANCE_MAX)
		return 99;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned int *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] = min3(row[j - 1] + 1, up[j] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min3(row[j], up2[j - 2] + 1, UINT_MAX);
		}
	}
	return rows[la % 3][lb];
}

/* The long name nearest to a word that is none, or NULL. */
static const char *find_near(const struct parse *p, const char *word)
{
	const char *best = NULL;
	unsigned int least = 99;

	for (const struct opt_group *g = p->groups; g->opts; g++) {
		for (const struct opt *o = g->opts; o->name; o++) {
			unsigned int distance = opt_distance(word, o->name);

			/* An unfinished name is as near as can be. */
			if (strlen(word) > 2 && strncmp(o->name, word, strlen(word)) == 0)
				distance = 1;
			if (o->help && distance < least) {
				least = distance;
				best = o->name;
			}
		}
	}
	return opt_near(word, least) ? best : NULL;
}

/* Says that there is no such option.  dashes and word: as it was given, without its value. */
static int unknown_option(struct parse *p, const char *dashes, const char *word)
{
	const char *near = dashes[1] ? find_near(p, word) : NULL;

	if (near)
		log_usage(&p->log, "%s%s: unknown option (did you mean --%s?)", dashes, word, near);
	else
		log_usage(&p->log, "%s%s: unknown option (vdevd %s --help lists them)", dashes, word, p->argv[0]);
	return -EINVAL;
}

/* Notes that an option is there.  Returns -EINVAL after a line where it is for the second time, and cannot be. */
static int note_given(struct parse *p, const struct found *f, const char *shown, const char *value)
{
	const char **first = &p->given[f->place];
	bool is_long = shown[1] == '-';

	if (f->opt->type == OPT_CALL && !f->opt->once)
		return 0;
	if (!*first) {
		*first = p->at;
		return 0;
	}
	log_usage(&p->log, "%s%s%s: given twice (the first is %s)", shown, is_long ? "=" : " ", value, *first);
	return -EINVAL;
}

/*
 * Takes the value of an option, from the same argument (value) or else the next one, and stores it.
 * shown: the option as it was given, "--period" or "-p".
 */
static int take_value(struct parse *p, const struct found *f, const char *shown, const char *value)
{
	char why[WHY_MAX];
	bool is_long = shown[1] == '-';

	bool more = p->compat && f->opt->many && !value;

	if (!value && p->next < p->argc)
		value = p->argv[p->next++];
	if (!value) {
		print_wanted(why, sizeof(why), f->opt);
		log_usage(&p->log, "%s: its value is missing (%s)", shown, why);
		return -EINVAL;
	}
	if (note_given(p, f, shown, value) < 0)
		return -EINVAL;
	while (store(f, value, why, sizeof(why)) == 0) {
		if (!more || p->next >= p->argc || p->argv[p->next][0] == '-')
			return 0;
		value = p->argv[p->next++];
	}
	log_usage(&p->log, "%s%s%s: %s", shown, is_long ? "=" : " ", value, why);
	return -EINVAL;
}

/* One "KEY=VALUE" of the option that is shown; in a key, _ is as good as -. */
static int parse_key(struct parse *p, const char *shown, char *entry)
{
	size_t len = strcspn(entry, "=");
	char name[64] = "--";
	struct found f;

	for (size_t i = 0; i < len && i + 3 < sizeof(name); i++)
		name[i + 2] = (char)(entry[i] == '_' ? '-' : entry[i]);
	if (!find(p, name + 2, strlen(name + 2), false, &f) || !f.opt->compat || f.opt->type == OPT_KEYS) {
		log_usage(&p->log, "%s: unknown key '%.*s' (keys are options without their dashes)", shown, (int)min_size(len, 60),
			  entry);
		return -EINVAL;
	}
	if (!entry[len]) {
		log_usage(&p->log, "%s: the value of '%s' is missing (KEY=VALUE, with commas between)", shown, entry);
		return -EINVAL;
	}
	p->at = entry;
	return take_value(p, &f, name, entry + len + 1);
}

/* The value of an OPT_KEYS. */
static int parse_keys(struct parse *p, const char *shown, char *list)
{
	char *entry;

	if (!list && p->next < p->argc)
		list = p->argv[p->next++];
	if (!list) {
		log_usage(&p->log, "%s: its value is missing (KEY=VALUE, with commas between)", shown);
		return -EINVAL;
	}
	if (p->keys) {
		log_usage(&p->log, "%s: a second one, but a process serves one guest: start one for each", shown);
		return -EINVAL;
	}
	p->keys = true;
	while ((entry = strsep(&list, ","))) {
		if (parse_key(p, shown, entry) < 0)
			return -EINVAL;
	}
	return 0;
}

/* "--name", "--name=value" */
static int parse_long(struct parse *p, char *arg)
{
	const char *word = arg + 2;
	char *value = strchr(arg, '=');
	size_t len = value ? (size_t)(value - word) : strlen(word);
	char shown[64];
	struct found f;

	snprintf(shown, sizeof(shown), "%.*s", (int)min_size(len + 2, sizeof(shown)), arg);
	if (!find(p, word, len, false, &f))
		return unknown_option(p, "--", shown + 2);
	if (f.opt->type == OPT_KEYS)
		return parse_keys(p, shown, value ? value + 1 : NULL);
	if (f.opt->type != OPT_FLAG)
		return take_value(p, &f, shown, value ? value + 1 : f.opt->bare ? "" : NULL);
	if (value) {
		log_usage(&p->log, "%s: takes no value", arg);
		return -EINVAL;
	}
	return store(&f, NULL, shown, sizeof(shown));
}

/*
 * Whether "-socket-path=x" is meant to be a long option: its word, before a =, is the name of one, or nearly.  Returns the name, or
 * NULL.
 */
static const char *long_meant(const struct parse *p, const char *word)
{
	size_t len = strcspn(word, "=");
	char name[DISTANCE_MAX] = "";
	struct found f;

	if (len < 2 || len >= sizeof(name))
		return NULL;
	memcpy(name, word, len);
	if (find(p, word, len, false, &f))
		return f.opt->name;
	return word[len] && len > 2 ? find_near(p, name) : NULL;
}

/* "-n", "-n value", "-nvalue", and several flags in one: "-hV" */
static int parse_short(struct parse *p, const char *arg)
{
	const char *meant = long_meant(p, arg + 1);

	if (meant) {
		log_usage(&p->log, "%s: two dashes are wanted: --%s%s", arg, meant, arg + strcspn(arg, "="));
		return -EINVAL;
	}
	for (const char *letter = arg + 1; *letter; letter++) {
		char shown[3] = {'-', *letter, '\0'}, why[WHY_MAX];
		const char *value = letter + 1;
		struct found f;

		if (!find(p, letter, 1, true, &f))
			return unknown_option(p, "-", shown + 1);
		if (f.opt->type != OPT_FLAG) {
			/* The replaced daemons' parser steps over this sign. */
			if (p->compat && *value == '=')
				value++;
			return take_value(p, &f, shown, *value ? value : NULL);
		}
		store(&f, NULL, why, sizeof(why));
	}
	return 0;
}

/* Parses up to the first argument that is no option.  Returns its index or -EINVAL. */
static int parse_all(struct parse *p)
{
	while (p->next < p->argc) {
		char *arg = p->argv[p->next];
		int ret;

		if (arg[0] != '-' || arg[1] == '\0')
			break;
		p->next++;
		if (strcmp(arg, "--") == 0)
			break;
		p->at = arg;
		ret = arg[1] == '-' ? parse_long(p, arg) : parse_short(p, arg);
		if (ret < 0)
			return ret;
	}
	return p->next;
}

int opt_parse(const struct opt_group *groups, bool compat, int argc, char **argv)
{
	struct parse p = {
		.groups = groups,
		.compat = compat,
		.argc = argc,
		.argv = argv,
		.next = 1,
		.log = {.prefix = argv[0]},
	};
	size_t count = 1;
	int ret;

	for (const struct opt_group *g = groups; g->opts; g++) {
		for (const struct opt *o = g->opts; o->name; o++)
			count++;
	}
	p.given = calloc(count, sizeof(*p.given));
	if (!p.given) {
		log_error(&p.log, "out of memory");
		return -ENOMEM;
	}
	ret = parse_all(&p);
	free(p.given);
	return ret;
}

int opt_parse_end(const struct opt_group *groups, int argc, char **argv, int next)
{
	struct log log = {.prefix = argv[0]};
	char name[DISTANCE_MAX] = "";
	const struct opt *o;
	size_t len;

	if (next >= argc)
		return 0;
	len = strcspn(argv[next], "=");
	if (argv[next][len] && len < sizeof(name))
		memcpy(name, argv[next], len);
	/* QEMU's name for the socket of a character device. */
	o = opt_find(groups, strcmp(name, "path") == 0 ? "socket-path" : name);
	if (o)
		log_usage(&log, "%s: an argument too many (options have dashes: --%s%s)", argv[next], o->name, argv[next] + len);
	else
		log_usage(&log, "%s: an argument too many", argv[next]);
	return -EINVAL;
}
