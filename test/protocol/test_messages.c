/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_messages.c - messages a front-end must not send: each is refused or ends its connection, costs nothing, and the
 * same process then serves a good front-end from beginning to end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/lib/echo.h"
#include "test/unit/suites.h"
#include "transport/ring/split_layout.h"
#include "transport/ring/virtq.h"

static const struct device_suite echo = {
	.device = "echo",
	.class = &echo_class,
};

static const struct device_suite rng = {
	.device = "rng",
};

/* What becomes of a message. */
enum want {
	REFUSED,       /* a non-zero acknowledgement where one is asked for, the end of the connection otherwise */
	REFUSED_LIVES, /* nothing, where none is asked for */
	CLOSED,	       /* the end of the connection in any case */
	TAKEN,
	ANSWERED, /* by an answer of its own */
};

struct row {
	const char *name;
	enum want want;
	uint32_t request, size;
	union vu_payload p;
	unsigned int nfds;
	uint32_t flags; /* in the place of the version */
	bool echo_only; /* says something else to a device of one queue without configuration space */
};

#define U64	 8
#define STATE	 8
#define ADDR	 40
#define REG	 40
#define LOG	 16
#define TABLE(n) (8 + 32 * (n))

#define REGION(guest, bytes, user, off)                                                                                \
	{                                                                                                              \
		.guest_addr = (guest), .size = (bytes), .user_addr = (user), .offset = (off)                           \
	}

/* The memory file of these rows has 16 pages. */
#define MEM_BYTES 65536u

#define ROW(n, w, r, s, ...)                                                                                           \
	{                                                                                                              \
		.name = (n), .want = (w), .request = (r), .size = (s), __VA_ARGS__                                     \
	}

static const struct row rows[] = {
	ROW("GET_FEATURES with a payload", ANSWERED, VU_GET_FEATURES, U64),
	ROW("GET_FEATURES, 9 bytes", CLOSED, VU_GET_FEATURES, 9),
	ROW("GET_FEATURES with a descriptor", CLOSED, VU_GET_FEATURES, 0, .nfds = 1),
	ROW("SET_FEATURES, no bytes", REFUSED, VU_SET_FEATURES, 0),
	ROW("SET_FEATURES, 4 bytes", REFUSED, VU_SET_FEATURES, 4),
	ROW("SET_FEATURES, 16 bytes", REFUSED, VU_SET_FEATURES, 16),
	ROW("SET_FEATURES, not offered", REFUSED, VU_SET_FEATURES, U64, .p = {.u64 = BIT(40)}),
	ROW("SET_FEATURES, LOG_ALL, not offered", REFUSED, VU_SET_FEATURES, U64, .p = {.u64 = BIT(VHOST_F_LOG_ALL)}),
	ROW("SET_FEATURES, all", REFUSED, VU_SET_FEATURES, U64, .p = {.u64 = UINT64_MAX}),
	ROW("SET_FEATURES, others while rings run", REFUSED, VU_SET_FEATURES, U64, .p = {.u64 = BIT(32)}),
	ROW("SET_FEATURES with a descriptor", REFUSED, VU_SET_FEATURES, U64, .nfds = 1),
	ROW("SET_OWNER once more", TAKEN, VU_SET_OWNER, 0),
	ROW("SET_OWNER, 16 bytes", REFUSED, VU_SET_OWNER, 16),
	ROW("SET_OWNER with 8 descriptors", REFUSED, VU_SET_OWNER, 0, .nfds = 8),
	ROW("SET_MEM_TABLE, no bytes", REFUSED, VU_SET_MEM_TABLE, 0),
	ROW("SET_MEM_TABLE, 4 bytes", REFUSED, VU_SET_MEM_TABLE, 4),
	ROW("SET_MEM_TABLE, a byte too many", REFUSED, VU_SET_MEM_TABLE, TABLE(8) + 1),
	ROW("SET_MEM_TABLE, largest count", REFUSED, VU_SET_MEM_TABLE, TABLE(8),
	    .p = {.table = {.nregions = UINT32_MAX}}, .nfds = 8),
	ROW("SET_MEM_TABLE, 9 regions", REFUSED, VU_SET_MEM_TABLE, TABLE(8), .p = {.table = {.nregions = 9}},
	    .nfds = 8),
	ROW("SET_MEM_TABLE, 9 descriptors", REFUSED, VU_SET_MEM_TABLE, TABLE(8), .p = {.table = {.nregions = 8}},
	    .nfds = 9),
	ROW("SET_MEM_TABLE, 20 descriptors", REFUSED, VU_SET_MEM_TABLE, TABLE(8), .p = {.table = {.nregions = 8}},
	    .nfds = 20),
	ROW("SET_MEM_TABLE, no descriptor", REFUSED, VU_SET_MEM_TABLE, TABLE(1),
	    .p = {.table = {1, 0, {REGION(0, 4096, 0, 0)}}}),
	ROW("SET_MEM_TABLE, a descriptor too many", REFUSED, VU_SET_MEM_TABLE, TABLE(1),
	    .p = {.table = {1, 0, {REGION(0, 4096, 0, 0)}}}, .nfds = 2),
	ROW("SET_MEM_TABLE, shorter than its count", REFUSED, VU_SET_MEM_TABLE, TABLE(1),
	    .p = {.table = {2, 0, {REGION(0, 4096, 0, 0)}}}, .nfds = 2),
	ROW("SET_MEM_TABLE, overlap", REFUSED, VU_SET_MEM_TABLE, TABLE(2),
	    .p = {.table = {2, 0, {REGION(0, 4096, 0, 0), REGION(4095, 4096, 0x10000, 0)}}}, .nfds = 2),
	ROW("SET_MEM_TABLE, overlap of user addresses", REFUSED, VU_SET_MEM_TABLE, TABLE(2),
	    .p = {.table = {2, 0, {REGION(0, 4096, 0, 0), REGION(0x10000, 4096, 0, 0)}}}, .nfds = 2),
	ROW("SET_MEM_TABLE, empty region", REFUSED, VU_SET_MEM_TABLE, TABLE(1),
	    .p = {.table = {1, 0, {REGION(0, 0, 0, 0)}}}, .nfds = 1),
	ROW("SET_MEM_TABLE, region beyond its file", REFUSED, VU_SET_MEM_TABLE, TABLE(1),
	    .p = {.table = {1, 0, {REGION(0, 4096, 0, MEM_BYTES)}}}, .nfds = 1),
	ROW("SET_MEM_TABLE, addresses overflow", REFUSED, VU_SET_MEM_TABLE, TABLE(1),
	    .p = {.table = {1, 0, {REGION(UINT64_MAX - 1, 4096, 0, 0)}}}, .nfds = 1),
	ROW("SET_MEM_TABLE, largest region", REFUSED, VU_SET_MEM_TABLE, TABLE(1),
	    .p = {.table = {1, 0, {REGION(0, UINT64_MAX, 0, 0)}}}, .nfds = 1),
	ROW("SET_VRING_NUM, 4 bytes", REFUSED, VU_SET_VRING_NUM, 4),
	ROW("SET_VRING_NUM, no such queue", REFUSED, VU_SET_VRING_NUM, STATE, .p = {.state = {2, 16}}),
	ROW("SET_VRING_NUM, largest index", REFUSED, VU_SET_VRING_NUM, STATE, .p = {.state = {UINT32_MAX, 16}}),
	ROW("SET_VRING_NUM, 0", REFUSED, VU_SET_VRING_NUM, STATE, .p = {.state = {0, 0}}),
	ROW("SET_VRING_NUM, 3", REFUSED, VU_SET_VRING_NUM, STATE, .p = {.state = {0, 3}}),
	ROW("SET_VRING_NUM, 65536", REFUSED, VU_SET_VRING_NUM, STATE, .p = {.state = {0, 65536}}),
	ROW("SET_VRING_NUM, beyond the queue's", REFUSED, VU_SET_VRING_NUM, STATE, .p = {.state = {0, 2048}},
	    .echo_only = true),
	ROW("SET_VRING_NUM, another while it runs", REFUSED, VU_SET_VRING_NUM, STATE, .p = {.state = {0, 32}}),
	ROW("SET_VRING_NUM, the same while it runs", TAKEN, VU_SET_VRING_NUM, STATE, .p = {.state = {0, 64}}),
	ROW("SET_VRING_NUM with a descriptor", REFUSED, VU_SET_VRING_NUM, STATE, .p = {.state = {0, 64}}, .nfds = 1),
	ROW("SET_VRING_ADDR, 8 bytes", REFUSED, VU_SET_VRING_ADDR, 8),
	ROW("SET_VRING_ADDR, no such queue", REFUSED, VU_SET_VRING_ADDR, ADDR, .p = {.addr = {.index = 2}}),
	ROW("SET_VRING_ADDR, table unaligned", REFUSED, VU_SET_VRING_ADDR, ADDR, .p = {.addr = {.desc = 8}}),
	ROW("SET_VRING_ADDR, avail unaligned", REFUSED, VU_SET_VRING_ADDR, ADDR, .p = {.addr = {.avail = 1}}),
	ROW("SET_VRING_ADDR, used unaligned", REFUSED, VU_SET_VRING_ADDR, ADDR, .p = {.addr = {.used = 2}}),
	ROW("SET_VRING_ADDR, log address overflows", REFUSED, VU_SET_VRING_ADDR, ADDR,
	    .p = {.addr = {.flags = VU_VRING_LOG, .log = UINT64_MAX - 4096}}),
	ROW("SET_VRING_ADDR, others while it runs", REFUSED, VU_SET_VRING_ADDR, ADDR, .p = {.addr = {.desc = 16}}),
	ROW("SET_VRING_BASE, no such queue", REFUSED, VU_SET_VRING_BASE, STATE, .p = {.state = {2, 0}}),
	ROW("SET_VRING_BASE, 65536", REFUSED, VU_SET_VRING_BASE, STATE, .p = {.state = {0, 65536}}),
	ROW("SET_VRING_BASE while it runs", REFUSED, VU_SET_VRING_BASE, STATE, .p = {.state = {0, 0}}),
	ROW("GET_VRING_BASE, no such queue", CLOSED, VU_GET_VRING_BASE, STATE, .p = {.state = {2, 0}}),
	ROW("GET_VRING_BASE, 4 bytes", CLOSED, VU_GET_VRING_BASE, 4),
	ROW("GET_VRING_BASE_SKIP_DRAIN, not negotiated", CLOSED, VU_GET_VRING_BASE_SKIP_DRAIN, STATE),
	ROW("GET_VRING_BASE_SKIP_DRAIN, 4 bytes", CLOSED, VU_GET_VRING_BASE_SKIP_DRAIN, 4),
	ROW("SET_PROTOCOL_FEATURES, left in flight without a record", REFUSED, VU_SET_PROTOCOL_FEATURES, U64,
	    .p = {.u64 = BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_GET_VRING_BASE_INFLIGHT)}),
	ROW("SET_PROTOCOL_FEATURES, a message without its feature", REFUSED, VU_SET_PROTOCOL_FEATURES, U64,
	    .p = {.u64 = BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_INFLIGHT_SHMFD) | BIT(VU_PF_GET_VRING_BASE_SKIP_DRAIN)}),
	ROW("SET_VRING_KICK, no such queue", REFUSED, VU_SET_VRING_KICK, U64, .p = {.u64 = 2}, .nfds = 1),
	ROW("SET_VRING_KICK, no descriptor", REFUSED, VU_SET_VRING_KICK, U64, .p = {.u64 = 0}),
	ROW("SET_VRING_KICK, two descriptors", REFUSED, VU_SET_VRING_KICK, U64, .p = {.u64 = 0}, .nfds = 2),
	ROW("SET_VRING_KICK, none and one", REFUSED, VU_SET_VRING_KICK, U64, .p = {.u64 = VU_VRING_NOFD}, .nfds = 1),
	ROW("SET_VRING_KICK, unknown flag", REFUSED, VU_SET_VRING_KICK, U64, .p = {.u64 = 1 << 9}, .nfds = 1),
	ROW("SET_VRING_KICK, high bits", REFUSED, VU_SET_VRING_KICK, U64, .p = {.u64 = BIT(32)}, .nfds = 1),
	ROW("SET_VRING_KICK, 4 bytes", REFUSED, VU_SET_VRING_KICK, 4, .nfds = 1),
	ROW("SET_VRING_CALL, no such queue", REFUSED, VU_SET_VRING_CALL, U64, .p = {.u64 = 255}, .nfds = 1),
	ROW("SET_VRING_CALL, no descriptor", REFUSED, VU_SET_VRING_CALL, U64, .p = {.u64 = 0}),
	ROW("SET_VRING_CALL, none and one", REFUSED, VU_SET_VRING_CALL, U64, .p = {.u64 = VU_VRING_NOFD}, .nfds = 1),
	ROW("SET_VRING_ERR, no such queue", REFUSED, VU_SET_VRING_ERR, U64, .p = {.u64 = 2}, .nfds = 1),
	ROW("SET_VRING_ERR, no descriptor", REFUSED, VU_SET_VRING_ERR, U64, .p = {.u64 = 0}),
	ROW("SET_VRING_ENABLE, no such queue", REFUSED, VU_SET_VRING_ENABLE, STATE, .p = {.state = {2, 1}}),
	ROW("SET_VRING_ENABLE, 2", REFUSED, VU_SET_VRING_ENABLE, STATE, .p = {.state = {0, 2}}),
	ROW("SET_VRING_ENABLE, once more", TAKEN, VU_SET_VRING_ENABLE, STATE, .p = {.state = {0, 1}}),
	ROW("GET_PROTOCOL_FEATURES, 9 bytes", CLOSED, VU_GET_PROTOCOL_FEATURES, 9),
	ROW("SET_PROTOCOL_FEATURES, not offered", REFUSED, VU_SET_PROTOCOL_FEATURES, U64, .p = {.u64 = BIT(63)}),
	ROW("SET_PROTOCOL_FEATURES, in band alone", CLOSED, VU_SET_PROTOCOL_FEATURES, U64, .p = {.u64 = BIT(14)}),
	ROW("SET_PROTOCOL_FEATURES, in band without channel", CLOSED, VU_SET_PROTOCOL_FEATURES, U64,
	    .p = {.u64 = BIT(14) | BIT(3)}),
	ROW("GET_QUEUE_NUM, 9 bytes", CLOSED, VU_GET_QUEUE_NUM, 9),
	ROW("GET_MAX_MEM_SLOTS with a descriptor", CLOSED, VU_GET_MAX_MEM_SLOTS, 0, .nfds = 1),
	ROW("SET_BACKEND_REQ_FD, no descriptor", REFUSED, VU_SET_BACKEND_REQ_FD, 0),
	ROW("SET_BACKEND_REQ_FD, two", REFUSED, VU_SET_BACKEND_REQ_FD, 0, .nfds = 2),
	ROW("GET_CONFIG, no head", CLOSED, VU_GET_CONFIG, 8, .echo_only = true),
	ROW("GET_CONFIG, 257 bytes", CLOSED, VU_GET_CONFIG, 12 + 257, .echo_only = true),
	ROW("GET_CONFIG, asks for 257", ANSWERED, VU_GET_CONFIG, 12, .p = {.config = {.size = 257}}, .echo_only = true),
	ROW("GET_CONFIG, asks for all there is", ANSWERED, VU_GET_CONFIG, 12, .p = {.config = {.size = UINT32_MAX}},
	    .echo_only = true),
	ROW("GET_CONFIG, sizes differ", ANSWERED, VU_GET_CONFIG, 12 + 8, .p = {.config = {.size = 4}},
	    .echo_only = true),
	ROW("GET_CONFIG, far beyond", ANSWERED, VU_GET_CONFIG, 12 + 8,
	    .p = {.config = {.offset = UINT32_MAX, .size = 8}}, .echo_only = true),
	ROW("GET_CONFIG without a space", REFUSED_LIVES, VU_GET_CONFIG, 4),
	ROW("SET_CONFIG, no head", REFUSED_LIVES, VU_SET_CONFIG, 4),
	ROW("SET_CONFIG, sizes differ", REFUSED_LIVES, VU_SET_CONFIG, 12 + 4, .p = {.config = {.size = 3}}),
	ROW("SET_CONFIG, 257 bytes", REFUSED_LIVES, VU_SET_CONFIG, 12 + 257, .p = {.config = {.size = 257}}),
	ROW("SET_CONFIG, read-only", REFUSED_LIVES, VU_SET_CONFIG, 12 + 1,
	    .p = {.config = {.offset = ECHO_CONFIG_RW, .size = 1}}),
	ROW("SET_CONFIG, over the end", REFUSED_LIVES, VU_SET_CONFIG, 12 + 16, .p = {.config = {.size = 16}}),
	ROW("SET_CONFIG, far beyond", REFUSED_LIVES, VU_SET_CONFIG, 12 + 1,
	    .p = {.config = {.offset = UINT32_MAX, .size = 1}}),
	ROW("SET_CONFIG, allowed", TAKEN, VU_SET_CONFIG, 12 + 1, .p = {.config = {.size = 1}}, .echo_only = true),
	ROW("RESET_DEVICE, 9 bytes", REFUSED, VU_RESET_DEVICE, 9),
	ROW("VRING_KICK, not in band", REFUSED, VU_VRING_KICK, STATE, .p = {.state = {0, 0}}),
	ROW("VRING_KICK, no such queue", REFUSED, VU_VRING_KICK, STATE, .p = {.state = {2, 0}}),
	ROW("ADD_MEM_REG, no descriptor", REFUSED, VU_ADD_MEM_REG, REG, .p = {.reg = {0, REGION(0, 4096, 0, 0)}}),
	ROW("ADD_MEM_REG, two", REFUSED, VU_ADD_MEM_REG, REG, .p = {.reg = {0, REGION(0, 4096, 0, 0)}}, .nfds = 2),
	ROW("ADD_MEM_REG, 32 bytes", REFUSED, VU_ADD_MEM_REG, 32, .nfds = 1),
	ROW("ADD_MEM_REG, empty", REFUSED, VU_ADD_MEM_REG, REG, .p = {.reg = {0, REGION(0, 0, 0, 0)}}, .nfds = 1),
	ROW("ADD_MEM_REG, beyond its file", REFUSED, VU_ADD_MEM_REG, REG,
	    .p = {.reg = {0, REGION(0, MEM_BYTES + 1, 0, 0)}}, .nfds = 1),
	ROW("ADD_MEM_REG, largest", REFUSED, VU_ADD_MEM_REG, REG,
	    .p = {.reg = {0, REGION(0, UINT64_MAX, 0, UINT64_MAX)}}, .nfds = 1),
	ROW("ADD_MEM_REG, overlaps the guest's memory", REFUSED, VU_ADD_MEM_REG, REG,
	    .p = {.reg = {0, REGION(0x40000000, 4096, 0, 0)}}, .nfds = 1),
	ROW("ADD_MEM_REG, good", TAKEN, VU_ADD_MEM_REG, REG, .p = {.reg = {0, REGION(0, MEM_BYTES, 0, 0)}}, .nfds = 1),
	ROW("REM_MEM_REG, unknown", REFUSED, VU_REM_MEM_REG, REG, .p = {.reg = {0, REGION(0, 4096, 0, 0)}}),
	ROW("REM_MEM_REG, unknown, with a descriptor", REFUSED, VU_REM_MEM_REG, REG,
	    .p = {.reg = {0, REGION(0, 4096, 0, 0)}}, .nfds = 1),
	ROW("REM_MEM_REG, other size", REFUSED, VU_REM_MEM_REG, REG, .p = {.reg = {0, REGION(0x40000000, 4096, 0, 0)}}),
	ROW("SET_STATUS, 256", REFUSED, VU_SET_STATUS, U64, .p = {.u64 = 256}),
	ROW("SET_STATUS, 4 bytes", REFUSED, VU_SET_STATUS, 4),
	ROW("GET_STATUS, 9 bytes", CLOSED, VU_GET_STATUS, 9),
	ROW("GET_SHMEM_CONFIG, 9 bytes", CLOSED, VU_GET_SHMEM_CONFIG, 9, .echo_only = true),
	ROW("GET_SHMEM_CONFIG with a descriptor", CLOSED, VU_GET_SHMEM_CONFIG, 0, .nfds = 1, .echo_only = true),
	ROW("GET_SHMEM_CONFIG", ANSWERED, VU_GET_SHMEM_CONFIG, 0, .echo_only = true),
	ROW("GET_SHARED_OBJECT of nothing", ANSWERED, VU_GET_SHARED_OBJECT, 16, .echo_only = true),
	ROW("GET_SHARED_OBJECT, 15 bytes", ANSWERED, VU_GET_SHARED_OBJECT, 15, .echo_only = true),
	ROW("GET_SHARED_OBJECT without its name", ANSWERED, VU_GET_SHARED_OBJECT, 0, .echo_only = true),
	ROW("GET_SHARED_OBJECT, 17 bytes", CLOSED, VU_GET_SHARED_OBJECT, 17, .echo_only = true),
	ROW("GET_SHARED_OBJECT with a descriptor", CLOSED, VU_GET_SHARED_OBJECT, 16, .nfds = 1, .echo_only = true),
	ROW("request 0", REFUSED_LIVES, 0, 0),
	ROW("request 46", REFUSED_LIVES, 46, 8),
	ROW("largest request", REFUSED_LIVES, UINT32_MAX, 0),
	ROW("SET_LOG_BASE", ANSWERED, VU_SET_LOG_BASE, LOG, .p = {.log = {MEM_BYTES, 0}}, .nfds = 1),
	ROW("SET_LOG_BASE, one byte, odd offset", ANSWERED, VU_SET_LOG_BASE, LOG, .p = {.log = {1, 4099}}, .nfds = 1),
	ROW("SET_LOG_BASE, no descriptor", REFUSED, VU_SET_LOG_BASE, LOG, .p = {.log = {MEM_BYTES, 0}}),
	ROW("SET_LOG_BASE, two", REFUSED, VU_SET_LOG_BASE, LOG, .p = {.log = {MEM_BYTES, 0}}, .nfds = 2),
	ROW("SET_LOG_BASE, 8 bytes", REFUSED, VU_SET_LOG_BASE, 8, .p = {.log = {MEM_BYTES, 0}}, .nfds = 1),
	ROW("SET_LOG_BASE, 17 bytes", REFUSED, VU_SET_LOG_BASE, LOG + 1, .p = {.log = {MEM_BYTES, 0}}, .nfds = 1),
	ROW("SET_LOG_BASE, empty", REFUSED, VU_SET_LOG_BASE, LOG, .p = {.log = {0, 0}}, .nfds = 1),
	ROW("SET_LOG_BASE, beyond its file", REFUSED, VU_SET_LOG_BASE, LOG, .p = {.log = {MEM_BYTES + 1, 0}}, .nfds = 1),
	ROW("SET_LOG_BASE, offset beyond its file", REFUSED, VU_SET_LOG_BASE, LOG, .p = {.log = {1, MEM_BYTES}},
	    .nfds = 1),
	ROW("SET_LOG_BASE, largest", REFUSED, VU_SET_LOG_BASE, LOG, .p = {.log = {UINT64_MAX, 0}}, .nfds = 1),
	ROW("SET_LOG_BASE, overflow", REFUSED, VU_SET_LOG_BASE, LOG, .p = {.log = {2, UINT64_MAX}}, .nfds = 1),
	ROW("SET_LOG_FD, no descriptor", REFUSED, VU_SET_LOG_FD, 0),
	ROW("SET_LOG_FD, two", REFUSED, VU_SET_LOG_FD, 0, .nfds = 2),
	ROW("SET_LOG_FD, 16 bytes", REFUSED, VU_SET_LOG_FD, 16, .nfds = 1),
	ROW("GET_INFLIGHT_FD", ANSWERED, VU_GET_INFLIGHT_FD, 24, .p = {.inflight = {0, 0, 1, 64, {0}}}),
	ROW("GET_INFLIGHT_FD without its padding", ANSWERED, VU_GET_INFLIGHT_FD, 20, .p = {.inflight = {0, 0, 1, 64, {0}}}),
	ROW("GET_INFLIGHT_FD, 19 bytes", CLOSED, VU_GET_INFLIGHT_FD, 19, .p = {.inflight = {0, 0, 1, 64, {0}}}),
	ROW("GET_INFLIGHT_FD with a descriptor", CLOSED, VU_GET_INFLIGHT_FD, 24, .p = {.inflight = {0, 0, 1, 64, {0}}},
	    .nfds = 1),
	ROW("GET_INFLIGHT_FD, no queue", CLOSED, VU_GET_INFLIGHT_FD, 24, .p = {.inflight = {0, 0, 0, 64, {0}}}),
	ROW("GET_INFLIGHT_FD, too many queues", CLOSED, VU_GET_INFLIGHT_FD, 24, .p = {.inflight = {0, 0, 256, 64, {0}}}),
	ROW("GET_INFLIGHT_FD, queues of no size", CLOSED, VU_GET_INFLIGHT_FD, 24, .p = {.inflight = {0, 0, 1, 0, {0}}}),
	ROW("GET_INFLIGHT_FD, queues too large", CLOSED, VU_GET_INFLIGHT_FD, 24, .p = {.inflight = {0, 0, 1, 32769, {0}}}),
	ROW("SET_INFLIGHT_FD, no descriptor", REFUSED, VU_SET_INFLIGHT_FD, 24, .p = {.inflight = {4096, 0, 1, 64, {0}}}),
	ROW("SET_INFLIGHT_FD, two", REFUSED, VU_SET_INFLIGHT_FD, 24, .p = {.inflight = {4096, 0, 1, 64, {0}}}, .nfds = 2),
	ROW("SET_INFLIGHT_FD while rings run", REFUSED, VU_SET_INFLIGHT_FD, 24, .p = {.inflight = {4096, 0, 1, 64, {0}}},
	    .nfds = 1),
	ROW("unknown with 20 descriptors", REFUSED_LIVES, 1000, 4, .nfds = 20),
	ROW("unknown with 64 descriptors", REFUSED_LIVES, 1000, 4, .nfds = 64),
	ROW("unknown, 60000 bytes", REFUSED_LIVES, 1000, 60000),
	ROW("unknown, as long as may be", REFUSED_LIVES, 1000, VU_SIZE_LIMIT),
	ROW("SET_FEATURES, 60000 bytes", REFUSED, VU_SET_FEATURES, 60000),
	ROW("too long", CLOSED, VU_SET_FEATURES, VU_SIZE_LIMIT + 1),
	ROW("largest size", CLOSED, VU_SET_FEATURES, UINT32_MAX),
	ROW("version 0", CLOSED, VU_SET_OWNER, 0, .flags = VU_FLAG_NEED_REPLY),
	ROW("version 2", CLOSED, VU_SET_OWNER, 0, .flags = 2),
	ROW("version 3", CLOSED, VU_SET_OWNER, 0, .flags = 3),
	ROW("reply flag", TAKEN, VU_SET_OWNER, 0, .flags = VU_VERSION | VU_FLAG_REPLY),
	ROW("unknown flags", TAKEN, VU_SET_OWNER, 0, .flags = VU_VERSION | 0xfff0),
};

/* Sends a row's message, with as many bytes as its header says, up to a limit. */
static int send_row(struct frontend *fe, const struct row *row, bool ask)
{
	size_t size = row->size > 2 * VU_SIZE_LIMIT ? 100 : row->size;
	struct vu_header h = {row->request, row->flags ? row->flags : VU_VERSION, row->size};
	uint8_t *bytes = calloc(1, sizeof(h) + size);
	int fd = memfd_create("row", MFD_CLOEXEC), fds[64], err;

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(ftruncate(fd, MEM_BYTES), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fd;
	if (ask)
		h.flags |= VU_FLAG_NEED_REPLY;
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), &row->p, size < sizeof(row->p) ? size : sizeof(row->p));
	err = frontend_send_bytes(fe, bytes, sizeof(h) + size, fds, row->nfds);
	free(bytes);
	close(fd);
	return err;
}

/* Waits for the answer to a row; value: of the acknowledgement. */
static void get_answer(struct frontend *fe, const struct row *row, uint64_t *value)
{
	struct vu_msg msg;
	int err = frontend_recv(fe, &msg);

	ck_assert_msg(err == 0, "%s: %s", row->name, frontend_why(fe));
	ck_assert_uint_eq(msg.h.request, row->request);
	ck_assert_uint_eq(msg.h.flags, VU_VERSION | VU_FLAG_REPLY);
	ck_assert_uint_eq(msg.nfds, row->request == VU_GET_INFLIGHT_FD);
	vu_msg_close_fds(&msg);
	if (value) {
		ck_assert_uint_eq(msg.h.size, U64);
		*value = msg.p.u64;
	}
}

/* Checks what becomes of the message.  Returns whether the connection lives. */
static bool outcome(struct frontend *fe, const struct row *row, bool ask, enum want want)
{
	uint64_t value;

	if (want == CLOSED || (want == REFUSED && !ask)) {
		ck_assert_msg(frontend_wait_closed(fe) == 0, "%s: %s", row->name, frontend_why(fe));
		return false;
	}
	if (want == ANSWERED) {
		get_answer(fe, row, NULL);
	} else if (ask) {
		get_answer(fe, row, &value);
		ck_assert_msg(!value == (want == TAKEN), "%s: acknowledged with %llu", row->name,
			      (unsigned long long)value);
	}
	/* And nothing else came. */
	ck_assert_msg(frontend_sync(fe) == 0, "%s: %s", row->name, frontend_why(fe));
	return true;
}

/* One message to a device that runs; then, wherever that led, a whole other front-end. */
static void try_row(struct carrier *c, const struct row *row, bool ask)
{
	struct frontend *fe = carrier_frontend(c);
	enum want want = row->want;

	/* The row without a space is the other device's row with one. */
	if (want == REFUSED_LIVES && row->request == VU_GET_CONFIG && carrier_class(c)->face.config_size)
		want = CLOSED;
	carrier_sample(c);

	unsigned int fds = carrier_count_fds(c);
	int err = send_row(fe, row, ask);

	/* A connection may be ended before all is sent. */
	ck_assert_msg(err == 0 || want == CLOSED, "%s: %s", row->name, frontend_why(fe));
	if (err || outcome(fe, row, ask, want)) {
		if (!err)
			carrier_sample(c);
		if (!err)
			ck_assert_msg(carrier_count_fds(c) == fds, "%s: descriptors", row->name);
	}
	carrier_reconnect(c);
	carrier_sample(c);
	ck_assert_msg(carrier_count_fds(c) == fds, "%s: descriptors afterwards", row->name);
}

START_TEST(test_row)
{
	struct carrier *c = carrier_open(CARRIER_SESSION, &echo);

	try_row(c, &rows[_i], false);
	try_row(c, &rows[_i], true);
	carrier_close(c);
}
END_TEST

/* A back end in this process, or behind a socket, which has no echo device: NULL when it has no rng either. */
static struct carrier *open_kind(int kind)
{
	const struct device_suite *ds = kind == CARRIER_BINARY ? &rng : &echo;

	return carrier_built(ds) ? carrier_open((enum carrier_kind)kind, ds) : NULL;
}

/* All of them to the same process. */
START_TEST(test_all_rows)
{
	struct carrier *c = open_kind(_i);

	if (!c)
		test_skip("no rng in this build");
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		if (!rows[i / 2].echo_only || _i != CARRIER_BINARY)
			try_row(c, &rows[i / 2], i % 2);
	}
	carrier_close(c);
}
END_TEST

/* The same to a front-end that has negotiated nothing: nobody is acknowledged, nothing is there to be used. */
START_TEST(test_rows_first_thing)
{
	struct carrier *c = carrier_open(CARRIER_SESSION, &echo);
	unsigned int fds;

	carrier_leave(c);
	fds = carrier_count_fds(c);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		struct frontend *fe = carrier_dial(c);

		if (!send_row(fe, &rows[i / 2], i % 2))
			frontend_idle(fe, 1);
		frontend_free(fe);
		carrier_settle(c);
		ck_assert_msg(carrier_count_fds(c) == fds, "%s: descriptors", rows[i / 2].name);
	}
	carrier_arrive(c);
	carrier_sample(c);
	carrier_close(c);
}
END_TEST

/*
 * Messages in pieces.
 */

/* GET_FEATURES in pieces of n bytes, with time between them. */
static void ask_in_pieces(struct carrier *c, size_t n)
{
	const struct vu_header h = {VU_GET_FEATURES, VU_VERSION, 8};
	struct frontend *fe = carrier_frontend(c);
	uint8_t bytes[sizeof(h) + 8] = {0};
	struct vu_msg msg;

	memcpy(bytes, &h, sizeof(h));
	for (size_t at = 0; at < sizeof(bytes); at += n) {
		size_t len = at + n < sizeof(bytes) ? n : sizeof(bytes) - at;

		ck_assert_int_eq(frontend_send_bytes(fe, bytes + at, len, NULL, 0), 0);
		carrier_idle(c, 1);
	}
	ck_assert_int_eq(frontend_recv(fe, &msg), 0);
	ck_assert_uint_eq(msg.h.request, VU_GET_FEATURES);
}

START_TEST(test_pieces)
{
	struct carrier *c = open_kind(_i);

	if (!c)
		test_skip("no rng in this build");
	ask_in_pieces(c, 1);
	ask_in_pieces(c, 7);
	ask_in_pieces(c, 12);
	carrier_sample(c);
	carrier_close(c);
}
END_TEST

/* A front-end that goes after any number of bytes of a message with a descriptor. */
START_TEST(test_hang_up_anywhere)
{
	struct carrier *c = open_kind(_i);
	struct vu_msg msg = {.h = {VU_SET_VRING_KICK, VU_VERSION, 8}};
	uint8_t bytes[20] = {0};
	unsigned int fds;
	int fd = eventfd(0, EFD_CLOEXEC);

	if (!c)
		test_skip("no rng in this build");
	memcpy(bytes, &msg.h, sizeof(msg.h));
	carrier_sample(c);
	fds = carrier_count_fds(c);
	for (size_t n = 1; n <= sizeof(bytes); n++) {
		ck_assert_int_eq(frontend_send_bytes(carrier_frontend(c), bytes, n, &fd, 1), 0);
		if (n % 2)
			carrier_idle(c, 1);
		carrier_reconnect(c);
		carrier_sample(c);
		ck_assert_uint_eq(carrier_count_fds(c), fds);
	}
	close(fd);
	carrier_close(c);
}
END_TEST

/* A front-end that asks and asks and does not listen: its socket fills, and nothing is lost when it does. */
START_TEST(test_answers_wait)
{
	struct carrier *c = open_kind(_i);
	const struct vu_header h = {VU_GET_FEATURES, VU_VERSION, 0};
	unsigned int asked = 0, silent = 0;
	struct frontend *fe;

	if (!c)
		test_skip("no rng in this build");
	fe = carrier_frontend(c);
	while (silent < 20) {
		if (send(frontend_socket(fe), &h, sizeof(h), MSG_DONTWAIT) == (ssize_t)sizeof(h)) {
			asked++;
			silent = 0;
		} else {
			silent++;
		}
		if (silent)
			carrier_idle(c, 1);
	}
	ck_assert_uint_gt(asked, 100);
	for (unsigned int i = 0; i < asked; i++) {
		struct vu_msg msg;

		ck_assert_int_eq(frontend_recv(fe, &msg), 0);
		ck_assert_uint_eq(msg.h.request, VU_GET_FEATURES);
		ck_assert_uint_eq(msg.h.size, 8);
	}
	carrier_sample(c);
	/* Once more, and now it goes. */
	for (unsigned int i = 0; i < asked; i++) {
		if (send(frontend_socket(fe), &h, sizeof(h), MSG_DONTWAIT) < 0)
			carrier_idle(c, 1);
	}
	carrier_reconnect(c);
	carrier_sample(c);
	carrier_close(c);
}
END_TEST

Suite *suite_messages(void)
{
	Suite *s = suite_create("messages");
	TCase *tc = tcase_create("bad"), *pieces = tcase_create("pieces");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_row, 0, ARRAY_SIZE(rows));
	tcase_add_loop_test(tc, test_all_rows, CARRIER_SESSION, CARRIER_KINDS);
	tcase_add_test(tc, test_rows_first_thing);
	suite_add_tcase(s, tc);
	tcase_set_timeout(pieces, 30);
	tcase_add_loop_test(pieces, test_pieces, CARRIER_SESSION, CARRIER_KINDS);
	tcase_add_loop_test(pieces, test_hang_up_anywhere, CARRIER_SESSION, CARRIER_KINDS);
	tcase_add_loop_test(pieces, test_answers_wait, CARRIER_SESSION, CARRIER_KINDS);
	suite_add_tcase(s, pieces);
	return s;
}
