/*
 * python_loop.h - which native functions are the interpreter's evaluation loop.
 *
 * A frame of the loop holds a record of the interpreter's own on the native stack: from
 * 3.11 the link from a thread's state to its frames, from 3.12 a frame that runs no
 * code. So the native frame around the record's address is a loop's, in stripped
 * interpreters too, and in parts that a compiler has split off; its function's range,
 * of the unwind tables, goes to the wire. Up to 3.10 there is no such record, and the
 * range is that of the exported function.
 */
#pragma once

#include "preload/last.h"

struct python_walk;

/* The exported function, if there is one, at the start. */
void python_loop_init(void *base, uintptr_t function);

/* Looks at a pair of stacks for loops that are not known yet: the Python stack that
 * `state` has and w keeps, and the native one that `last` keeps. */
void python_loop_learn(void *base, uintptr_t state, struct python_walk *w,
		       const struct last *last);
