/*
 * sites.h - what is counted for each (process, stack, domain), and their sums.
 *
 * Sites are numbered from 1 in the order of their first event; site n becomes
 * profile.sites[n - 1]. Site 0 is where events go that memory was short for: it is
 * never shown, and `error` tells of it.
 *
 *	live of a site = allocs - frees, allocated_bytes - freed_bytes
 *	live of a process's domain = sum over its sites
 *	live of the tree = sum over processes that have not ended, malloc domain
 *
 * There are at most so many (sites.most), as take up an eighth of the memory: half of
 * them are for who comes first, then a process may have a 64th of what is left. What it
 * meets beyond that counts at the site of the next caller that has one, the stack without
 * frames at last.
 *
 * A process may be counted with others, in the sums and the sites of their crowd: of all
 * that belongs to it there, its own `live` alone is told apart. Of a crowd
 *
 *	live of a domain = sum over its sites of allocs - frees less what its members left
 *	tree's sum: likewise, as a member's end is no event of the sites' counters
 *
 * Time is cut into epochs (history.h): every count is booked in the epoch that is
 * current when it is made, and moments before its start count as its start. If asked
 * for, sites are divided by size classes and by threads too (divisions.h).
 */
#pragma once

#include "cli/collect/divisions.h"
#include "cli/collect/history.h"
#include "cli/collect/peak.h"
#include "cli/collect/stacks.h"
#include "cli/collect/timeline.h"
#include "cli/collect/values.h"

#include <assert.h>
#include <stddef.h>

/* Counts by floor(log2), for the classes low .. low+span-1. */
struct sites_histogram {
	uint8_t low, span;
	uint64_t count[];
};

struct site { /* two lines that events touch, a third for a new peak */
	_Alignas(64) uint64_t allocs;
	uint64_t allocated_bytes, frees, freed_bytes;
	uint64_t last_rank, last_live_bytes;
	uint64_t last_ns;
	uint32_t epoch; /* of its last event, see history.epoch */
	uint8_t domain;
	bool listed; /* in sites.changed */
	bool gone;   /* its process ended: no longer part of the tree's sum */
	bool crowd;  /* of one: see sites_part() */

	uint64_t kept;			       /* see plain_keep() */
	struct sites_histogram *sizes, *lives; /* owned; NULL at first */
	uint64_t freed_here, freed_here_bytes;
	struct profile_amount temporary;
	uint64_t first_ns;

	struct peak_part peak;	    /* of the process's domain */
	struct peak_part tree_peak; /* of the tree's sum */
	uint32_t process;	    /* index of its sites_process */
	uint32_t stack;		    /* of struct stacks */
	uint32_t next;		    /* site of the same process; 0: last */
	uint32_t row;		    /* its last one in the history, from 1; 0: none */
};

static_assert(sizeof(struct site) == 192 && offsetof(struct site, peak) == 128,
	      "three cache lines, the last of which is seldom touched");

/* A process, as far as its sums go. */
struct sites_process {
	struct profile_amount live[PROFILE_DOMAINS];
	struct peak_total peak[PROFILE_DOMAINS];
	uint64_t allocs[PROFILE_DOMAINS], allocated_bytes[PROFILE_DOMAINS];
	uint64_t frees[PROFILE_DOMAINS], freed_bytes[PROFILE_DOMAINS];
	struct profile_amount temporary;
	uint32_t index;	     /* in sites.processes */
	uint32_t serial;     /* for the profile */
	uint32_t first_site; /* 0: none */
	uint32_t site_count;
	uint32_t first_owner;
	/* Whose sums and sites its events are counted in; NULL: its own. Then of its own
	 * sums there are `live` and `frees` alone. */
	struct sites_process *crowd;
	bool is_crowd;
	bool without; /* what follows: it has ended, or there was no memory for it */
	/* Wire node -> site of the malloc domain, and behind it stack -> site; 0: the
	 * process has not met it. WIRE_NODES of either, of which what is not touched takes
	 * no memory; or sites.nowhere. */
	uint32_t *direct;
	/* The nodes among these, so that the next process can have what this one had: in
	 * all, unless met_lost. Owned. */
	uint32_t *met;
	size_t met_count, met_room;
	bool met_lost;
};

enum { SITES_SPARES = 8 };

/* Of a crowd's site, what members that have ended had there and never freed. */
struct sites_left {
	struct profile_amount gone;
	struct profile_amount kept; /* of the site's last epoch: no row has it yet */
};

struct sites {
	struct site *items; /* count of them, site 0 included; a mapping */
	struct sites_left *left; /* likewise; crowds' alone take memory */
	size_t count, room;
	size_t most;  /* more or less: each process has one at least */
	uint64_t cut; /* (process, stack)s that have none */
	uint32_t *nowhere; /* what who has met no node has: zeroes, never written */
	/* What processes that have ended had: zeroes again, and touched already. */
	uint32_t *spares[SITES_SPARES];
	size_t spare_count;
	/* (process, wire node, domain) -> site, of the other domains. */
	struct table index;
	/* (process, stack, domain) -> site, of the other domains, of stacks from
	 * WIRE_NODES on, and of processes without. */
	struct table distinct;
	struct stacks stacks;
	struct sites_process **processes; /* not owned */
	size_t process_count, process_room;

	uint32_t *changed; /* sites to look at when the profile is next filled */
	size_t changed_count, changed_room;
	size_t rows; /* in the profile: of so many of the first sites, but for site 0 */

	struct profile_amount tree_live;
	struct peak_total tree_peak;
	struct timeline timeline;
	struct history history;
	struct divisions divisions;
	struct values values;
	bool divided;	 /* by sizes, threads or both */
	uint64_t rank;	 /* events so far */
	uint64_t sample; /* wire_header.sample */
	int error;	 /* 0, or the first failure (-ENOMEM): counts are incomplete */
};

struct sites_block {
	uint64_t size, born_ns;
	uint32_t site; /* or owner, as sites_owner() said */
};

int sites_open(struct sites *s, void *base); /* 0 or -errno */

/* Counts by these too, of PROFILE_SIZES and PROFILE_OWNERS; before the first site. */
void sites_divide(struct sites *s, unsigned dimensions);

void sites_done(struct sites *s);

/* Another process, which outlives the sites. 0 or -ENOMEM. */
int sites_process_start(struct sites *s, struct sites_process *p, uint32_t serial);

/* Is it time for processes to be counted together, where they can be? */
bool sites_are_short(const struct sites *s);

/* A process that is none: others are counted in its sums. 0 or -ENOMEM. */
int sites_crowd_start(struct sites *s, struct sites_process *p, uint32_t serial);

/* p is counted with the crowd from now on. Before it has a site. 0, or -ENOMEM: it is
 * not. */
int sites_join(struct sites *s, struct sites_process *p, struct sites_process *crowd);

/* None of those that are counted with it lives: it takes less memory until another one
 * joins. */
void sites_crowd_rest(struct sites *s, struct sites_process *crowd);

/* Where the process's events are counted. */
static inline struct sites_process *sites_counts(struct sites_process *p)
{
	return p->crowd ? p->crowd : p;
}

/* The process's blocks leave the tree's sum, as its memory goes back. Those of one that
 * was counted with others have left by sites_keep(). */
void sites_process_end(struct sites *s, struct sites_process *p, uint64_t ns);

uint32_t sites_find_slowly(struct sites *s, struct sites_process *p, uint32_t node,
			   enum profile_domain domain);

/* The site of a wire node, made if need be; 0 without memory. */
static inline uint32_t sites_find(struct sites *s, struct sites_process *p,
				  uint32_t node, enum profile_domain domain)
{
	assert(node < WIRE_NODES);
	if (domain == PROFILE_MALLOC && p->direct[node])
		return p->direct[node];
	return sites_find_slowly(s, p, node, domain);
}

/* The same in the malloc domain, if it is known already; else 0. */
static inline uint32_t sites_peek(const struct sites_process *p, uint32_t node)
{
	return p->direct[node];
}

/* Ask for memory: of what sites_peek() looks at, and of a site. */
static inline void sites_prefetch_index(const struct sites_process *p, uint32_t node)
{
	__builtin_prefetch(&p->direct[node]);
	__asm__ volatile(""); /* see live_way() */
}

static inline void sites_prefetch(const struct sites *s, uint32_t site)
{
	__builtin_prefetch(&s->items[site].allocs, 1);
	__builtin_prefetch(&s->items[site].kept, 1);
	__asm__ volatile(""); /* see live_way() */
}

/* For counting.h: makes a histogram wide enough; puts a site among the changed. */
void sites_widen(struct sites *s, struct sites_histogram **h, uint8_t class);
void sites_list(struct sites *s, struct site *site);

/* The moment that an event at ns is booked at; it opens a new epoch if need be. What
 * a block is born at comes from here. */
static inline uint64_t sites_moment(struct sites *s, uint64_t ns)
{
	if (ns >= s->history.end_ns)
		ns = history_open(s, ns);
	return ns > s->history.start_ns ? ns : s->history.start_ns;
}

/* What a block that the thread allocates at a site names: the site, or its owner. */
static inline uint32_t sites_owner(struct sites *s, struct sites_process *p,
				   uint32_t site, uint32_t thread)
{
	return s->divided ? divisions_owner(s, p, site, thread) : site;
}

/* The site of what sites_owner() said. */
static inline uint32_t sites_number(const struct sites *s, uint32_t owner)
{
	return owner & OWNERS_BIT ? s->divisions.owners.keys[owner ^ OWNERS_BIT].site
				  : owner;
}

/* A block of size bytes was allocated, at a site or by an owner. blocks is 1, or 0 for
 * what is more of a block that was counted before. */
void sites_alloc(struct sites *s, struct sites_process *p, uint32_t site, uint64_t size,
		 uint32_t blocks, uint64_t ns);

/* A block, or some bytes of one (blocks 0), was freed by code at site `by`. */
void sites_free(struct sites *s, struct sites_process *p, const struct sites_block *b,
		uint32_t blocks, uint32_t by, uint64_t ns);

/* That free, in the mmap domain, did not happen: takes it back. */
void sites_unfree(struct sites *s, struct sites_process *p, const struct sites_block *b,
		  uint32_t blocks, uint32_t by, uint64_t freed_ns, uint64_t ns);

/* A block (blocks 1), or so many bytes of one (0), outlives its process, which ends at
 * ns: x is of that, or NULL for one that was counted with others. */
void sites_keep(struct sites *s, struct sites_process *p, const struct history_index *x,
		const struct sites_block *b, uint32_t blocks, uint64_t ns);

/* The block freed last was a temporary. */
void sites_temporary(struct sites *s, struct sites_process *p,
		     const struct sites_block *b);

static inline struct profile_amount sites_live(const struct site *s)
{
	return (struct profile_amount){s->allocs - s->frees,
				       s->allocated_bytes - s->freed_bytes};
}

/* What it adds to its process's `live`. */
static inline struct profile_amount sites_part(const struct sites *s,
					       const struct site *site)
{
	struct profile_amount part = sites_live(site);

	if (__builtin_expect(site->crowd, 0)) {
		const struct sites_left *left = &s->left[site - s->items];

		part.blocks -= left->gone.blocks;
		part.bytes -= left->gone.bytes;
	}
	return part;
}
