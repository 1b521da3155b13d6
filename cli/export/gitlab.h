/*
 * gitlab.h - a gate's outcome as GitLab's code quality report, a JSON list of issues:
 * leaks that fail, limits that were exceeded, and why nothing was checked.
 */
#pragma once

#include "cli/export/outcome.h"

void gitlab_write(const struct outcome *o, FILE *out);
