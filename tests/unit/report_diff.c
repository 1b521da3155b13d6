/*
 * report_diff.c - what changed between two profiles: rows match by code, and add up.
 */
#include "tests/unit/unit.h"

#include "cli/report/diff.h"
#include "cli/report/summary.h"
#include "tests/unit/json_check.h"
#include "tests/unit/report_build.h"

enum { ROUNDS = 300 };

/* ---- an oracle that knows text alone ------------------------------------------- */

static void frame_key(const struct profile *p, const struct profile_stack *s,
		      enum diff_by by, FILE *out)
{
	const struct profile_frame *f = &p->frames[p->codes[s->code - 1].first_frame];
	const char *module = strings_get(&p->strings, p->modules[s->module - 1].path);

	fputs(strstr(module, "libown") ? "libown" : "demo", out);
	if (by == DIFF_BY_MODULE)
		return;
	fprintf(out, " %s", strings_get(&p->strings, f->function));
	if (by != DIFF_BY_FUNCTION)
		fprintf(out, " %d", (int)f->line - (int)f->function_first);
}

/* What a site counts under, in words. All code here is the program's own. */
static char *site_key(const struct profile *p, const struct profile_site *site,
		      enum diff_by by)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	for (uint32_t n = site->stack; n; n = p->stacks[n].parent) {
		frame_key(p, &p->stacks[n], by, out);
		fputc('\n', out);
		if (by != DIFF_BY_SITE)
			break;
	}
	fclose(out);
	return text;
}

struct oracle_row {
	char *key;
	struct profile_amount amount[2];
};

struct oracle {
	struct oracle_row rows[64];
	size_t count;
};

static struct profile_amount amount_of(const struct profile *p,
				       const struct profile_site *s, enum diff_metric m)
{
	switch (m) {
	case DIFF_LEAKED:
		return (struct profile_amount){s->allocs - s->frees,
					       s->allocated_bytes - s->freed_bytes};
	case DIFF_ALLOCATED:
	case DIFF_ALLOCATIONS:
		return (struct profile_amount){s->allocs, s->allocated_bytes};
	case DIFF_TEMPORARY:
		return s->temporary;
	default:
		return p->process_count > 1 ? s->tree_peak : s->peak;
	}
}

static void oracle_add(struct oracle *o, const struct profile *p, int side,
		       const struct diff_options *options)
{
	for (size_t i = 0; i < p->site_count; i++) {
		char *key = site_key(p, &p->sites[i], options->by);
		struct profile_amount amount =
			amount_of(p, &p->sites[i], options->metric);
		size_t k = 0;

		while (k < o->count && strcmp(o->rows[k].key, key))
			k++;
		if (k == o->count)
			o->rows[o->count++].key = strdup(key);
		o->rows[k].amount[side].blocks += amount.blocks;
		o->rows[k].amount[side].bytes += amount.bytes;
		free(key);
	}
}

static void oracle_done(struct oracle *o)
{
	for (size_t i = 0; i < o->count; i++)
		free(o->rows[i].key);
}

static bool same_amounts(const struct profile_amount *a, const struct profile_amount *b)
{
	return !memcmp(a, b, 2 * sizeof(*a));
}

/* Every row of the oracle is a row of the diff, and there are no others. */
static void compare(const struct oracle *o, const struct diff *d)
{
	bool *used = calloc(d->count + 1, sizeof(*used));
	size_t found = 0;

	for (size_t i = 0; i < o->count; i++) {
		const struct profile_amount *amount = o->rows[i].amount;
		size_t k = 0;

		if (!amount[0].blocks && !amount[1].blocks)
			continue;
		while (k < d->count &&
		       (used[k] || !same_amounts(d->rows[k].amount, amount)))
			k++;
		assert_uint_in_range(k, 0, d->count - 1);
		used[k] = true;
		found++;
	}
	assert_int_equal(found, d->count);
	free(used);
}

static struct diff_options any_options(struct make *m)
{
	return (struct diff_options){
		.metric = (enum diff_metric)make_below(m, DIFF_METRICS),
		.by = (enum diff_by)make_below(m, 4),
	};
}

static void rows_are_those_of_a_brute_force_comparison(void **state)
{
	struct make m = {.state = 1};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *a = report_build(&m), *b = report_build(&m);
		struct diff_options o = any_options(&m);
		struct oracle oracle = {0};
		struct diff d;

		assert_int_equal(diff_of(a, b, &o, &d), 0);
		oracle_add(&oracle, a, 0, &o);
		oracle_add(&oracle, b, 1, &o);
		compare(&oracle, &d);
		oracle_done(&oracle);
		diff_done(&d);
		profile_close(a);
		profile_close(b);
	}
}

/* ---- sums ------------------------------------------------------------------------ */

static void equal_amounts(struct profile_amount a, struct profile_amount b)
{
	assert_int_equal(a.blocks, b.blocks);
	assert_int_equal(a.bytes, b.bytes);
}

static void rows_add_up_to_the_totals(const struct diff *d, enum diff_metric metric)
{
	struct profile_amount sum = {0};

	for (size_t i = 0; i < d->changed; i++) {
		sum.blocks += d->rows[i].amount[1].blocks - d->rows[i].amount[0].blocks;
		sum.bytes += d->rows[i].amount[1].bytes - d->rows[i].amount[0].bytes;
	}
	sum.blocks += d->totals[0].metric[metric].blocks;
	sum.bytes += d->totals[0].metric[metric].bytes;
	equal_amounts(sum, d->totals[1].metric[metric]);
}

static void totals_are_those_of_the_report(const struct profile *p,
					   const struct diff_totals *t)
{
	struct scope_options all = {0};
	struct summary s;

	assert_int_equal(summary_of(p, &all, &s), 0);
	equal_amounts(t->metric[DIFF_PEAK], s.peak);
	equal_amounts(t->metric[DIFF_LEAKED], s.leaked);
	equal_amounts(t->metric[DIFF_TEMPORARY], s.temporary);
	assert_int_equal(t->metric[DIFF_ALLOCATED].bytes, s.allocated_bytes);
	assert_int_equal(t->metric[DIFF_ALLOCATIONS].blocks, s.allocs);
}

static void totals_agree_with_the_report_and_rows_add_up(void **state)
{
	struct make m = {.state = 2};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *a = report_build(&m), *b = report_build(&m);
		struct diff_options o = any_options(&m);
		struct diff d;

		/* report_sum_up() gives the tree's peak; a process's own is exact. */
		assert_int_equal(diff_of(a, b, &o, &d), 0);
		rows_add_up_to_the_totals(&d, o.metric);
		totals_are_those_of_the_report(a, &d.totals[0]);
		totals_are_those_of_the_report(b, &d.totals[1]);
		diff_done(&d);
		profile_close(a);
		profile_close(b);
	}
}

static void arbitrary_profiles_add_up_too(void **state)
{
	struct make m = {.state = 3, .size = 20};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *a = profile_new(), *b = profile_new();
		struct diff_options o = any_options(&m);
		struct diff d;
		char *text;

		make_more(&m, a);
		make_more(&m, b);
		assert_int_equal(diff_of(a, b, &o, &d), 0);
		rows_add_up_to_the_totals(&d, o.metric);
		diff_done(&d);
		text = REPORT_TEXT(diff_json(a, b, &o, out));
		assert_true(json_check(text));
		free(text);
		text = REPORT_TEXT(diff_text(a, b, &o, out));
		assert_null(strchr(text, '\033'));
		free(text);
		profile_close(a);
		profile_close(b);
	}
}

static void a_profile_does_not_differ_from_itself(void **state)
{
	struct make m = {.state = 4, .size = 20};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *a = i % 2 ? report_build(&m) : profile_new();
		struct diff_options o = any_options(&m);
		struct diff d;

		if (i % 2 == 0)
			make_more(&m, a);
		assert_int_equal(diff_of(a, a, &o, &d), 0);
		assert_int_equal(d.changed, 0);
		assert_int_equal(d.status[DIFF_UNCHANGED], d.count);
		diff_done(&d);
		profile_close(a);
	}
}

/* What is shown of a row, put together. */
static void equal_rows(const struct diff_row *x, const struct diff_row *y)
{
	assert_int_equal(x->order, y->order);
	assert_int_equal(x->status, y->status);
	for (int k = 0; k < 2; k++) {
		equal_amounts(x->amount[k], y->amount[k]);
		assert_int_equal(x->has[k], y->has[k]);
		assert_int_equal(x->stack[k], y->stack[k]);
		assert_ptr_equal(x->frame[k].stack, y->frame[k].stack);
		assert_ptr_equal(x->frame[k].code, y->frame[k].code);
	}
}

static void a_limit_shows_the_first_of_all_rows(void **state)
{
	struct make m = {.state = 8, .size = 40};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *a = i % 2 ? report_build(&m) : profile_new();
		struct profile *b = i % 2 ? report_build(&m) : profile_new();
		struct diff_options o = any_options(&m);
		struct diff all, some;

		if (i % 2 == 0) {
			make_more(&m, a);
			make_more(&m, b);
		}
		assert_int_equal(diff_of(a, b, &o, &all), 0);
		o.limit = 1 + make_below(&m, (uint32_t)all.changed + 2);
		assert_int_equal(diff_of(a, b, &o, &some), 0);
		assert_int_equal(some.changed, all.changed);
		assert_int_equal(some.count, all.count);
		for (size_t k = 0; k < all.changed && k < o.limit; k++)
			equal_rows(&all.rows[k], &some.rows[k]);
		diff_done(&all);
		diff_done(&some);
		profile_close(a);
		profile_close(b);
	}
}

/* A build of which every one of n functions has allocated. */
static struct profile *build_of(uint32_t n)
{
	struct profile *p = report_profile();

	report_module(p, "/opt/a/demo");
	report_process(p, 1, 100, "demo");
	for (uint32_t i = 0; i < n; i++) {
		char name[20];

		snprintf(name, sizeof(name), "function%u", i);
		report_site(
			p, 1,
			report_call(p, 0, 1, name, "/src/demo.c", i + 1, i + 1, i + 1));
	}
	for (size_t i = 0; i < p->site_count; i++) {
		p->sites[i].allocs = 1 + i;
		p->sites[i].allocated_bytes = 10 * i;
	}
	return p;
}

static void json_by_site_has_the_first_and_says_how_many_more(void **state)
{
	struct profile *a = build_of(0), *b = build_of(DIFF_LIMIT + 12);

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct diff_options o = {.by = DIFF_BY_SITE, .metric = DIFF_ALLOCATED};
		size_t rows = 0;
		char *text;

		o.by = i == 1 ? DIFF_BY_FUNCTION : DIFF_BY_SITE;
		o.limit = i == 2 ? 5 : i == 3 ? 1000 : 0;
		text = REPORT_TEXT(diff_json(a, b, &o, out));
		assert_true(json_check(text));
		for (const char *at = text; (at = strstr(at, "\"status\"")); at++)
			rows++;
		assert_int_equal(rows, i == 0	? DIFF_LIMIT
				       : i == 2 ? 5
						: DIFF_LIMIT + 12);
		assert_non_null(strstr(text, i == 0   ? "\"more\": 12"
					     : i == 2 ? "\"more\": 27"
						      : "\"more\": 0"));
		free(text);
	}
	profile_close(a);
	profile_close(b);
}

static void against_nothing_all_is_new_or_gone(void **state)
{
	struct make m = {.state = 5};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *a = report_build(&m), *none = report_profile();
		struct diff_options o = any_options(&m);
		struct diff d;

		assert_int_equal(diff_of(none, a, &o, &d), 0);
		assert_int_equal(d.status[DIFF_NEW], d.count);
		diff_done(&d);
		assert_int_equal(diff_of(a, none, &o, &d), 0);
		assert_int_equal(d.status[DIFF_GONE], d.count);
		diff_done(&d);
		profile_close(none);
		profile_close(a);
	}
}

/* ---- what aligns -------------------------------------------------------------------
 */

struct place {
	const char *exe, *function, *file;
	uint32_t line, first;
};

static struct profile *one_block(struct place at, uint64_t bytes)
{
	struct profile *p = report_profile();
	struct profile_process *q = report_process(p, 1, 100, "demo");
	uint32_t module = report_module(p, at.exe);

	q->exe = p->modules[0].path;
	report_kept(p, 1,
		    report_call(p, 0, module, at.function, at.file, at.line, at.first,
				at.first + 9),
		    bytes);
	report_sum_up(p);
	return p;
}

static enum diff_status status_between(struct place from, struct place to,
				       uint64_t bytes)
{
	struct profile *a = one_block(from, 100), *b = one_block(to, bytes);
	struct diff_options o = {.by = DIFF_BY_LINE};
	enum diff_status status;
	struct diff d;

	assert_int_equal(diff_of(a, b, &o, &d), 0);
	status = d.count == 1 ? d.rows[0].status : DIFF_STATUSES;
	diff_done(&d);
	profile_close(a);
	profile_close(b);
	return status;
}

static const struct place place = {"/opt/demo", "f(int)", "/src/f.cc", 12, 10};

static void a_line_matches_where_its_function_moved_to(void **state)
{
	struct place moved = place;

	(void)state;
	moved.line += 100;
	moved.first += 100;
	assert_int_equal(status_between(place, moved, 100), DIFF_UNCHANGED);
	assert_int_equal(status_between(place, moved, 101), DIFF_GROWN);
	assert_int_equal(status_between(place, moved, 99), DIFF_SHRUNK);
	moved.line++;
	assert_int_equal(status_between(place, moved, 100), DIFF_STATUSES);
}

static void a_function_matches_in_another_file_or_binary(void **state)
{
	struct place moved = place;

	(void)state;
	moved.file = "/elsewhere/g.cc";
	moved.exe = "/tmp/demo-new";
	assert_int_equal(status_between(place, moved, 100), DIFF_UNCHANGED);
}

static void a_function_of_other_arguments_is_another(void **state)
{
	struct place other = place;

	(void)state;
	other.function = "f(long)";
	assert_int_equal(status_between(place, other, 100), DIFF_STATUSES);
}

static void functions_of_one_name_are_told_apart_by_their_files(void **state)
{
	struct profile *p[2];
	struct diff_options o = {.by = DIFF_BY_FUNCTION};
	struct diff d;

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct place there = place;
		uint32_t other;

		p[k] = one_block(place, 100);
		there.file = "/src/g.cc";
		other = report_call(p[k], 0, 1, there.function, there.file, 12, 10, 20);
		report_kept(p[k], 1, other, 100 + (uint64_t)k);
	}
	assert_int_equal(diff_of(p[0], p[1], &o, &d), 0);
	assert_int_equal(d.count, 2);
	assert_int_equal(d.changed, 1);
	assert_int_equal(d.rows[0].status, DIFF_GROWN);
	diff_done(&d);
	profile_close(p[0]);
	profile_close(p[1]);
}

/* f() with its text; allocates in the line that says so. */
static struct profile *written(const char *text, uint32_t first, uint64_t bytes)
{
	uint32_t line = first, lines = 0;
	struct profile *p;

	for (const char *s = text; s < strstr(text, "malloc"); s++)
		line += *s == '\n';
	for (const char *s = text; *s; s++)
		lines += *s == '\n';
	p = one_block((struct place){"/opt/demo", "f", "/src/f.c", line, first}, bytes);
	p->frames[0].function_last = first + lines - 1;
	report_source(p, "/src/f.c", first, lines, text);
	return p;
}

static void a_line_matches_by_its_text_in_an_edited_function(void **state)
{
	static const char old[] = "f()\n{\n\tg();\n\tmalloc(1);\n}\n",
			  added[] = "f()\n{\n\ta();\n\tb();\n\tg();\n"
				    "\tmalloc(1);\n}\n",
			  edited[] = "f()\n{\n\tg();\n\tmalloc(2);\n}\n",
			  other[] = "f()\n{\n\tmalloc(3);\n\tg();\n\tmalloc(1);\n}\n";
	static const struct {
		const char *text;
		enum diff_status status;
	} cases[] = {{old, DIFF_GROWN},
		     {added, DIFF_GROWN},
		     {edited, DIFF_GROWN},
		     {other, DIFF_STATUSES}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct profile *a = written(old, 10, 1);
		struct profile *b = written(cases[i].text, 30, 2);
		struct diff_options o = {.by = DIFF_BY_LINE};
		struct diff d;

		assert_int_equal(diff_of(a, b, &o, &d), 0);
		assert_int_equal(d.count == 1 ? d.rows[0].status : DIFF_STATUSES,
				 cases[i].status);
		diff_done(&d);
		profile_close(a);
		profile_close(b);
	}
}

static void blocks_of_no_bytes_count_as_a_change(void **state)
{
	struct profile *a = one_block(place, 0), *b = one_block(place, 0);
	struct diff_options o = {.by = DIFF_BY_LINE};
	struct diff d;

	(void)state;
	b->sites[0].peak.blocks = 2;
	assert_int_equal(diff_of(a, b, &o, &d), 0);
	assert_int_equal(d.rows[0].status, DIFF_GROWN);
	diff_done(&d);
	profile_close(a);
	profile_close(b);
}

static void text_names_both_and_says_what_changed(void **state)
{
	struct place moved = place;
	struct profile *a = one_block(place, 1000), *b;
	struct diff_options o = {.paths = {"old", "new\033[31m"}, .bytes = true};
	char *text;

	(void)state;
	moved.line++;
	moved.first++;
	b = one_block(moved, 3000);
	text = REPORT_TEXT(diff_text(a, b, &o, out));
	assert_non_null(strstr(text, "  A  old: demo, for 0 ns\n"));
	assert_non_null(strstr(text, "  B  new\\x1b[31m: demo, for 0 ns\n"));
	assert_non_null(strstr(text, "  peak                   1,000           3,000"
				     "          +2,000  +200.0 %\n"));
	assert_non_null(strstr(text, "           +2,000           1,000           3,000"
				     "  grown    f (f.cc:13), in A line 12\n"));
	free(text);
	profile_close(a);
	profile_close(b);
}

static void text_names_the_moment_of_each_side(void **state)
{
	struct profile *a = one_block(place, 1000), *b = one_block(place, 3000);
	struct diff_options o = {0};
	char *text;

	(void)state;
	b->slice = (struct profile_slice){.has_moment = true, .at_end = true};
	text = REPORT_TEXT(diff_text(a, b, &o, out));
	assert_non_null(strstr(text, "A  demo, for 0 ns; live then: at the peak\n"));
	assert_non_null(strstr(text, "B  demo, for 0 ns; live then: at the end\n"));
	assert_non_null(strstr(text, "\nLive then, by line of code"));
	assert_non_null(strstr(text, "\n  live then "));
	assert_null(strstr(text, "several processes"));
	free(text);
	profile_close(a);
	profile_close(b);
}

static void text_says_whose_peak_is_of_several_processes(void **state)
{
	struct profile *a = one_block(place, 1000), *b = one_block(place, 3000);
	struct diff_options o = {0};
	char *text;

	(void)state;
	report_process(b, 9, 109, "demo");
	text = REPORT_TEXT(diff_text(a, b, &o, out));
	assert_non_null(strstr(text, "In B several processes ran: its peak is of their "
				     "sum.\n"));
	free(text);
	profile_close(a);
	profile_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_those_of_a_brute_force_comparison),
		cmocka_unit_test(totals_agree_with_the_report_and_rows_add_up),
		cmocka_unit_test(arbitrary_profiles_add_up_too),
		cmocka_unit_test(a_profile_does_not_differ_from_itself),
		cmocka_unit_test(a_limit_shows_the_first_of_all_rows),
		cmocka_unit_test(json_by_site_has_the_first_and_says_how_many_more),
		cmocka_unit_test(against_nothing_all_is_new_or_gone),
		cmocka_unit_test(a_line_matches_where_its_function_moved_to),
		cmocka_unit_test(a_function_matches_in_another_file_or_binary),
		cmocka_unit_test(a_function_of_other_arguments_is_another),
		cmocka_unit_test(functions_of_one_name_are_told_apart_by_their_files),
		cmocka_unit_test(a_line_matches_by_its_text_in_an_edited_function),
		cmocka_unit_test(blocks_of_no_bytes_count_as_a_change),
		cmocka_unit_test(text_names_both_and_says_what_changed),
		cmocka_unit_test(text_names_the_moment_of_each_side),
		cmocka_unit_test(text_says_whose_peak_is_of_several_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
