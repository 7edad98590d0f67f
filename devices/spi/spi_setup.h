/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spi_setup.h - which chips there are, at which chip selects, and what the guest may do with each: the options
 * --device and --sim.
 */
#ifndef VDEVD_DEVICES_SPI_SPI_SETUP_H
#define VDEVD_DEVICES_SPI_SPI_SETUP_H

#include "core/base.h"

#define SPI_CHIPS_MAX 16
#define SPI_SPEC_MAX  128 /* bytes of a node's path or of a kind, its end included */

/* The longest transfer, bytes. */
#define SPI_LENGTH_MAX (1u << 20)

struct control;
struct spi_sim_kind;

/* A chip at a chip select. */
struct spi_chip {
	char what[SPI_SPEC_MAX];	 /* the device node, or the kind of simulated chip; empty: there is none */
	const struct spi_sim_kind *kind; /* NULL: it is not simulated */
	uint32_t modes;			 /* bit n: mode n, CPOL << 1 | CPHA */
	uint32_t flags;			 /* SPI_MODE_CS_HIGH, LSB_FIRST, LOOP: what it can do; open sets it */
	uint32_t words;			 /* bit n: words of n + 1 bits */
	uint32_t speed;			 /* Hz, the highest; 0: not limited */
	uint32_t length;		 /* bytes of a transfer, the most */
	uint64_t size;			 /* of a simulated chip's memory, bytes */
	bool flash;			 /* it is a NOR flash: where its commands end is known (spi_cs.h) */
	bool gather;			 /* its messages may have several writes behind each other */
	bool whole;			 /* a transfer that is too long for one call is refused, not split */
};

/* All that was asked for. */
struct spi_setup {
	struct spi_chip chips[SPI_CHIPS_MAX]; /* by chip select */
	unsigned int nchips;		      /* the highest chip select, plus 1 */
	unsigned int nsims;		      /* of them, simulated */
	struct control *control;	      /* where a simulator's commands are added; NULL: there is no socket */
	uint64_t sim_delay;		      /* --sim-delay, ms for each transfer */
};

/*
 * Adds a chip as --device (sim false) or --sim says it: WHAT[:KEY[=VALUE],...].  Returns 0, or -EINVAL with a reason in
 * why.
 */
int spi_setup_add(struct spi_setup *setup, bool sim, const char *value, char *why, size_t why_size);

#endif
