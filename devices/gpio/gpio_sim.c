/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_sim.c - a chip of lines that are nowhere but here, for --backend=sim: a person or a test plays the world outside
 * through a control socket (core/control.h).
 *
 * A line's level is what the guest drives, or else what the world drives, or else where a resistor pulls it, or else
 * low.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/control.h"
#include "core/loop.h"
#include "core/opt.h"
#include "devices/gpio/gpio_host.h"

#define SIM_LABEL "sim"

/* Nobody drives a line; no resistor pulls it. */
#define SIM_OPEN (-1)

struct sim_line {
	char name[GPIO_NAME_SIZE];
	int outside;		       /* what the world drives: 0, 1 or SIM_OPEN */
	int pull;		       /* the world's resistor: likewise */
	bool taken;		       /* somebody else has it */
	bool requested;		       /* the device has it */
	struct gpio_settings settings; /* then */
	bool level;
	unsigned int wire; /* number of the line that has this one's level from outside, plus 1 */
	int edges[2];	   /* a pipe with a byte for each edge to be told; -1: none */
};

/* The chip is the host's: opening it says that the device uses it. */
struct gpio_chip {
	struct gpio_host *h;
};

struct gpio_host {
	struct gpio_chip chip;
	struct control *control; /* the device's; NULL: none */
	bool unplugged;
	bool stale; /* it was unplugged since the device opened it */
	int back;   /* eventfd: the chip was plugged in again; -1: nobody waits */
	unsigned int nlines;
	struct sim_line lines[];
};

/* The level a line has by all that acts on it. */
static bool line_level(const struct sim_line *l)
{
	const struct gpio_settings *s = &l->settings;
	bool high = s->value != s->active_low;

	if (l->requested && s->output && !(s->drive == GPIO_DRIVE_OPEN_DRAIN && high) &&
	    !(s->drive == GPIO_DRIVE_OPEN_SOURCE && !high))
		return high;
	if (l->outside != SIM_OPEN)
		return l->outside;
	if (l->pull != SIM_OPEN)
		return l->pull;
	return l->requested && s->bias == GPIO_BIAS_PULL_UP;
}

/* What a line is used for, in a word. */
static const char *line_use(const struct sim_line *l)
{
	if (!l->requested)
		return l->taken ? "taken" : "unused";
	if (l->settings.output)
		return "output";
	return l->settings.edges ? "interrupt" : "input";
}

/* Something that acts on a line has changed: those who watch hear of a new level, the device of an edge. */
static void line_update(struct gpio_host *h, struct sim_line *l)
{
	bool level = line_level(l);
	unsigned int edge = level != (l->requested && l->settings.active_low) ? GPIO_EDGE_RISING : GPIO_EDGE_FALLING;
	ssize_t n;

	if (level == l->level)
		return;
	l->level = level;
	if (h->control)
		control_tell(h->control, "%u %s %s %u", (unsigned int)(l - h->lines), l->name[0] ? l->name : "-",
			     line_use(l), level);
	if (l->settings.edges & edge && l->edges[1] >= 0) {
		/* A full pipe holds more edges than any kernel would keep; the rest is lost as there. */
		n = write(l->edges[1], "", 1);
		(void)n;
	}
	/* Wires that make a ring come to rest: a level is taken over as it is. */
	if (l->wire) {
		h->lines[l->wire - 1].outside = level;
		line_update(h, &h->lines[l->wire - 1]);
	}
}

/* The device has the line no more. */
static void line_free(struct gpio_host *h, struct sim_line *l)
{
	l->requested = false;
	l->settings = (struct gpio_settings){0};
	line_update(h, l);
}

static void pipe_close(struct sim_line *l)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (l->edges[i] >= 0)
			close(l->edges[i]);
		l->edges[i] = -1;
	}
}

/*
 * The world's side.
 */

/* Finds a line by its offset or name. */
static struct sim_line *line_find(struct gpio_host *h, const char *word, char *why, size_t why_size)
{
	uint64_t offset;

	if (opt_parse_number(word, false, &offset) == 0 && offset < h->nlines)
		return &h->lines[offset];
	for (unsigned int i = 0; i < h->nlines; i++) {
		if (h->lines[i].name[0] && strcmp(h->lines[i].name, word) == 0)
			return &h->lines[i];
	}
	snprintf(why, why_size, "'%s': a line's number below %u or its name is wanted", word, h->nlines);
	return NULL;
}

/* Reads 0, 1 or the word for neither. */
static int level_parse(const char *word, const char *low, const char *high, const char *open, int *level)
{
	if (strcmp(word, low) == 0)
		*level = 0;
	else if (strcmp(word, high) == 0)
		*level = 1;
	else if (strcmp(word, open) == 0)
		*level = SIM_OPEN;
	else
		return -EINVAL;
	return 0;
}

static int run_list(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct gpio_host *h = arg;

	for (unsigned int i = 0; i < h->nlines; i++) {
		const struct sim_line *l = &h->lines[i];

		control_say(c, "%u %s %s %u", i, l->name[0] ? l->name : "-", line_use(l), l->level);
	}
	return 0;
}

static int run_get(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim_line *l = line_find(arg, argv[0], why, why_size);

	if (!l)
		return -ENOENT;
	control_say(c, "%u", l->level);
	return 0;
}

static int run_set(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct gpio_host *h = arg;
	struct sim_line *l = line_find(h, argv[0], why, why_size);

	if (!l)
		return -ENOENT;
	/* Several levels are set one after the other: an edge for each change. */
	for (unsigned int i = 1; i < argc; i++) {
		int level;

		if (level_parse(argv[i], "0", "1", "open", &level) < 0) {
			snprintf(why, why_size, "'%s': 0, 1 or open is wanted", argv[i]);
			return -EINVAL;
		}
		l->outside = level;
		line_update(h, l);
	}
	return 0;
}

static int run_pull(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct gpio_host *h = arg;
	struct sim_line *l = line_find(h, argv[0], why, why_size);

	if (!l)
		return -ENOENT;
	if (level_parse(argv[1], "down", "up", "none", &l->pull) < 0) {
		snprintf(why, why_size, "'%s': up, down or none is wanted", argv[1]);
		return -EINVAL;
	}
	line_update(h, l);
	return 0;
}

static int run_take(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim_line *l = line_find(arg, argv[0], why, why_size);

	if (!l)
		return -ENOENT;
	if (l->requested) {
		snprintf(why, why_size, "'%s': the guest has it", argv[0]);
		return -EBUSY;
	}
	l->taken = true;
	return 0;
}

static int run_leave(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct sim_line *l = line_find(arg, argv[0], why, why_size);

	if (!l)
		return -ENOENT;
	l->taken = false;
	return 0;
}

static int run_unplug(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct gpio_host *h = arg;

	h->unplugged = h->stale = true;
	for (unsigned int i = 0; i < h->nlines; i++) {
		struct sim_line *l = &h->lines[i];

		/* As with a real chip, whoever waits for an edge finds the end of it. */
		if (l->edges[1] >= 0)
			close(l->edges[1]);
		l->edges[1] = -1;
		line_free(h, l);
	}
	return 0;
}

static int run_plug(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct gpio_host *h = arg;

	h->unplugged = false;
	if (h->back >= 0)
		eventfd_write(h->back, 1);
	return 0;
}

static const struct control_command sim_commands[] = {
	{"list", "", "show all lines: number, name, use, level", 0, 0, run_list},
	{"get", "LINE", "show a line's level", 1, 1, run_get},
	{"set", "LINE 0|1|open...", "drive a line from outside, or stop doing so", 2, CONTROL_WORDS, run_set},
	{"pull", "LINE up|down|none", "connect a resistor", 2, 2, run_pull},
	{"take", "LINE", "be somebody else who has the line", 1, 1, run_take},
	{"leave", "LINE", "no longer be", 1, 1, run_leave},
	{"unplug", "", "take the chip away", 0, 0, run_unplug},
	{"plug", "", "bring it back", 0, 0, run_plug},
	{0},
};

/*
 * The device's side.
 */

/* Names the lines.  Returns 0, or -EINVAL after it has said why. */
static int names_take(struct gpio_host *h, const char *names, struct log *log)
{
	unsigned int i = 0;

	for (const char *at = names; at; i++) {
		size_t len = strcspn(at, ",");

		if (i == h->nlines || len >= GPIO_NAME_SIZE) {
			log_usage(log, "--sim-names=%s: at most %u names of %u bytes are wanted", names, h->nlines,
				  GPIO_NAME_SIZE - 1);
			return -EINVAL;
		}
		memcpy(h->lines[i].name, at, len);
		at += len;
		at = *at ? at + 1 : NULL;
	}
	return 0;
}

/* Connects lines: "0-1,2-3".  Returns 0, or -EINVAL after it has said why. */
static int wires_take(struct gpio_host *h, const char *wires, struct log *log)
{
	char *at = (char *)wires;

	while (at && *at) {
		unsigned long from = strtoul(at, &at, 10), to = h->nlines;

		if (*at == '-')
			to = strtoul(at + 1, &at, 10);
		if (from >= h->nlines || to >= h->nlines || (*at && *at != ',')) {
			log_usage(log, "--sim-wire=%s: pairs of lines below %u, such as 0-1,2-3, are wanted", wires,
				  h->nlines);
			return -EINVAL;
		}
		h->lines[from].wire = (unsigned int)to + 1;
		at += *at == ',';
	}
	return 0;
}

static void sim_stop(struct gpio_host *h)
{
	if (!h)
		return;
	for (unsigned int i = 0; i < h->nlines; i++)
		pipe_close(&h->lines[i]);
	if (h->back >= 0)
		close(h->back);
	free(h);
}

/* Makes the chip.  Returns 0 and *out, or -errno after it has said why. */
static int sim_make(const struct gpio_host_args *args, struct gpio_host **out)
{
	struct gpio_host *h = calloc(1, sizeof(*h) + args->sim_lines * sizeof(h->lines[0]));
	int err;

	if (!h) {
		log_error(args->log, "out of memory");
		return -ENOMEM;
	}
	h->chip.h = h;
	h->back = -1;
	h->nlines = args->sim_lines;
	for (unsigned int i = 0; i < h->nlines; i++) {
		h->lines[i].outside = h->lines[i].pull = SIM_OPEN;
		h->lines[i].edges[0] = h->lines[i].edges[1] = -1;
	}
	err = names_take(h, args->sim_names, args->log);
	if (!err)
		err = wires_take(h, args->sim_wire, args->log);
	if (err) {
		sim_stop(h);
		return err;
	}
	*out = h;
	return 0;
}

static int sim_check(const struct gpio_host_args *args)
{
	struct gpio_host *h;
	int err = sim_make(args, &h);

	if (!err)
		sim_stop(h);
	return err;
}

static int sim_start(const struct gpio_host_args *args, struct gpio_host **out)
{
	int err = sim_make(args, out);

	if (err)
		return err;
	(*out)->control = args->control;
	control_add(args->control, sim_commands, *out);
	return 0;
}

static int sim_chip_open(struct gpio_host *h, const char *spec, const char *label, struct gpio_chip **out)
{
	if (h->unplugged)
		return -ENODEV;
	h->stale = false;
	*out = &h->chip;
	return 0;
}

static void sim_line_release(struct gpio_chip *chip, unsigned int offset)
{
	struct sim_line *l = &chip->h->lines[offset];

	pipe_close(l);
	line_free(chip->h, l);
}

static void sim_chip_close(struct gpio_chip *chip)
{
	for (unsigned int i = 0; i < chip->h->nlines; i++)
		sim_line_release(chip, i);
}

static const char *sim_chip_label(const struct gpio_chip *chip)
{
	return SIM_LABEL;
}

static unsigned int sim_chip_lines(const struct gpio_chip *chip)
{
	return chip->h->nlines;
}

static int sim_line_name(struct gpio_chip *chip, unsigned int offset, char name[static GPIO_NAME_SIZE])
{
	memcpy(name, chip->h->lines[offset].name, GPIO_NAME_SIZE);
	return 0;
}

static int sim_line_request(struct gpio_chip *chip, unsigned int offset, const struct gpio_settings *settings)
{
	struct sim_line *l = &chip->h->lines[offset];

	if (chip->h->stale)
		return -ENODEV;
	if (l->taken)
		return -EBUSY;
	if (settings->edges && l->edges[0] < 0 && pipe2(l->edges, O_NONBLOCK | O_CLOEXEC) < 0)
		return -errno;
	/* What becomes of the level by the request is no edge. */
	l->requested = true;
	l->settings = *settings;
	l->settings.edges = 0;
	line_update(chip->h, l);
	l->settings.edges = settings->edges;
	return 0;
}

static int sim_line_get(struct gpio_chip *chip, unsigned int offset)
{
	struct sim_line *l = &chip->h->lines[offset];

	if (chip->h->stale)
		return -ENODEV;
	return l->level != l->settings.active_low;
}

static int sim_line_set(struct gpio_chip *chip, unsigned int offset, bool value)
{
	struct sim_line *l = &chip->h->lines[offset];

	if (chip->h->stale)
		return -ENODEV;
	l->settings.value = value;
	line_update(chip->h, l);
	return 0;
}

static int sim_line_fd(struct gpio_chip *chip, unsigned int offset)
{
	return chip->h->lines[offset].edges[0];
}

static int sim_line_edges(struct gpio_chip *chip, unsigned int offset, unsigned int max)
{
	char bytes[64];
	ssize_t n = read(chip->h->lines[offset].edges[0], bytes, min_size(max, sizeof(bytes)));

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n ? (int)n : -ENODEV;
}

static int sim_wait_begin(struct gpio_host *h, const char *spec)
{
	if (h->back < 0)
		h->back = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return h->back < 0 ? -errno : h->back;
}

static void sim_wait_drain(struct gpio_host *h)
{
	eventfd_t count;

	eventfd_read(h->back, &count);
}

static void sim_wait_end(struct gpio_host *h)
{
	close(h->back);
	h->back = -1;
}

static const struct sandbox_call sim_calls[] = {
	{.name = "pipe2", .why = "edges of a simulated line"},
	{.name = "eventfd2", .why = "a chip that is plugged in again"},
	{0},
};

static void sim_needs(const struct gpio_host_args *args, const char *const *chips, unsigned int n, struct sandbox *s)
{
	sandbox_calls(s, sim_calls);
}

const struct gpio_host_ops gpio_host_sim = {
	.needs = sim_needs,
	.debounces = true,
	.check = sim_check,
	.start = sim_start,
	.stop = sim_stop,
	.chip_open = sim_chip_open,
	.chip_close = sim_chip_close,
	.chip_label = sim_chip_label,
	.chip_lines = sim_chip_lines,
	.line_name = sim_line_name,
	.line_request = sim_line_request,
	.line_release = sim_line_release,
	.line_get = sim_line_get,
	.line_set = sim_line_set,
	.line_fd = sim_line_fd,
	.line_edges = sim_line_edges,
	.wait_begin = sim_wait_begin,
	.wait_drain = sim_wait_drain,
	.wait_end = sim_wait_end,
};
