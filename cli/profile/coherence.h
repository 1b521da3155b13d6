/*
 * coherence.h - what must hold of a profile as a whole: everything refers to what is
 * there, nothing contradicts itself. That sums add up is profile_check()'s (totals.h).
 */
#pragma once

#include "cli/profile/profile.h"

/* 0 and *ret_wrong NULL, or a clause on the first thing that is wrong; -ENOMEM. */
int coherence_check(const struct profile *p, const char **ret_wrong);
