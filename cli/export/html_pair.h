/*
 * html_pair.h - how the two profiles of one page match: the same numbers for what is
 * the same on both sides, given out by report/align.h and report/diff.h, so that a page
 * and `heapline diff` pair what they pair and tell apart what they tell apart.
 *
 * Stacks form one tree for both sides, a node a frame: a stack's number names its
 * innermost frame, `up` that of the frame outside. A function that was inlined on one
 * side alone is the same node on both.
 */
#pragma once

#include "cli/export/columns.h"
#include "cli/export/html_places.h"
#include "cli/export/html_tree.h"
#include "cli/report/align.h"

/* What the page has of one profile, made by html.c. */
struct html_pair_side {
	const struct view *view;
	const struct html_tree *tree;
	const struct html_places *places;
};

struct html_pair {
	struct align align;
	/* Which of the stacks' numbers the page has, and their numbers there. */
	uint32_t *dense;    /* by number of align.stacks; UINT32_MAX: not in it */
	uint32_t *numbers;  /* back: by number of the page */
	uint32_t *function; /* by line: the function that it is of; 0: not met */
	size_t count, line_count;
	struct html_pair_row { /* by node of a side: what its blocks count under */
		uint32_t number, line, function, module;
	} * rows[ALIGN_SIDES];
	struct html_pair_frame {
		uint32_t line, module;
	} * frames[ALIGN_SIDES]; /* by frame of a side's places */
};

/* 0 or -ENOMEM. html_pair_done() in any case. The profiles stay. */
int html_pair_init(struct html_pair *pair, const struct profile *a,
		   const struct profile *b);
void html_pair_done(struct html_pair *pair);

/* Makes both sides' shares (html_tree_shares()) of a stack the greater of the two, so
 * that what is folded on one side is folded on the other. 0 or -ENOMEM. */
int html_pair_shares(const struct html_pair *pair, double *const shares[ALIGN_SIDES]);

/* Numbers what the page has, anew each time that its trees are. 0 or -ENOMEM. */
int html_pair_number(struct html_pair *pair, struct html_pair_side sides[ALIGN_SIDES]);

/* Columns of both, once; and of one side. */
void html_pair_put(const struct html_pair *pair, struct columns *c);
void html_pair_put_side(const struct html_pair *pair, int side,
			const struct html_pair_side *has, struct columns *c);
