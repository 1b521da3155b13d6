/*
 * view.h - a profile as one report looks at it: its scope, whose code a frame is, which
 * blocks are `runtime`, and the figures that all reports sum.
 *
 *	peak	    of what was allocated: live at the peak of the scope
 *	leaked	    of it: live at the end, `runtime` apart
 *	allocated, freed, temporary: over the whole run
 *
 * Sums over a view's sites are the report's totals (summary.h), however they are cut.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/report/cut.h"
#include "cli/report/frames.h"
#include "cli/report/runtime.h"
#include "cli/report/scope.h"

enum view_metric { /* what reports are ordered by */
		   VIEW_PEAK = 0,
		   VIEW_LEAKED,
		   VIEW_ALLOCATED,
		   VIEW_TEMPORARY,
		   VIEW_ALLOCATIONS,
		   VIEW_METRICS
};

struct view_sums {
	struct profile_amount peak, leaked, runtime, allocated, temporary;
	struct profile_amount died;  /* of allocated: freed, by whomever */
	struct profile_amount freed; /* by code there, whoever allocated */
	/* The last event: its rank, and the process's live bytes after it. */
	uint64_t last_rank, last_live;
};

struct view_phrase {
	char text[160];
};

struct view {
	const struct profile *profile;
	struct scope scope;
	struct frames_owners *owners;
	struct runtime *runtime;
	/* By node: the nearest node, outwards from it, with code of the program's own;
	 * with code that is no base library's; with code. 0: none. NULL before
	 * view_owners(). */
	uint32_t *own, *other, *any;
	struct cut_words moment; /* for the phrase below */
};

/* 0, -ESRCH (no such process) or -ENOMEM. view_done() in any case. */
int view_init(struct view *v, const struct profile *p, const struct scope_options *o);
void view_done(struct view *v);

/* What site i had. false: it is not in the scope. */
bool view_site(const struct view *v, size_t i, struct view_sums *ret);

void view_add(struct view_sums *to, const struct view_sums *what);

/* The sum of all sites in scope. */
struct view_sums view_total(const struct view *v);

/* Bytes; blocks for VIEW_ALLOCATIONS. */
uint64_t view_value(const struct view_sums *s, enum view_metric metric);

static inline bool view_has_event(const struct view_sums *s)
{
	return s->allocated.blocks || s->freed.blocks;
}

/* "peak": {...}, "leaked": {...}, ... of an object begun. */
void view_json(const struct view_sums *s, struct json *j);

/* "peak"; "bytes live at the process's peak". */
const char *view_metric_name(enum view_metric metric);
struct view_phrase view_metric_phrase(const struct view *v, enum view_metric metric);

/* false: the word is no metric's name. */
bool view_parse_metric(const char *word, enum view_metric *ret);
#define VIEW_SORT_WORDS "peak leaked allocated temporary allocations"
#define VIEW_SORTS "peak (the default), leaked, allocated, temporary or allocations"

/* "the process's peak" and its like. */
const char *view_peak_phrase(const struct view *v);

/* Makes the two below fast: without it each of them walks the stack outwards. 0 or
 * -ENOMEM. */
int view_owners(struct view *v);

/*
 * The frame that a stack is counted under: the innermost of the program's own; without
 * one, of the libraries that it uses; without one, the innermost; and where every frame
 * is missing, what says so. `stack` of the result is NULL for stack 0, that of events
 * without a stack.
 */
struct frames_frame view_site_frame(const struct view *v, uint32_t stack);

/* The innermost frame that is no base library's; without one, the innermost. */
struct frames_frame view_caller(const struct view *v, uint32_t stack);
