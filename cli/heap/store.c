#include "cli/heap/store.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/relay.h"
#include "cli/heap/contents.h"
#include "cli/heap/store_pieces.h"
#include "cli/profile/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	READERS = 4,	 /* threads that unpack a graph's pieces ... */
	MANY_PIECES = 8, /* ... of which there are more than that */
};

/* ---- writing ------------------------------------------------------------- */

/* Number 0 is "" for everybody. */
static int put_names(struct store_out *o, const struct strings *names)
{
	size_t i = 1;
	int r = 0;

	while (!r && i < names->count) {
		size_t n = 0, bytes = 0;

		while (i + n < names->count && n < ROWS && bytes < NAMES_BYTES)
			bytes += strnlen(names->items[i + n++], NAME_MAX_BYTES);
		store_begin(o, PIECE_NAMES, n);
		for (size_t k = 0; k < n; k++) {
			size_t len = strnlen(names->items[i + k], NAME_MAX_BYTES);

			bytes_put_varint(&o->b, len);
			bytes_put(&o->b, names->items[i + k], len);
		}
		i += n;
		r = store_end(o);
	}
	return r;
}

static void put_modules(struct bytes *b, const struct heap_roots *r, size_t i, size_t n)
{
	uint64_t last = 0;

	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, r->modules.items[k].path);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(r->modules.items[k].start, &last));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b,
				 r->modules.items[k].end - r->modules.items[k].start);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b,
				 r->modules.items[k].start - r->modules.items[k].bias);
}

static void put_areas(struct bytes *b, const struct heap_graph *g, size_t i, size_t n)
{
	const struct heap_area *a = g->areas;
	uint64_t last = 0;

	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, a[k].kind);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, a[k].name);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, a[k].owner);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, (uint32_t)a[k].tid);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(a[k].start, &last));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, a[k].end - a[k].start);
}

static void put_blocks(struct bytes *b, const struct heap_graph *g, size_t i, size_t n)
{
	const struct heap_block *x = g->blocks.items;
	uint64_t last = 0, born = 0;

	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(x[k].address, &last));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, x[k].size);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, x[k].site);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(x[k].born_ns, &born));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, g->first[k + 1] - g->first[k]);
}

static void put_edges(struct bytes *b, const struct heap_graph *g, size_t i, size_t n)
{
	uint64_t last = 0, word = 0;

	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(g->edges.to[k], &last));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(g->edges.word[k], &word));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, g->edges.how[k]);
}

static void put_roots(struct bytes *b, const struct heap_graph *g, size_t i, size_t n)
{
	uint64_t at = 0, to = 0;

	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(g->roots[k].to, &to));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, g->roots[k].area);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(g->roots[k].at, &at));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, g->roots[k].how);
}

static int put_inherited(struct store_out *o, const struct heap_graph *g)
{
	uint32_t found[ROWS / 16];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; !r && g->inherited && i <= g->blocks.count; i++) {
		uint64_t last = 0;

		if (i < g->blocks.count && g->inherited[i])
			found[n++] = (uint32_t)i;
		if (!n || (n < sizeof(found) / sizeof(*found) && i < g->blocks.count))
			continue;
		store_begin(o, PIECE_INHERITED, n);
		for (size_t k = 0; k < n; k++)
			bytes_put_varint(&o->b, store_delta(found[k], &last));
		n = 0;
		r = store_end(o);
	}
	return r;
}

/* Of all blocks, from the first. */
static int put_threads(struct store_out *o, const struct heap_graph *g)
{
	int r = 0;

	for (size_t i = 0, n; !r && g->threads && i < g->blocks.count; i += n) {
		n = g->blocks.count - i < ROWS ? g->blocks.count - i : ROWS;
		store_begin(o, PIECE_THREADS, n);
		for (size_t k = i; k < i + n; k++)
			bytes_put_varint(&o->b, g->threads[k]);
		r = store_end(o);
	}
	return r;
}

/* Of areas that are a function's. */
static int put_functions(struct store_out *o, const struct heap_graph *g)
{
	int r = 0;

	for (size_t i = 0; !r && i < g->area_count;) {
		size_t n = 0, end_at = i;
		uint64_t last = 0;

		for (; end_at < g->area_count && n < ROWS; end_at++)
			n += g->areas[end_at].function != 0;
		if (n) {
			store_begin(o, PIECE_FUNCTIONS, n);
			for (size_t k = i; k < end_at; k++)
				if (g->areas[k].function)
					bytes_put_varint(&o->b, store_delta(k, &last));
			for (size_t k = i; k < end_at; k++)
				if (g->areas[k].function)
					bytes_put_varint(&o->b, g->areas[k].function);
			r = store_end(o);
		}
		i = end_at;
	}
	return r;
}

/* The numbers of the blocks with a flag. */
static int put_flagged(struct store_out *o, enum piece kind, const struct heap_graph *g,
		       enum heap_block_flag flag)
{
	_cleanup_(freep) uint32_t *list = NULL;
	size_t count;
	int r = heap_graph_flagged(g, flag, &list, &count);

	for (size_t i = 0, n; !r && i < count; i += n) {
		uint64_t last = 0;

		n = count - i < ROWS ? count - i : ROWS;
		store_begin(o, kind, n);
		for (size_t k = i; k < i + n; k++)
			bytes_put_varint(&o->b, store_delta(list[k], &last));
		r = store_end(o);
	}
	return r;
}

static int put_rows(struct store_out *o, enum piece kind, const struct heap_graph *g,
		    const struct heap_roots *roots, size_t count)
{
	int r = 0;

	for (size_t i = 0, n; !r && i < count; i += n) {
		n = count - i < ROWS ? count - i : ROWS;
		store_begin(o, kind, n);
		if (kind == PIECE_MODULES)
			put_modules(&o->b, roots, i, n);
		else if (kind == PIECE_AREAS)
			put_areas(&o->b, g, i, n);
		else if (kind == PIECE_BLOCKS)
			put_blocks(&o->b, g, i, n);
		else if (kind == PIECE_EDGES)
			put_edges(&o->b, g, i, n);
		else
			put_roots(&o->b, g, i, n);
		r = store_end(o);
	}
	return r;
}

int heap_store(const struct heap_graph *g, const struct heap_roots *roots,
	       int (*put)(void *context, const void *data, size_t len), void *context)
{
	struct store_out o = {.put = put, .context = context};
	int r = put_names(&o, &roots->names);

	if (!r)
		r = put_rows(&o, PIECE_MODULES, g, roots, roots->modules.count);
	if (!r)
		r = put_rows(&o, PIECE_AREAS, g, roots, g->area_count);
	if (!r)
		r = put_functions(&o, g);
	if (!r)
		r = put_rows(&o, PIECE_BLOCKS, g, roots, g->blocks.count);
	if (!r)
		r = put_rows(&o, PIECE_EDGES, g, roots, g->edge_count);
	if (!r)
		r = put_rows(&o, PIECE_ROOTS, g, roots, g->root_count);
	if (!r)
		r = put_inherited(&o, g);
	if (!r)
		r = put_flagged(&o, PIECE_IGNORED, g, HEAP_IGNORED);
	if (!r)
		r = put_flagged(&o, PIECE_MAPPINGS, g, HEAP_MAPPED);
	if (!r)
		r = put_threads(&o, g);
	if (!r)
		r = store_put_types(&o, g);
	if (!r)
		r = put_flagged(&o, PIECE_CHUNKS, g, HEAP_CHUNK);
	bytes_done(&o.b);
	return r;
}

/* ---- reading ------------------------------------------------------------- */

static int take_names(struct strings *names, struct bytes_reader *in, size_t n)
{
	if (!names->count && strings_add(names, "") != 0)
		return -ENOMEM;
	for (size_t k = 0; k < n; k++) {
		size_t len = bytes_get_varint(in), number = names->count;
		const unsigned char *text = bytes_get(in, len);
		uint32_t got;

		if (in->failed || len > NAME_MAX_BYTES || (len && memchr(text, 0, len)))
			return -EBADMSG;
		got = strings_add_n(names, (const char *)text, len);
		if (got == UINT32_MAX)
			return -ENOMEM;
		if (got != number)
			return -EBADMSG;
	}
	return 0;
}

static int take_modules(struct heap_roots *r, struct bytes_reader *in, size_t n)
{
	struct heap_modules *all = &r->modules;
	struct heap_module *m;
	uint64_t last = 0;

	if (array_reserve(&all->items, &all->room, all->count + n) < 0)
		return -ENOMEM;
	m = all->items + all->count;
	for (size_t k = 0; k < n; k++)
		m[k].path = (uint32_t)bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		m[k].start = store_undelta(in, &last);
	for (size_t k = 0; k < n; k++)
		m[k].end = m[k].start + bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		m[k].bias = m[k].start - bytes_get_varint(in);
	all->count += n;
	return 0;
}

static int take_areas(struct heap_graph *g, struct bytes_reader *in, size_t n)
{
	struct heap_area *a;
	uint64_t last = 0;

	if (array_reserve(&g->areas, &g->area_room, g->area_count + n) < 0)
		return -ENOMEM;
	a = g->areas + g->area_count;
	for (size_t k = 0; k < n; k++)
		a[k].kind = (uint32_t)bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		a[k].name = (uint32_t)bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		a[k].owner = (uint32_t)bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		a[k].tid = (int32_t)(uint32_t)bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		a[k].start = store_undelta(in, &last);
	for (size_t k = 0; k < n; k++)
		a[k].end = a[k].start + bytes_get_varint(in);
	g->area_count += n;
	return 0;
}

/* The counts of their edges wait in `flags`. */
static int take_blocks(struct heap_graph *g, struct bytes_reader *in, size_t n)
{
	struct heap_blocks *b = &g->blocks;
	struct heap_block *x;
	uint64_t last = 0, born = 0;

	if (g->inherited || g->threads ||
	    g->types.what) /* these say how many there are */
		return -EBADMSG;
	if (array_room(&b->items, &b->room, b->count + n) < 0)
		return -ENOMEM;
	x = b->items + b->count;
	for (size_t k = 0; k < n; k++)
		x[k].address = store_undelta(in, &last);
	for (size_t k = 0; k < n; k++)
		x[k].size = bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		x[k].site = (uint32_t)bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		x[k].born_ns = store_undelta(in, &born);
	for (size_t k = 0; k < n; k++)
		x[k].flags = (uint32_t)bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		if ((b->count + k && x[k].address <= x[k - 1].address) ||
		    x[k].size > UINT64_MAX - x[k].address)
			return -EBADMSG;
	b->count += n;
	return 0;
}

static int take_edges(struct heap_graph *g, struct bytes_reader *in, size_t n)
{
	size_t at = g->edge_count;
	uint64_t last = 0, word = 0;
	int r = heap_graph_reserve(g, at + n);

	if (r < 0)
		return r;
	for (size_t k = at; k < at + n; k++)
		g->edges.to[k] = (uint32_t)store_undelta(in, &last);
	for (size_t k = at; k < at + n; k++)
		g->edges.word[k] = (uint32_t)store_undelta(in, &word);
	for (size_t k = at; k < at + n; k++)
		g->edges.how[k] = (uint16_t)bytes_get_varint(in);
	g->edge_count += n;
	return 0;
}

static int take_roots(struct heap_graph *g, struct bytes_reader *in, size_t n)
{
	struct heap_root *x;
	uint64_t at = 0, to = 0;

	if (array_reserve(&g->roots, &g->root_room, g->root_count + n) < 0)
		return -ENOMEM;
	x = g->roots + g->root_count;
	for (size_t k = 0; k < n; k++)
		x[k].to = (uint32_t)store_undelta(in, &to);
	for (size_t k = 0; k < n; k++)
		x[k].area = (uint32_t)bytes_get_varint(in);
	for (size_t k = 0; k < n; k++)
		x[k].at = store_undelta(in, &at);
	for (size_t k = 0; k < n; k++)
		x[k].how = (uint16_t)bytes_get_varint(in);
	g->root_count += n;
	return 0;
}

static int take_inherited(struct heap_graph *g, struct bytes_reader *in, size_t n)
{
	uint64_t block = 0;

	if (!g->inherited)
		g->inherited = calloc(g->blocks.count + 1, 1);
	if (!g->inherited)
		return -ENOMEM;
	for (size_t k = 0; k < n; k++)
		if (store_undelta(in, &block) < g->blocks.count)
			g->inherited[block] = 1;
		else
			return -EBADMSG;
	return 0;
}

/* Of blocks that are there already. */
static int take_threads(struct heap_stored *s, struct bytes_reader *in, size_t n)
{
	struct heap_graph *g = &s->graph;

	if (!g->threads)
		g->threads = calloc(g->blocks.count + 1, sizeof(*g->threads));
	if (!g->threads)
		return -ENOMEM;
	if (n > g->blocks.count - s->threads)
		return -EBADMSG;
	for (size_t k = 0; k < n; k++)
		g->threads[s->threads++] = (uint32_t)bytes_get_varint(in);
	return 0;
}

/* Of areas that are there already. */
static int take_functions(struct heap_graph *g, struct bytes_reader *in, size_t n)
{
	_cleanup_(freep) uint64_t *areas = calloc(n + 1, sizeof(*areas));
	uint64_t last = 0;

	if (!areas)
		return -ENOMEM;
	for (size_t k = 0; k < n; k++)
		areas[k] = store_undelta(in, &last);
	for (size_t k = 0; k < n; k++) {
		if (areas[k] >= g->area_count)
			return -EBADMSG;
		g->areas[areas[k]].function = (uint32_t)bytes_get_varint(in);
	}
	return 0;
}

/* They wait for the blocks. */
static int take_list(struct heap_list *list, struct bytes_reader *in, size_t n)
{
	uint64_t last = 0;

	if (array_reserve(&list->items, &list->room, list->count + n) < 0)
		return -ENOMEM;
	for (size_t k = 0; k < n; k++)
		list->items[list->count++] = (uint32_t)store_undelta(in, &last);
	return 0;
}

static int set_flag(struct heap_blocks *b, const struct heap_list *list,
		    enum heap_block_flag flag)
{
	for (size_t k = 0; k < list->count; k++) {
		if (list->items[k] >= b->count)
			return -EBADMSG;
		b->items[list->items[k]].flags |= flag;
	}
	return 0;
}

int heap_store_take(struct heap_stored *s, struct bytes_reader *in)
{
	uint64_t kind = bytes_get_varint(in), n = bytes_get_varint(in);
	int r;

	/* A row is a byte at least. */
	if (in->failed || n > ROWS || n > bytes_left(in))
		return -EBADMSG;
	switch (kind) {
	case PIECE_NAMES:
		r = take_names(&s->roots.names, in, n);
		break;
	case PIECE_MODULES:
		r = take_modules(&s->roots, in, n);
		break;
	case PIECE_AREAS:
		r = take_areas(&s->graph, in, n);
		break;
	case PIECE_BLOCKS:
		r = take_blocks(&s->graph, in, n);
		break;
	case PIECE_EDGES:
		r = take_edges(&s->graph, in, n);
		break;
	case PIECE_ROOTS:
		r = take_roots(&s->graph, in, n);
		break;
	case PIECE_INHERITED:
		r = take_inherited(&s->graph, in, n);
		break;
	case PIECE_FUNCTIONS:
		r = take_functions(&s->graph, in, n);
		break;
	case PIECE_IGNORED:
		r = take_list(&s->ignored, in, n);
		break;
	case PIECE_MAPPINGS:
		r = take_list(&s->mapped, in, n);
		break;
	case PIECE_THREADS:
		r = take_threads(s, in, n);
		break;
	case PIECE_TYPES:
	case PIECE_WHAT:
	case PIECE_FIELDS:
	case PIECE_LABELS:
	case PIECE_CALLED:
		r = store_take_types(&s->graph, (enum piece)kind, in, n);
		break;
	case PIECE_CHUNKS:
		r = take_list(&s->chunks, in, n);
		break;
	default:
		return 0; /* of a newer heapline */
	}
	return r ? r : in->failed ? -EBADMSG : 0;
}

int heap_store_end(struct heap_stored *s)
{
	struct heap_graph *g = &s->graph;
	uint64_t sum = 0;
	int r;

	g->first = calloc(g->blocks.count + 1, sizeof(*g->first));
	if (!g->first)
		return -ENOMEM;
	for (size_t i = 0; i < g->blocks.count; i++) {
		sum += g->blocks.items[i].flags;
		g->blocks.items[i].flags = 0;
		if (sum > g->edge_count)
			return -EBADMSG;
		g->first[i + 1] = (uint32_t)sum;
	}
	g->blocks.sparse = true;
	r = heap_blocks_seal(&g->blocks);
	if (!r)
		r = set_flag(&g->blocks, &s->ignored, HEAP_IGNORED);
	if (!r)
		r = set_flag(&g->blocks, &s->mapped, HEAP_MAPPED);
	if (!r)
		r = set_flag(&g->blocks, &s->chunks, HEAP_CHUNK);
	return r ? r : heap_graph_is_sound(g) ? 0 : -EBADMSG;
}

struct piece_read { /* by any thread */
	size_t number;
	struct bytes b;
	int failed;
};

struct reading {
	const char *path;
	const struct profile *p;
	struct heap_stored *s;
	bool contents; /* their pieces have begun: the graph is whole */
	struct piece_read pieces[RELAY_THREADS];
	struct relay relay;
};

static void read_piece(void *context, void *item)
{
	const struct reading *r = context;
	struct piece_read *x = item;

	x->failed = profile_piece(r->path, r->p, x->number, &x->b);
}

static int take_piece(void *context, void *item)
{
	struct reading *r = context;
	const struct piece_read *x = item;
	struct bytes_reader in = bytes_reader(x->b.data, x->b.len);

	if (x->failed || r->contents)
		return r->contents ? 0 : x->failed;
	r->contents = x->b.len && x->b.data[0] == HEAP_CONTENTS_PIECE;
	return r->contents ? 0 : heap_store_take(r->s, &in);
}

static void reading_done(struct reading *r)
{
	relay_done(&r->relay);
	for (size_t i = 0; i < RELAY_THREADS; i++)
		bytes_done(&r->pieces[i].b);
}

/* Pieces are unpacked side by side, and taken in their order. */
static int read_pieces(const char *path, const struct profile *p,
		       const struct profile_snapshot *snapshot, struct heap_stored *s)
{
	_cleanup_(reading_done) struct reading reading = {.path = path, .p = p, .s = s};
	struct relay *relay = &reading.relay;
	int r = 0;

	relay_init(relay, read_piece, take_piece, &reading);
	if (snapshot->piece_count > MANY_PIECES)
		relay_use_threads(relay, READERS);
	for (size_t i = 0; i < RELAY_THREADS; i++)
		relay->item[i] = &reading.pieces[i];
	for (size_t k = 0; !r && !reading.contents && k < snapshot->piece_count; k++) {
		void *item;

		r = relay_next(relay, &item);
		if (r)
			break;
		((struct piece_read *)item)->number = snapshot->first_piece + k;
		r = relay_go(relay);
	}
	return r ? r : relay_flush(relay);
}

int heap_store_load(const char *path, const struct profile *p, size_t i,
		    struct heap_stored *ret)
{
	const struct profile_snapshot *snapshot = &p->snapshots[i];
	_cleanup_(heap_stored_done) struct heap_stored s = {0};
	int r = read_pieces(path, p, snapshot, &s);

	if (!r)
		r = heap_store_end(&s);
	if (r)
		return r;
	for (size_t k = 0; k < s.graph.blocks.count; k++)
		if (s.graph.blocks.items[k].site >= p->stack_count)
			return -EBADMSG;
	*ret = s;
	s = (struct heap_stored){0};
	return 0;
}

void heap_stored_done(struct heap_stored *s)
{
	heap_graph_done(&s->graph);
	heap_roots_done(&s->roots);
	free(s->ignored.items);
	free(s->mapped.items);
	free(s->chunks.items);
	*s = (struct heap_stored){0};
}
