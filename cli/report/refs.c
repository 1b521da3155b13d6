#include "cli/report/refs.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/heap/reach.h"
#include "cli/report/held_json.h"
#include "cli/report/neighbours.h"
#include "cli/report/pointer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEPTH = 3,
	DEPTH_MAX = 64, /* the walk's own memory; nothing is recursive */
	MANY = 10,
	TEXT = 1024,
	ALIKE = 3,	 /* of one site, shown of a block's where such are folded ... */
	ALIKE_SITES = 8, /* ... of that many sites, the first */
	KINDS = 20,	 /* of those that are not shown, that JSON tells apart */
};

struct alike {		/* neighbours of a block that are of one site, and one type */
	uint32_t block; /* one of them */
	size_t shown, folded;
};

/* The neighbours of a block, in a walk: its roots first (backwards), then its edges. */
struct level {
	uint32_t block;
	size_t root, root_end;	 /* still to come */
	uint32_t edge, edge_end; /* forwards: edges; backwards: places of in_edge */
	size_t shown;
	size_t hidden; /* neighbours that the user does not want to see */
	struct alike alike[ALIKE_SITES];
	size_t alike_count;
};

struct walk {
	const struct held *h;
	size_t many, depth;
	bool back;
	bool folds;			  /* neighbours that are alike */
	uint8_t *only, *hide, *highlight; /* by block; or NULL */
	uint64_t least;
	uint8_t *seen; /* by block: it was unfolded already */
	struct level levels[DEPTH_MAX];
	size_t count;
};

enum what { DONE, ROOT, BLOCK, MORE, HIDDEN, FOLDED };

struct item { /* what the walk has come to */
	enum what what;
	size_t depth;  /* of the block that it belongs to */
	uint32_t from; /* that block */
	size_t root;
	uint32_t edge, block;
	bool again; /* the block was shown before */
	size_t left; /* MORE, HIDDEN, FOLDED: that many are not shown; FOLDED: like block */
	uint32_t rest, rest_end; /* MORE: their edges, as of struct level */
};

static void enter(struct walk *w, uint32_t block)
{
	const struct heap_graph *g = w->h->graph;
	struct level *l = &w->levels[w->count++];
	const uint32_t *first = w->back ? g->in_first : g->first;

	*l = (struct level){
		.block = block, .edge = first[block], .edge_end = first[block + 1]};
	if (w->back)
		l->root = heap_graph_roots_of(g, block, &l->root_end);
	w->seen[block] = 1;
}

static int begin(struct walk *w, const struct held *h, const struct refs_options *o)
{
	int r;

	*w = (struct walk){.h = h, .back = o->back};
	w->many = o->many ? o->many : MANY;
	w->depth = o->depth ? o->depth : DEPTH;
	w->depth = w->depth < DEPTH_MAX ? w->depth : DEPTH_MAX;
	w->least = o->least;
	w->seen = calloc(h->graph->blocks.count + 1, 1);
	r = w->seen ? chosen_blocks(h, &o->only, &w->only) : -ENOMEM;
	if (!r)
		r = chosen_blocks(h, &o->hide, &w->hide);
	return r ? r : chosen_blocks(h, &o->highlight, &w->highlight);
}

static void end(struct walk *w)
{
	free(w->seen);
	free(w->only);
	free(w->hide);
	free(w->highlight);
}

/* The block at the other end of a level's next edge. */
static uint32_t neighbour(const struct walk *w, const struct level *l)
{
	const struct heap_graph *g = w->h->graph;

	return w->back ? heap_graph_from(g, g->in_edge[l->edge]) : g->edges.to[l->edge];
}

static bool is_hidden(const struct walk *w, uint32_t block)
{
	return (w->hide && w->hide[block]) || (w->only && !w->only[block]) ||
	       w->h->graph->blocks.items[block].size < w->least;
}

static bool are_alike(const struct held *h, uint32_t a, uint32_t b)
{
	const struct heap_block *blocks = h->graph->blocks.items;

	return blocks[a].site == blocks[b].site &&
	       !strcmp(held_type_name(h, a), held_type_name(h, b));
}

/* Whether enough of its like were shown; counts it. */
static bool is_folded(const struct walk *w, struct level *l, uint32_t block)
{
	size_t i = 0;

	if (!w->folds || w->seen[block])
		return false;
	while (i < l->alike_count && !are_alike(w->h, l->alike[i].block, block))
		i++;
	if (i == ALIKE_SITES)
		return false;
	if (i == l->alike_count)
		l->alike[l->alike_count++] = (struct alike){.block = block};
	if (l->alike[i].shown == ALIKE) {
		l->alike[i].folded++;
		return true;
	}
	l->alike[i].shown++;
	return false;
}

/* Over what is not to be shown. */
static void skip(const struct walk *w, struct level *l)
{
	if (l->root < l->root_end || l->shown > w->many)
		return;
	for (; l->edge < l->edge_end; l->edge++)
		if (is_hidden(w, neighbour(w, l)))
			l->hidden++;
		else if (!is_folded(w, l, neighbour(w, l)))
			return;
}

/* What is said of a block's neighbours behind them; false: nothing more. */
static bool conclude(struct level *l, struct item *x)
{
	while (l->alike_count) {
		struct alike *a = &l->alike[--l->alike_count];

		if (!a->folded)
			continue;
		x->what = FOLDED;
		x->left = a->folded;
		x->block = a->block;
		return true;
	}
	x->what = HIDDEN;
	x->left = l->hidden;
	l->hidden = 0;
	return x->left;
}

/* The next thing to show. */
static struct item next(struct walk *w)
{
	const struct heap_graph *g = w->h->graph;

	while (w->count) {
		struct level *l = &w->levels[w->count - 1];
		struct item x = {.depth = w->count, .from = l->block};
		size_t left;

		skip(w, l);
		left = (l->root_end - l->root) + (l->edge_end - l->edge);
		if (left && l->shown++ == w->many) {
			x.what = MORE;
			x.left = left;
			x.rest = l->edge;
			x.rest_end = l->edge_end;
			l->root = l->root_end;
			l->edge = l->edge_end;
			return x;
		}
		if (!left) {
			if (conclude(l, &x))
				return x;
			w->count--;
			continue;
		}
		if (l->root < l->root_end) {
			x.what = ROOT;
			x.root = l->root++;
			return x;
		}
		x.what = BLOCK;
		x.edge = w->back ? g->in_edge[l->edge] : l->edge;
		x.block = neighbour(w, l);
		l->edge++;
		x.again = w->seen[x.block];
		if (!x.again && w->count < w->depth)
			enter(w, x.block);
		return x;
	}
	return (struct item){.what = DONE};
}

static bool is_highlighted(const struct walk *w, uint32_t block)
{
	return w->highlight && w->highlight[block];
}

/* ---- text ---------------------------------------------------------------- */

static void put_block(const struct held *h, uint32_t block, FILE *out)
{
	const struct heap_block *b = &h->graph->blocks.items[block];
	char text[TEXT];

	fprintf(out, "0x%" PRIx64 "  %s  ", b->address, units_size(b->size).text);
	text_put(out, held_block(h, block, text, sizeof(text)));
}

static void put_item(const struct walk *w, const struct item *x, FILE *out)
{
	const struct heap_graph *g = w->h->graph;
	char text[TEXT], how[64], label[POINTER_TEXT];

	for (size_t i = 0; i < x->depth; i++)
		fputs("  ", out);
	if (x->what == MORE || x->what == HIDDEN) {
		const char *s = x->left == 1 ? "" : "s";

		fprintf(out,
			x->what == MORE ? "... %s more reference%s\n"
					: "... %s reference%s left out\n",
			units_count(x->left).text, s);
		return;
	}
	if (x->what == ROOT) {
		const struct heap_root *r = &g->roots[x->root];

		fputs("<- ", out);
		text_put(out, held_root(w->h, r, text, sizeof(text)));
		fprintf(out, "  (%s%s)\n",
			held_kind((enum heap_kind)g->areas[r->area].kind),
			held_how(r->how, how, sizeof(how)));
		return;
	}
	held_place(w->h, x->edge, text, sizeof(text));
	fprintf(out, w->back ? "<- %s" : "%s", text);
	if (*pointer_label(w->h, x->edge, label, sizeof(label))) {
		fputc(' ', out);
		text_put(out, label);
	}
	fputs(w->back ? " of " : " -> ", out);
	put_block(w->h, x->block, out);
	fprintf(out, "%s%s%s\n", held_how(g->edges.how[x->edge], how, sizeof(how)),
		x->again ? "  (shown above)" : "",
		is_highlighted(w, x->block) ? "  <==" : "");
}

static int each(const struct held *h, const struct refs_options *o, struct walk *w,
		int (*show)(struct walk *w, uint32_t block, void *to), void *to)
{
	_cleanup_(freep) uint32_t *blocks = NULL;
	size_t count, most = o->blocks ? o->blocks : 1;
	int r = held_find(h, o->what, &blocks, &count);

	if (!r && !count)
		r = -ENXIO;
	if (!r)
		r = begin(w, h, o);
	for (size_t i = 0; !r && i < count && i < most; i++)
		r = show(w, blocks[i], to);
	end(w);
	return r;
}

static int text_one(struct walk *w, uint32_t block, void *to)
{
	FILE *out = to;
	struct item x;

	fputc('\n', out);
	put_block(w->h, block, out);
	fprintf(out, "  (%s)\n", held_level(w->h->level[block]));
	enter(w, block);
	x = next(w);
	if (x.what == DONE)
		fputs(w->back ? "  nothing points at it\n" : "  it points at nothing\n",
		      out);
	for (; x.what != DONE; x = next(w))
		put_item(w, &x, out);
	return 0;
}

int refs_near(const struct held *h, uint32_t block, bool back, size_t many, FILE *out)
{
	const struct refs_options o = {.back = back, .depth = 1, .many = many};
	struct walk w;
	int r = begin(&w, h, &o);

	if (!r)
		enter(&w, block);
	for (struct item x = next(&w); x.what != DONE; x = next(&w)) {
		x.depth++; /* as far to the right as what else is said of a block */
		put_item(&w, &x, out);
	}
	end(&w);
	return r;
}

int refs_text(const struct held *h, const struct refs_options *o, FILE *out)
{
	struct walk w = {0};

	held_heading(h, out);
	return each(h, o, &w, text_one, out);
}

/* ---- JSON ---------------------------------------------------------------- */

static bool skips(const void *walk, uint32_t block)
{
	return is_hidden(walk, block);
}

/* What those are that are not shown: one that is unlike all others is what one looks
 * for. */
static int json_kinds(const struct walk *w, const struct item *x, struct json *j)
{
	_cleanup_(freep) struct neighbours_kind *kinds = NULL;
	size_t count;
	int r = neighbours_kinds(w->h, w->back, x->rest, x->rest_end, skips, w, &kinds,
				 &count);

	if (r < 0)
		return r;
	json_key(j, "kinds");
	json_array(j);
	for (size_t i = 0; i < count && i < KINDS; i++) {
		json_object(j);
		json_put_unsigned(j, "references", kinds[i].references);
		held_json_edge(w->h, kinds[i].edge, j);
		json_key(j, "block");
		json_object(j);
		held_json_block(w->h, kinds[i].block, j);
		json_close(j);
		json_close(j);
	}
	json_close(j);
	return 0;
}

static int json_one(struct walk *w, uint32_t block, void *to)
{
	struct json *j = to;
	int r = 0;

	json_object(j);
	held_json_block(w->h, block, j);
	json_key(j, "references");
	json_array(j);
	enter(w, block);
	for (struct item x = next(w); x.what != DONE && !r; x = next(w)) {
		json_object(j);
		json_put_unsigned(j, "depth", x.depth);
		if (x.what == MORE || x.what == HIDDEN) {
			json_put_unsigned(j, x.what == MORE ? "more" : "left_out",
					  x.left);
			if (x.what == MORE)
				r = json_kinds(w, &x, j);
		} else if (x.what == ROOT) {
			json_key(j, "root");
			held_json_root(w->h, x.root, j);
		} else {
			held_json_edge(w->h, x.edge, j);
			json_key(j, "block");
			json_object(j);
			held_json_block(w->h, x.block, j);
			json_close(j);
			if (is_highlighted(w, x.block))
				json_put_bool(j, "highlighted", true);
		}
		json_close(j);
	}
	json_close(j);
	json_close(j);
	return r;
}

int refs_json(const struct held *h, const struct refs_options *o, FILE *out)
{
	struct json j = {.out = out, .spread = 4};
	struct walk w = {0};
	int r;

	held_json_begin(h, o->back ? "backrefs" : "refs", &j);
	json_key(&j, "blocks");
	json_array(&j);
	r = each(h, o, &w, json_one, &j);
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return r;
}

/* ---- DOT ----------------------------------------------------------------- */

/* Inside a quoted label. */
static void put_quoted(FILE *out, const char *text)
{
	char clean[TEXT];

	for (text_clean(text, clean, sizeof(clean)), text = clean; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

/* Larger blocks are darker; those that nobody holds are red; those that the user wants
 * to see have a thick red line around them. */
static void dot_block(const struct walk *w, uint32_t block, bool first, FILE *out)
{
	const struct heap_block *b = &w->h->graph->blocks.items[block];
	unsigned shade = b->size < 1024 ? 1 : b->size < 64 << 10 ? 2 : 3;
	char text[TEXT];

	fprintf(out, "\tb%u [label=\"", block);
	put_quoted(out, held_block(w->h, block, text, sizeof(text)));
	fprintf(out, "\\n%s at 0x%" PRIx64 "\", fillcolor=\"/%s/%u\"%s];\n",
		units_size(b->size).text, b->address,
		w->h->level[block] == HEAP_UNREACHED ? "reds4" : "blues4", shade,
		is_highlighted(w, block) ? ", penwidth=4, color=red"
		: first			 ? ", penwidth=3"
					 : "");
}

/* What is not drawn of a block's neighbours. */
static void dot_rest(const struct walk *w, const struct item *x, size_t number,
		     FILE *out)
{
	char text[TEXT];

	fprintf(out, "\tm%zu [label=\"%s ", number, units_count(x->left).text);
	if (x->what == FOLDED) {
		fputs("more: ", out);
		put_quoted(out, held_block(w->h, x->block, text, sizeof(text)));
	} else {
		fputs(x->what == MORE ? "more references" : "left out", out);
	}
	fputs("\", shape=plaintext, style=\"\"];\n", out);
	if (w->back)
		fprintf(out, "\tm%zu -> b%u", number, x->from);
	else
		fprintf(out, "\tb%u -> m%zu", x->from, number);
	fputs(" [style=dashed];\n", out);
}

/* How many pointers there are between the two blocks of an edge, and whether it is the
 * first of them. */
static size_t parallel(const struct heap_graph *g, uint32_t from, uint32_t edge,
		       bool *ret_first)
{
	uint32_t to = g->edges.to[edge];
	size_t n = 0;

	*ret_first = true;
	for (uint32_t e = g->first[from]; e < g->first[from + 1]; e++) {
		n += g->edges.to[e] == to;
		*ret_first &= g->edges.to[e] != to || e >= edge;
	}
	return n;
}

/* One arrow from a block to another, however many pointers there are. */
static void dot_edge(const struct walk *w, const struct item *x, FILE *out)
{
	const struct heap_graph *g = w->h->graph;
	uint32_t from = w->back ? x->block : x->from;
	char text[TEXT], how[64], label[POINTER_TEXT];
	bool first;
	size_t n = parallel(g, from, x->edge, &first);

	if (!first)
		return;
	fprintf(out, "\tb%u -> b%u [label=\"", from, g->edges.to[x->edge]);
	if (*pointer_label(w->h, x->edge, label, sizeof(label)))
		put_quoted(out, label);
	else
		fputs(held_place(w->h, x->edge, text, sizeof(text)), out);
	fputs(held_how(g->edges.how[x->edge], how, sizeof(how)), out);
	if (n > 1)
		fprintf(out, ", and %s more", units_count(n - 1).text);
	fputs("\"];\n", out);
}

static void dot_item(const struct walk *w, const struct item *x, size_t number,
		     FILE *out)
{
	const struct heap_graph *g = w->h->graph;
	char text[TEXT], how[64];

	if (x->what != ROOT && x->what != BLOCK) {
		dot_rest(w, x, number, out);
	} else if (x->what == ROOT) {
		const struct heap_root *r = &g->roots[x->root];

		fprintf(out, "\tr%zu [label=\"", x->root);
		put_quoted(out, held_root(w->h, r, text, sizeof(text)));
		fprintf(out,
			"\\n%s\", shape=ellipse, fillcolor=\"/greens4/2\"];\n"
			"\tr%zu -> b%u [label=\"%s\"];\n",
			held_kind((enum heap_kind)g->areas[r->area].kind), x->root,
			x->from, held_how(r->how, how, sizeof(how)) + 2 * !!*how);
	} else {
		if (!x->again)
			dot_block(w, x->block, false, out);
		dot_edge(w, x, out);
	}
}

struct dot {
	FILE *out;
	size_t number;
};

static int dot_one(struct walk *w, uint32_t block, void *to)
{
	struct dot *d = to;

	w->folds = true;
	if (!w->seen[block])
		dot_block(w, block, true, d->out);
	enter(w, block);
	for (struct item x = next(w); x.what != DONE; x = next(w)) {
		bool leaf = x.what == BLOCK && !x.again && !w->seen[x.block];

		dot_item(w, &x, d->number++, d->out);
		if (leaf)
			w->seen[x.block] = 1; /* drawn, if not unfolded */
	}
	return 0;
}

int refs_dot(const struct held *h, const struct refs_options *o, FILE *out)
{
	struct walk w = {0};
	struct dot d = {out, 0};
	int r;

	fputs("digraph heap {\n\trankdir=LR;\n"
	      "\tnode [shape=box, style=filled, fontname=\"sans-serif\", "
	      "fontsize=10];\n"
	      "\tedge [fontname=\"sans-serif\", fontsize=9];\n",
	      out);
	r = each(h, o, &w, dot_one, &d);
	fputs("}\n", out);
	return r;
}
