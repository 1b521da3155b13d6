/*
 * calls.h - the stack tree downwards, and sums over it.
 *
 * A profile's nodes name their parents only. This adds, for each node, its first child
 * and next sibling, and the sites in scope that are its own.
 */
#pragma once

#include "cli/report/view.h"

struct calls {
	const struct view *view;
	uint32_t *child, *sibling; /* by node; 0: none */
	uint32_t *site;		   /* by node: the first site's index + 1; 0: none */
	uint32_t *next_site;	   /* by site: likewise */
};

/* The view must stay where it is. 0 or -ENOMEM. calls_done() in any case. */
int calls_init(struct calls *c, const struct view *v);
void calls_done(struct calls *c);

/* What a node's own sites had. */
struct view_sums calls_own(const struct calls *c, uint32_t node);

/* The run of frames that a node's pc stands for; NULL: unknown. */
const struct profile_code *calls_code(const struct profile *p, uint32_t node);

struct calls_visitor {
	/* Called at each node but the root, its callers before it; depth is 0 for
	 * nodes without a caller. */
	void (*enter)(void *context, uint32_t node, size_t depth);
	/* Called after all that the node called; sums are inclusive of that. */
	void (*leave)(void *context, uint32_t node, const struct view_sums *sums);
};

/* Depth first, in memory that grows with the depth alone. 0 or -ENOMEM. */
int calls_walk(const struct calls *c, const struct calls_visitor *visitor,
	       void *context);
