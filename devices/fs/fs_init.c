/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_init.c - the session: what is agreed on with the guest's kernel (INIT), and its end; see fs.h.
 */
#include <errno.h>
#include <string.h>

#include "devices/fs/fs.h"

#define OLDEST_MINOR 27

/* What is always good, where the guest offers it. */
#define ALWAYS                                                                                                         \
	(FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA | FUSE_ASYNC_DIO |            \
	 FUSE_ATOMIC_O_TRUNC | FUSE_MAX_PAGES | FUSE_INIT_EXT | FUSE_CREATE_SUPP_GROUP | FUSE_ALLOW_IDMAP |            \
	 FUSE_NO_EXPORT_SUPPORT | FUSE_HAS_IOCTL_DIR)

#define ACLS (FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT)

void fs_seconds(const struct fs *f, double timeout, uint64_t *s, uint32_t *ns)
{
	uint64_t whole = (uint64_t)timeout;

	*s = fs64(f, whole);
	*ns = fs32(f, (uint32_t)((timeout - (double)whole) * 1e9));
}

uint64_t fs_wanted(const struct fs *f)
{
	uint64_t flags = ALWAYS;

	if (f->cache == FS_CACHE_AUTO || f->cache == FS_CACHE_ALWAYS)
		flags |= FUSE_CACHE_SYMLINKS;
	if (!f->no_submounts)
		flags |= FUSE_SUBMOUNTS;
	if (f->readdirplus || (!f->no_readdirplus && f->cache != FS_CACHE_NEVER))
		flags |= FUSE_DO_READDIRPLUS | (f->readdirplus ? 0 : FUSE_READDIRPLUS_AUTO);
	if (f->writeback && !f->readonly)
		flags |= FUSE_WRITEBACK_CACHE;
	if (f->killpriv || (!f->no_killpriv && !f->remote))
		flags |= FUSE_HANDLE_KILLPRIV_V2;
	if (f->posix_acl != FS_NEVER)
		flags |= ACLS;
	if (f->label != FS_NEVER)
		flags |= FUSE_SECURITY_CTX;
	if (f->allow_mmap)
		flags |= FUSE_DIRECT_IO_ALLOW_MMAP;
	if (f->flock)
		flags |= FUSE_FLOCK_LOCKS;
	if (f->posix_lock)
		flags |= FUSE_POSIX_LOCKS;
	return flags;
}

/* What the options insist on and the guest does not have; NULL: nothing. */
static const char *missing(const struct fs *f, uint64_t flags)
{
	if (f->posix_acl == FS_ALWAYS && (flags & ACLS) != ACLS)
		return "--posix-acl=always, which the guest's kernel cannot";
	if (f->label == FS_ALWAYS && !(flags & FUSE_SECURITY_CTX))
		return "--security-label=always, which the guest's kernel cannot";
	return NULL;
}

static int answer(struct fs *f, struct fs_req *r, uint32_t minor, uint32_t readahead, uint64_t flags)
{
	/* All requests are bounded by their rings; this is what the guest's kernel does in the background. */
	struct fuse_init_out out = {
		.major = fs32(f, FUSE_KERNEL_VERSION),
		.minor = fs32(f, minor),
		.max_readahead = fs32(f, readahead),
		.flags = fs32(f, (uint32_t)flags),
		.max_background = fs16(f, 256),
		.congestion_threshold = fs16(f, 192),
		.max_write = fs32(f, FS_MAX_WRITE),
		.time_gran = fs32(f, 1),
		.max_pages = fs16(f, FS_MAX_PAGES),
		.flags2 = fs32(f, (uint32_t)(flags >> 32)),
	};

	return fs_put(r, &out, sizeof(out));
}

int fs_init(struct fs *f, struct fs_req *r)
{
	const struct fuse_init_in *in = r->arg;
	uint32_t major = fs32(f, in->major), minor = fs32(f, in->minor);
	uint64_t flags = fs32(f, in->flags);
	const char *lacks;

	if (f->begun) {
		/* The old session's requests use what it has. */
		if (!fs_jobs_idle(f))
			return -EBUSY;
		bool swap = f->swap;

		fs_session_end(f);
		f->swap = swap;
	}
	if (major < FUSE_KERNEL_VERSION || (major == FUSE_KERNEL_VERSION && minor < OLDEST_MINOR)) {
		log_guest(&f->d.log, "the guest speaks FUSE %u.%u; 7.%u is the oldest that is served", major, minor,
			  OLDEST_MINOR);
		return -EPROTO;
	}
	/* A newer guest asks again, in our version. */
	if (major > FUSE_KERNEL_VERSION)
		return answer(f, r, FUSE_KERNEL_MINOR_VERSION, 0, 0);
	if (flags & FUSE_INIT_EXT && r->nrest >= sizeof(in->flags2))
		flags |= (uint64_t)fs32(f, in->flags2) << 32;
	flags &= fs_wanted(f);
	if ((flags & ACLS) != ACLS)
		flags &= ~(uint64_t)ACLS;
	lacks = missing(f, flags);
	if (lacks) {
		log_guest(&f->d.log, "refused: %s", lacks);
		return -EPROTO;
	}
	f->begun = true;
	f->minor = minor < FUSE_KERNEL_MINOR_VERSION ? minor : FUSE_KERNEL_MINOR_VERSION;
	f->flags = flags;
	fs_kept_session(f);
	return answer(f, r, f->minor, fs32(f, in->max_readahead), flags);
}

int fs_destroy(struct fs *f, struct fs_req *r)
{
	bool swap = f->swap;

	if (!fs_jobs_idle(f))
		return -EBUSY;
	fs_session_end(f);
	f->swap = swap;
	return 0;
}
