/*
 * html_tree.h - the stack tree of a profile as a page carries it: in preorder, what is
 * too small for the page folded.
 *
 * Nodes come after the node that called them and before their next sibling, so that a
 * node's subtree is a run, and a script sums up a tree in one pass backwards. A page
 * that would be too large has only nodes whose share of some metric's total, with all
 * that they call, is above a threshold; what is below a kept node and is not kept
 * itself becomes one node of no place, "smaller", with the sums of all its sites. So
 *
 *	what a node's subtree has == what it had in the profile, for all kept nodes
 */
#pragma once

#include "cli/report/view.h"

enum { HTML_TREE_SMALLER = UINT32_MAX };

struct html_node {
	uint32_t stack; /* of the profile; HTML_TREE_SMALLER; 0: the root */
	uint32_t depth; /* 0: the root */
};

struct html_site { /* of one process, domain and node */
	const struct profile_site *site;
	uint32_t node; /* into nodes; they ascend */
	uint32_t process;
	bool runtime; /* what is live is runtime (runtime.h) */
	bool summed;  /* it stands for several of the profile's: in html_tree.sums */
};

struct html_tree {
	struct html_node *nodes;
	struct html_site *sites;
	size_t node_count, node_room, site_count, site_room;
	size_t folded; /* nodes of the profile that are in none of their own */
	struct profile_site *sums; /* owned: what html_site of "smaller" points to */
	size_t sum_count, sum_room;
	uint32_t *sum_of; /* by site of the profile: index + 1 into sums; 0: none */
};

/* What a node and all that it calls is of the whole: the greatest of its shares of
 * peak, leaked, allocated, freed and temporary bytes and of allocations, by stack; the
 * root's is infinite. NULL without memory; the caller frees it. */
double *html_tree_shares(const struct view *v);

/* Keeps the nodes whose share is above `least`; those of shares NULL are all kept. 0 or
 * -ENOMEM. html_tree_done() in any case. The view is that of all processes. */
int html_tree_init(struct html_tree *t, const struct view *v, const double *shares,
		   double least);
void html_tree_done(struct html_tree *t);

/* The share that leaves about so many nodes when those above it are kept. 0 or -ENOMEM.
 */
int html_tree_least(const double *shares, size_t count, size_t wanted, double *ret);
