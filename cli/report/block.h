/*
 * block.h - `at` and `roots`: one block with all that is known of it, and everything
 * that holds blocks, by place.
 */
#pragma once

#include "cli/report/held.h"

struct block_options {
	const char *what; /* as of held_find() */
	const char *path; /* of the profile: contents are read from it */
	size_t most;	  /* blocks; 0: 10 */
};

/* 0; -ENXIO: `what` names no block; -errno. */
int block_text(const struct held *h, const struct block_options *o, FILE *out);
int block_json(const struct held *h, const struct block_options *o, FILE *out);

/* limit: places shown, 0: 20. */
int roots_text(const struct held *h, size_t limit, FILE *out);
int roots_json(const struct held *h, size_t limit, FILE *out);
