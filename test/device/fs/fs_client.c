/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_client.c - the guest's side of FUSE; see fs_client.h.
 */
#include "test/device/fs/fs_client.h"

#include <byteswap.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD sizeof(struct fuse_out_header)

void fs_begin(struct fs_client *f, struct fs_message *m, uint32_t opcode, uint64_t node)
{
	const struct fuse_in_header h = {
		.opcode = opcode,
		.unique = f->unique += 2,
		.nodeid = node,
		.uid = f->uid,
		.gid = f->gid,
		.pid = 1,
	};

	m->len = 0;
	fs_add(m, &h, sizeof(h));
}

void fs_add(struct fs_message *m, const void *bytes, size_t len)
{
	ck_assert_uint_le(len, sizeof(m->bytes) - m->len);
	if (len)
		memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

void fs_add_name(struct fs_message *m, const char *name)
{
	if (name)
		fs_add(m, name, strlen(name) + 1);
}

/* Sends bytes and waits for those of the answer.  Returns how many there are. */
static uint32_t ask(struct fs_client *f, unsigned int q, const void *out, size_t len, void *in, size_t room)
{
	/* Who tells that it is used may be killed before it does. */
	const struct frontend_request_opts poll = {.poll = true};
	struct frontend_request *req;
	uint32_t used = 0;

	if (!f->fe)
		return carrier_request(f->c, q, out, len, in, room);
	ck_assert_int_eq(frontend_submit(f->fe, q, out, len, room, &poll, &req), 0);
	if (f->between)
		f->between();
	ck_assert_int_eq(frontend_await(f->fe, q, req, in, &used), 0);
	return used;
}

int fs_send(struct fs_client *f, struct fs_message *m, size_t room)
{
	struct fuse_in_header *h = (void *)m->bytes;
	struct fuse_out_header out;
	uint32_t used;

	ck_assert_uint_le(room + HEAD, sizeof(f->out));
	h->len = (uint32_t)m->len;
	used = ask(f, REQUESTS, m->bytes, m->len, f->out, HEAD + room);
	ck_assert_uint_ge(used, HEAD);
	memcpy(&out, f->out, HEAD);
	/* Linux has it so: fs/fuse/virtio_fs.c, virtio_fs_verify_response(). */
	ck_assert_uint_eq(out.len, used);
	ck_assert_uint_eq(out.unique, h->unique);
	ck_assert_int_le(out.error, 0);
	ck_assert_int_gt(out.error, -512);
	if (out.error)
		ck_assert_uint_eq(used, HEAD);
	f->out_len = used - (uint32_t)HEAD;
	memmove(f->out, f->out + HEAD, f->out_len);
	return out.error;
}

int fs_call(struct fs_client *f, uint32_t opcode, uint64_t node, const void *arg, size_t len, const char *name,
	    const char *name2, size_t room)
{
	struct fs_message *m = malloc(sizeof(*m));
	int err;

	ck_assert_ptr_nonnull(m);
	fs_begin(f, m, opcode, node);
	fs_add(m, arg, len);
	fs_add_name(m, name);
	fs_add_name(m, name2);
	err = fs_send(f, m, room);
	free(m);
	return err;
}

void fs_tell(struct fs_client *f, uint32_t opcode, uint64_t node, const void *arg, size_t len)
{
	struct fs_message *m = malloc(sizeof(*m));
	struct fuse_in_header *h = (void *)m->bytes;

	ck_assert_ptr_nonnull(m);
	fs_begin(f, m, opcode, node);
	fs_add(m, arg, len);
	h->len = (uint32_t)m->len;
	ck_assert_uint_eq(ask(f, HIPRIO, m->bytes, m->len, NULL, 0), 0);
	free(m);
}

int fs_init_with(struct fs_client *f, uint32_t major, uint32_t minor, uint64_t flags)
{
	const struct fuse_init_in in = {.major = major,
					.minor = minor,
					.max_readahead = 131072,
					.flags = (uint32_t)flags,
					.flags2 = (uint32_t)(flags >> 32)};
	struct fuse_init_out out;
	int err = fs_call(f, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL, sizeof(out));

	if (err)
		return err;
	ck_assert_uint_eq(f->out_len, sizeof(out));
	memcpy(&out, f->out, sizeof(out));
	ck_assert_uint_eq(out.major, 7);
	f->flags = out.flags | (uint64_t)out.flags2 << 32;
	return 0;
}

/* One at a time; tests run in processes of their own. */
static struct fs_client client;

struct fs_client *fs_mount(struct carrier *c)
{
	client = (struct fs_client){.c = c, .uid = getuid(), .gid = getgid()};
	ck_assert_int_eq(fs_init_with(&client, 7, 45, UINT64_MAX), 0);
	return &client;
}

struct fs_client *fs_mount_by(struct frontend *fe)
{
	client = (struct fs_client){.fe = fe, .uid = getuid(), .gid = getgid()};
	ck_assert_int_eq(fs_init_with(&client, 7, 45, UINT64_MAX), 0);
	return &client;
}

int fs_look(struct fs_client *f, uint64_t parent, const char *name, struct fuse_entry_out *e)
{
	int err = fs_call(f, FUSE_LOOKUP, parent, NULL, 0, name, NULL, sizeof(*e));

	if (err)
		return err;
	ck_assert_uint_eq(f->out_len, sizeof(*e));
	memcpy(e, f->out, sizeof(*e));
	return e->nodeid ? 0 : -ENOENT;
}

uint64_t fs_walk(struct fs_client *f, uint64_t parent, const char *name)
{
	struct fuse_entry_out e;

	ck_assert_int_eq(fs_look(f, parent, name, &e), 0);
	return e.nodeid;
}

int fs_attr_of(struct fs_client *f, uint64_t node, struct fuse_attr *a)
{
	const struct fuse_getattr_in in = {0};
	struct fuse_attr_out out;
	int err = fs_call(f, FUSE_GETATTR, node, &in, sizeof(in), NULL, NULL, sizeof(out));

	if (err)
		return err;
	ck_assert_uint_eq(f->out_len, sizeof(out));
	memcpy(&out, f->out, sizeof(out));
	*a = out.attr;
	return 0;
}

int fs_open_at(struct fs_client *f, uint64_t node, uint32_t flags, struct fuse_open_out *o)
{
	const struct fuse_open_in in = {.flags = flags};
	int err = fs_call(f, FUSE_OPEN, node, &in, sizeof(in), NULL, NULL, sizeof(*o));

	if (err)
		return err;
	ck_assert_uint_eq(f->out_len, sizeof(*o));
	memcpy(o, f->out, sizeof(*o));
	return 0;
}

int fs_opendir_at(struct fs_client *f, uint64_t node, uint64_t *fh)
{
	const struct fuse_open_in in = {0};
	struct fuse_open_out o;
	int err = fs_call(f, FUSE_OPENDIR, node, &in, sizeof(in), NULL, NULL, sizeof(o));

	if (err)
		return err;
	memcpy(&o, f->out, sizeof(o));
	*fh = o.fh;
	return 0;
}

int fs_make_file(struct fs_client *f, uint64_t parent, const char *name, uint32_t flags, uint32_t mode, uint64_t *node,
		 uint64_t *fh)
{
	const struct fuse_create_in in = {.flags = flags | O_CREAT, .mode = S_IFREG | mode, .umask = f->umask};
	struct fuse_entry_out e;
	struct fuse_open_out o;
	int err = fs_call(f, FUSE_CREATE, parent, &in, sizeof(in), name, NULL, sizeof(e) + sizeof(o));

	if (err)
		return err;
	ck_assert_uint_eq(f->out_len, sizeof(e) + sizeof(o));
	memcpy(&e, f->out, sizeof(e));
	memcpy(&o, f->out + sizeof(e), sizeof(o));
	*node = e.nodeid;
	*fh = o.fh;
	return 0;
}

int fs_make_dir(struct fs_client *f, uint64_t parent, const char *name, uint32_t mode, uint64_t *node)
{
	const struct fuse_mkdir_in in = {.mode = mode};
	struct fuse_entry_out e;
	int err = fs_call(f, FUSE_MKDIR, parent, &in, sizeof(in), name, NULL, sizeof(e));

	if (err)
		return err;
	memcpy(&e, f->out, sizeof(e));
	*node = e.nodeid;
	return 0;
}

int fs_read_at(struct fs_client *f, uint64_t node, uint64_t fh, uint64_t off, uint32_t size)
{
	const struct fuse_read_in in = {.fh = fh, .offset = off, .size = size};
	int err = fs_call(f, FUSE_READ, node, &in, sizeof(in), NULL, NULL, size);

	return err ? err : (int)f->out_len;
}

int fs_write_at(struct fs_client *f, uint64_t node, uint64_t fh, uint64_t off, const void *bytes, uint32_t size,
		uint32_t flags)
{
	const struct fuse_write_in in = {.fh = fh, .offset = off, .size = size, .flags = flags};
	struct fs_message *m = malloc(sizeof(*m));
	struct fuse_write_out out;
	int err;

	ck_assert_ptr_nonnull(m);
	fs_begin(f, m, FUSE_WRITE, node);
	fs_add(m, &in, sizeof(in));
	fs_add(m, bytes, size);
	err = fs_send(f, m, sizeof(out));
	free(m);
	if (err)
		return err;
	ck_assert_uint_eq(f->out_len, sizeof(out));
	memcpy(&out, f->out, sizeof(out));
	return (int)out.size;
}

int fs_close_at(struct fs_client *f, uint64_t node, uint64_t fh, bool dir)
{
	const struct fuse_release_in in = {.fh = fh};

	return fs_call(f, dir ? FUSE_RELEASEDIR : FUSE_RELEASE, node, &in, sizeof(in), NULL, NULL, 0);
}

void fs_forget_node(struct fs_client *f, uint64_t node, uint64_t n)
{
	const struct fuse_forget_in in = {.nlookup = n};

	fs_tell(f, FUSE_FORGET, node, &in, sizeof(in));
}

/* ---- the host's side */

const char *fs_share(struct carrier *c, const char *name)
{
	char rel[128];

	snprintf(rel, sizeof(rel), "share/%s", name);
	return carrier_path(c, rel);
}

void fs_prepare(struct carrier *c)
{
	ck_assert_int_eq(mkdir(carrier_path(c, "share"), 0755), 0);
	ck_assert_int_eq(mkdir(fs_share(c, "d"), 0755), 0);
	fs_host_write(c, "hello", "hello, world\n");
	fs_host_write(c, "d/in", "inside\n");
	ck_assert_int_eq(symlink("../../outside", fs_share(c, "d/link")), 0);
	carrier_write_file(c, "outside", "secret\n", 7, false);
}

void fs_host_write(struct carrier *c, const char *name, const char *text)
{
	int fd = open(fs_share(c, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

void fs_host_is(struct carrier *c, const char *name, const char *text)
{
	int fd = open(fs_share(c, name), O_RDONLY | O_CLOEXEC);
	char buf[256] = "";

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, buf, sizeof(buf) - 1), 0);
	ck_assert_str_eq(buf, text);
	close(fd);
}
