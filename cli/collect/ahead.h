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
	AHEAD_BATCH = 128, /* events at most */
	AHEAD_MET = 1024,
};

/* Which addresses the batch has met, by hash: two that share one are taken to be the
 * same, to be on the safe side. */
struct ahead {
	uint32_t met[AHEAD_MET]; /* batch + the latest event that met it */
	uint32_t batch;		 /* a multiple of AHEAD_BATCH, not 0 */
};

static inline bool ahead_is_malloc(const struct event *ev)
{
	return ev->type < WIRE_MMAP || ev->type == WIRE_PAIR;
}

/* The number comes again after 32 million batches. */
static inline void ahead_begin(struct ahead *a)
{
	a->batch += AHEAD_BATCH;
	if (!a->batch)
		a->batch = AHEAD_BATCH;
}

/* Nobody is there who could ask for the block in between: no child has a share in the
 * table. */
static inline bool ahead_meet(const struct ledger_process *p, const struct event *born,
			      const struct event *dead)
{
	return born->type == WIRE_ALLOC && dead->type == WIRE_FREE &&
	       born->address == dead->address && born->alone && !born->pair &&
	       !lineage_is_parent(&p->lineage);
}

/* What leads to the block. */
static inline void ahead_way(struct ahead *a, const struct ledger_process *p[],
			     struct event *batch, size_t i)
{
	struct event *ev = &batch[i];
	uint32_t *met, before;

	ev->way = live_way(&p[i]->live, ev->address);
	met = &a->met[ev->way.mixed >> 35 & (AHEAD_MET - 1)];
	before = *met - a->batch;
	*met = a->batch + (uint32_t)i;
	/* What comes and goes at once changes nothing. */
	ev->alone =
		before >= i || (batch[before].type == WIRE_PAIR && batch[before].alone);
	if (!ev->alone && p[before] == p[i] && ahead_meet(p[i], &batch[before], ev)) {
		batch[before].meets = true;
		ev->back = (uint8_t)(i - before);
	}
}

/* These. */
static inline void ahead_blocks(const struct ledger *l, const struct ledger_process *p,
				struct event *ev)
{
	if (!ahead_is_malloc(ev))
		return;
	if (!ev->paired && !ev->back)
		ev->seen = live_see(&p->live, ev->address, &ev->way);
	ev->site = sites_peek(&l->sites, &p->sums, ev->stack);
	sites_prefetch(&l->sites, ev->site);
	if (ev->type != WIRE_PAIR)
		return;
	ev->by = sites_peek(&l->sites, &p->sums, ev->freed_by);
	sites_prefetch(&l->sites, ev->by);
}

/* The site of the freed block. */
static inline void ahead_victims(const struct ledger *l, const struct ledger_process *p,
				 struct event *ev)
{
	if (!ev->seen || ev->seen & LIVE_ROOM || ev->type == WIRE_PAIR)
		return;
	ev->victim = live_peek(&p->live, &ev->way, ev->seen);
	if (l->sites.divided)
		ev->victim = sites_number(&l->sites, ev->victim);
	sites_prefetch(&l->sites, ev->victim);
}

/* The histogram that will count. */
static inline void ahead_histograms(const struct ledger *l, const struct event *ev)
{
	if (ev->type == WIRE_PAIR) {
		__builtin_prefetch(l->sites.items[ev->site].lives, 1);
		__builtin_prefetch(l->sites.items[ev->site].sizes, 1);
	} else if (ev->victim)
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

/* A realloc that failed puts its block back, at an address that its end does not tell;
 * and a fork gives a child a share in the table. */
static inline bool ahead_is_doubt(const struct event *ev)
{
	return (ev->type == WIRE_REALLOC_END && !ev->address && ev->size) ||
	       ev->type == WIRE_FORK;
}

/* All steps, for n events (1 to AHEAD_BATCH) that will be applied in this order, before
 * anything else is. p[i]: the process of event i. */
static inline void ahead_of(struct ahead *a, const struct ledger *l,
			    const struct ledger_process *p[], struct event *batch,
			    size_t n)
{
	bool doubt = false, paired = false;

	ahead_begin(a);
	for (size_t i = 0; i < n; i++) {
		struct event *ev = &batch[i];

		sites_prefetch_index(&l->sites, ev->stack);
		if (ev->type == WIRE_PAIR)
			sites_prefetch_index(&l->sites, ev->freed_by);
		ev->site = ev->seen = ev->victim = 0;
		ev->alone = ev->meets = ev->kept = false;
		ev->back = 0;
		ev->paired = paired;
		ev->pair = i + 1 < n && ahead_is_pair(p, ev, i);
		if (!paired)
			ahead_way(a, p, batch, i);
		paired = ev->pair;
		doubt |= ahead_is_doubt(ev);
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
