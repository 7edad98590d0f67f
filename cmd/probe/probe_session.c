/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_session.c - a row's connection: made, negotiated, with memory, and the device's request on it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/probe/probe.h"
#include "config.h"
#include "mem/gmem_xen.h"
#include "transport/ring/virtq.h"

/* How long a back end may take to be ready for the next front-end: waits of RETRY_MS. */
#define RETRIES	 20
#define RETRY_MS 50

enum probe_verdict probe_say(struct probe *p, enum probe_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->got, sizeof(p->got), fmt, ap);
	va_end(ap);
	return verdict;
}

enum probe_verdict probe_failed(struct probe *p)
{
	return probe_say(p, PROBE_FAIL, "%s", p->fe ? frontend_why(p->fe) : "no connection");
}

int probe_connect(struct probe *p)
{
	const struct frontend_opts opts = {.path = p->path, .timeout_ms = (unsigned int)p->timeout_ms};
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	unsigned int tries = RETRIES;
	int err;

	for (;;) {
		frontend_free(p->fe);
		p->fe = NULL;
		err = frontend_new(&opts, &p->fe);
		if (!err)
			err = frontend_sync(p->fe);
		p->reached |= !err;
		/*
		 * A socket that is there may be listened at a moment later.  Between two front-ends some make theirs anew,
		 * and drop who has connected to the old one.
		 */
		if (--tries == 0 || (err != -ECONNREFUSED && (!p->reached || (err != -ENOENT && err != -EPIPE))))
			return err;
		nanosleep(&pause, NULL);
	}
}

int probe_negotiate(struct probe *p, uint64_t without)
{
	const uint64_t ring = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) |
			      BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	/* The driver's choices that are not everybody's: a check says so. */
	const uint64_t choices = BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_F_ACCESS_PLATFORM);
	uint64_t features = ring | (p->check ? p->check->features & choices : 0);
	uint64_t protocol = BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_CONFIG) |
			    BIT(VU_PF_RESET_DEVICE) | BIT(VU_PF_CONFIGURE_MEM_SLOTS) | (p->check ? p->check->protocol : 0);

	/* Front-ends on Xen do without memory slots, and those that use postcopy have to. */
	if (p->xen_map || (protocol & BIT(VU_PF_PAGEFAULT)))
		protocol &= ~BIT(VU_PF_CONFIGURE_MEM_SLOTS);
	if (p->xen_map)
		protocol |= BIT(VU_PF_XEN_MMAP);
	for (const struct vdev_sample *s = p->samples; s && s->what; s++)
		features |= s->features;
	return frontend_negotiate(p->fe, features & ~without, protocol);
}

#if VDEVD_HAVE_XEN
/* Puts the regions, which lie in a file, into the domain: the third, behind a gap of one page. */
static const struct frontend_mem_ops *move_to_xen(const struct probe *p, struct frontend_region *regions, size_t count)
{
	uint64_t page = 0;

	for (size_t i = 0; i < count; i++) {
		struct frontend_region *r = &regions[i];

		page += i == 2;
		r->xen_flags = p->xen_map;
		r->xen_domid = (uint32_t)p->xen_domid;
		r->xen_frame = p->xen_frame + page;
		r->offset = 0;
		r->guest_addr = (p->xen_map & GMEM_XEN_GRANT) ? XEN_GRANT_ADDR + (p->xen_grant + page) * XEN_PAGE_SIZE :
								r->xen_frame * XEN_PAGE_SIZE;
		page += r->size / XEN_PAGE_SIZE;
	}
	return &frontend_mem_xen;
}
#endif

int probe_share(struct probe *p)
{
	const struct frontend_mem_ops *ops = &frontend_mem_memfd;
	struct frontend_region regions[] = {
		{.guest_addr = 0x100000, .size = 0x200000},
		{.guest_addr = 0x300000, .size = 0x100000},
		{.guest_addr = 0x100000000, .size = 0x200000, .offset = 0x1000},
	};
	int err;

#if VDEVD_HAVE_XEN
	if (p->xen_map)
		ops = move_to_xen(p, regions, ARRAY_SIZE(regions));
#endif
	err = frontend_make_mem(p->fe, ops, regions, ARRAY_SIZE(regions));
	return err ? err : frontend_set_mem_table(p->fe);
}

int probe_ready(struct probe *p, uint64_t without)
{
	int err = probe_negotiate(p, without);

	return err ? err : probe_share(p);
}

int probe_resume(struct probe *p)
{
	int err;

	if (p->fe && !frontend_sync(p->fe))
		return probe_share(p);
	err = probe_connect(p);
	return err ? err : probe_ready(p, 0);
}

unsigned int probe_queue(const struct probe *p)
{
	return p->samples ? p->samples->queue : 0;
}

uint32_t probe_split(const struct probe *p)
{
	size_t bytes = p->samples->out_len + p->samples->in_len;

	return (uint32_t)((bytes + PROBE_PIECES - 2) / (PROBE_PIECES - 1));
}

int probe_submit(struct probe *p, const struct frontend_request_opts *opts, struct frontend_request **req)
{
	const struct vdev_sample *s = p->samples;

	return frontend_submit(p->fe, s->queue, s->out, s->out_len, s->in_len, opts, req);
}

enum probe_verdict probe_await(struct probe *p, struct frontend_request *req)
{
	uint8_t answer[PROBE_MAX_PART] = {0};
	uint32_t used;
	const char *wrong;

	if (frontend_await(p->fe, p->samples->queue, req, answer, &used))
		return probe_failed(p);
	wrong = p->samples->check(answer, used);
	if (wrong)
		return probe_say(p, PROBE_FAIL, "answer of %u bytes: %s", used, wrong);
	return probe_say(p, PROBE_OK, "used, %u bytes", used);
}

enum probe_verdict probe_request(struct probe *p, const struct frontend_request_opts *opts)
{
	struct frontend_request *req;

	if (probe_submit(p, opts, &req))
		return probe_failed(p);
	return probe_await(p, req);
}

const char *probe_row_misses(const struct probe *p, const struct probe_check *check)
{
	const uint64_t protocol = p->protocol & ~(p->xen_map ? BIT(VU_PF_CONFIGURE_MEM_SLOTS) : 0);

	if (check->features & ~p->features)
		return vu_feature_name((unsigned int)__builtin_ctzll(check->features & ~p->features));
	if (check->protocol & ~protocol)
		return vu_protocol_feature_name((unsigned int)__builtin_ctzll(check->protocol & ~protocol));
	if (check->request && !p->samples)
		return p->id ? "a request for this device" : "--id";
	return NULL;
}

enum probe_verdict probe_row_run(struct probe *p, const struct probe_check *check)
{
	const char *misses = probe_row_misses(p, check);
	int err;

	p->check = check;
	p->got[0] = '\0';
	if (misses)
		return probe_say(p, PROBE_NA, "needs %s", misses);
	err = probe_connect(p);
	if (err && !p->fe)
		return probe_say(p, PROBE_FAIL, "no connection: %s", strerror(-err));
	return err ? probe_failed(p) : check->run(p);
}
