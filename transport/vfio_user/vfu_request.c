/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfu_request.c - the client's messages: what each must look like, and what it does.
 * QEMU docs/interop/vfio-user.rst, "Commands"; see vfu_session.h.
 *
 * A message that is wrong in itself is refused with an error, and the connection goes on; one that is told to have no answer is
 * refused with a line of the log alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/vfio_user/vfu_session.h"

const char *vfu_command_name(unsigned int command)
{
	static const char *const names[VFU_COMMANDS] = {
		[VFU_VERSION] = "VERSION",
		[VFU_DMA_MAP] = "DMA_MAP",
		[VFU_DMA_UNMAP] = "DMA_UNMAP",
		[VFU_DEVICE_GET_INFO] = "DEVICE_GET_INFO",
		[VFU_DEVICE_GET_REGION_INFO] = "DEVICE_GET_REGION_INFO",
		[VFU_DEVICE_GET_REGION_IO_FDS] = "DEVICE_GET_REGION_IO_FDS",
		[VFU_DEVICE_GET_IRQ_INFO] = "DEVICE_GET_IRQ_INFO",
		[VFU_DEVICE_SET_IRQS] = "DEVICE_SET_IRQS",
		[VFU_REGION_READ] = "REGION_READ",
		[VFU_REGION_WRITE] = "REGION_WRITE",
		[VFU_DMA_READ] = "DMA_READ",
		[VFU_DMA_WRITE] = "DMA_WRITE",
		[VFU_DEVICE_RESET] = "DEVICE_RESET",
		[VFU_REGION_WRITE_MULTI] = "REGION_WRITE_MULTI",
		[VFU_DEVICE_FEATURE] = "DEVICE_FEATURE",
		[VFU_MIG_DATA_READ] = "MIG_DATA_READ",
		[VFU_MIG_DATA_WRITE] = "MIG_DATA_WRITE",
	};

	return command < VFU_COMMANDS && names[command] ? names[command] : "unknown command";
}

/* The capabilities that we have something to say of; each is told if the client knows it. */
static const struct {
	const char *name, *value;
} capabilities[] = {
	{"max_msg_fds", "16"},
	{"max_data_xfer_size", "65536"},
	{"max_dma_maps", "509"},
	{"write_multiple", "true"},
};

_Static_assert(VFU_FDS_TOLD == 16 && VFU_XFER_MAX == 65536 && VFU_DMA_MAPS_MAX == 509, "what is told is what is so");

/* Whether the client's JSON has a member of this name: nothing else of it matters to us. */
static bool proposed(const char *json, const char *name)
{
	char quoted[32];

	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	return strstr(json, quoted);
}

static int version(struct vfu_backend *b, size_t size)
{
	struct vfu_version v;
	const char *json = (const char *)b->in + sizeof(v);
	char *out = (char *)b->out + sizeof(v);
	size_t len = 0;

	if (size < sizeof(v) || b->conn.known)
		return -EINVAL;
	/* "including terminating NUL.  Optional." */
	if (size > sizeof(v) && b->in[size - 1] != '\0')
		return -EINVAL;
	memcpy(&v, b->in, sizeof(v));
	if (v.major != VFU_MAJOR)
		return -EINVAL;
	b->conn.known = true;
	v.minor = v.minor < VFU_MINOR ? v.minor : VFU_MINOR;
	memcpy(b->out, &v, sizeof(v));
	len = (size_t)sprintf(out, "{\"capabilities\":{");
	for (size_t i = 0, told = 0; i < ARRAY_SIZE(capabilities); i++) {
		if (size == sizeof(v) || !proposed(json, capabilities[i].name))
			continue;
		len += (size_t)sprintf(out + len, "%s\"%s\":%s", told++ ? "," : "", capabilities[i].name, capabilities[i].value);
	}
	len += (size_t)sprintf(out + len, "}}");
	return (int)(sizeof(v) + len + 1);
}

static int device_info(struct vfu_backend *b, size_t size)
{
	const struct vfu_device_info info = {
		.argsz = sizeof(info),
		.flags = VFU_INFO_RESET | VFU_INFO_PCI,
		.num_regions = VFU_NUM_REGIONS,
		.num_irqs = VFU_NUM_IRQS,
	};

	if (size < sizeof(info))
		return -EINVAL;
	memcpy(b->out, &info, sizeof(info));
	return sizeof(info);
}

/* The function's region.  Returns false: there is nothing. */
static bool find_region(uint32_t index, enum vpci_region *region)
{
	*region = index == VFU_REGION_BAR0 ? VPCI_BAR0 : index == VFU_REGION_BAR1 ? VPCI_BAR1 : VPCI_CONFIG;
	return index == VFU_REGION_BAR0 || index == VFU_REGION_BAR1 || index == VFU_REGION_CONFIG;
}

static int region_info(struct vfu_backend *b, size_t size)
{
	struct vfu_region_info info;
	enum vpci_region region;

	if (size < sizeof(info))
		return -EINVAL;
	memcpy(&info, b->in, sizeof(info));
	if (info.index >= VFU_NUM_REGIONS || info.argsz < sizeof(info))
		return -EINVAL;
	info = (struct vfu_region_info){.argsz = sizeof(info), .index = info.index};
	if (find_region(info.index, &region)) {
		info.flags = VFU_REGION_READABLE | VFU_REGION_WRITEABLE;
		info.size = vpci_size(region);
	}
	memcpy(b->out, &info, sizeof(info));
	return sizeof(info);
}

static int region_read(struct vfu_backend *b, size_t size)
{
	struct vfu_access a;
	enum vpci_region region;

	if (size != sizeof(a))
		return -EINVAL;
	memcpy(&a, b->in, sizeof(a));
	if (a.count > VFU_XFER_MAX || !find_region(a.region, &region))
		return -EINVAL;
	int err = vpci_read(b->function, region, a.offset, b->out + sizeof(a), a.count);

	if (err)
		return err;
	memcpy(b->out, &a, sizeof(a));
	return (int)(sizeof(a) + a.count);
}

static int region_write(struct vfu_backend *b, size_t size)
{
	struct vfu_access a;
	enum vpci_region region;

	if (size < sizeof(a))
		return -EINVAL;
	memcpy(&a, b->in, sizeof(a));
	if (a.count != size - sizeof(a) || !find_region(a.region, &region))
		return -EINVAL;
	int err = vpci_write(b->function, region, a.offset, b->in + sizeof(a), a.count);

	if (err)
		return err;
	memcpy(b->out, &a, sizeof(a));
	return sizeof(a);
}

/* All of them are looked at before the first is done.  However many notify, a queue has one turn. */
static int region_write_multi(struct vfu_backend *b, size_t size)
{
	const size_t head = sizeof(struct vfu_write_multi);
	struct vfu_write_multi m;
	struct vfu_write w;
	enum vpci_region region;

	if (size < head || (size - head) % sizeof(w))
		return -EINVAL;
	memcpy(&m, b->in, sizeof(m));
	if (m.count != (size - head) / sizeof(w))
		return -EINVAL;
	for (size_t at = head; at < size; at += sizeof(w)) {
		memcpy(&w, b->in + at, sizeof(w));
		if (w.access.count > sizeof(w.data) || !find_region(w.access.region, &region) ||
		    w.access.offset > vpci_size(region) || w.access.count > vpci_size(region) - w.access.offset)
			return -EINVAL;
	}
	for (size_t at = head; at < size; at += sizeof(w)) {
		memcpy(&w, b->in + at, sizeof(w));
		(void)find_region(w.access.region, &region);
		(void)vpci_write(b->function, region, w.access.offset, w.data, w.access.count);
	}
	memcpy(b->out, &m, sizeof(m));
	return sizeof(m);
}

static void reset_finish(void *arg)
{
	struct vfu_backend *b = arg;

	vpci_reset(b->function);
	vpci_resume(b->function);
	b->irq.intx_masked = false;
	vfu_migrate_reset(b);
	vfu_answer(b, 0, 0);
}

static int device_reset(struct vfu_backend *b, size_t size)
{
	if (size)
		return -EINVAL;
	vfu_conn_pause(b);
	vpci_pause(b->function, reset_finish);
	return VFU_LATER;
}

/* By command.  A handler has size bytes in b->in, and returns the length of its answer in b->out, VFU_LATER, or -errno. */
static const struct {
	int (*run)(struct vfu_backend *b, size_t size);
	unsigned int max_fds;
} handlers[VFU_COMMANDS] = {
	[VFU_VERSION] = {version, 0},
	[VFU_DMA_MAP] = {vfu_dma_map, 1},
	[VFU_DMA_UNMAP] = {vfu_dma_unmap, 0},
	[VFU_DEVICE_GET_INFO] = {device_info, 0},
	[VFU_DEVICE_GET_REGION_INFO] = {region_info, 0},
	[VFU_DEVICE_GET_IRQ_INFO] = {vfu_irq_info, 0},
	[VFU_DEVICE_SET_IRQS] = {vfu_irq_set, VFU_FDS_MAX},
	[VFU_REGION_READ] = {region_read, 0},
	[VFU_REGION_WRITE] = {region_write, 0},
	[VFU_DEVICE_RESET] = {device_reset, 0},
	[VFU_REGION_WRITE_MULTI] = {region_write_multi, 0},
	[VFU_DEVICE_FEATURE] = {vfu_feature, 0},
	[VFU_MIG_DATA_READ] = {vfu_mig_read, 0},
	[VFU_MIG_DATA_WRITE] = {vfu_mig_write, 0},
};

void vfu_handle(struct vfu_backend *b)
{
	const struct vfu_header *h = &b->conn.h;
	const size_t size = h->size - sizeof(*h);
	int ret = -EOPNOTSUPP;

	if (b->trace)
		log_info(&b->d->log, "< %s: %zu bytes, %u descriptors", vfu_command_name(h->command), size, b->conn.nfds);
	if (h->command != VFU_DMA_MAP && h->command != VFU_DMA_UNMAP)
		vfu_memory_settled(b, false);
	if (h->command < VFU_COMMANDS && handlers[h->command].run)
		ret = b->conn.nfds > handlers[h->command].max_fds ? -EINVAL : handlers[h->command].run(b, size);
	if (ret == VFU_LATER)
		return;
	vfu_answer(b, ret < 0 ? ret : 0, ret < 0 ? 0 : (size_t)ret);
	vpci_turn(b->function);
}
