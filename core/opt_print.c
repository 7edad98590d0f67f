/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * opt_print.c - the option table's other readers: --help, the manual page (mdoc(7)), JSON (RFC 8259).
 */
#include <string.h>

#include "core/opt.h"

#include "core/json.h"

#define HELP_COLUMNS 80
#define HELP_INDENT  28

/* Writes words of text from column on, going over to a new line at the indent where they would not fit. */
static void print_wrapped(FILE *out, const char *text, size_t *column)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		if (*column > HELP_INDENT && *column + 1 + n > HELP_COLUMNS) {
			fprintf(out, "\n%*s", HELP_INDENT, "");
			*column = HELP_INDENT;
		} else if (*column > HELP_INDENT) {
			fputc(' ', out);
			(*column)++;
		}
		fprintf(out, "%.*s", (int)n, text);
		*column += n;
		text += n;
		text += strspn(text, " ");
	}
}

static void print_help_line(FILE *out, const struct opt *o)
{
	char left[HELP_COLUMNS], def[HELP_COLUMNS];
	size_t column = HELP_INDENT;
	int n;

	if (o->letter)
		n = snprintf(left, sizeof(left), "  -%c, --%s%s%s", o->letter, o->name, o->arg ? "=" : "",
			     o->arg ? o->arg : "");
	else
		n = snprintf(left, sizeof(left), "      --%s%s%s%s%s", o->name, o->bare ? "[" : "", o->arg ? "=" : "",
			     o->arg ? o->arg : "", o->bare ? "]" : "");
	if (n + 2 > HELP_INDENT)
		fprintf(out, "%s\n%*s", left, HELP_INDENT, "");
	else
		fprintf(out, "%-*s", HELP_INDENT, left);
	print_wrapped(out, o->help, &column);
	if (o->def) {
		snprintf(def, sizeof(def), "[%s]", o->def);
		print_wrapped(out, def, &column);
	}
	fputc('\n', out);
}

void opt_print_help(FILE *out, const struct opt_group *groups, bool all)
{
	for (const struct opt_group *g = groups; g->opts; g++) {
		fprintf(out, "\n%s:\n", g->title);
		for (const struct opt *o = g->opts; o->name; o++) {
			if (o->help && (all || !o->rare))
				print_help_line(out, o);
		}
	}
}

/* Writes the word of a manual page that is len long, so that nothing in it is taken for a request. */
static void print_man_word(FILE *out, const char *word, size_t len, bool line_start)
{
	/* An option's dashes are to be minus signs; others are hyphens. */
	bool dashes = true;

	if (line_start && (word[0] == '.' || word[0] == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '\\')
			fputs("\\e", out);
		else if (word[i] == '-' && dashes)
			fputs("\\-", out);
		else
			fputc(word[i], out);
		dashes = dashes && strchr("-[(\"", word[i]);
	}
}

void man_print_text(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " \n"), gap;

		if (column > 0 && column + 1 + n > 78) {
			fputc('\n', out);
			column = 0;
		} else if (column > 0) {
			fputc(' ', out);
			column++;
		}
		print_man_word(out, text, n, column == 0);
		column += n;
		gap = strspn(text + n, " \n");
		if (text[n] == '\n' && text[n + 1] == '\n' && text[n + gap]) {
			fputs("\n.Pp", out);
			column = 78;
		} else if (n > 0 && strchr(".?!", text[n - 1]) && text[n] && text[n + gap] >= 'A' &&
			   text[n + gap] <= 'Z') {
			column = 78; /* a sentence begins on a line of its own, so that its space is right */
		}
		text += n + gap;
	}
	fputc('\n', out);
}

void man_print_literal(FILE *out, const char *line)
{
	if (*line == '.' || *line == '\'')
		fputs("\\&", out);
	for (; *line; line++) {
		if (*line == '\\')
			fputs("\\e", out);
		else if (*line == '-')
			fputs("\\-", out);
		else
			fputc(*line, out);
	}
	fputc('\n', out);
}

/* Writes one more spelling of an option in an item's head. */
static void print_man_name(FILE *out, const char *sep, const char *name, size_t len, const char *arg)
{
	bool is_short = len == 1;

	fprintf(out, "%sFl %s%.*s", sep, is_short ? "" : "Fl ", (int)len, name);
	if (arg)
		fprintf(out, "%s%s", is_short ? " Ar " : " Ns = Ns Ar ", arg);
}

bool man_print_item(FILE *out, const struct opt *o, const char *spellings, bool own)
{
	const char *sep = ".It ";

	if (own && o->letter) {
		print_man_name(out, sep, &o->letter, 1, o->arg);
		sep = " , ";
	}
	if (own) {
		print_man_name(out, sep, o->name, strlen(o->name), o->arg);
		sep = " , ";
	}
	while (spellings && *spellings) {
		size_t n = strcspn(spellings, ",");
		bool known =
			n == 1 ? *spellings == o->letter : strlen(o->name) == n && strncmp(o->name, spellings, n) == 0;

		if (!known) {
			print_man_name(out, sep, spellings, n, o->arg);
			sep = " , ";
		}
		spellings += n + (spellings[n] == ',');
	}
	if (strcmp(sep, ".It ") == 0)
		return false;
	fputc('\n', out);
	return true;
}

void opt_print_man(FILE *out, const struct opt_group *groups)
{
	for (const struct opt_group *g = groups; g->opts; g++) {
		fprintf(out, ".Ss %s\n.Bl -tag -width Ds\n", g->title);
		for (const struct opt *o = g->opts; o->name; o++) {
			if (!o->help)
				continue;
			man_print_item(out, o, o->alias, true);
			man_print_text(out, o->man ? o->man : o->help);
			if (o->def)
				fprintf(out, "The default is\n.Ql %s .\n", o->def);
		}
		fputs(".El\n", out);
	}
}

/* Writes the words an OPT_WORD takes. */
static void print_words(struct json *j, const struct opt *o)
{
	if (o->type != OPT_WORD)
		return;
	json_array(j, "words", false);
	for (const char *const *w = o->words; *w; w++)
		json_text(j, NULL, *w);
	json_end(j);
}

void opt_print_json(struct json *j, const char *name, const struct opt_group *groups)
{
	json_array(j, name, true);
	for (const struct opt_group *g = groups; g->opts; g++) {
		for (const struct opt *o = g->opts; o->name; o++) {
			if (!o->help)
				continue;
			json_object(j, NULL, false);
			json_text(j, "name", o->name);
			json_text(j, "argument", o->arg);
			print_words(j, o);
			json_text(j, "default", o->def);
			json_text(j, "help", o->help);
			json_end(j);
		}
	}
	json_end(j);
}
