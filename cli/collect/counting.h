/*
 * counting.h - what one event does to its site and to the sums: inlined where every
 * event passes, with the domain known.
 *
 * For sites.c and plain.h alone. A site saves what it held at the peak before it
 * changes, so the peaks come first, with the sums as they will be.
 */
#pragma once

#include "cli/collect/sites.h"

/* What a block adds: itself, and in a sampled recording those that it stands for. */
static inline struct profile_amount counting_amount(const struct sites *s,
						    enum profile_domain domain,
						    uint64_t size, uint32_t blocks)
{
	uint64_t weight = domain == PROFILE_MALLOC ? wire_weight(s->sample, size) : 1;

	return (struct profile_amount){blocks * weight, size * weight};
}

static inline uint8_t counting_class(uint64_t amount)
{
	return (uint8_t)(63 ^ __builtin_clzll(amount | 1)); /* one instruction, not 3 */
}

static inline bool counting_has(const struct sites_histogram *h, uint8_t class)
{
	return h && (uint8_t)(class - h->low) < h->span;
}

static inline void counting_tally(struct sites *s, struct sites_histogram **h,
				  uint64_t amount, uint64_t change)
{
	uint8_t class = counting_class(amount);

	if (__builtin_expect(!counting_has(*h, class), 0)) {
		sites_widen(s, h, class);
		if (!counting_has(*h, class))
			return;
	}
	(*h)->count[(uint8_t)(class - (*h)->low)] += change;
}

/* Before the first change of its counters by an event. */
static inline void counting_touch(struct sites *s, struct site *site)
{
	if (site->epoch != s->history.epoch)
		history_turn(s, site);
	if (!site->listed)
		sites_list(s, site);
}

/* The site is about to change, and the sums have: both peaks, and the timeline. */
static inline void counting_follow(struct sites *s, struct sites_process *p,
				   struct site *site, enum profile_domain domain,
				   uint64_t allocs, uint64_t ns)
{
	struct profile_amount part = sites_part(s, site);

	peak_change(&p->peak[domain], &site->peak, part, p->live[domain], ns);
	if (domain != PROFILE_MALLOC)
		return;
	peak_change(&s->tree_peak, &site->tree_peak, part, s->tree_live, ns);
	timeline_note(&s->timeline, ns, s->tree_live, allocs);
}

static inline void counting_stamp(struct sites *s, const struct sites_process *p,
				  struct site *site, enum profile_domain domain)
{
	site->last_rank = ++s->rank;
	site->last_live_bytes = p->live[domain].bytes;
}

/* Before it is counted. Moments go forwards, nearly always. */
static inline void counting_born(struct site *site, uint64_t ns)
{
	if (!site->allocs || (ns < site->last_ns && ns < site->first_ns))
		site->first_ns = ns;
	if (ns > site->last_ns)
		site->last_ns = ns;
}

static inline void counting_alloc(struct sites *s, struct sites_process *p,
				  struct site *site, enum profile_domain domain,
				  uint64_t size, uint32_t blocks, uint64_t ns)
{
	struct profile_amount sum = counting_amount(s, domain, size, blocks);

	counting_touch(s, site);
	p->allocs[domain] += sum.blocks;
	p->allocated_bytes[domain] += sum.bytes;
	p->live[domain].blocks += sum.blocks;
	p->live[domain].bytes += sum.bytes;
	if (domain == PROFILE_MALLOC) {
		s->tree_live.blocks += sum.blocks;
		s->tree_live.bytes += sum.bytes;
	}
	counting_follow(s, p, site, domain, sum.blocks, ns);
	counting_born(site, ns);
	site->allocs += sum.blocks;
	site->allocated_bytes += sum.bytes;
	counting_tally(s, &site->sizes, size, sum.blocks);
	counting_stamp(s, p, site, domain);
}

static inline void counting_free(struct sites *s, struct sites_process *p,
				 struct site *site, enum profile_domain domain,
				 const struct sites_block *b, uint32_t blocks,
				 struct site *here, uint64_t ns)
{
	struct profile_amount sum = counting_amount(s, domain, b->size, blocks);

	counting_touch(s, site);
	counting_touch(s, here);
	p->frees[domain] += sum.blocks;
	p->freed_bytes[domain] += sum.bytes;
	p->live[domain].blocks -= sum.blocks;
	p->live[domain].bytes -= sum.bytes;
	if (domain == PROFILE_MALLOC) {
		s->tree_live.blocks -= sum.blocks;
		s->tree_live.bytes -= sum.bytes;
	}
	counting_follow(s, p, site, domain, 0, ns);
	site->frees += sum.blocks;
	site->freed_bytes += sum.bytes;
	if (blocks)
		counting_tally(s, &site->lives, ns > b->born_ns ? ns - b->born_ns : 0,
			       sum.blocks);
	here->freed_here += sum.blocks;
	here->freed_here_bytes += sum.bytes;
	counting_stamp(s, p, here, domain);
}
