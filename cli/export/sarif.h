/*
 * sarif.h - a gate's outcome in SARIF 2.1.0, for code scanning.
 *
 * Within the limits that GitHub sets: it takes 25,000 results of a run and shows 5,000,
 * so that those are what is written, the ones that fail first; a stack has SARIF_FRAMES
 * frames at most, which keeps the file below its 10 MB once compressed. What is left
 * out is said in a notification, as are limits, which have no place in a source.
 */
#pragma once

#include "cli/export/outcome.h"

enum { SARIF_RESULTS = 5000, SARIF_FRAMES = 32 };

void sarif_write(const struct outcome *o, FILE *out);
