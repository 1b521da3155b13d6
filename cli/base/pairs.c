#include "cli/base/pairs.h"

#include "cli/base/array.h"
#include "cli/base/hash.h"

#include <errno.h>
#include <stdbool.h>
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

/* room is a power of two. */
static int set_room(struct pairs *p, size_t room)
{
	uint64_t *old = p->slots;

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

static int grow(struct pairs *p)
{
	return set_room(p, p->slots_room ? 2 * p->slots_room : 64);
}

int pairs_reserve(struct pairs *p, size_t count)
{
	size_t room = p->slots_room ? p->slots_room : 64;

	while (count >= room / 4 * 3)
		if (__builtin_mul_overflow(room, 2, &room))
			return -ENOMEM;
	return room == p->slots_room ? 0 : set_room(p, room);
}

void pairs_done(struct pairs *p)
{
	free(p->items);
	free(p->slots);
	*p = (struct pairs){0};
}

/* Whether it is the one behind the last: what goes through two things that are much
 * alike asks for the second's pairs in the order of the first's. No hash, and nothing
 * that is far away. */
static bool is_next(const struct pairs *p, uint32_t a, uint32_t b)
{
	return p->last < p->count && p->items[p->last].a == a &&
	       p->items[p->last].b == b;
}

uint32_t pairs_number(struct pairs *p, uint32_t a, uint32_t b)
{
	uint64_t hash, *slot;

	if (is_next(p, a, b))
		return ++p->last;
	if (p->count >= UINT32_MAX - 1 ||
	    (p->count >= p->slots_room / 4 * 3 && grow(p) < 0) ||
	    array_room(&p->items, &p->room, p->count + 1) < 0)
		return 0;
	hash = hash_of(a, b);
	slot = seek(p, hash, a, b);
	if (!*slot) {
		p->items[p->count++] = (struct pair){a, b};
		*slot = (hash >> 32 << 32) | p->count;
	}
	p->last = (uint32_t)*slot;
	return p->last;
}
