/*
 * words.c - what views are called, with or without a terminal library.
 */
#include "cli/tui/tui.h"

#include <string.h>

const char *const tui_words[TUI_KINDS] = {"lines",    "tree",  "flame",	     "top",
					  "timeline", "leaks", "references", "diff"};

static const char *const verbs[TUI_KINDS] = {"lines",	 "tree",  "tree",   "top",
					     "timeline", "leaks", "blocks", "diff"};

const char *tui_verb(enum tui_kind kind)
{
	return verbs[kind];
}

bool tui_parse_kind(const char *word, enum tui_kind *ret)
{
	for (int i = 0; i < TUI_KINDS; i++)
		if (!strcmp(word, tui_words[i])) {
			*ret = (enum tui_kind)i;
			return true;
		}
	return false;
}
