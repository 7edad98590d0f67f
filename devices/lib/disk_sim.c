/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * disk_sim.c - simulated disks in memory, with a cache that a power cut loses; see disk.h.
 *
 * What is read is `now`.  What a power cut cannot take is `stable`.  The writes between the two are the journal, in the
 * order in which they were begun.  A flush makes those of them stable that had ended when it was begun, and no others:
 * a device that flushes too early is found out.
 *
 * A cut goes from `stable` on and takes of the journal what chance says, sector by sector or write by write.  So every
 * state that a disk with a cache can be left in can come.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "devices/lib/disk_impl.h"

#define JOURNAL_WRITES 4096
#define JOURNAL_BYTES  (16u << 20)

/* How late a request ends with shuffle, at most, seconds. */
#define SHUFFLE 0.005

/* way.state */
enum { PENDING = 1 };

/* A write that is not stable.  Its request's entry is found by way.part, an ever higher number. */
struct sim_write {
	size_t number;
	uint64_t off, len;
	size_t at; /* of its bytes in the journal's; SIZE_MAX: zeros */
	bool ended, flushing;
};

struct sim {
	struct disk *d;
	struct sim *next;
	uint8_t *now, *stable;
	struct sim_write *writes; /* JOURNAL_WRITES of them */
	unsigned int nwrites;
	uint8_t *bytes; /* JOURNAL_BYTES */
	size_t used, number;
};

struct disk_sim {
	struct vdev *d;
	struct sim *disks;
	struct list pending; /* requests that end later: by way.queue */
	struct ev_timer timer;
	unsigned int fail[DISK_ZERO + 1]; /* so many requests of a kind */
	int err;
	double delay; /* seconds */
	bool shuffle;
	bool dark; /* there is no power: requests fail, and change nothing */
	uint64_t random;
};

static uint64_t random_next(struct disk_sim *sim)
{
	sim->random ^= sim->random << 13;
	sim->random ^= sim->random >> 7;
	sim->random ^= sim->random << 17;
	return sim->random;
}

/* ---- the journal */

/* Puts bytes of a write, from skip on, on a medium. */
static void write_apply(const struct sim *s, const struct sim_write *w, uint8_t *medium, uint64_t skip, uint64_t len)
{
	if (w->at == SIZE_MAX)
		memset(medium + w->off + skip, 0, (size_t)len);
	else
		memcpy(medium + w->off + skip, s->bytes + w->at + skip, (size_t)len);
}

/* Takes the writes that are being flushed out of the journal. */
static void journal_flush(struct sim *s)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < s->nwrites; i++) {
		struct sim_write *w = &s->writes[i];

		if (w->flushing)
			write_apply(s, w, s->stable, 0, w->len);
		else
			s->writes[kept++] = *w;
	}
	s->nwrites = kept;
	s->used = kept ? s->used : 0;
}

/* The disk writes back on its own: all is stable. */
static void journal_empty(struct sim *s)
{
	for (unsigned int i = 0; i < s->nwrites; i++)
		s->writes[i].flushing = true;
	journal_flush(s);
}

/* Adds a write of the bytes that are at its place now. */
static void journal_add(struct sim *s, struct disk_req *r)
{
	bool zeros = r->what != DISK_WRITE;
	size_t len = zeros ? 0 : (size_t)r->len;
	struct sim_write *w;

	if (s->nwrites == JOURNAL_WRITES || len > JOURNAL_BYTES - s->used)
		journal_empty(s);
	if (len > JOURNAL_BYTES) {
		memcpy(s->stable + r->off, s->now + r->off, len);
		return;
	}
	w = &s->writes[s->nwrites++];
	*w = (struct sim_write){.number = ++s->number, .off = r->off, .len = r->len, .at = zeros ? SIZE_MAX : s->used};
	r->way.part = w->number;
	if (!zeros)
		memcpy(s->bytes + s->used, s->now + r->off, len);
	s->used += len;
}

/* No copy is left, neither in the cache nor on the medium. */
static void erase(struct sim *s, const struct disk_req *r)
{
	journal_empty(s);
	memset(s->now + r->off, 0, (size_t)r->len);
	memset(s->stable + r->off, 0, (size_t)r->len);
}

/* What has ended is what a flush that begins now must keep. */
static void journal_mark(struct sim *s)
{
	for (unsigned int i = 0; i < s->nwrites; i++)
		s->writes[i].flushing |= s->writes[i].ended;
}

/* ---- requests */

static void request_move(struct sim *s, struct disk_req *r)
{
	size_t n;

	for (; r->way.moved < r->len; r->way.moved += n) {
		uint8_t *at = s->now + r->off + r->way.moved;

		n = disk_view(r, SIZE_MAX);
		for (unsigned int i = 0; i < r->way.niov; i++) {
			const struct iovec *v = &r->way.iov[i];

			memcpy(r->what == DISK_READ ? v->iov_base : at, r->what == DISK_READ ? at : v->iov_base,
			       v->iov_len);
			at += v->iov_len;
		}
	}
}

/* The request has ended on the disk. */
static void request_ended(struct sim *s, struct disk_req *r)
{
	for (unsigned int i = 0; i < s->nwrites; i++)
		s->writes[i].ended |= s->writes[i].number == r->way.part;
	if (r->durable)
		journal_mark(s);
	if (r->what == DISK_FLUSH || r->durable)
		journal_flush(s);
}

static void request_end(struct disk_req *r, int err)
{
	if (r->way.d->args.sim->dark)
		err = -EIO;
	if (!err)
		request_ended(r->way.d->host, r);
	disk_ended(r, err);
}

/* Requests whose time has come end. */
static void timer_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct disk_sim *sim = container_of(w, struct disk_sim, timer);
	struct list due, *node, *next;

	list_init(&due);
	for (node = sim->pending.next; node != &sim->pending; node = next) {
		next = node->next;
		if (container_of(node, struct disk_req, way.queue)->way.until > ev_now(loop))
			continue;
		list_remove(node);
		list_put_last(&due, node);
	}
	while ((node = list_first(&due))) {
		struct disk_req *r = container_of(node, struct disk_req, way.queue);

		list_remove(node);
		request_end(r, r->way.err);
	}
	if (list_empty(&sim->pending))
		ev_timer_stop(loop, w);
}

/* Carries a request out, as far as the disk's cache goes.  Returns 0 or -errno. */
static int request_run(struct disk_sim *sim, struct sim *s, struct disk_req *r)
{
	bool fails = sim->fail[r->what] > 0;
	uint64_t size = s->d->args.size;

	/* The disk may be smaller than was told last. */
	if (sim->dark || (r->what != DISK_FLUSH && (r->len > size || r->off > size - r->len)))
		return -EIO;
	sim->fail[r->what] -= fails;
	if (fails && r->what == DISK_WRITE && r->len > DISK_SECTOR)
		r->len = r->len / 2 / DISK_SECTOR * DISK_SECTOR; /* a write that fails has written something */
	r->way.part = 0;
	switch (r->what) {
	case DISK_FLUSH:
		if (!fails)
			journal_mark(s);
		break;
	case DISK_READ:
	case DISK_WRITE:
		request_move(s, r);
		break;
	case DISK_ERASE:
		if (!fails)
			erase(s, r);
		break;
	default:
		if (!fails)
			memset(s->now + r->off, 0, (size_t)r->len);
	}
	if (r->what == DISK_WRITE || (!fails && (r->what == DISK_DISCARD || r->what == DISK_ZERO)))
		journal_add(s, r);
	return fails ? sim->err : 0;
}

static void sim_begin(struct disk *d, struct disk_req *r)
{
	struct disk_sim *sim = d->args.sim;
	uint64_t len = r->len;
	int err = request_run(sim, d->host, r);

	r->len = len;
	if (!(sim->delay > 0.) && !sim->shuffle) {
		request_end(r, err);
		return;
	}
	r->way.state = PENDING;
	r->way.err = err;
	r->way.until = ev_now(sim->d->loop) + sim->delay;
	if (sim->shuffle)
		r->way.until += SHUFFLE * (double)(random_next(sim) % 256) / 256.;
	list_put_last(&sim->pending, &r->way.queue);
	if (!ev_is_active(&sim->timer))
		ev_timer_again(sim->d->loop, &sim->timer);
}

static void sim_cancel(struct disk *d, struct disk_req *r)
{
	if (r->way.state != PENDING)
		return;
	list_remove(&r->way.queue);
	disk_ended(r, -ECANCELED);
}

static uint64_t sim_size(struct disk *d)
{
	return d->args.size;
}

/* ---- the operator */

static const char *const kinds[] = {
	[DISK_READ] = "read",	    [DISK_WRITE] = "write", [DISK_FLUSH] = "flush",
	[DISK_DISCARD] = "discard", [DISK_ERASE] = "erase", [DISK_ZERO] = "zero",
};

static int run_fail(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct disk_sim *sim = arg;
	uint64_t n = 1;

	if (argc > 1 && (opt_parse_number(argv[1], false, &n) < 0 || n > UINT32_MAX)) {
		snprintf(why, why_size, "'%.40s': how many requests are to fail is wanted", argv[1]);
		return -EINVAL;
	}
	if (argc > 2 && strcmp(argv[2], "eio") != 0 && strcmp(argv[2], "enospc") != 0) {
		snprintf(why, why_size, "'%.40s': eio or enospc is wanted", argv[2]);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(argv[0], kinds[i]) != 0)
			continue;
		sim->fail[i] = (unsigned int)n;
		sim->err = argc > 2 && strcmp(argv[2], "enospc") == 0 ? -ENOSPC : -EIO;
		return 0;
	}
	snprintf(why, why_size, "'%.40s': read, write, flush, discard, erase or zero is wanted", argv[0]);
	return -EINVAL;
}

static int run_delay(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct disk_sim *sim = arg;
	uint64_t ms;

	if (opt_parse_number(argv[0], false, &ms) < 0 || ms > 3600000) {
		snprintf(why, why_size, "'%.40s': milliseconds from 0 to 3600000 are wanted", argv[0]);
		return -EINVAL;
	}
	sim->delay = (double)ms / 1000.;
	return 0;
}

static int run_shuffle(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct disk_sim *sim = arg;

	if (strcmp(argv[0], "on") != 0 && strcmp(argv[0], "off") != 0) {
		snprintf(why, why_size, "'%.40s': on or off is wanted", argv[0]);
		return -EINVAL;
	}
	sim->shuffle = strcmp(argv[0], "on") == 0;
	return 0;
}

/* Takes of the journal what chance says.  Returns how many writes were kept whole. */
static unsigned int disk_cut(struct disk_sim *sim, struct sim *s, bool whole)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < s->nwrites; i++) {
		const struct sim_write *w = &s->writes[i];
		bool all = true, take = random_next(sim) & 1;

		for (uint64_t off = 0; off < w->len; off += DISK_SECTOR) {
			take = whole ? take : random_next(sim) & 1;
			all &= take;
			if (take)
				write_apply(s, w, s->stable, off, min_u64(DISK_SECTOR, w->len - off));
		}
		kept += all;
	}
	s->nwrites = 0;
	s->used = 0;
	memcpy(s->now, s->stable, (size_t)s->d->args.size);
	return kept;
}

static int run_cut(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct disk_sim *sim = arg;
	bool whole = argc && strcmp(argv[0], "whole") == 0;
	uint64_t seed = 0;

	if (argc > whole && (argc > whole + 1u || opt_parse_number(argv[whole], false, &seed) < 0)) {
		snprintf(why, why_size, "'%.40s': cut [whole] [SEED], a number, is wanted", argv[whole]);
		return -EINVAL;
	}
	if (argc > whole)
		sim->random = (seed + 1) * 0x9e3779b97f4a7c15u | 1;
	for (struct sim *s = sim->disks; s; s = s->next) {
		unsigned int all = s->nwrites, kept = disk_cut(sim, s, whole);

		control_say(c, "kept %u of %u writes", kept, all);
	}
	return 0;
}

static int run_power(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct disk_sim *sim = arg;

	if (strcmp(argv[0], "on") != 0 && strcmp(argv[0], "off") != 0) {
		snprintf(why, why_size, "'%.40s': on or off is wanted", argv[0]);
		return -EINVAL;
	}
	sim->dark = strcmp(argv[0], "off") == 0;
	return 0;
}

static int run_disk(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct disk_sim *sim = arg;

	for (const struct sim *s = sim->disks; s; s = s->next)
		control_say(c, "%llu bytes, %u writes not flushed", (unsigned long long)s->d->args.size, s->nwrites);
	return 0;
}

/* Another size: a smaller one forgets what was behind it. */
static int run_size(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct disk_sim *sim = arg;
	struct sim *s = sim->disks;
	uint64_t size;
	uint8_t *now, *stable;

	if (!s) {
		snprintf(why, why_size, "there is no simulated disk");
		return -ENODEV;
	}
	if (opt_parse_number(argv[0], true, &size) < 0 || size < DISK_SECTOR || size % DISK_SECTOR ||
	    size > SIZE_MAX / 4) {
		snprintf(why, why_size, "'%.40s': bytes are wanted, a multiple of 512", argv[0]);
		return -EINVAL;
	}
	now = calloc(1, (size_t)size);
	stable = calloc(1, (size_t)size);
	if (!now || !stable) {
		free(now);
		free(stable);
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	journal_empty(s);
	memcpy(now, s->now, (size_t)min_u64(size, s->d->args.size));
	memcpy(stable, s->stable, (size_t)min_u64(size, s->d->args.size));
	free(s->now);
	free(s->stable);
	s->now = now;
	s->stable = stable;
	s->d->args.size = size;
	return 0;
}

static const struct control_command sim_commands[] = {
	{"fail", "KIND [COUNT [ERROR]]",
	 "the next requests fail: read, write, flush, discard, erase, zero; eio, enospc", 1, 3, run_fail},
	{"delay", "MS", "each request takes so long", 1, 1, run_delay},
	{"shuffle", "on|off", "requests end in any order", 1, 1, run_shuffle},
	{"cut", "[whole] [SEED]", "a power cut: of what was not flushed, some is lost", 0, 2, run_cut},
	{"power", "on|off", "without it every request fails, and changes nothing", 1, 1, run_power},
	{"disk", "", "size, and writes that are not flushed", 0, 0, run_disk},
	{"size", "BYTES", "another size, which the command resize tells the guest", 1, 1, run_size},
	{0},
};

struct disk_sim *disk_sim_new(struct vdev *d)
{
	struct disk_sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	sim->d = d;
	sim->random = 0x9e3779b97f4a7c15u;
	list_init(&sim->pending);
	ev_timer_init(&sim->timer, timer_due, 0., 0.001);
	control_add(d->control, sim_commands, sim);
	return sim;
}

void disk_sim_free(struct disk_sim *sim)
{
	if (!sim)
		return;
	ev_timer_stop(sim->d->loop, &sim->timer);
	free(sim);
}

/* ---- as a disk */

static void sim_close(struct disk *d)
{
	struct sim *s = d->host, **at;

	for (at = &d->args.sim->disks; *at; at = &(*at)->next) {
		if (*at != s)
			continue;
		*at = s->next;
		break;
	}
	free(s->now);
	free(s->stable);
	free(s->writes);
	free(s->bytes);
	free(s);
}

static int sim_open(struct disk *d)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (s) {
		s->d = d;
		d->host = s;
		s->now = calloc(1, (size_t)d->args.size);
		s->stable = calloc(1, (size_t)d->args.size);
		s->writes = calloc(JOURNAL_WRITES, sizeof(*s->writes));
		s->bytes = malloc(JOURNAL_BYTES);
	}
	if (!s || !s->now || !s->stable || !s->writes || !s->bytes) {
		if (s)
			sim_close(d);
		return -ENOMEM;
	}
	s->next = d->args.sim->disks;
	d->args.sim->disks = s;
	d->info = (struct disk_info){
		.size = d->args.size,
		.block = DISK_SECTOR,
		.physical = 4096,
		.read_only = d->args.read_only,
		.discards = !d->args.read_only,
		.erases = d->args.erase && !d->args.read_only,
	};
	return 0;
}

const struct disk_ops disk_sim_ops = {
	.open = sim_open,
	.close = sim_close,
	.begin = sim_begin,
	.cancel = sim_cancel,
	.size = sim_size,
};
