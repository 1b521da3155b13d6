/*
 * preload_runs.c - stacks that end in a run that was met before, beside walks that have
 * no memory: real calls, jumps, signals and coroutines, and made stacks whose words come
 * back to what they were.
 */
#include "tests/unit/preload_calls.h"

#include "preload/modules.h"
#include "preload/runs_take.h"

static struct runs *runs;
static size_t hits;

/* Of real stacks. Under a sanitizer their frames are aligned as it likes, which words do
 * not prove: such stacks have no runs. */
#ifdef ARCH_SANITIZED
#define assert_found(condition) ((void)(condition))
#else
#define assert_found(condition) assert_true(condition)
#endif

/* As hook_stack() asks. */
static uint32_t take(uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
	uint32_t node = runs_take(runs, last, pc, sp, fp);

	events++;
	hits += node != 0;
	if (node)
		return node;
	node = last_take(last, &thread, base, pc, sp, fp, spare);
	runs_keep(runs, last, pc, sp, fp, node);
	return node;
}

static void expect_stack(uint32_t node, uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
	expect_frames(node, frames, unwind_stack(&other, pc, sp, fp, frames));
}

static __attribute__((noinline)) void event(void)
{
	uintptr_t *fp = __builtin_frame_address(0);
	uintptr_t pc = fp[1], sp = (uintptr_t)(fp + 2);

	expect_stack(take(pc, sp, fp[0]), pc, sp, fp[0]);
}

static void up(void)
{
	memset(last, 0, sizeof(*last));
	memset(runs, 0, sizeof(*runs));
	last_init(last);
	events = hits = 0;
}

/* ---- real stacks ----------------------------------------------------------- */

static void any_calls_and_jumps_give_the_stack_that_there_is(void **state)
{
	(void)state;
	up();
	for (int i = 0; i < 6000; i++)
		wander(0, i % 2 ? 3 : CALLS_DEEPEST);
	assert_true(events > 10000);
	assert_found(hits > events / 10);
}

static __attribute__((noinline)) void leaf(void)
{
	event();
	__asm__ volatile("");
}

static __attribute__((noinline)) void other_leaf(void)
{
	event();
	__asm__ volatile("");
}

/* What a loop does is found after its second turn. */
static void a_loop_is_walked_twice(void **state)
{
	(void)state;
	up();
	for (int i = 0; i < 1000; i++) {
		leaf();
		other_leaf();
		at_depth(20);
		event();
	}
	assert_found(hits > events * 98 / 100);
}

/* Registers that a frame has saved differ from call to call, those of frame pointers
 * matter. */
static __attribute__((noinline)) void by_frame_pointer(size_t bytes, int depth)
{
	volatile char *more = alloca(bytes);

	more[0] = 1;
	if (depth)
		by_frame_pointer(bytes / 2 + 16, depth - 1);
	else
		event();
	more[bytes - 1] = 1;
}

static void frames_of_any_size_have_their_own_callers(void **state)
{
	(void)state;
	up();
	for (int i = 0; i < 3000; i++)
		by_frame_pointer(16 + 16 * random_next(6), (int)random_next(4));
	assert_found(hits > events / 2);
}

static void stacks_that_are_cut_have_no_runs(void **state)
{
	(void)state;
	up();
	for (int i = 0; i < 20; i++) {
		size_t before;

		at_depth(3);
		before = hits;
		at_depth(UNWIND_FRAMES + 5);
		assert_int_equal(hits, before);
		at_depth(UNWIND_FRAMES - 100);
	}
	assert_found(hits > 0);
}

static void handlers_on_another_stack_are_no_runs_of_this(void **state)
{
	(void)state;
	up();
	calls_by_handlers(400);
}

static void coroutines_have_their_own_stacks(void **state)
{
	(void)state;
	up();
	calls_by_coroutines(1000);
	assert_found(hits > events / 10);
}

/* ---- made stacks ----------------------------------------------------------- */

enum { WORDS = 64, INNER = 16, KEPT = 6 };

static uint64_t made[WORDS], outer[WORDS], kept[KEPT][INNER];

/* Words of a chain of frame pointers that code without tables leaves. */
static void make_chain(uint64_t *words, size_t n, const char *code)
{
	for (size_t i = 0; i < n; i++)
		words[i] = i % 2 ? (uint64_t)code + random_next(64)
				 : (uint64_t)&made[i + 2 +
						   (i < INNER) * random_next(2) * 2];
}

/* The innermost frames are what they were some time ago, mostly; the others what they
 * were; and now and then any word is wrong. */
static void make(const char *code)
{
	size_t k = random_next(KEPT);

	if (!random_next(2000))
		make_chain(outer, WORDS, code);
	if (!random_next(100))
		make_chain(kept[k], INNER, code);
	memcpy(made, outer, sizeof(made));
	memcpy(made, kept[k], sizeof(kept[k]));
	if (!random_next(20))
		made[random_next(WORDS)] = (uint64_t)code + random_next(64);
	if (!random_next(200))
		made[random_next(WORDS)] = (uint64_t)&made[random_next(WORDS)];
	made[WORDS - 1] = 0;
}

static void any_word_of_the_stack_may_have_changed(void **state)
{
	char *code = mmap(NULL, ARCH_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(code, MAP_FAILED);
	up();
	make_chain(outer, WORDS, code);
	for (size_t i = 0; i < KEPT; i++)
		make_chain(kept[i], INNER, code);
	for (int i = 0; i < 60000; i++) {
		uintptr_t pc = (uintptr_t)code + random_next(2);
		uintptr_t sp = (uintptr_t)made;
		uintptr_t fp = (uintptr_t)&made[random_next(2) * 2];

		make(code);
		if (random_next(2)) { /* from a frame that else is a guess */
			size_t k = 2 * random_next(6);

			pc = made[k + 1] ? made[k + 1] : pc;
			sp = (uintptr_t)&made[k + 2];
			fp = made[k];
		}
		expect_stack(take(pc, sp, fp), pc, sp, fp);
	}
	assert_true(hits > events / 8);
	munmap(code, ARCH_PAGE);
	unwind_unmapped();
}

/* ---- when there are none --------------------------------------------------- */

static __attribute__((noinline)) size_t hits_of(void (*what)(void))
{
	size_t before = hits;

	what();
	return hits - before;
}

static __attribute__((noinline)) void loop(void)
{
	for (volatile int i = 0; i < 5; i++) /* not unrolled */
		leaf();
}

static void a_new_generation_and_a_page_that_went_empty_them(void **state)
{
	(void)state;
	up();
	/* Of five; the first is no run, as there was no stack to join. */
	assert_found(hits_of(loop) >= 2);
	assert_int_equal(hits_of(leaf), 0); /* by another caller */
	assert_found(hits_of(loop) >= 2);
	unwind_dlclose_begin();
	assert_int_equal(hits_of(loop), 0);
	unwind_dlclose_end();
	assert_found(hits_of(loop) >= 2);
	unwind_unmapped();
	assert_found(hits_of(loop) >= 2);
}

/* Another hook of the thread sleeps in the middle, or a stack was taken without them. */
static void a_stack_that_they_know_nothing_of_is_not_joined(void **state)
{
	(void)state;
	up();
	loop();
	last->busy = 1;
	assert_int_equal(hits_of(loop), 0);
	up();
	loop();
	last->noted = 0;
	assert_int_equal(hits_of(leaf), 0);
}

static void what_another_thread_had_is_not_believed(void **state)
{
	(void)state;
	up();
	for (volatile int i = 0; i < 2; i++) { /* not unrolled */
		assert_found(hits_of(loop) >= 2);
		for (size_t k = 0; k < RUNS; k++)
			runs->of[k].node = 1;
		memset(last, 0, sizeof(*last));
		last_init(last);
		runs_drop(runs);
	}
}

/* Each proves itself. */
static void a_run_in_anothers_place_is_not_believed(void **state)
{
	(void)state;
	up();
	for (int i = 0; i < 2000; i++) {
		struct run *a = &runs->of[random_next(RUNS)];
		struct run *b = &runs->of[random_next(RUNS)], was = *a;

		*a = *b;
		*b = was;
		at_depth((int)random_next(9));
		if (random_next(3))
			leaf();
		else
			other_leaf();
	}
}

static void more_words_than_there_is_room_for_begin_anew(void **state)
{
	(void)state;
	up();
	for (int i = 0; i < 400; i++)
		for (int depth = 0; depth < 200; depth += 1 + (int)random_next(20))
			at_depth(depth);
	assert_found(hits > events / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_calls_and_jumps_give_the_stack_that_there_is),
		cmocka_unit_test(a_loop_is_walked_twice),
		cmocka_unit_test(frames_of_any_size_have_their_own_callers),
		cmocka_unit_test(stacks_that_are_cut_have_no_runs),
		cmocka_unit_test(handlers_on_another_stack_are_no_runs_of_this),
		cmocka_unit_test(coroutines_have_their_own_stacks),
		cmocka_unit_test(any_word_of_the_stack_may_have_changed),
		cmocka_unit_test(a_new_generation_and_a_page_that_went_empty_them),
		cmocka_unit_test(a_stack_that_they_know_nothing_of_is_not_joined),
		cmocka_unit_test(what_another_thread_had_is_not_believed),
		cmocka_unit_test(a_run_in_anothers_place_is_not_believed),
		cmocka_unit_test(more_words_than_there_is_room_for_begin_anew),
	};

	runs = walks_map(sizeof(*runs));
	return runs && walks_open() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
