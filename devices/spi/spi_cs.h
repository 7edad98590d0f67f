/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spi_cs.h - when chip select is asserted and deasserted: a machine without a bus.
 *
 * VIRTIO 1.4 (section "SPI Controller Device", "Request Queue") says of cs_change: "whether to deselect device before
 * starting the next SPI transfer, 0 means chipselect keep asserted and 1 means chipselect deasserted then asserted
 * again".  That is SPI_CS_STANDARD.
 *
 * Linux' driver puts its own field of that name there, which is 0 in the last transfer of a message too, where Linux
 * means that chip select is deasserted.  So the end of a message is not in the request.  SPI_CS_LINUX guesses it:
 *
 *	- a transfer in both directions is a message of its own;
 *	- a write begins a message, but for the two below;
 *	- a read goes on with what is before it;
 *	- of a chip whose messages have several writes (spi_chip.gather) a write goes on behind a write;
 *	- nothing goes on with another chip select or another mode, or when the hold time is over (the device sees to
 *that);
 *	- of a NOR flash (spi_chip.flash) a write goes on behind a write until the command has all its parts: Linux
 *sends command, address and data as transfers, and the next command comes at once.
 */
#ifndef VDEVD_DEVICES_SPI_SPI_CS_H
#define VDEVD_DEVICES_SPI_SPI_CS_H

#include "devices/spi/spi_host.h"

enum spi_cs_rule {
	SPI_CS_LINUX,
	SPI_CS_STANDARD,
};

struct spi_cs {
	unsigned int rule; /* enum spi_cs_rule */
	bool held;	   /* chip select is asserted, between transfers */
	/* Of the message that is under way: */
	uint8_t cs;
	uint32_t mode;
	bool read;	     /* its last transfer was a read */
	uint8_t command;     /* the first byte that was written; 0: none */
	uint32_t first;	     /* bytes of the first transfer */
	unsigned int writes; /* transfers that were writes */
};

/*
 * A transfer to this chip is next: sets its begin and keep.  Where begin is set and chip select was held
 * (s->held, s->cs before the call), it must be released first.
 */
void spi_cs_next(struct spi_cs *s, struct spi_transfer *t, const struct spi_chip *chip);

/* The transfer has failed, or the message is ended from outside: chip select is not held. */
void spi_cs_drop(struct spi_cs *s);

#endif
