/*
 * runs.h - a thread's innermost frames that come again and again, in front of its memory
 * of the last stack (last.h).
 *
 * From one event to the next a few frames change, and mostly to what they were some
 * events ago: the calls that a loop makes. A *run* is such frames, from the hook's call to
 * the kept frame that they joined when they were walked, as the proof that it is the one:
 *
 *	the hook's call		pc, sp; fp if it is live
 *	words above sp		return addresses, and rbps that matter
 *	the frame joined	its place among the kept ones, its sp and node; fp if live
 *
 * These are all that a walk would read, and equal reads give equal results: so where all
 * are found again, and the frames outside of the one that was joined follow from each
 * other still (last_verify()), the stack is the one of then, and its node the run's. No
 * frame is entered among the kept ones for that: what is kept there is of some stack
 * before, and was never taken for more.
 *
 * For the outermost hook of a thread, of stacks that are not cut. Nothing is asked for
 * where the run's frames are but the piece of the stack that is known to be readable.
 */
#pragma once

#include "preload/last.h"

enum runs_limit {
	RUNS = 2048, /* powers of two */
	RUNS_MET = 1024,
	RUNS_WAYS = 4,	    /* places that a run may have */
	RUNS_FEW = 3,	    /* words in the run itself */
	RUNS_WORDS = 8192,  /* of all, beyond those */
	RUNS_LONGEST = 100, /* of one */
};

struct run_word {
	uintptr_t at, is;
};

struct run {
	_Alignas(64) uintptr_t pc; /* 0: free */
	uintptr_t sp;
	uint32_t node;
	uint32_t outside; /* node of the frame joined */
	uint32_t join;	  /* its number among the kept ones */
	uint16_t more_at; /* more words, if there are any */
	uint8_t more;	  /* how many */
	bool fp_lives;	  /* the first of them is fp */
	uintptr_t word[RUNS_FEW];
	uint16_t at[RUNS_FEW]; /* words above sp */
	uint16_t join_at;      /* likewise: the sp of the frame joined */
};
_Static_assert(sizeof(struct run) == 64, "a cache line");

struct runs {		     /* all zeroes at first */
	uint32_t generation; /* of modules; 0: there are none */
	uint32_t words;	     /* used */
	uint32_t turn;	     /* whose place is taken next */
	uint64_t asked;	     /* the name that was looked for in vain; 0: none */
	uint32_t met
		[RUNS_MET]; /* what was walked, of that which has this place; 0: none */
	uint8_t first[RUNS / RUNS_WAYS]; /* the way that was right the last time */
	struct run of[RUNS];
	struct run_word word[RUNS_WORDS];
};

/* They are of another thread: emptied before anything is kept. l is new. */
static inline void runs_drop(struct runs *runs)
{
	runs->words = RUNS_WORDS;
	runs->asked = 0;
}

/* l has just taken this stack. */
void runs_keep(struct runs *runs, struct last *l, uintptr_t pc, uintptr_t sp,
	       uintptr_t fp, uint32_t node);
