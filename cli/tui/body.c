#include "cli/tui/body.h"

#include "cli/tui/screen.h"

enum {
	NARROW = 60, /* columns: below, long lines are broken */
	INDENT = 4,
	NO_SELF =
		64, /* below, the tree goes without its column of what is a row's own */
};

size_t body_rows(const struct tui *t)
{
	size_t others = t->rows >= 6 ? 3 : t->rows >= 3 ? 1 : 0;

	return t->rows - others;
}

size_t body_row(const struct tui *t)
{
	return t->rows >= 6;
}

bool body_wraps(const struct tui *t)
{
	return t->wrap_given ? t->wrap : t->columns < NARROW || t->helping;
}

/* ---- lines of a view ---------------------------------------------------------- */

static bool is_rule(const struct document_cell *cells, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (cells[i].c != L'=')
			return false;
	return count > 0;
}

/* Takes cells [from, from + count) out. */
static size_t cut_out(struct document_cell *cells, size_t n, size_t from, size_t count)
{
	if (from >= n)
		return n;
	if (count > n - from)
		count = n - from;
	memmove(cells + from, cells + from + count,
		(n - from - count) * sizeof(*cells));
	return n - count;
}

static bool has_numbers(const struct document_cell *cells, size_t n, size_t width)
{
	if (n < width)
		return false;
	for (size_t i = 0; i < width; i++)
		if (cells[i].c > 126)
			return false;
	return cells[0].c == L' ' || (cells[0].c >= L'0' && cells[0].c <= L'9');
}

/* A row of the tree on a narrow screen: "Bytes Share  name", no Self between. */
static size_t narrow_row(const struct tui *t, size_t line, struct document_cell *cells,
			 size_t n)
{
	size_t width = t->views.options->bytes ? 17 : 13;
	const struct document *d = &t->views.view[TUI_TREE].document;
	bool row = line + 1 == d->count || d->lines[line].mark != DOCUMENT_NONE;
	bool title =
		line + 2 < d->count && !row && d->lines[line + 2].mark != DOCUMENT_NONE;

	if ((!row && !title) || !has_numbers(cells, n, width + 8))
		return n;
	if (!t->views.bottom_up)
		n = cut_out(cells, n, width + 8, width + 1);
	return cut_out(cells, n, 0, 2);
}

/* What a folded row of the tree has behind its name. */
static size_t add_folded(struct tui *t, size_t line, size_t n)
{
	const struct views_item *item = views_item(&t->views, line);
	char text[40];

	if (!item || !item->folded)
		return n;
	snprintf(text, sizeof(text), "\033[1m [+%u]",
		 item->end - (unsigned)(item - t->views.items) - 1);
	return n + document_cells(text, strlen(text), t->cells + n, STATE_CELLS - n);
}

/* The characters of a line as it is shown, in t->cells. */
static size_t cells_of(struct tui *t, size_t at)
{
	const struct views_view *v = state_view(t);
	size_t line = v->shown[at];
	const struct document_line *l = &v->document.lines[line];
	size_t n =
		document_cells(v->document.text + l->at, l->len, t->cells, STATE_CELLS);

	if (t->kind == TUI_TREE && !t->helping) {
		if (t->columns < NO_SELF)
			n = narrow_row(t, line, t->cells, n);
		n = add_folded(t, line, n);
	}
	if (body_wraps(t) && is_rule(t->cells, n) && n > t->columns)
		n = t->columns;
	return n;
}

/* The pieces of a broken line: *from moves to the next; its length, and columns that
 * it is indented by. */
static size_t piece(const struct tui *t, size_t n, size_t *from, size_t *ret_indent)
{
	bool first = !*from;

	*ret_indent = !first && t->columns > 3 * INDENT ? INDENT : 0;
	while (!first && *from < n && t->cells[*from].c == L' ')
		++*from;
	if (*from == n)
		return 0;
	return document_break(t->cells + *from, n - *from, t->columns - *ret_indent);
}

static size_t rows_of(struct tui *t, size_t at)
{
	size_t n, from = 0, rows = 0, indent, len;

	if (!body_wraps(t))
		return 1;
	n = cells_of(t, at);
	while ((len = piece(t, n, &from, &indent)) > 0) {
		from += len;
		rows++;
	}
	return rows ? rows : 1;
}

/* Draws one line; returns the rows that it took. */
static size_t draw_line(struct tui *t, size_t at, size_t row, size_t room)
{
	const struct views_view *v = state_view(t);
	bool chosen = at == v->cursor;
	enum screen_look look = chosen ? SCREEN_CHOSEN : SCREEN_PLAIN;
	size_t n = cells_of(t, at), from = 0, rows = 0, skipped = 0, indent, len;

	if (!body_wraps(t)) {
		while (from < n && skipped < v->left)
			skipped += t->cells[from++].width;
		screen_cells(row, 0, t->columns, look, t->cells + from, n - from);
		if (document_width(t->cells + from, n - from) > t->columns)
			screen_text(row, t->columns - 1, 1, SCREEN_BAR, ">");
		if (skipped && document_width(t->cells, n))
			screen_text(row, 0, 1, SCREEN_BAR, "<");
		return 1;
	}
	while (rows < room && (len = piece(t, n, &from, &indent)) > 0) {
		screen_cells(row + rows, indent, t->columns - indent, look,
			     t->cells + from, len);
		from += len;
		rows++;
	}
	if (!rows)
		screen_cells(row, 0, t->columns, look, t->cells, 0);
	return rows ? rows : 1;
}

/* The line on top where the last one is at the bottom. */
static size_t last_top(struct tui *t, const struct views_view *v)
{
	size_t room = body_rows(t), at = v->shown_count, used = 0;

	while (at && used < room) {
		used += rows_of(t, at - 1);
		if (used > room)
			break;
		at--;
	}
	return at < v->shown_count ? at : v->cursor;
}

/* Keeps the cursor in sight, and the screen full. */
static void scroll(struct tui *t, struct views_view *v)
{
	size_t room = body_rows(t), used = 0, at;

	if (v->cursor >= v->shown_count)
		v->cursor = v->shown_count ? v->shown_count - 1 : 0;
	if (v->top > v->cursor)
		v->top = v->cursor;
	at = last_top(t, v);
	if (v->top > at)
		v->top = at;
	for (at = v->cursor + 1; at-- > v->top && v->shown_count;) {
		used += rows_of(t, at);
		if (used > room)
			break;
	}
	if (used > room)
		v->top = at + 1 > v->cursor ? v->cursor : at + 1;
}

void body_draw(struct tui *t)
{
	struct views_view *v = state_view(t);
	size_t room = body_rows(t), row = 0;

	scroll(t, v);
	for (size_t i = v->top; i < v->shown_count && row < room; i++)
		row += draw_line(t, i, body_row(t) + row, room - row);
}
