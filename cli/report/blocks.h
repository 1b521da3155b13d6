/*
 * blocks.h - `blocks`: the live blocks of a snapshot by allocation site, and `cycles`:
 * those that hold each other in a ring.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/report/held.h"

struct blocks_options {
	int level;	  /* only blocks of that enum held_level; -1: any; HELD_NO */
	uint64_t least;	  /* bytes of a block */
	size_t limit;	  /* rows, or cycles; 0: 20 */
	bool all;	  /* cycles that are held, too */
	const char *type; /* only blocks of such types, as of types_match(); NULL */
};

struct blocks_group {	/* blocks of one stack and type, held alike */
	uint32_t first; /* the lowest address */
	uint64_t count, bytes;
};

enum { HELD_NO = 255 }; /* HEAP_UNREACHED */

#define BLOCKS_HELD_WORDS "sure inside weak exited ignored no"

/* One of the words above; false: it is none. */
bool blocks_parse_held(const char *word, int *ret);

/* The wanted blocks by group, those with most bytes first. *ret is malloc'ed. 0 or
 * -ENOMEM. */
int blocks_groups(const struct held *h, const struct blocks_options *o,
		  struct blocks_group **ret, size_t *ret_count);

/* held_type() without the name that one of them has: what those of a group are. Raw. */
const char *blocks_type(const struct held *h, uint32_t block, char *buffer,
			size_t room);

/* Items of an array begun: "count", "sum_bytes" and the "first" block. */
void blocks_groups_json(const struct held *h, const struct blocks_group *groups,
			size_t count, struct json *j);

int blocks_text(const struct held *h, const struct blocks_options *o, FILE *out);
int blocks_json(const struct held *h, const struct blocks_options *o, FILE *out);

int cycles_text(const struct held *h, const struct blocks_options *o, FILE *out);
int cycles_json(const struct held *h, const struct blocks_options *o, FILE *out);
