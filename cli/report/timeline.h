/*
 * timeline.h - live bytes, resident bytes and allocations over time: a chart of
 * characters, an SVG picture, or numbers.
 *
 * The recording's bins are laid into cells of equal length that cover it, or the range
 * of time that profile->slice tells (profile_slice_timeline()). What a cell shares with
 * a bin, it takes from it: minimum, maximum, last value; allocations in proportion to
 * the time, so that those of all cells are those of all bins, exactly.
 */
#pragma once

#include "cli/profile/profile.h"

#include <stdio.h>

enum {
	TIMELINE_SCHEMA = 1, /* of the JSON: grows with changes that break scripts */
	TIMELINE_WIDTH_MIN = 40, /* columns of text */
	TIMELINE_WIDTH_MAX = 400,
	TIMELINE_CELLS_MAX = 65536,
};

struct timeline_options {
	size_t cells; /* that text, picture and numbers have; 0: what fits */
	size_t width; /* of the text, columns; 0: 80 */
	bool utf8;    /* block characters, else ASCII */
	bool bytes, colour;
};

struct timeline_span {
	uint64_t start_ns, end_ns; /* the one before the other */
};

struct timeline_span timeline_span(const struct profile *p);

/* Fills count > 0 cells, which cover the span. 0, or -ENOMEM. */
int timeline_cells(const struct profile *p, size_t count, struct profile_bin *cells);

/* Whether the peak is in the span. */
bool timeline_has_peak(const struct profile *p);

/* How many cells make sense, if so many are wanted: none is shorter than 1 ns. */
size_t timeline_fit(const struct profile *p, size_t wanted);

/* Allocations per second in a cell of that length. */
uint64_t timeline_rate(const struct profile_bin *cell, uint64_t length_ns);

/* Gives cells without a sample of resident bytes the one before, be it before the span,
 * as long as a process ran. */
void timeline_hold_rss(const struct profile *p, struct profile_bin *cells,
		       size_t count);

/* Write the report: 0 or -ENOMEM. */
int timeline_text(const struct profile *p, const struct timeline_options *o, FILE *out);
int timeline_json(const struct profile *p, const struct timeline_options *o, FILE *out);
int timeline_svg(const struct profile *p, const struct timeline_options *o, FILE *out);
