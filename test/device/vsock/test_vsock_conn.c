/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_vsock_conn.c - state and credit of a connection of the socket device: VIRTIO 1.4, section 5.10.6.
 */
#include "devices/vsock/vsock_conn.h"
#include "test/unit/suites.h"

#include <check.h>

#define ROOM 4096u

static struct vsock_packet packet(enum vsock_op op, uint32_t len)
{
	return (struct vsock_packet){
		.src_cid = 3, .dst_cid = 2, .src_port = 10, .dst_port = 20, .type = VSOCK_TYPE_STREAM,
		.op = (uint16_t)op, .len = len, .buf_alloc = 1000,
	};
}

static enum vsock_verdict receive(struct vsock_conn *c, enum vsock_op op, uint32_t len)
{
	struct vsock_packet p = packet(op, len);

	return vsock_conn_receive(c, &p);
}

static struct vsock_conn open_conn(void)
{
	struct vsock_packet p = packet(VSOCK_OP_REQUEST, 0), out;
	struct vsock_conn c;

	vsock_conn_dial(&c, &p, ROOM);
	vsock_conn_respond(&c);
	ck_assert(vsock_conn_next(&c, &out));
	ck_assert_uint_eq(out.op, VSOCK_OP_RESPONSE);
	ck_assert_uint_eq(out.src_port, 20);
	ck_assert_uint_eq(out.dst_port, 10);
	ck_assert(!vsock_conn_next(&c, &out));
	return c;
}

/* Counters run over 2^32, and nothing is lost or gained. */
START_TEST(test_counters_wrap)
{
	struct vsock_conn c = open_conn();
	struct vsock_packet p = packet(VSOCK_OP_CREDIT_UPDATE, 0), out;

	c.rx_cnt = c.fwd_cnt = c.told_fwd = UINT32_MAX - 100;
	c.tx_cnt = UINT32_MAX - 5;
	p.fwd_cnt = UINT32_MAX - 10;
	ck_assert_int_eq(vsock_conn_receive(&c, &p), VSOCK_NOTHING);
	ck_assert_uint_eq(vsock_conn_credit(&c), 995);
	vsock_conn_send(&c, 995, 0, &out);
	ck_assert_uint_eq(c.tx_cnt, 989);
	ck_assert_uint_eq(vsock_conn_credit(&c), 0);
	p.fwd_cnt = 989;
	ck_assert_int_eq(vsock_conn_receive(&c, &p), VSOCK_NOTHING);
	ck_assert_uint_eq(vsock_conn_credit(&c), 1000);

	ck_assert_int_eq(receive(&c, VSOCK_OP_RW, ROOM), VSOCK_DATA);
	ck_assert_uint_eq(c.rx_cnt, ROOM - 101);
	vsock_conn_forwarded(&c, ROOM);
	ck_assert_int_eq(receive(&c, VSOCK_OP_RW, ROOM), VSOCK_DATA);
	ck_assert_int_eq(receive(&c, VSOCK_OP_RW, 1), VSOCK_WRONG);
}
END_TEST

/* A guest that says it has read more than it was sent, or has no room, is sent nothing. */
START_TEST(test_credit_of_a_liar)
{
	struct vsock_conn c = open_conn();
	struct vsock_packet p = packet(VSOCK_OP_CREDIT_UPDATE, 0), out;

	p.fwd_cnt = 1;
	vsock_conn_receive(&c, &p);
	ck_assert_uint_eq(vsock_conn_credit(&c), 0);
	/* It is asked, once until there is credit again. */
	ck_assert(vsock_conn_next(&c, &out));
	ck_assert_uint_eq(out.op, VSOCK_OP_CREDIT_REQUEST);
	ck_assert_uint_eq(vsock_conn_credit(&c), 0);
	ck_assert(!vsock_conn_next(&c, &out));
	p.fwd_cnt = 0;
	p.buf_alloc = UINT32_MAX;
	vsock_conn_receive(&c, &p);
	ck_assert_uint_eq(vsock_conn_credit(&c), UINT32_MAX);
	p.buf_alloc = 0;
	vsock_conn_receive(&c, &p);
	ck_assert_uint_eq(vsock_conn_credit(&c), 0);
	ck_assert(vsock_conn_next(&c, &out));
	ck_assert_uint_eq(out.op, VSOCK_OP_CREDIT_REQUEST);
}
END_TEST

/* The guest is told when a quarter of the room has become free, or with any packet. */
START_TEST(test_updates)
{
	struct vsock_conn c = open_conn();
	struct vsock_packet out;

	ck_assert_int_eq(receive(&c, VSOCK_OP_RW, ROOM), VSOCK_DATA);
	vsock_conn_forwarded(&c, ROOM / 4 - 1);
	ck_assert(!vsock_conn_next(&c, &out));
	vsock_conn_forwarded(&c, 1);
	ck_assert(vsock_conn_next(&c, &out));
	ck_assert_uint_eq(out.op, VSOCK_OP_CREDIT_UPDATE);
	ck_assert_uint_eq(out.fwd_cnt, ROOM / 4);
	ck_assert_uint_eq(out.buf_alloc, ROOM);
	vsock_conn_forwarded(&c, ROOM / 2);
	vsock_conn_send(&c, 10, 0, &out);
	ck_assert_uint_eq(out.fwd_cnt, ROOM / 4 * 3);
	ck_assert(!vsock_conn_next(&c, &out));
}
END_TEST

/* What may come when: all else resets the connection. */
START_TEST(test_order)
{
	static const enum vsock_op never[] = {VSOCK_OP_INVALID, VSOCK_OP_REQUEST, VSOCK_OP_RESPONSE, 77};
	struct vsock_packet out;
	struct vsock_conn c;

	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		c = open_conn();
		ck_assert_int_eq(receive(&c, never[i], 0), VSOCK_WRONG);
	}
	c = open_conn();
	ck_assert_int_eq(receive(&c, VSOCK_OP_SHUTDOWN, 5), VSOCK_WRONG);

	vsock_conn_ask(&c, 2, 20, 3, 10, VSOCK_TYPE_STREAM, ROOM);
	ck_assert_int_eq(receive(&c, VSOCK_OP_RESPONSE, 0), VSOCK_WRONG); /* before it was asked */
	ck_assert(vsock_conn_next(&c, &out));
	ck_assert_uint_eq(out.op, VSOCK_OP_REQUEST);
	ck_assert_int_eq(receive(&c, VSOCK_OP_RW, 1), VSOCK_WRONG);
	ck_assert_int_eq(receive(&c, VSOCK_OP_RESPONSE, 0), VSOCK_ACCEPTED);
	ck_assert_int_eq(receive(&c, VSOCK_OP_RESPONSE, 0), VSOCK_WRONG);
}
END_TEST

/* The flags of SHUTDOWN, one by one; they are never taken back. */
START_TEST(test_shutdown)
{
	struct vsock_conn c = open_conn();
	struct vsock_packet p = packet(VSOCK_OP_SHUTDOWN, 0), out;

	p.flags = VSOCK_SHUTDOWN_SEND;
	ck_assert_int_eq(vsock_conn_receive(&c, &p), VSOCK_HALF);
	p.flags = 0;
	ck_assert_int_eq(vsock_conn_receive(&c, &p), VSOCK_NOTHING);
	ck_assert_uint_eq(c.peer_shutdown, VSOCK_SHUTDOWN_SEND);
	ck_assert_int_eq(receive(&c, VSOCK_OP_RW, 1), VSOCK_WRONG);
	p.flags = VSOCK_SHUTDOWN_RECEIVE;
	ck_assert_int_eq(vsock_conn_receive(&c, &p), VSOCK_HALF);
	ck_assert_uint_eq(c.peer_shutdown, VSOCK_SHUTDOWN_BOTH);

	c = open_conn();
	vsock_conn_shutdown(&c, VSOCK_SHUTDOWN_RECEIVE);
	vsock_conn_shutdown(&c, VSOCK_SHUTDOWN_RECEIVE);
	ck_assert(vsock_conn_next(&c, &out));
	ck_assert_uint_eq(out.flags, VSOCK_SHUTDOWN_RECEIVE);
	ck_assert(!vsock_conn_next(&c, &out));
	vsock_conn_shutdown(&c, VSOCK_SHUTDOWN_SEND);
	ck_assert_int_eq(c.state, VSOCK_ENDING);
	ck_assert(vsock_conn_next(&c, &out));
	ck_assert_uint_eq(out.flags, VSOCK_SHUTDOWN_BOTH);
	vsock_conn_reset(&c);
	ck_assert_int_eq(receive(&c, VSOCK_OP_RW, 1), VSOCK_NOTHING);
	ck_assert(vsock_conn_next(&c, &out));
	ck_assert_uint_eq(out.op, VSOCK_OP_RST);
	ck_assert_int_eq(c.state, VSOCK_NONE);
}
END_TEST

Suite *suite_vsock_conn(void)
{
	Suite *s = suite_create("vsock_conn");
	TCase *tc = tcase_create("conn");

	tcase_add_test(tc, test_counters_wrap);
	tcase_add_test(tc, test_credit_of_a_liar);
	tcase_add_test(tc, test_updates);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_shutdown);
	suite_add_tcase(s, tc);
	return s;
}
