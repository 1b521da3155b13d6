/*
 * python_mark.h - memory_profiler's decorator for scripts that carry it, where nobody
 * else brings it along.
 *
 * In a session of such a script (WIRE_MARKS) `profile` becomes a builtin that returns
 * its function, and a module memory_profiler with it is there if no other is found. The
 * interpreter does that itself, at a point where it may run code: a pending call, asked
 * for when it has come so far that modules are found (it imports its codecs).
 */
#pragma once

#include "preload/dynsym.h"

/* The functions that it takes; without them there is no decorator. */
void python_mark_init(const struct dynsym *d);

/* Code of that file runs for the first time. */
void python_mark_met(const unsigned char *file, size_t len);
