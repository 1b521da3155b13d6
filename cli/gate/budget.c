#include "cli/gate/budget.h"

#include <inttypes.h>
#include <stdio.h>

/* Why the figures are worth nothing, or false. */
static bool doubt(const struct budget_facts *f, char *why, size_t room)
{
	if (!f->recorded)
		snprintf(why, room, "the program was not recorded");
	else if (f->lost)
		snprintf(why, room, "%" PRIu64 " events were lost", f->lost);
	else if (f->sampled)
		snprintf(why, room,
			 "the recording is a sample: an estimate proves no limit");
	else if (f->unfollowed)
		snprintf(why, room,
			 "%" PRIu64 " executed programs could not be recorded",
			 f->unfollowed);
	else if (f->running)
		snprintf(why, room, "%" PRIu32 " processes outlived the program",
			 f->running);
	else if (!f->complete)
		snprintf(why, room, "the recording ended before the program did");
	else
		return false;
	return true;
}

enum budget_verdict budget_judge(const struct budget_facts *facts,
				 const struct budget_limits *limits, char *why,
				 size_t why_bytes)
{
	snprintf(why, why_bytes, "%s", "");
	if (doubt(facts, why, why_bytes))
		return BUDGET_UNCHECKED;
	if (facts->leaked_bytes <= limits->max_leaked_bytes)
		return BUDGET_MET;
	snprintf(why, why_bytes,
		 "%" PRIu64 " bytes were never freed, %" PRIu64 " are allowed",
		 facts->leaked_bytes, limits->max_leaked_bytes);
	return BUDGET_LEAKS;
}
