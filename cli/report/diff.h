/*
 * diff.h - what changed from one recording to another: by line, function, whole stack
 * or module, matched as align.h says.
 *
 * Each site counts in exactly one row: under the innermost frame of the program's own
 * code, else of a library's, else the innermost. Hence, of every metric and moment,
 *
 *	sum over rows of b - a = B's total - A's total, exactly,
 *
 * the rows that did not change adding nothing.
 */
#pragma once

#include "cli/report/align.h"
#include "cli/report/view.h"

#include <stdio.h>

enum diff_metric {
	DIFF_PEAK = 0,	  /* live at each recording's own peak */
	DIFF_LEAKED,	  /* live at the end, `runtime` apart */
	DIFF_ALLOCATED,	  /* bytes over the whole run */
	DIFF_ALLOCATIONS, /* blocks over the whole run */
	DIFF_TEMPORARY,	  /* freed by the thread's next event */
	DIFF_METRICS
};

enum diff_by {
	DIFF_BY_LINE = 0,
	DIFF_BY_FUNCTION,
	DIFF_BY_SITE,
	DIFF_BY_MODULE,
	/* No part of struct diff: */
	DIFF_BY_TYPE, /* types.h */
	DIFF_BY_LEAK, /* changes.h */
	DIFF_BY_BLOCK,
	DIFF_BYS
};

enum diff_status { /* of a row, going from A to B */
		   DIFF_UNCHANGED = 0,
		   DIFF_NEW,
		   DIFF_GONE,
		   DIFF_GROWN, /* more bytes (allocations: blocks); if equal, the other
				*/
		   DIFF_SHRUNK,
		   DIFF_STATUSES
};

enum {
	DIFF_LIMIT = 20, /* rows listed if options name no number */
	DIFF_SCHEMA = 2, /* of the JSON: grows with changes that break scripts */
};

struct diff_totals {
	struct profile_amount metric[DIFF_METRICS]; /* of what the scope leaves */
	uint64_t peak_at_ns;
	enum scope_moment moment;
};

/* What a comparison takes of one profile's sites, which may go then. */
struct diff_side {
	struct diff_totals totals;
	struct diff_part {
		uint32_t stack;
		struct profile_amount amount; /* of the metric; not 0 */
	} * parts;
	size_t count, room;
};

struct diff_options {
	struct scope_options scope; /* of both; no pid: they differ */
	enum diff_metric metric;
	enum diff_by by;
	size_t limit; /* 0: DIFF_LIMIT; of JSON: all, unless by site: every row has a
		       * whole stack there, and a million of them are gigabytes */
	bool bytes, colour;
	const char *paths[2]; /* may be NULL */
	/* Taken of A and of B by diff_side_take() with these options; NULL: they have
	 * their sites still. */
	const struct diff_side *sides;
};

struct diff_row {
	struct profile_amount amount[2]; /* of A, of B */
	enum diff_status status;
	uint32_t order; /* of coming, to break ties */
	/* By side: the stack that contributed most to the metric, what it did, and the
	 * frame of it that the row is about; has[] if there is any. By whole stack
	 * frames are of the first `limit` changed rows alone (all, if that is 0). */
	bool has[2];
	uint32_t stack[2];
	uint64_t weight[2];
	struct frames_frame frame[2];
};

struct diff {
	/* The greatest change first, as far as the options' limit; then other changed
	 * ones, then the unchanged, in no order. */
	struct diff_row *rows;
	size_t count, changed, room;
	size_t status[DIFF_STATUSES]; /* rows of each */
	struct diff_totals totals[2];
};

/* A comparison as its writers are given it. */
struct diff_page {
	const struct profile *profile[2];
	struct diff_options options; /* with the limit that holds */
	struct diff diff;
};

/* Takes what there is to compare of p. 0 or -ENOMEM; diff_side_done() in any case. */
int diff_side_take(const struct profile *p, const struct diff_options *o,
		   struct diff_side *ret);
void diff_side_done(struct diff_side *side);

/*
 * The number of what a stack of a side counts under, as by align.h; 0 without memory.
 * *ret: the frame that its row is about. By whole stack that is none, and
 * align_stacks() was called.
 */
uint32_t diff_thing(struct align *al, const struct view *v, int side, uint32_t stack,
		    enum diff_by by, struct frames_frame *ret);

/* Compares a with b. 0 or -ENOMEM; diff_done() in any case. */
int diff_of(const struct profile *a, const struct profile *b,
	    const struct diff_options *o, struct diff *ret);
void diff_done(struct diff *d);

/* Compares for a report that lists so many rows; limit 0: all. 0 or -ENOMEM;
 * diff_page_done() in any case. */
int diff_page_init(struct diff_page *page, const struct profile *a,
		   const struct profile *b, const struct diff_options *o, size_t limit);
void diff_page_done(struct diff_page *page);

/* How many rows are listed; which side of a row it is named after. */
size_t diff_listed(const struct diff *d, const struct diff_options *o);
int diff_row_side(const struct diff_row *row);

/* What a metric is measured in, mainly: bytes, or blocks; and the other. */
uint64_t diff_value(struct profile_amount amount, enum diff_metric metric);
uint64_t diff_other(struct profile_amount amount, enum diff_metric metric);

/* What became of an amount; and which of two changed more: above 0 if r did. */
enum diff_status diff_status_of(const struct profile_amount both[2],
				enum diff_metric metric);
int diff_compare(const struct profile_amount l[2], const struct profile_amount r[2],
		 enum diff_metric metric);

static inline uint64_t diff_distance(uint64_t a, uint64_t b)
{
	return a < b ? b - a : a - b;
}

/* Write the report: 0 or -ENOMEM. */
int diff_text(const struct profile *a, const struct profile *b,
	      const struct diff_options *o, FILE *out);
int diff_json(const struct profile *a, const struct profile *b,
	      const struct diff_options *o, FILE *out);

/* "peak", "leaked", ...; "line", "function", "site", ...; "new", "gone", ... */
const char *diff_metric_word(enum diff_metric metric);
const char *diff_by_word(enum diff_by by);
const char *diff_status_word(enum diff_status status);
bool diff_parse_metric(const char *text, enum diff_metric *ret);
bool diff_parse_by(const char *text, enum diff_by *ret);
