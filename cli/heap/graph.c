#include "cli/heap/graph.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	WINDOW = 1 << 20, /* bytes read at once */
	BRIDGE = 4096,	  /* a gap between blocks that is read rather than left out */
	AHEAD = 32,	  /* words looked up together */
};

void heap_graph_done(struct heap_graph *g)
{
	heap_blocks_done(&g->blocks);
	free(g->first);
	free(g->edges.to);
	free(g->edges.word);
	free(g->edges.how);
	free(g->areas);
	free(g->roots);
	free(g->inherited);
	free(g->threads);
	heap_types_done(&g->types);
	free(g->in_first);
	free(g->in_edge);
	free(g->in_near);
	*g = (struct heap_graph){0};
}

/* ---- edges and roots ----------------------------------------------------- */

/* Grown without being zeroed: nobody looks behind edge_count. */
static int grow(struct heap_graph *g, size_t room)
{
	struct heap_edges *e = &g->edges;
	void *p;

	if (!(p = realloc(e->to, room * sizeof(*e->to))))
		return -ENOMEM;
	e->to = p;
	if (!(p = realloc(e->word, room * sizeof(*e->word))))
		return -ENOMEM;
	e->word = p;
	if (!(p = realloc(e->how, room * sizeof(*e->how))))
		return -ENOMEM;
	e->how = p;
	g->edge_room = room;
	return 0;
}

int heap_graph_reserve(struct heap_graph *g, size_t edges)
{
	if (edges <= g->edge_room)
		return 0;
	return grow(g, edges < g->edge_room * 3 / 2 ? g->edge_room * 3 / 2 : edges);
}

static int add_edge(struct heap_graph *g, uint64_t word, const struct heap_hit *hit)
{
	size_t most = g->edge_max ? g->edge_max : HEAP_NONE - 1, i = g->edge_count;

	if (i >= most)
		return -EOVERFLOW;
	if (i == g->edge_room) {
		size_t room = i < 1024 ? 1024 : i + i / 2;
		int r = grow(g, room < most ? room : most);

		if (r < 0)
			return r;
	}
	g->edges.to[i] = hit->block;
	g->edges.word[i] = word < UINT32_MAX ? (uint32_t)word : UINT32_MAX;
	g->edges.how[i] = heap_how_pack(hit);
	g->edge_count++;
	return 0;
}

int heap_graph_add_area(struct heap_graph *g, const struct heap_area *area,
			uint32_t *ret)
{
	int r;

	if (g->area_count >= HEAP_NONE - 1)
		return -EOVERFLOW;
	r = array_reserve(&g->areas, &g->area_room, g->area_count + 1);
	if (r < 0)
		return r;
	*ret = (uint32_t)g->area_count;
	g->areas[g->area_count++] = *area;
	return 0;
}

int heap_graph_add_root(struct heap_graph *g, uint32_t area, uint64_t at,
			const struct heap_hit *hit)
{
	int r;

	if (g->root_count >= (g->edge_max ? g->edge_max : HEAP_NONE - 1))
		return -EOVERFLOW;
	if (g->root_count == g->root_room) {
		r = array_reserve(&g->roots, &g->root_room, g->root_count + 1);
		if (r < 0)
			return r;
	}
	g->roots[g->root_count++] = (struct heap_root){
		.at = at, .to = hit->block, .area = area, .how = heap_how_pack(hit)};
	return 0;
}

/* ---- scanning ------------------------------------------------------------ */

/* Where a run of words comes from: a block, whose words are counted from `start`, or an
 * area. */
struct scan {
	struct heap_graph *g;
	const struct heap_source *source;
	uint64_t low, span; /* of all blocks */
	bool is_area;
	uint32_t area;
	uint64_t *window; /* WINDOW bytes */
};

static int scan_open(struct scan *s, struct heap_graph *g,
		     const struct heap_source *source)
{
	uint64_t high;

	*s = (struct scan){.g = g, .source = source};
	heap_blocks_span(&g->blocks, &s->low, &high);
	s->span = high - s->low;
	s->window = malloc(WINDOW);
	return s->window ? 0 : -ENOMEM;
}

static void scan_done(struct scan *s)
{
	free(s->window);
}

/* Most words are none: they fail here. Tags are above and below. */
static bool maybe(const struct scan *s, uint64_t word)
{
	uint64_t plain = word & 0xffffffffffff;

	return plain - (s->low & ~7ull) <= s->span + 14;
}

/* Whether a word lies in one of them. */
static bool is_in(const struct heap_ranges *r, uint64_t at)
{
	uint64_t outside = at;

	return r && heap_ranges_free(r, &outside, at + HEAP_WORD) == outside;
}

/* In a chunk, which is looked at by itself: of a block that the words from `start` on
 * are of, or of memory that is no block. */
static bool is_of_chunk(const struct scan *s, uint64_t at, uint64_t start)
{
	const struct heap_blocks *b = &s->g->blocks;
	uint32_t i = heap_blocks_around(b, at);

	if (i == HEAP_NONE || !(b->items[i].flags & HEAP_CHUNK))
		return false;
	return s->is_area ? s->g->areas[s->area].kind == HEAP_GLOBAL ||
				    s->g->areas[s->area].kind == HEAP_MAPPING
			  : b->items[i].address != start;
}

static int found(struct scan *s, uint64_t at, uint64_t start, struct heap_hit *hit)
{
	if (is_in(s->g->unused, at) || (s->g->chunks && is_of_chunk(s, at, start)))
		return 0;
	if (s->is_area)
		return heap_graph_add_root(s->g, s->area, at, hit);
	if (is_in(s->g->dead, at))
		hit->how = HEAP_DEAD;
	return add_edge(s->g, (at - start) / HEAP_WORD, hit);
}

/* Words read from [at, ...): those of the block or area that starts at `start`. The
 * look-ups of a handful are begun together: memory is slow, and answers many. */
static int scan_words(struct scan *s, const uint64_t *words, size_t n, uint64_t at,
		      uint64_t start)
{
	const struct heap_blocks *b = &s->g->blocks;
	size_t i = 0;

	while (i < n) {
		uint32_t picked[AHEAD];
		size_t buckets[AHEAD], count = 0;

		for (; i < n && count < AHEAD; i++)
			if (maybe(s, words[i])) {
				buckets[count] = heap_blocks_prefetch(
					b, words[i] & 0xffffffffffff);
				picked[count++] = (uint32_t)i;
			}
		for (size_t k = 0; k < count; k++)
			heap_blocks_prefetch_block(b, buckets[k]);
		for (size_t k = 0; k < count; k++) {
			struct heap_hit hit;
			int r;

			if (!heap_blocks_hit(b, words[picked[k]], &hit))
				continue;
			r = found(s, at + picked[k] * HEAP_WORD, start, &hit);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Reads what can be read of [at, at + len), or skips what cannot, counting it. Returns
 * the bytes dealt with, *ret_read are in the window; or -errno. All are multiples of a
 * word. */
static int64_t take(struct scan *s, uint64_t at, void *to, uint64_t len, size_t room,
		    size_t *ret_read)
{
	size_t want = len < room ? (size_t)len : room;
	uint64_t skip = 0;
	ssize_t n = s->source->read(s->source->context, at, to, want, &skip);

	*ret_read = n > 0 ? (size_t)n : 0;
	if (n) {
		s->g->read_bytes += *ret_read;
		return n;
	}
	skip = skip < HEAP_WORD ? HEAP_WORD : skip;
	skip = skip < len ? skip : len;
	s->g->unread_bytes += skip;
	return (int64_t)skip;
}

/* Reads [at, at + len) into the window; what cannot be read is zeroes. */
static int fill(struct scan *s, uint64_t at, size_t len)
{
	size_t done = 0, got;

	while (done < len) {
		char *to = (char *)s->window + done;
		int64_t n = take(s, at + done, to, len - done, len - done, &got);

		if (n < 0)
			return (int)n;
		if (!got)
			memset(to, 0, (size_t)n);
		done += (size_t)n;
	}
	return 0;
}

static uint64_t align_up(uint64_t at)
{
	return at > UINT64_MAX - 7 ? UINT64_MAX & ~7ull : (at + 7) & ~7ull;
}

/* Words of [from, to), window by window. */
static int scan_range(struct scan *s, uint64_t from, uint64_t to, uint64_t start)
{
	uint64_t at = align_up(from), end = to & ~7ull;
	int r = 0;

	while (!r && at < end) {
		size_t got;
		int64_t n = take(s, at, s->window, end - at, WINDOW, &got);

		if (n < 0)
			return (int)n;
		r = scan_words(s, s->window, got / HEAP_WORD, at, start);
		at += (uint64_t)n;
	}
	return r;
}

/* Of a chunk, behind its words: what it lies in. */
static int add_within(struct scan *s, uint32_t i)
{
	const uint32_t *within = s->g->blocks.within;
	struct heap_hit hit = {.how = HEAP_WITHIN};

	if (!within || within[i] == HEAP_NONE)
		return 0;
	hit.block = within[i];
	return add_edge(s->g, UINT32_MAX, &hit);
}

/* The blocks first..end-1 lie in [from, to), not larger than the window. */
static int scan_together(struct scan *s, uint32_t first, uint32_t end, uint64_t from,
			 uint64_t to)
{
	struct heap_graph *g = s->g;
	int r = from < to ? fill(s, from, (size_t)(to - from)) : 0;

	for (uint32_t i = first; !r && i < end; i++) {
		const struct heap_block *x = &g->blocks.items[i];
		uint64_t at = align_up(x->address);
		uint64_t stop = (x->address + x->size) & ~7ull;

		g->first[i] = (uint32_t)g->edge_count;
		if (at < stop && !(x->flags & HEAP_BLANK))
			r = scan_words(s, s->window + (at - from) / HEAP_WORD,
				       (size_t)(stop - at) / HEAP_WORD, at, x->address);
		if (!r)
			r = add_within(s, i);
	}
	return r;
}

/* How far blocks from `first` on can be read together: neighbours, within a window. */
static uint32_t together(const struct heap_blocks *b, uint32_t first, uint64_t *ret_to)
{
	uint64_t from = align_up(b->items[first].address), to = from;
	uint32_t i = first;

	for (; i < b->count; i++) {
		const struct heap_block *x = &b->items[i];
		uint64_t stop = (x->address + x->size) & ~7ull;

		if (i > first && x->address > to && x->address - to > BRIDGE)
			break;
		if (stop > from && stop - from > WINDOW)
			break;
		to = stop > to ? stop : to;
	}
	*ret_to = to;
	return i;
}

static int scan_large(struct scan *s, const struct heap_block *x)
{
	uint64_t most = s->g->block_max, len = x->size;

	if (x->flags & HEAP_BLANK)
		return 0;
	if (most && len > most) {
		s->g->unread_bytes += len - most;
		len = most;
	}
	return scan_range(s, x->address, x->address + len, x->address);
}

static int scan_blocks(struct scan *s)
{
	struct heap_graph *g = s->g;
	uint32_t i = 0, end;
	uint64_t to;
	int r = 0;

	while (!r && i < g->blocks.count) {
		const struct heap_block *x = &g->blocks.items[i];

		end = together(&g->blocks, i, &to);
		if (end > i) {
			r = scan_together(s, i, end, align_up(x->address), to);
			i = end;
			continue;
		}
		g->first[i] = (uint32_t)g->edge_count;
		r = scan_large(s, x);
		if (!r)
			r = add_within(s, i);
		i++;
	}
	g->first[g->blocks.count] = (uint32_t)g->edge_count;
	return r;
}

int heap_graph_scan(struct heap_graph *g, const struct heap_source *source)
{
	_cleanup_(scan_done) struct scan s;
	int r = scan_open(&s, g, source);

	if (r < 0)
		return r;
	free(g->first);
	g->edge_count = 0;
	g->first = calloc(g->blocks.count + 1, sizeof(*g->first));
	return g->first ? scan_blocks(&s) : -ENOMEM;
}

int heap_graph_scan_area(struct heap_graph *g, const struct heap_source *source,
			 const struct heap_area *area, uint64_t from, uint64_t to)
{
	_cleanup_(scan_done) struct scan s;
	int r = scan_open(&s, g, source);

	if (!r)
		r = heap_graph_add_area(g, area, &s.area);
	if (r < 0)
		return r;
	s.is_area = true;
	return scan_range(&s, from, to, 0);
}

int heap_graph_add_words(struct heap_graph *g, const struct heap_area *area,
			 const uint64_t *words, size_t count)
{
	uint32_t number;
	int r = heap_graph_add_area(g, area, &number);

	for (size_t i = 0; !r && i < count; i++) {
		struct heap_hit hit;

		if (heap_blocks_hit(&g->blocks, words[i], &hit))
			r = heap_graph_add_root(g, number, i * HEAP_WORD, &hit);
	}
	return r;
}

static int compare_roots(const void *a, const void *b)
{
	const struct heap_root *x = a, *y = b;

	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	if (x->area != y->area)
		return x->area < y->area ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

bool heap_graph_set_thread(struct heap_graph *g, size_t block, uint32_t thread)
{
	if (!g->threads)
		g->threads = calloc(g->blocks.count + 1, sizeof(*g->threads));
	if (g->threads)
		g->threads[block] = thread;
	return g->threads;
}

void heap_graph_seal(struct heap_graph *g)
{
	if (g->root_count)
		qsort(g->roots, g->root_count, sizeof(*g->roots), compare_roots);
}

/* (Each number that a way to point may have is one.) */
_Static_assert(HEAP_HOWS == 1 << HEAP_HOW_BITS, "none is to be refused");

bool heap_graph_is_sound(const struct heap_graph *g)
{
	size_t n = g->blocks.count;

	if (n >= HEAP_NONE || g->edge_count >= HEAP_NONE || !g->first || g->first[0] ||
	    g->first[n] != g->edge_count)
		return false;
	for (size_t i = 0; i < n; i++)
		if (g->first[i] > g->first[i + 1])
			return false;
	for (size_t i = 1; i < n; i++)
		if (g->blocks.items[i].address <= g->blocks.items[i - 1].address)
			return false;
	for (size_t e = 0; e < g->edge_count; e++)
		if (g->edges.to[e] >= n)
			return false;
	for (size_t i = 0; i < g->area_count; i++)
		if (g->areas[i].kind >= HEAP_KINDS)
			return false;
	for (size_t i = 0; i < g->root_count; i++) {
		const struct heap_root *x = &g->roots[i];

		if (x->to >= n || x->area >= g->area_count || (i && x->to < x[-1].to))
			return false;
	}
	return heap_types_are_sound(&g->types, n, g->edge_count);
}

/* ---- the way back -------------------------------------------------------- */

/* The block of each HEAP_NEARth edge, and at last that of the last. */
static uint32_t *nearby(const struct heap_graph *g)
{
	size_t n = g->edge_count / HEAP_NEAR + 1;
	uint32_t *near = malloc((n + 1) * sizeof(*near)), block = 0;

	for (size_t i = 0; near && i < n; i++) {
		while (block + 1 < g->blocks.count &&
		       g->first[block + 1] <= i * HEAP_NEAR)
			block++;
		near[i] = block;
	}
	if (near)
		near[n] = g->blocks.count ? (uint32_t)g->blocks.count - 1 : 0;
	return near;
}

int heap_graph_invert(struct heap_graph *g)
{
	_cleanup_(freep) uint32_t *first = NULL, *edges = NULL, *near = NULL;
	size_t n = g->blocks.count;
	uint32_t sum = 0;

	if (g->in_first)
		return 0;
	first = calloc(n + 2, sizeof(*first));
	edges = malloc((g->edge_count + 1) * sizeof(*edges));
	near = nearby(g);
	if (!first || !edges || !near)
		return -ENOMEM;
	for (size_t e = 0; e < g->edge_count; e++)
		first[g->edges.to[e] + 1]++;
	for (size_t i = 0; i <= n; i++) {
		uint32_t here = first[i];

		first[i] = sum += here;
	}
	/* Each slot of `first` runs from its start to the next one's, and is put back
	 * by one place afterwards. */
	for (size_t e = 0; e < g->edge_count; e++)
		edges[first[g->edges.to[e]]++] = (uint32_t)e;
	memmove(first + 1, first, n * sizeof(*first));
	first[0] = 0;
	g->in_first = take_ptr(first);
	g->in_edge = take_ptr(edges);
	g->in_near = take_ptr(near);
	return 0;
}

uint32_t heap_graph_from(const struct heap_graph *g, uint32_t edge)
{
	const uint32_t *near = g->in_near ? &g->in_near[edge / HEAP_NEAR] : NULL;
	size_t low = near ? near[0] : 0;
	size_t high = near ? near[1] + 1 : g->blocks.count;

	/* The last block whose edges begin at or before it. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (g->first[middle] <= edge)
			low = middle;
		else
			high = middle;
	}
	return (uint32_t)low;
}

uint32_t heap_graph_edge_at(const struct heap_graph *g, uint32_t block, uint64_t offset)
{
	uint32_t low = g->first[block], high = g->first[block + 1];

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((uint64_t)g->edges.word[middle] * HEAP_WORD < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t heap_graph_roots_of(const struct heap_graph *g, uint32_t block, size_t *ret_end)
{
	size_t low = 0, high = g->root_count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (g->roots[middle].to < block)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < g->root_count && g->roots[end].to == block; end++)
		;
	*ret_end = end;
	return low;
}

int heap_graph_flagged(const struct heap_graph *g, enum heap_block_flag flag,
		       uint32_t **ret, size_t *ret_count)
{
	uint32_t *list;
	size_t n = 0;

	for (size_t i = 0; i < g->blocks.count; i++)
		n += (g->blocks.items[i].flags & flag) != 0;
	list = malloc((n + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < g->blocks.count; i++)
		if (g->blocks.items[i].flags & flag)
			list[n++] = (uint32_t)i;
	*ret = list;
	*ret_count = n;
	return 0;
}
