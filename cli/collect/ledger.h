/*
 * ledger.h - what events do to the books: the live blocks and the sites' counters.
 *
 * Events come in the merged order (merge.h). That order may be wrong for a moment:
 * an event that contradicts the live blocks is parked until a legal order is found,
 * or until the engine declares that everything that could explain it has been read.
 * For one address, events that need a block and events that need none alternate.
 *
 * The live table rounds the moments of birth. Those of the newest blocks are kept
 * beside it, so that short lifetimes are exact however long the recording is.
 */
#pragma once

#include "cli/collect/arenas.h"
#include "cli/collect/clock.h"
#include "cli/collect/event.h"
#include "cli/collect/lineage.h"
#include "cli/collect/live.h"
#include "cli/collect/maps.h"
#include "cli/collect/merge.h"
#include "cli/collect/park.h"
#include "cli/collect/pools.h"
#include "cli/collect/proofs.h"
#include "cli/collect/sites.h"

enum {
	LEDGER_FREES = 1024,
	LEDGER_LATE = 4096,
	LEDGER_HELD_MOST = 64,
};

struct ledger_moment { /* what happened at an address last; of few addresses */
	uint64_t key; /* address, POOLS_CHUNK included, and the process's index above */
	uint64_t ns;
};

struct ledger_process {
	struct sites_process sums;
	struct lineage lineage; /* what it has of its parent's */
	struct live live;
	struct live chunks; /* of pools */
	struct pools pools;
	struct maps maps;
	uint64_t unknown_frees, unseen_frees;
	struct profile_amount finalised; /* see profile_process */
	struct arenas arenas;
	uint64_t lost; /* events that no memory was left for, or that make no sense */
	size_t parked;
	struct proofs proofs;
	/* Blocks that are no leaks, by address, and when that was said: their
	 * allocations were parked then. */
	struct ledger_moment *late;
	size_t late_count, late_room;
	struct live_block *strays; /* which live on where nobody knows */
	size_t stray_count, stray_room;
};

enum ledger_held {		       /* what a realloc's begin found */
		   LEDGER_WAITING = 0, /* it is parked */
		   LEDGER_HELD,	       /* a block, which belongs to nobody now */
		   LEDGER_UNKNOWN,     /* none */
		   LEDGER_INHERITED,   /* a block of the parent's: counted there */
};

enum ledger_outcome { /* what its end said */
		      LEDGER_OPEN = 0,
		      LEDGER_FREED,  /* moved, resized in place or freed */
		      LEDGER_STANDS, /* failed, or the thread died inside */
};

struct ledger_realloc {		     /* a realloc between its begin and its end */
	struct ledger_realloc *next; /* the one around it */
	uint64_t address;
	struct live_block block;
	enum ledger_held held;
	enum ledger_outcome outcome;
	bool inside; /* it lay in an arena, which may be gone before its end */
	uint32_t by; /* site of the end, once FREED */
	uint64_t ns;
};

struct ledger_thread {			 /* what the ledger keeps for each ring */
	struct ledger_realloc *reallocs; /* innermost first */
	uint64_t last_alloc; /* address, if the last event was an allocation */
	uint64_t events;     /* handed on: ledger_run() counts its own */
	uint32_t number;     /* from 1, never used again; 0: nobody knows */
	struct maps_cuts
		unmapped; /* by its last WIRE_MUNMAP, at that moment */
	uint64_t unmapped_ns;
	uint32_t unmapped_by; /* stack */
};

/* Of maxima that follow each other, the last one; it is noted late: plain_top(). */
struct ledger_climb {
	uint64_t until;	     /* bytes: beyond them it is another climb; 0: it is none */
	uint64_t blocks, ns; /* at sums.most: more than before the sums; when */
	bool keeps; /* the timeline's bin alone climbs: sites are kept for the peaks */
};

/* What ledger_run() has done, and the sums of the process and the tree do not show yet.
 * All in the malloc domain, in one epoch and one bin of the timeline. See plain.h. */
struct ledger_sums {
	struct ledger_process *of; /* NULL: nothing; the rest is worthless */
	struct sites_process *counts; /* its own sums, or its crowd's */
	const uint32_t *direct;	      /* of these */
	uint64_t key;		   /* how its keys begin */
	uint64_t from_ns, span_ns; /* of the moments that it may have */
	uint64_t live, least;	   /* bytes of the process: now, and at the least */
	uint64_t most;		   /* beyond that, something has a new maximum */
	uint64_t epochs;	   /* both peaks' together */
	uint64_t others;	   /* bytes of the rest of the tree */
	uint64_t allocs, allocated_bytes, frees;
	struct ledger_climb climb;
	struct profile_amount temporary;
	bool is_parent;
	uint32_t held; /* blocks that are in no table: see plain_hold() */
};

enum { LEDGER_WARM = 512 }; /* a power of two */

struct ledger_warm { /* for ledger_look_ahead(): what it looked for lately */
	uint32_t stacks[LEDGER_WARM], owners[LEDGER_WARM];
	int wary; /* batches of which all frees are looked at */
};

struct ledger {
	struct sites sites;
	struct ledger_sums sums;
	struct park park;
	const struct stamp_clock *clock;
	uint64_t round; /* of parking, counted on by the engine */
	struct event *held[LEDGER_HELD_MOST]; /* sums.held of them */
	struct ledger_moment frees[LEDGER_FREES];
	struct ledger_warm warm;
};

int ledger_open(struct ledger *l, void *base, const struct stamp_clock *clock);
void ledger_done(struct ledger *l);

/* 0 or -ENOMEM. p stays where it is until ledger_done(). */
int ledger_process_start(struct ledger *l, struct ledger_process *p, uint32_t serial);

/* The same, of sums that others are counted in: sites_join(). */
int ledger_crowd_start(struct ledger *l, struct ledger_process *p, uint32_t serial);

/* The process is a fork child: serial as its slot has it, ns its fork if nobody told of
 * it. Its frees of the parent's blocks are understood from then on. */
void ledger_process_inherit(struct ledger_process *p, struct ledger_process *parent,
			    uint32_t serial, uint64_t ns);

/* Its fork was among the events, and has just been read. */
void ledger_process_told(struct ledger_process *p, uint32_t serial);

/* Is there a fork whose child has not come? */
bool ledger_has_forks(const struct ledger_process *p);

/* Forks before ns whose child has not come are forgotten. */
void ledger_forget_forks(struct ledger_process *p, uint64_t ns);

/* The fork of that child to be will not lead to one that is recorded. */
void ledger_forget_fork(struct ledger_process *p, uint32_t serial);

/* Settles what is parked, then lets the process's blocks go. All its threads have
 * ended. */
void ledger_process_end(struct ledger *l, struct ledger_process *p, uint64_t ns);

/* Frees what the process holds. After ledger_done(). */
void ledger_process_done(struct ledger_process *p);

/* The thread will do no more: a realloc that it began did not happen. */
void ledger_thread_end(struct ledger *l, struct ledger_process *p,
		       struct ledger_thread *t);

/* One event of a thread of p. */
void ledger_event(struct ledger *l, struct ledger_process *p, struct ledger_thread *t,
		  struct event *ev);

/* Finds out the ways to the blocks of events that will come soon, and asks for the
 * memory that they will need. Nothing else is changed. n: RING_WINDOW at most. */
void ledger_look_ahead(struct ledger *l, struct ledger_process *p, struct event *events,
		       size_t n);

/* The same as ledger_event() of each, for events that have been looked ahead for, up to
 * the first that is not plain, or later than the limit. Returns that one, or the end,
 * and counts what was done as the thread's: an EVENT_PAIR twice, unless its free is later
 * than the limit: that may be what is left of it. The sums are behind until
 * ledger_rest() or ledger_event(). */
struct event *ledger_run(struct ledger *l, struct ledger_process *p,
			 struct ledger_thread *t, struct event *from,
			 const struct event *end, uint64_t limit);

/* The same of all turns that m has planned. False: the next one's event is not plain,
 * and was not done. The sums are behind, and pairs may be half done. */
bool ledger_merge(struct ledger *l, struct merge *m);

/* Whether p's events may be summed up; from now on they are. */
bool ledger_sum_up(struct ledger *l, struct ledger_process *p);

/* All that was done shows. Before anything else than the above is asked of the ledger,
 * its processes or its sites. */
void ledger_rest(struct ledger *l);

/* Applies parked events of p as far as a legal order goes. Those parked in `final` or
 * an earlier round are true whether legal or not: an allocation frees the block that
 * it lies over, a free of nothing is a free of an unknown block. */
void ledger_settle(struct ledger *l, struct ledger_process *p, uint64_t final);

/* Calls see() for all that p has of its ancestors' blocks; site 0: their own processes
 * have freed those. */
void ledger_each_inherited(struct ledger *l, const struct ledger_process *p,
			   lineage_see *see, void *to);

/* Calls see() for all live blocks of p, and chunks of its pools. */
void ledger_each(struct ledger *l, struct ledger_process *p,
		 void (*see)(void *context, uint64_t address,
			     const struct live_block *b),
		 void *context);
