#include "cli/export/html_pair.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/report/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { NONE = UINT32_MAX };

int html_pair_init(struct html_pair *pair, const struct profile *a,
		   const struct profile *b)
{
	int err;

	*pair = (struct html_pair){0};
	err = align_init(&pair->align, a, b);
	return err < 0 ? err : align_stacks(&pair->align);
}

static void forget(struct html_pair *pair)
{
	free(pair->dense);
	free(pair->numbers);
	free(pair->function);
	pair->dense = pair->numbers = pair->function = NULL;
	for (int k = 0; k < ALIGN_SIDES; k++) {
		free(pair->rows[k]);
		free(pair->frames[k]);
		pair->rows[k] = NULL;
		pair->frames[k] = NULL;
	}
}

void html_pair_done(struct html_pair *pair)
{
	forget(pair);
	align_done(&pair->align);
}

/* The number of the frame outside; 0 of the root. */
static uint32_t number_above(const struct html_pair *pair, uint32_t number)
{
	return pair->align.stacks.items[number - 1].a;
}

/* ---- shares ------------------------------------------------------------------- */

/* Over the numbers and not over either side's nodes: what is one node here may be two
 * there, where a function was not inlined. */
int html_pair_shares(const struct html_pair *pair, double *const shares[ALIGN_SIDES])
{
	size_t count = pair->align.stacks.count;
	_cleanup_(freep) double *joint = calloc(count + 1, sizeof(*joint));

	if (!joint)
		return -ENOMEM;
	for (int k = 0; k < ALIGN_SIDES; k++) {
		const struct align_side *s = &pair->align.side[k];

		for (size_t i = 0; i < s->profile->stack_count; i++)
			joint[s->stacks[i]] = fmax(joint[s->stacks[i]], shares[k][i]);
	}
	for (uint32_t i = (uint32_t)count; i > 1; i--)
		joint[number_above(pair, i)] =
			fmax(joint[number_above(pair, i)], joint[i]);
	for (int k = 0; k < ALIGN_SIDES; k++) {
		const struct align_side *s = &pair->align.side[k];

		for (size_t i = 0; i < s->profile->stack_count; i++)
			shares[k][i] = joint[s->stacks[i]];
	}
	return 0;
}

/* ---- numbers -------------------------------------------------------------------- */

static uint32_t stack_of(const struct html_tree *t, size_t node)
{
	return t->nodes[node].stack;
}

/* The stacks that a side's nodes are of, and those outside, which need not be nodes. */
static void mark(struct html_pair *pair, int side, const struct html_tree *t)
{
	const struct align_side *s = &pair->align.side[side];

	for (size_t i = 0; i < t->node_count; i++) {
		uint32_t number = stack_of(t, i) == HTML_TREE_SMALLER
					  ? 0
					  : s->stacks[stack_of(t, i)];

		for (; number && pair->dense[number] == NONE;
		     number = number_above(pair, number))
			pair->dense[number] = 0;
	}
}

static int number_stacks(struct html_pair *pair, struct html_pair_side *sides)
{
	size_t count = pair->align.stacks.count;

	pair->dense = malloc((count + 1) * sizeof(*pair->dense));
	pair->numbers = calloc(count + 1, sizeof(*pair->numbers));
	if (!pair->dense || !pair->numbers)
		return -ENOMEM;
	for (size_t i = 0; i <= count; i++)
		pair->dense[i] = NONE;
	for (int k = 0; k < ALIGN_SIDES; k++)
		mark(pair, k, sides[k].tree);
	pair->count = 0;
	for (uint32_t i = 1; i <= count; i++) {
		if (pair->dense[i] == NONE)
			continue;
		pair->numbers[pair->count] = i;
		pair->dense[i] = (uint32_t)pair->count++;
	}
	return 0;
}

/* What the blocks of a node count under, by the rules of `heapline diff`. */
static int find_row(struct html_pair *pair, int side, const struct view *v,
		    uint32_t stack, struct html_pair_row *ret)
{
	struct frames_frame frame;

	ret->number = pair->dense[pair->align.side[side].stacks[stack]];
	ret->line = diff_thing(&pair->align, v, side, stack, DIFF_BY_LINE, &frame);
	ret->function =
		diff_thing(&pair->align, v, side, stack, DIFF_BY_FUNCTION, &frame);
	ret->module = diff_thing(&pair->align, v, side, stack, DIFF_BY_MODULE, &frame);
	return ret->line && ret->function && ret->module ? 0 : -ENOMEM;
}

/* Those of "smaller" nodes are 0, with the number of the node that they are below. */
static int find_rows(struct html_pair *pair, int side, const struct html_pair_side *has)
{
	const struct html_tree *t = has->tree;
	struct html_pair_row *rows = calloc(t->node_count + 1, sizeof(*rows));
	int err = 0;

	pair->rows[side] = rows;
	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < t->node_count && !err; i++)
		if (stack_of(t, i) != HTML_TREE_SMALLER)
			err = find_row(pair, side, has->view, stack_of(t, i), &rows[i]);
		else /* it comes right behind the node that it is below */
			rows[i].number = rows[i - 1].number;
	return err;
}

static int find_frames(struct html_pair *pair, int side, const struct html_places *l)
{
	const struct labels *lines = &l->labels[LABELS_LINE];
	struct html_pair_frame *frames = calloc(l->frame_count + 1, sizeof(*frames));

	pair->frames[side] = frames;
	if (!frames)
		return -ENOMEM;
	for (size_t i = 0; i < l->frame_count; i++) {
		const struct frames_frame *f =
			&lines->frames[l->frames[i].label[LABELS_LINE]];

		frames[i].line = align_line(&pair->align, side, f);
		frames[i].module = align_module(&pair->align, side, f);
		if (!frames[i].line)
			return -ENOMEM;
	}
	return 0;
}

/* A function for each line; none is new, they have been asked for. */
static int find_functions(struct html_pair *pair, struct html_pair_side *sides)
{
	pair->line_count = pair->align.places.count + 1;
	pair->function = calloc(pair->line_count, sizeof(*pair->function));
	if (!pair->function)
		return -ENOMEM;
	for (int k = 0; k < ALIGN_SIDES; k++) {
		const struct html_places *l = sides[k].places;

		for (size_t i = 0; i < l->frame_count; i++) {
			const struct frames_frame *f =
				&l->labels[LABELS_LINE]
					 .frames[l->frames[i].label[LABELS_LINE]];
			uint32_t function = align_function(&pair->align, k, f);

			if (!function)
				return -ENOMEM;
			pair->function[pair->frames[k][i].line] = function;
		}
	}
	return 0;
}

int html_pair_number(struct html_pair *pair, struct html_pair_side sides[ALIGN_SIDES])
{
	int err;

	forget(pair);
	err = number_stacks(pair, sides);
	for (int k = 0; k < ALIGN_SIDES && !err; k++)
		err = find_rows(pair, k, &sides[k]);
	for (int k = 0; k < ALIGN_SIDES && !err; k++)
		err = find_frames(pair, k, sides[k].places);
	return err ? err : find_functions(pair, sides);
}

/* ---- columns -------------------------------------------------------------------- */

static uint64_t get_up(const void *context, size_t i)
{
	const struct html_pair *pair = context;

	return i ? i - pair->dense[number_above(pair, pair->numbers[i])] : 0;
}

static uint64_t get_line(const void *context, size_t i)
{
	const struct html_pair *pair = context;

	return pair->align.stacks.items[pair->numbers[i] - 1].b;
}

static uint64_t get_function(const void *context, size_t i)
{
	return ((const struct html_pair *)context)->function[i];
}

void html_pair_put(const struct html_pair *pair, struct columns *c)
{
	columns_put(c, "pair.up", pair->count, get_up, pair);
	columns_put(c, "pair.line", pair->count, get_line, pair);
	columns_put(c, "pair.function", pair->line_count, get_function, pair);
}

static uint64_t get_node(const void *rows, size_t i)
{
	return ((const struct html_pair_row *)rows)[i].number;
}

static uint64_t get_node_line(const void *rows, size_t i)
{
	return ((const struct html_pair_row *)rows)[i].line;
}

static uint64_t get_node_function(const void *rows, size_t i)
{
	return ((const struct html_pair_row *)rows)[i].function;
}

static uint64_t get_node_module(const void *rows, size_t i)
{
	return ((const struct html_pair_row *)rows)[i].module;
}

static uint64_t get_frame_line(const void *frames, size_t i)
{
	return ((const struct html_pair_frame *)frames)[i].line;
}

static uint64_t get_frame_module(const void *frames, size_t i)
{
	return ((const struct html_pair_frame *)frames)[i].module;
}

void html_pair_put_side(const struct html_pair *pair, int side,
			const struct html_pair_side *has, struct columns *c)
{
	const struct html_pair_row *rows = pair->rows[side];
	size_t nodes = has->tree->node_count, frames = has->places->frame_count;

	columns_put(c, "pair.node", nodes, get_node, rows);
	columns_put(c, "pair.node_line", nodes, get_node_line, rows);
	columns_put(c, "pair.node_function", nodes, get_node_function, rows);
	columns_put(c, "pair.node_module", nodes, get_node_module, rows);
	columns_put(c, "pair.frame_line", frames, get_frame_line, pair->frames[side]);
	columns_put(c, "pair.frame_module", frames, get_frame_module,
		    pair->frames[side]);
}
