/*
 * leaks.h - which of a process's live blocks are lost, and in which way: each block of
 * its heap graph is in exactly one class.
 *
 * Lost is what no root leads to, by whatever pointers. Among lost blocks, those that no
 * other lost block points at lead: alone (LEAK_DEFINITE), or as a ring (LEAK_CYCLE; the
 * oldest of it is its leader). All that can be had from leaders is LEAK_INDIRECT. Where
 * the suppressed, or blocks too young for a verdict, are lost, what they hold goes with
 * them. Blocks that the program declared no leaks (HEAP_IGNORED) are reachable, as is
 * what they hold. Time and memory are linear in blocks and edges.
 */
#pragma once

#include "cli/heap/graph.h"

enum leak_kind {		 /* the worst first */
		 LEAK_DEFINITE,	 /* nothing points at it */
		 LEAK_CYCLE,	 /* only blocks that it keeps alive itself do */
		 LEAK_INDIRECT,	 /* held by lost blocks alone */
		 LEAK_POSSIBLE,	 /* held by doubtful pointers alone: see reach.h */
		 LEAK_UNSCANNED, /* never freed, and nobody could look who holds it */
		 LEAK_EXITED,	 /* held by frames that had been left at the end */
		 LEAK_YOUNG, /* lost, as it seems: of a living process, and seen once */
		 LEAK_REACHABLE,
		 LEAK_RUNTIME,	 /* the loader's, libc's, C++'s runtime's, Python's own */
		 LEAK_INHERITED, /* the parent's at the fork, and not freed here */
		 LEAK_SUPPRESSED,
		 LEAK_KINDS
};

struct heap_leaks {	  /* by block */
	uint8_t *kind;	  /* enum leak_kind, never LEAK_UNSCANNED */
	uint32_t *leader; /* of cycle and indirect; of suppressed, that which was asked
			   * for; may be the block itself. HEAP_NONE of all others */
	uint8_t *shared;  /* 1: leaders of other sites or kinds lead to it, too */
};

struct heap_leaks_options {
	/* Classes that the caller knows, of each block: LEAK_RUNTIME, whose blocks hold
	 * as roots do, LEAK_INHERITED, or anything else: to be found. NULL: all are. */
	const uint8_t *known;
	/* Of each block: 1, if it is lost it is LEAK_YOUNG: no verdict yet. NULL: none.
	 */
	const uint8_t *young;
	/* Of each block: 1, suppressed; NULL: none. Then LEAK_SUPPRESSED are these, and
	 * what they alone hold, lost or not. Known classes stay. */
	const uint8_t *suppressed;
};

/* 0 or -ENOMEM. heap_leaks_done() in any case. */
int heap_leaks_find(const struct heap_graph *g, const struct heap_leaks_options *o,
		    struct heap_leaks *ret);
void heap_leaks_done(struct heap_leaks *l);
