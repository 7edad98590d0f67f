/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c.c - I2C adapter device: VIRTIO 1.4, section 5.16.
 *
 * Theory of operation.  A request is one segment of a transfer; VIRTIO_I2C_FLAGS_FAIL_NEXT ties it to the next, and
 * requests tied together are a group.  A group is made as one transfer on one bus: START, the segments with a repeated
 * START between them, STOP; for that is what its driver means, and what a register is read with.
 *
 * A group is collected first, then checked as a whole.  All groups of a turn are one batch (batch.h), with copies of what
 * is written and room for what is read; their chains wait on this side.  A host side that cannot block has them made on the
 * loop.
 *
 * Where a group is refused before it reaches the bus (a malformed request, an address that is not the guest's,
 * addresses on two buses, more segments than a transfer has), nothing of it is made and all of its requests are
 * answered with ERR, in their turn. Where the bus fails, those are answered with OK that the host side knows to be
 * done.  What follows in the same group is answered with ERR without being made: "needs to fail the next request
 * instead of attempting to execute it".
 *
 * The rest of a group may be late, or never come: drivers put requests into the ring one by one, and Linux leaves a
 * group open when the ring has no room for all of it.  So the rest is waited for a short time, and then what is there
 * is made as a transfer of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "core/device.h"
#include "core/policy.h"
#include "devices/i2c/i2c_host.h"
#include "devices/lib/batch.h"
#include "devices/lib/rate_gate.h"
#include "transport/chain.h"

#define VIRTIO_I2C_F_ZERO_LENGTH_REQUEST 0

#define VIRTIO_I2C_FLAGS_FAIL_NEXT BIT(0)
#define VIRTIO_I2C_FLAGS_M_RD      BIT(1)

#define VIRTIO_I2C_MSG_OK  0
#define VIRTIO_I2C_MSG_ERR 1

struct virtio_i2c_out_hdr {
	le16 addr;
	le16 padding;
	le32 flags;
};

/* How long the rest of a group is waited for after its last request, seconds. */
#define GROUP_PATIENCE 0.02

/* The words of --backend. */
enum {
	BACKEND_AUTO,
	BACKEND_I2C_DEV,
	BACKEND_SIM,
};

/* Segments of a job, and bytes of data at which no further group begins: a whole group has room behind them. */
#define JOB_SEGMENTS  256
#define JOB_BYTES     65536
#define JOB_DATA_SIZE (JOB_BYTES + I2C_SEGMENTS_MAX * I2C_SEGMENT_MAX)

/* Requests that are one transfer. */
struct i2c_group {
	unsigned int first, n; /* of the job's segments and chains */
	size_t data;	       /* where its bytes begin in the job's data */
	unsigned int bus;
	bool refused; /* it is not made */
	bool partial; /* its rest has not come */
	int result;   /* segments that were done, from the first on, or -errno */
};

/*
 * Groups: all that the worker thread touches, apart, so that it can be left behind when it hangs; with the chains,
 * which it does not touch.  While it runs, what stands behind the complete groups is the loop's.
 */
struct i2c_job {
	struct batch batch; /* of the complete groups; the next in groups is collected */
	struct i2c *i2c;
	const struct i2c_host_ops *ops;
	void *host;
	unsigned int nsegs; /* segments and chains, with those of the group that is collected */
	size_t used;	    /* bytes of data */
	struct i2c_group groups[JOB_SEGMENTS + 1];
	struct chain *chains[JOB_SEGMENTS];
	struct i2c_segment segs[JOB_SEGMENTS];
	uint8_t data[JOB_DATA_SIZE];
};

struct i2c {
	struct vdev d;
	/* options */
	struct i2c_setup setup;
	unsigned int backend;
	struct rate_gate gate; /* --rate: of transfers */
	/* host */
	const struct i2c_host_ops *ops;
	struct i2c_job *job;
	void *host;
	bool failing; /* what comes belongs to a group that has failed */
	struct ev_timer patience;
};

static struct i2c *to_i2c(struct vdev *d)
{
	return container_of(d, struct i2c, d);
}

/* ---- requests */

/*
 * The address in a request's header: 7 bits in bits 1 to 7, or 10 bits of which two are between the marks 11110 and 0.
 * Returns false when it is neither.
 */
static bool decode_addr(uint16_t field, uint16_t *addr)
{
	if ((field & 0xf9) == 0xf0)
		*addr = (uint16_t)(I2C_TEN_BIT | (field & 0x06) << 7 | field >> 8);
	else if ((field & 0xff01) == 0)
		*addr = field >> 1;
	else
		return false;
	return true;
}

/* What is wrong with a request whose header is h, or NULL; fills in the segment but for its buffer. */
static const char *request_check(const struct chain *c, const struct virtio_i2c_out_hdr *h, struct i2c_segment *seg)
{
	uint32_t flags = le32toh(h->flags);
	size_t in = chain_readable(c), out = chain_writable(c), len;

	seg->read = flags & VIRTIO_I2C_FLAGS_M_RD;
	if (!out)
		return "no room for a status";
	if (flags & ~(uint32_t)(VIRTIO_I2C_FLAGS_FAIL_NEXT | VIRTIO_I2C_FLAGS_M_RD))
		return "reserved flags are set";
	if (seg->read ? in > 0 : out > 1)
		return "a buffer in the wrong direction";
	len = seg->read ? out - 1 : in;
	if (len > I2C_SEGMENT_MAX)
		return "a buffer of more than 8192 bytes";
	seg->len = (uint16_t)len;
	if (!decode_addr(le16toh(h->addr), &seg->addr))
		return "neither a 7-bit nor a 10-bit address";
	return NULL;
}

/* Whether the guest may talk to the address, and the group to its bus. */
static bool request_allowed(struct i2c *s, struct i2c_group *g, const struct i2c_segment *seg)
{
	const struct i2c_rule *rule = &s->setup.rules[i2c_addr_index(seg->addr)];

	if (rule->access == I2C_ACCESS_NONE) {
		log_debug(&s->d.log, "address 0x%02x is not the guest's", seg->addr);
		return false;
	}
	if (g->n == 0)
		g->bus = rule->bus;
	if (g->bus != rule->bus) {
		log_guest(&s->d.log, "a transfer with addresses on two buses: no adapter can make it");
		return false;
	}
	return true;
}

/*
 * Reads a request of the group.  Returns whether it can be made; *more: another of its group follows.
 */
static bool request_read(struct i2c *s, struct i2c_group *g, struct chain *c, struct i2c_segment *seg, bool *more)
{
	struct virtio_i2c_out_hdr h;
	const char *wrong;

	*more = false;
	if (!chain_get(c, &h, sizeof(h))) {
		log_guest(&s->d.log, "malformed request: %zu bytes are no header", chain_readable(c));
		return false;
	}
	*more = le32toh(h.flags) & VIRTIO_I2C_FLAGS_FAIL_NEXT;
	wrong = request_check(c, &h, seg);
	if (!wrong && !(s->d.features & BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST)))
		wrong = "its driver has not accepted VIRTIO_I2C_F_ZERO_LENGTH_REQUEST, as it must";
	if (wrong) {
		log_guest(&s->d.log, "malformed request: %s", wrong);
		return false;
	}
	if (*more && g->n + 1 == I2C_SEGMENTS_MAX) {
		log_guest(&s->d.log, "a transfer of more than %d segments: no adapter can make it", I2C_SEGMENTS_MAX);
		return false;
	}
	return request_allowed(s, g, seg);
}

/* ---- groups */

/* The group that is collected. */
static struct i2c_group *group_open(struct i2c_job *job)
{
	return &job->groups[job->batch.n];
}

/*
 * Whether the rules allow the group.  Where an address is read-only, a write must be the register address of the
 * read that follows.
 */
static bool group_allowed(struct i2c *s, const struct i2c_group *g)
{
	const struct i2c_segment *segs = s->job->segs + g->first;

	for (unsigned int i = 0; i < g->n; i++) {
		const struct i2c_segment *seg = &segs[i], *next = seg + 1;
		uint8_t access = s->setup.rules[i2c_addr_index(seg->addr)].access;
		unsigned int most = access == I2C_ACCESS_READ16 ? 2 : 1;

		if (seg->read || access == I2C_ACCESS_FULL)
			continue;
		if (seg->len > 0 && seg->len <= most && i + 1 < g->n && next->read && next->addr == seg->addr)
			continue;
		log_guest(&s->d.log, "address 0x%02x is read-only", seg->addr);
		return false;
	}
	return true;
}

/* Completes the group that is collected, whose rest may be missing (partial), and begins the next. */
static void group_end(struct i2c *s, bool partial)
{
	struct i2c_job *job = s->job;
	struct i2c_group *g = group_open(job);

	g->refused = g->refused || !group_allowed(s, g);
	g->partial = partial;
	s->failing = partial && g->refused;
	job->batch.n++;
	*group_open(job) = (struct i2c_group){.first = job->nsegs, .data = job->used};
}

/* Adds a request to the group that is collected. */
static void group_add(struct i2c *s, struct chain *c)
{
	struct i2c_job *job = s->job;
	struct i2c_group *g = group_open(job);
	struct i2c_segment *seg = &job->segs[job->nsegs];
	bool more, ok = request_read(s, g, c, seg, &more);

	g->refused |= !ok || s->failing;
	if (!g->refused) {
		seg->buf = job->data + job->used;
		job->used += seg->len;
		if (!seg->read)
			chain_get(c, seg->buf, seg->len);
	}
	job->chains[job->nsegs++] = c;
	g->n++;
	if (!more || g->n == I2C_SEGMENTS_MAX)
		group_end(s, more);
}

/* Gives the requests of a group back, to be made when the ring starts again. */
static void group_requeue(struct i2c_job *job, const struct i2c_group *g)
{
	for (unsigned int i = 0; i < g->n; i++)
		virtq_requeue(job->chains[g->first + i]);
}

/*
 * Says why a transfer failed.  That there is no target is no news: adapters report it in one of four ways (Linux,
 * Documentation/i2c/fault-codes.rst).
 */
static void log_failure(struct i2c *s, uint16_t addr, int err)
{
	if (err <= 0 || err == ENXIO || err == EREMOTEIO || err == ENODEV || err == EIO)
		log_debug(&s->d.log, "transfer with 0x%02x: not acknowledged", addr);
	else
		log_guest(&s->d.log, "transfer with 0x%02x: %s", addr, strerror(err));
}

/* Answers the requests of a group whose turn is over. */
static void group_answer(struct i2c *s, const struct i2c_group *g)
{
	struct i2c_job *job = s->job;
	const struct i2c_segment *segs = job->segs + g->first;
	unsigned int done = g->refused || g->result < 0 ? 0 : (unsigned int)g->result;

	if (!g->refused && done < g->n)
		log_failure(s, segs->addr, -g->result);
	if (!g->refused && job->ops->ended)
		job->ops->ended(job->host, g->bus, segs, g->n, g->result);
	for (unsigned int i = 0; i < g->n; i++) {
		struct chain *c = job->chains[g->first + i];

		if (i < done && segs[i].read)
			chain_put(c, segs[i].buf, segs[i].len);
		batch_push(c, i < done ? VIRTIO_I2C_MSG_OK : VIRTIO_I2C_MSG_ERR);
	}
	/* What follows one that was refused knows already: it is in this job, too (group_end). */
	s->failing |= g->partial && !g->refused && done < g->n;
}

/* ---- jobs */

/* Whether another request can be added: one of the group that is collected always can. */
static bool job_has_room(struct i2c_job *job)
{
	return group_open(job)->n || (job->nsegs + I2C_SEGMENTS_MAX <= JOB_SEGMENTS && job->used <= JOB_BYTES);
}

static struct i2c_job *to_job(const struct batch *b)
{
	return container_of(b, struct i2c_job, batch);
}

static bool job_blocks(const struct batch *b, unsigned int first)
{
	const struct i2c_job *job = to_job(b);

	while (first < b->n && job->groups[first].refused)
		first++;
	return first < b->n && !(job->ops->prompt && job->ops->prompt(job->host));
}

static void job_make(struct batch *b, unsigned int i)
{
	struct i2c_job *job = to_job(b);
	struct i2c_group *g = &job->groups[i];

	if (!g->refused)
		g->result = job->ops->transfer(job->host, g->bus, job->segs + g->first, g->n);
}

static void job_answer(struct batch *b, unsigned int i)
{
	group_answer(to_job(b)->i2c, &to_job(b)->groups[i]);
}

static void job_refuse(struct batch *b, unsigned int i)
{
	to_job(b)->groups[i].refused = true;
}

static void job_requeue(struct batch *b, unsigned int i)
{
	group_requeue(to_job(b), &to_job(b)->groups[i]);
}

/* Empties the job but for the group that is collected, which moves to the front. */
static unsigned int job_over(struct batch *b)
{
	struct i2c_job *job = to_job(b);
	struct i2c_group g = *group_open(job);

	memmove(job->chains, job->chains + g.first, g.n * sizeof(*job->chains));
	memmove(job->segs, job->segs + g.first, g.n * sizeof(*job->segs));
	memmove(job->data, job->data + g.data, job->used - g.data);
	for (unsigned int i = 0; i < g.n; i++)
		job->segs[i].buf -= g.data;
	job->nsegs = g.n;
	job->used -= g.data;
	g.first = 0;
	g.data = 0;
	job->groups[0] = g;
	if (g.n)
		ev_timer_again(job->i2c->d.loop, &job->i2c->patience);
	return 0;
}

static const struct batch_ops job_ops = {
	.blocks = job_blocks,
	.make = job_make,
	.answer = job_answer,
	.refuse = job_refuse,
	.requeue = job_requeue,
	.over = job_over,
};

/* Has what was collected made; a group that may go on is waited for.  more: as batch_start. */
static void job_start(struct i2c *s, bool more)
{
	struct i2c_job *job = s->job;
	const struct i2c_group *g = group_open(job);

	/* When the driver has no more room in the ring, the rest waits for this. */
	if (g->n && (g->refused || g->n == virtq_size(vdev_queue(&s->d, 0))))
		group_end(s, true);
	if (job->batch.n)
		ev_timer_stop(s->d.loop, &s->patience);
	else if (g->n)
		ev_timer_again(s->d.loop, &s->patience);
	batch_start(&job->batch, more);
}

/* The rest of a group has not come. */
static void patience_ends(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct i2c *s = container_of(w, struct i2c, patience);

	group_end(s, true);
	job_start(s, false);
}

/* ---- the device */

/* Collects what is in the ring, as far as a job goes. */
static void i2c_kick(struct vdev *d, unsigned int q)
{
	struct i2c *s = to_i2c(d);
	struct chain *c = NULL;

	if (batch_busy(&s->job->batch, true))
		return;
	while (job_has_room(s->job)) {
		bool begins = !group_open(s->job)->n && !s->failing;

		c = begins && !rate_gate_open(&s->gate) ? NULL : virtq_pop(vdev_queue(d, q));
		if (!c)
			break;
		if (begins)
			rate_gate_pass(&s->gate);
		group_add(s, c);
	}
	job_start(s, c != NULL);
}

/* What has not begun goes back; what is on the bus is answered when that is done (batch.h). */
static void i2c_quiesce(struct vdev *d, unsigned int q)
{
	struct i2c *s = to_i2c(d);
	struct i2c_group *g = group_open(s->job);

	ev_timer_stop(d->loop, &s->patience);
	rate_gate_stop(&s->gate);
	batch_quiesce(&s->job->batch);
	group_requeue(s->job, g);
	s->job->nsegs -= g->n;
	s->job->used = g->data;
	g->n = 0;
}

static void i2c_reset(struct vdev *d)
{
	to_i2c(d)->failing = false;
}

/* ---- a guest that moves */

/* An entry of the record "addresses": what the guest may use. */
struct i2c_address_state {
	le16 addr;
	uint8_t access, bus;
};

/* Writes those of this device, at most I2C_ADDR_INDICES.  Returns their length in bytes. */
static size_t addresses(const struct i2c *s, struct i2c_address_state *out)
{
	size_t n = 0;

	for (unsigned int i = 0; i < I2C_ADDR_INDICES; i++) {
		const struct i2c_rule *rule = &s->setup.rules[i];

		if (rule->access != I2C_ACCESS_NONE)
			out[n++] = (struct i2c_address_state){htole16(i2c_index_addr(i)), rule->access, rule->bus};
	}
	return n * sizeof(*out);
}

static void i2c_save(struct vdev *d, struct state *state)
{
	struct i2c *s = to_i2c(d);
	struct i2c_address_state addrs[I2C_ADDR_INDICES];
	const uint8_t failing = s->failing;

	state_put(state, "backend", s->ops->name, strlen(s->ops->name));
	state_put(state, "addresses", addrs, addresses(s, addrs));
	state_put(state, "failing", &failing, sizeof(failing));
	if (s->ops->save)
		s->ops->save(s->host, state);
}

/* A guest that finds other targets than it left would not know. */
static int load_addresses(struct i2c *s, const struct state_record *r)
{
	struct i2c_address_state addrs[I2C_ADDR_INDICES], other = {0};
	size_t len = addresses(s, addrs), i = 0;

	if (len == r->len && memcmp(addrs, r->bytes, len) == 0)
		return 0;
	while (i + sizeof(other) <= min_size(len, r->len) && memcmp((char *)addrs + i, (const char *)r->bytes + i, sizeof(other)) == 0)
		i += sizeof(other);
	if (i + sizeof(other) <= r->len)
		memcpy(&other, (const char *)r->bytes + i, sizeof(other));
	log_guest(&s->d.log, "the state is of another set-up: it has %zu addresses, here are %zu; the first that differs is 0x%02x "
		  "there, on bus %u, and 0x%02x here (the same --bus, --addr and --sim in the same order are wanted)",
		  r->len / sizeof(other), len / sizeof(other), le16toh(other.addr), other.bus,
		  i < len ? le16toh(addrs[i / sizeof(other)].addr) : 0);
	return -EINVAL;
}

static int i2c_load(struct vdev *d, const struct state_record *r)
{
	struct i2c *s = to_i2c(d);

	if (strcmp(r->name, "addresses") == 0)
		return load_addresses(s, r);
	if (strcmp(r->name, "backend") == 0) {
		if (r->len == strlen(s->ops->name) && memcmp(r->bytes, s->ops->name, r->len) == 0)
			return 0;
		log_guest(&d->log, "the state is of --backend=%.*s, and here is --backend=%s", (int)min_size(r->len, 16),
			  (const char *)r->bytes, s->ops->name);
		return -EINVAL;
	}
	if (strcmp(r->name, "failing") == 0) {
		const uint8_t *failing = r->bytes;

		if (r->len != 1 || *failing > 1)
			return -EINVAL;
		s->failing = *failing;
		return 0;
	}
	return s->ops->load ? s->ops->load(s->host, r, &d->log) : -EINVAL;
}

/* The host side that is asked for: the simulator where there is something to simulate. */
static const struct i2c_host_ops *host_ops(const struct i2c *s)
{
	if (s->backend == BACKEND_AUTO)
		return s->setup.ntargets ? &i2c_sim_ops : &i2c_dev_ops;
	return s->backend == BACKEND_SIM ? &i2c_sim_ops : &i2c_dev_ops;
}

static int i2c_check(struct vdev *d)
{
	const struct i2c *s = to_i2c(d);
	const struct i2c_setup *setup = &s->setup;
	bool ruled[I2C_BUSES_MAX];

	if (host_ops(s) == &i2c_sim_ops)
		return 0;
	if (setup->ntargets || setup->sim_delay) {
		log_usage(&d->log, "--sim and --sim-delay go with --backend=sim");
		return -EINVAL;
	}
	if (!host_ops(s)->open) {
		log_usage(&d->log, "this build is without libi2c and can only simulate: --backend=sim is wanted");
		return -EINVAL;
	}
	if (!setup->nbuses) {
		log_usage(&d->log, "no bus (--bus=/dev/i2c-1 --addr=0x20 is wanted, or --backend=sim)");
		return -EINVAL;
	}
	i2c_setup_ruled(setup, ruled);
	for (unsigned int i = 0; i < setup->nbuses; i++) {
		if (ruled[i])
			continue;
		log_usage(&d->log, "--bus=%s: which addresses may the guest use? (--addr=0x20,0x48-0x4f after it; "
			  "--addr=0x08-0x77 for all that are not reserved)", setup->buses[i]);
		return -EINVAL;
	}
	return 0;
}

static void i2c_needs(const struct vdev *d, struct sandbox *s)
{
	const struct i2c *i = container_of(d, struct i2c, d);

	sandbox_calls(s, work_calls);
	if (host_ops(i)->needs)
		host_ops(i)->needs(&i->setup, s);
}

static int i2c_open(struct vdev *d)
{
	struct i2c *s = to_i2c(d);
	int err;

	ev_init(&s->patience, patience_ends);
	s->patience.repeat = GROUP_PATIENCE;
	rate_gate_init(&s->gate, d, 0);
	s->ops = host_ops(s);
	s->setup.control = d->control;
	err = s->ops->open(&s->setup, &d->log, d->loop, &s->host);
	if (err)
		return err;
	s->job = malloc(sizeof(*s->job)); /* pages that no transfer needs are never touched */
	if (s->job) {
		memset(s->job, 0, offsetof(struct i2c_job, groups));
		s->job->groups[0] = (struct i2c_group){0};
	}
	if (!s->job || batch_open(&s->job->batch, &job_ops, d, 0) < 0) {
		log_error(&d->log, "out of memory");
		return -ENOMEM;
	}
	s->job->i2c = s;
	s->job->ops = s->ops;
	s->job->host = s->host;
	return 0;
}

static void i2c_close(struct vdev *d)
{
	struct i2c *s = to_i2c(d);
	bool idle;

	ev_timer_stop(d->loop, &s->patience);
	rate_gate_stop(&s->gate);
	idle = !s->job || batch_close(&s->job->batch);
	if (s->host)
		s->ops->close(s->host, !idle);
	if (idle)
		free(s->job);
}

/* ---- options */

static int set_bus(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return i2c_setup_bus(&((struct i2c *)obj)->setup, value, why, why_size);
}

static int set_addr(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return i2c_setup_addr(&((struct i2c *)obj)->setup, value, why, why_size);
}

static int set_sim(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct i2c_setup *setup = &((struct i2c *)obj)->setup;

	return i2c_sim_add(setup, i2c_setup_last_bus(setup), value, why, why_size);
}

static int set_device_list(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return i2c_setup_device_list(&((struct i2c *)obj)->setup, value, why, why_size);
}

static int set_rate(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return rate_gate_set(&((struct i2c *)obj)->gate, value, why, why_size);
}

static const struct vdev_queue_desc i2c_queues[] = {
	{.name = "requestq", .size = 64, .max = 1024},
};

static const struct vdev_feature i2c_feature_names[] = {
	{VIRTIO_I2C_F_ZERO_LENGTH_REQUEST, "zero_length_request"},
	{0},
};

static const char *const backend_words[] = {
	[BACKEND_AUTO] = "auto",
	[BACKEND_I2C_DEV] = "i2c-dev",
	[BACKEND_SIM] = "sim",
	NULL,
};

static const struct opt i2c_opts[] = {
	{
		.name = "bus",
		.type = OPT_CALL,
		.arg = "BUS",
		.help = "adapter: /dev/i2c-1, i2c-1, 1, or its name",
		.man = MAN(
			"An I2C adapter of the host: its device node, its number, or i2c-N or the name that i2cdetect "
			"-l shows "
			"(/sys/bus/i2c/devices/i2c-*/name).  Several can be given, each followed by its --addr.  With "
			"--backend=sim it begins another simulated bus."),
		.set = set_bus,
	},
	{
		.name = "addr",
		.type = OPT_CALL,
		.arg = "LIST",
		.help = "addresses on it: 0x20,0x48-0x4f:ro",
		.man = MAN(
			"The addresses on the last --bus that the guest may use; repeatable.  " POLICY_SET_MAN
			"  Here all are those of 7 bits.  All others are answered with an error, and the bus does not "
			"see them.  The guest sees one bus, so an address can be given once.  A 10-bit address is "
			"written with 0xa000 added, as in /sys/bus/i2c/devices.\n"
			"\n"
			"With :ro after it, an address or range can only be read: the one thing that is written is the "
			"byte of "
			"the register's address, directly before a read in the same transfer.  With :ro16, two bytes, "
			"as a larger "
			"EEPROM takes; do not use this for a chip with registers of one-byte addresses, where it would "
			"be a write."),
		.set = set_addr,
	},
	{
		.name = "rate",
		.type = OPT_CALL,
		.arg = "RATE",
		.help = "how many transfers the guest may make: 100/s",
		.man = MAN("How many transfers the guest may make; those beyond wait.  " POLICY_RATE_MAN
			   "  Without the option there is no limit."),
		.set = set_rate,
	},
	{
		.name = "timeout-ms",
		.type = OPT_UINT,
		.off = offsetof(struct i2c, setup.timeout),
		.arg = "MS",
		.min = 10,
		.max = 60000,
		.help = "how long an adapter waits for its bus",
		.man = MAN("How long the adapters wait for their bus, in milliseconds, from 10 to 60000; the kernel "
			   "rounds to 10.  The "
			   "default is the adapter's own, mostly 1000.  The setting is the adapter's: it holds for all "
			   "its users."),
	},
	{
		.name = "retries",
		.type = OPT_UINT,
		.off = offsetof(struct i2c, setup.retries),
		.arg = "N",
		.min = 1,
		.max = 100,
		.help = "new attempts after a lost arbitration",
		.man = MAN("How often the adapters try again after another master has won the bus, from 1 to 100.  The "
			   "default is "
			   "the adapter's own.  The setting is the adapter's: it holds for all its users."),
	},
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct i2c, backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "auto",
		.help = "i2c-dev, or sim: simulated targets",
		.man = MAN("i2c-dev: adapters of the host.  sim: simulated buses.  auto: sim when there is a --sim, "
			   "otherwise i2c-dev."),
	},
	{
		.name = "sim",
		.type = OPT_CALL,
		.arg = "KIND@ADDR[:X]",
		.help = "lm75@0x48:21.5, eeprom@0x50:256, regs@0x20:64",
		.man = MAN("A simulated target; repeatable.\n"
			   "\n"
			   "lm75@ADDR[:DEGREES] is a thermometer like the LM75B.  eeprom@ADDR[:BYTES] is an EEPROM of "
			   "128 or 256 bytes "
			   "(24C01, 24C02; the default is 256) or of 4096 to 65536 (24C32 to 24C512, which take an "
			   "address of two bytes).  "
			   "regs@ADDR[:N] is a file of N registers of a byte, 256 by default, with an address that "
			   "counts up.\n"
			   "\n"
			   "The guest may use all targets of a bus for which there is no --addr.  Without any --sim "
			   "there are "
			   "lm75@0x48:21.5, eeprom@0x50:256 and regs@0x20:64."),
		.set = set_sim,
	},
	{
		.name = "sim-delay",
		.type = OPT_UINT,
		.off = offsetof(struct i2c, setup.sim_delay),
		.arg = "MS",
		.max = 60000,
		.help = "how long a simulated transfer takes (0)",
	},
	{
		.name = "device-list",
		.type = OPT_CALL,
		.arg = "LIST",
		.help = "--bus and --addr in one: 1:0x20:0x21,2:0x48",
		.man = MAN("Buses and addresses as vhost-device-i2c takes them: BUS:ADDR[:ADDR...], several parted by "
			   "commas."),
		.set = set_device_list,
		.compat = "l,device-list",
	},
	{0},
};

/*
 * VIRTIO 1.4, section 5.16.6; address, padding, flags.  A read of a byte at address 0x7c, which is reserved, so that no chip
 * does anything; and one that reaches a bus, as i2cdetect -r makes it.
 */
static const uint8_t sample_reserved[8] = {0x7c << 1, [4] = 2};
static const uint8_t sample_read[8] = {0x08 << 1, [4] = 2};

static const char *sample_check(const uint8_t *in, uint32_t used)
{
	if (used != 2)
		return "not the byte and the status";
	return in[1] <= 1 ? NULL : "a status that there is not";
}

static const char *sample_read_check(const uint8_t *in, uint32_t used)
{
	const char *wrong = sample_check(in, used);

	return wrong || in[1] == 0 ? wrong : "no chip has answered";
}

#define SAMPLE(bytes) .features = BIT(0), .out = (bytes), .out_len = sizeof(bytes), .in_len = 2

static const struct vdev_sample i2c_samples[] = {
	{.what = "read of a reserved address", SAMPLE(sample_reserved), .check = sample_check},
	{
		.what = "read of a byte",
		SAMPLE(sample_read),
		.check = sample_read_check,
		.vary = {.at = 0, .first = 0x08 << 1, .last = 0x77 << 1, .step = 2}, /* the first chip that answers */
	},
	{0},
};

static const struct vdev_compat i2c_compat = {
	.suffix = true,
	.count = true,
};

static const char *const i2c_examples[] = {
	"vdevd i2c --socket-path=/run/i2c.sock --bus=1 --addr=0x20,0x48-0x4f:ro",
	"vdevd i2c --socket-path=/run/i2c.sock --bus=/dev/i2c-1 --addr=0x20 --bus=\"SMBus I801 adapter at efa0\" --addr=0x50:ro",
	"vhost-device-i2c -s /run/i2c.sock -c 1 -l 1:32:33",
	"",
	"# a guest under QEMU reads a thermometer; somebody warms it",
	"vdevd i2c --socket-path=/run/i2c.sock --sim=lm75@0x48:21.5 --control=/run/i2c.ctl &",
	"qemu-system-x86_64 -m 512M -M q35,memory-backend=mem -object memory-backend-memfd,id=mem,size=512M,share=on \\",
	"    -chardev socket,id=i2c,path=/run/i2c.sock -device vhost-user-i2c-pci,chardev=i2c ...",
	"guest# i2ctransfer -y 0 w1@0x48 0 r2",
	"0x15 0x80",
	"vdevd ctl /run/i2c.ctl set 0x48 25.5",
	"guest# i2ctransfer -y 0 w1@0x48 0 r2",
	"0x19 0x80",
	NULL,
};

const struct vdev_class vdev_i2c_class = {
	.name = "i2c",
	.summary = "I2C adapter",
	.about = MAN(
		"Gives a guest chosen addresses on I2C buses of the host, as one I2C bus.\n"
		"\n"
		"Requests that a driver groups (VIRTIO_I2C_FLAGS_FAIL_NEXT) are made as one transfer, with a repeated "
		"START "
		"between its segments; requests that it does not group are never put together.  A transfer goes to "
		"one adapter, "
		"and has at most 42 segments of at most 8192 bytes, which is what Linux takes; where a group asks for "
		"something else, or one of its requests is malformed or for a foreign address, nothing of it is made "
		"and "
		"all of it is answered with an error.  When the rest of a group has not come after 20 ms, or the ring "
		"has no "
		"room for it, what is there is made as a transfer of its own.\n"
		"\n"
		"Where an adapter knows SMBus commands only, a transfer is made as the command that puts the same "
		"bytes on the bus: quick, byte, byte and word data, block, I2C block, process call; and otherwise "
		"answered with "
		"an error.\n"
		"\n"
		"An address that a driver of the host uses is served all the same, and reported when the device "
		"starts.  The "
		"adapters are held while the device runs: one that is unplugged is answered for with errors until the "
		"device is started again.\n"
		"\n"
		"Commands on the socket of --control play with simulated targets: \"set 0x48 25.5\" sets a "
		"temperature, \"dump 0x50\" "
		"shows the bytes of an EEPROM, watch shows each transfer, \"fail 0x50 3\" lets the next three "
		"transfers go "
		"unacknowledged.\n"
		"\n"
		"When a vdevd that was killed is replaced under a guest that goes on (INFLIGHT_SHMFD), a transfer "
		"that was under "
		"way is made again: a write may reach its target twice.\n"
		"\n"
		"A guest can move to another host (live migration) where the same addresses are given in the same "
		"way, --bus by --bus; "
		"to others its state is not loaded.  Transfers that are under way end before it goes.  Chips stay "
		"where they are: that "
		"those of the other host know the same is the operator's to see to.  Simulated ones go along, with "
		"the bytes that "
		"they hold."),
	.virtio_id = 34,
	.face.features = BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST),
	.feature_names = i2c_feature_names,
	.face.queues = i2c_queues,
	.face.nqueues = ARRAY_SIZE(i2c_queues),
	.opts = i2c_opts,
	.inst_size = sizeof(struct i2c),
	.samples = i2c_samples,
	.compat = &i2c_compat,
	.examples = MAN(i2c_examples),
	.check = i2c_check,
	.open = i2c_open,
	.needs = i2c_needs,
	.kick = i2c_kick,
	.quiesce = i2c_quiesce,
	.reset = i2c_reset,
	.save = i2c_save,
	.load = i2c_load,
	.close = i2c_close,
};
