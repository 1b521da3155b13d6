/*
 * growth.h - which sites grow without an end: live bytes of each (process, stack) at
 * the bounds of windows of time, while the program goes on.
 *
 *	growth_add()	the moment that a profile was loaded of; windows lie between
 *			 two moments
 *	growth_of()	or all moments, of a recording that has ended
 *	growth_judge()	a site grows if it had more at the end of every window that
 *			counts than at its beginning, by more than is allowed
 *
 * A cache that fills and drains, a table that is built once and one that doubles have a
 * window at least in which they do not grow. What grows more seldom than once in a
 * window is not found: windows must be longer then.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/profile/profile.h"

struct growth_moment {
	uint64_t at_ns;
	uint64_t operations; /* so far: marks of that name, in all processes */
};

struct growth_site {
	uint32_t serial, stack;
	size_t row;	 /* in `live` and `kept` */
	uint64_t blocks; /* live at the last moment */
	uint64_t gained; /* bytes, over the windows that count */
	uint64_t least;	 /* of them, in one window */
	/* Slopes of the straight line that is nearest to the windows' bounds (least
	 * squares): bytes. per_operation 0: there were none. */
	double per_second, per_operation;
	bool grows;
};

struct growth {
	size_t most; /* moments that there is room for */
	struct growth_moment *moments;
	struct growth_site *sites;
	uint64_t *live; /* bytes, of row i at moment k: [i * most + k] */
	/* Bytes that row i had been given in window k, and that outlived the process:
	 * [i * most + k]. NULL: not known of a recording that goes on. */
	uint64_t *kept;
	struct table known;	/* serial, stack -> index + 1 */
	uint64_t start_unix_ns; /* of the recording */
	size_t count, site_count, site_room, live_room, kept_room;
};

/* For so many windows, above 0. 0 or -ENOMEM. growth_done() in any case. */
int growth_init(struct growth *g, size_t windows);
void growth_done(struct growth *g);

/* The next moment: what the malloc domain's sites of p have now. mark: the name of an
 * operation; NULL: none. 0; -ENOMEM; -ESTALE: another recording's than before, or of
 * no later moment; -EOVERFLOW: they are all there. */
int growth_add(struct growth *g, const struct profile *p, const char *mark);

/* All moments of a recording that was loaded with PROFILE_TIMES: windows of equal
 * length, as far as bounds of epochs allow, from its start to that of its last epoch,
 * so that what a program frees as it ends is not looked at. Operations are counted
 * evenly between the moments that are kept of them. g is initialised and empty. 0;
 * -ENOMEM; -ENODATA: the profile has no counts by time; -ERANGE: there are too few
 * epochs. */
int growth_of(struct growth *g, const struct profile *p, const char *mark);

/* All sites, once all moments are there: the first `skip` windows do not count, and
 * `allowed` bytes in each of the others are no growth. Returns how many grow: they come
 * first, those that gained most before the others. */
size_t growth_judge(struct growth *g, size_t skip, uint64_t allowed);

/* Operations in the windows that count. */
uint64_t growth_operations(const struct growth *g, size_t skip);
