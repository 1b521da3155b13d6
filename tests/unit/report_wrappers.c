#include "tests/unit/unit.h"

#include "cli/report/frames.h"
#include "cli/report/wrappers.h"
#include "tests/unit/report_build.h"

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"

/* ---- names -------------------------------------------------------------------- */

static void allocators_are_known_by_their_names(void **state)
{
	static const char *const names[] = {
		"malloc",
		"xmalloc",
		"xcalloc",
		"xstrdup",
		"g_malloc",
		"g_malloc0_n",
		"g_strdup_printf",
		"safe_malloc",
		"my_realloc",
		"sqlite3Malloc",
		"av_mallocz",
		"xmlStrdup",
		"CRYPTO_zalloc",
		"Pool::allocate",
		"operator new",
		"operator new[]",
		"Thing::operator new",
		"xmallocz",
		"checked_malloc",
		"Perl_safesysmalloc",
		"mem_alloc",
		"xalloc",
		"strdup_or_null",
		"malloc_or_die",
		"luaM_realloc_",
		"PyMem_Malloc",
		"apr_pmemdup",
		"DBMalloc",
		"sqlite3DbMallocRawNN",
		"_xmalloc",
		"xmalloc2",
		"(anonymous namespace)::xmalloc",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!wrappers_is_name(names[i]))
			fail_msg("%s", names[i]);
}

static void what_makes_a_thing_or_tries_an_allocator_is_not_called_so(void **state)
{
	static const char *const names[] = {
		"main",
		"",
		"test_malloc",
		"node_alloc",
		"node_new",
		"dealloc",
		"mallocs_count",
		"free",
		"leak_malloc",
		"check_calloc",
		"alloc_node",
		"conn_alloc",
		"malloc_stats",
		"operator==",
		"pool_alloc",
		"initialise",
		"bench_strdup",
		"allocator",
		"malloc::install",
		"newton",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (wrappers_is_name(names[i]))
			fail_msg("%s", names[i]);
}

/* ---- profiles ------------------------------------------------------------------ */

struct made {
	struct profile *p;
	uint32_t module, libc, main;
};

static struct made make(void)
{
	struct made m = {.p = report_profile()};

	report_process(m.p, 1, 100, "demo");
	m.module = report_module(m.p, "/src/u/demo");
	m.libc = report_module(m.p, LIBC);
	m.main = report_call(m.p, 0, m.module, "main", "/src/u/demo.c", 100, 90, 110);
	return m;
}

static uint32_t call(struct made *m, uint32_t from, const char *function, uint32_t line)
{
	return report_call(m->p, from, m->module, function, "/src/u/demo.c", line, 1,
			   9999);
}

/* A function, named by its number, that main calls and that calls `what`. */
static uint32_t call_by(struct made *m, uint32_t number, const char *what,
			uint32_t line)
{
	char name[24];

	snprintf(name, sizeof(name), "user%u", number);
	return call(m, call(m, m->main, name, 1000 + number), what, line);
}

static enum wrapper_why why(const struct made *m, const char *function)
{
	return wrappers_why(m->p, strings_find(&m->p->strings, function));
}

static void check_site(const struct made *m, uint32_t stack, const char *expected)
{
	struct frames_owners *owners = frames_owners_open(m->p);
	char site[256];

	assert_string_equal(frames_site(owners, stack, site, sizeof(site)), expected);
	frames_owners_close(owners);
}

static void find(struct made *m, const char *choice)
{
	assert_int_equal(wrappers_find(m->p, choice), 0);
}

static void blocks_are_named_after_who_called_xmalloc(void **state)
{
	struct made m = make();
	uint32_t parse = call(&m, m.main, "parse", 20);
	uint32_t inner = call(&m, call(&m, parse, "xcalloc", 6), "xmalloc", 3);
	uint32_t copy = report_call(m.p, call(&m, parse, "xstrdup", 9), m.libc,
				    "strdup", "", 0, 0, 0);

	(void)state;
	report_kept(m.p, 1, inner, 10);
	report_kept(m.p, 1, copy, 10);
	check_site(&m, inner, "xmalloc (demo.c:3)"); /* nobody looked */
	find(&m, NULL);
	check_site(&m, inner, "parse (demo.c:20)");
	check_site(&m, copy, "parse (demo.c:20)");
	find(&m, "none");
	check_site(&m, inner, "xmalloc (demo.c:3)");
	find(&m, "-xstrdup");
	check_site(&m, inner, "parse (demo.c:20)");
	check_site(&m, copy, "xstrdup (demo.c:9)");
	find(&m, "none,pars?,x*alloc,-xcalloc");
	check_site(&m, inner, "xcalloc (demo.c:6)");
	find(&m, "parse");
	check_site(&m, copy, "main (demo.c:100)");
	profile_close(m.p);
}

static void an_inlined_wrapper_is_one(void **state)
{
	struct made m = make();
	uint32_t code = report_code(m.p), stack;

	(void)state;
	report_frame(m.p, "xmalloc", "/src/u/x.h", 3, 1, 5);
	report_frame(m.p, "parse", "/src/u/demo.c", 20, 10, 30);
	stack = report_node(m.p, m.main, m.module, code);
	report_kept(m.p, 1, stack, 10);
	find(&m, NULL);
	check_site(&m, stack, "parse (demo.c:20)");
	profile_close(m.p);
}

/* It does other things as well, and who calls it is not to blame for those. */
static void a_name_is_not_enough_where_much_goes_through(void **state)
{
	struct made m = make();
	uint32_t own = call(&m, m.main, "xmalloc", 3);
	uint32_t other = call(&m, call(&m, m.main, "xmalloc", 4), "helper", 50);

	(void)state;
	report_kept(m.p, 1, own, 10);
	report_kept(m.p, 1, other, 10);
	find(&m, NULL);
	assert_int_equal(why(&m, "xmalloc"), WRAPPER_NONE);
	check_site(&m, own, "xmalloc (demo.c:3)");
	check_site(&m, other, "helper (demo.c:50)");
	profile_close(m.p);
}

static void a_name_is_not_enough_where_nobody_called(void **state)
{
	struct made m = make();
	uint32_t own = call(&m, 0, "thread_malloc", 3);

	(void)state;
	report_kept(m.p, 1, own, 10);
	find(&m, NULL);
	check_site(&m, own, "thread_malloc (demo.c:3)");
	profile_close(m.p);
}

static void what_its_callers_give_the_size_is_a_wrapper_by_its_calls(void **state)
{
	struct made m = make();
	uint32_t last = 0;

	(void)state;
	for (uint32_t i = 0; i < WRAPPER_CALLERS; i++) {
		last = call_by(&m, i, "obtain", 3);
		report_kept(m.p, 1, last, 16u << i);
	}
	find(&m, NULL);
	assert_int_equal(why(&m, "obtain"), WRAPPER_BY_CALLS);
	check_site(&m, last, "user7 (demo.c:1007)");
	find(&m, "-obtain");
	check_site(&m, last, "obtain (demo.c:3)");
	find(&m, "none");
	check_site(&m, last, "obtain (demo.c:3)");
	profile_close(m.p);
}

static void who_calls_a_wrapper_by_its_calls_may_be_one_too(void **state)
{
	struct made m = make();
	uint32_t last = 0;

	(void)state;
	for (uint32_t i = 0; i < WRAPPER_CALLERS; i++) {
		last = call(&m, call_by(&m, i, "append", 30), "grow", 3);
		report_kept(m.p, 1, last, 16u << i);
	}
	for (uint32_t i = 0; i < WRAPPER_CALLERS; i++)
		report_kept(m.p, 1, call_by(&m, 20 + i, "grow", 3), 16u << i);
	find(&m, NULL);
	assert_int_equal(why(&m, "grow"), WRAPPER_BY_CALLS);
	assert_int_equal(why(&m, "append"), WRAPPER_BY_CALLS);
	check_site(&m, last, "user7 (demo.c:1007)");
	profile_close(m.p);
}

enum twin {
	FIXED,	     /* it always asks for the same */
	FEW_CALLERS, /* one function calls it from everywhere */
	NEAR,	     /* sizes differ by little: a node with its name behind it */
	DEEPER,	     /* a part of its stacks goes on to other functions */
	RECURSIVE,   /* it calls itself, as a parser */
	MANY_LINES,  /* each size has a line of its own */
	TWINS
};

static uint32_t add_twin(struct made *m, enum twin twin, uint32_t i)
{
	uint32_t line = twin == MANY_LINES ? 3 + i : 3, stack;
	uint64_t size = twin == FIXED ? 64 : twin == NEAR ? 24 + i : 16u << i;

	stack = call_by(m, twin == FEW_CALLERS ? 0 : i, "obtain", line);
	if (twin == DEEPER && i % 4 == 0)
		stack = call(m, stack, "inner", 40);
	if (twin == RECURSIVE)
		for (uint32_t k = 0; k < i; k++)
			stack = call(m, stack, "obtain", 3);
	report_kept(m->p, 1, stack, size);
	return stack;
}

static void other_functions_that_are_called_much_are_none(void **state)
{
	(void)state;
	for (int twin = 0; twin < TWINS; twin++) {
		struct made m = make();
		uint32_t last = 0;

		for (uint32_t i = 0; i < 2 * WRAPPER_CALLERS; i++)
			last = add_twin(&m, (enum twin)twin, i);
		find(&m, NULL);
		if (why(&m, "obtain") != WRAPPER_NONE)
			fail_msg("twin %d", twin);
		check_site(&m, last,
			   twin == MANY_LINES ? "obtain (demo.c:18)"
					      : "obtain (demo.c:3)");
		profile_close(m.p);
	}
}

static void pythons_functions_are_none(void **state)
{
	struct made m = make();
	uint32_t python = report_module(m.p, PROFILE_PYTHON);
	uint32_t outer =
		report_call(m.p, m.main, python, "run", "/src/u/a.py", 5, 0, 0);
	uint32_t stack =
		report_call(m.p, outer, python, "my_malloc", "/src/u/a.py", 2, 0, 0);

	(void)state;
	report_kept(m.p, 1, stack, 10);
	find(&m, NULL);
	check_site(&m, stack, "my_malloc (a.py:2)");
	profile_close(m.p);
}

static void what_is_one_in_either_profile_is_one_in_both(void **state)
{
	struct made a = make(), b = make();
	uint32_t last = 0;

	(void)state;
	report_string(b.p, "so that numbers differ");
	for (uint32_t i = 0; i < WRAPPER_CALLERS; i++)
		report_kept(a.p, 1, call_by(&a, i, "obtain", 3), 16u << i);
	last = call_by(&b, 0, "obtain", 3);
	report_kept(b.p, 1, last, 16);
	find(&a, NULL);
	find(&b, NULL);
	check_site(&b, last, "obtain (demo.c:3)");
	wrappers_share(a.p, b.p);
	check_site(&b, last, "user0 (demo.c:1000)");
	profile_close(a.p);
	profile_close(b.p);
}

static void choices_are_names(void **state)
{
	char many[2 * WRAPPER_WORDS + 4] = "a";

	(void)state;
	for (int i = 0; i < WRAPPER_WORDS; i++)
		strcat(many, ",a");
	assert_null(wrappers_choice("none"));
	assert_null(wrappers_choice("a,-b*,Pool::get"));
	assert_non_null(wrappers_choice(""));
	assert_non_null(wrappers_choice("a,,b"));
	assert_non_null(wrappers_choice("*"));
	assert_non_null(wrappers_choice("-"));
	assert_non_null(wrappers_choice(many));
}

static void they_are_told(void **state)
{
	struct made m = make();
	char *text;

	(void)state;
	report_kept(m.p, 1, call(&m, m.main, "xmal\033loc", 3), 10);
	report_kept(m.p, 1, call(&m, m.main, "xstrdup", 3), 10);
	find(&m, "xmal?loc");
	text = REPORT_TEXT((wrappers_text(m.p, out), 0));
	assert_string_equal(text, "Named after who called: xmal\\x1bloc, xstrdup; "
				  "--wrappers=none names these\n");
	free(text);
	find(&m, "none");
	text = REPORT_TEXT((wrappers_text(m.p, out), 0));
	assert_string_equal(text, "");
	free(text);
	profile_close(m.p);
}

/* Whatever the names and stacks are: marks stay in bounds, and with none of the names
 * there are none. */
static void any_profile_can_be_searched(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 500; seed++) {
		struct make m = {.state = seed};
		struct profile *p = report_build(&m);

		assert_int_equal(wrappers_find(p, NULL), 0);
		for (size_t i = 0; i < p->wrapper_count; i++)
			assert_int_equal(p->wrappers[i], WRAPPER_NONE);
		assert_int_equal(wrappers_find(p, "function1"), 0);
		for (uint32_t i = 0; i < p->wrapper_count; i++)
			if (p->wrappers[i])
				assert_string_equal(strings_get(&p->strings, i),
						    "function1");
		profile_close(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocators_are_known_by_their_names),
		cmocka_unit_test(
			what_makes_a_thing_or_tries_an_allocator_is_not_called_so),
		cmocka_unit_test(blocks_are_named_after_who_called_xmalloc),
		cmocka_unit_test(an_inlined_wrapper_is_one),
		cmocka_unit_test(a_name_is_not_enough_where_much_goes_through),
		cmocka_unit_test(a_name_is_not_enough_where_nobody_called),
		cmocka_unit_test(
			what_its_callers_give_the_size_is_a_wrapper_by_its_calls),
		cmocka_unit_test(who_calls_a_wrapper_by_its_calls_may_be_one_too),
		cmocka_unit_test(other_functions_that_are_called_much_are_none),
		cmocka_unit_test(pythons_functions_are_none),
		cmocka_unit_test(what_is_one_in_either_profile_is_one_in_both),
		cmocka_unit_test(choices_are_names),
		cmocka_unit_test(they_are_told),
		cmocka_unit_test(any_profile_can_be_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
