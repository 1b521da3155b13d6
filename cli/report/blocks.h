/*
 * blocks.h - `blocks`: the live blocks of a snapshot by allocation site, and `cycles`:
 * those that hold each other in a ring.
 */
#pragma once

#include "cli/report/held.h"

struct blocks_options {
	int level;	  /* only blocks of that enum held_level; -1: any; HELD_NO */
	uint64_t least;	  /* bytes of a block */
	size_t limit;	  /* rows, or cycles; 0: 20 */
	bool all;	  /* cycles that are held, too */
	const char *type; /* only blocks of such types, as of types_match(); NULL */
};

enum { HELD_NO = 255 }; /* HEAP_UNREACHED */

#define BLOCKS_HELD_WORDS "sure inside weak exited ignored no"

/* One of the words above; false: it is none. */
bool blocks_parse_held(const char *word, int *ret);

int blocks_text(const struct held *h, const struct blocks_options *o, FILE *out);
int blocks_json(const struct held *h, const struct blocks_options *o, FILE *out);

int cycles_text(const struct held *h, const struct blocks_options *o, FILE *out);
int cycles_json(const struct held *h, const struct blocks_options *o, FILE *out);
