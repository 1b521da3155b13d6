/*
 * python_walk.h - a thread's Python stack as a node of the tree, and its native stack
 * and that together as one (wire.h).
 *
 * From one event to the next few Python frames change. The frames of the last stack are
 * kept, the outermost first, as (frame, code, instruction, node):
 *
 *	frames[0]		outermost
 *	...
 *	frames[count - 1]	innermost
 *
 * The chain is followed from the innermost frame until it meets a kept one; from there
 * on each frame's three words are read and compared. The chain is never assumed: a kept
 * frame is only read once the frame inside of it was seen to lead there. What is
 * unchanged keeps its node. When a code object dies (python_code_epoch), nothing is
 * kept: its address may mean another one.
 *
 * Deep stacks are told by both ends, as native ones, and cost what they take (last.h says
 * what holds of their middle). The frames that are left out have no node; those behind
 * have that of the stack that is cut there. A stack that is too deep has a gap:
 *
 *	frames[0 .. UNWIND_OUTER - 1]		outermost
 *	(gap)					`gone` frames
 *	frames[cut - gone .. count - 1]		behind the cut
 *
 * Strange are the frames of generators: who resumes one is another each time, and what is
 * inside of it may be the same. A stack that has one in its middle is compared whole. Of
 * the outermost frames the first is read although none was seen to lead there; hence it
 * is none of a generator, and if memory was unmapped since, the pages of all are looked
 * at.
 *
 * Only a thread's outermost hook uses it; a signal handler's hook has a native stack
 * alone, as it may have come while the interpreter was changing the chain.
 */
#pragma once

#include "preload/last.h"
#include "preload/probe.h"

#include <stdint.h>

enum python_walk_limit {
	PYTHON_FRAMES = 1 << 13, /* deeper stacks have a gap */
	PYTHON_INDEX = 1024,	 /* powers of two */
	PYTHON_NODES = 4096,
	PYTHON_PAIRS = 1024,
	PYTHON_LEARNT = 256,
	PYTHON_NEAR = 64,
	PYTHON_SEEN = 16,
};

struct python_frame {
	uintptr_t frame, code, at;
	uint32_t id;   /* of the code; 0: not known, or the frame runs none */
	uint32_t node; /* of the stack that ends here */
	uint8_t entry; /* as in the interpreter; 3.11 */
	bool is_link;  /* a loop's own, which runs no code; 3.12 and later */
};

/* A node that was looked up before, by what it is made of. */
struct python_node {
	uint64_t pc_flags; /* 0: free */
	uint32_t outside, module;
	uint32_t node;
};

/* The same of an innermost frame, by where it is; key: what else it is made of. */
struct python_near {
	uintptr_t at;
	uint64_t key; /* of a python_walk; 0: free */
	uint32_t node;
};

/* A record of the interpreter's on the native stack, and the frame that it was found in:
 * stack pointer, return address, number; and of the modules then. */
struct python_seen {
	uintptr_t record, sp, pc;
	uint32_t at, generation;
};

struct python_walk { /* all zeroes at first */
	uint32_t busy, off;
	uint32_t count;
	uint32_t cut;	  /* that the frames' nodes hold for; 0: none */
	uint32_t gone;	  /* frames in the gap */
	uint32_t strange; /* of the outermost in the middle, one more than its depth */
	uint32_t full;	  /* of the outermost without a node of its own, likewise */
	uint32_t forgotten; /* probe_forgotten that the outermost were there in */
	uint32_t high;	    /* below it, frames may have the code that they had once */
	uint32_t epoch;	    /* python_code_epoch that the frames hold for */
	uint64_t key;	    /* of the innermost frame, where there is no cut */
	uint16_t index[PYTHON_INDEX];	/* of a frame's address: where it may be kept */
	uint32_t learnt[PYTHON_LEARNT]; /* native stacks whose loops are known */
	struct python_seen seen[PYTHON_SEEN]; /* by the record; whose loops are known */
	struct python_near near[PYTHON_NEAR];
	struct python_node nodes[PYTHON_NODES];
	struct python_node pairs[PYTHON_PAIRS];
	struct python_frame frames[PYTHON_FRAMES];
	uintptr_t found[PYTHON_FRAMES]; /* new ones, innermost first */
};

/* The node of this thread's stack, of which `native` is the native one; `last` is where
 * it was found. NULL: it is not there any more; then 0 may come back: `last` is needed.
 * locked: this thread holds the interpreter's lock. */
uint32_t python_walk_take(struct python_walk *w, void *base, uint32_t native,
			  const struct last *last, bool locked);

/* The node of this thread's Python stack; 0: there is none. */
uint32_t python_walk_alone(struct python_walk *w, void *base, bool locked);
