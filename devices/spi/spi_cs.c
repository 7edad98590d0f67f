/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spi_cs.c - when chip select is asserted and deasserted (VIRTIO 1.4, section "SPI Controller Device"); see spi_cs.h.
 */
#include "devices/spi/spi_cs.h"

/* Whether the transfer goes on with the message that is under way. */
static bool goes_on(const struct spi_cs *s, const struct spi_transfer *t, const struct spi_chip *chip)
{
	if (!s->held || s->cs != t->cs || s->mode != t->mode)
		return false;
	if (s->rule == SPI_CS_STANDARD)
		return true;
	return !t->tx || (!t->rx && !s->read && (chip->gather || chip->flash));
}

/*
 * How many parts behind the command a NOR flash's command has to write: 2 an address and data, 1 one of them, 0 none;
 * -1: it is a read, or not known.  These are the commands of JEDEC JESD216 that change something.
 */
static int flash_parts(uint8_t command)
{
	switch (command) {
	case 0x04: /* write disable */
	case 0x06: /* write enable */
	case 0x50: /* likewise, of volatile status */
	case 0x60:
	case 0xc7: /* chip erase */
	case 0x66:
	case 0x99: /* reset */
	case 0xb7:
	case 0xe9: /* addresses of 4 bytes, of 3 */
	case 0xb9: /* power-down */
		return 0;
	case 0x01:
	case 0x11:
	case 0x31: /* write status */
	case 0x17:
	case 0xc5: /* bank, extended address */
	case 0x20:
	case 0x21:
	case 0x52:
	case 0x5c:
	case 0xd8:
	case 0xdc: /* erase */
		return 1;
	case 0x02:
	case 0x12:
	case 0x32:
	case 0x34:
	case 0x38:
	case 0x3e: /* program */
		return 2;
	default:
		return -1;
	}
}

/* Whether the command that is under way has all its parts.  A driver may put them in one transfer or in several. */
static bool flash_ended(const struct spi_cs *s)
{
	int parts = flash_parts(s->command), have = (int)s->writes - 1;

	/* The command and an address of 3 or 4 bytes, or more, in the first. */
	if (s->first > 1)
		have += s->first > 5 ? 2 : 1;
	return parts >= 0 && have >= parts;
}

void spi_cs_next(struct spi_cs *s, struct spi_transfer *t, const struct spi_chip *chip)
{
	t->begin = !goes_on(s, t, chip);
	if (t->begin) {
		s->cs = t->cs;
		s->mode = t->mode;
		s->command = t->tx ? t->buf[0] : 0;
		s->first = t->len;
		s->writes = 0;
	}
	s->writes += t->tx;
	s->read = t->rx;
	t->keep = !t->cs_change;
	if (s->rule == SPI_CS_LINUX)
		t->keep &= !(t->tx && t->rx) && !(chip->flash && s->command && flash_ended(s));
	s->held = t->keep;
}

void spi_cs_drop(struct spi_cs *s)
{
	s->held = false;
}
