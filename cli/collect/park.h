/*
 * park.h - events that cannot be true yet: allocations over a live block, frees of
 * none. They wait here, by address, for what must have come before them.
 *
 * A lot holds the waiting events of one address of one process in the order in which
 * they were read, and the first of each ring stands in a list of heads, so that each
 * ring's own order can be told. Whatever lot there is, an operation takes a number of
 * steps that is bounded by the number of rings with events in it, not of events.
 */
#pragma once

#include "cli/collect/event.h"

#include <stddef.h>

struct ledger_process;
struct ledger_realloc;

struct park_item {
	struct event event;
	struct ledger_realloc *realloc; /* of a begin and a restore */
	uint64_t round;			/* see engine.c: when it was parked */
	struct park_item *next, **link; /* in the lot; link leads here */
	struct park_item *later, *earlier; /* of the same ring */

	/* Of heads, which have no earlier one: */
	struct park_item *next_head, **head_link;
	struct park_item *ring_last;
};

struct park_lot {
	struct ledger_process *process;
	uint64_t address;
	struct park_item *first, **last;
	struct park_item *heads, **last_head;
	bool latest_is_head; /* of the event that was pushed last */
	uint64_t touched; /* round of the latest event, waiting or not */
	uint64_t freed_ns; /* when the address was last freed; 0: not known */
	struct park_lot *same_hash;	   /* chain of the hash table */
	struct park_lot *next, **previous; /* all lots */
};

enum {
	PARK_HASH = 4096,
	PARK_CANDIDATES = 64,
};

struct park {
	struct park_lot *hash[PARK_HASH];
	struct park_lot *lots;
	size_t lot_count, item_count;
	uint64_t steps; /* for tests: items looked at */
};

void park_done(struct park *k);

/* The lot of an address, or NULL. */
struct park_lot *park_find(const struct park *k, const struct ledger_process *p,
			   uint64_t address);

/* Appends an event to its lot, which is made if need be. 0 or -ENOMEM. */
int park_push(struct park *k, struct ledger_process *p, const struct event *ev,
	      struct ledger_realloc *realloc, uint64_t round);

/* Is the lot's latest event the first of its ring, and not of the only ring? */
static inline bool park_has_choice(const struct park_lot *lot)
{
	return lot->latest_is_head && lot->heads->next_head;
}

/* Of the first PARK_CANDIDATES heads that fit(), the one with the smallest stamp; or
 * NULL. A ring whose head has gone stands in line again. */
struct park_item *park_pick(struct park *k, const struct park_lot *lot,
			    bool (*fits)(const struct park_item *item, void *context),
			    void *context);

/* Removes an item; the caller frees it. */
void park_remove(struct park *k, struct park_lot *lot, struct park_item *item);

/* Frees a lot, which is empty. */
void park_close(struct park *k, struct park_lot *lot);
