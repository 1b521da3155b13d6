#include "cli/collect/chunks.h"

#include "cli/collect/blocks.h"
#include "cli/collect/settle.h"

#include <errno.h>

static void fail(struct ledger *l, struct ledger_process *p)
{
	l->sites.error = l->sites.error ? l->sites.error : -ENOMEM;
	p->lost++;
}

/* Whether the process has that pool of its parent's. */
static bool is_inherited(const struct ledger_process *p, uint64_t handle)
{
	const struct lineage *of = &p->lineage;

	for (; of->parent; of = of->parent) {
		const struct ledger_process *parent = blocks_owner_of(of->parent);

		if (table_get(&blocks_owner_of(of)->pools.taken,
			      (struct table_key){handle, 0}))
			return false;
		if (pools_find(&parent->pools, handle))
			return true;
	}
	return false;
}

bool chunks_is_taken(const struct ledger_process *p, uint64_t address)
{
	const struct lineage *of = &p->lineage;
	uint64_t at = address & ~POOLS_CHUNK;
	uint32_t pool = 0;

	if (!(address & POOLS_CHUNK))
		return false;
	for (; of->parent && !pool; of = of->parent) {
		const struct pools *theirs = &blocks_owner_of(of->parent)->pools;

		pool = pools_of(theirs, at);
		if (pool &&
		    table_get(&p->pools.taken,
			      (struct table_key){theirs->pools[pool].handle, 0}))
			return true;
	}
	return false;
}

/* Events may be a moment out of order, so a pool may be met by its first chunk before
 * the call that makes it: then that call is not wrong, nor was the chunk. */
static void create(struct ledger *l, struct ledger_process *p, const struct event *ev)
{
	bool is_new;
	uint32_t pool = pools_make(&p->pools, ev->address, &is_new);

	if (!pool) {
		fail(l, p);
		return;
	}
	if (!is_new && !p->pools.pools[pool].made)
		p->pools.wrong.pools--;
	else if (!is_new)
		p->pools.wrong.pools++;
	p->pools.pools[pool].made = true;
}

/* The pool that the chunk is said to be of, made if nobody has. 0 without memory. */
static uint32_t pool_for(struct ledger_process *p, uint64_t handle)
{
	bool is_new;
	uint32_t pool = pools_make(&p->pools, handle, &is_new);

	if (pool && is_new && is_inherited(p, handle))
		p->pools.pools[pool].made = true;
	else if (pool && is_new)
		p->pools.wrong.pools++;
	return pool;
}

static void allocate(struct ledger *l, struct ledger_process *p, struct event *ev)
{
	uint64_t handle = event_pool(ev->size, ev->pool);
	uint32_t pool = pool_for(p, handle);

	ev->size &= EVENT_POOL_SIZE - 1;
	if (!pool || pools_join(&p->pools, pool, ev->address, ev->size) < 0) {
		fail(l, p);
		return;
	}
	ev->type = WIRE_ALLOC;
	ev->address |= POOLS_CHUNK;
	settle_submit(l, p, ev, NULL);
}

static void free_chunk(struct ledger *l, struct ledger_process *p, struct event *ev)
{
	uint64_t handle = event_pool(ev->size, ev->pool);
	uint32_t of = pools_of(&p->pools, ev->address);

	if (of && p->pools.pools[of].handle != handle)
		p->pools.wrong.others++;
	else if (!of && !pools_find(&p->pools, handle) && !is_inherited(p, handle))
		p->pools.wrong.pools++;
	ev->type = WIRE_FREE;
	ev->address |= POOLS_CHUNK;
	ev->size = 0;
	/* (A parent's that is gone would be found once more.) */
	if (!blocks_has(p, ev->address) && chunks_is_taken(p, ev->address))
		p->pools.wrong.frees++;
	else
		settle_submit(l, p, ev, NULL);
}

static void destroy(struct ledger *l, struct ledger_process *p, struct event *ev)
{
	uint64_t handle = ev->address;
	uint32_t pool = pools_find(&p->pools, handle);
	bool inherited = is_inherited(p, handle);

	if (inherited &&
	    !table_put(&p->pools.taken, (struct table_key){handle, 0}, NULL))
		fail(l, p);
	if (!pool && !inherited)
		p->pools.wrong.pools++;
	if (!pool)
		return;
	for (uint32_t i = p->pools.pools[pool].first; i; i = p->pools.chunks[i].next) {
		struct event one = *ev;

		one.type = WIRE_FREE;
		one.address = p->pools.chunks[i].address | POOLS_CHUNK;
		/* (Behind what waits to be understood, this one waits, too.) */
		if (blocks_has(p, one.address) ||
		    (p->parked && park_find(&l->park, p, one.address)))
			settle_submit(l, p, &one, NULL);
	}
	pools_drop(&p->pools, pool);
}

void chunks_event(struct ledger *l, struct ledger_process *p, struct event *ev)
{
	ev->temporary = false;
	switch (ev->type) {
	case WIRE_POOL_CREATE:
		create(l, p, ev);
		break;
	case WIRE_POOL_DESTROY:
		destroy(l, p, ev);
		break;
	case WIRE_POOL_ALLOC:
		allocate(l, p, ev);
		break;
	default:
		free_chunk(l, p, ev);
		break;
	}
}
