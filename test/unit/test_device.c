/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_device.c - what is the same for every device: life of an instance, configuration space, features, names.
 */
#include <errno.h>
#include <sys/resource.h>

#include "core/device.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"

Suite *suite_device(void);

/* A device that notes what was asked of it. */
struct fake {
	struct vdev d;
	uint64_t period;
	uint8_t space[8];
	int open_result;
	unsigned int *closed, quiesced, resets;
	uint64_t told_features;
};

static struct fake *to_fake(struct vdev *d)
{
	return container_of(d, struct fake, d);
}

static int fake_open(struct vdev *d)
{
	return to_fake(d)->open_result;
}

static void fake_close(struct vdev *d)
{
	++*to_fake(d)->closed;
}

static void fake_kick(struct vdev *d, unsigned int q)
{
}

static void fake_quiesce(struct vdev *d, unsigned int q)
{
	to_fake(d)->quiesced |= 1u << q;
}

static void fake_reset(struct vdev *d)
{
	to_fake(d)->resets++;
}

static void fake_config(struct vdev *d, void *buf)
{
	memcpy(buf, to_fake(d)->space, sizeof(to_fake(d)->space));
}

static int fake_config_write(struct vdev *d, size_t off, const void *buf, size_t len)
{
	if (off == 7)
		return -EBUSY;
	memcpy(to_fake(d)->space + off, buf, len);
	return 0;
}

static void fake_features_set(struct vdev *d, uint64_t features)
{
	to_fake(d)->told_features = features;
}

static int fake_check(struct vdev *d)
{
	return to_fake(d)->period == 4 ? -EINVAL : 0;
}

static const struct opt fake_opts[] = {
	{.name = "period", .type = OPT_UINT, .off = offsetof(struct fake, period), .arg = "N", .def = "3", .help = "n"},
	{0},
};

static const struct vdev_feature fake_features[] = {{0, "irq"}, {52, "high"}, {0}};

static const struct vdev_class fake_class = {
	.name = "fake",
	.face.features = BIT(0) | BIT(5) | BIT(52),
	.feature_names = fake_features,
	.face.config_size = 8,
	.opts = fake_opts,
	.inst_size = sizeof(struct fake),
	.check = fake_check,
	.open = fake_open,
	.kick = fake_kick,
	.quiesce = fake_quiesce,
	.reset = fake_reset,
	.config = fake_config,
	.config_write = fake_config_write,
	.features_set = fake_features_set,
	.close = fake_close,
};

/* The least a device has. */
static const struct vdev_class bare_class = {
	.name = "bare",
	.face.config_size = 4,
	.inst_size = sizeof(struct vdev),
	.kick = fake_kick,
};

static struct vdev *make(const struct vdev_class *class)
{
	struct vdev *d = NULL;

	ck_assert_int_eq(vdev_new(class, class->name, NULL, &d), 0);
	ck_assert_ptr_nonnull(d);
	return d;
}

START_TEST(fresh)
{
	struct vdev *d = make(&fake_class);

	ck_assert_ptr_eq(d->class, &fake_class);
	ck_assert_str_eq(d->log.prefix, "fake");
	ck_assert_uint_eq(to_fake(d)->period, 3);
	ck_assert_uint_eq(d->feature_mask, UINT64_MAX);
	ck_assert_ptr_null(d->wishes);
	ck_assert_uint_eq(d->features, 0);
	vdev_free(d);
	vdev_free(NULL);
}
END_TEST

/* The options are looked at without opening anything. */
START_TEST(check_options)
{
	unsigned int closed = 0;
	struct vdev *d = make(&fake_class);

	to_fake(d)->closed = &closed;
	ck_assert_int_eq(vdev_check(d), 0);
	to_fake(d)->period = 4;
	ck_assert_int_eq(vdev_check(d), -EINVAL);
	vdev_free(d);
	ck_assert_uint_eq(closed, 0);
	d = make(&bare_class);
	ck_assert_int_eq(vdev_check(d), 0);
	vdev_free(d);
}
END_TEST

/* Closed is what was opened, in part or whole, and nothing else. */
START_TEST(open_and_close)
{
	unsigned int closed = 0;
	struct vdev *d = make(&fake_class);

	to_fake(d)->closed = &closed;
	vdev_free(d);
	ck_assert_uint_eq(closed, 0);

	d = make(&fake_class);
	to_fake(d)->closed = &closed;
	ck_assert_int_eq(vdev_open(d), 0);
	vdev_free(d);
	ck_assert_uint_eq(closed, 1);

	d = make(&fake_class);
	to_fake(d)->closed = &closed;
	to_fake(d)->open_result = -ENODEV;
	ck_assert_int_eq(vdev_open(d), -ENODEV);
	vdev_free(d);
	ck_assert_uint_eq(closed, 2);

	d = make(&bare_class);
	ck_assert_int_eq(vdev_open(d), 0);
	vdev_free(d);
}
END_TEST

START_TEST(bad_class)
{
	static const struct opt bad_opts[] = {
		{.name = "n",
		 .type = OPT_UINT,
		 .off = offsetof(struct fake, period),
		 .arg = "N",
		 .def = "x",
		 .help = "n"},
		{0},
	};
	struct vdev_class class = fake_class;
	struct vdev *d = NULL;
	struct capture c;

	class.face.config_size = VDEV_CONFIG_MAX;
	vdev_free(make(&class));
	class.face.config_size = VDEV_CONFIG_MAX + 1;
	ck_assert_int_eq(vdev_new(&class, "fake", NULL, &d), -EINVAL);

	class = fake_class;
	class.opts = bad_opts;
	capture_start(&c);
	ck_assert_int_eq(vdev_new(&class, "fake", NULL, &d), -EINVAL);
	ck_assert_ptr_nonnull(strstr(capture_end(&c), "the default of --n is x: not a number"));
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(config_read)
{
	static const uint8_t space[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	static const uint8_t tail[6] = {7, 8, 0, 0, 0, 0}, zeros[6];
	struct vdev *d = make(&fake_class);
	uint8_t buf[16];

	memcpy(to_fake(d)->space, space, sizeof(space));
	memset(buf, 0xee, sizeof(buf));
	vdev_config_read(d, 0, buf, 8);
	ck_assert_mem_eq(buf, space, 8);
	ck_assert_uint_eq(buf[8], 0xee);
	memset(buf, 0xee, sizeof(buf));
	vdev_config_read(d, 2, buf, 3);
	ck_assert_mem_eq(buf, space + 2, 3);
	ck_assert_uint_eq(buf[3], 0xee);

	/* Zeros beyond the end, wherever that is. */
	memset(buf, 0xee, sizeof(buf));
	vdev_config_read(d, 6, buf, 6);
	ck_assert_mem_eq(buf, tail, 6);
	ck_assert_uint_eq(buf[6], 0xee);
	vdev_config_read(d, 8, buf, 6);
	ck_assert_mem_eq(buf, zeros, 6);
	memset(buf, 0xee, sizeof(buf));
	vdev_config_read(d, SIZE_MAX, buf, 6);
	ck_assert_mem_eq(buf, zeros, 6);
	vdev_free(d);

	d = make(&bare_class);
	memset(buf, 0xee, sizeof(buf));
	vdev_config_read(d, 0, buf, 4);
	ck_assert_mem_eq(buf, zeros, 4);
	vdev_free(d);
}
END_TEST

START_TEST(config_write)
{
	static const uint8_t data[8] = {9, 8, 7, 6, 5, 4, 3, 2}, after[8] = {0, 0, 9, 8, 7, 0, 0, 0};
	struct vdev *d = make(&fake_class);

	ck_assert_int_eq(vdev_config_write(d, 2, data, 3), 0);
	ck_assert_mem_eq(to_fake(d)->space, after, 8);
	ck_assert_int_eq(vdev_config_write(d, 1, data, 8), -EINVAL);
	ck_assert_int_eq(vdev_config_write(d, 9, data, 1), -EINVAL);
	ck_assert_int_eq(vdev_config_write(d, SIZE_MAX, data, 2), -EINVAL);
	ck_assert_int_eq(vdev_config_write(d, 7, data, 1), -EBUSY);
	ck_assert_mem_eq(to_fake(d)->space, after, 8);
	ck_assert_int_eq(vdev_config_write(d, 0, data, 8), 0);
	ck_assert_mem_eq(to_fake(d)->space, data, 8);
	vdev_free(d);

	d = make(&bare_class);
	ck_assert_int_eq(vdev_config_write(d, 0, data, 4), -EPERM);
	ck_assert_int_eq(vdev_config_write(d, 0, data, 5), -EINVAL);
	vdev_free(d);
}
END_TEST

START_TEST(features)
{
	struct vdev *d = make(&fake_class);

	vdev_features_set(d, BIT(0) | BIT(32));
	ck_assert_uint_eq(d->features, BIT(0) | BIT(32));
	ck_assert_uint_eq(to_fake(d)->told_features, BIT(0) | BIT(32));
	vdev_quiesce(d, 3);
	ck_assert_uint_eq(to_fake(d)->quiesced, 1u << 3);
	vdev_reset(d);
	ck_assert_uint_eq(d->features, 0);
	ck_assert_uint_eq(to_fake(d)->resets, 1);
	vdev_free(d);

	/* A device need not care. */
	d = make(&bare_class);
	vdev_features_set(d, BIT(32));
	ck_assert_uint_eq(d->features, BIT(32));
	vdev_quiesce(d, 0);
	vdev_reset(d);
	ck_assert_uint_eq(d->features, 0);
	vdev_free(d);
}
END_TEST

START_TEST(feature_names)
{
	ck_assert_int_eq(vdev_feature_bit(&fake_class, "irq"), 0);
	ck_assert_int_eq(vdev_feature_bit(&fake_class, "high"), 52);
	ck_assert_int_eq(vdev_feature_bit(&fake_class, "5"), 5);
	ck_assert_int_eq(vdev_feature_bit(&fake_class, "6"), -1);
	ck_assert_int_eq(vdev_feature_bit(&fake_class, "64"), -1);
	ck_assert_int_eq(vdev_feature_bit(&fake_class, "ir"), -1);
	ck_assert_int_eq(vdev_feature_bit(&fake_class, ""), -1);
	ck_assert_int_eq(vdev_feature_bit(&bare_class, "irq"), -1);
	ck_assert_str_eq(vdev_feature_name(&fake_class, 52), "high");
	ck_assert_ptr_null(vdev_feature_name(&fake_class, 5));
	ck_assert_ptr_null(vdev_feature_name(&bare_class, 0));
}
END_TEST

static unsigned int changes;

static void note_change(struct vdev *d)
{
	changes++;
}

/* Of a machine that moved here: what is there already need not be writable. */
START_TEST(config_restore)
{
	static const uint8_t data[8] = {9, 8, 7, 6, 5, 4, 3, 0};
	struct vdev *d = make(&fake_class);
	uint8_t space[8], zeros[4] = {0};

	ck_assert_int_eq(vdev_config_restore(d, 0, data, 8), 0);
	ck_assert_mem_eq(to_fake(d)->space, data, 8);
	memcpy(space, data, 8);
	space[3] = 1;
	space[4] = 2;
	ck_assert_int_eq(vdev_config_restore(d, 0, space, 8), 0);
	ck_assert_mem_eq(to_fake(d)->space, space, 8);
	/* The byte that cannot be written: the same, and another. */
	ck_assert_int_eq(vdev_config_restore(d, 7, space + 7, 1), 0);
	ck_assert_int_eq(vdev_config_restore(d, 7, space, 1), -EBUSY);
	ck_assert_int_eq(vdev_config_restore(d, 1, space, 8), -EINVAL);
	ck_assert_int_eq(vdev_config_restore(d, SIZE_MAX, space, 2), -EINVAL);
	vdev_free(d);

	d = make(&bare_class);
	ck_assert_int_eq(vdev_config_restore(d, 0, zeros, 4), 0);
	zeros[2] = 1;
	ck_assert_int_eq(vdev_config_restore(d, 0, zeros, 4), -EPERM);
	vdev_free(d);
}
END_TEST

/* A device asks for what its class has announced only, and of a transport that can. */
static struct vdev_face made;

static int make_face(struct vdev *d)
{
	d->face = made;
	return 0;
}

/* An instance has a face of its own, which check and open may make; one that no front-end could be told is refused. */
START_TEST(face)
{
	static const struct vdev_queue_desc odd[] = {{.name = "oddq", .size = 8, .max = 4}};
	unsigned int closed = 0;
	struct vdev_class class = fake_class;
	struct vdev *d;
	uint8_t buf[8];

	class.check = make_face;
	d = make(&class);
	to_fake(d)->closed = &closed;
	memset(to_fake(d)->space, 7, sizeof(to_fake(d)->space));
	ck_assert_uint_eq(d->face.config_size, 8);
	ck_assert_uint_eq(d->face.features, fake_class.face.features);
	made = (struct vdev_face){.config_size = 2, .features = BIT(5)};
	ck_assert_int_eq(vdev_check(d), 0);
	ck_assert_int_eq(vdev_open(d), 0);
	ck_assert_int_eq(vdev_config_write(d, 1, "ab", 2), -EINVAL);
	vdev_config_read(d, 0, buf, 4);
	ck_assert_mem_eq(buf, "\7\7\0\0", 4);
	vdev_free(d);

	const struct vdev_face wrong[] = {{.config_size = VDEV_CONFIG_MAX + 1},
					  {.nqueues = VDEV_QUEUES_MAX + 1},
					  {.nshmem = VDEV_SHMEM_MAX + 1},
					  {.queues = odd, .nqueues = 1}};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct capture lines;

		d = make(&class);
		to_fake(d)->closed = &closed;
		made = wrong[i];
		ck_assert_int_eq(vdev_check(d), 0);
		capture_start(&lines);
		ck_assert_int_eq(vdev_open(d), -EINVAL);
		ck_assert_ptr_nonnull(strstr(capture_end(&lines), "more than a device can have"));
		vdev_free(d);
	}
	ck_assert_uint_eq(closed, 5);
}
END_TEST

static unsigned int fake_fds(const struct vdev *d)
{
	return 1000;
}

/* Files are no reason to fail when connections come: the limit is raised at open, or open says that it cannot be. */
START_TEST(open_files)
{
	struct vdev_class class = fake_class;
	struct rlimit r;
	struct capture lines;
	unsigned int closed = 0;
	struct vdev *d;

	class.fds = fake_fds;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert_uint_ge(r.rlim_max, 2000);
	r.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
	d = make(&class);
	to_fake(d)->closed = &closed;
	ck_assert_int_eq(vdev_open(d), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert_uint_ge(r.rlim_cur, 1000);
	ck_assert_uint_lt(r.rlim_cur, 2000);
	vdev_free(d);

	/* Valgrind's hard limit stays. */
	if (test_on_valgrind())
		return;
	r.rlim_cur = r.rlim_max = 256;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
	d = make(&class);
	to_fake(d)->closed = &closed;
	capture_start(&lines);
	ck_assert_int_eq(vdev_open(d), -EMFILE);
	ck_assert_ptr_nonnull(strstr(capture_end(&lines), "256 are allowed"));
	vdev_free(d);
	ck_assert_uint_eq(closed, 1);
}
END_TEST

START_TEST(ask)
{
	static const struct vdev_transport_ops ops = {.config_changed = note_change};
	struct vdev_ask map = {.what = VDEV_SHMEM_MAP, .mapping = {.len = 1}}, look = {.what = VDEV_OBJECT_LOOKUP};
	static const uint64_t sizes[] = {4096};
	struct vdev_class class = fake_class;
	struct vdev *d;

	class.shares_objects = true;
	class.face.shmem = sizes;
	class.face.nshmem = VDEV_SHMEM_MAX + 1;
	ck_assert_int_eq(vdev_new(&class, "fake", NULL, &d), -EINVAL);
	class.face.nshmem = 1;
	d = make(&class);
	ck_assert_int_eq(vdev_ask(d, &map), -ENOTCONN);
	vdev_attach(d, &ops, NULL);
	ck_assert_int_eq(vdev_ask(d, &map), -EOPNOTSUPP);
	ck_assert_int_eq(vdev_ask(d, &look), -EOPNOTSUPP);
	map.mapping.offset = 4096;
	ck_assert_int_eq(vdev_ask(d, &map), -EINVAL);
	vdev_free(d);
	d = make(&fake_class);
	vdev_attach(d, &ops, NULL);
	ck_assert_int_eq(vdev_ask(d, &map), -EINVAL);
	ck_assert_int_eq(vdev_ask(d, &look), -EINVAL);
	vdev_free(d);
}
END_TEST

START_TEST(transport)
{
	static const struct vdev_transport_ops ops = {.config_changed = note_change};
	/* Only handed through. */
	struct virtq *queues[2] = {(struct virtq *)&ops, (struct virtq *)&changes};
	struct vdev *d = make(&fake_class);

	changes = 0;
	vdev_config_changed(d);
	ck_assert_uint_eq(changes, 0);
	vdev_attach(d, &ops, queues);
	ck_assert_ptr_eq(vdev_queue(d, 1), queues[1]);
	vdev_config_changed(d);
	ck_assert_uint_eq(changes, 1);
	vdev_attach(d, NULL, NULL);
	vdev_config_changed(d);
	ck_assert_uint_eq(changes, 1);
	vdev_free(d);
}
END_TEST

static const struct {
	const char *argv0, *name;
	bool compat;
} names[] = {
	{"vdevd-rng", "rng", false},
	{"/usr/bin/vdevd-rng", "rng", false},
	{"./vhost-user-gpio", "gpio", false},
	{"vhost-device-i2c", "i2c", true},
	{"/vhost-device-a/vdevd-b", "b", false},
	{"vdevd", NULL, false},
	{"vdevd-", NULL, false},
	{"vhost-device-", NULL, false},
	{"vhost-device-x/", NULL, false},
	{"busybox", NULL, false},
	{"", NULL, false},
};

START_TEST(personalities)
{
	bool compat = true;
	const char *name = personality_name(names[_i].argv0, &compat);

	ck_assert_pstr_eq(name, names[_i].name);
	ck_assert_int_eq(compat, names[_i].compat);
}
END_TEST

/* What every built-in device must have for the readers of its tables. */
START_TEST(table)
{
	ck_assert_ptr_nonnull(vdev_classes[0]);
	for (const struct vdev_class *const *c = vdev_classes; *c; c++) {
		const struct vdev_class *class = *c;
		struct vdev *d = make(class);

		ck_assert_uint_gt(strlen(class->name), 0);
		ck_assert_uint_gt(strlen(class->summary), 0);
		ck_assert_int_eq(class->about != NULL, VDEVD_HAVE_MAN);
		ck_assert_uint_ne(class->virtio_id, 0);
		ck_assert_uint_ge(class->inst_size, sizeof(struct vdev));
		ck_assert_ptr_nonnull(class->kick);
		for (unsigned int q = 0; q < class->face.nqueues; q++) {
			ck_assert_uint_le(class->face.queues[q].size, class->face.queues[q].max);
			ck_assert_uint_le(class->face.queues[q].max, 32768);
		}
		for (const struct opt *o = class->opts; o && o->name; o++) {
			ck_assert(!o->help || strlen(o->help) <= 50);
			ck_assert_int_eq(!o->arg, o->type == OPT_FLAG);
		}
		vdev_free(d);
	}
}
END_TEST

Suite *suite_device(void)
{
	Suite *s = suite_create("device");
	TCase *tc = tcase_create("device");

	tcase_add_test(tc, fresh);
	tcase_add_test(tc, check_options);
	tcase_add_test(tc, open_and_close);
	tcase_add_test(tc, bad_class);
	tcase_add_test(tc, config_read);
	tcase_add_test(tc, config_write);
	tcase_add_test(tc, config_restore);
	tcase_add_test(tc, face);
	tcase_add_test(tc, open_files);
	tcase_add_test(tc, ask);
	tcase_add_test(tc, features);
	tcase_add_test(tc, feature_names);
	tcase_add_test(tc, transport);
	tcase_add_loop_test(tc, personalities, 0, (int)ARRAY_SIZE(names));
	tcase_add_test(tc, table);
	suite_add_tcase(s, tc);
	return s;
}
