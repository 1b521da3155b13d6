/*
 * growing.h - the sites that grow without an end (growth.h), for people and scripts.
 */
#pragma once

#include "cli/report/growth.h"

#include <stdio.h>

struct growing_options {
	size_t skip;	  /* windows of warm-up */
	uint64_t allowed; /* bytes in a window */
	const char *mark; /* what an operation is called; NULL: none */
	size_t limit;	  /* sites; 0: 10, in JSON all */
	bool bytes, colour;
};

/* growth_judge() found so many in g; p is the profile of its last moment. 0 or
 * -ENOMEM. */
int growing_text(const struct growth *g, size_t found, const struct profile *p,
		 const struct growing_options *o, FILE *out);
int growing_json(const struct growth *g, size_t found, const struct profile *p,
		 const struct growing_options *o, FILE *out);
