/*
 * fill.h - from the collector's books to the profile, at a cost in proportion to what
 * changed. Sites, stacks and modules keep their numbers.
 */
#pragma once

#include "cli/collect/codes.h"
#include "cli/collect/modules.h"
#include "cli/collect/sites.h"
#include "cli/profile/profile.h"

/* Each 0 or -ENOMEM; after a failure the next call goes on where it stopped. */

/* exe_of() names the executable of a process, for the module whose path is "". */
int fill_modules(const struct modules *m,
		 const char *(*exe_of)(void *, uint32_t serial), void *context,
		 struct profile *p);

/* So many more at most, which never change. base: the wire, of which the Python frames'
 * codes are read. */
int fill_stacks(const struct stacks *s, const struct modules *m, struct codes *codes,
		void *base, struct profile *p, size_t most);

/* Sites that changed, and those whose share of a peak may have. */
int fill_sites(struct sites *s, struct profile *p);

/* Of sites that have no rows yet so many at most get them, as they are now: no part of
 * the profile before fill_sites(), which then finds most of its work done. */
int fill_rows(struct sites *s, struct profile *p, size_t most);

/* What sites counted by epochs, all anew: once, after the last fill_sites() and the end
 * of all processes. */
int fill_history(const struct sites *s, struct profile *p);

/* Room for so many shares and no more, zeroes: there may be a million. Pages that nobody
 * writes cost nothing. */
int fill_room(struct profile_share **shares, size_t *room, size_t need);

/* What they counted by threads, likewise, and which threads are mixed. After the
 * profile's threads are filled, which are numbered as in the ledger. */
int fill_owners(const struct sites *s, struct profile *p);

/* What they counted by size classes, likewise; none if those were too many. */
int fill_sizes(const struct sites *s, struct profile *p);

int fill_timeline(const struct timeline *t, struct profile *p);
