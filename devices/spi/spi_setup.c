/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spi_setup.c - from the options to chips and what the guest may do with them (VIRTIO 1.4, section "SPI Controller
 * Device"); see spi_setup.h.
 */
#include "devices/spi/spi_setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/opt.h"
#include "core/words.h"
#include "devices/spi/spi_host.h"

/* Reads a number from min to max.  Returns 0 or -EINVAL. */
static int read_number(const char *key, const struct word *w, uint64_t min, uint64_t max, uint64_t *n, char *why,
		       size_t why_size)
{
	bool bytes = strcmp(key, "size") == 0 || strcmp(key, "length") == 0;
	char text[24];

	if (word_copy(w, text, sizeof(text)) && opt_parse_number(text, bytes, n) == 0 && *n >= min && *n <= max)
		return 0;
	snprintf(why, why_size, "%s=%.*s: a number from %llu to %llu is wanted", key, WORD_SHOWN(*w),
		 (unsigned long long)min, (unsigned long long)max);
	return -EINVAL;
}

/* Reads numbers parted by +, each from min to max; *bits: one bit for each, that of min is bit 0. */
static int read_numbers(const char *key, struct word w, uint64_t min, uint64_t max, uint32_t *bits, char *why,
			size_t why_size)
{
	struct word behind;
	uint64_t n;
	bool more;

	*bits = 0;
	do {
		more = word_cut(&w, '+', &behind);
		if (read_number(key, &w, min, max, &n, why, why_size) < 0)
			return -EINVAL;
		*bits |= 1u << (n - min);
		w = behind;
	} while (more);
	return 0;
}

struct placing {
	struct spi_chip chip;
	uint64_t cs; /* SPI_CHIPS_MAX where it is not said */
};

/* Reads what stands behind a chip. */
static int read_key(void *arg, struct word w, char *why, size_t why_size)
{
	struct placing *p = arg;
	struct spi_chip *chip = &p->chip;
	struct word key = w, v;
	bool has = word_cut(&key, '=', &v);
	uint64_t n;
	int err;

	if (!has && word_is(&key, "flash")) {
		chip->flash = true;
		return 0;
	}
	if (!has && word_is(&key, "gather")) {
		chip->gather = true;
		return 0;
	}
	if (!has && word_is(&key, "whole") && !chip->kind) {
		chip->whole = true;
		return 0;
	}
	if (has && word_is(&key, "cs"))
		return read_number("cs", &v, 0, SPI_CHIPS_MAX - 1, &p->cs, why, why_size);
	if (has && word_is(&key, "modes"))
		return read_numbers("modes", v, 0, 3, &chip->modes, why, why_size);
	if (has && word_is(&key, "words"))
		return read_numbers("words", v, 1, 32, &chip->words, why, why_size);
	if (has && word_is(&key, "size") && chip->kind)
		return read_number("size", &v, 1, UINT32_MAX, &chip->size, why, why_size);
	if (has && word_is(&key, "speed")) {
		err = read_number("speed", &v, 1, UINT32_MAX, &n, why, why_size);
		if (!err)
			chip->speed = (uint32_t)n;
		return err;
	}
	if (has && word_is(&key, "length")) {
		err = read_number("length", &v, 1, SPI_LENGTH_MAX, &n, why, why_size);
		if (!err)
			chip->length = (uint32_t)n;
		return err;
	}
	snprintf(why, why_size,
		 "'%.*s': cs=N, speed=HZ, modes=0+3, words=8+16, length=BYTES, flash, gather%s is wanted",
		 WORD_SHOWN(w), chip->kind ? " or size=BYTES" : " or whole");
	return -EINVAL;
}

/* The chip select of a chip that says none: the first that is free. */
static uint64_t free_cs(const struct spi_setup *setup)
{
	uint64_t cs = 0;

	while (cs < SPI_CHIPS_MAX && setup->chips[cs].what[0])
		cs++;
	return cs;
}

/* Puts a chip at its place. */
static int place(struct spi_setup *setup, const struct spi_chip *chip, uint64_t cs, char *why, size_t why_size)
{
	if (cs == SPI_CHIPS_MAX) {
		snprintf(why, why_size, "one too many (%d are possible)", SPI_CHIPS_MAX);
		return -EINVAL;
	}
	if (setup->chips[cs].what[0]) {
		snprintf(why, why_size, "chip select %u is taken by %s", (unsigned int)cs, setup->chips[cs].what);
		return -EINVAL;
	}
	setup->chips[cs] = *chip;
	if (setup->nchips <= cs)
		setup->nchips = (unsigned int)cs + 1;
	setup->nsims += chip->kind != NULL;
	return 0;
}

int spi_setup_add(struct spi_setup *setup, bool sim, const char *value, char *why, size_t why_size)
{
	struct placing p = {{.modes = 0xf, .words = UINT32_MAX, .length = SPI_LENGTH_MAX}, SPI_CHIPS_MAX};
	struct spi_chip *chip = &p.chip;
	struct word w = word_of(value), keys;
	const char *rest = word_cut(&w, ':', &keys) ? strchr(value, ':') + 1 : NULL;

	if (!word_copy(&w, chip->what, sizeof(chip->what)) || !chip->what[0]) {
		snprintf(why, why_size, "no chip (%s is wanted)", sim ? "flash" : "/dev/spidev0.0");
		return -EINVAL;
	}
	chip->kind = sim ? spi_sim_find(chip->what) : NULL;
	if (sim && !chip->kind) {
		snprintf(why, why_size, "'%.20s': loopback, flash, regs or adc is wanted", chip->what);
		return -EINVAL;
	}
	if (words_each(rest, ',', read_key, &p, why, why_size) < 0)
		return -EINVAL;
	if (chip->kind && spi_sim_check(chip, why, why_size) < 0)
		return -EINVAL;
	return place(setup, chip, p.cs == SPI_CHIPS_MAX ? free_cs(setup) : p.cs, why, why_size);
}
