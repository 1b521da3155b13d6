/*
 * scope.h - which part of a profile a report speaks of: a domain, all processes or
 * one, the stacks that --focus and --ignore leave; and what "at the peak" means there.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/profile/profile.h"

#include <regex.h>

/* What options and JSON call the domains. */
extern const char *const scope_domains[PROFILE_DOMAINS];

struct scope_options {
	enum profile_domain domain;
	int32_t pid;	       /* 0: all processes */
	const regex_t *focus;  /* stacks with a frame that matches; NULL: all */
	const regex_t *ignore; /* not those with a frame that matches; NULL: none */
};

enum scope_moment {		     /* what "at the peak" is */
		    SCOPE_OWN_PEAK,  /* of the one process that the scope has, or of its
				      * images  (exec) the one that had the highest */
		    SCOPE_TREE_PEAK, /* of the sum of all processes' live bytes */
		    SCOPE_OWN_PEAKS, /* of each process on its own: mmap, where nobody
					sums */
		    SCOPE_AT, /* another moment that the profile was cut to: slice.h */
};

struct scope {
	const struct profile *profile;
	enum profile_domain domain;
	enum scope_moment moment;
	bool *process;	       /* by index: in scope */
	size_t process_count;  /* of those */
	size_t peak_process;   /* SCOPE_OWN_PEAK: its index */
	unsigned char *stacks; /* by stack: 1 chosen; NULL: all are */
	struct table serials;  /* serial -> index */
	uint32_t *dense;       /* by serial below dense_count: index + 1; 0: none */
	size_t dense_count;
};

/* -ESRCH: no process has that pid; -ENOMEM. scope_done() in any case. */
int scope_init(struct scope *s, const struct profile *p, const struct scope_options *o);
void scope_done(struct scope *s);

/* Index of the process that a site names; SIZE_MAX: none. */
size_t scope_process(const struct scope *s, const struct profile_site *site);

/* Whether a site counts. */
bool scope_has(const struct scope *s, const struct profile_site *site);

/* What a site had at the peak. */
struct profile_amount scope_peak(const struct scope *s,
				 const struct profile_site *site);

/* The peak itself, and when it was (0 for SCOPE_OWN_PEAKS, their sum). */
struct profile_amount scope_peak_total(const struct scope *s, uint64_t *ret_at_ns);
