/*
 * report_timeline.c - bins laid into cells, and the charts made of them.
 */
#include "tests/unit/unit.h"

#include "cli/profile/slice.h"
#include "cli/report/axis.h"
#include "cli/report/timeline.h"
#include "tests/unit/json_check.h"
#include "tests/unit/profile_make.h"
#include "tests/unit/report_make.h"

#include <errno.h>

enum { ROUNDS = 300, CELLS = 40 };

/* ---- cells ----------------------------------------------------------------- */

/* Short times, so that a loop over every nanosecond is an oracle. */
static struct profile *random_bins(struct make *m)
{
	struct profile *p = report_profile();
	uint64_t at = 0;

	for (uint32_t i = make_below(m, 12); i; i--) {
		struct profile_bin *b = make_row(p, bin);

		*b = (struct profile_bin){
			.at_ns = at,
			.min_bytes = make_below(m, 50),
			.last_bytes = make_below(m, 100),
			.allocs = make_below(m, 1000),
			.rss_bytes = make_below(m, 3) * 1000ull,
		};
		b->max_bytes = b->min_bytes + make_below(m, 100);
		at += 1 + make_below(m, 30);
	}
	p->wall_ns = make_below(m, 200);
	return p;
}

/* The bin of a moment, or NULL. */
static const struct profile_bin *bin_at(const struct profile *p, uint64_t ns)
{
	const struct profile_bin *found = NULL;

	for (size_t i = 0; i < p->bin_count && p->bins[i].at_ns <= ns; i++)
		found = &p->bins[i];
	return found;
}

static void cells_show_what_every_moment_in_them_does(void **state)
{
	struct make m = {.state = 1};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = random_bins(&m);
		size_t count = timeline_fit(p, 1 + make_below(&m, CELLS));
		struct profile_bin cells[CELLS];
		uint64_t end = timeline_span(p).end_ns, allocs = 0, expected = 0;

		assert_int_equal(timeline_cells(p, count, cells), 0);
		for (size_t k = 0; k < count; k++) {
			uint64_t stop = k + 1 < count ? cells[k + 1].at_ns : end;
			const struct profile_bin *last = bin_at(p, stop - 1);

			assert_true(stop > cells[k].at_ns);
			for (uint64_t ns = cells[k].at_ns; ns < stop; ns++) {
				const struct profile_bin *b = bin_at(p, ns);

				if (!b || b == &p->bins[p->bin_count - 1])
					continue;
				assert_true(cells[k].min_bytes <= b->min_bytes);
				assert_true(cells[k].max_bytes >= b->max_bytes);
			}
			assert_int_equal(cells[k].last_bytes,
					 last ? last->last_bytes : 0);
			allocs += cells[k].allocs;
		}
		for (size_t k = 0; k < p->bin_count; k++)
			expected += p->bins[k].allocs;
		assert_int_equal(allocs, expected);
		profile_close(p);
	}
}

/* Ranges that follow each other have all allocations, and each shows what the moments
 * in it do. */
static void ranges_of_time_add_up(void **state)
{
	struct make m = {.state = 3};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = random_bins(&m);
		uint64_t end = timeline_span(p).end_ns, from = 0, allocs = 0;
		struct profile_bin all, cells[CELLS];

		assert_int_equal(timeline_cells(p, 1, &all), 0);
		while (from < end) {
			uint64_t to = from + 1 + make_below(&m, 60);
			struct slice_options o = {
				.has_range = true, .from_ns = from, .to_ns = to};
			size_t count;

			assert_int_equal(profile_slice_timeline(p, &o, NULL, 0), 0);
			count = timeline_fit(p, 1 + make_below(&m, CELLS));
			assert_int_equal(timeline_cells(p, count, cells), 0);
			assert_int_equal(cells[0].at_ns, from);
			for (size_t k = 0; k < count; k++) {
				const struct profile_bin *b = bin_at(p, cells[k].at_ns);

				allocs += cells[k].allocs;
				if (b && b != &p->bins[p->bin_count - 1])
					assert_true(cells[k].max_bytes >= b->max_bytes);
			}
			from = timeline_span(p).end_ns;
			assert_true(from == to || (to > end && from == end));
		}
		assert_int_equal(allocs, all.allocs);
		assert_int_equal(profile_slice_timeline(
					 p,
					 &(struct slice_options){.has_range = true,
								 .from_ns = end,
								 .to_ns = UINT64_MAX},
					 NULL, 0),
				 -ERANGE);
		profile_close(p);
	}
}

static void extremes_of_cells_are_extremes_of_bins(void **state)
{
	struct make m = {.state = 2};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = random_bins(&m);
		struct profile_bin cell;
		uint64_t most = 0;

		assert_int_equal(timeline_cells(p, 1, &cell), 0);
		for (size_t k = 0; k < p->bin_count; k++)
			most = p->bins[k].max_bytes > most ? p->bins[k].max_bytes
							   : most;
		/* The last bin's value may go on beyond it. */
		if (p->bin_count && p->bins[p->bin_count - 1].last_bytes <=
					    p->bins[p->bin_count - 1].max_bytes)
			assert_int_equal(cell.max_bytes, most);
		profile_close(p);
	}
}

static void idle_time_at_the_end_has_no_allocations(void **state)
{
	struct profile *p = report_profile();
	struct profile_bin cells[10];

	(void)state;
	for (uint64_t i = 0; i < 2; i++) {
		array_reserve(&p->bins, &p->bin_room, p->bin_count + 1);
		p->bins[p->bin_count++] = (struct profile_bin){.at_ns = 10 * i,
							       .max_bytes = 70,
							       .last_bytes = 50,
							       .allocs = 8};
	}
	p->wall_ns = 100;
	assert_int_equal(timeline_cells(p, 10, cells), 0);
	assert_int_equal(timeline_span(p).end_ns, 100);
	assert_int_equal(cells[1].allocs, 8);
	assert_int_equal(cells[2].allocs, 0);
	assert_int_equal(cells[9].max_bytes, 50);
	assert_int_equal(cells[9].min_bytes, 50);
	profile_close(p);
}

/* ---- charts ------------------------------------------------------------------- */

__attribute__((noinline)) static size_t longest_line(const char *text)
{
	size_t longest = 0, len = 0;

	/* Headings and warnings are sentences. */
	text = strstr(text, "\nHeap (malloc)");
	assert_non_null(text);
	for (; *text; text++) {
		len = *text == '\n' ? 0 : len + 1;
		longest = len > longest ? len : longest;
	}
	return longest;
}

static void arbitrary_profiles_fit_the_width_and_are_well_formed(void **state)
{
	struct make m = {.state = 3, .size = 30};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct profile *p = profile_new();
		struct timeline_options o = {.width = make_below(&m, 200)};
		size_t width = !o.width ? 80 : o.width < 64 ? 64 : o.width;
		char *text;

		make_more(&m, p);
		o.bytes = make_below(&m, 2);
		o.cells = make_below(&m, 2) ? 0 : 1 + make_below(&m, 100);
		text = REPORT_TEXT(timeline_text(p, &o, out));
		/* Headings and warnings are sentences. */
		assert_uint_in_range(longest_line(text), 1, width);
		free(text);
		text = REPORT_TEXT(timeline_json(p, &o, out));
		assert_true(json_check(text));
		free(text);
		text = REPORT_TEXT(timeline_svg(p, &o, out));
		for (const char *c = text; *c; c++)
			assert_true((unsigned char)*c >= ' ' || *c == '\n');
		assert_non_null(strstr(text, "</svg>\n"));
		assert_null(strstr(text, "nan"));
		free(text);
		profile_close(p);
	}
}

/* Grows to 800 bytes in equal steps, then falls to 100 for as long. */
static struct profile *ramp(void)
{
	struct profile *p = report_profile();

	report_process(p, 1, 100, "<b>&\033[31m");
	p->processes[0].end_ns = p->wall_ns = 1600;
	for (uint64_t i = 0; i < 16; i++) {
		uint64_t bytes = i < 8 ? 100 * (i + 1) : 100;

		array_reserve(&p->bins, &p->bin_room, p->bin_count + 1);
		p->bins[p->bin_count++] = (struct profile_bin){.at_ns = 100 * i,
							       .min_bytes = bytes,
							       .max_bytes = bytes,
							       .last_bytes = bytes,
							       .allocs = i < 8 ? 1 : 0};
	}
	p->tree_peak = (struct profile_amount){8, 800};
	p->tree_peak_at_ns = 750;
	return p;
}

static void the_chart_has_the_shape_of_the_heap(void **state)
{
	struct profile *p = ramp();
	struct timeline_options o = {.cells = 16, .bytes = true};
	char *text = REPORT_TEXT(timeline_text(p, &o, out));

	(void)state;
	assert_non_null(strstr(text, "       800 +       #        \n"));
	assert_non_null(strstr(text, "       400 +   #####        \n"));
	assert_non_null(strstr(text, "           |  =#####        \n"));
	assert_non_null(strstr(text, "\n  peak 800 at 750 ns\n"
				     "                   v\n"));
	assert_null(strchr(text, '\033'));
	free(text);
	o.utf8 = true;
	text = REPORT_TEXT(timeline_text(p, &o, out));
	assert_non_null(strstr(text, "           │  ▆█████        \n"));
	free(text);
	profile_close(p);
}

static void a_band_shows_least_last_and_most(void **state)
{
	struct profile *p = ramp();
	struct timeline_options o = {.cells = 16, .bytes = true};
	char *text;

	(void)state;
	p->bins[12].max_bytes = 800;
	p->bins[12].last_bytes = 400;
	text = REPORT_TEXT(timeline_text(p, &o, out));
	assert_non_null(strstr(text, "       800 +       #    :   \n"));
	assert_non_null(strstr(text, "# least in the column's time   | last   : most"));
	free(text);
	profile_close(p);
}

static void names_are_harmless_in_a_picture(void **state)
{
	struct profile *p = ramp();
	struct timeline_options o = {0};
	char *text = REPORT_TEXT(timeline_svg(p, &o, out));

	(void)state;
	assert_non_null(strstr(text, "Heap of &lt;b&gt;&amp;\\x1b[31m"));
	assert_null(strstr(text, "<b>"));
	assert_non_null(strstr(text, "peak 800 B at 750 ns"));
	free(text);
	profile_close(p);
}

static void steps_are_round_and_few(void **state)
{
	(void)state;
	assert_int_equal(axis_time_step(1000000000, 5), 200000000);
	assert_int_equal(axis_time_step(3600ull * 1000000000, 6), 600ull * 1000000000);
	assert_int_equal(axis_time_step(1, 5), 1);
	assert_int_equal(axis_bytes_step(5000, 5), 1024);
	assert_int_equal(axis_bytes_step(0, 5), 1);
	assert_int_equal(axis_count_step(49, 5), 10);
	for (uint64_t v = 1; v < UINT64_MAX / 3; v *= 3) {
		assert_uint_in_range(v / axis_time_step(v, 7), 0, 7);
		assert_uint_in_range(v / axis_bytes_step(v, 7), 0, 7);
		assert_uint_in_range(v / axis_count_step(v, 7), 0, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_show_what_every_moment_in_them_does),
		cmocka_unit_test(ranges_of_time_add_up),
		cmocka_unit_test(extremes_of_cells_are_extremes_of_bins),
		cmocka_unit_test(idle_time_at_the_end_has_no_allocations),
		cmocka_unit_test(arbitrary_profiles_fit_the_width_and_are_well_formed),
		cmocka_unit_test(the_chart_has_the_shape_of_the_heap),
		cmocka_unit_test(a_band_shows_least_last_and_most),
		cmocka_unit_test(names_are_harmless_in_a_picture),
		cmocka_unit_test(steps_are_round_and_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
