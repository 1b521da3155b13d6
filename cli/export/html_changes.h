/*
 * html_changes.h - what a page of two profiles has of what changed in their heaps: the
 * documents of `diff --json`, made once.
 *
 *	pair.leak, pair.block, pair.type	--by leak --kind all, --by block, --by type;
 *				of leaks and blocks those that changed most
 *	pair.heap		why one of them is not there
 */
#pragma once

#include "cli/export/html_heap.h"

enum {
	HTML_CHANGES = 1000,	   /* rows of a document ... */
	HTML_CHANGE_BYTES = 50000, /* ... and one for each so many bytes of the limit */
};

struct html_changes_options {
	const struct profile *profile[2];
	const char *path[2];
	size_t limit; /* of the page, in bytes */
	int (*find)(void *context, int which, enum profile_domain domain,
		    struct findings *ret); /* as of html_heap.h; NULL: nobody looked */
	void *context;
};

/* 0 or -ENOMEM; html_heap_done() in any case. */
int html_changes_init(struct html_heap *x, const struct html_changes_options *o);
