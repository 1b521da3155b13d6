#include "cli/report/refs.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/heap/reach.h"
#include "cli/report/held_json.h"
#include "cli/report/pointer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
	DEPTH = 3,
	DEPTH_MAX = 64, /* the walk's own memory; nothing is recursive */
	MANY = 10,
	TEXT = 1024,
};

/* The neighbours of a block, in a walk: its roots first (backwards), then its edges. */
struct level {
	uint32_t block;
	size_t root, root_end;	 /* still to come */
	uint32_t edge, edge_end; /* forwards: edges; backwards: places of in_edge */
	size_t shown;
};

struct walk {
	const struct held *h;
	size_t many, depth;
	bool back;
	uint8_t *seen; /* by block: it was unfolded already */
	struct level levels[DEPTH_MAX];
	size_t count;
};

enum what { DONE, ROOT, BLOCK, MORE };

struct item { /* what the walk has come to */
	enum what what;
	size_t depth;  /* of the block that it belongs to */
	uint32_t from; /* that block */
	size_t root;
	uint32_t edge, block;
	bool again;  /* the block was shown before */
	size_t left; /* MORE: that many are not shown */
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
	*w = (struct walk){.h = h, .back = o->back};
	w->many = o->many ? o->many : MANY;
	w->depth = o->depth ? o->depth : DEPTH;
	w->depth = w->depth < DEPTH_MAX ? w->depth : DEPTH_MAX;
	w->seen = calloc(h->graph->blocks.count + 1, 1);
	return w->seen ? 0 : -ENOMEM;
}

/* The next thing to show. */
static struct item next(struct walk *w)
{
	const struct heap_graph *g = w->h->graph;

	while (w->count) {
		struct level *l = &w->levels[w->count - 1];
		size_t left = (l->root_end - l->root) + (l->edge_end - l->edge);
		struct item x = {.depth = w->count, .from = l->block};

		if (!left) {
			w->count--;
			continue;
		}
		if (l->shown++ == w->many) {
			x.what = MORE;
			x.left = left;
			w->count--;
			return x;
		}
		if (l->root < l->root_end) {
			x.what = ROOT;
			x.root = l->root++;
			return x;
		}
		x.what = BLOCK;
		x.edge = w->back ? g->in_edge[l->edge] : l->edge;
		l->edge++;
		x.block = w->back ? heap_graph_from(g, x.edge) : g->edges.to[x.edge];
		x.again = w->seen[x.block];
		if (!x.again && w->count < w->depth)
			enter(w, x.block);
		return x;
	}
	return (struct item){.what = DONE};
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
	if (x->what == MORE) {
		fprintf(out, "... %s more reference%s\n", units_count(x->left).text,
			x->left == 1 ? "" : "s");
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
	fprintf(out, "%s%s\n", held_how(g->edges.how[x->edge], how, sizeof(how)),
		x->again ? "  (shown above)" : "");
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
	free(w->seen);
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

	if (r < 0)
		return r;
	enter(&w, block);
	for (struct item x = next(&w); x.what != DONE; x = next(&w)) {
		x.depth++; /* as far to the right as what else is said of a block */
		put_item(&w, &x, out);
	}
	free(w.seen);
	return 0;
}

int refs_text(const struct held *h, const struct refs_options *o, FILE *out)
{
	struct walk w = {0};

	held_heading(h, out);
	return each(h, o, &w, text_one, out);
}

/* ---- JSON ---------------------------------------------------------------- */

static int json_one(struct walk *w, uint32_t block, void *to)
{
	struct json *j = to;

	json_object(j);
	held_json_block(w->h, block, j);
	json_key(j, "references");
	json_array(j);
	enter(w, block);
	for (struct item x = next(w); x.what != DONE; x = next(w)) {
		json_object(j);
		json_put_unsigned(j, "depth", x.depth);
		if (x.what == MORE) {
			json_put_unsigned(j, "more", x.left);
		} else if (x.what == ROOT) {
			json_key(j, "root");
			held_json_root(w->h, x.root, j);
		} else {
			held_json_edge(w->h, x.edge, j);
			json_key(j, "block");
			json_object(j);
			held_json_block(w->h, x.block, j);
			json_close(j);
		}
		json_close(j);
	}
	json_close(j);
	json_close(j);
	return 0;
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

/* Larger blocks are darker; those that nobody holds are red. */
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
		first ? ", penwidth=3" : "");
}

static void dot_item(const struct walk *w, const struct item *x, size_t number,
		     FILE *out)
{
	const struct heap_graph *g = w->h->graph;
	char text[TEXT], how[64], label[POINTER_TEXT];

	if (x->what == MORE) {
		fprintf(out,
			"\tm%zu [label=\"%s more references\", shape=plaintext, "
			"style=\"\"];\n",
			number, units_count(x->left).text);
		if (w->back)
			fprintf(out, "\tm%zu -> b%u", number, x->from);
		else
			fprintf(out, "\tb%u -> m%zu", x->from, number);
		fputs(" [style=dashed];\n", out);
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
		uint32_t from = w->back ? x->block : x->from;

		if (!x->again)
			dot_block(w, x->block, false, out);
		held_how(g->edges.how[x->edge], how, sizeof(how));
		fprintf(out, "\tb%u -> b%u [label=\"", from, g->edges.to[x->edge]);
		if (*pointer_label(w->h, x->edge, label, sizeof(label)))
			put_quoted(out, label);
		else
			fputs(held_place(w->h, x->edge, text, sizeof(text)), out);
		fprintf(out, "%s\"];\n", how);
	}
}

struct dot {
	FILE *out;
	size_t number;
};

static int dot_one(struct walk *w, uint32_t block, void *to)
{
	struct dot *d = to;

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
