/*
 * resolve.h - names, lines and sources for a profile that lacks them, from the files of
 * this machine: what `symbolize` does, and readers do for themselves.
 */
#pragma once

#include "cli/profile/profile.h"
#include "cli/symbol/symbols.h"

struct resolve_options {
	bool no_source; /* embed no source text */
};

/* What the places (distinct addresses) of one module got. */
struct resolve_module {
	int err; /* of symbols_module(): why its file could not be used; or 0 */
	size_t places;
	size_t lined; /* of them: function and source line are known */
	size_t named; /* the function alone */
};

struct resolve_outcome {
	struct resolve_module *modules; /* of each of p->modules; owned */
	struct resolve_module all;	/* with code of no module */
	size_t better;			/* places that know more than before */
	struct symbols_sources sources;
	bool changed; /* p is another than before */
};

/* 0 or -ENOMEM. What is not found stays unknown. */
int resolve(struct profile *p, const struct resolve_options *o,
	    struct resolve_outcome *ret);

void resolve_done(struct resolve_outcome *r);
