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
	lot->last_head = &lot->heads;
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

static void head_append(struct park_lot *lot, struct park_item *item)
{
	item->next_head = NULL;
	item->head_link = lot->last_head;
	*lot->last_head = item;
	lot->last_head = &item->next_head;
}

static void head_remove(struct park_lot *lot, struct park_item *item)
{
	*item->head_link = item->next_head;
	if (item->next_head)
		item->next_head->head_link = item->head_link;
	else
		lot->last_head = item->head_link;
}

static struct park_item *head_of(struct park *k, const struct park_lot *lot,
				 uint16_t ring)
{
	struct park_item *head = lot->heads;

	for (; head && head->event.ring != ring; head = head->next_head)
		k->steps++;
	return head;
}

static void append(struct park *k, struct park_lot *lot, struct park_item *item)
{
	struct park_item *head = head_of(k, lot, item->event.ring);

	item->link = lot->last;
	*lot->last = item;
	lot->last = &item->next;
	lot->latest_is_head = !head;
	if (!head) {
		item->ring_last = item;
		head_append(lot, item);
		return;
	}
	item->earlier = head->ring_last;
	item->earlier->later = item;
	head->ring_last = item;
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
	*item = (struct park_item){
		.event = *ev, .realloc = realloc, .round = round};
	append(k, lot, item);
	lot->touched = round;
	k->item_count++;
	return 0;
}

struct park_item *park_pick(struct park *k, const struct park_lot *lot,
			    bool (*fits)(const struct park_item *item, void *context),
			    void *context)
{
	struct park_item *best = NULL, *i = lot->heads;

	for (int n = 0; i && n < PARK_CANDIDATES; n++, i = i->next_head) {
		k->steps++;
		if (fits(i, context) && (!best || i->event.stamp < best->event.stamp))
			best = i;
	}
	return best;
}

static void leave_ring(struct park *k, struct park_lot *lot, struct park_item *item)
{
	if (item->later)
		item->later->earlier = item->earlier;
	if (item->earlier) {
		item->earlier->later = item->later;
		if (!item->later)
			head_of(k, lot, item->event.ring)->ring_last = item->earlier;
		return;
	}
	head_remove(lot, item);
	if (!item->later)
		return;
	item->later->ring_last = item->ring_last;
	head_append(lot, item->later);
}

void park_remove(struct park *k, struct park_lot *lot, struct park_item *item)
{
	leave_ring(k, lot, item);
	*item->link = item->next;
	if (item->next)
		item->next->link = item->link;
	else
		lot->last = item->link;
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
