/*
 * body.h - the lines of a view on the screen: cut or broken to its width, and scrolled
 * so that the chosen one is in sight.
 */
#pragma once

#include "cli/tui/state.h"

/* Rows of the screen that a view has, and the first of them. */
size_t body_rows(const struct tui *t);
size_t body_row(const struct tui *t);

/* Whether long lines are broken, rather than moved. */
bool body_wraps(const struct tui *t);

void body_draw(struct tui *t);
