/*
 * snapshots.h - which heap graphs a profile has, in a list.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

#include <stdio.h>

/* A line each, at most so many. Nothing if there are none. */
void snapshots_text(const struct profile *p, size_t limit, FILE *out);

/* "snapshots": [...]. */
void snapshots_json(const struct profile *p, struct json *j);
