/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * completion.c - "--print-completion=SHELL": what bash, zsh or fish complete the words of a call by, from the option tables
 * of the devices and commands of this executable and of the modules there are.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/common.h"
#include "core/module.h"

/* A device or a command, as the first word of a call. */
struct subject {
	const char *name, *summary;
	const struct opt_group *groups; /* ends with NULL opts */
	bool device;
};

/* How a shell is told of it. */
struct shell {
	const char *name;
	void (*begin)(void);
	void (*subject)(const struct subject *s);
	void (*end)(void);
};

static const struct {
	const char *name, *summary;
	const struct opt *opts;
} commands[] = {
	{"list", "the devices there are", list_opts},
#if VDEVD_HAVE_PROBE
	{"probe", "asks a back end what it is, and tries it", probe_opts},
#endif
	{"relay", "lets a back end be restarted unnoticed", relay_opts},
	{"run", "serves many devices, named in a file", run_opts},
	{"status", "shows how those are", NULL},
	{"ctl", "gives a running device a command", ctl_opts},
};

/* Writes text with a backslash before each of these characters; a single quote as the shell wants it within quotes. */
static void print_escaped(const char *text, const char *special, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'') {
			fputs(quote, stdout);
			continue;
		}
		if (strchr(special, *text))
			putchar('\\');
		putchar(*text);
	}
}

static void print_words(const struct opt *o)
{
	for (const char *const *w = o->words; *w; w++)
		printf("%s%s", w == o->words ? "" : " ", *w);
}

static bool takes_value(const struct opt *o)
{
	return o->arg && !o->bare;
}

/* A walk over the options of a subject, those that are shown. */
struct walk {
	const struct opt_group *group;
	const struct opt *o;
};

/* Goes on to the next one; false at the end. */
static bool walk_next(struct walk *w)
{
	w->o = w->o ? w->o + 1 : w->group->opts;
	while (w->o) {
		for (; w->o->name; w->o++) {
			if (w->o->help)
				return true;
		}
		w->o = (++w->group)->opts;
	}
	return false;
}

/* ---- bash: a function that prints the words of a place, and one that finds the place */

static void bash_begin(void)
{
	puts("# Completion of vdevd for bash, written by vdevd --print-completion=bash.\n"
	     "\n"
	     "# What can stand behind a device or command, or (\"rng:--xen\") as an option's value.\n"
	     "_vdevd_words()\n"
	     "{\n"
	     "\tcase $1 in");
}

static void bash_subject(const struct subject *s)
{
	printf("\t%s) echo '", s->name);
	for (struct walk w = {s->groups, NULL}; walk_next(&w);)
		printf("--%s%s ", w.o->name, takes_value(w.o) ? "=" : "");
	puts("' ;;");
	for (struct walk w = {s->groups, NULL}; walk_next(&w);) {
		const struct opt *o = w.o;

		if (o->type != OPT_WORD)
			continue;
		printf("\t%s:--%s) echo '", s->name, o->name);
		print_words(o);
		puts("' ;;");
	}
}

static int print_module_name(void *arg, const char *name)
{
	printf("%s%s ", (const char *)arg, name);
	return 0;
}

static void print_devices(const char *prefix)
{
	for (const struct vdev_class *const *c = vdev_classes; *c; c++)
		printf("%s%s ", prefix, (*c)->name);
	module_each(vdev_module_dir, print_module_name, (void *)prefix);
}

static void bash_end(void)
{
	printf("\thelp) echo '");
	print_devices("");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("%s ", commands[i].name);
	puts("' ;;\n"
	     "\tesac\n"
	     "}\n"
	     "\n"
	     "_vdevd()\n"
	     "{\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev='' subject=${COMP_WORDS[0]##*/} option='' words=''\n"
	     "\tCOMPREPLY=()\n"
	     "\tif [[ $subject != vdevd-* ]]; then\n"
	     "\t\tif ((COMP_CWORD < 2)); then\n"
	     "\t\t\tmapfile -t COMPREPLY < <(compgen -W \"help --version $(_vdevd_words help)\" -- \"$cur\")\n"
	     "\t\t\treturn\n"
	     "\t\tfi\n"
	     "\t\tsubject=${COMP_WORDS[1]}\n"
	     "\tfi\n"
	     "\tsubject=${subject#vdevd-}\n"
	     "\tprev=${COMP_WORDS[COMP_CWORD-1]}\n"
	     "\t# The \"=\" behind an option is a word of its own.\n"
	     "\tif [[ $cur == = ]]; then\n"
	     "\t\toption=$prev cur=''\n"
	     "\telif [[ $prev == = ]]; then\n"
	     "\t\toption=${COMP_WORDS[COMP_CWORD-2]}\n"
	     "\telif [[ \" $(_vdevd_words \"$subject\") \" == *\" $prev= \"* ]]; then\n"
	     "\t\toption=$prev\n"
	     "\tfi\n"
	     "\tif [[ $option ]]; then\n"
	     "\t\twords=$(_vdevd_words \"$subject:$option\")\n"
	     "\telif [[ $cur == -* || $subject == help ]]; then\n"
	     "\t\twords=$(_vdevd_words \"$subject\")\n"
	     "\tfi\n"
	     "\tif [[ $words ]]; then\n"
	     "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	     "\t\t[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null\n"
	     "\telse\n"
	     "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	     "\t\tcompopt -o filenames 2>/dev/null\n"
	     "\tfi\n"
	     "}");
	printf("complete -F _vdevd vdevd ");
	print_devices("vdevd-");
	putchar('\n');
}

/* ---- zsh: a call of _arguments for each subject */

static void zsh_begin(void)
{
	puts("#compdef vdevd -P vdevd-*\n"
	     "# Completion of vdevd for zsh, written by vdevd --print-completion=zsh.\n"
	     "\n"
	     "_vdevd_names=()\n"
	     "\n"
	     "_vdevd_arguments()\n"
	     "{\n"
	     "\tcase $1 in\n"
	     "\thelp) _describe 'device or command' _vdevd_names ;;");
}

/* One spelling of an option: its name, its help, its value. */
static void zsh_option(const struct opt *o, bool letter)
{
	if (letter)
		printf(" \\\n\t\t'-%c%s[", o->letter, takes_value(o) ? "+" : "");
	else
		printf(" \\\n\t\t'--%s%s[", o->name, takes_value(o) ? "=" : "");
	print_escaped(o->help, "[]\\", "'\\''");
	putchar(']');
	if (takes_value(o)) {
		putchar(':');
		print_escaped(o->arg, ":\\", "'\\''");
		putchar(':');
		if (o->type == OPT_WORD) {
			putchar('(');
			print_words(o);
			putchar(')');
		} else {
			fputs("_files", stdout);
		}
	}
	putchar('\'');
}

static void zsh_subject(const struct subject *s)
{
	printf("\t%s)\n\t\t_vdevd_names+=('%s:", s->name, s->name);
	print_escaped(s->summary, ":\\", "'\\''");
	printf("')\n\t\t[[ $2 ]] || _arguments -S");
	for (struct walk w = {s->groups, NULL}; walk_next(&w);) {
		const struct opt *o = w.o;

		zsh_option(o, false);
		if (o->letter)
			zsh_option(o, true);
	}
	if (!s->device)
		fputs(" \\\n\t\t'*:argument:_files'", stdout);
	puts(" ;;");
}

static void zsh_end(void)
{
	fputs("\tesac\n"
	      "}\n"
	      "\n"
	      "_vdevd()\n"
	      "{\n"
	      "\tlocal name=${words[1]:t}\n"
	      "\tif [[ $name != vdevd-* ]]; then\n"
	      "\t\tif ((CURRENT == 2)); then\n"
	      "\t\t\t_describe 'device or command' _vdevd_names\n"
	      "\t\t\treturn\n"
	      "\t\tfi\n"
	      "\t\tshift words\n"
	      "\t\t((CURRENT--))\n"
	      "\t\tname=$words[1]\n"
	      "\tfi\n"
	      "\t_vdevd_arguments ${name#vdevd-}\n"
	      "}\n"
	      "\n"
	      "for _vdevd_name in ",
	      stdout);
	print_devices("");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("%s ", commands[i].name);
	puts("; do\n"
	     "\t_vdevd_arguments $_vdevd_name names\n"
	     "done\n"
	     "_vdevd_names+=('help:the options of a device or command')\n"
	     "if ((${funcstack[(I)_vdevd]})); then\n"
	     "\t_vdevd \"$@\"\n"
	     "else\n"
	     "\tcompdef _vdevd vdevd\n"
	     "\tcompdef -P _vdevd 'vdevd-*'\n"
	     "fi");
}

/* ---- fish: a line for each option */

static void fish_begin(void)
{
	puts("# Completion of vdevd for fish, written by vdevd --print-completion=fish.\n"
	     "\n"
	     "function __vdevd_first\n"
	     "\ttest (count (commandline -opc)) -eq 1\n"
	     "end\n"
	     "function __vdevd_is\n"
	     "\tset -l words (commandline -opc)\n"
	     "\ttest (count $words) -ge 2; and test $words[2] = $argv[1]\n"
	     "end\n"
	     "function __vdevd_option\n"
	     "\tcomplete -c vdevd -n \"__vdevd_is $argv[1]\" $argv[2..]\n"
	     "\tcomplete -c vdevd-$argv[1] $argv[2..]\n"
	     "end\n"
	     "complete -c vdevd -n __vdevd_first -f -a help -d 'the options of a device or command'");
}

static void fish_subject(const struct subject *s)
{
	printf("complete -c vdevd -n __vdevd_first -f -a %s -d '", s->name);
	print_escaped(s->summary, "\\", "\\'");
	printf("'\ncomplete -c vdevd -n '__vdevd_is help' -f -a %s\n", s->name);
	for (struct walk w = {s->groups, NULL}; walk_next(&w);) {
		const struct opt *o = w.o;

		printf("__vdevd_option %s -l %s", s->name, o->name);
		if (o->letter)
			printf(" -s %c", o->letter);
		if (o->type == OPT_WORD) {
			fputs(" -x -a '", stdout);
			print_words(o);
			putchar('\'');
		} else {
			fputs(takes_value(o) ? " -r" : " -f", stdout);
		}
		fputs(" -d '", stdout);
		print_escaped(o->help, "\\", "\\'");
		puts("'");
	}
}

static void fish_end(void)
{
}

static const struct shell shells[] = {
	{"bash", bash_begin, bash_subject, bash_end},
	{"zsh", zsh_begin, zsh_subject, zsh_end},
	{"fish", fish_begin, fish_subject, fish_end},
};

/* Returns 0 or -errno. */
static int print_device(const struct shell *shell, const struct vdev_class *class)
{
	struct vdev *d;
	struct common c;
	int err = vdev_new(class, class->name, NULL, &d);

	if (err)
		return err;
	err = common_init(&c, d, false);
	if (!err)
		shell->subject(&(struct subject){class->name, class->summary, c.groups, true});
	vdev_free(d);
	return err;
}

/* What cannot be loaded is left out; module_load has said why. */
static int print_module(void *arg, const char *name)
{
	const struct vdev_class *class;

	return module_load(vdev_module_dir, name, &class) < 0 ? 0 : print_device(arg, class);
}

static int print_all(const struct shell *shell)
{
	int err = 0;

	shell->begin();
	for (const struct vdev_class *const *c = vdev_classes; *c && !err; c++)
		err = print_device(shell, *c);
	if (!err)
		err = module_each(vdev_module_dir, print_module, (void *)shell);
	for (size_t i = 0; i < ARRAY_SIZE(commands) && !err; i++) {
		const struct opt_group groups[] = {{"Options", commands[i].opts, NULL}, {0}};

		shell->subject(&(struct subject){commands[i].name, commands[i].summary, groups, false});
	}
	shell->end();
	return err;
}

int cmd_completion(int argc, char **argv)
{
	const char *value = strchr(argv[0], '=');

	value = value ? value + 1 : argc > 1 ? argv[1] : "";
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		int err;

		if (strcmp(shells[i].name, value) != 0)
			continue;
		err = print_all(&shells[i]);
		if (err)
			log_error(NULL, "--print-completion: %s", strerror(-err));
		return err ? CMD_FAILED : CMD_OK;
	}
	log_usage(NULL, "--print-completion=%s: bash, zsh or fish is wanted", value);
	return CMD_USAGE;
}
