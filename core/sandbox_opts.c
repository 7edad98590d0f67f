/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sandbox_opts.c - what the operator wants of the sandbox: --sandbox, --user, --oom-score-adj; see sandbox.h.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "core/opt.h"
#include "core/sandbox.h"

#define ALL_LAYERS ((unsigned int)BIT(SANDBOX_LAYERS) - 1)

static const char *const layer_names[] = {
	[SANDBOX_LIMITS] = "limits",
	[SANDBOX_NAMESPACES] = "namespaces",
	[SANDBOX_ROOT] = "root",
	[SANDBOX_IDS] = "ids",
	[SANDBOX_CAPABILITIES] = "capabilities",
	[SANDBOX_NO_NEW_PRIVS] = "no-new-privs",
	[SANDBOX_LANDLOCK] = "landlock",
	[SANDBOX_MDWE] = "mdwe",
	[SANDBOX_DUMPABLE] = "dumpable",
	[SANDBOX_SECCOMP] = "seccomp",
};

_Static_assert(ARRAY_SIZE(layer_names) == SANDBOX_LAYERS, "a name for each layer");

const char *sandbox_layer_name(enum sandbox_layer layer)
{
	return layer_names[layer];
}

void sandbox_opts_init(struct sandbox_opts *o)
{
	*o = (struct sandbox_opts){.layers = VDEVD_INSTRUMENTED ? 0 : ALL_LAYERS};
}

/* The layer whose name is these len bytes, or -1. */
static int find_layer(const char *word, size_t len)
{
	for (unsigned int i = 0; i < SANDBOX_LAYERS; i++) {
		if (strlen(layer_names[i]) == len && memcmp(layer_names[i], word, len) == 0)
			return (int)i;
	}
	return -1;
}

static bool is_word(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(word, name, len) == 0;
}

/* What a list has said so far. */
struct layer_list {
	unsigned int named, left_out; /* BIT(enum sandbox_layer) */
	bool all, strict, none, log_only;
};

/* Takes one word.  Returns whether it is one. */
static bool take_word(struct layer_list *list, const char *word, size_t len)
{
	bool minus = len && *word == '-';
	int layer = find_layer(word + minus, len - minus);

	/* virtiofsd has the latter two. */
	if (is_word(word, len, "all") || is_word(word, len, "namespace") || is_word(word, len, "chroot"))
		list->all = true;
	else if (is_word(word, len, "strict"))
		list->strict = true;
	else if (is_word(word, len, "none"))
		list->none = true;
	else if (is_word(word, len, "seccomp:log"))
		list->log_only = true;
	else if (layer >= 0)
		*(minus ? &list->left_out : &list->named) |= (unsigned int)BIT(layer);
	else
		return false;
	return true;
}

int sandbox_parse_layers(const char *value, struct sandbox_opts *o, char *why, size_t why_size)
{
	struct layer_list list = {0};
	const char *p = value;

	for (;;) {
		size_t len = strcspn(p, ",");

		if (!take_word(&list, p, len)) {
			snprintf(why, why_size,
				 "no layer '%.*s' (wanted: none, all, strict, seccomp:log, or a layer, with - before "
				 "it to leave it "
				 "out: limits, namespaces, root, ids, capabilities, no-new-privs, landlock, mdwe, "
				 "dumpable, "
				 "seccomp)",
				 (int)len, p);
			return -EINVAL;
		}
		if (!p[len])
			break;
		p += len + 1;
	}
	if (list.none && (list.all || list.strict || list.named || list.left_out || list.log_only)) {
		snprintf(why, why_size, "none goes with nothing else");
		return -EINVAL;
	}
	/* The one is made of the other. */
	if (list.left_out & BIT(SANDBOX_NAMESPACES))
		list.left_out |= (unsigned int)BIT(SANDBOX_ROOT);
	o->layers = list.named && !list.all ? list.named : ALL_LAYERS;
	if (list.none)
		o->layers = 0;
	if (list.log_only)
		o->layers |= BIT(SANDBOX_SECCOMP);
	o->layers &= ~list.left_out;
	o->required = list.strict ? o->layers : 0;
	o->log_only = list.log_only;
	return 0;
}

/* ---- --user */

/* Looks a user up in /etc/passwd, without the C library's name services, which load further libraries. */
static bool find_user(const char *name, size_t len, struct sandbox_opts *o)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *p;
	bool found = false;

	while (f && !found && (p = fgetpwent(f))) {
		found = strlen(p->pw_name) == len && memcmp(p->pw_name, name, len) == 0;
		if (found) {
			o->uid = p->pw_uid;
			o->gid = p->pw_gid;
		}
	}
	if (f)
		fclose(f);
	return found;
}

static bool find_group(const char *name, gid_t *gid)
{
	FILE *f = fopen("/etc/group", "re");
	const struct group *g;
	bool found = false;

	while (f && !found && (g = fgetgrent(f))) {
		found = strcmp(g->gr_name, name) == 0;
		if (found)
			*gid = g->gr_gid;
	}
	if (f)
		fclose(f);
	return found;
}

/* Reads an id; the last one is the kernel's word for "no change". */
static bool read_id(const char *text, size_t len, uint32_t *id)
{
	char copy[16];
	uint64_t v;

	if (!len || len >= sizeof(copy) || memchr(text, 'x', len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (opt_parse_number(copy, false, &v) < 0 || v >= UINT32_MAX)
		return false;
	*id = (uint32_t)v;
	return true;
}

int sandbox_parse_user(const char *value, struct sandbox_opts *o, char *why, size_t why_size)
{
	size_t len = strcspn(value, ":");
	const char *group = value[len] ? value + len + 1 : NULL;

	o->user = NULL;
	if (read_id(value, len, &o->uid)) {
		o->gid = (gid_t)o->uid;
	} else if (find_user(value, len, o)) {
		o->user = value;
	} else {
		snprintf(why, why_size,
			 "no user '%.*s' in /etc/passwd (NAME or UID is wanted, then perhaps :GROUP or :GID)", (int)len,
			 value);
		return -EINVAL;
	}
	if (group && !read_id(group, strlen(group), &o->gid) && !find_group(group, &o->gid)) {
		snprintf(why, why_size, "no group '%s' in /etc/group", group);
		return -EINVAL;
	}
	o->has_user = true;
	return 0;
}

int sandbox_parse_group(const char *value, gid_t *gid, char *why, size_t why_size)
{
	if (read_id(value, strlen(value), gid) || find_group(value, gid))
		return 0;
	snprintf(why, why_size, "no group '%s' in /etc/group", value);
	return -EINVAL;
}

int sandbox_parse_oom(const char *value, struct sandbox_opts *o, char *why, size_t why_size)
{
	bool minus = *value == '-';
	uint64_t v;

	if (opt_parse_number(value + minus, false, &v) < 0 || v > 1000) {
		snprintf(why, why_size, "not a number from -1000 to 1000");
		return -EINVAL;
	}
	o->oom = minus ? -(int)v : (int)v;
	o->has_oom = true;
	return 0;
}
