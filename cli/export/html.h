/*
 * html.h - a profile as one HTML file that needs nothing else: the viewer (viewer/)
 * and, as columns (columns.h), what it asks. It makes no request, runs no script but
 * its own (a hash in its content security policy says which), and names that the
 * program chose are in it only as compressed text.
 */
#pragma once

#include "cli/export/columns.h"
#include "cli/profile/profile.h"
#include "cli/report/findings.h"

#include <stdio.h>

enum {
	HTML_SCHEMA = 1,       /* of the columns: viewer and page are of one heapline */
	HTML_LIMIT = 50 << 20, /* bytes of a page */
};

/* How a page begins, so that it can be told from other files. */
#define HTML_START "<!doctype html>\n<!-- a profile, by heapline -->\n"

struct html_options {
	const char *path;	/* of the profile: its name is shown; may be NULL */
	const char *other_path; /* of the second, of html_write_pair(); may be NULL */
	size_t limit; /* bytes; 0: HTML_LIMIT. What is smallest is folded (html_tree.h)
		       * until the page fits, or only sources, names and what it
		       * has of the heap graph (html_heap.h) are left. */
	/* The findings of the profile, or of the second; as of html_heap.h. May be NULL.
	 */
	int (*find)(void *context, int which, enum profile_domain domain,
		    struct findings *ret);
	void *context;
	size_t nodes; /* of columns alone: about so many at most; 0: all */
	bool partial; /* ... and others come after them, that have more */
};

struct html_outcome {
	size_t bytes;
	size_t nodes, folded; /* of the stack tree: all, and those folded */
};

/* The names of the second profile's columns begin so. */
#define HTML_SECOND "b."

/* Writes the page. 0, -ENOMEM, or -EOVERFLOW: a figure is above COLUMNS_MOST. Nothing
 * is written then. ret may be NULL. */
int html_write(const struct profile *p, const struct html_options *o, FILE *out,
	       struct html_outcome *ret);

/* The same of two profiles, and of what changed from a to b, as `heapline diff` sees
 * it. */
int html_write_pair(const struct profile *a, const struct profile *b,
		    const struct html_options *o, FILE *out, struct html_outcome *ret);

/* The columns of a page alone, for a server: of one profile or of two. 0, or as of
 * html_write() or out->take(). */
int html_columns(const struct profile *const *profiles, size_t count,
		 const struct html_options *o, const struct columns *out);

/* A page without columns: its script fetches them where the page came from. */
void html_served(FILE *out);
