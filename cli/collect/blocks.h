/*
 * blocks.h - the live blocks of the malloc domain and the chunks of pools (pools.h), as
 * the ledger's events change them, those included that a fork child inherits. For
 * ledger.c, chunks.c and settle.c alone.
 */
#pragma once

#include "cli/collect/ledger.h"

/* Where a block at the address is, by its address less POOLS_CHUNK. */
static inline struct live *blocks_table(struct ledger_process *p, uint64_t address)
{
	return address & POOLS_CHUNK ? &p->chunks : &p->live;
}

static inline enum profile_domain blocks_domain(uint64_t address)
{
	return address & POOLS_CHUNK ? PROFILE_POOL : PROFILE_MALLOC;
}

enum {
	BLOCKS_SKEW_NS = 100, /* processors' clocks agree better than that */
};

/* Is there a block of p at address? */
bool blocks_has(struct ledger_process *p, uint64_t address);

/* The same, and which one; it stays. */
bool blocks_look(struct ledger_process *p, uint64_t address, struct live_block *ret);

/* The block at address, which is about to be freed, says so much: see values.h. */
void blocks_value(struct ledger *l, struct ledger_process *p, uint64_t address,
		  uint64_t value);

/* Puts a block at address, unless one is there: false. Without memory it is lost. */
bool blocks_put(struct ledger *l, struct ledger_process *p, uint64_t address,
		const struct live_block *b);
/* Takes the block at address out; false: there is none. */
bool blocks_take(struct ledger_process *p, uint64_t address, struct live_block *ret);

/* What an address's latest moment is kept by, and where: neighbours meet last. */
static inline uint64_t blocks_key(const struct ledger_process *p, uint64_t address)
{
	return address | (uint64_t)p->sums.index << (LIVE_ADDRESS_BITS + 1);
}

static inline uint64_t blocks_hash(uint64_t address)
{
	return (address * 0x9e3779b97f4a7c15ull) >> 40;
}

static inline struct ledger_moment *blocks_death(struct ledger *l, uint64_t address)
{
	return &l->frees[blocks_hash(address) % LEDGER_FREES];
}

/* When a block at address was last freed; 0: not lately. */
uint64_t blocks_freed(struct ledger *l, const struct ledger_process *p,
		      uint64_t address);

/* A block has left the table for good, or until a realloc fails. */
void blocks_leave(struct ledger *l, struct ledger_process *p, uint64_t address,
		  const struct live_block *b, uint64_t ns);

/* Counts a free, by code at site `by`. inside: it lay in an arena. */
void blocks_book_free(struct ledger *l, struct ledger_process *p,
		      const struct live_block *b, bool inside, uint32_t by,
		      uint64_t ns);

/* Of the process's heap, as arenas.h wants it. */
static inline uint64_t blocks_epoch(struct ledger_process *p)
{
	return sites_counts(&p->sums)->peak[PROFILE_MALLOC].epoch;
}

/* All moments come from here: births, frees and forks are seen in one order. */
static inline uint64_t blocks_moment(struct ledger *l, const struct event *ev)
{
	return sites_moment(&l->sites, clock_ns(l->clock, ev->stamp));
}

uint32_t blocks_site_of(struct ledger *l, struct ledger_process *p,
			const struct event *ev);
struct ledger_process *blocks_owner_of(const struct lineage *of);

/* A realloc of an inherited block did not happen. */
void blocks_give_back(struct ledger_process *p, const struct ledger_realloc *r);

/* The block lives on, in the counters alone: nobody can ask for its address. */
void blocks_stray(struct ledger *l, struct ledger_process *p,
		  const struct live_block *b);

/* A begin has found its block, or that there is none: frees r if its end is known. */
void blocks_begun(struct ledger *l, struct ledger_process *p, struct ledger_realloc *r);

/* Applies any event if it is legal. */
bool blocks_apply(struct ledger *l, struct ledger_process *p, const struct event *ev,
		  struct ledger_realloc *r);
