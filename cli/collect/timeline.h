/*
 * timeline.h - live bytes over time, in at most TIMELINE_BINS bins of equal width.
 *
 * When time runs out of bins, neighbours are merged and the width doubles: an hour
 * costs what a second costs. Moments that run backwards count as the latest one.
 */
#pragma once

#include "cli/profile/profile.h"

enum {
	TIMELINE_BINS = 4096,
	TIMELINE_FIRST_NS = 1 << 16,
};

struct timeline {
	struct profile_bin *bins; /* TIMELINE_BINS; the last of `count` is current */
	size_t count;
	uint64_t width_ns;
	uint64_t end_ns; /* of the current bin */
};

int timeline_open(struct timeline *t); /* 0 or -ENOMEM */
void timeline_done(struct timeline *t);

/* Makes the bin of a moment the current one. */
void timeline_advance(struct timeline *t, uint64_t ns);

/* The live sum is `live` from this moment on, after so many more allocations. */
static inline void timeline_note(struct timeline *t, uint64_t ns,
				 struct profile_amount live, uint64_t allocs)
{
	struct profile_bin *b;

	if (ns >= t->end_ns)
		timeline_advance(t, ns);
	b = &t->bins[t->count - 1];
	b->last_bytes = live.bytes;
	b->last_blocks = live.blocks;
	b->allocs += allocs;
	if (live.bytes > b->max_bytes)
		b->max_bytes = live.bytes;
	if (live.bytes < b->min_bytes)
		b->min_bytes = live.bytes;
}

/* A sample of resident bytes. */
void timeline_rss(struct timeline *t, uint64_t ns, uint64_t bytes);
