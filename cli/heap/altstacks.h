/*
 * altstacks.h - the alternate signal stacks of a process's threads: the kernel knows
 * where they are, and tells each thread alone; the shim has listened (preload/
 * altstack.h).
 *
 * The memory itself is held by the kernel. What is in it is live from the stack pointer
 * up while a thread runs on it; else nobody will look at it again: the kernel writes
 * over it when the next signal comes.
 */
#pragma once

#include "cli/base/strings.h"
#include "cli/heap/graph.h"
#include "cli/heap/memory.h"
#include "cli/heap/ranges.h"
#include "cli/heap/threads.h"

struct heap_altstack {
	pid_t tid;
	uint64_t start, end;
	bool sure; /* it is what it was, and stays so while a handler runs */
};

struct heap_altstacks {
	struct heap_altstack *items; /* as threads are ordered */
	size_t count, room;
};

/* Reads those of threads that stand: four half words and two words each, so far from
 * their thread pointers (0: there are none). What makes no sense is passed by. 0 or
 * -ENOMEM. */
int heap_altstacks_read(struct heap_memory *memory, const struct heap_threads *threads,
			int64_t at, struct heap_altstacks *ret);

/* What of them is not live. Left out where that is not certain: where one lies on a
 * stack that is in use, which its function may have left, or partly in a block. Tidy. 0
 * or -ENOMEM. */
int heap_altstacks_unused(const struct heap_altstacks *a, const struct heap_blocks *b,
			  const struct heap_maps *maps,
			  const struct heap_threads *threads, struct heap_ranges *ret);

/* The one that a thread is on; NULL: it is on none. */
const struct heap_altstack *heap_altstacks_of(const struct heap_altstacks *a,
					      const struct heap_thread *x);

/* Adds the block that the thread's is in, if it is in one, as held by the kernel.
 * owner: the thread's name, of names. 0, -ENOMEM or -EOVERFLOW. */
int heap_altstacks_add(const struct heap_altstacks *a, pid_t tid, uint32_t owner,
		       struct heap_graph *g, struct strings *names);

void heap_altstacks_done(struct heap_altstacks *a);
