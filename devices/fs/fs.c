/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs.c - file system device, the virtio side: VIRTIO 1.4, section "File System Device".
 *
 * A request is a FUSE message as the kernel would send it to a daemon, cut into descriptors in any way.  It is copied,
 * but for the bytes of a WRITE, and the copy is checked: its length against the chain's, its operation against a table
 * of what each operation's arguments are.  A request that is wrong is answered with an error.
 */
#include "devices/fs/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "core/control.h"

#define HEAD_IN	 sizeof(struct fuse_in_header)
#define HEAD_OUT sizeof(struct fuse_out_header)

enum { HIPRIO, REQUESTS };

/* VIRTIO 1.4: struct virtio_fs_config, without what F_NOTIFICATION adds. */
struct fs_config {
	uint8_t tag[36];
	le32 num_request_queues;
} __attribute__((packed));

_Static_assert(sizeof(struct fs_config) == 40, "VIRTIO 1.4: struct virtio_fs_config");
_Static_assert(sizeof(struct fuse_in_header) == 40 && sizeof(struct fuse_out_header) == 16, "linux/fuse.h");
_Static_assert(sizeof(struct fuse_init_out) == 64 && sizeof(struct fuse_attr) == 88, "linux/fuse.h");

/* ---- operations */

enum {
	CHANGES = 1,   /* not with --readonly */
	REST = 2,      /* bytes may follow */
	STREAM = 4,    /* what follows stays in the chain */
	HIGH = 8,      /* comes on the high priority queue; the others do not */
	FIRST = 16,    /* also before INIT */
	ANY_NAME = 32, /* a name that means nothing */
};

struct fs_op {
	const char *name;
	int (*run)(struct fs *f, struct fs_req *r);
	uint16_t fixed;
	uint8_t names, flags;
};

static int fs_interrupt(struct fs *f, struct fs_req *r)
{
	const struct fuse_interrupt_in *in = r->arg;

	fs_jobs_interrupt(f, fs64(f, in->unique), NULL);
	return FS_SILENT;
}

static const struct fs_op ops[] = {
	[FUSE_LOOKUP] = {"LOOKUP", fs_lookup, 0, 1, 0},
	[FUSE_FORGET] = {"FORGET", fs_forget, sizeof(struct fuse_forget_in), 0, HIGH},
	[FUSE_GETATTR] = {"GETATTR", fs_getattr, sizeof(struct fuse_getattr_in), 0, 0},
	[FUSE_SETATTR] = {"SETATTR", fs_setattr, sizeof(struct fuse_setattr_in), 0, CHANGES},
	[FUSE_READLINK] = {"READLINK", fs_readlink, 0, 0, 0},
	[FUSE_SYMLINK] = {"SYMLINK", fs_symlink, 0, 2, CHANGES},
	[FUSE_MKNOD] = {"MKNOD", fs_mknod, sizeof(struct fuse_mknod_in), 1, CHANGES},
	[FUSE_MKDIR] = {"MKDIR", fs_mkdir, sizeof(struct fuse_mkdir_in), 1, CHANGES},
	[FUSE_UNLINK] = {"UNLINK", fs_unlink, 0, 1, CHANGES},
	[FUSE_RMDIR] = {"RMDIR", fs_rmdir, 0, 1, CHANGES},
	[FUSE_RENAME] = {"RENAME", fs_rename, sizeof(struct fuse_rename_in), 2, CHANGES},
	[FUSE_LINK] = {"LINK", fs_link, sizeof(struct fuse_link_in), 1, CHANGES},
	[FUSE_OPEN] = {"OPEN", fs_open_file, sizeof(struct fuse_open_in), 0, 0},
	[FUSE_READ] = {"READ", fs_read, sizeof(struct fuse_read_in), 0, 0},
	[FUSE_WRITE] = {"WRITE", fs_write, sizeof(struct fuse_write_in), 0, CHANGES | STREAM},
	[FUSE_STATFS] = {"STATFS", fs_statfs, 0, 0, 0},
	[FUSE_RELEASE] = {"RELEASE", fs_release, sizeof(struct fuse_release_in), 0, 0},
	[FUSE_FSYNC] = {"FSYNC", fs_fsync, sizeof(struct fuse_fsync_in), 0, 0},
	[FUSE_SETXATTR] = {"SETXATTR", fs_setxattr, sizeof(struct fuse_setxattr_in), 1, CHANGES | REST},
	[FUSE_GETXATTR] = {"GETXATTR", fs_getxattr, sizeof(struct fuse_getxattr_in), 1, 0},
	[FUSE_LISTXATTR] = {"LISTXATTR", fs_listxattr, sizeof(struct fuse_getxattr_in), 0, 0},
	[FUSE_REMOVEXATTR] = {"REMOVEXATTR", fs_removexattr, 0, 1, CHANGES},
	[FUSE_FLUSH] = {"FLUSH", fs_flush, sizeof(struct fuse_flush_in), 0, 0},
	[FUSE_INIT] = {"INIT", fs_init, offsetof(struct fuse_init_in, flags2), 0, REST | FIRST},
	[FUSE_OPENDIR] = {"OPENDIR", fs_opendir, sizeof(struct fuse_open_in), 0, 0},
	[FUSE_READDIR] = {"READDIR", fs_readdir, sizeof(struct fuse_read_in), 0, 0},
	[FUSE_RELEASEDIR] = {"RELEASEDIR", fs_releasedir, sizeof(struct fuse_release_in), 0, 0},
	[FUSE_FSYNCDIR] = {"FSYNCDIR", fs_fsync, sizeof(struct fuse_fsync_in), 0, 0},
	[FUSE_GETLK] = {"GETLK", fs_getlk, sizeof(struct fuse_lk_in), 0, 0},
	[FUSE_SETLK] = {"SETLK", fs_setlk, sizeof(struct fuse_lk_in), 0, 0},
	[FUSE_SETLKW] = {"SETLKW", fs_setlk, sizeof(struct fuse_lk_in), 0, 0},
	[FUSE_ACCESS] = {"ACCESS", fs_access, sizeof(struct fuse_access_in), 0, 0},
	[FUSE_CREATE] = {"CREATE", fs_create, sizeof(struct fuse_create_in), 1, CHANGES},
	[FUSE_INTERRUPT] = {"INTERRUPT", fs_interrupt, sizeof(struct fuse_interrupt_in), 0, HIGH},
	[FUSE_IOCTL] = {"IOCTL", fs_ioctl, sizeof(struct fuse_ioctl_in), 0, REST},
	[FUSE_DESTROY] = {"DESTROY", fs_destroy, 0, 0, 0},
	[FUSE_BATCH_FORGET] = {"BATCH_FORGET", fs_batch_forget, sizeof(struct fuse_batch_forget_in), 0, HIGH | REST},
	[FUSE_FALLOCATE] = {"FALLOCATE", fs_fallocate, sizeof(struct fuse_fallocate_in), 0, CHANGES},
	[FUSE_READDIRPLUS] = {"READDIRPLUS", fs_readdir, sizeof(struct fuse_read_in), 0, 0},
	[FUSE_RENAME2] = {"RENAME2", fs_rename2, sizeof(struct fuse_rename2_in), 2, CHANGES},
	[FUSE_LSEEK] = {"LSEEK", fs_lseek, sizeof(struct fuse_lseek_in), 0, 0},
	[FUSE_COPY_FILE_RANGE] = {"COPY_FILE_RANGE", fs_copy_file_range, sizeof(struct fuse_copy_file_range_in), 0,
				  CHANGES},
	[FUSE_SYNCFS] = {"SYNCFS", fs_syncfs, sizeof(struct fuse_syncfs_in), 0, 0},
	[FUSE_TMPFILE] = {"TMPFILE", fs_tmpfile, sizeof(struct fuse_create_in), 1, CHANGES},
	[FUSE_STATX] = {"STATX", fs_statx, sizeof(struct fuse_statx_in), 0, 0},
	[FUSE_COPY_FILE_RANGE_64] = {"COPY_FILE_RANGE_64", fs_copy_file_range, sizeof(struct fuse_copy_file_range_in),
				     0, CHANGES},
};

static struct fs *to_fs(struct vdev *d)
{
	return container_of(d, struct fs, d);
}

/* ---- answers */

size_t fs_room(const struct fs_req *r)
{
	size_t used = HEAD_OUT + r->answer, room = chain_writable(r->c);

	return room > used ? room - used : 0;
}

int fs_put(struct fs_req *r, const void *bytes, size_t len)
{
	if (!chain_put_at(r->c, HEAD_OUT + r->answer, bytes, len))
		return -EINVAL;
	r->answer += len;
	return 0;
}

void fs_finish(struct fs *f, struct chain *c, uint64_t unique, int err, size_t len)
{
	/* Linux takes none beyond these. */
	const int known = err < -511 ? -EIO : err;
	const struct fuse_out_header h = {
		.len = fs32(f, (uint32_t)(HEAD_OUT + (err ? 0 : len))),
		.error = (int32_t)fs32(f, (uint32_t)known),
		.unique = fs64(f, unique),
	};

	f->count.errors += err != 0;
	if (!chain_put(c, &h, sizeof(h)))
		log_guest(&f->d.log, "a request without room for an answer");
	else if (!err)
		chain_wrote(c, len);
	virtq_push(c);
}

/* ---- requests */

/* The names at the end of the arguments.  Returns false where one does not end. */
static bool take_names(struct fs_req *r, const struct fs_op *op, const uint8_t *at, size_t len)
{
	for (unsigned int i = 0; i < op->names; i++) {
		size_t n = strnlen((const char *)at, len);

		if (n == len)
			return false;
		r->name[i] = (const char *)at;
		at += n + 1;
		len -= n + 1;
	}
	r->rest = at;
	r->nrest = len;
	return true;
}

/* The label in a list of them: the first, which is all that Linux sends. */
static bool take_label(struct fs *f, struct fs_req *r, const uint8_t *at, size_t len, uint32_t count)
{
	struct fuse_secctx s;
	size_t name;

	if (!count)
		return true;
	if (len < sizeof(s))
		return false;
	memcpy(&s, at, sizeof(s));
	at += sizeof(s);
	len -= sizeof(s);
	name = strnlen((const char *)at, len);
	if (name == len || name > FS_XATTR_NAME_MAX || fs32(f, s.size) > len - name - 1 || fs32(f, s.size) > 4096)
		return false;
	r->label_name = (const char *)at;
	r->label = at + name + 1;
	r->nlabel = fs32(f, s.size);
	return true;
}

/* Extensions are rows of their own length.  Supplementary groups need nothing: the guest's kernel has applied them. */
static bool take_extensions(struct fs *f, struct fs_req *r, const uint8_t *at, size_t len)
{
	struct fuse_ext_header h;

	while (len >= sizeof(h)) {
		uint32_t size, type;

		memcpy(&h, at, sizeof(h));
		size = fs32(f, h.size);
		type = fs32(f, h.type);
		if (size < sizeof(h) || size > len)
			return false;
		if (type <= FUSE_MAX_NR_SECCTX && f->flags & FUSE_SECURITY_CTX &&
		    !take_label(f, r, at + sizeof(h), size - sizeof(h), type))
			return false;
		size = (uint32_t)min_size(FUSE_REC_ALIGN((size_t)size), len);
		at += size;
		len -= size;
	}
	return true;
}

/* Copies and cuts up the arguments.  Returns 0 or -errno. */
static int take_args(struct fs *f, struct fs_req *r, const struct fs_op *op, size_t extensions)
{
	size_t len = op->flags & STREAM ? op->fixed : chain_readable(r->c), fixed = op->fixed;

	if (r->opcode == FUSE_SETXATTR && !(f->flags & FUSE_SETXATTR_EXT))
		fixed = FUSE_COMPAT_SETXATTR_IN_SIZE;
	if (len > FS_ARGS_MAX)
		return -E2BIG;
	if (!chain_get(r->c, f->args, len) || len < fixed)
		return -EINVAL;
	f->args[len] = 0;
	r->arg = f->args;
	if (extensions > len - fixed || !take_names(r, op, f->args + fixed, len - fixed))
		return -EINVAL;
	if (extensions > r->nrest || (r->nrest != extensions && !(op->flags & REST)))
		return -EINVAL;
	r->nrest -= extensions;
	return take_extensions(f, r, r->rest + r->nrest, extensions) ? 0 : -EINVAL;
}

static const struct fs_op *op_of(uint32_t opcode)
{
	return opcode < ARRAY_SIZE(ops) && ops[opcode].run ? &ops[opcode] : NULL;
}

/* Looks at the header, then lets the operation be done.  Returns what a handler returns. */
static int request(struct fs *f, struct fs_req *r, const struct fuse_in_header *h, size_t len, bool high)
{
	const struct fs_op *op = op_of(r->opcode);
	int err;

	if (fs32(f, h->len) != len)
		return -EINVAL;
	if (!op)
		return -ENOSYS;
	if (high && !(op->flags & HIGH))
		return -EINVAL;
	if (!f->begun && !(op->flags & FIRST))
		return -EIO;
	if (f->readonly && op->flags & CHANGES)
		return -EROFS;
	err = take_args(f, r, op, (size_t)fs16(f, h->total_extlen) * 8);
	if (err)
		return err;
	f->lost = false;
	err = op->run(f, r);
	/* Open it is, but not to be found again. */
	return err == -EBADF && f->lost ? -ESTALE : err;
}

/* The byte order of a session is that of its INIT. */
static void look_at_order(struct fs *f, uint32_t opcode)
{
	if (opcode == FUSE_INIT_BSWAP_RESERVED && fs_jobs_idle(f))
		f->swap = true;
	else if (opcode == FUSE_INIT && fs_jobs_idle(f))
		f->swap = false;
}

static void serve(struct fs *f, struct chain *c, bool high)
{
	size_t len = chain_readable(c);
	struct fuse_in_header h;
	struct fs_req r = {.c = c};
	int err;

	f->count.requests++;
	if (!chain_get(c, &h, sizeof(h))) {
		f->count.refused++;
		if (chain_writable(c) >= HEAD_OUT)
			log_guest(&f->d.log, "a request of %zu bytes, fewer than its header has", len);
		fs_finish(f, c, 0, -EINVAL, 0);
		return;
	}
	look_at_order(f, h.opcode);
	r.unique = fs64(f, h.unique);
	r.node = fs64(f, h.nodeid);
	r.opcode = fs32(f, h.opcode);
	r.uid = fs32(f, h.uid);
	r.gid = fs32(f, h.gid);
	fs_now_begin(f, &r);
	err = request(f, &r, &h, len, high);
	/* FORGET has no answer, neither good nor bad. */
	if (err == FS_SILENT || (high && err != FS_LATER && !chain_writable(c)))
		virtq_push(c);
	else if (err != FS_LATER)
		fs_finish(f, c, r.unique, err, r.answer);
	fs_now_end(f);
}

static void fs_kick(struct vdev *d, unsigned int q)
{
	struct virtq *vq = vdev_queue(d, q);
	struct chain *c;

	fs_wipe_due(to_fs(d));
	while ((c = virtq_pop(vq)))
		serve(to_fs(d), c, q == HIPRIO);
}

/* ---- the device's life */

static void fs_start(struct vdev *d, unsigned int q)
{
	struct fs *f = to_fs(d);

	/* The guest's kernel has applied its own.  Not earlier: sockets are made with the operator's. */
	if (!f->umask_set) {
		umask(0);
		fs_creds_start(f);
	}
	f->umask_set = true;
	fs_wipe_due(f);
	/* Not earlier: what is opened lies in the shared folder, and Landlock sees to that now. */
	if (f->resumed)
		fs_locks_resume(f);
	f->resumed = false;
}

static void fs_quiesce(struct vdev *d, unsigned int q)
{
	fs_jobs_quiesce(to_fs(d), q);
}

void fs_wipe_due(struct fs *f)
{
	if (f->wipe)
		fs_session_end(f);
}

/* Where the front-end goes because this process ends, the next one is to find the session: it is wiped by who begins anew. */
static void fs_reset(struct vdev *d)
{
	struct fs *f = to_fs(d);

	if (f->session_fd < 0) {
		fs_session_end(f);
	} else if (f->begun || f->wipe) {
		fs_session_leave(f);
		f->wipe = true;
	}
}

static void fs_get_config(struct vdev *d, void *buf)
{
	const struct fs *f = to_fs(d);
	struct fs_config c = {.num_request_queues = htole32((uint32_t)f->num_queues)};

	memcpy(c.tag, f->tag, strlen(f->tag));
	memcpy(buf, &c, d->face.config_size);
}

static unsigned int fs_fds(const struct vdev *d)
{
	const struct fs *f = container_of(d, struct fs, d);
	uint64_t n = f->fd_cache + f->max_open + FS_MOUNTS + 64 + (f->posix_lock ? FS_OWNERS : 0);

	return (unsigned int)min_u64(n, vdev_fds_allowed(d));
}

/* Magic numbers of file systems whose files are on another machine, or another process's. */
static bool is_remote(int fd)
{
	static const uint32_t far[] = {0x6969 /* NFS */,
				       0xff534d42 /* CIFS */,
				       0xfe534d42 /* SMB2 */,
				       0x65735546 /* FUSE */,
				       0x01021997 /* 9P */,
				       0x00c36400 /* Ceph */,
				       0x5346414f /* AFS */};
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
		if ((uint32_t)s.f_type == far[i])
			return true;
	}
	return false;
}

static int open_memory(struct fs *f)
{
	f->args = malloc(FS_ARGS_MAX + 1);
	f->dirents = malloc(FS_DIRENTS);
	/* A list of attributes is one byte longer while it is read. */
	f->out = malloc(FS_MAX_WRITE + 1);
	f->slots = calloc((size_t)f->fd_cache + 1, sizeof(*f->slots));
	f->owners = calloc(FS_OWNERS, sizeof(*f->owners));
	if (!f->args || !f->dirents || !f->out || !f->slots || !f->owners || fs_inodes_open(f) < 0 ||
	    fs_jobs_open(f) < 0)
		return -ENOMEM;
	return 0;
}

static int fs_open_dev(struct vdev *d)
{
	struct fs *f = to_fs(d);
	int err;

	f->root_fd = f->root_path = f->proc_fd = f->session_fd = -1;
	err = open_memory(f);
	if (!err)
		err = fs_creds_open(f);
	if (err) {
		log_error(&d->log, "%s", strerror(-err));
		return err;
	}
	err = fs_kept_open(f);
	if (err)
		return err;
	err = fs_find_open(f);
	if (err) {
		log_error(&d->log, "--shared-dir=%s: %s (a folder that can be read is wanted)", f->dir, strerror(-err));
		return err;
	}
	f->remote = is_remote(f->root_fd);
	if (f->handles == FS_HANDLES_MANDATORY && !f->handles_work) {
		log_error(&d->log, "--inode-file-handles=mandatory: files cannot be opened by handle here "
				   "(CAP_DAC_READ_SEARCH, Linux 6.13 and a "
				   "file system that has handles are wanted)");
		return -EOPNOTSUPP;
	}
	if (!f->privileged && f->own_uid)
		log_info(&d->log, "what the guest makes belongs to user %u, group %u: no right to others",
			 (unsigned int)f->own_uid, (unsigned int)f->own_gid);
	return 0;
}

static void fs_close(struct vdev *d)
{
	struct fs *f = to_fs(d);

	/* Where a thread is still in a call, what it uses stays. */
	if (!fs_jobs_close(f))
		return;
	if (f->kept)
		fs_session_leave(f);
	fs_find_close(f);
	fs_inodes_close(f);
	fs_kept_close(f);
	free(f->args);
	free(f->dirents);
	free(f->out);
	free(f->slots);
	free(f->owners);
}

/* ---- what it needs */

static const struct sandbox_call serve_calls[] = {
	{.name = "statx", .why = "attributes"},
	{.name = "openat2", .why = "names in folders"},
	{.name = "openat", .why = "files that were found, and names where there is no openat2"},
	{.name = "getdents64", .why = "folders"},
	{.name = "lseek", .why = "places in folders; holes"},
	{.name = "readlinkat", .why = "symbolic links"},
	{.name = "fstatfs", .why = "room on file systems"},
	{.name = "preadv", .why = "bytes of files"},
	{.name = "preadv2", .why = "bytes of files"},
	{.name = "fsync", .why = "bytes are kept"},
	{.name = "fdatasync", .why = "bytes are kept"},
	{.name = "syncfs", .why = "file systems are kept"},
	{.name = "dup", .why = "errors that a network tells at close"},
	{.name = "umask", .why = "modes are the guest's"},
	{.name = "name_to_handle_at", .why = "files are found again"},
	{.name = "open_by_handle_at", .why = "files are found again"},
	{0},
};

static const struct sandbox_call change_calls[] = {
	{.name = "pwritev", .why = "bytes of files"},
	{.name = "pwritev2", .why = "bytes of files"},
	{.name = "ftruncate", .why = "lengths of files"},
	{.name = "fallocate", .why = "room for files"},
	{.name = "copy_file_range", .why = "copies"},
	{.name = "mknodat", .why = "nodes are made"},
	{.name = "mkdirat", .why = "folders are made"},
	{.name = "symlinkat", .why = "links are made"},
	{.name = "linkat", .why = "names are made"},
	{.name = "unlinkat", .why = "names are removed"},
	{.name = "renameat2", .why = "names are changed"},
	{.name = "fchmodat", .why = "modes"},
	{.name = "fchownat", .why = "owners"},
	{.name = "utimensat", .why = "times"},
	{.name = "setfsuid", .why = "what is made is the guest's user's"},
	{.name = "setfsgid", .why = "what is made is the guest's user's"},
	{0},
};

static const struct sandbox_call xattr_calls[] = {
	{.name = "getxattr", .why = "extended attributes"},
	{.name = "listxattr", .why = "extended attributes"},
	{.name = "setxattr", .why = "extended attributes"},
	{.name = "removexattr", .why = "extended attributes"},
	{0},
};

static const struct sandbox_call session_calls[] = {
	{.name = "fallocate", .why = "--session-file"},
	{0},
};

static const struct sandbox_call lock_calls[] = {
	{.name = "flock", .why = "--flock"},
	{.name = "fcntl", .why = "--posix-lock"},
	{0},
};

static const struct {
	unsigned int cap;
	const char *why;
} caps[] = {
	{1 /* CAP_DAC_OVERRIDE */, "the guest's kernel decides who may"},
	{0 /* CAP_CHOWN */, "owners"},
	{3 /* CAP_FOWNER */, "modes and times of others' files"},
	{4 /* CAP_FSETID */, "set-group-id of others' files"},
	{6 /* CAP_SETGID */, "files of the guest's groups"},
	{7 /* CAP_SETUID */, "files of the guest's users"},
	{27 /* CAP_MKNOD */, "device nodes that the guest makes"},
	{31 /* CAP_SETFCAP */, "capabilities of programs in the guest"},
};

static void fs_needs(const struct vdev *d, struct sandbox *s)
{
	const struct fs *f = container_of(d, struct fs, d);

	sandbox_calls(s, serve_calls);
	sandbox_calls(s, fs_ioctl_get_calls);
	sandbox_cap(s, 2 /* CAP_DAC_READ_SEARCH */, "files are found again by handle");
	if (f->threads || f->flock || f->posix_lock)
		sandbox_calls(s, work_calls);
	if (f->xattr) {
		sandbox_calls(s, xattr_calls);
		sandbox_path(s, "/proc/self/fd", SANDBOX_READ, "attributes are asked for by descriptor");
	}
	if (f->flock || f->posix_lock)
		sandbox_calls(s, lock_calls);
	if (f->session_file)
		sandbox_calls(s, session_calls);
	if (f->dir)
		sandbox_path(s, f->dir, f->readonly ? SANDBOX_READ : SANDBOX_TREE, "the shared folder");
	if (f->readonly)
		return;
	sandbox_calls(s, change_calls);
	sandbox_calls(s, fs_ioctl_set_calls);
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++)
		sandbox_cap(s, caps[i].cap, caps[i].why);
}

/* ---- the operator's */

static int cmd_files(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct fs *f = to_fs(arg);

	control_say(c, "session %s, FUSE 7.%u, %s", f->begun ? "begun" : "not begun", f->minor,
		    f->swap ? "other byte order" : "own byte order");
	control_say(c, "files %u of %ju", f->ninodes, (uintmax_t)f->max_inodes);
	control_say(c, "open %u of %ju", f->nopens, (uintmax_t)f->max_open);
	control_say(c, "descriptors %u of %ju", f->nslots, (uintmax_t)f->fd_cache);
	control_say(c, "found by %s", f->handles_work ? "handle" : "name");
	control_say(c, "locks-waited-for %u", f->waiting_locks);
	control_say(c, "requests %ju", (uintmax_t)f->count.requests);
	control_say(c, "errors %ju", (uintmax_t)f->count.errors);
	control_say(c, "refused %ju", (uintmax_t)f->count.refused);
	control_say(c, "on-threads %ju", (uintmax_t)f->count.blocked);
	control_say(c, "stale %ju", (uintmax_t)f->count.stale);
	control_say(c, "full %ju", (uintmax_t)f->count.full);
	return 0;
}

static const struct control_command fs_commands[] = {
	{.name = "files", .args = "", .help = "what the guest has of the shared folder", .run = cmd_files},
	{0},
};

/* ---- samples: a little-endian session begins; then the root is asked for */

static const uint8_t sample_init[56] = {[0] = 56, [4] = FUSE_INIT, [8] = 1, [40] = 7, [44] = 31};
static const uint8_t sample_root[56] = {[0] = 56, [4] = FUSE_GETATTR, [8] = 2, [16] = 1};

static const char *check_answer(const uint8_t *in, uint32_t used, uint32_t want, uint8_t unique)
{
	if (used < HEAD_OUT)
		return "no header";
	if (used > want)
		return "more bytes than there is room for";
	if (in[0] != used || in[1] || in[8] != unique)
		return "a header that is not of this answer";
	return in[4] ? "an error" : NULL;
}

static const char *check_init(const uint8_t *in, uint32_t used)
{
	return check_answer(in, used, 80, 1);
}

/* Also of the INIT before it. */
static const char *check_root(const uint8_t *in, uint32_t used)
{
	const char *wrong;

	if (used == 80)
		return check_init(in, used);
	wrong = check_answer(in, used, 120, 2);
	return wrong ? wrong : used == 120 ? NULL : "no attributes";
}

static const struct vdev_sample fs_samples[] = {
	{.what = "INIT", .queue = REQUESTS, .out = sample_init, .out_len = 56, .in_len = 80, .check = check_init},
	{.what = "GETATTR",
	 .queue = REQUESTS,
	 .out = sample_root,
	 .out_len = 56,
	 .in_len = 120,
	 .check = check_root,
	 .before = sample_init},
	{0},
};

/* libvirt looks for these. */
static const char *const fs_says[] = {"migrate-precopy", "separate-options", "posix-acl-negotiation-mode",
				      "security-label-negotiation-mode", NULL};

static const struct vdev_compat fs_compat = {.name = "virtiofsd", .says = fs_says};

static const struct vdev_queue_desc fs_queues[] = {
	{.name = "hiprio", .size = 128, .max = 32768},
	{.name = "requestq", .size = 1024, .max = 32768},
};

static const char *const fs_examples[] = {
	"vdevd fs --socket-path=/run/fs.sock --shared-dir=/srv/guest --tag=srv",
	"vdevd fs --socket-path=/run/fs.sock --shared-dir=/srv/images --readonly --cache=always",
	"virtiofsd --socket-path=/run/fs.sock --shared-dir=/srv/guest --cache=auto --xattr",
	NULL,
};

const struct vdev_class vdev_fs_class = {
	.name = "fs",
	.summary = "file system device",
	.about = MAN(FS_ABOUT),
	.virtio_id = 26,
	.face.queues = fs_queues,
	.face.nqueues = ARRAY_SIZE(fs_queues),
	.face.config_size = sizeof(struct fs_config),
	.opts = fs_opts,
	.commands = fs_commands,
	.inst_size = sizeof(struct fs),
	.samples = fs_samples,
	.compat = &fs_compat,
	.examples = MAN(fs_examples),
	.check = fs_check,
	.open = fs_open_dev,
	.fds = fs_fds,
	.needs = fs_needs,
	.start = fs_start,
	.kick = fs_kick,
	.quiesce = fs_quiesce,
	.reset = fs_reset,
	.save = fs_save,
	.load = fs_load,
	.config = fs_get_config,
	.close = fs_close,
};
