/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_sim.c - I2C buses with targets that are nowhere but here, for --backend=sim: a thermometer, EEPROMs, register
 * files.  A person or a test watches and changes them through a control socket (core/control.h).
 *
 * Transfers that take their time (--sim-delay) are made on the worker thread, as real ones; commands come on the loop:
 * a lock stands between.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/control.h"
#include "core/opt.h"
#include "devices/i2c/i2c_host.h"

/* Bytes that one "dump" shows. */
#define DUMP_MAX 2048

/* Bytes of a segment that those who watch are shown. */
#define SHOWN_MAX 32

#define PAGE_MAX 128

/* Registers of an LM75B: NXP's data sheet, section 7.4.  Here each has two bytes of memory. */
enum {
	LM75_TEMP,
	LM75_CONF, /* one byte */
	LM75_THYST,
	LM75_TOS,
	LM75_REGISTERS,
};

struct sim_target;

/* A kind of target. */
struct sim_kind {
	const char *name;
	/* Reads the part of --sim after the second colon, NULL when there is none.  Returns 0 or -EINVAL with a reason in why. */
	int (*param)(const char *text, uint32_t *param, char *why, size_t why_size);
	size_t (*size)(uint32_t param); /* bytes of memory */
	void (*init)(struct sim_target *t, uint32_t param);
	void (*write)(struct sim_target *t, uint8_t byte);
	uint8_t (*read)(struct sim_target *t);
};

struct sim_target {
	const struct sim_kind *kind;
	uint16_t addr;
	uint8_t bus;
	uint8_t *mem;
	size_t size;
	size_t ptr;             /* the register or memory address */
	unsigned int at;        /* bytes since (repeated) START */
	uint8_t page[PAGE_MAX]; /* an EEPROM's, until STOP */
	size_t page_base;
	bool page_written;
	unsigned int fail;      /* transfers that will not be acknowledged */
};

struct sim {
	struct control *control;
	pthread_mutex_t lock;
	uint64_t delay_ms;
	unsigned int ntargets;
	struct sim_target targets[I2C_TARGETS_MAX];
	uint8_t *mem; /* of all targets */
};

/* ---- thermometer: 11 bits of two's complement, 1/8 of a degree each, at the upper end of two bytes */

static int lm75_value(const char *text, uint32_t *raw, char *why, size_t why_size)
{
	char *end;
	double degrees = strtod(text, &end);

	if (end == text || *end || !(degrees >= -55. && degrees <= 125.)) {
		snprintf(why, why_size, "'%.20s': a temperature in degrees Celsius, from -55 to 125, is wanted", text);
		return -EINVAL;
	}
	*raw = (uint16_t)((int)(degrees * 8. + (degrees < 0. ? -.5 : .5)) * 32);
	return 0;
}

static int lm75_param(const char *text, uint32_t *param, char *why, size_t why_size)
{
	return lm75_value(text ? text : "21.5", param, why, why_size);
}

static size_t lm75_size(uint32_t param)
{
	return 2 * (size_t)LM75_REGISTERS;
}

static void lm75_store(struct sim_target *t, unsigned int reg, uint32_t raw)
{
	uint8_t *to = t->mem + 2 * (size_t)reg;

	to[0] = (uint8_t)(raw >> 8);
	to[1] = (uint8_t)raw;
}

static void lm75_init(struct sim_target *t, uint32_t param)
{
	lm75_store(t, LM75_TEMP, param);
	lm75_store(t, LM75_THYST, 75 << 8);
	lm75_store(t, LM75_TOS, 80 << 8);
}

static void lm75_write(struct sim_target *t, uint8_t byte)
{
	if (t->at == 0) {
		t->ptr = byte % LM75_REGISTERS;
		return;
	}
	if (t->ptr == LM75_CONF)
		t->mem[(size_t)2 * LM75_CONF] = byte & 0x1f;
	else if (t->ptr != LM75_TEMP)
		t->mem[2 * (size_t)t->ptr + (t->at - 1) % 2] = t->at % 2 ? byte : byte & 0x80;
}

static uint8_t lm75_read(struct sim_target *t)
{
	return t->mem[2 * t->ptr + (t->ptr == LM75_CONF ? 0 : t->at % 2)];
}

/* ---- register file */

static int regs_param(const char *text, uint32_t *param, char *why, size_t why_size)
{
	uint64_t n = 256;

	if (text && (opt_parse_number(text, false, &n) < 0 || n < 1 || n > 256)) {
		snprintf(why, why_size, "'%.20s': a number of registers from 1 to 256 is wanted", text);
		return -EINVAL;
	}
	*param = (uint32_t)n;
	return 0;
}

static size_t mem_size(uint32_t param)
{
	return param;
}

static void regs_init(struct sim_target *t, uint32_t param)
{
	memset(t->mem, 0, param);
}

static void regs_write(struct sim_target *t, uint8_t byte)
{
	if (t->at == 0) {
		t->ptr = byte % t->size;
		return;
	}
	t->mem[t->ptr] = byte;
	t->ptr = (t->ptr + 1) % t->size;
}

/* Registers, and the bytes of an EEPROM, are read one after the other. */
static uint8_t mem_read(struct sim_target *t)
{
	uint8_t byte = t->mem[t->ptr];

	t->ptr = (t->ptr + 1) % t->size;
	return byte;
}

/* ---- EEPROM: what is written stays in the page's buffer until STOP, and is lost when there is another START */

static int eeprom_param(const char *text, uint32_t *param, char *why, size_t why_size)
{
	uint64_t n = 256;

	if (text && (opt_parse_number(text, true, &n) < 0 || (n & (n - 1)) || n < 128 || n > 65536 || (n > 256 && n < 4096))) {
		snprintf(why, why_size, "'%.20s': 128, 256, or a power of two from 4096 to 65536 is wanted", text);
		return -EINVAL;
	}
	*param = (uint32_t)n;
	return 0;
}

static void eeprom_init(struct sim_target *t, uint32_t param)
{
	memset(t->mem, 0xff, param);
}

/* Bytes of a memory address, and of a page, as in the chips of Microchip and ST with this size. */
static unsigned int eeprom_addr_bytes(const struct sim_target *t)
{
	return t->size > 256 ? 2 : 1;
}

static size_t eeprom_page(const struct sim_target *t)
{
	return t->size <= 256 ? 8 : t->size <= 8192 ? 32 : t->size <= 32768 ? 64 : PAGE_MAX;
}

static void eeprom_write(struct sim_target *t, uint8_t byte)
{
	size_t page = eeprom_page(t);

	if (t->at < eeprom_addr_bytes(t)) {
		t->ptr = ((t->at ? t->ptr << 8 : 0) | byte) & (t->size - 1);
		return;
	}
	if (!t->page_written) {
		t->page_base = t->ptr & ~(page - 1);
		memcpy(t->page, t->mem + t->page_base, page);
		t->page_written = true;
	}
	t->page[t->ptr % page] = byte;
	t->ptr = t->page_base + (t->ptr + 1) % page;
}

static void target_stop(struct sim_target *t)
{
	if (t->page_written)
		memcpy(t->mem + t->page_base, t->page, eeprom_page(t));
	t->page_written = false;
}

static const struct sim_kind kinds[] = {
	{"lm75", lm75_param, lm75_size, lm75_init, lm75_write, lm75_read},
	{"eeprom", eeprom_param, mem_size, eeprom_init, eeprom_write, mem_read},
	{"regs", regs_param, mem_size, regs_init, regs_write, mem_read},
};

/* ---- the buses */

static struct sim_target *target_find(struct sim *sim, uint16_t addr)
{
	for (unsigned int i = 0; i < sim->ntargets; i++) {
		if (sim->targets[i].addr == addr)
			return &sim->targets[i];
	}
	return NULL;
}

/* From a (repeated) START to the last byte.  Returns whether the target was there and acknowledged. */
static bool segment_make(struct sim_target *t, unsigned int bus, struct i2c_segment *seg)
{
	if (!t || t->bus != bus)
		return false;
	if (t->fail) {
		t->fail--;
		return false;
	}
	for (t->at = 0; t->at < seg->len; t->at++) {
		if (seg->read)
			seg->buf[t->at] = t->kind->read(t);
		else
			t->kind->write(t, seg->buf[t->at]);
	}
	return true;
}

/* The delay is set on the loop, where this runs. */
static bool sim_prompt(void *host)
{
	return !((struct sim *)host)->delay_ms;
}

static int sim_transfer(void *host, unsigned int bus, struct i2c_segment *segs, unsigned int n)
{
	struct sim *sim = host;
	struct sim_target *t = NULL;
	struct timespec delay;
	unsigned int i;

	pthread_mutex_lock(&sim->lock);
	delay = (struct timespec){(time_t)(sim->delay_ms / 1000), (long)(sim->delay_ms % 1000) * 1000000};
	pthread_mutex_unlock(&sim->lock);
	if (delay.tv_sec || delay.tv_nsec)
		nanosleep(&delay, NULL);

	pthread_mutex_lock(&sim->lock);
	for (i = 0; i < n; i++) {
		if (t)
			t->page_written = false;
		t = target_find(sim, segs[i].addr);
		if (!segment_make(t, bus, &segs[i]))
			break;
	}
	if (t)
		target_stop(t);
	pthread_mutex_unlock(&sim->lock);
	/* Adapters do not tell which segment was not acknowledged. */
	return i == n ? (int)n : -ENXIO;
}

/* Tells those who watch: "0x50 w 00, 0x50 r ff ff: ok". */
static void sim_ended(void *host, unsigned int bus, const struct i2c_segment *segs, unsigned int n, int result)
{
	struct sim *sim = host;
	char line[CONTROL_LINE_MAX];
	size_t len = 0;

	if (!sim->control || !control_watched(sim->control))
		return;
	for (unsigned int i = 0; i < n && len + (size_t)4 * SHOWN_MAX < sizeof(line); i++) {
		const struct i2c_segment *seg = &segs[i];
		size_t shown = seg->read && result < 0 ? 0 : min_size(seg->len, SHOWN_MAX);

		len += (size_t)sprintf(line + len, "%s0x%02x %c", i ? ", " : "", seg->addr, seg->read ? 'r' : 'w');
		for (size_t k = 0; k < shown; k++)
			len += (size_t)sprintf(line + len, " %02x", seg->buf[k]);
		if (shown < seg->len)
			len += (size_t)sprintf(line + len, " (%u)", seg->len);
	}
	control_tell(sim->control, "%s: %s", line, result < 0 ? "not acknowledged" : "ok");
}

/* ---- commands */

/* The target that a word names. */
static struct sim_target *target_of(struct sim *sim, const char *word, char *why, size_t why_size)
{
	struct sim_target *t = NULL;
	uint16_t addr;

	if (i2c_addr_parse(word, &addr) == 0)
		t = target_find(sim, addr);
	if (!t)
		snprintf(why, why_size, "'%.20s': there is no such target; list shows them", word);
	return t;
}

/* Reads a number of at most max. */
static int number_of(const char *word, uint64_t max, uint64_t *value, char *why, size_t why_size)
{
	if (opt_parse_number(word, false, value) == 0 && *value <= max)
		return 0;
	snprintf(why, why_size, "'%.20s': a number from 0 to %llu is wanted", word, (unsigned long long)max);
	return -EINVAL;
}

static bool is_lm75(const struct sim_target *t)
{
	return t->kind->write == lm75_write;
}

static double lm75_degrees(const struct sim_target *t)
{
	return (int16_t)(t->mem[0] << 8 | t->mem[1]) / 256.;
}

static int run_list(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;

	pthread_mutex_lock(&sim->lock);
	for (unsigned int i = 0; i < sim->ntargets; i++) {
		const struct sim_target *t = &sim->targets[i];

		if (is_lm75(t))
			control_say(c, "0x%02x %s %g degrees, bus %u", t->addr, t->kind->name, lm75_degrees(t), t->bus);
		else
			control_say(c, "0x%02x %s %zu bytes, bus %u", t->addr, t->kind->name, t->size, t->bus);
	}
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static int run_get(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	struct sim_target *t = target_of(sim, argv[0], why, why_size);
	uint64_t off = 0;

	if (!t || (argc == 2 && number_of(argv[1], t->size - 1, &off, why, why_size) < 0))
		return -EINVAL;
	if (argc == 1 && !is_lm75(t)) {
		snprintf(why, why_size, "get ADDR OFFSET is wanted, since this is no thermometer");
		return -EINVAL;
	}
	pthread_mutex_lock(&sim->lock);
	if (argc == 1)
		control_say(c, "%g", lm75_degrees(t));
	else
		control_say(c, "0x%02x", t->mem[off]);
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

/* Sets bytes from an offset on: argv[0] is that, the bytes follow. */
static int set_bytes(struct sim_target *t, unsigned int argc, char **argv, char *why, size_t why_size)
{
	uint8_t bytes[CONTROL_WORDS];
	uint64_t off, v;

	if (number_of(argv[0], t->size - 1, &off, why, why_size) < 0)
		return -EINVAL;
	for (unsigned int i = 1; i < argc; i++) {
		if (number_of(argv[i], 255, &v, why, why_size) < 0)
			return -EINVAL;
		bytes[i - 1] = (uint8_t)v;
	}
	if (argc - 1 > t->size - off) {
		snprintf(why, why_size, "the bytes go beyond the end, which is at %zu", t->size);
		return -EINVAL;
	}
	memcpy(t->mem + off, bytes, argc - 1);
	return 0;
}

static int run_set(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	struct sim_target *t = target_of(sim, argv[0], why, why_size);
	uint32_t raw = 0;
	int err;

	if (!t)
		return -EINVAL;
	if (argc == 2 && !is_lm75(t)) {
		snprintf(why, why_size, "set ADDR OFFSET BYTE... is wanted, since this is no thermometer");
		return -EINVAL;
	}
	pthread_mutex_lock(&sim->lock);
	if (argc == 2) {
		err = lm75_value(argv[1], &raw, why, why_size);
		if (!err)
			lm75_store(t, LM75_TEMP, raw);
	} else {
		err = set_bytes(t, argc - 1, argv + 1, why, why_size);
	}
	pthread_mutex_unlock(&sim->lock);
	return err;
}

static int run_dump(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	struct sim_target *t = target_of(sim, argv[0], why, why_size);
	uint64_t off = 0, count;

	if (!t || (argc > 1 && number_of(argv[1], t->size - 1, &off, why, why_size) < 0))
		return -EINVAL;
	count = min_u64(256, t->size - off);
	if (argc > 2 && number_of(argv[2], min_u64(DUMP_MAX, t->size - off), &count, why, why_size) < 0)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	for (size_t i = 0; i < count; i += 16) {
		char hex[3 * 16 + 1], text[16 + 1];
		size_t n = (size_t)min_u64(16, count - i), k;

		for (k = 0; k < n; k++) {
			uint8_t byte = t->mem[off + i + k];

			sprintf(hex + 3 * k, " %02x", byte);
			text[k] = (char)(byte >= 0x20 && byte < 0x7f ? byte : '.');
		}
		text[k] = '\0';
		control_say(c, "%04zx:%-48s  %s", (size_t)off + i, hex, text);
	}
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static int run_fail(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	struct sim_target *t = target_of(sim, argv[0], why, why_size);
	uint64_t n = 0;

	if (!t || number_of(argv[1], UINT32_MAX, &n, why, why_size) < 0)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	t->fail = (unsigned int)n;
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static int run_delay(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	uint64_t ms = 0;

	if (number_of(argv[0], 60000, &ms, why, why_size) < 0)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	sim->delay_ms = ms;
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static const struct control_command commands[] = {
	{"list", "", "shows the targets", 0, 0, run_list},
	{"get", "ADDR [OFFSET]", "shows a temperature, or a byte", 1, 2, run_get},
	{"set", "ADDR DEGREES", "sets a temperature", 2, CONTROL_WORDS, run_set},
	{"set", "ADDR OFFSET BYTE...", "sets bytes", 2, CONTROL_WORDS, run_set},
	{"dump", "ADDR [OFFSET [COUNT]]", "shows bytes", 1, 3, run_dump},
	{"fail", "ADDR COUNT", "the next so many transfers go unacknowledged", 2, 2, run_fail},
	{"delay", "MS", "how long a transfer takes from now on", 1, 1, run_delay},
	{0},
};

/* ---- what moves with a guest: the bytes of the targets, and where they were read */

/* The record "target"; its bytes follow. */
struct target_state {
	char kind[8];
	le16 addr;
	uint8_t bus, padding;
	le32 ptr;
} __attribute__((packed));

static void target_save(const struct sim_target *t, struct state *s)
{
	struct target_state about = {.addr = htole16(t->addr), .bus = t->bus, .ptr = htole32((uint32_t)t->ptr)};
	uint8_t *bytes = malloc(sizeof(about) + t->size);

	if (!bytes) {
		s->err = -ENOMEM;
		return;
	}
	memcpy(about.kind, t->kind->name, min_size(strlen(t->kind->name), sizeof(about.kind)));
	memcpy(bytes, &about, sizeof(about));
	memcpy(bytes + sizeof(about), t->mem, t->size);
	state_put(s, "target", bytes, sizeof(about) + t->size);
	free(bytes);
}

static void sim_save(void *host, struct state *s)
{
	struct sim *sim = host;

	pthread_mutex_lock(&sim->lock);
	for (unsigned int i = 0; i < sim->ntargets; i++)
		target_save(&sim->targets[i], s);
	pthread_mutex_unlock(&sim->lock);
}

/* Whether the state is of a target like this one, and possible. */
static bool target_fits(const struct sim_target *t, const struct target_state *about, size_t size)
{
	size_t ptrs = is_lm75(t) ? LM75_REGISTERS : t->size;

	return t->bus == about->bus && t->size == size && strncmp(about->kind, t->kind->name, sizeof(about->kind)) == 0 &&
	       le32toh(about->ptr) < ptrs;
}

static int sim_load(void *host, const struct state_record *r, struct log *log)
{
	struct sim *sim = host;
	struct target_state about;
	struct sim_target *t;
	size_t size = r->len - sizeof(about);

	if (strcmp(r->name, "target") != 0 || r->len < sizeof(about))
		return -EINVAL;
	memcpy(&about, r->bytes, sizeof(about));
	t = target_find(sim, le16toh(about.addr));
	if (!t || !target_fits(t, &about, size)) {
		log_guest(log, "the state is of %.8s@0x%02x with %zu bytes, and here is no such --sim", about.kind,
			  le16toh(about.addr), size);
		return -EINVAL;
	}
	pthread_mutex_lock(&sim->lock);
	t->ptr = le32toh(about.ptr);
	memcpy(t->mem, (const char *)r->bytes + sizeof(about), size);
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

/* ---- open, close */

int i2c_sim_add(struct i2c_setup *setup, unsigned int bus, const char *value, char *why, size_t why_size)
{
	size_t len = strcspn(value, "@");
	const struct sim_kind *kind = NULL;
	struct i2c_sim_spec *spec = &setup->targets[setup->ntargets];
	char addr[16];

	if (setup->ntargets == I2C_TARGETS_MAX) {
		snprintf(why, why_size, "one too many (%d are possible)", I2C_TARGETS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].name) == len && strncmp(kinds[i].name, value, len) == 0)
			kind = &kinds[i];
	}
	if (!kind || value[len] != '@') {
		snprintf(why, why_size, "lm75@ADDR[:DEGREES], eeprom@ADDR[:BYTES] or regs@ADDR[:N] is wanted");
		return -EINVAL;
	}
	value += len + 1;
	len = strcspn(value, ":");
	snprintf(addr, sizeof(addr), "%.*s", (int)min_size(len, sizeof(addr)), value);
	if (i2c_addr_parse(addr, &spec->addr) < 0) {
		snprintf(why, why_size, "'%s': an address is wanted, 0x48 for instance", addr);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < setup->ntargets; i++) {
		if (setup->targets[i].addr == spec->addr) {
			snprintf(why, why_size, "there is a target at 0x%02x already", spec->addr);
			return -EINVAL;
		}
	}
	if (kind->param(value[len] ? value + len + 1 : NULL, &spec->param, why, why_size) < 0)
		return -EINVAL;
	spec->kind = kind;
	spec->bus = (uint8_t)bus;
	setup->ntargets++;
	return 0;
}

/* What there is to play with when nobody said. */
static void add_defaults(struct i2c_setup *setup)
{
	static const char *const targets[] = {"lm75@0x48:21.5", "eeprom@0x50:256", "regs@0x20:64"};
	char why[CONTROL_WHY_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		i2c_sim_add(setup, 0, targets[i], why, sizeof(why));
}

/* The guest may use the targets of those buses for which there is no --addr. */
static void complete_rules(struct i2c_setup *setup)
{
	bool ruled[I2C_BUSES_MAX];

	i2c_setup_ruled(setup, ruled);
	for (unsigned int i = 0; i < setup->ntargets; i++) {
		const struct i2c_sim_spec *t = &setup->targets[i];
		struct i2c_rule *rule = &setup->rules[i2c_addr_index(t->addr)];

		if (!ruled[t->bus] && rule->access == I2C_ACCESS_NONE)
			*rule = (struct i2c_rule){.access = I2C_ACCESS_FULL, .bus = t->bus};
	}
}

static void sim_close(void *host, bool busy)
{
	struct sim *sim = host;

	if (busy)
		return;
	pthread_mutex_destroy(&sim->lock);
	free(sim->mem);
	free(sim);
}

static int sim_open(struct i2c_setup *setup, struct log *log, struct ev_loop *loop, void **host)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	size_t size = 1; /* there is at least one target, which no analyzer can see */

	if (!setup->ntargets)
		add_defaults(setup);
	complete_rules(setup);
	for (unsigned int i = 0; i < setup->ntargets; i++)
		size += setup->targets[i].kind->size(setup->targets[i].param);
	if (sim)
		sim->mem = calloc(1, size);
	if (!sim || !sim->mem) {
		log_error(log, "out of memory");
		free(sim);
		return -ENOMEM;
	}
	pthread_mutex_init(&sim->lock, NULL);
	sim->delay_ms = setup->sim_delay;
	sim->ntargets = setup->ntargets;
	size = 0;
	for (unsigned int i = 0; i < sim->ntargets; i++) {
		const struct i2c_sim_spec *spec = &setup->targets[i];
		struct sim_target *t = &sim->targets[i];

		*t = (struct sim_target){.kind = spec->kind, .addr = spec->addr, .bus = spec->bus, .mem = sim->mem + size};
		t->size = t->kind->size(spec->param);
		t->kind->init(t, spec->param);
		size += t->size;
	}
	sim->control = setup->control;
	control_add(sim->control, commands, sim);
	*host = sim;
	return 0;
}

static const struct sandbox_call sim_calls[] = {
	{.name = "clock_nanosleep", .why = "a transfer that takes its time (--sim-delay)"},
	{0},
};

static void sim_needs(const struct i2c_setup *setup, struct sandbox *s)
{
	/* The control socket can set a delay later. */
	sandbox_calls(s, sim_calls);
}

const struct i2c_host_ops i2c_sim_ops = {
	.name = "sim",
	.needs = sim_needs,
	.open = sim_open,
	.prompt = sim_prompt,
	.transfer = sim_transfer,
	.ended = sim_ended,
	.save = sim_save,
	.load = sim_load,
	.close = sim_close,
};
