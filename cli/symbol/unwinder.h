/*
 * unwinder.h - the stacks of threads that stand still, or stood when their memory was
 * copied: from frame to frame by the call frame information of their modules.
 *
 * With every register whose value a caller still has, and where it is kept: that is
 * what the locations of variables refer to. Code without such information is walked by
 * frame pointers. Files are opened at first need, their bytes may be anybody's.
 */
#pragma once

#include "cli/symbol/debugfile.h"
#include "cli/symbol/location.h"

struct unwinder;

/* root_fd (root_hold()) and memory outlive it. 0 or -ENOMEM. */
int unwinder_open(int root_fd, const struct location_memory *memory,
		  struct unwinder **ret);

/* NULL is fine. */
void unwinder_close(struct unwinder *u);

/* A module of the process, number 0, 1, ... in the order of the calls; id of len 0: of
 * any file. "[vdso]" is the kernel's, the same in every process. 0 or -ENOMEM. */
int unwinder_add(struct unwinder *u, const char *path, const struct debugfile_id *id,
		 uint64_t start, uint64_t end, uint64_t bias);

/* Sets the frame's module and its CFA, and makes its caller. False: it has none, or
 * that cannot be known. */
bool unwinder_step(struct unwinder *u, struct location_frame *frame,
		   struct location_frame *ret_caller);

/* Where a frame's code is: the address to look up, a call's rather than the one it
 * returns to. */
static inline uint64_t unwinder_at(const struct location_frame *f)
{
	return f->registers[LOCATION_PC] - f->called;
}

/* Whether a frame is of one of the functions (NULL ends them) that its module has
 * under these names for others. */
bool unwinder_is_in(struct unwinder *u, const struct location_frame *frame,
		    const char *const *names);
