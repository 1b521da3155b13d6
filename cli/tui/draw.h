/*
 * draw.h - the whole screen: the views' names, the view at hand, the command that
 * prints the same, and a line for messages.
 */
#pragma once

#include "cli/tui/state.h"

void draw_all(struct tui *t);
