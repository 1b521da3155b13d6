/*
 * plain.h - the common case, inlined: an allocation or a free of the malloc domain that
 * contradicts nothing, of whose block and sites ahead.h has found out everything.
 *
 * For ledger.c alone. False: not this simple, and nothing was done.
 */
#pragma once

#include "cli/collect/blocks.h"
#include "cli/collect/counting.h"
#include "cli/collect/live_bucket.h"

static inline bool plain_allocate(struct ledger *l, struct ledger_process *p,
				  const struct event *ev)
{
	struct live_block b = {.size = ev->size, .site = ev->site};

	if (!ev->alone || !ev->site || p->parked)
		return false;
	b.born_ns = clock_ns(l->clock, ev->stamp);
	if (!live_add_seen(&p->live, &ev->way, ev->seen, &b))
		return false;
	*blocks_birth(l, ev->address) =
		(struct ledger_moment){blocks_key(p, ev->address), b.born_ns};
	counting_alloc(&l->sites, &p->sums, &l->sites.items[b.site], PROFILE_MALLOC,
		       b.size, 1, b.born_ns);
	return true;
}

static inline bool plain_free(struct ledger *l, struct ledger_process *p,
			      const struct event *ev, bool temporary)
{
	uint64_t key = blocks_key(p, ev->address), ns;
	struct live_block b;
	struct sites_block block;
	struct site *site;

	if (!ev->site || p->parked || lineage_is_parent(&p->lineage) ||
	    !live_take_seen(&p->live, &ev->way, ev->seen, &b))
		return false;
	ns = clock_ns(l->clock, ev->stamp);
	blocks_date(blocks_birth(l, ev->address), key, &b);
	*blocks_death(l, ev->address) = (struct ledger_moment){key, ns};
	block = (struct sites_block){b.size, b.born_ns, b.site};
	site = &l->sites.items[b.site];
	counting_free(&l->sites, &p->sums, site, PROFILE_MALLOC, &block, 1,
		      &l->sites.items[ev->site], ns);
	if (temporary)
		sites_temporary(&l->sites, &p->sums, &block);
	return true;
}
