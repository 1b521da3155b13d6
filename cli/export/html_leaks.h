/*
 * html_leaks.h - what a page knows of leaks without having anybody to ask: for each kind
 * of finding what `heapline leaks --kind KIND -n COUNT --json` prints, and what
 * `heapline watch --json` says that grows.
 */
#pragma once

#include "cli/report/findings.h"

#include <stdio.h>

enum { HTML_LEAKS = 200 }; /* findings of a kind; what is left out is counted */

/* Writes an array of such documents, with `most` findings: one of each kind that there
 * is, "definite" in any case. path is the profile's. 0, -ENOMEM, or -errno of reading a
 * graph. */
int html_leaks_json(const struct profile *p, const struct findings *f, const char *path,
		    enum profile_domain domain, size_t most, FILE *out);

/* Writes that document, or null: the profile has no counts by time, is too short, or
 * has losses. 0 or -ENOMEM. */
int html_growing_json(const struct profile *p, FILE *out);
