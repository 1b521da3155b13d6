#include "tests/unit/unit.h"

#include "cli/gate/measure.h"
#include "tests/unit/report_make.h"

#include <errno.h>

struct world { /* the documents' example, and two leaks of it */
	struct profile *p;
	struct finding items[3];
	struct findings f;
};

static void make_world(struct world *w)
{
	*w = (struct world){.p = report_example()};
	for (uint32_t i = 0; i < 3; i++)
		w->items[i] = (struct finding){.kind = i == 2 ? LEAK_REACHABLE
							      : LEAK_DEFINITE,
					       .stack = w->p->sites[i].stack,
					       .blocks = 1,
					       .bytes = 1ull << i};
	w->f = (struct findings){.items = w->items, .count = 3, .cause = ""};
}

static void measure_all(struct world *w, struct budget_limit *limits, size_t count)
{
	assert_int_equal(measure(w->p, &w->f, 1u << LEAK_DEFINITE, limits, count), 0);
}

static uint64_t figure(struct world *w, enum budget_metric metric, const char *path)
{
	struct budget_limit l = {.metric = metric, .path = (char *)path, .is = 77};

	measure_all(w, &l, 1);
	return l.is;
}

static void figures_are_of_the_stacks_that_a_path_takes_in(void **state)
{
	struct world w;

	(void)state;
	make_world(&w);
	assert_int_equal(figure(&w, BUDGET_PEAK, NULL), 168000000);
	assert_int_equal(figure(&w, BUDGET_LIVE, NULL), 8000000);
	assert_int_equal(figure(&w, BUDGET_ALLOCATIONS, NULL), 2);
	assert_int_equal(figure(&w, BUDGET_TEMPORARY, NULL), 0);
	assert_int_equal(figure(&w, BUDGET_LEAKED, NULL), 3);
	/* functions, callers too; files; modules, by path and by name */
	assert_int_equal(figure(&w, BUDGET_PEAK, "my_*"), 168000000);
	assert_int_equal(figure(&w, BUDGET_LIVE, "main"), 8000000);
	assert_int_equal(figure(&w, BUDGET_ALLOCATIONS, "demo.c"), 2);
	assert_int_equal(figure(&w, BUDGET_ALLOCATIONS, "/src/u/demo.c"), 2);
	assert_int_equal(figure(&w, BUDGET_ALLOCATIONS, "demo"), 2);
	assert_int_equal(figure(&w, BUDGET_LEAKED, "libc.so.6"), 3);
	assert_int_equal(figure(&w, BUDGET_LEAKED, "my_fun"), 0);
	assert_int_equal(figure(&w, BUDGET_PEAK, "src"), 0);
	profile_close(w.p);
}

static void a_leak_counts_against_the_first_path_or_the_whole_once(void **state)
{
	struct budget_limit limits[] = {
		{.metric = BUDGET_LEAKED},
		{.metric = BUDGET_LEAKED, .path = (char *)"other"},
		{.metric = BUDGET_PEAK},
		{.metric = BUDGET_LEAKED, .path = (char *)"my_func"},
		{.metric = BUDGET_LEAKED, .path = (char *)"main"},
	};
	struct world w;

	(void)state;
	make_world(&w);
	measure_all(&w, limits, 5);
	assert_int_equal(limits[0].is, 0);
	assert_int_equal(limits[1].is, 0);
	assert_int_equal(limits[2].is, 168000000);
	assert_int_equal(limits[3].is, 3);
	assert_int_equal(limits[4].is, 0);
	measure_all(&w, limits, 2);
	assert_int_equal(limits[0].is, 3);
	profile_close(w.p);
}

static void a_path_that_says_nothing_is_refused(void **state)
{
	struct budget_limit l = {.metric = BUDGET_PEAK, .path = (char *)"*"};
	struct world w;

	(void)state;
	make_world(&w);
	assert_int_equal(measure(w.p, &w.f, 0, &l, 1), -EINVAL);
	profile_close(w.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_are_of_the_stacks_that_a_path_takes_in),
		cmocka_unit_test(
			a_leak_counts_against_the_first_path_or_the_whole_once),
		cmocka_unit_test(a_path_that_says_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
