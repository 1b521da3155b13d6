/*
 * peak.h - what each part held when their sum was greatest, in O(1) a change.
 *
 * While the sum climbs to new maxima, a part at the peak is the part now, and nothing
 * need be kept. When the sum falls, the parts that change from then on save what they
 * held: each once, before its first change since the maximum. A new maximum makes all
 * saved values stale at a stroke, by counting the epoch on.
 *
 * Invariant: part at the peak = saved if saved_in == epoch, else the part now.
 */
#pragma once

#include "cli/profile/profile.h"

struct peak_total {
	struct profile_amount max; /* the first time that bytes were greatest */
	uint64_t at_ns;
	uint64_t epoch; /* starts at 1: see peak_start() */
};

struct peak_part {
	uint64_t saved_in; /* 0: never */
	struct profile_amount saved;
};

static inline void peak_start(struct peak_total *t)
{
	*t = (struct peak_total){.epoch = 1};
}

/* Once per change of a part, with the part before it and the sum after it. */
static inline void peak_change(struct peak_total *t, struct peak_part *p,
			       struct profile_amount part_before,
			       struct profile_amount sum_after, uint64_t at_ns)
{
	if (sum_after.bytes > t->max.bytes) {
		t->max = sum_after;
		t->at_ns = at_ns;
		t->epoch++;
	} else if (p->saved_in != t->epoch) {
		p->saved = part_before;
		p->saved_in = t->epoch;
	}
}

static inline struct profile_amount peak_of(const struct peak_total *t,
					    const struct peak_part *p,
					    struct profile_amount part_now)
{
	return p->saved_in == t->epoch ? p->saved : part_now;
}
