/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vpci_irq.c - the interrupts of a virtio PCI function: MSI-X, and the pin with the ISR status.
 * VIRTIO 1.4, sections 4.1.4.5 and 4.1.5.1.2; PCI Local Bus 3.0, section 6.8.2 "MSI-X Capability and Table Structures".
 *
 * Some clients keep the MSI-X table to themselves, and mask there.  So the mask bits of the table are clear here until somebody
 * writes it, not set as section 6.8.2.9 has them after a reset.
 */
#include <string.h>

#include "transport/virtio_pci/vpci_impl.h"

/* Vector control of a table entry: the mask bit. */
#define CONTROL_AT   12u
#define CONTROL_MASK 1u

static bool bit_get(const uint64_t *words, unsigned int i)
{
	return words[i / 64] & BIT(i % 64);
}

static void bit_put(uint64_t *words, unsigned int i, bool value)
{
	words[i / 64] = value ? words[i / 64] | BIT(i % 64) : words[i / 64] & ~BIT(i % 64);
}

static bool vector_masked(const struct vpci *p, unsigned int v)
{
	return vpci_msix_masked(p) || p->table[v * VPCI_TABLE_ENTRY + CONTROL_AT] & CONTROL_MASK || bit_get(p->masked, v);
}

static void vector_raise(struct vpci *p, unsigned int v)
{
	bit_put(p->pending, v, vector_masked(p, v) || !p->ev->message(p->arg, v));
}

bool vpci_intx(const struct vpci *p)
{
	return p->isr && !vpci_msix_enabled(p) && !vpci_intx_disabled(p);
}

static void intx_update(struct vpci *p)
{
	const bool was = p->intx_was;

	p->intx_was = vpci_intx(p);
	if (p->intx_was && !was)
		p->ev->intx(p->arg);
}

void vpci_send_pending(struct vpci *p)
{
	for (unsigned int v = 0; v < vpci_vectors(p); v++) {
		if (bit_get(p->pending, v) && vpci_msix_enabled(p))
			vector_raise(p, v);
	}
	intx_update(p);
}

void vpci_interrupt(struct vpci *p, uint8_t cause, uint16_t vector)
{
	if (!vpci_msix_enabled(p)) {
		p->isr |= cause;
		intx_update(p);
	} else if (vector < vpci_vectors(p)) {
		vector_raise(p, vector);
	}
}

uint8_t vpci_isr_take(struct vpci *p)
{
	const uint8_t isr = p->isr;

	p->isr = 0;
	intx_update(p);
	return isr;
}

void vpci_irq_reset(struct vpci *p)
{
	p->isr = 0;
	p->intx_was = false;
	memset(p->pending, 0, sizeof(p->pending));
}

void vpci_mask(struct vpci *p, unsigned int vector, bool masked)
{
	if (vector >= vpci_vectors(p))
		return;
	bit_put(p->masked, vector, masked);
	vpci_send_pending(p);
}

/* Bytes of the table there are. */
static size_t table_size(const struct vpci *p)
{
	return vpci_vectors(p) * (size_t)VPCI_TABLE_ENTRY;
}

/* Copies the part of an access at off that lies in [at, at + size) of a region, to or from bytes. */
static size_t overlap(size_t off, size_t len, size_t at, size_t size, size_t *in_buf, size_t *in_bytes)
{
	const size_t from = off > at ? off : at, to = min_size(off + len, at + size);

	if (from >= to)
		return 0;
	*in_buf = from - off;
	*in_bytes = from - at;
	return to - from;
}

void vpci_msix_read(const struct vpci *p, size_t off, uint8_t *buf, size_t len)
{
	le64 pending[ARRAY_SIZE(p->pending)];
	size_t in_buf, in_bytes, n;

	n = overlap(off, len, VPCI_TABLE_AT, table_size(p), &in_buf, &in_bytes);
	if (n)
		memcpy(buf + in_buf, p->table + in_bytes, n);
	for (size_t i = 0; i < ARRAY_SIZE(pending); i++)
		pending[i] = htole64(p->pending[i]);
	n = overlap(off, len, VPCI_PENDING_AT, sizeof(pending), &in_buf, &in_bytes);
	if (n)
		memcpy(buf + in_buf, (const uint8_t *)pending + in_bytes, n);
}

void vpci_msix_write(struct vpci *p, size_t off, const uint8_t *buf, size_t len)
{
	size_t in_buf, in_bytes, n = overlap(off, len, VPCI_TABLE_AT, table_size(p), &in_buf, &in_bytes);

	if (!n)
		return;
	memcpy(p->table + in_bytes, buf + in_buf, n);
	vpci_send_pending(p);
}
