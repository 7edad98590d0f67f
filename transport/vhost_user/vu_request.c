/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_request.c - the front-end's messages: what each must look like, and what it does.
 * QEMU docs/interop/vhost-user.rst, "Front-end message types".
 *
 * A handler returns 0, LATER when it has seen to the answer itself, or -errno: then the message is refused, by a
 * non-zero acknowledgement where the front-end asked for one, or else by the end of the connection: a
 * front-end that believes that it was understood would do harm.
 *
 * Two messages are refused without an end of the connection though no acknowledgement was asked for: an unknown
 * request, and SET_CONFIG, which a guest can cause.
 *
 * After a migration the front-end restores the configuration space with SET_CONFIG (flags 1). Bytes that are already so
 * are accepted. Bytes that differ are treated as a driver's write, so a read-only field that differs is refused: this
 * host does not have what the guest was promised.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/unix_socket.h"
#include "transport/ring/split_layout.h"
#include "transport/vhost_user/vu_session.h"
#include "transport/virtio.h"

#define LATER 1

static void reply_u64(struct vu_backend *b, uint64_t v)
{
	b->conn.reply.p.u64 = v;
	b->conn.reply.h.size = sizeof(v);
}

static bool wants_ack(const struct vu_backend *b)
{
	return (b->conn.reader.msg.h.flags & VU_FLAG_NEED_REPLY) && vu_has(b, VU_PF_REPLY_ACK);
}

/* Acknowledges the present message, where that is wanted: 0 or an error. */
static void ack(struct vu_backend *b, int err)
{
	if (!wants_ack(b))
		return;
	reply_u64(b, (uint64_t)-err);
	vu_reply(b);
}

/* Takes the descriptor that came with the message. */
static int take_fd(struct vu_msg *m, unsigned int i)
{
	int fd = m->fds[i];

	m->fds[i] = -1;
	return fd;
}

static struct vu_queue *queue_at(struct vu_backend *b, uint64_t index)
{
	return index < b->nqueues ? &b->queues[index] : NULL;
}

static int get_features(struct vu_backend *b, struct vu_msg *m)
{
	reply_u64(b, vu_offered_features(b->d));
	return 0;
}

static int set_features(struct vu_backend *b, struct vu_msg *m)
{
	/* NOTIFY_ON_EMPTY means nothing to rings of version 1; guests that come from other back ends may have it. */
	uint64_t allowed = vu_offered_features(b->d) | BIT(VIRTIO_F_NOTIFY_ON_EMPTY);

	if (m->p.u64 & ~allowed)
		return -EINVAL;
	/* What a region of another domain's grants has are no addresses that an IOMMU could give. */
	if ((m->p.u64 & BIT(VIRTIO_F_ACCESS_PLATFORM)) && vu_has(b, VU_PF_XEN_MMAP))
		return -EINVAL;
	bool started = vu_any_started(b);

	/* The log is switched on and off while rings run; the device does not learn of it. */
	if (started && (m->p.u64 ^ b->features) & ~BIT(VHOST_F_LOG_ALL))
		return -EBUSY;
	int err = started ? 0 : vu_iotlb_want(b, m->p.u64 & BIT(VIRTIO_F_ACCESS_PLATFORM));

	if (err)
		return err; /* and addresses are not taken for what they are not */
	b->features = m->p.u64;
	if (!started)
		vdev_features_set(b->d, vu_driver_features(b));
	vu_log_apply(b);
	return 0;
}

static int get_protocol_features(struct vu_backend *b, struct vu_msg *m)
{
	reply_u64(b, vu_protocol_as_wire(b->d, vu_session_protocol_features(b)));
	return 0;
}

/* Whether a feature comes with the one that it needs. */
static bool has_needs(uint64_t features, uint64_t feature, uint64_t needs)
{
	return !(features & feature) || features & needs;
}

static int set_protocol_features(struct vu_backend *b, struct vu_msg *m)
{
	const uint64_t features = vu_protocol_as_wire(b->d, m->p.u64);
	const uint64_t inband_needs = BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_REPLY_ACK);

	if (features & ~vu_session_protocol_features(b))
		return -EINVAL;
	if ((features & BIT(VU_PF_INBAND_NOTIFICATIONS)) && (features & inband_needs) != inband_needs) {
		vu_close(b, "in-band notifications need a back channel and acknowledgements");
		return LATER;
	}
	if (!has_needs(features, BIT(VU_PF_GET_VRING_BASE_INFLIGHT), BIT(VU_PF_INFLIGHT_SHMFD)) ||
	    !has_needs(features, BIT(VU_PF_GET_VRING_BASE_SKIP_DRAIN), BIT(VU_PF_GET_VRING_BASE_INFLIGHT)))
		return -EINVAL;
	/* Pages of other domains do not come by userfaultfd; and by user addresses the front-end is told where its regions are. */
	if (features & BIT(VU_PF_PAGEFAULT) && features & (BIT(VU_PF_XEN_MMAP) | BIT(VU_PF_GPA_ADDRESSES)))
		return -EINVAL;
	/* The memory there is was read in one of two layouts, with one address or two, and rings were found in it accordingly. */
	const uint64_t about_memory = BIT(VU_PF_XEN_MMAP) | BIT(VU_PF_GPA_ADDRESSES);

	if (((features ^ b->protocol_features) & about_memory) && gmem_count(b->mem))
		return -EBUSY;
	if ((features & BIT(VU_PF_XEN_MMAP)) && b->tlb)
		return -EINVAL;
	b->protocol_features = features;
	vu_iotlb_apply(b);
	return 0;
}

static int set_owner(struct vu_backend *b, struct vu_msg *m)
{
	return 0;
}

static int get_queue_num(struct vu_backend *b, struct vu_msg *m)
{
	reply_u64(b, b->nqueues);
	return 0;
}

/* Bytes of one region on the wire. */
static size_t region_bytes(const struct vu_backend *b)
{
	return vu_has(b, VU_PF_XEN_MMAP) ? sizeof(struct vu_xen_region) : sizeof(struct vu_region);
}

/* Region i of those that begin at the given place of the payload. */
static struct gmem_desc region_desc(const struct vu_backend *b, const struct vu_msg *m, size_t begin, uint32_t i,
				    int fd)
{
	struct vu_xen_region x = {.flags = 0};

	memcpy(&x, m->p.bytes + begin + i * region_bytes(b), region_bytes(b));
	/* Whatever stands there: nothing refers to it. */
	if (vu_has(b, VU_PF_GPA_ADDRESSES))
		x.region.user_addr = x.region.guest_addr;
	return (struct gmem_desc){
		.guest_addr = x.region.guest_addr,
		.size = x.region.size,
		.user_addr = x.region.user_addr,
		.offset = x.region.offset,
		.fd = fd,
		.xen_flags = x.flags,
		.xen_domid = x.domid,
	};
}

static int add_region(struct vu_backend *b, struct gmem *mem, const struct gmem_desc *desc)
{
	int err = gmem_add(mem, desc);

	if (err)
		log_guest(&b->d->log, "region of 0x%llx bytes at guest address 0x%llx refused, at page 0x%llx: %s",
			  (unsigned long long)desc->size, (unsigned long long)desc->guest_addr,
			  (unsigned long long)gmem_fault(mem), strerror(-err));
	return err;
}

/* Descriptors of this many regions: one each, or for other domains' memory none at all. */
static bool regions_have_fds(const struct vu_backend *b, const struct vu_msg *m, uint32_t nregions)
{
	return m->nfds == nregions || (vu_has(b, VU_PF_XEN_MMAP) && m->nfds == 0);
}

/* Rings that run find their parts in the present memory; one that does not is broken from now on. */
static void remap_rings(struct vu_backend *b)
{
	for (unsigned int i = 0; i < b->nqueues; i++) {
		if (virtq_started(b->queues[i].vq))
			virtq_remap(b->queues[i].vq, b->mem);
	}
}

/* In the midst of postcopy the answer to n regions, from the given place on, is where they are. */
static int reply_bases(struct vu_backend *b, size_t begin, uint32_t n)
{
	const struct vu_msg *m = &b->conn.reader.msg;

	memcpy(b->conn.reply.p.bytes, m->p.bytes, begin + n * sizeof(struct vu_region));
	b->conn.reply.h.size = (uint32_t)(begin + n * sizeof(struct vu_region));
	for (uint32_t i = 0; i < n; i++) {
		struct vu_region region;

		memcpy(&region, b->conn.reply.p.bytes + begin + i * sizeof(region), sizeof(region));
		vu_postcopy_announced(b, &region);
		memcpy(b->conn.reply.p.bytes + begin + i * sizeof(region), &region, sizeof(region));
	}
	vu_reply(b);
	vu_conn_done(b);
	return LATER;
}

static int set_mem_table(struct vu_backend *b, struct vu_msg *m)
{
	const size_t begin = offsetof(struct vu_mem_table, regions);
	const uint32_t max = vu_has(b, VU_PF_XEN_MMAP) ? VU_MAX_XEN_REGIONS : VU_MAX_REGIONS;
	uint32_t n = m->p.table.nregions;
	struct gmem *mem, *old = b->mem;

	if (vu_postcopy_is_ack(b, m))
		return vu_postcopy_serve(b);
	if (b->postcopy.phase != POSTCOPY_OFF && vu_any_started(b))
		return -EBUSY;
	if (n > max || !regions_have_fds(b, m, n) || m->h.size < begin + n * region_bytes(b) ||
	    m->h.size > begin + max * region_bytes(b))
		return -EINVAL;
	int err = gmem_new(b->mem_backend, &mem);

	for (uint32_t i = 0; !err && i < n; i++) {
		struct gmem_desc desc = region_desc(b, m, begin, i, m->nfds ? m->fds[i] : -1);

		err = add_region(b, mem, &desc);
	}
	if (err) {
		gmem_free(mem);
		return err;
	}
	b->mem = mem;
	vu_iotlb_apply(b);
	remap_rings(b);
	gmem_free(old); /* what chains in flight have pinned stays until they are pushed */
	return b->postcopy.phase == POSTCOPY_OFF ? 0 : reply_bases(b, begin, n);
}

static int get_max_mem_slots(struct vu_backend *b, struct vu_msg *m)
{
	reply_u64(b, GMEM_MAX_REGIONS);
	return 0;
}

static int add_mem_reg(struct vu_backend *b, struct vu_msg *m)
{
	const size_t begin = offsetof(struct vu_mem_reg, region);

	if (vu_postcopy_is_ack(b, m))
		return vu_postcopy_serve(b);
	if (b->postcopy.phase != POSTCOPY_OFF && vu_any_started(b))
		return -EBUSY;
	if (!regions_have_fds(b, m, 1) || m->h.size != begin + region_bytes(b))
		return -EINVAL;
	struct gmem_desc desc = region_desc(b, m, begin, 0, m->nfds ? m->fds[0] : -1);
	int err = add_region(b, b->mem, &desc);

	return err || b->postcopy.phase == POSTCOPY_OFF ? err : reply_bases(b, begin, 1);
}

/* A descriptor may come along; it is closed unused, as the standard wants. */
static int rem_mem_reg(struct vu_backend *b, struct vu_msg *m)
{
	const size_t begin = offsetof(struct vu_mem_reg, region);

	if (m->h.size != begin + region_bytes(b))
		return -EINVAL;
	struct gmem_desc desc = region_desc(b, m, begin, 0, -1);
	int err = gmem_remove(b->mem, &desc);

	if (!err) {
		vu_iotlb_apply(b);
		remap_rings(b);
	}
	return err;
}

/* Has an answer even where no acknowledgement is asked for. */
static int set_log_base(struct vu_backend *b, struct vu_msg *m)
{
	if (!vu_has(b, VU_PF_LOG_SHMFD) || m->nfds != 1)
		return -EINVAL;
	int err = vu_log_set_base(b, m->p.log.size, m->p.log.offset, m->fds[0]);

	if (err || wants_ack(b))
		return err;
	reply_u64(b, 0);
	vu_reply(b);
	return 0;
}

/* User-Mode Linux notifies by sockets; but none is the other end of the connection itself, whose end would never be seen. */
static int check_notify(const struct vu_backend *b, int fd)
{
	return unix_is_other_end(b->conn.sock, fd) ? -EINVAL : notify_fd_check(fd);
}

static int set_log_fd(struct vu_backend *b, struct vu_msg *m)
{
	if (m->nfds != 1)
		return -EINVAL;
	int err = check_notify(b, m->fds[0]);

	if (!err)
		notify_fd_set(&b->log.call, take_fd(m, 0));
	return err;
}

static int set_vring_num(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_queue *q = queue_at(b, m->p.state.index);
	uint32_t num = m->p.state.num;

	bool packed = b->features & BIT(VIRTIO_F_RING_PACKED);

	if (!q || !num || (!packed && (num & (num - 1))) || num > b->d->face.queues[q->index].max)
		return -EINVAL;
	if (vu_queue_started(q))
		return num == q->num ? 0 : -EBUSY;
	q->num = num;
	return 0;
}

static int set_vring_addr(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_queue *q = queue_at(b, m->p.addr.index);
	struct virtq_addrs addrs = {
		.space = vu_has(b, VU_PF_GPA_ADDRESSES) ? GMEM_GUEST : GMEM_USER,
		.or_guest = vu_has(b, VU_PF_XEN_MMAP),
		.desc = m->p.addr.desc,
		.avail = m->p.addr.avail,
		.used = m->p.addr.used,
	};

	bool log = m->p.addr.flags & VU_VRING_LOG;

	if (log && m->p.addr.log > UINT64_MAX - VIRTQ_USED_BYTES(VIRTQ_MAX_SIZE))
		return -EINVAL; /* no sum below overflows */
	if (!q || addrs.desc % VIRTQ_DESC_ALIGN || addrs.avail % VIRTQ_AVAIL_ALIGN || addrs.used % VIRTQ_USED_ALIGN)
		return -EINVAL;
	if (vu_queue_started(q) &&
	    (addrs.desc != q->addrs.desc || addrs.avail != q->addrs.avail || addrs.used != q->addrs.used))
		return -EBUSY;
	q->addrs = addrs;
	q->addrs_set = true;
	q->log_ring = log;
	q->log_addr = m->p.addr.log;
	vu_log_apply(b);
	return 0;
}

static int set_vring_base(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_queue *q = queue_at(b, m->p.state.index);

	bool packed = b->features & BIT(VIRTIO_F_RING_PACKED);

	if (!q || (!packed && m->p.state.num > UINT16_MAX))
		return -EINVAL;
	if (vu_queue_started(q))
		return -EBUSY;
	/* Disabled but never stopped, and now it begins anew: that is all that tells of a driver that does. */
	b->reset_pending |= q->parked && virtq_base_fresh(b->features, m->p.state.num) && !vu_any_started(b);
	q->base = m->p.state.num;
	return 0;
}

static void base_stopped(struct vu_backend *b)
{
	struct vu_queue *q = queue_at(b, b->conn.reader.msg.p.state.index);

	q->parked = false;
	b->conn.reply.p.state = (struct vu_vring_state){.index = q->index, .num = q->base};
	b->conn.reply.h.size = sizeof(b->conn.reply.p.state);
	vu_reply(b);
	vu_conn_done(b);
}

/*
 * Nothing is in flight afterwards as far as that can be: chains that have only been taken go back into the ring.  "If the
 * GET_VRING_BASE_INFLIGHT protocol feature has been negotiated, the back-end may suspend in-flight I/O requests and record them"; where
 * there is a message for that, this is not it.
 */
static int get_vring_base(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_queue *q = queue_at(b, m->p.state.index);

	if (!q)
		return -EINVAL;
	if (!vu_has(b, VU_PF_GET_VRING_BASE_INFLIGHT) || vu_has(b, VU_PF_GET_VRING_BASE_SKIP_DRAIN))
		virtq_untake(q->vq);
	vu_stop_queues(b, q->index, 1, base_stopped);
	return LATER;
}

/* What is in flight stays in the record; only what a host has begun, and cannot be called back, is waited for. */
static int get_vring_base_skip_drain(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_queue *q = queue_at(b, m->p.state.index);

	if (!q || !vu_has(b, VU_PF_GET_VRING_BASE_SKIP_DRAIN) || !b->inflight.mem || q->index >= b->inflight.about.nqueues)
		return -EINVAL;
	vu_stop_queues(b, q->index, 1, base_stopped);
	return LATER;
}

/* The u64 of SET_VRING_KICK, CALL, ERR.  Returns the queue and *fd (-1: none), or NULL where they contradict. */
static struct vu_queue *vring_fd(struct vu_backend *b, struct vu_msg *m, int *fd)
{
	bool none = m->p.u64 & VU_VRING_NOFD;

	if ((m->p.u64 & ~(uint64_t)(VU_VRING_INDEX_MASK | VU_VRING_NOFD)) || m->nfds != (none ? 0 : 1))
		return NULL;
	struct vu_queue *q = queue_at(b, m->p.u64 & VU_VRING_INDEX_MASK);

	if (!none && check_notify(b, m->fds[0]) < 0)
		return NULL;
	/* Its flags stay as they are: they are the front-end's, too, which may want to block. */
	*fd = q && !none ? take_fd(m, 0) : -1;
	return q;
}

static int set_vring_kick(struct vu_backend *b, struct vu_msg *m)
{
	int fd;
	struct vu_queue *q = vring_fd(b, m, &fd);

	if (!q)
		return -EINVAL;
	served_set_kick(&q->served, fd);
	return vu_queue_started(q) ? 0 : vu_queue_start(q);
}

static int set_vring_call(struct vu_backend *b, struct vu_msg *m)
{
	int fd;
	struct vu_queue *q = vring_fd(b, m, &fd);

	if (!q)
		return -EINVAL;
	served_set_call(&q->served, fd);
	return 0;
}

static int set_vring_err(struct vu_backend *b, struct vu_msg *m)
{
	int fd;
	struct vu_queue *q = vring_fd(b, m, &fd);

	if (!q)
		return -EINVAL;
	served_set_err(&q->served, fd);
	return 0;
}

static void parked(struct vu_backend *b)
{
	ack(b, 0);
	vu_conn_done(b);
}

/*
 * A front-end may take the memory of disabled rings back (User-Mode Linux does, and asks for no base): they hold no chain and
 * no pin, and start again at their base when they are enabled.
 */
static int park(struct vu_backend *b, unsigned int first, unsigned int n)
{
	for (unsigned int i = first; i < first + n; i++) {
		struct vu_queue *q = &b->queues[i];

		q->parked |= vu_queue_started(q);
		virtq_untake(q->vq);
		vu_queue_enable(q, false);
	}
	vu_stop_queues(b, first, n, parked);
	return LATER;
}

static int set_vring_enable(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_queue *q = queue_at(b, m->p.state.index);

	if (!q || m->p.state.num > 1)
		return -EINVAL;
	if (!m->p.state.num)
		return park(b, q->index, 1);
	int err = q->parked ? vu_queue_start(q) : 0;

	if (!err)
		vu_queue_enable(q, true);
	return err;
}

/* Deprecated; "used to be sent to request disabling all rings". */
static int reset_owner(struct vu_backend *b, struct vu_msg *m)
{
	return park(b, 0, b->nqueues);
}

/* In-band kick: also starts the ring, "Starting and stopping rings". */
static int vring_kick(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_queue *q = queue_at(b, m->p.state.index);

	if (!q || !vu_has(b, VU_PF_INBAND_NOTIFICATIONS))
		return -EINVAL;
	if (!vu_queue_started(q)) {
		int err = vu_queue_start(q);

		if (err)
			return err;
	}
	served_turn(&q->served);
	/* What the kick has led to is told before it is acknowledged: simulated time stands still until then. */
	served_flush(&q->served, false);
	return 0;
}

/* A back channel is a Unix socket, and not the other end of the connection itself, whose end would never be seen. */
static int check_socket(const struct vu_backend *b, int fd)
{
	int domain = -1;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return -errno;
	if (domain != AF_UNIX || unix_is_other_end(b->conn.sock, fd))
		return -EINVAL;
	return fd_check_watchable(fd);
}

static int set_backend_req_fd(struct vu_backend *b, struct vu_msg *m)
{
	if (m->nfds != 1)
		return -EINVAL;
	int err = check_socket(b, m->fds[0]);

	if (!err)
		err = fd_prepare(m->fds[0]);
	if (!err)
		vu_channel_set(b, take_fd(m, 0));
	return err;
}

/* It has an answer where the front-end asks for one, whether or not it accepted acknowledgements: QEMU waits for it. */
static int iotlb_msg(struct vu_backend *b, struct vu_msg *m)
{
	if (!(vu_offered_features(b->d) & BIT(VIRTIO_F_ACCESS_PLATFORM)))
		return -EOPNOTSUPP;
	int err = vu_iotlb_handle(b, &m->p.iotlb);

	if (!(m->h.flags & VU_FLAG_NEED_REPLY) || vu_has(b, VU_PF_REPLY_ACK))
		return err;
	reply_u64(b, (uint64_t)-err);
	vu_reply(b);
	return 0;
}

/* Bytes of configuration space the message brings. */
static size_t config_bytes(const struct vu_msg *m)
{
	return m->h.size - VU_CONFIG_HEAD;
}

/*
 * The request may come with as many bytes as it asks for, or with none.
 * "back-end uses zero length of payload to indicate an error"
 */
static int get_config(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_config *c = &b->conn.reply.p.config;

	*c = (struct vu_config){.offset = m->p.config.offset, .flags = m->p.config.flags};
	if (m->p.config.size <= VU_MAX_CONFIG_SIZE && (!config_bytes(m) || config_bytes(m) == m->p.config.size)) {
		c->size = m->p.config.size;
		vdev_config_read(b->d, c->offset, c->data, c->size);
	}
	b->conn.reply.h.size = (uint32_t)VU_CONFIG_HEAD + c->size;
	return 0;
}

static int set_config(struct vu_backend *b, struct vu_msg *m)
{
	const struct vu_config *c = &m->p.config;

	if (config_bytes(m) != c->size || (c->flags & ~VU_CONFIG_FLAGS))
		return -EINVAL;
	if (c->flags)
		return vdev_config_restore(b->d, c->offset, c->data, c->size);
	return vdev_config_write(b->d, c->offset, c->data, c->size);
}

static int get_shmem_config(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_shmem_config *c = &b->conn.reply.p.shmem;

	*c = (struct vu_shmem_config){.nregions = 0};
	for (unsigned int i = 0; i < b->d->face.nshmem; i++) {
		c->sizes[i] = b->d->face.shmem[i];
		c->nregions += c->sizes[i] != 0;
	}
	b->conn.reply.h.size = sizeof(*c);
	return 0;
}

/* The answer is a descriptor, or none: also to QEMU, which leaves out for what. */
static int get_shared_object(struct vu_backend *b, struct vu_msg *m)
{
	const struct vdev_class *class = b->d->class;
	struct vdev_uuid uuid;
	int fd = -ENOENT;

	memcpy(uuid.bytes, m->p.object.uuid, sizeof(uuid.bytes));
	if (class->object && m->h.size == sizeof(m->p.object))
		fd = class->object(b->d, &uuid);

	if (fd >= 0)
		b->conn.reply.fds[b->conn.reply.nfds++] = fd;
	b->conn.reply.h.size = 0;
	return 0;
}

static void reset_stopped(struct vu_backend *b)
{
	for (unsigned int i = 0; i < b->nqueues; i++) {
		vu_queue_enable(&b->queues[i], false);
		b->queues[i].parked = false;
		virtq_forget(b->queues[i].vq);
		b->queues[i].base = 0;
	}
	b->status = 0;
	vu_device_reset(b);
	ack(b, 0);
	vu_conn_done(b);
}

static int reset_device(struct vu_backend *b, struct vu_msg *m)
{
	vu_stop_queues(b, 0, b->nqueues, reset_stopped);
	return LATER;
}

static void status_stopped(struct vu_backend *b)
{
	for (unsigned int i = 0; i < b->nqueues; i++)
		b->queues[i].parked = false;
	b->status = 0;
	b->reset_pending = true;
	ack(b, 0);
	vu_conn_done(b);
}

static int set_status(struct vu_backend *b, struct vu_msg *m)
{
	if (m->p.u64 > UINT8_MAX)
		return -EINVAL;
	if (m->p.u64 == 0) {
		vu_stop_queues(b, 0, b->nqueues, status_stopped);
		return LATER;
	}
	b->status = (uint8_t)m->p.u64;
	return 0;
}

static int get_status(struct vu_backend *b, struct vu_msg *m)
{
	uint64_t status = b->status;

	for (unsigned int i = 0; i < b->nqueues; i++) {
		if (virtq_started(b->queues[i].vq) && virtq_broken(b->queues[i].vq))
			status |= VIRTIO_STATUS_DEVICE_NEEDS_RESET;
	}
	reply_u64(b, status);
	return 0;
}

/* Refused or not, the answer says whether we have a descriptor of our own: never. */
static int set_device_state_fd(struct vu_backend *b, struct vu_msg *m)
{
	const struct vu_device_state about = m->p.device_state;
	int err = -EINVAL;

	if (m->nfds == 1 && about.direction <= VU_STATE_LOAD && about.phase == 0 &&
	    !unix_is_other_end(b->conn.sock, m->fds[0]))
		err = vu_any_started(b) ? -EBUSY : vu_state_begin(b, about.direction, take_fd(m, 0));
	if (err)
		log_guest(&b->d->log, "SET_DEVICE_STATE_FD refused: %s", strerror(-err));
	reply_u64(b, VU_VRING_NOFD | (err ? (uint64_t)-err & VU_VRING_INDEX_MASK : 0));
	return 0;
}

static void reply_state_result(struct vu_backend *b)
{
	reply_u64(b, (uint64_t)-b->state.result);
}

static void state_ended(struct vu_backend *b)
{
	reply_state_result(b);
	vu_reply(b);
	vu_conn_done(b);
}

static int check_device_state(struct vu_backend *b, struct vu_msg *m)
{
	if (vu_state_await(b, state_ended))
		return LATER;
	reply_state_result(b);
	return 0;
}

static int postcopy_advise(struct vu_backend *b, struct vu_msg *m)
{
	return vu_has(b, VU_PF_PAGEFAULT) ? vu_postcopy_advise(b) : -EINVAL;
}

static int postcopy_listen(struct vu_backend *b, struct vu_msg *m)
{
	return vu_postcopy_listen(b);
}

static int postcopy_end(struct vu_backend *b, struct vu_msg *m)
{
	reply_u64(b, (uint64_t)-vu_postcopy_end(b));
	return 0;
}

static int get_inflight_fd(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_inflight about = m->p.inflight;
	int fd = vu_inflight_make(b, &about);

	if (fd < 0)
		return fd;
	b->conn.reply.p.inflight = about;
	b->conn.reply.h.size = m->h.size;
	b->conn.reply.fds[b->conn.reply.nfds++] = fd;
	return 0;
}

static int set_inflight_fd(struct vu_backend *b, struct vu_msg *m)
{
	const struct vu_inflight about = m->p.inflight;

	if (m->nfds != 1)
		return -EINVAL;
	return vu_any_started(b) ? -EBUSY : vu_inflight_set(b, &about, m->fds[0]);
}

/* What each does; the rest of its row is in vu_msg.c. */
static int (*const handlers[VU_REQUEST_MAX])(struct vu_backend *b, struct vu_msg *m) = {
	[VU_GET_FEATURES] = get_features,
	[VU_SET_FEATURES] = set_features,
	[VU_SET_OWNER] = set_owner,
	[VU_RESET_OWNER] = reset_owner,
	[VU_SET_MEM_TABLE] = set_mem_table,
	[VU_SET_LOG_BASE] = set_log_base,
	[VU_SET_LOG_FD] = set_log_fd,
	[VU_SET_VRING_NUM] = set_vring_num,
	[VU_SET_VRING_ADDR] = set_vring_addr,
	[VU_SET_VRING_BASE] = set_vring_base,
	[VU_GET_VRING_BASE] = get_vring_base,
	[VU_GET_VRING_BASE_SKIP_DRAIN] = get_vring_base_skip_drain,
	[VU_SET_VRING_KICK] = set_vring_kick,
	[VU_SET_VRING_CALL] = set_vring_call,
	[VU_SET_VRING_ERR] = set_vring_err,
	[VU_GET_PROTOCOL_FEATURES] = get_protocol_features,
	[VU_SET_PROTOCOL_FEATURES] = set_protocol_features,
	[VU_GET_QUEUE_NUM] = get_queue_num,
	[VU_SET_VRING_ENABLE] = set_vring_enable,
	[VU_SET_BACKEND_REQ_FD] = set_backend_req_fd,
	[VU_IOTLB_MSG] = iotlb_msg,
	[VU_GET_CONFIG] = get_config,
	[VU_SET_CONFIG] = set_config,
	[VU_GET_SHARED_OBJECT] = get_shared_object,
	[VU_GET_SHMEM_CONFIG] = get_shmem_config,
	[VU_RESET_DEVICE] = reset_device,
	[VU_VRING_KICK] = vring_kick,
	[VU_GET_MAX_MEM_SLOTS] = get_max_mem_slots,
	[VU_ADD_MEM_REG] = add_mem_reg,
	[VU_REM_MEM_REG] = rem_mem_reg,
	[VU_POSTCOPY_ADVISE] = postcopy_advise,
	[VU_POSTCOPY_LISTEN] = postcopy_listen,
	[VU_POSTCOPY_END] = postcopy_end,
	[VU_GET_INFLIGHT_FD] = get_inflight_fd,
	[VU_SET_INFLIGHT_FD] = set_inflight_fd,
	[VU_SET_DEVICE_STATE_FD] = set_device_state_fd,
	[VU_CHECK_DEVICE_STATE] = check_device_state,
	[VU_SET_STATUS] = set_status,
	[VU_GET_STATUS] = get_status,
};

/* The row of a request, or NULL for one that is unknown here. */
static const struct vu_request_info *find(const struct vu_backend *b, uint32_t request)
{
	const struct vu_request_info *r = vu_request_find(request);

	if (!r || !handlers[request] ||
	    (r->feature != VU_NO_FEATURE && !(vu_session_protocol_features(b) & BIT(r->feature))))
		return NULL;
	return r;
}

static void refuse(struct vu_backend *b, const struct vu_request_info *r, int err)
{
	const struct vu_msg *m = &b->conn.reader.msg;

	log_guest(&b->d->log, "%s (%u, %u bytes, %u descriptors) refused: %s", vu_request_name(m->h.request),
		  m->h.request, m->h.size, m->nfds, strerror(-err));
	if (!r || r->answer == VU_ACKED_OR_NOT || (r->answer == VU_ACKED && wants_ack(b)))
		ack(b, err);
	else
		vu_close(b, "a message could not be refused otherwise");
}

void vu_handle(struct vu_backend *b)
{
	struct vu_msg *m = &b->conn.reader.msg;
	const struct vu_request_info *r = find(b, m->h.request);
	int ret = -EOPNOTSUPP;

	b->conn.pending = true;
	if (b->trace)
		vu_trace_request(b, m);
	if (r) {
		ret = -EINVAL;
		if (!b->conn.reader.truncated && m->h.size >= r->min && m->h.size <= r->max && m->nfds <= r->max_fds)
			ret = handlers[m->h.request](b, m);
	}
	if (ret == LATER) {
		if (b->conn.pending)
			vu_conn_pause(b);
		return;
	}
	if (ret < 0)
		refuse(b, r, ret);
	else if (r->answer == VU_ANSWERED)
		vu_reply(b);
	else
		ack(b, 0);
	vu_conn_done(b);
}
