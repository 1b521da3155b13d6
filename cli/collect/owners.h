/*
 * owners.h - which threads allocated the blocks of a site: shares by threads.
 *
 * While one thread has allocated all blocks of a site, the site knows that thread and
 * there is nothing here. From the second thread on there is an owner for each, found
 * by (site, thread) in a hash table; live blocks name it in the place of their site,
 * with OWNERS_BIT set. A free is booked to who allocated.
 *
 * There are at most `most` owners, and two more for each site: beyond, what further
 * threads allocate belongs to OWNERS_OTHERS, one owner of a site, and those threads
 * are marked as `mixed`.
 */
#pragma once

#include "cli/collect/shares.h"

#include <stdbool.h>
#include <stddef.h>

#define OWNERS_BIT (1u << 30) /* the one above is the live table's */
#define OWNERS_OTHERS UINT32_MAX /* in the place of a thread's number */

enum {
	OWNERS_MOST = 1 << 20, /* of 140 bytes, and 16 of the table */
};

struct owner {
	uint32_t site, thread;
	uint32_t next; /* of the same process; 0: last */
};

struct owners {
	struct share *shares; /* from 1; as the keys */
	struct owner *keys;
	size_t count, room, most;
	uint32_t *slots; /* open addressing: numbers; 0: free */
	size_t slots_room;
	unsigned char *mixed; /* by number of the thread */
	size_t mixed_room;
	bool lost; /* no memory, or nobody asked: nothing is known by threads */
};

void owners_start(struct owners *o);
void owners_done(struct owners *o);

/* The owner's number, or 0. */
uint32_t owners_find(const struct owners *o, uint32_t site, uint32_t thread);

/* A new one, with what is its already (NULL: nothing), in front of *head. 0: lost. */
uint32_t owners_add(struct owners *o, uint32_t site, uint32_t thread,
		    const struct share *share, uint32_t *head);

/* There is no room for an owner of its own where the thread is new. */
void owners_mix(struct owners *o, uint32_t thread);

/* Of a thread's number, its place in the profile. */
static inline uint32_t owners_thread_index(uint32_t thread)
{
	return thread && thread != OWNERS_OTHERS ? thread - 1 : PROFILE_OTHERS;
}

static inline bool owners_full(const struct owners *o, size_t sites)
{
	return o->count > o->most + 2 * sites;
}
