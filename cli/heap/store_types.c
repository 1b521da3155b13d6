/*
 * store_types.c - the pieces of a graph that say what its blocks are.
 */
#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/heap/store_pieces.h"

#include <stdlib.h>

/* ---- writing ------------------------------------------------------------- */

static void put_types(struct bytes *b, const struct heap_types *t, size_t i, size_t n)
{
	for (size_t k = i + 1; k <= i + n; k++) /* number 0 is none */
		bytes_put_varint(b, t->items[k].name);
	for (size_t k = i + 1; k <= i + n; k++)
		bytes_put_varint(b, t->items[k].origin);
	for (size_t k = i + 1; k <= i + n; k++)
		bytes_put_varint(b, t->items[k].address);
}

static void put_fields(struct bytes *b, const struct heap_types *t, size_t i, size_t n)
{
	uint64_t last = 0;

	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(t->fields[k].type, &last));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, t->fields[k].part);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, t->fields[k].offset);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, t->fields[k].name);
}

static void put_labels(struct bytes *b, const struct heap_types *t, size_t i, size_t n)
{
	uint64_t last = 0;

	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(t->labels[k].edge, &last));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, t->labels[k].kind);
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, t->labels[k].name);
}

static void put_called(struct bytes *b, const struct heap_types *t, size_t i, size_t n)
{
	uint64_t last = 0;

	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, store_delta(t->called[k].block, &last));
	for (size_t k = i; k < i + n; k++)
		bytes_put_varint(b, t->called[k].name);
}

static void put_what(struct bytes *b, const struct heap_graph *g, const uint32_t *row,
		     size_t n)
{
	const struct heap_what *w = g->types.what;
	uint64_t last = 0;

	for (size_t k = 0; k < n; k++)
		bytes_put_varint(b, store_delta(row[k], &last));
	for (size_t k = 0; k < n; k++)
		bytes_put_varint(b, w[row[k]].type);
	for (size_t k = 0; k < n; k++)
		bytes_put_varint(b, w[row[k]].part | (unsigned)w[row[k]].state << 4);
	for (size_t k = 0; k < n; k++)
		bytes_put_varint(b, w[row[k]].at);
	for (size_t k = 0; k < n; k++)
		bytes_put_varint(b, w[row[k]].count);
}

/* Of blocks whose type is known. */
static int put_whats(struct store_out *o, const struct heap_graph *g)
{
	_cleanup_(freep) uint32_t *rows = malloc(ROWS * sizeof(*rows));
	size_t n = 0;
	int r = rows ? 0 : -ENOMEM;

	for (uint32_t i = 0; !r && g->types.what && i < g->blocks.count; i++) {
		if (g->types.what[i].type)
			rows[n++] = i;
		if (!n || (n < ROWS && i + 1 < g->blocks.count))
			continue;
		store_begin(o, PIECE_WHAT, n);
		put_what(&o->b, g, rows, n);
		n = 0;
		r = store_end(o);
	}
	return r;
}

static int put_rows(struct store_out *o, enum piece kind, const struct heap_types *t,
		    size_t count)
{
	int r = 0;

	for (size_t i = 0, n; !r && i < count; i += n) {
		n = count - i < ROWS ? count - i : ROWS;
		store_begin(o, kind, n);
		if (kind == PIECE_TYPES)
			put_types(&o->b, t, i, n);
		else if (kind == PIECE_FIELDS)
			put_fields(&o->b, t, i, n);
		else if (kind == PIECE_LABELS)
			put_labels(&o->b, t, i, n);
		else
			put_called(&o->b, t, i, n);
		r = store_end(o);
	}
	return r;
}

int store_put_types(struct store_out *o, const struct heap_graph *g)
{
	const struct heap_types *t = &g->types;
	int r = put_rows(o, PIECE_TYPES, t, t->count ? t->count - 1 : 0);

	if (!r)
		r = put_whats(o, g);
	if (!r)
		r = put_rows(o, PIECE_FIELDS, t, t->field_count);
	if (!r)
		r = put_rows(o, PIECE_LABELS, t, t->label_count);
	return r ? r : put_rows(o, PIECE_CALLED, t, t->called_count);
}

/* ---- reading ------------------------------------------------------------- */

/* A number that fits its field, or the piece is none. */
static uint32_t take_32(struct bytes_reader *in)
{
	uint64_t v = bytes_get_varint(in);

	in->failed |= v > UINT32_MAX;
	return (uint32_t)v;
}

static uint32_t undelta_32(struct bytes_reader *in, uint64_t *before)
{
	uint64_t v = store_undelta(in, before);

	in->failed |= v > UINT32_MAX;
	return (uint32_t)v;
}

static int take_types(struct heap_types *t, struct bytes_reader *in, size_t n)
{
	size_t first = t->count ? t->count : 1;

	if (array_reserve(&t->items, &t->room, first + n) < 0)
		return -ENOMEM;
	for (size_t k = first; k < first + n; k++)
		t->items[k].name = take_32(in);
	for (size_t k = first; k < first + n; k++)
		t->items[k].origin = take_32(in);
	for (size_t k = first; k < first + n; k++)
		t->items[k].address = bytes_get_varint(in);
	t->count = first + n;
	return 0;
}

/* Of blocks that are there already. */
static int take_what(struct heap_graph *g, struct bytes_reader *in, size_t n)
{
	_cleanup_(freep) uint32_t *rows = calloc(n + 1, sizeof(*rows));
	struct heap_what *w;
	uint64_t last = 0;

	if (!g->types.what)
		g->types.what = calloc(g->blocks.count + 1, sizeof(*w));
	w = g->types.what;
	if (!rows || !w)
		return -ENOMEM;
	for (size_t k = 0; k < n; k++)
		rows[k] = undelta_32(in, &last);
	for (size_t k = 0; k < n; k++)
		if (rows[k] >= g->blocks.count)
			return -EBADMSG;
	for (size_t k = 0; k < n; k++)
		w[rows[k]].type = take_32(in);
	for (size_t k = 0; k < n; k++) {
		uint32_t is = take_32(in);

		w[rows[k]].part = is & 15;
		w[rows[k]].state = (uint8_t)(is >> 4);
		in->failed |= is >> 12 != 0;
	}
	for (size_t k = 0; k < n; k++) {
		uint32_t at = take_32(in);

		w[rows[k]].at = (uint16_t)at;
		in->failed |= at > UINT16_MAX;
	}
	for (size_t k = 0; k < n; k++)
		w[rows[k]].count = take_32(in);
	return 0;
}

static int take_fields(struct heap_types *t, struct bytes_reader *in, size_t n)
{
	struct heap_field *f;
	uint64_t last = 0;

	if (array_reserve(&t->fields, &t->field_room, t->field_count + n) < 0)
		return -ENOMEM;
	f = t->fields + t->field_count;
	for (size_t k = 0; k < n; k++)
		f[k].type = undelta_32(in, &last);
	for (size_t k = 0; k < n; k++)
		f[k].part = take_32(in);
	for (size_t k = 0; k < n; k++)
		f[k].offset = take_32(in);
	for (size_t k = 0; k < n; k++)
		f[k].name = take_32(in);
	t->field_count += n;
	return 0;
}

static int take_labels(struct heap_types *t, struct bytes_reader *in, size_t n)
{
	struct heap_label *l;
	uint64_t last = 0;

	if (array_reserve(&t->labels, &t->label_room, t->label_count + n) < 0)
		return -ENOMEM;
	l = t->labels + t->label_count;
	for (size_t k = 0; k < n; k++)
		l[k].edge = undelta_32(in, &last);
	for (size_t k = 0; k < n; k++) {
		uint32_t kind = take_32(in);

		l[k].kind = (uint8_t)kind;
		in->failed |= kind > UINT8_MAX;
	}
	for (size_t k = 0; k < n; k++)
		l[k].name = take_32(in);
	t->label_count += n;
	return 0;
}

static int take_called(struct heap_types *t, struct bytes_reader *in, size_t n)
{
	struct heap_called *c;
	uint64_t last = 0;

	if (array_reserve(&t->called, &t->called_room, t->called_count + n) < 0)
		return -ENOMEM;
	c = t->called + t->called_count;
	for (size_t k = 0; k < n; k++)
		c[k].block = undelta_32(in, &last);
	for (size_t k = 0; k < n; k++)
		c[k].name = take_32(in);
	t->called_count += n;
	return 0;
}

int store_take_types(struct heap_graph *g, enum piece kind, struct bytes_reader *in,
		     size_t n)
{
	switch (kind) {
	case PIECE_TYPES:
		return take_types(&g->types, in, n);
	case PIECE_WHAT:
		return take_what(g, in, n);
	case PIECE_FIELDS:
		return take_fields(&g->types, in, n);
	case PIECE_LABELS:
		return take_labels(&g->types, in, n);
	default:
		return take_called(&g->types, in, n);
	}
}
