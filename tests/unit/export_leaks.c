/*
 * What the formats of other tools make of one list of findings, and the list of our
 * own.
 */
#include "tests/unit/unit.h"

#include "cli/export/lsan.h"
#include "cli/export/valgrind.h"
#include "tests/unit/report_make.h"

enum { FINDINGS = 5 };

struct made {
	struct profile *p;
	struct finding items[FINDINGS];
	struct findings f;
	struct leaks_options o;
	struct leaks l;
};

static struct finding make(uint32_t kind, uint32_t stack, uint64_t blocks,
			   uint64_t bytes)
{
	return (struct finding){.kind = kind,
				.stack = stack,
				.snapshot = FINDING_NONE,
				.leader = FINDING_NONE,
				.rule = FINDING_NONE,
				.blocks = blocks,
				.bytes = bytes};
}

/* A lost block, a ring of two stacks, what it holds, and one that is only young. */
static void make_leaks(struct made *m, const char *function)
{
	uint32_t module, top, a, b;

	*m = (struct made){.p = report_profile()};
	report_process(m->p, 1, 4711, "./demo")->end_ns = 3723004000000;
	module = report_module(m->p, "/src/u/demo");
	top = report_call(m->p, 0, module, "main", "/src/u/demo.c", 9, 1, 12);
	a = report_call(m->p, top, module, function, "/src/u/demo.c", 3, 1, 7);
	b = report_node(m->p, top, module, 0);
	m->items[0] = make(LEAK_DEFINITE, a, 1, 7);
	m->items[1] = make(LEAK_CYCLE, a, 2, 100);
	m->items[1].leader = 1;
	m->items[1].held_bytes = 1050;
	m->items[1].held_blocks = 2;
	m->items[2] = make(LEAK_CYCLE, b, 1, 50);
	m->items[2].leader = 1;
	m->items[3] = make(LEAK_INDIRECT, b, 1, 1000);
	m->items[3].leader = 1;
	m->items[4] = make(LEAK_YOUNG, a, 1, 3);
	m->f = (struct findings){.items = m->items, .count = FINDINGS, .cause = ""};
	m->o = (struct leaks_options){.kinds = LEAKS_ALL};
	assert_int_equal(leaks_open(&m->l, m->p, &m->f, &m->o), 0);
}

static void made_done(struct made *m)
{
	leaks_done(&m->l);
	profile_close(m->p);
}

static void in_lsan_leaders_are_direct_and_come_first(void **state)
{
	struct made m;
	char *text;

	(void)state;
	make_leaks(&m, "my_func");
	text = REPORT_TEXT(lsan_text(&m.l, out));
	assert_string_equal(
		text,
		"\n================================================================="
		"\n==4711==ERROR: LeakSanitizer: detected memory leaks\n\n"
		"Direct leak of 7 byte(s) in 1 object(s) allocated from:\n"
		"    #0 0x1002 in my_func /src/u/demo.c:3\n"
		"    #1 0x1001 in main /src/u/demo.c:9\n\n"
		"Direct leak of 100 byte(s) in 2 object(s) allocated from:\n"
		"    #0 0x1002 in my_func /src/u/demo.c:3\n"
		"    #1 0x1001 in main /src/u/demo.c:9\n\n"
		"Indirect leak of 50 byte(s) in 1 object(s) allocated from:\n"
		"    #0 0x1003 (/src/u/demo+0x1003)\n"
		"    #1 0x1001 in main /src/u/demo.c:9\n\n"
		"Indirect leak of 1000 byte(s) in 1 object(s) allocated from:\n"
		"    #0 0x1003 (/src/u/demo+0x1003)\n"
		"    #1 0x1001 in main /src/u/demo.c:9\n\n"
		"SUMMARY: LeakSanitizer: 1157 byte(s) leaked in 5 allocation(s).\n");
	free(text);
	made_done(&m);
}

static void in_lsan_nothing_lost_is_nothing_said(void **state)
{
	struct made m;
	char *text;

	(void)state;
	make_leaks(&m, "my_func");
	m.l.shown[0] = FINDINGS - 1;
	m.l.count = 1;
	text = REPORT_TEXT(lsan_text(&m.l, out));
	assert_string_equal(text, "");
	free(text);
	made_done(&m);
}

static void in_xml_a_process_without_an_end_took_no_time(void **state)
{
	struct made m;
	char *text;

	(void)state;
	make_leaks(&m, "f");
	m.p->processes[0].start_ns = 5;
	m.p->processes[0].end_ns = 0;
	text = REPORT_TEXT((valgrind_xml(&m.l, 0, out), 0));
	assert_non_null(strstr(text, "<state>FINISHED</state>\n  "
				     "<time>00:00:00:00.000 </time>"));
	free(text);
	made_done(&m);
}

static void in_lsan_each_process_has_its_own_list(void **state)
{
	static const char *const wanted[] = {"==4711==ERROR",
					     "leak of 7 byte(s)",
					     "SUMMARY: LeakSanitizer: 7 byte(s)",
					     "==4712==ERROR",
					     "leak of 100 byte(s)",
					     "SUMMARY: LeakSanitizer: 1150 byte(s)"};
	struct made m;
	char *text, *at;

	(void)state;
	make_leaks(&m, "f");
	report_process(m.p, 2, 4713, "./none");
	report_process(m.p, 3, 4712, "./other");
	for (int i = 1; i < FINDINGS; i++)
		m.items[i].process = 2;
	at = text = REPORT_TEXT(lsan_text(&m.l, out));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		at = strstr(at, wanted[i]);
		assert_non_null(at);
	}
	assert_null(strstr(text, "4713"));
	free(text);
	made_done(&m);
}

/* Processes times leaks would be hours. */
static void in_lsan_many_processes_take_no_longer_for_many_leaks(void **state)
{
	enum { MANY = 200000 };
	struct finding *items = calloc(MANY, sizeof(*items));
	struct made m;
	char *text;

	(void)state;
	assert_non_null(items);
	make_leaks(&m, "f");
	leaks_done(&m.l);
	for (uint32_t i = 1; i < MANY; i++)
		report_process(m.p, i + 1, 5000 + (int)i, "./demo");
	for (uint32_t i = 0; i < MANY; i++) {
		items[i] = make(LEAK_DEFINITE, 1, 1, 8);
		items[i].process = i;
	}
	m.f.items = items;
	m.f.count = MANY;
	assert_int_equal(leaks_open(&m.l, m.p, &m.f, &m.o), 0);
	text = REPORT_TEXT(lsan_text(&m.l, out));
	assert_non_null(strstr(text, "==204999==ERROR"));
	free(text);
	made_done(&m);
	free(items);
}

static void in_xml_each_has_valgrinds_kind_and_names_are_escaped(void **state)
{
	struct made m;
	char *text;

	(void)state;
	make_leaks(&m, "operator<");
	text = REPORT_TEXT((valgrind_xml(&m.l, 0, out), 0));
	assert_non_null(strstr(text, "<pid>4711</pid>"));
	assert_non_null(strstr(text, "<time>00:01:02:03.004 </time>"));
	assert_non_null(strstr(
		text, "  <kind>Leak_DefinitelyLost</kind>\n  <xwhat>\n    <text>1,150 "
		      "(100 direct, 1,050 indirect) bytes in 2 blocks are definitely "
		      "lost in loss record 2 of 4</text>\n"
		      "    <leakedbytes>1150</leakedbytes>\n"
		      "    <leakedblocks>2</leakedblocks>\n"));
	assert_non_null(strstr(text,
			       "      <ip>0x1002</ip>\n      <obj>/src/u/demo</obj>\n"
			       "      <fn>operator&lt;</fn>\n      <dir>/src/u</dir>\n"
			       "      <file>demo.c</file>\n      <line>3</line>\n"));
	assert_non_null(strstr(text, "50 bytes in 1 blocks are indirectly lost"));
	assert_null(strstr(text, "loss record 5"));
	free(text);
	made_done(&m);
}

static void our_own_text_says_kind_reason_and_what_would_be_released(void **state)
{
	struct made m;
	char *text;

	(void)state;
	make_leaks(&m, "my_func");
	m.f.items[0].disproved = 3;
	m.f.disproved = 3;
	text = REPORT_TEXT(leaks_text(&m.l, out));
	assert_non_null(strstr(text, "\ndefinite  7 B in 1 block  my_func (demo.c:3)\n"
				     "  nothing points at it\n"
				     "  doubtful: 3 blocks of this stack were called "
				     "lost before and freed later\n"));
	assert_non_null(strstr(text, "\ncycle  100 B in 2 blocks  my_func (demo.c:3)\n"
				     "  only the ring that it is in holds it\n"
				     "  freeing them would release 1.0 KiB more in 2 "
				     "blocks\n"));
	assert_non_null(
		strstr(text, "  only lost blocks hold it: my_func (demo.c:3)\n"));
	assert_non_null(strstr(text, "False positives: 3 blocks that a snapshot called "
				     "lost were freed later\n"));
	free(text);
	made_done(&m);
}

static void kinds_are_read_word_by_word(void **state)
{
	uint32_t kinds = 7;

	(void)state;
	assert_true(leaks_parse_kinds("definite,cycle", &kinds));
	assert_int_equal(kinds, 1u << LEAK_DEFINITE | 1u << LEAK_CYCLE);
	assert_true(leaks_parse_kinds("all", &kinds));
	assert_int_equal(kinds, LEAKS_ALL);
	assert_false(leaks_parse_kinds("", &kinds));
	assert_false(leaks_parse_kinds("definite,", &kinds));
	assert_false(leaks_parse_kinds("definit", &kinds));
	assert_int_equal(kinds, LEAKS_ALL);
	for (int k = 0; k < LEAK_KINDS; k++) {
		assert_true(leaks_parse_kinds(leak_words[k], &kinds));
		assert_int_equal(kinds, 1u << k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_lsan_leaders_are_direct_and_come_first),
		cmocka_unit_test(in_lsan_nothing_lost_is_nothing_said),
		cmocka_unit_test(in_lsan_each_process_has_its_own_list),
		cmocka_unit_test(in_lsan_many_processes_take_no_longer_for_many_leaks),
		cmocka_unit_test(in_xml_a_process_without_an_end_took_no_time),
		cmocka_unit_test(in_xml_each_has_valgrinds_kind_and_names_are_escaped),
		cmocka_unit_test(
			our_own_text_says_kind_reason_and_what_would_be_released),
		cmocka_unit_test(kinds_are_read_word_by_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
