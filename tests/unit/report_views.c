#include "tests/unit/unit.h"

#include "cli/report/churn.h"
#include "cli/report/lines.h"
#include "cli/report/top.h"
#include "cli/report/tree.h"
#include "tests/unit/report_views.h"

static void check_top(const struct profile *p, struct make *m)
{
	for (unsigned by = 0; by < TOP_KINDS; by++) {
		struct top_options o = {.by = by,
					.sort = make_below(m, VIEW_METRICS),
					.columns = make_below(m, 100),
					.scope.domain = make_below(m, PROFILE_DOMAINS),
					.bytes = make_below(m, 2)};

		free(REPORT_TEXT(top_text(p, &o, out)));
		free(REPORT_TEXT(top_json(p, &o, out)));
	}
}

static void check_tree(const struct profile *p, struct make *m)
{
	for (unsigned i = 0; i < 4; i++) {
		struct tree_options o = {.metric = make_below(m, VIEW_METRICS),
					 .bottom_up = i % 2,
					 .lines = i / 2,
					 .min_percent = make_below(m, 4),
					 .depth = make_below(m, 6)};

		free(REPORT_TEXT(tree_text(p, &o, out)));
		free(REPORT_TEXT(tree_json(p, &o, out)));
	}
}

static void check_lines(const struct profile *p, struct make *m)
{
	struct lines_options o = {.sort = make_below(m, LINES_BY_PLACE + 1),
				  .columns = make_below(m, LINES_ALL_COLUMNS + 1),
				  .all = make_below(m, 2),
				  .fold = make_below(m, 2),
				  .nonzero = true,
				  .precise = make_below(m, 2),
				  .precision = make_below(m, LINES_PRECISION + 1)};

	free(REPORT_TEXT(lines_text(p, &o, out)));
	free(REPORT_TEXT(lines_json(p, &o, out)));
}

static void profiles_of_any_values_are_no_trouble(void **state)
{
	struct make m = {.state = 21, .size = 40};

	(void)state;
	for (int i = 0; i < 60; i++) {
		struct profile *p = profile_new();
		struct churn_options churn = {.sort = i % 3};

		for (int k = 0; k < 3; k++)
			make_more(&m, p);
		check_top(p, &m);
		check_tree(p, &m);
		check_lines(p, &m);
		free(REPORT_TEXT(churn_text(p, &churn, out)));
		free(REPORT_TEXT(churn_json(p, &churn, out)));
		profile_close(p);
	}
}

static void same_frame(struct frames_frame a, struct frames_frame b)
{
	assert_ptr_equal(a.stack, b.stack);
	assert_ptr_equal(a.code, b.code);
}

/* view_owners() makes it fast, and nothing else. */
static void a_walk_finds_the_frame_that_one_pass_over_all_nodes_does(void **state)
{
	struct make m = {.state = 22, .size = 40};

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct profile *p = profile_new();
		struct scope_options all = {0};
		struct view walked, passed;

		for (int k = 0; k < 3; k++)
			make_more(&m, p);
		assert_int_equal(view_init(&walked, p, &all), 0);
		assert_int_equal(view_init(&passed, p, &all), 0);
		assert_int_equal(view_owners(&passed), 0);
		for (uint32_t s = 0; s < p->stack_count; s++) {
			same_frame(view_site_frame(&walked, s),
				   view_site_frame(&passed, s));
			same_frame(view_caller(&walked, s), view_caller(&passed, s));
		}
		view_done(&walked);
		view_done(&passed);
		profile_close(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_of_any_values_are_no_trouble),
		cmocka_unit_test(
			a_walk_finds_the_frame_that_one_pass_over_all_nodes_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
