/*
 * edits.h - which line of a text became which line of a later one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	EDITS_NONE = UINT32_MAX,
	EDITS_CELLS = 4 << 20, /* pairs of lines compared for one text, at most */
};

struct edits_line { /* not terminated */
	const char *text;
	size_t len;
};

/*
 * Fills map[i] with the line of a[0..n) that b[i] was, or EDITS_NONE. Lines are the
 * same if they are but for white space at their ends; the most lines that can stay in
 * order do. Between those, as many lines in b as in a are taken for edited ones; where
 * they are not as many, those that are mostly the same. *budget is what may be spent on
 * pairs of lines and their bytes, and becomes less; without, only the lines that are the
 * same at both ends are found. 0 or -ENOMEM.
 */
int edits_match(const struct edits_line *a, size_t n, const struct edits_line *b,
		size_t m, uint32_t *map, size_t *budget);
