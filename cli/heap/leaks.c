#include "cli/heap/leaks.h"

#include "cli/base/cleanup.h"
#include "cli/heap/components.h"
#include "cli/heap/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TO_FIND = LEAK_KINDS }; /* lost, its class not known yet */

struct work {
	const struct heap_graph *g;
	const struct heap_leaks_options *o;
	size_t n;
	struct heap_leaks *ret;
	uint8_t *level, *mark; /* of each block */
	uint32_t *queue;
};

static void work_done(struct work *w)
{
	free(w->level);
	free(w->mark);
	free(w->queue);
}

static int work_init(struct work *w)
{
	w->n = w->g->blocks.count;
	w->level = malloc(w->n + 1);
	w->mark = calloc(w->n + 1, 1);
	w->queue = malloc((w->n + 1) * sizeof(*w->queue));
	w->ret->kind = malloc(w->n + 1);
	w->ret->leader = malloc((w->n + 1) * sizeof(*w->ret->leader));
	w->ret->shared = calloc(w->n + 1, 1);
	if (!w->level || !w->mark || !w->queue || !w->ret->kind || !w->ret->leader ||
	    !w->ret->shared)
		return -ENOMEM;
	memset(w->ret->leader, 0xff, w->n * sizeof(*w->ret->leader));
	return 0;
}

void heap_leaks_done(struct heap_leaks *l)
{
	free(l->kind);
	free(l->leader);
	free(l->shared);
	*l = (struct heap_leaks){0};
}

/* From the `tail` blocks in the queue, which are marked: marks all that they lead to
 * and `may` allows (NULL: any). What is found takes over its finder's leader if lead.
 */
static void spread(struct work *w, size_t tail, const uint8_t *may, bool lead)
{
	const struct heap_graph *g = w->g;

	for (size_t head = 0; head < tail; head++) {
		uint32_t from = w->queue[head];

		for (uint32_t e = g->first[from]; e < g->first[from + 1]; e++) {
			uint32_t to = g->edges.to[e];

			if (w->mark[to] || (may && !may[to]))
				continue;
			w->mark[to] = 1;
			if (lead)
				w->ret->leader[to] = w->ret->leader[from];
			w->queue[tail++] = to;
		}
	}
}

/* ---- what is held -------------------------------------------------------- */

/* Held without a root: the runtime's, and what the program declared no leak. */
static bool is_seed(const struct work *w, size_t block)
{
	return (w->o->known && w->o->known[block] == LEAK_RUNTIME) ||
	       w->g->blocks.items[block].flags & HEAP_IGNORED;
}

static int reach(struct work *w, const uint8_t *without, uint8_t *ret)
{
	size_t seeds = 0;

	for (size_t i = 0; i < w->n; i++)
		if (is_seed(w, i))
			w->queue[seeds++] = (uint32_t)i;
	return heap_reach_without(w->g, &heap_levels_usual, w->queue, seeds, without,
				  ret);
}

static uint8_t kind_of_level(uint8_t level)
{
	switch (level) {
	case HEAP_SURE:
	case HEAP_INSIDE:
		return LEAK_REACHABLE;
	case HEAP_WEAK:
		return LEAK_POSSIBLE;
	case HEAP_LEFT:
		return LEAK_EXITED;
	default:
		return TO_FIND;
	}
}

/* ---- suppressed ---------------------------------------------------------- */

/* Which blocks only the suppressed hold. Of lost ones: those that they lead to, but no
 * lost block does that they do not lead to. Of others: held less surely without. */
static int held_by_suppressed(struct work *w, const uint8_t *suppressed, uint8_t *ret)
{
	uint8_t *lost = w->ret->shared; /* (not in use yet) */
	_cleanup_(freep) uint8_t *without = malloc(w->n + 1);
	size_t tail = 0;
	int r = without ? reach(w, suppressed, without) : -ENOMEM;

	if (r < 0)
		return r;
	for (size_t i = 0; i < w->n; i++)
		lost[i] = w->level[i] == HEAP_UNREACHED;
	for (size_t i = 0; i < w->n; i++)
		if (suppressed[i] && lost[i]) {
			w->mark[i] = 1;
			w->queue[tail++] = (uint32_t)i;
		}
	spread(w, tail, lost, false);
	memcpy(ret, w->mark, w->n);
	tail = 0;
	for (size_t i = 0; i < w->n; i++) {
		w->mark[i] = suppressed[i] || (lost[i] && !ret[i]);
		if (lost[i] && !ret[i])
			w->queue[tail++] = (uint32_t)i;
	}
	spread(w, tail, lost, false);
	for (size_t i = 0; i < w->n; i++) {
		ret[i] = suppressed[i] ||
			 (lost[i] ? !w->mark[i] : without[i] > w->level[i]);
		w->mark[i] = lost[i] = 0;
	}
	return 0;
}

static int find_suppressed(struct work *w)
{
	_cleanup_(freep) uint8_t *mine = calloc(w->n + 1, 1);
	_cleanup_(freep) uint8_t *may = malloc(w->n + 1);
	size_t tail = 0;
	int r = mine && may ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < w->n; i++)
		mine[i] = w->o->suppressed[i] && w->ret->kind[i] != LEAK_RUNTIME &&
			  w->ret->kind[i] != LEAK_INHERITED;
	if (!r)
		r = held_by_suppressed(w, mine, may);
	if (r < 0)
		return r;
	for (size_t i = 0; i < w->n; i++)
		if (mine[i]) {
			w->ret->leader[i] = (uint32_t)i;
			w->mark[i] = 1;
			w->queue[tail++] = (uint32_t)i;
		}
	spread(w, tail, may, true);
	for (size_t i = 0; i < w->n; i++) {
		bool known = w->ret->kind[i] == LEAK_RUNTIME ||
			     w->ret->kind[i] == LEAK_INHERITED;

		if (w->mark[i] && !known)
			w->ret->kind[i] = LEAK_SUPPRESSED;
		else
			w->ret->leader[i] = HEAP_NONE;
		w->mark[i] = 0;
	}
	return 0;
}

/* ---- young --------------------------------------------------------------- */

static void find_young(struct work *w)
{
	size_t tail = 0;

	for (size_t i = 0; i < w->n; i++)
		if (w->ret->kind[i] == TO_FIND && w->o->young[i]) {
			w->mark[i] = 1;
			w->queue[tail++] = (uint32_t)i;
		}
	spread(w, tail, NULL, false);
	for (size_t i = 0; i < w->n; i++) {
		if (w->mark[i] && w->ret->kind[i] == TO_FIND)
			w->ret->kind[i] = LEAK_YOUNG;
		w->mark[i] = 0;
	}
}

/* ---- leaders ------------------------------------------------------------- */

struct leaders {
	uint32_t *component; /* of each block */
	uint32_t count;	     /* components */
	uint32_t *order;     /* lost blocks by component, the last first */
	size_t ordered;
	uint32_t *at;	 /* of each component: the first of its blocks in order */
	uint32_t *label; /* of each component: the leader that leads to it */
	uint8_t *shared; /* of each component */
};

static void leaders_done(struct leaders *l)
{
	free(l->component);
	free(l->order);
	free(l->at);
	free(l->label);
	free(l->shared);
}

/* Components in the order from referrers to referents. */
static int find_components(struct work *w, struct leaders *l)
{
	const uint8_t *only = w->mark;
	uint32_t sum = 0;
	int r;

	l->component = malloc((w->n + 1) * sizeof(*l->component));
	if (!l->component)
		return -ENOMEM;
	r = heap_components(w->g, only, HEAP_ALL_HOWS, l->component, &l->count);
	if (r < 0)
		return r;
	l->order = malloc((w->n + 1) * sizeof(*l->order));
	l->at = calloc(l->count + 2ull, sizeof(*l->at));
	l->label = malloc((l->count + 1ull) * sizeof(*l->label));
	l->shared = calloc(l->count + 1ull, 1);
	if (!l->order || !l->at || !l->label || !l->shared)
		return -ENOMEM;
	memset(l->label, 0xff, l->count * sizeof(*l->label));
	/* Sorted by counting; the highest number comes first. */
	for (size_t i = 0; i < w->n; i++)
		if (only[i]) {
			l->component[i] = l->count - 1 - l->component[i];
			l->at[l->component[i] + 2]++;
			l->ordered++;
		}
	for (uint32_t c = 0; c < l->count; c++) {
		sum += l->at[c + 2];
		l->at[c + 2] = sum;
	}
	for (size_t i = 0; i < w->n; i++)
		if (only[i])
			l->order[l->at[l->component[i] + 1]++] = (uint32_t)i;
	return 0;
}

static bool same_group(const struct work *w, uint32_t a, uint32_t b)
{
	const struct heap_block *x = w->g->blocks.items;

	return x[a].site == x[b].site && w->ret->kind[a] == w->ret->kind[b];
}

/* Nobody leads to the component: it does itself. */
static void lead(struct work *w, struct leaders *l, uint32_t c)
{
	const struct heap_block *b = w->g->blocks.items;
	uint32_t first = l->order[l->at[c]], leader = first;
	bool ring = l->at[c + 1] - l->at[c] > 1 ||
		    heap_points_at_itself(w->g, first, HEAP_ALL_HOWS);

	for (uint32_t i = l->at[c]; i < l->at[c + 1]; i++)
		if (b[l->order[i]].born_ns < b[leader].born_ns)
			leader = l->order[i];
	for (uint32_t i = l->at[c]; i < l->at[c + 1]; i++) {
		uint32_t block = l->order[i];

		if (w->ret->kind[block] != TO_FIND)
			continue;
		w->ret->kind[block] = ring ? LEAK_CYCLE : LEAK_DEFINITE;
		if (ring)
			w->ret->leader[block] = leader;
	}
	l->label[c] = leader;
}

static void pass_on(struct work *w, struct leaders *l, uint32_t c)
{
	const struct heap_graph *g = w->g;

	for (uint32_t i = l->at[c]; i < l->at[c + 1]; i++) {
		uint32_t from = l->order[i];

		for (uint32_t e = g->first[from]; e < g->first[from + 1]; e++) {
			uint32_t to = l->component[g->edges.to[e]];

			/* (A chunk does not lead to what it lies in.) */
			if (!w->mark[g->edges.to[e]] || to == c ||
			    heap_how(g->edges.how[e]) == HEAP_WITHIN)
				continue;
			if (l->label[to] == HEAP_NONE)
				l->label[to] = l->label[c];
			else if (!same_group(w, l->label[to], l->label[c]))
				l->shared[to] = 1;
			l->shared[to] |= l->shared[c];
		}
	}
}

static int find_leaders(struct work *w)
{
	_cleanup_(leaders_done) struct leaders l = {0};
	int r;

	/* Lost, whoever asked; a known class stays, but leads as any other. */
	for (size_t i = 0; i < w->n; i++)
		w->mark[i] = w->level[i] == HEAP_UNREACHED &&
			     (w->ret->kind[i] == TO_FIND ||
			      w->ret->kind[i] == LEAK_INHERITED);
	r = find_components(w, &l);
	if (r < 0)
		return r;
	for (uint32_t c = 0; c < l.count; c++) {
		if (l.label[c] == HEAP_NONE)
			lead(w, &l, c);
		pass_on(w, &l, c);
	}
	for (size_t i = 0; i < w->n; i++) {
		if (!w->mark[i] || w->ret->kind[i] != TO_FIND)
			continue;
		w->ret->kind[i] = LEAK_INDIRECT;
		w->ret->leader[i] = l.label[l.component[i]];
		w->ret->shared[i] = l.shared[l.component[i]];
	}
	return 0;
}

int heap_leaks_find(const struct heap_graph *g, const struct heap_leaks_options *o,
		    struct heap_leaks *ret)
{
	_cleanup_(work_done) struct work w = {.g = g, .o = o, .ret = ret};
	int r;

	*ret = (struct heap_leaks){0};
	r = work_init(&w);
	if (!r)
		r = reach(&w, NULL, w.level);
	if (r < 0)
		return r;
	for (size_t i = 0; i < w.n; i++) {
		uint8_t known = o->known ? o->known[i] : LEAK_KINDS;

		ret->kind[i] = known == LEAK_RUNTIME || known == LEAK_INHERITED
				       ? known
				       : kind_of_level(w.level[i]);
	}
	if (o->suppressed)
		r = find_suppressed(&w);
	if (r < 0)
		return r;
	if (o->young)
		find_young(&w);
	return find_leaders(&w);
}
