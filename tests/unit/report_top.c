#include "tests/unit/unit.h"

#include "cli/report/classes.h"
#include "cli/report/summary.h"
#include "cli/report/top_rows.h"
#include "tests/unit/report_views.h"

#include <errno.h>

enum { ROUNDS = 300 };

static bool same_sums(const struct view_sums *a, const struct view_sums *b)
{
	return a->peak.bytes == b->peak.bytes && a->leaked.bytes == b->leaked.bytes &&
	       a->leaked.blocks == b->leaked.blocks &&
	       a->runtime.bytes == b->runtime.bytes &&
	       a->allocated.bytes == b->allocated.bytes &&
	       a->allocated.blocks == b->allocated.blocks &&
	       a->temporary.bytes == b->temporary.bytes;
}

static const enum top_by sums_by[] = {TOP_SITE,	  TOP_FUNCTION, TOP_FILE,
				      TOP_MODULE, TOP_PROCESS,	TOP_STACK};

static void rows_add_up_to_the_reports_totals(void **state)
{
	struct make m = {.state = 3};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = views_profile(&m);
		struct top_options o = {.by = sums_by[i % 6],
					.sort = make_below(&m, VIEW_METRICS)};
		struct summary report;
		struct top_rows r;
		struct view_sums sum = {0};

		assert_int_equal(top_rows_init(&r, p, &o), 0);
		assert_int_equal(summary_of(p, &o.scope, &report), 0);
		for (size_t k = 0; k < r.count; k++)
			view_add(&sum, &r.sums[r.order[k]]);
		assert_true(same_sums(&sum, &r.total));
		assert_int_equal(sum.peak.bytes, report.peak.bytes);
		assert_int_equal(sum.leaked.bytes, report.leaked.bytes);
		assert_int_equal(sum.leaked.blocks, report.leaked.blocks);
		assert_int_equal(sum.runtime.bytes, report.runtime.bytes);
		assert_int_equal(sum.allocated.bytes, report.allocated_bytes);
		assert_int_equal(sum.allocated.blocks, report.allocs);
		assert_int_equal(sum.temporary.bytes, report.temporary.bytes);
		for (size_t k = 1; k < r.count; k++)
			assert_true(view_value(&r.sums[r.order[k - 1]], o.sort) >=
				    view_value(&r.sums[r.order[k]], o.sort));
		top_rows_done(&r);
		profile_close(p);
	}
}

/* Whether a function is anywhere on a stack. */
static bool on_stack(const struct profile *p, uint32_t stack, const char *name)
{
	struct frames_walk walk = frames_of(p, stack);
	struct frames_frame frame;
	char other[300];

	while (frames_next(&walk, &frame)) {
		views_name(p, &frame, other);
		if (!strcmp(name, other))
			return true;
	}
	return false;
}

static void inclusive_counts_a_stack_once_for_each_function_on_it(void **state)
{
	struct make m = {.state = 4};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = views_profile(&m);
		struct top_options o = {.by = TOP_FUNCTION};
		struct top_rows r;

		assert_int_equal(top_rows_init(&r, p, &o), 0);
		for (size_t k = 0; k < r.count; k++) {
			uint32_t row = r.order[k];
			struct view_sums sum = {0}, one;
			char name[300];

			if (!row)
				continue;
			views_name(p, &r.labels.frames[row], name);
			for (size_t s = 0; s < p->site_count; s++)
				if (view_site(&r.view, s, &one) &&
				    on_stack(p, p->sites[s].stack, name))
					view_add(&sum, &one);
			assert_true(same_sums(&sum, &r.inclusive[row]));
			assert_true(r.sums[row].allocated.bytes <=
				    r.inclusive[row].allocated.bytes);
		}
		top_rows_done(&r);
		profile_close(p);
	}
}

static void every_table_can_be_written(void **state)
{
	struct make m = {.state = 5};

	(void)state;
	for (int i = 0; i < 60; i++) {
		struct profile *p = views_profile(&m);

		for (unsigned by = 0; by < TOP_KINDS; by++) {
			struct top_options o = {.by = by,
						.columns = make_below(&m, 120),
						.limit = make_below(&m, 10),
						.bytes = i % 2};

			free(REPORT_TEXT(top_text(p, &o, out)));
			free(REPORT_TEXT(top_json(p, &o, out)));
		}
		profile_close(p);
	}
}

/* Blocks of known sizes, folded into classes as a profile does. */
static void bounds_hold_the_true_bytes(void **state)
{
	struct make m = {.state = 6};

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct profile_class items[CLASSES];
		uint64_t bytes[CLASSES] = {0}, count[CLASSES] = {0}, total = 0;
		struct classes_bounds b = {0};
		uint32_t n = 0;

		for (uint32_t k = 1 + make_below(&m, 30); k; k--) {
			uint64_t size = make_below(&m, 1u << make_below(&m, 20));
			unsigned class = size > 1 ? 63 - __builtin_clzll(size) : 0;

			bytes[class] += size;
			count[class]++;
			total += size;
		}
		for (uint32_t k = 0; k < CLASSES; k++)
			if (count[k])
				items[n++] = (struct profile_class){k, count[k]};
		classes_bound(&b, items, n, total);
		for (uint32_t k = 0; k < CLASSES; k++) {
			assert_true(b.least[k] <= bytes[k]);
			assert_true(b.most[k] >= bytes[k]);
		}
		if (n == 1)
			assert_int_equal(b.least[items[0].log2], b.most[items[0].log2]);
	}
}

static void hostile_classes_do_not_overflow(void **state)
{
	struct profile_class items[] = {{63, UINT64_MAX}, {62, 5}, {64, 1}, {9999, 7}};
	struct classes_bounds b = {0};
	struct classes c = {0};

	(void)state;
	classes_bound(&b, items, 4, UINT64_MAX);
	classes_add(&c, items, 4);
	assert_true(classes_percentile(&c, 50) < CLASSES);
}

static void percentiles_are_where_half_and_most_of_the_blocks_are(void **state)
{
	struct profile_class items[] = {{3, 60}, {7, 30}, {20, 10}};
	struct classes c = {0};

	(void)state;
	classes_add(&c, items, 3);
	assert_int_equal(classes_percentile(&c, 0), 3);
	assert_int_equal(classes_percentile(&c, 50), 3);
	assert_int_equal(classes_percentile(&c, 60), 7);
	assert_int_equal(classes_percentile(&c, 89), 7);
	assert_int_equal(classes_percentile(&c, 90), 20);
	assert_int_equal(classes_percentile(&c, 100), 20);
	assert_string_equal(classes_sizes(0).text, "0 or 1 B");
	assert_string_equal(classes_sizes(9).text, "512 to 1023 B");
	assert_string_equal(classes_sizes(14).text, "16 to 32 KiB");
}

static void the_example_reads_like_this(void **state)
{
	struct profile *p = report_example();
	struct top_options o = {.by = TOP_FUNCTION};
	char *text = REPORT_TEXT(top_text(p, &o, out));

	(void)state;
	assert_non_null(strstr(
		text,
		"      Peak     Leaked  Allocated   Allocations  Temporary  Inclusive  "
		"Function\n"
		"====================================================================="
		"=========\n"
		" 160.2 MiB    7.6 MiB  160.2 MiB             2        0 B  160.2 MiB  "
		"my_func (demo.c)\n"));
	assert_non_null(strstr(
		text, " 160.2 MiB    7.6 MiB  160.2 MiB             2        0 B       "
		      "      total\n"));
	free(text);
	profile_close(p);
}

static void overloads_that_look_alike_are_given_in_full(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo");
	struct top_options o = {.by = TOP_FUNCTION};
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	report_kept(p, 1, report_call(p, 0, module, "f(int)", "/src/u/f.cc", 2, 1, 3),
		    9);
	report_kept(p, 1, report_call(p, 0, module, "f(char)", "/src/u/f.cc", 6, 5, 7),
		    8);
	report_kept(p, 1, report_call(p, 0, module, "g(char)", "/src/u/f.cc", 9, 8, 9),
		    7);
	report_sum_up(p);
	text = REPORT_TEXT(top_text(p, &o, out));
	assert_non_null(strstr(text, "  f(int) (f.cc)\n"));
	assert_non_null(strstr(text, "  f(char) (f.cc)\n"));
	assert_non_null(strstr(text, "  g (f.cc)\n"));
	free(text);
	profile_close(p);
}

static void names_are_short_and_never_nothing(void **state)
{
	static const char *const names[][2] = {
		{"std::vector<int>::push_back(int)", "std::vector<...>::push_back"},
		{"operator<(A, B)", "operator<"},
		{"(anonymous namespace)::f(int)", "(anonymous namespace)::f"},
		{"<module>", "<module>"},
		{"<lambda>", "<lambda>"},
		{"Node.__init__.<locals>.<listcomp>",
		 "Node.__init__.<locals>.<listcomp>"},
		{"f.<A>", "f.<...>"},
		{"f.<", "f.<..."},
	};
	char buffer[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_string_equal(
			frames_short_name(names[i][0], buffer, sizeof(buffer)),
			names[i][1]);
	for (size_t room = 6; room < sizeof(buffer); room++)
		assert_true(strlen(frames_short_name("a.<locals>.<listcomp>.<locals>.b",
						     buffer, room)) < room);
}

static void a_site_without_a_short_name_has_its_own(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo");
	uint32_t stack = report_call(p, 0, module, "<module>", "/src/u/a.py", 3, 1, 9);
	struct frames_owners *owners = frames_owners_open(p);
	char site[64];

	(void)state;
	assert_string_equal(frames_site(owners, stack, site, sizeof(site)),
			    "<module> (a.py:3)");
	frames_owners_close(owners);
	profile_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_short_and_never_nothing),
		cmocka_unit_test(a_site_without_a_short_name_has_its_own),
		cmocka_unit_test(rows_add_up_to_the_reports_totals),
		cmocka_unit_test(inclusive_counts_a_stack_once_for_each_function_on_it),
		cmocka_unit_test(every_table_can_be_written),
		cmocka_unit_test(bounds_hold_the_true_bytes),
		cmocka_unit_test(hostile_classes_do_not_overflow),
		cmocka_unit_test(percentiles_are_where_half_and_most_of_the_blocks_are),
		cmocka_unit_test(the_example_reads_like_this),
		cmocka_unit_test(overloads_that_look_alike_are_given_in_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
