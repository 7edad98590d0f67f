/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_ioctl.c - flags of files, by chattr(1) and lsattr(1): IOCTL with FS_IOC_GETFLAGS, FS_IOC_SETFLAGS,
 * FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR of linux/fs.h; see fs.h.
 *
 * No other request comes through: what an ioctl does is the host's drivers' business.  Flags that say how a file is
 * kept can be changed; those that would take it out of the host's accounting (project quotas) or change what the file is
 * cannot, nor can the project.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "devices/fs/fs.h"

/* The same requests of a guest of 32 bits: the number has the size of a long in it. */
#define SIZE_OF(request)       ((request) >> 16 & 0x3fff)
#define WITHOUT_SIZE(request)  ((request) & ~(UINT32_C(0x3fff) << 16))
#define IS(cmd, request)       (WITHOUT_SIZE(cmd) == WITHOUT_SIZE((uint32_t)(request)) && (SIZE_OF(cmd) == 4 || SIZE_OF(cmd) == 8))

#define CHANGEABLE                                                                                                     \
	(FS_SYNC_FL | FS_DIRSYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL | FS_COMPR_FL |    \
	 FS_NOCOMP_FL | FS_NOCOW_FL | FS_SECRM_FL | FS_UNRM_FL | FS_TOPDIR_FL)
#define XCHANGEABLE (FS_XFLAG_SYNC | FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND | FS_XFLAG_NODUMP | FS_XFLAG_NOATIME)

/* The bytes that are answered with. */
static int put(struct fs *f, struct fs_req *r, const struct fuse_ioctl_in *in, const void *bytes, size_t len)
{
	const struct fuse_ioctl_out out = {0};
	int err;

	if (fs32(f, in->out_size) != len)
		return -EINVAL;
	err = fs_put(r, &out, sizeof(out));
	return err || !len ? err : fs_put(r, bytes, len);
}

static int get_flags(struct fs *f, struct fs_req *r, const struct fuse_ioctl_in *in, int fd)
{
	/* The kernel writes four bytes, whatever the request says. */
	uint32_t flags[2] = {0};

	if (ioctl(fd, FS_IOC_GETFLAGS, flags) < 0)
		return -errno;
	flags[0] = fs32(f, flags[0]);
	return put(f, r, in, flags, fs32(f, in->out_size) == 8 ? 8 : 4);
}

static int set_flags(struct fs *f, struct fs_req *r, const struct fuse_ioctl_in *in, int fd)
{
	uint32_t flags[2] = {0}, old[2] = {0};

	if (r->nrest != 4 && r->nrest != 8)
		return -EINVAL;
	memcpy(flags, r->rest, 4);
	flags[0] = fs32(f, flags[0]);
	if (ioctl(fd, FS_IOC_GETFLAGS, old) < 0)
		return -errno;
	if ((flags[0] ^ old[0]) & ~(uint32_t)CHANGEABLE)
		return -EPERM;
	if (flags[0] != old[0] && ioctl(fd, FS_IOC_SETFLAGS, flags) < 0)
		return -errno;
	return put(f, r, in, NULL, 0);
}

/* Its numbers are in the guest's order. */
static void swap_attr(const struct fs *f, struct fsxattr *a)
{
	a->fsx_xflags = fs32(f, a->fsx_xflags);
	a->fsx_extsize = fs32(f, a->fsx_extsize);
	a->fsx_nextents = fs32(f, a->fsx_nextents);
	a->fsx_projid = fs32(f, a->fsx_projid);
	a->fsx_cowextsize = fs32(f, a->fsx_cowextsize);
}

static int get_attr(struct fs *f, struct fs_req *r, const struct fuse_ioctl_in *in, int fd)
{
	struct fsxattr a;

	memset(&a, 0, sizeof(a));
	if (ioctl(fd, FS_IOC_FSGETXATTR, &a) < 0)
		return -errno;
	swap_attr(f, &a);
	return put(f, r, in, &a, sizeof(a));
}

static int set_attr(struct fs *f, struct fs_req *r, const struct fuse_ioctl_in *in, int fd)
{
	struct fsxattr a, old;

	if (r->nrest != sizeof(a))
		return -EINVAL;
	memcpy(&a, r->rest, sizeof(a));
	swap_attr(f, &a);
	memset(&old, 0, sizeof(old));
	if (ioctl(fd, FS_IOC_FSGETXATTR, &old) < 0)
		return -errno;
	if ((a.fsx_xflags ^ old.fsx_xflags) & ~(uint32_t)XCHANGEABLE || a.fsx_projid != old.fsx_projid ||
	    a.fsx_extsize != old.fsx_extsize || a.fsx_cowextsize != old.fsx_cowextsize)
		return -EPERM;
	old.fsx_xflags = a.fsx_xflags;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &old) < 0)
		return -errno;
	return put(f, r, in, NULL, 0);
}

/*
 * Whether the guest's user may change flags.  The guest's kernel looks at that for the number of its own width alone (and
 * not at all before Linux 5.13): with the other one any of its users who can open the file would come through.  From
 * Linux 6.12 on it does not say who asks; then it has looked.
 */
static int may_set(struct fs *f, const struct fs_req *r, const struct fuse_ioctl_in *in, uint32_t cmd, int fd)
{
	uint32_t uid;
	struct fs_stat st;
	int err;

	if (cmd != (uint32_t)FS_IOC_FSSETXATTR && SIZE_OF(cmd) != (fs32(f, in->flags) & FUSE_IOCTL_32BIT ? 4 : 8))
		return -ENOTTY;
	if (!r->uid || r->uid == FUSE_INVALID_UIDGID)
		return 0;
	err = fs_stat(fd, "", &st);
	if (err)
		return err;
	return fs_id_to_host(&f->uids, r->uid, &uid) && uid == st.stx_uid ? 0 : -EPERM;
}

int fs_ioctl(struct fs *f, struct fs_req *r)
{
	const struct fuse_ioctl_in *in = r->arg;
	uint32_t cmd = fs32(f, in->cmd);
	struct fs_open *o = fs_opened(f, fs64(f, in->fh), r->node, fs32(f, in->flags) & FUSE_IOCTL_DIR);
	bool set = IS(cmd, FS_IOC_SETFLAGS) || cmd == (uint32_t)FS_IOC_FSSETXATTR;

	if (!o)
		return -EBADF;
	if (fs32(f, in->in_size) != r->nrest)
		return -EINVAL;
	if (set && f->readonly)
		return -EROFS;
	if (set) {
		int err = may_set(f, r, in, cmd, o->fd);

		if (err)
			return err;
	}
	if (IS(cmd, FS_IOC_GETFLAGS))
		return get_flags(f, r, in, o->fd);
	if (IS(cmd, FS_IOC_SETFLAGS))
		return set_flags(f, r, in, o->fd);
	if (cmd == (uint32_t)FS_IOC_FSGETXATTR)
		return get_attr(f, r, in, o->fd);
	return cmd == (uint32_t)FS_IOC_FSSETXATTR ? set_attr(f, r, in, o->fd) : -ENOTTY;
}

const struct sandbox_call fs_ioctl_get_calls[] = {
	{.name = "ioctl", .why = "flags of files", .checks = {{1, SANDBOX_IS, FS_IOC_GETFLAGS}}},
	{.name = "ioctl", .why = "flags of files", .checks = {{1, SANDBOX_IS, FS_IOC_FSGETXATTR}}},
	{0},
};

const struct sandbox_call fs_ioctl_set_calls[] = {
	{.name = "ioctl", .why = "flags of files", .checks = {{1, SANDBOX_IS, FS_IOC_SETFLAGS}}},
	{.name = "ioctl", .why = "flags of files", .checks = {{1, SANDBOX_IS, FS_IOC_FSSETXATTR}}},
	{0},
};
