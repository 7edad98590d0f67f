/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * can_socket.c - a CAN interface of the host, by one non-blocking socket in the loop: Linux' SocketCAN
 * (Documentation/networking/can.rst).
 *
 * The socket receives its own frames, too (CAN_RAW_RECV_OWN_MSGS): that is how a controller acknowledges them.  While the
 * guest's controller is stopped its filters let nothing through, so that nothing wakes the loop.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/can.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>

#include "devices/can/can_host.h"
#include "devices/can/can_link.h"

/* Frames that are read before other watchers have their turn. */
#define BURST 64

#define RECEIVE_BUFFER (1 << 20) /* bytes, as far as the host allows */
#define UNPLUGGED_RETRY 1.0	 /* s */

/* The most filters of the kernel that are used, of the 512 that there can be. */
#define FILTERS_MAX 256

struct can_host {
	const struct can_host_args *args;
	int fd;
	bool knows_fd, up;
	bool unplugged;	     /* the socket is bound to nothing */
	uint32_t overflowed; /* as the kernel counts */
	struct ev_io io;
	struct ev_timer retry;
	struct can_filter filters[FILTERS_MAX];
	unsigned int nfilters;
};

static const struct sandbox_call socket_calls[] = {
	{.name = "sendto", .why = "frames to --interface"},
	{.name = "recvmsg", .why = "frames of --interface"},
	{.name = "setsockopt", .why = "filters of CAN frames", .checks = {{1, SANDBOX_IS, SOL_CAN_RAW}}},
	{.name = "ioctl", .why = "whether --interface is up", .checks = {{1, SANDBOX_IS, SIOCGIFFLAGS}}},
	{.name = "ioctl", .why = "whether --interface is back", .checks = {{1, SANDBOX_IS, SIOCGIFINDEX}}},
	{.name = "bind", .why = "--interface that is back"},
	{0},
};

static void socket_needs(const struct can_host_args *args, struct sandbox *s)
{
	sandbox_calls(s, socket_calls);
}

static struct ifreq request_for(const struct can_host *h)
{
	struct ifreq r = {0};

	memcpy(r.ifr_name, h->args->interface, strlen(h->args->interface));
	return r;
}

/* ---- the kernel's filters: none are set where they would be too many, and can.c looks at each frame anyway */

static bool filter_add(struct can_host *h, uint64_t id, uint64_t mask)
{
	if (h->nfilters == FILTERS_MAX)
		return false;
	h->filters[h->nfilters++] = (struct can_filter){.can_id = (canid_t)id, .can_mask = (canid_t)mask};
	return true;
}

/* A range is so many blocks, each the largest that begins where the last one ended. */
static bool filter_range(struct can_host *h, uint64_t first, uint64_t last)
{
	while (first <= last) {
		uint64_t size = 1;

		while (!(first & size) && first + 2 * size - 1 <= last && size < BIT(31))
			size *= 2;
		if (!filter_add(h, first, (CAN_EFF_FLAG | CAN_EFF_MASK) & ~(size - 1)))
			return false;
		first += size;
	}
	return true;
}

static bool filter_set(struct can_host *h, const struct policy_set *set)
{
	for (unsigned int i = 0; i < set->n; i++) {
		const struct policy_item *item = &set->items[i];

		if (!(item->mask ? filter_add(h, item->first, item->mask) : filter_range(h, item->first, item->last)))
			return false;
	}
	return true;
}

/* Echoes of our own frames pass the filters, too: they are acknowledgements. */
static void filters_make(struct can_host *h)
{
	const struct can_host_args *a = h->args;
	bool all = !a->allow_rx->n || !a->allow_tx->n;

	if (!all && filter_set(h, a->allow_rx) && filter_set(h, a->allow_tx))
		return;
	h->nfilters = 0;
	filter_add(h, 0, 0);
}

static int filters_apply(const struct can_host *h, bool open)
{
	can_err_mask_t errors = open ? CAN_ERR_MASK : 0;

	if (setsockopt(h->fd, SOL_CAN_RAW, CAN_RAW_FILTER, open ? h->filters : NULL,
		       open ? (socklen_t)(h->nfilters * sizeof(h->filters[0])) : 0) < 0)
		return -errno;
	return setsockopt(h->fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, &errors, sizeof(errors)) < 0 ? -errno : 0;
}

/* ---- from the bus */

/*
 * The state as the frame says it, or as it follows from the counters (ISO 11898-1) where it says those alone.  Returns false: it
 * says neither.
 */
static bool error_state(const struct can_frame *f, enum can_state *state)
{
	const unsigned int crtl = f->can_id & CAN_ERR_CRTL ? f->data[1] : 0;
	const unsigned int most = f->data[6] > f->data[7] ? f->data[6] : f->data[7];

	if (crtl & (CAN_ERR_CRTL_RX_PASSIVE | CAN_ERR_CRTL_TX_PASSIVE))
		*state = CAN_ERROR_PASSIVE;
	else if (crtl & (CAN_ERR_CRTL_RX_WARNING | CAN_ERR_CRTL_TX_WARNING))
		*state = CAN_ERROR_WARNING;
	else if (crtl & CAN_ERR_CRTL_ACTIVE)
		*state = CAN_ERROR_ACTIVE;
	else if (f->can_id & CAN_ERR_CNT)
		*state = can_state_of(most);
	else
		return false;
	return true;
}

static void error_frame(struct can_host *h, const struct can_frame *f)
{
	enum can_state state;
	const struct can_user_ops *tell = h->args->ops;
	void *user = h->args->user;
	char what[80];

	if (error_state(f, &state))
		tell->counters(user, state, f->data[6], f->data[7]);
	if (f->can_id & CAN_ERR_BUSOFF) {
		tell->bus_off(user);
		return;
	}
	snprintf(what, sizeof(what), "class 0x%x, %02x %02x %02x %02x %02x", f->can_id & CAN_ERR_MASK, f->data[0], f->data[1],
		 f->data[2], f->data[3], f->data[4]);
	tell->error(user, what);
}

static struct can_msg msg_of(const struct canfd_frame *f, bool fd)
{
	struct can_msg m = {.len = (uint8_t)min_size(f->len, fd ? CAN_FD_MAX : CAN_CLASSIC_MAX)};

	m.flags = f->can_id & CAN_EFF_FLAG ? CAN_FLAG_EXTENDED : 0;
	m.id = f->can_id & (m.flags ? CAN_EFF_MASK : CAN_SFF_MASK);
	if (fd)
		m.flags |= CAN_FLAG_FD;
	else if (f->can_id & CAN_RTR_FLAG)
		m.flags |= CAN_FLAG_RTR;
	if (!(m.flags & CAN_FLAG_RTR))
		memcpy(m.data, f->data, m.len);
	return m;
}

/* The number of frames the socket has lost so far comes with each frame, once there is one. */
static void overflow_look(struct can_host *h, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		uint32_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&n, CMSG_DATA(c), sizeof(n));
		if (n != h->overflowed)
			h->args->ops->lost(h->args->user, n - h->overflowed);
		h->overflowed = n;
	}
}

/* Reads one frame.  Returns whether there may be more. */
static bool frame_read(struct can_host *h, bool tell)
{
	struct canfd_frame f = {0};
	char control[CMSG_SPACE(sizeof(uint32_t))];
	struct iovec iov = {&f, sizeof(f)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(h->fd, &msg, MSG_DONTWAIT);
	struct can_msg m;

	if (n < 0 && (errno == ENETDOWN || errno == ENODEV)) {
		h->unplugged |= errno == ENODEV;
		if (h->unplugged)
			ev_timer_again(h->args->d->loop, &h->retry);
		if (tell)
			h->args->ops->down(h->args->user, -errno);
		return true;
	}
	if (n < 0)
		return errno == EINTR;
	if (!tell || (n != CAN_MTU && n != CANFD_MTU))
		return true;
	overflow_look(h, &msg);
	if (f.can_id & CAN_ERR_FLAG) {
		error_frame(h, (const struct can_frame *)(const void *)&f);
		return true;
	}
	m = msg_of(&f, n == CANFD_MTU);
	if (msg.msg_flags & MSG_CONFIRM)
		h->args->ops->sent(h->args->user, &m);
	else
		h->args->ops->received(h->args->user, &m);
	return true;
}

static void frames_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct can_host *h = container_of(w, struct can_host, io);

	for (unsigned int i = 0; i < BURST && h->up && frame_read(h, true); i++)
		;
}

/* ---- the interface */

static int socket_bind(struct can_host *h)
{
	struct ifreq r = request_for(h);
	struct sockaddr_can at = {.can_family = AF_CAN};

	if (ioctl(h->fd, SIOCGIFINDEX, &r) < 0)
		return -errno;
	at.can_ifindex = r.ifr_ifindex;
	return bind(h->fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
}

static void plugged_look(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct can_host *h = container_of(w, struct can_host, retry);

	/* The kernel forgot the filters with the interface. */
	if (socket_bind(h) < 0 || filters_apply(h, h->up) < 0)
		return;
	ev_timer_stop(loop, w);
	h->unplugged = false;
	log_info(&h->args->d->log, "--interface=%s: it is back", h->args->interface);
}

static int socket_setup(struct can_host *h)
{
	const int on = 1, size = RECEIVE_BUFFER, priority = (int)h->args->priority;
	struct ifreq r = request_for(h);
	int err;

	h->fd = socket(PF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW);
	if (h->fd < 0)
		return -errno;
	err = filters_apply(h, false);
	if (err)
		return err;
	if (ioctl(h->fd, SIOCGIFMTU, &r) < 0)
		return -errno;
	h->knows_fd = r.ifr_mtu >= (int)CANFD_MTU;
	if (setsockopt(h->fd, SOL_CAN_RAW, CAN_RAW_RECV_OWN_MSGS, &on, sizeof(on)) < 0 ||
	    setsockopt(h->fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on)) < 0 ||
	    (h->knows_fd && setsockopt(h->fd, SOL_CAN_RAW, CAN_RAW_FD_FRAMES, &on, sizeof(on)) < 0) ||
	    (priority && setsockopt(h->fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)) < 0))
		return -errno;
	/* Without it frames are lost sooner. */
	(void)setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return socket_bind(h);
}

static void socket_stop(struct can_host *h)
{
	ev_io_stop(h->args->d->loop, &h->io);
	ev_timer_stop(h->args->d->loop, &h->retry);
	if (h->fd >= 0)
		close(h->fd);
	free(h);
}

static int socket_start(const struct can_host_args *args, struct can_host **out, bool *fd)
{
	struct can_host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->args = args;
	h->fd = -1;
	ev_init(&h->io, frames_ready);
	ev_timer_init(&h->retry, plugged_look, 0., UNPLUGGED_RETRY);
	filters_make(h);
	err = args->bitrate ? can_link_up(args->interface, args->bitrate, args->data_bitrate) : 0;
	if (err) {
		log_error(&args->d->log, "--bitrate=%u: %s: %s%s", args->bitrate, args->interface, strerror(-err),
			  err == -EPERM	       ? " (CAP_NET_ADMIN is wanted)"
			  : err == -EOPNOTSUPP ? " (it has no bit rate)"
			  : err == -EAFNOSUPPORT ? " (it is no CAN interface)"
					       : "");
		socket_stop(h);
		return err;
	}
	err = socket_setup(h);
	if (err) {
		log_error(&args->d->log, "--interface=%s: %s (a CAN interface is wanted: can0, vcan0; ip link show shows them)",
			  args->interface, strerror(-err));
		socket_stop(h);
		return err;
	}
	ev_io_set(&h->io, h->fd, EV_READ);
	*out = h;
	*fd = h->knows_fd;
	return 0;
}

static int socket_up(struct can_host *h)
{
	struct ifreq r = request_for(h);
	int err;

	/* What came before is stale; the filters let nothing new in. */
	for (unsigned int i = 0; i < 65536 && frame_read(h, false); i++)
		;
	if (h->unplugged)
		return -ENODEV;
	if (ioctl(h->fd, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	if (!(r.ifr_flags & IFF_UP))
		return -ENETDOWN;
	err = filters_apply(h, true);
	if (err)
		return err;
	h->up = true;
	ev_io_start(h->args->d->loop, &h->io);
	return 0;
}

static void socket_down(struct can_host *h)
{
	h->up = false;
	ev_io_stop(h->args->d->loop, &h->io);
	(void)filters_apply(h, false);
}

static int socket_send(struct can_host *h, const struct can_msg *m)
{
	struct canfd_frame f = {.can_id = m->id, .len = m->len};
	bool fd = m->flags & CAN_FLAG_FD;

	if (h->unplugged)
		return -ENODEV;
	f.can_id |= m->flags & CAN_FLAG_EXTENDED ? CAN_EFF_FLAG : 0;
	f.can_id |= m->flags & CAN_FLAG_RTR ? CAN_RTR_FLAG : 0;
	f.flags = fd && h->args->brs ? CANFD_BRS : 0;
	memcpy(f.data, m->data, m->len);
	if (send(h->fd, &f, fd ? CANFD_MTU : CAN_MTU, MSG_DONTWAIT) >= 0)
		return 0;
	return errno == ENOBUFS || errno == EINTR ? -EAGAIN : -errno;
}

const struct can_host_ops can_socket_ops = {
	.needs = socket_needs,
	.start = socket_start,
	.stop = socket_stop,
	.up = socket_up,
	.down = socket_down,
	.send = socket_send,
};
