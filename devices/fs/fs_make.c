/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_make.c - what makes and removes names: MKNOD, MKDIR, SYMLINK, CREATE, TMPFILE, LINK, UNLINK, RMDIR, RENAME; see
 * fs.h.
 *
 * What is made is the guest's user's from the first moment on: the thread takes that user's and group's number for the
 * one system call, and keeps its capabilities.  What the guest's kernel has decided is not decided again: it has looked
 * at permissions, and has taken set-group-id off modes by all the groups of its user.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices/fs/fs.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE	 2
#define RENAME_WHITEOUT	 4
#endif

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS */
#define ONE_NAME 0x0e

/* ---- whose it is */

int fs_creds_open(struct fs *f)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	f->privileged = data[0].effective & 1u << CAP_SETUID && data[0].effective & 1u << CAP_SETGID;
	f->own_uid = f->fsuid = geteuid();
	f->own_gid = f->fsgid = getegid();
	/* Another number for one system call must not cost capabilities. */
	if (f->privileged && prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		log_debug(&f->d.log, "securebits: %s", strerror(errno));
	return 0;
}

void fs_creds_start(struct fs *f)
{
	/* Where nothing is made the filter does not have these calls.  A number that cannot be reads the present one. */
	if (f->readonly)
		return;
	f->own_uid = f->fsuid = (uid_t)setfsuid((uid_t)-1);
	f->own_gid = f->fsgid = (gid_t)setfsgid((gid_t)-1);
}

static void take_ids(struct fs *f, uid_t uid, gid_t gid)
{
	/* The group first: with some user numbers it could not be taken any more. */
	if (f->fsgid != gid)
		setfsgid(gid);
	if (f->fsuid != uid)
		setfsuid(uid);
	f->fsgid = gid;
	f->fsuid = uid;
}

int fs_become(struct fs *f, const struct fs_req *r)
{
	uint32_t uid = f->own_uid, gid = f->own_gid;

	/* Where the guest's kernel cannot tell (ALLOW_IDMAP) nothing is made: that must not be a way around the rules. */
	if (r->uid == FUSE_INVALID_UIDGID ? f->uids.n : !fs_id_to_host(&f->uids, r->uid, &uid))
		return -EPERM;
	if (r->gid == FUSE_INVALID_UIDGID ? f->gids.n : !fs_id_to_host(&f->gids, r->gid, &gid))
		return -EPERM;
	if (!f->privileged)
		return 0;
	take_ids(f, uid, gid);
	return 0;
}

void fs_unbecome(struct fs *f)
{
	if (f->privileged)
		take_ids(f, f->own_uid, f->own_gid);
}

/* ---- what making has in common */

/* Answers with the file that has come to be. */
static int answer(struct fs *f, struct fs_req *r, struct fs_inode *parent, int pfd, const char *name,
		  struct fs_inode **out)
{
	struct fuse_entry_out e;
	struct fs_inode *n;
	struct fs_stat st;
	int err = fs_stat(pfd, name, &st);

	if (!err)
		err = fs_learn(f, parent, pfd, name, &st, &n);
	if (err)
		return err;
	fs_entry(f, &st, n, parent, &e);
	err = fs_put(r, &e, sizeof(e));
	if (err) {
		fs_inode_unuse(f, n);
		return err;
	}
	fs_looked_up(f, r, n);
	if (out)
		*out = n;
	return 0;
}

/* The folder that something is made in, and whether its name can be. */
static int make_in(struct fs *f, struct fs_req *r, struct fs_inode **parent)
{
	int err = fs_name_check(r->name[0]);

	return err ? err : fs_dir_fd(f, r->node, parent);
}

/* The guest's mode; where it leaves the umask to us it comes with it (DONT_MASK), and a default ACL has precedence over
 * it. */
static void mask_begin(const struct fs *f, uint32_t mask)
{
	if (f->flags & FUSE_DONT_MASK && mask & 0777)
		umask(mask & 0777);
}

static void mask_end(const struct fs *f, uint32_t mask)
{
	if (f->flags & FUSE_DONT_MASK && mask & 0777)
		umask(0);
}

enum made { MADE_NODE, MADE_DIR, MADE_LINK };

/* Makes a node, a folder or a link, labels it, and answers. */
static int make(struct fs *f, struct fs_req *r, enum made what, mode_t mode, uint32_t mask, dev_t dev,
		const char *target)
{
	struct fs_inode *parent;
	int pfd = make_in(f, r, &parent), err, ret = 0;
	bool there;

	if (pfd < 0)
		return pfd;
	there = fs_now_there(f, r, pfd, r->name[0]);
	err = fs_become(f, r);
	if (err)
		return err;
	mask_begin(f, mask);
	if (what == MADE_NODE)
		ret = mknodat(pfd, r->name[0], mode, dev);
	else if (what == MADE_DIR)
		ret = mkdirat(pfd, r->name[0], mode);
	else
		ret = symlinkat(target, pfd, r->name[0]);
	err = ret < 0 ? -errno : 0;
	mask_end(f, mask);
	fs_unbecome(f);
	if (err == -EEXIST && r->again && !there)
		err = 0;
	if (err)
		return err;
	err = fs_set_label(f, r, pfd, r->name[0]);
	if (!err)
		err = answer(f, r, parent, pfd, r->name[0], NULL);
	if (err)
		unlinkat(pfd, r->name[0], what == MADE_DIR ? AT_REMOVEDIR : 0);
	return err;
}

int fs_mknod(struct fs *f, struct fs_req *r)
{
	const struct fuse_mknod_in *in = r->arg;
	uint32_t mode = fs32(f, in->mode), rdev = fs32(f, in->rdev);

	if (mode & ~(uint32_t)(S_IFMT | 07777))
		return -EINVAL;
	return make(f, r, MADE_NODE, mode, fs32(f, in->umask),
		    makedev((rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)), NULL);
}

int fs_mkdir(struct fs *f, struct fs_req *r)
{
	const struct fuse_mkdir_in *in = r->arg;

	return make(f, r, MADE_DIR, fs32(f, in->mode) & 07777, fs32(f, in->umask), 0, NULL);
}

int fs_symlink(struct fs *f, struct fs_req *r)
{
	size_t len = strlen(r->name[1]);

	if (!len)
		return -ENOENT;
	return len > FS_LINK_MAX ? -ENAMETOOLONG : make(f, r, MADE_LINK, 0, 0, 0, r->name[1]);
}

/* ---- files that are open at once */

/* Makes a file that was not there.  Returns a descriptor, or -errno. */
static int create_new(struct fs *f, struct fs_req *r, int pfd, const char *name, int flags,
		      const struct fuse_create_in *in)
{
	const struct {
		uint64_t flags, mode, resolve;
	} how = {
		.flags = (unsigned int)(flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK),
		.mode = fs32(f, in->mode) & 07777,
		.resolve = ONE_NAME,
	};
	int fd, err = fs_become(f, r);

	if (err)
		return err;
	mask_begin(f, fs32(f, in->umask));
	fd = (int)syscall(SYS_openat2, pfd, name, &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS)
		fd = openat(pfd, name, (int)how.flags, (mode_t)how.mode);
	if (fd < 0)
		fd = -errno;
	mask_end(f, fs32(f, in->umask));
	fs_unbecome(f);
	return fd;
}

static int put_open(struct fs *f, struct fs_req *r, struct fs_inode *n, int fd, uint32_t flags)
{
	struct fuse_open_out out = {.open_flags = fs32(f, fs_open_flags(f, n, fd, false))};
	struct fs_open *o;
	uint64_t fh;
	int err = fs_open_new(f, r, n, fd, false, &fh);

	if (err)
		return err;
	o = fs_opened(f, fh, 0, false);
	o->flags = (uint32_t)(fs_host_flags(f, flags) & ~O_TRUNC);
	out.fh = fs64(f, fh);
	err = fs_put(r, &out, sizeof(out));
	if (err)
		fs_open_put(f, o);
	return err;
}

int fs_create(struct fs *f, struct fs_req *r)
{
	const struct fuse_create_in *in = r->arg;
	uint32_t flags = fs32(f, in->flags);
	struct fs_inode *parent, *n = NULL;
	int pfd = make_in(f, r, &parent), fd, err;
	bool made = true, again;

	if (pfd < 0)
		return pfd;
	again = !fs_now_there(f, r, pfd, r->name[0]) && r->again;
	fd = create_new(f, r, pfd, r->name[0], fs_host_flags(f, flags) | O_CREAT | O_EXCL, in);
	if (fd == -EEXIST && (!(flags & O_EXCL) || again))
		made = false;
	else if (fd < 0)
		return fd;
	err = made || again ? fs_set_label(f, r, pfd, r->name[0]) : 0;
	if (!err)
		err = answer(f, r, parent, pfd, r->name[0], &n);
	/* What was there is opened as what it is, not by its name. */
	if (!err && !made) {
		fd = fs_reopen(f, n, fs_host_flags(f, flags));
		err = fd < 0 ? fd : 0;
		if (!err && flags & O_TRUNC)
			fs_truncated(f, fd, n, fs32(f, in->open_flags));
	}
	if (!err) {
		err = put_open(f, r, n, fd, flags);
		fd = -1;
	}
	if (!err)
		return 0;
	if (fd >= 0)
		close(fd);
	if (n)
		fs_inode_forget(f, n, 1);
	if (made)
		unlinkat(pfd, r->name[0], 0);
	return err;
}

int fs_tmpfile(struct fs *f, struct fs_req *r)
{
	const struct fuse_create_in *in = r->arg;
	struct fs_inode *parent, *n;
	struct fuse_entry_out e;
	struct fs_stat st;
	int pfd = fs_dir_fd(f, r->node, &parent), fd, mount, err;

	if (pfd < 0)
		return pfd;
	fd = create_new(f, r, pfd, ".", (fs_host_flags(f, fs32(f, in->flags)) & ~(O_CREAT | O_EXCL)) | O_TMPFILE, in);
	if (fd < 0)
		return fd;
	err = fs_stat(fd, "", &st);
	mount = err ? err : fs_mount_of(f, &st, -1, "");
	n = mount < 0 ? NULL : fs_inode_new(f, &st, (unsigned int)mount);
	if (!n) {
		close(fd);
		return mount < 0 ? mount : -ENFILE;
	}
	fs_entry(f, &st, n, parent, &e);
	err = fs_put(r, &e, sizeof(e));
	if (!err)
		err = put_open(f, r, n, fd, fs32(f, in->flags));
	else
		close(fd);
	if (err)
		fs_inode_unuse(f, n);
	else
		fs_looked_up(f, r, n);
	return err;
}

/* ---- names of what is there */

int fs_link(struct fs *f, struct fs_req *r)
{
	const struct fuse_link_in *in = r->arg;
	struct fs_inode *parent, *n = fs_node(f, fs64(f, in->oldnodeid));
	int pfd = make_in(f, r, &parent), fd;
	struct fs_proc p;
	bool there;

	if (pfd < 0)
		return pfd;
	if (!n)
		return -ESTALE;
	if (n->type == S_IFDIR >> 12)
		return -EPERM;
	fd = fs_fd(f, n);
	if (fd < 0)
		return fd;
	there = fs_now_there(f, r, pfd, r->name[0]);
	if (linkat(f->proc_fd, fs_proc(&p, fd), pfd, r->name[0], AT_SYMLINK_FOLLOW) < 0 &&
	    !(errno == EEXIST && r->again && !there))
		return -errno;
	return answer(f, r, parent, pfd, r->name[0], NULL);
}

static int remove_name(struct fs *f, struct fs_req *r, int flags)
{
	struct fs_inode *parent;
	int pfd = make_in(f, r, &parent);
	bool there;

	if (pfd < 0)
		return pfd;
	there = fs_now_there(f, r, pfd, r->name[0]);
	if (unlinkat(pfd, r->name[0], flags) < 0)
		return errno == ENOENT && r->again && there ? 0 : -errno;
	return 0;
}

int fs_unlink(struct fs *f, struct fs_req *r)
{
	return remove_name(f, r, 0);
}

int fs_rmdir(struct fs *f, struct fs_req *r)
{
	return remove_name(f, r, AT_REMOVEDIR);
}

/* Whether a process that was killed has changed the two names about: then another file has the first. */
static bool exchanged(struct fs *f, const struct fs_req *r, int pfd)
{
	struct fs_now *now = &f->kept->now;
	struct fs_stat st;

	if (fs_stat(pfd, r->name[0], &st) < 0)
		return false;
	if (r->again && now->value)
		return now->value != st.stx_ino;
	now->value = st.stx_ino;
	fs_settle();
	return false;
}

static int move(struct fs *f, struct fs_req *r, uint64_t newdir, uint32_t flags)
{
	struct fs_inode *from, *to;
	int pfd, qfd, err = fs_name_check(r->name[1]);
	bool done, there = false;

	if (err)
		return err;
	if (flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	pfd = make_in(f, r, &from);
	if (pfd < 0)
		return pfd;
	qfd = fs_dir_fd(f, newdir, &to);
	if (qfd < 0)
		return qfd;
	/* With a whiteout something is made. */
	if (flags & RENAME_WHITEOUT)
		err = fs_become(f, r);
	if (err)
		return err;
	done = flags & RENAME_EXCHANGE && exchanged(f, r, pfd);
	if (!(flags & RENAME_EXCHANGE))
		there = fs_now_there(f, r, pfd, r->name[0]);
	if (!done && syscall(SYS_renameat2, pfd, r->name[0], qfd, r->name[1], flags) < 0)
		err = errno == ENOENT && r->again && there ? 0 : -errno;
	if (flags & RENAME_WHITEOUT)
		fs_unbecome(f);
	if (err)
		return err;
	fs_renamed(f, to, qfd, r->name[1]);
	if (flags & RENAME_EXCHANGE)
		fs_renamed(f, from, pfd, r->name[0]);
	return 0;
}

int fs_rename(struct fs *f, struct fs_req *r)
{
	const struct fuse_rename_in *in = r->arg;

	return move(f, r, fs64(f, in->newdir), 0);
}

int fs_rename2(struct fs *f, struct fs_req *r)
{
	const struct fuse_rename2_in *in = r->arg;

	return move(f, r, fs64(f, in->newdir), fs32(f, in->flags));
}
