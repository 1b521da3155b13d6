/*
 * source_paths.h - the values of --source-path, as they come from a command line.
 */
#pragma once

#include <stddef.h>

enum { SOURCE_PATHS_BYTES = 4096 };

struct source_paths {
	char rules[SOURCE_PATHS_BYTES]; /* FROM=TO, a line each */
	size_t len;
};

/* Adds one. NULL, or a clause on what is wrong with it. */
const char *source_paths_add(struct source_paths *s, const char *rule);
