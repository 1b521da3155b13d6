/*
 * slice.h - a profile cut to a part of its recording, so that every report shows that
 * part with the same code as the whole.
 *
 * A range of time [from, to):
 *
 *	allocs, allocated_bytes, temporary	what was allocated in it
 *	frees, freed_bytes			of that, freed up to the end, so that
 *						live is what was never freed of it
 *	freed_here				by code there, in it, whatever it freed
 *
 * A moment takes the place of the peak: of each site, what was live then. The end of
 * the recording is the end of each process, as in all other figures; at earlier
 * moments, processes that had ended have nothing. With a range, the moment is the
 * range's end unless another is asked for.
 *
 * A range of sizes leaves the blocks of those sizes, as if there were no others: all
 * figures are theirs. (At the peak: of the whole heap, not of theirs.) Sizes are
 * kept in classes, which powers of two part: the range is widened to whole ones. They
 * are kept of the malloc domain, and for the whole recording: the other domain has
 * nothing, and no range or moment of time goes with it, but for peak and end.
 *
 * Threads leave the blocks that they allocated, likewise, whoever freed them. What
 * could not be kept apart (profile_thread.mixed) belongs to none of them. One of sizes,
 * threads and time can be asked for.
 *
 * The recording is kept in epochs: a range is widened to whole ones, a moment is moved
 * to the nearest bound of one. profile->slice tells to which.
 *
 * What is not kept in parts, sites do not have then: classes of sizes in a range of
 * time or of a thread, those of lifetimes in any part, the last event but in a range of
 * time (last_live_bytes is PROFILE_UNKNOWN).
 */
#pragma once

#include "cli/profile/profile.h"

enum slice_moment {
	SLICE_AT_DEFAULT = 0, /* the peak; the end of the range if there is one */
	SLICE_AT_PEAK,
	SLICE_AT_END,
	SLICE_AT_TIME,
	SLICE_AT_SNAPSHOT, /* its moment: the end for one that was taken there */
};

struct slice_options {
	/* Threads of this number, or whose name matches this pattern (as of files in a
	 * shell); NULL: all. */
	const char *threads;
	bool has_sizes;
	uint64_t low_bytes, high_bytes; /* blocks of [low, high); UINT64_MAX: no end */
	bool has_range;
	uint64_t from_ns, to_ns; /* to_ns UINT64_MAX: the end */
	enum slice_moment moment;
	uint64_t at_ns;	      /* SLICE_AT_TIME */
	const char *snapshot; /* SLICE_AT_SNAPSHOT: name or number from 1 */
};

/* Parts that the profile must be loaded with, enum profile_dimension. */
unsigned slice_needs(const struct slice_options *o);

/* Cuts the profile. 0; or with a clause in why (of why_bytes): -ENODATA: it does not
 * have what that needs; -ERANGE: nothing was recorded then; -ESRCH: there is no such
 * thread; -ENXIO: no such snapshot; -EINVAL: no profile has what that needs; -ENOMEM
 * (no clause). */
int profile_slice(struct profile *p, const struct slice_options *o, char *why,
		  size_t why_bytes);

/* The same of the timeline alone, which every profile has, to a range of time, which
 * need not be rounded: profile->slice tells what of it is to be shown. 0 or -ERANGE. */
int profile_slice_timeline(struct profile *p, const struct slice_options *o, char *why,
			   size_t why_bytes);
