/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfu_client.c - a client of vfio-user, and a driver of virtio PCI on top of it; see vfu_client.h.
 */
#include "test/lib/vfu_client.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "transport/virtio.h"

/* How long anything may take, seconds. */
#define PATIENCE 20

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Lets the loop run while something is awaited that came no longer than PATIENCE after begun. */
static void await(struct vfuc *c, time_t begun)
{
	const struct timespec pause = {.tv_nsec = 50000};

	ck_assert_int_lt(now() - begun, PATIENCE);
	ev_run(c->loop, EVRUN_NOWAIT);
	nanosleep(&pause, NULL);
}

void vfuc_idle(struct vfuc *c)
{
	for (int i = 0; i < 20; i++)
		ev_run(c->loop, EVRUN_NOWAIT);
}

void vfuc_init(struct vfuc *c, struct ev_loop *loop, int sock)
{
	memset(c, 0, sizeof(*c));
	c->loop = loop;
	c->sock = sock;
	c->mem_fd = memfd_create("guest", MFD_CLOEXEC);
	ck_assert_int_ge(c->mem_fd, 0);
	ck_assert_int_eq(ftruncate(c->mem_fd, VFUC_MEM_SIZE), 0);
	c->mem = mmap(NULL, VFUC_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, c->mem_fd, 0);
	ck_assert_ptr_ne(c->mem, MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(c->vectors); i++)
		c->vectors[i] = -1;
}

static void driver_forget(struct vfuc *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->rings); i++) {
		driver_ring_free(c->rings[i]);
		c->rings[i] = NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(c->vectors); i++) {
		if (c->vectors[i] >= 0)
			close(c->vectors[i]);
		c->vectors[i] = -1;
	}
}

void vfuc_fini(struct vfuc *c)
{
	close(c->sock);
	driver_forget(c);
	munmap(c->mem, VFUC_MEM_SIZE);
	close(c->mem_fd);
}

void vfuc_send(struct vfuc *c, unsigned int command, uint32_t flags, const void *payload, size_t size, const int *fds,
	       unsigned int nfds)
{
	struct vfu_header h = {
		.id = ++c->id, .command = (uint16_t)command, .size = (uint32_t)(sizeof(h) + size), .flags = flags};
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)payload, size}};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 2};

	if (nfds) {
		mh.msg_control = control.bytes;
		mh.msg_controllen = (__typeof__(mh.msg_controllen))CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);

		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = (__typeof__(cmsg->cmsg_len))CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	ssize_t n = sendmsg(c->sock, &mh, MSG_NOSIGNAL);

	/* A server that has gone is seen by who waits for its answer. */
	ck_assert(n == (ssize_t)(sizeof(h) + size) || (n < 0 && errno == EPIPE));
}

bool vfuc_answered(struct vfuc *c)
{
	char byte;
	ssize_t n;

	vfuc_idle(c);
	n = recv(c->sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n >= 0 || errno != EAGAIN;
}

/* Receives all of it.  Returns false: the connection has ended. */
static bool receive(struct vfuc *c, void *buf, size_t len)
{
	const time_t begun = now();
	size_t got = 0;

	while (got < len) {
		ssize_t n = recv(c->sock, (uint8_t *)buf + got, len - got, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		if (n > 0)
			got += (size_t)n;
		else
			await(c, begun);
	}
	return true;
}

int vfuc_reply(struct vfuc *c)
{
	if (!receive(c, &c->h, sizeof(c->h)))
		return -EPIPE;
	ck_assert_uint_eq(c->h.flags & VFU_TYPE_MASK, VFU_REPLY);
	ck_assert_uint_eq(c->h.id, c->id);
	ck_assert_uint_ge(c->h.size, sizeof(c->h));
	const size_t size = c->h.size - sizeof(c->h);

	ck_assert_uint_le(size, sizeof(c->in));
	if (c->h.flags & VFU_ERROR) {
		ck_assert_uint_eq(size, 0);
		ck_assert_uint_ne(c->h.error, 0);
		return -(int)c->h.error;
	}
	ck_assert_uint_eq(c->h.error, 0);
	return receive(c, c->in, size) ? (int)size : -EPIPE;
}

int vfuc_ask(struct vfuc *c, unsigned int command, const void *payload, size_t size)
{
	vfuc_send(c, command, 0, payload, size, NULL, 0);
	return vfuc_reply(c);
}

void vfuc_hello(struct vfuc *c)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,\"max_dma_maps\":65535,"
				   "\"pgsizes\":4096,\"write_multiple\":true}}";
	const struct vfu_version v = {VFU_MAJOR, VFU_MINOR};
	uint8_t out[sizeof(v) + sizeof(json)];

	memcpy(out, &v, sizeof(v));
	memcpy(out + sizeof(v), json, sizeof(json));
	ck_assert_int_gt(vfuc_ask(c, VFU_VERSION, out, sizeof(out)), (int)sizeof(v));
}

int vfuc_map(struct vfuc *c, uint64_t at, uint64_t size, uint64_t offset, uint32_t flags, int fd)
{
	const struct vfu_dma_map m = {.argsz = sizeof(m), .flags = flags, .offset = offset, .address = at, .size = size};

	vfuc_send(c, VFU_DMA_MAP, 0, &m, sizeof(m), &fd, fd >= 0);
	return vfuc_reply(c);
}

int vfuc_unmap(struct vfuc *c, uint64_t at, uint64_t size, uint32_t flags)
{
	const struct vfu_dma_unmap m = {.argsz = sizeof(m), .flags = flags, .address = at, .size = size};

	return vfuc_ask(c, VFU_DMA_UNMAP, &m, sizeof(m));
}

uint64_t vfuc_read(struct vfuc *c, uint32_t region, uint64_t off, size_t len)
{
	const struct vfu_access a = {.offset = off, .region = region, .count = (uint32_t)len};
	uint64_t value = 0;

	ck_assert_uint_le(len, sizeof(value));
	ck_assert_int_eq(vfuc_ask(c, VFU_REGION_READ, &a, sizeof(a)), (int)(sizeof(a) + len));
	ck_assert_mem_eq(c->in, &a, sizeof(a));
	memcpy(&value, c->in + sizeof(a), len);
	return le64toh(value);
}

int vfuc_write(struct vfuc *c, uint32_t region, uint64_t off, uint64_t value, size_t len)
{
	struct vfu_write w = {.access = {.offset = off, .region = region, .count = (uint32_t)len}};
	int ret;

	value = htole64(value);
	memcpy(w.data, &value, sizeof(value));
	ret = vfuc_ask(c, VFU_REGION_WRITE, &w, sizeof(w.access) + len);
	ck_assert(ret < 0 || ret == sizeof(w.access));
	return ret < 0 ? ret : 0;
}

uint64_t vfuc_get(struct vfuc *c, unsigned int reg, size_t len)
{
	return vfuc_read(c, c->common.bar, c->common.offset + reg, len);
}

void vfuc_put(struct vfuc *c, unsigned int reg, uint64_t value, size_t len)
{
	ck_assert_int_eq(vfuc_write(c, c->common.bar, c->common.offset + reg, value, len), 0);
}

int vfuc_set_irqs(struct vfuc *c, uint32_t flags, uint32_t index, uint32_t start, uint32_t count)
{
	const struct vfu_irq_set set = {.argsz = sizeof(set), .flags = flags, .index = index, .start = start, .count = count};

	return vfuc_ask(c, VFU_DEVICE_SET_IRQS, &set, sizeof(set));
}

int vfuc_set_fds(struct vfuc *c, uint32_t index, uint32_t start, const int *fds, uint32_t count)
{
	const struct vfu_irq_set set = {
		.argsz = sizeof(set), .flags = VFU_SET_EVENTFD | VFU_SET_TRIGGER, .index = index, .start = start, .count = count};

	vfuc_send(c, VFU_DEVICE_SET_IRQS, 0, &set, sizeof(set), fds, count);
	return vfuc_reply(c);
}

static uint8_t config8(struct vfuc *c, unsigned int at)
{
	return (uint8_t)vfuc_read(c, VFU_REGION_CONFIG, at, 1);
}

void vfuc_find(struct vfuc *c)
{
	unsigned int at = config8(c, 0x34), caps = 0;

	ck_assert_uint_eq(vfuc_read(c, VFU_REGION_CONFIG, 0x06, 2) & 0x10, 0x10);
	for (; at; at = config8(c, at + 1)) {
		const uint8_t id = config8(c, at), type = config8(c, at + 3), bar = config8(c, at + 4);
		const uint32_t offset = (uint32_t)vfuc_read(c, VFU_REGION_CONFIG, at + 8, 4);
		const uint32_t length = (uint32_t)vfuc_read(c, VFU_REGION_CONFIG, at + 12, 4);

		ck_assert_uint_lt(++caps, 16);
		ck_assert_uint_eq(at % 4, 0);
		if (id == 0x11)
			c->msix_at = (uint8_t)at;
		if (id != 0x09)
			continue;
		__typeof__(c->common) *where = type == 1 ? &c->common : type == 3 ? &c->isr : type == 4 ? &c->device : &c->notify;

		if (type == 5) {
			c->pci_cfg_at = (uint8_t)at;
			continue;
		}
		where->bar = bar;
		where->offset = offset;
		where->length = length;
		if (type == 2)
			c->notify_step = (uint32_t)vfuc_read(c, VFU_REGION_CONFIG, at + 16, 4);
	}
	ck_assert(c->msix_at && c->pci_cfg_at && c->common.length >= 0x38 && c->isr.length && c->notify.length);
}

void vfuc_queue(struct vfuc *c, unsigned int q, unsigned int num)
{
	struct driver_ring_areas areas;
	struct driver_ring_sizes sizes;
	uint32_t at = VFUC_RING_AT(q), driver, device;

	driver_ring_sizes(num, c->features, &sizes);
	driver = (uint32_t)((at + sizes.desc + 4095) & ~4095u);
	device = (uint32_t)((driver + sizes.driver + 4095) & ~4095u);
	memset(c->mem + at, 0, 0x40000);
	areas = (struct driver_ring_areas){c->mem + at, c->mem + driver, c->mem + device};
	driver_ring_free(c->rings[q]);
	c->rings[q] = NULL;
	ck_assert_int_eq(driver_ring_new(num, c->features, &areas, 0, &c->rings[q]), 0);
	vfuc_put(c, VFUC_QUEUE_SELECT, q, 2);
	ck_assert_uint_ne(vfuc_get(c, VFUC_QUEUE_SIZE, 2), 0);
	vfuc_put(c, VFUC_QUEUE_SIZE, num, 2);
	vfuc_put(c, VFUC_QUEUE_VECTOR, q + 1, 2);
	ck_assert_uint_eq(vfuc_get(c, VFUC_QUEUE_VECTOR, 2), q + 1);
	vfuc_put(c, VFUC_QUEUE_DESC, VFUC_MEM_AT + at, 8);
	/* Halves, as Linux does. */
	vfuc_put(c, VFUC_QUEUE_DRIVER, (VFUC_MEM_AT + driver) & UINT32_MAX, 4);
	vfuc_put(c, VFUC_QUEUE_DRIVER + 4, (VFUC_MEM_AT + driver) >> 32, 4);
	vfuc_put(c, VFUC_QUEUE_DEVICE, (VFUC_MEM_AT + device) & UINT32_MAX, 4);
	vfuc_put(c, VFUC_QUEUE_DEVICE + 4, (VFUC_MEM_AT + device) >> 32, 4);
	vfuc_put(c, VFUC_QUEUE_ENABLE, 1, 2);
}

static void vectors_set(struct vfuc *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->vectors); i++) {
		if (c->vectors[i] < 0)
			c->vectors[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ck_assert_int_ge(c->vectors[i], 0);
	}
}

void vfuc_drive(struct vfuc *c, unsigned int nqueues, unsigned int num, uint64_t refuse, bool msix)
{
	uint64_t offered;

	vfuc_find(c);
	vectors_set(c);
	ck_assert_int_eq(vfuc_map(c, VFUC_MEM_AT, VFUC_MEM_SIZE, 0, 3, c->mem_fd), 0);
	ck_assert_int_eq(vfuc_write(c, VFU_REGION_CONFIG, 0x04, 0x0006, 2), 0);
	if (msix) {
		ck_assert_int_eq(vfuc_set_fds(c, VFU_IRQ_MSIX, 0, c->vectors, nqueues + 1), 0);
		ck_assert_int_eq(vfuc_write(c, VFU_REGION_CONFIG, c->msix_at + 2u, 0x8000, 2), 0);
	} else {
		ck_assert_int_eq(vfuc_set_fds(c, VFU_IRQ_INTX, 0, c->vectors, 1), 0);
	}
	vfuc_put(c, VFUC_STATUS, 0, 1);
	ck_assert_uint_eq(vfuc_get(c, VFUC_STATUS, 1), 0);
	vfuc_put(c, VFUC_STATUS, VFUC_ACKNOWLEDGE | VFUC_DRIVER, 1);
	vfuc_put(c, VFUC_DEVICE_FEATURE_SELECT, 0, 4);
	offered = vfuc_get(c, VFUC_DEVICE_FEATURE, 4);
	vfuc_put(c, VFUC_DEVICE_FEATURE_SELECT, 1, 4);
	offered |= vfuc_get(c, VFUC_DEVICE_FEATURE, 4) << 32;
	c->features = offered & ~refuse;
	vfuc_put(c, VFUC_DRIVER_FEATURE_SELECT, 0, 4);
	vfuc_put(c, VFUC_DRIVER_FEATURE, c->features & UINT32_MAX, 4);
	vfuc_put(c, VFUC_DRIVER_FEATURE_SELECT, 1, 4);
	vfuc_put(c, VFUC_DRIVER_FEATURE, c->features >> 32, 4);
	vfuc_put(c, VFUC_STATUS, VFUC_ACKNOWLEDGE | VFUC_DRIVER | VFUC_FEATURES_OK, 1);
	ck_assert_uint_eq(vfuc_get(c, VFUC_STATUS, 1), VFUC_ACKNOWLEDGE | VFUC_DRIVER | VFUC_FEATURES_OK);
	vfuc_put(c, VFUC_CONFIG_VECTOR, 0, 2);
	for (unsigned int q = 0; q < nqueues; q++)
		vfuc_queue(c, q, num);
	vfuc_put(c, VFUC_STATUS, VFUC_ACKNOWLEDGE | VFUC_DRIVER | VFUC_FEATURES_OK | VFUC_DRIVER_OK, 1);
}

void vfuc_submit(struct vfuc *c, unsigned int q, const void *out, size_t out_len, size_t in_len)
{
	const uint32_t at = VFUC_BUFFERS_AT + q * 0x10000u;
	const struct driver_buf bufs[2] = {
		{.addr = VFUC_MEM_AT + at, .len = (uint32_t)out_len},
		{.addr = VFUC_MEM_AT + at + 0x8000, .len = (uint32_t)in_len, .writable = true},
	};
	struct vfu_write w = {.access = {.region = c->notify.bar, .count = 2}};
	const le16 index = htole16((uint16_t)q);

	memcpy(c->mem + at, out, out_len);
	memset(c->mem + at + 0x8000, 0, in_len);
	ck_assert_int_eq(driver_ring_add(c->rings[q], out_len ? bufs : bufs + 1, (out_len ? 1u : 0u) + (in_len ? 1u : 0u), NULL, c), 0);
	if (!driver_ring_publish(c->rings[q]))
		return;
	vfuc_put(c, VFUC_QUEUE_SELECT, q, 2);
	w.access.offset = c->notify.offset + vfuc_get(c, VFUC_QUEUE_NOTIFY_OFF, 2) * c->notify_step;
	memcpy(w.data, &index, sizeof(index));
	vfuc_send(c, VFU_REGION_WRITE, VFU_NO_REPLY, &w, sizeof(w.access) + 2, NULL, 0);
}

uint32_t vfuc_used(struct vfuc *c, unsigned int q)
{
	const time_t begun = now();
	struct driver_used used;
	int ret;

	while (!driver_ring_has_used(c->rings[q]) && !driver_ring_error(c->rings[q]))
		await(c, begun);
	/* The notification is decided upon at the end of the turn: before the driver says that it has seen it. */
	vfuc_idle(c);
	ret = driver_ring_take(c->rings[q], &used);
	ck_assert_msg(ret == 1, "%s", driver_ring_error(c->rings[q]));
	(void)driver_ring_interrupts(c->rings[q], true);
	return used.len;
}

void vfuc_echo(struct vfuc *c, unsigned int q)
{
	vfuc_submit(c, q, "hallo", 5, 5);
	ck_assert_uint_eq(vfuc_used(c, q), 5);
	ck_assert_mem_eq(c->mem + VFUC_BUFFERS_AT + q * 0x10000u + 0x8000, "hallo", 5);
}

uint64_t vfuc_irqs(struct vfuc *c, int fd)
{
	uint64_t n = 0;

	vfuc_idle(c);
	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

uint64_t vfuc_irq_wait(struct vfuc *c, int fd)
{
	const time_t begun = now();
	uint64_t n;

	while (read(fd, &n, sizeof(n)) != sizeof(n))
		await(c, begun);
	return n;
}
