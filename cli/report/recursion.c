/*
 * Each node of the stack tree has a cell, as its callers have: what is left of its
 * stack, from the outermost frame to it, is the row of cells from its own upwards. Where
 * a cycle closes, its inner turn's cells are made anew behind what was before the outer
 * turn. Two rows are the same if their hashes are.
 */
#include "cli/report/recursion.h"

#include "cli/base/array.h"
#include "cli/base/hash.h"
#include "cli/base/table.h"
#include "cli/report/fingerprint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum { NAMELESS = 1, MISSING = 2 }; /* in the upper bits of a function */

enum { CELLS = 16 /* to a node; more of them only a made-up file needs */ };

struct cell {
	uint64_t function; /* names of it and its module; of a nameless one its place */
	uint64_t place;
	uint64_t hash; /* of the places from the outermost on */
	uint32_t up;   /* the caller's; of the first, which is nobody's, itself */
	uint32_t module;
};

struct group {		/* stacks of one hash and fingerprint */
	uint32_t stack; /* one of them */
	uint32_t next;	/* of the same hash, + 1 */
	uint64_t print; /* 0: nobody asked */
};

struct recursion {
	const struct profile *profile;
	struct fingerprints *prints; /* NULL: none were needed yet */
	struct cell *cells;
	uint32_t *of;	 /* by node: its cell */
	uint32_t *depth; /* by node: nodes on its stack */
	struct group *groups;
	size_t count, room, most, group_count, group_room;
	struct table first; /* hash -> the first group + 1 */
};

/* ---- rows ---------------------------------------------------------------------- */

static struct cell cell_of(const struct profile *p, const struct profile_stack *s,
			   uint32_t name, uint32_t depth)
{
	uint32_t path = s->module && s->module <= p->module_count
				? p->modules[s->module - 1].path
				: 0;
	struct cell c = {.place = s->pc ^ (uint64_t)depth << 48, .module = s->module};

	if (s->flags & PROFILE_STACK_CUT)
		c.function = s->pc | (uint64_t)MISSING << 62;
	else if (name)
		c.function = (uint64_t)path << 32 | name;
	else
		c.function = s->pc | (uint64_t)NAMELESS << 62;
	return c;
}

/* Puts a cell behind another: its number, or UINT32_MAX without memory. */
static uint32_t put_behind(struct recursion *r, struct cell c, uint32_t up)
{
	if (r->count >= UINT32_MAX - 1 ||
	    array_room(&r->cells, &r->room, r->count + 1) < 0)
		return UINT32_MAX;
	c.up = up;
	c.hash = hash_pair(r->cells[up].hash + c.module, c.place);
	r->cells[r->count] = c;
	return (uint32_t)r->count++;
}

/* Whether count functions from a upwards are those from b upwards. */
static bool same_functions(const struct recursion *r, uint32_t a, uint32_t b,
			   unsigned count)
{
	const struct cell *c = r->cells;

	for (; count; count--, a = c[a].up, b = c[b].up)
		if (!a || !b || c[a].function != c[b].function)
			return false;
	return true;
}

/* How long a cycle is that has just closed for the second time; 0: none has. */
static unsigned closed(const struct recursion *r, uint32_t last)
{
	const struct cell *c = r->cells;
	uint32_t before = c[last].up;

	for (unsigned k = 1; before && k <= RECURSION_PERIOD;
	     k++, before = c[before].up)
		if (c[before].function == c[last].function &&
		    same_functions(r, last, before, k))
			return k;
	return 0;
}

/* Whether there are more cells than there should be: then nothing is folded any more,
 * and a node has one. */
static bool too_many(const struct recursion *r)
{
	return r->count > r->most;
}

/* Adds a frame to a row: the number of its cell, UINT32_MAX without memory. */
static uint32_t push(struct recursion *r, struct cell c, uint32_t up)
{
	uint32_t last = put_behind(r, c, up), turn[RECURSION_PERIOD], at = last;
	unsigned k = last == UINT32_MAX || too_many(r) ? 0 : closed(r, last);

	if (!k)
		return last;
	for (unsigned i = k; i--; at = r->cells[at].up)
		turn[i] = at;
	for (unsigned i = 0; i < k; i++)
		at = r->cells[at].up;
	for (unsigned i = 0; i < k && at != UINT32_MAX; i++)
		at = put_behind(r, r->cells[turn[i]], at);
	return at;
}

static int add_node(struct recursion *r, uint32_t node)
{
	const struct profile *p = r->profile;
	const struct profile_stack *s = &p->stacks[node];
	const struct profile_code *code =
		s->code && s->code <= p->code_count ? &p->codes[s->code - 1] : NULL;
	uint32_t at = r->of[s->parent], depth = code ? code->frames : 0;

	if (depth && too_many(r))
		depth = 1;
	if (!depth)
		at = push(r, cell_of(p, s, 0, 0), at);
	while (depth-- && at != UINT32_MAX) {
		uint32_t name = p->frames[code->first_frame + depth].function;

		at = push(r, cell_of(p, s, name, depth), at);
	}
	r->of[node] = at;
	r->depth[node] = r->depth[s->parent] + 1;
	return at == UINT32_MAX ? -ENOMEM : 0;
}

static int look(struct recursion *r)
{
	const struct profile *p = r->profile;

	r->of = calloc(p->stack_count + 1, sizeof(*r->of));
	r->depth = calloc(p->stack_count + 1, sizeof(*r->depth));
	if (!r->of || !r->depth || array_reserve(&r->cells, &r->room, 1) < 0)
		return -ENOMEM;
	r->count = 1;
	r->most = CELLS * p->stack_count + p->frame_count;
	for (uint32_t i = 1; i < p->stack_count; i++)
		if (add_node(r, i) < 0)
			return -ENOMEM;
	return 0;
}

struct recursion *recursion_open(const struct profile *p)
{
	struct recursion *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->profile = p;
	if (!look(r))
		return r;
	recursion_close(r);
	return NULL;
}

void recursion_close(struct recursion *r)
{
	if (!r)
		return;
	fingerprints_close(r->prints);
	free(r->cells);
	free(r->of);
	free(r->depth);
	free(r->groups);
	table_done(&r->first);
	free(r);
}

/* ---- groups -------------------------------------------------------------------- */

/* Never 0; 0 without memory. */
static uint64_t print_of(struct recursion *r, uint32_t stack)
{
	struct fingerprint print;

	if (!r->prints)
		r->prints = fingerprints_open(r->profile);
	return r->prints && !fingerprint_of(r->prints, stack, &print) ? print.hash : 0;
}

static uint32_t add_group(struct recursion *r, struct group g)
{
	if (array_room(&r->groups, &r->group_room, r->group_count + 1) < 0)
		return 0;
	r->groups[r->group_count++] = g;
	return (uint32_t)r->group_count;
}

/* Fingerprints take long: they are made where hashes are the same. */
uint32_t recursion_group(struct recursion *r, uint32_t stack)
{
	bool deep = r->depth[stack] > RECURSION_DEPTH;
	struct table_key key = {r->cells[r->of[stack]].hash, deep ? stack : 0};
	struct group new = {.stack = stack};
	bool is_new;
	uint64_t *first = table_put(&r->first, key, &is_new);

	if (!first)
		return 0;
	if (is_new || !*first)
		return (uint32_t)(*first = add_group(r, new));
	new.print = print_of(r, stack);
	for (uint32_t i = (uint32_t)*first; i && new.print; i = r->groups[i - 1].next) {
		struct group *g = &r->groups[i - 1];

		if (!g->print)
			g->print = print_of(r, g->stack);
		if (g->stack == stack || g->print == new.print)
			return i;
	}
	new.next = (uint32_t)*first;
	return new.print ? (uint32_t)(*first = add_group(r, new)) : 0;
}
