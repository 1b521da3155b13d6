/*
 * chosen.h - the blocks that a few words of the user's mean, as held_find() reads them:
 * to be left out, shown alone, pointed out, or gone around.
 */
#pragma once

#include "cli/report/held.h"

enum { CHOSEN_WORDS = 16 };

struct chosen_words {
	const char *items[CHOSEN_WORDS]; /* not owned */
	size_t count;
};

/* NULL, or why it cannot be one more. */
const char *chosen_add(struct chosen_words *w, const char *word);

/* By block: 1 if a word means it. *ret is malloc'ed, NULL if there are no words. 0 or
 * -ENOMEM. */
int chosen_blocks(const struct held *h, const struct chosen_words *w, uint8_t **ret);
