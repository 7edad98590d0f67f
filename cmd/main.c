/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * main.c - which personality or command is meant: by the name the executable was called by, or by its first argument.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/inherit.h"
#include "config.h"
#include "core/module.h"

static int cmd_version(int argc, char **argv)
{
	printf("vdevd %s\n", VDEVD_VERSION);
	return CMD_OK;
}

static int run(bool compat, int argc, char **argv);

int cmd_call(int argc, char **argv)
{
	return run(false, argc, argv);
}

/* Alone, or "help NAME" and "--help NAME": what NAME --help shows. */
static int cmd_help(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] != '-' && strcmp(argv[1], "help") != 0) {
		char *call[] = {argv[1], "--help", NULL};

		return run(false, 2, call);
	}
	if (argc > 2) {
		log_usage(NULL, "%s: an argument too many", argv[2]);
		return CMD_USAGE;
	}
	puts("Usage: vdevd DEVICE --socket-path=PATH [OPTION]...   serves a device; DEVICE --help: its options\n"
	     "       vdevd list [--json]                          the devices there are\n"
#if VDEVD_HAVE_PROBE
	     "       vdevd probe --socket-path=PATH [OPTION]...   asks a back end what it is, and tries it\n"
#endif
	     "       vdevd relay --socket-path=PATH --to=PATH     lets a back end be restarted unnoticed\n"
	     "       vdevd run FILE                               serves many devices, named in a file\n"
	     "       vdevd status [PATH]                          shows how those are\n"
	     "       vdevd ctl PATH WORD...                       gives a running device a command\n"
	     "       vdevd --install-links DIR [-s]               makes DIR/vdevd-DEVICE for each\n"
	     "       vdevd --print-completion=SHELL               for bash, zsh or fish to source\n"
	     "       vdevd help [NAME]                            this, or the options of a device or command\n"
	     "       vdevd --version\n"
	     "\n"
	     "Serves virtio devices to virtual machines over vhost-user.\n");
	list_devices();
	return CMD_OK;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"list", cmd_list},
#if VDEVD_HAVE_PROBE
	{"probe", cmd_probe},
#endif
	{"relay", cmd_relay},	    {"ctl", cmd_ctl},	  {"--install-links", cmd_links},
	{"run", cmd_run},	    {"status", cmd_status},
	{"--print-completion", cmd_completion},
	{"help", cmd_help},	    {"--help", cmd_help}, {"-h", cmd_help},
	{"--version", cmd_version}, {"-V", cmd_version},  {"-v", cmd_version},
};

/* Whether other is the word most like name so far. */
static void nearer(const char *name, const char *other, const char **near, unsigned int *least)
{
	unsigned int distance = opt_distance(name, other);

	if (distance < *least) {
		*least = distance;
		*near = other;
	}
}

/* Says that there is no such device or command. */
static int unknown_name(const char *name)
{
	const char *near = NULL;
	unsigned int least = 99;

	for (const struct vdev_class *const *c = vdev_classes; *c; c++) {
		nearer(name, (*c)->name, &near, &least);
		if ((*c)->also)
			nearer(name, (*c)->also, &near, &least);
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		nearer(name, commands[i].name, &near, &least);
	if (near && opt_near(name, least))
		log_usage(NULL, "%s: no such device or command (did you mean %s?)", name, near);
	else
		log_usage(NULL, "%s: no such device or command (vdevd lists those there are)", name);
	return CMD_USAGE;
}

/* Whether a word is this command, which can have a value behind "=". */
static bool is_command(const char *word, const char *name, bool value)
{
	const size_t len = strlen(name);

	return strncmp(word, name, len) == 0 && (word[len] == '\0' || (value && word[len] == '='));
}

/* Runs the command or device argv[0]. */
static int run(bool compat, int argc, char **argv)
{
	const struct vdev_class *class;
	int ret;

	/* "NAME help" */
	if (argc == 2 && strcmp(argv[1], "help") == 0)
		argv[1] = "--help";
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (is_command(argv[0], commands[i].name, commands[i].run == cmd_completion))
			return commands[i].run(argc, argv);
	}
	ret = class_find(vdev_module_dir, argv[0], &class);
	if (ret == -ENOENT)
		return unknown_name(argv[0]);
	return ret < 0 ? CMD_FAILED : cmd_serve(class, compat, argc, argv);
}

int main(int argc, char **argv)
{
	const char *name;
	bool compat = false;
	int status;

	inherit_mend();
	name = argc > 0 ? personality_name(argv[0], &compat) : NULL;
	if (name) {
		argv[0] = (char *)name;
		status = run(compat, argc, argv);
	} else if (argc > 1) {
		status = run(false, argc - 1, argv + 1);
	} else {
		status = cmd_help(argc, argv);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_error(NULL, "standard output: %s", strerror(errno));
		return CMD_FAILED;
	}
	return status;
}
