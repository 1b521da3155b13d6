/*
 * engine_state.h - what the parts of the engine share: its processes, threads and
 * lanes. For engine.c, engine_fill.c, processes.c, crowds.c and lanes.c alone.
 */
#pragma once

#include "cli/base/strings.h"
#include "cli/base/table.h"
#include "cli/collect/codes.h"
#include "cli/collect/engine.h"
#include "cli/collect/ledger.h"
#include "cli/collect/merge.h"
#include "cli/collect/modules.h"

#include <errno.h>

struct process {
	struct engine_process pub; /* first: its address is the process's */
	struct ledger_process books;
	uint64_t round; /* what is parked up to this round waits for the fence */
	bool fenced, ending;
	/* Of those that are counted in it (crowds.h): who live, and the first one's pid. */
	size_t living;
	int32_t first_pid;
	struct process *before, *behind; /* of those that live, see engine.living */
	uint32_t forked_from; /* a parent that is not known yet; 0: none, or known */
	uint64_t forked_ns;
	uint64_t lost, held_back; /* of rings that were freed; ticks */
};

struct thread {
	uint32_t process, tid; /* index */
	char name[WIRE_THREAD_NAME_BYTES + 1];
	uint64_t events, start_ns, end_ns;
	bool ended, filled;
};

struct lane {			   /* a ring in use */
	struct ring_reader reader; /* first */
	struct process *process;
	struct ledger_thread books;
	size_t thread;
	uint64_t told; /* of books.events: so many are counted elsewhere, too */
	uint64_t fence;
	uint64_t looked_at; /* how far it was read when last looked at for trimming */
};

enum { CROWDS_IDLE = 8 };

/* The rows that processes are counted together in, by program. */
struct crowds {
	struct strings programs;
	struct process **of; /* by number of the program; NULL: none */
	size_t room;
	struct process *idle[CROWDS_IDLE]; /* whose last process has ended */
	size_t idle_next;
	bool all; /* else only where sites are short */
};

struct engine {
	void *base;
	int fd;
	struct engine_hooks hooks;
	struct stamp_clock clock;
	struct ledger ledger;
	struct modules modules;
	struct codes codes;
	size_t modules_told;

	uint32_t rings; /* that there is memory for */
	struct lane lanes[WIRE_RINGS];
	uint16_t open[WIRE_RINGS]; /* numbers of lanes in use */
	size_t open_count;
	bool in_use[WIRE_RINGS];
	uint32_t claims;       /* as of the last look at all rings */
	uint32_t ever;	       /* rings that anybody has taken, as of a look */
	size_t trim;	       /* where the next look for idle rings begins */
	uint32_t look;	       /* where the next look at a few begins */
	struct event *windows; /* free ones, linked through their first word */

	struct process **processes; /* by index */
	size_t process_count, process_room;
	struct process *living, *newest; /* the first and the last that has not ended */
	size_t orphans;			 /* living ones whose parent is not known yet */
	struct process **awaited; /* that have ended, and have children that may come */
	size_t awaited_count, awaited_room;
	struct table serials; /* serial -> index + 1 */
	struct crowds crowds;
	struct thread *threads;
	size_t thread_count, thread_room;
	size_t threads_final; /* all below have ended and are in the profile */

	struct merge merge;
	uint64_t stamp; /* of this pass */
	uint64_t slack; /* that two processors' counters may differ by, in ticks */
	size_t consumed; /* events of this pass */
	uint64_t lost; /* events of rings that no process owns */
};

/* Takes in the modules that were published by now: all that any event names. */
void engine_look_at_modules(struct engine *e);

static inline struct wire_header *engine_header(const struct engine *e)
{
	return e->base;
}

/* The moment that all events before have been read of: what is put behind it does not
 * come before an event of its past that waits in a ring. */
static inline uint64_t engine_read_ns(const struct engine *e)
{
	return clock_ns(&e->clock, e->stamp);
}

static inline uint64_t engine_stamp(const struct engine *e)
{
	return e->hooks.now ? e->hooks.now(e->hooks.context) : clock_stamp(&e->clock);
}

/* Without memory: the recording is incomplete from here on. */
static inline void engine_fail(struct engine *e)
{
	if (!e->ledger.sites.error)
		e->ledger.sites.error = -ENOMEM;
}
