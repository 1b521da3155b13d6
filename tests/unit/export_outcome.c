/*
 * A gate's outcome in the formats of CI systems: what each says of one small outcome,
 * and that names from anywhere break none of them.
 */
#include "tests/unit/unit.h"

#include "cli/export/github.h"
#include "cli/export/gitlab.h"
#include "cli/export/junit.h"
#include "cli/export/sarif.h"
#include "cli/export/verdict.h"
#include "tests/unit/json_check.h"
#include "tests/unit/report_views.h"

/* main calls keep(), which asks libc. */
static uint32_t small_stack(struct profile *p)
{
	uint32_t module = report_module(p, "/src/u/demo");
	uint32_t libc = report_module(p, "/lib/x86_64-linux-gnu/libc.so.6");
	uint32_t top = report_call(p, 0, module, "main", "/src/u/demo.c", 9, 1, 12);

	top = report_call(p, top, module, "keep<a, b>", "/src/u/lib/keep%.c", 3, 1, 7);
	return report_call(p, top, libc, "strdup", "", 0, 0, 0);
}

static void add(struct outcome *o, enum leak_kind kind, uint32_t stack, uint64_t print,
		bool fails)
{
	struct outcome_leak leak = {.kind = kind, .print = print, .fails = fails};
	struct finding f = {.stack = stack, .blocks = 2, .bytes = 1048};

	assert_int_equal(outcome_add(o, &leak, &f), 0);
}

static struct profile *small(struct outcome *o)
{
	struct profile *p = report_profile();
	uint32_t stack;

	report_process(p, 1, 4711, "./demo");
	stack = small_stack(p);
	assert_int_equal(outcome_init(o, p, "/src/u"), 0);
	add(o, LEAK_REACHABLE, stack, 0xbeef, false);
	add(o, LEAK_DEFINITE, stack, 0xbeef, true);
	add(o, LEAK_DEFINITE, stack, 0xbeef, true);
	o->leaks[1].state = o->leaks[2].state = "new";
	o->leaks[0].reason = "known";
	assert_int_equal(
		outcome_add_limit(o, "--max-peak", "12 bytes, 10 allowed", true), 0);
	assert_int_equal(outcome_add_limit(o, "--max-leaked", "0 bytes", false), 0);
	outcome_sort(o);
	o->status = 23;
	return p;
}

static void small_done(struct outcome *o, struct profile *p)
{
	outcome_done(o);
	profile_close(p);
}

static void a_leak_of_several_processes_is_one_and_failures_come_first(void **state)
{
	struct outcome o;
	struct profile *p = small(&o);

	(void)state;
	assert_int_equal(o.count, 2);
	assert_int_equal(o.leaks[0].kind, LEAK_DEFINITE);
	assert_int_equal(o.leaks[0].bytes, 2096);
	assert_int_equal(o.leaks[0].blocks, 4);
	assert_int_equal(outcome_failures(&o), 1);
	small_done(&o, p);
}

static void __attribute__((noinline)) expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in\n%s", part, text);
}

static void sarif_names_the_place_in_the_programs_own_code(void **state)
{
	struct outcome o;
	struct profile *p = small(&o);
	char *text = REPORT_TEXT((sarif_write(&o, out), 0));

	(void)state;
	assert_true(json_check(text));
	expect(text, "\"version\": \"2.1.0\"");
	expect(text, "\"SRCROOT\": {\"uri\": \"file:///src/u/\"}");
	expect(text, "\"ruleId\": \"leak/definite\", \"ruleIndex\": 0, \"level\": "
		     "\"error\"");
	expect(text, "\"locations\": [{\"physicalLocation\": {\"artifactLocation\": "
		     "{\"uri\": \"lib/keep%25.c\", \"uriBaseId\": \"SRCROOT\"}, "
		     "\"region\": {\"startLine\": 3}}");
	expect(text, "{\"uri\": \"file:///lib/x86_64-linux-gnu/libc.so.6\"}");
	expect(text, "{\"heaplineStack/v1\": \"000000000000beef\"}");
	expect(text, "\"baselineState\": \"new\"");
	expect(text, "\"suppressions\": [{\"kind\": \"external\", \"justification\": "
		     "\"known\"}]");
	expect(text, "12 bytes, 10 allowed");
	free(text);
	small_done(&o, p);
}

static void sarif_keeps_within_what_github_shows(void **state)
{
	struct outcome o;
	struct profile *p = small(&o);
	size_t results = 0;
	char *text;

	(void)state;
	for (uint64_t i = 1; i < SARIF_RESULTS + 10; i++)
		add(&o, LEAK_POSSIBLE, o.leaks[0].stack, i, false);
	outcome_sort(&o);
	text = REPORT_TEXT((sarif_write(&o, out), 0));
	for (const char *s = text; (s = strstr(s, "\"ruleId\"")); s++)
		results++;
	assert_int_equal(results, SARIF_RESULTS);
	expect(text, "11 more leaks are not listed.");
	expect(text, "leak/definite\", \"ruleIndex\": 0, \"level\": \"error\"");
	free(text);
	small_done(&o, p);
}

static void junit_has_a_test_for_each_limit_and_leak(void **state)
{
	struct outcome o;
	struct profile *p = small(&o);
	char *text;

	(void)state;
	text = REPORT_TEXT((junit_write(&o, out), 0));
	expect(text, "<testsuites tests=\"4\" failures=\"2\" errors=\"0\">");
	expect(text,
	       "<testcase classname=\"heapline.checked\" name=\"every process was "
	       "looked at\"/>");
	expect(text, "<testcase classname=\"heapline.limit\" name=\"--max-leaked\"/>");
	expect(text, "<failure type=\"limit\" message=\"12 bytes, 10 allowed\"/>");
	expect(text, "name=\"keep&lt;a, b&gt; 000000000000beef\" "
		     "file=\"lib/keep%.c\" line=\"3\">");
	expect(text, "#1 keep&lt;a, b&gt; at lib/keep%.c:3\n#2 main at demo.c:9\n");
	free(text);
	o.why = "3 events were lost";
	text = REPORT_TEXT((junit_write(&o, out), 0));
	expect(text, "errors=\"1\"");
	expect(text, "<error type=\"checked\" message=\"3 events were lost\"/>");
	free(text);
	small_done(&o, p);
}

static void annotations_are_escaped_and_no_more_than_are_shown(void **state)
{
	struct outcome o;
	struct profile *p = small(&o);
	size_t errors = 0;
	char *text;

	(void)state;
	text = REPORT_TEXT((github_annotations(&o, out), 0));
	assert_string_equal(
		text, "::error title=heapline%3A limit exceeded::12 bytes, 10 allowed\n"
		      "::error file=lib/keep%25.c,line=3,title=heapline%3A definite "
		      "leak::2,096 bytes in 4 blocks leaked: nothing points at it "
		      "(keep<a, b>)\n");
	free(text);
	for (uint64_t i = 1; i < 20; i++)
		add(&o, LEAK_CYCLE, o.leaks[0].stack, i, true);
	outcome_sort(&o);
	o.why = "a\nb";
	text = REPORT_TEXT((github_annotations(&o, out), 0));
	for (const char *s = text; (s = strstr(s, "::error ")); s++)
		errors++;
	assert_int_equal(errors, GITHUB_ERRORS);
	expect(text, "::a\\x0ab\n");
	expect(text, "::notice title=heapline::12 more leaks: see the log\n");
	free(text);
	small_done(&o, p);
}

static void what_annotations_have_no_room_for_is_counted(void **state)
{
	struct outcome o;
	struct profile *p = small(&o);
	char *text;

	(void)state;
	for (int i = 1; i < GITHUB_ERRORS; i++)
		outcome_add_limit(&o, "--max-peak 'x'", "too much", true);
	text = REPORT_TEXT((github_annotations(&o, out), 0));
	expect(text, "::notice title=heapline::1 more leak: see the log\n");
	free(text);
	outcome_add_limit(&o, "--max-peak 'y'", "too much", true);
	outcome_add_limit(&o, "--max-peak 'z'", "too much", true);
	text = REPORT_TEXT((github_annotations(&o, out), 0));
	expect(text, "::notice title=heapline::2 more limits and 1 more leak: see the "
		     "log\n");
	free(text);
	o.leaks[0].fails = o.leaks[1].fails = false;
	text = REPORT_TEXT((github_annotations(&o, out), 0));
	expect(text, "::notice title=heapline::2 more limits: see the log\n");
	free(text);
	small_done(&o, p);
}

static void a_summary_is_a_table(void **state)
{
	struct outcome o;
	struct profile *p = small(&o);
	char *text = REPORT_TEXT((github_summary(&o, out), 0));

	(void)state;
	expect(text, "### heapline: failed\n");
	expect(text, "- **exceeded**: 12 bytes, 10 allowed\n- met: 0 bytes\n");
	expect(text,
	       "| definite | 2,096 | 4 | keep&lt;a, b\\> | lib/keep%\\.c\\:3 |\n");
	free(text);
	small_done(&o, p);
}

static void gitlab_has_an_issue_for_what_fails(void **state)
{
	struct outcome o;
	struct profile *p = small(&o);
	char *text = REPORT_TEXT((gitlab_write(&o, out), 0));

	(void)state;
	assert_true(json_check(text));
	expect(text, "\"fingerprint\": \"000000000000beef-definite\"");
	expect(text, "\"location\": {\"path\": \"lib/keep%.c\", \"lines\": {\"begin\": "
		     "3}}");
	expect(text, "\"check_name\": \"limit\"");
	assert_null(strstr(text, "reachable"));
	free(text);
	small_done(&o, p);
}

/* ---- any names ------------------------------------------------------------------- */

static uint32_t any_name(struct make *m, struct profile *p)
{
	static const char *const pieces[] = {"a",
					     "::",
					     "<",
					     ">",
					     "&",
					     "\"",
					     "'",
					     "|",
					     "%",
					     "\n",
					     "\r",
					     "\x1b",
					     "\x01",
					     "\xff",
					     "\xed\xa0\x80",
					     "\xe2\x80\xae",
					     "\xc3\xa4",
					     "]]>",
					     "-->",
					     "`",
					     "\\",
					     ",",
					     "/",
					     " "};
	char text[200];
	size_t at = 0;

	for (uint32_t n = make_below(m, 20); n; n--)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s",
			pieces[make_below(m, sizeof(pieces) / sizeof(pieces[0]))]);
	text[at] = '\0';
	return report_string(p, text);
}

static struct profile *hostile(struct make *m, struct outcome *o)
{
	struct profile *p = views_profile(m);

	for (size_t i = 0; i < p->frame_count; i++) {
		p->frames[i].function = any_name(m, p);
		p->frames[i].file = any_name(m, p);
	}
	for (size_t i = 0; i < p->module_count; i++)
		p->modules[i].path = any_name(m, p);
	assert_int_equal(outcome_init(o, p, make_below(m, 2) ? "/src" : ""), 0);
	for (uint32_t n = make_below(m, 30); n; n--) {
		add(o, make_below(m, LEAK_KINDS), make_below(m, p->stack_count),
		    make_below(m, 20), make_below(m, 2));
		if (make_below(m, 2))
			o->leaks[o->count - 1].reason =
				strings_get(&p->strings, any_name(m, p));
	}
	for (uint32_t n = make_below(m, 3); n; n--)
		assert_int_equal(
			outcome_add_limit(o, strings_get(&p->strings, any_name(m, p)),
					  strings_get(&p->strings, any_name(m, p)),
					  make_below(m, 2)),
			0);
	outcome_sort(o);
	if (make_below(m, 2))
		o->why = strings_get(&p->strings, any_name(m, p));
	return p;
}

/* Whether characters and entities are XML's and every element is closed. */
static void check_xml(const char *text)
{
	const char *open[16];
	size_t depth = 0;

	for (const char *s = text; *s;) {
		const char *start = s, *end;
		uint32_t c;

		assert_true(utf8_next(&s, &c));
		assert_true(c >= 0x20 || c == '\n' || c == '\r');
		if (c == '&') {
			size_t len = strcspn(start, ";");

			assert_true(len < 6);
			assert_non_null(memmem("&amp;&lt;&gt;&quot;&apos;", 25, start,
					       len + 1));
		}
		if (c != '<' || *s == '?')
			continue;
		end = strchr(s, '>');
		assert_non_null(end);
		assert_int_equal((int)(strcspn(s, "<") > (size_t)(end - s)), 1);
		if (*s == '/') {
			size_t len = (size_t)(end - s) - 1;

			assert_true(depth > 0);
			depth--;
			assert_memory_equal(open[depth], s + 1, len);
		} else if (end[-1] != '/') {
			assert_true(depth < 16);
			open[depth++] = s;
		}
		s = end + 1;
	}
	assert_int_equal(depth, 0);
}

static void check_annotations(const char *text)
{
	size_t lines = 0;

	for (const char *s = text; *s; lines++) {
		const char *end = strchr(s, '\n');

		assert_non_null(end);
		assert_true(!strncmp(s, "::error ", 8) || !strncmp(s, "::notice ", 9));
		for (; s < end; s++)
			assert_true(*s != '\r' && *s != '\x1b');
		s++;
	}
	assert_true(lines <= GITHUB_ERRORS + 1);
}

static void check_table(const char *text)
{
	for (const char *s = text; (s = strstr(s, "\n| "));) {
		size_t bars = 0;

		for (s++; *s != '\n'; s++) {
			if (*s == '\\')
				s++;
			else
				bars += *s == '|';
		}
		assert_int_equal(bars, 6);
	}
}

static void names_from_anywhere_break_no_format(void **state)
{
	struct make m = {.state = 21};

	(void)state;
	for (int round = 0; round < unit_rounds(400); round++) {
		struct outcome o;
		struct profile *p = hostile(&m, &o);
		char *text;

		text = REPORT_TEXT((sarif_write(&o, out), 0));
		assert_true(json_check(text));
		free(text);
		text = REPORT_TEXT((gitlab_write(&o, out), 0));
		assert_true(json_check(text));
		free(text);
		text = REPORT_TEXT((verdict_json(&o, out), 0));
		assert_true(json_check(text));
		free(text);
		text = REPORT_TEXT((junit_write(&o, out), 0));
		check_xml(text);
		free(text);
		text = REPORT_TEXT((github_annotations(&o, out), 0));
		check_annotations(text);
		free(text);
		text = REPORT_TEXT((github_summary(&o, out), 0));
		check_table(text);
		free(text);
		small_done(&o, p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_leak_of_several_processes_is_one_and_failures_come_first),
		cmocka_unit_test(sarif_names_the_place_in_the_programs_own_code),
		cmocka_unit_test(sarif_keeps_within_what_github_shows),
		cmocka_unit_test(junit_has_a_test_for_each_limit_and_leak),
		cmocka_unit_test(annotations_are_escaped_and_no_more_than_are_shown),
		cmocka_unit_test(what_annotations_have_no_room_for_is_counted),
		cmocka_unit_test(a_summary_is_a_table),
		cmocka_unit_test(gitlab_has_an_issue_for_what_fails),
		cmocka_unit_test(names_from_anywhere_break_no_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
