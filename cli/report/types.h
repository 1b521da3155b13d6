/*
 * types.h - `top --by type`: the objects of a snapshot by their types, as objgraph's
 * most_common_types() and Pympler's summary have them, and how they grew; and `top --by
 * referrer`, a partition by who refers to them, as heapy's byrcs is.
 */
#pragma once

#include "cli/report/held.h"

struct types_options {
	size_t limit; /* rows; 0: 20 */
	bool bytes;   /* exact */
	bool colour;
};

struct types_row {
	uint32_t type;		 /* 0: blocks whose type is not known */
	bool is_unused;		 /* freed by the program and kept: of no use to it */
	uint64_t objects, bytes; /* own blocks of them */
	uint64_t parts, part_bytes;
	uint64_t tracked; /* by the collector of garbage */
	/* Of the parts, those that have the attributes of an object each. */
	uint64_t values, value_bytes;
	/* What the objects with their attributes would have if these were in slots;
	 * 0: that is not known. */
	uint64_t slots_bytes;
};

/* Rows with something in them, the most bytes first; malloc'ed. 0 or -ENOMEM. */
int types_rows(const struct held *h, struct types_row **ret, size_t *ret_count);

/* What shares with it: a type's name; of each type the first one of its name, since a
 * class may have been made several times (malloc'ed, NULL without memory); what is not
 * to be seen in a snapshot, and why. */
const char *types_name(const struct held *h, uint32_t type);
uint32_t *types_first_of_name(const struct held *h);
void types_say_lacking(const struct held *h, FILE *out);

/* Whether a type is meant: by its whole name, or its last parts ("Node" of
 * "app.Node"), with * and ?. */
bool types_match(const char *pattern, const char *name);

int types_text(const struct held *h, const struct types_options *o, FILE *out);
int types_json(const struct held *h, const struct types_options *o, FILE *out);

/* What grew and shrank from one snapshot to another, types matched by name; as
 * objgraph's show_growth() has it. */
int types_growth_text(const struct held *a, const struct held *b,
		      const struct types_options *o, FILE *out);
int types_growth_json(const struct held *a, const struct held *b,
		      const struct types_options *o, FILE *out);

/* Each object, with its parts, in the row of its type and of the types of all that
 * refer to it. Of graphs that are inverted. */
int types_referrers_text(const struct held *h, const struct types_options *o,
			 FILE *out);
int types_referrers_json(const struct held *h, const struct types_options *o,
			 FILE *out);
