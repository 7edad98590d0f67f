/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_json.c - the JSON writer: separators, layout, and texts that are anything.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "test/unit/suites.h"

static struct json j;
static char *text;
static size_t len;

static void begin(void)
{
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	json_begin(&j, out);
}

static void is(const char *want)
{
	fclose(j.out);
	ck_assert_str_eq(text, want);
	free(text);
}

START_TEST(test_flat)
{
	begin();
	json_object(&j, NULL, false);
	json_text(&j, "name", "rng");
	json_text(&j, "nothing", NULL);
	json_uint(&j, "big", UINT64_MAX);
	json_int(&j, "small", INT64_MIN);
	json_bool(&j, "yes", true);
	json_bool(&j, "no", false);
	json_decimal(&j, "pi", 3.14159, 2);
	json_decimal(&j, "none", (double)INFINITY, 2);
	json_hex(&j, "bytes", "\x00\xff\x10", 3);
	json_array(&j, "empty", false);
	json_end(&j);
	json_array(&j, "list", false);
	json_uint(&j, NULL, 1);
	json_object(&j, NULL, false);
	json_end(&j);
	json_text(&j, NULL, "x");
	json_end(&j);
	json_end(&j);
	json_end(&j); /* one too many is none */
	is("{\"name\": \"rng\", \"big\": 18446744073709551615, \"small\": -9223372036854775808, \"yes\": true, \"no\": false, "
	   "\"pi\": 3.14, \"none\": null, \"bytes\": \"00ff10\", \"empty\": [], \"list\": [1, {}, \"x\"]}");
}
END_TEST

START_TEST(test_lines)
{
	begin();
	json_array(&j, NULL, true);
	json_object(&j, NULL, true);
	json_uint(&j, "a", 1);
	json_array(&j, "b", false);
	json_uint(&j, NULL, 2);
	json_uint(&j, NULL, 3);
	json_end(&j);
	json_array(&j, "c", true);
	json_end(&j);
	json_end(&j);
	json_object(&j, NULL, false);
	json_uint(&j, "d", 4);
	json_end(&j);
	json_end(&j);
	is("[\n  {\n    \"a\": 1,\n    \"b\": [2, 3],\n    \"c\": []\n  },\n  {\"d\": 4}\n]");
}
END_TEST

static const struct {
	const char *text, *json;
} texts[] = {
	{"", ""},
	{"a \"b\" \\c/", "a \\\"b\\\" \\\\c/"},
	{"\n\t\x01\x7f", "\\u000a\\u0009\\u0001\\u007f"},
	{"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf \xf4\x8f\xbf\xbf", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf \xf4\x8f\xbf\xbf"},
	{"\xff", "\\ufffd"},
	{"\xc3", "\\ufffd"},		     /* cut short */
	{"\xe2\x82", "\\ufffd\\ufffd"},	     /* the same */
	{"\xe2\x82x", "\\ufffd\\ufffdx"},
	{"\xc0\xaf", "\\ufffd\\ufffd"},	     /* longer than it need be */
	{"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},
	{"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"}, /* half of a pair of UTF-16 */
	{"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* behind the last character */
	{"\x80""a", "\\ufffd""a"},
};

START_TEST(test_texts)
{
	char want[200];

	begin();
	json_text(&j, NULL, texts[_i].text);
	snprintf(want, sizeof(want), "\"%s\"", texts[_i].json);
	is(want);
}
END_TEST

/* Deeper than it goes: what is written is no JSON, but nothing is written elsewhere. */
START_TEST(test_deep)
{
	begin();
	for (unsigned int i = 0; i < JSON_DEPTH + 5; i++)
		json_array(&j, NULL, false);
	ck_assert_uint_eq(j.depth, JSON_DEPTH);
	for (unsigned int i = 0; i < JSON_DEPTH + 5; i++)
		json_end(&j);
	ck_assert_uint_eq(j.depth, 0);
	fclose(j.out);
	ck_assert_uint_eq(strspn(text, "["), JSON_DEPTH + 5);
	free(text);
}
END_TEST

Suite *suite_json(void)
{
	Suite *s = suite_create("json");
	TCase *tc = tcase_create("writer");

	tcase_add_test(tc, test_flat);
	tcase_add_test(tc, test_lines);
	tcase_add_loop_test(tc, test_texts, 0, ARRAY_SIZE(texts));
	tcase_add_test(tc, test_deep);
	suite_add_tcase(s, tc);
	return s;
}
