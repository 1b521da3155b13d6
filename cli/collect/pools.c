#include "cli/collect/pools.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>

static struct table_key key(uint64_t of)
{
	return (struct table_key){of, 0};
}

void pools_done(struct pools *p)
{
	table_done(&p->handles);
	table_done(&p->places);
	table_done(&p->taken);
	free(p->pools);
	free(p->chunks);
	*p = (struct pools){.wrong = p->wrong};
}

uint32_t pools_find(const struct pools *p, uint64_t handle)
{
	const uint64_t *pool = table_get(&p->handles, key(handle));

	return pool ? (uint32_t)*pool : 0;
}

static uint32_t new_pool(struct pools *p)
{
	uint32_t pool = p->free_pool;

	if (pool) {
		p->free_pool = p->pools[pool].first;
		return pool;
	}
	if (p->pool_count >= UINT32_MAX - 1 ||
	    array_reserve(&p->pools, &p->pool_room, p->pool_count + 2) < 0)
		return 0;
	return (uint32_t)++p->pool_count;
}

uint32_t pools_make(struct pools *p, uint64_t handle, bool *ret_new)
{
	uint64_t *known = table_put(&p->handles, key(handle), NULL);
	uint32_t pool;

	if (!known)
		return 0;
	*ret_new = !*known;
	if (*known)
		return (uint32_t)*known;
	pool = new_pool(p);
	if (pool)
		p->pools[pool] = (struct pools_pool){.handle = handle};
	*known = pool;
	return pool;
}

static void leave(struct pools *p, uint32_t chunk)
{
	struct pools_chunk *x = &p->chunks[chunk];

	if (x->previous)
		p->chunks[x->previous].next = x->next;
	else
		p->pools[x->pool].first = x->next;
	if (x->next)
		p->chunks[x->next].previous = x->previous;
}

void pools_drop(struct pools *p, uint32_t pool)
{
	uint32_t chunk, next;
	uint64_t *known;

	for (chunk = p->pools[pool].first; chunk; chunk = next) {
		next = p->chunks[chunk].next;
		*table_get(&p->places, key(p->chunks[chunk].address)) = 0;
		p->chunks[chunk] = (struct pools_chunk){.next = p->free_chunk};
		p->free_chunk = chunk;
	}
	known = table_get(&p->handles, key(p->pools[pool].handle));
	*known = 0;
	p->pools[pool] = (struct pools_pool){.first = p->free_pool};
	p->free_pool = pool;
}

static uint32_t new_chunk(struct pools *p)
{
	uint32_t chunk = p->free_chunk;

	if (chunk) {
		p->free_chunk = p->chunks[chunk].next;
		return chunk;
	}
	if (p->chunk_count >= UINT32_MAX - 1 ||
	    array_reserve(&p->chunks, &p->chunk_room, p->chunk_count + 2) < 0)
		return 0;
	return (uint32_t)++p->chunk_count;
}

int pools_join(struct pools *p, uint32_t pool, uint64_t address, uint64_t size)
{
	uint64_t *known = table_put(&p->places, key(address), NULL);
	uint32_t chunk, *first;

	if (!known)
		return -ENOMEM;
	if (*known)
		leave(p, (uint32_t)*known);
	else
		*known = new_chunk(p);
	chunk = (uint32_t)*known;
	if (!chunk)
		return -ENOMEM;
	first = &p->pools[pool].first;
	p->chunks[chunk] = (struct pools_chunk){address, size, pool, *first, 0};
	if (*first)
		p->chunks[*first].previous = chunk;
	*first = chunk;
	return 0;
}

uint32_t pools_of(const struct pools *p, uint64_t address)
{
	const uint64_t *chunk = table_get(&p->places, key(address));

	return chunk && *chunk ? p->chunks[*chunk].pool : 0;
}
