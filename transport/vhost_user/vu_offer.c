/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_offer.c - what is offered to front-ends: the device's features, the ring's, the protocol's, less what the
 * operator masked.  VIRTIO 1.4, section 2.2; QEMU docs/interop/vhost-user.rst, "Protocol features".
 *
 * What is offered only when the operator asks for it, and why:
 *
 * GPA_ADDRESSES says where rings are without the front-end's own address space; the user addresses of regions are then
 * not looked at. To front-ends built with rust-vmm's vhost 0.16 or older the bit is SHMEM: they accept it as such, and
 * would find their rings refused.
 *
 * RING_RESET and NOTIFICATION_DATA cost nothing and are rarely understood. A ring that is reset is one that is stopped
 * and starts at 0; the data of a notification ends at the front-end, which kicks.
 *
 * INBAND_NOTIFICATIONS is taken by User-Mode Linux wherever it can, and it waits for an answer to each kick: with
 * eventfds a vsock stream is three times as fast. Its time-travel mode wants them: a VRING_CALL for what a kick has led
 * to is on its way before the kick is acknowledged.
 *
 * ACCESS_PLATFORM: front-ends without an IOMMU that pass the bit on (crosvm's, for protected machines) send no
 * translations. It excludes XEN_MMAP: a grant reference is not an address that an IOMMU could translate.
 *
 * LOG_ALL: QEMU does not migrate while a back end does without it, and most of its stubs do not ask for the device's
 * state. The operator knows whether what a device knows (lines, chips, connections) may stay behind.
 *
 * PAGEFAULT: a guest that stalls with its network is the operator's decision; see mem/userfault.h.
 *
 * SHMEM, BACKEND_SEND_FD and SHARED_OBJECT are offered for devices that announce regions or objects; --quirks has SHMEM
 * as the bit 21 of old front-ends. HOST_NOTIFIER is never offered: it is for doorbells that are pages of hardware.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/vhost_user/vhost_user.h"
#include "transport/ring/virtq.h"
#include "transport/vu_msg.h"

#define PROTOCOL_FEATURES                                                                                              \
	(BIT(VU_PF_MQ) | BIT(VU_PF_LOG_SHMFD) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_BACKEND_REQ) |                         \
	 BIT(VU_PF_RESET_DEVICE) | BIT(VU_PF_INFLIGHT_SHMFD) | BIT(VU_PF_CONFIGURE_MEM_SLOTS) |                        \
	 BIT(VU_PF_STATUS) | BIT(VU_PF_DEVICE_STATE) | BIT(VU_PF_GET_VRING_BASE_INFLIGHT) |                            \
	 BIT(VU_PF_GET_VRING_BASE_SKIP_DRAIN))

/*
 * Only when asked for.  User-Mode Linux takes in-band notifications where it can, and then waits for an answer to each kick.
 * Front-ends built with rust-vmm's vhost 0.16 or older take GPA_ADDRESSES for SHMEM, and accept it as that.  With PAGEFAULT who serves
 * the pages decides when this process goes on.
 */
#define WISHED_PROTOCOL_FEATURES                                                                                       \
	(BIT(VU_PF_INBAND_NOTIFICATIONS) | BIT(VU_PF_GPA_ADDRESSES) | BIT(VU_PF_PAGEFAULT))

static const struct vu_wishes no_wishes = {.mask = UINT64_MAX};

struct vu_wishes *vu_wishes_of(struct vdev *d)
{
	if (!d->wishes) {
		struct vu_wishes *w = malloc(sizeof(*w));

		if (w)
			*w = no_wishes;
		d->wishes = w;
	}
	return d->wishes;
}

const struct vu_wishes *vu_wishes(const struct vdev *d)
{
	return d->wishes ? d->wishes : &no_wishes;
}

uint64_t vu_offered_features(const struct vdev *d)
{
	/* LOG_ALL says to front-ends that the device can be moved while it runs, with all that it knows. */
	return virtq_offered_features(d) | (BIT(VHOST_USER_F_PROTOCOL_FEATURES) & d->feature_mask) |
	       (BIT(VHOST_F_LOG_ALL) & d->feature_wish);
}

uint64_t vu_offered_protocol_features(const struct vdev *d)
{
	uint64_t features = PROTOCOL_FEATURES;

	/* Some front-ends take the bit for a promise that there is something to read. */
	if (d->face.config_size)
		features |= BIT(VU_PF_CONFIG);
	if (d->face.nshmem)
		features |= BIT(VU_PF_SHMEM) | BIT(VU_PF_BACKEND_SEND_FD);
	if (d->class->shares_objects)
		features |= BIT(VU_PF_SHARED_OBJECT);
	features &= vu_wishes(d)->mask;
	features |= WISHED_PROTOCOL_FEATURES & vu_wishes(d)->wish;
	/* In-band notifications cannot be had without these two, and what else needs the first. */
	if (!(features & BIT(VU_PF_BACKEND_REQ)) || !(features & BIT(VU_PF_REPLY_ACK)))
		features &= ~BIT(VU_PF_INBAND_NOTIFICATIONS);
	if (!(features & BIT(VU_PF_BACKEND_REQ)))
		features &= ~(BIT(VU_PF_SHMEM) | BIT(VU_PF_BACKEND_SEND_FD) | BIT(VU_PF_SHARED_OBJECT));
	/* They would take it for SHMEM. */
	if (vu_wishes(d)->quirks & BIT(VU_QUIRK_SHMEM_BIT_21))
		features &= ~BIT(VU_PF_GPA_ADDRESSES);
	/* Chains that are left in flight are left in the record. */
	if (!(features & BIT(VU_PF_INFLIGHT_SHMFD)))
		features &= ~BIT(VU_PF_GET_VRING_BASE_INFLIGHT);
	if (!(features & BIT(VU_PF_GET_VRING_BASE_INFLIGHT)))
		features &= ~BIT(VU_PF_GET_VRING_BASE_SKIP_DRAIN);
	return features;
}

uint64_t vu_offered_xen_features(const struct vdev *d)
{
	return BIT(VU_PF_XEN_MMAP) & vu_wishes(d)->mask;
}

uint64_t vu_protocol_as_wire(const struct vdev *d, uint64_t features)
{
	const uint64_t shmem = BIT(VU_PF_SHMEM), gpa = BIT(VU_PF_GPA_ADDRESSES);

	if (!(vu_wishes(d)->quirks & BIT(VU_QUIRK_SHMEM_BIT_21)))
		return features;
	return (features & ~(shmem | gpa)) | (features & shmem ? gpa : 0) | (features & gpa ? shmem : 0);
}

static int no_memory(char *why, size_t why_size)
{
	snprintf(why, why_size, "no memory");
	return -EINVAL;
}

int vu_apply_quirks(struct vdev *d, const char *quirks, char *why, size_t why_size)
{
	static const char *const names[] = {[VU_QUIRK_SHMEM_BIT_21] = "shmem-bit-21"};
	size_t len;

	for (; *quirks; quirks += len + (quirks[len] == ',')) {
		unsigned int i = 0;

		len = strcspn(quirks, ",");
		while (i < ARRAY_SIZE(names) && (strlen(names[i]) != len || strncmp(names[i], quirks, len) != 0))
			i++;
		if (i == ARRAY_SIZE(names)) {
			snprintf(why, why_size, "no quirk is called '%.*s'; there is shmem-bit-21", (int)min_size(len, 40),
				 quirks);
			return -EINVAL;
		}
		struct vu_wishes *w = vu_wishes_of(d);

		if (!w)
			return no_memory(why, why_size);
		w->quirks |= 1u << i;
	}
	return 0;
}

/* The word and bit a name stands for.  Returns false for an unknown name. */
static bool find_feature(struct vdev *d, struct vu_wishes *w, const char *name, uint64_t **mask, unsigned int *bit)
{
	int n = vdev_feature_bit(d->class, name);

	*mask = &d->feature_mask;
	if (n < 0)
		n = vu_feature_bit(name);
	if (n < 0) {
		*mask = &w->mask;
		n = vu_protocol_feature_bit(name);
	}
	*bit = (unsigned int)n;
	return n >= 0;
}

int vu_apply_feature_masks(struct vdev *d, const char *masks, char *why, size_t why_size)
{
	struct vu_wishes *w = vu_wishes_of(d);

	if (!w)
		return no_memory(why, why_size);
	while (*masks) {
		size_t len = strcspn(masks, ",");
		char name[64];
		uint64_t *mask;
		unsigned int bit;

		if ((*masks != '+' && *masks != '-') || len < 2 || len > sizeof(name)) {
			snprintf(why, why_size, "a list of +NAME and -NAME, separated by commas, is wanted");
			return -EINVAL;
		}
		memcpy(name, masks + 1, len - 1);
		name[len - 1] = '\0';
		if (!find_feature(d, w, name, &mask, &bit)) {
			snprintf(why, why_size, "no feature is called '%s'; --print-capabilities lists them", name);
			return -EINVAL;
		}
		if (*masks == '+' && mask == &d->feature_mask && virtq_unfit_features(d) & BIT(bit)) {
			snprintf(why, why_size, "%s does not go with this device", name);
			return -EINVAL;
		}
		uint64_t *wish = mask == &d->feature_mask ? &d->feature_wish : &w->wish;

		*mask = *masks == '+' ? *mask | BIT(bit) : *mask & ~BIT(bit);
		*wish = *masks == '+' ? *wish | BIT(bit) : *wish & ~BIT(bit);
		masks += len;
		masks += *masks == ',';
	}
	return 0;
}
