/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * device.c - what is the same for every device: life of an instance, bounds of the configuration space
 * (VIRTIO 1.4, section 2.5), features, names.
 */
#include "core/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/control.h"
#include "core/device_control.h"
#include "core/service.h"

/* Whether a device can look like this. */
static bool face_sound(const struct vdev_face *f)
{
	if (f->config_size > VDEV_CONFIG_MAX || f->nshmem > VDEV_SHMEM_MAX || f->nqueues > VDEV_QUEUES_MAX ||
	    f->memory_size > VDEV_MEMORY_MAX)
		return false;
	for (unsigned int i = 0; i < f->nqueues; i++) {
		if (f->queues[i].size > f->queues[i].max)
			return false;
	}
	return true;
}

int vdev_new(const struct vdev_class *class, const char *prefix, struct ev_loop *loop, struct vdev **out)
{
	struct opt_group group = {.title = class->name, .opts = class->opts};
	struct vdev *d;
	int ret;

	*out = NULL;
	if (!face_sound(&class->face))
		return -EINVAL;
	d = calloc(1, class->inst_size);
	if (!d)
		return -ENOMEM;
	group.obj = d;
	d->class = class;
	d->face = class->face;
	d->log.prefix = prefix;
	d->loop = loop;
	d->feature_mask = UINT64_MAX;
	if (class->opts) {
		ret = opt_defaults(&group);
		if (ret < 0) {
			free(d);
			return ret;
		}
	}
	*out = d;
	return 0;
}

int vdev_check(struct vdev *d)
{
	return d->class->check ? d->class->check(d) : 0;
}

/* Descriptors beside the device's and its queues': the loop, sockets, the log, those that come with a message. */
#define OTHER_FDS 64

/* A queue has a descriptor for kicks, one for calls and one for errors. */
#define QUEUE_FDS 3

/* Descriptors that are not the device's own. */
static uint64_t transport_fds(const struct vdev *d)
{
	return d->face.nqueues * QUEUE_FDS + d->face.nshmem + OTHER_FDS;
}

uint64_t vdev_fds_allowed(const struct vdev *d)
{
	uint64_t others = transport_fds(d);
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_max == RLIM_INFINITY)
		return UINT64_MAX;
	return r.rlim_max > others ? r.rlim_max - others : 0;
}

/* Sees that as many files can be open at once as the device may need. */
static int raise_fds(struct vdev *d)
{
	uint64_t own = d->class->fds ? d->class->fds(d) : 0;
	uint64_t want = own + transport_fds(d);
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want)
		return 0;
	if (r.rlim_max < want) {
		log_error(&d->log, "%ju open files may be needed, and %ju are allowed: raise the limit (ulimit -Hn), or ask for less",
			  (uintmax_t)want, (uintmax_t)r.rlim_max);
		return -EMFILE;
	}
	r.rlim_cur = (rlim_t)want;
	int err = setrlimit(RLIMIT_NOFILE, &r) < 0 ? -errno : 0;

	if (err)
		log_error(&d->log, "%ju open files may be needed: %s", (uintmax_t)want, strerror(-err));
	return err;
}

int vdev_open(struct vdev *d)
{
	int err = raise_fds(d);

	if (!err)
		err = vdev_control_open(d);
	if (err)
		return err;
	d->begun_ms = vdev_now_ms();
	d->opened = true;
	err = d->class->open ? d->class->open(d) : 0;
	if (!err && !face_sound(&d->face)) {
		log_error(&d->log,
			  "%u queues, %zu bytes of configuration, %u memory regions, %zu bytes of memory: more than a "
			  "device can have",
			  d->face.nqueues, d->face.config_size, d->face.nshmem, d->face.memory_size);
		err = -EINVAL;
	}
	return err;
}

const char *vdev_status(const struct vdev *d)
{
	return d->front_end_ms ? "STATUS=a front-end is connected" : "STATUS=waiting for a front-end";
}

void vdev_connected(struct vdev *d, bool connected)
{
	d->front_end_ms = connected ? vdev_now_ms() : 0;
	d->front_ends += connected;
	service_notify(vdev_status(d));
}

bool vdev_queue_stats(struct vdev *d, unsigned int q, struct vdev_queue_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (!d->transport || !d->transport->queue_stats)
		return false;
	d->transport->queue_stats(d, q, stats);
	return true;
}

void vdev_needs(const struct vdev *d, struct sandbox *s)
{
	if (d->control_path)
		control_needs(d->control_path, s);
	if (d->class->needs)
		d->class->needs(d, s);
}

void vdev_free(struct vdev *d)
{
	if (!d)
		return;
	if (d->opened && d->class->close)
		d->class->close(d);
	control_close(d->control);
	free(d->wishes);
	free(d);
}

void vdev_attach(struct vdev *d, const struct vdev_transport_ops *transport, struct virtq **queues)
{
	d->transport = transport;
	d->queues = queues;
}

struct virtq *vdev_queue(struct vdev *d, unsigned int q)
{
	return d->queues[q];
}

void vdev_config_changed(struct vdev *d)
{
	if (d->transport)
		d->transport->config_changed(d);
}

void vdev_config_read(struct vdev *d, size_t off, void *buf, size_t len)
{
	uint8_t space[VDEV_CONFIG_MAX] = {0};
	size_t size = d->face.config_size;

	memset(buf, 0, len);
	if (!d->class->config || off >= size)
		return;
	d->class->config(d, space);
	memcpy(buf, space + off, min_size(len, size - off));
}

int vdev_config_write(struct vdev *d, size_t off, const void *buf, size_t len)
{
	size_t end;

	if (__builtin_add_overflow(off, len, &end) || end > d->face.config_size)
		return -EINVAL;
	if (!d->class->config_write)
		return -EPERM;
	return d->class->config_write(d, off, buf, len);
}

int vdev_config_restore(struct vdev *d, size_t off, const void *buf, size_t len)
{
	const uint8_t *want = buf;
	uint8_t have[VDEV_CONFIG_MAX];
	size_t end, first = 0;

	if (__builtin_add_overflow(off, len, &end) || end > d->face.config_size)
		return -EINVAL;
	vdev_config_read(d, off, have, len);
	while (first < len && want[first] == have[first])
		first++;
	while (len > first && want[len - 1] == have[len - 1])
		len--;
	return first == len ? 0 : vdev_config_write(d, off + first, want + first, len - first);
}

/* Whether the mapping is inside a region of the device. */
static bool mapping_fits(const struct vdev_face *face, const struct vdev_mapping *m)
{
	uint64_t end;

	return m->shmid < face->nshmem && m->len && !__builtin_add_overflow(m->offset, m->len, &end) &&
	       end <= face->shmem[m->shmid];
}

int vdev_ask(struct vdev *d, struct vdev_ask *ask)
{
	bool memory = ask->what == VDEV_SHMEM_MAP || ask->what == VDEV_SHMEM_UNMAP;

	if (memory ? !mapping_fits(&d->face, &ask->mapping) : !d->class->shares_objects)
		return -EINVAL;
	if (!d->transport)
		return -ENOTCONN;
	return d->transport->ask ? d->transport->ask(d, ask) : -EOPNOTSUPP;
}

void vdev_start(struct vdev *d, unsigned int q)
{
	if (d->class->start)
		d->class->start(d, q);
}

void vdev_quiesce(struct vdev *d, unsigned int q)
{
	if (d->class->quiesce)
		d->class->quiesce(d, q);
}

void vdev_reset(struct vdev *d)
{
	d->features = 0;
	if (d->class->reset)
		d->class->reset(d);
}

void vdev_save(struct vdev *d, struct state *s)
{
	state_begin(s);
	state_put(s, "device", d->class->name, strlen(d->class->name));
	if (d->class->save)
		d->class->save(d, s);
}

void vdev_remember(struct vdev *d, void *memory, const void *old)
{
	d->memory = memory;
	if (memory && d->class->recall)
		d->class->recall(d, old);
}

/* The first record says whose state it is. */
static int load_records(struct vdev *d, const struct state *s)
{
	struct state_record r;
	size_t at = 0;
	int got = state_next(s, &at, &r);

	if (got <= 0 || strcmp(r.name, "device") != 0 || r.len != strlen(d->class->name) ||
	    memcmp(r.bytes, d->class->name, r.len) != 0)
		return -EINVAL;
	while ((got = state_next(s, &at, &r)) > 0) {
		got = d->class->load ? d->class->load(d, &r) : -EINVAL;
		if (got)
			return got;
	}
	return got;
}

int vdev_load(struct vdev *d, const struct state *s)
{
	uint64_t features = d->features;
	int err = load_records(d, s);

	if (err) {
		vdev_reset(d);
		vdev_features_set(d, features);
	}
	return err;
}

void vdev_features_set(struct vdev *d, uint64_t features)
{
	d->features = features;
	if (d->class->features_set)
		d->class->features_set(d, features);
}

int vdev_feature_bit(const struct vdev_class *class, const char *name)
{
	uint64_t bit;

	for (const struct vdev_feature *f = class->feature_names; f && f->name; f++) {
		if (strcmp(f->name, name) == 0)
			return (int)f->bit;
	}
	if (opt_parse_number(name, false, &bit) < 0 || bit >= 64 || !(class->face.features & BIT(bit)))
		return -1;
	return (int)bit;
}

const char *vdev_feature_name(const struct vdev_class *class, unsigned int bit)
{
	for (const struct vdev_feature *f = class->feature_names; f && f->name; f++) {
		if (f->bit == bit)
			return f->name;
	}
	return NULL;
}

const char *personality_name(const char *argv0, bool *compat)
{
	static const struct {
		const char *prefix;
		bool compat;
	} families[] = {{"vdevd-", false}, {"vhost-user-", false}, {"vhost-device-", true}};
	const char *slash = strrchr(argv0, '/');
	const char *base = slash ? slash + 1 : argv0;

	*compat = false;
	for (const struct vdev_class *const *c = vdev_classes; *c; c++) {
		if ((*c)->compat && (*c)->compat->name && strcmp(base, (*c)->compat->name) == 0) {
			*compat = true;
			return (*c)->name;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		size_t len = strlen(families[i].prefix);

		if (strncmp(base, families[i].prefix, len) == 0 && base[len] != '\0') {
			*compat = families[i].compat;
			return base + len;
		}
	}
	return NULL;
}
