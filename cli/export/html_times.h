/*
 * html_times.h - what the sites of a page did in each epoch, where the profile keeps
 * that: rows in the order of the page's sites, each site's by epoch. They follow the
 * folding of html_tree.h: a site that stands for several has their sums.
 */
#pragma once

#include "cli/export/html_tree.h"

struct html_time {
	uint32_t site; /* into html_tree.sites; ascending */
	const struct profile_share *share;
};

struct html_times {
	struct html_time *rows;
	size_t count, room;
	struct profile_share *sums; /* owned: of sites that stand for several */
	size_t sum_count;
};

/* Whether a profile was loaded with its times, and is whole. */
static inline bool html_times_known(const struct profile *p)
{
	const struct profile_slice *s = &p->slice;

	return p->epoch_count && p->time_count && !s->has_range && !s->has_moment &&
	       !s->has_sizes && !s->has_threads;
}

/* No rows where html_times_known() is false. The tree must stay. 0 or -ENOMEM.
 * html_times_done() in any case. */
int html_times_init(struct html_times *t, const struct profile *p,
		    const struct html_tree *tree);
void html_times_done(struct html_times *t);
