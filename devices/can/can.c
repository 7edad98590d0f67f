/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * can.c - CAN controller device: VIRTIO 1.4, section "CAN Device".
 *
 * Frames of the driver are checked and handed to the host (can_host.h); with VIRTIO_CAN_F_LATE_TX_ACK their chains are
 * held until the host says that they were on the bus.  Frames of the bus wait in a bounded queue for empty buffers:
 * where it is full, the oldest is lost, and counted.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "core/control.h"
#include "devices/can/can_host.h"
#include "devices/lib/events.h"
#include "devices/lib/rate_gate.h"
#include "transport/chain.h"

#define VIRTIO_CAN_F_CAN_CLASSIC 0
#define VIRTIO_CAN_F_CAN_FD	 1
#define VIRTIO_CAN_F_RTR_FRAMES	 2
#define VIRTIO_CAN_F_LATE_TX_ACK 3

#define VIRTIO_CAN_S_CTRL_BUSOFF 1

#define VIRTIO_CAN_RESULT_OK	 0
#define VIRTIO_CAN_RESULT_NOT_OK 1

#define VIRTIO_CAN_TX		       0x0001
#define VIRTIO_CAN_RX		       0x0101
#define VIRTIO_CAN_SET_CTRL_MODE_START 0x0201
#define VIRTIO_CAN_SET_CTRL_MODE_STOP  0x0202

enum { TXQ, RXQ, CONTROLQ };

/* Frames that are on their way to the bus while their chains are held. */
#define CAN_PENDING_MAX 128

#define CAN_RX_QUEUE 1024 /* frames */

#define RETRY_AFTER   0.005 /* s; the host could not take a frame */
#define STOP_PATIENCE 0.2   /* s; what is on its way when the ring stops */

/*
 * Linux' driver (7.2) starts the controller before it is ready for what is received, and loses the notification of a frame that comes
 * in between: it would hear nothing until it is taken down.  So it is reminded of the first frame that comes after a start.
 */
static const ev_tstamp remind_after[] = {0.02, 0.1, 0.5, 2.}; /* s, each after the one before */

/* struct virtio_can_tx_out and struct virtio_can_rx, up to the data. */
struct can_head {
	le16 msg_type;
	le16 length;
	uint8_t reserved_classic_dlc;
	uint8_t padding;
	le16 reserved_xl_priority;
	le32 flags;
	le32 can_id;
} __attribute__((packed));

_Static_assert(sizeof(struct can_head) == 16, "VIRTIO 1.4: struct virtio_can_rx");

struct can_config {
	le16 status;
} __attribute__((packed));

_Static_assert(sizeof(struct can_config) == 2, "VIRTIO 1.4: struct virtio_can_config");

struct can_pending {
	struct chain *c;
	struct can_msg m;
};

struct can {
	struct vdev d;
	/* options */
	const char *interface, *can_devices, *sim_bus;
	char listed[IF_NAMESIZE];
	struct policy_set allow_rx, allow_tx;
	struct rate_gate gate;
	bool loopback, brs, sim_echo;
	uint64_t priority, rx_queue;
	uint32_t bitrate, data_bitrate;
	unsigned int backend;
	/* host */
	struct can_host_args args;
	const struct can_host_ops *ops;
	struct can_host *host;
	enum can_state state;
	unsigned int tec, rec; /* error counters */
	/* guest */
	bool started;
	uint16_t status;
	struct events rx;
	struct chain *waiting; /* the host could not take its frame yet */
	struct can_msg waiting_msg;
	struct can_pending pending[CAN_PENDING_MAX]; /* in the order in which they were sent */
	unsigned int npending;
	bool stopping; /* the txq stops when these have ended */
	struct ev_timer retry, patience;
	bool heard;		/* a frame came since the start */
	unsigned int reminders; /* that were sent for it */
	struct ev_timer remind;
	struct {
		uint64_t tx, refused, forbidden, failed, rx, ignored, host_lost, errors, bus_offs;
	} count;
};

static struct can *to_can(struct vdev *d)
{
	return container_of(d, struct can, d);
}

/* CAN FD has lengths of 12, 16, 20, 24, 32, 48 and 64 bytes beyond 8. */
static bool fd_length(unsigned int len)
{
	return len <= 8 || (len <= 24 && len % 4 == 0) || len == 32 || len == 48 || len == 64;
}

bool can_msg_valid(const struct can_msg *m)
{
	bool fd = m->flags & CAN_FLAG_FD;

	if (m->flags & ~CAN_FLAGS || (fd && m->flags & CAN_FLAG_RTR))
		return false;
	if (m->id > (m->flags & CAN_FLAG_EXTENDED ? CAN_ID_EXTENDED_MAX : CAN_ID_MAX))
		return false;
	return fd ? fd_length(m->len) : m->len <= CAN_CLASSIC_MAX;
}

/* Whether the driver has accepted frames of this type. */
static bool type_negotiated(const struct can *n, const struct can_msg *m)
{
	if (m->flags & CAN_FLAG_FD)
		return n->d.features & BIT(VIRTIO_CAN_F_CAN_FD);
	if (m->flags & CAN_FLAG_RTR && !(n->d.features & BIT(VIRTIO_CAN_F_RTR_FRAMES)))
		return false;
	return n->d.features & BIT(VIRTIO_CAN_F_CAN_CLASSIC);
}

static void result_push(struct chain *c, uint8_t result)
{
	chain_put(c, &result, sizeof(result));
	virtq_push(c);
}

/* ---- from the guest to the bus */

/* Why a frame cannot be sent; NULL: it can. */
static const char *tx_read(struct can *n, struct chain *c, struct can_msg *m)
{
	struct can_head h;
	uint32_t flags;
	uint16_t len;

	if (!chain_get(c, &h, sizeof(h)))
		return "a frame that is too short";
	flags = le32toh(h.flags);
	len = le16toh(h.length);
	if (le16toh(h.msg_type) != VIRTIO_CAN_TX)
		return "a message of an unknown type";
	if (flags & ~CAN_FLAGS)
		return "a frame with unknown flags";
	if (len > CAN_FD_MAX)
		return "a frame that is too long";
	*m = (struct can_msg){.id = le32toh(h.can_id), .flags = (uint16_t)flags, .len = (uint8_t)len};
	if (!can_msg_valid(m))
		return "a frame that there is not (id, length, flags)";
	if (!type_negotiated(n, m))
		return "a frame of a type that was not negotiated";
	if (!(flags & CAN_FLAG_RTR) && !chain_get(c, m->data, len))
		return "a frame with fewer bytes than it says";
	return NULL;
}

/* Takes the next frame of the ring that can be sent, and answers the others.  Returns false where there is none. */
static bool tx_next(struct can *n)
{
	/* What a stopped controller refuses has no rate. */
	while (n->npending < CAN_PENDING_MAX && (!n->started || rate_gate_open(&n->gate))) {
		struct chain *c = virtq_pop(vdev_queue(&n->d, TXQ));
		const char *wrong;

		if (!c)
			return false;
		if (n->started)
			rate_gate_pass(&n->gate);
		wrong = chain_writable(c) ? tx_read(n, c, &n->waiting_msg) : "a frame without room for the result";
		if (!wrong && !n->started) {
			n->count.failed++;
			result_push(c, VIRTIO_CAN_RESULT_NOT_OK);
			continue;
		}
		if (!wrong && n->allow_tx.n && !policy_set_has(&n->allow_tx, can_msg_number(&n->waiting_msg))) {
			n->count.forbidden++;
			wrong = "a frame with an id that is not allowed";
		} else {
			n->count.refused += wrong != NULL;
		}
		if (!wrong) {
			n->waiting = c;
			return true;
		}
		log_guest(&n->d.log, "refused: %s", wrong);
		result_push(c, VIRTIO_CAN_RESULT_NOT_OK);
	}
	return false;
}

/* The frame that waits has been handed on, or cannot be. */
static void tx_handed(struct can *n, int err)
{
	struct chain *c = n->waiting;

	n->waiting = NULL;
	if (err) {
		n->count.failed++;
		log_guest(&n->d.log, "a frame cannot be sent: %s", strerror(-err));
		result_push(c, VIRTIO_CAN_RESULT_NOT_OK);
	} else if (n->d.features & BIT(VIRTIO_CAN_F_LATE_TX_ACK)) {
		n->pending[n->npending++] = (struct can_pending){c, n->waiting_msg};
	} else {
		n->count.tx++;
		result_push(c, VIRTIO_CAN_RESULT_OK);
	}
}

static void tx_serve(struct can *n)
{
	while (!ev_is_active(&n->retry) && (n->waiting || tx_next(n))) {
		int err = n->ops->send(n->host, &n->waiting_msg);

		if (err == -EAGAIN) {
			ev_timer_set(&n->retry, RETRY_AFTER, 0.);
			ev_timer_start(n->d.loop, &n->retry);
			return;
		}
		tx_handed(n, err);
	}
}

static void tx_again(struct can *n)
{
	ev_timer_stop(n->d.loop, &n->retry);
	virtq_again(vdev_queue(&n->d, TXQ));
}

static void retry_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	tx_again(container_of(w, struct can, retry));
}

/* A frame on its way has ended. */
static void pending_end(struct can *n, unsigned int i, uint8_t result)
{
	struct chain *c = n->pending[i].c;

	n->npending--;
	memmove(&n->pending[i], &n->pending[i + 1], (n->npending - i) * sizeof(n->pending[0]));
	if (result == VIRTIO_CAN_RESULT_OK)
		n->count.tx++;
	else
		n->count.failed++;
	if (!n->npending)
		ev_timer_stop(n->d.loop, &n->patience);
	result_push(c, result);
}

/* Whatever is pending for transmission is not sent. */
static void tx_cancel(struct can *n)
{
	ev_timer_stop(n->d.loop, &n->retry);
	while (n->npending)
		pending_end(n, 0, VIRTIO_CAN_RESULT_NOT_OK);
	if (n->waiting) {
		n->count.failed++;
		result_push(n->waiting, VIRTIO_CAN_RESULT_NOT_OK);
		n->waiting = NULL;
	}
	/* There may be frames left in the ring, for which no kick comes any more. */
	virtq_again(vdev_queue(&n->d, TXQ));
}

static void patience_ends(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct can *n = container_of(w, struct can, patience);

	while (n->npending)
		pending_end(n, 0, VIRTIO_CAN_RESULT_NOT_OK);
}

/* ---- from the bus to the guest */

static void remind_later(struct can *n)
{
	if (n->reminders == ARRAY_SIZE(remind_after))
		return;
	ev_timer_set(&n->remind, remind_after[n->reminders++], 0.);
	ev_timer_start(n->d.loop, &n->remind);
}

static void remind_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct can *n = container_of(w, struct can, remind);

	virtq_remind(vdev_queue(&n->d, RXQ));
	remind_later(n);
}

static void remind_stop(struct can *n)
{
	ev_timer_stop(n->d.loop, &n->remind);
	n->heard = false;
	n->reminders = 0;
}

static void rx_put(struct can *n, const struct can_msg *m)
{
	struct {
		struct can_head h;
		uint8_t sdu[CAN_FD_MAX];
	} __attribute__((packed)) record = {
		.h = {.msg_type = htole16(VIRTIO_CAN_RX), .length = htole16(m->len), .flags = htole32(m->flags),
		      .can_id = htole32(m->id)},
	};
	uint64_t lost;

	if (!n->started || !type_negotiated(n, m) ||
	    (n->allow_rx.n && !policy_set_has(&n->allow_rx, can_msg_number(m)))) {
		n->count.ignored++;
		return;
	}
	/* Drivers want as many bytes as the length says, of remote frames, too. */
	memcpy(record.sdu, m->data, m->len);
	n->count.rx++;
	lost = events_lost(&n->rx);
	events_put(&n->rx, &record, sizeof(record.h) + m->len);
	if (events_lost(&n->rx) != lost)
		log_guest(&n->d.log, "the guest is too slow for the bus: %llu frames are lost (--rx-queue=%llu)",
			  (unsigned long long)events_lost(&n->rx), (unsigned long long)n->rx_queue);
	if (!n->heard)
		remind_later(n);
	n->heard = true;
}

static void can_watch(struct can *n, const char *way, const struct can_msg *m)
{
	char data[2 * CAN_FD_MAX + 1] = "";

	if (!control_watched(n->d.control))
		return;
	for (unsigned int i = 0; i < m->len && !(m->flags & CAN_FLAG_RTR); i++)
		snprintf(data + (size_t)2 * i, 3, "%02X", m->data[i]);
	control_tell(n->d.control, "%s %0*X%s%s%s", way, m->flags & CAN_FLAG_EXTENDED ? 8 : 3, m->id,
		     m->flags & CAN_FLAG_FD ? "##0" : "#", m->flags & CAN_FLAG_RTR ? "R" : "", data);
}

static void host_received(void *user, const struct can_msg *m)
{
	struct can *n = user;

	can_watch(n, "rx", m);
	rx_put(n, m);
}

static void host_sent(void *user, const struct can_msg *m)
{
	struct can *n = user;
	unsigned int i = 0;

	can_watch(n, "tx", m);
	while (i < n->npending && memcmp(&n->pending[i].m, m, sizeof(*m)) != 0)
		i++;
	if (i < n->npending)
		pending_end(n, i, VIRTIO_CAN_RESULT_OK);
	if (n->loopback)
		rx_put(n, m);
	tx_again(n);
}

/* Nobody knows whether what is on its way was sent: the echo may be lost. */
static void host_lost(void *user, uint64_t lost)
{
	struct can *n = user;

	n->count.host_lost += lost;
	log_guest(&n->d.log, "%llu frames of the bus came faster than they were read, and are lost",
		  (unsigned long long)lost);
	while (n->npending)
		pending_end(n, 0, VIRTIO_CAN_RESULT_NOT_OK);
	tx_again(n);
}

static void host_bus_off(void *user)
{
	struct can *n = user;

	n->count.bus_offs++;
	if (!n->started)
		return;
	log_guest(&n->d.log, "bus off: the controller stops");
	control_tell(n->d.control, "bus-off");
	n->started = false;
	n->status |= VIRTIO_CAN_S_CTRL_BUSOFF;
	n->ops->down(n->host);
	tx_cancel(n);
	vdev_config_changed(&n->d);
}

static void host_down(void *user, int err)
{
	struct can *n = user;

	log_guest(&n->d.log, "%s: %s; frames cannot be sent", n->interface ? n->interface : "the bus", strerror(-err));
	tx_cancel(n);
}

static void host_error(void *user, const char *what)
{
	struct can *n = user;

	n->count.errors++;
	control_tell(n->d.control, "error %s", what);
	log_guest_info(&n->d.log, "bus error: %s", what);
}

static const char *const state_names[] = {"error-active", "error-warning", "error-passive"};

static void host_counters(void *user, enum can_state state, unsigned int tx, unsigned int rx)
{
	struct can *n = user;

	if (state != n->state)
		log_guest_info(&n->d.log, "the controller is %s", state_names[state]);
	n->state = state;
	n->tec = tx;
	n->rec = rx;
}

static const struct can_user_ops user_ops = {
	.received = host_received,
	.sent = host_sent,
	.lost = host_lost,
	.bus_off = host_bus_off,
	.down = host_down,
	.error = host_error,
	.counters = host_counters,
};

/* ---- the controller's mode */

static int can_start(struct can *n)
{
	int err = n->started ? 0 : n->ops->up(n->host);

	if (err)
		log_guest(&n->d.log, "the controller cannot be started: %s", strerror(-err));
	if (err)
		return err;
	n->status &= (uint16_t)~VIRTIO_CAN_S_CTRL_BUSOFF;
	if (!n->started)
		remind_stop(n);
	n->started = true;
	return 0;
}

static void can_stop(struct can *n)
{
	if (n->started)
		n->ops->down(n->host);
	n->started = false;
	remind_stop(n);
	tx_cancel(n);
}

static void control_serve(struct can *n)
{
	struct chain *c;

	while ((c = virtq_pop(vdev_queue(&n->d, CONTROLQ)))) {
		uint8_t result = VIRTIO_CAN_RESULT_NOT_OK;
		le16 type = 0;

		if (!chain_get(c, &type, sizeof(type)) || !chain_writable(c)) {
			log_guest(&n->d.log, "control request that is too short");
		} else if (le16toh(type) == VIRTIO_CAN_SET_CTRL_MODE_START) {
			result = can_start(n) ? VIRTIO_CAN_RESULT_NOT_OK : VIRTIO_CAN_RESULT_OK;
		} else if (le16toh(type) == VIRTIO_CAN_SET_CTRL_MODE_STOP) {
			can_stop(n);
			result = VIRTIO_CAN_RESULT_OK;
		} else {
			log_guest(&n->d.log, "control request of the unknown type 0x%04x", le16toh(type));
		}
		result_push(c, result);
	}
}

static void can_kick(struct vdev *d, unsigned int q)
{
	struct can *n = to_can(d);

	if (q == TXQ)
		tx_serve(n);
	else if (q == RXQ)
		events_kick(&n->rx);
	else
		control_serve(n);
}

/* What is on its way has a moment to arrive: sent again it would be there twice. */
static void can_quiesce(struct vdev *d, unsigned int q)
{
	struct can *n = to_can(d);

	if (q == RXQ)
		events_quiesce(&n->rx);
	if (q != TXQ)
		return;
	rate_gate_stop(&n->gate);
	ev_timer_stop(d->loop, &n->retry);
	if (n->waiting)
		virtq_requeue(n->waiting);
	n->waiting = NULL;
	if (!n->npending)
		return;
	ev_timer_set(&n->patience, STOP_PATIENCE, 0.);
	ev_timer_start(d->loop, &n->patience);
}

static void can_reset(struct vdev *d)
{
	struct can *n = to_can(d);

	if (n->started)
		n->ops->down(n->host);
	n->started = false;
	n->status = 0;
	remind_stop(n);
	events_reset(&n->rx);
}

static void can_config(struct vdev *d, void *buf)
{
	const struct can_config config = {.status = htole16(to_can(d)->status)};

	memcpy(buf, &config, sizeof(config));
}

/* ---- moving */

/* The record "controller". */
struct can_saved {
	le16 status;
	uint8_t started, padding;
} __attribute__((packed));

static void can_save(struct vdev *d, struct state *s)
{
	const struct can *n = to_can(d);
	const struct can_saved saved = {.status = htole16(n->status), .started = n->started};

	if (n->started || n->status)
		state_put(s, "controller", &saved, sizeof(saved));
	events_save(&n->rx, s);
}

/* Where the bus is not to be reached here, the guest is told as of a bus that has failed. */
static int can_load(struct vdev *d, const struct state_record *r)
{
	struct can *n = to_can(d);
	struct can_saved saved;
	int err = events_load(&n->rx, r);

	if (err != -ENOENT)
		return err;
	if (strcmp(r->name, "controller") != 0 || r->len != sizeof(saved))
		return -EINVAL;
	memcpy(&saved, r->bytes, sizeof(saved));
	if (le16toh(saved.status) & ~VIRTIO_CAN_S_CTRL_BUSOFF || saved.started > 1 || (saved.started && saved.status))
		return -EINVAL;
	if (saved.started && can_start(n))
		saved.status = htole16(VIRTIO_CAN_S_CTRL_BUSOFF);
	n->status = le16toh(saved.status);
	return 0;
}

/* ---- the control socket */

static int run_bus(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct can *n = arg;

	control_say(c, "controller %s, %s, tec %u, rec %u",
		    n->started				      ? "started"
		    : n->status & VIRTIO_CAN_S_CTRL_BUSOFF ? "bus-off"
							      : "stopped",
		    state_names[n->state], n->tec, n->rec);
#define SAY(what, counter) control_say(c, what " %llu", (unsigned long long)(counter))
	SAY("tx", n->count.tx);
	SAY("tx-refused", n->count.refused);
	SAY("tx-forbidden", n->count.forbidden);
	SAY("tx-failed", n->count.failed);
	SAY("tx-pending", n->npending);
	SAY("rx", n->count.rx);
	SAY("rx-ignored", n->count.ignored);
	SAY("rx-waiting", events_waiting(&n->rx));
	SAY("rx-lost", events_lost(&n->rx));
	SAY("host-lost", n->count.host_lost);
	SAY("errors", n->count.errors);
	SAY("bus-offs", n->count.bus_offs);
#undef SAY
	return 0;
}

static const struct control_command can_commands[] = {
	{"bus", "", "shows the controller and its counters", 0, 0, run_bus},
	{0},
};

/* ---- options */

enum { BACKEND_AUTO, BACKEND_SOCKETCAN, BACKEND_SIM };

static const char *const backend_words[] = {"auto", "socketcan", "sim", NULL};

static bool is_sim(const struct can *n)
{
	return n->backend == BACKEND_SIM || (n->backend == BACKEND_AUTO && (n->sim_echo || n->sim_bus));
}

enum { ALLOW_BOTH, ALLOW_RX, ALLOW_TX };

/* A mask is for identifiers of one kind, too. */
static int allow_add(struct policy_set *set, const char *value, char *why, size_t why_size)
{
	int err = policy_set_parse(set, value, CAN_ID_EXTENDED | CAN_ID_EXTENDED_MAX, why, why_size);

	for (unsigned int i = 0; !err && i < set->n; i++)
		set->items[i].mask |= set->items[i].mask ? CAN_ID_EXTENDED : 0;
	return err;
}

static int set_allow(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct can *n = obj;
	int err = o->kind == ALLOW_TX ? 0 : allow_add(&n->allow_rx, value, why, why_size);

	return err || o->kind == ALLOW_RX ? err : allow_add(&n->allow_tx, value, why, why_size);
}

static int set_rate(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return rate_gate_set(&((struct can *)obj)->gate, value, why, why_size);
}

/* "500000" or "500000,2000000" */
static int set_bitrate(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct can *n = obj;
	struct word first = word_of(value), second;
	const bool two = word_cut(&first, ',', &second);
	uint64_t rate, data = 0;

	if (word_number(&first, &rate) < 0 || rate < 1000 || rate > 1000000 ||
	    (two && (word_number(&second, &data) < 0 || data < rate || data > 20000000))) {
		snprintf(why, why_size, "bit/s are wanted, from 1000 to 1000000; for CAN FD with those of the data behind a comma, up to 20000000");
		return -EINVAL;
	}
	n->bitrate = (uint32_t)rate;
	n->data_bitrate = (uint32_t)data;
	return 0;
}

/* vhost-device-can: the i-th name of the list is this instance's. */
static int can_fit(struct vdev *d, unsigned int i, unsigned int count)
{
	struct can *n = to_can(d);
	const char *rest = n->can_devices;
	unsigned int found = 0;
	bool fits = false;
	struct word w;

	if (!rest && (n->interface || is_sim(n)) && count == 1)
		return 0;
	while (rest && word_next(&rest, ' ', &w)) {
		if (w.len && found++ == i)
			fits = word_copy(&w, n->listed, sizeof(n->listed));
	}
	if (fits && found == count && !n->interface) {
		n->interface = n->listed;
		n->can_devices = NULL;
		return 0;
	}
	log_usage(&d->log, "--can-devices=%s: names of %u interfaces, separated by spaces, are wanted%s",
		  n->can_devices ? n->can_devices : "", count, n->interface ? ", without --interface" : "");
	return -EINVAL;
}

static int can_check(struct vdev *d)
{
	struct can *n = to_can(d);
	const char *wrong = NULL;

	if (n->can_devices && can_fit(d, 0, 1) < 0)
		return -EINVAL;
	if (is_sim(n) && (n->interface || n->bitrate || n->brs || n->priority))
		wrong = "--interface, --bitrate, --brs and --priority go with --backend=socketcan only";
	else if (!is_sim(n) && (n->sim_echo || n->sim_bus))
		wrong = "--sim-echo and --sim-bus go with --backend=sim only";
	else if (!is_sim(n) && !n->interface)
		wrong = "no bus: --interface=can0 is wanted, or --backend=sim";
	else if (n->interface && (!n->interface[0] || strlen(n->interface) >= IF_NAMESIZE))
		wrong = "--interface: the name of a CAN interface, of at most 15 letters, is wanted";
	if (wrong)
		log_usage(&d->log, "%s", wrong);
	return wrong ? -EINVAL : 0;
}

static struct can_host_args host_args(const struct can *n)
{
	return (struct can_host_args){
		.interface = n->interface,
		.bitrate = n->bitrate,
		.data_bitrate = n->data_bitrate,
		.brs = n->brs,
		.priority = n->priority,
		.allow_rx = &n->allow_rx,
		.allow_tx = &n->allow_tx,
		.sim_echo = n->sim_echo,
		.sim_bus = n->sim_bus,
	};
}

static void can_needs(const struct vdev *d, struct sandbox *s)
{
	const struct can *n = container_of(d, struct can, d);
	const struct can_host_args args = host_args(n);

	(is_sim(n) ? &can_sim_ops : &can_socket_ops)->needs(&args, s);
}

static int can_open(struct vdev *d)
{
	struct can *n = to_can(d);
	const struct events_opts rx = {
		.queue = RXQ,
		.record = sizeof(struct can_head) + CAN_FD_MAX,
		.room = (unsigned int)n->rx_queue,
		.full = EVENTS_DROP_OLDEST,
		.name = "frames",
	};
	bool fd = false;
	int err;

	ev_init(&n->retry, retry_due);
	ev_init(&n->patience, patience_ends);
	ev_init(&n->remind, remind_due);
	rate_gate_init(&n->gate, d, TXQ);
	err = events_open(&n->rx, d, &rx);
	if (err)
		return err;
	n->args = host_args(n);
	n->args.d = d;
	n->args.ops = &user_ops;
	n->args.user = n;
	n->ops = is_sim(n) ? &can_sim_ops : &can_socket_ops;
	err = n->ops->start(&n->args, &n->host, &fd);
	if (!err && !fd)
		d->face.features &= ~BIT(VIRTIO_CAN_F_CAN_FD);
	return err;
}

static void can_close(struct vdev *d)
{
	struct can *n = to_can(d);

	rate_gate_stop(&n->gate);
	ev_timer_stop(d->loop, &n->retry);
	ev_timer_stop(d->loop, &n->patience);
	ev_timer_stop(d->loop, &n->remind);
	if (n->host)
		n->ops->stop(n->host);
	events_close(&n->rx);
}

static const struct vdev_queue_desc can_queues[] = {
	{.name = "txq", .size = 64, .max = 1024},
	{.name = "rxq", .size = 64, .max = 1024},
	{.name = "controlq", .size = 64, .max = 1024},
};

static const struct vdev_feature can_feature_names[] = {
	{VIRTIO_CAN_F_CAN_CLASSIC, "can_classic"},
	{VIRTIO_CAN_F_CAN_FD, "can_fd"},
	{VIRTIO_CAN_F_RTR_FRAMES, "rtr_frames"},
	{VIRTIO_CAN_F_LATE_TX_ACK, "late_tx_ack"},
	{0},
};

#define ALLOW_MAN \
	POLICY_SET_MAN "  A 29-bit id is written with 0x80000000 added, as in SocketCAN; a mask is for ids of its own kind."

static const struct opt can_opts[] = {
	{
		.name = "interface",
		.type = OPT_TEXT,
		.off = offsetof(struct can, interface),
		.arg = "NAME",
		.help = "CAN interface of the host: can0, vcan0",
		.man = MAN("A SocketCAN interface of the host.  Its bit rate is the host's to set (ip link set can0 "
			   "type can bitrate "
			   "500000), and so is bringing it up, but with --bitrate: while it is down, the guest's controller cannot be "
			   "started, and what it "
			   "sends is answered with an error.  Where its MTU is 72 the guest may use CAN FD.  One that "
			   "was unplugged "
			   "is looked for every second until it is back."),
	},
	{
		.name = "bitrate",
		.type = OPT_CALL,
		.once = true,
		.arg = "BPS[,DATA]",
		.help = "bring it up with this bit rate: 500000",
		.man = MAN("Set the bit rate of --interface, bit/s, and bring it up; with a second number it is brought up with CAN FD, whose "
			   "data have that rate.  It takes CAP_NET_ADMIN, at the beginning alone.  Without the option both are the host's "
			   "to see to.  A virtual interface has no bit rate."),
		.set = set_bitrate,
	},
	{
		.name = "allow",
		.type = OPT_CALL,
		.arg = "LIST",
		.kind = ALLOW_BOTH,
		.help = "ids the guest may send and see: 0x100-0x1ff",
		.man = MAN("Frames with these ids alone pass, in both directions; repeatable.  " ALLOW_MAN),
		.set = set_allow,
	},
	{
		.name = "allow-rx",
		.type = OPT_CALL,
		.arg = "LIST",
		.kind = ALLOW_RX,
		.help = "ids the guest may see",
		.man = MAN("The same for frames to the guest.  Where both directions have a list, the kernel filters, "
			   "too."),
		.set = set_allow,
	},
	{
		.name = "allow-tx",
		.type = OPT_CALL,
		.arg = "LIST",
		.kind = ALLOW_TX,
		.help = "ids the guest may send",
		.man = MAN("The same for frames of the guest.  Others are answered with an error."),
		.set = set_allow,
	},
	{
		.name = "rate",
		.type = OPT_CALL,
		.arg = "RATE",
		.help = "how many frames the guest may send: 1000/s",
		.man = MAN("How many frames the guest may send; those beyond wait.  " POLICY_RATE_MAN
			   "  Without the option there is no limit but the bus."),
		.set = set_rate,
	},
	{
		.name = "loopback",
		.type = OPT_FLAG,
		.off = offsetof(struct can, loopback),
		.help = "the guest receives its own frames, too",
		.man = MAN("The guest receives the frames that it has sent.  Linux' driver does that by itself, and "
			   "sees them twice then."),
	},
	{
		.name = "brs",
		.rare = true,
		.type = OPT_FLAG,
		.off = offsetof(struct can, brs),
		.help = "CAN FD frames are sent with bit rate switch",
		.man = MAN("CAN FD frames of the guest are sent with the fast bit rate (BRS).  The protocol does not "
			   "carry BRS and ESI: "
			   "the guest does not see them."),
	},
	{
		.name = "priority",
		.rare = true,
		.type = OPT_UINT,
		.off = offsetof(struct can, priority),
		.arg = "N",
		.max = 6,
		.help = "priority of the guest's frames on the host (0)",
		.man = MAN(
			"The priority of the guest's frames in the host's transmit queue (SO_PRIORITY), from 0 to 6."),
	},
	{
		.name = "rx-queue",
		.rare = true,
		.type = OPT_UINT,
		.off = offsetof(struct can, rx_queue),
		.arg = "N",
		.def = "1024",
		.min = 1,
		.max = 65536,
		.help = "frames that wait for the guest at most",
		.man = MAN("How many frames of the bus wait for the guest at most.  Beyond that the oldest are lost, "
			   "and counted."),
	},
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct can, backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "auto",
		.help = "socketcan, or sim: a simulated bus",
		.man = MAN("socketcan: an interface of the host.  sim: a simulated bus.  auto: sim with --sim-echo or --sim-bus, "
			   "otherwise socketcan."),
	},
	{
		.name = "sim-echo",
		.type = OPT_FLAG,
		.off = offsetof(struct can, sim_echo),
		.help = "a node that answers each frame of the guest",
		.man = MAN("On the simulated bus is a node that answers each frame of the guest with one whose id and "
			   "data bytes are greater by "
			   "one, as canfdtest(1) does."),
	},
	{
		.name = "sim-bus",
		.type = OPT_SOCKET,
		.off = offsetof(struct can, sim_bus),
		.arg = "PATH",
		.help = "join the simulated buses of several vdevds",
		.man = MAN("The simulated buses of all vdevds that are given this path are one, so that their guests talk to each other "
			   "without an interface of the host: up to nine of them.  The first one makes a Unix socket there; when it ends "
			   "another one takes its place, and frames that were on their way then are lost, and answered with an error.  "
			   "One that reads nothing for two seconds is dropped; that can be one with --sim-echo, whose answers do not "
			   "win the bus while others flood it with lower ids."),
	},
	{
		.name = "can-devices",
		.rare = true,
		.type = OPT_TEXT,
		.off = offsetof(struct can, can_devices),
		.arg = "NAMES",
		.help = "--interface, as vhost-device-can has it",
		.man = MAN("Interfaces as vhost-device-can takes them: names parted by spaces, one for each socket."),
		.compat = "d,can-devices",
	},
	{0},
};

/* To a controller that does not run: answered with an error, and nothing is sent. */
static const uint8_t sample_tx[sizeof(struct can_head)] = {VIRTIO_CAN_TX};

static const char *sample_check(const uint8_t *in, uint32_t used)
{
	if (used != 1)
		return "not one byte";
	return in[0] <= 1 ? NULL : "a result that there is not";
}

static const struct vdev_sample can_samples[] = {
	{.what = "empty frame to a stopped controller", .queue = TXQ, .features = BIT(VIRTIO_CAN_F_CAN_CLASSIC), .out = sample_tx,
	 .out_len = sizeof(sample_tx), .in_len = 1, .check = sample_check},
	{0},
};

static const struct vdev_compat can_compat = {
	.suffix = true,
	.count = true,
	.fit = can_fit,
};

static const char *const can_examples[] = {
	"vdevd can --socket-path=/run/can.sock --interface=can0 --allow-tx=0x100-0x1ff --rate=1000/s",
	"vhost-device-can -s /run/can.sock -d can0",
	"",
	"# a simulated bus, and what happens on it",
	"vdevd can --socket-path=/run/can.sock --sim-echo --control=/run/can.ctl &",
	"vdevd ctl /run/can.ctl send 123#DEADBEEF",
	"guest# ip link set can0 up; candump can0",
	"vdevd ctl /run/can.ctl bus-off",
	"guest# ip -details link show can0",
	NULL,
};

const struct vdev_class vdev_can_class = {
	.name = "can",
	.summary = "CAN controller",
	.about = MAN("Gives a guest a CAN controller on a bus of the host, or on a simulated one: classic frames and "
		     "CAN FD with 11 and 29-bit ids, "
		     "and remote frames.\n"
		     "\n"
		     "With LATE_TX_ACK a frame is answered when it has been on the bus, otherwise when the host has "
		     "taken it.  A SocketCAN interface does not tell equal frames apart: where the guest stops its controller with one "
		     "under way, and starts it and sends an equal one at once, that the first was on the bus may answer the second.  "
		     "The guest does not get its own frames back (--loopback), but other programs of the host and "
		     "other guests on the same "
		     "interface do.\n"
		     "\n"
		     "When the host's controller is off the bus, the guest's stops, shows it in its status, and is "
		     "started again by the "
		     "guest.  That the host's own recovers is the host's to see to (ip link set can0 type can "
		     "restart-ms 100).  Bus errors "
		     "are told in the log and by watch on the socket of --control; \"bus\" shows the controller's "
		     "state and counters.  A "
		     "simulated bus takes commands there: \"send 123#1122\", \"bus-off\", \"error TEXT\", \"errors TX "
		     "RX\", \"nodes\".\n"
		     "\n"
		     "Linux' driver (7.2) hands received frames on at once, and those that it has sent by way of a queue: a program may "
		     "see an answer before the frame that it answers, though the device has told them in the right order.  canfdtest -g "
		     "says \"RX before TX\" of it.\n"
		     "\n"
		     "CAN XL is missing: neither the virtio standard nor its drivers have it yet.  So are BRS and ESI "
		     "of received frames, which the "
		     "protocol does not carry.\n"
		     "\n"
		     "A guest can move to another host (live migration); its controller is started there.  Where that "
		     "fails it finds itself "
		     "bus-off.  Frames that wait for it go along."),
	.virtio_id = 36,
	.face.features = BIT(VIRTIO_CAN_F_CAN_CLASSIC) | BIT(VIRTIO_CAN_F_CAN_FD) | BIT(VIRTIO_CAN_F_RTR_FRAMES) |
			 BIT(VIRTIO_CAN_F_LATE_TX_ACK),
	.feature_names = can_feature_names,
	.face.queues = can_queues,
	.face.nqueues = ARRAY_SIZE(can_queues),
	.face.config_size = sizeof(struct can_config),
	.face.any_order = true,
	.opts = can_opts,
	.commands = can_commands,
	.inst_size = sizeof(struct can),
	.samples = can_samples,
	.compat = &can_compat,
	.examples = MAN(can_examples),
	.check = can_check,
	.open = can_open,
	.needs = can_needs,
	.kick = can_kick,
	.quiesce = can_quiesce,
	.reset = can_reset,
	.config = can_config,
	.save = can_save,
	.load = can_load,
	.close = can_close,
};
