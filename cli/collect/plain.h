/*
 * plain.h - the common case, inlined: events of the malloc domain that contradict
 * nothing, of stacks that have a site.
 *
 * For ledger.c alone. False: not this simple, and nothing was done.
 */
#pragma once

#include "cli/collect/blocks.h"
#include "cli/collect/counting.h"
#include "cli/collect/live_bucket.h"

/* Not where events wait for others, nor where blocks name more than sites. */
static inline bool plain_may(const struct ledger *l, const struct ledger_process *p)
{
	return !p->parked && !l->sites.divided;
}

static inline bool plain_allocate(struct ledger *l, struct ledger_process *p,
				  const struct event *ev)
{
	struct live_block b = {.size = ev->size,
			       .site = sites_peek(&l->sites, &p->sums, ev->stack)};

	if (!b.site)
		return false;
	b.born_ns = blocks_moment(l, ev);
	if (!live_add_near(&p->live, ev->address, &ev->way, &b))
		return false;
	*blocks_birth(l, ev->address) =
		(struct ledger_moment){blocks_key(p, ev->address), b.born_ns};
	counting_alloc(&l->sites, &p->sums, &l->sites.items[b.site], PROFILE_MALLOC,
		       b.size, 1, b.born_ns);
	return true;
}

/* What comes and goes at once has no place in the table, where nothing may lie. */
static inline bool plain_pair(struct ledger *l, struct ledger_process *p,
			      const struct event *ev)
{
	struct sites_block b = {.size = ev->size,
				.site = sites_peek(&l->sites, &p->sums, ev->stack)};
	uint32_t by = sites_peek(&l->sites, &p->sums, ev->freed_by);
	uint64_t ns = clock_ns(l->clock, ev->stamp + ev->gap);

	/* Each is counted in its own epoch. */
	if (!b.site || !by || lineage_is_parent(&p->lineage) ||
	    ns >= l->sites.history.end_ns ||
	    !live_lacks_near(&p->live, ev->address, &ev->way))
		return false;
	b.born_ns = blocks_moment(l, ev);
	ns = sites_moment(&l->sites, ns);
	*blocks_death(l, ev->address) =
		(struct ledger_moment){blocks_key(p, ev->address), ns};
	counting_pair(&l->sites, &p->sums, &l->sites.items[b.site], &b,
		      &l->sites.items[by], ns);
	return true;
}

static inline bool plain_free(struct ledger *l, struct ledger_process *p,
			      const struct event *ev, bool temporary)
{
	uint32_t by = sites_peek(&l->sites, &p->sums, ev->stack);
	struct sites_block block;
	struct live_block b;
	uint64_t ns;

	if (!by || proofs_watches(&p->proofs, ev->address) ||
	    lineage_is_parent(&p->lineage) || !live_take_near(&p->live, &ev->way, &b))
		return false;
	blocks_date(blocks_birth(l, ev->address), blocks_key(p, ev->address), &b);
	ns = blocks_moment(l, ev);
	*blocks_death(l, ev->address) =
		(struct ledger_moment){blocks_key(p, ev->address), ns};
	block = (struct sites_block){b.size, b.born_ns, b.site};
	counting_free(&l->sites, &p->sums, &l->sites.items[b.site], PROFILE_MALLOC,
		      &block, 1, &l->sites.items[by], ns);
	if (temporary)
		sites_temporary(&l->sites, &p->sums, &block);
	return true;
}
