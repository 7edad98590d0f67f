/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfu_irq.c - interrupts of the vfio-user server: where the client hears of them, and what it masks.
 * QEMU docs/interop/vfio-user.rst, "VFIO_USER_DEVICE_GET_IRQ_INFO" and "VFIO_USER_DEVICE_SET_IRQS"; see vfu_session.h.
 *
 * The pin is level-triggered: it is told once, and masked by that (AUTOMASKED) until the client unmasks it; where it is still
 * asserted then it is told again.  An eventfd that unmasks is not taken: clients then send the message.
 *
 * Masks of a client last until it takes all interrupts of the index back: who gives descriptors again then expects to
 * hear of them.
 *
 * Of errors (ERR) and of a wish to be unplugged (REQ) nothing is ever told; the eventfds are taken.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "transport/vfio_user/vfu_session.h"

static uint32_t irq_count(const struct vfu_backend *b, uint32_t index)
{
	return index == VFU_IRQ_MSI ? 0 : index == VFU_IRQ_MSIX ? vpci_vectors(b->function) : 1;
}

static struct notify_fd *irq_fd(struct vfu_backend *b, uint32_t index, uint32_t i)
{
	switch (index) {
	case VFU_IRQ_INTX:
		return &b->irq.intx;
	case VFU_IRQ_MSIX:
		return &b->irq.vectors[i];
	case VFU_IRQ_ERR:
		return &b->irq.err;
	default:
		return &b->irq.req;
	}
}

static void tell(struct vfu_backend *b, struct notify_fd *n)
{
	if (n->fd >= 0 && notify_fd_signal(n) == -ETIMEDOUT)
		log_guest(&b->d->log, "an interrupt's descriptor blocks; it is left alone");
}

static bool on_message(void *arg, unsigned int vector)
{
	struct vfu_backend *b = arg;

	tell(b, &b->irq.vectors[vector]);
	return b->irq.vectors[vector].fd >= 0;
}

static void on_intx(void *arg)
{
	struct vfu_backend *b = arg;

	if (b->irq.intx_masked || b->irq.intx.fd < 0)
		return;
	b->irq.intx_masked = true;
	tell(b, &b->irq.intx);
}

const struct vpci_events vfu_function_events = {
	.message = on_message,
	.intx = on_intx,
};

int vfu_irqs_new(struct vfu_backend *b)
{
	b->irq.intx = b->irq.err = b->irq.req = NOTIFY_FD_NONE;
	b->irq.vectors = calloc(VPCI_VECTORS_MAX, sizeof(*b->irq.vectors));
	if (!b->irq.vectors)
		return -ENOMEM;
	for (unsigned int i = 0; i < VPCI_VECTORS_MAX; i++)
		b->irq.vectors[i] = NOTIFY_FD_NONE;
	return 0;
}

void vfu_irqs_clear(struct vfu_backend *b)
{
	for (uint32_t index = 0; index < VFU_NUM_IRQS; index++) {
		for (uint32_t i = 0; i < irq_count(b, index); i++)
			notify_fd_set(irq_fd(b, index, i), -1);
	}
	b->irq.intx_masked = false;
}

void vfu_irqs_free(struct vfu_backend *b)
{
	free(b->irq.vectors);
}

int vfu_irq_info(struct vfu_backend *b, size_t size)
{
	struct vfu_irq_info info;

	if (size < sizeof(info))
		return -EINVAL;
	memcpy(&info, b->in, sizeof(info));
	if (info.index >= VFU_NUM_IRQS)
		return -EINVAL;
	info.argsz = sizeof(info);
	info.count = irq_count(b, info.index);
	info.flags = info.count ? VFU_IRQ_EVENTFD : 0;
	if (info.index == VFU_IRQ_INTX)
		info.flags |= VFU_IRQ_MASKABLE | VFU_IRQ_AUTOMASKED;
	if (info.index == VFU_IRQ_MSIX)
		info.flags |= VFU_IRQ_MASKABLE;
	memcpy(b->out, &info, sizeof(info));
	return sizeof(info);
}

/* No socket is taken: it could be the other end of the connection itself, whose end would never be seen. */
static int check_fd(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISSOCK(st.st_mode) ? -EINVAL : notify_fd_check(fd);
}

/* The eventfds that came are those of the interrupts from now on; none came: they have none any more. */
static int set_fds(struct vfu_backend *b, const struct vfu_irq_set *set)
{
	if (b->conn.nfds && b->conn.nfds != set->count)
		return -EINVAL;
	for (uint32_t i = 0; i < b->conn.nfds; i++) {
		int err = check_fd(b->conn.fds[i]);

		if (err)
			return err;
	}
	for (uint32_t i = 0; i < set->count; i++) {
		notify_fd_set(irq_fd(b, set->index, set->start + i), b->conn.nfds ? b->conn.fds[i] : -1);
		if (b->conn.nfds)
			b->conn.fds[i] = -1;
	}
	b->conn.nfds = 0;
	vpci_send_pending(b->function);
	if (set->index == VFU_IRQ_INTX) {
		b->irq.intx_masked = false;
		if (vpci_intx(b->function))
			on_intx(b);
	}
	return 0;
}

static void mask(struct vfu_backend *b, uint32_t index, uint32_t i, bool masked)
{
	if (index == VFU_IRQ_MSIX)
		vpci_mask(b->function, i, masked);
	if (index != VFU_IRQ_INTX)
		return;
	b->irq.intx_masked = masked;
	if (!masked && vpci_intx(b->function))
		on_intx(b);
}

/* Does it for each that is meant: all of them, or those whose byte is not zero. */
static int act(struct vfu_backend *b, const struct vfu_irq_set *set, const uint8_t *bools)
{
	for (uint32_t i = 0; i < set->count; i++) {
		if (bools && !bools[i])
			continue;
		if (set->flags & VFU_SET_TRIGGER)
			tell(b, irq_fd(b, set->index, set->start + i));
		else
			mask(b, set->index, set->start + i, set->flags & VFU_SET_MASK);
	}
	return 0;
}

/* "a count (and start) of 0, with data flags of VFIO_IRQ_SET_DATA_NONE disables all interrupts of the index" */
static int disable(struct vfu_backend *b, uint32_t index)
{
	for (uint32_t i = 0; i < irq_count(b, index); i++)
		notify_fd_set(irq_fd(b, index, i), -1);
	if (index == VFU_IRQ_INTX)
		b->irq.intx_masked = false;
	for (uint32_t i = 0; index == VFU_IRQ_MSIX && i < irq_count(b, index); i++)
		vpci_mask(b->function, i, false);
	return 0;
}

/* Whether exactly one bit of those is set. */
static bool one_of(uint32_t flags, uint32_t bits)
{
	flags &= bits;
	return flags && !(flags & (flags - 1));
}

int vfu_irq_set(struct vfu_backend *b, size_t size)
{
	struct vfu_irq_set set;

	if (size < sizeof(set))
		return -EINVAL;
	memcpy(&set, b->in, sizeof(set));
	if (set.index >= VFU_NUM_IRQS || set.flags & ~(VFU_SET_DATA | VFU_SET_ACTION) || !one_of(set.flags, VFU_SET_DATA) ||
	    !one_of(set.flags, VFU_SET_ACTION))
		return -EINVAL;
	const uint32_t there = irq_count(b, set.index);

	if (set.start > there || set.count > there - set.start)
		return -EINVAL;
	if (b->conn.nfds && !(set.flags & VFU_SET_EVENTFD))
		return -EINVAL;
	if (set.flags & VFU_SET_EVENTFD)
		return set.flags & VFU_SET_TRIGGER ? set_fds(b, &set) : -EOPNOTSUPP;
	if (set.flags & VFU_SET_BOOL && size - sizeof(set) < set.count)
		return -EINVAL;
	if (set.flags & VFU_SET_NONE && set.flags & VFU_SET_TRIGGER && !set.count && !set.start)
		return disable(b, set.index);
	return act(b, &set, set.flags & VFU_SET_BOOL ? b->in + sizeof(set) : NULL);
}
