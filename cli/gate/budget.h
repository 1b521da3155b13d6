/*
 * budget.h - the verdict of `heapline check`: facts of a run against its limits.
 *
 * It fails closed: whatever makes the figures doubtful is "not checked", never a pass.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum budget_verdict { /* exit statuses; on BUDGET_MET the program's own is passed on */
	BUDGET_MET = 0,
	BUDGET_LEAKS = 23,
	BUDGET_UNCHECKED = 70,
};

struct budget_limits {
	uint64_t max_leaked_bytes;
};

struct budget_facts {
	bool recorded;	    /* the program itself, from its start */
	bool complete;	    /* the profile, to the end of the last process */
	uint32_t running;   /* processes that go on unwatched */
	uint64_t unfollowed; /* programs executed that could not be recorded */
	uint64_t lost;	    /* events */
	bool sampled;	    /* the figures are estimates */
	uint64_t leaked_bytes; /* never freed, apart from the runtime's own */
};

/* The verdict, with a clause on its reason in why (of why_bytes; "" if met). */
enum budget_verdict budget_judge(const struct budget_facts *facts,
				 const struct budget_limits *limits, char *why,
				 size_t why_bytes);
