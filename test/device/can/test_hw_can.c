/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_hw_can.c - the CAN device on vcan0, a virtual CAN interface of this machine, where there is one with CAN FD that is up:
 * ip link add vcan0 type vcan; ip link set vcan0 mtu 72 up.  The other node is a socket of the test.
 */
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

#include "test/lib/carrier.h"
#include "test/unit/suites.h"

enum { TXQ, RXQ, CONTROLQ };

#define HEAD 16

static int node_open(void)
{
	struct sockaddr_can at = {.can_family = AF_CAN, .can_ifindex = (int)if_nametoindex("vcan0")};
	int fd = socket(PF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW), on = 1;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FD_FRAMES, &on, sizeof(on)), 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void node_send(int fd, canid_t id, const char *data, size_t size)
{
	struct canfd_frame f = {.can_id = id, .len = (uint8_t)strlen(data)};

	memcpy(f.data, data, strlen(data));
	ck_assert_int_eq(write(fd, &f, size), (ssize_t)size);
}

static void node_check(int fd, canid_t id, const char *data, size_t size)
{
	struct canfd_frame f = {0};

	ck_assert_int_eq(read(fd, &f, sizeof(f)), (ssize_t)size);
	ck_assert_uint_eq(f.can_id, id);
	ck_assert_uint_eq(f.len, strlen(data));
	ck_assert_mem_eq(f.data, data, strlen(data));
}

static void frame(uint8_t *out, uint16_t type, uint32_t flags, uint32_t id, const char *data)
{
	const le16 half[2] = {htole16(type), htole16((uint16_t)strlen(data))};
	const le32 word[2] = {htole32(flags), htole32(id)};

	memset(out, 0, HEAD + 64);
	memcpy(out, half, 4);
	memcpy(out + 8, word, 8);
	memcpy(out + HEAD, data, strlen(data));
}

static int start(struct carrier *c)
{
	const le16 out = htole16(0x0201);
	uint8_t in = 0xee;

	ck_assert_uint_eq(carrier_request(c, CONTROLQ, &out, 2, &in, 1), 1);
	return in;
}

static int tx(struct carrier *c, uint32_t flags, uint32_t id, const char *data)
{
	uint8_t out[HEAD + 64], in = 0xee;

	frame(out, 1, flags, id, data);
	ck_assert_uint_eq(carrier_request(c, TXQ, out, HEAD + strlen(data), &in, 1), 1);
	return in;
}

static void rx(struct carrier *c, uint32_t flags, uint32_t id, const char *data)
{
	uint8_t in[HEAD + 64], want[HEAD + 64];
	struct frontend_request *req = carrier_submit(c, RXQ, NULL, 0, HEAD + 64);

	frame(want, 0x0101, flags, id, data);
	ck_assert_uint_eq(carrier_await(c, RXQ, req, in), HEAD + strlen(data));
	ck_assert_mem_eq(in, want, HEAD + strlen(data));
}

static void frames(struct carrier *c)
{
	int fd = node_open();

	node_send(fd, 0x7ff, "stale", CAN_MTU);
	ck_assert_int_eq(start(c), 0);
	ck_assert_int_eq(tx(c, 0, 0x123, "hello"), 0);
	node_check(fd, 0x123, "hello", CAN_MTU);
	ck_assert_int_eq(tx(c, 0xc000, 0x12345678, "twelve bytes"), 0);
	node_check(fd, 0x12345678 | CAN_EFF_FLAG, "twelve bytes", CANFD_MTU);
	ck_assert_int_eq(tx(c, 0x2000, 5, ""), 0);
	node_check(fd, 5 | CAN_RTR_FLAG, "", CAN_MTU);
	/* Neither the stale one nor our own. */
	node_send(fd, 0x321, "world", CAN_MTU);
	rx(c, 0, 0x321, "world");
	node_send(fd, 1 | CAN_EFF_FLAG, "sixteen bytes...", CANFD_MTU);
	rx(c, 0xc000, 1, "sixteen bytes...");
	node_send(fd, 2 | CAN_RTR_FLAG, "", CAN_MTU);
	rx(c, 0x2000, 2, "");
	close(fd);
}

static const char *const allow_args[] = {"--interface=vcan0", "--allow-tx=0x100", "--allow-rx=0x200-0x2ff,0x80000000/0x1ffffff0", NULL};

static void filters(struct carrier *c)
{
	int fd = node_open();

	ck_assert_int_eq(start(c), 0);
	ck_assert_int_eq(tx(c, 0, 0x101, "no"), 1);
	ck_assert_int_eq(tx(c, 0, 0x100, "yes"), 0);
	node_check(fd, 0x100, "yes", CAN_MTU);
	node_send(fd, 0x1ff, "no", CAN_MTU);
	node_send(fd, 0x300, "no", CAN_MTU);
	node_send(fd, 0x10 | CAN_EFF_FLAG, "no", CAN_MTU);
	node_send(fd, 0x2ff, "yes", CAN_MTU);
	rx(c, 0, 0x2ff, "yes");
	node_send(fd, 0xf | CAN_EFF_FLAG, "yes", CAN_MTU);
	rx(c, 0x8000, 0xf, "yes");
	close(fd);
}

static void bus_off(struct carrier *c)
{
	struct can_frame f = {.can_id = CAN_ERR_FLAG | CAN_ERR_BUSOFF, .len = CAN_ERR_DLC};
	int fd = node_open();
	le16 status = 0;

	ck_assert_int_eq(start(c), 0);
	ck_assert_int_eq(write(fd, &f, sizeof(f)), sizeof(f));
	carrier_wait_config_change(c);
	carrier_config_read(c, 0, &status, 2);
	ck_assert_uint_eq(le16toh(status), 1);
	ck_assert_int_eq(tx(c, 0, 1, "x"), 1);
	ck_assert_int_eq(start(c), 0);
	ck_assert_int_eq(tx(c, 0, 1, "x"), 0);
	close(fd);
}

/* The controller's state is what its error frames say, and stays where one says nothing of it. */
static void error_state(struct carrier *c)
{
	static const struct {
		canid_t class;
		uint8_t crtl, tx, rx;
		const char *told;
	} rows[] = {
		{CAN_ERR_CRTL | CAN_ERR_CNT, CAN_ERR_CRTL_TX_WARNING, 100, 3, "error-warning"},
		{CAN_ERR_PROT | CAN_ERR_CNT, 0, 101, 3, NULL},
		{CAN_ERR_CRTL, CAN_ERR_CRTL_RX_OVERFLOW, 0, 0, NULL},
		{CAN_ERR_CRTL, CAN_ERR_CRTL_RX_PASSIVE, 0, 0, "error-passive"},
		{CAN_ERR_PROT | CAN_ERR_CNT, 0, 0, 128, NULL},
		{CAN_ERR_CRTL, CAN_ERR_CRTL_ACTIVE, 0, 0, "error-active"},
		{CAN_ERR_PROT | CAN_ERR_CNT, 0, 96, 0, "error-warning"},
	};
	int fd = node_open();
	char want[80], *log;
	size_t at = 0;

	ck_assert_int_eq(start(c), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct can_frame f = {.can_id = CAN_ERR_FLAG | rows[i].class, .len = CAN_ERR_DLC,
					    .data = {[1] = rows[i].crtl, [6] = rows[i].tx, [7] = rows[i].rx}};

		ck_assert_int_eq(write(fd, &f, sizeof(f)), sizeof(f));
		carrier_idle(c, 5);
	}
	/* All of them have come when the answer to this has. */
	ck_assert_int_eq(tx(c, 0, 1, "x"), 0);
	log = carrier_log(c);
	for (size_t i = 0; log && i < ARRAY_SIZE(rows); i++) {
		const char *found = strstr(log + at, "the controller is ");

		if (!rows[i].told)
			continue;
		snprintf(want, sizeof(want), "the controller is %s", rows[i].told);
		ck_assert_msg(found && strncmp(found, want, strlen(want)) == 0, "row %zu: %s", i, found ? found : "nothing");
		at = (size_t)(found - log) + strlen(want);
	}
	ck_assert(!log || !strstr(log + at, "the controller is "));
	free(log);
	close(fd);
}

static void interface_up(bool up)
{
	ck_assert_int_eq(system(up ? "ip link set vcan0 up" : "ip link set vcan0 down"), 0);
}

/* Taken down and up again. */
static void down(struct carrier *c)
{
	ck_assert_int_eq(start(c), 0);
	ck_assert_int_eq(tx(c, 0, 1, "x"), 0);
	interface_up(false);
	ck_assert_int_eq(tx(c, 0, 1, "x"), 1);
	interface_up(true);
	ck_assert_int_eq(tx(c, 0, 1, "x"), 0);
	carrier_reset(c);
	interface_up(false);
	ck_assert_int_eq(start(c), 1);
	interface_up(true);
	ck_assert_int_eq(start(c), 0);
	ck_assert_int_eq(tx(c, 0, 1, "x"), 0);
}

/* Unplugged and plugged in. */
static void unplugged(struct carrier *c)
{
	ck_assert_int_eq(start(c), 0);
	ck_assert_int_eq(system("ip link del vcan0"), 0);
	carrier_idle(c, 20);
	ck_assert_int_eq(tx(c, 0, 1, "x"), 1);
	ck_assert_int_eq(system("ip link add vcan0 type vcan && ip link set vcan0 mtu 72 up"), 0);
	carrier_idle(c, 1500);
	ck_assert_int_eq(tx(c, 0, 1, "x"), 0);
}

static const char *const vcan_args[] = {"--interface=vcan0", NULL};

static const struct device_case cases[] = {
	{.name = "frames", .run = frames, .flags = CASE_ONCE},
	{.name = "filters", .run = filters, .args = allow_args, .flags = CASE_ONCE},
	{.name = "bus-off", .run = bus_off, .flags = CASE_ONCE | CASE_CONFIG},
	{.name = "error state", .run = error_state, .flags = CASE_ONCE},
	{.name = "down", .run = down, .flags = CASE_ONCE},
	{.name = "unplugged", .run = unplugged, .flags = CASE_ONCE},
};

static const struct device_suite vcan = {
	.device = "can",
	.args = vcan_args,
	DEVICE_CASES(cases),
};

START_TEST(test_absent)
{
	test_note_skip("hw_can", "no interface vcan0");
}
END_TEST

Suite *suite_hw_can(void)
{
	Suite *s = suite_create("hw_can");
	TCase *tc = tcase_create("vcan");

	if (if_nametoindex("vcan0")) {
		suite_add_device(s, &vcan);
		return s;
	}
	tcase_add_test(tc, test_absent);
	suite_add_tcase(s, tc);
	return s;
}
