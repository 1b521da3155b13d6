/*
 * python.h - what reports say of the Python interpreters in a profile whose frames were
 * not recorded.
 */
#pragma once

#include "cli/base/json.h"
#include "cli/profile/profile.h"

#include <stdio.h>

/* Why a process's Python frames were not recorded; NULL: they were, or it has none. */
const char *python_why(const struct profile_process *q);

/* What the heap's blocks are asked of: "malloc", and of Python's objects if they were
 * recorded in any process. */
const char *python_allocators(const struct profile *p);

/* Who keeps what is called runtime. */
const char *python_runtime(const struct profile *p);

/* "the heap (...)", or of mapped memory. */
const char *python_domain(const struct profile *p, enum profile_domain domain);

/* A line for each version and reason. */
void python_text(const struct profile *p, bool colour, FILE *out);

/* "python": null, or the version and whether frames were recorded, of a process. */
void python_json(const struct profile_process *q, struct json *j);
