/*
 * html_graph.h - the part of a snapshot's heap graph that a page has, to be walked
 * through where nobody can be asked.
 *
 * Blocks are chosen until there are enough of them, in this order:
 *
 *	1. blocks that the caller wants: samples of findings
 *	2. the first block of each site, and then the largest blocks
 *	   of all of these, the end of the shortest way from a root, too
 *	3. what points at chosen blocks, and what they point at, a few of each, in the
 *	   order in which they were chosen; then more of each; all of a small graph
 *
 * A block that was chosen says how many roots, referrers and references it has in the
 * graph, chosen or not; its references to chosen blocks one by one; and those from and
 * to others by their sites. So what is shown and "N more" make up the graph's number:
 *
 *	references == to chosen blocks + to others, by site + the rest
 *
 * The shortest way to a block is known by its root, its length and, of each class of
 * roots and pointers (chain.h), the block before, if that was chosen.
 */
#pragma once

#include "cli/report/held.h"

struct html_graph_options {
	const uint32_t *wanted; /* blocks */
	size_t wanted_count;
	size_t most; /* blocks in all, above 0 */
};

/* Writes one document. 0 or -ENOMEM. */
int html_graph_json(const struct held *h, const struct html_graph_options *o,
		    FILE *out);
