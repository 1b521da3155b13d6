/*
 * resolve.h - names, lines and sources for a profile that lacks them, from the files of
 * this machine: what `symbolize` does, and readers do for themselves.
 */
#pragma once

#include "cli/profile/profile.h"
#include "cli/symbol/symbols.h"

struct resolve_options {
	bool no_source; /* embed no source text */
	bool only_source; /* names are as they should be */
	bool servers; /* ask for debug information that is not here */
	const char *source_paths; /* rules FROM=TO, a line each; NULL: none */
};

/* What the places (distinct addresses) of one file got, in whatever processes. */
struct resolve_module {
	uint32_t path, build_id; /* strings */
	size_t lacking; /* units of .dwo files that are not there */
	int err; /* of symbols_module(): why its file could not be used; or 0 */
	size_t places;
	size_t lined; /* of them: function and source line are known */
	size_t named; /* the function alone */
};

struct resolve_outcome {
	struct resolve_module *modules; /* as p->modules has them first; owned */
	size_t module_count;
	struct resolve_module all;	/* with code of no module */
	size_t better;			/* places that know more than before */
	struct symbols_sources sources;
	int server_error; /* -errno: debuginfod servers did not answer */
	bool changed; /* p is another than before */
};

/* 0 or -ENOMEM, and where servers are to be asked what debugserver_open() says. What is
 * not found stays unknown. */
int resolve(struct profile *p, const struct resolve_options *o,
	    struct resolve_outcome *ret);

/* Says why servers can't be asked, which is -ENOENT or -ELIBACC. */
void resolve_say_no_servers(int err);

void resolve_done(struct resolve_outcome *r);
