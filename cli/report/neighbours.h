/*
 * neighbours.h - neighbours of a block that are not shown one by one: how many there
 * are of each kind, which is their allocation site and type.
 */
#pragma once

#include "cli/report/held.h"

struct neighbours_kind {
	uint32_t block, edge; /* the first of them, and its edge */
	uint64_t references;
};

/* Those of places first..end of the graph's edges (back: of its in_edge) that skip()
 * does not want out, by kind, the most references first; *ret malloc'ed. 0 or -ENOMEM. */
int neighbours_kinds(const struct held *h, bool back, uint32_t first, uint32_t end,
		     bool (*skip)(const void *context, uint32_t block),
		     const void *context, struct neighbours_kind **ret,
		     size_t *ret_count);
