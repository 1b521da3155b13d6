/*
 * demangle.h - names of C++ and Rust (both manglings) as people write them.
 *
 * Names come from files and may be hostile: the output is bounded, the time with it,
 * and the parser's recursion has a stack of its own.
 */
#pragma once

#define DEMANGLE_MAX_IN (32 << 10)  /* longer names stay as they are */
#define DEMANGLE_MAX_OUT (256 << 10) /* so do names that unfold to more */

/* The readable form of a linkage name, for the caller to free; NULL if it is none, or
 * too much, or without memory. */
char *demangle(const char *linkage);
