/*
 * regions.h - memory that a program has declared to hold its blocks (heapline.h):
 * kept in the program's own memory, so that fork children have it too, and read there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False: WIRE_REGIONS are there. */
bool regions_add(const void *start, size_t len);

/* Of several equal ones, one. False: there is none. */
bool regions_remove(const void *start, size_t len);

/* Where the collector finds them (wire_process.regions); 0: there never was one. */
uint64_t regions_at(void);
