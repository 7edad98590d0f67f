/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_find.c - how a file that the guest remembers is found again; see fs.h.
 *
 * Descriptors are few, files are many.  A file is found by its handle (name_to_handle_at(2)) where the host has handles
 * that know their folder (AT_HANDLE_CONNECTABLE, Linux 6.13) and the process may open them; otherwise by its folder and
 * name.  Handles that do not know their folder would do but for Landlock, which cannot tell where such a file lies.
 * Either way what was found is looked at: it must be the file that it was.  The descriptors used last are kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/fs/fs.h"

/* linux/openat2.h, and what headers of older C libraries lack. */
struct open_how_v0 {
	uint64_t flags, mode, resolve;
};

#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS   0x04
#define RESOLVE_BENEATH	      0x08

#ifndef AT_HANDLE_CONNECTABLE
#define AT_HANDLE_CONNECTABLE 0x002
#endif

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

#define STAT_MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)

struct handle {
	struct file_handle h;
	uint8_t bytes[FS_HANDLE_MAX];
};

int fs_stat(int fd, const char *name, struct fs_stat *st)
{
	int flags = *name ? AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT : AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;

	return syscall(SYS_statx, fd, name, flags, STAT_MASK, st) < 0 ? -errno : 0;
}

const char *fs_proc(struct fs_proc *p, int fd)
{
	snprintf(p->text, sizeof(p->text), "%d", fd);
	return p->text;
}

/* One name in a folder; nothing is followed. */
static int open_name(int pfd, const char *name)
{
	const struct open_how_v0 how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, pfd, name, &how, sizeof(how));

	/* Older than Linux 5.6: of one name this is the same. */
	if (fd < 0 && errno == ENOSYS)
		fd = openat(pfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ---- file systems */

/* The descriptor that handles of a file system are opened by: the first folder of it that was seen, which is its root
 * here. */
static int mount_open(struct fs *f, int pfd, const char *name)
{
	if (!f->handles_work)
		return -1;
	return openat(pfd, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int fs_mount_of(struct fs *f, const struct fs_stat *st, int pfd, const char *name)
{
	uint64_t id = st->stx_mask & STATX_MNT_ID ? st->stx_mnt_id : 0;
	unsigned int place = f->nmounts;
	struct fs_mount *m;

	for (unsigned int i = 0; i < f->nmounts; i++) {
		m = &f->mounts[i];
		if (m->id == id && m->major == st->stx_dev_major && m->minor == st->stx_dev_minor)
			return (int)i;
		if (i && !m->users)
			place = place < i ? place : i;
	}
	if (place == FS_MOUNTS) {
		log_guest(&f->d.log, "more than %d file systems are mounted in the shared folder", FS_MOUNTS);
		return -ENFILE;
	}
	m = &f->mounts[place];
	if (place < f->nmounts)
		fs_mount_unuse(f, place);
	*m = (struct fs_mount){.id = id, .major = st->stx_dev_major, .minor = st->stx_dev_minor, .fd = -1};
	if (S_ISDIR(st->stx_mode))
		m->fd = mount_open(f, pfd, name);
	if (place == f->nmounts)
		f->nmounts++;
	fs_kept_mount(f, place, pfd, name);
	return (int)place;
}

void fs_mount_unuse(struct fs *f, unsigned int mount)
{
	struct fs_mount *m = &f->mounts[mount];

	if (!mount || m->users)
		return;
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	m->id = UINT64_MAX; /* of none */
}

/* ---- kept descriptors */

static void slot_out(struct fs *f, uint32_t s)
{
	struct fs_slot *x = &f->slots[s];

	*(x->newer ? &f->slots[x->newer].older : &f->newest) = x->older;
	*(x->older ? &f->slots[x->older].newer : &f->oldest) = x->newer;
}

static void slot_in(struct fs *f, uint32_t s)
{
	struct fs_slot *x = &f->slots[s];

	x->newer = 0;
	x->older = f->newest;
	*(f->newest ? &f->slots[f->newest].newer : &f->oldest) = s;
	f->newest = s;
}

static int slot_use(struct fs *f, uint32_t s)
{
	if (f->newest != s) {
		slot_out(f, s);
		slot_in(f, s);
	}
	return f->slots[s].fd;
}

/* Keeps a descriptor, in the place of the one that was not used for the longest time. */
static void slot_keep(struct fs *f, struct fs_inode *n, int fd)
{
	uint32_t s;

	if (f->nslots < f->fd_cache) {
		s = ++f->nslots;
	} else {
		s = f->oldest;
		slot_out(f, s);
		if (f->slots[s].inode)
			f->inodes[f->slots[s].inode].slot = 0;
		if (f->slots[s].fd >= 0)
			close(f->slots[s].fd);
	}
	f->slots[s].fd = fd;
	f->slots[s].inode = fs_index(f, n);
	n->slot = s;
	slot_in(f, s);
}

void fs_slot_drop(struct fs *f, struct fs_inode *n)
{
	uint32_t s = n->slot;

	if (!s)
		return;
	n->slot = 0;
	close(f->slots[s].fd);
	f->slots[s].fd = -1;
	f->slots[s].inode = 0;
	/* It is the next to be taken. */
	slot_out(f, s);
	f->slots[s].newer = f->oldest;
	f->slots[s].older = 0;
	*(f->oldest ? &f->slots[f->oldest].older : &f->newest) = s;
	f->oldest = s;
}

void fs_slot_drop_all(struct fs *f)
{
	for (uint32_t s = 1; s <= f->nslots; s++) {
		if (f->slots[s].inode)
			f->inodes[f->slots[s].inode].slot = 0;
		if (f->slots[s].fd >= 0)
			close(f->slots[s].fd);
		f->slots[s] = (struct fs_slot){.fd = -1};
	}
	f->nslots = f->newest = f->oldest = 0;
}

/* ---- finding */

static int by_handle(struct fs *f, const struct fs_inode *n, int flags)
{
	struct handle h = {.h = {.handle_bytes = n->len, .handle_type = (int)n->handle_type}};
	int fd;

	if (f->mounts[n->mount].fd < 0)
		return -ESTALE;
	memcpy(h.h.f_handle, fs_inode_ref_bytes(f, n), n->len);
	fd = open_by_handle_at(f->mounts[n->mount].fd, &h.h, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What was opened is the file that it was, or the descriptor is closed. */
static int verify(struct fs *f, const struct fs_inode *n, int fd)
{
	const struct fs_mount *m = &f->mounts[n->mount];
	struct fs_stat st;
	int err;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
	err = fs_stat(fd, "", &st);
	if (!err && st.stx_ino == n->ino && fs_born(&st) == n->born && st.stx_dev_major == m->major &&
	    st.stx_dev_minor == m->minor && st.stx_mode >> 12 == n->type)
		return fd;
	close(fd);
	return err ? err : -ESTALE;
}

static int held_fd(struct fs *f, const struct fs_inode *n)
{
	if (n->slot)
		return slot_use(f, n->slot);
	if (fs_index(f, n) == FUSE_ROOT_ID)
		return f->root_path;
	return n->opens ? f->opens[n->opens].fd : -1;
}

/* From the nearest folder that is open down to the file, by names. */
static int by_name(struct fs *f, struct fs_inode *n)
{
	uint32_t path[FS_DEPTH];
	/* What a request has found must not be closed by what it looks for next, and that is at most two files more. */
	unsigned int depth = 0, most = (unsigned int)min_u64(FS_DEPTH, f->fd_cache / 4);
	char name[FS_NAME_MAX + 1];
	int fd;

	for (;; n = &f->inodes[n->parent]) {
		if (n->how != FS_BY_NAME)
			break;
		if (depth == most)
			return -ELOOP;
		path[depth++] = fs_index(f, n);
		if (held_fd(f, &f->inodes[n->parent]) >= 0)
			break;
	}
	fd = n->how == FS_BY_NAME ? held_fd(f, &f->inodes[n->parent]) : fs_fd(f, n);
	while (fd >= 0 && depth--) {
		n = &f->inodes[path[depth]];
		memcpy(name, fs_inode_ref_bytes(f, n), n->len);
		name[n->len] = '\0';
		fd = verify(f, n, open_name(fd, name));
		if (fd >= 0)
			slot_keep(f, n, fd);
	}
	return fd;
}

int fs_fd(struct fs *f, struct fs_inode *n)
{
	int fd = held_fd(f, n);

	if (fd >= 0)
		return fd;
	if (n->how == FS_BY_NAME) {
		fd = by_name(f, n);
	} else if (n->how == FS_BY_HANDLE) {
		fd = verify(f, n, by_handle(f, n, O_PATH | O_NOFOLLOW));
		if (fd >= 0)
			slot_keep(f, n, fd);
	} else {
		fd = -ESTALE;
	}
	f->count.stale += fd == -ESTALE;
	return fd;
}

int fs_dir_fd(struct fs *f, uint64_t node, struct fs_inode **out)
{
	struct fs_inode *n = fs_node(f, node);

	if (!n)
		return -ESTALE;
	if (n->type != S_IFDIR >> 12)
		return -ENOTDIR;
	*out = n;
	return fs_fd(f, n);
}

int fs_reopen(struct fs *f, struct fs_inode *n, int flags)
{
	bool dir = n->type == S_IFDIR >> 12;
	struct fs_proc p;
	int fd;

	if (!dir && n->type != S_IFREG >> 12)
		return n->type == S_IFLNK >> 12 ? -ELOOP : -ENXIO;
	flags = (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
		(dir ? O_DIRECTORY : 0);
	if (n->how == FS_BY_HANDLE && held_fd(f, n) < 0 && !(flags & O_TRUNC))
		return verify(f, n, by_handle(f, n, flags));
	fd = fs_fd(f, n);
	if (fd < 0)
		return fd;
	fd = openat(f->proc_fd, fs_proc(&p, fd), flags);
	return fd < 0 ? -errno : fd;
}

/* ---- learning */

/* Takes down how the file of this name is found again. */
static int note(struct fs *f, struct fs_inode *n, struct fs_inode *parent, int pfd, const char *name)
{
	struct handle h = {.h = {.handle_bytes = FS_HANDLE_MAX}};
	int unused;

	if (f->mounts[n->mount].fd >= 0 &&
	    name_to_handle_at(pfd, name, &h.h, &unused, f->connectable ? AT_HANDLE_CONNECTABLE : 0) == 0)
		return fs_inode_ref(f, n, FS_BY_HANDLE, h.h.f_handle, h.h.handle_bytes, (uint32_t)h.h.handle_type,
				    parent);
	if (f->handles == FS_HANDLES_MANDATORY)
		return -EOPNOTSUPP;
	return fs_inode_ref(f, n, FS_BY_NAME, name, strlen(name), 0, parent);
}

/* Without a handle the file is opened: what was looked at is what is kept. */
static int open_to_learn(struct fs *f, int pfd, const char *name, struct fs_stat *st)
{
	int fd = open_name(pfd, name), err;

	if (fd < 0)
		return fd;
	err = fs_stat(fd, "", st);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int learn_new(struct fs *f, struct fs_inode *parent, int pfd, const char *name, struct fs_stat *st, int mount,
		     struct fs_inode **out)
{
	int fd = -1, err;

	if (f->mounts[mount].fd < 0) {
		fd = open_to_learn(f, pfd, name, st);
		if (fd < 0)
			return fd;
		mount = fs_mount_of(f, st, pfd, name);
		*out = mount < 0 ? NULL : fs_inode_find(f, st, (unsigned int)mount);
		if (*out || mount < 0) {
			close(fd);
			return mount < 0 ? mount : 0;
		}
	}
	*out = fs_inode_new(f, st, (unsigned int)mount);
	if (!*out) {
		f->count.full++;
		log_guest(&f->d.log, "the guest remembers %u files, which is the most there may be (--max-inodes)",
			  f->ninodes);
		if (fd >= 0)
			close(fd);
		return -ENFILE;
	}
	err = note(f, *out, parent, pfd, name);
	if (err) {
		fs_inode_unuse(f, *out);
		if (fd >= 0)
			close(fd);
		return err;
	}
	if (fd >= 0)
		slot_keep(f, *out, fd);
	return 0;
}

/* Whether the file is elsewhere than where it was last seen: the old way may not lead to it any more. */
static bool moved(const struct fs *f, const struct fs_inode *n, const struct fs_inode *parent, const char *name)
{
	if (fs_index(f, n) == FUSE_ROOT_ID)
		return false;
	if (n->parent != fs_index(f, parent) || n->how == FS_BY_NOTHING)
		return true;
	return n->how == FS_BY_NAME && (n->len != strlen(name) || memcmp(fs_inode_ref_bytes(f, n), name, n->len) != 0);
}

int fs_learn(struct fs *f, struct fs_inode *parent, int pfd, const char *name, struct fs_stat *st,
	     struct fs_inode **out)
{
	int mount = fs_mount_of(f, st, pfd, name);

	if (mount < 0)
		return mount;
	*out = fs_inode_find(f, st, (unsigned int)mount);
	if (!*out)
		return learn_new(f, parent, pfd, name, st, mount, out);
	return moved(f, *out, parent, name) ? note(f, *out, parent, pfd, name) : 0;
}

void fs_renamed(struct fs *f, struct fs_inode *parent, int pfd, const char *name)
{
	struct fs_inode *n;
	struct fs_stat st;
	int mount;

	if (fs_stat(pfd, name, &st) < 0)
		return;
	mount = fs_mount_of(f, &st, pfd, name);
	n = mount < 0 ? NULL : fs_inode_find(f, &st, (unsigned int)mount);
	if (n && moved(f, n, parent, name))
		note(f, n, parent, pfd, name);
}

/* ---- the shared folder */

/* Whether handles can be made and opened here, and which. */
static void try_handles(struct fs *f)
{
	struct handle h = {.h = {.handle_bytes = FS_HANDLE_MAX}};
	int unused, fd;

	if (f->handles == FS_HANDLES_NEVER)
		return;
	f->connectable = name_to_handle_at(f->root_fd, ".", &h.h, &unused, AT_HANDLE_CONNECTABLE) == 0;
	if (!f->connectable)
		return;
	fd = open_by_handle_at(f->root_fd, &h.h, O_PATH | O_CLOEXEC);
	f->handles_work = fd >= 0;
	if (fd >= 0)
		close(fd);
}

static void mounts_close(struct fs *f)
{
	for (; f->nmounts; f->nmounts--) {
		if (f->mounts[f->nmounts - 1].fd >= 0)
			close(f->mounts[f->nmounts - 1].fd);
	}
}

static int root_learn(struct fs *f)
{
	struct fs_inode *n;
	struct fs_stat st;
	int err = fs_stat(f->root_fd, "", &st);

	if (err)
		return err;
	if (fs_mount_of(f, &st, f->root_fd, "") < 0)
		return -ENFILE;
	n = fs_inode_new(f, &st, 0);
	if (!n)
		return -ENOMEM;
	n->lookups = 1;
	fs_kept_root(f, &st);
	return 0;
}

/* Goes on with a session that was left, or begins without one. */
static int begin(struct fs *f)
{
	unsigned int left = f->kept->nmounts;
	struct fs_stat st;
	int err = fs_stat(f->root_fd, "", &st);

	if (err)
		return err;
	if (f->session_fd >= 0 && left && left <= FS_MOUNTS) {
		if (fs_mount_of(f, &st, f->root_fd, "") < 0)
			return -ENFILE;
		f->kept->nmounts = left;
		if (fs_kept_resume(f, &st))
			return 0;
	}
	mounts_close(f);
	fs_inodes_forget_all(f);
	return root_learn(f);
}

int fs_find_open(struct fs *f)
{
	f->root_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->root_fd < 0)
		return -errno;
	f->root_path = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	f->proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (f->root_path < 0 || f->proc_fd < 0)
		return -errno;
	try_handles(f);
	return begin(f);
}

void fs_find_close(struct fs *f)
{
	mounts_close(f);
	if (f->root_fd >= 0)
		close(f->root_fd);
	if (f->root_path >= 0)
		close(f->root_path);
	if (f->proc_fd >= 0)
		close(f->proc_fd);
}

void fs_session_end(struct fs *f)
{
	fs_owners_end(f, 0);
	fs_opens_end(f);
	fs_inodes_forget_all(f);
	mounts_close(f);
	f->wipe = f->resumed = false;
	f->begun = f->swap = false;
	f->flags = 0;
	if (root_learn(f) < 0)
		log_guest(&f->d.log, "--shared-dir=%s cannot be looked at any more", f->dir);
}
