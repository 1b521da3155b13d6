/*
 * flame.h - the tree as an icicle of cells: a row for each depth, the callers on top
 * of what they call, as wide as their share.
 */
#pragma once

#include "cli/tui/views.h"

#include <regex.h>

struct flame {
	uint32_t at;   /* the chosen item */
	uint32_t zoom; /* the one that is as wide as the screen; DOCUMENT_NONE: all */
	size_t top;    /* depths out of sight */
};

/* The tree was made anew. */
void flame_reset(struct flame *f);

void flame_draw(struct flame *f, const struct views *v, size_t row, size_t rows,
		size_t columns);

enum flame_way { FLAME_UP, FLAME_DOWN, FLAME_LEFT, FLAME_RIGHT };

/* To the caller, to the greatest called, to what is beside it. */
void flame_move(struct flame *f, const struct views *v, enum flame_way way);

/* Shows the chosen one as wide as the screen; one that is already: its caller. */
void flame_zoom(struct flame *f, const struct views *v);

/* Goes to the next one that matches, from the chosen one on. False: there is none. */
bool flame_search(struct flame *f, const struct views *v, const regex_t *regex,
		  bool back);

/* "parse (a.c): 1.2 MiB, 12.5 %": the chosen one. */
void flame_state(const struct flame *f, const struct views *v, FILE *out);
