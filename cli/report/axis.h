/*
 * axis.h - where the marks of a chart go: round numbers, few enough to be read.
 */
#pragma once

#include <stdint.h>

/* The first multiple of a step that is not before a value: how many steps. */
static inline uint64_t axis_first(uint64_t value, uint64_t step)
{
	return value / step + (value % step != 0);
}

/* The smallest round step of which at most `most` > 0 fit into a length: of time, in
 * ns (1, 2, 5, 10, ... s; 1, 2, 5, 15, ... min); of bytes (1, 2, 5, ... KiB); of a
 * count. At least 1. */
uint64_t axis_time_step(uint64_t ns, unsigned most);
uint64_t axis_bytes_step(uint64_t bytes, unsigned most);
uint64_t axis_count_step(uint64_t count, unsigned most);
