/*
 * ahead.h - finds out what a batch of events will need, in steps: each for all events,
 * when the memory that the step before asked for has come. So many misses are under way
 * at once, where one after the other they would cost more than all the rest.
 *
 * For engine.c alone. Nothing is changed but the events' own fields.
 */
#pragma once

#include "cli/collect/ledger.h"
#include "cli/collect/live_bucket.h"

enum {
	AHEAD_BATCH_BITS = 8, /* of a batch's length */
	AHEAD_MET = 1024,
};

/* Which addresses the batch has met, by hash: two that share one are taken to be the
 * same, to be on the safe side. */
struct ahead {
	uint32_t met[AHEAD_MET]; /* batch << AHEAD_BATCH_BITS | event */
	uint32_t batch;
};

static inline bool ahead_is_malloc(const struct event *ev)
{
	return ev->type < WIRE_MMAP;
}

static inline void ahead_begin(struct ahead *a)
{
	/* The number comes again after 16 million batches; 0 is never used. */
	a->batch += 1u << AHEAD_BATCH_BITS;
	if (!a->batch)
		a->batch = 1u << AHEAD_BATCH_BITS;
}

/* What leads to the blocks and to the event's site. */
static inline void ahead_ways(struct ahead *a, const struct ledger *l,
			      const struct ledger_process *p, struct event *ev)
{
	uint32_t *met;

	ev->site = ev->seen = ev->victim = 0;
	ev->alone = false;
	sites_prefetch_index(&l->sites, ev->stack);
	if (ev->paired)
		return;
	ev->way = live_way(&p->live, ev->address);
	met = &a->met[ev->way.mixed >> 35 & (AHEAD_MET - 1)];
	ev->alone = *met != a->batch;
	*met = a->batch;
}

/* These. */
static inline void ahead_blocks(const struct ledger *l, const struct ledger_process *p,
				struct event *ev)
{
	if (!ahead_is_malloc(ev))
		return;
	if (!ev->paired)
		ev->seen = live_see(&p->live, ev->address, &ev->way);
	ev->site = sites_peek(&l->sites, &p->sums, ev->stack);
	sites_prefetch(&l->sites, ev->site);
}

/* The site of the freed block. */
static inline void ahead_victims(const struct ledger *l, const struct ledger_process *p,
				 struct event *ev)
{
	if (!ev->seen || ev->seen & LIVE_ROOM)
		return;
	ev->victim = live_peek(&p->live, &ev->way, ev->seen);
	sites_prefetch(&l->sites, ev->victim);
}

/* The histogram that will count. */
static inline void ahead_histograms(const struct ledger *l, const struct event *ev)
{
	if (ev->victim)
		__builtin_prefetch(l->sites.items[ev->victim].lives, 1);
	else if (ev->site)
		__builtin_prefetch(l->sites.items[ev->site].sizes, 1);
	__asm__ volatile(""); /* see live_way() */
}

static inline bool ahead_is_pair(const struct ledger_process *p[],
				 const struct event *born, size_t i)
{
	return born->address == born[1].address && born->type == WIRE_ALLOC &&
	       born[1].type == WIRE_FREE && p[i] == p[i + 1];
}

/* A realloc that failed puts its block back, at an address that its end does not tell.
 */
static inline bool ahead_puts_back(const struct event *ev)
{
	return ev->type == WIRE_REALLOC_END && !ev->address && ev->size;
}

/* All steps, for n events (at least one, at most 1 << AHEAD_BATCH_BITS) that will be
 * applied in this order, before anything else is. p[i]: the process of event i. */
static inline void ahead_of(struct ahead *a, const struct ledger *l,
			    const struct ledger_process *p[], struct event *batch,
			    size_t n)
{
	bool doubt = false;

	batch[0].paired = batch[n - 1].pair = false;
	for (size_t i = 0; i + 1 < n; i++)
		batch[i].pair = batch[i + 1].paired = ahead_is_pair(p, &batch[i], i);
	ahead_begin(a);
	for (size_t i = 0; i < n; i++) {
		ahead_ways(a, l, p[i], &batch[i]);
		doubt |= ahead_puts_back(&batch[i]);
	}
	for (size_t i = 0; i < n; i++) {
		batch[i].alone &= !doubt;
		ahead_blocks(l, p[i], &batch[i]);
	}
	for (size_t i = 0; i < n; i++)
		ahead_victims(l, p[i], &batch[i]);
	for (size_t i = 0; i < n; i++)
		ahead_histograms(l, &batch[i]);
}
