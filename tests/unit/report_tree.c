#include "tests/unit/unit.h"

#include "cli/report/text.h"
#include "cli/report/tree_rows.h"
#include "tests/unit/report_views.h"

#include <errno.h>
#include <locale.h>

enum { ROUNDS = 300, PATHS = 40000 };

/* ---- every path by itself ------------------------------------------------- */

struct path {
	char *text;
	uint64_t value, self;
	bool seen;
};

static struct path paths[PATHS];
static size_t path_count;

static struct path *path_find(const char *text)
{
	for (size_t i = 0; i < path_count; i++)
		if (!strcmp(paths[i].text, text))
			return &paths[i];
	return NULL;
}

static struct path *path_add(const char *text, uint64_t value)
{
	struct path *path = path_find(text);

	if (!path) {
		assert_true(path_count < PATHS);
		path = &paths[path_count++];
		*path = (struct path){.text = strdup(text)};
	}
	path->value += value;
	return path;
}

static void paths_clear(void)
{
	while (path_count)
		free(paths[--path_count].text);
}

/* The names of a stack from its innermost frame outwards, repetitions left out. */
static size_t names_of(const struct view *v, uint32_t stack, bool bottom_up,
		       char names[][300])
{
	struct frames_walk walk = frames_of(v->profile, stack);
	struct frames_frame frame;
	size_t count = 0, skip = 0;
	bool begun = false;
	static char all[2000][300];

	while (frames_next(&walk, &frame)) {
		if (!begun && frames_owner(v->owners, &frame) != FRAMES_BASE) {
			skip = count;
			begun = true;
		}
		views_name(v->profile, &frame, all[count++]);
	}
	skip = bottom_up ? skip : 0;
	size_t kept = 0;
	for (size_t i = skip; i < count; i++)
		if (!kept || strcmp(names[kept - 1], all[i]) != 0)
			strcpy(names[kept++], all[i]);
	return kept;
}

static void add_stack(const struct view *v, uint32_t stack, uint64_t value,
		      bool bottom_up)
{
	static char names[2000][300], text[2000 * 300];
	size_t count = names_of(v, stack, bottom_up, names), at = 0;
	struct path *path = NULL;

	for (size_t i = 0; i < count; i++) {
		const char *name = names[bottom_up ? i : count - 1 - i];

		at += (size_t)sprintf(text + at, "%s;", name);
		path = path_add(text, value);
	}
	if (!count)
		path = path_add("(no stack);", value);
	path->self += value;
}

static uint64_t make_paths(const struct view *v, enum view_metric metric,
			   bool bottom_up)
{
	uint64_t total = 0;

	paths_clear();
	for (size_t i = 0; i < v->profile->site_count; i++) {
		struct view_sums sums;
		uint64_t value;

		if (!view_site(v, i, &sums))
			continue;
		value = view_value(&sums, metric);
		total += value;
		if (value)
			add_stack(v, v->profile->sites[i].stack, value, bottom_up);
	}
	return total;
}

/* ---- against the rows ------------------------------------------------------ */

static void check_paths(const struct profile *p, const struct tree_options *o)
{
	static char text[2000 * 300];
	static size_t ends[2000];
	struct tree_rows t;
	struct tree_row row;
	size_t rows = 0;

	assert_int_equal(tree_rows_init(&t, p, o), 0);
	assert_int_equal(t.total, make_paths(&t.view, o->metric, o->bottom_up));
	while (tree_rows_next(&t, &row) > 0) {
		size_t at = row.depth ? ends[row.depth - 1] : 0;
		char name[300] = "(no stack)";
		struct path *path;

		assert_int_equal(row.folded, 0);
		if (row.label)
			views_name(p, &t.labels.frames[row.label], name);
		ends[row.depth] = at + (size_t)sprintf(text + at, "%s;", name);
		path = path_find(text);
		if (!path)
			fail_msg("no such path: %s", text);
		assert_false(path->seen);
		path->seen = true;
		assert_int_equal(row.value, path->value);
		if (!o->bottom_up && row.label)
			assert_int_equal(row.self, path->self);
		rows++;
	}
	assert_int_equal(rows, path_count);
	tree_rows_done(&t);
}

static void unfolded_rows_are_exactly_the_paths(void **state)
{
	struct make m = {.state = 7};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = views_profile(&m);
		struct tree_options o = {.metric = i % VIEW_METRICS,
					 .bottom_up = i / VIEW_METRICS % 2};

		check_paths(p, &o);
		profile_close(p);
	}
	paths_clear();
}

/* At every level: the row's value is its self and the rows right below it. */
static void check_sums(const struct profile *p, const struct tree_options *o)
{
	static uint64_t rest[2000]; /* by depth: not accounted for yet */
	size_t depth = 0;
	struct tree_rows t;
	struct tree_row row;

	assert_int_equal(tree_rows_init(&t, p, o), 0);
	rest[0] = t.total;
	while (tree_rows_next(&t, &row) > 0) {
		for (; depth > row.depth; depth--)
			if (!o->bottom_up)
				assert_int_equal(rest[depth], 0);
		assert_true(row.value <= rest[row.depth]);
		rest[row.depth] -= row.value;
		if (row.folded)
			assert_true(row.last);
		else if (o->min_percent > 0)
			assert_true((double)row.value * 100 >=
				    o->min_percent * (double)t.total);
		if (o->depth)
			assert_true(row.depth < o->depth || row.folded);
		depth = row.depth + !row.folded;
		rest[depth] = row.folded ? rest[depth] : row.value - row.self;
	}
	assert_int_equal(rest[0], 0);
	tree_rows_done(&t);
}

static void folding_keeps_every_sum(void **state)
{
	struct make m = {.state = 8};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = views_profile(&m);
		struct tree_options o = {
			.metric = make_below(&m, VIEW_METRICS),
			.bottom_up = make_below(&m, 2),
			.lines = make_below(&m, 2),
			.min_percent = make_below(&m, 30),
			.depth = make_below(&m, 5),
			.limit = make_below(&m, 4),
		};

		check_sums(p, &o);
		profile_close(p);
	}
}

static void both_texts_come_without_complaint(void **state)
{
	struct make m = {.state = 9};

	(void)state;
	for (int i = 0; i < ROUNDS / 3; i++) {
		struct profile *p = views_profile(&m);
		struct tree_options o = {.bottom_up = i % 2,
					 .columns = make_below(&m, 100),
					 .ascii = i % 3,
					 .min_percent = make_below(&m, 3)};

		free(REPORT_TEXT(tree_text(p, &o, out)));
		free(REPORT_TEXT(tree_json(p, &o, out)));
		profile_close(p);
	}
}

/* ---- by example ------------------------------------------------------------ */

static void the_example_reads_like_this(void **state)
{
	struct profile *p = report_example();
	struct tree_options o = {.ascii = true, .min_percent = 1};
	char *text = REPORT_TEXT(tree_text(p, &o, out));

	(void)state;
	assert_non_null(strstr(text,
			       "        Bytes   Share          Self  Function\n"
			       "=============================================\n"
			       "    160.2 MiB 100.0 %                main (demo.c)\n"
			       "    160.2 MiB 100.0 %     160.2 MiB  my_func (demo.c)\n"
			       "    160.2 MiB 100.0 %                total\n"));
	free(text);
	o = (struct tree_options){.ascii = true, .lines = true, .bottom_up = true};
	text = REPORT_TEXT(tree_text(p, &o, out));
	assert_non_null(strstr(text, "    152.6 MiB  95.2 %  |- my_func (demo.c:4)\n"
				     "    152.6 MiB  95.2 %  |  main (demo.c:11)\n"
				     "    152.6 MiB  95.2 %  |  libc.so.6+0x1001\n"
				     "      7.6 MiB   4.8 %  `- my_func (demo.c:3)\n"
				     "      7.6 MiB   4.8 %     main (demo.c:11)\n"));
	free(text);
	profile_close(p);
}

static void a_million_frames_of_recursion_are_no_trouble(void **state)
{
	struct profile *p = report_profile();
	uint32_t module = report_module(p, "/src/u/demo"), node = 0;
	struct tree_options o = {.ascii = true, .bytes = true, .min_percent = 1};
	uint32_t even, odd;
	char *text;

	(void)state;
	report_process(p, 1, 100, "./demo");
	even = report_code(p);
	report_frame(p, "even", "/src/u/a.c", 2, 1, 3);
	odd = report_code(p);
	report_frame(p, "odd", "/src/u/a.c", 6, 5, 7);
	for (int i = 0; i < 20000; i++)
		node = report_node(p, node, module, i % 2 ? odd : even);
	for (int i = 0; i < 1000000; i++)
		node = report_node(p, node, module, odd);
	report_kept(p, 1, node, 1000);
	report_sum_up(p);
	o.depth = 3;
	text = REPORT_TEXT(tree_text(p, &o, out));
	assert_non_null(strstr(text, "even (a.c)\n"));
	free(text);
	o.depth = 0;
	free(REPORT_TEXT(tree_text(p, &o, out)));
	o.bottom_up = true;
	text = REPORT_TEXT(tree_text(p, &o, out));
	assert_non_null(strstr(text, "odd (a.c) [recursive]\n"));
	free(text);
	profile_close(p);
}

static char *elided(const char *name, size_t columns)
{
	return REPORT_TEXT((text_put_elided(out, name, columns), 0));
}

static void names_are_cut_in_the_middle(void **state)
{
	static const struct {
		const char *name, *expected;
		size_t columns;
	} cases[] = {
		{"abcdefghij", "abcdefghij", 0},
		{"abcdefghij", "abcdefghij", 10},
		{"abcdefghij", "abc...hij", 9},
		{"abcdefghij", "ab...j", 6},
		{"abcdefghij", "abc", 3},
		{"\033[1mabcdef", "\\x1b...def", 10},
		{"", "", 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = elided(cases[i].name, cases[i].columns);

		assert_string_equal(text, cases[i].expected);
		free(text);
	}
}

static void no_such_process_is_an_error(void **state)
{
	struct profile *p = report_example();
	struct tree_options o = {.scope.pid = 77};

	(void)state;
	assert_int_equal(tree_text(p, &o, stderr), -ESRCH);
	assert_int_equal(tree_json(p, &o, stderr), -ESRCH);
	profile_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unfolded_rows_are_exactly_the_paths),
		cmocka_unit_test(folding_keeps_every_sum),
		cmocka_unit_test(both_texts_come_without_complaint),
		cmocka_unit_test(the_example_reads_like_this),
		cmocka_unit_test(a_million_frames_of_recursion_are_no_trouble),
		cmocka_unit_test(names_are_cut_in_the_middle),
		cmocka_unit_test(no_such_process_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
