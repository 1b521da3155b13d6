/*
 * refs.h - `refs` and `backrefs`: what a block points at, or what points at it, and so
 * on, as a tree of text or a graph for Graphviz.
 */
#pragma once

#include "cli/report/chosen.h"

struct refs_options {
	const char *what; /* as of held_find() */
	bool back;	  /* referrers and roots, not what it refers to */
	size_t depth;	  /* 0: 3 */
	size_t many;	  /* shown of one block's; 0: 10 */
	size_t blocks;	  /* begun with; 0: 1 */
	/* Of all but those: only blocks of `only`, if that is not empty, none of `hide`,
	 * and none smaller than `least` bytes. What is left out is not gone through. */
	struct chosen_words only, hide, highlight;
	uint64_t least;
};

/* A line each of what points at a block (back), or what it points at, at most `many`,
 * and how many more there are. 0 or -ENOMEM. */
int refs_near(const struct held *h, uint32_t block, bool back, size_t many, FILE *out);

/* 0; -ENXIO: `what` names no block; -errno. */
int refs_text(const struct held *h, const struct refs_options *o, FILE *out);
int refs_json(const struct held *h, const struct refs_options *o, FILE *out);
int refs_dot(const struct held *h, const struct refs_options *o, FILE *out);
