/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend.c - a small vhost-user front-end, as a whole: its life, what is negotiated, and what the back end asks of it.
 * QEMU docs/interop/vhost-user.rst.
 */
#include "transport/frontend/frontend_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/ring/virtq.h"

/* Takes one request of the back channel.  Returns what to answer: 0 or 1, and *fd. */
static uint64_t back_handle(struct frontend *fe, const struct vu_msg *msg, int *fd)
{
	unsigned int index = msg->p.state.index;
	struct fe_queue *queue = index < FRONTEND_MAX_QUEUES ? fe->queues[index] : NULL;

	switch (msg->h.request) {
	case VU_BACKEND_IOTLB_MSG:
		if (fe_iotlb_handle(fe, msg))
			break;
		return 0;
	case VU_BACKEND_CONFIG_CHANGE_MSG:
		fe->config_changes++;
		return 0;
	case VU_BACKEND_VRING_CALL:
	case VU_BACKEND_VRING_ERR:
		if (msg->h.size != sizeof(msg->p.state) || !queue)
			break;
		if (msg->h.request == VU_BACKEND_VRING_CALL)
			queue->calls++;
		else
			queue->errs++;
		return 0;
	case VU_BACKEND_SHARED_OBJECT_ADD:
	case VU_BACKEND_SHARED_OBJECT_REMOVE:
	case VU_BACKEND_SHARED_OBJECT_LOOKUP:
	case VU_BACKEND_SHMEM_MAP:
	case VU_BACKEND_SHMEM_UNMAP:
		return fe_shared_handle(fe, msg, fd);
	}
	fe->back_errors++;
	return 1;
}

static int fe_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int sock;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len);

	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr))) {
		int err = -errno;

		close(sock);
		return err;
	}
	return sock;
}

int frontend_new(const struct frontend_opts *opts, struct frontend **out)
{
	int sock = opts->path ? fe_connect(opts->path) : opts->fd;
	struct frontend *fe;

	*out = NULL;
	if (sock < 0)
		return sock;
	fe = calloc(1, sizeof(*fe));
	if (!fe) {
		close(sock);
		return -ENOMEM;
	}
	fe->sock = sock;
	fe->back = -1;
	fe->back_handle = back_handle;
	fe->timeout_ms = opts->timeout_ms ? opts->timeout_ms : FRONTEND_TIMEOUT_MS;
	fe->pump = opts->pump;
	fe->pump_arg = opts->pump_arg;
	fe->acks = true;
	*out = fe;
	return 0;
}

int frontend_reconnect(struct frontend *fe, const char *path)
{
	int sock = fe_connect(path);

	if (sock < 0)
		return sock;
	vu_reader_next(&fe->reader);
	vu_reader_next(&fe->back_reader);
	if (fe->back >= 0)
		close(fe->back);
	fe->back = -1;
	fe->back_replying = false;
	close(fe->sock);
	fe->sock = sock;
	fe->features = fe->protocol = 0;
	fe->log.on = false;
	fe_shared_reset(fe, false);
	return 0;
}

void frontend_free(struct frontend *fe)
{
	if (!fe)
		return;
	for (unsigned int q = 0; q < FRONTEND_MAX_QUEUES; q++)
		frontend_queue_close(fe, q);
	vu_reader_next(&fe->reader);
	vu_reader_next(&fe->back_reader);
	if (fe->back >= 0)
		close(fe->back);
	close(fe->sock);
	frontend_mem_free(fe->mem);
	fe_log_free(fe);
	fe_shared_reset(fe, true);
	free(fe);
}

int frontend_make_mem(struct frontend *fe, const struct frontend_mem_ops *ops, const struct frontend_region *regions,
		      unsigned int count)
{
	struct frontend_mem *mem;
	int err = frontend_mem_new(ops, regions, count, &mem);

	if (err)
		return fe_fail(fe, err, "no memory to share: %s", strerror(-err));
	frontend_mem_free(fe->mem);
	fe->mem = mem;
	return 0;
}

int frontend_reset_device(struct frontend *fe)
{
	fe_shared_reset(fe, false);
	return frontend_tell_empty(fe, VU_RESET_DEVICE);
}

int frontend_negotiate(struct frontend *fe, uint64_t features, uint64_t protocol_features)
{
	uint64_t offered, protocol_offered;
	int err = frontend_tell_empty(fe, VU_SET_OWNER);

	if (err)
		return err;
	err = frontend_ask_u64(fe, VU_GET_FEATURES, &offered);
	if (err)
		return err;
	if (offered & BIT(VHOST_USER_F_PROTOCOL_FEATURES)) {
		err = frontend_ask_u64(fe, VU_GET_PROTOCOL_FEATURES, &protocol_offered);
		if (err)
			return err;
		err = frontend_set_protocol_features(fe, protocol_features & protocol_offered);
		if (err)
			return err;
	}
	return frontend_set_features(fe, features & offered);
}

int frontend_open_back_channel(struct frontend *fe)
{
	struct vu_msg msg = frontend_msg(VU_SET_BACKEND_REQ_FD, 0);
	int pair[2];
	int err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return fe_fail(fe, -errno, "no socket pair: %s", strerror(errno));
	if (fe->back >= 0)
		close(fe->back);
	vu_reader_next(&fe->back_reader);
	fe->back = pair[0];
	fe->back_replying = false;
	msg.fds[msg.nfds++] = pair[1];
	err = frontend_tell(fe, &msg);
	close(pair[1]);
	return err;
}

int frontend_wait_config_change(struct frontend *fe)
{
	uint64_t deadline = fe_deadline(fe->timeout_ms);

	while (!fe->config_changes) {
		int ready = fe_turn(fe, -1, 0, deadline);

		if (ready < 0)
			return fe_fail(fe, ready, "no CONFIG_CHANGE_MSG: %s", strerror(-ready));
	}
	fe->config_changes--;
	return 0;
}
