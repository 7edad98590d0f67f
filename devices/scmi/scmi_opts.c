/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_opts.c - options of the SCMI device: things, as --device names them or lines of a file do, and what the guest
 * may with each.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/scmi/scmi.h"

#define CONFIG_MAX 65536 /* bytes of --config's file */

const struct scmi_type *const scmi_types[] = {
	&scmi_iio_type,
	&scmi_hwmon_type,
	&scmi_thermal_type,
	&scmi_powercap_type,
	&scmi_cpufreq_type,
	&scmi_devfreq_type,
	&scmi_regulator_type,
	&scmi_gpio_type,
	&scmi_clk_type,
	&scmi_fake_type,
	NULL,
};

/* Their order is that of enum scmi_prop. */
static const struct {
	const char *name, *help;
	bool flag;
} props[SCMI_PROPS] = {
	[SCMI_PROP_NAME] = {"name", "what the guest calls it; at most 63 letters", false},
	[SCMI_PROP_PATH] = {"path", "its folder or its device node", false},
	[SCMI_PROP_CHANNEL] = {"channel", "which of its channels: in_accel, temp1", false},
	[SCMI_PROP_KIND] = {"kind", "what it is, where it can be several things", false},
	[SCMI_PROP_VALUE] = {"value", "of a fake thing: its value at first", false},
	[SCMI_PROP_LEVELS] = {"levels", "rates or levels that it has: N:N:N", false},
	[SCMI_PROP_RANGE] = {"range", "the same as MIN:MAX or MIN:MAX:STEP", false},
	[SCMI_PROP_ALLOW] = {"allow", "values the guest may set: MIN:MAX", false},
	[SCMI_PROP_RATE] = {"rate", "how often the guest may read or set it: 100/s", false},
	[SCMI_PROP_INTERVAL] = {"interval", "how often it has another value, in us", false},
	[SCMI_PROP_LATENCY] = {"latency", "how long it takes to be set, in us", false},
	[SCMI_PROP_LINE] = {"line", "number of a gpio line; of several: N:N:N", false},
	[SCMI_PROP_PINS] = {"pins", "how many pins a group has (4)", false},
	[SCMI_PROP_PARENTS] = {"parents", "clocks that can drive it, by their names: a:b", false},
	[SCMI_PROP_CONSUMER] = {"consumer", "folder of a userspace consumer, which switches it", false},
	[SCMI_PROP_RO] = {"ro", "the guest cannot set it", true},
	[SCMI_PROP_RW] = {"rw", "the guest can set it", true},
	[SCMI_PROP_ACTIVE_LOW] = {"active-low", "of a line: it is active when it is low", true},
	[SCMI_PROP_BUFFERED] = {"buffered", "updates come by its buffer, /dev/iio:deviceN", true},
};

/* One of each: what drivers can be tried with. */
static const char *const board[] = {
	"fake,kind=temperature",
	"fake,kind=voltage",
	"fake,kind=current",
	"fake,kind=power",
	"fake,kind=energy",
	"fake,kind=accel",
	"fake,kind=clock,name=osc,ro",
	"fake,kind=clock,name=pll-of-the-video-engine,range=1000000:600000000:1000000,parents=osc",
	"fake,kind=clock,name=uart,levels=1843200:3686400:7372800:14745600:24000000",
	"fake,kind=regulator",
	"fake,kind=regulator,name=vio,levels=1200000:1800000:3300000",
	"fake,kind=reset",
	"fake,kind=domain",
	"fake,kind=perf",
	"fake,kind=powercap",
	"fake,kind=pins,name=i2c0,pins=2",
	"fake,kind=pins,name=uart0,pins=4",
	NULL,
};

/* ---- words */

int scmi_word_signed(const struct word *w, int64_t *n)
{
	struct word digits = *w;
	bool minus = digits.len && *digits.text == '-';
	uint64_t u;

	digits.text += minus;
	digits.len -= minus;
	if (word_number(&digits, &u) < 0 || u > INT64_MAX)
		return -EINVAL;
	*n = minus ? -(int64_t)u : (int64_t)u;
	return 0;
}

int scmi_word_levels(const struct word *w, int64_t *levels, unsigned int max, unsigned int *n)
{
	struct word rest = *w, behind;

	*n = 0;
	for (bool more = true; more; rest = behind) {
		more = word_cut(&rest, ':', &behind);
		if (*n == max || scmi_word_signed(&rest, &levels[*n]) < 0)
			return -EINVAL;
		if (*n && levels[*n] <= levels[*n - 1])
			return -EINVAL;
		/* Distances are computed with. */
		if (levels[0] < 0 && levels[*n] > INT64_MAX + levels[0])
			return -EINVAL;
		++*n;
	}
	return 0;
}

int scmi_word_range(const struct word *w, int64_t *min, int64_t *max, int64_t *step)
{
	struct word first = *w, second, third;
	bool stepped;

	if (!word_cut(&first, ':', &second))
		return -EINVAL;
	stepped = word_cut(&second, ':', &third);
	*step = 1;
	if (scmi_word_signed(&first, min) < 0 || scmi_word_signed(&second, max) < 0 || *min > *max ||
	    (*min < 0 && *max > INT64_MAX + *min))
		return -EINVAL;
	return stepped && (scmi_word_signed(&third, step) < 0 || *step < 1) ? -EINVAL : 0;
}

/* ---- a thing */

static const struct scmi_type *type_find(const struct word *w)
{
	for (size_t i = 0; scmi_types[i]; i++) {
		if (word_is(w, scmi_types[i]->name))
			return scmi_types[i];
	}
	return NULL;
}

/* Reads "name=value" or a flag into a spec, for one of the properties in this set.  Returns 0 or -EINVAL with a reason.
 */
static int prop_parse(struct scmi_spec *spec, unsigned int known, struct word w, char *why, size_t why_size)
{
	struct word value, name = w;
	bool has_value = word_cut(&name, '=', &value);

	for (unsigned int i = 0; i < SCMI_PROPS; i++) {
		if (!word_is(&name, props[i].name) || !(known & BIT(i)))
			continue;
		if (props[i].flag == has_value || (has_value && !value.len))
			snprintf(why, why_size,
				 props[i].flag ? "%.*s: it has no value" : "%.*s: it wants a value, %.*s=VALUE",
				 WORD_SHOWN(w), WORD_SHOWN(name));
		else if (scmi_spec_has(spec, i))
			snprintf(why, why_size, "%.*s: it is there twice", WORD_SHOWN(w));
		else {
			spec->props[i] = has_value ? value : name;
			return 0;
		}
		return -EINVAL;
	}
	snprintf(why, why_size, "%.*s: not a property of it (--help-devices shows them)", WORD_SHOWN(name));
	return -EINVAL;
}

/* What all types have in common. */
static int policy_check(const struct scmi_spec *spec, char *why, size_t why_size)
{
	int64_t min, max, step;
	struct policy_rate rate;
	char text[64];
	uint64_t n;

	if (scmi_spec_has(spec, SCMI_PROP_RO) && scmi_spec_has(spec, SCMI_PROP_RW)) {
		snprintf(why, why_size, "ro and rw do not go together");
		return -EINVAL;
	}
	if (scmi_spec_has(spec, SCMI_PROP_ALLOW) &&
	    scmi_word_range(&spec->props[SCMI_PROP_ALLOW], &min, &max, &step) < 0) {
		snprintf(why, why_size, "allow=MIN:MAX is wanted, in whole numbers");
		return -EINVAL;
	}
	for (unsigned int p = SCMI_PROP_INTERVAL; p <= SCMI_PROP_LATENCY; p++) {
		if (scmi_spec_has(spec, p) && (word_number(&spec->props[p], &n) < 0 || n > UINT32_MAX)) {
			snprintf(why, why_size, "%s=N is wanted, in us", props[p].name);
			return -EINVAL;
		}
	}
	if (!scmi_spec_has(spec, SCMI_PROP_RATE))
		return 0;
	if (word_copy(&spec->props[SCMI_PROP_RATE], text, sizeof(text)))
		return policy_rate_parse(&rate, text, why, why_size);
	snprintf(why, why_size, "rate=N/s is wanted");
	return -EINVAL;
}

static int spec_check(const struct scmi_spec *spec, char *why, size_t why_size)
{
	const struct scmi_type *t = spec->type;
	int err;

	for (unsigned int i = 0; i < SCMI_PROPS; i++) {
		if (t->wants & BIT(i) && !scmi_spec_has(spec, i)) {
			snprintf(why, why_size, "%s=VALUE is wanted: %s", props[i].name, props[i].help);
			return -EINVAL;
		}
	}
	if (spec->props[SCMI_PROP_NAME].len > SCMI_NAME_MAX || spec->props[SCMI_PROP_PATH].len >= PATH_MAX) {
		snprintf(why, why_size, "a name of at most %d letters is wanted", SCMI_NAME_MAX);
		return -EINVAL;
	}
	err = policy_check(spec, why, why_size);
	return err || !t->check ? err : t->check(spec, why, why_size);
}

/* Reads "TYPE,property=value,...".  Returns 0 or -EINVAL with a reason in why. */
static int device_add(struct scmi *s, struct word rest, char *why, size_t why_size)
{
	struct word w = rest;
	struct scmi_spec spec = {0};
	bool more = word_cut(&w, ',', &rest);
	int err = 0;

	if (word_is(&w, "board") && !more) {
		for (unsigned int i = 0; board[i] && !err; i++)
			err = device_add(s, word_of(board[i]), why, why_size);
		return err;
	}
	spec.type = type_find(&w);
	if (!spec.type) {
		snprintf(why, why_size, "%.*s: not a type of device (--help-devices shows them)", WORD_SHOWN(w));
		return -EINVAL;
	}
	while (more && !err) {
		w = rest;
		more = word_cut(&w, ',', &rest);
		err = prop_parse(&spec, spec.type->props, w, why, why_size);
	}
	if (!err)
		err = spec_check(&spec, why, why_size);
	if (!err && s->nspecs == SCMI_RES_MAX) {
		snprintf(why, why_size, "at most %d devices", SCMI_RES_MAX);
		err = -EINVAL;
	}
	if (!err)
		s->specs[s->nspecs++] = spec;
	return err;
}

static int set_device(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return device_add(obj, word_of(value), why, why_size);
}

#define POLICY_PROPS (1u << SCMI_PROP_RO | 1u << SCMI_PROP_RW | 1u << SCMI_PROP_ALLOW | 1u << SCMI_PROP_RATE)

/* Reads the words of a policy over those of a device. */
static int policy_apply(struct scmi_spec *spec, const struct word *words, char *why, size_t why_size)
{
	struct scmi_spec said = {.type = spec->type};
	struct word w = *words, rest;
	int err = 0;

	for (bool more = true; more && !err; w = rest) {
		more = word_cut(&w, ',', &rest);
		err = prop_parse(&said, POLICY_PROPS, w, why, why_size);
	}
	if (!err)
		err = policy_check(&said, why, why_size);
	if (err)
		return err;
	if (scmi_spec_has(&said, SCMI_PROP_RO) || scmi_spec_has(&said, SCMI_PROP_RW))
		spec->props[SCMI_PROP_RO] = spec->props[SCMI_PROP_RW] = (struct word){0};
	for (unsigned int i = 0; i < SCMI_PROPS; i++) {
		if (scmi_spec_has(&said, i))
			spec->props[i] = said.props[i];
	}
	return 0;
}

static int set_policy(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct scmi *s = obj;
	struct scmi_spec trial = {0};
	struct word name = word_of(value), words;

	if (!word_cut(&name, ',', &words) || !name.len) {
		snprintf(why, why_size,
			 "NAME,WORD,... is wanted, as: uart,ro or uart,rw,allow=1000000:24000000,rate=10/s");
		return -EINVAL;
	}
	if (policy_apply(&trial, &words, why, why_size) < 0)
		return -EINVAL;
	if (s->npolicies == ARRAY_SIZE(s->policies)) {
		snprintf(why, why_size, "at most %d policies", SCMI_RES_MAX);
		return -EINVAL;
	}
	s->policies[s->npolicies].name = name;
	s->policies[s->npolicies++].words = words;
	return 0;
}

static int set_system_power(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct scmi *s = obj;
	struct word w = word_of(value), behind;
	bool more = word_cut(&w, ':', &behind);

	s->has_system = true;
	if (word_is(&w, "tell") && !more) {
		s->system_power = SCMI_SYSTEM_TELL;
		return 0;
	}
	if (word_is(&w, "run") && behind.len) {
		s->system_power = SCMI_SYSTEM_RUN;
		s->system_command = behind.text;
		return 0;
	}
	if (word_is(&w, "signal") && word_number(&behind, &s->system_pid) == 0 && s->system_pid > 0 &&
	    s->system_pid <= INT_MAX) {
		s->system_power = SCMI_SYSTEM_SIGNAL;
		return 0;
	}
	snprintf(why, why_size, "tell, signal:PID or run:COMMAND is wanted");
	return -EINVAL;
}

/* Reads each policy over its devices, as far as they are known.  Returns a name that no device has, or NULL. */
static const struct word *policies_apply(struct scmi *s)
{
	const struct word *unknown = NULL;
	char why[160];

	for (unsigned int i = 0; i < s->npolicies; i++) {
		bool found = false;

		for (unsigned int j = 0; j < s->nspecs; j++) {
			const struct word *name = &s->specs[j].props[SCMI_PROP_NAME];

			if (name->len != s->policies[i].name.len ||
			    strncmp(name->text, s->policies[i].name.text, name->len) != 0)
				continue;
			found = true;
			(void)policy_apply(&s->specs[j], &s->policies[i].words, why, sizeof(why));
		}
		if (!found && !unknown)
			unknown = &s->policies[i].name;
	}
	return unknown;
}

int scmi_check(struct scmi *s)
{
	const char *const names[] = {s->vendor, s->sub_vendor, s->agent};
	const struct word *unknown = policies_apply(s);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) < SCMI_SHORT_NAME)
			continue;
		log_usage(&s->d.log, "--%s=%.40s: at most 15 letters are wanted",
			  i == 0   ? "vendor"
			  : i == 1 ? "sub-vendor"
				   : "agent",
			  names[i]);
		return -EINVAL;
	}
	/* Those of --config are not known yet. */
	if (!unknown || s->config)
		return 0;
	log_usage(&s->d.log, "--policy=%.*s: no --device has this name=", WORD_SHOWN(*unknown));
	return -EINVAL;
}

/* What --help-devices says. */
bool scmi_print(const struct vdev *d, FILE *out)
{
	const struct scmi *s = container_of(d, struct scmi, d);

	if (!s->help_devices)
		return false;
	fprintf(out, "Devices, for --device=TYPE,property=value,...:\n\n");
	for (size_t i = 0; scmi_types[i]; i++) {
		fprintf(out, "%s: %s\n    ", scmi_types[i]->name, scmi_types[i]->help);
		for (unsigned int p = 0; p < SCMI_PROPS; p++) {
			if (scmi_types[i]->props & BIT(p))
				fprintf(out, "%s%s%s ", props[p].name, props[p].flag ? "" : "=",
					scmi_types[i]->wants & BIT(p) ? "*" : "");
		}
		fprintf(out, "\n\n");
	}
	fprintf(out,
		"board: one fake thing of each kind, and some more\n\nProperties; those marked * must be there:\n\n");
	for (unsigned int p = 0; p < SCMI_PROPS; p++)
		fprintf(out, "    %-10s  %s\n", props[p].name, props[p].help);
	return true;
}

/* ---- opening */

static void policy_take(struct scmi_res *r)
{
	const struct scmi_spec *spec = r->spec;
	char text[64];
	int64_t step;

	if (scmi_spec_has(spec, SCMI_PROP_ALLOW))
		r->limited = scmi_word_range(&spec->props[SCMI_PROP_ALLOW], &r->allow_min, &r->allow_max, &step) == 0;
	if (scmi_spec_has(spec, SCMI_PROP_RATE) && word_copy(&spec->props[SCMI_PROP_RATE], text, sizeof(text)))
		(void)policy_rate_parse(&r->rate, text, text, sizeof(text));
}

/* What a guest's changes go back to. */
static void initial_read(struct scmi_res *r)
{
	for (unsigned int what = SCMI_RATE; what <= SCMI_PAI; what++) {
		unsigned int n = what == SCMI_LIMITS ? 2 : 1;
		int64_t v[SCMI_VALUES] = {0};

		if (!(r->thing.sets & BIT(what)) || r->type->get(r->host, what, 0, v, n) < 0)
			continue;
		r->known |= (unsigned int)BIT(what);
		r->initial[what][0] = v[0];
		r->initial[what][1] = v[1];
	}
}

static int thing_open(struct scmi *s, const struct scmi_spec *spec)
{
	struct scmi_res *r = calloc(1, sizeof(*r));
	char why[160] = "";
	uint64_t n;
	int err;

	if (!r)
		return -ENOMEM;
	r->s = s;
	r->spec = spec;
	r->type = spec->type;
	r->guest.enabled = true;
	scmi_sensor_init(r);
	s->res[s->nres++] = r;
	if (scmi_spec_has(spec, SCMI_PROP_NAME))
		word_copy(&spec->props[SCMI_PROP_NAME], r->thing.name, sizeof(r->thing.name));
	r->thing.writable = scmi_spec_has(spec, SCMI_PROP_RW) ||
			    (r->type->fake && !scmi_spec_has(spec, SCMI_PROP_RO)) ||
			    (r->type->writes && !scmi_spec_has(spec, SCMI_PROP_RO));
	err = r->type->open(spec, &r->thing, &r->host, why, sizeof(why));
	if (err) {
		log_error(&s->d.log, "--device=%s: %s%s%s", r->type->name, why, why[0] ? ": " : "", strerror(-err));
		return err;
	}
	if (scmi_spec_has(spec, SCMI_PROP_LATENCY) && word_number(&spec->props[SCMI_PROP_LATENCY], &n) == 0)
		r->thing.latency = (uint32_t)n;
	if (scmi_spec_has(spec, SCMI_PROP_INTERVAL) && word_number(&spec->props[SCMI_PROP_INTERVAL], &n) == 0)
		r->thing.interval = n;
	if (r->thing.streams)
		ev_io_set(&r->sample, r->thing.stream_fd, EV_READ);
	policy_take(r);
	initial_read(r);
	r->id = s->count[r->thing.kind]++;
	s->of_kind[r->thing.kind][r->id] = r;
	r->first_pin = s->npins;
	s->npins += r->thing.npins;
	return 0;
}

struct scmi_res *scmi_named(struct scmi *s, const struct word *name)
{
	for (unsigned int i = 0; i < s->nres; i++) {
		if (word_is(name, s->res[i]->thing.name))
			return s->res[i];
	}
	return NULL;
}

/* Lines of --config: as --device, with empty ones and those that begin with '#'. */
static int config_read(struct scmi *s)
{
	char why[160];
	FILE *f = fopen(s->config, "re");
	const char *rest;
	struct word w;
	size_t len;

	s->config_text = malloc(CONFIG_MAX + 1);
	len = f && s->config_text ? fread(s->config_text, 1, CONFIG_MAX + 1, f) : 0;
	if (!f || !s->config_text || ferror(f) || len > CONFIG_MAX) {
		int err = len > CONFIG_MAX ? EFBIG : errno;

		log_error(&s->d.log, "--config=%s: %s", s->config, strerror(err));
		if (f)
			fclose(f);
		return -err;
	}
	fclose(f);
	s->config_text[len] = '\0';
	rest = s->config_text;
	for (unsigned int line = 1; word_next(&rest, '\n', &w); line++) {
		if (!w.len || *w.text == '#')
			continue;
		if (device_add(s, w, why, sizeof(why)) == 0)
			continue;
		log_error(&s->d.log, "--config=%s: line %u: %s", s->config, line, why);
		return -EINVAL;
	}
	return 0;
}

/* Names of clocks become indexes later; that they are clocks is known now. */
static int parents_check(struct scmi *s)
{
	for (unsigned int i = 0; i < s->nres; i++) {
		const struct scmi_thing *t = &s->res[i]->thing;

		for (unsigned int p = 0; p < t->nparents; p++) {
			const struct scmi_res *parent = scmi_named(s, &t->parents[p]);

			if (parent && parent->thing.kind == SCMI_CLOCK && parent != s->res[i])
				continue;
			log_error(&s->d.log, "--device=...,name=%s,parents=%.*s: not another clock", t->name,
				  WORD_SHOWN(t->parents[p]));
			return -EINVAL;
		}
	}
	return 0;
}

int scmi_things_open(struct scmi *s)
{
	int err = s->config ? config_read(s) : 0;

	const struct word *unknown = err ? NULL : policies_apply(s);

	if (unknown) {
		log_error(&s->d.log, "--policy=%.*s: no --device has this name=, nor has a line of --config", WORD_SHOWN(*unknown));
		err = -EINVAL;
	}
	for (unsigned int i = 0; !err && i < s->nspecs; i++)
		err = thing_open(s, &s->specs[i]);
	return err ? err : parents_check(s);
}

void scmi_things_close(struct scmi *s)
{
	const int64_t off = 0;

	for (unsigned int i = 0; i < s->nres; i++) {
		struct scmi_res *r = s->res[i];

		ev_timer_stop(s->d.loop, &r->poll);
		ev_io_stop(s->d.loop, &r->sample);
		if (r->host && r->streaming)
			(void)r->type->set(r->host, SCMI_STREAM, 0, &off, 1);
		ev_timer_stop(s->d.loop, &r->stream_io.delay);
		ev_timer_stop(s->d.loop, &r->poll_io.delay);
		ev_timer_stop(s->d.loop, &r->back_io.delay);
		if (r->host)
			r->type->close(r->host);
		free(r);
	}
	free(s->config_text);
}

/* ---- the table */

const struct opt scmi_opts[] = {
	{
		.name = "device",
		.letter = 'd',
		.type = OPT_CALL,
		.many = true,
		.arg = "TYPE,...",
		.help = "a thing: hwmon,path=/sys/class/hwmon/hwmon0,...",
		.man = MAN("A thing of the host that the guest gets, as TYPE,property=value,...; repeatable.  "
			   "--help-devices lists the types "
			   "and their properties.  Called as vhost-device-scmi, several can stand behind one -d, with blanks "
			   "between."),
		.set = set_device,
	},
	{
		.name = "help-devices",
		.type = OPT_FLAG,
		.off = offsetof(struct scmi, help_devices),
		.help = "list types of things and their properties, exit",
		.man = MAN("List the types of things and their properties, and exit."),
	},
	{
		.name = "config",
		.type = OPT_TEXT,
		.off = offsetof(struct scmi, config),
		.arg = "FILE",
		.help = "a file of such things, one a line",
		.man = MAN("A file with things as --device takes them, one a line, behind those of the command line.  "
			   "Empty lines and those "
			   "that begin with # are passed over.  --print-sandbox does not read it, and shows nothing of them."),
	},
	{
		.name = "policy",
		.type = OPT_CALL,
		.arg = "NAME,WORD,...",
		.help = "what the guest may with it: uart,ro",
		.man = MAN("What the guest may with the thing of this name: ro, it cannot set it; rw, it can; "
			   "allow=MIN:MAX, which rates and "
			   "levels it can set; rate=N/s, how often it can read or set it, beyond which it is told "
			   "BUSY.  The same words can be "
			   "among those of --device.  " POLICY_RATE_MAN),
		.set = set_policy,
	},
	{
		.name = "system-power",
		.type = OPT_CALL,
		.once = true,
		.arg = "WHAT",
		.help = "on a guest's shutdown: tell, signal:PID, run:CMD",
		.man = MAN("The guest has the system power protocol: it may ask for a shutdown or a reset.  tell: a "
			   "line is logged, and who "
			   "watches the socket of --control is told.  signal:PID: a process gets SIGTERM for a "
			   "shutdown, SIGHUP for a reset, too.  "
			   "run:COMMAND: the shell runs a command, with the request (shutdown, cold-reset, warm-reset, "
			   "power-up, suspend) in "
			   "SCMI_STATE and 1 in SCMI_GRACEFUL or 0; it is started outside of the sandbox, one at a "
			   "time.  Without the option there is "
			   "no such protocol."),
		.set = set_system_power,
	},
	{
		.name = "vendor",
		.type = OPT_TEXT,
		.off = offsetof(struct scmi, vendor),
		.arg = "NAME",
		.def = "vdevd",
		.help = "who made the platform; at most 15 letters",
	},
	{
		.name = "sub-vendor",
		.type = OPT_TEXT,
		.off = offsetof(struct scmi, sub_vendor),
		.arg = "NAME",
		.def = "virtio",
		.help = "and its part",
	},
	{
		.name = "implementation",
		.type = OPT_UINT,
		.off = offsetof(struct scmi, implementation),
		.arg = "N",
		.max = UINT32_MAX,
		.help = "the implementation version (0)",
	},
	{
		.name = "agent",
		.type = OPT_TEXT,
		.off = offsetof(struct scmi, agent),
		.arg = "NAME",
		.def = "guest",
		.help = "what the guest is called; at most 15 letters",
	},
	{0},
};
