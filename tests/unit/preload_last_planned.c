/*
 * preload_last_planned.c - the memory of a last stack that is cut, where frames are as
 * one wants them: of other sizes, called from elsewhere, going on as another stack,
 * unknown to rows; and what it takes.
 */
#include "tests/unit/preload_deep.h"

#include <string.h>

static __attribute__((noinline)) void event(void)
{
	expect_all(take(__builtin_frame_address(0)));
}

/* Levels of one frame, whose bytes are as one wants them. */
static struct {
	uint32_t until, bytes[DEEPEST];
	bool other_site[DEEPEST]; /* called from another place */
	uintptr_t sp[2];
	void (*bottom)(void);
} plan;

static void descend(uint32_t depth);

/* The call is another one. */
#define elsewhere(depth)                                                               \
	do {                                                                           \
		descend(depth);                                                        \
		__asm__ volatile("nop");                                               \
	} while (0)

static JUMPED_OUT_OF void descend(uint32_t depth)
{
	volatile char *room = alloca(plan.bytes[depth]);

	room[0] = 1;
	if (depth < 2)
		plan.sp[depth] = (uintptr_t)__builtin_frame_address(0);
	if (depth == plan.until)
		plan.bottom();
	else if (plan.other_site[depth])
		elsewhere(depth + 1);
	else
		descend(depth + 1);
	__asm__ volatile("" ::"r"(room));
}

static void measure(void)
{
}

static bool unseen; /* there may be another number of frames than is thought */

static void at_the_end(void)
{
	size_t n = take(__builtin_frame_address(0));

	if (unseen)
		expect_ends(n);
	else
		expect_all(n);
}

/* So many levels, of 16 bytes of room. */
static void plan_even(uint32_t until)
{
	memset(&plan, 0, sizeof(plan));
	for (uint32_t i = 0; i < DEEPEST; i++)
		plan.bytes[i] = 16;
	plan.until = until;
	plan.bottom = at_the_end;
}

/*
 * The middle is made anew, with as many bytes and another number of frames: from what is
 * verified it can't be seen. Then a few frames come and go.
 */
static void swap_the_middle(void)
{
	uint32_t frame, inner = 3000;

	plan_even(1);
	plan.bottom = measure;
	descend(0);
	frame = (uint32_t)(plan.sp[0] - plan.sp[1]);
	plan.bottom = at_the_end;
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t pairs = random_next(round % 2 ? 1000 : 4000);

		/* Of 8000 frames some pairs are one frame. */
		for (uint32_t i = 2000; i < 2000 + 8000; i++)
			plan.bytes[i] = 16 + (i < 2000 + pairs ? frame : 0);
		inner += random_next(3) - 1;
		plan.until = 2000 + 8000 - pairs + inner;
		unseen = round;
		descend(0);
	}
	unseen = false;
}

static void a_middle_that_changed_unseen_is_still_between_both_ends(void **state)
{
	(void)state;
	on_large_stack(swap_the_middle);
}

/* As many frames, of which some are called from elsewhere. */
static void call_from_elsewhere(void)
{
	uint32_t depths[] = {2300, 9000, 20000, 60000};

	for (uint32_t i = 0; i < 4; i++) {
		plan_even(depths[i]);
		for (int round = 0; round < unit_rounds(100); round++) {
			uint32_t near[] = {UNWIND_OUTER + 20, 1300, plan.until};
			uint32_t at = random_next(near[random_next(3)]);

			at = random_next(2) ? at : plan.until - 1 - at % plan.until;
			plan.other_site[at] ^= true;
			descend(0);
		}
	}
}

static void a_call_from_elsewhere_is_seen_at_both_ends(void **state)
{
	(void)state;
	on_large_stack(call_from_elsewhere);
}

/* ---- a stack that goes on as another one -------------------------------------- */

static struct {
	ucontext_t context;
	uintptr_t fp;
} far[2];
static uintptr_t far_pc;
static volatile uintptr_t *link_word;
static int far_now;

static JUMPED_OUT_OF void note(uintptr_t fp)
{
	far_pc = (uintptr_t)__builtin_return_address(0);
	far[far_now].fp = fp;
	swapcontext(&far[far_now].context, &main_context);
}

/* Its caller's frame is found by rbp. */
static JUMPED_OUT_OF void wait_here(void)
{
	volatile char *room = alloca(16 + random_next(2) * 16);

	room[0] = 1;
	note((uintptr_t)__builtin_frame_address(0));
	__asm__ volatile("" ::"r"(room));
}

static void wait_deep(void)
{
	plan_even(1500 + 300 * far_now);
	for (uint32_t i = 0; i < plan.until; i++)
		plan.other_site[i] = random_next(2);
	plan.bottom = wait_here;
	descend(0);
}

static void at_either(void)
{
	uintptr_t own = *link_word;

	for (int i = 0; i < 6; i++) {
		*link_word = far[i % 4 / 2].fp;
		event();
	}
	*link_word = own;
}

static __attribute__((noinline)) void be_called_from_far(void)
{
	volatile uintptr_t *fp = __builtin_frame_address(0);
	uintptr_t pc = fp[1];

	link_word = fp;
	fp[1] = far_pc;
	descend(0);
	fp[1] = pc;
}

/* From a stack that is not cut yet on. */
static void at_one_and_then_deeper(void)
{
	uintptr_t own = *link_word;

	*link_word = far[0].fp;
	event();
	*link_word = far[1].fp;
	plan_even(30000);
	descend(0);
	*link_word = own;
}

static void go_from_far(void)
{
	uint32_t depths[] = {10, 700, 3000, 9000, 30000};

	plan_even(10);
	plan.bottom = at_one_and_then_deeper;
	be_called_from_far();

	for (uint32_t i = 0; i < 5; i++) {
		plan_even(depths[i]);
		plan.bottom = at_either;
		be_called_from_far();
		__asm__ volatile(""); /* no tail call */
	}
}

static void a_stack_may_go_on_as_another_one_in_its_middle(void **state)
{
	const size_t bytes = 64 << 20;
	char *stacks = walks_map(2 * bytes);

	(void)state;
	assert_non_null(stacks);
	for (far_now = 0; far_now < 2; far_now++) {
		ucontext_t *c = &far[far_now].context;

		getcontext(c);
		c->uc_stack.ss_sp = stacks + (size_t)far_now * bytes;
		c->uc_stack.ss_size = bytes;
		makecontext(c, wait_deep, 0);
		swapcontext(&main_context, c);
	}
	on_large_stack(go_from_far);
	forget_frames(stacks, 2 * bytes);
}

/* ---- what it takes ---------------------------------------------------------- */

static void bottom_events(void)
{
	size_t before;

	event();
	before = said.steps;
	for (int i = 0; i < 3; i++)
		event();
	/* From one call to the next, the call is another one. */
	assert_uint_in_range(said.steps - before, 3, 3);
}

static void go_down(void)
{
	plan_even(0);
	plan.bottom = bottom_events;
	for (plan.until = 2500; plan.until < DEEPEST - 1; plan.until += 9000)
		descend(0);
}

static void an_unchanged_stack_of_any_depth_is_not_walked(void **state)
{
	(void)state;
	on_large_stack(go_down);
}

static uint32_t climbed;

/* An event on each way, at each 50th level. */
static JUMPED_OUT_OF void climb(uint32_t left)
{
	if (left % 50 == 0)
		climbed++, (void)take(__builtin_frame_address(0));
	if (left)
		climb(left - 1);
	if (left % 50 == 0)
		climbed++, (void)take(__builtin_frame_address(0));
	__asm__ volatile("");
}

static void climb_far(void)
{
	climb(70000);
}

/* Whichever the depth, the walk begins where the last one ended: `walked()` is at most
 * UNWIND_FRAMES, and mostly what has changed. */
static void a_deep_recursion_walks_what_has_changed(void **state)
{
	(void)state;
	said.steps = climbed = 0;
	on_large_stack(climb_far);
	assert_uint_in_range(climbed, 2800, 2804);
	assert_uint_in_range(said.steps, climbed * 25, climbed * 120);
}

/* ---- when there is none ----------------------------------------------------- */

/* As much of the stack is told as there is room for, from its outermost frame on. */
static __attribute__((noinline)) void fill(void)
{
	struct wire_header *header = (struct wire_header *)base;
	uint32_t used = header->nodes_used;

	for (int i = 0; i < 3; i++) {
		uint64_t cut = header->cut_stacks;
		size_t n;

		header->nodes_used = WIRE_NODES;
		n = take(__builtin_frame_address(0));
		header->nodes_used = used;
		assert_uint_in_range(said.n, 1, n - 1);
		for (size_t k = 1; k <= said.n; k++)
			assert_true(same(said.n - k, n - k));
		assert_int_equal(header->cut_stacks, cut + 1);
		assert_uint_in_range(walked(), 0, i ? 0 : 2);
	}
	event();
	event();
	assert_uint_in_range(walked(), 1, 1);
}

static __attribute__((noinline)) void lose_it_all(void)
{
	event();
	unwind_unmapped();
	event();
	assert_uint_in_range(walked(), 1024, UNWIND_FRAMES);
	event();
	assert_uint_in_range(walked(), 1, 1);
	unwind_dlclose_begin();
	event();
	unwind_dlclose_end();
	event();
	event();
	assert_uint_in_range(walked(), 1, 1);
	fill();
	__asm__ volatile(""); /* no tail call */
}

static void go_and_lose_it(void)
{
	uint32_t depths[] = {2500, 9000, 40000};

	for (uint32_t i = 0; i < 3; i++) {
		plan_even(depths[i]);
		plan.bottom = lose_it_all;
		descend(0);
	}
}

static void a_memory_that_was_lost_is_made_anew(void **state)
{
	(void)state;
	on_large_stack(go_and_lose_it);
}

#ifdef __x86_64__
/* Its frame is found by a register that no row knows. */
void call_by_r12(void (*function)(void));
__asm__(".text\n"
	".type call_by_r12, @function\n"
	"call_by_r12:\n"
	".cfi_startproc\n"
	"push %r12\n"
	".cfi_def_cfa_offset 16\n"
	".cfi_offset 12, -16\n"
	"mov %rsp, %r12\n"
	".cfi_def_cfa 12, 16\n"
	"call *%rdi\n"
	"pop %r12\n"
	".cfi_def_cfa 7, 8\n"
	"ret\n"
	".cfi_endproc\n"
	".size call_by_r12, .-call_by_r12\n");

static void event_by_r12(void)
{
	event();
	event();
	assert_int_equal(last->count, 0);
}

static __attribute__((noinline)) void with_registers(void)
{
	event();
	call_by_r12(event_by_r12);
	event();
	event();
	assert_uint_in_range(walked(), 1, 1);
}

static void go_with_registers(void)
{
	uint32_t depths[] = {1500, 2500, 9000, 40000};

	for (uint32_t i = 0; i < 4; i++) {
		plan_even(depths[i]);
		plan.bottom = with_registers;
		descend(0);
	}
}

static void a_frame_that_is_no_row_is_walked_by_all_registers(void **state)
{
	(void)state;
	on_large_stack(go_with_registers);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_from_elsewhere_is_seen_at_both_ends),
		cmocka_unit_test(a_stack_may_go_on_as_another_one_in_its_middle),
		cmocka_unit_test(a_memory_that_was_lost_is_made_anew),
#ifdef __x86_64__
		cmocka_unit_test(a_frame_that_is_no_row_is_walked_by_all_registers),
#endif
		cmocka_unit_test(
			a_middle_that_changed_unseen_is_still_between_both_ends),
		cmocka_unit_test(an_unchanged_stack_of_any_depth_is_not_walked),
		cmocka_unit_test(a_deep_recursion_walks_what_has_changed),
	};

	return walks_open() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
