/*
 * sample.h - which allocations a sampled recording records, and which frees belong to
 * them. Called by the hooks, in signal handlers too; takes no lock, allocates nothing.
 *
 * A block of s bytes is recorded with probability
 *
 *	1 / ceil(R / s)		R: sample.interval; blocks of R bytes and more always
 *
 * independent of all others, so it stands for ceil(R / s) blocks of its size: a whole
 * number (Horvitz and Thompson's estimator; docs/performance.md has its error). Two
 * steps lead there. A Poisson process over the bytes that a thread allocates, denser
 * than one point in R bytes, proposes a block if a point falls into it:
 *
 *	p(s) = 1 - exp(-s / R'),  R' = R / (2 ln 2),  hence p(s) >= 1 / ceil(R / s)
 *
 * and what is proposed is accepted with probability 1 / (p(s) ceil(R / s)). So the
 * common case is a subtraction and a branch, on a word of the thread's own.
 *
 * A block of no bytes is never recorded.
 */
#pragma once

#include "preload/hidden.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sample_limit {
	SAMPLE_FILTER_BITS = 18,
	SAMPLE_SET_LEVELS = 4,
	SAMPLE_SET_FIRST_BITS = 12, /* addresses of level 0, log2; +3 for each level */
	SAMPLE_SET_SLOTS = (1 << 12) + (1 << 15) + (1 << 18) + (1 << 21),
	SAMPLE_WINDOW = 8, /* slots of a level where an address may be: a cache line */
};

struct sample {
	/* 0: everything is recorded, and the rest is not used. Stored (release) last.
	 */
	_Atomic uint64_t interval;
	/* How many addresses of the set share a hash; 255 and more stays 255. */
	_Atomic uint8_t *filter;
	_Atomic uintptr_t *set;	 /* of the blocks recorded and not freed */
	_Atomic uint32_t levels; /* that were ever needed */
};

extern HIDDEN struct sample sample;

/* Bytes to the next point; at most R, so that bigger blocks are looked at. 0: a thread
 * that has just begun. */
extern HIDDEN __thread uint64_t sample_left
	__attribute__((tls_model("initial-exec")));

/* Reserves the tables. Once, before any thread's second event. 0 or -errno: then
 * nothing must be recorded. */
int sample_init(uint64_t interval);

/* In a fork child: its points are not its parent's. */
void sample_forked(void);

/* Another beginning for this thread's dice. For tests. */
void sample_seed(uint64_t seed);

bool sample_skips_slowly(size_t size);
bool sample_skips_free_slowly(const void *p);
bool sample_add(const void *p);

static inline bool sample_on(void)
{
	/* acquire: pairs with sample_init(); then the tables are there. */
	return atomic_load_explicit(&sample.interval, memory_order_acquire);
}

static inline size_t sample_hash(const void *p)
{
	return (size_t)((uintptr_t)p * 0x9e3779b97f4a7c15ull >>
			(64 - SAMPLE_FILTER_BITS));
}

/* Whether an allocation of that size is passed by, as nearly all are. If not, then
 * sample_draws() is to be asked; both draw: call them once for each. */
static inline bool sample_passes(size_t size)
{
	/* One load and one store: a signal handler may draw in between, and what it
	 * took is given back; but the word never wraps. */
	uint64_t left = *(volatile uint64_t *)&sample_left;

	if (__builtin_expect(size < left, 1)) {
		*(volatile uint64_t *)&sample_left = left - size;
		return true;
	}
	return false;
}

static inline bool sample_draws(size_t size)
{
	return sample_on() && sample_skips_slowly(size);
}

static inline bool sample_skips(size_t size)
{
	return sample_passes(size) || sample_draws(size);
}

/* Between the real allocation and its record: remembers the block. False: it must not
 * be recorded, and that is a loss. */
static inline bool sample_admits(const void *p)
{
	return !sample_on() || sample_add(p);
}

/* Where sample_on(): whether the free of p is passed by, because p was, as nearly all
 * are. If not, then sample_keeps_free() is to be asked. */
static inline bool sample_passes_free(const void *p)
{
	/* relaxed: p came to this thread in order with what was done about it when it
	 * was allocated. */
	return !atomic_load_explicit(&sample.filter[sample_hash(p)],
				     memory_order_relaxed);
}

/* Forgets p if it is true: the free must follow. */
static inline bool sample_keeps_free(const void *p)
{
	return !sample_on() || !sample_skips_free_slowly(p);
}

static inline bool sample_skips_free(const void *p)
{
	return sample_on() && (sample_passes_free(p) || sample_skips_free_slowly(p));
}
