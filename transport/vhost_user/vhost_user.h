/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vhost_user.h - the back-end side of vhost-user: QEMU docs/interop/vhost-user.rst.
 *
 * struct vu_backend joins one device instance to the front-ends that come one after the other, each with a
 * connection of its own.
 */
#ifndef VDEVD_TRANSPORT_VHOST_USER_VHOST_USER_H
#define VDEVD_TRANSPORT_VHOST_USER_VHOST_USER_H

#include "core/device.h"
#include "mem/gmem.h"
#include "transport/front_socket.h"

struct vu_backend;

/* vhost-user as what a socket speaks. */
extern const struct front_protocol vu_protocol;

/*
 * Makes the back end of a device and attaches its queues.  mem: what makes guest memory reachable: gmem_shm, or one that
 * chooses by the regions' flags (gmem_xen.h), and then XEN_MMAP is offered.
 * closed: called, from the loop, when a connection has ended and the device is fresh again; arg is handed to it.
 * Returns 0 and *out (free with vu_backend_free), or -ENOMEM.
 */
int vu_backend_new(struct vdev *d, const struct gmem_backend *mem, void (*closed)(void *arg), void *arg,
		   struct vu_backend **out);

/* Ends the connection, if there is one, without the closed call, detaches and frees; NULL is allowed. */
void vu_backend_free(struct vu_backend *b);

/* Serves a front-end on a connected socket, which becomes the back end's.  Returns 0, -EBUSY, or -errno. */
int vu_backend_serve(struct vu_backend *b, int sock);

/* Whether a front-end is being served (also while its last requests are being finished). */
bool vu_backend_busy(const struct vu_backend *b);

/* The feature word offered to front-ends of this device: its own, the ring's, bit 30; less what is masked. */
uint64_t vu_offered_features(const struct vdev *d);

/* The protocol features offered, likewise. */
uint64_t vu_offered_protocol_features(const struct vdev *d);

/* Those offered besides where guest memory can be that of another Xen domain. */
uint64_t vu_offered_xen_features(const struct vdev *d);

/* What front-ends are known to do differently. */
enum vu_quirk {
	VU_QUIRK_SHMEM_BIT_21, /* the protocol feature SHMEM is bit 21, which others have for GPA_ADDRESSES */
};

/* What the operator wishes of the protocol: an instance's `wishes`. */
struct vu_wishes {
	uint64_t mask;       /* protocol features that may be offered (--features=-NAME) */
	uint64_t wish;       /* those that are offered only when asked for (--features=+NAME) */
	unsigned int quirks; /* enum vu_quirk, as bits: faults of front-ends to be put up with (--quirks) */
};

/* The instance's wishes; to be changed.  They are made when there are none yet.  Returns NULL where there is no memory. */
struct vu_wishes *vu_wishes_of(struct vdev *d);

/* The same to be looked at; never NULL: who has said nothing masks and wishes nothing. */
const struct vu_wishes *vu_wishes(const struct vdev *d);

/* Protocol features as a front-end with the instance's quirks has them in its messages; or back: it is the same. */
uint64_t vu_protocol_as_wire(const struct vdev *d, uint64_t features);

/* Takes a list of quirks, separated by commas.  Returns 0, or -EINVAL with what there is in why. */
int vu_apply_quirks(struct vdev *d, const char *quirks, char *why, size_t why_size);

/*
 * Applies a mask "+x,-y" of names or numbers of device, ring and protocol features to the instance: -x is not
 * offered, +x is offered again.  Returns 0, or -EINVAL with the reason in why.
 */
int vu_apply_feature_masks(struct vdev *d, const char *masks, char *why, size_t why_size);

#endif
