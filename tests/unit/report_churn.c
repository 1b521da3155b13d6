#include "tests/unit/unit.h"

#include "cli/report/churn.h"
#include "tests/unit/report_views.h"

static enum churn_advice advise(const struct churn_site *s)
{
	char reason[512];
	enum churn_advice advice = churn_advise(s, reason, sizeof(reason));

	/* Advice has numbers to rest on; none, nothing to say. */
	assert_int_equal(advice != CHURN_NONE, strpbrk(reason, "0123456789") != NULL);
	return advice;
}

static struct churn_site site_of(unsigned class, uint64_t allocs)
{
	struct churn_site s = {.allocs = allocs, .frees = allocs};

	s.sizes.count[class] = s.sizes.total = allocs;
	s.lives.count[10] = s.lives.total = allocs;
	return s;
}

static void temporary_blocks_of_one_size_are_to_be_reused(void **state)
{
	struct churn_site s = site_of(7, 5000);

	(void)state;
	s.temporary = 4500;
	assert_int_equal(advise(&s), CHURN_REUSE);
	s.temporary = 3000;
	assert_int_equal(advise(&s), CHURN_NONE);
	s.temporary = 4500;
	s.sizes.count[7] = 4000;
	s.sizes.count[9] = 1000;
	assert_int_equal(advise(&s), CHURN_NONE);
	s = site_of(7, 500);
	s.temporary = 500;
	assert_int_equal(advise(&s), CHURN_NONE);
}

static void values_that_come_again_are_to_be_kept(void **state)
{
	struct churn_site s = site_of(5, 64000);

	(void)state;
	s.python = (struct churn_python){.is = true, .values = 1000, .repeated = 960};
	assert_int_equal(advise(&s), CHURN_CACHE);
	s.python.repeated = 940;
	assert_int_equal(advise(&s), CHURN_NONE);
	s.python.repeated = 1000;
	s.allocs = 300000; /* most of its blocks are something else */
	assert_int_equal(advise(&s), CHURN_NONE);
	s.allocs = 9000;
	assert_int_equal(advise(&s), CHURN_NONE);
	s.allocs = 64000;
	s.python.values = s.python.repeated = 50;
	assert_int_equal(advise(&s), CHURN_NONE);
}

static void doubling_sizes_freed_here_are_to_be_reserved(void **state)
{
	struct churn_site s = {.allocs = 1000, .frees = 1000, .freed_here = 990};

	(void)state;
	for (unsigned k = 4; k < 14; k++)
		s.sizes.count[k] = 100;
	s.sizes.total = 1000;
	assert_int_equal(advise(&s), CHURN_RESERVE);
	s.freed_here = 100; /* others free them: it does not grow in place */
	assert_int_equal(advise(&s), CHURN_NONE);
	s.freed_here = 990;
	s.sizes.count[9] = 0; /* a gap */
	assert_int_equal(advise(&s), CHURN_NONE);
	s.sizes.count[9] = 120; /* more of a later size than of an earlier one */
	assert_int_equal(advise(&s), CHURN_NONE);
}

static void sizes_at_random_are_no_growth(void **state)
{
	struct make m = {.state = 11};

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct churn_site s = {.allocs = 16000, .frees = 16000};

		s.freed_here = s.allocs;
		for (int k = 0; k < 16000; k++)
			s.sizes.count[make_below(&m, 16)]++;
		s.sizes.total = s.allocs;
		assert_int_equal(advise(&s), CHURN_NONE);
	}
}

static void many_small_short_lived_blocks_are_for_a_pool(void **state)
{
	struct churn_site s = site_of(5, 50000);

	(void)state;
	assert_int_equal(advise(&s), CHURN_POOL);
	s.frees = 20000; /* most are kept */
	assert_int_equal(advise(&s), CHURN_NONE);
	s = site_of(12, 50000); /* large */
	assert_int_equal(advise(&s), CHURN_NONE);
	s = site_of(5, 50000); /* long-lived */
	s.lives.count[33] = s.lives.count[10];
	s.lives.count[10] = 0;
	assert_int_equal(advise(&s), CHURN_NONE);
}

static struct churn_site python_of(uint64_t objects)
{
	struct churn_site s = site_of(5, objects);

	s.python = (struct churn_python){.is = true,
					 .objects = {.allocs = objects,
						     .frees = objects,
						     .last_ns = objects * 1024}};
	s.python.objects.lives = s.lives;
	return s;
}

static void numbers_of_python_are_not_to_be_used_again(void **state)
{
	struct churn_site s = site_of(5, 50000);

	(void)state;
	s.temporary = 50000;
	assert_int_equal(advise(&s), CHURN_REUSE);
	s.python.is = true;
	assert_int_equal(advise(&s), CHURN_NONE);
}

static void objects_of_pythons_classes_are_for_a_pool(void **state)
{
	struct churn_site s = python_of(10000);

	(void)state;
	assert_int_equal(advise(&s), CHURN_POOL);
	s.python.objects.frees = 8000; /* kept */
	assert_int_equal(advise(&s), CHURN_NONE);
	s = python_of(9999); /* too few, unless they go at once */
	assert_int_equal(advise(&s), CHURN_NONE);
	s.python.objects.temporary = 9000;
	assert_int_equal(advise(&s), CHURN_POOL);
	s = python_of(10000); /* many at a time */
	s.python.objects.last_ns /= 200;
	assert_int_equal(advise(&s), CHURN_NONE);
	s = python_of(10000); /* long-lived */
	s.python.objects.lives.count[33] = 10000;
	s.python.objects.lives.count[10] = 0;
	assert_int_equal(advise(&s), CHURN_NONE);
}

static void lists_that_their_line_frees_are_for_a_generator(void **state)
{
	struct churn_site good = site_of(5, 50000), s;

	(void)state;
	good.python = (struct churn_python){
		.is = true, .is_list = true, .line_allocs = 50400, .line_freed = 50390};
	assert_int_equal(advise(&good), CHURN_GENERATOR);
	s = good;
	s.python.line_freed -= 100; /* the last one is freed elsewhere */
	assert_int_equal(advise(&s), CHURN_NONE);
	s = good;
	s.frees -= 100; /* or never */
	assert_int_equal(advise(&s), CHURN_NONE);
	s = good; /* lists are short: one of them may be missing */
	s.python.line_allocs = s.python.line_freed = 50600;
	assert_int_equal(advise(&s), CHURN_NONE);
	s = good;
	s.python.is_list = false;
	assert_int_equal(advise(&s), CHURN_NONE);
	s = good; /* another one's on the same line */
	s.python.line_allocs = s.python.line_freed = 0;
	assert_int_equal(advise(&s), CHURN_NONE);
}

static void numbers_in_lists_are_for_an_array(void **state)
{
	struct churn_site good = site_of(5, 50000), s;
	struct churn_python *p = &good.python;

	(void)state;
	good.frees = 0;
	*p = (struct churn_python){
		.is = true, .numbers = {20000, 560000}, .rest = {2, 180000}};
	assert_int_equal(advise(&good), CHURN_ARRAY);
	s = good;
	s.python.rest.bytes = 20000 * 24; /* of a dictionary, a set */
	assert_int_equal(advise(&s), CHURN_NONE);
	s.python.rest.bytes = 20000 * 7; /* not all of them are in one */
	assert_int_equal(advise(&s), CHURN_NONE);
	s = good;
	s.python.rest.blocks = 2000; /* many short ones */
	assert_int_equal(advise(&s), CHURN_NONE);
	s = good;
	s.python.numbers.blocks = 9999;
	assert_int_equal(advise(&s), CHURN_NONE);
}

static void nothing_gets_no_advice(void **state)
{
	struct churn_site s = {0};

	(void)state;
	assert_int_equal(advise(&s), CHURN_NONE);
}

static void every_report_can_be_written(void **state)
{
	struct make m = {.state = 12};

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct profile *p = views_profile(&m);
		struct churn_options o = {.sort = i % 3,
					  .limit = make_below(&m, 4),
					  .columns = make_below(&m, 120)};

		free(REPORT_TEXT(churn_text(p, &o, out)));
		free(REPORT_TEXT(churn_json(p, &o, out)));
		profile_close(p);
	}
}

static void the_example_reads_like_this(void **state)
{
	struct profile *p = report_example();
	struct churn_options o = {.limit = 1};
	char *text = REPORT_TEXT(churn_text(p, &o, out));

	(void)state;
	assert_non_null(strstr(text, "            1     0.0 %          -          -    "
				     "    7.6 MiB        1.5 "
				     "GiB  my_func (demo.c:3)\n"
				     "            1     0.0 %                          "
				     "  152.6 MiB       29.8 "
				     "GiB  ... 1 more; -n COUNT shows more\n"
				     "            2     0.0 %                          "
				     "   80.1 MiB       31.3 "
				     "GiB  total\n"));
	free(text);
	profile_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(temporary_blocks_of_one_size_are_to_be_reused),
		cmocka_unit_test(values_that_come_again_are_to_be_kept),
		cmocka_unit_test(doubling_sizes_freed_here_are_to_be_reserved),
		cmocka_unit_test(sizes_at_random_are_no_growth),
		cmocka_unit_test(many_small_short_lived_blocks_are_for_a_pool),
		cmocka_unit_test(numbers_of_python_are_not_to_be_used_again),
		cmocka_unit_test(objects_of_pythons_classes_are_for_a_pool),
		cmocka_unit_test(lists_that_their_line_frees_are_for_a_generator),
		cmocka_unit_test(numbers_in_lists_are_for_an_array),
		cmocka_unit_test(nothing_gets_no_advice),
		cmocka_unit_test(every_report_can_be_written),
		cmocka_unit_test(the_example_reads_like_this),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
