/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_console_ctl.c - the control messages of a console as a machine: VIRTIO 1.4, section 5.3.6.2.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "devices/console/console_ctl.h"
#include "test/unit/suites.h"

static char said[4096];

static void send_message(void *user, const void *message, size_t len, bool replaces)
{
	static const char *const names[] = {"DEVICE_READY", "ADD", "REMOVE", "READY", "CONSOLE", "RESIZE", "OPEN", "NAME"};
	const uint8_t *bytes = message;
	struct console_control c;
	size_t at = strlen(said);

	memcpy(&c, message, sizeof(c));
	ck_assert_uint_lt(le16toh(c.event), ARRAY_SIZE(names));
	at += (size_t)snprintf(said + at, sizeof(said) - at, "%s%u %s %u", at ? "; " : "", le32toh(c.id),
			       names[le16toh(c.event)], le16toh(c.value));
	if (le16toh(c.event) == VIRTIO_CONSOLE_RESIZE)
		snprintf(said + at, sizeof(said) - at, " %u,%u", bytes[8] | bytes[9] << 8, bytes[10] | bytes[11] << 8);
	else if (len > sizeof(c))
		snprintf(said + at, sizeof(said) - at, " %.*s", (int)(len - sizeof(c)), (const char *)bytes + sizeof(c));
}

static struct console_ctl machine(void)
{
	struct console_ctl m = {.nports = 2, .sizes = true, .cols = 300, .rows = 24, .send = send_message};

	m.ports[0] = (struct console_ctl_port){.console = true, .plugged = true, .host_open = true};
	m.ports[1] = (struct console_ctl_port){.name = "gnss", .plugged = true};
	said[0] = '\0';
	return m;
}

static const char *message(struct console_ctl *m, uint32_t id, uint16_t event, uint16_t value)
{
	const struct console_control c = {htole32(id), htole16(event), htole16(value)};

	said[0] = '\0';
	return console_ctl_message(m, &c);
}

#define GOOD(...) ck_assert_ptr_null(message(&m, __VA_ARGS__))
#define BAD(...)                                                  \
	do {                                                      \
		ck_assert_ptr_nonnull(message(&m, __VA_ARGS__));  \
		ck_assert_str_eq(said, "");                       \
	} while (0)

START_TEST(handshake)
{
	struct console_ctl m = machine();

	GOOD(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	ck_assert_str_eq(said, "0 ADD 1; 1 ADD 1");
	GOOD(0, VIRTIO_CONSOLE_PORT_READY, 1);
	ck_assert_str_eq(said, "0 CONSOLE 1; 0 OPEN 1; 0 RESIZE 0 300,24");
	GOOD(1, VIRTIO_CONSOLE_PORT_READY, 1);
	ck_assert_str_eq(said, "1 NAME 1 gnss");
	GOOD(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	ck_assert_str_eq(said, "");
	ck_assert(m.ports[1].guest_open && !m.ports[0].guest_open);
	GOOD(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	ck_assert(!m.ports[1].guest_open);
	/* It begins anew. */
	GOOD(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	GOOD(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	ck_assert(!m.ports[1].ready && !m.ports[1].guest_open);
	GOOD(0, VIRTIO_CONSOLE_DEVICE_READY, 0);
	BAD(0, VIRTIO_CONSOLE_PORT_READY, 1);
}
END_TEST

START_TEST(wrong)
{
	struct console_ctl m = machine();

	BAD(0, VIRTIO_CONSOLE_PORT_READY, 1);
	BAD(0, VIRTIO_CONSOLE_DEVICE_READY, 2);
	GOOD(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	BAD(2, VIRTIO_CONSOLE_PORT_READY, 1);
	BAD(UINT32_MAX, VIRTIO_CONSOLE_PORT_READY, 1);
	BAD(0, VIRTIO_CONSOLE_PORT_READY, 2);
	BAD(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	BAD(0, VIRTIO_CONSOLE_PORT_ADD, 1);
	BAD(0, VIRTIO_CONSOLE_RESIZE, 1);
	BAD(0, VIRTIO_CONSOLE_PORT_NAME, 1);
	BAD(0, 8, 1);
	BAD(0, UINT16_MAX, 1);
	/* A port that the driver could not make. */
	GOOD(0, VIRTIO_CONSOLE_PORT_READY, 1);
	GOOD(0, VIRTIO_CONSOLE_PORT_READY, 0);
	BAD(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
}
END_TEST

START_TEST(host_side)
{
	struct console_ctl m = machine();

	console_ctl_host_open(&m, 1, true);
	console_ctl_resize(&m, 80, 25);
	ck_assert_str_eq(said, "");
	GOOD(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	GOOD(1, VIRTIO_CONSOLE_PORT_READY, 1);
	ck_assert_str_eq(said, "1 NAME 1 gnss; 1 OPEN 1");
	said[0] = '\0';
	console_ctl_host_open(&m, 1, true);
	console_ctl_host_open(&m, 1, false);
	ck_assert_str_eq(said, "1 OPEN 0");
	said[0] = '\0';
	/* Only a console has a size, and only a ready one is told. */
	console_ctl_resize(&m, 90, 25);
	ck_assert_str_eq(said, "");
	GOOD(0, VIRTIO_CONSOLE_PORT_READY, 1);
	m.rows_first = true;
	said[0] = '\0';
	console_ctl_resize(&m, 100, 26);
	console_ctl_resize(&m, 100, 26);
	ck_assert_str_eq(said, "0 RESIZE 0 26,100");
	said[0] = '\0';
	m.sizes = false;
	console_ctl_resize(&m, 101, 26);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(plugs)
{
	struct console_ctl m = machine();

	ck_assert_int_eq(console_ctl_plug(&m, 1, true), -EALREADY);
	ck_assert_int_eq(console_ctl_plug(&m, 1, false), 0);
	ck_assert_str_eq(said, "");
	GOOD(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	ck_assert_str_eq(said, "0 ADD 1");
	BAD(1, VIRTIO_CONSOLE_PORT_READY, 1);
	ck_assert_int_eq(console_ctl_plug(&m, 1, true), 0);
	ck_assert_str_eq(said, "1 ADD 1");
	GOOD(1, VIRTIO_CONSOLE_PORT_READY, 1);
	GOOD(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	said[0] = '\0';
	ck_assert_int_eq(console_ctl_plug(&m, 1, false), 0);
	ck_assert_str_eq(said, "1 REMOVE 1");
	ck_assert(!m.ports[1].guest_open);
	BAD(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}
END_TEST

Suite *suite_console_ctl(void)
{
	Suite *s = suite_create("console_ctl");
	TCase *tc = tcase_create("messages");

	tcase_add_test(tc, handshake);
	tcase_add_test(tc, wrong);
	tcase_add_test(tc, host_side);
	tcase_add_test(tc, plugs);
	suite_add_tcase(s, tc);
	return s;
}
