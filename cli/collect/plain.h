/*
 * plain.h - the common case, inlined: events of the malloc domain that contradict
 * nothing, of stacks that have a site.
 *
 * For ledger.c and ledger_merge.c alone. False: not this simple, and nothing was done.
 *
 * Events that come one after the other are nearly always of one process, of one epoch
 * and of one bin of the timeline. What they do to the sums is summed up itself
 * (ledger.sums), and put where it belongs when something else happens: plain_end().
 * A site is counted at once, but the three maxima that a sum may be are one limit. While
 * a heap grows each allocation passes it: of those that follow each other the last one is
 * the maximum.
 */
#pragma once

#include "cli/collect/blocks.h"
#include "cli/collect/counting.h"
#include "cli/collect/live_near.h"

static inline uint64_t plain_lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Not where events wait for others, nor where blocks name or weigh more than their
 * sites and sizes. */
static inline bool plain_may(const struct ledger *l, const struct ledger_process *p)
{
	return !p->parked && !l->sites.divided && !l->sites.sample;
}

static inline struct profile_bin *plain_bin(struct ledger *l)
{
	return &l->sites.timeline.bins[l->sites.timeline.count - 1];
}

/* What the process may hold for the tree to hold so much. */
static inline uint64_t plain_share(const struct ledger *l, uint64_t tree)
{
	return tree > l->sums.others ? tree - l->sums.others : 0;
}

/* What it may hold before one of the peaks is passed. */
static inline uint64_t plain_peaks(const struct ledger *l)
{
	return plain_lesser(l->sums.counts->peak[PROFILE_MALLOC].max.bytes,
			    plain_share(l, l->sites.tree_peak.max.bytes));
}

/* Before anything is greater than it ever was. */
static inline uint64_t plain_most(struct ledger *l)
{
	return plain_lesser(plain_peaks(l), plain_share(l, plain_bin(l)->max_bytes));
}

/* Of both peaks. Each only grows: this is as it was while both are. */
static inline uint64_t plain_epochs(const struct ledger *l)
{
	return l->sums.counts->peak[PROFILE_MALLOC].epoch + l->sites.tree_peak.epoch;
}

static inline void plain_begin(struct ledger *l, struct ledger_process *p)
{
	const struct history *h = &l->sites.history;
	struct sites_process *counts = sites_counts(&p->sums);
	uint64_t live = counts->live[PROFILE_MALLOC].bytes;
	uint64_t end = plain_lesser(h->end_ns, l->sites.timeline.end_ns);

	end = plain_lesser(end, LIVE_BORN_MOST); /* as live_add_near() asks */

	l->sums = (struct ledger_sums){
		.of = p,
		.counts = counts,
		.direct = counts->direct,
		.key = blocks_key(p, 0),
		.is_parent = lineage_is_parent(&p->lineage),
		.from_ns = h->start_ns,
		.span_ns = end > h->start_ns ? end - h->start_ns : 0,
		.live = live,
		.least = live,
		.others = l->sites.tree_live.bytes - live,
	};
	l->sums.most = plain_most(l);
	l->sums.epochs = plain_epochs(l);
}

/* The maximum that it has climbed to goes where it belongs. */
static inline void plain_top(struct ledger *l)
{
	struct ledger_sums *s = &l->sums;
	struct sites_process *p = s->counts;
	struct peak_total *own = &p->peak[PROFILE_MALLOC], *tree = &l->sites.tree_peak;
	struct ledger_climb *climb = &s->climb;

	if (!climb->until)
		return;
	climb->until = 0;
	plain_bin(l)->max_bytes = s->most + s->others;
	if (climb->keeps)
		return;
	own->max.blocks = p->live[PROFILE_MALLOC].blocks + climb->blocks;
	own->max.bytes = s->most;
	tree->max.blocks = l->sites.tree_live.blocks + climb->blocks;
	tree->max.bytes = s->most + s->others;
	own->at_ns = tree->at_ns = climb->ns;
}

/* Something will be kept as it was at the peaks: another maximum is of a new epoch. */
static inline void plain_stay(struct ledger *l)
{
	if (!l->sums.climb.keeps)
		plain_top(l);
}

/* Of a process that is counted with others, what is told apart. */
static void plain_end_own(const struct ledger_sums *s,
			  const struct profile_amount *crowds)
{
	struct sites_process *own = &s->of->sums;
	struct profile_amount *live = &own->live[PROFILE_MALLOC];

	own->frees[PROFILE_MALLOC] += s->frees;
	live->blocks += s->allocs - s->frees;
	live->bytes += s->live - crowds->bytes;
}

static inline void plain_end(struct ledger *l)
{
	struct ledger_sums *s = &l->sums;
	struct sites_process *p = s->counts;
	struct profile_amount *live = &p->live[PROFILE_MALLOC];
	struct profile_amount *tree = &l->sites.tree_live;
	struct profile_bin *b = plain_bin(l);

	plain_top(l);
	if (s->of->sums.crowd)
		plain_end_own(s, live);
	p->allocs[PROFILE_MALLOC] += s->allocs;
	p->allocated_bytes[PROFILE_MALLOC] += s->allocated_bytes;
	p->frees[PROFILE_MALLOC] += s->frees;
	p->freed_bytes[PROFILE_MALLOC] += s->allocated_bytes - (s->live - live->bytes);
	p->temporary.blocks += s->temporary.blocks;
	p->temporary.bytes += s->temporary.bytes;
	live->blocks += s->allocs - s->frees;
	live->bytes = s->live;
	tree->blocks += s->allocs - s->frees;
	tree->bytes = s->live + s->others;
	b->allocs += s->allocs;
	b->last_blocks = tree->blocks;
	b->last_bytes = tree->bytes;
	b->min_bytes = plain_lesser(b->min_bytes, s->least + s->others);
	s->of = NULL;
}

/* The moment of a stamp, if nothing begins before it. */
static inline bool plain_moment(const struct ledger *l, uint64_t stamp, uint64_t *ret)
{
	*ret = clock_ns_since(l->clock, stamp);
	return *ret - l->sums.from_ns < l->sums.span_ns;
}

static inline uint32_t plain_site(const struct ledger *l, uint32_t node)
{
	return l->sums.direct[node];
}

/* Of a stack that the process has not met. A site is made for events that count, and
 * those do for which the live blocks leave room. */
__attribute__((noinline)) static uint32_t plain_meet(struct ledger *l,
						     struct ledger_process *p,
						     const struct event *ev,
						     uint32_t node)
{
	bool legal = ev->type == WIRE_FREE
			     ? live_peek(&p->live, &ev->way, ev->address)
			     : live_lacks_near(&p->live, &ev->way, ev->address);
	uint32_t site = 0;

	if (legal)
		site = sites_find(&l->sites, &p->sums, node, PROFILE_MALLOC);
	l->sums.direct = l->sums.counts->direct; /* which may be its first */
	return site;
}

static inline uint32_t plain_place(struct ledger *l, struct ledger_process *p,
				   const struct event *ev, uint32_t node)
{
	uint32_t site = plain_site(l, node);

	return __builtin_expect(site, 1) ? site : plain_meet(l, p, ev, node);
}

/* Before a site's counters change, when the sums are no maximum. */
static inline void plain_keep(struct ledger *l, struct site *site)
{
	const struct peak_total *own = &l->sums.counts->peak[PROFILE_MALLOC];
	const struct peak_total *tree = &l->sites.tree_peak;
	struct profile_amount part;

	if (__builtin_expect(site->kept == l->sums.epochs, 1))
		return;
	plain_stay(l);
	site->kept = l->sums.epochs;
	part = sites_part(&l->sites, site);
	if (site->peak.saved_in != own->epoch)
		site->peak = (struct peak_part){own->epoch, part};
	if (site->tree_peak.saved_in != tree->epoch)
		site->tree_peak = (struct peak_part){tree->epoch, part};
}

/* How far it may rise from here on before there is more to do than to note that. */
static inline void plain_climb(struct ledger *l, bool own, bool tree)
{
	struct ledger_climb *climb = &l->sums.climb;

	climb->keeps = !own;
	if (own == tree)
		climb->until = own ? UINT64_MAX : plain_peaks(l);
}

/* The process holds more than what was the limit. */
__attribute__((noinline)) static void plain_rise(struct ledger *l, struct site *site,
						 uint64_t live, uint64_t ns)
{
	struct ledger_sums *s = &l->sums;
	struct sites_process *p = s->counts;
	uint64_t more = s->allocs - s->frees;
	struct profile_amount sum = {p->live[PROFILE_MALLOC].blocks + more, live};
	struct profile_amount tree = {l->sites.tree_live.blocks + more,
				      live + s->others};
	struct profile_bin *b = plain_bin(l);
	struct profile_amount part = sites_part(&l->sites, site);
	bool own_rises = live > p->peak[PROFILE_MALLOC].max.bytes;
	bool tree_rises = tree.bytes > l->sites.tree_peak.max.bytes;

	peak_change(&p->peak[PROFILE_MALLOC], &site->peak, part, sum, ns);
	peak_change(&l->sites.tree_peak, &site->tree_peak, part, tree, ns);
	if (tree.bytes > b->max_bytes)
		b->max_bytes = tree.bytes;
	s->most = plain_most(l);
	s->epochs = plain_epochs(l);
	s->climb = (struct ledger_climb){.blocks = more, .ns = ns};
	plain_climb(l, own_rises, tree_rises);
}

/* Or as much as it has climbed to, and no other limit. */
static inline void plain_step(struct ledger *l, struct site *site, uint64_t live,
			      uint64_t ns)
{
	struct ledger_sums *s = &l->sums;

	s->most = live;
	s->climb.blocks = s->allocs - s->frees;
	s->climb.ns = ns;
	if (s->climb.keeps)
		plain_keep(l, site);
}

/* The process now holds `live`, and the site a block more. Whether it rose. */
static inline __attribute__((always_inline)) bool plain_born(struct ledger *l,
							     struct site *site,
							     uint64_t size,
							     uint64_t live, uint64_t ns)
{
	struct ledger_sums *s = &l->sums;
	bool rises = live > s->most;

	s->allocs++;
	s->allocated_bytes += size;
	counting_touch(&l->sites, site);
	if (!rises) {
		plain_keep(l, site);
	} else if (live <= s->climb.until) {
		plain_step(l, site, live, ns);
	} else {
		plain_rise(l, site, live, ns);
	}
	counting_born(site, ns);
	site->allocs++;
	site->allocated_bytes += size;
	counting_tally(&l->sites, &site->sizes, size, 1);
	site->last_rank = ++l->sites.rank;
	site->last_live_bytes = live;
	return rises;
}

/* A block of the site that lived so long was freed by code here. */
static inline void plain_died(struct ledger *l, struct site *site, uint64_t size,
			      uint64_t age, struct site *here, bool temporary)
{
	struct ledger_sums *s = &l->sums;

	s->frees++;
	site->frees++;
	site->freed_bytes += size;
	counting_tally(&l->sites, &site->lives, age, 1);
	here->freed_here++;
	here->freed_here_bytes += size;
	here->last_rank = ++l->sites.rank;
	here->last_live_bytes = s->live;
	if (!temporary)
		return;
	site->temporary.blocks++;
	site->temporary.bytes += size;
	s->temporary.blocks++;
	s->temporary.bytes += size;
}

/* A block comes, in an arena or not: before the heap's own sums change. Whether. */
static inline __attribute__((always_inline)) bool plain_settle(struct ledger *l,
							       struct ledger_process *p,
							       uint64_t address,
							       uint64_t bytes)
{
	bool inside = arenas_has(&p->arenas, address);

	if (!inside)
		return false;
	plain_stay(l);
	arenas_born(&p->arenas, blocks_epoch(p), bytes);
	return true;
}

/* A block that lives on: the process has one more, and the site. */
static inline __attribute__((always_inline)) void
plain_came(struct ledger *l, struct ledger_process *p, const struct event *ev,
	   uint32_t site, uint64_t ns)
{
	struct ledger_sums *s = &l->sums;

	s->live += ev->size;
	plain_settle(l, p, ev->address, ev->size);
	plain_born(l, &l->sites.items[site], ev->size, s->live, ns);
}

static inline __attribute__((always_inline)) bool
plain_allocate(struct ledger *l, struct ledger_process *p,
				  const struct event *ev)
{
	struct live_block b = {.size = ev->size,
			       .site = plain_place(l, p, ev, ev->stack)};

	if (!b.site || !plain_moment(l, ev->stamp, &b.born_ns) ||
	    !live_add_near(&p->live, &ev->way, ev->address, &b))
		return false;
	plain_came(l, p, ev, b.site, b.born_ns);
	return true;
}

/* What comes and goes at once has no place in the table, where nothing may lie. */
static inline __attribute__((always_inline)) bool
plain_pair(struct ledger *l, struct ledger_process *p,
			      const struct event *ev)
{
	struct ledger_sums *s = &l->sums;
	uint32_t number = plain_place(l, p, ev, ev->stack);
	uint32_t by = number ? plain_place(l, p, ev, ev->freed_by) : 0;
	struct site *site = &l->sites.items[number], *here = &l->sites.items[by];
	uint64_t born_ns, ns;
	bool inside;

	if (!number || !by || s->is_parent || !plain_moment(l, ev->stamp, &born_ns) ||
	    !plain_moment(l, ev->stamp + ev->gap, &ns) ||
	    !live_lacks_near(&p->live, &ev->way, ev->address))
		return false;
	*blocks_death(l, ev->address) =
		(struct ledger_moment){s->key | ev->address, ns};
	inside = plain_settle(l, p, ev->address, ev->size);
	/* At a peak, it is what the site held there. */
	if (plain_born(l, site, ev->size, s->live + ev->size, born_ns))
		plain_keep(l, site);
	if (inside)
		arenas_died(&p->arenas, blocks_epoch(p), ev->size);
	counting_touch(&l->sites, here);
	plain_died(l, site, ev->size, ns - born_ns, here, true);
	return true;
}

/* A block that lived at address is gone, freed by code at site `by`. left_ns: since when
 * others may be given its address. */
static inline __attribute__((always_inline)) void
plain_gone(struct ledger *l, uint64_t address, uint64_t left_ns,
	   const struct live_block *b, uint32_t by, uint64_t ns, bool temporary)
{
	struct site *site = &l->sites.items[b->site], *here = &l->sites.items[by];
	struct ledger_sums *s = &l->sums;
	struct ledger_process *p = s->of;

	*blocks_death(l, address) = (struct ledger_moment){s->key | address, left_ns};
	if (arenas_has(&p->arenas, address))
		arenas_died(&p->arenas, blocks_epoch(p), b->size);
	s->live -= b->size;
	if (s->live < s->least)
		s->least = s->live;
	counting_touch(&l->sites, site);
	counting_touch(&l->sites, here);
	plain_keep(l, site);
	plain_died(l, site, b->size, ns > b->born_ns ? ns - b->born_ns : 0, here,
		   temporary);
}

static inline __attribute__((always_inline)) bool
plain_free(struct ledger *l, struct ledger_process *p,
			      const struct event *ev, bool temporary)
{
	struct ledger_sums *s = &l->sums;
	uint32_t by = plain_place(l, p, ev, ev->stack);
	struct live_block b;
	uint64_t ns;

	if (!by || s->is_parent || proofs_watches(&p->proofs, ev->address) ||
	    !plain_moment(l, ev->stamp, &ns) ||
	    !live_take_near(&p->live, &ev->way, ev->address, ns + BLOCKS_SKEW_NS, &b))
		return false;
	plain_gone(l, ev->address, ns, &b, by, ns, temporary);
	return true;
}

/* A realloc that moved or resized its block, whose end follows its begin. False: of both
 * nothing was done; *ret: the end was, too, which else is an allocation that is left. */
__attribute__((noinline, unused)) static bool plain_realloc(struct ledger *l,
							    struct ledger_process *p,
							    const struct event *begin,
							    bool *ret)
{
	const struct event *end = begin + 1;
	uint32_t by;
	struct live_block b;
	uint64_t begin_ns, ns;

	if (end->type != WIRE_REALLOC_END || !end->address || l->sums.is_parent)
		return false;
	by = plain_place(l, p, end, end->stack);
	if (!by || proofs_watches(&p->proofs, begin->address) ||
	    !plain_moment(l, begin->stamp, &begin_ns) ||
	    !plain_moment(l, end->stamp, &ns) ||
	    !live_take_near(&p->live, &begin->way, begin->address,
			    begin_ns + BLOCKS_SKEW_NS, &b))
		return false;
	plain_gone(l, begin->address, begin_ns, &b, by, ns, false);
	*ret = plain_allocate(l, p, end);
	return true;
}

/*
 * A pair between whose two events those of other rings come. Its block is counted as
 * any other is, at its moments; but as nobody else knows its address yet, and nobody
 * will any more, it is kept beside its event instead of going to the table and out of
 * it. Whatever looks into the table comes behind ledger_rest(), which puts it there.
 */
static inline bool plain_hold(struct ledger *l, struct ledger_process *p,
			      struct event *ev)
{
	struct ledger_sums *s = &l->sums;
	uint32_t site = plain_place(l, p, ev, ev->stack);
	uint64_t born_ns;

	if (!site || s->is_parent || s->held == LEDGER_HELD_MOST ||
	    !plain_moment(l, ev->stamp, &born_ns) ||
	    !live_lacks_near(&p->live, &ev->way, ev->address))
		return false;
	plain_came(l, p, ev, site, born_ns);
	ev->held.born_ns = born_ns;
	ev->held.site = site;
	ev->held.place = s->held;
	l->held[s->held++] = ev;
	ev->type = EVENT_HELD;
	ev->stamp += ev->gap;
	ev->stack = ev->freed_by;
	return true;
}

/* Its free. */
static inline bool plain_let_go(struct ledger *l, const struct event *ev)
{
	struct ledger_sums *s = &l->sums;
	uint32_t by = plain_site(l, ev->stack), place = ev->held.place;
	const struct live_block b = {
		.size = ev->size, .born_ns = ev->held.born_ns, .site = ev->held.site};
	uint64_t ns;

	if (!by || !plain_moment(l, ev->stamp, &ns))
		return false;
	plain_gone(l, ev->address, ns, &b, by, ns, true);
	l->held[place] = l->held[--s->held];
	l->held[place]->held.place = place;
	return true;
}
