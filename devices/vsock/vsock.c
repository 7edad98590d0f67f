/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock.c - socket device: VIRTIO 1.4, section 5.10.  Queues, configuration space, options; see vsock.h for the rest.
 */
#include "devices/vsock/vsock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/words.h"

/* Section 5.10.4, struct virtio_vsock_config. */
struct vsock_config {
	le64 guest_cid;
} __attribute__((packed));

/* Section 5.10.6.7, struct virtio_vsock_event. */
struct vsock_event {
	le32 id;
} __attribute__((packed));

#define VIRTIO_VSOCK_EVENT_TRANSPORT_RESET 0

/* How many there are where nobody says how many. */
#define VSOCK_DEFAULT_LINKS 1024

static struct vsock *to_vsock(struct vdev *d)
{
	return container_of(d, struct vsock, d);
}

/* ---- packets */

/* Answers to packets that belong to no connection. */
static void send_resets(struct vsock *v)
{
	while (v->nresets && vsock_rx_chain(v)) {
		vsock_rx_push(v, &v->resets[v->reset_first]);
		v->reset_first = (v->reset_first + 1) % VSOCK_RESETS;
		v->nresets--;
	}
}

/* Gives the guest what is for it, as far as there are rx buffers. */
static void pump(struct vsock *v)
{
	send_resets(v);
	if (!v->nresets)
		vsock_links_serve(v);
	if (v->tx_waits && v->nresets < VSOCK_RESETS)
		virtq_again(vdev_queue(&v->d, VSOCK_TX));
}

/* Answers with a RST; there is room: see tx_serve. */
static void refuse(struct vsock *v, const struct vsock_packet *p)
{
	if (p->op == VSOCK_OP_RST)
		return;
	vsock_packet_reset(p, &v->resets[(v->reset_first + v->nresets) % VSOCK_RESETS]);
	v->nresets++;
}

/* A packet that belongs to no connection there is. */
static void tx_stray(struct vsock *v, const struct vsock_packet *p)
{
	bool there = p->dst_cid == VSOCK_CID_HOST || v->ngroups;

	if (p->op != VSOCK_OP_REQUEST || p->len || !there || !vsock_link_dial(v, p))
		refuse(v, p);
}

/* Whether the driver has accepted sockets of this type: section 5.10.3.1. */
static bool type_served(const struct vsock *v, uint16_t type)
{
	uint64_t f = v->d.features;

	if (type == VSOCK_TYPE_SEQPACKET)
		return f & BIT(VIRTIO_VSOCK_F_SEQPACKET);
	return type == VSOCK_TYPE_STREAM && (f & BIT(VIRTIO_VSOCK_F_STREAM) || !(f & BIT(VIRTIO_VSOCK_F_NO_IMPLIED_STREAM)));
}

static void tx_packet(struct vsock *v, struct chain *c)
{
	struct vsock_link *l = NULL;
	struct vsock_packet p;
	struct vsock_hdr hdr;
	bool sound = chain_get(c, &hdr, sizeof(hdr)), ours;

	if (sound)
		vsock_packet_get(&p, &hdr);
	if (!sound || (p.op == VSOCK_OP_RW && p.len > chain_readable(c))) {
		log_guest(&v->d.log, "tx: a packet shorter than it says");
		virtq_push(c);
		return;
	}
	ours = p.src_cid == v->guest_cid && type_served(v, p.type);
	if (ours)
		l = vsock_link_find(v, &p);
	if (v->batch.link && (v->batch.link != l || p.op != VSOCK_OP_RW))
		vsock_links_flush(v);
	if (l && l->conn.type == p.type) {
		vsock_link_receive(l, &p, c);
		return;
	}
	virtq_push(c);
	if (ours && !l)
		tx_stray(v, &p);
	else
		refuse(v, &p);
}

static void tx_serve(struct vsock *v)
{
	struct chain *c;

	v->tx_waits = false;
	while (v->nresets < VSOCK_RESETS && (c = virtq_pop(vdev_queue(&v->d, VSOCK_TX))))
		tx_packet(v, c);
	v->tx_waits = v->nresets == VSOCK_RESETS;
	vsock_links_flush(v);
	pump(v);
}

static void rx_serve(struct vsock *v)
{
	vsock_rx_turn(v, true);
	pump(v);
	vsock_rx_turn(v, false);
}

/* ---- the contract */

/* Tells a driver that no connection of its past is alive.  Once is enough: where that waits already, this one is lost. */
static void tell_reset(struct vsock *v)
{
	const struct vsock_event event = {.id = htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET)};

	events_put(&v->events, &event, sizeof(event));
}

/*
 * A ring has begun, for the first time since all was forgotten.  If the ring has been used before, the driver remembers
 * connections that we do not have: we were restarted, or the guest has moved here.  Without TRANSPORT_RESET it would wait for
 * them for ever.
 */
static void vsock_start(struct vdev *d, unsigned int q)
{
	struct vsock *v = to_vsock(d);

	if (q == VSOCK_EVENT || v->met & BIT(q))
		return;
	v->met |= BIT(q);
	if (virtq_fresh(vdev_queue(d, q)))
		return;
	v->met = BIT(VSOCK_RX) | BIT(VSOCK_TX);
	tell_reset(v);
}

static void vsock_kick(struct vdev *d, unsigned int q)
{
	struct vsock *v = to_vsock(d);

	if (q == VSOCK_EVENT) {
		events_kick(&v->events);
		return;
	}
	if (q == VSOCK_RX)
		rx_serve(v);
	else
		tx_serve(v);
}

static void vsock_quiesce(struct vdev *d, unsigned int q)
{
	struct vsock *v = to_vsock(d);

	if (q == VSOCK_RX)
		vsock_rx_return(v);
	if (q == VSOCK_EVENT)
		events_quiesce(&v->events);
}

static void vsock_reset(struct vdev *d)
{
	struct vsock *v = to_vsock(d);

	vsock_links_reset(v);
	v->nresets = 0;
	v->tx_waits = false;
	events_reset(&v->events);
	v->met = 0;
}

static void vsock_config(struct vdev *d, void *buf)
{
	const struct vsock_config config = {.guest_cid = htole64(to_vsock(d)->guest_cid)};

	memcpy(buf, &config, sizeof(config));
}

/* Records: the guest's CID, and whether it has been here. */
static void vsock_save(struct vdev *d, struct state *s)
{
	const struct vsock *v = to_vsock(d);
	const le64 cid = htole64(v->guest_cid);
	const uint8_t met = v->met != 0;

	state_put(s, "guest-cid", &cid, sizeof(cid));
	state_put(s, "met", &met, sizeof(met));
}

/* Sockets of a host cannot be moved: the guest is told that its connections are gone. */
static int vsock_load(struct vdev *d, const struct state_record *r)
{
	struct vsock *v = to_vsock(d);
	le64 cid;
	uint8_t met;

	if (strcmp(r->name, "guest-cid") == 0 && r->len == sizeof(cid)) {
		memcpy(&cid, r->bytes, sizeof(cid));
		if (le64toh(cid) == v->guest_cid)
			return 0;
		log_guest(&d->log, "the state is of a guest with --guest-cid=%ju, and here is --guest-cid=%ju: the same is wanted",
			  (uintmax_t)le64toh(cid), (uintmax_t)v->guest_cid);
		return -EINVAL;
	}
	if (strcmp(r->name, "met") != 0 || r->len != sizeof(met))
		return -EINVAL;
	memcpy(&met, r->bytes, sizeof(met));
	if (met > 1)
		return -EINVAL;
	if (met)
		tell_reset(v);
	v->met = met ? BIT(VSOCK_RX) | BIT(VSOCK_TX) : 0;
	return 0;
}

/* Descriptors for so many links: each has one, a simulated one two; and the sockets that listen. */
static uint64_t links_fds(const struct vsock *v, uint64_t links)
{
	unsigned int doors = 2 * v->ngroups + v->nlisten;

	doors += v->uds_path ? 1 : 0;
	doors += v->uds_seqpacket ? 1 : 0;
	return links * (v->host == &vsock_sim_ops ? 2 : 1) + doors;
}

static unsigned int vsock_fds(const struct vdev *d)
{
	const struct vsock *v = container_of(d, const struct vsock, d);
	uint64_t want = links_fds(v, v->max_links ? v->max_links : VSOCK_DEFAULT_LINKS);

	return (unsigned int)min_u64(want, vdev_fds_allowed(d));
}

/* How many links there can be: what --max-connections says, or else the default as far as the limit of open files goes. */
static int links_fit(struct vsock *v)
{
	const uint64_t allowed = vdev_fds_allowed(&v->d);
	uint64_t links = v->max_links ? v->max_links : VSOCK_DEFAULT_LINKS;

	if (v->max_links && links_fds(v, links) > allowed) {
		log_error(&v->d.log, "--max-connections=%ju: that takes %ju open files, and the limit (ulimit -Hn) leaves %ju",
			  (uintmax_t)links, (uintmax_t)links_fds(v, links), (uintmax_t)allowed);
		return -EMFILE;
	}
	while (links > 1 && links_fds(v, links) > allowed)
		links--;
	if (links < VSOCK_DEFAULT_LINKS && !v->max_links)
		log_info(&v->d.log, "%ju connections at most, for the limit of open files (ulimit -Hn)", (uintmax_t)links);
	v->max_links = links;
	return 0;
}

/* Whether sockets can have the paths that the options make. */
static int check_paths(struct vsock *v)
{
	/* The longest name is that of the last port's socket. */
	if (v->uds_path && (!*v->uds_path || strlen(v->uds_path) + sizeof("_4294967295") - 1 > UNIX_PATH_LEN)) {
		log_usage(&v->d.log, "--uds-path=%s: a path of 1 to %zu characters is wanted", v->uds_path,
			  UNIX_PATH_LEN - (sizeof("_4294967295") - 1));
		return -EINVAL;
	}
	if (v->uds_seqpacket && !unix_path_fits(v->uds_seqpacket)) {
		log_usage(&v->d.log, "--uds-seqpacket-path=%s: a path of 1 to %u characters is wanted", v->uds_seqpacket, UNIX_PATH_LEN);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < v->ngroups; i++) {
		const char *dir = v->groups[i].dir;
		char path[UNIX_PATH_LEN + 1];

		if (*dir && vsock_group_path(dir, v->guest_cid, VSOCK_TYPE_SEQPACKET, path, sizeof(path)))
			continue;
		log_usage(&v->d.log, "--group=%s: a directory is wanted, and DIR/%ju.seqpacket is to have at most %u characters", dir,
			  (uintmax_t)v->guest_cid, UNIX_PATH_LEN);
		return -EINVAL;
	}
	return 0;
}

/* --backend; in this order. */
static const char *const backends[] = {"unix", "sim", NULL};
static const struct vsock_host_ops *const backend_ops[] = {&vsock_unix_ops, &vsock_sim_ops};

static int vsock_check(struct vdev *d)
{
	struct vsock *v = to_vsock(d);

	v->host = backend_ops[v->backend];
	if (v->forward_cid && (v->uds_path || v->host == &vsock_sim_ops)) {
		log_usage(&d->log, "--forward-cid: says where the guest's connections go, and so does %s: one of them",
			  v->uds_path ? "--uds-path" : "--backend=sim");
		return -EINVAL;
	}
	if (v->forward_cid)
		v->host = &vsock_forward_ops;
	if (v->host == &vsock_unix_ops && !v->uds_path && !v->uds_seqpacket && !v->rules.nmaps && !v->nlisten && !v->ngroups) {
		log_usage(&d->log, "--uds-path is wanted (a path; or --map, --forward-cid, --forward-listen, --group; or --backend=sim, "
				   "to try a guest without anything else)");
		return -EINVAL;
	}
	return check_paths(v);
}

/*
 * Packets that sockets and timers have caused leave at the end of the loop's turn, before the transport tells the driver
 * of what its turn has used.
 */
static void turn_ends(struct ev_loop *loop, struct ev_prepare *w, int revents)
{
	struct vsock *v = container_of(w, struct vsock, turn_end);

	v->redials = 0;
	pump(v);
}

static void vsock_needs(const struct vdev *d, struct sandbox *s)
{
	const struct vsock *v = container_of(d, struct vsock, d);

	vsock_links_need(s);
	vsock_rules_need(v, s);
	vsock_doors_need(v, s);
	(v->host ? v->host : &vsock_unix_ops)->needs(v, s);
}

static int vsock_open(struct vdev *d)
{
	struct vsock *v = to_vsock(d);
	int err;

	ev_prepare_init(&v->turn_end, turn_ends);
	ev_set_priority(&v->turn_end, EV_MAXPRI);

	err = links_fit(v);
	if (err)
		return err;
	err = events_open(&v->events, d, &(struct events_opts){.queue = VSOCK_EVENT, .record = sizeof(struct vsock_event), .room = 1});
	if (!err)
		err = vsock_links_open(v);
	if (err) {
		log_error(&d->log, "--max-connections=%ju, --buffer-size=%ju: %s", (uintmax_t)v->max_links, (uintmax_t)v->buf_size,
			  strerror(-err));
		return err;
	}
	err = v->host->open ? v->host->open(v) : 0;
	if (!err)
		err = vsock_doors_open(v);
	if (!err)
		ev_prepare_start(d->loop, &v->turn_end);
	return err;
}

static void vsock_close(struct vdev *d)
{
	struct vsock *v = to_vsock(d);

	ev_prepare_stop(d->loop, &v->turn_end);
	vsock_doors_close(v);
	vsock_links_close(v);
	events_close(&v->events);
	if (v->host && v->host->close)
		v->host->close(v);
}

/* ---- options */

static int set_allow(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct vsock *v = obj;

	return vsock_rules_add(&v->rules, true, value, why, why_size);
}

static int set_deny(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct vsock *v = obj;

	return vsock_rules_add(&v->rules, false, value, why, why_size);
}

static int set_map(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct vsock *v = obj;

	return vsock_rules_map(&v->rules, value, why, why_size);
}

/* "PORT", with "/seqpacket" behind it or not. */
static int add_forward_listen(void *obj, struct word w, char *why, size_t why_size)
{
	struct vsock *v = obj;
	struct word number = w, type;
	bool messages = word_cut(&number, '/', &type);
	uint64_t port;

	if ((messages && !word_is(&type, "seqpacket")) || word_number(&number, &port) < 0 || port >= UINT32_MAX) {
		snprintf(why, why_size, "ports are wanted, PORT or PORT/seqpacket, with + between");
		return -EINVAL;
	}
	if (v->nlisten == VSOCK_LISTENS) {
		snprintf(why, why_size, "too many ports (%u at most)", VSOCK_LISTENS);
		return -EINVAL;
	}
	v->listen[v->nlisten++] = (struct vsock_listen){.port = (uint32_t)port, .type = messages ? VSOCK_TYPE_SEQPACKET : VSOCK_TYPE_STREAM};
	return 0;
}

static int set_forward_listen(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return words_each(value, '+', add_forward_listen, obj, why, why_size);
}

static int refuse_config(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	snprintf(why, why_size, "no such file is read: start a process for each of its vms, with --guest-cid, --socket, --uds-path");
	return -EINVAL;
}

static int set_groups(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	if (strcmp(value, "default") == 0)
		return 0;
	snprintf(why, why_size, "guests meet in directories: --group=DIR for each of their groups; here only \"default\" can be said");
	return -EINVAL;
}

static int add_group(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct vsock *v = obj;

	if (v->ngroups == VSOCK_GROUPS) {
		snprintf(why, why_size, "too many groups (%u at most)", VSOCK_GROUPS);
		return -EINVAL;
	}
	v->groups[v->ngroups++].dir = value;
	return 0;
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
		.help = "context id of the guest",
		.man = MAN("The guest's context identifier, from 3 to 4294967294.  The host's is 2."),
		.compat = "guest-cid",
	},
	{
		.name = "uds-path",
		.type = OPT_TEXT,
		.off = offsetof(struct vsock, uds_path),
		.arg = "PATH",
		.help = "Unix sockets: PATH to the guest, PATH_N from it",
		.man = MAN(
			"Connections of the guest to port N of the host go to the Unix stream socket PATH_N.  Programs "
			"of the host "
			"connect to PATH, send CONNECT, a space, the guest's port in decimal and a newline, and read "
			"OK, a "
			"space, their own port and a newline when the guest has accepted; where it has not, the socket "
			"is closed.  "
			"What they send behind the line waits for the guest, also when they close the socket at once."),
		.compat = "uds-path",
	},
	{
		.name = "uds-seqpacket-path",
		.rare = true,
		.type = OPT_TEXT,
		.off = offsetof(struct vsock, uds_seqpacket),
		.arg = "PATH",
		.help = "Unix SOCK_SEQPACKET socket to the guest",
		.man = MAN("Programs of the host that want a SEQPACKET socket of the guest's connect to this "
			   "SOCK_SEQPACKET socket; else it "
			   "is as the PATH of --uds-path, each of the two lines a message.  From the guest no option "
			   "is needed: PATH_N is "
			   "called with a socket of the type the guest's has."),
	},
	{
		.name = "map",
		.type = OPT_CALL,
		.arg = "guest:PORT=TO",
		.help = "where PORT leads: unix:PATH or tcp:127.0.0.1:N",
		.man = MAN("Connections of the guest to this port of the host go to the Unix socket of this path "
			   "(unix:PATH), or to this "
			   "port of the machine's own TCP (tcp:127.0.0.1:N or tcp:[::1]:N; streams only), wherever the "
			   "others go.  Up to 64 "
			   "times."),
		.set = set_map,
	},
	{
		.name = "allow",
		.type = OPT_CALL,
		.arg = "WHO:PORTS",
		.help = "may connect: guest:22,1024-2047, host:all",
		.man = MAN("Who may connect to what: guest:PORTS are ports of the host that the guest may connect to, "
			   "host:PORTS those of the "
			   "guest that programs of the host may.  PORTS are numbers and ranges (A-B), separated by "
			   "commas, or all.  Of "
			   "--allow and --deny, the first on the command line that has the port decides; where none "
			   "has, the connection is "
			   "allowed, unless there is an --allow for its direction.  What is refused is logged, for the "
			   "host's side with process "
			   "and user; what is not, with --log-level=debug."),
		.set = set_allow,
	},
	{
		.name = "deny",
		.type = OPT_CALL,
		.arg = "WHO:PORTS",
		.help = "may not connect; the first rule that fits decides",
		.man = MAN("Who may not connect to what: see --allow."),
		.set = set_deny,
	},
	{
		.name = "forward-cid",
		.type = OPT_UINT,
		.off = offsetof(struct vsock, forward_cid),
		.arg = "CID",
		.min = 1,
		.max = 0xfffffffe,
		.help = "the guest's way: AF_VSOCK ports of this CID",
		.man = MAN("Connections of the guest to port N of the host go to port N of this context identifier, "
			   "over the host's own "
			   "AF_VSOCK sockets: 1 is the host itself (module vsock_loopback), others are guests of its "
			   "kernel."),
		.compat = "forward-cid",
	},
	{
		.name = "forward-listen",
		.type = OPT_CALL,
		.arg = "PORT+PORT",
		.help = "AF_VSOCK ports of the host that lead to the guest",
		.man = MAN("Listens at these AF_VSOCK ports of the host; a connection to one of them goes to the "
			   "guest's port of the same "
			   "number.  PORT/seqpacket listens for SEQPACKET sockets."),
		.set = set_forward_listen,
		.compat = "forward-listen",
	},
	{
		.name = "group",
		.type = OPT_CALL,
		.set = add_group,
		.arg = "DIR",
		.help = "other guests: those whose vdevd has the same DIR",
		.man = MAN("Guests whose processes have the same directory here reach each other by their context "
			   "identifiers, which must "
			   "differ.  Who may write into the directory may connect to the guest, as a guest; --allow "
			   "and --deny hold for "
			   "guests as for programs of the host.  Up to 8 times: a guest is looked for in one group "
			   "after the other."),
	},
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct vsock, backend),
		.words = backends,
		.arg = "NAME",
		.def = "unix",
		.help = "unix, or sim: echo 7, discard 9, chargen 19",
		.man = MAN("Where the guest's connections go.  unix: to Unix sockets, see --uds-path.  sim: to "
			   "services inside, for "
			   "trying a guest without anything else: port 7 sends back what it gets, 9 reads and forgets, "
			   "19 sends lines "
			   "of characters without end; all other ports refuse.  With --uds-path as well, programs of "
			   "the host reach the "
			   "guest."),
	},
	{
		.name = "buffer-size",
		.rare = true,
		.type = OPT_BYTES,
		.off = offsetof(struct vsock, buf_size),
		.arg = "BYTES",
		.def = "256K",
		.min = 4096,
		.max = 16 << 20,
		.help = "bytes held for a host that does not read",
		.man = MAN("How many bytes of a connection are held when its peer on the host does not read; the guest "
			   "may send so many "
			   "before it must wait.  A connection whose peer keeps up takes no such memory."),
		.compat = "tx-buffer-size",
	},
	{
		.name = "max-connections",
		.rare = true,
		.type = OPT_UINT,
		.off = offsetof(struct vsock, max_links),
		.arg = "N",
		.min = 1,
		.max = 65536,
		.help = "connections at a time (1024)",
		.man = MAN("The most connections at a time, in both directions together: without this option 1024, or "
			   "as many as the limit of "
			   "open files allows.  A guest's connection beyond it is refused; a "
			   "host's waits.  This and --buffer-size bound the memory, when all connections have a peer "
			   "that does not read: N times "
			   "BYTES, 256 MiB as they are by default, and 2 1/4 times that where all are of type "
			   "SEQPACKET; their sockets may hold "
			   "twice BYTES each in the kernel besides.  Memory is asked for when a connection needs some "
			   "first; a connection for "
			   "which the host has none is reset."),
	},
	{
		.name = "connect-timeout",
		.rare = true,
		.type = OPT_UINT,
		.off = offsetof(struct vsock, connect_timeout),
		.arg = "MS",
		.def = "2000",
		.min = 10,
		.max = 3600000,
		.help = "how long a connection may take to begin",
		.man = MAN(
			"How long a peer, guest or host, may take to accept a connection, in milliseconds.  A program "
			"of the host may "
			"take as long as it likes to say which port it wants; but only 64 at a time, and at most half "
			"of "
			"--max-connections and one: when one more comes, the one that has waited longest is closed."),
	},
	{
		.name = "queue-size",
		.type = OPT_UINT,
		.off = offsetof(struct vsock, queue_size),
		.arg = "N",
		.min = 1,
		.max = 1024,
		.compat = "queue-size",
	},
	{.name = "groups", .type = OPT_CALL, .arg = "NAMES", .compat = "groups", .set = set_groups},
	{.name = "vm", .type = OPT_KEYS, .arg = "KEYS", .compat = "vm"},
	{.name = "config", .type = OPT_CALL, .arg = "FILE", .compat = "config", .set = refuse_config},
	{0},
};

static const struct vdev_compat vsock_compat = {
};

static const char *const vsock_examples[] = {
	"vdevd vsock --socket-path=/run/vsock.sock --guest-cid=3 --uds-path=/run/vm.vsock",
	"socat UNIX-LISTEN:/run/vm.vsock_5000,fork EXEC:date",
	"(echo CONNECT 22; cat) | socat - UNIX-CONNECT:/run/vm.vsock",
	"vdevd vsock --socket-path=/run/vsock.sock --map=guest:80=tcp:127.0.0.1:8080 --allow=guest:80",
	"vdevd vsock --socket-path=/run/vsock.sock --forward-cid=1 --forward-listen=22",
	"vdevd vsock --socket-path=/run/vsock.sock --backend=sim",
	"vhost-device-vsock --guest-cid=4 --socket=/run/vsock.sock --uds-path=/run/vm.vsock",
	"vhost-device-vsock --vm guest-cid=4,socket=/run/vsock.sock,uds-path=/run/vm.vsock",
	NULL,
};

/* VIRTIO 1.4, section 5.10.6: a reset of a connection that does not exist, which nobody answers. */
static const uint8_t sample_rst[sizeof(struct vsock_hdr)] = {
	[0] = 3,  /* source CID; le64 */
	[8] = 2,  /* destination CID, the host; le64 */
	[16] = 1, /* source and destination port; le32 */
	[20] = 1,
	[28] = VSOCK_TYPE_STREAM,
	[30] = VSOCK_OP_RST,
};

static const char *sample_check(const uint8_t *in, uint32_t used)
{
	return used ? "bytes in a buffer without room" : NULL;
}

static const struct vdev_sample vsock_samples[] = {
	{.what = "RST", .queue = VSOCK_TX, .out = &sample_rst, .out_len = sizeof(sample_rst), .check = sample_check},
	{0},
};

const struct vdev_class vdev_vsock_class = {
	.name = "vsock",
	.summary = "socket device",
	.about = MAN(
		"Gives a guest AF_VSOCK sockets, stream and SEQPACKET: connections with programs of the host, without "
		"a network.\n"
		"\n"
		"A connection is closed by halves, in both directions, as with other sockets.  What the guest has "
		"sent before it "
		"closes still reaches the host, for a minute at most where nothing of it is read.  A connection "
		"nobody listens for "
		"is refused at once.\n"
		"\n"
		"The host's bytes are read when the guest has room for them, the guest's are written as they come; "
		"a side that does not read slows its own connection and no other.\n"
		"\n"
		"A message of a SEQPACKET socket is at most as long as --buffer-size and the receiver's own buffer "
		"(256 KiB in Linux); "
		"a longer one ends the connection.  Records (MSG_EOR) get to other guests (--group) and through "
		"--forward-cid and "
		"--forward-listen; Unix sockets of programs have none.  A message of no bytes is not carried.  Guests "
		"of late (seen "
		"with Linux 7.2) end a connection on which "
		"some 450 short messages wait to be read.\n"
		"\n"
		"A socket of Linux' AF_VSOCK counts as writable as soon as there is room for a byte, so a program "
		"that writes "
		"larger blocks and reads with the same thread (socat, to an echo) can wait for ever once all buffers "
		"in both "
		"directions are full.\n"
		"\n"
		"When another front-end comes, or the driver begins anew, all connections are reset.  A driver that "
		"goes on where "
		"another vdevd or connection has left it is told (TRANSPORT_RESET).\n"
		"\n"
		"A guest can move to another host (live migration) where --guest-cid is the same; with another its "
		"state is not "
		"loaded.  Its connections cannot move, for their other ends are sockets of the host it leaves: there "
		"they are closed, "
		"and the guest is told on its arrival (TRANSPORT_RESET).  Sockets that it listens at stay."),
	.virtio_id = 19,
	.face.features =
		BIT(VIRTIO_VSOCK_F_STREAM) | BIT(VIRTIO_VSOCK_F_SEQPACKET) | BIT(VIRTIO_VSOCK_F_NO_IMPLIED_STREAM),
	.feature_names = vsock_feature_names,
	.face.queues = vsock_queues,
	.face.nqueues = ARRAY_SIZE(vsock_queues),
	.face.config_size = sizeof(struct vsock_config),
	.opts = vsock_opts,
	.inst_size = sizeof(struct vsock),
	.samples = vsock_samples,
	.compat = &vsock_compat,
	.examples = MAN(vsock_examples),
	.check = vsock_check,
	.open = vsock_open,
	.fds = vsock_fds,
	.start = vsock_start,
	.needs = vsock_needs,
	.kick = vsock_kick,
	.quiesce = vsock_quiesce,
	.reset = vsock_reset,
	.config = vsock_config,
	.save = vsock_save,
	.load = vsock_load,
	.close = vsock_close,
};
