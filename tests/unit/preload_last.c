/*
 * preload_last.c - the memory of the last stack against walks that have none: after
 * every event the frames of its node are what unwind_stack() and unwind_stack_full()
 * see.
 */
#include "tests/unit/preload_calls.h"

static struct unwind_frame full[UNWIND_FRAMES];
static size_t joins;

static uint32_t last_of(uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
	uint32_t node;

	walks_begin();
	node = last_take(last, &thread, base, pc, sp, fp, spare);
	joins += last->count > walked();
	return node;
}

static __attribute__((noinline)) void event(void)
{
	uintptr_t *fp = __builtin_frame_address(0);
	uintptr_t pc = fp[1], sp = (uintptr_t)(fp + 2);
	uint32_t node = last_of(pc, sp, fp[0]);

	expect_frames(node, frames, unwind_stack(&other, pc, sp, fp[0], frames));
	expect_frames(node, full, unwind_stack_full(&other, pc, sp, fp[0], full));
}

/* ---- real stacks ----------------------------------------------------------- */

static void any_calls_and_jumps_give_the_stack_that_there_is(void **state)
{
	(void)state;
	joins = 0;
	for (int i = 0; i < 300; i++)
		wander(0, 24);
	assert_true(events > 1000);
	assert_true(joins > events / 2);
}

static void an_unchanged_stack_is_not_walked(void **state)
{
	(void)state;
	at_depth(50);
	assert_int_equal(walked(), 1); /* its innermost call may be another one */
	assert_true(last->count > 50);
	/* Around where stacks begin to be cut. */
	for (int d = UNWIND_FRAMES - 40; d < UNWIND_FRAMES + 3; d += 3)
		at_depth(d);
	at_depth(9000);
	assert_int_equal(walked(), 1);
	at_depth(8990);
	assert_true(walked() <= 2);
}

/* As event(), by one walker: for stacks of which the other takes long. */
static __attribute__((noinline)) void deep_event(void)
{
	uintptr_t *fp = __builtin_frame_address(0);
	uintptr_t pc = fp[1], sp = (uintptr_t)(fp + 2);
	uint32_t node = last_of(pc, sp, fp[0]);

	expect_frames(node, frames, unwind_stack(&other, pc, sp, fp[0], frames));
}

/* Down to `left` below, by calls from places that no period has, with events on the way
 * and on the way back: one in so many calls. */
static __attribute__((noinline)) void dive(int left, uint32_t one_in)
{
	if (!random_next(one_in))
		deep_event();
	if (!left)
		deep_event();
	else if (random_next(2))
		dive(left - 1, one_in);
	else
		dive(left - 1, one_in);
	if (!random_next(one_in))
		deep_event();
}

/* A frame that cannot be compared, outside of all: each event comes by it anew. */
static __attribute__((noinline)) void realigned(int depth)
{
	_Alignas(64) volatile char room[128];

	room[0] = 1;
	dive(depth, 100);
	__asm__ volatile("" ::"r"(room));
}

static void a_deep_stack_is_cut_as_without_a_memory(void **state)
{
	(void)state;
	for (int d = 1500; d < 3000; d += 97)
		dive(d, 500);
	/* Back and forth where the cut moves. */
	for (int i = 0; i < 40; i++)
		at_depth(UNWIND_FRAMES + UNWIND_STRIDE / 2 +
			 (int)random_next(2 * UNWIND_STRIDE));
	dive(12000, 400);
	realigned(4000);
}

/* Two stacks that part at one frame. (By another call inside all frames that are kept
 * would be others: not here.) */
static __attribute__((noinline)) void part(int left, int at)
{
	if (!left)
		deep_event();
	else if (left != at)
		part(left - 1, at);
	else
		part(left - 1, -1);
	if (left == at)
		part(left - 1, -1);
	__asm__ volatile("");
}

static void deep_stacks_that_part_anywhere_have_their_own_frames(void **state)
{
	(void)state;
	for (int at = UNWIND_INNER / 2; at < UNWIND_INNER + UNWIND_STRIDE; at++)
		part(UNWIND_FRAMES + UNWIND_STRIDE, at);
}

static void a_deep_recursion_takes_few_nodes(void **state)
{
	struct wire_header *header = (struct wire_header *)base;
	uint32_t before = header->nodes_used;

	(void)state;
	dive(12000, 20);
	assert_true(header->nodes_used - before < 12000 / UNWIND_STRIDE * 2048);
}

static void handlers_on_another_stack_are_walked_through(void **state)
{
	(void)state;
	calls_by_handlers(200);
}

static void another_stack_is_never_taken_for_the_last(void **state)
{
	(void)state;
	calls_by_coroutines(300);
}

/* ---- made stacks ----------------------------------------------------------- */

enum { WORDS = 96 };

static uint64_t made[WORDS];

/* The chain of frame pointers that code without tables leaves; any word may be wrong.
 */
static void make_word(size_t i, const char *code)
{
	uint64_t at = (uint64_t)&made[random_next(WORDS)];
	uint64_t any = chance_any(&random_state);

	switch (random_next(8)) {
	case 0:
		made[i] = 0;
		break;
	case 1:
		made[i] = any << random_next(40);
		break;
	case 2:
	case 3:
		made[i] = at;
		break;
	default:
		made[i] = i % 2 ? (uint64_t)code + random_next(64)
				: (uint64_t)&made[(i + 2 + random_next(2) * 2) % WORDS];
	}
}

static void any_word_of_the_stack_may_have_changed(void **state)
{
	char *code = mmap(NULL, ARCH_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	joins = events = 0;
	for (int i = 0; i < 40000; i++) {
		uintptr_t pc = (uintptr_t)code + random_next(3);
		uintptr_t sp = (uintptr_t)made,
			  fp = (uintptr_t)&made[random_next(2) * 2];
		size_t n;

		if (i % 16 == 0)
			for (size_t k = 0; k < WORDS; k++)
				made[k] = k % 2 ? (uintptr_t)code + random_next(64)
						: (uintptr_t)&made[(k + 2) % WORDS];
		else
			for (uint32_t k = random_next(2); k; k--)
				make_word(random_next(WORDS), code);
		made[WORDS - 1] = 0;
		if (!random_next(4)) { /* from a frame that else is a guess */
			size_t k = 2 * random_next(8);

			pc = made[k + 1] ? made[k + 1] : pc;
			sp = (uintptr_t)&made[k + 2];
			fp = made[k];
		}
		n = unwind_stack(&other, pc, sp, fp, frames);
		expect_frames(last_of(pc, sp, fp), frames, n);
	}
	assert_true(joins > events / 8);
	munmap(code, ARCH_PAGE);
}

/* ---- when there is none ---------------------------------------------------- */

static void a_new_generation_and_a_page_that_went_empty_it(void **state)
{
	(void)state;
	at_depth(20);
	unwind_dlclose_begin();
	event(); /* meanwhile there is none */
	assert_int_equal(walked(), 0);
	unwind_dlclose_end();
	event();
	assert_int_equal(walked(), last->count);
	unwind_unmapped();
	event();
	assert_int_equal(walked(), last->count);
}

static void a_full_tree_is_cut_as_without_it(void **state)
{
	struct wire_header *header = (struct wire_header *)base;
	uint32_t used = header->nodes_used, node;
	uintptr_t *fp = __builtin_frame_address(0);
	uintptr_t nowhere = (uintptr_t)an_unchanged_stack_is_not_walked + 1;
	size_t n, depth = 0;

	(void)state;
	header->nodes_used = WIRE_NODES;
	header->cut_stacks = 0;
	node = last_of(nowhere, (uintptr_t)fp + 16, fp[0]);
	assert_int_equal(header->cut_stacks, 1);
	assert_int_equal(last->count, 0);
	header->nodes_used = used;
	n = unwind_stack(&other, nowhere, (uintptr_t)fp + 16, fp[0], frames);
	for (uint32_t i = node; i; i = wire_node(base, i)->parent)
		depth++;
	assert_true(depth < n);
	expect_frames(node, frames + n - depth, depth);
}

static void an_entry_in_anothers_place_is_not_believed(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		struct last_step step = last->steps[0];
		struct last_node node = last->nodes[0];

		memmove(last->steps, last->steps + 1, (LAST_STEPS - 1) * sizeof(step));
		memmove(last->nodes, last->nodes + 1, (LAST_NODES - 1) * sizeof(node));
		last->steps[LAST_STEPS - 1] = step;
		last->nodes[LAST_NODES - 1] = node;
		at_depth((int)random_next(9));
	}
}

/* A hook that a handler left for good, or that sleeps on another stack. */
static void a_hook_that_never_came_back_ends_it(void **state)
{
	(void)state;
	last->busy = 1;
	at_depth(5);
	assert_int_equal(walked(), 0);
	last->busy = 0; /* the sleeper went on */
	at_depth(5);
	assert_int_equal(walked(), 0);
	last_init(last);
	at_depth(5);
	assert_int_equal(walked(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_calls_and_jumps_give_the_stack_that_there_is),
		cmocka_unit_test(an_unchanged_stack_is_not_walked),
		cmocka_unit_test(a_deep_stack_is_cut_as_without_a_memory),
		cmocka_unit_test(deep_stacks_that_part_anywhere_have_their_own_frames),
		cmocka_unit_test(a_deep_recursion_takes_few_nodes),
		cmocka_unit_test(handlers_on_another_stack_are_walked_through),
		cmocka_unit_test(another_stack_is_never_taken_for_the_last),
		cmocka_unit_test(any_word_of_the_stack_may_have_changed),
		cmocka_unit_test(a_new_generation_and_a_page_that_went_empty_it),
		cmocka_unit_test(a_full_tree_is_cut_as_without_it),
		cmocka_unit_test(an_entry_in_anothers_place_is_not_believed),
		cmocka_unit_test(a_hook_that_never_came_back_ends_it),
	};

	return walks_open() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
