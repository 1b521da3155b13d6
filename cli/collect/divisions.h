/*
 * divisions.h - sites divided by size classes and by threads, if that is asked for.
 *
 * What belongs to a part of a site's blocks is a share (shares.h). Blocks are of the
 * class floor(log2(max(1, bytes))). A site of the malloc domain with blocks of several
 * classes has a share for each class from `low` on; should there be too many of all
 * sites, all are forgotten, and nothing is known by classes. Threads: see owners.h.
 *
 * An event of a recording that divides nothing looks at one flag (sites.divided).
 */
#pragma once

#include "cli/collect/owners.h"
#include "cli/collect/shares.h"

enum {
	DIVISIONS_SHARES = 1 << 20, /* of 128 bytes */
};

struct site;
struct sites;
struct sites_block;
struct sites_process;

struct division {	       /* of a site */
	struct share *classes; /* span of them; NULL: all blocks are of class low */
	uint32_t thread;       /* that allocated all of it, or the first; 0: none yet */
	uint8_t low, span;     /* of classes; 0: no block was seen */
	bool owned;	       /* it has owners: several threads */
};

struct divisions {
	struct division *of; /* by number of the site; what is beyond is all zero */
	size_t room;
	size_t shares, shares_most; /* of all sites; at most, and one for each site */
	bool shares_lost; /* too many, or not asked for: nothing is known by classes */
	unsigned dimensions; /* that were asked for, enum profile_dimension */
	struct owners owners;
};

void divisions_start(struct divisions *d, unsigned dimensions);
void divisions_done(struct divisions *d);

/* What a block names that the thread (0: nobody knows) allocates at a site of the
 * malloc domain: the site, or its owner with OWNERS_BIT. */
uint32_t divisions_owner(struct sites *s, struct sites_process *p, uint32_t site,
			 uint32_t thread);

/* The thread that allocated a block, by what it names; OWNERS_OTHERS: not known. */
uint32_t divisions_thread(const struct sites *s, uint32_t named);

/* What an event does to the shares, before it is counted: an allocation by `number`, a
 * site or an owner, that adds `sum`; and a free of a block by code at site `by`. */
void divisions_alloc(struct sites *s, const struct sites_process *p, uint32_t number,
		     uint64_t size, struct profile_amount sum);
void divisions_free(struct sites *s, struct sites_process *p,
		    const struct sites_block *b, uint32_t by,
		    struct profile_amount sum);
void divisions_temporary(struct sites *s, const struct sites_block *b);

/* The process is about to leave the tree's sum. */
void divisions_leave(struct sites *s, const struct sites_process *p);

/* Parts of a site; NULL: nothing is known of it. */
const struct division *divisions_of(const struct divisions *d, uint32_t site);

/* All that the site has counted, as a share of it. */
struct share divisions_whole(const struct site *site);
