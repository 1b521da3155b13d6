/*
 * totals.h - sums and look-ups that every reader of a profile needs, and the check
 * that its parts add up.
 */
#pragma once

#include "cli/profile/profile.h"

/* Processes by their serials. */
struct profile_serials {
	const struct profile *profile;
	uint32_t *order; /* numbers of processes, by ascending serial */
	size_t last;	 /* place in order of the last find: neighbours ask alike */
};

/* Looks at p->processes, which must stay as they are meanwhile. 0 or -ENOMEM. */
int profile_serials_init(struct profile_serials *s, const struct profile *p);
void profile_serials_done(struct profile_serials *s);

/* Index into profile->processes, or SIZE_MAX. */
size_t profile_serials_find(struct profile_serials *s, uint32_t serial);

/* Processes that were recorded: rows that others are counted in are none. */
size_t profile_processes(const struct profile *p);

/* What the recording saw in one domain, of one process or of all. */
struct profile_totals {
	uint64_t allocs, allocated_bytes, frees, freed_bytes;
	struct profile_amount live;	 /* at the end: never freed */
	struct profile_amount temporary; /* malloc domain only */
};

struct profile_totals profile_process_totals(const struct profile_process *process,
					     enum profile_domain domain);

/* The sum over processes. */
struct profile_totals profile_totals(const struct profile *p,
				     enum profile_domain domain);

/* Events lost by all processes and by those that got no ring: reports print it if it
 * is not 0, and a gate refuses to pass. */
uint64_t profile_lost_events(const struct profile *p);

/* Live blocks of a site at the end; none where a made-up file frees more than there
 * were. */
static inline struct profile_amount profile_site_live(const struct profile_site *s)
{
	return (struct profile_amount){s->allocs > s->frees ? s->allocs - s->frees : 0,
				       s->allocated_bytes > s->freed_bytes
					       ? s->allocated_bytes - s->freed_bytes
					       : 0};
}

/*
 * Checks that the sites add up to what each process says of each domain: allocations,
 * frees, bytes, temporary blocks and the composition of the peak; that they add up to
 * the peak of all processes; and that each site's classes count its blocks.
 * 0; or -EBADMSG with one clause in why (of why_bytes, may be NULL), -ENOMEM.
 */
int profile_check(const struct profile *p, char *why, size_t why_bytes);
