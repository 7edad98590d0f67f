/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfu_wire.h - what vfio-user messages are made of: QEMU docs/interop/vfio-user.rst, "Protocol Specification"; numbers of
 * <linux/vfio.h>, on which it is based.  All is in the order of bytes of the host.
 */
#ifndef VDEVD_TRANSPORT_VFIO_USER_VFU_WIRE_H
#define VDEVD_TRANSPORT_VFIO_USER_VFU_WIRE_H

#include "core/base.h"

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP,
	VFU_DMA_UNMAP,
	VFU_DEVICE_GET_INFO,
	VFU_DEVICE_GET_REGION_INFO,
	VFU_DEVICE_GET_REGION_IO_FDS,
	VFU_DEVICE_GET_IRQ_INFO,
	VFU_DEVICE_SET_IRQS,
	VFU_REGION_READ,
	VFU_REGION_WRITE,
	VFU_DMA_READ,
	VFU_DMA_WRITE,
	VFU_DEVICE_RESET,
	VFU_REGION_WRITE_MULTI = 15,
	VFU_DEVICE_FEATURE,
	VFU_MIG_DATA_READ,
	VFU_MIG_DATA_WRITE,
	VFU_COMMANDS,
};

struct vfu_header {
	uint16_t id, command;
	uint32_t size; /* of the whole message */
	uint32_t flags, error;
};

#define VFU_TYPE_MASK  0xfu
#define VFU_REPLY      0x1u
#define VFU_NO_REPLY   0x10u
#define VFU_ERROR      0x20u

#define VFU_MAJOR 0u
#define VFU_MINOR 1u

struct vfu_version {
	uint16_t major, minor;
};

/* Flags of a mapping. */
#define VFU_DMA_READABLE  1u
#define VFU_DMA_WRITEABLE 2u

struct vfu_dma_map {
	uint32_t argsz, flags;
	uint64_t offset, address, size;
};

/* "flags is unused in this version"; <linux/vfio.h> has two. */
#define VFU_UNMAP_ALL 2u

struct vfu_dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, size;
};

#define VFU_INFO_RESET 1u
#define VFU_INFO_PCI   2u

struct vfu_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};

/* Regions of a PCI device. */
enum vfu_region {
	VFU_REGION_BAR0,
	VFU_REGION_BAR1,
	VFU_REGION_CONFIG = 7,
	VFU_NUM_REGIONS = 9,
};

#define VFU_REGION_READABLE  1u
#define VFU_REGION_WRITEABLE 2u

struct vfu_region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
};

/* Interrupts of a PCI device. */
enum vfu_irq {
	VFU_IRQ_INTX,
	VFU_IRQ_MSI,
	VFU_IRQ_MSIX,
	VFU_IRQ_ERR,
	VFU_IRQ_REQ,
	VFU_NUM_IRQS,
};

#define VFU_IRQ_EVENTFD	   1u
#define VFU_IRQ_MASKABLE   2u
#define VFU_IRQ_AUTOMASKED 4u

struct vfu_irq_info {
	uint32_t argsz, flags, index, count;
};

#define VFU_SET_NONE	0x01u
#define VFU_SET_BOOL	0x02u
#define VFU_SET_EVENTFD 0x04u
#define VFU_SET_DATA	0x07u
#define VFU_SET_MASK	0x08u
#define VFU_SET_UNMASK	0x10u
#define VFU_SET_TRIGGER 0x20u
#define VFU_SET_ACTION	0x38u

struct vfu_irq_set {
	uint32_t argsz, flags, index, start, count;
};

struct vfu_access {
	uint64_t offset;
	uint32_t region, count;
};

struct vfu_write_multi {
	uint64_t count;
};

struct vfu_write {
	struct vfu_access access;
	uint8_t data[8];
};

/* Features: their number, and what is done with it. */
#define VFU_FEATURE_INDEX 0xffffu
#define VFU_FEATURE_GET	  0x10000u
#define VFU_FEATURE_SET	  0x20000u
#define VFU_FEATURE_PROBE 0x40000u

enum vfu_feature_index {
	VFU_FEATURE_MIGRATION = 1,
	VFU_FEATURE_MIG_STATE = 2,
	VFU_FEATURE_LOG_START = 6,
	VFU_FEATURE_LOG_STOP = 7,
	VFU_FEATURE_LOG_REPORT = 8,
};

struct vfu_feature {
	uint32_t argsz, flags;
};

#define VFU_MIG_FLAG_STOP_COPY 1u

enum vfu_mig {
	VFU_MIG_ERROR,
	VFU_MIG_STOP,
	VFU_MIG_RUNNING,
	VFU_MIG_STOP_COPY,
	VFU_MIG_RESUMING,
};

struct vfu_mig_state {
	uint32_t state, data_fd;
};

struct vfu_mig_data {
	uint32_t argsz, size;
};

struct vfu_log_range {
	uint64_t iova, length;
};

struct vfu_log_start {
	uint64_t page_size;
	uint32_t count, reserved;
};

struct vfu_log_report {
	uint64_t iova, length, page_size;
};

_Static_assert(sizeof(struct vfu_header) == 16, "Header");
_Static_assert(sizeof(struct vfu_dma_map) == 32, "VFIO_USER_DMA_MAP");
_Static_assert(sizeof(struct vfu_dma_unmap) == 24, "VFIO_USER_DMA_UNMAP");
_Static_assert(sizeof(struct vfu_region_info) == 32, "VFIO_USER_DEVICE_GET_REGION_INFO");
_Static_assert(sizeof(struct vfu_irq_set) == 20, "VFIO_USER_DEVICE_SET_IRQS");
_Static_assert(sizeof(struct vfu_write) == 24, "VFIO_USER_REGION_WRITE_MULTI");

/* The most bytes of a region that are read or written at once: more than the largest region has. */
#define VFU_XFER_MAX 65536u

/* The most descriptors we say we take in a message (QEMU does not believe in more than 16), and take. */
#define VFU_FDS_TOLD 16u
#define VFU_FDS_MAX  253u

/* Mappings that there may be at the same time. */
#define VFU_DMA_MAPS_MAX 509u

/* The largest payload. */
#define VFU_PAYLOAD_MAX (sizeof(struct vfu_access) + VFU_XFER_MAX)

#endif
