/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_vfio_user.c - a device as a virtio PCI device over vfio-user: what a client finds, what a driver does with it, and what
 * neither must do.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "test/lib/carrier.h"
#include "test/lib/echo.h"
#include "test/lib/random.h"
#include "test/lib/vdevd_process.h"
#include "test/lib/vfu_client.h"
#include "test/unit/suites.h"
#include "transport/ring/virtq.h"
#include "transport/vfio_user/vfio_user.h"
#include "transport/vhost_user/vhost_user.h"

static struct ev_loop *loop;
static struct vdev *d;
static struct echo *e;
static void *backend;
static unsigned int closes;
static struct vfuc c;

static void on_closed(void *arg)
{
	ck_assert_ptr_eq(arg, &closes);
	closes++;
}

/* A client comes. */
static void arrive(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(vfu_protocol.serve(backend, pair[1]), 0);
	vfuc_init(&c, loop, pair[0]);
}

/* It goes, and the server has seen it. */
static void leave(void)
{
	const unsigned int before = closes;

	vfuc_fini(&c);
	for (unsigned int i = 0; closes == before; i++) {
		ck_assert_uint_lt(i, 100000);
		ev_run(loop, EVRUN_NOWAIT);
	}
}

static void setup_masked(const char *masks)
{
	char why[128];

	ck_assert_int_eq(gmem_sigbus_install(), 0);
	signal(SIGPIPE, SIG_IGN);
	closes = 0;
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(vdev_new(&echo_class, "echo", loop, &d), 0);
	if (masks)
		ck_assert_int_eq(vu_apply_feature_masks(d, masks, why, sizeof(why)), 0);
	ck_assert_int_eq(vdev_open(d), 0);
	e = echo_of(d);
	ck_assert_int_eq(vfu_protocol.make(d, &gmem_shm, on_closed, &closes, &backend), 0);
	arrive();
}

static void setup(void)
{
	setup_masked(NULL);
}

static void setup_packed(void)
{
	setup_masked("+ring_packed,+ring_reset");
}

static void teardown(void)
{
	echo_release(e, ECHO_HELD);
	vfuc_fini(&c);
	vfu_protocol.end(backend);
	vdev_free(d);
	ev_loop_destroy(loop);
}

static void drive(void)
{
	vfuc_hello(&c);
	vfuc_drive(&c, ECHO_QUEUES, 8, 0, true);
}

/* The device holds one more chain. */
static void hold(void)
{
	const unsigned int before = e->nheld;

	vfuc_submit(&c, ECHO_HOLDQ, "12345678", 8, 8);
	for (unsigned int i = 0; e->nheld == before; i++) {
		ck_assert_uint_lt(i, 1000);
		vfuc_idle(&c);
	}
}

static uint64_t status(void)
{
	return vfuc_get(&c, VFUC_STATUS, 1);
}

/*
 * What a client finds.
 */

START_TEST(test_version)
{
	const struct vfu_version other = {1, 0}, newer = {0, 9};
	char out[64] = {0};

	memcpy(out, &newer, sizeof(newer));
	strcpy(out + sizeof(newer), "{\"capabilities\":{\"max_dma_maps\":7}}");
	int n = vfuc_ask(&c, VFU_VERSION, out, sizeof(newer) + strlen(out + sizeof(newer)) + 1);

	/* No capability that was not proposed, and no later version than ours. */
	ck_assert_int_gt(n, 4);
	ck_assert_str_eq((const char *)c.in + 4, "{\"capabilities\":{\"max_dma_maps\":509}}");
	ck_assert_int_eq(n, 4 + (int)strlen((const char *)c.in + 4) + 1);
	ck_assert_uint_eq(c.in[2], VFU_MINOR);
	ck_assert_int_eq(vfuc_ask(&c, VFU_VERSION, &newer, sizeof(newer)), -EINVAL);
	leave();
	arrive();
	ck_assert_int_eq(vfuc_ask(&c, VFU_VERSION, &other, sizeof(other)), -EINVAL);
	ck_assert_int_gt(vfuc_ask(&c, VFU_VERSION, &newer, sizeof(newer)), 4);
	leave();
	arrive();
	ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_GET_INFO, &newer, sizeof(newer)), -EPIPE);
}
END_TEST

START_TEST(test_discovery)
{
	struct vfu_device_info info = {.argsz = sizeof(info)};
	uint64_t sizes[VFU_NUM_REGIONS];

	vfuc_hello(&c);
	ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_GET_INFO, &info, sizeof(info)), (int)sizeof(info));
	memcpy(&info, c.in, sizeof(info));
	ck_assert_uint_eq(info.flags, VFU_INFO_PCI | VFU_INFO_RESET);
	ck_assert_uint_eq(info.num_regions, VFU_NUM_REGIONS);
	for (uint32_t i = 0; i < VFU_NUM_REGIONS; i++) {
		struct vfu_region_info r = {.argsz = sizeof(r), .index = i};

		ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_GET_REGION_INFO, &r, sizeof(r)), (int)sizeof(r));
		memcpy(&r, c.in, sizeof(r));
		ck_assert_uint_eq(r.index, i);
		ck_assert_uint_eq(r.flags, r.size ? VFU_REGION_READABLE | VFU_REGION_WRITEABLE : 0);
		sizes[i] = r.size;
	}
	ck_assert_uint_eq(sizes[VFU_REGION_CONFIG], 256);
	/* The device says what it is: VIRTIO 1.4, section 4.1.2. */
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, 0, 2), 0x1af4);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, 2, 2), 0x1040 + echo_class.virtio_id);
	ck_assert_uint_ge(vfuc_read(&c, VFU_REGION_CONFIG, 8, 1), 1);
	vfuc_find(&c);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_NUM_QUEUES, 2), ECHO_QUEUES);
	ck_assert_uint_le(c.common.offset + c.common.length, sizes[c.common.bar]);
	ck_assert_uint_le(c.notify.offset + (uint64_t)ECHO_QUEUES * c.notify_step, sizes[c.notify.bar]);
	ck_assert_uint_eq(c.device.length, ECHO_CONFIG_SIZE);
	/* A BAR tells its size. */
	ck_assert_int_eq(vfuc_write(&c, VFU_REGION_CONFIG, 0x10, UINT32_MAX, 4), 0);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, 0x10, 4), UINT32_MAX - sizes[0] + 1);
	/* What is read-only stays. */
	ck_assert_int_eq(vfuc_write(&c, VFU_REGION_CONFIG, 0, 0, 8), 0);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, 0, 2), 0x1af4);
}
END_TEST

START_TEST(test_irq_info)
{
	static const uint32_t counts[VFU_NUM_IRQS] = {1, 0, ECHO_QUEUES + 1, 1, 1};

	vfuc_hello(&c);
	for (uint32_t i = 0; i < VFU_NUM_IRQS; i++) {
		struct vfu_irq_info info = {.argsz = sizeof(info), .index = i};

		ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_GET_IRQ_INFO, &info, sizeof(info)), (int)sizeof(info));
		memcpy(&info, c.in, sizeof(info));
		ck_assert_uint_eq(info.count, counts[i]);
		ck_assert_uint_eq(info.flags & VFU_IRQ_EVENTFD, counts[i] ? VFU_IRQ_EVENTFD : 0);
	}
}
END_TEST

/* Any size and place: a register is the same, whichever way it is read. */
START_TEST(test_sizes)
{
	uint8_t all[0x40];

	vfuc_hello(&c);
	vfuc_find(&c);
	vfuc_put(&c, VFUC_QUEUE_SELECT, 1, 2);
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)vfuc_get(&c, (unsigned int)i, 1);
	for (unsigned int at = 0; at < sizeof(all); at++) {
		for (size_t len = 1; len <= 8 && at + len <= sizeof(all); len++) {
			uint64_t value = vfuc_get(&c, at, len), wanted = 0;

			memcpy(&wanted, all + at, len);
			ck_assert_uint_eq(value, le64toh(wanted));
		}
	}
	/* Bytes of one field, and one write to several. */
	vfuc_put(&c, VFUC_QUEUE_DESC, 0x1122334455667788, 8);
	vfuc_put(&c, VFUC_QUEUE_DESC + 3, 0xee, 1);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_DESC, 8), 0x11223344ee667788);
	vfuc_put(&c, VFUC_QUEUE_DESC + 6, 0xaabbccdd, 4);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_DESC, 8), 0xccdd3344ee667788);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_DRIVER, 2), 0xaabb);
	/* What is no register. */
	ck_assert_uint_eq(vfuc_read(&c, 0, 0x500, 8), 0);
	ck_assert_int_eq(vfuc_write(&c, 0, 0x500, UINT64_MAX, 8), 0);
	ck_assert_uint_eq(vfuc_read(&c, 0, 0x500, 8), 0);
	/* The device's configuration space, and beyond its end. */
	ck_assert_uint_eq(vfuc_read(&c, c.device.bar, c.device.offset + ECHO_CONFIG_RW, 4), 0x07060504);
	ck_assert_int_eq(vfuc_write(&c, c.device.bar, c.device.offset + 1, 0xbeef, 2), 0);
	ck_assert_uint_eq(vfuc_read(&c, c.device.bar, c.device.offset, 4), 0x00beef00);
	ck_assert_uint_eq(vfuc_read(&c, c.device.bar, c.device.offset + ECHO_CONFIG_SIZE, 4), 0);
}
END_TEST

/* VIRTIO 1.4, section 4.1.4.9: BAR 0 without its memory. */
START_TEST(test_window)
{
	vfuc_hello(&c);
	vfuc_find(&c);
	const unsigned int at = c.pci_cfg_at;

	vfuc_write(&c, VFU_REGION_CONFIG, at + 4, c.common.bar, 1);
	vfuc_write(&c, VFU_REGION_CONFIG, at + 8, c.common.offset + VFUC_NUM_QUEUES, 4);
	vfuc_write(&c, VFU_REGION_CONFIG, at + 12, 2, 4);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, at + 16, 2), ECHO_QUEUES);
	vfuc_write(&c, VFU_REGION_CONFIG, at + 8, c.common.offset + VFUC_QUEUE_SELECT, 4);
	vfuc_write(&c, VFU_REGION_CONFIG, at + 16, 1, 2);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_SELECT, 2), 1);
	/* Nowhere: another BAR, a length that is none, beyond the end. */
	vfuc_write(&c, VFU_REGION_CONFIG, at + 12, 3, 4);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, at + 16, 4), 0);
	vfuc_write(&c, VFU_REGION_CONFIG, at + 12, 4, 4);
	vfuc_write(&c, VFU_REGION_CONFIG, at + 8, 0xfffffffc, 4);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, at + 16, 4), 0);
	vfuc_write(&c, VFU_REGION_CONFIG, at + 16, 1, 4);
	vfuc_write(&c, VFU_REGION_CONFIG, at + 4, 5, 1);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, at + 16, 4), 0);
}
END_TEST

/*
 * What a driver does.
 */

START_TEST(test_requests)
{
	drive();
	ck_assert_uint_eq(d->features, c.features);
	for (int i = 0; i < 40; i++) {
		vfuc_echo(&c, ECHO_ECHOQ);
		ck_assert_uint_ge(vfuc_irq_wait(&c, c.vectors[1 + ECHO_ECHOQ]), 1);
	}
	ck_assert_uint_eq(vfuc_irqs(&c, c.vectors[1 + ECHO_HOLDQ]), 0);
	ck_assert_uint_eq(vfuc_irqs(&c, c.vectors[0]), 0);
	ck_assert_uint_eq(e->starts[0], 1);
}
END_TEST

/* A notification before DRIVER_OK is not acted upon, and not lost. */
START_TEST(test_before_driver_ok)
{
	vfuc_hello(&c);
	vfuc_drive(&c, 0, 0, 0, true);
	vfuc_put(&c, VFUC_STATUS, 0, 1);
	vfuc_put(&c, VFUC_STATUS, VFUC_ACKNOWLEDGE | VFUC_DRIVER, 1);
	/* Features first. */
	vfuc_put(&c, VFUC_QUEUE_ENABLE, 1, 2);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_ENABLE, 2), 0);
	ck_assert_uint_eq(status(), VFUC_ACKNOWLEDGE | VFUC_DRIVER | VFUC_NEEDS_RESET);
	vfuc_put(&c, VFUC_STATUS, 0, 1);
	ck_assert_uint_eq(status(), 0);
	vfuc_put(&c, VFUC_DRIVER_FEATURE_SELECT, 0, 4);
	vfuc_put(&c, VFUC_DRIVER_FEATURE, c.features & UINT32_MAX, 4);
	/* Without VERSION_1 the device is nobody's. */
	vfuc_put(&c, VFUC_STATUS, 0xb, 1);
	ck_assert_uint_eq(status(), 3);
	vfuc_put(&c, VFUC_DRIVER_FEATURE_SELECT, 1, 4);
	vfuc_put(&c, VFUC_DRIVER_FEATURE, UINT32_MAX, 4);
	vfuc_put(&c, VFUC_STATUS, 0xb, 1);
	ck_assert_uint_eq(status(), 3);
	vfuc_put(&c, VFUC_DRIVER_FEATURE, c.features >> 32, 4);
	vfuc_put(&c, VFUC_STATUS, 0xb, 1);
	ck_assert_uint_eq(status(), 0xb);
	vfuc_queue(&c, 0, 8);
	vfuc_submit(&c, 0, "hallo", 5, 5);
	vfuc_idle(&c);
	ck_assert(!driver_ring_has_used(c.rings[0]));
	ck_assert_uint_eq(e->starts[0], 0);
	vfuc_put(&c, VFUC_STATUS, 0xf, 1);
	ck_assert_uint_eq(vfuc_used(&c, 0), 5);
}
END_TEST

START_TEST(test_intx)
{
	const int fd = (vfuc_hello(&c), vfuc_drive(&c, ECHO_QUEUES, 8, BIT(VIRTIO_F_EVENT_IDX), false), c.vectors[0]);

	vfuc_echo(&c, 0);
	ck_assert_uint_eq(vfuc_irq_wait(&c, fd), 1);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, 6, 1) & 8, 8);
	/* It is masked by that, and asserted still. */
	vfuc_echo(&c, 0);
	ck_assert_uint_eq(vfuc_irqs(&c, fd), 0);
	ck_assert_int_eq(vfuc_set_irqs(&c, VFU_SET_NONE | VFU_SET_UNMASK, VFU_IRQ_INTX, 0, 1), 0);
	ck_assert_uint_eq(vfuc_irq_wait(&c, fd), 1);
	/* The driver takes the cause away. */
	ck_assert_uint_eq(vfuc_read(&c, c.isr.bar, c.isr.offset, 1), 1);
	ck_assert_uint_eq(vfuc_read(&c, c.isr.bar, c.isr.offset, 1), 0);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, 6, 1) & 8, 0);
	ck_assert_int_eq(vfuc_set_irqs(&c, VFU_SET_NONE | VFU_SET_UNMASK, VFU_IRQ_INTX, 0, 1), 0);
	ck_assert_uint_eq(vfuc_irqs(&c, fd), 0);
	echo_change_config(e, 1);
	ck_assert_uint_eq(vfuc_irq_wait(&c, fd), 1);
	ck_assert_uint_eq(vfuc_read(&c, c.isr.bar, c.isr.offset, 1), 2);
	/* Interrupt disable. */
	ck_assert_int_eq(vfuc_set_irqs(&c, VFU_SET_NONE | VFU_SET_UNMASK, VFU_IRQ_INTX, 0, 1), 0);
	ck_assert_int_eq(vfuc_write(&c, VFU_REGION_CONFIG, 4, 0x406, 2), 0);
	vfuc_echo(&c, 0);
	ck_assert_uint_eq(vfuc_irqs(&c, fd), 0);
	ck_assert_int_eq(vfuc_write(&c, VFU_REGION_CONFIG, 4, 0x006, 2), 0);
	ck_assert_uint_eq(vfuc_irq_wait(&c, fd), 1);
}
END_TEST

/* What is masked waits, and its pending bit says so: by the function's mask, the table's, the client's. */
START_TEST(test_masks)
{
	drive();
	const int fd = c.vectors[1];
	const uint32_t table = (uint32_t)vfuc_read(&c, VFU_REGION_CONFIG, c.msix_at + 4u, 4);
	const uint32_t pending = (uint32_t)vfuc_read(&c, VFU_REGION_CONFIG, c.msix_at + 8u, 4);
	const uint64_t control = (table & ~7u) + 16 + 12;

	for (int way = 0; way < 3; way++) {
		for (int mask = 1; mask >= 0; mask--) {
			if (way == 0)
				vfuc_write(&c, VFU_REGION_CONFIG, c.msix_at + 2u, mask ? 0xc000 : 0x8000, 2);
			else if (way == 1)
				vfuc_write(&c, table & 7, control, (uint64_t)mask, 4);
			else
				ck_assert_int_eq(vfuc_set_irqs(&c, VFU_SET_NONE | (mask ? VFU_SET_MASK : VFU_SET_UNMASK), VFU_IRQ_MSIX,
							       1, 1), 0);
			if (!mask)
				continue;
			vfuc_echo(&c, 0);
			ck_assert_uint_eq(vfuc_irqs(&c, fd), 0);
			ck_assert_uint_eq(vfuc_read(&c, pending & 7, pending & ~7u, 8), 2);
		}
		ck_assert_uint_eq(vfuc_irq_wait(&c, fd), 1);
		ck_assert_uint_eq(vfuc_read(&c, pending & 7, pending & ~7u, 8), 0);
	}
	/* A client tries an interrupt, and takes its descriptors back. */
	ck_assert_int_eq(vfuc_set_irqs(&c, VFU_SET_NONE | VFU_SET_TRIGGER, VFU_IRQ_MSIX, 2, 1), 0);
	ck_assert_uint_eq(vfuc_irqs(&c, c.vectors[2]), 1);
	ck_assert_int_eq(vfuc_set_irqs(&c, VFU_SET_NONE | VFU_SET_TRIGGER, VFU_IRQ_MSIX, 0, 0), 0);
	vfuc_echo(&c, 0);
	ck_assert_uint_eq(vfuc_irqs(&c, fd), 0);
	/* What came meanwhile is not lost. */
	ck_assert_int_eq(vfuc_set_fds(&c, VFU_IRQ_MSIX, 0, c.vectors, 2), 0);
	ck_assert_uint_eq(vfuc_irq_wait(&c, fd), 1);
	/* And with the descriptors goes the client's mask. */
	ck_assert_int_eq(vfuc_set_irqs(&c, VFU_SET_NONE | VFU_SET_MASK, VFU_IRQ_MSIX, 1, 1), 0);
	ck_assert_int_eq(vfuc_set_irqs(&c, VFU_SET_NONE | VFU_SET_TRIGGER, VFU_IRQ_MSIX, 0, 0), 0);
	ck_assert_int_eq(vfuc_set_fds(&c, VFU_IRQ_MSIX, 0, c.vectors, 2), 0);
	vfuc_echo(&c, 0);
	ck_assert_uint_eq(vfuc_irq_wait(&c, fd), 1);
}
END_TEST

START_TEST(test_config_change)
{
	drive();
	const uint64_t generation = vfuc_get(&c, VFUC_GENERATION, 1);

	echo_change_config(e, 77);
	ck_assert_uint_eq(vfuc_irq_wait(&c, c.vectors[0]), 1);
	ck_assert_uint_ne(vfuc_get(&c, VFUC_GENERATION, 1), generation);
	ck_assert_uint_eq(vfuc_read(&c, c.device.bar, c.device.offset + ECHO_CONFIG_SIZE - 1, 1), 77);
}
END_TEST

/* device_status stays until the device has given its chains back; and the next driver finds it fresh. */
START_TEST(test_driver_reset)
{
	drive();
	e->quiesce = ECHO_NEVER;
	hold();
	vfuc_put(&c, VFUC_STATUS, 0, 1);
	ck_assert_uint_eq(status(), 0xf);
	vfuc_put(&c, VFUC_STATUS, 1, 1); /* without effect */
	ck_assert_uint_eq(status(), 0xf);
	const unsigned int resets = e->resets;

	echo_release(e, ECHO_HELD);
	vfuc_idle(&c);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(e->resets, resets + 1);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_ENABLE, 2), 0);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_DESC, 8), 0);
	ck_assert_int_eq(vfuc_unmap(&c, VFUC_MEM_AT, VFUC_MEM_SIZE, 0), (int)sizeof(struct vfu_dma_unmap));
	vfuc_drive(&c, ECHO_QUEUES, 16, 0, true);
	vfuc_echo(&c, 0);
}
END_TEST

/* A client resets: it has the answer when it is done, and everything is as at the beginning. */
START_TEST(test_device_reset)
{
	drive();
	e->quiesce = ECHO_NEVER;
	hold();
	vfuc_send(&c, VFU_DEVICE_RESET, 0, NULL, 0, NULL, 0);
	ck_assert(!vfuc_answered(&c));
	echo_release(e, ECHO_HELD);
	ck_assert_int_eq(vfuc_reply(&c), 0);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, c.msix_at + 2u, 2) & 0x8000, 0);
	ck_assert_int_eq(vfuc_unmap(&c, 0, 0, VFU_UNMAP_ALL), (int)sizeof(struct vfu_dma_unmap));
	vfuc_drive(&c, ECHO_QUEUES, 8, 0, true);
	vfuc_echo(&c, 0);
	/* It goes in the midst of one. */
	hold();
	vfuc_send(&c, VFU_DEVICE_RESET, 0, NULL, 0, NULL, 0);
	vfuc_idle(&c);
	vfuc_fini(&c);
	for (int i = 0; i < 50; i++)
		ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(closes, 0);
	echo_release(e, ECHO_HELD);
	for (int i = 0; i < 50; i++)
		ev_run(loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(closes, 1);
	arrive();
	drive();
	vfuc_echo(&c, 0);
}
END_TEST

START_TEST(test_queue_reset)
{
	drive();
	ck_assert(c.features & BIT(VIRTIO_F_RING_RESET));
	e->quiesce = ECHO_NEVER;
	hold();
	vfuc_put(&c, VFUC_QUEUE_SELECT, ECHO_HOLDQ, 2);
	vfuc_put(&c, VFUC_QUEUE_RESET, 1, 2);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_RESET, 2), 1);
	vfuc_echo(&c, ECHO_ECHOQ);
	echo_release(e, ECHO_HELD);
	vfuc_idle(&c);
	vfuc_put(&c, VFUC_QUEUE_SELECT, ECHO_HOLDQ, 2);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_RESET, 2), 0);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_ENABLE, 2), 0);
	vfuc_queue(&c, ECHO_HOLDQ, 4);
	hold();
	echo_release(e, 1);
	ck_assert_uint_eq(vfuc_used(&c, ECHO_HOLDQ), 8);
	vfuc_echo(&c, ECHO_ECHOQ);
}
END_TEST

/* Memory in use is let go of before the answer; rings that are elsewhere go on, with what the device held. */
START_TEST(test_unmap)
{
	const uint64_t extra = VFUC_MEM_AT + VFUC_MEM_SIZE;
	const int unmapped = sizeof(struct vfu_dma_unmap);

	drive();
	/* Nothing of it is in use. */
	ck_assert_int_eq(vfuc_map(&c, extra, 0x10000, 0, 3, c.mem_fd), 0);
	ck_assert_int_eq(vfuc_map(&c, extra, 0x10000, 0, 3, c.mem_fd), -EEXIST);
	ck_assert_int_eq(vfuc_unmap(&c, extra, 0x8000, 0), -ENOENT);
	ck_assert_int_eq(vfuc_unmap(&c, extra, 0x10000, 0), unmapped);
	ck_assert_int_eq(vfuc_unmap(&c, extra, 0x10000, 0), -ENOENT);
	ck_assert_uint_eq(e->quiesces[0], 0);
	/* No descriptor, and a ROM. */
	ck_assert_int_eq(vfuc_map(&c, 0, 0x10000, 0, 3, -1), 0);
	ck_assert_int_eq(vfuc_map(&c, 0xf000, 0x10000, 0, 1, c.mem_fd), -EEXIST);
	ck_assert_int_eq(vfuc_map(&c, 0x10000, 0x10000, 0, 1, c.mem_fd), 0);
	ck_assert_int_eq(vfuc_map(&c, 0x18000, 0x1000, 0, 3, c.mem_fd), -EEXIST);
	ck_assert_int_eq(vfuc_unmap(&c, 0, 0x10000, 0), unmapped);
	ck_assert_int_eq(vfuc_unmap(&c, 0x10000, 0x10000, 0), unmapped);
	/* A chain is in the memory that goes. */
	ck_assert_int_eq(vfuc_map(&c, extra, 0x10000, VFUC_MEM_SIZE - 0x10000, 3, c.mem_fd), 0);
	e->quiesce = ECHO_NEVER;
	const struct driver_buf buf = {.addr = extra, .len = 8, .writable = true};

	ck_assert_int_eq(driver_ring_add(c.rings[ECHO_HOLDQ], &buf, 1, NULL, &c), 0);
	driver_ring_publish(c.rings[ECHO_HOLDQ]);
	vfuc_write(&c, c.notify.bar, c.notify.offset + c.notify_step * ECHO_HOLDQ, ECHO_HOLDQ, 2);
	vfuc_idle(&c);
	ck_assert_uint_eq(e->nheld, 1);
	const struct vfu_dma_unmap m = {.argsz = sizeof(m), .address = extra, .size = 0x10000};

	vfuc_send(&c, VFU_DMA_UNMAP, 0, &m, sizeof(m), NULL, 0);
	ck_assert(!vfuc_answered(&c));
	echo_release(e, ECHO_HELD);
	ck_assert_int_eq(vfuc_reply(&c), unmapped);
	ck_assert_uint_eq(vfuc_used(&c, ECHO_HOLDQ), 0);
	vfuc_echo(&c, ECHO_ECHOQ);
	hold();
	echo_release(e, ECHO_HELD);
	ck_assert_uint_eq(vfuc_used(&c, ECHO_HOLDQ), 8);
	/* The rings' own. */
	ck_assert_int_eq(vfuc_unmap(&c, VFUC_MEM_AT, VFUC_MEM_SIZE, 0), unmapped);
	ck_assert_uint_eq(status(), 0xf | VFUC_NEEDS_RESET);
	ck_assert_uint_ge(vfuc_irq_wait(&c, c.vectors[0]), 1);
}
END_TEST

/* All memory goes, and comes again in other pieces: rings go on where they were, with and without a message that says so. */
START_TEST(test_remap)
{
	const struct vfu_dma_unmap m = {.argsz = sizeof(m), .address = VFUC_MEM_AT, .size = VFUC_MEM_SIZE};
	const uint64_t cut = VFUC_BUFFERS_AT + 0x3000;

	drive();
	hold();
	for (int i = 0; i < 2; i++) {
		/* One that nobody notifies. */
		const struct driver_buf buf = {.addr = VFUC_MEM_AT + cut + 0x10000, .len = 8, .writable = true};

		ck_assert_int_eq(driver_ring_add(c.rings[ECHO_ECHOQ], &buf, 1, NULL, &c), 0);
		driver_ring_publish(c.rings[ECHO_ECHOQ]);
		ck_assert_int_eq(vfuc_ask(&c, VFU_DMA_UNMAP, &m, sizeof(m)), (int)sizeof(m));
		ck_assert_uint_eq(e->nheld, 0);
		ck_assert_int_eq(vfuc_map(&c, VFUC_MEM_AT, cut, 0, 3, c.mem_fd), 0);
		vfuc_idle(&c);
		ck_assert(!driver_ring_has_used(c.rings[ECHO_ECHOQ]));
		ck_assert_int_eq(vfuc_map(&c, VFUC_MEM_AT + cut, VFUC_MEM_SIZE - cut, cut, 3, c.mem_fd), 0);
		if (i == 0)
			ck_assert_uint_eq(status(), 0xf);
		ck_assert_uint_eq(vfuc_used(&c, ECHO_ECHOQ), 0);
		vfuc_idle(&c);
		ck_assert_uint_eq(e->nheld, 1);
		ck_assert_uint_eq(status(), 0xf);
		/* As it was. */
		ck_assert_int_eq(vfuc_unmap(&c, VFUC_MEM_AT, cut, 0), (int)sizeof(m));
		ck_assert_int_eq(vfuc_unmap(&c, VFUC_MEM_AT + cut, VFUC_MEM_SIZE - cut, 0), (int)sizeof(m));
		ck_assert_int_eq(vfuc_map(&c, VFUC_MEM_AT, VFUC_MEM_SIZE, 0, 3, c.mem_fd), 0);
		vfuc_echo(&c, ECHO_ECHOQ);
	}
	echo_release(e, 1);
	ck_assert_uint_eq(vfuc_used(&c, ECHO_HOLDQ), 8);
	/* A client that goes in the midst of it. */
	hold();
	ck_assert_int_eq(vfuc_ask(&c, VFU_DMA_UNMAP, &m, sizeof(m)), (int)sizeof(m));
	leave();
	arrive();
	drive();
	vfuc_echo(&c, ECHO_ECHOQ);
}
END_TEST

START_TEST(test_broken)
{
	drive();
	driver_ring_publish_raw(c.rings[0], UINT16_MAX);
	vfuc_write(&c, c.notify.bar, c.notify.offset, 0, 2);
	vfuc_idle(&c);
	ck_assert_uint_eq(status(), 0xf | VFUC_NEEDS_RESET);
	ck_assert_uint_eq(vfuc_irq_wait(&c, c.vectors[0]), 1);
	/* The other goes on; a reset mends it. */
	hold();
	echo_release(e, 1);
	ck_assert_uint_eq(vfuc_used(&c, ECHO_HOLDQ), 8);
	vfuc_unmap(&c, 0, 0, VFU_UNMAP_ALL);
	vfuc_drive(&c, ECHO_QUEUES, 8, 0, true);
	vfuc_echo(&c, 0);
}
END_TEST

/* Rings that cannot be. */
START_TEST(test_bad_queue)
{
	static const struct {
		uint16_t size;
		uint64_t desc;
	} rows[] = {{0, VFUC_MEM_AT}, {UINT16_MAX, VFUC_MEM_AT}, {8, 0}, {8, UINT64_MAX - 63}, {8, VFUC_MEM_AT + VFUC_MEM_SIZE - 16}};

	vfuc_hello(&c);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vfuc_drive(&c, 0, 0, 0, true);
		vfuc_put(&c, VFUC_QUEUE_SELECT, 0, 2);
		vfuc_put(&c, VFUC_QUEUE_SIZE, rows[i].size, 2);
		vfuc_put(&c, VFUC_QUEUE_DESC, rows[i].desc, 8);
		vfuc_put(&c, VFUC_QUEUE_DRIVER, rows[i].desc, 8);
		vfuc_put(&c, VFUC_QUEUE_DEVICE, rows[i].desc, 8);
		vfuc_put(&c, VFUC_QUEUE_ENABLE, 1, 2);
		ck_assert_uint_eq(status() & VFUC_NEEDS_RESET, VFUC_NEEDS_RESET);
		vfuc_unmap(&c, 0, 0, VFU_UNMAP_ALL);
	}
	/* There are no more than there are. */
	vfuc_put(&c, VFUC_QUEUE_SELECT, ECHO_QUEUES, 2);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_SIZE, 2), 0);
	vfuc_put(&c, VFUC_QUEUE_ENABLE, 1, 2);
	vfuc_put(&c, VFUC_QUEUE_SELECT, 0, 2);
	vfuc_put(&c, VFUC_QUEUE_VECTOR, ECHO_QUEUES + 1, 2);
	ck_assert_uint_eq(vfuc_get(&c, VFUC_QUEUE_VECTOR, 2), 0xffff);
}
END_TEST

START_TEST(test_write_multi)
{
	struct {
		struct vfu_write_multi m;
		struct vfu_write w[3];
	} out = {.m = {3}};

	drive();
	out.w[0] = (struct vfu_write){{c.device.offset, c.device.bar, 1}, {0x11}};
	out.w[1] = (struct vfu_write){{c.device.offset + 1, c.device.bar, 2}, {0x22, 0x33}};
	out.w[2] = (struct vfu_write){{c.notify.offset, c.notify.bar, 2}, {0}};
	ck_assert_int_eq(vfuc_ask(&c, VFU_REGION_WRITE_MULTI, &out, sizeof(out)), 8);
	ck_assert_mem_eq(c.in, &out.m, sizeof(out.m));
	ck_assert_uint_eq(vfuc_read(&c, c.device.bar, c.device.offset, 4), 0x332211);
	/* Notifications, by turns to two queues: each has few turns, and one at least. */
	static struct {
		struct vfu_write_multi m;
		struct vfu_write w[500];
	} kicks = {.m = {500}};
	const unsigned int before[2] = {e->kicks[0], e->kicks[1]};

	for (unsigned int i = 0; i < 500; i++)
		kicks.w[i].access = (struct vfu_access){c.notify.offset + i % 2 * c.notify_step, c.notify.bar, 2};
	ck_assert_int_eq(vfuc_ask(&c, VFU_REGION_WRITE_MULTI, &kicks, sizeof(kicks)), 8);
	vfuc_idle(&c);
	for (unsigned int q = 0; q < 2; q++) {
		ck_assert_uint_gt(e->kicks[q], before[q]);
		ck_assert_uint_le(e->kicks[q], before[q] + 2);
	}
	/* One that is wrong: none is done. */
	out.w[0].data[0] = 0x77;
	out.w[2].access.offset = UINT64_MAX;
	ck_assert_int_eq(vfuc_ask(&c, VFU_REGION_WRITE_MULTI, &out, sizeof(out)), -EINVAL);
	out.m.count = UINT64_MAX;
	ck_assert_int_eq(vfuc_ask(&c, VFU_REGION_WRITE_MULTI, &out, sizeof(out)), -EINVAL);
	ck_assert_uint_eq(vfuc_read(&c, c.device.bar, c.device.offset, 4), 0x332211);
}
END_TEST

/* Each finds a fresh device, also after one that went in the midst of a message. */
START_TEST(test_in_turn)
{
	const struct vfu_header half = {.command = VFU_REGION_WRITE, .size = 64};

	for (int i = 0; i < 4; i++) {
		drive();
		ck_assert_uint_eq(vfuc_read(&c, c.device.bar, c.device.offset, 1), 0);
		ck_assert_int_eq(vfuc_write(&c, c.device.bar, c.device.offset, 9, 1), 0);
		vfuc_echo(&c, 0);
		hold();
		ck_assert_int_eq(send(c.sock, &half, sizeof(half) - (i & 1), 0), (int)sizeof(half) - (i & 1));
		vfuc_idle(&c);
		leave();
		ck_assert_uint_eq(e->nheld, 0);
		arrive();
	}
}
END_TEST

START_TEST(test_memory_cut_short)
{
	drive();
	vfuc_echo(&c, 0);
	ck_assert_int_eq(ftruncate(c.mem_fd, 0), 0);
	vfuc_write(&c, c.notify.bar, c.notify.offset, 0, 2);
	for (unsigned int i = 0; !closes; i++) {
		ck_assert_uint_lt(i, 1000);
		vfuc_idle(&c);
	}
	vfuc_fini(&c);
	arrive();
	drive();
	vfuc_echo(&c, 0);
}
END_TEST

/* Changes the state of migration.  Returns 0 or -errno. */
static int migrate(uint32_t state)
{
	const struct {
		struct vfu_feature f;
		struct vfu_mig_state m;
	} out = {{sizeof(out), VFU_FEATURE_SET | VFU_FEATURE_MIG_STATE}, {state, 0}};
	int ret = vfuc_ask(&c, VFU_DEVICE_FEATURE, &out, sizeof(out));

	ck_assert(ret < 0 || ret == sizeof(out));
	return ret < 0 ? ret : 0;
}

static uint32_t migration_state(void)
{
	const struct vfu_feature f = {64, VFU_FEATURE_GET | VFU_FEATURE_MIG_STATE};
	struct vfu_mig_state m;

	ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_FEATURE, &f, sizeof(f)), (int)(sizeof(f) + sizeof(m)));
	memcpy(&m, c.in + sizeof(f), sizeof(m));
	return m.state;
}

/* Reads all of the device's state, in pieces. */
static size_t state_read(uint8_t *bytes, size_t room)
{
	const struct vfu_mig_data ask = {.argsz = 1000, .size = 100};
	struct vfu_mig_data m;
	size_t len = 0;

	do {
		ck_assert_int_ge(vfuc_ask(&c, VFU_MIG_DATA_READ, &ask, sizeof(ask)), (int)sizeof(m));
		memcpy(&m, c.in, sizeof(m));
		ck_assert_uint_le(len + m.size, room);
		memcpy(bytes + len, c.in + sizeof(m), m.size);
		len += m.size;
	} while (m.size == ask.size);
	return len;
}

static int state_write(const uint8_t *bytes, size_t len)
{
	uint8_t out[4096];
	struct vfu_mig_data m = {.argsz = sizeof(m)};

	for (size_t at = 0; at < len; at += m.size) {
		m.size = (uint32_t)min_size(len - at, sizeof(out) - sizeof(m));
		memcpy(out, &m, sizeof(m));
		memcpy(out + sizeof(m), bytes + at, m.size);
		int ret = vfuc_ask(&c, VFU_MIG_DATA_WRITE, out, sizeof(m) + m.size);

		if (ret)
			return ret;
	}
	return 0;
}

/* Whether the page with this address was written, of a range that begins at VFUC_MEM_AT; pages of a report's size. */
static bool reported(uint64_t address, uint64_t page_size)
{
	const uint64_t bit = (address - VFUC_MEM_AT) / page_size;
	uint64_t word;

	memcpy(&word, c.in + sizeof(struct vfu_feature) + sizeof(struct vfu_log_report) + bit / 64 * 8, sizeof(word));
	return word & BIT(bit % 64);
}

static int report_of(uint64_t at, uint64_t size, uint64_t page_size)
{
	const struct {
		struct vfu_feature f;
		struct vfu_log_report r;
	} out = {{UINT32_MAX, VFU_FEATURE_GET | VFU_FEATURE_LOG_REPORT}, {at, size, page_size}};

	return vfuc_ask(&c, VFU_DEVICE_FEATURE, &out, sizeof(out));
}

static int report(uint64_t page_size)
{
	return report_of(VFUC_MEM_AT, VFUC_MEM_SIZE, page_size);
}

START_TEST(test_log)
{
	const struct {
		struct vfu_feature f;
		struct vfu_log_start s;
		struct vfu_log_range r;
	} out = {{sizeof(out), VFU_FEATURE_SET | VFU_FEATURE_LOG_START}, {65536, 1, 0}, {VFUC_MEM_AT, VFUC_MEM_SIZE}};
	const struct vfu_feature stop = {8, VFU_FEATURE_SET | VFU_FEATURE_LOG_STOP};
	const struct vfu_feature probe = {8, VFU_FEATURE_PROBE | VFU_FEATURE_SET | VFU_FEATURE_LOG_START};
	const uint64_t buffer = VFUC_MEM_AT + VFUC_BUFFERS_AT + 0x8000, pages = VFUC_MEM_SIZE / 4096;
	struct vfu_log_start told;

	drive();
	vfuc_echo(&c, 0);
	ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_FEATURE, &probe, sizeof(probe)), (int)sizeof(probe));
	ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_FEATURE, &out, sizeof(out)), (int)sizeof(out));
	memcpy(&told, c.in + sizeof(struct vfu_feature), sizeof(told));
	ck_assert_uint_eq(told.page_size, 4096);
	ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_FEATURE, &out, sizeof(out)), -EBUSY);
	ck_assert_int_eq(report(4096), (int)(sizeof(struct vfu_feature) + sizeof(struct vfu_log_report) + pages / 8));
	ck_assert(!reported(buffer, 4096));
	vfuc_echo(&c, 0);
	ck_assert_int_gt(report(4096), 0);
	ck_assert(reported(buffer, 4096));
	ck_assert(!reported(buffer - 0x8000, 4096));
	/* The ring, too: some page of it. */
	bool ring = false;

	for (uint64_t at = 0; at < 0x40000; at += 4096)
		ring |= reported(VFUC_MEM_AT + at, 4096);
	ck_assert(ring);
	/* It was taken; and in other pages. */
	ck_assert_int_gt(report(4096), 0);
	ck_assert(!reported(buffer, 4096));
	vfuc_echo(&c, 0);
	ck_assert_int_gt(report(1u << 20), 0);
	ck_assert(reported(buffer, 1u << 20) && !reported(VFUC_MEM_AT + (7u << 20), 1u << 20));
	vfuc_echo(&c, 0);
	ck_assert_int_gt(report(1024), 0);
	ck_assert(reported(buffer, 1024) && reported(buffer + 3072, 1024) && !reported(buffer + 4096, 1024));
	/* What cannot be logged may have been written, what was not asked for was not. */
	const size_t head = sizeof(struct vfu_feature) + sizeof(struct vfu_log_report);
	uint64_t word;

	ck_assert_int_eq(report_of((UINT64_C(1) << 44) - 0x20000, 0x40000, 4096), (int)(head + sizeof(word)));
	memcpy(&word, c.in + head, sizeof(word));
	ck_assert_uint_eq(word, UINT64_C(0xffffffff00000000));
	ck_assert_int_eq(report(3000), -EINVAL);
	ck_assert_int_eq(report(0), -EINVAL);
	ck_assert_int_eq(report(1), -E2BIG);
	ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_FEATURE, &stop, sizeof(stop)), (int)sizeof(stop));
	ck_assert_int_eq(report(4096), -EINVAL);
	vfuc_echo(&c, 0);
}
END_TEST

/* A device moves, with what its driver has made of it, and what it held goes on. */
START_TEST(test_migrate)
{
	const struct vfu_feature f = {16, VFU_FEATURE_GET | VFU_FEATURE_MIGRATION};
	static uint8_t bytes[65536];
	uint64_t flags;
	int pair[2];

	drive();
	vfuc_echo(&c, 0);
	hold();
	ck_assert_int_eq(vfuc_write(&c, c.device.bar, c.device.offset, 0x5a, 1), 0);
	ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_FEATURE, &f, sizeof(f)), 16);
	memcpy(&flags, c.in + sizeof(f), sizeof(flags));
	ck_assert_uint_eq(flags, VFU_MIG_FLAG_STOP_COPY);
	ck_assert_uint_eq(migration_state(), VFU_MIG_RUNNING);
	/* A machine that is only paused. */
	ck_assert_int_eq(migrate(VFU_MIG_STOP), 0);
	ck_assert_uint_eq(e->nheld, 0);
	vfuc_submit(&c, 0, "hallo", 5, 5);
	vfuc_idle(&c);
	ck_assert(!driver_ring_has_used(c.rings[0]));
	ck_assert_int_eq(migrate(VFU_MIG_RUNNING), 0);
	ck_assert_uint_eq(vfuc_used(&c, 0), 5);
	ck_assert_uint_eq(e->nheld, 1);
	/* And one that moves. */
	ck_assert_int_eq(migrate(VFU_MIG_STOP_COPY), 0);
	ck_assert_uint_eq(migration_state(), VFU_MIG_STOP_COPY);
	const size_t len = state_read(bytes, sizeof(bytes));

	ck_assert_uint_gt(len, 256);
	/* The same process is the other machine: it has forgotten all. */
	const unsigned int before = closes;

	close(c.sock);
	while (closes == before)
		ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(vfu_protocol.serve(backend, pair[1]), 0);
	c.sock = pair[0];
	vfuc_hello(&c);
	ck_assert_int_eq(vfuc_map(&c, VFUC_MEM_AT, VFUC_MEM_SIZE, 0, 3, c.mem_fd), 0);
	ck_assert_int_eq(vfuc_set_fds(&c, VFU_IRQ_MSIX, 0, c.vectors, ECHO_QUEUES + 1), 0);
	ck_assert_int_eq(migrate(VFU_MIG_RESUMING), 0);
	ck_assert_int_eq(state_write(bytes, len), 0);
	ck_assert_int_eq(migrate(VFU_MIG_RUNNING), 0);
	ck_assert_uint_eq(status(), 0xf);
	ck_assert_uint_eq(d->features, c.features);
	vfuc_echo(&c, 0);
	ck_assert_uint_ge(vfuc_irq_wait(&c, c.vectors[1]), 1);
	vfuc_idle(&c);
	ck_assert_uint_eq(e->nheld, 1);
	echo_release(e, 1);
	ck_assert_uint_eq(vfuc_used(&c, ECHO_HOLDQ), 8);
}
END_TEST

/* States that are none: the device is to be reset, and is fresh then. */
START_TEST(test_migrate_bad)
{
	static uint8_t bytes[65536];
	uint32_t seed = 0xbad5eed, *r = &seed;

	drive();
	vfuc_echo(&c, 0);
	ck_assert_int_eq(migrate(VFU_MIG_STOP_COPY), 0);
	const size_t len = state_read(bytes, sizeof(bytes));

	ck_assert_int_eq(migrate(VFU_MIG_STOP), 0);
	ck_assert_int_eq(migrate(VFU_MIG_RUNNING), 0);
	vfuc_echo(&c, 0);
	for (unsigned int round = 0; round < 200; round++) {
		const size_t cut = round % 2 ? len : random_next(r) % len, at = random_next(r) % len;
		const uint8_t was = bytes[at];

		bytes[at] = (uint8_t)(was ^ (1u << random_next(r) % 8));
		ck_assert_int_eq(migrate(VFU_MIG_RESUMING), 0);
		ck_assert_int_eq(state_write(bytes, cut), 0);
		int err = migrate(VFU_MIG_RUNNING);

		bytes[at] = was;
		/* A register that is another one's is well. */
		ck_assert(err == 0 ? cut == len : migration_state() == VFU_MIG_ERROR);
		if (err)
			ck_assert_int_eq(migrate(VFU_MIG_STOP), -EINVAL);
		ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_RESET, NULL, 0), 0);
		ck_assert_uint_eq(migration_state(), VFU_MIG_RUNNING);
		ck_assert_uint_eq(status(), 0);
	}
	vfuc_unmap(&c, 0, 0, VFU_UNMAP_ALL);
	vfuc_drive(&c, ECHO_QUEUES, 8, 0, true);
	vfuc_echo(&c, 0);
}
END_TEST

/* What the executable has said, with VDEVD_TRACE. */
static void expect_trace(const char *dir)
{
	static const char *const lines[] = {"< VERSION: ",
					    "> VERSION: ",
					    "< DMA_UNMAP: 24 bytes, 0 descriptors\n",
					    "> DMA_UNMAP: 24 bytes\n",
					    "> DEVICE_FEATURE: 0 bytes, ",
					    "* requestq: chain ",
					    ": read 0 of 0 bytes, written "};
	static char text[1u << 20];
	char path[80];

	snprintf(path, sizeof(path), "%s/log", dir);
	FILE *f = fopen(path, "re");

	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		ck_assert_msg(strstr(text, lines[i]), "%s%s", lines[i], text);
}

/* The executable, with its sandbox: two clients in turn. */
START_TEST(test_executable)
{
	static const struct device_suite rng = {.device = "rng"};
	static const uint8_t none[64];
	const struct {
		struct vfu_feature f;
		struct vfu_log_start s;
	} log = {{sizeof(log), VFU_FEATURE_SET | VFU_FEATURE_LOG_START}, {4096, 0, 0}};
	struct vdevd_process p = {.pid = -1};
	char dir[64];

	if (!carrier_built(&rng))
		return;
	process_dir_make(dir);
	setenv("VDEVD_TRACE", "1", 1);
	process_start_at(&p, "vfio-user", dir, "socket", "rng", NULL);
	unsetenv("VDEVD_TRACE");
	vfuc_fini(&c);
	for (int i = 0; i < 2; i++) {
		const uint64_t begun = process_now_us();
		int sock;

		while ((sock = unix_connect(p.path)) < 0) {
			ck_assert_uint_lt(process_now_us() - begun, PROCESS_PATIENCE * 1000u);
			usleep(1000);
		}
		vfuc_init(&c, loop, sock);
		vfuc_hello(&c);
		ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, 2, 2), 0x1044);
		vfuc_drive(&c, 1, 8, 0, true);
		vfuc_submit(&c, 0, "", 0, 64);
		ck_assert_uint_eq(vfuc_used(&c, 0), 64);
		ck_assert_mem_ne(c.mem + VFUC_BUFFERS_AT + 0x8000, none, sizeof(none));
		ck_assert_uint_ge(vfuc_irq_wait(&c, c.vectors[1]), 1);
		/* All that it may do later: a log of all there can be, a state. */
		ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_FEATURE, &log, sizeof(log)), (int)sizeof(log));
		vfuc_submit(&c, 0, "", 0, 64);
		ck_assert_uint_eq(vfuc_used(&c, 0), 64);
		ck_assert_int_gt(report(4096), 0);
		ck_assert(reported(VFUC_MEM_AT + VFUC_BUFFERS_AT + 0x8000, 4096));
		ck_assert_int_eq(migrate(VFU_MIG_STOP_COPY), 0);
		ck_assert_int_eq(migrate(VFU_MIG_RUNNING), 0);
		vfuc_submit(&c, 0, "", 0, 64);
		ck_assert_uint_eq(vfuc_used(&c, 0), 64);
		ck_assert_int_eq(migrate(99), -EINVAL);
		ck_assert_int_eq(vfuc_ask(&c, VFU_DEVICE_RESET, NULL, 0), 0);
		ck_assert_int_eq(vfuc_unmap(&c, 0, 0, VFU_UNMAP_ALL), (int)sizeof(struct vfu_dma_unmap));
		vfuc_fini(&c);
	}
	process_kill(&p);
	expect_trace(dir);
	process_dir_remove(dir);
	arrive();
}
END_TEST

/*
 * What clients must not send.
 */

#define ASK(n, cmd, want, ...)                                                                                         \
	{                                                                                                              \
		n, cmd, want, sizeof((const uint32_t[]){__VA_ARGS__}), { __VA_ARGS__ }                                 \
	}

static const struct {
	const char *name;
	unsigned int command;
	int want;
	size_t size;
	uint32_t words[10];
} rows[] = {
	ASK("command 0", 0, -EOPNOTSUPP, 0),
	ASK("DEVICE_GET_REGION_IO_FDS", VFU_DEVICE_GET_REGION_IO_FDS, -EOPNOTSUPP, 16, 0, 0, 0),
	ASK("DMA_READ from a client", VFU_DMA_READ, -EOPNOTSUPP, 0, 0, 0, 0),
	ASK("command 14", 14, -EOPNOTSUPP, 0),
	ASK("DEVICE_FEATURE, short", VFU_DEVICE_FEATURE, -EINVAL, 16),
	ASK("DEVICE_FEATURE 3", VFU_DEVICE_FEATURE, -EOPNOTSUPP, 16, VFU_FEATURE_GET | 3, 0, 0),
	ASK("DEVICE_FEATURE 65535", VFU_DEVICE_FEATURE, -EOPNOTSUPP, 16, VFU_FEATURE_GET | 65535, 0, 0),
	ASK("DEVICE_FEATURE with other flags", VFU_DEVICE_FEATURE, -EINVAL, 16, 1u << 20 | 1, 0, 0),
	ASK("DEVICE_FEATURE, neither GET nor SET", VFU_DEVICE_FEATURE, -EINVAL, 16, 2, 0, 0),
	ASK("DEVICE_FEATURE, both", VFU_DEVICE_FEATURE, -EINVAL, 16, VFU_FEATURE_GET | VFU_FEATURE_SET | 2, 1, 0),
	ASK("MIGRATION cannot be set", VFU_DEVICE_FEATURE, -EOPNOTSUPP, 16, VFU_FEATURE_SET | 1, 0, 0),
	ASK("MIG_DEVICE_STATE, short", VFU_DEVICE_FEATURE, -EINVAL, 16, VFU_FEATURE_SET | 2, 1),
	ASK("MIG_DEVICE_STATE 0", VFU_DEVICE_FEATURE, -EINVAL, 16, VFU_FEATURE_SET | 2, 0, 0),
	ASK("MIG_DEVICE_STATE 6, which was not offered", VFU_DEVICE_FEATURE, -EINVAL, 16, VFU_FEATURE_SET | 2, 6, 0),
	ASK("DMA_LOGGING_STOP without a start", VFU_DEVICE_FEATURE, -EINVAL, 16, VFU_FEATURE_SET | 7),
	ASK("DMA_LOGGING_START, short", VFU_DEVICE_FEATURE, -EINVAL, 16, VFU_FEATURE_SET | 6, 4096, 0, 0),
	ASK("DMA_LOGGING_START, ranges that are not there", VFU_DEVICE_FEATURE, -EINVAL, 16, VFU_FEATURE_SET | 6, 4096, 0, 1, 0),
	ASK("DMA_LOGGING_START of nothing", VFU_DEVICE_FEATURE, -EINVAL, 16, VFU_FEATURE_SET | 6, 4096, 0, 1, 0, 0, 0, 0, 0),
	ASK("DMA_LOGGING_REPORT without a start", VFU_DEVICE_FEATURE, -EINVAL, 16, VFU_FEATURE_GET | 8, 0, 0, 4096, 0, 4096, 0),
	ASK("MIG_DATA_READ while it runs", VFU_MIG_DATA_READ, -EINVAL, 16, 8),
	ASK("MIG_DATA_WRITE while it runs", VFU_MIG_DATA_WRITE, -EINVAL, 16, 4, 0),
	ASK("command 65535", 65535, -EOPNOTSUPP, 0),
	ASK("DEVICE_GET_INFO, short", VFU_DEVICE_GET_INFO, -EINVAL, 16, 0),
	ASK("GET_REGION_INFO, short", VFU_DEVICE_GET_REGION_INFO, -EINVAL, 32, 0, 0, 0),
	ASK("GET_REGION_INFO, region 9", VFU_DEVICE_GET_REGION_INFO, -EINVAL, 32, 0, 9, 0, 0, 0, 0, 0),
	ASK("GET_REGION_INFO, no room", VFU_DEVICE_GET_REGION_INFO, -EINVAL, 8, 0, 0, 0, 0, 0, 0, 0),
	ASK("GET_IRQ_INFO, index 5", VFU_DEVICE_GET_IRQ_INFO, -EINVAL, 16, 0, 5, 0),
	ASK("GET_IRQ_INFO, short", VFU_DEVICE_GET_IRQ_INFO, -EINVAL, 16, 0, 0),
	ASK("DMA_MAP, short", VFU_DMA_MAP, -EINVAL, 32, 3, 0, 0, 0, 0),
	ASK("DMA_MAP of nothing", VFU_DMA_MAP, -EINVAL, 32, 3, 0, 0, 0, 0, 0, 0),
	ASK("DMA_MAP over the end", VFU_DMA_MAP, -EINVAL, 32, 3, 0, 0, 0x1000, UINT32_MAX, UINT32_MAX, UINT32_MAX),
	ASK("DMA_MAP with flags", VFU_DMA_MAP, -EINVAL, 32, 7, 0, 0, 0, 0, 0x1000, 0),
	ASK("DMA_UNMAP, short", VFU_DMA_UNMAP, -EINVAL, 24, 0, 0, 0),
	ASK("DMA_UNMAP of what is not there", VFU_DMA_UNMAP, -ENOENT, 24, 0, 0x5000, 0, 0x1000, 0),
	ASK("DMA_UNMAP of nothing", VFU_DMA_UNMAP, -EINVAL, 24, 0, 0x5000, 0, 0, 0),
	ASK("DMA_UNMAP with a bitmap", VFU_DMA_UNMAP, -EINVAL, 24, 1, 0x5000, 0, 0x1000, 0),
	ASK("SET_IRQS, short", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x21, 2, 0),
	ASK("SET_IRQS, two kinds of data", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x23, 2, 0, 1),
	ASK("SET_IRQS, no action", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x01, 2, 0, 1),
	ASK("SET_IRQS, two actions", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x31, 2, 0, 1),
	ASK("SET_IRQS, unknown flags", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x121, 2, 0, 1),
	ASK("SET_IRQS, index 5", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x21, 5, 0, 1),
	ASK("SET_IRQS, MSI there is none", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x21, 1, 0, 1),
	ASK("SET_IRQS beyond the end", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x21, 2, 1, ECHO_QUEUES + 1),
	ASK("SET_IRQS, a sum that overflows", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x21, 2, UINT32_MAX, 2),
	ASK("SET_IRQS, booleans that are not there", VFU_DEVICE_SET_IRQS, -EINVAL, 20, 0x22, 2, 0, 1),
	ASK("SET_IRQS, unmask by eventfd", VFU_DEVICE_SET_IRQS, -EOPNOTSUPP, 20, 0x14, 0, 0, 1),
	ASK("REGION_READ, short", VFU_REGION_READ, -EINVAL, 0, 0, 0),
	ASK("REGION_READ of region 8", VFU_REGION_READ, -EINVAL, 0, 0, 8, 4),
	ASK("REGION_READ of region 99", VFU_REGION_READ, -EINVAL, 0, 0, 99, 4),
	ASK("REGION_READ over the end", VFU_REGION_READ, -EINVAL, 254, 0, 7, 4),
	ASK("REGION_READ at the end of addresses", VFU_REGION_READ, -EINVAL, UINT32_MAX, UINT32_MAX, 7, 4),
	ASK("REGION_READ of too much", VFU_REGION_READ, -EINVAL, 0, 0, 7, UINT32_MAX),
	ASK("REGION_WRITE, fewer bytes than told", VFU_REGION_WRITE, -EINVAL, 0, 0, 7, 8, 0),
	ASK("REGION_WRITE, more", VFU_REGION_WRITE, -EINVAL, 0, 0, 7, 2, 0),
	ASK("REGION_WRITE over the end", VFU_REGION_WRITE, -EINVAL, 256, 0, 7, 4, 0),
	ASK("REGION_WRITE to region 2", VFU_REGION_WRITE, -EINVAL, 0, 0, 2, 4, 0),
	ASK("DEVICE_RESET with a payload", VFU_DEVICE_RESET, -EINVAL, 0),
	ASK("REGION_WRITE_MULTI of none, too short", VFU_REGION_WRITE_MULTI, -EINVAL, 0),
};

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

START_TEST(test_refused)
{
	drive();
	const unsigned int fds = open_fds();
	const int fd = c.mem_fd;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = vfuc_ask(&c, rows[i].command, rows[i].words, rows[i].size);

		ck_assert_msg(ret == rows[i].want, "%s: %d", rows[i].name, ret);
		/* And one that wants no answer gets none: the next has its own. */
		vfuc_send(&c, rows[i].command, VFU_NO_REPLY, rows[i].words, rows[i].size, NULL, 0);
		ck_assert_uint_eq(vfuc_read(&c, VFU_REGION_CONFIG, 0, 2), 0x1af4);
		/* Descriptors that do not belong there are closed. */
		vfuc_send(&c, rows[i].command, 0, rows[i].words, rows[i].size, &fd, 1);
		ck_assert_msg(vfuc_reply(&c) < 0, "%s with a descriptor", rows[i].name);
	}
	/* Descriptors that are no eventfds. */
	ck_assert_int_lt(vfuc_set_fds(&c, VFU_IRQ_MSIX, 0, &fd, 1), 0);
	ck_assert_uint_eq(open_fds(), fds);
	vfuc_echo(&c, 0);
	ck_assert_uint_ge(vfuc_irq_wait(&c, c.vectors[1]), 1);
}
END_TEST

/* A client's own end of the connection as an interrupt would keep it open for ever. */
START_TEST(test_own_socket)
{
	vfuc_hello(&c);
	ck_assert_int_eq(vfuc_set_fds(&c, VFU_IRQ_REQ, 0, &c.sock, 1), -EINVAL);
	leave();
	arrive();
	drive();
	vfuc_echo(&c, 0);
}
END_TEST

/* What ends the connection; the next client is served. */
START_TEST(test_closed)
{
	static const struct vfu_header bad[] = {
		{.command = VFU_DEVICE_GET_INFO, .size = 15},
		{.command = VFU_DEVICE_GET_INFO, .size = 0},
		{.command = VFU_REGION_WRITE, .size = UINT32_MAX},
		{.command = VFU_REGION_WRITE, .size = sizeof(struct vfu_header) + VFU_PAYLOAD_MAX + 1},
		{.command = VFU_DEVICE_GET_INFO, .size = 16, .flags = VFU_REPLY},
		{.command = VFU_DEVICE_GET_INFO, .size = 16, .flags = 15},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		drive();
		hold();
		ck_assert_int_eq(send(c.sock, &bad[i], sizeof(bad[i]), 0), (int)sizeof(bad[i]));
		ck_assert_int_eq(vfuc_reply(&c), -EPIPE);
		vfuc_fini(&c);
		arrive();
	}
	ck_assert_uint_eq(closes, ARRAY_SIZE(bad));
}
END_TEST

/* The most mappings, and not one more. */
START_TEST(test_many_maps)
{
	vfuc_hello(&c);
	for (uint64_t i = 0; i < VFU_DMA_MAPS_MAX; i++)
		ck_assert_int_eq(vfuc_map(&c, i << 16, 0x1000, 0, 3, i & 1 ? c.mem_fd : -1), 0);
	ck_assert_int_eq(vfuc_map(&c, UINT64_C(1) << 40, 0x1000, 0, 3, c.mem_fd), -ENOSPC);
	ck_assert_int_eq(vfuc_map(&c, UINT64_C(1) << 40, 0x1000, 0, 3, -1), -ENOSPC);
	ck_assert_int_eq(vfuc_unmap(&c, 0, 0, VFU_UNMAP_ALL), (int)sizeof(struct vfu_dma_unmap));

	vfuc_drive(&c, ECHO_QUEUES, 8, 0, true);
	vfuc_echo(&c, 0);
}
END_TEST

/* Whatever comes: messages and registers at random, between good ones; then all is as ever. */
START_TEST(test_random)
{
	uint32_t seed = 0x5eed, *r = &seed;
	const unsigned int fds = open_fds();

	for (unsigned int round = 0; round < 30; round++) {
		drive();
		e->quiesce = (enum echo_quiesce)(round % 3);
		for (unsigned int i = 0; i < 150; i++) {
			uint8_t out[64];
			struct vfu_access a = {
				.offset = random_next(r) % 0x4100, .region = random_next(r) % 3 ? 0 : 7, .count = random_next(r) % 33};
			const unsigned int what = random_next(r) % 8;

			for (size_t k = 0; k < sizeof(out); k++)
				out[k] = (uint8_t)(random_next(r) % 3 ? random_next(r) % 4 : random_next(r));
			if (a.offset > 0x40 && random_next(r) % 2)
				a.offset = random_next(r) % 0x40;
			memcpy(out, &a, sizeof(a));
			if (what < 3)
				vfuc_send(&c, VFU_REGION_WRITE, 0, out, sizeof(a) + a.count, NULL, 0);
			else if (what < 6)
				vfuc_send(&c, VFU_REGION_READ, 0, out, sizeof(a), NULL, 0);
			else
				vfuc_send(&c, random_next(r) % VFU_COMMANDS, 0, out + 16, random_next(r) % 48, &c.mem_fd, what == 7);
			ck_assert_int_ne(vfuc_reply(&c), -EPIPE);
		}
		leave();
		arrive();
	}
	ck_assert_uint_le(open_fds(), fds);
	drive();
	vfuc_echo(&c, 0);
}
END_TEST

static void add_driver_tests(TCase *tc)
{
	tcase_add_test(tc, test_requests);
	tcase_add_test(tc, test_config_change);
	tcase_add_test(tc, test_driver_reset);
	tcase_add_test(tc, test_device_reset);
	tcase_add_test(tc, test_unmap);
	tcase_add_test(tc, test_remap);
	tcase_add_test(tc, test_log);
	tcase_add_test(tc, test_migrate);
	tcase_add_test(tc, test_migrate_bad);
	tcase_add_test(tc, test_in_turn);
	tcase_add_test(tc, test_random);
}

Suite *suite_vfio_user(void)
{
	Suite *suite = suite_create("vfio_user");
	TCase *tc = tcase_create("split"), *packed = tcase_create("packed");

	tcase_set_timeout(tc, 60);
	tcase_set_timeout(packed, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_checked_fixture(packed, setup_packed, teardown);
	tcase_add_test(tc, test_version);
	tcase_add_test(tc, test_discovery);
	tcase_add_test(tc, test_irq_info);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_window);
	tcase_add_test(tc, test_before_driver_ok);
	tcase_add_test(tc, test_intx);
	tcase_add_test(tc, test_masks);
	tcase_add_test(tc, test_broken);
	tcase_add_test(tc, test_bad_queue);
	tcase_add_test(tc, test_write_multi);
	tcase_add_test(tc, test_memory_cut_short);
	tcase_add_test(tc, test_executable);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_own_socket);
	tcase_add_test(tc, test_closed);
	tcase_add_test(tc, test_many_maps);
	add_driver_tests(tc);
	add_driver_tests(packed);
	tcase_add_test(packed, test_queue_reset);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, packed);
	return suite;
}
