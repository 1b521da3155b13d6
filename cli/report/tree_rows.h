/*
 * tree_rows.h - the rows of a tree, one after the other.
 *
 * A row stands for a set of places in the stacks, all in the function of one label.
 * Only rows that are shown are taken apart into the places under them, so that the work
 * grows with what is shown, not with all the paths that there are. From below, places
 * that meet in one caller become one. A function that calls itself is one row, whose
 * self is what all of it allocated.
 */
#pragma once

#include "cli/report/labels.h"
#include "cli/report/tree.h"

struct tree_place;
struct tree_level;

struct tree_rows {
	struct view view;
	struct labels labels;
	const struct tree_options *options;
	uint64_t total;

	uint64_t *own, *below;	   /* by node: of its sites; with all that it calls */
	uint32_t *child, *sibling; /* by node, of those with a value; top down only */
	uint32_t *met;		   /* by node: index + 1 into places, maybe */
	uint32_t *group_of;	   /* by label: index + 1 into a level's, maybe */
	size_t group_room;

	struct tree_place *places; /* under the row at hand */
	size_t place_count, place_room;
	struct tree_place *again, *under; /* while a row is looked under */
	size_t again_room, under_room;
	struct tree_level *levels; /* from the top to the last row */
	size_t depth, level_room;
	bool fresh; /* the rows under the last one come next */
};

struct tree_row {
	uint32_t label;	      /* unless folded */
	size_t folded;	      /* nodes that this row stands for; 0: it is one itself */
	uint64_t value, self; /* self: allocated there; top down only */
	size_t depth;	      /* 0: at the top */
	bool only, last;      /* of the rows at its level; folded ones count */
	bool inlined, called; /* both: now inlined, now called */
	bool recursive;	      /* calls of itself are in it */
};

/* 0, -ESRCH or -ENOMEM. The options must stay. tree_rows_done() in any case. */
int tree_rows_init(struct tree_rows *t, const struct profile *p,
		   const struct tree_options *o);
void tree_rows_done(struct tree_rows *t);

/* The next row, those under it right behind it. 1; 0: there is no more; -ENOMEM. */
int tree_rows_next(struct tree_rows *t, struct tree_row *ret);
