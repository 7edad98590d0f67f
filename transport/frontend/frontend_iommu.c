/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_iommu.c - a small vhost-user front-end, the IOMMU before its memory: QEMU docs/interop/vhost-user.rst, "IOMMU support".
 */
#include "transport/frontend/frontend_impl.h"

#include <errno.h>

#include "mem/iotlb.h"
#include "transport/ring/virtq.h"

void frontend_set_iommu(struct frontend *fe, const struct frontend_iommu *iommu)
{
	static const struct frontend_iommu none;

	fe->iommu = iommu ? *iommu : none;
}

uint64_t frontend_iova(const struct frontend *fe, uint64_t guest)
{
	return guest + fe->iommu.offset;
}

/* Where a guest address is in messages, and for how many bytes. */
static int find(const struct frontend *fe, uint64_t guest, uint64_t *user, uint64_t *left)
{
	if (fe->iommu.find)
		return fe->iommu.find(fe->iommu.arg, guest, user, left);
	for (unsigned int i = 0; fe->mem && i < frontend_mem_count(fe->mem); i++) {
		const struct frontend_region *r = frontend_mem_region(fe->mem, i);

		if (guest - r->guest_addr >= r->size)
			continue;
		*user = frontend_region_user(fe, r) + (guest - r->guest_addr);
		*left = r->size - (guest - r->guest_addr);
		return 0;
	}
	return -EFAULT;
}

/* What a miss is answered with: the granule around it, as far as it lies together with it, or no access. */
static struct vu_iotlb translate(const struct frontend *fe, uint64_t iova)
{
	struct vu_iotlb m = {.type = VU_IOTLB_UPDATE, .perm = IOTLB_READ | IOTLB_WRITE};
	uint64_t before = iova & (fe->iommu.granule - 1), left;

	m.iova = iova - before;
	m.size = fe->iommu.granule;
	if (!find(fe, m.iova - fe->iommu.offset, &m.user_addr, &left) && left > before) {
		m.size = min_u64(m.size, left);
		return m;
	}
	m.iova = iova;
	m.size -= before;
	if (!find(fe, iova - fe->iommu.offset, &m.user_addr, &left)) {
		m.size = min_u64(m.size, left);
		return m;
	}
	return (struct vu_iotlb){.iova = iova, .size = 1, .type = VU_IOTLB_UPDATE};
}

uint64_t fe_iotlb_handle(struct frontend *fe, const struct vu_msg *msg)
{
	struct vu_msg update = frontend_msg(VU_IOTLB_MSG, sizeof(update.p.iotlb));
	const struct vu_iotlb *m = &msg->p.iotlb;

	if (msg->h.size != sizeof(*m))
		return 1;
	if (m->type == VU_IOTLB_ACCESS_FAIL) {
		fe->failures++;
		fe->last_failure = *m;
		return 0;
	}
	if (m->type != VU_IOTLB_MISS)
		return 1;
	fe->misses++;
	fe->last_miss = *m;
	if (!fe->iommu.granule)
		return 0;
	/* Without an answer: one to another message may be on its way. */
	update.p.iotlb = translate(fe, m->iova);
	return frontend_send(fe, &update) ? 1 : 0;
}

int frontend_iotlb(struct frontend *fe, const struct vu_iotlb *m)
{
	struct vu_msg msg = frontend_msg(VU_IOTLB_MSG, sizeof(msg.p.iotlb)), answer;
	int err;

	msg.p.iotlb = *m;
	/* Also where acknowledgements were not accepted. */
	msg.h.flags |= VU_FLAG_NEED_REPLY;
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	vu_msg_close_fds(&answer);
	if (answer.h.size != sizeof(answer.p.u64))
		return fe_fail(fe, -EPROTO, "the answer to IOTLB_MSG has %u bytes", answer.h.size);
	if (answer.p.u64)
		return fe_fail(fe, -EREMOTEIO, "IOTLB_MSG was refused (%llu)", (unsigned long long)answer.p.u64);
	return 0;
}

unsigned int frontend_iotlb_misses(const struct frontend *fe, struct vu_iotlb *last)
{
	if (last)
		*last = fe->last_miss;
	return fe->misses;
}

unsigned int frontend_iotlb_failures(const struct frontend *fe, struct vu_iotlb *last)
{
	if (last)
		*last = fe->last_failure;
	return fe->failures;
}
