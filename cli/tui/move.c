#include "cli/tui/move.h"

#include "cli/tui/body.h"
#include "cli/tui/screen.h"

void move_by(struct tui *t, bool down, size_t count)
{
	struct views_view *v = state_view(t);
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

void move_across(struct tui *t, bool right)
{
	struct views_view *v = state_view(t);
	size_t step = t->columns > 16 ? t->columns / 2 : 8;

	if (body_wraps(t))
		state_say(t, "long lines are broken here; w ends that");
	else if (!right)
		v->left = v->left > step ? v->left - step : 0;
	else if (v->left < STATE_CELLS)
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
void move_part(struct tui *t, bool down)
{
	struct views_view *v = state_view(t);

	for (size_t i = v->cursor; down ? ++i < v->shown_count : i-- > 0;)
		if (starts_part(t, &v->document, v->shown[i])) {
			v->top = v->cursor = i;
			return;
		}
	state_say(t, "there is no other");
}

/* ---- the tree ---------------------------------------------------------------- */

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

int move_fold(struct tui *t, int key)
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
int move_fold_all(struct tui *t, bool folded)
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
