/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_requests.c - requests of the front-end whose payload is more than a number: QEMU docs/interop/vhost-user.rst, "Front-end
 * message types".
 */
#include "transport/frontend/frontend_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/state.h"

int frontend_set_features(struct frontend *fe, uint64_t features)
{
	int err = frontend_tell_u64(fe, VU_SET_FEATURES, features);

	if (!err)
		fe->features = features;
	return err;
}

int frontend_set_protocol_features(struct frontend *fe, uint64_t features)
{
	int err = frontend_tell_u64(fe, VU_SET_PROTOCOL_FEATURES, features);

	if (!err)
		fe->protocol = features;
	return err;
}

/* Puts a region behind the payload that is there already, in the layout that was negotiated, and its descriptor. */
uint64_t frontend_region_user(const struct frontend *fe, const struct frontend_region *region)
{
	return frontend_has_protocol(fe, VU_PF_GPA_ADDRESSES) ? region->guest_addr : region->user_addr;
}

static void put_region(const struct frontend *fe, struct vu_msg *msg, const struct frontend_region *region)
{
	const struct vu_xen_region x = {
		.region =
			{
				.guest_addr = region->guest_addr,
				.size = region->size,
				.user_addr = frontend_region_user(fe, region),
				.offset = region->offset,
			},
		.flags = region->xen_flags,
		.domid = region->xen_domid,
	};
	uint32_t size = frontend_has_protocol(fe, VU_PF_XEN_MMAP) ? sizeof(x) : sizeof(x.region);

	memcpy(msg->p.bytes + msg->h.size, &x, size);
	msg->h.size += size;
}

static void put_region_fd(struct vu_msg *msg, const struct frontend_region *region)
{
	if (region->fd >= 0 && !region->no_fd)
		msg->fds[msg->nfds++] = region->fd;
}

int frontend_add_mem_reg(struct frontend *fe, const struct frontend_region *region)
{
	struct vu_msg msg = frontend_msg(VU_ADD_MEM_REG, offsetof(struct vu_mem_reg, region));

	put_region(fe, &msg, region);
	put_region_fd(&msg, region);
	return frontend_tell(fe, &msg);
}

int frontend_rem_mem_reg(struct frontend *fe, const struct frontend_region *region)
{
	struct vu_msg msg = frontend_msg(VU_REM_MEM_REG, offsetof(struct vu_mem_reg, region));

	put_region(fe, &msg, region);
	return frontend_tell(fe, &msg);
}

int fe_mem_table(struct frontend *fe, struct vu_msg *out)
{
	unsigned int count = fe->mem ? frontend_mem_count(fe->mem) : 0;
	unsigned int max = frontend_has_protocol(fe, VU_PF_XEN_MMAP) ? VU_MAX_XEN_REGIONS : VU_MAX_REGIONS;
	struct vu_msg msg = frontend_msg(VU_SET_MEM_TABLE, offsetof(struct vu_mem_table, regions));

	if (count > max)
		return fe_fail(fe, -E2BIG, "%u regions do not fit into SET_MEM_TABLE", count);
	msg.p.table.nregions = count;
	for (unsigned int i = 0; i < count; i++) {
		const struct frontend_region *region = frontend_mem_region(fe->mem, i);

		put_region(fe, &msg, region);
		put_region_fd(&msg, region);
	}
	*out = msg;
	return 0;
}

int frontend_set_mem_table(struct frontend *fe)
{
	struct vu_msg msg;
	int err = fe_mem_table(fe, &msg);

	return err ? err : frontend_tell(fe, &msg);
}

int frontend_get_config(struct frontend *fe, uint32_t offset, void *buf, uint32_t size)
{
	struct vu_msg msg = frontend_msg(VU_GET_CONFIG, (uint32_t)VU_CONFIG_HEAD + size), answer;
	int err;

	if (size > VU_MAX_CONFIG_SIZE)
		return -EINVAL;
	msg.p.config.offset = offset;
	msg.p.config.size = size;
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	vu_msg_close_fds(&answer);
	/* The standard's error is an empty payload; others keep the head and say size 0 in it. */
	if (answer.h.size < msg.h.size && (answer.h.size == 0 || answer.p.config.size == 0))
		return fe_fail(fe, -EREMOTEIO, "GET_CONFIG was refused");
	if (answer.h.size != msg.h.size || answer.p.config.size != size || answer.p.config.offset != offset)
		return fe_fail(fe, -EPROTO, "GET_CONFIG of %u bytes at %u was answered with %u bytes, %u at %u", size,
			       offset, answer.h.size, answer.p.config.size, answer.p.config.offset);
	memcpy(buf, answer.p.config.data, size);
	return 0;
}

int frontend_set_config(struct frontend *fe, uint32_t offset, const void *buf, uint32_t size, uint32_t flags)
{
	struct vu_msg msg = frontend_msg(VU_SET_CONFIG, (uint32_t)VU_CONFIG_HEAD + size);

	if (size > VU_MAX_CONFIG_SIZE)
		return -EINVAL;
	msg.p.config.offset = offset;
	msg.p.config.size = size;
	msg.p.config.flags = flags;
	memcpy(msg.p.config.data, buf, size);
	return frontend_tell(fe, &msg);
}

int frontend_vring_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_msg msg = frontend_msg(request, sizeof(msg.p.state));

	msg.p.state.index = index;
	msg.p.state.num = num;
	return frontend_tell(fe, &msg);
}

int frontend_vring_addr(struct frontend *fe, const struct vu_vring_addr *addr)
{
	struct vu_msg msg = frontend_msg(VU_SET_VRING_ADDR, sizeof(msg.p.addr));

	msg.p.addr = *addr;
	return frontend_tell(fe, &msg);
}

int frontend_vring_fd(struct frontend *fe, uint32_t request, uint32_t index, int fd)
{
	struct vu_msg msg = frontend_msg(request, sizeof(msg.p.u64));

	msg.p.u64 = index;
	if (fd >= 0)
		msg.fds[msg.nfds++] = fd;
	else
		msg.p.u64 |= VU_VRING_NOFD;
	return frontend_tell(fe, &msg);
}

int frontend_get_inflight(struct frontend *fe, struct vu_inflight *about, int *fd)
{
	struct vu_msg msg = frontend_msg(VU_GET_INFLIGHT_FD, sizeof(msg.p.inflight)), answer;
	int err;

	msg.p.inflight = *about;
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	if (answer.h.size != sizeof(answer.p.inflight) || answer.nfds != 1) {
		vu_msg_close_fds(&answer);
		return fe_fail(fe, -EPROTO, "the answer to GET_INFLIGHT_FD has %u bytes and %u descriptors, not 24 and 1",
			       answer.h.size, answer.nfds);
	}
	about->size = answer.p.inflight.size;
	about->offset = answer.p.inflight.offset;
	*fd = answer.fds[0];
	return 0;
}

int frontend_set_inflight(struct frontend *fe, const struct vu_inflight *about, int fd)
{
	struct vu_msg msg = frontend_msg(VU_SET_INFLIGHT_FD, sizeof(msg.p.inflight));

	msg.p.inflight = *about;
	msg.fds[msg.nfds++] = fd;
	return frontend_tell(fe, &msg);
}

/* Gives one end of a pipe to the back end.  Returns the other, or a negative error. */
static int state_pipe(struct frontend *fe, uint32_t direction)
{
	struct vu_msg msg = frontend_msg(VU_SET_DEVICE_STATE_FD, sizeof(msg.p.device_state)), answer;
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC))
		return fe_fail(fe, -errno, "no pipe: %s", strerror(errno));
	int theirs = ends[direction == VU_STATE_SAVE ? 1 : 0], ours = ends[direction == VU_STATE_SAVE ? 0 : 1];

	/* Theirs blocks: not all look whether there is something to read. */
	fd_prepare(ours);
	msg.p.device_state.direction = direction;
	msg.fds[msg.nfds++] = theirs;
	err = frontend_ask(fe, &msg, &answer);
	close(theirs);
	if (!err) {
		vu_msg_close_fds(&answer);
		if (answer.h.size != sizeof(answer.p.u64) || answer.p.u64 != VU_VRING_NOFD)
			err = fe_fail(fe, -EREMOTEIO, "SET_DEVICE_STATE_FD was answered with 0x%llx",
				      (unsigned long long)answer.p.u64);
	}
	if (!err)
		return ours;
	close(ours);
	return err;
}

/* Closes our end, and asks what has become of it. */
static int state_check(struct frontend *fe, int fd)
{
	struct vu_msg msg = frontend_msg(VU_CHECK_DEVICE_STATE, 0), answer;
	int err;

	close(fd);
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	vu_msg_close_fds(&answer);
	return answer.p.u64 ? fe_fail(fe, -EREMOTEIO, "CHECK_DEVICE_STATE was answered with %llu",
				      (unsigned long long)answer.p.u64) :
			      0;
}

int frontend_save_state(struct frontend *fe, void **bytes, size_t *len)
{
	uint64_t deadline = fe_deadline(fe->timeout_ms);
	struct state s = {0};
	uint8_t chunk[4096];
	ssize_t n = -1;
	int err = 0, fd = state_pipe(fe, VU_STATE_SAVE);

	if (fd < 0)
		return fd;
	while (!err && n) {
		err = fe_turn(fe, fd, POLLIN, deadline);
		n = err > 0 ? read(fd, chunk, sizeof(chunk)) : -1;
		err = err < 0 ? err : 0;
		if (n > 0)
			state_append(&s, chunk, (size_t)n);
	}
	if (err)
		close(fd);
	else
		err = state_check(fe, fd);
	*bytes = s.bytes;
	*len = s.len;
	if (err)
		free(s.bytes);
	return err;
}

int frontend_load_state(struct frontend *fe, const void *bytes, size_t len)
{
	uint64_t deadline = fe_deadline(fe->timeout_ms);
	int err = 0, fd = state_pipe(fe, VU_STATE_LOAD);

	if (fd < 0)
		return fd;
	for (size_t done = 0; !err && done < len;) {
		ssize_t n;

		err = fe_turn(fe, fd, POLLOUT, deadline);
		n = err > 0 ? write(fd, (const char *)bytes + done, len - done) : 0;
		err = err < 0 ? err : 0;
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EPIPE)
			break; /* it has had enough: the check tells */
	}
	if (!err)
		return state_check(fe, fd);
	close(fd);
	return err;
}

/* Stops a ring by one of two messages. */
static int ask_base(struct frontend *fe, uint32_t request, uint32_t index, uint32_t *base)
{
	struct vu_msg msg = frontend_msg(request, sizeof(msg.p.state)), answer;
	int err;

	msg.p.state.index = index;
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	vu_msg_close_fds(&answer);
	/* Some refuse with the shape of an acknowledgement. */
	if (answer.h.size == sizeof(answer.p.u64) && answer.p.state.index != index)
		return fe_fail(fe, -EREMOTEIO, "%s was refused", vu_request_name(request));
	if (answer.h.size != sizeof(answer.p.state))
		return fe_fail(fe, -EPROTO, "the answer to %s has %u bytes, not 8", vu_request_name(request), answer.h.size);
	*base = answer.p.state.num;
	return 0;
}

int frontend_get_vring_base(struct frontend *fe, uint32_t index, uint32_t *base)
{
	return ask_base(fe, VU_GET_VRING_BASE, index, base);
}

int frontend_get_vring_base_skip_drain(struct frontend *fe, uint32_t index, uint32_t *base)
{
	return ask_base(fe, VU_GET_VRING_BASE_SKIP_DRAIN, index, base);
}
