/*
 * unwind.h - the call stack of the running thread, from inside a hook.
 *
 * Everything here runs inside malloc(), in signal handlers too: it takes no lock,
 * allocates nothing, leaves errno alone and makes no system call but, at first sight
 * of a stack page, one to see that it can be read. Several threads, and a signal
 * handler in the middle of its own thread's unwinding, may run it at once; only a
 * struct unwind_thread belongs to one thread, and its users must survive being
 * interrupted by another use of it.
 *
 * A frame is stepped by its row (rows.h): CFA from rsp or rbp. A frame that is no row
 * sends the whole stack through unwind_full(), with every callee-saved register
 * tracked (cfi.h).
 */
#pragma once

#include "preload/hidden.h"
#include "preload/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unwind_limit {
	/* Deeper stacks keep at most this many innermost and this many outermost
	 * frames, with a WIRE_NODE_CUT frame between: see unwind_cut(). */
	UNWIND_INNER = 1024,
	UNWIND_OUTER = 1024,
	UNWIND_FRAMES = UNWIND_INNER + UNWIND_OUTER + 1,
	UNWIND_STRIDE = 256, /* a power of two */
	UNWIND_RANGES = 4,
	UNWIND_CALLERS = 2048, /* a power of two */
};

/*
 * Of so many frames, counted from the outermost, those up to this one and behind the
 * UNWIND_OUTER first are left out; 0: none is. It moves by UNWIND_STRIDE, so that from
 * depth to depth the frames behind it are mostly the same ones, and their nodes.
 */
static inline size_t unwind_cut(size_t total)
{
	if (total <= UNWIND_FRAMES)
		return 0;
	return (total - UNWIND_INNER + UNWIND_STRIDE - 1) / UNWIND_STRIDE *
	       UNWIND_STRIDE;
}

struct unwind_frame {	   /* innermost first */
	uint64_t pc_flags; /* as in struct wire_node */
	uint32_t module;   /* as modules_find() numbers them, until unwind_tell() */
	uint32_t spare;
};

/* What a thread knows of its stacks: address ranges that were seen to be readable, each
 * packed into one word (probe.c), so that a handler in between sees whole ranges; and
 * for the slot of a frame's row (rows.h), the slot that its caller's row was in last: a
 * guess, of which nothing but time depends. Zeroed at first. */
struct unwind_thread {
	_Atomic uint64_t range[UNWIND_RANGES];
	uint32_t next_range;
	uint32_t forgotten; /* state of unwind_unmapped() that the ranges hold for */
	uint16_t callers[UNWIND_CALLERS];
};

/* Grows with everything that a remembered stack depends on besides the stack itself:
 * generations of modules, dlclose under way, stack pages that may have gone. Never 0.
 */
extern HIDDEN _Atomic uint32_t unwind_epoch;

static inline uint32_t unwind_epoch_now(void)
{
	/* acquire: pairs with unwind_epoch_next(); what is read behind it is at least
	 * as new. */
	return atomic_load_explicit(&unwind_epoch, memory_order_acquire);
}

/* After the change. */
static inline void unwind_epoch_next(void)
{
	/* release: the change, then the number. */
	if (!(atomic_fetch_add_explicit(&unwind_epoch, 1, memory_order_release) + 1))
		unwind_epoch_next();
}

/* Finds the loader's interfaces and reserves the tables. base: the session's mapping,
 * where modules are published; process_serial: the process's own. Call again in a
 * fork child with its own serial (tables are kept). Not async-signal-safe the first
 * time (it may call dlsym, which may call malloc: the caller has its bootstrap arena
 * up). 0 or -errno: without it unwind_stack() gives only the first frame. */
int unwind_init(void *base, uint32_t process_serial);

/* The stack above a hook: pc is the hook's return address, sp its CFA (the caller's
 * rsp after the return), fp the caller's rbp. Must be called directly or indirectly
 * by the hook, whose frame is still there. Writes up to UNWIND_FRAMES frames, returns
 * their number (>= 1). Depth is not limited by anything else. */
size_t unwind_stack(struct unwind_thread *t, uintptr_t pc, uintptr_t sp, uintptr_t fp,
		    struct unwind_frame *frames);

/* The same with every callee-saved register tracked in each frame, from the tables
 * alone: for tests. */
size_t unwind_stack_full(struct unwind_thread *t, uintptr_t pc, uintptr_t sp,
			 uintptr_t fp, struct unwind_frame *frames);

/* They become what the wire has: see modules_tell(). */
void unwind_tell(struct unwind_frame *frames, size_t n);

enum unwind_ancestor {
	UNWIND_NOT_FOUND = 0,	/* no frame of ours above has that CFA */
	UNWIND_CALLED = 1,	/* it called us, directly or indirectly */
	UNWIND_INTERRUPTED = 2, /* a signal handler runs between it and us */
};

/* How the frame of this object (a hook's) whose CFA is `cfa` (0: any of its frames)
 * relates to the frame at pc, sp, fp, which are as of unwind_stack(). */
enum unwind_ancestor unwind_ancestor(struct unwind_thread *t, uintptr_t pc,
				     uintptr_t sp, uintptr_t fp, uintptr_t cfa);

/* Whether the frame at pc, sp, fp, which are as of unwind_stack(), is a signal handler's
 * or called by one; also true where that cannot be told. */
bool unwind_may_be_handler(struct unwind_thread *t, uintptr_t pc, uintptr_t sp,
			   uintptr_t fp);

/* Before and after the real dlclose(): what is known of addresses may change. */
void unwind_dlclose_begin(void);
void unwind_dlclose_end(void);

/* Before memory goes that may have been a stack (munmap, mremap, free of a block big
 * enough to be its own mapping): threads look at their stack pages afresh. Cheap. */
void unwind_unmapped(void);
