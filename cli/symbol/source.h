/*
 * source.h - the lines of source that a profile carries with it: which are wanted, and
 * reading them.
 */
#pragma once

#include "cli/profile/profile.h"
#include "cli/symbol/remap.h"

#include <time.h>

#define SOURCE_MAX_FILE_BYTES (32u << 20)   /* larger files are not source */
#define SOURCE_MAX_TOTAL_BYTES (128u << 20) /* of all text embedded in a profile */

struct source_range {
	uint32_t file;	      /* string of the profile */
	uint32_t first, last; /* lines */
	uint32_t end; /* set by source_embed(): where the last function really ends */
};

struct source_plan { /* ascending by file and line, disjoint */
	struct source_range *ranges;
	size_t count, room;
	uint64_t room_bytes; /* left of SOURCE_MAX_TOTAL_BYTES */
};

/* Lists the lines that frames of p name and p->sources lacks: whole functions where
 * their extent is known. Only paths that a rule is about, and absolute ones outside
 * the system's directories. 0 or -ENOMEM. */
int source_plan_open(const struct profile *p, const struct remap *remap,
		     struct source_plan *ret);

void source_plan_done(struct source_plan *plan);

/* Debug information says where a function's code ends, not where its text does: frames
 * whose function ends where a range does get the range's end. 0 or -ENOMEM. */
int source_extend(struct profile *p, const struct source_plan *plan);

/* Adds ranges of one file, read where the first rule leads that leads to a file, else
 * from its own path in the root of root_fd (-1: ours); and takes what it adds from
 * *room_bytes. When the file was last changed comes back. 0; -ENOMEM; or why there is
 * no such source: -ENOENT, -EINVAL (not a regular file), -EFBIG, -EILSEQ (not text),
 * ... */
int source_embed(struct profile *p, const struct remap *remap, int root_fd,
		 struct source_range *ranges, size_t count, uint64_t *room_bytes,
		 struct timespec *ret_changed);
