/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_inode.c - files that the guest remembers; see fs.h.
 *
 * Records lie in address space that was set aside for as many as there may be, and is given memory page by page as it
 * is touched: nothing is allocated while requests are served.  A page whose records are all free goes back to the host.
 * The lowest free record is taken, so that few pages are in use.
 *
 * The guest's number has the record's index in its lower half and a count in its upper one: a number that was forgotten
 * does not come again for as long as the guest can remember it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/fs/fs.h"

#define PER_PAGE 32u /* records; one word of the map of free ones */
#define BUCKETS	 4096u
#define ROOT	 1u

_Static_assert(sizeof(struct fs_inode) == 128, "a record is what the manual says that a file costs");

static void *set_aside(size_t n, size_t size)
{
	size_t len;
	void *p;

	if (__builtin_mul_overflow(n, size, &len))
		return NULL;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void give_back(void *p, size_t n, size_t size)
{
	if (p)
		munmap(p, n * size);
}

/* Index 0 is nobody, 1 the root. */
size_t fs_inode_records(const struct fs *f)
{
	return ((size_t)f->max_inodes + 2 + PER_PAGE - 1) / PER_PAGE * PER_PAGE;
}

int fs_inodes_open(struct fs *f)
{
	f->max_buckets = BUCKETS;
	while (f->max_buckets < f->max_inodes)
		f->max_buckets *= 2;
	f->buckets = set_aside(f->max_buckets, sizeof(*f->buckets));
	f->free_map = set_aside(fs_inode_records(f) / PER_PAGE, sizeof(*f->free_map));
	if (!f->buckets || !f->free_map)
		return -ENOMEM;
	f->nbuckets = BUCKETS;
	f->gen = 1;
	return 0;
}

void fs_inodes_close(struct fs *f)
{
	give_back(f->buckets, f->max_buckets, sizeof(*f->buckets));
	give_back(f->free_map, fs_inode_records(f) / PER_PAGE, sizeof(*f->free_map));
	f->buckets = f->free_map = NULL;
}

/* ---- the hash */

uint32_t fs_born(const struct fs_stat *st)
{
	if (!(st->stx_mask & STATX_BTIME))
		return 0;
	return (uint32_t)((uint64_t)st->stx_btime.tv_sec * 2654435761u) ^ (st->stx_btime.tv_nsec * 40503u);
}

static uint32_t *bucket_of(struct fs *f, uint64_t ino, unsigned int mount)
{
	uint64_t h = (ino + ((uint64_t)mount << 48)) * UINT64_C(0x9e3779b97f4a7c15);

	return &f->buckets[(h >> 32) & (f->nbuckets - 1)];
}

struct fs_inode *fs_inode_find(struct fs *f, const struct fs_stat *st, unsigned int mount)
{
	uint32_t born = fs_born(st);

	for (uint32_t i = *bucket_of(f, st->stx_ino, mount); i; i = f->inodes[i].next) {
		struct fs_inode *n = &f->inodes[i];

		if (n->ino == st->stx_ino && n->mount == mount && n->born == born && n->type == st->stx_mode >> 12)
			return n;
	}
	return NULL;
}

static void hash_in(struct fs *f, struct fs_inode *n)
{
	uint32_t *b = bucket_of(f, n->ino, n->mount);

	n->next = *b;
	*b = fs_index(f, n);
}

static void hash_out(struct fs *f, struct fs_inode *n)
{
	uint32_t *b = bucket_of(f, n->ino, n->mount), i = fs_index(f, n);

	while (*b && *b != i)
		b = &f->inodes[*b].next;
	if (*b)
		*b = n->next;
}

/* Twice as many buckets, where the chains become long. */
static void hash_grow(struct fs *f)
{
	if (f->ninodes <= f->nbuckets || f->nbuckets == f->max_buckets)
		return;
	memset(f->buckets, 0, f->nbuckets * sizeof(*f->buckets));
	f->nbuckets *= 2;
	for (uint32_t i = ROOT; i < f->fresh; i++) {
		if (f->inodes[i].type)
			hash_in(f, &f->inodes[i]);
	}
}

/* ---- records */

uint64_t fs_number(const struct fs *f, const struct fs_inode *n)
{
	uint32_t i = fs_index(f, n);

	return i == ROOT ? FUSE_ROOT_ID : (uint64_t)n->gen << 32 | i;
}

struct fs_inode *fs_node(struct fs *f, uint64_t node)
{
	uint32_t i = (uint32_t)node;
	struct fs_inode *n = &f->inodes[i < f->fresh ? i : 0];

	if (!i || !n->type || fs_number(f, n) != node)
		return NULL;
	/* One that was forgotten may still be needed to find others. */
	return n->lookups || i == ROOT ? n : NULL;
}

/* The records up to this one can be stored to.  Returns 0 or -errno. */
static int fresh_to(struct fs *f, uint32_t last)
{
	int err = fs_region_fresh(f, FS_REGION_INODES, f->kept->fresh * sizeof(*f->inodes),
				  ((uint64_t)last + 1) * sizeof(*f->inodes));

	if (!err && last >= f->kept->fresh)
		f->kept->fresh = last + 1;
	return err;
}

/* The lowest free record. */
static uint32_t take(struct fs *f)
{
	uint32_t words = (f->fresh + PER_PAGE - 1) / PER_PAGE, i;

	for (; f->hint < words; f->hint++) {
		if (!f->free_map[f->hint])
			continue;
		i = f->hint * PER_PAGE + (uint32_t)__builtin_ctz(f->free_map[f->hint]);
		f->free_map[f->hint] &= f->free_map[f->hint] - 1;
		return i;
	}
	if (f->fresh == fs_inode_records(f) || fresh_to(f, f->fresh) < 0)
		return 0;
	return f->fresh++;
}

static void give(struct fs *f, uint32_t i)
{
	uint32_t word = i / PER_PAGE;

	f->inodes[i].type = 0;
	f->free_map[word] |= 1u << i % PER_PAGE;
	if (word < f->hint)
		f->hint = word;
	/* In a file they stay: what is there can always be looked at. */
	if (f->free_map[word] == UINT32_MAX && f->session_fd < 0)
		madvise(&f->inodes[(size_t)word * PER_PAGE], PER_PAGE * sizeof(*f->inodes), MADV_DONTNEED);
}

int fs_inodes_reserve(struct fs *f, uint32_t last)
{
	return fresh_to(f, last);
}

void fs_inodes_loaded(struct fs *f, uint32_t last)
{
	for (uint32_t i = ROOT + 1; i <= last; i++) {
		if (!f->inodes[i].type)
			give(f, i);
	}
}

uint32_t fs_gen_next(struct fs *f)
{
	uint32_t gen = f->gen;

	f->gen = gen == UINT32_MAX ? 1 : gen + 1;
	f->kept->gen = f->gen;
	return gen;
}

struct fs_inode *fs_inode_new(struct fs *f, const struct fs_stat *st, unsigned int mount)
{
	struct fs_inode *n;
	uint32_t i;

	if (!f->fresh)
		f->fresh = ROOT;
	if (f->ninodes > f->max_inodes)
		return NULL;
	i = f->number ? (uint32_t)f->number : take(f);
	if (!i || (f->number && fresh_to(f, i) < 0) || f->inodes[i].type)
		return NULL;
	n = &f->inodes[i];
	*n = (struct fs_inode){
		.ino = st->stx_ino,
		.gen = f->number ? (uint32_t)(f->number >> 32) : fs_gen_next(f),
		.born = fs_born(st),
		.mount = (uint16_t)mount,
	};
	fs_settle();
	n->type = (uint8_t)(st->stx_mode >> 12);
	f->mounts[mount].users++;
	f->ninodes++;
	hash_in(f, n);
	hash_grow(f);
	return n;
}

/* ---- how it is found again */

static void big_free(struct fs *f, struct fs_inode *n)
{
	if (!n->big)
		return;
	memcpy(f->bigs + (size_t)n->big * FS_BIG, &f->free_big, sizeof(f->free_big));
	f->free_big = n->big;
	n->big = 0;
}

static uint32_t big_take(struct fs *f)
{
	uint32_t i = f->free_big;

	if (i) {
		memcpy(&f->free_big, f->bigs + (size_t)i * FS_BIG, sizeof(f->free_big));
		return i;
	}
	if (f->fresh_big + 1 >= fs_inode_records(f) ||
	    fs_region_grow(f, FS_REGION_BIGS, ((uint64_t)f->fresh_big + 2) * FS_BIG) < 0)
		return 0;
	f->kept->fresh_big = ++f->fresh_big;
	return f->fresh_big;
}

const uint8_t *fs_inode_ref_bytes(const struct fs *f, const struct fs_inode *n)
{
	return n->big ? f->bigs + (size_t)n->big * FS_BIG : n->ref;
}

int fs_inode_ref(struct fs *f, struct fs_inode *n, unsigned int how, const void *bytes, size_t len, uint32_t type,
		 struct fs_inode *parent)
{
	struct fs_inode *old = n->how == FS_BY_NAME ? &f->inodes[n->parent] : NULL;
	uint8_t *at = n->ref;

	/* The other folder first: it may be the same. */
	if (how == FS_BY_NAME)
		parent->children++;
	n->how = FS_BY_NOTHING;
	fs_settle();
	n->parent = parent ? fs_index(f, parent) : 0;
	if (old) {
		old->children--;
		fs_inode_unuse(f, old);
	}
	big_free(f, n);
	if (len > sizeof(n->ref)) {
		n->big = big_take(f);
		at = f->bigs + (size_t)n->big * FS_BIG;
	}
	if (len > FS_BIG - 1 || (len > sizeof(n->ref) && !n->big)) {
		if (how == FS_BY_NAME)
			parent->children--;
		return -ENFILE;
	}
	if (len)
		memcpy(at, bytes, len);
	n->len = (uint8_t)len;
	n->handle_type = type;
	fs_settle();
	n->how = (uint8_t)how;
	return 0;
}

/* ---- being forgotten */

static bool unused(const struct fs *f, const struct fs_inode *n)
{
	return n->type && !n->lookups && !n->opens && !n->children && fs_index(f, n) != ROOT;
}

/* A folder goes after the last file that was found by it, and so on upwards. */
void fs_inode_unuse(struct fs *f, struct fs_inode *n)
{
	while (unused(f, n)) {
		struct fs_inode *parent = n->how == FS_BY_NAME ? &f->inodes[n->parent] : NULL;

		fs_owners_end(f, fs_index(f, n));
		fs_slot_drop(f, n);
		hash_out(f, n);
		big_free(f, n);
		f->ninodes--;
		f->mounts[n->mount].users--;
		fs_mount_unuse(f, n->mount);
		give(f, fs_index(f, n));
		if (!parent)
			return;
		parent->children--;
		n = parent;
	}
}

void fs_inode_forget(struct fs *f, struct fs_inode *n, uint64_t lookups)
{
	n->lookups -= min_u64(lookups, n->lookups);
	fs_inode_unuse(f, n);
}

void fs_inodes_forget_all(struct fs *f)
{
	fs_slot_drop_all(f);
	fs_kept_wipe(f);
	madvise(f->buckets, f->max_buckets * sizeof(*f->buckets), MADV_DONTNEED);
	madvise(f->free_map, fs_inode_records(f) / PER_PAGE * sizeof(*f->free_map), MADV_DONTNEED);
	f->nbuckets = BUCKETS;
	f->fresh = f->hint = f->ninodes = 0;
	f->gen = f->gen ? f->gen : 1;
	f->kept->gen = f->gen;
	f->free_big = f->fresh_big = 0;
}

/* ---- what another process has left */

/* Whether a record can be believed. */
static bool sound(const struct fs *f, uint32_t i, const struct fs_inode *n)
{
	if (n->mount >= f->nmounts || n->how > FS_BY_NAME || n->parent >= f->fresh || !n->gen)
		return false;
	if (n->len > sizeof(n->ref) ? !n->big || n->big > f->fresh_big : n->big != 0)
		return false;
	if (n->how == FS_BY_HANDLE && n->len > FS_HANDLE_MAX)
		return false;
	return n->how != FS_BY_NAME || (n->parent && n->parent != i && n->len);
}

/* The places of long handles and names that nobody has. */
static int free_bigs(struct fs *f)
{
	uint8_t *used = calloc(1, (size_t)f->fresh_big + 1);

	if (!used)
		return -ENOMEM;
	for (uint32_t i = FUSE_ROOT_ID; i < f->fresh; i++) {
		struct fs_inode *n = &f->inodes[i];

		if (!n->type || !n->big)
			continue;
		if (!used[n->big]) {
			used[n->big] = 1;
			continue;
		}
		/* One that two have is the first's. */
		if (n->how == FS_BY_NAME)
			f->inodes[n->parent].children--;
		n->how = FS_BY_NOTHING;
		n->big = n->len = 0;
	}
	f->free_big = 0;
	for (uint32_t i = f->fresh_big; i; i--) {
		if (used[i])
			continue;
		memcpy(f->bigs + (size_t)i * FS_BIG, &f->free_big, sizeof(f->free_big));
		f->free_big = i;
	}
	free(used);
	return 0;
}

int fs_inodes_resume(struct fs *f, const struct fs_stat *root)
{
	struct fs_inode *r = &f->inodes[FUSE_ROOT_ID];

	f->fresh = f->kept->fresh;
	f->fresh_big = f->kept->fresh_big;
	f->ninodes = 0;
	if (r->type != S_IFDIR >> 12 || r->ino != root->stx_ino || r->mount)
		return -EINVAL;
	r->lookups = 1;
	r->how = FS_BY_NOTHING;
	r->parent = 0;
	for (uint32_t i = FUSE_ROOT_ID; i < f->fresh; i++) {
		struct fs_inode *n = &f->inodes[i];

		n->slot = n->opens = n->children = n->next = 0;
		/* The process has ended while that was changed: the file is the guest's all the same. */
		if (n->how == FS_BY_NOTHING)
			n->big = n->len = 0;
		if (n->type && !sound(f, i, n))
			n->type = 0;
		f->ninodes += n->type != 0;
	}
	while (f->nbuckets < f->ninodes && f->nbuckets < f->max_buckets)
		f->nbuckets *= 2;
	for (uint32_t i = FUSE_ROOT_ID; i < f->fresh; i++) {
		struct fs_inode *n = &f->inodes[i];

		if (!n->type)
			continue;
		f->mounts[n->mount].users++;
		hash_in(f, n);
		if (n->how == FS_BY_NAME && f->inodes[n->parent].type == S_IFDIR >> 12)
			f->inodes[n->parent].children++;
		else if (n->how == FS_BY_NAME)
			n->how = FS_BY_NOTHING;
	}
	return free_bigs(f);
}

void fs_inodes_sweep(struct fs *f)
{
	fs_inodes_loaded(f, f->fresh - 1);
	for (uint32_t i = FUSE_ROOT_ID + 1; i < f->fresh; i++)
		fs_inode_unuse(f, &f->inodes[i]);
}
