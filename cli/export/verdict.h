/*
 * verdict.h - a gate's outcome in JSON: docs/json.md, "check".
 */
#pragma once

#include "cli/export/outcome.h"

void verdict_json(const struct outcome *o, FILE *out);
