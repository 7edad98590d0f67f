/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock.c - socket device: VIRTIO 1.4, section 5.10.  Queues, configuration space, options; see vsock.h for the rest.
 */
#include "devices/vsock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* Section 5.10.4, struct virtio_vsock_config. */
struct vsock_config {
	le64 guest_cid;
} __attribute__((packed));

/* Section 5.10.6.7, struct virtio_vsock_event. */
struct vsock_event {
	le32 id;
} __attribute__((packed));

#define VIRTIO_VSOCK_EVENT_TRANSPORT_RESET 0

/* Descriptors beside those of links: the loop, the front-end, its memory. */
#define OTHER_FDS 64

static struct vsock *to_vsock(struct vdev *d)
{
	return container_of(d, struct vsock, d);
}

/* Tells a driver that no connection of its past is alive, when that is due. */
static void event_send(struct vsock *v)
{
	const struct vsock_event event = {.id = htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET)};

	/* One buffer is in hand also when there is nothing to tell: a ring that cannot be trusted shows now. */
	while (v->event || (v->event = virtq_pop(vdev_queue(&v->d, VSOCK_EVENT)))) {
		if (!v->event_due)
			return;
		v->event_due = !chain_put(v->event, &event, sizeof(event));
		if (v->event_due)
			log_guest(&v->d.log, "event: a buffer without room for an event");
		virtq_push(v->event);
		v->event = NULL;
	}
}

/*
 * A ring is seen for the first time since all was forgotten.  Where it has been used before, its driver knew another process
 * in our place, or another connection to this one, or was moved here: it would wait for ever for what it knew.
 */
static void meet_driver(struct vsock *v, unsigned int q)
{
	if (v->met & BIT(q))
		return;
	v->met |= BIT(q);
	if (!virtq_fresh(vdev_queue(&v->d, q))) {
		v->met = BIT(VSOCK_RX) | BIT(VSOCK_TX);
		v->event_due = true;
		event_send(v);
	}
}

static void vsock_kick(struct vdev *d, unsigned int q)
{
	struct vsock *v = to_vsock(d);

	if (q == VSOCK_EVENT) {
		event_send(v);
		return;
	}
	meet_driver(v, q);
	if (q == VSOCK_RX)
		vsock_rx(v);
	else
		vsock_tx(v);
}

static void vsock_quiesce(struct vdev *d, unsigned int q)
{
	struct vsock *v = to_vsock(d);

	if (q == VSOCK_RX)
		vsock_rx_return(v);
	if (q == VSOCK_EVENT && v->event) {
		virtq_requeue(v->event);
		v->event = NULL;
	}
}

static void vsock_reset(struct vdev *d)
{
	struct vsock *v = to_vsock(d);

	vsock_links_reset(v);
	v->nresets = 0;
	v->tx_waits = false;
	v->event_due = false;
	v->met = 0;
}

static void vsock_config(struct vdev *d, void *buf)
{
	const struct vsock_config config = {.guest_cid = htole64(to_vsock(d)->guest_cid)};

	memcpy(buf, &config, sizeof(config));
}

/* Each link has a descriptor, a simulated one two. */
static int raise_fds(struct vsock *v)
{
	uint64_t want = v->max_links * (v->host == &vsock_sim_ops ? 2 : 1) + OTHER_FDS;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want)
		return 0;
	if (r.rlim_max != RLIM_INFINITY && r.rlim_max < want) {
		log_error(&v->d.log, "--max-connections=%ju: that takes %ju open files, and %ju are allowed (ulimit -n)",
			  (uintmax_t)v->max_links, (uintmax_t)want, (uintmax_t)r.rlim_max);
		return -EMFILE;
	}
	r.rlim_cur = (rlim_t)want;
	return setrlimit(RLIMIT_NOFILE, &r) < 0 ? -errno : 0;
}

static int vsock_check(struct vdev *d)
{
	struct vsock *v = to_vsock(d);

	if (!v->host)
		v->host = &vsock_unix_ops;
	if (v->host == &vsock_unix_ops && !v->uds_path) {
		log_usage(&d->log, "--uds-path is wanted (a path; or --backend=sim, to try a guest without anything else)");
		return -EINVAL;
	}
	return 0;
}

static int vsock_open(struct vdev *d)
{
	struct vsock *v = to_vsock(d);
	int err;

	err = raise_fds(v);
	if (err)
		return err;
	err = vsock_links_open(v);
	if (err) {
		log_error(&d->log, "--max-connections=%ju, --buffer-size=%ju: out of memory", (uintmax_t)v->max_links,
			  (uintmax_t)v->buf_size);
		return err;
	}
	err = v->host->open ? v->host->open(v) : 0;
	return err ? err : vsock_doors_open(v);
}

static void vsock_close(struct vdev *d)
{
	struct vsock *v = to_vsock(d);

	vsock_doors_close(v);
	vsock_links_close(v);
	if (v->host && v->host->close)
		v->host->close(v);
}

/* ---- options */

static int set_backend(void *obj, const char *value, char *why, size_t why_size)
{
	static const struct vsock_host_ops *const all[] = {&vsock_unix_ops, &vsock_sim_ops};
	struct vsock *v = obj;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (strcmp(value, all[i]->name) == 0) {
			v->host = all[i];
			return 0;
		}
	}
	snprintf(why, why_size, "unknown (unix or sim is wanted)");
	return -EINVAL;
}

static const struct vdev_queue_desc vsock_queues[] = {
	{.name = "rx", .size = 256, .max = 1024},
	{.name = "tx", .size = 256, .max = 1024},
	{.name = "event", .size = 16, .max = 1024},
};

static const struct vdev_feature vsock_feature_names[] = {
	{VIRTIO_VSOCK_F_STREAM, "stream"},
	{VIRTIO_VSOCK_F_SEQPACKET, "seqpacket"},
	{VIRTIO_VSOCK_F_NO_IMPLIED_STREAM, "no_implied_stream"},
	{0},
};

static const struct opt vsock_opts[] = {
	{
		.name = "guest-cid",
		.type = OPT_UINT,
		.off = offsetof(struct vsock, guest_cid),
		.arg = "CID",
		.def = "3",
		.min = 3,
		.max = 0xfffffffe,
		.help = "context id of the guest (3)",
		.man = "The guest's context identifier, from 3 to 4294967294.  The host's is 2.",
		.compat = "guest-cid",
	},
	{
		.name = "uds-path",
		.type = OPT_TEXT,
		.off = offsetof(struct vsock, uds_path),
		.arg = "PATH",
		.help = "Unix sockets: PATH to the guest, PATH_N from it",
		.man = "Connections of the guest to port N of the host go to the Unix stream socket PATH_N.  Programs of the host "
		       "connect to PATH, send CONNECT, a space, the guest's port in decimal and a newline, and read OK, a "
		       "space, their own port and a newline when the guest has accepted; where it has not, the socket is closed.",
		.compat = "uds-path",
	},
	{
		.name = "uds-seqpacket-path",
		.type = OPT_TEXT,
		.off = offsetof(struct vsock, uds_seqpacket),
		.arg = "PATH",
		.help = "Unix SOCK_SEQPACKET socket to the guest",
		.man = "Programs of the host that want a SEQPACKET socket of the guest's connect to this SOCK_SEQPACKET socket; else it "
		       "is as the PATH of --uds-path, each of the two lines a message.  From the guest no option is needed: PATH_N is "
		       "called with a socket of the type the guest's has.",
	},
	{
		.name = "backend",
		.type = OPT_CALL,
		.arg = "NAME",
		.def = "unix",
		.help = "unix, or sim: echo 7, discard 9, chargen 19",
		.man = "Where the guest's connections go.  unix: to Unix sockets, see --uds-path.  sim: to services inside, for "
		       "trying a guest without anything else: port 7 sends back what it gets, 9 reads and forgets, 19 sends lines "
		       "of characters without end; all other ports refuse.  With --uds-path as well, programs of the host reach the "
		       "guest.",
		.set = set_backend,
	},
	{
		.name = "buffer-size",
		.type = OPT_BYTES,
		.off = offsetof(struct vsock, buf_size),
		.arg = "BYTES",
		.def = "256K",
		.min = 4096,
		.max = 16 << 20,
		.help = "bytes held for a host that does not read (256K)",
		.man = "How many bytes of a connection are held when its peer on the host does not read; the guest may send so many "
		       "before it must wait.  A connection whose peer keeps up takes no such memory.",
		.compat = "tx-buffer-size",
	},
	{
		.name = "max-connections",
		.type = OPT_UINT,
		.off = offsetof(struct vsock, max_links),
		.arg = "N",
		.def = "1024",
		.min = 1,
		.max = 65536,
		.help = "connections at a time (1024)",
		.man = "The most connections at a time, in both directions together.  A guest's connection beyond it is refused; a "
		       "host's waits.  This and --buffer-size bound the memory: N times BYTES, 256 MiB as they are by default, when all "
		       "connections have a peer that does not read.",
	},
	{
		.name = "connect-timeout",
		.type = OPT_UINT,
		.off = offsetof(struct vsock, connect_timeout),
		.arg = "MS",
		.def = "2000",
		.min = 10,
		.max = 3600000,
		.help = "how long a connection may take to begin (2000)",
		.man = "How long a peer, guest or host, may take to accept a connection, and a program of the host to say which "
		       "port it wants, in milliseconds.",
	},
	{0},
};

static const struct vdev_compat vsock_compat = {
	.socket_spellings = "socket",
};

static const char *const vsock_examples[] = {
	"vdevd vsock --socket-path=/run/vsock.sock --guest-cid=3 --uds-path=/run/vm.vsock",
	"socat UNIX-LISTEN:/run/vm.vsock_5000,fork EXEC:date",
	"(echo CONNECT 22; cat) | socat - UNIX-CONNECT:/run/vm.vsock",
	"vdevd vsock --socket-path=/run/vsock.sock --backend=sim",
	"vhost-device-vsock --guest-cid=4 --socket=/run/vsock.sock --uds-path=/run/vm.vsock",
	NULL,
};

const struct vdev_class vdev_vsock_class = {
	.name = "vsock",
	.summary = "socket device",
	.about = "Gives a guest AF_VSOCK sockets, stream and SEQPACKET: connections with programs of the host, without a network.\n"
		 "\n"
		 "A connection is closed by halves, in both directions, as with other sockets.  What the guest has sent before it "
		 "closes still reaches the host, for a minute at most where nothing of it is read.  A connection nobody listens for "
		 "is refused at once.\n"
		 "\n"
		 "The host's bytes are read when the guest has room for them, the guest's are written as they come; "
		 "a side that does not read slows its own connection and no other.\n"
		 "\n"
		 "When another front-end comes, or the driver begins anew, all connections are reset.  A driver that goes on where "
		 "another vdevd or connection has left it is told (TRANSPORT_RESET).",
	.virtio_id = 19,
	.features = BIT(VIRTIO_VSOCK_F_STREAM) | BIT(VIRTIO_VSOCK_F_SEQPACKET) |
		    BIT(VIRTIO_VSOCK_F_NO_IMPLIED_STREAM),
	.feature_names = vsock_feature_names,
	.queues = vsock_queues,
	.nqueues = ARRAY_SIZE(vsock_queues),
	.config_size = sizeof(struct vsock_config),
	.opts = vsock_opts,
	.inst_size = sizeof(struct vsock),
	.compat = &vsock_compat,
	.examples = vsock_examples,
	.check = vsock_check,
	.open = vsock_open,
	.kick = vsock_kick,
	.quiesce = vsock_quiesce,
	.reset = vsock_reset,
	.config = vsock_config,
	.close = vsock_close,
};
