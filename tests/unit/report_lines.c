#include "tests/unit/unit.h"

#include "cli/report/lines.h"
#include "tests/unit/report_make.h"

#include <errno.h>

static void check_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("not in the text:\n%s\n---- text ----\n%s", part, text);
}

static void check_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("in the text:\n%s\n---- text ----\n%s", part, text);
}

static void the_documents_example_reads_as_in_the_documents(void **state)
{
	static const char expected[] =
		"Line report of the heap (malloc), whole run\n"
		"Mem usage: live heap of the process after the last event at the "
		"line.\n"
		"Increment: bytes allocated minus bytes freed by code at the line and "
		"what it "
		"calls.\n"
		"Occurrences: allocations.\n"
		"Functions by bytes at the peak (the process's peak).\n"
		"\n"
		"Filename: /src/u/demo.c\n"
		"Function: my_func in demo\n"
		"\n"
		"Line #    Mem usage    Increment  Occurrences   Line Contents\n"
		"=============================================================\n"
		"     1                                         char *my_func(void)\n"
		"     2                                         {\n"
		"     3      7.6 MiB      7.6 MiB           1           char *a = "
		"malloc(8000000);\n"
		"     4    160.2 MiB    152.6 MiB           1           char *b = "
		"malloc(160000000);\n"
		"     5      7.6 MiB   -152.6 MiB           0           free(b);\n"
		"     6                                                 return a;\n"
		"     7                                         }\n"
		"\n"
		"Filename: /src/u/demo.c\n"
		"Function: main in demo\n"
		"\n"
		"Line #    Mem usage    Increment  Occurrences   Line Contents\n"
		"=============================================================\n"
		"     9                                         int main(void)\n"
		"    10                                         {\n"
		"    11      7.6 MiB      7.6 MiB           2           return "
		"!my_func();\n"
		"    12                                         }\n"
		"\n";
	struct profile *p = report_example();
	struct lines_options o = {0};
	char *text = REPORT_TEXT(lines_text(p, &o, out));

	(void)state;
	assert_string_equal(text, expected);
	free(text);
	profile_close(p);
}

static void json_has_exact_bytes_and_null_without_events(void **state)
{
	struct profile *p = report_example();
	struct lines_options o = {0};
	char *text = REPORT_TEXT(lines_json(p, &o, out));

	(void)state;
	check_has(text, "\"schema\": 1,");
	check_has(text, "\"losses\": {\n    \"events\": 0,");
	check_has(text,
		  "{\"line\": 5, \"mem_usage\": 8000000, \"increment\": -160000000, "
		  "\"occurrences\": 0, \"allocated\": 0, \"freed\": 160000000, "
		  "\"peak\": 0, \"leaked\": 0, \"temporary\": 0}");
	check_has(text,
		  "{\"line\": 4, \"mem_usage\": 168000000, \"increment\": 160000000, "
		  "\"occurrences\": 1, \"allocated\": 160000000, \"freed\": 0, "
		  "\"peak\": 160000000, \"leaked\": 0, \"temporary\": 0}");
	check_has(text, "{\"line\": 6, \"mem_usage\": null, \"increment\": null, "
			"\"occurrences\": null, \"allocated\": null, \"freed\": null, "
			"\"peak\": null, \"leaked\": null, \"temporary\": null}");
	check_has(text,
		  "{\"line\": 11, \"mem_usage\": 8000000, \"increment\": 8000000, "
		  "\"occurrences\": 2, \"allocated\": 168000000, "
		  "\"freed\": 160000000, \"peak\": 168000000, \"leaked\": 8000000, "
		  "\"temporary\": 0}");
	free(text);
	profile_close(p);
}

static void bytes_and_columns_on_request(void **state)
{
	struct profile *p = report_example();
	struct lines_options o = {.bytes = true, .nonzero = true};
	char *text;

	(void)state;
	assert_true(lines_parse_columns("leaked,allocated", &o.columns));
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text,
		  "Line #    Mem usage    Increment  Occurrences    Allocated       "
		  "Leaked"
		  "   Line Contents\n"
		  "===================================================================="
		  "===================\n"
		  "     3      8000000      8000000           1       8000000      "
		  "8000000"
		  "           char *a = malloc(8000000);\n");
	check_lacks(text, "return a;");
	free(text);
	profile_close(p);
}

static void columns_that_do_not_exist_are_refused(void **state)
{
	unsigned bits = 77;
	enum lines_sort sort = LINES_BY_LEAKED;

	(void)state;
	assert_false(lines_parse_columns("", &bits));
	assert_false(lines_parse_columns("leak", &bits));
	assert_false(lines_parse_columns("leaked,", &bits));
	assert_false(lines_parse_columns("leaked,,peak", &bits));
	assert_int_equal(bits, 77);
	assert_true(lines_parse_columns("all", &bits));
	assert_int_equal(bits, LINES_ALL_COLUMNS);
	assert_false(lines_parse_sort("size", &sort));
	assert_int_equal(sort, LINES_BY_LEAKED);
}

static void without_stacks_of_frees_nothing_is_subtracted_and_it_says_so(void **state)
{
	struct profile *p = report_example();
	struct lines_options o = {0};
	char *text;

	(void)state;
	p->free_stacks = false;
	p->sites[2].stack = 0; /* where such frees are counted */
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "nothing is subtracted");
	check_has(text, "    11    160.2 MiB    160.2 MiB           2 ");
	check_has(text,
		  "     5                                                 free(b);");
	free(text);
	text = REPORT_TEXT(lines_json(p, &o, out));
	check_has(text, "\"allocated\": 160000000, \"freed\": null");
	free(text);
	profile_close(p);
}

static void digits_of_a_mib_are_as_many_as_wanted(void **state)
{
	struct profile *p = report_example();
	struct lines_options o = {.precise = true, .precision = 3};
	char *text = REPORT_TEXT(lines_text(p, &o, out));

	(void)state;
	check_has(text, "     5    7.629 MiB -152.588 MiB           0 ");
	free(text);
	o.precision = 0;
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "     5        8 MiB     -153 MiB           0 ");
	free(text);
	/* Less than half of one is none: never "-0 MiB". */
	p->sites[2].freed_here_bytes = 1000;
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "     5        8 MiB        0 MiB           0 ");
	free(text);
	profile_close(p);
}

static void a_whole_file_is_in_the_order_of_its_lines(void **state)
{
	struct profile *p = report_example();
	struct lines_options o = {.file = "demo.c"};
	char *text;

	(void)state;
	o.sort = LINES_BY_LEAKED;
	p->sites[0].freed_bytes = p->sites[0].frees = 0;
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Functions by bytes never freed.");
	free(text);
	o.sort = LINES_BY_DEFAULT;
	report_kept(p, 1, report_call(p, 0, 1, "late", "/src/u/demo.c", 31, 30, 32), 1);
	report_kept(p, 1, report_call(p, 0, 1, "early", "/src/u/demo.c", 1, 1, 1), 1);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Functions in the order of their files and lines.");
	assert_true(strstr(text, "Function: early") <
		    strstr(text, "Function: my_func"));
	assert_true(strstr(text, "Function: my_func") < strstr(text, "Function: main"));
	assert_true(strstr(text, "Function: main") < strstr(text, "Function: late"));
	free(text);
	profile_close(p);
}

static struct profile *two_instantiations(void)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo"), node;

	report_process(p, 1, 100, "./demo");
	node = report_call(p, 0, module, "void f<int>(int)", "/src/u/f.h", 3, 1, 5);
	report_kept(p, 1, node, 1000);
	/* One calls the other: an event at a line that both are on counts once. */
	node = report_call(p, node, module, "void f<long>(long)", "/src/u/f.h", 3, 1,
			   5);
	report_kept(p, 1, node, 100);
	/* An overload is no instantiation: it is elsewhere. */
	node = report_call(p, 0, module, "void f<int>(int, int)", "/src/u/f.h", 9, 8,
			   9);
	report_kept(p, 1, node, 10);
	report_sum_up(p);
	return p;
}

static void instantiations_are_apart_unless_folded(void **state)
{
	struct profile *p = two_instantiations();
	struct lines_options o = {.bytes = true};
	char *text = REPORT_TEXT(lines_text(p, &o, out));

	(void)state;
	check_has(text, "Function: void f<int>(int) in demo\n");
	check_has(text, "     3            0         1100           2 ");
	check_has(text, "Function: void f<long>(long) in demo\n");
	check_has(text, "     3            0          100           1 ");
	check_has(text, "Function: void f<int>(int, int) in demo\n");
	free(text);
	o.fold = true;
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Function: void f<...> in demo, 2 instantiations together\n");
	check_has(text, "     3            0         1100           2 ");
	check_lacks(text, "     3            0          100           1 ");
	check_has(text, "Function: void f<int>(int, int) in demo\n");
	free(text);
	profile_close(p);
}

static void functions_without_lines_are_shown_with_their_numbers(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo"), node;
	uint32_t libc = report_module(p, "/lib/x86_64-linux-gnu/libc.so.6");
	struct lines_options o = {.bytes = true};
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	node = report_call(p, 0, libc, "__libc_start_main", "", 0, 0, 0);
	node = report_call(p, node, module, "main", "", 0, 0, 0);
	node = report_call(p, node, module, "main", "", 0, 0, 0); /* calls itself */
	report_kept(p, 1, node, 1000);
	report_kept(p, 1, report_node(p, node, module, 0), 10);
	report_sum_up(p);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "                  0         1010           2   main (demo)\n"
			"                  0           10           1   demo+0x1004\n");
	check_lacks(text, "__libc_start_main");
	free(text);
	o.all = true;
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "__libc_start_main (libc.so.6)\n");
	free(text);
	o.all = false;
	text = REPORT_TEXT(lines_json(p, &o, out));
	check_has(text, "\"name\": \"main\",\n      \"module\": \"/src/u/demo\",\n"
			"      \"own\": true,\n      \"mem_usage\": 0,\n"
			"      \"increment\": 1010,\n");
	free(text);
	/* A module with lines somewhere has its functions shown by them. */
	report_kept(p, 1, report_call(p, 0, module, "f", "/src/u/f.c", 2, 1, 3), 5);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_lacks(text, "main (demo)");
	check_has(text, "Function: f in demo");
	free(text);
	profile_close(p);
}

static void modules_of_one_name_are_told_apart(void **state)
{
	struct profile *p = report_profile();
	struct lines_options o = {.bytes = true};
	uint32_t one = report_module(p, "/src/u/a/x.so");
	uint32_t two = report_module(p, "/src/u/b/x.so");
	uint32_t same = report_module(p, "/src/u/b/x.so");
	char *text;

	(void)state;
	p->modules[same - 1].build_id = report_string(p, "cafe");
	report_process(p, 1, 100, "./demo");
	report_kept(p, 1, report_call(p, 0, one, "f", "/src/u/f.c", 2, 1, 3), 100);
	report_kept(p, 1, report_call(p, 0, two, "f", "/src/u/f.c", 2, 1, 3), 10);
	report_kept(p, 1, report_call(p, 0, same, "f", "/src/u/f.c", 2, 1, 3), 1);
	report_sum_up(p);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Function: f in /src/u/a/x.so\n");
	check_has(text, "Function: f in /src/u/b/x.so, without build id\n");
	check_has(text, "Function: f in /src/u/b/x.so, build cafe\n");
	free(text);
	profile_close(p);
}

static void recursion_counts_once(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo"), node = 0;
	struct lines_options o = {.bytes = true};
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	for (int i = 0; i < 50; i++)
		node = report_call(p, node, module, "dig", "/src/u/dig.c", 3, 1, 4);
	node = report_call(p, node, module, "dig", "/src/u/dig.c", 2, 1, 4);
	report_kept(p, 1, node, 1000);
	report_kept(p, 1, p->stacks[node].parent, 10);
	report_sum_up(p);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "     2            0         1000           1 ");
	check_has(text, "     3            0         1010           2 ");
	free(text);
	profile_close(p);
}

static void inlined_functions_have_their_lines_and_so_has_their_caller(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo"), code = report_code(p);
	struct lines_options o = {.bytes = true};
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	report_frame(p, "make", "/src/u/a.h", 7, 6, 8);
	report_frame(p, "main", "/src/u/a.c", 20, 18, 22);
	report_kept(p, 1, report_node(p, 0, module, code), 500);
	report_sum_up(p);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Function: make in demo");
	check_has(text, "     7            0          500           1 ");
	check_has(text, "    20            0          500           1 ");
	/* Equal in all else: the one nearer to the allocation comes first. */
	assert_true(strstr(text, "Function: make") < strstr(text, "Function: main"));
	free(text);
	profile_close(p);
}

static void equal_names_in_two_modules_are_two_functions(void **state)
{
	struct profile *p = report_profile();
	struct lines_options o = {.bytes = true};
	uint32_t one = report_module(p, "/src/u/one.so");
	uint32_t two = report_module(p, "/src/u/two.so");
	uint32_t again = report_module(p, "/src/u/one.so"); /* mapped elsewhere */
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	report_kept(p, 1, report_call(p, 0, one, "f", "/src/u/f.c", 2, 1, 3), 100);
	report_kept(p, 1, report_call(p, 0, two, "f", "/src/u/f.c", 2, 1, 3), 10);
	report_kept(p, 1, report_call(p, 0, again, "f", "/src/u/f.c", 2, 1, 3), 1);
	report_kept(p, 1, report_call(p, 0, one, "f", "/src/u/f.c", 12, 11, 13), 7);
	report_kept(p, 1, report_call(p, 0, one, "f<int>", "/src/u/f.c", 2, 1, 3), 5);
	report_sum_up(p);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Function: f in one.so");
	check_has(text, "Function: f in two.so");
	check_has(text, "     2            0          101           2 ");
	check_has(text, "     2            0           10           1 ");
	check_has(text, "    12            0            7           1 ");
	check_has(text, "     2            0            5           1 ");
	free(text);
	profile_close(p);
}

static void runtime_blocks_are_no_leak_of_a_line(void **state)
{
	struct profile *p = report_example();
	uint32_t libc = 2, main_node = 2;
	uint32_t node =
		report_call(p, main_node, libc, "_IO_file_doallocate", "", 0, 0, 0);
	struct lines_options o = {.bytes = true, .columns = LINES_LEAKED};
	char *text;

	(void)state;
	report_kept(p, 1, node, 4096);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "    11      8000000      8004096           3       8000000 ");
	free(text);
	profile_close(p);
}

static void the_program_s_own_code_is_shown_first_and_the_rest_on_request(void **state)
{
	struct profile *p = report_example();
	uint32_t lib = report_module(p, "/usr/lib/libz.so.1");
	struct lines_options o = {0};
	char *text;

	(void)state;
	report_kept(
		p, 1,
		report_call(p, 2, 1, "std::make", "/usr/include/c++/12/x.h", 5, 4, 6),
		100);
	report_kept(p, 1,
		    report_call(p, 2, lib, "deflate",
				"/bui"
				"ld/zlib/z.c",
				5, 4, 6),
		    9);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Function: main");
	check_lacks(text, "std::make");
	check_lacks(text, "deflate");
	free(text);
	o.all = true;
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Function: std::make");
	check_has(text, "Function: deflate in libz.so.1");
	check_has(text, "only lines with events are shown");
	free(text);
	o = (struct lines_options){.file = "zlib/z.c"};
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Function: deflate");
	check_lacks(text, "Function: main");
	free(text);
	o.file = "lib/z.c"; /* not a whole part of the path */
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "No function");
	free(text);
	profile_close(p);
}

static void a_limit_says_how_many_more_there_are(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo");
	struct lines_options o = {0};
	char name[16], *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	for (uint32_t i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "f%02u", i);
		report_kept(p, 1,
			    report_call(p, 0, module, name, "/src/u/f.c", i + 1, i + 1,
					i + 1),
			    1000 + i);
	}
	report_sum_up(p);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "Function: f29");
	check_has(text, "Function: f20");
	check_lacks(text, "Function: f19");
	check_has(text, "20 more functions with events: --all shows every one");
	check_has(text, "All amounts are small: --bytes shows them exactly.");
	free(text);
	profile_close(p);
}

static void focus_ignore_and_process_choose_what_counts(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo");
	uint32_t top = report_call(p, 0, module, "main", "/src/u/f.c", 2, 1, 3);
	uint32_t red = report_call(p, top, module, "red", "/src/u/f.c", 12, 11, 13);
	uint32_t blue = report_call(p, top, module, "blue", "/src/u/f.c", 22, 21, 23);
	uint32_t both = report_call(p, red, module, "blue", "/src/u/f.c", 22, 21, 23);
	struct lines_options o = {.bytes = true};
	regex_t red_regex, blue_regex;
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	report_process(p, 2, 200, "./demo");
	report_kept(p, 1, red, 1);
	report_kept(p, 1, blue, 10);
	report_kept(p, 1, both, 100);
	report_kept(p, 2, blue, 1000);
	report_sum_up(p);
	regcomp(&red_regex, "^red$", REG_EXTENDED | REG_NOSUB);
	regcomp(&blue_regex, "bl", REG_EXTENDED | REG_NOSUB);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "     2            0         1111           4 ");
	free(text);
	o.scope.focus = &red_regex;
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "     2            0          101           2 ");
	free(text);
	o.scope.ignore = &blue_regex;
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "     2            0            1           1 ");
	free(text);
	o.scope = (struct scope_options){.pid = 200};
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "     2            0         1000           1 ");
	free(text);
	o.scope.pid = 300;
	assert_int_equal(lines_text(p, &o, stdout), -ESRCH);
	regfree(&red_regex);
	regfree(&blue_regex);
	profile_close(p);
}

static void names_and_sources_cannot_command_the_terminal(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/\033[31mdemo\001");
	struct lines_options o = {0};
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	report_kept(p, 1,
		    report_call(p, 0, module, "f\033]0;x\a", "/src/u/\r\nf.c", 1, 1, 2),
		    1000);
	report_source(p, "/src/u/\r\nf.c", 1, 2,
		      "\033[2J\x9b\xc2\x9b x\n\t\xe2\x80\xae.\n");
	text = REPORT_TEXT(lines_text(p, &o, out));
	for (const char *s = text; *s; s++)
		assert_true(*s == '\n' || (unsigned char)*s >= ' ');
	check_has(text, "Function: f\\x1b]0;x\\x07 in \\x1b[31mdemo\\x01\n");
	check_has(text, "Filename: /src/u/\\x0d\\x0af.c\n");
	check_has(text, "\\x1b[2J\\x9b\\u{9b} x\n");
	check_has(text, "        \\u{202e}.\n");
	free(text);
	text = REPORT_TEXT(lines_json(p, &o, out));
	for (const char *s = text; *s; s++)
		assert_true(*s == '\n' || (unsigned char)*s >= ' ');
	free(text);
	profile_close(p);
}

static void a_range_that_cannot_be_is_not_printed(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo");
	struct lines_options o = {0};
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	report_kept(p, 1,
		    report_call(p, 0, module, "f", "/src/u/f.c", 7, 1, UINT32_MAX),
		    1000);
	report_kept(p, 1,
		    report_call(p, 0, module, "g", "/src/u/f.c", UINT32_MAX,
				UINT32_MAX - 1, UINT32_MAX),
		    1000);
	report_kept(p, 1, report_call(p, 0, module, "h", "/src/u/f.c", 3, 9, 5), 1000);
	text = REPORT_TEXT(lines_json(p, &o, out));
	assert_true(strlen(text) < 4000);
	check_has(text, "\"line\": 4294967294, \"mem_usage\": null");
	check_has(text, "\"line\": 4294967295, \"mem_usage\": 0");
	free(text);
	profile_close(p);
}

static void a_profile_without_anything_says_what_to_do(void **state)
{
	struct profile *p = report_profile();
	struct lines_options o = {0};
	char *text = REPORT_TEXT(lines_text(p, &o, out));

	(void)state;
	check_has(text, "Compile the program with -g");
	free(text);
	profile_close(p);
}

/* ---- against a walk of every stack, event by event ----------------------- */

static uint64_t any(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	return z ^ z >> 31;
}

enum { FUNCTIONS = 6, NAMED_LINES = 5, NODES = 400, SITES = 300 };

/* A random tree over few functions, so that lines recur on a stack, with inlining. */
static struct profile *random_profile(uint64_t seed)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo");
	uint32_t codes[40];

	report_process(p, 1, 100, "./demo");
	for (size_t c = 0; c < 40; c++) {
		codes[c] = report_code(p);
		for (uint64_t k = any(&seed) % 3 + 1; k; k--) {
			uint32_t f = (uint32_t)(any(&seed) % FUNCTIONS);
			char name[8];

			snprintf(name, sizeof(name), "f%u", f);
			report_frame(p, name, "/src/u/f.c",
				     f * 10 + 1 + (uint32_t)(any(&seed) % NAMED_LINES),
				     f * 10 + 1, f * 10 + NAMED_LINES);
		}
	}
	for (int i = 0; i < NODES; i++)
		report_node(p, (uint32_t)(any(&seed) % p->stack_count), module,
			    any(&seed) % 8 ? codes[any(&seed) % 40] : 0);
	for (uint32_t i = 0; i < SITES; i++) {
		struct profile_site *s =
			report_site(p, 1, (uint32_t)(any(&seed) % p->stack_count));

		s->allocs = any(&seed) % 50;
		s->allocated_bytes = s->allocs * (any(&seed) % 1000);
		s->frees = any(&seed) % (s->allocs + 1);
		s->freed_bytes = any(&seed) % (s->allocated_bytes + 1);
		s->freed_here = any(&seed) % 50;
		s->freed_here_bytes = s->freed_here * (any(&seed) % 1000);
		s->peak.bytes = any(&seed) % (s->allocated_bytes + 1);
		s->temporary.bytes = any(&seed) % 100;
		s->last_rank = i * 7919 % SITES;
		s->last_live_bytes = any(&seed) % 100000;
	}
	return p;
}

static bool line_on_stack(const struct profile *p, uint32_t stack, uint32_t line)
{
	for (uint32_t n = stack; n; n = p->stacks[n].parent) {
		const struct profile_code *c;

		if (!p->stacks[n].code)
			continue;
		c = &p->codes[p->stacks[n].code - 1];
		for (uint32_t k = 0; k < c->frames; k++)
			if (p->frames[c->first_frame + k].line == line)
				return true;
	}
	return false;
}

/* What JSON must have for a line, or "" if there was no event. */
static void expect_line(const struct profile *p, uint32_t line, char *text, size_t room)
{
	uint64_t allocs = 0, allocated = 0, freed = 0, peak = 0, live = 0,
		 temporary = 0;
	uint64_t rank = 0, usage = 0;
	bool any_event = false;

	for (size_t i = 0; i < p->site_count; i++) {
		const struct profile_site *s = &p->sites[i];

		if (!line_on_stack(p, s->stack, line))
			continue;
		allocs += s->allocs;
		allocated += s->allocated_bytes;
		freed += s->freed_here_bytes;
		peak += s->peak.bytes;
		live += s->allocated_bytes - s->freed_bytes;
		temporary += s->temporary.bytes;
		if (!s->allocs && !s->freed_here)
			continue;
		if (!any_event || s->last_rank >= rank) {
			rank = s->last_rank;
			usage = s->last_live_bytes;
		}
		any_event = true;
	}
	*text = '\0';
	if (any_event)
		snprintf(text, room,
			 "{\"line\": %u, \"mem_usage\": %llu, \"increment\": %lld, "
			 "\"occurrences\": %llu, \"allocated\": %llu, \"freed\": %llu, "
			 "\"peak\": %llu, \"leaked\": %llu, \"temporary\": %llu}",
			 line, (unsigned long long)usage,
			 (long long)(allocated - freed), (unsigned long long)allocs,
			 (unsigned long long)allocated, (unsigned long long)freed,
			 (unsigned long long)peak, (unsigned long long)live,
			 (unsigned long long)temporary);
}

static void every_line_agrees_with_a_walk_of_every_stack(void **state)
{
	struct lines_options o = {.nonzero = true};
	char line[512];
	size_t found = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct profile *p = random_profile(seed * 1000003);
		char *text = REPORT_TEXT(lines_json(p, &o, out));

		for (uint32_t f = 0; f < FUNCTIONS; f++)
			for (uint32_t k = 1; k <= NAMED_LINES; k++) {
				expect_line(p, f * 10 + k, line, sizeof(line));
				if (*line)
					check_has(text, line);
				found += *line != '\0';
			}
		free(text);
		profile_close(p);
	}
	assert_true(found > 1000);
}

static void a_very_deep_stack_is_no_trouble(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo"), node = 0;
	struct lines_options o = {.bytes = true};
	uint32_t code = report_code(p);
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	report_frame(p, "dig", "/src/u/dig.c", 3, 1, 4);
	for (int i = 0; i < 1000000; i++)
		node = report_node(p, node, module, code);
	report_kept(p, 1, node, 1000);
	text = REPORT_TEXT(lines_text(p, &o, out));
	check_has(text, "     3            0         1000           1 ");
	free(text);
	profile_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_documents_example_reads_as_in_the_documents),
		cmocka_unit_test(json_has_exact_bytes_and_null_without_events),
		cmocka_unit_test(bytes_and_columns_on_request),
		cmocka_unit_test(columns_that_do_not_exist_are_refused),
		cmocka_unit_test(
			without_stacks_of_frees_nothing_is_subtracted_and_it_says_so),
		cmocka_unit_test(digits_of_a_mib_are_as_many_as_wanted),
		cmocka_unit_test(a_whole_file_is_in_the_order_of_its_lines),
		cmocka_unit_test(instantiations_are_apart_unless_folded),
		cmocka_unit_test(functions_without_lines_are_shown_with_their_numbers),
		cmocka_unit_test(modules_of_one_name_are_told_apart),
		cmocka_unit_test(recursion_counts_once),
		cmocka_unit_test(
			inlined_functions_have_their_lines_and_so_has_their_caller),
		cmocka_unit_test(equal_names_in_two_modules_are_two_functions),
		cmocka_unit_test(runtime_blocks_are_no_leak_of_a_line),
		cmocka_unit_test(
			the_program_s_own_code_is_shown_first_and_the_rest_on_request),
		cmocka_unit_test(a_limit_says_how_many_more_there_are),
		cmocka_unit_test(focus_ignore_and_process_choose_what_counts),
		cmocka_unit_test(names_and_sources_cannot_command_the_terminal),
		cmocka_unit_test(a_range_that_cannot_be_is_not_printed),
		cmocka_unit_test(a_profile_without_anything_says_what_to_do),
		cmocka_unit_test(every_line_agrees_with_a_walk_of_every_stack),
		cmocka_unit_test(a_very_deep_stack_is_no_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
