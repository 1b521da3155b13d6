/*
 * scan_frames.h - the frames of a process's threads, while their stacks can be read:
 * they tell later which function a word of a stack is of (scan_locals.h), and at once
 * where those of exit() begin.
 */
#pragma once

#include "cli/heap/roots.h"
#include "cli/symbol/location.h"

struct scan_stack { /* one thread's */
	pid_t tid;
	size_t first, count; /* frames, the innermost first */
};

struct scan_frames {
	struct scan_stack *stacks;
	size_t stack_count;
	struct location_frame *frames; /* module: as in roots->modules; or SIZE_MAX */
	size_t count, room;
};

/* Unwinds all threads; the modules of roots are known. exiting: the thread that ends
 * the process (0: none does), *exit_sp: where its frames of that end, 0: not known,
 * and then looked for. Its stack and registers are from there on what they were when
 * it called exit(); none of its vector registers counts any more. 0 or -ENOMEM; that a
 * stack cannot be unwound is no failure. */
int scan_frames_take(struct scan_frames *f, const struct heap_roots *roots,
		     struct heap_memory *memory, struct heap_threads *threads,
		     pid_t exiting, uint64_t *exit_sp);

void scan_frames_done(struct scan_frames *f);

/* The thread's register that DWARF numbers so, among heap_thread.registers. */
extern const unsigned char scan_frames_register[LOCATION_REGISTERS];
