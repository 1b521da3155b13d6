#include "cli/heap/chains.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

enum mark {
	TAKEN = 1 << 0,	 /* another chain has it */
	ROOTED = 1 << 1, /* some root holds it */
};

struct search {
	const struct heap_graph *g;
	const struct heap_chains_options *o;
	const struct heap_chains *found; /* whose roots are taken */
	uint8_t *marks;			 /* enum mark of each block */
	uint32_t *via;	 /* of each block seen: its edge towards the target + 1 */
	uint32_t *queue; /* blocks seen; their `via` is to be cleared */
	size_t seen;
};

void heap_chains_done(struct heap_chains *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->items[i].steps);
	free(c->items);
	*c = (struct heap_chains){0};
}

static bool is_taken(const struct heap_chains *found, size_t root)
{
	for (size_t i = 0; i < found->count; i++)
		if (found->items[i].root == root)
			return true;
	return false;
}

/* A root that holds the block and counts; HEAP_NONE: none. */
static uint32_t root_of(const struct search *s, uint32_t block)
{
	size_t end, i;

	if (!(s->marks[block] & ROOTED))
		return HEAP_NONE;
	i = heap_graph_roots_of(s->g, block, &end);
	for (; i < end; i++) {
		const struct heap_root *x = &s->g->roots[i];

		if (s->o->kinds >> s->g->areas[x->area].kind & 1 &&
		    s->o->hows >> heap_how(x->how) & 1 && !is_taken(s->found, i))
			return (uint32_t)i;
	}
	return HEAP_NONE;
}

/* From the target backwards, by levels: the nearest block with a root; HEAP_NONE. */
static uint32_t search(struct search *s, uint32_t target, uint32_t *ret_root)
{
	const struct heap_graph *g = s->g;

	s->seen = 0;
	s->queue[s->seen++] = target;
	s->via[target] = UINT32_MAX;
	for (size_t head = 0; head < s->seen; head++) {
		uint32_t block = s->queue[head];

		*ret_root = root_of(s, block);
		if (*ret_root != HEAP_NONE)
			return block;
		for (uint32_t i = g->in_first[block]; i < g->in_first[block + 1]; i++) {
			uint32_t e = g->in_edge[i], from;

			if (!(s->o->hows >> heap_how(g->edges.how[e]) & 1))
				continue;
			from = heap_graph_from(g, e);
			if (s->via[from] || s->marks[from] & TAKEN ||
			    (s->o->avoid && s->o->avoid[from]))
				continue;
			s->via[from] = e + 1;
			s->queue[s->seen++] = from;
		}
	}
	return HEAP_NONE;
}

/* Writes down the way from `block` to the target; its inner blocks are taken now. */
static int keep(struct search *s, uint32_t block, uint32_t target, uint32_t root,
		struct heap_chains *ret)
{
	struct heap_chain c = {.root = root, .count = 1};
	size_t i = 0;

	for (uint32_t at = block; at != target; at = s->g->edges.to[s->via[at] - 1])
		c.count++;
	c.steps = calloc(c.count, sizeof(*c.steps));
	if (!c.steps)
		return -ENOMEM;
	for (uint32_t at = block; at != target; at = s->g->edges.to[s->via[at] - 1]) {
		c.steps[i++] = (struct heap_step){at, s->via[at] - 1};
		s->marks[at] |= TAKEN;
	}
	c.steps[i] = (struct heap_step){target, HEAP_NONE};
	if (array_reserve(&ret->items, &ret->room, ret->count + 1) < 0) {
		free(c.steps);
		return -ENOMEM;
	}
	ret->items[ret->count++] = c;
	return 0;
}

int heap_chains_find(const struct heap_graph *g, uint32_t block,
		     const struct heap_chains_options *o, struct heap_chains *ret)
{
	size_t n = g->blocks.count;
	_cleanup_(freep) uint8_t *marks = calloc(n, 1);
	_cleanup_(freep) uint32_t *via = calloc(n, sizeof(*via));
	_cleanup_(freep) uint32_t *queue = malloc(n * sizeof(*queue));
	struct search s = {g, o, ret, marks, via, queue, 0};
	int r = 0;

	if (!marks || !via || !queue) {
		heap_chains_done(ret);
		return -ENOMEM;
	}
	for (size_t i = 0; i < ret->count; i++)
		for (size_t k = 0; k + 1 < ret->items[i].count; k++)
			marks[ret->items[i].steps[k].block] |= TAKEN;
	for (size_t i = 0; i < g->root_count; i++)
		marks[g->roots[i].to] |= ROOTED;
	while (!r && ret->count < o->most) {
		uint32_t root, from = search(&s, block, &root);

		if (from == HEAP_NONE)
			break;
		r = keep(&s, from, block, root, ret);
		while (s.seen)
			via[queue[--s.seen]] = 0;
	}
	if (r < 0)
		heap_chains_done(ret);
	return r;
}
