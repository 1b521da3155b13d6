/*
 * keep.h - what a recording keeps that is not always kept: the value of `run --keep`,
 * and of keep= in HEAPLINE_OPTIONS.
 */
#pragma once

#include <stdint.h>

#define KEEP_WORDS "size thread contents size,thread size,thread,contents"

/* Adds what "size", "thread", "contents" or a list of them, with commas, names to
 * *keep, as of struct control_config. NULL, or a clause on what is wrong with it; *keep
 * then stays. */
const char *keep_take(uint32_t *keep, const char *value);
