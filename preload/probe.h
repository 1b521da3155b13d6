/*
 * probe.h - reading words of a stack that may end anywhere.
 *
 * A word is read if its page was seen to be readable: the thread's ranges remember
 * the pages, each new one costs a system call. A range is one word, so a signal
 * handler that unwinds in the middle of it all sees and leaves whole ranges only.
 *
 * A page may go later (the stack of a finished coroutine, unmapped): probe_forget()
 * says that one did, and every thread then looks again.
 */
#pragma once

#include "preload/arch.h"
#include "preload/hidden.h"
#include "preload/unwind.h"

/* The range that the last word was in: [low, high). Empty at first. */
struct probe_window {
	uintptr_t low, high;
};

/* Can the byte at `at` be read? One system call that changes nothing. */
bool probe_readable(uintptr_t at);

/* Ranges of all threads are void. Any thread, any time. */
void probe_forget(void);

/* Drops the ranges of this thread: they are looked at afresh. */
void probe_drop(struct unwind_thread *t);

extern HIDDEN _Atomic uint32_t probe_forgotten; /* grows with each probe_forget() */

/* To be called at each start of an unwinding: drops ranges that are void. */
static inline void probe_begin(struct unwind_thread *t)
{
	/* acquire: pairs with probe_forget(). */
	uint32_t now = atomic_load_explicit(&probe_forgotten, memory_order_acquire);

	if (__builtin_expect(t->forgotten == now, 1))
		return;
	probe_drop(t);
	t->forgotten = now;
}

/* Sets the window to a range that holds the page of `at`. False: not readable. */
bool probe_find(struct unwind_thread *t, struct probe_window *w, uintptr_t at);

ARCH_PEEK uint64_t probe_peek(uintptr_t at);

/* The word at `at`, which was seen to be readable. */
static inline uint64_t probe_load(uintptr_t at)
{
#ifdef ARCH_SANITIZED
	return probe_peek(at);
#else
	return *(const volatile uint64_t *)at;
#endif
}

/* The word at `at`. False: unaligned, or not readable. */
static inline bool probe_read(struct unwind_thread *t, struct probe_window *w,
			      uintptr_t at, uint64_t *ret)
{
	if (at % ARCH_WORD)
		return false;
	if (__builtin_expect(at < w->low || at >= w->high, 0) && !probe_find(t, w, at))
		return false;
	*ret = probe_load(at);
	return true;
}
