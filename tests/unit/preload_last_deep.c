/*
 * preload_last_deep.c - the memory of a last stack that is cut, against walks that have
 * none: recursions of any depth that go up and down, jump out and come down another way.
 */
#include "tests/unit/preload_deep.h"

#include <setjmp.h>
#include <signal.h>

enum { JUMP_EVERY = 64 };

static size_t unseen; /* of this test's stacks: whose middle had changed unseen */

/* Where other frames have come into the middle that take up the same bytes, it is told
 * later: see last.h. That is so of few. */
static __attribute__((noinline)) void event(void)
{
	size_t n = take(__builtin_frame_address(0));

	if (said.n == n) {
		expect_all(n);
	} else {
		expect_ends(n);
		unseen++;
	}
}

static struct {
	uint32_t target, deepest, left; /* events that are left */
	uint32_t strange;		/* one frame in so many; 0: none */
	jmp_buf jumps[DEEPEST / JUMP_EVERY + 1];
} way;

static void wander(uint32_t depth);

static uint32_t next_target(uint32_t depth)
{
	uint32_t reach[] = {2, 40, 700, 9000, way.deepest}, r = reach[random_next(5)];
	uint32_t low = depth > r ? depth - r : 0, high = depth + r;

	high = high < way.deepest ? high : way.deepest;
	return low + random_next(high - low + 1);
}

static JUMPED_OUT_OF void wander_small(uint32_t depth)
{
	wander(depth + 1);
	__asm__ volatile("");
}

static JUMPED_OUT_OF void wander_large(uint32_t depth)
{
	volatile char *room = alloca(16 + random_next(4) * 16);

	room[0] = 1;
	wander(depth + 1);
	__asm__ volatile("" ::"r"(room));
}

/* A frame that cannot be compared. */
static JUMPED_OUT_OF void wander_aligned(uint32_t depth)
{
	_Alignas(64) volatile char room[128];

	room[0] = 1;
	wander(depth + 1);
	__asm__ volatile("" ::"r"(room));
}

static uint32_t depth_of_handler;

static JUMPED_OUT_OF void on_signal(int number)
{
	(void)number;
	wander(depth_of_handler + 1);
}

static JUMPED_OUT_OF void wander_by_signal(uint32_t depth)
{
	struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};

	depth_of_handler = depth;
	sigaction(SIGUSR1, &a, NULL);
	raise(SIGUSR1);
}

static JUMPED_OUT_OF void go_deeper(uint32_t depth)
{
	if (way.strange && !random_next(way.strange)) {
		if (random_next(2))
			wander_aligned(depth);
		else
			wander_by_signal(depth);
	} else if (random_next(8)) {
		wander_small(depth);
	} else {
		wander_large(depth);
	}
}

/* Levels are of two frames, more or less. */
static JUMPED_OUT_OF void wander(uint32_t depth)
{
	if (depth % JUMP_EVERY == 0)
		setjmp(way.jumps[depth / JUMP_EVERY]);
	for (;;) {
		while (way.left && way.target == depth) {
			way.left--;
			event();
			way.target = next_target(depth);
		}
		if (!way.left || way.target < depth)
			break;
		go_deeper(depth);
	}
	if (way.left && !random_next(40))
		longjmp(way.jumps[way.target / JUMP_EVERY], 1);
}

static void wander_anywhere(void)
{
	way.target = way.deepest / 2;
	wander(0);
}

static void wander_to(uint32_t deepest, int stacks, uint32_t strange)
{
	way.deepest = deepest;
	way.left = (uint32_t)stacks;
	way.strange = strange;
	unseen = 0;
	on_large_stack(wander_anywhere);
	assert_uint_in_range(unseen, 0, 10 + (size_t)stacks / 50);
}

static void a_stack_that_fits_is_told_as_without_a_memory(void **state)
{
	(void)state;
	wander_to(1500, unit_rounds(4000), 0);
	wander_to(1500, unit_rounds(1000), 1000);
}

static void a_stack_that_does_not_is_as_well(void **state)
{
	(void)state;
	wander_to(12500, unit_rounds(2000), 0);
	wander_to(12500, unit_rounds(500), 5000);
	wander_to(50000, unit_rounds(500), 0);
	wander_to(50000, unit_rounds(100), 20000);
}

/* Deep ones come and go between those that are not cut. */
static void runs_in_front_tell_the_same(void **state)
{
	(void)state;
	runs = walks_map(sizeof(*runs));
	assert_non_null(runs);
	wander_to(1100, unit_rounds(3000), 0);
	wander_to(1100, unit_rounds(500), 1000);
	wander_to(12500, unit_rounds(300), 0);
	munmap(runs, sizeof(*runs));
	runs = NULL;
}

/* Where a return address is 0, and where it leads nowhere. */
static void a_deep_stack_ends_as_a_shallow_one_does(void **state)
{
	(void)state;
	for (end = 0; end <= 16; end += 16) {
		wander_to(2500, unit_rounds(200), 0);
		wander_to(25000, unit_rounds(60), 0);
	}
	end = 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stack_that_fits_is_told_as_without_a_memory),
		cmocka_unit_test(a_stack_that_does_not_is_as_well),
		cmocka_unit_test(runs_in_front_tell_the_same),
		cmocka_unit_test(a_deep_stack_ends_as_a_shallow_one_does),
	};

	return walks_open() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
