#include "tests/unit/unit.h"

#include "cli/report/lines.h"
#include "cli/report/summary.h"
#include "tests/unit/json_check.h"
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

static void the_example_in_a_screenful(void **state)
{
	static const char expected[] =
		"Heap report of ./demo\n"
		"  recorded     for 5.0 ms\n"
		"  ended        exited with status 0\n"
		"\n"
		"Heap (malloc), bytes as requested\n"
		"  peak              160.2 MiB  in 2 blocks, 2.0 ms after the start\n"
		"  never freed         7.6 MiB  in 1 block live at the end\n"
		"  allocated         160.2 MiB  in 2 blocks over the whole run\n"
		"  freed             152.6 MiB  in 1 block over the whole run\n"
		"  temporary             0.0 %  of the allocations over the whole run "
		"(0), "
		"freed by the thread's next event\n"
		"\n"
		"Live at the peak (2.0 ms after the start), by code\n"
		"        152.6 MiB   95.2 %        1 block  my_func (demo.c:4)\n"
		"                                            < main (demo.c:11)\n"
		"          7.6 MiB    4.8 %        1 block  my_func (demo.c:3)\n"
		"                                            < main (demo.c:11)\n"
		"\n"
		"Never freed: live at the end, by code\n"
		"          7.6 MiB  100.0 %        1 block  my_func (demo.c:3)\n"
		"                                            < main (demo.c:11)\n"
		"\n"
		"Recording\n"
		"  events                    3  recorded, 0 lost\n"
		"  held back              0 ns  sum of the times that threads waited "
		"for the "
		"collector\n"
		"\n"
		"Next\n"
		"  heapline lines 'my demo.heapline'\n"
		"      the same, line by line of the program's own code\n"
		"  heapline lines --sort leaked --columns leaked 'my demo.heapline'\n"
		"      the lines whose blocks were never freed\n"
		"  heapline report --json 'my demo.heapline'\n"
		"      all figures, exact, for scripts\n";
	struct profile *p = report_example();
	struct summary_options o = {.path = "my demo.heapline"};
	char *text = REPORT_TEXT(summary_text(p, &o, out));

	(void)state;
	assert_string_equal(text, expected);
	free(text);
	profile_close(p);
}

static void losses_are_the_first_thing_said(void **state)
{
	struct profile *p = report_example();
	struct summary_options o = {0};
	char *text;

	(void)state;
	p->processes[0].lost = 1200;
	p->lost_no_ring = 34;
	p->cut_stacks = 5678;
	p->complete = false;
	p->stopped = report_string(p, "the collector\033 died");
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_has(text, "WARNING: 1,234 events were lost.");
	check_has(text, "WARNING: 5,678 stacks were cut: there were more than are "
			"kept.\n");
	check_has(text, "WARNING: recording ended before the program did: the "
			"collector\\x1b died.");
	check_has(text, "WARNING: the profile is incomplete");
	assert_true(strstr(text, "WARNING") < strstr(text, "peak  "));
	free(text);
	text = REPORT_TEXT(summary_json(p, &o, out));
	check_has(text, "\"events\": 1234,");
	check_has(text, "\"complete\": false,");
	assert_true(json_check(text));
	free(text);
	report_process(p, 2, 101, "./other");
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_has(text, "than are kept (`heapline run --by-program` or `--only` needs "
			"fewer).");
	free(text);
	profile_close(p);
}

static void runtime_blocks_are_shown_and_no_leak(void **state)
{
	struct profile *p = report_example();
	uint32_t node = report_call(p, 2, 2, "_IO_file_doallocate", "", 0, 0, 0);
	struct scope_options whole = {0};
	struct summary s;

	(void)state;
	report_kept(p, 1, node, 4096);
	memset(p->processes[0].domain, 0, sizeof(p->processes[0].domain));
	report_sum_up(p);
	assert_int_equal(summary_of(p, &whole, &s), 0);
	assert_int_equal(s.live_at_end.bytes, 8004096);
	assert_int_equal(s.live_at_end.bytes, s.allocated_bytes - s.freed_bytes);
	assert_int_equal(s.runtime.bytes, 4096);
	assert_int_equal(s.runtime.blocks, 1);
	assert_int_equal(s.leaked.bytes, 8000000);
	assert_int_equal(s.leaked.blocks, 1);
	profile_close(p);
}

/* Two processes whose peaks do not coincide, the first of which became a third. */
static struct profile *family(void)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo");
	uint32_t node = report_call(p, 0, module, "main", "/src/u/f.c", 2, 1, 3);
	struct profile_process *process;

	process = report_process(p, 1, 100, "sh -c demo");
	process->end = PROFILE_EXECED;
	process = report_process(p, 2, 200, "./child");
	process->parent_serial = 1;
	process->end = PROFILE_SIGNALED;
	process->end_status = 9;
	process = report_process(p, 3, 100, "./demo");
	process->end_status = 7;
	report_kept(p, 1, node, 1000)->tree_peak = (struct profile_amount){0};
	report_kept(p, 2, node, 300);
	report_kept(p, 3, node, 20);
	report_sum_up(p);
	p->tree_peak_at_ns = 5;
	return p;
}

static void several_processes_have_the_peak_of_their_sum(void **state)
{
	struct profile *p = family();
	struct summary_options o = {0};
	char *text = REPORT_TEXT(summary_json(p, &o, out));

	(void)state;
	assert_true(json_check(text));
	check_has(text, "\"command\": \"sh -c demo\",\n  \"exit\": 7,");
	check_has(text, "  \"peak\": {\n    \"bytes\": 320,\n    \"blocks\": 2,\n    "
			"\"at_ns\": 5\n  },");
	check_has(text, "  \"live_at_end\": {\n    \"bytes\": 1320,");
	check_has(text, "\"end\": \"signaled\",\n      \"exit\": 137,");
	free(text);
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_has(text, "; 2 processes recorded, 3 programs\n");
	check_has(text, "./child (killed by signal 9 (SIGKILL))");
	free(text);
	profile_close(p);
}

static void one_process_has_its_own_peak(void **state)
{
	struct profile *p = family();
	struct summary_options o = {.scope.pid = 200};
	char *text = REPORT_TEXT(summary_json(p, &o, out));

	(void)state;
	check_has(text, "\"command\": \"./child\",\n  \"exit\": 137,");
	check_has(text, "  \"peak\": {\n    \"bytes\": 300,");
	free(text);
	/* Two programs of one pid, one after the other: never the sum of peaks. */
	o.scope.pid = 100;
	text = REPORT_TEXT(summary_json(p, &o, out));
	check_has(text, "  \"peak\": {\n    \"bytes\": 1000,");
	free(text);
	o.scope.pid = 300;
	assert_int_equal(summary_json(p, &o, stdout), -ESRCH);
	profile_close(p);
}

/* Rows of a profile are programs; a process may be several of them in turn. */
static void processes_and_programs_are_counted_apart(void **state)
{
	static const struct {
		uint32_t parent;
		int32_t pid;
		enum profile_end end;
	} rows[] = {
		{0, 10, PROFILE_EXECED}, {0, 10, PROFILE_EXECED},
		{0, 10, PROFILE_EXITED}, /* so far one process */
		{1, 20, PROFILE_EXITED}, /* two */
		{1, 20, PROFILE_EXITED}, /* the pid again, but no exec: three */
		{2, 30, PROFILE_EXECED}, /* became a program that was not followed: four
					  */
	};
	static const char *const said[] = {
		"status 0\n",
		"(exec); 2 programs recorded, each by exec of the one before\n",
		"status 0; 3 programs recorded, each by exec of the one before\n",
		"status 0; 2 processes recorded, 4 programs\n",
		"status 0; 3 processes recorded, 5 programs\n",
		"status 0; 4 processes recorded, 6 programs\n",
	};
	struct profile *p = report_profile();
	struct summary_options o = {0};

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		struct profile_process *process =
			report_process(p, i + 1, rows[i].pid, "x");
		char *text;

		process->parent_serial = rows[i].parent;
		if (i)
			process->end = rows[i].end;
		text = REPORT_TEXT(summary_text(p, &o, out));
		check_has(text, said[i]);
		free(text);
		p->processes[i].end = rows[i].end;
	}
	profile_close(p);
}

/* What goes on when its recording ends may free its blocks yet. */
static void what_still_runs_has_never_freed_nothing(void **state)
{
	struct profile *p = family();
	struct summary_options o = {0};
	char *text;

	(void)state;
	p->processes[2].end = PROFILE_RUNNING;
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_has(text,
		  "\n  never freed         1.3 KiB  in 2 blocks live at the end\n");
	check_has(
		text,
		"\n  not freed              20 B  in 1 block until recording ended\n");
	check_has(text, "\nNever freed, or not until recording ended, by code\n");
	free(text);
	text = REPORT_TEXT(summary_json(p, &o, out));
	assert_true(json_check(text));
	check_has(
		text,
		"  \"leaked\": {\n    \"bytes\": 1320,\n    \"blocks\": 3\n  },\n"
		"  \"not_yet_freed\": {\n    \"bytes\": 20,\n    \"blocks\": 1\n  },");
	free(text);
	o.scope.pid = 100; /* two programs; the second runs on */
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_has(text,
		  "\n  never freed          1000 B  in 1 block live at the end\n");
	free(text);
	p->processes[0].end = p->processes[1].end = PROFILE_RUNNING;
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_lacks(text, "ever freed");
	check_has(text, "\nNot freed until recording ended, by code\n");
	free(text);
	profile_close(p);
}

static void what_ends_after_its_recording_has_never_freed_nothing(void **state)
{
	struct profile *p = report_example();
	struct summary_options o = {.path = "p"};
	char *text;

	(void)state;
	p->stopped = report_string(p, "--duration was over");
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_lacks(text, "ever freed");
	check_has(
		text,
		"\n  not freed           7.6 MiB  in 1 block until recording ended\n");
	check_has(text, "      the lines whose blocks were not freed\n");
	free(text);
	profile_close(p);
}

/* What is mapped twice, in two processes, is one place all the same. */
static void a_place_in_two_processes_is_one(void **state)
{
	struct profile *p = report_profile();
	struct summary_options o = {0};
	char *text;

	(void)state;
	for (uint32_t i = 1; i <= 2; i++) {
		uint32_t module = report_module(p, "/src/u/demo");
		uint32_t node =
			report_call(p, 0, module, "main", "/src/u/f.c", 2, 1, 3);
		uint32_t nameless;

		p->modules[module - 1].bias = i * 0x10000;
		nameless = report_node(p, 0, module, 0);
		p->stacks[nameless].pc = i * 0x10000 + 0x1234;
		report_process(p, i, 100 * (int32_t)i, "./demo");
		report_kept(p, i, node, 1000);
		report_kept(p, i, nameless, 10);
	}
	report_sum_up(p);
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_has(text, "99.0 %       2 blocks  main (f.c:2)\n");
	check_has(text, " 1.0 %       2 blocks  demo+0x1234");
	free(text);
	profile_close(p);
}

/* Without a file there is nothing to read on with. */
static void what_is_not_kept_has_no_next(void **state)
{
	struct profile *p = report_example();
	struct summary_options o = {0};
	char *text = REPORT_TEXT(summary_text(p, &o, out));

	(void)state;
	check_has(text, "\nNext\n  the same with -o FILE keeps the profile");
	check_lacks(text, "heapline report");
	free(text);
	profile_close(p);
}

static void a_place_where_frames_are_lost_names_no_site(void **state)
{
	struct profile *p = report_profile();
	uint32_t libc = report_module(p, "/lib/x86_64-linux-gnu/libc.so.6");
	uint32_t lost = report_node(p, 0, 0, 0), inner, only;
	struct summary_options o = {0};
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	p->stacks[lost].flags = PROFILE_STACK_CUT;
	p->stacks[lost].pc = PROFILE_CUT_LOST;
	inner = report_call(p, lost, libc, "getline", "", 0, 0, 0);
	only = report_node(p, lost, 0, 0);
	p->stacks[only].flags = PROFILE_STACK_CUT;
	report_kept(p, 1, inner, 300);
	report_kept(p, 1, only, 20);
	report_sum_up(p);
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_has(text, " 1 block  getline (libc.so.6)\n"
			"                                            < [frames lost: ");
	check_has(text, " 20 B    6.2 %        1 block  [frames lost: no unwind");
	free(text);
	profile_close(p);
}

static void main_s_line_and_the_report_have_the_same_totals(void **state)
{
	struct profile *p = report_example();
	struct scope_options whole = {0};
	struct lines_options o = {.nonzero = true};
	struct summary s;
	char expected[256], *text = REPORT_TEXT(lines_json(p, &o, out));

	(void)state;
	assert_int_equal(summary_of(p, &whole, &s), 0);
	snprintf(expected, sizeof(expected),
		 "{\"line\": 11, \"mem_usage\": 8000000, \"increment\": %llu, "
		 "\"occurrences\": %llu, \"allocated\": %llu, \"freed\": %llu, "
		 "\"peak\": "
		 "%llu, \"leaked\": %llu, ",
		 (unsigned long long)s.live_at_end.bytes, (unsigned long long)s.allocs,
		 (unsigned long long)s.allocated_bytes,
		 (unsigned long long)s.freed_bytes, (unsigned long long)s.peak.bytes,
		 (unsigned long long)s.leaked.bytes);
	check_has(text, expected);
	assert_true(json_check(text));
	free(text);
	profile_close(p);
}

static void mapped_memory_stands_apart(void **state)
{
	struct profile *p = report_example();
	struct summary_options o = {0};
	char *text;

	(void)state;
	p->processes[0].domain[PROFILE_MMAP].allocs = 1;
	p->processes[0].domain[PROFILE_MMAP].allocated_bytes = 1 << 20;
	text = REPORT_TEXT(summary_text(p, &o, out));
	check_has(text, "not part of the above\n");
	check_has(text, "  never freed         1.0 MiB  in 1 block live at the end\n");
	check_has(text, "  never freed         7.6 MiB  in 1 block live at the end\n");
	free(text);
	profile_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_in_a_screenful),
		cmocka_unit_test(losses_are_the_first_thing_said),
		cmocka_unit_test(runtime_blocks_are_shown_and_no_leak),
		cmocka_unit_test(several_processes_have_the_peak_of_their_sum),
		cmocka_unit_test(one_process_has_its_own_peak),
		cmocka_unit_test(main_s_line_and_the_report_have_the_same_totals),
		cmocka_unit_test(mapped_memory_stands_apart),
		cmocka_unit_test(processes_and_programs_are_counted_apart),
		cmocka_unit_test(what_still_runs_has_never_freed_nothing),
		cmocka_unit_test(what_ends_after_its_recording_has_never_freed_nothing),
		cmocka_unit_test(a_place_in_two_processes_is_one),
		cmocka_unit_test(what_is_not_kept_has_no_next),
		cmocka_unit_test(a_place_where_frames_are_lost_names_no_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
