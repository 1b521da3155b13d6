/*
 * preload_last_deep.c - the memory of a last stack that is cut, against walks that have
 * none: recursions of any depth that go up and down, jump out and come down another way.
 */
#include "tests/unit/unit.h"

#include "preload/arch.h"
#include "preload/last.h"
#include "preload/runs_take.h"

#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef UNIT_SANITIZED
#include <sanitizer/asan_interface.h>
#endif

/* Functions that may be left by a jump, of which a sanitizer knows nothing on a stack
 * that is not the thread's first. */
#define JUMPED_OUT_OF __attribute__((noinline, no_sanitize("address")))

enum { DEEPEST = 120000, JUMP_EVERY = 64, STACK_BYTES = 512 << 20 };

static char *base;
static struct last *last;
static struct runs *runs; /* in front of it; NULL: none are */
static struct unwind_thread thread, other;
static struct unwind_frame frames[UNWIND_FRAMES], spare[UNWIND_FRAMES];
static uint32_t seed = 1;

static uint32_t random_next(uint32_t below)
{
	seed = seed * 1103515245u + 12345u;
	return (uint32_t)((uint64_t)(seed >> 8) * below >> 24);
}

/* ---- what was said, and what is there -------------------------------------- */

static struct {
	struct wire_node node[UNWIND_FRAMES];
	size_t n, cut; /* cut: its place; n: there is none */
	size_t events, steps;
} said;

static bool is_cut(uint64_t pc_flags)
{
	return pc_flags >> WIRE_PC_BITS == WIRE_NODE_CUT;
}

static void hear(uint32_t node)
{
	said.n = 0;
	for (; node; node = wire_node(base, node)->parent) {
		assert_true(said.n < UNWIND_FRAMES);
		said.node[said.n++] = *wire_node(base, node);
	}
	for (said.cut = 0; said.cut < said.n; said.cut++)
		if (is_cut(said.node[said.cut].pc_flags))
			break;
}

static bool same(size_t i, size_t j)
{
	return said.node[i].pc_flags == frames[j].pc_flags &&
	       said.node[i].module == frames[j].module;
}

/* Frame by frame, the cut where it is. */
static void expect_all(size_t n)
{
	assert_int_equal(said.n, n);
	for (size_t i = 0; i < n; i++)
		if (!same(i, i))
			fail_msg("event %zu: frame %zu of %zu", said.events, i, n);
}

/* Both ends, and a cut between them that shows as many frames as any. */
static void expect_ends(size_t n)
{
	size_t least = said.cut;

	assert_true(said.cut < said.n);
	assert_int_equal(said.n - said.cut - 1, UNWIND_OUTER);
	assert_true(said.cut <= UNWIND_INNER);
	assert_true(said.cut > UNWIND_INNER - UNWIND_STRIDE);
	for (size_t i = 0; i < n && i < least; i++)
		if (is_cut(frames[i].pc_flags))
			least = i;
	assert_true(least > UNWIND_INNER - UNWIND_STRIDE);
	for (size_t i = 0; i < least; i++)
		assert_true(same(i, i));
	for (size_t i = 1; i <= UNWIND_OUTER; i++)
		assert_true(same(said.n - i, n - i));
}

/* How many frames were walked anew: the memory's far end shows it. */
static size_t walked(void)
{
	size_t n = 0;

	while (n < UNWIND_FRAMES && last->frames[LAST_FRAMES - 1 - n].sp != 1)
		n++;
	return n;
}

/* As hook_stack() asks. */
static uint32_t node_of(uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
	uint32_t node = runs ? runs_take(runs, last, pc, sp, fp) : 0;

	if (node)
		return node;
	node = last_take(last, &thread, base, pc, sp, fp, spare);
	if (runs)
		runs_keep(runs, last, pc, sp, fp, node);
	return node;
}

static size_t take(uintptr_t *fp)
{
	uintptr_t pc = fp[1], sp = (uintptr_t)(fp + 2);

	for (size_t i = 1; i <= UNWIND_FRAMES; i++)
		last->frames[LAST_FRAMES - i].sp = 1;
	hear(node_of(pc, sp, fp[0]));
	said.events++;
	said.steps += walked();
	return unwind_stack(&other, pc, sp, fp[0], frames);
}

static __attribute__((noinline)) void event(void)
{
	expect_all(take(__builtin_frame_address(0)));
}

/* ---- on a stack that is large enough --------------------------------------- */

static ucontext_t main_context, deep_context;
static void (*job)(void);
static uintptr_t end = 1; /* to where the outermost function returns, if not as usual */

static void do_job(void)
{
	volatile uintptr_t *fp = __builtin_frame_address(0);

	if (end != 1)
		fp[1] = end;
	job();
	swapcontext(&deep_context, &main_context);
}

/* Of functions that never returned, for those of the next stack at that address. */
static void forget_frames(void *stack, size_t bytes)
{
#ifdef UNIT_SANITIZED
	__asan_unpoison_memory_region(stack, bytes);
#endif
	munmap(stack, bytes);
	unwind_unmapped();
}

static void on_large_stack(void (*f)(void))
{
	void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(stack, MAP_FAILED);
	job = f;
	getcontext(&deep_context);
	deep_context.uc_stack.ss_sp = stack;
	deep_context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&deep_context, do_job, 0);
	swapcontext(&main_context, &deep_context);
	forget_frames(stack, STACK_BYTES);
}

/* ---- up and down ----------------------------------------------------------- */

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

static void wander_to(uint32_t deepest, int events, uint32_t strange)
{
	way.deepest = deepest;
	way.left = (uint32_t)events;
	way.strange = strange;
	on_large_stack(wander_anywhere);
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
	runs = mmap(NULL, sizeof(*runs), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(runs, MAP_FAILED);
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

/* ---- one frame for two ------------------------------------------------------ */

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
	char *stacks = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	assert_ptr_not_equal(stacks, MAP_FAILED);
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
		cmocka_unit_test(a_stack_that_fits_is_told_as_without_a_memory),
		cmocka_unit_test(a_stack_that_does_not_is_as_well),
		cmocka_unit_test(runs_in_front_tell_the_same),
		cmocka_unit_test(a_deep_stack_ends_as_a_shallow_one_does),
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

	base = mmap(NULL, WIRE_AT_DATA, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	last = mmap(NULL, sizeof(*last), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED || last == MAP_FAILED || unwind_init(base, 1))
		return 1;
	((struct wire_header *)base)->nodes_used = 1;
	last_init(last);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
