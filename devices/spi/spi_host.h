/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spi_host.h - what the SPI controller device (spi.c) wants of its host side: spi_dev.c, spidev nodes; spi_sim.c,
 * simulated chips.
 */
#ifndef VDEVD_DEVICES_SPI_SPI_HOST_H
#define VDEVD_DEVICES_SPI_SPI_HOST_H

#include "core/base.h"
#include "core/log.h"
#include "core/sandbox.h"
#include "core/state.h"
#include "devices/spi/spi_setup.h"

/* Bits of mode in a request: VIRTIO 1.4, section 5.22 "Device Operation: Request Queue". */
enum {
	SPI_MODE_CPHA = 1,
	SPI_MODE_CPOL = 2,
	SPI_MODE_CS_HIGH = 4,
	SPI_MODE_LSB_FIRST = 8,
	SPI_MODE_LOOP = 16,
};

/* One transfer.  What is sent and what is received share the buffer, byte by byte. */
struct spi_transfer {
	uint8_t cs;
	uint8_t bits;		    /* of a word, 1 to 32 */
	uint8_t tx_nbits, rx_nbits; /* wires: 1, 2, 4, 8 */
	bool tx, rx;		    /* at least one */
	bool cs_change;
	uint32_t mode; /* SPI_MODE_... */
	uint32_t freq; /* Hz, at most the chip's; 0: the chip's */
	uint32_t word_delay_ns, setup_ns, hold_ns, inactive_ns;
	uint32_t len; /* bytes, a multiple of a word's */
	uint8_t *buf;
	bool begin; /* chip select is asserted for it; otherwise it is already */
	bool keep;  /* chip select stays asserted behind it */
};

/* Bytes of a word in memory: VIRTIO says nothing; as Linux has it, in the byte order of a little-endian guest. */
static inline unsigned int spi_word_bytes(unsigned int bits)
{
	return bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}

/* What the chips and their controllers can do: completes the setup's limits, and fills in what has no option. */
struct spi_caps {
	uint8_t nbits_tx, nbits_rx; /* as in the configuration space: 1 dual, 2 quad, 4 octal */
	uint32_t max_word_delay_ns, max_setup_ns, max_hold_ns, max_inactive_ns;
};

struct ev_loop;

/* A host side. */
struct spi_host_ops {
	const char *name; /* of --backend */
	/* What it does with the host after open, by the setup alone. */
	void (*needs)(const struct spi_setup *setup, struct sandbox *s);
	/*
	 * Opens the chips; narrows each chip's limits to what it can do.  Returns 0 and *host, *caps; or -errno after
	 * it has logged why.
	 */
	int (*open)(struct spi_setup *setup, struct spi_caps *caps, struct log *log, void **host);
	/* Whether transfers without delays cannot block now: then they are made on the loop.  NULL: they can. */
	bool (*prompt)(void *host);
	/*
	 * Makes a transfer; on the worker thread, or on the loop when prompt says so.  Returns 0; -EINVAL: the
	 * controller does not take it so; another -errno: it has failed, and chip select is as it may be.
	 */
	int (*transfer)(void *host, const struct spi_transfer *t);
	/* Ends what a transfer with keep has begun: chip select is deasserted.  As transfer. */
	void (*release)(void *host, unsigned int cs);
	/* On the loop, when the transfer has ended with this result.  May be NULL. */
	void (*ended)(void *host, const struct spi_transfer *t, int result);
	/* As class->save and load; NULL: nothing moves. */
	void (*save)(void *host, struct state *s);
	int (*load)(void *host, const struct state_record *r, struct log *log);
	/* Closes the chips.  busy: a transfer hangs; what it uses must stay. */
	void (*close)(void *host, bool busy);
};

extern const struct spi_host_ops spi_dev_ops, spi_sim_ops;

/* What each kind of simulated chip can do, before the options narrow it.  size: bytes, or 0.  NULL: there is no such.
 */
const struct spi_sim_kind *spi_sim_find(const char *name);
/* Looks at --sim's size, and sets the usual one where there is none.  Returns 0, or -EINVAL with a reason in why. */
int spi_sim_check(struct spi_chip *chip, char *why, size_t why_size);

#endif
