/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console.c - console device: VIRTIO 1.4, section 5.3 "Console Device".
 *
 * What the guest writes is copied and its buffer given back at once: drivers spin until it is.  The bytes wait in a bounded
 * ring for the port's other side (console_side.h).  Where the ring is full, the oldest are dropped and counted, or the buffer is held
 * until there is room.  What comes from the other side is read when the guest has a buffer for it, not before: so the other side is
 * held back by its own means.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/console/console.h"

static struct console *to_console(struct vdev *d)
{
	return container_of(d, struct console, d);
}

static unsigned int rx_queue(unsigned int port)
{
	return port ? 2 * port + 2 : 0;
}

static unsigned int tx_queue(unsigned int port)
{
	return rx_queue(port) + 1;
}

static bool multiport(const struct console *n)
{
	return n->d.features & BIT(VIRTIO_CONSOLE_F_MULTIPORT);
}

/* ---- from the guest */

/* Hands on what waits, as far as the other side takes it. */
static void out_flush(struct console_port *p)
{
	const uint8_t *at;
	size_t len;

	while ((len = console_ring_peek(&p->out, &at)) > 0) {
		ssize_t n = p->ops->write(p->side, at, len);

		if (n < 0) {
			p->ops->want_write(p->side);
			return;
		}
		p->count.written += (uint64_t)n;
		console_ring_drop(&p->out, (size_t)n);
	}
}

static bool holds_back(const struct console_port *p)
{
	if (p->n->overflow == CONSOLE_OVERFLOW_AUTO)
		return !p->n->ctl.ports[p->id].console;
	return p->n->overflow == CONSOLE_OVERFLOW_HOLD;
}

/* Makes room for len bytes, at most the ring's size, where the oldest may be dropped. */
static void out_make_room(struct console_port *p, size_t len)
{
	size_t room = console_ring_room(&p->out);

	if (room >= len)
		return;
	if (!p->count.dropped)
		log_guest(&p->n->d.log, "port %u: nobody reads; the oldest bytes are dropped", p->id);
	p->count.dropped += len - room;
	console_ring_drop(&p->out, len - room);
}

/* Copies what the chain in hand has, as far as there is room.  Returns whether that was all. */
static bool out_take(struct console_port *p)
{
	size_t left = chain_readable(p->tx), n;
	uint8_t *at;

	if (!holds_back(p)) {
		if (left > p->out.size) {
			p->count.dropped += left - p->out.size;
			left -= chain_skip(p->tx, left - p->out.size);
		}
		out_flush(p);
		out_make_room(p, left);
	}
	while (left && (n = console_ring_space(&p->out, &at)) > 0) {
		n = min_size(n, left);
		chain_get(p->tx, at, n);
		console_ring_add(&p->out, n);
		left -= n;
		if (!console_ring_room(&p->out))
			out_flush(p);
	}
	return !left;
}

/* A chain that was given back half copied, when the ring stopped, has come again. */
static void tx_continue(struct console_port *p)
{
	if (p->skip && p->skip_of == p->tx_len)
		chain_skip(p->tx, p->skip);
	p->skip = p->skip_of = 0;
}

static void tx_serve(struct console_port *p)
{
	struct virtq *vq = vdev_queue(&p->n->d, tx_queue(p->id));

	for (;;) {
		if (!p->tx) {
			p->tx = virtq_pop(vq);
			if (!p->tx)
				break;
			p->tx_len = chain_readable(p->tx);
			p->count.tx += p->tx_len;
			tx_continue(p);
		}
		if (!out_take(p))
			break;
		virtq_push(p->tx);
		p->tx = NULL;
	}
	out_flush(p);
}

static void side_writable(void *user)
{
	struct console_port *p = user;

	out_flush(p);
	if (p->tx)
		virtq_again(vdev_queue(&p->n->d, tx_queue(p->id)));
}

/* ---- to the guest */

/* Whether a program of the guest reads from the port: what comes for nobody would be lost. */
static bool guest_reads(const struct console_port *p)
{
	const struct console_ctl_port *c = &p->n->ctl.ports[p->id];

	if (!multiport(p->n))
		return p->id == 0;
	return c->plugged && c->guest_open;
}

/* Fills the buffer in hand.  Returns whether it is to be given back. */
static bool rx_fill(struct console_port *p)
{
	struct console *n = p->n;
	ssize_t got;

	if (!chain_writable(p->rx)) {
		log_guest(&n->d.log, "port %u: a buffer without room for a byte", p->id);
		return true;
	}
	if (!guest_reads(p))
		return false;
	got = p->ops->read(p->side, n->bounce, min_size(sizeof(n->bounce), chain_writable(p->rx)));
	if (got < 0) {
		p->ops->want_read(p->side);
		return false;
	}
	p->count.rx += (uint64_t)got;
	chain_put(p->rx, n->bounce, (size_t)got);
	return true;
}

/* One buffer is kept in hand while nothing comes: a ring that cannot be trusted shows at once. */
static void rx_serve(struct console_port *p)
{
	struct virtq *vq = vdev_queue(&p->n->d, rx_queue(p->id));

	while ((p->rx || (p->rx = virtq_pop(vq))) && rx_fill(p)) {
		virtq_push(p->rx);
		p->rx = NULL;
	}
}

static void rx_again(struct console_port *p)
{
	virtq_again(vdev_queue(&p->n->d, rx_queue(p->id)));
}

static void side_readable(void *user)
{
	rx_again(user);
}

/* ---- the control queues */

struct control_key {
	le32 id;
	le16 event;
};

static bool same_subject(const void *record, size_t len, const void *arg)
{
	const struct control_key *key = arg;
	struct console_control c;

	if (len < sizeof(c))
		return false;
	memcpy(&c, record, sizeof(c));
	return c.id == key->id && c.event == key->event;
}

static void control_send(void *user, const void *message, size_t len, bool replaces)
{
	struct console *n = user;
	struct console_control c;

	memcpy(&c, message, sizeof(c));
	/* However often a side comes and goes, the driver that takes nothing is owed one message. */
	if (replaces)
		events_forget(&n->events, same_subject, &(struct control_key){c.id, c.event});
	if (!events_put(&n->events, message, len))
		log_guest(&n->d.log, "port %u: a control message is lost: the driver takes none", le32toh(c.id));
}

static bool control_room(const struct console *n)
{
	return events_waiting(&n->events) + CONSOLE_ANSWERS_MAX <= CONTROL_ROOM - CONTROL_RESERVE;
}

static void control_message(struct console *n, struct chain *c)
{
	struct console_control m;
	const char *wrong;
	uint32_t id;

	if (!chain_get(c, &m, sizeof(m))) {
		log_guest(&n->d.log, "a control message that is too short");
		return;
	}
	wrong = console_ctl_message(&n->ctl, &m);
	id = le32toh(m.id);
	if (wrong) {
		log_guest(&n->d.log, "%s (port %u, event %u, value %u)", wrong, id, le16toh(m.event), le16toh(m.value));
		return;
	}
	if (le16toh(m.event) != VIRTIO_CONSOLE_PORT_OPEN)
		return;
	control_tell(n->d.control, "port %u %s", id, le16toh(m.value) ? "open" : "closed");
	rx_again(&n->ports[id]);
}

/* A message is taken when there is room for all it may be answered with. */
static void control_serve(struct console *n)
{
	struct chain *c;

	n->control_held = false;
	while (control_room(n) && (c = virtq_pop(vdev_queue(&n->d, CONTROL_TX)))) {
		control_message(n, c);
		virtq_push(c);
	}
	n->control_held = !control_room(n);
}

static void console_kick(struct vdev *d, unsigned int q)
{
	struct console *n = to_console(d);
	unsigned int port = q > CONTROL_TX ? q / 2 - 1 : 0;

	if (q == CONTROL_TX) {
		control_serve(n);
	} else if (q == CONTROL_RX) {
		events_kick(&n->events);
		if (n->control_held)
			virtq_again(vdev_queue(d, CONTROL_TX));
	} else if (q % 2) {
		tx_serve(&n->ports[port]);
	} else {
		rx_serve(&n->ports[port]);
	}
}

static void console_quiesce(struct vdev *d, unsigned int q)
{
	struct console *n = to_console(d);
	struct console_port *p = &n->ports[q > CONTROL_TX ? q / 2 - 1 : 0];

	if (q == CONTROL_TX)
		return;
	if (q == CONTROL_RX) {
		events_quiesce(&n->events);
	} else if (q % 2) {
		if (p->tx) {
			p->skip = p->tx_len - chain_readable(p->tx);
			p->skip_of = p->skip ? p->tx_len : 0;
			p->count.tx -= p->tx_len;
			virtq_requeue(p->tx);
		}
		p->tx = NULL;
	} else {
		if (p->rx)
			virtq_requeue(p->rx);
		p->rx = NULL;
	}
}

/* What the guest has written goes on its way. */
static void console_reset(struct vdev *d)
{
	struct console *n = to_console(d);

	console_ctl_reset(&n->ctl);
	events_reset(&n->events);
	n->control_held = false;
	for (unsigned int i = 0; i < n->ctl.nports; i++)
		n->ports[i].skip = n->ports[i].skip_of = 0;
}

static void console_features_set(struct vdev *d, uint64_t features)
{
	to_console(d)->ctl.sizes = features & BIT(VIRTIO_CONSOLE_F_SIZE);
}

/* ---- the configuration space */

static void console_config(struct vdev *d, void *buf)
{
	const struct console *n = to_console(d);
	const struct console_config config = {
		.cols = htole16(n->ctl.cols),
		.rows = htole16(n->ctl.rows),
		.max_nr_ports = htole32(n->ctl.nports),
	};

	memcpy(buf, &config, sizeof(config));
}

/* VIRTIO 1.4, section 5.3.4: a character at any time, before features are negotiated, without a queue. */
static int console_config_write(struct vdev *d, size_t off, const void *buf, size_t len)
{
	struct console_port *p = &to_console(d)->ports[0];
	uint8_t byte;

	if (off != offsetof(struct console_config, emerg_wr))
		return -EPERM;
	memcpy(&byte, buf, sizeof(byte));
	out_flush(p);
	out_make_room(p, sizeof(byte));
	console_ring_put(&p->out, &byte, sizeof(byte));
	p->count.emergency++;
	out_flush(p);
	return 0;
}

void console_resize(struct console *n, uint16_t cols, uint16_t rows)
{
	if (n->ctl.cols == cols && n->ctl.rows == rows)
		return;
	console_ctl_resize(&n->ctl, cols, rows);
	if (n->d.features & BIT(VIRTIO_CONSOLE_F_SIZE))
		vdev_config_changed(&n->d);
}

static void side_resized(void *user, uint16_t cols, uint16_t rows)
{
	struct console_port *p = user;

	if (p->n->ctl.ports[p->id].console)
		console_resize(p->n, cols, rows);
}

static void side_opened(void *user, bool open)
{
	struct console_port *p = user;

	console_ctl_host_open(&p->n->ctl, p->id, open);
	control_tell(p->n->d.control, "port %u %s", p->id, open ? "connected" : "disconnected");
}

static const struct console_user_ops user_ops = {
	.readable = side_readable,
	.writable = side_writable,
	.opened = side_opened,
	.resized = side_resized,
};

/* ---- moving */

/* The record "console". */
struct console_saved {
	le32 nports;
	le16 cols, rows;
	uint8_t ready;
	uint8_t padding[3];
} __attribute__((packed));

/* The record "port"; bytes that wait for the other side follow. */
struct port_saved {
	le32 id;
	le32 skip, skip_of;
	uint8_t plugged, ready, guest_open, host_open;
} __attribute__((packed));

static void port_save(const struct console_port *p, struct state *s)
{
	const struct console_ctl_port *c = &p->n->ctl.ports[p->id];
	const struct port_saved saved = {
		.id = htole32(p->id),
		.skip = htole32((uint32_t)p->skip),
		.skip_of = htole32((uint32_t)p->skip_of),
		.plugged = c->plugged,
		.ready = c->ready,
		.guest_open = c->guest_open,
		.host_open = c->host_open,
	};
	struct console_ring r = p->out;
	const uint8_t *at;
	size_t n;

	if (!r.used && !p->skip && c->plugged && !c->ready)
		return;
	state_put_begin(s, "port", sizeof(saved) + r.used);
	state_append(s, &saved, sizeof(saved));
	while ((n = console_ring_peek(&r, &at)) > 0) {
		state_append(s, at, n);
		console_ring_drop(&r, n);
	}
}

static void console_save(struct vdev *d, struct state *s)
{
	const struct console *n = to_console(d);
	const struct console_saved saved = {
		.nports = htole32(n->ctl.nports),
		.cols = htole16(n->ctl.cols),
		.rows = htole16(n->ctl.rows),
		.ready = n->ctl.ready,
	};

	state_put(s, "console", &saved, sizeof(saved));
	events_save(&n->events, s);
	for (unsigned int i = 0; i < n->ctl.nports; i++)
		port_save(&n->ports[i], s);
}

static int port_load(struct console *n, const struct state_record *r)
{
	struct console_ctl_port *c;
	struct port_saved saved;
	struct console_port *p;
	size_t len, skip, skip_of;
	bool here;

	if (r->len < sizeof(saved))
		return -EINVAL;
	memcpy(&saved, r->bytes, sizeof(saved));
	len = r->len - sizeof(saved);
	skip = le32toh(saved.skip);
	skip_of = le32toh(saved.skip_of);
	if (le32toh(saved.id) >= n->ctl.nports || len > CONSOLE_BUFFER_MAX || skip > skip_of || (!skip && skip_of))
		return -EINVAL;
	if (saved.host_open > 1 || saved.plugged > 1 || saved.ready > saved.plugged || saved.guest_open > saved.ready)
		return -EINVAL;
	p = &n->ports[le32toh(saved.id)];
	c = &n->ctl.ports[p->id];
	c->plugged = saved.plugged;
	c->ready = saved.ready;
	c->guest_open = saved.guest_open;
	/* Who is at the other side may differ here: the driver is told how it is. */
	here = c->host_open;
	c->host_open = saved.host_open;
	console_ctl_host_open(&n->ctl, p->id, here);
	p->skip = skip;
	p->skip_of = skip_of;
	if (len > p->out.size) {
		p->count.dropped += len - p->out.size;
		len = p->out.size;
	}
	/* What is here is of the guest before it came, or of another. */
	console_ring_drop(&p->out, p->out.used);
	console_ring_put(&p->out, (const uint8_t *)r->bytes + r->len - len, len);
	out_flush(p);
	return 0;
}

static int console_load(struct vdev *d, const struct state_record *r)
{
	struct console *n = to_console(d);
	struct console_saved saved;
	int err = events_load(&n->events, r);

	if (err != -ENOENT)
		return err;
	if (strcmp(r->name, "port") == 0)
		return port_load(n, r);
	if (strcmp(r->name, "console") != 0 || r->len != sizeof(saved))
		return -EINVAL;
	memcpy(&saved, r->bytes, sizeof(saved));
	if (saved.ready > 1)
		return -EINVAL;
	if (le32toh(saved.nports) != n->ctl.nports) {
		log_guest(&d->log, "state: %u ports, and there are %u here", le32toh(saved.nports), n->ctl.nports);
		return -EINVAL;
	}
	n->ctl.ready = saved.ready;
	n->ctl.cols = le16toh(saved.cols);
	n->ctl.rows = le16toh(saved.rows);
	return 0;
}

/* ---- the host */

static void console_needs(const struct vdev *d, struct sandbox *s)
{
	const struct console *n = container_of(d, struct console, d);

	for (unsigned int i = 0; i < n->ctl.nports; i++)
		n->ports[i].ops->needs(&n->ports[i].args, s);
}

static int port_open(struct console *n, unsigned int i)
{
	struct console_port *p = &n->ports[i];

	p->out.size = n->buffer;
	p->out.bytes = malloc(p->out.size);
	if (!p->out.bytes)
		return -ENOMEM;
	p->args.ops = &user_ops;
	p->args.user = p;
	return p->ops->start(&p->args, &p->side);
}

static int console_open(struct vdev *d)
{
	struct console *n = to_console(d);
	const struct events_opts events = {
		.queue = CONTROL_RX,
		.record = CONSOLE_CONTROL_MAX,
		.room = CONTROL_ROOM,
		.full = EVENTS_REFUSE_NEWEST,
		.name = "messages",
	};
	int err = events_open(&n->events, d, &events);

	n->ctl.send = control_send;
	n->ctl.user = n;
	n->ctl.rows_first = n->rows_first;
	for (unsigned int i = 0; !err && i < n->ctl.nports; i++) {
		n->ctl.ports[i].plugged = true;
		err = port_open(n, i);
	}
	return err;
}

/* What waits goes out, as far as the other side takes it. */
static void port_close(struct console_port *p)
{
	const uint8_t *at;
	size_t len;

	if (p->side && !p->ops->last)
		out_flush(p);
	while (p->side && p->ops->last && (len = console_ring_peek(&p->out, &at)) > 0) {
		p->ops->last(p->side, at, len);
		console_ring_drop(&p->out, len);
	}
	if (p->side)
		p->ops->stop(p->side);
	free(p->out.bytes);
}

static void console_close(struct vdev *d)
{
	struct console *n = to_console(d);

	for (unsigned int i = 0; i < n->ctl.nports; i++)
		port_close(&n->ports[i]);
	events_close(&n->events);
}

static unsigned int console_fds(const struct vdev *d)
{
	/* A listener, a connection, its end; a terminal and what keeps it. */
	return 8 + 4 * container_of(d, const struct console, d)->ctl.nports;
}

/* The driver could not set up a device, or has not begun: nothing happens, and nothing is told. */
static const struct console_control sample_ready = {.event = 0, .value = 0};

static const char *sample_check(const uint8_t *in, uint32_t used)
{
	return used ? "bytes are written where there is no room" : NULL;
}

static const struct vdev_sample console_samples[] = {
	{.what = "DEVICE_READY 0", .queue = CONTROL_TX, .features = BIT(VIRTIO_CONSOLE_F_MULTIPORT), .out = &sample_ready,
	 .out_len = sizeof(sample_ready), .check = sample_check},
	{0},
};

static const struct vdev_queue_desc console_queues[] = {
	{.name = "port0 receiveq", .size = 128, .max = 1024},
	{.name = "port0 transmitq", .size = 128, .max = 1024},
	{.name = "control receiveq", .size = 64, .max = 1024},
	{.name = "control transmitq", .size = 64, .max = 1024},
};

static const struct vdev_feature console_feature_names[] = {
	{VIRTIO_CONSOLE_F_SIZE, "size"},
	{VIRTIO_CONSOLE_F_MULTIPORT, "multiport"},
	{VIRTIO_CONSOLE_F_EMERG_WRITE, "emerg_write"},
	{0},
};

static const struct vdev_compat console_compat = {
	.suffix = true,
	.count = true,
	.fit = console_fit,
};

static const char *const console_examples[] = {
	"vdevd console --socket-path=/run/con.sock --console=stdio",
	"",
	"# a console on a pseudo-terminal, and a GNSS receiver for the guest",
	"vdevd console --socket-path=/run/con.sock --console=pty:/run/guest.tty --port=gnss=tty:/dev/ttyS1,9600n8 &",
	"socat -,raw,echo=0,escape=0x1d /run/guest.tty",
	"guest# cat /dev/virtio-ports/gnss",
	"",
	"# the boot log in a file, a login for who connects",
	"vdevd console --socket-path=/run/con.sock --console=file:/var/log/guest.log,size=1M --console=unix:/run/guest.con",
	"",
	"vhost-device-console --socket-path=/tmp/console.sock --socket-count=1 --tcp-port=12345 --backend=network",
	NULL,
};

const struct vdev_class vdev_console_class = {
	.name = "console",
	.summary = "console and serial ports",
	.about = MAN("Gives a guest consoles (hvc0) and serial ports (/dev/virtio-ports/NAME), up to 31 together.  Each is "
		     "connected with something of the host: a terminal, a pseudo-terminal, a socket, a serial line, a file.\n"
		     "\n"
		     "The first port is the one that a kernel writes to before it knows of others, and where its emergency "
		     "writes go.  Give it with --console.  What a Linux kernel has said before its driver has set the console up is not "
		     "told there: dmesg in the guest has it.\n"
		     "\n"
		     "What the guest writes waits here for the other side, up to --buffer bytes.  What comes from the other side is read when "
		     "a program of the guest has the port open and there is a buffer for it; till then it waits where it is, and "
		     "whoever writes it is held back.  A port on a socket serves one connection at a time; others wait.  A client that "
		     "goes is noticed when the guest reads or writes.\n"
		     "\n"
		     "The control socket has \"ports\", \"resize COLS ROWS\", \"unplug PORT\" and \"plug PORT\", and for simulated ports \"type PORT "
		     "TEXT\" and \"read PORT\".\n"
		     "\n"
		     "Missing: breaks and modem lines of a serial line, which the virtio standard has no words for; the size of a "
		     "pseudo-terminal's other side, which its kernel does not tell; a serial line that was unplugged does not come back.\n"
		     "\n"
		     "A guest can move to another host (live migration): which ports it has open goes along, and what waits to be "
		     "read by the other side."),
	.virtio_id = 3,
	.face.features =
		BIT(VIRTIO_CONSOLE_F_SIZE) | BIT(VIRTIO_CONSOLE_F_MULTIPORT) | BIT(VIRTIO_CONSOLE_F_EMERG_WRITE),
	.feature_names = console_feature_names,
	.face.queues = console_queues,
	.face.nqueues = ARRAY_SIZE(console_queues),
	.face.config_size = sizeof(struct console_config),
	.opts = console_opts,
	.commands = console_commands,
	.inst_size = sizeof(struct console),
	.samples = console_samples,
	.compat = &console_compat,
	.examples = MAN(console_examples),
	.check = console_check,
	.open = console_open,
	.fds = console_fds,
	.needs = console_needs,
	.kick = console_kick,
	.quiesce = console_quiesce,
	.reset = console_reset,
	.config = console_config,
	.config_write = console_config_write,
	.features_set = console_features_set,
	.save = console_save,
	.load = console_load,
	.close = console_close,
};
