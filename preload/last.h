/*
 * last.h - the memory of a thread's last stack, and the node of its next.
 *
 * From one event of a thread to its next, few frames change: the rest is verified, not
 * walked. The frames of the last stack are kept with all the state that a walk by rows
 * and guesses has in each: pc, rsp, rbp.
 *
 *	frames[count]	innermost	pc, sp, fp, node
 *	...
 *	frames[1]	outermost	pc, sp, fp, node
 *	frames[0]	stop		sp above every other
 *
 * The new stack is walked from the hook. Where a frame's state equals that of a kept
 * one, its caller's is what it was if the words that lead there are what they were:
 * frames[i - 1] follows from frames[i], its return address at frames[i - 1].sp - 8 and
 * its rbp, where it was saved. So those words are read, frame by frame, and compared.
 * Up to the outermost: the stacks are joined, and only the new frames are interned. Up
 * to a difference: the walk goes on from there. Frames that a comparison of two words
 * can't prove (signal handlers', over-aligned ones) are walked each time.
 *
 * What is read is just what a walk would read, in its order, hence as safe; nothing is
 * assumed of a stack that another one may have replaced. A kept stack holds for one
 * generation of modules (modules.h), and while no stack page went (probe.h).
 *
 * Only a thread's outermost hook uses it. A hook that finds it in use has replaced one
 * that never came back, or that sleeps on another stack (a signal handler switched
 * coroutines in the middle of a hook) and may go on later: then this thread has no
 * memory any more.
 */
#pragma once

#include "preload/tree.h"
#include "preload/unwind.h"

enum { LAST_RUNS = 512 }; /* a power of two */

struct last_frame {
	uintptr_t pc, sp, fp;
	uint32_t node; /* of the stack that ends here */
	/* Words from the CFA (the sp of the frame outside) to the saved rbp, or an
	 * enum last_slot. */
	int16_t slot;
	uint16_t module : 12, flags : 4; /* as in struct unwind_frame */
};
_Static_assert(sizeof(struct last_frame) == 32, "two frames a cache line");

enum last_slot {
	LAST_SAME = -1, /* rbp is as it was: where the return address is */
	LAST_OPAQUE = INT16_MIN,
};

struct last {
	uint32_t busy, off;
	uint32_t count;
	uint32_t generation, forgotten; /* that it holds for */
	/* By a hash of a run of new frames and the node outside: the node that the run
	 * ended in. A guess, which the nodes themselves confirm. */
	uint32_t runs[LAST_RUNS];
	struct last_frame frames[UNWIND_FRAMES + 1];
	struct last_frame changed[UNWIND_FRAMES + 1]; /* the innermost first */
};

/* Remembers nothing. */
void last_init(struct last *l);

/* The node of the stack that is unwind_stack()'s with these arguments; t is the same
 * thread's. `spare` is for stacks that the memory has no part in. */
uint32_t last_node(struct last *l, struct unwind_thread *t, void *base, uintptr_t pc,
		   uintptr_t sp, uintptr_t fp, struct unwind_frame *spare);

/* The same without a memory. */
uint32_t last_unused_node(struct unwind_thread *t, void *base, uintptr_t pc,
			  uintptr_t sp, uintptr_t fp, struct unwind_frame *frames);
