/*
 * pools.h - allocators of the program's own, as it tells of them (heapline.h): which
 * chunk is of which pool.
 *
 * Chunks are blocks as malloc's are: they live in a table like theirs (ledger_process
 * .chunks), with the same parking, fork children and all. So that one at the start of
 * the block that it was carved of is not taken for that block, the ledger adds
 * POOLS_CHUNK to a chunk's address:
 *
 *	address & POOLS_CHUNK	a chunk, of the domain PROFILE_POOL
 *
 * What is here is the rest: for each pool a list of its chunks' addresses, those that
 * were freed included, until they are given out again or the pool is destroyed. The
 * table says which are live.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/collect/live.h"

#define POOLS_CHUNK (1ull << LIVE_ADDRESS_BITS)

/* Wrong calls, which are counted and believed as far as they make sense. */
struct pools_wrong {
	uint64_t pools;	   /* not there, or there already */
	uint64_t frees;	   /* of chunks that are not there */
	uint64_t others;   /* frees of chunks by another pool than theirs */
	uint64_t overlaps; /* allocations of chunks that are there */
};

struct pools_pool {
	uint64_t handle;
	uint32_t first; /* chunk; 0: none */
	bool made;	/* by a call, not by its first chunk */
};

struct pools_chunk {
	uint64_t address, size;
	uint32_t pool; /* 0: none, and the slot is free */
	uint32_t next, previous;
};

struct pools {
	struct table handles; /* -> pool; 0: destroyed */
	struct table places;  /* address -> chunk; 0: forgotten */
	struct table taken;   /* handles of ancestors' pools, destroyed here */
	struct pools_pool *pools;
	struct pools_chunk *chunks;
	size_t pool_count, pool_room, chunk_count, chunk_room; /* from 1 */
	uint32_t free_pool, free_chunk; /* lists: by `first`, by `next` */
	struct pools_wrong wrong;
};

/* Frees what it holds; what was wrong is still known. */
void pools_done(struct pools *p);

/* The pool of that handle; 0: there is none. */
uint32_t pools_find(const struct pools *p, uint64_t handle);

/* The same, made if need be. 0 without memory. */
uint32_t pools_make(struct pools *p, uint64_t handle, bool *ret_new);

/* The pool is no more, nor are its chunks. */
void pools_drop(struct pools *p, uint32_t pool);

/* The chunk at the address is the pool's from now on. 0 or -ENOMEM. */
int pools_join(struct pools *p, uint32_t pool, uint64_t address, uint64_t size);

/* The pool whose chunk is, or was, at the address; 0: no pool's. */
uint32_t pools_of(const struct pools *p, uint64_t address);
