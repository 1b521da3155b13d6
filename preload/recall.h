/*
 * recall.h - a thread's stacks that come again and again while it makes Python objects.
 *
 * Between two events of a loop a few frames change, native ones and Python's: last.h and
 * python_walk.h walk those anew. Here whole stacks are kept, each as the proof that it
 * is the one: all that a walk would read, as it was when it was last walked.
 *
 *	native	the hook's call	pc, sp, fp
 *		the words above	at sp + n: return addresses, rbps that matter
 *	Python	the innermost	frame, code, instruction, of a few frames
 *		the rest	the last stack's frames (python_walk.h) from `python` on
 *
 * Equal reads give equal results, so where all of them are found again the stack is the
 * one, and its node the stack's. That takes no look-up but the first, and no wait for one
 * word to know where the next is. The native words lie between the hook and the end of
 * the walk that they were read by, in the piece of the stack that is known to be
 * readable. What is kept is of one generation of modules and one epoch of code objects;
 * of the memories that were asked before, it asks whether they hold as they do
 * themselves.
 *
 * For the outermost hook of a thread that holds the interpreter's lock.
 */
#pragma once

#include "preload/last.h"
#include "preload/python_walk.h"

enum recall_limit {
	RECALL_STACKS = 512, /* powers of two */
	RECALL_WAYS = 4,
	RECALL_WORDS = 28, /* of a deeper native stack nothing is kept */
	RECALL_STEP = 4,
	RECALL_FRAMES = 4,
};

struct recall_call { /* as unwind_stack() wants it */
	uintptr_t pc, sp, fp;
};

struct recall_frame {
	uintptr_t frame, code, at; /* code: as it is read, with its tag */
};

struct recall_stack {
	_Alignas(64) uintptr_t pc; /* of the hook's call */
	uintptr_t sp, fp;	   /* fp only if it is live */
	uintptr_t end;		   /* above all words */
	uint32_t generation;	   /* of modules; 0: free */
	uint32_t codes;		   /* python_code_epoch */
	uint32_t node;
	uint32_t python_node; /* of the frame where the rest begins */
	uint16_t python;      /* its place, from 1; 0: there is no rest */
	bool fp_lives, rest_is_link;
	uint8_t words, frames; /* words: a multiple of RECALL_STEP */
	uint8_t entry[RECALL_FRAMES];
	struct recall_stack *next; /* what came behind it the last time, or NULL */
	struct recall_frame frame[RECALL_FRAMES]; /* the innermost first */
	uint32_t word_at[RECALL_WORDS];		  /* bytes above sp */
	uintptr_t word[RECALL_WORDS];
};
struct recall { /* all zeroes at first */
	bool used;
	struct recall_stack *at; /* what was taken last, or NULL */
	/* The node that was met last in this place, and whether it cannot be kept. */
	uint32_t met[RECALL_STACKS];
	struct recall_stack stacks[RECALL_STACKS];
};

/* The node of the stack if it was met before, else 0: last_take() and
 * python_walk_take() are to be asked, and what they say handed on to recall_keep(). */
uint32_t recall_take(struct recall *r, struct last *last, struct python_walk *w,
		     const struct recall_call *c);

/* Whether it would be worth it to have this stack kept: it comes again and again, and
 * can be. w has just taken it. */
bool recall_wants(struct recall *r, const struct python_walk *w,
		  const struct recall_call *c, uint32_t node);

/* `last` and `w` have just taken this stack; native: its native part's node. */
void recall_keep(struct recall *r, struct last *last, struct python_walk *w,
		 const struct recall_call *c, uint32_t native, uint32_t node);
