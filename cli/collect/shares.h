/*
 * shares.h - of a site, what belongs to those of its blocks that have something in
 * common, as if there were no others.
 *
 * While all blocks of a site have it in common, the site's own counters are good for
 * them and there are no shares. Then there is one for each value that came, and they
 * add up to the site:
 *
 *	site.allocs = sum of share.allocs, and so on, parts of the peaks included
 */
#pragma once

#include "cli/collect/peak.h"

/* Two cache lines, the first of which is enough for most events. Unlike the site, it
 * does not know its last event. */
struct share {
	_Alignas(64) uint64_t allocs;
	uint64_t allocated_bytes, frees, freed_bytes;
	uint64_t freed_here, freed_here_bytes;
	uint64_t peak_in, tree_peak_in; /* as peak_part.saved_in */

	struct profile_amount peak, tree_peak, temporary;
};

static inline struct profile_amount share_live(const struct share *s)
{
	return (struct profile_amount){s->allocs - s->frees,
				       s->allocated_bytes - s->freed_bytes};
}

/* As peak_change() for what a share saves, before that is called for the whole. */
static inline void share_save(const struct peak_total *t, uint64_t *saved_in,
			      struct profile_amount *saved,
			      struct profile_amount before, uint64_t sum_after)
{
	if (sum_after > t->max.bytes || *saved_in == t->epoch)
		return;
	*saved = before;
	*saved_in = t->epoch;
}
