#include "cli/tui/draw.h"

#include "cli/base/cleanup.h"
#include "cli/tui/body.h"
#include "cli/tui/screen.h"

static void draw_title(const struct tui *t)
{
	size_t column = 0, need = 0;
	int count = tui_count(t->views.options);
	char name[32];

	for (int i = 0; i < count; i++)
		need += strlen(tui_words[i]) + 4;
	for (int i = 0; i < count && need <= t->columns; i++) {
		snprintf(name, sizeof(name), " %d %s ", i + 1, tui_words[i]);
		column += screen_text(0, column, t->columns - column,
				      i == (int)t->kind && !t->helping ? SCREEN_CHOSEN
								       : SCREEN_BAR,
				      name);
	}
	if (need > t->columns) {
		snprintf(name, sizeof(name), " %d/%d %s ", (int)t->kind + 1, count,
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
	const struct views_view *v = state_view(t);

	if (*t->message) {
		fputs(t->message, out);
	} else if (t->helping) {
		fputs("help", out);
	} else if (state_is_flame(t)) {
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

void draw_all(struct tui *t)
{
	_cleanup_(freep) char *twin = twin_text(t);

	screen_erase();
	if (state_is_flame(t))
		flame_draw(&t->flame, &t->views, body_row(t), body_rows(t), t->columns);
	else
		body_draw(t);
	if (t->rows >= 6)
		draw_title(t);
	if (t->rows >= 6 && twin)
		screen_text(t->rows - 2, 0, t->columns, SCREEN_HINT, twin);
	if (t->rows >= 3)
		draw_status(t);
	screen_show();
}
