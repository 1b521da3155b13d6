/*
 * groups.h - blocks by the code that asked for them: one group for each line, or
 * nameless place, that stacks are counted under (view_site_frame()).
 */
#pragma once

#include "cli/base/table.h"
#include "cli/report/view.h"

struct group {
	struct frames_frame frame; /* stack NULL: of no known stack */
	struct profile_amount amount;
	uint32_t stack;	 /* the one that contributed most */
	uint64_t weight; /* bytes that it contributed */
};

struct groups {
	struct view view;
	struct table ids; /* -> index */
	struct group *items;
	size_t count, room;
	struct profile_amount total;
};

/* 0, -ESRCH (no such process) or -ENOMEM. groups_done() in any case. */
int groups_init(struct groups *g, const struct profile *p,
		const struct scope_options *o);
void groups_done(struct groups *g);

/* Fills g with the blocks of a metric, the greatest first. 0 or -ENOMEM. */
int groups_collect(struct groups *g, enum view_metric metric);

/* Whether two frames belong to one group. */
bool groups_same(const struct groups *g, const struct frames_frame *a,
		 const struct frames_frame *b);
