#include "tests/unit/unit.h"

#include "cli/report/instances.h"
#include "tests/unit/report_make.h"

enum { NAMELESS = 0x500, SHARED = 0x600 }; /* pcs */

struct made {
	struct profile *profile;
	struct instances instances;
	uint32_t interpreter, python, script;
};

static void set_up(struct made *m)
{
	*m = (struct made){.profile = report_profile()};
	m->interpreter = report_module(m->profile, "/usr/bin/python3.13");
	m->python = report_module(m->profile, "python");
	m->script =
		report_call(m->profile, 0, m->python, "work", "/src/u/a.py", 3, 1, 9);
}

static void tear_down(struct made *m)
{
	instances_done(&m->instances);
	profile_close(m->profile);
}

static uint32_t named(struct made *m, uint32_t parent, const char *function)
{
	return report_call(m->profile, parent, m->interpreter, function, "", 0, 0, 0);
}

/* A site whose innermost frame is at pc, in a function without a name. */
static uint32_t allocates(struct made *m, uint32_t parent, uint64_t pc)
{
	uint32_t stack = report_node(m->profile, parent, m->interpreter, 0);

	m->profile->stacks[stack].pc = pc;
	report_kept(m->profile, 1, stack, 48);
	return stack;
}

static bool has(const struct made *m, uint32_t stack)
{
	return instances_has(&m->instances, m->profile, stack);
}

static void the_function_that_makes_them_tells(void **state)
{
	struct made m;
	uint32_t own, below, list, caller;

	(void)state;
	set_up(&m);
	own = named(&m, m.script, "PyType_GenericAlloc");
	report_kept(m.profile, 1, own, 48);
	below = named(&m, own, "gc_alloc");
	report_kept(m.profile, 1, below, 48);
	list = named(&m, m.script, "PyList_New");
	report_kept(m.profile, 1, list, 56);
	/* What a class's own method allocates is none of it. */
	caller = report_call(m.profile, own, m.python, "__init__", "/src/u/a.py", 5, 4,
			     6);
	caller = named(&m, caller, "PyList_New");
	report_kept(m.profile, 1, caller, 56);
	assert_int_equal(instances_init(&m.instances, m.profile), 0);
	assert_true(has(&m, own));
	assert_true(has(&m, below));
	assert_false(has(&m, list));
	assert_false(has(&m, caller));
	tear_down(&m);
}

static void check_callee(const char *maker)
{
	struct made m;
	uint32_t direct, by_nameless, other;

	set_up(&m);
	direct = allocates(&m, m.script, NAMELESS);
	by_nameless = allocates(&m, report_node(m.profile, m.script, m.interpreter, 0),
				NAMELESS);
	other = allocates(&m, m.script, NAMELESS + 1);
	allocates(&m, named(&m, m.script, maker), NAMELESS);
	allocates(&m, named(&m, m.script, "PySet_New"), NAMELESS);
	assert_int_equal(instances_init(&m.instances, m.profile), 0);
	assert_true(has(&m, direct));
	assert_true(has(&m, by_nameless));
	assert_false(has(&m, other));
	tear_down(&m);
}

/* Or the function itself has no name there, but a caller that calls nothing else. */
static void what_it_calls_is_known_where_others_call_it(void **state)
{
	(void)state;
	check_callee("PyType_GenericAlloc");
	check_callee("PyType_GenericNew");
}

static void what_all_objects_are_made_by_is_not_of_classes(void **state)
{
	struct made m;
	uint32_t direct, of_class;

	(void)state;
	set_up(&m);
	direct = allocates(&m, m.script, SHARED);
	of_class = allocates(&m, named(&m, m.script, "PyType_GenericAlloc"), SHARED);
	allocates(&m, named(&m, m.script, "_PyObject_GC_NewVar"), SHARED);
	assert_int_equal(instances_init(&m.instances, m.profile), 0);
	assert_false(has(&m, direct));
	assert_true(has(&m, of_class));
	tear_down(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_function_that_makes_them_tells),
		cmocka_unit_test(what_it_calls_is_known_where_others_call_it),
		cmocka_unit_test(what_all_objects_are_made_by_is_not_of_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
