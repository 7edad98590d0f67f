/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_words.c - lists in option values.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/words.h"
#include "test/unit/suites.h"

START_TEST(test_next)
{
	static const struct {
		const char *text;
		unsigned int n;
		const char *words[4];
	} lists[] = {
		{"", 1, {""}},
		{"one", 1, {"one"}},
		{"a,bc,d", 3, {"a", "bc", "d"}},
		{",a,", 3, {"", "a", ""}},
		{",", 2, {"", ""}},
		{"a:b,c", 2, {"a:b", "c"}},
	};
	const char *rest = lists[_i].text;
	struct word w;
	unsigned int n = 0;

	for (; word_next(&rest, ',', &w); n++) {
		ck_assert_uint_lt(n, lists[_i].n);
		ck_assert_msg(word_is(&w, lists[_i].words[n]), "%.*s", WORD_SHOWN(w));
	}
	ck_assert_uint_eq(n, lists[_i].n);
	ck_assert(!word_next(&rest, ',', &w));
}
END_TEST

START_TEST(test_cut)
{
	struct word w = word_of("bus:0x48:ro"), behind;

	ck_assert(word_cut(&w, ':', &behind));
	ck_assert(word_is(&w, "bus"));
	ck_assert(word_is(&behind, "0x48:ro"));
	ck_assert(word_cut(&behind, ':', &w));
	ck_assert(word_is(&behind, "0x48"));
	ck_assert(word_is(&w, "ro"));
	ck_assert(!word_cut(&w, ':', &behind));
	ck_assert(word_is(&w, "ro"));
	ck_assert_uint_eq(behind.len, 0);
	w = word_of(":");
	ck_assert(word_cut(&w, ':', &behind));
	ck_assert_uint_eq(w.len, 0);
	ck_assert_uint_eq(behind.len, 0);
	/* What lies behind the word is not looked at. */
	w = (struct word){"ab:c", 2};
	ck_assert(!word_cut(&w, ':', &behind));
	ck_assert(!word_is(&w, "ab:c"));
	ck_assert(!word_is(&w, "a"));
	w.len = 0;
	ck_assert(!word_cut(&w, 'a', &behind));
}
END_TEST

START_TEST(test_copy_and_number)
{
	struct word w = {"12345", 3};
	char buf[4] = "???", long_one[64];
	uint64_t n = 0;

	ck_assert(!word_copy(&w, buf, 3));
	ck_assert_str_eq(buf, "???");
	ck_assert(word_copy(&w, buf, 4));
	ck_assert_str_eq(buf, "123");
	ck_assert_int_eq(word_number(&w, &n), 0);
	ck_assert_uint_eq(n, 123);
	w = word_of("0x1f");
	ck_assert_int_eq(word_number(&w, &n), 0);
	ck_assert_uint_eq(n, 0x1f);
	w.len = 0;
	ck_assert_int_eq(word_number(&w, &n), -EINVAL);
	w = word_of("7x");
	ck_assert_int_eq(word_number(&w, &n), -EINVAL);
	w = word_of("18446744073709551616");
	ck_assert_int_eq(word_number(&w, &n), -ERANGE);
	memset(long_one, '0', sizeof(long_one));
	w = (struct word){long_one, sizeof(long_one)};
	ck_assert_int_eq(word_number(&w, &n), -EINVAL);
}
END_TEST

struct taken {
	char all[64];
	unsigned int n;
};

static int take_word(void *arg, struct word w, char *why, size_t why_size)
{
	struct taken *t = arg;

	if (word_is(&w, "bad")) {
		snprintf(why, why_size, "'%.*s' is bad", WORD_SHOWN(w));
		return -EINVAL;
	}
	t->n++;
	snprintf(t->all + strlen(t->all), sizeof(t->all) - strlen(t->all), "<%.*s>", WORD_SHOWN(w));
	return 0;
}

/* Words in their order, empty ones too, until one is refused. */
START_TEST(test_each)
{
	struct taken t = {0};
	char why[100] = "";

	ck_assert_int_eq(words_each("a,,b", ',', take_word, &t, why, sizeof(why)), 0);
	ck_assert_str_eq(t.all, "<a><><b>");
	ck_assert_int_eq(words_each("", ',', take_word, &t, why, sizeof(why)), 0);
	ck_assert_uint_eq(t.n, 4);
	ck_assert_int_eq(words_each(NULL, ',', take_word, &t, why, sizeof(why)), 0);
	ck_assert_uint_eq(t.n, 4);
	ck_assert_str_eq(why, "");
	ck_assert_int_eq(words_each("c:bad:d", ':', take_word, &t, why, sizeof(why)), -EINVAL);
	ck_assert_str_eq(t.all, "<a><><b><><c>");
	ck_assert_str_eq(why, "'bad' is bad");
}
END_TEST

Suite *suite_words(void)
{
	Suite *s = suite_create("words");
	TCase *tc = tcase_create("words");

	tcase_add_loop_test(tc, test_next, 0, 6);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_copy_and_number);
	tcase_add_test(tc, test_each);
	suite_add_tcase(s, tc);
	return s;
}
