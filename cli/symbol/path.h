/*
 * path.h - source paths in one spelling, so that equal files are equal strings.
 */
#pragma once

#include <stddef.h>

#define PATH_MAX_BYTES 4096

/* Joins dir (may be "") and file unless file is absolute, and drops what leads nowhere:
 * "//", "/.", "a/..". By spelling alone: no link is followed. Returns the length, the
 * path NUL-terminated in ret; 0 for an empty file name and for one that does not fit.
 */
size_t path_normalise(const char *dir, const char *file, char ret[PATH_MAX_BYTES]);
