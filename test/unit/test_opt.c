/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_opt.c - the option table's readers: defaults, command line, --help, manual page, JSON.
 */
#include <errno.h>

#include "core/log.h"
#include "core/json.h"
#include "core/opt.h"
#include "test/unit/capture.h"

Suite *suite_opt(void);

struct obj {
	const char *source;
	uint64_t period, bytes, any;
	int fd;
	const char *socket;
	unsigned int way, two;
	bool flag, other, quiet;
	char called[64];
};

static int set_call(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct obj *at = obj;

	if (strcmp(value, "bad") == 0) {
		snprintf(why, why_size, "not good (good is wanted)");
		return -EINVAL;
	}
	ck_assert_uint_eq(o->kind, 7);
	snprintf(at->called + strlen(at->called), sizeof(at->called) - strlen(at->called), "%s", value);
	return 0;
}

#define AT(member) offsetof(struct obj, member)

static const struct opt device_opts[] = {
	{.name = "source",
	 .type = OPT_TEXT,
	 .off = AT(source),
	 .arg = "PATH",
	 .help = "where bytes come from",
	 .man = "Read bytes from a file. Without --source they come from getrandom(2).\n\n.Second paragraph: a\\b.",
	 .alias = "filename,file",
	 .compat = "f,rng-source"},
	{.name = "period",
	 .letter = 'p',
	 .type = OPT_UINT,
	 .off = AT(period),
	 .arg = "MS",
	 .def = "1000",
	 .min = 1,
	 .max = 65536,
	 .help = "milliseconds of a period"},
	{.name = "max-bytes",
	 .letter = 'm',
	 .type = OPT_BYTES,
	 .off = AT(bytes),
	 .arg = "BYTES",
	 .min = 512,
	 .max = 1048576,
	 .help = "most bytes of a period"},
	{.name = "any", .type = OPT_BYTES, .off = AT(any), .arg = "N", .min = 1, .help = "a number"},
	{0},
};

static const char *const ways[] = {"a", "b-way", "c", NULL};

static const struct opt common_opts[] = {
	{.name = "fd", .letter = 'f', .type = OPT_FD, .off = AT(fd), .arg = "FD", .help = "a descriptor"},
	{.name = "flag", .letter = 'F', .type = OPT_FLAG, .off = AT(flag), .help = "a flag"},
	{.name = "other", .letter = 'o', .type = OPT_FLAG, .off = AT(other), .help = "another flag"},
	{.name = "call",
	 .letter = 'c',
	 .type = OPT_CALL,
	 .set = set_call,
	 .kind = 7,
	 .arg = "X",
	 .def = "shown",
	 .help = "a call"},
	{.name = "way", .type = OPT_WORD, .off = AT(way), .words = ways, .arg = "WAY", .def = "b-way", .help = "a word"},
	{.name = "two", .type = OPT_WORD, .off = AT(two), .words = ways + 1, .arg = "WAY"},
	{.name = "once", .type = OPT_CALL, .set = set_call, .kind = 7, .once = true, .arg = "X"},
	{.name = "socket", .type = OPT_SOCKET, .off = AT(socket), .arg = "PATH"},
	{.name = "quiet", .type = OPT_FLAG, .off = AT(quiet)},
	{.name = "keys", .type = OPT_KEYS, .arg = "KEYS"},
	{0},
};

static struct obj obj;

static const struct opt_group groups[] = {
	{"Device options", device_opts, &obj},
	{"Common options", common_opts, &obj},
	{0},
};

static void set_defaults(void)
{
	memset(&obj, 0x5a, sizeof(obj));
	obj.called[0] = '\0';
	ck_assert_int_eq(opt_defaults(&groups[0]), 0);
	ck_assert_int_eq(opt_defaults(&groups[1]), 0);
}

/* Parses up to seven arguments after the name. */
#define PARSE(compat, ...) parse(compat, (const char *const[]){"rng", __VA_ARGS__, NULL})

static int parse(bool compat, const char *const *args)
{
	static char text[8][128];
	char *argv[9];
	int argc = 0;

	for (; args[argc]; argc++) {
		snprintf(text[argc], sizeof(text[argc]), "%s", args[argc]);
		argv[argc] = text[argc];
	}
	argv[argc] = NULL;
	return opt_parse(groups, compat, argc, argv);
}

START_TEST(defaults)
{
	set_defaults();
	ck_assert_ptr_null(obj.source);
	ck_assert_uint_eq(obj.period, 1000);
	ck_assert_uint_eq(obj.bytes, 0);
	ck_assert_int_eq(obj.fd, -1);
	ck_assert_uint_eq(obj.way, 1);
	ck_assert_uint_eq(obj.two, 0);
	ck_assert(!obj.flag && !obj.other && !obj.quiet);
	ck_assert_str_eq(obj.called, "");
}
END_TEST

START_TEST(bad_default)
{
	static const struct opt opts[] = {
		{.name = "n", .type = OPT_UINT, .off = AT(any), .arg = "N", .def = "9", .max = 8, .help = "n"},
		{0},
	};
	struct opt_group group = {"Bad", opts, &obj};
	struct capture c;

	capture_start(&c);
	ck_assert_int_eq(opt_defaults(&group), -EINVAL);
	ck_assert_str_eq(capture_end(&c),
			 "vdevd: error: the default of --n is 9: out of range (a number from 0 to 8 is wanted)\n");
}
END_TEST

START_TEST(all_forms)
{
	set_defaults();
	ck_assert_int_eq(PARSE(false, "--source=a=b", "--period", "7", "-m1K", "-f", "1"), 7);
	ck_assert_str_eq(obj.source, "a=b");
	ck_assert_uint_eq(obj.period, 7);
	ck_assert_uint_eq(obj.bytes, 1024);
	ck_assert_int_eq(obj.fd, 1);
	ck_assert(!obj.flag);

	set_defaults();
	ck_assert_int_eq(PARSE(false, "-Fop65536", "--call=x", "-cy", "--quiet", "--file="), 6);
	ck_assert(obj.flag && obj.other && obj.quiet);
	ck_assert_uint_eq(obj.period, 65536);
	ck_assert_str_eq(obj.called, "xy");
	ck_assert_str_eq(obj.source, "");

	set_defaults();
	ck_assert_int_eq(PARSE(false, "--way=c"), 2);
	ck_assert_uint_eq(obj.way, 2);
	ck_assert_int_eq(PARSE(false, "--way", "a"), 3);
	ck_assert_uint_eq(obj.way, 0);
}
END_TEST

START_TEST(end_of_options)
{
	set_defaults();
	ck_assert_int_eq(PARSE(false, "-F", "file", "-o"), 2);
	ck_assert(obj.flag && !obj.other);
	ck_assert_int_eq(PARSE(false, "-F", "--", "-o"), 3);
	ck_assert(!obj.other);
	ck_assert_int_eq(PARSE(false, "-", "-o"), 1);
	ck_assert_int_eq(parse(false, (const char *const[]){"rng", NULL}), 1);
	/* A value may look like an option. */
	ck_assert_int_eq(PARSE(false, "--source", "--", "-o"), 4);
	ck_assert_str_eq(obj.source, "--");
	ck_assert(obj.other);
}
END_TEST

/* The replaced daemon's spellings count only in its place, and win there. */
START_TEST(compat)
{
	struct capture c;

	set_defaults();
	ck_assert_int_eq(PARSE(true, "-f", "x"), 3);
	ck_assert_str_eq(obj.source, "x");
	ck_assert_int_eq(obj.fd, -1);
	ck_assert_int_eq(PARSE(true, "--rng-source=z", "--period=3", "--fd=1"), 4);
	ck_assert_str_eq(obj.source, "z");
	ck_assert_uint_eq(obj.period, 3);
	ck_assert_int_eq(obj.fd, 1);
	ck_assert_int_eq(PARSE(true, "-f=y"), 2);
	ck_assert_str_eq(obj.source, "y");

	capture_start(&c);
	ck_assert_int_eq(PARSE(false, "--rng-source=z"), -EINVAL);
	/* A letter is no long name. */
	ck_assert_int_eq(PARSE(true, "--f=z"), -EINVAL);
	capture_end(&c);
}
END_TEST

/* Options of the replaced daemon in one. */
START_TEST(keys)
{
	set_defaults();
	ck_assert_int_eq(PARSE(true, "--keys=rng_source=x=y", "--flag"), 3);
	ck_assert_str_eq(obj.source, "x=y");
	ck_assert_int_eq(PARSE(true, "--keys", "rng-source="), 3);
	ck_assert_str_eq(obj.source, "");
	ck_assert(obj.flag);
}
END_TEST

static const struct {
	const char *args[3];
	const char *line;
} wrong[] = {
	{{"--period=abc"}, "--period=abc: not a number (a number from 1 to 65536 is wanted)"},
	{{"--period=12x"}, "--period=12x: not a number (a number from 1 to 65536 is wanted)"},
	{{"--period=1K"}, "--period=1K: not a number (a number from 1 to 65536 is wanted)"},
	{{"--period="}, "--period=: not a number (a number from 1 to 65536 is wanted)"},
	{{"--period=-1"}, "--period=-1: not a number (a number from 1 to 65536 is wanted)"},
	{{"--period=0"}, "--period=0: out of range (a number from 1 to 65536 is wanted)"},
	{{"-p", "65537"}, "-p 65537: out of range (a number from 1 to 65536 is wanted)"},
	{{"--period=99999999999999999999"},
	 "--period=99999999999999999999: out of range (a number from 1 to 65536 is wanted)"},
	{{"-m2M"}, "-m 2M: out of range (a number from 512 to 1M, perhaps with K, M or G, is wanted)"},
	{{"--any=0"}, "--any=0: out of range (a number from 1 up, perhaps with K, M or G, is wanted)"},
	{{"--period"}, "--period: its value is missing (a number from 1 to 65536 is wanted)"},
	{{"--source"}, "--source: its value is missing (PATH is wanted)"},
	{{"-F", "-p"}, "-p: its value is missing (a number from 1 to 65536 is wanted)"},
	{{"--flag=1"}, "--flag=1: takes no value"},
	{{"--fd=x"}, "--fd=x: not a number (the number of an open file descriptor is wanted)"},
	{{"--fd=1000000"}, "--fd=1000000: not open (the number of an open file descriptor is wanted)"},
	{{"--fd=4294967296"}, "--fd=4294967296: not open (the number of an open file descriptor is wanted)"},
	{{"--call=bad"}, "--call=bad: not good (good is wanted)"},
	{{"--way=b"}, "--way=b: unknown (a, b-way or c is wanted)"},
	{{"--way="}, "--way=: unknown (a, b-way or c is wanted)"},
	{{"--way"}, "--way: its value is missing (a, b-way or c is wanted)"},
	{{"--two=a"}, "--two=a: unknown (b-way or c is wanted)"},
	{{"--period=1", "--period=2"}, "--period=2: given twice (the first is --period=1)"},
	{{"-p1", "--period=1"}, "--period=1: given twice (the first is -p1)"},
	{{"--file=x", "--source=x"}, "--source=x: given twice (the first is --file=x)"},
	{{"--way=a", "--way=c"}, "--way=c: given twice (the first is --way=a)"},
	{{"--once=a", "--once=b"}, "--once=b: given twice (the first is --once=a)"},
	{{"-period=3"}, "-period=3: two dashes are wanted: --period=3"},
	{{"-source", "x"}, "-source: two dashes are wanted: --source"},
	{{"-sourec=x"}, "-sourec=x: two dashes are wanted: --source=x"},
	{{"--socket="}, "--socket=: a path of 1 to 107 bytes is wanted"},
	{{"--socket"}, "--socket: its value is missing (a path of 1 to 107 bytes is wanted)"},
	{{"--keys"}, "--keys: its value is missing (KEY=VALUE, with commas between)"},
	{{"--keys="}, "--keys: unknown key '' (keys are options without their dashes)"},
	{{"--keys=source=a,x_y=1"}, "--keys: unknown key 'x_y' (keys are options without their dashes)"},
	{{"--keys=period=1"}, "--keys: unknown key 'period' (keys are options without their dashes)"},
	{{"--keys=source=a,source"}, "--keys: the value of 'source' is missing (KEY=VALUE, with commas between)"},
	{{"--keys=source=a", "--keys=source=b"}, "--keys: a second one, but a process serves one guest: start one for each"},
	{{"--perod=1"}, "--perod: unknown option (did you mean --period?)"},
	{{"--sourec", "x"}, "--sourec: unknown option (did you mean --source?)"},
	{{"--max"}, "--max: unknown option (did you mean --max-bytes?)"},
	{{"--quite"}, "--quite: unknown option (vdevd rng --help lists them)"},
	{{"--socket-path=x"}, "--socket-path: unknown option (vdevd rng --help lists them)"},
	{{"--="}, "--: unknown option (vdevd rng --help lists them)"},
	{{"-x"}, "-x: unknown option (vdevd rng --help lists them)"},
	{{"-Fx"}, "-x: unknown option (vdevd rng --help lists them)"},
};

START_TEST(wrong_calls)
{
	char line[256];
	struct capture c;

	set_defaults();
	/* A wrong call is told whatever the level. */
	log_set_level(LOG_LEVEL_ERROR);
	capture_start(&c);
	ck_assert_int_eq(parse(false, (const char *const[]){"rng", wrong[_i].args[0], wrong[_i].args[1], NULL}),
			 -EINVAL);
	snprintf(line, sizeof(line), "vdevd rng: %s\n", wrong[_i].line);
	ck_assert_str_eq(capture_end(&c), line);
	log_set_level(LOG_LEVEL_INFO);
}
END_TEST

/* Flags, and calls, can be given again. */
START_TEST(again)
{
	set_defaults();
	ck_assert_int_eq(PARSE(false, "-F", "--flag", "--call=a", "-c", "b", "-p7"), 7);
	ck_assert_str_eq(obj.called, "ab");
}
END_TEST

START_TEST(socket_paths)
{
	char longest[108] = {0}, argument[128];
	struct capture c;

	memset(longest, 'y', 107);
	snprintf(argument, sizeof(argument), "--socket=%s", longest);
	set_defaults();
	ck_assert_int_eq(PARSE(false, argument), 2);
	ck_assert_str_eq(obj.socket, longest);
	strcat(argument, "y");
	capture_start(&c);
	ck_assert_int_eq(PARSE(false, argument), -EINVAL);
	ck_assert_ptr_nonnull(strstr(capture_end(&c), "yy: a path of 1 to 107 bytes is wanted\n"));
}
END_TEST

START_TEST(no_more_arguments)
{
	static const struct {
		char *argv[3];
		const char *line; /* NULL: there is none too many */
	} ends[] = {
		{{"rng", NULL}, NULL},
		{{"rng", "x"}, "vdevd rng: x: an argument too many\n"},
		{{"rng", "=x"}, "vdevd rng: =x: an argument too many\n"},
		{{"rng", "period=7"}, "vdevd rng: period=7: an argument too many (options have dashes: --period=7)\n"},
		{{"rng", "path=/x"}, "vdevd rng: path=/x: an argument too many\n"},
	};
	struct capture c;

	capture_start(&c);
	ck_assert_int_eq(opt_parse_end(groups, ends[_i].argv[1] ? 2 : 1, (char **)ends[_i].argv, 1), ends[_i].line ? -EINVAL : 0);
	ck_assert_str_eq(capture_end(&c), ends[_i].line ? ends[_i].line : "");
}
END_TEST

START_TEST(long_unknown)
{
	char name[128] = "--";
	struct capture c;

	memset(name + 2, 'y', 100);
	capture_start(&c);
	ck_assert_int_eq(PARSE(false, name), -EINVAL);
	ck_assert_ptr_nonnull(strstr(capture_end(&c), "yyyy: unknown option (vdevd rng --help lists them)\n"));
}
END_TEST

START_TEST(numbers)
{
	uint64_t v = 42;

	ck_assert_int_eq(opt_parse_number("18446744073709551615", false, &v), 0);
	ck_assert_uint_eq(v, UINT64_MAX);
	ck_assert_int_eq(opt_parse_number("0xfF", false, &v), 0);
	ck_assert_uint_eq(v, 255);
	ck_assert_int_eq(opt_parse_number("3g", true, &v), 0);
	ck_assert_uint_eq(v, UINT64_C(3) << 30);
	ck_assert_int_eq(opt_parse_number("0x10M", true, &v), 0);
	ck_assert_uint_eq(v, UINT64_C(16) << 20);
	ck_assert_int_eq(opt_parse_number("007", false, &v), 0);
	ck_assert_uint_eq(v, 7);

	ck_assert_int_eq(opt_parse_number("18446744073709551616", false, &v), -ERANGE);
	ck_assert_int_eq(opt_parse_number("0x10000000000000000", false, &v), -ERANGE);
	ck_assert_int_eq(opt_parse_number("17179869184G", true, &v), -ERANGE);
	ck_assert_int_eq(opt_parse_number("1K", false, &v), -EINVAL);
	ck_assert_int_eq(opt_parse_number("1KB", true, &v), -EINVAL);
	ck_assert_int_eq(opt_parse_number("1T", true, &v), -EINVAL);
	ck_assert_int_eq(opt_parse_number("K", true, &v), -EINVAL);
	ck_assert_int_eq(opt_parse_number("0x", false, &v), -EINVAL);
	ck_assert_int_eq(opt_parse_number("+1", false, &v), -EINVAL);
	ck_assert_int_eq(opt_parse_number(" 1", false, &v), -EINVAL);
	ck_assert_int_eq(opt_parse_number("", false, &v), -EINVAL);
	ck_assert_uint_eq(v, 7);
}
END_TEST

START_TEST(distances)
{
	ck_assert_uint_eq(opt_distance("", ""), 0);
	ck_assert_uint_eq(opt_distance("", "abc"), 3);
	ck_assert_uint_eq(opt_distance("gpio", "gpio"), 0);
	ck_assert_uint_eq(opt_distance("gipo", "gpio"), 1);
	ck_assert_uint_eq(opt_distance("kitten", "sitting"), 3);
	ck_assert_uint_eq(opt_distance("abc", "xyz"), 3);
	ck_assert_uint_eq(opt_distance("a-name-that-is-longer-than-forty-characters-is", "a"), 99);
	ck_assert(opt_near("rgn", 1) && !opt_near("rgn", 2) && opt_near("socket", 2));
}
END_TEST

START_TEST(finding)
{
	ck_assert_ptr_eq(opt_find(groups, "source"), &device_opts[0]);
	ck_assert_ptr_eq(opt_find(groups, "file"), &device_opts[0]);
	ck_assert_ptr_eq(opt_find(groups, "flag"), &common_opts[1]);
	ck_assert_ptr_null(opt_find(groups, "rng-source"));
	ck_assert_ptr_null(opt_find(groups, "fil"));
	ck_assert_ptr_null(opt_find(groups, ""));
}
END_TEST

START_TEST(help_text)
{
	ck_assert_str_eq(PRINTED(opt_print_help(out, groups, false)),
			 "\n"
			 "Device options:\n"
			 "      --source=PATH         where bytes come from\n"
			 "  -p, --period=MS           milliseconds of a period [1000]\n"
			 "  -m, --max-bytes=BYTES     most bytes of a period\n"
			 "      --any=N               a number\n"
			 "\n"
			 "Common options:\n"
			 "  -f, --fd=FD               a descriptor\n"
			 "  -F, --flag                a flag\n"
			 "  -o, --other               another flag\n"
			 "  -c, --call=X              a call [shown]\n"
			 "      --way=WAY             a word [b-way]\n");
}
END_TEST

/* Neither a long name nor a long default goes beyond the terminal. */
START_TEST(help_is_narrow)
{
	static const struct opt opts[] = {
		{.name = "a-rather-long-name-of-an-option",
		 .type = OPT_TEXT,
		 .arg = "ARGUMENT",
		 .def = "/some/long/path",
		 .help = "fifty characters is what a line of help may have"},
		{0},
	};
	const struct opt_group long_groups[] = {{"Long", opts, NULL}, {0}};

	ck_assert_str_eq(PRINTED(opt_print_help(out, long_groups, false)),
			 "\nLong:\n"
			 "      --a-rather-long-name-of-an-option=ARGUMENT\n"
			 "                            fifty characters is what a line of help may have\n"
			 "                            [/some/long/path]\n");
}
END_TEST

START_TEST(man_options)
{
	const char *text = PRINTED(opt_print_man(out, groups));

	ck_assert_ptr_nonnull(strstr(text, ".Ss Device options\n.Bl -tag -width Ds\n"
					   ".It Fl Fl source Ns = Ns Ar PATH , Fl Fl filename Ns = Ns Ar PATH , "
					   "Fl Fl file Ns = Ns Ar PATH\n"
					   "Read bytes from a file.\n"
					   "Without \\-\\-source they come from getrandom(2).\n"
					   ".Pp\n"
					   "\\&.Second paragraph: a\\eb.\n"
					   ".It Fl p Ar MS , Fl Fl period Ns = Ns Ar MS\n"
					   "milliseconds of a period\n"
					   "The default is\n.Ql 1000 .\n"));
	ck_assert_ptr_nonnull(strstr(text, ".It Fl F , Fl Fl flag\na flag\n"));
	ck_assert_ptr_null(strstr(text, "quiet"));
	ck_assert_str_eq(text + strlen(text) - 5, "\n.El\n");
}
END_TEST

START_TEST(man_items)
{
	bool any = true;

	ck_assert_str_eq(PRINTED(any = man_print_item(out, &device_opts[0], device_opts[0].compat, false)),
			 ".It Fl f Ar PATH , Fl Fl rng-source Ns = Ns Ar PATH\n");
	ck_assert(any);
	/* Nothing that is not its own name already. */
	ck_assert_str_eq(PRINTED(any = man_print_item(out, &device_opts[1], "p,period", false)), "");
	ck_assert(!any);
	ck_assert_str_eq(PRINTED(any = man_print_item(out, &device_opts[1], NULL, false)), "");
	ck_assert(!any);
}
END_TEST

START_TEST(man_text)
{
	ck_assert_str_eq(PRINTED(man_print_text(out, "'tis one. It is e.g. not two.\n\n\nThree \\ four - five\n")),
			 "\\&'tis one.\nIt is e.g. not two.\n.Pp\nThree \\e four \\- five\n");
	ck_assert_str_eq(
		PRINTED(man_print_text(out, "0123456789 0123456789 0123456789 0123456789 0123456789 "
					    "0123456789 0123456789 0123456789 .x")),
		"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\n0123456789 .x\n");
	ck_assert_str_eq(PRINTED(man_print_literal(out, "vdevd rng --x=\\n")), "vdevd rng \\-\\-x=\\en\n");
	ck_assert_str_eq(PRINTED(man_print_literal(out, "./vdevd")), "\\&./vdevd\n");
}
END_TEST

/* The options alone. */
static void print_json(FILE *out, const struct opt_group *g)
{
	struct json j;

	json_begin(&j, out);
	opt_print_json(&j, NULL, g);
}

START_TEST(json)
{
	ck_assert_str_eq(PRINTED(json_print_string(out, "a\"b\\c\n\x01z\xc3\xbc")),
			 "\"a\\\"b\\\\c\\u000a\\u0001z\xc3\xbc\"");
	ck_assert_str_eq(PRINTED(print_json(out, &groups[1])),
			 "[\n"
			 "  {\"name\": \"fd\", \"argument\": \"FD\", \"help\": \"a descriptor\"},\n"
			 "  {\"name\": \"flag\", \"help\": \"a flag\"},\n"
			 "  {\"name\": \"other\", \"help\": \"another flag\"},\n"
			 "  {\"name\": \"call\", \"argument\": \"X\", \"default\": \"shown\", \"help\": \"a call\"},\n"
			 "  {\"name\": \"way\", \"argument\": \"WAY\", \"words\": [\"a\", \"b-way\", \"c\"], "
			 "\"default\": \"b-way\", \"help\": \"a word\"}\n"
			 "]");
	ck_assert_str_eq(PRINTED(print_json(out, &groups[2])), "[]");
}
END_TEST

Suite *suite_opt(void)
{
	Suite *s = suite_create("opt");
	TCase *tc = tcase_create("opt");

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, bad_default);
	tcase_add_test(tc, all_forms);
	tcase_add_test(tc, end_of_options);
	tcase_add_test(tc, compat);
	tcase_add_test(tc, keys);
	tcase_add_loop_test(tc, wrong_calls, 0, (int)ARRAY_SIZE(wrong));
	tcase_add_test(tc, again);
	tcase_add_test(tc, socket_paths);
	tcase_add_loop_test(tc, no_more_arguments, 0, 5);
	tcase_add_test(tc, long_unknown);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, distances);
	tcase_add_test(tc, finding);
	tcase_add_test(tc, help_text);
	tcase_add_test(tc, help_is_narrow);
	tcase_add_test(tc, man_options);
	tcase_add_test(tc, man_items);
	tcase_add_test(tc, man_text);
	tcase_add_test(tc, json);
	suite_add_tcase(s, tc);
	return s;
}
