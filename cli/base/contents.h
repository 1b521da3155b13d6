/*
 * contents.h - a small file that people write, as one text.
 */
#pragma once

#include <stddef.h>

/* Reads a file's first most + 1 bytes, so that a greater *ret_len says that it is larger
 * than `most`. *ret is the caller's to free, with a NUL behind. 0 or -errno. */
int contents_read(const char *path, size_t most, char **ret, size_t *ret_len);
