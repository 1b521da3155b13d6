/*
 * The heart of the collector, against targets that do anything in any order: see
 * engine_world.h.
 */
#include "tests/unit/engine_world.h"

/* How many frees made a pair of it. */
static uint64_t one_program(uint64_t seed, uint64_t noise, bool exact)
{
	struct world w;
	struct profile *p = bare_profile();

	open_world(&w, seed, noise);
	run(&w, 3000);
	finish_hooks(&w);
	drain(&w);
	assert_int_equal(engine_fill(w.engine, p), 0);
	check_sums(&w, p);
	check_live(&w, p, exact);
	if (exact)
		assert_int_equal(p->processes[0].domain[PROFILE_MALLOC].freed_bytes,
				 w.freed);
	engine_close(w.engine);
	free_profile(p);
	return w.joined;
}

static uint64_t seeds(void)
{
	const char *wanted = getenv("HEAPLINE_TEST_SEEDS");

	return wanted ? strtoull(wanted, NULL, 10) : (uint64_t)unit_rounds(2000);
}

static void the_live_set_is_the_truth_whatever_the_interleaving(void **state)
{
	uint64_t joined = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++)
		joined += one_program(seed, 0, true);
	assert_true(joined > 10 * seeds());
}

static void stamps_that_invert_a_hand_off_change_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++)
		one_program(seed, 2 * WIRE_TIME_UNIT, true);
}

static void stamps_that_are_noise_leave_no_block_unexplained(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++)
		one_program(seed, 1 + seed * seed % 50000, false);
}

static void check_who_freed(const struct world *w, const struct profile *p)
{
	uint64_t here[STACKS + 1] = {0};

	for (size_t i = 0; i < p->site_count; i++) {
		uint64_t id = p->stacks[p->sites[i].stack].pc - 1000;

		assert_uint_in_range(id, 1, STACKS);
		here[id] += p->sites[i].freed_here_bytes;
	}
	assert_memory_equal(here, w->freed_here, sizeof(here));
}

/* The sums would not tell: a free that was read before the free and the allocation
 * that came first takes the older block, and the older one's free the younger. Stamps
 * are right here, and no hook is interrupted, so the order is known to the last event,
 * however often threads go on between two rings that a pass looks at. */
static void each_block_is_freed_by_who_freed_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++) {
		struct world w;
		struct profile *p = bare_profile();

		open_world(&w, seed, 0);
		w.flat = true;
		run(&w, 3000);
		finish_hooks(&w);
		drain(&w);
		assert_int_equal(engine_fill(w.engine, p), 0);
		check_sums(&w, p);
		check_who_freed(&w, p);
		engine_close(w.engine);
		free_profile(p);
	}
}

/* Killed in the middle: what was committed counts, a realloc that had begun did not
 * happen, holes are skipped. */
static void one_kill(uint64_t seed)
{
	struct world w;
	struct profile *p = bare_profile();
	struct engine_process *process;

	open_world(&w, seed, seed % 2 ? 4 : 0);
	run(&w, 500 + (int)chance(&w, 1000));
	w.meanwhile = false;
	engine_pass(w.engine);
	process = engine_process(w.engine, 1);
	assert_non_null(process);
	engine_process_end(w.engine, process, PROFILE_SIGNALED, 9);
	assert_int_equal(engine_rings(w.engine), 0);
	assert_int_equal(engine_fill(w.engine, p), 0);
	check_sums(&w, p);
	assert_int_equal(p->processes[0].end, PROFILE_SIGNALED);
	assert_int_equal(atomic_load(&wire_process(w.base, 7)->state),
			 WIRE_PROCESS_FREE);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(atomic_load(&wire_ring(w.base, i)->state),
				 WIRE_RING_FREE);
	engine_close(w.engine);
	free_profile(p);
}

static void a_killed_process_loses_nothing_that_was_committed(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++)
		one_kill(seed);
}

enum { PROCESSES = 40 };

/* In the order in which they came, whoever ended meanwhile; and from one that ended on,
 * those behind it. */
static void check_living(struct engine *e, struct engine_process *const *all, size_t n)
{
	struct engine_process *at = engine_process_next_living(e, NULL);

	for (size_t i = 0; i < n; i++) {
		if (all[i]->ended)
			continue;
		assert_ptr_equal(at, all[i]);
		at = engine_process_next_living(e, at);
	}
	assert_null(at);
}

static void one_family(uint64_t seed)
{
	struct engine_process *all[PROCESSES], *stands = NULL;
	struct world w;
	size_t n = 1;

	open_world(&w, seed, 0);
	engine_pass(w.engine);
	all[0] = engine_process(w.engine, 1);
	assert_non_null(all[0]);
	while (n < PROCESSES) {
		struct engine_process *p = all[chance(&w, n)];

		if (chance(&w, 2)) {
			engine_process_end(w.engine, p, PROFILE_EXITED, 0);
			stands = p;
		} else {
			all[n] = engine_process_begin(w.engine, 10 + (uint32_t)n, 0, 5,
						      100 + (uint32_t)n);
			assert_non_null(all[n++]);
		}
		check_living(w.engine, all, n);
		if (stands) {
			p = engine_process_next_living(w.engine, stands);
			assert_true(!p || (!p->ended && p->serial > stands->serial));
		}
	}
	engine_close(w.engine);
}

static void the_living_are_those_that_have_not_ended(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++)
		one_family(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_live_set_is_the_truth_whatever_the_interleaving),
		cmocka_unit_test(stamps_that_invert_a_hand_off_change_nothing),
		cmocka_unit_test(stamps_that_are_noise_leave_no_block_unexplained),
		cmocka_unit_test(each_block_is_freed_by_who_freed_it),
		cmocka_unit_test(a_killed_process_loses_nothing_that_was_committed),
		cmocka_unit_test(the_living_are_those_that_have_not_ended),
	};

	return cmocka_run_group_tests(tests, set_up_world, tear_down_world);
}
