/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_xattr.c - extended attributes: SETXATTR, GETXATTR, LISTXATTR, REMOVEXATTR; see fs.h.
 *
 * A file is named by its descriptor below /proc/self/fd: that works for what was never opened, and leads to no other
 * file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "devices/fs/fs.h"

#define ACL_NAME "system.posix_acl_"
#define CAPS	 "security.capability"

struct path {
	char text[32];
};

static const char *path_of(struct path *p, int fd)
{
	snprintf(p->text, sizeof(p->text), "/proc/self/fd/%d", fd);
	return p->text;
}

static bool acl_name(const char *name)
{
	return strncmp(name, ACL_NAME, strlen(ACL_NAME)) == 0;
}

/* The file and the host's name of an attribute.  Returns a descriptor or -errno. */
static int begin(struct fs *f, const struct fs_req *r, struct fs_inode **n, char *host)
{
	int err;

	if (!f->xattr)
		return -ENOSYS;
	*n = fs_node(f, r->node);
	if (!*n)
		return -ESTALE;
	if (host) {
		const char *name = r->name[0];

		if (!*name)
			return -EINVAL;
		if (acl_name(name) && !(f->flags & FUSE_POSIX_ACL))
			return -EOPNOTSUPP;
		err = fs_xattr_to_host(&f->xattrmap, name, host);
		if (err)
			return err;
	}
	return fs_fd(f, *n);
}

/* Whether the file had it before the request was first begun. */
static bool was_there(struct fs *f, const struct fs_req *r, const char *path, const char *name)
{
	return f->session_fd >= 0 && fs_now_before(f, r, getxattr(path, name, NULL, 0) >= 0);
}

int fs_setxattr(struct fs *f, struct fs_req *r)
{
	const struct fuse_setxattr_in *in = r->arg;
	uint32_t size = fs32(f, in->size), flags = fs32(f, in->flags);
	char name[FS_XATTR_NAME_MAX + 1];
	struct fs_inode *n;
	struct path p;
	struct fs_stat st;
	int fd = begin(f, r, &n, name);
	bool there;

	if (fd < 0)
		return fd;
	if (size != r->nrest || size > FS_XATTR_MAX || flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	there = flags & XATTR_CREATE && was_there(f, r, path_of(&p, fd), name);
	if (setxattr(path_of(&p, fd), name, r->rest, size, (int)flags) < 0 && !(errno == EEXIST && r->again && !there))
		return -errno;
	if (f->flags & FUSE_SETXATTR_EXT && fs32(f, in->setxattr_flags) & FUSE_SETXATTR_ACL_KILL_SGID &&
	    fs_stat(fd, "", &st) == 0 && st.stx_mode & S_ISGID) {
		struct fs_proc q;

		if (fchmodat(f->proc_fd, fs_proc(&q, fd), st.stx_mode & 07777 & ~(mode_t)S_ISGID, 0) < 0)
			return -errno;
	}
	return 0;
}

/* Answers with a size, where none was given, or with the bytes. */
static int answer(struct fs *f, struct fs_req *r, uint32_t asked, ssize_t len)
{
	const struct fuse_getxattr_out out = {.size = fs32(f, (uint32_t)len)};

	if (!asked)
		return fs_put(r, &out, sizeof(out));
	if ((size_t)len > asked)
		return -ERANGE;
	return fs_put(r, f->out, (size_t)len);
}

int fs_getxattr(struct fs *f, struct fs_req *r)
{
	const struct fuse_getxattr_in *in = r->arg;
	uint32_t asked = fs32(f, in->size);
	char name[FS_XATTR_NAME_MAX + 1];
	struct fs_inode *n;
	struct path p;
	int fd = begin(f, r, &n, name);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = getxattr(path_of(&p, fd), name, asked ? f->out : NULL, asked ? min_size(asked, FS_XATTR_MAX) : 0);
	return len < 0 ? -errno : answer(f, r, asked, len);
}

/* Leaves the names that the guest may see, as it knows them.  Returns their length. */
static ssize_t filter(const struct fs *f, char *list, size_t len)
{
	size_t out = 0, size;

	for (size_t at = 0; at < len; at += size) {
		const char *name;
		size_t shown;

		size = strnlen(list + at, len - at) + 1;
		name = fs_xattr_to_guest(&f->xattrmap, list + at);
		if (!name || !*name || (acl_name(name) && !(f->flags & FUSE_POSIX_ACL)))
			continue;
		shown = strlen(name) + 1;
		memmove(list + out, name, shown);
		out += shown;
	}
	return (ssize_t)out;
}

int fs_listxattr(struct fs *f, struct fs_req *r)
{
	const struct fuse_getxattr_in *in = r->arg;
	struct fs_inode *n;
	struct path p;
	int fd = begin(f, r, &n, NULL);
	ssize_t len;

	if (fd < 0)
		return fd;
	/* One byte more, for a list that does not end as it should. */
	len = listxattr(path_of(&p, fd), (char *)f->out, FS_XATTR_MAX);
	if (len < 0)
		return -errno;
	f->out[len] = 0;
	return answer(f, r, fs32(f, in->size), filter(f, (char *)f->out, (size_t)len));
}

int fs_removexattr(struct fs *f, struct fs_req *r)
{
	char name[FS_XATTR_NAME_MAX + 1];
	struct fs_inode *n;
	struct path p;
	int fd = begin(f, r, &n, name);
	bool there;

	if (fd < 0)
		return fd;
	there = was_there(f, r, path_of(&p, fd), name);
	if (removexattr(path_of(&p, fd), name) < 0)
		return errno == ENODATA && r->again && there ? 0 : -errno;
	return 0;
}

void fs_drop_mapped_caps(struct fs *f, int fd)
{
	char name[FS_XATTR_NAME_MAX + 1];
	struct path p;

	if (!f->xattrmap.n || fs_xattr_to_host(&f->xattrmap, CAPS, name) != 0 || strcmp(name, CAPS) == 0)
		return;
	removexattr(path_of(&p, fd), name);
}

int fs_set_label(struct fs *f, const struct fs_req *r, int pfd, const char *name)
{
	char host[FS_XATTR_NAME_MAX + 1];
	struct path p;
	int fd, err;

	if (!r->nlabel)
		return 0;
	err = fs_xattr_to_host(&f->xattrmap, r->label_name, host);
	if (err)
		return err;
	fd = openat(pfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (setxattr(path_of(&p, fd), host, r->label, r->nlabel, 0) < 0)
		err = -errno;
	close(fd);
	return err;
}
