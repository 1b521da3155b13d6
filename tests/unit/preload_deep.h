/*
 * preload_deep.h - stacks deeper than what is told of them: what was said of one, what is
 * there, and a stack of memory that is large enough for them.
 */
#pragma once

#include "tests/unit/preload_walks.h"

#include "preload/runs_take.h"

#include <alloca.h>
#include <ucontext.h>

#ifdef UNIT_SANITIZED
#include <sanitizer/asan_interface.h>
#endif

/* Functions that may be left by a jump, of which a sanitizer knows nothing on a stack
 * that is not the thread's first. */
#define JUMPED_OUT_OF __attribute__((noinline, no_sanitize("address")))

enum { DEEPEST = 120000, STACK_BYTES = 512 << 20 };

static struct runs *runs; /* in front of the last stack; NULL: none are */

/* ---- what was said, and what is there -------------------------------------- */

static struct {
	struct wire_node node[UNWIND_FRAMES];
	size_t n, cut; /* cut: its place; n: there is none */
	size_t steps;  /* frames walked for all of them */
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
			fail_msg("event %zu: frame %zu of %zu", events, i, n);
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
	size_t n;

	walks_begin();
	hear(node_of(pc, sp, fp[0]));
	said.steps += walked();
	n = unwind_stack(&other, pc, sp, fp[0], frames);
	unwind_tell(frames, n);
	return n;
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
	void *stack = walks_map(STACK_BYTES);

	assert_non_null(stack);
	job = f;
	getcontext(&deep_context);
	deep_context.uc_stack.ss_sp = stack;
	deep_context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&deep_context, do_job, 0);
	swapcontext(&main_context, &deep_context);
	forget_frames(stack, STACK_BYTES);
}
