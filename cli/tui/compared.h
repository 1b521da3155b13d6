/*
 * compared.h - the view of what changed: as `heapline diff` prints it. For cli/tui/
 * alone.
 */
#pragma once

#include "cli/tui/views.h"

enum { COMPARED_ROWS = 1000 }; /* listed at most: of a screen, more is no view */

int compared_make(struct views *v, FILE *out);

/* The next kind of rows that the options allow. */
void compared_turn(struct views *v);

/* Whether rows are of a metric that one can choose. */
static inline bool compared_sorts(const struct views *v)
{
	return v->diff_by < DIFF_BY_TYPE;
}
