/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_freq.c - performance domains of the kernel's cpufreq and devfreq subsystems.  Levels are kHz.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/scmi/scmi_sysfs.h"

/* Names of the files of a subsystem, and how many of its units are a kHz. */
struct freq_files {
	const char *levels, *lowest, *highest, *now, *min, *max, *set;
	int64_t unit;
};

static const struct freq_files cpufreq = {
	"scaling_available_frequencies",
	"cpuinfo_min_freq",
	"cpuinfo_max_freq",
	"scaling_cur_freq",
	"scaling_min_freq",
	"scaling_max_freq",
	"scaling_setspeed",
	1,
};

static const struct freq_files devfreq = {
	"available_frequencies", "min_freq", "max_freq", "cur_freq", "min_freq", "max_freq", "userspace/set_freq", 1000,
};

struct scmi_host {
	struct scmi_sysfs f;
	int64_t unit;
	unsigned int now, min, max;
	int set; /* -1: there is none */
};

static void freq_close(struct scmi_host *h)
{
	scmi_sysfs_close(&h->f);
	free(h);
}

static const struct word none;

/* What it can: the levels, or the ends.  Returns 0 or -errno. */
static int levels_read(struct scmi_host *h, const struct freq_files *files, struct scmi_thing *t)
{
	int err = scmi_sysfs_peek(&h->f, &none, files->lowest, &t->min);

	if (!err)
		err = scmi_sysfs_peek(&h->f, &none, files->highest, &t->max);
	if (err)
		return err;
	t->min /= files->unit;
	t->max /= files->unit;
	t->step = 1;
	t->nlevels = scmi_sysfs_levels(&h->f, files->levels, files->unit, t->levels);
	if (t->nlevels) {
		t->min = t->levels[0];
		t->max = t->levels[t->nlevels - 1];
	}
	t->ranged = t->max > t->min;
	return t->min > 0 && t->max <= UINT32_MAX && t->min <= t->max ? 0 : -ERANGE;
}

/* The files that stay open.  Returns 0 or -errno. */
static int files_open(struct scmi_host *h, const struct freq_files *files, bool writable)
{
	int now = scmi_sysfs_add(&h->f, &none, files->now, false),
	    min = scmi_sysfs_add(&h->f, &none, files->min, writable),
	    max = scmi_sysfs_add(&h->f, &none, files->max, writable);

	if (now < 0 || min < 0 || max < 0)
		return now < 0 ? now : min < 0 ? min : max;
	h->now = (unsigned int)now;
	h->min = (unsigned int)min;
	h->max = (unsigned int)max;
	h->set = writable ? scmi_sysfs_add(&h->f, &none, files->set, true) : -1;
	return 0;
}

static int freq_open(const struct scmi_spec *spec, const struct freq_files *files, struct scmi_thing *t,
		     struct scmi_host **out, char *why, size_t why_size)
{
	struct scmi_host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	snprintf(why, why_size, "path=%.*s", WORD_SHOWN(spec->props[SCMI_PROP_PATH]));
	h->unit = files->unit;
	err = scmi_sysfs_open(&h->f, &spec->props[SCMI_PROP_PATH]);
	if (!err)
		err = levels_read(h, files, t);
	if (!err)
		err = files_open(h, files, t->writable);
	if (err) {
		freq_close(h);
		return err;
	}
	t->kind = SCMI_PERF;
	t->gets = 1u << SCMI_LEVEL | 1u << SCMI_LIMITS;
	t->sets = 1u << SCMI_LIMITS | (h->set >= 0 ? 1u << SCMI_LEVEL : 0);
	if (!t->name[0])
		snprintf(t->name, sizeof(t->name), "%.63s",
			 strrchr(h->f.path, '/') ? strrchr(h->f.path, '/') + 1 : h->f.path);
	*out = h;
	return 0;
}

static int cpufreq_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
			size_t why_size)
{
	return freq_open(spec, &cpufreq, t, out, why, why_size);
}

static int devfreq_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
			size_t why_size)
{
	return freq_open(spec, &devfreq, t, out, why, why_size);
}

static int freq_get(struct scmi_host *h, enum scmi_what what, unsigned int index, int64_t *v, unsigned int n)
{
	int err = scmi_sysfs_get(&h->f, what == SCMI_LEVEL ? h->now : h->max, &v[0]);

	if (!err && what == SCMI_LIMITS)
		err = scmi_sysfs_get(&h->f, h->min, &v[1]);
	for (unsigned int i = 0; i < n; i++)
		v[i] /= h->unit;
	return err;
}

/* One that is 0 stays. */
static int limit_put(struct scmi_host *h, unsigned int file, int64_t v)
{
	return v ? scmi_sysfs_put(&h->f, file, v) : 0;
}

/* The kernel takes no lowest above the highest: the one that gives way goes first. */
static int limits_set(struct scmi_host *h, int64_t max, int64_t min)
{
	int64_t now_max;
	int err = scmi_sysfs_get(&h->f, h->max, &now_max);

	if (err)
		return err;
	if (min > now_max) {
		err = limit_put(h, h->max, max);
		return err ? err : limit_put(h, h->min, min);
	}
	err = limit_put(h, h->min, min);
	return err ? err : limit_put(h, h->max, max);
}

static int freq_set(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n)
{
	if (what == SCMI_LIMITS)
		return limits_set(h, v[0] * h->unit, v[1] * h->unit);
	return h->set < 0 ? -EOPNOTSUPP : scmi_sysfs_put(&h->f, (unsigned int)h->set, v[0] * h->unit);
}

#define P(p)	   (1u << SCMI_PROP_##p)
#define FREQ_PROPS (P(NAME) | P(PATH) | P(ALLOW) | P(RATE) | P(LATENCY) | P(RO) | P(RW))

const struct scmi_type scmi_cpufreq_type = {
	.name = "cpufreq",
	.help = "a policy of cpufreq (/sys/devices/system/cpu/cpufreq/policy0); with rw the guest sets its limits, and "
		"with the governor "
		"userspace its level",
	.props = FREQ_PROPS,
	.wants = P(PATH),
	.blocks = true,
	.needs = scmi_sysfs_needs,
	.open = cpufreq_open,
	.close = freq_close,
	.get = freq_get,
	.set = freq_set,
};

const struct scmi_type scmi_devfreq_type = {
	.name = "devfreq",
	.help = "a device of devfreq (/sys/class/devfreq/...); with rw the guest sets its limits, and with the "
		"governor userspace its level",
	.props = FREQ_PROPS,
	.wants = P(PATH),
	.blocks = true,
	.needs = scmi_sysfs_needs,
	.open = devfreq_open,
	.close = freq_close,
	.get = freq_get,
	.set = freq_set,
};
