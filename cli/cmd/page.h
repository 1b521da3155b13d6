/*
 * page.h - writes `report --html FILE`, and says what came of it.
 */
#pragma once

#include "cli/cmd/reader.h"

/* Writes the page of a reader's profile, or of both that it has, of about limit bytes
 * at most (0: the usual, HTML_LIMIT), to a file, whole or not at all. What is there
 * already is replaced if it is such a page, or empty, and left alone else. Returns the
 * exit status. */
int page_write(const struct reader *r, const char *path, size_t limit);
