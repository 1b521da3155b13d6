/*
 * churn.h - blocks that come and go: by site, how many, how long they live, how much of
 * it is in vain, and what could be done, where the numbers say so.
 *
 * A site is the innermost line of the program's own code (view_site_frame()). Advice:
 *
 *	reserve	sizes double from one power of two to the next, in about equal numbers,
 *		and what is outgrown is freed at the same line: a container that grows
 *	reuse	most blocks are freed by the thread's very next event, and almost all
 *		are of one size class: one buffer would do
 *	pool	very many small blocks of one size class, short-lived, and almost all
 *		freed
 *
 * Of lines of Python, whose numbers and texts nobody can use again:
 *
 *	pool	very many objects that were made by calling a class, short-lived
 *	generator
 *		all that a list comprehension made was freed by its own line
 *	array	very many numbers in lists, at the peak
 *	cache	very many texts, bytes or numbers, and nearly all of those that were looked
 *		at when they were freed had one of the few values before
 */
#pragma once

#include "cli/report/classes.h"
#include "cli/report/instances.h"
#include "cli/report/view.h"

#include <stdio.h>

enum churn_advice {
	CHURN_NONE = 0,
	CHURN_RESERVE,
	CHURN_REUSE,
	CHURN_POOL,
	CHURN_GENERATOR,
	CHURN_ARRAY,
	CHURN_CACHE,
	CHURN_ADVICES
};

enum churn_sort {
	CHURN_BY_ALLOCATIONS = 0,
	CHURN_BY_TEMPORARY, /* blocks */
	CHURN_BY_ALLOCATED,
};

struct churn_options {
	struct scope_options scope;
	enum churn_sort sort;
	size_t limit;	/* sites at most; 0: CHURN_LIMIT, CHURN_JSON_LIMIT */
	size_t columns; /* of the terminal; 0: names are never cut */
	bool bytes, colour;
};

enum {
	CHURN_LIMIT = 10,
	CHURN_JSON_LIMIT = 10000,
	CHURN_SCHEMA = 1, /* of the JSON: grows with changes that break scripts */
};

struct churn_python {
	bool is;      /* the site is a line of Python */
	bool is_list; /* of a list comprehension, with a frame of its own (up to 3.11) */
	struct churn_objects { /* made by calling a class */
		uint64_t allocs, frees, temporary;
		uint64_t first_ns, last_ns; /* allocations */
		struct classes lives;
	} objects;
	struct profile_amount numbers, rest; /* live at the peak */
	/* Of its objects, as in a site: looked at when they were freed. */
	uint64_t values, repeated;
	/* is_list: by all code at that line of the file. */
	uint64_t line_allocs, line_freed;
};

/* What one site had. */
struct churn_site {
	uint64_t allocs, bytes, frees, temporary;
	uint64_t freed_here; /* blocks freed with a stack of this site */
	struct classes sizes, lives;
	struct churn_python python;
};

/* Adds one of p's sites to a line of Python, with what it had at the peak. */
void churn_python_add(struct churn_python *to, const struct profile *p,
		      const struct instances *n, const struct profile_site *site,
		      struct profile_amount peak);

/* What the numbers say; the reason is a sentence with these numbers, for people. */
enum churn_advice churn_advise(const struct churn_site *s, char *reason, size_t room);

/* Write the report: 0, -ESRCH (no such process) or -ENOMEM. */
int churn_text(const struct profile *p, const struct churn_options *o, FILE *out);
int churn_json(const struct profile *p, const struct churn_options *o, FILE *out);

/* Parses "allocations", "temporary", "allocated". */
bool churn_parse_sort(const char *word, enum churn_sort *ret);
