/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_opts.c - the options of the file system device; those of virtiofsd have its spellings.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/words.h"
#include "devices/fs/fs.h"

#define AT(member) offsetof(struct fs, member)

/* Files that are open at a time, where nothing is said. */
#define DEFAULT_OPEN 65536u

/* A request's descriptors, and some. */
#define CACHE_MIN UINT64_C(64)

static const char *const cache_words[] = {[FS_CACHE_AUTO] = "auto",
					  [FS_CACHE_ALWAYS] = "always",
					  [FS_CACHE_METADATA] = "metadata",
					  [FS_CACHE_NEVER] = "never",
					  NULL};
static const char *const handles_words[] = {[FS_HANDLES_NEVER] = "never",
					    [FS_HANDLES_PREFER] = "prefer",
					    [FS_HANDLES_MANDATORY] = "mandatory",
					    "fallback",
					    NULL};
static const char *const level_words[] = {"error", "warn", "info", "debug", "off", "trace", "err", "warning", NULL};
static const char *const seccomp_words[] = {"none", "kill", "log", "trap", NULL};

static const char *const error_words[] = {"abort", "guest-error", NULL};
static const char *const migration_words[] = {"find-paths", "file-handles", NULL};

enum { ENTRY, ATTR, NEGATIVE };

/* Seconds with a fraction. */
static int set_timeout(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct fs *f = obj;
	double v = 0., scale = 1.;
	bool point = false, digit = false;

	for (const char *p = value; *p; p++) {
		if (*p == '.' && !point) {
			point = true;
			continue;
		}
		if (*p < '0' || *p > '9' || v > 1e9) {
			digit = false;
			break;
		}
		digit = true;
		scale = point ? scale / 10. : scale;
		v = point ? v + (*p - '0') * scale : v * 10. + (*p - '0');
	}
	if (!digit) {
		snprintf(why, why_size, "seconds are wanted, such as 1 or 0.5");
		return -EINVAL;
	}
	f->timeouts[o->kind].given = true;
	f->timeouts[o->kind].s = v;
	return 0;
}

static int set_ids(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct fs *f = obj;

	return fs_idmap_add(o->kind ? &f->gids : &f->uids, value, why, why_size);
}

static int set_xattrmap(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct fs *f = obj;

	(void)o;
	f->xattr = true;
	return fs_xattrmap_parse(&f->xattrmap, value, why, why_size);
}

/* --posix-acl and --security-label, with or without a word. */
static int set_when(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct fs *f = obj;
	unsigned int *at = o->kind ? &f->label : &f->posix_acl;

	if (!*value || strcmp(value, "always") == 0)
		*at = FS_ALWAYS;
	else if (strcmp(value, "auto") == 0)
		*at = FS_WHEN_AUTO;
	else if (strcmp(value, "never") == 0)
		*at = FS_NEVER;
	else {
		snprintf(why, why_size, "never, auto or always is wanted");
		return -EINVAL;
	}
	return 0;
}

/* User namespaces are not made here: what maps all to itself is as it is. */
static int set_userns(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	(void)obj;
	(void)o;
	(void)value;
	snprintf(why, why_size, "not supported (--translate-uid and --translate-gid map numbers)");
	return -EINVAL;
}

static bool find_level(const char *word, size_t len, enum log_level *level)
{
	static const enum log_level levels[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARN,  LOG_LEVEL_INFO,  LOG_LEVEL_DEBUG,
						LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG, LOG_LEVEL_ERROR, LOG_LEVEL_WARN};

	for (size_t i = 0; level_words[i]; i++) {
		if (strlen(level_words[i]) == len && memcmp(level_words[i], word, len) == 0) {
			*level = levels[i];
			return true;
		}
	}
	return false;
}

static int set_level(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct fs *f = obj;

	(void)o;
	f->has_level = find_level(value, strlen(value), &f->level);
	if (f->has_level)
		return 0;
	snprintf(why, why_size, "error, warn, info, debug, trace or off is wanted");
	return -EINVAL;
}

static int set_tag(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct fs *f = obj;

	(void)o;
	if (!*value || strlen(value) > 36) {
		snprintf(why, why_size, "1 to 36 bytes are wanted");
		return -EINVAL;
	}
	f->tag = value;
	return 0;
}

/* ---- -o */

/* The switches of -o, which are also there with no_ before them. */
static const struct {
	const char *name;
	size_t off;
	bool when, reverse;
} switches[] = {
	{"xattr", AT(xattr), false, false},	     {"readdirplus", AT(no_readdirplus), false, true},
	{"writeback", AT(writeback), false, false},  {"allow_direct_io", AT(direct_io), false, false},
	{"killpriv_v2", AT(killpriv), false, false}, {"announce_submounts", AT(no_submounts), false, true},
	{"posix_acl", AT(posix_acl), true, false},   {"security_label", AT(label), true, false},
	{"flock", AT(flock), false, false},	     {"posix_lock", AT(posix_lock), false, false},
};

static bool set_switch(struct fs *f, const struct word *w)
{
	bool no = w->len > 3 && memcmp(w->text, "no_", 3) == 0;
	struct word name = no ? (struct word){w->text + 3, w->len - 3} : *w;

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		char *at = (char *)f + switches[i].off;

		if (!word_is(&name, switches[i].name))
			continue;
		if (switches[i].when)
			*(unsigned int *)(void *)at = no ? FS_NEVER : FS_ALWAYS;
		else
			*(bool *)(void *)at = no == !switches[i].reverse ? false : true;
		if (word_is(&name, "killpriv_v2") && no)
			f->no_killpriv = true;
		return true;
	}
	return false;
}

static bool set_cache_word(struct fs *f, const struct word *w)
{
	unsigned int i = 0;

	while (cache_words[i] && !word_is(w, cache_words[i]))
		i++;
	if (word_is(w, "none"))
		i = FS_CACHE_NEVER;
	if (i > FS_CACHE_NEVER)
		return false;
	f->cache = i;
	return true;
}

/* One word of -o.  Returns false: it is not known. */
static bool set_o(struct fs *f, struct word key, const char *value, char *why, size_t why_size, int *err)
{
	struct word v;

	if (!value)
		return set_switch(f, &key);
	v = word_of(value);
	v.len = strcspn(value, ",");
	if (word_is(&key, "source")) {
		/* The option list is one argument: what is behind a comma would be another word. */
		if (value[v.len]) {
			snprintf(why, why_size, "source=DIR is wanted last, or --shared-dir=DIR");
			*err = -EINVAL;
			return true;
		}
		f->dir = value;
		return true;
	}
	if (word_is(&key, "cache"))
		return set_cache_word(f, &v);
	if (word_is(&key, "xattrmap")) {
		f->xattr = true;
		*err = fs_xattrmap_parse(&f->xattrmap, value, why, why_size);
		return true;
	}
	if (word_is(&key, "loglevel"))
		return f->has_level = find_level(v.text, v.len, &f->level);
	/* What is the common options' here. */
	return word_is(&key, "sandbox") || word_is(&key, "modcaps");
}

static int set_list(void *obj, const struct opt *o, const char *list, char *why, size_t why_size)
{
	struct fs *f = obj;
	struct word w, behind;
	int err = 0;

	(void)o;
	while (!err && list && word_next(&list, ',', &w)) {
		struct word key = w;
		bool has = word_cut(&key, '=', &behind);
		bool last = has && word_is(&key, "xattrmap");

		if (!set_o(f, key, has ? behind.text : NULL, why, why_size, &err)) {
			snprintf(why, why_size, "'%.*s' is not known", WORD_SHOWN(w));
			return -EINVAL;
		}
		/* Rules may have commas. */
		if (last)
			break;
	}
	return err;
}

/* ---- all together */

static int wrong(const struct fs *f, const char *why)
{
	log_usage((struct log *)&f->d.log, "%s", why);
	return -EINVAL;
}

static int check_together(const struct fs *f)
{
	if (!f->dir || !*f->dir)
		return wrong(f, "no folder: --shared-dir=DIR is wanted");
	if (f->posix_acl != FS_NEVER && (f->uids.n || f->gids.n))
		return wrong(f, "--posix-acl goes with neither --translate-uid nor --translate-gid");
	if (f->killpriv && f->no_killpriv)
		return wrong(f, "--killpriv-v2 and --no-killpriv-v2: one of them is wanted");
	if (f->readdirplus && f->no_readdirplus)
		return wrong(f, "--readdirplus and --no-readdirplus: one of them is wanted");
	if (f->flush && f->no_flush)
		return wrong(f, "--flush and --no-flush: one of them is wanted");
	return 0;
}

/* As many open files as there may be, unless fewer were asked for. */
static int share_fds(struct fs *f)
{
	const uint64_t others = FS_MOUNTS + 64 + (f->posix_lock ? FS_OWNERS : 0);
	uint64_t allowed = vdev_fds_allowed(&f->d);

	if (f->rlimit)
		allowed = min_u64(allowed, f->rlimit);
	if (allowed < others + 2 * CACHE_MIN) {
		log_usage(&f->d.log,
			  "%ju open files are allowed, and %ju are the fewest that do: raise the limit (ulimit -Hn)",
			  (uintmax_t)allowed, (uintmax_t)(others + 2 * CACHE_MIN));
		return -EINVAL;
	}
	allowed -= others;
	if (!f->fd_cache)
		f->fd_cache = min_u64(1024, allowed / 2);
	if (!f->max_open)
		f->max_open = f->fd_cache < allowed ? min_u64(allowed - f->fd_cache, DEFAULT_OPEN) : 0;
	if (f->max_open && f->fd_cache + f->max_open <= allowed)
		return 0;
	log_usage(&f->d.log,
		  "--fd-cache=%ju and --max-open=%ju: %ju descriptors are there for both: raise the limit (ulimit -Hn)",
		  (uintmax_t)f->fd_cache, (uintmax_t)f->max_open, (uintmax_t)allowed);
	return -EINVAL;
}

static void set_times(struct fs *f)
{
	static const double by_mode[] = {
		[FS_CACHE_AUTO] = 1., [FS_CACHE_ALWAYS] = 86400., [FS_CACHE_METADATA] = 86400., [FS_CACHE_NEVER] = 0.};
	bool negative = f->cache == FS_CACHE_AUTO || f->cache == FS_CACHE_ALWAYS;

	f->entry_timeout = f->timeouts[ENTRY].given ? f->timeouts[ENTRY].s : by_mode[f->cache];
	f->attr_timeout = f->timeouts[ATTR].given ? f->timeouts[ATTR].s : by_mode[f->cache];
	f->negative_timeout = negative ? f->entry_timeout : 0.;
	if (f->timeouts[NEGATIVE].given)
		f->negative_timeout = f->timeouts[NEGATIVE].s;
}

int fs_check(struct vdev *d)
{
	struct fs *f = container_of(d, struct fs, d);
	int err = check_together(f);

	if (!err)
		err = share_fds(f);
	if (err)
		return err;
	if (f->handles > FS_HANDLES_MANDATORY)
		f->handles = FS_HANDLES_PREFER;
	f->xattr |= f->posix_acl != FS_NEVER || f->label != FS_NEVER;
	set_times(f);
	f->queues[0] = (struct vdev_queue_desc){.name = "hiprio", .size = 128, .max = 32768};
	for (unsigned int q = 1; q <= f->num_queues; q++)
		f->queues[q] = (struct vdev_queue_desc){.name = "requestq", .size = 1024, .max = 32768};
	d->face.queues = f->queues;
	d->face.nqueues = 1 + (unsigned int)f->num_queues;
	if (f->has_level)
		log_set_level(f->level);
	/* Without a tag the front-end has one, and the space with it. */
	if (!f->tag)
		d->face.config_size = 0;
	/*
	 * A lock is waited for as long as another holds it.  And in order, what is done would wait for a thread's before the
	 * guest sees it: a process that was killed meanwhile would leave it to be done twice.
	 */
	d->face.any_order = f->flock || f->posix_lock || f->session_file;
	return 0;
}

const struct opt fs_opts[] = {
	{
		.name = "shared-dir",
		.type = OPT_TEXT,
		.off = AT(dir),
		.arg = "DIR",
		.help = "the folder that the guest gets",
		.man = MAN("Share this folder, with all that is in it and mounted below it. The guest reaches nothing "
			   "else."),
	},
	{
		.name = "tag",
		.type = OPT_CALL,
		.set = set_tag,
		.once = true,
		.arg = "TAG",
		.help = "what the guest mounts it by, 1 to 36 bytes",
		.man = MAN("The name by which the guest mounts the folder, 1 to 36 bytes. QEMU and Cloud Hypervisor "
			   "have a tag "
			   "of their own; crosvm and User-Mode Linux take this one."),
	},
	{
		.name = "cache",
		.type = OPT_WORD,
		.words = cache_words,
		.off = AT(cache),
		.arg = "MODE",
		.def = "auto",
		.help = "what it keeps: auto, always, metadata, never",
		.man = MAN("What the guest may keep in its memory. auto: names and attributes for a second, bytes "
			   "until the file is "
			   "found changed when it is opened. always: all of it, for who alone changes the folder. "
			   "metadata: names "
			   "and attributes, no bytes. never: nothing, for who shares the folder with others that "
			   "change it; programs "
			   "that map files as shared memory want --allow-mmap with it."),
	},
	{
		.name = "readonly",
		.type = OPT_FLAG,
		.off = AT(readonly),
		.help = "the guest changes nothing",
		.man = MAN("Refuse all that changes something, and give up the rights that would take."),
	},
	{
		.name = "xattr",
		.type = OPT_FLAG,
		.off = AT(xattr),
		.help = "extended attributes",
		.man = MAN("Serve extended attributes."),
	},
	{
		.name = "xattrmap",
		.type = OPT_CALL,
		.set = set_xattrmap,
		.once = true,
		.arg = "RULES",
		.help = "by which names the host keeps them",
		.man = MAN("Rules for the names of extended attributes; --xattr is implied. A rule is "
			   ":TYPE:SCOPE:KEY:PREPEND:, with "
			   "any separator in the place of the colon, and white space between rules. The first that "
			   "fits decides. "
			   "SCOPE is client (names that the guest gives, which begin with KEY), server (names that the "
			   "host has, "
			   "which begin with PREPEND) or all. TYPE is prefix (the host's name is the guest's with "
			   "PREPEND before it), "
			   "ok (the name stays), bad (EPERM; not shown to the guest) or unsupported (EOPNOTSUPP; not "
			   "shown). "
			   ":map:KEY:PREPEND: comes last and is short for: names that begin with KEY, or all where it "
			   "is empty, are "
			   "kept with PREPEND; names that begin with PREPEND, and of the host those that begin with "
			   "KEY, are hidden; the others stay. "
			   "All names must be fit by some rule."),
	},
	{
		.name = "posix-acl",
		.type = OPT_CALL,
		.bare = true,
		.set = set_when,
		.once = true,
		.arg = "WHEN",
		.help = "access control lists: never, auto, always",
		.man = MAN("POSIX access control lists: never (the default), auto, where the guest's kernel has them, "
			   "or always, which "
			   "is also meant without a word: then a guest without them is refused. --xattr is implied."),
	},
	{
		.name = "security-label",
		.rare = true,
		.type = OPT_CALL,
		.bare = true,
		.set = set_when,
		.kind = 1,
		.once = true,
		.arg = "WHEN",
		.help = "labels of new files: never, auto, always",
		.man = MAN("Give new files the security label that the guest sends (SELinux), as --posix-acl. The "
			   "label is set when the "
			   "file is there; where that fails the file is removed again. --xattr is implied."),
	},
	{
		.name = "writeback",
		.type = OPT_FLAG,
		.off = AT(writeback),
		.help = "the guest writes later, for who is alone",
		.man = MAN("Let the guest keep what it writes and write it later. Times and lengths of files are the "
			   "guest's then: for "
			   "folders that nobody else changes."),
	},
	{
		.name = "allow-mmap",
		.rare = true,
		.type = OPT_FLAG,
		.off = AT(allow_mmap),
		.help = "shared mappings also without a cache",
		.man = MAN("Let programs of the guest map files as shared memory (MAP_SHARED) with --cache=never and "
			   "--cache=metadata, "
			   "too; without it they get ENODEV."),
	},
	{
		.name = "flock",
		.rare = true,
		.type = OPT_FLAG,
		.off = AT(flock),
		.help = "flock(2) excludes other guests and the host",
		.man = MAN("Locks of flock(2) hold on the host, so also against other guests and programs of the host. "
			   "Without it they "
			   "hold inside the guest alone. A program that waits for such a lock cannot be killed, for "
			   "the guest's "
			   "kernel does not tell; at most 16 locks are waited for at once."),
	},
	{
		.name = "posix-lock",
		.rare = true,
		.type = OPT_FLAG,
		.off = AT(posix_lock),
		.help = "so do locks of fcntl(2)",
		.man = MAN("The same for locks of fcntl(2). At most 1024 processes and files at once; a process that "
			   "is in the way on the host "
			   "is told with the number 0."),
	},
	{
		.name = "translate-uid",
		.type = OPT_CALL,
		.set = set_ids,
		.arg = "RULE",
		.help = "whose the guest's users are on the host",
		.man = MAN("Numbers of users: TYPE:SOURCE:TARGET:COUNT, several times. guest: from the guest's SOURCE "
			   "on they are TARGET "
			   "and so on here, one by one. host: the host's SOURCE and so on are shown as TARGET and so "
			   "on. map: both. "
			   "squash-guest: all of them are TARGET here. squash-host: all of the host's are shown as "
			   "TARGET. "
			   "forbid-guest:SOURCE:COUNT: the guest cannot use them. Numbers in no rule stay. Not with "
			   "--posix-acl."),
	},
	{
		.name = "translate-gid",
		.type = OPT_CALL,
		.set = set_ids,
		.kind = 1,
		.arg = "RULE",
		.help = "and its groups",
		.man = MAN("The same for groups."),
	},
	{
		.name = "session-file",
		.type = OPT_TEXT,
		.off = AT(session_file),
		.arg = "FILE",
		.rare = true,
		.help = "what a vdevd that is started again goes on with",
		.man = MAN("Keep in this file, best one in /run, what the guest knows: so a vdevd that was killed and is "
			   "started again with the same options goes on with the guest's session, behind vdevd relay. Files, "
			   "open files, places in folders and locks (--flock, --posix-lock) are as they were, and no "
			   "request is done twice. What cannot be found again is ESTALE: files that were removed while they "
			   "were open; so is what the host has renamed meanwhile where files are found by name (see "
			   "--inode-file-handles). A lock that another has taken meanwhile is lost. What the file says is "
			   "believed: it must be of the user who starts vdevd, of mode 0600 and of one name, and must not "
			   "be in the shared folder, nor be reached through what is mounted there. A file takes 128 bytes "
			   "of it, and what the guest forgets is given back at the end of its session alone."),
	},
	{
		.name = "num-queues",
		.rare = true,
		.alias = "num-request-queues",
		.type = OPT_UINT,
		.off = AT(num_queues),
		.arg = "N",
		.def = "1",
		.min = 1,
		.max = FS_QUEUES_MAX,
		.help = "queues of requests, 1 to 16",
		.man = MAN("How many queues of requests there are, 1 to 16. One thread serves them all."),
	},
	{
		.name = "thread-pool-size",
		.rare = true,
		.alias = "threads",
		.type = OPT_UINT,
		.off = AT(threads),
		.arg = "N",
		.def = "2",
		.max = 64,
		.help = "threads for what waits for a disk; 0: none",
		.man = MAN("Threads for what waits for a disk or a network: reads of what is not in memory, writes "
			   "that are synchronous or to a "
			   "network's file system, fsync(2), fallocate(2), copy_file_range(2). What is in memory is "
			   "never handed to "
			   "a thread. 0: all is done by the one thread that serves."),
	},
	{
		.name = "inode-file-handles",
		.type = OPT_WORD,
		.words = handles_words,
		.off = AT(handles),
		.arg = "WHEN",
		.def = "prefer",
		.rare = true,
		.help = "by file handle: never, prefer, mandatory",
		.man = MAN("How files that the guest remembers are found again: by file handle, which takes "
			   "CAP_DAC_READ_SEARCH, a file "
			   "system that has them and Linux 6.13; or by folder and name. never: by name. prefer, or "
			   "fallback: by handle "
			   "where that works. mandatory: where it does not, the program ends. A file that is found by "
			   "name and that the "
			   "host renames is ESTALE to the guest until it looks its name up again; so is one that is "
			   "below more than 256 folders "
			   "none of which is in use."),
	},
	{
		.name = "max-inodes",
		.type = OPT_UINT,
		.off = AT(max_inodes),
		.arg = "N",
		.def = "1000000",
		.min = 16,
		.max = UINT64_C(1) << 26,
		.rare = true,
		.help = "files the guest may remember",
		.man = MAN("How many files the guest may remember at a time, beyond which it gets ENFILE. Each takes "
			   "132 bytes of memory; one "
			   "with a name or handle of more than 64 bytes, 256 more. Memory of files that it has "
			   "forgotten goes back to the host."),
	},
	{
		.name = "max-open",
		.type = OPT_UINT,
		.off = AT(max_open),
		.arg = "N",
		.min = 16,
		.max = UINT64_C(1) << 20,
		.rare = true,
		.help = "files the guest may have open",
		.man = MAN("How many files the guest may have open at a time, beyond which it gets ENFILE. The default "
			   "is 65536, or what the limit of open files "
			   "allows (ulimit -Hn)."),
	},
	{
		.name = "fd-cache",
		.type = OPT_UINT,
		.off = AT(fd_cache),
		.arg = "N",
		.min = CACHE_MIN,
		.max = UINT64_C(1) << 20,
		.rare = true,
		.help = "descriptors kept of files it remembers",
		.man = MAN("How many descriptors are kept of the files that the guest has used last. The default is "
			   "1024, or what the limit of open files allows."),
	},
	{
		.name = "entry-timeout",
		.type = OPT_CALL,
		.set = set_timeout,
		.kind = ENTRY,
		.once = true,
		.arg = "SECONDS",
		.rare = true,
		.help = "how long a name may be kept",
		.man = MAN(
			"How long the guest may keep a name, in seconds; without it by --cache: 1, 86400, 86400, 0."),
	},
	{
		.name = "attr-timeout",
		.type = OPT_CALL,
		.set = set_timeout,
		.kind = ATTR,
		.once = true,
		.arg = "SECONDS",
		.rare = true,
		.help = "how long attributes may be",
		.man = MAN("How long it may keep attributes; as --entry-timeout."),
	},
	{
		.name = "negative-timeout",
		.type = OPT_CALL,
		.set = set_timeout,
		.kind = NEGATIVE,
		.once = true,
		.arg = "SECONDS",
		.rare = true,
		.help = "how long it is known that a name is not there",
		.man = MAN("How long it may remember that there is no such name; without it as --entry-timeout, and 0 "
			   "with --cache=metadata and "
			   "never."),
	},
	{.name = "readdirplus",
	 .type = OPT_FLAG,
	 .off = AT(readdirplus),
	 .rare = true,
	 .help = "attributes with every list of names",
	 .man = MAN("Tell attributes with every list of names, also with --cache=never.")},
	{.name = "no-readdirplus",
	 .type = OPT_FLAG,
	 .off = AT(no_readdirplus),
	 .rare = true,
	 .help = "never so",
	 .man = MAN("Never tell them so.")},
	{
		.name = "allow-direct-io",
		.type = OPT_FLAG,
		.off = AT(direct_io),
		.rare = true,
		.help = "O_DIRECT is the host file's, too",
		.man = MAN("Files that the guest opens with O_DIRECT are opened so on the host; what the guest reads "
			   "and writes must "
			   "be aligned as the host's disk wants it."),
	},
	{
		.name = "killpriv-v2",
		.type = OPT_FLAG,
		.off = AT(killpriv),
		.rare = true,
		.help = "writing takes set-user-id away",
		.man = MAN("Take set-user-id, set-group-id and file capabilities away when a file is written to, so "
			   "that the guest need not ask "
			   "before each write. This is the default but on a network's file systems."),
	},
	{.name = "no-killpriv-v2",
	 .type = OPT_FLAG,
	 .off = AT(no_killpriv),
	 .rare = true,
	 .help = "that is the guest's business",
	 .man = MAN("Leave that to the guest's kernel.")},
	{
		.name = "announce-submounts",
		.type = OPT_FLAG,
		.off = AT(ignored[0]),
		.rare = true,
		.help = "file systems below are shown as such",
		.man = MAN("Show file systems mounted below the folder as mounts of their own, so that numbers of "
			   "files are not taken for the "
			   "same. This is the default."),
	},
	{.name = "no-announce-submounts",
	 .type = OPT_FLAG,
	 .off = AT(no_submounts),
	 .rare = true,
	 .help = "they are shown as folders",
	 .man = MAN("Show them as folders.")},
	{.name = "preserve-noatime",
	 .type = OPT_FLAG,
	 .off = AT(noatime),
	 .rare = true,
	 .help = "O_NOATIME as the guest says",
	 .man = MAN("Open files with O_NOATIME where the guest does.")},
	{
		.name = "flush",
		.type = OPT_FLAG,
		.off = AT(flush),
		.rare = true,
		.help = "each close is told",
		.man = MAN("Have the guest tell each close(2); otherwise on a network's file systems alone, where "
			   "errors show then."),
	},
	{.name = "no-flush",
	 .type = OPT_FLAG,
	 .off = AT(no_flush),
	 .rare = true,
	 .help = "none is",
	 .man = MAN("Do without, which is the default.")},
	{
		.name = "rlimit-nofile",
		.type = OPT_UINT,
		.off = AT(rlimit),
		.arg = "N",
		.rare = true,
		.help = "the most descriptors",
		.man = MAN("Have at most so many descriptors; 0: as many as the limit allows."),
	},
	{
		.name = "migration-on-error",
		.type = OPT_WORD,
		.words = error_words,
		.off = AT(on_error),
		.arg = "WHAT",
		.def = "abort",
		.rare = true,
		.help = "abort, or guest-error",
		.man = MAN("What happens to a guest that moves to another host when a file that it remembers or has "
			   "open has no path any more, or "
			   "is not there: abort, so that it stays where it is, or guest-error: it moves, and gets "
			   "ESTALE or EBADF for that file."),
	},
	{
		.name = "migration-mode",
		.type = OPT_WORD,
		.words = migration_words,
		.off = AT(migration),
		.arg = "HOW",
		.def = "find-paths",
		.rare = true,
		.help = "find-paths",
		.man = MAN(
			"How files go with it: by find-paths, their paths. file-handles, and "
			"--migration-verify-handles and "
			"--migration-confirm-paths, are accepted: paths are always confirmed, and handles never go."),
	},
	{.name = "migration-verify-handles", .type = OPT_FLAG, .off = AT(ignored[0])},
	{.name = "migration-confirm-paths", .type = OPT_FLAG, .off = AT(ignored[1])},
	{
		.name = "options",
		.letter = 'o',
		.type = OPT_CALL,
		.set = set_list,
		.arg = "LIST",
		.rare = true,
		.help = "options of the older virtiofsd",
		.man = MAN("The options of the older virtiofsd, separated by commas: source=DIR, cache=MODE (also "
			   "none), xattrmap=RULES, and "
			   "xattr, readdirplus, writeback, allow_direct_io, killpriv_v2, announce_submounts, "
			   "posix_acl, security_label, flock, "
			   "posix_lock, each also with no_ before it. source= and xattrmap= come last. loglevel=, "
			   "sandbox= and modcaps= are accepted and "
			   "change nothing."),
	},
	{
		.name = "uid-map",
		.type = OPT_CALL,
		.set = set_userns,
		.arg = "MAP",
	},
	{.name = "gid-map", .type = OPT_CALL, .set = set_userns, .arg = "MAP"},
	{
		.name = "seccomp",
		.type = OPT_WORD,
		.words = seccomp_words,
		.off = AT(ignored_word),
		.arg = "HOW",
		.rare = true,
		.help = "accepted, without effect",
		.man = MAN("Accepted, as are --modcaps, --syslog, -d and -f, and without effect: see --sandbox and "
			   "--log-level."),
	},
	/* The common one's words are fewer. */
	{.name = "virtiofsd-log-level", .type = OPT_CALL, .set = set_level, .arg = "LEVEL", .compat = "log-level"},
	{.name = "modcaps", .type = OPT_TEXT, .off = AT(ignored_text), .arg = "CAPS"},
	{.name = "syslog", .type = OPT_FLAG, .off = AT(ignored[1])},
	{.name = "d", .letter = 'd', .type = OPT_FLAG, .off = AT(ignored[2])},
	{.name = "f", .letter = 'f', .type = OPT_FLAG, .off = AT(ignored[3])},
	{0},
};
