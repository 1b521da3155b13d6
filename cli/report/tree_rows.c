#include "cli/report/tree_rows.h"

#include "cli/base/array.h"
#include "cli/report/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tree_place {
	uint32_t node;
	uint32_t inlined; /* frame of the node's code, as in profile_code */
	uint64_t value;
};

struct group { /* one row */
	uint32_t label;
	bool inlined, called, recursive;
	uint64_t value, self;
	struct tree_place *places; /* owned: first its own, then those under it */
	size_t count, filled;
};

struct tree_level {
	struct group *groups; /* owned; shown ones first, the greatest first */
	size_t count, room;
	size_t shown, next;
	uint64_t folded; /* value of groups[shown..count) */
	bool fold_told;
};

static void level_done(struct tree_level *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->groups[i].places);
	free(l->groups);
	*l = (struct tree_level){0};
}

/* ---- sums ---------------------------------------------------------------- */

static int sum_own(struct tree_rows *t)
{
	const struct profile *p = t->view.profile;

	t->own = calloc(p->stack_count + 1, sizeof(*t->own));
	if (!t->own)
		return -ENOMEM;
	for (size_t i = 0; i < p->site_count; i++) {
		struct view_sums sums;
		uint64_t value;

		if (!view_site(&t->view, i, &sums))
			continue;
		value = view_value(&sums, t->options->metric);
		t->own[p->sites[i].stack] += value;
		t->total += value;
	}
	return 0;
}

static int sum_below(struct tree_rows *t)
{
	const struct profile *p = t->view.profile;
	size_t count = p->stack_count;

	t->below = calloc(count + 1, sizeof(*t->below));
	t->child = calloc(count + 1, sizeof(*t->child));
	t->sibling = calloc(count + 1, sizeof(*t->sibling));
	if (!t->below || !t->child || !t->sibling)
		return -ENOMEM;
	memcpy(t->below, t->own, count * sizeof(*t->below));
	for (size_t i = count; i-- > 1;) {
		uint32_t parent = p->stacks[i].parent;

		if (!t->below[i])
			continue;
		t->below[parent] += t->below[i];
		t->sibling[i] = t->child[parent];
		t->child[parent] = (uint32_t)i;
	}
	return 0;
}

/* ---- places -------------------------------------------------------------- */

static uint32_t frames_at(const struct tree_rows *t, uint32_t node)
{
	const struct profile_code *code = calls_code(t->view.profile, node);

	return code && code->frames ? code->frames : 1;
}

static struct frames_frame frame_at(const struct tree_rows *t, uint32_t node,
				    uint32_t inlined)
{
	struct frames_walk walk = {t->view.profile, node, inlined};
	struct frames_frame frame = {0};

	frames_next(&walk, &frame);
	return frame;
}

static int add_place(struct tree_rows *t, uint32_t node, uint32_t inlined,
		     uint64_t value)
{
	if (array_reserve(&t->places, &t->place_room, t->place_count + 1) < 0)
		return -ENOMEM;
	t->places[t->place_count++] = (struct tree_place){node, inlined, value};
	return 0;
}

/* A place that several may lead to: `met` tells where it is in places, if it is. */
static int meet_place(struct tree_rows *t, uint32_t node, uint32_t inlined,
		      uint64_t value)
{
	uint32_t at = t->met[node];

	if (at && at <= t->place_count && t->places[at - 1].node == node &&
	    t->places[at - 1].inlined == inlined) {
		t->places[at - 1].value += value;
		return 0;
	}
	t->met[node] = (uint32_t)t->place_count + 1;
	return add_place(t, node, inlined, value);
}

/* The innermost place of a stack that is no base library's; else its innermost. */
static int place_of_stack(struct tree_rows *t, uint32_t stack)
{
	struct frames_walk walk = frames_of(t->view.profile, stack), at = walk;
	struct frames_frame frame;

	while (frames_next(&walk, &frame)) {
		if (frames_owner(t->view.owners, &frame) != FRAMES_BASE)
			return meet_place(t, at.stack, at.inline_depth, t->own[stack]);
		at = walk;
	}
	return meet_place(t, stack, 0, t->own[stack]);
}

static int places_called(struct tree_rows *t, uint32_t node)
{
	int err = 0;

	for (uint32_t c = t->child[node]; c && !err; c = t->sibling[c])
		err = add_place(t, c, frames_at(t, c) - 1, t->below[c]);
	return err;
}

static int top_places(struct tree_rows *t)
{
	int err = 0;

	t->place_count = 0;
	if (t->own[0]) /* of no stack */
		err = add_place(t, 0, 0, t->own[0]);
	if (!t->options->bottom_up)
		return err ? err : places_called(t, 0);
	for (size_t i = 1; i < t->view.profile->stack_count && !err; i++)
		if (t->own[i])
			err = place_of_stack(t, (uint32_t)i);
	return err;
}

static int places_under(struct tree_rows *t, const struct tree_place *place)
{
	uint32_t parent;

	if (!place->node)
		return 0;
	if (!t->options->bottom_up)
		return place->inlined ? add_place(t, place->node, place->inlined - 1,
						  place->value)
				      : places_called(t, place->node);
	if (place->inlined + 1 < frames_at(t, place->node))
		return add_place(t, place->node, place->inlined + 1, place->value);
	parent = t->view.profile->stacks[place->node].parent;
	return parent ? meet_place(t, parent, 0, place->value) : 0;
}

/* ---- levels -------------------------------------------------------------- */

static struct group *group_at(struct tree_rows *t, struct tree_level *l, uint32_t label)
{
	uint32_t at;

	if (array_reserve(&t->group_of, &t->group_room, label + 1ul) < 0)
		return NULL;
	at = t->group_of[label];
	if (at && at <= l->count && l->groups[at - 1].label == label)
		return &l->groups[at - 1];
	if (array_reserve(&l->groups, &l->room, l->count + 1) < 0)
		return NULL;
	t->group_of[label] = (uint32_t)l->count + 1;
	l->groups[l->count] = (struct group){.label = label};
	return &l->groups[l->count++];
}

static int label_of(struct tree_rows *t, const struct tree_place *place,
		    uint32_t *ret_label)
{
	struct frames_frame frame = frame_at(t, place->node, place->inlined);

	*ret_label = labels_of(&t->labels, &frame);
	return *ret_label == UINT32_MAX ? -ENOMEM : 0;
}

static struct group *group_of_place(struct tree_rows *t, struct tree_level *l,
				    const struct tree_place *place)
{
	uint32_t label;

	return label_of(t, place, &label) < 0 ? NULL : group_at(t, l, label);
}

static int sum_groups(struct tree_rows *t, struct tree_level *l)
{
	for (size_t i = 0; i < t->place_count; i++) {
		const struct tree_place *place = &t->places[i];
		struct group *g = group_of_place(t, l, place);

		if (!g)
			return -ENOMEM;
		g->count++;
		g->value += place->value;
		if (!t->options->bottom_up && !place->inlined)
			g->self += t->own[place->node];
		if (place->inlined + 1 < frames_at(t, place->node))
			g->inlined = true;
		else
			g->called = true;
	}
	return 0;
}

static int by_value(const void *left, const void *right, void *context)
{
	const struct group *a = left, *b = right;
	const struct tree_rows *t = context;
	char one[LABELS_TEXT], other[LABELS_TEXT];
	int order;

	if (a->value != b->value)
		return a->value < b->value ? 1 : -1;
	order = strcmp(
		labels_text(&t->labels, a->label, LABELS_FULL, one, sizeof(one)),
		labels_text(&t->labels, b->label, LABELS_FULL, other, sizeof(other)));
	return order ? order : a->label < b->label ? -1 : a->label > b->label;
}

static bool is_small(const struct tree_rows *t, uint64_t value)
{
	return (double)value * 100 < t->options->min_percent * (double)t->total;
}

/* Small groups go behind the others, unsorted: there may be very many. */
static void fold(struct tree_rows *t, struct tree_level *l)
{
	const struct tree_options *o = t->options;

	for (size_t i = 0; i < l->count; i++) {
		struct group g = l->groups[i];

		if (is_small(t, g.value) || (o->depth && t->depth >= o->depth))
			continue;
		l->groups[i] = l->groups[l->shown];
		l->groups[l->shown++] = g;
	}
	qsort_r(l->groups, l->shown, sizeof(*l->groups), by_value, t);
	if (o->limit && l->shown > o->limit)
		l->shown = o->limit;
	for (size_t i = l->shown; i < l->count; i++)
		l->folded += l->groups[i].value;
}

/* Gives the shown groups their places. */
static int hand_out(struct tree_rows *t, struct tree_level *l)
{
	for (size_t i = 0; i < l->count; i++)
		t->group_of[l->groups[i].label] = (uint32_t)i + 1;
	for (size_t i = 0; i < l->shown; i++) {
		struct group *g = &l->groups[i];

		g->places = malloc(g->count * sizeof(*g->places));
		if (!g->places)
			return -ENOMEM;
	}
	for (size_t i = 0; i < t->place_count; i++) {
		struct group *g = group_of_place(t, l, &t->places[i]);

		if (g && g->places)
			g->places[g->filled++] = t->places[i];
	}
	return 0;
}

static int keep(struct tree_place **to, size_t *room, size_t *count,
		const struct tree_place *place)
{
	if (array_reserve(to, room, *count + 1) < 0)
		return -ENOMEM;
	(*to)[(*count)++] = *place;
	return 0;
}

/* Sorts the places at hand into those that are the group's function again and those
 * that are others. */
static int sort_places(struct tree_rows *t, struct group *g, size_t *again,
		       size_t *under)
{
	int err = 0;

	*again = 0;
	for (size_t i = 0; i < t->place_count && !err; i++) {
		const struct tree_place *place = &t->places[i];
		uint32_t label;

		err = label_of(t, place, &label);
		if (!err && label != g->label)
			err = keep(&t->under, &t->under_room, under, place);
		else if (!err)
			err = keep(&t->again, &t->again_room, again, place);
	}
	return err;
}

/* Replaces a group's places by those under it, through calls of itself. */
static int look_under(struct tree_rows *t, struct group *g)
{
	struct tree_place *from = g->places, *copy;
	size_t count = g->count, again = 0, under = 0;

	while (count) {
		int err = 0;

		t->place_count = 0;
		for (size_t i = 0; i < count && !err; i++)
			err = places_under(t, &from[i]);
		if (!err)
			err = sort_places(t, g, &again, &under);
		if (err < 0)
			return err;
		for (size_t i = 0; i < again; i++)
			if (!t->options->bottom_up && !t->again[i].inlined)
				g->self += t->own[t->again[i].node];
		g->recursive |= again > 0;
		from = t->again;
		count = again;
	}
	copy = malloc((under + 1) * sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (under)
		memcpy(copy, t->under, under * sizeof(*copy));
	free(g->places);
	g->places = copy;
	g->count = under;
	return 0;
}

/* Makes a level of the places at hand, if there are any. */
static int push_level(struct tree_rows *t)
{
	struct tree_level *l;
	int err;

	if (!t->place_count)
		return 0;
	if (array_reserve(&t->levels, &t->level_room, t->depth + 1) < 0)
		return -ENOMEM;
	l = &t->levels[t->depth];
	*l = (struct tree_level){0};
	err = sum_groups(t, l);
	if (!err) {
		fold(t, l);
		err = hand_out(t, l);
	}
	for (size_t i = 0; i < l->shown && !err; i++)
		err = look_under(t, &l->groups[i]);
	t->depth++;
	return err;
}

/* The rows under the last one. */
static int descend(struct tree_rows *t)
{
	struct tree_level *l = &t->levels[t->depth - 1];
	struct group *g = &l->groups[l->next - 1];
	int err = 0;

	t->place_count = 0;
	for (size_t i = 0; i < g->count && !err; i++) {
		const struct tree_place *place = &g->places[i];

		err = t->options->bottom_up
			      ? meet_place(t, place->node, place->inlined, place->value)
			      : add_place(t, place->node, place->inlined, place->value);
	}
	free(g->places);
	g->places = NULL;
	return err ? err : push_level(t);
}

/* ---- interface ------------------------------------------------------------ */

int tree_rows_init(struct tree_rows *t, const struct profile *p,
		   const struct tree_options *o)
{
	int err;

	*t = (struct tree_rows){.options = o};
	err = view_init(&t->view, p, &o->scope);
	if (err < 0)
		return err;
	err = labels_init(&t->labels, p, o->lines ? LABELS_LINE : LABELS_FUNCTION);
	t->met = calloc(p->stack_count + 1, sizeof(*t->met));
	if (!err && !t->met)
		err = -ENOMEM;
	if (!err)
		err = sum_own(t);
	if (!err && !o->bottom_up)
		err = sum_below(t);
	if (!err)
		err = top_places(t);
	return err ? err : push_level(t);
}

void tree_rows_done(struct tree_rows *t)
{
	while (t->depth)
		level_done(&t->levels[--t->depth]);
	view_done(&t->view);
	labels_done(&t->labels);
	free(t->own);
	free(t->below);
	free(t->child);
	free(t->sibling);
	free(t->met);
	free(t->group_of);
	free(t->places);
	free(t->again);
	free(t->under);
	free(t->levels);
	*t = (struct tree_rows){0};
}

static void group_row(const struct tree_level *l, struct tree_row *ret)
{
	const struct group *g = &l->groups[l->next];

	ret->label = g->label;
	ret->value = g->value;
	ret->self = g->self;
	ret->inlined = g->inlined;
	ret->called = g->called;
	ret->recursive = g->recursive;
	ret->last = l->next + 1 == l->count;
	ret->only = l->count == 1;
}

static void folded_row(const struct tree_level *l, struct tree_row *ret)
{
	ret->folded = l->count - l->shown;
	ret->value = l->folded;
	ret->last = true;
	ret->only = !l->shown;
}

int tree_rows_next(struct tree_rows *t, struct tree_row *ret)
{
	int err = t->fresh ? descend(t) : 0;

	t->fresh = false;
	if (err < 0)
		return err;
	while (t->depth) {
		struct tree_level *l = &t->levels[t->depth - 1];

		*ret = (struct tree_row){.depth = t->depth - 1};
		if (l->next < l->shown) {
			group_row(l, ret);
			l->next++;
			t->fresh = true;
			return 1;
		}
		if (l->shown < l->count && !l->fold_told) {
			l->fold_told = true;
			folded_row(l, ret);
			return 1;
		}
		level_done(l);
		t->depth--;
	}
	return 0;
}
