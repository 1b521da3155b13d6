/*
 * unfollowed.h - the programs that recorded processes executed and that could not be
 * recorded: no figure has anything of theirs.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

#include <stdio.h>

/* Why a program was not followed, as a clause. why: enum profile_why. */
const char *unfollowed_why(uint32_t why);

/* A warning with the first few of them; nothing if there is none. */
void unfollowed_text(const struct profile *p, bool colour, FILE *out);

/* "unfollowed": [{"pid", "parent_serial", "program", "why", "at_ns"}, ...] */
void unfollowed_json(const struct profile *p, struct json *j);
