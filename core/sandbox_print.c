/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox_print.c - the needs of a process for its readers: --print-sandbox, JSON (RFC 8259), the manual (mdoc(7)); see
 * sandbox.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/sandbox_impl.h"

/* The lines of all tables, sorted, so that what is one to the kernel stands together. */
struct call_list {
	const struct sandbox_call **calls;
	size_t n;
};

static int compare_checks(const struct sandbox_check *a, const struct sandbox_check *b)
{
	if (a->test != b->test)
		return a->test < b->test ? -1 : 1;
	if (a->arg != b->arg)
		return a->arg < b->arg ? -1 : 1;
	return a->value == b->value ? 0 : a->value < b->value ? -1 : 1;
}

static int compare_calls(const struct sandbox_call *a, const struct sandbox_call *b)
{
	int order = strcmp(a->name, b->name);

	for (unsigned int i = 0; !order && i < SANDBOX_CHECKS; i++)
		order = compare_checks(&a->checks[i], &b->checks[i]);
	return order;
}

static int compare_lines(const void *a, const void *b)
{
	const struct sandbox_call *x = *(const struct sandbox_call *const *)a,
				  *y = *(const struct sandbox_call *const *)b;
	int order = compare_calls(x, y);

	return order ? order : strcmp(x->why, y->why);
}

/* Returns an empty list when memory is short. */
static struct call_list list_calls(const struct sandbox *s)
{
	struct call_list l = {0};
	size_t n = 0;

	for (size_t i = 0; i < s->ntables; i++) {
		for (const struct sandbox_call *c = s->tables[i]; c->name; c++)
			n++;
	}
	l.calls = calloc(n + 1, sizeof(struct sandbox_call *));
	for (size_t i = 0; l.calls && i < s->ntables; i++) {
		for (const struct sandbox_call *c = s->tables[i]; c->name; c++)
			l.calls[l.n++] = c;
	}
	if (l.calls)
		qsort((void *)l.calls, l.n, sizeof(struct sandbox_call *), compare_lines);
	return l;
}

/* How many lines from i on are one to the kernel. */
static size_t run_of(const struct call_list *l, size_t i)
{
	size_t n = 1;

	while (i + n < l->n && compare_calls(l->calls[i], l->calls[i + n]) == 0)
		n++;
	return n;
}

/* Says what is looked at of the arguments: " (argument 2 without 0x4)". */
static void write_checks(char *text, size_t size, const struct sandbox_call *c)
{
	size_t at = 0;

	*text = '\0';
	for (unsigned int i = 0; i < SANDBOX_CHECKS && c->checks[i].test != SANDBOX_ANY; i++) {
		static const char *const words[] = {
			[SANDBOX_IS] = "is", [SANDBOX_SET] = "with", [SANDBOX_CLEAR] = "without", [SANDBOX_OWN] = "is"};
		const struct sandbox_check *k = &c->checks[i];
		int n = k->test == SANDBOX_OWN
				? snprintf(text + at, size - at, "%sargument %u is its own", i ? ", " : "", k->arg + 1)
				: snprintf(text + at, size - at, "%sargument %u %s 0x%" PRIx64, i ? ", " : "",
					   k->arg + 1, words[k->test], k->value);

		at += n > 0 ? min_size((size_t)n, size - at - 1) : 0;
	}
}

/* Writes the reasons of a run, each once. */
static void print_reasons(FILE *out, const struct call_list *l, size_t i, size_t n)
{
	for (size_t k = i; k < i + n; k++) {
		if (k == i || strcmp(l->calls[k]->why, l->calls[k - 1]->why) != 0)
			fprintf(out, "%s%s", k == i ? "" : "; ", l->calls[k]->why);
	}
}

static const struct {
	unsigned int bit;
	const char *word;
} access_words[] = {
	{SANDBOX_READ, "read"},	      {SANDBOX_WRITE, "write"},
	{SANDBOX_DEVICE, "ioctl"},    {SANDBOX_MAKE, "make and remove"},
	{SANDBOX_CONNECT, "connect"}, {SANDBOX_TREE, "all with what is beneath"},
};

static void print_access(FILE *out, unsigned int access)
{
	const char *sep = "";

	for (size_t i = 0; i < ARRAY_SIZE(access_words); i++) {
		if (!(access & access_words[i].bit))
			continue;
		fprintf(out, "%s%s", sep, access_words[i].word);
		sep = ", ";
	}
}

static void cap_word(char *text, size_t size, unsigned int cap)
{
	const char *name = sandbox_cap_name(cap);

	if (name)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "capability %u", cap);
}

/* ---- for people */

static void print_calls(FILE *out, const struct sandbox *s, const struct sandbox_opts *o)
{
	struct call_list l = list_calls(s);
	int count = sandbox_count(s);
	char checks[120];

	if (count < 0)
		fputs("System calls: any, since this vdevd was built without libseccomp; with it, these alone:\n", out);
	else
		fprintf(out, "System calls: %d numbers of this machine; any other %s:\n", count,
			o->log_only ? "is told in the kernel's log" : "ends the process");
	for (size_t i = 0; i < l.n;) {
		size_t n = run_of(&l, i);

		fprintf(out, "  %-18s ", l.calls[i]->name);
		print_reasons(out, &l, i, n);
		write_checks(checks, sizeof(checks), l.calls[i]);
		fprintf(out, "%s%s%s\n", *checks ? " (" : "", checks, *checks ? ")" : "");
		i += n;
	}
	free((void *)l.calls);
}

static void print_layers(FILE *out, const struct sandbox_opts *o)
{
	const char *sep = " ";

	fputs("Layers:", out);
	for (unsigned int i = 0; i < SANDBOX_LAYERS; i++) {
		if (!(o->layers & BIT(i)))
			continue;
		fprintf(out, "%s%s%s", sep, sandbox_layer_name(i), o->required & BIT(i) ? " (required)" : "");
		sep = ", ";
	}
	fputs(o->layers ? "\n" : " none\n", out);
}

void sandbox_print(const struct sandbox *s, const struct sandbox_opts *o, FILE *out)
{
	char word[40];

	print_layers(out, o);
	print_calls(out, s, o);
	fputs(s->npaths ? "Files that can be opened later, and folders with all beneath:\n"
			: "Files that can be opened later: none\n",
	      out);
	for (size_t i = 0; i < s->npaths; i++) {
		fprintf(out, "  %-18s ", s->paths[i].path);
		print_access(out, s->paths[i].access);
		fprintf(out, ": %s\n", s->paths[i].why);
	}
	if (s->nports)
		fputs("TCP ports that can be connected to:\n", out);
	for (size_t i = 0; i < s->nports; i++)
		fprintf(out, "  %-18u %s\n", s->ports[i].port, s->ports[i].why);
	if (s->share & SANDBOX_NETWORK)
		fprintf(out, "Network: the host's: %s\n", s->network_why);
	else
		fputs("Network: none\n", out);
	fputs(s->ncaps ? "Capabilities:\n" : "Capabilities: none\n", out);
	for (size_t i = 0; i < s->ncaps; i++) {
		cap_word(word, sizeof(word), s->caps[i].cap);
		fprintf(out, "  %-18s %s\n", word, s->caps[i].why);
	}
}

/* ---- JSON */

static void json_member(FILE *out, const char *name, const char *value)
{
	fprintf(out, "\"%s\": ", name);
	json_print_string(out, value);
}

static void json_calls(FILE *out, const struct sandbox *s)
{
	struct call_list l = list_calls(s);
	char checks[120];

	fputs("  \"system-calls\": [", out);
	for (size_t i = 0; i < l.n; i++) {
		if (i && compare_lines(&l.calls[i], &l.calls[i - 1]) == 0)
			continue;
		fprintf(out, "%s    {", i ? ",\n" : "\n");
		json_member(out, "name", l.calls[i]->name);
		write_checks(checks, sizeof(checks), l.calls[i]);
		if (*checks) {
			fputs(", ", out);
			json_member(out, "only", checks);
		}
		fputs(", ", out);
		json_member(out, "why", l.calls[i]->why);
		fputc('}', out);
	}
	fputs("\n  ],\n", out);
	free((void *)l.calls);
}

static void json_layers(FILE *out, const struct sandbox_opts *o)
{
	const char *sep = "";

	fputs("  \"layers\": [", out);
	for (unsigned int i = 0; i < SANDBOX_LAYERS; i++) {
		if (!(o->layers & BIT(i)))
			continue;
		fprintf(out, "%s{", sep);
		json_member(out, "name", sandbox_layer_name(i));
		fprintf(out, ", \"required\": %s}", o->required & BIT(i) ? "true" : "false");
		sep = ", ";
	}
	fputs("],\n", out);
}

static void json_paths(FILE *out, const struct sandbox *s)
{
	fputs("  \"files\": [", out);
	for (size_t i = 0; i < s->npaths; i++) {
		fputs(i ? ",\n    {" : "\n    {", out);
		json_member(out, "path", s->paths[i].path);
		fputs(", \"access\": \"", out);
		print_access(out, s->paths[i].access);
		fputs("\", ", out);
		json_member(out, "why", s->paths[i].why);
		fputc('}', out);
	}
	fputs(s->npaths ? "\n  ],\n" : "],\n", out);
}

void sandbox_print_json(const struct sandbox *s, const struct sandbox_opts *o, FILE *out)
{
	char word[40];

	fputs("{\n", out);
	json_layers(out, o);
	fprintf(out, "  \"system-call-numbers\": %d,\n", sandbox_count(s));
	json_calls(out, s);
	json_paths(out, s);
	fputs("  \"tcp-ports\": [", out);
	for (size_t i = 0; i < s->nports; i++)
		fprintf(out, "%s%u", i ? ", " : "", s->ports[i].port);
	fprintf(out, "],\n  \"host-network\": %s,\n  \"capabilities\": [",
		s->share & SANDBOX_NETWORK ? "true" : "false");
	for (size_t i = 0; i < s->ncaps; i++) {
		cap_word(word, sizeof(word), s->caps[i].cap);
		fputs(i ? ", " : "", out);
		json_print_string(out, word);
	}
	fputs("]\n}\n", out);
}

/* ---- the manual */

void sandbox_print_man(const struct sandbox *s, FILE *out)
{
	struct call_list l = list_calls(s);

	fputs(".Pp\nThe system calls that remain:\n.Bl -tag -width clock_gettime -compact\n", out);
	for (size_t i = 0; i < l.n;) {
		size_t first = i;

		fprintf(out, ".It Xr %s 2\n", l.calls[i]->name);
		/* Lines about one call that differ in what is looked at: their reasons in one. */
		for (; i < l.n && strcmp(l.calls[i]->name, l.calls[first]->name) == 0; i++) {
			bool told = false;

			for (size_t k = first; k < i; k++)
				told |= strcmp(l.calls[k]->why, l.calls[i]->why) == 0;
			if (!told)
				fprintf(out, "%s%s", i == first ? "" : ";\n", l.calls[i]->why);
		}
		fputc('\n', out);
	}
	fputs(".El\n", out);
	free((void *)l.calls);
}
