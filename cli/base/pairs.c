#include "cli/base/pairs.h"

#include "cli/base/array.h"
#include "cli/base/hash.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t hash_of(uint32_t a, uint32_t b)
{
	return hash_pair(a, b);
}

/* The pair's slot, or the free one for it. Where halves of hashes differ the pairs do,
 * and need not be looked at. */
static uint64_t *seek(const struct pairs *p, uint64_t hash, uint32_t a, uint32_t b)
{
	for (uint64_t i = hash;; i++) {
		uint64_t *slot = &p->slots[i & (p->slots_room - 1)];
		const struct pair *like;

		if (!*slot)
			return slot;
		if (*slot >> 32 != hash >> 32)
			continue;
		like = &p->items[(uint32_t)*slot - 1];
		if (like->a == a && like->b == b)
			return slot;
	}
}

static int grow(struct pairs *p)
{
	uint64_t *old = p->slots;
	size_t had = p->slots_room, room = had ? 2 * had : 64;

	p->slots = calloc(room, sizeof(*p->slots));
	if (!p->slots) {
		p->slots = old;
		return -ENOMEM;
	}
	p->slots_room = room;
	free(old);
	for (size_t i = 0; i < p->count; i++) {
		uint64_t hash = hash_of(p->items[i].a, p->items[i].b);

		*seek(p, hash, p->items[i].a, p->items[i].b) =
			(hash >> 32 << 32) | (i + 1);
	}
	return 0;
}

void pairs_done(struct pairs *p)
{
	free(p->items);
	free(p->slots);
	*p = (struct pairs){0};
}

uint32_t pairs_number(struct pairs *p, uint32_t a, uint32_t b)
{
	uint64_t hash = hash_of(a, b), *slot;

	if (p->count >= UINT32_MAX - 1 ||
	    (p->count >= p->slots_room / 4 * 3 && grow(p) < 0) ||
	    array_room(&p->items, &p->room, p->count + 1) < 0)
		return 0;
	slot = seek(p, hash, a, b);
	if (!*slot) {
		p->items[p->count++] = (struct pair){a, b};
		*slot = (hash >> 32 << 32) | p->count;
	}
	return (uint32_t)*slot;
}
