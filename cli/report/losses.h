/*
 * losses.h - what a profile does not know, said at the head of every report.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

/* A warning for everything that makes figures too low or names missing; nothing if
 * all is well. */
void losses_text(const struct profile *p, bool colour, FILE *out);

/* "losses": {"events": ...}. */
void losses_json(const struct profile *p, struct json *j);
