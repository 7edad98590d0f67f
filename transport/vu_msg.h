/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_msg.h - vhost-user on the wire: numbers, names, message layout, and sending and receiving one message.
 * QEMU docs/interop/vhost-user.rst, "Message Specification".  Both sides use it.
 */
#ifndef VDEVD_TRANSPORT_VU_MSG_H
#define VDEVD_TRANSPORT_VU_MSG_H

#include "core/base.h"

/* Front-end message types. */
enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SEND_RARP = 19,
	VU_NET_SET_MTU = 20,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_IOTLB_MSG = 22,
	VU_SET_VRING_ENDIAN = 23,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_CREATE_CRYPTO_SESSION = 26,
	VU_CLOSE_CRYPTO_SESSION = 27,
	VU_POSTCOPY_ADVISE = 28,
	VU_POSTCOPY_LISTEN = 29,
	VU_POSTCOPY_END = 30,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
	VU_GPU_SET_SOCKET = 33,
	VU_RESET_DEVICE = 34,
	VU_VRING_KICK = 35,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_SET_STATUS = 39,
	VU_GET_STATUS = 40,
	VU_GET_SHARED_OBJECT = 41,
	VU_SET_DEVICE_STATE_FD = 42,
	VU_CHECK_DEVICE_STATE = 43,
	VU_GET_SHMEM_CONFIG = 44,
	VU_GET_VRING_BASE_SKIP_DRAIN = 45,
	VU_REQUEST_MAX
};

/* Back-end message types. */
enum vu_backend_request {
	VU_BACKEND_IOTLB_MSG = 1,
	VU_BACKEND_CONFIG_CHANGE_MSG = 2,
	VU_BACKEND_VRING_HOST_NOTIFIER_MSG = 3,
	VU_BACKEND_VRING_CALL = 4,
	VU_BACKEND_VRING_ERR = 5,
	VU_BACKEND_SHARED_OBJECT_ADD = 6,
	VU_BACKEND_SHARED_OBJECT_REMOVE = 7,
	VU_BACKEND_SHARED_OBJECT_LOOKUP = 8,
	VU_BACKEND_SHMEM_MAP = 9,
	VU_BACKEND_SHMEM_UNMAP = 10,
};

/* VHOST_USER_F_PROTOCOL_FEATURES: a bit in the virtio feature word that the driver never sees. */
#define VHOST_USER_F_PROTOCOL_FEATURES 30

/* VHOST_F_LOG_ALL: likewise; what is written into guest memory is logged. */
#define VHOST_F_LOG_ALL 26

/* Protocol feature bits. */
enum vu_protocol_feature {
	VU_PF_MQ = 0,
	VU_PF_LOG_SHMFD = 1,
	VU_PF_RARP = 2,
	VU_PF_REPLY_ACK = 3,
	VU_PF_MTU = 4,
	VU_PF_BACKEND_REQ = 5,
	VU_PF_CROSS_ENDIAN = 6,
	VU_PF_CRYPTO_SESSION = 7,
	VU_PF_PAGEFAULT = 8,
	VU_PF_CONFIG = 9,
	VU_PF_BACKEND_SEND_FD = 10,
	VU_PF_HOST_NOTIFIER = 11,
	VU_PF_INFLIGHT_SHMFD = 12,
	VU_PF_RESET_DEVICE = 13,
	VU_PF_INBAND_NOTIFICATIONS = 14,
	VU_PF_CONFIGURE_MEM_SLOTS = 15,
	VU_PF_STATUS = 16,
	VU_PF_XEN_MMAP = 17,
	VU_PF_SHARED_OBJECT = 18,
	VU_PF_DEVICE_STATE = 19,
	VU_PF_GET_VRING_BASE_INFLIGHT = 20,
	VU_PF_GPA_ADDRESSES = 21,
	VU_PF_SHMEM = 22,
	VU_PF_GET_VRING_BASE_SKIP_DRAIN = 23,
	VU_PF_MAX
};

/* The flags word of the header. */
#define VU_VERSION         1u
#define VU_VERSION_MASK    3u
#define VU_FLAG_REPLY      (1u << 2)
#define VU_FLAG_NEED_REPLY (1u << 3)

/* The u64 of SET_VRING_KICK, CALL, ERR. */
#define VU_VRING_INDEX_MASK 0xffu
#define VU_VRING_NOFD       (1u << 8)

#define VU_MAX_REGIONS     8   /* of SET_MEM_TABLE */
#define VU_MAX_XEN_REGIONS 32  /* with XEN_MMAP: the standard names no limit, front-ends send as many */
#define VU_MAX_CONFIG_SIZE 256 /* bytes of virtio_device_config_space.payload */
#define VU_MAX_FDS         VU_MAX_XEN_REGIONS

/* A flag of SET_VRING_ADDR, VHOST_VRING_F_LOG: the used part is logged, at the address in log. */
#define VU_VRING_LOG 1u

/* Payloads; host byte order. */
struct vu_header {
	uint32_t request, flags, size;
};

struct vu_vring_state {
	uint32_t index, num;
};

struct vu_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct vu_region {
	uint64_t guest_addr, size, user_addr, offset;
};

struct vu_mem_table {
	uint32_t nregions, padding;
	struct vu_region regions[VU_MAX_REGIONS];
};

struct vu_mem_reg {
	uint64_t padding;
	struct vu_region region;
};

/* The same where XEN_MMAP was accepted. */
struct vu_xen_region {
	struct vu_region region;
	uint32_t flags, domid; /* flags: GMEM_XEN_* */
};

struct vu_xen_table {
	uint32_t nregions, padding;
	struct vu_xen_region regions[VU_MAX_XEN_REGIONS];
};

struct vu_xen_reg {
	uint64_t padding;
	struct vu_xen_region region;
};

struct vu_log {
	uint64_t size, offset;
};

struct vu_iotlb {
	uint64_t iova, size, user_addr;
	uint8_t perm; /* IOTLB_READ, IOTLB_WRITE */
	uint8_t type; /* VU_IOTLB_... */
	uint8_t padding[6];
};

#define VU_IOTLB_MISS        1u
#define VU_IOTLB_UPDATE      2u
#define VU_IOTLB_INVALIDATE  3u
#define VU_IOTLB_ACCESS_FAIL 4u

struct vu_config {
	uint32_t offset, size, flags;
	uint8_t data[VU_MAX_CONFIG_SIZE];
};

struct vu_inflight {
	uint64_t size, offset; /* of the memory in its file */
	uint16_t nqueues, queue_size;
	uint8_t padding[4];    /* some front-ends leave it out */
};

struct vu_device_state {
	uint32_t direction; /* VU_STATE_... */
	uint32_t phase;     /* 0: the device is stopped */
};

struct vu_object {
	uint8_t uuid[16];
};

/* SHMEM_MAP, SHMEM_UNMAP. */
struct vu_mapping {
	uint8_t shmid, padding[7];
	uint64_t fd_offset, offset, len; /* offset: in the region */
	uint64_t flags;                  /* VU_MAPPING_... */
};

#define VU_MAPPING_WRITABLE 1u

#define VU_MAX_SHMEM 256

struct vu_shmem_config {
	uint32_t nregions, padding; /* those that have a size */
	uint64_t sizes[VU_MAX_SHMEM];
};

#define VU_STATE_SAVE 0u
#define VU_STATE_LOAD 1u

/* Of vu_config: 0 a driver's write, else a machine that moved here; where rust-vmm says the first with 1, it does no harm. */
#define VU_CONFIG_FLAGS 3u

#define VU_CONFIG_HEAD offsetof(struct vu_config, data)

/* On every machine as on the wire. */
#define VU_WIRE_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type)

VU_WIRE_SIZE(vu_header, 12);
VU_WIRE_SIZE(vu_vring_state, 8);
VU_WIRE_SIZE(vu_vring_addr, 40);
VU_WIRE_SIZE(vu_region, 32);
VU_WIRE_SIZE(vu_mem_table, 8 + 8 * 32);
VU_WIRE_SIZE(vu_mem_reg, 40);
VU_WIRE_SIZE(vu_xen_region, 40);
VU_WIRE_SIZE(vu_xen_table, 8 + 32 * 40);
VU_WIRE_SIZE(vu_xen_reg, 48);
VU_WIRE_SIZE(vu_log, 16);
VU_WIRE_SIZE(vu_iotlb, 32);
VU_WIRE_SIZE(vu_config, 12 + 256);
VU_WIRE_SIZE(vu_inflight, 24);
VU_WIRE_SIZE(vu_device_state, 8);
VU_WIRE_SIZE(vu_object, 16);
VU_WIRE_SIZE(vu_mapping, 40);
VU_WIRE_SIZE(vu_shmem_config, 8 + 256 * 8);

union vu_payload {
	uint64_t u64;
	struct vu_vring_state state;
	struct vu_vring_addr addr;
	struct vu_mem_table table;
	struct vu_mem_reg reg;
	struct vu_xen_table xen_table;
	struct vu_xen_reg xen_reg;
	struct vu_config config;
	struct vu_inflight inflight;
	struct vu_device_state device_state;
	struct vu_log log;
	struct vu_object object;
	struct vu_mapping mapping;
	struct vu_shmem_config shmem;
	struct vu_iotlb iotlb;
	uint8_t bytes[sizeof(struct vu_shmem_config)];
};

/* A message with the descriptors that came with it. */
struct vu_msg {
	struct vu_header h;
	union vu_payload p;
	int fds[VU_MAX_FDS];
	unsigned int nfds;
};

/* How a request is answered. */
enum vu_answer {
	VU_ACKED,        /* where the front-end asks for it */
	VU_ACKED_OR_NOT, /* likewise; the guest can cause it, so a refusal nobody asked for is only logged */
	VU_ANSWERED,     /* always, by a message of its own kind */
};

/* What a request is about that holds after it is done: what another back end in the place of this one has to be told, too. */
enum vu_about {
	VU_ABOUT_NOTHING,  /* it holds no longer than its answer */
	VU_ABOUT_THE_PAST, /* it holds no longer, but undoes what did */
	VU_ABOUT_ALL,      /* the device as a whole: the last one holds */
	VU_ABOUT_RING,     /* the ring whose number is in the low 8 bits of the payload: the last one of each */
	VU_ABOUT_REGION,   /* one region of memory: each holds */
};

#define VU_NO_FEATURE (-1)

/* What the standard says of a request of the front-end. */
struct vu_request_info {
	const char *name;     /* "SET_MEM_TABLE" */
	uint32_t min, max;    /* bytes of payload */
	unsigned int max_fds; /* descriptors that may come along */
	int feature;          /* enum vu_protocol_feature that it belongs to, or VU_NO_FEATURE */
	enum vu_answer answer;
	enum vu_about about;
};

/* The row of a request, or NULL for one that is unknown. */
const struct vu_request_info *vu_request_find(uint32_t request);

/* Name of a front-end request or "UNKNOWN". */
const char *vu_request_name(uint32_t request);

/* Name of a protocol feature bit in lower case ("reply_ack"), or NULL. */
const char *vu_protocol_feature_name(unsigned int bit);

/* Bit of a protocol feature by its name, or -1. */
int vu_protocol_feature_bit(const char *name);

/* Name of a ring feature bit or a vhost bit in lower case ("event_idx"), or NULL. */
const char *vu_feature_name(unsigned int bit);

/* Bit of a ring feature by its name, or -1. */
int vu_feature_bit(const char *name);

/* Closes the descriptors of a message that nobody took (taken ones are set to -1). */
void vu_msg_close_fds(struct vu_msg *msg);

/* A reader that takes a message in pieces from a non-blocking socket.  Zeroed it is ready. */
struct vu_reader {
	struct vu_msg msg;
	size_t got;       /* bytes of header and payload */
	uint32_t skip;    /* bytes of an oversized payload still to throw away */
	bool truncated;   /* the payload or the descriptors were more than any known message has */
};

/*
 * Goes on reading.  Returns 1 when r->msg is complete (truncated: its payload is not whole and only
 * the header counts); 0 when more must come; -EPIPE at the end of the connection; -EPROTO on a header that
 * cannot be (version, a size beyond VU_SIZE_LIMIT); or another -errno.  After 1 the caller takes what it wants of msg and
 * calls vu_reader_next.
 */
int vu_read(struct vu_reader *r, int sock);

/* Forgets the present message, closes its descriptors, and is ready for the next one. */
void vu_reader_next(struct vu_reader *r);

/* A payload beyond this ends the connection instead of being stepped over. */
#define VU_SIZE_LIMIT 65536u

/*
 * Sends a message of h.size payload bytes with its nfds descriptors, from byte *done on (0 to begin with).
 * Returns 1 when all is sent, 0 when the socket is full (*done says how far), or -errno.
 */
int vu_send(int sock, const struct vu_msg *msg, size_t *done);

#endif
