/*
 * moments.h - the moments that programs have given names (heapline_mark()), by name.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

#include <stdio.h>

/* A table of so many columns, or nothing if there are none. 0 or -ENOMEM. */
int moments_text(const struct profile *p, size_t width, bool colour, FILE *out);

/* "marks": [...], each name with its moments, of each process. */
void moments_json(const struct profile *p, struct json *j);
