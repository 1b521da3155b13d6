/*
 * lines_source.h - the text of source lines, as a profile keeps it.
 */
#pragma once

#include "cli/profile/profile.h"

struct lines_source {
	const struct profile *profile;
	uint32_t *order; /* sources, by file and first line */

	/* A place that goes forward with the lines asked for. */
	const struct profile_source *current;
	const char *text; /* at line `number` of current */
	uint32_t number;
};

/* 0 or -ENOMEM. lines_source_done() in any case. */
int lines_source_init(struct lines_source *s, const struct profile *p);
void lines_source_done(struct lines_source *s);

/* Whether there is any text of a file. */
bool lines_source_known(const struct lines_source *s, uint32_t file);

/* A line's text, without its newline; its length in *ret_len. NULL: there is none.
 * Cheap for lines asked for in order. */
const char *lines_source_text(struct lines_source *s, uint32_t file, uint32_t number,
			      size_t *ret_len);
