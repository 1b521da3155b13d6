#include "cli/tui/tui.h"

#include "cli/tui/body.h"
#include "cli/tui/draw.h"
#include "cli/tui/move.h"
#include "cli/tui/prompt.h"
#include "cli/tui/screen.h"
#include "cli/tui/search.h"
#include "cli/tui/state.h"

#include <errno.h>
#include <stdlib.h>

static const char help_text[] =
	"Keys, as in less, vim and htop\n"
	"\n"
	"1 to 8, F1 to F8    the views: lines, tree, flame, top, timeline, leaks,\n"
	"                    references, and of two profiles diff\n"
	"Tab, Shift-Tab      the next view, the one before\n"
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
	"                    backrefs, refs or path; what changed by line, function,\n"
	"                    ..., type, leak or block\n"
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

/* ---- making -------------------------------------------------------------------- */

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

/* ---- keys -------------------------------------------------------------------- */

static void choose(struct tui *t, int kind)
{
	int count = tui_count(t->views.options);

	t->helping = false;
	t->kind = (enum tui_kind)((kind + count) % count);
}

static void ask_block(struct tui *t)
{
	char text[STATE_WORD];

	if (!prompt_ask(t, "block (address, function, file:line): ", text))
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
		state_say(t, mark == DOCUMENT_NONE
				     ? "no leak is chosen: ] goes to one"
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
		return move_fold(t, SCREEN_ENTER);
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
	if (t->kind == TUI_FLAME)
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

	if (!state_is_flame(t))
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
		state_say(t, why);
	else if (!state_is_flame(t))
		state_view(t)->cursor = state_view(t)->top = 0;
}

static int across_key(struct tui *t, int key)
{
	if (t->kind == TUI_TREE && !t->helping)
		return move_fold(t, key);
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
		return search_ask(t);
	case 'n':
	case 'N':
		return search_next(t, key == 'N');
	case 'w':
		t->wrap = !body_wraps(t);
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
		return t->kind == TUI_TREE ? move_fold_all(t, key == 'z') : 0;
	case SCREEN_ENTER:
		return enter(t);
	case SCREEN_BACKSPACE:
		go_back(t);
		return 0;
	default:
		if (key > ' ' && key < SCREEN_NONE)
			state_say(t, "no such key; ? lists them");
		return 0;
	}
}

static int take_key(struct tui *t, int key)
{
	int count = tui_count(t->views.options), err;
	bool known;

	*t->message = '\0';
	if (key >= '1' && key < '1' + count)
		return choose(t, key - '1'), 0;
	if (key > SCREEN_F && key <= SCREEN_F + count)
		return choose(t, key - SCREEN_F - 1), 0;
	if (flame_key(t, key) || (!state_is_flame(t) && move_key(t, key)))
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
		draw_all(t);
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
