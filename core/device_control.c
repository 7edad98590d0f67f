/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * device_control.c - the commands that every device has on its control socket; see device_control.h.
 *
 * The keys of "stat" and "health" are for scripts: they stay as they are, and new ones come after them.
 */
#include "core/device_control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/control.h"
#include "core/json.h"
#include "core/words.h"

/* A whole answer in JSON is one line of at most so many bytes. */
#define JSON_MAX (CONTROL_OUT_MAX / 2)

uint64_t vdev_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 + 1;
}

/* Seconds since then, 0 where that was never. */
static double seconds_since(uint64_t ms)
{
	return ms ? (double)(vdev_now_ms() - ms) / 1000 : 0;
}

static const char *state_word(const struct vdev_queue_stats *s)
{
	if (s->broken)
		return "broken";
	return s->running ? "running" : "stopped";
}

/* ---- stat, a line for each value */

static void say_queue(struct control_client *c, struct vdev *d, unsigned int q)
{
	struct vdev_queue_stats s;

	control_say(c, "queue.%u.name %s", q, d->face.queues[q].name);
	if (!vdev_queue_stats(d, q, &s))
		return;
	control_say(c, "queue.%u.state %s", q, state_word(&s));
	control_say(c, "queue.%u.requests %ju", q, (uintmax_t)s.requests);
	control_say(c, "queue.%u.errors %ju", q, (uintmax_t)s.errors);
	control_say(c, "queue.%u.bytes-read %ju", q, (uintmax_t)s.read);
	control_say(c, "queue.%u.bytes-written %ju", q, (uintmax_t)s.written);
	control_say(c, "queue.%u.in-flight %u", q, s.in_flight);
	for (unsigned int i = 0; i < VDEV_LATENCY_BUCKETS; i++) {
		if (s.latency[i])
			control_say(c, "queue.%u.latency.%ju %ju", q, (uintmax_t)BIT(i), (uintmax_t)s.latency[i]);
	}
}

static void say_stat(struct control_client *c, struct vdev *d)
{
	control_say(c, "device %s", d->class->name);
	control_say(c, "uptime %.3f", seconds_since(d->begun_ms));
	control_say(c, "front-end %s", d->front_end_ms ? "connected" : "none");
	control_say(c, "front-end-seconds %.3f", seconds_since(d->front_end_ms));
	control_say(c, "front-ends %u", d->front_ends);
	control_say(c, "log-lost %u", log_lost());
	for (unsigned int q = 0; q < d->face.nqueues; q++)
		say_queue(c, d, q);
}

/* ---- stat json, one line */

static void json_queue(struct json *j, struct vdev *d, unsigned int q)
{
	struct vdev_queue_stats s;
	char bucket[24];

	json_object(j, NULL, false);
	json_text(j, "name", d->face.queues[q].name);
	if (vdev_queue_stats(d, q, &s)) {
		json_text(j, "state", state_word(&s));
		json_uint(j, "requests", s.requests);
		json_uint(j, "errors", s.errors);
		json_uint(j, "bytes-read", s.read);
		json_uint(j, "bytes-written", s.written);
		json_uint(j, "in-flight", s.in_flight);
		json_object(j, "latency", false);
		for (unsigned int i = 0; i < VDEV_LATENCY_BUCKETS; i++) {
			snprintf(bucket, sizeof(bucket), "%ju", (uintmax_t)BIT(i));
			if (s.latency[i])
				json_uint(j, bucket, s.latency[i]);
		}
		json_end(j);
	}
	json_end(j);
}

static void json_stat(FILE *out, struct vdev *d)
{
	struct json j;

	json_begin(&j, out);
	json_object(&j, NULL, false);
	json_text(&j, "device", d->class->name);
	json_decimal(&j, "uptime", seconds_since(d->begun_ms), 3);
	json_bool(&j, "front-end", d->front_end_ms);
	json_decimal(&j, "front-end-seconds", seconds_since(d->front_end_ms), 3);
	json_uint(&j, "front-ends", d->front_ends);
	json_uint(&j, "log-lost", log_lost());
	json_array(&j, "queues", false);
	for (unsigned int q = 0; q < d->face.nqueues; q++)
		json_queue(&j, d, q);
	json_end(&j);
	json_end(&j);
}

static int say_json(struct control_client *c, struct vdev *d, char *why, size_t why_size)
{
	size_t len = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);
	bool failed = !out;

	if (out) {
		json_stat(out, d);
		failed = ferror(out);
		failed |= fclose(out) != 0;
	}
	if (failed || len > JSON_MAX) {
		free(text);
		snprintf(why, why_size, failed ? "out of memory" : "more than an answer has room for");
		return failed ? -ENOMEM : -E2BIG;
	}
	control_say(c, "%s", text);
	free(text);
	return 0;
}

/* ---- commands */

static int run_stat(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	if (argc && strcmp(argv[0], "json") == 0)
		return say_json(c, arg, why, why_size);
	if (argc) {
		snprintf(why, why_size, "stat [json] is wanted");
		return -EINVAL;
	}
	say_stat(c, arg);
	return 0;
}

static int run_health(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct vdev *d = arg;
	struct vdev_queue_stats s;
	int broken = -1;

	for (unsigned int q = 0; q < d->face.nqueues; q++) {
		vdev_queue_stats(d, q, &s);
		if (s.broken && broken < 0)
			broken = (int)q;
	}
	control_say(c, "front-end %s", d->front_end_ms ? "connected" : "none");
	control_say(c, "log-lost %u", log_lost());
	if (broken < 0)
		return 0;
	snprintf(why, why_size, "the ring of queue %d (%s) is broken; the driver has to reset the device", broken,
		 d->face.queues[broken].name);
	return -EIO;
}

/* Whether a word of the call begins this option. */
static bool is_option(const char *word, const char *name)
{
	const size_t len = strlen(name);

	return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, len) == 0 && (word[2 + len] == '\0' || word[2 + len] == '=');
}

/* Whether "KEY=VALUE,KEY=VALUE" has this option among its keys, which may have underscores. */
static bool has_key(const char *list, const char *name)
{
	struct word w;

	while (word_next(&list, ',', &w)) {
		size_t i = 0;

		while (i < w.len && (w.text[i] == '_' ? '-' : w.text[i]) == name[i])
			i++;
		if (!name[i] && i < w.len && w.text[i] == '=')
			return true;
	}
	return false;
}

/* Whether this word, or the one behind it, is such a list: the value of an OPT_KEYS. */
static bool keys_have(const struct vdev *d, char *const *word, const char *name)
{
	for (const struct opt *o = d->class->opts; o && o->name; o++) {
		if (o->type == OPT_KEYS && is_option(word[0], o->name)) {
			const char *value = strchr(word[0], '=');

			value = value ? value + 1 : word[1];
			return value && has_key(value, name);
		}
	}
	return false;
}

static bool was_given(const struct vdev *d, const struct opt *o)
{
	const char letter[3] = {'-', o->letter, '\0'};

	for (char *const *word = d->call; word && *word; word++) {
		if (is_option(*word, o->name) || (o->letter && strncmp(*word, letter, 2) == 0) ||
		    keys_have(d, word, o->name))
			return true;
	}
	return false;
}

/* What was said, with a value that is a word of its own beside its option; then what holds where nothing was. */
static int run_policy(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct vdev *d = arg;

	for (char *const *word = d->call; word && *word; word++) {
		if (word[0][0] == '-' && word[1] && word[1][0] != '-' && !strchr(word[0], '=')) {
			control_say(c, "given %s %s", word[0], word[1]);
			word++;
		} else {
			control_say(c, "given %s", word[0]);
		}
	}
	for (const struct opt *o = d->class->opts; o && o->name; o++) {
		if (o->help && o->def && !was_given(d, o))
			control_say(c, "default --%s=%s", o->name, o->def);
	}
	return 0;
}

static const struct control_command every_device[] = {
	{"stat", "[json]", "shows what was served, a value a line, or as JSON", 0, 1, run_stat},
	{"policy", "", "shows what the guest is served by: options given, and defaults", 0, 0, run_policy},
	{"health", "", "shows what there is to worry about; an error: a ring is broken", 0, 0, run_health},
	{0},
};

int vdev_control_open(struct vdev *d)
{
	int err;

	if (!d->control_path)
		return 0;
	err = control_open(d->control_path, &d->log, d->loop, &d->control);
	if (err) {
		log_error(&d->log, "--control=%s: %s%s", d->control_path, strerror(-err),
			  err == -EADDRINUSE ? " (another process serves it, or it is no socket)" : "");
		return err;
	}
	control_add(d->control, d->class->commands, d);
	control_add(d->control, every_device, d);
	return 0;
}
