/*
 * ahead.h - asks for the memory that an event will need, in steps: each for all events
 * of a batch, when what the step before asked for has come. So many misses are under
 * way at once, where one after the other they would cost more than all the rest.
 *
 * For engine.c alone. Nothing is changed but the event's guesses.
 */
#pragma once

#include "cli/collect/ledger.h"

static inline bool ahead_is_malloc(const struct event *ev)
{
	return ev->type < WIRE_MMAP;
}

/* What leads to the blocks and to the event's site. */
static inline void ahead_ways(const struct ledger *l, const struct ledger_process *p,
			      const struct event *ev)
{
	if (!ev->paired)
		live_prefetch(&p->live, ev->address);
	sites_prefetch_index(&l->sites, &p->sums, ev->stack);
}

/* These. */
static inline void ahead_blocks(const struct ledger *l, const struct ledger_process *p,
				struct event *ev)
{
	if (!ahead_is_malloc(ev))
		return;
	if (!ev->paired)
		ev->seen = live_look(&p->live, ev->address);
	ev->site = sites_peek(&l->sites, &p->sums, ev->stack);
	sites_prefetch(&l->sites, ev->site);
}

/* The site of the freed block. */
static inline void ahead_victims(const struct ledger *l, const struct ledger_process *p,
				 struct event *ev)
{
	if (!ev->seen || ev->seen & LIVE_ROOM)
		return;
	ev->victim = live_peek(&p->live, ev->address, ev->seen);
	sites_prefetch(&l->sites, ev->victim);
}

/* The histogram that will count. */
static inline void ahead_histograms(const struct ledger *l, const struct event *ev)
{
	if (ev->victim)
		__builtin_prefetch(l->sites.items[ev->victim].lives, 1);
	else if (ev->site)
		__builtin_prefetch(l->sites.items[ev->site].sizes, 1);
	__asm__ volatile(""); /* see live_prefetch() */
}
