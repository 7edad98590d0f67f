/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * list.c - the devices there are: built in, and modules.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "config.h"
#include "core/json.h"
#include "core/module.h"

/* The options of the command. */
struct args {
	bool json, help;
};

const struct opt list_opts[] = {
	{.name = "json", .type = OPT_FLAG, .off = offsetof(struct args, json), .help = "as a JSON array"},
	{.name = "help",
	 .letter = 'h',
	 .type = OPT_FLAG,
	 .off = offsetof(struct args, help),
	 .help = "show this and exit"},
	{0},
};

/* A list that is being written. */
struct listing {
	struct json *json; /* NULL: for people */
	bool failed;
};

static void print_row(const struct vdev_class *class, bool module)
{
	const char *sep = "  features: ";

	printf("  %-10s %3u  %s%s", class->name, class->virtio_id, class->summary, module ? " (module)" : "");
	for (const struct vdev_feature *f = class->feature_names; f && f->name; f++) {
		printf("%s%s", sep, f->name);
		sep = ", ";
	}
	putchar('\n');
}

static void print_object(struct json *j, const struct vdev_class *class, bool module)
{
	json_object(j, NULL, false);
	json_text(j, "name", class->name);
	json_uint(j, "virtio-id", class->virtio_id);
	json_text(j, "summary", class->summary);
	json_array(j, "features", false);
	for (const struct vdev_feature *f = class->feature_names; f && f->name; f++)
		json_text(j, NULL, f->name);
	json_end(j);
	json_bool(j, "module", module);
	json_end(j);
}

static void print_class(struct listing *l, const struct vdev_class *class, bool module)
{
	if (l->json)
		print_object(l->json, class, module);
	else
		print_row(class, module);
}

/* One module of the folder; one that cannot be loaded does not hide the others. */
static int print_module(void *arg, const char *name)
{
	struct listing *l = arg;
	const struct vdev_class *class;

	if (module_load(vdev_module_dir, name, &class) < 0)
		l->failed = true;
	else
		print_class(l, class, true);
	return 0;
}

/* Returns whether all modules could be listed, too. */
static bool list_all(struct listing *l)
{
	int ret;

	for (const struct vdev_class *const *c = vdev_classes; *c; c++)
		print_class(l, *c, false);
	ret = module_each(vdev_module_dir, print_module, l);
	if (ret < 0)
		log_error(NULL, "%s: %s", vdev_module_dir, strerror(-ret));
	return ret == 0 && !l->failed;
}

void list_devices(void)
{
	struct listing l = {0};

	puts("Devices, with their virtio ids:");
	list_all(&l);
}

int cmd_list(int argc, char **argv)
{
	struct args args;
	const struct opt_group groups[] = {{"Options", list_opts, &args}, {0}};
	struct listing l = {0};
	struct json json;
	bool complete;
	int next;

	opt_defaults(groups);
	next = opt_parse(groups, false, argc, argv);
	if (next < 0)
		return CMD_USAGE;
	if (opt_parse_end(groups, argc, argv, next) < 0)
		return CMD_USAGE;
	if (args.help) {
		puts("Usage: vdevd list [--json]\nLists the devices there are: name, virtio id, summary, features.");
		opt_print_help(stdout, groups, false);
		return CMD_OK;
	}
	if (args.json) {
		l.json = &json;
		json_begin(&json, stdout);
		json_array(&json, NULL, true);
	}
	complete = list_all(&l);
	if (args.json) {
		json_end(&json);
		putchar('\n');
	}
	return complete ? CMD_OK : CMD_FAILED;
}
