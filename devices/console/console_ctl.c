/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_ctl.c - the control messages of a console; see console_ctl.h.
 */
#include <errno.h>
#include <string.h>

#include "devices/console/console_ctl.h"

struct resize_message {
	struct console_control head;
	le16 first, second;
} __attribute__((packed));

_Static_assert(sizeof(struct resize_message) == 12, "VIRTIO 1.4: struct virtio_console_resize behind the header");

static struct console_control head_of(unsigned int id, enum console_event event, uint16_t value)
{
	return (struct console_control){htole32(id), htole16((uint16_t)event), htole16(value)};
}

static void tell(struct console_ctl *m, unsigned int id, enum console_event event, uint16_t value)
{
	const struct console_control c = head_of(id, event, value);

	m->send(m->user, &c, sizeof(c), event == VIRTIO_CONSOLE_PORT_OPEN);
}

static void tell_name(struct console_ctl *m, unsigned int id)
{
	const char *name = m->ports[id].name;
	uint8_t message[CONSOLE_CONTROL_MAX];
	const struct console_control c = head_of(id, VIRTIO_CONSOLE_PORT_NAME, 1);
	size_t len = min_size(strlen(name), CONSOLE_NAME_MAX);

	memcpy(message, &c, sizeof(c));
	/* Without the zero at its end. */
	for (size_t i = 0; i < len; i++)
		message[sizeof(c) + i] = (uint8_t)name[i];
	m->send(m->user, message, sizeof(c) + len, false);
}

static void tell_size(struct console_ctl *m, unsigned int id)
{
	const struct resize_message r = {
		.head = head_of(id, VIRTIO_CONSOLE_RESIZE, 0),
		.first = htole16(m->rows_first ? m->rows : m->cols),
		.second = htole16(m->rows_first ? m->cols : m->rows),
	};

	if (m->sizes && m->ports[id].console)
		m->send(m->user, &r, sizeof(r), true);
}

static void device_ready(struct console_ctl *m)
{
	m->ready = true;
	for (unsigned int i = 0; i < m->nports; i++) {
		m->ports[i].ready = m->ports[i].guest_open = false;
		if (m->ports[i].plugged)
			tell(m, i, VIRTIO_CONSOLE_PORT_ADD, 1);
	}
}

/* A port that was told of before is told of again: that does no harm. */
static void port_ready(struct console_ctl *m, unsigned int id)
{
	struct console_ctl_port *p = &m->ports[id];

	p->ready = true;
	if (p->console)
		tell(m, id, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
	if (p->name)
		tell_name(m, id);
	if (p->host_open)
		tell(m, id, VIRTIO_CONSOLE_PORT_OPEN, 1);
	tell_size(m, id);
}

static const char *port_message(struct console_ctl *m, unsigned int id, uint16_t event, uint16_t value)
{
	struct console_ctl_port *p = &m->ports[id];

	if (value > 1)
		return "a value that is neither 0 nor 1";
	if (event == VIRTIO_CONSOLE_PORT_OPEN) {
		if (!p->ready)
			return "a port that is not ready is opened or closed";
		p->guest_open = value;
		return NULL;
	}
	/* The driver could not set the port up: it has none. */
	if (!value)
		p->ready = p->guest_open = false;
	else
		port_ready(m, id);
	return NULL;
}

const char *console_ctl_message(struct console_ctl *m, const struct console_control *message)
{
	uint32_t id = le32toh(message->id);
	uint16_t event = le16toh(message->event), value = le16toh(message->value);

	if (event == VIRTIO_CONSOLE_DEVICE_READY) {
		if (value > 1)
			return "a value that is neither 0 nor 1";
		if (value)
			device_ready(m);
		else
			console_ctl_reset(m); /* the driver could not set the device up */
		return NULL;
	}
	if (event != VIRTIO_CONSOLE_PORT_READY && event != VIRTIO_CONSOLE_PORT_OPEN)
		return "an event that is not the driver's";
	if (!m->ready)
		return "a message about a port before DEVICE_READY";
	if (id >= m->nports || !m->ports[id].plugged)
		return "a message about a port that there is not";
	return port_message(m, id, event, value);
}

int console_ctl_plug(struct console_ctl *m, unsigned int id, bool plugged)
{
	struct console_ctl_port *p = &m->ports[id];

	if (p->plugged == plugged)
		return -EALREADY;
	p->plugged = plugged;
	p->ready = p->guest_open = false;
	if (m->ready)
		tell(m, id, plugged ? VIRTIO_CONSOLE_PORT_ADD : VIRTIO_CONSOLE_PORT_REMOVE, 1);
	return 0;
}

void console_ctl_host_open(struct console_ctl *m, unsigned int id, bool open)
{
	struct console_ctl_port *p = &m->ports[id];

	if (p->host_open == open)
		return;
	p->host_open = open;
	if (p->ready)
		tell(m, id, VIRTIO_CONSOLE_PORT_OPEN, open);
}

void console_ctl_resize(struct console_ctl *m, uint16_t cols, uint16_t rows)
{
	if (m->cols == cols && m->rows == rows)
		return;
	m->cols = cols;
	m->rows = rows;
	for (unsigned int i = 0; i < m->nports; i++) {
		if (m->ports[i].ready)
			tell_size(m, i);
	}
}

void console_ctl_reset(struct console_ctl *m)
{
	m->ready = false;
	for (unsigned int i = 0; i < m->nports; i++)
		m->ports[i].ready = m->ports[i].guest_open = false;
}
