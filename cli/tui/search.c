#include "cli/tui/search.h"

#include "cli/tui/prompt.h"

/* Unfolds what a line of the tree is in, and goes there. */
static int go_to_line(struct tui *t, size_t line)
{
	struct views_view *v = state_view(t);
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
	const struct views_view *v = state_view(t);
	size_t count = v->document.count;
	size_t from = v->shown_count ? v->shown[v->cursor] : 0;

	for (size_t step = 1; step <= count; step++) {
		size_t line = (from + (back ? count - step : step)) % count;

		if (!document_matches(&v->document, line, &t->regex))
			continue;
		if (back ? line >= from : line <= from)
			state_say(t, "the search went on from the other end");
		return go_to_line(t, line);
	}
	state_say(t, "no match");
	return 0;
}

int search_next(struct tui *t, bool back)
{
	if (!t->has_regex) {
		state_say(t, "/ searches first");
		return 0;
	}
	if (!state_is_flame(t))
		return search_lines(t, back);
	if (!flame_search(&t->flame, &t->views, &t->regex, back))
		state_say(t, "no match");
	return 0;
}

int search_ask(struct tui *t)
{
	char text[STATE_WORD];
	regex_t regex;
	int err;

	if (!prompt_ask(t, "/", text))
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
	return search_next(t, false);
}
