/*
 * chain.h - `path`: why a block is still there, in words: the shortest ways from roots.
 */
#pragma once

#include "cli/report/chosen.h"

struct chain_options {
	const char *what; /* as of held_find() */
	size_t paths;	  /* of each block; 0: one */
	size_t blocks;	  /* 0: one */
	struct chosen_words avoid; /* blocks that no way may lead through */
};

/* Which roots and pointers a way may use, by bits: rather starts of blocks from places
 * that are sure; else, in this order, whatever there is. */
enum { CHAIN_TRIES = 4 };
extern const struct chain_try {
	uint32_t kinds, hows;
} chain_tries[CHAIN_TRIES];

/* 0; -ENXIO: `what` names no block; -errno. */
int chain_text(const struct held *h, const struct chain_options *o, FILE *out);
int chain_json(const struct held *h, const struct chain_options *o, FILE *out);

/* "g_table+0x88 in a.out -> block +16 -> block, 8 bytes into it": the way to one block
 * in a line, in *ret (to be freed; NULL: nobody holds it). Raw, for text_put(). 0 or
 * -ENOMEM. */
int chain_line(const struct held *h, uint32_t block, char **ret);
