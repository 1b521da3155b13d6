/*
 * chain.h - `path`: why a block is still there, in words: the shortest ways from roots.
 */
#pragma once

#include "cli/report/held.h"

struct chain_options {
	const char *what; /* as of held_find() */
	size_t paths;	  /* of each block; 0: one */
	size_t blocks;	  /* 0: one */
};

/* 0; -ENXIO: `what` names no block; -errno. */
int chain_text(const struct held *h, const struct chain_options *o, FILE *out);
int chain_json(const struct held *h, const struct chain_options *o, FILE *out);
