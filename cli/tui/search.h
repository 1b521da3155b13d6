/*
 * search.h - the next line, or cell of the flame graph, that matches an expression.
 */
#pragma once

#include "cli/tui/state.h"

/* Asks for an expression and goes to its first match. 0 or -ENOMEM. */
int search_ask(struct tui *t);

/* To the next match, or the one before. 0 or -ENOMEM. */
int search_next(struct tui *t, bool back);
