#include "cli/collect/park.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void park_done(struct park *k)
{
	while (k->lots) {
		struct park_lot *lot = k->lots;

		while (lot->first) {
			struct park_item *item = lot->first;

			park_remove(k, lot, item);
			free(item);
		}
		park_close(k, lot);
	}
}

static size_t hash(const struct ledger_process *p, uint64_t address)
{
	uint64_t h = (address ^ (uintptr_t)p) * 0x9e3779b97f4a7c15ull;

	return (size_t)(h >> 40) % PARK_HASH;
}

struct park_lot *park_find(const struct park *k, const struct ledger_process *p,
			   uint64_t address)
{
	struct park_lot *lot = k->hash[hash(p, address)];

	while (lot && (lot->address != address || lot->process != p))
		lot = lot->same_hash;
	return lot;
}

static struct park_lot *open_lot(struct park *k, struct ledger_process *p,
				 uint64_t address)
{
	struct park_lot *lot = calloc(1, sizeof(*lot));
	size_t h = hash(p, address);

	if (!lot)
		return NULL;
	lot->process = p;
	lot->address = address;
	lot->last = &lot->first;
	lot->same_hash = k->hash[h];
	k->hash[h] = lot;
	lot->next = k->lots;
	lot->previous = &k->lots;
	if (k->lots)
		k->lots->previous = &lot->next;
	k->lots = lot;
	k->lot_count++;
	return lot;
}

int park_push(struct park *k, struct ledger_process *p, const struct event *ev,
	      struct ledger_realloc *realloc, uint64_t round)
{
	struct park_item *item = malloc(sizeof(*item));
	struct park_lot *lot = park_find(k, p, ev->address);

	if (item && !lot)
		lot = open_lot(k, p, ev->address);
	if (!item || !lot) {
		free(item);
		return -ENOMEM;
	}
	*item = (struct park_item){*ev, realloc, round, NULL};
	lot->mixed |= lot->first && lot->first->event.ring != ev->ring;
	*lot->last = item;
	lot->last = &item->next;
	lot->touched = round;
	k->item_count++;
	return 0;
}

struct park_item *park_pick(const struct park_lot *lot,
			    bool (*fits)(const struct park_item *item, void *context),
			    void *context)
{
	uint16_t seen[PARK_CANDIDATES];
	struct park_item *best = NULL;
	size_t rings = 0;

	if (!lot->mixed)
		return lot->first && fits(lot->first, context) ? lot->first : NULL;
	for (struct park_item *i = lot->first; i && rings < PARK_CANDIDATES;
	     i = i->next) {
		size_t k = 0;

		while (k < rings && seen[k] != i->event.ring)
			k++;
		if (k < rings)
			continue;
		seen[rings++] = i->event.ring;
		if (fits(i, context) && (!best || i->event.stamp < best->event.stamp))
			best = i;
	}
	return best;
}

void park_remove(struct park *k, struct park_lot *lot, struct park_item *item)
{
	struct park_item **link = &lot->first;

	while (*link != item)
		link = &(*link)->next;
	*link = item->next;
	if (!item->next)
		lot->last = link;
	k->item_count--;
}

void park_close(struct park *k, struct park_lot *lot)
{
	struct park_lot **link = &k->hash[hash(lot->process, lot->address)];

	assert(!lot->first);
	while (*link != lot)
		link = &(*link)->same_hash;
	*link = lot->same_hash;
	*lot->previous = lot->next;
	if (lot->next)
		lot->next->previous = lot->previous;
	k->lot_count--;
	free(lot);
}
