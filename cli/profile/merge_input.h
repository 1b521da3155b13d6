/*
 * merge_input.h - one profile on its way into a merged one: what the parts of the merge
 * share.
 *
 *	merge.c		inputs one after the other: processes, sites, what is said
 *	merge_code.c	strings, modules, codes, stacks and sources, each thing once
 *	merge_time.c	where recordings lie in the common time, and the timeline
 *	merge_shares.c	what sites have by time, size class and thread
 */
#pragma once

#include "cli/base/array.h"
#include "cli/base/pairs.h"
#include "cli/base/table.h"
#include "cli/profile/merge.h"
#include "cli/profile/totals.h"

#include <errno.h>

/* Where one recording lies in the common time. */
struct span {
	uint64_t start, end;
};

struct profile_merge {
	struct profile *p;     /* with the first input's sites */
	struct profile **more; /* the sites of the others */
	size_t more_room, inputs;
	struct span *spans; /* by input */
	size_t span_room;
	uint64_t last_rank; /* of all sites */
	size_t highest;	    /* the input whose peak is the highest */

	/* What earlier inputs brought into p: content -> index + 1. Of things that are
	 * alike, the first. What the last input brought is not there yet. */
	struct table modules, codes, sources;
	struct merge_stacks {
		uint64_t *slots; /* half of a hash, and index + 1; 0: free */
		size_t room;	 /* a power of two */
	} stacks;
	size_t known_modules, known_codes, known_stacks, known_sources;
	size_t frames_compared; /* of the known codes */
	uint32_t *runs; /* by code of p: the number of its frames' run */
	size_t run_room;

	struct table frame_names, frame_places; /* numbers of frames */
	struct pairs run_numbers;
	struct strings bases;  /* last parts of modules' paths */
	uint32_t *next_module; /* by index: the next of that build-id + 1, or 0 */
	size_t next_room;
};

/* One profile on its way into p: not the first. */
struct merge_input {
	struct profile_merge *m;
	struct profile *from;
	struct profile *to;
	uint64_t offset_ns; /* of its moment 0 */
	uint64_t rank;	    /* what its ranks begin behind */
	/* Numbers in `to` of what has a number in `from`. */
	uint32_t *strings, *codes, *stacks;
	uint32_t *runs; /* by code of `from`: what it stands for, whatever its number */
	uint32_t *modules; /* index + 1 both; [0] is none */
	uint32_t *serials; /* by index of the process */
	struct profile_serials known;
	/* Things of earlier inputs that this one has taken: each at most once, so that
	 * what differs in an input differs in the result. */
	unsigned char *module_taken, *stack_taken;
	size_t stack_count;  /* of `to`, before this input */
	uint32_t last_stack; /* that it took */
	size_t frames_added, frames_compared;
	bool highest;	 /* its peak is, so far: the others have no part in it */
	bool all_frames; /* are in `to`, from first_frame on */
	size_t first_frame;
};

/* A new row at the end of one of to's arrays; NULL without memory, or room for its
 * number. */
#define merge_row(to, member)                                                          \
	((to)->member##_count >= UINT32_MAX - 1 ||                                     \
			 array_room(&(to)->member##s, &(to)->member##_room,            \
				    (to)->member##_count + 1) < 0                      \
		 ? NULL                                                                \
		 : &(to)->member##s[(to)->member##_count++])

static inline uint64_t merge_later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A process's serial in `to`; 0: it is not there. */
uint32_t merge_serial(struct merge_input *in, uint32_t serial);

/* Makes all that earlier inputs brought known. 0 or -ENOMEM. */
int merge_know_code(struct profile_merge *m);

/* Brings what stacks are made of into `to`, then the stacks. 0 or -errno. */
int merge_code(struct merge_input *in);
int merge_stacks(struct merge_input *in);

/* What a pass over all sites tells. */
struct merge_look {
	uint64_t last_ns, last_rank;
};

/* Finds the place of an input in time, as m->spans[m->inputs]. 0 or -errno. */
int merge_place(struct profile_merge *m, const struct profile *from,
		struct merge_look look);

/* Moments of things, seen from a moment 0 that is ns earlier. */
void merge_shift_process(struct profile_process *q, uint64_t ns);
void merge_shift_thread(struct profile_thread *t, uint64_t ns);

/* Brings what sites have by parts into `to`, behind the sites. 0 or -errno. */
int merge_shares(struct merge_input *in);

/* Once every input's are there: their epochs in order. 0 or -ENOMEM. */
int merge_epochs(struct profile_merge *m);

/* Brings the timeline into `to`. 0 or -ENOMEM. */
int merge_bins(struct merge_input *in);

/* The timeline of all, once every input's is there. 0 or -ENOMEM. */
int merge_timeline(struct profile_merge *m);
