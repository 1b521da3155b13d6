#include "cli/tui/tui.h"

#include "cli/base/cleanup.h"
#include "cli/report/text.h"
#include "cli/tui/flame.h"
#include "cli/tui/screen.h"
#include "cli/tui/views.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
	CELLS = 8192, /* of a line; more is cut */
	PROMPT = 256,
	NARROW = 60, /* columns: below, long lines are broken */
	INDENT = 4,
	NO_SELF =
		64, /* below, the tree goes without its column of what is a row's own */
};

struct tui {
	struct views views;
	struct flame flame;
	struct views_view help;
	enum tui_kind kind;
	bool helping;
	size_t rows, columns;
	bool wrap_given, wrap;
	regex_t regex;
	bool has_regex;
	char message[PROMPT];
	struct document_cell cells[CELLS];
};

static const char help_text[] =
	"Keys, as in less, vim and htop\n"
	"\n"
	"1 to 7, F1 to F7    the views: lines, tree, flame, top, timeline, leaks,\n"
	"                    references; Tab, Shift-Tab: the next, the one before\n"
	"j, k, arrows        down, up\n"
	"PgDn, PgUp          a screen down, up; also Space and b, Ctrl-F and Ctrl-B\n"
	"Ctrl-D, Ctrl-U      half a screen\n"
	"g, G, Home, End     the first line, the last\n"
	"h, l, arrows        left, right\n"
	"/, ?                search for a regular expression (? is this help where\n"
	"                    nothing else is asked; search backwards with N)\n"
	"n, N                the next match, the one before\n"
	"s, S                the next order, the one before\n"
	"m                   another mode: own code or all; top down or bottom up; by\n"
	"                    site, function, file, ...; leaks or all kinds;\n"
	"                    backrefs, refs or path\n"
	"+, -                more, less: columns, small rows of the tree, depth\n"
	"w                   break long lines, or move them with h and l\n"
	"Ctrl-L              draw the screen again\n"
	"q                   leave this help, or heapline\n"
	"\n"
	"Lines               ] and [ go to the next function, the one before\n"
	"Tree                Enter folds and unfolds; h folds, or goes to the caller;\n"
	"                    l unfolds; z folds all, Z unfolds all\n"
	"Flame               arrows move; Enter makes a cell as wide as the screen;\n"
	"                    Backspace shows all\n"
	"Leaks               ] and [ go to the next leak; Enter shows what points at\n"
	"                    one of its blocks\n"
	"References          Enter asks for a block: an address, or a function, file\n"
	"                    or file:line that allocated it; Backspace lists all\n"
	"\n"
	"A view is what a verb prints, and the line below it is the command that "
	"does;\n"
	"with COLUMNS set to this width, in the same columns. Of this view:\n"
	"\n    ";

/* ---- parts of the screen ---------------------------------------------------- */

static struct views_view *shown_view(struct tui *t)
{
	if (t->helping)
		return &t->help;
	return &t->views.view[t->kind];
}

static bool is_flame(const struct tui *t)
{
	return t->kind == TUI_FLAME && !t->helping;
}

static size_t body_rows(const struct tui *t)
{
	size_t others = t->rows >= 6 ? 3 : t->rows >= 3 ? 1 : 0;

	return t->rows - others;
}

static size_t body_row(const struct tui *t)
{
	return t->rows >= 6;
}

static bool wraps(const struct tui *t)
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
	return n + document_cells(text, strlen(text), t->cells + n, CELLS - n);
}

/* The characters of a line as it is shown, in t->cells. */
static size_t cells_of(struct tui *t, size_t at)
{
	const struct views_view *v = shown_view(t);
	size_t line = v->shown[at];
	const struct document_line *l = &v->document.lines[line];
	size_t n = document_cells(v->document.text + l->at, l->len, t->cells, CELLS);

	if (t->kind == TUI_TREE && !t->helping) {
		if (t->columns < NO_SELF)
			n = narrow_row(t, line, t->cells, n);
		n = add_folded(t, line, n);
	}
	if (wraps(t) && is_rule(t->cells, n) && n > t->columns)
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

	if (!wraps(t))
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
	const struct views_view *v = shown_view(t);
	bool chosen = at == v->cursor;
	enum screen_look look = chosen ? SCREEN_CHOSEN : SCREEN_PLAIN;
	size_t n = cells_of(t, at), from = 0, rows = 0, skipped = 0, indent, len;

	if (!wraps(t)) {
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

static void draw_lines(struct tui *t)
{
	struct views_view *v = shown_view(t);
	size_t room = body_rows(t), row = 0;

	scroll(t, v);
	for (size_t i = v->top; i < v->shown_count && row < room; i++)
		row += draw_line(t, i, body_row(t) + row, room - row);
}

/* ---- around it ---------------------------------------------------------------- */

static void draw_title(const struct tui *t)
{
	size_t column = 0, need = 0;
	char name[32];

	for (int i = 0; i < TUI_KINDS; i++)
		need += strlen(tui_words[i]) + 4;
	for (int i = 0; i < TUI_KINDS && need <= t->columns; i++) {
		snprintf(name, sizeof(name), " %d %s ", i + 1, tui_words[i]);
		column += screen_text(0, column, t->columns - column,
				      i == (int)t->kind && !t->helping ? SCREEN_CHOSEN
								       : SCREEN_BAR,
				      name);
	}
	if (need > t->columns) {
		snprintf(name, sizeof(name), " %d/%d %s ", (int)t->kind + 1, TUI_KINDS,
			 t->helping ? "help" : tui_words[t->kind]);
		column += screen_text(0, 0, t->columns, SCREEN_CHOSEN, name);
		column += screen_text(0, column, t->columns - column, SCREEN_BAR,
				      " Tab: next view");
	}
	screen_cells(0, column, t->columns - column, SCREEN_BAR, NULL, 0);
}

static char *twin_text(const struct tui *t)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fputs("$ ", out);
	views_twin(&t->views, t->kind, out);
	fclose(out);
	return text;
}

static void put_place(struct tui *t, FILE *out)
{
	const struct views_view *v = shown_view(t);

	if (*t->message) {
		fputs(t->message, out);
	} else if (t->helping) {
		fputs("help", out);
	} else if (is_flame(t)) {
		flame_state(&t->flame, &t->views, out);
	} else {
		fprintf(out, "%zu/%zu  ", v->shown_count ? v->cursor + 1 : 0,
			v->shown_count);
		views_state(&t->views, t->kind, out);
	}
}

static void draw_status(struct tui *t)
{
	static const char keys[] = " ? help  q quit ";
	_cleanup_(freep) char *text = NULL;
	size_t len, columns = t->columns, right = 0;
	FILE *out = open_memstream(&text, &len);

	if (columns >= 60)
		right = sizeof(keys) - 1;
	if (!out)
		return;
	put_place(t, out);
	fclose(out);
	columns = screen_text(t->rows - 1, 0, t->columns - right, SCREEN_BAR, text);
	screen_cells(t->rows - 1, columns, t->columns - columns, SCREEN_BAR, NULL, 0);
	if (right)
		screen_text(t->rows - 1, t->columns - right, right, SCREEN_BAR, keys);
}

static void draw(struct tui *t)
{
	_cleanup_(freep) char *twin = twin_text(t);

	screen_erase();
	if (is_flame(t))
		flame_draw(&t->flame, &t->views, body_row(t), body_rows(t), t->columns);
	else
		draw_lines(t);
	if (t->rows >= 6)
		draw_title(t);
	if (t->rows >= 6 && twin)
		screen_text(t->rows - 2, 0, t->columns, SCREEN_HINT, twin);
	if (t->rows >= 3)
		draw_status(t);
	screen_show();
}

/* ---- making -------------------------------------------------------------------- */

static void say(struct tui *t, const char *message)
{
	snprintf(t->message, sizeof(t->message), "%s", message);
}

/* Makes the view at hand, if need be. A large profile takes its time: the screen says
 * so. */
static int make(struct tui *t)
{
	enum tui_kind made = t->kind == TUI_FLAME ? TUI_TREE : t->kind;
	bool is_new = !t->views.view[made].made;
	int err;

	screen_size(&t->rows, &t->columns);
	t->views.columns = t->columns;
	if (is_new) {
		screen_text(t->rows - 1, 0, t->columns, SCREEN_BAR, "working ...");
		screen_show();
		if (made == TUI_TREE)
			flame_reset(&t->flame);
	}
	err = views_make(&t->views, t->kind);
	if (t->flame.at >= t->views.item_count)
		flame_reset(&t->flame);
	return err;
}

static int make_help(struct tui *t)
{
	FILE *out = document_begin(&t->help.document);
	int err;

	if (!out)
		return -ENOMEM;
	fputs(help_text, out);
	views_twin(&t->views, t->kind, out);
	fputc('\n', out);
	err = document_end(&t->help.document);
	free(t->help.shown);
	t->help.shown = calloc(t->help.document.count + 1, sizeof(*t->help.shown));
	if (err < 0 || !t->help.shown)
		return -ENOMEM;
	t->help.shown_count = t->help.document.count;
	for (size_t i = 0; i < t->help.shown_count; i++)
		t->help.shown[i] = i;
	t->help.cursor = t->help.top = 0;
	t->helping = true;
	return 0;
}

/* ---- words of the user's ------------------------------------------------------- */

static void draw_prompt(struct tui *t, const char *sign, const char *text)
{
	size_t used;

	screen_size(&t->rows, &t->columns);
	draw(t);
	used = screen_text(t->rows - 1, 0, t->columns, SCREEN_BAR, sign);
	used += screen_text(t->rows - 1, used, t->columns - used, SCREEN_BAR, text);
	screen_cells(t->rows - 1, used, t->columns - used, SCREEN_BAR, NULL, 0);
	screen_cursor(t->rows - 1, used < t->columns ? used : t->columns - 1);
	screen_show();
	screen_cursor(SIZE_MAX, 0);
}

static size_t take_back(char *text, size_t len)
{
	while (len && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
		len--;
	return len ? len - 1 : 0;
}

static size_t append(char *text, size_t len, int key)
{
	char bytes[MB_LEN_MAX + 1];
	mbstate_t state = {0};
	size_t n = wcrtomb(bytes, (wchar_t)key, &state);

	if (key < ' ' || n == (size_t)-1 || n >= PROMPT - len)
		return len;
	memcpy(text + len, bytes, n);
	return len + n;
}

/* False: the user thought better of it. */
static bool ask(struct tui *t, const char *sign, char text[static PROMPT])
{
	size_t len = 0;

	for (;;) {
		int key;

		text[len] = '\0';
		draw_prompt(t, sign, text);
		key = screen_key();
		if (key == SCREEN_ENTER)
			return len > 0;
		if (key == 27 || key == 7 || key == SCREEN_GONE ||
		    (key == SCREEN_BACKSPACE && !len))
			return false;
		if (key == SCREEN_BACKSPACE)
			len = take_back(text, len);
		else if (key < SCREEN_NONE)
			len = append(text, len, key);
	}
}

/* ---- search ---------------------------------------------------------------------- */

/* Unfolds what a line of the tree is in, and goes there. */
static int go_to_line(struct tui *t, size_t line)
{
	struct views_view *v = shown_view(t);
	struct views_item *item =
		t->kind == TUI_TREE && !t->helping ? views_item(&t->views, line) : NULL;
	int err = 0;

	while (item && item->parent != DOCUMENT_NONE) {
		item = &t->views.items[item->parent];
		item->folded = false;
	}
	if (t->kind == TUI_TREE && !t->helping)
		err = views_show(&t->views, TUI_TREE);
	for (size_t i = 0; i < v->shown_count; i++)
		if (v->shown[i] == line)
			v->cursor = i;
	return err;
}

static int search_lines(struct tui *t, bool back)
{
	const struct views_view *v = shown_view(t);
	size_t count = v->document.count;
	size_t from = v->shown_count ? v->shown[v->cursor] : 0;

	for (size_t step = 1; step <= count; step++) {
		size_t line = (from + (back ? count - step : step)) % count;

		if (!document_matches(&v->document, line, &t->regex))
			continue;
		if (back ? line >= from : line <= from)
			say(t, "the search went on from the other end");
		return go_to_line(t, line);
	}
	say(t, "no match");
	return 0;
}

static int search(struct tui *t, bool back)
{
	if (!t->has_regex) {
		say(t, "/ searches first");
		return 0;
	}
	if (!is_flame(t))
		return search_lines(t, back);
	if (!flame_search(&t->flame, &t->views, &t->regex, back))
		say(t, "no match");
	return 0;
}

static int search_for(struct tui *t)
{
	char text[PROMPT];
	regex_t regex;
	int err;

	if (!ask(t, "/", text))
		return 0;
	err = regcomp(&regex, text, REG_EXTENDED | REG_NOSUB);
	if (err) {
		regerror(err, &regex, t->message, sizeof(t->message));
		return 0;
	}
	if (t->has_regex)
		regfree(&t->regex);
	t->regex = regex;
	t->has_regex = true;
	return search(t, false);
}

/* ---- moving ------------------------------------------------------------------------
 */

static void move_by(struct tui *t, bool down, size_t count)
{
	struct views_view *v = shown_view(t);
	size_t most = v->shown_count ? v->shown_count - 1 : 0;

	if (down)
		v->cursor = count > most - v->cursor ? most : v->cursor + count;
	else
		v->cursor = count > v->cursor ? 0 : v->cursor - count;
	if (count > 1 && down)
		v->top = v->top + count < v->cursor ? v->top + count : v->cursor;
	else if (count > 1)
		v->top = count > v->top ? 0 : v->top - count;
}

static void move_across(struct tui *t, bool right)
{
	struct views_view *v = shown_view(t);
	size_t step = t->columns > 16 ? t->columns / 2 : 8;

	if (wraps(t))
		say(t, "long lines are broken here; w ends that");
	else if (!right)
		v->left = v->left > step ? v->left - step : 0;
	else if (v->left < CELLS)
		v->left += step;
}

static bool starts_part(const struct tui *t, const struct document *d, size_t line)
{
	static const char word[] = "Filename: ";
	const struct document_line *l = &d->lines[line];

	if (t->kind == TUI_LEAKS)
		return l->mark != DOCUMENT_NONE && l->len &&
		       (!line || d->lines[line - 1].mark != l->mark ||
			!d->lines[line - 1].len);
	return t->kind == TUI_LINES && l->len >= sizeof(word) - 1 &&
	       !memcmp(d->text + l->at, word, sizeof(word) - 1);
}

/* To the next function or leak, which is then on top. */
static void move_part(struct tui *t, bool down)
{
	struct views_view *v = shown_view(t);

	for (size_t i = v->cursor; down ? ++i < v->shown_count : i-- > 0;)
		if (starts_part(t, &v->document, v->shown[i])) {
			v->top = v->cursor = i;
			return;
		}
	say(t, "there is no other");
}

/* ---- the tree
 * -------------------------------------------------------------------------- */

static struct views_item *chosen_item(struct tui *t)
{
	struct views_view *v = &t->views.view[TUI_TREE];

	return v->shown_count ? views_item(&t->views, v->shown[v->cursor]) : NULL;
}

static bool has_under(const struct tui *t, const struct views_item *item)
{
	return item->end > (size_t)(item - t->views.items) + 1;
}

/* To the line of the row that called. */
static void move_out(struct tui *t, const struct views_item *item)
{
	struct views_view *v = &t->views.view[TUI_TREE];

	for (size_t i = v->cursor; i-- > 0;)
		if (views_item(&t->views, v->shown[i]) ==
		    &t->views.items[item->parent]) {
			v->cursor = i;
			return;
		}
}

static int fold(struct tui *t, int key)
{
	struct views_item *item = chosen_item(t);
	bool in = key == 'h' || key == SCREEN_LEFT;

	if (!item)
		return 0;
	if (in && (item->folded || !has_under(t, item))) {
		if (item->parent != DOCUMENT_NONE)
			move_out(t, item);
		return 0;
	}
	if (!has_under(t, item))
		return 0;
	item->folded = in || (key == SCREEN_ENTER && !item->folded);
	return views_show(&t->views, TUI_TREE);
}

/* Folds all but the rows up to the first that has several under it. */
static int fold_all(struct tui *t, bool folded)
{
	bool forked = false;

	for (size_t i = 0; i < t->views.item_count; i++) {
		struct views_item *item = &t->views.items[i];

		forked = forked || (i + 1 < t->views.item_count && has_under(t, item) &&
				    t->views.items[i + 1].end < item->end);
		item->folded = folded && forked && item->depth && has_under(t, item);
	}
	return views_show(&t->views, TUI_TREE);
}

/* ---- keys
 * ------------------------------------------------------------------------------ */

static void choose(struct tui *t, int kind)
{
	t->helping = false;
	t->kind = (enum tui_kind)((kind + TUI_KINDS) % TUI_KINDS);
}

static void ask_block(struct tui *t)
{
	char text[PROMPT];

	if (!ask(t, "block (address, function, file:line): ", text))
		return;
	snprintf(t->views.what, sizeof(t->views.what), "%s", text);
	views_drop(&t->views, TUI_REFS);
	t->views.view[TUI_REFS].cursor = 0;
}

/* From a leak to what points at one of its blocks. */
static void follow_leak(struct tui *t)
{
	const struct views_view *v = &t->views.view[TUI_LEAKS];
	uint32_t mark = v->shown_count ? v->document.lines[v->shown[v->cursor]].mark
				       : DOCUMENT_NONE;

	if (mark >= t->views.findings.count || !t->views.findings.items[mark].address) {
		say(t, mark == DOCUMENT_NONE ? "no leak is chosen: ] goes to one"
					     : "no address of its blocks is known");
		return;
	}
	snprintf(t->views.what, sizeof(t->views.what), "0x%llx",
		 (unsigned long long)t->views.findings.items[mark].address);
	t->views.refs = VIEWS_BACKREFS;
	views_drop(&t->views, TUI_REFS);
	t->views.view[TUI_REFS].cursor = 0;
	choose(t, TUI_REFS);
}

static int enter(struct tui *t)
{
	if (t->kind == TUI_TREE)
		return fold(t, SCREEN_ENTER);
	if (t->kind == TUI_FLAME)
		flame_zoom(&t->flame, &t->views);
	else if (t->kind == TUI_LEAKS)
		follow_leak(t);
	else if (t->kind == TUI_REFS)
		ask_block(t);
	return 0;
}

static void go_back(struct tui *t)
{
	t->flame.zoom = DOCUMENT_NONE;
	if (t->kind != TUI_REFS || !*t->views.what)
		return;
	*t->views.what = '\0';
	views_drop(&t->views, TUI_REFS);
	t->views.view[TUI_REFS].cursor = 0;
}

/* Whether it was a key of the flame graph's own. */
static bool flame_key(struct tui *t, int key)
{
	enum flame_way way;

	if (!is_flame(t))
		return false;
	if (key == 'k' || key == SCREEN_UP)
		way = FLAME_UP;
	else if (key == 'j' || key == SCREEN_DOWN)
		way = FLAME_DOWN;
	else if (key == 'h' || key == SCREEN_LEFT)
		way = FLAME_LEFT;
	else if (key == 'l' || key == SCREEN_RIGHT)
		way = FLAME_RIGHT;
	else if (key == 'g' || key == SCREEN_HOME)
		return flame_reset(&t->flame), true;
	else
		return key == 'G' || key == SCREEN_END;
	flame_move(&t->flame, &t->views, way);
	return true;
}

/* Whether it was a key that moves the cursor. */
static bool move_key(struct tui *t, int key)
{
	size_t page = body_rows(t);

	switch (key) {
	case 'j':
	case SCREEN_DOWN:
	case 'k':
	case SCREEN_UP:
		move_by(t, key == 'j' || key == SCREEN_DOWN, 1);
		return true;
	case ' ':
	case 6:
	case SCREEN_PAGE_DOWN:
		move_by(t, true, page);
		return true;
	case 'b':
	case 2:
	case SCREEN_PAGE_UP:
		move_by(t, false, page);
		return true;
	case 4:
	case 21:
		move_by(t, key == 4, page > 1 ? page / 2 : 1);
		return true;
	case 'g':
	case SCREEN_HOME:
	case 'G':
	case SCREEN_END:
		move_by(t, key == 'G' || key == SCREEN_END, SIZE_MAX / 2);
		return true;
	case ']':
	case '[':
		move_part(t, key == ']');
		return true;
	default:
		return false;
	}
}

static void change(struct tui *t, int key)
{
	const char *why;

	if (key == 's' || key == 'S')
		why = views_sort(&t->views, t->kind, key == 'S');
	else if (key == 'm')
		why = views_mode(&t->views, t->kind);
	else
		why = views_detail(&t->views, t->kind, key == '+' || key == '=');
	if (why)
		say(t, why);
	else if (!is_flame(t))
		shown_view(t)->cursor = shown_view(t)->top = 0;
}

static int across_key(struct tui *t, int key)
{
	if (t->kind == TUI_TREE && !t->helping)
		return fold(t, key);
	move_across(t, key == 'l' || key == SCREEN_RIGHT);
	return 0;
}

/* Keys of all views, and of the help. *ret_known: it was one. */
static int common_key(struct tui *t, int key, bool *ret_known)
{
	*ret_known = true;
	switch (key) {
	case '\t':
	case SCREEN_TAB_BACK:
		choose(t, (int)t->kind + (key == '\t' ? 1 : -1));
		return 0;
	case '?':
		return t->helping ? 0 : make_help(t);
	case '/':
		return search_for(t);
	case 'n':
	case 'N':
		return search(t, key == 'N');
	case 'w':
		t->wrap = !wraps(t);
		t->wrap_given = true;
		return 0;
	case 'h':
	case 'l':
	case SCREEN_LEFT:
	case SCREEN_RIGHT:
		return across_key(t, key);
	case 12:
		screen_redraw();
		return 0;
	default:
		*ret_known = false;
		return 0;
	}
}

static int view_key(struct tui *t, int key)
{
	switch (key) {
	case 's':
	case 'S':
	case 'm':
	case '+':
	case '=':
	case '-':
		change(t, key);
		return 0;
	case 'z':
	case 'Z':
		return t->kind == TUI_TREE ? fold_all(t, key == 'z') : 0;
	case SCREEN_ENTER:
		return enter(t);
	case SCREEN_BACKSPACE:
		go_back(t);
		return 0;
	default:
		if (key > ' ' && key < SCREEN_NONE)
			say(t, "no such key; ? lists them");
		return 0;
	}
}

static int take_key(struct tui *t, int key)
{
	bool known;
	int err;

	*t->message = '\0';
	if (key >= '1' && key < '1' + TUI_KINDS)
		return choose(t, key - '1'), 0;
	if (key > SCREEN_F && key <= SCREEN_F + TUI_KINDS)
		return choose(t, key - SCREEN_F - 1), 0;
	if (flame_key(t, key) || (!is_flame(t) && move_key(t, key)))
		return 0;
	err = common_key(t, key, &known);
	return known || t->helping ? err : view_key(t, key);
}

static int loop(struct tui *t)
{
	int err = 0;

	while (!err) {
		int key;

		err = make(t);
		if (err < 0)
			break;
		draw(t);
		key = screen_key();
		if (key == SCREEN_GONE || (key == 'q' && !t->helping))
			break;
		if (key == 'q' || (key == 27 && t->helping))
			t->helping = false;
		else if (key != SCREEN_NONE && key != SCREEN_RESIZED)
			err = take_key(t, key);
	}
	return err;
}

int tui_run(const struct profile *p, const struct tui_options *o)
{
	struct tui *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	views_init(&t->views, p, o);
	flame_reset(&t->flame);
	t->kind = o->first;
	err = screen_open(o->colour);
	if (!err) {
		err = loop(t);
		screen_close();
	}
	if (t->has_regex)
		regfree(&t->regex);
	document_done(&t->help.document);
	free(t->help.shown);
	views_done(&t->views);
	free(t);
	return err;
}
