/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_xen_mmap.c - front-ends whose memory is another Xen domain's, over a kernel that is made up: the layout of
 * regions on the wire, what is refused and how that is said, and front-ends without Xen before and after them.
 * QEMU docs/interop/vhost-user.rst, "Memory region description", VHOST_USER_PROTOCOL_F_XEN_MMAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/lib/echo.h"
#include "test/lib/fake_xen.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"
#include "transport/ring/virtq.h"

#define PAGE  FAKE_XEN_PAGE
#define FIRST (FAKE_XEN_FIRST + 16) /* of the pages that are used here: all can be written */
#define PAGES 48u
#define DOMID 7u

#define FOREIGN GMEM_XEN_FOREIGN
#define GRANT	GMEM_XEN_GRANT
#define DEMAND	(GMEM_XEN_GRANT | 0x8u)

#define XEN_MMAP BIT(VU_PF_XEN_MMAP)

static struct gmem_xen xen;

static const struct device_suite echo_suite = {
	.device = "echo",
	.class = &echo_class,
	.mem = &xen.any,
};

static struct fake_xen *const k = &fake_xen;
static struct carrier *c;
static struct frontend *fe; /* on Xen */

static void ok(int err)
{
	ck_assert_msg(err == 0, "%s", fe ? frontend_why(fe) : strerror(-err));
}

static void refused(int err)
{
	ck_assert_msg(err == -EREMOTEIO, "%d, %s", err, frontend_why(fe));
}

/* A front-end that shares a file: the kernel is not asked for anything. */
static void assert_posix(void)
{
	unsigned int ioctls = k->ioctls;
	char in[5];

	ck_assert_uint_eq(carrier_request(c, ECHO_ECHOQ, "posix", 5, in, 5), 5);
	ck_assert_mem_eq(in, "posix", 5);
	ck_assert_uint_eq(k->ioctls, ioctls);
	ck_assert(!frontend_has_protocol(carrier_frontend(c), VU_PF_XEN_MMAP));
}

/* The front-end that shares a file is the first, and has gone when the test begins. */
static void start(unsigned int cache_pages)
{
	fake_xen_init();
	gmem_xen_init(&xen, &fake_xen_sys, cache_pages);
	c = carrier_open(CARRIER_SESSION, &echo_suite);
	assert_posix();
	carrier_leave(c);
}

static void dial(uint64_t protocol)
{
	fe = carrier_dial(c);
	ok(frontend_negotiate(
		fe, BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
		BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_CONFIGURE_MEM_SLOTS) | protocol));
}

static void hang_up(void)
{
	frontend_free(fe);
	fe = NULL;
	carrier_settle(c);
	ck_assert_uint_eq(k->mapped, 0);
}

/* It is also the last. */
static void finish(void)
{
	if (fe)
		hang_up();
	carrier_arrive(c);
	assert_posix();
	carrier_close(c);
	gmem_xen_close(&xen);
	fake_xen_fini();
}

/*
 * The front-end's own side of the domain's memory: the file in which the made-up kernel keeps it.
 */

static int domain_map(struct frontend_region *r)
{
	off_t off = (off_t)((r->xen_frame - FAKE_XEN_FIRST) * PAGE);

	r->va = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, k->file, off);
	r->fd = fcntl(k->file, F_DUPFD_CLOEXEC, 0);
	ck_assert_ptr_ne(r->va, MAP_FAILED);
	ck_assert_int_ge(r->fd, 0);
	return 0;
}

static void domain_unmap(struct frontend_region *r)
{
	munmap(r->va, r->size);
	close(r->fd);
}

static const struct frontend_mem_ops domain_ops = {
	.name = "domain",
	.map = domain_map,
	.unmap = domain_unmap,
};

/* Pages [first, first + n) of those used here. */
static struct frontend_region region_of(uint32_t flags, unsigned int first, unsigned int n)
{
	uint64_t frame = FIRST + first;

	return (struct frontend_region){
		.guest_addr = ((flags & GRANT) ? XEN_GRANT_ADDR : 0) + frame * PAGE,
		.size = n * PAGE,
		.user_addr = 0,
		.fd = -1,
		.xen_flags = flags,
		.xen_domid = DOMID,
		.xen_frame = frame,
	};
}

static void assert_echo(void)
{
	char in[5] = "";
	uint32_t used;

	ok(frontend_request(fe, ECHO_ECHOQ, "hallo", 5, in, 5, &used, NULL));
	ck_assert_uint_eq(used, 5);
	ck_assert_mem_eq(in, "hallo", 5);
}

/* Memory in two regions, a ring, and a request. */
static void serve(uint32_t flags, bool no_fd)
{
	const struct frontend_queue_opts opts = frontend_queue_defaults(16);
	struct frontend_region regions[] = {region_of(flags, 0, PAGES / 2), region_of(flags, PAGES / 2, PAGES / 2)};

	regions[0].no_fd = regions[1].no_fd = no_fd;
	dial(XEN_MMAP);
	ok(frontend_make_mem(fe, &domain_ops, regions, 2));
	ok(frontend_set_mem_table(fe));
	ok(frontend_queue_start(fe, ECHO_ECHOQ, &opts));
	assert_echo();
}

/*
 * Tests.
 */

START_TEST(test_offered)
{
	uint64_t offered;
	char why[100];

	start(0);
	fe = carrier_dial(c);
	ok(frontend_ask_u64(fe, VU_GET_PROTOCOL_FEATURES, &offered));
	ck_assert(offered & XEN_MMAP);
	hang_up();
	ck_assert_int_eq(vu_apply_feature_masks(carrier_vdev(c), "-xen_mmap", why, sizeof(why)), 0);
	fe = carrier_dial(c);
	ok(frontend_ask_u64(fe, VU_GET_PROTOCOL_FEATURES, &offered));
	ck_assert(!(offered & XEN_MMAP));
	ok(frontend_set_protocol_features(fe, XEN_MMAP)); /* with no acknowledgement yet */
	ok(frontend_wait_closed(fe));
	finish();
}
END_TEST

/* Every way, with the front-end's descriptor and with our own, in one process; the domain is that of the region. */
START_TEST(test_ways)
{
	const uint32_t ways[] = {FOREIGN, GRANT, DEMAND, GRANT | 0x100u};
	struct stat st;

	start(0);
	ck_assert_int_eq(fstat(k->file, &st), 0);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(ways); i++) {
		uint32_t flags = ways[i / 2];

		k->passed = 0;
		serve(flags, i % 2);
		ck_assert_uint_eq(k->domid, DOMID);
		ck_assert_uint_eq(k->passed, i % 2 ? 0 : st.st_ino);
		if (i % 2)
			ck_assert_int_eq(k->fd, flags == FOREIGN ? FAKE_XEN_PRIVCMD : FAKE_XEN_GNTDEV);
		hang_up();
	}
	finish();
}
END_TEST

/*
 * The wire, byte by byte.
 */

#define REGION_AT(i) (8 + 40 * (size_t)(i))

/* Region i of the payload, of n pages of those used here. */
static void put_region(struct vu_msg *msg, unsigned int i, uint32_t flags, uint32_t domid, unsigned int first,
		       unsigned int n)
{
	const struct frontend_region r = region_of(flags, first, n);
	const uint64_t words[] = {r.guest_addr, r.size, 0x10000000 + first * PAGE, 0};

	memcpy(msg->p.bytes + REGION_AT(i), words, 32);
	memcpy(msg->p.bytes + REGION_AT(i) + 32, &flags, 4);
	memcpy(msg->p.bytes + REGION_AT(i) + 36, &domid, 4);
}

static struct vu_msg table_of(uint32_t n)
{
	struct vu_msg msg = frontend_msg(VU_SET_MEM_TABLE, (uint32_t)REGION_AT(n));

	msg.p.table.nregions = n;
	return msg;
}

START_TEST(test_wire)
{
	struct vu_msg msg = table_of(2), reg;

	start(0);
	dial(XEN_MMAP);
	put_region(&msg, 0, FOREIGN, 5, 0, 3);
	put_region(&msg, 1, GRANT, 9, 8, 2);
	ok(frontend_tell(fe, &msg));
	ck_assert_uint_eq(k->ioctls, 3); /* frames mapped; references mapped and forgotten */
	ck_assert_uint_eq(k->mapped, 5 * PAGE);
	ck_assert_uint_eq(k->domid, 9);
	ck_assert_uint_eq(k->ref, FIRST + 8);
	ck_assert_uint_eq(k->refs, 2);
	reg = frontend_msg(VU_ADD_MEM_REG, (uint32_t)REGION_AT(1));
	put_region(&reg, 0, FOREIGN, 11, 16, 4);
	ok(frontend_tell(fe, &reg));
	ck_assert_uint_eq(k->domid, 11);
	ck_assert_uint_eq(k->mapped, 9 * PAGE);
	reg.h.request = VU_REM_MEM_REG;
	ok(frontend_tell(fe, &reg));
	ck_assert_uint_eq(k->mapped, 5 * PAGE);
	/* In the other layout, and cut short. */
	reg.h.request = VU_ADD_MEM_REG;
	reg.h.size -= 8;
	refused(frontend_tell(fe, &reg));
	reg.h.request = VU_REM_MEM_REG;
	refused(frontend_tell(fe, &reg));
	msg.h.size -= 8;
	refused(frontend_tell(fe, &msg));
	/* What was there stays. */
	ck_assert_uint_eq(k->mapped, 5 * PAGE);
	finish();
}
END_TEST

/* Who did not accept XEN_MMAP sends 32 bytes a region, and what would be flags means nothing. */
START_TEST(test_not_accepted)
{
	struct vu_msg msg = table_of(1), reg = frontend_msg(VU_ADD_MEM_REG, (uint32_t)REGION_AT(1));

	start(0);
	dial(0);
	put_region(&msg, 0, FOREIGN, DOMID, 0, 3);
	put_region(&reg, 0, FOREIGN, DOMID, 8, 3);
	refused(frontend_tell(fe, &msg)); /* no descriptor */
	msg.fds[msg.nfds++] = k->file;
	reg.fds[reg.nfds++] = k->file;
	ok(frontend_tell(fe, &msg)); /* a file, and bytes behind the table */
	refused(frontend_tell(fe, &reg));
	reg.h.size -= 8;
	ok(frontend_tell(fe, &reg));
	ck_assert_uint_eq(k->ioctls, 0);
	ck_assert_uint_eq(k->mapped, 0);
	finish();
}
END_TEST

/* Regions were read in one layout: it cannot change while they are there. */
START_TEST(test_accepted_late)
{
	uint64_t protocol;

	start(0);
	serve(FOREIGN, false);
	protocol = frontend_protocol_features(fe);
	refused(frontend_set_protocol_features(fe, protocol & ~XEN_MMAP));
	assert_echo();
	finish();
}
END_TEST

/* As many regions as front-ends are known to send, each with its descriptor, or none with any. */
START_TEST(test_many_regions)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(16);
	struct frontend_region regions[VU_MAX_XEN_REGIONS];
	struct vu_msg msg = table_of(VU_MAX_XEN_REGIONS);

	start(0);
	for (unsigned int no_fd = 0; no_fd < 2; no_fd++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(regions); i++) {
			regions[i] = region_of(FOREIGN, i, 1);
			regions[i].no_fd = no_fd;
		}
		dial(XEN_MMAP);
		ok(frontend_make_mem(fe, &domain_ops, regions, ARRAY_SIZE(regions)));
		ok(frontend_set_mem_table(fe));
		ck_assert_uint_eq(k->mapped, ARRAY_SIZE(regions) * PAGE);
		opts.region = 31;
		ok(frontend_queue_start(fe, ECHO_ECHOQ, &opts));
		assert_echo();
		hang_up();
	}
	dial(XEN_MMAP);
	for (unsigned int i = 0; i < VU_MAX_XEN_REGIONS; i++)
		put_region(&msg, i, FOREIGN, DOMID, i, 1);
	ok(frontend_tell(fe, &msg));
	msg.p.table.nregions++;
	refused(frontend_tell(fe, &msg));
	msg.p.table.nregions = 2;
	msg.h.size = (uint32_t)REGION_AT(2);
	msg.fds[msg.nfds++] = k->file; /* of which of them? */
	refused(frontend_tell(fe, &msg));
	ck_assert_uint_eq(k->mapped, VU_MAX_XEN_REGIONS * PAGE);
	finish();
}
END_TEST

/* A region with two pages of a hole is refused by name; what was there before serves on. */
static void assert_named(uint32_t flags, const char *page)
{
	struct frontend_region r = region_of(flags, PAGES - 3, 5);
	struct capture capture;
	char want[200];

	serve(flags, false);
	r.user_addr = 0x10000000;
	ok(frontend_rem_mem_reg(fe, frontend_mem_region(frontend_mem(fe), 1)));
	capture_start(&capture);
	int err = frontend_add_mem_reg(fe, &r);
	const char *said = capture_end(&capture);

	refused(err);
	snprintf(want, sizeof(want),
		 "region of 0x5000 bytes at guest address 0x%llx refused, at page %s: Invalid argument",
		 (unsigned long long)r.guest_addr, page);
	ck_assert_msg(strstr(said, want), "'%s' is not in '%s'", want, said);
	assert_echo();
	hang_up();
}

START_TEST(test_refused_by_name)
{
	start(0);
	/* The first page of the hole; gntdev does not tell which reference of those in the request it was. */
	assert_named(FOREIGN, "0x140000");
	assert_named(GRANT, "0x800000000013d000");
	finish();
}
END_TEST

/* Why regions are refused; afterwards good ones are taken. */
START_TEST(test_refused)
{
	const struct frontend_region good = region_of(FOREIGN, 0, 2);
	const struct frontend_region bad[] = {
		{.guest_addr = good.guest_addr, .size = PAGE, .xen_flags = FOREIGN | GRANT},
		{.guest_addr = good.guest_addr, .size = PAGE, .xen_flags = 0x10},
		{.guest_addr = good.guest_addr, .size = PAGE, .xen_flags = GRANT}, /* bit 63 */
		{.guest_addr = good.guest_addr, .size = PAGE, .xen_flags = FOREIGN, .xen_domid = 0x10000},
		{.guest_addr = good.guest_addr, .size = PAGE, .xen_flags = FOREIGN, .offset = PAGE},
		{.guest_addr = good.guest_addr, .size = 0, .xen_flags = FOREIGN},
		{.guest_addr = good.guest_addr, .size = PAGE}, /* a file, but none came */
	};

	start(0);
	dial(XEN_MMAP);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct frontend_region r = bad[i];

		r.fd = -1;
		ck_assert_msg(frontend_add_mem_reg(fe, &r) == -EREMOTEIO, "%zu was not refused", i);
	}
	ck_assert_uint_eq(k->ioctls, 0);
	k->mmap_err = -ENOMEM;
	refused(frontend_add_mem_reg(fe, &good));
	k->mmap_err = 0;
	k->ioctl_err = -EPERM;
	refused(frontend_add_mem_reg(fe, &good));
	k->ioctl_err = 0;
	ok(frontend_add_mem_reg(fe, &good));
	refused(frontend_add_mem_reg(fe, &good)); /* twice */
	finish();
}
END_TEST

/* Without the right to open the devices, those that come with the regions do. */
START_TEST(test_no_devices)
{
	struct frontend_region r = region_of(GRANT, 0, 2);

	fake_xen_init();
	k->open_err = -EACCES;
	gmem_xen_init(&xen, &fake_xen_sys, 0);
	c = carrier_open(CARRIER_SESSION, &echo_suite);
	carrier_leave(c);
	dial(XEN_MMAP);
	refused(frontend_add_mem_reg(fe, &r));
	r.xen_flags = FOREIGN;
	r.guest_addr &= ~XEN_GRANT_ADDR;
	refused(frontend_add_mem_reg(fe, &r));
	hang_up();
	serve(FOREIGN, false);
	hang_up();
	serve(DEMAND, false);
	hang_up();
	k->dup_err = -EMFILE;
	dial(XEN_MMAP);
	r = region_of(DEMAND, 0, 2);
	r.fd = k->file;
	refused(frontend_add_mem_reg(fe, &r));
	k->dups--; /* it gave none */
	k->dup_err = 0;
	finish();
}
END_TEST

/* Granted on demand: mapped from pop to push, rings from start to stop; a cache keeps more, but not longer than these.
 */
START_TEST(test_on_demand)
{
	uint32_t base;
	size_t ring;

	start(_i ? 16 : 0);
	serve(DEMAND, false);
	ring = k->mapped;
	assert_echo();
	ck_assert_uint_eq(k->mapped, ring);
	unsigned int ioctls = k->ioctls;

	assert_echo();
	if (_i)
		ck_assert_uint_eq(k->ioctls, ioctls);
	else
		ck_assert_uint_eq(k->ioctls, ioctls + 4); /* one mapping to read, one to write */
	ok(frontend_queue_stop(fe, ECHO_ECHOQ, &base));
	ck_assert_uint_eq(k->mapped, 0);
	ok(frontend_queue_restart(fe, ECHO_ECHOQ, (uint16_t)base));
	/* A grant that is not there any more breaks the ring, and that alone. */
	struct frontend_buf buf;

	ok(frontend_mem_alloc(frontend_mem(fe), 1, PAGE, PAGE, &buf));
	k->hole = (buf.guest & ~XEN_GRANT_ADDR) / PAGE;
	const struct driver_buf one = {buf.guest, 8, false};

	ok(driver_ring_add(frontend_ring(fe, ECHO_ECHOQ), &one, 1, NULL, NULL));
	driver_ring_publish(frontend_ring(fe, ECHO_ECHOQ));
	ok(frontend_kick(fe, ECHO_ECHOQ));
	ok(frontend_wait_err(fe, ECHO_ECHOQ));
	ok(frontend_sync(fe));
	frontend_mem_release(frontend_mem(fe), &buf);
	finish();
}
END_TEST

/* Some front-ends say where rings are by guest-physical address. */
START_TEST(test_guest_ring_addresses)
{
	const uint32_t ways[] = {FOREIGN, DEMAND};
	uint32_t base;

	start(0);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		serve(ways[i], true);
		ok(frontend_queue_stop(fe, ECHO_ECHOQ, &base));
		const struct frontend_region *r = frontend_mem_region(frontend_mem(fe), 0);
		struct vu_vring_addr addr = frontend_queue_addr(fe, ECHO_ECHOQ);

		addr.desc += r->guest_addr - r->user_addr;
		addr.avail += r->guest_addr - r->user_addr;
		addr.used += r->guest_addr - r->user_addr;
		ok(frontend_vring_addr(fe, &addr));
		ok(frontend_vring_fd(fe, VU_SET_VRING_KICK, ECHO_ECHOQ,
				     frontend_queue_fd(fe, ECHO_ECHOQ, FRONTEND_FD_KICK)));
		assert_echo();
		hang_up();
	}
	finish();
}
END_TEST

/* An IOMMU and memory of another domain do not go together, in either order; the front-end may go on with one of them. */
START_TEST(test_no_iommu)
{
	const uint64_t plain = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	const uint64_t protocol = BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_CONFIGURE_MEM_SLOTS);
	char why[64];

	start(0);
	ck_assert_int_eq(vu_apply_feature_masks(carrier_vdev(c), "+access_platform", why, sizeof(why)), 0);
	dial(BIT(VU_PF_XEN_MMAP));
	ck_assert_int_eq(frontend_set_features(fe, plain | BIT(VIRTIO_F_ACCESS_PLATFORM)), -EREMOTEIO);
	ok(frontend_set_protocol_features(fe, protocol));
	ok(frontend_set_features(fe, plain | BIT(VIRTIO_F_ACCESS_PLATFORM)));
	ck_assert_int_eq(frontend_set_protocol_features(fe, protocol | BIT(VU_PF_XEN_MMAP)), -EREMOTEIO);
	ok(frontend_set_features(fe, plain));
	ok(frontend_set_protocol_features(fe, protocol | BIT(VU_PF_XEN_MMAP)));
	hang_up();
	ck_assert_int_eq(vu_apply_feature_masks(carrier_vdev(c), "-access_platform", why, sizeof(why)), 0);
	finish();
}
END_TEST

Suite *suite_xen_mmap(void)
{
	Suite *s = suite_create("xen_mmap");
	TCase *tc = tcase_create("session");

	tcase_add_test(tc, test_offered);
	tcase_add_test(tc, test_ways);
	tcase_add_test(tc, test_wire);
	tcase_add_test(tc, test_not_accepted);
	tcase_add_test(tc, test_accepted_late);
	tcase_add_test(tc, test_many_regions);
	tcase_add_test(tc, test_refused_by_name);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_no_devices);
	tcase_add_loop_test(tc, test_on_demand, 0, 2);
	tcase_add_test(tc, test_guest_ring_addresses);
	tcase_add_test(tc, test_no_iommu);
	suite_add_tcase(s, tc);
	return s;
}
