/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spi_dev.c - chips of the host through spidev: Linux, Documentation/spi/spidev.rst and linux/spi/spidev.h.
 *
 * Chip select stays asserted behind a message whose last transfer has cs_change, until the next message of the
 * controller.  So a transfer that is kept, and the parts of one that is longer than a message may be, end with
 * cs_change; an empty message without it deasserts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <linux/spi/spidev.h>

#include "core/opt.h"
#include "devices/spi/spi_host.h"

/* Bits of spidev's mode: Linux, linux/spi/spi.h, which older headers have in spidev.h. */
#define DEV_CPHA      0x01u
#define DEV_CPOL      0x02u
#define DEV_CS_HIGH   0x04u
#define DEV_LSB_FIRST 0x08u
#define DEV_LOOP      0x20u
#define DEV_TX_DUAL   0x100u
#define DEV_TX_QUAD   0x200u
#define DEV_RX_DUAL   0x400u
#define DEV_RX_QUAD   0x800u
#define DEV_TX_OCTAL  0x2000u
#define DEV_RX_OCTAL  0x4000u

#define DEV_WIRES (DEV_TX_DUAL | DEV_TX_QUAD | DEV_TX_OCTAL | DEV_RX_DUAL | DEV_RX_QUAD | DEV_RX_OCTAL)
/* What a request says, and the node's own bits (3-wire, no chip select, ready) do not. */
#define DEV_ASKED (DEV_CPHA | DEV_CPOL | DEV_CS_HIGH | DEV_LSB_FIRST | DEV_LOOP | DEV_WIRES)

#define BUFSIZ_FILE    "/sys/module/spidev/parameters/bufsiz"
#define BUFSIZ_DEFAULT 4096u

/* The major number of spidev's nodes: Linux, Documentation/admin-guide/devices.txt. */
#define SPIDEV_MAJOR 153

/* The longest delays, ns: fields of 16 and of 8 bits, in microseconds. */
#define DELAY_MAX      (65535u * 1000)
#define WORD_DELAY_MAX (255u * 1000)

struct dev_chip {
	int fd;		/* -1: none is open */
	uint32_t found; /* the node's mode when it was opened: set again at the end */
	uint32_t mode;	/* now */
	uint32_t wires; /* of its mode, always */
	bool whole;
};

struct dev {
	uint32_t bufsiz;
	unsigned int nchips;
	struct dev_chip chips[SPI_CHIPS_MAX];
};

/* ---- transfers */

/* Microseconds, rounded up: a delay is at least as long as asked for. */
static uint32_t ns_to_us(uint32_t ns)
{
	return ns / 1000 + (ns % 1000 != 0);
}

/* The node's mode for a transfer, but for the bits that are its own, and wires. */
static uint32_t dev_mode(const struct spi_transfer *t)
{
	return (t->mode & (SPI_MODE_CPHA | SPI_MODE_CPOL | SPI_MODE_CS_HIGH | SPI_MODE_LSB_FIRST)) |
	       (t->mode & SPI_MODE_LOOP ? DEV_LOOP : 0);
}

/* Sets the mode of the transfers that follow; the node's own bits stay. */
static int set_mode(struct dev_chip *c, uint32_t mode)
{
	if (mode == c->mode)
		return 0;
	if (ioctl(c->fd, SPI_IOC_WR_MODE32, &mode) < 0)
		return -errno;
	c->mode = mode;
	return 0;
}

/* Makes a message of part of a transfer: len bytes from off on.  first, last: part of it, where delays are. */
static int make_part(const struct dev_chip *c, const struct spi_transfer *t, uint32_t off, uint32_t len, bool last)
{
	struct spi_ioc_transfer x[2];
	unsigned int n = 0;

	memset(x, 0, sizeof(x));
	/* An empty transfer asserts chip select and waits: the delay that spidev has no field for. */
	if (off == 0 && t->begin && t->setup_ns) {
		x[0].delay_usecs = (uint16_t)ns_to_us(t->setup_ns);
		x[0].speed_hz = t->freq;
		x[0].bits_per_word = t->bits;
		n = 1;
	}
	x[n].tx_buf = t->tx ? (uintptr_t)(t->buf + off) : 0;
	x[n].rx_buf = t->rx ? (uintptr_t)(t->buf + off) : 0;
	x[n].len = len;
	x[n].speed_hz = t->freq;
	x[n].bits_per_word = t->bits;
	x[n].tx_nbits = t->tx_nbits;
	x[n].rx_nbits = t->rx_nbits;
	x[n].word_delay_usecs = (uint8_t)ns_to_us(t->word_delay_ns);
	x[n].delay_usecs = last ? (uint16_t)ns_to_us(t->hold_ns) : 0;
	x[n].cs_change = !last || t->keep;
	return ioctl(c->fd, n ? SPI_IOC_MESSAGE(2) : SPI_IOC_MESSAGE(1), x) < 0 ? -errno : 0;
}

static void dev_release(void *host, unsigned int cs)
{
	struct spi_ioc_transfer x;

	memset(&x, 0, sizeof(x));
	ioctl(((struct dev *)host)->chips[cs].fd, SPI_IOC_MESSAGE(1), &x);
}

static int dev_transfer(void *host, const struct spi_transfer *t)
{
	struct dev *dev = host;
	struct dev_chip *c = &dev->chips[t->cs];
	uint32_t most = dev->bufsiz & ~3u, off = 0, len;
	struct timespec wait = {0, (long)t->inactive_ns};
	int err;

	if (t->len > dev->bufsiz && (c->whole || !most))
		return -EINVAL;
	err = set_mode(c, (c->found & ~DEV_ASKED) | c->wires | dev_mode(t));
	for (; !err && off < t->len; off += len) {
		len = t->len <= dev->bufsiz ? t->len : (uint32_t)min_size(most, t->len - off);
		err = make_part(c, t, off, len, off + len == t->len);
	}
	if (!err && !t->keep && t->inactive_ns)
		nanosleep(&wait, NULL);
	return err;
}

/* ---- opening */

/* Which of these bits of mode the node has: each is tried.  A controller refuses some, and drops others silently. */
static uint32_t try_modes(const struct dev_chip *c, uint32_t bits)
{
	uint32_t base = c->found & ~DEV_ASKED, can = 0;

	for (uint32_t bit = 1; bit; bit <<= 1) {
		uint32_t mode = base | bit, now = 0;

		if ((bits & bit) && ioctl(c->fd, SPI_IOC_WR_MODE32, &mode) == 0 &&
		    ioctl(c->fd, SPI_IOC_RD_MODE32, &now) == 0 && (now & bit))
			can |= bit;
	}
	return can;
}

/* Which clock modes it has, as spi_chip.modes. */
static uint32_t try_clocks(const struct dev_chip *c)
{
	uint32_t can = 0;

	for (uint32_t m = 0; m < 4; m++) {
		uint32_t mode = (c->found & ~DEV_ASKED) | m;

		if (ioctl(c->fd, SPI_IOC_WR_MODE32, &mode) == 0)
			can |= 1u << m;
	}
	return can;
}

/* Which word sizes it has, as spi_chip.words. */
static uint32_t try_words(const struct dev_chip *c)
{
	uint8_t found = 0;
	uint32_t can = 0;

	if (ioctl(c->fd, SPI_IOC_RD_BITS_PER_WORD, &found) < 0)
		return BIT(7);
	for (uint8_t bits = 1; bits <= 32; bits++) {
		if (ioctl(c->fd, SPI_IOC_WR_BITS_PER_WORD, &bits) == 0)
			can |= 1u << (bits - 1);
	}
	ioctl(c->fd, SPI_IOC_WR_BITS_PER_WORD, &found);
	return can;
}

/* Wires as the configuration space has them. */
static uint8_t wires_nbits(uint32_t wires, uint32_t dual, uint32_t quad, uint32_t octal)
{
	return (uint8_t)((wires & dual ? 1 : 0) | (wires & quad ? 2 : 0) | (wires & octal ? 4 : 0));
}

/*
 * The bits of wires that the mode always has: the most each way, of which a node can have one at a time, and which
 * allows fewer in a transfer.  So the mode does not change within a message, which would deassert chip select.
 */
static uint32_t most_wires(uint32_t wires)
{
	uint32_t tx = wires & DEV_TX_OCTAL ? DEV_TX_OCTAL : wires & DEV_TX_QUAD ? DEV_TX_QUAD : wires & DEV_TX_DUAL;
	uint32_t rx = wires & DEV_RX_OCTAL ? DEV_RX_OCTAL : wires & DEV_RX_QUAD ? DEV_RX_QUAD : wires & DEV_RX_DUAL;

	return tx | rx;
}

/* Opens a node, and finds out what it can do.  Returns 0 or -errno; -ENOTTY: it is no spidev's. */
static int open_chip(struct dev_chip *c, struct spi_chip *chip, struct spi_caps *caps)
{
	struct stat st;
	uint32_t speed = 0, flags, wires;

	c->fd = open(chip->what, O_RDWR | O_CLOEXEC);
	if (c->fd < 0 || fstat(c->fd, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) != SPIDEV_MAJOR)
		return -ENOTTY;
	if (ioctl(c->fd, SPI_IOC_RD_MODE32, &c->found) < 0 || ioctl(c->fd, SPI_IOC_RD_MAX_SPEED_HZ, &speed) < 0)
		return -errno;
	chip->modes &= try_clocks(c);
	chip->words &= try_words(c);
	flags = try_modes(c, DEV_CS_HIGH | DEV_LSB_FIRST | DEV_LOOP);
	chip->flags = (flags & (DEV_CS_HIGH | DEV_LSB_FIRST)) | (flags & DEV_LOOP ? SPI_MODE_LOOP : 0);
	wires = try_modes(c, DEV_WIRES);
	c->wires = most_wires(wires);
	c->whole = chip->whole;
	if (!chip->speed || (speed && speed < chip->speed))
		chip->speed = speed;
	caps->nbits_tx |= wires_nbits(wires, DEV_TX_DUAL, DEV_TX_QUAD, DEV_TX_OCTAL);
	caps->nbits_rx |= wires_nbits(wires, DEV_RX_DUAL, DEV_RX_QUAD, DEV_RX_OCTAL);
	c->mode = ~c->found; /* whatever the trials left: it is set by the first transfer */
	if (ioctl(c->fd, SPI_IOC_WR_MODE32, &c->found) == 0)
		c->mode = c->found;
	return 0;
}

/* The longest message, bytes. */
static uint32_t read_bufsiz(void)
{
	char text[32] = "";
	FILE *f = fopen(BUFSIZ_FILE, "re");
	uint64_t v;

	if (f) {
		if (!fgets(text, sizeof(text), f))
			text[0] = '\0';
		fclose(f);
	}
	text[strcspn(text, "\n")] = '\0';
	return opt_parse_number(text, false, &v) == 0 && v > 0 && v <= UINT32_MAX ? (uint32_t)v : BUFSIZ_DEFAULT;
}

static void dev_close(void *host, bool busy)
{
	struct dev *dev = host;

	/* A descriptor that hangs in a call closes with the process. */
	if (busy)
		return;
	for (unsigned int i = 0; i < dev->nchips; i++) {
		struct dev_chip *c = &dev->chips[i];

		if (c->fd < 0)
			continue;
		if (c->mode != c->found)
			ioctl(c->fd, SPI_IOC_WR_MODE32, &c->found);
		close(c->fd);
	}
	free(dev);
}

/* Opens the chip of a chip select, and tells what became of it. */
static int setup_chip(struct dev_chip *c, struct spi_chip *chip, unsigned int cs, struct spi_caps *caps,
		      struct log *log)
{
	int err = open_chip(c, chip, caps);

	if (err) {
		log_error(log, "--device=%s: %s", chip->what,
			  err == -ENOTTY ? "not a spidev node"
			  : err == -ENOENT
				  ? "no such node (/dev/spidev0.0 is usual; spidev may have to be bound to the chip)"
				  : strerror(-err));
		return err;
	}
	if (!chip->modes || !chip->words) {
		log_error(log, "--device=%s: the controller has none of these modes= or words=", chip->what);
		return -EOPNOTSUPP;
	}
	log_info(log, "chip select %u: %s, at most %u Hz", cs, chip->what, chip->speed);
	return 0;
}

static int dev_open(struct spi_setup *setup, struct spi_caps *caps, struct log *log, void **host)
{
	struct dev *dev = calloc(1, sizeof(*dev));
	int err = 0;

	if (!dev) {
		log_error(log, "out of memory");
		return -ENOMEM;
	}
	*caps = (struct spi_caps){0, 0, WORD_DELAY_MAX, DELAY_MAX, DELAY_MAX, DELAY_MAX};
	dev->bufsiz = read_bufsiz();
	for (; !err && dev->nchips < setup->nchips; dev->nchips++) {
		struct dev_chip *c = &dev->chips[dev->nchips];
		struct spi_chip *chip = &setup->chips[dev->nchips];

		c->fd = -1;
		if (chip->what[0])
			err = setup_chip(c, chip, dev->nchips, caps, log);
	}
	if (err) {
		dev_close(dev, false);
		return err;
	}
	*host = dev;
	return 0;
}

static const struct sandbox_call dev_calls[] = {
	{.name = "ioctl", .why = "a transfer", .checks = {{1, SANDBOX_IS, SPI_IOC_MESSAGE(1)}}},
	{.name = "ioctl", .why = "a transfer behind a delay", .checks = {{1, SANDBOX_IS, SPI_IOC_MESSAGE(2)}}},
	{.name = "ioctl", .why = "the mode of transfers", .checks = {{1, SANDBOX_IS, SPI_IOC_WR_MODE32}}},
	{.name = "clock_nanosleep", .why = "a delay while chip select is deasserted"},
	{0},
};

static void dev_needs(const struct spi_setup *setup, struct sandbox *s)
{
	sandbox_calls(s, dev_calls);
}

const struct spi_host_ops spi_dev_ops = {
	.name = "spidev",
	.needs = dev_needs,
	.open = dev_open,
	.transfer = dev_transfer,
	.release = dev_release,
	.close = dev_close,
};
