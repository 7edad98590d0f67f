/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_log.c - lines on stderr: form, levels, rate limit.
 */
#include <errno.h>

#include "core/log.h"
#include "test/unit/capture.h"

Suite *suite_log(void);

START_TEST(line_form)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	log_info(&l, "hello %d", 7);
	log_warn(&l, "look out");
	log_error(&l, "broken");
	log_error(NULL, "no instance");
	log_usage(&l, "--x: unknown option");
	ck_assert_str_eq(capture_end(&c), "vdevd rng: hello 7\n"
					  "vdevd rng: warning: look out\n"
					  "vdevd rng: error: broken\n"
					  "vdevd: error: no instance\n"
					  "vdevd rng: --x: unknown option\n");
}
END_TEST

START_TEST(levels)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	log_debug(&l, "hidden");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug(&l, "shown");
	log_set_level(LOG_LEVEL_WARN);
	log_info(&l, "hidden");
	log_warn(&l, "shown");
	log_set_level(LOG_LEVEL_ERROR);
	log_warn(&l, "hidden");
	log_guest(&l, "hidden");
	log_error(&l, "shown");
	log_usage(&l, "shown");
	log_set_level(LOG_LEVEL_INFO);
	ck_assert_str_eq(capture_end(&c), "vdevd rng: shown\n"
					  "vdevd rng: warning: shown\n"
					  "vdevd rng: error: shown\n"
					  "vdevd rng: shown\n");
}
END_TEST

START_TEST(level_names)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	enum log_level level = LOG_LEVEL_INFO;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		ck_assert_int_eq(log_level_parse(names[i], &level), 0);
		ck_assert_uint_eq(level, i);
	}
	ck_assert_int_eq(log_level_parse("warning", &level), -EINVAL);
	ck_assert_int_eq(log_level_parse("", &level), -EINVAL);
	ck_assert_uint_eq(level, LOG_LEVEL_DEBUG);
}
END_TEST

/* What a message quotes cannot look like another line. */
START_TEST(control_characters)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	log_error(&l, "%s: no such file", "a\nvdevd rng: all is well\033[2J\x7f");
	ck_assert_str_eq(capture_end(&c), "vdevd rng: error: a?vdevd rng: all is well?[2J?: no such file\n");
}
END_TEST

START_TEST(long_line)
{
	struct log l = {.prefix = "rng"};
	char word[5000];
	struct capture c;
	const char *text;
	size_t len;

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	capture_start(&c);
	log_info(&l, "%s", word);
	log_info(&l, "next");
	text = capture_end(&c);
	len = strcspn(text, "\n");
	ck_assert_uint_ge(len, 2000);
	ck_assert_uint_lt(len, 2048);
	ck_assert(strncmp(text + len - 4, "x...\n", 5) == 0);
	ck_assert_str_eq(text + len + 1, "vdevd rng: next\n");
}
END_TEST

START_TEST(errno_kept)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	errno = ENOTTY;
	log_info(&l, "%m");
	ck_assert_int_eq(errno, ENOTTY);
	close(STDERR_FILENO);
	errno = EAGAIN;
	log_info(&l, "nobody reads this");
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_str_eq(capture_end(&c), "vdevd rng: Inappropriate ioctl for device\n");
}
END_TEST

static unsigned int count_lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

START_TEST(guest_limit)
{
	struct log l = {.prefix = "rng"};
	struct capture c;

	capture_start(&c);
	for (unsigned int i = 0; i < LOG_GUEST_BURST + 25; i++)
		log_guest(&l, "bad request");
	ck_assert_uint_eq(count_lines(capture_end(&c)), LOG_GUEST_BURST);
	ck_assert_ptr_nonnull(strstr(c.text, "vdevd rng: warning: bad request\n"));
	ck_assert_uint_eq(l.suppressed, 25);

	/* The interval is over. */
	ck_assert_uint_ne(l.interval_start_ms, 0);
	l.interval_start_ms -= LOG_GUEST_INTERVAL_MS;
	capture_start(&c);
	log_guest(&l, "bad again");
	log_guest(&l, "and again");
	ck_assert_str_eq(capture_end(&c), "vdevd rng: warning: 25 more such lines were not shown\n"
					  "vdevd rng: warning: bad again\n"
					  "vdevd rng: warning: and again\n");
	ck_assert_uint_eq(l.suppressed, 0);
}
END_TEST

/* One guest's lines do not use up another's. */
START_TEST(guest_limit_is_per_instance)
{
	struct log a = {.prefix = "a"}, b = {.prefix = "b"};
	struct capture c;

	capture_start(&c);
	for (unsigned int i = 0; i < 2 * LOG_GUEST_BURST; i++)
		log_guest(&a, "noise");
	log_guest(&b, "heard");
	ck_assert_ptr_nonnull(strstr(capture_end(&c), "vdevd b: warning: heard\n"));
	ck_assert_uint_eq(b.suppressed, 0);
}
END_TEST

Suite *suite_log(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_test(tc, line_form);
	tcase_add_test(tc, levels);
	tcase_add_test(tc, level_names);
	tcase_add_test(tc, control_characters);
	tcase_add_test(tc, long_line);
	tcase_add_test(tc, errno_kept);
	tcase_add_test(tc, guest_limit);
	tcase_add_test(tc, guest_limit_is_per_instance);
	suite_add_tcase(s, tc);
	return s;
}
