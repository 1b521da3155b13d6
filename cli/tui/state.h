/*
 * state.h - the terminal viewer while it runs: which view is on the screen, and what
 * its modules hand to each other. For cli/tui/ alone.
 */
#pragma once

#include "cli/tui/flame.h"
#include "cli/tui/views.h"

#include <string.h>

enum {
	STATE_CELLS = 8192, /* of a line; more is cut */
	STATE_WORD = 256,   /* room for a message, or what was typed */
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
	char message[STATE_WORD];
	struct document_cell cells[STATE_CELLS]; /* of the line at hand */
};

/* What is on the screen. Of the flame graph, which has no lines, it is unused. */
static inline struct views_view *state_view(struct tui *t)
{
	return t->helping ? &t->help : &t->views.view[t->kind];
}

static inline bool state_is_flame(const struct tui *t)
{
	return t->kind == TUI_FLAME && !t->helping;
}

/* Shown on the last line until the next key. */
static inline void state_say(struct tui *t, const char *message)
{
	snprintf(t->message, sizeof(t->message), "%s", message);
}
