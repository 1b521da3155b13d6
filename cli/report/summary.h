/*
 * summary.h - the report for who wants to know in a screenful: what ran, its peak,
 * what it never freed, where both came from, what is wrong with the recording.
 */
#pragma once

#include "cli/report/scope.h"

#include <stdio.h>

enum {
	SUMMARY_SITES = 5,  /* sites listed if options name no number */
	SUMMARY_SCHEMA = 1, /* of the JSON: grows with changes that break scripts */
};

enum summary_sort {
	SUMMARY_BY_BOTH = 0, /* two lists: at the peak, and never freed */
	SUMMARY_BY_PEAK,
	SUMMARY_BY_LEAKED,
	SUMMARY_BY_ALLOCATED,
	SUMMARY_BY_TEMPORARY,
};

struct summary_options {
	struct scope_options scope; /* focus and ignore choose among the sites listed */
	enum summary_sort sort;
	size_t limit; /* sites listed; 0: SUMMARY_SITES */
	bool bytes;   /* exact bytes */
	bool colour;
	const char *path; /* of the profile, for the commands to type; may be NULL */
};

/* The figures of a scope, without its focus. */
struct summary {
	uint64_t allocs, allocated_bytes, frees, freed_bytes;
	struct profile_amount temporary;
	struct profile_amount peak, live_at_end; /* runtime included */
	uint64_t peak_at_ns;
	struct profile_amount
		runtime; /* of live_at_end: kept by libc, the loader, ... */
	struct profile_amount leaked;  /* live_at_end apart from runtime */
	/* Of leaked: blocks that Python freed as it was taken down. */
	struct profile_amount finalised;
	/* Of leaked: of programs that ran on when their recording ended, and may have
	 * freed it since. */
	struct profile_amount not_yet;
	size_t ended, went_on; /* programs that were recorded to their end, or not */
	uint64_t unknown_frees, unseen_frees, lost, held_back_ns, events;
	struct profile_pools pools;
};

/* Computes them. 0, -ESRCH (no such process) or -ENOMEM. */
int summary_of(const struct profile *p, const struct scope_options *o,
	       struct summary *ret);

/* Write the report: 0, -ESRCH or -ENOMEM. */
int summary_text(const struct profile *p, const struct summary_options *o, FILE *out);
int summary_json(const struct profile *p, const struct summary_options *o, FILE *out);

/* Parses "peak", "leaked", "allocated", "temporary". */
bool summary_parse_sort(const char *text, enum summary_sort *ret);
