/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_client.h - the guest's side of FUSE, in as many words as tests need.
 */
#ifndef VDEVD_TEST_DEVICE_FS_FS_CLIENT_H
#define VDEVD_TEST_DEVICE_FS_FS_CLIENT_H

#include "devices/fs/uapi/fuse.h"
#include "test/lib/carrier.h"

enum { HIPRIO, REQUESTS };

/* The most that a test sends or gets at once, the header included. */
#define FS_TEST_MAX (66 * 1024)

struct fs_client {
	struct carrier *c;
	struct frontend *fe;   /* in its place, where one is given */
	void (*between)(void); /* is called while a request is in flight, then; or NULL */
	uint64_t unique;
	uint32_t uid, gid, umask;
	bool swap;	  /* speaks the other byte order */
	uint64_t flags;	  /* as agreed on */
	uint32_t out_len; /* bytes of the last answer */
	uint8_t out[FS_TEST_MAX];
};

/* A request in the making. */
struct fs_message {
	uint8_t bytes[FS_TEST_MAX];
	size_t len;
};

void fs_begin(struct fs_client *f, struct fs_message *m, uint32_t opcode, uint64_t node);
void fs_add(struct fs_message *m, const void *bytes, size_t len);
void fs_add_name(struct fs_message *m, const char *name);
/* Sends it with room for so many bytes behind the header of the answer, and checks that one.  Returns 0 or -errno. */
int fs_send(struct fs_client *f, struct fs_message *m, size_t room);
/* All at once: arg and names may be NULL. */
int fs_call(struct fs_client *f, uint32_t opcode, uint64_t node, const void *arg, size_t len, const char *name,
	    const char *name2, size_t room);
/* On the high priority queue: no answer. */
void fs_tell(struct fs_client *f, uint32_t opcode, uint64_t node, const void *arg, size_t len);

/* Begins a session with all flags that Linux offers.  Returns f, in memory of the test's. */
struct fs_client *fs_mount(struct carrier *c);
struct fs_client *fs_mount_by(struct frontend *fe);
int fs_init_with(struct fs_client *f, uint32_t major, uint32_t minor, uint64_t flags);

/* These return 0 or -errno. */
int fs_look(struct fs_client *f, uint64_t parent, const char *name, struct fuse_entry_out *e);
/* The number of a name that must be there. */
uint64_t fs_walk(struct fs_client *f, uint64_t parent, const char *name);
int fs_attr_of(struct fs_client *f, uint64_t node, struct fuse_attr *a);
int fs_open_at(struct fs_client *f, uint64_t node, uint32_t flags, struct fuse_open_out *o);
int fs_opendir_at(struct fs_client *f, uint64_t node, uint64_t *fh);
int fs_make_file(struct fs_client *f, uint64_t parent, const char *name, uint32_t flags, uint32_t mode, uint64_t *node,
		 uint64_t *fh);
int fs_make_dir(struct fs_client *f, uint64_t parent, const char *name, uint32_t mode, uint64_t *node);
/* Returns bytes or -errno; they are in f->out. */
int fs_read_at(struct fs_client *f, uint64_t node, uint64_t fh, uint64_t off, uint32_t size);
int fs_write_at(struct fs_client *f, uint64_t node, uint64_t fh, uint64_t off, const void *bytes, uint32_t size,
		uint32_t flags);
int fs_close_at(struct fs_client *f, uint64_t node, uint64_t fh, bool dir);
void fs_forget_node(struct fs_client *f, uint64_t node, uint64_t n);

/* The shared folder of the suite: "%T/share", made by prepare. */
const char *fs_share(struct carrier *c, const char *name);
void fs_prepare(struct carrier *c);
/* Writes and reads files of the host's below it. */
void fs_host_write(struct carrier *c, const char *name, const char *text);
void fs_host_is(struct carrier *c, const char *name, const char *text);

#endif
