#include "tests/unit/unit.h"

#include "cli/report/growth.h"
#include "tests/unit/report_make.h"

#include <errno.h>
#include <math.h>

enum { MOMENTS = 7, WINDOWS = MOMENTS - 1 };

/* One moment of a recording: sites are stacks 1, 2, ... of process 1. */
static int add(struct growth *g, uint64_t second, uint64_t operations,
	       const uint64_t *live, size_t sites)
{
	struct profile *p = report_profile();
	int r;

	p->start_unix_ns = 77;
	p->wall_ns = second * 1000000000u;
	for (size_t i = 0; i < sites; i++) {
		struct profile_site *s = report_site(p, 1, (uint32_t)i + 1);

		s->allocs = 1000 + live[i];
		s->frees = 1000;
		s->allocated_bytes = 5000 + live[i];
		s->freed_bytes = 5000;
	}
	array_reserve(&p->marks, &p->mark_room, 2);
	p->marks[0] =
		(struct profile_mark){1, report_string(p, "request"), 1, operations};
	p->marks[1] = (struct profile_mark){1, report_string(p, "other"), 1, 12345};
	p->mark_count = 2;
	r = growth_add(g, p, "request");
	profile_close(p);
	return r;
}

/* Whether a site with these live bytes, a second and ten operations a window, grows. */
static bool grows(const uint64_t live[MOMENTS], size_t skip, uint64_t allowed,
		  struct growth_site *ret)
{
	struct growth g;
	size_t found;

	assert_int_equal(growth_init(&g, WINDOWS), 0);
	for (size_t k = 0; k < MOMENTS; k++)
		assert_int_equal(add(&g, 5 + k, 100 + 10 * k, &live[k], 1), 0);
	found = growth_judge(&g, skip, allowed);
	assert_int_equal(growth_operations(&g, skip), 10 * (WINDOWS - skip));
	assert_int_equal(g.site_count, 1);
	assert_int_equal(g.sites[0].grows, found);
	if (ret)
		*ret = g.sites[0];
	growth_done(&g);
	return found;
}

static void steady_growth_has_its_exact_slope(void **state)
{
	struct growth_site s;

	(void)state;
	assert_true(grows((uint64_t[]){70, 100, 400, 700, 1000, 1300, 1600}, 1, 0, &s));
	assert_true(fabs(s.per_second - 300) < 1e-9);
	assert_true(fabs(s.per_operation - 30) < 1e-9);
	assert_int_equal(s.gained, 1500);
	assert_int_equal(s.least, 300);
	assert_int_equal(s.blocks, 1600);
}

static void growth_with_noise_is_growth_and_its_slope_is_near(void **state)
{
	struct growth_site s;

	(void)state;
	assert_true(grows((uint64_t[]){0, 110, 190, 310, 390, 510, 590}, 0, 0, &s));
	assert_true(s.per_second > 95 && s.per_second < 105);
	assert_int_equal(s.least, 80);
}

static void a_cache_a_table_and_a_doubling_buffer_are_none(void **state)
{
	(void)state;
	assert_false(grows((uint64_t[]){9, 10, 20, 30, 40, 0, 10}, 1, 0, NULL));
	assert_false(
		grows((uint64_t[]){0, 9999, 9999, 9999, 9999, 9999, 9999}, 1, 0, NULL));
	assert_false(grows((uint64_t[]){1, 2, 4, 4, 8, 8, 8}, 1, 0, NULL));
	assert_false(grows((uint64_t[]){7, 6, 5, 4, 3, 2, 1}, 0, 0, NULL));
	assert_false(grows((uint64_t[]){0, 0, 0, 0, 0, 0, 0}, 0, 0, NULL));
}

static void warm_up_does_not_count(void **state)
{
	const uint64_t late[] = {900, 100, 200, 300, 400, 500, 600};

	(void)state;
	assert_false(grows(late, 0, 0, NULL));
	assert_true(grows(late, 1, 0, NULL));
}

static void what_is_allowed_in_each_window_is_no_growth(void **state)
{
	const uint64_t live[] = {0, 100, 200, 299, 400, 500, 600};

	(void)state;
	assert_true(grows(live, 0, 98, NULL));
	assert_false(grows(live, 0, 99, NULL));
}

/* Against a brute force: all short series of small numbers. */
static void every_series_is_judged_as_its_windows_are(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 4 * 4 * 4 * 4; code++) {
		uint64_t live[4];
		bool want[2] = {true, true};
		struct growth g;

		for (size_t k = 0; k < 4; k++)
			live[k] = code >> (2 * k) & 3;
		for (size_t k = 1; k < 4; k++) {
			want[0] &= live[k] > live[k - 1];
			want[1] &= k == 1 || live[k] > live[k - 1];
		}
		for (size_t skip = 0; skip < 2; skip++) {
			assert_int_equal(growth_init(&g, 3), 0);
			for (size_t k = 0; k < 4; k++)
				assert_int_equal(add(&g, k, k, &live[k], 1), 0);
			assert_int_equal(growth_judge(&g, skip, 0), want[skip]);
			growth_done(&g);
		}
	}
}

static void sites_are_told_apart_and_the_worst_comes_first(void **state)
{
	struct growth g;

	(void)state;
	assert_int_equal(growth_init(&g, 3), 0);
	/* The third is not there at first. */
	assert_int_equal(add(&g, 1, 0, (uint64_t[]){50, 10}, 2), 0);
	assert_int_equal(add(&g, 2, 0, (uint64_t[]){60, 10, 30}, 3), 0);
	assert_int_equal(add(&g, 3, 0, (uint64_t[]){70, 10, 60}, 3), 0);
	assert_int_equal(add(&g, 4, 0, (uint64_t[]){80, 99, 90}, 3), 0);
	assert_int_equal(growth_judge(&g, 0, 0), 2);
	assert_int_equal(g.sites[0].stack, 3);
	assert_int_equal(g.sites[0].gained, 90);
	assert_int_equal(g.sites[1].stack, 1);
	assert_false(g.sites[2].grows);
	assert_true(g.sites[0].per_operation == 0);
	growth_done(&g);
}

static void another_recording_is_refused(void **state)
{
	const uint64_t live[] = {1};
	struct profile *p = report_profile();
	struct growth g;

	(void)state;
	assert_int_equal(growth_init(&g, 1), 0);
	assert_int_equal(add(&g, 5, 0, live, 1), 0);
	assert_int_equal(add(&g, 5, 0, live, 1), -ESTALE);
	p->start_unix_ns = 78;
	p->wall_ns = 6000000000u;
	assert_int_equal(growth_add(&g, p, NULL), -ESTALE);
	assert_int_equal(growth_judge(&g, 0, 0), 0);
	assert_int_equal(add(&g, 6, 0, live, 1), 0);
	assert_int_equal(add(&g, 7, 0, live, 1), -EOVERFLOW);
	growth_done(&g);
	profile_close(p);
}

/* Epochs are windows here: the last begins where they end, and does not count. */
static void a_recording_that_has_ended_has_the_windows_of_its_epochs(void **state)
{
	static const uint64_t died[] = {10, 0, 100, 0, 0};
	struct profile *p = report_profile();
	struct growth g;

	(void)state;
	assert_int_equal(growth_init(&g, 4), 0);
	assert_int_equal(growth_of(&g, p, NULL), -ENODATA);
	p->dimensions = PROFILE_TIMES;
	array_reserve(&p->epochs, &p->epoch_room, 5);
	array_reserve(&p->times, &p->time_room, 5);
	for (uint32_t i = 0; i < 5; i++) {
		p->epochs[p->epoch_count++].at_ns = i * 1000000000u;
		p->times[p->time_count++] = (struct profile_share){
			.process_serial = 1,
			.stack = 1,
			.value = i,
			.allocs = 1,
			.allocated_bytes = 100,
			.frees = i == 4,
			.freed_bytes = i == 4 ? 400 : 40,
			.died = {1, died[i]},
		};
	}
	assert_int_equal(growth_of(&g, p, NULL), 0);
	assert_int_equal(growth_judge(&g, 0, 59), 1);
	assert_int_equal(g.sites[0].gained, 240);
	assert_true(fabs(g.sites[0].per_second - 60) < 1e-9);
	for (size_t k = 0; k < 4; k++)
		assert_int_equal(g.kept[k], 100 - died[k]);
	assert_int_equal(growth_judge(&g, 0, 60), 0);
	growth_done(&g);
	assert_int_equal(growth_init(&g, 5), 0);
	assert_int_equal(growth_of(&g, p, NULL), -ERANGE);
	growth_done(&g);
	profile_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steady_growth_has_its_exact_slope),
		cmocka_unit_test(growth_with_noise_is_growth_and_its_slope_is_near),
		cmocka_unit_test(a_cache_a_table_and_a_doubling_buffer_are_none),
		cmocka_unit_test(warm_up_does_not_count),
		cmocka_unit_test(what_is_allowed_in_each_window_is_no_growth),
		cmocka_unit_test(every_series_is_judged_as_its_windows_are),
		cmocka_unit_test(sites_are_told_apart_and_the_worst_comes_first),
		cmocka_unit_test(another_recording_is_refused),
		cmocka_unit_test(
			a_recording_that_has_ended_has_the_windows_of_its_epochs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
