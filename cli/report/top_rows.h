/*
 * top_rows.h - the rows of top's tables, summed and put in order.
 */
#pragma once

#include "cli/report/labels.h"
#include "cli/report/top.h"

struct top_rows {
	struct view view;
	struct labels labels; /* of site, function, file and module */
	enum top_by by;

	struct view_sums *sums; /* by label, or index of the process, domain or stack */
	struct view_sums *inclusive; /* TOP_FUNCTION; else NULL */
	size_t sums_room, inclusive_room;

	uint32_t *stacks; /* TOP_STACK: of each row */
	size_t stacks_room;

	uint32_t *order; /* what has blocks, the greatest first */
	size_t count;
	struct view_sums total; /* of the malloc domain for TOP_DOMAIN */
};

/* Sums them up; for all kinds but size, thread and lifetime. 0, -ESRCH or -ENOMEM.
 * top_rows_done() in any case. */
int top_rows_init(struct top_rows *r, const struct profile *p,
		  const struct top_options *o);
void top_rows_done(struct top_rows *r);

/* What a row is called; raw. */
const char *top_rows_name(const struct top_rows *r, uint32_t row,
			  enum labels_detail detail, char *buffer, size_t room);
