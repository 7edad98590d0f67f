/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_vu_offer.c - what is offered to front-ends, and the masks of --features.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/suites.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/ring/virtq.h"
#include "transport/vu_msg.h"

static const struct vdev_feature names[] = {{0, "irq"}, {5, "turbo"}, {0}};

/* A device without and one with a configuration space. */
static const struct vdev_class plain = {.name = "plain", .inst_size = sizeof(struct vdev)};
static const struct vdev_class rich = {
	.name = "rich",
	.inst_size = sizeof(struct vdev),
	.face.features = BIT(0) | BIT(5) | BIT(51),
	.feature_names = names,
	.face.config_size = 8,
};

static const uint64_t shmem[] = {65536};

static const struct vdev_class sharer = {
	.name = "sharer",
	.inst_size = sizeof(struct vdev),
	.face.shmem = shmem,
	.face.nshmem = 1,
	.shares_objects = true,
};

static struct vdev *d;

static void make(const struct vdev_class *class)
{
	ck_assert_int_eq(vdev_new(class, class->name, NULL, &d), 0);
}

static void teardown(void)
{
	vdev_free(d);
	d = NULL;
}

static int mask(const char *text)
{
	char why[100] = "";
	int err = vu_apply_feature_masks(d, text, why, sizeof(why));

	ck_assert_int_eq(err != 0, *why != '\0');
	return err;
}

START_TEST(test_all)
{
	const uint64_t ring = BIT(28) | BIT(29) | BIT(30) | BIT(32);

	make(&plain);
	ck_assert_uint_eq(vu_offered_features(d), ring);
	ck_assert_uint_eq(vu_offered_protocol_features(d),
			  BIT(0) | BIT(1) | BIT(3) | BIT(5) | BIT(12) | BIT(13) | BIT(15) | BIT(16) | BIT(19) |
				  BIT(20) | BIT(23));
	teardown();
	make(&rich);
	ck_assert_uint_eq(vu_offered_features(d), ring | BIT(0) | BIT(5) | BIT(51));
	ck_assert(vu_offered_protocol_features(d) & BIT(VU_PF_CONFIG));
}
END_TEST

/* A mask and the bits it takes away from a rich device's words. */
static const struct {
	const char *text;
	uint64_t features, protocol;
} masks[] = {
	{"", 0, 0},
	{"-irq", BIT(0), 0},
	{"-0", BIT(0), 0},
	{"-51", BIT(51), 0},
	{"-turbo,-event_idx", BIT(5) | BIT(29), 0},
	{"-version_1", BIT(32), 0},
	{"-protocol_features", BIT(30), 0},
	{"-status,-config", 0, BIT(16) | BIT(9)},
	{"-irq,+irq", 0, 0},
	{"+irq,-irq", BIT(0), 0},
	{"-irq,", BIT(0), 0},
	{"+order_platform", 0, 0}, /* what is not there cannot be had */
	{"+in_order,-in_order", 0, 0},
	{"+ring_packed,-ring_packed", 0, 0},
	{"+log_all,-log_all", 0, 0},
	{"-log_shmfd", 0, BIT(1)},
	{"-reply_ack", 0, BIT(3)},
	/* In-band notifications need both. */
	{"-reply_ack,+inband_notifications", 0, BIT(3)},
	{"-backend_req,+inband_notifications", 0, BIT(5)},
	{"+inband_notifications,-inband_notifications", 0, 0},
	/* What is left in flight is left in the record. */
	{"-inflight_shmfd", 0, BIT(12) | BIT(20) | BIT(23)},
	{"-get_vring_base_inflight", 0, BIT(20) | BIT(23)},
	{"-get_vring_base_skip_drain", 0, BIT(23)},
};

START_TEST(test_masks)
{
	make(&rich);
	uint64_t features = vu_offered_features(d), protocol = vu_offered_protocol_features(d);

	ck_assert_int_eq(mask(masks[_i].text), 0);
	ck_assert_uint_eq(vu_offered_features(d), features & ~masks[_i].features);
	ck_assert_uint_eq(vu_offered_protocol_features(d), protocol & ~masks[_i].protocol);
}
END_TEST

/* Some are offered only when asked for. */
START_TEST(test_wishes)
{
	make(&plain);
	ck_assert(!(vu_offered_features(d) & BIT(34)));
	ck_assert_int_eq(mask("+ring_packed"), 0);
	ck_assert(vu_offered_features(d) & BIT(34));
	ck_assert_int_eq(mask("-event_idx"), 0);
	ck_assert(vu_offered_features(d) & BIT(34));
	ck_assert_int_eq(mask("-ring_packed"), 0);
	ck_assert(!(vu_offered_features(d) & (BIT(34) | BIT(26))));
	ck_assert_int_eq(mask("+log_all"), 0);
	ck_assert(vu_offered_features(d) & BIT(26));
	ck_assert_int_eq(mask("+in_order"), 0);
	ck_assert(vu_offered_features(d) & BIT(35));
	ck_assert(!(vu_offered_protocol_features(d) & (BIT(8) | BIT(21))));
	ck_assert_int_eq(mask("+pagefault"), 0);
	ck_assert(vu_offered_protocol_features(d) & BIT(8));
	ck_assert_int_eq(mask("+gpa_addresses"), 0);
	ck_assert(vu_offered_protocol_features(d) & BIT(21));
	ck_assert_int_eq(mask("-gpa_addresses"), 0);
	ck_assert(!(vu_offered_protocol_features(d) & (BIT(21) | BIT(14))));
	ck_assert_int_eq(mask("+inband_notifications"), 0);
	ck_assert(vu_offered_protocol_features(d) & BIT(14));
}
END_TEST

/* A device whose chains wait for one event each cannot keep an order: who asks for it is told. */
START_TEST(test_any_order)
{
	static const struct vdev_class loose = {.name = "loose", .inst_size = sizeof(struct vdev), .face.any_order = true};

	make(&loose);
	ck_assert_int_eq(mask("+in_order"), -EINVAL);
	ck_assert_int_eq(mask("-in_order,+ring_packed"), 0);
	ck_assert_uint_eq(vu_offered_features(d) & (BIT(34) | BIT(35)), BIT(34));
}
END_TEST

/* What a device has alone to share, and what that needs. */
START_TEST(test_shared)
{
	const uint64_t shared = BIT(10) | BIT(18) | BIT(22);

	make(&plain);
	ck_assert_uint_eq(vu_offered_protocol_features(d) & shared, 0);
	teardown();
	make(&sharer);
	ck_assert_uint_eq(vu_offered_protocol_features(d) & shared, shared);
	ck_assert_int_eq(mask("-backend_req"), 0);
	ck_assert_uint_eq(vu_offered_protocol_features(d) & shared, 0);
	ck_assert_int_eq(mask("+backend_req,-shmem"), 0);
	ck_assert_uint_eq(vu_offered_protocol_features(d) & shared, BIT(10) | BIT(18));
}
END_TEST

START_TEST(test_quirks)
{
	static const char *const wrong_quirks[] = {"shmem", "shmem-bit-2", "shmem-bit-21x", ",", "shmem-bit-21,,", "help"};
	char why[80];

	make(&sharer);
	ck_assert_uint_eq(vu_protocol_as_wire(d, BIT(22) | BIT(3)), BIT(22) | BIT(3));
	for (size_t i = 0; i < ARRAY_SIZE(wrong_quirks); i++) {
		ck_assert_int_eq(vu_apply_quirks(d, wrong_quirks[i], why, sizeof(why)), -EINVAL);
		ck_assert_ptr_nonnull(strstr(why, "there is shmem-bit-21"));
	}
	vu_wishes_of(d)->quirks = 0;
	ck_assert_int_eq(vu_apply_quirks(d, "", why, sizeof(why)), 0);
	ck_assert_uint_eq(vu_wishes(d)->quirks, 0);
	ck_assert_int_eq(vu_apply_quirks(d, "shmem-bit-21,shmem-bit-21,", why, sizeof(why)), 0);
	ck_assert(!(vu_offered_protocol_features(d) & BIT(21)));
	ck_assert_int_eq(mask("+gpa_addresses"), 0);
	ck_assert(!(vu_offered_protocol_features(d) & BIT(21)));
	ck_assert_uint_eq(vu_protocol_as_wire(d, BIT(22) | BIT(3)), BIT(21) | BIT(3));
	ck_assert_uint_eq(vu_protocol_as_wire(d, BIT(21) | BIT(3)), BIT(22) | BIT(3));
}
END_TEST

static const char *const wrong[] = {
	"irq",
	"-",
	"+",
	",",
	"-irq,,+irq",
	"-nonsense",
	"-7",
	"-64",
	"--irq",
	"-irq +turbo",
	"-0123456789012345678901234567890123456789012345678901234567890123456789",
};

START_TEST(test_wrong_masks)
{
	make(&rich);
	ck_assert_int_eq(mask(wrong[_i]), -EINVAL);
}
END_TEST

Suite *suite_vu_offer(void)
{
	Suite *s = suite_create("vu_offer");
	TCase *tc = tcase_create("offer");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, test_all);
	tcase_add_test(tc, test_wishes);
	tcase_add_test(tc, test_any_order);
	tcase_add_test(tc, test_shared);
	tcase_add_test(tc, test_quirks);
	tcase_add_loop_test(tc, test_masks, 0, ARRAY_SIZE(masks));
	tcase_add_loop_test(tc, test_wrong_masks, 0, ARRAY_SIZE(wrong));
	suite_add_tcase(s, tc);
	return s;
}
