/*
 * page.h - writes `report --html FILE`, and says what came of it.
 */
#pragma once

#include "cli/profile/profile.h"

/* Writes the page of a profile (of that path), of about limit bytes at most (0: the
 * usual, HTML_LIMIT), to a file, whole or not at all. What is
 * there already is replaced if it is such a page, or empty, and left alone else.
 * Returns the exit status. */
int page_write(const struct profile *p, const char *profile_path, const char *path,
	       size_t limit);
