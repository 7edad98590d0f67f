/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_state.c - what goes with a guest to another host that has the same folder; see fs.h and core/state.h.
 *
 * The guest's numbers of files and of open files stay what they are. A file goes by its path in the folder, which is
 * looked up when the guest is about to leave, and walked name by name where it arrives: nothing outside of the folder
 * is ever found. What has no path any more, or is not there at the other end, is lost: the guest gets ESTALE, or EBADF
 * where it has it open.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/fs/fs.h"

/* The record "session". */
struct state_session {
	le64 flags;
	le32 minor, gen;
	uint8_t big_endian, reserved[7];
} __attribute__((packed));

_Static_assert(sizeof(struct state_session) == 24, "the record session");

/* The record "files" is a row of these, each with its path behind it, in an order in which folders are before what is
 * in them. */
struct state_file {
	le64 number, lookups;
	le16 path;
} __attribute__((packed));

_Static_assert(sizeof(struct state_file) == 18, "the record files");

/* The record "opens" is a row of these. */
struct state_open {
	le64 number, node;
	le32 flags;
	uint8_t dir, reserved[3];
} __attribute__((packed));

_Static_assert(sizeof(struct state_open) == 24, "the record opens");

#define BIG_ENDIAN_HOST (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/* A path that fits a record, and more than the guest's kernel knows. */
#define PATH_ROOM 8192

/* ---- leaving */

int fs_path_of_fd(struct fs *f, int fd, char *path, size_t room)
{
	char root[PATH_MAX], full[PATH_ROOM];
	struct fs_proc p;
	ssize_t nroot = readlinkat(f->proc_fd, fs_proc(&p, f->root_path), root, sizeof(root)), len;

	len = readlinkat(f->proc_fd, fs_proc(&p, fd), full, sizeof(full));
	if (nroot <= 0 || len <= 0)
		return -errno;
	/* The root of a file system of its own ends with the slash. */
	nroot -= root[nroot - 1] == '/';
	if (len == nroot && memcmp(full, root, (size_t)nroot) == 0) {
		path[0] = '\0';
		return 0;
	}
	if (len <= nroot + 1 || (size_t)len >= sizeof(full) || memcmp(full, root, (size_t)nroot) != 0 ||
	    full[nroot] != '/')
		return -ESTALE;
	len -= nroot + 1;
	if ((size_t)len >= room)
		return -ENAMETOOLONG;
	memcpy(path, full + nroot + 1, (size_t)len);
	path[len] = '\0';
	return (int)len;
}

/* Whether that path leads to the file: the kernel writes something behind the one of a file that is not there any more.
 */
static bool path_leads(struct fs *f, const struct fs_inode *n, const char *path)
{
	struct fs_stat st;
	int mount;

	if (fs_stat(f->root_path, path, &st) < 0)
		return false;
	mount = fs_mount_of(f, &st, f->root_path, path);
	return mount >= 0 && fs_inode_find(f, &st, (unsigned int)mount) == n;
}

struct found {
	uint32_t index;
	char *path; /* malloc'ed */
};

static int by_path(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void free_found(struct found *found, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(found[i].path);
	free(found);
}

/* Looks up the paths of all files.  Returns how many, or -errno. */
static ssize_t find_all(struct fs *f, struct found **out)
{
	struct found *found = calloc(f->ninodes + 1, sizeof(*found));
	char path[PATH_ROOM];
	size_t n = 0, lost = 0;

	for (uint32_t i = FUSE_ROOT_ID + 1; found && i < f->fresh; i++) {
		struct fs_inode *x = &f->inodes[i];
		int len;

		if (!x->type || (!x->lookups && !x->opens))
			continue;
		len = fs_fd(f, x);
		if (len >= 0)
			len = fs_path_of_fd(f, len, path, sizeof(path));
		if (len <= 0 || !path_leads(f, x, path)) {
			lost++;
			continue;
		}
		found[n].index = i;
		found[n].path = strdup(path);
		if (!found[n++].path) {
			free_found(found, n);
			return -ENOMEM;
		}
	}
	if (lost)
		log_guest(&f->d.log, "%zu files of the guest's have no path any more%s", lost,
			  f->on_error ? "; it gets errors" : " (--migration-on-error=guest-error lets it go)");
	if (found && lost && !f->on_error) {
		free_found(found, n);
		return -ESTALE;
	}
	*out = found;
	return found ? (ssize_t)n : -ENOMEM;
}

static void save_files(struct fs *f, struct state *s)
{
	struct found *found = NULL;
	ssize_t n = find_all(f, &found);
	size_t len = 0;

	if (n < 0) {
		s->err = s->err ? s->err : (int)n;
		return;
	}
	qsort(found, (size_t)n, sizeof(*found), by_path);
	for (ssize_t i = 0; i < n; i++)
		len += sizeof(struct state_file) + strlen(found[i].path);
	state_put_begin(s, "files", len);
	for (ssize_t i = 0; i < n; i++) {
		const struct fs_inode *x = &f->inodes[found[i].index];
		const struct state_file r = {
			.number = htole64(fs_number(f, x)),
			.lookups = htole64(x->lookups),
			.path = htole16((uint16_t)strlen(found[i].path)),
		};

		state_append(s, &r, sizeof(r));
		state_append(s, found[i].path, strlen(found[i].path));
	}
	free_found(found, (size_t)n);
}

static void save_opens(struct fs *f, struct state *s)
{
	state_put_begin(s, "opens", f->nopens * sizeof(struct state_open));
	for (uint32_t i = 1; i <= f->fresh_open; i++) {
		const struct fs_open *o = &f->opens[i];
		const struct state_open r = {
			.number = htole64((uint64_t)o->gen << 32 | i),
			.node = htole64(o->inode ? fs_number(f, &f->inodes[o->inode]) : 0),
			.flags = htole32(o->flags),
			.dir = o->dir,
		};

		if (o->inode)
			state_append(s, &r, sizeof(r));
	}
}

void fs_save(struct vdev *d, struct state *s)
{
	struct fs *f = container_of(d, struct fs, d);
	const struct state_session r = {
		.flags = htole64(f->flags),
		.minor = htole32(f->minor),
		.gen = htole32(f->gen),
		.big_endian = f->swap != BIG_ENDIAN_HOST,
	};

	if (!f->begun)
		return;
	state_put(s, "session", &r, sizeof(r));
	save_files(f, s);
	save_opens(f, s);
}

/* ---- arriving */

static int refuse(struct fs *f, const char *why)
{
	log_guest(&f->d.log, "the state of a guest is refused: %s", why);
	return -EINVAL;
}

static int load_session(struct fs *f, const struct state_record *r)
{
	struct state_session in;

	if (r->len != sizeof(in) || f->begun)
		return -EINVAL;
	memcpy(&in, r->bytes, sizeof(in));
	if (in.big_endian > 1 || le32toh(in.minor) > FUSE_KERNEL_MINOR_VERSION || !le32toh(in.gen))
		return -EINVAL;
	if (le64toh(in.flags) & ~fs_wanted(f))
		return refuse(f, "it has agreed on what these options do not give");
	f->begun = true;
	f->flags = le64toh(in.flags);
	f->minor = le32toh(in.minor);
	f->gen = le32toh(in.gen);
	f->swap = (bool)in.big_endian != BIG_ENDIAN_HOST;
	f->kept->gen = f->gen;
	fs_kept_session(f);
	return 0;
}

/* Walks to a path, name by name; each is remembered.  Returns the file, or NULL: it is not there. */
static struct fs_inode *walk(struct fs *f, char *path, uint64_t number, bool *bad)
{
	struct fs_inode *n = &f->inodes[FUSE_ROOT_ID], *next;
	char *rest = path, *name;
	struct fs_stat st;

	while ((name = strsep(&rest, "/"))) {
		int fd;

		if (fs_name_check(name) < 0 || n->type != S_IFDIR >> 12) {
			*bad = fs_name_check(name) < 0;
			return NULL;
		}
		fd = fs_fd(f, n);
		/* The last name gets the guest's number. */
		f->number = rest ? 0 : number;
		if (fd < 0 || fs_stat(fd, name, &st) < 0 || fs_learn(f, n, fd, name, &st, &next) < 0) {
			f->number = 0;
			return NULL;
		}
		f->number = 0;
		n = next;
	}
	return n;
}

/* Takes the next entry, whose path is copied. */
static bool next_file(const struct state_record *r, size_t *at, struct state_file *e, char *path, size_t room)
{
	const uint8_t *bytes = r->bytes;
	size_t len;

	if (r->len - *at < sizeof(*e))
		return false;
	memcpy(e, bytes + *at, sizeof(*e));
	len = le16toh(e->path);
	if (len > r->len - *at - sizeof(*e) || len >= room || !len)
		return false;
	memcpy(path, bytes + *at + sizeof(*e), len);
	path[len] = '\0';
	*at += sizeof(*e) + len;
	return strlen(path) == len;
}

static int load_files(struct fs *f, const struct state_record *r)
{
	char path[PATH_ROOM];
	struct state_file e;
	uint32_t last = FUSE_ROOT_ID, lost = 0;

	if (!f->begun || f->ninodes > 1)
		return -EINVAL;
	for (size_t at = 0; at < r->len;) {
		if (!next_file(r, &at, &e, path, sizeof(path)) || (uint32_t)le64toh(e.number) <= FUSE_ROOT_ID ||
		    !(le64toh(e.number) >> 32))
			return -EINVAL;
		if ((uint32_t)le64toh(e.number) > f->max_inodes)
			return refuse(f, "it remembers more files than --max-inodes allows");
		if ((uint32_t)le64toh(e.number) > last)
			last = (uint32_t)le64toh(e.number);
	}
	/* Folders that the guest does not know get numbers beyond its own. */
	if (fs_inodes_reserve(f, last) < 0)
		return refuse(f, "there is no room for the files that it remembers");
	f->fresh = last + 1;
	for (size_t at = 0; at < r->len;) {
		struct fs_inode *n;
		bool bad = false;

		next_file(r, &at, &e, path, sizeof(path));
		n = walk(f, path, le64toh(e.number), &bad);
		if (bad)
			return -EINVAL;
		if (n && fs_number(f, n) == le64toh(e.number))
			n->lookups = le64toh(e.lookups);
		else
			lost++;
	}
	fs_inodes_loaded(f, last);
	if (lost && !f->on_error)
		return refuse(f, "files that it remembers are not here (--migration-on-error=guest-error takes it all "
				 "the same)");
	if (lost)
		log_guest(&f->d.log, "%u files that the guest remembers are not here: it gets errors", lost);
	return 0;
}

static int load_opens(struct fs *f, const struct state_record *r)
{
	uint32_t last = 0, lost = 0;
	struct state_open e;

	if (!f->begun || r->len % sizeof(e) || f->fresh_open)
		return -EINVAL;
	for (size_t at = 0; at < r->len; at += sizeof(e)) {
		uint32_t i;

		memcpy(&e, (const uint8_t *)r->bytes + at, sizeof(e));
		i = (uint32_t)le64toh(e.number);
		/* In rising order, so that none comes twice. */
		if (i <= last || e.dir > 1 || !(le64toh(e.number) >> 32) || le32toh(e.flags) & ~FS_OPEN_FLAGS)
			return -EINVAL;
		if (i > f->max_open)
			return refuse(f, "it has more files open than --max-open allows");
		last = i;
	}
	if (fs_opens_reserve(f, last) < 0)
		return refuse(f, "there is no room for its open files");
	for (size_t at = 0; at < r->len; at += sizeof(e)) {
		struct fs_inode *n;
		int fd = -1;

		memcpy(&e, (const uint8_t *)r->bytes + at, sizeof(e));
		n = fs_node(f, le64toh(e.node));
		if (n && (n->type == S_IFDIR >> 12) == (bool)e.dir)
			fd = fs_reopen(f, n, (int)le32toh(e.flags));
		if (fd >= 0)
			fs_open_at_number(f, n, fd, e.dir, le64toh(e.number), le32toh(e.flags));
		else
			lost++;
	}
	fs_opens_loaded(f, last);
	if (lost && !f->on_error)
		return refuse(
			f,
			"files that it has open are not here (--migration-on-error=guest-error takes it all the same)");
	return 0;
}

int fs_load(struct vdev *d, const struct state_record *r)
{
	struct fs *f = container_of(d, struct fs, d);

	fs_wipe_due(f);
	if (strcmp(r->name, "session") == 0)
		return load_session(f, r);
	if (strcmp(r->name, "files") == 0)
		return load_files(f, r);
	return strcmp(r->name, "opens") == 0 ? load_opens(f, r) : -EINVAL;
}
