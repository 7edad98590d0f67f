/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_xattrmap.c - the rules of --xattrmap; see fs_xattrmap.h.
 *
 * A rule is /type/scope/key/prepend/ with any separator, which is the rule's first byte.  The first that fits is taken.
 */
#include "devices/fs/fs_xattrmap.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/words.h"

static const char *const types[] = {[FS_XATTR_PREFIX] = "prefix",
				    [FS_XATTR_OK] = "ok",
				    [FS_XATTR_BAD] = "bad",
				    [FS_XATTR_UNSUPPORTED] = "unsupported"};

/* Takes the text up to the separator.  Returns false where there is none. */
static bool take(const char **p, char separator, struct word *w)
{
	const char *end = strchr(*p, separator);

	if (!end)
		return false;
	*w = (struct word){*p, (size_t)(end - *p)};
	*p = end + 1;
	return true;
}

static bool add(struct fs_xattrmap *m, enum fs_xattr_type type, bool client, bool server, struct word key,
		struct word prepend)
{
	if (m->n == FS_XATTR_RULES || key.len > FS_XATTR_NAME_MAX || prepend.len > FS_XATTR_NAME_MAX)
		return false;
	m->at[m->n++] = (struct fs_xattr_rule){
		type, client, server, key.text, prepend.text, (uint8_t)key.len, (uint8_t)prepend.len};
	return true;
}

/*
 * "map": names that begin with the key (all, where it is empty) are kept with the prefix before them; the guest neither
 * sees nor makes names that begin with the prefix, and the rest stays.
 */
static bool add_map(struct fs_xattrmap *m, struct word key, struct word prepend)
{
	const struct word none = {"", 0};
	bool good = add(m, FS_XATTR_PREFIX, true, true, key, prepend);

	if (!key.len)
		return good && add(m, FS_XATTR_BAD, true, true, none, none);
	return good && add(m, FS_XATTR_BAD, false, true, none, key) &&
	       add(m, FS_XATTR_BAD, true, false, prepend, none) && add(m, FS_XATTR_OK, true, true, none, none);
}

static const char *parse_rule(struct fs_xattrmap *m, const char **p, bool *mapped)
{
	char separator = *(*p)++;
	struct word type, scope = {"all", 3}, key, prepend;
	unsigned int t = 0;
	bool map;

	if (!take(p, separator, &type))
		return "it has no type";
	map = word_is(&type, "map");
	if ((!map && !take(p, separator, &scope)) || !take(p, separator, &key) || !take(p, separator, &prepend))
		return "/TYPE/SCOPE/KEY/PREPEND/ or /map/KEY/PREPEND/ is wanted";
	if (map) {
		*mapped = true;
		if (!prepend.len)
			return "map wants a prefix";
		return add_map(m, key, prepend) ? NULL : "more rules, or longer names, than there can be";
	}
	while (t < ARRAY_SIZE(types) && !word_is(&type, types[t]))
		t++;
	if (t == ARRAY_SIZE(types))
		return "its type is none of prefix, ok, bad, unsupported, map";
	if (!word_is(&scope, "client") && !word_is(&scope, "server") && !word_is(&scope, "all"))
		return "its scope is none of client, server, all";
	if (!add(m, t, !word_is(&scope, "server"), !word_is(&scope, "client"), key, prepend))
		return "more rules, or longer names, than there can be";
	return NULL;
}

/* Whether the last rules fit every name, on both sides. */
static bool catches_all(const struct fs_xattrmap *m)
{
	bool client = false, server = false;

	for (unsigned int i = 0; i < m->n; i++) {
		client |= m->at[i].client && !m->at[i].nkey;
		server |= m->at[i].server && !m->at[i].nprepend;
	}
	return client && server;
}

int fs_xattrmap_parse(struct fs_xattrmap *m, const char *value, char *why, size_t why_size)
{
	const char *p = value, *wrong = NULL;
	bool mapped = false;
	unsigned int n = 0;

	m->n = 0;
	for (;;) {
		while (isspace((unsigned char)*p))
			p++;
		if (!*p || wrong)
			break;
		n++;
		wrong = mapped ? "nothing can follow a map" : parse_rule(m, &p, &mapped);
	}
	if (!wrong && !n)
		wrong = "a rule is wanted";
	if (!wrong && !catches_all(m))
		wrong = "no rule fits all names: one such as :ok:all::: is wanted at the end";
	if (!wrong)
		return 0;
	snprintf(why, why_size, "rule %u: %s", n, wrong);
	m->n = 0;
	return -EINVAL;
}

int fs_xattr_to_host(const struct fs_xattrmap *m, const char *name, char *buf)
{
	size_t len = strlen(name);

	for (unsigned int i = 0; i < m->n; i++) {
		const struct fs_xattr_rule *x = &m->at[i];

		if (!x->client || strncmp(name, x->key, x->nkey) != 0)
			continue;
		if (x->type == FS_XATTR_BAD)
			return -EPERM;
		if (x->type == FS_XATTR_UNSUPPORTED)
			return -EOPNOTSUPP;
		if (x->type == FS_XATTR_OK)
			break;
		if (x->nprepend + len > FS_XATTR_NAME_MAX)
			return -ERANGE;
		memcpy(buf, x->prepend, x->nprepend);
		memcpy(buf + x->nprepend, name, len + 1);
		return 0;
	}
	if (len > FS_XATTR_NAME_MAX)
		return -ERANGE;
	memcpy(buf, name, len + 1);
	return 0;
}

const char *fs_xattr_to_guest(const struct fs_xattrmap *m, const char *name)
{
	for (unsigned int i = 0; i < m->n; i++) {
		const struct fs_xattr_rule *x = &m->at[i];

		if (!x->server || strncmp(name, x->prepend, x->nprepend) != 0)
			continue;
		if (x->type == FS_XATTR_PREFIX)
			return strncmp(name + x->nprepend, x->key, x->nkey) == 0 ? name + x->nprepend : NULL;
		return x->type == FS_XATTR_OK ? name : NULL;
	}
	return m->n ? NULL : name;
}
