/*
 * Sampling as a statistician would check it, with fixed seeds: what passes once passes
 * always. And the set of recorded blocks against an oracle.
 */
#include "tests/unit/unit.h"

#include "cli/report/estimate.h"
#include "preload/sample.h"
#include "preload/wire.h"
#include "tests/unit/chance.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	INTERVAL = 4096,
	SEEDS = 400,
	ALLOCATIONS = 6000, /* by each seed */
};

static uint64_t state = 88172645463325252u;

static uint64_t chance(uint64_t below)
{
	return chance_below(&state, below);
}

static int open_tables(void **unused)
{
	(void)unused;
	return sample_init(INTERVAL);
}

/* The estimate of the bytes and blocks of allocations of these sizes. */
static struct profile_amount estimate(const size_t *sizes, size_t count)
{
	struct profile_amount sum = {0};

	for (size_t i = 0; i < count; i++)
		if (!sample_skips(sizes[i])) {
			sum.blocks += wire_weight(INTERVAL, sizes[i]);
			sum.bytes += wire_weight(INTERVAL, sizes[i]) * sizes[i];
		}
	return sum;
}

/* Sizes as programs have them: most are small, a few are greater than the interval. */
static size_t some_size(void)
{
	switch (chance(10)) {
	case 0:
		return 1 + chance(INTERVAL - 1);
	case 1:
		return chance(20) ? 1 + chance(16) : INTERVAL + chance(9 * INTERVAL);
	default:
		return 8 + 8 * chance(40);
	}
}

struct trial {
	size_t sizes[ALLOCATIONS];
	double bytes, blocks;			/* the truth */
	double bytes_variance, blocks_variance; /* by the formula */
};

static void draw_trial(struct trial *t)
{
	*t = (struct trial){0};
	for (size_t i = 0; i < ALLOCATIONS; i++) {
		double size = (double)(t->sizes[i] = some_size());
		double more = (double)wire_weight(INTERVAL, t->sizes[i]) - 1;

		t->bytes += size;
		t->blocks += 1;
		t->bytes_variance += size * size * more;
		t->blocks_variance += more;
	}
}

static void assert_near(double is, double should, double slack)
{
	if (is < should - slack || is > should + slack)
		fail_msg("%.1f is not %.1f +- %.1f", is, should, slack);
}

/* x within 4.5 standard errors of the mean: a bias of a few percent would show. */
static void estimates_are_unbiased_and_as_good_as_the_formula_says(void **unused)
{
	double bytes = 0, blocks = 0, bytes_squared = 0, blocks_squared = 0;
	struct profile p = {.sampled = INTERVAL};
	struct trial t;
	const double seeds = SEEDS;
	int covered = 0;

	(void)unused;
	state = 1234567;
	draw_trial(&t);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct profile_amount e;
		struct estimate_range range;
		double off_bytes, off_blocks;

		sample_seed(seed);
		e = estimate(t.sizes, ALLOCATIONS);
		range = estimate_range(&p, e.bytes);
		off_bytes = (double)e.bytes - t.bytes;
		off_blocks = (double)e.blocks - t.blocks;
		bytes += off_bytes / seeds;
		blocks += off_blocks / seeds;
		bytes_squared += off_bytes * off_bytes / seeds;
		blocks_squared += off_blocks * off_blocks / seeds;
		covered +=
			(double)range.low <= t.bytes && t.bytes <= (double)range.high;
	}
	/* Of 400 trials: the standard error of a mean is a twentieth of the deviation,
	 * that of a variance 7 percent of it. */
	assert_near(bytes * bytes * seeds / t.bytes_variance, 0, 4.5 * 4.5);
	assert_near(blocks * blocks * seeds / t.blocks_variance, 0, 4.5 * 4.5);
	assert_near(bytes_squared / t.bytes_variance, 1, 0.35);
	assert_near(blocks_squared / t.blocks_variance, 1, 0.35);
	assert_true(t.bytes_variance <= (double)INTERVAL * t.bytes);
	assert_true(covered >= SEEDS * ESTIMATE_PERCENT / 100);
}

/* Of blocks of one size, the share that is recorded: one in ceil(interval / size). */
static void check_share(uint64_t interval, size_t size)
{
	enum { TRIES = 1000000 };
	const double tries = TRIES, share = 1 / (double)wire_weight(interval, size);
	double off;
	uint64_t recorded = 0;

	atomic_store(&sample.interval, interval);
	sample_seed(77 + size);
	for (int n = 0; n < TRIES; n++)
		recorded += !sample_skips(size);
	atomic_store(&sample.interval, INTERVAL);
	off = (double)recorded - tries * share;
	if (off * off > 4.5 * 4.5 * tries * share * (1 - share))
		fail_msg("size %zu: %d of %d, not 1 in %.0f", size, (int)recorded,
			 TRIES, 1 / share);
}

static void each_size_is_recorded_as_often_as_it_stands_for_others(void **unused)
{
	static const uint64_t intervals[] = {50, INTERVAL};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		uint64_t interval = intervals[i];
		const size_t sizes[] = {1,
					7,
					20,
					interval / 5,
					interval / 3,
					interval / 3 + 1,
					interval / 2 - 1,
					interval / 2,
					interval / 2 + 1,
					interval - 1};

		for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++)
			check_share(interval, sizes[k]);
	}
}

static void great_blocks_are_always_recorded_and_empty_ones_never(void **unused)
{
	(void)unused;
	sample_seed(5);
	for (int i = 0; i < 100000; i++) {
		assert_false(sample_skips(INTERVAL + chance(3) * 1000));
		assert_true(sample_skips(0));
		sample_skips(chance(100));
		assert_true(sample_left > 0 && sample_left <= INTERVAL);
	}
	/* What no allocator can give leaves the count as it was. */
	assert_false(sample_skips(SIZE_MAX));
	assert_true(sample_left > 0 && sample_left <= INTERVAL);
}

static void threads_and_fork_children_have_points_of_their_own(void **unused)
{
	uint64_t left;

	(void)unused;
	sample_seed(5);
	left = sample_left;
	sample_forked();
	assert_int_equal(sample_left, 0);
	sample_skips(1);
	assert_true(sample_left > 0);
	assert_int_not_equal(sample_left, left);
}

/* ---- the set ------------------------------------------------------------- */

enum { ADDRESSES = 20000 };

static void *address(size_t i)
{
	return (void *)(0x7f0000000000 + i * 16);
}

static void only_recorded_blocks_are_recorded_as_freed(void **unused)
{
	static bool there[ADDRESSES];

	(void)unused;
	for (int n = 0; n < 2000000; n++) {
		size_t i = chance(ADDRESSES);

		if (!there[i] && chance(2)) {
			assert_true(sample_add(address(i)));
			there[i] = true;
		} else {
			assert_int_equal(sample_skips_free(address(i)), !there[i]);
			there[i] = false;
		}
	}
	for (size_t i = 0; i < ADDRESSES; i++)
		assert_int_equal(sample_skips_free(address(i)), !there[i]);
	/* And the filter is as before, or frees would look into the set for nothing. */
	for (size_t i = 0; i < 1 << SAMPLE_FILTER_BITS; i++)
		assert_int_equal(sample.filter[i], 0);
}

/* Neighbours in windows and counters, each its own thread's. */
static void *come_and_go(void *mine)
{
	size_t first = (size_t)mine, wrong = 0;

	for (int round = 0; round < 200; round++) {
		for (size_t i = first; i < ADDRESSES; i += 4)
			wrong += !sample_add(address(i));
		for (size_t i = first; i < ADDRESSES; i += 4)
			wrong += sample_skips_free(address(i));
		for (size_t i = first; i < ADDRESSES; i += 4)
			wrong += !sample_skips_free(address(i));
	}
	return (void *)wrong;
}

static void threads_find_their_own_among_the_others(void **unused)
{
	pthread_t thread[4];
	void *wrong;

	(void)unused;
	for (size_t i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, come_and_go, (void *)i);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(thread[i], &wrong);
		assert_int_equal((size_t)wrong, 0);
	}
}

static void a_full_set_refuses_and_forgets_nobody(void **unused)
{
	size_t added = 0;

	(void)unused;
	while (sample_add(address(added)))
		added++;
	assert_true(added > SAMPLE_SET_SLOTS / 4);
	assert_true(sample_skips_free(address(added)));
	for (size_t i = 0; i < added; i++)
		assert_false(sample_skips_free(address(i)));
	for (size_t i = 0; i < added; i++)
		assert_true(sample_skips_free(address(i)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			estimates_are_unbiased_and_as_good_as_the_formula_says),
		cmocka_unit_test(
			each_size_is_recorded_as_often_as_it_stands_for_others),
		cmocka_unit_test(great_blocks_are_always_recorded_and_empty_ones_never),
		cmocka_unit_test(threads_and_fork_children_have_points_of_their_own),
		cmocka_unit_test(only_recorded_blocks_are_recorded_as_freed),
		cmocka_unit_test(threads_find_their_own_among_the_others),
		cmocka_unit_test(a_full_set_refuses_and_forgets_nobody),
	};

	return cmocka_run_group_tests(tests, open_tables, NULL);
}
