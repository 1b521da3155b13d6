/*
 * lines_report.h - which functions the line report shows and in which order, and how
 * its writers step through the lines of each.
 */
#pragma once

#include "cli/report/lines.h"
#include "cli/report/lines_source.h"
#include "cli/report/lines_sums.h"

enum { LINES_NAME = 1024 }; /* room for a name; more is cut */

struct lines_report {
	struct lines_sums sums;
	struct lines_source source;
	uint32_t *ranked; /* functions chosen, the most important first */
	bool *marked;	  /* of all functions: decorated with @profile */
	uint32_t *plain;  /* labels of functions without lines, likewise */
	size_t chosen, plain_chosen;
	enum lines_sort sort;
	bool fell_back; /* there is no code of the program's own */
};

/* everything: functions that are not the program's own, too. 0, -ESRCH or -ENOMEM.
 * lines_report_done() in any case. */
int lines_report_init(struct lines_report *r, const struct profile *p,
		      const struct lines_options *o, bool everything);
void lines_report_done(struct lines_report *r);

/* A Python function's listing begins with its `def`, as memory_profiler's do; others
 * (lambdas, comprehensions, a file's own code) need their name said. */
bool lines_names_itself(const struct lines_report *r, const struct lines_function *f);

/* Steps through a function's lines: those of its range and those with events, in
 * order. Starts zeroed. */
struct lines_steps {
	uint32_t number;	       /* the line's */
	const struct lines_line *line; /* NULL: no event there */
	uint32_t at;		       /* into the function's lines */
	bool started;
};

/* The next line; false: there are no more. nonzero: those without events are left out.
 */
bool lines_step(const struct lines_sums *s, const struct lines_function *f,
		bool nonzero, struct lines_steps *at);

static inline int64_t lines_increment(const struct view_sums *s)
{
	return (int64_t)(s->allocated.bytes - s->freed.bytes);
}

/* Whether the last event of the line is known. */
static inline bool lines_is_known(const struct view_sums *s)
{
	return s && s->last_live != PROFILE_UNKNOWN;
}

/* Columns besides the usual three, in their order. */
struct lines_column_name {
	unsigned bit; /* enum lines_column */
	const char *name, *title;
};

enum { LINES_COLUMNS = 5 };
extern const struct lines_column_name lines_columns[LINES_COLUMNS];
