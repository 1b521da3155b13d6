/*
 * cycles.c - `cycles`: blocks that hold each other in a ring, and what Python's
 * collector of garbage makes of them.
 */
#include "cli/report/blocks.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/heap/components.h"
#include "cli/heap/cpython.h"
#include "cli/report/held_json.h"
#include "cli/report/pointer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { ROWS = 20, MEMBERS = 8, KINDS = 5, TEXT = 1024 };

struct ring {
	uint32_t component, first;
	uint64_t count, bytes;
	uint64_t tracked, garbage; /* objects that a collector knows, and would free */
};

struct rings {
	uint8_t *fate;			 /* of each block: enum heap_fate */
	uint64_t objects, blocks, bytes; /* that a collector would free */
	uint32_t *component;		 /* of each block */
	uint32_t components;
	struct ring *items;
	size_t count;
};

static void rings_done(struct rings *r)
{
	free(r->fate);
	free(r->component);
	free(r->items);
}

static int compare_rings(const void *a, const void *b)
{
	const struct ring *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int find_garbage(const struct held *h, struct rings *ret)
{
	int r = h->graph->types.what ? heap_cpython_garbage(h->graph, ret->fate) : 0;

	for (uint32_t i = 0; !r && i < h->graph->blocks.count; i++) {
		if (!ret->fate[i])
			continue;
		ret->objects += ret->fate[i] == HEAP_GARBAGE;
		ret->blocks++;
		ret->bytes += h->graph->blocks.items[i].size;
	}
	return r;
}

struct kind {
	uint32_t type;
	uint64_t objects;
};

static int compare_kinds(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	if (x->objects != y->objects)
		return x->objects > y->objects ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

/* The types of garbage, the most objects first; malloc'ed. */
static struct kind *kinds_of(const struct held *h, const struct rings *r,
			     size_t *ret_count)
{
	const struct heap_graph *g = h->graph;
	struct kind *kinds = calloc(g->types.count + 1, sizeof(*kinds));
	size_t kept = 0;

	for (uint32_t i = 0; kinds && i < g->blocks.count; i++)
		if (r->fate[i] == HEAP_GARBAGE)
			kinds[heap_types_what(&g->types, i)->type].objects++;
	for (uint32_t i = 0; kinds && i < g->types.count; i++)
		if (kinds[i].objects)
			kinds[kept++] = (struct kind){i, kinds[i].objects};
	if (kept)
		qsort(kinds, kept, sizeof(*kinds), compare_kinds);
	*ret_count = kept;
	return kinds;
}

static const char *kind_name(const struct held *h, const struct kind *k)
{
	return strings_get(&h->stored.roots.names, h->graph->types.items[k->type].name);
}

static int put_garbage(const struct held *h, const struct rings *r, FILE *out)
{
	size_t count;
	_cleanup_(freep) struct kind *kinds = kinds_of(h, r, &count);

	if (!kinds)
		return -ENOMEM;
	if (!r->objects)
		return 0;
	fprintf(out,
		"Python's garbage collector would free %s object%s: with what they "
		"alone hold %s blocks, %s\n",
		units_count(r->objects).text, r->objects == 1 ? "" : "s",
		units_count(r->blocks).text, units_size(r->bytes).text);
	for (size_t i = 0; i < count && i < KINDS; i++) {
		fprintf(out, "%12s  ", units_count(kinds[i].objects).text);
		text_put(out, kind_name(h, &kinds[i]));
		fputc('\n', out);
	}
	if (count > KINDS)
		fprintf(out, "              and of %s more types\n",
			units_count(count - KINDS).text);
	return 0;
}

static int json_garbage(const struct held *h, const struct rings *r, struct json *j)
{
	size_t count;
	_cleanup_(freep) struct kind *kinds = kinds_of(h, r, &count);

	if (!kinds)
		return -ENOMEM;
	json_key(j, "garbage");
	json_object(j);
	json_put_unsigned(j, "objects", r->objects);
	json_put_unsigned(j, "blocks", r->blocks);
	json_put_unsigned(j, "bytes", r->bytes);
	json_key(j, "types");
	json_array(j);
	for (size_t i = 0; i < count; i++) {
		json_object(j);
		json_put_string(j, "type", kind_name(h, &kinds[i]));
		json_put_unsigned(j, "objects", kinds[i].objects);
		json_close(j);
	}
	json_close(j);
	json_close(j);
	return 0;
}

/* What Python's collector of garbage makes of a ring; NULL: it has none of its objects.
 */
static const char *verdict(const struct ring *x)
{
	if (!x->tracked)
		return NULL;
	return x->garbage == x->tracked ? "found" : x->garbage ? "partly" : "held";
}

static const char *verdict_text(const struct ring *x)
{
	if (!x->tracked)
		return "";
	if (x->garbage == x->tracked)
		return "; Python's garbage collector finds it";
	return x->garbage ? "; Python's garbage collector finds a part of it"
			  : "; Python's garbage collector leaves it: something else "
			    "counts on it";
}

/* Components of more than one block, or of one that points at itself. */
static int find_rings(const struct held *h, const struct blocks_options *o,
		      struct rings *ret)
{
	const struct heap_blocks *b = &h->graph->blocks;
	_cleanup_(freep) uint8_t *only = calloc(b->count + 1, 1);
	uint32_t hows = 1u << HEAP_START | 1u << HEAP_INTERIOR | 1u << HEAP_TAG_LOW;
	size_t kept = 0;
	int r;

	*ret = (struct rings){.component = calloc(b->count + 1, sizeof(uint32_t)),
			      .fate = calloc(b->count + 1, 1)};
	if (!only || !ret->component || !ret->fate)
		return -ENOMEM;
	r = find_garbage(h, ret);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < b->count; i++)
		only[i] = o->all || h->level[i] >= HELD_WEAK || ret->fate[i];
	r = heap_components(h->graph, only, hows, ret->component, &ret->components);
	if (r < 0)
		return r;
	ret->items = calloc(ret->components + 1ull, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->count; i++) {
		struct ring *x;

		if (ret->component[i] == HEAP_NONE)
			continue;
		x = &ret->items[ret->component[i]];
		if (!x->count++)
			x->first = i;
		x->bytes += b->items[i].size;
		x->tracked +=
			heap_types_what(&h->graph->types, i)->state & HEAP_TRACKED;
		x->garbage += ret->fate[i] == HEAP_GARBAGE;
		x->component = ret->component[i];
	}
	for (size_t i = 0; i < ret->components; i++)
		if (ret->items[i].count > 1 ||
		    heap_points_at_itself(h->graph, ret->items[i].first, hows))
			ret->items[kept++] = ret->items[i];
	ret->count = kept;
	if (kept)
		qsort(ret->items, kept, sizeof(*ret->items), compare_rings);
	return 0;
}

/* The next block of the ring from this one, by its first edge that stays in it. */
static uint32_t next_of(const struct held *h, const struct rings *r, uint32_t block,
			uint32_t *ret_edge)
{
	const struct heap_graph *g = h->graph;

	for (uint32_t e = g->first[block]; e < g->first[block + 1]; e++)
		if (r->component[g->edges.to[e]] == r->component[block]) {
			*ret_edge = e;
			return g->edges.to[e];
		}
	return block;
}

static void put_ring(const struct held *h, const struct rings *r, const struct ring *x,
		     FILE *out)
{
	const struct heap_blocks *b = &h->graph->blocks;
	uint32_t at = x->first, edge = 0;
	char text[TEXT], label[POINTER_TEXT];

	fprintf(out, "\n%s block%s, %s  (%s%s)\n", units_count(x->count).text,
		x->count == 1 ? "" : "s", units_size(x->bytes).text,
		held_level(h->level[x->first]), verdict_text(x));
	for (size_t i = 0; i < MEMBERS; i++) {
		uint32_t next = next_of(h, r, at, &edge);

		fprintf(out, "  0x%" PRIx64 "  %s  ", b->items[at].address,
			units_size(b->items[at].size).text);
		text_put(out, held_block(h, at, text, sizeof(text)));
		fprintf(out, "\n    %s", held_place(h, edge, text, sizeof(text)));
		if (*pointer_label(h, edge, label, sizeof(label))) {
			fputc(' ', out);
			text_put(out, label);
		}
		fputs(" ->", out);
		at = next;
		if (at == x->first)
			break;
		fputc('\n', out);
	}
	fprintf(out,
		at == x->first ? " 0x%" PRIx64 ", the first\n"
			       : "    0x%" PRIx64 " ...\n",
		b->items[at].address);
}

int cycles_text(const struct held *h, const struct blocks_options *o, FILE *out)
{
	_cleanup_(rings_done) struct rings r = {0};
	size_t most = o->limit ? o->limit : ROWS;
	int err = find_rings(h, o, &r);

	if (err < 0)
		return err;
	held_heading(h, out);
	fprintf(out, "%s ring%s of blocks%s\n", units_count(r.count).text,
		r.count == 1 ? "" : "s", o->all ? "" : " that nobody surely holds");
	err = put_garbage(h, &r, out);
	if (err < 0)
		return err;
	for (size_t i = 0; i < r.count && i < most; i++)
		put_ring(h, &r, &r.items[i], out);
	if (r.count > most)
		fprintf(out, "\n%s more; -n shows more\n",
			units_count(r.count - most).text);
	return 0;
}

/* The ring's blocks, by address: one look over all that are left. */
static void json_members(const struct held *h, const struct rings *r,
			 const struct ring *x, struct json *j)
{
	uint64_t left = x->count;

	for (uint32_t i = x->first; left && i < h->graph->blocks.count; i++) {
		if (r->component[i] != x->component)
			continue;
		left--;
		json_object(j);
		held_json_block(h, i, j);
		json_close(j);
	}
}

int cycles_json(const struct held *h, const struct blocks_options *o, FILE *out)
{
	struct json j = {.out = out, .spread = 3};
	_cleanup_(rings_done) struct rings r = {0};
	int err = find_rings(h, o, &r);

	if (err < 0)
		return err;
	held_json_begin(h, "cycles", &j);
	json_put_unsigned(&j, "found", r.count);
	err = json_garbage(h, &r, &j);
	if (err < 0)
		return err;
	json_key(&j, "cycles");
	json_array(&j);
	for (size_t i = 0; i < r.count && i < (o->limit ? o->limit : ROWS); i++) {
		json_object(&j);
		json_put_unsigned(&j, "count", r.items[i].count);
		json_put_unsigned(&j, "bytes", r.items[i].bytes);
		json_key(&j, "collector");
		if (verdict(&r.items[i]))
			json_string(&j, verdict(&r.items[i]));
		else
			json_null(&j);
		json_key(&j, "blocks");
		json_array(&j);
		json_members(h, &r, &r.items[i], &j);
		json_close(&j);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}
