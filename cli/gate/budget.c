#include "cli/gate/budget.h"

#include "cli/base/glob.h"
#include "cli/base/quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Why nobody can say who holds the blocks, or false. */
static bool doubt_leaks(const struct budget_facts *f, char *why, size_t room)
{
	if (!f->leaks_matter)
		return false;
	if (f->unscanned)
		snprintf(why, room, "%" PRIu64 " %s could not be looked at: %s",
			 f->unscanned, f->unscanned == 1 ? "process" : "processes",
			 f->cause ? f->cause : "");
	else if (f->early)
		snprintf(why, room, "%" PRIu64 " %s looked at before the end alone",
			 f->early, f->early == 1 ? "process was" : "processes were");
	else
		return false;
	return true;
}

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
	else if (f->unseen)
		snprintf(why, room, "%s", f->unseen);
	else if (f->unfollowed)
		snprintf(why, room,
			 "%" PRIu64 " executed programs could not be recorded",
			 f->unfollowed);
	else if (f->running)
		snprintf(why, room, "%" PRIu64 " processes outlived the program",
			 f->running);
	else if (!f->complete)
		snprintf(why, room, "the recording ended before the program did");
	else
		return doubt_leaks(f, why, room);
	return true;
}

const char *budget_words(enum budget_metric metric)
{
	static const char *const words[BUDGET_METRICS] = {
		[BUDGET_LEAKED] = "bytes were lost",
		[BUDGET_PEAK] = "bytes were live at the peak",
		[BUDGET_LIVE] = "bytes were live at the exit",
		[BUDGET_ALLOCATIONS] = "allocations were made",
		[BUDGET_TEMPORARY] = "allocations were temporary",
	};

	return metric < BUDGET_METRICS ? words[metric] : "";
}

/* The first that is exceeded, of leaks or of the rest; count: none is. */
static size_t exceeded(const struct budget_limit *limits, size_t count, bool leaks)
{
	for (size_t i = 0; i < count; i++)
		if ((limits[i].metric == BUDGET_LEAKED) == leaks &&
		    limits[i].is > limits[i].most)
			return i;
	return count;
}

enum budget_verdict budget_judge(const struct budget_facts *facts,
				 const struct budget_limit *limits, size_t count,
				 char *why, size_t why_bytes, size_t *ret_limit)
{
	const struct budget_limit *l;

	snprintf(why, why_bytes, "%s", "");
	*ret_limit = count;
	if (doubt(facts, why, why_bytes))
		return BUDGET_UNCHECKED;
	*ret_limit = exceeded(limits, count, true);
	if (*ret_limit == count)
		*ret_limit = exceeded(limits, count, false);
	if (*ret_limit == count)
		return BUDGET_MET;
	l = &limits[*ret_limit];
	snprintf(why, why_bytes, "%" PRIu64 " %s%s%s, %" PRIu64 " are allowed", l->is,
		 budget_words(l->metric), l->path ? " by way of " : "",
		 l->path ? l->path : "", l->most);
	return l->metric == BUDGET_LEAKED ? BUDGET_LEAKS : BUDGET_OVER;
}

static int check_path(const char *path, size_t len)
{
	struct glob g;
	int r = glob_init(&g, GLOB_WHOLE, path, len);

	if (!r)
		glob_done(&g);
	return r;
}

int budget_parse(const char *text, enum budget_metric metric, char **ret_path,
		 uint64_t *ret_most)
{
	const char *equals = strrchr(text, '='), *amount = equals ? equals + 1 : text;
	char *path = NULL, *end;
	uint64_t most;

	/* (A number of things has no unit; sizes do.) */
	if (metric == BUDGET_ALLOCATIONS || metric == BUDGET_TEMPORARY) {
		if (*amount < '0' || *amount > '9')
			return -EINVAL;
		errno = 0;
		most = strtoull(amount, &end, 10);
		if (*end || errno)
			return -EINVAL;
	} else if (quantity_parse_size(amount, &most) < 0) {
		return -EINVAL;
	}
	if (equals) {
		int r = check_path(text, (size_t)(equals - text));

		if (r < 0)
			return r;
		path = strndup(text, (size_t)(equals - text));
		if (!path)
			return -ENOMEM;
	}
	*ret_path = path;
	*ret_most = most;
	return 0;
}
