/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend.h - a small vhost-user front-end with the rings of a virtio driver: the other side of vhost_user.h.
 * QEMU docs/interop/vhost-user.rst; VIRTIO 1.4, section 2.6.
 *
 * Synchronous: each function sends and waits, never longer than the time-out, whatever the back end does; the
 * requests of the back channel are answered while it waits.  Where the back end runs on a loop of the same thread, the
 * pump gives it its turns.  After an error frontend_why says in words what happened.
 *
 * Errors common to all that talk to the back end: -ETIMEDOUT; -EPIPE: the connection ended; -EPROTO: an answer that is
 * none; -EREMOTEIO: the back end answered that it failed or refused.
 */
#ifndef VDEVD_TRANSPORT_FRONTEND_FRONTEND_H
#define VDEVD_TRANSPORT_FRONTEND_FRONTEND_H

#include "transport/driver/driver_ring.h"
#include "transport/frontend/frontend_mem.h"
#include "transport/vu_msg.h"

struct frontend;

#define FRONTEND_TIMEOUT_MS 2000
#define FRONTEND_MAX_QUEUES 256

struct frontend_opts {
	const char *path;        /* connect here, or NULL: */
	int fd;                  /* a connected socket; it becomes the front-end's, also on failure */
	unsigned int timeout_ms; /* of each wait; 0: FRONTEND_TIMEOUT_MS */
	void (*pump)(void *arg); /* NULL, or lets a back end in this thread run, without blocking */
	void *pump_arg;
};

/* Connects.  Returns 0 and *out (free with frontend_free), or -errno. */
int frontend_new(const struct frontend_opts *opts, struct frontend **out);

/*
 * Connects anew in the place of a connection that ended: memory, rings and what is in flight in them stay, all that was negotiated
 * is to be said again.  Returns 0 or -errno; then the old connection is still the one there is.
 */
int frontend_reconnect(struct frontend *fe, const char *path);

/* Closes the connection, the queues and the memory; NULL is allowed. */
void frontend_free(struct frontend *fe);

/* What the last failure was, in words. */
const char *frontend_why(const struct frontend *fe);

/* The connection, for tests that write to it themselves. */
int frontend_socket(const struct frontend *fe);

/* How long each wait may take, from now on. */
void frontend_set_timeout(struct frontend *fe, unsigned int timeout_ms);

/*
 * Messages.
 */

/* A message ready to be sent: zeroed payload of this size, version set, no descriptors. */
struct vu_msg frontend_msg(uint32_t request, uint32_t size);

/* Sends a message as it is; its descriptors stay the caller's. */
int frontend_send(struct frontend *fe, const struct vu_msg *msg);

/* Sends bytes that need not be a message, with descriptors that stay the caller's. */
int frontend_send_bytes(struct frontend *fe, const void *bytes, size_t len, const int *fds, unsigned int nfds);

/* Waits for a message on the connection, any.  The caller takes its descriptors. */
int frontend_recv(struct frontend *fe, struct vu_msg *msg);

/* Sends a message that has an answer and waits for it: the same request with the reply flag. */
int frontend_ask(struct frontend *fe, const struct vu_msg *msg, struct vu_msg *answer);

/*
 * Sends a message that has no answer of its own; where REPLY_ACK was accepted, asks for the acknowledgement and
 * waits for it.
 */
int frontend_tell(struct frontend *fe, const struct vu_msg *msg);

/* Does not ask for acknowledgements (false) although they could be had; true: does again. */
void frontend_use_acks(struct frontend *fe, bool use);

/* A round trip (GET_FEATURES): whatever was sent before has been handled then. */
int frontend_sync(struct frontend *fe);

/* Waits until the back end ends the connection.  Returns 0 or -ETIMEDOUT; messages are thrown away. */
int frontend_wait_closed(struct frontend *fe);

/*
 * The requests: those without payload, or with a number, asked for or told; then one function for each.
 */
int frontend_ask_u64(struct frontend *fe, uint32_t request, uint64_t *value);
int frontend_tell_u64(struct frontend *fe, uint32_t request, uint64_t value);
int frontend_tell_empty(struct frontend *fe, uint32_t request);

int frontend_set_features(struct frontend *fe, uint64_t features);
int frontend_set_protocol_features(struct frontend *fe, uint64_t features);
int frontend_reset_device(struct frontend *fe);

/* A region of the front-end's memory with its fd. */
int frontend_add_mem_reg(struct frontend *fe, const struct frontend_region *region);
int frontend_rem_mem_reg(struct frontend *fe, const struct frontend_region *region);

/* The region's address beside the guest's, as messages have it: with GPA_ADDRESSES that is the guest's, too. */
uint64_t frontend_region_user(const struct frontend *fe, const struct frontend_region *region);

/* All regions of the front-end's memory, at most VU_MAX_REGIONS, or with XEN_MMAP VU_MAX_XEN_REGIONS. */
int frontend_set_mem_table(struct frontend *fe);

/* Config space; at most VU_MAX_CONFIG_SIZE bytes at a time.  flags: 0 a driver's write, 1 live migration. */
int frontend_get_config(struct frontend *fe, uint32_t offset, void *buf, uint32_t size);
int frontend_set_config(struct frontend *fe, uint32_t offset, const void *buf, uint32_t size, uint32_t flags);

/* SET_VRING_NUM, BASE, ENABLE. */
int frontend_vring_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num);
int frontend_vring_addr(struct frontend *fe, const struct vu_vring_addr *addr);

/* SET_VRING_KICK, CALL, ERR; fd -1 sends the "no descriptor" flag. */
int frontend_vring_fd(struct frontend *fe, uint32_t request, uint32_t index, int fd);

/*
 * GET_INFLIGHT_FD for about->nqueues queues of about->queue_size: fills in size and offset, and *fd, the caller's.
 * SET_INFLIGHT_FD: the descriptor stays the caller's.
 */
int frontend_get_inflight(struct frontend *fe, struct vu_inflight *about, int *fd);
int frontend_set_inflight(struct frontend *fe, const struct vu_inflight *about, int fd);

/*
 * SET_DEVICE_STATE_FD and CHECK_DEVICE_STATE: the state as bytes, *bytes to be freed.  Returns 0; -EREMOTEIO: it was refused.
 */
int frontend_save_state(struct frontend *fe, void **bytes, size_t *len);
int frontend_load_state(struct frontend *fe, const void *bytes, size_t len);

int frontend_get_vring_base(struct frontend *fe, uint32_t index, uint32_t *base);

/* The same; what is in flight stays in the record. */
int frontend_get_vring_base_skip_drain(struct frontend *fe, uint32_t index, uint32_t *base);

/*
 * Negotiation and memory.
 */

/*
 * SET_OWNER, then accepts what of these features the back end offers; protocol features only where it offers them.
 * VHOST_USER_F_PROTOCOL_FEATURES is accepted as part of features.
 */
int frontend_negotiate(struct frontend *fe, uint64_t features, uint64_t protocol_features);

/* What was accepted. */
uint64_t frontend_features(const struct frontend *fe);
uint64_t frontend_protocol_features(const struct frontend *fe);

/* Whether a protocol feature was accepted. */
bool frontend_has_protocol(const struct frontend *fe, enum vu_protocol_feature feature);

/* Makes the memory; nothing is sent.  Returns 0 or -errno. */
int frontend_make_mem(struct frontend *fe, const struct frontend_mem_ops *ops, const struct frontend_region *regions,
		      unsigned int count);

/* The memory, or NULL. */
struct frontend_mem *frontend_mem(struct frontend *fe);

/*
 * The log of what the back end writes, for migration.
 */

/* SET_LOG_BASE with size bytes of fd, which stays the caller's, from offset on, and its answer. */
int frontend_set_log(struct frontend *fe, int fd, uint64_t size, uint64_t offset);

/*
 * Makes a log for all the memory there is and has it kept, of buffers and rings, those that run as well as those that are started
 * later.  LOG_ALL must be offered and LOG_SHMFD accepted.
 */
int frontend_log_start(struct frontend *fe);

/* Has it kept no longer; it can still be read. */
int frontend_log_stop(struct frontend *fe);

/* Whether the page of this guest address is marked; clear: not from now on. */
bool frontend_log_has(const struct frontend *fe, uint64_t guest, bool clear);

/*
 * Memory whose pages come later (postcopy).  The order: advise, listen, announce, ready, then rings; end when all is there.
 */

/* POSTCOPY_ADVISE: *userfault, the caller's, tells of pages that the back end waits for. */
int frontend_postcopy_advise(struct frontend *fe, int *userfault);
int frontend_postcopy_listen(struct frontend *fe);

/* SET_MEM_TABLE: where each region is in the back end, at most VU_MAX_REGIONS.  None is touched before frontend_postcopy_ready. */
int frontend_postcopy_announce(struct frontend *fe, uint64_t *bases);
int frontend_postcopy_ready(struct frontend *fe);
int frontend_postcopy_end(struct frontend *fe);

/*
 * The back channel.
 */

/* Opens the back channel: SET_BACKEND_REQ_FD with one end of a socket pair. */
int frontend_open_back_channel(struct frontend *fe);

/* Waits for the next CONFIG_CHANGE_MSG, or takes one that came.  */
int frontend_wait_config_change(struct frontend *fe);

/* The front-end's end of the back channel, for tests that speak on it themselves, or -1. */
int frontend_back_channel(const struct frontend *fe);

/* Takes nothing from the back channel (true), so that nothing is answered, until false. */
void frontend_hold_back_channel(struct frontend *fe, bool hold);

/*
 * Shared memory regions, and objects shared between devices.  What the back end asks for is done while something is waited for.
 */

/* GET_SHMEM_CONFIG; what the back end maps has to be inside of these regions. */
int frontend_get_shmem_config(struct frontend *fe, struct vu_shmem_config *config);

/* These bytes of a region as the driver sees them, or NULL where they are not mapped as a whole. */
void *frontend_mapped(struct frontend *fe, uint8_t shmid, uint64_t offset, uint64_t len);

/* GET_SHARED_OBJECT: *fd is the caller's.  Returns -EREMOTEIO when the back end does not have it. */
int frontend_get_object(struct frontend *fe, const struct vu_object *object, int *fd);

/* Another device's object, which the back end may look up; fd stays the caller's.  Returns 0, -ENOSPC or -errno. */
int frontend_share_object(struct frontend *fe, const struct vu_object *object, int fd);

/* Whether the back end has added this object. */
bool frontend_object_added(const struct frontend *fe, const struct vu_object *object);

/* Requests of the back end that were not understood, or refused, so far. */
unsigned int frontend_back_channel_errors(const struct frontend *fe);

/*
 * An IOMMU between the device and memory, where ACCESS_PLATFORM is accepted.
 */
struct frontend_iommu {
	uint64_t offset;  /* an I/O virtual address is the guest's and this */
	uint64_t granule; /* bytes that are translated at once, a power of two */
	/*
	 * Where a guest address is in the space that messages use, and how many bytes from there on.  Returns 0, or -EFAULT.
	 * NULL: as the memory's regions say.
	 */
	int (*find)(void *arg, uint64_t guest, uint64_t *user, uint64_t *left);
	void *arg;
};

/*
 * From now on descriptors and rings have I/O virtual addresses, and misses are answered, at once and with all permissions, or with
 * none; the memory must be there by then.  NULL: addresses are as they are, and misses are only counted.
 */
void frontend_set_iommu(struct frontend *fe, const struct frontend_iommu *iommu);

/* The address by which the device knows this guest address. */
uint64_t frontend_iova(const struct frontend *fe, uint64_t guest);

/* IOTLB_MSG, an update or an invalidation (VU_IOTLB_...), and its answer. */
int frontend_iotlb(struct frontend *fe, const struct vu_iotlb *msg);

/* Misses and access failures of the back end so far, and the last of either; may be NULL. */
unsigned int frontend_iotlb_misses(const struct frontend *fe, struct vu_iotlb *last);
unsigned int frontend_iotlb_failures(const struct frontend *fe, struct vu_iotlb *last);

/*
 * Queues.
 */
struct frontend_queue_opts {
	unsigned int num; /* entries */
	uint16_t base;    /* entries that have gone by before */
	bool disabled;    /* left disabled */
	bool poll_kick;   /* no kick fd: the back end polls */
	bool poll_call;   /* no call fd: the front-end polls */
	bool pipes;       /* pipes in the place of eventfds */
	bool blocking;    /* O_NONBLOCK is not set on what the back end gets */
	bool in_band;     /* no fds at all: INBAND_NOTIFICATIONS */
	int region;       /* where the ring lies, or FRONTEND_MEM_ANY */
};

/* A ring of num entries anywhere, enabled, with eventfds. */
struct frontend_queue_opts frontend_queue_defaults(unsigned int num);

/* Makes a queue's ring and descriptors, and closes the one that was there; nothing is sent. */
int frontend_queue_make(struct frontend *fe, unsigned int q, const struct frontend_queue_opts *opts);

/* Makes it, and starts it as frontend_queue_restart does. */
int frontend_queue_start(struct frontend *fe, unsigned int q, const struct frontend_queue_opts *opts);

/* Starts a made or stopped queue: NUM, BASE, ADDR, CALL, ERR, KICK, ENABLE. */
int frontend_queue_restart(struct frontend *fe, unsigned int q, uint32_t base);

/* Stops it: GET_VRING_BASE.  Its ring stays as it is. */
int frontend_queue_stop(struct frontend *fe, unsigned int q, uint32_t *base);

/* Frees the ring, the descriptors and the requests; nothing is sent. */
void frontend_queue_close(struct frontend *fe, unsigned int q);

struct driver_ring *frontend_ring(struct frontend *fe, unsigned int q);

/* The message that says where the ring is. */
struct vu_vring_addr frontend_queue_addr(struct frontend *fe, unsigned int q);

enum frontend_fd {
	FRONTEND_FD_KICK, /* ends the front-end holds */
	FRONTEND_FD_CALL,
	FRONTEND_FD_ERR,
};

/* A descriptor of the queue, or -1. */
int frontend_queue_fd(struct frontend *fe, unsigned int q, enum frontend_fd which);

/* SET_VRING_CALL with a new descriptor of the same kind, which takes the place of the queue's. */
int frontend_replace_call(struct frontend *fe, unsigned int q);

/* Notifies the back end, by the fd or in band. */
int frontend_kick(struct frontend *fe, unsigned int q);

/* Waits for a notification of used buffers, or of an error, and takes it. */
int frontend_wait_call(struct frontend *fe, unsigned int q);
int frontend_wait_err(struct frontend *fe, unsigned int q);

/* Lets the back end run for this long, answering the back channel. */
int frontend_idle(struct frontend *fe, unsigned int ms);

/*
 * Requests: bytes the device reads, then room it writes.
 */
struct frontend_request_opts {
	uint32_t split;      /* bytes in each descriptor; 0: one for the read part, one for the written */
	bool indirect;       /* in an indirect table */
	unsigned int direct; /* of the pieces still in the ring, before the table */
	bool no_kick;        /* publish, but do not kick */
	bool poll;           /* look at the ring, do not wait for a notification */
};

struct frontend_request;

/*
 * Makes a buffer available, and kicks if the back end wants to be.  opts: NULL for the plain way.
 * Returns 0 and *out; -ENOSPC, -ENOMEM, or what the kick returned.
 */
int frontend_submit(struct frontend *fe, unsigned int q, const void *readable, size_t readable_len, size_t writable_len,
		    const struct frontend_request_opts *opts, struct frontend_request **out);

/*
 * Waits until the request is used, and for the notification of it unless opts say poll.
 * Returns 0 and *used, the length the device told, and its first bytes in buf, at most the room submitted; -EPROTO
 * also when the device broke the ring's rules; -ENOMSG: used, but no notification came.  The request is freed in any
 * case (one that is still in flight keeps its memory until the queue is closed).
 */
int frontend_await(struct frontend *fe, unsigned int q, struct frontend_request *req, void *buf, uint32_t *used);

/* Both: one synchronous request.  used may be NULL. */
int frontend_request(struct frontend *fe, unsigned int q, const void *readable, size_t readable_len, void *writable,
		     size_t writable_len, uint32_t *used, const struct frontend_request_opts *opts);

#endif
