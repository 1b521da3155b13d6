/*
 * rows.h - the rows of chunks, into the arrays of a profile: each number is checked
 * against what bounds it as it is decoded.
 */
#pragma once

#include "cli/profile/format.h"
#include "cli/profile/load.h"

struct rows { /* what a chunk's payload begins with */
	uint64_t first, count, columns;
};

/* Reads it: rows are believed as far as the payload could hold them, at a byte a
 * column. 0 or -EBADMSG. */
int rows_get(struct bytes_reader *in, const struct format_section *s, struct rows *ret);

/* Loads the payload of a chunk. 0, -EBADMSG or -ENOMEM; types that are unknown, and
 * commits, hold nothing. */
int rows_load(struct load *l, uint16_t type, struct bytes_reader *in);
