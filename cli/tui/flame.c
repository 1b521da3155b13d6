#include "cli/tui/flame.h"

#include "cli/base/units.h"
#include "cli/tui/screen.h"

#include <string.h>

enum { NAME_ROOM = 512 };

void flame_reset(struct flame *f)
{
	*f = (struct flame){.zoom = DOCUMENT_NONE};
}

static const char *name_of(const struct views *v, const struct views_item *item)
{
	return v->names + item->name;
}

/* ---- drawing -------------------------------------------------------------- */

struct span {
	uint64_t start, value; /* of all that is drawn */
	size_t columns;
};

static size_t column_of(const struct span *s, uint64_t at)
{
	uint64_t into = at > s->start ? at - s->start : 0;

	if (!s->value || into >= s->value)
		return into ? s->columns : 0;
	return (size_t)((unsigned __int128)into * s->columns / s->value);
}

static enum screen_look look_of(const char *name)
{
	unsigned hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return SCREEN_BOX + hash % 4;
}

/* A cell: its name as far as it goes, a gap at its end. */
static void draw_item(const struct flame *f, const struct views *v, uint32_t i,
		      const struct span *s, size_t row)
{
	const struct views_item *item = &v->items[i];
	size_t from = column_of(s, item->start),
	       to = column_of(s, item->start + item->value);
	struct document_cell cells[NAME_ROOM];
	const char *name = name_of(v, item);
	size_t count;

	if (to <= from)
		return;
	count = document_cells(name, strlen(name), cells, NAME_ROOM);
	screen_cells(row, from, to - from > 1 ? to - from - 1 : 1,
		     i == f->at ? SCREEN_CHOSEN : look_of(name), cells, count);
	if (to - from > 1)
		screen_text(row, to - 1, 1, SCREEN_PLAIN, "|");
}

static void draw_total(const struct flame *f, const struct views *v, size_t row,
		       size_t columns)
{
	struct units_text total = v->tree_metric == VIEW_ALLOCATIONS
					  ? units_count(v->total)
					  : units_size(v->total);
	char text[80];

	snprintf(text, sizeof(text), "%s: %s%s", view_metric_name(v->tree_metric),
		 total.text,
		 f->zoom == DOCUMENT_NONE ? "" : " (zoomed; Backspace shows all)");
	screen_text(row, 0, columns, SCREEN_HINT, text);
}

/* Keeps the chosen one in sight. */
static void scroll(struct flame *f, const struct views *v, size_t rows)
{
	size_t depth = v->items[f->at].depth;

	if (depth < f->top)
		f->top = depth;
	if (depth >= f->top + rows)
		f->top = depth - rows + 1;
}

void flame_draw(struct flame *f, const struct views *v, size_t row, size_t rows,
		size_t columns)
{
	struct span s = {0, v->total, columns};
	uint32_t first = 0, end = (uint32_t)v->item_count;

	if (!v->item_count) {
		screen_text(row, 0, columns, SCREEN_PLAIN, "No allocations to show.");
		return;
	}
	if (f->zoom != DOCUMENT_NONE) {
		first = f->zoom;
		s.start = v->items[first].start;
		s.value = v->items[first].value;
		end = v->items[first].end;
	}
	draw_total(f, v, row, columns);
	rows = rows > 1 ? rows - 1 : 1;
	scroll(f, v, rows);
	for (uint32_t i = first; i < end; i++)
		if (v->items[i].depth >= f->top && v->items[i].depth < f->top + rows)
			draw_item(f, v, i, &s, row + 1 + v->items[i].depth - f->top);
	for (uint32_t i = first; i < end && f->zoom != DOCUMENT_NONE;) {
		i = v->items[i].parent;
		if (i == DOCUMENT_NONE)
			break;
		if (v->items[i].depth >= f->top && v->items[i].depth < f->top + rows)
			draw_item(f, v, i, &s, row + 1 + v->items[i].depth - f->top);
	}
}

/* ---- moving --------------------------------------------------------------- */

/* The item before that is under the same one. */
static uint32_t before(const struct views *v, uint32_t at)
{
	uint32_t parent = v->items[at].parent;
	uint32_t i = parent == DOCUMENT_NONE ? 0 : parent + 1, last = at;

	for (; i < at; i = v->items[i].end)
		last = i;
	return last;
}

static uint32_t after(const struct views *v, uint32_t at)
{
	uint32_t parent = v->items[at].parent;
	uint32_t end = parent == DOCUMENT_NONE ? (uint32_t)v->item_count
					       : v->items[parent].end;

	return v->items[at].end < end ? v->items[at].end : at;
}

static bool within(const struct flame *f, const struct views *v, uint32_t at)
{
	return f->zoom == DOCUMENT_NONE ||
	       (at >= f->zoom && at < v->items[f->zoom].end);
}

void flame_move(struct flame *f, const struct views *v, enum flame_way way)
{
	const struct views_item *item;
	uint32_t to;

	if (!v->item_count)
		return;
	to = f->at;
	item = &v->items[f->at];
	if (way == FLAME_UP && item->parent != DOCUMENT_NONE)
		to = item->parent;
	else if (way == FLAME_DOWN && item->end > f->at + 1)
		to = f->at + 1;
	else if (way == FLAME_LEFT)
		to = before(v, f->at);
	else if (way == FLAME_RIGHT)
		to = after(v, f->at);
	f->at = to;
	if (!within(f, v, to))
		f->zoom = way == FLAME_UP ? to : DOCUMENT_NONE;
}

void flame_zoom(struct flame *f, const struct views *v)
{
	if (!v->item_count)
		return;
	f->zoom = f->zoom == f->at ? v->items[f->at].parent : f->at;
	if (f->zoom != DOCUMENT_NONE)
		f->at = f->zoom;
}

bool flame_search(struct flame *f, const struct views *v, const regex_t *regex,
		  bool back)
{
	size_t count = v->item_count;

	for (size_t step = 1; step <= count; step++) {
		size_t i = (f->at + (back ? count - step : step)) % count;

		if (regexec(regex, name_of(v, &v->items[i]), 0, NULL, 0))
			continue;
		f->at = (uint32_t)i;
		if (!within(f, v, f->at))
			f->zoom = DOCUMENT_NONE;
		return true;
	}
	return false;
}

void flame_state(const struct flame *f, const struct views *v, FILE *out)
{
	const struct views_item *item = f->at < v->item_count ? &v->items[f->at] : NULL;

	if (!item)
		return;
	fprintf(out, "%s %s  %s",
		v->tree_metric == VIEW_ALLOCATIONS || v->options->bytes
			? units_count(item->value).text
			: units_size(item->value).text,
		units_percent(item->value, v->total).text, name_of(v, item));
}
