#include "cli/collect/owners.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void owners_start(struct owners *o)
{
	*o = (struct owners){.count = 1, .most = OWNERS_MOST};
}

void owners_done(struct owners *o)
{
	free(o->shares);
	free(o->keys);
	free(o->slots);
	free(o->mixed);
	*o = (struct owners){0};
}

static size_t home(const struct owners *o, uint32_t site, uint32_t thread)
{
	uint64_t h = ((uint64_t)site << 32 | thread) * 0x9e3779b97f4a7c15ull;

	return (size_t)(h >> 32) & (o->slots_room - 1);
}

/* Its slot, or the free one for it. There is a free one. */
static uint32_t *seek(const struct owners *o, uint32_t site, uint32_t thread)
{
	size_t at = home(o, site, thread);

	for (;; at = (at + 1) & (o->slots_room - 1)) {
		const struct owner *key = &o->keys[o->slots[at]];

		if (!o->slots[at] || (key->site == site && key->thread == thread))
			return &o->slots[at];
	}
}

uint32_t owners_find(const struct owners *o, uint32_t site, uint32_t thread)
{
	return o->slots_room ? *seek(o, site, thread) : 0;
}

static int grow_slots(struct owners *o)
{
	size_t room = o->slots_room ? o->slots_room * 2 : 64;
	uint32_t *more = calloc(room, sizeof(*more));

	if (!more)
		return -ENOMEM;
	free(o->slots);
	o->slots = more;
	o->slots_room = room;
	for (uint32_t i = 1; i < o->count; i++)
		*seek(o, o->keys[i].site, o->keys[i].thread) = i;
	return 0;
}

static int grow(struct owners *o)
{
	size_t room = o->room + o->room / 2 + 32;
	struct share *shares = aligned_alloc(64, room * sizeof(*shares));
	struct owner *keys = realloc(o->keys, room * sizeof(*keys));

	if (keys)
		o->keys = keys;
	if (!shares || !keys) {
		free(shares);
		return -ENOMEM;
	}
	if (o->shares)
		memcpy(shares, o->shares, o->count * sizeof(*shares));
	free(o->shares);
	o->shares = shares;
	o->room = room;
	return 0;
}

uint32_t owners_add(struct owners *o, uint32_t site, uint32_t thread,
		    const struct share *share, uint32_t *head)
{
	static const struct share none;
	uint32_t number = (uint32_t)o->count;

	if (o->count >= OWNERS_BIT - 1 || (o->count >= o->room && grow(o) < 0) ||
	    (o->count >= o->slots_room / 2 && grow_slots(o) < 0)) {
		o->lost = true;
		return 0;
	}
	o->keys[number] = (struct owner){site, thread, *head};
	o->shares[number] = share ? *share : none;
	*seek(o, site, thread) = number;
	*head = number;
	o->count++;
	return number;
}

void owners_mix(struct owners *o, uint32_t thread)
{
	if (thread == OWNERS_OTHERS)
		return;
	if (array_reserve(&o->mixed, &o->mixed_room, (size_t)thread + 1) < 0)
		o->lost = true;
	else
		o->mixed[thread] = 1;
}
