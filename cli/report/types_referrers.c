/*
 * types_referrers.c - the objects of a snapshot by their type and by the types of what
 * refers to them.
 *
 * A part is in the row of its object, as far as that is known; its pointers are its
 * object's. An object's pointer at its own type says nothing and does not count, nor
 * does what holds nothing (enum heap_how, from HEAP_PAST_END on). Roots stand for an
 * object that nothing else refers to: on stacks are words that are no longer used.
 */
#include "cli/report/types.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/hash.h"
#include "cli/base/table.h"
#include "cli/base/units.h"
#include "cli/report/held_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROWS = 20,
	KINDS_MAX = 6, /* that a row tells apart */
	TYPE_AT = 8,   /* in an object */
};

enum { /* referrers beside types, and none */
       MANY = UINT32_MAX,
       ROOTS = UINT32_MAX - 1,
       FRAMES = UINT32_MAX - 2,
       NATIVE = UINT32_MAX - 3,
       NUMBERS_END = UINT32_MAX - 3
};

struct set { /* of numbers, ascending */
	uint32_t count;
	uint32_t items[KINDS_MAX];
};

struct key {
	uint32_t type, is_unused;
	struct set by;
};

struct row {
	struct key key;
	uint64_t objects, bytes, parts, part_bytes;
};

struct partition {
	const struct held *h;
	const struct heap_graph *g;
	uint32_t *first; /* by type */
	uint32_t *owner; /* of each block: what it is a part of, or itself */
	uint32_t *row;	 /* of each block that is its own owner */
	struct row *rows;
	size_t count, room;
	struct table known; /* hash of a key -> row + 1 */
};

static void partition_done(struct partition *p)
{
	free(p->first);
	free(p->owner);
	free(p->row);
	free(p->rows);
	table_done(&p->known);
}

/* ---- whose parts ----------------------------------------------------------- */

static bool is_part(const struct heap_what *w)
{
	return w->type && w->part > HEAP_TUPLE;
}

static int find_owners(struct partition *p)
{
	const struct heap_graph *g = p->g;
	size_t n = g->blocks.count, count = 0;
	_cleanup_(freep) uint32_t *todo = calloc(n + 1, sizeof(*todo));

	p->owner = malloc((n + 1) * sizeof(*p->owner));
	if (!todo || !p->owner)
		return -ENOMEM;
	for (uint32_t b = 0; b < n; b++) {
		const struct heap_what *w = heap_types_what(&g->types, b);

		p->owner[b] = b;
		if (w->type && !is_part(w))
			todo[count++] = b;
	}
	/* Each block is here once: as an object, or when its owner is found. */
	for (size_t i = 0; i < count; i++) {
		uint32_t b = todo[i], type = heap_types_what(&g->types, b)->type;

		for (uint32_t e = g->first[b]; e < g->first[b + 1]; e++) {
			uint32_t to = g->edges.to[e];
			const struct heap_what *w = heap_types_what(&g->types, to);

			if (!is_part(w) || w->type != type || p->owner[to] != to ||
			    heap_how(g->edges.how[e]) > HEAP_INTERIOR)
				continue;
			p->owner[to] = p->owner[b];
			todo[count++] = to;
		}
	}
	return 0;
}

/* ---- who refers ------------------------------------------------------------ */

static void set_add(struct set *s, uint32_t number)
{
	uint32_t at = 0;

	while (at < s->count && s->items[at] < number)
		at++;
	if (at < s->count && s->items[at] == number)
		return;
	if (s->count == KINDS_MAX || (s->count && s->items[0] == MANY)) {
		*s = (struct set){.count = 1, .items = {MANY}};
		return;
	}
	memmove(s->items + at + 1, s->items + at, (s->count - at) * sizeof(*s->items));
	s->items[at] = number;
	s->count++;
}

/* The kind of what has an edge; 0: it is nobody to tell of. */
static uint32_t kind_of(const struct partition *p, uint32_t from, uint32_t edge)
{
	const struct heap_graph *g = p->g;
	const struct heap_what *w = heap_types_what(&g->types, from);
	uint64_t offset = (uint64_t)g->edges.word[edge] * HEAP_WORD;

	if (heap_how(g->edges.how[edge]) > HEAP_INTERIOR || w->state & HEAP_UNUSED)
		return 0;
	if (g->blocks.items[from].flags & HEAP_MAPPED)
		return heap_types_label(&g->types, edge) ? FRAMES : 0;
	if (!w->type)
		return NATIVE;
	return !is_part(w) && offset == w->at + (uint64_t)TYPE_AT ? 0
								  : p->first[w->type];
}

/* Adds who refers to a block, but for its own object's pointers at it. */
static void add_referrers(const struct partition *p, uint32_t block, struct set *by)
{
	const struct heap_graph *g = p->g;
	bool part = p->owner[block] != block;

	for (uint32_t i = g->in_first[block]; i < g->in_first[block + 1]; i++) {
		uint32_t edge = g->in_edge[i], from = heap_graph_from(g, edge);
		uint32_t kind = kind_of(p, from, edge);

		if (kind && !(part && p->owner[from] == p->owner[block]))
			set_add(by, kind);
	}
}

static bool has_roots(const struct partition *p, uint32_t block)
{
	size_t end, i = heap_graph_roots_of(p->g, block, &end);

	for (; i < end; i++)
		if (heap_how(p->g->roots[i].how) <= HEAP_INTERIOR)
			return true;
	return false;
}

/* ---- rows ------------------------------------------------------------------ */

static struct row *row_of(struct partition *p, const struct key *key)
{
	uint64_t hash = hash_bytes(key, sizeof(*key));
	uint64_t *at = table_put(
		&p->known, (struct table_key){hash, hash_pair(hash, key->type)}, NULL);

	if (!at)
		return NULL;
	if (!*at) {
		if (array_reserve(&p->rows, &p->room, p->count + 1) < 0)
			return NULL;
		p->rows[p->count++] = (struct row){.key = *key};
		*at = p->count;
	}
	return &p->rows[*at - 1];
}

static int add_block(struct partition *p, uint32_t b)
{
	const struct heap_what *w = heap_types_what(&p->g->types, b);
	struct key key = {.type = w->type ? p->first[w->type] : 0,
			  .is_unused = w->state & HEAP_UNUSED ? 1 : 0};
	struct row *row;

	add_referrers(p, b, &key.by);
	if (!key.by.count && has_roots(p, b))
		set_add(&key.by, ROOTS);
	row = row_of(p, &key);
	if (!row)
		return -ENOMEM;
	p->row[b] = (uint32_t)(row - p->rows);
	return 0;
}

static void count_block(struct partition *p, uint32_t b)
{
	struct row *row = &p->rows[p->row[p->owner[b]]];
	uint64_t bytes = p->g->blocks.items[b].size;

	if (is_part(heap_types_what(&p->g->types, b))) {
		row->parts++;
		row->part_bytes += bytes;
	} else {
		row->objects++;
		row->bytes += bytes;
	}
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	uint64_t xs = x->bytes + x->part_bytes, ys = y->bytes + y->part_bytes;

	if (!x->key.type != !y->key.type)
		return !x->key.type ? 1 : -1;
	if (xs != ys)
		return xs > ys ? -1 : 1;
	if (x->objects != y->objects)
		return x->objects > y->objects ? -1 : 1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static int partition_of(const struct held *h, struct partition *p)
{
	const struct heap_blocks *b = &h->graph->blocks;
	int r;

	*p = (struct partition){.h = h, .g = h->graph};
	p->first = types_first_of_name(h);
	p->row = calloc(b->count + 1, sizeof(*p->row));
	r = p->first && p->row ? find_owners(p) : -ENOMEM;
	for (uint32_t i = 0; !r && i < b->count; i++)
		if (!(b->items[i].flags & HEAP_MAPPED) && p->owner[i] == i)
			r = add_block(p, i);
	for (uint32_t i = 0; !r && i < b->count; i++)
		if (!(b->items[i].flags & HEAP_MAPPED))
			count_block(p, i);
	if (!r && p->count)
		qsort(p->rows, p->count, sizeof(*p->rows), compare);
	return r;
}

/* ---- text ------------------------------------------------------------------ */

static const char *kind_name(const struct partition *p, uint32_t kind)
{
	switch (kind) {
	case MANY:
		return "more than 6 types";
	case ROOTS:
		return "roots alone";
	case FRAMES:
		return "variables of frames";
	case NATIVE:
		return "native blocks";
	default:
		return types_name(p->h, kind);
	}
}

static void put_row(const struct partition *p, const struct types_options *o,
		    const struct row *x, uint64_t sum, uint64_t total, FILE *out)
{
	uint64_t bytes = x->bytes + x->part_bytes;
	double all = total ? (double)total : 1;

	fprintf(out, "%12s %15s %6.1f %6.1f  ", units_count(x->objects).text,
		o->bytes ? units_count(bytes).text : units_size(bytes).text,
		100.0 * (double)bytes / all, 100.0 * (double)sum / all);
	text_put(out, x->key.type ? types_name(p->h, x->key.type)
				  : "blocks whose type is not known");
	fputs(x->key.is_unused ? " (unused)  <- " : "  <- ", out);
	for (uint32_t i = 0; i < x->key.by.count; i++) {
		if (i)
			fputs(", ", out);
		text_put(out, kind_name(p, x->key.by.items[i]));
	}
	fputs(x->key.by.count ? "\n" : "nobody\n", out);
}

int types_referrers_text(const struct held *h, const struct types_options *o, FILE *out)
{
	_cleanup_(partition_done) struct partition p;
	size_t most = o->limit ? o->limit : ROWS;
	uint64_t total = 0, sum = 0, objects = 0;
	int r = partition_of(h, &p);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p.count; i++) {
		total += p.rows[i].bytes + p.rows[i].part_bytes;
		objects += p.rows[i].objects;
	}
	held_heading(h, out);
	types_say_lacking(h, out);
	fputs("\n     Objects            Size      %    Sum  Type <- types of what "
	      "refers to it\n",
	      out);
	for (size_t i = 0; i < p.count && i < most; i++) {
		sum += p.rows[i].bytes + p.rows[i].part_bytes;
		put_row(&p, o, &p.rows[i], sum, total, out);
	}
	if (p.count > most)
		fprintf(out, "%s more rows; -n shows more\n",
			units_count(p.count - most).text);
	fprintf(out, "%12s %15s  100.0         total\n", units_count(objects).text,
		o->bytes ? units_count(total).text : units_size(total).text);
	return 0;
}

/* ---- JSON ------------------------------------------------------------------ */

static void json_row(const struct partition *p, const struct row *x, struct json *j)
{
	json_object(j);
	json_key(j, "type");
	if (x->key.type)
		json_string(j, types_name(p->h, x->key.type));
	else
		json_null(j);
	json_put_bool(j, "unused", x->key.is_unused);
	json_key(j, "referrers");
	json_array(j);
	for (uint32_t i = 0; i < x->key.by.count; i++)
		if (x->key.by.items[i] < NUMBERS_END)
			json_string(j, types_name(p->h, x->key.by.items[i]));
	json_close(j);
	json_key(j, "others");
	json_array(j);
	for (uint32_t i = 0; i < x->key.by.count; i++)
		if (x->key.by.items[i] >= NUMBERS_END)
			json_string(j, kind_name(p, x->key.by.items[i]));
	json_close(j);
	json_put_unsigned(j, "objects", x->objects);
	json_put_unsigned(j, "bytes", x->bytes);
	json_put_unsigned(j, "parts", x->parts);
	json_put_unsigned(j, "part_bytes", x->part_bytes);
	json_close(j);
}

int types_referrers_json(const struct held *h, const struct types_options *o, FILE *out)
{
	struct json j = {.out = out, .spread = 3};
	_cleanup_(partition_done) struct partition p;
	int r = partition_of(h, &p);

	if (r < 0)
		return r;
	held_json_begin(h, "top", &j);
	json_put_string(&j, "by", "referrer");
	json_key(&j, "rows");
	json_array(&j);
	for (size_t i = 0; i < p.count && (!o->limit || i < o->limit); i++)
		json_row(&p, &p.rows[i], &j);
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}
