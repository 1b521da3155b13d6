#include "cli/export/html_graph.h"

#include "cli/base/cleanup.h"
#include "cli/base/json.h"
#include "cli/base/table.h"
#include "cli/report/blocks.h"
#include "cli/report/chain.h"
#include "cli/report/held_json.h"
#include "cli/report/neighbours.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SITES = 500,	 /* groups of blocks that are listed */
	LARGEST = 100,	 /* blocks */
	NEAR = 6,	 /* neighbours of a block, each way, that are chosen for it; and
			  * then eight times as many, while there is room */
	LOOKED_AT = 256, /* of its edges, for that */
	EDGES = 512,	 /* of a block to chosen ones ... */
	EDGES_SURE = 12, /* ... these in any case, the others while there is room */
	ROOTS = 8,	 /* of a block */
	OTHERS = 6,	 /* sites that a block's other neighbours are of */
	/* For each block that there may be, in all of a page. */
	MEAN_EDGES = 4,
	MEAN_ROOTS = 1,
	MEAN_OTHERS = 2,
	WAY = 32, /* steps of a way to its end that are chosen */
};

struct way {		  /* all shortest ways by one class of roots and pointers */
	uint32_t *from;	  /* of each block: edge + 2 that leads to it; 1: a root does */
	uint32_t *root;	  /* where its way begins */
	uint32_t *length; /* in blocks, it included */
};

struct choice {
	const struct held *h;
	const struct heap_graph *g;
	size_t most;
	uint32_t *number; /* by block: its place in `blocks` + 1 */
	uint32_t *blocks;
	size_t count;
	struct way ways[CHAIN_TRIES]; /* made when first asked for */
	uint32_t *queue;
	size_t edges_left, roots_left, others_left; /* that may be written */
	struct table roots; /* those that ways begin at -> their number in the page */
};

/* ---- ways from roots --------------------------------------------------------- */

static void seed_way(struct choice *c, const struct chain_try *try, struct way *w,
		     size_t *tail)
{
	const struct heap_graph *g = c->g;

	for (size_t i = 0; i < g->root_count; i++) {
		const struct heap_root *x = &g->roots[i];

		if (w->from[x->to] || !(try->kinds >> g->areas[x->area].kind & 1) ||
		    !(try->hows >> heap_how(x->how) & 1))
			continue;
		w->from[x->to] = 1;
		w->root[x->to] = (uint32_t)i;
		w->length[x->to] = 1;
		c->queue[(*tail)++] = x->to;
	}
}

/* From all roots at once, by levels. */
static int make_way(struct choice *c, const struct chain_try *try, struct way *w)
{
	const struct heap_graph *g = c->g;
	size_t tail = 0;

	w->from = calloc(g->blocks.count + 1, sizeof(*w->from));
	w->root = calloc(g->blocks.count + 1, sizeof(*w->root));
	w->length = calloc(g->blocks.count + 1, sizeof(*w->length));
	if (!w->from || !w->root || !w->length)
		return -ENOMEM;
	seed_way(c, try, w, &tail);
	for (size_t head = 0; head < tail; head++) {
		uint32_t block = c->queue[head];

		for (uint32_t e = g->first[block]; e < g->first[block + 1]; e++) {
			uint32_t to = g->edges.to[e];

			if (w->from[to] ||
			    !(try->hows >> heap_how(g->edges.how[e]) & 1))
				continue;
			w->from[to] = e + 2;
			w->root[to] = w->root[block];
			w->length[to] = w->length[block] + 1;
			c->queue[tail++] = to;
		}
	}
	return 0;
}

/* The ways by which a block is held, the surest; NULL in *ret: it is not. */
static int way_of(struct choice *c, uint32_t block, const struct way **ret)
{
	*ret = NULL;
	if (c->h->level[block] >= HELD_IGNORED)
		return 0;
	for (int i = 0; i < CHAIN_TRIES && !*ret; i++) {
		struct way *w = &c->ways[i];

		if (!w->from) {
			int r = make_way(c, &chain_tries[i], w);

			if (r < 0)
				return r;
		}
		if (w->from[block])
			*ret = w;
	}
	return 0;
}

/* The block before on the way; HEAP_NONE: a root is. */
static uint32_t before(const struct choice *c, const struct way *w, uint32_t block)
{
	return w->from[block] < 2 ? HEAP_NONE
				  : heap_graph_from(c->g, w->from[block] - 2);
}

/* ---- which blocks -------------------------------------------------------------- */

static void choose(struct choice *c, uint32_t block)
{
	if (c->number[block] || c->count == c->most)
		return;
	c->blocks[c->count++] = block;
	c->number[block] = (uint32_t)c->count;
}

/* A block, and the way to it: its end, and where it begins. */
static int choose_way(struct choice *c, uint32_t block)
{
	const struct way *w;
	int r = way_of(c, block, &w);

	choose(c, block);
	if (r < 0 || !w)
		return r;
	choose(c, c->g->roots[w->root[block]].to);
	for (int i = 0; i < WAY && block != HEAP_NONE; i++) {
		choose(c, block);
		block = before(c, w, block);
	}
	return 0;
}

/* The largest, in order; those of equal size by address. */
static size_t find_largest(const struct heap_blocks *b, uint32_t ret[LARGEST])
{
	size_t n = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		size_t k = n;

		while (k && b->items[ret[k - 1]].size < b->items[i].size)
			k--;
		if (k == LARGEST)
			continue;
		n += n < LARGEST;
		memmove(&ret[k + 1], &ret[k], (n - k - 1) * sizeof(*ret));
		ret[k] = i;
	}
	return n;
}

static void choose_near(struct choice *c, uint32_t block, size_t near)
{
	const struct heap_graph *g = c->g;
	uint32_t from = g->in_first[block], end = g->in_first[block + 1];
	size_t was = c->count;

	end = end - from > LOOKED_AT ? from + LOOKED_AT : end;
	for (uint32_t i = from; i < end && c->count < was + near; i++)
		choose(c, heap_graph_from(g, g->in_edge[i]));
	was = c->count;
	from = g->first[block];
	end = g->first[block + 1];
	end = end - from > LOOKED_AT ? from + LOOKED_AT : end;
	for (uint32_t e = from; e < end && c->count < was + near; e++)
		choose(c, g->edges.to[e]);
}

static int choose_all(struct choice *c, const struct html_graph_options *o,
		      const struct blocks_group *groups, size_t group_count)
{
	uint32_t largest[LARGEST];
	size_t n = find_largest(&c->g->blocks, largest);
	int r = 0;

	for (size_t i = 0; i < o->wanted_count && !r; i++)
		r = choose_way(c, o->wanted[i]);
	for (size_t i = 0; i < group_count && i < SITES && !r; i++)
		r = choose_way(c, groups[i].first);
	for (size_t i = 0; i < n && !r; i++)
		r = choose_way(c, largest[i]);
	for (size_t near = NEAR; near <= LOOKED_AT; near *= 8)
		for (size_t i = 0; i < c->count && c->count < c->most; i++)
			choose_near(c, c->blocks[i], near);
	/* A small graph is there as a whole. */
	for (uint32_t i = 0; i < c->g->blocks.count && c->most == c->g->blocks.count;
	     i++)
		choose(c, i);
	return r;
}

/* ---- what is said of one ---------------------------------------------------------- */

static void put_number(const struct choice *c, uint32_t block, struct json *j)
{
	json_put_unsigned(j, "block", c->number[block] - 1u);
}

static void put_roots(struct choice *c, uint32_t block, struct json *j)
{
	size_t end, i = heap_graph_roots_of(c->g, block, &end);

	json_put_unsigned(j, "root_count", end - i);
	json_key(j, "roots");
	json_array(j);
	for (size_t k = 0; i < end && k < ROOTS && c->roots_left; i++, k++) {
		held_json_root(c->h, i, j);
		c->roots_left--;
	}
	json_close(j);
}

/* Whether a block with so many edges written may have one more. */
static bool takes_edge(struct choice *c, size_t n)
{
	if (n < EDGES_SURE)
		return true;
	if (n >= EDGES || !c->edges_left)
		return false;
	c->edges_left--;
	return true;
}

static void put_edges(struct choice *c, uint32_t block, struct json *j)
{
	const struct heap_graph *g = c->g;
	size_t n = 0;

	json_put_unsigned(j, "references", g->first[block + 1] - g->first[block]);
	json_put_unsigned(j, "referrers", g->in_first[block + 1] - g->in_first[block]);
	json_key(j, "to");
	json_array(j);
	for (uint32_t e = g->first[block]; e < g->first[block + 1]; e++) {
		if (!c->number[g->edges.to[e]])
			continue;
		if (!takes_edge(c, n))
			break;
		json_object(j);
		put_number(c, g->edges.to[e], j);
		held_json_edge(c->h, e, j);
		json_close(j);
		n++;
	}
	json_close(j);
}

static bool is_chosen(const void *context, uint32_t block)
{
	return ((const struct choice *)context)->number[block];
}

/* Neighbours that are not in the page, by the sites that have most of them. */
static int put_others(struct choice *c, uint32_t block, bool back, struct json *j)
{
	const uint32_t *first = back ? c->g->in_first : c->g->first;
	_cleanup_(freep) struct neighbours_kind *kinds = NULL;
	size_t count;
	int r = neighbours_kinds(c->h, back, first[block], first[block + 1], is_chosen,
				 c, &kinds, &count);

	if (r < 0)
		return r;
	json_key(j, back ? "other_referrers" : "other_references");
	json_array(j);
	for (size_t i = 0; i < count && i < OTHERS && c->others_left; i++) {
		c->others_left--;
		json_object(j);
		json_put_unsigned(j, "references", kinds[i].references);
		held_json_block(c->h, kinds[i].block, j);
		json_close(j);
	}
	json_close(j);
	return 0;
}

/* By which block the shortest ways lead to it, of each class that was asked for. */
static void put_before(const struct choice *c, uint32_t block, struct json *j)
{
	json_key(j, "before");
	json_array(j);
	for (unsigned i = 0; i < CHAIN_TRIES; i++) {
		const struct way *w = &c->ways[i];
		uint32_t from =
			w->from && w->from[block] ? before(c, w, block) : HEAP_NONE;

		if (from == HEAP_NONE || !c->number[from])
			continue;
		json_object(j);
		json_put_unsigned(j, "by", i);
		put_number(c, from, j);
		held_json_edge(c->h, w->from[block] - 2, j);
		json_close(j);
	}
	json_close(j);
}

/* The shortest way to a block, as `path` has it. */
static int put_way(struct choice *c, uint32_t block, struct json *j)
{
	const struct way *w;
	int r = way_of(c, block, &w);
	uint64_t *number;
	bool is_new;

	if (r < 0 || !w)
		return r;
	number = table_put(&c->roots, (struct table_key){w->root[block], 0}, &is_new);
	if (!number)
		return -ENOMEM;
	if (is_new)
		*number = c->roots.count - 1;
	json_key(j, "way");
	json_object(j);
	json_put_unsigned(j, "by", (uint64_t)(w - c->ways));
	json_put_unsigned(j, "length", w->length[block]);
	json_put_unsigned(j, "root", *number);
	json_close(j);
	put_before(c, block, j);
	return 0;
}

static int put_block(struct choice *c, uint32_t block, struct json *j)
{
	int r;

	json_object(j);
	held_json_block(c->h, block, j);
	held_json_thread(c->h, block, j);
	put_roots(c, block, j);
	put_edges(c, block, j);
	r = put_others(c, block, true, j);
	if (!r)
		r = put_others(c, block, false, j);
	if (!r)
		r = put_way(c, block, j);
	json_close(j);
	return r;
}

/* ---- all -------------------------------------------------------------------------- */

static int choice_init(struct choice *c)
{
	size_t count = c->g->blocks.count;

	c->most = c->most < count ? c->most : count;
	c->edges_left = c->most * MEAN_EDGES;
	c->roots_left = c->most * MEAN_ROOTS + ROOTS;
	c->others_left = c->most * MEAN_OTHERS + OTHERS;
	c->number = calloc(count + 1, sizeof(*c->number));
	c->blocks = malloc((c->most + 1) * sizeof(*c->blocks));
	c->queue = malloc((count + 1) * sizeof(*c->queue));
	return c->number && c->blocks && c->queue ? 0 : -ENOMEM;
}

static void choice_done(struct choice *c)
{
	for (int i = 0; i < CHAIN_TRIES; i++) {
		free(c->ways[i].from);
		free(c->ways[i].root);
		free(c->ways[i].length);
	}
	free(c->number);
	free(c->blocks);
	free(c->queue);
	table_done(&c->roots);
}

/* The roots of ways, by their numbers. */
static int put_way_roots(const struct choice *c, struct json *j)
{
	_cleanup_(freep) size_t *roots = calloc(c->roots.count + 1, sizeof(*roots));
	struct table_key key;
	uint64_t number;

	if (!roots)
		return -ENOMEM;
	for (size_t at = 0; table_next(&c->roots, &at, &key, &number);)
		roots[number] = key.a;
	json_key(j, "way_roots");
	json_array(j);
	for (size_t i = 0; i < c->roots.count; i++)
		held_json_root(c->h, roots[i], j);
	json_close(j);
	return 0;
}

static int write_all(struct choice *c, const struct blocks_group *groups,
		     size_t group_count, FILE *out)
{
	struct json j = {.out = out, .spread = 2};
	int r = 0;

	held_json_begin(c->h, "graph", &j);
	json_put_unsigned(&j, "group_count", group_count);
	json_key(&j, "groups");
	json_array(&j);
	blocks_groups_json(c->h, groups, group_count < SITES ? group_count : SITES, &j);
	json_close(&j);
	json_key(&j, "blocks");
	json_array(&j);
	for (size_t i = 0; i < c->count && !r; i++)
		r = put_block(c, c->blocks[i], &j);
	json_close(&j);
	if (!r)
		r = put_way_roots(c, &j);
	json_close(&j);
	json_end(&j);
	return r;
}

int html_graph_json(const struct held *h, const struct html_graph_options *o, FILE *out)
{
	const struct blocks_options all = {.level = -1};
	_cleanup_(choice_done) struct choice c = {
		.h = h, .g = h->graph, .most = o->most};
	_cleanup_(freep) struct blocks_group *groups = NULL;
	size_t group_count = 0;
	int r = choice_init(&c);

	if (!r)
		r = blocks_groups(h, &all, &groups, &group_count);
	if (!r)
		r = choose_all(&c, o, groups, group_count);
	return r ? r : write_all(&c, groups, group_count, out);
}
