/*
 * move.h - about a view by keys: lines, parts, and the tree's rows, which fold.
 */
#pragma once

#include "cli/tui/state.h"

void move_by(struct tui *t, bool down, size_t count);
void move_across(struct tui *t, bool right);

/* To the next function or leak, or the one before. */
void move_part(struct tui *t, bool down);

/* By the key that asks for it: Enter, h or l. 0 or -ENOMEM. */
int move_fold(struct tui *t, int key);

/* All rows of the tree. 0 or -ENOMEM. */
int move_fold_all(struct tui *t, bool folded);
