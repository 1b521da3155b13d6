/*
 * preload_calls.h - real stacks to be walked, whose calls come and go by chance: jumps,
 * handlers on stacks of their own, coroutines. At their bottoms the test's own event() is
 * called.
 */
#pragma once

#include "tests/unit/preload_walks.h"

#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

static void event(void);

enum { CALLS_DEEPEST = 40, COROUTINES = 3 };

static jmp_buf jumps[CALLS_DEEPEST + 1];

/* Calls itself from one of several places, leaves by longjmp at times, allocates at any
 * depth; frames of two sizes. */
static __attribute__((noinline)) void wander(int depth, int deepest)
{
	volatile char *more = alloca(1 + random_next(2) * 40);

	more[0] = 1;
	if (!setjmp(jumps[depth]))
		while (random_next(6)) {
			if (depth == deepest || !random_next(3))
				event();
#define PLACE(i)                                                                       \
	else if (random_next(3) == (i))                                                \
	{                                                                              \
		wander(depth + 1, deepest);                                            \
		__asm__ volatile("" ::"i"(i));                                         \
	}
			PLACE(0)
			PLACE(1)
			PLACE(2)
#undef PLACE
			if (depth > 4 && !random_next(40))
				longjmp(jumps[random_next((uint32_t)depth)], 1);
		}
	event();
}

static __attribute__((noinline)) void at_depth(int depth)
{
	if (depth)
		at_depth(depth - 1);
	else
		for (int i = 0; i < 3; i++)
			event();
	__asm__ volatile("");
}

static void calls_on_signal(int number)
{
	(void)number;
	event();
	if (random_next(2))
		at_depth(3);
}

/* So many signals, half of which have a stack of their own. */
static void calls_by_handlers(int signals)
{
	static char stack[256 << 10];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)}, old;
	struct sigaction a = {.sa_handler = calls_on_signal};

	sigaltstack(&alternate, &old);
	for (int i = 0; i < signals; i++) {
		a.sa_flags = random_next(2) ? SA_ONSTACK : 0;
		sigaction(SIGUSR1, &a, NULL);
		at_depth((int)random_next(4));
		raise(SIGUSR1);
	}
	sigaltstack(&old, NULL);
}

static ucontext_t main_context, coroutines[COROUTINES];

static void coroutine_number(int me)
{
	for (;;) {
		at_depth((int)random_next(6));
		swapcontext(&coroutines[me], &main_context);
	}
}

/* On the stack where another one may have been. */
static __attribute__((noinline)) void make_coroutine(int me)
{
	static _Alignas(64) char stacks[COROUTINES][128 << 10];
	ucontext_t *c = &coroutines[me];

	memset(stacks[me], 0, sizeof(stacks[me]));
	getcontext(c);
	c->uc_stack.ss_sp = stacks[me];
	c->uc_stack.ss_size = sizeof(stacks[me]);
	makecontext(c, (void (*)(void))coroutine_number, 1, me);
}

static void calls_by_coroutines(int turns)
{
	for (int i = 0; i < COROUTINES; i++)
		make_coroutine(i);
	for (int i = 0; i < turns; i++) {
		int to = (int)random_next(COROUTINES);

		swapcontext(&main_context, &coroutines[to]);
		if (!random_next(3))
			event();
		if (!random_next(10))
			make_coroutine(to);
	}
}
