/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_kept.c - what outlives the process (--session-file): the guest's session goes on where a vdevd that was killed has
 * left it; see fs.h.
 *
 * Theory of operation.  The records of files and of open files lie in a file that is mapped, and so does the head
 * before them.  The kernel has what was stored when the process ends, at whatever instruction that is; the next process
 * finds the stores in program order (fs_settle).  What can be told from the rest (hash, lists, counts, free records) is
 * not believed but made anew.  A record counts when its type is set, which is stored last.
 *
 * Requests that were in flight come again, from the rings' record (transport/ring/inflight.h), and must not be done
 * twice. One request at a time is done on the loop, and says so in the head (struct fs_now): its number, the count of
 * lookups that it sets, and a value of its own.  When it comes again (fs_req.again), what it finds done is its answer:
 * a name that is there already or not there any more, an open file of its number, a count that has its value.
 * READDIRPLUS alone counts anew what it has counted: those records stay until the session ends.
 *
 * Room for records is taken from the file system before they are stored to: a store beyond would be SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "devices/fs/fs.h"

#define CHUNK UINT64_C(65536)
#define MARK  "vdevdfs1"

/* linux/openat2.h */
#define BENEATH 0x0e

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

static uint64_t whole(uint64_t n)
{
	return (n + CHUNK - 1) / CHUNK * CHUNK;
}

/* ---- regions */

/* After it no other line is wanted. */
static int no_memory(struct fs *f)
{
	log_error(&f->d.log, "--max-inodes=%ju, --max-open=%ju: %s (addresses for as many are wanted)",
		  (uintmax_t)f->max_inodes, (uintmax_t)f->max_open, strerror(ENOMEM));
	return -EINVAL;
}

static int lay_out(struct fs *f)
{
	/* Where addresses have 32 bits it may be more than they reach. */
	const uint64_t records = fs_inode_records(f);
	const uint64_t sizes[FS_REGIONS] = {
		[FS_REGION_HEAD] = sizeof(struct fs_kept),
		[FS_REGION_MOUNTS] = FS_MOUNTS * sizeof(struct fs_kept_mount),
		[FS_REGION_INODES] = records * sizeof(struct fs_inode),
		[FS_REGION_BIGS] = records * FS_BIG,
		[FS_REGION_OPENS] = (f->max_open + 1) * sizeof(struct fs_open),
	};
	uint64_t at = 0;

	for (unsigned int i = 0; i < FS_REGIONS; i++) {
		f->regions[i] = (struct fs_region){.at = at, .size = whole(sizes[i])};
		at += f->regions[i].size;
	}
	f->kept_size = (size_t)at;
	return f->kept_size == at && at <= PTRDIFF_MAX ? 0 : no_memory(f);
}

void *fs_region(const struct fs *f, unsigned int which)
{
	return (uint8_t *)f->kept + f->regions[which].at;
}

int fs_region_grow(struct fs *f, unsigned int which, uint64_t end)
{
	struct fs_region *r = &f->regions[which];
	uint64_t want = whole(end);

	if (f->session_fd < 0 || want <= r->there)
		return 0;
	if (want > r->size)
		return -ENOSPC;
	if (fallocate(f->session_fd, 0, (off_t)(r->at + r->there), (off_t)(want - r->there)) < 0) {
		log_guest(&f->d.log, "--session-file=%s: no room for more: %s", f->session_file, strerror(errno));
		return -errno;
	}
	r->there = want;
	return 0;
}

int fs_region_fresh(struct fs *f, unsigned int which, uint64_t at, uint64_t end)
{
	int err = fs_region_grow(f, which, end);

	if (!err && f->session_fd >= 0 && at < end)
		memset((uint8_t *)fs_region(f, which) + at, 0, (size_t)(end - at));
	fs_settle();
	return err;
}

/* The first bytes of each region are always there. */
static int grow_first(struct fs *f)
{
	int err = 0;

	for (unsigned int i = 0; i < FS_REGIONS && !err; i++)
		err = fs_region_grow(f, i, i == FS_REGION_HEAD ? f->regions[i].size : CHUNK);
	return err;
}

/*
 * All of it, not what this process has grown alone: another one's records lie behind that.  Where holes cannot be made
 * they stay, and each is cleared when it comes into use (fs_region_fresh).
 */
static void region_zero(struct fs *f, struct fs_region *r)
{
	uint8_t *p = (uint8_t *)f->kept + r->at;

	if (f->session_fd < 0) {
		madvise(p, (size_t)r->size, MADV_DONTNEED);
		return;
	}
	memset(p, 0, CHUNK);
	if (r->size > CHUNK && fallocate(f->session_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 (off_t)(r->at + CHUNK), (off_t)(r->size - CHUNK)) < 0)
		memset(p + CHUNK, 0, (size_t)(r->there - CHUNK));
	else
		r->there = CHUNK;
}

void fs_kept_wipe(struct fs *f)
{
	struct fs_kept *k = f->kept;

	/* From here on it is one of no session. */
	k->begun = false;
	fs_settle();
	for (unsigned int i = FS_REGION_HEAD + 1; i < FS_REGIONS; i++)
		region_zero(f, &f->regions[i]);
	memset(k, 0, f->session_fd < 0 ? offsetof(struct fs_kept, ranges) : sizeof(*k));
	f->again = f->nranges = 0;
	k->inode_size = sizeof(struct fs_inode);
	k->open_size = sizeof(struct fs_open);
	k->max_inodes = f->max_inodes;
	k->max_open = f->max_open;
	fs_settle();
	memcpy(k->mark, MARK, sizeof(k->mark));
}

void fs_kept_session(struct fs *f)
{
	struct fs_kept *k = f->kept;

	k->flags = f->flags;
	k->minor = f->minor;
	k->swap = f->swap;
	fs_settle();
	k->begun = f->begun;
}

/* ---- the file */

static int refuse(struct fs *f, const char *why)
{
	log_error(&f->d.log, "--session-file=%s: %s", f->session_file, why);
	return -EINVAL;
}

/* Takes the file for this process alone.  One that was killed lets go when the kernel has cleared it away: soon. */
static int take_file(struct fs *f)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	for (unsigned int tries = 0; flock(f->session_fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK || tries == 100)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* The folder that the file is in, and its name there.  Returns a descriptor, or -errno. */
static int open_above(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char above[PATH_MAX];
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;
	int fd;

	if (len >= sizeof(above))
		return -ENAMETOOLONG;
	memcpy(above, path, len);
	above[len] = '\0';
	*name = path + len;
	fd = open(len ? above : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Whether a folder is the shared one, or below it.  Returns -errno where that cannot be told. */
static int is_shared(const struct fs *f, int fd)
{
	struct stat shared, st, above;
	int next, ret = 0;

	/* One that is not there is the shared folder's error. */
	if (stat(f->dir, &shared) < 0)
		return 0;
	fd = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		ret = -errno;
	while (!ret) {
		if (st.st_dev == shared.st_dev && st.st_ino == shared.st_ino) {
			ret = 1;
			break;
		}
		next = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (next < 0 || fstat(next, &above) < 0)
			ret = -errno;
		close(fd);
		fd = next;
		/* The root's is itself. */
		if (ret || (above.st_dev == st.st_dev && above.st_ino == st.st_ino))
			break;
		st = above;
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

/* What keeps others from writing what is believed here: NULL, nothing is wrong. */
static const char *unsafe(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "a regular file is wanted, best one in /run";
	if (st->st_uid != geteuid())
		return "it is another user's: one of the user who starts vdevd is wanted, or none, and it is made";
	if (st->st_mode & 077)
		return "others have rights to it: mode 0600 is wanted";
	return st->st_nlink == 1 ? NULL : "it has other names (hard links): a file of one name is wanted";
}

/* Opens it, for this process alone.  Returns its size, or -errno after a line. */
static int64_t open_file(struct fs *f)
{
	const char *name, *wrong;
	struct stat st;
	int above = open_above(f->session_file, &name), err;

	if (above < 0)
		return refuse(f, strerror(-above));
	err = is_shared(f, above);
	if (!err)
		f->session_fd = openat(above, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
				       0600);
	if (!err && f->session_fd < 0)
		err = -errno;
	close(above);
	if (err)
		return refuse(f, err > 0 ? "it is in the shared folder, where the guest could write to it: one in /run is wanted"
					 : strerror(-err));
	if (fstat(f->session_fd, &st) < 0)
		return refuse(f, strerror(errno));
	wrong = unsafe(&st);
	if (wrong)
		return refuse(f, wrong);
	err = take_file(f);
	if (err)
		return refuse(f, err == -EWOULDBLOCK ? "another vdevd has it" : strerror(-err));
	if (fstat(f->session_fd, &st) < 0)
		return refuse(f, strerror(errno));
	return st.st_size;
}

static int map_file(struct fs *f)
{
	int64_t size = open_file(f);
	int err;

	if (size < 0)
		return (int)size;
	if ((uint64_t)size != f->kept_size &&
	    (ftruncate(f->session_fd, 0) < 0 || ftruncate(f->session_fd, (off_t)f->kept_size) < 0))
		return refuse(f, strerror(errno));
	if (size && (uint64_t)size != f->kept_size)
		log_warn(&f->d.log, "--session-file=%s is of other limits (--max-inodes, --max-open): begun anew",
			 f->session_file);
	f->kept = mmap(NULL, f->kept_size, PROT_READ | PROT_WRITE, MAP_SHARED, f->session_fd, 0);
	if (f->kept == MAP_FAILED) {
		f->kept = NULL;
		return refuse(f, strerror(errno));
	}
	err = grow_first(f);
	if (err)
		return refuse(f, "a file system with fallocate(2) and room for it is wanted, best /run");
	return 0;
}

int fs_kept_open(struct fs *f)
{
	int err = lay_out(f);

	if (err)
		return err;
	if (f->session_file) {
		err = map_file(f);
		if (err)
			return err;
	} else {
		f->kept = mmap(NULL, f->kept_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			       -1, 0);
		if (f->kept == MAP_FAILED) {
			f->kept = NULL;
			return no_memory(f);
		}
	}
	f->inodes = fs_region(f, FS_REGION_INODES);
	f->bigs = fs_region(f, FS_REGION_BIGS);
	f->opens = fs_region(f, FS_REGION_OPENS);
	return 0;
}

void fs_kept_close(struct fs *f)
{
	if (f->kept)
		munmap(f->kept, f->kept_size);
	f->kept = NULL;
	if (f->session_fd >= 0)
		close(f->session_fd);
	f->session_fd = -1;
}

/* ---- a request that comes again */

void fs_now_begin(struct fs *f, struct fs_req *r)
{
	struct fs_now *now = &f->kept->now;

	*now = (struct fs_now){0};
	for (unsigned int i = 0; f->again && i < FS_AGAIN; i++) {
		struct fs_now *old = &f->kept->again[i];

		if (!old->unique || old->unique != r->unique)
			continue;
		*now = *old;
		r->again = true;
		fs_settle();
		*old = (struct fs_now){0};
		f->again--;
	}
	fs_settle();
	now->unique = r->unique;
}

void fs_now_end(struct fs *f)
{
	fs_settle();
	f->kept->now.unique = 0;
}

bool fs_now_before(struct fs *f, const struct fs_req *r, bool there)
{
	enum { ABSENT = 1, THERE };
	struct fs_now *now = &f->kept->now;

	if (f->session_fd < 0)
		return false;
	if (!r->again || !now->value) {
		now->value = there ? THERE : ABSENT;
		fs_settle();
	}
	return now->value == THERE;
}

bool fs_now_there(struct fs *f, const struct fs_req *r, int pfd, const char *name)
{
	struct fs_stat st;

	return f->session_fd >= 0 && fs_now_before(f, r, fs_stat(pfd, name, &st) == 0);
}

/* Sets a count of lookups, once, also where the request is done twice. */
static bool count_to(struct fs *f, const struct fs_req *r, const struct fs_inode *n, uint64_t lookups)
{
	struct fs_now *now = &f->kept->now;

	if (r->again && now->node == fs_index(f, n) && now->lookups == n->lookups)
		return false;
	now->node = 0;
	fs_settle();
	now->lookups = lookups;
	fs_settle();
	now->node = fs_index(f, n);
	fs_settle();
	return true;
}

void fs_looked_up(struct fs *f, const struct fs_req *r, struct fs_inode *n)
{
	if (count_to(f, r, n, n->lookups + 1))
		n->lookups++;
}

void fs_forgotten(struct fs *f, const struct fs_req *r, struct fs_inode *n, uint64_t lookups)
{
	lookups = min_u64(lookups, n->lookups);
	if (lookups && count_to(f, r, n, n->lookups - lookups))
		fs_inode_forget(f, n, lookups);
	else
		fs_inode_unuse(f, n);
}

/* The request that was under way when the last process ended is known until it comes. */
static void keep_now(struct fs *f)
{
	struct fs_kept *k = f->kept;
	struct fs_now *place = &k->again[0];

	for (unsigned int i = 0; i < FS_AGAIN && k->now.unique; i++) {
		if (k->again[i].unique == k->now.unique) {
			place = &k->again[i];
			break;
		}
		if (!k->again[i].unique)
			place = &k->again[i];
	}
	if (k->now.unique)
		*place = k->now;
	fs_settle();
	k->now.unique = 0;
	f->again = 0;
	for (unsigned int i = 0; i < FS_AGAIN; i++)
		f->again += k->again[i].unique != 0;
}

/* ---- file systems below */

void fs_kept_mount(struct fs *f, unsigned int i, int pfd, const char *name)
{
	struct fs_kept_mount *m = (struct fs_kept_mount *)fs_region(f, FS_REGION_MOUNTS) + i;
	char path[sizeof(m->path)];
	int len;

	if (f->session_fd < 0 || fs_region_grow(f, FS_REGION_MOUNTS, (i + 1) * sizeof(*m)) < 0)
		return;
	m->major = f->mounts[i].major;
	m->minor = f->mounts[i].minor;
	m->path[0] = '\0';
	len = i ? fs_path_of_fd(f, pfd, path, sizeof(path)) : 0;
	/* Without a path it is not found again, nor what is on it. */
	if (len >= 0 && (size_t)len + strlen(name) + 2 <= sizeof(path)) {
		memcpy(m->path, path, (size_t)len);
		if (len)
			m->path[len++] = '/';
		memcpy(m->path + len, name, strlen(name) + 1);
	}
	fs_settle();
	if (i >= f->kept->nmounts)
		f->kept->nmounts = i + 1;
}

static int open_mount(struct fs *f, const struct fs_kept_mount *m)
{
	const struct {
		uint64_t flags, mode, resolve;
	} how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, .resolve = BENEATH};

	if (!memchr(m->path, '\0', sizeof(m->path)))
		return -1;
	return (int)syscall(SYS_openat2, f->root_fd, m->path[0] ? m->path : ".", &how, sizeof(how));
}

static void resume_mounts(struct fs *f)
{
	const struct fs_kept_mount *at = fs_region(f, FS_REGION_MOUNTS);

	/* That of the root is there already. */
	for (unsigned int i = 1; i < f->kept->nmounts; i++) {
		struct fs_mount *m = &f->mounts[i];
		int fd = open_mount(f, &at[i]);
		struct fs_stat st;

		*m = (struct fs_mount){.major = at[i].major, .minor = at[i].minor, .fd = -1, .id = UINT64_MAX};
		if (fd >= 0 && fs_stat(fd, "", &st) == 0 && st.stx_dev_major == m->major &&
		    st.stx_dev_minor == m->minor) {
			m->id = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0;
			m->fd = f->handles_work ? fd : -1;
		}
		if (fd >= 0 && m->fd < 0)
			close(fd);
	}
	f->nmounts = f->kept->nmounts;
}

/* ---- the next process */

/* Whether there is a session of this folder that can go on. */
static bool can_resume(struct fs *f, const struct fs_stat *root)
{
	const struct fs_kept *k = f->kept;

	if (f->session_fd < 0 || memcmp(k->mark, MARK, sizeof(k->mark)) != 0 || !k->begun)
		return false;
	if (k->inode_size != sizeof(struct fs_inode) || k->open_size != sizeof(struct fs_open) ||
	    k->max_inodes != f->max_inodes || k->max_open != f->max_open || k->root_ino != root->stx_ino ||
	    k->root_born != fs_born(root) || k->flags & ~fs_wanted(f) || k->nmounts > FS_MOUNTS || !k->nmounts ||
	    k->fresh <= FUSE_ROOT_ID || k->fresh > fs_inode_records(f) || k->fresh_big >= fs_inode_records(f) ||
	    k->fresh_open > f->max_open || !k->gen || k->swap > 1) {
		log_warn(&f->d.log, "--session-file=%s: its session is of another folder or of other options: begun anew",
			 f->session_file);
		return false;
	}
	return fs_region_grow(f, FS_REGION_INODES, (uint64_t)k->fresh * sizeof(struct fs_inode)) == 0 &&
	       fs_region_grow(f, FS_REGION_BIGS, ((uint64_t)k->fresh_big + 1) * FS_BIG) == 0 &&
	       fs_region_grow(f, FS_REGION_OPENS, ((uint64_t)k->fresh_open + 1) * sizeof(struct fs_open)) == 0 &&
	       fs_region_grow(f, FS_REGION_MOUNTS, k->nmounts * sizeof(struct fs_kept_mount)) == 0;
}

bool fs_kept_resume(struct fs *f, const struct fs_stat *root)
{
	struct fs_kept *k = f->kept;

	if (!can_resume(f, root))
		return false;
	f->flags = k->flags;
	f->minor = k->minor < FUSE_KERNEL_MINOR_VERSION ? k->minor : FUSE_KERNEL_MINOR_VERSION;
	f->swap = k->swap;
	f->gen = k->gen;
	resume_mounts(f);
	if (fs_inodes_resume(f, root) < 0)
		return false;
	fs_opens_resume(f);
	fs_inodes_sweep(f);
	keep_now(f);
	f->nranges = 0;
	for (unsigned int i = 0; i < FS_RANGES; i++)
		f->nranges += k->ranges[i].inode != 0;
	f->begun = f->resumed = true;
	log_info(&f->d.log, "a guest's session goes on: it remembers %u files and has %u open", f->ninodes, f->nopens);
	return true;
}

void fs_kept_root(struct fs *f, const struct fs_stat *root)
{
	f->kept->root_ino = root->stx_ino;
	f->kept->root_born = fs_born(root);
}

/* Gives up what the host has given; the records stay for the next process, unless another session begins in this one. */
void fs_session_leave(struct fs *f)
{
	f->leaving = true;
	fs_owners_end(f, 0);
	for (uint32_t i = 1; i <= f->fresh_open; i++) {
		if (f->opens[i].inode && f->opens[i].fd >= 0)
			close(f->opens[i].fd);
		f->opens[i].fd = -1;
	}
	fs_slot_drop_all(f);
	f->begun = false;
	f->leaving = false;
}
