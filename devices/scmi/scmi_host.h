/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_host.h - the narrow table that things of the host stand behind: sensors, clocks, regulators, lines.
 *
 * A thing is told once what it is (open fills in a struct scmi_thing), then values are got from it and set.  All values
 * are signed 64-bit numbers in the unit of the protocol: Hz, uV, 10^scale of a sensor's unit, levels, states.
 */
#ifndef VDEVD_DEVICES_SCMI_SCMI_HOST_H
#define VDEVD_DEVICES_SCMI_SCMI_HOST_H

#include "core/device.h"
#include "core/words.h"

#define SCMI_AXES_MAX	7  /* of a sensor: what a message of 128 bytes has room for */
#define SCMI_LEVELS_MAX 64 /* rates, voltages, performance levels of a thing */
#define SCMI_VALUES	28 /* of one get or set: two for each setting of a pin */
#define SCMI_SAMPLE_MAX 256
#define SCMI_NAME_MAX	63 /* letters; the standard's 64 bytes with a zero */
#define SCMI_MODES	32 /* types of settings that a pin can have; and then: */

/* Of a pin, as a setting: what it is used for. */
#define SCMI_SETTING_FUNCTION 255
enum { SCMI_FUNCTION_NONE = -1, SCMI_FUNCTION_GPIO = 0, SCMI_FUNCTION_OWN = 1 };
/* The place of a setting: all pins of the group; a get is of the first. */
#define SCMI_ALL_PINS 0xffffffffu

/* What a thing is, so which protocol shows it. */
enum scmi_kind {
	SCMI_SENSOR,
	SCMI_CLOCK,
	SCMI_VOLTAGE,
	SCMI_RESET,
	SCMI_POWER,
	SCMI_PERF,
	SCMI_POWERCAP,
	SCMI_PIN,
	SCMI_KINDS,
};

/* What is got or set. */
enum scmi_what {
	SCMI_READING, /* all axes of a sensor */
	SCMI_RATE,    /* of a clock, Hz */
	SCMI_ENABLED, /* of a clock or a voltage: 0 or 1 */
	SCMI_PARENT,  /* of a clock: index of a possible parent */
	SCMI_LEVEL,   /* voltage, uV; performance level; power cap; state of a power domain */
	SCMI_LIMITS,  /* of a performance domain: highest, lowest level; to be set, 0 leaves one as it is */
	SCMI_LINE,    /* of a reset: 1 asserted, 0 not; 2: asserted and released */
	SCMI_PAI,     /* of a power cap: averaging interval, us */
	SCMI_DRAW,    /* of a power cap: average power, and the interval it is of */
	SCMI_SETTING, /* of a pin: pairs of type and value */
	SCMI_STREAM,  /* of a sensor: 1, its samples come by themselves; 0, no more */
};

/* Types of sensors and their axes: Arm SCMI 3.2, "Sensor Type Enumerations", which are those of DMTF DSP0249. */
enum scmi_unit {
	SCMI_UNIT_UNSPECIFIED = 0x01,
	SCMI_UNIT_CELSIUS = 0x02,
	SCMI_UNIT_VOLT = 0x05,
	SCMI_UNIT_AMPERE = 0x06,
	SCMI_UNIT_WATT = 0x07,
	SCMI_UNIT_JOULE = 0x08,
	SCMI_UNIT_LUX = 0x0d,
	SCMI_UNIT_KILOPASCAL = 0x0f,
	SCMI_UNIT_RPM = 0x13,
	SCMI_UNIT_HERTZ = 0x14,
	SCMI_UNIT_SECOND = 0x15,
	SCMI_UNIT_METRE = 0x1f,
	SCMI_UNIT_RADIAN = 0x24,
	SCMI_UNIT_GAUSS = 0x2d,
	SCMI_UNIT_FARAD = 0x30,
	SCMI_UNIT_OHM = 0x31,
	SCMI_UNIT_SIEMENS = 0x32,
	SCMI_UNIT_PPM = 0x35,
	SCMI_UNIT_PERCENT = 0x41,
	SCMI_UNIT_RADIAN_S = 0x57,
	SCMI_UNIT_METRE_S2 = 0x59,
	SCMI_UNIT_METRE_S = 0x5a,
};

/* Properties of --device; each type knows some of them. */
enum scmi_prop {
	SCMI_PROP_NAME,
	SCMI_PROP_PATH,
	SCMI_PROP_CHANNEL,
	SCMI_PROP_KIND,
	SCMI_PROP_VALUE,
	SCMI_PROP_LEVELS,
	SCMI_PROP_RANGE,
	SCMI_PROP_ALLOW,
	SCMI_PROP_RATE,
	SCMI_PROP_INTERVAL,
	SCMI_PROP_LATENCY,
	SCMI_PROP_LINE,
	SCMI_PROP_PINS,
	SCMI_PROP_PARENTS,
	SCMI_PROP_CONSUMER,
	SCMI_PROP_RO,
	SCMI_PROP_RW,
	SCMI_PROP_ACTIVE_LOW,
	SCMI_PROP_BUFFERED,
	SCMI_PROPS,
};

/* A --device as it was given: words, which live as long as the process.  One that was not given has no text. */
struct scmi_spec {
	const struct scmi_type *type;
	struct word props[SCMI_PROPS];
};

static inline bool scmi_spec_has(const struct scmi_spec *spec, enum scmi_prop p)
{
	return spec->props[p].text != NULL;
}

struct scmi_host;

/* What the guest is told of a thing.  open fills it in; zeroed is a thing that can nothing. */
struct scmi_thing {
	enum scmi_kind kind;
	char name[SCMI_NAME_MAX + 1]; /* comes with what the operator has said, or empty */
	bool writable;		      /* comes with what the operator has said; open may take it back */
	uint32_t latency;	      /* us; of a set.  0: not known */
	/* sensors */
	enum scmi_unit unit;
	int scale;	   /* a reading is in 10^scale of the unit; -16 to 15 */
	unsigned int axes; /* 0: a scalar.  Axes are X, Y, Z, W, ... */
	uint64_t interval; /* us; how often it has another value */
	bool streams;	   /* samples can come by themselves: SCMI_STREAM can be set, and then: */
	int stream_fd;	   /* is readable, and not blocking; the host's */
	size_t sample;	   /* bytes of a sample there, at most SCMI_SAMPLE_MAX */
	/* of a reading, a rate, a level: allowed ones are these, ascending; or from min to max in steps */
	unsigned int nlevels;
	int64_t levels[SCMI_LEVELS_MAX];
	bool ranged;
	int64_t min, max, step;
	/* clocks: names of other things; of which there are */
	unsigned int nparents;
	struct word parents[8];
	/* pins of a group, and types of settings they have, BIT(type) */
	unsigned int npins;
	uint32_t settings;
	/* what can be got, and what can be set: BIT(enum scmi_what) */
	unsigned int gets, sets;
};

/* A kind of thing of the host. */
struct scmi_type {
	const char *name;
	const char *help;   /* for --help-devices: one line */
	unsigned int props; /* BIT(enum scmi_prop): those it knows */
	unsigned int wants; /* those it must have */
	bool blocks;	    /* get and set wait for the host: they run on a thread, one for a thing at a time */
	bool fake;	    /* values are the operator's */
	bool writes;	    /* the guest may set it, unless "ro" is said; others want "rw" */
	/* What the sandbox is told, by the words alone. */
	void (*needs)(const struct scmi_spec *spec, struct sandbox *s);
	/* Looks at the words: touches nothing.  Returns 0 or -EINVAL with a reason in why. */
	int (*check)(const struct scmi_spec *spec, char *why, size_t why_size);
	/* Returns 0 with *out and the thing; or -errno with a reason in why.  The spec stays as long as the host. */
	int (*open)(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
		    size_t why_size);
	void (*close)(struct scmi_host *h);
	/*
	 * Gets n values, at most SCMI_VALUES.  A setting comes with its type in v[0], and its value goes to v[1].
	 * Returns 0 or -errno: -EOPNOTSUPP: there is no such thing; -ERANGE; any other is the hardware's.
	 */
	int (*get)(struct scmi_host *h, enum scmi_what what, unsigned int index, int64_t *v, unsigned int n);
	/* What a sample of the thing's stream_fd says of each axis.  On the loop, while others may be under way.  NULL:
	 * no thing streams. */
	void (*sample)(const struct scmi_host *h, const uint8_t *bytes, int64_t *v, unsigned int n);
	/* Settings: all of these or none; n is 0: those that there were at open. */
	int (*set)(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n);
};

extern const struct scmi_type scmi_fake_type, scmi_iio_type, scmi_hwmon_type, scmi_thermal_type, scmi_powercap_type,
	scmi_cpufreq_type, scmi_devfreq_type, scmi_regulator_type, scmi_gpio_type, scmi_clk_type;

/* Of fake things: changes what the guest reads, as the operator does.  Returns 0 or -ERANGE. */
int scmi_fake_put(struct scmi_host *h, unsigned int index, int64_t value);

/* Reads a signed decimal number, the whole word.  Returns 0 or -EINVAL. */
int scmi_word_signed(const struct word *w, int64_t *n);

/* Reads "1:2:3" into levels, ascending.  Returns 0 or -EINVAL. */
int scmi_word_levels(const struct word *w, int64_t *levels, unsigned int max, unsigned int *n);

/* Reads "MIN:MAX[:STEP]"; the step is 1 without.  Returns 0 or -EINVAL. */
int scmi_word_range(const struct word *w, int64_t *min, int64_t *max, int64_t *step);

#endif
