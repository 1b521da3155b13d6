/*
 * prompt.h - words that the user types on the last line.
 */
#pragma once

#include "cli/tui/state.h"

/* False: the user thought better of it. */
bool prompt_ask(struct tui *t, const char *sign, char text[static STATE_WORD]);
