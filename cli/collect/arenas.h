/*
 * arenas.h - how much of Python's arenas its blocks use: now, and at the heap's peak.
 *
 * Whatever comes or goes is asked for its address: which pages are arenas' is kept as
 * bits, for 2 MiB of addresses in one cache line, in a table by address.
 *
 *	used = blocks that came to lie in arenas and were not freed since
 *	at the peak = saved, if saved_in is the heap's epoch, else now (see peak.h)
 *
 * Hence every change is told before the heap's own sums change. An arena that is no
 * whole pages counts as a whole, but has blocks in its whole pages alone: Python begins
 * there, too.
 */
#pragma once

#include "cli/profile/profile.h"

#include <stddef.h>

enum {
	ARENAS_PAGE_BITS = 12,
	ARENAS_SPAN_BITS = 9 + ARENAS_PAGE_BITS,
	ARENAS_SPANS_MAX = 1 << 17, /* 256 GiB of addresses that were ever arenas' */
};

struct arenas_span {
	_Alignas(64) uint64_t pages[8]; /* a bit each */
};

struct arenas {
	uint64_t *keys; /* of the spans: addresses >> ARENAS_SPAN_BITS, + 1; 0: none */
	struct arenas_span *spans; /* linear probing; room of each, a power of two */
	size_t room, count;
	struct profile_arenas now, saved;
	uint64_t saved_in;
	bool ended;
};

/* Frees what the table holds; `now` and `saved` stay. */
void arenas_done(struct arenas *a);

/* From here on nothing changes: the interpreter is taken down, or the process ends. */
void arenas_end(struct arenas *a);

/* [start, end) is an arena, or is none any more. Without memory, nothing is known of any
 * from then on: all figures are 0. epoch: the heap's, as of peak_total. */
void arenas_map(struct arenas *a, uint64_t epoch, uint64_t start, uint64_t end);
void arenas_unmap(struct arenas *a, uint64_t epoch, uint64_t start, uint64_t end);

static inline struct profile_arenas arenas_at_peak(const struct arenas *a,
						   uint64_t epoch)
{
	return a->saved_in == epoch ? a->saved : a->now;
}

static inline size_t arenas_seek(const struct arenas *a, uint64_t key)
{
	size_t at = (size_t)(key * 0x9e3779b97f4a7c15ull >> 32) & (a->room - 1);

	while (a->keys[at] && a->keys[at] != key)
		at = (at + 1) & (a->room - 1);
	return at;
}

/* Is there one at the address? */
static inline bool arenas_has(const struct arenas *a, uint64_t address)
{
	uint64_t key = (address >> ARENAS_SPAN_BITS) + 1;
	unsigned page = (unsigned)(address >> ARENAS_PAGE_BITS) & 511;
	size_t at;

	if (__builtin_expect(!a->count, 1))
		return false;
	at = arenas_seek(a, key);
	return a->keys[at] && a->spans[at].pages[page / 64] >> page % 64 & 1;
}

static inline void arenas_save(struct arenas *a, uint64_t epoch)
{
	if (a->saved_in == epoch)
		return;
	a->saved_in = epoch;
	a->saved = a->now;
}

/* A block comes that lies in one, before it counts as live. */
static inline void arenas_born(struct arenas *a, uint64_t epoch, uint64_t bytes)
{
	arenas_save(a, epoch);
	a->now.used.blocks++;
	a->now.used.bytes += bytes;
}

/* One that lay in an arena goes, likewise. (Others may have come before their arena was
 * one.) */
static inline void arenas_died(struct arenas *a, uint64_t epoch, uint64_t bytes)
{
	if (a->ended || !a->now.used.blocks || a->now.used.bytes < bytes)
		return;
	arenas_save(a, epoch);
	a->now.used.blocks--;
	a->now.used.bytes -= bytes;
}
