/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spi_sim.c - simulated chips on an SPI bus: a loopback, a NOR flash, registers, an ADC; see spi_host.h.
 *
 * A chip sees what a real one sees: chip select, and bytes, each with the one it sends back meanwhile.  A write of a
 * flash happens when chip select is deasserted, as in a real one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/control.h"
#include "core/opt.h"
#include "devices/spi/spi_host.h"

/* Simulated memory of all chips, bytes: what fits a state (STATE_MAX). */
#define MEMORY_MAX (4u << 20)

/* The longest delays that are kept, ns. */
#define DELAY_MAX 10000000

/* Bytes of a transfer that watch shows, and the most that dump does. */
#define SHOWN_MAX 32
#define DUMP_MAX  4096

#define FLASH_PAGE    256u
#define ADC_CHANNELS  8
#define ADC_VALUE_MAX 1023

/* JEDEC's manufacturer, and the W25Q family's type; the third byte of the id is the size as a power of two. */
#define FLASH_MAKER 0xef
#define FLASH_TYPE  0x40

struct sim_chip {
	const struct spi_sim_kind *kind; /* NULL: there is none at this chip select */
	uint8_t *mem;
	size_t size;
	unsigned int fail; /* so many transfers fail from now on */
	/* Since chip select was asserted: */
	bool selected;
	size_t count; /* bytes so far */
	uint8_t command;
	uint32_t addr;
	uint8_t page[FLASH_PAGE]; /* what is to be programmed, from addr on, round the page */
	size_t programmed;	  /* bytes that came for it */
	/* Beyond: */
	bool write_enabled;
};

struct spi_sim_kind {
	const char *name;
	size_t size, min, max; /* of memory, bytes: the usual, the least, the most */
	bool power_of_two, fixed;
	bool flash;
	uint8_t initial;
	uint32_t modes, flags;
	/* The next byte from the controller; returns the chip's. */
	uint8_t (*byte)(struct sim_chip *c, uint8_t out);
	/* Chip select is deasserted; may be NULL. */
	void (*end)(struct sim_chip *c);
};

struct sim {
	pthread_mutex_t lock; /* chips: the control socket's commands run on the loop */
	struct control *control;
	uint64_t delay_ms;
	unsigned int nchips;
	struct sim_chip chips[SPI_CHIPS_MAX];
	uint8_t *mem;
};

/* ---- loopback */

static uint8_t loopback_byte(struct sim_chip *c, uint8_t out)
{
	return out;
}

/* ---- registers: the address, 0x80 for a read; then bytes, counting up */

static uint8_t regs_byte(struct sim_chip *c, uint8_t out)
{
	uint8_t in = 0;

	if (c->count == 0) {
		c->command = out & 0x80;
		c->addr = (out & 0x7f) % (uint32_t)c->size;
		return 0;
	}
	if (c->command)
		in = c->mem[c->addr];
	else
		c->mem[c->addr] = out;
	c->addr = (c->addr + 1) % (uint32_t)c->size;
	return in;
}

/* ---- MCP3008: a start bit, single or differential and the channel, then 10 bits */

static unsigned int adc_value(const struct sim_chip *c, size_t channel)
{
	return c->mem[2 * channel] | (unsigned int)c->mem[2 * channel + 1] << 8;
}

static void adc_set(struct sim_chip *c, size_t channel, unsigned int value)
{
	c->mem[2 * channel] = (uint8_t)value;
	c->mem[2 * channel + 1] = (uint8_t)(value >> 8);
}

/* What a control nibble asks for: a channel, or the difference of a pair, which is not below 0. */
static unsigned int adc_measure(const struct sim_chip *c, uint8_t control)
{
	unsigned int channel = control & 7, plus = adc_value(c, channel), minus = adc_value(c, channel ^ 1);

	if (control & 8)
		return plus;
	return plus > minus ? plus - minus : 0;
}

static uint8_t adc_byte(struct sim_chip *c, uint8_t out)
{
	if (c->count == 0)
		c->command = out; /* with the start bit as its last, as is usual with controllers of whole bytes */
	if (c->count == 1 && c->command == 1) {
		c->addr = adc_measure(c, out >> 4);
		return (uint8_t)(c->addr >> 8);
	}
	return c->count == 2 && c->command == 1 ? (uint8_t)c->addr : 0;
}

/* ---- NOR flash */

/* Takes a byte of the address, of which there are three behind the command. */
static bool flash_address(struct sim_chip *c, uint8_t out)
{
	if (c->count > 3)
		return false;
	c->addr = (c->addr << 8 | out) % (uint32_t)c->size;
	return true;
}

/* A byte that is read, at the address, which counts up; dummy: bytes before the first. */
static uint8_t flash_read(struct sim_chip *c, uint8_t out, unsigned int dummy)
{
	uint8_t in;

	if (flash_address(c, out) || c->count <= 3 + dummy)
		return 0;
	in = c->mem[c->addr];
	c->addr = (c->addr + 1) % (uint32_t)c->size;
	return in;
}

/* A byte of a page that is to be programmed; what goes beyond its end begins it again. */
static void flash_program(struct sim_chip *c, uint8_t out)
{
	if (flash_address(c, out))
		return;
	if (c->programmed == 0)
		memset(c->page, 0xff, sizeof(c->page));
	c->page[(c->addr + c->programmed++) % FLASH_PAGE] = out;
}

static uint8_t flash_id(const struct sim_chip *c, size_t at)
{
	const uint8_t id[] = {FLASH_MAKER, FLASH_TYPE, (uint8_t)__builtin_ctzl(c->size)};

	return at < sizeof(id) ? id[at] : 0;
}

static uint8_t flash_byte(struct sim_chip *c, uint8_t out)
{
	if (c->count == 0) {
		c->command = out;
		c->addr = 0;
		c->programmed = 0;
		return 0;
	}
	switch (c->command) {
	case 0x9f: /* JEDEC id */
		return flash_id(c, c->count - 1);
	case 0x05: /* status: WEL; never busy */
		return c->write_enabled ? 2 : 0;
	case 0x03:
		return flash_read(c, out, 0);
	case 0x0b: /* fast read */
		return flash_read(c, out, 1);
	case 0x02:
		flash_program(c, out);
		return 0;
	case 0x20:
	case 0x52:
	case 0xd8:
		flash_address(c, out);
		return 0;
	case 0xab: /* device id, behind three bytes */
		return c->count > 3 ? (uint8_t)(__builtin_ctzl(c->size) - 1) : 0;
	default:
		return c->command == 0x5a ? 0xff : 0; /* SFDP: none */
	}
}

static void flash_erase(struct sim_chip *c, size_t size)
{
	size_t from = size < c->size ? c->addr & ~(size - 1) : 0;

	memset(c->mem + from, 0xff, min_size(size, c->size));
}

static void flash_write_page(struct sim_chip *c)
{
	uint32_t base = c->addr & ~(FLASH_PAGE - 1);

	for (unsigned int i = 0; i < FLASH_PAGE; i++)
		c->mem[base + i] &= c->page[i];
}

/* A change is made when chip select ends it where it must end, and only behind write enable. */
static void flash_end(struct sim_chip *c)
{
	bool enabled = c->write_enabled;
	size_t erase = c->command == 0x20 ? 4096 : c->command == 0x52 ? 32768 : c->command == 0xd8 ? 65536 : 0;

	if (c->count == 1 && (c->command == 0x06 || c->command == 0x04)) {
		c->write_enabled = c->command == 0x06;
		return;
	}
	if (c->command == 0x02 && c->programmed && enabled)
		flash_write_page(c);
	else if (erase && c->count == 4 && enabled)
		flash_erase(c, erase);
	else if ((c->command == 0xc7 || c->command == 0x60) && c->count == 1 && enabled)
		flash_erase(c, c->size);
	else
		return;
	c->write_enabled = false;
}

/* ---- chips */

static const struct spi_sim_kind kinds[] = {
	{.name = "loopback",
	 .fixed = true,
	 .modes = 0xf,
	 .flags = SPI_MODE_CS_HIGH | SPI_MODE_LSB_FIRST | SPI_MODE_LOOP,
	 .byte = loopback_byte},
	{.name = "flash",
	 .size = 1u << 20,
	 .min = 65536,
	 .max = MEMORY_MAX,
	 .power_of_two = true,
	 .flash = true,
	 .initial = 0xff,
	 .modes = 0x9,
	 .flags = SPI_MODE_LOOP,
	 .byte = flash_byte,
	 .end = flash_end},
	{.name = "regs", .size = 64, .min = 1, .max = 128, .modes = 0xf, .flags = SPI_MODE_LOOP, .byte = regs_byte},
	{.name = "adc",
	 .size = (size_t)2 * ADC_CHANNELS,
	 .fixed = true,
	 .modes = 0x9,
	 .flags = SPI_MODE_LOOP,
	 .byte = adc_byte},
};

#define KIND_ADC (&kinds[3])

const struct spi_sim_kind *spi_sim_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

int spi_sim_check(struct spi_chip *chip, char *why, size_t why_size)
{
	const struct spi_sim_kind *k = chip->kind;

	chip->flash |= k->flash;
	if (!chip->size) {
		chip->size = k->size;
		return 0;
	}
	if (k->fixed) {
		snprintf(why, why_size, "%s has no size", k->name);
		return -EINVAL;
	}
	if (chip->size >= k->min && chip->size <= k->max && !(k->power_of_two && chip->size & (chip->size - 1)))
		return 0;
	snprintf(why, why_size, "size=%llu: %s from %zu to %zu is wanted", (unsigned long long)chip->size,
		 k->power_of_two ? "a power of two" : "a number", k->min, k->max);
	return -EINVAL;
}

/* ---- transfers */

static void chip_deselect(struct sim_chip *c)
{
	if (c->selected && c->kind->end)
		c->kind->end(c);
	c->selected = false;
	c->count = 0;
}

/* Where byte i of the wire stands in memory: the highest byte of a word goes first, unless LSB_FIRST. */
static size_t wire_at(const struct spi_transfer *t, size_t i)
{
	size_t w = spi_word_bytes(t->bits);

	return t->mode & SPI_MODE_LSB_FIRST ? i : i - i % w + (w - 1 - i % w);
}

static void chip_clock(struct sim_chip *c, const struct spi_transfer *t)
{
	for (size_t i = 0; i < t->len; i++) {
		uint8_t *b = &t->buf[wire_at(t, i)], in = c->kind->byte(c, *b);

		c->count++;
		*b = t->mode & SPI_MODE_LOOP ? *b : in;
	}
}

static void sleep_ns(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	if (ns)
		nanosleep(&t, NULL);
}

/* How long a transfer takes beside its clock, ns. */
static uint64_t transfer_ns(const struct spi_transfer *t)
{
	uint64_t ns = (uint64_t)t->word_delay_ns * (t->len / spi_word_bytes(t->bits) - 1);

	ns += t->begin ? t->setup_ns : 0;
	return ns + t->hold_ns + (t->keep ? 0 : t->inactive_ns);
}

static bool sim_prompt(void *host)
{
	return !((struct sim *)host)->delay_ms;
}

static int sim_transfer(void *host, const struct spi_transfer *t)
{
	struct sim *sim = host;
	struct sim_chip *c = &sim->chips[t->cs];
	uint64_t delay;
	int err = 0;

	pthread_mutex_lock(&sim->lock);
	delay = sim->delay_ms * 1000000;
	pthread_mutex_unlock(&sim->lock);
	sleep_ns(delay + transfer_ns(t));

	pthread_mutex_lock(&sim->lock);
	if (t->begin)
		chip_deselect(c);
	c->selected = true;
	if (c->fail) {
		c->fail--;
		err = -EIO;
	} else {
		chip_clock(c, t);
	}
	if (!t->keep && !err)
		chip_deselect(c);
	pthread_mutex_unlock(&sim->lock);
	return err;
}

static void sim_release(void *host, unsigned int cs)
{
	struct sim *sim = host;

	pthread_mutex_lock(&sim->lock);
	chip_deselect(&sim->chips[cs]);
	pthread_mutex_unlock(&sim->lock);
}

/* Tells those who watch: "cs 1: both 2 bytes: 9f 00, kept". */
static void sim_ended(void *host, const struct spi_transfer *t, int result)
{
	struct sim *sim = host;
	char line[4 * SHOWN_MAX];
	size_t len = 0;

	if (!control_watched(sim->control))
		return;
	line[0] = '\0';
	for (size_t i = 0; result == 0 && i < min_size(t->len, SHOWN_MAX); i++)
		len += (size_t)sprintf(line + len, " %02x", t->buf[i]);
	control_tell(sim->control, "cs %u: %s %u:%s%s: %s", t->cs,
		     t->tx && t->rx ? "both"
		     : t->tx	    ? "write"
				    : "read",
		     t->len, line, t->len > SHOWN_MAX ? " ..." : "",
		     result < 0 ? "failed"
		     : t->keep	? "ok, kept"
				: "ok");
}

/* ---- commands */

static int number_of(const char *word, uint64_t max, uint64_t *value, char *why, size_t why_size)
{
	if (opt_parse_number(word, false, value) == 0 && *value <= max)
		return 0;
	snprintf(why, why_size, "'%.20s': a number from 0 to %llu is wanted", word, (unsigned long long)max);
	return -EINVAL;
}

/* The chip that a word names. */
static struct sim_chip *chip_of(struct sim *sim, const char *word, char *why, size_t why_size)
{
	uint64_t cs;

	if (opt_parse_number(word, false, &cs) == 0 && cs < sim->nchips && sim->chips[cs].kind)
		return &sim->chips[cs];
	snprintf(why, why_size, "'%.20s': there is no chip; list shows them", word);
	return NULL;
}

/* The chip that a word names, which must have memory. */
static struct sim_chip *memory_of(struct sim *sim, const char *word, char *why, size_t why_size)
{
	struct sim_chip *c = chip_of(sim, word, why, why_size);

	if (!c || (c->size && c->kind != KIND_ADC))
		return c;
	snprintf(why, why_size, "'%.20s': that is no chip with memory; list shows them", word);
	return NULL;
}

static int run_list(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;

	for (unsigned int i = 0; i < sim->nchips; i++) {
		const struct sim_chip *chip = &sim->chips[i];

		if (chip->kind)
			control_say(c, "%u %s %zu bytes", i, chip->kind->name, chip->size);
	}
	return 0;
}

static int run_get(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	struct sim_chip *chip = chip_of(sim, argv[0], why, why_size);
	uint64_t at;

	if (chip && chip->kind != KIND_ADC)
		chip = memory_of(sim, argv[0], why, why_size);
	if (!chip ||
	    number_of(argv[1], chip->kind == KIND_ADC ? ADC_CHANNELS - 1 : chip->size - 1, &at, why, why_size) < 0)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	if (chip->kind == KIND_ADC)
		control_say(c, "%u", adc_value(chip, (unsigned int)at));
	else
		control_say(c, "0x%02x", chip->mem[at]);
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

/* Sets bytes from an offset on: argv[0] is that, the bytes follow. */
static int set_bytes(struct sim_chip *chip, unsigned int argc, char **argv, char *why, size_t why_size)
{
	uint8_t bytes[CONTROL_WORDS];
	uint64_t off, v;

	if (number_of(argv[0], chip->size - 1, &off, why, why_size) < 0)
		return -EINVAL;
	for (unsigned int i = 1; i < argc; i++) {
		if (number_of(argv[i], 255, &v, why, why_size) < 0)
			return -EINVAL;
		bytes[i - 1] = (uint8_t)v;
	}
	if (argc - 1 > chip->size - off) {
		snprintf(why, why_size, "the bytes go beyond the end, which is at %zu", chip->size);
		return -EINVAL;
	}
	memcpy(chip->mem + off, bytes, argc - 1);
	return 0;
}

static int run_set(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	struct sim_chip *chip = chip_of(sim, argv[0], why, why_size);
	uint64_t channel, v;
	int err;

	if (chip && chip->kind == KIND_ADC) {
		if (argc != 3) {
			snprintf(why, why_size, "set CS CHANNEL VALUE is wanted, since this is an adc");
			return -EINVAL;
		}
		if (number_of(argv[1], ADC_CHANNELS - 1, &channel, why, why_size) < 0 ||
		    number_of(argv[2], ADC_VALUE_MAX, &v, why, why_size) < 0)
			return -EINVAL;
		pthread_mutex_lock(&sim->lock);
		adc_set(chip, (unsigned int)channel, (unsigned int)v);
		pthread_mutex_unlock(&sim->lock);
		return 0;
	}
	chip = chip ? memory_of(sim, argv[0], why, why_size) : NULL;
	if (!chip)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	err = set_bytes(chip, argc - 1, argv + 1, why, why_size);
	pthread_mutex_unlock(&sim->lock);
	return err;
}

static int run_dump(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	struct sim_chip *chip = memory_of(sim, argv[0], why, why_size);
	uint64_t off = 0, count;

	if (!chip || (argc > 1 && number_of(argv[1], chip->size - 1, &off, why, why_size) < 0))
		return -EINVAL;
	count = min_u64(256, chip->size - off);
	if (argc > 2 && number_of(argv[2], min_u64(DUMP_MAX, chip->size - off), &count, why, why_size) < 0)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	for (size_t i = 0; i < count; i += 16) {
		char hex[3 * 16 + 1];
		size_t n = (size_t)min_u64(16, count - i);

		for (size_t k = 0; k < n; k++)
			sprintf(hex + 3 * k, " %02x", chip->mem[off + i + k]);
		control_say(c, "%06zx:%s", (size_t)off + i, hex);
	}
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static int run_fail(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	struct sim_chip *chip = chip_of(sim, argv[0], why, why_size);
	uint64_t n;

	if (!chip || number_of(argv[1], UINT32_MAX, &n, why, why_size) < 0)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	chip->fail = (unsigned int)n;
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static int run_delay(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim *sim = arg;
	uint64_t ms;

	if (number_of(argv[0], 60000, &ms, why, why_size) < 0)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	sim->delay_ms = ms;
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static const struct control_command commands[] = {
	{"list", "", "shows the chips", 0, 0, run_list},
	{"get", "CS OFFSET|CHANNEL", "shows a byte, or what an adc measures", 2, 2, run_get},
	{"set", "CS OFFSET BYTE...", "sets bytes of a flash or registers", 3, CONTROL_WORDS, run_set},
	{"set", "CS CHANNEL VALUE", "sets what an adc measures", 3, CONTROL_WORDS, run_set},
	{"dump", "CS [OFFSET [COUNT]]", "shows bytes", 1, 3, run_dump},
	{"fail", "CS COUNT", "the next so many transfers fail", 2, 2, run_fail},
	{"delay", "MS", "how long a transfer takes from now on", 1, 1, run_delay},
	{0},
};

/* ---- what moves with a guest: the bytes of the chips, and whether writing is enabled */

/* The record "chip"; its bytes follow. */
struct chip_state {
	char kind[8];
	uint8_t cs, write_enabled, padding[2];
} __attribute__((packed));

static void sim_save(void *host, struct state *s)
{
	struct sim *sim = host;

	pthread_mutex_lock(&sim->lock);
	for (unsigned int i = 0; i < sim->nchips; i++) {
		struct sim_chip *c = &sim->chips[i];
		struct chip_state about = {.cs = (uint8_t)i};

		if (!c->kind)
			continue;
		chip_deselect(c);
		about.write_enabled = c->write_enabled;
		memcpy(about.kind, c->kind->name, min_size(strlen(c->kind->name), sizeof(about.kind)));
		state_put_begin(s, "chip", sizeof(about) + c->size);
		state_append(s, &about, sizeof(about));
		state_append(s, c->mem, c->size);
	}
	pthread_mutex_unlock(&sim->lock);
}

/* Whether bytes of a state can be this chip's. */
static bool chip_fits(const struct sim_chip *c, const struct chip_state *about, const uint8_t *bytes, size_t size)
{
	if (!c->kind || c->size != size || strncmp(about->kind, c->kind->name, sizeof(about->kind)) != 0 ||
	    about->write_enabled > c->kind->flash || about->padding[0] || about->padding[1])
		return false;
	for (size_t i = 1; c->kind == KIND_ADC && i < size; i += 2) {
		if (bytes[i] > ADC_VALUE_MAX >> 8)
			return false;
	}
	return true;
}

static int sim_load(void *host, const struct state_record *r, struct log *log)
{
	struct sim *sim = host;
	struct chip_state about;
	const uint8_t *bytes = (const uint8_t *)r->bytes + sizeof(about);
	struct sim_chip *c;

	if (strcmp(r->name, "chip") != 0 || r->len < sizeof(about))
		return -EINVAL;
	memcpy(&about, r->bytes, sizeof(about));
	c = &sim->chips[min_size(about.cs, SPI_CHIPS_MAX - 1)];
	if (about.cs >= sim->nchips || !chip_fits(c, &about, bytes, r->len - sizeof(about))) {
		log_guest(log, "the state is of %.8s at chip select %u with %zu bytes, and here is no such --sim",
			  about.kind, about.cs, r->len - sizeof(about));
		return -EINVAL;
	}
	pthread_mutex_lock(&sim->lock);
	c->write_enabled = about.write_enabled;
	if (c->size)
		memcpy(c->mem, bytes, c->size);
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

/* ---- open, close */

static void sim_close(void *host, bool busy)
{
	struct sim *sim = host;

	if (busy)
		return;
	pthread_mutex_destroy(&sim->lock);
	free(sim->mem);
	free(sim);
}

/* Fills in a chip, whose memory begins at mem; its limits are those of its kind, too. */
static void chip_init(struct sim_chip *c, struct spi_chip *chip, uint8_t *mem)
{
	const struct spi_sim_kind *k = chip->kind;

	chip->modes &= k->modes;
	chip->flags = k->flags;
	chip->words &= BIT(7) | BIT(15) | BIT(31);
	*c = (struct sim_chip){.kind = k, .mem = mem, .size = chip->size};
	memset(mem, k->initial, chip->size);
	for (unsigned int i = 0; k == KIND_ADC && i < ADC_CHANNELS; i++)
		adc_set(c, i, 100 * i);
}

/* Whether the options leave each chip something that it can do. */
static int check_limits(const struct spi_setup *setup, size_t size, struct log *log)
{
	if (size > MEMORY_MAX + SPI_CHIPS_MAX * 256) {
		log_error(log, "the simulated chips have %zu bytes together; at most %u are possible (size=)", size,
			  MEMORY_MAX);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < setup->nchips; i++) {
		const struct spi_chip *chip = &setup->chips[i];

		if (!chip->kind || (chip->modes & chip->kind->modes && chip->words & (BIT(7) | BIT(15) | BIT(31))))
			continue;
		log_error(log, "--sim=%s: it has none of these modes or words (modes=0 and words=8 it has)",
			  chip->what);
		return -EINVAL;
	}
	return 0;
}

static int sim_open(struct spi_setup *setup, struct spi_caps *caps, struct log *log, void **host)
{
	struct sim *sim;
	size_t size = 0;
	int err;

	for (unsigned int i = 0; i < setup->nchips; i++)
		size += setup->chips[i].size;
	err = check_limits(setup, size, log);
	if (err)
		return err;
	sim = calloc(1, sizeof(*sim));
	if (sim)
		sim->mem = malloc(size + 1);
	if (!sim || !sim->mem) {
		log_error(log, "out of memory");
		free(sim);
		return -ENOMEM;
	}
	pthread_mutex_init(&sim->lock, NULL);
	sim->nchips = setup->nchips;
	sim->delay_ms = setup->sim_delay;
	sim->control = setup->control;
	size = 0;
	for (unsigned int i = 0; i < setup->nchips; i++) {
		if (setup->chips[i].kind)
			chip_init(&sim->chips[i], &setup->chips[i], sim->mem + size);
		size += setup->chips[i].size;
	}
	*caps = (struct spi_caps){7, 7, DELAY_MAX, DELAY_MAX, DELAY_MAX, DELAY_MAX};
	control_add(sim->control, commands, sim);
	*host = sim;
	return 0;
}

static const struct sandbox_call sim_calls[] = {
	{.name = "clock_nanosleep", .why = "delays that the guest asks for, and --sim-delay"},
	{0},
};

static void sim_needs(const struct spi_setup *setup, struct sandbox *s)
{
	sandbox_calls(s, sim_calls);
}

const struct spi_host_ops spi_sim_ops = {
	.name = "sim",
	.needs = sim_needs,
	.open = sim_open,
	.prompt = sim_prompt,
	.transfer = sim_transfer,
	.release = sim_release,
	.ended = sim_ended,
	.save = sim_save,
	.load = sim_load,
	.close = sim_close,
};
