/*
 * view_words.h - a question to the server of `heapline view` as the command line that
 * asks the same at a terminal. What a verb takes there it takes here, but for options
 * that write files, read files of the asker's choice, or choose another output.
 */
#pragma once

#include "cli/serve/request.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	VIEW_WORDS = REQUEST_PAIRS + 8, /* with the NULL behind them */
	VIEW_WHY = 256,
};

struct view_words {
	char *argv[VIEW_WORDS];
	int argc;
	bool parts;			/* it asks for a part of the recording */
	bool graph;			/* the verb reads a snapshot's heap graph: */
	const char *snapshot, *process; /* which one, as asked for; "": any */
	const char *path;		/* of the profile, or the first of two */
	char text[REQUEST_BYTES + 4096];
	size_t len;
};

/* The question of a verb (of profile 1 with the prefix "b."). files: paths of the
 * profiles; the second may be NULL. 0, or with a clause in why the status of HTTP that
 * it is refused with: 400, 404 (no such verb, or no second profile). */
int view_words(const char *verb, const struct request *r, const char *const files[2],
	       struct view_words *ret, char why[VIEW_WHY]);
