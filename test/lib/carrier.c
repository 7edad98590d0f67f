/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * carrier.c - cases of devices over carriers and settings: what the carriers have in common; see carrier.h.
 */
#include "test/lib/carrier_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/lib/open_device.h"
#include "test/unit/suites.h"

#define MEM_SIZE  (16u << 20)
#define MEM_GUEST 0x40000000u

/* Offset of a cut memory in its file: not at a page's beginning, yet aligned as a ring wants it. */
#define CUT_OFFSET 0x1010u

/* How far from guest addresses those are that the device sees, and from each other the regions of cut memory. */
#define IOVA_OFFSET 0xfedc00000000u
#define SCATTER	    0x10000000u

/* Descriptors in an indirect table. */
#define MAX_PIECES 1024u

/* What a test that failed leaves behind is cleared away at its exit. */
static struct carrier *unfinished;

void carrier_ok(struct carrier *c, int err, const char *what)
{
	ck_assert_msg(err == 0, "%s: %s (%s)", what, strerror(-err), c->fe ? frontend_why(c->fe) : "no front-end");
}

static const struct carrier_ops *const all_ops[CARRIER_KINDS] = {
	[CARRIER_DIRECT] = &carrier_direct,
	[CARRIER_SESSION] = &carrier_session,
	[CARRIER_BINARY] = &carrier_binary,
};

/*
 * Folder, files, the device's arguments.
 */

const char *carrier_dir(const struct carrier *c)
{
	return c->dir;
}

const char *carrier_path(const struct carrier *c, const char *name)
{
	static char paths[4][sizeof(c->dir) + 64];
	static unsigned int next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	ck_assert_uint_lt((size_t)snprintf(path, sizeof(paths[0]), "%s/%s", c->dir, name), sizeof(paths[0]));
	return path;
}

void carrier_write_file(const struct carrier *c, const char *name, const void *bytes, size_t len, bool append)
{
	int fd = open(carrier_path(c, name), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st;
	(void)at;
	return what == FTW_DP ? rmdir(path) : unlink(path);
}

/* With all that is in it: devices may make folders. */
static void remove_dir(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *carrier_log(const struct carrier *c)
{
	struct stat st;
	char *text;
	int fd;

	if (c->kind != CARRIER_BINARY)
		return NULL;
	fd = open(carrier_path(c, "log"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_ge(read(fd, text, (size_t)st.st_size), 0);
	close(fd);
	return text;
}

static void clear_away(void)
{
	struct carrier *c = unfinished;

	if (!c)
		return;
	if (c->kind == CARRIER_BINARY && access(carrier_path(c, "log"), R_OK) == 0) {
		char *text = carrier_log(c);

		fputs(text, stderr);
		free(text);
	}
	remove_dir(c->dir);
}

/* The argument with each %T replaced by the folder. */
static char *expand(const struct carrier *c, const char *arg)
{
	const char *at = strstr(arg, "%T");
	char *text;

	if (at)
		ck_assert_int_ge(asprintf(&text, "%.*s%s%s", (int)(at - arg), arg, c->dir, at + 2), 0);
	else
		text = strdup(arg);
	ck_assert_ptr_nonnull(text);
	return text;
}

static void make_argv(struct carrier *c)
{
	const char *const *args = c->dcase && c->dcase->args ? c->dcase->args : c->suite->args;
	unsigned int n = 0;

	c->argv[n++] = strdup(c->class->name);
	for (; args && *args; args++) {
		ck_assert_uint_lt(n + 4, ARRAY_SIZE(c->argv));
		c->argv[n++] = expand(c, *args);
	}
}

struct vdev *carrier_make_closed(struct carrier *c)
{
	struct vdev *d;
	int argc = 0;
	char why[100];

	ck_assert_int_eq(vdev_new(c->class, c->class->name, c->loop, &d), 0);
	while (c->argv[argc])
		argc++;
	ck_assert_int_eq(device_parse(d, false, argc, c->argv), argc);
	if (c->set->masks)
		ck_assert_int_eq(vu_apply_feature_masks(d, c->set->masks, why, sizeof(why)), 0);
	ck_assert_int_eq(vdev_check(d), 0);
	return d;
}

void carrier_make_device(struct carrier *c)
{
	c->loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_ptr_nonnull(c->loop);
	c->d = carrier_make_closed(c);
	c->mem_backend = c->set->strict ? &gmem_strict : c->suite->mem ? c->suite->mem : &gmem_shm;
	ck_assert_int_eq(vdev_open(c->d), 0);
	ck_assert_uint_le(c->d->face.nqueues, CARRIER_MAX_QUEUES);
}

const char *carrier_executable(void)
{
	static char path[PATH_MAX + 16];
	const char *given = getenv("VDEVD");
	ssize_t n;

	if (given && *given)
		return given;
	n = readlink("/proc/self/exe", path, PATH_MAX);
	ck_assert_int_gt(n, 0);
	path[n] = '\0';
	for (int up = 0; up < 2; up++)
		*strrchr(path, '/') = '\0';
	return strcat(path, "/vdevd");
}

/*
 * A front-end: memory, rings.
 */

uint64_t carrier_wanted_features(const struct carrier *c)
{
	return ~c->set->refuse & ~(BIT(VIRTIO_F_NOTIFY_ON_EMPTY) | BIT(VHOST_F_LOG_ALL));
}

unsigned int carrier_size(const struct carrier *c, unsigned int q)
{
	const struct vdev_queue_desc *desc = &carrier_face(c)->queues[q];

	if (c->largest)
		return desc->max;
	if (!c->set->num)
		return desc->size;
	return c->set->num < desc->max ? c->set->num : desc->max;
}

static struct frontend_queue_opts queue_opts(const struct carrier *c, unsigned int q)
{
	struct frontend_queue_opts o = frontend_queue_defaults(carrier_size(c, q));

	o.base = c->set->base;
	o.poll_kick = c->set->poll_kick;
	o.poll_call = c->set->poll_call;
	o.pipes = c->set->pipes;
	o.blocking = c->set->blocking;
	o.in_band = c->set->in_band;
	return o;
}

static void make_mem(struct carrier *c)
{
	const struct frontend_region r = {
		.guest_addr = MEM_GUEST,
		.size = MEM_SIZE,
		.offset = c->set->cut ? CUT_OFFSET : 0,
	};

	carrier_ok(c, frontend_make_mem(c->fe, &frontend_mem_memfd, &r, 1), "memory");
}

/* Where the last ring ends, as an offset in the memory: each ring part must be in one region. */
static uint64_t rings_end(struct carrier *c)
{
	const struct frontend_region *r = frontend_mem_region(frontend_mem(c->fe), 0);
	uint64_t end = 0;

	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++) {
		struct vu_vring_addr a = frontend_queue_addr(c->fe, q);
		struct driver_ring_sizes s;

		driver_ring_sizes(carrier_size(c, q), c->features, &s);
		const uint64_t ends[] = {a.desc + s.desc, a.avail + s.driver, a.used + s.device};
		const uint64_t begin =
			c->set->iommu ? frontend_iova(c->fe, r->guest_addr) : frontend_region_user(c->fe, r);

		for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
			end = ends[i] - begin > end ? ends[i] - begin : end;
	}
	return end;
}

/*
 * The IOMMU's: where a region that was announced has a guest address.
 */
static int find_in_cuts(void *arg, uint64_t guest, uint64_t *user, uint64_t *left)
{
	const struct carrier *c = arg;

	for (unsigned int i = 0; i < c->ncuts; i++) {
		const struct frontend_region *r = &c->cuts[i];

		if (guest - r->guest_addr >= r->size)
			continue;
		*user = frontend_region_user(c->fe, r) + (guest - r->guest_addr);
		*left = r->size - (guest - r->guest_addr);
		return 0;
	}
	return -EFAULT;
}

/*
 * Cuts the memory, which is one to this side, into regions that adjoin: just behind the rings, where the first buffers
 * will be, and at greater distances for long ones.
 */
static void cut_mem(struct carrier *c)
{
	static const unsigned int places[] = {3, 9, 17, 300, 5000, 50000}, pages[] = {1, 2, 3, 5, 9, 14};
	const struct frontend_region *all = frontend_mem_region(frontend_mem(c->fe), 0);
	uint64_t rings = rings_end(c), at = 0;

	c->ncuts = 0;
	for (size_t i = 0; i <= ARRAY_SIZE(places); i++) {
		bool last = !c->set->cut || i == ARRAY_SIZE(places);
		uint64_t end = last ? all->size : c->set->iommu ? pages[i] * 4096u : rings + places[i];
		struct frontend_region *r = &c->cuts[c->ncuts++];

		*r = *all;
		r->guest_addr += at;
		r->user_addr += at;
		r->offset += at;
		r->size = end - at;
		if (c->set->iommu)
			r->user_addr += i * SCATTER;
		at = end;
		if (last)
			return;
	}
}

struct frontend *carrier_dial(struct carrier *c)
{
	struct frontend *fe = c->ops->dial(c);

	frontend_set_timeout(fe, CARRIER_PATIENCE_MS);
	return fe;
}

void carrier_settle(struct carrier *c)
{
	if (c->ops->settle)
		c->ops->settle(c);
}

void carrier_leave(struct carrier *c)
{
	carrier_log_end(c);
	if (c->ops->leave)
		c->ops->leave(c);
	frontend_free(c->fe);
	c->fe = NULL;
	carrier_settle(c);
}

static void *save(struct carrier *c, size_t *len)
{
	struct state s;
	void *bytes;

	if (c->kind != CARRIER_DIRECT) {
		carrier_ok(c, frontend_save_state(c->fe, &bytes, len), "state saved");
		return bytes;
	}
	vdev_save(c->d, &s);
	ck_assert_int_eq(s.err, 0);
	*len = s.len;
	return s.bytes;
}

static void load(struct carrier *c, void *bytes, size_t len)
{
	const struct state s = {.bytes = bytes, .len = len};

	if (c->kind == CARRIER_DIRECT)
		ck_assert_int_eq(vdev_load(c->d, &s), 0);
	else
		carrier_ok(c, frontend_load_state(c->fe, bytes, len), "state loaded");
}

/* A front-end comes, with a state for the device or none. */
static void arrive(struct carrier *c, void *state, size_t len)
{
	c->fe = carrier_dial(c);
	c->ops->negotiate(c);
	if (c->set->iommu) {
		const struct frontend_iommu iommu = {IOVA_OFFSET, c->set->iommu, find_in_cuts, c};

		ck_assert(carrier_has(c, VIRTIO_F_ACCESS_PLATFORM));
		frontend_set_iommu(c->fe, &iommu);
	}
	make_mem(c);
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++) {
		struct frontend_queue_opts o = queue_opts(c, q);

		carrier_ok(c, frontend_queue_make(c->fe, q, &o), "queue");
	}
	cut_mem(c);
	c->ops->share(c);
	if (state)
		load(c, state, len);
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		c->ops->start(c, q, driver_ring_base(frontend_ring(c->fe, q)));
	if (c->set->logged)
		carrier_log_begin(c);
}

void carrier_arrive(struct carrier *c)
{
	arrive(c, NULL, 0);
}

void carrier_move(struct carrier *c)
{
	void *state;
	size_t len;

	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		c->ops->stop(c, q);
	state = save(c, &len);
	carrier_leave(c);
	arrive(c, state, len);
	free(state);
}

void carrier_reconnect(struct carrier *c)
{
	carrier_leave(c);
	carrier_arrive(c);
}

/*
 * Life.
 */

static unsigned int open_fds(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

unsigned int carrier_count_fds(const struct carrier *c)
{
	char path[64];

	if (c->kind != CARRIER_BINARY)
		return open_fds("/proc/self/fd");
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)c->pid);
	return open_fds(path);
}

/* The class of a suite's device, or NULL when it is not in this build. */
static const struct vdev_class *look_for_class(const struct device_suite *ds)
{
	if (ds->class)
		return ds->class;
	for (const struct vdev_class *const *class = vdev_classes; *class; class ++) {
		if (!strcmp((*class)->name, ds->device))
			return *class;
	}
	return NULL;
}

bool carrier_built(const struct device_suite *ds)
{
	return look_for_class(ds);
}

static const struct vdev_class *find_class(const struct device_suite *ds)
{
	const struct vdev_class *class = look_for_class(ds);

	/* Also called while suites are made, when nothing may be asserted. */
	if (!class)
		ck_abort_msg("no device '%s' is built", ds->device);
	return class;
}

static struct carrier *open_with(enum carrier_kind kind, const struct carrier_setting *set,
				 const struct device_suite *ds, const struct device_case *dcase)
{
	struct carrier *c = calloc(1, sizeof(*c));
	void (*prepare)(struct carrier *) = dcase && dcase->prepare ? dcase->prepare : ds->prepare;
	const char *tmp = getenv("TMPDIR");

	ck_assert_ptr_nonnull(c);
	c->kind = kind;
	c->ops = all_ops[kind];
	c->set = set;
	c->suite = ds;
	c->dcase = dcase;
	c->peer = -1;
	c->class = find_class(ds);
	ck_assert_uint_lt((size_t)snprintf(c->dir, sizeof(c->dir), "%s/vdevd-test-XXXXXX", tmp ? tmp : "/tmp"),
			  sizeof(c->dir));
	ck_assert_ptr_nonnull(mkdtemp(c->dir));
	unfinished = c;
	atexit(clear_away);
	signal(SIGPIPE, SIG_IGN);
	c->fds = open_fds("/proc/self/fd");
	/* Before the arguments are made: they may name what it makes. */
	if (prepare)
		prepare(c);
	make_argv(c);
	c->ops->open(c);
	carrier_arrive(c);
	return c;
}

void carrier_close(struct carrier *c)
{
	if (c->fe)
		carrier_leave(c);
	c->ops->close(c);
	if (c->d)
		vdev_free(c->d);
	if (c->loop)
		ev_loop_destroy(c->loop);
	for (unsigned int i = 0; c->argv[i]; i++)
		free(c->argv[i]);
	ck_assert_uint_eq(open_fds("/proc/self/fd"), c->fds);
	if (c->set->strict)
		ck_assert_uint_eq(gmem_strict_pins(), 0);
	remove_dir(c->dir);
	unfinished = NULL;
	free(c);
}

/*
 * What a case asks.
 */

enum carrier_kind carrier_kind(const struct carrier *c)
{
	return c->kind;
}

const struct carrier_setting *carrier_setting(const struct carrier *c)
{
	return c->set;
}

struct frontend *carrier_frontend(struct carrier *c)
{
	return c->fe;
}

const struct vdev_class *carrier_class(const struct carrier *c)
{
	return c->class;
}

struct vdev *carrier_vdev(struct carrier *c)
{
	return c->d;
}

pid_t carrier_pid(const struct carrier *c)
{
	return c->kind == CARRIER_BINARY ? c->pid : -1;
}

struct vu_backend *carrier_backend(struct carrier *c)
{
	return c->backend;
}

bool carrier_has(const struct carrier *c, unsigned int feature)
{
	return c->features & BIT(feature);
}

static unsigned int depth_of(const struct carrier_setting *set, unsigned int num)
{
	if (set->how.indirect && !set->how.direct)
		return num;
	return set->how.split || num < 4 ? 1 : num / 2;
}

unsigned int carrier_depth(const struct carrier *c, unsigned int q)
{
	return depth_of(c->set, carrier_size(c, q));
}

static size_t pieces(size_t len, uint32_t split)
{
	return (len + split - 1) / split;
}

/* How a request of these lengths is cut. */
static struct frontend_request_opts how_to(const struct carrier *c, unsigned int q, size_t out_len, size_t in_len)
{
	struct frontend_request_opts how = c->set->how;
	size_t most = how.indirect ? MAX_PIECES : carrier_size(c, q);

	while (how.split && pieces(out_len, how.split) + pieces(in_len, how.split) > most)
		how.split *= 2;
	return how;
}

struct frontend_request *carrier_submit(struct carrier *c, unsigned int q, const void *out, size_t out_len,
					size_t in_len)
{
	struct frontend_request_opts how = how_to(c, q, out_len, in_len);
	struct frontend_request *req;

	if (c->set->invalidates)
		carrier_ok(c, frontend_iotlb(c->fe, &(struct vu_iotlb){.type = VU_IOTLB_INVALIDATE}), "invalidation");
	carrier_ok(c, frontend_submit(c->fe, q, out, out_len, in_len, &how, &req), "request");
	return req;
}

uint32_t carrier_await(struct carrier *c, unsigned int q, struct frontend_request *req, void *in)
{
	uint32_t used = UINT32_MAX;

	carrier_ok(c, frontend_await(c->fe, q, req, in, &used), "answer");
	return used;
}

uint32_t carrier_request(struct carrier *c, unsigned int q, const void *out, size_t out_len, void *in, size_t in_len)
{
	return carrier_await(c, q, carrier_submit(c, q, out, out_len, in_len), in);
}

void carrier_sample(struct carrier *c)
{
	const struct vdev_sample *s = c->class->samples;
	uint8_t in[VDEV_SAMPLE_MAX] = {0};
	uint32_t used = carrier_request(c, s->queue, s->out, s->out_len, in, s->in_len);
	const char *wrong = s->check(in, used);

	ck_assert_msg(!wrong, "answer of %u bytes: %s", used, wrong);
}

void carrier_idle(struct carrier *c, unsigned int ms)
{
	carrier_ok(c, frontend_idle(c->fe, ms), "idle");
}

void carrier_stays(struct carrier *c, unsigned int q, unsigned int ms)
{
	carrier_idle(c, ms);
	ck_assert_msg(!driver_ring_has_used(frontend_ring(c->fe, q)), "queue %u: something was used", q);
}

uint32_t carrier_raw(struct carrier *c, unsigned int q, const struct driver_buf *bufs, unsigned int n)
{
	struct driver_ring *ring = frontend_ring(c->fe, q);
	struct driver_buf seen[16];
	struct driver_used used;

	ck_assert_uint_le(n, ARRAY_SIZE(seen));
	for (unsigned int i = 0; i < n; i++)
		seen[i] = (struct driver_buf){frontend_iova(c->fe, bufs[i].addr), bufs[i].len, bufs[i].writable};
	ck_assert_int_eq(driver_ring_add(ring, seen, n, NULL, NULL), 0);
	driver_ring_publish(ring);
	carrier_ok(c, frontend_kick(c->fe, q), "kick");
	for (unsigned int ms = 0; !driver_ring_has_used(ring); ms++) {
		ck_assert_msg(ms < CARRIER_PATIENCE_MS, "queue %u: a chain was not used", q);
		carrier_idle(c, 1);
	}
	ck_assert_msg(driver_ring_take(ring, &used) == 1, "queue %u: %s", q, driver_ring_error(ring));
	carrier_stop(c, q);
	carrier_renew(c, q);
	return used.len;
}

struct frontend_buf carrier_alloc(struct carrier *c, size_t len)
{
	struct frontend_buf buf;

	carrier_ok(c, frontend_mem_alloc(frontend_mem(c->fe), FRONTEND_MEM_ANY, len, 16, &buf), "guest memory");
	return buf;
}

uint32_t carrier_stop(struct carrier *c, unsigned int q)
{
	return c->ops->stop(c, q);
}

void carrier_start(struct carrier *c, unsigned int q, uint32_t base)
{
	c->ops->start(c, q, base);
}

void carrier_renew(struct carrier *c, unsigned int q)
{
	struct frontend_queue_opts o = queue_opts(c, q);

	carrier_ok(c, frontend_queue_make(c->fe, q, &o), "queue");
	c->ops->start(c, q, driver_ring_base(frontend_ring(c->fe, q)));
}

void carrier_reset(struct carrier *c)
{
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		c->ops->stop(c, q);
	c->ops->reset(c);
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		carrier_renew(c, q);
}

void carrier_share_again(struct carrier *c)
{
	c->ops->share_again(c);
}

int carrier_wait_broken(struct carrier *c, unsigned int q, unsigned int ms)
{
	return c->ops->wait_broken(c, q, ms);
}

void carrier_config_read(struct carrier *c, uint32_t off, void *buf, uint32_t len)
{
	c->ops->config_read(c, off, buf, len);
}

int carrier_config_write(struct carrier *c, uint32_t off, const void *buf, uint32_t len)
{
	return c->ops->config_write(c, off, buf, len);
}

void carrier_wait_config_change(struct carrier *c)
{
	c->ops->wait_config_change(c);
}

/*
 * Cases x carriers x settings.
 */

#define DIRECT	(1u << CARRIER_DIRECT)
#define SESSION (1u << CARRIER_SESSION)
#define BINARY	(1u << CARRIER_BINARY)

/* The first one is the plain one. */
static const struct carrier_setting settings[] = {
	{.name = "plain", .kinds = DIRECT | SESSION | BINARY},
	{.name = "indirect", .kinds = DIRECT | SESSION | BINARY, .how = {.indirect = true}},
	{.name = "no event index", .kinds = DIRECT | SESSION | BINARY, .refuse = BIT(VIRTIO_F_EVENT_IDX)},
	{.name = "a byte a descriptor", .kinds = DIRECT | SESSION, .how = {.split = 1, .indirect = true}},
	{.name = "a byte a descriptor, in the ring", .kinds = DIRECT | SESSION, .how = {.split = 1}},
	{.name = "first in the ring, then indirect",
	 .kinds = SESSION,
	 .how = {.split = 3, .indirect = true, .direct = 1}},
	{.name = "across regions", .kinds = DIRECT | SESSION | BINARY, .cut = true},
	{.name = "ring of 1", .kinds = DIRECT | SESSION, .num = 1, .how = {.indirect = true}},
	{.name = "largest ring", .kinds = DIRECT | SESSION, .num = UINT_MAX},
	{.name = "indexes wrap", .kinds = DIRECT | SESSION, .base = 65534},
	{.name = "strict memory", .kinds = DIRECT | SESSION, .strict = true},
	{.name = "strict memory, across regions",
	 .kinds = SESSION,
	 .strict = true,
	 .cut = true,
	 .how = {.indirect = true}},
	{.name = "driver polls", .kinds = DIRECT | SESSION, .how = {.poll = true}},
	{.name = "both poll", .kinds = SESSION | BINARY, .poll_kick = true, .poll_call = true},
	{.name = "pipes", .kinds = SESSION | BINARY, .pipes = true},
	{.name = "blocking pipes", .kinds = SESSION | BINARY, .pipes = true, .blocking = true},
	{.name = "blocking eventfds", .kinds = SESSION, .blocking = true},
	{.name = "in band", .kinds = SESSION | BINARY, .masks = "+inband_notifications", .in_band = true},
	{.name = "memory slots", .kinds = SESSION | BINARY, .slots = true, .cut = true},
	{.name = "old front-end",
	 .kinds = SESSION | BINARY,
	 .refuse = BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX),
	 .refuse_protocol = UINT64_MAX},
	{.name = "no acknowledgements",
	 .kinds = SESSION,
	 .refuse_protocol = BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_INBAND_NOTIFICATIONS)},
	{.name = "packed", .kinds = DIRECT | SESSION | BINARY, .masks = "+ring_packed"},
	{.name = "packed, indirect", .kinds = DIRECT | SESSION | BINARY, .masks = "+ring_packed", .how = {.indirect = true}},
	{.name = "packed, no event index",
	 .kinds = DIRECT | SESSION | BINARY,
	 .masks = "+ring_packed",
	 .refuse = BIT(VIRTIO_F_EVENT_IDX)},
	{.name = "packed, a byte a descriptor", .kinds = DIRECT | SESSION, .masks = "+ring_packed", .how = {.split = 1}},
	{.name = "packed, ring of 3",
	 .kinds = DIRECT | SESSION,
	 .masks = "+ring_packed",
	 .num = 3,
	 .how = {.split = 1, .indirect = true}},
	{.name = "packed, largest ring", .kinds = DIRECT | SESSION, .masks = "+ring_packed", .num = UINT_MAX},
	{.name = "packed, the place wraps", .kinds = DIRECT | SESSION, .masks = "+ring_packed", .base = 65534},
	{.name = "packed, strict memory", .kinds = DIRECT | SESSION, .masks = "+ring_packed", .strict = true},
	{.name = "packed, driver polls", .kinds = DIRECT | SESSION, .masks = "+ring_packed", .how = {.poll = true}},
	{.name = "packed, in band", .kinds = SESSION | BINARY, .masks = "+ring_packed,+inband_notifications", .in_band = true},
	{.name = "in order", .kinds = DIRECT | SESSION | BINARY, .masks = "+in_order"},
	{.name = "in order, a byte a descriptor", .kinds = SESSION, .masks = "+in_order", .how = {.split = 1}, .deep = true},
	{.name = "in order, indirect, ring of 2",
	 .kinds = SESSION,
	 .masks = "+in_order",
	 .num = 2,
	 .how = {.indirect = true},
	 .deep = true},
	{.name = "in order, packed", .kinds = DIRECT | SESSION | BINARY, .masks = "+in_order,+ring_packed"},
	{.name = "in order, packed, strict memory",
	 .kinds = SESSION,
	 .masks = "+in_order,+ring_packed",
	 .strict = true,
	 .how = {.indirect = true},
	 .deep = true},
	{.name = "in order, record", .kinds = SESSION | BINARY, .masks = "+in_order", .record = true},
	{.name = "in order, packed, logged, record",
	 .kinds = SESSION,
	 .masks = "+in_order,+ring_packed,+log_all",
	 .logged = true,
	 .record = true},
	{.name = "record", .kinds = SESSION | BINARY, .record = true},
	{.name = "packed, record", .kinds = SESSION | BINARY, .masks = "+ring_packed", .record = true},
	{.name = "logged", .kinds = SESSION, .masks = "+log_all", .logged = true},
	{.name = "logged, packed, indirect",
	 .kinds = SESSION,
	 .masks = "+log_all,+ring_packed",
	 .logged = true,
	 .how = {.indirect = true}},
	{.name = "guest addresses", .kinds = SESSION | BINARY, .masks = "+gpa_addresses", .guest_addresses = true, .cut = true},
	{.name = "guest addresses, slots, packed",
	 .kinds = SESSION | BINARY,
	 .masks = "+gpa_addresses,+ring_packed",
	 .guest_addresses = true,
	 .slots = true,
	 .deep = true},
	{.name = "iommu", .kinds = SESSION | BINARY, .masks = "+access_platform", .iommu = 4096},
	{.name = "iommu, scattered, largest ring",
	 .kinds = SESSION,
	 .masks = "+access_platform",
	 .iommu = 4096,
	 .cut = true,
	 .num = UINT_MAX},
	{.name = "iommu, invalidated, scattered, packed, indirect",
	 .kinds = SESSION | BINARY,
	 .masks = "+access_platform,+ring_packed",
	 .iommu = 4096,
	 .cut = true,
	 .invalidates = true,
	 .how = {.indirect = true}},
	{.name = "iommu, small pieces, in order, logged",
	 .kinds = SESSION,
	 .masks = "+access_platform,+in_order,+log_all",
	 .iommu = 64,
	 .cut = true,
	 .logged = true},
	{.name = "iommu, invalidated, strict memory, record",
	 .kinds = SESSION,
	 .masks = "+access_platform",
	 .iommu = 256,
	 .cut = true,
	 .strict = true,
	 .invalidates = true,
	 .record = true,
	 .how = {.indirect = true},
	 .deep = true},
	{.name = "iommu, packed, slots, guest addresses, a byte a descriptor",
	 .kinds = SESSION,
	 .masks = "+access_platform,+ring_packed,+gpa_addresses",
	 .iommu = 4096,
	 .slots = true,
	 .guest_addresses = true,
	 .how = {.split = 1},
	 .deep = true},
	{.name = "iommu, in band, large pieces",
	 .kinds = SESSION | BINARY,
	 .masks = "+access_platform,+inband_notifications",
	 .iommu = 1u << 30,
	 .in_band = true,
	 .deep = true},
	{.name = "masked", .kinds = SESSION | BINARY, .masks = "-indirect_desc,-event_idx,-mq,-status,-reset_device"},
};

/* One test.  check hands its function nothing but a number. */
struct job {
	TTest test;
	enum carrier_kind kind;
	const struct carrier_setting *set;
	const struct device_suite *suite;
	const struct device_case *dcase;
};

static struct job **jobs;
static int njobs;

static void run_job(int i)
{
	const struct job *job = jobs[i];
	struct carrier *c = open_with(job->kind, job->set, job->suite, job->dcase);

	job->dcase->run(c);
	carrier_close(c);
}

/* Whether a setting beyond the plain one is worth its time now: see suite_add_device. */
static bool in_depth(enum carrier_kind kind, const struct carrier_setting *set)
{
	switch (test_depth()) {
	case DEPTH_ALL:
		return true;
	case DEPTH_MORE:
		/* What the direct carrier shows a session need not. */
		return !set->deep && (kind == CARRIER_DIRECT || (kind == CARRIER_SESSION && !(set->kinds & DIRECT)));
	case DEPTH_FEW:
		break;
	}
	return kind == CARRIER_DIRECT && set->strict;
}

static bool suits(enum carrier_kind kind, const struct carrier_setting *set, const struct device_suite *ds,
		  const struct device_case *dc)
{
	const struct vdev_class *class = find_class(ds);

	if (!(set->kinds & 1u << kind) || (ds->class && kind == CARRIER_BINARY))
		return false;
	/* Of a binary valgrind sees nothing, and by a session what the direct carrier shows. */
	if ((kind != CARRIER_DIRECT || set != settings) && test_on_valgrind())
		return false;
	if ((dc->flags & CASE_NOT_VALGRIND) && test_on_valgrind())
		return false;
	/* Some devices cannot keep it, and refuse to be asked: test_vu_offer.c. */
	if (class->face.any_order && set->masks && strstr(set->masks, "in_order"))
		return false;
	if (set != settings && ((dc->flags & CASE_ONCE) || !in_depth(kind, set)))
		return false;
	if ((dc->flags & CASE_NOT_BINARY) && kind == CARRIER_BINARY)
		return false;
	if ((dc->flags & CASE_CONFIG) && (!class->face.config_size || (set->refuse_protocol & BIT(VU_PF_CONFIG))))
		return false;
	for (unsigned int q = 0; q < class->face.nqueues; q++) {
		unsigned int size = class->face.queues[q].size;

		if (depth_of(set, set->num && set->num < size ? set->num : size) < dc->depth)
			return false;
	}
	return true;
}

static void add_job(TCase *tc, enum carrier_kind kind, const struct carrier_setting *set, const struct device_suite *ds,
		    const struct device_case *dc)
{
	static const char *const kind_names[] = {"direct", "session", "binary"};
	struct job *job = calloc(1, sizeof(*job));
	struct job **more = realloc(jobs, (size_t)(njobs + 1) * sizeof(struct job *));
	char *name;

	if (!job || !more || asprintf(&name, "%s/%s/%s", dc->name, kind_names[kind], set->name) < 0)
		exit(2);
	*job = (struct job){{name, run_job, __FILE__, __LINE__}, kind, set, ds, dc};
	jobs = more;
	jobs[njobs] = job;
	_tcase_add_test(tc, &job->test, 0, 0, njobs, njobs + 1);
	njobs++;
}

static void add_case(TCase *tc, const struct device_suite *ds, const struct device_case *dc)
{
	const char *only = getenv("VDEVD_TEST_CASE");

	if (only && !strstr(dc->name, only))
		return;
	for (enum carrier_kind kind = 0; kind < CARRIER_KINDS; kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
			if (suits(kind, &settings[i], ds, dc))
				add_job(tc, kind, &settings[i], ds, dc);
		}
	}
}

void suite_add_device(Suite *s, const struct device_suite *ds)
{
	TCase *tc = tcase_create(ds->device);

	tcase_set_timeout(tc, 30);
	for (size_t i = 0; i < ds->ncases; i++)
		add_case(tc, ds, &ds->cases[i]);
	for (const struct device_case *dc = carrier_common_cases; dc->name && !ds->further; dc++)
		add_case(tc, ds, dc);
	suite_add_tcase(s, tc);
}

struct carrier *carrier_open(enum carrier_kind kind, const struct device_suite *ds)
{
	/* Whoever speaks for himself may also try what is offered only when asked for. */
	static const struct carrier_setting own = {
		.name = "plain",
		.kinds = DIRECT | SESSION | BINARY,
		.masks = "+inband_notifications",
	};

	return open_with(kind, &own, ds, NULL);
}
