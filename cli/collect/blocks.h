/*
 * blocks.h - the live blocks of the malloc domain, as the ledger's events change them,
 * those included that a fork child inherits. For ledger.c and settle.c alone.
 */
#pragma once

#include "cli/collect/ledger.h"

/* Is there a block of p at address? */
bool blocks_has(struct ledger *l, struct ledger_process *p, uint64_t address);

/* Puts a block at address, unless one is there: false. Without memory it is lost. */
bool blocks_put(struct ledger *l, struct ledger_process *p, uint64_t address,
		const struct live_block *b);
/* Takes the block at address out; false: there is none. */
bool blocks_take(struct ledger *l, struct ledger_process *p, uint64_t address,
		 struct live_block *ret);

/* When a block at address was last freed; 0: not lately. */
uint64_t blocks_freed(const struct ledger *l, const struct ledger_process *p,
		      uint64_t address);

/* A block has left the table for good, or until a realloc fails. */
void blocks_leave(struct ledger *l, struct ledger_process *p, uint64_t address,
		  const struct live_block *b, uint64_t ns);

/* Counts a free, by code at site `by`. */
void blocks_book_free(struct ledger *l, struct ledger_process *p,
		      const struct live_block *b, uint32_t by, uint64_t ns);

uint64_t blocks_moment(const struct ledger *l, const struct event *ev);
uint32_t blocks_site_of(struct ledger *l, struct ledger_process *p,
			const struct event *ev);
struct ledger_process *blocks_owner_of(const struct lineage *of);

/* A realloc of an inherited block did not happen. */
void blocks_give_back(struct ledger_process *p, const struct ledger_realloc *r);

/* A begin has found its block, or that there is none: frees r if its end is known. */
void blocks_begun(struct ledger *l, struct ledger_process *p, struct ledger_realloc *r);

/* Applies an allocation, or the end of a realloc that is one, if it is legal. */
bool blocks_allocate(struct ledger *l, struct ledger_process *p,
		     const struct event *ev);

/* Applies a free if it is legal. */
bool blocks_free(struct ledger *l, struct ledger_process *p, const struct event *ev);

/* Applies any event if it is legal. */
bool blocks_apply(struct ledger *l, struct ledger_process *p, const struct event *ev,
		  struct ledger_realloc *r);

/* Applies an allocation and its free, which follows at once; nothing was applied if
 * that is not legal, or not this simple. */
bool blocks_apply_pair(struct ledger *l, struct ledger_process *p,
		       const struct event *born, const struct event *dead);
