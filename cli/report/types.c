#include "cli/report/types.h"

#include "cli/base/cleanup.h"
#include "cli/base/units.h"
#include "cli/report/held_json.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 20 };

const char *types_name(const struct held *h, uint32_t type)
{
	const struct heap_types *t = &h->graph->types;

	return type ? strings_get(&h->stored.roots.names, t->items[type].name) : "";
}

bool types_match(const char *pattern, const char *name)
{
	for (; name; name = strchr(name, '.') ? strchr(name, '.') + 1 : NULL)
		if (!fnmatch(pattern, name, 0))
			return true;
	return false;
}

/* ---- rows ---------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct types_row *x = a, *y = b;
	uint64_t xs = x->bytes + x->part_bytes, ys = y->bytes + y->part_bytes;

	/* What is not known comes last. */
	if (!x->type != !y->type)
		return !x->type ? 1 : -1;
	if (xs != ys)
		return xs > ys ? -1 : 1;
	if (x->objects != y->objects)
		return x->objects > y->objects ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return x->is_unused - y->is_unused;
}

uint32_t *types_first_of_name(const struct held *h)
{
	const struct heap_types *t = &h->graph->types;
	size_t names = h->stored.roots.names.count;
	uint32_t *first = calloc(t->count + 1, sizeof(*first));
	_cleanup_(freep) uint32_t *by_name = calloc(names + 1, sizeof(*by_name));

	if (!first || !by_name) {
		free(first);
		return NULL;
	}
	for (uint32_t i = 1; i < t->count; i++) {
		uint32_t name = t->items[i].name < names ? t->items[i].name : 0;

		if (!by_name[name])
			by_name[name] = i;
		first[i] = by_name[name];
	}
	return first;
}

static void add(struct types_row *row, const struct heap_what *w, uint64_t bytes)
{
	bool is_part = w->part > HEAP_TUPLE;

	row->objects += !is_part;
	row->parts += is_part;
	row->bytes += is_part ? 0 : bytes;
	row->part_bytes += is_part ? bytes : 0;
	row->tracked += !is_part && w->state & HEAP_TRACKED;
	row->values += w->part == HEAP_VALUES;
	row->value_bytes += w->part == HEAP_VALUES ? bytes : 0;
}

/* ---- slots --------------------------------------------------------------- */

enum {
	SLOTS_OBJECTS = 1000, /* from so many on it is told */
	PLAIN = 48,	      /* bytes of an object that has no more than attributes: */
	PLAIN_OLD = 56,	      /* from 3.12 on, and of 3.11 */
	BARE = 32,	      /* with a head, a count and a type alone */
};

static uint64_t attributes_of(const struct held *h, uint32_t type)
{
	const struct heap_types *t = &h->graph->types;
	uint64_t n = 0;

	for (size_t i = 0; i < t->field_count; i++)
		n += t->fields[i].type == type && t->fields[i].part == HEAP_VALUES;
	return n;
}

/* Of classes whose objects are nothing but attributes, in a block beside each. Those of
 * one name are several classes, whose attributes may differ: nothing is said. */
static void find_slots(const struct held *h, const uint32_t *first,
		       struct types_row *row)
{
	const struct heap_types *t = &h->graph->types;
	uint64_t n, bytes;

	if (!row->type || row->is_unused || row->values < SLOTS_OBJECTS ||
	    row->values != row->objects || row->values != row->parts ||
	    (row->bytes != row->objects * PLAIN &&
	     row->bytes != row->objects * PLAIN_OLD))
		return;
	for (uint32_t i = row->type + 1; i < t->count; i++)
		if (first[i] == row->type)
			return;
	n = attributes_of(h, row->type);
	bytes = row->objects * (BARE + n * HEAP_WORD);
	if (n && bytes < row->bytes + row->value_bytes)
		row->slots_bytes = bytes;
}

static void put_slots(const struct held *h, const struct types_row *x, FILE *out)
{
	uint64_t now = x->bytes + x->value_bytes;

	fprintf(out, "slots: the %s objects of ", units_count(x->objects).text);
	text_put(out, types_name(h, x->type));
	fprintf(out,
		" have %s in 2 blocks each; __slots__ would make that %s in 1, %s less.\n",
		units_size(now / x->objects).text,
		units_size(x->slots_bytes / x->objects).text,
		units_size(now - x->slots_bytes).text);
}

int types_rows(const struct held *h, struct types_row **ret, size_t *ret_count)
{
	const struct heap_graph *g = h->graph;
	size_t types = g->types.count ? g->types.count : 1, kept = 0;
	_cleanup_(freep) struct types_row *rows = calloc(2 * types, sizeof(*rows));
	_cleanup_(freep) uint32_t *first = types_first_of_name(h);

	if (!rows || !first)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->blocks.count; i++) {
		const struct heap_what *w = heap_types_what(&g->types, i);
		bool unused = w->state & HEAP_UNUSED;
		uint32_t type = w->type ? first[w->type] : 0;
		struct types_row *row = &rows[2 * (size_t)type + unused];

		if (g->blocks.items[i].flags & HEAP_MAPPED)
			continue;
		row->type = type;
		row->is_unused = unused;
		add(row, w, g->blocks.items[i].size);
	}
	for (size_t i = 0; i < 2 * types; i++)
		if (rows[i].objects + rows[i].parts)
			rows[kept++] = rows[i];
	for (size_t i = 0; i < kept; i++)
		find_slots(h, first, &rows[i]);
	if (kept)
		qsort(rows, kept, sizeof(*rows), compare);
	*ret = take_ptr(rows);
	*ret_count = kept;
	return 0;
}

/* ---- text ---------------------------------------------------------------- */

static void put_row(const struct held *h, const struct types_options *o,
		    const struct types_row *x, uint64_t total, FILE *out)
{
	uint64_t bytes = x->bytes + x->part_bytes;

	fprintf(out, "%12s %15s %6.1f  ", units_count(x->objects).text,
		o->bytes ? units_count(bytes).text : units_size(bytes).text,
		total ? 100.0 * (double)bytes / (double)total : 0.0);
	if (x->type)
		text_put(out, types_name(h, x->type));
	else
		fputs("blocks whose type is not known", out);
	fputs(x->is_unused ? " (unused)\n" : "\n", out);
}

static bool has_python(const struct held *h)
{
	const struct profile *p = h->profile;

	for (size_t i = 0; i < p->process_count; i++)
		if (p->processes[i].serial == h->snapshot->process_serial)
			return p->processes[i].python != 0;
	return false;
}

void types_say_lacking(const struct held *h, FILE *out)
{
	bool python = has_python(h);

	if (python && h->snapshot->kind == PROFILE_AT_EXIT)
		fputs("Python had taken most of its objects down by then: take one "
		      "while it runs, by\nrun --snapshot-every or --snapshot-at, "
		      "`heapline snapshot PID` or heapline_snapshot().\n",
		      out);
	else if (python && !h->graph->types.what)
		fputs("No object of its Python was recognised: types are known of "
		      "CPython 3.8 to 3.14.\n",
		      out);
	else if (!python && !h->graph->types.what)
		fputs("Types are known of the objects of CPython alone, and it has "
		      "none.\n",
		      out);
}

int types_text(const struct held *h, const struct types_options *o, FILE *out)
{
	_cleanup_(freep) struct types_row *rows = NULL;
	size_t count, most = o->limit ? o->limit : ROWS;
	uint64_t total = 0;
	int r = types_rows(h, &rows, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		total += rows[i].bytes + rows[i].part_bytes;
	held_heading(h, out);
	types_say_lacking(h, out);
	fputs("\n     Objects            Size      %  Type\n", out);
	for (size_t i = 0; i < count && i < most; i++)
		put_row(h, o, &rows[i], total, out);
	if (count > most)
		fprintf(out, "%s more types; -n shows more\n",
			units_count(count - most).text);
	for (size_t i = 0; i < count && i < most; i++)
		if (rows[i].slots_bytes)
			put_slots(h, &rows[i], out);
	return 0;
}

/* ---- JSON ---------------------------------------------------------------- */

int types_json(const struct held *h, const struct types_options *o, FILE *out)
{
	static const char *const origins[HEAP_ORIGINS] = {"", "python"};
	struct json j = {.out = out, .spread = 3};
	_cleanup_(freep) struct types_row *rows = NULL;
	size_t count;
	int r = types_rows(h, &rows, &count);

	if (r < 0)
		return r;
	held_json_begin(h, "top", &j);
	json_put_string(&j, "by", "type");
	json_key(&j, "rows");
	json_array(&j);
	for (size_t i = 0; i < count && (!o->limit || i < o->limit); i++) {
		const struct types_row *x = &rows[i];

		json_object(&j);
		json_key(&j, "type");
		if (x->type)
			json_string(&j, types_name(h, x->type));
		else
			json_null(&j);
		json_put_string(&j, "origin",
				origins[x->type ? h->graph->types.items[x->type].origin
						: HEAP_BY_NOBODY]);
		json_put_bool(&j, "unused", x->is_unused);
		json_put_unsigned(&j, "objects", x->objects);
		json_put_unsigned(&j, "bytes", x->bytes);
		json_put_unsigned(&j, "parts", x->parts);
		json_put_unsigned(&j, "part_bytes", x->part_bytes);
		json_put_unsigned(&j, "tracked", x->tracked);
		json_key(&j, "slots_bytes");
		if (x->slots_bytes)
			json_unsigned(&j, x->slots_bytes);
		else
			json_null(&j);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	json_end(&j);
	return 0;
}
