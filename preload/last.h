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
 * A frame's rbp matters only if it is *live*: if some frame outside finds its CFA by it
 * before another one restores it. Else it is neither compared nor kept up to date; code
 * without frame pointers changes it all the time.
 *
 *	live[i] = uses[i] || (slot[i] == 0 && live[i - 1])
 *
 * A stack of more than UNWIND_FRAMES is told by both ends (unwind_cut()), and costs what
 * they take, however deep it is. The frames that are left out of it have no node; those
 * behind have that of the stack that is cut there. Of a stack that is too deep for the
 * memory, frames between the outermost ones and the rest are not kept: their number is,
 * and if one of them was strange.
 *
 *	frames[count .. cut + 1]	innermost	node behind the cut
 *	frames[cut .. UNWIND_OUTER + 1]	left out
 *	(gap)				left out, and not kept
 *	frames[UNWIND_OUTER .. 1]	outermost	node
 *
 *	depth of frames[i]	i, or i + gone for i > UNWIND_OUTER (and for `cut`)
 *
 * Where such a stack is met again, the frames that are told are verified: from there to
 * the cut, and then from frames[UNWIND_OUTER] outwards. What lies between was looked at
 * when it was last walked, and only then. What can be said of it:
 *
 * - Each frame that is told is there, in that order, and some are left out between.
 * - The two ends are of one stack, unless it goes on as another one between them. A frame
 *   where it could (one that words cannot prove, or larger than 64 KiB) is *strange*: a
 *   stack that has one between both ends is verified whole, as one that is not cut, and
 *   walked anew if it is in the gap.
 * - Frames in the middle may have gone, and others come that take up the very same bytes,
 *   with inside of them the same frames as before, at the same addresses. If those are
 *   another number of frames, a walk would put the cut elsewhere: it shows some of the
 *   UNWIND_STRIDE frames before it more, or less. A cut says that frames are left out, and
 *   not how many. Once the stack is so shallow that it need not be cut, it is verified
 *   whole, and the number is right again.
 *
 * The frames of a new stack are put into the far end of the same array, downwards, as it
 * is walked; the kept ones that were passed by are not needed any more.
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

enum last_limit {
	LAST_STEPS = 512, /* powers of two */
	LAST_NODES = 1024,
	LAST_FRAMES = 12 << 10, /* deeper stacks have a gap */
	LAST_OPAQUE = -(1 << 13),
};

/* last_frame.how: words from the CFA, which is the sp of the frame outside, to the
 * saved rbp (14, signed; 0: it is unchanged; LAST_OPAQUE: the step is taken anew each
 * time) | CHECK | LIVE | USES | flags (3) | module (12) */
enum last_how {
	LAST_FLAGS_SHIFT = 12,
	LAST_USES = 1 << 15,  /* the CFA is found by rbp, or in any other way */
	LAST_LIVE = 1 << 16,  /* rbp is */
	LAST_CHECK = 1 << 17, /* the saved rbp is to be compared, or LAST_OPAQUE */
	LAST_SLOT_SHIFT = 18,
};

struct last_frame {
	uintptr_t pc, sp, fp;
	uint32_t node; /* of the stack that ends here */
	uint32_t how;
};
_Static_assert(sizeof(struct last_frame) == 32, "two frames a cache line");

/* The number of the module that it is in; 0: of none. */
static inline uint32_t last_module(const struct last_frame *f)
{
	return f->how & ((1u << LAST_FLAGS_SHIFT) - 1);
}

/* What the row of a return address says, if it is of kind ROW_SP or ROW_FP. */
struct last_step {
	uintptr_t pc;  /* 0: free */
	uint64_t word; /* the row's CFA offset, on top as there | last_frame.how */
};

/* A node that was looked up before. */
struct last_node {
	uint64_t pc_flags; /* as wire_node's, and NODE_KNOWN; 0: free */
	uint32_t outside;  /* parent */
	uint32_t node;
};

struct last {
	uint32_t busy, off;
	uint32_t count;
	uint32_t epoch;	     /* unwind_epoch that all of it holds for; 0: of none */
	uint32_t generation; /* of the steps and nodes */
	uintptr_t low,
		high;	 /* around the last stack pointer; was seen to be readable */
	uint32_t noted;	 /* epoch, once runs.h has taken note of it; 0: it has not */
	uint32_t joined; /* frame that the last stack joined; 0: none */
	uint32_t cut;	 /* that the frames' nodes hold for; 0: none */
	uint32_t plain; /* bytes of frames; below it none is left out, nor was before */
	uint32_t gone;	/* frames in the gap */
	/* Depth of the outermost frame, behind the UNWIND_OUTER outermost ones, that is
	 * not to be passed by unseen: 0: there is none; of a stack that is cut. */
	uint32_t strange;
	uint32_t
		full; /* of a stack that is cut: of the outermost without an own node */
	struct last_step steps[LAST_STEPS];
	struct last_node nodes[LAST_NODES];
	struct last_frame frames[LAST_FRAMES];
};

#define LAST_PLAIN (uint32_t)(UNWIND_FRAMES * sizeof(struct last_frame))

/* The place of what is known of a return address. */
static inline const struct last_step *last_find_step(const struct last *l, uintptr_t pc)
{
	return &l->steps[(pc ^ pc >> 9) % LAST_STEPS];
}

/* The kept frame outside of frames[at], or of those that are told: behind the cut it is
 * the innermost of the outermost ones. */
static inline uint32_t last_outside(const struct last *l, uint32_t at)
{
	if (l->cut && at + l->gone == l->cut + 1)
		return UNWIND_OUTER + !l->frames[1].pc;
	return at - 1;
}

/* l is all zeroes. After unwind_init(). */
void last_init(struct last *l);

/* The node of the stack that is unwind_stack()'s with these arguments; t is the same
 * thread's. `spare` is for stacks that the memory has no part in. */
uint32_t last_take(struct last *l, struct unwind_thread *t, void *base, uintptr_t pc,
		   uintptr_t sp, uintptr_t fp, struct unwind_frame *spare);

/* The same without a memory. */
uint32_t last_take_anew(struct unwind_thread *t, void *base, uintptr_t pc, uintptr_t sp,
			uintptr_t fp, struct unwind_frame *frames);
