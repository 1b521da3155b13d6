/*
 * stack_text.h - a stack, a line a frame, for reports that show it below a site.
 */
#pragma once

#include "cli/profile/profile.h"

#include <stdio.h>

/* Innermost frame first: function, file and line, or module. */
void stack_text(const struct profile *p, uint32_t stack, FILE *out);
