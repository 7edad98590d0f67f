/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vpci_config.c - the configuration space of a virtio PCI function: header and capabilities.
 * VIRTIO 1.4, sections 4.1.2 "PCI Device Discovery" and 4.1.4 "Virtio Structure PCI Capabilities"; PCI Local Bus 3.0, chapter 6.
 */
#include <string.h>

#include "transport/virtio_pci/vpci_impl.h"

#define PCI_VENDOR_VIRTIO 0x1af4u
#define PCI_DEVICE_MODERN 0x1040u /* and the device's own id */
#define PCI_CLASS_NONE	  0xffu   /* "device does not fit any defined class" */

/* Places of the header. */
#define AT_VENDOR	  0x00u
#define AT_DEVICE	  0x02u
#define AT_COMMAND	  0x04u
#define AT_STATUS	  0x06u
#define AT_REVISION	  0x08u
#define AT_CLASS	  0x0bu
#define AT_CACHE_LINE	  0x0cu
#define AT_LATENCY	  0x0du
#define AT_BAR0		  0x10u
#define AT_BAR1		  0x14u
#define AT_SUBSYS_VENDOR  0x2cu
#define AT_SUBSYS	  0x2eu
#define AT_CAPABILITIES	  0x34u
#define AT_INTERRUPT_LINE 0x3cu
#define AT_INTERRUPT_PIN  0x3du
/* and what we have put behind it */
#define AT_COMMON	  0x40u
#define AT_ISR		  0x50u
#define AT_DEVICE_CFG	  0x60u
#define AT_NOTIFY	  0x70u
#define AT_PCI_CFG	  0x84u
#define AT_MSIX		  0x98u

#define COMMAND_WRITABLE    0x0406u /* memory space, bus master, interrupt disable */
#define COMMAND_NO_INTX	    0x0400u
#define STATUS_INTERRUPT    0x08u
#define STATUS_CAPABILITIES 0x10u

#define CAP_VENDOR	0x09u
#define CAP_MSIX	0x11u
#define MSIX_CONTROL_AT (AT_MSIX + 2u)
#define MSIX_ENABLE	0x8000u
#define MSIX_MASK_ALL	0x4000u

/* struct virtio_pci_cap, and for VIRTIO_PCI_CAP_NOTIFY_CFG and _PCI_CFG one word behind it. */
struct cap {
	uint8_t vndr, next, len, type, bar, id, padding[2];
	le32 offset, length, more;
} __attribute__((packed));

#define CAP_LEN	     16u
#define CAP_LEN_MORE 20u

enum cap_type {
	CAP_COMMON = 1,
	CAP_NOTIFY,
	CAP_ISR,
	CAP_DEVICE,
	CAP_PCI,
};

static uint16_t get16(const struct vpci *p, size_t at)
{
	return (uint16_t)(p->config[at] | p->config[at + 1] << 8);
}

static void put16(uint8_t *bytes, size_t at, unsigned int value)
{
	bytes[at] = (uint8_t)value;
	bytes[at + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *bytes, size_t at, uint32_t value)
{
	put16(bytes, at, value & 0xffff);
	put16(bytes, at + 2, value >> 16);
}

static void put_cap(struct vpci *p, size_t at, uint8_t next, uint8_t type, uint32_t offset, uint32_t length)
{
	const uint8_t len = type == CAP_NOTIFY || type == CAP_PCI ? CAP_LEN_MORE : CAP_LEN;
	const struct cap cap = {
		.vndr = CAP_VENDOR,
		.next = next,
		.len = len,
		.type = type,
		.offset = htole32(offset),
		.length = htole32(length),
		.more = htole32(type == CAP_NOTIFY ? VPCI_NOTIFY_STEP : 0),
	};

	memcpy(p->config + at, &cap, len);
}

static void put_caps(struct vpci *p)
{
	const uint32_t config_size = (uint32_t)p->d->face.config_size;

	p->config[AT_CAPABILITIES] = AT_COMMON;
	put_cap(p, AT_COMMON, AT_ISR, CAP_COMMON, VPCI_COMMON_AT, VPCI_COMMON_SIZE);
	put_cap(p, AT_ISR, config_size ? AT_DEVICE_CFG : AT_NOTIFY, CAP_ISR, VPCI_ISR_AT, 1);
	if (config_size)
		put_cap(p, AT_DEVICE_CFG, AT_NOTIFY, CAP_DEVICE, VPCI_DEVICE_AT, config_size);
	put_cap(p, AT_NOTIFY, AT_PCI_CFG, CAP_NOTIFY, VPCI_NOTIFY_AT, p->nqueues * VPCI_NOTIFY_STEP);
	put_cap(p, AT_PCI_CFG, AT_MSIX, CAP_PCI, 0, 0);
	p->config[AT_MSIX] = CAP_MSIX;
	put16(p->config, MSIX_CONTROL_AT, vpci_vectors(p) - 1);
	put32(p->config, AT_MSIX + 4, VPCI_TABLE_AT | VPCI_BAR1);
	put32(p->config, AT_MSIX + 8, VPCI_PENDING_AT | VPCI_BAR1);
}

void vpci_config_init(struct vpci *p)
{
	const uint16_t id = (uint16_t)(PCI_DEVICE_MODERN + p->d->class->virtio_id);

	memset(p->config, 0, sizeof(p->config));
	memset(p->writable, 0, sizeof(p->writable));
	memset(p->table, 0, sizeof(p->table));
	memset(p->masked, 0, sizeof(p->masked));
	put16(p->config, AT_VENDOR, PCI_VENDOR_VIRTIO);
	put16(p->config, AT_DEVICE, id);
	put16(p->config, AT_STATUS, STATUS_CAPABILITIES);
	p->config[AT_REVISION] = 1; /* "or higher" */
	p->config[AT_CLASS] = PCI_CLASS_NONE;
	put16(p->config, AT_SUBSYS_VENDOR, PCI_VENDOR_VIRTIO);
	put16(p->config, AT_SUBSYS, id);
	p->config[AT_INTERRUPT_PIN] = 1;
	put_caps(p);
	put16(p->writable, AT_COMMAND, COMMAND_WRITABLE);
	p->writable[AT_CACHE_LINE] = p->writable[AT_LATENCY] = p->writable[AT_INTERRUPT_LINE] = 0xff;
	put32(p->writable, AT_BAR0, ~(uint32_t)(VPCI_BAR0_SIZE - 1));
	put32(p->writable, AT_BAR1, ~(uint32_t)(VPCI_BAR1_SIZE - 1));
	put16(p->writable, MSIX_CONTROL_AT, MSIX_ENABLE | MSIX_MASK_ALL);
	/* The window of VIRTIO_PCI_CAP_PCI_CFG: bar, offset, length. */
	p->writable[AT_PCI_CFG + offsetof(struct cap, bar)] = 0xff;
	put32(p->writable, AT_PCI_CFG + offsetof(struct cap, offset), UINT32_MAX);
	put32(p->writable, AT_PCI_CFG + offsetof(struct cap, length), UINT32_MAX);
}

bool vpci_msix_enabled(const struct vpci *p)
{
	return get16(p, MSIX_CONTROL_AT) & MSIX_ENABLE;
}

bool vpci_msix_masked(const struct vpci *p)
{
	return get16(p, MSIX_CONTROL_AT) & MSIX_MASK_ALL;
}

bool vpci_intx_disabled(const struct vpci *p)
{
	return get16(p, AT_COMMAND) & COMMAND_NO_INTX;
}

/* Where pci_cfg_data leads: VIRTIO 1.4, section 4.1.4.9.  Returns the bytes there are, 1, 2 or 4; 0: it leads nowhere. */
static uint32_t window(const struct vpci *p, enum vpci_region *region, uint32_t *off)
{
	struct cap cap;

	memcpy(&cap, p->config + AT_PCI_CFG, sizeof(cap));
	const uint32_t len = le32toh(cap.length);

	*off = le32toh(cap.offset);
	*region = cap.bar ? VPCI_BAR1 : VPCI_BAR0;
	if (cap.bar > VPCI_BAR1 || (len != 1 && len != 2 && len != 4) || *off % len)
		return 0;
	return len;
}

/* Whether an access touches pci_cfg_data. */
static bool at_window(size_t off, size_t len)
{
	const size_t at = AT_PCI_CFG + offsetof(struct cap, more);

	return off < at + sizeof(le32) && off + len > at;
}

void vpci_config_read(struct vpci *p, size_t off, uint8_t *buf, size_t len)
{
	enum vpci_region region;
	uint32_t at;

	if (at_window(off, len)) {
		uint8_t *data = p->config + AT_PCI_CFG + offsetof(struct cap, more);
		const uint32_t n = window(p, &region, &at);

		memset(data, 0, sizeof(le32));
		if (n)
			(void)vpci_read(p, region, at, data, n); /* outside there is nothing */
	}
	p->config[AT_STATUS] = (uint8_t)(STATUS_CAPABILITIES | (vpci_intx(p) ? STATUS_INTERRUPT : 0));
	memcpy(buf, p->config + off, len);
}

void vpci_config_write(struct vpci *p, size_t off, const uint8_t *buf, size_t len)
{
	const size_t data = AT_PCI_CFG + offsetof(struct cap, more);
	enum vpci_region region;
	uint32_t at;

	for (size_t i = 0; i < len; i++)
		p->config[off + i] = (uint8_t)((p->config[off + i] & ~p->writable[off + i]) | (buf[i] & p->writable[off + i]));
	if (at_window(off, len)) {
		const uint32_t n = window(p, &region, &at);

		for (size_t i = 0; i < len; i++) {
			if (off + i >= data && off + i < data + sizeof(le32))
				p->config[off + i] = buf[i];
		}
		if (n)
			(void)vpci_write(p, region, at, p->config + data, n);
	}
	vpci_send_pending(p);
}
