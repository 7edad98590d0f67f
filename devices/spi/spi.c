/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spi.c - SPI controller device: VIRTIO 1.4, section "SPI Controller Device".
 *
 * Theory of operation.  A request is one transfer, and each is made for itself: it is checked, its bytes are copied,
 * and a worker thread makes it.  What a turn finds in the ring is one batch (batch.h); its chains wait on this side.  A host
 * side that cannot block has it made on the loop.
 *
 * Requests belong together by chip select alone: whether it stays asserted behind a transfer is spi_cs.h's.  Where
 * the driver is Linux', its hold time ends a message: a timer, which runs while no batch does, has chip select released.
 *
 * A request that is refused (PARAM_ERR) does not reach the bus, and chip select stays as it is.  Where the bus fails
 * (TRANS_ERR), chip select is released.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/policy.h"
#include "devices/lib/batch.h"
#include "devices/lib/rate_gate.h"
#include "devices/spi/spi_cs.h"
#include "devices/spi/spi_host.h"
#include "transport/chain.h"

#define VIRTIO_SPI_TRANS_OK  0
#define VIRTIO_SPI_PARAM_ERR 1
#define VIRTIO_SPI_TRANS_ERR 2

struct virtio_spi_config {
	uint8_t cs_max_number;
	uint8_t cs_change_supported;
	uint8_t tx_nbits_supported;
	uint8_t rx_nbits_supported;
	le32 bits_per_word_mask;
	le32 mode_func_supported;
	le32 max_freq_hz;
	le32 max_word_delay_ns;
	le32 max_cs_setup_ns;
	le32 max_cs_hold_ns;
	le32 max_cs_inactive_ns;
} __attribute__((packed));

_Static_assert(sizeof(struct virtio_spi_config) == 32, "VIRTIO 1.4: 32 bytes");

struct virtio_spi_transfer_head {
	uint8_t chip_select_id;
	uint8_t bits_per_word;
	uint8_t cs_change;
	uint8_t tx_nbits;
	uint8_t rx_nbits;
	uint8_t reserved[3];
	le32 mode;
	le32 freq;
	le32 word_delay_ns;
	le32 cs_setup_ns;
	le32 cs_delay_hold_ns;
	le32 cs_change_delay_inactive_ns;
} __attribute__((packed));

_Static_assert(sizeof(struct virtio_spi_transfer_head) == 32, "VIRTIO 1.4: 32 bytes");

#define MODE_KNOWN (SPI_MODE_CPHA | SPI_MODE_CPOL | SPI_MODE_CS_HIGH | SPI_MODE_LSB_FIRST | SPI_MODE_LOOP)
#define MODE_FLAGS (SPI_MODE_CS_HIGH | SPI_MODE_LSB_FIRST | SPI_MODE_LOOP)

/* The words of --backend. */
enum {
	BACKEND_AUTO,
	BACKEND_SPIDEV,
	BACKEND_SIM,
};

/* Transfers of a job, and bytes of data at which no further one is added: the longest has room behind them. */
#define JOB_ITEMS     64
#define JOB_BYTES     65536
#define JOB_DATA_SIZE (JOB_BYTES + SPI_LENGTH_MAX)

struct spi_item {
	struct chain *chain; /* NULL: it is no transfer, but has chip select released */
	struct spi_transfer t;
	bool refused; /* it is not made */
	const struct spi_chip *chip;
	int result; /* 0 or -errno */
};

/*
 * Transfers: all that the worker thread touches, apart, so that it can be left behind when it hangs; with the chains,
 * which it does not touch.
 */
struct spi_job {
	struct batch batch;
	struct spi *spi;
	const struct spi_host_ops *ops;
	void *host;
	struct spi_cs cs; /* the worker's while it runs, otherwise the loop's */
	size_t used;	  /* bytes of data */
	struct spi_item items[JOB_ITEMS];
	uint8_t data[JOB_DATA_SIZE];
};

struct spi {
	struct vdev d;
	/* options */
	struct spi_setup setup;
	unsigned int backend;
	unsigned int rule;     /* --cs-change: enum spi_cs_rule */
	uint64_t hold_us;      /* --cs-hold-us */
	struct rate_gate gate; /* --rate: of transfers */
	/* host */
	const struct spi_host_ops *ops;
	struct spi_caps caps;
	struct spi_job *job;
	void *host;
	bool drop; /* chip select is to be released when the job is done */
	struct ev_timer hold;
	uint64_t held_since; /* ns, while chip select is held and no job runs */
	bool cut;            /* the hold time ended the last message */
};

static struct spi *to_spi(struct vdev *d)
{
	return container_of(d, struct spi, d);
}

/* ---- requests */

/* Looks at a number of wires.  Returns whether the device has them. */
static bool nbits_read(uint8_t field, uint8_t supported, uint8_t *nbits)
{
	*nbits = field ? field : 1;
	return *nbits == 1 || ((field == 2 || field == 4 || field == 8) && (supported & (field >> 1)));
}

/* What is wrong with the parts of a request, or NULL: the direction and the length of its buffers. */
static const char *buffers_check(const struct spi_chip *chip, const struct chain *c, struct spi_transfer *t)
{
	size_t out = chain_readable(c), in = chain_writable(c) - 1, len = out ? out : in;

	t->tx = out > 0;
	t->rx = in > 0;
	if (!len)
		return "no buffer";
	if (t->tx && t->rx && out != in)
		return "tx_buf and rx_buf are not of one length";
	if (len > chip->length)
		return "a transfer is too long for its chip";
	if (len % spi_word_bytes(t->bits))
		return "a length that is no number of words";
	t->len = (uint32_t)len;
	return NULL;
}

/* What is wrong with a request's mode, speed or word size for its chip, or NULL. */
static const char *clock_check(const struct spi_chip *chip, const struct spi_transfer *t)
{
	if (t->bits > 32 || !(chip->words & 1u << (t->bits - 1)))
		return "a word size that its chip does not have";
	if (t->mode & ~(uint32_t)MODE_KNOWN)
		return "reserved bits of mode are set";
	if (!(chip->modes & 1u << (t->mode & 3)))
		return "a clock mode that its chip does not have";
	if (t->mode & MODE_FLAGS & ~chip->flags)
		return "CS_HIGH, LSB_FIRST or LOOP, which its chip does not have";
	if (chip->speed && t->freq > chip->speed)
		return "faster than its chip may be";
	return NULL;
}

/* What is wrong with a request's delays, or NULL. */
static const char *delays_check(const struct spi_caps *caps, const struct spi_transfer *t)
{
	return t->word_delay_ns > caps->max_word_delay_ns || t->setup_ns > caps->max_setup_ns ||
			       t->hold_ns > caps->max_hold_ns || t->inactive_ns > caps->max_inactive_ns
		       ? "a delay beyond those of the configuration space"
		       : NULL;
}

/* What is wrong with a request whose header is h, or NULL; fills in the transfer but for its buffer. */
static const char *request_check(const struct spi *s, const struct chain *c, const struct virtio_spi_transfer_head *h,
				 struct spi_transfer *t)
{
	const struct spi_chip *chip = &s->setup.chips[min_size(h->chip_select_id, SPI_CHIPS_MAX - 1)];
	const char *wrong;

	*t = (struct spi_transfer){
		.cs = h->chip_select_id,
		.bits = h->bits_per_word ? h->bits_per_word : 8,
		.cs_change = h->cs_change,
		.mode = le32toh(h->mode),
		.freq = le32toh(h->freq),
		.word_delay_ns = le32toh(h->word_delay_ns),
		.setup_ns = le32toh(h->cs_setup_ns),
		.hold_ns = le32toh(h->cs_delay_hold_ns),
		.inactive_ns = le32toh(h->cs_change_delay_inactive_ns),
	};
	if (h->chip_select_id >= s->setup.nchips || !chip->what[0])
		return "a chip select without a chip";
	if (h->cs_change > 1)
		return "cs_change is neither 0 nor 1";
	if (h->reserved[0] | h->reserved[1] | h->reserved[2])
		return "reserved bytes are set";
	if (!nbits_read(h->tx_nbits, s->caps.nbits_tx, &t->tx_nbits) ||
	    !nbits_read(h->rx_nbits, s->caps.nbits_rx, &t->rx_nbits))
		return "a number of wires that the device does not have";
	wrong = clock_check(chip, t);
	if (!wrong)
		wrong = delays_check(&s->caps, t);
	return wrong ? wrong : buffers_check(chip, c, t);
}

/* Adds a request to the job: reads it, and copies what is sent. */
static void job_add(struct spi *s, struct chain *c)
{
	struct spi_job *job = s->job;
	struct spi_item *it = &job->items[job->batch.n++];
	struct virtio_spi_transfer_head h;
	const char *wrong = NULL;

	it->chain = c;
	it->refused = true;
	if (!chain_writable(c))
		wrong = "no room for a result";
	else if (!chain_get(c, &h, sizeof(h)))
		wrong = "its readable part is no header";
	else
		wrong = request_check(s, c, &h, &it->t);
	if (wrong) {
		log_guest(&s->d.log, "refused request: %s", wrong);
		return;
	}
	it->refused = false;
	it->chip = &s->setup.chips[it->t.cs];
	it->t.buf = job->data + job->used;
	job->used += it->t.len;
	if (it->t.tx)
		chain_get(c, it->t.buf, it->t.len);
	else
		memset(it->t.buf, 0, it->t.len);
}

/* Answers a transfer whose turn is over. */
static void item_answer(struct spi *s, struct spi_item *it)
{
	uint8_t result = VIRTIO_SPI_TRANS_OK;

	if (it->refused) {
		result = VIRTIO_SPI_PARAM_ERR;
	} else {
		if (it->result < 0) {
			result = it->result == -EINVAL ? VIRTIO_SPI_PARAM_ERR : VIRTIO_SPI_TRANS_ERR;
			log_guest(&s->d.log, "transfer with chip select %u: %s", it->t.cs, strerror(-it->result));
		} else if (it->t.rx) {
			chain_put(it->chain, it->t.buf, it->t.len);
		}
		if (s->ops->ended)
			s->ops->ended(s->host, &it->t, it->result);
	}
	batch_push(it->chain, result);
}

/* ---- jobs */

static void cs_release(struct spi_job *job)
{
	if (job->cs.held)
		job->ops->release(job->host, job->cs.cs);
	spi_cs_drop(&job->cs);
}

/* Makes one transfer, with chip select as it has to be. */
static void item_make(struct spi_job *job, struct spi_item *it)
{
	bool held = job->cs.held;
	uint8_t cs = job->cs.cs;

	spi_cs_next(&job->cs, &it->t, it->chip);
	if (held && it->t.begin)
		job->ops->release(job->host, cs);
	it->result = job->ops->transfer(job->host, &it->t);
	if (it->result < 0) {
		job->cs.held = true;
		cs_release(job);
	}
}

static struct spi_job *to_job(const struct batch *b)
{
	return container_of(b, struct spi_job, batch);
}

/* Whether a transfer waits for its chip, and not only for the bus. */
static bool has_delays(const struct spi_transfer *t)
{
	return t->word_delay_ns | t->setup_ns | t->hold_ns | t->inactive_ns;
}

static bool job_blocks(const struct batch *b, unsigned int first)
{
	const struct spi_job *job = to_job(b);
	const bool prompt = job->ops->prompt && job->ops->prompt(job->host);

	for (; first < b->n; first++) {
		const struct spi_item *it = &job->items[first];

		if (!it->refused && (!prompt || (it->chain && has_delays(&it->t))))
			return true;
	}
	return false;
}

static void job_make(struct batch *b, unsigned int i)
{
	struct spi_job *job = to_job(b);
	struct spi_item *it = &job->items[i];

	if (it->refused)
		return;
	if (it->chain)
		item_make(job, it);
	else
		cs_release(job);
}

static void job_answer(struct batch *b, unsigned int i)
{
	if (to_job(b)->items[i].chain)
		item_answer(to_job(b)->spi, &to_job(b)->items[i]);
}

/* Where chip select is not released it stays held: the next transfer that is made begins with that. */
static void job_refuse(struct batch *b, unsigned int i)
{
	to_job(b)->items[i].refused = true;
}

static void job_requeue(struct batch *b, unsigned int i)
{
	const struct spi_item *it = &to_job(b)->items[i];

	if (it->chain)
		virtq_requeue(it->chain);
	else
		to_job(b)->spi->drop = true;
}

/* As the first of a job: chip select is released. */
static unsigned int job_release(struct spi_job *job)
{
	job->items[0] = (struct spi_item){0};
	return 1;
}

/* The job is over: the hold time of what chip select holds begins, or ends what a reset has left. */
static unsigned int job_over(struct batch *b)
{
	struct spi_job *job = to_job(b);
	struct spi *s = job->spi;
	const bool drop = s->drop && job->cs.held;

	job->used = 0;
	s->drop = false;
	if (drop)
		return job_release(job);
	if (job->cs.held && s->rule == SPI_CS_LINUX) {
		s->held_since = clock_now(CLOCK_MONOTONIC);
		ev_timer_again(s->d.loop, &s->hold);
	}
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

/* The hold time is over, or the guest has gone: chip select is released. */
static void hold_ends(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct spi *s = container_of(w, struct spi, hold);

	ev_timer_stop(loop, w);
	s->cut = s->job->cs.held;
	if (!s->cut)
		return;
	s->job->batch.n = job_release(s->job);
	batch_start(&s->job->batch, false);
}

/* Whether the hold time is over, and a loop that was busy has not come to it. */
static bool hold_is_over(const struct spi *s)
{
	return s->job->cs.held && s->rule == SPI_CS_LINUX && clock_now(CLOCK_MONOTONIC) - s->held_since >= s->hold_us * 1000;
}

/* ---- the device */

/* Linux' reads go on with what is before them: one that comes too late reads something else, and nobody would know. */
static void tell_cut(struct spi *s)
{
	const struct spi_job *job = s->job;
	const unsigned int i = job->items[0].chain ? 0 : 1;

	if (i == job->batch.n)
		return;
	if (s->cut && !job->items[i].refused && !job->items[i].t.tx)
		log_guest(&s->d.log, "a read came when chip select had been released: the guest needs more than --cs-hold-us=%ju",
			  (uintmax_t)s->hold_us);
	s->cut = false;
}

static bool job_has_room(const struct spi_job *job)
{
	return job->batch.n < JOB_ITEMS && job->used <= JOB_BYTES;
}

static void spi_kick(struct vdev *d, unsigned int q)
{
	struct spi *s = to_spi(d);
	struct spi_job *job = s->job;
	struct chain *c = NULL;

	if (batch_busy(&job->batch, true))
		return;
	if (hold_is_over(s)) {
		job->batch.n = job_release(job);
		s->cut = true;
	}
	while (job_has_room(job)) {
		c = rate_gate_open(&s->gate) ? virtq_pop(vdev_queue(d, q)) : NULL;
		if (!c)
			break;
		rate_gate_pass(&s->gate);
		job_add(s, c);
	}
	if (!job->batch.n)
		return;
	tell_cut(s);
	ev_timer_stop(d->loop, &s->hold);
	batch_start(&job->batch, c != NULL);
}

/* What is on the bus is answered when that is done (batch.h); what has not begun goes back. */
static void spi_quiesce(struct vdev *d, unsigned int q)
{
	struct spi *s = to_spi(d);

	rate_gate_stop(&s->gate);
	batch_quiesce(&s->job->batch);
}

/* The guest's message is over, whatever it was. */
static void spi_reset(struct vdev *d)
{
	struct spi *s = to_spi(d);

	s->drop = batch_busy(&s->job->batch, false);
	if (!s->drop)
		hold_ends(d->loop, &s->hold, 0);
}

/* mode_func_supported: bits 0-1 CPHA, bits 2-3 CPOL, then the flags; of all chips together. */
static uint32_t mode_functions(const struct spi_chip *chip)
{
	uint32_t f = 0;

	for (unsigned int mode = 0; mode < 4; mode++) {
		if (chip->modes & 1u << mode)
			f |= 1u << (mode & SPI_MODE_CPHA ? 1 : 0) | 1u << (mode & SPI_MODE_CPOL ? 3 : 2);
	}
	/* CS_HIGH is bit 2 of a request's mode, and bit 4 here; the others follow it. */
	return f | (chip->flags & MODE_FLAGS) << 2;
}

static void spi_config(struct vdev *d, void *buf)
{
	const struct spi *s = to_spi(d);
	uint32_t words = 0, functions = 0, speed = 0;
	bool limited = true;
	struct virtio_spi_config c = {
		.cs_max_number = (uint8_t)s->setup.nchips,
		.cs_change_supported = 1,
		.tx_nbits_supported = s->caps.nbits_tx,
		.rx_nbits_supported = s->caps.nbits_rx,
		.max_word_delay_ns = htole32(s->caps.max_word_delay_ns),
		.max_cs_setup_ns = htole32(s->caps.max_setup_ns),
		.max_cs_hold_ns = htole32(s->caps.max_hold_ns),
		.max_cs_inactive_ns = htole32(s->caps.max_inactive_ns),
	};

	for (unsigned int i = 0; i < s->setup.nchips; i++) {
		const struct spi_chip *chip = &s->setup.chips[i];

		if (!chip->what[0])
			continue;
		words |= chip->words;
		functions |= mode_functions(chip);
		limited &= chip->speed != 0;
		speed = chip->speed > speed ? chip->speed : speed;
	}
	c.bits_per_word_mask = htole32(words);
	c.mode_func_supported = htole32(functions);
	c.max_freq_hz = htole32(limited ? speed : 0);
	memcpy(buf, &c, sizeof(c));
}

/* ---- a guest that moves */

/* The record "chips": what is at each chip select, and what the guest may do with it. */
struct spi_chip_state {
	uint8_t there, modes, flags, messages;
	le32 words, speed, length;
} __attribute__((packed));

static size_t chips_state(const struct spi *s, struct spi_chip_state *out)
{
	for (unsigned int i = 0; i < s->setup.nchips; i++) {
		const struct spi_chip *chip = &s->setup.chips[i];

		out[i] = (struct spi_chip_state){
			.there = chip->what[0] != '\0',
			.modes = (uint8_t)chip->modes,
			.flags = (uint8_t)chip->flags,
			.messages = (uint8_t)(chip->flash | chip->gather << 1),
			.words = htole32(chip->words),
			.speed = htole32(chip->speed),
			.length = htole32(chip->length),
		};
	}
	return s->setup.nchips * sizeof(*out);
}

static void spi_save(struct vdev *d, struct state *state)
{
	struct spi *s = to_spi(d);
	struct spi_chip_state chips[SPI_CHIPS_MAX];

	state_put(state, "backend", s->ops->name, strlen(s->ops->name));
	state_put(state, "chips", chips, chips_state(s, chips));
	if (s->ops->save)
		s->ops->save(s->host, state);
}

static int spi_load(struct vdev *d, const struct state_record *r)
{
	struct spi *s = to_spi(d);
	struct spi_chip_state chips[SPI_CHIPS_MAX];

	if (strcmp(r->name, "chips") == 0) {
		if (r->len == chips_state(s, chips) && memcmp(r->bytes, chips, r->len) == 0)
			return 0;
		log_guest(&d->log,
			  "the state is of another set-up: chips at %zu chip selects there, at %u here (the same "
			  "--device or --sim with the same limits are wanted)",
			  r->len / sizeof(*chips), s->setup.nchips);
		return -EINVAL;
	}
	if (strcmp(r->name, "backend") == 0) {
		if (r->len == strlen(s->ops->name) && memcmp(r->bytes, s->ops->name, r->len) == 0)
			return 0;
		log_guest(&d->log, "the state is of --backend=%.*s, and here is --backend=%s",
			  (int)min_size(r->len, 16), (const char *)r->bytes, s->ops->name);
		return -EINVAL;
	}
	return s->ops->load ? s->ops->load(s->host, r, &d->log) : -EINVAL;
}

/* ---- open, close */

/* The host side that is asked for: the simulator where there is something to simulate. */
static const struct spi_host_ops *host_ops(const struct spi *s)
{
	if (s->backend == BACKEND_AUTO)
		return s->setup.nsims ? &spi_sim_ops : &spi_dev_ops;
	return s->backend == BACKEND_SIM ? &spi_sim_ops : &spi_dev_ops;
}

/* What there is to play with when nobody said. */
static int add_defaults(struct spi_setup *setup)
{
	static const char *const chips[] = {"loopback", "flash", "regs", "adc"};
	char why[160];
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(chips) && !err; i++)
		err = spi_setup_add(setup, true, chips[i], why, sizeof(why));
	return err;
}

static int spi_check(struct vdev *d)
{
	struct spi *s = to_spi(d);
	struct spi_setup *setup = &s->setup;
	unsigned int n = 0;

	for (unsigned int i = 0; i < setup->nchips; i++)
		n += setup->chips[i].what[0] != '\0';
	if (setup->nsims && (setup->nsims < n || host_ops(s) != &spi_sim_ops)) {
		log_usage(&d->log, "--sim goes without --device, and with --backend=sim");
		return -EINVAL;
	}
	if (host_ops(s) == &spi_sim_ops) {
		if (n > setup->nsims) {
			log_usage(&d->log, "--device goes with --backend=spidev; --backend=sim wants --sim");
			return -EINVAL;
		}
		return n ? 0 : add_defaults(setup);
	}
	if (setup->sim_delay) {
		log_usage(&d->log, "--sim-delay goes with --backend=sim");
		return -EINVAL;
	}
	if (!n) {
		log_usage(&d->log, "no chip (--device=/dev/spidev0.0 is wanted, or --backend=sim)");
		return -EINVAL;
	}
	return 0;
}

static void spi_needs(const struct vdev *d, struct sandbox *s)
{
	const struct spi *spi = container_of(d, struct spi, d);

	sandbox_calls(s, work_calls);
	host_ops(spi)->needs(&spi->setup, s);
}

static int spi_open(struct vdev *d)
{
	struct spi *s = to_spi(d);
	int err;

	ev_init(&s->hold, hold_ends);
	s->hold.repeat = (double)s->hold_us / 1e6;
	rate_gate_init(&s->gate, d, 0);
	s->ops = host_ops(s);
	s->setup.control = d->control;
	err = s->ops->open(&s->setup, &s->caps, &d->log, &s->host);
	if (err)
		return err;
	s->job = malloc(sizeof(*s->job)); /* pages that no transfer needs are never touched */
	if (s->job)
		memset(s->job, 0, offsetof(struct spi_job, data));
	if (!s->job || batch_open(&s->job->batch, &job_ops, d, 0) < 0) {
		log_error(&d->log, "out of memory");
		return -ENOMEM;
	}
	s->job->spi = s;
	s->job->ops = s->ops;
	s->job->host = s->host;
	s->job->cs.rule = s->rule;
	return 0;
}

static void spi_close(struct vdev *d)
{
	struct spi *s = to_spi(d);
	bool idle;

	ev_timer_stop(d->loop, &s->hold);
	rate_gate_stop(&s->gate);
	idle = !s->job || batch_close(&s->job->batch);
	if (s->host && s->job && idle)
		cs_release(s->job);
	if (s->host)
		s->ops->close(s->host, !idle);
	if (idle)
		free(s->job);
}

/* ---- options */

static int set_device(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return spi_setup_add(&((struct spi *)obj)->setup, o->kind, value, why, why_size);
}

static int set_rate(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return rate_gate_set(&((struct spi *)obj)->gate, value, why, why_size);
}

static const struct vdev_queue_desc spi_queues[] = {
	{.name = "requestq", .size = 64, .max = 1024},
};

static const char *const backend_words[] = {
	[BACKEND_AUTO] = "auto",
	[BACKEND_SPIDEV] = "spidev",
	[BACKEND_SIM] = "sim",
	NULL,
};

static const char *const rule_words[] = {
	[SPI_CS_LINUX] = "linux",
	[SPI_CS_STANDARD] = "standard",
	NULL,
};

static const struct opt spi_opts[] = {
	{
		.name = "device",
		.type = OPT_CALL,
		.arg = "NODE[:KEY,...]",
		.help = "/dev/spidev0.0, or with limits after a colon",
		.man = MAN(
			"A spidev node of the host: the chip at one chip select; repeatable.  These can follow it, "
			"behind a colon "
			"and parted by commas:\n"
			"\n"
			"cs=N is the chip select that the guest sees, from 0 to 15; otherwise it is the first that is "
			"free.  "
			"speed=HZ is the highest clock, modes=0+3 are the clock modes (CPOL and CPHA), words=8+16 the "
			"word "
			"sizes in bits, length=BYTES the longest transfer, 1M at most, that the guest may use; a "
			"request that "
			"asks for something else is answered with an error.  flash and gather: see --cs-change.  whole "
			"refuses transfers that are longer than spidev takes in one call "
			"(/sys/module/spidev/parameters/bufsiz), instead of splitting them under one chip select: for "
			"a "
			"controller that has other users, who would come between the parts."),
		.set = set_device,
		.kind = false,
		.compat = "l,device",
	},
	{
		.name = "cs-change",
		.type = OPT_WORD,
		.off = offsetof(struct spi, rule),
		.words = rule_words,
		.arg = "WHOSE",
		.def = "linux",
		.help = "what ends a message: linux, or standard",
		.man = MAN(
			"How the guest's driver means cs_change.  standard: as VIRTIO 1.4 has it, 1 deasserts chip "
			"select after "
			"the transfer and 0 keeps it asserted for the next; Zephyr's driver does so.\n"
			"\n"
			"linux: Linux' driver sends 0 where a message ends, too, so the end of a message has to be "
			"guessed.  A "
			"transfer in both directions is a message; a write begins one; a read goes on with what is "
			"before it; "
			"and chip select is deasserted when nothing has come for --cs-hold-us.  Say flash behind a NOR "
			"flash: its "
			"commands are known, so that writes go on until a command has all its parts, as Linux' MTD "
			"drivers and "
			"flashrom send them.  Say gather behind another chip whose messages have several writes: a "
			"write behind a "
			"write goes on then, so that two messages that are writes are taken for one when the second "
			"comes within "
			"--cs-hold-us.  A cs_change of 1 in the last transfer of "
			"a message, with which Linux keeps chip select, is not told from one between two, and ends the "
			"message."),
	},
	{
		.name = "cs-hold-us",
		.type = OPT_UINT,
		.off = offsetof(struct spi, hold_us),
		.arg = "US",
		.def = "20000",
		.min = 1,
		.max = 1000000,
		.help = "how long chip select waits for Linux",
		.man = MAN("How long chip select stays asserted for the next transfer of a message with "
			   "--cs-change=linux, "
			   "microseconds.  A guest that takes longer, on a busy host for instance, has its message cut in two, and a "
			   "line tells of it."),
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
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct spi, backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "auto",
		.help = "spidev, or sim: simulated chips",
		.man = MAN(
			"spidev: nodes of the host.  sim: simulated chips.  auto: sim when there is a --sim, otherwise "
			"spidev."),
	},
	{
		.name = "sim",
		.type = OPT_CALL,
		.arg = "KIND[:KEY,...]",
		.help = "loopback, flash:size=1M, regs:size=64, adc",
		.man = MAN(
			"A simulated chip; repeatable.  The keys of --device can follow, but whole; and size=BYTES.\n"
			"\n"
			"loopback sends back what comes.  flash is a NOR flash like the W25Q family, of 64K to 4M (a "
			"power of two; "
			"the default is 1M), with JEDEC id, status, read, fast read, page program, erase of 4K, 32K, "
			"64K and all; it "
			"is never busy, and has neither SFDP nor protection: Linux' own driver (jedec,spi-nor) knows those of 256K, "
			"1M and 4M by their id.  regs is a file of size registers of a "
			"byte (at most "
			"128, the default is 64): the first byte is the address, 0x80 is added to read, and it counts "
			"up.  adc is "
			"like the MCP3008: 8 channels of 10 bits.\n"
			"\n"
			"Without any --sim there are a loopback, a flash, regs and an adc, at the chip selects 0 to "
			"3."),
		.set = set_device,
		.kind = true,
	},
	{
		.name = "sim-delay",
		.type = OPT_UINT,
		.off = offsetof(struct spi, setup.sim_delay),
		.arg = "MS",
		.max = 60000,
		.help = "how long a simulated transfer takes (0)",
	},
	{0},
};

/* Two bytes to chip select 0, which is full-duplex; and one to a chip select that cannot be, so that no chip does
 * anything. */
static const uint8_t sample_nobody[34] = {255, 8, 1};
static const uint8_t sample_both[34] = {0, 8, 1, [32] = 0xa5, 0x5a};

static const char *sample_check(const uint8_t *in, uint32_t used)
{
	if (used != 3)
		return "not two bytes and the result";
	return in[2] <= 2 ? NULL : "a result that there is not";
}

static const char *sample_both_check(const uint8_t *in, uint32_t used)
{
	const char *wrong = sample_check(in, used);

	return wrong || in[2] == 0 ? wrong : "the transfer was not made";
}

#define SAMPLE(bytes) .out = (bytes), .out_len = sizeof(bytes), .in_len = 3

static const struct vdev_sample spi_samples[] = {
	{.what = "transfer at a chip select that is not there", SAMPLE(sample_nobody), .check = sample_check},
	{
		.what = "transfer of two bytes",
		SAMPLE(sample_both),
		.check = sample_both_check,
		.vary = {.at = 0, .first = 0, .last = SPI_CHIPS_MAX - 1, .step = 1}, /* the first chip that answers */
	},
	{0},
};

static const struct vdev_compat spi_compat = {
	.suffix = true,
	.count = true,
};

static const char *const spi_examples[] = {
	"vdevd spi --socket-path=/run/spi.sock --device=/dev/spidev0.0:speed=1000000,modes=0",
	"vdevd spi --socket-path=/run/spi.sock --device=/dev/spidev0.0:flash --device=/dev/spidev1.0:cs=3,words=8+16",
	"vhost-device-spi -s /run/spi.sock -c 1 -l /dev/spidev0.0",
	"",
	"# a guest under QEMU, whose device tree or board file has a chip at chip select 1, reads a flash",
	"vdevd spi --socket-path=/run/spi.sock --backend=sim --control=/run/spi.ctl &",
	"qemu-system-x86_64 -m 512M -M q35,memory-backend=mem -object memory-backend-memfd,id=mem,size=512M,share=on \\",
	"    -chardev socket,id=spi,path=/run/spi.sock -device vhost-user-spi-pci,chardev=spi ...",
	"vdevd ctl /run/spi.ctl set 1 0 0x68 0x69",
	NULL,
};

const struct vdev_class vdev_spi_class = {
	.name = "spi",
	.summary = "SPI controller",
	.about = MAN(
		"Gives a guest chosen chips on SPI buses of the host, as the chip selects of one SPI controller.\n"
		"\n"
		"Each request is a transfer of its own, in one direction or in both, made in order on a thread beside "
		"the "
		"event loop.  All that its header says is looked at; what the chip, its limits or the host cannot do "
		"is answered "
		"with VIRTIO_SPI_PARAM_ERR and does not reach the bus.  A word of more than 8 bits takes 2 or 4 bytes "
		"of the "
		"buffers, in little-endian order.  The longest transfer is of 1 MiB.\n"
		"\n"
		"The configuration space tells what one chip at least can do; a guest that asks another for it gets "
		"an error.  "
		"Linux' driver takes no notice of the highest frequency there, so its device tree must name one.\n"
		"\n"
		"spidev knows delays in microseconds: they are rounded up.  The delay after chip select is asserted, "
		"and the "
		"one while it is not, are made by waiting, so they are at least as long as asked for.\n"
		"\n"
		"Nodes are held while the device runs.  Several vdevds can have chips of one controller: the kernel "
		"makes their "
		"messages in turn.  A message of several transfers holds chip select between them, and another user "
		"of the "
		"controller then ends it.\n"
		"\n"
		"Commands on the socket of --control play with simulated chips: \"set 1 0 0x68\" sets a byte of a "
		"flash or a "
		"register, \"set 3 0 512\" what an adc measures, \"dump 1\" shows bytes, watch shows each transfer, "
		"\"fail 1 3\" lets the "
		"next three transfers fail.\n"
		"\n"
		"A guest can move to another host (live migration) where the same chips are given in the same way; to "
		"others its "
		"state is not loaded.  A message that is under way is ended by it.  Simulated chips go along, with "
		"the bytes that they "
		"hold."),
	.virtio_id = 45,
	.face.queues = spi_queues,
	.face.nqueues = ARRAY_SIZE(spi_queues),
	.face.config_size = sizeof(struct virtio_spi_config),
	.opts = spi_opts,
	.inst_size = sizeof(struct spi),
	.samples = spi_samples,
	.compat = &spi_compat,
	.examples = MAN(spi_examples),
	.check = spi_check,
	.open = spi_open,
	.needs = spi_needs,
	.kick = spi_kick,
	.quiesce = spi_quiesce,
	.reset = spi_reset,
	.config = spi_config,
	.save = spi_save,
	.load = spi_load,
	.close = spi_close,
};
