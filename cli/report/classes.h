/*
 * classes.h - counts of blocks by the power of two of their size or lifetime, as a
 * profile's sites keep them, summed.
 *
 * The profile counts a site's blocks by class, but its bytes in one sum: how many bytes
 * a class of several had is known between bounds only, and they are what is given.
 */
#pragma once

#include "cli/base/units.h"
#include "cli/profile/profile.h"

enum { CLASSES = 64 };

struct classes {
	uint64_t count[CLASSES];
	uint64_t total;
};

struct classes_bounds { /* of the bytes of each class */
	uint64_t least[CLASSES], most[CLASSES];
};

/* Adds `n` classes of a site. */
void classes_add(struct classes *c, const struct profile_class *items, uint32_t n);

/* Adds a site's bounds: `bytes` in all its classes together. */
void classes_bound(struct classes_bounds *b, const struct profile_class *items,
		   uint32_t n, uint64_t bytes);

/* The class that has the block at `percent` of all, in their order; total > 0. */
unsigned classes_percentile(const struct classes *c, unsigned percent);

/* Lowest and highest value of a class. Class 0 has 0, too. */
uint64_t classes_low(unsigned class);
uint64_t classes_high(unsigned class);

/* "512 to 1,023 B", "16 to 32 KiB"; "1.0 to 2.1 us". */
struct units_text classes_sizes(unsigned class);
struct units_text classes_times(unsigned class);
