/*
 * cut.h - words for the part of a recording that a profile was cut to
 * (profile/slice.h): every report says which part it shows, and every JSON names it.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

#include <stdio.h>

struct cut_words {
	char text[96];
};

/* "whole run", or "from 1.049 s to 3.015 s". */
struct cut_words cut_period(const struct profile *p);

/* "over the whole run", or "from 1.049 s to 3.015 s". */
struct cut_words cut_over(const struct profile *p);

/* Length of the range, or of the whole recording. */
uint64_t cut_length_ns(const struct profile *p);

/* What takes the peak's place: "3.015 s after the start", "the end"; "" if nothing
 * does. */
struct cut_words cut_moment(const struct profile *p);

/* "never freed", or "allocated then and never freed". */
const char *cut_leaked(const struct profile *p);

/* Whether it was cut at all. */
bool cut_is(const struct profile *p);

/* What the report is of, where that is not the whole run: a line or more. path, if not
 * NULL, tells which of several profiles it is. */
void cut_text(const struct profile *p, const char *path, FILE *out);

/* "filter": {...} of an object begun; empty for the whole run. */
void cut_json(const struct profile *p, struct json *j);
