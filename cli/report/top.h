/*
 * top.h - who has most: tables of blocks by site, stack, function, file, module, size,
 * thread, lifetime, domain or process.
 *
 * A block is counted under one row, so that the rows add up to the report's totals:
 * under the innermost frame of the program's own code (view_site_frame()); by module,
 * under the innermost that is no base library's. By function there is also what was
 * allocated anywhere below, an event once for a function however recursive.
 */
#pragma once

#include "cli/report/view.h"

#include <stdio.h>

enum top_by {
	TOP_SITE = 0,
	TOP_FUNCTION,
	TOP_FILE,
	TOP_MODULE,
	TOP_SIZE,
	TOP_THREAD,
	TOP_LIFETIME,
	TOP_DOMAIN,
	TOP_PROCESS,
	TOP_STACK,
	TOP_KINDS
};

struct top_options {
	struct scope_options scope;
	enum top_by by;
	enum view_metric sort;
	size_t limit;	/* rows at most; 0: TOP_LIMIT */
	size_t columns; /* of the terminal; 0: names are never cut */
	bool bytes;	/* exact bytes */
	bool colour;
};

enum {
	TOP_LIMIT = 20,
	TOP_SCHEMA = 1, /* of the JSON: grows with changes that break scripts */
};

/* Write the table: 0, -ESRCH (no such process) or -ENOMEM. JSON has all rows unless
 * limit is given. */
int top_text(const struct profile *p, const struct top_options *o, FILE *out);
int top_json(const struct profile *p, const struct top_options *o, FILE *out);

/* Parses "site", "function", ... */
bool top_parse_by(const char *word, enum top_by *ret);
#define TOP_WORDS                                                                      \
	"site, stack, function, file, module, size, thread, lifetime, domain, "        \
	"process, type or referrer"
