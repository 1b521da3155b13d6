/*
 * keep.h - what a recording keeps apart beside time: the value of `run --keep`, and of
 * keep= in HEAPLINE_OPTIONS.
 */
#pragma once

#include <stdint.h>

#define KEEP_WORDS "size thread size,thread"

/* Adds what "size", "thread" or a list of them, with commas, names to *keep, enum
 * profile_dimension. NULL, or a clause on what is wrong with it; *keep then stays. */
const char *keep_take(uint32_t *keep, const char *value);
