/*
 * python_stack.h - a native stack and a Python stack put together (wire.h): each run of
 * Python frames stands where the native frame of its evaluation loop was.
 */
#pragma once

#include "preload/wire.h"

#include <stdbool.h>
#include <stddef.h>

enum { PYTHON_STACK_MAX = 1 << 14 }; /* frames of either; longer ones are cut */

struct python_stack { /* both innermost first; owned by the caller */
	const struct wire_node *native, *python;
	size_t native_count, python_count;
};

/* Writes the frames of both, innermost first, to `to`, which has room for all of them.
 * Returns their number. loops: count of them, private copies. */
size_t python_stack_merge(const struct python_stack *s, const struct wire_loop *loops,
			  size_t count, struct wire_node *to);

/* Is it the frame of an evaluation loop? */
bool python_stack_is_loop(const struct wire_node *native, const struct wire_loop *loops,
			  size_t count);

/* Is a Python frame the last of its run? */
bool python_stack_ends_run(const struct wire_node *python);
