/*
 * partition.h - the shares of a profile's sites: whose they are, and the one of
 * each site that files leave out.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/profile/profile.h"

/* Finds the sites of rows that mostly come in the sites' order. */
struct partition {
	const struct profile *profile;
	size_t last;	    /* the site found last */
	struct table sites; /* made once the order is another */
};

static inline struct partition partition_of(const struct profile *p)
{
	return (struct partition){.profile = p};
}

void partition_done(struct partition *x);

/* Index of the site that a row is of; SIZE_MAX: there is none. 0 or -ENOMEM. */
int partition_site(struct partition *x, const struct profile_share *row, size_t *ret);

/* Number of rows from row on that are of its site. */
size_t partition_run(const struct profile_share *rows, size_t count);

/* By the dimensions that were loaded: makes the last row of each site what the others
 * leave of it. 0 or -ENOMEM; *ret_wrong is NULL, or a clause on what cannot be in a true
 * profile. */
int partition_restore(struct profile *p, unsigned loaded, const char **ret_wrong);
