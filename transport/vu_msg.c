/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_msg.c - vhost-user on the wire: QEMU docs/interop/vhost-user.rst, "Message Specification".
 */
#include "transport/vu_msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/fd_recv.h"

/* How many bytes of payload a request has, least and most. */
#define EXACT(type)    sizeof(struct type), sizeof(struct type)
#define UPTO(type)     0, sizeof(struct type)
#define U64	       sizeof(uint64_t), sizeof(uint64_t)
#define ANY	       0, UINT32_MAX

/* Some front-ends send a u64 with requests that have no payload: it is stepped over. */
#define NOTHING_OR_U64 0, sizeof(uint64_t)

/* Some front-ends leave out the padding at its end. */
#define INFLIGHT       offsetof(struct vu_inflight, padding), sizeof(struct vu_inflight)

#define ROW(request, fds, protocol_feature, how, what, ...)                                                            \
	[VU_##request] = {#request, __VA_ARGS__, fds, protocol_feature, how, what}

static const struct vu_request_info requests[VU_REQUEST_MAX] = {
	ROW(GET_FEATURES, 0, VU_NO_FEATURE, VU_ANSWERED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(SET_FEATURES, 0, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_ALL, U64),
	ROW(SET_OWNER, 0, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_ALL, NOTHING_OR_U64),
	ROW(RESET_OWNER, 0, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_THE_PAST, NOTHING_OR_U64),
	ROW(SET_MEM_TABLE, VU_MAX_FDS, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_ALL, UPTO(vu_xen_table)),
	ROW(SET_LOG_BASE, 1, VU_PF_LOG_SHMFD, VU_ACKED, VU_ABOUT_ALL, EXACT(vu_log)),
	ROW(SET_LOG_FD, 1, VU_PF_LOG_SHMFD, VU_ACKED, VU_ABOUT_ALL, NOTHING_OR_U64),
	ROW(SET_VRING_NUM, 0, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_RING, EXACT(vu_vring_state)),
	ROW(SET_VRING_ADDR, 0, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_RING, EXACT(vu_vring_addr)),
	ROW(SET_VRING_BASE, 0, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_RING, EXACT(vu_vring_state)),
	ROW(GET_VRING_BASE, 0, VU_NO_FEATURE, VU_ANSWERED, VU_ABOUT_THE_PAST, EXACT(vu_vring_state)),
	ROW(SET_VRING_KICK, 1, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_RING, U64),
	ROW(SET_VRING_CALL, 1, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_RING, U64),
	ROW(SET_VRING_ERR, 1, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_RING, U64),
	ROW(GET_PROTOCOL_FEATURES, 0, VU_NO_FEATURE, VU_ANSWERED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(SET_PROTOCOL_FEATURES, 0, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_ALL, U64),
	ROW(GET_QUEUE_NUM, 0, VU_PF_MQ, VU_ANSWERED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(SET_VRING_ENABLE, 0, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_RING, EXACT(vu_vring_state)),
	ROW(SEND_RARP, 0, VU_PF_RARP, VU_ACKED, VU_ABOUT_NOTHING, U64),
	ROW(NET_SET_MTU, 0, VU_PF_MTU, VU_ACKED, VU_ABOUT_NOTHING, U64),
	ROW(SET_BACKEND_REQ_FD, 1, VU_PF_BACKEND_REQ, VU_ACKED, VU_ABOUT_ALL, NOTHING_OR_U64),
	ROW(IOTLB_MSG, 0, VU_NO_FEATURE, VU_ACKED_OR_NOT, VU_ABOUT_NOTHING, offsetof(struct vu_iotlb, padding), sizeof(struct vu_iotlb)),
	ROW(SET_VRING_ENDIAN, 0, VU_PF_CROSS_ENDIAN, VU_ACKED, VU_ABOUT_NOTHING, EXACT(vu_vring_state)),
	ROW(GET_CONFIG, 0, VU_PF_CONFIG, VU_ANSWERED, VU_ABOUT_NOTHING, VU_CONFIG_HEAD, sizeof(struct vu_config)),
	ROW(SET_CONFIG, 0, VU_PF_CONFIG, VU_ACKED_OR_NOT, VU_ABOUT_NOTHING, VU_CONFIG_HEAD, sizeof(struct vu_config)),
	ROW(CREATE_CRYPTO_SESSION, 0, VU_PF_CRYPTO_SESSION, VU_ANSWERED, VU_ABOUT_NOTHING, ANY),
	ROW(CLOSE_CRYPTO_SESSION, 0, VU_PF_CRYPTO_SESSION, VU_ACKED, VU_ABOUT_NOTHING, U64),
	ROW(POSTCOPY_ADVISE, 0, VU_PF_PAGEFAULT, VU_ANSWERED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(POSTCOPY_LISTEN, 0, VU_PF_PAGEFAULT, VU_ACKED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(POSTCOPY_END, 0, VU_PF_PAGEFAULT, VU_ANSWERED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(GET_INFLIGHT_FD, 0, VU_PF_INFLIGHT_SHMFD, VU_ANSWERED, VU_ABOUT_NOTHING, INFLIGHT),
	ROW(SET_INFLIGHT_FD, 1, VU_PF_INFLIGHT_SHMFD, VU_ACKED, VU_ABOUT_ALL, INFLIGHT),
	ROW(GPU_SET_SOCKET, 1, VU_NO_FEATURE, VU_ACKED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(RESET_DEVICE, 0, VU_PF_RESET_DEVICE, VU_ACKED, VU_ABOUT_THE_PAST, NOTHING_OR_U64),
	ROW(VRING_KICK, 0, VU_PF_INBAND_NOTIFICATIONS, VU_ACKED, VU_ABOUT_NOTHING, EXACT(vu_vring_state)),
	ROW(GET_MAX_MEM_SLOTS, 0, VU_PF_CONFIGURE_MEM_SLOTS, VU_ANSWERED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(ADD_MEM_REG, 1, VU_PF_CONFIGURE_MEM_SLOTS, VU_ACKED, VU_ABOUT_REGION, UPTO(vu_xen_reg)),
	ROW(REM_MEM_REG, 1, VU_PF_CONFIGURE_MEM_SLOTS, VU_ACKED, VU_ABOUT_REGION, sizeof(struct vu_mem_reg), sizeof(struct vu_xen_reg)),
	ROW(SET_STATUS, 0, VU_PF_STATUS, VU_ACKED, VU_ABOUT_ALL, U64),
	ROW(GET_STATUS, 0, VU_PF_STATUS, VU_ANSWERED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(GET_SHARED_OBJECT, 0, VU_PF_SHARED_OBJECT, VU_ANSWERED, VU_ABOUT_NOTHING, UPTO(vu_object)),
	ROW(SET_DEVICE_STATE_FD, 1, VU_PF_DEVICE_STATE, VU_ANSWERED, VU_ABOUT_NOTHING, EXACT(vu_device_state)),
	ROW(CHECK_DEVICE_STATE, 0, VU_PF_DEVICE_STATE, VU_ANSWERED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(GET_SHMEM_CONFIG, 0, VU_PF_SHMEM, VU_ANSWERED, VU_ABOUT_NOTHING, NOTHING_OR_U64),
	ROW(GET_VRING_BASE_SKIP_DRAIN, 0, VU_PF_GET_VRING_BASE_SKIP_DRAIN, VU_ANSWERED, VU_ABOUT_THE_PAST, EXACT(vu_vring_state)),
};

static const char *const protocol_feature_names[VU_PF_MAX] = {
	[VU_PF_MQ] = "mq",
	[VU_PF_LOG_SHMFD] = "log_shmfd",
	[VU_PF_RARP] = "rarp",
	[VU_PF_REPLY_ACK] = "reply_ack",
	[VU_PF_MTU] = "mtu",
	[VU_PF_BACKEND_REQ] = "backend_req",
	[VU_PF_CROSS_ENDIAN] = "cross_endian",
	[VU_PF_CRYPTO_SESSION] = "crypto_session",
	[VU_PF_PAGEFAULT] = "pagefault",
	[VU_PF_CONFIG] = "config",
	[VU_PF_BACKEND_SEND_FD] = "backend_send_fd",
	[VU_PF_HOST_NOTIFIER] = "host_notifier",
	[VU_PF_INFLIGHT_SHMFD] = "inflight_shmfd",
	[VU_PF_RESET_DEVICE] = "reset_device",
	[VU_PF_INBAND_NOTIFICATIONS] = "inband_notifications",
	[VU_PF_CONFIGURE_MEM_SLOTS] = "configure_mem_slots",
	[VU_PF_STATUS] = "status",
	[VU_PF_XEN_MMAP] = "xen_mmap",
	[VU_PF_SHARED_OBJECT] = "shared_object",
	[VU_PF_DEVICE_STATE] = "device_state",
	[VU_PF_GET_VRING_BASE_INFLIGHT] = "get_vring_base_inflight",
	[VU_PF_GPA_ADDRESSES] = "gpa_addresses",
	[VU_PF_SHMEM] = "shmem",
	[VU_PF_GET_VRING_BASE_SKIP_DRAIN] = "get_vring_base_skip_drain",
};

/* VIRTIO 1.4, section 6 "Reserved Feature Bits" and its legacy part; 26 and 30 are vhost's own. */
static const char *const feature_names[64] = {
	[24] = "notify_on_empty",
	[26] = "log_all",
	[27] = "any_layout",
	[28] = "indirect_desc",
	[29] = "event_idx",
	[VHOST_USER_F_PROTOCOL_FEATURES] = "protocol_features",
	[32] = "version_1",
	[33] = "access_platform",
	[34] = "ring_packed",
	[35] = "in_order",
	[36] = "order_platform",
	[37] = "sr_iov",
	[38] = "notification_data",
	[39] = "notif_config_data",
	[40] = "ring_reset",
	[41] = "admin_vq",
	[43] = "suspend",
};

const struct vu_request_info *vu_request_find(uint32_t request)
{
	return request < ARRAY_SIZE(requests) && requests[request].name ? &requests[request] : NULL;
}

const char *vu_request_name(uint32_t request)
{
	const struct vu_request_info *info = vu_request_find(request);

	return info ? info->name : "UNKNOWN";
}

/* The entry that is this text, or -1; entries may be NULL. */
static int name_find(const char *const *names, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		if (names[i] && strcmp(names[i], text) == 0)
			return (int)i;
	}
	return -1;
}

const char *vu_protocol_feature_name(unsigned int bit)
{
	return bit < ARRAY_SIZE(protocol_feature_names) ? protocol_feature_names[bit] : NULL;
}

int vu_protocol_feature_bit(const char *name)
{
	return name_find(protocol_feature_names, ARRAY_SIZE(protocol_feature_names), name);
}

const char *vu_feature_name(unsigned int bit)
{
	return bit < ARRAY_SIZE(feature_names) ? feature_names[bit] : NULL;
}

int vu_feature_bit(const char *name)
{
	return name_find(feature_names, ARRAY_SIZE(feature_names), name);
}

void vu_msg_close_fds(struct vu_msg *msg)
{
	for (unsigned int i = 0; i < msg->nfds; i++) {
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
		msg->fds[i] = -1;
	}
	msg->nfds = 0;
}

/* Receives at most len bytes, and any descriptors with them, as fd_recv. */
static ssize_t reader_recv(struct vu_reader *r, int sock, void *buf, size_t len)
{
	struct fd_room room = {.fds = r->msg.fds, .max = VU_MAX_FDS, .n = r->msg.nfds};
	ssize_t n = fd_recv(sock, buf, len, &room);

	r->msg.nfds = room.n;
	r->truncated |= room.truncated;
	return n;
}

/* Checks a header that has just arrived.  Returns 0 or -EPROTO. */
static int reader_check_header(struct vu_reader *r)
{
	const struct vu_header *h = &r->msg.h;

	if ((h->flags & VU_VERSION_MASK) != VU_VERSION || h->size > VU_SIZE_LIMIT)
		return -EPROTO;
	if (h->size > sizeof(r->msg.p)) {
		r->skip = h->size - (uint32_t)sizeof(r->msg.p);
		r->truncated = true;
	}
	return 0;
}

/* Where the next bytes of the message belong and how many they are; 0 when it is complete. */
static size_t reader_want(struct vu_reader *r, uint8_t *scratch, size_t scratch_size, uint8_t **to)
{
	const size_t head = sizeof(r->msg.h);

	if (r->got < head) {
		*to = (uint8_t *)&r->msg.h + r->got;
		return head - r->got;
	}

	size_t kept = min_size(r->msg.h.size, sizeof(r->msg.p));

	if (r->got < head + kept) {
		*to = (uint8_t *)&r->msg.p + (r->got - head);
		return head + kept - r->got;
	}
	*to = scratch;
	return min_size(r->skip, scratch_size);
}

int vu_read(struct vu_reader *r, int sock)
{
	uint8_t scratch[1024];
	uint8_t *to;
	size_t want;

	while ((want = reader_want(r, scratch, sizeof(scratch), &to))) {
		ssize_t n = reader_recv(r, sock, to, want);

		if (n <= 0)
			return (int)n;
		if (to == scratch) {
			r->skip -= (uint32_t)n;
			continue;
		}

		bool in_header = r->got < sizeof(r->msg.h);

		r->got += (size_t)n;
		if (in_header && r->got == sizeof(r->msg.h)) {
			int err = reader_check_header(r);

			if (err)
				return err;
		}
	}
	return 1;
}

void vu_reader_next(struct vu_reader *r)
{
	vu_msg_close_fds(&r->msg);
	memset(r, 0, sizeof(*r));
}

/* Puts the message's descriptors into the control buffer of mh. */
static void send_attach_fds(struct msghdr *mh, const struct vu_msg *msg, void *control)
{
	size_t bytes = sizeof(int) * msg->nfds;

	mh->msg_control = control;
	/* size_t in glibc, socklen_t in musl */
	mh->msg_controllen = (__typeof__(mh->msg_controllen))CMSG_SPACE(bytes);

	struct cmsghdr *cmsg = CMSG_FIRSTHDR(mh);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = (__typeof__(cmsg->cmsg_len))CMSG_LEN(bytes);
	memcpy(CMSG_DATA(cmsg), msg->fds, bytes);
}

int vu_send(int sock, const struct vu_msg *msg, size_t *done)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * VU_MAX_FDS)];
		struct cmsghdr align;
	} control = {{0}};
	uint8_t wire[sizeof(msg->h) + sizeof(msg->p)];

	if (msg->h.size > sizeof(msg->p) || msg->nfds > VU_MAX_FDS)
		return -EINVAL;

	size_t total = sizeof(msg->h) + msg->h.size;

	memcpy(wire, &msg->h, sizeof(msg->h));
	memcpy(wire + sizeof(msg->h), &msg->p, msg->h.size);

	while (*done < total) {
		struct iovec iov = {.iov_base = wire + *done, .iov_len = total - *done};
		struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

		/* The descriptors travel with the first byte, once. */
		if (*done == 0 && msg->nfds)
			send_attach_fds(&mh, msg, control.bytes);

		ssize_t n = sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || errno == EWOULDBLOCK)
				return 0;
			return errno == ECONNRESET ? -EPIPE : -errno;
		}
		*done += (size_t)n;
	}
	return 1;
}
