/*
 * clock.h - the stamps of events, and the moments that they stand for.
 *
 * Stamps are ticks of the processor's counter, or CLOCK_MONOTONIC in ns where that
 * counter is not to be trusted (wire_header.flags). Moments are ns since the clock
 * was started. The counter's rate is measured against CLOCK_MONOTONIC over the whole
 * recording so far, hence better and better.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct stamp_clock {
	bool counter;	   /* stamps are the processor's, else ns */
	uint64_t stamp0;   /* the stamp at moment 0 */
	uint64_t mono0_ns; /* CLOCK_MONOTONIC then */
	uint64_t rate;	   /* ns a tick, 32 fractional bits; 0: not known yet */
	uint64_t refine_ns; /* moment of the next measurement */
};

/* Starts the clock: this is moment 0, as is any stamp until clock_refine() was called,
 * which learns the rate. */
void clock_start(struct stamp_clock *c, bool counter);

/* The stamp of now. No later load is done before it is taken. */
uint64_t clock_stamp(const struct stamp_clock *c);

/* Measures the rate anew if that is worth it; call often. The first call returns when
 * the clock has run for a millisecond. */
void clock_refine(struct stamp_clock *c);

/* The moment of a stamp; 0 for one before the start. */
static inline uint64_t clock_ns(const struct stamp_clock *c, uint64_t stamp)
{
	uint64_t ticks = stamp > c->stamp0 ? stamp - c->stamp0 : 0;

	return (uint64_t)(((unsigned __int128)ticks * c->rate) >> 32);
}

/* The same of one that is not before the start; of such a one, it is far in the future. */
static inline uint64_t clock_ns_since(const struct stamp_clock *c, uint64_t stamp)
{
	return (uint64_t)(((unsigned __int128)(stamp - c->stamp0) * c->rate) >> 32);
}

/* The stamps that ns take. */
static inline uint64_t clock_ticks(const struct stamp_clock *c, uint64_t ns)
{
	return (uint64_t)(((unsigned __int128)ns << 32) / (c->rate ? c->rate : 1));
}
