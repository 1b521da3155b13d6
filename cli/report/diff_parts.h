/*
 * diff_parts.h - what comparisons have in common, as they write it: diff_text.c,
 * diff_json.c, changes_text.c.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/base/units.h"
#include "cli/report/diff.h"

/* ---- for people ----------------------------------------------------------- */

struct units_text diff_amount_text(const struct diff_page *page,
				   struct profile_amount amount,
				   enum diff_metric metric);

/* b - a of the main value, or, where that is equal, of the other. */
struct units_text diff_change_text(const struct diff_page *page,
				   const struct profile_amount amount[2],
				   enum diff_metric metric);

void diff_put_title(const struct diff_page *page, const char *title, FILE *out);

/* What A and B are, and what they do not know. */
void diff_put_heads(const struct diff_page *page, FILE *out);

/* "3 new, 1 gone, ...": of status[DIFF_STATUSES]. */
void diff_put_counts(const size_t *status, FILE *out);

/* How a row begins: its figures and what became of it. */
void diff_put_figures(const struct diff_page *page,
		      const struct profile_amount amount[2], enum diff_status status,
		      FILE *out);

/* ---- for scripts ---------------------------------------------------------- */

/* "a", "b", "difference" of an object begun. */
void diff_json_amounts(struct json *j, const struct profile_amount both[2]);

/* Begins "a" or "b": what the recording is. */
void diff_json_profile(struct json *j, const struct diff_page *page, int side);

/* "rows_by_status". */
void diff_json_counts(struct json *j, const size_t *status);
