/*
 * frames_json.h - places in code, as reports write them in JSON.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/report/frames.h"

/* "function", "file", "module", of an object begun. A frame without a stack: "". */
void frames_json(const struct profile *p, const struct frames_frame *f, struct json *j);

/* "stack": the frames with their "line", innermost first. */
void frames_json_stack(const struct profile *p, uint32_t stack, struct json *j);
