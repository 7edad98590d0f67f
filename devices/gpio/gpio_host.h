/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_host.h - what the GPIO device wants of a host: chips with numbered lines.  Two implementations: libgpiod
 * (gpio_gpiod.c for its version 2, gpio_gpiod1.c for 1.6) and a simulator (gpio_sim.c).
 *
 * A chip can go away at any time (a USB adapter): then every call for it returns -ENODEV, and the descriptors of its
 * lines are readable.  It is closed, and opened again when it is back.
 */
#ifndef VDEVD_DEVICES_GPIO_GPIO_HOST_H
#define VDEVD_DEVICES_GPIO_GPIO_HOST_H

#include <ev.h>

#include "core/base.h"
#include "core/log.h"
#include "core/sandbox.h"

/* Room for a line's name or a chip's label, NUL included: GPIO_MAX_NAME_SIZE of <linux/gpio.h>. */
#define GPIO_NAME_SIZE 32

/* Room for a list of chips, bytes: what does not fit is left out. */
#define GPIO_TOLD_SIZE 400

/* The most lines a simulated chip has: their list fits into one answer of its control socket. */
#define GPIO_SIM_MAX_LINES 256

/* Edges, as bits; the numbers are those of VIRTIO_GPIO_IRQ_TYPE_EDGE_*. */
#define GPIO_EDGE_RISING  1u
#define GPIO_EDGE_FALLING 2u

enum gpio_bias {
	GPIO_BIAS_AS_IS,
	GPIO_BIAS_DISABLED,
	GPIO_BIAS_PULL_UP,
	GPIO_BIAS_PULL_DOWN,
};

enum gpio_drive {
	GPIO_DRIVE_PUSH_PULL,
	GPIO_DRIVE_OPEN_DRAIN,
	GPIO_DRIVE_OPEN_SOURCE,
};

/* How a line is used.  Values and edges are logical: active_low turns them round. */
struct gpio_settings {
	bool output;
	bool value;    /* of an output */
	uint8_t edges; /* of an input: those to be told; 0: none */
	bool active_low;
	enum gpio_bias bias;
	enum gpio_drive drive; /* of an output */
	uint32_t debounce_us;  /* of an input; 0: not debounced */
};

/* What an implementation is given at its start; it uses what is its own. */
struct gpio_host_args {
	struct ev_loop *loop;
	struct log *log;
	unsigned int sim_lines;
	const char *sim_names;	 /* separated by commas; NULL: none */
	const char *sim_wire;	 /* pairs of lines, "0-1,2-3"; NULL: none */
	struct control *control; /* where a simulator's commands are added; NULL: there is no socket */
};

struct gpio_host;
struct gpio_chip;

struct gpio_host_ops {
	bool debounces; /* debounce_us can be had */

	/*
	 * What it does with the host after chip_open has found the chips of these specs (chips[n], NULL: any), by the
	 * arguments alone. May be NULL.
	 */
	void (*needs)(const struct gpio_host_args *args, const char *const *chips, unsigned int n, struct sandbox *s);
	/* Looks at the arguments.  Returns 0, or -EINVAL after a line that says what would be right.  May be NULL. */
	int (*check)(const struct gpio_host_args *args);
	/* Makes the host; NULL: this build has no such host.  Returns 0 and *out (end with stop), or -errno after it has logged why. */
	int (*start)(const struct gpio_host_args *args, struct gpio_host **out);
	void (*stop)(struct gpio_host *h);

	/*
	 * Opens a chip: a path, a number N for /dev/gpiochipN, or a label; NULL: the only one there is.
	 * label: NULL, or the chip must have this one (one that comes back).  Returns 0 and *out (end with
	 * chip_close), or -errno without a word; -ENODEV: there is no such chip.
	 */
	int (*chip_open)(struct gpio_host *h, const char *spec, const char *label, struct gpio_chip **out);
	/* Writes which chips there are: "are gpiochip0 [sim] (8 lines), ...", or "is none".  NULL: only one can be. */
	void (*chips_tell)(char *buf, size_t size);
	/* Releases its lines, too. */
	void (*chip_close)(struct gpio_chip *chip);
	const char *(*chip_label)(const struct gpio_chip *chip);
	unsigned int (*chip_lines)(const struct gpio_chip *chip);

	/* Functions of a line, by its offset, which must be below chip_lines.  They return 0 or -errno. */

	/* The line's name, cut to size; empty: it has none. */
	int (*line_name)(struct gpio_chip *chip, unsigned int offset, char name[static GPIO_NAME_SIZE]);
	/*
	 * Takes the line for us, or changes how we use it.  -EBUSY: somebody else has it.  After an error it may
	 * be ours or not: ask again, or release it.
	 */
	int (*line_request)(struct gpio_chip *chip, unsigned int offset, const struct gpio_settings *settings);
	void (*line_release)(struct gpio_chip *chip, unsigned int offset);

	/* Of a line that is ours: its value, 0 or 1. */
	int (*line_get)(struct gpio_chip *chip, unsigned int offset);
	int (*line_set)(struct gpio_chip *chip, unsigned int offset, bool value);

	/*
	 * Of a line requested with edges: a descriptor that is readable when there are some, until the next
	 * line_request or line_release.
	 */
	int (*line_fd)(struct gpio_chip *chip, unsigned int offset);
	/*
	 * Takes the oldest edges of such a line, at most max.  Returns their number, 0 when there are none; never
	 * blocks.
	 */
	int (*line_edges)(struct gpio_chip *chip, unsigned int offset, unsigned int max);

	/*
	 * A chip is gone.  Returns a descriptor that is readable when it is worth while to try chip_open again, which
	 * stays the host's, the same for all chips that are away; or -errno.  wait_drain empties it, wait_end ends
	 * the watch.
	 */
	int (*wait_begin)(struct gpio_host *h, const char *spec);
	void (*wait_drain)(struct gpio_host *h);
	void (*wait_end)(struct gpio_host *h);
};

extern const struct gpio_host_ops gpio_host_gpiod;
extern const struct gpio_host_ops gpio_host_sim;

#endif
