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

/* Into the table, unless its free is near. */
static inline bool plain_put(struct ledger *l, struct ledger_process *p,
			     struct event *ev, const struct live_block *b)
{
	if (ev->meets && ev->seen & LIVE_ROOM &&
	    !live_is_aside(&p->live, ev->address)) {
		ev->kept = true;
		ev->born_ns = b->born_ns;
		return true;
	}
	if (!live_add_seen(&p->live, ev->address, &ev->way, ev->seen, b))
		return false;
	*blocks_birth(l, ev->address) =
		(struct ledger_moment){blocks_key(p, ev->address), b->born_ns};
	return true;
}

static inline bool plain_allocate(struct ledger *l, struct ledger_process *p,
				  struct event *ev)
{
	struct live_block b = {.size = ev->size, .site = ev->site};

	if (!ev->alone || !ev->site || p->parked || l->sites.divided)
		return false;
	b.born_ns = blocks_moment(l, ev);
	if (!plain_put(l, p, ev, &b))
		return false;
	counting_alloc(&l->sites, &p->sums, &l->sites.items[b.site], PROFILE_MALLOC,
		       b.size, 1, b.born_ns);
	return true;
}

static inline struct live_block plain_kept(const struct event *born)
{
	return (struct live_block){
		.size = born->size,
		.site = born->site,
		.born_ns = born->born_ns,
	};
}

/* Out of where plain_put() has put it. */
static inline bool plain_take(struct ledger *l, struct ledger_process *p,
			      const struct event *ev, struct live_block *ret)
{
	if (ev[-ev->back].kept) {
		*ret = plain_kept(ev - ev->back);
		return true;
	}
	if (!live_take_seen(&p->live, &ev->way, ev->seen, ret))
		return false;
	blocks_date(blocks_birth(l, ev->address), blocks_key(p, ev->address), ret);
	return true;
}

/* What comes and goes at once has no place in the table, where nothing may lie: as it
 * was seen, or since there was no table. */
static inline bool plain_pair(struct ledger *l, struct ledger_process *p,
			      const struct event *ev)
{
	struct sites_block b = {.size = ev->size, .site = ev->site};
	uint64_t ns = clock_ns(l->clock, ev->stamp + ev->gap);

	/* Each is counted in its own epoch. */
	if (!ev->alone || (!(ev->seen & LIVE_ROOM) && ev->way.homes) || !ev->site ||
	    !ev->by || p->parked || l->sites.divided ||
	    lineage_is_parent(&p->lineage) || live_is_aside(&p->live, ev->address) ||
	    ns >= l->sites.history.end_ns)
		return false;
	b.born_ns = blocks_moment(l, ev);
	ns = sites_moment(&l->sites, ns);
	*blocks_death(l, ev->address) =
		(struct ledger_moment){blocks_key(p, ev->address), ns};
	sites_pair(&l->sites, &p->sums, &b, ev->by, ns);
	sites_temporary(&l->sites, &p->sums, &b);
	return true;
}

/* Before the free goes the general way: to where that looks for the block. */
static inline void plain_give_up(struct ledger *l, struct ledger_process *p,
				 struct event *ev)
{
	struct event *born = ev - ev->back;
	struct live_block b = plain_kept(born);

	if (!born->kept)
		return;
	born->kept = false;
	blocks_put(l, p, born->address, &b);
}

static inline bool plain_free(struct ledger *l, struct ledger_process *p,
			      const struct event *ev, bool temporary)
{
	struct sites_block block;
	struct live_block b;
	uint64_t ns;

	if (!ev->site || p->parked || proofs_watches(&p->proofs, ev->address) ||
	    l->sites.divided || lineage_is_parent(&p->lineage) ||
	    !plain_take(l, p, ev, &b))
		return false;
	ns = blocks_moment(l, ev);
	*blocks_death(l, ev->address) =
		(struct ledger_moment){blocks_key(p, ev->address), ns};
	block = (struct sites_block){b.size, b.born_ns, b.site};
	counting_free(&l->sites, &p->sums, &l->sites.items[b.site], PROFILE_MALLOC,
		      &block, 1, &l->sites.items[ev->site], ns);
	if (temporary)
		sites_temporary(&l->sites, &p->sums, &block);
	return true;
}
