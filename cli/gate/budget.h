/*
 * budget.h - the verdict of `heapline check`: facts of a run against its limits.
 *
 * It fails closed: whatever makes the figures doubtful is "not checked", never a pass.
 * Nothing is read or written here: gate/measure.h finds the figures.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum budget_verdict { /* exit statuses; on BUDGET_MET the program's own is passed on */
		      BUDGET_MET = 0,
		      BUDGET_LEAKS = 23,
		      BUDGET_OVER = 24,
		      BUDGET_UNCHECKED = 70,
};

enum budget_metric {
	BUDGET_LEAKED,	    /* bytes, of the kinds that fail */
	BUDGET_PEAK,	    /* bytes, live at the peak */
	BUDGET_LIVE,	    /* bytes, never freed, apart from the runtime's own */
	BUDGET_ALLOCATIONS, /* how many */
	BUDGET_TEMPORARY,   /* how many, freed by the next event of the thread */
	BUDGET_METRICS
};

struct budget_limit {
	enum budget_metric metric;
	char *path; /* a glob of functions, files or modules; NULL: all */
	uint64_t most;
	uint64_t is; /* what was measured */
};

struct budget_facts {
	bool recorded;	     /* the program itself, from its start */
	bool complete;	     /* the profile, to the end of the last process */
	uint64_t running;    /* processes that go on unwatched */
	uint64_t unfollowed; /* programs executed that could not be recorded */
	uint64_t lost;	     /* events */
	bool sampled;	     /* the figures are estimates */
	const char *unseen;  /* a clause on an allocator that was not recorded; or NULL */

	bool leaks_matter;  /* some limit is about who holds blocks */
	uint64_t unscanned; /* processes with blocks that nobody looked at ... */
	const char *cause;  /* ... and why */
	uint64_t early;	    /* processes looked at before their end alone */
};

/* The verdict, with a clause on its reason in why (of why_bytes; "" if met), and the
 * first limit that was exceeded, leaks before others, in *ret_limit (count: none). */
enum budget_verdict budget_judge(const struct budget_facts *facts,
				 const struct budget_limit *limits, size_t count,
				 char *why, size_t why_bytes, size_t *ret_limit);

/* "4M" or "parse_*=4M" for a metric: the path, a copy to be freed, or NULL for all. 0,
 * -EINVAL, -ENOMEM. */
int budget_parse(const char *text, enum budget_metric metric, char **ret_path,
		 uint64_t *ret_most);

/* "bytes were lost", ... */
const char *budget_words(enum budget_metric metric);
