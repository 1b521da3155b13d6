/*
 * tree.h - who calls whom to allocate what: the stacks of a profile as one tree, from
 * main() down to the allocations, or from these up to main().
 *
 * Stacks that differ in places of the same functions only are one path. Exactly:
 *
 *	value of a node == its self + values of the nodes under it + what is folded there
 *	sum of the top nodes + what is folded there == the report's total
 */
#pragma once

#include "cli/report/view.h"

#include <stdio.h>

struct tree_options {
	struct scope_options scope;
	enum view_metric metric;
	bool bottom_up;
	bool lines;	    /* nodes are lines of functions, not functions */
	double min_percent; /* of the total: smaller nodes are folded */
	size_t depth;	    /* levels shown; 0: all */
	size_t limit;	    /* nodes shown under one; 0: all above min_percent */
	size_t columns;	    /* of the terminal; 0: names are never cut */
	bool ascii;	    /* draw with ASCII alone */
	bool bytes, colour;
};

enum {
	TREE_SCHEMA = 1, /* of the JSON: grows with changes that break scripts */
};

#define TREE_MIN_PERCENT 1.0

struct tree_rows;
struct tree_row;

/* Who is told of each row, the ones that are not drawn too, before it is written. */
struct tree_told {
	/* 0, or the -errno that ends the report. */
	int (*row)(void *context, const struct tree_rows *t,
		   const struct tree_row *row);
	void *context;
};

/* Write the tree: 0, -ESRCH (no such process) or -ENOMEM. */
int tree_text_told(const struct profile *p, const struct tree_options *o,
		   const struct tree_told *told, FILE *out);
int tree_text(const struct profile *p, const struct tree_options *o, FILE *out);
int tree_json(const struct profile *p, const struct tree_options *o, FILE *out);
