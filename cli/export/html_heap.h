/*
 * html_heap.h - what a page has of blocks that were never freed, and of who holds them,
 * in documents made once: the page may be made again until it is small enough.
 *
 *	heap		what there is: why something is not, and of which snapshots
 *			there is a graph
 *	leaks		html_leaks.h; leaks.DOMAIN: of mappings, of pools
 *	growing		html_leaks.h
 *	graph.N		html_graph.h, of snapshot N
 */
#pragma once

#include "cli/export/columns.h"
#include "cli/report/findings.h"

enum {
	HTML_GRAPHS = 4,	  /* snapshots whose graph is in a page */
	HTML_BLOCKS = 20000,	  /* of all graphs of a page ... */
	HTML_BLOCK_BYTES = 1000,  /* ... and one for each so many bytes of its limit */
	HTML_LEAK_BYTES = 250000, /* so much of it lets one more of each kind in */
};

struct html_heap_options {
	const char *path; /* of the profile; NULL: it cannot be read again */
	size_t limit;	  /* of the page, in bytes */
	/* The findings, as the verbs have them. NULL: nobody looked. */
	int (*find)(void *context, int which, enum profile_domain domain,
		    struct findings *ret);
	void *context;
	int which; /* is handed to find() */
};

struct html_heap {
	struct html_part {
		char name[32], *text;
		size_t len;
	} * parts;
	size_t count, room;
};

/* 0 or -ENOMEM. What cannot be read is said in "heap". html_heap_done() in any case. */
int html_heap_init(struct html_heap *x, const struct profile *p,
		   const struct html_heap_options *o);
void html_heap_done(struct html_heap *x);

void html_heap_put(const struct html_heap *x, struct columns *c);

/* Adds a part that write() makes; one that fails is none. 0, -ENOMEM or what write()
 * returned. */
int html_heap_part(struct html_heap *x, const char *name,
		   int (*write)(void *context, FILE *out), void *context);

/* In words, why a graph or findings could not be read. */
const char *html_heap_reason(int err);

/* Whether the profile was cut: a leak is judged of all blocks, and of the moment of a
 * snapshot. */
bool html_heap_is_part(const struct profile *p);
