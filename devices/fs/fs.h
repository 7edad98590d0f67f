/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs.h - what the files of the file system device share.
 *
 *	fs.c          the virtio side: requests are taken, decoded, answered
 *	fs_init.c     the session: what is agreed on with the guest
 *	fs_inode.c    files that the guest remembers
 *	fs_find.c     how a file is found again: by handle, or by folder and name
 *	fs_open.c     files that the guest has open
 *	fs_attr.c     LOOKUP, GETATTR, SETATTR and their like
 *	fs_dir.c      folders: what is in them
 *	fs_make.c     what makes and removes names
 *	fs_file.c     bytes of files
 *	fs_xattr.c    extended attributes; fs_xattrmap.c: by which names
 *	fs_lock.c     locks that hold on the host, too
 *	fs_ioctl.c    flags of files
 *	fs_ids.c      users and groups: whose the guest's are here
 *	fs_job.c      what can block, on threads
 *	fs_state.c    what goes to another host
 *	fs_kept.c     what outlives the process
 *	fs_opts.c     options
 *
 * The guest is hostile, and so may be whoever changes the shared folder at the same time.  A path operation works on
 *the descriptor of a folder and one name in it; nothing ever follows a symbolic link.  Files other than regular ones
 *and folders are never opened but as O_PATH.
 */
#ifndef VDEVD_DEVICES_FS_FS_H
#define VDEVD_DEVICES_FS_FS_H

#include <byteswap.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/device.h"
#include "core/work.h"
#include "devices/fs/fs_ids.h"
#include "devices/fs/fs_xattrmap.h"
#include "devices/fs/uapi/fuse.h"
#include "transport/chain.h"

#define FS_QUEUES_MAX 16	 /* of requests */
#define FS_MAX_WRITE  (1u << 20) /* bytes of a READ, WRITE or READDIR */
#define FS_MAX_PAGES  256
#define FS_NAME_MAX   255
#define FS_LINK_MAX   4095		    /* bytes a symbolic link leads to */
#define FS_XATTR_MAX  65536		    /* bytes of a value, or of a list of names */
#define FS_ARGS_MAX   (FS_XATTR_MAX + 8192) /* of a request, without the bytes of a WRITE */
#define FS_DIRENTS    65536		    /* bytes of a folder that are read at once */
#define FS_MOUNTS     256		    /* file systems in the shared folder */
#define FS_JOBS	      64		    /* requests that wait for threads */
#define FS_JOB_IOV    280		    /* pieces of one */
#define FS_OWNERS     1024		    /* processes that hold locks */
#define FS_RANGES     4096		    /* ranges of theirs that outlive the process */
#define FS_AGAIN      8			    /* processes that were killed, each in the midst of a request */
#define FS_ACCMODE    3			    /* O_ACCMODE, to which some C libraries add O_PATH */
#define FS_HANDLE_MAX 128
#define FS_BIG	      256  /* bytes of a handle or name that does not fit into its record */
#define FS_REF_INLINE 64   /* bytes of a handle or name that fit into the record */
#define FS_DEPTH      1024 /* folders between a file that has no handle and one that is open */

/* statx(2), as linux/stat.h has it: not every C library does. */
struct fs_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct fs_stat {
	uint32_t stx_mask, stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink, stx_uid, stx_gid;
	uint16_t stx_mode, spare0;
	uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct fs_time stx_atime, stx_btime, stx_ctime, stx_mtime;
	uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	uint64_t stx_mnt_id, spare3[13];
};

_Static_assert(sizeof(struct fs_stat) == 256, "linux/stat.h: struct statx");

#ifndef STATX_BASIC_STATS
#define STATX_BASIC_STATS 0x7ffu
#define STATX_BTIME	  0x800u
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000u
#endif

enum fs_cache { FS_CACHE_AUTO, FS_CACHE_ALWAYS, FS_CACHE_METADATA, FS_CACHE_NEVER };
enum fs_when { FS_NEVER, FS_WHEN_AUTO, FS_ALWAYS };
enum fs_handles { FS_HANDLES_NEVER, FS_HANDLES_PREFER, FS_HANDLES_MANDATORY };

/* How a file is found again. */
enum fs_how { FS_BY_NOTHING, FS_BY_HANDLE, FS_BY_NAME };

/*
 * A file that the guest remembers.  What it is: the number of the file, on which file system, and when it was born,
 * since numbers are used again.
 */
struct fs_inode {
	uint64_t ino;
	uint64_t lookups;  /* as many FORGETs are to come */
	uint32_t gen;	   /* the upper half of the guest's number */
	uint32_t next;	   /* in the hash */
	uint32_t parent;   /* its folder when it was last seen; index */
	uint32_t children; /* files that are found by it */
	uint32_t born;	   /* of the time of birth */
	uint32_t kept;	   /* of the state in which it was opened last: what the guest has cached is of it */
	uint32_t opens;	   /* the first of its open files; 0: none */
	uint32_t slot;	   /* of its kept descriptor, and 1; 0: none */
	uint32_t handle_type;
	uint32_t big; /* where the handle or name is too long for this */
	uint16_t mount;
	uint8_t type; /* S_IFMT >> 12; 0: a free record */
	uint8_t how;  /* enum fs_how */
	uint8_t len;  /* of ref, bytes */
	uint8_t ref[FS_REF_INLINE];
};

/* An open file. */
struct fs_open {
	int fd;
	uint32_t gen;	     /* the upper half of the guest's number */
	uint32_t inode;	     /* index; 0: a free record */
	uint32_t next, prev; /* of the same file; of free ones */
	uint32_t refs;	     /* the guest, and jobs */
	uint32_t flags;	     /* of the host's open */
	uint8_t dir, closing, flocked; /* 0 or 1 */
	uint8_t lock;	 /* what flock(2) was asked for last; 0: nothing */
	uint64_t at;	 /* where the folder's descriptor stands */
	uint64_t unique; /* of the request that has opened it */
};

/* Flags of the host's open that an open file can have. */
#define FS_OPEN_FLAGS ((uint32_t)(FS_ACCMODE | O_DIRECT | O_NOATIME | O_SYNC | O_DSYNC))

/* A file system in the shared folder. */
struct fs_mount {
	uint64_t id;
	uint32_t major, minor;
	uint32_t users; /* records of files on it, and jobs; 0 and not the root's: its place is free */
	int fd;		/* for handles; -1: files are found by name */
};

/* What outlives the process: see fs_kept.c. */
struct fs_kept_mount {
	uint32_t major, minor;
	char path[4088]; /* below the shared folder */
};

/* A request that is under way. */
struct fs_now {
	uint64_t unique;  /* 0: none */
	uint64_t lookups; /* what the count of node becomes */
	uint64_t value;	  /* the operation's own */
	uint32_t node;	  /* index; 0: none is counted */
	uint32_t reserved;
};

/* A lock of fcntl(2). */
struct fs_range {
	uint64_t owner, start, end; /* the last byte */
	uint32_t inode;		    /* 0: free */
	uint32_t type;
};

struct fs_kept {
	char mark[8];
	uint32_t inode_size, open_size;
	uint64_t max_inodes, max_open, root_ino, flags;
	uint32_t root_born, minor, gen, nmounts;
	uint32_t fresh, fresh_big, fresh_open;
	uint8_t begun, swap; /* 0 or 1 */
	struct fs_now now, again[FS_AGAIN];
	struct fs_range ranges[FS_RANGES];
};

enum fs_region_name {
	FS_REGION_HEAD,
	FS_REGION_MOUNTS,
	FS_REGION_INODES,
	FS_REGION_BIGS,
	FS_REGION_OPENS,
	FS_REGIONS,
};

struct fs_region {
	uint64_t at, size, there; /* bytes that can be stored to */
};

/* Stores before it are there before those behind it, for who finds them when this process was killed. */
static inline void fs_settle(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* A kept descriptor. */
struct fs_slot {
	int fd;
	uint32_t inode, newer, older;
};

/* A process of the guest's that holds locks on a file. */
struct fs_owner {
	uint64_t owner;
	uint32_t inode; /* 0: free */
	uint32_t busy;	/* jobs */
	int fd;
	bool dead; /* it goes when its jobs have ended */
};

/* A request that is handled. */
struct fs_req {
	struct chain *c;
	uint64_t unique, node;
	uint32_t opcode, uid, gid;
	const void *arg;     /* the opcode's struct, of full length */
	const char *name[2]; /* of at most FS_LINK_MAX bytes */
	const uint8_t *rest; /* what follows */
	size_t nrest;
	size_t answer; /* bytes of the answer so far */
	/* extensions */
	const char *label_name;
	const uint8_t *label;
	size_t nlabel;
	bool again; /* a process that was killed may have done it */
};

enum { FS_LATER = 1, FS_SILENT = 2 };

/* What a thread does for a request. */
struct fs_job {
	struct work work;
	struct fs *f;
	struct chain *c;
	struct fs_job *next;
	int (*run)(struct fs_job *j); /* on a thread; returns 0 or -errno */
	void (*well)(struct fs_job *j); /* on the loop, when that was 0; or NULL */
	struct fs_open *o, *o2;
	struct fs_owner *owner;
	unsigned int mount; /* what fd is of; 0: the root's, which stays */
	uint64_t unique;
	int fd, fd2;
	int64_t off, off2;
	uint64_t len;
	uint32_t flags;
	int err;
	uint64_t result;
	bool waits; /* for a lock: it may take for ever */
	bool requeue;
	unsigned int niov;
	uint8_t answer; /* what of result goes into the answer: enum fs_answer */
	struct iovec iov[FS_JOB_IOV];
};

enum fs_answer { FS_ANSWER_NONE, FS_ANSWER_DATA, FS_ANSWER_WRITE, FS_ANSWER_OFFSET };

struct fs {
	struct vdev d;
	/* options */
	const char *dir, *tag, *session_file;
	uint64_t num_queues, threads, fd_cache, max_inodes, max_open, rlimit;
	unsigned int cache, posix_acl, label, handles, on_error, migration;
	bool allow_mmap, no_readdirplus, readdirplus, writeback, direct_io, xattr, killpriv, no_killpriv, readonly;
	bool no_submounts, noatime, flock, posix_lock, flush, no_flush, squash_ok;
	bool ignored[4], has_level;
	enum log_level level;
	unsigned int ignored_word;
	const char *ignored_text;
	struct {
		bool given;
		double s;
	} timeouts[3];					      /* of the options */
	double entry_timeout, attr_timeout, negative_timeout; /* s */
	struct fs_idmap uids, gids;
	struct fs_xattrmap xattrmap;
	/* host */
	struct vdev_queue_desc queues[1 + FS_QUEUES_MAX];
	int root_fd, root_path, proc_fd;
	bool handles_work, connectable, privileged, remote, umask_set;
	uid_t fsuid, own_uid;
	gid_t fsgid, own_gid;
	struct fs_mount mounts[FS_MOUNTS];
	unsigned int nmounts;
	/* memory that is there when it is touched */
	struct fs_kept *kept; /* and its regions */
	size_t kept_size;
	struct fs_region regions[FS_REGIONS];
	int session_fd;
	unsigned int again, nranges;
	bool resumed, wipe, leaving, lost;
	struct fs_inode *inodes;
	uint32_t *buckets;
	uint32_t nbuckets, max_buckets;
	uint32_t *free_map, fresh, hint; /* of records: bits by 32; how far they were ever used */
	uint32_t ninodes, gen;
	uint64_t number; /* of the next record that is made; 0: as it comes */
	uint8_t *bigs;	 /* FS_BIG bytes each */
	uint32_t free_big, fresh_big;
	struct fs_open *opens;
	uint32_t free_open, fresh_open, nopens;
	struct fs_slot *slots;
	uint32_t newest, oldest, nslots;
	struct fs_owner *owners;
	unsigned int nowners;
	uint8_t *args, *out, *dirents;
	struct work_queue *work;
	struct work_queue *lock_work;
	struct fs_job *jobs, *free_job;
	unsigned int waiting_locks;
	/* the session */
	bool begun, swap;
	uint32_t minor;
	uint64_t flags;
	struct {
		uint64_t requests, errors, refused, blocked, stale, full;
	} count;
};

/* ---- numbers of the session: in the byte order of its INIT */

static inline uint16_t fs16(const struct fs *f, uint16_t v)
{
	return f->swap ? bswap_16(v) : v;
}

static inline uint32_t fs32(const struct fs *f, uint32_t v)
{
	return f->swap ? bswap_32(v) : v;
}

static inline uint64_t fs64(const struct fs *f, uint64_t v)
{
	return f->swap ? bswap_64(v) : v;
}

/* ---- fs.c */

/* Appends to the answer.  Returns 0, or -EINVAL: the driver left no room. */
int fs_put(struct fs_req *r, const void *bytes, size_t len);
/* Room for the answer that is left. */
size_t fs_room(const struct fs_req *r);
/* Ends a request: err 0, or -errno; len: bytes of the answer, which are written behind the header. */
void fs_finish(struct fs *f, struct chain *c, uint64_t unique, int err, size_t len);

/* ---- fs_init.c */

int fs_init(struct fs *f, struct fs_req *r);
int fs_destroy(struct fs *f, struct fs_req *r);
/* What the options want of FUSE. */
uint64_t fs_wanted(const struct fs *f);
/* Forgets what the last front-end's guest has left, where that was put off. */
void fs_wipe_due(struct fs *f);
/* Forgets all that the guest has made of the session.  No job runs. */
void fs_session_end(struct fs *f);
void fs_seconds(const struct fs *f, double timeout, uint64_t *s, uint32_t *ns);

/* ---- fs_inode.c */

/* How many records there may be. */
size_t fs_inode_records(const struct fs *f);
int fs_inodes_open(struct fs *f);
void fs_inodes_close(struct fs *f);
/* The upper half of the next number that is given. */
uint32_t fs_gen_next(struct fs *f);
/* The record of a number of the guest's, or NULL: there is none. */
struct fs_inode *fs_node(struct fs *f, uint64_t node);
static inline uint32_t fs_index(const struct fs *f, const struct fs_inode *n)
{
	return (uint32_t)(n - f->inodes);
}
uint64_t fs_number(const struct fs *f, const struct fs_inode *n);
/* The record of the file that st is about, or NULL. */
struct fs_inode *fs_inode_find(struct fs *f, const struct fs_stat *st, unsigned int mount);
/* Makes one that is not yet remembered, nor found.  Returns NULL: there are as many as may be. */
struct fs_inode *fs_inode_new(struct fs *f, const struct fs_stat *st, unsigned int mount);
/* Forgets so many lookups; the record goes where nothing else holds it. */
void fs_inode_forget(struct fs *f, struct fs_inode *n, uint64_t lookups);
/* Lets the record go where nobody remembers it. */
void fs_inode_unuse(struct fs *f, struct fs_inode *n);
void fs_inodes_forget_all(struct fs *f);
/* Sets how it is found again.  Returns 0 or -ENFILE. */
int fs_inode_ref(struct fs *f, struct fs_inode *n, unsigned int how, const void *bytes, size_t len, uint32_t type,
		 struct fs_inode *parent);
const uint8_t *fs_inode_ref_bytes(const struct fs *f, const struct fs_inode *n);
uint32_t fs_born(const struct fs_stat *st);

/* ---- fs_find.c */

int fs_find_open(struct fs *f);
void fs_find_close(struct fs *f);
/* A descriptor of the file, good until the request ends: O_PATH, or an open one.  Returns it or -errno. */
int fs_fd(struct fs *f, struct fs_inode *n);
/* The same of the number of a folder.  Returns it or -errno: -ENOTDIR. */
int fs_dir_fd(struct fs *f, uint64_t node, struct fs_inode **out);
/* Opens a regular file or folder anew.  Returns a descriptor that is the caller's, or -errno. */
int fs_reopen(struct fs *f, struct fs_inode *n, int flags);
/* Remembers, or finds, the file of this name; st is of it.  Returns 0 and *out, or -errno. */
int fs_learn(struct fs *f, struct fs_inode *parent, int pfd, const char *name, struct fs_stat *st,
	     struct fs_inode **out);
/* A name has come to be: where the file is remembered, that is how it is found now. */
void fs_renamed(struct fs *f, struct fs_inode *parent, int pfd, const char *name);
int fs_stat(int fd, const char *name, struct fs_stat *st);
/* Closes a kept descriptor. */
void fs_slot_drop(struct fs *f, struct fs_inode *n);
void fs_slot_drop_all(struct fs *f);
int fs_mount_of(struct fs *f, const struct fs_stat *st, int pfd, const char *name);
/* Where no record and no job has it any more it is closed: the host may unmount it. */
void fs_mount_unuse(struct fs *f, unsigned int mount);
/* "N" below /proc/self/fd. */
struct fs_proc {
	char text[16];
};
const char *fs_proc(struct fs_proc *p, int fd);

/* All numbers up to last have come from elsewhere: those that were not used are free. */
void fs_inodes_loaded(struct fs *f, uint32_t last);
int fs_inodes_reserve(struct fs *f, uint32_t last);
/* Records that another process has left: what can be told from them is made anew.  Returns 0 or -ENOMEM. */
int fs_inodes_resume(struct fs *f, const struct fs_stat *root);
/* Those of them that nobody remembers go. */
void fs_inodes_sweep(struct fs *f);
void fs_opens_resume(struct fs *f);
/* The path of a descriptor below the shared folder.  Returns its length, 0: of the folder itself, or -errno. */
int fs_path_of_fd(struct fs *f, int fd, char *path, size_t room);

/* ---- fs_kept.c */

/* Sets memory aside, in the file of --session-file where there is one.  Returns 0 or -errno, which was logged. */
int fs_kept_open(struct fs *f);
void fs_kept_close(struct fs *f);
void *fs_region(const struct fs *f, unsigned int which);
/* Makes sure that a region can be stored to up to this byte.  Returns 0 or -errno. */
int fs_region_grow(struct fs *f, unsigned int which, uint64_t end);
/* The same, and what is from at on is zero: records that come into use.  Whoever counts them does so later. */
int fs_region_fresh(struct fs *f, unsigned int which, uint64_t at, uint64_t end);
/* Forgets all of it. */
void fs_kept_wipe(struct fs *f);
/* What was agreed on with the guest has changed. */
void fs_kept_session(struct fs *f);
void fs_kept_root(struct fs *f, const struct fs_stat *root);
void fs_kept_mount(struct fs *f, unsigned int i, int pfd, const char *name);
/* Goes on with the session of a process that was killed.  Returns false: there is none. */
bool fs_kept_resume(struct fs *f, const struct fs_stat *root);
void fs_session_leave(struct fs *f);
/* A request is begun, and has ended or is a thread's. */
void fs_now_begin(struct fs *f, struct fs_req *r);
void fs_now_end(struct fs *f);
/*
 * Whether something was there before the request was first begun, when it is told whether it is now: what is found done is
 * this request's own where it was not.  To be asked before it is done; false without --session-file, where no request comes
 * again.
 */
bool fs_now_before(struct fs *f, const struct fs_req *r, bool there);
/* The same of a name. */
bool fs_now_there(struct fs *f, const struct fs_req *r, int pfd, const char *name);
/* The guest has been told of a file once more, or forgets it. */
void fs_looked_up(struct fs *f, const struct fs_req *r, struct fs_inode *n);
void fs_forgotten(struct fs *f, const struct fs_req *r, struct fs_inode *n, uint64_t lookups);

/* ---- fs_open.c */

/* Takes fd over, also where it fails.  Returns 0 and *fh; -ENFILE. */
int fs_open_new(struct fs *f, const struct fs_req *r, struct fs_inode *n, int fd, bool dir, uint64_t *fh);
/*
 * The open file of this number, which must be of this node; NULL: there is none, or it cannot be opened again (f->lost).
 * node 0: of any.
 */
struct fs_open *fs_opened(struct fs *f, uint64_t fh, uint64_t node, bool dir);
/* The same, also where it cannot. */
struct fs_open *fs_open_record(struct fs *f, uint64_t fh, uint64_t node, bool dir);
void fs_open_put(struct fs *f, struct fs_open *o);
void fs_opens_end(struct fs *f);

/* The same with the number it is to have, which is free; fd must be good. */
void fs_open_at_number(struct fs *f, struct fs_inode *n, int fd, bool dir, uint64_t number, uint32_t flags);
void fs_opens_loaded(struct fs *f, uint32_t last);
/* Numbers up to this one are to come.  Returns 0 or -errno. */
int fs_opens_reserve(struct fs *f, uint32_t last);

/* ---- handlers: 0, FS_LATER, FS_SILENT or -errno */

struct fuse_attr;
void fs_attr(const struct fs *f, const struct fs_stat *st, struct fuse_attr *a, bool submount);
/* Fills in the answer that names a file. */
void fs_entry(struct fs *f, const struct fs_stat *st, const struct fs_inode *n, const struct fs_inode *parent,
	      struct fuse_entry_out *e);
/* Whether a name of the guest's can be one in a folder.  Returns 0 or -errno. */
int fs_name_check(const char *name);
/* Takes set-user-id, and set-group-id of what a group may execute, from a regular file.  Returns 0 or -errno. */
int fs_kill_suid(struct fs *f, int fd, const struct fs_inode *n);
int fs_lookup(struct fs *f, struct fs_req *r);
int fs_forget(struct fs *f, struct fs_req *r);
int fs_batch_forget(struct fs *f, struct fs_req *r);
int fs_getattr(struct fs *f, struct fs_req *r);
int fs_statx(struct fs *f, struct fs_req *r);
int fs_setattr(struct fs *f, struct fs_req *r);
int fs_readlink(struct fs *f, struct fs_req *r);
int fs_access(struct fs *f, struct fs_req *r);
int fs_statfs(struct fs *f, struct fs_req *r);

int fs_opendir(struct fs *f, struct fs_req *r);
int fs_readdir(struct fs *f, struct fs_req *r);
int fs_releasedir(struct fs *f, struct fs_req *r);

int fs_mknod(struct fs *f, struct fs_req *r);
int fs_mkdir(struct fs *f, struct fs_req *r);
int fs_symlink(struct fs *f, struct fs_req *r);
int fs_create(struct fs *f, struct fs_req *r);
int fs_tmpfile(struct fs *f, struct fs_req *r);
int fs_link(struct fs *f, struct fs_req *r);
int fs_unlink(struct fs *f, struct fs_req *r);
int fs_rmdir(struct fs *f, struct fs_req *r);
int fs_rename(struct fs *f, struct fs_req *r);
int fs_rename2(struct fs *f, struct fs_req *r);

int fs_open_file(struct fs *f, struct fs_req *r);
/* Flags of a host's open for those of the guest's. */
int fs_host_flags(const struct fs *f, uint32_t flags);
/* An open has taken the bytes of a file: so go set-user-id and capabilities, where the guest's kernel leaves that to us. */
void fs_truncated(struct fs *f, int fd, const struct fs_inode *n, uint32_t open_flags);
/* What the guest is told of a file it has opened. */
uint32_t fs_open_flags(struct fs *f, struct fs_inode *n, int fd, bool dir);
int fs_read(struct fs *f, struct fs_req *r);
int fs_write(struct fs *f, struct fs_req *r);
int fs_flush(struct fs *f, struct fs_req *r);
int fs_release(struct fs *f, struct fs_req *r);
int fs_fsync(struct fs *f, struct fs_req *r);
int fs_syncfs(struct fs *f, struct fs_req *r);
int fs_fallocate(struct fs *f, struct fs_req *r);
int fs_lseek(struct fs *f, struct fs_req *r);
int fs_copy_file_range(struct fs *f, struct fs_req *r);

int fs_setxattr(struct fs *f, struct fs_req *r);
int fs_getxattr(struct fs *f, struct fs_req *r);
int fs_listxattr(struct fs *f, struct fs_req *r);
int fs_removexattr(struct fs *f, struct fs_req *r);
/* Takes file capabilities away that the guest's kernel sees under another name here, and so does not take away itself.
 */
void fs_drop_mapped_caps(struct fs *f, int fd);
/* Gives a new file its label.  Returns 0 or -errno. */
int fs_set_label(struct fs *f, const struct fs_req *r, int pfd, const char *name);

extern const struct sandbox_call fs_ioctl_get_calls[], fs_ioctl_set_calls[];
int fs_ioctl(struct fs *f, struct fs_req *r);

int fs_getlk(struct fs *f, struct fs_req *r);
int fs_setlk(struct fs *f, struct fs_req *r);
/* A process lets its locks on a file go: it has closed it. */
void fs_owner_end(struct fs *f, uint32_t inode, uint64_t owner);
void fs_owners_end(struct fs *f, uint32_t inode);
/* Takes the locks that a process that was killed had. */
void fs_locks_resume(struct fs *f);

/* ---- fs_job.c */

int fs_jobs_open(struct fs *f);
/* Returns false: one still runs. */
bool fs_jobs_close(struct fs *f);
/* A job for a request; where there are no more, one that is done on the loop. */
struct fs_job *fs_job_new(struct fs *f, struct fs_req *r);
/* Asks jobs that wait for a lock to end: those of this request (owner NULL), or of this process. */
void fs_jobs_interrupt(struct fs *f, uint64_t unique, const struct fs_owner *owner);
/* Lets a process go whose last job has ended. */
void fs_owner_put(struct fs *f, struct fs_owner *w);
/* Runs it, on a thread where there is one.  Returns what a handler returns. */
int fs_job_begin(struct fs_job *j);
/* The ring stops: what waits is given back. */
void fs_jobs_quiesce(struct fs *f, unsigned int q);
bool fs_jobs_idle(const struct fs *f);

/* ---- fs_creds */

/* Makes what follows a guest's user's.  Returns 0 or -errno. */
int fs_become(struct fs *f, const struct fs_req *r);
void fs_unbecome(struct fs *f);
int fs_creds_open(struct fs *f);
/* The process has become who it stays (--user). */
void fs_creds_start(struct fs *f);

/* ---- fs_state.c */

void fs_save(struct vdev *d, struct state *s);
int fs_load(struct vdev *d, const struct state_record *r);

/* ---- fs_opts.c */

/* The manual's DESCRIPTION. */
#define FS_ABOUT                                                                                                       \
	"Shares a folder with a guest, which mounts it: mount -t virtiofs TAG DIR.  It speaks FUSE up to 7.45 and "    \
	"takes the place of "                                                                                          \
	"virtiofsd, with its options."                                                                                 \
	"\n\n"                                                                                                         \
	"A guest that sends what cannot be gets errors, and the program goes on; when the front-end goes, the next "   \
	"one is waited for."                                                                                           \
	"\n\n"                                                                                                         \
	"As root, what the guest's users make is theirs, by number (see --translate-uid).  As an ordinary user all "   \
	"that the guest makes is "                                                                                     \
	"that user's, the guest cannot change owners or make device nodes, and files are found by name (see "          \
	"--inode-file-handles)."                                                                                       \
	"\n\n"                                                                                                         \
	"What others change in the folder is seen by the guest when what it has kept becomes too old (see --cache): "  \
	"there is no way to "                                                                                          \
	"tell it."                                                                                                     \
	"\n\n"                                                                                                         \
	"Looking up, making and removing names are done by the thread that serves, also where a disk has to be "       \
	"waited for.  "                                                                                                \
	"A guest that moves to another host finds its files there by their paths, where both have the same folder; "   \
	"about "                                                                                                       \
	"50000 of them can go with it, and its locks do not.  See --migration-on-error."                               \
	"\n\n"                                                                                                         \
	"With --session-file a vdevd that is started again goes on with the session of one that was killed, where the "  \
	"front-end does not notice: behind vdevd relay, see vdevd(1)."                                                 \
	"\n\n"                                                                                                         \
	"Of ioctl(2) there is what lsattr(1) shows, but for versions (-v), and the flags AcCdDmsSTu of chattr(1), where "  \
	"the host's file system has them; they are changed by the file's owner and by user 0.  The others cannot be "  \
	"changed, nor the numbers of project quotas; a and i only where vdevd has CAP_LINUX_IMMUTABLE, which the "  \
	"sandbox takes away.  "                                                                                        \
	"Not there are: DAX, and user namespaces (--uid-map)."

extern const struct opt fs_opts[];
int fs_check(struct vdev *d);

#endif
