/*
 * html_page.h - what a page has of one profile: the columns of its stack tree, places,
 * names and sources, and the reports that go in as they are.
 *
 *	page.profile, .path, .partial, .sums	set by who owns it
 *	html_tree_init(&page.tree, ...)		which nodes it has
 *	html_page_prepare(), html_page_put()	writes them, to page.columns
 *	html_page_forget()			for another try with fewer nodes
 */
#pragma once

#include "cli/export/columns.h"
#include "cli/export/html_places.h"
#include "cli/export/html_times.h"
#include "cli/export/html_tree.h"

/* What the columns of a profile are made of. */
struct html_page {
	const struct profile *profile;
	const char *path;
	bool partial; /* another set of columns comes after these, that has more */
	struct lines_sums sums;
	struct html_tree tree;
	struct html_times times;
	struct html_places places;
	uint32_t *place; /* by node of the tree */
	struct strings texts;
	struct columns columns;
	bool no_memory; /* a text found no room */
};

/* 0 or -ENOMEM. html_page_forget() in any case. */
int html_page_prepare(struct html_page *page);

/* 0, -ENOMEM, or -EOVERFLOW: see html.h. */
int html_page_put(struct html_page *page);

/* Frees all but the sums. */
void html_page_forget(struct html_page *page);
