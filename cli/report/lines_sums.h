/*
 * lines_sums.h - what each line and function had, for the line report.
 *
 * The sums are made over the stack tree, not over stacks. A walk in depth first order
 * keeps, for each line, how many of the frames between the root and here are on it.
 * Where a node brings a line onto the path, everything below the node belongs to the
 * line, once: the node's inclusive sum is added to it as the walk leaves the node.
 * Each node costs its own frames, however deep it is.
 */
#pragma once

#include "cli/report/calls.h"
#include "cli/report/labels.h"
#include "cli/report/lines.h"

struct lines_line {
	uint32_t function, number;
	struct view_sums sum;
};

struct lines_function {
	uint32_t name, file, first, last; /* as in profile_frame; last: the greatest */
	uint32_t module;    /* index + 1, the first of its path and build */
	uint32_t instances; /* of a template, folded into this one */
	bool own;
	uint32_t first_line, lines; /* in lines_sums.order */
	struct view_sums sum;
};

/* A function without line information, in a module that has none at all. */
struct lines_plain {
	uint32_t on_path;
	bool own; /* in a module of the program's own */
	struct view_sums sum;
};

struct lines_sums {
	struct view view;
	struct labels labels; /* of functions without lines */
	bool fold;

	struct lines_line *lines;
	struct lines_function *functions;
	struct lines_plain *plain; /* by label */
	size_t line_count, line_room, function_count, function_room, plain_room;
	uint32_t *order; /* lines, by function and number */

	struct table line_ids, function_ids, instance_ids; /* -> index */
	struct strings short_names;
	unsigned char *code_seen; /* by code */
	bool *module_lined;	  /* by index + 1 of the first: has line information */
	uint32_t *frame_line;	  /* by frame: index + 1 into lines, 0: no line */
	uint32_t *frame_function; /* by frame: index + 1 into functions */

	/* Of the walk, apart from what it sums: each node asks for several. Frames on
	 * a line or in a function between the root and the node at hand; and how deep
	 * the outermost node of a function was seen. */
	uint32_t *line_on_path, *function_on_path;
	uint64_t *depth;
	int err; /* of the walk */
};

/* fold: instantiations of one template are one function. 0, -ESRCH or -ENOMEM.
 * lines_sums_done() in any case. */
int lines_sums_init(struct lines_sums *s, const struct profile *p,
		    const struct scope_options *o, bool fold);

/* The same without sums, and the order of lines: for who wants names and places alone. */
int lines_sums_name(struct lines_sums *s, const struct profile *p,
		    const struct scope_options *o, bool fold);
void lines_sums_done(struct lines_sums *s);

/* Whether frames of a node that have no line count by their function: nothing of the
 * node's module has lines. */
bool lines_sums_plain(const struct lines_sums *s, const struct profile_stack *stack);
