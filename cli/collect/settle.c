#include "cli/collect/settle.h"

#include "cli/collect/blocks.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
	PAIR_TRIES = 4096, /* steps of a search that honest programs end at once */
	PATIENCE = 16,	   /* rounds that an event waits for an address to calm down */
	DISORDER_NS = 100000, /* stamps disagree by far less */
};

struct wanted {
	bool live;
	uint64_t final; /* latest round that counts */
	uint64_t stamp; /* latest that counts */
};

static bool needs_block(const struct event *ev)
{
	return ev->type == WIRE_FREE || ev->type == WIRE_REALLOC_BEGIN ||
	       ev->type == WIRE_GONE;
}

static bool is_legal(const struct park_item *item, void *context)
{
	const struct wanted *w = context;

	if (item->event.type == EVENT_RESTORE && item->realloc->held != LEDGER_HELD)
		return item->realloc->held != LEDGER_WAITING;
	return needs_block(&item->event) == w->live;
}

static bool is_stuck_before(const struct park_item *item, void *context)
{
	const struct wanted *w = context;

	return item->event.stamp < w->stamp && !is_legal(item, context);
}

static bool is_final(const struct park_item *item, void *context)
{
	const struct wanted *w = context;

	return item->round <= w->final;
}

static void drop(struct ledger *l, struct park_lot *lot, struct park_item *item)
{
	park_remove(&l->park, lot, item);
	lot->process->parked--;
	free(item);
}

/* The ledger keeps that of few addresses, and a lot may be open for long. */
static void remember_free(struct ledger *l, struct park_lot *lot)
{
	uint64_t ns = blocks_freed(l, lot->process, lot->address);

	if (ns)
		lot->freed_ns = ns;
}

static struct park_item *find_legal(struct ledger *l, const struct park_lot *lot)
{
	struct wanted wanted = {.live = blocks_has(lot->process, lot->address)};

	return park_pick(&l->park, lot, is_legal, &wanted);
}

static bool apply(struct ledger *l, struct park_lot *lot, struct park_item *item)
{
	if (!blocks_apply(l, lot->process, &item->event, item->realloc))
		return false;
	drop(l, lot, item);
	return true;
}

/* Does this end a block, but not the one that is there, which is younger? (What a pool's
 * chunks do is told by the program, in any order.) */
static bool ends_another(struct ledger *l, struct ledger_process *p,
			 const struct event *ev)
{
	struct live_block b;

	return needs_block(ev) && !(ev->address & POOLS_CHUNK) &&
	       blocks_look(p, ev->address, &b) &&
	       b.born_ns > blocks_moment(l, ev) + BLOCKS_SKEW_NS;
}

/* Is there something older that is stuck, and not by a clock's fault? Then what explains
 * it is yet to be read: this one may be of a later time than what is there now. */
static bool is_early(struct ledger *l, const struct park_lot *lot,
		     const struct park_item *item)
{
	uint64_t skew = clock_ticks(l->clock, BLOCKS_SKEW_NS);
	uint64_t stamp = item->event.stamp;
	struct wanted wanted = {.live = blocks_has(lot->process, lot->address),
				.stamp = stamp > skew ? stamp - skew : 0};

	if (lot->address & POOLS_CHUNK)
		return false;
	return ends_another(l, lot->process, &item->event) ||
	       park_pick(&l->park, lot, is_stuck_before, &wanted);
}

static void apply_legal(struct ledger *l, struct park_lot *lot)
{
	struct park_item *item;

	while ((item = find_legal(l, lot)) && !is_early(l, lot, item))
		if (!apply(l, lot, item))
			break;
	remember_free(l, lot);
}

/* No event explains this one. */
static void apply_anyway(struct ledger *l, struct park_lot *lot, struct park_item *item)
{
	struct ledger_process *p = lot->process;
	struct live_block b;

	if (item->event.type == WIRE_FREE && lot->address & POOLS_CHUNK) {
		p->pools.wrong.frees++;
	} else if (item->event.type == WIRE_FREE) {
		p->unknown_frees++;
	} else if (item->event.type == WIRE_GONE) {
		; /* older than its interpreter's wrapping */
	} else if (item->event.type == WIRE_REALLOC_BEGIN) {
		item->realloc->held = LEDGER_UNKNOWN;
		blocks_begun(l, p, item->realloc);
	} else {
		if (blocks_take(p, lot->address, &b)) {
			if (lot->address & POOLS_CHUNK)
				p->pools.wrong.overlaps++;
			else
				p->unseen_frees++;
			blocks_leave(l, p, lot->address, &b,
				     blocks_moment(l, &item->event));
			blocks_book_free(l, p, &b, arenas_has(&p->arenas, lot->address),
					 sites_find(&l->sites, &p->sums, 0,
						    blocks_domain(lot->address)),
					 blocks_moment(l, &item->event));
		}
		blocks_apply(l, p, &item->event, item->realloc);
	}
	drop(l, lot, item);
}

/* May the last event applied at this address have been applied before its time? */
static bool is_suspect(struct ledger *l, const struct park_lot *lot,
		       const struct park_item *stuck)
{
	struct ledger_process *p = lot->process;
	uint64_t ns = blocks_moment(l, &stuck->event);
	struct live_block b;

	/* Of a pool nothing is older than the recording, and threads may hand chunks
	 * to each other faster than they could blocks; but one alone does all in order. */
	if (lot->address & POOLS_CHUNK && lot->heads->next_head)
		return true;
	if (needs_block(&stuck->event)) {
		return lot->freed_ns && lot->freed_ns + DISORDER_NS >= ns;
	}
	return blocks_look(p, lot->address, &b) && b.born_ns + DISORDER_NS >= ns;
}

/* Two events that followed each other in one ring, the first of the stuck kind. */
struct pair {
	struct park_item *first, *second;
};

/* A restore comes after its begin, which may wait here too. */
static bool is_whole(const struct park_item *i)
{
	const struct park_item *born = needs_block(&i->event) ? i->later : i;

	return born->event.type != EVENT_RESTORE ||
	       born->realloc->held != LEDGER_WAITING || i->realloc == i->later->realloc;
}

static struct pair find_pair(const struct park_lot *lot)
{
	size_t tries = 0;

	for (struct park_item *i = lot->first; i && tries++ < PAIR_TRIES; i = i->next)
		if (i->later &&
		    needs_block(&i->event) == needs_block(&lot->first->event) &&
		    needs_block(&i->later->event) != needs_block(&i->event) &&
		    is_whole(i))
			return (struct pair){i, i->later};
	return (struct pair){NULL, NULL};
}

/* The allocation of a pair, and its free, on their own: whatever lies there steps
 * aside, for a pair in a row leaves an address as it was. */
static void apply_pair(struct ledger *l, struct park_lot *lot, struct pair pair)
{
	struct park_item *born = pair.first, *dead = pair.second;
	struct ledger_process *p = lot->process;
	struct live_block aside;
	bool lay;

	if (needs_block(&born->event)) {
		born = pair.second;
		dead = pair.first;
	}
	if (born->event.type == EVENT_RESTORE && born->realloc == dead->realloc) {
		free(born->realloc); /* began and failed: nothing happened */
	} else {
		lay = blocks_take(p, lot->address, &aside);
		blocks_apply(l, p, &born->event, born->realloc);
		blocks_apply(l, p, &dead->event, dead->realloc);
		if (lay)
			blocks_put(l, p, lot->address, &aside);
	}
	drop(l, lot, pair.first);
	drop(l, lot, pair.second);
}

/*
 * Stuck for good: with the address live (free), the next events of all rings are
 * allocations (frees). If that can be explained at all, then an event was applied too
 * early, on account of its stamp, and what belongs before it is still here: among
 * the waiting there are as many events of the other kind as it takes. Each stands
 * behind one of the stuck kind in its ring, so somewhere two of different kinds stand
 * in a row. They belong together, before what was applied too early.
 *
 * A block older than the recording, or a parent's, looks alike: its free, then the
 * next allocation there, from one ring. Hence is_suspect(): too early is not long ago.
 */
static bool explain(struct ledger *l, struct park_lot *lot,
		    const struct park_item *item)
{
	struct pair pair;

	if (!is_suspect(l, lot, item))
		return false;
	pair = find_pair(lot);
	if (!pair.first)
		return false;
	apply_pair(l, lot, pair);
	return true;
}

/* It has waited for long enough: what explains it comes first, then what may be. */
static void resolve(struct ledger *l, struct park_lot *lot, struct park_item *item)
{
	struct park_item *legal = find_legal(l, lot);

	if ((legal != item || ends_another(l, lot->process, &item->event)) &&
	    explain(l, lot, item))
		return;
	if (!legal || !apply(l, lot, legal))
		apply_anyway(l, lot, item);
}

static void settle_lot(struct ledger *l, struct park_lot *lot, uint64_t final)
{
	struct wanted wanted = {.final = final};
	struct park_item *item;

	/* What came here since may have been applied for want of what is yet to be
	 * read; but a busy address is not waited for until it is quiet. */
	if (lot->touched > final)
		wanted.final = final > PATIENCE ? final - PATIENCE : 0;
	apply_legal(l, lot);
	while ((item = park_pick(&l->park, lot, is_final, &wanted))) {
		resolve(l, lot, item);
		apply_legal(l, lot);
	}
	if (!lot->first)
		park_close(&l->park, lot);
}

void ledger_settle(struct ledger *l, struct ledger_process *p, uint64_t final)
{
	struct park_lot *next;

	assert(!l->sums.of);
	for (struct park_lot *lot = l->park.lots; lot && p->parked; lot = next) {
		next = lot->next;
		if (lot->process == p)
			settle_lot(l, lot, final);
	}
}

/* Rounds count from 1: nothing is final here. */
void settle_park(struct ledger *l, struct ledger_process *p, const struct event *ev,
		 struct ledger_realloc *r)
{
	struct park_lot *lot;

	if (park_push(&l->park, p, ev, r, l->round + 1) < 0) {
		l->sites.error = -ENOMEM;
		p->lost++;
		if (ev->type == EVENT_RESTORE)
			free(r);
		else if (r)
			r->held = LEDGER_UNKNOWN;
		return;
	}
	p->parked++;
	lot = park_find(&l->park, p, ev->address);
	remember_free(l, lot);
	/* Behind another event of its own ring it changes nothing yet. */
	if (park_has_choice(lot))
		settle_lot(l, lot, 0);
}

void settle_submit(struct ledger *l, struct ledger_process *p, const struct event *ev,
		   struct ledger_realloc *r)
{
	if ((p->parked && park_find(&l->park, p, ev->address)) ||
	    ends_another(l, p, ev) || !blocks_apply(l, p, ev, r))
		settle_park(l, p, ev, r);
}
