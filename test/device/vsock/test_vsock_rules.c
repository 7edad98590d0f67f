/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_vsock_rules.c - --allow, --deny and --map of the socket device.
 */
#include "devices/vsock/vsock_rules.h"
#include "test/unit/suites.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static char why[200];

static int rule(struct vsock_rules *r, bool allow, const char *value)
{
	return vsock_rules_add(r, allow, value, why, sizeof(why));
}

static int map(struct vsock_rules *r, const char *value)
{
	return vsock_rules_map(r, value, why, sizeof(why));
}

/* Without rules all is allowed; an --allow shuts out the rest of its direction, and nothing of the other. */
START_TEST(test_defaults)
{
	struct vsock_rules r = {0};

	ck_assert(vsock_rules_allow(&r, true, 5) && vsock_rules_allow(&r, false, UINT32_MAX));
	ck_assert_int_eq(rule(&r, false, "guest:7"), 0);
	ck_assert(!vsock_rules_allow(&r, true, 7) && vsock_rules_allow(&r, true, 8));
	ck_assert(vsock_rules_allow(&r, false, 7));
	ck_assert_int_eq(rule(&r, true, "host:22"), 0);
	ck_assert(vsock_rules_allow(&r, false, 22) && !vsock_rules_allow(&r, false, 7));
	ck_assert(vsock_rules_allow(&r, true, 8));
}
END_TEST

/* The first rule that has the port. */
START_TEST(test_order)
{
	struct vsock_rules r = {0};

	ck_assert_int_eq(rule(&r, true, "guest:100,200-0x12c"), 0);
	ck_assert_int_eq(rule(&r, false, "guest:0-1000"), 0);
	ck_assert_int_eq(rule(&r, true, "guest:all"), 0);
	ck_assert(vsock_rules_allow(&r, true, 100) && vsock_rules_allow(&r, true, 300));
	ck_assert(!vsock_rules_allow(&r, true, 101) && !vsock_rules_allow(&r, true, 301) && !vsock_rules_allow(&r, true, 0));
	ck_assert(vsock_rules_allow(&r, true, 1001) && vsock_rules_allow(&r, true, UINT32_MAX));
}
END_TEST

START_TEST(test_bad_rules)
{
	static const char *const bad[] = {"",	      "22",	      "guest",	  "guest:",   "guest:,",   "guest:1,",	"guest:1,,2",
					  "guest:a",  "guest:2-1",    "guest:1-", "guest:-1", "host:1-2-3", "hosts:1", "guest:4294967296",
					  "guest:alle", "guest:00000000000000000001"};
	struct vsock_rules r = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		why[0] = '\0';
		ck_assert_msg(rule(&r, true, bad[i]) == -EINVAL, "'%s' was taken", bad[i]);
		ck_assert(strstr(why, "wanted"));
	}
	r.nrules = 0;
	for (unsigned int i = 0; i < VSOCK_RULES; i++)
		ck_assert_int_eq(rule(&r, true, "host:5"), 0);
	ck_assert_int_eq(rule(&r, true, "host:5"), -EINVAL);
}
END_TEST

START_TEST(test_maps)
{
	struct vsock_rules r = {0};
	const struct vsock_map *m;
	char text[64];

	ck_assert_int_eq(map(&r, "guest:80=tcp:127.1.2.3:8080"), 0);
	ck_assert_int_eq(map(&r, "guest:4294967295=unix:/run/x=y:z"), 0);
	ck_assert_int_eq(map(&r, "guest:81=tcp:[::1]:65535"), 0);
	ck_assert_ptr_null(vsock_rules_find(&r, 82));
	m = vsock_rules_find(&r, UINT32_MAX);
	ck_assert_ptr_nonnull(m);
	ck_assert_str_eq(m->path, "/run/x=y:z");
	m = vsock_rules_find(&r, 80);
	ck_assert_ptr_null(m->path);
	ck_assert_int_eq(m->tcp.sa.sa_family, AF_INET);
	ck_assert_uint_eq(ntohs(m->tcp.in.sin_port), 8080);
	ck_assert_str_eq(inet_ntop(AF_INET, &m->tcp.in.sin_addr, text, sizeof(text)), "127.1.2.3");
	m = vsock_rules_find(&r, 81);
	ck_assert_int_eq(m->tcp.sa.sa_family, AF_INET6);
	ck_assert_uint_eq(ntohs(m->tcp.in6.sin6_port), 65535);
	ck_assert(IN6_IS_ADDR_LOOPBACK(&m->tcp.in6.sin6_addr));
	ck_assert_int_eq(map(&r, "guest:80=unix:/run/y"), -EINVAL);
	ck_assert(strstr(why, "already"));
}
END_TEST

/* A port leads to this machine and to no other. */
START_TEST(test_bad_maps)
{
	static const char *const bad[] = {"",
					  "guest:80",
					  "guest:=unix:/x",
					  "guest:x=unix:/x",
					  "host:80=unix:/x",
					  "guest:80=unix:",
					  "guest:80=/x",
					  "guest:80=tcp:80",
					  "guest:80=tcp::80",
					  "guest:80=tcp:127.0.0.1",
					  "guest:80=tcp:127.0.0.1:",
					  "guest:80=tcp:127.0.0.1:0",
					  "guest:80=tcp:127.0.0.1:65536",
					  "guest:80=tcp:128.0.0.1:80",
					  "guest:80=tcp:10.127.0.1:80",
					  "guest:80=tcp:localhost:80",
					  "guest:80=tcp:0.0.0.0:80",
					  "guest:80=tcp:[::]:80",
					  "guest:80=tcp:::1:80",
					  "guest:80=udp:127.0.0.1:80"};
	struct vsock_rules r = {0};
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(map(&r, bad[i]) == -EINVAL, "'%s' was taken", bad[i]);
	snprintf(text, sizeof(text), "guest:80=unix:/%0107d", 0);
	ck_assert_int_eq(map(&r, text), -EINVAL);
	ck_assert_uint_eq(r.nmaps, 0);
	for (unsigned int i = 0; i <= VSOCK_MAPS; i++) {
		snprintf(text, sizeof(text), "guest:%u=unix:/x", i);
		ck_assert_int_eq(map(&r, text), i < VSOCK_MAPS ? 0 : -EINVAL);
	}
}
END_TEST

Suite *suite_vsock_rules(void)
{
	Suite *s = suite_create("vsock_rules");
	TCase *tc = tcase_create("rules");

	tcase_add_test(tc, test_defaults);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_bad_rules);
	tcase_add_test(tc, test_maps);
	tcase_add_test(tc, test_bad_maps);
	suite_add_tcase(s, tc);
	return s;
}
