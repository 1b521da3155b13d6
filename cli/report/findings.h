/*
 * findings.h - what a recording says about blocks that were never freed: each process's
 * by class and allocation stack, the worst first.
 *
 * The classes come from the process's last whole snapshot (cli/heap/). A process
 * without one has nothing but "never freed": LEAK_UNSCANNED, with the cause.
 */
#pragma once

#include "cli/heap/leaks.h"
#include "cli/profile/profile.h"

#define FINDING_NONE UINT32_MAX
#define FINDINGS_YOUNG_NS 100000000ull /* less is no age for a verdict on the living */

struct finding {	   /* blocks of one class, process and allocation stack */
	uint32_t kind;	   /* enum leak_kind */
	uint32_t process;  /* index into the profile's processes */
	uint32_t stack;	   /* index into the profile's stacks, of one of the blocks */
	uint32_t stacks;   /* that differ by recursion alone, see recursion.h */
	uint32_t snapshot; /* index into its snapshots; FINDING_NONE: none was used */
	uint32_t leader; /* finding whose blocks hold that at `address`; may be itself,
			  * of a ring; FINDING_NONE */
	uint64_t blocks, bytes;
	uint64_t held_blocks, held_bytes; /* others that freeing these would release */
	uint64_t first_ns, last_ns;	  /* allocations */
	uint64_t address;		  /* of one of them; 0: not known */
	uint64_t disproved; /* blocks of the stack that an earlier snapshot called lost,
			     * and that were freed or reallocated later */
	uint32_t rule;	    /* what suppressed them: the number that matched() gave */
};

struct findings {
	struct finding *items; /* by kind, then by bytes with what they hold */
	size_t count, room;
	struct profile_amount sum[LEAK_KINDS]; /* no block twice */
	uint64_t disproved;		       /* in all: published, not hidden */
	uint32_t scanned, unscanned; /* processes; one that never had a block, or was
				      * replaced by an exec, is no unscanned one */
	uint32_t early;	   /* of scanned: by a snapshot that they lived on after */
	const char *cause; /* why the first of the unscanned was not; "" */
};

/*
 * A verdict on a living process takes two looks: lost is what its snapshot before saw
 * lost as well, and LEAK_YOUNG the rest. Blocks that were called lost and are gone at
 * the next snapshot are counted as disproved, and as long as the process lives, blocks
 * of their stack are LEAK_POSSIBLE at most. At its end, classes are final.
 */
struct findings_options {
	const char *path; /* of the profile: the graphs are read from it */
	int32_t pid;	  /* 0: all processes */
	/* Malloc: of blocks, and of chunks of pools; pool: of chunks alone; mmap: of
	 * mappings that the program made. */
	enum profile_domain domain;
	const char *snapshot; /* NULL: each process's last */
	uint64_t young_ns;    /* blocks younger than that have no verdict while alive */
	/* Bits of classes that are only summed up, unless they hold others: of many
	 * processes, their findings by stack would take much memory. */
	uint32_t unlisted;
	/* Only blocks allocated then or later are counted; those before are in findings
	 * of no block at most, as leaders of others. */
	uint64_t since_ns;
	/* The suppression for blocks of this class and stack, or FINDING_NONE. What
	 * suppressed blocks alone hold is suppressed with them. NULL: none. */
	uint32_t (*matched)(void *context, const struct profile *p, uint32_t process,
			    uint32_t stack, enum leak_kind kind);
	void *context;
};

/* 0, -ENOMEM, -ENODATA (no such snapshot), or -errno of reading the graphs. ret is to
 * be freed with findings_done() in any case. */
int findings_of(const struct profile *p, const struct findings_options *o,
		struct findings *ret);
void findings_done(struct findings *f);

/* By class, then by bytes with what they hold: below 0: a comes first; 0: they are told
 * apart by something else. */
int findings_order(const struct finding *a, const struct finding *b);

/* Why a snapshot is no ground for a verdict; NULL: it is. What can be done, a sentence
 * without its end, of such a reason; NULL: nothing is known. */
const char *findings_flaw(const struct profile *p, const struct profile_snapshot *s);
const char *findings_remedy(const char *flaw);

/* "definite", "cycle", ...: the words that options take and JSON prints. */
extern const char *const leak_words[LEAK_KINDS];
