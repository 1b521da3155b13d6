/*
 * github.h - a gate's outcome for GitHub Actions: annotations, which are lines that the
 * runner takes out of a step's output, and the step's summary in Markdown.
 *
 * The runner shows GITHUB_ERRORS errors of a step and silently drops the rest: the last
 * line says then how many there are. A summary may have 1 MiB: GITHUB_ROWS leaks.
 */
#pragma once

#include "cli/export/outcome.h"

enum { GITHUB_ERRORS = 10, GITHUB_ROWS = 200 };

void github_annotations(const struct outcome *o, FILE *out);
void github_summary(const struct outcome *o, FILE *out);
