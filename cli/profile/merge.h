/*
 * merge.h - one profile out of several: of runs, or of processes that were recorded
 * each by itself.
 *
 *	struct profile_merge *m;
 *
 *	profile_merge_open(&m);
 *	for each recording
 *		profile_merge_add(m, p);	// p is m's now
 *	profile_merge_finish(m, &merged);
 *	profile_writer_update_with(w, merged.p, merged.more, merged.more_count);
 *	profile_merged_done(&merged);
 *	profile_merge_close(m);
 *
 * Processes and what is counted for them stay as they are, under new serials: sums of
 * the whole are the sums of the parts. Code is shared: modules by build-id and base
 * name (without a build-id, by path and size), stacks by the modules' offsets, if what
 * symbols say of them is the same. The merge of one profile is that profile, but for
 * snapshots of heaps, which are left out.
 *
 * Time. A recording lies where its start_unix_ns puts it, seen from the earliest one;
 * if it would overlap one that is there already, or does not know its start, it lies
 * behind everything. So no two share a moment, and the peak of all is the highest of
 * the parts' peaks, not their sum; sites keep their part of that one in tree_peak, and
 * of their own process's peak in peak.
 */
#pragma once

#include "cli/profile/profile.h"

enum {
	PROFILE_MERGE_BINS = 1 << 16, /* of the timeline; neighbours join beyond */
};

struct profile_merge;

int profile_merge_open(struct profile_merge **ret); /* 0 or -ENOMEM */

/* NULL is fine. */
void profile_merge_close(struct profile_merge *m);

static inline void profile_merge_closep(struct profile_merge **m)
{
	profile_merge_close(*m);
}

/* Adds a profile as it was loaded, in the order in which the parts' events shall count,
 * and takes it over, whatever comes of it. 0; -ENOMEM; -EOVERFLOW: more than 32-bit
 * numbers hold, or times beyond 64 bits; -EBADMSG: it contradicts itself. After a
 * failure m is good for closing only. */
int profile_merge_add(struct profile_merge *m, struct profile *from);

/* What came of it. Sites are nine tenths of a profile: those of the first input are in
 * p, those of each other one stay where they were loaded, in a profile that has nothing
 * else and whose sites name stacks and processes of p. All are dirty. */
struct profile_merged {
	struct profile *p;
	struct profile **more;
	size_t more_count;
};

/* Hands it over, ready to be written. 0 or -ENOMEM. */
int profile_merge_finish(struct profile_merge *m, struct profile_merged *ret);
void profile_merged_done(struct profile_merged *merged);
