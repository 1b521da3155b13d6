/*
 * chunks.h - what events of the pool domain do to the books: see pools.h.
 */
#pragma once

#include "cli/collect/ledger.h"

/* WIRE_POOL_*. */
void chunks_event(struct ledger *l, struct ledger_process *p, struct event *ev);

/* Whether a chunk that p has of its ancestors' (address with POOLS_CHUNK) went with its
 * pool, which p destroyed. */
bool chunks_is_taken(const struct ledger_process *p, uint64_t address);
