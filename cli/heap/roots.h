/*
 * roots.h - where a process holds its blocks from: registers, stacks, thread-local
 * variables, the data of its modules, mappings that are no heap, and the kernel.
 *
 * Left out, since what is there holds nothing: memory below stack pointers, stacks that
 * glibc keeps of threads that have ended, its arenas (free chunks link to each other,
 * and main_arena to them), and heapline's own memory.
 */
#pragma once

#include "cli/base/strings.h"
#include "cli/heap/altstacks.h"
#include "cli/heap/graph.h"
#include "cli/heap/kernel.h"
#include "cli/heap/memory.h"
#include "cli/heap/modules.h"
#include "cli/heap/threads.h"

struct heap_roots {
	struct strings names; /* what areas and modules are called */
	struct heap_modules modules;
};

struct heap_tls_part { /* one module's variables in one thread */
	uint64_t start, end;
	size_t module; /* of heap_roots.modules */
	pid_t tid;
};

struct heap_roots_options {
	pid_t exiting;	  /* thread that ends the process; 0: nobody does */
	uint64_t exit_sp; /* its frames below are of the exit itself; 0: not known */
	/* By the last part of a path, or NULL. The shim's data is not looked at. */
	bool (*is_shim)(const char *base);
	const struct heap_tls_part *tls; /* or NULL; ascending by start */
	size_t tls_count;
	uint64_t keys; /* offset of a thread's pointers to its keys; 0: not known */
	const struct heap_kernel *kernel;	/* or NULL */
	const struct heap_altstacks *altstacks; /* or NULL */
	uint64_t read_max; /* bytes of mappings that are looked at, each */
};

/* What is dead of blocks that stacks are in: from their beginnings, but for what may be
 * bookkeeping there, to the stack pointers. Tidy. 0 or -ENOMEM. */
int heap_roots_dead(const struct heap_blocks *b, const struct heap_threads *threads,
		    struct heap_ranges *ret);

/* Finds them all. ret has its modules already; the graph's blocks are sealed; the
 * threads are stopped, or were when the source's memory was copied. memory: for small
 * reads. 0, -ENOMEM, -EOVERFLOW, or the source's failure. The graph is not sealed by
 * this. */
int heap_roots_find(struct heap_graph *g, const struct heap_source *source,
		    struct heap_memory *memory, const struct heap_threads *threads,
		    const struct heap_roots_options *o, struct heap_roots *ret);

void heap_roots_done(struct heap_roots *r);
