#include "cli/report/neighbours.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/table.h"

#include <errno.h>
#include <stdlib.h>

struct kinds {
	struct table by_what; /* -> place in items */
	struct neighbours_kind *items;
	size_t count, room;
};

static void kinds_done(struct kinds *k)
{
	table_done(&k->by_what);
	free(k->items);
}

static int add(struct kinds *k, const struct heap_graph *g, uint32_t edge,
	       uint32_t block)
{
	const struct heap_what *w = heap_types_what(&g->types, block);
	struct table_key key = {g->blocks.items[block].site,
				(uint64_t)w->type << 8 | w->part};
	bool is_new;
	uint64_t *at = table_put(&k->by_what, key, &is_new);

	if (!at)
		return -ENOMEM;
	if (is_new) {
		if (array_reserve(&k->items, &k->room, k->count + 1) < 0)
			return -ENOMEM;
		*at = k->count;
		k->items[k->count++] = (struct neighbours_kind){block, edge, 0};
	}
	k->items[*at].references++;
	return 0;
}

static int most_first(const void *left, const void *right)
{
	const struct neighbours_kind *a = left, *b = right;

	if (a->references != b->references)
		return a->references > b->references ? -1 : 1;
	return a->block < b->block ? -1 : a->block > b->block;
}

int neighbours_kinds(const struct held *h, bool back, uint32_t first, uint32_t end,
		     bool (*skip)(const void *context, uint32_t block),
		     const void *context, struct neighbours_kind **ret,
		     size_t *ret_count)
{
	const struct heap_graph *g = h->graph;
	_cleanup_(kinds_done) struct kinds k = {0};

	for (uint32_t i = first; i < end; i++) {
		uint32_t edge = back ? g->in_edge[i] : i;
		uint32_t block = back ? heap_graph_from(g, edge) : g->edges.to[edge];

		if (!skip(context, block) && add(&k, g, edge, block) < 0)
			return -ENOMEM;
	}
	if (k.count)
		qsort(k.items, k.count, sizeof(*k.items), most_first);
	*ret_count = k.count;
	*ret = take_ptr(k.items);
	return 0;
}
