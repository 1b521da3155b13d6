/*
 * types_growth.c - the types of two snapshots, side by side.
 */
#include "cli/report/types.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/report/held_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 20 };

struct side {
	uint64_t objects, bytes; /* of used ones, with their parts */
};

struct row {
	const char *name; /* NULL: blocks whose type is not known */
	struct side a, b;
};

struct rows {
	struct row *items; /* those that changed, the most growth first */
	size_t count;
};

static int64_t growth(const struct row *x)
{
	return (int64_t)(x->b.bytes - x->a.bytes);
}

static int by_name(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (!x->name || !y->name)
		return !x->name - !y->name;
	return strcmp(x->name, y->name);
}

static int by_growth(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int64_t ds = (int64_t)(y->b.objects - y->a.objects) -
		     (int64_t)(x->b.objects - x->a.objects);

	if (growth(x) != growth(y))
		return growth(x) > growth(y) ? -1 : 1;
	return ds ? (ds > 0 ? 1 : -1) : by_name(a, b);
}

/* Appends the rows of a snapshot, each with one side. */
static int take(const struct held *h, bool is_b, struct rows *ret)
{
	_cleanup_(freep) struct types_row *rows = NULL;
	const struct heap_types *t = &h->graph->types;
	struct row *more;
	size_t count;
	int r = types_rows(h, &rows, &count);

	if (r < 0)
		return r;
	more = realloc(ret->items, (ret->count + count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	ret->items = more;
	for (size_t i = 0; i < count; i++) {
		const struct types_row *x = &rows[i];
		struct side side = {x->objects, x->bytes + x->part_bytes};
		struct row row = {0};

		if (x->is_unused)
			continue;
		if (x->type)
			row.name = strings_get(&h->stored.roots.names,
					       t->items[x->type].name);
		*(is_b ? &row.b : &row.a) = side;
		ret->items[ret->count++] = row;
	}
	return 0;
}

static int match(const struct held *a, const struct held *b, struct rows *ret)
{
	size_t kept = 0;
	int r;

	*ret = (struct rows){0};
	r = take(a, false, ret);
	if (!r)
		r = take(b, true, ret);
	if (r < 0)
		return r;
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_name);
	for (size_t i = 0; i < ret->count; i++) {
		struct row *last = kept ? &ret->items[kept - 1] : NULL;
		struct row x = ret->items[i];

		if (last && !by_name(last, &x)) {
			last->a.objects += x.a.objects;
			last->a.bytes += x.a.bytes;
			last->b.objects += x.b.objects;
			last->b.bytes += x.b.bytes;
		} else {
			ret->items[kept++] = x;
		}
	}
	ret->count = kept;
	kept = 0;
	for (size_t i = 0; i < ret->count; i++) {
		const struct row *x = &ret->items[i];

		if (growth(x) || x->a.objects != x->b.objects)
			ret->items[kept++] = *x;
	}
	ret->count = kept;
	if (kept)
		qsort(ret->items, kept, sizeof(*ret->items), by_growth);
	return 0;
}

static void rows_done(struct rows *r)
{
	free(r->items);
}

static void put_growth(const struct row *x, bool exact, FILE *out)
{
	int64_t bytes = growth(x), objects = (int64_t)(x->b.objects - x->a.objects);
	uint64_t size = bytes < 0 ? -(uint64_t)bytes : (uint64_t)bytes;
	char text[48];

	snprintf(text, sizeof(text), "%c%s", bytes < 0 ? '-' : '+',
		 exact ? units_count(size).text : units_size(size).text);
	fprintf(out, "%12s %+9" PRId64 " %15s %15s  ", units_count(x->b.objects).text,
		objects,
		exact ? units_count(x->b.bytes).text : units_size(x->b.bytes).text,
		text);
	if (x->name)
		text_put(out, x->name);
	else
		fputs("blocks whose type is not known", out);
	fputc('\n', out);
}

int types_growth_text(const struct held *a, const struct held *b,
		      const struct types_options *o, FILE *out)
{
	_cleanup_(rows_done) struct rows rows;
	size_t most = o->limit ? o->limit : ROWS;
	int r = match(a, b, &rows);

	if (r < 0)
		return r;
	fputs("From  ", out);
	held_heading(a, out);
	fputs("to    ", out);
	held_heading(b, out);
	fputs("\n     Objects    Growth            Size          Growth  Type\n", out);
	for (size_t i = 0; i < rows.count && i < most; i++)
		put_growth(&rows.items[i], o->bytes, out);
	if (!rows.count)
		fputs("           0  no type has more or fewer objects\n", out);
	if (rows.count > most)
		fprintf(out, "%s more types; -n shows more\n",
			units_count(rows.count - most).text);
	return 0;
}

int types_growth_json(const struct held *a, const struct held *b,
		      const struct types_options *o, FILE *out)
{
	struct json j = {.out = out, .spread = 3};
	_cleanup_(rows_done) struct rows rows;
	int r = match(a, b, &rows);

	if (r < 0)
		return r;
	held_json_begin(b, "growth", &j);
	json_put_string(&j, "by", "type");
	json_put_unsigned(&j, "since", a->number + 1);
	json_key(&j, "rows");
	json_array(&j);
	for (size_t i = 0; i < rows.count && (!o->limit || i < o->limit); i++) {
		const struct row *x = &rows.items[i];

		json_object(&j);
		json_key(&j, "type");
		if (x->name)
			json_string(&j, x->name);
		else
			json_null(&j);
		json_put_unsigned(&j, "objects_before", x->a.objects);
		json_put_unsigned(&j, "objects", x->b.objects);
		json_put_unsigned(&j, "bytes_before", x->a.bytes);
		json_put_unsigned(&j, "bytes", x->b.bytes);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}
